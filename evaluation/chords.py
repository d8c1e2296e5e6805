"""Chord transcription.

Measures: those of ``mir_eval.chord.evaluate`` under its names (Pauwels and Peeters, 2013; Raffel et al.,
2014): the share of the time in which the chords agree in their root, thirds, triads, tetrads, among major and
minor chords, among those and sevenths, or in three tones (``mirex``); ``…_inv`` with the bass; and how well
the changes agree (``underseg``, ``overseg``, ``seg``; Harte, 2010). Songs together weigh by their length, as
in the MIREX task. What is undefined (no reference, or none of its chords is of the vocabulary) is None, where
mir_eval gives 0 and warns.

Conventions: seconds; labels in the syntax of Harte et al. (2005), ``N`` for no chord and ``X`` for an unknown
one. The estimate is cut to the reference's span and filled up with ``N``. In a gap the chord before goes on,
as mir_eval has it; where chords overlap, the earlier ends when the later begins; what lasts no time is left
out.

Files: tables of start, end and label (``.lab``, POP909, csv); JAMS (``chord``, ``chord_harte``); the report
of a run. Lead-sheet labels (``Cm7``, ``F#ø``, ``Bb/D``) are understood; limits are those of mir_eval's
vocabulary.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.files import Scores, artefact
from evaluation.kinds import NoSettings
from fullscore.errors import FullscoreError
from fullscore.jams import read_jams
from fullscore.reading import is_number, read_json, read_text
from notation.chord_labels import NO_CHORD, ChordSegment, harte_label

_COMPARED = {
    "thirds": "share of the time with the right root and third",
    "thirds_inv": "and the right bass",
    "triads": "with the right triad",
    "triads_inv": "and the right bass",
    "tetrads": "with all tones right, within an octave",
    "tetrads_inv": "and the right bass",
    "root": "with the right root",
    "mirex": "with at least three tones right",
    "majmin": "share of the time with the right chord, of the major and minor ones",
    "majmin_inv": "and the right bass",
    "sevenths": "share of the time with the right chord, of those and their sevenths",
    "sevenths_inv": "and the right bass",
}
_SEGMENTED = {
    "underseg": "1: no change is missed",
    "overseg": "1: no change is too many",
    "seg": "the lower of both",
}
MEANINGS = _COMPARED | _SEGMENTED
MAIN = ("majmin", "sevenths")


def evaluate_chords(reference: Path, estimate: Path, settings: NoSettings = NoSettings()) -> Scores:
    """mir_eval's chord measures of two files of chords."""
    return chord_scores(*(read_chords(artefact(path, "report.json")) for path in (reference, estimate)))


def pool_chords(pairs: Sequence[tuple[Path, Path]], settings: NoSettings = NoSettings()) -> Scores:
    """The means over songs, each weighing by the length of its reference."""
    lengths, songs = [], []
    for reference, estimate in pairs:
        chords = read_chords(artefact(reference, "report.json"))
        lengths.append(chords[-1].end - chords[0].start if chords else 0.0)
        songs.append(chord_scores(chords, read_chords(artefact(estimate, "report.json"))))
    means: Scores = {}
    for name in MEANINGS:
        rows = [
            (length, value)
            for length, song in zip(lengths, songs, strict=True)
            if (value := song[name]) is not None
        ]
        total = sum(length for length, _ in rows)
        means[name] = sum(length * value for length, value in rows) / total if total else None
    return means


def chord_scores(reference: Sequence[ChordSegment], estimate: Sequence[ChordSegment]) -> Scores:
    """mir_eval's chord measures, None where undefined. Chords are sorted and don't overlap."""
    scores: Scores = dict.fromkeys(MEANINGS)
    if not reference:
        return scores
    import mir_eval

    spanning = [_spanning(side, reference[0].start, reference[-1].end) for side in (reference, estimate)]
    sides = [
        (np.array([(chord.start, chord.end) for chord in side]), [chord.label for chord in side])
        for side in spanning
    ]
    spans, *labels = mir_eval.util.merge_labeled_intervals(*sides[0], *sides[1])
    durations = mir_eval.util.intervals_to_durations(spans)
    for name in _COMPARED:
        agree = getattr(mir_eval.chord, name)(*labels)
        if np.any(agree >= 0):
            scores[name] = float(mir_eval.chord.weighted_accuracy(agree, durations))
    merged = [mir_eval.chord.merge_chord_intervals(*side) for side in sides]
    for name in _SEGMENTED:
        scores[name] = float(getattr(mir_eval.chord, name)(*merged))
    return scores


def _spanning(chords: Sequence[ChordSegment], start: float, end: float) -> list[ChordSegment]:
    """The chords between two times, with no chord before the first and after the last."""
    inside = [
        ChordSegment(max(chord.start, start), min(chord.end, end), chord.label)
        for chord in chords
        if chord.end > start and chord.start < end
    ]
    if not inside:
        return [ChordSegment(start, end, NO_CHORD)]
    before, after = (
        ChordSegment(start, inside[0].start, NO_CHORD),
        ChordSegment(inside[-1].end, end, NO_CHORD),
    )
    return [chord for chord in (before, *inside, after) if chord.end > chord.start]


# Reading ----------------------------------------------------------------------------------------


