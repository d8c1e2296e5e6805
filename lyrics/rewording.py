"""Words mended by hand: the times they had are kept where the singing is still the same.

Task: somebody edits the lyric sheet of a song whose words have times. Method: the words of both are
compared in order (the longest matching blocks, Ratcliff and Obershelp, 1988); an equal word keeps its times,
a respelled or misheard one (or several written as one, or one as several) gets the time of what it replaces.
Words left out are gone, lines and sections are as the new sheet has them.

Limits: words that nobody had heard have no time to keep: where there are any, the sheet is aligned anew
(:mod:`lyrics.alignment`).
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from lyrics.layout import SheetLine
from lyrics.syllables import syllabify
from lyrics.words import Line, Lyrics, Syllable, Word

FEW_WORDS = 4
"""Up to so many words in a row may be exchanged for as few others: they were misheard, and sung there."""
SAME_LETTERS = 0.5
"""More words that share so much of their letters with what they replace (2 x matches / all) are respelled."""


def reworded(lyrics: Lyrics, sheet: Sequence[SheetLine]) -> Lyrics | None:
    """The words of ``sheet`` at the times of ``lyrics``; None where it has words that have no time there."""
    old = lyrics.words
    new = [text for line in sheet for text in line.words]
    if any(line.onset is not None for line in sheet):
        return None  # an LRC file brings times of its own
    words: list[Word] = []
    matcher = SequenceMatcher(None, [_letters(word.text) for word in old], list(map(_letters, new)), False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        texts = new[new_start:new_end]
        if kind == "equal":
            words += [
                _respelled([word], [text], lyrics.language)[0]
                for word, text in zip(old[start:end], texts, strict=True)
            ]
        elif kind == "replace" and _is_respelled(old[start:end], texts):
            words += _respelled(old[start:end], texts, lyrics.language)
        elif kind != "delete":
            return None
    lines = []
    taken = 0
    for row in sheet:
        lines.append(Line(tuple(words[taken : taken + len(row.words)]), row.starts_section))
        taken += len(row.words)
    return Lyrics(tuple(lines), lyrics.language)


def _letters(text: str) -> str:
    """What of a word is sung: capitals and punctuation aren't."""
    return "".join(char for char in text.casefold() if char.isalnum()) or text


def _is_respelled(old: Sequence[Word], texts: Sequence[str]) -> bool:
    if max(len(old), len(texts)) <= FEW_WORDS:
        return True
    before, after = "".join(_letters(word.text) for word in old), "".join(map(_letters, texts))
    return SequenceMatcher(None, before, after, False).ratio() >= SAME_LETTERS


def _respelled(old: Sequence[Word], texts: Sequence[str], language: str) -> list[Word]:
    """The words ``texts`` in the time of ``old``: syllable for syllable, or spread over it."""
    if [word.text for word in old] == list(texts):
        return list(old)
    split = [syllabify(text, language) for text in texts]
    places = [(syllable.onset, syllable.offset) for word in old for syllable in word.syllables]
    count = sum(map(len, split))
    if len(places) != count:
        # Edges that divide the old syllables evenly, each kept whole or cut in equal parts.
        edges = [*(onset for onset, _ in places), places[-1][1]]
        at = [n * len(places) / count for n in range(count + 1)]
        cut = [edges[int(x)] + (x % 1) * (edges[min(int(x) + 1, len(places))] - edges[int(x)]) for x in at]
        places = list(pairwise(cut))
    confidence = min(word.confidence for word in old)
    words = []
    for syllables in split:
        mine, places = places[: len(syllables)], places[len(syllables) :]
        sung = tuple(Syllable(text, *place) for text, place in zip(syllables, mine, strict=True))
        words.append(Word("".join(syllables), sung, confidence))
    return words
