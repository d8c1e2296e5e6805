"""Teaches the network of ``notation.handnet`` the hands, voices and values of written keyboard music.

    python -m training.train_hands CORPUS [--minutes 30] [--out notation/hands.npz]

Method: every piece is played a few times (``training.perform``), a fifth of them exactly as written; the
network sees written onsets and heard releases and must say staff, voice and written value. Keyboard parts
teach all three; chorales in four parts stand on two staves as in every hymn book; string quartets
teach the voices alone, for nobody wrote them on two staves. Where the two parts of a staff have the same
rhythm throughout a bar, they are one voice there. One piece in twenty is kept aside (by name) and measured.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from notation.handnet import VALUES, WEIGHTS, KeyboardNotes, describe, value_class
from training.corpus import GRACE, TICKS, ScorePiece, load_all
from training.perform import Random, beat_ticks, count_beats, draw_style, perform
from transcription.network import load

HELD_OUT_PERCENT = 5
LENGTH, BATCH = 192, 16  # notes in a sequence, sequences in a step
WIDTH = 64
LEARNING_RATE = 2e-3
EXACT_SHARE = 0.2  # of the performances: releases as written
PEDAL_SHARE = 0.3  # of those that are played with a pedal: in MIDI it is mostly kept apart from the releases
DETACHED_SHARE, SHORTEST_SHARE = 0.6, 0.15  # of the performances: keys let go early, to this share at most
MOST_NOTES = 3000  # of one performance, from anywhere in it
WEIGHT = {"staff": 1.0, "voice": 1.0, "value": 1.0}
# Keyboard music counts more often than what is only made into it.
REPEATS = {"lieder": 2, "musetrainer": 8, "music21": 1, "quartets": 1}


@dataclass(frozen=True, slots=True)
class LabelledNotes:
    """Features and labels of one performance; -1 where a label is not asked for."""

    features: npt.NDArray[np.float32]
    staff: npt.NDArray[np.int64]
    voice: npt.NDArray[np.int64]
    value: npt.NDArray[np.int64]


def held_out(name: str) -> bool:
    """Whether a piece is kept for validation; the same in every run."""
    return zlib.crc32(name.encode()) % 100 < HELD_OUT_PERCENT


def on_two_staves(piece: ScorePiece) -> tuple[ScorePiece, npt.NDArray[np.bool_], bool] | None:
    """A piece as keyboard music: staves and voices set, which notes to play, and whether staves are known."""
    keyboards = [part for part, two in enumerate(piece.part_is_keyboard) if two]
    if keyboards:
        played = (piece.part == keyboards[0]) & (piece.staff <= 2)
        return replace(piece, voice=np.minimum(piece.voice, 2)), played, True
    if len(piece.part_names) != 4:
        return None
    staff = np.where(piece.part < 2, 1, 2)
    voice = np.where(piece.part % 2 == 0, 1, 2)
    bar = np.searchsorted(piece.bar_start, piece.onset, side="right")
    for number in np.unique(bar):
        for side in (1, 2):
            here = (bar == number) & (staff == side)
            rhythms = [
                np.stack([piece.onset[here & (voice == v)], piece.duration[here & (voice == v)]])
                for v in (1, 2)
            ]
            if np.array_equal(rhythms[0], rhythms[1]):
                voice = np.where(here, 1, voice)
    chorale = "bach" in piece.name.lower()
    return replace(piece, staff=staff, voice=voice), np.ones(len(piece.onset), bool), chorale


def played_notes(
    piece: ScorePiece, index: npt.NDArray[np.int64], release: npt.NDArray[np.float64], quarter_s: Any
) -> KeyboardNotes:
    """Notes of ``piece`` with written onsets and the given releases (quarters), as the network takes them."""
    onset = piece.onset[index]
    bar = np.clip(np.searchsorted(piece.bar_start, onset, side="right") - 1, 0, None)
    numerators, denominators = piece.bar_numerator[bar], piece.bar_denominator[bar]
    whole = numerators * 4 * TICKS // denominators
    # a pick-up bar counts from where its bar line would have been
    into = onset - piece.bar_start[bar] + np.where(bar == 0, np.maximum(whole - piece.bar_length[0], 0), 0)
    beat = np.array([beat_ticks(int(n), int(d)) for n, d in zip(numerators, denominators, strict=True)])
    return KeyboardNotes(
        onset=onset / TICKS,
        release=release,
        pitch=piece.pitch[index],
        bar=into / whole % 1.0,
        beat=into / beat % 1.0,
        bar_quarters=whole / TICKS,
        beat_quarters=beat / TICKS,
        quarter_s=np.broadcast_to(np.asarray(quarter_s, dtype=float), onset.shape),
    )


def taught(piece: ScorePiece, rng: Random, exact: bool | None = None) -> LabelledNotes | None:
    """One performance of a piece with its labels, or nothing if it can't be keyboard music."""
    made = on_two_staves(piece)
    if made is None:
        return None
    piece, played, staves_known = made
    played = played & (piece.flags & GRACE == 0) & (piece.duration > 0)
    if played.sum() < 20:
        return None
    counted = count_beats(piece)
    exact = bool(rng.random() < EXACT_SHARE) if exact is None else exact
    style = replace(draw_style(piece, counted, rng), missing=0.0, extra=0.0, ensemble=False)
    if rng.random() >= PEDAL_SHARE:
        style = replace(style, pedal_beats=0.0)
    if exact:
        index = np.flatnonzero(played)
        release = (piece.onset[index] + piece.duration[index]) / TICKS
        quarter_s: Any = 60.0 / style.tempo
    else:
        heard = perform(piece, rng, style, played)
        kept = np.flatnonzero(heard.index >= 0)
        index, at = np.unique(heard.index[kept], return_index=True)
        ticks = np.interp(heard.offset[kept][at], heard.knot_seconds, heard.knot_ticks)
        release = ticks / TICKS
        slope = np.gradient(heard.knot_seconds, heard.knot_ticks)
        quarter_s = np.interp(piece.onset[index], heard.knot_ticks, slope) * TICKS
        if rng.random() < DETACHED_SHARE:
            release = detached(piece.onset[index] / TICKS, release, rng)
    order = np.lexsort((piece.pitch[index], piece.onset[index]))
    begin = int(rng.integers(max(1, len(order) - MOST_NOTES + 1)))
    order = order[begin : begin + MOST_NOTES]
    index, release = index[order], release[order]
    quarter_s = quarter_s[order] if np.ndim(quarter_s) else quarter_s
    notes = played_notes(piece, index, release, quarter_s)
    return LabelledNotes(
        describe(notes).astype(np.float32),
        np.where(staves_known, piece.staff[index] - 1, -1),
        piece.voice[index] - 1,
        value_class(piece.duration[index] / TICKS),
    )


