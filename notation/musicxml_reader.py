"""Written scores read from MusicXML: plain or compressed, by parts or by bars.

Task: what a file says, read in one way for all who need it: evaluation compares it, the page draws it and
follows it, training learns from it.

Conventions: score time in quarters from the first bar line, as Fraction, with repeats not played out; the
n-th measures of all parts are one bar, as long as the longest of them. Pitches, names of notes, keys and
chord symbols of transposing parts are as they sound. A grace note has duration 0 and the onset of the note it
leads to. Notes of drums have the General MIDI key that their instrument says, or 0. Cue notes and hidden
notes are left out.

Limits: repeated bars written with a sign (simile) stay empty.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from io import BytesIO
from itertools import pairwise

LONGEST_GAP = 2  # quarters by which some ties end too early: of arpeggios written out, of a bar's rounding
ROUNDING = Fraction(1, 8)  # quarters: bars nearer to their signature's length are off by a writer's rounding
MOST_TIMES = 100  # a repeat that says more is a mistake
_NONE = Fraction(0)
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ON_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_STEPS_BY_FIFTHS = "FCGDAEB"
_BEAT_UNITS: dict[str, int | Fraction] = {
    "long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1, "eighth": Fraction(1, 2),
    "16th": Fraction(1, 4), "32nd": Fraction(1, 8),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class XmlSyllable:
    """Sung text under a note. ``syllabic`` is its place in the word: single, begin, middle or end."""

    text: str
    verse: str = "1"
    syllabic: str = "single"


@dataclass(frozen=True, slots=True)
class XmlNote:
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
    syllables: tuple[XmlSyllable, ...] = ()
    bar: int = 0
    id: int = 0
    held: tuple[int, ...] = ()

    @property
    def end(self) -> Fraction:
        return self.onset + self.duration


@dataclass(frozen=True, slots=True)
class XmlHead:
    """A note head, before ties are joined.

    ``written`` is the step, alteration and octave on paper, of a drum None. ``signs`` are the names of what
    stands in ``<notations>``, ``slurs`` the number and the type of each slur's end here.
    """

    note: XmlNote
    tie_start: bool
    tie_stop: bool
    written: tuple[str, int, int] | None = None
    stem: str = ""
    signs: tuple[str, ...] = ()
    slurs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class XmlBar:
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
class Harmony:
    """A chord symbol over ``onset``: MusicXML's ``kind``, root and bass on the line of fifths (C is 0).

    ``kind`` is "none" where no chord is to be played, which has no root. ``degrees`` are value, alteration
    and type (add, alter or subtract).
    """

    onset: Fraction
    kind: str
    root: int | None = None
    bass: int | None = None
    degrees: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class XmlTempo:
    """A tempo in quarters a minute from ``onset`` (quarters) on."""

    onset: Fraction
    quarters_per_minute: float


@dataclass(frozen=True, slots=True)
class XmlPart:
    name: str = ""
    staves: int = 1


@dataclass(slots=True)
class RepeatSigns:
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
class WrittenScore:
    """What a file says: note heads bar by bar, in each bar part by part, in the order of the file.

    ``signs`` are those of repeats in each bar; ``harmonies`` are in the order of the heads, tempos in that of
    time.
    """

    heads: tuple[XmlHead, ...]
    bars: tuple[XmlBar, ...]
    signs: tuple[RepeatSigns, ...]
    harmonies: tuple[Harmony, ...]
    tempos: tuple[XmlTempo, ...]
    parts: tuple[XmlPart, ...]


def parse_musicxml(data: bytes) -> ET.Element:
    """The root of a MusicXML file, plain or compressed; one by bars is made one by parts.

    Raises ValueError where it isn't MusicXML, or no score.
    """
    try:
        root = ET.fromstring(unpacked(data))
    except (ET.ParseError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"is not MusicXML ({error})") from error
    if root.tag == "score-timewise":
        _turn_by_parts(root)
    if root.tag != "score-partwise":
        raise ValueError(f"is not a MusicXML score (its root is {root.tag})")
    return root


def unpacked(data: bytes) -> bytes:
    """The XML of a MusicXML file, which may be compressed. Raises KeyError where the archive has none."""
    if not zipfile.is_zipfile(BytesIO(data)):
        return data
    with zipfile.ZipFile(BytesIO(data)) as archive:
        container = ET.fromstring(archive.read("META-INF/container.xml"))
        rootfile = container.find(".//{*}rootfile")
        return archive.read("" if rootfile is None else rootfile.get("full-path", ""))


def _turn_by_parts(root: ET.Element) -> None:
    """Make a score by bars, in place, one by parts."""
    parts: dict[str, ET.Element] = {}
    for measure in root.findall("measure"):
        root.remove(measure)
        for part in measure.findall("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = ET.SubElement(root, "part", id=name)
            ET.SubElement(parts[name], "measure", measure.attrib).extend(part)
    root.tag = "score-partwise"


def read_written(root: ET.Element) -> WrittenScore:
    """What is written in a score by parts. Raises ValueError where it can't be read, with the bar."""
    return _Reader(root).score()


