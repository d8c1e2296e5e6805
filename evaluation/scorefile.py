"""Written scores read for comparison: MusicXML (plain, compressed, by parts or by bars) and MIDI.

Task: a file's :class:`~evaluation.scoremodel.Score`: its notes, bars, words, chord symbols and tempo as they
are written, with repeats not played out.

Conventions: those of :mod:`evaluation.scoremodel`. The n-th measures of all parts are one bar, as long as the
longest of them. Cue notes, hidden notes and unpitched notes are left out.

Limits: repeated bars written with a sign (simile) stay empty. A MIDI file has bars, keys and tempos but no
spelling, and no other voices than its tracks; one that is a performance is refused.
"""

from __future__ import annotations

import re
import zipfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from evaluation.scoremodel import (
    NO_CHORD,
    Bar,
    Chord,
    Head,
    Part,
    Score,
    ScoreNote,
    Signs,
    Syllable,
    Tempo,
    joined,
)
from fullscore.errors import FullscoreError
from fullscore.reading import form_of

if TYPE_CHECKING:
    from transcription.midi import ScoreMap, SungText
    from transcription.notes import Note

ROUNDING = Fraction(1, 8)  # quarters: bars nearer to their signature's length are off by a writer's rounding
# MIDI: parts of a quarter that are written, the plainest first; and how far before its end a note is let go,
# in quarters and as a share of its length: notation programs do so that a repeated note is struck again.
PLAIN_PARTS = (1, 2, 3, 4, 6, 8, 5, 7, 12, 16, 24, 32)
FINEST_PARTS = 480
EARLY, EARLY_SHARE = 0.04, 0.1
MOST_TIMES = 100  # a repeat that says more is a mistake
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ON_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_STEPS_BY_FIFTHS = "FCGDAEB"
_SCALE = "CDEFGAB"
_BEAT_UNITS: dict[str, int | Fraction] = {
    "long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1, "eighth": Fraction(1, 2),
    "16th": Fraction(1, 4), "32nd": Fraction(1, 8),
}  # fmt: skip
# MusicXML's kinds of chords in Harte's shorthand, as far as mir_eval knows it.
_HARTE = {
    "major": "maj", "minor": "min", "augmented": "aug", "diminished": "dim", "dominant": "7",
    "major-seventh": "maj7", "minor-seventh": "min7", "diminished-seventh": "dim7",
    "augmented-seventh": "aug(b7)", "half-diminished": "hdim7", "major-minor": "minmaj7",
    "major-sixth": "maj6", "minor-sixth": "min6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "min9", "dominant-11th": "11", "major-11th": "maj9(11)", "minor-11th": "min11",
    "dominant-13th": "13", "major-13th": "maj13", "minor-13th": "min13", "suspended-second": "sus2",
    "suspended-fourth": "sus4", "power": "5", "pedal": "1", "other": "1",
}  # fmt: skip


def read_score(path: Path) -> Score:
    """A score from MusicXML or MIDI. Raises FullscoreError where it can't be read, or isn't a score."""
    if form_of(path) == "MIDI":
        return _read_midi(path)
    return _Reader(path, read_musicxml(path)).score()


# MusicXML ---------------------------------------------------------------------------------------


