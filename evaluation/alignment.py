"""Which note of a written score is which note of another.

Task: pairs of notes of a reference and an estimate; notes without a partner are missing or extra. Paired
notes may differ in pitch, onset, length and voice: what is wrong with them is for ``evaluation.muster``.

Method: the alignment by a hidden Markov model of Nakamura, Yoshii and Katayose, "Performance error detection
and post-processing for fast and accurate symbolic music alignment" (ISMIR 2017), which MUSTER builds upon.

1. Both scores are cut into overlapping windows of notes. The path through both along which most windows have
   like pitches, with free gaps, says which chords can belong to each other at all. It keeps the time linear,
   and leads over sections that only one of the scores has.
2. The estimate's notes, by onset and then pitch, are heard one by one as coming from the chords of the
   reference (Viterbi). Notes that begin together are likely from one chord; the next chord likely follows.
3. Of the runs of notes from one chord the longest series in the reference's order is kept. Within a run
   the notes of right pitch are paired; of the others as many as possible, in order of pitch, between them.
4. Notes of the same pitch left over at the same time in both are paired.

Conventions: indices into the notes of either score. Notes of one pitch that begin together (unisons of two
voices) are one note of the reference: the others are ``unisons``, paired only where the estimate has as many.
Where a note is sounded more than once for one note of the reference, the first counts.

Limits: chords that the estimate writes at the same onset are from one chord of the reference, unless their
pitches rise from one to the next; so what is merged is missing and extra, as it is for the published tool.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evaluation.scoremodel import Score, unfold, within_voices
from notation.musicxml_reader import XmlNote

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Pair = tuple[int, int]

PITCHES = 128
# The coarse path.
HOP, HOPS_IN_WINDOW = 8, 4  # notes; and windows this much longer
MOST_WINDOWS = 3000  # in longer scores they are longer
UNLIKE = 0.25  # of the way from the mean similarity of two windows to 1: not alike below
NEAR = 40  # chords either side of the coarse path that are considered
WIDEST = 250  # chords either side, where the path leads over a gap
# The model: probabilities of a pitch for a note's (Nakamura et al. 2017), and of the next chord. The log
# odds, the pause and what is below are those that bring the rates near the published tool's known ones.
RIGHT, SEMITONE, TONE, OCTAVE, LESS, OTHER = 0.95, 0.0075, 0.011, 0.00235, 0.00046, 1e-6
NEXT, SECOND_NEXT, LATER, ONE_BACK, FURTHER_BACK = 0.945, 0.0061, 0.002, 0.0089, 0.0052
FURTHEST, FURTHEST_BACK = 10, 3  # chords
TOGETHER, APART = 4.6, -4.7  # log odds of the same chord for notes that begin together, and that don't
PAUSE = 0.3  # quarters: going back is possible after a longer one
JUMP = -50.0  # log probability of any other chord
# Notes left over.
NEIGHBOUR = 0.3  # quarters: pairs are sought where the estimate has other onsets within
LARGEST_SHIFT = 0.5  # quarters

_NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Alignment:
    """``pairs`` of indices into the notes of reference and estimate, None where a note has no partner."""

    pairs: tuple[tuple[int | None, int | None], ...]
    unisons: frozenset[int] = frozenset()

    @property
    def matched(self) -> tuple[Pair, ...]:
        """The pairs with a note of both."""
        return tuple((one, other) for one, other in self.pairs if one is not None and other is not None)

    @property
    def missing(self) -> tuple[int, ...]:
        """The notes that only the reference has."""
        return tuple(one for one, other in self.pairs if one is not None and other is None)

    @property
    def extra(self) -> tuple[int, ...]:
        """The notes that only the estimate has."""
        return tuple(other for one, other in self.pairs if one is None and other is not None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two scores, one of them perhaps played out, and how their notes belong together."""

    reference: Score
    estimate: Score
    alignment: Alignment
    played_out: str  # "neither", "reference", "estimate" or "both"


