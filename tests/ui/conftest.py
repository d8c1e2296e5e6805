"""A song handed in and transcribed once, for all tests that look at a finished job."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import soundfile

from pipeline.settings import Settings
from tests.pipeline.test_cli import RATE, scale
from ui.jobs import Jobs

NAME = '..\\<b>Tune & "more"</b>\'s/<i>scale.wav'
SETTINGS = Settings(separator="none", notes="basic-pitch", lyrics="none", offline=True)
WORDS = "do re mi fa\n\nsol la"


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of tones."""
    path = tmp_path_factory.mktemp("songs") / "scale.wav"
    soundfile.write(path, scale(), RATE)
    return path


@pytest.fixture(scope="session")
def kept(song: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of results with one song that is done, and its id."""
    folder = tmp_path_factory.mktemp("kept")
    with Jobs(folder) as jobs:
        id = jobs.submit(song, NAME, SETTINGS, WORDS)
        state = jobs.wait(id, 200)
    assert state.state == "done", state.message
    return folder, id


@pytest.fixture
def results(kept: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """A copy of it."""
    folder, id = kept
    shutil.copytree(folder, tmp_path / "results")
    os.chmod(tmp_path / "results", 0o700)
    return tmp_path / "results", id
