"""Makes the bundled example: Auld Lang Syne for voice, piano, bass and drums, with its ground truth.

Words (Robert Burns, 1788) and tune (traditional) are in the public domain; the arrangement is this
file. One verse and the refrain, F major, 4/4 with a pick-up. From the score below come the reference
files (MusicXML, lyrics, notes, beats) and the recording: a synthetic singer (``singer.py``), and
piano, bass and drums from the sound font that ships with pretty_midi, played with slightly uneven
timing, panned, in a small room.

Run it with ``python examples/make_example.py``; it needs the Debian package ``libespeak-ng1`` and
``pip install pyworld tinysoundfont``. The same versions of these make the same notes and
sound again (music21 writes the date and new part ids into the MusicXML).

Conventions: score positions in quarter notes from the pick-up (bar 1 begins at 1); times in seconds.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pretty_midi
import soundfile
import soxr
import tinysoundfont
from music21 import (
    base,
    chord,
    clef,
    expressions,
    harmony,
    instrument,
    key,
    layout,
    metadata,
    meter,
    note,
    percussion,
    pitch,
    spanner,
    stream,
    tempo,
)
from singer import Sung, sing

FOLDER = Path(__file__).resolve().parents[1] / "fullscore" / "example"
NAME = "auld-lang-syne"
TITLE = "Auld Lang Syne"
ARTIST = "Fullscore example (words: Robert Burns, tune: traditional)"

SAMPLE_RATE = 44100
LEAD_IN_S = 0.4
TAIL_S = 2.5
TEMPO_BPM = 96
TEMPO_SWAY = 0.012  # relative, over eight bars: nobody keeps time exactly
RITARDANDO = (1.03, 1.06, 1.12, 1.2, 1.25, 1.25, 1.25, 1.25)  # lengths of the last eight beats
TIMING_SPREAD_S = 0.007  # standard deviation of a player's note onsets about the beat
SEED = 1788
VOICE = "en-us+f2"

PICKUP = Fraction(1)
BARS = 16
BEATS = 1 + 4 * BARS
SOUND_FONT = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"

# Melody: pitch and quarter notes, then the syllable ("-" before or after it: the word goes on; "_": the
# last syllable goes on) and its phonemes in eSpeak's notation. One tuple per line of verse.
MELODY = (
    ("verse", "C4 1 Should S'Ud", "F4 1.5 auld 'O:ld", "E4 .5 ac- 'a", "F4 1 -quain- kw'eIn",
     "A4 1 -tance t@ns", "G4 1.5 be b'i:", "F4 .5 for- f@", "G4 1 -got, g'0t"),
    ("", "A4 1 and 'and", "F4 1.5 nev- n'E", "F4 .5 -er v3", "A4 1 brought br'O:t", "C5 1 to t'u:",
     "D5 3 mind? m'aInd"),
    ("", "D5 1 Should S'Ud", "C5 1.5 auld 'O:ld", "A4 .5 ac- 'a", "A4 1 -quain- kw'eIn",
     "F4 1 -tance t@ns", "G4 1.5 be b'i:", "F4 .5 for- f@", "G4 1 -got, g'0t"),
    ("", "A4 1 and 'and", "F4 1.5 days d'eIz", "D4 .5 of 'Vv", "D4 1 auld 'O:ld", "C4 1 lang l'aN",
     "F4 3 syne? s'aIn"),
    ("refrain", "D5 1 For f'O@", "C5 1.5 auld 'O:ld", "A4 .5 _", "A4 1 lang l'aN", "F4 1 _",
     "G4 1.5 syne, s'aIn", "F4 .5 my m'aI", "G4 1 dear, d'I@"),
    ("", "D5 1 for f'O@", "C5 1.5 auld 'O:ld", "A4 .5 _", "A4 1 lang l'aN", "C5 1 _", "D5 3 syne, s'aIn"),
    ("", "D5 1 we'll w'i:l", "C5 1.5 take t'eIk", "A4 .5 a 'V", "A4 1 cup k'Vp", "F4 1 of 'Vv",
     "G4 1.5 kind- k'aInd", "F4 .5 -ness n@s", "G4 1 yet, j'Et"),
    ("", "A4 1 for f'O@", "F4 1.5 auld 'O:ld", "D4 .5 _", "D4 1 lang l'aN", "C4 1 _", "F4 4 syne. s'aIn"),
)  # fmt: skip

# Two chords a bar; one name where it lasts the whole bar.
HARMONY = (
    "F", "C7", "F F7", "Bb", "F Dm", "C7", "Bb C7", "F C7",
    "F Dm", "Gm C7", "F F7", "Bb", "F Dm", "Gm C7", "Bb C7", "F",
)  # fmt: skip
VOICINGS = {  # right hand, left hand (root and fifth), root of the bass
    "F": ((57, 60, 65), (41, 48), 29),
    "F7": ((57, 60, 63), (41, 48), 29),
    "Dm": ((57, 62, 65), (38, 45), 38),
    "Gm": ((58, 62, 67), (43, 50), 31),
    "Bb": ((58, 62, 65), (46, 53), 34),
    "C7": ((58, 60, 64), (36, 43), 36),
}
STEMS = {"voice": "vocals", "piano": "other", "bass": "bass", "drums": "drums"}  # as separation names them
KICK, SNARE, CLOSED_HAT, CRASH, HIGH_TOM, LOW_TOM = 36, 38, 42, 49, 50, 45
DRUM_STAFF = {  # display position on the staff, note head
    KICK: ("F4", "normal"),
    SNARE: ("C5", "normal"),
    CLOSED_HAT: ("G5", "x"),
    CRASH: ("A5", "x"),
    HIGH_TOM: ("E5", "normal"),
    LOW_TOM: ("A4", "normal"),
}


@dataclass(frozen=True, slots=True)
class Tone:
    """A note of the score: its part, start and length in quarters, MIDI pitch and velocity."""

    part: str
    start: Fraction
    length: Fraction
    pitch: int
    velocity: int = 80
    text: str = ""
    phonemes: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """A tone as played: onset and offset in seconds."""

    tone: Tone
    onset: float
    offset: float


def compose() -> list[Tone]:
    """The whole arrangement."""
    return [*melody(), *piano(), *bass(), *drums()]


def melody() -> Iterator[Tone]:
    """The voice, from MELODY."""
    start = Fraction(0)
    for _, *line in MELODY:
        for entry in line:
            name, quarters, text, *phonemes = entry.split()
            length = Fraction(quarters)
            yield Tone("voice", start, length, pitch.Pitch(name).midi, 90, text, "".join(phonemes))
            start += length


def half_bars() -> Iterator[tuple[int, Fraction, str]]:
    """Bar, position and chord of each half bar."""
    for index, names in enumerate(HARMONY):
        first, *second = names.split()
        for half, name in enumerate((first, *(second or [first]))):
            yield index + 1, PICKUP + 4 * index + 2 * half, name


def piano() -> Iterator[Tone]:
    """Half-note chords in the verse, quarters in the refrain, broken where the voice holds; fifths below."""
    for bar, start, name in half_bars():
        right, (root, fifth), _ = VOICINGS[name]
        downbeat = (start - PICKUP) % 4 == 0
        if bar == BARS:
            if downbeat:
                for sounding in (root, fifth, *right):
                    yield Tone("piano", start, Fraction(4), sounding, 66)
            continue
        yield Tone("piano", start, Fraction(2), root if downbeat or bar % 4 == 0 else fifth, 64)
        if bar in (4, 8, 12):
            for step, sounding in enumerate((*right, right[1])):
                yield Tone("piano", start + Fraction(step, 2), Fraction(1, 2), sounding, 62)
        else:
            lengths = (Fraction(2),) if bar < 8 else (Fraction(1), Fraction(1))
            for step, length in enumerate(lengths):
                for sounding in right:
                    yield Tone("piano", start + step, length, sounding, 66 - 6 * step)


def bass() -> Iterator[Tone]:
    """Roots in halves in the verse; in the refrain roots with a fifth or the next root's neighbour."""
    halves = list(half_bars())
    for index, (bar, start, name) in enumerate(halves):
        root = VOICINGS[name][2]
        if bar == BARS:
            if (start - PICKUP) % 4 == 0:
                yield Tone("bass", start, Fraction(4), root, 84)
        elif bar <= 8:
            yield Tone("bass", start, Fraction(2), root, 84)
        else:
            upcoming = VOICINGS[halves[index + 1][2]][2]
            second = root + 7 if upcoming == root else root
            yield Tone("bass", start, Fraction(3, 2), root, 88)
            yield Tone("bass", start + Fraction(3, 2), Fraction(1, 2), second, 78)


