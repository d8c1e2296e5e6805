"""The stems of a song: one recording per source, of the same length and rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from separation.audio import Audio


@dataclass(frozen=True, slots=True)
class Stems:
    """Named sources of one mix, e.g. vocals, drums, bass, other; all of one shape and sample rate."""

    by_name: Mapping[str, Audio]

    def __post_init__(self) -> None:
        if not self.by_name:
            raise ValueError("there is at least one stem")
        forms = {(audio.samples.shape, audio.sample_rate) for audio in self.by_name.values()}
        if len(forms) > 1:
            raise ValueError(f"stems have one shape and sample rate, not {sorted(forms)}")
        object.__setattr__(self, "by_name", MappingProxyType(dict(self.by_name)))

    def __getitem__(self, name: str) -> Audio:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)
