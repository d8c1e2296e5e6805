"""Bars: from the beats of a performance to the bar lines of the score, and the map between both times.

Task: lay bars over all notes, with a pick-up bar where the music starts before the first full bar,
and say where in the score any moment of the performance falls.

Method: bars follow the counting of the grid. The grid comes from a tracker that now and then counts
wrong for a moment, so a few odd bars that together make whole bars are read as slips and barred
regularly; an odd bar that leaves the counting shifted, or a longer run of equal odd bars, is what
the grid says and gets its own time signature.

Conventions: score time is in quarter notes from the first bar line of the score; between beats the
map is linear, before the first and after the last beat it goes on with the nearest beat's length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fullscore.errors import FullscoreError
from notation.events import Bar
from transcription.beatgrid import BeatGrid, Floats, TimeSignature, extended
from transcription.notes import Note

EARLY_BEATS = 0.12  # a first note this much before a bar line is meant on it
PICK_UP_SHARE = Fraction(2, 3)  # of a bar: music that fills more of its first bar gets a full bar with a rest
LATE_RELEASE_BEATS = 0.5  # a last note released this much after a bar line doesn't open another bar
HELD_BARS = 2  # how far a last note held past the tracked beats is written out
PLAIN_PARTS = (1, 2, 4, 8)  # of a quarter: what a given pick-up is counted in
SLIP_BARS = 4  # as many bars at most are re-barred as one slip of the tracker
METER_CHANGE_BARS = 3  # as many equal odd bars in a row are a change of meter, not a slip


@dataclass(frozen=True, slots=True)
class ScoreTime:
    """The bars of a score, and when each of its beats was played.

    ``beat_times`` are in seconds, ``beat_quarters`` in score quarters; both increase strictly. The
    first beat may lie before 0 where a pick-up bar starts inside a beat.
    """

    bars: tuple[Bar, ...]
    beat_times: tuple[float, ...]
    beat_quarters: tuple[Fraction, ...]

    @property
    def end(self) -> Fraction:
        """The final bar line, in quarters."""
        return self.bars[-1].end

    @property
    def time_signature(self) -> TimeSignature:
        """The meter of the first full bar."""
        return self.bars[min(1, len(self.bars) - 1)].time_signature

    def quarters_at(self, times_s: npt.ArrayLike) -> Floats:
        """Score positions in quarters of ``times_s`` in seconds."""
        return extended(times_s, np.asarray(self.beat_times), np.asarray(self.beat_quarters, dtype=float))

    def seconds_at(self, quarters: npt.ArrayLike) -> Floats:
        """Times in seconds of score positions in quarters: the inverse of :meth:`quarters_at`."""
        return extended(quarters, np.asarray(self.beat_quarters, dtype=float), np.asarray(self.beat_times))


def lay_bars(
    grid: BeatGrid, notes: Sequence[Note], known_pick_up: Fraction | None = None
) -> tuple[tuple[Bar, ...], ScoreTime]:
    """Bars over all ``notes`` as ``grid`` counts them. Without notes: over the grid.

    No bar before the first note; bars tile the score without gaps. The last bar is full, or as short as
    a pick-up of whole beats leaves it where the music fits. ``known_pick_up``
    is how many beats the first note stands before the first bar line (0: on it), whatever the grid counts.

    Raises FullscoreError for a pick-up that no plain notes add up to.
    """
    meter = grid.time_signature
    per_bar, beat_quarters = meter.beats_per_bar, meter.beat_quarters
    first, last = _covered_beats(grid, notes)
    if known_pick_up is not None:
        if (known_pick_up * beat_quarters).denominator not in PLAIN_PARTS:
            raise FullscoreError(
                "a pick-up of {known_pick_up} beats in {meter} can't be written",
                "give beats such as 1 or 1/2",
                known_pick_up=known_pick_up,
                meter=meter,
            )
        line = math.floor(first + float(known_pick_up % per_bar) + 0.5)
        first = line - float(known_pick_up % per_bar)
        last = max(first + EARLY_BEATS, last)
        grid = _counted_from(grid, line)
    starts = _bar_starts(grid, first, last)
    opening = first + EARLY_BEATS - starts[0]
    full = starts[1] - starts[0]
    pick_up = _pick_up_start(first - starts[0], meter.compound) if opening > EARLY_BEATS else Fraction(0)
    if known_pick_up is not None:
        pick_up = line - known_pick_up % per_bar - starts[0]
    elif full - pick_up > PICK_UP_SHARE * full or len(starts) == 2:  # a lone bar leads to nothing
        pick_up = Fraction(0)
    zero = starts[0] + pick_up
    whole_beats = pick_up >= 1 and pick_up.denominator == 1 and len(starts) > 2
    if whole_beats and starts[-1] - starts[-2] == per_bar and last <= starts[-2] + pick_up:
        starts[-1] = starts[-2] + int(pick_up)  # what the pick-up took is left out, as scores have it

    bars = []
    for index, (start, end) in enumerate(pairwise(starts)):
        number = index if pick_up else index + 1
        begin = max(Fraction(start), zero)
        cut = pick_up and end == starts[-1] and end - start == pick_up
        signature = meter if cut or end - start == per_bar else _odd_signature(meter, end - start)
        bars.append(Bar(number, (begin - zero) * beat_quarters, (end - begin) * beat_quarters, signature))
    beats = range(starts[0] + math.floor(pick_up), starts[-1] + 1)
    time = ScoreTime(
        tuple(bars),
        tuple(grid.time_at(list(beats)).tolist()),
        tuple((beat - zero) * beat_quarters for beat in beats),
    )
    return time.bars, time


def _counted_from(grid: BeatGrid, line: int) -> BeatGrid:
    """``grid`` with its counting moved so that the beat ``line`` (an index, perhaps outside) starts a bar."""
    per_bar = grid.time_signature.beats_per_bar
    known = [index for index, number in enumerate(grid.numbers) if number == 1]
    nearest = min(known, key=lambda index: abs(index - line), default=(1 - grid.numbers[0]) % per_bar)
    later = (line - nearest) % per_bar
    before = [(number - 1 - later) % per_bar + 1 for number in grid.numbers[:later]]
    return replace(grid, numbers=(*before, *grid.numbers)[: len(grid.numbers)])


def _covered_beats(grid: BeatGrid, notes: Sequence[Note]) -> tuple[float, float]:
    """From where to where the score goes, in beats of the grid (floats, possibly outside it)."""
    grid_end = len(grid.times) - 1.0
    if not notes:
        return 0.0, grid_end
    first = float(grid.beat_at(min(note.onset for note in notes)))
    onset = float(grid.beat_at(max(note.onset for note in notes)))
    release = float(grid.beat_at(max(note.offset for note in notes))) - LATE_RELEASE_BEATS
    held = max(grid_end, onset + HELD_BARS * grid.time_signature.beats_per_bar)
    return first, max(onset + EARLY_BEATS, min(release, held))


def _bar_starts(grid: BeatGrid, first: float, last: float) -> list[int]:
    """The beats that start a bar, from the bar with ``first`` to the end of the bar with ``last``."""
    per_bar = grid.time_signature.beats_per_bar
    downbeats = [index for index, number in enumerate(grid.numbers) if number == 1]
    if not downbeats:
        downbeats = [(1 - grid.numbers[0]) % per_bar]
    starts = [downbeats[0]]
    for length in _regular_lengths(np.diff(downbeats).tolist(), per_bar):
        starts.append(starts[-1] + length)
    opening = first + EARLY_BEATS
    if starts[0] > opening:
        missing = math.ceil((starts[0] - opening) / per_bar)
        starts = [starts[0] - per_bar * back for back in range(missing, 0, -1)] + starts
    while starts[-1] <= last:
        starts.append(starts[-1] + per_bar)
    begin = max(index for index, start in enumerate(starts) if start <= opening)
    end = min(index for index, start in enumerate(starts) if start > last and index > begin)
    return starts[begin : end + 1]


def _regular_lengths(lengths: Sequence[int], per_bar: int) -> list[int]:
    """Bar lengths in beats with the tracker's slips mended: the sum stays as it is."""
    mended: list[int] = []
    at = 0
    while at < len(lengths):
        repeats = _repeats(lengths, at) if lengths[at] % per_bar else 0
        if repeats >= METER_CHANGE_BARS:
            mended += lengths[at : at + repeats]
            at += repeats
            continue
        for run in range(1, SLIP_BARS + 1):
            total = sum(lengths[at : at + run])
            if at + run <= len(lengths) and total % per_bar == 0:
                mended += [per_bar] * (total // per_bar)
                at += run
                break
        else:
            mended += _odd_bar(lengths[at], per_bar)
            at += 1
    return mended


def _repeats(lengths: Sequence[int], at: int) -> int:
    """How often the length at ``at`` comes in a row."""
    run = 1
    while at + run < len(lengths) and lengths[at + run] == lengths[at]:
        run += 1
    return run


def _odd_bar(beats: int, per_bar: int) -> list[int]:
    """A bar of another length: whole bars first where more than one fits, the odd rest last."""
    whole, rest = divmod(beats, per_bar)
    if whole and rest == 1 and per_bar > 2:  # a single beat too many is a long bar, not a bar of one beat
        return [per_bar] * (whole - 1) + [per_bar + 1]
    return [per_bar] * whole + [rest] * (rest > 0)


def _odd_signature(meter: TimeSignature, beats: int) -> TimeSignature:
    """The time signature of a bar of ``beats`` beats in a piece of this meter."""
    numerator = beats * 3 if meter.compound else beats
    return TimeSignature(min(numerator, 32), meter.denominator)


def _pick_up_start(position: float, compound: bool) -> Fraction:
    """Where a pick-up bar starts, in beats from the bar line before: on a beat or at a plain part of one."""
    beat = math.floor(position + EARLY_BEATS)
    within = (
        (Fraction(0), Fraction(1, 3), Fraction(2, 3))
        if compound
        else (Fraction(0), Fraction(1, 2), Fraction(3, 4))
    )
    return beat + max(part for part in within if part <= max(0.0, position - beat) + EARLY_BEATS)
