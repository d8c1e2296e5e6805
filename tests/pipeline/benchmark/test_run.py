"""A folder of songs becomes a table and a page, whatever becomes of single songs or of the run itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest
import soundfile

from evaluation.kinds import KINDS
from fullscore.errors import FullscoreError
from pipeline import Settings
from pipeline.benchmark.compare import (
    BETTER,
    EQUAL,
    FEW,
    NOISE,
    WORSE,
    compare_cost,
    compare_pairs,
    compare_results,
    lower_is_better,
)
from pipeline.benchmark.page import write_page, write_tables
from pipeline.benchmark.peers import PEERS, peers_named
from pipeline.benchmark.run import read_results, run_benchmark
from pipeline.benchmark.song import empty_row
from pipeline.cli import DONE, FAILED, WRONG_USAGE, main

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ROOT = Path(__file__).resolve().parents[3]
RATE = 22050
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)
RECORDED = (*SCALE, *reversed(SCALE))
STEP_S = 0.5
LENGTH_S = 9.0  # beats count from 5 s on
FAST = Settings(separator="none", notes="basic-pitch", lyrics="none", offline=True)
FAST_OPTIONS = ("--separator", "none", "--notes", "basic-pitch", "--lyrics", "none", "--offline")
ODD = '<i>Q & "A"</i>'.replace("/", "\u2215")  # a slash can't be in a file's name
PLAYED, SCALED, BROKEN = "played", ODD, "broken"


def add_recording(folder: Path, name: str) -> None:
    """A C major scale of plucked tones with its notes."""
    at = np.arange(int(LENGTH_S * RATE)) / RATE
    sound = np.zeros(len(at))
    for index, pitch in enumerate(RECORDED):
        since = at - STEP_S * index
        tone = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * k * since) / k for k in (1, 2, 3, 4))
        sound += np.where((since >= 0) & (since < 0.48), tone * np.exp(-3 * np.clip(since, 0, None)), 0)
    soundfile.write(folder / f"{name}.wav", 0.3 * sound, RATE)
    rows = [f"{STEP_S * index},{STEP_S * index + 0.48},{pitch}" for index, pitch in enumerate(RECORDED)]
    (folder / f"{name}.notes.csv").write_text("\n".join(["onset,offset,midi", *rows]) + "\n")
    (folder / f"{name}.beats.csv").write_text(
        "".join(f"{STEP_S * index}\n" for index in range(len(RECORDED)))
    )


def add_performance(folder: Path, name: str) -> None:
    """Four bars of a scale up and down, played in time, with its beats and its key."""
    midi = pretty_midi.PrettyMIDI()
    piano = pretty_midi.Instrument(0)
    for index, pitch in enumerate((*SCALE, *reversed(SCALE))):
        piano.notes.append(pretty_midi.Note(80, pitch, STEP_S * index, STEP_S * (index + 1) - 0.02))
    midi.instruments.append(piano)
    midi.write(str(folder / f"{name}.mid"))
    beats = [f"{STEP_S * index},{index % 4 + 1}" for index in range(16)]
    (folder / f"{name}.beats.csv").write_text("\n".join(beats) + "\n")
    (folder / f"{name}.key.txt").write_text("C major\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording, a performance, and a file that is no recording."""
    made = tmp_path_factory.mktemp("data")
    add_recording(made, SCALED)
    add_performance(made, PLAYED)
    (made / f"{BROKEN}.wav").write_text("this is not a recording")
    (made / f"{BROKEN}.notes.csv").write_text("onset,offset,midi\n0,1,60\n")
    return made


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def results(folder: Path, out: Path) -> dict[str, Any]:
    return run_benchmark(folder, out, FAST, name="first <run>", peers=("librosa", "music21"))


def test_each_song_is_measured_by_what_is_known_of_it(results: dict[str, Any]) -> None:
    rows = results["songs"]
    assert set(rows) == {SCALED, PLAYED, BROKEN}
    assert rows[SCALED]["measures"]["notes"]["F-measure_no_offset"] > 0.8
    assert rows[SCALED]["stages"].keys() >= {"audio", "separation", "notes", "beats", "lyrics", "score"}
    assert all(stage["peak_memory_mb"] > 10 for stage in rows[SCALED]["stages"].values())
    assert rows[PLAYED]["measures"].keys() == {"beats", "key"}
    assert rows[PLAYED]["measures"]["key"]["Weighted Score"] == 1.0
    assert rows[PLAYED]["stages"]["score"]["seconds"] > 0
    assert rows[PLAYED]["duration_s"] == pytest.approx(16 * STEP_S - 0.02, abs=0.01)


