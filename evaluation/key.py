"""The key of a song.

Measures: mir_eval's ``Weighted Score`` (MIREX: 1 right, .5 a fifth above, .3 relative, .2 parallel), and
which of these it is (``Correct``, ``Fifth``, ``Relative``, ``Parallel``, ``Other``, of which one is 1), so
that the means over songs are the shares in which the MIREX task reports them. ``Key signature`` says whether
the same sharps or flats are written, and for two scores ``Key signature throughout`` for what share of the
reference's length, repeats played out.

Conventions: the key of a song is its first, in every kind of file: what a score has at its beginning, a run's
report as ``key``, an annotation with times in its first row that names a key. Enharmonic keys are the same;
church modes are neither major nor minor ("other", as mir_eval has it) but have a signature. A key whose mode
nobody tells is major, unless it is the reference's: then all but the signature is None.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

from evaluation.files import Scores, artefact
from evaluation.kinds import NoSettings
from evaluation.reference import mir_eval_module
from fullscore.errors import FullscoreError
from fullscore.jams import read_jams
from fullscore.reading import is_number, read_json, read_rows

WEIGHTED_SCORE = "Weighted Score"
SIGNATURE = "Key signature"
THROUGHOUT = "Key signature throughout"
_KINSHIP = {1.0: "Correct", 0.5: "Fifth", 0.3: "Relative", 0.2: "Parallel", 0.0: "Other"}

MEANINGS = {
    WEIGHTED_SCORE: "1 right, .5 a fifth above, .3 relative, .2 parallel",
    "Correct": "the same tonic and mode",
    "Fifth": "the key a fifth above the true one",
    "Relative": "the relative major or minor",
    "Parallel": "major for minor or minor for major",
    "Other": "none of these",
    SIGNATURE: "1 if the first has the same sharps or flats",
    THROUGHOUT: "share of the score under the right signature (of two scores)",
}
MAIN = (WEIGHTED_SCORE,)

_TONICS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# Each mode's final above that of the major scale with the same tones, in semitones.
_FINALS = {
    "major": 0, "ionian": 0, "dorian": 2, "phrygian": 4, "lydian": 5, "mixolydian": 7, "minor": 9,
    "aeolian": 9, "locrian": 11,
}  # fmt: skip
_SHORT = {"": "", "maj": "major", "ma": "major", "min": "minor", "mi": "minor", "m": "minor"}
_KEY = re.compile(r"([A-Ga-g])((?:#|b|-(?![a-z]))*)[\s:_-]*([A-Za-z]*)")
SHORTEST_KEY_S = 4.0  # rows that last less, most of them, are chords
_HEADERS = ("start", "onset", "time", "start_time")
_NO_KEY = ("", "N", "SILENCE")


@dataclass(frozen=True, slots=True)
class KeyLabel:
    """A key: its tonic's pitch class (None: it has none) and its mode ("": not said)."""

    tonic: int | None
    mode: str = ""

    @property
    def fifths(self) -> int | None:
        """The sharps of the signature up to enharmonics (0 to 11); None where there is none."""
        if self.tonic is None or self.mode == "other":
            return None
        return 7 * (self.tonic - _FINALS[self.mode or "major"]) % 12

    def __str__(self) -> str:
        """The key in mir_eval's form, such as ``Bb major``."""
        if self.tonic is None:
            return "X"
        mode = {0: "major", 9: "minor"}.get(_FINALS.get(self.mode or "major", -1), "other")
        return f"{_TONICS[self.tonic]} {mode}"


def evaluate_key(reference: Path, estimate: Path, settings: NoSettings = NoSettings()) -> Scores:
    """The measures of two keys: scores, a run's report or folder, JAMS, text (``Bb:maj``)."""
    paths = [artefact(path, "report.json") for path in (reference, estimate)]
    (true, true_keys), (found, found_keys) = (_read(path) for path in paths)
    return {**key_scores(true, found), **throughout(THROUGHOUT, true_keys, found_keys)}


def key_scores(reference: KeyLabel, estimate: KeyLabel) -> Scores:
    """The measures of the first keys."""
    scores: Scores = dict.fromkeys((WEIGHTED_SCORE, *_KINSHIP.values(), SIGNATURE))
    if reference.mode or reference.tonic is None:
        score = float(mir_eval_module("key").weighted_score(str(reference), str(estimate)))
        scores |= {name: float(value == score) for value, name in _KINSHIP.items()}
        scores[WEIGHTED_SCORE] = score
    if reference.fifths is not None:
        scores[SIGNATURE] = float(reference.fifths == estimate.fifths)
    return scores


Spans = Sequence[tuple[Fraction, Fraction, Hashable]]
"""From where to where in a score, in quarters, something holds, in order."""


