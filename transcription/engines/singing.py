"""Notes of one singing voice.

Task: from a recording of a voice (a vocal stem, or a mix in which a voice leads) to the notes sung,
one at a time, with vibrato and glides kept inside the note as bends instead of breaking it up.

Method, in three steps:

1. Pitch evidence per frame, on a grid of 20 cents, from three witnesses. The candidates of YIN weighted
   by a prior over its threshold (pYIN: Mauch & Dixon 2014) are exact on a clean voice but blind under
   accompaniment. The contour posteriorgram of Basic Pitch (Bittner et al. 2022) is coarser but trained
   on mixtures; it is weighted by a harmonic summation of the middle of the stereo image above the bass,
   which prefers the voice to other instruments. Together they also say how likely a frame is sung.
2. A hidden Markov model of notes, after Tony (Mauch et al. 2015): silence, and per note an attack of a
   fixed number of frames, where the pitch may still be gliding, followed by a stable part. Unlike Tony
   it reads the whole pitch distribution of a frame rather than one decided f0, so an octave error of
   the moment can be outvoted by the note around it; a new note is cheaper where Basic Pitch
   hears an onset, which finds the repeated note. Viterbi decoding gives the notes.
3. Per note: pitch is the median of its f0 after the attack, bends are its f0, velocity its level,
   confidence the mean probability that the frames were sung near that pitch. Beside other instruments, notes
   that are short, soft and of little confidence are rather theirs than the voice's, and are dropped.

Conventions: frame t is centred on t * 256 / 22050 s; pitch in MIDI numbers.
Limits: one voice (of a choir the strongest); in a mix a louder melodic instrument in the middle is taken
for the voice, also where nobody sings. Memory beyond the samples grows by some 20 MB per minute of song,
most of it Basic Pitch's posteriorgrams.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d
from scipy.special import betainc, expit

from fullscore.engines import Progress, option, silent
from separation.audio import Audio
from transcription.engines.basicpitch import (
    CONTOUR_BINS,
    HOP,
    LOWEST_PITCH,
    SAMPLE_RATE,
    BasicPitch,
    BasicPitchSettings,
    at_model_rate,
)
from transcription.notes import Note

Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

HOP_S = HOP / SAMPLE_RATE
BLOCK = 1024  # frames worked on at once (12 s): bounds the memory of everything that is not kept

# Pitch grid.
BINS_PER_SEMITONE = 5
NOTES_PER_SEMITONE = (
    3  # note states lie between the semitones too: singers are seldom in tune with A = 440 Hz
)

# YIN.
YIN_WINDOW = 2048  # samples (93 ms): two periods of the lowest voice
THRESHOLD_PRIOR = (2.0, 18.0)  # Beta distribution of YIN's threshold, mean 0.1: pYIN's own choice

# Basic Pitch's posteriorgrams.
CONTOUR_BIN_OF_A0 = 1  # found with synthetic tones: the contour peaks one bin above 3 * (pitch - 21)
CONTOUR_FLOOR = 0.2  # what the contour shows where nothing sounds
CONTOUR_VOICED = 0.28  # share of the clearest tones' contour at which a frame is as likely sung as not
CONTOUR_VOICED_RANGE = (0.12, 0.22)
CONTOUR_VOICED_WIDTH = 0.1
CONTOUR_WEIGHT = 0.9  # the most that the contour alone can say for a frame being sung
ONSET_FLOOR, ONSET_SPAN = 0.15, 0.5  # onset posterior read as 0 below the floor, as 1 from floor + span

# Harmonic salience; tuned on the share of sung frames right in two mixes of one singer.
SALIENCE_WINDOW = 4096  # samples (186 ms): parts the low partials of a mix
SALIENCE_FFT = 8192
SALIENCE_FROM_HZ, SALIENCE_TO_HZ = 300.0, 6000.0
SALIENCE_HARMONICS = 16
HARMONIC_DECAY = 0.85
WHITENING_BINS = 60  # 160 Hz
SIDE_WEIGHT = 2.0
SIDE_FLOOR = 0.1  # a voice on one side only is still heard
SALIENCE_POWER = 3.0

# Level.
SWELL_WINDOW = 512  # samples (23 ms): short enough to see the dip that a consonant makes
SWELL_REACH = 5  # frames (58 ms) in which the level falls and comes back
SWELL_FLOOR_DB, SWELL_SPAN_DB = 9.0, 9.0  # a rise read as 0 below the floor, as 1 from floor + span
GATE_DB = 25.0  # a frame this far below the loud ones (95th percentile) is as likely leakage as song
GATE_WIDTH_DB = 3.0
SILENCE_DB = -65.0  # below full scale: never sung
VELOCITY_OF_LOUD = 100  # velocity at the 95th percentile of level
VELOCITY_PER_DB = 2.0

# Note model; costs in nats. Tuned by hand on one solo recording and two mixes, each in the middle of a
# plateau: a quarter more or less of any changes F on the solo recording by about 0.05 at most.
ATTACK_FRAMES = 5  # 58 ms
STABLE_SPREAD = 0.7  # semitones; vibrato stays inside
ATTACK_SPREAD = 1.5  # semitones; a scoop from below stays inside
NEW_NOTE_COST = 8.0
ONSET_REWARD = 3.5
SWELL_REWARD = 12.0
REPEAT_COST = 2.0  # extra, for a new note within a semitone of the last
LEAP_COST = 0.1  # per semitone, up to an octave
SILENCE_COST = 0.5
EMISSION_FLOOR = 1e-3
PITCH_MARGIN = 1.5  # semitones around a note's state in which its f0 is looked for

# Log odds that a note is the voice's; a logistic regression over the notes in vocal stems of the half
# `tuning` of benchmarks/stem_notes.py. Notes are dropped below one in five, where real songs gained most.
VOICE_BIAS, VOICE_PER_CONFIDENCE, VOICE_PER_DB, VOICE_PER_OCTAVE_OF_SECONDS = -0.8, 6.3, 0.54, 0.68
LEAST_LOG_ODDS = -1.5
ALONE_CONFIDENCE = 0.8  # median over the notes; a voice alone has .85, in a mix or a poor stem .57 to .74


@dataclass(frozen=True, slots=True)
class SingingSettings:
    """Options of the singing engine."""

    lowest: int = option(40, "lowest note looked for (MIDI number)", minimum=30, maximum=80)
    highest: int = option(84, "highest note looked for (MIDI number)", minimum=40, maximum=100)
    shortest_s: float = option(0.08, "shortest note kept, in seconds", minimum=0.0, maximum=0.5)
    doubtful: bool = option(False, "keep notes that are rather another instrument's than the voice's")

    def __post_init__(self) -> None:
        if self.highest - self.lowest < 12:
            raise ValueError(
                f"the range of a voice is at least an octave, not {self.lowest} to {self.highest}"
            )


@dataclass(frozen=True, slots=True)
class PitchEvidence:
    """What is heard, frame by frame.

    ``pitch`` of shape (frames, pitches) sums over pitches to the probability that the frame is sung;
    ``onset`` of shape (frames, 88) is Basic Pitch's; ``swell`` (frames,) says from 0 to 1 how clearly the
    level comes out of a dip; ``level_db`` (frames,) is relative to the loud frames. ``duration`` is that of
    the recording (seconds).
    """

    pitch: npt.NDArray[np.float16]
    onset: Array
    swell: Array
    level_db: Array
    duration: float


@dataclass(frozen=True, slots=True)
class SungSegment:
    """One decoded note: frames from ``start`` to before ``stop``, around ``center`` (MIDI)."""

    start: int
    stop: int
    center: float


class Singing:
    """The notes of one voice."""

    def __init__(self, settings: SingingSettings | None = None) -> None:
        self.settings = settings or SingingSettings()
        semitones = self.settings.highest - self.settings.lowest
        self.grid = self.settings.lowest + np.arange(semitones * BINS_PER_SEMITONE + 1) / BINS_PER_SEMITONE
        self.centers = (
            self.settings.lowest + np.arange(semitones * NOTES_PER_SEMITONE + 1) / NOTES_PER_SEMITONE
        )
        self._network = BasicPitch(BasicPitchSettings())

    def __call__(self, audio: Audio, progress: Progress = silent) -> tuple[Note, ...]:
        """The notes sung in ``audio``, in order, never two at once."""
        evidence = self.listen(audio, progress)
        progress(0.9, "finding notes")
        found = self.notes(evidence)
        progress(1.0, "finding notes")
        return found

    def notes(self, evidence: PitchEvidence) -> tuple[Note, ...]:
        """The notes that the evidence speaks for, in order, never two at once."""
        segments = decode_notes(evidence, self.grid, self.centers)
        notes = (self._note(segment, evidence) for segment in segments)
        found = [note for note in notes if note is not None]
        return tuple(found if self.settings.doubtful else without_doubtful(found))

    def listen(self, audio: Audio, progress: Progress = silent) -> PitchEvidence:
        """The evidence for pitch, voice and onsets in every frame of ``audio``."""
        heard = self._network.listen(audio, lambda share, message: progress(0.7 * share, message))
        frames = len(heard.times)
        if not frames:
            nothing = np.empty(0, np.float32)
            return PitchEvidence(
                np.empty((0, len(self.grid)), np.float16), heard.onset, nothing, nothing, 0.0
            )
        samples = np.concatenate(list(at_model_rate(audio)))
        side = np.concatenate(list(at_model_rate(side_of(audio)))) if audio.channels == 2 else None
        level = level_db(samples, frames, YIN_WINDOW)
        loud = max(float(np.percentile(level, 95)), SILENCE_DB + GATE_DB)
        gate = expit((level - loud + GATE_DB) / GATE_WIDTH_DB, dtype=np.float64) * (level > SILENCE_DB)
        clear = float(np.percentile(heard.contour.max(axis=1), 90))
        pitch = np.empty((frames, len(self.grid)), np.float16)
        for start in range(0, frames, BLOCK):
            progress(0.7 + 0.2 * start / frames, "following the voice")
            block = slice(start, min(start + BLOCK, frames))
            yin = yin_candidates(samples, block.start, block.stop, self.grid)
            salience = harmonic_salience(samples, side, block.start, block.stop, self.grid)
            contour = contour_at(heard.contour[block], self.grid)
            pitch[block] = join(yin, contour, salience, clear) * gate[block, None]
        swell = swells(level_db(samples, frames, SWELL_WINDOW)).astype(np.float32)
        return PitchEvidence(pitch, heard.onset, swell, (level - loud).astype(np.float32), audio.duration)

    def _note(self, segment: SungSegment, evidence: PitchEvidence) -> Note | None:
        """The note of a segment; None if it is too short or nothing is left of it."""
        onset, offset = segment.start * HOP_S, min(segment.stop * HOP_S, evidence.duration)
        if offset - onset < max(self.settings.shortest_s, HOP_S / 2):
            return None
        f0, sung = follow(evidence.pitch[segment.start : segment.stop], self.grid, segment.center)
        pitch = round(stable_pitch(f0, sung))
        level = float(np.percentile(evidence.level_db[segment.start : segment.stop], 75))
        return Note(
            onset,
            offset,
            pitch,
            velocity=int(np.clip(round(VELOCITY_OF_LOUD + VELOCITY_PER_DB * level), 1, 127)),
            confidence=float(np.clip(sung.mean(), 0.0, 1.0)),
            bends=tuple(round(float(x), 3) for x in f0 - pitch),
        )


def without_doubtful(notes: list[Note]) -> list[Note]:
    """The notes that are the voice's, as far as can be told; all of them where it is heard alone."""
    if not notes or np.median([note.confidence for note in notes]) >= ALONE_CONFIDENCE:
        return notes
    return [note for note in notes if voice_log_odds(note) > LEAST_LOG_ODDS]


