"""Quantisation: from performed notes and the beats to written onsets and note values.

Task: give every heard note of one stem a position and a duration in the score that a musician would
write, not the nearest line of a fixed grid.

Method: onsets closer than a player's two hands keep apart are one chord. Each beat is divided by one
of a few grids (halves, quarters, triplets, sextuplets, a few mixed ones); a path through the beats
is found by dynamic programming that weighs timing errors (Gaussian, with a spread measured on the
performance itself), how often scores use a grid, and how seldom music turns from binary to ternary
and back (the idea of the metrical HMMs of Takeda et al. 2002 and Nakamura et al. 2017, with the beat
given). Within a beat that isn't fast the pace may bend. Chords may fall on the following beat, several
may share a place at a cost, and a very short note just before another may become a grace note; trills,
mordents, plain grace notes and rolled chords are found before (:mod:`notation.ornaments`). A note value
ends where another note starts or on the grid, weighed between the release, the gaps players leave
between notes, and simple values.

Conventions: score time in quarters as ``Fraction``. Each heard note appears exactly once in the
result, as a note or absorbed by an ornament, also where the same pitch is struck twice at one place.
Stem ``drums``: only onsets count.

Limits: voices are not known here; :mod:`notation.voices` closes what it has to within a voice, and finds
the values of keyboard music anew. The pace of a performance is read off the beats given: wrong beats are
not mended.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np

from fullscore.engines import option
from notation.events import ScoreNote
from notation.meter import ScoreTime
from notation.ornaments import Ornaments, find_ornaments
from transcription.beatgrid import Floats, TimeSignature
from transcription.notes import Note

CHORD_GAP_S = 0.03  # onsets of one chord follow each other within this
CHORD_SPAN_S = 0.06  # and lie within this altogether
GRACE_GAP_S = 0.11  # a grace note comes at most this long before its main note
GRACE_LENGTH_S = 0.25
GRACE_INTERVAL = 4  # semitones to a note of the main chord
GRACE_COST = 7.0  # nats, as all costs here; plain cases are found before (notation.ornaments)

MACHINE_SPREAD = (
    0.3  # of a player's spread: below, notes are as a file has them, and fast ones are written so
)
MIN_SPREAD_S = 0.004  # machine timing: a MIDI tick or two
MAX_SPREAD_S = 0.035  # the freest player within a beat
FULL_SPREAD_BEATS = 0.065  # timing also stretches with the beat
SAME_PLACE_COST = 1.5  # two chords drawn together at one place, plus their distance over CHORD_GAP_S
SAME_PITCH_COST = 50.0  # the same key twice at one place: only where nothing else is left
COMMON_PLACES = np.asarray(
    [0, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 5 / 8, 2 / 3, 3 / 4, 5 / 6, 7 / 8, 1]
)
ANYWHERE_BEATS = 0.02  # a release anywhere in the beat is typically this far from a common place
ERROR_CAP = 8.0  # nats: one wrong note must not bend a beat
TURN_COST = 1.0  # from binary to ternary divisions or back
# The cost of a note at a place with this denominator within the beat: the finer, the rarer in scores.
PLACE_COSTS = {1: 0.0, 2: 0.15, 4: 0.4, 3: 0.4, 6: 0.9, 8: 1.2, 12: 1.8, 16: 2.2, 5: 1.2, 7: 1.6}
COMPOUND_PLACE_COSTS = {1: 0.0, 3: 0.15, 6: 0.4, 12: 1.2, 2: 0.4, 4: 0.9, 8: 1.6, 24: 2.2, 9: 1.4}
RAREST_PLACE_COST = 2.5
SLOW_BEAT_FACTOR = 0.8
GAP_BEAT_S, WIDEST_GAP = 0.8, 2.0  # in slower beats than this chords are spread wider, up to this factor
SLOW_BEAT_S = 0.5  # within beats slower than this the pace changes
BENDS, BEND_SPREAD = (0.0, -0.06, 0.06, -0.03, 0.03), 0.03  # of the beat, how far its middle is from even
NOMINAL_BEAT_S = 0.6  # the beat for which the costs of the grids are given
SHORTEST_PLAYED_S = 0.06  # notes closer together than this are hardly written out


@dataclass(frozen=True, slots=True)
class QuantiseSettings:
    """How fine and how literal the written rhythm is."""

    shortest: int = option(
        32, "Shortest note to write, as a part of a whole note (16: sixteenth)", minimum=4, maximum=64
    )
    triplets: bool = option(True, "Write triplets and other ternary divisions where they were played")
    graces: bool = option(True, "Write very short notes just before another as grace notes")
    ornaments: bool = option(True, "Write trills, mordents and rolled chords as signs")


@dataclass(frozen=True, slots=True)
class _Chord:
    """Heard notes that start together: their indices, mean onset in seconds and in quarters."""

    members: tuple[int, ...]
    onset_s: float
    onset: float
    pitches: frozenset[int]
    longest_s: float


@dataclass(frozen=True)
class _Grid:
    """Where notes may start within a beat (parts of it, from 0), how the beat falls, and its cost."""

    slots: tuple[Fraction, ...]
    family: int
    cost: float
    compound: bool = False

    @cached_property
    def positions(self) -> tuple[float, ...]:
        """The slots and the next beat, in beats."""
        return (*(float(slot) for slot in self.slots), 1.0)

    @cached_property
    def rarities(self) -> tuple[float, ...]:
        """What a note at each position costs."""
        costs = COMPOUND_PLACE_COSTS if self.compound else PLACE_COSTS
        return (*(costs.get(slot.denominator, RAREST_PLACE_COST) for slot in self.slots), 0.0)

    @cached_property
    def finest(self) -> float:
        """The shortest step between positions, in beats."""
        return min(b - a for a, b in pairwise(self.positions))


BINARY, TERNARY, MIXED = range(3)


def _union(*grids: Sequence[Fraction]) -> tuple[Fraction, ...]:
    return tuple(sorted({slot for grid in grids for slot in grid}))


def _parts(parts: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(slot, parts) for slot in range(parts))


def _even(parts: int, family: int, cost: float, compound: bool = False) -> _Grid:
    return _Grid(_parts(parts), family, cost, compound)


_HALF = Fraction(1, 2)
_SIMPLE_GRIDS = (
    _even(1, BINARY, 0.0),
    _even(1, TERNARY, 0.0),
    _even(2, BINARY, 0.4),
    _even(4, BINARY, 1.2),
    _even(8, BINARY, 4.0),
    _even(16, BINARY, 8.0),
    _even(3, TERNARY, 1.2),
    _even(6, TERNARY, 3.0),
    _even(12, TERNARY, 7.0),
    _even(5, MIXED, 7.0),
    _even(7, MIXED, 9.0),
    _Grid(_union(_parts(2), _parts(3)), MIXED, 3.5),
    _Grid(_union(_parts(4), _parts(3)), MIXED, 5.5),
    _Grid(tuple(s for s in _union(_parts(4), _parts(6)) if s < _HALF or s in _parts(4)), MIXED, 4.5),
    _Grid(tuple(s for s in _union(_parts(4), _parts(6)) if s >= _HALF or s in _parts(4)), MIXED, 4.5),
)
_COMPOUND_GRIDS = (
    _even(1, TERNARY, 0.0, True),
    _even(3, TERNARY, 0.4, True),
    _even(6, TERNARY, 1.2, True),
    _even(12, TERNARY, 4.0, True),
    _even(24, TERNARY, 8.0, True),
    _even(2, BINARY, 3.5, True),
    _even(4, BINARY, 4.0, True),
    _even(8, BINARY, 6.5, True),
    _even(9, MIXED, 5.5, True),
)


def quantise(
    notes: Sequence[Note], time: ScoreTime, settings: QuantiseSettings | None = None
) -> tuple[ScoreNote, ...]:
    """The notes of one stem as written, by onset and pitch; each of ``notes`` is heard in exactly one."""
    if not notes:
        return ()
    settings = settings or QuantiseSettings()
    drums = all(note.stem == "drums" for note in notes)
    found = Ornaments()
    if settings.ornaments and not drums and _spread(_chords(notes, time), time) > MACHINE_SPREAD:
        found = find_ornaments(notes, _beat_lengths(notes, time))
    graces = found.graces if settings.graces else {}
    timed = _timed(notes, found, graces)
    chords = _chords(timed, time, {*graces, *(index for sign in found.signs for index in sign.absorbed)})
    grids = _allowed_grids(time.time_signature, settings)
    places, divisions = _place_chords(chords, time, grids, timed, settings.graces)
    if drums:
        rhythm = dict(_drum_values(timed, chords, places, time))
    else:
        rhythm = dict(_note_values(timed, chords, places, divisions, time))
    rhythm |= {grace: (rhythm[main][0], Fraction(0)) for grace, main in graces.items()}
    marks = {index: frozenset({"arpeggio"}) for roll in found.rolls for index in roll}
    marks |= {sign.main: frozenset({sign.mark}) for sign in found.signs}
    absorbed = {sign.main: tuple(notes[index] for index in sign.absorbed) for sign in found.signs}
    written = [
        ScoreNote(
            onset,
            duration,
            notes[index],
            marks=marks.get(index, frozenset()),
            absorbed=absorbed.get(index, ()),
        )
        for index, (onset, duration) in rhythm.items()
    ]
    return tuple(
        sorted(written, key=lambda note: (note.onset, note.duration > 0, note.pitch, note.heard.onset))
    )


def _beat_lengths(notes: Sequence[Note], time: ScoreTime) -> list[float]:
    """How long the beat is at each note, in seconds."""
    lengths = np.diff(time.beat_times)
    at = np.searchsorted(time.beat_times, [note.onset for note in notes], side="right") - 1
    return [float(length) for length in lengths[np.clip(at, 0, len(lengths) - 1)]]


def _timed(notes: Sequence[Note], found: Ornaments, graces: Mapping[int, int]) -> list[Note]:
    """The notes with the times at which what they stand for is meant: ornaments and rolls as one moment.

    A rolled chord, and the main note of a grace note, sound with what is struck with their beginning or
    their end; alone, a roll counts from its beginning.
    """
    timed = list(notes)
    for sign in found.signs:
        timed[sign.main] = replace(notes[sign.main], onset=sign.onset, offset=sign.offset)
    onsets = sorted((note.onset, index) for index, note in enumerate(notes))

    def struck_with(onset: float, apart: Collection[int]) -> bool:
        near = slice(
            bisect_left(onsets, (onset - CHORD_GAP_S, -1)),
            bisect_right(onsets, (onset + CHORD_GAP_S, 1 << 40)),
        )
        return any(index not in apart for _, index in onsets[near])

    for roll in found.rolls:
        first, last = notes[roll[0]].onset, notes[roll[-1]].onset
        at_end = struck_with(last, roll) and not struck_with(first, roll)
        for index in roll:
            timed[index] = replace(notes[index], onset=last if at_end else first)
    for grace, main in graces.items():
        both = (grace, main)
        if struck_with(notes[grace].onset, both) and not struck_with(notes[main].onset, both):
            timed[main] = replace(timed[main], onset=notes[grace].onset)
    return timed


def _chords(notes: Sequence[Note], time: ScoreTime, left_out: Collection[int] = ()) -> list[_Chord]:
    """Notes grouped into chords by onset."""
    order = sorted(
        (index for index in range(len(notes)) if index not in left_out),
        key=lambda index: (notes[index].onset, notes[index].pitch),
    )
    groups: list[list[int]] = []
    for index in order:
        note = notes[index]
        group = groups[-1] if groups else []
        joins = bool(group) and note.onset - notes[group[-1]].onset <= CHORD_GAP_S
        joins = joins and note.onset - notes[group[0]].onset <= CHORD_SPAN_S
        if joins:
            group.append(index)
        else:
            groups.append([index])
    onsets = [float(np.mean([notes[index].onset for index in group])) for group in groups]
    return [
        _Chord(
            tuple(group),
            onset_s,
            onset,
            frozenset(notes[index].pitch for index in group),
            max(notes[index].duration for index in group),
        )
        for group, onset_s, onset in zip(groups, onsets, time.quarters_at(onsets).tolist(), strict=True)
    ]


def _allowed_grids(meter: TimeSignature, settings: QuantiseSettings) -> tuple[_Grid, ...]:
    """The grids no finer than the settings allow; a triplet counts as the value it is written with."""
    limit = Fraction(4, settings.shortest) * Fraction(2, 3)

    def fine_enough(grid: _Grid) -> bool:
        steps = [b - a for a, b in zip(grid.slots, (*grid.slots[1:], Fraction(1)), strict=True)]
        own = grid.family == (TERNARY if meter.compound else BINARY)
        return (own or settings.triplets) and min(steps) * meter.beat_quarters >= limit * (
            Fraction(3, 2) if own else 1
        )

    grids = _COMPOUND_GRIDS if meter.compound else _SIMPLE_GRIDS
    return tuple(grid for grid in grids if len(grid.slots) == 1 or fine_enough(grid))


def _spread(chords: Sequence[_Chord], time: ScoreTime) -> float:
    """Standard deviation of the onsets around the common places of a beat, as a share of a player's (0 to 1).

    A quantised file lies exactly on the places: there every small difference means something.
    """
    off_beats, length_s = _off_common_places([chord.onset for chord in chords], time)
    typical_s = np.quantile(off_beats * length_s, 0.6)
    return float(np.clip(1.5 * typical_s / 0.02, MIN_SPREAD_S / MAX_SPREAD_S, 1.0))


def _release_spread(releases: Sequence[float], time: ScoreTime) -> float:
    """The same for the releases, which a player leaves anywhere and a quantised file has on the places."""
    off_beats, _ = _off_common_places(releases, time)
    return float(np.clip(np.quantile(off_beats, 0.6) / ANYWHERE_BEATS, MIN_SPREAD_S / MAX_SPREAD_S, 1.0))


def _off_common_places(quarters: Sequence[float], time: ScoreTime) -> tuple[Floats, Floats]:
    """How far each position is from the nearest common place, in beats, and its beat's length in seconds."""
    beats = np.asarray(time.beat_quarters, dtype=float)
    phase = np.asarray(quarters)
    index = np.clip(np.searchsorted(beats, phase, side="right") - 1, 0, len(beats) - 2)
    phase = (phase - beats[index]) / np.diff(beats)[index]
    off_beats = np.min(np.abs(phase[:, None] % 1 - COMMON_PLACES[None, :]), axis=1)
    return off_beats, np.diff(np.asarray(time.beat_times))[index]


