"""The score on disk: MusicXML 4.0, MIDI as written, MIDI as heard, engraved pages as SVG and PDF.

Method: :mod:`notation.musicxml` says what the file holds; verovio engraves it; typst puts the pages into a
PDF. MIDI is written event by event with mido.

Conventions: every file appears whole or not at all. MIDI tracks are named after the stems, drums on
channel 10; a performance's bends span ``BEND_RANGE`` semitones, announced by RPN 0, and since a bend
belongs to the channel, of overlapping notes the last one started bends.
"""

from __future__ import annotations

import base64
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import mido

from fullscore.errors import FullscoreError
from fullscore.files import whole_file
from notation.events import Key, ScoreNote
from notation.instruments import VOICINGS, Voicing, voicing_of
from notation.musicxml import document, printable
from notation.page import NotatedScore
from transcription.notes import Note

TICKS = 480  # MIDI ticks in a quarter
PERFORMANCE_TICKS = 1000  # per quarter at 60 quarters a minute: one tick is a millisecond
BEND_RANGE = 2  # semitones
BEND_STEP_S = 0.01  # bends are written at most this often
STAFF_UNIT = 7.0  # half a staff space in 0.1 mm: staves of 5.6 mm, usual for a full score
TITLE_SIZE = "200%"  # of the size of the words
GRACE_QUARTERS = Fraction(1, 8)  # how long a grace note sounds before its note

# MusicXML


def write_musicxml(score: NotatedScore, path: Path) -> None:
    """Write the score as MusicXML 4.0; the same score gives the same bytes."""
    with whole_file(path) as partial:
        partial.write_text(document(score), encoding="utf-8")


def write_mxl(score: NotatedScore, path: Path) -> None:
    """Write the score as compressed MusicXML; the same score gives the same bytes."""
    pack_mxl(document(score), path)


def pack_mxl(musicxml: str, path: Path) -> None:
    """Write a MusicXML document compressed."""
    container = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<container><rootfiles><rootfile full-path="score.musicxml"/></rootfiles></container>\n'
    )
    with whole_file(path) as partial, ZipFile(partial, "w", ZIP_DEFLATED) as archive:
        for name, text in (("META-INF/container.xml", container), ("score.musicxml", musicxml)):
            archive.writestr(ZipInfo(name), text, ZIP_DEFLATED)  # without the hour of writing in it


def music21_stream(score: NotatedScore) -> Any:
    """The score as music21 reads it, for whoever wants to go on with that library."""
    from music21 import converter

    return converter.parseData(document(score), format="musicxml")


def write_score(score: NotatedScore, path: Path) -> None:
    """Write the score in the format that the suffix of ``path`` says: MusicXML unless it is another."""
    suffix = path.suffix.lower()
    if suffix == ".pdf":
        with tempfile.TemporaryDirectory() as scratch:
            musicxml = Path(scratch) / "score.musicxml"
            write_musicxml(score, musicxml)
            write_pdf(engrave(musicxml), path, score.title)
    else:
        {".mid": write_midi, ".mxl": write_mxl}.get(suffix, write_musicxml)(score, path)


# MIDI

_Timed = tuple[int, int, mido.Message | mido.MetaMessage]
"""A tick, a rank among the messages of that tick, and the message."""


def write_midi(score: NotatedScore, path: Path) -> None:
    """Write the score as a MIDI file in its own tempi, with bars, keys, pedal and lyrics."""
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    conductor: list[_Timed] = [
        (_ticks(onset), 0, mido.MetaMessage("set_tempo", tempo=_microseconds(tempo)))
        for onset, tempo in score.tempi
    ]
    conductor.append((0, 0, mido.MetaMessage("track_name", name=_latin(score.title))))
    conductor += [
        (_ticks(onset), 0, mido.MetaMessage("key_signature", key=_midi_key(key))) for onset, key in score.keys
    ]
    previous = None
    for bar in score.bars:
        if bar.time_signature != previous:
            previous = bar.time_signature
            change = mido.MetaMessage(
                "time_signature", numerator=previous.numerator, denominator=previous.denominator
            )
            conductor.append((_ticks(bar.start), 0, change))
    file.tracks.append(_track(conductor))
    for number, part in enumerate(score.parts):
        channel, messages = _opening(part.stem, number, part.voicing)
        told = score.expression.parts.get(part.stem)
        for pedal in told.pedals if told else ():
            messages.append((_ticks(pedal.start), 3, _foot(channel, 127)))
            messages.append((_ticks(pedal.end), 0, _foot(channel, 0)))
        for i, note in enumerate(part.notes):
            start, end = _sounding(note)
            if note.heard not in part.spoken:
                on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.heard.velocity)
                messages.append((start, 2, on))
                messages.append((end, 1, mido.Message("note_off", channel=channel, note=note.pitch)))
            if part.sung and part.sung[i].syllables:
                words = " ".join(
                    s.text + "-" * (s.syllabic in ("begin", "middle")) for s in part.sung[i].syllables
                )
                messages.append((start, 0, mido.MetaMessage("lyrics", text=_latin(words))))
        file.tracks.append(_track(messages))
    with whole_file(path) as partial:
        file.save(partial)


