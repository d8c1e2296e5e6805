"""Edits as the page sends them, made corrections of a finished run.

An edit is a JSON object with a ``kind``:

    {"kind": "key", "value": "Eb major"}
    {"kind": "meter", "value": "6/8"}
    {"kind": "tempo", "value": 96}      or "factor": 0.5, of what it is
    {"kind": "pick_up", "value": 1}     in beats
    {"kind": "part", "stem": "vocals", "clef": "treble-8", "octave": 1}     how it is read
    {"kind": "octave", "stem": "bass", "octaves": -1}                       it was heard in the wrong one
    {"kind": "note", "stem": "vocals", "onset": 1.25, "pitch": 60, "to": 62}
    {"kind": "words", "text": "…", "again": false}
    {"kind": "undo"}
    {"kind": "redo"}

A ``value`` of null goes back to what was found. A note with ``to`` null is deleted, one with ``pitch`` null
and an ``offset`` is added. Several edits but the last three kinds can be made as one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fullscore.errors import FullscoreError
from pipeline.correct import correct, correct_words, history, redo, undo
from pipeline.corrections import Corrections, NoteEdit, OctaveEdit, PartEdit
from pipeline.settings import parse_time_signature

Edit = Mapping[str, Any]

MOST_EDITS = 500
ALONE = ("words", "undo", "redo")


def apply(made: Path, song: Path, edits: Sequence[Edit]) -> dict[str, Any]:
    """Make the edits as one correction of the run in ``made``, and say what is corrected then.

    Raises FullscoreError for what can't be; nothing is changed then.
    """
    if not 1 <= len(edits) <= MOST_EDITS:
        raise FullscoreError(
            "{count} edits can't be made as one",
            "send 1 to {most}",
            count=len(edits),
            most=MOST_EDITS,
        )
    kinds = [edit.get("kind") for edit in edits]
    if len(edits) > 1 and any(kind in ALONE for kind in kinds):
        raise FullscoreError("{kinds} are sent alone, not with other edits", kinds=", ".join(ALONE))
    try:
        if kinds == ["undo"]:
            undo(made, song)
        elif kinds == ["redo"]:
            redo(made, song)
        elif kinds == ["words"]:
            correct_words(made, song, _text(edits[0]["text"]), again=bool(edits[0].get("again", False)))
        else:
            corrections = history(made).now
            for edit in edits:
                corrections = corrected(corrections, edit, made)
            correct(made, song, corrections)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FullscoreError(
            "this can't be corrected so ({kind}: {error})", kind=type(error).__name__, error=error
        ) from error
    return summary(made)


def summary(made: Path) -> dict[str, Any]:
    """What is corrected in ``made``, and whether that can be undone or redone."""
    kept = history(made)
    return {
        "corrections": {**kept.now.as_object(), **({"words": True} if kept.now.words else {})},
        "can_undo": kept.can_undo,
        "can_redo": kept.can_redo,
    }


def corrected(corrections: Corrections, edit: Edit, made: Path) -> Corrections:
    """``corrections`` with one edit more. Raises what the classes raise for what can't be."""
    match edit.get("kind"):
        case "key":
            return replace(corrections, key=edit["value"])
        case "meter":
            meter = edit["value"]
            return replace(corrections, time_signature=meter and parse_time_signature(meter))
        case "tempo":
            return replace(corrections, tempo=_tempo(edit, made))
        case "pick_up":
            beats = edit["value"]
            return replace(corrections, pick_up=None if beats is None else float(beats))
        case "part":
            others = tuple(part for part in corrections.parts if part.stem != edit["stem"])
            reading = PartEdit(str(edit["stem"]), edit.get("clef"), _whole(edit.get("octave")))
            usual = reading.clef is None and reading.octave is None
            return replace(corrections, parts=others if usual else (*others, reading))
        case "octave":
            moved = OctaveEdit(str(edit["stem"]), int(edit["octaves"]))
            return replace(corrections, notes=(*corrections.notes, moved))
        case "note":
            offset = edit.get("offset")
            note = NoteEdit(
                str(edit["stem"]),
                float(edit["onset"]),
                _whole(edit.get("pitch")),
                _whole(edit.get("to")),
                None if offset is None else float(offset),
            )
            return replace(corrections, notes=(*corrections.notes, note))
        case other:
            raise FullscoreError("there is no edit of the kind '{other}'", other=other)


def _tempo(edit: Edit, made: Path) -> float | None:
    if "factor" in edit:
        heard = json.loads((made / "report.json").read_text(encoding="utf-8"))["tempo"]
        return float(heard) * float(edit["factor"])
    return None if edit["value"] is None else float(edit["value"])


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("words are a text")
    return value
