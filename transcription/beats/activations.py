"""The network of beat activations in clusters of notes, and what its outputs mean.

Trained by ``training.train_beats`` on open scores played with human timing and on POP909; its weights
are in ``activations.npz`` beside this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transcription.network import Features, convolution, dense, gru, load, log_softmax

PHASES = np.array([0, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 5 / 8, 2 / 3, 3 / 4, 5 / 6, 7 / 8])
"""The places in a beat that are told apart; one more class, OTHER_PHASE, is for ornaments and the rest."""
OTHER_PHASE = len(PHASES)
PERIODS_S = np.geomspace(0.2, 3.4, 42)
"""The lengths of a beat that are told apart, seconds."""
PLACES = tuple((size, number) for size in (2, 3, 4) for number in range(1, size + 1))
"""The beats of bars of 2, 3 and 4 beats; one more class is for all other bars."""
METERS = ("2/4", "3/4", "4/4", "6/8", "9/8", "12/8", "3/8", "2/2", "3/2", "4/2", "4/8", "2/8", "6/4", "5/4")
HEADS = {
    "phase": len(PHASES) + 1,
    "beat": 2,
    "period": len(PERIODS_S),
    "place": len(PLACES) + 1,
    "meter": len(METERS),
    "swing": 1,
}
"""The network's outputs in their order, and how many values each has. Swing is taught along, but the places
found tell it better (``transcription.beats.joint``)."""
WEIGHTS_FILE = Path(__file__).with_name("activations.npz")


@dataclass(frozen=True, slots=True)
class BeatActivations:
    """What the network says of each cluster: log probabilities, one row a cluster.

    ``phase`` by PHASES and OTHER_PHASE; ``downbeat`` that a bar begins there; ``period`` of the beat's
    length by PERIODS_S; ``place`` by PLACES and one more; ``meter`` by METERS.
    """

    phase: Features
    downbeat: Features
    period: Features
    place: Features
    meter: Features


_weights = cache(load)


def mean_activations(heard: Sequence[BeatActivations], paces: Sequence[float]) -> BeatActivations:
    """The mean of what the network says of the same clusters played ``paces`` times as slowly."""
    steps = np.log(paces) / np.log(PERIODS_S[1] / PERIODS_S[0])
    places = np.arange(len(PERIODS_S))
    periods = []
    for activations, step in zip(heard, steps, strict=True):
        low = np.clip(np.floor(places + step).astype(int), 0, len(places) - 1)
        high, part = np.minimum(low + 1, len(places) - 1), float(step - np.floor(step))
        period = np.exp(activations.period)
        period = (1 - part) * period[:, low] + part * period[:, high] + 1e-5
        periods.append(period / period.sum(axis=1, keepdims=True))

    def mean(logs: list[Features]) -> Features:
        return np.asarray(np.log(np.mean([np.exp(log) for log in logs], axis=0)), np.float32)

    return BeatActivations(
        mean([activations.phase for activations in heard]),
        mean([activations.downbeat for activations in heard]),
        np.asarray(np.log(np.mean(periods, axis=0)), np.float32),
        mean([activations.place for activations in heard]),
        mean([activations.meter for activations in heard]),
    )


def activations_of(features: npt.NDArray[np.float32], path: Path = WEIGHTS_FILE) -> BeatActivations:
    """The network's activations on at least one cluster's features."""
    weights = _weights(path)
    x = (features - weights["mean"]) / weights["spread"]
    x = np.maximum(dense(weights, "enter", x), 0)
    x = x + np.maximum(convolution(weights, "conv1", x), 0)
    x = x + np.maximum(convolution(weights, "conv2", x), 0)
    low = gru(weights, "gru1", x)
    high = gru(weights, "gru2", low)
    output = dense(weights, "heads", np.concatenate([low, high], axis=1))
    edges = np.cumsum(list(HEADS.values()))[:-1]
    part = dict(zip(HEADS, np.split(output, edges, axis=1), strict=True))
    return BeatActivations(
        log_softmax(part["phase"]),
        np.asarray(-np.logaddexp(0, -part["beat"][:, 1]), np.float32),
        log_softmax(part["period"]),
        log_softmax(part["place"]),
        log_softmax(part["meter"]),
    )