def _place_chords(
    chords: Sequence[_Chord], time: ScoreTime, grids: Sequence[_Grid], notes: Sequence[Note], graces: bool
) -> tuple[list[Fraction | None], list[_Grid]]:
    """The score onset of each chord (None: a grace note of the next), and the grid of each beat."""
    beats = time.beat_quarters
    beat_count = len(beats) - 1
    spread = _spread(chords, time)
    members: list[list[int]] = [[] for _ in range(beat_count)]
    floats = [float(beat) for beat in beats]
    for number, chord in enumerate(chords):
        members[min(max(bisect_right(floats, chord.onset) - 1, 0), beat_count - 1)].append(number)
    may_be_grace = [graces and _may_be_grace(chords, number) for number in range(len(chords))]

    # State: the family of the beat's grid, and whether its last chord fell on the following beat.
    best: dict[tuple[int, bool], float] = {(family, False): 0.0 for family in (BINARY, TERNARY, MIXED)}
    home = grids[0].family
    for state in best:
        best[state] += TURN_COST * (state[0] != home)
    trace: list[dict[tuple[int, bool], tuple[tuple[int, bool], _Grid, tuple[int, ...]]]] = []
    for beat in range(beat_count):
        here: dict[tuple[int, bool], tuple[float, tuple[int, bool], _Grid, tuple[int, ...]]] = {}
        length_s = time.beat_times[beat + 1] - time.beat_times[beat]
        fits: dict[tuple[int, bool], list[tuple[float, bool, tuple[int, ...]]]] = {}
        for state, so_far in best.items():
            for number, grid in enumerate(grids):
                if not members[beat] and len(grid.slots) > 1:
                    continue
                family = grid.family if members[beat] else state[0]
                key = (number, state[1])
                if key not in fits:
                    fits[key] = _fit(
                        [chords[index] for index in members[beat]],
                        [may_be_grace[index] for index in members[beat]],
                        chords[members[beat][0] - 1]
                        if state[1] and members[beat] and members[beat][0]
                        else None,
                        grid,
                        (floats[beat], floats[beat + 1] - floats[beat], length_s),
                        spread,
                    )
                turn = TURN_COST * (family != state[0]) + _grid_cost(grid, length_s)
                for cost, spills, assignment in fits[key]:
                    total = so_far + turn + cost
                    end = (family, spills)
                    if end not in here or total < here[end][0]:
                        here[end] = (total, state, grid, assignment)
        best = {state: entry[0] for state, entry in here.items()}
        trace.append({state: entry[1:] for state, entry in here.items()})

    places: list[Fraction | None] = [None] * len(chords)
    used: list[_Grid] = []
    inside = [state for state in best if not state[1]]  # nothing begins on the final bar line
    state = min(inside or best, key=lambda key: best[key])
    for beat in range(beat_count - 1, -1, -1):
        previous, grid, assignment = trace[beat][state]
        used.append(grid)
        for index, slot in zip(members[beat], assignment, strict=True):
            if slot >= 0:
                part = grid.slots[slot] if slot < len(grid.slots) else Fraction(1)
                places[index] = max(Fraction(0), beats[beat] + part * (beats[beat + 1] - beats[beat]))
        state = previous
    return places, used[::-1]


