"""Beats by librosa's dynamic programming over onset strength, in bars found by our own search.

Method: Ellis, "Beat tracking by dynamic programming" (2007), as ``librosa.beat.beat_track`` has it, finds the
beats; bars are counted on them by the search of :mod:`transcription.beats.sound_tracker` over the downbeat
evidence of notes and sound.

Limits: one tempo for the whole recording; needs the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fullscore.engines import Progress, option, silent
from fullscore.errors import FullscoreError
from separation.audio import Audio, resample
from transcription.beatgrid import BeatGrid, BeatHints
from transcription.beats.joint import covering, plain_grid
from transcription.beats.onsets import events_of
from transcription.beats.sound_tracker import NO_EVENT_MARK, bars_to_try, beat_marks, count_bars
from transcription.notes import Note

SAMPLE_RATE = 22050  # Hz: librosa's own


@dataclass(frozen=True, slots=True)
class LibrosaTrackerSettings:
    """Options of the engine."""

    tightness: float = option(100.0, "how closely beats keep to one tempo", minimum=1.0, maximum=10_000.0)


class LibrosaTracker:
    """The engine ``librosa``: beats from the sound alone."""

    def __init__(self, settings: LibrosaTrackerSettings | None = None) -> None:
        self.settings = settings or LibrosaTrackerSettings()

    def __call__(
        self,
        notes: Sequence[Note],
        audio: Audio | None = None,
        hints: BeatHints = BeatHints(),
        progress: Progress = silent,
    ) -> BeatGrid:
        """The beats of ``audio``, from the first note or event to beyond the last. Raises FullscoreError
        without a recording."""
        if audio is None:
            raise FullscoreError("librosa finds beats in sound, and there is none", "choose the engine joint")
        import librosa

        progress(0.0, "looking for beats")
        mono = resample(audio.mono(), SAMPLE_RATE).samples[0]
        _, times = librosa.beat.beat_track(
            y=mono, sr=SAMPLE_RATE, bpm=hints.tempo, tightness=self.settings.tightness, units="time"
        )
        start = min((note.onset for note in notes), default=0.0)
        end = max((note.offset for note in notes), default=audio.duration)
        if len(times) < 2:
            return plain_grid(start, end, hints)
        progress(0.7, "counting bars")
        events = events_of(notes, audio)
        marks = beat_marks(np.asarray(times, np.float64), events, events.downbeat, NO_EVENT_MARK)
        compound = hints.time_signature is not None and hints.time_signature.compound
        counted = [
            (*count_bars(marks, bar), signature)
            for signature, bar in bars_to_try(hints.time_signature, compound)
        ]
        places, _, signature = max(counted, key=lambda found: found[1])
        beats, numbers = covering(times, places + 1, signature.beats_per_bar, start, end)
        progress(1.0, "beats found")
        return BeatGrid(tuple(beats.tolist()), tuple(numbers.tolist()), signature)
