"""Performed MIDI in, a score out: the command ``fullscore notate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from fullscore.errors import FullscoreError
from pipeline.settings import Settings
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.midi import Performance, read_performance
from transcription.notes import Note

if TYPE_CHECKING:
    from notation.page import NotatedScore

SCORE_SUFFIXES = (".musicxml", ".xml", ".mxl", ".mid", ".pdf")
LONGEST_WAIT_S = 1800.0  # from one onset to the next: beyond it there are two performances in one file
LONGEST_S = 6 * 3600.0
SHORTEST_BEAT_S = 0.05  # nobody counts faster


@dataclass(frozen=True, slots=True)
class Notated:
    """A score made of a performance, the beats that it was written by, and the performance's seconds."""

    score: NotatedScore
    grid: BeatGrid
    duration: float


def notate_file(
    midi: Path, score: Path, beats: Path | None = None, settings: Settings = Settings()
) -> Notated:
    """Write the performance ``midi`` as ``score``, in the format that its suffix says; what was written.

    ``beats`` is a file of beat times in seconds, one a line, each perhaps with its number in the bar;
    without it beats are found from the notes, unless the file was made from a score and states its
    bars. What the settings say of tempo, time signature, key, pick-up, chords and simplicity wins over
    what the file states; the others need a recording. Raises FullscoreError.
    """
    if score.suffix.lower() not in SCORE_SUFFIXES:
        raise FullscoreError(
            f"'{score}' is no score: call it {', '.join(SCORE_SUFFIXES[:-1])} or {SCORE_SUFFIXES[-1]}"
        )
    if score.exists() and midi.exists() and score.samefile(midi):
        raise FullscoreError(f"the score would take the place of {midi}; choose another with -o")
    from lyrics.sung_text import lyrics_of
    from notation.export import write_score
    from notation.notate import NotationSettings, notate
    from notation.spelling import parse_key
    from transcription.beats.joint import BeatSettings, track_beats

    tempo, signature, pick_up = settings.tempo, settings.time_signature, settings.pick_up_beats
    performance = read_performance(midi)
    check_length(performance.notes, midi)
    stated = None
    if beats is not None:
        grid = read_grid(beats, signature)
    elif performance.score is not None:
        performance, grid = stated_grid(performance, tempo, signature, pick_up)
        stated = performance.score
    else:
        grid = track_beats(performance.notes, settings=BeatSettings(tempo=tempo, time_signature=signature))
    lyrics, track = lyrics_of(performance.texts, performance.notes)
    key = parse_key(settings.key) if settings.key else None
    chosen = NotationSettings(key, settings.chords, pick_up, settings.simplify)
    written = notate(
        performance.notes,
        grid,
        settings=chosen,
        title=performance.title or midi.stem,
        pedals=[(pedal.onset, pedal.offset) for pedal in performance.pedals],
        stated=stated,
        tracks=performance.tracks,
        lyrics=lyrics,
        singer=performance.tracks[track].stem if lyrics.lines else "vocals",
    )
    try:
        write_score(written, score)
    except OSError as error:
        raise FullscoreError(f"can't write {score} ({error.strerror}): choose another with -o") from error
    return Notated(written, grid, max(note.offset for note in performance.notes))


def stated_grid(
    performance: Performance,
    tempo: float | None = None,
    time_signature: TimeSignature | None = None,
    pick_up: Fraction | None = None,
) -> tuple[Performance, BeatGrid]:
    """A performance made from a score, with what is given in place of what it states, and its beats."""
    from notation.stated import beat_grid, ends_early, states_pick_up, with_meter, with_tempo
    from transcription.beats.downbeats import find_downbeats
    from transcription.beats.joint import BeatSettings, track_beats

    assert performance.score is not None
    counted = heard = None
    if not performance.score.meters:
        counted = track_beats(performance.notes, settings=BeatSettings(time_signature=time_signature))
    told = states_pick_up(performance.score) or (
        counted is None and ends_early(performance.score, performance.notes)
    )
    if pick_up is None and not told:
        heard = find_downbeats(performance.notes)
    try:
        score = with_meter(performance.score, performance.notes, counted, time_signature, pick_up, heard)
    except ValueError as error:
        if pick_up is None:
            raise
        raise FullscoreError(
            f"a pick-up of {pick_up} beats can't be written: give beats such as 1 or 1/2"
        ) from error
    performance = replace(performance, score=score)
    if tempo is not None:
        performance = with_tempo(performance, tempo)
    assert performance.score is not None
    return performance, beat_grid(performance.score, performance.notes)


def check_length(notes: Sequence[Note], midi: Path) -> None:
    """Raise FullscoreError where nobody can have played that long, or have waited that long."""
    for before, after in pairwise(sorted(note.onset for note in notes)):
        if after - before > LONGEST_WAIT_S:
            raise FullscoreError(
                f"nothing begins in {midi} for {(after - before) / 60:.0f} minutes after {before:.0f} s: "
                "cut it there and write each part by itself"
            )
    end = max(note.offset for note in notes)
    if end > LONGEST_S:
        raise FullscoreError(
            f"{midi} lasts {end / 3600:.0f} hours, but a score has {LONGEST_S / 3600:.0f} at most; "
            "see whether its tempo is right, or cut it into pieces"
        )


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
    times = tuple(table.times.tolist())
    if max(map(abs, times)) > LONGEST_S:
        raise FullscoreError(f"the beats in {path} are hours away; give their times in seconds")
    if min((after - before for before, after in pairwise(times)), default=SHORTEST_BEAT_S) < SHORTEST_BEAT_S:
        raise FullscoreError(
            f"beats in {path} are less than {SHORTEST_BEAT_S:g} s apart; give their times in seconds"
        )
    try:
        return BeatGrid(times, numbers, time_signature or TimeSignature(max(numbers), 4))
    except ValueError as error:
        raise FullscoreError(f"the beats in {path} can't be used: {error}") from error
