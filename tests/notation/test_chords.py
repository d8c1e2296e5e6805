"""Chord symbols over progressions with known harmony."""

from __future__ import annotations

from fractions import Fraction

import pytest

from notation.chords import QUALITIES, find_chords
from notation.events import Bar, Key, ScoreNote
from transcription.beatgrid import TimeSignature
from transcription.notes import Note


def bars(count: int) -> list[Bar]:
    return [Bar(i + 1, Fraction(4 * i), Fraction(4), TimeSignature()) for i in range(count)]


def chord(onset: float, duration: float, *pitches: int, stem: str = "piano") -> list[ScoreNote]:
    return [
        ScoreNote(Fraction(onset), Fraction(duration), Note(onset, onset + duration, pitch, stem=stem))
        for pitch in pitches
    ]


def figures(notes: list[ScoreNote], count: int, key: Key = Key("C")) -> list[tuple[Fraction, str]]:
    return [
        (symbol.onset, symbol.figure) for symbol in find_chords(notes, bars(count), ((Fraction(0), key),))
    ]


def test_one_chord_a_bar() -> None:
    notes = [
        *chord(0, 4, 48, 64, 67, 72),
        *chord(4, 4, 45, 64, 69, 72),
        *chord(8, 4, 41, 65, 69, 72),
        *chord(12, 4, 43, 62, 65, 67, 71),
    ]
    assert figures(notes, 4) == [(0, "C"), (4, "Am"), (8, "F"), (12, "G7")]


def test_a_chord_that_goes_on_is_written_once() -> None:
    assert figures(chord(0, 4, 48, 64, 67) + chord(4, 4, 48, 60, 64, 67), 2) == [(0, "C")]


def test_passing_notes_are_not_chords() -> None:
    notes = chord(0, 4, 48, 55, 64)
    for i, pitch in enumerate((72, 74, 76, 77, 79, 77, 76, 74)):
        notes += chord(i / 2, 0.5, pitch)
    assert figures(notes, 1) == [(0, "C")]


def test_a_broken_chord_is_a_chord() -> None:
    notes = []
    for i in range(8):
        notes += chord(i / 2, 0.5, (45, 52, 60, 64)[i % 4])
    assert figures(notes, 1) == [(0, "Am")]


def test_a_change_in_mid_bar() -> None:
    notes = chord(0, 2, 50, 62, 65, 69) + chord(2, 2, 43, 59, 62, 67)
    assert figures(notes, 1) == [(0, "Dm"), (2, "G")]


def test_a_clear_other_bass_makes_a_slash_chord() -> None:
    assert figures(chord(0, 4, 40, 60, 67, 72, 76), 1) == [(0, "C/E")]


def test_roots_are_spelled_in_the_key() -> None:
    notes = chord(0, 4, 46, 62, 65, 70)
    assert figures(notes, 1, Key("F")) == [(0, "Bb")]
    notes = chord(0, 4, 46, 61, 66, 70)
    assert figures(notes, 1, Key("B"))[0][1].startswith(("F#", "A#"))


@pytest.mark.parametrize("quality", ["", "m", "7", "maj7", "m7", "dim", "m7b5", "sus4"])
def test_each_quality_in_root_position(quality: str) -> None:
    notes = chord(0, 4, 36, *(60 + step for step in QUALITIES[quality][0]))
    assert figures(notes, 1) == [(0, "C" + quality)]


def test_silence_and_drums_have_no_harmony() -> None:
    assert figures([], 2) == []
    assert figures(chord(0, 4, 36, 38, 42, stem="drums"), 1) == []


def test_no_symbol_over_bars_of_rest() -> None:
    notes = chord(0, 4, 48, 64, 67) + chord(16, 4, 43, 62, 67, 71)
    assert figures(notes, 5) == [(0, "C"), (16, "G")]
