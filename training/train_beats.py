"""Trains the network that marks beats in performed notes (``transcription/beats/activations.npz``).

    python -m training.train_beats CORPUS --pop909 GIT --output FILE.npz [--minutes 60]

Task: from the features of each cluster of notes (``transcription.beats.clusters``) tell where in its beat it
lies, whether a beat or downbeat begins there, how long the beat is, which beat of how many it is, the
meter, and whether eighths are swung. Method: dense layer, two convolutions, two bidirectional GRUs
with heads on top, in the manner of Liu et al. (RenderedPerformance MIDI-to-Score Conversion by Neural Beat
Tracking, ISMIR 2022), but taught on open scores played by ``training.perform`` anew each time, and on
POP909, whose beats are annotated. A score is held out by its name (``held_out``).

CORPUS is a folder written by ``training.corpus``; GIT is a mirror of the POP909 dataset. Runs on one
thread, with a second process that plays.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import subprocess
import tarfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.corpus import ScorePiece, load
from training.perform import Random, RenderedPerformance, choose_parts, perform
from transcription.beats.activations import (
    HEADS,
    METERS,
    OTHER_PHASE,
    PERIODS_S,
    PHASES,
    PLACES,
)
from transcription.beats.clusters import Clusters, cluster_features, clusters_of

Floats = npt.NDArray[np.float64]

CHUNK, BATCH = 384, 16
HELD_OUT_PERCENT = 7
POP909_LEFT_OUT = frozenset({"001", "113"})
SOURCES = {"lieder": 0.29, "quartets": 0.28, "musetrainer": 0.19, "music21": 0.05, "pop909": 0.19}
"""How much of the training comes from each collection."""
NOISY_SHARE, DRUM_SHARE = 0.12, 0.25
"""Shares of performances treated as a transcription with errors, and of songs given drums."""
CLOSE_S = 0.06
"""A cluster stands for a score position if it is this close to that position's exact time."""


@dataclass(frozen=True, slots=True)
class TrainingSong:
    """A song of POP909: its notes as performed and its annotated beats."""

    name: str
    onset: Floats
    offset: Floats
    pitch: Floats
    velocity: Floats
    track: npt.NDArray[np.int64]
    beats: Floats
    numbers: npt.NDArray[np.int64]
    size: int


@dataclass(frozen=True, slots=True)
class LabelledSong:
    """The features of a performance and what the network should say of each cluster (-1: not asked)."""

    features: npt.NDArray[np.float32]
    times: Floats
    phase: npt.NDArray[np.int64]
    beat: npt.NDArray[np.int64]
    downbeat: npt.NDArray[np.int64]
    period: Floats
    place: npt.NDArray[np.int64]
    meter: npt.NDArray[np.int64]
    swing: npt.NDArray[np.int64]
    beats: Floats
    numbers: npt.NDArray[np.int64]


LABELS = ("phase", "beat", "downbeat", "period", "place", "meter", "swing")


def held_out(name: str) -> bool:
    """Whether a piece is kept for validation; the same in every run."""
    return zlib.crc32(name.encode()) % 100 < HELD_OUT_PERCENT


def pieces_of(folder: Path) -> dict[str, list[ScorePiece]]:
    """The usable scores by collection."""
    result: dict[str, list[ScorePiece]] = {}
    for path in sorted(folder.glob("*.npz")):
        try:
            piece = load(path)
        except (ValueError, KeyError, EOFError, OSError):
            continue
        if len(piece.onset) >= 60 and len(piece.bar_start) >= 6:
            result.setdefault(path.name.split("_")[0], []).append(piece)
    return result


