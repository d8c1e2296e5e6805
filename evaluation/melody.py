"""Melody extraction: the pitch of a voice from moment to moment.

Measures: those of ``mir_eval.melody.evaluate`` under its names (Poliner et al., 2007, of the MIREX task of
2005; Salamon, Gómez, Ellis and Richard, 2014): ``Voicing Recall`` and ``Voicing False Alarm``, the shares of
the reference's voiced and unvoiced frames that the estimate has as voiced; ``Raw Pitch Accuracy``, the share
of the voiced frames with the right pitch (within 50 cents), whether voiced or not; ``Raw Chroma Accuracy``,
the same in any octave; ``Overall Accuracy``, the share of all frames with the right pitch, or rightly
unvoiced. What is undefined (of a reference never voiced, or always) is None, where mir_eval gives 0 or 1.

Conventions: seconds and Hz; a frequency of 0 is unvoiced, a negative one a guess of the pitch in case the
frame is voiced after all, NaN is 0. The estimate is interpolated at the reference's times, as mir_eval does,
which draws the pitch through frames that were left out; ``silent_gaps`` takes them for unvoiced.

Files: tables of time and frequency; JAMS (``pitch_contour``, ``pitch_hz``, ``melody_hz``); the ``notes.json``
of a run, whose notes of the voice (or of its only stem) become a pitch every 10 ms, bends included, the note
begun last where they overlap.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.files import Scores, artefact
from evaluation.kinds import MelodySettings
from evaluation.reference import mir_eval_module
from fullscore.errors import FullscoreError
from fullscore.jams import read_jams
from fullscore.reading import is_number, read_rows, split_header
from transcription.notes import Note

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

VOICING_RECALL, VOICING_FALSE_ALARM = "Voicing Recall", "Voicing False Alarm"
RAW_PITCH, RAW_CHROMA, OVERALL = "Raw Pitch Accuracy", "Raw Chroma Accuracy", "Overall Accuracy"
MEANINGS = {
    VOICING_RECALL: "share of the sung frames that were found to be sung",
    VOICING_FALSE_ALARM: "share of the other frames that were found to be sung (0 is best)",
    RAW_PITCH: "share of the sung frames with the right pitch, within 50 cents",
    RAW_CHROMA: "the same in any octave",
    OVERALL: "share of all frames with the right pitch, or rightly silent",
}
MAIN = (OVERALL, RAW_PITCH)

HOP_S = 0.01  # of the pitches made of notes
LONGEST_HOP_S = 0.2  # rows that are farther apart are beats or notes
MOST_COLUMNS = 3  # time, frequency and confidence
GAP_HOPS = 1.5  # a wider step between two rows has frames left out
_TIMES = ("time", "times", "time_s", "timestamp", "t")
_PITCHES = ("f0", "frequency", "hz", "f0_hz", "frequency_hz", "pitch_hz", "pitch")


@dataclass(frozen=True, slots=True)
class PitchTrack:
    """Frequencies in Hz (0 or less: unvoiced) at times in seconds that increase strictly from 0 or later."""

    times: Floats
    frequencies: Floats


def evaluate_melody(reference: Path, estimate: Path, settings: MelodySettings = MelodySettings()) -> Scores:
    """mir_eval's melody measures of two pitch tracks."""
    tracks = []
    for path in (reference, estimate):
        track = read_pitch(artefact(path, "notes.json"))
        if _has_gaps(track):
            if settings.silent_gaps:
                track = with_silences(track)
            else:
                logger.warning(
                    "%s leaves out frames, which count as voiced, as in mir_eval; --silent-gaps takes them "
                    "for unvoiced",
                    path,
                )
        tracks.append(track)
    return melody_scores(*tracks)


def melody_scores(reference: PitchTrack, estimate: PitchTrack) -> Scores:
    """mir_eval's melody measures, None where undefined. An estimate of no frames is unvoiced."""
    scores: Scores = dict.fromkeys(MEANINGS)
    if not len(reference.times):
        return scores
    if not len(estimate.times):
        estimate = PitchTrack(np.zeros(1), np.zeros(1))
    with warnings.catch_warnings():  # of frames that aren't evenly spaced, or never voiced
        warnings.simplefilter("ignore")
        found = mir_eval_module("melody").evaluate(
            reference.times, reference.frequencies, estimate.times, estimate.frequencies
        )
    voiced = reference.frequencies > 0
    scores[OVERALL] = float(found[OVERALL])
    if voiced.any():
        scores |= {name: float(found[name]) for name in (VOICING_RECALL, RAW_PITCH, RAW_CHROMA)}
    if not voiced.all():
        scores[VOICING_FALSE_ALARM] = float(found[VOICING_FALSE_ALARM])
    return scores


