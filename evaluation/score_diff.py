"""Two scores engraved one above the other, with the notes coloured that are not the same.

Task: show a reader where an estimate goes wrong. The bars that belong together stand above each other,
reference first, in systems as wide as the page; each wrong note has the colour of its error, and so has
the note that it was aligned with.

Errors: pitch, missing, extra, onset and offset are those of ``evaluation.muster``. A ``voice`` is wrong if it
mostly belongs to another one of the reference, in the bar and in the piece, whatever the voices' numbers
are; ``spelling`` if a right pitch has another name. The first in the order of ``ERRORS`` colours a note.

Method: bars belong together by the aligned notes in them; verovio engraves each side with the same line
breaks; typst makes the PDF. Repeats are played out where they are so for the measures.
Limits: MusicXML only. Drums and other notes without pitch are shown but never coloured.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from evaluation.alignment import Comparison, compare
from evaluation.files import artefact
from evaluation.kinds import NoSettings
from evaluation.muster import error_rates, note_errors
from evaluation.score import Pairs, score_time
from evaluation.scorefile import read_musicxml, read_score
from evaluation.scoremodel import Score
from fullscore.errors import FullscoreError, Remedy
from fullscore.files import whole_file
from fullscore.reading import form_of
from notation.musicxml_reader import XmlNote

# Colours that stay apart for readers who see red and green alike, and the words of the legend.
ERRORS = {
    "missing": ("#d7191c", "missing"),
    "extra": ("#1565c0", "extra"),
    "pitch": ("#b000a8", "pitch"),
    "onset": ("#e67e00", "onset"),
    "offset": ("#008a5e", "length"),
    "voice": ("#00a5b5", "voice"),
    "spelling": ("#8d6e3a", "spelling"),
}
PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 2100, 2970, 100  # 0.1 mm: A4
STAFF_UNIT = 5.0  # half a staff space in 0.1 mm
EDGE = 30  # 0.1 mm around a system, for braces and the numbers of bars
FULL_SYSTEM = 0.85  # of the width: what the bars of a system take unstretched; clefs and names need the rest
FONT, LINE, LETTER = 32, 44, 16  # 0.1 mm: size of the words, height of a line, mean width of a letter
LONGEST_NAME = 100  # letters of a path
GREY = "#666666"
GROUND = "#f2f2f2"  # behind the estimate


# Errors -----------------------------------------------------------------------------------------


def coloured_errors(compared: Comparison) -> tuple[dict[int, str], dict[int, str]]:
    """The error of each wrong note of the reference and of the estimate, by its number."""
    errors = note_errors(compared.reference, compared.estimate, compared.alignment)
    true = dict.fromkeys(errors.missing, "missing")
    found = dict.fromkeys(errors.extra, "extra")
    matched = compared.alignment.matched
    notes = [(compared.reference.notes[a], compared.estimate.notes[b]) for a, b in matched]
    voices = _in_other_voices(notes)
    for number, ((a, b), (sought, note)) in enumerate(zip(matched, notes, strict=True)):
        wrong = [name for name in ("pitch", "onset", "offset") if b in getattr(errors, name)]
        if number in voices:
            wrong.append("voice")
        if sought.step and note.step and (sought.step, sought.alter) != (note.step, note.alter):
            wrong.append("spelling")
        if wrong:
            true[a] = found[b] = wrong[0]
    return true, found


def _in_other_voices(notes: Sequence[tuple[XmlNote, XmlNote]]) -> set[int]:
    """The numbers of the notes whose two voices belong together neither in their bar nor in the piece."""
    together: Counter[tuple[int, _Voice, _Voice]] = Counter()
    for a, b in notes:
        for bar in (a.bar, _WHOLE_PIECE):
            together[bar, _voice(a), _voice(b)] += 1
    best: Counter[tuple[int, int, _Voice]] = Counter()
    for (bar, *voices), count in together.items():
        for side, voice in enumerate(voices):
            best[bar, side, voice] = max(count, best[bar, side, voice])

    def belong(bar: int, first: _Voice, second: _Voice) -> bool:
        return together[bar, first, second] == max(best[bar, 0, first], best[bar, 1, second])

    return {
        number
        for number, (a, b) in enumerate(notes)
        if not any(belong(bar, _voice(a), _voice(b)) for bar in (a.bar, _WHOLE_PIECE))
    }


_Voice = tuple[int, int, str]
_WHOLE_PIECE = -1  # in the place of a bar


def _voice(note: XmlNote) -> _Voice:
    return note.part, note.staff, note.voice


# Layout -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """Bars that stand above each other, by their numbers on each side."""

    reference: tuple[int, ...]
    estimate: tuple[int, ...]


def columns(reference: Score, estimate: Score, pairs: Pairs) -> list[Column]:
    """The bars of both, each of the estimate under the bar of the reference that its middle falls into."""
    starts, end = [float(bar.start) for bar in reference.bars], float(reference.end)
    middles = score_time(reference, estimate, pairs)([bar.start + bar.length / 2 for bar in estimate.bars])
    under: dict[int, list[int]] = {}
    for number, middle in enumerate(middles):
        place = len(starts) if middle >= end else bisect_right(starts, middle) - 1
        under.setdefault(place, []).append(number)
    found = [Column((), (number,)) for number in under.get(-1, ())]
    found += [Column((number,), tuple(under.get(number, ()))) for number in range(len(starts))]
    return found + [Column((), (number,)) for number in under.get(len(starts), ())]


def systems(columns: Sequence[Column], widths: Sequence[Sequence[float]], width: float) -> list[Column]:
    """The columns joined to systems of at most ``width``; ``widths`` are those of the bars of each side.

    Many bars under one are parted where they don't fit; a single bar may be wider.
    """

    def needed(column: Column) -> float:
        sides = zip(widths, (column.reference, column.estimate), strict=True)
        return max(sum(own[bar] for bar in bars) for own, bars in sides)

    found: list[Column] = []
    room = 0.0
    for column in columns:
        parted = [column]
        if needed(column) > width:
            parted = [Column(column.reference, column.estimate[:1])]
            parted += [Column((), (bar,)) for bar in column.estimate[1:]]
        for each in parted:
            if found and needed(each) <= room:
                last = found[-1]
                found[-1] = Column(last.reference + each.reference, last.estimate + each.estimate)
                room -= needed(each)
            else:
                found.append(each)
                room = width - needed(each)
    return found


# Engraving --------------------------------------------------------------------------------------


class _Side:
    """One of the scores as MusicXML, its bars in the order in which they are compared.

    The ``n``-th ``<note>`` of the file has the id ``{mark}{bar}-{n}`` in the ``bar``-th bar.
    """

    def __init__(self, score: Score, errors: dict[int, str], mark: str) -> None:
        if not score.bars:
            raise FullscoreError("{path} has no bars to show", "give a score with notes", path=score.path)
        self._path = score.path
        self._root = read_musicxml(score.path)
        self._seed = ord(mark)
        self._bars = len(score.bars)
        if len(score.parts) == 1:  # its name would only push the bars aside
            for label in (*self._root.iter("part-name"), *self._root.iter("part-abbreviation")):
                label.text = ""
        bar_of: dict[str, int] = {}
        for name in ("defaults", "credit"):
            for element in self._root.findall(name):
                self._root.remove(element)
        for part in self._root.findall("part"):
            for bar, measure in enumerate(part.findall("measure")):
                _strip(measure)
                for note in measure.iter("note"):
                    note.set("id", str(len(bar_of)))
                    bar_of[str(len(bar_of))] = bar
        colours = dict(_coloured(score, errors, bar_of))
        order = [bar.index for bar in score.bars]
        for part in self._root.findall("part"):
            if order != list(range(len(order))):
                part[:] = _played_out(part.findall("measure"), order)
            for bar, measure in enumerate(part.findall("measure")):
                for note in measure.iter("note"):
                    number = note.get("id", "")
                    note.set("id", f"{mark}{bar}-{number}")
                    if (bar, number) in colours:
                        note.set("color", colours[bar, number])

    def widths(self) -> list[float]:
        """How wide each bar is, unstretched, in 0.1 mm."""
        pages = self._engrave({"breaks": "none", "adjustPageWidth": True})
        spans = []
        for measure in ElementTree.fromstring(pages[0]).iter(f"{_SVG}g"):
            if measure.get("class") == "measure":
                line = next(measure.iter(f"{_SVG}path")).get("d", "").split()
                spans.append((float(line[2].strip("L")) - float(line[0].strip("M"))) / _SVG_SCALE)
        if len(spans) != self._bars:
            raise FullscoreError("{path} can't be engraved bar by bar", "export it again", path=self._path)
        return spans

    def systems(self, firsts: Sequence[int]) -> list[str]:
        """The pictures of systems that begin with the bars ``firsts``."""
        for part in self._root.findall("part"):
            measures = part.findall("measure")
            for first in firsts:
                if 0 < first < len(measures):
                    measures[first].insert(0, ElementTree.Element("print", {"new-page": "yes"}))
        pages = self._engrave({"breaks": "encoded", "pageWidth": PAGE_WIDTH - 2 * MARGIN + 2 * EDGE})
        if len(pages) != len(firsts):
            raise FullscoreError("{path} can't be engraved line by line", "export it again", path=self._path)
        return pages

    def _engrave(self, options: dict[str, object]) -> list[str]:
        import verovio

        verovio.enableLog(verovio.LOG_OFF)
        # verovio knows its fonts' place only in the thread that imported it.
        verovio.setDefaultResourcePath(str(Path(verovio.__file__).with_name("data")))
        toolkit = verovio.toolkit()
        margins: dict[str, object] = {f"pageMargin{side}": EDGE for side in ("Left", "Right")}
        margins |= {f"pageMargin{side}": 0 for side in ("Top", "Bottom")}
        toolkit.setOptions(
            {
                **margins, **options, "pageHeight": 60000, "adjustPageHeight": True, "unit": STAFF_UNIT,
                "header": "none", "footer": "none", "xmlIdSeed": self._seed, "lyricTopMinMargin": 3.0,
                "lyricWordSpace": 2.0,
            }
        )  # fmt: skip
        if not toolkit.loadData(ElementTree.tostring(self._root, encoding="unicode")):
            raise FullscoreError("{path} can't be engraved", "export it again", path=self._path)
        return [toolkit.renderToSVG(page) for page in range(1, toolkit.getPageCount() + 1)]


_SVG = "{http://www.w3.org/2000/svg}"
_SVG_SCALE = 10  # verovio's units in 0.1 mm


def _strip(measure: ElementTree.Element) -> None:
    """Take out what breaks lines or joins bars."""
    for element in measure.findall("print"):
        measure.remove(element)
    for attributes in measure.findall("attributes"):
        for style in attributes.findall("measure-style"):
            attributes.remove(style)


def _coloured(
    score: Score, errors: dict[int, str], bar_of: dict[str, int]
) -> Iterator[tuple[tuple[int, str], str]]:
    """The colours of wrong note heads by the number of their bar and their id.

    ``bar_of`` tells in which bar of the file a note head is.
    """
    starts = [bar.start for bar in score.bars]
    for number, error in errors.items():
        note = score.notes[number]
        place = bisect_right(starts, note.onset) - 1
        if place > 0 and score.bars[place].index != note.bar:  # a grace note at the end of its bar
            place -= 1
        for id in map(str, (note.id, *note.held)):
            while place < len(score.bars) - 1 and score.bars[place].index != bar_of[id]:
                place += 1
            yield (place, id), ERRORS[error][0]


def _played_out(
    measures: Sequence[ElementTree.Element], order: Sequence[int]
) -> Iterator[ElementTree.Element]:
    """Copies of the measures in the order in which they are played, with what a jump would lose."""
    before: list[dict[tuple[str, str], ElementTree.Element]] = [{}]  # what holds at the start of each measure
    for measure in measures:
        held = dict(before[-1])
        for attributes in measure.findall("attributes"):
            held |= {(element.tag, element.get("number", "")): element for element in attributes}
        before.append(held)
    now: dict[tuple[str, str], ElementTree.Element] = {}
    for index in order:
        if index >= len(measures):
            continue
        measure = deepcopy(measures[index])
        for barline in measure.findall("barline"):
            measure.remove(barline)
        lost = [element for key, element in before[index].items() if now.get(key) is not element]
        if lost:
            attributes = ElementTree.Element("attributes")
            attributes.extend(sorted(lost, key=lambda element: _ATTRIBUTES.index(element.tag)))
            measure.insert(0, attributes)
        now = before[index + 1]
        yield measure


_ATTRIBUTES = (
    "footnote", "level", "divisions", "key", "time", "staves", "part-symbol", "instruments", "clef",
    "staff-details", "transpose", "for-part", "directive", "measure-style",
)  # fmt: skip


# The picture ------------------------------------------------------------------------------------


def show_score(reference: Path, estimate: Path, settings: NoSettings, out: Path | None) -> str:
    """Write both scores with their differences to ``out``: an .svg (one tall page) or .pdf (of A4)."""
    if out is None or out.suffix.lower() not in (".svg", ".pdf"):
        raise FullscoreError("scores are shown as a picture", "give it a name that ends in .svg or .pdf")
    paths = [artefact(path, "score.musicxml") for path in (reference, estimate)]
    for path in paths:
        if form_of(path) == "MIDI":
            raise FullscoreError(
                "{path} is MIDI and has no written page to show",
                Remedy("notate", {"score": path.with_suffix(".musicxml").name}),
                path=path,
            )
    compared = compare(*(read_score(path) for path in paths))
    true, found, pairs = compared.reference, compared.estimate, compared.alignment.pairs
    errors = coloured_errors(compared)
    sides = [_Side(true, errors[0], "r"), _Side(found, errors[1], "e")]
    laid = systems(
        columns(true, found, pairs),
        [side.widths() for side in sides],
        FULL_SYSTEM * (PAGE_WIDTH - 2 * MARGIN),
    )
    firsts = [[system.reference[0] for system in laid if system.reference]]
    firsts.append([system.estimate[0] for system in laid if system.estimate])
    engraved = [iter(side.systems(own)) for side, own in zip(sides, firsts, strict=True)]
    blocks = [
        (next(engraved[0]) if system.reference else "", next(engraved[1]) if system.estimate else "")
        for system in laid
    ]
    counts = Counter(errors[0].values()) + Counter({"extra": list(errors[1].values()).count("extra")})
    shown = [
        str(path) if len(str(path)) <= LONGEST_NAME else f"…{str(path)[-LONGEST_NAME:]}" for path in paths
    ]
    head = [f"Reference: {shown[0]}", f"Estimate: {shown[1]}"]
    mean = error_rates(true, found, compared.alignment)["MeanER"]
    if mean is not None:
        head.append(f"Mean error rate: {mean:.1f} %")
    tall = out.suffix.lower() == ".svg"
    pages = list(_pages(blocks, head, counts, None if tall else PAGE_HEIGHT))
    if tall:
        with whole_file(out) as partial:
            partial.write_text(pages[0], encoding="utf-8")
    else:
        from notation.export import write_pdf

        write_pdf(pages, out, f"{paths[1].name} against {paths[0].name}")
    said = ", ".join(f"{counts[name]} {words}" for name, (_, words) in ERRORS.items() if counts[name])
    return f"Both scores are in {out}" + (f"; notes coloured: {said}" if said else ", with the same notes")


def _pages(
    blocks: Sequence[tuple[str, str]], head: Sequence[str], counts: Counter[str], height: int | None
) -> Iterator[str]:
    """The blocks of two systems on pages of ``height``, or on one that is as high as they need."""
    pages: list[str] = []
    body, y = "", 0.0
    for number, block in enumerate(blocks):
        drawn, size = _block(block, number)
        if number == 0 or (height and y + size > height - MARGIN):
            if body:
                pages.append(body)
            body, y = _head(() if number else head, counts)
        scale = min(1.0, (height - MARGIN - y) / size) if height else 1.0  # a full score may be too high
        body += f'<g transform="translate({MARGIN} {y:.1f}) scale({scale:.4f})">{drawn}</g>'
        y += size * scale
    for number, page in enumerate([*pages, body], start=1):
        bottom = height or round(y + MARGIN)
        if pages:
            page += _text(PAGE_WIDTH / 2, bottom - MARGIN / 2, str(number), anchor="middle")
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{PAGE_WIDTH / 10}mm" height="{bottom / 10}mm" viewBox="0 0 {PAGE_WIDTH} {bottom}">'
            f'<rect width="{PAGE_WIDTH}" height="{bottom}" fill="white"/>{page}</svg>'
        )


def _head(lines: Sequence[str], counts: Counter[str]) -> tuple[str, float]:
    """The title's lines and the legend, and where they end."""
    y = float(MARGIN)
    drawn = ""
    for line in lines:
        y += LINE
        drawn += _text(MARGIN, y, line)
    y += LINE * 1.2
    x = float(MARGIN)
    for name, (colour, words) in ERRORS.items():
        if counts[name]:
            drawn += f'<ellipse cx="{x + 12}" cy="{y - 9}" rx="13" ry="10" fill="{colour}"/>'
            drawn += _text(x + 32, y, f"{words} {counts[name]}", fill=colour)
            x += 32 + LETTER * len(f"{words} {counts[name]}") + 40
    same = "black: the same" if counts.total() else "The notes are the same on both sides."
    drawn += _text(x, y, same, fill=GREY)
    return drawn, y + LINE / 2


