from __future__ import annotations

import numpy as np

from separation.masks import accompaniment_masks, median_over_time


def test_the_median_mirrors_at_the_edges() -> None:
    row = np.array([[5, 1, 4, 2, 3], [0, 0, 9, 0, 0]], np.float32)
    # Mirrored: 1 5 1 4 2 3 2 and 0 0 0 9 0 0 0.
    np.testing.assert_array_equal(median_over_time(row, 3), [[1, 4, 2, 3, 2], [0, 0, 0, 0, 0]])


def test_what_lasts_low_is_bass_and_what_is_struck_is_drums() -> None:
    level = np.full((2049, 200), 1e-6, np.float32)
    level[8] = level[60] = 1.0  # 86 and 646 Hz at 44.1 kHz
    level[:, 100] = 1.0
    masks = accompaniment_masks(level, 44100, 200.0)
    assert masks["bass"][8, 50] > 0.99
    assert masks["bass"][60, 50] == 0
    assert masks["drums"][60, 50] < 0.01
    assert masks["drums"][500, 100] > 0.99
    assert np.all(masks["bass"] + masks["drums"] <= 1 + 1e-6)
