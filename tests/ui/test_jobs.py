"""The queue of runs, with real workers: they end well, are cancelled, die, and are taken up again."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fullscore.engines import silent
from fullscore.errors import FullscoreError
from pipeline.plan import plan_run
from pipeline.settings import Settings
from tests.ui.conftest import SETTINGS
from ui import worker
from ui.jobs import LONGEST_NAME, MOST_STARTS, Jobs, UnknownSong, clean
from ui.wording import PAGE

ROOT = Path(__file__).resolve().parents[2]
STAGES = ["audio", "separation", "notes", "performance", "beats", "lyrics", "score"]


def until(happens: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)


def process_of(jobs: Jobs, id: str) -> int:
    """The process of a job's worker, once it has said something."""
    until(lambda: bool(jobs.state(id).stages))
    process = jobs._jobs[id].process
    assert process is not None
    return process.pid


def is_there(process: int) -> bool:
    try:
        os.killpg(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_song_runs_to_its_score(kept: tuple[Path, str]) -> None:
    folder, id = kept
    with Jobs(folder) as jobs:
        state = jobs.state(id)
        made = jobs.folder(id)
    assert (state.state, state.position, state.message) == ("done", 0, "")
    assert [stage.name for stage in state.stages] == STAGES
    assert all(stage.share == 1.0 for stage in state.stages)
    assert {"score.musicxml", "score.pdf", "notes.json", "lyrics.lrc", "stems/mix.flac"} <= set(state.files)
    assert all((made / file).is_file() for file in state.files)
    assert state.title == "<i>scale"
    assert "do re mi fa" in (made / "lyrics.txt").read_text()
    assert (made.parent / worker.PLAYED).is_file()
    assert str(folder) not in (made / "report.json").read_text()


def test_a_cancelled_job_is_gone_and_the_queue_moves_up(song: Path, tmp_path: Path) -> None:
    with Jobs(tmp_path) as jobs:
        first, second, third = (jobs.submit(song, "a.wav", SETTINGS) for _ in range(3))
        process = process_of(jobs, first)
        assert [jobs.state(id).position for id in (first, second, third)] == [0, 1, 2]
        assert jobs.cancel(second).state == "stopped"
        assert jobs.state(third).position == 1
        assert jobs.cancel(first).state == "stopped"
        assert not is_there(process)
        until(lambda: jobs.state(third).state == "running")
        assert jobs.cancel(third).state == "stopped"
        assert jobs.counts() == {"limit": 1, "queued": 0, "running": 0}


def test_as_many_run_at_once_as_may(song: Path, tmp_path: Path) -> None:
    with Jobs(tmp_path, 2) as jobs:
        ids = [jobs.submit(song, f"{name}.wav", SETTINGS) for name in "abcd"]
        until(lambda: all(jobs.state(id).stages for id in ids[:2]))
        assert [jobs.state(id).position for id in ids] == [0, 0, 1, 2]
        assert [jobs.state(id).name for id in ids] == ["a.wav", "b.wav", "c.wav", "d.wav"]
        assert jobs.counts() == {"limit": 2, "queued": 2, "running": 2}
        assert process_of(jobs, ids[0]) != process_of(jobs, ids[1])
    assert len({id[:6] for id in ids}) == 4
    assert {len(id) for id in ids} == {32}


def test_a_worker_that_dies_is_told_and_the_next_runs(song: Path, tmp_path: Path) -> None:
    with Jobs(tmp_path) as jobs:
        first, second = (jobs.submit(song, "a.wav", SETTINGS) for _ in range(2))
        os.kill(process_of(jobs, first), signal.SIGKILL)
        failed = jobs.wait(first, 20)
        assert failed.state == "failed"
        assert "killed by signal 9" in failed.message
        until(lambda: bool(jobs.state(second).stages))
        assert jobs.state(second).state == "running"


def test_a_restart_keeps_what_is_done_and_goes_on_with_what_ran(
    results: tuple[Path, str], song: Path
) -> None:
    folder, done = results
    with Jobs(folder) as jobs:
        running = jobs.submit(song, "a.wav", replace(SETTINGS, time_signature=None, key="G major"))
        waiting = jobs.submit(song, "b.wav", SETTINGS)
        process = process_of(jobs, running)
        until(lambda: "stems/mix.flac" in jobs.state(running).files)
    assert not is_there(process)
    with Jobs(folder) as jobs:
        assert jobs.state(done).state == "done"
        assert jobs.state(waiting).position == (2 if jobs.state(running).state == "queued" else 1)
        state = jobs.wait(running, 200)
        assert state.state == "done", state.message
        report = json.loads((jobs.folder(running) / "report.json").read_text())
        jobs.cancel(waiting)
    assert report["stages"]["separation"]["resumed"]
    assert not report["stages"]["score"]["resumed"]
    assert report["key"] == "G major"


def test_a_job_that_ran_each_time_the_server_stopped_is_given_up(results: tuple[Path, str]) -> None:
    folder, id = results
    saved = json.loads((folder / id / "job.json").read_text())
    (folder / id / "job.json").write_text(json.dumps({**saved, "state": "running", "starts": MOST_STARTS}))
    with Jobs(folder) as jobs:
        assert jobs.state(id).state == "failed"
        assert "stopped each time" in jobs.state(id).message


def test_what_can_not_be_read_is_kept_its_time_and_what_never_began_is_not(results: tuple[Path, str]) -> None:
    folder, id = results
    (folder / id / "job.json").write_text("{")
    (folder / ("x" * 32)).mkdir()
    (folder / "photographs").mkdir()
    with Jobs(folder) as jobs, pytest.raises(UnknownSong):
        jobs.state(id)
    assert sorted(path.name for path in folder.iterdir()) == sorted([".lock", id, "photographs"])
    with Jobs(folder, keep_hours=0.0):
        assert not (folder / id).exists()
    assert (folder / "photographs").is_dir()


def test_corrections_that_can_not_be_read_do_not_hide_the_song(results: tuple[Path, str]) -> None:
    folder, id = results
    (folder / id / "made" / "corrections.json").write_text("{")
    with Jobs(folder) as jobs:
        assert jobs.state(id).state == "done"
        assert not jobs.state(id).can_undo


def test_jobs_are_removed_after_their_time(results: tuple[Path, str]) -> None:
    folder, id = results
    with Jobs(folder, keep_hours=1e6) as jobs:
        jobs.sweep()
        assert jobs.state(id).state == "done"
    with Jobs(folder, keep_hours=0.0) as jobs:
        jobs.sweep()
        with pytest.raises(UnknownSong):
            jobs.state(id)
    assert not (folder / id).exists()


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from fullscore.errors import FullscoreError; from ui.jobs import Jobs\n"
        f"try: Jobs(Path({str(tmp_path)!r})).close(); print('had')\n"
        "except FullscoreError as error: print(error)"
    )

    def elsewhere() -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    with Jobs(tmp_path):
        with pytest.raises(FullscoreError, match="another server"):
            Jobs(tmp_path)
        said = f"another server keeps its results in {tmp_path.resolve()}; choose another folder\n"
        assert elsewhere() == said
    assert elsewhere() == "had\n"


