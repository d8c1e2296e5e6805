"""What a network hears of the notes: chords ("clusters") and their features.

A cluster is a group of notes that begin together. Its features are what can be told without knowing
the beat: pitch classes, register, loudness, how long the notes last and are felt to last, the time to
the clusters around it, and how close together onsets follow in the next and the last seconds, on a
logarithmic axis of time.

Conventions: times in seconds; one row of features a cluster, in order of time. The features are
about zero to one in size; ``FEATURES`` is their number. Training (``training.train_beats``) and use call
the same function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transcription.notes import Note

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

GAP_S, SPAN_S = 0.025, 0.055
"""Notes begin together when each follows the one before within GAP_S and the first within SPAN_S."""
NEAR_PITCH, FOLLOWERS = 4, 24
"""A note is felt to last until one of the next FOLLOWERS notes begins within NEAR_PITCH semitones of it."""
LAGS_S = np.geomspace(0.08, 4.0, 24)
"""The distances in time at which other clusters are counted, forward and backward."""
NEIGHBOURS = 5
SHORTEST_S, LONGEST_S = 0.02, 8.0
"""The limits of all times before their logarithm is taken."""
CHROMA_RATE_HZ = 20
HARMONY_SPANS_S = (0.5, 1.0, 2.0)
DRUM_GROUPS = (frozenset({35, 36}), frozenset({37, 38, 39, 40}), frozenset({42, 44, 46, 51, 53, 59}))
"""Kick, snare, and what keeps time; everything else is a fourth group."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Groups of notes that begin together: mean onset, and for each note (in order of onset) its group."""

    times: Floats
    group: Ints
    order: Ints

    def __len__(self) -> int:
        return len(self.times)


def clusters_of(onset: Floats) -> Clusters:
    """Group notes by their onsets, which need not be in order; ``order`` is the order of ``group``."""
    order = np.argsort(onset, kind="stable")
    group = np.zeros(len(onset), np.int64)
    number, first, last = -1, -np.inf, -np.inf
    for n, time in enumerate(onset[order].tolist()):
        if time - last > GAP_S or time - first > SPAN_S:
            number, first = number + 1, time
        group[n], last = number, time
    count = np.bincount(group) if len(group) else np.zeros(0)
    times = np.bincount(group, weights=onset[order]) / np.maximum(count, 1) if len(group) else np.zeros(0)
    return Clusters(np.asarray(times, float), group, order)


def note_arrays(notes: Sequence[Note]) -> tuple[Floats, Floats, Floats, Floats, Bools]:
    """Onset, offset, pitch, velocity and whether it is a drum's, of each note."""
    return (
        np.array([n.onset for n in notes], float),
        np.array([n.offset for n in notes], float),
        np.array([n.pitch for n in notes], float),
        np.array([n.velocity for n in notes], float),
        np.array([n.stem == "drums" for n in notes], bool),
    )


def log_time(seconds: Floats) -> Floats:
    """Logarithm of a time, scaled to about -1 to 1 around 0.4 s."""
    return np.asarray(np.log(np.clip(seconds, SHORTEST_S, LONGEST_S) / 0.4) / 3.0)


