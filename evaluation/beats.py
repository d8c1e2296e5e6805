"""Beat and downbeat tracking.

Measures: those of ``mir_eval.beat.evaluate`` under its names (Davies, Degara and Plumbley, 2009;
Raffel et al., 2014): ``F-measure`` (a beat within 70 ms), ``Cemgil``, ``Goto``, ``P-score``, the continuity
measures CMLc, CMLt, AMLc and AMLt (``Correct Metric Level Continuous`` …), and ``Information gain``; and the
same F-measure over downbeats only, ``Downbeat F-measure``, where both files count their beats.

Conventions: seconds. As everywhere in the literature, beats before 5 s are left out on both sides. What is
undefined (no reference beats after 5 s) is None, where mir_eval gives 0 or NaN and warns.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.files import Scores, artefact, numbers, read_json, read_rows, split_header
from separation.engines import FullscoreError

Floats = npt.NDArray[np.float64]

DOWNBEAT = "Downbeat F-measure"
_NAMES = (
    "F-measure",
    "Cemgil",
    "Cemgil Best Metric Level",
    "Goto",
    "P-score",
    "Correct Metric Level Continuous",
    "Correct Metric Level Total",
    "Any Metric Level Continuous",
    "Any Metric Level Total",
    "Information gain",
)


@dataclass(frozen=True, slots=True)
class BeatTable:
    """Beat times in seconds, rising, and their numbers in the bar (1: downbeat), None if not counted."""

    times: Floats
    numbers: tuple[int, ...] | None = None

    @property
    def downbeats(self) -> Floats:
        return self.times[[number == 1 for number in self.numbers or ()]]


def evaluate_beats(reference: Path, estimate: Path) -> Scores:
    """mir_eval's beat measures of two files of beats, and the downbeats' F-measure where both count."""
    return beat_scores(
        read_beats(artefact(reference, "report.json")), read_beats(artefact(estimate, "report.json"))
    )


def beat_scores(reference: BeatTable, estimate: BeatTable) -> Scores:
    """mir_eval's beat measures, None where undefined."""
    from mir_eval.beat import evaluate, f_measure, trim_beats

    scores: Scores = dict.fromkeys(_NAMES)
    sought, found = trim_beats(reference.times), trim_beats(estimate.times)
    if len(sought) and len(found):
        with warnings.catch_warnings():  # numpy's, about means of nothing: they come out as NaN, here None
            warnings.simplefilter("ignore", RuntimeWarning)
            values = evaluate(reference.times, estimate.times)
        scores = {name: None if math.isnan(values[name]) else float(values[name]) for name in _NAMES}
    elif len(sought):
        scores = dict.fromkeys(_NAMES, 0.0)
    if reference.numbers is not None and estimate.numbers is not None:
        sought, found = trim_beats(reference.downbeats), trim_beats(estimate.downbeats)
        both = len(sought) and len(found)
        scores[DOWNBEAT] = float(f_measure(sought, found)) if both else 0.0 if len(sought) else None
    return scores


def read_beats(path: Path) -> BeatTable:
    """The beats of a table, an ASAP annotation or a run's ``report.json``, sorted by time.

    A table has a beat on each row: its time, and perhaps its number in the bar; other columns, and second
    columns that aren't numbers from 1, are ignored. ASAP rows are time, time, ``b`` or ``db``.
    Raises FullscoreError where the file is none of these.
    """
    if path.suffix.lower() == ".json":
        return _read_report(path)
    header, rows = split_header(read_rows(path))
    if header and len(header) > 1 and "onset" in header[0]:
        raise FullscoreError(f"{path} has the columns {', '.join(header)[:60]}: notes, not beats")
    times = [numbers(row, (0,), path, line)[0] for line, row in enumerate(rows, 1)]
    return _sorted(path, times, _counted(rows))


def _counted(rows: list[list[str]]) -> list[int] | None:
    """The beat number of each row, if every row has one."""
    if rows and all(len(row) > 2 and row[2].startswith(("b", "db")) for row in rows):
        counted: list[int] = []
        for row in rows:
            counted.append(1 if row[2].startswith("db") else counted[-1] + 1 if counted else 2)
        return counted
    try:
        values = [float(row[1]) for row in rows]
    except (IndexError, ValueError):
        return None
    if not values or any(value < 1 or value % 1 for value in values):
        return None
    return [int(value) for value in values]


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


def _sorted(path: Path, times: list[float], counted: list[int] | None) -> BeatTable:
    if counted is not None and len(counted) != len(times):
        raise FullscoreError(f"{path} has {len(times)} beat times but {len(counted)} beat numbers; mend it")
    order = np.argsort(times, kind="stable")
    return BeatTable(
        np.array(times, dtype=np.float64)[order],
        None if counted is None else tuple(counted[index] for index in order),
    )