@pytest.mark.parametrize("id", ["", ".", "..", "x" * 32, "../kept", "a\0b", "/etc"])
def test_an_id_is_known_or_it_is_none(kept: tuple[Path, str], id: str) -> None:
    with Jobs(kept[0]) as jobs:
        for ask in (jobs.state, jobs.cancel, jobs.folder, jobs.settled, jobs.wait):
            with pytest.raises(UnknownSong):
                ask(id)
        with pytest.raises(UnknownSong):
            jobs.correct(id, [{"kind": "undo"}])


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("tune.mp3", "tune.mp3"),
        ("../../etc/passwd", "passwd"),
        ("/etc/shadow.wav", "shadow.wav"),
        ("C:\\music\\a.wav", "a.wav"),
        ("a\0b\n\x1b[31m.mp3", "ab[31m.mp3"),
        ("..", "song"),
        ("", "song"),
        (".mp3", "mp3"),
        ("\u202egpj.exe.mp3", "gpj.exe.mp3"),
        ("Ünïcödé 歌.ogg", "Ünïcödé 歌.ogg"),
    ],
)
def test_names_are_text(name: str, cleaned: str) -> None:
    assert clean(name) == cleaned


def test_warnings_say_what_to_do_in_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FULLSCORE_MODELS", str(tmp_path))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody answers there
    settings = Settings(separator="auto", lyrics="auto")
    plan = plan_run(settings, solo_piano=False)
    told = []
    for choice in (plan.separator, plan.lyricist):
        warning = choice.ready(settings, silent).warning
        assert warning is not None
        assert "fullscore models fetch" in str(warning)
        told.append(PAGE(warning))
    assert not any(word in text for text in told for word in ("https://", "fullscore models", "--lyrics"))
    assert "fetch htdemucs in the tab Models" in told[0]
    assert "in the view Lyrics" in told[1]


