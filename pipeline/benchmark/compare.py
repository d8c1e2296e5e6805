"""Two runs of a benchmark compared: which differences are more than chance between songs would make.

Method: the songs that both runs measured are paired, and of each main measure the mean of the differences is
given with its 95 % interval by the bootstrap (Efron 1979) over songs: RESAMPLES draws of as many songs with
replacement, from a fixed seed, and the percentiles of their means. A difference is marked where that interval
leaves out 0. With fewer than MIN_SONGS songs nothing is marked: that all of n songs differ in one direction
has a chance of 2^(1-n), which is below 5 % from six on. For a single song no claim can be made at all.

Limits: songs are taken as drawn from those that one cares about; no correction is made for how many measures
are looked at, so of twenty marks one may be chance. Times depend on what else the machine does: seconds are
marked beyond TIME_TOLERANCE and at least TIME_STEP_S, memory beyond MEMORY_TOLERANCE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.kinds import KINDS
from pipeline.benchmark.song import main_measures

RESAMPLES = 10_000
CONFIDENCE = 0.95
MIN_SONGS = 6
TIME_TOLERANCE = 0.25  # of the other run's seconds
TIME_STEP_S = 1.0
MEMORY_TOLERANCE = 0.1  # of the other run's megabytes
SAME = 1e-9  # differences of rounding

BETTER, WORSE, NOISE, FEW, EQUAL = "better", "worse", "within noise", "too few songs", "equal"

_ERRORS = re.compile(r"(ER|ER_no_grace|WIL|WER_\w+|Rate|False Alarm|[Ee]rror\w*|[am]ae(_line)?)$")


def lower_is_better(measure: str) -> bool:
    """Whether a measure counts errors, by its name in the literature."""
    return bool(_ERRORS.search(measure))


def compare_results(results: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """How ``results`` differs from ``other`` (both as in ``results.json``).

    ``kinds`` holds by kind and main measure: songs (how many), ours, other, difference, interval (or None),
    verdict; ``songs`` the same measures of each song; ``costs`` by stage seconds and memory of the songs
    that both did, with verdicts; ``only_ours`` and ``only_other`` the songs that can't be compared.
    """
    ours, theirs = _done(results), _done(other)
    shared = [name for name in ours if name in theirs]
    kinds: dict[str, Any] = {}
    songs: list[dict[str, Any]] = []
    for kind in KINDS:
        measured = [
            name for name in shared if kind in ours[name]["measures"] and kind in theirs[name]["measures"]
        ]
        for measure in main_measures(kind) if measured else ():
            pairs = {
                name: (here, there)
                for name in measured
                if (here := ours[name]["measures"][kind].get(measure)) is not None
                and (there := theirs[name]["measures"][kind].get(measure)) is not None
            }
            if pairs:
                kinds.setdefault(kind, {})[measure] = compare_pairs(
                    list(pairs.values()), lower_is_better(measure)
                )
                songs += [
                    {"song": name, "kind": kind, "measure": measure, "ours": here, "other": there}
                    for name, (here, there) in pairs.items()
                ]
    return {
        "names": [results["name"], other["name"]],
        "kinds": kinds,
        "songs": songs,
        "costs": _costs([(ours[name], theirs[name]) for name in shared]),
        "only_ours": sorted(ours.keys() - theirs.keys()),
        "only_other": sorted(theirs.keys() - ours.keys()),
    }


def compare_pairs(pairs: Sequence[tuple[float, float]], lower_better: bool = False) -> dict[str, Any]:
    """The mean difference of ``(ours, other)`` of each song, its interval, and what may be said of it."""
    import numpy as np

    values = np.array(pairs, dtype=np.float64)
    differences = values[:, 0] - values[:, 1]
    found: dict[str, Any] = {
        "songs": len(pairs),
        "ours": float(values[:, 0].mean()),
        "other": float(values[:, 1].mean()),
        "difference": float(differences.mean()),
        "interval": None,
    }
    if (np.abs(differences) <= SAME).all():
        return {**found, "verdict": EQUAL}
    if len(pairs) < MIN_SONGS:
        return {**found, "verdict": FEW}
    draws = np.random.default_rng(0).integers(len(pairs), size=(RESAMPLES, len(pairs)))
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(differences[draws].mean(axis=1), [tail, 100 - tail]).tolist()
    verdict = NOISE if low <= 0 <= high else BETTER if (low > 0) != lower_better else WORSE
    return {**found, "interval": [low, high], "verdict": verdict}


def compare_cost(ours: float, other: float, share: float, step: float = 0.0) -> str:
    """Whether a cost is lower (better) or higher (worse) by more than ``share`` of the other and ``step``."""
    if abs(ours - other) <= max(share * other, step):
        return NOISE
    return BETTER if ours < other else WORSE


def _done(results: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row for name, row in results["songs"].items() if not row["failed"]}


def _costs(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, Any]:
    costs: dict[str, Any] = {}
    for stage in dict.fromkeys(name for ours, _ in pairs for name in ours["stages"]):
        both = [
            (ours["stages"][stage], other["stages"][stage])
            for ours, other in pairs
            if stage in other["stages"]
        ]
        if not both:
            continue
        seconds = [sum(side[at]["seconds"] for side in both) for at in (0, 1)]
        memory = [max(side[at]["peak_memory_mb"] for side in both) for at in (0, 1)]
        costs[stage] = {
            "seconds": seconds,
            "seconds_verdict": compare_cost(seconds[0], seconds[1], TIME_TOLERANCE, TIME_STEP_S),
            "peak_memory_mb": memory,
            "memory_verdict": compare_cost(memory[0], memory[1], MEMORY_TOLERANCE),
        }
    return costs