def throughout(name: str, reference: Spans, estimate: Spans) -> Scores:
    """The share of the reference's length in which both have the same, as ``name``; nothing unless both have.

    Where the estimate has ended it is wrong.
    """
    if not reference or not estimate:
        return {}
    places = sorted({place for spans in (reference, estimate) for span in spans for place in span[:2]})
    right = sum(
        end - start
        for start, end in pairwise(places)
        if (held := _held(reference, start)) is not None and held == _held(estimate, start)
    )
    return {name: float(right / sum(end - start for start, end, _ in reference))}


def _held(spans: Spans, place: Fraction) -> Hashable:
    """What holds from ``place`` on, None outside."""
    index = bisect_right(spans, place, key=lambda span: span[0]) - 1
    return spans[index][2] if index >= 0 and place < spans[index][1] else None


def read_key(path: Path) -> KeyLabel:
    """The first key of a file. Raises FullscoreError where there is none."""
    return _read(path)[0]


def _read(path: Path) -> tuple[KeyLabel, Spans]:
    """The first key of a file, and of a score the signatures of its bars."""
    suffix = path.suffix.lower()
    if suffix in (".musicxml", ".xml", ".mxl", ".mid", ".midi"):
        return _of_score(path)
    if suffix == ".json":
        return parse_key(str(from_report(path, "key")), path), ()
    if suffix == ".jams":
        labels = [str(row.value) for row in read_jams(path, "key_mode").rows]
    else:
        rows = read_rows(path)
        lengths = [float(row[1]) - float(row[0]) for row in rows if all(map(is_number, row[:2])) and row[2:]]
        if lengths and median(lengths) < SHORTEST_KEY_S:
            raise FullscoreError(
                "{path} has a row every {seconds:.1f} s: chords, not keys", path=path, seconds=median(lengths)
            )
        labels = [_label(row) for row in rows]
    named = next((label for label in labels if label.upper() not in _NO_KEY), None)
    if named is None:
        raise FullscoreError("{path} names no key", "write one in it, such as 'Bb major'", path=path)
    return parse_key(named, path), ()


def _label(row: list[str]) -> str:
    """The key that a row of a table names after its times; empty for comments and names of columns."""
    if row[0].startswith("#") or row[0].lower() in _HEADERS:
        return ""
    # "Key" says nothing; Isophonics' annotations have it.
    return re.sub(r"^key\b[\s:=]*", "", " ".join(cell for cell in row if not is_number(cell)), flags=re.I)


def _of_score(path: Path) -> tuple[KeyLabel, Spans]:
    from evaluation.scorefile import read_score
    from evaluation.scoremodel import unfold

    bars = [(bar, bar.fifths) for bar in unfold(read_score(path)).bars if bar.fifths is not None]
    if not bars:
        raise FullscoreError("{path} has no key signature", "give a score with one", path=path)
    return _of_signature(bars[0][1], bars[0][0].mode), [
        (bar.start, bar.end, fifths % 12) for bar, fifths in bars
    ]


def _of_signature(fifths: int, mode: str) -> KeyLabel:
    known = mode if mode in _FINALS else ""
    return KeyLabel((7 * fifths + _FINALS[known or "major"]) % 12, known)


def parse_key(text: str, path: Path) -> KeyLabel:
    """A key in words: ``Bb major``, ``Bb:maj``, ``B flat minor``, ``F#m``, ``D:dorian``, ``X`` (none).

    A small letter alone is minor, as in ``b``. Raises FullscoreError, naming the file, where it is none.
    """
    plain = text.strip().replace("♭", "b").replace("♯", "#")
    if plain.upper() == "X":
        return KeyLabel(None)
    plain = re.sub(r"[\s-]*flat\b", "b", re.sub(r"[\s-]*sharp\b", "#", plain, flags=re.I), flags=re.I)
    match = _KEY.fullmatch(plain)
    if match:
        step, signs, word = match.groups()
        mode = "major" if word == "M" else _SHORT.get(word.lower(), word.lower())
        if not mode and step.islower() and ":" not in plain:
            mode = "minor"
        if not mode or mode == "other" or mode in _FINALS:
            tonic = _STEPS[step.upper()] + signs.count("#") - signs.count("b") - signs.count("-")
            return KeyLabel(tonic % 12, mode or "major")
    raise FullscoreError(
        "{path} has '{text}' for a key", "write it as 'Bb major' or 'F# minor'", path=path, text=text[:40]
    )


def from_report(path: Path, name: str) -> object:
    """What a run's report says under ``name``. Raises FullscoreError where it doesn't."""
    content = read_json(path)
    if not isinstance(content, dict) or not content.get(name):
        raise FullscoreError(
            "{path} names no {name}", "give the report of a finished run", path=path, name=name
        )
    return content[name]