def detached(
    onset: npt.NDArray[np.float64], release: npt.NDArray[np.float64], rng: Random
) -> npt.NDArray[np.float64]:
    """Releases drawn in for some bars: players let go of keys early where the pedal or the room sustains."""
    span = (onset // rng.choice([4, 8, 16, 32])).astype(int)
    factors = rng.uniform(SHORTEST_SHARE, 1.0, span.max() + 1)
    factors[rng.random(len(factors)) < 0.4] = 1.0
    return np.asarray(onset + (release - onset) * factors[span])


def sequences(pool: list[ScorePiece], rng: Random) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Batches without end: sequences from many performances, mixed, transposed."""
    stock: list[LabelledNotes] = []
    while True:
        for number in rng.permutation(len(pool)):
            made = taught(pool[number], rng)
            if made is None:
                continue
            for start in range(int(rng.integers(LENGTH)) - LENGTH // 2, len(made.staff), LENGTH):
                piece = slice(max(start, 0), start + LENGTH)
                if piece.stop - piece.start > LENGTH // 4:
                    stock.append(LabelledNotes(*(getattr(made, f)[piece] for f in LabelledNotes.__slots__)))
            while len(stock) > 40 * BATCH:
                chosen = [stock.pop(int(rng.integers(len(stock)))) for _ in range(BATCH)]
                batch = {
                    f: np.stack([_filled(getattr(one, f)) for one in chosen]) for f in LabelledNotes.__slots__
                }
                batch["features"][:, :, 0] += rng.integers(-6, 7, (BATCH, 1)) / 12
                yield batch


def _filled(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Padded to ``LENGTH``: labels that are not asked for."""
    room = [(0, LENGTH - len(values))] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, room, constant_values=0 if values.ndim > 1 else -1)


