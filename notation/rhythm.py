"""How a rhythm is written: note values, ties, tuplets and beams that show the meter.

Task: given where notes and rests start and end in a bar, choose the written values, so that a player
sees the beats. Method: the bar is divided as its time signature is (4/4 into halves, beats, halves of
beats…; 6/8 into two beats of three). First the smallest divisions that need a tuplet are found; the rest
is split where a value would hide a division, except for the usual syncopations (Gould, Behind Bars, 2011,
"Grouping of notes and rests"; compare LilyPond's completion engravers, which split at every division).

Conventions: positions are ``Fraction`` quarter notes from the first beat of the full bar, so that a
pick-up bar starts late. Limits: values from a breve to a 256th, single dots, tuplets not nested; what
they can't show is moved to the nearest place that they can (:func:`spell`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from transcription.beatgrid import TimeSignature

VALUE_NAMES = {
    Fraction(8): "breve",
    Fraction(4): "whole",
    Fraction(2): "half",
    Fraction(1): "quarter",
    Fraction(1, 2): "eighth",
    Fraction(1, 4): "16th",
    Fraction(1, 8): "32nd",
    Fraction(1, 16): "64th",
    Fraction(1, 32): "128th",
    Fraction(1, 64): "256th",
}
"""Undotted note values by their length in quarters."""

SHORTEST = min(VALUE_NAMES)
BEAM_COUNTS = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4, "128th": 5, "256th": 6}

_GROUPS = {2: (1, 1), 3: (1, 1, 1), 4: (2, 2), 5: (3, 2), 6: (3, 3), 7: (2, 2, 3), 8: (4, 4)}
"""How many beats fall together, one level down."""

_MOST_IN_TUPLET = 13
"""Notes that one tuplet shows: what needs more mixes divisions that no one reads."""

_WIDEST_TUPLET = Fraction(2)
"""Quarters that one tuplet may fill: the quarter triplet over two beats is usual, wider ones are not."""


@dataclass(frozen=True, slots=True)
class Tuplet:
    """``actual`` notes in the time of ``normal`` of the value ``unit``; does its bracket start, stop here."""

    actual: int
    normal: int
    unit: str
    starts: bool = False
    stops: bool = False


@dataclass(frozen=True, slots=True)
class NoteValue:
    """One written value: where it is, how long it sounds, and how it looks.

    ``segment`` is the index of the note or rest of which it is a part.
    """

    segment: int
    start: Fraction
    length: Fraction
    name: str
    dots: int = 0
    tuplet: Tuplet | None = None

    @property
    def end(self) -> Fraction:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class RhythmSegment:
    """A stretch of a bar filled by one note (or chord) or by one rest."""

    start: Fraction
    end: Fraction
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Division:
    """A stretch of metrical time: several beats, one beat (``beats`` 1) or less (``beats`` 0)."""

    start: Fraction
    length: Fraction
    beats: int
    compound: bool

    @property
    def end(self) -> Fraction:
        return self.start + self.length

    @property
    def parts(self) -> tuple[Division, ...]:
        """The divisions one level down."""
        if self.beats > 1:
            counts = _GROUPS.get(self.beats) or (2,) * (self.beats // 2 - 1) + (2 + self.beats % 2,)
            beat = self.length / self.beats
            starts = [self.start + beat * sum(counts[:i]) for i in range(len(counts))]
            return tuple(Division(s, beat * n, n, self.compound) for s, n in zip(starts, counts, strict=True))
        n = 3 if self.beats == 1 and self.compound else 2
        part = self.length / n
        return tuple(Division(self.start + part * i, part, 0, False) for i in range(n))

    def contains(self, start: Fraction, end: Fraction) -> bool:
        return self.start <= start and end <= self.end


def bar_division(meter: TimeSignature) -> Division:
    """The full bar of a meter."""
    return Division(Fraction(0), meter.bar_quarters, meter.beats_per_bar, meter.compound)


def spell(segments: Sequence[RhythmSegment], meter: TimeSignature) -> list[NoteValue]:
    """Written values for the segments of one voice, which follow one another without a gap.

    A segment becomes one value or several (tied, where it is a note). Beats whose division no values can
    show (five against a triplet, parts of a 256th) are spelled as if they were played a little earlier or
    later; no segment is lost.
    """
    bar = bar_division(meter)
    try:
        return _spell(segments, bar)
    except ValueError:
        beats = _level(bar, 1)
        crooked = [beat for beat in beats if not _writable(segments, beat)]
    try:
        return _spell(_moved(segments, crooked), bar)
    except ValueError:
        return _spell(_moved(segments, beats), bar)


def _spell(segments: Sequence[RhythmSegment], bar: Division) -> list[NoteValue]:
    """The values of segments; raises ValueError where there are none."""
    borders = sorted({t for segment in segments for t in (segment.start, segment.end)})
    tuplets = _tuplets(bar, borders)
    values: list[NoteValue] = []
    for index, segment in enumerate(segments):
        if segment.start == segment.end:
            continue
        for start, end, tuplet in _cut(segment, tuplets):
            if tuplet is None:
                values += [_plain(index, *piece) for piece in _split(start, end, bar, segment.rest)]
            else:
                values += _in_tuplet(index, start, end, *tuplet)
    return _bracketed(values, tuplets)


def _writable(segments: Sequence[RhythmSegment], beat: Division) -> bool:
    """Whether what happens within one beat can be written."""
    inside = [
        RhythmSegment(max(segment.start, beat.start), min(segment.end, beat.end), segment.rest)
        for segment in segments
        if segment.start < beat.end and beat.start < segment.end
    ]
    try:
        _spell(inside, beat)
    except ValueError:
        return False
    return True


def _moved(segments: Sequence[RhythmSegment], beats: Sequence[Division]) -> list[RhythmSegment]:
    """The segments with their borders within ``beats`` on the coarsest binary grid that keeps them apart."""
    places: dict[Fraction, Fraction] = {}
    borders = sorted({t for segment in segments for t in (segment.start, segment.end)})
    for beat in beats:
        inner = [t for t in borders if beat.start < t < beat.end]
        step = beat.length / (3 if beat.compound else 1)
        while inner:
            step /= 2
            count = int(beat.length / step)
            slots = [round((t - beat.start) / step) for t in inner]
            apart = slots[0] > 0 and slots[-1] < count and all(a < b for a, b in pairwise(slots))
            if apart or step <= SHORTEST:
                break
        for i, t in enumerate(inner):
            earliest = slots[i - 1] + 1 if i else 1
            slots[i] = min(max(slots[i], earliest), max(count - len(inner) + i, 1))
            places[t] = beat.start + step * slots[i]
    return [
        RhythmSegment(
            places.get(segment.start, segment.start), places.get(segment.end, segment.end), segment.rest
        )
        for segment in segments
    ]


def value_name(length: Fraction) -> tuple[str, int] | None:
    """Name and dots of the single value that lasts ``length`` quarters, if there is one."""
    if length in VALUE_NAMES:
        return VALUE_NAMES[length], 0
    undotted = length * 2 / 3
    if undotted in VALUE_NAMES and undotted > SHORTEST:
        return VALUE_NAMES[undotted], 1
    return None


# Plain values


def _split(start: Fraction, end: Fraction, bar: Division, rest: bool) -> list[tuple[Fraction, Fraction]]:
    """Pieces of a note or rest, each of which one value can show without hiding the meter."""
    division = _smallest_around(start, end, bar)
    if value_name(end - start) and _shows_meter(start, end, division, rest):
        return [(start, end)]
    inner = [part.start for part in division.parts if start < part.start < end]
    if not inner:
        raise ValueError(f"no written value lasts {end - start} quarters")
    # From a part's border the longer piece is the first one; from anywhere else it is what follows.
    on_border = any(part.start == start for part in division.parts)
    cut = inner[-1] if on_border else inner[0]
    return _split(start, cut, bar, rest) + _split(cut, end, bar, rest)


def _smallest_around(start: Fraction, end: Fraction, division: Division) -> Division:
    while division.length > SHORTEST:
        inside = next((part for part in division.parts if part.contains(start, end)), None)
        if inside is None:
            break
        division = inside
    return division


def _shows_meter(start: Fraction, end: Fraction, division: Division, rest: bool) -> bool:
    """Whether one value may cross the borders inside ``division``."""
    if (start, end) == (division.start, division.end):
        return True
    parts = division.parts
    unit = parts[0].length
    if any(part.length != unit for part in parts):
        borders = {division.end, *(part.start for part in parts)}
        return start in borders and end in borders and not rest
    a, b = (start - division.start) / unit, (end - division.start) / unit
    on_grid = a.denominator == 1, b.denominator == 1
    if rest:  # Only the first two thirds of a compound beat: elsewhere rests show every division.
        return division.beats == 1 and division.compound and a == 0 and all(on_grid)
    compound_parts = division.compound and parts[0].beats == 1
    if len(parts) == 2:
        if compound_parts or len(parts[0].parts) == 3:
            return all(on_grid)
        on_half_grid = a.denominator <= 2 and b.denominator <= 2
        return on_half_grid and b - a >= 1
    if compound_parts:
        return all(on_grid)
    if all(on_grid):
        return True
    on_half_grid = a.denominator <= 2 and b.denominator <= 2
    return on_half_grid and (b - a == 1 or (b - a > 1 and any(on_grid)) or (a, b) in _DUPLETS)


_DUPLETS = ((Fraction(0), Fraction(3, 2)), (Fraction(3, 2), Fraction(3)))
"""Halves of three: two dotted values, as two dotted eighths in a 6/8 beat."""


def _plain(index: int, start: Fraction, end: Fraction) -> NoteValue:
    name, dots = value_name(end - start) or ("", 0)
    return NoteValue(index, start, end - start, name, dots)


# Tuplets

_Stretch = tuple[Division, int]
"""A division filled by a tuplet of so many notes."""


def _tuplets(division: Division, borders: Sequence[Fraction]) -> list[_Stretch]:
    """The divisions that need a tuplet, each with its number of notes, in order of time."""
    inner = [t for t in borders if division.start < t < division.end]
    if all(_is_dyadic(t) for t in inner):
        return []
    parts = division.parts
    whole = borders[0] <= division.start and division.end <= borders[-1]  # a pick-up may start within
    if whole and len(parts) == 2 and not any(t == parts[1].start for t in inner):
        needed = math.lcm(*(((t - division.start) / division.length).denominator for t in inner))
        # Over two beats only three equal notes: anything else is easier read beat by beat.
        over_two = division.beats == 2 and division.length <= _WIDEST_TUPLET
        if division.beats <= 1 or (over_two and needed == 3 and len(inner) == 2):
            return [(division, _odd_part(needed))]
    return [stretch for part in parts for stretch in _tuplets(part, borders)]


def _is_dyadic(t: Fraction) -> bool:
    return t.denominator & (t.denominator - 1) == 0


def _odd_part(n: int) -> int:
    while n % 2 == 0:
        n //= 2
    return n


def _cut(
    segment: RhythmSegment, tuplets: Sequence[_Stretch]
) -> list[tuple[Fraction, Fraction, _Stretch | None]]:
    """The segment cut where tuplets begin and end, each piece with the tuplet it is in."""
    around = [s for s in tuplets if s[0].start < segment.end and segment.start < s[0].end]
    edges = {t for division, _ in around for t in (division.start, division.end)}
    cuts = [segment.start, *sorted(t for t in edges if segment.start < t < segment.end), segment.end]
    return [(a, b, next((s for s in around if s[0].contains(a, b)), None)) for a, b in pairwise(cuts)]


def _in_tuplet(index: int, start: Fraction, end: Fraction, division: Division, count: int) -> list[NoteValue]:
    normal = 1 << (count.bit_length() - 1)
    unit = division.length / normal
    if unit not in VALUE_NAMES or count > _MOST_IN_TUPLET:
        raise ValueError(f"no tuplet of {count} fills {division.length} quarters")
    tuplet = Tuplet(count, normal, VALUE_NAMES[unit])
    scale = Fraction(count, normal)

    def written(a: Fraction, b: Fraction) -> list[NoteValue]:
        look = value_name((b - a) * scale)
        if look:
            return [NoteValue(index, a, b - a, *look, tuplet)]
        step = unit / scale
        while True:
            inner = [division.start + step * i for i in range(1, int(division.length / step))]
            cut = next((t for t in reversed(inner) if a < t < b), None)
            if cut is not None:
                return written(a, cut) + written(cut, b)
            step /= 2
            if step * scale < SHORTEST:
                raise ValueError(f"no written value lasts {b - a} quarters")

    return written(start, end)


def _bracketed(values: list[NoteValue], tuplets: Sequence[_Stretch]) -> list[NoteValue]:
    """Mark the first and the last value of every tuplet."""
    first, last = {d.start for d, _ in tuplets}, {d.end for d, _ in tuplets}
    return [
        value
        if value.tuplet is None
        else NoteValue(
            value.segment,
            value.start,
            value.length,
            value.name,
            value.dots,
            Tuplet(
                value.tuplet.actual,
                value.tuplet.normal,
                value.tuplet.unit,
                starts=value.start in first,
                stops=value.end in last,
            ),
        )
        for value in values
    ]


# Beams

Beams = tuple[str, ...]
"""For each beam from the stem's end: start, continue, stop, partial-left or partial-right."""


