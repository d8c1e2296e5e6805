"""``report.json``: how a score came about, for people and programs (docs/architecture.md)."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.settings import Settings
from pipeline.songs import readable
from pipeline.workspace import STAGES_FOLDER, Workspace, write_json
from transcription.beatgrid import BeatGrid, TimeSignature

if TYPE_CHECKING:
    from notation.page import NotatedScore

PACKAGES = (
    "demucs",
    "torch",
    "basic-pitch",
    "onnxruntime",
    "transkun",
    "openai-whisper",
    "librosa",
    "music21",
    "verovio",
)


def stored_grid(found: dict[str, Any]) -> BeatGrid:
    """The beats as the stage ``beats`` keeps them."""
    return BeatGrid(
        tuple(found["times"]),
        tuple(found["numbers"]),
        TimeSignature(**found["time_signature"]),
        bool(found.get("swing", False)),
    )


def write_report(
    workspace: Workspace, song: Path, settings: Settings, corrections: dict[str, Any]
) -> dict[str, Any]:
    """Write the report of the stages in ``workspace``, and of what was corrected, and return it."""
    records = workspace.records
    source = records["audio"].result
    beats = records["counting" if "counting" in records else "beats"].result
    grid = stored_grid(beats)
    report = {
        "fullscore": version("fullscore"),
        "song": {
            "file": readable(song.name),
            **{name: source[name] for name in ("title", "artist", "duration")},
        },
        "settings": {**asdict(settings), "time_signature": str(settings.time_signature or "") or None},
        "corrections": {name: value if name != "words" else True for name, value in corrections.items()},
        "engines": {
            "separation": records["separation"].inputs["engine"],
            "notes": records["notes"].result,
            "beats": records["beats"].inputs.get("engine"),  # a run that an earlier version finished has none
            "lyrics": records["lyrics"].inputs["engine"],
        },
        "versions": {"python": platform.python_version(), **package_versions()},
        "key": records["score"].result["key"],
        "time_signature": str(grid.time_signature),
        "tempo": round(grid.tempo, 2),
        "tempo_map": _tempo_map(grid),
        "beats": {"times": [round(time, 4) for time in grid.times], "numbers": list(grid.numbers)},
        "bars": records["score"].result["bars"],
        "chords": records["score"].result.get("chords"),  # a run that an earlier version finished has none
        "parts": records["score"].result.get("parts"),
        "score_time": records["score"].result.get("time"),
        "words": _words(corrections.get("words") or records["lyrics"].result),
        "warnings": [str(message) for message in workspace.warnings],
        "messages": [message.as_object() for message in workspace.warnings],
        "stages": {
            name: {
                "seconds": record.seconds,
                "peak_memory_mb": record.peak_memory_mb,
                "resumed": record.resumed,
            }
            for name, record in records.items()
        },
        "files": [
            *sorted(
                file
                for record in records.values()
                for file in record.files
                if not file.startswith(STAGES_FOLDER)
            ),
            "report.json",
        ],
    }
    write_json(report, workspace.drafted / "report.json")
    return report


def _words(lyrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Each word of the stored lyrics, when it is sung (seconds) and in which line (from 0)."""
    return [
        {
            "text": word["text"],
            "onset": round(word["syllables"][0]["onset"], 4),
            "offset": round(word["syllables"][-1]["offset"], 4),
            "line": number,
        }
        for number, line in enumerate(lyrics["lines"])
        for word in line["words"]
    ]


def chords_in_seconds(score: NotatedScore) -> list[dict[str, Any]]:
    """A score's chord symbols: start and end in seconds of the performance, and label (Harte et al., 2005).

    Each lasts until the next one or the final bar line; before the first there is nothing.
    """
    from notation.chord_labels import played_chords

    chords = played_chords(score.chords, score.time) if score.time else ()
    return [
        {"start": round(chord.start, 4), "end": round(chord.end, 4), "label": chord.label} for chord in chords
    ]


def score_time(score: NotatedScore) -> dict[str, list[float]] | None:
    """When a score's beats were played: ``quarters`` from its first bar line, and ``seconds``."""
    time = score.time
    if time is None:
        return None
    return {
        "quarters": [round(float(quarters), 6) for quarters in time.beat_quarters],
        "seconds": [round(seconds, 4) for seconds in time.beat_times],
    }


def _tempo_map(grid: BeatGrid) -> list[dict[str, float]]:
    """The mean tempo of each bar: its start in seconds and beats per minute."""
    starts = [index for index, number in enumerate(grid.numbers) if number == 1]
    if not starts or starts[0] > 0:
        starts.insert(0, 0)
    if starts[-1] < len(grid.times) - 1:
        starts.append(len(grid.times) - 1)
    return [
        {
            "time": round(grid.times[start], 3),
            "bpm": round(60 * (end - start) / (grid.times[end] - grid.times[start]), 2),
        }
        for start, end in pairwise(starts)
    ]


def package_versions() -> dict[str, str]:
    """The installed versions of the packages that decide what a run makes."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
