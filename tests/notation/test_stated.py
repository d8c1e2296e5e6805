"""Files made from a score: its bars, keys, parts and values come back as they were."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notation.events import Bar, ScoreNote
from notation.parting import VOICES, part_exactly
from notation.stated import (
    beat_grid,
    ends_early,
    plain_end,
    plain_start,
    stated_bars,
    stated_keys,
    stated_rhythm,
    stated_voices,
    with_meter,
    with_tempo,
)
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.beats.downbeats import Downbeats
from transcription.midi import Performance, ScoreMap, StatedKey, StatedMeter, Track
from transcription.notes import Note

TICK = Fraction(1, 480)
QUARTER_S = 0.5


def meters(*rows: tuple[float, str]) -> tuple[StatedMeter, ...]:
    return tuple(
        StatedMeter(Fraction(start), TimeSignature(*map(int, meter.split("/")))) for start, meter in rows
    )


def score(*rows: tuple[float, str], keys: tuple[StatedKey, ...] = ()) -> ScoreMap:
    return ScoreMap((0.0, 100 * QUARTER_S), (Fraction(0), Fraction(100)), TICK, meters(*rows), keys)


def note(start: float, length: float, pitch: int = 60, track: int = 0, early_ticks: int = 1) -> Note:
    """A note in quarters, its end a tick early as most programs write it."""
    end = (start + length) * QUARTER_S - early_ticks * QUARTER_S / 480
    return Note(start * QUARTER_S, end, pitch, track=track, stem="piano")


def laid(rows: Sequence[tuple[float, str]], until: float) -> list[tuple[Fraction, str]]:
    bars, _ = stated_bars(score(*rows), [note(0, until)])
    return [(bar.length, str(bar.time_signature)) for bar in bars]


# Bars


def test_bars_follow_the_meters_that_last() -> None:
    rows = [(0, "4/4"), (8, "3/4"), (14, "6/8")]
    assert laid(rows, 17) == [(4, "4/4")] * 2 + [(3, "3/4")] * 2 + [(3, "6/8")]


def test_a_first_bar_with_a_meter_of_its_own_is_a_pick_up() -> None:
    bars, time = stated_bars(score((0, "1/4"), (1, "4/4")), [note(0, 9)])
    assert [(bar.number, bar.length) for bar in bars] == [(0, 1), (1, 4), (2, 4)]
    assert bars[0].time_signature == TimeSignature(4, 4)
    assert time.quarters_at(QUARTER_S) == pytest.approx(1)


def test_what_fills_up_the_pick_up_is_a_last_bar_not_a_meter() -> None:
    assert laid([(0, "1/4"), (1, "4/4"), (9, "3/4")], 12)[-1] == (3, "4/4")
    assert laid([(0, "4/4"), (8, "3/4")], 11)[-1] == (3, "3/4")


def test_a_bar_broken_by_a_repeat_sign_keeps_its_meter() -> None:
    broken = laid([(0, "4/4"), (8, "3/4"), (11, "1/4"), (12, "4/4")], 16)
    assert broken == [(4, "4/4"), (4, "4/4"), (3, "4/4"), (1, "4/4"), (4, "4/4")]


def test_a_bar_broken_in_the_middle_keeps_its_meter() -> None:
    assert laid([(0, "6/8"), (6, "3/8"), (9, "6/8")], 15)[2:4] == [(Fraction(3, 2), "6/8")] * 2
    assert laid([(0, "6/8"), (6, "2/8"), (8, "6/8")], 14)[2:4] == [(1, "2/8")] * 2


def test_a_single_bar_of_another_meter_is_meant() -> None:
    assert laid([(0, "4/4"), (8, "2/4"), (10, "4/4")], 14)[2] == (2, "2/4")


def test_the_counted_meter_is_taken_where_none_is_stated() -> None:
    waltz = BeatGrid(tuple((1 + b) * QUARTER_S for b in range(9)), (1, 2, 3) * 3, TimeSignature(3, 4))
    made = with_meter(score(), [note(0, 1)], waltz)
    assert made.meters == meters((0, "1/4"), (1, "3/4"))


def downbeats(*rows: tuple[float, float]) -> Downbeats:
    """Log odds of a downbeat at each of 40 quarters: ``rows`` are (every fourth quarter from here, odds)."""
    odds = np.full(40, -4.0)
    for start, value in rows:
        odds[int(start) :: 4] = value
    return Downbeats(np.arange(40) * QUARTER_S, odds)


def test_a_pick_up_that_is_not_stated_is_found_where_downbeats_are_clear() -> None:
    notes = [note(q, 1) for q in range(40)]
    stated = score((0, "4/4"))
    assert with_meter(stated, notes, heard=downbeats((1, 3.0))).meters[:2] == meters((0, "1/4"), (1, "4/4"))
    assert with_meter(stated, notes, heard=downbeats((0, 1.0), (2, 3.0))).meters == stated.meters
    late = downbeats((2, 3.0))
    rests_first = Downbeats(late.times[4:], late.odds[4:])  # the pick-up bar would be empty
    assert with_meter(stated, notes[4:], heard=rests_first).meters == stated.meters


def test_a_pick_up_that_is_stated_wins_over_downbeats() -> None:
    notes = [note(q, 1) for q in range(40)]
    stated = score((0, "1/4"), (1, "4/4"))
    assert with_meter(stated, notes, heard=downbeats((3, 3.0))).meters[:2] == stated.meters
    assert (
        with_meter(score((0, "4/4")), notes, pick_up=Fraction(2), heard=downbeats((3, 3.0))).meters[0]
        == meters((0, "2/4"))[0]
    )


def test_a_file_whose_notes_end_a_tick_early_tells_its_bars() -> None:
    early, exact = ([note(q, 1, early_ticks=ticks) for q in range(10)] for ticks in (1, 0))
    assert ends_early(score((0, "4/4")), early)
    assert not ends_early(score((0, "4/4")), exact)
    assert not ends_early(score((0, "4/4")), early[:5] + exact[:5])


def test_a_later_meter_may_open_with_a_pick_up() -> None:
    notes = [note(q, 1) for q in range(44)]
    odds = np.full(44, -4.0)
    odds[0:9:3] = odds[10::4] = 3.0  # and none where the second meter begins
    heard = Downbeats(np.arange(44) * QUARTER_S, odds)
    made = with_meter(score((0, "3/4"), (9, "4/4")), notes, heard=heard)
    assert made.meters == meters((0, "3/4"), (9, "1/4"), (10, "4/4"))
    bars, _ = stated_bars(made, notes)
    assert [(bar.length, str(bar.time_signature)) for bar in bars[2:5]] == [
        (3, "3/4"),
        (1, "4/4"),
        (4, "4/4"),
    ]


def test_overrides_win_over_what_is_stated() -> None:
    stated = score((0, "1/4"), (1, "4/4"))
    assert with_meter(stated, [note(0, 20)], time_signature=TimeSignature(3, 4)).meters == meters(
        (0, "1/4"), (1, "3/4")
    )
    assert with_meter(stated, [note(0, 20)], pick_up=Fraction(0)).meters == meters((0, "4/4"))
    assert with_meter(stated, [note(0, 20)], pick_up=Fraction(2)).meters[:2] == meters((0, "2/4"), (2, "4/4"))


def test_a_given_tempo_sets_the_pace_of_everything() -> None:
    stated = Performance((note(0, 1), note(1, 1)), (Track("piano"),), score=score((0, "6/8")))
    played = with_tempo(stated, 60)  # dotted quarters
    assert [n.onset for n in played.notes] == pytest.approx([0, 2 / 3])
    assert played.score is not None
    assert played.score.tempos == ((0, pytest.approx(90)),)


def test_the_beats_of_stated_bars_are_numbered() -> None:
    grid = beat_grid(score((0, "1/4"), (1, "3/4")), [note(0, 7)])
    assert grid.numbers[:4] == (3, 1, 2, 3)
    assert grid.times[:2] == pytest.approx([0, QUARTER_S])


# Keys


def test_stated_keys_start_at_bar_lines() -> None:
    stated = score((0, "4/4"), keys=(StatedKey(Fraction(0), -2, False), StatedKey(Fraction(9), 3, False)))
    bars, _ = stated_bars(stated, [note(0, 16)])
    written = [ScoreNote(Fraction(q), Fraction(1), note(q, 1, 58 if q < 8 else 57)) for q in range(16)]
    keys = stated_keys(stated, written, bars)
    assert [(start, key.fifths) for start, key in keys] == [(0, -2), (8, 3)]


# Rhythm


@pytest.mark.parametrize(
    ("tick", "place"),
    [(240, "1/2"), (160, "1/3"), (69, "1/7"), (137, "2/7"), (480 + 360, "7/4"), (131, "3/11"), (30, "1/16")],
)
def test_a_tick_is_the_plainest_part_that_rounds_to_it(tick: int, place: str) -> None:
    assert plain_start(tick, 480) == Fraction(place)


def test_an_end_may_be_a_tick_early() -> None:
    assert plain_end(479, 480) == 1
    assert plain_end(319, 480) == Fraction(2, 3)
    assert plain_end(100, 480) == Fraction(5, 24)  # the nearest 24th part


def test_a_grace_note_takes_its_time_from_the_main_note_and_gives_it_back() -> None:
    grace, main = note(1, 31 / 480, 74), note(1 + 31 / 480, 1 - 31 / 480, 72)
    written = stated_rhythm([note(0, 1), grace, main], score((0, "4/4")), Fraction(4))
    assert [(n.onset, n.duration, n.pitch) for n in written] == [(0, 1, 60), (1, 0, 74), (1, 1, 72)]


def test_an_arpeggio_is_one_chord() -> None:
    spread = [note(1 + 31 * k / 480, 1 - 31 * k / 480, 60 + 4 * k) for k in range(3)]
    written = stated_rhythm(spread, score((0, "4/4")), Fraction(4))
    assert {(n.onset, n.duration) for n in written} == {(1, 1)}
    assert all("arpeggio" in n.marks for n in written)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40 * 480), st.integers(1, 4 * 480), st.integers(40, 80)),
        min_size=1,
        max_size=40,
    )
)
def test_no_note_is_lost_or_doubled(rows: list[tuple[int, int, int]]) -> None:
    given_notes = [
        Note(a * QUARTER_S / 480, (a + n) * QUARTER_S / 480, pitch, stem="piano") for a, n, pitch in rows
    ]
    stated = score((0, "4/4"))
    bars, time = stated_bars(stated, given_notes)
    written = stated_voices(stated_rhythm(given_notes, stated, time.end), (Track("piano"),))
    assert sorted(n.heard for n in written) == sorted(given_notes)
    assert all(n.onset >= 0 and n.end <= bars[-1].end for n in written)
    tiled(bars)


def tiled(bars: Sequence[Bar]) -> None:
    assert bars[0].start == 0
    assert all(a.end == b.start for a, b in itertools.pairwise(bars))
    assert all(bar.length > 0 for bar in bars)


# Staves and voices


def test_the_tracks_of_a_piano_are_its_staves_whatever_is_played() -> None:
    hands = (Track("piano", staff=1, staves=2), Track("piano", staff=2, staves=2))
    crossed = [note(0, 1, 40, track=0), note(0, 1, 80, track=1)]
    written = stated_voices(stated_rhythm(crossed, score((0, "4/4")), Fraction(4)), hands)
    assert {(n.pitch, n.staff) for n in written} == {(40, 1), (80, 2)}


def test_a_single_line_stays_on_one_staff_even_on_a_piano() -> None:
    line = [note(q, 1, 48 + 3 * q) for q in range(12)]
    written = stated_voices(stated_rhythm(line, score((0, "4/4")), Fraction(12)), (Track("piano"),))
    assert {n.staff for n in written} == {1}


def written_note(start: float, length: float, pitch: int) -> ScoreNote:
    return ScoreNote(Fraction(start), Fraction(length), note(start, length, pitch))


def test_a_held_note_over_moving_ones_is_a_voice_of_its_own() -> None:
    held = [written_note(0, 4, 79), *(written_note(q, 1, 60 + q) for q in range(4))]
    voices = {n.pitch: n.voice for n in part_exactly(held)}
    assert voices == {79: 1, 60: 2, 61: 2, 62: 2, 63: 2}


def test_what_sounds_alone_is_the_first_voice_beside_two_voices() -> None:
    alone = [written_note(q, 1, 84 if q % 2 else 36) for q in range(4)]
    two = [written_note(4, 2, 72), written_note(4, 1, 60), written_note(5, 1, 62)]
    voices = [n.voice for n in part_exactly([*alone, *two])]
    assert voices[:4] == [1] * 4
    assert set(voices[4:]) == {1, 2}


def grace(start: float, pitch: int) -> ScoreNote:
    return replace(written_note(start, 1, pitch), duration=Fraction(0))


def test_a_grace_note_goes_with_the_note_it_leads_to() -> None:
    notes = [written_note(0, 4, 79), written_note(0, 2, 60), written_note(2, 2, 62), grace(2, 64)]
    assert {n.pitch: n.voice for n in part_exactly(notes)} == {79: 1, 60: 2, 62: 2, 64: 2}
    late = [written_note(0, 4, 79), written_note(0, 3, 60), grace(2, 58)]
    assert {n.pitch: n.voice for n in part_exactly(late)} == {79: 1, 60: 2, 58: 2}


def test_notes_of_equal_values_are_one_chord() -> None:
    assert {n.voice for n in part_exactly([written_note(0, 2, p) for p in (60, 64, 67)])} == {1}


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 16), st.integers(1, 8), st.integers(40, 80)), min_size=1, max_size=30)
)
def test_parting_changes_nothing_but_voices(rows: list[tuple[int, int, int]]) -> None:
    notes = [written_note(a / 2, n / 2, pitch) for a, n, pitch in rows]
    parted = part_exactly(notes)
    assert sorted((n.onset, n.duration, n.pitch) for n in parted) == sorted(
        (n.onset, n.duration, n.pitch) for n in notes
    )
    assert {n.voice for n in parted} <= set(range(1, VOICES + 1))
