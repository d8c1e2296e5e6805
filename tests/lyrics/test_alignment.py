"""Alignment of a known text to notes whose syllables are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyrics.alignment import align, guess_language
from lyrics.layout import SheetLine, parse_text
from lyrics.words import Lyrics
from separation.audio import Audio
from transcription.notes import Note

SHEET = parse_text("Happy little monkey\nSinging in the river\n\nNever ever better\nNever ever better")
RATE = 8000


def note(onset: float, length: float = 0.3, pitch: int = 60, confidence: float = 0.9) -> Note:
    return Note(onset, onset + length, pitch, confidence=confidence)


def sung(start: float = 2.0) -> list[Note]:
    """Six syllables to each of four lines, a rest after each, an interlude before the third."""
    return [
        note(start + 3.0 * line + (10.0 if line > 1 else 0.0) + 0.35 * i, pitch=60 + i)
        for line in range(4)
        for i in range(6)
    ]


def onsets(lyrics: Lyrics) -> list[float]:
    return [syllable.onset for syllable in lyrics.syllables]


def test_one_note_for_each_syllable() -> None:
    notes = sung()
    lyrics = align(SHEET, notes)
    assert lyrics.language == "en"
    assert onsets(lyrics) == pytest.approx([n.onset for n in notes])
    assert [s.offset for s in lyrics.syllables] == pytest.approx([n.offset for n in notes])
    assert [line.text for line in lyrics.lines][:2] == ["Happy little monkey", "Singing in the river"]
    assert [line.starts_section for line in lyrics.lines] == [True, False, True, False]


def test_a_melisma_keeps_the_lines_in_place() -> None:
    notes = sung()
    # The last syllable of the first line goes on over three more notes.
    melisma = [note(notes[5].offset + 0.01 + 0.2 * i, 0.19, 70 + i) for i in range(3)]
    found = align(SHEET, [*notes, *melisma], language="en")
    firsts = [line.onset for line in found.lines]
    assert firsts == pytest.approx([notes[i].onset for i in (0, 6, 12, 18)])


def test_a_note_that_the_tracker_joined_is_divided() -> None:
    notes = sung()
    joined = [*notes[:7], Note(notes[7].onset, notes[8].offset, 61, confidence=0.9), *notes[9:]]
    found = align(SHEET, joined, language="en")
    errors = np.abs(np.array(onsets(found)) - [n.onset for n in notes])
    assert errors.max() < 0.36
    assert np.median(errors) < 0.01


def test_doubtful_notes_between_the_lines_are_left_out() -> None:
    notes = sung()
    leaked = [note(14.0 + 0.5 * i, 0.1, 40, confidence=0.15) for i in range(5)]
    found = align(SHEET, [*notes, *leaked], language="en")
    assert onsets(found) == pytest.approx([n.onset for n in notes])


def test_times_of_an_lrc_sheet_are_kept_to() -> None:
    notes = [note(0.35 * i) for i in range(80)]
    sheet = parse_text("[00:05.00]Happy little monkey\n[00:20.00]Singing in the river")
    first, second = align(sheet, notes, language="en").lines
    assert abs(first.onset - 5.0) < 0.3
    assert abs(second.onset - 20.0) < 0.3


def test_level_alone_places_the_lines() -> None:
    t = np.arange(RATE * 16) / RATE
    wave = np.zeros_like(t)
    truth = [n.onset for n in sung()][:12]
    for onset in truth:
        wave += np.where((t >= onset) & (t < onset + 0.28), 0.4 * np.sin(2 * np.pi * 300 * t), 0.0)
    found = align(SHEET[:2], [], Audio(wave[None].astype(np.float32), RATE), "en")
    assert np.abs(np.array(onsets(found)) - truth).max() < 0.1


def test_noise_does_not_move_words_off_trusted_notes() -> None:
    notes = sung()
    noise = np.random.default_rng(0).normal(0, 0.1, (1, RATE * 26)).astype(np.float32)
    found = align(SHEET, notes, Audio(noise, RATE), "en")
    assert onsets(found) == pytest.approx([n.onset for n in notes])


def test_nothing_to_go_by_spreads_the_words() -> None:
    silence = Audio(np.zeros((1, RATE * 30), np.float32), RATE)
    for lyrics in (align(SHEET, [], silence), align(SHEET, [])):
        assert len(lyrics.words) == sum(len(line.words) for line in SHEET)
        assert lyrics.words[0].confidence < 0.6
    assert align((), [note(1.0)]) == Lyrics()


@pytest.mark.parametrize("samples", [0, 1, 500, 3000])
def test_a_snippet_of_sound_keeps_every_word(samples: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (2, samples)).astype(np.float32)
    assert len(align(SHEET, [], Audio(noise, RATE), "en").words) == len(align(SHEET, []).words)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 30), st.floats(0.05, 3), st.floats(0, 1)), max_size=60),
    st.lists(
        st.lists(st.sampled_from(["la", "never", "(ooh)", "beautiful,", "—x"]), min_size=1, max_size=6),
        max_size=6,
    ),
)
def test_every_word_is_kept_in_order(parts: list[tuple[float, float, float]], texts: list[list[str]]) -> None:
    notes = [note(onset, length, 60, confidence) for onset, length, confidence in parts]
    sheet = [SheetLine(tuple(text), i == 0) for i, text in enumerate(texts)]
    lyrics = align(sheet, notes, language="en")
    assert [[word.text for word in line.words] for line in lyrics.lines] == texts
    times = [time for s in lyrics.syllables for time in (s.onset, s.offset)]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("You have to have the world's best pants", "en"),
        ("la tristeza es muy extraña\nse alimenta de la belleza", "es"),
        ("Freude, schöner Götterfunken\nDeine Zauber binden wieder, was die Mode streng geteilt", "de"),
        ("Non, je ne regrette rien, ni le bien qu'on m'a fait", "fr"),
        ("きみがよは", "ja"),
        ("la la la", ""),
    ],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    assert guess_language(parse_text(text)) == language
