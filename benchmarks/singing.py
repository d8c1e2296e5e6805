"""How well sung notes are found, beside Basic Pitch as published and as set for a vocal stem.

    python -m benchmarks.singing [--data FOLDER]

vocadito_1 (solo voice, two annotators): mir_eval's F with onsets within 50 ms and pitch within 50
cents, without and with offsets (20 %), and with onsets within 100 ms. The UltraStar songs are
measured on the mix and on the vocal stems of the separators that need no download. Their notes lie on a
grid, about 60 ms before the sound (LAG_S), and in a nominal octave: pitches are folded into one octave.
``found`` is the share of a sung note's time in which a note of its pitch class sounds.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
import numpy.typing as npt

from fullscore.errors import FullscoreError
from pipeline.plan import load_engine
from separation.audio import Audio, decode
from transcription.engines.basicpitch import BasicPitch, BasicPitchSettings
from transcription.engines.singing import Singing
from transcription.notes import Note

Floats = npt.NDArray[np.float64]
Engine = Callable[[Audio], tuple[Note, ...]]

SONGS = ("Jonathan Coulton - Monkey Shines", "Jonathan Coulton - Mr. Fancy Pants")
LAG_S = 0.06


@dataclass(frozen=True, slots=True)
class Truth:
    """Annotated notes: intervals (notes, 2) in seconds and pitches (notes,) in MIDI numbers."""

    name: str
    intervals: Floats
    pitches: Floats
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    audio: Audio
    truths: tuple[Truth, ...]


def recordings(data: Path) -> Iterator[Recording]:
    vocadito = data / "mir-dataset-loaders_mirdata/tests/resources/mir_datasets/vocadito"
    truths = []
    for annotator in (1, 2):
        onset, hz, duration = np.loadtxt(
            vocadito / f"Annotations/Notes/vocadito_1_notesA{annotator}.csv", delimiter=",", unpack=True
        )
        pitches = mir_eval.util.hz_to_midi(hz)
        truths.append(Truth(f"A{annotator}", np.stack([onset, onset + duration], axis=1), pitches))
    yield Recording("vocadito_1", decode(vocadito / "Audio/vocadito_1.wav"), tuple(truths))
    for song in SONGS:
        ultrastar = data / "UltraStar-Deluxe_songs"
        with open(ultrastar / "derived" / f"{song}.notes.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        intervals = np.array([[float(row["onset_s"]), float(row["offset_s"])] for row in rows]) + LAG_S
        truth = Truth("UltraStar", intervals, np.array([float(row["midi"]) for row in rows]), folded=True)
        mix = decode(ultrastar / "Creative Commons" / song / "audio.mp3")
        name = song.split(" - ")[1]
        yield Recording(f"{name}, mix", mix, (truth,))
        for separator in ("spectral", "spleeter"):
            try:
                vocals = load_engine(separator)(mix)["vocals"]
            except FullscoreError as problem:
                print(f"no separation by {separator}: {problem}")
            else:
                yield Recording(f"{name}, {separator} vocals", vocals, (truth,))


def fold(pitches: Floats) -> Floats:
    return np.asarray(60 + np.round(pitches) % 12)


def figures(notes: tuple[Note, ...], truth: Truth) -> list[float]:
    """F at 50 ms, F with offsets, precision, recall and F at 100 ms, and the share of sung time found."""
    intervals = np.array([[note.onset, note.offset] for note in notes]).reshape(-1, 2)
    pitches = np.array([float(note.pitch) for note in notes])
    expected = truth.pitches
    if truth.folded:
        pitches, expected = fold(pitches), fold(expected)

    def score(tolerance: float, offset_ratio: float | None) -> tuple[float, float, float]:
        precision, recall, f, _ = mir_eval.transcription.precision_recall_f1_overlap(
            truth.intervals,
            mir_eval.util.midi_to_hz(expected),
            intervals,
            mir_eval.util.midi_to_hz(pitches),
            onset_tolerance=tolerance,
            offset_ratio=offset_ratio,
        )
        return precision, recall, f

    found = 0.0
    for (start, stop), pitch in zip(truth.intervals, expected, strict=True):
        same = np.abs(pitches - pitch) <= 0.5
        times = np.arange(start, stop, 0.005)
        sounding = (intervals[same, 0] <= times[:, None]) & (times[:, None] < intervals[same, 1])
        found += float(sounding.any(axis=1).mean())
    return [score(0.05, None)[2], score(0.05, 0.2)[2], *score(0.1, None), found / len(expected)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    data = parser.parse_args().data
    engines: dict[str, Engine] = {
        "Basic Pitch, published": BasicPitch(BasicPitchSettings.published()),
        "Basic Pitch, vocals": BasicPitch(BasicPitchSettings.for_stem("vocals")),
        "singing": Singing(),
    }
    print(f"{'recording':34}{'engine':24} F@50  F+off P@100 R@100 F@100 found notes  x real time")
    for recording in recordings(data):
        for name, engine in engines.items():
            began = time.perf_counter()
            notes = engine(recording.audio)
            speed = (time.perf_counter() - began) / recording.audio.duration
            for truth in recording.truths:
                row = "".join(f"{value:6.3f}" for value in figures(notes, truth))
                label = f"{recording.name}, {truth.name}"
                print(f"{label[:33]:34}{name:24}{row}{len(notes):4}/{len(truth.pitches):<4}{speed:6.3f}")


if __name__ == "__main__":
    main()
