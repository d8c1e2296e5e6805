"""The main job on real recordings: what each run cost, what it found, and how right it is.

    python -m benchmarks.songs [--data ../shared/data] [--out out/songs] [SONG ...]

Every song runs in a process of its own (``fullscore transcribe``), so that its memory is its own.
Notes are compared with mir_eval (onset within 50 ms and pitch, no offsets). The UltraStar references
lie on a beat grid with a nominal octave: for them onsets within 100 ms and pitch classes are compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.notes import NoteTable, read_notes
from evaluation.report import evaluate

ULTRASTAR = "UltraStar-Deluxe_songs"
MDB = "CarlSouthall_MDBDrums/MDB Drums"


@dataclass(frozen=True, slots=True)
class Song:
    """A recording, its options, and where its truth lies (paths below the data folder)."""

    name: str
    audio: str
    options: tuple[str, ...] = ()
    notes: str = ""
    stem: str = ""
    pitch_classes: bool = False
    beats: str = ""
    lyrics: str = ""


def ultrastar(title: str, name: str, own_words: bool) -> Song:
    derived = f"{ULTRASTAR}/derived/Jonathan Coulton - {title}"
    return Song(
        name=f"{name}{' + words' if own_words else ''}",
        audio=f"{ULTRASTAR}/Creative Commons/Jonathan Coulton - {title}/audio.mp3",
        options=("--lyrics", f"{derived}.lyrics.txt") if own_words else (),
        notes=f"{derived}.notes.csv",
        stem="vocals",
        pitch_classes=True,
        lyrics=f"{derived}.lyrics.txt" if own_words else "",
    )


SONGS = (
    ultrastar("Monkey Shines", "Monkey Shines", own_words=True),
    ultrastar("Monkey Shines", "Monkey Shines", own_words=False),
    ultrastar("Mr. Fancy Pants", "Mr. Fancy Pants", own_words=True),
    ultrastar("Mr. Fancy Pants", "Mr. Fancy Pants", own_words=False),
    Song(
        "Mozart K. 265 var. 1",
        "pymatchmaker_matchmaker/matchmaker/assets/mozart_k265_var1.mp3",
        notes="pymatchmaker_matchmaker/matchmaker/assets/mozart_k265_var1.mid",
    ),
    Song(
        "MAPS chpn-p4",
        "jongwook_onsets-and-frames/data/MAPS/flac/MAPS_MUS-chpn-p4_ENSTDkAm.flac",
        notes="jongwook_onsets-and-frames/data/MAPS/tsv/matched/MAPS_MUS-chpn-p4_ENSTDkAm.tsv",
    ),
    Song(
        "MDB Reggae",
        f"{MDB}/audio/full_mix/MusicDelta_Reggae_MIX.flac",
        beats=f"{MDB}/annotations/beats/MusicDelta_Reggae_MIX.beats",
    ),
    Song("Fantasma", "f90_jamendolyrics/mp3/Fantasma_-_Los_Rombos.mp3"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("songs", nargs="*", help="only songs whose name contains one of these")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("out/songs"))
    given = parser.parse_args()
    for song in SONGS:
        if not given.songs or any(part.lower() in song.name.lower() for part in given.songs):
            print("\n".join(run(song, given.data, given.out)), flush=True)


def run(song: Song, data: Path, out: Path) -> list[str]:
    """Transcribe ``song`` afresh; lines that say what it cost and how right it is."""
    options = [str(data / value) if value.endswith(".txt") else value for value in song.options]
    folder = out / song.name
    command = ["transcribe", str(data / song.audio), "-o", str(folder), "--force", *options]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return [f"{song.name}: failed: {done.stderr.strip()}"]
    made = next(path for path in folder.iterdir() if (path / "report.json").is_file())
    report = json.loads((made / "report.json").read_text())
    length, stages = report["song"]["duration"], report["stages"]
    total = sum(stage["seconds"] for stage in stages.values())
    costs = ", ".join(f"{name} {stage['seconds']:.1f}" for name, stage in stages.items())
    peak = max(stage["peak_memory_mb"] for stage in stages.values())
    return [
        f"{song.name}: {length:.0f} s of music in {total:.1f} s "
        f"({total / length:.2f} of its length): {costs}; peak {peak:.0f} MB",
        f"    {report['key']}, {report['time_signature']}, {report['tempo']:.1f} beats per minute, "
        f"{report['bars']} bars; engines {report['engines']}",
        *(f"    {line}" for line in accuracy(song, made, data)),
    ]


def accuracy(song: Song, made: Path, data: Path) -> list[str]:
    lines = []
    if song.notes:
        reference, estimate = read_notes(data / song.notes), read_notes(made / "notes.json")
        if song.stem:
            estimate = estimate.of(song.stem)
        lines.append(f"notes: {note_scores(reference, estimate, song.pitch_classes)}")
    if song.beats:
        scores = evaluate("beats", data / song.beats, made)
        lines.append(f"beats: F {scores['F-measure']:.3f}")
    if song.lyrics:
        wer = evaluate("lyrics", data / song.lyrics, made)["WER"]
        lines.append(f"words: WER {wer:.3f} (the words were given)")
    return lines


def note_scores(reference: NoteTable, estimate: NoteTable, pitch_classes: bool) -> str:
    from mir_eval.transcription import precision_recall_f1_overlap

    pitches = [reference.pitches_hz, estimate.pitches_hz]
    if pitch_classes:
        pitches = [one_octave(hz) for hz in pitches]
    precision, recall, f_measure, _ = precision_recall_f1_overlap(
        reference.intervals, pitches[0], estimate.intervals, pitches[1],
        onset_tolerance=0.1 if pitch_classes else 0.05, offset_ratio=None,
    )  # fmt: skip
    return f"F {f_measure:.3f} (precision {precision:.3f}, recall {recall:.3f})"


def one_octave(hz: Sequence[float] | np.ndarray) -> np.ndarray:
    """Pitches moved into one octave from middle C."""
    midi = np.round(69 + 12 * np.log2(np.asarray(hz) / 440))
    return np.asarray(440 * 2 ** ((60 + midi % 12 - 69) / 12))


if __name__ == "__main__":
    main()
