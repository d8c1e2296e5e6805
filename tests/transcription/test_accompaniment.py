"""Sharing out the notes of a mix: by hand, and on tones."""

from __future__ import annotations

import numpy as np

from separation.audio import Audio
from transcription.accompaniment import accompaniment, is_among, is_covered
from transcription.engines.basicpitch import BasicPitch, BasicPitchSettings
from transcription.notes import Note

RATE = 22050


def plucked(onset: float, pitch: int, seconds: float) -> np.ndarray:
    """A decaying tone with ten partials."""
    t = np.arange(round(seconds * RATE)) / RATE - onset
    hz = 440 * 2 ** ((pitch - 69) / 12)
    tone = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 11))
    return np.asarray(np.where(t >= 0, tone * np.exp(-2 * np.maximum(t, 0)), 0.0) * 0.1)


def test_the_same_note_begins_together_at_the_same_pitch() -> None:
    note = Note(1.0, 2.0, 60)
    assert is_among([Note(1.04, 1.2, 60)], note)
    assert not is_among([Note(1.06, 2.0, 60), Note(1.0, 2.0, 61)], note)


def test_a_note_is_covered_where_most_of_it_is_sung() -> None:
    note = Note(1.0, 2.0, 60)
    assert is_covered([Note(0.5, 1.6, 60)], note)
    assert not is_covered([Note(0.5, 1.4, 60), Note(0.5, 2.5, 72)], note)


def test_bass_and_chord_are_told_apart_and_the_sung_note_is_left_out() -> None:
    mix = sum(plucked(0.5, pitch, 2.5) for pitch in (33, 60, 64, 67))
    audio = Audio(np.asarray(mix, np.float32)[np.newaxis], RATE)
    network = BasicPitch(BasicPitchSettings(bends=False))
    found = accompaniment(network, audio, [Note(0.4, 2.4, 67, stem="vocals")])
    assert {note.pitch for note in found if note.stem == "bass"} == {33}
    other = {note.pitch for note in found if note.stem == "other"}
    assert {60, 64} <= other
    assert 67 not in other
    assert not other & {33}
