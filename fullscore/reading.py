"""Reading other people's files: what form they have, text in its encodings, tables, JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fullscore.errors import FullscoreError

_CONTROL = frozenset(chr(code) for code in (*range(9), *range(14, 32), 127)) - {"\x1a", "\x1b"}


_MAGIC = (
    (b"MThd", "MIDI"),
    (b"fLaC", "audio"),
    (b"OggS", "audio"),
    (b"ID3", "audio"),
    (b"RIFF", "audio"),
    (b"PK\x03\x04", "MusicXML"),
    (b"%PDF", "PDF"),
    (b"\x89PNG", "picture"),
)
_FORM_OF_SUFFIX = {
    ".mid": "MIDI",
    ".midi": "MIDI",
    ".musicxml": "MusicXML",
    ".mxl": "MusicXML",
    ".xml": "MusicXML",
    ".json": "JSON",
    ".jams": "JSON",
}


def form_of(path: Path) -> str:
    """What a file holds by its first bytes: MIDI, MusicXML, JSON, audio, PDF, picture, or else text.

    Raises FullscoreError where it can't be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise FullscoreError(
            "can't read {path}: {reason}", "check its name and permissions", path=path, reason=error.strerror
        ) from error
    form = next((form for magic, form in _MAGIC if start.startswith(magic)), None)
    if form is None and (start[4:8] == b"ftyp" or start[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf1")):
        return "audio"
    if form is None:
        plain = start.removeprefix(b"\xef\xbb\xbf").replace(b"\x00", b"").removeprefix(b"\xff\xfe").lstrip()
        form = "MusicXML" if plain.startswith((b"<?xml", b"<!DOCTYPE score", b"<score")) else None
        form = "JSON" if form is None and plain.startswith((b"{", b"[{")) else form
    return form or "text"


def form_of_suffix(suffix: str) -> str:
    """The form that files with ``suffix`` have, in :func:`form_of`'s words."""
    return _FORM_OF_SUFFIX.get(suffix, "text")


def read_text(path: Path) -> str:
    """The text of ``path`` in UTF-8, UTF-16 with its mark or Windows' Latin-1, lines ended by newlines.

    Raises FullscoreError where it can't be read or isn't text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FullscoreError(
            "can't read {path}: {reason}", "check its name and permissions", path=path, reason=error.strerror
        ) from error
    marked = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _CONTROL & set(text):
            return text.replace("\r\n", "\n").replace("\r", "\n")
        break
    raise FullscoreError("{path} is not text", "give a text file", path=path)


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises FullscoreError where it isn't one."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise FullscoreError(
            "{path} is not JSON ({error})", "give a file that fullscore wrote", path=path, error=error
        ) from error


def read_rows(path: Path) -> list[list[str]]:
    """The cells of each row of a comma-, semicolon-, tab- or space-separated file; empty rows left out."""
    rows = []
    for line in read_text(path).splitlines():
        delimiter = next((mark for mark in ("\t", ";", ",") if mark in line), None)
        cells = next(csv.reader([line], delimiter=delimiter)) if delimiter else line.split()
        cells = [cell.strip() for cell in cells]
        if any(cells):
            rows.append(cells)
    return rows


def split_header(rows: Sequence[list[str]]) -> tuple[list[str] | None, list[list[str]]]:
    """The lower-case column names, if the file has any, and the rows of values.

    A header is a first row whose first cell isn't a number. Rows that begin with ``#`` are comments, except
    one that names an onset or time first, which is a header (so in the MAPS tables).
    """
    header = None
    values: list[list[str]] = []
    for row in rows:
        comment = row[0].startswith("#")
        if comment:
            row = [name for cell in row for name in cell.strip("# ").replace(",", " ").split()]
            names_columns = bool(row) and row[0].lower().startswith(("onset", "time"))
        else:
            names_columns = header is None and not values and not is_number(row[0])
        if names_columns:
            header = [cell.lower() for cell in row]
        elif not comment:
            values.append(row)
    return header, values


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def numbers(row: Sequence[str], columns: Sequence[int], path: Path, line: int) -> list[float]:
    """The finite numbers in ``columns`` of a row. Raises FullscoreError naming the row where they aren't."""
    try:
        values = [float(row[column]) for column in columns]
    except (ValueError, IndexError) as error:
        raise FullscoreError(
            "{path}, row {line} of its values ({row}) lacks a number it should have",
            "mend it",
            path=path,
            line=line,
            row=", ".join(row)[:60],
        ) from error
    if not all(math.isfinite(value) for value in values):
        raise FullscoreError(
            "{path}, row {line} of its values has a number that is not finite",
            "mend it",
            path=path,
            line=line,
        )
    return values