def _block(systems: tuple[str, str], number: int) -> tuple[str, float]:
    """Two systems above each other, and how high they are together."""
    drawn = ""
    y = LINE / 2
    for name, system, ground in zip(("Reference", "Estimate"), systems, ("none", GROUND), strict=True):
        picture, height = _nested(system, f"{name[0].lower()}{number}", y + LINE) if system else ("", 0.0)
        drawn += (
            f'<rect x="{-EDGE}" y="{y:.1f}" width="{PAGE_WIDTH - 2 * MARGIN + 2 * EDGE}" '
            f'height="{LINE + height:.1f}" fill="{ground}"/>'
        )
        words = name if system else f"{name}: no bars here"
        drawn += _text(0, y + 36, words, fill=GREY) + picture
        y += LINE + height
    return drawn, y + LINE / 2


def _nested(system: str, mark: str, y: float) -> tuple[str, float]:
    """A picture of verovio's to be put into another at ``y``, and its height; its names made its own."""
    start = re.search(r'<svg width="([\d.]+)px" height="([\d.]+)px".*? id="(\w+)">', system)
    if start is None:
        raise FullscoreError("verovio's picture has changed its form", "install the version in the lock file")
    width, height, name = start.groups()
    opening = (
        f'<svg x="{-EDGE}" y="{y:.1f}" width="{width}" height="{height}" overflow="visible" id="{name}">'
    )
    return (opening + system[start.end() :]).replace(name, f"{name}{mark}"), float(height)


def _text(x: float, y: float, words: str, fill: str = "black", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="Times, serif" font-size="{FONT}px" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )
