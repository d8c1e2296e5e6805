"""Voices, hands and staves: who plays which note, and note values that fit within one voice.

Task: put keyboard music on two staves as a player's hands would take it, and each staff into one
voice where one will do, two where a held note sounds against moving ones.

Methods. Hands: every chord is split at a pitch; a path of split points through the piece is found by
dynamic programming over how far each hand must stretch (a tenth at most with ease), where the notes
leave a gap, and how far the split moves. Voices: a beam search over the ways to part each chord of a
staff between an upper and a lower voice, weighing values cut short, chords made equal, leaps,
crossings and the second voice itself (the idea of Chew & Wu 2004 and Temperley 2001, with costs).

Conventions: staff 1 is the upper one; voice 1 is the upper voice of its staff. In the result the
notes of one voice start together or one after the other; notes of one voice that start together have
the same duration. Grace notes (duration 0) go with their main note. Nothing is lost or doubled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby

import numpy as np

from notation.events import ScoreNote

EASY_SPAN, WIDEST_SPAN = 12, 16  # semitones a hand holds with ease, and at most (a tenth)
STRETCH_COST, OVERSTRETCH_COST = 0.2, 1.5  # for each semitone beyond these
FINGERS = 5
CROWDED_COST = 2.0  # for each note beyond five in a hand
GAP_REWARD, WIDEST_GAP = 0.08, 12  # for each semitone between the hands
HOME_SPLIT, HOME_COST = 60, 0.15  # middle C, per squared octave off it
MOVE_COST = 0.12  # for each semitone the split moves
MEMORY = Fraction(1, 2)  # quarters: a hand is still near what it has just played
SPLITS = np.arange(24, 104)

BEAM = 24
CUT_COST = 2.0  # for a value cut to nothing; half of it for one cut by half
EQUAL_COST = 0.7  # for a chord note whose value doubles or halves to fit its chord
SECOND_VOICE_COST = 0.7  # each chord in the lower voice
ALONE_COST = 1.2  # more where nothing sounds above it
ENTRY_COST = 0.4  # a voice that comes in again needs rests before
LEAP_COST = 0.3  # for each octave within a voice
CROSSING_COST = 1.5

LOW, HIGH, TWO_STAFF_RANGE = 55, 64, 24  # MIDI and semitones: a grand staff covers both clefs


def needs_two_staves(notes: Sequence[ScoreNote]) -> bool:
    """Whether the range of ``notes`` asks for a grand staff: well into both clefs, two octaves and more."""
    if not notes:
        return False
    low, high = np.quantile([note.pitch for note in notes], (0.05, 0.95))
    return bool(low < LOW and high > HIGH and high - low >= TWO_STAFF_RANGE)


def assign_voices(
    notes: Sequence[ScoreNote], staves: int = 1, monophonic: bool = False
) -> tuple[ScoreNote, ...]:
    """The notes of one part with staff and voice, values cut or made equal so that each voice can be written.

    ``staves``: 1, or 2 for a keyboard. ``monophonic``: one voice, whatever overlaps is cut.
    """
    graces = [note for note in notes if note.duration == 0]
    mains = sorted(
        (note for note in notes if note.duration > 0),
        key=lambda note: (note.onset, note.pitch, note.heard.onset),
    )
    hands = _hands(mains) if staves == 2 else [1] * len(mains)
    written: list[ScoreNote] = []
    for staff in range(1, staves + 1):
        own = [note for note, hand in zip(mains, hands, strict=True) if hand == staff]
        written += [replace(note, staff=staff) for note in _part_staff(own, 1 if monophonic else 2)]
    written += _with_main_notes(graces, written)
    return tuple(
        sorted(written, key=lambda note: (note.onset, note.duration > 0, note.pitch, note.heard.onset))
    )


def _groups(notes: Iterable[ScoreNote]) -> list[list[ScoreNote]]:
    """Notes that start together, in order."""
    return [list(group) for _, group in groupby(notes, key=lambda note: note.onset)]


# Hands ------------------------------------------------------------------------------------------


def _hands(notes: Sequence[ScoreNote]) -> list[int]:
    """For each note, sorted by onset, the staff of the hand that plays it."""
    groups = _groups(notes)
    if not groups:
        return []
    moves = MOVE_COST * np.abs(SPLITS[:, None] - SPLITS[None, :])
    home = HOME_COST * ((SPLITS - HOME_SPLIT) / 12.0) ** 2
    total = np.zeros(len(SPLITS))
    back = []
    recent: list[ScoreNote] = []
    for group in groups:
        onset = group[0].onset
        recent = [note for note in recent if note.end > onset or note.onset >= onset - MEMORY] + group
        reach = total[:, None] + moves
        back.append(np.argmin(reach, axis=0))
        total = np.min(reach, axis=0) + home + _split_costs(np.unique([note.pitch for note in recent]))
    path = [int(np.argmin(total))]
    for came in reversed(back[1:]):
        path.append(int(came[path[-1]]))
    hands = []
    for group, place in zip(groups, reversed(path), strict=True):
        hands += [1 if note.pitch >= SPLITS[place] else 2 for note in group]
    return hands


def _split_costs(
    pitches: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What each split point asks of the hands for these pitches (sorted, at least one)."""
    below = np.searchsorted(pitches, SPLITS)
    above = len(pitches) - below
    top_left = pitches[np.maximum(below - 1, 0)]
    bottom_right = pitches[np.minimum(below, len(pitches) - 1)]
    left = np.where(below > 0, top_left - pitches[0], 0)
    right = np.where(above > 0, pitches[-1] - bottom_right, 0)
    cost = np.zeros(len(SPLITS))
    for span, count in ((left, below), (right, above)):
        cost += STRETCH_COST * np.clip(span - EASY_SPAN, 0, None)
        cost += OVERSTRETCH_COST * np.clip(span - WIDEST_SPAN, 0, None)
        cost += CROWDED_COST * np.clip(count - FINGERS, 0, None)
    both = (below > 0) & (above > 0)
    cost -= GAP_REWARD * np.where(both, np.clip(bottom_right - top_left, 0, WIDEST_GAP), 0)
    return cost


