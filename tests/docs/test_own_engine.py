"""The example of a package with an engine of its own is installed and does its work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
RATE = 22050


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that finds the example package, installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"  # a copy: setuptools builds beside what it builds
    shutil.copytree(
        ROOT / "examples" / "own_engine", source, ignore=shutil.ignore_patterns("build", "*-info")
    )
    pip = [sys.executable, "-m", "pip", "-qq", "install", "--disable-pip-version-check"]
    built = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder / "site"), str(source)]
    subprocess.run([*pip, *built], check=True)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(ROOT)])}


def fullscore(*arguments: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    """C, E and G, half a second each."""
    time = np.arange(RATE // 2) / RATE
    fade = np.minimum(1.0, 40 * np.minimum(time, time[::-1]))
    tones = [
        sum(np.sin(2 * np.pi * hz * k * time) / k for k in (1, 2, 3)) * fade for hz in (261.63, 329.63, 392)
    ]
    soundfile.write(tmp_path / "tune.wav", 0.2 * np.concatenate(tones), RATE)
    return tmp_path / "tune.wav"


@pytest.mark.slow
def test_a_song_is_heard_by_it(installed: dict[str, str], tune: Path, tmp_path: Path) -> None:
    asked = ("--separator", "none", "--notes", "pyin", "--lyrics", "none", "--offline")
    options = ("--set", "pyin.minimum_ms=100")
    done = fullscore("transcribe", tune, "-o", tmp_path / "out", *asked, *options, env=installed)
    assert done.returncode == 0, done.stderr
    code = (
        "import json, sys; report = json.load(open(sys.argv[1] + '/report.json')); print(report['engines']); "
        "print([note['pitch'] for note in json.load(open(sys.argv[1] + '/notes.json'))['notes']])"
    )
    read = [sys.executable, "-c", code, str(tmp_path / "out" / "tune")]
    said = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    assert "{'mix': 'pyin'}" in said
    assert "[60, 64, 67]" in said


def test_its_options_are_checked(installed: dict[str, str], tune: Path, tmp_path: Path) -> None:
    done = fullscore("transcribe", tune, "-o", tmp_path, "--set", "pyin.lowest=5", env=installed)
    assert done.returncode == 2
    assert "pyin.lowest is at least 21, not 5" in done.stderr
