"""Beats, downbeats, meter and tempo from notes, sound, or both.

Method. What begins in the music is reduced to marked events (``transcription.onsets``). The beats
are the division of time into spans that explains the events best: a span's likelihood comes from
where its events fall between two beats, under a small set of rhythmic cells (undivided, halves,
thirds, ...), and the spans' lengths follow a tempo that changes little from beat to beat. That is
the metrical model of Temperley (A Unified Probabilistic Model for Polyphonic Music Analysis, 2009)
decoded as a segmental Viterbi search over beat times and tempi, the efficient state space of
Krebs, Böck and Widmer (ISMIR 2015) with a tempo change allowed at each beat. The search is
repeated at the neighbouring metrical levels, each with simple and compound division; on each
row of beats a second Viterbi search over the place in the bar finds the meter and the downbeats,
and the best account of the whole piece wins.

Conventions: times in seconds; inside, frames of 10 ms; scores are natural log-likelihoods.

Limits: one meter for the whole piece (2, 3 or 4 beats in a bar, simple or compound); beats between
0.24 and 2 s apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from separation.audio import Audio
from separation.engines import Progress, option, silent
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.notes import Note
from transcription.onsets import Events, events_of

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FRAME_S = 0.01


def beat_periods(shortest: int = 24, longest: int = 200, step: float = 0.025) -> Ints:
    """The lengths of a beat that are tried, in frames: every one at first, then in steps of 2.5 %."""
    periods = [shortest]
    while periods[-1] < longest:
        periods.append(max(periods[-1] + 1, round(periods[-1] * (1 + step))))
    return np.array([p for p in periods if p <= longest])


PERIODS = beat_periods()


@dataclass(frozen=True, slots=True)
class BeatSettings:
    """What the listener already knows."""

    tempo: float | None = option(None, "beats per minute, if known", minimum=20.0, maximum=400.0)
    time_signature: TimeSignature | None = option(None, "time signature, if known, such as 3/4")


@dataclass(frozen=True, slots=True)
class Cell:
    """How a beat may be filled: places within the beat, their rank (0 beat, 1 division, 2 below) and the
    chance that something begins there."""

    places: tuple[float, ...]
    ranks: tuple[int, ...]
    filled: tuple[float, ...]
    simple: float
    compound: float


CELLS = (
    Cell((0.0,), (0,), (0.95,), 0.24, 0.10),
    Cell((0.0, 1 / 2), (0, 1), (0.95, 0.95), 0.33, 0.02),
    Cell((0.0, 1 / 4, 1 / 2, 3 / 4), (0, 2, 1, 2), (0.97, 0.97, 0.97, 0.97), 0.18, 0.02),
    Cell((0.0, 1 / 4, 1 / 2, 3 / 4), (0, 2, 1, 2), (0.85, 0.35, 0.7, 0.7), 0.16, 0.01),
    Cell(tuple(i / 8 for i in range(8)), (0, 3, 2, 3, 1, 3, 2, 3), (0.9,) + (0.85,) * 7, 0.02, 0.005),
    Cell((0.0, 1 / 3, 2 / 3), (0, 1, 1), (0.95, 0.85, 0.95), 0.02, 0.27),
    Cell(tuple(i / 6 for i in range(6)), (0, 2, 1, 2, 1, 2), (0.95,) + (0.95,) * 5, 0.015, 0.10),
    Cell(tuple(i / 6 for i in range(6)), (0, 2, 1, 2, 1, 2), (0.9, 0.3, 0.75, 0.35, 0.85, 0.5), 0.005, 0.12),
    Cell((0.0, 0.64), (0, 1), (0.9, 0.9), 0.02, 0.02),
)
STRAY_RATE_HZ = 0.4
"""Events a second that belong to no place of the meter: ornaments, errors."""
RANK_ACCENT = np.array([0.45, 0.0, -0.35, -0.45])
"""Accent expected of an event, in standard deviations, by rank of its place."""
STRAY_ACCENT = -0.5
BEAT_SPREAD_S = 0.014
PLACE_SPREAD_S = 0.010
PLACE_SPREAD_BEATS = 0.045
EARLY_FRAMES = 3
"""Events up to this much before a beat are counted to it."""

TEMPO_SPREAD = 0.03
"""Scale of the change of a beat's length from one to the next (natural log), small changes."""
TEMPO_TAIL = 0.045
TEMPO_BREAK = 9.0
"""Cost of any change of tempo (a new section, a fermata)."""
PREFERRED_BEAT_S = 0.5
PREFERRED_SPREAD = 0.55
PREFERENCE_PER_EVENT = 0.6
REST_COST = 1.2
REST_COST_PER_S = 2.0


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
            spread = (
                BEAT_SPREAD_S
                if rank == 0
                else PLACE_SPREAD_S + PLACE_SPREAD_BEATS * PERIODS * FRAME_S / (1 if rank == 1 else 1.5)
            )
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


