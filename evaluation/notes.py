"""Note transcription: how many notes were found, at the right time and pitch.

Measures:

* those of ``mir_eval.transcription.evaluate`` under its names (Bay, Ehmann and Downie 2009; Raffel et al.
  2014). A note counts as found if its onset is within 50 ms and its pitch within half a semitone, and, in
  the measures without ``no_offset`` in their name, its offset within 50 ms or a fifth of the note's length,
  whichever is greater. ``Onset_…`` and ``Offset_…`` ignore pitch.
* ``…_velocity``: those of ``mir_eval.transcription_velocity`` (Hawthorne et al. 2018), where both files have
  velocities: of the notes found, those whose velocity is within a tenth of the reference's range, after the
  straight line that fits the found ones best.
* ``…_octave_invariant``: the same notes by pitch class.
* ``Frame_…``: what sounds every 10 ms (:mod:`evaluation.frames`).
* ``stems``: all of them for each stem, and ``Pooled_…``: matched within stems, then added up, where both
  files name stems, and one of them alike. The measures without this prefix are blind to stems.
* ``Lag_s``: by how many seconds the estimate is late throughout, guessed from the notes of equal pitch;
  always given (None where no lag stands out), and taken off only where the settings say so.

Conventions: times in seconds; pitch in Hz inside, MIDI numbers converted at A4 = 440 Hz.
Equal to mir_eval 0.8 in every measure it has, overlaps included: the matching is the same, pair by pair
(:mod:`evaluation.matching`). Beyond it: what is undefined (precision of no notes, recall of no reference,
overlap without either) is None, where mir_eval gives 0 and warns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.files import Scores, artefact
from evaluation.frames import FrameCounts, frame_counts
from evaluation.kinds import NotesSettings
from evaluation.matching import Pairs, matching, matching_size, note_pairs, reach, within
from evaluation.notefiles import NoteTable, hz_to_midi, read_notes
from fullscore.errors import FullscoreError

__all__ = ["MAIN", "MEANINGS", "NoteTable", "evaluate_notes", "lag", "note_scores", "read_notes"]

Floats = npt.NDArray[np.float64]

VELOCITY_TOLERANCE = 0.1  # of the range of the reference's velocities
MOST_LAG = 5.0  # seconds in which a constant lag is looked for
LAG_STEP = 0.005  # seconds between the lags that are tried
LAG_SPREAD = 0.025  # seconds by which notes may scatter about a lag
CLEARLY = 8.0  # standard deviations above chance: unrelated recordings reached 5, poor transcriptions 21
NEARLY = 0.9  # of the commonest lag's notes: the smallest of all lags that have so many is taken

MAIN = ("F-measure", "F-measure_no_offset")
MEANINGS = {
    "Precision": "share of the notes found that are right in onset, offset and pitch",
    "Recall": "share of the true notes that were found so",
    "F-measure": "notes right in onset, offset and pitch (harmonic mean of the two)",
    "Average_Overlap_Ratio": "how far matched notes overlap in time",
    "Precision_no_offset": "share of the notes found that are right in onset and pitch, wherever they end",
    "Recall_no_offset": "share of the true notes that were found so",
    "F-measure_no_offset": "notes right in onset and pitch, wherever they end",
    "Onset_F-measure": "notes right in onset, whatever their pitch",
    "Offset_F-measure": "notes right in offset, whatever their pitch",
    "F-measure_velocity": "notes right in onset, offset, pitch and, in proportion, velocity",
    "F-measure_no_offset_velocity": "the same wherever they end",
    "F-measure_octave_invariant": "notes right in onset, offset and pitch, octaves ignored",
    "F-measure_no_offset_octave_invariant": "notes right in onset and pitch, octaves ignored",
    "Frame_Precision": "share of what sounds, every 10 ms, that is right",
    "Frame_Recall": "share of what should sound that does",
    "Frame_F-measure": "the two in one",
    "Frame_Accuracy": "right pitches to right, wrong and missing ones",
    "Frame_Chroma_Accuracy": "the same, octaves ignored",
    "Pooled_F-measure": "right in onset, offset and pitch within their stems, all stems together",
    "Pooled_F-measure_no_offset": "the same wherever they end",
    "Lag_s": "seconds by which the estimate is late throughout; taken off only with --lag",
}


def evaluate_notes(
    reference: Path, estimate: Path, settings: NotesSettings = NotesSettings()
) -> dict[str, Any]:
    """All measures of two files of notes; either may be the folder of a run.

    Raises FullscoreError where a file can't be read as notes (:func:`evaluation.notefiles.read_notes`).
    """
    true, found, late = read_pair(reference, estimate, settings)
    measures: dict[str, Any] = {**note_scores(true, found, settings), "Lag_s": late}
    if set(true.stems) & set(found.stems) and settings.stem is None:
        counts = {
            stem: _counted(true.of(stem), found.of(stem), settings)
            for stem in sorted({*true.stems, *found.stems})
        }
        pooled = _added(list(counts.values()))
        measures |= {f"Pooled_{name}": value for name, value in pooled.scores().items()}
        measures["stems"] = {stem: counted.scores() for stem, counted in counts.items()}
    return measures


def read_pair(
    reference: Path, estimate: Path, settings: NotesSettings
) -> tuple[NoteTable, NoteTable, float | None]:
    """The notes of both files that ``settings`` asks for, and the lag, taken off if it asks for that.

    Raises FullscoreError where both name stems, but neither the one that is asked for.
    """
    true, found = (read_notes(artefact(path, "notes.json")) for path in (reference, estimate))
    if settings.stem is not None:
        named = {*true.stems, *found.stems}
        if true.stems and found.stems and settings.stem.lower() not in named:
            raise FullscoreError(
                "neither file has notes of the stem '{stem}'",
                "choose one of: {known}",
                stem=settings.stem,
                known=", ".join(sorted(named)),
            )
        true, found = true.of(settings.stem), found.of(settings.stem)
    late = lag(true, found)
    if settings.lag and late is not None:
        found = replace(found, intervals=found.intervals - late)
    return true, found, late


def note_scores(
    reference: NoteTable, estimate: NoteTable, settings: NotesSettings = NotesSettings()
) -> Scores:
    """The measures of two tables, blind to stems and without the lag; None where undefined."""
    return _counted(reference, estimate, settings).scores()


# Counting ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tally:
    """Notes matched, sought and found, and how far each matched pair overlaps (None: not measured)."""

    matched: int
    sought: int
    found: int
    overlaps: Floats | None = None

    def __add__(self, other: _Tally) -> _Tally:
        overlaps = None
        if self.overlaps is not None and other.overlaps is not None:
            overlaps = np.concatenate([self.overlaps, other.overlaps])
        return _Tally(
            self.matched + other.matched, self.sought + other.sought, self.found + other.found, overlaps
        )

    def scores(self, form: str) -> Scores:
        """``form`` is a measure's name with a place for what is measured."""
        precision = self.matched / self.found if self.found else None
        recall = self.matched / self.sought if self.sought else None
        f_measure: float | None = 0.0
        if precision is None and recall is None:
            f_measure = None
        elif precision and recall:
            f_measure = 2 * precision * recall / (precision + recall)
        scores = {
            form.format("Precision"): precision,
            form.format("Recall"): recall,
            form.format("F-measure"): f_measure,
        }
        if self.overlaps is not None:
            mean = float(np.mean(self.overlaps)) if len(self.overlaps) else 0.0
            scores[form.format("Average_Overlap_Ratio")] = mean if self.found and self.sought else None
        return scores


