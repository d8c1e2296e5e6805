"""The notes that count: those heard, with the corrections that were made to them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fullscore.errors import told
from pipeline.corrections import Corrections, edited
from pipeline.workspace import StageWork, Workspace
from transcription.notes import Note


def perform(workspace: Workspace, heard: tuple[Note, ...], corrections: Corrections) -> tuple[Note, ...]:
    """The corrected notes."""
    notes, impossible = edited(heard, corrections.notes)

    def work(job: StageWork) -> dict[str, Any]:
        from notation.export import write_performance
        from transcription.notes_io import write_notes_json

        if impossible:
            job.warn(
                told(
                    "{count} corrected notes are not among those heard now: they were left out",
                    count=len(impossible),
                )
            )
        write_notes_json(notes, job.file("notes.json"))
        write_performance(notes, job.file("performance.mid"))
        return {"notes": len(notes)}

    inputs = {"edits": [asdict(edit) for edit in corrections.notes]}
    workspace.stage("performance", work, after=["notes"], inputs=inputs)
    return notes
