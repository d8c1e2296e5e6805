"""Where a voice sounds: by level in a vocal stem, by fluctuation in a mix, and where syllables start.

- :func:`voiced_spans` compares the level of short frames with the loud part of the same stem, so that
  neither the recording's gain nor the faint residue of separation matters. It is meant for stems.
- :func:`singing_db` and :func:`singing_odds` tell singing from accompaniment in a mix or a leaky stem.
- :func:`syllable_onset_strength` rises where a syllable may begin.

Conventions: levels in decibels, times in seconds; frames every ``HOP_S`` for levels and every
``SINGING_HOP_S`` for the rest. Limits: a solo instrument that is bowed or bent sounds like a voice here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage
import scipy.signal
import scipy.special

from separation.audio import Audio, resample

Floats = npt.NDArray[np.float64]

HOP_S = 0.02
LOUD_PERCENTILE = 90
BELOW_LOUD_DB = 26.0  # soft singing lies 10 to 20 dB under loud; residue of separation lower still
SILENCE_DB = -60.0  # re full scale: nothing below is called singing, however soft the whole stem
_SHORTEST_PAUSE_S = 0.3
_SHORTEST_VOICE_S = 0.1
_VOICE_BAND_HZ = (120.0, 4000.0)  # leaves out rumble, kick drum and most of the cymbals


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in which a voice sounds."""

    start: float
    end: float


def level_db(audio: Audio) -> Floats:
    """Level in the voice's band per frame, in decibels re full scale."""
    if not audio.samples.shape[1]:
        return np.empty(0)
    samples = np.nan_to_num(audio.mono().samples[0]).astype(np.float64)
    low, high = _VOICE_BAND_HZ
    high = min(high, 0.45 * audio.sample_rate)
    band = scipy.signal.butter(2, (low, high), "bandpass", fs=audio.sample_rate, output="sos")
    filtered = scipy.signal.sosfilt(band, samples)
    hop = max(1, round(HOP_S * audio.sample_rate))
    frames = -(-len(filtered) // hop)
    power = np.pad(filtered**2, (0, frames * hop - len(filtered))).reshape(frames, hop).mean(axis=1)
    smooth = np.convolve(power, np.ones(3) / 3, mode="same") if frames >= 3 else power
    return np.asarray(10.0 * np.log10(smooth + 1e-12))


def is_silent(audio: Audio) -> bool:
    """Whether nothing in the recording reaches the level of soft singing."""
    peak = float(np.abs(audio.samples).max(initial=0.0))
    if not np.isfinite(peak):
        peak = float(np.nan_to_num(np.abs(audio.samples)).max())
    return bool(20.0 * np.log10(peak + 1e-12) <= SILENCE_DB)


def voiced_spans(audio: Audio) -> tuple[Span, ...]:
    """The stretches in which the stem sounds, short pauses closed; empty for silence."""
    level = level_db(audio)
    if not len(level):
        return ()
    threshold = max(SILENCE_DB, float(np.percentile(level, LOUD_PERCENTILE)) - BELOW_LOUD_DB)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (level > threshold).astype(np.int8), [0]])))
    spans: list[Span] = []
    for start, end in (edges.reshape(-1, 2) * HOP_S).tolist():
        if spans and start - spans[-1].end < _SHORTEST_PAUSE_S:
            spans[-1] = Span(spans[-1].start, end)
        else:
            spans.append(Span(start, end))
    return tuple(
        Span(span.start, min(span.end, audio.duration))
        for span in spans
        if span.end - span.start >= _SHORTEST_VOICE_S
    )


def voiced_share(spans: tuple[Span, ...], start: float, end: float) -> float:
    """The share of the time from ``start`` to ``end`` that lies within the spans."""
    if end <= start:
        return float(any(span.start <= start <= span.end for span in spans))
    inside = sum(max(0.0, min(end, span.end) - max(start, span.start)) for span in spans)
    return inside / (end - start)


