"""Written scores read for comparison: MusicXML (plain, compressed, by parts or by bars) and MIDI.

Task: the notes, bars, words, chord symbols and tempo of a score in score time, and the same with repeats
played out (:func:`unfold`).

Conventions: score time in quarters from the first bar line, as Fraction; what is written, with repeats not
played out; tied notes are one note (a tie leads to the note of the same sounding pitch that begins where
this one ends, in the same voice if it can, else to the next one that a tie ends on); pitch, spelling, keys
and chord symbols of transposing parts as they sound. A grace note has duration 0, the onset of the note it
leads to, and stands before it. The n-th measures of all parts are one bar, as long as the longest of them.
Cue notes, hidden notes and unpitched notes are left out. Chord labels are in the syntax of Harte et al.
(2005).

Limits: a jump (D.C., D.S., To Coda) is taken at the end of its bar and lands at the beginning of one;
repeats are not nested, and none is taken after a jump until the coda; repeated bars written with a sign
(simile) stay empty. A MIDI file has bars, keys and tempos but no spelling, and no other voices than its
tracks; one that is a performance is refused.
"""

from __future__ import annotations

import re
import zipfile
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from xml.etree import ElementTree

from evaluation.files import form_of
from separation.engines import FullscoreError

if TYPE_CHECKING:
    from transcription.midi import ScoreMap, SungText
    from transcription.notes import Note

DEFAULT_TEMPO = 120.0  # quarters a minute where a score says nothing
ROUNDING = Fraction(1, 8)  # quarters: bars nearer to their signature's length are off by a writer's rounding
LONGEST_GAP = 2  # quarters by which some ties end too early: of arpeggios written out, of a bar's rounding
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
_NO_CHORD = "N"


@dataclass(frozen=True, slots=True)
class Syllable:
    """Sung text under a note. ``syllabic`` is its place in the word: single, begin, middle or end."""

    text: str
    verse: str = "1"
    syllabic: str = "single"


@dataclass(frozen=True, slots=True)
class ScoreNote:
    """A note; ``onset`` and ``duration`` in quarters, ``pitch`` sounding, as a MIDI number.

    ``step`` is empty where the file has no spelling. ``bar`` counts the bars and ``id`` the ``<note>``
    elements (MIDI: the notes) of the file from 0; ``held`` are the ids of the notes tied to it. ``part``
    counts from 0, ``staff`` from 1 within it; ``voice`` is the file's own name.
    """

    onset: Fraction
    duration: Fraction
    pitch: int
    step: str = ""
    alter: int = 0
    part: int = 0
    staff: int = 1
    voice: str = "1"
    grace: bool = False
    syllables: tuple[Syllable, ...] = ()
    bar: int = 0
    id: int = 0
    held: tuple[int, ...] = ()

    @property
    def end(self) -> Fraction:
        return self.onset + self.duration


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: ``start`` and ``length`` in quarters, its time signature and its key (as sounding).

    ``index`` counts the bars of the file from 0, ``number`` is printed. ``fifths`` is None where no key is
    stated, ``mode`` empty where it isn't, ``beats`` 0 where there is no time signature.
    """

    start: Fraction
    length: Fraction
    beats: int = 0
    beat_type: int = 4
    fifths: int | None = None
    mode: str = ""
    index: int = 0
    number: str = ""

    @property
    def end(self) -> Fraction:
        return self.start + self.length

    @property
    def meter(self) -> str:
        """The time signature as written, empty where there is none."""
        return f"{self.beats}/{self.beat_type}" if self.beats else ""


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord symbol from ``onset`` (quarters) to the next."""

    onset: Fraction
    label: str


@dataclass(frozen=True, slots=True)
class Tempo:
    """A tempo in quarters a minute from ``onset`` (quarters) on."""

    onset: Fraction
    quarters_per_minute: float


_Event = TypeVar("_Event", Chord, Tempo)


@dataclass(frozen=True, slots=True)
class Part:
    name: str = ""
    staves: int = 1


@dataclass(frozen=True, slots=True)
class _Head:
    """A note head, before ties are joined."""

    note: ScoreNote
    tie_start: bool
    tie_stop: bool