def drums() -> Iterator[Tone]:
    """A pick-up, quarters in the verse, a fill into the refrain, eighths in the refrain, a last stroke."""

    def hit(at: Fraction | int, key_number: int, velocity: int) -> Tone:
        return Tone("drums", Fraction(at), Fraction(1, 2), key_number, velocity)

    yield hit(0, CLOSED_HAT, 60)
    yield hit(Fraction(1, 2), CLOSED_HAT, 70)
    for bar in range(1, BARS):
        start = PICKUP + 4 * (bar - 1)
        fill = bar == 8
        yield hit(start, KICK, 100)
        yield hit(start + 1, SNARE, 84)
        yield hit(start + 2, KICK, 92)
        if bar > 8:
            yield hit(start + Fraction(5, 2), KICK, 78)
        hats = Fraction(1) if bar <= 8 else Fraction(1, 2)
        for step in range(int((3 if fill else 4) / hats)):
            if bar == 9 and step == 0:
                continue
            yield hit(start + step * hats, CLOSED_HAT, 76 if step % 2 == 0 else 60)
        if fill:
            yield hit(start + 3, HIGH_TOM, 88)
            yield hit(start + Fraction(7, 2), LOW_TOM, 94)
        else:
            yield hit(start + 3, SNARE, 88)
    yield hit(PICKUP + 32, CRASH, 96)
    yield hit(PICKUP + 4 * (BARS - 1), KICK, 100)
    yield hit(PICKUP + 4 * (BARS - 1), CRASH, 90)


