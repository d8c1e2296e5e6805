"""A run killed in the middle of a stage, and given again, ends with the files of an undisturbed one."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from benchmarks.kill import kill_in_each
from fullscore.files import EXAMPLE
from separation.audio import decode

SECONDS = 6.0


@pytest.mark.slow
def test_a_killed_run_ends_with_the_files_of_an_undisturbed_one(tmp_path: Path) -> None:
    example = decode(EXAMPLE / "auld-lang-syne.ogg")
    song = tmp_path / "cut.wav"
    soundfile.write(song, example.samples[:, : round(SECONDS * example.sample_rate)].T, example.sample_rate)
    runs = {
        killed.stage: killed
        for killed in kill_in_each(("separation", "notes", "score"), song, tmp_path / "out")
    }
    assert {stage: killed.differing for stage, killed in runs.items()} == dict.fromkeys(runs, ())
    assert runs["separation"].resumed == ("audio",)
    assert runs["notes"].resumed == ("audio", "separation")
    assert runs["score"].resumed == ("audio", "separation", "notes", "performance", "beats", "lyrics")
