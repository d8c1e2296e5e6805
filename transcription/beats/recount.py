"""Beats that were found, counted at another pace or in another meter.

Task: a musician who hears two beats where one was counted, or three in a bar where there were four, says
so; the beats themselves were right and stay. Method: the wanted tempo chooses the metrical level, a beat
divided or beats taken together; the meter stays unless another is wanted. Bars are then numbered by the
search of ``transcription.beats.sound_tracker`` over what speaks for a downbeat: the bar lines there were, as
far as old and new bars fit into each other, and what the network of ``transcription.beats.activations`` hears
in the notes.

Conventions: see ``transcription.beatgrid``. A wanted meter whose bar is as long as the one found (6/8 for
3/4, 2/2 for 4/4) keeps the bars and divides them otherwise; any other keeps the beats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from transcription.beatgrid import BeatGrid, Floats, TimeSignature
from transcription.beats.joint import Ints, beat_activations, covering, is_swung
from transcription.beats.sound_tracker import BARS, MEAN_DOWNBEAT, MEAN_OTHER, NO_EVENT_MARK, count_bars
from transcription.notes import Note

LEVELS = tuple(map(Fraction, ("1/8", "1/4", "1/3", "1/2", "1", "2", "3", "4", "8")))
"""How many beats may be counted where one was."""
NEAR_TEMPO = 1.12
"""A tempo that somebody tapped, or typed, may differ from the beats it means by this factor."""
BAR_LINE, NO_BAR_LINE = 2.0, -0.5
"""Downbeat evidence of a beat that was counted 1, and of one that wasn't (deviations)."""
HEARD_LIMIT, HEARD_BESIDE = 2.0, 0.5
"""How much the network's evidence says at most (deviations), and its weight beside that of the bar lines."""
ON_BEAT = 0.12
"""Part of a beat by which a note may miss it."""


def counted_anew(
    grid: BeatGrid,
    notes: Sequence[Note],
    tempo: float | None = None,
    time_signature: TimeSignature | None = None,
) -> BeatGrid | None:
    """The beats of ``grid`` at about ``tempo`` beats per minute, in bars of ``time_signature``.

    What isn't given stays. None where no metrical level comes near the tempo: it means
    other beats.
    """
    found, meter = grid.time_signature, time_signature or grid.time_signature
    same_bar = meter.bar_quarters == found.bar_quarters
    level = Fraction(meter.beats_per_bar, found.beats_per_bar) if same_bar else Fraction(1)
    if tempo is not None:
        levels = {*LEVELS, level}
        level = min(levels, key=lambda level: abs(math.log(tempo / (grid.tempo * level))))
        if abs(math.log(tempo / (grid.tempo * level))) > math.log(NEAR_TEMPO):
            return None
    if level == 1 and meter.beats_per_bar == found.beats_per_bar:
        return replace(grid, time_signature=meter)

    times, lines = _at_level(grid, level)
    if len(times) < 2:
        return None
    numbers = _numbered(times, lines, notes, Fraction(found.beats_per_bar) * level, meter.beats_per_bar)
    start = min((note.onset for note in notes), default=grid.times[0])
    end = max((note.offset for note in notes), default=grid.times[-1])
    times, numbers = covering(times, numbers, meter.beats_per_bar, start, end)
    counted = BeatGrid(tuple(times.tolist()), tuple(numbers.tolist()), meter, grid.swing)
    if level == 1 and not meter.compound:
        return counted
    onsets = np.unique([note.onset for note in notes])
    return replace(counted, swing=not meter.compound and is_swung(counted.beat_at(onsets) % 1))


def _at_level(grid: BeatGrid, level: Fraction) -> tuple[Floats, Floats]:
    """The times of the beats at another level, and which of them were counted 1 (1.0 or 0.0).

    Of beats taken together those are kept on which most bars began.
    """
    parts, together = level.numerator, level.denominator
    count = len(grid.times)
    times = np.interp(np.arange(parts * (count - 1) + 1) / parts, np.arange(count), grid.times)
    lines = np.zeros(len(times))
    lines[::parts] = np.array(grid.numbers) == 1
    first = int(np.bincount(np.flatnonzero(lines) % together, minlength=together).argmax())
    return times[first::together], lines[first::together]


def _numbered(times: Floats, lines: Floats, notes: Sequence[Note], old_bar: Fraction, bar: int) -> Ints:
    """The numbers of the beats in bars of ``bar`` of them; bars of ``old_bar`` of them began at ``lines``."""
    told = np.where(lines > 0, BAR_LINE, NO_BAR_LINE)
    if (old_bar / bar).denominator == 1:  # every old bar line is a new one, which leaves no question
        activations = told
    elif (bar / old_bar).denominator == 1:
        activations = told + HEARD_BESIDE * _heard_downbeats(times, notes)
    else:
        activations = _heard_downbeats(times, notes)
    expected = BARS.get(bar, (MEAN_DOWNBEAT,) + (MEAN_OTHER,) * (bar - 1))
    return count_bars(activations, expected)[0] + 1


def _heard_downbeats(times: Floats, notes: Sequence[Note]) -> Floats:
    """What the notes on each beat say for a downbeat, in standard deviations from their mean."""
    clusters, _, activations = beat_activations(notes)
    heard = np.full(len(times), NO_EVENT_MARK)
    if activations is None:
        return np.zeros(len(times))
    nearest = np.rint(np.interp(clusters.times, times, np.arange(len(times)))).astype(int)
    length = np.gradient(times)[nearest]
    on = np.abs(clusters.times - times[nearest]) < ON_BEAT * length
    if not on.any():
        return np.zeros(len(times))
    said = activations.downbeat[on]
    said = np.clip((said - said.mean()) / (said.std() + 1e-6), -HEARD_LIMIT, HEARD_LIMIT)
    np.maximum.at(heard, nearest[on], said)
    return heard
