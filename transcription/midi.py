"""MIDI files read as notes, and as the score where the file was made from one.

Task: the notes of a file in seconds, by track, and what else it says that a score needs: pedals, sung
syllables, the title, and the bars, keys and tempos where its ticks are those of a score.

Whether they are is decided by the notes, not by what the header says: a recorder writes 120 quarters a
minute and 4/4 whatever is played. A notation program or a sequencer puts nearly every onset on a plain part
of the quarter; how much oftener than chance would is Cohen's kappa with the ticks of a quarter as chance.
A key signature that any program writes (C major) is kept only beside something that was chosen.

Conventions: a note lasts as long as its key is down; the sustain pedal is not added to it. Score time is in
quarters from the start of the file. Each track (and each channel in a track) is one part, called by the stem
that its drum channel, its name or its General MIDI program says, else by its own name. Two tracks
of one keyboard instrument are the two staves of one part.

Limits: patterns of type 2 files are laid over each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from fullscore.errors import FullscoreError
from transcription.beatgrid import Floats, TimeSignature, extended
from transcription.notes import Note
from transcription.smf import mend

SHORTEST = 0.01  # seconds given to a note of no length, so that it is not lost
DEFAULT_TEMPO = 500_000  # microseconds a quarter where a file says nothing
SLOWEST_QUARTER, FASTEST_QUARTER = 60_000_000, 20_000  # microseconds; a tempo beyond is ignored
DRUM_CHANNEL = 9  # from 0: MIDI's tenth
PEDAL_DOWN = 64  # values of the sustain pedal from here on

SCORE_KAPPA = 0.5  # files of scores have mostly 0.9 and more, performances 0.1 and less
# Plain parts of a quarter; coarse clocks can tell only the plainest.
PLAIN_DIVISIONS, COARSE_DIVISIONS = (32, 24, 22, 10, 9, 7), (8, 6)
FINE_CLOCK = 192  # ticks a quarter from which the fine divisions can be told from chance
MIN_ONSETS = 4  # fewer say nothing
QUARTER_SHARE = 0.1  # of the commonest phase's onsets: so many lie on the quarter, or the grid is shifted
UNISON_SHARE = 0.1  # of two staves' length in which both must sound to be one instrument's hands

# Stems by a word in the track's name; then by the General MIDI program (0-based, first to last).
_STEM_OF_WORD = {
    "voice": "vocals", "vocal": "vocals", "vocals": "vocals", "vox": "vocals", "melody": "vocals",
    "singer": "vocals", "piano": "piano", "pianoforte": "piano", "klavier": "piano", "guitar": "guitar",
    "guitars": "guitar", "bass": "bass", "drum": "drums", "drums": "drums", "drumset": "drums",
}  # fmt: skip
_NOT_THE_STEM = re.compile(r"clarinet|trombone|double|contra|string|flute|tuba|viol|sax|recorder|drums?$")
"""Beside these words "bass" is not a bass guitar, nor "voice" a singer."""
_STEM_OF_PROGRAMS = ((0, 7, "piano"), (24, 31, "guitar"), (32, 39, "bass"), (52, 54, "vocals"))
_KEYBOARDS = ((0, 8), (16, 23), (46, 46))  # programs whose players read two staves
_HAND = re.compile(
    r"\b(r\.? ?h\.?|l\.? ?h\.?|(right|left)( hand)?|rechts|links|upper|lower|treble|bass( clef)?|\d)\s*$",
    re.I,
)
_NO_NAME = re.compile(
    r"(midi|track|spur|piste|unnamed|untitled|staff|instrument|channel)?[\s_#-]*\d*\s*$", re.I
)


@dataclass(frozen=True, slots=True)
class Track:
    """One line of notes of a file: the part it belongs to and its staff there (2: the lower of two)."""

    stem: str
    name: str = ""
    program: int | None = None
    staff: int = 1
    staves: int = 1


@dataclass(frozen=True, slots=True)
class Pedal:
    """The sustain pedal held from ``onset`` to ``offset``, in seconds."""

    onset: float
    offset: float


@dataclass(frozen=True, slots=True)
class SungText:
    """A piece of text as a lyrics event gives it, with its time in seconds and its track."""

    onset: float
    text: str
    track: int = 0


@dataclass(frozen=True, slots=True)
class StatedMeter:
    """A time signature from ``start`` (quarters) on."""

    start: Fraction
    time_signature: TimeSignature


@dataclass(frozen=True, slots=True)
class StatedKey:
    """A key signature from ``start`` (quarters) on, in fifths; ``minor`` as the file says."""

    start: Fraction
    fifths: int
    minor: bool


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """Score time of a file made from a score, and what it says of its bars.

    ``seconds`` and ``quarters`` are where the tempo changes and the end of the file, both increasing
    strictly; ``tick`` is the file's finest step in quarters. ``meters`` and ``keys`` are empty where
    the file does not say any, ``keys`` also where it says only what every file says.
    """

    seconds: tuple[float, ...]
    quarters: tuple[Fraction, ...]
    tick: Fraction
    meters: tuple[StatedMeter, ...] = ()
    keys: tuple[StatedKey, ...] = ()

    def quarters_at(self, times_s: npt.ArrayLike) -> Floats:
        """Score positions in quarters of ``times_s`` in seconds."""
        return extended(times_s, np.asarray(self.seconds), np.asarray(self.quarters, dtype=np.float64))

    def seconds_at(self, quarters: npt.ArrayLike) -> Floats:
        """Times in seconds of score positions: the inverse of :meth:`quarters_at`."""
        return extended(quarters, np.asarray(self.quarters, dtype=np.float64), np.asarray(self.seconds))

    @property
    def tempos(self) -> tuple[tuple[Fraction, float], ...]:
        """Where each tempo begins, and the tempo in quarters a minute."""
        spans = zip(pairwise(self.quarters), pairwise(self.seconds), strict=True)
        return tuple((a, 60.0 * float(b - a) / (end_s - start_s)) for (a, b), (start_s, end_s) in spans)


@dataclass(frozen=True, slots=True)
class Performance:
    """What a MIDI file holds. ``notes`` are by onset; each note's ``track`` counts in ``tracks``.

    ``score`` is None where the file is a performance: notes played freely against its clock.
    """

    notes: tuple[Note, ...]
    tracks: tuple[Track, ...]
    pedals: tuple[Pedal, ...] = ()
    texts: tuple[SungText, ...] = ()
    title: str = ""
    score: ScoreMap | None = None


def read_midi(path: Path) -> tuple[Note, ...]:
    """The notes of a MIDI file, by onset. Raises FullscoreError where it can't be read or has none."""
    return read_performance(path).notes


