"""Notes of a solo piano: the Transkun network, from the ``transkun`` package.

Task: a recording of one piano in, its notes with onset, offset, pitch and velocity out.
Method: Yan and Duan, "Scoring Time Intervals Using Non-Hierarchical Transformer for Automatic Piano
Transcription" (ISMIR 2024). A transformer scores, for every key, every interval of frames as one
note; a semi-Markov decoder picks the intervals that do not overlap and score highest together.
Velocity and the exact onset and offset within their frames are then read from each interval's ends.

Conventions: an offset is where the sound ends, the sustain pedal included. The song is read in
segments of 16 s every 8 s, stitched as the package does it: a note cut off by one segment's end is
finished by the next.

The package gives the network and its weights (2.0, MIT, 56 MB, inside its wheel). Its own loading and
its command line are not used: they need torchaudio, for a filter bank that is in the weights anyway.

Memory: about 1.2 GB for the scores of one segment, however long the song.
Limits: other instruments and voices are written as piano notes; chosen by ``auto`` only where
``transcription.solo_piano.is_solo_piano`` says so.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transkun import ModelTransformer
from transkun.Util import MelSpectrum, Spectrum, makeFrame

from separation.audio import Audio, resample
from separation.engines import FullscoreError, Progress, option, silent
from transcription.notes import Note

SEGMENT_SECONDS, STEP_SECONDS = 16.0, 8.0
SHORTEST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class PianoSettings:
    """What may be set."""

    device: str = option("auto", "where the network runs", choices=("auto", "cpu", "cuda", "mps"))


@dataclass(frozen=True, slots=True)
class Interval:
    """One note as a segment shows it; times in seconds from the start of the recording."""

    start: float
    end: float
    pitch: int
    velocity: int
    confidence: float
    has_onset: bool
    has_offset: bool


class StoredMelSpectrum(MelSpectrum):  # type: ignore[misc]
    """The package's mel spectrum with room for the filter bank that its weights hold.

    The original asks torchaudio to compute that filter bank first, only to have it overwritten when
    the weights are loaded.
    """

    def __init__(
        self,
        windowSize: int,
        f_min: float,
        f_max: float,
        n_mels: int,
        fs: int,
        nExtraWins: int = 0,
        log: bool = False,
        eps: float = 1e-5,
        toMono: bool = False,
    ) -> None:
        nn.Module.__init__(self)
        self.outputDim = n_mels
        self.nChannel = nExtraWins + 1
        self.register_buffer("freq2mels", torch.zeros(windowSize // 2 + 1, n_mels))
        self.log = log
        self.eps = eps
        self.spectrogramExtractor = Spectrum(windowSize, nExtraWins)
        self.toMono = toMono


def packaged_weights() -> tuple[Path, Path]:
    """The network's configuration and weights inside the transkun package."""
    spec = importlib.util.find_spec("transkun")
    folder = Path(next(iter((spec.submodule_search_locations if spec else None) or ["."]))) / "pretrained"
    configuration, weights = folder / "2.0.conf", folder / "2.0.pt"
    if not (configuration.is_file() and weights.is_file()):
        raise FullscoreError(
            f"the piano network's weights are missing from {folder}; "
            "install them again with: pip install --force-reinstall --no-deps transkun"
        )
    return configuration, weights


def load_network(device: torch.device) -> Any:
    """Transkun 2.0, ready to run."""
    configuration, weights = packaged_weights()
    conf = ModelTransformer.Config()
    for name, value in json.loads(configuration.read_text())["Model"]["config"].items():
        setattr(conf, name, value)
    # The network's constructor finds the class under this name; there is no argument for it.
    ModelTransformer.MelSpectrum = StoredMelSpectrum
    network = ModelTransformer.TransKun(conf)
    checkpoint = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict(checkpoint["state_dict"])
    network.backbone.useGradientCheckpoint = False  # saves memory in training only, and warns here
    return network.to(device).eval()


def chosen_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