def step_and_alter(fifths: int) -> tuple[str, int]:
    """Step and alteration of a place on the line of fifths (C 0)."""
    return _STEPS_BY_FIFTHS[(fifths + 1) % 7], (fifths + 1) // 7


def place_on_fifths(step: str, alter: int) -> int:
    """The place of a name on the line of fifths (C 0)."""
    return _ON_FIFTHS[step] + 7 * alter


# Ties


def joined(heads: Iterable[XmlHead]) -> tuple[XmlNote, ...]:
    """The notes with tied heads as one, by onset (grace notes first), then pitch.

    A tie leads to the note of the same sounding pitch that begins where this one ends, in the same voice if
    it can, else to the next one that a tie ends on.
    """
    waiting: dict[tuple[int, int], list[tuple[XmlHead, int]]] = {}  # heads that begin a tie, and their notes
    notes: list[XmlNote] = []
    heads = list(heads)
    onsets = _whole([head.note.onset for head in heads])
    durations = _whole([head.note.duration for head in heads])
    for number in sorted(range(len(heads)), key=lambda number: (onsets[number], durations[number])):
        head, note = heads[number], heads[number].note
        open_ties = waiting.setdefault((note.part, note.pitch), [])
        if open_ties:
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
    return in_order(notes)


def in_order(notes: Iterable[XmlNote]) -> tuple[XmlNote, ...]:
    """The notes by onset (grace notes first), then pitch."""
    notes = list(notes)
    onsets = _whole([note.onset for note in notes])
    keys = [(onset, not note.grace, note.pitch, note.id) for onset, note in zip(onsets, notes, strict=True)]
    return tuple(notes[number] for number in sorted(range(len(notes)), key=keys.__getitem__))


