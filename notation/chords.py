"""Chord symbols from the written notes.

Task: the harmony as a lead sheet gives it: a symbol where the harmony changes, one or two a bar.

Method: for each beat the sounding pitch classes are weighed by how long they sound; a chord explains
them as draws from its own tones (root most, then third, fifth, seventh) and a few foreign ones, the
bass tells about the root, and a path of chords over the beats is found by the Viterbi algorithm, in
which a change costs least on a bar line, more in its middle, most elsewhere (in the manner of Sheh &
Ellis 2003, on notes instead of chroma).

Conventions: roots and basses are spelled in the key. A slash chord is written only where the bass is
a third, fifth or seventh of the chord throughout. No symbol where nothing or a single line sounds
that tells no harmony. Notes of the stem ``drums`` don't count.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fullscore.viterbi import steady_path
from notation.events import Bar, ChordSymbol, Key, Keys, ScoreNote, key_at
from notation.spelling import fifths_name, pitch_class_fifths
from transcription.beatgrid import Floats

# Tuned on 60 songs of POP909 whose numbers end in 3 and 7, with their annotated beats.
TONE_WEIGHTS = (0.32, 0.22, 0.20, 0.20)  # of the root, third, fifth and seventh of a chord
FOREIGN_WEIGHT = 0.025  # of each other pitch class
EVIDENCE = 5.0  # nats of evidence in a beat of full harmony: notes of one beat aren't independent draws
ROOT_BASS_BONUS, CHORD_BASS_COST, FOREIGN_BASS_COST = 1.0, 0.2, 2.0
BAR_CHANGE_COST, HALF_BAR_CHANGE_COST, BEAT_CHANGE_COST = 1.0, 2.0, 4.0
OUTSIDE_KEY_COST = 0.5  # for each chord tone that isn't in the key's scale
BASS_WEIGHT = 1.5  # the lowest notes count more
NO_CHORD_COST = 1.5
CLEAR_BASS_SHARE = 0.6  # of a chord's time: its bass is written if another than the root

# Quality: semitones above the root in the order of TONE_WEIGHTS, and the cost of writing it.
QUALITIES = {
    "": ((0, 4, 7), 0.0),
    "m": ((0, 3, 7), 0.0),
    "7": ((0, 4, 7, 10), 0.5),
    "maj7": ((0, 4, 7, 11), 0.8),
    "m7": ((0, 3, 7, 10), 0.6),
    "dim": ((0, 3, 6), 1.2),
    "dim7": ((0, 3, 6, 9), 1.2),
    "m7b5": ((0, 3, 6, 10), 1.2),
    "aug": ((0, 4, 8), 2.0),
    "sus4": ((0, 5, 7), 1.2),
    "sus2": ((0, 2, 7), 1.6),
    "6": ((0, 4, 7, 9), 1.6),
    "m6": ((0, 3, 7, 9), 1.8),
}
MAJOR_SCALE, MINOR_SCALE = {0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 10, 11}


@dataclass(frozen=True, slots=True)
class _Chord:
    root: int
    quality: str

    @property
    def tones(self) -> tuple[int, ...]:
        return tuple((self.root + step) % 12 for step in QUALITIES[self.quality][0])


def _bass_cost(bass: int, chord: _Chord) -> float:
    if bass == chord.root:
        return -ROOT_BASS_BONUS
    return CHORD_BASS_COST if bass in chord.tones else FOREIGN_BASS_COST


CHORDS = tuple(_Chord(root, quality) for quality in QUALITIES for root in range(12))
BASS_COSTS = np.asarray([[_bass_cost(bass, chord) for chord in CHORDS] for bass in range(12)])


def find_chords(notes: Sequence[ScoreNote], bars: Sequence[Bar], keys: Keys) -> tuple[ChordSymbol, ...]:
    """The chord symbols over ``bars`` from all pitched ``notes``; a chord that goes on isn't repeated."""
    pitched = [note for note in notes if note.heard.stem != "drums" and note.duration > 0]
    if not pitched or not bars:
        return ()
    beats, changes = _beats(bars)
    profiles, basses = _profiles(pitched, beats)
    costs = _costs(profiles, basses, [key_at(keys, beat) for beat in beats[:-1]])
    path = steady_path(-costs, changes)[0].tolist()
    symbols: list[ChordSymbol] = []
    start = 0
    for beat in range(1, len(path) + 1):
        if beat < len(path) and path[beat] == path[start]:
            continue
        if path[start] < len(CHORDS):
            symbols.append(
                _symbol(CHORDS[path[start]], beats[start], basses[start:beat], key_at(keys, beats[start]))
            )
        start = beat
    return tuple(symbols)