def songs_of(git: Path) -> list[TrainingSong]:
    """POP909 without the songs that are used to measure, from a git mirror."""
    import pretty_midi

    archive = subprocess.run(
        ["git", "--git-dir", str(git), "archive", "HEAD", "POP909"], check=True, capture_output=True
    ).stdout
    wanted = ("beat_midi.txt", "beat_audio.txt")
    blobs = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for entry in files:
            if entry.name.count("/") == 2 and entry.name.endswith((".mid", *wanted)):
                held = files.extractfile(entry)
                assert held is not None
                blobs[entry.name] = held.read()
    names = sorted({path.split("/")[1] for path in blobs})
    songs = []
    for name in names:
        if name in POP909_LEFT_OUT or not name.isdigit():
            continue
        table = np.loadtxt(io.BytesIO(blobs[f"POP909/{name}/beat_midi.txt"]))
        audio = np.loadtxt(io.BytesIO(blobs[f"POP909/{name}/beat_audio.txt"]))
        size = int(audio[:, 1].max())
        down = np.flatnonzero(table[:, 2 if size > 3 else 1] == 1)
        if size not in (2, 3, 4) or len(down) < 8 or np.mean(np.diff(down) == size) < 0.95:
            continue
        numbers = np.zeros(len(table), np.int64)
        for n in range(len(table)):
            before = down[down <= n]
            numbers[n] = (n - before[-1]) % size + 1 if len(before) else (n - down[0]) % size + 1
        midi = pretty_midi.PrettyMIDI(io.BytesIO(blobs[f"POP909/{name}/{name}.mid"]))
        rows = [
            (note.start, note.end, note.pitch, note.velocity, track)
            for track, part in enumerate(midi.instruments)
            for note in part.notes
        ]
        notes = np.array(sorted(rows))
        songs.append(
            TrainingSong(
                name,
                notes[:, 0],
                notes[:, 1],
                notes[:, 2],
                notes[:, 3],
                notes[:, 4].astype(int),
                table[:, 0],
                numbers,
                size,
            )
        )
    return songs


def phase_class(phase: Floats, tolerance: float) -> npt.NDArray[np.int64]:
    """The class of each place in a beat (0 to 1); OTHER_PHASE where none is near."""
    distance = np.abs(phase[:, None] - np.append(PHASES, 1.0)[None])
    nearest = distance.argmin(axis=1)
    result = np.where(distance.min(axis=1) <= tolerance, nearest % len(PHASES), OTHER_PHASE)
    return np.asarray(result, dtype=np.int64)


def meter_class(numerator: int, denominator: int) -> int:
    name = f"{numerator}/{denominator}"
    return METERS.index(name) if name in METERS else -1


def place_class(size: int, number: int) -> int:
    return PLACES.index((size, number)) if (size, number) in PLACES else len(PLACES)


def labels_at(
    clusters: Clusters,
    phase: npt.NDArray[np.int64],
    beats: Floats,
    numbers: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    meters: npt.NDArray[np.int64],
    swing: int,
) -> dict[str, Any]:
    """What the network should say of each cluster, given its phase class and the beats."""
    times = clusters.times
    at = np.clip(np.searchsorted(beats, times + CLOSE_S, side="right") - 1, 0, len(beats) - 2)
    at = np.where(
        (phase != 0) & (phase != OTHER_PHASE),
        np.clip(np.searchsorted(beats, times, side="right") - 1, 0, len(beats) - 2),
        at,
    )
    place = np.array([place_class(int(s), int(n)) for s, n in zip(sizes, numbers, strict=True)])
    beat = phase == 0
    outside = (times < beats[0] - CLOSE_S) | (times > beats[-1] + CLOSE_S)
    period = np.where(outside, -1.0, (beats[1:] - beats[:-1])[at])
    return {
        "phase": np.where(outside, -1, phase),
        "beat": np.where(outside, -1, beat),
        "downbeat": np.where(outside, -1, beat & (numbers[at] == 1)),
        "period": period,
        "place": np.where(outside, -1, place[at]),
        "meter": np.where(outside, -1, meters[at]),
        "swing": np.full(len(times), swing),
        "beats": beats,
        "numbers": numbers,
    }


