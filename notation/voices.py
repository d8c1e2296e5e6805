"""Voices, hands and staves: who plays which note, and note values that fit within one voice.

Task: put keyboard music on two staves as it would be written for a player's hands, and each staff into
one voice where one will do, two where a held note sounds against moving ones.

Methods. For keyboard music a trained network (:mod:`notation.handnet`) says how likely each note stands
on the lower staff, in the lower of two voices, and has each value. Every chord is split between the
staves where that is likeliest and no hand must stretch too far. A beam search over the ways to part each
chord of a staff between an upper and a lower voice weighs the network's word on voices and values,
values cut short and chords made equal (the idea of Chew & Wu 2004 and Temperley 2001, with costs). One
staff alone has no network behind it: there leaps, crossings and the second voice itself have a cost.

Conventions: staff 1 is the upper one; voice 1 is the upper voice of its staff. In the result the
notes of one voice start together or one after the other; notes of one voice that start together have
the same duration. Grace notes (duration 0) go with their main note. Nothing is lost or doubled.
Costs are in nats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import groupby, pairwise
from math import log, log2
from typing import NamedTuple

import numpy as np

from notation.events import ScoreNote
from notation.handnet import VALUES, KeyboardNotes, VoiceProbabilities, read, value_class
from notation.meter import ScoreTime
from notation.parting import with_main_notes
from transcription.beatgrid import Floats
from transcription.notes import Note

EASY_SPAN, WIDEST_SPAN = 12, 16  # semitones a hand holds with ease, and at most (a tenth)
STRETCH_COST, OVERSTRETCH_COST = 0.2, 1.5  # for each semitone beyond these

# Those of the network were tuned on 18 pieces that training keeps aside, played with human timing.
BEAM = 12
OFF_VALUE_COST = 3.0  # for each octave between a value and the nearest one the network knows
DOUBT_COST = 0.7  # for another value than the one its own release and the next onsets suggest
REST_COST = 1.4  # for each note that leaves a rest before the next one of its voice
LIKELY = 0.04  # values the network finds less likely are not tried
BELIEVED_QUARTERS = 0.02  # releases this near to the written ends mean that the values are exact
BELIEVED_COST = 6.0  # for another value than an exact one, and as much again for each octave off
CUT_COST = 2.0  # for a value cut to nothing; half of it for one cut by half
EQUAL_COST = 0.7  # for a chord note whose value doubles or halves to fit its chord
SECOND_VOICE_COST = 0.7  # each chord in the lower voice
ALONE_COST = 1.2  # more where nothing sounds above it
ENTRY_COST = 0.4  # a voice that comes in again needs rests before
LEAP_COST = 0.3  # for each octave within a voice
CROSSING_COST = 1.5

ONE_STAFF_RANGE = 28  # semitones: a melody with a ledger line or two on either side
HELD_TOGETHER = 0.5  # two notes sound at once if they share more than this part of the shorter one
SINGLE_LINE_SHARE = 0.05  # of the notes may sound with the next one, and a melody is still one
LOW, HIGH, TWO_STAFF_RANGE = 55, 64, 24  # MIDI and semitones: a grand staff covers both clefs
KNOWN_VALUES = tuple(Fraction(value).limit_denominator(64) for value in VALUES)


def fits_one_staff(heard: Sequence[Note]) -> bool:
    """Whether heard notes are a melody, all within what one staff holds."""
    pitches = [note.pitch for note in heard]
    return bool(pitches) and max(pitches) - min(pitches) <= ONE_STAFF_RANGE and is_single_line(heard)


def is_single_line(heard: Sequence[Note]) -> bool:
    """Whether hardly ever two of the heard notes sound at once."""
    notes = sorted(heard)
    together = sum(
        min(first.offset, second.offset) - second.onset > HELD_TOGETHER * min(first.duration, second.duration)
        for first, second in pairwise(notes)
    )
    return together <= SINGLE_LINE_SHARE * len(notes)


def needs_two_staves(notes: Sequence[ScoreNote]) -> bool:
    """Whether the range of ``notes`` asks for a grand staff: well into both clefs, two octaves and more."""
    if not notes:
        return False
    low, high = np.quantile([note.pitch for note in notes], (0.05, 0.95))
    return bool(low < LOW and high > HIGH and high - low >= TWO_STAFF_RANGE)


def assign_voices(
    notes: Sequence[ScoreNote],
    staves: int = 1,
    monophonic: bool = False,
    time: ScoreTime | None = None,
    simplify: bool = False,
) -> tuple[ScoreNote, ...]:
    """The notes of one part with staff and voice, values cut or made equal so that each voice can be written.

    ``staves``: 1, or 2 for a keyboard. ``monophonic``: one voice, whatever overlaps is cut. ``simplify``:
    one voice a staff. ``time`` says when notes were released in the score; without it they end as written.
    """
    graces = [note for note in notes if note.duration == 0]
    mains = sorted(
        (note for note in notes if note.duration > 0),
        key=lambda note: (note.onset, note.pitch, note.heard.onset),
    )
    written: list[ScoreNote] = []
    if mains:
        stretch = _stretch_of_beats(mains, time)
        played = _played(mains, time, stretch)
        believed = time is not None and _believed(mains, played, stretch)
        reading = read(played) if staves == 2 else None
        hands = _hands(mains, reading) if reading is not None else [1] * len(mains)
        voices = 1 if monophonic or simplify else 2
        end = time.end if time is not None else max(note.end for note in mains)
        for staff in range(1, staves + 1):
            own = [index for index, hand in enumerate(hands) if hand == staff]
            costs = _Costs([mains[index] for index in own], _rows(reading, own), believed, end, stretch)
            written += [replace(note, staff=staff) for note in _part_staff(costs, voices)]
    written += with_main_notes(graces, written)
    return tuple(
        sorted(written, key=lambda note: (note.onset, note.duration > 0, note.pitch, note.heard.onset))
    )


def _stretch_of_beats(notes: Sequence[ScoreNote], time: ScoreTime | None) -> Fraction:
    """3/2 where simple beats fall into three throughout: the network knows such music in compound meters."""
    if time is None or time.time_signature.compound:
        return Fraction(1)
    unit = time.time_signature.beat_quarters
    parts = [((note.onset - time.beat_quarters[0]) / unit).denominator for note in notes]
    ternary = sum(part % 3 == 0 for part in parts)
    return Fraction(3, 2) if ternary > sum(part % 3 != 0 for part in parts if part > 1) else Fraction(1)


def _played(
    notes: Sequence[ScoreNote], time: ScoreTime | None, stretch: Fraction = Fraction(1)
) -> KeyboardNotes:
    """The notes as the network takes them, in quarters ``stretch`` times as many.

    Without ``time`` they are as written, in 4/4 at 120 a minute.
    """
    onset = np.array([float(note.onset) for note in notes])
    pitch = np.array([note.pitch for note in notes], dtype=np.int64)
    if time is None:
        release = np.array([float(note.end) for note in notes])
        bar, beat = onset / 4 % 1, onset % 1
        bar_quarters, beat_quarters, quarter_s = (np.full(len(notes), value) for value in (4.0, 1.0, 0.5))
        return KeyboardNotes(onset, release, pitch, bar, beat, bar_quarters, beat_quarters, quarter_s)
    offsets = [max(heard.offset for heard in (note.heard, *note.absorbed)) for note in notes]
    release = np.maximum(time.quarters_at(offsets), onset + 0.02)
    meters = [bar.time_signature for bar in time.bars]
    index = np.clip(np.searchsorted([float(b.start) for b in time.bars], onset, side="right") - 1, 0, None)
    whole = np.array([float(meter.bar_quarters) for meter in meters])
    unit = np.array([float(meter.beat_quarters) for meter in meters])
    # a pick-up bar counts from where its bar line would have been
    begin = np.array([float(bar.start) for bar in time.bars])
    begin[0] -= max(0.0, whole[0] - float(time.bars[0].length))
    into = onset - begin[index]
    beats = np.array([float(quarter) for quarter in time.beat_quarters])
    at = np.clip(np.searchsorted(beats, onset, side="right") - 1, 0, len(beats) - 2)
    quarter_s = (np.diff(time.beat_times) / np.diff(beats))[at]
    factor = float(stretch)
    return KeyboardNotes(
        onset * factor,
        release * factor,
        pitch,
        into / whole[index] % 1,
        into / unit[index] % 1,
        whole[index] * factor,
        unit[index] * factor,
        quarter_s / factor,
    )


def _believed(notes: Sequence[ScoreNote], played: KeyboardNotes, stretch: Fraction) -> bool:
    """Whether the releases are exact: those of a score's own MIDI, not a player's."""
    ends = np.array([float(note.end * stretch) for note in notes])
    return bool(np.quantile(np.abs(played.release - ends), 0.8) < BELIEVED_QUARTERS)


def _rows(reading: VoiceProbabilities | None, own: Sequence[int]) -> VoiceProbabilities | None:
    if reading is None:
        return None
    return VoiceProbabilities(reading.lower_staff[own], reading.lower_voice[own], reading.values[own])


def _groups(notes: Iterable[ScoreNote]) -> list[list[ScoreNote]]:
    """Notes that start together, in order."""
    return [list(group) for _, group in groupby(notes, key=lambda note: note.onset)]


# Hands ------------------------------------------------------------------------------------------


def _hands(notes: Sequence[ScoreNote], reading: VoiceProbabilities) -> list[int]:
    """For each note, sorted by onset and pitch, the staff of the hand that plays it."""
    low, high = -np.log(reading.lower_staff), -np.log1p(-reading.lower_staff)
    hands: list[int] = []
    for group in _groups(notes):
        begin = len(hands)
        span = slice(begin, begin + len(group))
        costs = np.concatenate([[0.0], np.cumsum(low[span])])
        costs += np.concatenate([np.cumsum(high[span][::-1])[::-1], [0.0]])
        if len(group) > 1:
            pitches = [note.pitch for note in group]
            costs += [_stretch(pitches[:k]) + _stretch(pitches[k:]) for k in range(len(group) + 1)]
        lower = int(np.argmin(costs))
        hands += [2] * lower + [1] * (len(group) - lower)
    return hands


def _stretch(pitches: Sequence[int]) -> float:
    """What a chord asks of one hand; ``pitches`` are sorted."""
    span = pitches[-1] - pitches[0] if pitches else 0
    return STRETCH_COST * max(0, span - EASY_SPAN) + OVERSTRETCH_COST * max(0, span - WIDEST_SPAN)


# Voices -----------------------------------------------------------------------------------------


class _Line(NamedTuple):
    """How far one voice has come: its last chord (first note, one past the last), its end, its pitch."""

    first: int = -1
    last: int = -1
    end: Fraction = Fraction(0)
    pitch: float = 0.0


class _State(NamedTuple):
    """One way to have parted the chords so far; ``lower`` is how many notes of the last went to voice 2."""

    cost: float
    lines: tuple[_Line, _Line]
    lower: int
    before: _State | None


class _Costs:
    """What the values and voices of the notes of one staff cost."""

    def __init__(
        self,
        notes: Sequence[ScoreNote],
        reading: VoiceProbabilities | None,
        believed: bool,
        end: Fraction,
        stretch: Fraction,
    ) -> None:
        self.notes = notes
        self._stretch = stretch
        self.read = reading is not None
        self.lower: Floats = np.zeros(len(notes))
        self.upper: Floats = np.zeros(len(notes))
        self._value: Callable[[int, Fraction], float] = self._ruled
        self._rows: list[list[float]] = []
        self._best: dict[tuple[int, int], tuple[Fraction, float]] = {}
        self._end = end
        if reading is not None:
            self.lower, self.upper = -np.log(reading.lower_voice), -np.log1p(-reading.lower_voice)
            self._rows = (-np.log(reading.values)).tolist()
            self._value = self._learned
        if believed:
            self._value = self._exact

    def _ruled(self, index: int, value: Fraction) -> float:
        octaves = log2(value / self.notes[index].duration)
        return EQUAL_COST * octaves if octaves >= 0 else CUT_COST * (1 - 2.0**octaves)

    def _exact(self, index: int, value: Fraction) -> float:
        own = self.notes[index].duration
        return 0.0 if value == own else BELIEVED_COST * (1 + abs(log2(value / own)))

    def _learned(self, index: int, value: Fraction) -> float:
        other = DOUBT_COST * (value != self.notes[index].duration)
        value *= self._stretch
        known = _nearest(value)
        return self._rows[index][known] + OFF_VALUE_COST * abs(log2(value / KNOWN_VALUES[known])) + other

    def cost(self, first: int, last: int, value: Fraction) -> float:
        """The cost of one value for the notes from ``first`` up to ``last``."""
        return sum(self._value(index, value) for index in range(first, last))

    def choices(self, first: int, last: int) -> set[Fraction]:
        """The values worth trying for a chord."""
        found = {self.notes[index].duration for index in range(first, last)}
        if self._value == self._learned:
            most = -log(LIKELY)
            for index in range(first, last):
                likely = (KNOWN_VALUES[k] for k, cost in enumerate(self._rows[index]) if cost < most)
                found |= {value / self._stretch for value in likely}
        left = self._end - self.notes[first].onset
        return {value for value in found if value <= left} or {left}

    def best(self, first: int, last: int) -> tuple[Fraction, float]:
        """The likeliest value of a chord if nothing follows, and its cost."""
        key = (first, last)
        if key not in self._best:
            self._best[key] = min(
                ((value, self.cost(first, last, value)) for value in sorted(self.choices(first, last))),
                key=lambda pair: pair[1],
            )
        return self._best[key]


@lru_cache(4096)
def _nearest(value: Fraction) -> int:
    return int(value_class(float(value)))


def _part_staff(costs: _Costs, voices: int) -> list[ScoreNote]:
    """The notes of one staff in one or two voices, with values that fit."""
    notes = costs.notes
    if not notes:
        return []
    starts = [i for i in range(len(notes)) if not i or notes[i].onset != notes[i - 1].onset]
    ends = [*starts[1:], len(notes)]
    beam = [_State(0.0, (_Line(), _Line()), 0, None)]
    for first, last in zip(starts, ends, strict=True):
        most = last - first if voices == 2 else 0
        found: dict[tuple[int, int, int, int], _State] = {}
        for state in beam:
            for lower in range(most + 1):
                new = _extend(state, costs, first, last, lower)
                upper_line, lower_line = new.lines
                key = (upper_line.first, upper_line.last, lower_line.first, lower_line.last)
                if key not in found or new.cost < found[key].cost:
                    found[key] = new
        beam = sorted(found.values(), key=lambda state: state.cost)[:BEAM]
    last_state: _State | None = beam[0]
    lowers = []
    while last_state is not None and last_state.before is not None:
        lowers.append(last_state.lower)
        last_state = last_state.before
    chords: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for first, last, lower in zip(starts, ends, reversed(lowers), strict=True):
        if lower < last - first:
            chords[0].append((first + lower, last))
        if lower:
            chords[1].append((first, first + lower))
    return [*_fit_values(costs, chords[0], 1), *_fit_values(costs, chords[1], 2)]


def _extend(state: _State, costs: _Costs, first: int, last: int, lower: int) -> _State:
    """``state`` after a chord, notes ``first`` up to ``last``, whose ``lower`` lowest go to voice 2."""
    notes = costs.notes
    onset = notes[first].onset
    middle = first + lower
    cost = state.cost + float(costs.lower[first:middle].sum() + costs.upper[middle:last].sum())
    lines = list(state.lines)
    for voice, begin, end in ((0, middle, last), (1, first, middle)):
        if begin == end:
            continue
        line = state.lines[voice]
        value, own = costs.best(begin, end)
        pitch = (notes[begin].pitch + notes[end - 1].pitch) / 2
        cost += own
        if line.end > onset:
            cut = onset - notes[line.first].onset
            cost += max(0.0, costs.cost(line.first, line.last, cut) - costs.best(line.first, line.last)[1])
        other = state.lines[1 - voice]
        if other.first >= 0 and other.end > onset:
            cost += CROSSING_COST * (other.pitch > pitch if voice == 0 else other.pitch < pitch)
        if not costs.read:
            if line.first >= 0:
                cost += LEAP_COST * abs(pitch - line.pitch) / 12
            if voice == 1:
                cost += SECOND_VOICE_COST + ENTRY_COST * (line.end < onset)
                cost += ALONE_COST * (middle == last and state.lines[0].end <= onset)
        lines[voice] = _Line(begin, end, onset + value, pitch)
    return _State(cost, (lines[0], lines[1]), lower, state)


def _fit_values(costs: _Costs, chords: Sequence[tuple[int, int]], voice: int) -> list[ScoreNote]:
    """The chords of one voice with equal values that end where the next chord starts at the latest."""
    fitted = []
    for index, (first, last) in enumerate(chords):
        value, _ = costs.best(first, last)
        if index + 1 < len(chords):
            room = costs.notes[chords[index + 1][0]].onset - costs.notes[first].onset
            choices = {choice for choice in costs.choices(first, last) if choice < room} | {room}
            rest = REST_COST * (last - first)
            value = min(
                sorted(choices),
                key=lambda choice: costs.cost(first, last, choice) + rest * (choice < room),
            )
        fitted += [replace(note, duration=value, voice=voice) for note in costs.notes[first:last]]
    return fitted
