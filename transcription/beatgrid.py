"""Beats, bars and tempo of a performance.

Conventions: beat times in seconds, strictly increasing; a beat's number counts from 1, the
downbeat, within its bar; a beat is what a musician counts: the quarter in 4/4, the dotted quarter
in 6/8. Positions in beats are floats counted from the first beat of the grid (0.0), continued
before the first and after the last beat with the nearest beat's length.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def extended(x: npt.ArrayLike, xs: Floats, ys: Floats) -> Floats:
    """Linear interpolation over increasing ``xs``, continued outside with the first and the last slope."""
    x = np.asarray(x, dtype=np.float64)
    inside = np.interp(x, xs, ys)
    before = ys[0] + (x - xs[0]) * (ys[1] - ys[0]) / (xs[1] - xs[0])
    after = ys[-1] + (x - xs[-1]) * (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    return np.asarray(np.where(x < xs[0], before, np.where(x > xs[-1], after, inside)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class TimeSignature:
    """A meter such as 4/4 or 6/8."""

    numerator: int = 4
    denominator: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.numerator <= 32:
            raise ValueError(f"a time signature has 1 to 32 beats, not {self.numerator}")
        if self.denominator not in (1, 2, 4, 8, 16, 32):
            raise ValueError(f"a time signature counts in 1, 2, 4, 8, 16 or 32, not {self.denominator}")

    @property
    def compound(self) -> bool:
        """Whether each beat falls into three (6/8, 9/8, 12/8)."""
        return self.denominator >= 8 and self.numerator > 3 and self.numerator % 3 == 0

    @property
    def beats_per_bar(self) -> int:
        return self.numerator // 3 if self.compound else self.numerator

    @property
    def beat_quarters(self) -> Fraction:
        """The length of one beat in quarter notes."""
        return Fraction(4, self.denominator) * (3 if self.compound else 1)

    @property
    def bar_quarters(self) -> Fraction:
        """The length of one bar in quarter notes."""
        return self.beat_quarters * self.beats_per_bar

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


@dataclass(frozen=True, slots=True)
class BeatHints:
    """What is known of the beats before they are looked for.

    ``tempo`` is in beats per minute (in 6/8 of dotted quarters).
    """

    tempo: float | None = None
    time_signature: TimeSignature | None = None


@dataclass(frozen=True, slots=True)
class BeatGrid:
    """Where the beats of a performance fall and how they are counted.

    ``times`` are in seconds, strictly increasing, at least two; ``numbers`` count each beat within
    its bar from 1 (the downbeat). ``swing``: the second of two eighths is played late.
    """

    times: tuple[float, ...]
    numbers: tuple[int, ...]
    time_signature: TimeSignature = TimeSignature()
    swing: bool = False

    def __post_init__(self) -> None:
        if len(self.times) < 2:
            raise ValueError("a beat grid has at least two beats")
        if len(self.times) != len(self.numbers):
            raise ValueError(f"{len(self.times)} beat times but {len(self.numbers)} beat numbers")
        if not bool(np.all(np.diff(self.times) > 0)):
            raise ValueError("beat times increase strictly")
        if min(self.numbers) < 1:
            raise ValueError("beats are counted from 1")

    @property
    def downbeats(self) -> tuple[float, ...]:
        """Times in seconds of the beats counted 1."""
        return tuple(t for t, n in zip(self.times, self.numbers, strict=True) if n == 1)

    @property
    def tempo(self) -> float:
        """Median tempo in beats per minute."""
        return float(60.0 / np.median(np.diff(self.times)))

    @property
    def tempo_curve(self) -> tuple[float, ...]:
        """Tempo in beats per minute from each beat to the next (one fewer than beats)."""
        return tuple((60.0 / np.diff(self.times)).tolist())

    def beat_at(self, times: npt.ArrayLike) -> Floats:
        """Positions in beats of ``times`` in seconds."""
        return extended(times, np.asarray(self.times), np.arange(len(self.times), dtype=np.float64))

    def time_at(self, positions: npt.ArrayLike) -> Floats:
        """Times in seconds of ``positions`` in beats: the inverse of :meth:`beat_at`."""
        return extended(positions, np.arange(len(self.times), dtype=np.float64), np.asarray(self.times))
