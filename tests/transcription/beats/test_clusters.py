"""What the beat network hears of the notes, worked by hand on a few of them."""

import numpy as np
import pytest

from transcription.beats.clusters import (
    LAGS_S,
    chroma_change,
    cluster_features,
    clusters_of,
    felt_length,
    fresh_share,
    harmonic_change,
    lag_counts,
    running_minimum,
)


def test_notes_of_a_spread_chord_are_one_cluster() -> None:
    clusters = clusters_of(np.array([1.02, 1.0, 2.0, 1.04, 1.5]))
    assert clusters.times.tolist() == pytest.approx([1.02, 1.5, 2.0])
    assert clusters.group.tolist() == [0, 0, 0, 1, 2]
    assert clusters.order.tolist() == [1, 0, 3, 4, 2]


def test_a_glissando_is_not_one_cluster() -> None:
    clusters = clusters_of(np.arange(10) * 0.02)
    assert len(clusters) == 4  # none is longer than 55 ms
    assert clusters_of(np.arange(10) * 0.02, gap_s=np.inf, span_s=0.09).group.tolist() == [0] * 5 + [1] * 5


def test_a_note_is_felt_until_the_next_near_it() -> None:
    onset = np.array([0.0, 0.5, 1.0, 1.5])
    pitch = np.array([60.0, 40.0, 62.0, 80.0])
    held = np.full(4, 3.0)
    assert felt_length(onset, pitch, held).tolist() == [1.0, 3.0, 3.0, 3.0]


def test_a_short_note_is_felt_for_a_while_or_until_it_ends() -> None:
    onset, pitch, held = np.array([0.0, 0.4, 2.0]), np.array([60.0, 61.0, 62.0]), np.full(3, 0.5)
    assert felt_length(onset, pitch, held).tolist() == [0.4, 1.0, 1.0]
    assert felt_length(onset, pitch, held, least_s=0.0).tolist() == [0.4, 0.5, 0.5]


def test_the_least_of_a_moving_window() -> None:
    values = np.array([3.0, 1.0, 2.0, 5.0])
    assert running_minimum(values, np.array([0, 0, 1, 2]), np.array([1, 2, 3, 4])).tolist() == [3, 1, 1, 2]


def test_harmony_changes_where_other_pitch_classes_follow() -> None:
    classes = [0] * 10 + [0] * 10 + [7] * 10
    change = chroma_change(np.eye(12)[classes], 10.0, np.array([1.0, 2.0]), 1.0)
    assert change.tolist() == pytest.approx([0.0, 1.0])
    # An octave higher nothing changes but the register; a tritone higher all does.
    onset, length = np.array([0.0, 1.0, 2.0]), np.full(3, 1.0)
    change = harmonic_change(onset, np.array([60.0, 72.0, 78.0]), length, onset, 1.0)
    assert change.tolist() == pytest.approx([0.5, 0.0, 1.0])  # before the first nothing is known


def test_a_pitch_class_is_fresh_when_it_has_not_begun_lately() -> None:
    onset, pitch = np.array([0.0, 1.0, 1.5, 4.0]), np.array([60.0, 72.0, 61.0, 48.0])
    share = fresh_share(onset, pitch, np.ones(4, bool), np.array([0, 1, 2, 3]), np.ones(4))
    assert share.tolist() == [1.0, 0.0, 1.0, 1.0]


def test_onsets_are_counted_at_their_distance() -> None:
    times = np.array([0.0, LAGS_S[10]])
    table = lag_counts(times, np.array([0.5, 1.0])).reshape(2, 2, -1)
    assert table[0, 0].argmax() == 10
    assert table[0, 0, 10] == pytest.approx(1.0)
    assert table[1, 1, 10] == pytest.approx(0.5)
    assert table[0, 1].sum() == table[1, 0].sum() == 0


@pytest.mark.parametrize("drums", [False, True])
def test_features_are_finite_whatever_is_played(drums: bool) -> None:
    onset = np.array([0.0] * 30 + [0.0, 5.0, 5.0, 700.0])
    pitch = np.concatenate([np.arange(30.0) + 40, [40.0, 60.0, 60.0, 127.0]])
    offset = onset + np.concatenate([np.full(30, 1e-6), [600.0, 0.001, 1.0, 0.2]])
    clusters = clusters_of(onset)
    table = cluster_features(clusters, onset, offset, pitch, np.full(34, 64.0), np.full(34, drums))
    assert table.shape[0] == len(clusters) == 3
    assert np.isfinite(table).all()


def test_features_do_not_depend_on_when_the_music_starts_nor_on_the_notes_order() -> None:
    rng = np.random.default_rng(0)
    onset = np.sort(rng.uniform(0, 20, 80)).round(2)
    offset, pitch, velocity = onset + 0.4, rng.integers(40, 80, 80).astype(float), rng.uniform(40, 90, 80)
    drum = np.zeros(80, bool)
    plain = cluster_features(clusters_of(onset), onset, offset, pitch, velocity, drum)
    late = cluster_features(clusters_of(onset + 100), onset + 100, offset + 100, pitch, velocity, drum)
    np.testing.assert_allclose(plain, late, atol=0.2)
    order = rng.permutation(80)
    mixed = cluster_features(
        clusters_of(onset[order]), onset[order], offset[order], pitch[order], velocity[order], drum
    )
    np.testing.assert_allclose(plain, mixed, atol=1e-5)
