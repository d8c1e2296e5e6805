"""Drum notes: which drum is struck when.

Task: from a drum stem (or, less well, a full mix) to the strokes of kick, snare and hi-hat.

Method: onset-wise non-negative matrix factorisation with templates that start from what the drums have
in common and adapt to the recording, after Dittmar & Gärtner, "Real-time transcription and separation
of drum recordings based on NMF decomposition" (DAFx 2014), and Wu & Lerch, "Drum transcription using
partially fixed non-negative matrix factorization" (ISMIR 2015), from whom come the free components that
take up the other instruments.

1. The geometric mean magnitudes of 32 bands from 30 Hz to 16 kHz; what is factorised is their rise over
   40 ms, so that ringing cymbals, bass notes and chords weigh only where they begin.
2. KL-divergence NMF with one template per drum and a few free ones. The drums' templates are described
   by a handful of numbers (where a kick, a snare, a hi-hat and a tom have their energy), and are let go
   more with each iteration.
3. Each drum's strokes are the peaks of its activation that stand out of their neighbourhood and reach a
   share of the drum's own strong strokes in this recording.

Conventions: pitch is a General MIDI percussion key (36 kick, 38 snare, 42 closed hi-hat); a stroke has a
fixed length and ends where the same drum is struck again. Confidence grows with the stroke's strength.
The bands' emphasis, the free components and each drum's share were tuned together on rendered drum
kits and one recording; benchmarks/drums.py prints what they give.
Limits: cymbals and open hi-hats come as closed hi-hat, rim clicks as snare or hi-hat; soft ghost notes
are missed; in a full mix the bass may be heard as kick and consonants as hi-hat.
Memory grows by about 5 MB per minute of song on top of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from fullscore.engines import Progress, option, silent
from separation.audio import Audio, resample
from transcription.notes import Note

Matrix = npt.NDArray[np.float32]

SAMPLE_RATE = 44100
HOP = 441
HOP_S = HOP / SAMPLE_RATE
WINDOW = 2048  # samples (46 ms)
FRAMES_AT_ONCE = 4096  # bounds the memory of the short-time spectra

BANDS = 32
LOWEST_HZ, HIGHEST_HZ = 30.0, 16000.0
EMPHASIS = 0.8  # bands are weighted by frequency to this power: as loud in the treble as in the bass
RISE_FRAMES = 2  # the rise at a frame is from this many frames before it to as many after

ITERATIONS = 30
SETTLING = 10  # iterations of the activations alone, at the end
FREE_HZ = (250.0, 1000.0)  # where the free components start: other instruments, away from kick and hi-hat
FREE_OCTAVES = 1.0
FREE_COST = 0.3  # makes an explanation by free components dearer than by a drum
FLOOR = 1e-9
POWER_FLOOR = 1e-12  # -120 dB

PEAK_REACH = 3  # frames either side in which a stroke is the strongest
NEIGHBOURHOOD = 25  # frames either side over which the background is averaged
STRONG_PERCENTILE = 95.0  # of the peaks above WEAK of the strongest: the drum's strong strokes
WEAK = 0.05
SILENCE = 1e-4  # band magnitude rise below which nothing is a stroke (a full-scale click reaches about 1)
VELOCITY_OF_STRONG = 110
STROKE_S = 0.1


@dataclass(frozen=True, slots=True)
class Drum:
    """A drum's percussion key, and what its strokes have at least.

    ``share``: of the activation of its strong strokes; ``part``: of all amplitude that rises at the time.
    """

    key: int | None  # None: only there to take up what would be mistaken for another
    share: float
    part: float


KICK, SNARE, HIHAT, TOM = (
    Drum(36, 0.35, 0.2),
    Drum(38, 0.4, 0.05),
    Drum(42, 0.15, 0.001),
    Drum(None, 1.0, 1.0),
)
DRUMS = (KICK, SNARE, HIHAT, TOM)


@dataclass(frozen=True, slots=True)
class DrumsSettings:
    """Options of the drum engine."""

    sensitivity: float = option(
        1.0, "above 1 more and softer strokes, below 1 fewer and surer ones", minimum=0.3, maximum=3.0
    )


@dataclass(frozen=True, slots=True)
class DrumActivations:
    """What is heard of the drums in ``DRUMS`` (then the free components), of shape (components, frames).

    ``amplitudes`` are without the bands' emphasis; ``duration`` is the recording's (seconds).
    """

    activations: Matrix
    amplitudes: Matrix
    duration: float


_NOTHING = np.zeros((len(DRUMS), 0), np.float32)
NO_ACTIVATIONS = DrumActivations(_NOTHING, _NOTHING, 0.0)


class Drums:
    """The strokes of kick, snare and hi-hat."""

    def __init__(self, settings: DrumsSettings | None = None) -> None:
        self.settings = settings or DrumsSettings()

    def __call__(self, audio: Audio, progress: Progress = silent) -> tuple[Note, ...]:
        """The strokes in ``audio``, by onset, then key."""
        found = self.notes(self.listen(audio, progress))
        progress(1.0, "telling the drums apart")
        return found

    def listen(self, audio: Audio, progress: Progress = silent) -> DrumActivations:
        """How strongly each drum is struck in every frame of ``audio``."""
        if audio.duration < HOP_S:
            return NO_ACTIVATIONS
        progress(0.0, "listening for drums")
        rises = band_rises(band_magnitudes(audio))
        if float(rises.max()) < SILENCE:
            return NO_ACTIVATIONS
        progress(0.4, "telling the drums apart")
        return DrumActivations(*factorise(rises, progress), audio.duration)

    def notes(self, heard: DrumActivations) -> tuple[Note, ...]:
        """The strokes in the activations, by onset, then key."""
        if not heard.activations.size:
            return ()
        notes: list[Note] = []
        part = heard.amplitudes / np.maximum(heard.amplitudes.sum(axis=0), FLOOR)
        for index, drum in enumerate(DRUMS):
            if drum.key is not None:
                own = np.where(part[index] >= drum.part, heard.activations[index], np.float32(0.0))
                notes += strokes(own, drum, self.settings.sensitivity, heard.duration)
        return tuple(sorted(notes, key=lambda note: (note.onset, note.pitch)))


def band_edges() -> npt.NDArray[np.float64]:
    return np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1)


def band_centers() -> npt.NDArray[np.float64]:
    edges = band_edges()
    return np.asarray(np.sqrt(edges[1:] * edges[:-1]))


def emphasis() -> npt.NDArray[np.float64]:
    return np.asarray((band_centers() / 1000.0) ** EMPHASIS)


def band_magnitudes(audio: Audio) -> Matrix:
    """Geometric mean of each band's magnitudes, weighted by frequency, of shape (frames, bands).

    The geometric mean hears the noise of snares and cymbals rather than the partials of other instruments.
    """
    samples = resample(audio.mono(), SAMPLE_RATE).samples[0]
    frequencies = np.fft.rfftfreq(WINDOW, 1.0 / SAMPLE_RATE)
    edges, centers = band_edges(), band_centers()
    reach = 0.75 * SAMPLE_RATE / WINDOW  # a band narrower than a bin still gets its nearest ones
    low = np.minimum(edges[:-1], centers - reach)
    high = np.maximum(edges[1:], centers + reach)
    member = ((frequencies >= low[:, None]) & (frequencies < high[:, None])).astype(np.float64)
    weights = member / member.sum(axis=1, keepdims=True)
    window = np.hanning(WINDOW) / (WINDOW / 4)
    frames = len(samples) // HOP + 1
    padded = np.pad(samples, (WINDOW // 2, WINDOW))
    views = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:frames]
    magnitudes = np.empty((frames, BANDS), np.float32)
    for start in range(0, frames, FRAMES_AT_ONCE):
        power = np.abs(np.fft.rfft(views[start : start + FRAMES_AT_ONCE] * window, axis=1)) ** 2
        magnitudes[start : start + FRAMES_AT_ONCE] = np.exp(0.5 * np.log(power + POWER_FLOOR) @ weights.T)
    magnitudes *= emphasis()
    return magnitudes


def band_rises(magnitudes: Matrix) -> Matrix:
    """How much each band rises around each frame, of the same shape."""
    padded = np.pad(magnitudes, ((RISE_FRAMES, RISE_FRAMES), (0, 0)))
    padded[-RISE_FRAMES:] = magnitudes[-1:]
    return np.asarray(np.maximum(padded[2 * RISE_FRAMES :] - padded[: -2 * RISE_FRAMES], 0.0))


def initial_templates() -> Matrix:
    """Where the drums of ``DRUMS`` have their energy, of shape (bands, drums), each summing to one."""
    centers = band_centers()

    def around(hz: float, octaves: float) -> npt.NDArray[np.float64]:
        return np.asarray(np.exp(-0.5 * (np.log2(centers / hz) / octaves) ** 2))

    def above(hz: float, octaves: float) -> npt.NDArray[np.float64]:
        return np.asarray(expit(2.0 * np.log2(centers / hz) / octaves))

    kick = around(65, 0.65) + 0.04 * around(2500, 1.5)  # the head, and the beater's click
    snare = 0.8 * around(200, 0.45) + 0.35 * above(300, 0.5) * (1.0 - above(9000, 0.5))  # head and wires
    hihat = 0.6 * above(5000, 0.4) + 0.06 * above(400, 0.5)
    tom = around(130, 0.4)
    templates = np.stack([kick, snare, hihat, tom], axis=1) * emphasis()[:, None]
    return np.asarray(templates / templates.sum(axis=0), dtype=np.float32)


def factorise(rises: Matrix, progress: Progress = silent) -> tuple[Matrix, Matrix]:
    """Activations and amplitudes (without emphasis), drums first, then the free, by partly adaptive NMF.

    Both have the shape (components, frames).
    """
    start = initial_templates()
    drums = start.shape[1]
    free = np.exp(-0.5 * (np.log2(band_centers()[:, None] / FREE_HZ) / FREE_OCTAVES) ** 2) + 0.01
    templates = np.concatenate([start, free / free.sum(axis=0)], axis=1).astype(np.float32)
    cost = np.ones((templates.shape[1], 1), np.float32)
    cost[drums:] += FREE_COST
    target = rises.T + np.float32(FLOOR)
    activations = np.tile(target.sum(axis=0) / templates.shape[1], (templates.shape[1], 1))
    for iteration in range(ITERATIONS + SETTLING):
        progress(0.4 + 0.5 * iteration / (ITERATIONS + SETTLING), "telling the drums apart")
        activations *= templates.T @ (target / (templates @ activations + FLOOR)) / cost
        if iteration >= ITERATIONS:
            continue
        ratio = target / (templates @ activations + FLOOR)
        adapted = templates * (ratio @ activations.T)
        adapted /= np.maximum(adapted.sum(axis=0), FLOOR)
        freedom = (iteration + 1) / ITERATIONS
        templates[:, drums:] = adapted[:, drums:]
        templates[:, :drums] = (1.0 - freedom) * start + freedom * adapted[:, :drums]
    loudness = (templates / emphasis()[:, None]).sum(axis=0)
    return np.asarray(activations, dtype=np.float32), np.asarray(activations * loudness[:, None], np.float32)


def strokes(activation: Matrix, drum: Drum, sensitivity: float, duration: float) -> list[Note]:
    """The notes of one drum from its activation."""
    assert drum.key is not None
    peaks = peak_frames(activation)
    heights = activation[peaks]
    if not len(peaks) or float(heights.max()) < SILENCE:
        return []
    strong = float(np.percentile(heights[heights >= WEAK * heights.max()], STRONG_PERCENTILE))
    threshold = drum.share * strong / sensitivity + background(activation)[peaks]
    kept = (heights > threshold) & (peaks * HOP_S < duration)
    times = peaks[kept] * HOP_S
    ends = np.minimum(times + STROKE_S, np.append(times[1:], np.inf))
    return [
        Note(
            onset=float(time),
            offset=float(end),
            pitch=drum.key,
            velocity=int(np.clip(round(VELOCITY_OF_STRONG * (height / strong) ** 0.5), 1, 127)),
            confidence=float(np.clip(1.0 - 0.5 * limit / height, 0.0, 1.0)),
        )
        for time, end, height, limit in zip(times, ends, heights[kept], threshold[kept], strict=True)
    ]


def peak_frames(activation: Matrix) -> npt.NDArray[np.intp]:
    """Frames at which the activation is the largest within PEAK_REACH."""
    padded = np.pad(activation, PEAK_REACH)
    largest = np.lib.stride_tricks.sliding_window_view(padded, 2 * PEAK_REACH + 1).max(axis=1)
    return np.flatnonzero((activation >= largest) & (activation > FLOOR))


def background(activation: Matrix) -> npt.NDArray[np.float64]:
    """The mean activation around each frame."""
    total = np.concatenate([[0.0], np.cumsum(activation, dtype=np.float64)])
    frames = np.arange(len(activation))
    first, last = np.maximum(frames - NEIGHBOURHOOD, 0), np.minimum(frames + NEIGHBOURHOOD + 1, len(frames))
    return np.asarray((total[last] - total[first]) / (last - first))