def _may_be_grace(chords: Sequence[_Chord], number: int) -> bool:
    """Whether a chord can be a grace note of the next: single, short, soon followed, close in pitch."""
    if number + 1 >= len(chords):
        return False
    chord, following = chords[number], chords[number + 1]
    return (
        len(chord.members) == 1
        and chord.longest_s <= GRACE_LENGTH_S
        and following.onset_s - chord.onset_s <= GRACE_GAP_S
        and min(abs(a - b) for a in chord.pitches for b in following.pitches) <= GRACE_INTERVAL
        and not chord.pitches & following.pitches
    )


def _grid_cost(grid: _Grid, length_s: float) -> float:
    """The cost of dividing a beat so; a slow beat is divided more readily than a fast one."""
    crowded = max(0.0, SHORTEST_PLAYED_S - grid.finest * length_s) / SHORTEST_PLAYED_S
    return grid.cost * min(1.5, max(SLOW_BEAT_FACTOR, NOMINAL_BEAT_S / length_s)) + 6.0 * crowded


def _fit(
    chords: Sequence[_Chord],
    may_be_grace: Sequence[bool],
    before: _Chord | None,
    grid: _Grid,
    beat: tuple[float, float, float],
    spread: float,
) -> list[tuple[float, bool, tuple[int, ...]]]:
    """The best ways to put a beat's chords on its grid; within a slow beat the pace may change a little."""
    best: dict[bool, tuple[float, bool, tuple[int, ...]]] = {}
    free = len(chords) > 1 and len(grid.slots) > 1 and beat[2] > SLOW_BEAT_S and spread > MACHINE_SPREAD
    for bend in BENDS if free else (0.0,):
        for cost, spills, slots in _fit_bent(chords, may_be_grace, before, grid, beat, spread, bend):
            way = (cost + (bend / BEND_SPREAD) ** 2 / 2, spills, slots)
            if spills not in best or way < best[spills]:
                best[spills] = way
    return list(best.values())


