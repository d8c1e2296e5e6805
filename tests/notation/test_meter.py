"""Bars and the map between seconds and score time, on grids with answers worked out by hand."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullscore.errors import FullscoreError
from notation.meter import lay_bars
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.notes import Note


def grid(numbers: list[int], meter: TimeSignature = TimeSignature(), beat_s: float = 0.5) -> BeatGrid:
    return BeatGrid(tuple(1.0 + beat_s * i for i in range(len(numbers))), tuple(numbers), meter)


def note_at(beat: float, beats: float = 1.0, beat_s: float = 0.5) -> Note:
    return Note(1.0 + beat_s * beat, 1.0 + beat_s * (beat + beats), 60)


def lengths(numbers: list[int], meter: TimeSignature = TimeSignature()) -> list[int]:
    """Bar lengths in beats with a note on every beat."""
    bars, _ = lay_bars(grid(numbers, meter), [note_at(i) for i in range(len(numbers))])
    return [int(bar.length / meter.beat_quarters) for bar in bars]


def test_two_bars_of_four() -> None:
    bars, time = lay_bars(grid([1, 2, 3, 4] * 2), [note_at(0), note_at(7)])
    assert [(bar.number, bar.start, bar.length) for bar in bars] == [(1, 0, 4), (2, 4, 4)]
    assert time.quarters_at([1.0, 1.25, 3.0]) == pytest.approx([0, 0.5, 4])
    assert time.seconds_at([0, 0.5, 4]) == pytest.approx([1.0, 1.25, 3.0])


def test_a_pick_up_beat_makes_a_short_bar_zero() -> None:
    bars, time = lay_bars(grid([4, 1, 2, 3, 4]), [note_at(0), note_at(1, 4)])
    assert [(bar.number, bar.start, bar.length) for bar in bars] == [(0, 0, 1), (1, 1, 4)]
    assert time.quarters_at(1.0) == pytest.approx(0)


def test_a_pick_up_may_start_within_a_beat() -> None:
    bars, time = lay_bars(grid([4, 1, 2, 3, 4]), [note_at(0.5, 0.5), note_at(1, 4)])
    assert [(bar.number, bar.length) for bar in bars] == [(0, Fraction(1, 2)), (1, 4)]
    assert time.quarters_at(1.5) == pytest.approx(0.5)


def test_music_that_starts_just_after_the_bar_line_gets_a_full_bar() -> None:
    bars, _ = lay_bars(grid([1, 2, 3, 4]), [note_at(1), note_at(3)])
    assert [(bar.number, bar.length) for bar in bars] == [(1, 4)]


def test_silent_bars_before_the_music_are_left_out() -> None:
    bars, time = lay_bars(grid([1, 2, 3, 4] * 3), [note_at(8)])
    assert len(bars) == 1
    assert time.quarters_at(5.0) == pytest.approx(0)


def test_compound_bars_count_in_dotted_quarters() -> None:
    bars, time = lay_bars(grid([1, 2, 1, 2], TimeSignature(6, 8)), [note_at(0), note_at(3)])
    assert [bar.length for bar in bars] == [3, 3]
    assert time.quarters_at(1.5) == pytest.approx(1.5)


def test_a_missed_downbeat_is_mended() -> None:
    assert lengths([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4]) == [4, 4, 4]


def test_a_downbeat_a_beat_early_is_mended() -> None:
    assert lengths([1, 2, 3, 1, 2, 3, 4, 5, 1, 2, 3, 4]) == [4, 4, 4]


def test_a_dropped_beat_is_a_short_bar_with_its_own_meter() -> None:
    numbers = [1, 2, 3, 4, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4]
    bars, _ = lay_bars(grid(numbers), [note_at(i) for i in range(len(numbers))])
    assert [str(bar.time_signature) for bar in bars] == ["4/4", "2/4", "4/4", "4/4"]


def test_a_run_of_odd_bars_is_a_change_of_meter() -> None:
    assert lengths([1, 2, 3, 4] + [1, 2, 3] * 4 + [1, 2, 3, 4]) == [4, 3, 3, 3, 3, 4]


def test_no_notes_lays_bars_over_the_grid() -> None:
    bars, _ = lay_bars(grid([1, 2, 3, 4, 1]), [])
    assert [bar.length for bar in bars] == [4, 4]


@given(
    st.lists(st.sampled_from([1, 2, 3, 4]), min_size=2, max_size=40),
    st.lists(st.tuples(st.floats(0, 60), st.floats(0.05, 10)), min_size=1, max_size=12),
    st.sampled_from(
        [TimeSignature(), TimeSignature(3, 4), TimeSignature(6, 8), TimeSignature(2, 2), TimeSignature(1, 4)]
    ),
)
def test_bars_tile_the_score_and_cover_every_onset(
    numbers: list[int], times: list[tuple[float, float]], meter: TimeSignature
) -> None:
    notes = [Note(onset, onset + length, 60) for onset, length in times]
    bars, time = lay_bars(grid(numbers, meter), notes)
    assert bars[0].start == 0
    assert all(a.end == b.start for a, b in itertools.pairwise(bars))
    assert all(bar.length > 0 for bar in bars)
    assert bars[-1].length >= bars[-1].time_signature.beat_quarters
    quarters = time.quarters_at([note.onset for note in notes])
    assert quarters.max() < bars[-1].end
    assert quarters.min() > -float(meter.beat_quarters)
    assert time.seconds_at(quarters) == pytest.approx([note.onset for note in notes], abs=1e-6)


@pytest.mark.parametrize("beats", ["0", "1/2", "1", "2", "3", "7/2"])
@pytest.mark.parametrize("counted", [0, 1, 2, 3])
def test_a_known_pick_up_wins_over_the_counting(beats: str, counted: int) -> None:
    pick_up = Fraction(beats)
    grid = BeatGrid(tuple(0.5 * n for n in range(40)), tuple((n - counted) % 4 + 1 for n in range(40)))
    # The first note stands on a beat, or in the middle of one where the pick-up is no whole number.
    start = 4.0 + 0.5 * float(-pick_up % 1)
    notes = [Note(start + 0.5 * n, start + 0.5 * n + 0.4, 60) for n in range(17)]
    bars, time = lay_bars(grid, notes, pick_up)
    assert bars[0].number == (0 if pick_up else 1)
    assert bars[0].length == (pick_up or 4)
    assert all(bar.length == 4 for bar in bars[1:])
    assert time.quarters_at(start) == pytest.approx(0.0)


def test_a_pick_up_of_no_plain_notes_is_refused() -> None:
    eighths = TimeSignature(6, 8)
    bars, _ = lay_bars(grid([1, 2] * 4, eighths), [note_at(1.0)], Fraction(1, 3))
    assert bars[0].length == Fraction(1, 2)
    with pytest.raises(FullscoreError, match="1/3 beats in 4/4"):
        lay_bars(grid([1, 2, 3, 4]), [note_at(1.0)], Fraction(1, 3))


def test_a_known_pick_up_fits_a_grid_shorter_than_a_bar() -> None:
    bars, _ = lay_bars(grid([1, 2]), [note_at(0.0), note_at(1.0)], Fraction(3))
    assert [(bar.number, bar.length) for bar in bars] == [(0, 3)]


def test_the_last_bar_is_as_short_as_the_pick_up_leaves_it() -> None:
    counted = grid([4, *[1, 2, 3, 4] * 2])
    bars, time = lay_bars(counted, [note_at(0), *(note_at(beat) for beat in range(1, 8))])
    assert [(bar.start, bar.length) for bar in bars] == [(0, 1), (1, 4), (5, 3)]
    assert {str(bar.time_signature) for bar in bars} == {"4/4"}
    assert time.end == 8
    full, _ = lay_bars(counted, [note_at(beat) for beat in range(9)])
    assert [bar.length for bar in full] == [1, 4, 4]