def read_performance(path: Path) -> Performance:
    """A MIDI file with all that it says. Raises FullscoreError where it can't be read or has no notes."""
    raw = _read(path)
    clock = _Clock(raw)
    lines = [line for line in raw.lines if line.notes]
    if not lines:
        raise FullscoreError("{path} has no notes", "give a MIDI file of a performance", path=path)
    tracks = _tracks(lines)
    notes = []
    for number, line in enumerate(lines):
        starts = clock.seconds([note[0] for note in line.notes])
        ends = clock.seconds([note[1] for note in line.notes])
        for (_, _, pitch, velocity), start, end in zip(line.notes, starts, ends, strict=True):
            end = max(end, start + SHORTEST)
            notes.append(Note(start, end, pitch, velocity, stem=tracks[number].stem, track=number))
    notes.sort(key=lambda note: (note.onset, note.pitch))
    return Performance(
        notes=tuple(notes),
        tracks=tuple(tracks),
        pedals=_pedals(raw, clock),
        texts=_texts(raw, lines, clock),
        title=raw.title,
        score=_score_map(raw, lines, clock),
    )


def open_midi(path: Path) -> Any:
    """A MIDI file as a ``pretty_midi.PrettyMIDI``. Raises FullscoreError where it can't be read."""
    import pretty_midi

    if not path.is_file():
        raise FullscoreError("there is no MIDI file {path}", "check the name", path=path)
    try:
        midi = pretty_midi.PrettyMIDI(str(path))
    # The readers below raise whatever the broken bytes lead them to.
    except Exception as error:
        raise _unreadable(path, error) from error
    return midi


