"""Performed MIDI read as notes.

Conventions: a note lasts as long as its key is down; the sustain pedal is not added to it. Each track
is taken for the stem that its drum channel, its name or its General MIDI program says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from separation.engines import FullscoreError
from transcription.notes import Note

SHORTEST = 0.01  # seconds given to a note of no length, so that it is not lost

# Stems by a word in the track's name; then by the General MIDI program (0-based, first to last).
_STEM_OF_WORD = {
    "voice": "vocals", "vocal": "vocals", "melody": "vocals", "singer": "vocals", "piano": "piano",
    "guitar": "guitar", "bass": "bass", "drum": "drums",
}  # fmt: skip
_STEM_OF_PROGRAMS = ((0, 7, "piano"), (24, 31, "guitar"), (32, 39, "bass"), (52, 54, "vocals"))


def read_midi(path: Path) -> tuple[Note, ...]:
    """The notes of a MIDI file, by onset. Raises FullscoreError where it can't be read or has none."""
    midi = open_midi(path)
    notes = [
        Note(
            onset=float(note.start),
            offset=float(max(note.end, note.start + SHORTEST)),
            pitch=int(note.pitch),
            velocity=max(1, int(note.velocity)),
            stem=stem_of(track.name, track.program, track.is_drum),
        )
        for track in midi.instruments
        for note in track.notes
    ]
    if not notes:
        raise FullscoreError(f"{path} has no notes; give a MIDI file of a performance")
    return tuple(sorted(notes, key=lambda note: (note.onset, note.pitch)))


def open_midi(path: Path) -> Any:
    """A MIDI file as a ``pretty_midi.PrettyMIDI``. Raises FullscoreError where it can't be read."""
    import pretty_midi

    if not path.is_file():
        raise FullscoreError(f"there is no MIDI file {path}; check the name")
    try:
        midi = pretty_midi.PrettyMIDI(str(path))
    # The readers below raise whatever the broken bytes lead them to.
    except Exception as error:
        raise FullscoreError(
            f"{path} is not a MIDI file that can be read ({str(error) or 'it is cut off'}); export it again"
        ) from error
    return midi


def stem_of(name: str, program: int, is_drum: bool) -> str:
    """The stem that a MIDI track stands for; ``other`` where nothing tells."""
    if is_drum:
        return "drums"
    for word, stem in _STEM_OF_WORD.items():
        if word in name.lower():
            return stem
    for first, last, stem in _STEM_OF_PROGRAMS:
        if first <= program <= last:
            return stem
    return "other"
