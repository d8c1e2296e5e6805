from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from evaluation.kinds import NoSettings
from evaluation.score_diff import ERRORS, Column, columns, note_errors, show_score, systems
from evaluation.scorefile import Bar, Score, ScoreNote
from separation.engines import FullscoreError
from tests.evaluation.musicxml import attributes, barline, note, write

SVG = "{http://www.w3.org/2000/svg}"


def scale(changes: dict[int, ScoreNote] | None = None, stretch: int = 1, start: int = 0) -> Score:
    """Sixteen quarters in four bars, one after the other, some of them replaced."""
    steps = "CDEFGABC" * 2
    heights = (60, 62, 64, 65, 67, 69, 71, 72) * 2
    notes = [
        ScoreNote(Fraction(start + stretch * i), Fraction(stretch), heights[i], steps[i], bar=i // 4)
        for i in range(16)
    ]
    for number, other in (changes or {}).items():
        notes[number] = other
    length = Fraction(4 * stretch)
    bars = tuple(Bar(start + length * i, length, 4, 4, 0, "major", i) for i in range(4))
    return Score(Path("scale.musicxml"), tuple(notes), bars)


ALL = [(i, i) for i in range(16)]


def test_each_kind_of_error_by_hand() -> None:
    estimate = scale(
        {
            1: ScoreNote(Fraction(1), Fraction(1), 61, "C", 1),
            2: ScoreNote(Fraction(5, 2), Fraction(1, 2), 64, "E"),
            3: ScoreNote(Fraction(3), Fraction(1, 2), 65, "F"),
            4: ScoreNote(Fraction(4), Fraction(1), 67, "G", bar=1, voice="2"),
            8: ScoreNote(Fraction(8), Fraction(1), 60, "B", 1, bar=2),
        }
    )
    pairs = [pair for pair in ALL if pair[0] != 12]
    reference, found = note_errors(scale(), estimate, [*pairs, (12, None), (None, 12)])
    wrong = {1: "pitch", 2: "onset", 3: "offset", 4: "voice", 8: "spelling"}
    assert reference == wrong | {12: "missing"}
    assert found == wrong | {12: "extra"}
    assert set(reference.values()) | set(found.values()) == set(ERRORS)


def test_an_estimate_that_begins_later_in_double_values_is_right() -> None:
    assert note_errors(scale(), scale(stretch=2, start=4), ALL) == ({}, {})


def test_a_beat_too_much_is_one_error_and_not_all_that_follow() -> None:
    """From the fifth note on everything is a quarter late: those around the gap are few."""
    late = {
        i: ScoreNote(Fraction(i + 1), Fraction(1), scale().notes[i].pitch, bar=i // 4) for i in range(13, 16)
    }
    wrong, _ = note_errors(scale(), scale(late), ALL)
    assert set(wrong) == {13, 14, 15}


def test_bars_stand_under_those_that_their_notes_belong_to() -> None:
    """The estimate has its notes in bars of two."""
    estimate = scale()
    halves = tuple(Bar(Fraction(2 * i), Fraction(2), 2, 4, 0, "", i) for i in range(9))
    estimate = Score(estimate.path, estimate.notes, halves)
    laid = columns(scale(), estimate, ALL)
    assert laid == [Column((i,), (2 * i, 2 * i + 1)) for i in range(4)] + [Column((), (8,))]
    joined = systems(laid, [[10.0] * 4, [4.0] * 9], 25)
    assert joined == [Column((0, 1), (0, 1, 2, 3)), Column((2, 3), (4, 5, 6, 7, 8))]
    assert systems(laid, [[30.0] * 4, [4.0] * 9], 25)[:2] == [Column((0,), (0, 1)), Column((1,), (2, 3))]


BARS = [attributes() + "".join(note(name) for name in ("C4", "D4", "E4", "F4")), note("G4", 4), note("C4", 4)]


def coloured(picture: str) -> dict[str, str]:
    """The coloured notes of a picture by their names."""
    return {
        group.get("id", ""): group.get("fill", "")
        for group in ElementTree.fromstring(picture).iter(f"{SVG}g")
        if group.get("class") == "note" and group.get("fill")
    }


def test_the_wrong_notes_have_their_colours(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference.musicxml", BARS)
    wrong = [BARS[0].replace("<step>E", "<step>A"), note("G4", 2) + note("r", 2), note("C4", 4)]
    estimate = write(tmp_path / "estimate.musicxml", wrong)
    said = show_score(reference, estimate, NoSettings(), tmp_path / "out.svg")
    picture = (tmp_path / "out.svg").read_text(encoding="utf-8")
    pitch, length = ERRORS["pitch"][0], ERRORS["offset"][0]
    assert coloured(picture) == {"r0-2": pitch, "e0-2": pitch, "r1-4": length, "e1-4": length}
    assert "1 pitch, 1 length" in said
    assert "reference.musicxml" in picture
    assert "pitch 1" in picture


def test_a_tied_note_is_coloured_throughout_and_repeats_are_played_out(tmp_path: Path) -> None:
    repeat = barline("right", repeat="backward")
    held = [attributes() + note("C4", 4, '<tie type="start"/>'), note("C4", 4, '<tie type="stop"/>') + repeat]
    other = [attributes() + note("C4", 4), note("C4", 4), attributes() + note("D4", 4), note("C4", 4)]
    reference = write(tmp_path / "reference.musicxml", [*held, note("G4", 4), note("A4", 4)])
    estimate = write(tmp_path / "estimate.musicxml", [*other, note("G4", 4), note("A4", 4)])
    show_score(reference, estimate, NoSettings(), tmp_path / "out.svg")
    names = coloured((tmp_path / "out.svg").read_text(encoding="utf-8"))
    assert {"r0-0", "r1-1", "r2-0", "r3-1"} <= set(names)
    assert not {"r4-2", "r5-3", "e4-4", "e5-5"} & set(names)


def test_a_pdf_has_pages(tmp_path: Path) -> None:
    reference = write(
        tmp_path / "reference.musicxml", [BARS[0], *["".join(BARS[0].partition("<note>")[1:])] * 99]
    )
    show_score(reference, reference, NoSettings(), tmp_path / "out.pdf")
    data = (tmp_path / "out.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert data.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize(
    ("name", "content", "out", "reason"),
    [
        ("a.musicxml", "", "out.png", "ends in .svg or .pdf"),
        ("a.mid", "MThd", "out.svg", "fullscore notate"),
        ("a.musicxml", "<score-partwise/>", "out.svg", "no bars"),
    ],
)
def test_what_cant_be_shown_is_said(tmp_path: Path, name: str, content: str, out: str, reason: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FullscoreError, match=reason):
        show_score(path, path, NoSettings(), tmp_path / out)
    assert not (tmp_path / out).exists()