def test_long_names_are_cut() -> None:
    assert clean("x" * 300 + ".flac") == "x" * (LONGEST_NAME - 5) + ".flac"
    assert len(clean("x." + "y" * 300)) == LONGEST_NAME


def refused(jobs: Jobs, song: Path, name: str, settings: Settings = SETTINGS, words: str = "") -> str:
    with pytest.raises(FullscoreError) as error:
        jobs.submit(song, name, settings, words)
    assert str(song.parent) not in str(error.value)
    assert not [path for path in jobs._folder.iterdir() if path.is_dir()]
    return str(error.value)


def test_uploads_are_known_by_decoding_and_have_limits(song: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp3"
    text.write_text("not a song " * 100)
    empty = tmp_path / "empty.wav"
    empty.touch()
    picture = tmp_path / "picture.mp3"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    with Jobs(tmp_path / "results", max_minutes=0.04, max_upload_mb=0.5) as jobs:
        assert "'my.mp3' is not a recording" in refused(jobs, text, "my.mp3")
        assert "'my.wav' is empty" in refused(jobs, empty, "my.wav")
        assert "my.mp3" in refused(jobs, picture, "my.mp3")
        assert "at most 0.04" in refused(jobs, song, "my.wav")
        noise = tmp_path / "noise.wav"
        soundfile.write(noise, np.zeros(300_000), 44100)
        assert "at most 0.5" in refused(jobs, noise, "my.wav")


def test_settings_of_a_visitor_name_no_files(song: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("secret")
    with Jobs(tmp_path / "results") as jobs:
        for settings in (
            replace(SETTINGS, lyrics=str(tmp_path / "words.txt")),
            replace(SETTINGS, lyrics="weights.pt"),
            replace(SETTINGS, separator=str(tmp_path)),
            replace(SETTINGS, notes="nonsense"),
        ):
            assert "can't be chosen" in refused(jobs, song, "my.wav", settings)
        assert "letters" in refused(jobs, song, "my.wav", words="x" * 300_000)


def test_a_recording_is_as_long_as_it_is_whatever_its_header_says(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FullscoreError, match="longer than"):
        worker.play(song, 0.01, worker.Reporter(io.StringIO()))
    assert not list(tmp_path.rglob("*.flac"))


def test_corrections_change_the_version_and_can_be_undone(results: tuple[Path, str]) -> None:
    folder, id = results
    with Jobs(folder) as jobs:
        found = jobs.state(id)
        corrected = jobs.correct(id, [{"kind": "key", "value": "A major"}, {"kind": "pick_up", "value": 1}])
        assert corrected.corrections == {"key": "A major", "pick_up": 1.0}
        assert (corrected.can_undo, corrected.can_redo) == (True, False)
        assert corrected.version != found.version
        for wrong in (
            {"kind": "key", "value": "H"},
            {"kind": "part", "stem": "choir", "clef": "bass"},
            {"kind": "spell"},
            {},
        ):
            with pytest.raises(FullscoreError) as error:
                jobs.correct(id, [wrong])
            assert str(folder) not in str(error.value)
        assert jobs.state(id) == corrected
    with Jobs(folder) as jobs:
        assert jobs.state(id).corrections == corrected.corrections
        with pytest.raises(FullscoreError, match="try again"):
            jobs.corrector.call(os._exit, 3)  # another process takes its place
        undone = jobs.correct(id, [{"kind": "undo"}])
        assert (undone.corrections, undone.can_redo) == ({}, True)
