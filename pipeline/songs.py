"""Which songs a command means: files and folders collected, and a folder name for each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fullscore.files import AUDIO_SUFFIXES
from pipeline.workspace import STAGES_FOLDER, STEMS_FOLDER


def collect_songs(given: Sequence[Path]) -> tuple[tuple[Path, ...], dict[str, str]]:
    """The songs meant by ``given``, in order and once each, and why the others can't be had.

    A file stands for itself, whatever its suffix; a folder for the audio files in it and below, but
    not for the stems that an earlier run left there.
    """
    songs: dict[Path, None] = {}
    failures: dict[str, str] = {}
    for path in given:
        try:
            if path.is_dir():
                inside = sorted(file for file in path.rglob("*") if is_song(file) and not is_stem(file))
                if not inside:
                    failures[str(path)] = "there is no audio file in this folder"
                songs.update(dict.fromkeys(inside))
            elif path.exists():
                songs[path] = None
            else:
                failures[str(path)] = "there is no such file; check the name"
        except OSError as error:
            failures[str(path)] = f"it can't be looked at ({error.strerror}); check its name and permissions"
    return tuple(songs), failures


def is_song(file: Path) -> bool:
    return file.suffix.lower() in AUDIO_SUFFIXES and not file.name.startswith(".") and file.is_file()


def is_stem(file: Path) -> bool:
    """Whether a run made this file: it lies in the ``stems`` of a song's folder."""
    return file.parent.name == STEMS_FOLDER and (file.parent.parent / STAGES_FOLDER).is_dir()


def folder_names(songs: Sequence[Path]) -> tuple[str, ...]:
    """A folder name for each song: its file's name without the suffix; where two songs share that,
    with the suffix, and where they still do, with a number. Capitals make no difference: to some
    disks they don't either."""
    stems = Counter(song.stem.casefold() for song in songs)
    counted: Counter[str] = Counter()
    unique = []
    for song in songs:
        # "..wav" and "...wav" leave names that mean other folders.
        alone = stems[song.stem.casefold()] == 1 and song.stem.strip(".")
        name = readable(song.stem if alone else song.name)
        counted[name.casefold()] += 1
        number = counted[name.casefold()]
        unique.append(name if number == 1 else f"{name} ({number})")
    return tuple(unique)


def readable(name: str) -> str:
    """A file's name as text that can be written: what is not UTF-8 in it is replaced by a mark."""
    return os.fsencode(name).decode("utf-8", "replace")