def read_pitch(path: Path) -> PitchTrack:
    """The pitch track of a file (the module's text says which). Raises FullscoreError where it is none."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        from transcription.notes_io import read_notes_json

        return pitch_of_notes(read_notes_json(path))
    if suffix == ".jams":
        contour = read_jams(path, "pitch_contour", "pitch_hz", "melody_hz").rows
        rows = [(row.time, _frequency(row.value)) for row in contour]
    else:
        rows = _table_rows(path)
    return _checked(path, rows)


def pitch_of_notes(notes: Sequence[Note]) -> PitchTrack:
    """The pitch of the voice's notes every 10 ms; of the only stem where there is no voice among several."""
    stems = {note.stem for note in notes} - {"drums"}
    stem = "vocals" if "vocals" in stems or len(stems) > 1 else next(iter(stems), "vocals")
    sung = sorted((note for note in notes if note.stem == stem), key=lambda note: (note.onset, note.pitch))
    frames = math.ceil(max((note.offset for note in sung), default=0.0) / HOP_S) + 1
    times = np.arange(frames, dtype=np.float64) * HOP_S
    frequencies = np.zeros(frames)
    for note in sung:
        first, last = np.searchsorted(times, (note.onset, note.offset))
        within = times[first:last]
        pitch = np.full(len(within), float(note.pitch))
        if note.bends:
            bent_at = note.onset + note.duration / len(note.bends) * np.arange(len(note.bends))
            pitch += np.interp(within, bent_at, note.bends)
        frequencies[first:last] = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    return PitchTrack(times, frequencies)


def _frequency(value: Any) -> Any:
    """The frequency in a JAMS observation, negative if that says it is unvoiced."""
    if not isinstance(value, dict):
        return value
    frequency = value.get("frequency")
    return frequency if value.get("voiced", True) or not isinstance(frequency, int | float) else -frequency


def _table_rows(path: Path) -> list[tuple[Any, Any]]:
    header, rows = split_header(read_rows(path))
    if header and "onset" in header[0]:
        raise FullscoreError(
            "{path} has the columns {columns}: notes, not a pitch track",
            path=path,
            columns=", ".join(header)[:60],
        )
    if header and not rows and not set(header) & set(_TIMES):
        raise FullscoreError(
            "{path} has words and no times ({words})",
            "give a pitch track",
            path=path,
            words=" ".join(header)[:60],
        )
    time, pitch = (
        next((index for index, name in enumerate(header or ()) if name in names), place)
        for place, names in enumerate((_TIMES, _PITCHES))
    )
    if not header and any(len(row) > MOST_COLUMNS for row in rows):
        raise FullscoreError(
            "{path} has {columns} columns without names",
            "name them, or keep time and frequency",
            path=path,
            columns=max(map(len, rows)),
        )
    if not header and rows and not any(all(map(is_number, row)) for row in rows):
        raise FullscoreError(
            "{path} has words in its rows, not only a time and a frequency: no pitch track", path=path
        )
    try:
        return [(row[time], row[pitch]) for row in rows]
    except IndexError as error:
        raise FullscoreError(
            "{path} lacks a time or a frequency in some of its rows", "mend it", path=path
        ) from error


def _checked(path: Path, rows: Sequence[tuple[Any, Any]]) -> PitchTrack:
    try:
        values = np.array([(float(time), float(frequency)) for time, frequency in rows]).reshape(-1, 2)
    except (ValueError, TypeError) as error:
        raise FullscoreError(
            "{path} is no pitch track ({error})",
            "give a time in seconds and a frequency in Hz on each row",
            path=path,
            error=error,
        ) from error
    times, frequencies = values[np.argsort(values[:, 0], kind="stable")].T
    frequencies = np.where(np.isnan(frequencies), 0.0, frequencies)
    if not np.isfinite(values[:, 0]).all() or np.isinf(frequencies).any() or (times < 0).any():
        raise FullscoreError(
            "{path} has a time or a frequency that is not finite, or a time before 0", "mend it", path=path
        )
    if len(times) < 2:
        return PitchTrack(times, frequencies)
    hops = np.diff(np.round(times, 10))  # as far as mir_eval can tell them
    hop = float(np.median(hops))
    if hop > LONGEST_HOP_S:
        raise FullscoreError(
            "{path} has a row every {hop:.2f} s: beats or notes, not a pitch track", path=path, hop=hop
        )
    if (hops <= 0).any():
        twice = times[1:][hops <= 0][0]
        raise FullscoreError(
            "{path} has two frequencies at {twice:g} s", "give one voice at a time", path=path, twice=twice
        )
    return PitchTrack(times, frequencies)


def _has_gaps(track: PitchTrack) -> bool:
    """Whether mir_eval would draw the pitch through frames that are lacking."""
    if len(track.times) < 2:
        return False
    hops = np.diff(track.times, prepend=0.0)
    held = np.concatenate([track.frequencies[:1], track.frequencies[:-1]])
    return bool(np.any((hops > GAP_HOPS * np.median(hops[1:])) & (held > 0)))


def with_silences(track: PitchTrack) -> PitchTrack:
    """A track with an unvoiced frame where frames were left out, and at its end."""
    hop = float(np.median(np.diff(track.times)))
    late = track.times[0] > GAP_HOPS * hop
    before = np.flatnonzero(np.diff(track.times) > GAP_HOPS * hop)
    places = [*([0] if late else []), *(before + 1), len(track.times)]
    silent = [*([0.0] if late else []), *(track.times[before] + hop), track.times[-1] + hop]
    return PitchTrack(np.insert(track.times, places, silent), np.insert(track.frequencies, places, 0.0))
