"""One song of a benchmark: transcribed or notated, measured against its references, beside its peers.

It runs in a process of its own (``python -m pipeline.benchmark.song JOB.json``), so that its memory is its
own and a crash is only its own. What it leaves is a *row*, written whole or not at all:

    song, source, fingerprint     its name, its file below the benchmark's folder, what the row depends on
    failed                        the reason in a sentence, or null
    duration_s                    of the recording or performance
    engines, warnings             as in report.json
    stages                        seconds and peak_memory_mb of each stage
    measures                      by kind: the measures of evaluation.kinds
    unmeasured                    by kind: why a reference was not compared
    peers                         by name: kind, seconds, and measures or failed
    pictures                      by kind: the file that shows the differences, below the benchmark's output
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from evaluation.kinds import KINDS
from fullscore.errors import TERMINAL, FullscoreError, Remedy, message_from
from pipeline.benchmark.datasets import DatasetSong, find_songs
from pipeline.benchmark.peers import PEERS
from pipeline.settings import Settings
from pipeline.workspace import peak_memory_mb, reset_peak_memory, write_json
from transcription.beatgrid import TimeSignature

Row = dict[str, Any]

PICTURES = {"notes": ".svg", "lyrics": ".html", "score": ".svg"}
"""The kinds whose differences are shown, and the form in which a page can hold them."""

OCTAVE_FREE = ("octave_invariant", "Chroma", "Onset_", "Offset_", "Lag_s")
"""What the names of those measures of notes hold that disregard octaves."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the process is told: the song ``name`` below ``data``, and ``folder``, its name below ``out``."""

    data: Path
    name: str
    out: Path
    folder: str
    fingerprint: str
    settings: Settings
    own_words: bool
    peers: tuple[str, ...]
    force: bool

    def write(self, path: Path) -> None:
        values = {**asdict(self), "data": str(self.data), "out": str(self.out)}
        write_json(values, path)

    @classmethod
    def read(cls, path: Path) -> Job:
        values = json.loads(path.read_text(encoding="utf-8"))
        chosen = values["settings"]
        meter = chosen["time_signature"]
        settings = Settings(
            **{
                **chosen,
                "time_signature": TimeSignature(**meter) if meter else None,
                "options": tuple(tuple(option) for option in chosen["options"]),
            }
        )
        paths = {name: Path(values[name]) for name in ("data", "out")}
        return cls(**{**values, **paths, "settings": settings, "peers": tuple(values["peers"])})


_ALSO_MAIN = {
    "notes": ("F-measure_no_offset_octave_invariant",),  # the octave may be nominal
    "key": ("Key signature",),  # a score may not say its mode
}


def main_measures(kind: str) -> tuple[str, ...]:
    """What stands for a kind in a table of songs, also where a reference can't say what usually does."""
    return tuple(dict.fromkeys((*KINDS[kind].main, *_ALSO_MAIN.get(kind, ()))))


def row_file(out: Path, folder: str) -> Path:
    return out / "rows" / f"{folder}.json"


def empty_row(name: str, source: str, fingerprint: str, failed: str | None = None) -> Row:
    """A row with nothing in it yet."""
    return {
        "song": name,
        "source": source,
        "fingerprint": fingerprint,
        "failed": failed,
        "duration_s": None,
        "engines": {},
        "warnings": [],
        "stages": {},
        "measures": {},
        "unmeasured": {},
        "peers": {},
        "pictures": {},
    }


def do_song(job: Job) -> Row:
    """Run the pipeline on the song, measure what came out, and write its row."""
    song = next(song for song in find_songs(job.data) if song.name == job.name)
    row = empty_row(song.name, song.source.relative_to(job.data).as_posix(), job.fingerprint)
    run = job.out / "songs" / job.folder
    shutil.rmtree(references_of(job.out, job.folder), ignore_errors=True)
    try:
        report = _notate(song, run, job) if song.is_performance else _transcribe(song, run, job)
    # One song's failure, of whatever kind, is its row.
    except Exception as error:
        row["failed"] = _sentence(error, job)
    else:
        row["duration_s"] = report["song"]["duration"]
        row["engines"], row["warnings"] = report["engines"], report["warnings"]
        row["stages"] = {
            name: {measure: stage[measure] for measure in ("seconds", "peak_memory_mb")}
            for name, stage in report["stages"].items()
        }
        _measure(song, run, job, row, report)
        for name in job.peers:
            _measure_peer(name, song, run, job, row)
    write_json(row, row_file(job.out, job.folder))
    return row


# Running ----------------------------------------------------------------------------------------------------


def _transcribe(song: DatasetSong, run: Path, job: Job) -> dict[str, Any]:
    from pipeline.transcribe import transcribe

    settings = job.settings
    if job.own_words and "lyrics" in song.references:
        settings = replace(settings, lyrics=str(_own_words(song, job)))
    return transcribe(song.source, run.parent, settings, force=job.force, name=run.name).report


