"""Notes as heard: the note level of music transcription.

Conventions: times in seconds from the start of the recording; pitch is a MIDI note number (60 is
middle C; for the stem ``drums`` a General MIDI percussion key: 36 kick, 38 snare, 42 closed
hi-hat, 46 open hi-hat, 49 crash, 51 ride, 45/47/50 toms); velocity 1 to 127; confidence 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note as heard.

    ``bends`` holds the deviation from ``pitch`` in semitones, at equal steps from onset to offset
    (empty: none measured). ``stem`` is the name of the stem in which it was heard; ``track`` counts
    the tracks of the MIDI file it was read from.
    """

    onset: float
    offset: float
    pitch: int
    velocity: int = 80
    confidence: float = 1.0
    bends: tuple[float, ...] = ()
    stem: str = "mix"
    track: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.onset) and math.isfinite(self.offset)) or self.onset < 0:
            raise ValueError(f"a note's times are finite and not negative: {self.onset}, {self.offset}")
        if self.offset <= self.onset:
            raise ValueError(f"a note ends after it starts: {self.onset}, {self.offset}")
        if not 0 <= self.pitch <= 127:
            raise ValueError(f"a MIDI pitch is from 0 to 127, not {self.pitch}")
        if not 1 <= self.velocity <= 127:
            raise ValueError(f"a velocity is from 1 to 127, not {self.velocity}")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"a confidence is from 0 to 1, not {self.confidence}")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.offset - self.onset


def in_stem(notes: Iterable[Note], stem: str) -> tuple[Note, ...]:
    """The same notes, sorted by onset then pitch, labelled as heard in ``stem``."""
    labelled = (replace(note, stem=stem) for note in notes)
    return tuple(sorted(labelled, key=lambda note: (note.onset, note.pitch)))
