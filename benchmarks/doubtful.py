"""Whether the notes that the page shows as doubtful are the wrong ones.

    python -m benchmarks.doubtful [--data ../shared/data]

Each row is one engine on one recording with known notes: how many notes it heard, the share that is wrong
(no true note of that pitch within 100 ms; of drums, of that kind within 50 ms), the share shown as doubtful,
and the share that is wrong of the doubtful and of the other notes. The last columns are the share wrong below
confidences of .3 to .8, from which the limits in ``ui.score_data`` were chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.drums import KEYS, MDB_CLASSES
from benchmarks.notes import ITEMS
from evaluation.notes import read_notes
from separation.audio import decode
from transcription.engines.basicpitch import BasicPitch
from transcription.engines.drums import Drums
from transcription.engines.singing import Singing
from transcription.notes import Note
from ui.score_data import is_uncertain

MDB = "CarlSouthall_MDBDrums/MDB Drums"
STEMS = {"basic-pitch": "other", "singing": "vocals", "drums": "drums"}
STEPS = np.arange(0.3, 0.81, 0.1)


def heard(data: Path) -> Iterator[tuple[str, Sequence[Note], list[bool]]]:
    """Name, notes, and which of them are wrong."""
    for item in ITEMS:
        truths = [read_notes(data / path) for path in item.truths]
        audio = decode(data / item.audio, warn=lambda message: None)
        engines = {"basic-pitch": BasicPitch(), "singing": Singing()}
        for name, engine in engines.items():
            if name == "singing" and "vocadito" not in item.name:
                continue
            notes = [replace(note, stem=STEMS[name]) for note in engine(audio)]
            wrong = [
                not any(
                    np.any(
                        (np.abs(truth.intervals[:, 0] - note.onset) <= 0.1)
                        & (np.abs(69 + 12 * np.log2(truth.pitches_hz / 440) - note.pitch) <= 0.5)
                    )
                    for truth in truths
                )
                for note in notes
            ]
            yield f"{name}: {item.name}", notes, wrong
    lines = (data / MDB / "annotations/class/MusicDelta_Reggae_class.txt").read_text().split("\n")
    strokes = [(float(time), MDB_CLASSES.get(kind, "")) for time, kind in (x.split() for x in lines if x)]
    stem = (
        "audio/multi-tracks/MusicDelta_Reggae/MusicDelta_Reggae_STEMS/MusicDelta_Reggae_STEM_01.flac",
        "audio/full_mix/MusicDelta_Reggae_MIX.flac",
    )
    for path in stem:
        notes = [
            replace(n, stem=STEMS["drums"]) for n in Drums()(decode(data / MDB / path)) if n.pitch in KEYS
        ]
        wrong = [
            not any(abs(time - n.onset) <= 0.05 and kind == KEYS[n.pitch] for time, kind in strokes)
            for n in notes
        ]
        yield f"drums: {Path(path).stem}", notes, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    print(f"{'':32} notes wrong  doubtful  wrong of these  others  |", *(f"<{step:.1f} " for step in STEPS))
    for name, notes, wrong in heard(data):
        is_wrong = np.array(wrong)
        doubtful = np.array([is_uncertain(note) for note in notes])
        confidence = np.array([note.confidence for note in notes])
        shares = [is_wrong[mask].mean() if mask.any() else np.nan for mask in (doubtful, ~doubtful)]
        below = [confidence < step for step in STEPS]
        steps = [is_wrong[mask].mean() if mask.any() else np.nan for mask in below]
        print(
            f"{name:32} {len(notes):4} {is_wrong.mean():6.2f} {doubtful.mean():9.2f}",
            f"{shares[0]:13.2f} {shares[1]:7.2f}  |",
            *(f"{step:5.2f}" for step in steps),
        )


if __name__ == "__main__":
    main()
