"""What the reader of MusicXML tells beyond what evaluation compares (tests/evaluation/test_scorefile.py)."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
from fractions import Fraction

import pytest

from notation.musicxml_reader import (
    Cursor,
    Harmony,
    WrittenScore,
    joined,
    parse_musicxml,
    read_written,
)
from tests.evaluation.musicxml import attributes, document, note

DRUMS = (
    '<score-partwise><part-list><score-part id="P1"><part-name>Drums</part-name>'
    '<score-instrument id="kick"/><score-instrument id="cowbell"/>'
    '<midi-instrument id="kick"><midi-unpitched>37</midi-unpitched></midi-instrument>'
    '<midi-instrument id="cowbell"/></score-part></part-list>'
    f'<part id="P1"><measure number="1">{attributes()}'
    + "".join(note("x", 1, f'<instrument id="{name}"/>') for name in ("kick", "cowbell", "unknown"))
    + "</measure></part></score-partwise>"
)


def read(*parts: list[str]) -> WrittenScore:
    return read_written(parse_musicxml(document(*parts).encode()))


def test_notes_are_numbered_as_in_the_file() -> None:
    upper = [attributes() + note("C5", 4), note("r", 1) + note("D5", 3)]
    lower = [attributes() + note("C3", 1, "<cue/>") + note("E3", 3), note("F3", 4)]
    score = read(upper, lower)
    # Bar by bar, but numbered part by part, with rests and what is left out.
    assert [(head.note.id, head.note.part, head.note.bar) for head in score.heads] == [
        (0, 0, 0), (4, 1, 0), (2, 0, 1), (5, 1, 1),
    ]  # fmt: skip


def test_tied_heads_of_two_voices_are_one_note() -> None:
    first = attributes() + note("r", 2) + note("C4", 2, '<tie type="start"/>', voice="2")
    score = read([first, note("C4", 1, '<tie type="stop"/>', voice="1") + note("C4", 3)])
    assert [(each.id, each.held, each.onset, each.duration) for each in joined(score.heads)] == [
        (1, (2,), 2, 3),
        (3, (), 5, 3),
    ]


def test_a_note_sounds_elsewhere_than_it_is_written() -> None:
    clarinet = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    (head,) = read([attributes(fifths=2, more=clarinet) + note("F#4", 4)]).heads
    assert head.written == ("F", 1, 4)
    assert (head.note.pitch, head.note.step, head.note.alter) == (64, "E", 0)


def test_drums_have_the_key_that_their_instrument_plays() -> None:
    heads = read_written(parse_musicxml(DRUMS.encode())).heads
    assert [head.note.pitch for head in heads] == [36, 0, 0]
    assert {head.written for head in heads} == {None}


def test_signs_slurs_and_stems_of_a_head() -> None:
    signs = '<articulations><staccato/></articulations><slur type="start" number="2"/><fermata/>'
    plain, marked = read(
        [attributes() + note("C4", 2) + note("C4", 2, f"<stem>up</stem><notations>{signs}</notations>")]
    ).heads
    assert (plain.signs, plain.slurs, plain.stem) == ((), (), "")
    assert {"staccato", "fermata", "slur"} <= set(marked.signs)
    assert (marked.slurs, marked.stem) == ((("2", "start"),), "up")


def test_chord_symbols_as_they_stand() -> None:
    alto = "<transpose><diatonic>-5</diatonic><chromatic>-9</chromatic></transpose>"
    symbols = (
        "<harmony><root><root-step>A</root-step></root><kind>dominant</kind><bass><bass-step>G</bass-step>"
        "</bass><degree><degree-value>9</degree-value><degree-alter>-1</degree-alter>"
        "<degree-type>add</degree-type></degree></harmony>",
        "<harmony><kind>none</kind><offset>1</offset></harmony>",
        "<harmony><kind>major</kind></harmony>",  # of no root: says nothing
    )
    score = read([attributes(2, more=alto) + note("C4", 2) + "".join(symbols) + note("C4", 6)])
    assert score.harmonies == (
        Harmony(Fraction(1), "dominant", root=0, bass=-2, degrees=(("9", -1, "add"),)),
        Harmony(Fraction(3, 2), "none"),
    )


def test_the_cursor_follows_voices_and_changing_divisions() -> None:
    measure = ET.fromstring(
        "<measure>"
        + attributes(2)
        + note("C5", 3)
        + note("E5", 3, "<chord/>")
        + note("D5", 1, "<grace/>")
        + "<backup><duration>9</duration></backup>"  # to the bar line, and no further
        + "<forward><duration>1</duration></forward>"
        + "<attributes><divisions>3</divisions></attributes>"
        + note("C4", 1)
        + "<direction/></measure>"
    )
    cursor = Cursor()
    placed = [(element.tag, begin, lasts, cursor.now) for element, begin, lasts in cursor.through(measure)]
    assert placed == [
        ("attributes", 0, 0, 0),
        ("note", 0, 1.5, 1.5),
        ("note", 0, 1.5, 1.5),
        ("note", 1.5, 0, 1.5),
        ("backup", 0, 0, 0),
        ("forward", 0, 0.5, 0.5),
        ("attributes", 0.5, 0, 0.5),
        ("note", 0.5, Fraction(1, 3), Fraction(5, 6)),
        ("direction", Fraction(5, 6), 0, Fraction(5, 6)),
    ]


def test_files_are_parsed_plain_packed_and_by_bars() -> None:
    plain = document([attributes() + note("C4", 4), note("D4", 4)]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        container = '<c><rootfiles><rootfile full-path="s.xml"/></rootfiles></c>'
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("s.xml", plain)
    by_bars = (
        '<score-timewise><part-list/><measure number="1"><part id="P1">'
        + attributes() + note("C4", 4)
        + '</part></measure><measure number="2"><part id="P1">'
        + note("D4", 4)
        + "</part></measure></score-timewise>"
    ).encode()  # fmt: skip
    pitches = [
        [head.note.pitch for head in read_written(parse_musicxml(data)).heads]
        for data in (plain, packed.getvalue(), by_bars)
    ]
    assert pitches == [[60, 62]] * 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no", "is not MusicXML"),
        (b"<opus/>", "its root is opus"),
        (b"PK\x05\x06" + bytes(18), "not MusicXML"),
    ],
)
def test_what_is_no_score_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_musicxml(data)


def test_what_can_not_be_read_is_told_with_its_bar() -> None:
    with pytest.raises(ValueError, match=r"bar 2 \(a duration is negative\)"):
        read([attributes() + note("C4", 4), note("C4", -4)])
