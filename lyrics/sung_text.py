"""Words in a MIDI file: its lyrics events as lyrics with syllables, words and lines.

Task: put together again what a file holds as one piece of text for each sung note. Files mark words in one
of three ways, and each file is read by the way it uses: a hyphen after every syllable but a word's last
(notation programs), a space before or after words (karaoke files), or neither, where every piece is a word.
A slash or a line end is a new line, a backslash a new section (Soft Karaoke's marks).

Conventions: times in seconds; of several verses written under one note the first is read. Text that starts
with no note of its track (a comment, a title) is left out. Limits: one singer, the track with most words.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from lyrics.words import Line, Lyrics, Syllable, Word
from transcription.midi import SungText
from transcription.notes import Note

NEAR_S = 0.06  # from a piece of text to the note that is sung on it
_CONTINUED = re.compile(r"^[-_+=~–—]*$")  # signs that a note goes on with the syllable before
_VERSE = re.compile(r"^\s*\(?\d{1,2}[.)]\s*")


def lyrics_of(texts: Sequence[SungText], notes: Sequence[Note]) -> tuple[Lyrics, int]:
    """The sung words, and the track whose notes carry them (0 where there are none)."""
    track = Counter(text.track for text in texts).most_common(1)[0][0] if texts else 0
    sung = sorted((note for note in notes if note.track == track), key=lambda note: note.onset)
    onsets = [note.onset for note in sung]
    placed: list[tuple[SungText, Note]] = []
    for text in texts:
        at = bisect_left(onsets, text.onset - NEAR_S)
        if text.track == track and at < len(sung) and onsets[at] <= text.onset + NEAR_S:
            placed.append((text, sung[at]))
    pieces = [text.text for text, _ in placed]
    hyphens = any(piece.rstrip().endswith("-") and not _CONTINUED.match(piece.strip()) for piece in pieces)
    spaces = any(_first_verse(piece) != _first_verse(piece).strip() for piece in pieces)
    lines: list[list[list[Syllable]]] = [[]]
    sections = {0}
    going_on = False
    for (text, note), (following, _) in zip(placed, [*placed[1:], (None, None)], strict=False):
        whole = text.text
        if whole[:1] in "/\\" and whole:
            if lines[-1]:
                lines.append([])
            if whole[0] == "\\":
                sections.add(len(lines) - 1)
            going_on = False
        piece = _VERSE.sub("", _first_verse(whole.lstrip("/\\")))
        plain = " ".join(piece.split())
        if not _CONTINUED.match(plain):
            end = note.offset if following is None else min(note.offset, max(following.onset, note.onset))
            syllable = Syllable(
                plain.removesuffix("-") if hyphens else plain, note.onset, max(end, note.onset)
            )
            going_on = going_on and not (spaces and not hyphens and piece[:1].isspace())
            if going_on and lines[-1]:
                lines[-1][-1].append(syllable)
            else:
                lines[-1].append([syllable])
            going_on = plain.endswith("-") if hyphens else spaces and not piece[-1:].isspace()
        if whole[-1:] in "\r\n" and lines[-1]:
            lines.append([])
            going_on = False
    made = [
        Line(tuple(Word("".join(s.text for s in word), tuple(word)) for word in line), number in sections)
        for number, line in enumerate(lines)
        if line
    ]
    return Lyrics(tuple(made)), track


def _first_verse(text: str) -> str:
    """The text of the first verse where several stand in lines below one another."""
    return re.split(r"[\r\n]", text.strip("\r\n"))[0]
