"""Notes of a solo piano: the Transkun network, from the ``transkun`` package.

Task: a recording of one piano in, its notes with onset, offset, pitch and velocity out.
Method: Yan and Duan, "Scoring Time Intervals Using Non-Hierarchical Transformer for Automatic Piano
Transcription" (ISMIR 2024). A transformer scores, for every key, every interval of frames as one
note; a semi-Markov decoder picks the intervals that do not overlap and score highest together.
Velocity and the exact onset and offset within their frames are then read from each interval's ends.

Conventions: an offset is where the sound ends, the sustain pedal included. The song is read in
segments of 16 s every 12 s, stitched as the package does it (every 8 s): a note cut off by one segment's
end is finished by the next.

The package gives the network and its weights (2.0, MIT, 56 MB, inside its wheel). Its own loading and
its command line are not used: they need torchaudio, for a filter bank that is in the weights anyway. Its
spectrum, attention, scoring and decoding are computed here, to the same result in a third of the time:
without the bins that no filter hears, with fused attention, and without copies of the scores. Where the
processor has bfloat16, the transformer's products are made in it; scores and decoding are float32.

Memory: about 0.6 GB for one segment, however long the song.
Limits: other instruments and voices are written as piano notes; chosen by ``auto`` only where
``transcription.solo_piano.is_solo_piano`` says so.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transkun import ModelTransformer
from transkun.LayersTransformer import MultiHeadAttentionKernel
from transkun.Util import MelSpectrum, Spectrum, makeFrame

from fullscore.engines import Progress, option, silent
from fullscore.errors import FullscoreError, install
from separation.audio import Audio, resample
from separation.devices import choose_device, has_bfloat16
from transcription.notes import Note

SEGMENT_SECONDS, STEP_SECONDS = 16.0, 12.0
TINY_DEVIATION = 1e-8
SHORTEST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class PianoSettings:
    """What may be set."""

    device: str = option("auto", "where the network runs", choices=("auto", "cpu", "cuda", "mps"))


@dataclass(frozen=True, slots=True)
class NoteInterval:
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
        # The highest bin that a filter hears (the filters end at f_max), and the next.
        self.bins = math.ceil(f_max * windowSize / fs) + 1
        self.outputDim = n_mels
        self.nChannel = nExtraWins + 1
        self.register_buffer("freq2mels", torch.zeros(windowSize // 2 + 1, n_mels))
        self.log = log
        self.eps = eps
        self.spectrogramExtractor = Spectrum(windowSize, nExtraWins)
        self.toMono = toMono

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (1, channels, frames, samples) as log mel power (1, 1, frames, filters, windows)."""
        windows = torch.cat(
            [self.spectrogramExtractor.win[None], self.spectrogramExtractor.winGen.get().T]
        ).to(frames.dtype)
        power = torch.zeros((), device=frames.device)
        for channel in frames[0]:
            spectrum = torch.view_as_real(
                torch.fft.rfft(channel[:, None] * windows, norm="ortho")[..., : self.bins]
            )
            power = power + spectrum.square().sum(-1) / frames.shape[1]
        mel = power @ self.freq2mels[: self.bins]
        log_mel = ((mel + self.eps).log() - math.log(self.eps)) / -math.log(self.eps)
        return log_mel.transpose(-1, -2)[None, None]


def attend(attention: Any, query: Tensor, source: Tensor) -> Tensor:
    """The package's multi-head attention over the last axis but one, by torch's fused kernel."""
    heads = (attention.num_heads, attention.head_dim)

    def project(x: Tensor, weight: Tensor) -> Tensor:
        return (x.flatten(0, -3) @ weight).unflatten(-1, heads).transpose(1, 2)

    heard = nn.functional.scaled_dot_product_attention(
        project(query, attention.q_proj_weight),
        project(source, attention.k_proj_weight),
        project(source, attention.v_proj_weight),
    )
    projected: Tensor = attention.out_proj(heard.transpose(1, 2).flatten(-2))
    return projected.view(query.shape)


