"""Performed MIDI in, a score out: the command ``fullscore notate``."""

from __future__ import annotations

from pathlib import Path

from separation.engines import FullscoreError
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.midi import read_midi

SCORE_SUFFIXES = (".musicxml", ".xml")


def notate_file(
    midi: Path,
    score: Path,
    beats: Path | None = None,
    tempo: float | None = None,
    time_signature: TimeSignature | None = None,
    key: str | None = None,
) -> None:
    """Write the performance ``midi`` as the MusicXML file ``score``.

    ``beats`` is a file of beat times in seconds, one a line, each perhaps with its number in the bar;
    without it beats are found from the notes. Raises FullscoreError.
    """
    if score.suffix.lower() not in SCORE_SUFFIXES:
        raise FullscoreError(f"a score is written as MusicXML, but '{score}' is not called .musicxml or .xml")
    from notation.export import write_musicxml
    from notation.notate import NotationSettings, notate
    from notation.spelling import parse_key
    from transcription.beats import BeatSettings, track_beats

    notes = read_midi(midi)
    if beats is not None:
        grid = read_grid(beats, time_signature)
    else:
        grid = track_beats(notes, settings=BeatSettings(tempo=tempo, time_signature=time_signature))
    settings = NotationSettings(key=parse_key(key) if key else None)
    try:
        write_musicxml(notate(notes, grid, settings=settings, title=midi.stem), score)
    except OSError as error:
        raise FullscoreError(f"can't write {score} ({error.strerror}): choose another with -o") from error


def read_grid(path: Path, time_signature: TimeSignature | None = None) -> BeatGrid:
    """A beat grid from a file of beats; beats that aren't numbered are counted from the first one."""
    from evaluation.beats import read_beats

    table = read_beats(path)
    if not len(table.times):
        raise FullscoreError(f"there are no beats in {path}; give a file with one beat a line, in seconds")
    numbers = table.numbers
    if numbers is None:
        bar = (time_signature or TimeSignature()).beats_per_bar
        numbers = tuple(index % bar + 1 for index in range(len(table.times)))
    try:
        return BeatGrid(
            tuple(table.times.tolist()), numbers, time_signature or TimeSignature(max(numbers), 4)
        )
    except ValueError as error:
        raise FullscoreError(f"the beats in {path} can't be used: {error}") from error