@dataclass(slots=True)
class _Signs:
    """What a bar says of the order of bars. ``endings`` are the times a volta bracket is played."""

    forward: bool = False
    backward: bool = False
    times: int = 2
    endings: tuple[int, ...] = ()
    segno: bool = False
    coda: bool = False
    to_coda: bool = False
    fine: bool = False
    da_capo: bool = False
    dal_segno: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """A score. ``notes`` are by onset (grace notes first), then pitch; chords and tempos by onset."""

    path: Path
    notes: tuple[ScoreNote, ...]
    bars: tuple[Bar, ...]
    chords: tuple[Chord, ...] = ()
    tempos: tuple[Tempo, ...] = ()
    parts: tuple[Part, ...] = ()
    _heads: tuple[_Head, ...] = ()
    _signs: tuple[_Signs, ...] = ()
    _tempo_starts: tuple[float, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        starts: list[float] = []
        now, speed, before = 0.0, DEFAULT_TEMPO, Fraction(0)
        for tempo in self.tempos:
            now += float(tempo.onset - before) * 60 / speed
            starts.append(now)
            before, speed = tempo.onset, tempo.quarters_per_minute
        object.__setattr__(self, "_tempo_starts", tuple(starts))

    @property
    def end(self) -> Fraction:
        """The final bar line, or the last note's end if that is later, in quarters."""
        return max(
            (*(note.end for note in self.notes), *(bar.end for bar in self.bars[-1:])), default=Fraction(0)
        )

    @property
    def has_repeats(self) -> bool:
        """Whether playing the score takes another order of bars than the written one."""
        return play_order(self._signs) != [(index, 1) for index in range(len(self._signs))]

    def seconds(self, position: Fraction) -> float:
        """The time of a score position (quarters) at the score's tempo."""
        index = bisect_right(self.tempos, position, key=lambda tempo: tempo.onset) - 1
        if index < 0:
            return float(position) * 60 / DEFAULT_TEMPO
        tempo = self.tempos[index]
        return self._tempo_starts[index] + float(position - tempo.onset) * 60 / tempo.quarters_per_minute


def read_score(path: Path) -> Score:
    """A score from MusicXML or MIDI. Raises FullscoreError where it can't be read, or isn't a score."""
    if form_of(path) == "MIDI":
        return _read_midi(path)
    return _Reader(path, read_musicxml(path)).score()


# Playing out ------------------------------------------------------------------------------------


def unfold(score: Score) -> Score:
    """The score as it is played: repeats, voltas, D.C., D.S., Coda and Fine written out.

    Bars and notes keep the ``index``, ``bar`` and ``id`` they have in the file. Of a bar with several verses
    each time takes the next.
    """
    if not score.has_repeats:
        return score
    order = play_order(score._signs)
    heads_of: list[list[_Head]] = [[] for _ in score.bars]
    for head in score._heads:
        heads_of[head.note.bar].append(head)
    verses = [_verses(heads) for heads in heads_of]
    bars: list[Bar] = []
    heads: list[_Head] = []
    for index, time in order:
        start = bars[-1].end if bars else Fraction(0)
        shift = start - score.bars[index].start
        bars.append(replace(score.bars[index], start=start))
        for head in heads_of[index]:
            note = head.note
            sung = note.syllables
            if sung and len(verses[index][note.part]) > 1:
                own = verses[index][note.part]
                sung = tuple(each for each in sung if each.verse == own[min(time, len(own)) - 1])
            heads.append(replace(head, note=replace(note, onset=note.onset + shift, syllables=sung)))
    return replace(
        score,
        notes=_joined(heads),
        bars=tuple(bars),
        chords=_played(score.chords, score.bars, bars, Chord(Fraction(0), _NO_CHORD)),
        tempos=_played(score.tempos, score.bars, bars, Tempo(Fraction(0), DEFAULT_TEMPO)),
        _heads=tuple(heads),
        _signs=tuple(_Signs() for _ in bars),
    )


def _played(
    events: Sequence[_Event], written: Sequence[Bar], played: Sequence[Bar], unsaid: _Event
) -> tuple[_Event, ...]:
    """Chords or tempos in the order of the played bars; at a jump what holds in the new place."""
    found: list[_Event] = []
    if not events:
        return ()
    onsets = [event.onset for event in events]
    before = -1
    for bar in played:
        source = written[bar.index]
        first, last = bisect_left(onsets, source.start), bisect_left(onsets, source.end)
        here = [replace(event, onset=event.onset - source.start + bar.start) for event in events[first:last]]
        if bar.index != before + 1 and not (here and here[0].onset == bar.start):
            here.insert(0, replace(events[first - 1] if first else unsaid, onset=bar.start))
        found += here
        before = bar.index
    return tuple(found)


def within_voices(score: Score) -> Score:
    """The score with ties as MUSTER's tool joins them, from each chord of a voice to the next one only.

    Ties into another voice, or over a rest, are cut; and so is the rest of a chain once it is broken.
    """
    chords: dict[tuple[int, str], list[list[_Head]]] = defaultdict(list)
    for head in score._heads:
        of_voice = chords[head.note.part, head.note.voice]
        begun = of_voice[-1][0].note if of_voice else None
        if begun is None or (begun.onset, begun.grace) != (head.note.onset, head.note.grace):
            of_voice.append([])
        of_voice[-1].append(head)
    notes: list[ScoreNote] = []
    for of_voice in chords.values():
        sounding: dict[int, int] = {}  # the notes of the chord before by their pitch, where it is tied
        for chord in of_voice:
            onset = chord[0].note.onset
            tied = {
                head.note.pitch
                for head in chord
                if head.tie_stop
                and head.note.pitch in sounding
                and notes[sounding[head.note.pitch]].end >= onset
            }
            goes_on = bool(tied) or not any(head.tie_stop for head in chord)
            before, sounding = sounding, {}
            for head in chord:
                note, place = head.note, len(notes)
                if note.pitch in tied:
                    place = before[note.pitch]
                    first = notes[place]
                    notes[place] = replace(
                        first, duration=max(first.end, note.end) - first.onset, held=(*first.held, note.id)
                    )
                else:
                    notes.append(note)
                sounding[note.pitch] = place
            if not goes_on or not any(head.tie_start or head.tie_stop for head in chord):
                sounding = {}
    return replace(score, notes=_in_order(notes))


def play_order(signs: Sequence[_Signs]) -> list[tuple[int, int]]:
    """The bars in the order in which they are played, each with the how-manieth time it is (from 1)."""
    order: list[tuple[int, int]] = []
    plays: Counter[int] = Counter()
    taken: set[int] = set()  # jumps
    start, time, index = 0, 1, 0
    repeating = True  # False from a jump to the coda
    while index < len(signs):
        here = signs[index]
        if here.forward and index != start:
            start, time = index, 1
        last = max(_endings_around(signs, index), default=0)
        if here.endings and (time if repeating else last) not in here.endings:
            index += 1
            continue
        plays[index] += 1
        order.append((index, max(time, plays[index])))
        if taken and here.fine:
            break
        if taken and here.to_coda and not repeating:
            coda = next((later for later in range(index + 1, len(signs)) if signs[later].coda), index + 1)
            start, time, index, repeating = coda, 1, coda, True
            continue
        if here.backward and repeating:
            if time < (last or here.times):
                time, index = time + 1, start
                continue
            start, time = index + 1, 1
        elif here.endings and not (index + 1 < len(signs) and signs[index + 1].endings):
            start, time = index + 1, 1
        if (here.da_capo or here.dal_segno) and index not in taken:
            taken.add(index)
            segno = next((earlier for earlier in range(index, -1, -1) if signs[earlier].segno), 0)
            start, time, index, repeating = segno if here.dal_segno else 0, 1, 0, False
            index = start
            continue
        if index in taken:
            repeating = True
        index += 1
    return order


def _endings_around(signs: Sequence[_Signs], index: int) -> Iterator[int]:
    """The numbers of all voltas beside that of bar ``index``."""
    if not signs[index].endings:
        return
    first = index
    while first > 0 and signs[first - 1].endings:
        first -= 1
    while first < len(signs) and signs[first].endings:
        yield from signs[first].endings
        first += 1


def _verses(heads: Iterable[_Head]) -> dict[int, list[str]]:
    """The verses under a bar's notes, by part."""
    found: dict[int, set[str]] = {}
    for head in heads:
        found.setdefault(head.note.part, set()).update(each.verse for each in head.note.syllables)
    return {part: sorted(verses, key=lambda verse: (len(verse), verse)) for part, verses in found.items()}


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
        self._heads: list[_Head] = []
        self._bars: list[Bar] = []
        self._signs: list[_Signs] = []
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
            _joined(self._heads),
            tuple(self._bars),
            tuple(Chord(onset, label) for onset, label in sorted(self._chords.items())),
            tuple(Tempo(onset, tempo) for onset, tempo in sorted(self._tempos.items())),
            tuple(Part(part.name, part.staves) for part in self._parts),
            tuple(self._heads),
            tuple(self._signs),
        )

    def _read_bar(self, index: int) -> None:
        start = self._bars[-1].end if self._bars else Fraction(0)
        signs = _Signs()
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
        self._heads.append(_Head(note, bool(ties & {"start", "continue"}), bool(ties & {"stop", "continue"})))

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