def _foot(channel: int, value: int) -> mido.Message:
    return mido.Message("control_change", channel=channel, control=64, value=value)


def _microseconds(quarters_per_minute: float) -> int:
    """The length of a quarter as MIDI holds it."""
    return min(max(round(60e6 / quarters_per_minute), 1), 0xFFFFFF)


def _sounding(note: ScoreNote) -> tuple[int, int]:
    if note.duration > 0:
        return _ticks(note.onset), _ticks(note.end)
    start = max(note.onset - GRACE_QUARTERS, Fraction(0))
    return _ticks(start), _ticks(start + GRACE_QUARTERS)


def write_performance(notes: Iterable[Note], path: Path) -> None:
    """Write the notes as heard: exact times (to 1 ms), velocities and bends, one track per stem."""
    file = mido.MidiFile(type=1, ticks_per_beat=PERFORMANCE_TICKS)
    file.tracks.append(_track([(0, 0, mido.MetaMessage("set_tempo", tempo=1_000_000))]))
    order = list(VOICINGS)
    ordered = sorted(notes, key=lambda n: (order.index(n.stem) if n.stem in order else len(order), n.stem, n))
    for number, (stem, group) in enumerate(groupby(ordered, key=lambda note: note.stem)):
        channel, messages = _opening(stem, number, voicing_of(stem))
        heard = list(group)
        bent = any(note.bends for note in heard)
        if bent:
            messages += _bend_range(channel)
        for note in heard:
            start = round(note.onset * 1000)
            end = max(round(note.offset * 1000), start + 1)
            if bent:
                messages += _bends(note, channel)
            on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
            messages.append((start, 3, on))
            messages.append((end, 1, mido.Message("note_off", channel=channel, note=note.pitch)))
        file.tracks.append(_track(messages))
    with whole_file(path) as partial:
        file.save(partial)


def _opening(stem: str, number: int, voicing: Voicing) -> tuple[int, list[_Timed]]:
    """The channel of a track and its first messages."""
    number %= 15
    channel = 9 if voicing.family == "drums" else number if number < 9 else number + 1
    return channel, [
        (0, 0, mido.MetaMessage("track_name", name=_latin(stem))),
        (0, 0, mido.Message("program_change", channel=channel, program=voicing.program)),
    ]


def _bend_range(channel: int) -> list[_Timed]:
    controls = ((101, 0), (100, 0), (6, BEND_RANGE), (38, 0), (101, 127), (100, 127))
    return [(0, 0, mido.Message("control_change", channel=channel, control=c, value=v)) for c, v in controls]


def _bends(note: Note, channel: int) -> list[_Timed]:
    """The note's bend curve; a note without one sets the wheel back."""
    if not note.bends:
        return [(round(note.onset * 1000), 2, mido.Message("pitchwheel", channel=channel, pitch=0))]
    step = note.duration / len(note.bends)
    messages: list[_Timed] = []
    last = None
    for i, semitones in enumerate(note.bends):
        time = note.onset + i * step
        if last is not None and time < last + BEND_STEP_S:
            continue
        last = time
        wheel = min(max(round(semitones / BEND_RANGE * 8192), -8192), 8191)
        bend = mido.Message("pitchwheel", channel=channel, pitch=wheel, skip_checks=True)  # in range as made
        messages.append((round(time * 1000), 2, bend))
    return messages


def _track(timed: Iterable[_Timed]) -> mido.MidiTrack:
    track = mido.MidiTrack()
    now = 0
    for tick, _, message in sorted(timed, key=lambda item: item[:2]):
        message.time = tick - now
        track.append(message)
        now = tick
    track.append(mido.MetaMessage("end_of_track"))
    return track


def _ticks(quarters: Fraction) -> int:
    return round(quarters * TICKS)


def _midi_key(key: Key) -> str:
    """The key as MIDI names it, of the fifteen there are."""
    fifths = min(max(key.fifths, -7), 7) + (3 if key.mode == "minor" else 0)
    step, sharps = "FCGDAEB"[(fifths + 1) % 7], (fifths + 1) // 7
    return step + ("#" if sharps > 0 else "b" if sharps < 0 else "") + ("m" if key.mode == "minor" else "")


def _latin(text: str) -> str:
    """MIDI text as mido writes it: Latin-1, which is a single byte per UTF-8 byte."""
    return text.encode("utf-8").decode("latin-1")


# Pages


