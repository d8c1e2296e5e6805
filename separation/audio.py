"""Sound as every stage passes it on.

Conventions: float32 samples of shape ``(channels, samples)``, nominally within -1 to 1; times in
seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Audio:
    """Sampled sound: ``samples`` float32 of shape ``(channels, samples)``, ``sample_rate`` in Hz."""

    samples: Samples
    sample_rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[0] < 1:
            raise ValueError(f"samples have shape (channels, samples), not {self.samples.shape}")
        if self.samples.dtype != np.float32:
            raise ValueError(f"samples are float32, not {self.samples.dtype}")
        if self.sample_rate <= 0:
            raise ValueError(f"a sample rate is positive, not {self.sample_rate}")

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1]) / self.sample_rate

    def mono(self) -> Audio:
        """The mean of the channels."""
        return Audio(self.samples.mean(axis=0, keepdims=True, dtype=np.float32), self.sample_rate)
