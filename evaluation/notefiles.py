"""Notes in seconds from every kind of file that holds them.

Task: the notes of a MIDI file, a ``notes.json``, a score at its own tempo (MusicXML, repeats played out),
a JAMS annotation (``note_midi``, ``note_hz``, ``pitch_midi``, ``pitch_hz``) or a table of onset, offset and
pitch, as arrays that measures take. What a file holds is told by its content first, then by its suffix.

Conventions: times in seconds, pitches in Hz, MIDI numbers converted at A4 = 440 Hz, notes in the file's
order. Stems are lower-case: those of ``notes.json`` and of a column ``stem``, the parts of a score, the
tracks of a MIDI file (``drums`` for drum tracks, a stem's own name where a word of the track's says it, else
the track's name or what its program says).

Limits: a MIDI note lasts as long as its key is down; a score's grace notes last :data:`GRACE`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullscore.errors import FullscoreError
from fullscore.reading import form_of, form_of_suffix, numbers, read_json, read_rows, split_header

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

LOWEST_PIANO_KEY = 21  # MIDI; a "pitch" column that never reaches it holds durations
HIGHEST_KEY = 127
HIGHEST_VELOCITY = 127
LATEST_S = 30000.0  # later times are in another unit than seconds
GRACE = 0.05  # seconds a grace note sounds
NAMESPACES = ("note_midi", "note_hz", "pitch_midi", "pitch_hz")  # of JAMS, best first

# The names of a table's columns, without units.
_ONSET, _OFFSET = ("onset", "start", "begin", "time"), ("offset", "end")
_DURATION = ("duration", "dur", "length")
_MIDI = ("midi", "note", "pitch", "midipitch", "pitchmidi", "midinote", "value")
_HZ = ("hz", "pitchhz", "frequency", "freq")
_EITHER = ("pitch", "value")  # MIDI numbers or Hz, as the pitches themselves say
_VELOCITY, _STEM = ("velocity", "vel"), ("stem",)
_UNITS = {"s", "sec", "seconds"}


@dataclass(frozen=True, slots=True)
class NoteTable:
    """Notes as mir_eval takes them: (n, 2) onsets and offsets in seconds, n pitches in Hz, n stem names.

    ``stems`` is empty where the file names none; ``velocities`` (n, MIDI) is None where it has none.
    """

    intervals: Floats
    pitches_hz: Floats
    stems: tuple[str, ...] = ()
    velocities: Floats | None = None

    def of(self, stem: str) -> NoteTable:
        """The notes of one stem; all of them where the file names no stems."""
        if not self.stems:
            return self
        stem = stem.lower()
        chosen = np.array([name == stem for name in self.stems], dtype=bool)
        return NoteTable(
            self.intervals[chosen],
            self.pitches_hz[chosen],
            (stem,) * int(chosen.sum()),
            None if self.velocities is None else self.velocities[chosen],
        )


def read_notes(path: Path) -> NoteTable:
    """The notes of a file. Raises FullscoreError where it holds something else, or notes that can't be.

    A table has a header with onset, offset (or duration) and midi, note, pitch or hz, each perhaps with
    a unit (``onset_s``), perhaps velocity and stem; or no header and the columns onset, offset, pitch
    (mir_eval), where pitches are Hz if any is fractional or above 127, and velocity if there is a fourth; or
    onset, pitch, duration (vocadito, Tony, Sonic Visualiser), where the third column stays below the lowest
    pitch of a piano.
    """
    form = form_of(path)
    if form == "text":
        form = form_of_suffix(path.suffix.lower())
    reader: Callable[[Path], NoteTable] | None = {
        "MIDI": _read_midi,
        "MusicXML": _read_score,
        "JSON": _read_json,
        "text": _read_table,
    }.get(form)
    if reader is None:
        heard = "; transcribe it first" if form == "audio" else ""
        raise FullscoreError(
            "{path} holds {form}, not notes{heard}", "give a file of notes", path=path, form=form, heard=heard
        )
    table = reader(path)
    if not (np.isfinite(table.intervals).all() and np.isfinite(table.pitches_hz).all()):
        raise FullscoreError("{path} has a note whose time or pitch is not finite", "mend it", path=path)
    if (table.intervals > LATEST_S).any():
        raise FullscoreError(
            "{path} has a note at {last:g} s",
            "give the times in seconds, not in samples",
            path=path,
            last=table.intervals.max(),
        )
    if (table.intervals < 0).any():
        raise FullscoreError(
            "{path} has a note before the start of the recording", "mend its times", path=path
        )
    if (table.intervals[:, 1] <= table.intervals[:, 0]).any():
        raise FullscoreError(
            "{path} has a note that doesn't end after it starts", "mend its times", path=path
        )
    if (table.pitches_hz <= 0).any():
        raise FullscoreError("{path} has a note whose pitch is not positive", "mend its pitches", path=path)
    return table


# Tables -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns hold onset, offset or duration, and pitch, and how the last two are meant.

    ``hz`` is None where only the pitches themselves say whether they are Hz or MIDI numbers.
    """

    places: tuple[int, int, int]
    durations: bool
    hz: bool | None
    velocity: int | None = None
    stem: int | None = None


