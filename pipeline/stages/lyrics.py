"""The words: the user's own, aligned to the voice, or what an engine hears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullscore.errors import ignore
from lyrics.words import Lyrics
from pipeline.corrections import lyrics_from
from pipeline.plan import NOTHING, Choice, make_engine, text_of
from pipeline.settings import Settings
from pipeline.stages import MIX, PIANO, VOICE
from pipeline.stages.separation import StemFiles
from pipeline.workspace import StageWork, Workspace
from transcription.notes import Note

if TYPE_CHECKING:
    from lyrics.layout import SheetLine

STAGE = "lyrics"

WHISPER_RATE = 16000  # Hz


def find_lyrics(
    workspace: Workspace,
    song: Path,
    stems: StemFiles,
    notes: tuple[Note, ...],
    choice: Choice,
    settings: Settings,
) -> Lyrics:
    """The words with the times in which they are sung. Where nobody sings, nothing is listened for, unless an
    engine was asked for by name."""
    if settings.lyrics == "auto" and not _sung(notes, stems):
        choice = Choice(NOTHING)
    choice = choice.ready(settings, workspace.reporter(STAGE))

    def work(job: StageWork) -> dict[str, Any]:
        from separation.audio import decode

        choice.tell(job.warn)
        if choice.file is not None:
            from lyrics.layout import read_sheet

            job.progress(0.0, "aligning the words")
            sheet = read_sheet(choice.file)
            return asdict(align_words(song, stems, notes, sheet, settings.language))
        if choice.spec is None:
            return asdict(Lyrics())
        engine = make_engine(choice, settings)
        voice = decode(_voice(stems), WHISPER_RATE, channels=1)
        return asdict(engine(voice, settings.language, job.progress))

    sheet = text_of(choice.file) if choice.file else None
    inputs = {**choice.inputs(settings), "sheet": sheet, "language": settings.language}
    found = workspace.stage(STAGE, work, after=["notes"], inputs=inputs, engines=choice.modules)
    return lyrics_from(found)


def align_words(
    song: Path,
    stems: StemFiles,
    notes: tuple[Note, ...],
    sheet: Sequence[SheetLine],
    language: str | None,
) -> Lyrics:
    """The words of a sheet at the times in which they are sung."""
    from lyrics.alignment import align
    from separation.audio import decode

    if stems.bleed:
        # Such a voice, or its notes, mislead more than they help (benchmarks/alignment.py).
        return align(sheet, (), decode(song, warn=ignore), language)
    return align(sheet, _sung(notes, stems), decode(_voice(stems)), language)


def _voice(stems: StemFiles) -> Path:
    """The stem in which the voice is."""
    return stems.by_name[VOICE if VOICE in stems.by_name else MIX]


def _sung(notes: tuple[Note, ...], stems: StemFiles) -> tuple[Note, ...]:
    """The notes of the voice. Where it has no stem of its own, they are among those of the mix."""
    voice = {VOICE} if VOICE in stems.by_name else {VOICE, MIX, PIANO}
    return tuple(note for note in notes if note.stem in voice)
