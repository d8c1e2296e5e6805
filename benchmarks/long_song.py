"""Time and peak memory of every stage on a long recording: the bundled example, over and over.

    python -m benchmarks.long_song [--minutes 60] [--out out/long] [-- options of fullscore transcribe]

Each stage's peak is the largest resident memory of the whole process while that stage works.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import soundfile

from fullscore.files import EXAMPLE
from separation.audio import decode

TUNE = EXAMPLE / "auld-lang-syne.ogg"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of every stage on a long recording.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("out/long"))
    parser.add_argument("options", nargs="*", help="options of fullscore transcribe, after --")
    given = parser.parse_args()
    song = given.out / f"{given.minutes:g} minutes.flac"
    write_song(song, given.minutes * 60)
    command = ["transcribe", str(song), "-o", str(given.out), "--force", *given.options]
    subprocess.run([sys.executable, "-m", "pipeline.cli", *command], check=True)
    report = json.loads((given.out / song.stem / "report.json").read_text())
    print(f"{given.minutes:g} minutes, {report['bars']} bars, engines {report['engines']}")
    print(f"{'stage':<12}{'seconds':>9}{'of length':>11}{'peak MB':>9}")
    for name, stage in report["stages"].items():
        share = stage["seconds"] / (given.minutes * 60)
        print(f"{name:<12}{stage['seconds']:>9.1f}{share:>11.4f}{stage['peak_memory_mb']:>9.0f}")


def write_song(path: Path, seconds: float) -> None:
    """The example again and again until ``seconds`` are full, as 16-bit FLAC."""
    example = decode(TUNE)
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = round(seconds * example.sample_rate)
    with soundfile.SoundFile(path, "w", example.sample_rate, example.channels, "PCM_16") as file:
        while wanted > 0:
            piece = example.samples[:, :wanted]
            file.write(piece.T)
            wanted -= piece.shape[1]


if __name__ == "__main__":
    main()
