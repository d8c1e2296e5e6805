"""The likeliest sequence of states behind a sequence of observations: the Viterbi algorithm, in two forms.

Task: chords, keys, dynamics, clefs or places in the bar from evidence at each step, where changes are rare.
Method: Viterbi (1967). Where any change costs the same, only the best state before needs to be looked at, and
a step takes time in proportion to the states (:func:`steady_path`); else to their square (:func:`best_path`).

Conventions: natural logarithms. ``scores`` has the shape (steps, states), one step at least: the log
likelihood of what is observed at each step in each state, and at the first step the log of the state's
probability at the start. Costs are what a transition takes from the score, 0 or more. Both functions return
the state of each step, of shape (steps,), and the score of the whole path. Of states in which it may end with
the same score the first is taken; how other ties are resolved each function says.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def steady_path(
    scores: Floats, change_cost: float | Floats, before: Ints | None = None
) -> tuple[Ints, float]:
    """The best path where states stay at no cost, and any change costs the same.

    ``change_cost`` is one number, or one for each step: that of a change into it (the first is not used).
    ``before`` gives, of each state, the one that leads to it at no cost, for states that follow each other
    in turn; by default each stays as it is. Where a change is worth as much as none, none is made; of states
    to change from that are worth the same the first is taken.
    """
    steps, states = scores.shape
    costs = np.broadcast_to(np.asarray(change_cost, dtype=np.float64), steps)
    came_from = np.arange(states) if before is None else before
    origins = np.empty((steps, states), np.int64)
    total = scores[0]
    for step in range(1, steps):
        best = int(total.argmax())
        stayed, changed = total[came_from], total[best] - costs[step]
        origins[step] = np.where(stayed >= changed, came_from, best)
        total = np.maximum(stayed, changed) + scores[step]
    return _traced(origins, total)


def best_path(scores: Floats, costs: Floats) -> tuple[Ints, float]:
    """The best path where ``costs[a, b]`` is that of going from state a to state b, also from a to a.

    Of states to come from that are worth the same the first is taken.
    """
    origins = np.empty(scores.shape, np.int64)
    total = scores[0]
    for step in range(1, len(scores)):
        reached = total[:, None] - costs
        origins[step] = reached.argmax(axis=0)
        total = reached.max(axis=0) + scores[step]
    return _traced(origins, total)


def _traced(origins: Ints, total: Floats) -> tuple[Ints, float]:
    """The path that ends best, from the state before each; the first row of ``origins`` isn't used."""
    path = np.empty(len(origins), np.int64)
    path[-1] = total.argmax()
    for step in range(len(origins) - 1, 0, -1):
        path[step - 1] = origins[step, path[step]]
    return path, float(total[path[-1]])