def test_others_are_measured_on_the_same_songs(results: dict[str, Any]) -> None:
    found = results["songs"][SCALED]["peers"]
    assert found.keys() == {"librosa"}, "music21 has no score to be compared with"
    assert found["librosa"]["measures"].keys() <= results["songs"][SCALED]["measures"]["beats"].keys()
    beside = results["corpus"]["beats"]["peers"]["librosa"]
    assert beside["songs"]["F-measure"] == 1
    assert beside["ours"]["F-measure"] == results["songs"][SCALED]["measures"]["beats"]["F-measure"]
    assert beside["measures"]["F-measure"] == found["librosa"]["measures"]["F-measure"]


@pytest.mark.data
@pytest.mark.slow
def test_importers_write_scores_of_the_same_performance(data: Path, tmp_path: Path) -> None:
    names = [name for name in ("musescore3", "music21") if not PEERS[name].lacking()]
    results = run_benchmark(data, tmp_path, peers=("musescore3", "music21"), only=["k265_var1 (MIDI)"])
    (row,) = results["songs"].values()
    assert {"beats", "meter", "score"} <= row["measures"].keys()
    assert list(row["peers"]) == names
    assert all(row["peers"][name]["measures"].keys() == row["measures"]["score"].keys() for name in names)
    assert set(results["corpus"]["score"]["peers"]) == set(names)


def test_what_another_program_can_not_do_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.mid").write_text("this is no music")
    with pytest.raises(FullscoreError, match="music21 failed: "):
        PEERS["music21"].run(tmp_path / "text.mid", tmp_path / "out.musicxml")
    assert peers_named("all") == tuple(PEERS)
    assert peers_named("librosa, music21") == ("librosa", "music21")


def test_costs_are_of_the_songs_that_had_them(results: dict[str, Any]) -> None:
    stages = results["costs"]["stages"]
    recorded, played = (results["songs"][name] for name in (SCALED, PLAYED))
    assert list(stages) == list(recorded["stages"])
    assert stages["notes"]["duration_s"] == recorded["duration_s"]
    assert stages["score"]["duration_s"] == recorded["duration_s"] + played["duration_s"]
    seconds = [row["stages"]["score"]["seconds"] for row in (recorded, played)]
    assert stages["score"]["seconds"] == pytest.approx(sum(seconds))


def test_a_failed_song_is_a_row_with_its_reason(results: dict[str, Any]) -> None:
    row = results["songs"][BROKEN]
    assert f"{BROKEN}.wav" in row["failed"]
    assert row["measures"] == {}
    assert [name for name, row in results["songs"].items() if row["failed"]] == [BROKEN]


def test_results_are_kept_and_say_nothing_of_the_machine(results: dict[str, Any], out: Path) -> None:
    text = (out / "results.json").read_text(encoding="utf-8")
    assert json.loads(text) == results == read_results(out)
    assert str(out.parent) not in text
    assert results["settings"]["notes"] == "basic-pitch"
    assert results["corpus"]["notes"]["measures"] == pytest.approx(
        {
            name: value
            for name, value in results["songs"][SCALED]["measures"]["notes"].items()
            if value is None or isinstance(value, int | float)
        }
    )
    written = (out / "results.md").read_text(encoding="utf-8")
    assert PLAYED in written
    assert "F-measure" in written


def test_what_was_finished_is_not_done_again(results: dict[str, Any], folder: Path, out: Path) -> None:
    said: list[str] = []
    again = run_benchmark(
        folder, out, FAST, name="first <run>", peers=("librosa", "music21"), only=[PLAYED], say=said.append
    )
    assert said == [f"1/1 {PLAYED}: done before"]
    assert again["songs"][PLAYED] == results["songs"][PLAYED]


