from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from typing import Any

from notation.events import Key, ScoreNote
from notation.musicxml import document
from notation.page import Dynamic, Expression, Hairpin, PartExpression, Pedal, TempoMark, WrittenPart
from notation.score import build_score
from notation.sections import Section
from tests.notation.builders import bars, part, written
from transcription.notes import Note


def xml(*parts: WrittenPart, count: int = 2, meter: str = "4/4", **more: Any) -> ET.Element:
    score = build_score(parts, bars(count, meter), Key("C"), 120.0, **more)
    return ET.fromstring(document(score).partition("dtd")[2].partition(">")[2])


def measures(root: ET.Element, number: int = 0) -> list[ET.Element]:
    return root.findall("part")[number].findall("measure")


def marked(rows: list[tuple[str, str, int]], *marks: str, absorbed: tuple[Note, ...] = ()) -> list[ScoreNote]:
    return [replace(note, marks=frozenset(marks), absorbed=absorbed) for note in written(rows, "piano")]


def test_signs_at_notes() -> None:
    notes = marked([("0", "1", 60)], "staccato", "trill", "tenuto")
    notation = measures(xml(part("piano", notes)))[0].find("note/notations")
    assert notation is not None
    assert [e.tag for group in notation for e in group] == ["trill-mark", "staccato", "tenuto"]


def test_a_fermata_is_on_the_last_of_tied_notes_and_a_trill_on_the_first() -> None:
    root = xml(part("piano", marked([("2", "4", 60)], "fermata", "trill")))
    notes = [
        note
        for measure in measures(root)
        for note in measure.findall("note")
        if note.find("pitch") is not None
    ]
    assert [note.find("notations/fermata") is not None for note in notes] == [False, True]
    assert [note.find("notations/ornaments") is not None for note in notes] == [True, False]


def test_one_arpeggio_holds_the_whole_chord() -> None:
    chord = marked([("0", "1", 60), ("0", "1", 64), ("0", "1", 67)], "arpeggio")
    notes = [n for n in measures(xml(part("piano", chord)))[0].findall("note") if n.find("pitch") is not None]
    assert [len(n.findall("notations/arpeggiate")) for n in notes] == [1, 1, 1]


def test_the_mordent_shows_which_neighbour_was_heard() -> None:
    upper = marked([("0", "1", 60)], "mordent", absorbed=(Note(0.0, 0.1, 62),))
    lower = marked([("0", "1", 60)], "mordent", absorbed=(Note(0.0, 0.1, 59),))
    assert xml(part("piano", upper)).find(".//inverted-mordent") is not None
    assert xml(part("piano", lower)).find(".//mordent") is not None


def test_keys_change_with_a_double_bar_and_their_own_accidentals() -> None:
    notes = part("piano", written([("0", "4", 65), ("4", "4", 66), ("8", "4", 65)], "piano"))
    keys = ((Fraction(0), Key("C")), (Fraction(4), Key("G")))
    first, second, third = measures(xml(notes, count=3, keys=keys))
    assert [m.findtext("attributes/key/fifths") for m in (first, second, third)] == ["0", "1", None]
    assert first.findtext("barline/bar-style") == "light-light"
    assert third.findtext("barline/bar-style") == "light-heavy"
    assert [m.findtext("note/accidental") for m in (first, second, third)] == [None, None, "natural"]


def test_sections_have_marks_over_the_top_part_and_double_bars_in_all() -> None:
    parts = [part("vocals", written([("0", "4", 60)])), part("bass", written([("0", "4", 40)], "bass"))]
    root = xml(*parts, sections=[Section(Fraction(0), "Verse 1"), Section(Fraction(4), "Chorus")])
    assert [[e.text for e in m.iter("rehearsal")] for m in measures(root)] == [["Verse 1"], ["Chorus"]]
    assert not list(root.findall("part")[1].iter("rehearsal"))
    for number in (0, 1):
        assert measures(root, number)[0].findtext("barline/bar-style") == "light-light"


def test_tempo_marks_count_the_beat_of_their_bar() -> None:
    tempi = (TempoMark(Fraction(0), 90.0), TempoMark(Fraction(3), 60.0, "rit.", number=False))
    first, second = measures(
        xml(part("piano", written([("0", "3", 60)], "piano")), meter="6/8", expression=Expression(tempi))
    )
    beat = first.find("direction/direction-type/metronome")
    assert beat is not None
    assert [e.tag for e in beat] == ["beat-unit", "beat-unit-dot", "per-minute"]
    assert beat.findtext("per-minute") == "60"
    assert second.findtext("direction/direction-type/words") == "rit."
    sounds = [s.get("tempo") for m in (first, second) for s in m.iter("sound")]
    assert sounds == ["90", "60"]


