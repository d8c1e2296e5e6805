from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from evaluation.alignment import Alignment, Comparison
from evaluation.kinds import NoSettings
from evaluation.score_diff import ERRORS, Column, coloured_errors, columns, show_score, systems
from evaluation.scoremodel import Score
from fullscore.errors import FullscoreError
from notation.musicxml_reader import XmlBar, XmlNote
from tests.evaluation.musicxml import attributes, barline, note, write

SVG = "{http://www.w3.org/2000/svg}"


def scale(changes: dict[int, XmlNote] | None = None) -> Score:
    """Sixteen quarters in four bars, one after the other, some of them replaced."""
    steps = "CDEFGABC" * 2
    heights = (60, 62, 64, 65, 67, 69, 71, 72) * 2
    notes = [XmlNote(Fraction(i), Fraction(1), heights[i], steps[i], bar=i // 4) for i in range(16)]
    for number, other in (changes or {}).items():
        notes[number] = other
    bars = tuple(XmlBar(Fraction(4 * i), Fraction(4), 4, 4, 0, "major", i) for i in range(4))
    return Score(Path("scale.musicxml"), tuple(notes), bars)


ALL = [(i, i) for i in range(16)]


def test_each_kind_of_error_by_hand() -> None:
    estimate = scale(
        {
            1: XmlNote(Fraction(1), Fraction(1), 61, "C", 1),
            2: XmlNote(Fraction(5, 2), Fraction(1, 2), 64, "E"),
            5: XmlNote(Fraction(5), Fraction(1, 2), 69, "A", bar=1),
            7: XmlNote(Fraction(7), Fraction(1), 72, "C", bar=1, voice="2"),
            8: XmlNote(Fraction(8), Fraction(1), 60, "B", 1, bar=2),
        }
    )
    pairs = [pair for pair in ALL if pair[0] != 12]
    compared = Comparison(scale(), estimate, Alignment((*pairs, (12, None), (None, 12))), "neither")
    reference, found = coloured_errors(compared)
    wrong = {1: "pitch", 2: "onset", 5: "offset", 7: "voice", 8: "spelling"}
    assert reference == wrong | {12: "missing"}
    assert found == wrong | {12: "extra"}
    assert set(reference.values()) | set(found.values()) == set(ERRORS)


def test_bars_stand_under_those_that_their_notes_belong_to() -> None:
    """The estimate has its notes in bars of two."""
    estimate = scale()
    halves = tuple(XmlBar(Fraction(2 * i), Fraction(2), 2, 4, 0, "", i) for i in range(9))
    estimate = Score(estimate.path, estimate.notes, halves)
    laid = columns(scale(), estimate, ALL)
    assert laid == [Column((i,), (2 * i, 2 * i + 1)) for i in range(4)] + [Column((), (8,))]
    joined = systems(laid, [[10.0] * 4, [4.0] * 9], 25)
    assert joined == [Column((0, 1), (0, 1, 2, 3)), Column((2, 3), (4, 5, 6, 7, 8))]
    assert systems(laid, [[20.0] * 4, [4.0] * 9], 25)[:2] == [Column((0,), (0, 1)), Column((1,), (2, 3))]
    parted = systems(laid, [[20.0] * 4, [15.0] * 9], 25)
    assert parted[:3] == [Column((0,), (0,)), Column((), (1,)), Column((1,), (2,))]


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
    """The estimate has the second time written out, and a step too high."""

    def held(name: str) -> list[str]:
        return [note(name, 4, '<tie type="start"/>'), note(name, 4, '<tie type="stop"/>')]

    first, second = held("C4")
    ending = [note("G4", 4), note("A4", 4)]
    repeated = [attributes() + first, second + barline("right", repeat="backward"), *ending]
    reference = write(tmp_path / "reference.musicxml", repeated)
    estimate = write(tmp_path / "estimate.musicxml", [attributes() + first, second, *held("C#4"), *ending])
    show_score(reference, estimate, NoSettings(), tmp_path / "out.svg")
    names = coloured((tmp_path / "out.svg").read_text(encoding="utf-8"))
    assert names == dict.fromkeys(("r2-0", "r3-1", "e2-2", "e3-3"), ERRORS["pitch"][0])


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
