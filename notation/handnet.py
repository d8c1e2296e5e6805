"""What a trained network takes the hands, the voices and the values of keyboard music to be.

Task: for each note of one instrument, in score order: the probability that it stands on the lower staff,
that it belongs to the lower of two voices of its staff, and of each written value. The searches of
:mod:`notation.voices` and :mod:`notation.quantise` weigh these against what can be written.

Method: each note is described by its chord, what still sounds, its place in the bar, its release and the
onsets after it; two bidirectional recurrent layers read the notes in order. Trained by
``training.train_hands`` on openly licensed scores played with invented human timing; the weights are in
``hands.npz`` beside this file.

Conventions: notes by onset, then pitch; onsets as written, releases as heard, both in quarters.
Probabilities are between ``LEAST`` and 1 - ``LEAST``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transcription import network
from transcription.beatgrid import Floats

Ints = npt.NDArray[np.int64]

# The written values that are told apart, in quarters; others count as the nearest by ratio.
_LOW = "1/8 1/6 3/16 1/4 1/3 3/8 1/2 2/3 3/4 7/8"
_HIGH = "1 5/4 4/3 3/2 7/4 2 9/4 5/2 3 7/2 4 9/2 5 6 8 12"
VALUES = np.array([float(Fraction(value)) for value in f"{_LOW} {_HIGH}".split()])
LEAST = 1e-3
FOLLOWING = 4  # how many onsets after a note are described
CLIP_QUARTERS = 4.0
MOST_HELD = 24  # notes held from before that are looked at, the latest ones
WEIGHTS = Path(__file__).with_name("hands.npz")


@dataclass(frozen=True, slots=True)
class VoiceProbabilities:
    """The network's probabilities, one row a note: lower staff, lower voice, and each of ``VALUES``."""

    lower_staff: Floats
    lower_voice: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class KeyboardNotes:
    """Notes of one instrument by onset, then pitch, as arrays.

    ``onset`` and ``release`` in quarters; ``bar`` and ``beat`` are the phase within the bar and beat (0 to
    1), ``bar_quarters`` and ``beat_quarters`` their lengths, ``quarter_s`` the seconds of a quarter there.
    """

    onset: Floats
    release: Floats
    pitch: Ints
    bar: Floats
    beat: Floats
    bar_quarters: Floats
    beat_quarters: Floats
    quarter_s: Floats


def value_class(quarters: npt.ArrayLike) -> Ints:
    """The index in ``VALUES`` of the nearest value by ratio."""
    logs = np.log(np.maximum(np.asarray(quarters, dtype=float), 1e-3))
    return np.asarray(np.argmin(np.abs(logs[..., None] - np.log(VALUES)), axis=-1), dtype=np.int64)


