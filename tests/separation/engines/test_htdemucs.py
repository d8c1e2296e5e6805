"""Demucs' real code on small checkpoints in the format of its own hub repositories."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.htdemucs import HTDemucs as Network
from safetensors.torch import save_file

from fullscore.errors import FullscoreError
from separation.audio import Audio
from separation.devices import choose_device
from separation.engines.htdemucs import HTDemucs, HTDemucsSettings

RATE = 44100
FOUR = ["drums", "bass", "other", "vocals"]
SIX = [*FOUR, "guitar", "piano"]
FLOAT32 = HTDemucsSettings(precision="float32")


def write_network(path: Path, sources: list[str], seed: int, **metadata: str) -> Network:
    """A network with random weights, stored the way Demucs' export for the hub stores it."""
    torch.manual_seed(seed)
    small = {"channels": 8, "nfft": 512, "depth": 2, "t_layers": 1, "t_heads": 2, "dconv_depth": 1}
    arguments: dict[str, Any] = {"sources": sources, **small}
    network = Network(**arguments, segment=Fraction(1, 2)).eval()
    encoded = {**arguments, "segment": {"_type": "fraction", "numerator": 1, "denominator": 2}}
    described = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(encoded)}
    save_file(
        {key: value.contiguous() for key, value in network.state_dict().items()},
        path,
        {**described, **metadata},
    )
    return network


@pytest.fixture(scope="module")
def htdemucs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BagOfModels]:
    folder = tmp_path_factory.mktemp("htdemucs")
    network = write_network(folder / "955717e8.safetensors", FOUR, seed=1)
    (folder / "htdemucs.yaml").write_text("models: ['955717e8']\n")
    return folder, BagOfModels([network])


@pytest.fixture(scope="module")
def htdemucs_ft(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BagOfModels]:
    folder = tmp_path_factory.mktemp("htdemucs_ft")
    networks = [write_network(folder / f"model{i}.safetensors", FOUR, seed=i) for i in range(4)]
    (folder / "htdemucs_ft.yaml").write_text(
        "models: [model0, model1, model2, model3]\nweights: [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]\n"
    )
    return folder, BagOfModels(networks, np.eye(4).tolist())


def mix(seconds: float = 1.7, channels: int = 2) -> Audio:
    samples = np.random.default_rng(3).normal(0.05, 0.2, (channels, round(seconds * RATE)))
    return Audio(samples.astype(np.float32), RATE)


def by_demucs(model: BagOfModels, audio: Audio, **options: Any) -> np.ndarray:
    """What the demucs command computes (demucs.api.Separator.separate_tensor)."""
    wave = torch.from_numpy(audio.samples)
    mean, deviation = wave.mean(0).mean(), wave.mean(0).std() + 1e-8
    out = apply_model(model, ((wave - mean) / deviation)[None], **options)
    return (out * deviation + mean)[0].numpy()


def relative_error(estimate: np.ndarray, reference: np.ndarray) -> float:
    return float(np.linalg.norm(estimate - reference) / np.linalg.norm(reference))


@pytest.mark.parametrize("bag", ["htdemucs", "htdemucs_ft"])
def test_stems_equal_those_of_demucs_itself(bag: str, request: pytest.FixtureRequest) -> None:
    folder, model = request.getfixturevalue(bag)
    stems = HTDemucs(folder, FLOAT32, device="cpu")(mix())
    reference = by_demucs(model, mix(), shifts=0)
    assert list(stems) == FOUR
    estimate = np.stack([stems[name].samples for name in FOUR])
    assert relative_error(estimate, reference) < 1e-5
    assert relative_error(estimate.sum(0), reference.sum(0)) < 1e-5


def test_six_stems(tmp_path: Path) -> None:
    network = write_network(tmp_path / "5c90dfd2.safetensors", SIX, seed=5)
    (tmp_path / "htdemucs_6s.yaml").write_text("models: ['5c90dfd2']\n")
    stems = HTDemucs(tmp_path, FLOAT32, device="cpu")(mix(0.6))
    reference = by_demucs(BagOfModels([network]), mix(0.6), shifts=0)
    assert relative_error(np.stack([stems[name].samples for name in SIX]), reference) < 1e-5


