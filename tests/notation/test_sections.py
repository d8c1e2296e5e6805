from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from lyrics.words import Lyrics
from notation.meter import ScoreTime
from notation.sections import find_sections
from tests.notation.builders import bars, lyrics


def clock(count: int) -> ScoreTime:
    """4/4 at 120 quarters a minute."""
    beats = range(4 * count + 1)
    return ScoreTime(bars(count), tuple(i / 2 for i in beats), tuple(Fraction(i) for i in beats))


def song(*sections: tuple[str, float]) -> Lyrics:
    """Sections of one line each, from their first syllable on."""
    lines = [replace(lyrics(text, start=at).lines[0], starts_section=True) for text, at in sections]
    return Lyrics(tuple(lines))


VERSE_1, VERSE_2, CHORUS = "when I was young and gay", "then I grew old and gray", "sing with me once again"


def test_what_comes_again_is_the_chorus() -> None:
    words = song((VERSE_1, 4.0), (CHORUS, 8.0), (VERSE_2, 12.0), (CHORUS, 16.0))
    found = [(s.start, s.name) for s in find_sections(words, clock(12))]
    assert found == [(0, "Intro"), (8, "Verse 1"), (16, "Chorus"), (24, "Verse 2"), (32, "Chorus")]


def test_without_repetition_there_are_letters() -> None:
    found = find_sections(song((VERSE_1, 0.0), (VERSE_2, 8.0)), clock(8))
    assert [(s.start, s.name) for s in found] == [(0, "A"), (16, "B")]


def test_an_upbeat_belongs_to_what_it_leads_to() -> None:
    found = find_sections(song((VERSE_1, 0.0), (VERSE_2, 7.5)), clock(8))
    assert [s.start for s in found] == [0, 16]


def test_one_section_is_none() -> None:
    assert find_sections(song((VERSE_1, 0.0)), clock(4)) == ()
    assert find_sections(Lyrics(), clock(4)) == ()