def _read_table(path: Path) -> NoteTable:
    header, rows = split_header(read_rows(path))
    if header is None and not rows:
        return _table([], [])
    columns = _columns_by_name(header, path) if header else _columns_by_place(rows, path)
    wanted = (*columns.places, *([] if columns.velocity is None else [columns.velocity]))
    values = np.array(
        [numbers(row, wanted, path, line) for line, row in enumerate(rows, 1)], dtype=np.float64
    ).reshape(-1, len(wanted))
    onsets, ends, pitches = values.T[:3]
    hz = (pitches > HIGHEST_KEY).any() if columns.hz is None else columns.hz
    return NoteTable(
        np.stack([onsets, onsets + ends if columns.durations else ends], axis=1),
        pitches if hz else midi_to_hz(pitches),
        _names(row[columns.stem] if columns.stem < len(row) else "" for row in rows)
        if columns.stem is not None
        else (),
        None if columns.velocity is None else _velocities(values[:, 3], path),
    )


def _columns_by_name(header: list[str], path: Path) -> _Columns:
    bare = ["".join(_words(name)) for name in header]

    def first(names: tuple[str, ...]) -> int | None:
        return next((bare.index(name) for name in names if name in bare), None)

    onset, offset, duration = first(_ONSET), first(_OFFSET), first(_DURATION)
    midi, hz = first(_MIDI), first(_HZ)
    end, tone = (duration if offset is None else offset), (hz if midi is None else midi)
    if onset is end is tone is None:
        raise FullscoreError(
            "{path} names no column of notes where it begins ({columns}): it is another kind of "
            "file, or lacks a header with onset, offset and midi (or hz)",
            path=path,
            columns=", ".join(header)[:60],
        )
    if onset is None or end is None or tone is None:
        raise FullscoreError(
            "{path} has the columns {columns}",
            "notes need onset, offset and midi (or hz)",
            path=path,
            columns=", ".join(header)[:80],
        )
    hertz = None if bare[tone] in _EITHER else midi is None
    return _Columns((onset, end, tone), offset is None, hertz, first(_VELOCITY), first(_STEM))