@dataclass(frozen=True, slots=True)
class _Counts:
    """What was counted between two tables: notes by the forms of their measures' names, and frames."""

    notes: dict[str, _Tally]
    frames: FrameCounts
    chroma: FrameCounts

    def scores(self) -> Scores:
        scores: Scores = {}
        for form, tally in self.notes.items():
            scores |= tally.scores(form)
        return scores | self.frames.scores("Frame_") | self.chroma.scores("Frame_Chroma_")


def _added(counts: list[_Counts]) -> _Counts:
    first, *others = counts
    for other in others:
        notes = {form: first.notes[form] + other.notes[form] for form in first.notes}
        first = _Counts(notes, first.frames + other.frames, first.chroma + other.chroma)
    return first


def _counted(reference: NoteTable, estimate: NoteTable, settings: NotesSettings) -> _Counts:
    sought, found = len(reference.pitches_hz), len(estimate.pitches_hz)

    def tally(pairs: Pairs, overlaps: bool = True) -> _Tally:
        return _Tally(
            len(pairs[0]), sought, found, _overlaps(reference, estimate, pairs) if overlaps else None
        )

    def matched(octave_invariant: bool) -> tuple[Pairs, Pairs]:
        """The matched notes with and without regard to offsets."""
        pairs = alike(reference, estimate, settings, octave_invariant=octave_invariant)
        ended = ends_right(reference, estimate, pairs, settings)
        return matching((pairs[0][ended], pairs[1][ended])), matching(pairs)

    def by_time(column: int, tolerance: float | Floats) -> _Tally:
        times = np.sort(estimate.intervals[:, column])
        reached = reach(reference.intervals[:, column], times, tolerance)
        return _Tally(matching_size(*reached, found), sought, found)

    whole, begun = matched(octave_invariant=False)
    notes = {
        "{}": tally(whole),
        "{}_no_offset": tally(begun),
        "Onset_{}": by_time(0, settings.onset_tolerance),
        "Offset_{}": by_time(1, _offset_tolerances(reference, settings)),
    }
    if reference.velocities is not None and estimate.velocities is not None:
        loudness = reference.velocities, estimate.velocities
        notes["{}_velocity"] = tally(_as_loud(*loudness, whole))
        notes["{}_no_offset_velocity"] = tally(_as_loud(*loudness, begun))
    whole, begun = matched(octave_invariant=True)
    notes["{}_octave_invariant"] = tally(whole, overlaps=False)
    notes["{}_no_offset_octave_invariant"] = tally(begun, overlaps=False)
    return _Counts(notes, *frame_counts(reference, estimate))