# The singing voice in a mix, by the fluctuation that sets it off from steady and from sudden sounds.
_MIX_RATE = 8000  # Hz; the partials that tell a voice lie below 4 kHz
_LONG_FRAME = 4096  # half a second: a sung note glides and trembles within it, a string or a key doesn't
_SHORT_FRAME = 256  # 32 ms: within it a sung note is steady, a drum stroke isn't
SINGING_HOP_S = 0.01
_SMOOTHING = 17  # frames and bins, as usual for median filters
_BLOCK_S = 60.0  # bounds the memory
_LEVEL_SMOOTHING_S = 0.3  # longer than a consonant, shorter than a rest between lines
_SINGING_RANGE_DB = 40.0
_LEAST_SPREAD_DB = 3.0


def singing_db(audio: Audio) -> Floats:
    """Level of what fluctuates like a singing voice, per frame of ``SINGING_HOP_S``.

    Two harmonic-percussive separations in a row (Tachibana, Ono & Sagayama, "Singing voice enhancement
    in monaural music signals based on two-stage HPSS", TASLP 2014), the first with long frames to take
    out what is steady, the second with short ones to take out what is sudden. Power means stand in for
    the medians: as good for this purpose, and much faster.
    """
    mono = resample(audio.mono(), _MIX_RATE).samples[0]
    mono = np.nan_to_num(mono)
    block = round(_BLOCK_S * _MIX_RATE)
    return np.concatenate([_singing_block(mono[i : i + block]) for i in range(0, max(1, len(mono)), block)])


