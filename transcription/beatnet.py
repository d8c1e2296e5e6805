"""The network that marks beats in clusters of notes: what its outputs mean.

Trained by ``training.train_beats``; its weights are in ``beats.npz`` beside this file.
"""

from __future__ import annotations

import numpy as np

PHASES = np.array([0, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 5 / 8, 2 / 3, 3 / 4, 5 / 6, 7 / 8])
"""The places in a beat that are told apart; one more class, OTHER_PHASE, is for ornaments and the rest."""
OTHER_PHASE = len(PHASES)
PERIODS_S = np.geomspace(0.2, 3.4, 42)
"""The lengths of a beat that are told apart, seconds."""
PLACES = tuple((size, number) for size in (2, 3, 4) for number in range(1, size + 1))
"""The beats of bars of 2, 3 and 4 beats; one more class is for all other bars."""
METERS = ("2/4", "3/4", "4/4", "6/8", "9/8", "12/8", "3/8", "2/2", "3/2", "4/2", "4/8", "2/8", "6/4", "5/4")