def compare(reference: Score, estimate: Score) -> Comparison:
    """The alignment of the scores as they are written, or with repeats played out where that fits better.

    Ties are those ``within_voices``, so that notes are counted as for MUSTER.
    Of all ways the one with the smallest share of missing and extra notes is taken, and of equal ones the
    first: a performance with its repeats is thus compared with a score that writes them with repeat signs.
    """
    found: list[tuple[float, Comparison]] = []
    ways = (
        ("neither", False, False),
        ("reference", True, False),
        ("estimate", False, True),
        ("both", True, True),
    )
    for name, first, second in ways:
        if (first and not reference.has_repeats) or (second and not estimate.has_repeats):
            continue
        one = within_voices(unfold(reference) if first else reference)
        other = within_voices(unfold(estimate) if second else estimate)
        alignment = align(one, other)
        alone = len(alignment.missing) + len(alignment.extra)
        share = alone / max(len(one.notes) + len(other.notes), 1)
        found.append((share, Comparison(one, other, alignment, name)))
    return min(found, key=lambda each: each[0])[1]


def align(reference: Score, estimate: Score) -> Alignment:
    """Which notes of two scores belong to each other."""
    first, second = reference.notes, estimate.notes
    unisons = _unisons(first)
    doubles = {index for group in unisons for index in group[:-1]}
    chords = _chords(first, doubles)
    heard = [index for chord in _chords(second, set()) for index in chord]
    pairs: list[Pair] = []
    if chords and heard:
        states = _follow(first, chords, second, heard, _band(first, chords, second, heard))
        right, wrong = _notes_in_order(first, chords, second, heard, states)
        pairs = _shifted(first, second, doubles, right, wrong)
    pairs, doubles = _with_unisons(first, second, unisons, pairs)
    done = doubles | {one for one, _ in pairs}, {other for _, other in pairs}
    both: list[tuple[int | None, int | None]] = [*sorted(pairs)]
    both += [(index, None) for index in range(len(first)) if index not in done[0]]
    both += [(None, index) for index in range(len(second)) if index not in done[1]]
    return Alignment(tuple(both), frozenset(doubles))


# Chords -----------------------------------------------------------------------------------------


def _unisons(notes: Sequence[XmlNote]) -> list[list[int]]:
    """Notes of one pitch and onset, in the file's order."""
    at: dict[tuple[Fraction, int], list[int]] = defaultdict(list)
    for index, note in enumerate(notes):
        if not note.grace:
            at[note.onset, note.pitch].append(index)
    return [sorted(group, key=lambda index: notes[index].id) for group in at.values() if len(group) > 1]


def _chords(notes: Sequence[XmlNote], without: set[int]) -> list[list[int]]:
    """Indices of the notes that begin together, by onset, each from the lowest."""
    chords: dict[Fraction, list[int]] = defaultdict(list)
    for index, note in enumerate(notes):
        if index not in without:
            chords[note.onset].append(index)
    return [sorted(chords[onset], key=lambda index: notes[index].pitch) for onset in sorted(chords)]


# Where to look ----------------------------------------------------------------------------------