def _unreadable(path: Path, error: Exception) -> FullscoreError:
    reason = str(error) or "it is cut off"
    return FullscoreError(
        "{path} is not a MIDI file that can be read ({reason})", "export it again", path=path, reason=reason
    )


# Reading ----------------------------------------------------------------------------------------

_TickNote = tuple[int, int, int, int]
"""Start and end in ticks, pitch, velocity."""


@dataclass(slots=True)
class _Line:
    """The notes of one channel in one track."""

    track: int
    channel: int
    name: str
    program: int | None = None
    notes: list[_TickNote] = field(default_factory=list)

    @property
    def is_drum(self) -> bool:
        return self.channel == DRUM_CHANNEL


@dataclass(slots=True)
class _Raw:
    """A file as read, all times in ticks."""

    ticks_per_quarter: int
    lines: list[_Line]
    end: int
    tempos: list[tuple[int, int]]
    meters: list[tuple[int, TimeSignature]]
    keys: list[tuple[int, int, bool]]
    pedals: list[tuple[int, int, bool]]
    texts: list[tuple[int, int, str, bool]]
    title: str = ""


def _read(path: Path) -> _Raw:
    import mido

    if not path.is_file():
        raise FullscoreError("there is no MIDI file {path}", "check the name", path=path)
    try:
        midi = mido.MidiFile(file=BytesIO(mend(path.read_bytes())), clip=True)
        return _collect(midi)
    # The reader raises whatever the broken bytes lead it to.
    except Exception as error:
        raise _unreadable(path, error) from error


def _collect(midi: Any) -> _Raw:
    raw = _Raw(midi.ticks_per_beat, [], 0, [], [], [], [], [])
    for number, track in enumerate(midi.tracks):
        now = 0
        name = ""
        lines: dict[int, _Line] = {}
        programs: dict[int, int] = {}
        sounding: dict[tuple[int, int], list[tuple[int, int]]] = {}
        ended: dict[tuple[int, int], int] = {}
        for message in track:
            now += message.time
            kind = message.type
            if kind in ("note_on", "note_off"):
                key = (message.channel, message.note)
                line = lines.setdefault(message.channel, _Line(number, message.channel, name))
                if kind == "note_on" and message.velocity > 0:
                    if line.program is None:
                        line.program = programs.get(message.channel)
                    if ended.get(key) == now:  # its end stands before its start: it has no length
                        del ended[key]
                        line.notes.append((now, now, message.note, message.velocity))
                    else:
                        sounding.setdefault(key, []).append((now, message.velocity))
                elif sounding.get(key):
                    start, velocity = sounding[key].pop(0)
                    line.notes.append((start, now, message.note, velocity))
                else:
                    ended[key] = now
            elif kind == "program_change":
                programs[message.channel] = message.program
            elif kind == "control_change" and message.control == 64:
                raw.pedals.append((now, message.channel, message.value >= PEDAL_DOWN))
            elif kind == "track_name" and not name:
                name = _text(message.name)
                for line in lines.values():
                    line.name = name
            elif kind == "set_tempo":
                raw.tempos.append((now, message.tempo))
            elif kind == "time_signature":
                numerator, denominator = message.numerator, message.denominator
                if denominator == 1:  # some programs reduce 4/4 so
                    numerator, denominator = numerator * 4, 4
                if 1 <= numerator <= 32 and denominator <= 32:
                    raw.meters.append((now, TimeSignature(numerator, denominator)))
            elif kind == "key_signature":
                raw.keys.append((now, *_key_signature(message.key)))
            elif kind in ("lyrics", "text"):
                raw.texts.append((now, number, _text(message.text), kind == "lyrics"))
        for (channel, pitch), notes in sounding.items():  # struck again while it sounded, released once
            lines[channel].notes += [(start, now, pitch, velocity) for start, velocity in notes]
        for _, line in sorted(lines.items()):
            line.program = line.program if line.program is not None else programs.get(line.channel)
            raw.lines.append(line)
        raw.end = max(raw.end, now)
        if number == 0 and len(midi.tracks) > 1 and not any(line.notes for line in lines.values()):
            raw.title = name
    return raw


