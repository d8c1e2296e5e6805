"""Notes of any pitched instrument: the Basic Pitch network, run by onnxruntime.

Task: a recording in, the notes heard in it out, without knowing the instrument.
Method: Bittner, Bosch, Rubinstein, Meseguer-Brocal and Ewert, "A Lightweight Instrument-Agnostic
Model for Polyphonic Note Transcription and Multipitch Estimation" (ICASSP 2022). A small network
reads two-second windows and gives, for every frame of 11.6 ms, the probability that each of 88
pitches sounds (``note``), that it begins (``onset``), and a finer pitch salience (``contour``, three
bins per semitone). The notes are then picked from these posteriorgrams.

Only the network's ONNX file is taken from the ``basic-pitch`` package; none of its code is imported.
``BasicPitchSettings.published()`` frames, picks and bends exactly like ``basic_pitch.inference.predict``
with its defaults, only to the last sample of the song: predict drops the last 0.67 %
(spotify/basic-pitch#179).

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

from separation.audio import Audio, Samples
from separation.engines import FullscoreError, Progress, option, silent
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
BEND_REACH = 25
"""Contour bins either side of a note's pitch in which its bends are looked for, as published."""
BEND_SPREAD = 5.0
"""Standard deviation, in contour bins, of the preference for small bends, as published."""


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
    """What may be set; ``for_stem`` and ``published`` give the useful combinations."""

    onset_threshold: float = option(
        0.5, "least onset probability of a new note; higher: fewer repeated notes", minimum=0.05, maximum=0.95
    )
    frame_threshold: float = option(
        0.3,
        "least probability for a note to go on; higher: fewer and shorter notes",
        minimum=0.05,
        maximum=0.95,
    )
    minimum_ms: float = option(127.7, "shortest note, in milliseconds", minimum=0.0, maximum=1000.0)
    lowest: int = option(LOWEST_PITCH, "lowest MIDI pitch", minimum=LOWEST_PITCH, maximum=HIGHEST_PITCH)
    highest: int = option(HIGHEST_PITCH, "highest MIDI pitch", minimum=LOWEST_PITCH, maximum=HIGHEST_PITCH)
    monophonic: bool = option(False, "keep the best single line of notes")
    latency_ms: float = option(
        10.0, "how late the network's onsets come, in milliseconds", minimum=0.0, maximum=50.0
    )
    bends: bool = option(True, "measure how each note's pitch moves")
    even_framing: bool = option(True, "evenly spaced frames; off: the package's own framing and times")

    @classmethod
    def published(cls) -> BasicPitchSettings:
        """As ``basic_pitch.inference.predict`` does by default."""
        return cls(latency_ms=0.0, even_framing=False)


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
        heard = self.listen(audio, progress)
        return notes_from(heard, self.settings)

    def listen(self, audio: Audio, progress: Progress = silent) -> Heard:
        """The network's posteriorgrams of the whole of ``audio``."""
        framing = EVEN_FRAMING if self.settings.even_framing else PUBLISHED_FRAMING
        times = framing.times_until(audio.duration)
        semitones = HIGHEST_PITCH - LOWEST_PITCH + 1
        note = np.zeros((len(times), semitones), np.float32)
        onset = np.zeros_like(note)
        contour = np.zeros((len(times), CONTOUR_BINS * semitones if self.settings.bends else 0), np.float32)
        row = 0
        for batch in batched(windows(at_model_rate(audio), framing.hop)):
            for posteriors, output in zip((note, onset, contour), self._run(batch), strict=True):
                kept = output[:, EDGE_FRAMES : EDGE_FRAMES + framing.frames, : posteriors.shape[1]]
                rows = kept.reshape(-1, posteriors.shape[1])[: len(times) - row]
                posteriors[row : row + len(rows)] = rows
            row += len(batch) * framing.frames
            progress(min(1.0, row / max(1, len(times))), "listening for notes")
        return Heard(
            note, onset, contour, times if self.settings.even_framing else published_times(len(times))
        )

    def _run(self, batch: Samples) -> list[Posteriorgram]:
        outputs = [f"StatefulPartitionedCall:{index}" for index in (1, 2, 0)]
        return list(self._session.run(outputs, {"serving_default_input_2:0": batch[:, :, np.newaxis]}))


@dataclass(frozen=True, slots=True)
class Heard:
    """The network's output over a song: a row per frame, a column per pitch from 21 up.

    ``note`` and ``onset`` have 88 columns, ``contour`` three per semitone (or none); ``times`` holds
    the frames' times in seconds.
    """

    note: Posteriorgram
    onset: Posteriorgram
    contour: Posteriorgram
    times: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pick:
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
        "the Basic Pitch network is not installed here; "
        "install it with: pip install --no-deps basic-pitch==0.4.0"
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


