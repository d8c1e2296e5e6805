"""Ornaments as played: trills, mordents, grace notes and rolled chords among the heard notes of one stem.

Task: find what a musician would write as a sign or a small note, before the rest is put on a grid.

Method, by rules with the times of common practice. A trill is a run of five notes or more that turns
between two neighbouring keys faster than notes are written out; a mordent is such a run of three whose last
note stays. A grace note is one short note right before a longer one beside it, apart from any run. A
rolled chord is three notes or more struck upwards one right after the other and held together.

Conventions: notes are named by their index in the sequence given; times in seconds, intervals in semitones.
What can't be told from a fast written run is left alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from transcription.notes import Note

TRILL_STEP_S, TRILL_STEP_BEATS = 0.14, 0.2  # at most from one note of a trill to the next
TRILL_NOTES = 5
MORDENT_STEP_S, MORDENT_STEP_BEATS = 0.1, 0.16
MORDENT_STAYS_S = 0.15  # the last note of a mordent lasts
GRACE_STEP_S, GRACE_STEP_BEATS = 0.12, 0.2  # from a grace note to its main note
GRACE_LENGTH_S = 0.25
GRACE_OVERLAP_S = 0.08  # how far it is held into the next
GRACE_CHAIN = 3  # as many grace notes in a row
GRACE_INTERVAL = 12
SHORTEST_STEP_S = 0.03
MAIN_LENGTH = 2.0  # a main note lasts this much longer than its grace note takes
RUN_REACH, RUN_S = 5, 0.22  # notes this near before or after a mordent make a run of it
GRACE_RUN_S = 0.35  # the same for grace notes: those that are missed cost less than those that are none
TOGETHER_S = 0.04
ROLL_STEP_S, ROLL_STEP_BEATS = 0.09, 0.13  # from one note of a rolled chord to the next
ROLL_NOTES = 3
ROLL_HELD = 3.0  # each note of a rolled chord lasts this many steps after the last one's onset


@dataclass(frozen=True, slots=True)
class Ornament:
    """A note with a sign: its index, the other notes that the sign stands for, and when it all sounds."""

    main: int
    absorbed: tuple[int, ...]
    mark: str
    onset: float
    offset: float


@dataclass(frozen=True, slots=True)
class Ornaments:
    """What was found: signs, grace notes with the note each leads to, rolled chords; none overlap."""

    signs: tuple[Ornament, ...] = ()
    graces: dict[int, int] = field(default_factory=dict)
    rolls: tuple[tuple[int, ...], ...] = ()


def find_ornaments(notes: Sequence[Note], beat_s: Sequence[float]) -> Ornaments:
    """The ornaments among ``notes``; ``beat_s`` is how long the beat is at each note."""
    signs = _signs(notes, beat_s)
    taken = {index for sign in signs for index in (sign.main, *sign.absorbed)}
    rolls = _rolls(notes, beat_s, taken)
    taken |= {index for roll in rolls for index in roll}
    return Ornaments(signs, _graces(notes, beat_s, taken), rolls)


def _signs(notes: Sequence[Note], beat_s: Sequence[float]) -> tuple[Ornament, ...]:
    """Trills and mordents: runs that turn between two neighbouring keys."""
    by_pitch: dict[int, list[int]] = {}
    for index in sorted(range(len(notes)), key=lambda index: notes[index].onset):
        by_pitch.setdefault(notes[index].pitch, []).append(index)
    runs: list[list[int]] = []
    for low, own in by_pitch.items():
        for step in (1, 2):
            if low + step in by_pitch:
                both = sorted(own + by_pitch[low + step], key=lambda index: notes[index].onset)
                runs += _turning_runs(notes, beat_s, both)
    found: list[Ornament] = []
    taken: set[int] = set()
    order = sorted(range(len(notes)), key=lambda index: notes[index].onset)
    onsets = [notes[index].onset for index in order]
    for run in sorted(runs, key=len, reverse=True):
        if taken & set(run):
            continue
        is_mordent = len(run) < TRILL_NOTES
        if is_mordent and not _is_mordent(notes, beat_s, run, order, onsets):
            continue
        low = min(notes[index].pitch for index in run)
        pitch = notes[run[0]].pitch if is_mordent else low
        main = next(index for index in run if notes[index].pitch == pitch)
        rest = tuple(index for index in run if index != main)
        offset = max(notes[index].offset for index in run)
        mark = "mordent" if is_mordent else "trill"
        found.append(Ornament(main, rest, mark, notes[run[0]].onset, offset))
        taken |= set(run)
    return tuple(found)


def _turning_runs(notes: Sequence[Note], beat_s: Sequence[float], both: Sequence[int]) -> list[list[int]]:
    """Where the notes of two pitches alternate at the pace of a trill, in runs of three and more."""
    runs: list[list[int]] = []
    run = list(both[:1])
    for before, after in pairwise(both):
        step = notes[after].onset - notes[before].onset
        limit = min(TRILL_STEP_S, TRILL_STEP_BEATS * beat_s[after])
        if notes[after].pitch != notes[before].pitch and 0.02 < step <= limit:
            run.append(after)
        else:
            runs.append(run)
            run = [after]
    return [run for run in [*runs, run] if len(run) >= 3]


def _is_mordent(
    notes: Sequence[Note],
    beat_s: Sequence[float],
    run: Sequence[int],
    order: Sequence[int],
    onsets: Sequence[float],
) -> bool:
    """Whether three notes that turn are an ornament: fast, alone, and the last one stays."""
    if len(run) != 3:
        return False
    first, _, last = (notes[index] for index in run)
    limit = 2 * min(MORDENT_STEP_S, MORDENT_STEP_BEATS * beat_s[run[0]])
    stays = last.duration >= max(MORDENT_STAYS_S, last.onset - first.onset)
    alone = _alone(notes, order, onsets, run, RUN_S)
    return stays and last.onset - first.onset <= limit and alone


def _alone(
    notes: Sequence[Note],
    order: Sequence[int],
    onsets: Sequence[float],
    own: Sequence[int],
    run_s: float,
) -> bool:
    """Whether no other note near in pitch starts within ``run_s`` before the first or after the last one."""
    begin, end = notes[own[0]].onset, notes[own[-1]].onset
    pitches = [notes[index].pitch for index in own]
    for place in range(bisect_left(onsets, begin - run_s), bisect_right(onsets, end + run_s)):
        index = order[place]
        if index in own or abs(notes[index].onset - begin) < TOGETHER_S:
            continue
        if abs(notes[index].onset - end) < TOGETHER_S:
            continue
        if min(abs(notes[index].pitch - pitch) for pitch in pitches) <= RUN_REACH:
            return False
    return True


def _graces(notes: Sequence[Note], beat_s: Sequence[float], taken: set[int]) -> dict[int, int]:
    """Grace notes, each with the main note it leads to: one, or a few in a row."""
    order = sorted(range(len(notes)), key=lambda index: (notes[index].onset, notes[index].pitch))
    onsets = [notes[index].onset for index in order]

    def next_of(index: int) -> int | None:
        """The note that ``index`` would be a grace note to."""
        grace = notes[index]
        if index in taken or index in found or grace.duration > GRACE_LENGTH_S:
            return None
        limit = min(GRACE_STEP_S, GRACE_STEP_BEATS * beat_s[index])
        begin = bisect_left(onsets, grace.onset + SHORTEST_STEP_S)
        for main in order[begin : bisect_right(onsets, grace.onset + limit)]:
            near = 1 <= abs(notes[main].pitch - grace.pitch) <= GRACE_INTERVAL
            if near and main not in taken and main not in found:
                return main if grace.offset <= notes[main].onset + GRACE_OVERLAP_S else None
        return None

    found: dict[int, int] = {}
    mains: set[int] = set()
    for start in order:
        chain, main = [start], next_of(start)
        while main is not None and len(chain) < GRACE_CHAIN and (later := next_of(main)) is not None:
            chain.append(main)
            main = later
        if main is None or mains & set(chain):
            continue
        if len({notes[index].pitch for index in (*chain, main)}) <= len(chain):
            continue  # a note comes again: it turns, as no grace notes do
        step = (notes[main].onset - notes[start].onset) / len(chain)
        lasts = notes[main].duration >= MAIN_LENGTH * max(step, notes[chain[-1]].duration)
        own = (*chain, main)
        if lasts and _alone(notes, order, onsets, own, GRACE_RUN_S):
            found |= dict.fromkeys(chain, main)
            mains.add(main)
    return found


def _rolls(notes: Sequence[Note], beat_s: Sequence[float], taken: set[int]) -> tuple[tuple[int, ...], ...]:
    """Chords struck upwards one note after the other and held."""
    order = sorted(range(len(notes)), key=lambda index: (notes[index].onset, notes[index].pitch))
    rolls: list[tuple[int, ...]] = []
    run: list[int] = []
    for index in [*order, None]:
        if index is not None and run and index not in taken:
            step = notes[index].onset - notes[run[-1]].onset
            if step <= TOGETHER_S and notes[index].pitch < notes[run[0]].pitch:
                continue  # the other hand's
            limit = min(ROLL_STEP_S, ROLL_STEP_BEATS * beat_s[index])
            if step <= limit and notes[index].pitch > notes[run[-1]].pitch:
                run.append(index)
                continue
        if len(run) >= ROLL_NOTES and _is_roll(notes, run, index):
            rolls.append(tuple(run))
        run = [] if index is None or index in taken else [index]
    return tuple(rolls)


def _is_roll(notes: Sequence[Note], run: Sequence[int], following: int | None) -> bool:
    """Whether a run upwards is a chord: its notes held together, and a pause before the next note."""
    first, last = notes[run[0]].onset, notes[run[-1]].onset
    step = (last - first) / (len(run) - 1)
    held = min(notes[index].offset for index in run) - last
    pause = notes[following].onset - last if following is not None else held
    return last - first > TOGETHER_S and held >= ROLL_HELD * step and pause >= 1.5 * step
