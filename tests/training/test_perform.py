"""Performances of a small score made by hand, of which everything is known."""

from dataclasses import replace

import numpy as np
import pytest

from training.corpus import ARPEGGIO, GRACE, TICKS, TRILL, ScorePiece
from training.perform import Style, count_beats, draw_style, perform


def piece(
    meter: tuple[int, int] = (4, 4), bars: int = 8, pick_up_quarters: float = 0.0, flags: int = 0
) -> ScorePiece:
    """Quarters in the right hand, a bass note on each bar in the left."""
    length = 4 * TICKS * meter[0] // meter[1]
    lengths = [round(pick_up_quarters * TICKS)] * (pick_up_quarters > 0) + [length] * bars
    starts = np.concatenate([[0], np.cumsum(lengths)])
    quarters = np.arange(0, starts[-1], TICKS)
    onset = np.concatenate([quarters, starts[:-1]])
    right = np.arange(len(onset)) < len(quarters)
    order = np.argsort(onset, kind="stable")
    onset, right = onset[order], right[order]
    count = len(onset)
    return ScorePiece(
        name="made",
        source="test",
        onset=onset,
        duration=np.where(right, TICKS, length),
        pitch=np.where(right, 72 + np.arange(count) % 5, 48),
        fifths=np.zeros(count, np.int64),
        part=np.zeros(count, np.int64),
        staff=np.where(right, 1, 2),
        voice=np.ones(count, np.int64),
        flags=np.where(np.arange(count) == 5, flags, 0),
        bar_start=starts[:-1],
        bar_length=np.array(lengths),
        bar_numerator=np.full(len(lengths), meter[0]),
        bar_denominator=np.full(len(lengths), meter[1]),
        bar_key=np.zeros(len(lengths), np.int64),
        part_names=("Piano",),
        part_is_keyboard=(True,),
        tempo=0.0,
    )


def test_a_mechanical_performance_is_exact() -> None:
    score = piece()
    made = perform(score, np.random.default_rng(0), Style(tempo=120.0))
    assert made.onset.tolist() == pytest.approx((score.onset[made.index] / TICKS * 0.5).tolist())
    assert sorted(made.index.tolist()) == list(range(len(score.onset)))
    assert made.seconds_at([0, 4 * TICKS]).tolist() == pytest.approx([0.0, 2.0])


@pytest.mark.parametrize("seed", range(8))
def test_what_a_person_plays_is_the_score(seed: int) -> None:
    score, rng = piece(bars=32), np.random.default_rng(seed)
    style = replace(draw_style(score, count_beats(score), rng), missing=0.0, extra=0.0)
    made = perform(score, rng, style)
    assert set(made.index.tolist()) - {-1} == set(range(len(score.onset)))
    assert (np.diff(made.onset) >= 0).all()
    assert (made.offset > made.onset).all()
    assert (np.diff(made.seconds_at(made.counted.ticks)) > 0.02).all()
    away = np.abs(made.onset - made.seconds_at(score.onset[made.index]))[made.index >= 0]
    assert np.median(away) < 0.05
    np.testing.assert_array_equal(score.pitch[made.index], np.where(made.index >= 0, made.pitch, -1))


@pytest.mark.parametrize(
    ("meter", "pick_up", "numbers", "unit"),
    [
        ((3, 4), 1.0, [3, 1, 2, 3, 1], 1.0),
        ((4, 4), 0.5, [1, 2, 3, 4, 1], 1.0),  # an upbeat of an eighth holds no beat
        ((6, 8), 0.5, [1, 2, 1, 2, 1], 1.5),
        ((2, 2), 0.0, [1, 2, 1, 2, 1], 2.0),
        ((3, 8), 0.0, [1, 2, 3, 1, 2], 0.5),
    ],
)
def test_beats_are_counted_as_a_musician_does(
    meter: tuple[int, int], pick_up: float, numbers: list[int], unit: float
) -> None:
    counted = count_beats(piece(meter, pick_up_quarters=pick_up))
    assert counted.numbers[:5].tolist() == numbers
    assert np.diff(counted.ticks[:5]).tolist() == [unit * TICKS] * 4


def test_ornaments_are_played_out() -> None:
    rng = np.random.default_rng(0)
    style = Style(tempo=60.0, rubato=0.02)
    trilled = [perform(piece(flags=TRILL), rng, style) for _ in range(5)]
    assert max((made.index == -1).sum() for made in trilled) >= 2
    rolled = piece(flags=ARPEGGIO)
    assert len(perform(rolled, rng, style).onset) == len(rolled.onset)
    grace = piece(flags=GRACE)
    made = perform(grace, rng, style)
    beside = (grace.onset[made.index] == grace.onset[5]) & (made.index != 5)
    assert 0.02 < abs(made.onset[made.index == 5][0] - made.onset[beside][0]) < 0.3


def test_swing_delays_the_second_eighth() -> None:
    made = perform(piece(), np.random.default_rng(0), Style(tempo=120.0, swing=0.66))
    assert made.seconds_at([TICKS // 2, TICKS]).tolist() == pytest.approx([0.33, 0.5])