def beams(values: Sequence[NoteValue], rests: Sequence[bool], meter: TimeSignature) -> list[Beams]:
    """Beams of each value: notes of one beat together, plain eighths by the half bar (3/4: by the bar)."""
    answer: list[Beams] = [()] * len(values)
    for group in _beam_groups(values, rests, meter):
        if len(group) < 2:
            continue
        counts = [BEAM_COUNTS[values[i].name] for i in group]
        marks: list[list[str]] = [[] for _ in group]
        for level in range(1, max(counts) + 1):
            for k, count in enumerate(counts):
                if count < level:
                    continue
                left = k > 0 and counts[k - 1] >= level
                right = k + 1 < len(counts) and counts[k + 1] >= level
                if left or right:
                    marks[k].append("continue" if left and right else "stop" if left else "start")
                else:
                    marks[k].append("partial-right" if k == 0 else "partial-left")
        for i, mark in zip(group, marks, strict=True):
            answer[i] = tuple(mark)
    return answer


def _beam_groups(values: Sequence[NoteValue], rests: Sequence[bool], meter: TimeSignature) -> list[list[int]]:
    bar = bar_division(meter)
    wide = [bar] if meter.numerator == 3 else _level(bar, 2)
    beats = _level(bar, 1)
    groups: list[list[int]] = []
    for division in wide if not meter.compound else beats:
        inside = [i for i, v in enumerate(values) if division.start <= v.start < division.end]
        even = all(
            not rests[i] and values[i].name == "eighth" and values[i].tuplet is None and not values[i].dots
            for i in inside
        )
        parts = [division] if even else [beat for beat in beats if division.contains(beat.start, beat.end)]
        for part in parts:
            groups += _runs([i for i in inside if part.start <= values[i].start < part.end], values, rests)
    return groups


