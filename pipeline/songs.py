"""Which songs a command means: files and folders collected, and a folder name for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

AUDIO_SUFFIXES = (
    ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".m4a", ".m4b", ".mka", ".mkv", ".mov",
    ".mp2", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".wave", ".webm", ".wma", ".wv",
)  # fmt: skip


def collect_songs(given: Sequence[Path]) -> tuple[tuple[Path, ...], dict[str, str]]:
    """The songs meant by ``given``, in order and once each, and why the others can't be had.

    A file stands for itself, whatever its suffix; a folder for the audio files in it and below.
    """
    songs: dict[Path, None] = {}
    failures: dict[str, str] = {}
    for path in given:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if is_song(file))
            if not inside:
                failures[str(path)] = "there is no audio file in this folder"
            songs.update(dict.fromkeys(inside))
        elif path.exists():
            songs[path] = None
        else:
            failures[str(path)] = "there is no such file; check the name"
    return tuple(songs), failures


def is_song(file: Path) -> bool:
    return file.suffix.lower() in AUDIO_SUFFIXES and not file.name.startswith(".") and file.is_file()


def folder_names(songs: Sequence[Path]) -> tuple[str, ...]:
    """A folder name for each song: its file's name without the suffix; where two songs share that,
    with the suffix, and where they still do, with a number."""
    stems = Counter(song.stem for song in songs)
    names = [song.stem if stems[song.stem] == 1 else song.name for song in songs]
    counted: Counter[str] = Counter()
    unique = []
    for name in names:
        counted[name] += 1
        unique.append(name if counted[name] == 1 else f"{name} ({counted[name]})")
    return tuple(unique)
