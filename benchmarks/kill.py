"""Does a run that was killed, and started again, end with the files of an undisturbed one?

The bundled example is transcribed once in peace. Then, for each stage, a run is killed (SIGKILL) in the
middle of that stage and the same command is given again; every file is compared byte for byte, of
report.json all but what it says of time, memory and resuming.

    python -m benchmarks.kill [--song SONG] [--out out/kill] [-- options of fullscore transcribe]
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullscore.files import EXAMPLE, PARTIAL
from pipeline.workspace import STAGES_FOLDER

OPTIONS = ("--separator", "spectral", "--lyrics", str(EXAMPLE / "auld-lang-syne.txt"), "--offline")
STAGES = ("audio", "separation", "notes", "performance", "beats", "lyrics", "score")
POLL_S = 0.002


@dataclass(frozen=True, slots=True)
class Killed:
    """What became of a run killed in ``stage``: ``resumed`` are the stages the next run took over,
    ``left`` the half-written files between the two, ``differing`` the files not as they should be."""

    stage: str
    after_s: float
    left: tuple[str, ...]
    resumed: tuple[str, ...]
    differing: tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--song", type=Path, default=EXAMPLE / "auld-lang-syne.ogg")
    parser.add_argument("--out", type=Path, default=Path("out/kill"))
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument(
        "options", nargs="*", default=OPTIONS, help="options of fullscore transcribe, after --"
    )
    given = parser.parse_args()
    print(f"{'killed in':<12}{'after s':>8}{'half files':>12}  {'taken over':<44}files that differ")
    same = True
    for killed in kill_in_each(given.stages, given.song, given.out, given.options):
        differing = ", ".join(killed.differing) or "none"
        print(
            f"{killed.stage:<12}{killed.after_s:>8.2f}{len(killed.left):>12}  "
            f"{', '.join(killed.resumed) or 'nothing':<44}{differing}",
            flush=True,
        )
        same = same and not killed.differing
    sys.exit(0 if same else 1)


def kill_in_each(
    stages: Sequence[str], song: Path, out: Path, options: Sequence[str] = OPTIONS
) -> Iterator[Killed]:
    """An undisturbed run, and one killed and taken up again for each of ``stages``."""
    shutil.rmtree(out, ignore_errors=True)
    whole = out / "undisturbed"
    subprocess.run(command(song, whole, options), check=True, capture_output=True)
    for stage in stages:
        yield kill_in(stage, song, out / stage, whole / song.stem, options)


def kill_in(stage: str, song: Path, out: Path, whole: Path, options: Sequence[str]) -> Killed:
    """Kill a run halfway through ``stage``, run again, compare with the folder ``whole``."""
    wait_s = json.loads((whole / STAGES_FOLDER / f"{stage}.json").read_text())["seconds"] / 2
    while not killed_within(stage, wait_s, song, out, options):
        # The stage was over sooner than in the undisturbed run.
        wait_s /= 2
    folder = out / song.stem
    left = tuple(path.name for path in folder.rglob(f"{PARTIAL}*"))
    subprocess.run(command(song, out, options), check=True, capture_output=True)
    report = json.loads((folder / "report.json").read_text())
    resumed = tuple(name for name, cost in report["stages"].items() if cost["resumed"])
    made, expected = contents(folder), contents(whole)
    differing = tuple(
        sorted(name for name in made.keys() | expected.keys() if made.get(name) != expected.get(name))
    )
    return Killed(stage, wait_s, left, resumed, differing)


def killed_within(stage: str, wait_s: float, song: Path, out: Path, options: Sequence[str]) -> bool:
    """Start a run in an empty folder, kill it ``wait_s`` after ``stage`` began; whether that was in time."""
    shutil.rmtree(out, ignore_errors=True)
    records = out / song.stem / STAGES_FOLDER
    index = STAGES.index(stage)
    begun = records / f"{STAGES[index - 1]}.json" if index else records
    with subprocess.Popen(
        command(song, out, options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while not begun.exists() and process.poll() is None:
            time.sleep(POLL_S)
        time.sleep(wait_s)
        process.kill()
    return process.returncode == -signal.SIGKILL and not (records / f"{stage}.json").exists()


def command(song: Path, out: Path, options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", "transcribe", str(song), "-o", str(out), *options]


def contents(folder: Path) -> dict[str, Any]:
    """Every file below ``folder`` by name, without what two runs can't have in common."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name != STAGES_FOLDER:
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    report = json.loads(found["report.json"])
    del report["stages"]
    return {**found, "report.json": report}


if __name__ == "__main__":
    main()