def _whole(times: Sequence[Fraction]) -> list[int]:
    """The times in a unit in which all are whole, and so sorted three times as fast."""
    unit = math.lcm(*{time.denominator for time in times})
    return [time.numerator * (unit // time.denominator) for time in times]


def _nearness(first: XmlNote, second: XmlNote) -> tuple[bool, bool, Fraction]:
    """How well a tie leads from one head to another: writers put some on a head that ends elsewhere."""
    return first.end == second.onset, (first.staff, first.voice) == (second.staff, second.voice), first.onset


# Reading


@dataclass(slots=True)
class Cursor:
    """How far one part has been read in a measure. It counts in divisions of a quarter, as the file does."""

    divisions: Fraction = Fraction(1)
    _count: int | Fraction = 0
    _quarters: dict[int | Fraction, Fraction] = field(default_factory=dict)

    @property
    def now(self) -> Fraction:
        """The place that is reached, in quarters from the bar line."""
        return self._in_quarters(self._count)

    def through(self, measure: ET.Element) -> Iterator[tuple[ET.Element, Fraction, Fraction]]:
        """The elements of a measure, each with where it begins and how long it lasts, in quarters.

        With each, ``now`` is where the next one begins. Raises ValueError for durations that are none.
        """
        begin: int | Fraction = 0
        self._count = 0
        for element in measure:
            tag = element.tag
            lasts: int | Fraction = 0
            if tag == "note":
                if element.find("grace") is None:
                    lasts = _duration(element)
                if element.find("chord") is None:
                    begin = self._count
                    self._count += lasts
                yield element, self._in_quarters(begin), self._in_quarters(lasts)
                continue
            if tag == "backup":
                self._count = max(0, self._count - _duration(element))
            elif tag == "attributes":
                self._read_divisions(element)
            at = self.now
            if tag == "forward":
                lasts = _duration(element)
                self._count += lasts
            yield element, at, self._in_quarters(lasts)

    def offset(self, element: ET.Element) -> Fraction:
        """How far from its place in the file a direction, sound or chord symbol stands."""
        text = element.findtext("offset")
        return Fraction(text.strip()) / self.divisions if text else _NONE

    def _in_quarters(self, count: int | Fraction) -> Fraction:
        found = self._quarters.get(count)
        if found is None:
            found = self._quarters[count] = count / self.divisions
        return found

    def _read_divisions(self, attributes: ET.Element) -> None:
        if divisions := attributes.findtext("divisions"):
            now = self.now
            self.divisions = Fraction(divisions.strip())
            if self.divisions <= 0:
                raise ValueError("its divisions are not positive")
            self._count = now * self.divisions
            self._quarters.clear()


def _duration(element: ET.Element) -> int | Fraction:
    """The duration of a note, backup or forward in divisions."""
    text = (element.findtext("duration") or "0").strip()
    duration = int(text) if text.isdecimal() else Fraction(text)
    if duration < 0:
        raise ValueError("a duration is negative")
    return duration


@dataclass(slots=True)
class _PartState:
    """What holds in a part where it is being read. ``transposed`` is in semitones and in fifths."""

    number: int
    measures: list[ET.Element]
    next_id: int
    name: str
    staves: int = 1
    cursor: Cursor = field(default_factory=Cursor)
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

    def __init__(self, root: ET.Element) -> None:
        names = {part.get("id"): part.findtext("part-name") or "" for part in root.iter("score-part")}
        self._drum_keys = _drum_keys(root)
        self._parts: list[_PartState] = []
        count = 0
        for number, part in enumerate(root.findall("part")):
            name = names.get(part.get("id"), "")
            self._parts.append(_PartState(number, part.findall("measure"), count, name))
            count += sum(1 for _ in part.iter("note"))
        self._heads: list[XmlHead] = []
        self._bars: list[XmlBar] = []
        self._signs: list[RepeatSigns] = []
        self._harmonies: list[Harmony] = []
        self._tempos: dict[Fraction, float] = {}

    def score(self) -> WrittenScore:
        try:
            for index in range(max((len(part.measures) for part in self._parts), default=0)):
                self._read_bar(index)
        except (ValueError, KeyError, ZeroDivisionError) as error:
            raise ValueError(f"bar {len(self._bars) + 1} ({error})") from error
        _settle(self._signs)
        return WrittenScore(
            tuple(self._heads),
            tuple(self._bars),
            tuple(self._signs),
            tuple(self._harmonies),
            tuple(XmlTempo(onset, tempo) for onset, tempo in sorted(self._tempos.items())),
            tuple(XmlPart(part.name, part.staves) for part in self._parts),
        )

    def _read_bar(self, index: int) -> None:
        start = self._bars[-1].end if self._bars else Fraction(0)
        signs = RepeatSigns()
        self._signs.append(signs)
        sounding = reach = Fraction(0)
        number = ""
        keys: Counter[tuple[int | None, str]] = Counter()
        meters: list[tuple[int, int]] = []
        for part in self._parts:
            if index >= len(part.measures):
                continue
            measure = part.measures[index]
            number = number or measure.get("number", "")
            part.open_bar()
            part_sounding, part_reach = self._read_measure(part, measure, start)
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
        self._bars.append(XmlBar(start, length, beats, beat_type, fifths, mode, index, number))

    def _read_measure(
        self, part: _PartState, measure: ET.Element, start: Fraction
    ) -> tuple[Fraction, Fraction]:
        """Read one part's bar; how far its notes reach, and its notes and rests."""
        signs, cursor = self._signs[-1], part.cursor
        reach = sounding = before = Fraction(0)
        place = start
        for element, onset, length in cursor.through(measure):
            tag = element.tag
            if tag == "note":
                reach = max(reach, cursor.now)
                if element.find("rest") is None:
                    sounding = max(sounding, cursor.now)
                if onset is not before:  # notes of a chord have it in common
                    before, place = onset, start + onset
                self._read_note(element, part, place, length)
                part.next_id += 1
            elif tag == "forward":
                reach = max(reach, cursor.now)
            elif tag == "attributes":
                _read_attributes(element, part)
                if cursor.now == 0:
                    part.open_bar()
            elif tag == "direction":
                _read_direction(element, signs)
                self._read_tempo(element, start + onset + cursor.offset(element))
            elif tag == "sound":
                _read_sound(element, signs)
                self._read_tempo(element, start + onset + cursor.offset(element))
            elif tag == "harmony":
                self._read_harmony(element, part, start + onset + cursor.offset(element))
            elif tag == "barline":
                _read_barline(element, part, signs)
        signs.endings = signs.endings or part.endings
        ends = {ending.get("type") for ending in measure.findall("barline/ending")}
        if signs.backward or ends & {"stop", "discontinue"}:
            part.endings = ()
        return sounding, reach

    def _read_note(self, element: ET.Element, part: _PartState, onset: Fraction, length: Fraction) -> None:
        pitch = element.find("pitch")
        if pitch is None and element.find("unpitched") is None:
            return
        if element.find("cue") is not None or element.get("print-object") == "no":
            return
        if pitch is None:
            instrument = element.find("instrument")
            name = None if instrument is None else instrument.get("id")
            written, step, alter, sounding = None, "", 0, self._drum_keys.get(name, 0)
        else:
            step = (pitch.findtext("step") or "").strip()
            alter = round(float(pitch.findtext("alter") or 0))
            octave = int(pitch.findtext("octave") or 4)
            written = step, alter, octave
            sounding = 12 * (octave + 1) + _SEMITONES[step] + alter + part.transposed[0]
            if part.transposed != (0, 0):
                step, alter = step_and_alter(place_on_fifths(step, alter) + part.transposed[1])
        note = XmlNote(
            onset=onset,
            duration=length,
            pitch=sounding,
            step=step,
            alter=alter,
            part=part.number,
            staff=int(element.findtext("staff") or 1),
            voice=(element.findtext("voice") or "1").strip(),
            grace=element.find("grace") is not None,
            syllables=tuple(_syllables(element)),
            bar=len(self._bars),
            id=part.next_id,
        )
        signs = [sign for notations in element.findall("notations") for sign in notations.iter()]
        ties = element.findall("tie") or [sign for sign in signs if sign.tag == "tied"]
        ends = {tie.get("type") for tie in ties}
        slurs = [(sign.get("number", "1"), sign.get("type", "")) for sign in signs if sign.tag == "slur"]
        self._heads.append(
            XmlHead(
                note=note,
                tie_start=not ends.isdisjoint(("start", "continue")),
                tie_stop=not ends.isdisjoint(("stop", "continue")),
                written=written,
                stem=element.findtext("stem") or "",
                signs=tuple([sign.tag for sign in signs]),
                slurs=tuple(slurs),
            )
        )

    def _read_tempo(self, element: ET.Element, onset: Fraction) -> None:
        tempo = _tempo(element)
        if tempo:
            self._tempos[max(Fraction(0), onset)] = tempo

    def _read_harmony(self, element: ET.Element, part: _PartState, onset: Fraction) -> None:
        kind = (element.findtext("kind") or "").strip()
        root = None if kind == "none" else _fifths(element.find("root"), "root", part.transposed[1])
        if root is None and kind != "none":
            return
        bass, degrees = None, []
        if root is not None:
            for degree in element.findall("degree"):
                value = (degree.findtext("degree-value") or "").strip()
                alter = round(float(degree.findtext("degree-alter") or 0))
                degrees.append((value, alter, (degree.findtext("degree-type") or "").strip()))
            bass = _fifths(element.find("bass"), "bass", part.transposed[1])
        self._harmonies.append(Harmony(max(Fraction(0), onset), kind, root, bass, tuple(degrees)))


def _drum_keys(root: ET.Element) -> dict[str | None, int]:
    """The General MIDI key of each instrument that plays one."""
    played = {player.get("id"): player.findtext("midi-unpitched") for player in root.iter("midi-instrument")}
    return {name: int(key) - 1 for name, key in played.items() if key is not None and key.strip().isdigit()}


def _read_attributes(element: ET.Element, part: _PartState) -> None:
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


def _read_barline(element: ET.Element, part: _PartState, signs: RepeatSigns) -> None:
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


def _read_direction(element: ET.Element, signs: RepeatSigns) -> None:
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


def _read_sound(sound: ET.Element, signs: RepeatSigns) -> None:
    signs.segno |= sound.get("segno") is not None
    signs.coda |= sound.get("coda") is not None
    signs.to_coda |= sound.get("tocoda") is not None
    signs.fine |= sound.get("fine") is not None
    signs.da_capo |= sound.get("dacapo") == "yes"
    signs.dal_segno |= sound.get("dalsegno") is not None
    signs.forward |= sound.get("forward-repeat") == "yes"


def _settle(signs: Sequence[RepeatSigns]) -> None:
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


def _tempo(element: ET.Element) -> float:
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


def _syllables(element: ET.Element) -> Iterator[XmlSyllable]:
    """The syllables under a note, one a verse; elided ones are one, with a space between them."""
    for lyric in element.findall("lyric"):
        text = "".join(
            " " if child.tag == "elision" else child.text or ""
            for child in lyric
            if child.tag in ("text", "elision")
        )
        if text.strip():
            syllabic = (lyric.findtext("syllabic") or "single").strip()
            yield XmlSyllable(text.strip(), lyric.get("number") or "1", syllabic)


def _fifths(element: ET.Element | None, name: str, transposed: int) -> int | None:
    step = (element.findtext(f"{name}-step") or "").strip() if element is not None else ""
    if element is None or step not in _ON_FIFTHS:
        return None
    return place_on_fifths(step, round(float(element.findtext(f"{name}-alter") or 0))) + transposed
