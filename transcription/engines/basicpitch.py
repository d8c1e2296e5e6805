"""Notes of any pitched instrument: the Basic Pitch network, run by onnxruntime.

Task: a recording in, the notes heard in it out, without knowing the instrument.
Method: Bittner, Bosch, Rubinstein, Meseguer-Brocal and Ewert, "A Lightweight Instrument-Agnostic
Model for Polyphonic Note Transcription and Multipitch Estimation" (ICASSP 2022). A small network
reads two-second windows and gives, for every frame of 11.6 ms, the probability that each of 88
pitches sounds (``note``), that it begins (``onset``), and a finer pitch salience (``contour``, three
bins per semitone). The notes are then picked from these posteriorgrams.

Only the network's ONNX file is taken from the ``basic-pitch`` package; none of its code is imported.
``BasicPitchSettings.published()`` frames, picks and bends exactly as ``basic_pitch.inference.predict``
does with its defaults, but to the last sample of the song: predict drops the last 0.67 %
(spotify/basic-pitch#179). The default settings pick better (see BasicPitchSettings).

Memory: the song is mixed down, resampled and windowed in blocks; what grows with it is the
posteriorgram, 0.15 MB a second with bends (0.55 GB an hour) and 0.06 MB without.
Limits: one instrument's repeated or unison notes merge when the network sees no new onset; octave
ghosts of strong notes remain; no note outside the piano's range.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import soxr
from scipy.signal import argrelmax
from scipy.signal.windows import gaussian
from scipy.special import expit

from fullscore.engines import Progress, option, silent
from fullscore.errors import FullscoreError, install
from separation.audio import Audio, Samples
from transcription.notes import Note

Posteriorgram = npt.NDArray[np.float32]

SAMPLE_RATE = 22050
HOP = 256
"""Samples between frames."""
WINDOW = 2 * SAMPLE_RATE - HOP
"""Samples the network reads at once, which give 172 frames."""
EDGE_FRAMES = 15
"""Frames left out at either end of a window: there the network sees too little context."""
LOWEST_PITCH, HIGHEST_PITCH = 21, 108
CONTOUR_BINS = 3
"""Contour bins per semitone."""
BATCH = 8
"""Windows given to the network at once: enough to keep the cores busy, 60 MB of activations."""
BLOCK_SECONDS = 60
"""Sound mixed down and resampled at once."""

SILENT_FRAMES = 11
"""A note goes on through gaps shorter than this (128 ms), as published."""
ATTACK_FRAMES = 8
"""Frames after an onset (93 ms) in which a note's level is taken."""
LOUD_VELOCITY, VELOCITY_PER_DB = 100, 2.0
"""Velocity of a song's loud notes, and the slope below it: 1.3 and 3.1 fit two Disklavier recordings."""
SILENCE_POWER = 1e-10

CONFIDENCE_BIAS, ATTACK_WEIGHT, STRENGTH_WEIGHT = -8.4, 8.0, 5.9
"""Of the logistic regression in `confidence`."""

BEND_REACH = 25
"""Contour bins either side of a note's pitch in which its bends are looked for, as published."""
BEND_SPREAD = 5.0
"""Standard deviation, in contour bins, of the preference for small bends, as published."""
CONTOUR_BIAS = 0.29
"""Semitones by which the contour's peaks lie too high: the same within .03 for tones in three octaves, from
-.45 to .45 semitones off pitch. The package's own bends have it."""
CONTOUR_FLOOR = 1e-4
BEND_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Framing:
    """How windows follow each other: their distance in samples, and the frames kept of each."""

    hop: int
    frames: int

    def times_until(self, duration: float) -> npt.NDArray[np.float64]:
        """The true times of the kept frames of a sound, in seconds."""
        windows = math.ceil(duration * SAMPLE_RATE / self.hop)
        window, frame = np.divmod(np.arange(windows * self.frames), self.frames)
        times = (window * self.hop + frame * HOP) / SAMPLE_RATE
        return np.asarray(times[times < duration])


