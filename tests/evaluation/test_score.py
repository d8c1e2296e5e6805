import zipfile
from fractions import Fraction
from pathlib import Path

from evaluation.score import (
    WrittenNote,
    evaluate_score,
    read_written,
    written_scores,
)

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "auld-lang-syne.musicxml"

# Two voices, a chord, a tie over the bar line, a grace note, and a part that sounds an octave lower.
SMALL = """<score-partwise version="4.0"><part id="P1">
<measure number="1"><attributes><divisions>2</divisions><key><fifths>-3</fifths><mode>minor</mode></key>
<time><beats>2</beats><beat-type>4</beat-type></time><transpose><chromatic>0</chromatic>
<octave-change>-1</octave-change></transpose></attributes>
<note><grace/><pitch><step>D</step><octave>5</octave></pitch></note>
<note><pitch><step>C</step><octave>5</octave></pitch><duration>2</duration></note>
<note><pitch><step>E</step><alter>-1</alter><octave>5</octave></pitch><duration>2</duration>
<tie type="start"/></note>
<note><chord/><pitch><step>G</step><octave>5</octave></pitch><duration>2</duration></note>
<backup><duration>4</duration></backup>
<forward><duration>1</duration></forward>
<note><pitch><step>C</step><octave>4</octave></pitch><duration>3</duration></note></measure>
<measure number="2">
<note><pitch><step>E</step><alter>-1</alter><octave>5</octave></pitch><duration>1</duration>
<tie type="stop"/></note><note><rest/><duration>3</duration></note></measure></part></score-partwise>"""


def test_musicxml_is_read_as_sounding(tmp_path: Path) -> None:
    path = tmp_path / "small.musicxml"
    path.write_text(SMALL, encoding="utf-8")
    half = Fraction(1, 2)
    expected = [(0, 60, 1), (half, 48, 3 * half), (1, 63, 3 * half), (1, 67, 1)]
    assert [(note.onset, note.pitch, note.length) for note in read_written(path)] == expected
    with zipfile.ZipFile(tmp_path / "small.mxl", "w") as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>',
        )
        archive.writestr("s.xml", SMALL)
    assert read_written(tmp_path / "small.mxl") == read_written(path)


def test_written_notes_by_hand() -> None:
    """Of four notes three are there, one of them too short, two quarters late throughout; one is extra."""
    reference = tuple(WrittenNote(Fraction(i), 60 + i, Fraction(1)) for i in range(4))
    estimate = (
        WrittenNote(Fraction(2), 60, Fraction(1)),
        WrittenNote(Fraction(3), 61, Fraction(1, 2)),
        WrittenNote(Fraction(4), 62, Fraction(1)),
        WrittenNote(Fraction(4), 74, Fraction(1)),
    )
    scores = written_scores(reference, estimate)
    assert scores["Written_shift_quarters"] == -2
    assert scores["Written_Precision"] == scores["Written_Recall"] == 3 / 4
    assert scores["Written_F-measure_with_length"] == 2 / 4
    assert written_scores(reference, ())["Written_Precision"] is None


def test_a_score_equals_itself() -> None:
    scores = evaluate_score(EXAMPLE, EXAMPLE)
    assert scores.pop("Written_shift_quarters") == 0
    assert set(scores.values()) == {1.0}