def _singing_block(mono: npt.NDArray[np.float32]) -> Floats:
    frames = -(-len(mono) // round(SINGING_HOP_S * _MIX_RATE))
    padded = np.pad(mono, (0, _LONG_FRAME)).astype(np.float64)
    long = scipy.signal.ShortTimeFFT.from_window("hann", _MIX_RATE, _LONG_FRAME, _LONG_FRAME * 3 // 4)
    spectrum = long.stft(padded)
    sudden = long.istft(spectrum * (1.0 - _steady_share(np.abs(spectrum))), k1=len(padded))
    hop = round(SINGING_HOP_S * _MIX_RATE)
    short = scipy.signal.ShortTimeFFT.from_window("hann", _MIX_RATE, _SHORT_FRAME, _SHORT_FRAME - hop)
    level = magnitude(short, np.real(sudden))
    voice = level * _steady_share(level)
    band = (short.f >= 200.0) & (short.f <= 4000.0)
    first = -short.p_min
    power = (voice[band] ** 2).sum(axis=0)[first : first + frames]
    return np.asarray(10.0 * np.log10(power + 1e-12))


def magnitude(transform: scipy.signal.ShortTimeFFT, samples: Floats) -> Floats:
    """The magnitude of ``transform.stft(samples)``, of all frames at once: several times as fast."""
    first = transform.p_min * transform.hop - transform.m_num_mid
    count = transform.p_max(len(samples)) - transform.p_min
    end = first + (count - 1) * transform.hop + transform.m_num
    padded = np.pad(samples, (-first, max(0, end - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, transform.m_num)[:: transform.hop][:count]
    return np.asarray(np.abs(scipy.fft.rfft(frames * transform.win, axis=-1)).T)


def _steady_share(magnitude: Floats) -> Floats:
    """For each cell of a spectrogram, how much of it goes on in time rather than across frequency."""
    root = np.sqrt(magnitude)
    steady = scipy.ndimage.uniform_filter1d(root, _SMOOTHING, axis=1) ** 4
    sudden = scipy.ndimage.uniform_filter1d(root, _SMOOTHING, axis=0) ** 4
    return np.asarray(steady / (steady + sudden + 1e-20))


def singing_odds(level: Floats) -> Floats:
    """Log-odds that each frame of :func:`singing_db` is sung: two normal laws fitted to the song's levels.

    The louder one is singing. Both have one spread, which keeps the odds linear in the level.
    """
    width = round(_LEVEL_SMOOTHING_S / SINGING_HOP_S)
    smooth = scipy.ndimage.uniform_filter1d(level, width)
    smooth = np.maximum(smooth, np.percentile(smooth, 95) - _SINGING_RANGE_DB)
    means, spread, shares = np.percentile(smooth, [15, 65]), 6.0, np.array([0.35, 0.65])
    for _ in range(50):
        odds = _log_odds(smooth, means, spread, shares)
        louder = scipy.special.expit(odds)
        posterior = np.stack([1.0 - louder, louder])
        weight = posterior.sum(axis=1) + 1e-9
        means, shares = (posterior @ smooth) / weight, weight / weight.sum()
        variance = float((posterior * (smooth - means[:, None]) ** 2).sum()) / len(smooth)
        spread = max(variance**0.5, _LEAST_SPREAD_DB)
    return _log_odds(smooth, means, spread, shares)


def _log_odds(level: Floats, means: Floats, spread: float, shares: Floats) -> Floats:
    distance = ((level - means[0]) ** 2 - (level - means[1]) ** 2) / (2.0 * spread**2)
    return np.asarray(distance + np.log(shares[1] / shares[0]))


_ONSET_RATE = 16_000  # Hz; the bands below reach into the sibilants
_ONSET_FRAME = 512
_BANDS_HZ = np.geomspace(150.0, 7000.0, 25)
_ONSET_LAG = 5  # frames: a syllable swells in some 50 ms
_RISE_S = 0.04
_LEVEL_RANGE_DB = 40.0


def syllable_onset_strength(audio: Audio) -> Floats:
    """How much each frame of ``SINGING_HOP_S`` is like the start of a syllable, mean 0, deviation 1.

    The sum of two standardised curves: the slope of the level in the voice's band, and the spectral
    flux between bands, which sees a new vowel or pitch where the level stays the same.
    """
    mono = np.nan_to_num(resample(audio.mono(), _ONSET_RATE).samples[0])
    block = round(_BLOCK_S * _ONSET_RATE)
    bands = np.concatenate(
        [_band_levels(mono[i : i + block]) for i in range(0, max(1, len(mono)), block)], axis=1
    )
    total = 10.0 * np.log10((10.0 ** (bands[: _BANDS_HZ.searchsorted(4000.0)] / 10.0)).sum(axis=0))
    total = np.maximum(total, np.percentile(total, 95) - _LEVEL_RANGE_DB)
    slope = scipy.ndimage.gaussian_filter1d(total, _RISE_S / SINGING_HOP_S, order=1)
    bands = np.maximum(bands, np.percentile(bands, 95, axis=1, keepdims=True) - _LEVEL_RANGE_DB)
    rise = np.maximum(bands[:, _ONSET_LAG:] - bands[:, :-_ONSET_LAG], 0.0).mean(axis=0)
    lead = _ONSET_LAG - _ONSET_LAG // 2
    flux = np.pad(rise, (lead, bands.shape[1] - len(rise) - lead)) if len(rise) else np.zeros_like(slope)
    return _standardised(_standardised(slope) + _standardised(flux))


def _band_levels(mono: npt.NDArray[np.float32]) -> Floats:
    """Decibels of shape (bands, frames)."""
    hop = round(SINGING_HOP_S * _ONSET_RATE)
    frames = -(-len(mono) // hop)
    transform = scipy.signal.ShortTimeFFT.from_window("hann", _ONSET_RATE, _ONSET_FRAME, _ONSET_FRAME - hop)
    spectrum = magnitude(transform, np.pad(mono, (0, _ONSET_FRAME)).astype(np.float64)) ** 2
    first = -transform.p_min
    edges = np.searchsorted(transform.f, _BANDS_HZ)
    # Low bands narrower than a bin take the bin.
    sums = [spectrum[a : max(b, a + 1)].sum(axis=0) for a, b in itertools.pairwise(edges)]
    return np.asarray(10.0 * np.log10(np.stack(sums)[:, first : first + frames] + 1e-10))


def _standardised(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / (values.std() + 1e-9))
