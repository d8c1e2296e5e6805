"""The time signature of a song.

Measure: ``Time signature``, 1 if two scores begin with the same one, else 0.
"""

from __future__ import annotations

from pathlib import Path

from evaluation.files import Scores, artefact
from evaluation.key import from_report
from evaluation.kinds import NoSettings
from separation.engines import FullscoreError

TIME_SIGNATURE = "Time signature"

MEANINGS = {TIME_SIGNATURE: "1 if the first is the same"}
MAIN = (TIME_SIGNATURE,)


def evaluate_meter(reference: Path, estimate: Path, settings: NoSettings = NoSettings()) -> Scores:
    """Whether two scores begin with the same time signature: MusicXML, a run's report or folder."""
    meters = [read_meter(artefact(path, "report.json")) for path in (reference, estimate)]
    return {TIME_SIGNATURE: float(meters[0] == meters[1])}


def read_meter(path: Path) -> str:
    """The time signature at the start (``3/4``). Raises FullscoreError where there is none."""
    if path.suffix.lower() == ".json":
        return str(from_report(path, "time_signature"))
    from evaluation.score import read_musicxml

    time = read_musicxml(path).find(".//attributes/time")
    if time is None:
        raise FullscoreError(f"{path} has no time signature; give a score with one")
    return f"{time.findtext('beats')}/{time.findtext('beat-type')}"
