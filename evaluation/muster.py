"""Error rates of a written score: pitches, missing and extra notes, onsets, lengths, voices and hands.

Measures by the names of MUSTER, in percent; lower is better. Notes are paired by ``evaluation.alignment``.
Nakamura, Benetos, Yoshii and Dixon, "Towards complete polyphonic music transcription: integrating
multi-pitch detection and rhythm quantization" (ICASSP 2018):

* ``PitchER``: paired notes of another pitch, of the reference's notes;
* ``MissRate``: notes of the reference without a partner, of the reference's notes;
* ``ExtraRate``: notes of the estimate without a partner, of the estimate's notes;
* ``OnsetER``: the rhythm correction cost of paired notes, of their number: how many operations it takes to
  make the estimate's onsets the reference's, where one shifts a note, or changes the scale (by the ratio of
  two note values) of all that follows;
* ``OffsetER``: paired notes with another end than the reference's, after the correction, of the paired;
* ``MeanER``: the mean of these five.

Hiramatsu, Nakamura and Yoshii, "Joint estimation of note values and voices for audio-to-score piano
transcription" (ISMIR 2021):

* ``VoiceER``: paired notes in another voice, of the paired. Voices are counted from the lowest number of
  their staff; the first staff's are 0, 1, ..., those of all others 4, 5, ...;
* ``HandER``: paired notes whose voices are of other hands (0 to 3, or from 4), of the paired.

They are counted as by the published tool (https://amtevaluation.github.io), in the score's own order of
voices, so that figures can be compared with published ones:

* ties are joined within a voice only (``within_voices``), unisons of the reference are one note;
* grace notes count as notes. They belong to no staff, which for a score with grace notes makes the staff
  of all others the left hand's: ``VoiceER`` and ``HandER`` then say little. ``VoiceER_no_grace`` and
  ``HandER_no_grace`` leave out the grace notes of both scores;
* a note's end is put where the estimate's onsets around it are in the reference, in between at the note's
  own length after the onset before, rounded down to the grid of the reference.

Unlike it, the whole reference counts, not only what comes before the last paired note; hidden notes are left
out; what both scores write as a unison is no extra note; and a length that is the same in both, where the
onsets around its end are as far apart, is never wrong: so scores have no errors against themselves. A rate is
None where it is a share of nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm

import numpy as np

from evaluation.alignment import Alignment, align
from evaluation.files import Scores
from evaluation.scoremodel import Score
from notation.musicxml_reader import XmlNote

MEANINGS = {
    "MeanER": "mean of the rates of pitch, missing, extra, onset and offset errors in percent: 0 is best",
    "PitchER": "notes of a wrong pitch, in percent of the reference's",
    "MissRate": "notes that are missing, in percent of the reference's",
    "ExtraRate": "notes too many, in percent of the estimate's",
    "OnsetER": "corrections that the onsets need, in percent of the paired notes",
    "OffsetER": "notes of a wrong length, in percent of the paired notes",
    "VoiceER": "notes in a wrong voice, in percent of the paired notes",
    "HandER": "notes in a wrong hand's staff, in percent of the paired notes",
    "VoiceER_no_grace": "the same of voices without grace notes, which confuse it",
    "HandER_no_grace": "the same of hands without grace notes, which confuse it",
}
MAIN = ("MeanER",)

_PARTS_OF_MEAN = ("PitchER", "MissRate", "ExtraRate", "OnsetER", "OffsetER")
# The scales of rhythms: ratios of plain, dotted, double-dotted and triplet notes of six note values.
_NOTE_VALUES = [kind / 2**halved for kind in map(Fraction, ("1", "3/2", "7/4", "2/3")) for halved in range(6)]
SCALES = tuple(dict.fromkeys(first / second for first in _NOTE_VALUES for second in _NOTE_VALUES))
_PLACE_OF_SCALE = {scale: place for place, scale in enumerate(SCALES)}
HAND = 4  # voices
AROUND = 4  # paired notes either side, by whose shift a note's own is judged


@dataclass(frozen=True, slots=True)
class NoteErrors:
    """What is wrong with which note: indices into the reference's notes (``missing``) and the estimate's.

    ``voice`` and ``hand`` are those of notes that are no grace notes.
    """

    missing: frozenset[int]
    extra: frozenset[int]
    pitch: frozenset[int]
    onset: frozenset[int]
    offset: frozenset[int]
    voice: frozenset[int]
    hand: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Paired:
    """The paired notes in the reference's order, and the indices of the estimate's."""

    first: tuple[XmlNote, ...]
    second: tuple[XmlNote, ...]
    places: tuple[int, ...]


def error_rates(reference: Score, estimate: Score, alignment: Alignment | None = None) -> Scores:
    """MUSTER's error rates in percent; None where one is a share of nothing."""
    alignment = align(reference, estimate) if alignment is None else alignment
    paired = _paired(reference, estimate, alignment)
    plain = _without_graces(paired)
    cost, scales = rhythm_correction(
        [note.onset for note in paired.first], [note.onset for note in paired.second]
    )
    notes, number = len(reference.notes) - len(alignment.unisons), len(paired.places)
    wrong_ends = _wrong_ends(paired, scales[-1] if scales else Fraction(1), _grid(reference.notes))
    rates: Scores = {
        "MeanER": None,
        "PitchER": _percent(_wrong_pitches(paired), notes),
        "MissRate": _percent(alignment.missing, notes),
        "ExtraRate": _percent(alignment.extra, len(estimate.notes)),
        "OnsetER": _percent(range(cost), number),
        "OffsetER": _percent(wrong_ends, number),
        "VoiceER": _percent(_wrong_voices(paired, 1), number),
        "HandER": _percent(_wrong_voices(paired, HAND), number),
        "VoiceER_no_grace": _percent(_wrong_voices(plain, 1), len(plain.places)),
        "HandER_no_grace": _percent(_wrong_voices(plain, HAND), len(plain.places)),
    }
    parts = [rates[name] for name in _PARTS_OF_MEAN]
    known = [part for part in parts if part is not None]
    rates["MeanER"] = sum(known) / len(known) if len(known) == len(parts) else None
    return rates