ACCENT_STEPS = np.linspace(-2.5, 2.5, 11)


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
    return np.minimum(np.minimum(quadratic, linear), TEMPO_BREAK).astype(np.float32)


def best_spans(scores: Scores, periods: Ints, first_frame: int, last_frame: int) -> tuple[Ints, float]:
    """The beats (frames) of the best row of spans, and its score.

    ``scores`` is by (frame, period). The row starts at most at ``first_frame`` and ends after
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


MEAN_DOWNBEAT, MEAN_MIDDLE, MEAN_OTHER = 0.75, 0.4, -0.25
"""Downbeat evidence (standard deviations) expected on the first, the middle of four, and other beats."""
NO_EVENT_MARK = -0.8
BAR_SLIP_COST = 9.0
BARS: dict[int, tuple[float, ...]] = {
    2: (MEAN_DOWNBEAT, MEAN_OTHER),
    3: (MEAN_DOWNBEAT, MEAN_OTHER, MEAN_OTHER),
    4: (MEAN_DOWNBEAT, MEAN_OTHER, MEAN_MIDDLE, MEAN_OTHER),
}
BAR_PRIOR = {2: 0.25, 3: 0.25, 4: 0.5}
PREFERRED_BAR_S = 2.0
BAR_SPREAD = 0.6


def beat_marks(beats: Floats, events: Events, marks: Floats, absent: float) -> Floats:
    """The mark of the strongest event near each beat."""
    result = np.full(len(beats), absent)
    index = np.clip(np.searchsorted(beats, events.times), 1, len(beats) - 1)
    left = events.times - beats[index - 1] < beats[index] - events.times
    nearest = np.where(left, index - 1, index)
    near = np.abs(events.times - beats[nearest]) < 0.05
    np.maximum.at(result, nearest[near], marks[near])
    return result


def count_bars(marks: Floats, bar: tuple[float, ...]) -> tuple[Ints, float]:
    """The place of each beat in the bar (0 the downbeat), and the log-likelihood ratio against no bars."""
    size = len(bar)
    means = np.array(bar)
    emission = marks[:, None] * means[None] - 0.5 * means[None] ** 2
    score = emission[0].copy()
    came = np.zeros((len(marks), size), np.int64)
    for n in range(1, len(marks)):
        regular = np.roll(score, 1)
        slip = float(score.max()) - BAR_SLIP_COST
        came[n] = np.where(regular >= slip, np.roll(np.arange(size), 1), int(score.argmax()))
        score = np.maximum(regular, slip) + emission[n]
    place = int(score.argmax())
    total = float(score[place])
    places = [place]
    for n in range(len(marks) - 1, 0, -1):
        place = int(came[n, place])
        places.append(place)
    return np.array(places[::-1]), total


def track_beats(
    notes: Sequence[Note],
    audio: Audio | None = None,
    settings: BeatSettings = BeatSettings(),
    progress: Progress = silent,
) -> BeatGrid:
    """The beats, downbeats and meter of a performance, of which ``notes``, ``audio`` or both are given.

    The grid reaches from the first note (or before it; a beat may then lie before 0) to beyond the
    end of the last one. Without two events to go by it is a plain count at the wanted tempo.
    """
    progress(0.0, "listening for onsets")
    events = events_of(notes, audio)
    end = max([note.offset for note in notes], default=0.0)
    if not notes and audio is not None:
        end = audio.duration
    progress(0.3, "looking for beats")
    account = best_account(events, settings)
    if account is None:
        return plain_grid(events, end, settings)
    times = refined(account.times, events)
    start = float(events.times[0]) if len(events) else 0.0
    times, places = covering(
        times, account.places, len(account.bar), start, max(end, float(events.times[-1]))
    )
    progress(1.0, "beats found")
    return BeatGrid(tuple(times.tolist()), tuple((places + 1).tolist()), account.signature)


DEFAULT_TEMPO = 120.0


def plain_grid(events: Events, end: float, settings: BeatSettings) -> BeatGrid:
    """A steady count from the first event, if there is one, at the wanted or the default tempo."""
    signature = settings.time_signature or TimeSignature()
    period = 60.0 / (settings.tempo or DEFAULT_TEMPO)
    start = float(events.times[0]) if len(events) else 0.0
    count = max(2, math.floor((end - start) / period) + 2)
    numbers = tuple(n % signature.beats_per_bar + 1 for n in range(count))
    return BeatGrid(tuple(start + n * period for n in range(count)), numbers, signature)


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a piece: beat times, places in the bar (0 the downbeat), and how likely it is."""

    times: Floats
    places: Ints
    bar: tuple[float, ...]
    signature: TimeSignature
    score: float