def _beats(bars: Sequence[Bar]) -> tuple[list[Fraction], Floats]:
    """Where the beats of the bars start (and the end, last), and the cost of a change at each."""
    starts: list[Fraction] = []
    costs: list[float] = []
    for bar in bars:
        step = bar.time_signature.beat_quarters
        count = max(1, int(-(-bar.length // step)))
        for beat in range(count):
            middle = count % 2 == 0 and beat == count // 2
            starts.append(bar.start + beat * step)
            costs.append(
                BAR_CHANGE_COST if beat == 0 else HALF_BAR_CHANGE_COST if middle else BEAT_CHANGE_COST
            )
    return [*starts, bars[-1].end], np.asarray(costs)


def _profiles(notes: Sequence[ScoreNote], beats: Sequence[Fraction]) -> tuple[Floats, list[int | None]]:
    """For each beat how long each pitch class sounds (in beats, the lowest note more), and its bass."""
    count = len(beats) - 1
    profiles = np.zeros((count, 12))
    lowest: list[tuple[Fraction, int] | None] = [None] * count
    for note in notes:
        beat = max(0, bisect_right(beats, note.onset) - 1)
        while beat < count and beats[beat] < note.end:
            start, end = beats[beat], beats[beat + 1]
            share = (min(note.end, end) - max(note.onset, start)) / (end - start)
            profiles[beat, note.pitch % 12] += float(share) * note.heard.confidence
            low = lowest[beat]
            if low is None or note.pitch < low[1]:
                lowest[beat] = (note.onset, note.pitch)
            beat += 1
    basses = [None if low is None else low[1] % 12 for low in lowest]
    for beat, bass in enumerate(basses):
        if bass is not None:
            profiles[beat, bass] += (BASS_WEIGHT - 1.0) * min(1.0, profiles[beat, bass])
    return profiles, basses


def _costs(profiles: Floats, basses: Sequence[int | None], keys: Sequence[Key]) -> Floats:
    """What each beat costs as each chord and, last, as no chord: shape (beats, chords + 1)."""
    templates = np.full((len(CHORDS), 12), FOREIGN_WEIGHT)
    writing = np.zeros(len(CHORDS))
    for number, chord in enumerate(CHORDS):
        for tone, weight in zip(chord.tones, TONE_WEIGHTS, strict=False):
            templates[number, tone] = weight
        writing[number] = QUALITIES[chord.quality][1]
    outside = {key: _outside(key) for key in set(keys)}
    templates /= templates.sum(axis=1, keepdims=True)
    total = profiles.sum(axis=1, keepdims=True)
    share = profiles / np.maximum(total, 1e-9)
    evidence = EVIDENCE * np.minimum(1.0, total / 2.0)
    floor = np.sum(np.where(share > 0, share * np.log(np.maximum(share, 1e-9)), 0.0), axis=1, keepdims=True)
    writing = 0.5 * (writing + OUTSIDE_KEY_COST * np.asarray([outside[key] for key in keys]))
    costs = evidence * (floor - share @ np.log(templates).T) + writing
    for beat, bass in enumerate(basses):
        costs[beat] = writing[beat] if bass is None else costs[beat] + BASS_COSTS[bass]
    silent = total[:, 0] < 0.05
    nothing = np.where(silent, 0.0, NO_CHORD_COST + evidence[:, 0])
    costs[silent] += 1.0
    return np.hstack([costs, nothing[:, None]])


def _outside(key: Key) -> list[int]:
    """How many tones of each chord aren't in the key's scale."""
    tonic = pitch_class_of_key(key)
    scale = {(tonic + step) % 12 for step in (MAJOR_SCALE if key.mode == "major" else MINOR_SCALE)}
    return [len(set(chord.tones) - scale) for chord in CHORDS]


def pitch_class_of_key(key: Key) -> int:
    """The pitch class (0 to 11) of a key's tonic."""
    return (key.fifths + (3 if key.mode == "minor" else 0)) * 7 % 12


def _symbol(chord: _Chord, onset: Fraction, basses: Sequence[int | None], key: Key) -> ChordSymbol:
    """The symbol of a chord, with a bass where another chord tone than the root is clearly below."""
    heard = [bass for bass in basses if bass is not None]
    bass = max(set(heard), key=heard.count, default=chord.root)
    slash = bass != chord.root and bass in chord.tones and heard.count(bass) >= CLEAR_BASS_SHARE * len(heard)
    return ChordSymbol(onset, _name(chord.root, key), chord.quality, _name(bass, key) if slash else "")


def _name(pitch_class: int, key: Key) -> str:
    """A root as lead sheets spell it: in the key, without double accidentals."""
    fifths = pitch_class_fifths(pitch_class, key)
    return fifths_name(fifths - 12 if fifths > 12 else fifths + 12 if fifths < -8 else fifths)