def _fit_bent(
    chords: Sequence[_Chord],
    may_be_grace: Sequence[bool],
    before: _Chord | None,
    grid: _Grid,
    beat: tuple[float, float, float],
    spread: float,
    bend: float,
) -> list[tuple[float, bool, tuple[int, ...]]]:
    """The best ways to put a beat's chords on its grid: (cost, whether the last is on the next beat, slots).

    ``beat`` is its start and length in quarters and its length in seconds; ``before`` is a chord of
    the beat before that fell on this beat's start; slot -1 is a grace note; ``bend`` is how much later than
    even the middle of the beat comes, in beats.
    """
    start, length, length_s = beat
    if not chords:
        return [(0.0, False, ())]
    positions, rare = grid.positions, grid.rarities
    blocked = [start + position * length < -1e-9 for position in positions]
    deviation = spread * math.hypot(MAX_SPREAD_S * 0.6, FULL_SPREAD_BEATS * length_s)
    deviation = max(deviation, MIN_SPREAD_S)
    grace_cost = GRACE_COST * (2.0 - spread)  # in a quantised file a short note is more likely a written one
    gap_s = CHORD_GAP_S * min(WIDEST_GAP, max(1.0, length_s / GAP_BEAT_S))
    count = len(positions)
    best = [math.inf] * count
    origin = 0.0
    if before is not None:
        best[0], origin = 0.0, math.inf
    back: list[list[int]] = []
    previous = before
    for chord, grace in zip(chords, may_be_grace, strict=True):
        phase = (chord.onset - start) / length
        phase -= 4 * bend * phase * (1 - phase)
        together = SAME_PLACE_COST
        if previous is not None:
            apart = (chord.onset_s - previous.onset_s) / gap_s
            together += min(ERROR_CAP * 2, apart * apart / 2)
            together += SAME_PITCH_COST * bool(chord.pitches & previous.pitches)
        new, came = [math.inf] * count, [-2] * count
        least, least_at = origin, -1  # -1: nothing placed yet in this beat
        for slot in range(count):
            error = (phase - positions[slot]) * length_s / deviation
            emission = rare[slot] + min(error * error / 2, ERROR_CAP + abs(error)) + 1e6 * blocked[slot]
            if best[slot] + together < least:
                new[slot], came[slot] = best[slot] + together + emission, slot
            else:
                new[slot], came[slot] = least + emission, least_at
            if grace and best[slot] + grace_cost < new[slot]:
                new[slot], came[slot] = best[slot] + grace_cost, -3 - slot
            if best[slot] < least:
                least, least_at = best[slot], slot
        if grace and origin < math.inf:
            origin += grace_cost
            came.append(-1)
        else:
            origin = math.inf
            came.append(-2)
        best = new
        back.append(came)
        previous = chord

    ends = [(best[slot], slot) for slot in range(count)]
    ways = []
    inner = min(ends[:-1])
    if origin < inner[0]:
        inner = (origin, -1)
    for (cost, slot), spills in ((inner, False), (ends[-1], True)):
        if cost < math.inf:
            ways.append((cost, spills, _trace(back, slot)))
    return ways


