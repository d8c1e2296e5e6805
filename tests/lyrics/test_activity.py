"""Voice activity on sounds whose voice is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from lyrics.activity import (
    SINGING_HOP_S,
    Span,
    is_silent,
    magnitude,
    singing_db,
    singing_odds,
    syllable_onset_strength,
    voiced_share,
    voiced_spans,
)
from separation.audio import Audio

RATE = 16_000


def seconds(duration: float) -> np.ndarray:
    return np.arange(round(duration * RATE)) / RATE


def audio(wave: np.ndarray) -> Audio:
    return Audio(wave[None].astype(np.float32), RATE)


@pytest.mark.parametrize("gain", [1.0, 0.02])
def test_spans_do_not_depend_on_the_gain(gain: float) -> None:
    t = seconds(10)
    wave = 0.5 * np.sin(2 * np.pi * 300 * t) * (((t > 2) & (t < 4)) | ((t > 6) & (t < 9)))
    first, second = voiced_spans(audio(gain * wave + 1e-5 * np.sin(2 * np.pi * 500 * t)))
    assert (first.start, first.end, second.start, second.end) == pytest.approx((2, 4, 6, 9), abs=0.06)


def test_silence_has_no_voice() -> None:
    for samples in (0, 1, 5, RATE):
        silence = audio(np.zeros(samples))
        assert is_silent(silence)
        assert voiced_spans(silence) == ()


def test_shares() -> None:
    spans = (Span(1.0, 2.0), Span(3.0, 4.0))
    assert voiced_share(spans, 0.0, 4.0) == pytest.approx(0.5)
    assert voiced_share(spans, 1.5, 1.5) == 1.0
    assert voiced_share(spans, 2.5, 2.5) == 0.0


def test_vibrato_is_told_from_a_held_chord_and_from_strokes() -> None:
    t = seconds(12)
    chord = sum(0.1 * np.sin(2 * np.pi * f * t) for f in (262, 330, 392, 524))
    strokes = 0.3 * np.random.default_rng(0).normal(size=len(t)) * (t % 0.5 < 0.02)
    phase = 2 * np.pi * np.cumsum(400 * 2 ** (0.08 * np.sin(2 * np.pi * 5.5 * t))) / RATE
    sings = (t > 4) & (t < 8)
    voice = sum(0.1 / k * np.sin(k * phase) for k in range(1, 6)) * sings
    odds = singing_odds(singing_db(audio(chord + strokes + voice)))
    assert len(odds) == pytest.approx(12 / SINGING_HOP_S, abs=1)
    frame = (np.arange(len(odds)) + 0.5) * SINGING_HOP_S
    sung, unsung = (frame > 4.4) & (frame < 7.6), (frame < 3.6) | ((frame > 8.4) & (frame < 11.5))
    assert (odds[sung] > 0).mean() > 0.95
    assert (odds[unsung] < 0).mean() > 0.9


def test_syllables_start_where_the_vowel_changes() -> None:
    t = seconds(4)
    low, high = np.sin(2 * np.pi * 300 * t), np.sin(2 * np.pi * 900 * t)
    strength = syllable_onset_strength(
        audio(0.3 * np.where((t > 1) & (t < 2), low, np.where(t > 2, high, 0.0)))
    )
    strength = strength[:390]  # the cut-off end is a click
    strongest = np.sort(np.argsort(strength)[-12:]) * SINGING_HOP_S
    assert np.all((np.abs(strongest - 1.0) < 0.1) | (np.abs(strongest - 2.0) < 0.1))
    assert np.any(np.abs(strongest - 1.0) < 0.1)
    assert np.any(np.abs(strongest - 2.0) < 0.1)
    assert syllable_onset_strength(audio(np.zeros(10))).shape == (1,)


@pytest.mark.parametrize("length", [256, 1000, 8013])
def test_magnitudes_are_those_of_scipys_transform(length: int) -> None:
    samples = np.random.default_rng(length).standard_normal(length)
    transform = scipy.signal.ShortTimeFFT.from_window("hann", 8000, 256, 176)
    assert np.allclose(magnitude(transform, samples), np.abs(transform.stft(samples)), rtol=1e-12)
