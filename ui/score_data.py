"""The score as the page shows it: engraved pages, when each note sounds in the recording, doubtful notes.

Task: give a browser everything to draw a song's score in the width it has, to follow the recording in it,
to hide parts, to transpose for players of B flat, E flat and F instruments, and to lead to the notes that
were not surely heard.

Method: every ``<note>`` of ``score.musicxml`` gets the id ``n`` and its number in the file, which verovio
keeps: an id means the same note at every width, transposition and choice of parts. What stands there is read
by :mod:`notation.musicxml_reader`; score time becomes the recording's by the beats in ``report.json``. A
written note is the note of ``notes.json`` of its stem and pitch that begins nearest to it.

Conventions: times in seconds of the recording, score time in quarters from the first bar line. A tied
note is lit as a whole, its ids together; a grace note sounds just before its note, as in ``score.mid``.
Tempo marks, sections and chord symbols stand over the first part in the file; where that is hidden they
move to the first that is shown. Text is escaped by verovio; links and scripts it never writes.

Limits: transposition is by an interval, the same for all shown parts (drums stay); verovio chooses the
key.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from fullscore.errors import FullscoreError
from notation.export import GRACE_QUARTERS
from notation.musicxml_reader import Cursor, XmlNote, joined, parse_musicxml, read_written
from notation.percussion import sound_of
from transcription.notes import Note
from transcription.notes_io import read_notes_json
from ui.synth import read_report, seconds_of

WIDTH = 900  # CSS pixels
NARROWEST, WIDEST = 200, 4000
PAGE_SHAPE, LOWEST_PAGE = 0.65, 640  # height of a page: this share of its width, at least so many pixels
SHORT_NAMES_BELOW = 600  # pixels of width, where the parts' names would take a bar's room
SCALE = 38  # percent: staves are 27 pixels high
TRANSPOSITIONS = {"concert": "", "B flat": "M2", "E flat": "M6", "F": "P5"}
"""How much higher than it sounds the player of such an instrument reads (verovio's interval)."""
UNSURE_BELOW = {"drums": 0.65, "vocals": 0.5}
UNSURE_BELOW_ELSE = 0.45
"""Notes of less confidence are shown as doubtful; each engine has its own scale. On three piano recordings 28
to 60 % of the notes below were wrong and 4 to 6 % of the others (benchmarks/doubtful.py)."""
FARTHEST_S = 0.4  # between a written note and the one heard that it stands for

_INTERVALS = {"": (0, 0), "M2": (1, 2), "M6": (5, 9), "P5": (4, 7)}  # steps and semitones
_SCALE_STEPS = "CDEFGAB"
_SEMITONES = (0, 2, 4, 5, 7, 9, 11)
_SIGNS = {-2: "𝄫", -1: "♭", 0: "", 1: "♯", 2: "𝄪"}
_DRUM_STAFF = re.compile(r'<clef [^>]*shape="perc"[^>]*/>.*?</staffDef>', re.DOTALL)
_KEY_SIGNATURE = re.compile(r"<keySig [^>]*/>")
_FONT = re.compile(r"<style[^>]*>\s*@font-face\s*{[^}]*}\s*</style>")
_FONT_DATA = re.compile(r"font-family:\s*[\"']?([\w ]+).*?url\((data:[^)]*)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """A note of the file: ``ids`` are its own and of those tied to it, ``part`` and ``bar`` count from 0.

    ``onset`` and ``end`` are in quarters; ``pitch`` is how it sounds, as a MIDI number, of drums the General
    MIDI key. ``name`` is as written: step (0 is C), alteration and octave; drums have none.
    """

    ids: tuple[str, ...]
    part: int
    bar: int
    onset: Fraction
    end: Fraction
    pitch: int
    name: tuple[int, int, int] | None
    grace: bool = False


def score_view(
    made: Path, *, parts: Sequence[str] | None = None, transpose: str = "concert", width: int = WIDTH
) -> dict[str, Any]:
    """The score of the song in ``made``, as JSON; ``parts`` are the stems whose parts to show (None: all).

    ``width`` is in CSS pixels. Raises FullscoreError for a score, a part or a transposition that isn't there.
    """
    if transpose not in TRANSPOSITIONS:
        raise FullscoreError(
            "a score can be read in {known}, not in '{transpose}'",
            "choose one of these",
            known=", ".join(TRANSPOSITIONS),
            transpose=transpose,
        )
    root, stems = _read(made)
    names = [entry.findtext("part-name", "") for entry in root.iter("score-part")]
    visible = [number for number, stem in enumerate(stems) if parts is None or stem in parts]
    if not visible or not set(parts or ()) <= set(stems):
        raise FullscoreError(
            "the score has the parts {parts}: show at least one of these", parts=", ".join(stems)
        )
    bars, notes = written_notes(root)
    times = _Times(made, bars, notes)
    interval = TRANSPOSITIONS[transpose]
    heard = matched(notes, times, stems, read_notes_json(made / "notes.json"))
    found = [(notes[index], heard[index]) for index in sorted(heard) if notes[index].part in visible]
    _keep_parts(root, visible)
    if width < SHORT_NAMES_BELOW:
        _shorten_names(root)
    pages, fonts = _engrave(root, interval, width)
    return {
        "pages": pages,
        "fonts": fonts,
        "timemap": [
            {"start": start, "end": end, "ids": ids} for start, end, ids in times.timemap(notes, visible)
        ],
        "bars": [
            {"number": number, "start": start, "end": end}
            for (number, _, _), (start, end) in zip(bars, times.bars, strict=True)
        ],
        "parts": [
            {"stem": stem, "name": name, "shown": number in visible}
            for number, (stem, name) in enumerate(zip(stems, names, strict=True))
        ],
        "transpose": transpose,
        "transpositions": list(TRANSPOSITIONS),
        "notes": {
            note.ids[0]: {
                "ids": list(note.ids),
                "bar": bars[note.bar][0],
                "part": names[note.part],
                "name": _name(note, interval),
                "start": times.of(note)[0],
                "stem": sound.stem,
                "onset": sound.onset,
                "pitch": sound.pitch,
                "confidence": round(sound.confidence, 2),
            }
            for note, sound in found
        },
        "uncertain": [note.ids[0] for note, sound in found if is_uncertain(sound)],
    }


def is_uncertain(note: Note) -> bool:
    """Whether a heard note is to be looked at."""
    return note.confidence < UNSURE_BELOW.get(note.stem, UNSURE_BELOW_ELSE)


def _read(made: Path) -> tuple[ET.Element, list[str]]:
    """The score with an id on every note, and the stem of each part."""
    told = read_report(made)["parts"]
    root = parse_musicxml((made / "score.musicxml").read_bytes())
    stems = told or [""] * len(root.findall("part"))  # a score of rests alone is of no stem
    for number, note in enumerate(root.iter("note")):
        note.set("id", _id(number))
    return root, stems


# Reading the notes


Bar = tuple[str, Fraction, Fraction]
"""Number as printed, start and end in quarters."""


def written_notes(root: ET.Element) -> tuple[list[Bar], list[WrittenNote]]:
    """The bars and the notes of a MusicXML score, in the order of time."""
    score = read_written(root)
    names = {head.note.id: head.written for head in score.heads}
    notes = [_written(note, names[note.id]) for note in joined(score.heads)]
    bars = [(bar.number, bar.start, bar.end) for bar in score.bars]
    return bars, sorted(notes, key=lambda note: (note.onset, not note.grace, note.part, note.pitch))


def _written(note: XmlNote, name: tuple[str, int, int] | None) -> WrittenNote:
    ids = tuple(map(_id, (note.id, *note.held)))
    onset, end = note.onset, note.end
    if note.grace:
        onset = max(onset - GRACE_QUARTERS, Fraction(0))
    written = None if name is None else (_SCALE_STEPS.index(name[0]), *name[1:])
    return WrittenNote(ids, note.part, note.bar, onset, end, note.pitch, written, note.grace)


def _id(number: int) -> str:
    """The id of the note of this number in the file."""
    return f"n{number}"


class _Times:
    """When the bars and notes of a score are played, in seconds to a millisecond."""

    def __init__(self, made: Path, bars: Sequence[Bar], notes: Sequence[WrittenNote]) -> None:
        places = [(start, end) for _, start, end in bars] + [(note.onset, note.end) for note in notes]
        flat = [float(quarters) for place in places for quarters in place]
        seconds = [round(float(second), 3) for second in seconds_of(made, flat)]
        pairs = list(zip(seconds[::2], seconds[1::2], strict=True))
        self.bars = pairs[: len(bars)]
        self._notes = {note.ids: pair for note, pair in zip(notes, pairs[len(bars) :], strict=True)}

    def of(self, note: WrittenNote) -> tuple[float, float]:
        """From when to when a note is played."""
        return self._notes[note.ids]

    def timemap(
        self, notes: Sequence[WrittenNote], parts: Sequence[int]
    ) -> Iterator[tuple[float, float, list[str]]]:
        """The ids that are lit together, from when to when, by their start."""
        lit: dict[tuple[float, float], list[str]] = defaultdict(list)
        for note in notes:
            if note.part in parts:
                lit[self.of(note)].extend(note.ids)
        for (start, end), ids in sorted(lit.items()):
            yield start, end, ids


def matched(
    notes: Sequence[WrittenNote], times: _Times, stems: Sequence[str], heard: Sequence[Note]
) -> dict[int, Note]:
    """The heard note that each written note (by its index) stands for; each stands for one at most."""
    of: dict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
    for index, note in enumerate(notes):
        of[stems[note.part], note.pitch].append((times.of(note)[0], index))
    for placed in of.values():
        placed.sort()
    near = []
    for number, sound in enumerate(heard):
        pitch = sound_of(sound.pitch).key if sound.stem == "drums" else sound.pitch
        placed = of[sound.stem, pitch]
        for start, index in placed[bisect_left(placed, (sound.onset - FARTHEST_S, 0)) :]:
            if start > sound.onset + FARTHEST_S:
                break
            near.append((abs(start - sound.onset), index, number))
    found: dict[int, Note] = {}
    used: set[int] = set()
    for _, index, number in sorted(near):
        if index not in found and number not in used:
            found[index] = heard[number]
            used.add(number)
    return found


def _name(note: WrittenNote, interval: str) -> str:
    """What a reader of the transposed score calls the note."""
    if note.name is None:
        return sound_of(note.pitch).name
    step, alter, octave = note.name
    steps, semitones = _INTERVALS[interval]
    octaves, new = divmod(step + steps, 7)
    alter += semitones - (_SEMITONES[new] + 12 * octaves - _SEMITONES[step])
    return f"{_SCALE_STEPS[new]}{_SIGNS.get(alter, '')}{octave + octaves}"


# Pages


def _keep_parts(root: ET.Element, visible: Sequence[int]) -> None:
    """Leave only these parts in the score, with what stands over the top staff for all; no headline."""
    for credit in root.findall("credit"):
        root.remove(credit)
    parts = root.findall("part")
    if len(visible) == len(parts):
        return
    if visible[0] > 0:
        cursor = Cursor()
        for measure, own in zip(parts[0].iter("measure"), parts[visible[0]].iter("measure"), strict=True):
            _move_signs(measure, own, cursor)
    hidden = [part for number, part in enumerate(parts) if number not in visible]
    for part in hidden:
        root.remove(part)
    gone = {part.get("id") for part in hidden}
    for listed in root.iter("part-list"):
        for entry in list(listed):
            if entry.tag == "part-group" or entry.get("id") in gone:
                listed.remove(entry)


def _shorten_names(root: ET.Element) -> None:
    """Call the parts by their abbreviations from the first system on."""
    for entry in root.iter("score-part"):
        name, short = entry.find("part-name"), entry.findtext("part-abbreviation")
        if name is not None and short:
            name.text = short


def _move_signs(measure: ET.Element, to: ET.Element, cursor: Cursor) -> None:
    """Copy tempo marks, sections and chord symbols to the beginning of a bar of another part.

    ``cursor`` has read the bars before; the divisions of a quarter are those of all parts.
    """
    place = next((i for i, element in enumerate(to) if element.tag not in ("print", "attributes")), len(to))
    for element, at, _ in cursor.through(measure):
        if element.tag == "harmony" or (element.tag == "direction" and _is_for_all(element)):
            sign = deepcopy(element)
            offset = sign.find("offset")
            if offset is None:
                before = next((i for i, e in enumerate(sign) if e.tag in ("staff", "sound")), len(sign))
                offset = ET.Element("offset")
                sign.insert(before, offset)
            offset.text = str(int(offset.text or 0) + int(at * cursor.divisions))
            for staff in sign.findall("staff"):
                sign.remove(staff)
            to.insert(place, sign)
            place += 1


def _is_for_all(direction: ET.Element) -> bool:
    kinds = {kind.tag for holder in direction.iter("direction-type") for kind in holder}
    return bool(kinds & {"rehearsal", "metronome"}) or direction.find("sound") is not None


def _engrave(root: ET.Element, interval: str, width: int) -> tuple[list[str], list[dict[str, str]]]:
    """The pages as SVG without fonts, and the fonts of music signs within text, each once."""
    import verovio

    width = min(max(width, NARROWEST), WIDEST)
    verovio.enableLog(verovio.LOG_OFF)
    verovio.setDefaultResourcePath(str(Path(verovio.__file__).with_name("data")))
    toolkit = verovio.toolkit()
    options = {
        "adjustPageHeight": True,
        "breaks": "auto",
        "footer": "none",
        "header": "none",
        "lyricTopMinMargin": 3.0,
        "lyricWordSpace": 2.0,
        "pageHeight": round(max(PAGE_SHAPE * width, LOWEST_PAGE) * 100 / SCALE),
        "pageWidth": round(width * 100 / SCALE),
        "pageMarginTop": 60,
        "pageMarginBottom": 60,
        "pageMarginLeft": 25,
        "pageMarginRight": 25,
        "scale": SCALE,
        "svgFormatRaw": True,
        "svgRemoveXlink": True,
        "svgViewBox": True,
        "transpose": interval,
        "xmlIdSeed": 1,
    }
    toolkit.setOptions(options)
    if not toolkit.loadData(ET.tostring(root, encoding="unicode")):
        raise FullscoreError("the score can't be engraved", "transcribe the song again")
    if interval:  # verovio transposes the key of no sharps and flats that it gives to drums, too
        plain = _DRUM_STAFF.sub(lambda staff: _KEY_SIGNATURE.sub("", staff[0]), toolkit.getMEI())
        toolkit.setOptions({"transpose": ""})
        toolkit.loadData(plain)
    pages: list[str] = []
    fonts: dict[str, str] = {}
    for number in range(1, toolkit.getPageCount() + 1):
        page = toolkit.renderToSVG(number)
        for style in _FONT.findall(page):
            fonts.update(_FONT_DATA.findall(style))
        pages.append(_FONT.sub("", page))
    return pages, [{"family": family, "source": source} for family, source in fonts.items()]