class Piano:
    """The Transkun network and the stitching of its segments."""

    def __init__(self, settings: PianoSettings | None = None) -> None:
        self.settings = settings or PianoSettings()
        self._device = chosen_device(self.settings.device)
        self._network = load_network(self._device)
        self._rate, self._hop = int(self._network.fs), int(self._network.hopSize)
        self._segment = math.ceil(SEGMENT_SECONDS * self._rate)
        self._step = math.ceil(STEP_SECONDS * self._rate / self._hop) * self._hop
        self._lead = math.ceil((SEGMENT_SECONDS - STEP_SECONDS) * self._rate)

    def __call__(self, audio: Audio, progress: Progress = silent) -> tuple[Note, ...]:
        """The notes of ``audio``, by onset and pitch."""
        if audio.channels > 2:
            audio = audio.mono()
        sound = resample(audio, self._rate)
        tracks: dict[int, list[Interval]] = {}
        begins = range(-self._lead, sound.samples.shape[1], self._step)
        starts = [self._lead // self._hop] * len(self._network.targetMIDIPitch)
        for number, begin in enumerate(begins):
            intervals, starts = self._read(self._cut(sound, begin), starts)
            for interval in sorted(intervals, key=lambda each: (each.start, each.end)):
                moved = replace(
                    interval,
                    start=max(0.0, interval.start + begin / self._rate),
                    end=max(0.0, interval.end + begin / self._rate),
                )
                stitch(tracks.setdefault(interval.pitch, []), moved)
            progress((number + 1) / len(begins), "listening to the piano")
        return self._notes(tracks, audio.duration)

    def glance(self, excerpt: Audio) -> tuple[Note, ...]:
        """The notes of at most SEGMENT_SECONDS, read once: a third of the work, less sure at the ends."""
        sound = resample(excerpt.mono() if excerpt.channels > 2 else excerpt, self._rate)
        intervals, _ = self._read(self._cut(sound, 0), [0] * len(self._network.targetMIDIPitch))
        tracks: dict[int, list[Interval]] = {}
        for interval in sorted(intervals, key=lambda each: (each.start, each.end)):
            moved = replace(interval, start=max(0.0, interval.start), has_offset=True)
            tracks.setdefault(interval.pitch, []).append(moved)
        return self._notes(tracks, excerpt.duration)

    def _notes(self, tracks: dict[int, list[Interval]], duration: float) -> tuple[Note, ...]:
        """The notes of all keys (the network's pedals, below 0, left out), by onset and pitch."""
        notes = [note for pitch, track in tracks.items() if pitch > 0 for note in as_notes(track, duration)]
        return tuple(sorted(notes, key=lambda note: (note.onset, note.pitch)))

    def _cut(self, sound: Audio, begin: int) -> Tensor:
        """One segment as frames; silence before the recording begins and after it ends."""
        piece = sound.samples[:, max(0, begin) : begin + self._segment]
        before = max(0, -begin)
        padded = np.pad(piece, ((0, 0), (before, self._segment - before - piece.shape[1])))
        frames = makeFrame(torch.from_numpy(padded).to(self._device), self._hop, self._network.windowSize)
        return frames.unsqueeze(0)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _read(self, frames: Tensor, starts: list[int]) -> tuple[list[Interval], list[int]]:
        """The intervals of one segment, times from its start, and where each key is to be read on from.

        ``starts`` holds for each key the frame before which the last segment has read it already.
        """
        scores, context = self._network.processFramesBatch(frames)
        paths: list[list[tuple[int, int]]] = scores.decode(forcedStartPos=starts, forward=False)
        step = self._step // self._hop
        cells = [(key, first, last) for key, path in enumerate(paths) for first, last in path]
        if not cells:
            return [], [0] * len(starts)
        keys, firsts, lasts = torch.tensor(cells, device=self._device).T
        ends = context[0, keys, firsts], context[0, keys, lasts]
        features = torch.cat([*ends, ends[0] * ends[1]], dim=-1)
        velocities = self._network.velocityPredictor(features).argmax(-1).tolist()
        shift_logits, presence_logits = self._network.refinedOFPredictor(features).chunk(2, dim=-1)
        shifts = (torch.distributions.ContinuousBernoulli(logits=shift_logits).mean - 0.5) / 0.99
        # The score of leaving an interval's frames unexplained is 0, so its own score is its log odds.
        confidences = scores.score[lasts, firsts, keys].sigmoid().tolist()

        last_frame = round(self._segment / self._hop)
        read_until = [0] * len(starts)
        intervals = []
        for (key, first, last), velocity, shift, confidence, (begun, ended) in zip(
            cells,
            velocities,
            shifts.clamp(-0.5, 0.5).tolist(),
            confidences,
            (presence_logits > 0).tolist(),
            strict=True,
        ):
            interval = Interval(
                start=(first + shift[0]) * self._hop / self._rate,
                end=(last + shift[1]) * self._hop / self._rate,
                pitch=self._network.targetMIDIPitch[key],
                velocity=velocity,
                confidence=confidence,
                has_onset=first > 0 or begun,
                has_offset=last < last_frame or ended,
            )
            intervals.append(interval)
            read_until[key] = last if interval.has_offset else 0
        return intervals, [max(0, frame - step) for frame in read_until]


def stitch(track: list[Interval], interval: Interval) -> None:
    """Add one key's next interval to those of the segments before.

    One that overlaps the last is the same note seen again: the newer view replaces the older, or,
    where it doesn't see the onset, finishes it.
    """
    if track and interval.start < track[-1].end:
        if interval.has_onset:
            track[-1] = interval
        else:
            track[-1] = replace(
                track[-1], end=max(track[-1].end, interval.end), has_offset=interval.has_offset
            )
    elif interval.has_onset:
        track.append(interval)


def as_notes(track: list[Interval], duration: float) -> Iterator[Note]:
    """One key's notes: each ends at the next one's onset or the end of the recording at the latest."""
    for index, interval in enumerate(track):
        follower = track[index + 1].start if index + 1 < len(track) else duration
        end = min(interval.end, follower, duration)
        finished = interval.has_offset or index + 1 == len(track)
        if finished and end - interval.start >= SHORTEST_SECONDS:
            yield Note(
                onset=interval.start,
                offset=end,
                pitch=interval.pitch,
                velocity=max(1, interval.velocity),
                confidence=interval.confidence,
            )
