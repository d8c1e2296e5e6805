"""A score as MusicXML 4.0, element by element as the standard orders them.

Task: say everything that was decided, so that music21, verovio and MuseScore draw and play the same score.
Method: one pass over the bars of each part; a part of several staves is written staff by staff with a backup
between voices. Signs that belong to a moment (dynamics, pedal, tempo) come before the first voice's
element that sounds there, with an offset where it starts earlier.

Conventions: positions are quarters from the bar line; voices are numbered 1 to 4 on the first staff, 5 to 8
on the second, as programs expect them. The same score gives the same text.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from notation import rhythm
from notation.events import Bar, ChordSymbol, Key, key_at
from notation.instruments import BRACKETED
from notation.page import Element, Head, NotatedScore, PagePart, StaffBar, TempoMark
from transcription.beatgrid import TimeSignature

HEADER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
DRUM_CHANNEL = 10
SWING_WORDS = "Swing (two eighths = triplet quarter + eighth)"

_CLEF_SIGNS = {
    "treble": ("G", 2, 0),
    "bass": ("F", 4, 0),
    "alto": ("C", 3, 0),
    "tenor": ("C", 4, 0),
    "treble-8": ("G", 2, -1),
    "percussion": ("percussion", 0, 0),
}
_CHORD_KINDS = {
    "": "major",
    "m": "minor",
    "7": "dominant",
    "maj7": "major-seventh",
    "m7": "minor-seventh",
    "dim": "diminished",
    "dim7": "diminished-seventh",
    "m7b5": "half-diminished",
    "aug": "augmented",
    "sus4": "suspended-fourth",
    "sus2": "suspended-second",
    "6": "major-sixth",
    "m6": "minor-sixth",
}
_ORNAMENTS = {"trill": "trill-mark", "mordent": "mordent", "inverted-mordent": "inverted-mordent"}
_ARTICULATIONS = ("staccato", "tenuto", "accent")


def document(score: NotatedScore) -> str:
    """The whole file as text."""
    root = ET.Element("score-partwise", version="4.0")
    _write_header(root, score)
    listed = ET.SubElement(root, "part-list")
    _write_part_list(listed, score)
    divisions = _divisions(score)
    signs = _signs(score)
    for number in range(len(score.page)):
        part = ET.SubElement(root, "part", id=f"P{number + 1}")
        _write_part(part, score, number, divisions, signs[number])
    ET.indent(root)
    return HEADER + ET.tostring(root, encoding="unicode") + "\n"


def printable(text: str) -> str:
    """Without the control characters that XML has no way to hold."""
    return "".join(c for c in text if c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff")


def _add(parent: ET.Element, tag: str, text: str | int = "", /, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    if text != "":
        element.text = str(text)
    return element


# Header and part list


def _write_header(root: ET.Element, score: NotatedScore) -> None:
    if score.title:
        _add(_add(root, "work"), "work-title", printable(score.title))
    identification = _add(root, "identification")
    if score.artist:
        _add(identification, "creator", printable(score.artist), type="composer")
    encoding = _add(identification, "encoding")
    _add(encoding, "software", "Fullscore")
    for supported in ("accidental", "beam"):
        _add(encoding, "supports", element=supported, type="yes")
    _write_credit(root, "title", score.title, justify="center", valign="top", size=22)
    _write_credit(root, "composer", score.artist, justify="right", valign="bottom", size=12)


def _write_credit(root: ET.Element, kind: str, text: str, justify: str, valign: str, size: int) -> None:
    """Text at the head of the first page."""
    if not text:
        return
    credit = _add(root, "credit", page="1")
    _add(credit, "credit-type", kind)
    words = _add(credit, "credit-words", printable(text), justify=justify, halign=justify, valign=valign)
    words.set("font-size", str(size))


def _write_part_list(listed: ET.Element, score: NotatedScore) -> None:
    """Every part with its players; parts of a family that belong together in a bracket."""
    numbered = list(enumerate(score.page, start=1))
    group = 0
    for family, members in groupby(numbered, key=lambda pair: pair[1].voicing.family):
        parts = list(members)
        bracketed = family in BRACKETED and len(parts) > 1
        if bracketed:
            group += 1
            start = _add(listed, "part-group", type="start", number=str(group))
            _add(start, "group-symbol", "bracket")
            # Singers' bar lines stop at the staff, where the words are.
            _add(start, "group-barline", "no" if family == "voice" else "yes")
        for number, part in parts:
            _list_part(listed, number, part, several=len(score.page) > 1)
        if bracketed:
            _add(listed, "part-group", type="stop", number=str(group))


def _list_part(listed: ET.Element, number: int, part: PagePart, several: bool) -> None:
    voicing = part.voicing
    identifier = f"P{number}"
    entry = _add(listed, "score-part", id=identifier)
    _add(entry, "part-name", printable(voicing.name))
    if several:  # later systems say whose staff it is only where there is a choice
        _add(entry, "part-abbreviation", printable(voicing.abbreviation))
    if voicing.family == "drums":
        used = {
            head.drum.key: head.drum
            for staff in part.staves
            for bar in staff
            for voice in bar.voices
            for element in voice
            for head in element.heads
            if head.drum
        }
        for key in sorted(used):
            _add(
                _add(entry, "score-instrument", id=f"{identifier}-I{key}"), "instrument-name", used[key].name
            )
        for key in sorted(used):
            player = _add(entry, "midi-instrument", id=f"{identifier}-I{key}")
            _add(player, "midi-channel", DRUM_CHANNEL)
            _add(player, "midi-program", 1)
            _add(player, "midi-unpitched", key + 1)
        if used:
            return
    _add(_add(entry, "score-instrument", id=f"{identifier}-I1"), "instrument-name", printable(voicing.name))
    player = _add(entry, "midi-instrument", id=f"{identifier}-I1")
    channel = (number - 1) % 15 + 1
    _add(player, "midi-channel", channel if channel < DRUM_CHANNEL else channel + 1)
    _add(player, "midi-program", voicing.program + 1)


# Signs that belong to a moment


@dataclass(frozen=True, slots=True)
class _Sign:
    """Something at a moment of a staff: ``write`` adds it to a measure, ``rank`` orders those of one moment.

    What ends something (``closes``) is written at the end of the bar before a bar line; what starts or
    ends something ``spans``.
    """

    onset: Fraction
    staff: int
    rank: int
    write: Callable[[ET.Element, int], None]
    """Given the measure and the offset in divisions."""
    closes: bool = False
    spans: bool = False


def _direction(
    kinds: ET.Element | Sequence[ET.Element], placement: str, staff: int | None, sound: float | None = None
) -> Callable[[ET.Element, int], None]:
    def write(measure: ET.Element, offset: int) -> None:
        direction = _add(measure, "direction", placement=placement)
        for kind in [kinds] if isinstance(kinds, ET.Element) else kinds:
            _add(direction, "direction-type").append(kind)
        if offset:
            _add(direction, "offset", offset)
        if staff is not None:
            _add(direction, "staff", staff)
        if sound is not None:
            _add(direction, "sound", tempo=f"{sound:g}")

    return write


def _element(tag: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.Element(tag, {name.replace("_", "-"): value for name, value in attributes.items()})
    element.text = text or None
    return element


def _signs(score: NotatedScore) -> list[list[_Sign]]:
    """The signs of each part, in order of time."""
    answer = []
    for number, page in enumerate(score.page):
        signs: list[_Sign] = []
        several = len(page.staves) > 1
        if number == 0:
            signs += _score_signs(score, 1 if several else None)
        stem = score.parts[number].stem if score.parts else ""
        staff = 1 if several else None
        above_words = page.voicing.family == "voice"
        told = score.expression.parts.get(stem)
        if told is not None:
            where = "above" if above_words else "below"
            for mark in told.dynamics:
                kind = ET.Element("dynamics")
                ET.SubElement(kind, mark.mark)
                signs.append(_Sign(mark.onset, 1, 3, _direction(kind, where, staff)))
            for hairpin in told.hairpins:
                name = "crescendo" if hairpin.grows else "diminuendo"
                start, stop = (
                    _element("wedge", type=name, number="1"),
                    _element("wedge", type="stop", number="1"),
                )
                signs.append(_Sign(hairpin.start, 1, 4, _direction(start, where, staff), spans=True))
                signs.append(
                    _Sign(hairpin.end, 1, 2, _direction(stop, where, staff), closes=True, spans=True)
                )
            lowest = len(page.staves)
            place = lowest if several else None
            for pedal in told.pedals:  # down and up: not all readers know the sign for both at once
                start = _element("pedal", type="start", line="yes")
                stop = _element("pedal", type="stop", line="yes")
                signs.append(_Sign(pedal.start, lowest, 6, _direction(start, "below", place), spans=True))
                signs.append(
                    _Sign(pedal.end, lowest, 5, _direction(stop, "below", place), closes=True, spans=True)
                )
        for line in page.octaves:
            where = "above" if line.up else "below"
            place = line.staff  # also of one staff: verovio looks for it
            start = _element("octave-shift", type="down" if line.up else "up", size="8", number="1")
            stop = _element("octave-shift", type="stop", size="8", number="1")
            signs.append(_Sign(line.start, line.staff, 7, _direction(start, where, place), spans=True))
            signs.append(
                _Sign(line.end, line.staff, 1, _direction(stop, where, place), closes=True, spans=True)
            )
        signs.sort(key=lambda sign: (sign.onset, sign.rank))
        answer.append(signs)
    return answer


def _score_signs(score: NotatedScore, staff: int | None) -> list[_Sign]:
    """What stands over the top staff for all: sections, tempo, chord symbols."""
    signs = []
    for section in score.sections:
        kind = _element("rehearsal", printable(section.name))
        signs.append(_Sign(section.start, 1, -3, _direction(kind, "above", staff)))
    bar_starts = [bar.start for bar in score.bars]
    marks = list(score.expression.tempi)
    if not marks or marks[0].onset > 0:
        marks.insert(0, TempoMark(Fraction(0), score.quarters_per_minute))
    for number, mark in enumerate(marks):
        signature = score.bars[max(bisect_right(bar_starts, mark.onset) - 1, 0)].time_signature
        swing = number == 0 and score.expression.swing
        kinds = []
        if mark.words or swing:
            words = ", ".join(text for text in (mark.words, SWING_WORDS if swing else "") if text)
            style = _GRADUAL_STYLE if mark.words and not mark.number else {}
            kinds.append(_element("words", words, **_TEMPO_STYLE, **style))
        if mark.number:
            beats = max(round(mark.quarters_per_minute / float(signature.beat_quarters)), 1)
            kinds.append(_metronome(beats, signature))
            if len(kinds) > 1:
                kinds[-1].set("parentheses", "yes")
        write = _direction(kinds, "above", staff, mark.quarters_per_minute or None)
        signs.append(_Sign(mark.onset, 1, -1, _swinging(write) if swing else write))
    signs += [_Sign(symbol.onset, 1, 9, _harmony(symbol, staff)) for symbol in score.chords]
    return signs


def _swinging(write: Callable[[ET.Element, int], None]) -> Callable[[ET.Element, int], None]:
    """The tempo with, for players, the ratio of the first eighth to the second."""

    def written(measure: ET.Element, offset: int) -> None:
        write(measure, offset)
        ratio = _add(next(measure[-1].iter("sound")), "swing")
        _add(ratio, "first", 2)
        _add(ratio, "second", 1)
        _add(ratio, "swing-type", "eighth")

    return written


_TEMPO_STYLE = {"font_weight": "bold"}
_GRADUAL_STYLE = {"font_style": "italic"}


def _metronome(beats_per_minute: int, signature: TimeSignature) -> ET.Element:
    kind = ET.Element("metronome")
    name, dots = rhythm.value_name(signature.beat_quarters) or ("quarter", 0)
    _add(kind, "beat-unit", name)
    for _ in range(dots):
        _add(kind, "beat-unit-dot")
    _add(kind, "per-minute", beats_per_minute)
    return kind


def _harmony(symbol: ChordSymbol, staff: int | None) -> Callable[[ET.Element, int], None]:
    def write(measure: ET.Element, offset: int) -> None:
        harmony = _add(measure, "harmony")
        _write_root(_add(harmony, "root"), "root", symbol.root)
        _add(harmony, "kind", _CHORD_KINDS.get(symbol.quality, "major"), text=symbol.quality)
        if symbol.bass:
            _write_root(_add(harmony, "bass"), "bass", symbol.bass)
        if offset:
            _add(harmony, "offset", offset)
        if staff is not None:
            _add(harmony, "staff", staff)

    return write


def _write_root(parent: ET.Element, tag: str, name: str) -> None:
    _add(parent, f"{tag}-step", name[0])
    alter = name.count("#") - name[1:].count("b")
    if alter:
        _add(parent, f"{tag}-alter", alter)


# Bars


def _divisions(score: NotatedScore) -> int:
    """Parts of a quarter in which every position and length is whole."""
    found = {1}
    for page in score.page:
        for staff in page.staves:
            for bar in staff:
                for voice in bar.voices:
                    for element in voice:
                        found.add(element.onset.denominator)
                        found.add(element.length.denominator)
    found.update(bar.start.denominator for bar in score.bars)
    found.update(bar.length.denominator for bar in score.bars)
    return math.lcm(*found, 2)


def _write_part(
    part: ET.Element, score: NotatedScore, number: int, divisions: int, signs: Sequence[_Sign]
) -> None:
    page = score.page[number]
    bars = score.bars
    keys = [key_at(score.keys, bar.start) for bar in bars]
    pitched = page.voicing.family != "drums"
    doubled = {section.start for section in score.sections}
    in_bars = _by_bar(signs, bars)
    writer = _Writer(f"P{number + 1}", divisions, page)
    for index, laid in enumerate(bars):
        full = laid.length == laid.time_signature.bar_quarters
        measure = _add(part, "measure", number=str(laid.number))
        if not full:
            measure.set("implicit", "yes")
        before = bars[index - 1] if index else None
        key = keys[index] if pitched and (not index or keys[index].fifths != keys[index - 1].fifths) else None
        meter = None if before and before.time_signature == laid.time_signature else laid.time_signature
        clefs = [
            (staff_number, staff[index].clef)
            for staff_number, staff in enumerate(page.staves, start=1)
            if not index or staff[index].clef != staff[index - 1].clef
        ]
        if not index or key or meter or clefs:
            key_written = key or (Key("C") if not index else None)
            writer.write_attributes(measure, key_written, meter, clefs, first=not index)
        for staff_number, staff in enumerate(page.staves, start=1):
            if staff_number > 1:
                _add(_add(measure, "backup"), "duration", int(laid.length * divisions))
            here = [sign for sign in in_bars[index] if sign.staff == staff_number]
            writer.write_staff(measure, staff[index], staff_number, laid, here)
        last = index == len(bars) - 1
        ends_section = not last and (
            bars[index + 1].start in doubled or keys[index + 1].fifths != keys[index].fifths
        )
        if last or ends_section:
            line = _add(measure, "barline", location="right")
            _add(line, "bar-style", "light-heavy" if last else "light-light")


def _by_bar(signs: Sequence[_Sign], bars: Sequence[Bar]) -> list[list[_Sign]]:
    """The signs of each bar; what closes on a bar line belongs to the bar before it."""
    starts = [bar.start for bar in bars]
    answer: list[list[_Sign]] = [[] for _ in bars]
    for sign in signs:
        index = max(bisect_right(starts, sign.onset) - 1, 0)
        if sign.closes and index and sign.onset == starts[index]:
            index -= 1
        if sign.onset <= bars[index].end and (sign.closes or sign.onset < bars[index].end):
            answer[index].append(sign)
    return answer


@dataclass(slots=True)
class _Writer:
    """What stays the same through a part."""

    identifier: str
    divisions: int
    page: PagePart

    def write_attributes(
        self,
        measure: ET.Element,
        key: Key | None,
        meter: TimeSignature | None,
        clefs: Sequence[tuple[int, str]],
        first: bool,
    ) -> None:
        attributes = _add(measure, "attributes")
        several = len(self.page.staves) > 1
        drums = self.page.voicing.family == "drums"
        if first:
            _add(attributes, "divisions", self.divisions)
        if key is not None:
            signature = _add(attributes, "key")
            _add(signature, "fifths", 0 if drums else key.fifths)
            if not drums:
                _add(signature, "mode", key.mode)
        if meter is not None:
            time = _add(attributes, "time")
            _add(time, "beats", meter.numerator)
            _add(time, "beat-type", meter.denominator)
        if first and several:
            _add(attributes, "staves", len(self.page.staves))
        for staff, name in clefs:
            sign, line, octave = _CLEF_SIGNS[name]
            clef = _add(attributes, "clef", **({"number": str(staff)} if several else {}))
            _add(clef, "sign", sign)
            if line:
                _add(clef, "line", line)
            if octave:
                _add(clef, "clef-octave-change", octave)
        octave = self.page.voicing.octave
        if first and octave:
            transpose = _add(attributes, "transpose")
            _add(transpose, "diatonic", 0)
            _add(transpose, "chromatic", 0)
            _add(transpose, "octave-change", -octave)

    def write_staff(
        self, measure: ET.Element, bar: StaffBar, staff: int, laid: Bar, signs: Sequence[_Sign]
    ) -> None:
        """The voices of one staff in one bar; afterwards the position is the end of the bar."""
        waiting: dict[tuple[int, int], list[tuple[_Sign, int]]] = {}
        after: list[_Sign] = []
        for sign in signs:
            at = sign.onset - laid.start
            if at >= laid.length:
                after.append(sign)
                continue
            # What spans several moments is read in the order of the file: all in the first voice.
            number, index, late = _anchor(bar.voices[:1] if sign.spans else bar.voices, at)
            waiting.setdefault((number, index), []).append((sign, int(late * self.divisions)))
        length = int(laid.length * self.divisions)
        for number, voice in enumerate(bar.voices):
            if number:
                _add(_add(measure, "backup"), "duration", length)
            label = str(4 * (staff - 1) + number + 1)
            for index, element in enumerate(voice):
                for sign, offset in waiting.get((number, index), ()):
                    sign.write(measure, offset)
                self.write_element(measure, element, label, staff)
        for sign in after:
            sign.write(measure, 0)

    def write_element(self, measure: ET.Element, element: Element, voice: str, staff: int) -> None:
        if not element.heads:
            written = _add(measure, "note", **({"print-object": "no"} if element.hidden else {}))
            _add(written, "rest", **({"measure": "yes"} if element.whole_bar else {}))
            _add(written, "duration", int(element.length * self.divisions))
            _add(written, "voice", voice)
            if not element.whole_bar:
                self._write_value(written, element)
            if len(self.page.staves) > 1:
                _add(written, "staff", staff)
            if element.tuplet and (element.tuplet.starts or element.tuplet.stops):
                _write_tuplet(_add(written, "notations"), element)
            return
        for number, head in enumerate(element.heads):
            self._write_head(measure, element, head, number == 0, voice, staff)

    def _write_value(self, written: ET.Element, element: Element, head: Head | None = None) -> None:
        _add(written, "type", element.name)
        for _ in range(element.dots):
            _add(written, "dot")
        if head is not None and head.accidental:
            _add(
                written,
                "accidental",
                head.accidental,
                **({"parentheses": "yes", "cautionary": "yes"} if head.reminds else {}),
            )
        if element.tuplet:
            modification = _add(written, "time-modification")
            _add(modification, "actual-notes", element.tuplet.actual)
            _add(modification, "normal-notes", element.tuplet.normal)
            _add(modification, "normal-type", element.tuplet.unit)

    def _write_head(
        self, measure: ET.Element, element: Element, head: Head, first: bool, voice: str, staff: int
    ) -> None:
        written = _add(measure, "note")
        if element.grace:
            _add(written, "grace", **({"slash": "yes"} if not element.beams else {}))
        if not first:
            _add(written, "chord")
        if head.drum:
            place = _add(written, "unpitched")
            _add(place, "display-step", head.step)
            _add(place, "display-octave", head.octave)
        else:
            place = _add(written, "pitch")
            _add(place, "step", head.step)
            if head.alter:
                _add(place, "alter", head.alter)
            _add(place, "octave", head.octave)
        if not element.grace:
            _add(written, "duration", int(element.length * self.divisions))
        if head.tied_to:
            _add(written, "tie", type="stop")
        if head.tied_from:
            _add(written, "tie", type="start")
        if head.drum:
            _add(written, "instrument", id=f"{self.identifier}-I{head.drum.key}")
        _add(written, "voice", voice)
        self._write_value(written, element, head)
        if element.stem:
            _add(written, "stem", element.stem)
        if head.shape != "normal":
            _add(written, "notehead", head.shape)
        if len(self.page.staves) > 1:
            _add(written, "staff", staff)
        if first:
            for number, mark in enumerate(element.beams, start=1):
                _add(written, "beam", _BEAMS.get(mark, mark), number=str(number))
        _write_notations(written, element, head, first)
        if first and element.sung is not None:
            _write_lyric(written, element, head)


_BEAMS = {"start": "begin", "stop": "end", "partial-left": "backward hook", "partial-right": "forward hook"}


def _anchor(voices: Sequence[Sequence[Element]], at: Fraction) -> tuple[int, int, Fraction]:
    """The voice and the element before which a sign is written, and how far after its onset it stands."""
    for number, voice in enumerate(voices):
        for index, element in enumerate(voice):
            if element.onset == at:
                return number, index, Fraction(0)
    index = max(i for i, element in enumerate(voices[0]) if element.onset <= at)
    return 0, index, at - voices[0][index].onset


def _write_notations(written: ET.Element, element: Element, head: Head, first: bool) -> None:
    arpeggiated = "arpeggio" in element.marks
    own = first and (
        element.marks
        or element.slurs
        or (element.tuplet is not None and (element.tuplet.starts or element.tuplet.stops))
    )
    if not (own or arpeggiated or head.tied_to or head.tied_from):
        return
    notations = _add(written, "notations")
    if head.tied_to:
        _add(notations, "tied", type="stop")
    if head.tied_from:
        _add(notations, "tied", type="start")
    if arpeggiated:
        _add(notations, "arpeggiate")
    if not first:
        return
    if element.tuplet and (element.tuplet.starts or element.tuplet.stops):
        _write_tuplet(notations, element)
    for kind in element.slurs:
        _add(notations, "slur", type=kind, number="1")
    marks = element.marks
    _write_some(notations, "ornaments", [name for mark, name in _ORNAMENTS.items() if mark in marks])
    _write_some(notations, "articulations", [mark for mark in _ARTICULATIONS if mark in marks])
    if "fermata" in marks:
        _add(notations, "fermata", type="upright")


def _write_some(notations: ET.Element, kind: str, names: Iterable[str]) -> None:
    names = list(names)
    if names:
        group = _add(notations, kind)
        for name in names:
            _add(group, name)


def _write_tuplet(notations: ET.Element, element: Element) -> None:
    tuplet = element.tuplet
    if tuplet is None:
        return
    if tuplet.starts:
        _add(notations, "tuplet", type="start", number="1", bracket="yes" if element.bracket else "no")
    if tuplet.stops:
        _add(notations, "tuplet", type="stop", number="1")


def _write_lyric(written: ET.Element, element: Element, head: Head) -> None:
    """The syllables on a note, with an extender line where the last one is held over a tie or a slur."""
    syllables = element.sung.syllables if element.sung else ()
    if not syllables:
        return
    lyric = _add(written, "lyric", number="1")
    for number, syllable in enumerate(syllables):
        if number:
            _add(lyric, "elision", "‿")
        _add(lyric, "syllabic", syllable.syllabic)
        _add(lyric, "text", printable(syllable.text))
    held = head.tied_from or "start" in element.slurs
    if held and syllables[-1].syllabic in ("single", "end"):
        _add(lyric, "extend")
