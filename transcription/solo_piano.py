"""Whether a recording is of a piano alone, so that the piano engine may transcribe it.

Method: the piano network hears little in other instruments and nothing in a voice, so an excerpt is
transcribed with it and the result is held against the sound, twice. The notes of which the
instrument-agnostic network is sure have to be among the piano notes (a band, a choir or a guitar fails
here), and the partials of the piano notes have to hold nearly all of the sound's energy, all the time (a
voice or drums over the piano fail here). Two excerpts, a third and two thirds into the song, have to pass.

Loading that network and running it takes seconds, so the first excerpt is judged without it before: a
piano's strings hold their pitch, and the notes that the agnostic network hears explain most of its sound.

Limits: what sounds like a piano passes (a harpsichord, a plucked guitar, or an electric bass beneath a
piano, may: then the notes are well transcribed, too), and so does a synthetic voice without vibrato; a voice
heard only outside the excerpts is missed; a piano recorded with much noise is refused, which costs
accuracy but no notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from separation.audio import Audio, resample
from transcription.engines.basicpitch import BasicPitch
from transcription.notes import Note

if TYPE_CHECKING:
    from transcription.engines.piano import Piano

EXCERPT_SECONDS = 16.0
"""As long as the piano network's segment."""
EXCERPT_PLACES = (1 / 3, 2 / 3)
"""Where the excerpts' middles lie, as shares of the song."""

SURE = 0.6
"""Confidence of the agnostic network's notes that a piano has to explain."""
SAME_ONSET_SECONDS = 0.06
GHOSTS = (-12, 0, 12, 19, 24)
"""Semitones from a note to what the agnostic network may hear of it: its partials or its octave below."""

LEAST_NOTES, LEAST_ENERGY, LEAST_ENERGY_USUALLY = 0.88, 0.8, 0.55
"""Thresholds of PianoEvidence. Pianos, real and rendered: notes .95 and more, energy .89, usually .59. The
same with a voice as loud: .84, .62, .25; with drums at -3 dB: 1, .83, .43. Bands and voices: next to
nothing."""

MOST_UNSTEADY = 0.027
"""Semitones. Pianos, real and rendered: .012 to .020; bands, voices, a bass alone: .033 and more."""
LEAST_ENERGY_AGNOSTIC, LEAST_ENERGY_USUALLY_AGNOSTIC = 0.8, 0.5
"""The thresholds of energy for the agnostic network's notes. Pianos: .90 and .67 or more."""
ATTACK_FRAMES, RELEASE_FRAMES, LEAST_FRAMES = 3, 2, 8
"""Of a note's bends: left out at its ends, where the pitch is not settled, and needed between."""

SAMPLE_RATE = 44100
FRAME, FRAME_HOP = 8192, 2048
MAIN_LOBE_HZ = 2.1 * SAMPLE_RATE / FRAME
"""Half the width of the Hann window's main lobe: no band is narrower."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 6000.0
PARTIALS = 24
INHARMONICITY = 3e-4
"""Of a piano's middle strings; the partials' bands are wide enough for the others."""
PARTIAL_WIDTH = 0.012
"""Half the width of a partial's band, relative to its frequency: a fifth of a semitone."""
BEFORE_SECONDS, AFTER_SECONDS = 0.1, 0.15
"""A note's energy shows this long before its onset (half a frame) and after its offset."""
AUDIBLE = 1e-3
"""Frames of less power than this share of the loudest count as silence."""


@dataclass(frozen=True, slots=True)
class PianoEvidence:
    """What speaks for a piano alone, all from 0 to 1."""

    notes: float
    """Share of the sure notes that are among the piano notes, or ghosts of them."""
    energy: float
    """Share of the sound's energy in the partials of the piano notes."""
    energy_usually: float
    """The same share, reached in nine frames of ten."""

    @property
    def convinces(self) -> bool:
        return (
            self.notes >= LEAST_NOTES
            and self.energy >= LEAST_ENERGY
            and self.energy_usually >= LEAST_ENERGY_USUALLY
        )


