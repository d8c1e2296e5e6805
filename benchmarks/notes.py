"""How well notes are found: Basic Pitch as published, with our defaults, and the piano engine.

    python -m benchmarks.notes [--data ../shared/data] [--only TEXT] [--no-piano]

Each row is mir_eval's onset F (pitch, and onset within 50 ms; offsets ignored), precision and recall,
the same F with 100 ms, and the seconds the engine took. ``package`` runs ``basic_pitch.inference`` itself
where it can be imported (it needs resampy); otherwise the published figures are printed.

The annotation of MAPS chpn-p4 is late, by 60 ms at most places and by nothing at others: engines that
hear onsets late do better on it at 50 ms. The column for 100 ms is the one to read there.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np

from evaluation.notes import NoteTable, read_notes
from pipeline.benchmark.peers import basic_pitch_notes
from separation.audio import Audio, decode
from transcription.engines.basicpitch import BasicPitch, BasicPitchSettings
from transcription.notes import Note

MAPS = "jongwook_onsets-and-frames/data/MAPS"
VOCADITO = "mir-dataset-loaders_mirdata/tests/resources/mir_datasets/vocadito"
MOZART = "pymatchmaker_matchmaker/matchmaker/assets/mozart_k265_var1"


@dataclass(frozen=True, slots=True)
class Item:
    """One recording, the files of its true notes, and the published F for each."""

    name: str
    audio: str
    truths: tuple[str, ...]
    published: tuple[float, ...]


ITEMS = (
    *(
        Item(piece, f"{MAPS}/flac/MAPS_MUS-{piece}.flac", (f"{MAPS}/tsv/matched/MAPS_MUS-{piece}.tsv",), (f,))
        for piece, f in (("chpn-p4_ENSTDkAm", 0.561), ("scn15_11_ENSTDkCl", 0.702))
    ),
    Item("mozart_k265_var1", f"{MOZART}.mp3", (f"{MOZART}.mid",), (0.680,)),
    Item(
        "vocadito_1",
        f"{VOCADITO}/Audio/vocadito_1.wav",
        tuple(f"{VOCADITO}/Annotations/Notes/vocadito_1_notes{who}.csv" for who in ("A1", "A2")),
        (0.450, 0.507),
    ),
)

Engine = Callable[[Path, Audio], Sequence[Note]]


def package(path: Path, audio: Audio) -> Sequence[Note]:
    """The basic-pitch package's own inference, without what it prints."""
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()):
        return basic_pitch_notes(path)


def scores(truth: NoteTable, notes: Sequence[Note]) -> tuple[float, float, float, float]:
    """F, precision, recall with 50 ms, and F with 100 ms."""
    intervals = np.array([(note.onset, note.offset) for note in notes]).reshape(-1, 2)
    pitches = 440 * 2 ** ((np.array([note.pitch for note in notes], dtype=float) - 69) / 12)
    narrow, wide = (
        mir_eval.transcription.precision_recall_f1_overlap(
            truth.intervals,
            truth.pitches_hz,
            intervals,
            pitches,
            onset_tolerance=tolerance,
            offset_ratio=None,
        )
        for tolerance in (0.05, 0.1)
    )
    return narrow[2], narrow[0], narrow[1], wide[2]


def main() -> None:
    parser = argparse.ArgumentParser(description="F of the note engines on annotated recordings")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", default="", help="only the recordings whose name has this in it")
    parser.add_argument(
        "--no-piano", action="store_true", help="leave the piano engine out: it takes minutes"
    )
    arguments = parser.parse_args()

    published, ours = BasicPitch(BasicPitchSettings.published()), BasicPitch()
    vocals = BasicPitch(BasicPitchSettings.for_stem("vocals"))
    engines: dict[str, Engine] = {
        "package": package,
        "published settings": lambda _, audio: published(audio),
        "default": lambda _, audio: ours(audio),
        "vocals": lambda _, audio: vocals(audio),
    }
    if not arguments.no_piano:
        from transcription.engines.piano import Piano

        piano = Piano()
        engines["piano"] = lambda _, audio: piano(audio)

    print(f"{'recording':20}{'engine':20}{'F':>6}{'P':>6}{'R':>6}{'F 100 ms':>10}{'notes':>7}{'s':>7}")
    for item in ITEMS:
        if arguments.only not in item.name:
            continue
        path = arguments.data / item.audio
        audio = decode(path, channels=None)
        truths = [read_notes(arguments.data / truth) for truth in item.truths]
        for name, engine in engines.items():
            if name == "vocals" and not item.name.startswith("vocadito"):
                continue
            started = time.perf_counter()
            try:
                notes = engine(path, audio)
            except ImportError as error:
                known = " / ".join(f"{value:.3f}"[1:] for value in item.published)
                print(f"{item.name:20}{name:20}{known} (published; not run: {error})")
                continue
            seconds = time.perf_counter() - started
            for truth in truths:
                figures = "".join(f"{value:6.3f}" for value in scores(truth, notes)[:3])
                wide = scores(truth, notes)[3]
                print(f"{item.name:20}{name:20}{figures}{wide:10.3f}{len(notes):7}{seconds:7.1f}")


if __name__ == "__main__":
    main()
