"""The key of a song.

Measure: mir_eval's ``Weighted Score`` (MIREX: 1 right, .5 a fifth above, .3 relative, .2 parallel).
"""

from __future__ import annotations

from pathlib import Path

from evaluation.files import Scores, artefact, read_json, read_text
from evaluation.kinds import NoSettings
from separation.engines import FullscoreError

WEIGHTED_SCORE = "Weighted Score"

MEANINGS = {WEIGHTED_SCORE: "1 right, .5 a fifth above, .3 relative, .2 parallel"}
MAIN = (WEIGHTED_SCORE,)

_MAJOR_ON_FIFTHS = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
_MINOR_ON_FIFTHS = ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")


def evaluate_key(reference: Path, estimate: Path, settings: NoSettings = NoSettings()) -> Scores:
    """mir_eval's weighted score of two keys: MusicXML, a run's report or folder, or text (``Bb:maj``)."""
    from mir_eval.key import weighted_score

    keys = [read_key(artefact(path, "report.json")) for path in (reference, estimate)]
    try:
        return {WEIGHTED_SCORE: float(weighted_score(*keys))}
    except ValueError as error:
        raise FullscoreError(f"{reference} and {estimate} can't be compared: {error}") from error


def read_key(path: Path) -> str:
    """The key at the start in mir_eval's form (``Bb major``). Raises FullscoreError where there is none."""
    if path.suffix.lower() == ".json":
        return _plain_key(str(from_report(path, "key")))
    if path.suffix.lower() in (".musicxml", ".xml", ".mxl"):
        from evaluation.score import read_musicxml

        root = read_musicxml(path)
        fifths = root.findtext(".//key/fifths")
        if fifths is None:
            raise FullscoreError(f"{path} has no key signature; give a score with one")
        names = _MINOR_ON_FIFTHS if root.findtext(".//key/mode") == "minor" else _MAJOR_ON_FIFTHS
        mode = "minor" if names is _MINOR_ON_FIFTHS else "major"
        return f"{names[int(fifths) + 7]} {mode}"
    rows = read_text(path).split("\n")
    return _plain_key(rows[0].split("\t")[-1])


def from_report(path: Path, name: str) -> object:
    """What a run's report says under ``name``. Raises FullscoreError where it doesn't."""
    content = read_json(path)
    if not isinstance(content, dict) or not content.get(name):
        raise FullscoreError(f"{path} names no {name}; give the report of a finished run")
    return content[name]


def _plain_key(text: str) -> str:
    """A key in words, from ``Bb major``, ``Bb:maj``, ``bb minor`` or ``Am``."""
    name, _, mode = (
        text.strip().replace("-", "b").replace("♭", "b").replace("♯", "#").replace(":", " ").partition(" ")
    )
    if not mode and name.endswith("m"):
        name, mode = name[:-1], "minor"
    modes = {"": "major", "maj": "major", "min": "minor"}
    return f"{name[:1].upper()}{name[1:].lower()} {modes.get(mode.strip().lower(), mode.strip().lower())}"
