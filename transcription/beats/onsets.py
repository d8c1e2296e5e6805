"""Rhythmic events: what in the notes and the sound can mark a beat.

An event is a moment at which something begins: a chord of notes, or a peak of the spectral flux
where no note is near. Each carries two marks in standard deviations over the piece: its
``accent`` (how much it stands out: chord size, duration, loudness, bass) and its ``downbeat``
evidence (bass, change of harmony, new pitch classes, length, kick and snare).

Method: accents after Lerdahl and Jackendoff's metrical preference rules (A Generative Theory of
Tonal Music, 1983); spectral flux as in Böck and Widmer (DAFx 2013) without its vibrato filter;
change of harmony as the cosine distance between what sounds after and before.

Conventions: times in seconds; features are arrays with one value per event.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from separation.audio import Audio
from transcription.beats.clusters import (
    chroma_change,
    clusters_of,
    felt_length,
    fresh_share,
    harmonic_change,
    local_mean,
    maximum_by,
    note_arrays,
    running_minimum,
)
from transcription.notes import Note

Floats = npt.NDArray[np.float64]

CHORD_SPAN_S = 0.035
"""Notes that begin within this time of each other are one event (spread of a chord by a pianist). Grouped by
the gaps between them, as for the network, the beats of piano pieces are found a little better (F .633 for
.624 in ``benchmarks.beats``), but the bars of the one annotated band are lost."""
FRAME_RATE_HZ = 100
FFT_S = 0.046
MEL_BANDS = 40
LOW_BAND_HZ = 150.0
SAME_EVENT_S = 0.05
"""A peak of the flux this close to a note's onset is that onset."""
KICKS = frozenset({35, 36})
SNARES = frozenset({37, 38, 39, 40})
CRASHES = frozenset({49, 52, 55, 57})
HARMONY_S, NEAR_HARMONY_S, FAR_HARMONY_S = 1.0, 0.4, 2.0
"""How long the harmony before and after an event is compared."""
NEW_CLASS_S = 1.2
"""A pitch class that has not begun for so long is new."""
GROUND_S, AROUND_S = 0.6, 4.0
"""A note is the ground if none within GROUND_S is lower; loudness and length are compared with their mean
over AROUND_S."""
DRUM_FELT_S = 0.05
"""How long a drum is felt to sound."""
MARK_LIMIT = 2.5
"""Marks are cut at this many standard deviations, so that no single event decides."""

WEIGHTS = {
    "size": (0.6, 0.1),
    "loud": (0.1, 0.05),
    "long": (0.4, 0.1),
    "relative length": (0.5, 0.3),
    "bass": (0.1, 0.15),
    "ground": (0.15, 0.25),
    "near harmony": (0.35, 0.0),
    "harmony": (0.05, 0.25),
    "far harmony": (0.05, 0.1),
    "fresh": (0.05, 0.25),
}
"""How much each feature of a chord says for an accent and for a downbeat: near the weights with which
logistic regression tells beats from other events, and downbeats from other beats, in played scores of
the music21 corpus. Loudness and bass, of which those scores have little, are weighed by hand."""
KICK_WEIGHTS, SNARE_WEIGHTS, CRASH_WEIGHTS = (0.8, 0.8), (0.8, -1.0), (0.5, 1.2)
"""The same for drums: kick on the first beat, snare on the off-beats, crash where a section begins."""


@dataclass(frozen=True, slots=True)
class Events:
    """Moments at which something begins, in order of time, with their marks (see the module)."""

    times: Floats
    accent: Floats
    downbeat: Floats

    def __len__(self) -> int:
        return len(self.times)


def events_of(notes: Sequence[Note], audio: Audio | None) -> Events:
    """The events of the notes, and those that only the sound shows."""
    heard = note_events(notes)
    if audio is None:
        return heard
    sound = sound_events(audio)
    if not len(heard):
        return sound
    if not len(sound):
        return heard
    return merged(heard, sound)


def standardised(values: Floats) -> Floats:
    """Zero mean and unit deviation, cut at MARK_LIMIT; zeros where nothing varies."""
    deviation = float(values.std()) if len(values) else 0.0
    if deviation < 1e-9:
        return np.zeros_like(values)
    return np.asarray(np.clip((values - values.mean()) / deviation, -MARK_LIMIT, MARK_LIMIT))


