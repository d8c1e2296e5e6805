"""Note transcription: how many notes were found, at the right time and pitch.

Measures: those of ``mir_eval.transcription.evaluate`` under its names, from Bay, Ehmann and Downie (2009)
and Raffel et al. (2014). A note counts as found if its onset is within 50 ms and its pitch within half
a semitone, and, in the measures without ``no_offset`` in their name, its offset within 50 ms or a fifth of
the note's length, whichever is greater. ``Onset_…`` and ``Offset_…`` ignore pitch.

Conventions: times in seconds; pitch in Hz inside, MIDI numbers converted at A4 = 440 Hz.
Beyond mir_eval: what is undefined (precision of no notes, recall of no reference, overlap without
either) is None, where mir_eval gives 0 and warns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.files import Scores, artefact, numbers, read_rows, read_text, split_header
from separation.engines import FullscoreError

Floats = npt.NDArray[np.float64]

LOWEST_PIANO_KEY = 21  # MIDI; a "pitch" column that never reaches it holds durations
HIGHEST_KEY = 127

_NAMES = (
    "Precision",
    "Recall",
    "F-measure",
    "Average_Overlap_Ratio",
    "Precision_no_offset",
    "Recall_no_offset",
    "F-measure_no_offset",
    "Average_Overlap_Ratio_no_offset",
    "Onset_Precision",
    "Onset_Recall",
    "Onset_F-measure",
    "Offset_Precision",
    "Offset_Recall",
    "Offset_F-measure",
)


@dataclass(frozen=True, slots=True)
class NoteTable:
    """Notes as mir_eval takes them: (n, 2) onsets and offsets in seconds, n pitches in Hz, n stem names.

    ``stems`` is empty where the file names none.
    """

    intervals: Floats
    pitches_hz: Floats
    stems: tuple[str, ...] = ()

    def of(self, stem: str) -> NoteTable:
        """The notes of one stem; all of them where the file names no stems."""
        if not self.stems:
            return self
        chosen = np.array([name == stem for name in self.stems], dtype=bool)
        return NoteTable(self.intervals[chosen], self.pitches_hz[chosen], (stem,) * int(chosen.sum()))


def evaluate_notes(reference: Path, estimate: Path, *, stem: str | None = None) -> Scores:
    """mir_eval's transcription measures of two files of notes (of one ``stem`` where they name stems)."""
    tables = read_notes(artefact(reference, "notes.json")), read_notes(artefact(estimate, "notes.json"))
    if stem is not None:
        tables = tables[0].of(stem), tables[1].of(stem)
    return note_scores(*tables)


def note_scores(reference: NoteTable, estimate: NoteTable) -> Scores:
    """mir_eval's transcription measures, None where undefined."""
    found, sought = len(estimate.pitches_hz), len(reference.pitches_hz)
    if found == 0 or sought == 0:
        return {name: _of_nothing(name, found, sought) for name in _NAMES}
    from mir_eval.transcription import evaluate

    scores = evaluate(reference.intervals, reference.pitches_hz, estimate.intervals, estimate.pitches_hz)
    return {name: float(scores[name]) for name in _NAMES}


def _of_nothing(name: str, found: int, sought: int) -> float | None:
    """A measure where one side has no notes: 0 if its denominator counts the other side, else None."""
    if "Precision" in name:
        return 0.0 if found else None
    if "Recall" in name:
        return 0.0 if sought else None
    if "F-measure" in name:
        return 0.0 if found or sought else None
    return None


def read_notes(path: Path) -> NoteTable:
    """The notes of a MIDI file, ``notes.json``, or table. Raises FullscoreError where it is none of them.

    A table has a header with onset, offset (or duration) and midi, note, pitch or hz, each perhaps with
    a unit (``onset_s``), or no header and the columns onset, offset, pitch (mir_eval), where pitches are Hz
    if any is fractional or above 127, or onset, Hz, duration (vocadito), where the third column
    stays below the lowest pitch of a piano.
    """
    reader: Callable[[Path], NoteTable] = {
        ".mid": _read_midi,
        ".midi": _read_midi,
        ".json": _read_notes_json,
    }.get(path.suffix.lower(), _read_table)
    table = reader(path)
    if (table.intervals < 0).any():
        raise FullscoreError(f"{path} has a note before the start of the recording; mend its times")
    if (table.intervals[:, 1] <= table.intervals[:, 0]).any():
        raise FullscoreError(f"{path} has a note that doesn't end after it starts; mend its times")
    if (table.pitches_hz <= 0).any():
        raise FullscoreError(f"{path} has a note whose pitch is not positive; mend its pitches")
    return table


