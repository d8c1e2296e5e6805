"""Two written scores compared: error rates, notes, bars, keys, spelling, words, chord symbols.

Repeats of either are played out where the notes of both then fit better (``evaluation.alignment``). The error
rates are those of ``evaluation.muster``.

``Written_…``: precision, recall and F-measure of the written notes, a note being right if its pitch and its
onset in the score are, or its written length too (``…_with_length``). The estimate is shifted by whole
quarters to where most of its notes agree, since it may have another pick-up or leading rest; the shift is
``Written_shift_quarters``. Grace notes are left out.

What follows is measured on aligned notes, and on the reference's time, to which the aligned notes lead from
the estimate's:

- key and meter: the measures of ``evaluation.key`` and ``evaluation.meter``, the time being the aligned one.
  An estimate without a key signature is taken for one without sharps and flats.
- ``Spelling_accuracy``: the share of the aligned notes of equal pitch that have the same name (Meredith 2006
  calls it note accuracy); ``…_enharmonic`` with the estimate's names moved as a whole to where they
  fit best: a piece in D flat isn't wrong throughout if it is written in C sharp.
- ``Underlay_…``: precision, recall and F-measure of the syllables, one being right if the aligned note has
  it, case and punctuation aside; a syllable under a note that should go on with the one before (melisma)
  costs precision. A note doubled in unison by another part has that part's syllables too.
- ``Chord_root`` and ``Chord_majmin``: the share of the time from the reference's first chord symbol on in
  which root, or root and third, are right (mir_eval's comparison).
- ``Part_difference``, ``Staff_difference``: how many more parts and staves the estimate has.
- ``Reference_played_out``, ``Estimate_played_out``: 1 where repeats were played out for the comparison.

A measure is None where the reference says nothing of the kind, spelling also where either is a MIDI file.

Limits: the first key and meter stand for the beginning only. An estimate at half or double note values
gets few written notes right.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evaluation import muster
from evaluation.alignment import compare
from evaluation.chords import chord_scores
from evaluation.files import Scores, artefact
from evaluation.key import SIGNATURE, WEIGHTED_SCORE, KeyLabel, Spans, key_scores, throughout
from evaluation.key import THROUGHOUT as KEY_THROUGHOUT
from evaluation.kinds import NoSettings
from evaluation.meter import THROUGHOUT as METER_THROUGHOUT
from evaluation.meter import TIME_SIGNATURE, first_meter
from evaluation.scorefile import read_score
from evaluation.scoremodel import Score
from notation.chord_labels import ChordSegment
from notation.musicxml_reader import XmlBar, XmlNote

MEANINGS = {
    **muster.MEANINGS,
    WEIGHTED_SCORE: "key: 1 right, .5 a fifth above, .3 relative, .2 parallel",
    SIGNATURE: "1 if the first has the same sharps or flats",
    KEY_THROUGHOUT: "share of the score under the right sharps or flats",
    TIME_SIGNATURE: "1 if the first is the same",
    METER_THROUGHOUT: "share of the score under the right time signature",
    "Spelling_accuracy": "share of the notes of right pitch that have the right name",
    "Spelling_accuracy_enharmonic": "the same, all names moved to an enharmonic key if that fits better",
    "Underlay_F-measure": "syllables under the right notes (precision and recall in one)",
    "Underlay_Precision": "share of the syllables found that are right",
    "Underlay_Recall": "share of the true syllables that were found so",
    "Chord_root": "share of the score with the right root of the chord symbol",
    "Chord_majmin": "the same, major and minor told apart",
    "Written_F-measure": "notes written at the right place and pitch",
    "Written_F-measure_with_length": "notes written at the right place, pitch and length",
    "Written_shift_quarters": "quarters by which the estimate was moved for that",
    "Part_difference": "parts more than there should be",
    "Staff_difference": "staves more than there should be",
    "Reference_played_out": "1 if its repeats were played out, since the notes agree better so",
    "Estimate_played_out": "the same of the estimate",
}
MAIN = (
    "MeanER",
    "Written_F-measure",
    "Written_F-measure_with_length",
    "Spelling_accuracy",
    "Underlay_F-measure",
)

LARGEST_SHIFT_QUARTERS = 16  # how far the beginnings of two scores may be apart
FINEST_PART = 10080  # of a quarter: places on the reference's time are rounded to it
ENHARMONIC = 12  # places on the line of fifths from a name to its enharmonic equivalent
_ON_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}

ScoreTime: TypeAlias = Callable[[Sequence[Fraction]], npt.NDArray[np.float64]]
Pairs: TypeAlias = Sequence[tuple[int | None, int | None]]
"""Aligned notes by their numbers in the two scores; None where a note has no partner."""


def evaluate_score(reference: Path, estimate: Path, settings: NoSettings = NoSettings()) -> Scores:
    """Two written scores compared: MusicXML, MIDI, or the folder of a run."""
    compared = compare(*(read_score(artefact(path, "score.musicxml")) for path in (reference, estimate)))
    true, found, pairs = compared.reference, compared.estimate, compared.alignment.pairs
    return {
        **muster.error_rates(true, found, compared.alignment),
        **signature_scores(true, found, pairs),
        **spelling_scores(true, found, pairs),
        **underlay_scores(true, found, pairs),
        **symbol_scores(true, found, pairs),
        **written_scores(true.notes, found.notes),
        **_counts(true, found),
        "Reference_played_out": int(compared.played_out in ("reference", "both")),
        "Estimate_played_out": int(compared.played_out in ("estimate", "both")),
    }


def _counts(reference: Score, estimate: Score) -> Scores:
    staves = [sum(part.staves for part in score.parts) for score in (reference, estimate)]
    return {
        "Part_difference": len(estimate.parts) - len(reference.parts),
        "Staff_difference": staves[1] - staves[0],
    }


def written_scores(reference: Sequence[XmlNote], estimate: Sequence[XmlNote]) -> Scores:
    """Precision, recall and F-measure of the written notes; every note is matched once at most."""
    sought_notes, found_notes = (
        [note for note in notes if not note.grace] for notes in (reference, estimate)
    )
    shift = _best_shift(sought_notes, found_notes)
    scores: Scores = {}
    for suffix, length in (("", False), ("_with_length", True)):
        sought = Counter((note.onset, note.pitch, note.duration if length else None) for note in sought_notes)
        found = Counter(
            (note.onset + shift, note.pitch, note.duration if length else None) for note in found_notes
        )
        scores |= _rates("Written", suffix, (sought & found).total(), sought.total(), found.total())
    scores["Written_shift_quarters"] = shift
    return scores


def _rates(name: str, suffix: str, hits: int, sought: int, found: int) -> Scores:
    everything = sought + found
    return {
        f"{name}_Precision{suffix}": hits / found if found else None,
        f"{name}_Recall{suffix}": hits / sought if sought else None,
        f"{name}_F-measure{suffix}": 2 * hits / everything if everything else None,
    }


def _best_shift(reference: Sequence[XmlNote], estimate: Sequence[XmlNote]) -> int:
    sought = Counter((note.onset, note.pitch) for note in reference)

    def hits(shift: int) -> int:
        return (sought & Counter((note.onset + shift, note.pitch) for note in estimate)).total()

    return max(range(-LARGEST_SHIFT_QUARTERS, LARGEST_SHIFT_QUARTERS + 1), key=lambda s: (hits(s), -abs(s)))


# On aligned notes -------------------------------------------------------------------------------


def spelling_scores(reference: Score, estimate: Score, pairs: Pairs) -> Scores:
    """The share of aligned notes of equal pitch that have the same name."""
    names = [
        (_fifths(a), _fifths(b))
        for a, b in _matched(reference, estimate, pairs)
        if a.pitch == b.pitch and a.step and b.step
    ]
    shares = [
        sum(sought == found + moved for sought, found in names) / len(names) if names else None
        for moved in (0, ENHARMONIC, -ENHARMONIC)
    ]
    return {
        "Spelling_accuracy": shares[0],
        "Spelling_accuracy_enharmonic": max((share for share in shares if share is not None), default=None),
    }


def _fifths(note: XmlNote) -> int:
    return _ON_FIFTHS[note.step] + 7 * note.alter


def _matched(reference: Score, estimate: Score, pairs: Pairs) -> Iterator[tuple[XmlNote, XmlNote]]:
    for sought, found in pairs:
        if sought is not None and found is not None:
            yield reference.notes[sought], estimate.notes[found]


def underlay_scores(reference: Score, estimate: Score, pairs: Pairs) -> Scores:
    """Precision, recall and F-measure of the syllables under the right notes."""
    sung = [_sung(score.notes) for score in (reference, estimate)]
    counts = [sum(len(_words(note)) for note in score.notes) for score in (reference, estimate)]
    if not counts[0]:
        return dict.fromkeys(_rates("Underlay", "", 0, 0, 0))
    hits = 0
    for a, b in dict.fromkeys((_place(a), _place(b)) for a, b in _matched(reference, estimate, pairs)):
        right = sung[0][a] & sung[1][b]
        hits += right.total()
        sung[0][a] -= right
        sung[1][b] -= right
    return _rates("Underlay", "", hits, *counts)


def _place(note: XmlNote) -> tuple[Fraction, int, bool]:
    """Where a note stands: unisons of several parts stand in one place."""
    return note.onset, note.pitch, note.grace


def _sung(notes: Iterable[XmlNote]) -> dict[tuple[Fraction, int, bool], Counter[str]]:
    """The syllables in each place."""
    found: dict[tuple[Fraction, int, bool], Counter[str]] = {}
    for note in notes:
        found.setdefault(_place(note), Counter()).update(_words(note))
    return found


def _words(note: XmlNote) -> list[str]:
    """A note's syllables as they are compared; those of signs alone are left out."""
    plain = (
        re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", each.text)).casefold() for each in note.syllables
    )
    return [text for text in plain if text]