def test_swing_is_said_in_words() -> None:
    root = xml(part("piano", written([("0", "4", 60)], "piano")), expression=Expression(swing=True))
    assert str(next(root.iter("words")).text).startswith("Swing")


def test_loudness_and_pedal_stand_where_they_begin_and_end() -> None:
    notes = part("piano", written([("0", "2", 60), ("2", "2", 62), ("4", "4", 64)], "piano"), staves=2)
    told = PartExpression(
        (Dynamic(Fraction(0), "p"), Dynamic(Fraction(4), "f")),
        (Hairpin(Fraction(2), Fraction(4), True),),
        (Pedal(Fraction(0), Fraction(3)), Pedal(Fraction(3), Fraction(8))),
    )
    root = xml(notes, expression=Expression(parts={"piano": told}))
    seen = []
    for measure in measures(root):
        at = 0
        for element in measure:
            if element.tag == "direction" and (kind := element.find("direction-type")[0]).tag != "metronome":  # type: ignore[index]
                what = kind[0].tag if kind.tag == "dynamics" else f"{kind.tag} {kind.get('type')}"
                late = int(element.findtext("offset", "0"))
                seen.append((measure.get("number"), at + late, what, element.findtext("staff")))
            if element.tag == "backup":
                at -= int(element.findtext("duration", "0"))
            elif element.tag == "note" and element.find("chord") is None:
                at += int(element.findtext("duration", "0"))
    divisions = int(root.findtext(".//divisions", "0"))
    assert [(bar, Fraction(at, divisions), what, staff) for bar, at, what, staff in seen] == [
        ("1", 0, "p", "1"),
        ("1", 2, "wedge crescendo", "1"),
        ("1", 4, "wedge stop", "1"),
        ("1", 0, "pedal start", "2"),
        ("1", 3, "pedal stop", "2"),
        ("1", 3, "pedal start", "2"),
        ("2", 0, "f", "1"),
        ("2", 4, "pedal stop", "2"),
    ]


def test_strings_are_bracketed_with_common_bar_lines_and_singers_without() -> None:
    strings = [part(name, written([("0", "4", 60)], name)) for name in ("Violin 1", "Viola", "Cello")]
    singers = [part(name, written([("0", "4", 60)], name)) for name in ("Soprano", "Alto")]
    root = xml(*singers, *strings, part("piano", written([("0", "4", 60)], "piano"), staves=2))
    listed = [(e.tag, e.get("type"), e.findtext("group-barline")) for e in root.findall("part-list/*")]
    part_row = ("score-part", None, None)
    stop = ("part-group", "stop", None)
    assert listed == [
        ("part-group", "start", "no"), part_row, part_row, stop,
        ("part-group", "start", "yes"), part_row, part_row, part_row, stop,
        part_row,
    ]  # fmt: skip


def test_clefs_change_where_a_hand_stays_in_the_others_range() -> None:
    low = written([(str(4 * i), "4", 45) for i in range(2)], "piano", 2)
    high = written([(str(8 + 4 * i), "4", 76) for i in range(4)], "piano", 2)
    root = xml(part("piano", low + high, staves=2), count=6)
    clefs = [
        [(c.get("number"), c.findtext("sign")) for c in m.findall("attributes/clef")] for m in measures(root)
    ]
    assert clefs == [[("1", "G"), ("2", "F")], [], [("2", "G")], [], [], []]


def test_an_octave_line_leaves_the_sounding_pitch() -> None:
    high = written([(str(i), "1", 91) for i in range(4)], "piano")
    (first, _) = measures(xml(part("piano", high)))
    shifts = [e.get("type") for e in first.iter("octave-shift")]
    assert shifts == ["down", "stop"]
    assert {p.findtext("octave") for p in first.iter("pitch")} == {"6"}


def test_a_short_last_bar_keeps_its_length() -> None:
    laid = (*bars(1), replace(bars(2)[1], length=Fraction(3)))
    score = build_score([part("piano", written([("4", "3", 60)], "piano"))], laid, Key("C"), 120.0)
    root = ET.fromstring(document(score).partition("dtd")[2].partition(">")[2])
    last = measures(root)[1]
    assert last.get("implicit") == "yes"
    assert [n.findtext("type") for n in last.findall("note")] == ["half"]
    assert last.find("note/dot") is not None


def test_several_grace_notes_are_beamed_sixteenths() -> None:
    rows = [("1", "0", 57), ("1", "0", 59), ("1", "1", 60)]
    notes = measures(xml(part("piano", written(rows, "piano"))))[0]
    graces = [n for n in notes.findall("note") if n.find("grace") is not None]
    assert [n.findtext("type") for n in graces] == ["16th", "16th"]
    assert [[b.text for b in n.findall("beam")] for n in graces] == [["begin", "begin"], ["end", "end"]]
