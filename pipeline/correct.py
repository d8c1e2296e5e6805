"""Correct a finished run: only what follows from the change is made again.

The stages before it are taken as they were left, whatever has become of weights and settings since; what is
made anew is drafted beside the folder and put in place when all of it is there (``pipeline.workspace``), the
corrections with it. So a correction that fails, is cancelled or killed changes nothing.

The recording itself is needed only where sound has to be heard again: for beats at a tempo that those found
can't be counted at, and for new words where the voice has no stem that is clean.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fullscore.errors import FullscoreError
from lyrics.words import Lyrics
from pipeline.corrections import (
    Corrections,
    History,
    NoteEdit,
    edited,
    lyrics_from,
    read_history,
    write_history,
)
from pipeline.plan import choose_tracker
from pipeline.report import stored_grid, write_report
from pipeline.settings import settings_from
from pipeline.stages.audio import Source, checksum_of
from pipeline.stages.beats import count
from pipeline.stages.lyrics import align_words
from pipeline.stages.notes import heard_notes
from pipeline.stages.performance import perform
from pipeline.stages.score import write_score
from pipeline.stages.separation import stem_files
from pipeline.transcribe import Transcription, quiet
from pipeline.workspace import StageProgress, Workspace, settle

MOST_LETTERS = 200_000  # of lyrics, as in a file of them
UNREAD = "drums"  # the stem whose staff has no clef to choose and no octave

_locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
"""Of each song's folder: its corrections are made one after the other."""


def history(folder: Path) -> History:
    """What was corrected in a song's folder, and what can be undone and redone.

    Raises FullscoreError where no run was finished.
    """
    _report_of(folder)
    lock = _locks[folder.resolve()]
    if lock.acquire(blocking=False):  # else a correction is being made: what holds is what was before it
        try:
            settle(folder)
        finally:
            lock.release()
    return read_history(folder)


def correct(
    folder: str | Path, song: str | Path, corrections: Corrections, progress: StageProgress = quiet
) -> Transcription:
    """Let ``corrections`` hold in a song's folder: all of them, for they replace those made before.

    ``song`` is the recording. Raises FullscoreError for what can't be, and where no run was finished.
    """
    return _change(folder, song, progress, lambda run: run.history.then(corrections))


def correct_words(
    folder: str | Path, song: str | Path, text: str, *, again: bool = False, progress: StageProgress = quiet
) -> Transcription:
    """Replace the words by ``text``: one sung line a row, a blank row before each section.

    Words that were there, if in another spelling or line, keep their times; with more words in the text, or
    with ``again``, all are aligned to the voice. A text without words removes them.
    """

    def change(run: _Run) -> History:
        return run.history.then(replace(run.history.now, words=run.words(text, again)))

    return _change(folder, song, progress, change)


def undo(folder: str | Path, song: str | Path, progress: StageProgress = quiet) -> Transcription:
    """Take the last correction back. Raises FullscoreError if there is none."""
    return _change(folder, song, progress, lambda run: run.history.back())


def redo(folder: str | Path, song: str | Path, progress: StageProgress = quiet) -> Transcription:
    """Make the correction again that was undone last. Raises FullscoreError if there is none."""
    return _change(folder, song, progress, lambda run: run.history.forth())


def _change(
    folder: str | Path, song: str | Path, progress: StageProgress, change: Callable[[_Run], History]
) -> Transcription:
    folder, song = Path(folder), Path(song)
    _report_of(folder)
    with _locks[folder.resolve()]:
        try:
            run = _Run(folder, song, progress)
            made = change(run)
            run.check(made.now)
            return run.finish(made)
        except BaseException:
            settle(folder)
            raise


class _Run:
    """What a finished run left, and the draft of what becomes of it."""

    def __init__(self, folder: Path, song: Path, progress: StageProgress) -> None:
        self._song = song
        self._report = _report_of(folder)
        self._workspace = Workspace(folder, False, progress, draft=True)
        recall = self._workspace.recall
        self._source = Source(**recall("audio"))
        self._stems = stem_files(self._workspace, recall("separation"))
        self._parts = tuple(recall("notes"))
        self._heard = heard_notes(self._workspace)
        self._grid = stored_grid(recall("beats"))
        self._lyrics = lyrics_from(recall("lyrics"))
        checksum = self._workspace.records["audio"].inputs["song"]
        if song.is_file() and checksum_of(song) != checksum:
            raise FullscoreError(
                "{song} is not the recording that {folder} was made from",
                "give that one",
                song=song,
                folder=folder,
            )
        self.history = replace(read_history(folder), song=checksum)

    def words(self, text: str, again: bool) -> Lyrics:
        """The words of ``text`` with times."""
        from lyrics.layout import parse_text
        from lyrics.rewording import reworded

        if len(text) > MOST_LETTERS:
            raise FullscoreError(
                "these lyrics have {letters} letters",
                "give at most {most}",
                letters=len(text),
                most=MOST_LETTERS,
            )
        sheet = parse_text(text)
        now = self.history.now
        kept = None if again and sheet else reworded(now.words or self._lyrics, sheet)
        if kept is not None:
            return kept
        self._workspace.reporter("lyrics")(0.0, "aligning the words")
        notes, _ = edited(self._heard, now.notes)
        language = self._report["settings"]["language"]
        return align_words(self._song, self._stems, notes, sheet, language)

    def check(self, corrections: Corrections) -> None:
        """Raise FullscoreError where the song has no such part, or not that note."""
        for edit in (*corrections.parts, *corrections.notes):
            if edit.stem not in self._parts:
                known = ", ".join(self._parts)
                raise FullscoreError(
                    "the song has no part '{stem}'", "it has: {known}", stem=edit.stem, known=known
                )
        if any(part.stem == UNREAD for part in corrections.parts):
            raise FullscoreError("the drums have neither clef nor octave", "choose another part")
        for edit in corrections.notes:
            if isinstance(edit, NoteEdit) and (edit.offset or edit.onset) > self._source.duration:
                raise FullscoreError(
                    "the recording ends at {duration:.2f} s, before {edit}",
                    duration=self._source.duration,
                    edit=edit,
                )
        _, impossible = edited(self._heard, corrections.notes)
        _, before = edited(self._heard, self.history.now.notes)
        for edit in impossible:
            if edit not in before:
                raise FullscoreError(
                    "this can't be corrected: {edit} (no such note is there, or what it would become is)",
                    edit=edit,
                )

    def finish(self, made: History) -> Transcription:
        """Make what follows from the corrections that hold in ``made``, and put all of it in place."""
        workspace, corrections, settings = self._workspace, made.now, settings_from(self._report["settings"])
        notes = perform(workspace, self._heard, corrections)
        tracker = choose_tracker(settings)
        grid = count(workspace, self._song, self._heard, self._grid, tracker, settings, corrections)
        write_score(workspace, self._source, notes, grid, self._lyrics, settings, corrections)
        write_history(made, workspace.drafted)
        named = Path(self._report["song"]["file"])
        report = write_report(workspace, named, settings, corrections.as_object())
        workspace.put_in_place()
        return Transcription(workspace.folder, report)


def _report_of(folder: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FullscoreError(
            "no finished run is in {folder}", "transcribe the song first", folder=folder
        ) from error
    return report