# Voices -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """How far one voice has come: start and end of its last chord, and that chord's middle pitch."""

    start: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    pitch: float | None = None


@dataclass(frozen=True, slots=True)
class _State:
    """One way to have parted the chords so far; ``lower`` is how many notes of the last went to voice 2."""

    cost: float
    lines: tuple[_Line, _Line]
    lower: int
    before: _State | None


def _part_staff(notes: Sequence[ScoreNote], voices: int) -> list[ScoreNote]:
    """The notes of one staff in one or two voices, with values that fit."""
    groups = _groups(notes)
    beam = [_State(0.0, (_Line(), _Line()), 0, None)]
    for group in groups:
        most = len(group) if voices == 2 else 0
        found: dict[tuple[_Line, _Line], _State] = {}
        for state in beam:
            for lower in range(most + 1):
                new = _extend(state, group, lower)
                if new.lines not in found or new.cost < found[new.lines].cost:
                    found[new.lines] = new
        beam = sorted(found.values(), key=lambda state: state.cost)[:BEAM]
    last: _State | None = beam[0]
    lowers = []
    while last is not None and last.before is not None:
        lowers.append(last.lower)
        last = last.before
    chords: tuple[list[list[ScoreNote]], list[list[ScoreNote]]] = ([], [])
    for group, lower in zip(groups, reversed(lowers), strict=True):
        for voice, part in ((0, group[lower:]), (1, group[:lower])):
            if part:
                chords[voice].append(part)
    return [*_fit_values(chords[0], 1), *_fit_values(chords[1], 2)]


def _extend(state: _State, group: Sequence[ScoreNote], lower: int) -> _State:
    """``state`` after a chord whose ``lower`` lowest notes go to voice 2."""
    onset = group[0].onset
    cost = state.cost
    lines = list(state.lines)
    for voice, part in ((0, group[lower:]), (1, group[:lower])):
        if not part:
            continue
        line, value = state.lines[voice], _chord_value(part)
        pitch = sum(note.pitch for note in part) / len(part)
        cost += sum(EQUAL_COST * abs(_octaves(note.duration / value)) for note in part)
        if line.end > onset:
            cost += CUT_COST * float((line.end - onset) / (line.end - line.start))
        if line.pitch is not None:
            cost += LEAP_COST * abs(pitch - line.pitch) / 12
        if voice == 1:
            cost += SECOND_VOICE_COST + ENTRY_COST * (line.end < onset)
            cost += ALONE_COST * (lower == len(group) and state.lines[0].end <= onset)
        other = state.lines[1 - voice]
        if other.pitch is not None and other.end > onset:
            cost += CROSSING_COST * (other.pitch > pitch if voice == 0 else other.pitch < pitch)
        lines[voice] = _Line(onset, onset + value, pitch)
    return _State(cost, (lines[0], lines[1]), lower, state)


def _octaves(ratio: Fraction) -> float:
    return float(np.log2(float(ratio)))


def _chord_value(chord: Sequence[ScoreNote]) -> Fraction:
    """The one value for notes that start together in a voice: the middle one, the longer of two."""
    return sorted(note.duration for note in chord)[len(chord) // 2]


def _fit_values(chords: Sequence[Sequence[ScoreNote]], voice: int) -> list[ScoreNote]:
    """The chords of one voice with equal values that end where the next chord starts at the latest."""
    fitted = []
    for index, chord in enumerate(chords):
        value = _chord_value(chord)
        if index + 1 < len(chords):
            value = min(value, chords[index + 1][0].onset - chord[0].onset)
        fitted += [replace(note, duration=value, voice=voice) for note in chord]
    return fitted


def _with_main_notes(graces: Sequence[ScoreNote], mains: Sequence[ScoreNote]) -> list[ScoreNote]:
    """Grace notes in the staff and voice of the nearest note they lead to, or of any note."""
    at: dict[Fraction, list[ScoreNote]] = {}
    for note in mains:
        at.setdefault(note.onset, []).append(note)
    placed = []
    for grace in graces:
        nearest = min(
            at.get(grace.onset, mains), key=lambda note: abs(note.pitch - grace.pitch), default=grace
        )
        placed.append(replace(grace, staff=nearest.staff, voice=nearest.voice))
    return placed