def engrave(musicxml_path: Path) -> list[str]:
    """The pages of a MusicXML file as A4 SVG, engraved by verovio with the title at the top."""
    import verovio  # not needed for MusicXML and MIDI

    verovio.enableLog(verovio.LOG_OFF)
    # verovio knows its fonts' place only in the thread that imported it.
    verovio.setDefaultResourcePath(str(Path(verovio.__file__).with_name("data")))
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "pageWidth": 2100,
            "pageHeight": 2970,
            "pageMarginTop": 120,
            "pageMarginBottom": 120,
            "pageMarginLeft": 140,
            "pageMarginRight": 110,
            "unit": STAFF_UNIT,
            "footer": "none",
            "lyricTopMinMargin": 3.0,
            "lyricWordSpace": 2.0,  # for fonts wider than those verovio measures with
            "justifyVertically": True,
            "breaksNoWidow": True,
            "xmlIdSeed": 1,
        }
    )
    if not toolkit.loadData(musicxml_path.read_text(encoding="utf-8")):
        raise FullscoreError(
            "{musicxml_path} can't be engraved: it is not a score in MusicXML", musicxml_path=musicxml_path
        )
    # verovio reads the title of a MusicXML file without its size: the first words at the head of the page.
    titled = re.sub(
        r"(<pgHead.*?<rend )", rf'\1fontsize="{TITLE_SIZE}" ', toolkit.getMEI(), count=1, flags=re.DOTALL
    )
    toolkit.loadData(titled)
    return [toolkit.renderToSVG(page) for page in range(1, toolkit.getPageCount() + 1)]


def write_svgs(pages: Sequence[str], folder: Path) -> list[Path]:
    """Write score-001.svg and so on, and remove the pages of a longer score from before."""
    paths = []
    for number, page in enumerate(pages, start=1):
        path = folder / f"score-{number:03d}.svg"
        with whole_file(path) as partial:
            partial.write_text(page, encoding="utf-8")
        paths.append(path)
    for old in folder.glob("score-[0-9][0-9][0-9].svg"):
        if old not in paths:
            old.unlink()
    return paths


def write_pdf(pages: Sequence[str], path: Path, title: str = "") -> None:
    """Write the pages as a vector PDF of A4 sheets."""
    import typst

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        lines = [
            "#set page(width: 210mm, height: 297mm, margin: 0mm)",
            f"#set document(title: {_typst_text(title)})",
        ]
        _write_music_fonts(pages, root)
        for number, page in enumerate(pages):
            (root / f"{number}.svg").write_text(_plain_text(page), encoding="utf-8")
            lines.append(f'#image("{number}.svg", width: 210mm, height: 297mm)')
        (root / "score.typ").write_text("\n".join(lines), encoding="utf-8")
        document = typst.compile(
            str(root / "score.typ"), root=str(root), font_paths=[str(root)], format="pdf", timestamp=0
        )
    with whole_file(path) as partial:
        partial.write_bytes(document)


def _typst_text(text: str) -> str:
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write_music_fonts(pages: Sequence[str], folder: Path) -> None:
    """The music fonts that the pages carry for notes and flats within text, as files that typst reads."""
    embedded = re.compile(r"url\(data:application/font-woff2;[^,]*base64,([^)]*)\)")
    for number, data in enumerate(sorted({match for page in pages for match in embedded.findall(page)})):
        (folder / f"music-{number}.ttf").write_bytes(_plain_font(data))


@lru_cache(maxsize=4)
def _plain_font(data: str) -> bytes:
    """A font as TrueType from WOFF2 in base64; without the hour of writing, for equal PDFs of equal pages."""
    from fontTools.ttLib import TTFont

    font = TTFont(BytesIO(base64.b64decode(data)), recalcTimestamp=False)
    font.flavor = None
    plain = BytesIO()
    font.save(plain)
    return plain.getvalue()


def _plain_text(page: str) -> str:
    """The page with its text as typst places it rightly: a position on each text, no nested positions."""
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ET.fromstring(page)
    for style in root.iter(f"{{{_SVG}}}style"):
        style.text = re.sub(r"@font-face\s*{[^}]*}", "", style.text or "")
    for parent in list(root.iter()):
        for index, child in enumerate(list(parent)):
            if child.tag == f"{{{_SVG}}}text":
                group = ET.Element(f"{{{_SVG}}}g")
                _flatten_text(child, {}, group)
                parent[index] = group
    return ET.tostring(root, encoding="unicode")


_SVG = "http://www.w3.org/2000/svg"
_TEXT_STYLE = ("font-family", "font-size", "font-style", "font-weight", "fill")


def _flatten_text(element: ET.Element, inherited: dict[str, str], group: ET.Element) -> None:
    """Put what ``element`` says into ``group``: a text wherever it gives a position, plain spans within."""
    style = inherited | {k: v for k, v in element.attrib.items() if k in _TEXT_STYLE}
    if "x" in element.attrib or "y" in element.attrib:  # verovio leaves out what is 0
        place = {k: v for k, v in element.attrib.items() if k in ("x", "y", "text-anchor")}
        ET.SubElement(group, f"{{{_SVG}}}text", place)
    if element.text and (element.text.strip() or not len(element)):
        span = ET.SubElement(group[-1], f"{{{_SVG}}}tspan", style | {"xml:space": "preserve"})
        span.text = element.text
    for child in element:
        if child.tag == f"{{{_SVG}}}tspan":
            _flatten_text(child, style, group)