def _own_words(song: DatasetSong, job: Job) -> Path:
    """The reference's words as a singer has them: without the marks of a data set."""
    from fullscore.reading import read_text

    folder = references_of(job.out, job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "own-words.txt"
    path.write_text(re.sub(r"</?\w+>", "", read_text(song.reference("lyrics", folder))), encoding="utf-8")
    return path


def _notate(song: DatasetSong, run: Path, job: Job) -> dict[str, Any]:
    """Write a performance as a score, with the report that the evaluation reads beside it."""
    from pipeline.notate import notate_file
    from pipeline.report import chords_in_seconds

    run.mkdir(parents=True, exist_ok=True)
    reset_peak_memory()
    started = time.perf_counter()
    written = notate_file(song.source, run / "score.musicxml", settings=job.settings)
    cost = {"seconds": round(time.perf_counter() - started, 3), "peak_memory_mb": round(peak_memory_mb(), 1)}
    grid, score = written.grid, written.score
    report = {
        "song": {"duration": written.duration},
        "engines": {},
        "warnings": [],
        "key": str(score.key),
        "time_signature": str(score.time_signature),
        "beats": {"times": list(grid.times), "numbers": list(grid.numbers)},
        "chords": chords_in_seconds(score),
        "stages": {"score": cost},
    }
    write_json(report, run / "report.json")
    return report


# Measuring --------------------------------------------------------------------------------------------------


def references_of(out: Path, folder: str) -> Path:
    """Where the references of a song are kept that had to be derived."""
    return out / "references" / folder


def settings_of(kind: str, song: DatasetSong, language: str | None) -> object:
    """The evaluation's settings for a kind of a song; ``language`` where the song doesn't say."""
    settings = KINDS[kind].settings
    given = dict(song.options.get(kind, {}))
    spoken = song.language or language
    if spoken and any(field.name == "language" for field in fields(settings)):
        given["language"] = spoken
    made: object = settings(**given)
    return made


def _measure(song: DatasetSong, run: Path, job: Job, row: Row, report: Mapping[str, Any]) -> None:
    for kind in song.references:
        if reason := _not_made(kind, report):
            row["unmeasured"][kind] = reason
            continue
        try:
            settings = settings_of(kind, song, job.settings.language)
            reference = song.reference(kind, references_of(job.out, job.folder))
            row["measures"][kind] = _compared(kind, song, reference, run, settings)
        # A kind that can't be measured must not take the others with it.
        except Exception as error:
            row["unmeasured"][kind] = _sentence(error, job)
            continue
        # A roll is of notes as they sound, and so says nothing where their octave is nominal.
        if kind in PICTURES and not (kind == "notes" and song.any_octave):
            picture = job.out / "pictures" / job.folder / f"{kind}{PICTURES[kind]}"
            picture.parent.mkdir(parents=True, exist_ok=True)
            try:
                KINDS[kind].show(reference, run, settings, picture)
                row["pictures"][kind] = picture.relative_to(job.out).as_posix()
            except Exception as error:
                row["unmeasured"][f"{kind} (picture)"] = _sentence(error, job)


def _not_made(kind: str, report: Mapping[str, Any]) -> str:
    """Why the run has nothing of its own to compare for this kind; empty where it has."""
    if kind == "chords" and not report.get("chords"):
        return "no chord symbols were written (--chords on writes them for keyboards too)"
    words = report["engines"].get("lyrics")
    if kind == "lyrics" and words == "text":
        return "the words were given"
    if kind in ("lyrics", "lyrics-timing") and words == "none":
        messages = map(message_from, report.get("messages", ()))
        lacking = (str(message) for message in messages if message.remedy == Remedy("give words"))
        return next(lacking, "no words were looked for")
    return ""


def _compared(
    kind: str, song: DatasetSong, reference: Path, estimate: Path, settings: object
) -> dict[str, Any]:
    from evaluation.report import evaluate_pair

    measures = evaluate_pair(KINDS[kind], reference, estimate, settings)
    if kind == "notes" and song.any_octave:
        return {name: value for name, value in measures.items() if any(part in name for part in OCTAVE_FREE)}
    return measures


def _measure_peer(name: str, song: DatasetSong, run: Path, job: Job, row: Row) -> None:
    """Run a peer on the song and measure it as ours is, where there is something to compare it with."""
    peer = PEERS[name]
    if peer.kind not in song.references or peer.lacking():
        return
    performed = peer.kind == "score"
    if song.is_performance and not performed:
        return
    source = run / "performance.mid" if performed and not song.is_performance else song.source
    made = job.out / "peers" / job.folder / f"{name}{peer.suffix}"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.unlink(missing_ok=True)
    found: dict[str, Any] = {"kind": peer.kind}
    try:
        found["seconds"] = round(peer.run(source, made), 3)
        settings = settings_of(peer.kind, song, job.settings.language)
        reference = song.reference(peer.kind, references_of(job.out, job.folder))
        found["measures"] = _compared(peer.kind, song, reference, made, settings)
    except Exception as error:
        found["failed"] = _sentence(error, job)
    row["peers"][name] = found


def _sentence(error: Exception, job: Job) -> str:
    """What went wrong, with files named from the benchmark's folders: results name no machine."""

    def named(path: Path) -> str:
        folder = next((folder for folder in (job.data, job.out) if path.is_relative_to(folder)), None)
        return path.relative_to(folder).as_posix() if folder else path.name

    if isinstance(error, FullscoreError):
        return replace(TERMINAL, path=named)(error.message)
    return f"unexpected {type(error).__name__}: {error}"


# The process ------------------------------------------------------------------------------------------------


def _end_with_parent() -> None:
    """End this process when the one that started it, whose pipe is our standard input, is gone."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    _end_with_parent()
    do_song(Job.read(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
