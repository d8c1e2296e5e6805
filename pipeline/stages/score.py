"""The score and everything made from it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

from lyrics.words import Lyrics
from pipeline.corrections import Corrections
from pipeline.report import chords_in_seconds, score_time
from pipeline.settings import Settings
from pipeline.stages.audio import Source
from pipeline.workspace import StageWork, Workspace
from transcription.beatgrid import BeatGrid
from transcription.notes import Note


def write_score(
    workspace: Workspace,
    source: Source,
    notes: tuple[Note, ...],
    grid: BeatGrid,
    found: Lyrics,
    settings: Settings,
    corrections: Corrections,
) -> None:
    """Write the score with its MIDI, pages and lyric sheets."""
    settings = corrections.over(settings)
    lyrics = found if corrections.words is None else corrections.words

    def work(job: StageWork) -> dict[str, Any]:
        from fullscore.files import whole_file
        from lyrics.layout import to_lrc, to_text
        from notation import export
        from notation.notate import NotationSettings, notate
        from notation.spelling import parse_key

        job.progress(0.0, "writing notes")
        chosen = NotationSettings(
            key=parse_key(settings.key) if settings.key else None,
            pick_up=settings.pick_up_beats,
            simplify=settings.simplify,
            chords=settings.chords,
            readings=tuple((part.stem, part.reading) for part in corrections.parts),
        )
        score = notate(notes, grid, lyrics, chosen, title=source.title, artist=source.artist)
        job.progress(0.6, "writing files")
        musicxml = job.file("score.musicxml")
        export.write_musicxml(score, musicxml)
        export.write_midi(score, job.file("score.mid"))
        for name, text in (
            ("lyrics.txt", to_text(lyrics)),
            ("lyrics.lrc", to_lrc(lyrics, source.title, source.artist)),
        ):
            with whole_file(job.file(name)) as partial:
                partial.write_text(text, encoding="utf-8")
        job.progress(0.8, "engraving")
        pages = export.engrave(musicxml)
        job.keep(*export.write_svgs(pages, job.folder))
        export.write_pdf(pages, job.file("score.pdf"), source.title)
        return {
            "key": str(score.key),
            "bars": len(score.bars),
            "chords": chords_in_seconds(score),
            "parts": [part.stem for part in score.parts],
            "time": score_time(score),
        }

    inputs = {
        **{name: getattr(settings, name) for name in ("key", "pick_up", "simplify", "chords")},
        "readings": [asdict(part) for part in corrections.parts],
        "words": corrections.words and hashlib.sha256(repr(corrections.words).encode()).hexdigest(),
    }
    beats = "counting" if "counting" in workspace.records else "beats"
    workspace.stage("score", work, after=["audio", "performance", beats, "lyrics"], inputs=inputs)
