"""The search for beats and bars, with marks made by hand instead of a network's."""

import numpy as np
import pytest

from transcription.beats.activations import METERS, OTHER_PHASE, PERIODS_S, PHASES, PLACES, BeatActivations
from transcription.beats.note_tracker import BeatSequence, best_sequence, count_bars, signature_of


def marks(
    phases: list[float], period_s: float = 0.5, places: list[tuple[int, int]] | None = None
) -> BeatActivations:
    """Marks of a network that is fairly sure of each cluster's place in the beat (-1: an ornament)."""
    count = len(phases)
    phase = np.full((count, OTHER_PHASE + 1), 0.01)
    for n, value in enumerate(phases):
        phase[n, OTHER_PHASE if value < 0 else int(np.abs(PHASES - value).argmin())] = 0.88
    period = np.exp(-0.5 * (np.log(PERIODS_S / period_s) / 0.2) ** 2) + 1e-3
    place = np.full((count, len(PLACES) + 1), 0.02)
    for n, at in enumerate(places or []):
        place[n, PLACES.index(at)] = 0.8
    downbeat = np.array([0.8 if places and places[n][1] == 1 else 0.1 for n in range(count)])
    return BeatActivations(
        np.log(phase).astype(np.float32),
        np.log(downbeat).astype(np.float32),
        np.log(np.tile(period / period.sum(), (count, 1))).astype(np.float32),
        np.log(place).astype(np.float32),
        np.log(np.full((count, len(METERS)), 1 / len(METERS))).astype(np.float32),
    )


def test_beats_are_the_clusters_marked_so() -> None:
    times = np.arange(16) * 0.25 + 1.0
    row = best_sequence(times, marks([0.0, 0.5] * 8))
    assert row.times.tolist() == pytest.approx((np.arange(8) * 0.5 + 1.0).tolist())
    assert row.cluster.tolist() == list(range(0, 16, 2))


def test_beats_go_on_through_held_notes() -> None:
    times = np.array([0.0, 0.5, 1.0, 3.0, 3.5, 4.0])
    row = best_sequence(times, marks([0.0] * 6))
    assert row.times.tolist() == pytest.approx((np.arange(9) * 0.5).tolist())
    assert row.cluster.tolist() == [0, 1, 2, -1, -1, -1, 3, 4, 5]


def test_a_syncopation_moves_no_beat() -> None:
    # A beat with nothing on it, but notes before and after.
    times = np.array([0.0, 0.5, 0.75, 1.25, 1.5, 2.0])
    row = best_sequence(times, marks([0.0, 0.0, 0.5, 0.5, 0.0, 0.0]))
    assert row.times.tolist() == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])


def test_rubato_is_followed() -> None:
    rng = np.random.default_rng(1)
    beats = np.cumsum(0.5 * np.exp(rng.normal(0, 0.12, 40)))
    between = (beats[:-1] + beats[1:]) / 2
    times = np.sort(np.concatenate([beats, between]))
    row = best_sequence(times, marks([0.0, 0.5] * 39 + [0.0]))
    assert row.times.tolist() == pytest.approx(beats.tolist())


def test_ornaments_are_no_beats() -> None:
    times = np.array([0.0, 0.07, 0.5, 0.95, 1.0, 1.5, 2.0])
    row = best_sequence(times, marks([0.0, -1, 0.0, -1, 0.0, 0.0, 0.0]))
    assert row.cluster.tolist() == [0, 2, 4, 5, 6]


def test_a_known_length_of_the_beat_is_kept_to() -> None:
    times = np.arange(32) * 0.25
    uncertain = marks([0.0] * 32, period_s=0.35)
    assert np.diff(best_sequence(times, uncertain, 0.5).times).tolist() == pytest.approx([0.5] * 15)
    assert np.diff(best_sequence(times, uncertain, 0.25).times).tolist() == pytest.approx([0.25] * 31)


def test_bars_are_counted_with_a_pick_up_and_a_change_of_meter() -> None:
    places = [(3, 3)] + [(3, n) for n in (1, 2, 3)] * 5 + [(2, n) for n in (1, 2)] * 7
    times = np.arange(len(places)) * 0.5
    bars = count_bars(
        BeatSequence(times, np.arange(len(places))), times, marks([0.0] * len(places), places=places)
    )
    assert list(zip(bars.sizes.tolist(), bars.numbers.tolist(), strict=True)) == places


def test_one_wrong_downbeat_does_not_shift_the_bars() -> None:
    places = [(4, n) for n in (1, 2, 3, 4)] * 6
    heard = list(places)
    heard[10], heard[11] = (4, 1), (4, 2)
    times = np.arange(len(places)) * 0.5
    bars = count_bars(
        BeatSequence(times, np.arange(len(places))), times, marks([0.0] * len(places), places=heard)
    )
    assert bars.numbers.tolist() == [n for _, n in places]


def test_a_wanted_bar_is_counted_by_downbeats() -> None:
    places = [(4, n) for n in (1, 2, 3, 4)] * 5
    times = np.arange(20) * 0.5
    bars = count_bars(BeatSequence(times, np.arange(20)), times, marks([0.0] * 20, places=places), sizes=(5,))
    assert set(bars.sizes.tolist()) == {5}
    assert np.diff(np.flatnonzero(bars.numbers == 1)).min() > 1


def test_the_signature_has_the_bars_size() -> None:
    made = marks([0.0] * 4)
    made.meter[:, METERS.index("6/8")] = 0.0
    assert str(signature_of(2, made)) == "6/8"
    assert signature_of(3, made).beats_per_bar == 3
    assert str(signature_of(7, made)) == "7/4"
