"""Processes that have the heavy modules loaded and wait for short work: a correction, a view of a song.

Such work holds Python's lock for a second or two. In processes of its own it keeps nobody waiting at the
page, and what is loaded once (music21, verovio) is there for the next.
"""

from __future__ import annotations

import gzip
import importlib
import json
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from fullscore.errors import FullscoreError
from ui.wording import THIS_SONG

logger = logging.getLogger(__name__)

PRELOADED = (
    "pipeline.correct", "notation.notate", "notation.export", "evaluation.chords",
    "transcription.beats.recount", "music21", "verovio", "typst", "fontTools.ttLib", "ui.score_data",
    "ui.roll_data",
)  # fmt: skip
COMPRESSION = 3  # of gzip: a score's pages shrink to a sixth in a few milliseconds

P = ParamSpec("P")
R = TypeVar("R")


class WarmProcesses:
    """At most so many ``processes``, started when first there is work; one that dies is replaced."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._closed = False

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of an importable function, called in one of the processes.

        Raises what it raises, and FullscoreError where its process dies.
        """
        pool = self._running()
        try:
            return pool.submit(function, *args, **kwargs).result()
        except (BrokenProcessPool, CancelledError) as error:
            logger.warning("a process that was to call %s died", function.__name__)
            with self._lock:
                if self._pool is pool:
                    self._pool = None
            raise FullscoreError(
                "this stopped unexpectedly, perhaps for want of memory", "try again"
            ) from error

    def warm(self) -> None:
        """Start one process now, so that it is there when there is work."""
        with self._lock:
            wanted = self._pool is None and not self._closed
        if wanted:
            with suppress(FullscoreError, RuntimeError):  # closed or dead meanwhile
                self._running().submit(_nothing)

    def close(self) -> None:
        """End the processes, whatever they do."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._closed = True
        if pool is not None:
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()
            for process in processes:
                process.join()

    def _running(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._closed:
                raise FullscoreError("the server is being stopped", "try again when it is back")
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self._processes, context, initializer=_prepare)
            return self._pool


def view(function: str, made: Path, **given: Any) -> bytes:
    """What a function named ``module:function`` makes of the song in ``made``, as it is sent to a browser.

    Bytes as they are, a path as text, anything else as compressed JSON. Raises what the function raises.
    """
    module, _, name = function.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)(made, **given)
    except FullscoreError as error:
        raise FullscoreError(error.message.renamed({made: THIS_SONG})) from error
    if isinstance(found, bytes):
        return found
    if isinstance(found, Path):
        return os.fsencode(found)
    return gzip.compress(
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode(), COMPRESSION, mtime=0
    )


def _prepare() -> None:
    """End with the server, even if that is killed; load what takes long."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server's to hear
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for name in PRELOADED:
        importlib.import_module(name)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _nothing() -> None:
    """Work that is done as soon as its process is there."""