def _text(text: str) -> str:
    """Text as it was meant: the standard says nothing of its encoding, today it is UTF-8."""
    data = text.encode("latin-1", "replace")
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding).replace("\0", "").strip("\r")
        except UnicodeDecodeError:
            continue
    return text.replace("\0", "")


_MAJOR_KEYS = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
_MINOR_KEYS = ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")


def _key_signature(name: str) -> tuple[int, bool]:
    """Fifths and mode of a key as mido calls it, such as ``F#m``."""
    minor = name.endswith("m")
    return (_MINOR_KEYS if minor else _MAJOR_KEYS).index(name.rstrip("m")) - 7, minor


class _Clock:
    """From ticks to seconds, through the tempos of the file."""

    def __init__(self, raw: _Raw) -> None:
        self.ticks, self.starts_s, self.lengths_s = [0], [0.0], [DEFAULT_TEMPO / 1e6 / raw.ticks_per_quarter]
        for tick, tempo in sorted(raw.tempos, key=lambda change: change[0]):
            if not FASTEST_QUARTER <= tempo <= SLOWEST_QUARTER:
                continue
            length_s = tempo / 1e6 / raw.ticks_per_quarter
            if length_s == self.lengths_s[-1]:
                continue
            now_s = self.starts_s[-1] + (tick - self.ticks[-1]) * self.lengths_s[-1]
            if tick == self.ticks[-1]:
                self.lengths_s[-1] = length_s
            else:
                self.ticks.append(tick)
                self.starts_s.append(now_s)
                self.lengths_s.append(length_s)

    def seconds(self, ticks: Sequence[int]) -> list[float]:
        """Times in seconds."""
        at = np.asarray(ticks, dtype=np.int64)
        index = np.searchsorted(self.ticks, at, side="right") - 1
        since = (at - np.asarray(self.ticks)[index]) * np.asarray(self.lengths_s)[index]
        return [float(time) for time in np.asarray(self.starts_s)[index] + since]


def _pedals(raw: _Raw, clock: _Clock) -> tuple[Pedal, ...]:
    """The times in which the sustain pedal of any channel is down."""
    down: set[int] = set()
    spans: list[tuple[int, int]] = []
    start = 0
    for tick, channel, is_down in sorted(raw.pedals, key=lambda event: event[0]):
        if is_down:
            if not down:
                start = tick
            down.add(channel)
        elif channel in down:
            down.discard(channel)
            if not down and tick > start:
                spans.append((start, tick))
    if down and raw.end > start:
        spans.append((start, raw.end))
    starts, ends = clock.seconds([a for a, _ in spans]), clock.seconds([b for _, b in spans])
    return tuple(Pedal(a, b) for a, b in zip(starts, ends, strict=True))


def _texts(raw: _Raw, lines: Sequence[_Line], clock: _Clock) -> tuple[SungText, ...]:
    """Sung text: lyrics events, or the text events of a karaoke file. Credits and comments are left out."""
    rows = [row for row in raw.texts if row[3] and row[2].strip()]
    if not rows:
        karaoke = [row for row in raw.texts if not row[3] and row[0] > 0 and not row[2].startswith("@")]
        rows = [row for row in karaoke if row[2][:1] in "\\/"] and karaoke
    number_of = {line.track: number for number, line in reversed(list(enumerate(lines)))}
    singer = next(
        (n for n, line in enumerate(lines) if stem_of(line.name, 0, line.is_drum) == "vocals"), None
    )
    times = clock.seconds([row[0] for row in rows])
    found = []
    for (_tick, track, text, _), time in zip(rows, times, strict=True):
        number = number_of.get(track, singer)
        if number is None:
            # The words have a track of their own: they belong to the line that starts most notes with them.
            number = _nearest_line([row[0] for row in rows], lines)
            singer = number
        found.append(SungText(time, text, number))
    return tuple(sorted(found, key=lambda each: each.onset))


