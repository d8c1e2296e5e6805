"""The first look at a recording: its tags, its length, what it lacks, and whether it is a piano alone."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullscore.errors import ignore
from pipeline.songs import readable
from pipeline.stages import PIANO
from pipeline.workspace import StageWork, Workspace
from transcription import TRANSCRIBERS

if TYPE_CHECKING:
    from separation.audio import Audio


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a recording before it is taken apart."""

    title: str
    artist: str
    duration: float
    solo_piano: bool


def look(workspace: Workspace, song: Path, known: Path, checksum: str, for_piano: bool) -> Source:
    """Read the recording once. ``known`` is what its user calls the file; ``for_piano``: it matters whether
    it is a piano alone."""

    def work(job: StageWork) -> dict[str, Any]:
        from separation.audio import decode, probe, shortcomings

        tags = probe(song)
        # What is broken in the recording is told by the separation, which reads it again.
        audio = decode(song, channels=1, warn=ignore)
        for lack in shortcomings(readable(known.name), tags, audio):
            job.warn(lack)
        job.progress(0.3, "listening for a solo piano")
        solo_piano = for_piano and not TRANSCRIBERS[PIANO].missing() and _is_solo_piano(audio)
        # Names may hold line breaks, which the files that have them in one line can't.
        title = " ".join((tags.title or readable(known.stem)).split())
        artist = " ".join(tags.artist.split())
        return asdict(Source(title, artist, audio.duration, solo_piano))

    inputs = {"song": checksum, "name": readable(known.stem), "for_piano": for_piano}
    return Source(**workspace.stage("audio", work, inputs=inputs))


def checksum_of(song: Path) -> str:
    """The sha256 of the recording's bytes. Raises FullscoreError as decoding does."""
    from separation.audio import probe

    probe(song)
    with song.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_solo_piano(audio: Audio) -> bool:
    from transcription.solo_piano import is_solo_piano

    return is_solo_piano(audio)
