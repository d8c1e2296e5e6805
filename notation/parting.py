"""Parting the notes of a staff into voices where their values are known: none is cut or lengthened.

Task: in which voice each note of a score's own MIDI stands. Method: notes that start and end together are
one chord; a beam search gives the chords of each moment to voices that are free, from the top down, weighing
further voices, leaps, crossings and lower voices that are alone (Chew & Wu 2004, with values as a
constraint rather than a cost). A chord with which nothing else sounds is in the first voice unweighed. Where
more chords sound at once than there are voices, the longest is cut. Time is counted in whole ticks, the
shortest that measure every note.

Conventions: as in :mod:`notation.voices`: voice 1 is the uppermost of its staff, grace notes go with their
main note, nothing is lost or doubled. Limits: whether notes of equal value are one chord or two voices
can't be heard; they are one chord.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import accumulate, combinations, groupby, pairwise, permutations
from math import lcm
from typing import NamedTuple

from notation.events import ScoreNote

VOICES = 4
BEAM = 8
FORGOTTEN_QUARTERS = 2  # after which it doesn't matter where a silent voice was
VOICE_COSTS = (0.0, 0.7, 3.0, 5.0)  # for each chord in the voice
ALONE_COST = 1.2  # more in a lower voice with nothing sounding above
ENTRY_COST = 0.4  # a voice that comes in again needs rests before
LEAP_COST = 0.3  # for each octave within a voice
CROSSING_COST = 1.5  # for each voice that is crossed
CUT_COST = 20.0  # a chord that goes on is cut: only where no voice is free


class _Chord(NamedTuple):
    """Notes that start and end together."""

    start: int  # ticks
    end: int
    pitch: float
    members: tuple[int, ...]


class _Line(NamedTuple):
    """How far a voice has come: the end of its last chord (ticks) and its pitch; None: forgotten."""

    end: int = 0
    pitch: float | None = None


class _State(NamedTuple):
    """One way to have given all chords so far to voices; ``chosen`` are the voices of the last ones."""

    cost: float
    lines: tuple[_Line, ...]
    chosen: tuple[int, ...] = ()
    before: _State | None = None


def part_exactly(notes: Sequence[ScoreNote]) -> tuple[ScoreNote, ...]:
    """The notes of one staff with their voices, all values as they are."""
    mains = [note for note in notes if note.duration > 0]
    graces = [note for note in notes if note.duration == 0]
    ticks = lcm(*{note.onset.denominator for note in mains}, *{note.end.denominator for note in mains})
    groups = list(_chords(mains, ticks))
    sounding_until = accumulate((max(chord.end for chord in group) for group in groups), max, initial=0)
    next_starts = [*(group[0].start for group in groups[1:]), None]
    beam = [_State(0.0, (_Line(),) * VOICES)]
    for group, busy, following in zip(groups, sounding_until, next_starts, strict=False):
        start, end = group[0].start, group[0].end
        lone = len(group) == 1 and busy <= start and (following is None or end <= following)
        best: dict[tuple[_Line, ...], _State] = {}
        for state in beam:
            for new in _extended(state, group, ticks, lone):
                if new.lines not in best or new.cost < best[new.lines].cost:
                    best[new.lines] = new
        beam = sorted(best.values(), key=lambda state: state.cost)[:BEAM]
    written: list[ScoreNote] = []
    last: _State | None = beam[0]
    for group in reversed(groups):
        assert last is not None
        for chord, voice in zip(group, last.chosen, strict=True):
            written += [replace(mains[i], voice=voice + 1) for i in chord.members]
        last = last.before
    return tuple(
        sorted(
            [*written, *with_main_notes(graces, written)],
            key=lambda note: (note.onset, note.duration > 0, note.pitch, note.heard.onset),
        )
    )


def _chords(notes: Sequence[ScoreNote], ticks: int) -> Iterator[list[_Chord]]:
    """Notes of equal start and end, from the top down at each start; VOICES different ends at most."""
    starts = [_in_ticks(note.onset, ticks) for note in notes]
    ends = [_in_ticks(note.end, ticks) for note in notes]
    order = sorted(range(len(notes)), key=lambda i: (starts[i], ends[i], notes[i].pitch))
    for start, group in groupby(order, key=starts.__getitem__):
        together = [list(same) for _, same in groupby(group, key=ends.__getitem__)]
        while len(together) > VOICES:  # the two of the most similar values
            gaps = [ends[b[0]] - ends[a[0]] for a, b in pairwise(together)]
            nearest = gaps.index(min(gaps))
            together[nearest : nearest + 2] = [together[nearest] + together[nearest + 1]]
        chords = [
            _Chord(start, ends[each[0]], sum(notes[i].pitch for i in each) / len(each), tuple(each))
            for each in together
        ]
        yield sorted(chords, key=lambda chord: -chord.pitch)


def _in_ticks(place: Fraction, ticks: int) -> int:
    return place.numerator * (ticks // place.denominator)


IDLE = _Line()


@cache
def _ways(free: tuple[int, ...], chords: int) -> tuple[tuple[int, ...], ...]:
    """The voices that so many chords, from the top down, may be given to; two may cross."""
    return tuple(permutations(free, chords) if chords <= 2 else combinations(free, chords))


def _extended(state: _State, group: Sequence[_Chord], ticks: int, lone: bool) -> Iterator[_State]:
    """``state`` after the chords of one moment, in every way worth weighing.

    There are ``ticks`` in a quarter; a ``lone`` chord sounds with no other.
    """
    start = group[0].start
    forgotten = start - FORGOTTEN_QUARTERS * ticks
    before = tuple(IDLE if line.end < forgotten else line for line in state.lines)
    free = tuple(voice for voice in range(VOICES) if before[voice].end <= start)
    cut = CUT_COST * max(0, len(group) - len(free))
    free = (0,) if lone else tuple(range(VOICES)) if cut else free[: len(group) + 1]
    for voices in _ways(free, len(group)):
        lines = list(before)
        cost = state.cost + cut
        for chord, voice in zip(group, voices, strict=True):
            end, pitch = before[voice]
            cost += VOICE_COSTS[voice]
            if voice and end < start:
                cost += ENTRY_COST
            if cut and end > start:
                cost += (end - start) / ticks
            if pitch is not None:
                cost += LEAP_COST * abs(chord.pitch - pitch) / 12
            lines[voice] = _Line(chord.end, chord.pitch)
        yield _State(cost if lone else cost + _crossings(group, voices, lines), tuple(lines), voices, state)


def _crossings(group: Sequence[_Chord], voices: Sequence[int], lines: Sequence[_Line]) -> float:
    """What it costs that chords stand in lower voices alone, or on the wrong side of another voice."""
    start = group[0].start
    sounding = [(voice, line.pitch or 0.0) for voice, line in enumerate(lines) if line.end > start]
    cost = 0.0
    for chord, voice in zip(group, voices, strict=True):
        if sounding[0][0] == voice and voice:
            cost += ALONE_COST
        for other, height in sounding:
            if other != voice and height != chord.pitch and (other < voice) == (height < chord.pitch):
                cost += CROSSING_COST
    return cost


def with_main_notes(graces: Sequence[ScoreNote], mains: Iterable[ScoreNote]) -> Iterator[ScoreNote]:
    """Grace notes in the staff and voice of the nearest note they lead to, else of the next or last ones."""
    at: dict[Fraction, list[ScoreNote]] = {}
    for note in mains:
        at.setdefault(note.onset, []).append(note)
    places = sorted(at)
    for grace in graces:
        near = at[places[min(bisect_left(places, grace.onset), len(places) - 1)]] if places else [grace]
        main = min(near, key=lambda note: abs(note.pitch - grace.pitch))
        yield replace(grace, staff=main.staff, voice=main.voice)