def _nearest_line(ticks: Sequence[int], lines: Sequence[_Line]) -> int:
    """The line in which most of ``ticks`` start a note; of equal ones that with the fewest other notes."""
    wanted = set(ticks)

    def agreement(number: int) -> tuple[int, int]:
        starts = {note[0] for note in lines[number].notes}
        return len(starts & wanted), -len(starts)

    return max(range(len(lines)), key=agreement)


# Parts ------------------------------------------------------------------------------------------


def stem_of(name: str, program: int, is_drum: bool) -> str:
    """The stem that a MIDI track stands for; ``other`` where nothing tells."""
    if is_drum:
        return "drums"
    words = re.findall(r"[^\W\d_]+", name.lower())
    if not _NOT_THE_STEM.search(name.lower()):
        for word in words:
            if word in _STEM_OF_WORD:
                return _STEM_OF_WORD[word]
    for first, last, stem in _STEM_OF_PROGRAMS:
        if first <= program <= last:
            return stem
    return "other"


def _tracks(lines: Sequence[_Line]) -> list[Track]:
    """What each line is: a known stem where that is free, else a part of its own by its own name."""
    pitched = [number for number, line in enumerate(lines) if not line.is_drum]
    lower = _lower_staves(lines)
    tracks: dict[int, Track] = {}
    taken: set[str] = set()
    for number in pitched:
        if number in lower.values():
            continue
        line = lines[number]
        stem = _free_stem(line, len(pitched) - len(lower) == 1, taken)
        taken.add(stem)
        staves = 2 if number in lower else 1
        tracks[number] = Track(stem, line.name, line.program, 1, staves)
        if number in lower:
            tracks[lower[number]] = replace(tracks[number], name=lines[lower[number]].name, staff=2)
    for number, line in enumerate(lines):
        if line.is_drum:
            tracks[number] = Track("drums", line.name, line.program)
    return [tracks[number] for number in range(len(lines))]


def _free_stem(line: _Line, alone: bool, taken: set[str]) -> str:
    """A name for the line's part that no other part has."""
    name = " ".join(_HAND.sub("", line.name).split()) or line.name
    own = "" if _NO_NAME.match(name) else name
    by_word = stem_of(name, -1, False)
    stem = by_word if by_word != "other" else stem_of("", line.program or 0, False)
    # A name of its own says more than the program, except where it is the piece's: in a file of one part.
    if own and by_word == "other" and not alone:
        stem = own
    if stem == "other" and line.program is not None:
        stem = own if own and not alone else _program_name(line.program)
    if stem in taken and own and own not in taken:
        stem = own
    numbered, count = stem, 1
    while numbered in taken:
        count += 1
        numbered = f"{stem} {count}"
    return numbered


def _program_name(program: int) -> str:
    import pretty_midi

    return str(pretty_midi.program_to_instrument_name(program))


def _is_keyboard(line: _Line) -> bool:
    program = line.program or 0
    by_word = stem_of(line.name, -1, False)
    if by_word not in ("other", "piano") or line.is_drum:
        return False
    return any(first <= program <= last for first, last in _KEYBOARDS)


def _lower_staves(lines: Sequence[_Line]) -> dict[int, int]:
    """For each line that is a keyboard's upper staff its lower one: the next line, of the same instrument."""
    found: dict[int, int] = {}
    for upper in range(len(lines) - 1):
        a, b = lines[upper], lines[upper + 1]
        if upper in found.values() or not _is_keyboard(a):
            continue
        names = [_HAND.sub("", line.name).strip().lower() for line in (a, b)]
        hands = [_HAND.search(line.name) is not None for line in (a, b)]
        # A lower staff often says nothing of itself, or goes on with the upper one's channel.
        alike = names[0] == names[1] or all(hands) or (not b.name and a.channel == b.channel)
        same_player = b.program in (a.program, None) and not b.is_drum
        if alike and same_player and (not b.name or _height(a) > _height(b)) and _together(a, b):
            found[upper] = upper + 1
    return found


