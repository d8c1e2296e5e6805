"""How drums are written: staff position and notehead of each General MIDI key, and one line of rhythm.

Positions follow the usual drum-set key (Weinberg, Guide to Standardized Drumset Notation, 1998): kick in the
lowest space, snare in the third, cymbals with crosses above. Conventions: a hit has no length of its own,
so it is written up to the next hit, at most to the end of its beat; all hits share one voice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from notation.events import Bar, ScoreNote


@dataclass(frozen=True, slots=True)
class DrumSound:
    """A drum-set sound: its name, place on the staff (as in the treble clef) and notehead."""

    key: int
    name: str
    position: str
    notehead: str = "normal"


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
_BY_KEY = {sound.key: sound for sound in SOUNDS}
_SAME_SOUND = {35: 36, 40: 38, 48: 47, 57: 49, 59: 51}
"""General MIDI's second kick, snare, tom, crash and ride, which are written as the first."""


def sound_of(key: int) -> DrumSound:
    """The written sound for a General MIDI percussion key; unknown keys are written as a side stick."""
    return _BY_KEY.get(_SAME_SOUND.get(key, key), _BY_KEY[37])


def drum_line(notes: Sequence[ScoreNote], bars: Sequence[Bar]) -> tuple[ScoreNote, ...]:
    """The hits as one voice: each lasts to the next one or to the end of its beat, doubled hits once."""
    hits = {(note.onset, sound_of(note.pitch).key): note for note in notes}
    onsets = sorted({onset for onset, _ in hits})
    following = dict(zip(onsets, [*onsets[1:], None], strict=True))
    line = []
    bar_index = 0
    for (onset, _), note in sorted(hits.items(), key=lambda item: item[0]):
        while bar_index + 1 < len(bars) and onset >= bars[bar_index].end:
            bar_index += 1
        bar = bars[bar_index]
        beat = bar.time_signature.beat_quarters
        beats_left = (bar.end - onset) / beat
        end_of_beat = bar.end - (-(-beats_left // 1) - 1) * beat
        following_onset = following[onset]
        end = min(end_of_beat, following_onset) if following_onset is not None else end_of_beat
        line.append(replace(note, duration=max(end - onset, Fraction(0)), staff=1, voice=1))
    return tuple(line)
