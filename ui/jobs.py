"""The queue of runs: songs handed in, worked on a few at a time, kept for a while.

Each job is a folder with an unguessable name below one folder of results:

    <id>/job.json      what was asked for and how it went
    <id>/song.mp3      the recording; its own name is text in job.json and never a path
    <id>/words.txt     the lyrics, if any were given
    <id>/play/         the recording as the browser plays it
    <id>/made/         what the pipeline makes (``pipeline.workspace``)

Each run is a process of its own (``ui.worker``), which can be killed at any time: what it had finished stays,
and the pipeline goes on from there. So a job that ran when the server stopped is taken up by the next one.
Corrections are made in warm processes (``ui.warm``). All methods may be called from any thread.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import signal
import subprocess
import threading
import time
import unicodedata
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from filelock import BaseFileLock, FileLock, Timeout

from fullscore.errors import FullscoreError, ignore, message_from
from fullscore.files import AUDIO_SUFFIXES, whole_file
from fullscore.launch import command
from pipeline.settings import Settings
from pipeline.workspace import STAGES_FOLDER, write_json
from ui.warm import WarmProcesses
from ui.wording import PAGE, THIS_SONG

logger = logging.getLogger(__name__)

ID_BYTES = 24
_ID = re.compile(r"[A-Za-z0-9_-]{32}")  # that many bytes as base64

JOB, MADE, WORDS, LOG = "job.json", "made", "words.txt", "worker.log"
LOCK = ".lock"

LONGEST_NAME = 120  # letters of a file's name, or of a title in one
MOST_LETTERS = 200_000  # of lyrics
MOST_WAITING = 100  # jobs: a disk has an end
MOST_STARTS = 3  # of a job that ran each time the server stopped: it may be the reason
CHECKED_S = 5.0  # of a recording that are decoded before it is taken
KILLED_WITHIN_S = 2.0
SWEPT_EVERY_S = 60.0

State = Literal["queued", "running", "done", "failed", "stopped"]


class UnknownSong(FullscoreError):
    """There is no such job (any more)."""

    def __init__(self) -> None:
        super().__init__("there is no such song here (any more): hand it in again")


@dataclass(frozen=True, slots=True)
class StageState:
    """How far a stage is: the share done, what it is doing, seconds spent and (None: unknown) left."""

    name: str
    share: float
    message: str
    seconds: float
    left: float | None


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as its visitor sees it.

    ``position`` is its place in the queue (1: the next; 0: not waiting). ``message`` is a sentence where it
    failed or stopped. ``files`` are what has been made so far, relative to the song's folder; ``version``
    changes whenever they do. Times are seconds since 1970, ``seconds`` how long it has been worked on.
    """

    id: str
    state: State
    position: int
    name: str
    title: str
    message: str
    stages: tuple[StageState, ...]
    warnings: tuple[str, ...]
    submitted: float
    seconds: float
    version: str
    files: tuple[str, ...]
    corrections: Mapping[str, Any]
    can_undo: bool
    can_redo: bool

    def as_object(self) -> dict[str, Any]:
        """The state as JSON."""
        return asdict(self)


@dataclass(slots=True)
class _Stage:
    share: float = 0.0
    message: str = ""
    started: float = 0.0
    ended: float = 0.0

    def shown(self, name: str, running: bool) -> StageState:
        now = time.time() if running and self.share < 1.0 else self.ended
        seconds = max(0.0, now - self.started)
        left = seconds * (1 - self.share) / self.share if 0.05 < self.share < 1.0 else None
        return StageState(name, self.share, self.message, round(seconds, 1), left and round(left, 1))