def note_events(notes: Sequence[Note]) -> Events:
    """Chords of notes as events, marked by what a reader of the score would call an accent."""
    if not notes:
        return Events(np.zeros(0), np.zeros(0), np.zeros(0))
    notes = sorted(notes, key=lambda note: note.onset)
    onset, offset, pitch, velocity, drum = note_arrays(notes)
    tuned, length = ~drum, offset - onset
    chord = clusters_of(onset, math.inf, CHORD_SPAN_S).group
    count = int(chord[-1]) + 1
    weight = velocity * np.array([note.confidence for note in notes]) + 1e-6
    times = np.bincount(chord, weight * onset, count) / np.bincount(chord, weight, count)
    size = np.bincount(chord, minlength=count).astype(float)

    loudest = maximum_by(chord, velocity, count)
    felt = np.full(len(onset), DRUM_FELT_S)
    felt[tuned] = felt_length(onset[tuned], pitch[tuned], length[tuned], least_s=0.0)
    log_length = np.log(np.clip(maximum_by(chord, felt, count), 0.05, 2.0))
    lowest = -maximum_by(chord, np.where(drum, -128.0, -pitch), count)
    begin, end = np.searchsorted(times, [times - GROUND_S, times + GROUND_S])
    harmony, near, far = (
        harmonic_change(onset[tuned], pitch[tuned], length[tuned], times, span)
        for span in (HARMONY_S, NEAR_HARMONY_S, FAR_HARMONY_S)
    )
    pitched_notes = np.maximum(np.bincount(chord[tuned], minlength=count), 1.0)

    features = {
        "size": standardised(np.log2(size)),
        "loud": standardised(loudest - local_mean(times, loudest, AROUND_S)),
        "long": standardised(log_length),
        "relative length": standardised(log_length - local_mean(times, log_length, AROUND_S)),
        "bass": standardised(bass_prominence(times, lowest, lowest < 128)),
        "ground": standardised((lowest <= running_minimum(lowest, begin, end)).astype(float)),
        "near harmony": standardised(near),
        "harmony": standardised(harmony),
        "far harmony": standardised(far),
        "fresh": standardised(fresh_share(onset, pitch, tuned, chord, pitched_notes, NEW_CLASS_S)),
    }
    marks = np.zeros((count, 2))
    for name, values in features.items():
        marks += np.outer(values, WEIGHTS[name])
    for keys, weights in ((KICKS, KICK_WEIGHTS), (SNARES, SNARE_WEIGHTS), (CRASHES, CRASH_WEIGHTS)):
        struck = drum & np.isin(pitch, list(keys))
        marks += np.outer(maximum_by(chord, struck.astype(float), count), weights)
    return Events(times, standardised(marks[:, 0]), standardised(marks[:, 1]))


def bass_prominence(times: Floats, lowest: Floats, pitched: npt.NDArray[np.bool_]) -> Floats:
    """How far, in octaves, the lowest note of an event lies below what is around it."""
    if not pitched.any():
        return np.zeros(len(times))
    around = local_mean(times[pitched], lowest[pitched], 3.0)
    result = np.zeros(len(times))
    result[pitched] = np.clip((around - lowest[pitched]) / 12, -1.5, 1.5)
    return result


