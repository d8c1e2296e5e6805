"""What the web page costs: a correction, a cancel, clicks while songs are worked on, memory.

    python -m benchmarks.page [--data ../shared/data] [--song Fantasma] [--visitors 10] [--jobs 2]
                              [--seconds 60] [--out out/page]

The server runs in a process of its own, with the songs and pages that ``fullscore ui`` would have. A song is
transcribed (or its result of before is taken) and each kind of correction is made through the page's route:
seconds until the answer, which comes when every file is in its place, and those of the processor, of which a
busy machine gives less. Then each visitor hands in the song, of
which ``--jobs`` run at once, and goes on clicking: every half second each asks for one of the things that the
page asks for. Told are the share answered within half a second and the time that 95 in 100 stay below. Memory
is what all processes of the server share out among them (PSS, Linux). Last, each job is cancelled: seconds
until the answer, by when its process must be gone.
"""

from __future__ import annotations

import argparse
import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

SONGS = Path("f90_jamendolyrics")
CLICK_S = 0.5  # between two of a visitor's
SOON_S = 0.5
QUANTILE = 0.95
TIMEOUT_S = 120.0

FINISHED = ("score.json?width=900", "score.json?width=390", "roll/{stem}.json", "spectrogram/{stem}.png",
            "lyrics.json", "notes.json", "audio/{stem}/3", "files/score.pdf")  # fmt: skip
