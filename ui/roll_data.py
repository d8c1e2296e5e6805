"""The piano roll and the lyrics as the page shows them: heard notes over the sound they were heard in, words
with their times.

Task: give a browser the notes of a stem, a picture of the stem's sound whose rows are pitches, so that it
lies exactly under them, and the words as lines and sections.

Method: the spectrogram is a short-time Fourier transform in bands of an octave or two, at a sample rate and
window of their own, so that each resolves its semitones and no more (the constant-Q transform of Brown, 1991,
by octaves); the power of each pitch is interpolated between the frequencies around it. Levels are decibels
below the stem's loudest, raised with the pitch as music falls with it.

Conventions: times in seconds of the recording, pitches are MIDI numbers, A4 is 440 Hz. Row ``r`` of the
spectrogram is the pitch ``HIGHEST + (BINS - 1) / (2 * BINS) - r / BINS``: ``BINS`` rows a pitch, the middle
one in tune. Column ``c`` is the moment ``c / COLUMN_RATE``. Columns are cut into strips of at most ``STRIP``,
one below the other, because browsers can't show images of any width. A pixel is the level, as the opacity of
black: a page can paint it in a colour of its own.

Limits: low notes smear in time (up to 0.37 s to each side below C3). Drums have no pitch: their
sound is the same picture, under lanes of their own.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullscore.errors import FullscoreError
from fullscore.files import whole_file
from lyrics.layout import to_text
from lyrics.words import Line
from notation.instruments import voicing_of
from notation.percussion import sound_of
from pipeline.corrections import lyrics_from, read_history
from pipeline.workspace import STAGES_FOLDER, STEMS_FOLDER
from transcription.notes import Note
from transcription.notes_io import read_notes_json
from ui.score_data import is_uncertain
from ui.synth import VIEW_FOLDER
from ui.tracks import MIX

Samples = npt.NDArray[np.float32]
Levels = npt.NDArray[np.uint8]

LOWEST, HIGHEST = 21, 108  # pitches of the spectrogram: a piano's keys
BINS = 3  # rows a semitone
RATE = 11025  # Hz: of what the highest band is computed from
HOP = 384  # samples of it from column to column
COLUMN_RATE = RATE / HOP
STRIP = 4096  # columns
BANDS = ((21, 16, 512), (48, 4, 1024), (60, 4, 512), (72, 1, 1024), (84, 1, 512))
"""Of each band the lowest pitch, by what ``RATE`` is divided, and the window in samples of that."""
RANGE_DB = 60.0  # from nothing to the full level
TILT_DB = 3.0  # an octave by which higher pitches are raised
SHADES = 64  # a picture of more is twice as large and looks the same
BLOCK_S = 60  # of sound that are read at once
MARGIN_S = 1  # of sound to either side of it that the filters see
COLUMNS_AT_ONCE = 2048
QUIETEST = 1e-4  # amplitude: where a stem has nothing louder, it is silence
NOTHING = 1e-20  # power: that of digital silence

BEND_STEP_S = 0.04  # bends are thinned to this
STRAIGHT = 0.08  # semitones: bends that stay within are left out

_drawing = threading.Lock()


def roll(made: Path, stem: str) -> dict[str, Any]:
    """The notes of a stem, sorted by onset, as JSON.

    ``bends`` are semitones from the pitch at equal steps from onset to offset, [] where they hardly matter.
    ``lanes`` are the sounds of drums by pitch; it is None for what has pitches. ``beats`` are None until they
    are found. ``stem`` is what its notes are called: those of a recording that wasn't separated have the name
    of what is heard in it. Raises FullscoreError where the song's notes aren't there (yet).
    """
    try:
        found = read_notes_json(made / "notes.json")
    except FileNotFoundError as error:
        raise FullscoreError("the notes of this song aren't there (yet)") from error
    called = found[0].stem if stem == MIX and found else stem
    notes = [note for note in found if note.stem == called]
    pitches = sorted({note.pitch for note in notes})
    drums = called == "drums"
    return {
        "stem": called,
        "name": voicing_of(called).name,
        "duration": _duration(made, stem),
        "lowest": pitches[0] if pitches else None,
        "highest": pitches[-1] if pitches else None,
        "lanes": [{"pitch": pitch, "name": sound_of(pitch).name} for pitch in pitches] if drums else None,
        "notes": [
            {
                "onset": note.onset,
                "offset": note.offset,
                "pitch": note.pitch,
                "velocity": note.velocity,
                "confidence": round(note.confidence, 2),
                "uncertain": is_uncertain(note),
                "bends": thinned(note),
            }
            for note in notes
        ],
        "beats": _beats(made),
        "spectrogram": {
            "lowest": LOWEST,
            "highest": HIGHEST,
            "bins": BINS,
            "rate": COLUMN_RATE,
            "strip": STRIP,
            "columns": _columns(_duration(made, stem)),
        },
    }


def thinned(note: Note) -> list[float]:
    """The bends of a note, as many as can be seen."""
    if len(note.bends) < 2 or max(map(abs, note.bends)) < STRAIGHT:
        return []
    count = min(len(note.bends), max(2, round((note.offset - note.onset) / BEND_STEP_S) + 1))
    places = np.linspace(0, len(note.bends) - 1, count)
    bends: list[float] = np.interp(places, np.arange(len(note.bends)), note.bends).round(2).tolist()
    return bends


def spectrogram(made: Path, stem: str) -> bytes:
    """The sound of a stem as a PNG, laid out as above. Raises FullscoreError where it isn't there (yet).

    It is kept beside what else is for the page alone, until the stem changes.
    """
    source = _stem_file(made, stem)
    kept = source.stat()
    path = made / VIEW_FOLDER / f"spectrogram-{stem}-{kept.st_mtime_ns:x}-{kept.st_size:x}.png"
    with _drawing:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            for old in path.parent.glob(f"spectrogram-{stem}-*.png"):
                old.unlink(missing_ok=True)
            drawn = as_png(levels(sound_of_file(source)))
            with whole_file(path) as partial:
                partial.write_bytes(drawn)
    return path.read_bytes()


def lyrics(made: Path) -> dict[str, Any]:
    """The words with their times, as JSON, and as the sheet that can be edited (``text``).

    Raises FullscoreError where they haven't been looked for (yet).
    """
    words = read_history(made).now.words
    if words is None:
        words = lyrics_from(_record(made, "lyrics", "words"))
    return {
        "language": words.language,
        "text": to_text(words),
        "lines": [_line(line) for line in words.lines],
    }


def _line(line: Line) -> dict[str, Any]:
    words = []
    rest = line.text
    for word in line.words:  # Chinese and Japanese have no space between words
        rest = rest[len(word.text) :]
        times = {"onset": round(word.onset, 3), "offset": round(word.offset, 3)}
        words.append({"text": word.text, **times, "space": rest.startswith(" ")})
        rest = rest.removeprefix(" ")
    return {
        "starts_section": line.starts_section,
        "onset": words[0]["onset"],
        "offset": words[-1]["offset"],
        "words": words,
    }


# The spectrogram


def sound_of_file(path: Path) -> Samples:
    """A recording at ``RATE``, its channels mixed, shape (samples,); it is read a minute at a time."""
    import soundfile
    from scipy.signal import resample_poly

    pieces: list[Samples] = []
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        shared = gcd(rate, RATE)
        for start in range(0, file.frames, BLOCK_S * rate):
            before = min(start, MARGIN_S * rate)
            file.seek(start - before)
            block = file.read(before + (BLOCK_S + MARGIN_S) * rate, dtype="float32", always_2d=True)
            resampled = resample_poly(block.mean(axis=1), RATE // shared, rate // shared)
            own = resampled[before // rate * RATE :][: BLOCK_S * RATE]
            pieces.append(own.astype(np.float32))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def levels(sound: Samples) -> Levels:
    """The levels, 0 to 255, of a sound at ``RATE``: shape (rows, columns), the highest pitch first."""
    from scipy.signal import resample_poly

    count = _columns(len(sound) / RATE)
    pitches = LOWEST - (BINS - 1) / (2 * BINS) + np.arange((HIGHEST - LOWEST + 1) * BINS) / BINS
    decibels = np.zeros((count, len(pitches)), np.float32)
    ends = [*(np.searchsorted(pitches, lowest - 0.5) for lowest, _, _ in BANDS[1:]), len(pitches)]
    begins = [0, *ends]
    sounds = {1: sound}
    for divisor in (4, 16):
        sounds[divisor] = resample_poly(sounds[divisor // 4], 1, 4).astype(np.float32)
    for (_, divisor, window), begin, end in zip(BANDS, begins, ends, strict=False):
        rows = slice(begin, end)
        weights = _weights(pitches[rows], RATE / divisor, window)
        for start, power in _powers(sounds[divisor], HOP // divisor, window, count):
            level = 10 * np.log10(power @ weights + NOTHING) + TILT_DB * (pitches[rows] - LOWEST) / 12
            decibels[start : start + len(level), rows] = level
    full = max(float(decibels.max()), 20 * np.log10(QUIETEST))
    shares = np.clip(1 + (decibels - full) / RANGE_DB, 0, 1)
    step = 255 / (SHADES - 1)
    found: Levels = (np.round(shares * (SHADES - 1)) * step).astype(np.uint8)
    return found.T[::-1]


def as_png(found: Levels) -> bytes:
    """The levels as a PNG, its strips below each other."""
    from PIL import Image

    rows, count = found.shape
    strips = -(-count // STRIP)
    padded = np.zeros((rows, strips * STRIP if strips > 1 else count), np.uint8)
    padded[:, :count] = found
    stacked = np.concatenate(np.split(padded, strips, axis=1)) if strips > 1 else padded
    image = Image.fromarray(stacked, "P")
    image.putpalette(bytes(768))
    written = io.BytesIO()
    image.save(written, "PNG", transparency=bytes(range(256)), compress_level=6)
    return written.getvalue()


def _columns(duration: float) -> int:
    """How many columns a sound of so many seconds has."""
    return int(duration * COLUMN_RATE) + 1


def _powers(
    sound: Samples, hop: int, window: int, count: int
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """The first column, and the power at each frequency of it and the columns after it."""
    from scipy.fft import rfft
    from scipy.signal.windows import hann

    shape = hann(window, sym=False)
    shape = (2 * shape / shape.sum()).astype(np.float32)
    padded = np.zeros((count - 1) * hop + window, np.float32)
    own = sound[: len(padded) - window // 2]
    padded[window // 2 : window // 2 + len(own)] = own
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    for start in range(0, count, COLUMNS_AT_ONCE):
        spectrum = rfft(frames[start : start + COLUMNS_AT_ONCE] * shape, 2 * window)
        yield start, spectrum.real**2 + spectrum.imag**2


def _weights(pitches: npt.NDArray[np.float64], rate: float, window: int) -> npt.NDArray[np.float32]:
    """What share each frequency (rows) has in each pitch (columns): a triangle as wide as the pitches are
    apart, or the frequencies if that is more."""
    frequencies = np.arange(window + 1) * rate / (2 * window)
    centres = 440.0 * 2 ** ((pitches - 69) / 12)
    width = np.maximum(centres * (2 ** (1 / (12 * BINS)) - 1), rate / (2 * window))
    weights = np.clip(1 - np.abs(frequencies[:, None] - centres) / width, 0, None)
    shares: npt.NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return shares


# What a run left


def _stem_file(made: Path, stem: str) -> Path:
    path = made / STEMS_FOLDER / f"{stem}.flac"
    if not path.is_file():
        raise FullscoreError("this song has no stem '{stem}' (yet)", stem=stem)
    return path


def _duration(made: Path, stem: str) -> float:
    import soundfile

    return float(soundfile.info(_stem_file(made, stem)).duration)


def _beats(made: Path) -> dict[str, Any] | None:
    """The beats of the score; of a run that goes on, those found so far."""
    try:
        report = json.loads((made / "report.json").read_text(encoding="utf-8"))
        found: dict[str, Any] = report["beats"]
    except FileNotFoundError:
        try:
            found = _record(made, "beats", "beats")
        except FullscoreError:
            return None
    return {"times": [round(time, 3) for time in found["times"]], "numbers": list(found["numbers"])}


def _record(made: Path, stage: str, what: str) -> dict[str, Any]:
    """What a stage found. Raises FullscoreError where it hasn't been done (yet)."""
    try:
        record = json.loads((made / STAGES_FOLDER / f"{stage}.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FullscoreError("the {what} of this song aren't there (yet)", what=what) from error
    result: dict[str, Any] = record["result"]
    return result
