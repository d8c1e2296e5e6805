"""What the parts of notation hand to each other: bars, written notes, keys and chord symbols.

Conventions: score time is in quarter notes as ``Fraction``, 0 at the first bar line of the score
(the start of the pick-up bar where there is one). A key's signature is counted in fifths: sharps
positive, flats negative.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from transcription.beatgrid import TimeSignature
from transcription.notes import Note


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the score. A pick-up bar has number 0 and is shorter than its time signature."""

    number: int
    start: Fraction
    length: Fraction
    time_signature: TimeSignature

    @property
    def end(self) -> Fraction:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class ScoreNote:
    """A note as written, and the heard note it stands for.

    ``staff`` counts from the top (1 upper, 2 lower); ``voice`` counts within the staff from 1
    (stems up where there are two). ``duration`` may cross bars: ties are made when bars are filled.
    A grace note has duration 0. ``marks`` are signs written at the note: "trill", "mordent",
    "arpeggio", "staccato", "tenuto", "fermata". ``absorbed`` are further heard notes that a sign
    stands for, such as those of a trill.
    """

    onset: Fraction
    duration: Fraction
    heard: Note
    staff: int = 1
    voice: int = 1
    marks: frozenset[str] = frozenset()
    absorbed: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if self.onset < 0 or self.duration < 0:
            raise ValueError(f"score time is not negative: {self.onset}, {self.duration}")

    @property
    def pitch(self) -> int:
        return self.heard.pitch

    @property
    def end(self) -> Fraction:
        return self.onset + self.duration


@dataclass(frozen=True, slots=True)
class Key:
    """A key such as ``Key("F#", "minor")``: tonic spelled with # and b, mode major or minor."""

    tonic: str
    mode: str = "major"

    def __post_init__(self) -> None:
        if self.tonic[:1] not in "CDEFGAB" or self.tonic[1:] not in ("", "#", "b") or not self.tonic:
            raise ValueError(f"a tonic is a letter with # or b, not '{self.tonic}'")
        if self.mode not in ("major", "minor"):
            raise ValueError(f"a mode is major or minor, not '{self.mode}'")

    @property
    def fifths(self) -> int:
        """Sharps (positive) or flats (negative) of the signature."""
        line_of_fifths = "FCGDAEB".index(self.tonic[0]) - 1
        line_of_fifths += 7 * {"": 0, "#": 1, "b": -1}[self.tonic[1:]]
        return line_of_fifths - (3 if self.mode == "minor" else 0)

    def __str__(self) -> str:
        return f"{self.tonic} {self.mode}"


Keys: TypeAlias = tuple[tuple[Fraction, Key], ...]
"""The bar lines (in quarters) from which each key holds, the first at the start."""


def key_at(keys: Keys, onset: Fraction) -> Key:
    """The key that holds at ``onset``."""
    return keys[max(0, bisect_right(keys, onset, key=lambda change: change[0]) - 1)][1]


@dataclass(frozen=True, slots=True)
class ChordSymbol:
    """A chord symbol over the staff from ``onset`` on: root and bass spelled with # and b.

    ``quality`` is the field's short form: "" major, "m", "7", "maj7", "m7", "dim", "dim7", "m7b5",
    "aug", "sus4", "sus2", "6", "m6".
    """

    onset: Fraction
    root: str
    quality: str = ""
    bass: str = ""

    @property
    def figure(self) -> str:
        return self.root + self.quality + (f"/{self.bass}" if self.bass else "")