# The recording


def beat_times() -> npt.NDArray[np.float64]:
    """The time of every beat and of the end, in seconds."""
    beats = np.arange(BEATS)
    lengths = 60 / TEMPO_BPM * (1 + TEMPO_SWAY * np.sin(2 * np.pi * beats / 32))
    lengths[-len(RITARDANDO) :] *= RITARDANDO
    return LEAD_IN_S + np.concatenate([[0.0], np.cumsum(lengths)])


def perform(tones: list[Tone], beats: npt.NDArray[np.float64], rng: np.random.Generator) -> list[Played]:
    """Give every tone its time; what one player strikes together stays nearly together."""
    late: dict[tuple[str, Fraction], float] = {}
    played = []
    for tone in sorted(tones, key=lambda tone: (tone.start, tone.part, tone.pitch)):
        lateness = late.setdefault((tone.part, tone.start), float(rng.normal(0, TIMING_SPREAD_S)))
        spread = float(rng.normal(0, 0.002)) if tone.part == "piano" else 0.0
        ends = tone.start + tone.length
        start, end = np.interp([float(tone.start), float(ends)], np.arange(len(beats)), beats)
        onset = max(start + lateness + spread, 0.0)
        rest = 0.12 * (end - start) if tone.text.endswith((",", "?", ".")) else 0.02
        played.append(Played(tone, round(onset, 4), round(float(end - rest), 4)))
    return played


