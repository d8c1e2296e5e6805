"""Sung words as every later stage reads them.

Conventions: times in seconds; a line is what is sung in one breath or written on one row of a lyric
sheet; a section (verse, chorus) is a run of lines that starts at a line marked ``starts_section``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Syllable:
    """One sung syllable of a word: its letters (with the word's punctuation) and when it is sung."""

    text: str
    onset: float
    offset: float

    def __post_init__(self) -> None:
        _check_times(self.onset, self.offset)


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written, with punctuation; ``syllables`` joined give ``text``."""

    text: str
    syllables: tuple[Syllable, ...]
    confidence: float = 1.0

    def __post_init__(self) -> None:
        if not self.syllables:
            raise ValueError(f"the word '{self.text}' has no syllables")
        if "".join(syllable.text for syllable in self.syllables) != self.text:
            raise ValueError(f"the syllables of '{self.text}' do not spell it")

    @property
    def onset(self) -> float:
        return self.syllables[0].onset

    @property
    def offset(self) -> float:
        return self.syllables[-1].offset


@dataclass(frozen=True, slots=True)
class Line:
    """One line of words."""

    words: tuple[Word, ...]
    starts_section: bool = False

    def __post_init__(self) -> None:
        if not self.words:
            raise ValueError("a line has at least one word")

    @property
    def text(self) -> str:
        return _joined([word.text for word in self.words])

    @property
    def onset(self) -> float:
        return self.words[0].onset

    @property
    def offset(self) -> float:
        return self.words[-1].offset


@dataclass(frozen=True, slots=True)
class Lyrics:
    """The words of a song in sung order, with the ISO 639-1 code of their language ("" unknown)."""

    lines: tuple[Line, ...] = ()
    language: str = ""

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for line in self.lines for word in line.words)

    @property
    def syllables(self) -> tuple[Syllable, ...]:
        return tuple(syllable for word in self.words for syllable in word.syllables)


def _joined(texts: list[str]) -> str:
    """Words with spaces between them, except where Chinese or Japanese is written on without."""
    row = texts[0]
    for text in texts[1:]:
        unspaced = "\u3040" <= row[-1:] <= "\u9fff" and "\u3001" <= text[:1] <= "\u9fff"
        row += text if unspaced else f" {text}"
    return row


def _check_times(onset: float, offset: float) -> None:
    if not (math.isfinite(onset) and math.isfinite(offset)) or onset < 0 or offset < onset:
        raise ValueError(f"times are finite, not negative and in order: {onset}, {offset}")
