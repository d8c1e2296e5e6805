"""Transcribe the bundled example and compare the result with its reference: ``make demo``.

The words are given, as a musician who has them would give them, and are aligned to the voice; so the
word error rate only says that none was lost.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evaluation.report import compare_run, summary
from pipeline import Settings, transcribe
from pipeline.benchmark.datasets import plain_references

SONG = Path(__file__).resolve().parent / "auld-lang-syne.ogg"


def main() -> None:
    parser = argparse.ArgumentParser(description="Transcribe the bundled example.")
    parser.add_argument("out", type=Path, help="where the song's folder is made")
    out = parser.parse_args().out
    print(f"Transcribing {SONG.name}")
    made = transcribe(SONG, out, Settings(lyrics=str(SONG.with_suffix(".txt"))), progress=say)
    for warning in made.warnings:
        print(f"  note: {warning}")
    print(f"\nThe score: {made.musicxml}\n\nCompared with the example's reference:\n")
    print(summary(compare_run(made.folder, plain_references(SONG.with_suffix("")))))


def say(stage: str, fraction: float, message: str) -> None:
    if fraction >= 1.0:
        print(f"  {stage}: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