def voice_log_odds(note: Note) -> float:
    """Log odds that a note heard in a voice's company is the voice's."""
    level_db = (note.velocity - VELOCITY_OF_LOUD) / VELOCITY_PER_DB
    return float(
        VOICE_BIAS
        + VOICE_PER_CONFIDENCE * note.confidence
        + VOICE_PER_DB * level_db
        + VOICE_PER_OCTAVE_OF_SECONDS * np.log2(note.duration)
    )


def frame_windows(samples: Array, start: int, stop: int, length: int) -> Doubles:
    """Windows of ``length`` samples centred on frames ``start`` to ``stop``, zeros beyond both ends."""
    first, last = start * HOP - length // 2, (stop - 1) * HOP - length // 2 + length
    piece = np.pad(samples[max(first, 0) : max(last, 0)], (max(-first, 0), max(last - len(samples), 0)))
    return np.lib.stride_tricks.sliding_window_view(piece.astype(np.float64), length)[::HOP][: stop - start]


def level_db(samples: Array, frames: int, window: int) -> Doubles:
    """Level around every frame, over ``window`` samples, in decibels re full scale."""
    energy = np.concatenate(
        [
            np.mean(frame_windows(samples, start, min(start + BLOCK, frames), window) ** 2, axis=1)
            for start in range(0, frames, BLOCK)
        ]
    )
    return np.asarray(10.0 * np.log10(energy + 1e-12))


