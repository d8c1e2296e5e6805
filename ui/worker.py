"""One run in a process of its own: ``python -m ui.worker`` in the folder of a job (``ui.jobs``).

It reads ``job.json`` and says how it goes on standard output, a JSON object a line:

    {"stage": "notes", "share": 0.4, "message": "vocals: ..."}    {"done": true}    {"failed": "a sentence"}

It ends when its standard input does, so that it never outlives the server. What the browser plays of the
recording is written first: other formats than FLAC are not played, or not sought to the sample, everywhere.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from fullscore.errors import FullscoreError, ignore
from pipeline import transcribe
from pipeline.settings import settings_from
from separation.audio import SAMPLE_RATE, decode_blocks, flac_writer
from ui.wording import PAGE, THIS_SONG

logger = logging.getLogger(__name__)

JOB = "job.json"
MADE = "made"
PLAYED = "play/song.flac"

NICENESS = 10  # the page, and what it shows, goes before
TOLD_EVERY_S = 0.1
BLOCK_S = 30.0


def main() -> int:
    if hasattr(os, "nice"):  # not on Windows
        os.nice(NICENESS)
    threading.Thread(target=_end_with_server, daemon=True).start()
    # What libraries print must not come between the lines.
    reports = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    reporter = Reporter(reports)
    job = json.loads(Path(JOB).read_text(encoding="utf-8"))
    song = Path(job["song"])
    try:
        play(song, job["max_minutes"], reporter)
        settings = settings_from(job["settings"])
        transcribe(song, ".", settings, name=MADE, called=job["name"], progress=reporter)
    except Exception as error:  # whatever it was, the visitor reads a sentence
        reporter.tell({"failed": _sentence(error, {song: job["name"], Path(MADE): THIS_SONG})})
        return 1
    reporter.tell({"done": True})
    return 0


def play(song: Path, max_minutes: float, reporter: Reporter) -> None:
    """Write the recording as it is played. Raises FullscoreError if it is longer than ``max_minutes``,
    whatever its header says."""
    played = Path(PLAYED)
    if played.exists():
        return
    reporter("audio", 0.0, "reading the recording")
    seconds = 0.0
    with flac_writer(played, SAMPLE_RATE, 2, warn=ignore) as write:
        for block in decode_blocks(song, BLOCK_S, warn=ignore):
            seconds += block.duration
            if seconds > 60 * max_minutes:
                raise FullscoreError(
                    "'{song}' is longer than {max_minutes:g} minutes",
                    "give a shorter piece of it",
                    song=song,
                    max_minutes=max_minutes,
                )
            write(block)


class Reporter:
    """Says how the run goes, not too often."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._stage = ""
        self._told = 0.0

    def __call__(self, stage: str, fraction: float, message: str) -> None:
        now = time.monotonic()
        if stage == self._stage and 0.0 < fraction < 1.0 and now - self._told < TOLD_EVERY_S:
            return
        self._stage, self._told = stage, now
        self.tell({"stage": stage, "share": round(fraction, 4), "message": message})

    def tell(self, event: dict[str, Any]) -> None:
        self._out.write(json.dumps(event) + "\n")


def _sentence(error: Exception, names: Mapping[Path, str]) -> str:
    if isinstance(error, FullscoreError):
        return PAGE(error.message.renamed(names))
    logger.error("a run failed", exc_info=error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: make room and transcribe the song again"
    if isinstance(error, MemoryError):
        return "there is not enough memory for this song: give a shorter one"
    return f"this failed unexpectedly ({type(error).__name__}: {error})"


def _end_with_server() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