# On the reference's time ------------------------------------------------------------------------


def signature_scores(reference: Score, estimate: Score, pairs: Pairs) -> Scores:
    """The first key and time signature, and for what share of the reference's time the right ones hold."""
    place = score_time(reference, estimate, pairs)
    scores: Scores = dict.fromkeys(
        (WEIGHTED_SCORE, SIGNATURE, KEY_THROUGHOUT, TIME_SIGNATURE, METER_THROUGHOUT)
    )
    true, found = [
        next((bar for bar in score.bars if bar.fifths is not None), None) for score in (reference, estimate)
    ]
    if true is not None:
        first = key_scores(_key(true), _key(found or XmlBar(Fraction(0), Fraction(0))))
        scores |= {name: first[name] for name in (WEIGHTED_SCORE, SIGNATURE)} | {KEY_THROUGHOUT: 0.0}
        scores |= throughout(
            KEY_THROUGHOUT, *_held(reference, estimate, place, lambda bar: (bar.fifths or 0) % 12)
        )
    meters = [first_meter(score.bars) for score in (reference, estimate)]
    if meters[0]:
        scores |= {TIME_SIGNATURE: float(meters[0] == meters[1]), METER_THROUGHOUT: 0.0}
        scores |= throughout(METER_THROUGHOUT, *_held(reference, estimate, place, lambda bar: bar.meter))
    return scores