def swells(level: Doubles) -> Doubles:
    """How clearly (0 to 1) the level comes out of a dip, at the frame where it has come half way up."""
    reach = np.arange(-SWELL_REACH, SWELL_REACH + 1)
    around = np.pad(level, SWELL_REACH, mode="edge")[np.arange(len(level))[:, None] + SWELL_REACH + reach]
    dip, top = around[:, :SWELL_REACH].min(axis=1), around[:, SWELL_REACH:].max(axis=1)
    steep = np.clip((top - dip - SWELL_FLOOR_DB) / SWELL_SPAN_DB, 0.0, 1.0)
    crossing = (level >= (dip + top) / 2) & (np.pad(level, (1, 0), mode="edge")[:-1] < (dip + top) / 2)
    return np.asarray(steep * crossing)


def yin_candidates(samples: Array, start: int, stop: int, grid: Doubles) -> Doubles:
    """Probability of every pitch of ``grid`` in frames ``start`` to ``stop``, by YIN.

    The first dip of the normalised difference below the threshold is YIN's period; integrating over the
    threshold's prior gives each dip that is lower than all before it the prior's mass between
    its depth and the lowest before. What the prior leaves over is the probability of no pitch.
    """
    shortest = int(period(grid[-1]))
    longest = int(period(grid[0])) + 2
    windows = frame_windows(samples, start, stop, YIN_WINDOW + longest)
    difference = normalised_difference(windows, longest)
    inner = difference[:, 1:-1]
    dips = (inner < difference[:, :-2]) & (inner <= difference[:, 2:])
    dips[:, : shortest - 1] = False
    depth = np.where(dips, inner, 1.0)
    before = np.minimum.accumulate(np.pad(depth, ((0, 0), (1, 0)), constant_values=1.0), axis=1)[:, :-1]
    frame, index = np.nonzero(dips & (depth < before))
    mass = below_threshold(before[frame, index]) - below_threshold(depth[frame, index])
    lag = index + 1 + parabola_vertex(difference, frame, index + 1)
    position = (69.0 + 12.0 * np.log2(SAMPLE_RATE / lag / 440.0) - grid[0]) * BINS_PER_SEMITONE
    inside = (position >= 0) & (position < len(grid) - 1)
    frame, position, mass = frame[inside], position[inside], mass[inside]
    lower = position.astype(np.intp)
    pitch = np.zeros((stop - start, len(grid)))
    np.add.at(pitch, (frame, lower), mass * (lower + 1 - position))
    np.add.at(pitch, (frame, lower + 1), mass * (position - lower))
    return pitch


