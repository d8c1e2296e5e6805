"""Expression: dynamics, tempo, pedal, fermatas and staccato from how the notes were played.

Task: the signs that a musician would miss, each only where the playing says it clearly; a file that was
written rather than played (one velocity, one tempo) gets none. Methods: the loudness of each bar is
explained by the fewest dynamics (Viterbi over pp to ff, velocities as MIDI files map them); the tempo by
the fewest constant stretches (least squares with a price for each, on medians over a few bars, so that a
ritardando makes none), within which it may fall and come back; a beat much longer than those around it,
on which nothing new is played, is a fermata. Ratios of held to written time show staccato.

Conventions: score time in quarters, tempo in quarters a minute, velocities from 1 to 127. Limits: dynamics
change at the first note of a bar; no accents, no slurs of phrasing, nothing between the staves of a hand.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from fullscore.viterbi import steady_path
from notation.events import Bar, ScoreNote
from notation.meter import ScoreTime
from notation.page import Dynamic, Expression, Hairpin, PartExpression, Pedal, TempoMark, WrittenPart
from transcription.beatgrid import Floats

DYNAMICS = {"pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112}
"""Velocity of each dynamic, as notation programs play it."""

DYNAMIC_STEP = 16.0  # velocity between neighbouring dynamics
DYNAMIC_CHANGE_COST = 2.5  # bars that must be a whole dynamic off before it changes
EVEN_VELOCITY = 4.0  # a smaller spread (standard deviation) is no expression
HAIRPIN_BARS = 6  # the longest
HAIRPIN_NOTES = 4  # moments on which it is heard, at least
HAIRPIN_VELOCITY = 10.0  # how far the loudness moves on them at least
HAIRPIN_FIT = 0.6  # correlation of velocity with time at least

EXACT_TEMPO = 0.003  # relative: beats this equal come from a tempo map
EXACT_SHARE = 0.6  # of all beats that are equal to their neighbour: then no one played it
EXACT_CHANGE = 0.03  # relative: a smaller change of a written tempo isn't marked
GRADUAL_BEATS = 2  # beats of a rit. or accel. at least; a tempo that stays so long is one
CLOSING_BEATS = 8  # at most, after a last rit., are still part of it
MEDIAN_BARS = 5  # tempo of a bar: median over so many
SEGMENT_COST = 0.25  # sum of squared log tempo deviations that a new stretch must save
SEGMENT_BARS = 4  # bars that it lasts at least
TEMPO_CHANGE = 0.12  # relative: what is marked as a new tempo of a performance
RITARDANDO = 0.72  # of the tempo: how far it falls at least, averaged over a bar
RITARDANDO_FROM = 0.95  # of the tempo: where it starts and where it is over
RITARDANDO_BARS = 6  # the longest
RITARDANDO_MADS = 3.0  # mean absolute deviations of the stretch's tempo that it leaves it by
FERMATA = 1.8  # times the beats around it
FERMATA_AROUND = 4  # beats before and after that are compared
FERMATA_RETURN = 1.25  # ratio of the tempi before and after it at most

STACCATO = 0.45  # of the written time held at most
LEGATO = 0.7  # of the written time held in the middle of a voice that has staccato
STACCATO_RUN = 3  # notes in a row at least
STACCATO_VALUES = Fraction(1, 2), Fraction(1)  # shortest and longest value, in quarters
PEDAL_NEAR = Fraction(1, 2)  # quarters from a note's onset within which a pedal belongs to it
PEDAL_LATE_S = 0.12  # the foot comes down or up this long after the note that it belongs to
PEDAL_FLUTTER_S = 0.15  # shorter ones are no pedal, shorter gaps no lifting


def express(
    parts: Sequence[WrittenPart],
    time: ScoreTime,
    pedals: Sequence[tuple[float, float]] = (),
    swing: bool = False,
) -> tuple[list[WrittenPart], Expression]:
    """The parts with staccato and fermatas at their notes, and all other signs.

    ``pedals`` are (down, up) in seconds; they belong to the fullest keyboard part.
    """
    pitched = [part for part in parts if not part.unpitched]
    onsets = sorted({note.onset for part in parts for note in part.notes})
    holds = fermatas(time, onsets)
    tempi, curve = tempo_marks(time, holds)
    tempi = _in_whole_beats(tempi, time.bars)
    keyboards = [part for part in pitched if part.voicing.family == "keyboard"]
    keyboard = max(keyboards, key=lambda part: (part.staves, len(part.notes)), default=None)
    told = {}
    answer = []
    for part in parts:
        dynamics: tuple[Dynamic, ...] = ()
        hairpins: tuple[Hairpin, ...] = ()
        if not part.unpitched:
            dynamics, hairpins = dynamics_of(part.notes, time.bars)
        down = pedal_lines(pedals, part.notes, time) if part is keyboard else ()
        if len(dynamics) == 1 and len(pitched) > 1:  # says little where others play too
            dynamics = ()
        told[part.stem] = PartExpression(dynamics, hairpins, down)
        if not part.unpitched:
            notes = with_fermatas(part.notes, holds)
            if part.voicing.family != "voice":
                notes = with_staccato(notes, time, pedals if part is keyboard else ())
            part = replace(part, notes=notes)
        answer.append(part)
    return answer, Expression(tempi, curve, swing, told)


# Dynamics


def dynamics_of(
    notes: Sequence[ScoreNote], bars: Sequence[Bar]
) -> tuple[tuple[Dynamic, ...], tuple[Hairpin, ...]]:
    """Dynamics and hairpins of one part; none where all notes are about equally loud."""
    if not notes or float(np.std([note.heard.velocity for note in notes])) < EVEN_VELOCITY:
        return (), ()
    loudest: dict[Fraction, int] = {}
    for note in notes:
        loudest[note.onset] = max(loudest.get(note.onset, 0), note.heard.velocity)
    onsets = sorted(loudest)
    velocities = np.array([loudest[onset] for onset in onsets], dtype=np.float64)
    borders = [bisect_left(onsets, bar.start) for bar in bars] + [len(onsets)]
    played = [(a, b) for a, b in pairwise(borders) if b > a]
    loudness = np.array([velocities[a:b].mean() for a, b in played])
    levels = _levels(loudness)
    marks: list[Dynamic] = []
    hairpins: list[Hairpin] = []
    for k, level in enumerate(levels):
        if k and level == levels[k - 1]:
            continue
        onset = onsets[played[k][0]]
        marks.append(Dynamic(onset, level))
        if k:
            grows = DYNAMICS[level] > DYNAMICS[levels[k - 1]]
            begin = _swelling(loudness, k, grows)
            a, b = played[begin][0], played[k][0]
            free = not hairpins or hairpins[-1].end <= onsets[a]
            if b > a and free and _swells(onsets[a:b], velocities[a:b], 1 if grows else -1):
                hairpins.append(Hairpin(onsets[a], onset, grows))
    return tuple(marks), tuple(hairpins)


def _levels(loudness: Floats) -> list[str]:
    """The dynamic of each bar: the cheapest sequence, where changes cost."""
    names = list(DYNAMICS)
    distance = np.abs(loudness[:, None] - np.array(list(DYNAMICS.values()))) / DYNAMIC_STEP
    path, _ = steady_path(-distance, DYNAMIC_CHANGE_COST)
    return [names[i] for i in path]


def _swelling(loudness: Floats, end: int, grows: bool) -> int:
    """The bar from which the loudness moves one way up to the bar ``end``."""
    sign = 1 if grows else -1
    begin = end
    while begin and end - begin < HAIRPIN_BARS and sign * (loudness[begin] - loudness[begin - 1]) > 0:
        begin -= 1
    return begin


def _swells(onsets: Sequence[Fraction], velocities: Floats, sign: int) -> bool:
    """Whether the notes get louder (``sign`` 1) or softer (-1) all the way."""
    if len(onsets) < HAIRPIN_NOTES or np.ptp(velocities) == 0:
        return False
    places = np.array([float(onset) for onset in onsets])
    slope = float(np.polyfit(places, velocities, 1)[0])
    fit = float(np.corrcoef(places, velocities)[0, 1])
    return sign * fit >= HAIRPIN_FIT and sign * slope * float(np.ptp(places)) >= HAIRPIN_VELOCITY


# Tempo


def tempo_marks(
    time: ScoreTime, holds: Sequence[tuple[Fraction, Fraction]] = ()
) -> tuple[tuple[TempoMark, ...], tuple[tuple[Fraction, float], ...]]:
    """Metronome marks, rit. and accel., and the tempo as played where it changes gradually.

    Beats held by a fermata (``holds``) don't count.
    """
    quarters, tempo = _beat_tempi(time)
    held = {start for start, _ in holds}
    for i, start in enumerate(quarters):
        if start in held:
            around = [tempo[k] for k in (i - 1, i + 1) if 0 <= k < len(tempo)]
            tempo[i] = float(np.mean(around)) if around else tempo[i]
    equal = np.abs(np.diff(np.log(tempo))) < EXACT_TEMPO
    if len(tempo) == 1 or equal.mean() >= EXACT_SHARE:
        return _written_tempi(quarters, tempo)
    return _played_tempi(time, quarters, tempo)


def _in_whole_beats(marks: Sequence[TempoMark], bars: Sequence[Bar]) -> tuple[TempoMark, ...]:
    """Metronome marks as they are written: a whole number of beats a minute."""
    starts = [bar.start for bar in bars]
    answer = []
    for mark in marks:
        beat = float(bars[max(bisect_right(starts, mark.onset) - 1, 0)].time_signature.beat_quarters)
        whole = max(round(mark.quarters_per_minute / beat), 1) * beat
        answer.append(replace(mark, quarters_per_minute=whole) if mark.number else mark)
    return tuple(answer)


def _beat_tempi(time: ScoreTime) -> tuple[list[Fraction], Floats]:
    """The start of each beat within the score, and the tempo from it to the next."""
    rows = [
        (max(start, Fraction(0)), float(after - start) * 60 / (t1 - t0))
        for (start, after), (t0, t1) in zip(
            pairwise(time.beat_quarters), pairwise(time.beat_times), strict=True
        )
        if after > 0 and start < time.end
    ]
    if not rows:
        rows = [(Fraction(0), 120.0)]
    return [start for start, _ in rows], np.array([tempo for _, tempo in rows])


def _written_tempi(
    quarters: Sequence[Fraction], tempo: Floats
) -> tuple[tuple[TempoMark, ...], tuple[tuple[Fraction, float], ...]]:
    """The marks of a tempo map: a number wherever it stays, words where it keeps changing one way."""
    cuts = [0, *(np.flatnonzero(np.abs(np.diff(np.log(tempo))) >= EXACT_TEMPO) + 1).tolist(), len(tempo)]
    marks: list[TempoMark] = []
    curve: list[tuple[Fraction, float]] = []
    current = 0.0  # the last tempo that stayed
    moving: list[int] = []  # beats since then

    def told() -> bool:
        """Write down a gradual change; whether there was one."""
        values = np.array([current, *tempo[moving]])
        steps = np.diff(values)
        one_way = len(moving) >= GRADUAL_BEATS and (bool(np.all(steps > 0)) or bool(np.all(steps < 0)))
        if not one_way or abs(np.log(values[-1] / values[0])) < TEMPO_CHANGE:
            return False
        word = "rit." if steps[0] < 0 else "accel."
        marks.append(TempoMark(quarters[moving[0]], float(tempo[moving[0]]), word, number=False))
        return True

    for a, b in pairwise(cuts):
        if b - a < GRADUAL_BEATS and current and len(tempo) > GRADUAL_BEATS:
            moving += range(a, b)
            continue
        value = float(np.mean(tempo[a:b]))
        changed = told() if moving else False
        curve += [(quarters[i], float(tempo[i])) for i in moving]
        ends = changed and b == len(tempo) and b - a <= CLOSING_BEATS
        if not current or (abs(value / current - 1) >= EXACT_CHANGE and not ends):
            marks.append(TempoMark(quarters[a], value))
        elif changed and not ends:
            marks.append(TempoMark(quarters[a], value, "a tempo", number=False))
        if moving:
            curve.append((quarters[a], value))
        current, moving = value, []
    if moving:
        told()
        curve += [(quarters[i], float(tempo[i])) for i in moving]
    return tuple(marks), tuple(curve)


def _played_tempi(
    time: ScoreTime, quarters: Sequence[Fraction], tempo: Floats
) -> tuple[tuple[TempoMark, ...], tuple[tuple[Fraction, float], ...]]:
    bars = [bar for bar in time.bars if bar.start < quarters[-1] or bar is time.bars[0]]
    of_bar = [max(bisect_right(quarters, bar.start) - 1, 0) for bar in bars] + [len(quarters)]
    beats = [(a, max(b, a + 1)) for a, b in pairwise(of_bar)]
    each = np.array([float(np.median(np.log(tempo[a:b]))) for a, b in beats])
    marks: list[TempoMark] = []
    curve: list[tuple[Fraction, float]] = []
    shown = 0.0
    for begin, end in _stretches(_running_median(each)):
        inside = each[begin:end]
        usual = float(np.exp(np.median(inside)))
        onset = bars[begin].start if begin else Fraction(0)
        if not shown or abs(usual / shown - 1) >= TEMPO_CHANGE:
            marks.append(TempoMark(onset, usual))
            shown = usual
        spread = float(np.mean(np.abs(inside - np.median(inside))))
        limit = min(RITARDANDO, float(np.exp(-RITARDANDO_MADS * spread)))
        first, last = beats[begin][0], beats[end - 1][1]
        per_bar = max(1, beats[begin][1] - beats[begin][0])
        for start, stop in _slowings(tempo[first:last] / shown, per_bar, limit):
            at = quarters[first + start]
            if marks[-1].onset >= at:
                continue
            marks.append(TempoMark(at, float(tempo[first + start]), "rit.", number=False))
            curve += [(quarters[i], float(tempo[i])) for i in range(first + start, first + stop)]
            if first + stop < len(tempo):
                back = quarters[first + stop]
                if first + stop < last:
                    marks.append(TempoMark(back, shown, "a tempo", number=False))
                curve.append((back, shown))
    return tuple(marks), tuple(curve)


def _running_median(values: Floats) -> Floats:
    half = MEDIAN_BARS // 2
    padded = np.pad(values, half, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_BARS), axis=1))


def _stretches(values: Floats) -> list[tuple[int, int]]:
    """The row cut into stretches around their means: the least squares with a price for each stretch."""
    n = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values**2)])
    best = np.full(n + 1, np.inf)
    best[0] = -SEGMENT_COST
    source = np.zeros(n + 1, dtype=np.int64)
    for end in range(min(SEGMENT_BARS, n), n + 1):
        begins = np.arange(max(end - SEGMENT_BARS + 1, 1))
        lengths = end - begins
        error = squares[end] - squares[begins] - (sums[end] - sums[begins]) ** 2 / lengths
        total = best[begins] + error + SEGMENT_COST
        source[end] = int(np.argmin(total))
        best[end] = total[source[end]]
    cuts = [n]
    while cuts[-1]:
        cuts.append(int(source[cuts[-1]]))
    return list(pairwise(reversed(cuts)))


def _slowings(ratio: Floats, per_bar: int, limit: float) -> list[tuple[int, int]]:
    """Where the tempo falls below ``limit`` of the usual and comes back: (first beat, beat after)."""
    if len(ratio) < per_bar:
        return []
    smooth = np.convolve(np.pad(ratio, (per_bar // 2, per_bar), mode="edge"), np.full(per_bar, 1 / per_bar))
    smooth = smooth[per_bar - 1 : per_bar - 1 + len(ratio)]
    answer: list[tuple[int, int]] = []
    at = 0
    while at < len(ratio):
        if smooth[at] >= limit:
            at += 1
            continue
        begin, end = at, at
        while begin and ratio[begin - 1] < RITARDANDO_FROM:
            begin -= 1
        while end < len(ratio) and smooth[end] < limit:
            end += 1
        while end < len(ratio) and ratio[end] < RITARDANDO_FROM:
            end += 1
        if 2 <= end - begin <= RITARDANDO_BARS * per_bar and (not answer or begin > answer[-1][1]):
            answer.append((begin, end))
        at = max(end, at + 1)
    return answer


# Fermatas


def fermatas(time: ScoreTime, onsets: Sequence[Fraction]) -> tuple[tuple[Fraction, Fraction], ...]:
    """Beats that are held: far longer than those around, which go on as before, with no note within."""
    quarters, tempo = _beat_tempi(time)
    period = 1 / tempo
    found = []
    for i in range(1, len(period) - 2):
        before, after = period[max(0, i - FERMATA_AROUND) : i], period[i + 1 : i + 1 + FERMATA_AROUND]
        if len(after) < 2:
            continue
        a, b = float(np.median(before)), float(np.median(after))
        held = period[i] >= FERMATA * max(a, b, float(period[i - 1]), float(period[i + 1]))
        if held and max(a, b) <= FERMATA_RETURN * min(a, b):
            begin, end = quarters[i], quarters[i + 1]
            if bisect_right(onsets, begin) == bisect_left(onsets, end):
                found.append((begin, end))
    return tuple(found)


def with_fermatas(
    notes: Sequence[ScoreNote], holds: Sequence[tuple[Fraction, Fraction]]
) -> tuple[ScoreNote, ...]:
    """A fermata on every note that sounds through a held beat's start."""
    if not holds:
        return tuple(notes)
    starts = [begin for begin, _ in holds]

    def held(note: ScoreNote) -> bool:
        at = bisect_left(starts, note.end) - 1
        return at >= 0 and note.duration > 0 and note.onset <= starts[at] < note.end

    return tuple(_marked(note, "fermata") if held(note) else note for note in notes)


