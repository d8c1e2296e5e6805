"""Beats, bars and meter: found in the recording and its notes, or given; then counted as corrected."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from fullscore.engines import Progress
from fullscore.errors import ignore, told
from pipeline.corrections import Corrections
from pipeline.plan import Choice, make_engine
from pipeline.report import stored_grid
from pipeline.settings import Settings
from pipeline.stages import VOICE
from pipeline.workspace import StageWork, Workspace
from transcription.beatgrid import BeatGrid, BeatHints
from transcription.notes import Note

STAGE = "beats"

SAMPLE_RATE = 22050  # Hz: beats are heard well below its half


def find_beats(
    workspace: Workspace, song: Path, notes: tuple[Note, ...], choice: Choice, settings: Settings
) -> BeatGrid:
    """The beats by the engine chosen, or from the user's own file."""
    choice = choice.ready(settings, workspace.reporter(STAGE))
    hints = BeatHints(settings.tempo, settings.time_signature)

    def work(job: StageWork) -> dict[str, Any]:
        choice.tell(job.warn)
        return asdict(_beats(song, notes, choice, hints, settings, job.progress))

    signature = settings.time_signature and str(settings.time_signature)
    given = choice.file.read_bytes().hex() if choice.file else None
    inputs = {
        **choice.inputs(settings), "tempo": settings.tempo, "time_signature": signature, "given": given
    }  # fmt: skip
    found = workspace.stage(STAGE, work, after=["notes"], inputs=inputs, engines=choice.modules)
    return stored_grid(found)


def count(
    workspace: Workspace,
    song: Path,
    notes: tuple[Note, ...],
    grid: BeatGrid,
    choice: Choice,
    settings: Settings,
    corrections: Corrections,
) -> BeatGrid:
    """The beats as they are counted: at the tempo and in the meter that were corrected, if any was."""
    tempo, meter = corrections.tempo, corrections.time_signature
    if tempo is None and meter is None:
        return grid

    def work(job: StageWork) -> dict[str, Any]:
        from transcription.beats.recount import counted_anew

        counted = counted_anew(grid, _steady(notes), tempo, meter)
        if counted is None:
            job.progress(0.1, "looking for beats at another tempo")
            hints = BeatHints(tempo, meter or settings.time_signature)
            found = _beats(song, notes, choice.ready(settings, job.progress), hints, settings, job.progress)
            counted = counted_anew(found, _steady(notes), tempo, meter)
            if counted is None:
                job.warn(
                    told("no beats were found at {tempo:g} a minute: these are the nearest", tempo=tempo)
                )
                counted = found
        if counted == grid:
            job.warn(
                told(
                    "the beats found are those meant: they go at {tempo:.0f} a minute on the whole",
                    tempo=grid.tempo,
                )
            )
        return asdict(counted)

    inputs = {"tempo": tempo, "time_signature": meter and str(meter)}
    return stored_grid(
        workspace.stage("counting", work, after=["beats"], inputs=inputs, engines=choice.modules)
    )


def _beats(
    song: Path,
    notes: tuple[Note, ...],
    choice: Choice,
    hints: BeatHints,
    settings: Settings,
    progress: Progress,
) -> BeatGrid:
    from separation.audio import decode

    if choice.file is not None:
        from pipeline.notate import read_grid

        return read_grid(choice.file, hints.time_signature)
    audio = decode(song, SAMPLE_RATE, channels=1, warn=ignore)
    grid: BeatGrid = make_engine(choice, settings)(_steady(notes), audio, hints, progress)
    return grid


def _steady(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """The notes that keep the beat: a voice sings around it, and what is heard of it is the least sure."""
    return tuple(note for note in notes if note.stem != VOICE) or notes
