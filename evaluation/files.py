"""What is compared: measures, and the files of a run's folder."""

from __future__ import annotations

from pathlib import Path

from fullscore.errors import FullscoreError

Scores = dict[str, float | None]
"""Measures by the names the literature uses; None where a measure is undefined."""


def artefact(path: Path, name: str) -> Path:
    """``path`` itself, or the file ``name`` in it if it is the folder of a run."""
    if path.is_dir():
        inside = path / name
        if not inside.is_file():
            raise FullscoreError(
                "the folder {path} has no {name}",
                "give a file, or the folder of one song",
                path=path,
                name=name,
            )
        return inside
    return path
