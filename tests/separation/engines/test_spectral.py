from __future__ import annotations

import numpy as np
import pytest

from separation.audio import Audio
from separation.engines.spectral import Spectral, SpectralSettings

RATE = 44100
NAMES = {"vocals", "drums", "bass", "other"}


def times(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE)) / RATE


def bass(seconds: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 82.4 * times(seconds))


def chord(seconds: float) -> np.ndarray:
    return sum(0.1 * np.sin(2 * np.pi * hz * times(seconds)) for hz in (440.0, 554.4, 659.3))


def clicks(seconds: float) -> np.ndarray:
    """A burst of noise twice a second."""
    noise = np.random.default_rng(0).normal(0, 0.6, round(seconds * RATE))
    return noise * np.exp(-60 * (times(seconds) % 0.5))


def singing(seconds: float) -> np.ndarray:
    """Glides up and down with vibrato, never the same: eight partials."""
    t = times(seconds)
    hz = 420 + 40 * t + 20 * np.sin(2 * np.pi * 5.5 * t) + 60 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    return sum(0.15 / n * np.sin(n * phase) for n in range(1, 9))


def both(left: np.ndarray, right: np.ndarray | None = None) -> Audio:
    return Audio(np.stack([left, left if right is None else right]).astype(np.float32), RATE)


def energy_shares(audio: Audio) -> dict[str, float]:
    stems = Spectral()(audio)
    energies = {name: float(np.sum(stems[name].samples.astype(np.float64) ** 2)) for name in stems}
    return {name: energy / sum(energies.values()) for name, energy in energies.items()}


@pytest.mark.parametrize(("channels", "rate"), [(1, 44100), (2, 44100), (2, 22050)])
@pytest.mark.parametrize("seconds", [0.001, 0.2, 1.5, 4.0])
def test_stems_add_up_to_the_mix(channels: int, rate: int, seconds: float) -> None:
    samples = np.random.default_rng(1).normal(0, 0.2, (channels, round(seconds * rate))).astype(np.float32)
    stems = Spectral()(Audio(samples, rate))
    assert set(stems) == NAMES
    total = sum(stems[name].samples for name in stems)
    assert np.linalg.norm(total - samples) <= 1e-4 * np.linalg.norm(samples)


def test_silence_stays_silent() -> None:
    stems = Spectral()(Audio(np.zeros((2, 3 * RATE), np.float32), RATE))
    assert not any(stems[name].samples.any() for name in stems)


def test_a_low_tone_is_bass_a_chord_is_other_and_clicks_are_drums() -> None:
    assert energy_shares(both(bass(4)))["bass"] > 0.95
    assert energy_shares(both(chord(4)))["other"] > 0.95
    assert energy_shares(both(clicks(4)))["drums"] > 0.7


def test_what_glides_over_a_standing_chord_is_the_voice() -> None:
    voice, band = singing(6), chord(6)
    stems = Spectral()(both(voice + band))
    error = np.sum((stems["vocals"].samples[0] - voice) ** 2)
    assert 10 * np.log10(np.sum(voice**2) / error) > 6
    assert 10 * np.log10(np.sum(voice**2) / np.sum(band**2)) < 6


def test_what_sounds_on_one_side_only_is_not_the_voice() -> None:
    voice = singing(4)
    assert energy_shares(both(voice))["vocals"] > 0.7
    assert energy_shares(both(voice, 0 * voice))["vocals"] < 0.01


def test_the_crossover_decides_what_is_bass() -> None:
    tone = both(0.3 * np.sin(2 * np.pi * 150 * times(3)))
    assert Spectral(SpectralSettings(crossover_hz=80))(tone)["bass"].samples.std() < 0.01
    assert Spectral(SpectralSettings(crossover_hz=300))(tone)["bass"].samples.std() > 0.2


def test_progress_goes_to_one_and_can_cancel() -> None:
    seen: list[float] = []
    Spectral()(both(chord(1)), lambda share, _: seen.append(share))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    def cancel(share: float, message: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        Spectral()(both(chord(1)), cancel)
