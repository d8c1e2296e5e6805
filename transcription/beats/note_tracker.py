"""Beats, bars and meter from notes alone: the likeliest sequence under the network's activations.

Method. ``transcription.beats.activations`` says of each cluster of notes how likely it lies at each place of
a beat, how long the beat is and which beat of the bar. A beat sequence explains every cluster by the place
at which it falls; beats are clusters, or lie evenly between two that are (held notes, rests), and the tempo
may change from each to the next at a price. The best sequence of all is found by dynamic programming
over clusters and lengths of the beat (a semi-Markov model as in Temperley 2009; Raphael 2002). A second
search over the numbers in the bar finds bar lines, with pick-ups and changes of meter.

Conventions: times in seconds, log likelihoods. Weights were tuned on held-out scores played by
``training.perform`` and held-out songs of POP909. Time and memory grow linearly with the music.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullscore.viterbi import best_path
from transcription.beatgrid import TimeSignature
from transcription.beats.activations import METERS, OTHER_PHASE, PERIODS_S, PHASES, PLACES, BeatActivations

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SHORTEST_S, LONGEST_S = 0.18, 3.6
"""Beats are this far apart."""
BINS = 64
"""Lengths of the beat that are kept apart at one cluster, on a logarithmic scale (4.7 % each)."""
FINE = 48
"""Places in a beat at which clusters are explained."""
PLACE_SPREAD, OTHER_LIKELIHOOD = 0.035, 0.3
"""Standard deviation of a cluster's place in the beat, and the likelihood of an ornament at any place."""
BEAT_THRESHOLD = 0.03
"""A cluster may be a beat if its probability is above this."""
MOST_BEATS, AHEAD = 6, 72
"""Two clusters on the beat are at most so many beats and so many clusters apart."""
EMPTY_BEAT_COST = 1.5
"""Cost of a beat on which no cluster stands."""
PERIOD_WEIGHT = 0.35
"""What the network says of the length of the beat, beside what it says of places."""
USUAL_PERIOD_WEIGHT, AROUND_S = 1.0, 80.0
"""What the lengths that it sees so far around say beside those at the place: the metrical level stays."""
UNLIKELY_PERIOD = -5.5 * PERIOD_WEIGHT
"""Lengths of which it says less than this on the mean are not looked at."""
TEMPO_SPREAD, TEMPO_COST = 0.08, 0.7
"""Scale of the change of log tempo from beat to beat, and its weight; tails are those of a Student t."""
JUMP, JUMP_COST = 0.45, 8.0
"""A change of log tempo beyond this costs so much more: nobody goes over to another metrical level."""
UNEXPLAINED_COST, BREAK_COST = 6.0, 20.0
"""Cost of a cluster outside the beat sequence, and of breaking it off to begin anew."""

DOWNBEAT_WEIGHT, METER_WEIGHT = 1.0, 1.0
"""What its downbeats, and the meters it sees in the whole piece, say beside its numbers in the bar."""
METER_CHANGE_COST, BAR_SLIP_COST = 7.0, 7.0
"""Cost of a bar of another size than the one before, and of a bar cut short or prolonged."""
OTHER_BAR_COST = 1.0
COMMON_TIME = 1.5
"""Bars of four are preferred by this to bars of two, where the network wavers (tuned on held-out scores)."""
SIZES = (2, 3, 4)
IN_THREE = np.isin(PHASES, [1 / 6, 1 / 3, 2 / 3, 5 / 6])
IN_TWO = np.isin(PHASES, [1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8])
DIVISION_WEIGHT, DIVISION_DOUBT = 1.0, 0.03
"""What the places in the beat say of simple and compound meters, and their least likelihood."""


@dataclass(frozen=True, slots=True)
class BeatSequence:
    """A beat sequence: times, and the cluster that stands on each (-1: none)."""

    times: Floats
    cluster: Ints


