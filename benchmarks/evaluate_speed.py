"""What each kind of ``fullscore evaluate`` costs, as a whole command: seconds beyond start-up, peak memory.

    python -m benchmarks.evaluate_speed [--data FOLDER] [--only KIND ...]

Start-up is ``fullscore evaluate --help``. Songs last three minutes and are invented, except for the scores (a
movement of a Haydn sonata from ASAP, played round and round) and the stems (MDB Reggae's, likewise);
estimates are the references with some of everything missing, added and moved. Each row is the best of three
commands (of one where that takes above ten seconds), each in a process of its own. Processor time is of all
threads. A row beyond the limit in the last column is marked.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SONG_S = 180.0
REPEATS = 3
LONG_S = 10.0
QUICK_S = 1.0  # notes, beats and lyrics
SCORE_S = 20.0  # for 200 bars
VOCABULARY = ("oh", "my", "love", "the", "night", "is", "young", "and", "we,", "are", "(again)", "tonight.")
PIECE = "CPJKU_asap-dataset/Haydn/Keyboard_Sonatas/48-1/xml_score.musicxml"


@dataclass(frozen=True, slots=True)
class Cost:
    wall_s: float
    processor_s: float
    megabytes: float


def cost(*arguments: str | Path) -> Cost:
    """The best of some runs of ``fullscore`` with these arguments."""
    costs: list[Cost] = []
    while len(costs) < REPEATS and not (costs and costs[0].wall_s > LONG_S):
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", *map(str, arguments)], stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{arguments} failed")
        wall = time.perf_counter() - start
        costs.append(Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
    return min(costs, key=lambda one: one.processor_s)


def played(count: int) -> tuple[str, str]:
    """Tables of ``count`` notes and of what was heard of them."""
    generator = random.Random(0)
    true, heard = ["onset,offset,midi"], ["onset,offset,midi"]
    for number in range(count):
        onset, pitch = number * SONG_S / count, generator.randint(36, 84)
        length = generator.uniform(0.1, 1.5)
        true.append(f"{onset:.4f},{onset + length:.4f},{pitch}")
        if generator.random() < 0.9:
            onset += generator.gauss(0, 0.02)
            pitch += 12 * (generator.random() < 0.05)
            heard.append(f"{max(onset, 0):.4f},{max(onset, 0) + length * 0.9:.4f},{pitch}")
        if generator.random() < 0.1:
            heard.append(f"{onset + 0.3:.4f},{onset + 0.6:.4f},{generator.randint(36, 84)}")
    return "\n".join(true), "\n".join(heard)


def texts() -> Iterator[tuple[str, str, str, tuple[str, str], float | None]]:
    """Kind, what of it, the file's name, reference and estimate, and the limit in seconds."""
    generator = random.Random(0)
    for count in (3000, 20000):
        yield "notes", f"{count} notes", "notes.csv", played(count), QUICK_S if count == 3000 else None
    beats = np.arange(0.5, SONG_S, 0.5)
    moved = beats + np.random.default_rng(0).normal(0, 0.03, beats.size)
    rows = ["\n".join(f"{at:.3f} {n % 4 + 1}" for n, at in enumerate(side)) for side in (beats, moved)]
    yield "beats", f"{beats.size} beats", "song.beats", (rows[0], rows[1]), QUICK_S
    names = [
        generator.choice("CDEFGAB") + generator.choice([":maj", ":min", ":7", ":min7"]) for _ in range(90)
    ]
    other = [generator.choice(names) if generator.random() < 0.3 else name for name in names]
    chords = ["\n".join(f"{2 * n} {2 * n + 2} {c}" for n, c in enumerate(side)) for side in (names, other)]
    yield "chords", f"{len(names)} chords", "chords.lab", (chords[0], chords[1]), None
    frames = np.arange(0, SONG_S, 0.01)
    pitch = 220 * 2 ** (np.round(6 * np.sin(frames)) / 12) * (np.sin(3 * frames) > -0.5)
    heard = pitch * (1 + 0.02 * np.random.default_rng(0).standard_normal(pitch.size))
    tracks = [
        "\n".join(f"{at:.2f},{hz:.2f}" for at, hz in zip(frames, side, strict=True))
        for side in (pitch, heard)
    ]
    yield "melody", f"{frames.size} frames", "melody.csv", (tracks[0], tracks[1]), None
    words = [generator.choice(VOCABULARY) for _ in range(500)]
    sung = [word for word in words if generator.random() < 0.9]
    sheets = [
        "\n".join(" ".join(side[at : at + 7]) for at in range(0, len(side), 7)) for side in (words, sung)
    ]
    yield "lyrics", f"{len(words)} words", "lyrics.txt", (sheets[0], sheets[1]), QUICK_S
    timed = [timed_lines(words, 0.0), timed_lines(sung, 0.1)]
    yield "lyrics-timing", f"{len(words)} words", "lyrics.lrc", (timed[0], timed[1]), QUICK_S