def _read_table(path: Path) -> NoteTable:
    header, rows = split_header(read_rows(path))
    if header is None and not rows:
        return _table([], [], [])
    columns = _columns_by_name(header, path) if header else _columns_by_place(rows, path)
    stem_at = header.index("stem") if header and "stem" in header else None
    values = np.array(
        [numbers(row, columns.places, path, line) for line, row in enumerate(rows, 1)], dtype=np.float64
    ).reshape(-1, 3)
    onsets, ends, pitches = values.T
    hz = pitches if columns.hz else _midi_to_hz(pitches)
    offsets = onsets + ends if columns.durations else ends
    stems = () if stem_at is None else tuple(row[stem_at] if stem_at < len(row) else "" for row in rows)
    return NoteTable(np.stack([onsets, offsets], axis=1), hz, stems)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns hold onset, offset or duration, and pitch, and how the last two are meant."""

    places: tuple[int, int, int]
    durations: bool
    hz: bool


def _columns_by_name(header: list[str], path: Path) -> _Columns:
    bare = [name.removesuffix("_s").removesuffix("_sec") for name in header]

    def first(*names: str) -> int | None:
        return next((bare.index(name) for name in names if name in bare), None)

    onset, offset, duration = first("onset", "start"), first("offset", "end"), first("duration")
    midi, hz = first("midi", "note", "pitch"), first("hz", "pitch_hz", "frequency")
    end, tone = (duration if offset is None else offset), (hz if midi is None else midi)
    if onset is None or end is None or tone is None:
        raise FullscoreError(
            f"{path} has the columns {', '.join(header)[:80]}; notes need onset, offset and midi (or hz)"
        )
    return _Columns((onset, end, tone), durations=offset is None, hz=midi is None)


def _columns_by_place(rows: list[list[str]], path: Path) -> _Columns:
    values = np.array([numbers(row, (0, 1, 2), path, line) for line, row in enumerate(rows, 1)])
    if values[:, 2].max() < LOWEST_PIANO_KEY <= values[:, 1].min():
        return _Columns((0, 2, 1), durations=True, hz=True)
    fractional = bool((values[:, 2] % 1).any())
    return _Columns((0, 1, 2), durations=False, hz=fractional or values[:, 2].max() > HIGHEST_KEY)


def _read_notes_json(path: Path) -> NoteTable:
    from transcription.notes_io import read_notes_json

    notes = read_notes_json(path)
    return _table(
        [(note.onset, note.offset) for note in notes],
        [note.pitch for note in notes],
        [note.stem for note in notes],
    )


def _read_midi(path: Path) -> NoteTable:
    """Every note of a MIDI file; its tracks' names (drum tracks: ``drums``) are the stems."""
    from transcription.midi import open_midi

    if not path.is_file():
        read_text(path)  # says why it can't be read
    midi = open_midi(path)
    notes = [
        (note, "drums" if player.is_drum else player.name)
        for player in midi.instruments
        for note in player.notes
    ]
    return _table(
        [(note.start, note.end) for note, _ in notes],
        [note.pitch for note, _ in notes],
        [name for _, name in notes],
    )


def _table(intervals: list[tuple[float, float]], pitches: list[int], stems: list[str]) -> NoteTable:
    return NoteTable(
        np.array(intervals, dtype=np.float64).reshape(-1, 2),
        _midi_to_hz(np.array(pitches, dtype=np.float64)),
        tuple(stems),
    )


def _midi_to_hz(pitches: Floats) -> Floats:
    return np.asarray(440.0 * 2.0 ** ((pitches - 69.0) / 12.0), dtype=np.float64)
