"""Separation into vocals, drums, bass and other without trained weights.

Every bin of the mix's spectrogram is shared out by three cues:

- harmonic against percussive, by medians along time and frequency (separation.masks).
- voice against accompaniment: the accompaniment returns and lasts, a voice does neither. What returns
  is the median over the most similar frames anywhere in the song (REPET-SIM, Rafii and Pardo, ISMIR
  2012, with librosa's recurrence matrix and nearest-neighbour filter), what lasts is a median over
  STEADY_S; the accompaniment is the mean of both.
- place in the stereo image: a bin that is far louder on one side is hardly the lead voice.

What is harmonic and not voice is bass below the crossover and ``other`` above it. The four masks add
up to one in every bin, so the stems add up to the mix.

Conventions: masks and magnitudes have the shape (frequencies, frames); both channels share the masks.
The constants were chosen on the two songs of benchmarks/stems.py, as round values in the
middle of a broad optimum.

Limits: meant for when no network can be had, and far behind one. Sustained vocals go to ``other``,
soloing instruments to ``vocals``; voice below the crossover goes to ``bass``. It needs about 8 MB of
memory per second of stereo sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import librosa
import numpy as np

from fullscore.engines import Progress, option, silent
from separation.audio import Audio
from separation.masks import (
    TINY,
    Magnitudes,
    Spectrum,
    accompaniment_masks,
    bins_in,
    frames_in,
    harmonic_share,
    levels,
    low_share,
    median_over_time,
    ramp,
)
from separation.stems import Stems

WINDOW_S = 0.093
"""Wanted window; 4096 samples at 44.1 kHz. Frames are a quarter of it apart."""

VOICE_S = 0.12
"""Voice glides and trembles: against drums it is held to last no longer than this."""
STEADY_S = 2.0
SIMILAR_FRAMES = 32
APART_S = 0.6
"""Frames nearer than this are similar because they are the same event."""
CONTEXT_FRAMES = 7
"""Frames that are compared together, about 0.16 s."""
SIMILARITY_BANDS = 32
REPEATING_TOP_HZ = 10_000.0
"""Frames are compared, and what returns in them sought, up to here."""
LOG_SCALE = 1e3
"""Loudness compression of the compared spectra: 30 dB below the loudest band still count."""

VOICE_FROM_HZ = (80.0, 160.0)
"""The mask of the voice rises from nothing to all between these."""
ONE_SIDED = 0.5
"""From this difference of the channels' power, relative to their sum, a bin counts less and less as voice."""


@dataclass(frozen=True, slots=True)
class SpectralSettings:
    """Options of the engine ``spectral``."""

    crossover_hz: float = option(
        200.0, "harmonic sound below this frequency is bass, in Hz", minimum=80.0, maximum=400.0
    )


class Spectral:
    """Vocals, drums, bass and other by median filtering, repetition and panning."""

    def __init__(self, settings: SpectralSettings | None = None) -> None:
        self.settings = settings or SpectralSettings()

    def __call__(self, audio: Audio, progress: Progress = silent) -> Stems:
        rate, length = audio.sample_rate, audio.samples.shape[1]
        window = 2 ** round(np.log2(WINDOW_S * rate))
        padded = np.pad(audio.samples, ((0, 0), (0, max(0, window - length))))
        spectrum = librosa.stft(padded, n_fft=window, hop_length=window // 4)
        progress(0.1, "separating by repetition")
        voice = _voice_mask(spectrum, rate)
        progress(0.6, "separating by median filtering")
        masks = _masks(levels(spectrum), voice, rate, self.settings.crossover_hz)
        stems = {}
        for done, (name, mask) in enumerate(masks.items()):
            progress(0.7 + 0.1 * done, f"writing out {name}")
            sound = librosa.istft(
                spectrum * mask, n_fft=window, hop_length=window // 4, length=padded.shape[1]
            )
            stems[name] = np.ascontiguousarray(sound[:, :length], dtype=np.float32)
        stems["other"] = audio.samples - sum(stems.values())
        progress(1.0, "separated")
        return Stems({name: Audio(samples, rate) for name, samples in stems.items()})


def _masks(level: Magnitudes, voice: Magnitudes, rate: int, crossover_hz: float) -> dict[str, Magnitudes]:
    """What of each bin is vocals, drums and bass; ``other`` is the rest."""
    voice = voice * (1 - low_share(level, rate, crossover_hz))
    rest = accompaniment_masks(level, rate, crossover_hz)
    return {"vocals": voice, **{name: mask * (1 - voice) for name, mask in rest.items()}}


def _voice_mask(spectrum: Spectrum, rate: int) -> Magnitudes:
    """What of each bin neither returns nor lasts nor is struck nor lies to one side."""
    level = levels(spectrum)
    accompaniment = np.minimum(median_over_time(level, frames_in(STEADY_S, level, rate)), level)
    compared = slice(0, bins_in(REPEATING_TOP_HZ, level, rate))
    if level.shape[1] > 2 * frames_in(APART_S, level, rate):
        accompaniment[compared] += _repeating(level, rate)
        accompaniment[compared] /= 2
    mask: Magnitudes = 1 - (accompaniment / (level + TINY)) ** 2
    mask *= harmonic_share(level, VOICE_S, rate, 1.0)
    mask *= ramp(level, rate, *VOICE_FROM_HZ)
    if spectrum.shape[0] == 2:
        left, right = np.abs(spectrum) ** 2
        sidedness = np.abs(left - right) / (left + right + TINY**2)
        mask *= np.minimum((1 - sidedness) / (1 - ONE_SIDED), 1)
    return mask


def _repeating(level: Magnitudes, rate: int) -> Magnitudes:
    """The part of ``level`` up to REPEATING_TOP_HZ that the most similar frames of the song share."""
    top = bins_in(REPEATING_TOP_HZ, level, rate)
    bands = librosa.feature.melspectrogram(
        S=level**2, sr=rate, n_mels=SIMILARITY_BANDS, fmax=min(REPEATING_TOP_HZ, rate / 2)
    )
    bands = np.log1p(LOG_SCALE * bands / (bands.max() + TINY))
    # Without what is common to all frames; a song of one colour (silence) would have no direction left.
    bands = bands - bands.mean(axis=1, keepdims=True) + TINY
    similar = librosa.segment.recurrence_matrix(
        librosa.feature.stack_memory(bands, n_steps=CONTEXT_FRAMES, mode="edge"),
        k=SIMILAR_FRAMES,
        width=frames_in(APART_S, level, rate),
        metric="cosine",
        sparse=True,
    )
    # The filter gathers whole frames, which lie together in this order.
    framewise = np.asfortranarray(level[:top])
    shared = librosa.decompose.nn_filter(framewise, rec=similar, aggregate=_upper_median)
    return np.asarray(np.minimum(shared, framewise), dtype=np.float32)


def _upper_median(values: Magnitudes, axis: int) -> Magnitudes:
    """The median, of an even count the upper one: several times faster than numpy's own."""
    middle = values.shape[axis] // 2
    median: Magnitudes = np.partition(values, middle, axis=axis).take(middle, axis=axis)
    return median