def note_errors(reference: Score, estimate: Score, alignment: Alignment | None = None) -> NoteErrors:
    """The notes with errors, to be shown."""
    alignment = align(reference, estimate) if alignment is None else alignment
    paired = _paired(reference, estimate, alignment)
    plain = _without_graces(paired)
    _, scales = rhythm_correction(
        [note.onset for note in paired.first], [note.onset for note in paired.second]
    )
    grid = _grid(reference.notes)
    return NoteErrors(
        missing=frozenset(alignment.missing),
        extra=frozenset(alignment.extra),
        pitch=frozenset(paired.places[place] for place in _wrong_pitches(paired)),
        onset=frozenset(paired.places[place] for place in _wrong_onsets(paired, scales)),
        offset=frozenset(
            paired.places[place] for place in _wrong_ends(paired, scales[-1] if scales else Fraction(1), grid)
        ),
        voice=frozenset(plain.places[place] for place in _wrong_voices(plain, 1)),
        hand=frozenset(plain.places[place] for place in _wrong_voices(plain, HAND)),
    )


def _percent(wrong: Sequence[int], number: int) -> float | None:
    return 100 * len(wrong) / number if number else None


# Pairs ------------------------------------------------------------------------------------------


def _paired(reference: Score, estimate: Score, alignment: Alignment) -> _Paired:
    """The pairs by the reference's onset, its voices in the order of their appearance, and the file."""
    voices: dict[tuple[int, str], int] = {}
    for note in sorted(reference.notes, key=lambda note: note.id):
        voices.setdefault((note.part, note.voice), len(voices))

    def place(pair: tuple[int, int]) -> tuple[Fraction, int, int]:
        note = reference.notes[pair[0]]
        return note.onset, voices[note.part, note.voice], note.id

    pairs = sorted((pair for pair in alignment.matched if pair[0] not in alignment.unisons), key=place)
    return _Paired(
        tuple(reference.notes[one] for one, _ in pairs),
        tuple(estimate.notes[other] for _, other in pairs),
        tuple(other for _, other in pairs),
    )


def _without_graces(paired: _Paired) -> _Paired:
    kept = [
        pair
        for pair in zip(paired.first, paired.second, paired.places, strict=True)
        if not (pair[0].grace or pair[1].grace)
    ]
    return _Paired(
        tuple(one for one, _, _ in kept), tuple(two for _, two, _ in kept), tuple(p for _, _, p in kept)
    )


def _wrong_pitches(paired: _Paired) -> list[int]:
    both = zip(paired.first, paired.second, strict=True)
    return [place for place, (one, other) in enumerate(both) if one.pitch != other.pitch]


# Rhythm -----------------------------------------------------------------------------------------