def fine_places(activations: BeatActivations) -> npt.NDArray[np.float32]:
    """Log likelihood of each cluster at each of FINE places in the beat."""
    places = np.arange(FINE) / FINE
    away = np.abs(places[None] - PHASES[:, None])
    away = np.minimum(away, 1 - away)
    likeness = np.exp(-0.5 * (away / PLACE_SPREAD) ** 2)
    likeness = np.concatenate([likeness, np.full((1, FINE), OTHER_LIKELIHOOD)])
    return np.asarray(np.log(np.exp(activations.phase) @ likeness + 1e-4), np.float32)


def period_bins(log_period: Floats) -> Ints:
    step = np.log(LONGEST_S / SHORTEST_S) / (BINS - 1)
    return np.asarray(np.clip(np.rint((log_period - np.log(SHORTEST_S)) / step), 0, BINS - 1), np.int64)


def period_scores(times: Floats, activations: BeatActivations, wanted_s: float | None) -> Floats:
    """What each length of the beat costs, summed over the clusters before each: (clusters + 1, BINS)."""
    grid = np.linspace(np.log(SHORTEST_S), np.log(LONGEST_S), BINS)
    known = np.log(PERIODS_S)
    at = np.clip((grid - known[0]) / (known[1] - known[0]), 0, len(known) - 1)
    low = np.minimum(at.astype(int), len(known) - 2)
    part = at - low
    probability = np.exp(activations.period)
    score = np.log(probability[:, low] * (1 - part) + probability[:, low + 1] * part + 2e-3)
    if wanted_s is not None:
        score = np.broadcast_to(-20.0 * np.maximum(np.abs(grid - np.log(wanted_s)) - 0.2, 0.0), score.shape)
    else:
        lo, hi = np.searchsorted(times, [times - AROUND_S, times + AROUND_S])
        seen = np.concatenate([np.zeros((1, BINS)), np.cumsum(np.exp(score), axis=0)])
        usual = _mean_of_neighbours((seen[hi] - seen[lo]) / (hi - lo)[:, None])
        score = score + USUAL_PERIOD_WEIGHT * np.log(usual / usual.max(axis=1, keepdims=True))
    total = np.zeros((len(score) + 1, BINS))
    np.cumsum(PERIOD_WEIGHT * score, axis=0, out=total[1:])
    return total


def _mean_of_neighbours(rows: Floats) -> Floats:
    """The mean of each value and its two neighbours on either side in its row, the outermost repeated.

    scipy.ndimage has this as a uniform filter, but its import would be a third of the start of a ``notate``.
    """
    padded = np.pad(rows, ((0, 0), (2, 2)), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1).mean(axis=2))


@dataclass(frozen=True, slots=True)
class Steps:
    """From one cluster on the beat to the next: each leads to the cluster ``to`` over a number of ``beats``.

    ``log_length`` is that of one beat, ``bins`` its bin; ``score`` what the clusters on the way and the one
    reached say for it.
    """

    to: Ints
    beats: Ints
    log_length: Floats
    bins: Ints
    score: Floats


@dataclass(frozen=True, slots=True)
class BestSequences:
    """The best beat sequence to each node (a cluster that may be a beat) by the length of its last beat.

    All but ``resumed`` are of shape (nodes, BINS): the sequence's ``score``, its last beat's ``log_length``,
    the ``node`` before and the ``bin`` there (-1: the sequence begins with it), and the ``beats`` from there.
    A sequence that begins at a node goes on from the node and bin ``resumed``, where another broke off (-1:
    from none).
    """

    score: Floats
    log_length: Floats
    node: npt.NDArray[np.int32]
    bin: npt.NDArray[np.int16]
    beats: npt.NDArray[np.int8]
    resumed: Ints

    @classmethod
    def nothing(cls, nodes: int) -> BestSequences:
        """Before any step is taken."""
        shape = nodes, BINS
        return cls(
            np.full(shape, -np.inf),
            np.zeros(shape),
            np.full(shape, -1, np.int32),
            np.full(shape, -1, np.int16),
            np.zeros(shape, np.int8),
            np.full((nodes, 2), -1, np.int64),
        )


