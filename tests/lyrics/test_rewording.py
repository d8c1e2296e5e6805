"""Edited lyric sheets keep the times of what is still sung, and say when they can't."""

from __future__ import annotations

import pytest

from lyrics.layout import parse_text, to_text
from lyrics.rewording import reworded
from lyrics.words import Line, Lyrics, Syllable, Word


def word(*syllables: str, at: float) -> Word:
    """A word whose syllables last half a second each, from ``at`` on."""
    sung = (Syllable(text, at + i / 2, at + i / 2 + 0.5) for i, text in enumerate(syllables))
    return Word("".join(syllables), tuple(sung), 0.7)


SUNG = Lyrics(
    (
        Line((word("should", at=0.0), word("auld", at=1.0), word("ac", "quain", "tance", at=2.0)), True),
        Line((word("be", at=4.0), word("for", "got,", at=5.0))),
    ),
    "en",
)


def again(text: str) -> Lyrics | None:
    return reworded(SUNG, parse_text(text))


def times(lyrics: Lyrics | None) -> list[tuple[str, float, float]]:
    assert lyrics is not None
    return [(word.text, word.onset, word.offset) for word in lyrics.words]


def test_an_unchanged_sheet_changes_nothing() -> None:
    assert again(to_text(SUNG)) == SUNG


def test_line_and_section_breaks_keep_every_time() -> None:
    made = again("should auld\n\nacquaintance be\nforgot,")
    assert made is not None
    assert made.words == SUNG.words
    assert [(line.text, line.starts_section) for line in made.lines] == [
        ("should auld", True),
        ("acquaintance be", True),
        ("forgot,", False),
    ]


def test_capitals_and_punctuation_keep_every_time() -> None:
    made = again("Should auld acquaintance\nbe forgot?")
    assert made is not None
    assert [s.text for s in made.syllables] == ["Should", "auld", "ac", "quain", "tance", "be", "for", "got?"]
    assert [s.onset for s in made.syllables] == [s.onset for s in SUNG.syllables]


def test_a_misheard_word_gets_the_time_of_the_right_one() -> None:
    first, _, *others = times(SUNG)
    assert times(again("should old acquaintance\nbe forgot,")) == [first, ("old", 1.0, 1.5), *others]


def test_a_word_written_as_two_shares_its_time() -> None:
    made = times(again("should auld acquaintance\nbe for got,"))
    assert made[-2:] == [("for", 5.0, 5.5), ("got,", 5.5, 6.0)]


def test_two_words_written_as_one_fill_their_time() -> None:
    made = times(again("shouldauld acquaintance\nbe forgot,"))
    assert made[0] == ("shouldauld", 0.0, 1.5)


def test_words_left_out_are_gone_and_the_others_stay() -> None:
    assert times(again("auld\nbe forgot,")) == [times(SUNG)[i] for i in (1, 3, 4)]
    assert again("") == Lyrics((), "en")


@pytest.mark.parametrize(
    "text",
    [
        "should auld acquaintance\nbe forgot, my dear",  # words nobody heard
        "[00:01.00]should auld acquaintance\n[00:05.00]be forgot,",  # times of its own
        "and now for something of a wholly different kind",
    ],
)
def test_what_has_no_time_is_to_be_aligned(text: str) -> None:
    assert again(text) is None
