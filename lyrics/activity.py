"""Where a voice sounds: activity from the level of a vocal stem.

The level of short frames is compared with the loud part of the same stem, so that neither the
recording's gain nor the faint residue that separation leaves in the pauses matters. Limits: on a
full mix this finds where there is sound, not where there is singing.

Conventions: levels in decibels, times in seconds, one frame every ``HOP_S``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.signal

from separation.audio import Audio

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
