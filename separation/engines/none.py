"""No separation: the mix is the one stem."""

from __future__ import annotations

from dataclasses import dataclass

from fullscore.engines import Progress, silent
from separation.audio import Audio
from separation.stems import Stems


@dataclass(frozen=True, slots=True)
class NoSeparationSettings:
    """There is nothing to set."""


class NoSeparation:
    """The engine ``none``: the mix is the one stem."""

    def __init__(self, settings: NoSeparationSettings | None = None) -> None:
        self.settings = settings or NoSeparationSettings()

    def __call__(self, audio: Audio, progress: Progress = silent) -> Stems:
        progress(1.0, "taking the mix as it is")
        return Stems({"mix": audio})