def test_shifts_equal_those_of_demucs_and_can_be_repeated(htdemucs: tuple[Path, BagOfModels]) -> None:
    folder, model = htdemucs
    separate = HTDemucs(folder, HTDemucsSettings(shifts=2, overlap=0.5, precision="float32"), device="cpu")
    random.seed(77)
    stems = separate(mix())
    assert random.random() == random.Random(77).random()
    random.seed(0)
    reference = by_demucs(model, mix(), shifts=2, overlap=0.5)
    assert relative_error(np.stack([stems[name].samples for name in FOUR]), reference) < 1e-5
    np.testing.assert_array_equal(separate(mix())["vocals"].samples, stems["vocals"].samples)


def test_bfloat16_is_close_to_float32(htdemucs: tuple[Path, BagOfModels]) -> None:
    folder, model = htdemucs
    stems = HTDemucs(folder, HTDemucsSettings(precision="bfloat16"), device="cpu")(mix())
    error = relative_error(
        np.stack([stems[name].samples for name in FOUR]), by_demucs(model, mix(), shifts=0)
    )
    assert 0 < error < 0.03


def test_a_single_file_mono_another_rate_silence_and_almost_nothing(
    htdemucs: tuple[Path, BagOfModels],
) -> None:
    separate = HTDemucs(htdemucs[0] / "955717e8.safetensors", FLOAT32, device="cpu")
    half_rate = Audio(mix(channels=1).samples[:, ::2].copy(), RATE // 2)
    assert separate(half_rate)["bass"].samples.shape == mix().samples.shape
    for length in (1, 50, RATE):
        stems = separate(Audio(np.zeros((2, length), np.float32), RATE))
        assert all(
            not stems[name].samples.any() and stems[name].samples.shape == (2, length) for name in FOUR
        )
    assert separate(Audio(mix().samples[:, :9], RATE))["drums"].samples.shape == (2, 9)


def test_progress_reaches_one_and_raising_from_it_stops_at_once(
    htdemucs_ft: tuple[Path, BagOfModels],
) -> None:
    separate = HTDemucs(htdemucs_ft[0], FLOAT32, device="cpu")
    seen: list[float] = []
    separate(mix(), lambda share, _: seen.append(share))
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 1
    assert len(set(seen)) > 12

    calls: list[float] = []

    def cancel(share: float, message: str) -> None:
        calls.append(share)
        if len(calls) == 3:
            raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError):
        separate(mix(), cancel)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"klass": "subprocess.Popen"}, "not a Demucs model"),
        ({"klass": "demucs.htdemucs.os.system"}, "not a Demucs model"),
        ({"structure": '{"_class": "os.system"}'}, "quantised"),
        ({"kwargs": "{]"}, "don't fit"),
        ({"kwargs": "{}"}, "don't fit"),
    ],
)
def test_weights_that_ask_for_anything_else_are_refused(
    tmp_path: Path, metadata: dict[str, str], words: str
) -> None:
    write_network(tmp_path / "x.safetensors", FOUR, seed=0, **metadata)
    (tmp_path / "x.yaml").write_text("models: [x]\n")
    with pytest.raises(FullscoreError, match=words):
        HTDemucs(tmp_path)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    """What demucs would find in a local repository of the old kind is not even looked at."""
    marker = tmp_path / "opened"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (marker.touch, ())

    torch.save({"klass": Trap()}, tmp_path / "955717e8.th")
    (tmp_path / "htdemucs.yaml").write_text("models: ['955717e8']\n")
    with pytest.raises(FullscoreError, match="missing or broken"):
        HTDemucs(tmp_path)
    (tmp_path / "955717e8.th").rename(tmp_path / "955717e8.safetensors")
    with pytest.raises(FullscoreError, match="missing or broken"):
        HTDemucs(tmp_path)
    assert not marker.exists()


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FullscoreError, match="fullscore models fetch"):
            HTDemucs(path)
    (tmp_path / "x.yaml").write_text("no: models\n")
    with pytest.raises(FullscoreError, match="doesn't list"):
        HTDemucs(tmp_path)


def test_a_device_that_is_not_there() -> None:
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    with pytest.raises(FullscoreError, match="no device 'abacus'"):
        choose_device("abacus")
