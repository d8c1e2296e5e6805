"""Performed MIDI in, a score out: the command ``fullscore notate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from fullscore.engines import silent
from fullscore.errors import FullscoreError, Remedy
from pipeline.plan import choose_tracker, make_engine
from pipeline.settings import Settings
from transcription.beatgrid import BeatGrid, BeatHints, TimeSignature
from transcription.midi import Performance, read_performance
from transcription.notes import Note

if TYPE_CHECKING:
    from notation.page import NotatedScore

SCORE_SUFFIXES = (".musicxml", ".xml", ".mxl", ".mid", ".pdf")
LONGEST_WAIT_S = 1800.0  # from one onset to the next: beyond it there are two performances in one file
LONGEST_S = 6 * 3600.0
SHORTEST_BEAT_S = 0.05  # nobody counts faster


@dataclass(frozen=True, slots=True)
class NotatedPerformance:
    """A score made of a performance, the beats that it was written by, and the performance's seconds."""

    score: NotatedScore
    grid: BeatGrid
    duration: float


def notate_file(midi: str | Path, score: str | Path, settings: Settings = Settings()) -> NotatedPerformance:
    """Write the performance ``midi`` as ``score``, in the format that its suffix says; what was written.

    Beats are found from the notes, unless the file was made from a score and states its bars, or the settings
    name a file of beats. What the settings say of beats, tempo, time signature, key, pick-up, chords and
    simplicity wins over what the file states; the others need a recording. Raises FullscoreError.
    """
    midi, score = Path(midi), Path(score)
    if score.suffix.lower() not in SCORE_SUFFIXES:
        raise FullscoreError(
            "'{score}' is no score: call it {suffixes} or {last}",
            score=score,
            suffixes=", ".join(SCORE_SUFFIXES[:-1]),
            last=SCORE_SUFFIXES[-1],
        )
    if score.exists() and midi.exists() and score.samefile(midi):
        raise FullscoreError("the score would take the place of {midi}", Remedy("choose output"), midi=midi)
    from lyrics.sung_text import lyrics_of
    from notation.export import write_score
    from notation.notate import NotationSettings, notate
    from notation.spelling import parse_key

    tempo, signature, pick_up = settings.tempo, settings.time_signature, settings.pick_up_beats
    performance = read_performance(midi)
    check_length(performance.notes, midi)
    stated = None
    choice = choose_tracker(settings)
    if choice.file is not None:
        grid = read_grid(choice.file, signature)
    elif performance.score is not None:
        performance, grid = stated_grid(performance, tempo, signature, pick_up)
        stated = performance.score
    else:
        tracker = make_engine(choice.ready(settings, silent), settings)
        grid = tracker(performance.notes, hints=BeatHints(tempo, signature))
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
        raise FullscoreError(
            "can't write {score} ({reason})", Remedy("choose output"), score=score, reason=error.strerror
        ) from error
    return NotatedPerformance(written, grid, max(note.offset for note in performance.notes))


def stated_grid(
    performance: Performance,
    tempo: float | None = None,
    time_signature: TimeSignature | None = None,
    pick_up: Fraction | None = None,
) -> tuple[Performance, BeatGrid]:
    """A performance made from a score, with what is given in place of what it states, and its beats."""
    from notation.stated import beat_grid, ends_early, states_pick_up, with_meter, with_tempo
    from transcription.beats.downbeats import find_downbeats
    from transcription.beats.joint import track_beats

    assert performance.score is not None
    counted = heard = None
    if not performance.score.meters:
        counted = track_beats(performance.notes, hints=BeatHints(time_signature=time_signature))
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
            "a pick-up of {pick_up} beats can't be written", "give beats such as 1 or 1/2", pick_up=pick_up
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
                "nothing begins in {midi} for {minutes:.0f} minutes after {before:.0f} s",
                "cut it there and write each part by itself",
                midi=midi,
                minutes=(after - before) / 60,
                before=before,
            )
    end = max(note.offset for note in notes)
    if end > LONGEST_S:
        raise FullscoreError(
            "{midi} lasts {hours:.0f} hours, but a score has {most:.0f} at most",
            "see whether its tempo is right, or cut it into pieces",
            midi=midi,
            hours=end / 3600,
            most=LONGEST_S / 3600,
        )


def read_grid(path: Path, time_signature: TimeSignature | None = None) -> BeatGrid:
    """A beat grid from a file of beats; beats that aren't numbered are counted from the first one."""
    from transcription.beat_files import read_beats

    table = read_beats(path)
    if not len(table.times):
        raise FullscoreError(
            "there are no beats in {path}", "give a file with one beat a line, in seconds", path=path
        )
    numbers = table.numbers
    if numbers is None:
        bar = (time_signature or TimeSignature()).beats_per_bar
        numbers = tuple(index % bar + 1 for index in range(len(table.times)))
    times = tuple(table.times.tolist())
    if max(map(abs, times)) > LONGEST_S:
        raise FullscoreError("the beats in {path} are hours away", "give their times in seconds", path=path)
    if min((after - before for before, after in pairwise(times)), default=SHORTEST_BEAT_S) < SHORTEST_BEAT_S:
        raise FullscoreError(
            "beats in {path} are less than {least:g} s apart",
            "give their times in seconds",
            path=path,
            least=SHORTEST_BEAT_S,
        )
    try:
        return BeatGrid(times, numbers, time_signature or TimeSignature(max(numbers), 4))
    except ValueError as error:
        raise FullscoreError("the beats in {path} can't be used: {error}", path=path, error=error) from error