def _trace(back: Sequence[Sequence[int]], slot: int) -> tuple[int, ...]:
    """The slots of the chords, from the pointers of :func:`_fit` and the last slot."""
    slots = []
    for came in reversed(back):
        if slot == -1:  # nothing was placed up to here: grace notes
            slots.append(-1)
            continue
        pointer = came[slot]
        if pointer <= -3:
            slots.append(-1)
        else:
            slots.append(slot)
            slot = pointer
    return tuple(reversed(slots))


# Note values ------------------------------------------------------------------------------------

OVERLAP_S, OVERLAP_SHARE = (
    0.06,
    0.5,
)  # how far players hold notes over into the next: seconds, and of the value
GAP_SHARE = 0.5  # of a value: the gap players leave before the next note
REST_COST = 0.8  # a value that ends where nothing starts leaves a rest or hangs over
FAR_INTERVAL = 12  # semitones: a note further off is in another voice
FAR_COST = 0.6
PASSED_COST, MOST_PASSED_COST = 0.5, 1.0  # a value that lasts over the start of a near note
SIMPLE_VALUES = frozenset(Fraction(value) for value in ("1/4", "1/2", "3/4", "1", "3/2", "2", "3", "4"))
SIMPLE_TERNARY = frozenset(Fraction(value) for value in ("1/3", "2/3", "1/6"))
ODD_VALUE_COST = 0.8
TERNARY_VALUE_COST = 0.2
LOOKAHEAD_QUARTERS = 1.0
MOST_ENDS = 40  # onsets after a note that may end it; a longer one ends at its release


