"""Key and spelling: the key of a piece, and a name for every written note.

Methods. Key: the duration-weighted pitch-class profile of the piece against the profiles of Albrecht
and Shanahan (2013), with its opening and its close counted again, and the last bass note and raised
leading tones as evidence between a key and its relatives. Spelling: stage 1 of ps13 (Meredith 2006):
every pitch class in a window around a note votes, as a possible tonic, for the name the note has in
that tonic's chromatic scale; the possible tonics themselves are named in the key of the piece.

Conventions: names are a letter, # or b (doubled where needed) and the octave, C4 = MIDI 60; the
octave is that of the letter (B#3 = C4 = 60). Names lie on the line of fifths, C = 0, G = 1, F = -1.

Limits: one key for the piece; a modulation is followed by the window, not by a new signature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from notation.events import Key, ScoreNote
from separation.engines import FullscoreError
from transcription.beatgrid import Floats
from transcription.notes import Note

# Albrecht & Shanahan 2013, "The use of large corpora to train a new type of key-finding algorithm".
MAJOR_PROFILE = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
MINOR_PROFILE = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)

EDGE_SHARE = 0.1  # of the piece's notes: its opening and its close, where the key is that of the piece
EDGE_WEIGHT = 0.3  # each, besides 1 for the whole
LAST_BASS_BONUS = 0.08  # in correlation: the piece ends on the tonic in the bass
LONGEST_COUNTED_S = 2.0  # a drone counts no more than this

LETTERS = "FCGDAEB"
LETTER_PITCH = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# Places on the line of fifths, from the tonic, of the 12 semitones above it: the harmonic chromatic scale.
CHROMATIC_FIFTHS = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)
WINDOW_BEFORE, WINDOW_AFTER = 10, 42  # notes, as in ps13's best version


def parse_key(text: str) -> Key:
    """The key written as "G major", "f# minor", "Bbm" or "Eb". Raises FullscoreError for anything else."""
    match = re.fullmatch(r"\s*([A-Ga-g])\s*([#b♯♭]?)\s*(major|maj|minor|min|m|dur|moll)?\s*", text)
    if match is None:
        raise FullscoreError(
            f"'{text}' is not a key: write a tonic and a mode, for example 'G major', 'f# minor' or 'Bbm'"
        )
    letter, accidental, mode = match.groups()
    tonic = letter.upper() + accidental.replace("♯", "#").replace("♭", "b")
    if mode is None:
        mode = "minor" if letter.islower() else "major"
    return Key(tonic, "minor" if mode in ("minor", "min", "m", "moll") else "major")


def estimate_key(notes: Sequence[Note]) -> Key:
    """The key of the piece. C major where there are no pitched notes."""
    pitched = sorted(note for note in notes if note.stem != "drums")
    if not pitched:
        return Key("C")
    edge = max(8, round(EDGE_SHARE * len(pitched)))
    scores = _correlations(pitched)
    scores += EDGE_WEIGHT * (_correlations(pitched[:edge]) + _correlations(pitched[-edge:]))
    last = min((note for note in pitched if note.offset >= pitched[-1].onset), key=lambda note: note.pitch)
    scores[:, last.pitch % 12] += LAST_BASS_BONUS
    mode, tonic = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return _key_of(int(tonic), "minor" if mode else "major")


def _correlations(notes: Sequence[Note]) -> Floats:
    """The correlation of the notes' pitch-class profile with every key's: shape (2 modes, 12 tonics)."""
    profile = np.zeros(12)
    for note in notes:
        profile[note.pitch % 12] += min(note.duration, LONGEST_COUNTED_S)
    expected = np.asarray(
        [[np.roll(mode, tonic) for tonic in range(12)] for mode in (MAJOR_PROFILE, MINOR_PROFILE)]
    )
    if np.ptp(profile) == 0:
        return np.zeros((2, 12))
    profile = (profile - profile.mean()) / profile.std()
    expected = (expected - expected.mean(axis=2, keepdims=True)) / expected.std(axis=2, keepdims=True)
    return np.asarray(expected @ profile / 12)


def _key_of(tonic: int, mode: str) -> Key:
    """The key on a pitch class, spelled with at most six flats or five sharps in its signature."""
    for fifths in range(-6, 6):
        name = fifths_name(fifths + (3 if mode == "minor" else 0))
        if name_pitch_class(name) == tonic:
            return Key(name, mode)
    raise ValueError(f"a tonic is a pitch class from 0 to 11, not {tonic}")


def fifths_name(fifths: int) -> str:
    """The name at a place on the line of fifths: 0 is C, 1 G, -2 Bb, 7 C#."""
    accidentals, letter = divmod(fifths + 1, 7)
    return LETTERS[letter] + ("#" * accidentals if accidentals > 0 else "b" * -accidentals)


def name_pitch_class(name: str) -> int:
    """The pitch class (0 to 11) of a name without octave."""
    return (LETTER_PITCH[name[0]] + name.count("#") - name.count("b")) % 12


def pitch_class_fifths(pitch_class: int, key: Key) -> int:
    """Where a pitch class lies on the line of fifths in the chromatic scale of a key."""
    tonic = key.fifths + (3 if key.mode == "minor" else 0)
    tonic_class = tonic * 7 % 12
    return tonic + CHROMATIC_FIFTHS[(pitch_class - tonic_class) % 12]


def spell(notes: Sequence[ScoreNote], key: Key) -> tuple[str, ...]:
    """A name with octave for each of ``notes``, in their order."""
    order = sorted(range(len(notes)), key=lambda index: (notes[index].onset, notes[index].pitch))
    classes = np.asarray([notes[index].pitch % 12 for index in order], dtype=np.int64)
    tonic_fifths = np.asarray([pitch_class_fifths(pitch_class, key) for pitch_class in range(12)])
    # counts[n, c]: how many of the first n notes have pitch class c
    counts = np.zeros((len(order) + 1, 12), dtype=np.int64)
    counts[1:] = np.cumsum(classes[:, None] == np.arange(12)[None, :], axis=0)
    names = [""] * len(notes)
    for place, index in enumerate(order):
        window = counts[min(place + WINDOW_AFTER, len(order))] - counts[max(0, place - WINDOW_BEFORE)]
        votes: dict[int, int] = {}
        for tonic in range(12):
            fifths = int(tonic_fifths[tonic]) + CHROMATIC_FIFTHS[(int(classes[place]) - tonic) % 12]
            votes[fifths] = votes.get(fifths, 0) + int(window[tonic])
        best = max(votes, key=lambda fifths: (votes[fifths], -abs(fifths - key.fifths - 2)))
        names[index] = with_octave(fifths_name(best), notes[index].pitch)
    return tuple(names)


def with_octave(name: str, pitch: int) -> str:
    """A name with the octave in which it sounds as ``pitch``: ("B#", 60) is B#3, ("Cb", 71) is Cb5."""
    natural = pitch - (name.count("#") - name.count("b"))
    return f"{name}{natural // 12 - 1}"