def best_account(events: Events, settings: BeatSettings) -> Account | None:
    """The likeliest account of the events; None if there are too few to tell."""
    if len(events) < 2:
        return None
    margin = int(PERIODS[-1])
    origin = float(events.times[0]) - margin * FRAME_S
    last = round((float(events.times[-1]) - origin) / FRAME_S) + EARLY_FRAMES
    frames = last + margin + 2
    accounts = []
    for division, scores in zip((False, True), span_scores(events, frames, origin), strict=True):
        bars = bars_to_try(settings.time_signature, division)
        for window in windows(settings.tempo) if bars else ():
            beats, total = best_spans(scores[:, window], PERIODS[window], margin, last)
            if len(beats) < 2:
                continue
            times = beats * FRAME_S + origin
            total += len(events) * tempo_preference(float(np.median(np.diff(times))))
            total += len(events) * COMPOUND_PREFERENCE * division
            total += (
                len(events) * ACCENT_WEIGHT * beat_marks(times, events, events.accent, NO_EVENT_ACCENT).mean()
            )
            marks = beat_marks(times, events, events.downbeat, NO_EVENT_MARK)
            for signature, bar in bars:
                places, bar_score = count_bars(marks, bar)
                counted = BAR_WEIGHT * bar_score + FOUR_PREFERENCE * len(beats) * (len(bar) == 4)
                accounts.append(Account(times, places, bar, signature, total + counted))
    return max(accounts, key=lambda account: account.score, default=None)


BAR_WEIGHT = 2.0
ACCENT_WEIGHT = 0.6
NO_EVENT_ACCENT = -1.0
FOUR_PREFERENCE = 0.08
COMPOUND_PREFERENCE = -0.05
WINDOW_RATIO = 1.35
WINDOWS_S = tuple(0.29 * 1.25**n for n in range(9))


def windows(tempo: float | None) -> list[slice]:
    """The ranges of PERIODS within which a whole performance is followed, one range at a time."""
    centres, ratio = WINDOWS_S, WINDOW_RATIO
    if tempo is not None:
        centres, ratio = (60.0 / tempo,), math.exp(TEMPO_OVERRIDE_RANGE)
    seconds = PERIODS * FRAME_S
    result = []
    for centre in centres:
        near = min(max(centre, seconds[0]), seconds[-1])
        inside = np.flatnonzero(np.abs(np.log(seconds / near)) <= math.log(ratio))
        result.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return result


TEMPO_OVERRIDE_RANGE = 0.12
"""How far (natural log) the beat may stray from a tempo that the user gave."""


def bars_to_try(given: TimeSignature | None, compound: bool) -> list[tuple[TimeSignature, tuple[float, ...]]]:
    """The bars that a row of beats may be counted in, with the downbeat evidence expected of each beat."""
    if given is None:
        return [
            (TimeSignature(3 * size, 8) if compound else TimeSignature(size, 4), bar)
            for size, bar in BARS.items()
        ]
    if given.compound != compound:
        return []
    size = given.beats_per_bar
    return [(given, BARS.get(size, (MEAN_DOWNBEAT,) + (MEAN_OTHER,) * (size - 1)))]


REFINE_S = 0.035


def refined(times: Floats, events: Events) -> Floats:
    """Beats moved onto the events within REFINE_S of them; the strongest near one if there are several."""
    result = times.copy()
    for n, time in enumerate(times):
        lo, hi = np.searchsorted(events.times, (time - REFINE_S, time + REFINE_S))
        if lo < hi:
            closeness = -(((events.times[lo:hi] - time) / REFINE_S) ** 2)
            result[n] = events.times[lo + int(np.argmax(events.accent[lo:hi] + closeness))]
    return result


def covering(times: Floats, places: Ints, size: int, start: float, end: float) -> tuple[Floats, Ints]:
    """The same beats continued, at the nearest beats' length, to at or before ``start`` and beyond ``end``."""
    span = min(4, len(times) - 1)
    before, after = (times[span] - times[0]) / span, (times[-1] - times[-1 - span]) / span
    early = max(0, math.ceil((times[0] - start) / before))
    late = max(0, math.floor((end - times[-1]) / after) + 1)
    head = times[0] - before * np.arange(early, 0, -1)
    tail = times[-1] + after * np.arange(1, late + 1)
    counted = np.concatenate(
        [(places[0] - np.arange(early, 0, -1)) % size, places, (places[-1] + np.arange(1, late + 1)) % size]
    )
    return np.concatenate([head, times, tail]), counted