def _note_values(
    notes: Sequence[Note],
    chords: Sequence[_Chord],
    places: Sequence[Fraction | None],
    divisions: Sequence[_Grid],
    time: ScoreTime,
) -> Iterator[tuple[int, tuple[Fraction, Fraction]]]:
    """Durations from the release and from where other notes start."""
    starts = _starts(chords, places)
    if starts[-1][0] < time.end:  # the final bar line ends a value as a following note does
        starts.append((time.end, float(time.end), frozenset(range(128))))
    onsets = [start for start, _, _ in starts]
    releases = time.quarters_at([note.offset for note in notes]).tolist()
    spread = _release_spread(releases, time)
    graces = _grace_places(places)
    ends = _EndPlaces(divisions, time)
    for number, chord in enumerate(chords):
        place = places[number]
        for index in chord.members:
            if place is None:
                yield index, (graces[number], Fraction(0))
                continue
            release = max(releases[index], float(place))
            after = bisect_right(onsets, place)
            until = bisect_right(onsets, Fraction(release + LOOKAHEAD_QUARTERS).limit_denominator(96), after)
            candidates, passed = [], 0.0
            for start, heard, pitches in starts[after : min(max(until, after + 1), after + MOST_ENDS)]:
                far = _far(notes[index].pitch, pitches)
                candidates.append((start, heard, far + min(passed, MOST_PASSED_COST)))
                passed += PASSED_COST * (far == 0)
            taken = {candidate[0] for candidate in candidates}
            candidates += [(end, float(end), -1.0) for end in ends.near(release, place) if end not in taken]
            length_s = notes[index].duration
            end = min(
                (end for end in candidates if end[0] <= time.end),
                key=lambda end: _value_cost(place, chord.onset, release, length_s, spread, end),
                default=(time.end, 0.0, 0.0),
            )
            yield index, (place, max(end[0] - place, Fraction(0)))


