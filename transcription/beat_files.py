"""Beats on disk, as other programs and data sets write them.

A table of times, perhaps with their numbers in the bar; the annotations of ASAP, POP909 and RWC; Audacity's
labels; JAMS (``beat``, ``beat_position``); the report of a run. Times are in seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullscore.errors import FullscoreError
from fullscore.jams import read_jams
from fullscore.reading import is_number, numbers, read_json, read_rows, split_header

Floats = npt.NDArray[np.float64]

FRAMES, LONGEST_FRAME_S = 20, 0.02  # that many rows this near to each other are no beats but frames
RWC_DOWNBEAT = "384"
_TIMES = ("time", "times", "beat_time", "beats")
LATEST_S = 30000.0  # mir_eval takes later times for another unit than seconds


@dataclass(frozen=True, slots=True)
class BeatTable:
    """Beat times in seconds, rising, and their numbers in the bar (1: downbeat), None if not counted."""

    times: Floats
    numbers: tuple[int, ...] | None = None

    @property
    def downbeats(self) -> Floats:
        return self.times[[number == 1 for number in self.numbers or ()]]


def read_beats(path: Path) -> BeatTable:
    """The beats of a file (the module's text says which), by time.

    A table has a beat on each row: its time, and perhaps its number in the bar; other columns, and second
    columns that aren't numbers from 1, are ignored. Rows of ASAP are time, time, ``b`` or ``db``, Audacity's
    point labels time, time and perhaps the beat's number. Those of
    POP909 are a time and, as 0.0 or 1.0, whether a bar of two or three and whether one of four starts there.
    Raises FullscoreError where the file is none of these.
    """
    if path.suffix.lower() == ".json":
        return _read_report(path)
    if path.suffix.lower() == ".jams":
        return _read_jams(path)
    header, rows = split_header(read_rows(path))
    if header and len(header) > 1 and "onset" in header[0]:
        raise FullscoreError(
            "{path} has the columns {columns}: notes, not beats", path=path, columns=", ".join(header)[:60]
        )
    if header and not rows and not header[0].startswith(("time", "beat", "onset")):
        raise FullscoreError(
            "{path} has words and no times ({words})",
            "give beat times",
            path=path,
            words=" ".join(header)[:60],
        )
    if rows and all(map(_is_of_rwc, rows)):
        rows = [[str(int(row[0]) / 100), "", "db" if row[2] == RWC_DOWNBEAT else "b"] for row in rows]
    first = next((index for index, name in enumerate(header or ()) if name in _TIMES), 0)
    rows = [row[first:] for row in rows]
    times = [numbers(row, (0,), path, line)[0] for line, row in enumerate(rows, 1)]
    counted = _counted(rows)
    if rows and all(map(_is_interval, rows)):
        raise FullscoreError(
            "{path} has from when to when on each row: notes or chords, not beats", path=path
        )
    return _sorted(path, times, counted)


def _is_of_rwc(row: list[str]) -> bool:
    """Whether a row is one of RWC's: from and to in hundredths of a second, and a multiple of 48, or -1."""
    whole = len(row) == 3 and all(re.fullmatch(r"-?\d+", cell) for cell in row)
    return whole and (row[2] == "-1" or (int(row[2]) > 0 and int(row[2]) % 48 == 0))


def _is_interval(row: list[str]) -> bool:
    """Whether a row is something that lasts: from, to, what."""
    return len(row) > 2 and is_number(row[1]) and float(row[1]) > float(row[0])


def _counted(rows: list[list[str]]) -> list[int] | None:
    """The beat number of each row, if every row has one."""
    if rows and all(len(row) > 2 for row in rows):
        marks = [row[2] for row in rows]
        if all(mark.startswith(("b", "db")) for mark in marks):
            return _counted_from([mark.startswith("db") for mark in marks])
        if all(row[0] == row[1] and re.fullmatch(r"0*[1-9]\d?", row[2]) for row in rows):
            return [int(mark) for mark in marks]
        if {cell for row in rows for cell in row[1:3]} <= {"0.0", "1.0"}:
            halves = [index for index, row in enumerate(rows) if row[1] == "1.0"]
            triple = len(halves) > 1 and np.median(np.diff(halves)) > 2
            return _counted_from([row[1 if triple else 2] == "1.0" for row in rows])
    try:
        values = [float(row[1]) for row in rows]
    except (IndexError, ValueError):
        return None
    if not values or any(value < 1 or value % 1 for value in values):
        return None
    return [int(value) for value in values]


def _counted_from(downbeats: list[bool]) -> list[int]:
    """Beat numbers from which beats are downbeats; those before the first count from 2."""
    counted: list[int] = []
    for downbeat in downbeats:
        counted.append(1 if downbeat else counted[-1] + 1 if counted else 2)
    return counted


def _read_report(path: Path) -> BeatTable:
    content = read_json(path)
    try:
        beats = content["beats"]
        times = [float(time) for time in beats["times"]]
        counted = beats.get("numbers")
        return _sorted(path, times, None if counted is None else [int(number) for number in counted])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FullscoreError(
            "{path} has no beats", "give a file of beat times or the report of a run", path=path
        ) from error


def _read_jams(path: Path) -> BeatTable:
    beats = read_jams(path, "beat", "beat_position")
    values = [row.value.get("position") if isinstance(row.value, dict) else row.value for row in beats.rows]
    counted = [
        int(value) for value in values if isinstance(value, int | float) and value >= 1 and value % 1 == 0
    ]
    times = [row.time for row in beats.rows]
    return _sorted(path, times, counted if counted and len(counted) == len(times) else None)


def _sorted(path: Path, times: list[float], counted: list[int] | None) -> BeatTable:
    if counted is not None and len(counted) != len(times):
        raise FullscoreError(
            "{path} has {times} beat times but {numbers} beat numbers",
            "mend it",
            path=path,
            times=len(times),
            numbers=len(counted),
        )
    order = np.argsort(times, kind="stable")
    ordered = np.array(times, dtype=np.float64)[order]
    if not np.all(np.isfinite(ordered)):
        raise FullscoreError("{path} has a beat time that is not finite", "mend it", path=path)
    if len(ordered) and ordered[-1] > LATEST_S:
        raise FullscoreError(
            "{path} has a beat at {last:g} s", "give the times in seconds", path=path, last=ordered[-1]
        )
    if len(ordered) >= FRAMES and np.median(np.diff(ordered)) < LONGEST_FRAME_S:
        raise FullscoreError(
            "{path} has a row every {ms:.0f} ms: too fast for beats",
            "give beat times",
            path=path,
            ms=1000 * np.median(np.diff(ordered)),
        )
    return BeatTable(ordered, None if counted is None else tuple(counted[index] for index in order))
