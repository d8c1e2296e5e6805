"""Files that appear whole or not at all, and which of them are recordings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AUDIO_SUFFIXES = (
    ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".m4a", ".m4b", ".mka", ".mkv", ".mov",
    ".mp2", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".wave", ".webm", ".wma", ".wv",
)  # fmt: skip
"""What recordings are told by among other files."""

EXAMPLE = Path(__file__).with_name("example")
"""The folder of the bundled song, with its truth beside it (examples/README.md)."""

PARTIAL = ".partial-"
"""What the names of unfinished files begin with."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to, renamed to ``path`` when the block ends well.

    It keeps the file's suffix, for libraries that choose a format by it. If the block raises,
    nothing is left behind and an older ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Remove the unfinished files that a killed process left in ``folder`` and below."""
    for path in list(folder.rglob(f"{PARTIAL}*")):
        path.unlink(missing_ok=True)
