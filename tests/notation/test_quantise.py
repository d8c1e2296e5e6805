"""Written rhythm: cases worked out by hand, and what must hold for any notes."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notation.meter import ScoreTime, lay_bars
from notation.quantise import QuantiseSettings, quantise
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.notes import Note

BEAT_S = 0.6


def laid(notes: list[Note], meter: TimeSignature = TimeSignature()) -> ScoreTime:
    per_bar = meter.beats_per_bar
    count = 1 + int(max(note.offset for note in notes) / BEAT_S) if notes else 4
    beats = range(max(2, count))
    return lay_bars(
        BeatGrid(tuple(BEAT_S * i for i in beats), tuple(i % per_bar + 1 for i in beats), meter), notes
    )[1]


def played(rhythm: list[tuple[str, str]], jitter_s: float = 0.0, held: float = 1.0) -> list[Note]:
    """Notes at (onset, duration) in beats, with human timing if asked for; pitches go up from C4."""
    random = np.random.default_rng(7)
    notes = []
    for number, (onset, length) in enumerate(rhythm):
        start = max(0.0, float(Fraction(onset)) * BEAT_S + random.normal(0, 1) * jitter_s)
        notes.append(Note(start, start + float(Fraction(length)) * BEAT_S * held, 60 + number % 12))
    return notes


def written(notes: list[Note], meter: TimeSignature = TimeSignature()) -> list[tuple[Fraction, Fraction]]:
    return [(note.onset, note.duration) for note in quantise(notes, laid(notes, meter))]


RHYTHMS = {
    "quarters": [(str(i), "1") for i in range(8)],
    "eighths": [(f"{i}/2", "1/2") for i in range(16)],
    "sixteenths": [(f"{i}/4", "1/4") for i in range(16)],
    "triplets": [(f"{i}/3", "1/3") for i in range(12)],
    "dotted": [(f"{b}", "3/4") if i == 0 else (f"{4 * b + 3}/4", "1/4") for b in range(6) for i in range(2)],
    "gallop": [(f"{4 * b + i}/4", "1/4" if i else "1/2") for b in range(6) for i in (0, 2, 3)],
    "syncopation": [("0", "1/2"), ("1/2", "1"), ("3/2", "1"), ("5/2", "1"), ("7/2", "1/2"), ("4", "4")],
}


@pytest.mark.parametrize("rhythm", RHYTHMS.values(), ids=RHYTHMS)
def test_a_rhythm_played_exactly_comes_back(rhythm: list[tuple[str, str]]) -> None:
    assert written(played(rhythm)) == [(Fraction(onset), Fraction(length)) for onset, length in rhythm]


@pytest.mark.parametrize("rhythm", RHYTHMS.values(), ids=RHYTHMS)
def test_a_rhythm_played_by_a_person_comes_back(rhythm: list[tuple[str, str]]) -> None:
    notes = played(rhythm, jitter_s=0.012, held=0.85)
    assert written(notes) == [(Fraction(onset), Fraction(length)) for onset, length in rhythm]


def test_a_compound_beat_falls_into_three() -> None:
    notes = played([(f"{i}/3", "1/3") for i in range(12)], jitter_s=0.012)
    onsets = [onset for onset, _ in written(notes, TimeSignature(6, 8))]
    assert onsets == [Fraction(i, 2) for i in range(12)]


def test_a_spread_chord_stays_together() -> None:
    notes = [Note(BEAT_S + 0.015 * i, 2 * BEAT_S, pitch) for i, pitch in enumerate((48, 60, 64, 67))]
    assert {note.onset for note in quantise(notes, laid([Note(0, 1, 60), *notes]))} == {Fraction(1)}


def test_a_note_just_before_the_beat_is_on_it() -> None:
    notes = [Note(0, 0.55, 60), Note(BEAT_S - 0.04, 1.15, 62), Note(2 * BEAT_S, 1.75, 64)]
    assert [onset for onset, _ in written(notes)] == [0, 1, 2]


def test_a_rest_is_written_where_the_sound_stops_long_before_the_next_note() -> None:
    notes = [Note(0, BEAT_S, 60), Note(4 * BEAT_S, 5 * BEAT_S, 62)]
    assert written(notes) == [(0, 1), (4, 1)]


def test_a_crushed_note_before_the_beat_is_a_grace_note() -> None:
    quarters = played([(str(i), "1") for i in range(6)], jitter_s=0.012)
    crushed = Note(quarters[3].onset - 0.05, quarters[3].onset, quarters[3].pitch + 2)
    notes = quantise([*quarters, crushed], laid(quarters))
    (grace,) = [note for note in notes if note.duration == 0]
    assert (grace.heard, grace.onset) == (crushed, 3)


def test_graces_can_be_switched_off() -> None:
    quarters = played([(str(i), "1") for i in range(6)], jitter_s=0.012)
    crushed = Note(quarters[3].onset - 0.05, quarters[3].onset, quarters[3].pitch + 2)
    notes = quantise([*quarters, crushed], laid(quarters), QuantiseSettings(graces=False))
    assert all(note.duration > 0 for note in notes)


def test_the_shortest_note_can_be_limited() -> None:
    notes = played(RHYTHMS["sixteenths"])
    coarse = quantise(notes, laid(notes), QuantiseSettings(shortest=8, triplets=False))
    assert all(note.onset.denominator <= 2 for note in coarse)
    assert len(coarse) == len(notes)


def test_drum_strokes_last_to_the_next_stroke_or_beat() -> None:
    notes = [Note(t * BEAT_S, t * BEAT_S + 0.03, 36, stem="drums") for t in (0, 0.5, 1, 3)]
    assert written(notes) == [(0, Fraction(1, 2)), (Fraction(1, 2), Fraction(1, 2)), (1, 1), (3, 1)]


def test_no_notes() -> None:
    assert quantise([], laid([])) == ()


heard_notes = st.lists(
    st.builds(
        lambda onset, length, pitch: Note(onset, onset + length, pitch),
        st.floats(0, 20, allow_subnormal=False),
        st.floats(0.01, 6),
        st.integers(30, 90),
    ),
    min_size=1,
    max_size=40,
)
meters = st.sampled_from([TimeSignature(), TimeSignature(3, 4), TimeSignature(6, 8), TimeSignature(2, 2)])


@settings(max_examples=60, deadline=None)
@given(heard_notes, meters)
def test_nothing_is_lost_or_doubled_and_all_is_on_the_grid(notes: list[Note], meter: TimeSignature) -> None:
    time = laid(notes, meter)
    result = quantise(notes, time)
    assert sorted(heard for note in result for heard in (note.heard, *note.absorbed)) == sorted(notes)
    for note in result:
        assert 0 <= note.onset <= note.end <= time.end
        assert note.onset.denominator <= 48
        assert note.duration.denominator <= 240  # a quintuplet may end on a triplet
        error = abs(float(note.onset) - float(time.quarters_at(note.heard.onset)))
        assert error <= 2 * float(meter.beat_quarters)


@settings(max_examples=30, deadline=None)
@given(heard_notes)
def test_order_in_time_is_kept(notes: list[Note]) -> None:
    plain = quantise(notes, laid(notes), QuantiseSettings(ornaments=False))
    result = sorted(plain, key=lambda note: note.heard.onset)
    assert all(a.onset <= b.onset for a, b in itertools.pairwise(result))
