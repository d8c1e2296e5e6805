"""Teaches the network of ``notation.spelling`` the names of notes.

    python -m training.train_spelling CORPUS [--epochs 6] [--out notation/spelling.npz]

Method: the network sees what ``notation.spelling.describe`` says of each note and must choose between the
name in the chromatic scale of the signature and its two enharmonic neighbours. A part of the pieces is
given a wrong signature, as one that was found may be. One piece in ten is kept aside (by name) and
measured. About three minutes on one core.
"""

from __future__ import annotations

import argparse
import re
import zlib
from pathlib import Path

import numpy as np
import torch

from notation.spelling import WEIGHTS, describe, usual_places
from training.corpus import TICKS, Ints, ScorePiece, load_all
from transcription.network import Features

HELD_OUT_PERCENT = 10
SHARE_OF_NOTES = 0.4  # enough: the notes of a passage are alike
WRONG_SIGNATURES, WRONG_SHARE = (-3, -1, -1, 1, 1, 3), 0.2  # fifths off, and in how many pieces
WIDTH, BATCH = 48, 1024
LEARNING_RATE = 6e-3
# The scores of music21 that benchmarks/written.py spells, in any edition.
LEFT_OUT = re.compile(
    r"bwv(1\.6|248\.53-5|366)$|k\.?(155|156|458)|mazurka06-2|maple_leaf|lindenbaum|polonaise_op1n4"
    r"|op(us|\.)(132|17_|18_?no\.?1_|59_?no\.?1_|1_?no\.?1_|74_?no\.?1_|41_?no\.?1_)",
    re.IGNORECASE,
)


def held_out(name: str) -> bool:
    """Whether a piece is kept for validation; the same in every run."""
    return zlib.crc32(name.encode()) % 100 < HELD_OUT_PERCENT


def signatures(piece: ScorePiece) -> Ints:
    """The signature in force at each note."""
    return piece.bar_key[np.searchsorted(piece.bar_start, piece.onset, side="right") - 1]


def taught(piece: ScorePiece, signature: Ints) -> tuple[Features, Ints]:
    """Features and classes (0 to 2; the scale's own name is 1) of a piece; classes beyond are clipped."""
    features = describe(piece.onset / TICKS, piece.duration / TICKS, piece.pitch, signature)
    shift = (piece.fifths - usual_places(piece.pitch, signature)) // 12
    return features, np.clip(shift, -1, 1) + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    features, classes = [], []
    measured: list[tuple[str, Features, Ints]] = []
    for piece in load_all(arguments.corpus):
        signature = signatures(piece)
        if held_out(piece.name):
            measured.append((piece.source, *taught(piece, signature)))
        elif not LEFT_OUT.search(piece.name):
            if random.random() < WRONG_SHARE:
                signature = np.clip(signature + random.choice(WRONG_SIGNATURES), -7, 7)
            own, named = taught(piece, signature)
            some = random.random(len(named)) < SHARE_OF_NOTES
            features.append(own[some].astype(np.float16))
            classes.append(named[some])
    x, y = torch.from_numpy(np.concatenate(features)), torch.from_numpy(np.concatenate(classes))
    print(f"{len(x)} notes to learn from")
    layers = {"hidden": torch.nn.Linear(x.shape[1], WIDTH), "choice": torch.nn.Linear(WIDTH, 3)}
    network = torch.nn.Sequential(layers["hidden"], torch.nn.ReLU(), layers["choice"])
    steps = arguments.epochs * len(x) // BATCH
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps + 1)
    for _ in range(steps):
        rows = torch.randint(0, len(x), (BATCH,))
        loss = torch.nn.functional.cross_entropy(network(x[rows].float()), y[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    arrays = {
        f"{name}_{kind}": values.detach().numpy().astype(np.float16)
        for name, layer in layers.items()
        for kind, values in layer.named_parameters()
    }
    np.savez_compressed(arguments.out, **arrays)
    with torch.no_grad():
        right = [network(torch.from_numpy(own)).argmax(dim=1).numpy() == named for _, own, named in measured]
    notes = np.concatenate(right)
    print(f"held out: {len(right)} pieces, {len(notes)} notes, {notes.mean():.4f} right, ", end="")
    print(f"mean of the pieces {np.mean([piece.mean() for piece in right]):.4f}")


if __name__ == "__main__":
    main()
