"""Plays a score as a person might: performed notes whose beats are known exactly.

Task: turn a ``ScorePiece`` (``training.corpus``) into notes in seconds with velocities, together with
the map from score time to seconds, so that a network can be taught to find the beats, the hands and
the values again.

Method: the tempo is a base pace times what performance research describes: arcs over phrases at
several levels with a final ritardando (Todd 1985, Friberg and Sundberg 1999), an autoregressive and
a white part from beat to beat, single lengthened beats, fermatas, breaths and new tempi at sections.
The amount of it all (``Style.rubato``, about the median change of log tempo from one beat to the next)
is drawn for each performance, from none (a sequencer) to a Romantic pianist's. Chords are spread, hands
fall apart, the tune comes a little early (Goebl 2001), ornaments are played out, notes are held as their
articulation or a pedal says.

Conventions: score time in ticks (``training.corpus.TICKS`` a quarter), performed time in seconds. A beat
is what a musician counts (``transcription.beatgrid.TimeSignature``): dotted units in 6/8, 9/8, 12/8.

Limits: no repeats are unfolded; nothing is known of style but what is drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from training.corpus import ARPEGGIO, FERMATA, GRACE, SLURRED, STACCATO, TICKS, TRILL, ScorePiece

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class ScoreBeats:
    """The beats of a score: ticks, the number in the bar from 1, and the meter that holds at each."""

    ticks: Ints
    numbers: Ints
    numerators: Ints
    denominators: Ints

    def __len__(self) -> int:
        return len(self.ticks)


@dataclass(frozen=True, slots=True)
class Style:
    """How a performance goes. Times in seconds, tempo in quarters a minute."""

    tempo: float
    rubato: float = 0.0
    persistence: float = 0.6
    note_jitter_s: float = 0.0
    uneven_s: float = 0.0
    """How far all that is struck together is from where the tempo has it: fingers and gesture."""
    hand_jitter_s: float = 0.0
    lead_s: float = 0.0
    roll_share: float = 0.0
    swing: float = 0.5
    """Where in the beat its second eighth falls; 0.5 is straight."""
    pedal_beats: float = 0.0
    """How often the pedal is changed, in beats; 0: none."""
    missing: float = 0.0
    extra: float = 0.0
    plain_velocity: bool = False
    ensemble: bool = True
    """Whether parts that are no keyboard's are other players; else one plays all on a keyboard."""


@dataclass(frozen=True, slots=True)
class RenderedPerformance:
    """Performed notes in order of onset, and the map from ticks to seconds.

    ``index`` is the number of the score note, -1 for one that is in no score (of a trill, a slip).
    """

    onset: Floats
    offset: Floats
    pitch: Ints
    velocity: Ints
    index: Ints
    knot_ticks: Floats
    knot_seconds: Floats
    style: Style
    counted: ScoreBeats

    def seconds_at(self, ticks: npt.ArrayLike) -> Floats:
        return np.asarray(np.interp(np.asarray(ticks, float), self.knot_ticks, self.knot_seconds))


def beat_ticks(numerator: int, denominator: int) -> int:
    """The length of a counted beat."""
    compound = denominator >= 8 and numerator > 3 and numerator % 3 == 0
    return 4 * TICKS // denominator * (3 if compound else 1)


