"""Hands and voices: small textures with known answers, and what must hold for any notes."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notation.events import ScoreNote
from notation.voices import assign_voices, fits_one_staff, needs_two_staves
from transcription.notes import Note


def written(onset: float, duration: float, pitch: int) -> ScoreNote:
    heard = Note(onset, onset + max(duration, 0.05), pitch)
    return ScoreNote(Fraction(onset), Fraction(duration), heard)


def test_a_melody_over_an_accompaniment_takes_two_hands() -> None:
    melody = [written(i, 1, pitch) for i, pitch in enumerate((72, 74, 76, 77, 79, 77, 76, 74))]
    alberti = [written(i / 2, 0.5, (48, 55, 52, 55)[i % 4]) for i in range(16)]
    staves = {note.heard: note.staff for note in assign_voices([*melody, *alberti], staves=2)}
    assert {staves[note.heard] for note in melody} == {1}
    assert {staves[note.heard] for note in alberti} == {2}


def test_the_hands_follow_the_music_and_not_middle_c() -> None:
    right = [written(i, 1, 84 + i % 3) for i in range(8)]
    left = [written(i, 1, 64 + i % 3) for i in range(8)]
    staves = {note.heard: note.staff for note in assign_voices([*right, *left], staves=2)}
    assert [staves[note.heard] for note in right + left] == [1] * 8 + [2] * 8


def test_no_hand_stretches_beyond_a_tenth_where_two_can_share() -> None:
    chord = [written(0, 1, pitch) for pitch in (40, 47, 52, 60, 67, 72)]
    hands = assign_voices(chord, staves=2)
    for staff in (1, 2):
        pitches = [note.pitch for note in hands if note.staff == staff]
        assert pitches
        assert max(pitches) - min(pitches) <= 16


def test_one_voice_where_one_will_do() -> None:
    notes = assign_voices([written(i / 2, 0.5, 60 + i + extra) for i in range(6) for extra in (0, 4)])
    assert {note.voice for note in notes} == {1}


def test_a_held_note_under_moving_ones_takes_a_second_voice() -> None:
    moving = [written(i / 2, 0.5, 72 + i) for i in range(8)]
    notes = assign_voices([*moving, written(0, 4, 60)])
    (held,) = [note for note in notes if note.pitch == 60]
    assert (held.voice, held.duration) == (2, 4)
    assert {note.voice for note in notes if note.pitch > 60} == {1}


def test_a_slight_overlap_is_cut_rather_than_given_a_voice() -> None:
    notes = assign_voices([written(0, 1.25, 60), written(1, 1, 62), written(2, 1, 64)])
    assert [(note.voice, note.duration) for note in notes] == [(1, 1), (1, 1), (1, 1)]


def test_a_monophonic_line_is_one_voice() -> None:
    notes = assign_voices([written(0, 4, 60), written(1, 4, 72), written(2, 1, 48)], monophonic=True)
    assert [(note.voice, note.duration) for note in notes] == [(1, 1), (1, 1), (1, 1)]


def test_a_grace_note_goes_with_its_main_note() -> None:
    notes = assign_voices([written(0, 1, 40), written(0, 1, 76), written(0, 0, 78)], staves=2)
    staves = {note.pitch: note.staff for note in notes}
    assert staves == {40: 2, 76: 1, 78: 1}


@pytest.mark.parametrize(
    ("pitches", "expected"),
    [((60, 64, 67), False), ((36, 48, 60, 72), True), ((40, 45, 50), False), ((), False)],
)
def test_a_grand_staff_only_where_the_range_asks_for_it(pitches: tuple[int, ...], expected: bool) -> None:
    assert needs_two_staves([written(0, 1, pitch) for pitch in pitches]) is expected


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda onset, length, pitch: written(onset / 4, length / 4, pitch),
            st.integers(0, 40),
            st.integers(0, 12),
            st.integers(30, 95),
        ),
        max_size=40,
    ),
    st.sampled_from([(1, False), (2, False), (1, True)]),
)
def test_voices_never_overlap_and_lose_nothing(notes: list[ScoreNote], how: tuple[int, bool]) -> None:
    staves, monophonic = how
    result = assign_voices(notes, staves, monophonic)
    assert sorted((note.onset, note.heard) for note in result) == sorted(
        (note.onset, note.heard) for note in notes
    )
    assert all(1 <= note.staff <= staves and 1 <= note.voice <= (1 if monophonic else 2) for note in result)
    for staff, voice in {(note.staff, note.voice) for note in result}:
        line = [n for n in result if (n.staff, n.voice) == (staff, voice) and n.duration > 0]
        for before, after in itertools.pairwise(line):
            together = before.onset == after.onset and before.duration == after.duration
            assert together or before.end <= after.onset


def test_a_melody_is_a_single_line_and_chords_or_two_hands_are_not() -> None:
    melody = [Note(0.5 * n, 0.5 * n + 0.55, 60 + n % 12) for n in range(40)]  # legato: each overlaps the next
    assert fits_one_staff(melody)
    assert not fits_one_staff([*melody, *(Note(0.5 * n, 0.5 * n + 0.4, 48) for n in range(0, 40, 4))])
    assert not fits_one_staff([*melody, Note(30.0, 30.5, 30)])  # an arpeggio over both staves needs both
    assert not fits_one_staff([])
