"""The neural engines through the whole pipeline, on small checkpoints in the real formats."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from pipeline import Settings, transcribe
from pipeline.cli import FAILED, main


@pytest.fixture(scope="module")
def demucs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Demucs bag of one small network, laid out like a repository of the hub."""
    from demucs.htdemucs import HTDemucs
    from safetensors.torch import save_file

    torch.manual_seed(1)
    arguments = {
        "sources": ["drums", "bass", "other", "vocals"],
        "channels": 8,
        "nfft": 512,
        "depth": 2,
        "t_layers": 1,
        "t_heads": 2,
        "dconv_depth": 1,
    }
    network = HTDemucs(**arguments, segment=Fraction(1, 2))
    encoded = {**arguments, "segment": {"_type": "fraction", "numerator": 1, "denominator": 2}}
    described = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(encoded)}
    folder = tmp_path_factory.mktemp("bag")
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, folder / "mini.safetensors", described)
    (folder / "mini.yaml").write_text("models: ['mini']\n")
    return folder


@pytest.fixture(scope="module")
def whisper_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper checkpoint of a network too small to know anything."""
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(1)
    dims = ModelDimensions(80, 1500, 16, 2, 1, 51865, 64, 16, 2, 2)
    network = Whisper(dims)
    with torch.no_grad():  # Whisper leaves this one unset
        network.decoder.positional_embedding.normal_(0, 0.3)
    path = tmp_path_factory.mktemp("weights") / "mini.pt"
    torch.save({"dims": asdict(dims), "model_state_dict": network.state_dict()}, path)
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    time = np.arange(2 * 44100) / 44100
    tones = 0.2 * np.sin(2 * np.pi * 220 * time) * (1 + np.sin(2 * np.pi * 2 * time)) / 2
    soundfile.write(tmp_path / "tone.wav", np.stack([tones, 0.8 * tones], axis=1), 44100)
    return tmp_path / "tone.wav"


def test_a_song_goes_through_demucs_and_whisper(
    song: Path, tmp_path: Path, demucs_folder: Path, whisper_file: Path
) -> None:
    settings = Settings(separator=str(demucs_folder), lyrics=str(whisper_file), language="en", device="cpu")
    made = transcribe(song, tmp_path / "out", settings)
    stems = sorted(path.stem for path in (made.folder / "stems").iterdir())
    assert stems == ["bass", "drums", "other", "vocals"]
    assert made.report["engines"]["separation"] == "htdemucs"
    assert made.report["engines"]["lyrics"] == "whisper"
    assert made.musicxml.is_file()


def test_other_weights_make_another_result(song: Path, tmp_path: Path, demucs_folder: Path) -> None:
    settings = Settings(separator=str(demucs_folder), lyrics="none", device="cpu")
    transcribe(song, tmp_path / "out", settings)
    again = transcribe(song, tmp_path / "out", settings)
    assert again.report["stages"]["separation"]["resumed"]
    (demucs_folder / "mini.yaml").write_text("models: ['mini']\nsegment: 0.4\n")
    changed = transcribe(song, tmp_path / "out", settings)
    assert not changed.report["stages"]["separation"]["resumed"]


def test_a_folder_without_a_model_is_told(
    song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    arguments = ["transcribe", str(song), "-o", str(tmp_path / "out"), "--separator", str(tmp_path / "empty")]
    assert main(arguments) == FAILED
    said = capsys.readouterr().err
    assert "empty" in said
    assert "unexpected" not in said
