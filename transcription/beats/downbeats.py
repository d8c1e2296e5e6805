"""How likely a bar begins at each chord, for music whose beats are known.

Task: what :mod:`transcription.beats.activations` hears of downbeats, without following beats: a file that was
made from a score has its own clock, and only where its bars begin is in doubt.

Limits: the network hears a bar's first half and its second nearly alike in even measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transcription.beats.joint import beat_activations
from transcription.notes import Note

LEAST, MOST = np.exp(-6.0), 0.997
"""No chord is taken to be a downbeat with less or more certainty."""


@dataclass(frozen=True, slots=True)
class Downbeats:
    """Where notes begin together, in seconds, and the log odds that a bar begins there."""

    times: npt.NDArray[np.float64]
    odds: npt.NDArray[np.float64]


def find_downbeats(notes: Sequence[Note]) -> Downbeats:
    """The downbeats heard in ``notes``; none in fewer than two chords."""
    clusters, _, activations = beat_activations(notes)
    if activations is None:
        return Downbeats(np.zeros(0), np.zeros(0))
    chance = np.clip(np.exp(activations.downbeat.astype(np.float64)), LEAST, MOST)
    return Downbeats(clusters.times, np.asarray(np.log(chance / (1 - chance)), np.float64))
