"""Notes of one voice or instrument by probabilistic YIN (Mauch and Dixon, ICASSP 2014), as librosa has it.

Method: the f0 of each frame is rounded to semitones; voiced frames in a row of one pitch are a note.
Limits: repeated notes without a gap are one, and vibrato of more than a semitone is several.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import librosa
import numpy as np

from fullscore import Audio, Note
from fullscore.engines import Progress, option, silent

SAMPLE_RATE, HOP = 22050, 512  # Hz, samples


@dataclass(frozen=True, slots=True)
class PyinSettings:
    """Options of the engine: ``--set pyin.minimum_ms=100`` on the command line, a control on the page."""

    lowest: int = option(36, "the lowest pitch listened for (MIDI)", minimum=21, maximum=96)
    highest: int = option(96, "the highest pitch listened for (MIDI)", minimum=33, maximum=108)
    minimum_ms: float = option(80.0, "shorter notes are left out (ms)", minimum=0.0, maximum=1000.0)


class Pyin:
    """The engine ``pyin``."""

    def __init__(self, settings: PyinSettings | None = None) -> None:
        self.settings = settings or PyinSettings()

    def __call__(self, audio: Audio, progress: Progress = silent) -> tuple[Note, ...]:
        """The notes of ``audio``, by onset."""
        progress(0.0, "listening for a voice")
        mono = librosa.resample(audio.mono().samples[0], orig_sr=audio.sample_rate, target_sr=SAMPLE_RATE)
        low, high = (
            float(librosa.midi_to_hz(midi)) for midi in (self.settings.lowest, self.settings.highest)
        )
        f0, voiced, sure = librosa.pyin(mono, fmin=low, fmax=high, sr=SAMPLE_RATE, hop_length=HOP)
        pitches = np.where(voiced, np.round(librosa.hz_to_midi(np.nan_to_num(f0, nan=low))), 0).astype(int)
        notes = []
        for pitch, frames in groupby(range(len(pitches)), key=lambda frame: int(pitches[frame])):
            run = list(frames)
            onset, offset = run[0] * HOP / SAMPLE_RATE, (run[-1] + 1) * HOP / SAMPLE_RATE
            if pitch and (offset - onset) * 1000 >= self.settings.minimum_ms:
                notes.append(Note(onset, offset, pitch, confidence=float(np.mean(sure[run]))))
        progress(1.0, "notes found")
        return tuple(notes)