def notes_from(heard: Heard, settings: BasicPitchSettings) -> tuple[Note, ...]:
    """Pick the notes out of the posteriorgrams, by onset and pitch."""
    picks = pick_notes(heard, settings)
    if settings.monophonic:
        picks = best_line(picks)
    notes = (as_note(pick, heard, settings) for pick in picks)
    return tuple(sorted(notes, key=lambda note: (note.onset, note.pitch)))


def as_note(pick: Pick, heard: Heard, settings: BasicPitchSettings) -> Note:
    latency = settings.latency_ms / 1000
    onset = max(0.0, float(heard.times[pick.start]) - latency)
    return Note(
        onset=onset,
        offset=max(float(heard.times[pick.end]) - latency, onset + HOP / SAMPLE_RATE),
        pitch=pick.pitch + LOWEST_PITCH,
        velocity=int(np.clip(round(127 * pick.strength), 1, 127)),
        confidence=pick.strength,
        bends=bends(heard.contour, pick) if settings.bends else (),
    )


def pick_notes(heard: Heard, settings: BasicPitchSettings) -> list[Pick]:
    """The published note creation: notes from onsets, then from what energy is left.

    Onsets are peaks of the onset posteriors or of sudden rises of the note posteriors. Going
    backwards in time, each starts a note that lasts until its posteriors stay low; what it explains,
    and its neighbours a semitone away, is spent. The strongest frames left then each grow into a note
    without an onset ("melodia trick").
    """
    last = len(heard.times) - 1
    used = range(settings.lowest - LOWEST_PITCH, settings.highest - LOWEST_PITCH + 1)
    longer_than = round(settings.minimum_ms / 1000 * SAMPLE_RATE / HOP)
    ledger = Ledger(heard.note, settings.frame_threshold, used)
    picks: list[Pick] = []

    def keep(start: int, end: int, pitch: int) -> None:
        picks.append(Pick(start, end, pitch, float(np.mean(heard.note[start:end, pitch]))))

    for start, pitch in reversed(onset_peaks(heard, settings.onset_threshold, used)):
        if start >= last:
            continue
        stop, low = ledger.forward(start + 1, pitch)
        if stop - low - start > longer_than:
            ledger.spend(start, stop - low, pitch)
            keep(start, stop - low, pitch)

    for middle, pitch in ledger.strongest_first(heard.note):
        if ledger.low[pitch][middle]:
            continue
        ledger.low[pitch][middle] = LOW
        stop, low = ledger.forward(middle + 1, pitch)
        end = stop - 1 - low
        first, low = ledger.backward(middle, pitch)
        ledger.spend(middle + 1, stop, pitch)
        ledger.spend(first, middle, pitch)
        if end - (first + low) > longer_than:
            keep(first + low, end, pitch)
    return picks


LOW = 1
SILENCE = bytes([LOW] * SILENT_FRAMES)


class Ledger:
    """Which frames of each pitch are low: below the threshold, or spent on a note already.

    A ``bytearray`` per pitch makes the search for a note's end a search for a run of bytes.
    """

    def __init__(self, note: Posteriorgram, threshold: float, used: range) -> None:
        self._threshold = np.float64(threshold)  # a Python float would be rounded to float32 first
        self.low = [
            bytearray((note[:, pitch] < self._threshold).tobytes())
            if pitch in used
            else bytearray([LOW]) * len(note)
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

    def strongest_first(self, note: Posteriorgram) -> Iterator[tuple[int, int]]:
        """Frame and pitch of all cells now above the threshold, the most probable first."""
        low = np.stack([np.frombuffer(column, np.bool_) for column in self.low], axis=1)
        cells = np.flatnonzero((note > self._threshold) & ~low)
        order = np.argsort(-note.ravel()[cells], kind="stable")
        for cell in cells[order]:
            yield divmod(int(cell), note.shape[1])


def onset_peaks(heard: Heard, threshold: float, used: range) -> list[tuple[int, int]]:
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


def bends(contour: Posteriorgram, pick: Pick) -> tuple[float, ...]:
    """The note's deviation from its pitch in semitones, one value per frame, in thirds of a semitone."""
    centre = pick.pitch * CONTOUR_BINS
    first, last = max(0, centre - BEND_REACH), min(contour.shape[1], centre + BEND_REACH + 1)
    preference = gaussian(2 * BEND_REACH + 1, std=BEND_SPREAD)[first - centre + BEND_REACH :][: last - first]
    strongest = np.argmax(contour[pick.start : pick.end, first:last] * preference, axis=1)
    return tuple(((strongest + first - centre) / CONTOUR_BINS).tolist())


def best_line(picks: list[Pick]) -> list[Pick]:
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
    line: list[Pick] = []
    index = int(np.argmax(totals)) if totals else -1
    while index >= 0:
        end = min(ordered[index].end, line[-1].start) if line else ordered[index].end
        line.append(replace(ordered[index], end=end))
        index = before[index]
    return line[::-1]
