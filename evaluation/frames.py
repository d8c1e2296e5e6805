"""Frame-level multipitch measures: which pitches sound, every ten milliseconds.

Measures: those of ``mir_eval.multipitch`` (Poliner and Ellis 2007; Bay, Ehmann and Downie 2009), summed over
frames: precision, recall and accuracy (right / (right + wrong + missing)), and the errors as shares of what
sounds in the reference (substituted, missed, falsely found, all of them); the same with octaves ignored
("chroma"); and the F-measure of precision and recall, as Hawthorne et al. (2018) give it. Named as there
after ``Frame_``, with underscores.

Conventions: frames at 0, :data:`FRAME` … to the last offset of either; a note sounds from its onset to
before its offset. A pitch that sounds twice in one file at once counts once. Pitches are right within a
quarter tone, each once. Undefined measures are None, where mir_eval gives 0.
Method: counted by stretches in which nothing changes. Where pitches lie near semitones (all of MIDI's) they
are counted by semitone; else each stretch is matched by itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.files import Scores
from evaluation.matching import matching
from evaluation.notefiles import NoteTable, hz_to_midi

Counts = npt.NDArray[np.int64]

FRAME = 0.01  # seconds
WINDOW = 0.5  # semitones: a pitch is right within so much
NEAR_SEMITONE = 0.24  # semitones: pitches nearer than that to whole ones are right where those are the same


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """Pitches of all frames together; ``most`` adds up the greater of both counts in each frame, ``least``
    the smaller."""

    right: int
    sought: int
    found: int
    most: int
    least: int

    def __add__(self, other: FrameCounts) -> FrameCounts:
        return FrameCounts(
            self.right + other.right,
            self.sought + other.sought,
            self.found + other.found,
            self.most + other.most,
            self.least + other.least,
        )

    def scores(self, prefix: str = "Frame_") -> Scores:
        def share(count: int, whole: int) -> float | None:
            return count / whole if whole else None

        return {
            f"{prefix}Precision": share(self.right, self.found),
            f"{prefix}Recall": share(self.right, self.sought),
            f"{prefix}F-measure": share(2 * self.right, self.sought + self.found),
            f"{prefix}Accuracy": share(self.right, self.sought + self.found - self.right),
            f"{prefix}Substitution_Error": share(self.least - self.right, self.sought),
            f"{prefix}Miss_Error": share(self.sought - self.least, self.sought),
            f"{prefix}False_Alarm_Error": share(self.found - self.least, self.sought),
            f"{prefix}Total_Error": share(self.most - self.right, self.sought),
        }


def frame_counts(reference: NoteTable, estimate: NoteTable) -> tuple[FrameCounts, FrameCounts]:
    """What sounds in the frames of both, and the same with octaves ignored."""
    sides = _sounding(reference), _sounding(estimate)
    bounds = np.unique(np.concatenate([edges for starts, ends, _ in sides for edges in (starts, ends)]))
    if len(bounds) == 0:
        nothing = FrameCounts(0, 0, 0, 0, 0)
        return nothing, nothing
    pitches = np.concatenate([side[2] for side in sides])
    if (np.abs(pitches - np.round(pitches)) <= NEAR_SEMITONE).all():
        counts = _by_semitone(sides, bounds)
    else:
        counts = _by_stretch(sides, bounds)
    frames = np.diff(bounds)
    sought, found = counts[0] @ frames, counts[1] @ frames
    most, least = np.maximum(counts[0], counts[1]) @ frames, np.minimum(counts[0], counts[1]) @ frames
    plain, chroma = (
        FrameCounts(int(right @ frames), int(sought), int(found), int(most), int(least))
        for right in counts[2:]
    )
    return plain, chroma


_Side = tuple[Counts, Counts, npt.NDArray[np.float64]]
"""First frames, frames after the last, and pitches (continuous MIDI numbers) of sounds."""
_Stretches = tuple[Counts, Counts, Counts, Counts]
"""Of each stretch: pitches in the reference, in the estimate, right ones, right ones by pitch class."""


def _sounding(table: NoteTable) -> _Side:
    """The notes as frames, those of the same pitch that overlap joined."""
    # Rounded so that a time on a frame is on it: 0.07 / 0.01 is a little more than 7.
    edges = np.ceil(np.round(np.maximum(table.intervals, 0.0) / FRAME, 6)).astype(np.int64)
    pitches = hz_to_midi(table.pitches_hz)
    joined: list[tuple[int, int, float]] = []
    for row in np.lexsort((edges[:, 0], pitches)).tolist():
        start, end, pitch = int(edges[row, 0]), int(edges[row, 1]), float(pitches[row])
        if start == end:
            continue
        if joined and joined[-1][2] == pitch and joined[-1][1] >= start:
            start, end = joined[-1][0], max(joined.pop()[1], end)
        joined.append((start, end, pitch))
    spans = np.array([(start, end) for start, end, _ in joined], dtype=np.int64).reshape(-1, 2)
    return spans[:, 0], spans[:, 1], np.array([pitch for _, _, pitch in joined], dtype=np.float64)


def _by_semitone(sides: tuple[_Side, _Side], bounds: Counts) -> _Stretches:
    lowest = min(int(np.round(pitches).min(initial=127)) for _, _, pitches in sides) // 12 * 12
    highest = max(int(np.round(pitches).max(initial=0)) for _, _, pitches in sides)
    octaves = (highest - lowest) // 12 + 1
    rolls = []
    for starts, ends, pitches in sides:
        steps = np.zeros((12 * octaves, len(bounds)), dtype=np.int32)
        rows = np.round(pitches).astype(np.int64) - lowest
        np.add.at(steps, (rows, np.searchsorted(bounds, starts)), 1)
        np.add.at(steps, (rows, np.searchsorted(bounds, ends)), -1)
        rolls.append(steps.cumsum(axis=1)[:, :-1])
    classes = [roll.reshape(octaves, 12, -1).sum(axis=0) for roll in rolls]
    return (
        rolls[0].sum(axis=0),
        rolls[1].sum(axis=0),
        np.minimum(*rolls).sum(axis=0),
        np.minimum(*classes).sum(axis=0),
    )


def _by_stretch(sides: tuple[_Side, _Side], bounds: Counts) -> _Stretches:
    changes: defaultdict[int, list[tuple[int, bool, float]]] = defaultdict(list)
    for side, (starts, ends, pitches) in enumerate(sides):
        for start, end, pitch in zip(starts.tolist(), ends.tolist(), pitches.tolist(), strict=True):
            changes[start].append((side, True, pitch))
            changes[end].append((side, False, pitch))
    active: tuple[set[float], set[float]] = set(), set()
    rows = []
    for bound in bounds[:-1].tolist():
        for side, begins, pitch in sorted(changes[bound], key=lambda change: change[1]):
            (active[side].add if begins else active[side].remove)(pitch)
        true, found = (np.array(sorted(pitches)) for pitches in active)
        rows.append((len(true), len(found), _right(true, found), _right_classes(true, found)))
    counts = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return counts[0], counts[1], counts[2], counts[3]


def _right(true: npt.NDArray[np.float64], found: npt.NDArray[np.float64]) -> int:
    """How many of two sorted lists of pitches match."""
    matched = at = 0
    for pitch in found.tolist():
        while at < len(true) and true[at] < pitch - WINDOW:
            at += 1
        if at < len(true) and true[at] <= pitch + WINDOW:
            at += 1
            matched += 1
    return matched


def _right_classes(true: npt.NDArray[np.float64], found: npt.NDArray[np.float64]) -> int:
    apart = np.abs(np.subtract.outer(true % 12, found % 12))
    sought, heard = np.nonzero(np.minimum(apart, 12 - apart) <= WINDOW)
    return len(matching((sought, heard))[0])