@dataclass(slots=True, eq=False)
class _Job:
    """What is known of a job; all of it but the last group is in ``job.json``."""

    id: str
    folder: Path
    song: str
    name: str
    settings: dict[str, Any]
    max_minutes: float
    submitted: float
    state: State = "queued"
    message: str = ""
    changed: float = 0.0
    seconds: float = 0.0
    starts: int = 0
    stages: dict[str, _Stage] = field(default_factory=dict)

    title: str = ""
    warnings: tuple[str, ...] = ()
    version: str = ""
    files: tuple[str, ...] = ()
    corrected: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0
    process: subprocess.Popen[str] | None = None
    unwanted: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    correcting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def made(self) -> Path:
        return self.folder / MADE

    def save(self) -> None:
        saved = {name: getattr(self, name) for name in _SAVED}
        stages = {name: asdict(stage) for name, stage in self.stages.items()}
        write_json({**saved, "stages": stages}, self.folder / JOB)

    def look(self) -> None:
        """Find out what has been made so far."""
        records = sorted((self.made / STAGES_FOLDER).glob("[!.]*.json"))
        report = self.made / "report.json"
        if self.state == "done":
            found = json.loads(report.read_text(encoding="utf-8"))
            self.files = tuple(found["files"])
            self.title = found["song"]["title"]
            names = {Path(self.song): self.name}
            told = map(
                message_from, found.get("messages", found["warnings"])
            )  # earlier versions kept sentences
            self.warnings = tuple(PAGE(message.renamed(names)) for message in told)
            records.append(report)
        else:
            self.files = tuple(file for record in records for file in _files_of(record))
        self.version = f"{max(map(_written, records), default=0):x}"


_SAVED = (
    "song", "name", "settings", "max_minutes", "submitted",
    "state", "message", "changed", "seconds", "starts",
)  # fmt: skip


