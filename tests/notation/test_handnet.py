"""What the network is told of notes, and that its word has the right form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from notation.handnet import LEAST, VALUES, KeyboardNotes, describe, read, value_class


def played(rows: list[tuple[float, float, int]]) -> KeyboardNotes:
    """Notes from onset, release and pitch, in 4/4 at 120 quarters a minute."""
    onset, release, pitch = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    return KeyboardNotes(
        onset.astype(float),
        release.astype(float),
        pitch.astype(np.int64),
        onset / 4 % 1,
        onset % 1,
        np.full(count, 4.0),
        np.full(count, 1.0),
        np.full(count, 0.5),
    )


HYMN = [
    (float(beat), beat + 0.9, pitch) for beat in range(8) for pitch in (48 + beat % 3, 55, 64, 72 - beat % 2)
]


@pytest.mark.parametrize(("quarters", "value"), [(1, 1), (0.52, 0.5), (0.34, 1 / 3), (3.1, 3), (100, 12)])
def test_a_value_counts_as_the_nearest_one(quarters: float, value: float) -> None:
    assert VALUES[value_class(quarters)] == pytest.approx(value)


def test_only_the_first_feature_knows_the_height() -> None:
    notes = played(HYMN)
    low, high = describe(notes), describe(replace(notes, pitch=notes.pitch + 5))
    assert np.allclose(low[:, 1:], high[:, 1:])
    assert np.allclose(high[:, 0] - low[:, 0], 5 / 12)
    assert np.all(np.isfinite(low))


def test_a_note_still_held_is_seen_from_above_and_below() -> None:
    features = describe(played([(0, 4, 60), (1, 2, 48), (2, 3, 72)]))
    alone = describe(played([(0, 1, 60), (1, 2, 48), (2, 3, 72)]))
    assert np.any(features[1] != alone[1])
    assert np.any(features[2] != alone[2])


def test_a_hymn_is_read_as_everyone_reads_it() -> None:
    reading = read(played(HYMN))
    assert np.all((reading.lower_staff >= LEAST) & (reading.lower_staff <= 1 - LEAST))
    assert reading.values.shape == (len(HYMN), len(VALUES))
    bass, soprano = slice(0, None, 4), slice(3, None, 4)
    assert np.all(reading.lower_staff[bass] > 0.9)
    assert np.all(reading.lower_staff[soprano] < 0.1)
    assert np.all(VALUES[reading.values[:-4].argmax(axis=1)] == 1)
