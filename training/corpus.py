"""Openly licensed scores as arrays: what the networks of transcription and notation are trained on.

Task: make a :class:`ScorePiece` of what :mod:`notation.musicxml_reader` reads (.mxl, .musicxml, .xml), and
write a folder of them, one ``.npz`` a piece, from local git mirrors of the collections and from the scores
that ship with music21. Pieces that are used to measure, and scores that may not be used freely, are left out.

    python -m training.corpus FOLDER --lieder GIT --quartets GIT --musetrainer GIT

Conventions: score time in ticks, ``TICKS`` a quarter, 0 at the first bar line; what is written, with
repeats not unfolded; tied notes are one note; sounding pitch (transposing parts are transposed); a grace
note has duration 0 and stands at the onset of the note it leads to. Voices count from 1 within their
staff and bar: stems up before stems down, then by height. Cue notes, hidden notes and percussion are
left out.

Limits: ossias in staves of their own and tremolos are not read as such.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from multiprocessing import Pool
from operator import or_
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from notation.musicxml_reader import XmlHead, joined, parse_musicxml, place_on_fifths, read_written, unpacked

TICKS = 10080  # a quarter: divisible by 2**5, 3**2, 5 and 7
GRACE, STACCATO, TRILL, ARPEGGIO, FERMATA, SLURRED = 1, 2, 4, 8, 16, 32
# Signs in <notations> by flag; TRILL stands for all ornaments that are played as several notes.
SIGNS = {
    "staccato": STACCATO,
    "staccatissimo": STACCATO,
    "spiccato": STACCATO,
    "trill-mark": TRILL,
    "turn": TRILL,
    "delayed-turn": TRILL,
    "inverted-turn": TRILL,
    "mordent": TRILL,
    "inverted-mordent": TRILL,
    "shake": TRILL,
    "arpeggiate": ARPEGGIO,
    "fermata": FERMATA,
}
# Pieces of the evaluation data in any edition, and pieces still in copyright, by their path.
LEFT_OUT = re.compile(
    r"bwv_?(846|848|873|875|883)|prelude_i_in_c_major|k\.?265|twinkle|ah_vous|heidenröslein,_d\.257"
    r"|lc30321236|lc6425381|lc6445119|auld_lang|jingle_bells|old_folks|kreisleriana|(d|op)\.?_?664"
    r"|mariage|spring_waltz|casa_de_papel",
    re.IGNORECASE,
)
NOT_FREE = re.compile(r"non-?commercial|by-nc|all rights reserved", re.IGNORECASE)
# Folders of music21's corpus with music of the styles that are met in practice.
MUSIC21 = re.compile(
    "bach|beach|beethoven|corelli|cpebach|handel|haydn|johnson_j_r|joplin|leadSheet|mozart"
    "|schumann_clara|schumann_robert|verdi|weber"
)

Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ScorePiece:
    """One score. The note arrays have one entry a note, by onset and pitch; the bar arrays one a bar.

    ``fifths`` is the spelling on the line of fifths (C 0, G 1, F -1, F# 6); ``part`` counts from 0,
    ``staff`` from 1 within the part, ``voice`` from 1 within the staff; ``flags`` are the bits ``GRACE``
    to ``SLURRED`` (joined to the next note under a slur). Pick-up bars have their real length.
    ``tempo`` is the first one marked, in quarters a minute, or 0.
    """

    name: str
    source: str
    onset: Ints
    duration: Ints
    pitch: Ints
    fifths: Ints
    part: Ints
    staff: Ints
    voice: Ints
    flags: Ints
    bar_start: Ints
    bar_length: Ints
    bar_numerator: Ints
    bar_denominator: Ints
    bar_key: Ints
    part_names: tuple[str, ...]
    part_is_keyboard: tuple[bool, ...]
    tempo: float


NOTE_FIELDS = ("onset", "duration", "pitch", "fifths", "part", "staff", "voice", "flags")
BAR_FIELDS = ("bar_start", "bar_length", "bar_numerator", "bar_denominator", "bar_key")


def save(piece: ScorePiece, path: Path) -> None:
    """Write one piece as ``.npz``."""
    arrays: dict[str, Any] = {name: getattr(piece, name) for name in (*NOTE_FIELDS, *BAR_FIELDS)}
    arrays = {name: values.astype(np.int32) for name, values in arrays.items()}
    about = [piece.name, piece.source, *piece.part_names]
    np.savez_compressed(
        path,
        about=np.asarray(about),
        keyboard=np.asarray(piece.part_is_keyboard, dtype=bool),
        tempo=np.float64(piece.tempo),
        **arrays,
    )


def load(path: Path) -> ScorePiece:
    """Read what :func:`save` wrote."""
    with np.load(path) as arrays:
        name, source, *part_names = (str(text) for text in arrays["about"])
        return ScorePiece(
            name=name,
            source=source,
            part_names=tuple(part_names),
            part_is_keyboard=tuple(bool(two) for two in arrays["keyboard"]),
            tempo=float(arrays["tempo"]),
            **{field: arrays[field].astype(np.int64) for field in (*NOTE_FIELDS, *BAR_FIELDS)},
        )


def load_all(folder: Path) -> Iterator[ScorePiece]:
    """Every piece in ``folder``, in order of name."""
    for path in sorted(folder.glob("*.npz")):
        yield load(path)


# MusicXML ---------------------------------------------------------------------------------------


def read_bytes(data: bytes, name: str, source: str) -> ScorePiece:
    """Read one score from the bytes of a compressed or plain MusicXML file.

    Raises ``ValueError`` if it is not a score with notes.
    """
    try:
        score = read_written(parse_musicxml(data))
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    heads = [head for head in score.heads if head.written]
    if not heads:
        raise ValueError(f"{source}: no notes")
    voices, flags = _voices(heads), _flags(heads)
    rows = [  # of NOTE_FIELDS
        (
            _ticks(note.onset),
            _ticks(note.duration),
            note.pitch,
            place_on_fifths(note.step, note.alter),
            note.part,
            note.staff,
            voices[note.id],
            reduce(_tied_flags, (flags[id] for id in (note.id, *note.held))),
        )
        for note in joined(heads)
    ]
    table = np.asarray(rows, dtype=np.int64).T
    notes = dict(zip(NOTE_FIELDS, table, strict=True))
    order = np.lexsort((notes["part"], notes["pitch"], notes["flags"] & GRACE == 0, notes["onset"]))
    return ScorePiece(
        name=name,
        source=source,
        bar_start=_ints(_ticks(bar.start) for bar in score.bars),
        bar_length=_ints(_ticks(bar.length) for bar in score.bars),
        bar_numerator=_ints(bar.beats or 4 for bar in score.bars),
        bar_denominator=_ints(bar.beat_type for bar in score.bars),
        bar_key=_ints(bar.fifths or 0 for bar in score.bars),
        part_names=tuple(part.name for part in score.parts),
        part_is_keyboard=tuple(part.staves >= 2 for part in score.parts),
        tempo=next((tempo.quarters_per_minute for tempo in score.tempos), 0.0),
        **{field: values[order] for field, values in notes.items()},
    )


def _ticks(quarters: Fraction) -> int:
    return round(quarters.numerator * TICKS / quarters.denominator)


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def _voices(heads: Iterable[XmlHead]) -> dict[int, int]:
    """The voice of each head by its id, numbered in its bar and staff from the top: by stems, then height."""
    places: dict[tuple[int, int, int], dict[str, list[XmlHead]]] = {}
    for head in heads:
        note = head.note
        voices = places.setdefault((note.part, note.bar, note.staff), {})
        voices.setdefault(note.voice, []).append(head)
    found = {}
    for voices in places.values():
        mains = {name: [head for head in own if not head.note.grace] or own for name, own in voices.items()}
        ups = {
            name: sum((head.stem == "up") - (head.stem == "down") for head in own)
            for name, own in mains.items()
        }
        height = {name: sum(head.note.pitch for head in own) / len(own) for name, own in mains.items()}
        order = sorted(voices, key=lambda name: (-np.sign(ups[name]), -height[name]))
        for number, name in enumerate(order, start=1):
            found.update((head.note.id, number) for head in voices[name])
    return found


def _flags(heads: Iterable[XmlHead]) -> dict[int, int]:
    """The flags of each head by its id; heads of a part come in the order of the file."""
    found = {}
    open_slurs: dict[int, dict[str, str]] = {}  # by part: number of a slur, and the voice it is in
    for head in heads:
        note = head.note
        slurs = open_slurs.setdefault(note.part, {})
        for number, kind in head.slurs:
            if kind == "start":
                slurs[number] = note.voice
            elif kind == "stop":
                slurs.pop(number, None)
        signs = [GRACE] if note.grace else []
        signs += [SIGNS[sign] for sign in head.signs if sign in SIGNS]
        signs += [SLURRED] if note.voice in slurs.values() else []
        found[note.id] = reduce(or_, signs, 0)
    return found


def _tied_flags(first: int, second: int) -> int:
    """The flags of two tied heads together: whether a slur goes on, the second tells."""
    return first & ~SLURRED | second & ~GRACE


# The collections --------------------------------------------------------------------------------


def _from_git(git: Path) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every MusicXML file of a (bare) git mirror, without a work tree."""
    listing = subprocess.run(
        ["git", f"--git-dir={git}", "ls-tree", "-r", "-z", "HEAD"], capture_output=True, check=True
    ).stdout.decode()
    files = [line.split("\t", 1) for line in listing.split("\0") if line]
    wanted = [(about.split()[2], path) for about, path in files if path.endswith((".mxl", ".musicxml"))]
    with subprocess.Popen(
        ["git", f"--git-dir={git}", "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for blob, path in wanted:
            reader.stdin.write(f"{blob}\n".encode())
            reader.stdin.flush()
            header = reader.stdout.readline().split()
            if len(header) == 3:  # an absent blob has two words
                yield path, reader.stdout.read(int(header[2]))
                reader.stdout.read(1)
        reader.stdin.close()


def _from_music21() -> Iterator[tuple[str, bytes]]:
    """Path and bytes of the scores that ship with music21, without those whose file restricts its use."""
    import music21.corpus

    folder = Path(music21.corpus.__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".mxl", ".xml", ".musicxml") and MUSIC21.fullmatch(
            path.relative_to(folder).parts[0]
        ):
            data = path.read_bytes()
            if not NOT_FREE.search(unpacked(data)[:4000].decode("utf-8", "replace")):
                yield str(path.relative_to(folder)), data


def _read(job: tuple[str, str, bytes, Path]) -> tuple[str, int, int]:
    """Read and write one score: its name, notes and bars (0 where it can't be used, with the reason)."""
    collection, path, data, folder = job
    name = re.sub(r"[^\w.-]+", "_", f"{collection}_{Path(path).with_suffix('')}".replace("/", "__"))
    try:
        piece = read_bytes(data, name, f"{collection}:{path}")
    except ValueError as error:
        return str(error), 0, 0
    save(piece, folder / f"{name[:180]}.npz")
    return name, len(piece.onset), len(piece.bar_start)


def _jobs(arguments: argparse.Namespace) -> Iterator[tuple[str, str, bytes, Path]]:
    sources = [(name, getattr(arguments, name)) for name in ("lieder", "quartets", "musetrainer")]
    for collection, git in sources:
        for path, data in _from_git(git) if git else ():
            if not LEFT_OUT.search(path):
                yield collection, path, data, arguments.folder
    for path, data in _from_music21():
        if not LEFT_OUT.search(path):
            yield "music21", path, data, arguments.folder


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the training scores as arrays.")
    parser.add_argument("folder", type=Path, help="where to write one .npz a piece")
    for name in ("lieder", "quartets", "musetrainer"):
        parser.add_argument(f"--{name}", type=Path, help=f"git directory of the {name} collection")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    pieces = notes = bars = 0
    with Pool(arguments.processes) as pool:
        for name, count, length in pool.imap_unordered(_read, _jobs(arguments), chunksize=4):
            if not count:
                print("left out:", name)
            pieces, notes, bars = pieces + (count > 0), notes + count, bars + length
    print(f"{pieces} pieces, {notes} notes, {bars} bars")


if __name__ == "__main__":
    main()
