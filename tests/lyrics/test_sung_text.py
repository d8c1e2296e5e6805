from __future__ import annotations

from collections.abc import Sequence

import pytest

from lyrics.sung_text import lyrics_of
from transcription.midi import SungText
from transcription.notes import Note


def sung(pieces: Sequence[str], track: int = 0) -> tuple[list[SungText], list[Note]]:
    """A note of half a second for each piece of text."""
    notes = [Note(i / 2, i / 2 + 0.45, 60, track=track) for i in range(len(pieces))]
    return [SungText(i / 2, piece, track) for i, piece in enumerate(pieces)], notes


@pytest.mark.parametrize(
    "pieces",
    [
        ("Twin-", "kle,", "twin-", "kle", "star"),
        ("Twin", "kle, ", "twin", "kle ", "star"),
        ("Twin", "kle,", " twin", "kle", " star"),
        ("1. Twin-\n2. When", "kle,\nthe", "twin-\nbla-", "kle\nzing", "star\nsun"),
    ],
)
def test_syllables_make_words(pieces: Sequence[str]) -> None:
    (line,) = lyrics_of(*sung(pieces))[0].lines
    assert [[s.text for s in word.syllables] for word in line.words] == [
        ["Twin", "kle,"],
        ["twin", "kle"],
        ["star"],
    ]
    assert [s.onset for word in line.words for s in word.syllables] == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_without_marks_every_piece_is_a_word() -> None:
    (line,) = lyrics_of(*sung(("one", "two", "three")))[0].lines
    assert [word.text for word in line.words] == ["one", "two", "three"]


def test_karaoke_files_mark_lines_and_sections() -> None:
    lyrics, _ = lyrics_of(*sung(("\\Hush", " now", "/don't", " cry", "\\Sleep")))
    assert [(line.text, line.starts_section) for line in lyrics.lines] == [
        ("Hush now", True), ("don't cry", False), ("Sleep", True),
    ]  # fmt: skip


def test_a_note_that_goes_on_has_no_syllable() -> None:
    lyrics, _ = lyrics_of(*sung(("A-", "_", "men", "-")))
    assert [word.text for word in lyrics.words] == ["Amen"]
    assert [s.onset for s in lyrics.syllables] == [0.0, 1.0]


def test_text_that_no_one_sings_is_left_out() -> None:
    texts, notes = sung(("one", "two"), track=3)
    comments = [SungText(0.25, "written by me", 3), SungText(0.0, "copyright", 1)]
    lyrics, track = lyrics_of([*texts, *comments], notes)
    assert (lyrics.lines[0].text, track) == ("one two", 3)


def test_no_text() -> None:
    assert lyrics_of([], []) == lyrics_of([], [Note(0.0, 1.0, 60)])
    assert lyrics_of([], [])[0].lines == ()
