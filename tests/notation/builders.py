"""Small written parts for the tests of the score."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from lyrics.words import Line, Lyrics, Syllable, Word
from notation.events import Bar, ScoreNote
from notation.page import WrittenPart
from transcription.beatgrid import TimeSignature
from transcription.notes import Note

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def bars(count: int, meter: str = "4/4", pick_up: str = "0") -> tuple[Bar, ...]:
    beats, kind = map(int, meter.split("/"))
    signature = TimeSignature(beats, kind)
    start = Fraction(pick_up)
    laid = [Bar(0, Fraction(0), start, signature)] if start else []
    for i in range(count):
        laid.append(Bar(i + 1, start + i * signature.bar_quarters, signature.bar_quarters, signature))
    return tuple(laid)


def written(
    rows: Sequence[tuple[str, str, int]], stem: str = "vocals", staff: int = 1, voice: int = 1
) -> list[ScoreNote]:
    """Notes from onset, duration (quarters) and pitch, heard at 120 quarters a minute."""
    notes = []
    for onset, lasts, pitch in rows:
        start = float(Fraction(onset)) / 2
        end = start + float(max(Fraction(lasts), Fraction(1, 8))) / 2
        notes.append(
            ScoreNote(Fraction(onset), Fraction(lasts), Note(start, end, pitch, stem=stem), staff, voice)
        )
    return notes


def name(pitch: int) -> str:
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def part(stem: str, notes: Sequence[ScoreNote], **more: object) -> WrittenPart:
    return WrittenPart(stem, tuple(notes), tuple(name(n.pitch) for n in notes), **more)  # type: ignore[arg-type]


def lyrics(*lines: str, every: float = 0.5, start: float = 0.0) -> Lyrics:
    """Lyrics whose syllables (parted by |) follow each other ``every`` seconds from ``start`` on."""
    at = start
    made = []
    for line in lines:
        words = []
        for word in line.split(" "):
            syllables = []
            for text in word.split("|"):
                syllables.append(Syllable(text, at, at + every))
                at += every
            words.append(Word(word.replace("|", ""), tuple(syllables)))
        made.append(Line(tuple(words)))
    return Lyrics(tuple(made), "en")
