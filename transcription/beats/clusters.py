"""What a network hears of the notes: chords ("clusters") and their features.

A cluster is a group of notes that begin together. Its features are what can be told without knowing
the beat: pitch classes, register, loudness, how long the notes last and are felt to last, the time to
the clusters around it, and how close together onsets follow in the next and the last seconds, on a
logarithmic axis of time.

Conventions: times in seconds; one row of features a cluster, in order of time. The features are about zero
to one in size. Training (``training.train_beats``) and use call the same function; what the network was
trained on must not change. ``transcription.beats.onsets`` weighs some of the features by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
FELT_S = 1.0
"""A note that is let go sooner is felt to last as long if nothing begins near it."""
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


def clusters_of(onset: Floats, gap_s: float = GAP_S, span_s: float = SPAN_S) -> Clusters:
    """Group notes by their onsets, which need not be in order; ``order`` is the order of ``group``."""
    order = np.argsort(onset, kind="stable")
    group = np.zeros(len(onset), np.int64)
    number, first, last = -1, -np.inf, -np.inf
    for n, time in enumerate(onset[order].tolist()):
        if time - last > gap_s or time - first > span_s:
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
    """The features of each cluster, (clusters, features)."""
    order = clusters.order
    onset, pitch, velocity, tuned = onset[order], np.rint(pitch[order]), velocity[order], ~drum[order]
    length = np.maximum(offset[order] - onset, SHORTEST_S)
    felt = felt_length(onset, pitch, length)
    edges = edges_of(clusters, pitch, tuned)
    columns = [
        *pitch_columns(clusters, pitch, tuned, edges),
        *size_columns(clusters, onset, length),
        *loudness_columns(clusters, velocity),
        *length_columns(clusters, pitch, length, edges),
        *length_columns(clusters, pitch, felt, edges),
        *rhythm_columns(clusters, felt),
        *harmony_columns(clusters, onset, pitch, length, tuned),
        drum_hits(clusters, pitch, tuned),
        spread_of(clusters, onset) / SPAN_S,
    ]
    table = np.concatenate([np.asarray(c, float).reshape(len(clusters), -1) for c in columns], axis=1)
    return np.asarray(np.clip(table, -4, 4), np.float32)


@dataclass(frozen=True, slots=True)
class Edges:
    """The lowest and the highest pitch of each cluster; where it has none (``silent``) the median of all."""

    lowest: Floats
    highest: Floats
    silent: Bools


def edges_of(clusters: Clusters, pitch: Floats, tuned: Bools) -> Edges:
    lowest = np.full(len(clusters), np.inf)
    np.minimum.at(lowest, clusters.group[tuned], pitch[tuned])
    highest = maximum_by(clusters.group[tuned], pitch[tuned], len(clusters))
    silent = ~np.isfinite(lowest)
    middle = float(np.median(pitch[tuned])) if tuned.any() else 60.0
    return Edges(np.where(silent, middle, lowest), np.where(silent, middle, highest), silent)


def pitch_columns(clusters: Clusters, pitch: Floats, tuned: Bools, edges: Edges) -> Iterator[Floats]:
    """Pitch classes, bass and register; how the lowest and the highest line lie and move."""
    count, times, group = len(clusters), clusters.times, clusters.group[tuned]
    played = pitch[tuned].astype(int)
    classes = np.zeros((count, 12))
    np.maximum.at(classes, (group, played % 12), 1.0)
    bass = np.zeros((count, 12))
    bass[np.arange(count), edges.lowest.astype(int) % 12] = ~edges.silent
    registers = np.zeros((count, 8))
    np.add.at(registers, (group, np.clip(played // 12 - 1, 0, 7)), 0.5)
    yield from (classes, bass, np.minimum(registers, 1.5))
    yield from ((edges.lowest - 48) / 24, (edges.highest - 72) / 24)
    for line in (edges.lowest, edges.highest):
        yield (line - local_mean(times, line, 6.0)) / 12
    for line in (edges.lowest, edges.highest):
        step = np.diff(line, prepend=line[:1]) / 12
        yield from (np.clip(step, -2, 2), np.clip(np.append(step[1:], 0.0), -2, 2))
    begin, end = np.searchsorted(times, [times - 0.8, times + 0.8])
    yield (edges.lowest <= running_minimum(edges.lowest, begin, end) + 0.5).astype(float)


def size_columns(clusters: Clusters, onset: Floats, length: Floats) -> Iterator[Floats]:
    """How many notes begin, and how many sound."""
    begun = np.searchsorted(np.sort(onset), clusters.times + SPAN_S)
    sounding = begun - np.searchsorted(np.sort(onset + length), clusters.times)
    yield from (np.log(sizes_of(clusters)) / 2, np.log1p(np.maximum(sounding, 0)) / 2)


def loudness_columns(clusters: Clusters, velocity: Floats) -> Iterator[Floats]:
    """The mean and the greatest velocity, and this beside those around."""
    count = len(clusters)
    loud = np.bincount(clusters.group, weights=velocity, minlength=count) / sizes_of(clusters)
    loudest = maximum_by(clusters.group, velocity, count)
    yield from ((loud - 64) / 32, (loudest - 64) / 32)
    yield (loudest - local_mean(clusters.times, loudest, 4.0)) / 16


def length_columns(clusters: Clusters, pitch: Floats, length: Floats, edges: Edges) -> Iterator[Floats]:
    """The greatest length in a cluster, this beside those around, and that of its lowest and highest note."""
    longest = log_longest(clusters, length)
    yield from (log_time(np.exp(longest)), longest - local_mean(clusters.times, longest, 4.0))
    for edge in (edges.lowest, edges.highest):
        at_edge = np.where(pitch == edge[clusters.group], length, 0.0)
        yield log_time(maximum_by(clusters.group, at_edge, len(clusters)))


def rhythm_columns(clusters: Clusters, felt: Floats) -> Iterator[Floats]:
    """The time to the clusters around each, and how much follows at which distance: in size, in length."""
    count, times = len(clusters), clusters.times
    for k in range(1, NEIGHBOURS + 1):
        ahead, behind = np.full(count, LONGEST_S), np.full(count, LONGEST_S)
        if count > k:
            ahead[:-k] = behind[k:] = times[k:] - times[:-k]
        yield from (log_time(ahead), log_time(behind))
    yield lag_counts(times, np.minimum(np.sqrt(sizes_of(clusters)), 2.0) / 2)
    longest = log_longest(clusters, felt)
    yield lag_counts(times, np.clip(0.5 + 0.5 * (longest - local_mean(times, longest, 4.0)), 0, 1.5))


def harmony_columns(
    clusters: Clusters, onset: Floats, pitch: Floats, length: Floats, tuned: Bools
) -> Iterator[Floats]:
    """How much the harmony changes, and the share of new pitch classes."""
    for span in HARMONY_SPANS_S:
        yield harmonic_change(onset[tuned], pitch[tuned], length[tuned], clusters.times, span)
    yield fresh_share(onset, pitch, tuned, clusters.group, sizes_of(clusters))


def drum_hits(clusters: Clusters, pitch: Floats, tuned: Bools) -> Floats:
    """Whether each of DRUM_GROUPS, and any other drum, is struck: (clusters, 4)."""
    hits = np.zeros((len(clusters), 4))
    for n in np.flatnonzero(~tuned):
        kind = next((k for k, names in enumerate(DRUM_GROUPS) if int(pitch[n]) in names), 3)
        hits[clusters.group[n], kind] = 1.0
    return hits


def spread_of(clusters: Clusters, onset: Floats) -> Floats:
    """The time from the first to the last onset of each cluster."""
    count = len(clusters)
    return maximum_by(clusters.group, onset, count) + maximum_by(clusters.group, -onset, count)


def sizes_of(clusters: Clusters) -> Floats:
    """How many notes each cluster has."""
    return np.bincount(clusters.group, minlength=len(clusters)).astype(float)


def log_longest(clusters: Clusters, length: Floats) -> Floats:
    """The logarithm of the greatest length in each cluster."""
    return np.asarray(np.log(maximum_by(clusters.group, length, len(clusters))))


def maximum_by(group: Ints, values: Floats, count: int) -> Floats:
    """The greatest of the values in each of ``count`` groups; -inf where there are none."""
    result = np.full(count, -np.inf)
    np.maximum.at(result, group, values)
    return result


def running_minimum(values: Floats, begin: Ints, end: Ints) -> Floats:
    """The least of ``values[begin:end]`` for each pair of growing bounds."""
    bounds = np.stack([begin, np.minimum(end, len(values))], axis=1).ravel()
    extended = np.append(values, np.inf)
    return np.asarray(np.minimum.reduceat(extended, bounds)[::2])


def felt_length(onset: Floats, pitch: Floats, length: Floats, least_s: float = FELT_S) -> Floats:
    """How long each note is felt to last: until something begins near its pitch, at most until it ends.

    A note that ends sooner than ``least_s`` is felt to last as long, however short it is held.
    """
    result = np.full(len(onset), LONGEST_S)
    for k in range(min(FOLLOWERS, len(onset) - 1), 0, -1):
        apart = onset[k:] - onset[:-k]
        near = (np.abs(pitch[k:] - pitch[:-k]) <= NEAR_PITCH) & (apart > SPAN_S)
        result[:-k] = np.where(near, apart, result[:-k])
    return np.asarray(np.maximum(np.minimum(result, np.maximum(length, least_s)), SHORTEST_S))


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
    return chroma_change(np.cumsum(edges, axis=0), rate, times - origin, span_s)


def chroma_change(chroma: Floats, rate: float, times: Floats, span_s: float) -> Floats:
    """1 - the cosine between the chroma summed over ``span_s`` after and before each time.

    ``chroma`` is of shape (frames, 12), ``rate`` its frames a second from time 0 on.
    """
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(chroma, axis=0)])
    here = np.clip(np.rint(times * rate).astype(int), 0, len(chroma))
    width = int(span_s * rate)
    after = total[np.minimum(here + width, len(chroma))] - total[here]
    before = total[here] - total[np.maximum(here - width, 0)]
    norm = np.linalg.norm(after, axis=1) * np.linalg.norm(before, axis=1)
    cosine = np.einsum("ij,ij->i", after, before) / np.maximum(norm, 1e-9)
    return np.asarray(np.where(norm > 1e-9, 1 - cosine, 0.5))


def fresh_share(
    onset: Floats, pitch: Floats, tuned: Bools, group: Ints, size: Floats, span_s: float = 1.2
) -> Floats:
    """The share of each cluster's notes, ``size`` in all, whose pitch class has not begun for ``span_s``."""
    name = np.where(tuned, pitch.astype(int) % 12, 12)
    order = np.lexsort((onset, name))
    since = np.full(len(onset), np.inf)
    same = name[order][1:] == name[order][:-1]
    since[order[1:][same]] = np.diff(onset[order])[same]
    return np.asarray(np.bincount(group, weights=(since > span_s) & tuned, minlength=len(size)) / size)