def period(pitch: float) -> float:
    """Period in samples of a MIDI pitch."""
    return float(SAMPLE_RATE / (440.0 * 2.0 ** ((pitch - 69.0) / 12.0)))


def normalised_difference(windows: Doubles, longest: int) -> Doubles:
    """YIN's cumulative-mean-normalised difference at lags 0 to ``longest`` (de Cheveigné & Kawahara 2002)."""
    size = 1 << int(np.ceil(np.log2(windows.shape[1] + YIN_WINDOW)))
    head = np.fft.rfft(windows[:, :YIN_WINDOW], size)
    correlation = np.fft.irfft(np.conj(head) * np.fft.rfft(windows, size), size)[:, : longest + 1]
    energy = np.pad(np.cumsum(windows**2, axis=1), ((0, 0), (1, 0)))
    lagged = energy[:, YIN_WINDOW:][:, : longest + 1] - energy[:, : longest + 1]
    difference = np.maximum(lagged[:, :1] + lagged - 2.0 * correlation, 0.0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest + 1)
    difference[:, 1:] /= mean + 1e-9
    difference[:, 0] = 1.0
    return np.asarray(difference)


def below_threshold(depth: Doubles) -> Doubles:
    """Probability that YIN's threshold is below ``depth``."""
    return np.asarray(betainc(*THRESHOLD_PRIOR, np.clip(depth, 0.0, 1.0)))


def parabola_vertex(values: Doubles, row: npt.NDArray[np.intp], column: npt.NDArray[np.intp]) -> Doubles:
    """Where between the columns the dips at (row, column) have their bottom: -1 to 1."""
    left, middle, right = (values[row, column + shift] for shift in (-1, 0, 1))
    curvature = left - 2.0 * middle + right
    vertex = 0.5 * (left - right) / np.where(curvature == 0, 1.0, curvature)
    return np.asarray(np.clip(np.where(curvature == 0, 0.0, vertex), -1.0, 1.0))