def packaged_weights() -> tuple[Path, Path]:
    """The network's configuration and weights inside the transkun package."""
    spec = importlib.util.find_spec("transkun")
    folder = Path(next(iter((spec.submodule_search_locations if spec else None) or ["."]))) / "pretrained"
    configuration, weights = folder / "2.0.conf", folder / "2.0.pt"
    if not (configuration.is_file() and weights.is_file()):
        raise FullscoreError(
            "the piano network's weights are missing from {folder}",
            install("pip install --force-reinstall --no-deps transkun"),
            folder=folder,
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
    for module in network.modules():
        if isinstance(module, MultiHeadAttentionKernel):
            module.forward = partial(attend, module)
    return network.to(device).eval()


class Piano:
    """The Transkun network and the stitching of its segments."""

    def __init__(self, settings: PianoSettings | None = None) -> None:
        self.settings = settings or PianoSettings()
        self._device = choose_device(self.settings.device)
        self._bfloat16 = has_bfloat16(self._device)
        self._network = load_network(self._device)
        self._rate, self._hop = int(self._network.fs), int(self._network.hopSize)
        self._segment = math.ceil(SEGMENT_SECONDS * self._rate)
        self._step = math.ceil(STEP_SECONDS * self._rate / self._hop) * self._hop

    def __call__(self, audio: Audio, progress: Progress = silent) -> tuple[Note, ...]:
        """The notes of ``audio``, by onset and pitch."""
        if audio.channels > 2:
            audio = audio.mono()
        sound = resample(audio, self._rate)
        tracks: dict[int, list[NoteInterval]] = {}
        beyond_first = max(0, sound.samples.shape[1] - self._segment)
        begins = range(0, beyond_first + self._step, self._step)
        starts = [0] * len(self._network.targetMIDIPitch)
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
        tracks: dict[int, list[NoteInterval]] = {}
        for interval in sorted(intervals, key=lambda each: (each.start, each.end)):
            moved = replace(interval, start=max(0.0, interval.start), has_offset=True)
            tracks.setdefault(interval.pitch, []).append(moved)
        return self._notes(tracks, excerpt.duration)

    def _notes(self, tracks: dict[int, list[NoteInterval]], duration: float) -> tuple[Note, ...]:
        """The notes of all keys (the network's pedals, below 0, left out), by onset and pitch."""
        notes = [note for pitch, track in tracks.items() if pitch > 0 for note in as_notes(track, duration)]
        return tuple(sorted(notes, key=lambda note: (note.onset, note.pitch)))

    def _cut(self, sound: Audio, begin: int) -> Tensor:
        """One segment as frames; silence after the recording ends."""
        piece = sound.samples[:, begin : begin + self._segment]
        padded = np.pad(piece, ((0, 0), (0, self._segment - piece.shape[1])))
        frames = makeFrame(torch.from_numpy(padded).to(self._device), self._hop, self._network.windowSize)
        return frames.unsqueeze(0)

    def _listen(self, frames: Tensor) -> Tensor:
        """What the transformer makes of one segment: features (keys, frames, features)."""
        network = self._network
        level = (frames - frames.mean()) / (frames.std() + TINY_DEVIATION)
        features = network.framewiseFeatureExtractor(level)[0]
        keys = torch.tensor(network.targetMIDIPitch, device=self._device)
        products: AbstractContextManager[Any] = (
            torch.autocast(self._device.type, torch.bfloat16) if self._bfloat16 else nullcontext()
        )
        with products:
            context: Tensor = network.backbone(features, outputIndices=keys)[0]
        return context.float()

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _read(self, frames: Tensor, starts: list[int]) -> tuple[list[NoteInterval], list[int]]:
        """The intervals of one segment, times from its start, and where each key is to be read on from.

        ``starts`` holds for each key the frame before which the last segment has read it already.
        """
        context = self._listen(frames)
        scores = interval_scores(self._network.scorer, context)
        paths = best_intervals(scores, starts)
        step = self._step // self._hop
        cells = [(key, first, last) for key, path in enumerate(paths) for first, last in path]
        if not cells:
            return [], [0] * len(starts)
        keys, firsts, lasts = torch.tensor(cells, device=self._device).T
        ends = context[keys, firsts], context[keys, lasts]
        features = torch.cat([*ends, ends[0] * ends[1]], dim=-1)
        velocities = self._network.velocityPredictor(features).argmax(-1).tolist()
        shift_logits, presence_logits = self._network.refinedOFPredictor(features).chunk(2, dim=-1)
        shifts = (torch.distributions.ContinuousBernoulli(logits=shift_logits).mean - 0.5) / 0.99
        # The score of leaving an interval's frames unexplained is 0, so its own score is its log odds.
        confidences = scores[keys, firsts, lasts].sigmoid().tolist()

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
            interval = NoteInterval(
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


def interval_scores(scorer: Any, context: Tensor) -> Tensor:
    """Score of every interval of frames as one note: (keys, first frame, last frame), first <= last.

    The product of what its ends show, times its length; a single frame has a score of its own.
    """
    ends, begins, single = scorer.map(context).split([scorer.size, scorer.size, 1], dim=-1)
    scores: Tensor = begins @ (ends / math.sqrt(scorer.size)).transpose(1, 2)
    frame = torch.arange(scores.shape[1], device=scores.device)
    scores *= (frame - frame[:, None]).to(scores.dtype)
    scores.diagonal(dim1=1, dim2=2).copy_(single[..., 0])
    return scores


def best_intervals(scores: Tensor, starts: Sequence[int]) -> list[list[tuple[int, int]]]:
    """For each key the intervals of the highest total score that overlap in no more than their ends.

    Viterbi decoding of a semi-Markov chain from the last frame back to the first: a frame is left out, at
    no cost, or begins an interval; single frames count in addition. The path is read from each key's
    frame in ``starts`` on.
    """
    keys, frames, _ = scores.shape
    single = scores.diagonal(dim1=1, dim2=2)
    bonus = single.clamp(min=0)
    best = bonus.clone()  # of all that begins in a frame or later; filled from the last frame on
    goal = torch.zeros((keys, frames), dtype=torch.long, device=scores.device)
    for frame in range(frames - 2, -1, -1):
        total, last = (scores[:, frame, frame + 1 :] + best[:, frame + 1 :]).max(dim=1)
        skipped = best[:, frame + 1]
        goal[:, frame] = torch.where(total > skipped, last + frame + 1, 0)
        best[:, frame] += torch.maximum(total, skipped)
    paths = []
    for start, goals, alone in zip(starts, goal.tolist(), (single > 0).tolist(), strict=True):
        path: list[tuple[int, int]] = []
        frame = start
        while frame < frames:
            if alone[frame]:
                path.append((frame, frame))
            if goals[frame]:
                path.append((frame, goals[frame]))
            frame = goals[frame] or frame + 1
        paths.append(path)
    return paths


def stitch(track: list[NoteInterval], interval: NoteInterval) -> None:
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


def as_notes(track: list[NoteInterval], duration: float) -> Iterator[Note]:
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