def performed(piece: ScorePiece, rng: Random) -> LabelledSong | None:
    """A fresh performance of a score with its labels; None if too little is played."""
    played = choose_parts(piece, rng)
    if played.sum() < 40:
        return None
    middle = float(np.median(piece.pitch[played]))
    transpose = int(np.clip(rng.integers(-6, 7), 40 - middle, 84 - middle))
    made = perform(piece, rng, played=played, transpose=transpose)
    noisy = rng.random() < NOISY_SHARE
    return label_performance(made, piece, rng, noisy)


def label_performance(
    made: RenderedPerformance, piece: ScorePiece, rng: Random, noisy: bool = False
) -> LabelledSong | None:
    onset, offset, pitch, velocity, index = (
        made.onset,
        made.offset,
        made.pitch.astype(float),
        made.velocity.astype(float),
        made.index,
    )
    if noisy:
        onset, offset, pitch, velocity, index = mishead(onset, offset, pitch, velocity, index, rng)
    if len(onset) < 30:
        return None
    clusters = clusters_of(onset)
    index = index[clusters.order]
    ticks = np.where(index >= 0, piece.onset[np.maximum(index, 0)], -1)
    grace = np.where(index >= 0, piece.duration[np.maximum(index, 0)] == 0, True)
    ticks = np.where(grace, -1, ticks)
    # The position that most of a cluster's notes have in the score stands for it.
    chosen = np.full(len(clusters), -1, np.int64)
    order = np.lexsort((ticks, clusters.group))
    for group, tick, votes in runs(clusters.group[order], ticks[order]):
        if tick >= 0 and votes > 0 and (chosen[group] < 0):
            chosen[group] = tick
    exact = made.seconds_at(np.maximum(chosen, 0))
    away = np.abs(exact - clusters.times)
    chosen = np.where((chosen >= 0) & (away < (CLOSE_S if not noisy else 0.08)), chosen, -1)
    # Of several clusters of one position (a rolled chord) only the nearest stands for it.
    best = np.lexsort((away, chosen))
    repeated = np.concatenate([[False], np.diff(chosen[best]) == 0])
    chosen[best[repeated]] = -1
    counted = made.counted
    at = np.clip(np.searchsorted(counted.ticks, chosen, side="right") - 1, 0, len(counted) - 2)
    unit = np.diff(counted.ticks)[at]
    phase = phase_class((chosen - counted.ticks[at]) / unit, 0.011)
    phase = np.where(chosen < 0, OTHER_PHASE, phase)
    beats = made.seconds_at(counted.ticks)
    compound = (counted.denominators >= 8) & (counted.numerators > 3) & (counted.numerators % 3 == 0)
    sizes = np.where(compound, counted.numerators // 3, counted.numerators)
    meters = np.array(
        [meter_class(int(n), int(d)) for n, d in zip(counted.numerators, counted.denominators, strict=True)]
    )
    features = cluster_features(clusters, onset, offset, pitch, velocity, np.zeros(len(onset), bool))
    said = labels_at(clusters, phase, beats, counted.numbers, sizes, meters, int(made.style.swing != 0.5))
    return LabelledSong(features=features, times=clusters.times, **said)


def runs(group: npt.NDArray[np.int64], tick: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Each (group, tick) of two sorted columns with its number of rows, the most frequent first."""
    if not len(group):
        return
    change = np.flatnonzero(np.concatenate([[True], (np.diff(group) != 0) | (np.diff(tick) != 0)]))
    votes = np.diff([*change, len(group)])
    order = np.lexsort((-votes, group[change]))
    for k in order:
        yield int(group[change[k]]), int(tick[change[k]]), int(votes[k])


def mishead(
    onset: Floats, offset: Floats, pitch: Floats, velocity: Floats, index: npt.NDArray[np.int64], rng: Random
) -> tuple[Floats, Floats, Floats, Floats, npt.NDArray[np.int64]]:
    """The same notes as a transcription of a recording might have them: lost, false, late and early ones."""
    keep = rng.random(len(onset)) > rng.uniform(0.02, 0.35)
    onset, offset, pitch = onset[keep], offset[keep], pitch[keep]
    velocity, index = velocity[keep], index[keep]
    false = rng.random(len(onset)) < rng.uniform(0.0, 0.12)
    onset2 = onset[false] + rng.choice([0.0, 1.0], int(false.sum())) * rng.normal(0, 0.2, int(false.sum()))
    pitch2 = pitch[false] + rng.choice([-12, 12, 12, 19, 7, 1, -1], int(false.sum()))
    length = (offset - onset) * np.exp(rng.normal(-0.1, 0.4, len(onset)))
    jittered = onset + rng.normal(0, rng.uniform(0.002, 0.02), len(onset))
    return (
        np.concatenate([jittered, onset2]),
        np.concatenate([jittered + np.maximum(length, 0.03), onset2 + 0.2]),
        np.concatenate([pitch, np.clip(pitch2, 21, 108)]),
        np.concatenate([velocity, velocity[false]]),
        np.concatenate([index, np.full(int(false.sum()), -1)]),
    )


def sung(song: TrainingSong, rng: Random, plain: bool = False) -> LabelledSong | None:
    """A song, perhaps at another pace or pitch, with some of its tracks and perhaps with drums."""
    stretch = 1.0 if plain else float(np.exp(rng.normal(0, 0.12)))
    keep = np.ones(len(song.onset), bool)
    kind = rng.random()
    if not plain and kind < 0.35:
        tracks = np.unique(song.track)
        keep = song.track == tracks[-1] if kind < 0.25 else song.track != rng.choice(tracks)
    onset, offset = song.onset[keep] * stretch, song.offset[keep] * stretch
    pitch, velocity = song.pitch[keep] + (0 if plain else rng.integers(-6, 7)), song.velocity[keep]
    beats = song.beats * stretch
    if not plain and rng.random() < NOISY_SHARE:
        onset, offset, pitch, velocity, _ = mishead(
            onset, offset, pitch, velocity, np.zeros(len(onset), int), rng
        )
    drum = np.zeros(len(onset), bool)
    if not plain and rng.random() < DRUM_SHARE:
        hits = drum_pattern(beats, song.numbers, song.size, rng)
        onset = np.concatenate([onset, hits[:, 0]])
        offset = np.concatenate([offset, hits[:, 0] + 0.05])
        pitch = np.concatenate([pitch, hits[:, 1]])
        velocity = np.concatenate([velocity, hits[:, 2]])
        drum = np.concatenate([drum, np.ones(len(hits), bool)])
    if len(onset) < 30:
        return None
    clusters = clusters_of(onset)
    position = np.interp(clusters.times, beats, np.arange(len(beats)))
    phase = phase_class(position % 1.0, 0.06)
    nearest = np.abs(clusters.times - np.interp(np.rint(position), np.arange(len(beats)), beats))
    on_beat = np.flatnonzero(phase == 0)
    order = on_beat[np.lexsort((nearest[on_beat], np.rint(position[on_beat])))]
    repeated = np.concatenate([[False], np.diff(np.rint(position[order])) == 0])
    phase[order[repeated]] = OTHER_PHASE
    features = cluster_features(clusters, onset, offset, pitch, velocity, drum)
    sizes = np.full(len(beats), song.size)
    meters = np.full(len(beats), meter_class(song.size, 4))
    return LabelledSong(
        features=features,
        times=clusters.times,
        **labels_at(clusters, phase, beats, song.numbers, sizes, meters, -1),
    )


def drum_pattern(beats: Floats, numbers: npt.NDArray[np.int64], size: int, rng: Random) -> Floats:
    """Kick, snare and hi-hat of a plain rock pattern: rows of time, General MIDI note, velocity."""
    per_beat = int(rng.choice([1, 2, 2, 2, 4]))
    kicks = {(1, 0)} | ({(3, 0)} if size == 4 and rng.random() < 0.7 else set())
    for number in range(1, size + 1):
        if rng.random() < 0.25:
            kicks.add((number, 1))
    snares = {2, 4} if size == 4 else ({2} if size == 2 else {2, 3})
    if size == 4 and rng.random() < 0.15:
        snares = {3}
    begin, end = sorted(rng.integers(0, len(beats), 2)) if rng.random() < 0.3 else (0, len(beats))
    rows = []
    for n in range(begin, min(end, len(beats) - 1)):
        step = beats[n + 1] - beats[n]
        for k in range(per_beat):
            rows.append((beats[n] + step * k / per_beat, 42, 70))
        for half in (0, 1):
            if (int(numbers[n]), half) in kicks and rng.random() < 0.95:
                rows.append((beats[n] + step * half / 2, 36, 95))
        if int(numbers[n]) in snares and rng.random() < 0.95:
            rows.append((beats[n], 38, 90))
        if numbers[n] == 1 and rng.random() < 0.1:
            rows.append((beats[n], 49, 100))
    table = np.array(rows, float).reshape(-1, 3)
    table[:, 0] += rng.normal(0, 0.006, len(table))
    return table[rng.random(len(table)) > 0.03]


def endless(
    pieces: dict[str, list[ScorePiece]], songs: list[TrainingSong], rng: Random
) -> Iterator[LabelledSong]:
    """Fresh performances of the pieces that are not held out, for ever."""
    pieces = {source: [p for p in some if not held_out(p.name)] for source, some in pieces.items()}
    songs = [s for s in songs if not held_out(s.name)]
    names = [s for s in SOURCES if pieces.get(s) or (s == "pop909" and songs)]
    share = np.array([SOURCES[s] for s in names])
    weights = {
        s: np.array([min(len(p.onset), 3000) ** 0.8 for p in pieces[s]]) for s in names if s != "pop909"
    }
    while True:
        # A long piece fills many chunks: choosing pieces by the inverse keeps the shares by chunk.
        source = names[int(rng.choice(len(names), p=share / share.sum()))]
        if source == "pop909":
            made = sung(songs[int(rng.integers(len(songs)))], rng)
        else:
            chance = weights[source] / weights[source].sum()
            made = performed(pieces[source][int(rng.choice(len(chance), p=chance))], rng)
        if made is not None and len(made.times) >= 24:
            yield made


def chunks(made: LabelledSong, rng: Random, limit: int = 8) -> Iterator[dict[str, Any]]:
    """At most ``limit`` stretches of CHUNK clusters, padded."""
    count = len(made.times)
    starts = np.arange(0, max(1, count - CHUNK // 3), CHUNK) + (
        int(rng.integers(0, CHUNK)) if count > 2 * CHUNK else 0
    )
    starts = starts[starts < count - 24] if count > 2 * CHUNK else starts[:1]
    for start in rng.permutation(starts)[:limit]:
        part = slice(int(start), int(start) + CHUNK)
        size = len(made.times[part])
        chunk: dict[str, Any] = {"features": np.zeros((CHUNK, made.features.shape[1]), np.float16)}
        chunk["features"][:size] = made.features[part]
        for name in LABELS:
            row = np.full(CHUNK, -1.0, np.float32)
            row[:size] = getattr(made, name)[part]
            chunk[name] = row
        yield chunk


def play(pieces: dict[str, list[ScorePiece]], songs: list[TrainingSong], seed: int, queue: Any) -> None:
    """Fills ``queue`` with batches, for ever (a process of its own)."""
    os.nice(5)
    rng = np.random.default_rng(seed)
    pool: list[dict[str, Any]] = []
    for made in endless(pieces, songs, rng):
        pool += chunks(made, rng)
        if len(pool) >= 12 * BATCH:
            pool = [pool[i] for i in rng.permutation(len(pool))]
            while len(pool) >= 6 * BATCH:
                batch, pool = pool[:BATCH], pool[BATCH:]
                queue.put({name: np.stack([c[name] for c in batch]) for name in batch[0]})


def network(torch: Any, mean: Floats, spread: Floats) -> Any:
    """The network of ``transcription.beats.activations`` as a torch module."""
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            wide, narrow = 128, 96
            self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
            self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32))
            self.enter = nn.Linear(len(mean), wide)
            self.conv1 = nn.Conv1d(wide, wide, 5, padding=2)
            self.conv2 = nn.Conv1d(wide, wide, 5, padding=2)
            self.gru1 = nn.GRU(wide, narrow, batch_first=True, bidirectional=True)
            self.gru2 = nn.GRU(2 * narrow, narrow, batch_first=True, bidirectional=True)
            self.heads = nn.Linear(4 * narrow, sum(HEADS.values()))
            self.drop = nn.Dropout(0.1)

        def forward(self, features: Any) -> Any:
            x = torch.relu(self.enter((features - self.mean) / self.spread))
            x = x.transpose(1, 2)
            x = x + torch.relu(self.conv1(x))
            x = x + torch.relu(self.conv2(x))
            x = self.drop(x.transpose(1, 2))
            low, _ = self.gru1(x)
            high, _ = self.gru2(self.drop(low))
            return self.heads(self.drop(torch.cat([low, high], dim=2)))

    return Network()


WEIGHTS = {"phase": 1.0, "beat": 1.0, "period": 0.5, "place": 0.7, "meter": 0.2, "swing": 0.1}


def losses(torch: Any, output: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """The mean loss of each head over what is asked."""
    from torch.nn import functional

    parts = dict(zip(HEADS, torch.split(output, list(HEADS.values()), dim=2), strict=True))
    result = {}
    for name in ("phase", "place", "meter"):
        target = batch[name].long()
        result[name] = functional.cross_entropy(parts[name].flatten(0, 1), target.flatten(), ignore_index=-1)
    target = torch.stack([batch["beat"], batch["downbeat"]], dim=2)
    asked = (target >= 0).float()
    single = functional.binary_cross_entropy_with_logits(parts["beat"], target.clamp(min=0), reduction="none")
    result["beat"] = (single * asked).sum() / asked.sum().clamp(min=1) * 2
    asked = (batch["period"] > 0).float()
    centres = torch.tensor(np.log(PERIODS_S), dtype=torch.float32)
    wanted = batch["period"].clamp(PERIODS_S[0], PERIODS_S[-1]).log()
    soft = torch.exp(-0.5 * ((wanted[..., None] - centres) / (centres[1] - centres[0])) ** 2)
    soft = soft / soft.sum(dim=2, keepdim=True)
    cross = -(soft * torch.log_softmax(parts["period"], dim=2)).sum(dim=2)
    result["period"] = (cross * asked).sum() / asked.sum().clamp(min=1)
    asked = (batch["swing"] >= 0).float()
    single = functional.binary_cross_entropy_with_logits(
        parts["swing"][..., 0], batch["swing"].clamp(min=0), reduction="none"
    )
    result["swing"] = (single * asked).sum() / asked.sum().clamp(min=1)
    return result


def written(model: Any, path: Path) -> None:
    """Save the weights as float16 for ``transcription.network``."""
    arrays = {name.replace(".", "_"): value.numpy() for name, value in model.state_dict().items()}
    partial = path.with_suffix(".part.npz")
    np.savez_compressed(partial, **{name: value.astype(np.float16) for name, value in arrays.items()})
    partial.rename(path)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--pop909", type=Path, help="git directory of the POP909 dataset")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="go on from this state (FILE.pt beside an output)")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    pieces = pieces_of(arguments.corpus)
    songs = songs_of(arguments.pop909) if arguments.pop909 else []
    print({source: len(some) for source, some in pieces.items()}, len(songs), "songs", flush=True)
    queue: Any = multiprocessing.Queue(40)
    player = multiprocessing.Process(
        target=play, args=(pieces, songs, arguments.seed + 1, queue), daemon=True
    )
    player.start()
    rng = np.random.default_rng(99)
    kept = [p for some in pieces.values() for p in some if held_out(p.name)]
    kept = [kept[i] for i in rng.permutation(len(kept))[:60]]
    valid = [c for p in kept if (made := performed(p, rng)) is not None for c in chunks(made, rng, 2)]
    first = [queue.get() for _ in range(8)]
    seen = np.concatenate(
        [b["features"].astype(np.float64).reshape(-1, b["features"].shape[2]) for b in first]
    )
    seen = seen[np.abs(seen).sum(axis=1) > 0]
    model = network(torch, seen.mean(axis=0), np.maximum(seen.std(axis=0), 0.05))
    if arguments.start:
        model.load_state_dict(torch.load(arguments.start, weights_only=True))
    optimiser = torch.optim.AdamW(model.parameters(), lr=arguments.rate, weight_decay=1e-3)
    begin = time.monotonic()
    limit = arguments.minutes * 60
    step, report, total = 0, begin, dict.fromkeys(HEADS, 0.0)
    while (elapsed := time.monotonic() - begin) < limit:
        done = elapsed / limit
        rate = arguments.rate * min(1.0, (step + 1) / 100) * (0.5 * (1 + np.cos(np.pi * done)) * 0.98 + 0.02)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = {name: torch.tensor(values.astype(np.float32)) for name, values in queue.get().items()}
        part = losses(torch, model(batch["features"]), batch)
        loss = sum(WEIGHTS[name] * part[name] for name in part)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        for name in part:
            total[name] += part[name].item()
        if step % 100 == 0:
            text = " ".join(f"{name} {value / 100:.3f}" for name, value in total.items())
            now = time.monotonic()
            pace = 100 * BATCH * CHUNK / (now - report)
            print(
                f"{step:6d} {now - begin:6.0f} s {pace:6.0f} a second {text}  {queue.qsize()} left",
                flush=True,
            )
            report, total = now, dict.fromkeys(HEADS, 0.0)
        if step % 500 == 0 or time.monotonic() - begin >= limit:
            print("  held out:", validated(torch, model, valid), flush=True)
            report = time.monotonic()
            written(model, arguments.output)
            torch.save(model.state_dict(), arguments.output.with_suffix(".pt"))
    written(model, arguments.output)
    torch.save(model.state_dict(), arguments.output.with_suffix(".pt"))
    player.terminate()


def validated(torch: Any, model: Any, valid: list[dict[str, Any]]) -> str:
    """The losses on the held-out chunks, and how many phases and beats are right."""
    model.eval()
    total: dict[str, float] = dict.fromkeys(HEADS, 0.0)
    right = asked = hit = said = true = 0.0
    with torch.no_grad():
        for i in range(0, len(valid), BATCH):
            some = valid[i : i + BATCH]
            batch = {n: torch.tensor(np.stack([c[n] for c in some]).astype(np.float32)) for n in some[0]}
            output = model(batch["features"])
            for name, value in losses(torch, output, batch).items():
                total[name] += value.item() * len(some) / len(valid)
            parts = dict(zip(HEADS, torch.split(output, list(HEADS.values()), dim=2), strict=True))
            mask = batch["phase"] >= 0
            right += float(((parts["phase"].argmax(dim=2) == batch["phase"]) & mask).sum())
            asked += float(mask.sum())
            found = (parts["beat"][..., 0] > 0) & mask
            hit += float((found & (batch["beat"] == 1)).sum())
            said, true = said + float(found.sum()), true + float((batch["beat"] == 1).sum())
    model.train()
    text = " ".join(f"{name} {value:.3f}" for name, value in total.items())
    return f"{text}  phase right {right / asked:.3f}  beat F {2 * hit / (said + true):.3f}"


if __name__ == "__main__":
    main()