class Jobs:
    """The jobs below ``folder``, of which ``limit`` run at once; the others wait in the order they came.

    A job that has ended is removed ``keep_hours`` after it was last changed. Recordings have at most
    ``max_upload_mb`` (MB) and ``max_minutes``. Raises FullscoreError if the folder can't be had, or another
    server has it.
    """

    def __init__(
        self,
        folder: Path,
        limit: int = 1,
        keep_hours: float = 24.0,
        *,
        max_upload_mb: float = 200.0,
        max_minutes: float = 30.0,
    ) -> None:
        self.limit = limit
        self.max_upload_mb, self.max_minutes = max_upload_mb, max_minutes
        self.corrector = WarmProcesses(1)
        """For corrections: one process, for it remembers the parts that it wrote last."""
        self.warm = WarmProcesses(2)
        """For what else somebody waits for, a second or two."""
        self.slow = WarmProcesses(1)
        """For what may take longer."""
        self._folder = folder.resolve()
        self._keep_s = 3600 * keep_hours
        self._changed = threading.Condition()
        self._jobs: dict[str, _Job] = {}
        self._waiting: deque[_Job] = deque()
        self._closed = False
        self._lock = _locked(self._folder)
        self._take_up()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(limit)]
        self._threads.append(threading.Thread(target=self._sweep, daemon=True))
        for thread in self._threads:
            thread.start()

    # What visitors do

    def submit(self, song: Path, name: str, settings: Settings, words: str | None = None) -> str:
        """Hand in a recording that its visitor calls ``name``; returns the job's id.

        Raises FullscoreError if it isn't a recording, is too long or too big, or the settings can't be.
        """
        name = clean(name)
        self._check(song, name, settings, words)
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                raise FullscoreError(
                    "{count} songs are waiting already", "come back later", count=MOST_WAITING
                )
        id = secrets.token_urlsafe(ID_BYTES)
        folder = self._folder / id
        suffix = PurePosixPath(name).suffix.lower()
        copy = folder / f"song{suffix if suffix in AUDIO_SUFFIXES else '.audio'}"
        values: dict[str, Any] = asdict(settings)
        values["time_signature"] = settings.time_signature and str(settings.time_signature)
        now = time.time()
        try:
            folder.mkdir(mode=0o700)
            with whole_file(copy) as partial:
                shutil.copyfile(song, partial)
            if words and words.strip():
                (folder / WORDS).write_text(words, encoding="utf-8", errors="replace")
                values["lyrics"] = WORDS
            job = _Job(id, folder, copy.name, name, values, self.max_minutes, now, changed=now)
            job.title = PurePosixPath(name).stem
            job.save()
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise FullscoreError(
                "'{name}' can't be kept here: {reason}", name=name, reason=error.strerror
            ) from error
        with self._changed:
            self._jobs[id] = job
            self._waiting.append(job)
            self._changed.notify_all()
        self.warm_up()
        return id

    def state(self, id: str) -> JobState:
        """How a job is. Raises UnknownSong."""
        job = self._job(id)
        with self._changed:
            running = job.state == "running"
            return JobState(
                id=job.id,
                state=job.state,
                position=self._waiting.index(job) + 1 if job.state == "queued" else 0,
                name=job.name,
                title=job.title,
                message=job.message,
                stages=tuple(stage.shown(name, running) for name, stage in job.stages.items()),
                warnings=job.warnings,
                submitted=job.submitted,
                seconds=round(job.seconds + (time.time() - job.started if running else 0.0), 1),
                version=job.version,
                files=job.files,
                corrections=job.corrected.get("corrections", {}),
                can_undo=job.corrected.get("can_undo", False),
                can_redo=job.corrected.get("can_redo", False),
            )

    def wait(self, id: str, timeout: float | None = None) -> JobState:
        """How a job is when it has ended, or after ``timeout`` seconds. Raises UnknownSong."""
        self._job(id).ended.wait(timeout)
        return self.state(id)

    def cancel(self, id: str) -> JobState:
        """Stop a job that waits or runs: its process is gone when this returns. Raises UnknownSong."""
        job = self._job(id)
        with self._changed:
            if job.state == "queued":
                self._waiting.remove(job)
                self._end(job, "stopped", "It was cancelled.")
            elif job.state == "running":
                job.unwanted = True
                _kill(job.process)
        job.ended.wait(KILLED_WITHIN_S)
        return self.state(id)

    def correct(self, id: str, edits: Sequence[Mapping[str, Any]]) -> JobState:
        """Make edits (``ui.edits``) as one correction.

        Raises UnknownSong, and FullscoreError for what can't be.
        """
        job = self._job(id)
        with self._changed:
            if job.state != "done":
                raise FullscoreError("only a finished song can be corrected", "wait until its score is there")
        with job.correcting:
            from ui.edits import apply

            try:
                corrected = self.corrector.call(apply, job.made, job.folder / job.song, edits)
            except FullscoreError as error:
                names = {job.made: THIS_SONG, job.folder / job.song: job.name}
                raise FullscoreError(error.message.renamed(names)) from error
            with self._changed:
                job.corrected = corrected
                job.changed = time.time()
                job.look()
                job.save()
        return self.state(id)

    def settled(self, id: str) -> str:
        """Wait while a job is being corrected, and return its version. Raises UnknownSong."""
        job = self._job(id)
        with job.correcting:
            return job.version

    def warm_up(self) -> None:
        """Have processes loaded for those who look at songs and correct them."""
        self.warm.warm()
        self.corrector.warm()

    def folder(self, id: str) -> Path:
        """What a job's run makes. Raises UnknownSong."""
        return self._job(id).made

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state, and how many may run at once."""
        with self._changed:
            states = [job.state for job in self._jobs.values()]
        return {"limit": self.limit, "queued": states.count("queued"), "running": states.count("running")}

    def close(self) -> None:
        """Stop working: what runs is taken up by the next Jobs on the folder."""
        with self._changed:
            self._closed = True
            for job in self._jobs.values():
                _kill(job.process)
            self._changed.notify_all()
        for processes in (self.corrector, self.warm, self.slow):
            processes.close()
        for thread in self._threads:
            thread.join(KILLED_WITHIN_S)
        self._lock.release()

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _job(self, id: str) -> _Job:
        with self._changed:
            job = self._jobs.get(id)
        if job is None:
            raise UnknownSong
        return job

    def _check(self, song: Path, name: str, settings: Settings, words: str | None) -> None:
        """Raise FullscoreError for a job that must not be."""
        check_settings(settings)
        if words and len(words) > MOST_LETTERS:
            raise FullscoreError(
                "these lyrics have {word_count} letters",
                "give at most {most}",
                word_count=len(words),
                most=MOST_LETTERS,
            )
        try:
            if song.stat().st_size > self.max_upload_mb * 1e6:
                raise FullscoreError(
                    "'{name}' has {size:.0f} MB",
                    "give at most {max_upload_mb:g}",
                    name=name,
                    size=song.stat().st_size / 1000000.0,
                    max_upload_mb=self.max_upload_mb,
                )
            duration = self.warm.call(announced, song)  # elsewhere: a broken file may break what reads it
        except OSError as error:
            raise FullscoreError("'{name}' did not arrive whole", "hand it in again", name=name) from error
        except FullscoreError as error:
            raise FullscoreError(error.message.renamed({song: name})) from error
        if duration and duration > 60 * self.max_minutes:
            raise FullscoreError(
                "'{name}' is {minutes:.0f} minutes long",
                "give at most {max_minutes:g}",
                name=name,
                minutes=duration / 60,
                max_minutes=self.max_minutes,
            )

    # What the threads do

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                job = self._waiting.popleft()
                job.state, job.started = "running", time.time()
                job.starts += 1
            try:
                self._run(job)
            except Exception as error:  # the next job must run whatever became of this one
                logger.error("a job failed", exc_info=error)
                with self._changed:
                    self._end(job, "failed", f"This failed unexpectedly ({type(error).__name__}: {error}).")

    def _run(self, job: _Job) -> None:
        job.save()
        with self._changed:
            if job.unwanted or self._closed:
                process = None
            else:
                process = job.process = _start(job.folder, self.limit)
        heard: dict[str, Any] = {}
        if process is not None and process.stdout is not None:
            with process:  # closes its ends of the pipes
                for line in process.stdout:
                    with suppress(ValueError):
                        heard = json.loads(line)
                        self._hear(job, heard)
        with self._changed:
            job.process = None
            if job.unwanted:
                self._end(job, "stopped", "It was cancelled.")
            elif "done" in heard:
                self._end(job, "done", "")
            elif "failed" in heard:
                self._end(job, "failed", heard["failed"])
            elif self._closed:
                job.starts -= 1  # it didn't bring the server down
                job.save()
            else:
                code = process.returncode if process else 0
                logger.error("the worker of a job ended with code %s: see %s", code, job.folder / LOG)
                self._end(job, "failed", _death(code))

    def _hear(self, job: _Job, event: Mapping[str, Any]) -> None:
        if "stage" not in event:
            return
        with self._changed:
            now = time.time()
            stage = job.stages.setdefault(event["stage"], _Stage(started=now))
            stage.share, stage.message, stage.ended = event["share"], event["message"], now
            if stage.share >= 1.0:
                job.look()

    def _end(self, job: _Job, state: State, message: str) -> None:
        """Note how a job ended (the lock is held)."""
        job.seconds += time.time() - job.started if job.started else 0.0
        job.state, job.message, job.changed = state, message, time.time()
        try:
            job.look()
        except (OSError, ValueError, KeyError) as error:
            logger.error("what a job made can't be read", exc_info=error)
            job.state, job.message = "failed", "What was made can't be read: transcribe the song again."
        try:
            job.save()
        except OSError as error:
            logger.error("a job's state can't be kept", exc_info=error)
        job.ended.set()

    def _take_up(self) -> None:
        """Find the jobs of the servers before; those that waited or ran go on."""
        for folder in self._folder.iterdir():
            if not (folder.is_dir() and _ID.fullmatch(folder.name)):
                continue
            try:
                job = _read(folder)
            except (OSError, ValueError, KeyError, TypeError) as error:
                logger.warning("a job can't be read: %s (%s: %s)", folder, type(error).__name__, error)
                # One that never began is of no use; another may be mended while its time lasts.
                if not (folder / JOB).exists() or folder.stat().st_mtime < time.time() - self._keep_s:
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            self._jobs[job.id] = job
            if job.state in ("queued", "running"):
                self._take_up_one(job)
            else:
                job.ended.set()
        self._waiting = deque(sorted(self._waiting, key=lambda job: job.submitted))

    def _take_up_one(self, job: _Job) -> None:
        if job.starts >= MOST_STARTS:
            self._end(
                job, "failed", "The server stopped each time it worked on this: hand in a shorter song."
            )
            return
        job.state = "queued"
        job.message = "The server was started anew: this goes on where it was." if job.starts else ""
        self._waiting.append(job)

    def _sweep(self) -> None:
        """Remove what has been kept long enough."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed, SWEPT_EVERY_S)
                if self._closed:
                    return
            self.sweep()

    def sweep(self) -> None:
        """Remove the jobs that ended, and were last changed, longer ago than they are kept."""
        with self._changed:
            before = time.time() - self._keep_s
            old = [
                job
                for job in self._jobs.values()
                if job.ended.is_set() and job.changed < before and not job.correcting.locked()
            ]
            for job in old:
                del self._jobs[job.id]
        for job in old:
            shutil.rmtree(job.folder, ignore_errors=True)