def contour_at(contour: Array, grid: Doubles) -> Doubles:
    """The contour posteriorgram read at the pitches of ``grid``."""
    position = (grid - LOWEST_PITCH) * CONTOUR_BINS + CONTOUR_BIN_OF_A0
    lower = np.clip(position.astype(np.intp), 0, contour.shape[1] - 2)
    share = position - lower
    return np.asarray(contour[:, lower] * (1.0 - share) + contour[:, lower + 1] * share, dtype=np.float64)


def side_of(audio: Audio) -> Audio:
    """Half the difference of the two channels: what is not in the middle."""
    left, right = audio.samples
    return Audio(((left - right) / 2)[None], audio.sample_rate)


def harmonic_salience(samples: Array, side: Array | None, start: int, stop: int, grid: Doubles) -> Doubles:
    """How well each pitch of ``grid`` explains the spectrum above the bass; the best of a frame has 1.

    Harmonic summation (Hermes 1988; Salamon & Gómez 2012 for melody in mixtures) over whitened
    magnitudes. Partials below SALIENCE_FROM_HZ don't count, which leaves out the bass and favours the
    voice's formants; what is in both channels alike counts most, as that is where voices are mixed.
    """
    window = np.hanning(SALIENCE_WINDOW)
    spectrum = np.abs(
        np.fft.rfft(frame_windows(samples, start, stop, SALIENCE_WINDOW) * window, SALIENCE_FFT)
    )
    if side is not None:
        beside = np.abs(np.fft.rfft(frame_windows(side, start, stop, SALIENCE_WINDOW) * window, SALIENCE_FFT))
        spectrum = np.maximum(spectrum - SIDE_WEIGHT * beside, SIDE_FLOOR * spectrum)
    compressed = np.sqrt(spectrum)
    whitened = np.maximum(compressed - uniform_filter1d(compressed, WHITENING_BINS, axis=1), 0.0)
    fundamental = 440.0 * 2.0 ** ((grid - 69.0) / 12.0)
    salience = np.zeros((stop - start, len(grid)))
    for harmonic in range(1, SALIENCE_HARMONICS + 1):
        hz = fundamental * harmonic
        used = (hz >= SALIENCE_FROM_HZ) & (hz < SALIENCE_TO_HZ)
        position = hz[used] * SALIENCE_FFT / SAMPLE_RATE
        lower = position.astype(np.intp)
        share = position - lower
        partial = whitened[:, lower] * (1.0 - share) + whitened[:, lower + 1] * share
        salience[:, used] += HARMONIC_DECAY ** (harmonic - 1) * partial
    return np.asarray(salience / (salience.max(axis=1, keepdims=True) + 1e-9))


def join(yin: Doubles, contour: Doubles, salience: Doubles, clear: float) -> Doubles:
    """One distribution over pitch of all witnesses, summing per frame to the probability of voice.

    ``clear`` is the contour of this recording's clearest tones: under accompaniment all are lower.
    """
    likely = np.maximum(contour - CONTOUR_FLOOR, 0.0) ** 2 * salience**SALIENCE_POWER
    peak = np.take_along_axis(contour, likely.argmax(axis=1)[:, None], axis=1)[:, 0]
    threshold = np.clip(CONTOUR_VOICED * clear, *CONTOUR_VOICED_RANGE)
    heard = CONTOUR_WEIGHT * expit((peak - threshold) / CONTOUR_VOICED_WIDTH, dtype=np.float64)
    likely *= (heard / np.maximum(likely.sum(axis=1), 1e-12))[:, None]
    both = yin + likely
    voiced = np.maximum(np.clip(yin.sum(axis=1), 0.0, 1.0), heard)
    return np.asarray(both * (voiced / np.maximum(both.sum(axis=1), 1e-9))[:, None])