def network(torch: Any, mean: Any, spread: Any) -> Any:
    """The network of ``notation.handnet`` as a torch module."""
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
            self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32))
            self.enter = nn.Linear(len(mean), WIDTH)
            self.gru1 = nn.GRU(WIDTH, WIDTH, batch_first=True, bidirectional=True)
            self.gru2 = nn.GRU(2 * WIDTH, WIDTH, batch_first=True, bidirectional=True)
            self.heads = nn.Linear(4 * WIDTH, 2 + len(VALUES))
            self.drop = nn.Dropout(0.1)

        def forward(self, features: Any) -> Any:
            x = torch.relu(self.enter((features - self.mean) / self.spread))
            low, _ = self.gru1(x)
            high, _ = self.gru2(self.drop(low))
            return self.heads(self.drop(torch.cat([low, high], dim=2)))

    return Network()


def loss_of(torch: Any, output: Any, batch: dict[str, Any]) -> Any:
    """The mean loss over what is asked."""
    from torch.nn import functional

    total = 0.0
    for column, name in enumerate(("staff", "voice")):
        target = batch[name].float()
        asked = (target >= 0).float()
        single = functional.binary_cross_entropy_with_logits(
            output[..., column], target.clamp(min=0), reduction="none"
        )
        total = total + WEIGHT[name] * (single * asked).sum() / asked.sum().clamp(min=1)
    value = functional.cross_entropy(
        output[..., 2:].flatten(0, 1), batch["value"].long().flatten(), ignore_index=-1
    )
    return total + WEIGHT["value"] * value


def measured(torch: Any, model: Any, valid: list[LabelledNotes]) -> str:
    """The share of errors on the pieces kept aside."""
    wrong = {name: [0, 0] for name in ("staff", "voice", "value")}
    with torch.no_grad():
        for one in valid:
            output = model(torch.from_numpy(one.features)[None])[0].numpy()
            guesses = {
                "staff": output[:, 0] > 0,
                "voice": output[:, 1] > 0,
                "value": output[:, 2:].argmax(axis=1),
            }
            for name, guess in guesses.items():
                target = getattr(one, name)
                wrong[name][0] += int(np.sum((guess != target) & (target >= 0)))
                wrong[name][1] += int(np.sum(target >= 0))
    return ", ".join(f"{name} {bad / max(1, all):.4f}" for name, (bad, all) in wrong.items())


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpus", type=Path, help="folder written by training.corpus")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    pool, kept = [], []
    for piece in load_all(arguments.corpus):
        if held_out(piece.name):
            kept.append(piece)
        else:
            pool += [piece] * REPEATS[piece.name.split("_")[0]]
    valid = [one for piece in kept if (one := taught(piece, rng)) is not None and one.staff.max() >= 0]
    valid = valid[:: max(1, len(valid) // 60)]
    print(f"{len(pool)} pieces to learn from (some repeated), {len(valid)} measured", flush=True)

    batches = sequences(pool, rng)
    sample = np.concatenate([next(batches)["features"].reshape(-1, valid[0].features.shape[1]) for _ in "12"])
    mean, spread = sample.mean(axis=0), sample.std(axis=0) + 0.05
    model = network(torch, mean, spread)
    if arguments.start:
        known = load(arguments.start)
        state = {name: torch.from_numpy(known[name.replace(".", "_")]) for name in model.state_dict()}
        model.load_state_dict(state)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    begun = last = time.monotonic()
    step, running = 0, 0.0
    while (spent := (time.monotonic() - begun) / (60 * arguments.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, step / 100) * (0.02 + 0.98 * (1 - spent))
        batch = {name: torch.from_numpy(values) for name, values in next(batches).items()}
        loss = loss_of(torch, model(batch["features"]), batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        running += (0.02 if step > 1 else 1.0) * (loss.item() - running)
        if time.monotonic() - last > 120:
            last = time.monotonic()
            model.eval()
            line = measured(torch, model, valid)
            model.train()
            print(
                f"{(last - begun) / 60:.1f} min, step {step}, loss {running:.3f}; wrong: {line}", flush=True
            )
            write(model, arguments.out)
    model.eval()
    print(f"{step} steps; wrong: {measured(torch, model, valid)}")
    write(model, arguments.out)


def write(model: Any, path: Path) -> None:
    """Save the weights as float16, named as ``transcription.network`` wants them."""
    arrays = {name.replace(".", "_"): value.numpy() for name, value in model.state_dict().items()}
    np.savez_compressed(path, **{name: value.astype(np.float16) for name, value in arrays.items()})


if __name__ == "__main__":
    main()