"""What is asked for of the finished song, beside the visitor's own state and the page itself."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--song", default="Fantasma", help="a part of its file's name")
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the visitors click")
    parser.add_argument("--out", type=Path, default=Path("out/page"))
    given = parser.parse_args()
    recordings = sorted((given.data / SONGS / "mp3").glob("*.mp3"))
    song = next(path for path in recordings if given.song in path.name)
    words = (given.data / SONGS / "lyrics" / f"{song.stem}.txt").read_text(encoding="utf-8")
    with _server(given.out, given.jobs) as (process, address, ask):
        visitor = httpx.Client(base_url=address, timeout=TIMEOUT_S)
        print(f"{os.cpu_count()} cores, {os.getloadavg()[0]:.1f} processes at work before\n")
        done = ask("finished", str(song), words)
        state = visitor.get(f"/songs/{done}/state.json").json()
        print(f"{state['title']}: worked on for {state['seconds']:.0f} s, {len(state['files'])} files\n")
        _corrections(visitor, done, process)
        ids = [ask("submit", str(song), words) for _ in range(given.visitors)]
        _clicks(address, done, ids, given.seconds)
        print(f"memory meanwhile: {_memory(process)}\n")
        _cancels(visitor, ids)


# The server


@contextmanager
def _server(folder: Path, jobs: int) -> Iterator[tuple[int, str, Any]]:
    """A server: its process, its address, and a function that hands in songs."""
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(there, folder, jobs))
    process.start()

    def ask(*question: str) -> Any:
        here.send(question)
        return here.recv()

    try:
        yield process.pid or 0, here.recv(), ask
    finally:
        here.send(("stop",))
        process.join()


def _serve(pipe: Connection, folder: Path, limit: int) -> None:
    from pipeline.settings import Settings
    from ui.app import create
    from ui.jobs import Jobs
    from ui.server import served

    settings = Settings(separator="spectral", offline=True)
    with Jobs(folder, limit, keep_hours=1e6) as jobs, served(create(jobs)) as address:
        for id in list(jobs._jobs):  # what a run that was broken off left
            if jobs.state(id).state != "done":
                jobs.cancel(id)
        pipe.send(address)
        while (question := pipe.recv())[0] != "stop":
            what, song, words = question
            kept = [id for id in jobs._jobs if jobs.state(id).state == "done"] if what == "finished" else []
            id = kept[0] if kept else jobs.submit(Path(song), Path(song).name, settings, words)
            if what == "finished":
                jobs.wait(id)
            pipe.send(id)


# Measures


def _corrections(visitor: httpx.Client, id: str, server: int) -> None:
    notes = visitor.get(f"/songs/{id}/notes.json").json()
    sung = next(note for note in notes["notes"] if note["stem"] == "vocals")
    text = visitor.get(f"/songs/{id}/files/lyrics.txt").text
    note = {"kind": "note", "stem": "vocals", "onset": sung["onset"], "pitch": sung["pitch"]}
    edits: dict[str, dict[str, Any]] = {
        "(the first, to warm up)": {"kind": "key", "value": "C major"},
        "key": {"kind": "key", "value": "A major"},
        "meter": {"kind": "meter", "value": "3/4"},
        "tempo doubled": {"kind": "tempo", "factor": 2},
        "tempo halved": {"kind": "tempo", "factor": 0.5},
        "pick-up": {"kind": "pick_up", "value": 1},
        "clef": {"kind": "part", "stem": "vocals", "clef": "treble-8"},
        "octave of a part": {"kind": "octave", "stem": "vocals", "octaves": -1},
        "pitch of a note": {**note, "to": sung["pitch"] + 1},
        "note deleted": {**note, "to": None},
        "line breaks": {"kind": "words", "text": text.replace(" ", "\n", 1)},
    }
    print("| correction | seconds | of the processor | undone |\n|---|---|---|---|")
    for name, edit in edits.items():
        before = _processor_s(server)
        made = _posted(visitor, id, edit)
        busy = _processor_s(server) - before
        undone = _posted(visitor, id, {"kind": "undo"})
        print(f"| {name} | {made:.2f} | {busy:.2f} | {undone:.2f} |", flush=True)
    print()


def _posted(visitor: httpx.Client, id: str, edit: dict[str, Any]) -> float:
    started = time.perf_counter()
    answer = visitor.post(f"/songs/{id}/corrections", json=edit)
    seconds = time.perf_counter() - started
    if not answer.is_success:
        raise SystemExit(f"{edit}: {answer.text}")
    return seconds


def _clicks(address: str, done: str, ids: list[str], seconds: float) -> None:
    """Let visitors click, and print how soon they were answered."""
    taken: dict[str, list[float]] = {}
    lock = threading.Lock()
    end = time.monotonic() + seconds

    def click(id: str, number: int) -> None:
        with httpx.Client(base_url=address, timeout=TIMEOUT_S) as visitor:
            stems = [
                file["name"][len("stems/") : -len(".flac")]
                for file in visitor.get(f"/songs/{done}/state.json").json()["home"]
                if file["name"].startswith("stems/")
            ]
            rows = [f"/songs/{done}/{row}".replace("{stem}", stems[number % len(stems)]) for row in FINISHED]
            clicks = itertools.cycle(["/", f"/songs/{id}/state.json", "/fullscore/page.js", *rows])
            for _ in range(number):  # not all the same at the same time
                next(clicks)
            while time.monotonic() < end:
                row = next(clicks)
                started = time.perf_counter()
                answer = visitor.get(row)
                waited = time.perf_counter() - started
                answer.raise_for_status()
                with lock:
                    taken.setdefault(row.replace(done, "ID").replace(id, "OWN"), []).append(waited)
                time.sleep(max(0.0, CLICK_S - waited))

    threads = [threading.Thread(target=click, args=(id, number)) for number, id in enumerate(ids)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = httpx.get(f"{address}/health").json()["jobs"]
    print(f"{len(ids)} visitors, {counts['running']} songs worked on, {counts['queued']} waiting\n")
    print("| asked for | times | within 0.5 s | 95 % within | longest |\n|---|---|---|---|---|")
    of_kind: dict[str, list[float]] = {}
    for row, waits in taken.items():
        kind = row.partition("?")[0].removeprefix("/songs/ID/").partition("/")[0] or row
        of_kind.setdefault(kind if row.startswith("/songs/ID/") else row, []).extend(waits)
    everything = [wait for waits in taken.values() for wait in waits]
    for kind, waits in [*of_kind.items(), ("all", everything)]:
        waits.sort()
        soon = sum(wait <= SOON_S for wait in waits) / len(waits)
        late = waits[min(len(waits) - 1, int(QUANTILE * len(waits)))]
        print(f"| {kind} | {len(waits)} | {soon:.1%} | {late:.3f} s | {waits[-1]:.2f} s |")
    print()


def _cancels(visitor: httpx.Client, ids: list[str]) -> None:
    print("| cancelled | seconds | processes left |\n|---|---|---|")
    for id in ids:
        state = visitor.get(f"/songs/{id}/state.json").json()["state"]
        started = time.perf_counter()
        after = visitor.post(f"/songs/{id}/cancel").json()["state"]
        seconds = time.perf_counter() - started
        left = sum(id in _folder_of(process) for process in _processes())
        print(f"| {state}, then {after} | {seconds:.2f} | {left} |", flush=True)


# Processes (Linux)


def _memory(root: int) -> str:
    """The memory of a process and all below it, by what they are (MB, shared pages shared out)."""
    sizes = {process: _size_mb(process) for process in _family(root)}
    workers = [size for process, size in sizes.items() if "ui.worker" in _command(process)]
    total = sum(sizes.values())
    songs = " + ".join(f"{size:.0f}" for size in workers)
    rest = total - sum(workers) - sizes[root]
    return f"{total:.0f} MB = the server {sizes[root]:.0f}, warm processes {rest:.0f}, songs {songs}"


def _processor_s(root: int) -> float:
    """Processor time that a process and all below it have had (seconds)."""
    ticks = sum(sum(map(int, _stat(process)[11:13])) for process in _family(root))
    return ticks / os.sysconf("SC_CLK_TCK")


def _family(root: int) -> set[int]:
    """A process and all below it."""
    parents = {process: stat[1] for process in _processes() if (stat := _stat(process))}
    ours = {root}
    while more := {process for process, parent in parents.items() if int(parent) in ours} - ours:
        ours |= more
    return ours


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(process: int) -> list[str]:
    """The fields of proc(5)'s stat from the third on."""
    return _read(process, "stat").rpartition(")")[2].split()


def _size_mb(process: int) -> float:
    for line in _read(process, "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _command(process: int) -> str:
    return _read(process, "cmdline")


def _folder_of(process: int) -> str:
    try:
        return os.readlink(f"/proc/{process}/cwd")
    except OSError:
        return ""


def _read(process: int, name: str) -> str:
    try:
        return Path(f"/proc/{process}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    main()