def rhythm_correction(first: Sequence[Fraction], second: Sequence[Fraction]) -> tuple[int, list[Fraction]]:
    """The least number of operations that make the onsets ``second`` (quarters) ``first``, up to a constant.

    Also the scale by which each interval of ``second`` is taken then (one fewer than onsets). An interval
    that is not the other's at its scale is a shift, another scale than before a change of scale; the first
    scale is a change if it isn't 1.
    """
    if len(first) < 2:
        return 0, []
    costs = np.ones(len(SCALES), int)
    costs[_PLACE_OF_SCALE[Fraction(1)]] = 0
    changed = np.zeros((len(first) - 1, len(SCALES)), bool)
    cheapest = np.zeros(len(first) - 1, int)
    for place, ((one, next_one), (other, next_other)) in enumerate(
        zip(pairwise(first), pairwise(second), strict=True)
    ):
        if place:
            cheapest[place] = costs.argmin()
            least = costs[cheapest[place]] + 1
            changed[place] = costs > least
            costs = np.minimum(costs, least)
        if (step := next_one - one) == (other_step := next_other - other) == 0:
            continue
        costs = costs + 1
        if step and other_step and (right := _PLACE_OF_SCALE.get(step / other_step)) is not None:
            costs[right] -= 1
    scale = int(costs.argmin())
    cost = int(costs[scale])
    path = []
    for place in range(len(first) - 2, -1, -1):
        path.append(SCALES[scale])
        if changed[place, scale]:
            scale = int(cheapest[place])
    return cost, path[::-1]


def _wrong_onsets(paired: _Paired, scales: Sequence[Fraction]) -> list[int]:
    """The notes shifted otherwise than those around them, and the first where the shift or scale changes."""
    drift = Fraction(0)
    drifts = [drift]
    for scale, (one, next_one), (other, next_other) in zip(
        scales, pairwise(paired.first), pairwise(paired.second), strict=True
    ):
        drift += next_one.onset - one.onset - scale * (next_other.onset - other.onset)
        drifts.append(drift)
    wrong: list[int] = []
    usual = None
    for place in range(len(paired.places)):
        around = Counter(drifts[max(place - AROUND, 0) : place + AROUND + 1])
        before, (usual, _) = usual, around.most_common(1)[0]
        rescaled = 0 < place < len(scales) and scales[place] != scales[place - 1]
        if drifts[place] != usual or before not in (None, usual) or rescaled:
            wrong.append(place)
    return wrong


def _grid(notes: Sequence[XmlNote]) -> int:
    """Into how many parts quarters are divided by the notes."""
    return lcm(*(time.denominator for note in notes for time in (note.onset, note.duration)))


def _wrong_ends(paired: _Paired, last_scale: Fraction, grid: int) -> list[int]:
    """The notes that end elsewhere, once their onsets are right."""
    beginning: dict[Fraction, list[int]] = defaultdict(list)
    for place, note in enumerate(paired.second):
        beginning[note.onset].append(place)
    onsets = sorted(beginning)

    def rounded(length: Fraction) -> Fraction:
        return Fraction(int(length * grid), grid)

    wrong: list[int] = []
    for place, (note, other) in enumerate(zip(paired.first, paired.second, strict=True)):
        after = bisect_left(onsets, other.end)
        if after == len(onsets):
            end = note.onset + rounded(other.duration * last_scale)
        else:
            before = bisect_right(onsets, other.end) - 1
            around = [
                paired.first[
                    min(
                        beginning[onsets[each]], key=lambda near: abs(paired.second[near].pitch - other.pitch)
                    )
                ].onset
                for each in (before, after)
            ]
            if before == after or around[0] == around[1]:
                end = around[1]
            else:
                scale = abs(around[1] - around[0]) / (onsets[after] - onsets[before])
                if scale == 1 and note.duration == other.duration:
                    continue
                end = around[0] + rounded(scale * other.duration)
        if end != note.end:
            wrong.append(place)
    return wrong


# Voices -----------------------------------------------------------------------------------------


def _wrong_voices(paired: _Paired, voices: int) -> list[int]:
    """The notes in other voices, where so many voices are taken together."""
    both = zip(_voices(paired.first), _voices(paired.second), strict=True)
    return [place for place, (one, other) in enumerate(both) if one // voices != other // voices]


def _voices(notes: Sequence[XmlNote]) -> list[int]:
    """The number of each note's voice, from 0 in the first staff and from 4 in others."""
    keys = [(-1, 0) if note.grace else (note.part, note.staff) for note in notes]
    numbers = [0 if note.grace else _number(note.voice) for note in notes]
    lowest = {
        key: min(number for each, number in zip(keys, numbers, strict=True) if each == key)
        for key in set(keys)
    }
    hands = {key: 0 if key == min(lowest) else HAND for key in lowest}
    return [number - lowest[key] + hands[key] for key, number in zip(keys, numbers, strict=True)]


def _number(voice: str) -> int:
    """The number that a voice's name begins with; 0 where it begins with none."""
    digits = voice[: len(voice) - len(voice.lstrip("0123456789"))]
    return int(digits) if digits else 0
