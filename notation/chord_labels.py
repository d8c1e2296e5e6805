"""Chords in the syntax of Harte et al. (2005), and when those of a score were played.

``C:min7``, ``C:maj/3``, ``N`` for no chord. Times in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from notation.events import ChordSymbol
from notation.meter import ScoreTime

NO_CHORD = "N"


@dataclass(frozen=True, slots=True)
class ChordSegment:
    """A chord from ``start`` to ``end`` (seconds), in Harte's syntax."""

    start: float
    end: float
    label: str


# Signs of lead sheets, and what they stand for in Harte's shorthand.
_SIGNS = (
    (r"[Δ^]7?", "maj7"),
    (r"[Mm]ajor|Maj|M(?!in)|^ma(?!j)", "maj"),
    (r"^([Mm]inor|Min|mi(?!n)|m(?!aj|in|i)|-)", "min"),
    (r"°|^o", "dim"),
    (r"ø7?|^hdim(?!7)|^min7b5", "hdim7"),
    (r"^\+", "aug"),
    (r"sus(?![24])", "sus4"),
    (r"^dom7?", "7"),
)
_QUALITIES = {
    "": "maj", "6": "maj6", "6/9": "maj6(9)", "69": "maj6(9)", "min6/9": "min6(9)", "min69": "min6(9)",
    "add9": "maj(9)", "add2": "maj(9)", "add4": "maj(11)", "add11": "maj(11)", "minadd9": "min(9)",
    "2": "sus2", "4": "sus4", "7sus4": "sus4(b7)", "sus47": "sus4(b7)", "9sus4": "sus4(b7,9)",
    "#5": "aug", "aug7": "aug(b7)", "7#5": "aug(b7)", "7+": "aug(b7)", "7+5": "aug(b7)", "maj7#5": "aug(7)",
    "minb5": "dim", "7b5": "7(*5,b5)", "maj11": "maj9(11)", "7b9": "7(b9)", "7#9": "7(#9)", "7#11": "7(#11)",
    "7b13": "7(b13)", "maj7#11": "maj7(#11)",
}  # fmt: skip
_LETTERS = "CDEFGAB"
_SEMITONES = (0, 2, 4, 5, 7, 9, 11)


def played_chords(symbols: Sequence[ChordSymbol], time: ScoreTime) -> tuple[ChordSegment, ...]:
    """When the chord symbols of a score were played, each until the next one or the final bar line."""
    places = [*(float(symbol.onset) for symbol in symbols), float(time.end)]
    times = np.maximum(0.0, time.seconds_at(places)).tolist()
    return tuple(
        ChordSegment(start, end, harte_label(symbol.root, symbol.quality, symbol.bass))
        for symbol, (start, end) in zip(symbols, pairwise(times), strict=True)
        if end > start
    )


def harte_label(root: str, quality: str, bass: str) -> str:
    """The label of a chord with a quality as lead sheets write it, and a bass note or degree, if any."""
    for sign, word in _SIGNS:
        quality = re.sub(sign, word, quality)
    degree = degree_of(root, bass) if bass[:1] in tuple(_LETTERS) else bass
    return f"{root}:{_QUALITIES.get(quality, quality)}" + (f"/{degree}" if degree else "")


def degree_of(root: str, bass: str) -> str:
    """The degree of a bass note above a root: ``3`` for E in C, ``b7`` for Bb."""
    steps = (_LETTERS.index(bass[0]) - _LETTERS.index(root[0])) % 7
    heights = [
        _SEMITONES[_LETTERS.index(note[0])] + note.count("#") - note[1:].count("b") for note in (root, bass)
    ]
    alter = (heights[1] - heights[0] - _SEMITONES[steps] + 6) % 12 - 6
    return "#" * alter + "b" * -alter + str(steps + 1)
