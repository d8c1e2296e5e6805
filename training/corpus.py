"""Openly licensed scores as arrays: what the networks of transcription and notation are trained on.

Task: read MusicXML (.mxl, .musicxml, .xml) fast and exactly into :class:`ScorePiece`, and write a folder
of them, one ``.npz`` a piece, from local git mirrors of the collections and from the scores that ship
with music21. Pieces that are used to measure, and scores that may not be used freely, are left out.

    python -m training.corpus FOLDER --lieder GIT --quartets GIT --musetrainer GIT

Conventions: score time in ticks, ``TICKS`` a quarter, 0 at the first bar line; what is written, with
repeats not unfolded; tied notes are one note; sounding pitch (transposing parts are transposed); a grace
note has duration 0 and stands at the onset of the note it leads to. Voices count from 1 within their
staff and bar: stems up before stems down, then by height. Cue notes, hidden notes and percussion are
left out.

Limits: ``score-timewise`` files, ossias in staves of their own and tremolos are not read as such.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

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
ROUNDING = TICKS // 8  # bars this near to their signature's length are off it by a writer's rounding
STEPS = {
    "C": (0, 0),
    "D": (2, 2),
    "E": (4, 4),
    "F": (5, -1),
    "G": (7, 1),
    "A": (9, 3),
    "B": (11, 5),
}  # semitones above C, place on the line of fifths
BEAT_UNITS = {"whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25}  # quarters

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


@dataclass(slots=True)
class _Raw:
    """A note head as read, before ties are joined. ``id`` is the file's own name of its voice."""

    onset: int
    duration: int
    pitch: int
    fifths: int
    staff: int
    id: str
    bar: int
    flags: int
    stem: str
    tie_start: bool
    tie_stop: bool
    voice: int = 1


@dataclass(slots=True)
class _Measure:
    """What one part says of a bar; lengths in ticks, ``reach`` is how far its notes and rests go."""

    reach: int
    numerator: int
    denominator: int
    key: int


