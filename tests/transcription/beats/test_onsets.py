"""Events and their marks, on music whose accents are plain to hear."""

import numpy as np
import pytest

from transcription.beats.onsets import CHORD_SPAN_S, note_events
from transcription.notes import Note


def test_notes_of_a_chord_are_one_event_at_their_loud_ones() -> None:
    early = Note(1.0, 1.5, 60, velocity=100)
    late = Note(1.0 + CHORD_SPAN_S / 2, 1.5, 64, velocity=50)
    events = note_events([late, early, Note(1.0 + 2 * CHORD_SPAN_S, 1.5, 67)])
    assert events.times.tolist() == pytest.approx([1.0 + CHORD_SPAN_S / 6, 1.0 + 2 * CHORD_SPAN_S], abs=1e-4)


def test_a_chord_with_its_bass_stands_out_among_single_notes() -> None:
    notes = [Note(beat / 4, beat / 4 + 0.2, 72 + beat % 3) for beat in range(32)]
    for bar in range(8):
        low = 36 + 5 * (bar % 2)
        notes += [Note(float(bar), bar + 0.9, low + step) for step in (0, 12, 16, 19)]
    events = note_events(notes)
    first = np.arange(32) % 4 == 0
    assert events.accent[first].min() > events.accent[~first].max()
    assert events.downbeat[first].min() > events.downbeat[~first].max()


def test_a_bar_begins_with_the_kick_rather_than_the_snare() -> None:
    kicks = [Note(beat, beat + 0.1, 36, stem="drums") for beat in np.arange(0.0, 16, 2)]
    snares = [Note(beat, beat + 0.1, 38, stem="drums") for beat in np.arange(1.0, 16, 2)]
    events = note_events([*kicks, *snares])
    assert events.downbeat[::2].min() > events.downbeat[1::2].max()
    assert events.accent.tolist() == pytest.approx([0.0] * 16)  # as beats both count


def test_no_notes_no_events() -> None:
    assert len(note_events([])) == 0
