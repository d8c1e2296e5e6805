"""Beats counted at another level or in another meter: the beats stay, nothing is lost or doubled."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.beats.recount import LEVELS, counted_anew
from transcription.notes import Note

BEATS = 33


def played(beat_s: float, pattern: tuple[int, ...], beats: int = BEATS, from_s: float = 1.0) -> list[Note]:
    """A note on each beat, a chord where ``pattern`` has more."""
    return [
        Note(from_s + n * beat_s, from_s + (n + 0.9) * beat_s, 48 + 4 * k + 3 * (n // len(pattern) % 3), 90)
        for n in range(beats)
        for k in range(pattern[n % len(pattern)])
    ]


def grid(beat_s: float, meter: str, beats: int = BEATS, from_s: float = 1.0) -> BeatGrid:
    signature = TimeSignature(*map(int, meter.split("/")))
    return BeatGrid(
        tuple(from_s + n * beat_s for n in range(beats)),
        tuple(n % signature.beats_per_bar + 1 for n in range(beats)),
        signature,
    )


def within(counted: BeatGrid, end: float) -> list[float]:
    return [time for time in counted.times if 1.0 - 1e-6 <= time <= end + 1e-6]


@pytest.mark.parametrize("meter", ["2/4", "3/4", "4/4", "6/8"])
def test_double_tempo_puts_a_beat_between_each_two_and_halves_the_bars(meter: str) -> None:
    before = grid(0.6, meter)
    after = counted_anew(before, played(0.6, (3, 1, 1, 1)), tempo=2 * before.tempo)
    assert after is not None
    assert after.time_signature == before.time_signature
    assert within(after, before.times[-1]) == pytest.approx(np.linspace(1.0, before.times[-1], 2 * BEATS - 1))
    assert set(np.round(before.downbeats, 6)) <= set(np.round(after.downbeats, 6))
    steps = np.diff(after.downbeats)
    assert steps == pytest.approx(np.full(len(steps), 0.3 * after.time_signature.beats_per_bar))


@pytest.mark.parametrize("meter", ["2/4", "3/4", "4/4", "6/8"])
def test_half_tempo_keeps_every_second_beat_and_every_second_bar_line(meter: str) -> None:
    before = grid(0.3, meter)
    after = counted_anew(before, played(0.3, (3, 1, 1, 1)), tempo=before.tempo / 2)
    assert after is not None
    assert after.time_signature == before.time_signature
    assert after.tempo == pytest.approx(before.tempo / 2)
    assert within(after, before.times[-1]) == pytest.approx(before.times[::2])
    assert set(np.round(after.downbeats, 6)) <= {
        *np.round(before.downbeats, 6),
        *np.round(after.times[-2:], 6),
    }


def test_half_of_what_was_doubled_is_what_was() -> None:
    before, notes = grid(0.5, "4/4"), played(0.5, (3, 1, 1, 1))
    doubled = counted_anew(before, notes, tempo=240.0)
    assert doubled is not None
    back = counted_anew(doubled, notes, tempo=120.0)
    assert back is not None
    assert within(back, before.times[-1]) == pytest.approx(before.times)
    assert set(np.round(back.downbeats, 6)) >= set(np.round(before.downbeats[:-1], 6))


def test_a_tempo_tapped_unevenly_leaves_the_beats() -> None:
    before = grid(0.5, "4/4")
    assert counted_anew(before, played(0.5, (2, 1)), tempo=113.0) == before


def test_a_tempo_at_no_level_of_these_beats_is_none() -> None:
    assert counted_anew(grid(0.5, "4/4"), played(0.5, (2, 1)), tempo=160.0) is None


def test_another_meter_keeps_the_beats_and_finds_its_downbeats() -> None:
    before, notes = grid(0.5, "4/4"), played(0.5, (4, 1, 1))
    after = counted_anew(before, notes, time_signature=TimeSignature(3, 4))
    assert after is not None
    assert within(after, before.times[-1]) == pytest.approx(before.times)
    assert within(after, before.times[-1])[0] in after.downbeats
    assert np.diff(after.downbeats) == pytest.approx(np.full(len(after.downbeats) - 1, 1.5))


@pytest.mark.parametrize(
    ("found", "wanted"), [("6/8", "3/4"), ("3/4", "6/8"), ("4/4", "2/2"), ("2/4", "4/8")]
)
def test_a_meter_with_bars_as_long_keeps_the_bar_lines(found: str, wanted: str) -> None:
    before = grid(0.6, found)
    meter = TimeSignature(*map(int, wanted.split("/")))
    after = counted_anew(before, played(0.6, (3, 1, 1)), time_signature=meter)
    assert after is not None
    assert after.time_signature == meter
    shared = [time for time in before.downbeats if time <= before.times[-1] - 0.6]
    assert [t for t in after.downbeats if t <= shared[-1] + 1e-6] == pytest.approx(shared)
    assert after.tempo == pytest.approx(
        before.tempo * float(Fraction(meter.beats_per_bar, before.time_signature.beats_per_bar))
    )


@settings(deadline=None)
@given(
    level=st.sampled_from(LEVELS),
    meter=st.sampled_from(["2/4", "3/4", "4/4", "6/8", "5/4"]),
    off_by=st.floats(0.93, 1.07),
    pick_up=st.integers(0, 3),
)
def test_every_level_covers_the_notes_and_counts_whole_bars(
    level: Fraction, meter: str, off_by: float, pick_up: int
) -> None:
    plain = grid(0.5, meter)
    before = BeatGrid(plain.times[pick_up:], plain.numbers[pick_up:], plain.time_signature)
    notes = [note for note in played(0.5, (2, 1), BEATS - 1) if note.onset >= before.times[0]]
    after = counted_anew(before, notes, tempo=before.tempo * float(level) * off_by)
    assert after is not None
    assert after.tempo == pytest.approx(before.tempo * float(level))
    assert after.times[0] <= notes[0].onset + 1e-6
    assert after.times[-1] >= notes[-1].offset - 1e-6
    bar = after.time_signature.beats_per_bar
    assert all(b == a % bar + 1 for a, b in zip(after.numbers, after.numbers[1:], strict=False))


def test_without_notes_the_bar_lines_alone_say_where_bars_begin() -> None:
    after = counted_anew(grid(0.5, "4/4"), (), tempo=240.0)
    assert after is not None
    assert after.numbers[:5] == (1, 2, 3, 4, 1)
