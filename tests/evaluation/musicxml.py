"""Small MusicXML files for tests, from short pieces."""

from __future__ import annotations

import re
from pathlib import Path


def note(name: str, duration: int = 1, more: str = "", voice: str = "1", staff: int = 1) -> str:
    """A note such as ``C#4``, ``r`` (a rest) or ``x`` (unpitched); ``more`` is XML that comes first or last.

    MusicXML's order of elements is kept for ``<chord/>``, ``<grace/>`` and ``<cue/>`` only.
    """
    first = "".join(re.findall(r"<(?:grace|cue|chord)/>", more))
    rest = re.sub(r"<(?:grace|cue|chord)/>", "", more)
    if name == "r":
        what = "<rest/>"
    elif name == "x":
        what = "<unpitched><display-step>E</display-step><display-octave>4</display-octave></unpitched>"
    else:
        step, signs, octave = re.fullmatch(r"([A-G])([#b]*)(\d)", name).groups()  # type: ignore[union-attr]
        alter = signs.count("#") - signs.count("b")
        what = f"<pitch><step>{step}</step><alter>{alter}</alter><octave>{octave}</octave></pitch>"
    length = "" if "<grace/>" in more else f"<duration>{duration}</duration>"
    return f"<note>{first}{what}{length}<voice>{voice}</voice><staff>{staff}</staff>{rest}</note>"


def attributes(divisions: int = 1, meter: str = "4/4", fifths: int = 0, more: str = "") -> str:
    beats, beat_type = meter.split("/")
    return (
        f"<attributes><divisions>{divisions}</divisions><key><fifths>{fifths}</fifths></key>"
        f"<time><beats>{beats}</beats><beat-type>{beat_type}</beat-type></time>{more}</attributes>"
    )


def lyric(text: str, verse: int = 1, syllabic: str = "single") -> str:
    return f'<lyric number="{verse}"><syllabic>{syllabic}</syllabic><text>{text}</text></lyric>'


def barline(location: str, *, repeat: str = "", times: int = 0, ending: str = "", kind: str = "") -> str:
    inside = f'<ending number="{ending}" type="{kind}"/>' if ending else ""
    if repeat:
        inside += f'<repeat direction="{repeat}"' + (f' times="{times}"/>' if times else "/>")
    return f'<barline location="{location}">{inside}</barline>'


def document(*parts: list[str]) -> str:
    """A score of parts, each a list of bars' contents."""
    names = "".join(
        f'<score-part id="P{number}"><part-name>Part {number}</part-name></score-part>'
        for number in range(1, len(parts) + 1)
    )
    bodies = "".join(
        f'<part id="P{number}">'
        + "".join(f'<measure number="{bar}">{content}</measure>' for bar, content in enumerate(bars, 1))
        + "</part>"
        for number, bars in enumerate(parts, 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<score-partwise version="4.0"><part-list>{names}</part-list>{bodies}</score-partwise>'
    )


def write(path: Path, *parts: list[str]) -> Path:
    path.write_text(document(*parts), encoding="utf-8")
    return path
