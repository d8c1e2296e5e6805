"""Ornaments in small performances: each is one sign or small note, and fast written notes are not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from notation.events import ScoreNote
from notation.meter import lay_bars
from notation.ornaments import find_ornaments
from notation.quantise import QuantiseSettings, quantise
from transcription.beatgrid import BeatGrid
from transcription.notes import Note

BEAT_S = 0.8


def quarters(count: int, pitch: int = 48) -> list[Note]:
    """Quarters played by a person: up to 15 ms off."""
    offs = (0.011, -0.008, 0.004, -0.014, 0.009, 0.015, -0.006, 0.002)
    starts = [1 + BEAT_S * i + offs[i % 8] for i in range(count)]
    return [Note(start, start + 0.7 * BEAT_S, pitch + i % 5) for i, start in enumerate(starts)]


def written(notes: list[Note], settings: QuantiseSettings = QuantiseSettings()) -> tuple[ScoreNote, ...]:
    beats = range(12)
    grid = BeatGrid(tuple(1 + BEAT_S * i for i in beats), tuple(i % 4 + 1 for i in beats))
    return quantise(notes, lay_bars(grid, notes)[1], settings)


def trill(start: float, count: int, low: int = 76, step: float = 0.09, first: int = 0) -> list[Note]:
    return [Note(start + step * i, start + step * (i + 1), low + 2 * ((i + first) % 2)) for i in range(count)]


@pytest.mark.parametrize("first", [0, 1], ids=["from the main note", "from above"])
def test_a_trill_is_one_note_with_a_sign(first: int) -> None:
    notes = trill(1 + BEAT_S, 9, first=first)
    (sign,) = [note for note in written([*quarters(8), *notes]) if note.pitch >= 76]
    assert (sign.onset, sign.duration, sign.marks) == (1, 1, {"trill"})
    assert sign.pitch == 76
    assert sorted((sign.heard, *sign.absorbed)) == sorted(notes)


def test_notes_that_turn_at_a_written_pace_are_no_trill() -> None:
    notes = trill(1 + BEAT_S, 8, step=BEAT_S / 4)
    assert all(not note.marks and not note.absorbed for note in written([*quarters(8), *notes]))


def test_a_mordent_stays_on_its_main_note() -> None:
    start = 1 + 2 * BEAT_S
    turn = [Note(start, start + 0.07, 76), Note(start + 0.07, start + 0.14, 77)]
    turn.append(Note(start + 0.14, start + 0.7, 76))
    (sign,) = [note for note in written([*quarters(8), *turn]) if note.pitch >= 76]
    assert (sign.onset, sign.marks, sign.pitch) == (2, {"mordent"}, 76)


def test_a_chord_rolled_upwards_is_one_chord() -> None:
    start = 1 + 2 * BEAT_S
    roll = [Note(start + 0.05 * i, start + 0.75, 60 + 4 * i) for i in range(4)]
    chord = [note for note in written([*quarters(8), *roll]) if note.pitch >= 60]
    assert {(note.onset, note.marks) for note in chord} == {(Fraction(2), frozenset({"arpeggio"}))}


@pytest.mark.parametrize("count", [1, 2])
def test_small_notes_struck_with_the_bass_lead_to_the_melody(count: int) -> None:
    start = 1 + 2 * BEAT_S
    small = [Note(start + 0.06 * i, start + 0.06 * (i + 1), 74 + i) for i in range(count)]
    main = Note(start + 0.06 * count, start + 0.7, 76)
    notes = written([*quarters(8), *small, main])
    assert [(n.onset, n.duration) for n in notes if n.heard in small] == [(2, 0)] * count
    assert next(n.onset for n in notes if n.heard == main) == 2
    plain = written([*quarters(8), *small, main], QuantiseSettings(graces=False))
    assert all(note.duration > 0 for note in plain)


def test_a_scale_has_no_ornaments() -> None:
    scale = [Note(0.1 * i, 0.1 * i + 0.09, 60 + i) for i in range(20)]
    found = find_ornaments(scale, [0.4] * 20)
    assert not found.signs
    assert not found.graces
    assert not found.rolls


def test_what_a_machine_plays_is_written_out() -> None:
    exact = [Note(1 + BEAT_S * i, 1 + BEAT_S * (i + 1), 48) for i in range(8)]
    notes = trill(1 + BEAT_S, 8, step=BEAT_S / 8)
    result = written([*exact, *notes])
    assert len(result) == 16
    assert not any(note.marks for note in result)
