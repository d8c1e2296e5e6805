"""What the page shows as HTML, by the macros of ``views.html``, which escape all that is put into them.

The views of a song are elements of their own (``static/``), which fetch what they show.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evaluation.kinds import Kind
from fullscore.templates import templates_of
from notation.registers import READABLE
from notation.spelling import fifths_name
from pipeline.weights import ModelRow

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

MIME = {".svg": "image/svg+xml", ".pdf": "application/pdf"}


def header(shared: bool) -> str:
    """The page's head; ``shared``: others than those at this computer can see it."""
    return _html("header", shared=shared)


def hints(max_upload_mb: float, max_minutes: float) -> str:
    """What may be handed in. ``static/page.js`` reads the limits, and says what is too big at once."""
    return _html("hints", mb=f"{max_upload_mb:g}", minutes=f"{max_minutes:g}")


def song() -> str:
    """The element that shows a song, with the names it offers for corrections."""
    keys = [f"{fifths_name(fifths)} major" for fifths in range(-MOST_SHARPS, MOST_SHARPS + 1)]
    keys += [f"{fifths_name(fifths + 3)} minor" for fifths in range(-MOST_SHARPS, MOST_SHARPS + 1)]
    offered = {"keys": sorted(keys, key=_by_letter), "meters": METERS, "clefs": READABLE}
    return _html("song", offered=json.dumps(offered))


def _by_letter(key: str) -> tuple[str, bool, str]:
    tonic, mode = key.split()
    return tonic[0], mode == "minor", tonic


def told(sentence: str) -> str:
    """What couldn't be done."""
    return _html("told", sentence=sentence)


def said(sentence: str) -> str:
    """What was done."""
    return _html("said", sentence=sentence)


# Evaluation


def measures(kind: Kind, found: Mapping[str, Any]) -> str:
    """The measures of a comparison as tables, with what they mean."""
    rows = [
        {"name": name, "value": found[name], "meaning": meaning, "main": name in kind.main}
        for name, meaning in kind.meanings.items()
        if name in found
    ]
    grids = [
        {
            "head": name.removesuffix("s"),
            "columns": [main for main in kind.main if any(main in part for part in parts.values())],
            "rows": parts,
        }
        for name, parts in found.items()
        if isinstance(parts, Mapping)
    ]
    return _html("measures", rows=rows, grids=grids)


def picture(path: Path) -> str:
    """A picture of differences; a page of them stands in a frame in which nothing can run."""
    if path.suffix == ".html":
        return _html("page_of_differences", page=path.read_text(encoding="utf-8"))
    return _html("picture", mime=MIME[path.suffix], data=base64.b64encode(path.read_bytes()).decode())


# Models


def models(rows: Iterable[ModelRow]) -> str:
    """The models that there are: which are here, how big they are, their licence."""
    kinds: dict[str, list[ModelRow]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    return _html(
        "models",
        kinds=[
            {
                "name": KIND_NAMES[kind],
                "rows": rows,
                "lacking": "" if any(row.present for row in rows) else WITHOUT[kind],
            }
            for kind, rows in kinds.items()
        ],
    )


def _figure(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


_TEMPLATES = templates_of("ui")
_TEMPLATES.filters.update(figure=_figure, size=_size)


def _html(macro: str, **given: Any) -> str:
    module = _TEMPLATES.get_template("views.html").module
    return str(getattr(module, macro)(**given)).strip()