def _level(division: Division, beats: int) -> list[Division]:
    """The divisions of at most so many beats."""
    if division.beats <= beats:
        return [division]
    return [d for part in division.parts for d in _level(part, beats)]


def _runs(indices: Sequence[int], values: Sequence[NoteValue], rests: Sequence[bool]) -> list[list[int]]:
    """Neighbours that take beams: a rest or a quarter interrupts, and a tuplet that is not all inside."""
    runs: list[list[int]] = [[]]
    for i in indices:
        if rests[i] or values[i].name not in BEAM_COUNTS:
            runs.append([])
        else:
            runs[-1].append(i)
    return [part for run in runs for part in _around_tuplets(run, values) if part]


def _around_tuplets(run: list[int], values: Sequence[NoteValue]) -> list[list[int]]:
    """The run cut so that every tuplet lies inside one part or holds all of it."""
    tuplets = [values[i].tuplet for i in run]
    first_stop = next((k for k, t in enumerate(tuplets) if t and (t.starts or t.stops)), None)
    if first_stop is not None and (t := tuplets[first_stop]) and t.stops and not t.starts:
        return [run[: first_stop + 1], *_around_tuplets(run[first_stop + 1 :], values)]
    backwards = reversed(range(len(run)))
    last_start = next((k for k in backwards if (t := tuplets[k]) and (t.starts or t.stops)), None)
    if last_start and (t := tuplets[last_start]) and t.starts and not t.stops:
        return [run[:last_start], run[last_start:]]
    return [run]


def brackets(values: Sequence[NoteValue], marks: Sequence[Beams]) -> list[bool]:
    """Whether the tuplet of each value needs a bracket: where no beam shows which notes belong to it."""
    answer = [False] * len(values)
    group: list[int] = []
    for i, value in enumerate(values):
        if value.tuplet is None:
            continue
        group.append(i)
        if value.tuplet.stops:
            outer = [marks[k][0] if marks[k] else "" for k in group]
            beamed = outer[0] == "start" and outer[-1] == "stop" and set(outer[1:-1]) <= {"continue"}
            for k in group:
                answer[k] = not beamed
            group = []
    return answer
