"""A song in, its full score out: the stages in the order the data flows.

    audio ──> separation ──> notes ──> performance ──> beats ──> lyrics ──> score

What was corrected by hand before (``pipeline.corrections``) stays so: the performance is the notes heard with
their corrections, beats are counted as corrected, and corrected words go before those found.

Every stage keeps what it made in the song's folder (``pipeline.workspace``); a stage is done again
only when something it depends on has changed. Between stages only files are held, so that memory
is bounded by one stage's work. Which engine does what is settled before the stages run (``pipeline.plan``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullscore.errors import FullscoreError, Remedy, told
from pipeline.corrections import CORRECTIONS, Corrections, read_history
from pipeline.plan import check_means, plan_run
from pipeline.report import write_report
from pipeline.settings import Settings
from pipeline.songs import folder_names
from pipeline.stages.audio import checksum_of, look
from pipeline.stages.beats import count, find_beats
from pipeline.stages.lyrics import find_lyrics
from pipeline.stages.notes import hear
from pipeline.stages.performance import perform
from pipeline.stages.score import write_score
from pipeline.stages.separation import separate
from pipeline.workspace import StageProgress, Workspace

if TYPE_CHECKING:
    from music21.stream import Score
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class Transcription:
    """What a run made: the song's folder and its report (the contents of ``report.json``)."""

    folder: Path
    report: dict[str, Any]

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self.report["warnings"])

    @property
    def musicxml(self) -> Path:
        """The score's file."""
        return self.folder / "score.musicxml"

    @property
    def score(self) -> Score:
        """The score as music21 reads it."""
        from music21 import converter

        return converter.parse(self.musicxml)

    @property
    def notes(self) -> DataFrame:
        """The notes that count, a row each: stem, onset and offset (seconds), pitch (MIDI), velocity,
        confidence."""
        from pandas import DataFrame

        from transcription.notes_io import read_notes_json

        columns = ["stem", "onset", "offset", "pitch", "velocity", "confidence"]
        rows = read_notes_json(self.folder / "notes.json")
        return DataFrame([[getattr(note, name) for name in columns] for note in rows], columns=columns)

    def pages(self) -> list[str]:
        """The engraved pages, as SVG."""
        return [path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("score-*.svg"))]

    def show(self) -> None:
        """Show the engraved pages in a notebook. Raises FullscoreError where there is none."""
        try:
            from IPython.core.getipython import get_ipython
            from IPython.display import display
        except ImportError:
            notebook = None
        else:
            notebook = get_ipython()
        if notebook is None:
            raise FullscoreError(
                "there is no notebook here to show the score in",
                "open {pdf}",
                pdf=self.folder / "score.pdf",
            )
        display(self)

    def _repr_html_(self) -> str:
        """What a notebook shows of a transcription."""
        return "".join(f'<div style="background: white">{page}</div>' for page in self.pages())


def quiet(stage: str, fraction: float, message: str) -> None:
    """The stage progress that reports nothing."""


def transcribe(
    song: str | Path,
    out: str | Path,
    settings: Settings = Settings(),
    *,
    force: bool = False,
    name: str | None = None,
    called: str | None = None,
    progress: StageProgress = quiet,
) -> Transcription:
    """Transcribe ``song`` into ``out/<name>/`` and return what was made.

    ``name`` is the folder's name (default: the file's, without its suffix). ``called`` is what its user calls
    the file (default: its name); a song without tags has its title from it. What was corrected there by hand
    stays so; ``force`` does every stage again and forgets the corrections. ``progress`` is called with
    (stage, share done, message); raising from it cancels, and the next call goes on from the last finished
    stage.

    Raises FullscoreError when the song can't be transcribed: it says what was wrong, and how to mend it.
    """
    song = Path(song)
    checksum = checksum_of(song)
    check_means(settings)
    workspace = Workspace(Path(out) / (name or folder_names([song])[0]), force, progress)

    corrections = _corrected_before(workspace, checksum, force)

    known = Path(called or song.name)
    undecided = settings.separator == "auto" and settings.notes == "auto"
    source = look(workspace, song, known, checksum, for_piano=undecided)
    plan = plan_run(settings, source.solo_piano)
    stems = separate(workspace, song, plan.separator, settings)
    heard = hear(workspace, song, stems, plan, settings)
    notes = perform(workspace, heard, corrections)
    found = find_beats(workspace, song, heard, plan.tracker, settings)
    grid = count(workspace, song, heard, found, plan.tracker, settings, corrections)
    lyrics = find_lyrics(workspace, song, stems, heard, plan.lyricist, settings)
    write_score(workspace, source, notes, grid, lyrics, settings, corrections)

    if corrections.what:
        workspace.warn(
            told("corrected by hand before: {what}", Remedy("start over"), what=", ".join(corrections.what))
        )
    report = write_report(workspace, known, settings, corrections.as_object())
    return Transcription(workspace.folder, report)


def _corrected_before(workspace: Workspace, checksum: str, force: bool) -> Corrections:
    """What was corrected in the folder; with ``force``, or if it was another recording, that is forgotten."""
    if not force:
        history = read_history(workspace.folder)
        if history.song in ("", checksum):
            return history.now
        workspace.warn(told("corrections of another recording were in this folder: they were removed"))
    (workspace.folder / CORRECTIONS).unlink(missing_ok=True)
    return Corrections()
