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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from separation.audio import Audio
from transcription.notes import Note

Floats = npt.NDArray[np.float64]

CHORD_SPAN_S = 0.035
"""Notes that begin within this time of each other are one event (spread of a chord by a pianist)."""
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
    ordered = sorted(notes, key=lambda note: note.onset)
    onset = np.array([note.onset for note in ordered])
    pitch = np.array([float(note.pitch) for note in ordered])
    velocity = np.array([float(note.velocity) for note in ordered])
    length = np.array([note.duration for note in ordered])
    drum = np.array([note.stem == "drums" for note in ordered])

    chord = chord_index(onset)
    count = int(chord[-1]) + 1
    weight = velocity * np.array([note.confidence for note in ordered]) + 1e-6
    times = np.bincount(chord, weight * onset, count) / np.bincount(chord, weight, count)
    size = np.bincount(chord, minlength=count).astype(float)

    loudest = maximum_by(chord, velocity, count)
    longest = maximum_by(chord, np.where(drum, 0.05, sounding_length(onset, pitch, length, drum)), count)
    lowest = -maximum_by(chord, np.where(drum, -128.0, -pitch), count)
    pitched = lowest < 128
    bass = bass_prominence(times, lowest, pitched)
    harmony, near, far = (
        harmonic_change(onset[~drum], pitch[~drum], length[~drum], times, span)
        for span in (HARMONY_S, NEAR_HARMONY_S, FAR_HARMONY_S)
    )
    log_length = np.log(np.clip(longest, 0.05, 2.0))

    kinds = np.array([note.pitch if note.stem == "drums" else -1 for note in ordered])
    kick = maximum_by(chord, np.isin(kinds, list(KICKS)).astype(float), count)
    snare = maximum_by(chord, np.isin(kinds, list(SNARES)).astype(float), count)
    crash = maximum_by(chord, np.isin(kinds, list(CRASHES)).astype(float), count)

    features = {
        "size": standardised(np.log2(size)),
        "loud": standardised(loudest - local_mean(times, loudest)),
        "long": standardised(log_length),
        "relative length": standardised(log_length - local_mean(times, log_length)),
        "bass": standardised(bass),
        "ground": standardised(is_lowest_around(times, lowest)),
        "near harmony": standardised(near),
        "harmony": standardised(harmony),
        "far harmony": standardised(far),
        "fresh": standardised(share_of_new_classes(onset, pitch, drum, chord, count)),
    }
    marks = np.zeros((count, 2))
    for name, values in features.items():
        marks += np.outer(values, WEIGHTS[name])
    for hit, weights in ((kick, KICK_WEIGHTS), (snare, SNARE_WEIGHTS), (crash, CRASH_WEIGHTS)):
        marks += np.outer(hit, weights)
    return Events(times, standardised(marks[:, 0]), standardised(marks[:, 1]))


def chord_index(onset: Floats) -> npt.NDArray[np.int64]:
    """The number of the chord of each sorted onset; a new one begins CHORD_SPAN_S after a chord's first."""
    index = np.zeros(len(onset), dtype=np.int64)
    first, number = onset[0], 0
    for i, time in enumerate(onset):
        if time - first > CHORD_SPAN_S:
            first, number = time, number + 1
        index[i] = number
    return index


def maximum_by(group: npt.NDArray[np.int64], values: Floats, count: int) -> Floats:
    result = np.full(count, -np.inf)
    np.maximum.at(result, group, values)
    return result


def sounding_length(onset: Floats, pitch: Floats, length: Floats, drum: npt.NDArray[np.bool_]) -> Floats:
    """How long each note is felt to last: until it ends, at most to the next onset near its pitch."""
    result = length.copy()
    for i in range(len(onset)):
        j = i + 1
        while j < len(onset) and onset[j] < onset[i] + result[i]:
            if onset[j] > onset[i] + CHORD_SPAN_S and abs(pitch[j] - pitch[i]) <= 5 and not drum[j]:
                result[i] = onset[j] - onset[i]
                break
            j += 1
    return result


def local_mean(times: Floats, values: Floats, span_s: float = 4.0) -> Floats:
    """The mean of the values within ``span_s`` around each of the sorted times."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    lo = np.searchsorted(times, times - span_s / 2, side="left")
    hi = np.searchsorted(times, times + span_s / 2, side="right")
    return np.asarray((total[hi] - total[lo]) / (hi - lo))


def bass_prominence(times: Floats, lowest: Floats, pitched: npt.NDArray[np.bool_]) -> Floats:
    """How far, in octaves, the lowest note of an event lies below what is around it."""
    if not pitched.any():
        return np.zeros(len(times))
    around = local_mean(times[pitched], lowest[pitched], 3.0)
    result = np.zeros(len(times))
    result[pitched] = np.clip((around - lowest[pitched]) / 12, -1.5, 1.5)
    return result


def is_lowest_around(times: Floats, lowest: Floats, span_s: float = 0.6) -> Floats:
    """1 where nothing within ``span_s`` before or after begins lower, else 0."""
    lo, hi = np.searchsorted(times, times - span_s), np.searchsorted(times, times + span_s)
    return np.array(
        [float(lowest[i] <= lowest[a:b].min()) for i, (a, b) in enumerate(zip(lo, hi, strict=True))]
    )


def share_of_new_classes(
    onset: Floats, pitch: Floats, drum: npt.NDArray[np.bool_], chord: npt.NDArray[np.int64], count: int
) -> Floats:
    """The share of each chord's notes whose pitch class has not begun for NEW_CLASS_S."""
    last = np.full(12, -np.inf)
    new, size = np.zeros(count), np.zeros(count)
    for i in np.flatnonzero(~drum):
        name = int(pitch[i]) % 12
        new[chord[i]] += onset[i] - last[name] > NEW_CLASS_S
        size[chord[i]] += 1
        last[name] = onset[i]
    return np.asarray(new / np.maximum(size, 1))


def harmonic_change(onset: Floats, pitch: Floats, length: Floats, times: Floats, span_s: float) -> Floats:
    """1 - the cosine between the pitch classes that sound in ``span_s`` after and before each time."""
    if not len(onset):
        return np.zeros(len(times))
    rate = 20
    frames = int((max(float(times[-1]), float((onset + length).max())) + 2 * span_s) * rate) + 2
    # Each note counts with its length, at most 1 s, laid down as +1 and -1 and summed up.
    edges = np.zeros((frames + 1, 12))
    start = np.rint(onset * rate).astype(int)
    stop = np.minimum(start + np.maximum(1, np.rint(np.minimum(length, 1.0) * rate).astype(int)), frames)
    classes = (pitch % 12).astype(int)
    bass_weight = 1.0 + (pitch < 52)
    np.add.at(edges, (start, classes), bass_weight)
    np.add.at(edges, (stop, classes), -bass_weight)
    sounding = np.cumsum(edges, axis=0)
    return chroma_change(sounding, rate, times, span_s)


def chroma_change(chroma: Floats, rate: float, times: Floats, span_s: float) -> Floats:
    """1 - the cosine between the chroma summed over ``span_s`` after and before each time."""
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(chroma, axis=0)])
    here = np.clip(np.rint(times * rate).astype(int), 0, len(chroma))
    width = int(span_s * rate)
    after = total[np.minimum(here + width, len(chroma))] - total[here]
    before = total[here] - total[np.maximum(here - width, 0)]
    norm = np.linalg.norm(after, axis=1) * np.linalg.norm(before, axis=1)
    cosine = np.einsum("ij,ij->i", after, before) / np.maximum(norm, 1e-9)
    return np.where(norm > 1e-9, 1 - cosine, 0.5)


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
