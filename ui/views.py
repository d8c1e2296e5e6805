"""What the page shows as HTML. All text that comes from files or from what somebody sent is escaped.

The views of a song are elements of their own (``static/``), which fetch what they show.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from evaluation.kinds import Kind
from notation.registers import READABLE
from notation.spelling import fifths_name
from pipeline.weights import ModelRow

HEADER = (
    '<header class="fs-header"><h1>Fullscore</h1>'
    "<p>A recording goes in, its full score comes out. It stays on this computer.</p></header>"
)
HEADER_SHARED = HEADER.replace("It stays on this computer.", "Nobody finds it who doesn't have its link.")

MOST_SHARPS = 7
METERS = ("2/4", "3/4", "4/4", "5/4", "2/2", "3/8", "6/8", "7/8", "9/8", "12/8")

WITHOUT = {
    "separator": (
        "Without one of these, stems are separated by simpler means (median filtering and repetition). A "
        "full band's score is a sketch then: key, chords, meter and drums are mostly right, bass and "
        "accompaniment about half, the voice about a third. A piano or a voice alone needs no separation."
    ),
    "lyrics": (
        "Without one of these no words are heard. Words that you give yourself are timed by the voice "
        "all the same."
    ),
}
KIND_NAMES = {"separator": "Separation", "lyrics": "Lyrics"}

MIME = {".svg": "image/svg+xml", ".html": "text/html", ".pdf": "application/pdf"}


def hints(max_upload_mb: float, max_minutes: float) -> str:
    """What may be handed in. ``static/page.js`` reads the limits, and says what is too big at once."""
    return (
        f'<p class="fs-hint" id="limits" data-mb="{max_upload_mb:g}" data-minutes="{max_minutes:g}">'
        f"Any usual audio or video file of up to {max_upload_mb:g} MB and {max_minutes:g} minutes.</p>"
        '<p class="fs-told" id="limits-told" role="alert"></p>'
    )


def song() -> str:
    """The element that shows a song, with the names it offers for corrections."""
    keys = [f"{fifths_name(fifths)} major" for fifths in range(-MOST_SHARPS, MOST_SHARPS + 1)]
    keys += [f"{fifths_name(fifths + 3)} minor" for fifths in range(-MOST_SHARPS, MOST_SHARPS + 1)]
    offered = {"keys": sorted(keys, key=_by_letter), "meters": METERS, "clefs": READABLE}
    return f'<fs-song data-offered="{escape(json.dumps(offered))}"></fs-song>'


def _by_letter(key: str) -> tuple[str, bool, str]:
    tonic, mode = key.split()
    return tonic[0], mode == "minor", tonic


def told(sentence: str) -> str:
    """What couldn't be done."""
    return f'<p class="fs-told" role="alert">{escape(sentence)}</p>' if sentence else ""


def said(sentence: str) -> str:
    """What was done."""
    return f'<p class="fs-hint" role="status">{escape(sentence)}</p>'


# Evaluation


def measures(kind: Kind, found: Mapping[str, Any]) -> str:
    """The measures of a comparison as tables, with what they mean."""
    head = "<tr><th scope='col'>Measure</th><th scope='col'>Value</th><th scope='col'>Meaning</th></tr>"
    rows = "".join(
        f"<tr{' class=main' if name in kind.main else ''}><th scope='row'>{escape(name)}</th>"
        f"<td>{_figure(found[name])}</td><td>{escape(meaning)}</td></tr>"
        for name, meaning in kind.meanings.items()
        if name in found
    )
    tables = [f"<table class='fs-table'><thead>{head}</thead><tbody>{rows}</tbody></table>"] if rows else []
    for name, parts in found.items():
        if isinstance(parts, Mapping):
            tables.append(_grid(name.removesuffix("s"), parts, kind.main))
    return _scrolled("".join(tables), "Measures")


def _grid(head: str, rows: Mapping[str, Any], names: Sequence[str]) -> str:
    chosen = [name for name in names if any(name in measures for measures in rows.values())]
    top = "".join(f"<th scope='col'>{escape(name)}</th>" for name in (head, *chosen))
    body = "".join(
        f"<tr><th scope='row'>{escape(row)}</th>"
        + "".join(f"<td>{_figure(measures.get(name))}</td>" for name in chosen)
        + "</tr>"
        for row, measures in rows.items()
    )
    return f"<table class='fs-table'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _figure(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))


def picture(path: Path) -> str:
    """A picture of differences; a page of them stands in a frame in which nothing can run."""
    mime = MIME[path.suffix]
    if path.suffix == ".html":
        page = escape(path.read_text(encoding="utf-8"))
        return f'<iframe class="fs-picture" sandbox title="Differences" srcdoc="{page}"></iframe>'
    data = base64.b64encode(path.read_bytes()).decode()
    image = f'<img class="fs-picture" alt="The two, and where they differ" src="data:{mime};base64,{data}">'
    return _scrolled(image, "Differences")


def _scrolled(shown: str, name: str) -> str:
    """What may be wider than the page, to be scrolled by keys too."""
    return f'<div class="fs-scroll" tabindex="0" role="region" aria-label="{escape(name)}">{shown}</div>'


# Models


def models(rows: Iterable[ModelRow]) -> str:
    """The models that there are: which are here, how big they are, their licence."""
    kinds: dict[str, list[ModelRow]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    return "".join(_models(kind, rows) for kind, rows in kinds.items())


def _models(kind: str, rows: Sequence[ModelRow]) -> str:
    body = "".join(
        f"<tr><th scope='row'>{escape(row.name)}</th><td>{_size(row.size)}</td>"
        f"<td>{'<b>here</b>' if row.present else 'not here'}</td><td>{escape(row.licence)}</td></tr>"
        for row in rows
    )
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("Model", "Size", "", "Licence"))
    head = head.replace("<th scope='col'></th>", "<td></td>")
    table = f"<table class='fs-table'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    lacking = "" if any(row.present for row in rows) else f"<p>{escape(WITHOUT[kind])}</p>"
    return (
        f"<section class='fs-models'><h2>{escape(KIND_NAMES[kind])}</h2>{lacking}"
        + _scrolled(table, f"Models of {KIND_NAMES[kind].lower()}")
        + "</section>"
    )


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
