"""The solo piano detector: its parts by hand, and a rendered piano with and without a voice."""

from __future__ import annotations

import numpy as np
import pytest

from separation.audio import Audio
from transcription.notes import Note
from transcription.solo_piano import (
    PianoEvidence,
    energy_shares,
    excerpts,
    is_solo_piano,
    may_be_piano,
    near_partials,
    unsteadiness,
)

RATE = 44100


def tone(hz: float, seconds: float) -> Audio:
    t = np.arange(round(seconds * RATE)) / RATE
    return Audio(np.sin(2 * np.pi * hz * t, dtype=np.float64).astype(np.float32)[np.newaxis] * 0.3, RATE)


def test_partials_of_a_string() -> None:
    near = near_partials(np.array([440.0, 450.0, 660.0, 880.0]), 69)
    assert near.tolist() == [True, True, False, True]
    assert near_partials(np.array([480.0]), 69).tolist() == [False]


def test_a_notes_own_tone_is_explained_and_another_is_not() -> None:
    assert energy_shares(tone(440.0, 2.0), [Note(0.0, 2.0, 69)])[0] > 0.98
    assert energy_shares(tone(440.0, 2.0), [Note(0.0, 2.0, 66)])[0] < 0.02
    overall, usually = energy_shares(tone(440.0, 2.0), [Note(0.0, 1.0, 69)])
    assert overall == pytest.approx(0.5, abs=0.1)
    assert usually < 0.02


def test_silence_has_no_energy_to_explain() -> None:
    assert energy_shares(Audio(np.zeros((1, RATE), np.float32), RATE), [Note(0.0, 1.0, 60)]) == (0.0, 0.0)


def test_a_wavering_pitch_is_told_from_a_steady_one() -> None:
    steady = Note(0.0, 2.0, 69, bends=(0.5, 0.0, 0.0) + 20 * (0.1,) + (0.0, 0.5))
    wavering = Note(0.0, 2.0, 69, bends=12 * (-0.2, 0.2))
    assert unsteadiness([steady]) == pytest.approx(0.0)
    assert unsteadiness([wavering]) == pytest.approx(0.2, abs=0.01)
    assert may_be_piano(tone(440.0, 2.0), [steady])
    assert not may_be_piano(tone(440.0, 2.0), [wavering])
    assert not may_be_piano(tone(440.0, 4.0), [steady])  # half of the sound has no note


def test_excerpts_lie_inside_the_song() -> None:
    short, long = tone(440.0, 3.0), tone(440.0, 20.0)
    assert excerpts(short) == [short]
    assert [part.duration for part in excerpts(long)] == [16.0, 16.0]


def test_each_kind_of_evidence_is_needed() -> None:
    assert PianoEvidence(0.95, 0.95, 0.8).convinces
    assert not PianoEvidence(0.5, 0.95, 0.8).convinces
    assert not PianoEvidence(0.95, 0.6, 0.8).convinces
    assert not PianoEvidence(0.95, 0.95, 0.3).convinces


@pytest.mark.slow
def test_a_plain_tone_is_no_piano() -> None:
    assert not is_solo_piano(tone(440.0, 2.0))