def cluster_features(
    clusters: Clusters, onset: Floats, offset: Floats, pitch: Floats, velocity: Floats, drum: Bools
) -> npt.NDArray[np.float32]:
    """The features of each cluster, (clusters, FEATURES)."""
    count = len(clusters)
    group, order = clusters.group, clusters.order
    onset, pitch, velocity, drum = onset[order], np.rint(pitch[order]), velocity[order], drum[order]
    length = np.maximum(offset[order] - onset, SHORTEST_S)
    times = clusters.times
    tuned = ~drum
    columns: list[Floats] = []

    classes = np.zeros((count, 12))
    np.maximum.at(classes, (group[tuned], pitch[tuned].astype(int) % 12), 1.0)
    lowest = np.full(count, np.inf)
    np.minimum.at(lowest, group[tuned], pitch[tuned])
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, group[tuned], pitch[tuned])
    silent = ~np.isfinite(lowest)
    middle = float(np.median(pitch[tuned])) if tuned.any() else 60.0
    lowest, highest = np.where(silent, middle, lowest), np.where(silent, middle, highest)
    bass = np.zeros((count, 12))
    bass[np.arange(count), lowest.astype(int) % 12] = ~silent
    registers = np.zeros((count, 8))
    np.add.at(registers, (group[tuned], np.clip(pitch[tuned].astype(int) // 12 - 1, 0, 7)), 0.5)
    columns += [classes, bass, np.minimum(registers, 1.5)]

    low, high = (lowest - 48) / 24, (highest - 72) / 24
    columns += [low, high, (lowest - local_mean(times, lowest, 6.0)) / 12]
    columns += [(highest - local_mean(times, highest, 6.0)) / 12]
    for line in (lowest, highest):
        step = np.diff(line, prepend=line[:1]) / 12
        columns += [np.clip(step, -2, 2), np.clip(np.append(step[1:], 0.0), -2, 2)]
    around = np.searchsorted(times, [times - 0.8, times + 0.8])
    columns.append((lowest <= running_minimum(lowest, around[0], around[1]) + 0.5).astype(float))

    size = np.bincount(group, minlength=count).astype(float)
    sounding = np.searchsorted(np.sort(onset), times + SPAN_S) - np.searchsorted(
        np.sort(onset + length), times
    )
    columns += [np.log(size) / 2, np.log1p(np.maximum(sounding, 0)) / 2]

    loud = np.bincount(group, weights=velocity, minlength=count) / size
    loudest = maximum_by(group, velocity, count)
    columns += [(loud - 64) / 32, (loudest - 64) / 32, (loudest - local_mean(times, loudest, 4.0)) / 16]

    felt = felt_length(onset, pitch, length)
    for values in (length, felt):
        longest = np.log(maximum_by(group, values, count))
        columns += [log_time(np.exp(longest)), longest - local_mean(times, longest, 4.0)]
        for edge in (lowest, highest):
            at_edge = np.where(pitch == edge[group], values, 0.0)
            columns.append(log_time(maximum_by(group, at_edge, count)))

    for k in range(1, NEIGHBOURS + 1):
        ahead = np.full(count, LONGEST_S)
        if count > k:
            ahead[:-k] = times[k:] - times[:-k]
        behind = np.full(count, LONGEST_S)
        if count > k:
            behind[k:] = times[k:] - times[:-k]
        columns += [log_time(ahead), log_time(behind)]

    weight = np.minimum(np.sqrt(size), 2.0) / 2
    strong = np.clip(
        0.5
        + 0.5
        * (
            np.log(maximum_by(group, felt, count))
            - local_mean(times, np.log(maximum_by(group, felt, count)), 4.0)
        ),
        0,
        1.5,
    )
    columns += [lag_counts(times, weight), lag_counts(times, strong)]

    for span in HARMONY_SPANS_S:
        columns.append(harmonic_change(onset[tuned], pitch[tuned], length[tuned], times, span))
    columns.append(fresh_share(onset, pitch, tuned, group, size))
    hits = np.zeros((count, 4))
    for n in np.flatnonzero(drum):
        kind = next((k for k, names in enumerate(DRUM_GROUPS) if int(pitch[n]) in names), 3)
        hits[group[n], kind] = 1.0
    columns.append(hits)
    spread = maximum_by(group, onset, count) + maximum_by(group, -onset, count)
    columns.append(spread / SPAN_S)
    table = np.concatenate([np.asarray(c, float).reshape(count, -1) for c in columns], axis=1)
    return np.asarray(np.clip(table, -4, 4), np.float32)


def maximum_by(group: Ints, values: Floats, count: int) -> Floats:
    result = np.full(count, -np.inf)
    np.maximum.at(result, group, values)
    return result


def running_minimum(values: Floats, begin: Ints, end: Ints) -> Floats:
    """The least of ``values[begin:end]`` for each pair of growing bounds."""
    bounds = np.stack([begin, np.minimum(end, len(values))], axis=1).ravel()
    extended = np.append(values, np.inf)
    return np.asarray(np.minimum.reduceat(extended, bounds)[::2])


def felt_length(onset: Floats, pitch: Floats, length: Floats) -> Floats:
    """How long each note is felt to last, however long it is held: until something begins near its pitch."""
    result = np.full(len(onset), LONGEST_S)
    for k in range(min(FOLLOWERS, len(onset) - 1), 0, -1):
        apart = onset[k:] - onset[:-k]
        near = (np.abs(pitch[k:] - pitch[:-k]) <= NEAR_PITCH) & (apart > SPAN_S)
        result[:-k] = np.where(near, apart, result[:-k])
    return np.asarray(np.maximum(np.minimum(result, np.maximum(length, 1.0)), SHORTEST_S))


def local_mean(times: Floats, values: Floats, span_s: float) -> Floats:
    """The mean of the values within ``span_s`` around each of the sorted times."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    lo = np.searchsorted(times, times - span_s / 2, side="left")
    hi = np.searchsorted(times, times + span_s / 2, side="right")
    return np.asarray((total[hi] - total[lo]) / (hi - lo))


def lag_counts(times: Floats, weight: Floats) -> Floats:
    """The weight of the clusters at each of LAGS_S after and before each cluster: (clusters, 2 * lags)."""
    count, lags = len(times), len(LAGS_S)
    result = np.zeros((count, 2, lags + 1))
    step = np.log(LAGS_S[1] / LAGS_S[0])
    k = 1
    while k < count:
        apart = times[k:] - times[:-k]
        inside = np.flatnonzero(apart < LAGS_S[-1])
        if not len(inside):
            break
        place = np.log(np.maximum(apart[inside], LAGS_S[0]) / LAGS_S[0]) / step
        lower = place.astype(int)
        part = place - lower
        for side, here, other in ((0, inside, inside + k), (1, inside + k, inside)):
            value = weight[other]
            result[here, side, lower] = np.maximum(result[here, side, lower], (1 - part) * value)
            result[here, side, lower + 1] = np.maximum(result[here, side, lower + 1], part * value)
        k += 1
    return result[:, :, :lags].reshape(count, -1)


def harmonic_change(onset: Floats, pitch: Floats, length: Floats, times: Floats, span_s: float) -> Floats:
    """1 - the cosine between the pitch classes that sound in ``span_s`` after and before each time."""
    if not len(onset):
        return np.zeros(len(times))
    rate = CHROMA_RATE_HZ
    origin = float(min(onset.min(), times[0]))
    frames = int((max(float(times[-1]), float(onset.max())) - origin + 2) * rate) + 2
    # Each note counts with its length, at most 1 s, laid down as +1 and -1 and summed up.
    edges = np.zeros((frames + 1, 12))
    start = np.rint((onset - origin) * rate).astype(int)
    stop = np.minimum(start + np.maximum(1, np.rint(np.minimum(length, 1.0) * rate).astype(int)), frames)
    classes = (pitch % 12).astype(int)
    bass_weight = 1.0 + (pitch < 52)
    np.add.at(edges, (start, classes), bass_weight)
    np.add.at(edges, (stop, classes), -bass_weight)
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(np.cumsum(edges, axis=0), axis=0)])
    here = np.clip(np.rint((times - origin) * rate).astype(int), 0, frames)
    width = int(span_s * rate)
    after = total[np.minimum(here + width, frames)] - total[here]
    before = total[here] - total[np.maximum(here - width, 0)]
    norm = np.linalg.norm(after, axis=1) * np.linalg.norm(before, axis=1)
    cosine = np.einsum("ij,ij->i", after, before) / np.maximum(norm, 1e-9)
    return np.asarray(np.where(norm > 1e-9, 1 - cosine, 0.5))


def fresh_share(
    onset: Floats, pitch: Floats, tuned: Bools, group: Ints, size: Floats, span_s: float = 1.2
) -> Floats:
    """The share of each cluster's notes whose pitch class has not begun for ``span_s``."""
    name = np.where(tuned, pitch.astype(int) % 12, 12)
    order = np.lexsort((onset, name))
    since = np.full(len(onset), np.inf)
    same = name[order][1:] == name[order][:-1]
    since[order[1:][same]] = np.diff(onset[order])[same]
    return np.asarray(np.bincount(group, weights=(since > span_s) & tuned, minlength=len(size)) / size)
