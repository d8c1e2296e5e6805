"""What a run keeps on disk: finished stages, so that a run goes on from where it stopped.

Each stage leaves a record in ``<song>/.stages/<stage>.json``: a fingerprint of all that its result depends on
(inputs, earlier stages, and the code that makes it: :mod:`fullscore.fingerprint`), the result, its warnings,
and what it cost. A stage whose fingerprint is unchanged and whose files are still there is not done again. A
record appears whole or not at all, after the stage's files, so a killed run is taken up after its last
finished stage.

A finished run is changed in a draft beside it (``.stages/draft``, laid out as the song's folder is): when all
is made the files are named in a list, then moved to their places. Killed before that list is written, the
folder stays as it was; killed after it, the next one to open the folder moves the rest.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullscore.engines import Progress
from fullscore.errors import FullscoreError, Message, Remedy, message_from
from fullscore.files import remove_partial_files, whole_file
from fullscore.fingerprint import code_of

logger = logging.getLogger(__name__)

STAGES_FOLDER = ".stages"
STEMS_FOLDER = "stems"
DRAFT_FOLDER = "draft"
PLACING = "placing.json"
"""Names the files of a finished draft; while it is there they are being moved."""

StageProgress = Callable[[str, float, str], None]
"""Called with the stage's name, the share of it done (0 to 1) and what is being done."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What a finished stage left: ``files`` are relative to the song's folder."""

    name: str
    fingerprint: str
    inputs: Mapping[str, Any]
    result: dict[str, Any]
    files: tuple[str, ...]
    warnings: tuple[Message, ...]
    seconds: float
    peak_memory_mb: float
    resumed: bool = False


class StageWork:
    """Handed to a stage while it works: where it reports progress, warnings and files."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress
        self.warnings: list[Message] = []
        self.files: list[str] = []

    def warn(self, message: Message) -> None:
        logger.info("%s", message)
        self.warnings.append(message)

    def file(self, name: str) -> Path:
        """The path of an output file of this stage, relative name ``name``."""
        self.files.append(name)
        return self.folder / name

    def keep(self, *paths: Path) -> None:
        """Name ``paths`` in the folder as output files of this stage."""
        self.files += [path.relative_to(self.folder).as_posix() for path in paths]

    def part(self, start: float, end: float, prefix: str = "") -> Progress:
        """The progress of a piece of the work that makes up the shares from ``start`` to ``end``."""
        return lambda fraction, message: self.progress(start + fraction * (end - start), prefix + message)