def sound_events(audio: Audio) -> Events:
    """Peaks of the spectral flux as events."""
    flux, low, chroma = spectral_flux(audio)
    if len(flux) < 5 or float(flux.max()) <= 0:
        return Events(np.zeros(0), np.zeros(0), np.zeros(0))
    level = uniform_filter1d(flux, FRAME_RATE_HZ // 2) + 0.1 * float(np.percentile(flux, 95))
    # A running mean of zeros can come out below zero.
    peak = (flux == maximum_filter1d(flux, 7)) & (flux > np.maximum(level, 0.0))
    frames = np.flatnonzero(peak)
    if not len(frames):
        return Events(np.zeros(0), np.zeros(0), np.zeros(0))
    times = frames / FRAME_RATE_HZ
    loud = standardised(np.log(flux[frames]))
    bass = standardised(np.log1p(maximum_filter1d(low, 5)[frames]))
    harmony = standardised(chroma_change(chroma, FRAME_RATE_HZ, times, 1.0))
    accent = standardised(loud + 0.5 * bass + 0.3 * harmony)
    downbeat = standardised(0.5 * loud + 0.8 * bass + 0.4 * harmony)
    return Events(times, accent, downbeat)


def spectral_flux(audio: Audio) -> tuple[Floats, Floats, Floats]:
    """Rise of the log mel spectrum, the same below LOW_BAND_HZ, and chroma, at FRAME_RATE_HZ."""
    from librosa.filters import mel  # slow to import, and not needed for notes

    signal = np.nan_to_num(audio.mono().samples[0])
    rate = audio.sample_rate
    size = 2 ** int(np.ceil(np.log2(FFT_S * rate)))
    frames = int(len(signal) / rate * FRAME_RATE_HZ) + 1
    window = np.hanning(size).astype(np.float32)
    bank = mel(sr=rate, n_fft=size, n_mels=MEL_BANDS, fmin=30.0, fmax=min(11000.0, rate / 2))
    low_bins = slice(1, max(2, int(LOW_BAND_HZ * size / rate) + 1))
    classes = pitch_class_of_bins(size, rate)
    scale = 1.0 / max(float(np.abs(signal).max()), 1e-6) if len(signal) else 1.0
    # A frame's energy is felt at its centre; half a window of silence in front makes frame k centre at k.
    padded = np.concatenate([np.zeros(size // 2, np.float32), signal * scale, np.zeros(size, np.float32)])
    flux, low, chroma = np.zeros(frames), np.zeros(frames), np.zeros((frames, 12))
    previous, previous_low = None, None
    block = 1000
    for begin in range(0, frames, block):
        starts = np.rint(np.arange(begin, min(begin + block, frames)) * rate / FRAME_RATE_HZ).astype(int)
        spectrum = np.abs(np.fft.rfft(padded[starts[:, None] + np.arange(size)] * window, axis=1))
        bands = np.log1p(10.0 * (spectrum @ bank.T) * np.sqrt(size))
        lows = np.log1p(spectrum[:, low_bins].sum(axis=1))
        lag = 2
        if previous is None:
            previous, previous_low = np.zeros((lag, MEL_BANDS)), np.zeros(lag)
        extended = np.concatenate([previous, bands])
        # Compared with the strongest neighbouring band before, a gliding tone makes no onset.
        reference = maximum_filter1d(extended[:-lag], 3, axis=1)
        flux[begin : begin + len(starts)] = np.maximum(bands - reference, 0).sum(axis=1)
        extended_low = np.concatenate([previous_low, lows])
        low[begin : begin + len(starts)] = np.maximum(lows - extended_low[:-lag], 0)
        chroma[begin : begin + len(starts)] = np.sqrt(spectrum[:, 1:]) @ classes[1:]
        previous, previous_low = extended[-lag:], extended_low[-lag:]
    chroma -= np.minimum(chroma.min(axis=1, keepdims=True), chroma)
    return flux, low, chroma


def pitch_class_of_bins(size: int, rate: int) -> Floats:
    """Which pitch class each FFT bin between 60 Hz and 2 kHz belongs to, as a 0/1 matrix."""
    frequency = np.arange(size // 2 + 1) * rate / size
    member = np.zeros((len(frequency), 12))
    inside = (frequency > 60) & (frequency < 2000)
    classes = np.rint(69 + 12 * np.log2(np.maximum(frequency, 1) / 440)).astype(int) % 12
    member[np.flatnonzero(inside), classes[inside]] = 1
    return member


def merged(heard: Events, sound: Events) -> Events:
    """Both kinds of events in one row; where they coincide the note's time and the mean of the marks."""
    nearest = nearest_index(sound.times, heard.times)
    together = np.abs(sound.times[nearest] - heard.times) <= SAME_EVENT_S
    # A note that the flux doesn't show is a weak event, and so is a peak without a note.
    accent = np.where(together, heard.accent + 0.5 * sound.accent[nearest], heard.accent - 0.5)
    downbeat = np.where(together, heard.downbeat + 0.5 * sound.downbeat[nearest], heard.downbeat)
    alone = np.ones(len(sound), dtype=bool)
    alone[nearest[together]] = False
    beside = heard.times[nearest_index(heard.times, sound.times)]
    alone &= np.abs(sound.times - beside) > SAME_EVENT_S
    times = np.concatenate([heard.times, sound.times[alone]])
    order = np.argsort(times, kind="stable")
    return Events(
        times[order],
        standardised(np.concatenate([accent, sound.accent[alone] - 0.5])[order]),
        standardised(np.concatenate([downbeat, sound.downbeat[alone]])[order]),
    )


def nearest_index(times: Floats, wanted: Floats) -> npt.NDArray[np.int64]:
    """For each of ``wanted`` the index of the nearest of the sorted ``times``."""
    right = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(times[left] - wanted) <= np.abs(times[right] - wanted), left, right)