def best_sequence(times: Floats, activations: BeatActivations, wanted_s: float | None = None) -> BeatSequence:
    """The best beat sequence over at least two clusters; ``wanted_s`` is the length of a beat if known."""
    fine = fine_places(activations)
    on_beat = fine[:, 0]
    period = period_scores(times, activations, wanted_s)
    nodes = possible_beats(times, activations)
    node_of = np.full(len(times), -1)
    node_of[nodes] = np.arange(len(nodes))
    reached = BestSequences.nothing(len(nodes))
    broken_off, broken_at = -np.inf, (-1, -1)  # the best sequence that has ended, and its last node and bin
    for m, i in enumerate(nodes):
        if m:
            broken_off -= UNEXPLAINED_COST * (i - nodes[m - 1] - 1)
        begun = -UNEXPLAINED_COST * i + on_beat[i]
        if broken_off - BREAK_COST + on_beat[i] > begun:
            begun, reached.resumed[m] = broken_off - BREAK_COST + on_beat[i], broken_at
        broken_off -= UNEXPLAINED_COST
        here = np.flatnonzero(np.isfinite(reached.score[m]))
        if len(here) and reached.score[m].max() >= broken_off:
            broken_off, broken_at = float(reached.score[m].max()), (m, int(reached.score[m].argmax()))
        ahead = nodes[m + 1 : int(np.searchsorted(nodes, i + AHEAD + 1))]
        steps = steps_from(i, ahead, times, fine, period)
        if steps is not None:
            before, came = best_before(steps, begun, here, reached.score[m], reached.log_length[m])
            take(steps, node_of[steps.to], before + steps.score, m, came, reached)
    return traced(times, nodes, reached)


def possible_beats(times: Floats, activations: BeatActivations) -> Ints:
    """The clusters that may be beats: likely ones, and those that are the likeliest within a second."""
    possible = activations.phase[:, 0] > np.log(BEAT_THRESHOLD)
    lo, hi = np.searchsorted(times, [times - 1.0, times + 1.0])
    for n in np.flatnonzero(~possible):
        possible[n] = activations.phase[n, 0] >= activations.phase[lo[n] : hi[n], 0].max()
    return np.flatnonzero(possible)


def steps_from(
    i: int, ahead: Ints, times: Floats, fine: npt.NDArray[np.float32], period: Floats
) -> Steps | None:
    """The steps from cluster ``i`` to the clusters ``ahead`` whose beats have a likely length, if any."""
    gap = times[ahead] - times[i]
    ahead, gap = ahead[gap <= LONGEST_S * MOST_BEATS], gap[gap <= LONGEST_S * MOST_BEATS]
    counts = np.arange(1, MOST_BEATS + 1)
    lengths = gap[:, None] / counts[None]
    gap_at, column = np.nonzero((lengths >= SHORTEST_S) & (lengths <= LONGEST_S))
    if not len(gap_at):
        return None
    length, to, beats = lengths[gap_at, column], ahead[gap_at], counts[column]
    log_length = np.log(length)
    bins = period_bins(log_length)
    score = period[to, bins] - period[i, bins]
    likely = score > UNLIKELY_PERIOD * (to - i)
    if not likely.any():
        return None
    length, to, beats, log_length = length[likely], to[likely], beats[likely], log_length[likely]
    bins, score = bins[likely], score[likely] - EMPTY_BEAT_COST * (beats - 1)
    inner = np.arange(i + 1, to[-1])
    if len(inner):
        place = (times[inner] - times[i])[None] / length[:, None]
        index = np.rint(place * FINE).astype(np.int64) % FINE
        score = score + np.where(inner[None] < to[:, None], fine[inner[None], index], 0.0).sum(axis=1)
    return Steps(to, beats, log_length, bins, score + fine[to, 0])


