"""Separation into vocals, drums, bass and other without trained weights.

Every bin of the mix's spectrogram is shared out by three cues:

- harmonic against percussive (Fitzgerald, DAFx 2010): a median along time keeps what lasts, one along
  frequency what is struck. Below LOW_HZ the percussive median is narrower, because a bass drum there
  spans little more than a bass string's partial smears over.
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
import numpy.typing as npt
from scipy.ndimage import median_filter

from fullscore.engines import Progress, option, silent
from separation.audio import Audio
from separation.stems import Stems

Magnitudes = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex64]

WINDOW_S = 0.093
"""Wanted window; 4096 samples at 44.1 kHz. Frames are a quarter of it apart."""

HARMONIC_S = 0.7
PERCUSSIVE_HZ = 330.0
LOW_HZ = 240.0
LOW_PERCUSSIVE_HZ = 75.0
PERCUSSIVE_BIAS = 1.2
"""How much more percussive than harmonic a bin has to be to be shared equally: drums are broadband and
win too many bins otherwise."""

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
CROSSOVER_WIDTH = 0.2
"""Half width of the transition from bass to other, relative to its middle."""
ONE_SIDED = 0.5
"""From this difference of the channels' power, relative to their sum, a bin counts less and less as voice."""

_TINY = np.float32(1e-9)


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
        masks = _masks(_level(spectrum), voice, rate, self.settings.crossover_hz)
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
    harmonic = _harmonic_share(level, HARMONIC_S, rate, PERCUSSIVE_BIAS)
    edges = ((1 - CROSSOVER_WIDTH) * crossover_hz, (1 + CROSSOVER_WIDTH) * crossover_hz)
    low = 1 - _ramp(level, rate, *edges)
    voice = voice * (1 - low)
    return {
        "vocals": voice,
        "drums": (1 - harmonic) * (1 - voice),
        "bass": harmonic * (1 - voice) * low,
    }


def _voice_mask(spectrum: Spectrum, rate: int) -> Magnitudes:
    """What of each bin neither returns nor lasts nor is struck nor lies to one side."""
    level = _level(spectrum)
    accompaniment = np.minimum(_median_over_time(level, _frames(STEADY_S, level, rate)), level)
    compared = slice(0, _bins(REPEATING_TOP_HZ, level, rate))
    if level.shape[1] > 2 * _frames(APART_S, level, rate):
        accompaniment[compared] += _repeating(level, rate)
        accompaniment[compared] /= 2
    mask: Magnitudes = 1 - (accompaniment / (level + _TINY)) ** 2
    mask *= _harmonic_share(level, VOICE_S, rate, 1.0)
    mask *= _ramp(level, rate, *VOICE_FROM_HZ)
    if spectrum.shape[0] == 2:
        left, right = np.abs(spectrum) ** 2
        sidedness = np.abs(left - right) / (left + right + _TINY**2)
        mask *= np.minimum((1 - sidedness) / (1 - ONE_SIDED), 1)
    return mask


def _repeating(level: Magnitudes, rate: int) -> Magnitudes:
    """The part of ``level`` up to REPEATING_TOP_HZ that the most similar frames of the song share."""
    top = _bins(REPEATING_TOP_HZ, level, rate)
    bands = librosa.feature.melspectrogram(
        S=level**2, sr=rate, n_mels=SIMILARITY_BANDS, fmax=min(REPEATING_TOP_HZ, rate / 2)
    )
    bands = np.log1p(LOG_SCALE * bands / (bands.max() + _TINY))
    # Without what is common to all frames; a song of one colour (silence) would have no direction left.
    bands = bands - bands.mean(axis=1, keepdims=True) + _TINY
    similar = librosa.segment.recurrence_matrix(
        librosa.feature.stack_memory(bands, n_steps=CONTEXT_FRAMES, mode="edge"),
        k=SIMILAR_FRAMES,
        width=_frames(APART_S, level, rate),
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


def _harmonic_share(level: Magnitudes, lasting_s: float, rate: int, bias: float) -> Magnitudes:
    """Share of each bin's power that is harmonic: lasting at least half of ``lasting_s``."""
    harmonic = np.square(_median_over_time(level, _frames(lasting_s, level, rate)))
    percussive = _median_over_frequency(level, _bins(PERCUSSIVE_HZ, level, rate))
    lows, narrow = _bins(LOW_HZ, level, rate), _bins(LOW_PERCUSSIVE_HZ, level, rate)
    percussive[:lows] = _median_over_frequency(level[: lows + narrow], narrow)[:lows]
    share: Magnitudes = harmonic / (harmonic + np.square(bias * percussive) + _TINY**2)
    return share


def _level(spectrum: Spectrum) -> Magnitudes:
    """Root mean square of the channels' magnitudes."""
    level: Magnitudes = np.sqrt(np.mean(np.abs(spectrum) ** 2, axis=0, dtype=np.float32))
    return level


def _ramp(level: Magnitudes, rate: int, start_hz: float, end_hz: float) -> Magnitudes:
    """0 below ``start_hz``, 1 above ``end_hz``, a line between; a column to weigh the frequencies with."""
    hz = np.linspace(0, rate / 2, level.shape[0])[:, None]
    return np.clip((hz - start_hz) / (end_hz - start_hz), 0, 1).astype(np.float32)


def _frames(seconds: float, level: Magnitudes, rate: int) -> int:
    hop = (len(level) - 1) // 2
    return max(1, round(seconds * rate / hop))


def _bins(hz: float, level: Magnitudes, rate: int) -> int:
    return max(1, round(hz * 2 * (len(level) - 1) / rate))


def _median_over_time(level: Magnitudes, size: int) -> Magnitudes:
    """Median over ``size`` frames (made odd), the edges mirrored."""
    half = size // 2
    padded = np.pad(level, ((0, 0), (half, half)), mode="reflect")
    # Laid out as one row: scipy's filter of one dimension is some thirty times faster than of two.
    filtered = median_filter(padded.ravel(), size=2 * half + 1).reshape(padded.shape)
    return np.ascontiguousarray(filtered[:, half : half + level.shape[1]])


def _median_over_frequency(level: Magnitudes, size: int) -> Magnitudes:
    return np.ascontiguousarray(_median_over_time(np.ascontiguousarray(level.T), size).T)
