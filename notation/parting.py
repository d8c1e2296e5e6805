"""Parting the notes of a staff into voices where their values are known: none is cut or lengthened.

Task: in which voice each note of a score's own MIDI stands. Method: notes that start and end together are
one chord; a beam search gives the chords of each moment to voices that are free, from the top down, weighing
further voices, leaps, crossings and lower voices that are alone (Chew & Wu 2004, with values as a
constraint rather than a cost). Where more chords sound at once than there are voices, the longest is cut.

Conventions: as in :mod:`notation.voices`: voice 1 is the uppermost of its staff, grace notes go with their
main note, nothing is lost or doubled. Limits: whether notes of equal value are one chord or two voices
can't be heard; they are one chord.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, groupby, pairwise, permutations

from notation.events import ScoreNote

VOICES = 4
BEAM = 8
FORGOTTEN = Fraction(2)  # quarters after which it doesn't matter where a silent voice was
VOICE_COSTS = (0.0, 0.7, 3.0, 5.0)  # for each chord in the voice
ALONE_COST = 1.2  # more in a lower voice with nothing sounding above
ENTRY_COST = 0.4  # a voice that comes in again needs rests before
LEAP_COST = 0.3  # for each octave within a voice
CROSSING_COST = 1.5  # for each voice that is crossed
CUT_COST = 20.0  # a chord that goes on is cut: only where no voice is free


@dataclass(frozen=True, slots=True)
class _Chord:
    """Notes that start and end together."""

    start: Fraction
    end: Fraction
    pitch: float
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """How far a voice has come: the end of its last chord and its pitch."""

    end: Fraction = Fraction(0)
    pitch: float | None = None


@dataclass(frozen=True, slots=True)
class _State:
    """One way to have given all chords so far to voices; ``chosen`` are the voices of the last ones."""

    cost: float
    lines: tuple[_Line, ...]
    chosen: tuple[int, ...] = ()
    before: _State | None = None


def part_exactly(notes: Sequence[ScoreNote]) -> tuple[ScoreNote, ...]:
    """The notes of one staff with their voices, all values as they are."""
    mains = [note for note in notes if note.duration > 0]
    graces = [note for note in notes if note.duration == 0]
    groups = [list(group) for _, group in groupby(_chords(mains), key=lambda chord: chord.start)]
    beam = [_State(0.0, (_Line(),) * VOICES)]
    for group in groups:
        best: dict[tuple[_Line, ...], _State] = {}
        for state in beam:
            for new in _extended(state, group):
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
            [*written, *_with_mains(graces, written)],
            key=lambda note: (note.onset, note.duration > 0, note.pitch, note.heard.onset),
        )
    )


def _chords(notes: Sequence[ScoreNote]) -> Iterator[_Chord]:
    """Notes of equal start and end, from the top down at each start; VOICES different ends at most."""
    order = sorted(range(len(notes)), key=lambda i: (notes[i].onset, notes[i].end, notes[i].pitch))
    for start, group in groupby(order, key=lambda i: notes[i].onset):
        together = [list(same) for _, same in groupby(group, key=lambda i: notes[i].end)]
        while len(together) > VOICES:  # the two of the most similar values
            gaps = [notes[b[0]].end - notes[a[0]].end for a, b in pairwise(together)]
            nearest = gaps.index(min(gaps))
            together[nearest : nearest + 2] = [together[nearest] + together[nearest + 1]]
        chords = [
            _Chord(
                start,
                notes[members[0]].end,
                sum(notes[i].pitch for i in members) / len(members),
                tuple(members),
            )
            for members in together
        ]
        yield from sorted(chords, key=lambda chord: -chord.pitch)


def _extended(state: _State, group: Sequence[_Chord]) -> Iterator[_State]:
    """``state`` after the chords of one moment, in every way worth weighing."""
    start = group[0].start
    idle = _Line()
    before = tuple(idle if line.end + FORGOTTEN < start else line for line in state.lines)
    free = [voice for voice in range(VOICES) if before[voice].end <= start]
    cut = CUT_COST * max(0, len(group) - len(free))
    free = list(range(VOICES)) if cut else free[: len(group) + 1]
    ways = permutations(free, len(group)) if len(group) <= 2 else combinations(free, len(group))
    for voices in ways:
        lines = list(before)
        cost = state.cost + cut
        for chord, voice in zip(group, voices, strict=True):
            line = before[voice]
            cost += VOICE_COSTS[voice] + ENTRY_COST * (voice > 0 and line.end < start)
            if cut and line.end > start:
                cost += float(line.end - start)
            if line.pitch is not None:
                cost += LEAP_COST * abs(chord.pitch - line.pitch) / 12
            lines[voice] = _Line(chord.end, chord.pitch)
        for chord, voice in zip(group, voices, strict=True):
            sounding = [other for other in range(VOICES) if other != voice and lines[other].end > start]
            cost += ALONE_COST * (voice > 0 and not any(other < voice for other in sounding))
            for other in sounding:
                height = lines[other].pitch or 0.0
                cost += CROSSING_COST * ((other < voice) == (height < chord.pitch) and height != chord.pitch)
        yield _State(cost, tuple(lines), voices, state)


def _with_mains(graces: Sequence[ScoreNote], mains: Sequence[ScoreNote]) -> Iterator[ScoreNote]:
    """Grace notes in the voice of the nearest note they lead to, or of any note."""
    at: dict[Fraction, list[ScoreNote]] = {}
    for note in mains:
        at.setdefault(note.onset, []).append(note)
    for grace in graces:
        near = at.get(grace.onset) or mains
        main = min(near, key=lambda note: abs(note.pitch - grace.pitch), default=grace)
        yield replace(grace, voice=main.voice)