def timed_lines(words: list[str], late: float) -> str:
    """Lines of LRC with the time of every word."""
    step = SONG_S / (len(words) + 1)

    def at(number: int) -> str:
        minutes, seconds = divmod(number * step + late, 60)
        return f"{int(minutes):02}:{seconds:05.2f}"

    return "\n".join(
        f"[{at(first)}]" + " ".join(f"<{at(n)}> {words[n]}" for n in range(first, min(first + 7, len(words))))
        for first in range(0, len(words), 7)
    )


def written(piece: Path, bars: int, out: Path, *, wrong: bool = False) -> Path:
    """``bars`` of ``piece``, over and over; if ``wrong``, some notes an octave lower, others rests."""
    generator = random.Random(0)
    score = ElementTree.parse(piece)
    for part in score.getroot().iter("part"):
        once = list(part)
        for measure in once:
            part.remove(measure)
            for barline in measure.findall("barline"):
                for mark in (*barline.findall("repeat"), *barline.findall("ending")):
                    barline.remove(mark)
        for number in range(bars):
            part.append(deepcopy(once[number % len(once)]))
            part[-1].set("number", str(number + 1))
    if wrong:
        for note in score.getroot().iter("note"):
            octave, chance = note.find("pitch/octave"), generator.random()
            if octave is not None and chance < 0.05:
                octave.text = str(int(octave.text or 4) - 1)
            elif octave is not None and chance < 0.1:
                pitch = note.find("pitch")
                assert pitch is not None
                note.insert(list(note).index(pitch), ElementTree.Element("rest"))
                note.remove(pitch)
    score.write(out, encoding="utf-8", xml_declaration=True)
    return out


def stems(data: Path, folder: Path) -> tuple[Path, Path]:
    """Folders of four true stems, and of estimates with a tenth of another stem and noise in each."""
    from benchmarks.stems import songs
    from separation.audio import SAMPLE_RATE, Audio, write_flac

    _, _, once = next(songs(data))
    length = round(SONG_S * SAMPLE_RATE)
    names = list(once)
    generator = np.random.default_rng(0)
    true, found = folder / "true", folder / "found"

    def long(name: str) -> np.ndarray:
        samples = once[name].samples
        return np.tile(samples, -(-length // samples.shape[1]))[:, :length] / 2

    for name, other in zip(names, names[1:] + names[:1], strict=True):
        noise = 1e-3 * generator.standard_normal((2, length), np.float32)
        write_flac(Audio(long(name), SAMPLE_RATE), true / f"{name}.flac")
        write_flac(Audio(long(name) + long(other) / 10 + noise, SAMPLE_RATE), found / f"{name}.flac")
    return true, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", metavar="KIND", help="these kinds alone")
    options = parser.parse_args()

    start_up = cost("evaluate", "--help")
    print(f"start-up: {start_up.wall_s:.2f} s, {start_up.processor_s:.2f} s of the processor")
    print(f"{'kind':15}{'of':>14}{'beyond start-up s':>20}{'processor s':>13}{'peak MB':>9}{'limit s':>9}")

    def row(kind: str, of: str, sides: tuple[Path, Path], limit: float | None) -> None:
        spent = cost("evaluate", kind, *sides, "--json")
        beyond = spent.wall_s - start_up.wall_s
        processor = spent.processor_s - start_up.processor_s
        limited = (
            "" if limit is None else f"{limit:>9g}" + (" beyond" if min(beyond, processor) > limit else "")
        )
        print(
            f"{kind:15}{of:>14}{beyond:>20.2f}{processor:>13.2f}{spent.megabytes:>9.0f}{limited}", flush=True
        )

    def wanted(kind: str) -> bool:
        return not options.only or kind in options.only

    with tempfile.TemporaryDirectory() as folder:
        sides = Path(folder, "true"), Path(folder, "found")
        for side in sides:
            side.mkdir()
        for kind, of, name, contents, limit in texts():
            if wanted(kind):
                for side, text in zip(sides, contents, strict=True):
                    (side / name).write_text(text, encoding="utf-8")
                row(kind, of, (sides[0] / name, sides[1] / name), limit)
        for kind, lengths in (("key", (200,)), ("meter", (200,)), ("score", (100, 200, 400))):
            for bars in lengths if wanted(kind) else ():
                pair = (
                    written(options.data / PIECE, bars, sides[0] / "score.musicxml"),
                    written(options.data / PIECE, bars, sides[1] / "score.musicxml", wrong=True),
                )
                row(kind, f"{bars} bars", pair, SCORE_S * bars / 200 if kind == "score" else None)
        if wanted("stems"):
            row("stems", "4 in stereo", stems(options.data, Path(folder)), SONG_S / 5)


if __name__ == "__main__":
    main()
