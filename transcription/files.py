"""From files to notes and beats, and to files again: the outer rungs of this stage's ladders.

    arrays -> frames -> notes     engine.listen(audio), engine.notes(frames); engine(audio) does both
    file -> notes -> file         hear_file(engine, path), write_notes(notes, path)
    notes, arrays -> beats        tracker(notes, audio)
    file -> beats -> file         track_file(tracker, path), write_beats(grid, path)

Conventions: as in :mod:`transcription.notes` and :mod:`transcription.beatgrid`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from fullscore.engines import Progress, silent
from fullscore.errors import FullscoreError
from fullscore.files import whole_file
from separation.audio import Audio, decode
from transcription.beatgrid import BeatGrid, BeatHints
from transcription.notes import Note, in_stem
from transcription.notes_io import write_notes_json

Transcriber = Callable[[Audio, Progress], tuple[Note, ...]]


class BeatTracker(Protocol):
    """An engine that finds beats in notes, sound, or both."""

    def __call__(
        self,
        notes: Sequence[Note],
        audio: Audio | None = None,
        hints: BeatHints = ...,
        progress: Progress = ...,
    ) -> BeatGrid: ...


def hear_file(
    engine: Transcriber, path: str | Path, stem: str = "mix", progress: Progress = silent
) -> tuple[Note, ...]:
    """The notes of a recording, called those of ``stem``. Raises FullscoreError where it can't be read."""
    return in_stem(engine(decode(Path(path)), progress), stem)


def track_file(
    tracker: BeatTracker,
    path: str | Path,
    notes: Sequence[Note] = (),
    hints: BeatHints = BeatHints(),
    progress: Progress = silent,
) -> BeatGrid:
    """The beats of a recording, whose ``notes`` may help. Raises FullscoreError where it can't be read."""
    return tracker(notes, decode(Path(path), channels=1), hints, progress)


def write_notes(notes: Sequence[Note], path: str | Path) -> None:
    """Write notes as ``.json`` (all that is known of them) or ``.csv`` (onset, offset, MIDI pitch).

    Raises FullscoreError for another suffix.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        write_notes_json(notes, path)
    elif path.suffix.lower() == ".csv":
        _write_rows(path, "onset,offset,midi", [f"{n.onset:.6f},{n.offset:.6f},{n.pitch}" for n in notes])
    else:
        raise FullscoreError("notes are written as .json or .csv, not as '{path}'", path=path)


def write_beats(grid: BeatGrid, path: str | Path) -> None:
    """Write beats as rows of a time and the number in the bar."""
    rows = [f"{time:.4f},{number}" for time, number in zip(grid.times, grid.numbers, strict=True)]
    _write_rows(Path(path), "time,number", rows)


def _write_rows(path: Path, header: str, rows: Sequence[str]) -> None:
    with whole_file(path) as partial:
        partial.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