def read_bytes(data: bytes, name: str, source: str) -> ScorePiece:
    """Read one score from the bytes of a compressed or plain MusicXML file.

    Raises ``ValueError`` if it is not a ``score-partwise`` with notes.
    """
    try:
        root = ElementTree.fromstring(_unpacked(data))
    except (ElementTree.ParseError, zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{source}: not MusicXML ({error})") from error
    if root.tag != "score-partwise":
        raise ValueError(f"{source}: a {root.tag}, not a score-partwise")
    names = {item.get("id"): item.findtext("part-name", "") for item in root.iter("score-part")}
    parts = [_Part(element) for element in root.iter("part")]
    bars = _bars([part.measures for part in parts])
    starts = np.concatenate([[0], np.cumsum([bar.reach for bar in bars])])
    columns: dict[str, list[int]] = {field: [] for field in NOTE_FIELDS}
    for number, part in enumerate(parts):
        for note in part.notes(starts):
            for field in NOTE_FIELDS:
                columns[field].append(number if field == "part" else getattr(note, field))
    if not columns["onset"]:
        raise ValueError(f"{source}: no notes")
    notes = {field: np.asarray(values, dtype=np.int64) for field, values in columns.items()}
    order = np.lexsort((notes["part"], notes["pitch"], notes["flags"] & GRACE == 0, notes["onset"]))
    return ScorePiece(
        name=name,
        source=source,
        bar_start=starts[:-1],
        bar_length=np.asarray([bar.reach for bar in bars], dtype=np.int64),
        bar_numerator=np.asarray([bar.numerator for bar in bars], dtype=np.int64),
        bar_denominator=np.asarray([bar.denominator for bar in bars], dtype=np.int64),
        bar_key=np.asarray([bar.key for bar in bars], dtype=np.int64),
        part_names=tuple(names.get(element.get("id"), "") or "" for element in root.iter("part")),
        part_is_keyboard=tuple(part.staves >= 2 for part in parts),
        tempo=next((part.tempo for part in parts if part.tempo > 0), 0.0),
        **{field: values[order] for field, values in notes.items()},
    )


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"PK"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        inner = next(item.get("full-path", "") for item in container.iter() if item.tag.endswith("rootfile"))
        return archive.read(inner)


def _bars(parts: list[list[_Measure]]) -> list[_Measure]:
    """One list of bars for all parts: as long as the longest content, or by the signature where empty."""
    bars = []
    for index in range(max((len(part) for part in parts), default=0)):
        here = [part[index] for part in parts if index < len(part)]
        first = here[0]
        nominal = 4 * TICKS * first.numerator // first.denominator
        reach = max(measure.reach for measure in here)
        if abs(reach - nominal) <= ROUNDING:
            reach = nominal
        bars.append(_Measure(reach or nominal, first.numerator, first.denominator, first.key))
    return bars


class _Part:
    """One ``<part>``, read bar by bar; onsets are relative to the bar until :meth:`notes`."""

    def __init__(self, element: ElementTree.Element) -> None:
        self.measures: list[_Measure] = []
        self.staves = 1
        self.tempo = 0.0
        self._raw: list[_Raw] = []
        self._divisions = 1
        self._transpose = (0, 0)  # semitones, places on the line of fifths
        self._meter = (4, 4)
        self._key = 0
        self._slurs: dict[str, str] = {}  # number of an open slur: the voice it is in
        for index, measure in enumerate(element.iter("measure")):
            self._read_measure(measure, index)

    def _ticks(self, element: ElementTree.Element) -> int:
        return round(float(element.findtext("duration", "0")) * TICKS / self._divisions)

    def _read_measure(self, measure: ElementTree.Element, index: int) -> None:
        now = reach = chord_onset = 0
        for element in measure:
            if element.tag == "note":
                length = 0 if element.find("grace") is not None else self._ticks(element)
                if element.find("chord") is not None:
                    onset = chord_onset
                else:
                    onset = chord_onset = now
                    now += length
                reach = max(reach, now)
                self._read_note(element, index, onset, length)
            elif element.tag == "backup":
                now = max(0, now - self._ticks(element))
            elif element.tag == "forward":
                now += self._ticks(element)
                reach = max(reach, now)
            elif element.tag == "attributes":
                self._read_attributes(element)
            elif element.tag in ("direction", "sound") and not self.tempo:
                self.tempo = _tempo(element)
        self.measures.append(_Measure(reach, *self._meter, self._key + self._transpose[1]))

    def _read_attributes(self, element: ElementTree.Element) -> None:
        self._divisions = int(float(element.findtext("divisions", str(self._divisions))))
        self.staves = max(self.staves, int(element.findtext("staves", "1")))
        if (fifths := element.findtext("key/fifths")) is not None:
            self._key = int(fifths)
        beats, unit = element.findtext("time/beats"), element.findtext("time/beat-type")
        if beats and unit:
            self._meter = (sum(int(part) for part in beats.split("+")), int(unit))
        if (transpose := element.find("transpose")) is not None:
            chromatic = int(float(transpose.findtext("chromatic", "0")))
            octaves = int(transpose.findtext("octave-change", "0"))
            diatonic = transpose.findtext("diatonic")
            if diatonic is None:  # the simplest interval of that size
                fifths_moved = (7 * chromatic + 5) % 12 - 5
            else:
                fifths_moved = 7 * chromatic - 12 * int(diatonic)
            self._transpose = (chromatic + 12 * octaves, fifths_moved)

    def _read_note(self, element: ElementTree.Element, bar: int, onset: int, length: int) -> None:
        pitch = element.find("pitch")
        if pitch is None or element.find("cue") is not None or element.get("print-object") == "no":
            return
        staff = int(element.findtext("staff", "1"))
        voice = element.findtext("voice", "1")
        alter = round(float(pitch.findtext("alter", "0")))
        semitones, fifths = STEPS[pitch.findtext("step", "C").strip()]
        ties = {tie.get("type") for tie in element.iter("tie")}
        flags = GRACE if element.find("grace") is not None else 0
        for notations in element.iter("notations"):
            for sign in notations.iter():
                flags |= SIGNS.get(sign.tag, 0)
                if sign.tag == "slur":
                    number = sign.get("number", "1")
                    if sign.get("type") == "start":
                        self._slurs[number] = voice
                    elif sign.get("type") == "stop":
                        self._slurs.pop(number, None)
        if voice in self._slurs.values():
            flags |= SLURRED
        self._raw.append(
            _Raw(
                onset=onset,
                duration=length,
                pitch=12 * (int(pitch.findtext("octave", "4")) + 1) + semitones + alter + self._transpose[0],
                fifths=fifths + 7 * alter + self._transpose[1],
                staff=staff,
                id=voice,
                bar=bar,
                flags=flags,
                stem=element.findtext("stem", ""),
                tie_start="start" in ties,
                tie_stop="stop" in ties,
            )
        )

    def notes(self, starts: Ints) -> list[_Raw]:
        """The part's notes in score time, voices numbered and ties joined."""
        _number_voices(self._raw)
        for note in self._raw:
            note.onset += int(starts[note.bar])
        return _joined(self._raw)


def _tempo(element: ElementTree.Element) -> float:
    """The tempo a direction gives in quarters a minute, or 0."""
    for sound in element.iter("sound"):
        if sound.get("tempo"):
            return float(sound.get("tempo", "0"))
    for mark in element.iter("metronome"):
        number = re.search(r"\d+(\.\d+)?", mark.findtext("per-minute", ""))
        unit = BEAT_UNITS.get(mark.findtext("beat-unit", ""), 0.0)
        if number and unit:
            return float(number[0]) * unit * (1.5 if mark.find("beat-unit-dot") is not None else 1.0)
    return 0.0


def _number_voices(notes: list[_Raw]) -> None:
    """Number the voices of each staff in each bar from the top: by their stems, then by their height."""
    places: dict[tuple[int, int], dict[str, list[_Raw]]] = {}
    for note in notes:
        places.setdefault((note.bar, note.staff), {}).setdefault(note.id, []).append(note)
    for voices in places.values():
        mains = {id: [n for n in own if not n.flags & GRACE] or own for id, own in voices.items()}
        ups = {id: sum((n.stem == "up") - (n.stem == "down") for n in own) for id, own in mains.items()}
        height = {id: sum(n.pitch for n in own) / len(own) for id, own in mains.items()}
        order = sorted(voices, key=lambda id: (-np.sign(ups[id]), -height[id]))
        for number, id in enumerate(order, start=1):
            for note in voices[id]:
                note.voice = number


def _joined(notes: list[_Raw]) -> list[_Raw]:
    """The notes with tied ones merged: a tie goes to the note of the same pitch where this one ends."""
    open_ties: dict[tuple[int, int], list[_Raw]] = {}
    joined: list[_Raw] = []
    for note in sorted(notes, key=lambda note: (note.onset, note.duration)):
        waiting = open_ties.get((note.pitch, note.onset), []) if note.tie_stop else []
        held = next((n for n in waiting if (n.id, n.staff) == (note.id, note.staff)), None)
        held = held or (waiting[0] if waiting else None)
        if held is None:
            held = note
            joined.append(note)
        else:
            waiting.remove(held)
            held.duration += note.duration
            held.flags = held.flags & ~SLURRED | note.flags & ~GRACE
        if note.tie_start and note.duration > 0:
            open_ties.setdefault((held.pitch, held.onset + held.duration), []).append(held)
    return joined


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
            if not NOT_FREE.search(_unpacked(data)[:4000].decode("utf-8", "replace")):
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
