"""Clefs and octave lines: which lines a staff reads, bar by bar.

Task: as few ledger lines as a player would accept without changing clef all the time. Method: the cheapest
sequence of clefs over the bars (Viterbi) where a bar costs the squares of its ledger lines and every
change a constant; octave lines then cover the runs that still lie far above a treble or below a bass staff.

Conventions: places count steps of the staff from C0 (C4 is 28); score time in quarters. Clefs change at bar
lines only. Octave lines move notes by one octave; two octaves are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fullscore.viterbi import steady_path
from notation.events import Bar

CLEFS = {"treble": 30, "bass": 18, "alto": 24, "tenor": 22, "treble-8": 23, "percussion": 30}
"""The place of the lowest line of each clef."""

READABLE = tuple(clef for clef in CLEFS if clef != "percussion")
"""The clefs that a pitched part may be read in."""

CHANGE_COST = 12.0  # mean squared ledger lines, summed over bars, that a change of clef must spare
STRANGE_COST = 0.5  # for each bar in another clef than the staff's usual one
MOST_OCTAVES = 2  # between a part's sound and what its player reads
OCTAVE_FROM = 2  # ledger lines below which a note ends an octave line
OCTAVE_MEAN = 3.0  # mean ledger lines of a run that gets one
OCTAVE_PEAK = 4  # ledger lines of its farthest note
OCTAVE_NOTES = 3  # notes that it has at least
OCTAVE_GAP = Fraction(4)  # quarters of rest over which it goes on


@dataclass(frozen=True, slots=True)
class ClefAndOctave:
    """What a user decides of how a part is read: its one clef (of two staves the upper one's), and how many
    octaves above its sound it is written (8vb: 1, 8va: -1). What is None is found, or usual."""

    clef: str | None = None
    octave: int | None = None

    def __post_init__(self) -> None:
        if self.clef not in (None, *READABLE):
            raise ValueError(f"a clef is one of {', '.join(READABLE)}, not '{self.clef}'")
        if self.octave is not None and not -MOST_OCTAVES <= self.octave <= MOST_OCTAVES:
            raise ValueError(
                f"a part is written at most {MOST_OCTAVES} octaves off its sound, not {self.octave}"
            )


@dataclass(frozen=True, slots=True)
class OctaveLine:
    """8va (``up``) or 8vb over what sounds on ``staff`` from ``start`` to ``end``."""

    staff: int
    start: Fraction
    end: Fraction
    up: bool


@dataclass(frozen=True, slots=True)
class PitchSpan:
    """From where to where, and between which places, the notes of one moment of a staff lie."""

    start: Fraction
    end: Fraction
    low: int
    high: int


def place_of(step: str, octave: int) -> int:
    """The place of a note on the staff, in steps from C0."""
    return 7 * octave + "CDEFGAB".index(step)


def ledger_lines(place: int, clef: str) -> int:
    """Ledger lines that a note needs."""
    lowest = CLEFS[clef]
    return max(0, (lowest - place) // 2, (place - lowest - 8) // 2)


def choose_clefs(bars: Sequence[Sequence[int]], clefs: Sequence[str]) -> list[str]:
    """A clef of ``clefs`` (the usual one first) for each bar, whose places are given."""
    if len(clefs) == 1 or not bars:
        return [clefs[0]] * len(bars)
    costs = np.zeros((len(bars), len(clefs)))
    for bar, places in enumerate(bars):
        for number, clef in enumerate(clefs if places else ()):
            lines = sum(ledger_lines(place, clef) ** 2 for place in places)
            costs[bar, number] = lines / len(places) + STRANGE_COST * (number > 0)
    path, _ = steady_path(-costs, CHANGE_COST)
    return [clefs[number] for number in path]


def octave_lines(
    moments: Sequence[PitchSpan], bars: Sequence[Bar], clefs: Sequence[str], staff: int
) -> list[OctaveLine]:
    """Lines over or under what lies farther from its clef than a player likes to read."""
    lines: list[OctaveLine] = []
    run: list[tuple[PitchSpan, int]] = []
    above = True
    bar = 0

    def close(before: Fraction) -> None:
        counts = [count for _, count in run]
        far = len(run) >= OCTAVE_NOTES and max(counts) >= OCTAVE_PEAK
        if far and sum(counts) >= OCTAVE_MEAN * len(run):
            end = min(max(moment.end for moment, _ in run), before)
            lines.append(OctaveLine(staff, run[0][0].start, end, above))
        run.clear()

    for moment in moments:
        while bar + 1 < len(bars) and bars[bar + 1].start <= moment.start:
            bar += 1
        clef = clefs[bar]
        lowest = CLEFS[clef]
        up = clef == "treble" and (moment.low - lowest - 8) // 2 >= OCTAVE_FROM
        down = clef == "bass" and (lowest - moment.high) // 2 >= OCTAVE_FROM
        if run and (not (up or down) or up != above or moment.start - run[-1][0].end > OCTAVE_GAP):
            close(moment.start)
        if up or down:
            above = up
            run.append((moment, ledger_lines(moment.high if up else moment.low, clef)))
    close(bars[-1].end)
    return lines
