"""The downbeats heard in a plain accompaniment are its bar lines."""

from __future__ import annotations

import numpy as np
import pytest

from transcription.beats.downbeats import find_downbeats
from transcription.notes import Note


def waltz(bars: int, pick_up: int) -> list[Note]:
    """A bass on the first beat, chords on the others; ``pick_up`` beats of melody before."""
    notes = [Note(0.4 * n, 0.4 * n + 0.38, 67 + n) for n in range(pick_up)]
    for bar in range(bars):
        root = (48, 43, 41, 48)[bar % 4]
        for beat in range(3):
            start = 0.4 * (pick_up + 3 * bar + beat)
            chord = (root,) if beat == 0 else (root + 12, root + 16, root + 19)
            notes += [Note(start, start + 0.38, pitch) for pitch in chord]
        start = 0.4 * (pick_up + 3 * bar)
        notes.append(Note(start, start + 1.18, root + 28))
    return notes


@pytest.mark.parametrize("pick_up", [0, 1, 2])
def test_bars_of_a_waltz_begin_with_the_bass(pick_up: int) -> None:
    heard = find_downbeats(waltz(16, pick_up))
    assert heard.times == pytest.approx(0.4 * np.arange(48 + pick_up))
    sums = [heard.odds[first::3].mean() for first in range(3)]
    assert int(np.argmax(sums)) == pick_up % 3


def test_one_chord_tells_nothing() -> None:
    assert len(find_downbeats([Note(0, 1, 60), Note(0, 1, 64)]).times) == 0
