"""What the page shows of a run, as HTML: the stages, the engraved pages, the messages.

All text that comes from a song is escaped; the engraved pages are images, in which nothing can run.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path


def stage_list(done: Mapping[str, tuple[float, str]], message: str) -> str:
    """A bar for each stage heard of, with (share done, what it is doing), and a closing message."""
    rows = "".join(
        f'<li><span>{escape(stage)}</span><progress max="1" value="{share:.3f}" aria-label="{escape(stage)}">'
        f"</progress><span>{escape(doing)}</span></li>"
        for stage, (share, doing) in done.items()
    )
    closing = f'<p role="status">{escape(message)}</p>' if message else ""
    return f'<ol class="stages">{rows}</ol>{closing}'


def messages(lines: Iterable[str]) -> str:
    """Notes to the musician, one a line."""
    rows = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="messages">{rows}</ul>' if rows else ""


def score_pages(folder: Path) -> str:
    """The engraved pages of the song in ``folder``."""
    pages = sorted(folder.glob("score-*.svg"))
    return "".join(
        f'<img class="page" alt="Page {number} of the score" src="data:image/svg+xml;base64,'
        f'{base64.b64encode(page.read_bytes()).decode()}">'
        for number, page in enumerate(pages, 1)
    )


def lyrics_text(folder: Path) -> str:
    """The lyric sheet of the song in ``folder``; empty where there is none."""
    sheet = folder / "lyrics.txt"
    return sheet.read_text(encoding="utf-8") if sheet.is_file() else ""
