"""What a visitor takes home: every file of a song under the song's name, alone or all in one archive."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from fullscore.errors import FullscoreError
from fullscore.files import whole_file
from notation.export import pack_mxl
from pipeline.workspace import STEMS_FOLDER

SCORE, MXL = "score.musicxml", "score.mxl"
TAKE_FOLDER = "take"  # beside the song's folder
LONGEST_TITLE = (
    80  # letters: file systems allow 255 bytes, of which a letter may take four with room for more
)
FORBIDDEN = frozenset('<>:"/\\|?*')  # in file names, on some system or other
PACKED = (".flac", ".mxl", ".pdf")  # are small already


def taken(files: tuple[str, ...]) -> tuple[str, ...]:
    """The files that can be taken home, of those that were made."""
    return (*files, MXL) if SCORE in files else files


def name_of(title: str, file: str) -> str:
    """What a file of a song is called at home: score and words as the song is, others with what they are."""
    shown = "".join(" " if letter in FORBIDDEN else letter for letter in title)
    shown = "".join(letter for letter in shown if not unicodedata.category(letter).startswith("C"))
    song = " ".join(shown.split())[:LONGEST_TITLE].strip(". ") or "song"
    path = PurePosixPath(file)
    what = path.stem.removeprefix("score-")
    return f"{song}{path.suffix}" if what in ("score", "lyrics") else f"{song} - {what}{path.suffix}"


def write_mxl(made: Path) -> Path:
    """The score in ``made`` as compressed MusicXML. Raises FullscoreError where there is none."""
    try:
        musicxml = (made / SCORE).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FullscoreError("there is no score yet", "wait until it is written") from error
    out = made.parent / TAKE_FOLDER / MXL
    pack_mxl(musicxml, out)
    return out


def write_zip(made: Path) -> Path:
    """All that was made, in one archive. Raises FullscoreError where the run isn't finished."""
    try:
        report = (made / "report.json").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FullscoreError("this song is not finished", "wait until its score is there") from error
    found = json.loads(report)
    title, files = found["song"]["title"], tuple(found["files"])
    out = made.parent / TAKE_FOLDER / f"all-{hashlib.sha256(report.encode()).hexdigest()[:16]}.zip"
    for old in out.parent.glob("all-*.zip"):
        old.unlink(missing_ok=True)
    with whole_file(out) as partial, ZipFile(partial, "w") as archive:
        for file in taken(files):
            path = write_mxl(made) if file == MXL else made / file
            inside = f"{STEMS_FOLDER}/" if file.startswith(f"{STEMS_FOLDER}/") else ""
            packed = ZIP_STORED if path.suffix in PACKED else ZIP_DEFLATED
            archive.write(path, f"{inside}{name_of(title, file)}", packed)
    return out