def best_before(
    steps: Steps, begun: float, here: Ints, scores: Floats, log_lengths: Floats
) -> tuple[Floats, Ints]:
    """For each step the best score before it, and the bin of the last beat there (-1: a sequence begins).

    ``begun`` is the score of a sequence that begins here, ``here`` are the bins in which others arrive.
    """
    best = np.full(len(steps.to), begun)
    came = np.full(len(steps.to), -1)
    if len(here):
        change = (steps.log_length[:, None] - log_lengths[here][None]) / TEMPO_SPREAD
        options = scores[here][None] - TEMPO_COST * np.log1p(change**2)
        options -= JUMP_COST * (np.abs(change) > JUMP / TEMPO_SPREAD)
        choice = options.argmax(axis=1)
        value = options[np.arange(len(best)), choice]
        better = value >= best
        best = np.where(better, value, best)
        came = np.where(better, here[choice], -1)
    return best, came


def take(steps: Steps, target: Ints, total: Floats, m: int, came: Ints, reached: BestSequences) -> None:
    """Take those steps from node ``m`` to the nodes ``target`` that are better than what reached these."""
    # The later of two equal (node, bin) pairs would win: write them from worst to best.
    order = np.argsort(total)
    order = order[total[order] > reached.score[target[order], steps.bins[order]]]
    node, bin_ = target[order], steps.bins[order]
    reached.score[node, bin_] = total[order]
    reached.log_length[node, bin_] = steps.log_length[order]
    reached.node[node, bin_] = m
    reached.bin[node, bin_] = came[order]
    reached.beats[node, bin_] = steps.beats[order]


def traced(times: Floats, nodes: Ints, reached: BestSequences) -> BeatSequence:
    """The beat sequence that ends best, from its end."""
    final = reached.score.max(axis=1) - UNEXPLAINED_COST * (len(times) - 1 - nodes)
    m = int(final.argmax())
    beats: list[tuple[float, int]] = [(float(times[nodes[m]]), int(nodes[m]))]
    if not np.isfinite(final[m]):
        return BeatSequence(np.array([b[0] for b in beats]), np.array([b[1] for b in beats]))
    state = int(reached.score[m].argmax())
    while True:
        start, length = int(reached.node[m, state]), float(np.exp(reached.log_length[m, state]))
        begin, end, number = times[nodes[start]], times[nodes[m]], int(reached.beats[m, state])
        beats += [(float(end - (end - begin) * k / number), -1) for k in range(1, number)]
        beats.append((float(begin), int(nodes[start])))
        m, state = start, int(reached.bin[m, state])
        if state < 0:
            before, state = int(reached.resumed[m, 0]), int(reached.resumed[m, 1])
            if before < 0:
                break
            # The sequence was broken off: beats go on evenly over the gap.
            begin, end = times[nodes[before]], times[nodes[m]]
            mean = 0.5 * (length + float(np.exp(reached.log_length[before, state])))
            number = max(1, round(float(end - begin) / mean))
            beats += [(float(end - (end - begin) * k / number), -1) for k in range(1, number)]
            beats.append((float(begin), int(nodes[before])))
            m = before
    beats.reverse()
    at, cluster = np.array([b[0] for b in beats]), np.array([b[1] for b in beats])
    keep = np.concatenate([[True], np.diff(at) > 1e-6])
    return BeatSequence(at[keep], cluster[keep])


@dataclass(frozen=True, slots=True)
class BarNumbers:
    """The number of each beat in its bar, from 1, and the size of that bar."""

    numbers: Ints
    sizes: Ints


