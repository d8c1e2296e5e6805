"""Short work of the page besides songs: comparing files, and writing performed MIDI as a score.

The functions are called in warm processes (``ui.warm``): what they take and give are paths and JSON.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from evaluation.kinds import KINDS, Kind
from fullscore.errors import FullscoreError
from pipeline.settings import Settings

NOTATED = ("score.musicxml", "score.mxl", "score.mid", "score.pdf")
PICTURES = (".svg", ".html")  # that a browser shows


def compared(
    kind: str, reference: Sequence[Path], estimate: Sequence[Path], given: Mapping[str, Any], out: Path
) -> tuple[dict[str, Any], Path | None]:
    """The measures of ``estimate`` against ``reference``, and a picture in ``out`` where the kind has one.

    Each is one file or the folder of a run, or the recordings of stems. Raises FullscoreError.
    """
    from evaluation.report import evaluate

    chosen = KINDS[kind]
    names = [field.name for field in fields(chosen.settings)]
    if unknown := set(given) - set(names):
        raise FullscoreError(
            "{kind} have no option '{option}'",
            "they have: {known}",
            kind=kind,
            option=min(unknown),
            known=", ".join(names) or "none",
        )
    settings = chosen.settings(**given)
    right = _as_one(chosen, reference, out / "reference")
    made = _as_one(chosen, estimate, out / "estimate")
    return evaluate(kind, right, made, settings), _picture(chosen, right, made, settings, out)


def _as_one(kind: Kind, files: Sequence[Path], folder: Path) -> Path:
    """The one path that stands for the files of one side."""
    if not files:
        raise FullscoreError("choose a file for the {folder}", folder=folder.name)
    if len(files) == 1 and (kind.suffixes or files[0].is_dir()):
        return files[0]
    if kind.suffixes:
        raise FullscoreError(
            "{kind} are compared file by file", "choose one {folder}", kind=kind.name, folder=folder.name
        )
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
    return folder


def _picture(kind: Kind, reference: Path, estimate: Path, settings: object, out: Path) -> Path | None:
    suffix = next((suffix for suffix in PICTURES if suffix[1:] in kind.shows), None)
    if suffix is None:
        return None
    picture = out / f"{kind.name}{suffix}"
    kind.show(reference, estimate, settings, picture)
    return picture if picture.is_file() else None


def notated(midi: Path, settings: Settings, out: Path) -> list[Path]:
    """Write a performance as a score into the folder ``out``, in every format. Raises FullscoreError."""
    from notation.export import write_score
    from pipeline.notate import notate_file

    made = [out / f"{midi.stem}{Path(name).suffix}" for name in NOTATED]
    written = notate_file(midi, made[0], settings)
    for path in made[1:]:
        write_score(written.score, path)
    return made
