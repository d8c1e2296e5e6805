"""A piano roll of true and found notes: which were hit, which were missed and which are extra.

Task: one SVG, self-contained and without styles or identifiers, so that it can stand in a page with others.
Time runs to the right in rows of :data:`ROW_S` seconds, pitch upwards; rows in which no note begins or ends
are left out. Where both files name stems, each stem has its own rows and its own matches.

Conventions: hits are the notes matched in onset and pitch, as the ``no_offset`` measures count them, drawn
as found. Missed notes are hollow and extra ones thin, so that colour is not all that tells them apart and a
note found too late shows as a line in a box. The colours, from the palettes of Okabe and Ito and of Tol, are
told apart by colour-blind eyes. Notes of one sort in one row are one path, to keep the file small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from evaluation.kinds import NotesSettings
from evaluation.matching import Indices, matching
from evaluation.notefiles import Floats, NoteTable, hz_to_midi
from evaluation.notes import alike, ends_right, read_pair
from fullscore.errors import FullscoreError
from fullscore.files import whole_file

ROW_S = 30.0  # seconds of a row
TICK_S = 5  # seconds between the lines across a row
# Pixels:
SECOND = 38.0
SEMITONE = 6.0
BAR = 5.0  # the height of a note
SHORTEST_BAR = 1.5
SEAM = 0.6  # between notes that follow at once
LEFT, RIGHT, HEAD, GAP, BELOW = 46.0, 14.0, 58.0, 12.0, 16.0

FEWEST_SEMITONES = 12  # a row's height
MANY_SEMITONES = 18  # from here on only the Cs are named
INK, LINE, FAINT = "#333", "#bbb", "#f2f2f2"
_NAMES = ("C", "", "D", "", "E", "", "", "G", "", "A", "", "")  # those that leave room for each other
_BLACK = (1, 3, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class _Sort:
    """One sort of notes: what the legend says, its colour, its height and whether it is drawn hollow."""

    meaning: str
    colour: str
    bar: float = BAR
    hollow: bool = False


_RIGHT = _Sort("right", "#0072B2")
_ELSEWHERE = _Sort("right, but ends elsewhere", "#56B4E9")
_MISSED = _Sort("missed", "#D55E00", hollow=True)
_EXTRA = _Sort("extra", "#AA3377", bar=BAR / 2)
_SORTS = (_RIGHT, _ELSEWHERE, _EXTRA, _MISSED)  # the hollow ones over the others


@dataclass(frozen=True, slots=True)
class _Notes:
    """Notes of one sort: (n, 2) onsets and offsets in seconds, n continuous MIDI numbers."""

    intervals: Floats
    pitches: Floats


def show_notes(reference: Path, estimate: Path, settings: NotesSettings, out: Path | None) -> str:
    """Write the piano roll of two files to ``out``, an ``.svg``; what to say about it."""
    if out is None or out.suffix.lower() != ".svg":
        raise FullscoreError("notes are shown as a picture", "give it a name that ends in .svg")
    true, found, _ = read_pair(reference, estimate, settings)
    title = f"{estimate.name} against {reference.name}"
    picture = piano_roll_svg(true, found, settings=settings, title=title)
    with whole_file(out) as partial:
        partial.write_text(picture, encoding="utf-8")
    return f"The piano roll is in {out}"


def piano_roll_svg(
    reference: NoteTable,
    estimate: NoteTable,
    *,
    settings: NotesSettings = NotesSettings(),
    title: str = "Notes found and missed",
) -> str:
    """The picture as text. The tables are taken as they are: stems chosen and lag taken off before."""
    parts = {"": (reference, estimate)}
    if reference.stems and estimate.stems:
        names = sorted({*reference.stems, *estimate.stems})
        parts = {name: (reference.of(name), estimate.of(name)) for name in names}
    sorted_parts = {name: _sorted(*tables, settings) for name, tables in parts.items()}
    width = LEFT + ROW_S * SECOND + RIGHT
    body: list[str] = []
    top = HEAD
    for name, notes in sorted_parts.items():
        section, top = _section(name if len(parts) > 1 else "", notes, top)
        body += section
    counts = {sort: sum(len(notes[sort].pitches) for notes in sorted_parts.values()) for sort in _SORTS}
    said = ", ".join(f"{counts[sort]} {sort.meaning}" for sort in _SORTS)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(top)}" '
            f'width="{_n(width)}" height="{_n(top)}" role="img" font-family="sans-serif" font-size="11" '
            f'fill="{INK}">',
            f"<title>{escape(title)}</title>",
            f"<desc>{said}</desc>",
            f'<rect width="{_n(width)}" height="{_n(top)}" fill="#fff"/>',
            _text(LEFT, 20, title, 'font-size="14" font-weight="bold"'),
            *_legend(counts),
            *body,
            "</svg>\n",
        ]
    )


def _sorted(reference: NoteTable, estimate: NoteTable, settings: NotesSettings) -> dict[_Sort, _Notes]:
    pairs = matching(alike(reference, estimate, settings))
    ended = ends_right(reference, estimate, pairs, settings)
    true, found = (_Notes(table.intervals, hz_to_midi(table.pitches_hz)) for table in (reference, estimate))

    def chosen(notes: _Notes, which: Indices) -> _Notes:
        return _Notes(notes.intervals[which], notes.pitches[which])

    return {
        _RIGHT: chosen(found, pairs[1][ended]),
        _ELSEWHERE: chosen(found, pairs[1][~ended]),
        _EXTRA: chosen(found, np.setdiff1d(np.arange(len(found.pitches)), pairs[1])),
        _MISSED: chosen(true, np.setdiff1d(np.arange(len(true.pitches)), pairs[0])),
    }


def _legend(counts: dict[_Sort, int]) -> Iterator[str]:
    x, y = LEFT, 38.0
    for sort, count in counts.items():
        words = f"{sort.meaning}: {count}"
        yield _path(sort, [(x, x + 16, y)])
        yield _text(x + 22, y + 4, words)
        x += 22 + 6.5 * len(words) + 20
    yield _text(x, y + 4, "across: time (min:s); upwards: pitch", 'fill="#666"')


def _section(name: str, notes: dict[_Sort, _Notes], top: float) -> tuple[list[str], float]:
    """The rows of one stem from ``top`` on, and where they end."""
    pitches = np.concatenate([each.pitches for each in notes.values()])
    drawn: list[str] = []
    if name:
        drawn.append(_text(LEFT, top + 12, name, 'font-size="13" font-weight="bold"'))
        top += 20
    if len(pitches) == 0:
        return [*drawn, _text(LEFT, top + 12, "no notes")], top + 30
    low, high = int(np.floor(pitches.min())) - 1, int(np.ceil(pitches.max())) + 1
    low -= max(0, FEWEST_SEMITONES - (high - low)) // 2
    high = max(high, low + FEWEST_SEMITONES)
    height = (high - low) * SEMITONE
    spans = np.concatenate([each.intervals for each in notes.values()])
    # Just before the end: a note that ends with a row has nothing in the next.
    edges_s = np.concatenate([np.maximum(spans[:, 0], 0.0), np.nextafter(spans[:, 1], 0.0)])
    for row in np.unique(np.maximum(edges_s, 0.0) // ROW_S).astype(int).tolist():
        drawn += _grid(row, low, high, top)
        for sort, each in notes.items():
            bars = list(_bars(each, row, top + height + low * SEMITONE))
            if bars:
                drawn.append(_path(sort, bars))
        top += height + BELOW + GAP
    return drawn, top


_Bar = tuple[float, float, float]
"""Left and right ends and middle height of a note as drawn."""


def _bars(notes: _Notes, row: int, zero: float) -> Iterator[_Bar]:
    """The notes that sound in ``row``, cut at its ends; ``zero`` is the height of MIDI number 0."""
    start, end = row * ROW_S, (row + 1) * ROW_S
    here = (notes.intervals[:, 0] < end) & (notes.intervals[:, 1] > start)
    edges = LEFT + (np.clip(notes.intervals[here], start, end) - start) * SECOND
    for (left, right), pitch in zip(edges.tolist(), notes.pitches[here].tolist(), strict=True):
        yield left, max(right - SEAM, left + SHORTEST_BAR), zero - pitch * SEMITONE


def _grid(row: int, low: int, high: int, top: float) -> Iterator[str]:
    """The background of a row: black keys, lines and names of pitches, lines and times."""
    height = (high - low) * SEMITONE
    right = LEFT + ROW_S * SECOND
    levels = {pitch: top + (high - pitch) * SEMITONE for pitch in range(low + 1, high)}
    dark = "".join(f"M{_n(LEFT)} {_n(y)}H{_n(right)}" for p, y in levels.items() if p % 12 in _BLACK)
    yield f'<path d="{dark}" stroke="{FAINT}" stroke-width="{_n(SEMITONE)}"/>'
    many = high - low >= MANY_SEMITONES
    named = [pitch for pitch in levels if (pitch % 12 == 0 if many else _NAMES[pitch % 12])]
    ticks = [LEFT + second * SECOND for second in range(0, int(ROW_S) + 1, TICK_S)]
    lines = "".join(f"M{_n(LEFT)} {_n(levels[pitch])}h-4" for pitch in named)
    lines += "".join(f"M{_n(LEFT)} {_n(levels[p])}H{_n(right)}" for p in named if p % 12 == 0)
    lines += "".join(f"M{_n(x)} {_n(top)}v{_n(height + 4)}" for x in ticks)
    lines += f"M{_n(LEFT)} {_n(top)}H{_n(right)}m0 {_n(height)}H{_n(LEFT)}"
    yield f'<path d="{lines}" stroke="{LINE}" stroke-width=".5" fill="none"/>'
    for pitch in named:
        label = f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"
        yield _text(LEFT - 7, levels[pitch] + 3.5, label, 'text-anchor="end" font-size="10"')
    for number, x in enumerate(ticks):
        second = int(row * ROW_S) + number * TICK_S
        label = f"{second // 60}:{second % 60:02d}"
        yield _text(x, top + height + 15, label, 'text-anchor="middle" font-size="10"')


def _path(sort: _Sort, bars: Iterable[_Bar]) -> str:
    if sort.hollow:
        shape = "".join(
            f"M{_n(left)} {_n(y - BAR / 2)}h{_n(right - left)}v{_n(BAR)}H{_n(left)}z"
            for left, right, y in bars
        )
        return f'<path d="{shape}" fill="none" stroke="{sort.colour}" stroke-width="1.2"/>'
    shape = "".join(f"M{_n(left)} {_n(y)}H{_n(right)}" for left, right, y in bars)
    return f'<path d="{shape}" stroke="{sort.colour}" stroke-width="{_n(sort.bar)}"/>'


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" {more}>{escape(words)}</text>'.replace(" >", ">")


def _n(number: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{number:.1f}".removesuffix(".0")