def _band(
    first: Sequence[XmlNote],
    chords: Sequence[Sequence[int]],
    second: Sequence[XmlNote],
    heard: Sequence[int],
) -> tuple[Integers, Integers]:
    """For each note heard the chords it can be from: the first of them, and the one after the last."""
    chord_of = np.repeat(np.arange(len(chords)), [len(chord) for chord in chords])
    hop = max(HOP, -(-max(len(chord_of), len(heard)) // MOST_WINDOWS))
    windows = [
        _windows(np.array([notes[index].pitch for index in order]), hop)
        for notes, order in ((first, [index for chord in chords for index in chord]), (second, heard))
    ]
    middle = hop * HOPS_IN_WINDOW // 2
    knots = [(0, 0)]
    for one, other in _coarse_path(windows[0] @ windows[1].T):
        place = (
            min(other * hop + middle, len(heard) - 1),
            int(chord_of[min(one * hop + middle, len(chord_of) - 1)]),
        )
        if place[0] > knots[-1][0]:
            knots.append(place)
    knots.append((len(heard) - 1, len(chords) - 1))
    low, high = np.full(len(heard), len(chords)), np.zeros(len(heard), int)
    for (start, lowest), (end, highest) in pairwise(knots):
        low[start : end + 1] = np.minimum(low[start : end + 1], lowest)
        high[start : end + 1] = np.maximum(high[start : end + 1], highest)
    along = np.interp(np.arange(len(heard)), *np.array(knots).T).astype(int)
    low, high = np.maximum(low - NEAR, along - WIDEST), np.minimum(high + NEAR, along + WIDEST)
    return np.clip(low, 0, len(chords) - 1), np.clip(high + 1, 1, len(chords))


def _windows(pitches: Integers, hop: int) -> Floats:
    """How often each pitch is in windows of notes (windows x pitches), of length 1 each."""
    counts = np.zeros((len(pitches) + 1, PITCHES), np.float32)
    counts[np.arange(1, len(pitches) + 1), np.clip(pitches, 0, PITCHES - 1)] = 1
    counts = counts.cumsum(0)
    starts = np.arange(0, max(len(pitches) - hop * HOPS_IN_WINDOW // 2, 1), hop)
    roots = np.sqrt(counts[np.minimum(starts + hop * HOPS_IN_WINDOW, len(pitches))] - counts[starts])
    windows: Floats = roots / np.linalg.norm(roots, axis=1, keepdims=True)
    return windows


def _coarse_path(likeness: Floats) -> list[Pair]:
    """The pairs of rows and columns, both rising, with the largest sum of likeness above the usual."""
    mean = float(likeness.mean())
    gain = likeness - (mean + UNLIKE * (1 - mean))
    rows, columns = gain.shape
    best = np.zeros(columns + 1, np.float32)
    steps = np.zeros((rows, columns + 1), np.int8)  # 0 a pair, 1 the row left out, 2 the column
    for row in range(rows):
        paired = best[:-1] + gain[row]
        here = np.maximum(paired, best[1:])
        best = np.maximum.accumulate(np.concatenate([best[:1], here]))
        steps[row, 1:] = np.where(best[1:] > here, 2, paired < here)
    path: list[Pair] = []
    row, column = rows, columns
    while row and column:
        step = steps[row - 1, column]
        if step == 0:
            path.append((row - 1, column - 1))
        row, column = row - (step != 2), column - (step != 1)
    return path[::-1]


# Following --------------------------------------------------------------------------------------


def _follow(
    first: Sequence[XmlNote],
    chords: Sequence[Sequence[int]],
    second: Sequence[XmlNote],
    heard: Sequence[int],
    band: tuple[Integers, Integers],
) -> list[int]:
    """The chord that each note heard is most likely from (Viterbi)."""
    likely = _pitch_log_probabilities([[_known_pitch(first[index]) for index in chord] for chord in chords])
    sizes = np.array([len({first[index].pitch for index in chord}) for chord in chords])
    staying = ((sizes - 0.9) / (sizes + 0.1)).astype(np.float32)
    log_stay, log_leave = np.log(staying), np.log(1 - staying)
    back = (ONE_BACK, *[FURTHER_BACK] * (FURTHEST_BACK - 1))
    steps = [(1, NEXT), (2, SECOND_NEXT), *((-1 - count, chance) for count, chance in enumerate(back))]
    log_later = np.float32(np.log(LATER))
    # States before the first and behind the last spare looking where a step comes from.
    values = np.full(FURTHEST + len(chords) + FURTHEST_BACK, _NEVER)
    leaving = values.copy()
    before_last = np.lib.stride_tricks.sliding_window_view(leaving, FURTHEST - 2)
    start, end = int(band[0][0]), int(band[1][0])
    best = likely[start:end, _known_pitch(second[heard[0]])].copy()
    best[1:] += np.log(0.1 / len(chords))
    best -= best.max()
    origins = [(start, np.arange(start, end, dtype=np.int32))]
    for before, now, low, high in zip(
        heard[:-1], heard[1:], band[0][1:].tolist(), band[1][1:].tolist(), strict=True
    ):
        values[FURTHEST + start : FURTHEST + end] = best
        leaving[FURTHEST + start : FURTHEST + end] = best + log_leave[start:end]
        likeliest = start + int(best.argmax())
        pause = second[now].onset - second[before].onset
        states = np.arange(low, high, dtype=np.int32)
        best = values[FURTHEST + low : FURTHEST + high] + log_stay[low:high] + (APART if pause else TOGETHER)
        origin = states.copy()

        which = before_last[low:high].argmax(axis=1)  # of the chords three and more before, the best
        later = before_last[states, which] + log_later
        moves = [(later, states - FURTHEST + which.astype(np.int32))]
        for step, chance in steps:
            if step > 0 or pause > PAUSE:
                moved = leaving[FURTHEST + low - step : FURTHEST + high - step] + np.float32(np.log(chance))
                moves.append((moved, states - step))
        moves.append((np.full(len(states), JUMP, np.float32), np.full_like(states, likeliest)))
        for moved, source in moves:
            better = moved > best
            best[better], origin[better] = moved[better], source[better]
        best += likely[low:high, _known_pitch(second[now])]
        best -= best.max()
        origins.append((low, origin))
        values[FURTHEST + start : FURTHEST + end] = leaving[FURTHEST + start : FURTHEST + end] = _NEVER
        start, end = low, high
    state = start + int(best.argmax())
    found = []
    for low, origin in reversed(origins):
        found.append(state)
        state = int(origin[state - low])
    return found[::-1]


def _known_pitch(note: XmlNote) -> int:
    return min(max(note.pitch, 0), PITCHES - 1)


def _pitch_log_probabilities(chords: Sequence[Sequence[int]]) -> Floats:
    """Log probability of each pitch for each chord (chords x pitches)."""
    of_interval = np.zeros(PITCHES)
    of_interval[:13] = [RIGHT, SEMITONE, TONE, *[LESS] * 9, OCTAVE]
    pitches = np.arange(PITCHES)
    near = of_interval[np.abs(pitches[:, None] - pitches)]
    counts = np.zeros((len(chords), PITCHES))
    for row, chord in enumerate(chords):
        np.add.at(counts[row], chord, 1)
    chances = counts @ near + OTHER
    logs: Floats = np.log(chances / chances.sum(axis=1, keepdims=True)).astype(np.float32)
    return logs


# Pairing ----------------------------------------------------------------------------------------


def _notes_in_order(
    first: Sequence[XmlNote],
    chords: Sequence[Sequence[int]],
    second: Sequence[XmlNote],
    heard: Sequence[int],
    states: Sequence[int],
) -> tuple[list[Pair], list[Pair]]:
    """The pairs of right pitch and of wrong pitch within the runs that keep the reference's order."""
    runs: list[tuple[int, list[int]]] = []
    for index, state in zip(heard, states, strict=True):
        if not runs or runs[-1][0] != state:
            runs.append((state, []))
        runs[-1][1].append(index)
    right: list[Pair] = []
    wrong: list[Pair] = []
    for place in _longest_rising([state for state, _ in runs]):
        state, notes = runs[place]
        sounded: dict[int, list[int]] = defaultdict(list)
        for index in reversed(notes):
            sounded[second[index].pitch].append(index)
        bounds = [-1]
        sought: list[list[int]] = [[]]
        for index in chords[state]:
            pitch = first[index].pitch
            if sounded.get(pitch):
                right.append((index, sounded[pitch].pop()))
                bounds.append(pitch)
                sought.append([])
            elif pitch != bounds[-1]:
                sought[-1].append(index)
        bounds.append(PITCHES)
        others = sorted(set(sounded) - set(bounds))
        for (low, high), between in zip(pairwise(bounds), sought, strict=True):
            found = [sounded[pitch][-1] for pitch in others if low < pitch < high]
            wrong += _by_interval(first, between, second, found)
    return right, wrong


def _longest_rising(values: Sequence[int]) -> list[int]:
    """The places of the longest strictly rising series, of equally long ones that of the earliest places."""
    ends: list[int] = []  # negative values that begin the series of each length, from behind
    places: list[int] = []
    after = [-1] * len(values)
    for place in range(len(values) - 1, -1, -1):
        length = bisect_left(ends, -values[place])
        if length == len(ends):
            ends.append(-values[place])
            places.append(place)
        else:
            ends[length], places[length] = -values[place], place
        after[place] = places[length - 1] if length else -1
    found = []
    place = places[-1] if places else -1
    while place >= 0:
        found.append(place)
        place = after[place]
    return found


def _by_interval(
    first: Sequence[XmlNote], sought: Sequence[int], second: Sequence[XmlNote], found: Sequence[int]
) -> list[Pair]:
    """As many pairs as possible, both rising, with the smallest intervals."""
    if not sought or not found:
        return []
    costs = np.full((len(sought) + 1, len(found) + 1), 0)
    for row, one in enumerate(sought):
        for column, other in enumerate(found):
            pair = costs[row, column] + abs(first[one].pitch - second[other].pitch) - PITCHES
            costs[row + 1, column + 1] = min(costs[row, column + 1], costs[row + 1, column], pair)
    pairs: list[Pair] = []
    row, column = len(sought), len(found)
    while row and column:
        if costs[row, column] == costs[row - 1, column]:
            row -= 1
        elif costs[row, column] == costs[row, column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            pairs.append((sought[row], found[column]))
    return pairs


def _shifted(
    first: Sequence[XmlNote],
    second: Sequence[XmlNote],
    doubles: set[int],
    right: Sequence[Pair],
    wrong: Sequence[Pair],
) -> list[Pair]:
    """The pairs, with those of notes left over that have the same pitch at about the same time."""
    times: dict[Fraction, list[float]] = defaultdict(list)
    belongs: dict[Fraction, set[Fraction]] = defaultdict(set)
    for one, other in (*right, *wrong):
        times[first[one].onset].append(float(second[other].onset))
    for one, other in right:
        belongs[second[other].onset].add(first[one].onset)
    if not times:
        return [*right, *wrong]
    known = np.array([(float(onset), float(np.mean(times[onset]))) for onset in sorted(times)]).T
    expected = np.interp([float(note.onset) for note in first], *known)
    onsets = sorted({float(note.onset) for note in second})
    free: dict[int, list[int]] = defaultdict(list)
    taken = {other for _, other in right}
    for index, note in enumerate(second):
        place = bisect_left(onsets, float(note.onset))
        around = onsets[max(place - 1, 0) : place + 2]
        if index not in taken and min(np.diff(around), default=np.inf) < NEIGHBOUR:
            free[note.pitch].append(index)
    candidates: list[tuple[float, int, int]] = []
    taken = {one for one, _ in right} | doubles
    for index, note in enumerate(first):
        if index in taken or note.pitch not in free:
            continue
        for other in free[note.pitch]:
            shift = abs(float(second[other].onset) - float(expected[index]))
            if shift <= LARGEST_SHIFT and not belongs[second[other].onset] - {note.onset}:
                candidates.append((shift, index, other))
    ones: dict[int, int] = {}
    others: set[int] = set()
    for _, one, other in sorted(candidates):
        if one not in ones and other not in others:
            ones[one] = other
            others.add(other)
    return [
        *right,
        *ones.items(),
        *((one, other) for one, other in wrong if one not in ones and other not in others),
    ]


def _with_unisons(
    first: Sequence[XmlNote],
    second: Sequence[XmlNote],
    unisons: Sequence[Sequence[int]],
    pairs: Sequence[Pair],
) -> tuple[list[Pair], set[int]]:
    """The pairs with unisons of both scores paired voice by voice, and the reference's that then stand alone.

    A single note of the estimate is that of its own voice, if there is one.
    """
    found = dict(pairs)
    taken = set(found.values())
    group_of = {index: group for group in _unisons(second) for index in group}
    doubles: set[int] = set()
    for group in unisons:
        doubles.update(group[:-1])
        other = found.get(group[-1])
        if other is None or second[other].pitch != first[group[-1]].pitch:
            continue
        mates = [index for index in group_of.get(other, ()) if index == other or index not in taken]
        if len(mates) > 1:
            found.update(zip(reversed(group), reversed(mates), strict=False))
            continue
        voice = second[other].staff, second[other].voice
        for index in group[:-1]:
            if (first[index].staff, first[index].voice) == voice:
                del found[group[-1]]
                found[index] = other
                doubles = doubles - {index} | {group[-1]}
                break
    return list(found.items()), doubles