def read_musicxml(path: Path) -> ElementTree.Element:
    """The root of a MusicXML file, plain or compressed, by parts.

    Raises FullscoreError where it isn't one.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
                rootfile = container.find(".//{*}rootfile")
                name = "" if rootfile is None else rootfile.get("full-path", "")
                root = ElementTree.fromstring(archive.read(name))
        else:
            root = ElementTree.fromstring(path.read_bytes())
    except OSError as error:
        raise FullscoreError(
            f"can't read {path}: {error.strerror}; check its name and permissions"
        ) from error
    except (ElementTree.ParseError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise FullscoreError(f"{path} is not MusicXML ({error}); export it again") from error
    if root.tag == "score-timewise":
        _turn_by_parts(root)
    if root.tag != "score-partwise":
        raise FullscoreError(f"{path} is not a MusicXML score (its root is {root.tag}); export it again")
    return root


def _turn_by_parts(root: ElementTree.Element) -> None:
    """Make a score by bars, in place, one by parts."""
    parts: dict[str, ElementTree.Element] = {}
    for measure in root.findall("measure"):
        root.remove(measure)
        for part in measure.findall("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = ElementTree.SubElement(root, "part", id=name)
            ElementTree.SubElement(parts[name], "measure", measure.attrib).extend(part)
    root.tag = "score-partwise"


@dataclass(slots=True)
class _PartState:
    """What holds in a part where it is being read. ``transposed`` is in semitones and in fifths."""

    measures: list[ElementTree.Element]
    next_id: int
    name: str
    staves: int = 1
    divisions: Fraction = Fraction(1)
    transposed: tuple[int, int] = (0, 0)
    endings: tuple[int, ...] = ()
    fifths: int | None = None
    mode: str = ""
    beats: int = 0
    beat_type: int = 4
    opening_key: tuple[int | None, str] = (None, "")
    opening_meter: tuple[int, int] = (0, 4)

    def open_bar(self) -> None:
        """Note what holds at the beginning of a bar."""
        self.opening_key, self.opening_meter = (self.fifths, self.mode), (self.beats, self.beat_type)


class _Reader:
    """Reads a score bar by bar, in each bar part by part."""

    def __init__(self, path: Path, root: ElementTree.Element) -> None:
        self._path = path
        names = {part.get("id"): part.findtext("part-name") or "" for part in root.iter("score-part")}
        self._parts: list[_PartState] = []
        count = 0
        for part in root.findall("part"):
            self._parts.append(_PartState(part.findall("measure"), count, names.get(part.get("id"), "")))
            count += sum(1 for _ in part.iter("note"))
        self._heads: list[Head] = []
        self._bars: list[Bar] = []
        self._signs: list[Signs] = []
        self._chords: dict[Fraction, str] = {}
        self._tempos: dict[Fraction, float] = {}

    def score(self) -> Score:
        try:
            for index in range(max((len(part.measures) for part in self._parts), default=0)):
                self._read_bar(index)
        except (ValueError, KeyError, ZeroDivisionError) as error:
            place = f"bar {len(self._bars) + 1}"
            raise FullscoreError(
                f"{self._path} can't be read in {place} ({error}); export it again"
            ) from error
        _settle(self._signs)
        return Score(
            self._path,
            joined(self._heads),
            tuple(self._bars),
            tuple(Chord(onset, label) for onset, label in sorted(self._chords.items())),
            tuple(Tempo(onset, tempo) for onset, tempo in sorted(self._tempos.items())),
            tuple(Part(part.name, part.staves) for part in self._parts),
            tuple(self._heads),
            tuple(self._signs),
        )

    def _read_bar(self, index: int) -> None:
        start = self._bars[-1].end if self._bars else Fraction(0)
        signs = Signs()
        self._signs.append(signs)
        sounding = reach = Fraction(0)
        number = ""
        keys: Counter[tuple[int | None, str]] = Counter()
        meters: list[tuple[int, int]] = []
        for part_number, part in enumerate(self._parts):
            if index >= len(part.measures):
                continue
            measure = part.measures[index]
            number = number or measure.get("number", "")
            part.open_bar()
            part_sounding, part_reach = self._read_measure(part, part_number, measure, start)
            sounding, reach = max(sounding, part_sounding), max(reach, part_reach)
            keys[part.opening_key] += part.opening_key[0] is not None
            meters.append(part.opening_meter)
        beats, beat_type = next((meter for meter in meters if meter[0]), (0, 4))
        nominal = Fraction(4 * beats, beat_type) if beats else Fraction(4)
        # Rests beyond the signature fill up the voices of a writer that has lost count.
        length = max(sounding, min(reach, nominal)) if beats else reach
        if not length or abs(length - nominal) < ROUNDING:
            length = nominal
        fifths, mode = keys.most_common(1)[0][0] if keys else (None, "")
        self._bars.append(Bar(start, length, beats, beat_type, fifths, mode, index, number))

    def _read_measure(
        self, part: _PartState, part_number: int, measure: ElementTree.Element, start: Fraction
    ) -> tuple[Fraction, Fraction]:
        """Read one part's bar; how far its notes reach, and its notes and rests."""
        bar, signs = len(self._bars), self._signs[-1]
        now = reach = sounding = chord_onset = Fraction(0)
        for element in measure:
            tag = element.tag
            if tag == "note":
                length = Fraction(0)
                if element.find("grace") is None:
                    length = _length(element, part)
                if element.find("chord") is None:
                    chord_onset = now
                    now += length
                    reach = max(reach, now)
                    if element.find("rest") is None:
                        sounding = max(sounding, now)
                self._read_note(element, part, part_number, start + chord_onset, length, bar)
                part.next_id += 1
            elif tag == "backup":
                now = max(Fraction(0), now - _length(element, part))
            elif tag == "forward":
                now += _length(element, part)
                reach = max(reach, now)
            elif tag == "attributes":
                _read_attributes(element, part)
                if now == 0:
                    part.open_bar()
            elif tag == "direction":
                _read_direction(element, signs)
                self._read_tempo(element, start + now + _offset(element, part))
            elif tag == "sound":
                _read_sound(element, signs)
                self._read_tempo(element, start + now + _offset(element, part))
            elif tag == "harmony":
                label = _chord_label(element, part.transposed[1])
                if label:
                    self._chords.setdefault(max(Fraction(0), start + now + _offset(element, part)), label)
            elif tag == "barline":
                _read_barline(element, part, signs)
        signs.endings = signs.endings or part.endings
        ends = {ending.get("type") for ending in measure.findall("barline/ending")}
        if signs.backward or ends & {"stop", "discontinue"}:
            part.endings = ()
        return sounding, reach

    def _read_note(
        self,
        element: ElementTree.Element,
        part: _PartState,
        part_number: int,
        onset: Fraction,
        length: Fraction,
        bar: int,
    ) -> None:
        pitch = element.find("pitch")
        if pitch is None or element.find("cue") is not None or element.get("print-object") == "no":
            return
        ties = {tie.get("type") for tie in element.findall("tie")}
        if not ties:
            ties = {tie.get("type") for tie in element.findall("notations/tied")}
        step = (pitch.findtext("step") or "").strip()
        alter = round(float(pitch.findtext("alter") or 0))
        sounding = 12 * (int(pitch.findtext("octave") or 4) + 1) + _SEMITONES[step] + alter
        if part.transposed != (0, 0):
            step, alter = _name(_ON_FIFTHS[step] + 7 * alter + part.transposed[1])
        note = ScoreNote(
            onset=onset,
            duration=length,
            pitch=sounding + part.transposed[0],
            step=step,
            alter=alter,
            part=part_number,
            staff=int(element.findtext("staff") or 1),
            voice=(element.findtext("voice") or "1").strip(),
            grace=element.find("grace") is not None,
            syllables=tuple(_syllables(element)),
            bar=bar,
            id=part.next_id,
        )
        self._heads.append(Head(note, bool(ties & {"start", "continue"}), bool(ties & {"stop", "continue"})))

    def _read_tempo(self, element: ElementTree.Element, onset: Fraction) -> None:
        tempo = _tempo(element)
        if tempo:
            self._tempos[max(Fraction(0), onset)] = tempo