def _height(line: _Line) -> float:
    return median(note[2] for note in line.notes)


def _together(a: _Line, b: _Line) -> bool:
    """Whether two lines are played in much the same stretch of time."""
    spans = [(min(n[0] for n in line.notes), max(n[1] for n in line.notes)) for line in (a, b)]
    shared = min(span[1] for span in spans) - max(span[0] for span in spans)
    return shared >= UNISON_SHARE * max(span[1] - span[0] for span in spans)


# Score time -------------------------------------------------------------------------------------


def _score_map(raw: _Raw, lines: Sequence[_Line], clock: _Clock) -> ScoreMap | None:
    """The score time of a file made from a score; None for a performance."""
    onsets = sorted({note[0] for line in lines for note in line.notes})
    if score_kappa(onsets, raw.ticks_per_quarter) < SCORE_KAPPA:
        return None
    tick = Fraction(1, raw.ticks_per_quarter)
    end = max(raw.end, max(note[1] for line in lines for note in line.notes), clock.ticks[-1] + 1)
    ticks = [*clock.ticks, end]
    meters = _meters(raw)
    keys = _keys(raw)
    chosen = (
        len(meters) > 1
        or len(keys) > 1
        or any(key.fifths for key in keys)
        or any(str(meter.time_signature) != "4/4" for meter in meters)
        or any(length_s != DEFAULT_TEMPO / 1e6 / raw.ticks_per_quarter for length_s in clock.lengths_s)
    )
    return ScoreMap(
        tuple(clock.seconds(ticks)),
        tuple(tick * at for at in ticks),
        tick,
        meters,
        keys if chosen else (),
    )


def score_kappa(onsets: Iterable[int], ticks_per_quarter: int) -> float:
    """How much oftener than by chance onsets (ticks) lie on plain parts of the quarter: 1 always."""
    phases = np.asarray(sorted(set(onsets)), dtype=np.int64) % ticks_per_quarter
    if len(phases) < MIN_ONSETS:
        return 0.0
    fine = ticks_per_quarter >= FINE_CLOCK
    divisions = PLAIN_DIVISIONS if fine else COARSE_DIVISIONS
    exact = np.concatenate([np.arange(n + 1) * ticks_per_quarter / n for n in divisions])
    near = (np.floor(exact), np.ceil(exact)) if fine else (np.round(exact),)
    plain = np.unique(np.concatenate(near).astype(np.int64) % ticks_per_quarter)
    chance = len(plain) / ticks_per_quarter
    share = float(np.mean(np.isin(phases, plain)))
    if np.sum(phases == 0) < QUARTER_SHARE * np.bincount(phases).max():
        return 0.0
    return (share - chance) / (1 - chance) if chance < 1 else 0.0


def _meters(raw: _Raw) -> tuple[StatedMeter, ...]:
    """Time signatures in order, each where it changes; the last of several at one place counts."""
    at: dict[int, TimeSignature] = dict(sorted(raw.meters, key=lambda change: change[0]))
    if at and min(at) > 0:  # what comes before the first is what MIDI takes for granted
        at = {0: TimeSignature(), **at}
    found: list[StatedMeter] = []
    for tick, signature in at.items():
        found.append(StatedMeter(Fraction(tick, raw.ticks_per_quarter), signature))
    return tuple(found)


def _keys(raw: _Raw) -> tuple[StatedKey, ...]:
    """Key signatures in order, each where it changes; where tracks differ, what most of them say."""
    at: dict[int, list[tuple[int, bool]]] = {}
    for tick, fifths, minor in raw.keys:
        at.setdefault(tick, []).append((fifths, minor))
    found: list[StatedKey] = []
    for tick, said in sorted(at.items()):
        fifths, minor = max(said, key=said.count)
        if not found or (found[-1].fifths, found[-1].minor) != (fifths, minor):
            found.append(StatedKey(Fraction(tick, raw.ticks_per_quarter), fifths, minor))
    return tuple(found)
