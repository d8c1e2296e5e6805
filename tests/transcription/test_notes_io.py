from pathlib import Path

import pytest

from fullscore.errors import FullscoreError
from transcription.notes import Note
from transcription.notes_io import read_notes_json, write_notes_json


def test_what_is_written_is_read(tmp_path: Path) -> None:
    notes = (
        Note(0.5, 1.25, 60, velocity=33, confidence=0.25, bends=(0.0, -0.333, 0.5), stem="vocals"),
        Note(0.0, 0.1, 36, stem="drums"),
    )
    write_notes_json(notes, tmp_path / "notes.json")
    assert read_notes_json(tmp_path / "notes.json") == notes


def test_no_notes(tmp_path: Path) -> None:
    write_notes_json((), tmp_path / "notes.json")
    assert read_notes_json(tmp_path / "notes.json") == ()


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"notes": 3}', '{"notes": [{"onset": 1}]}', '{"notes": [{"onset": 2, "offset": 1}]}'],
)
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FullscoreError, match=r"notes\.json"):
        read_notes_json(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FullscoreError, match="absent"):
        read_notes_json(tmp_path / "absent.json")
