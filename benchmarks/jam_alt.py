"""How far the JamendoLyrics texts are from the Jam-ALT texts: a check of the lyrics measures.

The older transcripts of the same songs serve as the estimate; the figures published for this pair by the
reference implementation are a WER of .1437 on the English and .1401 on the Spanish songs, pooled.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from evaluation.lyrics import lyric_scores, read_lyrics

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ("WER", "WER_case", "CER", "F1_punc", "F1_pare", "F1_line", "F1_sect")


def songs_of(data: Path, language: str) -> list[str]:
    """The names of the songs in ``language`` (English name) of which both texts are there."""
    with (data / "f90_jamendolyrics/JamendoLyrics.csv").open(encoding="utf-8", newline="") as file:
        names = [Path(row["Filepath"]).stem for row in csv.DictReader(file) if row["Language"] == language]
    return [name for name in names if all(path.is_file() for path in both_texts(data, name))]


def both_texts(data: Path, name: str) -> tuple[Path, Path]:
    """The Jam-ALT text and the JamendoLyrics text of a song."""
    return (
        data / "icme25-alt_jam-alt/lyrics_tagged" / f"{name}.txt",
        data / "f90_jamendolyrics/lyrics" / f"{name}.txt",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    print(f"{'language':<10} {'songs':>5}  " + "  ".join(f"{name:>8}" for name in SHOWN))
    for language in ("English", "Spanish"):
        names = songs_of(data, language)
        pairs = [[read_lyrics(path) for path in both_texts(data, name)] for name in names]
        scores = lyric_scores([true for true, _ in pairs], [heard for _, heard in pairs], language)
        figures = ("–" if (value := scores[name]) is None else f"{value:.4f}" for name in SHOWN)
        print(f"{language:<10} {len(names):>5}  " + "  ".join(f"{figure:>8}" for figure in figures))


if __name__ == "__main__":
    main()
