"""What ``fullscore notate`` costs: seconds for each minute of music, by stage, and peak memory.

    python -m benchmarks.score_speed [--data FOLDER] [--minutes 3 15 60] [--music piano song]

Two kinds of music of any length: ``piano``, the ASAP performances of the evaluation data one after the
other, and ``song``, an invented one for voice, keyboard, bass and drums. Each length runs in a process of
its own on one core; processor time is counted. A stage is a module: every function that the two flows
(``pipeline.notate`` and ``notation.notate``) take from another module is timed, less what it calls of the
others; what is left (most of all, loading the libraries once) is "the rest". The last column is how many
times longer a minute took than in the shortest run: 1 where the cost grows with the length.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

FLOWS = ("pipeline.notate", "notation.notate")
STAGED = ("transcription.", "notation.", "evaluation.", "lyrics.")
REST = "the rest"

BEAT_S = 0.5
TIMING_S = 0.012  # how unevenly the invented song is played (standard deviation)
PAUSE_S = 3.0  # between two performances


def performances(data: Path, seconds: float) -> list[Any]:
    """Notes of the ASAP performances, one after the other until ``seconds``."""
    from transcription.midi import read_midi

    files = sorted(f for f in (data / "CPJKU_asap-dataset").rglob("*.mid") if f.name != "midi_score.mid")
    if not files:
        raise SystemExit(f"there are no ASAP performances in {data}")
    played: list[Any] = []
    start = 0.0
    for file in cycle(files):
        found = read_midi(file)
        notes = list(getattr(found, "notes", found))
        moved = [replace(note, onset=note.onset + start, offset=note.offset + start) for note in notes]
        played += [note for note in moved if note.onset < seconds]
        start = moved[-1].offset + PAUSE_S
        if start >= seconds:
            return played
    return played


def invented(seconds: float, seed: int = 1) -> list[Any]:
    """A song of four chords in 4/4."""
    from transcription.notes import Note

    chance = random.Random(seed)
    notes = []

    def play(bar: int, beat: float, beats: float, pitch: int, stem: str) -> None:
        onset = max(0.0, (4 * bar + beat) * BEAT_S + chance.gauss(0, TIMING_S))
        length = max(0.05, beats * BEAT_S * chance.uniform(0.7, 1.0))
        notes.append(Note(onset, onset + length, pitch, chance.randint(50, 110), stem=stem))

    for bar in range(round(seconds / BEAT_S / 4)):
        root = (0, 7, 9, 5)[bar % 4]
        for eighth in range(8):
            play(bar, eighth / 2, 0.2, 42, "drums")
        for beat in range(4):
            play(bar, beat, 0.2, (36, 38)[beat % 2], "drums")
            for third in (0, 4, 7):
                play(bar, beat, 0.9, 55 + root + third, "other")
        for beat, beats in ((0.0, 1.5), (1.5, 0.5), (2.0, 2.0)):
            play(bar, beat, beats, 28 + root, "bass")
        for eighth in sorted(chance.sample(range(8), 4)):
            play(bar, eighth / 2, 0.5, chance.choice((60, 62, 64, 65, 67, 69, 72)), "vocals")
    return notes


class Stages:
    """Processor seconds spent in each module, less what it had others do."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running = [REST]
        self._since = time.process_time()

    def _count(self) -> None:
        now = time.process_time()
        self.seconds[self._running[-1]] = self.seconds.get(self._running[-1], 0.0) + now - self._since
        self._since = now

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._count()
        self._running.append(stage)
        try:
            yield
        finally:
            self._count()
            self._running.pop()

    def watch(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def watched(*given: Any, **named: Any) -> Any:
            with self(function.__module__):
                return function(*given, **named)

        return watched


def watch_flows(stages: Stages) -> None:
    """Have ``stages`` time every function that a flow takes from another module, also inside a function."""
    for name in FLOWS:
        flow = importlib.import_module(name)
        for function in [value for value in vars(flow).values() if inspect.isfunction(value)]:
            if function.__module__ != name:
                if function.__module__.startswith(STAGED):
                    setattr(flow, function.__name__, stages.watch(function))
                continue
            names = function.__code__.co_names
            for module in [name for name in names if name.startswith(STAGED) and name not in FLOWS]:
                _watch_module(importlib.import_module(module), names, stages)


def _watch_module(module: ModuleType, names: tuple[str, ...], stages: Stages) -> None:
    for name in names:
        function = vars(module).get(name)
        if inspect.isfunction(function) and function.__module__ == module.__name__:
            setattr(module, name, stages.watch(function))


def measure(music: str, minutes: float, data: Path) -> tuple[dict[str, float], int, float]:
    """Seconds of each stage, the number of notes, and the peak memory in MB."""
    from notation.export import write_performance
    from pipeline.notate import notate_file

    with tempfile.TemporaryDirectory() as scratch:
        midi = Path(scratch) / f"{music}.mid"
        notes = performances(data, 60 * minutes) if music == "piano" else invented(60 * minutes)
        write_performance([replace(note, stem="piano") if music == "piano" else note for note in notes], midi)
        number = len(notes)
        del notes
        stages = Stages()
        watch_flows(stages)
        with stages(REST):
            notate_file(midi, midi.with_suffix(".musicxml"))
    return stages.seconds, number, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--minutes", type=float, nargs="+", default=[3.0, 15.0, 60.0])
    parser.add_argument("--music", nargs="+", choices=("piano", "song"), default=["piano", "song"])
    given = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    for music in given.music:
        table: dict[str, list[float]] = {}
        heads = []
        for column, minutes in enumerate(given.minutes):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                seconds, notes, peak = alone.submit(measure, music, minutes, given.data).result()
            heads.append(f"{minutes:g} min, {notes} notes, {peak:.0f} MB")
            for stage, spent in {**seconds, "together": sum(seconds.values())}.items():
                table.setdefault(stage, [0.0] * len(given.minutes))[column] = spent / minutes
            print(f"{music}: {heads[-1]}, {sum(seconds.values()):.1f} s", flush=True)
        print(f"\n| {music}: seconds a minute | " + " | ".join(heads) + " | growth |")
        print("|---" * (len(heads) + 2) + "|")
        for stage, row in sorted(table.items(), key=lambda entry: entry[1][-1]):
            growth = f"{row[-1] / row[0]:.1f}" if row[0] >= 0.01 else ""
            print(f"| {stage} | " + " | ".join(f"{cell:.3f}" for cell in row) + f" | {growth} |")


if __name__ == "__main__":
    main()