# Articulation


def with_staccato(
    notes: Sequence[ScoreNote], time: ScoreTime, pedals: Sequence[tuple[float, float]] = ()
) -> tuple[ScoreNote, ...]:
    """Dots where several notes in a row are held far shorter than written, in a voice that else is not."""
    if not notes:
        return ()
    written = time.seconds_at([[float(n.onset), float(n.end)] for n in notes])
    lengths = np.maximum(written[:, 1] - written[:, 0], 1e-6)
    ratios = np.array([note.heard.duration for note in notes]) / lengths
    downs = [down for down, _ in pedals]
    by_voice: dict[tuple[int, int], list[int]] = {}
    for i, note in enumerate(notes):
        if note.duration > 0:
            by_voice.setdefault((note.staff, note.voice), []).append(i)
    short: set[int] = set()
    for members in by_voice.values():
        if float(np.median(ratios[members])) < LEGATO:
            continue
        moments: dict[Fraction, list[int]] = {}
        for i in members:
            moments.setdefault(notes[i].onset, []).append(i)
        run: list[int] = []
        count = 0
        for onset in [*sorted(moments), None]:
            here = moments[onset] if onset is not None else []
            if here and all(_is_short(notes[i], ratios[i], downs, pedals) for i in here):
                run += here
                count += 1
                continue
            if count >= STACCATO_RUN:
                short.update(run)
            run, count = [], 0
    return tuple(_marked(note, "staccato") if i in short else note for i, note in enumerate(notes))