def _length(element: ElementTree.Element, part: _PartState) -> Fraction:
    """The duration of a note, backup or forward in quarters."""
    length = Fraction((element.findtext("duration") or "0").strip()) / part.divisions
    if length < 0:
        raise ValueError("a duration is negative")
    return length


def _offset(element: ElementTree.Element, part: _PartState) -> Fraction:
    return Fraction((element.findtext("offset") or "0").strip()) / part.divisions


def _read_attributes(element: ElementTree.Element, part: _PartState) -> None:
    if divisions := element.findtext("divisions"):
        part.divisions = Fraction(divisions.strip())
        if part.divisions <= 0:
            raise ValueError("its divisions are not positive")
    part.staves = max(part.staves, int(element.findtext("staves") or 1))
    if (transpose := element.find("transpose")) is not None:
        chromatic = round(float(transpose.findtext("chromatic") or 0))
        octaves = int(transpose.findtext("octave-change") or 0)
        diatonic = transpose.findtext("diatonic")
        simplest = (7 * chromatic + 5) % 12 - 5
        fifths = simplest if diatonic is None else 7 * chromatic - 12 * int(diatonic)
        part.transposed = (chromatic + 12 * octaves, fifths)
    if (fifths_text := element.findtext("key/fifths")) is not None:
        part.fifths = int(fifths_text) + part.transposed[1]
        part.mode = (element.findtext("key/mode") or "").strip().lower()
    if (time := element.find("time")) is not None:
        counts = [text.text or "" for text in time.findall("beats")]
        units = [int(text.text or 4) for text in time.findall("beat-type")]
        if counts and units:
            unit = max(units)
            parts = zip(counts, units, strict=False)
            part.beats = sum(sum(int(n) for n in text.split("+")) * unit // own for text, own in parts)
            part.beat_type = unit
        else:
            part.beats = 0


def _read_barline(element: ElementTree.Element, part: _PartState, signs: Signs) -> None:
    repeat = element.find("repeat")
    if repeat is not None and repeat.get("direction") == "forward":
        signs.forward = True
        part.endings = ()
    elif repeat is not None:
        signs.backward = True
        signs.times = min(MOST_TIMES, max(int(repeat.get("times") or 2), signs.times))
    for ending in element.findall("ending"):
        if ending.get("type") == "start":
            part.endings = tuple(_numbers(ending.get("number") or ending.text or ""))


def _numbers(text: str) -> Iterator[int]:
    """The numbers of an ending such as ``1, 2`` or ``1-3``."""
    for first, last in re.findall(r"(\d+)(?:\s*[-–]\s*(\d+))?", text):
        yield from range(int(first), min(int(last or first), MOST_TIMES) + 1)


def _read_direction(element: ElementTree.Element, signs: Signs) -> None:
    """The jumps that a direction's signs, words and sound tell."""
    kinds = element.findall("direction-type")
    signs.segno |= any(kind.find("segno") is not None for kind in kinds)
    signs.coda |= any(kind.find("coda") is not None for kind in kinds)
    words = " ".join(text.text or "" for kind in kinds for text in kind.findall("words")).strip().lower()
    if words:
        signs.da_capo |= re.search(r"\bd\. ?c\b|\bda capo\b|^dc\b", words) is not None
        signs.dal_segno |= re.search(r"\bd\. ?s\b|\bdal segno\b|^ds\b", words) is not None
        signs.fine |= re.fullmatch(r"\W*fine\W*", words) is not None
        signs.to_coda |= re.fullmatch(r"\W*(to|al) coda\W*", words) is not None
        signs.coda |= re.fullmatch(r"\W*coda\W*", words) is not None
    for sound in element.findall("sound"):
        _read_sound(sound, signs)


def _read_sound(sound: ElementTree.Element, signs: Signs) -> None:
    signs.segno |= sound.get("segno") is not None
    signs.coda |= sound.get("coda") is not None
    signs.to_coda |= sound.get("tocoda") is not None
    signs.fine |= sound.get("fine") is not None
    signs.da_capo |= sound.get("dacapo") == "yes"
    signs.dal_segno |= sound.get("dalsegno") is not None
    signs.forward |= sound.get("forward-repeat") == "yes"


def _settle(signs: Sequence[Signs]) -> None:
    """Say what signs mean that stand beside others.

    Of several coda signs none of which is said to be left at, the first is. A jump that stands just before
    the bar of a repeat (a bar broken in two by it) is taken after the repeat.
    """
    codas = [each for each in signs if each.coda]
    if len(codas) > 1 and not any(each.to_coda for each in signs):
        codas[0].to_coda, codas[0].coda = True, False
    for here, after in pairwise(signs):
        if after.backward and not (here.backward or after.forward or after.coda):
            after.da_capo |= here.da_capo
            after.dal_segno |= here.dal_segno
            here.da_capo = here.dal_segno = False


def _tempo(element: ElementTree.Element) -> float:
    """The tempo that a direction or sound gives in quarters a minute, or 0."""
    for sound in element.iter("sound"):
        number = re.fullmatch(r"\s*(\d+\.?\d*)\s*", sound.get("tempo") or "")
        if number and float(number[1]) > 0:
            return float(number[1])
    for mark in element.iter("metronome"):
        number = re.search(r"\d+(\.\d+)?", mark.findtext("per-minute") or "")
        unit = _BEAT_UNITS.get(mark.findtext("beat-unit") or "")
        if number and unit and float(number[0]) > 0:
            dots = len(mark.findall("beat-unit-dot"))
            return float(number[0]) * float(unit * (2 - Fraction(1, 2**dots)))
    return 0.0


def _syllables(element: ElementTree.Element) -> Iterator[Syllable]:
    """The syllables under a note, one a verse; elided ones are one, with a space between them."""
    for lyric in element.findall("lyric"):
        text = "".join(
            " " if child.tag == "elision" else child.text or ""
            for child in lyric
            if child.tag in ("text", "elision")
        )
        if text.strip():
            syllabic = (lyric.findtext("syllabic") or "single").strip()
            yield Syllable(text.strip(), lyric.get("number") or "1", syllabic)


def _name(fifths: int) -> tuple[str, int]:
    """Step and alteration of a place on the line of fifths (C 0)."""
    return _STEPS_BY_FIFTHS[(fifths + 1) % 7], (fifths + 1) // 7


def _chord_label(harmony: ElementTree.Element, transposed: int) -> str:
    """A chord symbol in Harte's syntax, as sounding; empty where it has no root."""
    kind = (harmony.findtext("kind") or "").strip()
    if kind == "none":
        return NO_CHORD
    root = _fifths(harmony.find("root"), "root", transposed)
    if root is None:
        return ""
    quality, _, tones = _HARTE.get(kind, "maj").rstrip(")").partition("(")
    degrees = [tones] if tones else []
    for degree in harmony.findall("degree"):
        value = (degree.findtext("degree-value") or "").strip()
        alter = round(float(degree.findtext("degree-alter") or 0))
        sign = "#" * alter + "b" * -alter
        type_ = (degree.findtext("degree-type") or "").strip()
        if type_ in ("subtract", "alter"):
            degrees.append(f"*{value}")
        if type_ != "subtract":
            degrees.append(sign + value)
    step, alter = _name(root)
    label = f"{step}{_sign(alter)}:{quality}" + (f"({','.join(degrees)})" if degrees else "")
    bass = _fifths(harmony.find("bass"), "bass", transposed)
    return label if bass in (None, root) or bass is None else f"{label}/{_interval(bass - root)}"


def _fifths(element: ElementTree.Element | None, name: str, transposed: int) -> int | None:
    step = (element.findtext(f"{name}-step") or "").strip() if element is not None else ""
    if element is None or step not in _ON_FIFTHS:
        return None
    return _ON_FIFTHS[step] + 7 * round(float(element.findtext(f"{name}-alter") or 0)) + transposed


def _interval(fifths: int) -> str:
    """An interval above a root as Harte writes it: ``3``, ``b7``."""
    step, alter = _name(fifths)
    return f"{_sign(alter)}{_SCALE.index(step) + 1}"


def _sign(alter: int) -> str:
    return "#" * alter + "b" * -alter


# MIDI -------------------------------------------------------------------------------------------


def _read_midi(path: Path) -> Score:
    from transcription.midi import read_performance

    performance = read_performance(path)
    if performance.score is None:
        raise FullscoreError(
            f"{path} is a performance, its notes don't lie on its beats; make it a score first with: "
            f"fullscore notate {path} -o {path.with_suffix('.musicxml').name}"
        )
    stated = performance.score
    part_of: dict[str, int] = {}
    for track in performance.tracks:
        if track.stem != "drums":
            part_of.setdefault(track.stem, len(part_of))
    pitched = [note for note in performance.notes if note.stem in part_of]
    if not pitched:
        raise FullscoreError(f"{path} has no notes but drums; give a score with pitched notes")
    tick = stated.tick
    onsets = stated.quarters_at([note.onset for note in pitched])
    ends = stated.quarters_at([note.offset for note in pitched])
    end = max(Fraction(round(float(max(ends)) / tick)) * tick, Fraction(1))
    bars = tuple(_midi_bars(stated, end))
    starts = [bar.start for bar in bars]
    syllables = _midi_syllables(performance.texts, pitched)
    notes = []
    for number, note in enumerate(pitched):
        onset = _plain(float(onsets[number]), float(tick))
        length = float(ends[number] - onsets[number])
        offset = _plain(float(ends[number]), max(float(tick), min(EARLY, length * EARLY_SHARE)))
        track = performance.tracks[note.track]
        notes.append(
            ScoreNote(
                onset=onset,
                duration=offset - onset if offset > onset else tick,
                pitch=round(note.pitch),
                part=part_of[note.stem],
                staff=track.staff,
                syllables=syllables.get(number, ()),
                bar=max(0, bisect_right(starts, onset) - 1),
                id=number,
            )
        )
    names = {
        track.stem: Part(track.name or track.stem, track.staves) for track in reversed(performance.tracks)
    }
    return Score(
        path,
        joined([Head(note, False, False) for note in notes]),
        bars,
        tempos=tuple(Tempo(onset, tempo) for onset, tempo in stated.tempos),
        parts=tuple(names[stem] for stem in part_of),
        heads=tuple(Head(note, False, False) for note in notes),
        signs=tuple(Signs() for _ in bars),
    )


def _plain(position: float, tolerance: float) -> Fraction:
    """The plainest score position (quarters) near a place of a MIDI file, which is rounded to ticks."""
    for parts in PLAIN_PARTS:
        plain = Fraction(round(position * parts), parts)
        if abs(position - plain) <= tolerance:
            return plain
    return Fraction(position).limit_denominator(FINEST_PARTS)


def _midi_bars(stated: ScoreMap, end: Fraction) -> Iterator[Bar]:
    """The bars that the time signatures of a MIDI file give; a change begins a new one."""
    start, index = Fraction(0), 0
    meters = list(stated.meters)
    while start < end:
        signature = next((meter.time_signature for meter in reversed(meters) if meter.start <= start), None)
        change = next((meter.start for meter in meters if meter.start > start), None)
        length = signature.bar_quarters if signature else Fraction(4)
        if change is not None:
            length = min(length, change - start)
        key = next((key for key in reversed(stated.keys) if key.start <= start), None)
        yield Bar(
            start,
            length,
            signature.numerator if signature else 0,
            signature.denominator if signature else 4,
            key.fifths if key else None,
            ("minor" if key.minor else "major") if key else "",
            index,
            str(index + 1),
        )
        start, index = start + length, index + 1


def _midi_syllables(texts: Sequence[SungText], notes: Sequence[Note]) -> dict[int, tuple[Syllable, ...]]:
    """The syllables of the notes, by the note's number: each is its track's note that begins with it."""
    places = {(note.track, round(note.onset, 3)): number for number, note in enumerate(notes)}
    found: dict[int, tuple[Syllable, ...]] = {}
    for text in texts:
        place = places.get((text.track, round(text.onset, 3)))
        sung = text.text.strip("\\/ -\n")
        if place is not None and sung:
            found[place] = (Syllable(sung),)
    return found