def count_beats(piece: ScorePiece) -> ScoreBeats:
    """Every beat of a score, counted from its bars; one past the last bar closes the row.

    A first bar that is short counts as a pick-up. A short bar after one that was short too goes on with
    its count where the two make a whole one (a bar divided by a repeat sign).
    """
    rows: list[tuple[int, int, int, int]] = []
    missing = 0
    for row, (start, length, numerator, denominator) in enumerate(
        zip(piece.bar_start, piece.bar_length, piece.bar_numerator, piece.bar_denominator, strict=True)
    ):
        unit = beat_ticks(int(numerator), int(denominator))
        whole = int(numerator) * 4 * TICKS // int(denominator)
        skipped = 0
        if length < whole:
            if row == 0 or missing == length:
                skipped = whole - int(length)
            missing = 0 if skipped else whole - int(length)
        else:
            missing = 0
        first = -(-skipped // unit)
        for number, tick in enumerate(range(first * unit - skipped, int(length), unit), first):
            rows.append((int(start) + tick, number + 1, int(numerator), int(denominator)))
    end = int(piece.bar_start[-1] + piece.bar_length[-1])
    rows.append((end, 1, int(piece.bar_numerator[-1]), int(piece.bar_denominator[-1])))
    table = np.array(rows, dtype=np.int64)
    keep = np.concatenate([[True], np.diff(table[:, 0]) > 0])
    return ScoreBeats(*table[keep].T)


def draw_style(piece: ScorePiece, counted: ScoreBeats, rng: Random) -> Style:
    """A style at random: a seventh of all performances mechanical, a seventh steady, the rest human."""
    tempo = draw_tempo(piece, counted, rng)
    kind = rng.random()
    if kind < 0.12:
        jitter = rng.choice([0.0, 0.0, 0.003, 0.008])
        style = Style(
            float(round(tempo)), note_jitter_s=float(jitter), plain_velocity=bool(rng.random() < 0.5)
        )
    else:
        rubato = rng.uniform(0.004, 0.02) if kind < 0.26 else float(np.exp(rng.uniform(-3.9, -1.75)))
        style = Style(
            tempo,
            rubato=float(rubato),
            persistence=float(rng.uniform(0.2, 0.9)),
            note_jitter_s=float(rng.uniform(0.002, 0.012)),
            uneven_s=float(np.exp(rng.uniform(np.log(0.004), np.log(0.022)))),
            hand_jitter_s=float(rng.uniform(0.0, 0.006) + 0.1 * rubato * rng.random()),
            lead_s=float(max(0.0, rng.normal(0.006, 0.01) + 0.1 * rubato * rng.random())),
            roll_share=float(max(0.0, rng.normal(-0.02, 0.05) + 0.6 * rubato * rng.random())),
            pedal_beats=float(rng.choice([0, 0, 0, 1, 2, 4])),
            missing=float(rng.exponential(0.005)),
            extra=float(rng.exponential(0.003)),
            plain_velocity=bool(rng.random() < 0.1),
            ensemble=bool(rng.random() < 0.3),
        )
    if rng.random() < 0.06 and swingable(counted):
        style = replace(style, swing=float(rng.uniform(0.58, 0.70)))
    return style


def swingable(counted: ScoreBeats) -> bool:
    quarters = (counted.denominators == 4) & (counted.numerators <= 4)
    return bool(quarters.all())


def draw_tempo(
    piece: ScorePiece, counted: ScoreBeats, rng: Random, begin: int = 0, end: int | None = None
) -> float:
    """Quarters a minute for beats ``begin`` to ``end``.

    About the score's mark if that is theirs, else such that onsets and beats come at a human rate.
    """
    end = len(counted) - 1 if end is None else end
    onsets = np.unique(piece.onset)
    onsets = onsets[
        np.searchsorted(onsets, counted.ticks[begin]) : np.searchsorted(onsets, counted.ticks[end])
    ]
    unit = float(np.median(np.diff(counted.ticks[begin : end + 1]))) / TICKS
    per_quarter = np.unique(onsets // TICKS, return_counts=True)[1]
    density = max(0.25, float(np.quantile(per_quarter, 0.75))) if len(per_quarter) else 1.0
    if begin == 0 and 20 <= piece.tempo <= 320 and rng.random() < 0.8:
        tempo = piece.tempo * np.exp(rng.normal(-0.05, 0.35))
    else:
        by_onsets = 60.0 / density * np.exp(rng.normal(np.log(4.3), 0.45))
        by_beats = np.exp(rng.normal(np.log(70.0), 0.5)) * unit
        tempo = np.exp(0.6 * np.log(by_onsets) + 0.4 * np.log(by_beats))
    tempo = np.clip(tempo, 60.0 / density, 60.0 * 15.0 / density)
    return float(np.clip(tempo, 25.0 * unit, 300.0 * unit))


def section_tempi(piece: ScorePiece, counted: ScoreBeats, style: Style, rng: Random) -> Floats:
    """Quarters a minute at each beat: a new meter that lasts most often brings a new tempo (a movement)."""
    result = np.full(len(counted) - 1, style.tempo)
    meter = counted.numerators * 64 + counted.denominators
    bounds = [0, *(np.flatnonzero(np.diff(meter[:-1])) + 1).tolist(), len(counted) - 1]
    for begin, end in pairwise(bounds[1:]):
        if end - begin >= 16:
            result[begin:] = (
                draw_tempo(piece, counted, rng, begin, end) if rng.random() < 0.7 else result[begin - 1]
            )
    return result


def tempo_map(piece: ScorePiece, counted: ScoreBeats, style: Style, rng: Random) -> tuple[Floats, Floats]:
    """Knots of the map from ticks to seconds: every half beat (with swing every eighth)."""
    beats = len(counted) - 1
    half = np.diff(counted.ticks) / 2
    log_pace = np.zeros(2 * beats)
    amount = style.rubato
    if amount > 0:
        log_pace += np.repeat(beat_noise(beats, style, rng), 2)
        log_pace += rng.normal(0, rng.uniform(0.3, 0.8) * amount, 2 * beats)
        log_pace += np.repeat(phrase_shape(counted, amount, rng), 2)
        bar_habit = rng.normal(0, 0.4 * amount, 13)
        log_pace += np.repeat(bar_habit[np.minimum(counted.numbers[:-1], 13) - 1], 2)
        single = rng.random(2 * beats) < 0.02
        log_pace += np.where(single, amount * rng.uniform(1, 5, 2 * beats), 0.0)
        log_pace = np.clip(log_pace, -1.0, 1.6)
    pace = np.repeat(section_tempi(piece, counted, style, rng), 2)
    seconds = np.repeat(half, 2) / TICKS * 60.0 / pace * np.exp(log_pace)
    if amount > 0:
        seconds *= held(piece, counted, rng)
        breath = rng.random(2 * beats) < 0.012
        seconds += np.where(breath, rng.uniform(0.03, 0.5, 2 * beats) * min(1.0, 12 * amount), 0.0)
    if style.swing != 0.5:
        late = style.swing
        both = seconds[0::2] + seconds[1::2]
        seconds[0::2], seconds[1::2] = late * both, (1 - late) * both
    ticks = np.concatenate([[counted.ticks[0]], counted.ticks[0] + np.cumsum(np.repeat(half, 2))])
    times = np.concatenate([[0.0], np.cumsum(seconds)])
    before, after = 16.0 * TICKS, 64.0 * TICKS
    usual = 60.0 / style.tempo / TICKS
    ticks = np.concatenate([[ticks[0] - before], ticks, [ticks[-1] + after]])
    times = np.concatenate([[times[0] - before * usual], times, [times[-1] + after * usual]])
    return ticks, times


def beat_noise(beats: int, style: Style, rng: Random) -> Floats:
    """An autoregressive part, a slow drift and a white part of the log pace."""
    from scipy.signal import lfilter

    keep = style.persistence
    wandering = lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.normal(0, 1, beats + 30))[30:]
    drift = lfilter([0.02], [1, -0.998], rng.normal(0, 1, beats))
    spread = style.rubato * rng.uniform(0.6, 1.3)
    white = rng.normal(0, 1, beats) * style.rubato * rng.uniform(0.2, 0.8)
    return np.asarray(spread * wandering + white + min(1.0, 10 * style.rubato) * drift)


def phrase_shape(counted: ScoreBeats, amount: float, rng: Random) -> Floats:
    """Arcs over phrases of 2 to 8 bars and over sections, with their ritardandi; log pace by beat."""
    beats = len(counted) - 1
    result = np.zeros(beats)
    bars = np.flatnonzero(counted.numbers[:-1] == 1)
    if len(bars) < 2:
        return result
    for level, (choices, weight) in enumerate((((2, 4, 4, 8), 1.0), ((8, 16, 16, 24, 32), 1.3))):
        place = int(rng.integers(0, 3)) - 2
        arc = amount * weight * rng.uniform(0.5, 2.0)
        size = int(rng.choice(choices))
        while place < len(bars):
            if rng.random() < 0.2:
                size = int(rng.choice(choices))
            begin = bars[max(0, place)]
            end = bars[place + size] if place + size < len(bars) else beats
            place += size
            if end <= begin:
                continue
            x = (np.arange(begin, end) - begin + 0.5) / max(1, end - begin)
            peak = rng.uniform(0.3, 0.7)
            bend = np.where(x < peak, 1 - x / peak, (x - peak) / (1 - peak)) ** 2
            result[begin:end] += arc * rng.normal(1, 0.4) * (bend - 0.33)
            if rng.random() < 0.5:
                last = int(rng.integers(1, 3 + 2 * level))
                tail = np.arange(max(begin, end - last), end)
                slow = amount * rng.uniform(0.5, 3.0) * (1 + level)
                result[tail] += slow * np.linspace(1 / len(tail), 1, len(tail))
            if level and rng.random() < 0.5:
                spread = 0.8 if rng.random() < 0.2 else 0.15
                result[end:] += np.clip(rng.normal(0, spread), -0.7, 0.7) * min(1.0, 8 * amount)
    last = int(rng.integers(2, 8))
    tail = np.arange(max(0, beats - last), beats)
    result[tail] += min(1.0, 8 * amount) * rng.uniform(0, 0.9) * np.linspace(0, 1, len(tail) + 1)[1:] ** 2
    return result


def held(piece: ScorePiece, counted: ScoreBeats, rng: Random) -> Floats:
    """How much longer each half beat lasts under a fermata."""
    factor = np.ones(2 * (len(counted) - 1))
    marked = np.flatnonzero((piece.flags & FERMATA) > 0)
    for onset in np.unique(piece.onset[marked]):
        longest = piece.duration[marked][piece.onset[marked] == onset].max()
        index = np.searchsorted(counted.ticks, [onset + longest / 2], side="right")[0] - 1
        if 0 <= index < len(counted) - 1:
            factor[2 * index : 2 * index + 2] = rng.uniform(1.1, 3.0)
    return factor


def choose_parts(piece: ScorePiece, rng: Random) -> npt.NDArray[np.bool_]:
    """Which notes are played: a piano part alone most often, else all, one line, or the outer two."""
    parts = np.unique(piece.part)
    everything = np.ones(len(piece.onset), bool)
    kind = rng.random()
    keyboards = [p for p in parts if piece.part_is_keyboard[p]]
    if keyboards and len(parts) > 1:
        if kind < 0.6:
            return np.asarray(np.isin(piece.part, keyboards))
        return everything if kind < 0.93 else np.asarray(~np.isin(piece.part, keyboards))
    if keyboards:
        if kind < 0.94:
            return everything
        return np.asarray(piece.staff == (1 if kind < 0.98 else 2))
    if kind < 0.75 or len(parts) < 2:
        return everything
    if kind < 0.85:
        return np.asarray(piece.part == rng.choice(parts))
    return np.asarray(np.isin(piece.part, [parts[0], parts[-1]]))


def perform(
    piece: ScorePiece,
    rng: Random,
    style: Style | None = None,
    played: npt.NDArray[np.bool_] | None = None,
    transpose: int = 0,
) -> RenderedPerformance:
    """One performance of the notes ``played`` (default: all) of a score with at least one bar and note."""
    counted = count_beats(piece)
    style = style or draw_style(piece, counted, rng)
    ticks, seconds = tempo_map(piece, counted, style, rng)
    chosen = np.flatnonzero(played) if played is not None else np.arange(len(piece.onset))
    if len(chosen) > 20:
        chosen = chosen[rng.random(len(chosen)) >= style.missing]
    score_onset, duration = piece.onset[chosen], piece.duration[chosen]
    pitch = piece.pitch[chosen].astype(np.int64) + transpose
    flags = piece.flags[chosen]
    exact = np.interp(score_onset, ticks, seconds)
    onset = exact + asynchrony(piece, chosen, exact, style, rng)
    onset = with_graces(onset, exact, score_onset, flags, style, rng)
    ends = np.interp(score_onset + duration, ticks, seconds)
    offset = released(piece, chosen, exact, onset, ends, style, rng)
    if style.pedal_beats > 0:
        offset = pedalled(piece, chosen, counted, offset, ticks, seconds, style, rng)
    velocity = loudness(piece, chosen, counted, style, rng)
    index = chosen.astype(np.int64)
    row = ornamented(onset, offset, pitch, velocity, index, flags, style, rng)
    onset, offset, pitch, velocity, index = with_slips(*row, style, rng)
    pitch = np.clip(pitch, 12, 115)
    order = np.lexsort((pitch, onset))
    onset, offset = onset[order], offset[order]
    pitch, velocity, index = pitch[order], velocity[order], index[order]
    offset = struck_again(onset, np.maximum(offset, onset + 0.02), pitch)
    return RenderedPerformance(onset, offset, pitch, velocity, index, ticks, seconds, style, counted)


def keyed(piece: ScorePiece, chosen: Ints, style: Style) -> npt.NDArray[np.bool_]:
    """Which notes are struck on a keyboard."""
    if not style.ensemble:
        return np.ones(len(chosen), bool)
    return np.asarray(np.array(piece.part_is_keyboard, bool)[piece.part[chosen]])


def asynchrony(piece: ScorePiece, chosen: Ints, exact: Floats, style: Style, rng: Random) -> Floats:
    """How far each note is from its chord's exact time: jitter, hands, the tune's lead, rolled chords."""
    count = len(chosen)
    result = rng.normal(0, 1, count) * style.note_jitter_s
    if style.rubato == 0:
        return np.asarray(result)
    result += unevenness(piece, chosen, exact, style, rng)
    hand = piece.part[chosen] * 4 + piece.staff[chosen]
    _, together = np.unique(np.stack([piece.onset[chosen], hand]), axis=1, return_inverse=True)
    together = together.ravel()
    result += (rng.normal(0, style.hand_jitter_s, int(together.max(initial=0)) + 1))[together]
    line = ~keyed(piece, chosen, style)
    result += np.where(line, rng.normal(0, style.note_jitter_s, count), 0.0)
    chord = np.unique(piece.onset[chosen], return_inverse=True)[1].ravel()
    top = np.full(int(chord.max(initial=0)) + 1, -1)
    np.maximum.at(top, chord, piece.pitch[chosen])
    result -= np.where(piece.pitch[chosen] == top[chord], style.lead_s, 0.0)
    sizes = np.bincount(together)
    marked = np.zeros(len(sizes), bool)
    np.logical_or.at(marked, together, (piece.flags[chosen] & ARPEGGIO) > 0)
    by_chance = (rng.random(len(sizes)) < style.roll_share) & (sizes >= 3)
    rolled = np.flatnonzero((marked & (sizes >= 2) & (rng.random(len(sizes)) < 0.9)) | by_chance)
    if len(rolled):
        members = np.flatnonzero(np.isin(together, rolled))
        order = members[np.lexsort((piece.pitch[chosen][members], together[members]))]
        groups = together[order]
        first = np.concatenate([[True], np.diff(groups) != 0])
        begin = np.flatnonzero(first)
        rank = np.arange(len(order)) - np.repeat(begin, np.diff([*begin, len(order)]))
        step = rng.uniform(0.015, 0.08, len(sizes))
        ahead = np.where(rng.random(len(sizes)) < 0.3, step * (sizes - 1), 0.0)
        result[order] += rank * step[groups] - ahead[groups]
    return np.asarray(result)


def unevenness(piece: ScorePiece, chosen: Ints, exact: Floats, style: Style, rng: Random) -> Floats:
    """What each position of the score is early or late by: chance, and a habit of its place in the beat."""
    ticks, first, at = np.unique(piece.onset[chosen], return_index=True, return_inverse=True)
    times = exact[first]
    apart = np.diff(times, prepend=times[0] - 1.0, append=times[-1] + 1.0)
    room = np.minimum(apart[:-1], apart[1:])
    habit = rng.normal(0, 0.4 * style.uneven_s, 12)[(ticks % TICKS) * 12 // TICKS]
    chance = rng.normal(0, style.uneven_s, len(ticks))
    return np.asarray(np.clip(habit + chance, -0.3 * room, 0.3 * room)[at.ravel()])


def with_graces(
    onset: Floats, exact: Floats, score_onset: Ints, flags: Ints, style: Style, rng: Random
) -> Floats:
    """Grace notes before their main note, or on the beat with the main note after them."""
    grace = np.flatnonzero((flags & GRACE) > 0)
    if not len(grace):
        return onset
    onset = onset.copy()
    on_the_beat = rng.random() < 0.35
    for tick in np.unique(score_onset[grace]):
        members = grace[score_onset[grace] == tick]
        step = rng.uniform(0.04, 0.13) / (1 + 0.15 * len(members))
        rank = np.arange(len(members))
        if on_the_beat:
            lo, hi = np.searchsorted(score_onset, [tick, tick + 1])
            main = np.setdiff1d(np.arange(lo, hi), members)
            onset[members] = exact[members] + step * rank
            if len(main):
                onset[main[-1]] += step * len(members)
        else:
            onset[members] = exact[members] - step * (len(members) - rank)
    return onset


ARTICULATIONS = ((0.97, 0.06, 0.03), (0.85, 0.08, 0.0), (0.6, 0.1, 0.0), (0.35, 0.1, 0.0), (1.0, 0.03, 0.15))
"""Share of its value a note is held, its spread, and an overlap in seconds: legato, plain, portato, staccato,
and held over."""


def released(
    piece: ScorePiece, chosen: Ints, exact: Floats, onset: Floats, ends: Floats, style: Style, rng: Random
) -> Floats:
    """When each key is let go: by an articulation drawn for each voice and span of some bars."""
    count = len(chosen)
    line = piece.part[chosen] * 64 + piece.staff[chosen] * 16 + np.minimum(piece.voice[chosen], 15)
    span = piece.onset[chosen] // (TICKS * int(rng.choice([4, 8, 16, 32])))
    key = line * 100_000 + span
    _, group = np.unique(key, return_inverse=True)
    group = group.ravel()
    usual = rng.dirichlet([2.0, 1.5, 0.5, 0.4, 0.6])
    kinds = rng.choice(len(ARTICULATIONS), int(group.max(initial=0)) + 1, p=usual)
    table = np.array(ARTICULATIONS)[kinds][group]
    share = table[:, 0] + table[:, 1] * rng.normal(0, 1, count)
    if style.plain_velocity:
        share = np.full(count, rng.choice([0.95, 1.0]))
    length = np.maximum(ends - exact, 0.03)
    flags = piece.flags[chosen]
    share = np.where((flags & SLURRED) > 0, np.maximum(share, rng.uniform(0.85, 1.05, count)), share)
    short = (flags & STACCATO) > 0
    share = np.where(short, rng.uniform(0.2, 0.55, count), share)
    result = onset + length * np.clip(share, 0.1, 1.2) + np.where(short, 0.0, table[:, 2])
    return np.where((flags & GRACE) > 0, onset + rng.uniform(0.04, 0.15, count), result)


def pedalled(
    piece: ScorePiece,
    chosen: Ints,
    counted: ScoreBeats,
    offset: Floats,
    ticks: Floats,
    seconds: Floats,
    style: Style,
    rng: Random,
) -> Floats:
    """Notes of keyboards held until the pedal changes."""
    every = max(1, round(style.pedal_beats))
    changes = np.interp(counted.ticks[::every], ticks, seconds)
    at = changes[np.minimum(np.searchsorted(changes, offset), len(changes) - 1)]
    on = keyed(piece, chosen, style) & (rng.random(len(chosen)) < 0.9)
    return np.where(on, np.maximum(offset, at + rng.normal(0.02, 0.03, len(chosen))), offset)


def loudness(piece: ScorePiece, chosen: Ints, counted: ScoreBeats, style: Style, rng: Random) -> Ints:
    """Velocities: level, phrase, metre, the tune above the rest, chance."""
    count = len(chosen)
    level = rng.uniform(40, 90)
    if style.plain_velocity:
        return np.full(count, int(level), np.int64)
    onsets = piece.onset[chosen]
    place = np.clip(np.searchsorted(counted.ticks, onsets, side="right") - 1, 0, len(counted) - 1)
    on_beat = counted.ticks[place] == onsets
    metre = rng.normal(3, 3) * on_beat + rng.normal(3, 4) * (on_beat & (counted.numbers[place] == 1))
    every = 16 * TICKS
    knots = np.arange(0, onsets.max(initial=0) + 2 * every, every)
    swell = np.interp(onsets, knots, np.cumsum(rng.normal(0, 6, len(knots))))
    swell = np.clip(swell, -25, 25)
    chord = np.unique(onsets, return_inverse=True)[1].ravel()
    top = np.full(int(chord.max(initial=0)) + 1, -1)
    np.maximum.at(top, chord, piece.pitch[chosen])
    tune = np.where(piece.pitch[chosen] == top[chord], rng.uniform(0, 14), 0.0)
    value = level + metre + swell + tune + rng.normal(0, rng.uniform(2, 8), count)
    return np.asarray(np.clip(np.rint(value), 8, 127), np.int64)


Row = tuple[Floats, Floats, Ints, Ints, Ints]


def ornamented(
    onset: Floats,
    offset: Floats,
    pitch: Ints,
    velocity: Ints,
    index: Ints,
    flags: Ints,
    style: Style,
    rng: Random,
) -> Row:
    """Trills, mordents and turns played out: where they are written, now and then where they aren't."""
    length = offset - onset
    wanted = ((flags & TRILL) > 0) & (rng.random(len(onset)) < 0.9)
    if style.rubato > 0:
        rate = 0.002 if rng.random() < 0.3 else 0.0
        wanted |= (rng.random(len(onset)) < rate) & (length > 0.3)
    onset, offset = onset.copy(), offset.copy()
    extra: list[tuple[float, float, int, int]] = []
    for n in np.flatnonzero(wanted & (length > 0.15)):
        step = 1.0 / rng.uniform(8, 14)
        above = int(rng.integers(1, 3))
        if rng.random() < 0.5:
            repeats = int(rng.uniform(0.6, 0.95) * length[n] / step)
        else:
            repeats = int(rng.choice([2, 2, 4]))
        repeats = max(2, min(repeats - repeats % 2, 80))
        if rng.random() < 0.4:  # the upper note first: the main note is the second
            steps = [above if k % 2 == 0 else 0 for k in range(repeats)]
        else:
            steps = [0 if k % 2 == 0 else above for k in range(repeats)] + [0]
        time, end = float(onset[n]), float(offset[n])
        for k, up in enumerate(steps):
            last = k == len(steps) - 1
            stop = max(end, time + step) if last else time + step
            if k == 0 and up == 0:
                offset[n] = stop
            elif k == 1 and steps[0] != 0:
                onset[n], offset[n] = time, stop
            else:
                extra.append((time, stop, int(pitch[n]) + up, int(velocity[n])))
            time += step * rng.uniform(0.85, 1.15)
    return appended((onset, offset, pitch, velocity, index), extra)


def appended(row: Row, extra: list[tuple[float, float, int, int]]) -> Row:
    if not extra:
        return row
    onset, offset, pitch, velocity, index = row
    more = np.array(extra)
    return (
        np.concatenate([onset, more[:, 0]]),
        np.concatenate([offset, more[:, 1]]),
        np.concatenate([pitch, more[:, 2].astype(np.int64)]),
        np.concatenate([velocity, more[:, 3].astype(np.int64)]),
        np.concatenate([index, np.full(len(more), -1, np.int64)]),
    )


def with_slips(
    onset: Floats, offset: Floats, pitch: Ints, velocity: Ints, index: Ints, style: Style, rng: Random
) -> Row:
    """Some notes struck beside the right ones."""
    wrong = np.flatnonzero(rng.random(len(onset)) < style.extra)
    extra = [
        (
            float(onset[n] + rng.normal(0, 0.03)),
            float(onset[n] + rng.uniform(0.05, 0.3)),
            int(pitch[n] + rng.choice([-12, -2, -1, 1, 2, 12])),
            int(max(8, velocity[n] * rng.uniform(0.4, 1))),
        )
        for n in wrong
    ]
    return appended((onset, offset, pitch, velocity, index), extra)


def struck_again(onset: Floats, offset: Floats, pitch: Ints) -> Floats:
    """A key that is struck again has been let go before."""
    order = np.lexsort((onset, pitch))
    again = np.full(len(onset), np.inf)
    same = pitch[order][1:] == pitch[order][:-1]
    again[order[:-1][same]] = onset[order[1:][same]]
    return np.asarray(np.maximum(np.minimum(offset, again), onset + 0.005))
