"""The time signature of a song.

Measures: ``Time signature``, 1 if both begin with the same one, else 0; and for two scores ``Time signature
throughout``, the share of the reference's length (in quarters, repeats played out) in which the estimate has
the same one.

Conventions: signatures are the same if they are written alike: 2/2 is not 4/4, 3/4 not 6/8; 3+2/8 counts as
5/8. The first of a score is that of its first full bar: some writers sign a pick-up bar by its own length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.files import Scores, artefact
from evaluation.key import Spans, from_report, throughout
from evaluation.kinds import NoSettings
from fullscore.errors import FullscoreError
from fullscore.reading import read_text

if TYPE_CHECKING:
    from notation.musicxml_reader import XmlBar

TIME_SIGNATURE = "Time signature"
THROUGHOUT = "Time signature throughout"

MEANINGS = {
    TIME_SIGNATURE: "1 if the first is the same",
    THROUGHOUT: "share of the score under the right one (of two scores)",
}
MAIN = (TIME_SIGNATURE,)


def evaluate_meter(reference: Path, estimate: Path, settings: NoSettings = NoSettings()) -> Scores:
    """The measures of two time signatures: scores, a run's report or folder, text (``3/4``)."""
    paths = [artefact(path, "report.json") for path in (reference, estimate)]
    (true, true_bars), (found, found_bars) = (_read(path) for path in paths)
    return {TIME_SIGNATURE: float(true == found), **throughout(THROUGHOUT, true_bars, found_bars)}


def read_meter(path: Path) -> str:
    """The first time signature of a file. Raises FullscoreError where there is none."""
    return _read(path)[0]


def first_meter(bars: Sequence[XmlBar]) -> str:
    """The time signature of the first full bar of those that have one; empty where none has."""
    signed = [bar for bar in bars if bar.meter]
    if not signed:
        return ""
    return signed[1 if len(signed) > 1 and signed[0].length < signed[1].length else 0].meter


def _read(path: Path) -> tuple[str, Spans]:
    """The first time signature of a file, and of a score those of its bars."""
    suffix = path.suffix.lower()
    if suffix in (".musicxml", ".xml", ".mxl", ".mid", ".midi"):
        from evaluation.scorefile import read_score
        from evaluation.scoremodel import unfold

        bars = [bar for bar in unfold(read_score(path)).bars if bar.meter]
        if not bars:
            raise FullscoreError("{path} has no time signature", "give a score with one", path=path)
        return first_meter(bars), [(bar.start, bar.end, bar.meter) for bar in bars]
    text = str(from_report(path, "time_signature")) if suffix == ".json" else read_text(path)
    match = re.match(r"\s*(\d+)\s*/\s*(\d+)\s*$", text)
    if match is None:
        raise FullscoreError(
            "{path} has no time signature such as 3/4", "write one, or give a score", path=path
        )
    return f"{int(match[1])}/{int(match[2])}", ()