EVEN_FRAMING = Framing(hop=141 * HOP, frames=141)
"""Windows a whole number of frames apart, so that frames are evenly spaced over the whole song."""
PUBLISHED_FRAMING = Framing(hop=WINDOW - 2 * EDGE_FRAMES * HOP, frames=142)
"""The package's: 142 frames are kept where a window advances by 141.3."""


def published_times(count: int) -> npt.NDArray[np.float64]:
    """The package's frame times: a constant mean correction for the frames doubled at its seams."""
    frames = np.arange(count)
    drift = HOP / SAMPLE_RATE * (172 - WINDOW / HOP) + 0.0018
    return np.asarray(frames * HOP / SAMPLE_RATE - drift * (frames // 172))


@dataclass(frozen=True, slots=True)
class BasicPitchSettings:
    """What may be set. ``for_stem`` and ``published`` give the useful combinations.

    The defaults were tuned together on what differs most: real pianos, a pop singer, and renderings of
    twelve piano performances with a piano's and with other instruments' sounds. Against the published
    values, fewer notes are split or invented (higher onset threshold, no weak or short note without an
    onset) and short ones are kept (60 instead of 128 ms). ``benchmarks/notes.py`` prints both.
    """

    onset_threshold: float = option(
        0.65,
        "least onset probability of a new note; higher: fewer repeated notes",
        minimum=0.05,
        maximum=0.95,
    )
    frame_threshold: float = option(
        0.3, "least probability for a note to go on; higher: shorter notes", minimum=0.05, maximum=0.95
    )
    strength_threshold: float = option(
        0.4, "least mean probability of a note; higher: fewer notes", minimum=0.0, maximum=0.95
    )
    minimum_ms: float = option(60.0, "shortest note, in milliseconds", minimum=0.0, maximum=1000.0)
    soft_threshold: float = option(
        0.5, "how probable a note without an audible onset must get", minimum=0.05, maximum=0.95
    )
    soft_minimum_ms: float = option(
        127.7, "shortest note without an audible onset, in milliseconds", minimum=0.0, maximum=1000.0
    )
    lowest: int = option(LOWEST_PITCH, "lowest MIDI pitch", minimum=LOWEST_PITCH, maximum=HIGHEST_PITCH)
    highest: int = option(HIGHEST_PITCH, "highest MIDI pitch", minimum=LOWEST_PITCH, maximum=HIGHEST_PITCH)
    monophonic: bool = option(False, "keep the best single line of notes")
    # Shifting by 10 ms raised the mean onset F over 15 MAPS pieces from .696 to .708; on renderings,
    # whose onsets are exact, 10 to 20 ms are best as well.
    latency_ms: float = option(
        10.0, "how late the network's onsets come, in milliseconds", minimum=0.0, maximum=50.0
    )
    bends: bool = option(True, "measure how each note's pitch moves")
    as_published: bool = option(False, "frame times, bends and velocities as basic-pitch has them")

    @classmethod
    def published(cls) -> BasicPitchSettings:
        """As ``basic_pitch.inference.predict`` does by default."""
        return cls(
            onset_threshold=0.5,
            strength_threshold=0.0,
            minimum_ms=127.7,
            soft_threshold=0.3,
            latency_ms=0.0,
            as_published=True,
        )

    @classmethod
    def for_stem(cls, stem: str) -> BasicPitchSettings:
        """What suits the stem of that name; the defaults for one that isn't known."""
        return STEM_SETTINGS.get(stem, cls())


# Ranges are the instruments' own with a little room: what lies outside is bleeding from other stems and
# octave ghosts. A sung note is longer than a played one, and a voice's vibrato looks like short notes.
STEM_SETTINGS = {
    "bass": BasicPitchSettings(lowest=23, highest=67, monophonic=True),  # B0 of five strings to G4
    "vocals": BasicPitchSettings(lowest=36, highest=88, monophonic=True, minimum_ms=90.0),  # C2 to E6
    "guitar": BasicPitchSettings(lowest=38, highest=88),  # D2 of a dropped string to E6
}


class BasicPitch:
    """The Basic Pitch network and the picking of notes from what it hears."""

    def __init__(self, settings: BasicPitchSettings | None = None, model: Path | None = None) -> None:
        """``model`` is the network's ONNX file; by default the one inside the basic-pitch package."""
        self.settings = settings or BasicPitchSettings()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(model or packaged_model()), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, audio: Audio, progress: Progress = silent) -> tuple[Note, ...]:
        """The notes of ``audio``, by onset and pitch."""
        return self.notes(self.listen(audio, progress))

    def listen(self, audio: Audio, progress: Progress = silent) -> Posteriorgrams:
        """The network's posteriorgrams of the whole of ``audio``."""
        framing = PUBLISHED_FRAMING if self.settings.as_published else EVEN_FRAMING
        times = framing.times_until(audio.duration)
        semitones = HIGHEST_PITCH - LOWEST_PITCH + 1
        note = np.zeros((len(times), semitones), np.float32)
        onset = np.zeros_like(note)
        contour = np.zeros((len(times), CONTOUR_BINS * semitones if self.settings.bends else 0), np.float32)
        level = np.zeros((len(times), 1), np.float32)
        row = 0
        for batch in batched(windows(at_model_rate(audio), framing.hop)):
            for values, output in zip(
                (note, onset, contour, level), (*self._run(batch), frame_levels(batch)), strict=True
            ):
                kept = output[:, EDGE_FRAMES : EDGE_FRAMES + framing.frames, : values.shape[1]]
                rows = kept.reshape(len(batch) * framing.frames, values.shape[1])[: len(times) - row]
                values[row : row + len(rows)] = rows
            row += len(batch) * framing.frames
            progress(min(1.0, row / max(1, len(times))), "listening for notes")
        if self.settings.as_published:
            times = published_times(len(times))
        return Posteriorgrams(note, onset, contour, level[:, 0], times)

    def notes(self, heard: Posteriorgrams) -> tuple[Note, ...]:
        """The notes in what was heard, by onset and pitch."""
        return notes_from(heard, self.settings)

    def _run(self, batch: Samples) -> list[Posteriorgram]:
        outputs = [f"StatefulPartitionedCall:{index}" for index in (1, 2, 0)]
        return list(self._session.run(outputs, {"serving_default_input_2:0": batch[:, :, np.newaxis]}))


@dataclass(frozen=True, slots=True)
class Posteriorgrams:
    """The network's output over a song: a row per frame, a column per pitch from 21 up.

    ``note`` and ``onset`` have 88 columns, ``contour`` three per semitone (or none); ``level`` is the
    sound's in dB and ``times`` the frames' times in seconds, a value per frame.
    """

    note: Posteriorgram
    onset: Posteriorgram
    contour: Posteriorgram
    level: npt.NDArray[np.float32]
    times: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FrameNote:
    """A note in frames and columns: ``start`` to ``end`` (excluded) of the column ``pitch``."""

    start: int
    end: int
    pitch: int
    strength: float
    """Mean probability of the note over its frames."""


def packaged_model() -> Path:
    """The ONNX file inside the basic-pitch package, found without importing the package."""
    spec = importlib.util.find_spec("basic_pitch")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "saved_models" / "icassp_2022" / "nmp.onnx"
        if path.is_file():
            return path
    raise FullscoreError(
        "the Basic Pitch network is not installed here",
        install("pip install --no-deps basic-pitch==0.4.0"),
    )


def at_model_rate(audio: Audio) -> Iterator[Samples]:
    """The mix of the channels at the network's rate, block by block."""
    stream = soxr.ResampleStream(audio.sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    block = BLOCK_SECONDS * audio.sample_rate
    total = audio.samples.shape[1]
    for start in range(0, total, block):
        mono = audio.samples[:, start : start + block].mean(axis=0, dtype=np.float32)
        yield stream.resample_chunk(mono, last=start + block >= total)


def windows(blocks: Iterable[Samples], hop: int) -> Iterator[Samples]:
    """Windows every ``hop`` samples, the first with its left-out edge before the sound begins.

    Zeros fill the last one; together the kept frames of all cover the sound to its last sample.
    """
    waiting = np.zeros(EDGE_FRAMES * HOP, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= WINDOW:
            yield waiting[:WINDOW]
            waiting = waiting[hop:]
    while len(waiting) > EDGE_FRAMES * HOP:
        yield np.pad(waiting[:WINDOW], (0, max(0, WINDOW - len(waiting))))
        waiting = waiting[hop:]


def batched(items: Iterator[Samples]) -> Iterator[Samples]:
    """Windows stacked, up to BATCH at a time."""
    while batch := list(islice(items, BATCH)):
        yield np.stack(batch)


def frame_levels(batch: Samples) -> Samples:
    """The level in dB of each whole frame of the windows, shape (windows, frames, 1)."""
    whole = batch[:, : batch.shape[1] // HOP * HOP].reshape(len(batch), -1, HOP)
    power = np.mean(np.square(whole), axis=2, keepdims=True)
    return np.asarray(10 * np.log10(np.maximum(power, SILENCE_POWER)))


def notes_from(heard: Posteriorgrams, settings: BasicPitchSettings) -> tuple[Note, ...]:
    """Pick the notes out of the posteriorgrams, by onset and pitch."""
    picks = pick_notes(heard, settings)
    if settings.monophonic:
        picks = best_line(picks)
    velocities = [round(127 * pick.strength) for pick in picks]
    if not settings.as_published:
        velocities = velocities_by_level(heard, picks)
    notes = (
        as_note(pick, velocity, heard, settings) for pick, velocity in zip(picks, velocities, strict=True)
    )
    return tuple(sorted(notes, key=lambda note: (note.onset, note.pitch)))


def as_note(pick: FrameNote, velocity: int, heard: Posteriorgrams, settings: BasicPitchSettings) -> Note:
    latency = settings.latency_ms / 1000
    onset = max(0.0, float(heard.times[pick.start]) - latency)
    return Note(
        onset=onset,
        offset=max(float(heard.times[pick.end]) - latency, onset + HOP / SAMPLE_RATE),
        pitch=pick.pitch + LOWEST_PITCH,
        velocity=min(127, max(1, velocity)),
        confidence=confidence(heard, pick),
        bends=bends(heard.contour, pick, settings.as_published) if settings.bends else (),
    )


def velocities_by_level(heard: Posteriorgrams, picks: list[FrameNote]) -> list[int]:
    """Velocities from the level of the whole sound just after each onset, relative to the loudest notes.

    The network's own probabilities say next to nothing about loudness (rank correlation with the keys'
    velocities on two MAPS pieces: -.28 and .03; this level: .36 and .51).
    """
    if not picks:
        return []
    levels = np.array([heard.level[pick.start : pick.start + ATTACK_FRAMES].max() for pick in picks])
    return [round(LOUD_VELOCITY + VELOCITY_PER_DB * level) for level in levels - np.quantile(levels, 0.95)]


def confidence(heard: Posteriorgrams, pick: FrameNote) -> float:
    """The chance that a note is right, judged from its onset and note probabilities.

    A logistic regression over the notes picked by default on the tuning recordings (right: onset within 50 ms
    and pitch), whose share of right notes it meets within a tenth where it says .6 or more.
    """
    attack = float(heard.onset[max(0, pick.start - 1) : pick.start + 3, pick.pitch].max())
    return float(expit(CONFIDENCE_BIAS + ATTACK_WEIGHT * attack + STRENGTH_WEIGHT * pick.strength))


def pick_notes(heard: Posteriorgrams, settings: BasicPitchSettings) -> list[FrameNote]:
    """The published note creation: notes from onsets, then from what energy is left.

    Onsets are peaks of the onset posteriors or of sudden rises of the note posteriors. Going
    backwards in time, each starts a note that lasts until its posteriors stay low; what it explains,
    and its neighbours a semitone away, is spent. The strongest frames left then each grow into a note
    without an onset ("melodia trick"). The thresholds of strength, and those for notes without an onset,
    are ours; the published values leave them without effect.
    """
    last = len(heard.times) - 1
    used = range(settings.lowest - LOWEST_PITCH, settings.highest - LOWEST_PITCH + 1)
    ledger = RemainingEnergy(heard.note, settings.frame_threshold, used)
    picks: list[FrameNote] = []

    def keep(start: int, end: int, pitch: int, minimum_ms: float) -> bool:
        if end - start <= round(minimum_ms / 1000 * SAMPLE_RATE / HOP):
            return False
        pick = FrameNote(start, end, pitch, float(np.mean(heard.note[start:end, pitch])))
        if pick.strength >= settings.strength_threshold:
            picks.append(pick)
        return True

    for start, pitch in reversed(onset_peaks(heard, settings.onset_threshold, used)):
        if start < last:
            stop, low = ledger.forward(start + 1, pitch)
            if keep(start, stop - low, pitch, settings.minimum_ms):
                ledger.spend(start, stop - low, pitch)

    for middle, pitch in ledger.strongest_first(heard.note, settings.soft_threshold):
        if ledger.low[pitch][middle]:
            continue
        ledger.low[pitch][middle] = LOW
        stop, low = ledger.forward(middle + 1, pitch)
        end = stop - 1 - low
        first, low = ledger.backward(middle, pitch)
        ledger.spend(middle + 1, stop, pitch)
        ledger.spend(first, middle, pitch)
        keep(first + low, end, pitch, settings.soft_minimum_ms)
    return picks


LOW = 1
SILENCE = bytes([LOW] * SILENT_FRAMES)


class RemainingEnergy:
    """Which frames of each pitch are low: below the threshold, or spent on a note already.

    A ``bytearray`` per pitch makes the search for a note's end a search for a run of bytes.
    """

    def __init__(self, note: Posteriorgram, threshold: float, used: range) -> None:
        exact = np.float64(threshold)  # a Python float would be rounded to float32 first
        self.low = [
            bytearray((note[:, pitch] < exact).tobytes()) if pitch in used else bytearray([LOW]) * len(note)
            for pitch in range(note.shape[1])
        ]

    def forward(self, start: int, pitch: int) -> tuple[int, int]:
        """Where the search from ``start`` stops (excluded), and how many low frames it ends with."""
        low = self.low[pitch]
        last = len(low) - 1
        silence = low.find(SILENCE, start, last)
        if silence >= 0:
            return silence + SILENT_FRAMES, SILENT_FRAMES
        rest = low[start:last]
        return max(start, last), len(rest) - len(rest.rstrip(SILENCE[:1]))

    def backward(self, end: int, pitch: int) -> tuple[int, int]:
        """Where the search back from ``end`` (excluded) arrives, and how many low frames begin there."""
        low = self.low[pitch]
        silence = low.rfind(SILENCE, 1, end)
        if silence >= 0:
            return silence, SILENT_FRAMES
        rest = low[1:end]
        return min(1, end), len(rest) - len(rest.lstrip(SILENCE[:1]))

    def spend(self, start: int, end: int, pitch: int) -> None:
        """Mark these frames of the pitch and of its neighbours as low."""
        if start < end:
            for neighbour in range(max(0, pitch - 1), min(len(self.low), pitch + 2)):
                self.low[neighbour][start:end] = SILENCE[:1] * (end - start)

    def strongest_first(self, note: Posteriorgram, threshold: float) -> Iterator[tuple[int, int]]:
        """Frame and pitch of all cells above the threshold and not low now, the most probable first."""
        low = np.stack([np.frombuffer(column, np.bool_) for column in self.low], axis=1)
        cells = np.flatnonzero((note > np.float64(threshold)) & ~low)
        order = np.argsort(-note.ravel()[cells], kind="stable")
        for cell in cells[order]:
            yield divmod(int(cell), note.shape[1])


def onset_peaks(heard: Posteriorgrams, threshold: float, used: range) -> list[tuple[int, int]]:
    """Frame and pitch of every onset peak that reaches the threshold, in order of time.

    Peaks are sought in the larger of the onset posteriors and the rise of the note posteriors over one
    and two frames, which is scaled to the same maximum over the song.
    """
    if not len(heard.times):
        return []
    loudest = max(heard.onset[:, pitch].max() for pitch in used)
    steepest = max(rise(heard.note[:, pitch]).max() for pitch in used)
    found: list[tuple[int, int]] = []
    for pitch in used:
        onset = heard.onset[:, pitch].astype(np.float64)
        if steepest > 0:
            onset = np.maximum(onset, loudest * rise(heard.note[:, pitch]) / steepest)
        (peaks,) = argrelmax(onset)
        found += [(int(frame), pitch) for frame in peaks[onset[peaks] >= threshold]]
    return sorted(found)


def rise(note: Posteriorgram) -> npt.NDArray[np.float64]:
    """The smaller of the increases over the last frame and over the last two, where both are positive."""
    padded = np.concatenate([np.zeros(2), note])
    increase = np.minimum(padded[2:] - padded[1:-1], padded[2:] - padded[:-2])
    increase[:2] = 0
    return np.asarray(np.maximum(increase, 0))


def bends(contour: Posteriorgram, pick: FrameNote, as_published: bool) -> tuple[float, ...]:
    """The note's deviation from its pitch in semitones, one value per frame.

    Published: the strongest contour bin near the pitch, in whole bins of a third of a semitone. Ours: the
    top of a parabola through the logarithms of that bin and its neighbours, less CONTOUR_BIAS.
    """
    centre = pick.pitch * CONTOUR_BINS
    first, last = max(0, centre - BEND_REACH), min(contour.shape[1], centre + BEND_REACH + 1)
    preference = gaussian(2 * BEND_REACH + 1, std=BEND_SPREAD)[first - centre + BEND_REACH :][: last - first]
    strongest = np.argmax(contour[pick.start : pick.end, first:last] * preference, axis=1) + first
    if as_published:
        return tuple(((strongest - centre) / CONTOUR_BINS).tolist())
    middle = np.clip(strongest, 1, contour.shape[1] - 2)
    frames = np.arange(pick.start, pick.end)
    below, peak, above = (np.log(contour[frames, middle + step] + CONTOUR_FLOOR) for step in (-1, 0, 1))
    curvature = np.minimum(below - 2 * peak + above, -CONTOUR_FLOOR)
    top = middle + np.clip(0.5 * (below - above) / curvature, -0.5, 0.5)
    return tuple(np.round((top - centre) / CONTOUR_BINS - CONTOUR_BIAS, BEND_DECIMALS).tolist())


def best_line(picks: list[FrameNote]) -> list[FrameNote]:
    """The notes of the best single line: no two overlap, and together they hold the most probability.

    A note may be cut short by the next one's start. Dynamic programming over the notes by start:
    the best line that ends in a note extends the best one among its possible predecessors.
    """
    ordered = sorted(picks, key=lambda pick: (pick.start, pick.end))
    totals: list[float] = []
    before: list[int] = []
    over_total, over = 0.0, -1  # the best line among those whose last note is over
    sounding: list[int] = []
    for index, pick in enumerate(ordered):
        still: list[int] = []
        for other in sounding:
            if ordered[other].end > pick.start:
                still.append(other)
            elif totals[other] > over_total:
                over_total, over = totals[other], other
        best, source = over_total, over
        for other in still:
            lost = (ordered[other].end - pick.start) * ordered[other].strength
            if ordered[other].start < pick.start and totals[other] - lost > best:
                best, source = totals[other] - lost, other
        totals.append(best + (pick.end - pick.start) * pick.strength)
        before.append(source)
        sounding = [*still, index]
    line: list[FrameNote] = []
    index = int(np.argmax(totals)) if totals else -1
    while index >= 0:
        end = min(ordered[index].end, line[-1].start) if line else ordered[index].end
        line.append(replace(ordered[index], end=end))
        index = before[index]
    return line[::-1]