def _read_barline(element: ElementTree.Element, part: _PartState, signs: _Signs) -> None:
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


def _read_direction(element: ElementTree.Element, signs: _Signs) -> None:
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


def _read_sound(sound: ElementTree.Element, signs: _Signs) -> None:
    signs.segno |= sound.get("segno") is not None
    signs.coda |= sound.get("coda") is not None
    signs.to_coda |= sound.get("tocoda") is not None
    signs.fine |= sound.get("fine") is not None
    signs.da_capo |= sound.get("dacapo") == "yes"
    signs.dal_segno |= sound.get("dalsegno") is not None
    signs.forward |= sound.get("forward-repeat") == "yes"


def _settle(signs: Sequence[_Signs]) -> None:
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
        return _NO_CHORD
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


def _joined(heads: Sequence[_Head]) -> tuple[ScoreNote, ...]:
    """The notes with tied heads as one, sorted."""
    waiting: dict[tuple[int, int], list[tuple[_Head, int]]] = {}  # heads that begin a tie, and their notes
    notes: list[ScoreNote] = []
    for head in sorted(heads, key=lambda head: (head.note.onset, head.note.duration)):
        note = head.note
        open_ties = waiting.setdefault((note.part, note.pitch), [])
        open_ties[:] = [tie for tie in open_ties if note.onset - tie[0].note.end <= LONGEST_GAP]
        before = [tie for tie in open_ties if tie[0].note.onset < note.onset] if head.tie_stop else []
        if before:
            tie = max(before, key=lambda tie: _nearness(tie[0].note, note))
            open_ties.remove(tie)
            place = tie[1]
            first = notes[place]
            end = max(first.end, note.end)
            notes[place] = replace(first, duration=end - first.onset, held=(*first.held, note.id))
        else:
            place = len(notes)
            notes.append(note)
        if head.tie_start and not note.grace:
            open_ties.append((head, place))
    return _in_order(notes)


def _in_order(notes: Iterable[ScoreNote]) -> tuple[ScoreNote, ...]:
    return tuple(sorted(notes, key=lambda note: (note.onset, not note.grace, note.pitch, note.id)))


def _nearness(first: ScoreNote, second: ScoreNote) -> tuple[bool, bool, Fraction]:
    """How well a tie leads from one head to another: writers put some on a head that ends elsewhere."""
    return first.end == second.onset, (first.staff, first.voice) == (second.staff, second.voice), first.onset


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
        _joined([_Head(note, False, False) for note in notes]),
        bars,
        tempos=tuple(Tempo(onset, tempo) for onset, tempo in stated.tempos),
        parts=tuple(names[stem] for stem in part_of),
        _heads=tuple(_Head(note, False, False) for note in notes),
        _signs=tuple(_Signs() for _ in bars),
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