def announced(song: Path) -> float | None:
    """How long a recording says it is (seconds). Raises FullscoreError if its start can't be decoded."""
    from separation.audio import decode_blocks, probe

    duration = probe(song).duration
    next(decode_blocks(song, CHECKED_S, warn=ignore), None)
    return duration


def clean(name: str) -> str:
    """What a visitor calls a file, as text that can stand anywhere: the last part of a path, without control
    characters, not too long."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(letter for letter in last if not unicodedata.category(letter).startswith("C")).strip()
    path = PurePosixPath(shown)
    suffix = path.suffix if len(path.suffix) <= 8 else ""
    stem = shown[: len(shown) - len(suffix)][: LONGEST_NAME - len(suffix)].strip(". ")
    return f"{stem or 'song'}{suffix}"


def check_settings(settings: Settings) -> None:
    """Raise FullscoreError for engines that aren't there. A path instead would name a server's file."""
    from pipeline.plan import BESIDE_ENGINES, REGISTRIES, check_names

    for what, registry in REGISTRIES.items():
        names = (*BESIDE_ENGINES[what], *registry.names())
        if (given := getattr(settings, what)) not in names:
            known = ", ".join(names)
            raise FullscoreError(
                "'{given}' can't be chosen for {what} here",
                "choose one of {known}",
                given=given,
                what=what,
                known=known,
            )
    check_names(settings)


def _locked(folder: Path) -> BaseFileLock:
    """A lock, held by this process, that keeps other servers from the folder of results."""
    lock = FileLock(folder / LOCK, blocking=False, thread_local=False)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise FullscoreError(
            "another server keeps its results in {folder}", "choose another folder", folder=folder
        ) from error
    except OSError as error:
        raise FullscoreError(
            "can't keep results in {folder} ({reason})",
            "choose another folder",
            folder=folder,
            reason=error.strerror,
        ) from error
    return lock


def _read(folder: Path) -> _Job:
    """The job in a folder. Raises what comes of reading a file that isn't whole."""
    from ui.edits import summary

    saved = json.loads((folder / JOB).read_text(encoding="utf-8"))
    job = _Job(id=folder.name, folder=folder, **{name: saved[name] for name in _SAVED})
    job.stages = {name: _Stage(**stage) for name, stage in saved["stages"].items()}
    job.title = PurePosixPath(job.name).stem
    job.look()
    if job.state == "done":
        try:
            job.corrected = summary(job.made)
        except FullscoreError as error:
            logger.warning("%s", error)
    return job


def _written(record: Path) -> int:
    """When a file was written (nanoseconds); 0 if it is gone again."""
    try:
        return record.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _files_of(record: Path) -> list[str]:
    try:
        files = json.loads(record.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [file for file in files if not file.startswith(STAGES_FOLDER)]


def _start(folder: Path, limit: int) -> subprocess.Popen[str]:
    """The process of a run, with its share of the processors."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = str(max(1, cores // limit))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), share)
    with (folder / LOG).open("w") as log:
        return subprocess.Popen(
            command("ui.worker"),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**threads, **os.environ},
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )


def _kill(process: subprocess.Popen[str] | None) -> None:
    """Kill a run with all that it may have started (Windows has no groups of processes: the run alone)."""
    if process is not None and process.poll() is None:
        with suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


def _death(code: int) -> str:
    """A sentence on a worker that ended without a word."""
    reason = f"it was killed by signal {-code}" if code < 0 else f"it ended with code {code}"
    hint = ", as happens where memory runs out" if code < 0 and -code == signal.SIGKILL else ""
    return f"The transcription stopped unexpectedly ({reason}{hint}): try again, or hand in a shorter song."
