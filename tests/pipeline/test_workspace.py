"""Stages are done once, taken up after a kill, and done again only when what they depend on changes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fullscore import fingerprint
from fullscore.errors import FullscoreError, told
from pipeline.workspace import STAGES_FOLDER, StageWork, Workspace


def ignore(stage: str, fraction: float, message: str) -> None:
    pass


class Song:
    """Two stages, the second after the first, that count how often they are done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []

    def run(self, level: int = 1, key: str = "C", force: bool = False) -> Workspace:
        workspace = Workspace(self.folder, force, ignore)
        workspace.stage("stems", self._stems, inputs={"level": level})
        workspace.stage("score", self._score, after=["stems"], inputs={"key": key})
        return workspace

    def _stems(self, job: StageWork) -> dict[str, Any]:
        self.done.append("stems")
        job.file("stem.txt").write_text("sound")
        job.warn(told("{stem} is quiet", stem="bass"))
        return {"names": ["vocals"]}

    def _score(self, job: StageWork) -> dict[str, Any]:
        self.done.append("score")
        return {}


def test_a_second_run_does_nothing_again_and_keeps_the_warnings(tmp_path: Path) -> None:
    song = Song(tmp_path)
    song.run()
    again = song.run()
    assert song.done == ["stems", "score"]
    assert again.records["stems"].resumed
    assert again.records["stems"].result == {"names": ["vocals"]}
    assert list(map(str, again.warnings)) == ["bass is quiet"]


def test_an_override_redoes_only_the_stages_after_it(tmp_path: Path) -> None:
    song = Song(tmp_path)
    song.run()
    song.run(key="G")
    assert song.done == ["stems", "score", "score"]
    song.run(key="G", level=2)
    assert song.done == ["stems", "score", "score", "stems", "score"]


def test_a_lost_file_or_a_damaged_record_or_force_redoes_the_stage(tmp_path: Path) -> None:
    song = Song(tmp_path)
    song.run()
    (tmp_path / "stem.txt").unlink()
    song.run()
    assert song.done.count("stems") == 2
    (tmp_path / STAGES_FOLDER / "score.json").write_text('{"finger')
    song.run()
    assert song.done.count("score") == 2
    song.run(force=True)
    assert (song.done.count("stems"), song.done.count("score")) == (3, 3)


def fail(job: StageWork) -> dict[str, Any]:
    (job.folder / "stems").mkdir()
    raise FullscoreError("no sound")


def test_a_failed_first_stage_leaves_no_folder(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "out" / "song", False, ignore)
    with pytest.raises(FullscoreError, match="no sound"):
        workspace.stage("stems", fail, inputs={})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_later_stage_leaves_what_was_made_before_it(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "song", False, ignore)
    workspace.stage("first", lambda job: {}, inputs={})
    with pytest.raises(FullscoreError, match="no sound"):
        workspace.stage("stems", fail, inputs={})
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"song", f"song/{STAGES_FOLDER}", f"song/{STAGES_FOLDER}/first.json"}


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "stems").mkdir()
    for name in (".partial-77-notes.json", "stems/.partial-77-bass.flac"):
        (tmp_path / name).write_text("half")
    (tmp_path / "stems" / "bass.flac").write_text("whole")
    Workspace(tmp_path, False, ignore)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["bass.flac"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FullscoreError, match="choose another with -o"):
        Workspace(tmp_path / "file" / "song", False, ignore)


def die(job: StageWork) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_kill_within_a_stage_goes_on_after_the_last_finished_one(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from pipeline.workspace import Workspace
from tests.pipeline.test_workspace import die, ignore
workspace = Workspace(Path(sys.argv[1]), False, ignore)
first = lambda job: {"n": 1}
first.__module__ = die.__module__
workspace.stage("first", first, inputs={})
workspace.stage("second", die, after=["first"], inputs={})
"""
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    workspace = Workspace(tmp_path, False, ignore)
    assert workspace.stage("first", lambda job: pytest.fail("done twice"), inputs={}) == {"n": 1}
    assert workspace.stage("second", lambda job: {"n": 2}, after=["first"], inputs={}) == {"n": 2}
    assert workspace.records["first"].resumed
    assert not workspace.records["second"].resumed


def test_the_record_says_what_the_stage_cost(tmp_path: Path) -> None:
    Song(tmp_path).run()
    record = json.loads((tmp_path / STAGES_FOLDER / "stems.json").read_text())
    assert record["seconds"] >= 0
    assert record["peak_memory_mb"] > 1
    assert record["files"] == ["stem.txt"]


def test_a_stage_is_done_again_when_its_code_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.syspath_prepend(code)
    (code / "helper_of_a_stage.py").write_text("SHARE = 1\n")
    (code / "some_stage.py").write_text(
        "def work(job):\n    from helper_of_a_stage import SHARE\n    return {'share': SHARE}\n"
    )
    (code / "some_engine.py").write_text("GAIN = 1\n")

    def run() -> bool:
        """Whether the stage was taken from its record."""
        for name in ("_source", "_digest", "_file_of"):
            getattr(fingerprint, name).cache_clear()  # a new process reads the sources anew
        from some_stage import work

        workspace = Workspace(tmp_path / "song", False, ignore)
        workspace.stage("some", work, inputs={}, engines=["some_engine"])
        return workspace.records["some"].resumed

    assert [run(), run()] == [False, True]
    (code / "some_engine.py").write_text("GAIN = 2\n")
    assert [run(), run()] == [False, True]
    (code / "some_stage.py").write_text((code / "some_stage.py").read_text() + "\n\nREST = 0\n")
    assert [run(), run()] == [False, True]
