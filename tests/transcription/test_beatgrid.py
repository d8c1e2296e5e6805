"""The arithmetic of beats and bars."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcription.beatgrid import BeatGrid, TimeSignature


@pytest.mark.parametrize(
    ("numerator", "denominator", "compound", "beats", "beat_quarters", "bar_quarters"),
    [
        (4, 4, False, 4, Fraction(1), Fraction(4)),
        (3, 4, False, 3, Fraction(1), Fraction(3)),
        (2, 2, False, 2, Fraction(2), Fraction(4)),
        (3, 8, False, 3, Fraction(1, 2), Fraction(3, 2)),
        (6, 8, True, 2, Fraction(3, 2), Fraction(3)),
        (9, 8, True, 3, Fraction(3, 2), Fraction(9, 2)),
        (12, 8, True, 4, Fraction(3, 2), Fraction(6)),
    ],
)
def test_what_a_time_signature_counts(
    numerator: int,
    denominator: int,
    compound: bool,
    beats: int,
    beat_quarters: Fraction,
    bar_quarters: Fraction,
) -> None:
    signature = TimeSignature(numerator, denominator)
    assert signature.compound is compound
    assert signature.beats_per_bar == beats
    assert signature.beat_quarters == beat_quarters
    assert signature.bar_quarters == bar_quarters


def test_positions_between_and_beyond_the_beats() -> None:
    grid = BeatGrid((1.0, 2.0, 4.0), (3, 1, 2), TimeSignature(3, 4))
    assert grid.beat_at([0.5, 1.0, 1.5, 3.0, 4.0, 5.0]).tolist() == [-0.5, 0.0, 0.5, 1.5, 2.0, 2.5]
    assert grid.downbeats == (2.0,)
    assert grid.tempo_curve == (60.0, 30.0)
    assert grid.tempo == 40.0


grids = st.tuples(
    st.floats(-5, 5), st.lists(st.floats(0.05, 3.0, allow_nan=False), min_size=1, max_size=30)
).map(
    lambda parts: BeatGrid(
        tuple((parts[0] + np.concatenate([[0.0], np.cumsum(parts[1])])).tolist()),
        tuple(n % 4 + 1 for n in range(len(parts[1]) + 1)),
    )
)


@given(grids, st.lists(st.floats(-20, 120), min_size=1))
def test_position_and_time_are_each_others_inverse(grid: BeatGrid, times: list[float]) -> None:
    assert np.allclose(grid.time_at(grid.beat_at(times)), times, atol=1e-6)


@given(grids, st.floats(-20, 120), st.floats(0.001, 10))
def test_later_is_further_on(grid: BeatGrid, time: float, later: float) -> None:
    before, after = grid.beat_at([time, time + later])
    assert before < after


@pytest.mark.parametrize(
    ("times", "numbers"),
    [((1.0,), (1,)), ((1.0, 1.0), (1, 2)), ((2.0, 1.0), (1, 2)), ((1.0, 2.0), (1,)), ((1.0, 2.0), (0, 1))],
)
def test_an_impossible_grid_is_refused(times: tuple[float, ...], numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="beat"):
        BeatGrid(times, numbers)
