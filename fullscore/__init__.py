"""Fullscore: a song in, its full score out.

    import fullscore

    made = fullscore.transcribe("song.mp3", "out", fullscore.Settings(key="G major"))
    made.score                                  # a music21 score
    made.notes                                  # a table of the notes heard
    fullscore.correct(made.folder, "song.mp3", fullscore.Corrections(key="E minor"))
    fullscore.notate("performance.mid", "score.musicxml")
    fullscore.evaluate("notes", "reference.mid", made.folder)

Each stage is usable alone (docs/python.md has the ladders): ``read_audio`` gives arrays, ``engine`` any
engine by name; ``separate_to_files``, ``hear_file``, ``track_file``, ``align_words`` and ``write_score`` take
and leave files. Names are imported when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullscore.errors import FullscoreError

if TYPE_CHECKING:
    from evaluation.report import evaluate as evaluate
    from fullscore.errors import Message as Message
    from lyrics.alignment import align as align_words
    from lyrics.layout import read_sheet as read_lyrics
    from lyrics.words import Line as Line
    from lyrics.words import Lyrics as Lyrics
    from lyrics.words import Syllable as Syllable
    from lyrics.words import Word as Word
    from notation.export import music21_stream as music21_stream
    from notation.export import write_score as write_score
    from notation.notate import NotationSettings as NotationSettings
    from notation.notate import notate as notate_notes
    from notation.page import NotatedScore as NotatedScore
    from pipeline.correct import correct as correct
    from pipeline.correct import redo as redo
    from pipeline.correct import undo as undo
    from pipeline.corrections import Corrections as Corrections
    from pipeline.corrections import NoteEdit as NoteEdit
    from pipeline.corrections import OctaveEdit as OctaveEdit
    from pipeline.corrections import PartEdit as PartEdit
    from pipeline.notate import notate_file as notate
    from pipeline.plan import load_engine as engine
    from pipeline.settings import Settings as Settings
    from pipeline.transcribe import Transcription as Transcription
    from pipeline.transcribe import transcribe as transcribe
    from separation.audio import Audio as Audio
    from separation.audio import decode as read_audio
    from separation.audio import write_flac as write_audio
    from separation.stems import Stems as Stems
    from separation.stems import separate_to_files as separate_to_files
    from transcription.beatgrid import BeatGrid as BeatGrid
    from transcription.beatgrid import BeatHints as BeatHints
    from transcription.beatgrid import TimeSignature as TimeSignature
    from transcription.files import hear_file as hear_file
    from transcription.files import track_file as track_file
    from transcription.files import write_beats as write_beats
    from transcription.files import write_notes as write_notes
    from transcription.notes import Note as Note

_PLACES = {
    "pipeline.transcribe": ("transcribe", "Transcription"),
    "pipeline.settings": ("Settings",),
    "pipeline.notate": ("notate=notate_file",),
    "pipeline.correct": ("correct", "undo", "redo"),
    "pipeline.corrections": ("Corrections", "NoteEdit", "OctaveEdit", "PartEdit"),
    "pipeline.plan": ("engine=load_engine",),
    "evaluation.report": ("evaluate",),
    "notation.notate": ("notate_notes=notate", "NotationSettings"),
    "notation.export": ("write_score", "music21_stream"),
    "notation.page": ("NotatedScore",),
    "lyrics.alignment": ("align_words=align",),
    "lyrics.layout": ("read_lyrics=read_sheet",),
    "lyrics.words": ("Lyrics", "Line", "Word", "Syllable"),
    "transcription.files": ("hear_file", "track_file", "write_notes", "write_beats"),
    "transcription.beatgrid": ("BeatGrid", "BeatHints", "TimeSignature"),
    "transcription.notes": ("Note",),
    "separation.audio": ("Audio", "read_audio=decode", "write_audio=write_flac"),
    "separation.stems": ("Stems", "separate_to_files"),
    "fullscore.errors": ("Message",),
}
"""Where each name of the API is, and what it is called there if otherwise."""

_WHERE = {
    name.partition("=")[0]: (module, name.partition("=")[2] or name)
    for module, names in _PLACES.items()
    for name in names
}

__all__ = [
    "Audio",
    "BeatGrid",
    "BeatHints",
    "Corrections",
    "FullscoreError",
    "Line",
    "Lyrics",
    "Message",
    "NotatedScore",
    "NotationSettings",
    "Note",
    "NoteEdit",
    "OctaveEdit",
    "PartEdit",
    "Settings",
    "Stems",
    "Syllable",
    "TimeSignature",
    "Transcription",
    "Word",
    "align_words",
    "correct",
    "engine",
    "evaluate",
    "hear_file",
    "music21_stream",
    "notate",
    "notate_notes",
    "read_audio",
    "read_lyrics",
    "redo",
    "separate_to_files",
    "track_file",
    "transcribe",
    "undo",
    "write_audio",
    "write_beats",
    "write_notes",
    "write_score",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'fullscore' has no attribute '{name}'")
    module, attribute = _WHERE[name]
    _check_not_hidden(module.partition(".")[0])
    value = globals()[name] = getattr(importlib.import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _check_not_hidden(package: str) -> None:
    """Raise FullscoreError where another package, such as a folder ``pipeline`` in the working directory, is
    found in place of ours."""
    spec = importlib.util.find_spec(package)
    found = Path(next(iter((spec.submodule_search_locations if spec else None) or [""]))).resolve()
    if found.parent != Path(__file__).resolve().parents[1]:
        raise FullscoreError(
            "{found} hides Fullscore's own package '{package}'",
            "rename it, or start Python elsewhere, or with -P",
            found=found,
            package=package,
        )
