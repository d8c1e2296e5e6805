"""Beat and downbeat tracking.

Measures: those of ``mir_eval.beat.evaluate`` under its names (Davies, Degara and Plumbley, 2009;
Raffel et al., 2014): ``F-measure`` (a beat within 70 ms), ``Cemgil``, ``Goto``, ``P-score``, the continuity
measures CMLc, CMLt, AMLc and AMLt (``Correct Metric Level Continuous`` …), and ``Information gain``; and the
same F-measure over downbeats only, ``Downbeat F-measure``, where both files count their beats.

Conventions: seconds. As everywhere in the literature, beats before 5 s are left out on both sides. What is
undefined (no reference beats after 5 s) is None, where mir_eval gives 0 or NaN and warns.

Files: a table of times, perhaps with their numbers in the bar; the annotations of ASAP, POP909 and RWC; JAMS
(``beat``, ``beat_position``); the report of a run.
"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.files import Scores, artefact, is_number, numbers, read_json, read_rows, split_header
from evaluation.jams import read_jams
from evaluation.kinds import NoSettings
from evaluation.reference import mir_eval_module
from fullscore.errors import FullscoreError

Floats = npt.NDArray[np.float64]

DOWNBEAT = "Downbeat F-measure"
_MIR_EVAL = {
    "F-measure": "beats found within 70 ms, and no others (harmonic mean of both)",
    "Cemgil": "the same, each beat counting by how near it is (a bell of 40 ms)",
    "Cemgil Best Metric Level": "the best of it with half, double and off beats allowed",
    "Goto": "1 if a quarter of the song or more is tracked without a break, else 0",
    "P-score": "share of right beats within a fifth of a beat",
    "Correct Metric Level Continuous": "CMLc: the longest unbroken stretch of right beats",
    "Correct Metric Level Total": "CMLt: all stretches of right beats together",
    "Any Metric Level Continuous": "AMLc: the longest stretch, half, double and off beats allowed",
    "Any Metric Level Total": "AMLt: all stretches, half, double and off beats allowed",
    "Information gain": "how regular the errors are, whatever their size (1: all alike)",
}
MEANINGS = {
    "F-measure": _MIR_EVAL["F-measure"],
    DOWNBEAT: "the first beats of the bars, within 70 ms",
    **_MIR_EVAL,
}
MAIN = ("F-measure", DOWNBEAT)

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


def evaluate_beats(reference: Path, estimate: Path, settings: NoSettings = NoSettings()) -> Scores:
    """mir_eval's beat measures of two files of beats, and the downbeats' F-measure where both count."""
    return beat_scores(
        read_beats(artefact(reference, "report.json")), read_beats(artefact(estimate, "report.json"))
    )


def beat_scores(reference: BeatTable, estimate: BeatTable) -> Scores:
    """mir_eval's beat measures, None where undefined."""
    measures = mir_eval_module("beat")
    scores: Scores = dict.fromkeys(_MIR_EVAL)
    sought, found = measures.trim_beats(reference.times), measures.trim_beats(estimate.times)
    if len(sought) and len(found):
        with warnings.catch_warnings():  # about single beats, which score 0, and means of nothing, NaN
            warnings.simplefilter("ignore")
            try:
                values = measures.evaluate(reference.times, estimate.times)
            except ValueError as error:
                raise FullscoreError(
                    f"these beats can't be compared ({error}); give beats that don't lie on one another"
                ) from error
        scores = {name: None if math.isnan(values[name]) else float(values[name]) for name in _MIR_EVAL}
    elif len(sought):
        scores = dict.fromkeys(_MIR_EVAL, 0.0)
    if reference.numbers is not None and estimate.numbers is not None:
        sought, found = (measures.trim_beats(table.downbeats) for table in (reference, estimate))
        both = len(sought) and len(found)
        scores[DOWNBEAT] = float(measures.f_measure(sought, found)) if both else 0.0 if len(sought) else None
    return scores


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
        raise FullscoreError(f"{path} has the columns {', '.join(header)[:60]}: notes, not beats")
    if header and not rows and not header[0].startswith(("time", "beat", "onset")):
        raise FullscoreError(f"{path} has words and no times ({' '.join(header)[:60]}); give beat times")
    if rows and all(map(_is_of_rwc, rows)):
        rows = [[str(int(row[0]) / 100), "", "db" if row[2] == RWC_DOWNBEAT else "b"] for row in rows]
    first = next((index for index, name in enumerate(header or ()) if name in _TIMES), 0)
    rows = [row[first:] for row in rows]
    times = [numbers(row, (0,), path, line)[0] for line, row in enumerate(rows, 1)]
    counted = _counted(rows)
    if rows and all(map(_is_interval, rows)):
        raise FullscoreError(f"{path} has from when to when on each row: notes or chords, not beats")
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
            f"{path} has no beats; give a file of beat times or the report of a run"
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
        raise FullscoreError(f"{path} has {len(times)} beat times but {len(counted)} beat numbers; mend it")
    order = np.argsort(times, kind="stable")
    ordered = np.array(times, dtype=np.float64)[order]
    if not np.all(np.isfinite(ordered)):
        raise FullscoreError(f"{path} has a beat time that is not finite; mend it")
    if len(ordered) and ordered[-1] > LATEST_S:
        raise FullscoreError(f"{path} has a beat at {ordered[-1]:g} s; give the times in seconds")
    if len(ordered) >= FRAMES and np.median(np.diff(ordered)) < LONGEST_FRAME_S:
        raise FullscoreError(
            f"{path} has a row every {1000 * np.median(np.diff(ordered)):.0f} ms: too fast for beats; "
            "give beat times"
        )
    return BeatTable(ordered, None if counted is None else tuple(counted[index] for index in order))