def _starts(
    chords: Sequence[_Chord], places: Sequence[Fraction | None]
) -> list[tuple[Fraction, float, frozenset[int]]]:
    """Where notes start: score onset, heard onset in quarters, pitches; grace notes left out."""
    starts: list[tuple[Fraction, float, frozenset[int]]] = []
    for chord, place in zip(chords, places, strict=True):
        if place is None:
            continue
        if starts and starts[-1][0] == place:
            starts[-1] = (place, starts[-1][1], starts[-1][2] | chord.pitches)
        else:
            starts.append((place, chord.onset, chord.pitches))
    return starts


def _far(pitch: int, others: frozenset[int]) -> float:
    return FAR_COST * (min(abs(pitch - other) for other in others) > FAR_INTERVAL)


def _value_cost(
    place: Fraction,
    onset: float,
    release: float,
    length_s: float,
    spread: float,
    end: tuple[Fraction, float, float],
) -> float:
    """How unlikely a value from ``place`` to ``end`` is for a note held from ``onset`` to ``release``."""
    target, heard, far = end
    value = target - place
    if value <= 0:
        return math.inf
    held = max(release - onset, 1e-3)
    second = length_s / held  # seconds to the quarter here
    gap = heard - release
    if gap < 0:
        overlap_s = math.hypot(OVERLAP_S, OVERLAP_SHARE * max(heard - onset, 0.0) * second)
        late = -gap * second / max(overlap_s * spread, MIN_SPREAD_S)
        cost = min(late * late / 2, 2.0 + late)
    else:
        share = max(0.0, gap) / max(heard - onset, 1e-3)
        cost = (share / (GAP_SHARE * max(spread, 0.15))) ** 2 / 2
        cost = min(cost, 2.0 + 2.0 * share / max(spread, 0.15))
    if far < 0:
        cost += REST_COST
        cost += 0.25 * math.log2(max(target.denominator, 1))
    else:
        cost += far
    if value not in SIMPLE_VALUES:
        cost += TERNARY_VALUE_COST if value in SIMPLE_TERNARY else ODD_VALUE_COST
    return cost