def _words(name: str) -> list[str]:
    """What a column is called, without units: ``onset_s``, ``OnsetTime`` and ``onset (sec)`` are onset."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word and word not in _UNITS]
    return [bare for word in words if (bare := word.removesuffix("time"))] or words


def _columns_by_place(rows: list[list[str]], path: Path) -> _Columns:
    if max(len(row) for row in rows) < 3:
        raise FullscoreError(
            "{path} has rows with fewer than three values, as beats and pitch curves have",
            "notes need onset, offset and pitch",
            path=path,
        )
    values = np.array([numbers(row, (0, 1, 2), path, line) for line, row in enumerate(rows, 1)])
    durations = bool(values[:, 2].max() < LOWEST_PIANO_KEY <= values[:, 1].min())
    pitches = values[:, 1 if durations else 2]
    fractional = bool((pitches % 1).any())
    if fractional and pitches.max() <= HIGHEST_KEY:
        logger.warning(
            "%s has pitches of %g to %g, taken for Hz; if they are MIDI numbers, say so by a header: "
            "onset,offset,midi",
            path, pitches.min(), pitches.max(),
        )  # fmt: skip
    hz = True if fractional else None
    if durations:
        return _Columns((0, 2, 1), True, hz)
    return _Columns((0, 1, 2), False, hz, 3 if _loud(rows) else None)


def _loud(rows: list[list[str]]) -> bool:
    """Whether the fourth column holds velocities: whole numbers to 127 and not all 0 or 1."""
    column = [row[3] for row in rows if len(row) > 3]
    if len(column) < len(rows) or not all(re.fullmatch(r"\d{1,3}(\.0*)?", cell) for cell in column):
        return False
    return 1 < max(float(cell) for cell in column) <= HIGHEST_VELOCITY


def _velocities(values: Floats, path: Path) -> Floats:
    if ((values < 0) | (values > HIGHEST_VELOCITY)).any():
        raise FullscoreError(
            "{path} has a velocity that is not from 0 to {highest}",
            "mend it",
            path=path,
            highest=HIGHEST_VELOCITY,
        )
    return values


# Other files ------------------------------------------------------------------------------------


def _read_json(path: Path) -> NoteTable:
    content = read_json(path)
    if isinstance(content, dict) and "annotations" in content:
        return _read_jams(path)
    if not (isinstance(content, dict) and "notes" in content):
        raise FullscoreError(
            "{path} holds neither notes nor a JAMS annotation of them", "give another file", path=path
        )
    from transcription.notes_io import read_notes_json

    notes = read_notes_json(path)
    return _table(
        [(note.onset, note.offset) for note in notes],
        [note.pitch for note in notes],
        [note.stem for note in notes],
        [note.velocity for note in notes],
    )


def _read_jams(path: Path) -> NoteTable:
    """The first annotation's notes, and those of others where each names another source (a string)."""
    from fullscore.jams import read_all_jams

    annotations = read_all_jams(path, *NAMESPACES)
    sources = [annotation.source for annotation in annotations]
    parts = annotations if all(sources) and len(set(sources)) == len(sources) else annotations[:1]
    rows = sorted((row for part in parts for row in part.rows), key=lambda row: row.time)
    try:
        values = np.array([float(row.value) for row in rows], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FullscoreError(
            "{path} has a {namespace} that is not a number",
            "mend it",
            path=path,
            namespace=parts[0].namespace,
        ) from error
    return NoteTable(
        _intervals((row.time, row.time + row.duration) for row in rows),
        values if parts[0].namespace.endswith("_hz") else midi_to_hz(values),
    )


def _read_score(path: Path) -> NoteTable:
    from evaluation.scorefile import read_score
    from evaluation.scoremodel import unfold

    score = unfold(read_score(path))
    starts = [score.seconds(note.onset) for note in score.notes]
    return _table(
        [
            (start, start + GRACE if note.grace else score.seconds(note.end))
            for start, note in zip(starts, score.notes, strict=True)
        ],
        [note.pitch for note in score.notes],
        [score.parts[note.part].name if note.part < len(score.parts) else "" for note in score.notes],
    )


def _read_midi(path: Path) -> NoteTable:
    from transcription.midi import open_midi, stem_of

    notes = []
    for player in open_midi(path).instruments:
        stem = stem_of(player.name, -1, player.is_drum)
        if stem == "other":
            stem = player.name.strip() or stem_of("", player.program, False)
        notes += [(note, stem) for note in player.notes]
    return _table(
        [(note.start, note.end) for note, _ in notes],
        [note.pitch for note, _ in notes],
        [stem for _, stem in notes],
        [note.velocity for note, _ in notes],
    )


def _table(
    intervals: Iterable[tuple[float, float]],
    pitches: Iterable[int],
    stems: Iterable[str] = (),
    velocities: Iterable[int] | None = None,
) -> NoteTable:
    return NoteTable(
        _intervals(intervals),
        midi_to_hz(np.array(list(pitches), dtype=np.float64)),
        _names(stems),
        None if velocities is None else np.array(list(velocities), dtype=np.float64),
    )


def _intervals(intervals: Iterable[tuple[float, float]]) -> Floats:
    return np.array(list(intervals), dtype=np.float64).reshape(-1, 2)


def _names(stems: Iterable[str]) -> tuple[str, ...]:
    """Lower-case names, none at all where every one is empty."""
    names = tuple(stem.strip().lower() for stem in stems)
    return names if any(names) else ()


def midi_to_hz(pitches: Floats) -> Floats:
    return np.asarray(440.0 * 2.0 ** ((pitches - 69.0) / 12.0), dtype=np.float64)


def hz_to_midi(hz: Floats) -> Floats:
    """Continuous MIDI numbers."""
    return np.asarray(69.0 + 12.0 * np.log2(hz / 440.0), dtype=np.float64)