def count_bars(
    sequence: BeatSequence,
    times: Floats,
    activations: BeatActivations,
    sizes: tuple[int, ...] | None = None,
    own_level: bool = True,
) -> BarNumbers:
    """Number the beats; ``sizes`` are the bars allowed (default: those the network tells apart).

    Where the beats are not those that the network counts (``own_level``) its numbers say nothing.
    """
    beats = len(sequence.times)
    length = np.diff(sequence.times, append=sequence.times[-1] + (sequence.times[-1] - sequence.times[-2]))
    owner = np.clip(np.searchsorted(sequence.times - 0.06 * length, times, side="right") - 1, 0, beats - 1)
    weight = np.ones(len(times))
    on = np.zeros(len(times), bool)
    on[sequence.cluster[sequence.cluster >= 0]] = True
    held = np.bincount(owner[~on], minlength=beats)
    weight[~on] = 0.5 / np.maximum(held[owner[~on]], 1)
    places = np.zeros((beats, activations.place.shape[1]))
    total = np.zeros(beats)
    np.add.at(places, owner, activations.place * weight[:, None])
    np.add.at(total, owner, weight)
    places /= np.maximum(total, 0.5)[:, None]
    first = np.full(beats, np.log(0.3))
    first[sequence.cluster >= 0] = np.maximum(
        activations.downbeat[sequence.cluster[sequence.cluster >= 0]], -6.0
    )
    other = np.log1p(-np.minimum(np.exp(first), 0.997))
    allowed = sizes or SIZES
    states = [(size, number) for size in allowed for number in range(1, size + 1)]
    emission = np.empty((beats, len(states)))
    for s, (size, number) in enumerate(states):
        if not own_level:
            said = np.zeros(beats)
        elif (size, number) in PLACES:
            said = places[:, PLACES.index((size, number))]
        else:
            said = places[:, len(PLACES)] - np.log(size) - OTHER_BAR_COST
        emission[:, s] = said + DOWNBEAT_WEIGHT * (first if number == 1 else other)
        if own_level:
            emission[:, s] += METER_WEIGHT * np.log(size_share(size, activations) + 0.01)
    cost = np.full((len(states), len(states)), BAR_SLIP_COST + METER_CHANGE_COST)
    for a, (size, number) in enumerate(states):
        for b, (next_size, next_number) in enumerate(states):
            if number == size and next_number == 1:
                cost[a, b] = 0.0 if size == next_size else METER_CHANGE_COST
            elif size == next_size:
                cost[a, b] = 0.0 if next_number == number + 1 else BAR_SLIP_COST
    path, _ = best_path(emission, cost)
    return BarNumbers(np.array([states[s][1] for s in path]), np.array([states[s][0] for s in path]))


def size_share(size: int, activations: BeatActivations) -> float:
    """How likely bars of ``size`` beats are in the whole piece, up to a common factor."""
    mean = np.exp(activations.meter).mean(axis=0)
    share = float(sum(p for name, p in zip(METERS, mean, strict=True) if parsed(name).beats_per_bar == size))
    return share * (COMMON_TIME if size == 4 else 1.0)


def parsed(name: str) -> TimeSignature:
    numerator, denominator = name.split("/")
    return TimeSignature(int(numerator), int(denominator))


def signature_of(size: int, activations: BeatActivations) -> TimeSignature:
    """The likeliest time signature whose bars have ``size`` beats: compound where beats fall into three."""
    mean = np.exp(activations.meter).mean(axis=0)
    inside = np.exp(activations.phase).mean(axis=0)[:OTHER_PHASE]
    thirds = float(inside[IN_THREE].sum() / max(inside[IN_THREE].sum() + inside[IN_TWO].sum(), 1e-6))
    best, found = -1.0, TimeSignature(size, 4)
    for name, probability in zip(METERS, mean, strict=True):
        signature = parsed(name)
        fitting = DIVISION_DOUBT + (thirds if signature.compound else 1 - thirds)
        if signature.beats_per_bar == size and probability * fitting**DIVISION_WEIGHT > best:
            best, found = float(probability * fitting**DIVISION_WEIGHT), signature
    return found
