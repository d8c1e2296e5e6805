"""Beats where there is sound: from the recording alone, or joined with the notes heard in it.

Method. What begins in the music is reduced to marked events (``transcription.beats.onsets``). Beats divide
time into spans. How well a span explains the events in it comes from where they fall between its
two beats, under a small set of rhythmic cells (undivided, halves, thirds, ...), and the lengths of
the spans follow a tempo that changes little from one to the next. That is the metrical model of
Temperley (A Unified Probabilistic Model for Polyphonic Music Analysis, 2009), decoded by a Viterbi
search over whole spans, in which the tempo may change at each beat as in the state space of Krebs,
Böck and Widmer (ISMIR 2015). The performance is followed once in each of several ranges of tempo,
with simple and with compound division. On every such beat sequence a second Viterbi search over the
place in the bar finds downbeats and meter. The best hypothesis of the whole piece wins; as the
likelihood hardly tells a pulse from its double, a preference for a middling pace has a say.

Conventions: times in seconds; inside, frames of 10 ms; scores are natural log-likelihoods.
Constants marked "tuned" were chosen by their mean effect on some forty scores of the music21 corpus
played with an invented timing and on the annotated performances of ``benchmarks/beats.py``, whose
figures are therefore not those of unseen music.

Limits: one meter for the whole piece, of 2, 3 or 4 beats in a bar (others only where given), simple
or compound; beats between 0.24 and 2 s apart. Strong rubato is not followed, slow pieces are often
counted at twice their pace. Memory is about 10 MB for a minute of music.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullscore.viterbi import steady_path
from transcription.beatgrid import TimeSignature
from transcription.beats.onsets import MARK_LIMIT, Events

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FRAME_S = 0.01
"""Resolution of the search; the beats are moved onto the events afterwards."""


def beat_periods(shortest: int = 24, longest: int = 200, step: float = 0.025) -> Ints:
    """The lengths of a beat that are tried, in frames: every one at first, then in steps of 2.5 %."""
    periods = [shortest]
    while periods[-1] < longest:
        periods.append(max(periods[-1] + 1, round(periods[-1] * (1 + step))))
    return np.array([p for p in periods if p <= longest])


PERIODS = beat_periods()


@dataclass(frozen=True, slots=True)
class RhythmCell:
    """One way to fill a beat.

    ``places`` are parts of a beat, ``ranks`` their metrical rank (0 the beat, 1 its division, 2 and 3
    below), ``filled`` the chance that something begins there; ``simple`` and ``compound`` say how
    common the cell is where beats fall into two or into three.
    """

    places: tuple[float, ...]
    ranks: tuple[int, ...]
    filled: tuple[float, ...]
    simple: float
    compound: float


# How common each cell is was counted in the simple meters of the music21 corpus. In the compound ones
# threes were taken down until a stream of equal notes costs the same per note under either division.
CELLS = (
    RhythmCell((0.0,), (0,), (0.95,), 0.24, 0.10),
    RhythmCell((0.0, 1 / 2), (0, 1), (0.95, 0.95), 0.33, 0.02),
    RhythmCell((0.0, 1 / 4, 1 / 2, 3 / 4), (0, 2, 1, 2), (0.97, 0.97, 0.97, 0.97), 0.18, 0.02),
    RhythmCell((0.0, 1 / 4, 1 / 2, 3 / 4), (0, 2, 1, 2), (0.85, 0.35, 0.7, 0.7), 0.16, 0.01),
    RhythmCell(tuple(i / 8 for i in range(8)), (0, 3, 2, 3, 1, 3, 2, 3), (0.9,) + (0.85,) * 7, 0.02, 0.005),
    RhythmCell((0.0, 1 / 3, 2 / 3), (0, 1, 1), (0.95, 0.85, 0.95), 0.02, 0.27),
    RhythmCell(tuple(i / 6 for i in range(6)), (0, 2, 1, 2, 1, 2), (0.95,) * 6, 0.015, 0.10),
    RhythmCell(
        tuple(i / 6 for i in range(6)), (0, 2, 1, 2, 1, 2), (0.9, 0.3, 0.75, 0.35, 0.85, 0.5), 0.005, 0.12
    ),
    RhythmCell((0.0, 0.64), (0, 1), (0.9, 0.9), 0.02, 0.02),  # swung eighths
)
RANK_ACCENT = np.array([0.45, 0.0, -0.35, -0.45])
"""Accent expected of an event, in standard deviations, by the rank of its place: means in that corpus."""
STRAY_RATE_HZ, STRAY_ACCENT = 0.6, -0.5
"""How many events a second belong to no place of the meter (ornaments, errors), and their accent (tuned)."""
BEAT_SPREAD_S = 0.014
"""Standard deviation of an event from its beat; chords are played that tightly."""
PLACE_SPREAD_S, PLACE_SPREAD_BEATS = 0.010, 0.03
"""Standard deviation of an event from a place between beats: a constant and a part of the beat (tuned)."""
EARLY_FRAMES = 3
"""Events up to this much before a beat are counted to it."""
REST_COST, REST_COST_PER_S = 1.2, 2.0
"""Cost of a span in which nothing begins; by the second, so that silence does not favour long beats."""

TEMPO_SPREAD, TEMPO_TAIL = 0.03, 0.05
"""Scale of the change of a beat's length (natural log) from one to the next: Gaussian for small changes,
exponential for larger ones (tuned; annotated piano performances have a median of 0.03 to 0.18)."""
TEMPO_BREAK = 9.0
"""Cost of any change of tempo (a new section, a fermata)."""

WINDOWS_S = tuple(0.29 * 1.25**n for n in range(9))
WINDOW_RATIO = 1.35
"""The centres of the ranges of beat lengths in which a performance is followed, and how far each reaches."""
TEMPO_OVERRIDE_RATIO = 1.2
"""How far the beat may stray from a tempo that the user gave."""
PREFERRED_BEAT_S, PREFERRED_SPREAD, PREFERENCE_PER_EVENT = 0.5, 0.55, 0.6
"""The preferred length of a beat, its spread (natural log), and how much that says per event (tuned). The
preferred tempo of 120 is that of van Noorden and Moelants (1999)."""
ACCENT_WEIGHT, ACCENT_ENOUGH, NO_EVENT_ACCENT = 0.6, 0.8, -1.0
"""What the mean accent on the beats says per event (tuned), the mean beyond which it says no more (every
bar's first beat alone has more), and the accent of a beat without event."""
COMPOUND_PREFERENCE = -0.05
"""What compound division says per event: one piece in ten has it."""

MEAN_DOWNBEAT, MEAN_MIDDLE, MEAN_OTHER = 0.75, 0.4, -0.25
"""Downbeat evidence (standard deviations) expected on the first, the middle of four, and other beats."""
BARS: dict[int, tuple[float, ...]] = {
    2: (MEAN_DOWNBEAT, MEAN_OTHER),
    3: (MEAN_DOWNBEAT, MEAN_OTHER, MEAN_OTHER),
    4: (MEAN_DOWNBEAT, MEAN_OTHER, MEAN_MIDDLE, MEAN_OTHER),
}
NO_EVENT_MARK = -0.8
"""Downbeat evidence of a beat without event."""
BAR_SLIP_COST = 9.0
"""Cost of a bar with a beat too few or too many."""
BAR_WEIGHT, USUAL_BAR_PREFERENCE, USUAL_BAR_IN_A_BAND = 2.0, 0.08, 0.12
"""How much the bars say beside the beats, and what a beat says for the usual bar: 4/4, or 6/8 (tuned). Music
with drums is hardly ever in 2/4."""
NEAR_BEAT_S = 0.05
"""An event this close to a beat is on it."""
REFINE_S = 0.035
"""How far a beat may be moved onto an event."""


def segment_tables() -> tuple[list[tuple[Scores, Scores]], Floats]:
    """For each cell the log density of an event and its accent factor by (offset, period), and the
    cell's log-likelihood of all its places staying empty."""
    offsets = np.arange(-EARLY_FRAMES, PERIODS[-1] - EARLY_FRAMES)
    tables, empty = [], np.zeros(len(CELLS))
    for c, cell in enumerate(CELLS):
        phase = offsets[:, None] / PERIODS[None, :]
        best = np.full(phase.shape, -np.inf)
        accent = np.zeros(phase.shape)
        for place, rank, filled in zip(cell.places, cell.ranks, cell.filled, strict=True):
            spread = np.full(len(PERIODS), BEAT_SPREAD_S)
            if rank > 0:
                # Below the division the neighbours are closer, and so do events keep to their places.
                share = PLACE_SPREAD_BEATS / (1.0 if rank == 1 else 1.5)
                spread = PLACE_SPREAD_S + share * PERIODS * FRAME_S
            deviation = (phase - place) * PERIODS * FRAME_S
            density = -0.5 * (deviation / spread) ** 2 - np.log(spread * math.sqrt(2 * math.pi))
            density = density + math.log(filled / (1 - filled)) - 0.5 * RANK_ACCENT[rank] ** 2
            accent = np.where(density > best, RANK_ACCENT[rank], accent)
            best = np.maximum(best, density)
            empty[c] += math.log(1 - filled)
        tables.append((best.astype(np.float32), accent.astype(np.float32)))
    return tables, empty


def tempo_preference(period: float) -> float:
    """Log preference, per event, for counting at this beat length: people count at a middling pace."""
    return -PREFERENCE_PER_EVENT * (math.log(period / PREFERRED_BEAT_S) / PREFERRED_SPREAD) ** 2 / 2


ACCENT_STEPS = np.linspace(-MARK_LIMIT, MARK_LIMIT, 11)


def event_scores() -> Scores:
    """What an event adds to a span, by (step of accent, cell, offset from last to first, period)."""
    tables, _ = segment_tables()
    offsets = np.arange(-EARLY_FRAMES, PERIODS[-1] - EARLY_FRAMES)
    inside = offsets[:, None] < PERIODS[None, :] - EARLY_FRAMES
    result = np.zeros((len(ACCENT_STEPS), len(CELLS), *inside.shape), np.float32)
    for step, accent in enumerate(ACCENT_STEPS):
        stray = math.log(STRAY_RATE_HZ) + STRAY_ACCENT * accent - 0.5 * STRAY_ACCENT**2
        for c, (density, factor) in enumerate(tables):
            result[step, c] = np.where(inside, np.maximum(density + accent * factor, stray), 0.0)
    return np.ascontiguousarray(result[:, :, ::-1])


def span_scores(events: Events, frames: int, origin: float) -> tuple[Scores, Scores]:
    """Log-likelihood of a beat that starts at each frame and has each period: simple and compound."""
    _, empty = segment_tables()
    table = event_scores()
    reach = int(PERIODS[-1]) - EARLY_FRAMES
    at = np.rint((events.times - origin) / FRAME_S).astype(int)
    step = np.abs(events.accent[:, None] - ACCENT_STEPS[None, :]).argmin(axis=1)
    simple = np.empty((frames, len(PERIODS)), np.float32)
    compound = np.empty((frames, len(PERIODS)), np.float32)
    rest = (-REST_COST - REST_COST_PER_S * PERIODS * FRAME_S).astype(np.float32)
    block = 2000
    for begin in range(0, frames, block):
        end = min(begin + block, frames)
        score = np.zeros((len(CELLS), end - begin, len(PERIODS)), np.float32)
        filled = np.zeros((end - begin, len(PERIODS)), bool)
        for e in range(np.searchsorted(at, begin - EARLY_FRAMES), np.searchsorted(at, end + reach)):
            # Spans that begin from ``reach`` frames before the event to EARLY_FRAMES after it may hold it.
            lo, hi = at[e] - reach + 1, at[e] + EARLY_FRAMES + 1
            cut_lo, cut_hi = max(lo, begin), min(hi, end)
            if cut_lo < cut_hi:
                value = table[step[e], :, cut_lo - lo : cut_hi - lo]
                score[:, cut_lo - begin : cut_hi - begin] += value
                filled[cut_lo - begin : cut_hi - begin] |= value[0] != 0
        for target, priors in (
            (simple, [cell.simple for cell in CELLS]),
            (compound, [cell.compound for cell in CELLS]),
        ):
            best = (score + (np.log(priors) + empty)[:, None, None].astype(np.float32)).max(axis=0)
            target[begin:end] = np.where(filled, best, np.maximum(best, rest))
    return simple, compound


def transition_costs(periods: Ints) -> Scores:
    """Cost of going from one period to the next: (before, after)."""
    change = np.abs(np.log(periods[None, :] / periods[:, None]))
    spread = np.hypot(TEMPO_SPREAD, BEAT_SPREAD_S / (periods[:, None] * FRAME_S))
    quadratic = 0.5 * (change / spread) ** 2
    linear = change / TEMPO_TAIL + np.minimum(quadratic, 1.0)
    return np.asarray(np.minimum(np.minimum(quadratic, linear), TEMPO_BREAK), dtype=np.float32)


def best_spans(scores: Scores, periods: Ints, first_frame: int, last_frame: int) -> tuple[Ints, float]:
    """The beats (frames) of the best sequence of spans, and its score.

    ``scores`` is by (frame, period). The sequence starts at most at ``first_frame`` and ends after
    ``last_frame``.
    """
    frames, count = scores.shape
    block = int(periods[0])
    costs = transition_costs(periods)
    arrive = np.full((frames + int(periods[-1]) + block, count), -np.inf)
    origin = np.full((frames + block, count), -1, np.int16)
    columns = np.arange(count)
    for begin in range(0, frames, block):
        # Every span that ends in this block began before it: all of its frames can be done at once.
        end = min(begin + block, frames)
        reached = arrive[begin:end]
        base = max(0.0, float(reached.max()))
        options = (reached - base).astype(np.float32)[:, :, None] - costs[None]
        came = options.argmax(axis=1)
        leave = np.take_along_axis(options, came[:, None, :], axis=1)[:, 0].astype(np.float64) + base
        fresh = (np.arange(begin, end) <= first_frame)[:, None] & (leave < 0)
        leave = np.where(fresh, 0.0, leave) + scores[begin:end]
        origin[begin:end] = np.where(fresh, -1, came)
        arrive[np.arange(begin, end)[:, None] + periods[None, :], columns[None, :]] = leave
    tail = arrive[last_frame + 1 : frames]
    at, period = np.unravel_index(int(tail.argmax()), tail.shape)
    score = float(tail[at, period])
    frame = int(at) + last_frame + 1
    beats = [frame]
    while period >= 0 and math.isfinite(score):
        frame -= int(periods[period])
        beats.append(frame)
        period = origin[frame, period]
    return np.array(beats[::-1]), score


def beat_marks(beats: Floats, events: Events, marks: Floats, absent: float) -> Floats:
    """The mark of the strongest event near each beat."""
    result = np.full(len(beats), absent)
    index = np.clip(np.searchsorted(beats, events.times), 1, len(beats) - 1)
    left = events.times - beats[index - 1] < beats[index] - events.times
    nearest = np.where(left, index - 1, index)
    near = np.abs(events.times - beats[nearest]) < NEAR_BEAT_S
    np.maximum.at(result, nearest[near], marks[near])
    return result


def count_bars(marks: Floats, bar: tuple[float, ...]) -> tuple[Ints, float]:
    """The place of each beat in the bar (0 the downbeat), and the log-likelihood ratio against no bars."""
    size = len(bar)
    means = np.array(bar)
    emission = marks[:, None] * means[None] - 0.5 * means[None] ** 2
    return steady_path(emission, BAR_SLIP_COST, before=(np.arange(size) - 1) % size)


@dataclass(frozen=True, slots=True)
class BeatHypothesis:
    """One hypothesis of a piece's beats: beat times, places in the bar (0 the downbeat), and how likely it
    is."""

    times: Floats
    places: Ints
    bar: tuple[float, ...]
    signature: TimeSignature
    score: float


def best_hypothesis(
    events: Events, tempo: float | None, signature: TimeSignature | None, has_drums: bool
) -> BeatHypothesis | None:
    """The likeliest hypothesis of the events, with what is known; None if there are too few to tell."""
    if len(events) < 2:
        return None
    usual_preference = USUAL_BAR_IN_A_BAND if has_drums else USUAL_BAR_PREFERENCE
    margin = int(PERIODS[-1])
    origin = float(events.times[0]) - margin * FRAME_S
    last = round((float(events.times[-1]) - origin) / FRAME_S) + EARLY_FRAMES
    frames = last + margin + 2
    hypotheses = []
    for division, scores in zip((False, True), span_scores(events, frames, origin), strict=True):
        bars = bars_to_try(signature, division)
        usual = 2 if division else 4
        for window in windows(tempo) if bars else ():
            beats, total = best_spans(scores[:, window], PERIODS[window], margin, last)
            if len(beats) < 2:
                continue
            times = np.asarray(beats * FRAME_S + origin, dtype=np.float64)
            per_event = tempo_preference(float(np.median(np.diff(times)))) + COMPOUND_PREFERENCE * division
            accent = float(beat_marks(times, events, events.accent, NO_EVENT_ACCENT).mean())
            per_event += ACCENT_WEIGHT * min(accent, ACCENT_ENOUGH)
            marks = beat_marks(times, events, events.downbeat, NO_EVENT_MARK)
            for meter, bar in bars:
                places, bar_score = count_bars(marks, bar)
                counted = BAR_WEIGHT * bar_score + usual_preference * len(beats) * (len(bar) == usual)
                score = total + len(events) * per_event + counted
                hypotheses.append(BeatHypothesis(times, places, bar, meter, score))
    return max(hypotheses, key=lambda hypothesis: hypothesis.score, default=None)


def windows(tempo: float | None) -> list[slice]:
    """The ranges of PERIODS within which a whole performance is followed, one range at a time."""
    centres, ratio = WINDOWS_S, WINDOW_RATIO
    if tempo is not None:
        centres, ratio = (60.0 / tempo,), TEMPO_OVERRIDE_RATIO
    seconds = PERIODS * FRAME_S
    result = []
    for centre in centres:
        near = min(max(centre, seconds[0]), seconds[-1])
        inside = np.flatnonzero(np.abs(np.log(seconds / near)) <= math.log(ratio))
        result.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return result


def bars_to_try(given: TimeSignature | None, compound: bool) -> list[tuple[TimeSignature, tuple[float, ...]]]:
    """The bars that a beat sequence may be counted in, with the downbeat evidence expected of each beat."""
    if given is None:
        return [
            (TimeSignature(3 * size, 8) if compound else TimeSignature(size, 4), bar)
            for size, bar in BARS.items()
        ]
    if given.compound != compound:
        return []
    size = given.beats_per_bar
    return [(given, BARS.get(size, (MEAN_DOWNBEAT,) + (MEAN_OTHER,) * (size - 1)))]


def refined(times: Floats, events: Events) -> Floats:
    """Beats moved onto the events within REFINE_S of them; the strongest near one if there are several."""
    result = times.copy()
    for n, time in enumerate(times):
        lo, hi = np.searchsorted(events.times, (time - REFINE_S, time + REFINE_S))
        if lo < hi:
            closeness = -(((events.times[lo:hi] - time) / REFINE_S) ** 2)
            result[n] = events.times[lo + int(np.argmax(events.accent[lo:hi] + closeness))]
    return result
