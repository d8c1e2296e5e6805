"""Notes on disk: ``notes.json``.

One object ``{"notes": [...]}``; each note an object with ``stem``, ``onset``, ``offset``, ``pitch``,
``velocity``, ``confidence`` and, where measured, ``bends``, with the conventions of
:mod:`transcription.notes`. Times are written to the microsecond, bends to a thousandth of a semitone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fullscore.errors import FullscoreError
from fullscore.files import whole_file
from transcription.notes import Note


def write_notes_json(notes: Iterable[Note], path: Path) -> None:
    """Write ``notes`` in the order given, one on each line; the file appears whole or not at all."""
    rows = ",\n".join(f"    {json.dumps(_as_object(note), ensure_ascii=False)}" for note in notes)
    with whole_file(path) as partial:
        partial.write_text(f'{{\n  "notes": [\n{rows}\n  ]\n}}\n', encoding="utf-8")


def read_notes_json(path: Path) -> tuple[Note, ...]:
    """The notes of ``path`` in its order. Raises FullscoreError if it isn't such a file."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["notes"]
        return tuple(_as_note(row) for row in rows)
    except OSError as error:
        raise FullscoreError(
            "can't read {path}: {reason}", "check its name and permissions", path=path, reason=error.strerror
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise FullscoreError(
            "{path} is not a notes.json file ({kind}: {error})",
            "give one made by fullscore",
            path=path,
            kind=type(error).__name__,
            error=error,
        ) from error


def _as_object(note: Note) -> dict[str, Any]:
    row: dict[str, Any] = {
        "stem": note.stem,
        "onset": round(note.onset, 6),
        "offset": round(note.offset, 6),
        "pitch": note.pitch,
        "velocity": note.velocity,
        "confidence": round(note.confidence, 4),
    }
    if note.bends:
        row["bends"] = [round(bend, 3) for bend in note.bends]
    return row


def _as_note(row: dict[str, Any]) -> Note:
    return Note(
        onset=float(row["onset"]),
        offset=float(row["offset"]),
        pitch=int(row["pitch"]),
        velocity=int(row.get("velocity", 80)),
        confidence=float(row.get("confidence", 1.0)),
        bends=tuple(float(bend) for bend in row.get("bends", ())),
        stem=str(row.get("stem", "mix")),
    )
