"""Sections of a song: where verses and choruses start, for rehearsal marks and double bar lines.

Task: name the sections that the lyrics are divided into. Method: a section starts at the bar line nearest to
its first syllable, so that an upbeat belongs to what it leads to; words that come again (compared as
word sequences) are the chorus, all others verses; without any repetition sections are lettered.

Limits: music without words has no sections.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from fractions import Fraction
from typing import TYPE_CHECKING

from lyrics.words import Line, Lyrics

if TYPE_CHECKING:
    from notation.meter import ScoreTime

SAME_WORDS = 0.75  # similarity of the word sequences of two sections that are one chorus
INTRO_BARS = 2  # bars before the first words that are worth a mark


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form that starts at the bar line ``start`` (quarters) and is called ``name``."""

    start: Fraction
    name: str


def find_sections(lyrics: Lyrics, time: ScoreTime) -> tuple[Section, ...]:
    """The sections of the lyrics at their bar lines; none where there are less than two."""
    groups: list[list[Line]] = []
    for line in lyrics.lines:
        if line.starts_section or not groups:
            groups.append([])
        groups[-1].append(line)
    if len(groups) < 2:
        return ()
    starts = [bar.start for bar in time.bars]
    sections: list[Section] = []
    names = _names([_plain(group) for group in groups])
    places = time.quarters_at([group[0].onset for group in groups])
    for place, name in zip(places.tolist(), names, strict=True):
        index = max(bisect_right(starts, Fraction(place)) - 1, 0)
        bar = time.bars[index]
        if place > bar.start + bar.length / 2 and index + 1 < len(starts):
            index += 1
        if not sections or starts[index] > sections[-1].start:
            sections.append(Section(starts[index], name))
    if sections[0].start >= starts[min(INTRO_BARS, len(starts) - 1)] and sections[0].name != "A":
        sections.insert(0, Section(Fraction(0), "Intro"))
    return tuple(sections)


def _plain(lines: Sequence[Line]) -> list[str]:
    """The words without case and punctuation."""
    return [re.sub(r"[\W_]+", "", word.text.lower()) for line in lines for word in line.words]


def _names(texts: Sequence[list[str]]) -> list[str]:
    """Chorus for what comes again, verses numbered; letters where nothing does."""
    chorus = {
        i
        for i, text in enumerate(texts)
        for j, other in enumerate(texts)
        if i != j and SequenceMatcher(None, text, other, autojunk=False).ratio() >= SAME_WORDS
    }
    if not chorus or len(chorus) == len(texts):
        return [_letter(i) for i in range(len(texts))]
    answer = []
    verses = 0
    for i in range(len(texts)):
        verses += i not in chorus
        answer.append("Chorus" if i in chorus else f"Verse {verses}")
    return answer


def _letter(number: int) -> str:
    """A to Z, then AA, AB and so on."""
    letter = chr(ord("A") + number % 26)
    return letter if number < 26 else _letter(number // 26 - 1) + letter