def read_chords(path: Path) -> tuple[ChordSegment, ...]:
    """The chords of a file (the module's text says which), sorted, none overlapping.

    Raises FullscoreError where it is none of these, naming the row of a label that is no chord.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        rows = _report_rows(path)
    elif suffix == ".jams":
        rows = [
            (row.time, row.time + row.duration, row.value)
            for row in read_jams(path, "chord", "chord_harte").rows
        ]
    else:
        rows = _table_rows(path)
    known: dict[str, str] = {}
    chords = []
    for number, (start, end, label) in enumerate(rows, 1):
        place = f"{path}, row {number} of its values ({start:g} to {end:g} s)"
        if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or end < start:
            raise FullscoreError("{place} is no span of time", "mend it", place=place)
        if not isinstance(label, str):
            raise FullscoreError(
                "{place} has no chord label", "give it one, 'N' where there is no chord", place=place
            )
        if label not in known:
            known[label] = _parsed(label, place)
        if end > start:
            chords.append(ChordSegment(start, end, known[label]))
    chords.sort(key=lambda chord: chord.start)
    apart = [ChordSegment(a.start, min(a.end, b.start), a.label) for a, b in pairwise(chords)] + chords[-1:]
    return tuple(chord for chord in apart if chord.end > chord.start)


def _parsed(label: str, place: str) -> str:
    harte = to_harte(label)
    if harte is None:
        raise FullscoreError(
            "{place} has '{label}' for a chord",
            "write it in Harte's syntax, such as C:min7 or N",
            place=place,
            label=label[:40],
        )
    return harte


def _report_rows(path: Path) -> list[tuple[float, float, Any]]:
    content = read_json(path)
    try:
        return [(float(row["start"]), float(row["end"]), row["label"]) for row in content["chords"]]
    except (KeyError, TypeError, ValueError) as error:
        raise FullscoreError(
            "{path} has no chords",
            "give a file of chords, or the report of a run (made anew with --force if it is "
            "older than chords in reports)",
            path=path,
        ) from error


def _table_rows(path: Path) -> list[tuple[float, float, Any]]:
    lines = [line for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")]
    rows: list[tuple[float, float, Any]] = []
    columns = (0, 1, 2)
    for number, line in enumerate(lines):
        cells = _cells(line)
        if not number and not is_number(cells[0]):
            columns = _columns([cell.lower() for cell in cells], path)
            continue
        try:
            start, end = float(cells[columns[0]]), float(cells[columns[1]])
            label = cells[columns[2]]
        except (ValueError, IndexError) as error:
            raise FullscoreError(
                "{path} has the row '{row}', not the start, end and label of a chord",
                "mend it",
                path=path,
                row=line.strip()[:60],
            ) from error
        rows.append((start, end, label))
    return rows


def _cells(line: str) -> list[str]:
    """The cells of a row; commas within the parentheses of a label don't part it."""
    if "\t" in line:
        return [cell.strip() for cell in line.split("\t")]
    spaced = line.split(maxsplit=2)
    delimiter = next((mark for mark in ";," if mark in line), None)
    if delimiter is None or (len(spaced) == 3 and is_number(spaced[0]) and is_number(spaced[1])):
        return [cell.strip() for cell in spaced]
    cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    joined: list[str] = []
    for cell in cells:
        if joined and joined[-1].count("(") > joined[-1].count(")"):
            joined[-1] += f",{cell}"
        else:
            joined.append(cell)
    return [cell.strip() for cell in joined]


def _columns(header: list[str], path: Path) -> tuple[int, int, int]:
    """Where a table's start, end and label are."""
    names = (
        ("start", "onset", "start_time", "start_s"),
        ("end", "offset", "end_time", "end_s"),
        ("label", "chord"),
    )
    start, end, label = (
        next((index for index, cell in enumerate(header) if cell in choices), None) for choices in names
    )
    if start is None or end is None or label is None:
        raise FullscoreError(
            "{path} begins with '{columns}', not with the columns start, end and label of chords",
            "mend it",
            path=path,
            columns=", ".join(header)[:60],
        )
    return start, end, label


# Labels -----------------------------------------------------------------------------------------

_NOTHING = ("N", "NC", "N.C.", "N.C", "NONE", "NO CHORD")
_UNKNOWN = ("X", "?", "UNKNOWN")
_LABEL = re.compile(r"([A-G][#b]*):?([^/]*?6/9|[^/]*)(?:/([^/]+))?")


def to_harte(label: str) -> str | None:
    """A chord label in Harte's syntax that mir_eval knows, None where it is none.

    ``Cm7`` becomes ``C:min7``, ``C/E`` ``C:maj/3``, ``N.C.`` ``N``.
    """
    plain = label.strip().replace("♭", "b").replace("♯", "#")
    if plain.upper() in _NOTHING:
        return NO_CHORD
    if plain.upper() in _UNKNOWN:
        return "X"
    if _is_known(plain):
        return plain
    match = _LABEL.fullmatch(plain)
    if match is None:
        return None
    root, quality, bass = match.groups()
    labels = (harte_label(root, written, bass or "") for written in (re.sub(r"[() ]", "", quality), quality))
    return next((harte for harte in labels if _is_known(harte)), None)


def _is_known(label: str) -> bool:
    from mir_eval.chord import InvalidChordException, encode

    try:
        encode(label, reduce_extended_chords=True)
        encode(label)
    except InvalidChordException:
        return False
    return True
