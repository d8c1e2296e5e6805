"""The Viterbi search, worked by hand on a few steps and against every path there is."""

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullscore.viterbi import best_path, steady_path

Floats = npt.NDArray[np.float64]

UP_AND_BACK = np.array([[0.0, -5.0], [-3.0, 0.0], [0.0, -5.0]])


def test_a_change_is_made_where_it_saves_more_than_it_costs() -> None:
    path, score = steady_path(UP_AND_BACK, 1.0)
    assert path.tolist() == [0, 1, 0]
    assert score == -2.0
    path, score = steady_path(UP_AND_BACK, 2.0)
    assert path.tolist() == [0, 0, 0]
    assert score == -3.0


def test_changes_may_cost_more_at_some_steps_than_at_others() -> None:
    scores = np.array([[0.0, -9.0], [-1.0, -1.0], [-1.0, -1.0], [-9.0, 0.0]])
    for cheap in (1, 2, 3):
        costs = np.full(4, 3.0)
        costs[cheap] = 1.0
        assert steady_path(scores, costs)[0].tolist() == [0] * cheap + [1] * (4 - cheap)


def test_states_may_follow_each_other_in_turn() -> None:
    beats_of_three = np.array([2, 0, 1])  # the second beat comes after the first
    scores = np.log([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    path, score = steady_path(scores, 9.0, beats_of_three)
    assert path.tolist() == [0, 1, 2, 0, 1]
    assert score == pytest.approx(np.log(0.8**4 * 0.3))
    slipped = np.delete(scores, 2, axis=0)  # a beat is missing, and the bars go on as before
    path, score = steady_path(np.concatenate([scores, slipped]), 1.0, beats_of_three)
    assert path.tolist() == [0, 1, 2, 0, 1, 0, 1, 0, 1]


def test_a_transition_has_a_price_of_its_own() -> None:
    costs = np.array([[0.0, 9.0, 1.0], [9.0, 0.0, 9.0], [9.0, 1.0, 0.0]])  # 0 leads to 1 only by way of 2
    scores = np.array([[0.0, -9.0, -9.0], [-2.0, -2.0, -2.0], [-9.0, 0.0, -9.0]])
    path, score = best_path(scores, costs)
    assert path.tolist() == [0, 2, 1]
    assert score == -4.0


def test_of_equal_paths_the_steady_one_and_the_first_is_taken() -> None:
    even = np.zeros((3, 2))
    assert steady_path(even, 0.0)[0].tolist() == [0, 0, 0]
    assert best_path(even, np.zeros((2, 2)))[0].tolist() == [0, 0, 0]
    # To stay in 1, and to come to it from 0, is worth the same.
    worth = np.array([[1.0, 0.0], [0.0, 3.0]])
    assert steady_path(worth, 1.0)[0].tolist() == [1, 1]
    assert best_path(worth, np.array([[0.0, 1.0], [1.0, 0.0]]))[0].tolist() == [0, 1]


def test_one_step_is_its_best_state() -> None:
    assert steady_path(np.array([[0.0, 2.0, 2.0]]), 1.0)[0].tolist() == [1]
    assert best_path(np.array([[0.0, 2.0, 2.0]]), np.zeros((3, 3)))[0].tolist() == [1]


def score_of(path: tuple[int, ...], scores: Floats, costs: Floats) -> float:
    """The score of a path; ``costs`` of each transition into each step have the shape (steps, from, to)."""
    steps = list(enumerate(path))
    moves = sum(costs[step, path[step - 1], state] for step, state in steps[1:])
    return float(sum(scores[step, state] for step, state in steps) - moves)


# Quarters add up exactly, so that equal scores are found equal.
quarters = st.integers(-20, 0).map(lambda number: number / 4)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 4))


def vectors(length: int) -> st.SearchStrategy[Floats]:
    return st.lists(quarters, min_size=length, max_size=length).map(np.array)


def tables(shape: tuple[int, int]) -> st.SearchStrategy[Floats]:
    return vectors(shape[0] * shape[1]).map(lambda values: values.reshape(shape))


@given(shapes.flatmap(lambda shape: st.tuples(tables(shape), vectors(shape[0]), st.booleans())))
def test_no_path_is_better_than_the_steady_one(drawn: tuple[Floats, Floats, bool]) -> None:
    scores, changes, in_turn = drawn
    steps, states = scores.shape
    before = (np.arange(states) - 1) % states if in_turn else np.arange(states)
    costs = np.repeat(-changes, states**2).reshape(steps, states, states)
    costs[:, before, np.arange(states)] = 0.0
    path, score = steady_path(scores, -changes, before if in_turn else None)
    best = max(score_of(each, scores, costs) for each in product(range(states), repeat=steps))
    assert score == score_of(tuple(path.tolist()), scores, costs) == best


@given(shapes.flatmap(lambda shape: st.tuples(tables(shape), tables((shape[1], shape[1])))))
def test_no_path_is_better_than_the_best(drawn: tuple[Floats, Floats]) -> None:
    scores, moves = drawn
    steps, states = scores.shape
    costs = np.broadcast_to(-moves, (steps, states, states))
    path, score = best_path(scores, -moves)
    best = max(score_of(each, scores, costs) for each in product(range(states), repeat=steps))
    assert score == score_of(tuple(path.tolist()), scores, costs) == best