class _EndPlaces:
    """Where a note may end though nothing starts there: the grid of each beat, no coarser than its halves."""

    def __init__(self, divisions: Sequence[_Grid], time: ScoreTime) -> None:
        self._beats = time.beat_quarters
        self._divisions = divisions
        self._end = time.end
        self._compound = time.time_signature.compound

    def near(self, release: float, place: Fraction) -> list[Fraction]:
        """Places after ``place`` around ``release``: those of its beat, and the ends of the beats around."""
        beat = min(max(bisect_right(self._beats, Fraction(release)) - 1, 0), len(self._beats) - 2)
        found = []
        for number in range(max(0, beat - 1), min(beat + 2, len(self._beats) - 1)):
            start, length = self._beats[number], self._beats[number + 1] - self._beats[number]
            own = set(self._divisions[number].slots)
            ternary = self._compound or self._divisions[number].family == TERNARY
            slots = own | set(_parts(3) if ternary else _parts(4 if length >= 1 else 2))
            found += [start + slot * length for slot in slots]
            found.append(start + length)
        return sorted(end for end in set(found) if place < end <= self._end)


def _grace_places(places: Sequence[Fraction | None]) -> list[Fraction]:
    """For each chord its own place, or that of the next chord that has one (a grace note's main note)."""
    found: list[Fraction] = []
    following = next((place for place in reversed(places) if place is not None), Fraction(0))
    for place in reversed(places):
        following = following if place is None else place
        found.append(following)
    return found[::-1]


def _drum_values(
    notes: Sequence[Note], chords: Sequence[_Chord], places: Sequence[Fraction | None], time: ScoreTime
) -> Iterator[tuple[int, tuple[Fraction, Fraction]]]:
    """A stroke lasts to the next stroke or to the end of its beat, whichever comes first."""
    graces = _grace_places(places)
    onsets = sorted({place for place in places if place is not None})
    for number, chord in enumerate(chords):
        place = places[number]
        for index in chord.members:
            if place is None:
                yield index, (graces[number], Fraction(0))
                continue
            after = bisect_right(onsets, place)
            beat = time.beat_quarters[
                min(bisect_right(time.beat_quarters, place), len(time.beat_quarters) - 1)
            ]
            end = min(beat, time.end, *onsets[after : after + 1])
            yield index, (place, end - place)
