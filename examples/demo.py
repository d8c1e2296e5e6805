"""Transcribe the bundled example and compare the result with its reference: ``make demo``.

The words are given, as a musician who has them would give them, and are aligned to the voice; so the
word error rate only says that none was lost.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import fullscore
from evaluation.report import compare_run, summary
from fullscore.files import EXAMPLE
from pipeline.benchmark.datasets import plain_references

SONG = EXAMPLE / "auld-lang-syne.ogg"


def main() -> None:
    parser = argparse.ArgumentParser(description="Transcribe the bundled example.")
    parser.add_argument("out", type=Path, help="where the song's folder is made")
    out = parser.parse_args().out
    print(f"Transcribing {SONG.name}")
    settings = fullscore.Settings(lyrics=str(SONG.with_suffix(".txt")))
    made = fullscore.transcribe(SONG, out, settings, progress=say)
    for warning in made.warnings:
        print(f"  note: {warning}")
    print("\nCompared with the example's reference:\n")
    print(summary(compare_run(made.folder, plain_references(SONG.with_suffix("")))))
    command = os.path.relpath(Path(sys.executable).with_name("fullscore"))
    print(f"\nThe score is in {made.folder}:")
    print("  score.pdf                 to read")
    print("  score.musicxml            to open in MuseScore, Dorico or Sibelius")
    print("\nTry next:")
    print(f"  {command} transcribe YOUR-SONG.mp3 -o {out.parent}")
    print(f"  {command} ui              to hear it, read it and correct it in the browser")


def say(stage: str, fraction: float, message: str) -> None:
    if fraction >= 1.0:
        print(f"  {stage}: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