def _is_short(
    note: ScoreNote, ratio: float, downs: Sequence[float], pedals: Sequence[tuple[float, float]]
) -> bool:
    shortest, longest = STACCATO_VALUES
    if ratio > STACCATO or not shortest <= note.duration <= longest or "trill" in note.marks:
        return False
    at = bisect_right(downs, note.heard.offset) - 1
    return at < 0 or pedals[at][1] <= note.heard.offset


def _marked(note: ScoreNote, mark: str) -> ScoreNote:
    return note if mark in note.marks else replace(note, marks=note.marks | {mark})


# Pedal


def pedal_lines(
    pedals: Sequence[tuple[float, float]], notes: Sequence[ScoreNote], time: ScoreTime
) -> tuple[Pedal, ...]:
    """Pedals in score time, each from the note with which the foot comes down to the one at which it leaves.

    A foot that comes up just after a note and down again belongs to that note: the pedal changes there.
    """
    if not pedals or not notes:
        return ()
    onsets = sorted({*(note.onset for note in notes), max(note.end for note in notes)})
    merged: list[list[float]] = []
    for down, up in sorted(pedals):
        if merged and down - merged[-1][1] < PEDAL_FLUTTER_S / 2:
            merged[-1][1] = max(up, merged[-1][1])
        else:
            merged.append([down, up])
    times = [pair for pair in merged if pair[1] - pair[0] >= PEDAL_FLUTTER_S]
    if not times:
        return ()
    places = time.quarters_at(np.array(times) - PEDAL_LATE_S)
    lines: list[Pedal] = []
    for down, up in places:
        start, end = _nearest(onsets, down, time.end), _nearest(onsets, up, time.end)
        if lines:
            start = max(start, lines[-1].end)
        if end > start:
            lines.append(Pedal(start, end))
    return tuple(lines)


def _nearest(onsets: Sequence[Fraction], place: float, last: Fraction) -> Fraction:
    """The onset nearest to a place, or else the half quarter nearest."""
    at = bisect_left(onsets, Fraction(place))
    near = min(onsets[max(at - 1, 0) : at + 1], key=lambda onset: abs(float(onset) - place))
    if abs(float(near) - place) <= PEDAL_NEAR:
        return near
    return min(max(Fraction(round(2 * place), 2), Fraction(0)), last)
