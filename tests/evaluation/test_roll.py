import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from evaluation.kinds import NotesSettings
from evaluation.notefiles import NoteTable, midi_to_hz
from evaluation.roll import LEFT, ROW_S, SECOND, piano_roll_svg, show_notes
from fullscore.errors import FullscoreError

HEAD = "onset,offset,midi\n"
SVG = "{http://www.w3.org/2000/svg}"


def notes(*rows: tuple[float, float, float], stems: tuple[str, ...] = ()) -> NoteTable:
    values = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return NoteTable(values[:, :2], midi_to_hz(values[:, 2]), stems)


def words(picture: str) -> list[str]:
    """What stands in the picture, which is well-formed."""
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def bars(picture: str, colour: str) -> list[tuple[float, float]]:
    """The ends in pixels of the solid notes of a colour, in the legend first."""
    paths = re.findall(rf'd="([^"]*)" stroke="{colour}"', picture)
    return [
        (float(left), float(right))
        for path in paths
        for left, right in re.findall(r"M(\S+) \S+?H([\d.]+)", path)
    ]


def test_each_note_is_drawn_as_what_it_is() -> None:
    reference = notes((0, 1, 60), (1, 2, 62), (2, 3, 64))
    picture = piano_roll_svg(reference, notes((0, 1, 60), (1, 1.2, 62), (4, 5, 70)), title="A & B")
    said = words(picture)
    assert {"A & B", "right: 1", "right, but ends elsewhere: 1", "missed: 1", "extra: 1"} <= set(said)
    assert {"C4", "D4", "0:00", "0:30"} <= set(said)
    assert bars(picture, "#AA3377")[1][0] == pytest.approx(LEFT + 4 * SECOND)
    assert bars(picture, "#0072B2")[1][0] == LEFT


def test_a_note_over_the_end_of_a_row_goes_on_in_the_next_and_silent_rows_are_left_out() -> None:
    held = notes((ROW_S - 1, ROW_S + 1, 60), (5 * ROW_S, 5 * ROW_S + 1, 60))
    picture = piano_roll_svg(held, held)
    _, first, second, third = bars(picture, "#0072B2")
    assert first[0] == pytest.approx(LEFT + (ROW_S - 1) * SECOND)
    assert second[0] == third[0] == LEFT
    assert {"0:30", "1:00", "2:30", "3:00"} <= set(words(picture))
    assert "1:30" not in words(picture)


def test_a_drone_is_drawn_where_it_begins_and_ends() -> None:
    drone = notes((0, 1000 * ROW_S, 60), (5 * ROW_S + 1, 5 * ROW_S + 2, 62))
    _, *rows = bars(piano_roll_svg(drone, drone), "#0072B2")
    assert len(rows) == 2 + 1 + 1


def test_stems_are_drawn_apart() -> None:
    stems = ("bass", "vocals")
    reference = notes((0, 1, 36), (0, 1, 60), stems=stems)
    picture = piano_roll_svg(reference, notes((0, 1, 60), (0, 1, 36), stems=stems))
    assert {*stems, "missed: 2", "extra: 2"} <= set(words(picture))


def test_nothing_to_draw() -> None:
    picture = piano_roll_svg(notes(), notes())
    assert {"missed: 0", "no notes"} <= set(words(picture))


def test_a_picture_is_written_whole(tmp_path: Path) -> None:
    for name, rows in (("r.csv", "0,1,60\n1,2,62\n"), ("e.csv", "0.5,1.5,60\n1.5,2.5,62\n")):
        (tmp_path / name).write_text(HEAD + rows, encoding="utf-8")
    out = tmp_path / "pictures" / "roll.svg"
    said = show_notes(tmp_path / "r.csv", tmp_path / "e.csv", NotesSettings(), out)
    assert str(out) in said
    assert "missed: 2" in words(out.read_text(encoding="utf-8"))
    show_notes(tmp_path / "r.csv", tmp_path / "e.csv", NotesSettings(lag=True), out)
    assert "right: 2" in words(out.read_text(encoding="utf-8"))
    for wrong in (None, tmp_path / "roll.png"):
        with pytest.raises(FullscoreError, match=r"ends in \.svg"):
            show_notes(tmp_path / "r.csv", tmp_path / "e.csv", NotesSettings(), wrong)
    assert [path.name for path in out.parent.iterdir()] == ["roll.svg"]