def _key(bar: XmlBar) -> KeyLabel:
    """The key that a bar's signature tells."""
    mode = bar.mode if bar.mode in ("major", "minor") else ""
    return KeyLabel((7 * (bar.fifths or 0) + (9 if mode == "minor" else 0)) % 12, mode)


def _held(
    reference: Score, estimate: Score, place: ScoreTime, of: Callable[[XmlBar], Hashable]
) -> Iterator[Spans]:
    """What holds in the bars of either, on the reference's time."""
    yield [(bar.start, bar.end, of(bar)) for bar in reference.bars]
    bounds = place([*(bar.start for bar in estimate.bars), *(bar.end for bar in estimate.bars[-1:])])
    exact = [Fraction(bound).limit_denominator(FINEST_PART) for bound in bounds]
    yield [(*span, of(bar)) for span, bar in zip(pairwise(exact), estimate.bars, strict=True)]


def symbol_scores(reference: Score, estimate: Score, pairs: Pairs) -> Scores:
    """mir_eval's root and majmin accuracy of the chord symbols, weighted by score time."""
    place = score_time(reference, estimate, pairs)
    theirs = [*(float(each.onset) for each in reference.chords), float(reference.end)]
    ours = place([*(each.onset for each in estimate.chords), estimate.end]).tolist()
    scores = chord_scores(
        *(
            [
                ChordSegment(start, end, chord.label)
                for (start, end), chord in zip(pairwise(bounds), score.chords, strict=True)
                if end > start
            ]
            for bounds, score in ((theirs, reference), (ours, estimate))
        )
    )
    return {f"Chord_{name}": scores[name] for name in ("root", "majmin")}


def score_time(reference: Score, estimate: Score, pairs: Pairs) -> ScoreTime:
    """What leads from positions in the estimate to positions in the reference, in quarters.

    Where notes are aligned it is their median onset, between them in proportion, beyond them as far
    away as in the estimate.
    """
    onsets: dict[Fraction, list[Fraction]] = {}
    for a, b in _matched(reference, estimate, pairs):
        if not a.grace and not b.grace:
            onsets.setdefault(b.onset, []).append(a.onset)
    onsets = onsets or {Fraction(0): [Fraction(0)]}
    xs = np.asarray(sorted(onsets), dtype=np.float64)
    ys = np.maximum.accumulate(np.asarray([median(onsets[x]) for x in sorted(onsets)], dtype=np.float64))

    def place(positions: Sequence[Fraction]) -> npt.NDArray[np.float64]:
        x = np.asarray(positions, dtype=np.float64)
        inside = np.interp(x, xs, ys)
        return np.asarray(inside + np.minimum(x - xs[0], 0) + np.maximum(x - xs[-1], 0))

    return place
