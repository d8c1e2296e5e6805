"""Spelling: names of keys and pitch classes, and a name for every written note.

Task: the name a composer would write, in the key of the passage: chromatic notes by where they lead, the
minor's leading tone raised, one name for a note within a passage.

Method: around each note the pitch classes are counted, near and far, before and after it, what sounds
with it, the bass, the same and the neighbouring keys struck next to it, and the signature, all seen
from the note itself, so that every key is one problem (the windows of ps13, Meredith 2006, with learnt
instead of equal votes). A network of one hidden layer chooses between the name in the signature's
own chromatic scale and its two enharmonic neighbours. It was trained by ``training.train_spelling`` on openly
licensed scores; the weights are in ``spelling.npz`` beside this file.

Conventions: names are a letter, # or b (doubled where needed) and the octave, C4 = MIDI 60; the
octave is that of the letter (B#3 = C4 = 60). Names lie on the line of fifths, C = 0, G = 1, F = -1.

Limits: in music without a tonal centre composers choose by habits that no window shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from heapq import heappop, heappush
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullscore.errors import FullscoreError
from notation.events import Key, Keys, ScoreNote, key_at
from transcription.beatgrid import Floats
from transcription.network import Features, Weights, dense, load

Ints = npt.NDArray[np.int64]

WEIGHTS = Path(__file__).with_name("spelling.npz")
REACH_QUARTERS = (0.75, 3.0, 12.0)  # a note counts 1/e as much this far away
LEAST_WEIGHT, FULL_QUARTERS = 0.3, 2.0  # of a note in the counts: its length up to this, and a bit more
NEIGHBOURS = 2  # semitones on either side whose next and last strokes are seen
LOWEST_DEGREE = (
    -4
)  # on the line of fifths from the signature's major tonic: the chromatic scale Ab to C# in C
WIDEST_DOUBLES = (-8, 12)  # places from that tonic within which double accidentals are written

LETTERS = "FCGDAEB"
LETTER_PITCH = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# Places on the line of fifths, from the tonic, of the 12 semitones above it: the harmonic chromatic scale.
CHROMATIC_FIFTHS = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)


def parse_key(text: str) -> Key:
    """The key written as "G major", "f# minor", "Bbm" or "Eb". Raises FullscoreError for anything else."""
    match = re.fullmatch(r"\s*([A-Ga-g])\s*([#b♯♭]?)\s*(major|maj|minor|min|m|dur|moll)?\s*", text)
    if match is None:
        raise FullscoreError(
            "'{text}' is not a key",
            "write a tonic and a mode, for example 'G major', 'f# minor' or 'Bbm'",
            text=text,
        )
    letter, accidental, mode = match.groups()
    tonic = letter.upper() + accidental.replace("♯", "#").replace("♭", "b")
    if mode is None:
        mode = "minor" if letter.islower() else "major"
    return Key(tonic, "minor" if mode in ("minor", "min", "m", "moll") else "major")


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


def spell(notes: Sequence[ScoreNote], keys: Keys) -> tuple[str, ...]:
    """A name with octave for each of ``notes``, in their order; best all that sound together."""
    if not notes:
        return ()
    order = sorted(range(len(notes)), key=lambda index: (notes[index].onset, notes[index].pitch))
    ordered = [notes[index] for index in order]
    places = name_places(
        np.asarray([float(note.onset) for note in ordered]),
        np.asarray([float(note.duration) for note in ordered]),
        np.asarray([note.pitch for note in ordered], dtype=np.int64),
        np.asarray([key_at(keys, note.onset).fifths for note in ordered], dtype=np.int64),
    )
    names = [""] * len(notes)
    for index, place in zip(order, places.tolist(), strict=True):
        names[index] = with_octave(fifths_name(place), notes[index].pitch)
    return tuple(names)


def name_places(onset: Floats, duration: Floats, pitch: Ints, signature: Ints) -> Ints:
    """Places on the line of fifths of notes sorted by onset, then pitch; ``signature`` is in fifths too."""
    weights = _weights()
    hidden = np.maximum(dense(weights, "hidden", describe(onset, duration, pitch, signature)), 0.0)
    shift = np.argmax(dense(weights, "choice", hidden), axis=1) - 1
    usual = usual_places(pitch, signature)
    places = usual + 12 * shift
    degree, low, high = places - signature, *WIDEST_DOUBLES
    doubled = (places < -8) | (places > 12)
    return np.where(doubled & ((degree < low) | (degree > high)), usual, places)


@cache
def _weights() -> Weights:
    return load(WEIGHTS)


def usual_places(pitch: Ints, signature: Ints) -> Ints:
    """Where the notes lie in the chromatic scale of their signature, on the line of fifths."""
    return np.asarray((7 * pitch - signature - LOWEST_DEGREE) % 12 + LOWEST_DEGREE + signature)


def describe(onset: Floats, duration: Floats, pitch: Ints, signature: Ints) -> Features:
    """What the network sees of notes by onset, then pitch: shape (notes, features). Times in quarters."""
    first = np.flatnonzero(np.r_[True, np.diff(onset) > 1e-9])  # of each chord
    chord = np.repeat(np.arange(len(first)), np.diff([*first, len(onset)]))
    around = _around(onset[first], chord, duration, pitch)
    sounding, bass = _sounding(onset, duration, pitch, first)
    # Turn everything so that the note itself is pitch class 0.
    turned = (pitch[:, None] + np.arange(12)) % 12
    parts = [around[chord[:, None], window, turned] for window in range(around.shape[1])]
    parts.append(sounding[chord[:, None], turned])
    parts.append(np.eye(12)[(bass[chord] - pitch) % 12])
    parts.append(_neighbours(onset[first], chord, pitch))
    parts.append(np.eye(12)[(7 * signature - pitch) % 12])
    return np.concatenate(parts, axis=1).astype(np.float32)


def _around(times: Floats, chord: Ints, duration: Floats, pitch: Ints) -> Floats:
    """Shares of the pitch classes before and after each chord: (chords, 2 times the reaches, 12)."""
    struck = np.zeros((len(times), 12))
    np.add.at(struck, (chord, pitch % 12), LEAST_WEIGHT + np.minimum(duration, FULL_QUARTERS))
    reach = np.asarray(REACH_QUARTERS)[:, None]
    fade = np.exp(-np.diff(times)[:, None, None] / reach)
    before = np.zeros((len(times), len(reach), 12))
    after = np.zeros_like(before)
    for here in range(1, len(times)):
        before[here] = (before[here - 1] + struck[here - 1]) * fade[here - 1]
    for here in range(len(times) - 2, -1, -1):
        after[here] = (after[here + 1] + struck[here + 1]) * fade[here]
    both = np.concatenate([before, after], axis=1)
    return np.asarray(both / (both.sum(axis=2, keepdims=True) + 0.5))


def _sounding(onset: Floats, duration: Floats, pitch: Ints, first: Ints) -> tuple[Floats, Ints]:
    """For each chord: which pitch classes sound with it, (chords, 12), and the pitch class of the bass."""
    sounding = np.zeros((len(first), 12))
    bass = np.zeros(len(first), dtype=np.int64)
    held: list[tuple[float, int]] = []
    for number, (start, end) in enumerate(zip(first, [*first[1:], len(onset)], strict=True)):
        while held and held[0][0] <= onset[start] + 1e-9:
            heappop(held)
        for index in range(start, end):
            if duration[index] > 0:
                heappush(held, (onset[index] + duration[index], int(pitch[index])))
        pitches = [sounds for _, sounds in held] or pitch[start:end].tolist()
        sounding[number, [sounds % 12 for _, sounds in held]] = 1.0
        bass[number] = min(pitches) % 12
    return sounding, bass


def _neighbours(times: Floats, chord: Ints, pitch: Ints) -> Floats:
    """How near in time the same key and its neighbours are struck, last and next: (notes, 10), 1 at once."""
    steps = np.arange(-NEIGHBOURS, NEIGHBOURS + 1) + NEIGHBOURS
    keys = pitch[:, None] + steps
    first = np.searchsorted(chord, np.arange(len(times) + 1))
    apart = np.empty((len(pitch), 2, len(steps)))
    for direction, order in enumerate((range(len(times)), range(len(times) - 1, -1, -1))):
        struck = np.full(128 + 2 * NEIGHBOURS, np.inf)
        for here in order:
            start, end = first[here], first[here + 1]
            apart[start:end, direction] = np.abs(struck[keys[start:end]] - times[here])
            struck[keys[start:end, NEIGHBOURS]] = times[here]
    return np.asarray(np.exp(-apart).reshape(len(pitch), -1))


def with_octave(name: str, pitch: int) -> str:
    """A name with the octave in which it sounds as ``pitch``: ("B#", 60) is B#3, ("Cb", 71) is Cb5."""
    natural = pitch - (name.count("#") - name.count("b"))
    return f"{name}{natural // 12 - 1}"