def describe(notes: KeyboardNotes) -> Floats:
    """Features, one row a note; the first is the pitch, all others don't change with transposition."""
    count = len(notes.onset)
    pitch = notes.pitch.astype(float)
    chords, chord, sizes = np.unique(notes.onset, return_inverse=True, return_counts=True)
    first = np.cumsum(sizes) - sizes
    rank = np.arange(count) - first[chord]
    lowest, highest = pitch[first][chord], pitch[first + sizes - 1][chord]
    below, above = np.zeros(count), np.zeros(count)
    step = np.diff(pitch)
    same = np.diff(chord) == 0
    below[1:][same] = step[same]
    above[:-1][same] = step[same]
    gap = np.diff(chords, prepend=chords[0] - CLIP_QUARTERS, append=chords[-1] + CLIP_QUARTERS)
    before, after = gap[:-1][chord], gap[1:][chord]
    held = np.maximum(notes.release - notes.onset, 0.02)
    columns = [
        (pitch - 60) / 12,
        (pitch - lowest) / 12,
        (highest - pitch) / 12,
        below / 12,
        above / 12,
        rank == 0,
        rank == sizes[chord] - 1,
        np.minimum(sizes[chord], 8) / 4,
        _log(before),
        _log(after),
        _log(held),
        _log(held / np.maximum(after, 1e-3)),
        _log(notes.quarter_s),
        *_places(notes),
        *_sounding(notes, chord, first),
        *_following(notes, chords, chord, first, sizes),
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def _log(values: Floats) -> Floats:
    return np.clip(np.log2(np.maximum(values, 1e-3)), -5, 5) / 2


def _places(notes: KeyboardNotes) -> list[Floats]:
    """Where in the bar and in the beat a note starts."""
    turn = 2 * np.pi
    columns = [f(turn * k * notes.bar) for k in (1, 2) for f in (np.sin, np.cos)]
    for parts in (1, 2, 3, 4):
        off = notes.beat * parts
        columns.append((np.abs(off - np.round(off)) < 0.02).astype(float))
    columns.append(((notes.bar < 0.01) | (notes.bar > 0.99)).astype(float))
    return [*columns, _log(notes.bar_quarters), _log(notes.beat_quarters)]


def _sounding(notes: KeyboardNotes, chord: Ints, first: Ints) -> list[Floats]:
    """The nearest notes still held from before, below and above: whether, how far, and for how long yet."""
    count = len(notes.onset)
    columns = [np.zeros(count) for _ in range(6)]
    held: list[int] = []
    for start, end in zip(first, [*first[1:], count], strict=True):
        onset = notes.onset[start]
        held = [index for index in held if notes.release[index] > onset + 0.1][-MOST_HELD:]
        for index in range(start, end) if held else ():
            for side, near in enumerate(_neighbours(notes, index, held)):
                if near is not None:
                    columns[3 * side][index] = 1.0
                    columns[3 * side + 1][index] = abs(notes.pitch[index] - notes.pitch[near]) / 12
                    columns[3 * side + 2][index] = min(notes.release[near] - onset, CLIP_QUARTERS) / 2
        held += range(start, end)
    return columns


def _neighbours(notes: KeyboardNotes, index: int, held: list[int]) -> tuple[int | None, int | None]:
    pitch = notes.pitch[index]
    below = [other for other in held if notes.pitch[other] <= pitch]
    above = [other for other in held if notes.pitch[other] > pitch]
    return (
        max(below, key=lambda other: notes.pitch[other], default=None),
        min(above, key=lambda other: notes.pitch[other], default=None),
    )


def _following(notes: KeyboardNotes, chords: Floats, chord: Ints, first: Ints, sizes: Ints) -> list[Floats]:
    """The next onsets: how far from the note's release, and how far their nearest pitch."""
    columns = []
    for k in range(1, FOLLOWING + 1):
        index = chord + k
        there = index < len(chords)
        index = np.minimum(index, len(chords) - 1)
        late = np.where(there, notes.release - chords[index], -CLIP_QUARTERS)
        near = np.full(len(chord), 99.0)
        for member in range(int(sizes.max(initial=1))):
            other = first[index] + np.minimum(member, sizes[index] - 1)
            step = (notes.pitch[other] - notes.pitch).astype(float)
            near = np.where(np.abs(step) < np.abs(near), step, near)
        columns += [np.clip(late, -CLIP_QUARTERS, CLIP_QUARTERS) / 2, np.where(there, near, 0.0) / 12]
    return columns


@cache
def _weights() -> network.Weights:
    return network.load(WEIGHTS)


def read(notes: KeyboardNotes) -> VoiceProbabilities:
    """Probabilities for each note of one instrument."""
    weights = _weights()
    x = ((describe(notes) - weights["mean"]) / weights["spread"]).astype(np.float32)
    x = np.maximum(network.dense(weights, "enter", x), 0)
    low = network.gru(weights, "gru1", x)
    high = network.gru(weights, "gru2", low)
    out = network.dense(weights, "heads", np.concatenate([low, high], axis=1)).astype(np.float64)
    chances = np.clip(network.logistic(out[:, :2]), LEAST, 1 - LEAST)
    values = np.maximum(network.softmax(out[:, 2:]), LEAST)
    return VoiceProbabilities(chances[:, 0], chances[:, 1], values)
