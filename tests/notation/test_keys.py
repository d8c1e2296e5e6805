"""Keys of progressions whose keys are known."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

import pytest

from notation.events import Bar, Key, Keys, ScoreNote
from notation.keys import LASTING_BARS, find_keys
from notation.spelling import name_pitch_class
from transcription.beatgrid import TimeSignature
from transcription.notes import Note

Chords: TypeAlias = list[tuple[int, ...]]

MAJOR_CADENCE: Chords = [(0, 4, 7, 12), (5, 9, 12, 17), (7, 11, 14, 17), (0, 4, 7, 12)]
MINOR_CADENCE: Chords = [(0, 3, 7, 12), (5, 8, 12, 17), (7, 11, 14, 17), (0, 3, 7, 12)]


def keys_of(chords: Chords, confidence: float = 1.0) -> Keys:
    """The keys of chords of a bar each."""
    notes = [
        ScoreNote(Fraction(4 * i), Fraction(4), Note(2.0 * i, 2.0 * i + 2, pitch, confidence=confidence))
        for i, chord in enumerate(chords)
        for pitch in chord
    ]
    bars = [Bar(i + 1, Fraction(4 * i), Fraction(4), TimeSignature()) for i in range(len(chords))]
    return find_keys(notes, bars)


def on(tonic: int, cadence: Chords) -> Chords:
    return [tuple(48 + tonic + step for step in chord) for chord in cadence]


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_a_cadence_tells_its_key(tonic: int, mode: str) -> None:
    ((start, key),) = keys_of(on(tonic, MAJOR_CADENCE if mode == "major" else MINOR_CADENCE))
    assert start == 0
    assert (name_pitch_class(key.tonic), key.mode) == (tonic, mode)
    assert abs(key.fifths) <= 6


def test_no_notes_are_in_c() -> None:
    assert find_keys([], []) == ((Fraction(0), Key("C")),)


def test_a_long_passage_in_the_parallel_key_gets_its_signature() -> None:
    keys = keys_of(on(0, MAJOR_CADENCE) * 4 + on(0, MINOR_CADENCE) * 6 + on(0, MAJOR_CADENCE) * 4)
    assert [key for _, key in keys] == [Key("C"), Key("C", "minor"), Key("C")]
    changes = [float(start / 4) for start, _ in keys[1:]]
    assert changes == pytest.approx([16, 40], abs=2)


def test_a_visit_to_another_key_gets_none() -> None:
    assert LASTING_BARS > 4
    keys = keys_of(on(0, MAJOR_CADENCE) * 4 + on(7, MAJOR_CADENCE) + on(0, MAJOR_CADENCE) * 4)
    assert keys == ((Fraction(0), Key("C")),)


def test_a_new_signature_is_near_the_one_before() -> None:
    """From D flat to its parallel minor, which is written as C sharp minor: D flat minor has eight flats."""
    keys = keys_of(on(1, MAJOR_CADENCE) * 4 + on(1, MINOR_CADENCE) * 8)
    assert [key for _, key in keys] == [Key("Db"), Key("C#", "minor")]


def test_doubtful_notes_count_little() -> None:
    sure = on(0, MAJOR_CADENCE)
    notes = [
        ScoreNote(Fraction(4 * i), Fraction(4), Note(2.0 * i, 2.0 * i + 2, pitch))
        for i, chord in enumerate(sure)
        for pitch in chord
    ]
    notes += [
        ScoreNote(Fraction(4 * i), Fraction(4), Note(2.0 * i, 2.0 * i + 2, pitch, confidence=0.05))
        for i in range(4)
        for pitch in (73, 75, 78, 80, 82)
    ]
    bars = [Bar(i + 1, Fraction(4 * i), Fraction(4), TimeSignature()) for i in range(4)]
    assert find_keys(notes, bars) == ((Fraction(0), Key("C")),)
