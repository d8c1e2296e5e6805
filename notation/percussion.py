"""How drums are written: staff position and notehead of each General MIDI percussion key.

Positions follow the usual drum-set key (Weinberg, Guide to Standardized Drumset Notation, 1998): kick in the
lowest space, snare in the third, cymbals with crosses above. No two sounds look the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DrumSound:
    """A drum-set sound: its name, place on the staff (as in the treble clef) and notehead."""

    key: int
    name: str
    position: str
    notehead: str = "normal"

    @property
    def foot(self) -> bool:
        """Whether a foot plays it: written with stems down."""
        return self.key in _FEET


SOUNDS = (
    DrumSound(36, "Bass Drum", "F4"),
    DrumSound(38, "Snare Drum", "C5"),
    DrumSound(37, "Side Stick", "C5", "x"),
    DrumSound(39, "Hand Clap", "C5", "slash"),
    DrumSound(42, "Closed Hi-Hat", "G5", "x"),
    DrumSound(46, "Open Hi-Hat", "G5", "circle-x"),
    DrumSound(44, "Pedal Hi-Hat", "D4", "x"),
    DrumSound(49, "Crash Cymbal", "A5", "x"),
    DrumSound(52, "Chinese Cymbal", "A5", "circle-x"),
    DrumSound(55, "Splash Cymbal", "B5", "x"),
    DrumSound(51, "Ride Cymbal", "F5", "x"),
    DrumSound(53, "Ride Bell", "F5", "diamond"),
    DrumSound(50, "High Tom", "E5"),
    DrumSound(47, "Mid Tom", "D5"),
    DrumSound(45, "Low Tom", "B4"),
    DrumSound(43, "Floor Tom", "A4"),
    DrumSound(41, "Low Floor Tom", "G4"),
    DrumSound(56, "Cowbell", "E5", "triangle"),
    DrumSound(54, "Tambourine", "E5", "x"),
    DrumSound(70, "Maracas", "D5", "x"),
)
_FEET = (36, 44)
_BY_KEY = {sound.key: sound for sound in SOUNDS}
_SAME_SOUND = {35: 36, 40: 38, 48: 47, 57: 49, 59: 51}
"""General MIDI's second kick, snare, tom, crash and ride, which are written as the first."""


def sound_of(key: int) -> DrumSound:
    """The written sound for a General MIDI percussion key; unknown keys are written as a side stick."""
    return _BY_KEY.get(_SAME_SOUND.get(key, key), _BY_KEY[37])