def alike(
    reference: NoteTable, estimate: NoteTable, settings: NotesSettings, *, octave_invariant: bool = False
) -> Pairs:
    """All pairs of notes with the same onset and pitch (or pitch class), within the tolerances."""
    return note_pairs(
        reference.intervals[:, 0], reference.pitches_hz, estimate.intervals[:, 0], estimate.pitches_hz,
        settings.onset_tolerance, settings.pitch_tolerance, octave_invariant=octave_invariant,
    )  # fmt: skip


def ends_right(
    reference: NoteTable, estimate: NoteTable, pairs: Pairs, settings: NotesSettings
) -> npt.NDArray[np.bool_]:
    """Which of the pairs have the same offset, within the tolerances."""
    tolerances = _offset_tolerances(reference, settings)[pairs[0]]
    return within(reference.intervals[pairs[0], 1], estimate.intervals[pairs[1], 1], tolerances)


def _offset_tolerances(reference: NoteTable, settings: NotesSettings) -> Floats:
    lengths = np.abs(reference.intervals[:, 1] - reference.intervals[:, 0])
    return np.maximum(settings.offset_ratio * lengths, settings.offset_tolerance)


def _overlaps(reference: NoteTable, estimate: NoteTable, pairs: Pairs) -> Floats:
    """The time in which both notes of each pair sound, to the time in which either does or is between."""
    true, found = reference.intervals[pairs[0]], estimate.intervals[pairs[1]]
    both = np.minimum(true[:, 1], found[:, 1]) - np.maximum(true[:, 0], found[:, 0])
    either = np.maximum(true[:, 1], found[:, 1]) - np.minimum(true[:, 0], found[:, 0])
    return np.asarray(both / either)


def _as_loud(reference: Floats, estimate: Floats, pairs: Pairs) -> Pairs:
    """The matched pairs whose velocities agree, once the estimate's are fitted to the reference's."""
    if len(pairs[0]) == 0:
        return pairs
    low = reference.min()
    scaled = (reference - low) / max(1.0, float(reference.max() - low))
    true, found = scaled[pairs[0]], estimate[pairs[1]]
    slope, level = np.linalg.lstsq(np.stack([found, np.ones(len(found))], axis=1), true, rcond=None)[0]
    agree = np.abs(slope * found + level - true) < VELOCITY_TOLERANCE
    return pairs[0][agree], pairs[1][agree]


# Lag --------------------------------------------------------------------------------------------


def lag(reference: NoteTable, estimate: NoteTable) -> float | None:
    """By how many seconds the estimate is late throughout; None where no lag stands out.

    Of the differences between onsets of equal pitch (to the semitone) within :data:`MOST_LAG`, the
    commonest within :data:`LAG_SPREAD`, the smallest of nearly as common ones; then the median about it.
    It stands out if it is clearly commoner than the mean of all lags, or has half the notes of either file.
    """
    differences = _onset_differences(reference, estimate)
    if len(differences) == 0:
        return None
    ordered = np.sort(differences)
    tried = np.arange(-round(MOST_LAG / LAG_STEP), round(MOST_LAG / LAG_STEP) + 1) * LAG_STEP
    support = np.searchsorted(ordered, tried + LAG_SPREAD, side="right") - np.searchsorted(
        ordered, tried - LAG_SPREAD
    )
    chance = float(support.mean())
    fewest = min(len(reference.pitches_hz), len(estimate.pitches_hz))
    if support.max() < min(chance + CLEARLY * max(1.0, chance) ** 0.5, fewest / 2):
        return None
    common = tried[support >= NEARLY * support.max()]
    found = float(common[np.argmin(np.abs(common))])
    for _ in range(2):  # the first median is drawn towards the rim at which the search began
        found = float(np.median(ordered[np.abs(ordered - found) <= 2 * LAG_SPREAD]))
    return found + 0.0  # not -0.0


def _onset_differences(reference: NoteTable, estimate: NoteTable) -> Floats:
    """Estimate minus reference, of all notes of the same semitone not further apart than MOST_LAG."""
    true_tones, found_tones = (np.round(hz_to_midi(table.pitches_hz)) for table in (reference, estimate))
    differences = [np.empty(0)]
    for semitone in np.intersect1d(true_tones, found_tones):
        true = reference.intervals[true_tones == semitone, 0]
        found = np.sort(estimate.intervals[found_tones == semitone, 0])
        first = np.searchsorted(found, true - MOST_LAG)
        last = np.searchsorted(found, true + MOST_LAG, side="right")
        counts = last - first
        rank = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        differences.append(found[np.repeat(first, counts) + rank] - np.repeat(true, counts))
    return np.concatenate(differences)