def sing_part(played: list[Played], length: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The voice, mono at SAMPLE_RATE. Notes of one syllable are sung on its vowel without a break."""
    groups: list[list[Played]] = []
    for item in (item for item in played if item.tone.part == "voice"):
        if item.tone.text == "_":
            groups[-1].append(item)
        else:
            groups.append([item])
    syllables = [
        Sung(
            group[0].tone.phonemes,
            tuple((item.onset, float(item.tone.pitch)) for item in group),
            group[-1].offset,
            loudness=0.85 if group[0].tone.length < 1 else 1.0,
        )
        for group in groups
    ]
    samples, rate = sing(syllables, length, VOICE, rng)
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), dtype=np.float64)


def play_part(played: list[Played], part: str, program: int, length: float) -> npt.NDArray[np.float64]:
    """An instrument of the sound font, mono at SAMPLE_RATE."""
    synth = tinysoundfont.Synth(samplerate=SAMPLE_RATE)
    font = synth.sfload(str(SOUND_FONT))
    synth.program_select(0, font, 0, program, part == "drums")
    events: list[tuple[int, bool, Played]] = []
    for item in (item for item in played if item.tone.part == part):
        events.append((round(item.onset * SAMPLE_RATE), True, item))
        events.append((round(item.offset * SAMPLE_RATE), False, item))
    chunks = []
    now = 0
    for at, starts, item in sorted(events, key=lambda event: (event[0], event[1])):
        if at > now:
            chunks.append(np.frombuffer(synth.generate(at - now), dtype=np.float32).copy())
            now = at
        if starts:
            synth.noteon(0, item.tone.pitch, item.tone.velocity)
        else:
            synth.noteoff(0, item.tone.pitch)
    chunks.append(np.frombuffer(synth.generate(round(length * SAMPLE_RATE) - now), dtype=np.float32).copy())
    return np.concatenate(chunks).reshape(-1, 2).mean(axis=1).astype(np.float64)


def room(samples: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The sound in a small room: two channels of exponentially fading noise as impulse response."""
    seconds = 0.9
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    size = 2 ** int(np.ceil(np.log2(len(samples) + len(time))))
    spectrum = np.fft.rfft(samples, size)
    wet = []
    for _ in range(2):
        response = rng.normal(size=len(time)) * np.exp(-time / 0.16) * (time > 0.012)
        dulled = np.convolve(response, np.hanning(9) / np.hanning(9).sum(), mode="same")
        wet.append(
            np.fft.irfft(spectrum * np.fft.rfft(dulled / np.linalg.norm(dulled), size), size)[: len(samples)]
        )
    return np.stack(wet)


def record(played: list[Played], length: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The stereo mix, shape (samples, 2). Each part: level (RMS), position (-1 left to 1 right), room."""
    parts = {
        "voice": (sing_part(played, length, rng), 0.100, 0.0, 0.18),
        "piano": (play_part(played, "piano", 0, length), 0.060, -0.35, 0.15),
        "bass": (play_part(played, "bass", 33, length), 0.060, 0.1, 0.04),
        "drums": (play_part(played, "drums", 0, length), 0.045, 0.25, 0.12),
    }
    total = round(length * SAMPLE_RATE)
    mix = np.zeros((2, total))
    for samples, level, position, wetness in parts.values():
        dry = np.zeros(total)
        dry[: min(total, len(samples))] = samples[:total]
        dry *= level / np.sqrt(np.mean(dry**2))
        angle = (position + 1) * np.pi / 4
        mix += np.stack([np.cos(angle) * dry, np.sin(angle) * dry]) + wetness * room(dry, rng)
    return np.asarray(0.89 * mix / np.abs(mix).max(), dtype=np.float32).T


# The reference


def reference_score(tones: list[Tone]) -> stream.Score:
    """The arrangement as a score: voice with lyrics and chord symbols, piano on two staves, bass, drums."""
    by_part = {
        part: [tone for tone in tones if tone.part == part] for part in ("voice", "piano", "bass", "drums")
    }
    upper = [tone for tone in by_part["piano"] if tone.pitch >= 56]
    lower = [tone for tone in by_part["piano"] if tone.pitch < 56]
    right = staff(upper, instrument.Piano(), "Piano", clef.TrebleClef(), stream.PartStaff())
    left = staff(lower, instrument.Piano(), "Piano", clef.BassClef(), stream.PartStaff())
    low = staff(by_part["bass"], instrument.ElectricBass(), "Bass", clef.Bass8vbClef(), stream.Part())
    score = stream.Score([voice_staff(by_part["voice"]), right, left, low, drum_staff(by_part["drums"])])
    score.insert(0, layout.StaffGroup([right, left], name="Piano", symbol="brace"))
    score.metadata = metadata.Metadata(title=TITLE, composer="Traditional")
    score.metadata.lyricist = "Robert Burns"
    return score


def voice_staff(tones: list[Tone]) -> stream.Part:
    """The melody with its words, section names, tempo and chord symbols."""
    part = empty_part(instrument.Vocalist(), "Voice", clef.TrebleClef(), stream.Part())
    add(part, Fraction(0), tempo.MetronomeMark(number=TEMPO_BPM, referent=note.Note(type="quarter")))
    syllables: list[list[note.Note]] = []
    for tone in tones:
        sung = spelled(note.Note(tone.pitch), tone.length)
        if tone.text == "_":
            syllables[-1].append(sung)
        else:
            syllables.append([sung])
            going_on, goes_on = tone.text.startswith("-"), tone.text.endswith("-")
            syllabic = {(False, False): "single", (False, True): "begin", (True, False): "end"}
            lyric = note.Lyric(tone.text.strip("-"), applyRaw=True)
            lyric.syllabic = syllabic.get((going_on, goes_on), "middle")
            sung.lyrics = [lyric]
        add(part, tone.start, sung)
    for melisma in (notes for notes in syllables if len(notes) > 1):
        part.insert(0, spanner.Slur(melisma))
    start = Fraction(0)
    for section, *line in MELODY:
        if section:
            add(part, start, expressions.RehearsalMark(section.capitalize()))
        start += sum(Fraction(entry.split()[1]) for entry in line)
    before = ""
    for _, start, name in half_bars():
        if name != before:
            add(part, start, harmony.ChordSymbol(name.replace("Bb", "B-")))
        before = name
    return finished(part)


def staff(
    tones: list[Tone], player: instrument.Instrument, name: str, sign: clef.Clef, part: stream.Part
) -> stream.Part:
    """One staff of a pitched instrument; what starts together is a chord."""
    empty_part(player, name, sign, part)
    for start in sorted({tone.start for tone in tones}):
        group = [tone for tone in tones if tone.start == start]
        pitches = sorted(tone.pitch for tone in group)
        length = group[0].length
        single = len(pitches) == 1
        add(part, start, spelled(note.Note(pitches[0]) if single else chord.Chord(pitches), length))
    return finished(part)


def drum_staff(tones: list[Tone]) -> stream.Part:
    """The percussion staff; a stroke is written as long as it takes to the next one."""
    part = empty_part(instrument.UnpitchedPercussion(), "Drums", clef.PercussionClef(), stream.Part())
    starts = sorted({tone.start for tone in tones})
    for start, end in zip(starts, [*starts[1:], Fraction(BEATS)], strict=True):
        heads = []
        for tone in (tone for tone in tones if tone.start == start):
            display, head = DRUM_STAFF[tone.pitch]
            stroke = note.Unpitched(displayName=display)
            stroke.notehead = head
            heads.append(stroke)
        together = heads[0] if len(heads) == 1 else percussion.PercussionChord(heads)
        together.quarterLength = end - start
        together.stemDirection = "up"
        add(part, start, together)
    return finished(part)


def empty_part(player: instrument.Instrument, name: str, sign: clef.Clef, part: stream.Part) -> stream.Part:
    """Give ``part`` its bars, the first being the pick-up, with clef, key and meter."""
    part.partName = player.partName = name
    part.partAbbreviation = player.partAbbreviation = f"{name[:2]}."
    part.insert(0, player)
    for number in range(BARS + 1):
        bar = stream.Measure(number=number)
        if number == 0:
            bar.paddingLeft = 4 - float(PICKUP)
            bar.append([sign, meter.TimeSignature("4/4")])
            if not isinstance(sign, clef.PercussionClef):
                bar.append(key.Key("F"))
        part.insert(0 if number == 0 else PICKUP + 4 * (number - 1), bar)
    return part


def add(part: stream.Part, start: Fraction, element: base.Music21Object) -> None:
    """Put ``element`` into its bar; nothing here crosses a bar line."""
    number = 0 if start < PICKUP else int((start - PICKUP) // 4) + 1
    offset = start if number == 0 else (start - PICKUP) % 4
    part.measure(number).insert(offset, element)


def finished(part: stream.Part) -> stream.Part:
    """Give the bars that have nothing a rest, show the accidentals that are needed, and beam."""
    for bar in part.getElementsByClass(stream.Measure):
        if not bar.notes:
            bar.insert(0, note.Rest(quarterLength=PICKUP if bar.number == 0 else 4))
    part.measure(BARS).rightBarline = "final"
    part.makeAccidentals(inPlace=True)
    part.makeBeams(inPlace=True)
    return part


def spelled(sounding: note.Note | chord.Chord, length: Fraction) -> note.Note | chord.Chord:
    """The same with its length, spelled with flats, as F major and its neighbours want it."""
    for sounded in sounding.pitches:
        if sounded.accidental is not None and sounded.accidental.alter > 0:
            sounded.getEnharmonic(inPlace=True)
        if sounded.accidental is not None and sounded.accidental.alter == 0:
            sounded.accidental = None
    sounding.quarterLength = length
    return sounding


def lyric_sheet() -> str:
    """Lines and sections (apart by an empty line)."""
    rows = []
    for section, *line in MELODY:
        if section and rows:
            rows.append("")
        texts = (entry.split()[2] for entry in line)
        rows.append(" ".join(text for text in texts if text != "_").replace("- -", ""))
    return "\n".join(row[:1].upper() + row[1:] for row in rows) + "\n"


def write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    rng = np.random.default_rng(SEED)
    tones = compose()
    beats = beat_times()
    played = perform(tones, beats, rng)
    samples = record(played, float(beats[-1]) + TAIL_S, rng)

    with soundfile.SoundFile(
        FOLDER / f"{NAME}.ogg", "w", SAMPLE_RATE, 2, format="OGG", subtype="VORBIS", compression_level=0.4
    ) as file:
        file.title, file.artist = TITLE, ARTIST
        for start in range(0, len(samples), SAMPLE_RATE):  # libsndfile can't encode much more at once
            file.write(samples[start : start + SAMPLE_RATE])
    reference_score(tones).write("musicxml", FOLDER / f"{NAME}.musicxml")
    (FOLDER / f"{NAME}.txt").write_text(lyric_sheet(), encoding="utf-8")
    rows = sorted(
        (item.onset, item.offset, item.tone.pitch, item.tone.velocity, STEMS[item.tone.part])
        for item in played
    )
    write_table(FOLDER / f"{NAME}.notes.csv", ("onset", "offset", "midi", "velocity", "stem"), rows)
    counted = ((round(float(time), 4), (index - 1) % 4 + 1) for index, time in enumerate(beats[:-1]))
    write_table(FOLDER / f"{NAME}.beats.csv", ("time", "number"), counted)


if __name__ == "__main__":
    main()