def is_solo_piano(audio: Audio, piano: Piano | None = None) -> bool:
    """Whether a piano is heard and nothing else. Where one may be: as slow as transcribing 32 s of it."""
    listener = BasicPitch()
    parts = excerpts(audio)
    heard = listener(parts[0])
    if not may_be_piano(parts[0], heard):
        return False
    from transcription.engines.piano import Piano  # loads torch

    piano = piano or Piano()
    return evidence(parts[0], piano.glance(parts[0]), heard).convinces and all(
        evidence(part, piano.glance(part), listener(part)).convinces for part in parts[1:]
    )


def may_be_piano(excerpt: Audio, heard: Sequence[Note]) -> bool:
    """The first look, at the agnostic network's notes alone: steady in pitch, and nearly all there is."""
    if unsteadiness(heard) > MOST_UNSTEADY:
        return False
    energy, usually = energy_shares(excerpt, heard)
    return energy >= LEAST_ENERGY_AGNOSTIC and usually >= LEAST_ENERGY_USUALLY_AGNOSTIC


def unsteadiness(notes: Sequence[Note]) -> float:
    """How much the pitch moves within a note: the median of the bends' standard deviations, in semitones."""
    settled = (note.bends[ATTACK_FRAMES:-RELEASE_FRAMES] for note in notes)
    spreads = [float(np.std(bends)) for bends in settled if len(bends) >= LEAST_FRAMES]
    return float(np.median(spreads)) if spreads else 0.0


def excerpts(audio: Audio) -> list[Audio]:
    """The parts of a song that are looked at; all of a short one."""
    if audio.duration <= EXCERPT_SECONDS:
        return [audio]
    parts = []
    for place in EXCERPT_PLACES:
        middle = min(max(place * audio.duration, EXCERPT_SECONDS / 2), audio.duration - EXCERPT_SECONDS / 2)
        start = max(0, int((middle - EXCERPT_SECONDS / 2) * audio.sample_rate))
        samples = audio.samples[:, start : start + int(EXCERPT_SECONDS * audio.sample_rate)]
        parts.append(Audio(samples, audio.sample_rate))
    return parts


def evidence(excerpt: Audio, played: Sequence[Note], heard: Sequence[Note]) -> PianoEvidence:
    """What an excerpt's piano notes and agnostic notes have to say; no notes speak against a piano."""
    sure = [note for note in heard if note.confidence > SURE]
    if not played or not sure:
        return PianoEvidence(0.0, 0.0, 0.0)
    explained = sum(
        any(
            note.pitch - key.pitch in GHOSTS and abs(note.onset - key.onset) <= SAME_ONSET_SECONDS
            for key in played
        )
        for note in sure
    )
    return PianoEvidence(explained / len(sure), *energy_shares(excerpt, played))


def energy_shares(excerpt: Audio, notes: Sequence[Note]) -> tuple[float, float]:
    """How much of the energy lies in the notes' partials: over all, and in nine audible frames of ten."""
    sound = resample(excerpt.mono(), SAMPLE_RATE).samples[0]
    padded = np.pad(sound, FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::FRAME_HOP]
    hz = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE).astype(np.float64)
    band = (hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ)
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)[:, band]) ** 2
    times = np.arange(len(power)) * FRAME_HOP / SAMPLE_RATE
    explained = np.zeros(power.shape, dtype=bool)
    for note in notes:
        sounding = (times > note.onset - BEFORE_SECONDS) & (times < note.offset + AFTER_SECONDS)
        explained |= sounding[:, np.newaxis] & near_partials(hz[band], note.pitch)
    total = power.sum(axis=1)
    audible = total > AUDIBLE * total.max()
    if not audible.any():
        return 0.0, 0.0
    heard = (power * explained).sum(axis=1)
    return float(heard.sum() / total.sum()), float(np.quantile(heard[audible] / total[audible], 0.1))


def near_partials(hz: npt.NDArray[np.float64], pitch: int) -> npt.NDArray[np.bool_]:
    """Which of the frequencies belong to a partial of a piano string."""
    number = np.arange(1, PARTIALS + 1)
    partials = 440 * 2 ** ((pitch - 69) / 12) * number * np.sqrt(1 + INHARMONICITY * number**2)
    width = np.maximum(MAIN_LOBE_HZ, PARTIAL_WIDTH * partials)
    return np.asarray((np.abs(hz[:, np.newaxis] - partials) <= width).any(axis=1))
