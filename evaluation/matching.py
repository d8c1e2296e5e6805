"""Matching of true and found notes: each to at most one of the other, and as many as can be.

Task: which notes may stand for which (onset, pitch and offset within tolerances), and a largest matching of
them, the same that ``mir_eval.transcription`` finds, pair by pair, so that measures of the matched notes
(overlap, velocity) are the same too. Method: candidates by binary search in the sorted times, where mir_eval
compares all with all; then Hopcroft and Karp (1973), greedy first, visiting notes in mir_eval's order. Where
only the number of matches counts and each true time reaches a run of found times, Glover (1967).

Conventions: times in seconds, distances in time rounded to :data:`DECIMALS` places and tolerances inclusive,
as in mir_eval; pitches in Hz, pitch tolerances in cents. Pairs are index arrays (reference, estimate).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Pairs = tuple[Indices, Indices]

DECIMALS = 4  # of distances in seconds
BLOCK = 2_000_000  # candidates weighed at once, for memory
OCTAVE = 1200.0  # cents


def within(reference_s: Floats, estimate_s: Floats, tolerance_s: float | Floats) -> npt.NDArray[np.bool_]:
    """Whether times are as near as the tolerance, element by element."""
    near: npt.NDArray[np.bool_] = np.around(np.abs(reference_s - estimate_s), DECIMALS) <= tolerance_s
    return near


def reach(reference_s: Floats, sorted_s: Floats, tolerance_s: float | Floats) -> Pairs:
    """For each reference time the first of the sorted times within its tolerance, and the one after the last.

    ``tolerance_s`` is one for all or one for each reference time.
    """
    tolerances = np.broadcast_to(np.asarray(tolerance_s, dtype=np.float64), reference_s.shape)

    def reached(at: Indices) -> npt.NDArray[np.bool_]:
        return (sorted_s[at] >= reference_s) | within(reference_s, sorted_s[at], tolerances)

    def passed(at: Indices) -> npt.NDArray[np.bool_]:
        return (sorted_s[at] > reference_s) & ~within(reference_s, sorted_s[at], tolerances)

    count, found = len(reference_s), len(sorted_s)
    return _bisect(reached, count, found), _bisect(passed, count, found)


def _bisect(condition: Callable[[Indices], npt.NDArray[np.bool_]], count: int, found: int) -> Indices:
    """For each of ``count`` searches the first place from 0 to ``found`` from which the condition holds."""
    low = np.zeros(count, dtype=np.int64)
    high = np.full(count, found, dtype=np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        holds = condition(np.minimum(middle, found - 1)) | (middle == found)
        high = np.where(holds, middle, high)
        low = np.where(holds, low, middle + 1)
    return low


def note_pairs(
    reference_onsets_s: Floats, reference_hz: Floats, estimate_onsets_s: Floats, estimate_hz: Floats,
    onset_tolerance_s: float, pitch_tolerance_cents: float, *, octave_invariant: bool = False,
) -> Pairs:  # fmt: skip
    """All pairs of notes alike in onset and pitch (in pitch class only), by reference, then estimate."""
    order = np.argsort(estimate_onsets_s, kind="stable")
    first, last = reach(reference_onsets_s, estimate_onsets_s[order], onset_tolerance_s)
    true_octaves, found_octaves = np.log2(reference_hz), np.log2(estimate_hz)
    edges = np.cumsum(last - first)
    total = int(edges[-1]) if len(edges) else 0
    cuts = np.unique(np.searchsorted(edges, np.arange(BLOCK, total, BLOCK)))
    parts = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    for chosen in np.split(np.arange(len(first)), cuts):
        counts = last[chosen] - first[chosen]
        sought = np.repeat(chosen, counts)
        rank = np.arange(len(sought)) - np.repeat(np.cumsum(counts) - counts, counts)
        found = order[np.repeat(first[chosen], counts) + rank]
        cents = np.abs(1200.0 * (true_octaves[sought] - found_octaves[found]))
        if octave_invariant:
            cents = np.minimum(cents % OCTAVE, OCTAVE - cents % OCTAVE)
        alike = cents <= pitch_tolerance_cents
        parts.append((sought[alike], found[alike]))
    sought, found = (np.concatenate(side) for side in zip(*parts, strict=True))
    by_note = np.lexsort((found, sought))
    return sought[by_note], found[by_note]


def matching_size(first: Indices, last: Indices, found: int) -> int:
    """How many can be matched where each true time may take any found one from ``first`` to before ``last``.

    Of the true times waiting, each found one goes to the one whose reach ends first (Glover, 1967).
    """
    waiting: list[int] = []
    arrivals = sorted(zip(first.tolist(), last.tolist(), strict=True), reverse=True)
    matched = 0
    for place in range(found):
        while arrivals and arrivals[-1][0] <= place:
            heapq.heappush(waiting, arrivals.pop()[1])
        while waiting and waiting[0] <= place:
            heapq.heappop(waiting)
        if waiting:
            heapq.heappop(waiting)
            matched += 1
    return matched


def matching(pairs: Pairs) -> Pairs:
    """A largest matching among ``pairs`` (by reference, then estimate), by reference."""
    choices: dict[int, list[int]] = {}
    for sought, found in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True):
        choices.setdefault(found, []).append(sought)
    taken: dict[int, int] = {}
    for found, wanted in choices.items():
        free = next((sought for sought in wanted if sought not in taken), None)
        if free is not None:
            taken[free] = found
    while _lengthen(choices, taken):
        pass
    rows = np.array(sorted(taken.items()), dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _lengthen(choices: dict[int, list[int]], taken: dict[int, int]) -> bool:
    """One round of Hopcroft and Karp: change ``taken`` along shortest alternating paths, if there are any."""
    busy = set(taken.values())
    via: dict[int, int | None] = {found: None for found in choices if found not in busy}
    """The note by which the search came to each found note: the one it holds; None where it holds none."""
    layer = list(via)
    origins: dict[int, list[int]] = {}  # of each true note reached: the found notes one layer before it
    ends: list[int] = []
    while layer and not ends:
        reached: dict[int, list[int]] = {}
        for found in layer:
            for sought in choices[found]:
                if sought not in origins:
                    reached.setdefault(sought, []).append(found)
        origins.update(reached)
        ends = [sought for sought in reached if sought not in taken]
        held = [(taken[sought], sought) for sought in reached if sought in taken]
        via.update(held)
        layer = [found for found, _ in held]
    for end in ends:
        _augment(end, origins, via, taken)
    return bool(ends)


def _augment(
    end: int, origins: dict[int, list[int]], via: dict[int, int | None], taken: dict[int, int]
) -> None:
    """Search back from the free note ``end`` for a free found note; no note is tried twice."""
    path: list[tuple[int, int]] = []
    stack = [(end, iter(origins.pop(end, ())))]
    while stack:
        sought, candidates = stack[-1]
        found = next((candidate for candidate in candidates if candidate in via), None)
        if found is None:
            stack.pop()
            if path:
                path.pop()
            continue
        path.append((sought, found))
        before = via.pop(found)
        if before is None:
            taken.update(path)
            return
        stack.append((before, iter(origins.pop(before, ()))))
