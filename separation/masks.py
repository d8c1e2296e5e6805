"""Masks made by rules, for what separators do without trained weights.

A spectrogram's bins are shared out by what sounds in them: what lasts is harmonic, what is struck is
percussive (Fitzgerald, DAFx 2010: a median along time keeps the one, a median along frequency the other).
Below LOW_HZ the percussive median is narrower, because a bass drum there spans little more than a bass
string's partial smears over. So an accompaniment falls into drums, bass (harmonic, below a crossover) and the
rest.

Conventions: masks and magnitudes are float32 of shape ``(frequencies, frames)``, from windows of which the
hop is a quarter; frequencies rise evenly from 0 to half of ``rate``, in Hz. The constants were chosen on the
two songs of benchmarks/stems.py, as round values in the middle of a broad optimum.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

Magnitudes = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex64]

HARMONIC_S = 0.7
PERCUSSIVE_HZ = 330.0
LOW_HZ = 240.0
LOW_PERCUSSIVE_HZ = 75.0
PERCUSSIVE_BIAS = 1.2
"""How much more percussive than harmonic a bin has to be to be shared equally: drums are broadband and
win too many bins otherwise."""

CROSSOVER_WIDTH = 0.2
"""Half width of the transition from bass to other, relative to its middle."""

TINY = np.float32(1e-9)


def accompaniment_masks(level: Magnitudes, rate: int, crossover_hz: float) -> dict[str, Magnitudes]:
    """What of each bin of an accompaniment is drums and bass; the rest is ``other``."""
    harmonic = harmonic_share(level, HARMONIC_S, rate, PERCUSSIVE_BIAS)
    return {"drums": 1 - harmonic, "bass": harmonic * low_share(level, rate, crossover_hz)}


def low_share(level: Magnitudes, rate: int, crossover_hz: float) -> Magnitudes:
    """1 below the crossover, 0 above it, a line between; a column to weigh the frequencies with."""
    return 1 - ramp(level, rate, (1 - CROSSOVER_WIDTH) * crossover_hz, (1 + CROSSOVER_WIDTH) * crossover_hz)


def harmonic_share(level: Magnitudes, lasting_s: float, rate: int, bias: float) -> Magnitudes:
    """Share of each bin's power that is harmonic: lasting at least half of ``lasting_s``."""
    harmonic = np.square(median_over_time(level, frames_in(lasting_s, level, rate)))
    percussive = _median_over_frequency(level, bins_in(PERCUSSIVE_HZ, level, rate))
    lows, narrow = bins_in(LOW_HZ, level, rate), bins_in(LOW_PERCUSSIVE_HZ, level, rate)
    percussive[:lows] = _median_over_frequency(level[: lows + narrow], narrow)[:lows]
    share: Magnitudes = harmonic / (harmonic + np.square(bias * percussive) + TINY**2)
    return share


def levels(spectrum: Spectrum) -> Magnitudes:
    """Root mean square of the channels' magnitudes."""
    level: Magnitudes = np.sqrt(np.mean(np.abs(spectrum) ** 2, axis=0, dtype=np.float32))
    return level


def ramp(level: Magnitudes, rate: int, start_hz: float, end_hz: float) -> Magnitudes:
    """0 below ``start_hz``, 1 above ``end_hz``, a line between; a column to weigh the frequencies with."""
    hz = np.linspace(0, rate / 2, level.shape[0])[:, None]
    return np.clip((hz - start_hz) / (end_hz - start_hz), 0, 1).astype(np.float32)


def frames_in(seconds: float, level: Magnitudes, rate: int) -> int:
    """How many frames of ``level`` a time spans."""
    hop = (len(level) - 1) // 2
    return max(1, round(seconds * rate / hop))


def bins_in(hz: float, level: Magnitudes, rate: int) -> int:
    """How many bins of ``level`` an interval of frequency spans."""
    return max(1, round(hz * 2 * (len(level) - 1) / rate))


def median_over_time(level: Magnitudes, size: int) -> Magnitudes:
    """Median over ``size`` frames (made odd), mirrored at the edges."""
    half = size // 2
    padded = np.pad(level, ((0, 0), (half, half)), mode="reflect")
    # Laid out as one row: scipy's filter of one dimension is some thirty times faster than of two.
    filtered = median_filter(padded.ravel(), size=2 * half + 1).reshape(padded.shape)
    return np.ascontiguousarray(filtered[:, half : half + level.shape[1]])


def _median_over_frequency(level: Magnitudes, size: int) -> Magnitudes:
    return np.ascontiguousarray(median_over_time(np.ascontiguousarray(level.T), size).T)