def decode_notes(evidence: PitchEvidence, grid: Doubles, centers: Doubles) -> list[SungSegment]:
    """The most probable succession of notes and silences (Viterbi), as segments in order."""
    count = len(centers)
    frames = len(evidence.pitch)
    stable_kernel, attack_kernel = (
        np.exp(-0.5 * ((grid[:, None] - centers) / spread) ** 2) for spread in (STABLE_SPREAD, ATTACK_SPREAD)
    )
    interval = np.abs(centers[:, None] - centers)
    change = -LEAP_COST * np.minimum(interval, 12.0) - np.where(interval < 0.9, REPEAT_COST, 0.0)
    keys = np.clip(np.round(centers).astype(np.intp) - LOWEST_PITCH, 0, 87)

    silence, stable = 0.0, np.full(count, -np.inf)
    attack = np.full((ATTACK_FRAMES, count), -np.inf)
    came_from = np.empty((frames, count), np.int16)  # the note before an attack; -1: silence
    settled = np.empty((frames, count), np.bool_)  # whether the attack ended here
    fell_from = np.empty(frames, np.int16)  # the note before silence; -1: silence
    everyone = np.arange(count)
    for start in range(0, frames, BLOCK):
        pitch = evidence.pitch[start : start + BLOCK].astype(np.float64)
        log_stable = np.log(pitch @ stable_kernel + EMISSION_FLOOR)
        log_attack = np.log(pitch @ attack_kernel + EMISSION_FLOOR)
        log_silence = np.log(np.clip(1.0 - pitch.sum(axis=1), 0.0, 1.0) + EMISSION_FLOOR)
        reward = ONSET_REWARD * onset_strength(evidence.onset[start : start + BLOCK])[:, keys]
        reward += SWELL_REWARD * evidence.swell[start : start + BLOCK, None]
        for row in range(len(pitch)):
            t = start + row
            moved = stable[:, None] + change
            best = moved.argmax(axis=0)
            from_note = moved[best, everyone]
            from_silence = silence - SILENCE_COST
            came_from[t] = np.where(from_note > from_silence, best, -1)
            entering = np.maximum(from_note, from_silence) - NEW_NOTE_COST + reward[row]
            last = int(stable.argmax())
            ended = stable[last] - SILENCE_COST
            fell_from[t] = -1 if silence >= ended else last
            silence = max(silence, ended) + log_silence[row]
            settled[t] = attack[-1] > stable
            stable = np.maximum(stable, attack[-1]) + log_stable[row]
            attack = np.concatenate([entering[None], attack[:-1]]) + log_attack[row]
    state = -1 if silence >= stable.max() else int(stable.argmax())
    return trace_back(state, came_from, settled, fell_from, centers)


def onset_strength(onset: Array) -> Doubles:
    """Basic Pitch's onset posterior as a reward from 0 to 1; a neighbouring key's counts too (glides)."""
    strength = np.clip((onset.astype(np.float64) - ONSET_FLOOR) / ONSET_SPAN, 0.0, 1.0)
    padded = np.pad(strength, ((0, 0), (1, 1)))
    return np.asarray(np.maximum(strength, np.maximum(padded[:, :-2], padded[:, 2:])))


def trace_back(
    state: int,
    came_from: npt.NDArray[np.int16],
    settled: npt.NDArray[np.bool_],
    fell_from: npt.NDArray[np.int16],
    centers: Doubles,
) -> list[SungSegment]:
    """The segments on the way that ends in ``state`` (a note's index, or -1 for silence)."""
    segments = []
    t = stop = len(came_from)
    while t > 0:
        t -= 1
        if state < 0:
            state = int(fell_from[t])
            stop = t
        elif settled[t, state]:
            start = max(t - ATTACK_FRAMES, 0)
            segments.append(SungSegment(start, stop, float(centers[state])))
            state = int(came_from[start, state])
            t = stop = start
    return segments[::-1]


def follow(pitch: npt.NDArray[np.float16], grid: Doubles, center: float) -> tuple[Doubles, Doubles]:
    """The f0 of a note and the probability that it is sung, per frame; f0 is interpolated over gaps."""
    near = pitch.astype(np.float64) * (np.abs(grid - center) <= PITCH_MARGIN)
    sung = near.sum(axis=1)
    peak = near.argmax(axis=1)
    beside = np.abs(np.arange(len(grid)) - peak[:, None]) <= 0.5 * BINS_PER_SEMITONE
    weights = near * beside
    heard = sung > 0.3 * np.median(sung)
    if not heard.any():
        return np.full(len(pitch), center), sung
    f0 = (weights[heard] @ grid) / weights[heard].sum(axis=1)
    frames = np.arange(len(pitch))
    return np.asarray(np.interp(frames, frames[heard], f0)), sung


def stable_pitch(f0: Doubles, sung: Doubles) -> float:
    """The median f0 past the attack."""
    start = min(ATTACK_FRAMES // 2, len(f0) // 4)
    return float(np.median(f0[start:]))