class Workspace:
    """The folder of one song. ``force`` forgets what earlier runs finished.

    With ``draft`` nothing in the folder changes before :meth:`put_in_place`.
    """

    def __init__(self, folder: Path, force: bool, progress: StageProgress, *, draft: bool = False) -> None:
        self.folder = folder
        self.drafted = folder / STAGES_FOLDER / DRAFT_FOLDER if draft else folder
        """Where the stages write: the folder itself, or its draft."""
        self.records: dict[str, StageRecord] = {}
        self._warned: list[Message] = []
        self._progress = progress
        records = folder / STAGES_FOLDER
        self._made = [path for path in (records, *records.parents) if not path.exists()]
        try:
            records.mkdir(parents=True, exist_ok=True)
            settle(folder)
            remove_partial_files(folder)
            if force:
                for record in records.glob("*.json"):
                    record.unlink()
            if draft:
                (self.drafted / STAGES_FOLDER).mkdir(parents=True)
        except OSError as error:
            raise FullscoreError(
                "can't write to the output folder {folder} ({reason})",
                Remedy("choose output"),
                folder=folder,
                reason=error.strerror,
            ) from error

    def stage(
        self,
        name: str,
        work: Callable[[StageWork], dict[str, Any]],
        *,
        after: Sequence[str] = (),
        inputs: Mapping[str, Any],
        engines: Sequence[str] = (),
    ) -> dict[str, Any]:
        """The result of stage ``name``: from its record if that still holds, else by doing ``work``.

        The result depends on ``inputs`` (JSON values), on the stages named in ``after``, and on the code:
        that of the module in which ``work`` is, of the modules ``engines``, and of all that they import.
        """
        code = code_of(work.__module__, *engines)
        upstream = [self.records[stage].fingerprint for stage in after]
        text = json.dumps([name, code, upstream, dict(inputs)], sort_keys=True)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        record = self._finished(name, fingerprint)
        if record is None:
            record = self._do(name, work, fingerprint, inputs)
        else:
            self._progress(name, 1.0, "done before")
        self.records[name] = record
        return record.result

    def recall(self, name: str) -> dict[str, Any]:
        """The result of stage ``name`` as the last run left it, whatever it depends on.

        Raises FullscoreError where that isn't whole.
        """
        record = self._read(name)
        if record is None:
            raise FullscoreError(
                "the run in {folder} is not whole (what the stage '{name}' made is missing)",
                "transcribe the song again",
                folder=self.folder,
                name=name,
            )
        self.records[name] = record
        return record.result

    def path(self, name: str) -> Path:
        """Where the file ``name`` is to be read: in the draft if it was made there."""
        drafted = self.drafted / name
        return drafted if drafted.exists() else self.folder / name

    def put_in_place(self) -> None:
        """Let the files of the draft, and only they, take the places of those that its stages made before."""
        if self.drafted == self.folder:
            return
        made = [path.relative_to(self.drafted) for path in self.drafted.rglob("*") if path.is_file()]
        before = [record for name in self.records if (record := self._read(name, self.folder))]
        kept = {file for record in self.records.values() for file in record.files}
        gone = sorted({file for record in before for file in record.files} - kept)
        write_json({"place": [path.as_posix() for path in made], "remove": gone}, self.drafted / PLACING)
        settle(self.folder)

    def reporter(self, name: str) -> Progress:
        """The progress of stage ``name``."""
        return lambda fraction, message: self._progress(name, fraction, message)

    @property
    def warnings(self) -> tuple[Message, ...]:
        """What the stages, then the run, warned of, in order, each once."""
        by_stages = (message for record in self.records.values() for message in record.warnings)
        return tuple({str(message): message for message in (*by_stages, *self._warned)}.values())

    def warn(self, message: Message) -> None:
        """Say something of this run as a whole."""
        logger.info("%s", message)
        self._warned.append(message)

    def _finished(self, name: str, fingerprint: str) -> StageRecord | None:
        record = self._read(name)
        return record if record and record.fingerprint == fingerprint else None

    def _read(self, name: str, folder: Path | None = None) -> StageRecord | None:
        """What stage ``name`` left (in ``folder`` only, if given) if it is whole."""
        file = f"{STAGES_FOLDER}/{name}.json"
        try:
            saved = json.loads((folder / file if folder else self.path(file)).read_text(encoding="utf-8"))
            record = StageRecord(
                name,
                saved["fingerprint"],
                saved["inputs"],
                saved["result"],
                tuple(saved["files"]),
                tuple(map(message_from, saved["warnings"])),
                saved["seconds"],
                saved["peak_memory_mb"],
                resumed=True,
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = all((folder / file if folder else self.path(file)).is_file() for file in record.files)
        return record if whole else None

    def _remove_empty_folders(self) -> None:
        """Take back the folders made for this run, or by a stage, that have come to hold nothing."""
        inside = [path for path in self.folder.iterdir() if path.is_dir() and path.name != STAGES_FOLDER]
        for path in (*inside, *self._made):
            # Only an empty folder lets itself be removed.
            with suppress(OSError):
                path.rmdir()

    def _do(
        self,
        name: str,
        work: Callable[[StageWork], dict[str, Any]],
        fingerprint: str,
        inputs: Mapping[str, Any],
    ) -> StageRecord:
        file = self.drafted / STAGES_FOLDER / f"{name}.json"
        file.unlink(missing_ok=True)
        self._progress(name, 0.0, "")
        reset_peak_memory()
        started = time.perf_counter()
        job = StageWork(self.drafted, self.reporter(name))
        try:
            result = work(job)
        except BaseException:
            if self.drafted == self.folder:
                self._remove_empty_folders()
            raise
        record = StageRecord(
            name,
            fingerprint,
            inputs,
            result,
            tuple(sorted(job.files)),
            tuple(job.warnings),
            round(time.perf_counter() - started, 3),
            round(peak_memory_mb(), 1),
        )
        write_json(
            {
                "fingerprint": record.fingerprint,
                "inputs": record.inputs,
                "result": record.result,
                "files": record.files,
                "warnings": [message.as_object() for message in record.warnings],
                "seconds": record.seconds,
                "peak_memory_mb": record.peak_memory_mb,
            },
            file,
        )
        self._progress(name, 1.0, "done")
        return record


def settle(folder: Path) -> None:
    """Move what is left of a finished draft to its places in ``folder``, and remove an unfinished one."""
    draft = folder / STAGES_FOLDER / DRAFT_FOLDER
    try:
        placing = json.loads((draft / PLACING).read_text(encoding="utf-8"))
    except FileNotFoundError:
        placing = {"place": [], "remove": []}
    for file in placing["place"]:
        if (draft / file).exists():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(draft / file, folder / file)
    for file in placing["remove"]:
        (folder / file).unlink(missing_ok=True)
    # The list goes first: without it the rest is no draft that could be finished.
    (draft / PLACING).unlink(missing_ok=True)
    shutil.rmtree(draft, ignore_errors=True)


def write_json(value: Any, path: Path) -> None:
    """Write ``value`` as JSON, readable by a person, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def reset_peak_memory() -> None:
    """Start measuring the peak anew, where the system can (Linux: proc(5), clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        logger.debug("peak memory is counted from the start of the process")


def peak_memory_mb() -> float:
    """Peak resident memory in MB since :func:`reset_peak_memory` (where that can't be done: ever).

    0 where the system doesn't say (Windows).
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1024 if sys.platform != "darwin" else 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
