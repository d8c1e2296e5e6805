"""How far the JamendoLyrics texts are from the Jam-ALT texts: a check of the lyrics measures.

    python -m benchmarks.jam_alt [--data ../shared/data]

The older transcripts of the same songs serve as the estimate; the figures published for this pair by the
reference implementation are a WER of .1437 on the English and .1401 on the Spanish songs, pooled.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.kinds import LyricsSettings
from evaluation.lyrics import pool_lyrics

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (
    *("WER", "WER_lexical", "D_nonlexical", "WER_case", "CER"),
    *("F1_punc", "F1_pare", "F1_line", "F1_sect"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    pairs = [
        (path, data / "f90_jamendolyrics/lyrics" / path.name)
        for path in sorted((data / "icme25-alt_jam-alt/lyrics_tagged").glob("*.txt"))
    ]
    scores = pool_lyrics(pairs, LyricsSettings(str(data / "f90_jamendolyrics/JamendoLyrics.csv")))
    print(f"{len(pairs)} songs  " + "  ".join(f"{name:>6}" for name in SHOWN))
    for name, row in (*scores["languages"].items(), ("all", scores)):
        figures = ("–" if (value := row[one]) is None else f"{value:.4f}" for one in SHOWN)
        cells = (f"{figure:>{max(6, len(one))}}" for figure, one in zip(figures, SHOWN, strict=True))
        print(f"{name:<8}  " + "  ".join(cells))


if __name__ == "__main__":
    main()