def test_other_settings_are_another_run(results: dict[str, Any], folder: Path, out: Path) -> None:
    other = Settings(separator="none", notes="basic-pitch", lyrics="none", offline=True, key="Eb minor")
    made = run_benchmark(folder, out.with_name(f"{out.name}-key"), other, only=[PLAYED])
    assert made["songs"][PLAYED]["fingerprint"] != results["songs"][PLAYED]["fingerprint"]
    assert made["songs"][PLAYED]["measures"]["key"]["Weighted Score"] == 0.0


def test_a_killed_benchmark_goes_on_after_its_last_finished_song(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for name in ("first", "second"):
        add_performance(data, name)
    command = [
        sys.executable,
        "-m",
        "pipeline.cli",
        "benchmark",
        str(data),
        "-o",
        str(out),
        "--peers",
        "none",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    row = out / "rows" / "first.json"
    while not row.exists():
        assert process.poll() is None, "it ended before its first song was finished"
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (out / "results.json").exists()
    finished = row.read_bytes()
    said: list[str] = []
    results = run_benchmark(data, out, say=said.append)
    assert said[0] == "1/2 first: done before"
    assert "done before" not in said[1]
    assert row.read_bytes() == finished
    assert [row["failed"] for row in results["songs"].values()] == [None, None]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are found in /proc")
def test_a_crash_is_a_row(tmp_path: Path) -> None:
    add_performance(tmp_path, "song")
    ended = threading.Event()

    def crash() -> None:
        """Do to the song's process what a fault in native code would."""
        while not ended.is_set():
            for task in Path("/proc/self/task").iterdir():
                for child in (task / "children").read_text().split():
                    if b"pipeline.benchmark.song" in Path(f"/proc/{child}/cmdline").read_bytes():
                        os.kill(int(child), signal.SIGSEGV)
                        return
            time.sleep(0.01)

    killer = threading.Thread(target=crash)
    killer.start()
    results = run_benchmark(tmp_path, tmp_path / "out")
    ended.set()
    killer.join()
    assert results["songs"]["song"]["failed"] == "its process was ended by SIGSEGV"
    assert (tmp_path / "out" / "report.html").is_file()
    assert run_benchmark(tmp_path, tmp_path / "out")["songs"]["song"]["failed"] is None


def test_the_command_tells_failures_by_its_exit_code(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["benchmark", str(folder), "-o", str(tmp_path), "--peers", "none", *FAST_OPTIONS]
    assert main([*given, "--only", PLAYED]) == DONE
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    assert main([*given, "--only", BROKEN]) == FAILED
    assert f"{BROKEN}.wav" in capsys.readouterr().err
    assert set(read_results(tmp_path)["songs"]) == {PLAYED, BROKEN}
    assert main([*given, "--peers", "somebody"]) == WRONG_USAGE
    assert main([*given, "--compare", str(folder)]) == FAILED
    assert "results.json" in capsys.readouterr().err


# Comparing ------------------------------------------------------------------------------------------------


def test_differences_are_marked_by_hand_worked_cases() -> None:
    six = [(0.5 + 0.1 * index, 0.4 + 0.1 * index) for index in range(6)]
    better = compare_pairs(six)
    assert better["songs"] == 6
    assert better["ours"] == pytest.approx(0.75)
    assert better["other"] == pytest.approx(0.65)
    assert better["interval"] == pytest.approx([0.1, 0.1])
    assert better["verdict"] == BETTER
    assert compare_pairs(six, lower_better=True)["verdict"] == WORSE
    assert compare_pairs([(there, here) for here, there in six])["verdict"] == WORSE
    assert compare_pairs(six[:5])["verdict"] == FEW
    assert compare_pairs(six[:5])["interval"] is None
    assert compare_pairs([(0.3, 0.3)])["verdict"] == EQUAL
    either_way = [(0.5, 0.5 + step) for step in (0.1, -0.1, 0.2, -0.2, 0.3, -0.3)]
    assert compare_pairs(either_way)["difference"] == pytest.approx(0.0)
    assert compare_pairs(either_way)["verdict"] == NOISE


def test_the_interval_is_that_of_a_mean() -> None:
    differences = np.random.default_rng(1).normal(0.02, 0.05, 200)
    found = compare_pairs([(0.5 + value, 0.5) for value in differences])
    spread = 1.96 * differences.std() / np.sqrt(len(differences))
    mean = differences.mean()
    assert found["interval"] == pytest.approx([mean - spread, mean + spread], abs=0.001)


@pytest.mark.parametrize(
    ("ours", "other", "verdict"),
    [(10, 10, NOISE), (12, 10, NOISE), (13, 10, WORSE), (7, 10, BETTER), (0.1, 0.9, NOISE)],
)
def test_costs_are_marked_beyond_their_tolerance(ours: float, other: float, verdict: str) -> None:
    assert compare_cost(ours, other, 0.25, 1.0) == verdict


def test_error_rates_are_better_lower() -> None:
    lower = {
        "WER",
        "WER_case",
        "CER",
        "MER",
        "WIL",
        "MeanER",
        "MissRate",
        "Voicing False Alarm",
        "mae",
        "aae_line",
    }
    higher = {
        "F-measure",
        "F1_line",
        "Overall Accuracy",
        "Weighted Score",
        "SDR",
        "Downbeat F-measure",
        "majmin",
    }
    assert {name for name in lower | higher if lower_is_better(name)} == lower


def run_of(name: str, figures: dict[str, float | None]) -> dict[str, Any]:
    """Results with the given F of the notes of each song; None: it failed."""
    measure = KINDS["notes"].main[0]
    songs = {}
    for song, figure in figures.items():
        row = empty_row(song, f"{song}.wav", "", None if figure is not None else "it broke")
        if figure is not None:
            row["measures"] = {"notes": {measure: figure}}
            row["stages"] = {"notes": {"seconds": 10 * figure, "peak_memory_mb": 1000 * figure}}
        songs[song] = row
    return {
        "format": 1,
        "name": name,
        "settings": {"key": "G major"},
        "versions": {"fullscore": "1"},
        "peers": {},
        "corpus": {},
        "costs": {"duration_s": 60.0, "stages": {}},
        "songs": songs,
    }


def test_runs_are_compared_by_the_songs_that_both_measured(tmp_path: Path) -> None:
    ours = run_of("new", {**{f"song {index}": 0.5 for index in range(6)}, "failed": None, "ours": 0.9})
    theirs = run_of("old <b>", {**{f"song {index}": 0.4 for index in range(6)}, "failed": 0.5, "theirs": 0.1})
    found = compare_results(ours, theirs)
    (measures,) = found["kinds"].values()
    (difference,) = measures.values()
    assert difference["songs"] == 6
    assert difference["difference"] == pytest.approx(0.1)
    assert difference["verdict"] == BETTER
    assert found["only_ours"] == ["ours"]
    assert found["only_other"] == ["failed", "theirs"]
    assert found["costs"]["notes"]["seconds"] == pytest.approx([30, 24])
    assert found["costs"]["notes"]["seconds_verdict"] == NOISE
    assert found["costs"]["notes"]["memory_verdict"] == WORSE
    write_tables(ours, found, tmp_path / "results.md")
    assert "Compared with old" in (tmp_path / "results.md").read_text()
    write_page(ours, found, tmp_path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Compared with old &lt;b&gt;" in page
    assert page.count('<span class="marked">') == 2


def test_results_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"songs": {}}')
    with pytest.raises(FullscoreError, match="not the results"):
        read_results(tmp_path)


# The page -------------------------------------------------------------------------------------------------


def test_the_page_loads_nothing_and_escapes_what_it_shows(results: dict[str, Any], out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:)?//|@import|url\((?!data:)', page)
    assert ODD not in page
    assert "first &lt;run&gt;" in page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_can_be_read_and_sorted(
    results: dict[str, Any], out: Path, browser: Any, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    wrong: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((out / "report.html").as_uri())
    assert page.locator("h1").inner_text() == "Benchmark: first <run>"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    table = page.locator('[id="Songs:-beats"] + .wide table')
    names = table.locator("tbody tr td:first-child")
    head = table.locator("thead button").first
    head.click()
    rising = names.all_inner_texts()
    head.click()
    assert names.all_inner_texts() == rising[::-1]
    assert set(rising) == {SCALED, PLAYED}
    for link in (*table.locator("a").all(), page.locator(".failed a")):
        link.click()
    assert set(page.locator("details.song[open] summary b").all_inner_texts()) == set(results["songs"])
    page.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
