"""Keys and note names against the rules of theory."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullscore.errors import FullscoreError
from notation.events import Key, ScoreNote
from notation.spelling import name_pitch_class, parse_key, spell, with_octave
from transcription.notes import Note

SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def notes_of(pitches: list[int]) -> list[Note]:
    return [Note(0.5 * i, 0.5 * (i + 1), pitch) for i, pitch in enumerate(pitches)]


def spelled(pitches: list[int], key: str) -> list[str]:
    notes = [ScoreNote(Fraction(i, 2), Fraction(1, 2), note) for i, note in enumerate(notes_of(pitches))]
    return list(spell(notes, ((Fraction(0), parse_key(key)),)))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("G major", Key("G")),
        ("f# minor", Key("F#", "minor")),
        ("Bbm", Key("Bb", "minor")),
        ("Eb", Key("Eb")),
        ("c", Key("C", "minor")),
        ("  a♭ MAJOR ".lower(), Key("Ab")),
    ],
)
def test_keys_as_people_write_them(text: str, key: Key) -> None:
    assert parse_key(text) == key


@pytest.mark.parametrize("text", ["", "H major", "G lydian", "major", "C##", "4/4"])
def test_a_bad_key_says_what_to_write(text: str) -> None:
    with pytest.raises(FullscoreError, match="for example"):
        parse_key(text)


def test_the_scale_of_every_key_has_seven_letters() -> None:
    for tonic in ("C", "G", "D", "A", "E", "B", "F#", "F", "Bb", "Eb", "Ab", "Db", "Gb"):
        home = 60 + name_pitch_class(tonic)
        names = spelled([home + step for step in (0, 2, 4, 5, 7, 9, 11)] * 3, tonic)
        assert len({name[0] for name in names}) == 7


def test_the_leading_tone_of_a_minor_is_g_sharp() -> None:
    assert spelled([57, 59, 60, 62, 64, 65, 68, 69], "A minor") == [
        "A3",
        "B3",
        "C4",
        "D4",
        "E4",
        "F4",
        "G#4",
        "A4",
    ]


def test_a_passage_in_another_key_is_spelled_in_it() -> None:
    ab_major = [68, 70, 72, 73, 75, 77, 79, 80] * 6
    names = spelled([60, 64, 67, 72] * 4 + ab_major, "C major")
    assert set(names[-8:]) == {"Ab4", "Bb4", "C5", "Db5", "Eb5", "F5", "G5", "Ab5"}


@pytest.mark.parametrize(
    ("name", "pitch", "expected"),
    [("C", 60, "C4"), ("B#", 60, "B#3"), ("Cb", 71, "Cb5"), ("F##", 67, "F##4"), ("Bb", 58, "Bb3")],
)
def test_the_octave_is_that_of_the_letter(name: str, pitch: int, expected: str) -> None:
    assert with_octave(name, pitch) == expected


@settings(deadline=None)  # the first example reads the network
@given(
    st.lists(st.integers(0, 127), max_size=80),
    st.sampled_from(["C", "F#", "Gb", "eb", "g#", "Bm", "Db"]),
)
def test_every_name_sounds_as_its_note(pitches: list[int], key: str) -> None:
    for name, pitch in zip(spelled(pitches, key), pitches, strict=True):
        letter, accidentals = name[0], name[1:].rstrip("-0123456789")
        octave = int(name[1 + len(accidentals) :])
        sound = 12 * (octave + 1) + SEMITONES[letter] + accidentals.count("#") - accidentals.count("b")
        assert sound == pitch


def test_chromatic_steps_are_named_by_where_they_lead() -> None:
    """Up by sharps, down by flats, over held harmony in C."""
    names = spelled([60, 61, 62, 63, 64, 65, 66, 67] * 2 + [72, 71, 70, 69, 68, 67, 65, 64], "C")
    assert {"C#4", "F#4"} <= set(names)
    assert "Bb4" in names


def test_a_signature_that_changes_is_followed() -> None:
    notes = [
        ScoreNote(Fraction(i), Fraction(1), Note(float(i), i + 1.0, 60 + step))
        for i, step in enumerate([0, 4, 7, 8, 7, 5, 4, 2, 0, 4, 7, 4] * 2 + [1, 5, 8, 6, 5, 3, 1, 0, 1] * 2)
    ]
    names = spell(notes, ((Fraction(0), Key("C")), (Fraction(24), Key("Db"))))
    assert {name[:-1] for name in names[24:]} == {"Db", "F", "Ab", "Gb", "Eb", "C"}
    names = spell(notes, ((Fraction(0), Key("C")), (Fraction(24), Key("C#"))))
    assert {name[:-1] for name in names[24:]} == {"C#", "E#", "G#", "F#", "D#", "B#"}
