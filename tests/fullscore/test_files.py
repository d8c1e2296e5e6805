from pathlib import Path

import pytest

from fullscore.files import whole_file


def test_the_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "score.musicxml"
    with whole_file(target) as partial:
        partial.write_text("new")
        assert partial.suffix == ".musicxml"
        assert not target.exists()
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "notes.json"
    target.write_text("old")

    def write_half() -> None:
        with whole_file(target) as partial:
            partial.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
