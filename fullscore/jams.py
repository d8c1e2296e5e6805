"""JAMS files: the annotations of one recording, of many kinds, in one file of JSON.

Task: the observations of one namespace (``beat``, ``chord``, ``note_midi`` …), each with its time, duration,
value and confidence. The format is that of Humphrey, Salamon, Nieto, Forsyth, Bittner and Bello (ISMIR 2014),
version 0.2 and later, whose dense namespaces are lists by column.

Conventions: times and durations in seconds; what a value is, its namespace says. Limits: nothing is checked
against the namespaces' schemas; whoever reads a value says what is wrong with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullscore.errors import FullscoreError
from fullscore.reading import read_json

_FIELDS = ("time", "duration", "value", "confidence")


@dataclass(frozen=True, slots=True)
class Observation:
    """One row of an annotation; ``confidence`` is None where the file gives no number."""

    time: float
    duration: float
    value: Any
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation: observations by time. ``source`` is its "data source" (in GuitarSet the string)."""

    namespace: str
    rows: tuple[Observation, ...]
    source: str = ""


def read_jams(path: Path, *namespaces: str) -> Annotation:
    """The first annotation of the first of ``namespaces`` that the file has.

    Raises FullscoreError, naming the namespaces that are there, where it has none of them, and where it is
    no JAMS file or a row's times are not finite numbers, the duration not negative.
    """
    return read_all_jams(path, *namespaces)[0]


def read_all_jams(path: Path, *namespaces: str) -> tuple[Annotation, ...]:
    """All annotations of the first of ``namespaces`` that the file has; raises as :func:`read_jams`."""
    content = read_json(path)
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list) or not all(isinstance(entry, dict) for entry in annotations):
        raise FullscoreError(
            "{path} is not a JAMS file: it has no list of annotations", "give another file", path=path
        )
    there = [str(entry.get("namespace", "")) for entry in annotations]
    namespace = next((name for name in namespaces if name in there), None)
    if namespace is None:
        named = ", ".join(dict.fromkeys(there)) or "no annotations"
        raise FullscoreError(
            "{path} has {named}",
            "it needs an annotation of {wanted}",
            path=path,
            named=named,
            wanted=" or ".join(namespaces),
        )
    return tuple(
        _annotation(entry, name, path)
        for entry, name in zip(annotations, there, strict=True)
        if name == namespace
    )


def _annotation(entry: dict[str, Any], namespace: str, path: Path) -> Annotation:
    metadata = entry.get("annotation_metadata")
    source = metadata.get("data_source") if isinstance(metadata, dict) else None
    try:
        data = entry["data"]
        if isinstance(data, dict):
            columns = [data[field] for field in _FIELDS]
            data = [dict(zip(_FIELDS, row, strict=True)) for row in zip(*columns, strict=True)]
        rows = sorted((_observation(row) for row in data), key=lambda row: row.time)
    except (KeyError, TypeError, ValueError) as error:
        raise FullscoreError(
            "{path} has a broken annotation of {namespace} ({kind}: {error})",
            "mend it",
            path=path,
            namespace=namespace,
            kind=type(error).__name__,
            error=error,
        ) from error
    return Annotation(namespace, tuple(rows), str(source or ""))


def _observation(row: dict[str, Any]) -> Observation:
    time, duration = float(row["time"]), float(row["duration"] or 0.0)
    if not (math.isfinite(time) and math.isfinite(duration)) or duration < 0:
        raise ValueError(f"a time of {time} s with a duration of {duration} s")
    said = row.get("confidence")
    confidence = float(said) if isinstance(said, int | float) and math.isfinite(said) else None
    return Observation(time, duration, row["value"], confidence)
