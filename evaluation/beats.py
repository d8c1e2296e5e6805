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
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.files import Scores, artefact
from evaluation.kinds import NoSettings
from evaluation.reference import mir_eval_module
from fullscore.errors import FullscoreError
from transcription.beat_files import BeatTable, read_beats

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
                    "these beats can't be compared ({error})",
                    "give beats that don't lie on one another",
                    error=error,
                ) from error
        scores = {name: None if math.isnan(values[name]) else float(values[name]) for name in _MIR_EVAL}
    elif len(sought):
        scores = dict.fromkeys(_MIR_EVAL, 0.0)
    if reference.numbers is not None and estimate.numbers is not None:
        sought, found = (measures.trim_beats(table.downbeats) for table in (reference, estimate))
        both = len(sought) and len(found)
        scores[DOWNBEAT] = float(measures.f_measure(sought, found)) if both else 0.0 if len(sought) else None
    return scores
