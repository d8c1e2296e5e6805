"""Lyric sheets: read from text or LRC, laid out in lines and sections, written as text or LRC.

A sheet is what a person typed: lines of words, a blank line or a header such as ``[Chorus]`` where a
section starts. LRC (the karaoke format) gives each line a time as well; those times anchor the
alignment. Words from a recogniser come without lines: :func:`lay_out` breaks them where pauses,
punctuation and capital letters say so, by dynamic programming over all breaks at once, the way
Knuth and Plass break paragraphs.

Conventions: times in seconds; the words of a line keep their punctuation and parentheses (backing
vocals); what isn't a word (a dash, a note sign) is kept with the word before it. Limits: chords
written above the words are not recognised and would be read as words.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fullscore.errors import FullscoreError
from lyrics.words import Line, Lyrics, Word

_LARGEST_BYTES = 200_000  # a lyric sheet has a few kilobytes, an opera a hundred; a song or a video has more

_TIME_TAG = re.compile(r"\[(\d{1,3}):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_WORD_TIME_TAG = re.compile(r"<(\d{1,3}):(\d{1,2}(?:[.:]\d{1,3})?)>")
_ID_TAG = re.compile(r"^\[([A-Za-z#]{1,8}):(.*)\]$")
_SECTION_NAMES = (
    r"verse|chorus|pre-?\s?chorus|post-?\s?chorus|refrain|bridge|intro|outro|hook|interlude|instrumental|"
    r"(?:guitar )?solo|break|coda|tag|strophe|refrain|bridge|vers|strofe|couplet|pont|estribillo|verso|"
    r"estrofa|puente|coro|ponte|refrão|ritornello|strofa"
)
_HEADER = re.compile(
    rf"^(?:\[([^\]]*)\]|\(?((?:{_SECTION_NAMES})(?:\s+\d+)?)\)?\s*:?)\s*(?:\(?(?:x\s?\d|\d\s?x)\)?)?\s*:?$",
    re.IGNORECASE,
)
_REPEAT = re.compile(r"\s+[(\[]?(?:[x×]\s?(\d)|(\d)\s?[x×])[)\]]?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One line as written, when it starts and when each of its words does if the sheet says so."""

    words: tuple[str, ...]
    starts_section: bool = False
    onset: float | None = None
    word_onsets: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.words or not all(self.words):
            raise ValueError("a line of a lyric sheet has at least one word, and no empty ones")
        if len(self.word_onsets) not in (0, len(self.words)):
            raise ValueError("a line of a lyric sheet has as many onsets as words, or none")


def read_sheet(path: Path) -> tuple[SheetLine, ...]:
    """The lines of a text or LRC file. Raises FullscoreError if it isn't text or holds no words."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise FullscoreError(
                "{path} is too large for a lyrics file", "give a text or LRC file", path=path
            )
        raw = path.read_bytes()
    except OSError as error:
        raise FullscoreError(
            "can't read the lyrics file {path}: {reason}",
            "check its name and permissions",
            path=path,
            reason=error.strerror,
        ) from error
    text = _decode(raw)
    if text is None:
        raise FullscoreError("{path} is not text", "give the lyrics as a plain text or LRC file", path=path)
    lines = parse_text(text)
    if not lines:
        raise FullscoreError(
            "{path} holds no lyrics", "write the words in it, one sung line per row", path=path
        )
    return lines


def parse_text(text: str) -> tuple[SheetLine, ...]:
    """The lines of a lyric sheet; LRC is recognised by its times.

    A header without lines of its own repeats the earlier section of that name, and a line that ends
    in ``(x2)`` is there twice, as lyric sheets mean it.
    """
    rows = [row.strip() for row in text.removeprefix("\ufeff").splitlines()]
    if any(_TIME_TAG.match(row) for row in rows):
        return _parse_lrc(rows)
    lines: list[SheetLine] = []
    sections: dict[str, list[SheetLine]] = {}
    current: list[SheetLine] = []
    name, fresh = "", True

    def close() -> None:
        if name and not current and name in sections:
            lines.extend(sections[name])
        elif name and current:
            sections[name] = [*current]

    for row in rows:
        header = _HEADER.match(row)
        if header:
            close()
            name, current, fresh = (header[1] or header[2] or "").strip().lower(), [], True
        elif not row:
            fresh = True
        else:
            for copy in _repeated(row):
                words = _words(copy)
                if words:
                    line = SheetLine(words, starts_section=fresh)
                    lines.append(line)
                    current.append(line)
                    fresh = False
    close()
    return tuple(lines)


def _parse_lrc(rows: Sequence[str]) -> tuple[SheetLine, ...]:
    """Timed rows in the order of their times; an empty one (an instrumental break) ends a section."""
    offset = 0.0
    timed: list[tuple[float, int, float, str]] = []
    last = 0.0
    for index, row in enumerate(rows):
        id_tag = _ID_TAG.match(row)
        if id_tag:
            if id_tag[1].lower() == "offset" and re.fullmatch(r"\s*[+-]?\d+\s*", id_tag[2]):
                offset = int(id_tag[2]) / 1000  # positive: the words come earlier
            continue
        times: list[float] = []
        while tag := _TIME_TAG.match(row):
            times.append(_seconds(tag))
            row = row[tag.end() :].lstrip()
        row = _TIME_TAG.sub(r"<\1:\2>", row)  # some programs give words their times like lines
        # In a line that is sung more than once the words have the times of one of them.
        word = _WORD_TIME_TAG.search(row)
        sung_at = max(
            (time for time in times if word and time <= _seconds(word)), default=min(times, default=0.0)
        )
        for time in times or [last]:
            timed.append((time, index, time - sung_at if len(times) > 1 else 0.0, row))
        last = times[-1] if times else last
    lines: list[SheetLine] = []
    fresh = True
    for time, _, later, row in sorted(timed):
        text, onsets = _timed_words(row)
        words = () if re.fullmatch(r"\[.*\]", text) else _words(text)
        if words:
            firsts = itertools.accumulate((len(word.split()) for word in words[:-1]), initial=0)
            sung = tuple(
                None if (onset := onsets[first]) is None else max(0.0, onset + later - offset)
                for first in firsts
            )
            known = sung if any(onset is not None for onset in sung) else ()
            lines.append(SheetLine(words, fresh, max(0.0, time - offset), known))
        fresh = not words
    return tuple(lines)


def _timed_words(row: str) -> tuple[str, list[float | None]]:
    """The words of a row separated by single spaces, and the time that stands before each of them (times
    inside a word are its syllables')."""
    words: list[str] = []
    onsets: list[float | None] = []
    onset: float | None = None
    begins = True
    for piece in re.finditer(rf"{_WORD_TIME_TAG.pattern}|\s+|[^<\s]+|<", row):
        text = piece[0]
        if piece[1]:
            onset = _seconds(piece)
        elif text.isspace():
            begins = True
        elif begins:
            words.append(text)
            onsets.append(onset)
            begins, onset = False, None if _is_word(text) else onset
        else:
            words[-1] += text
            onset = None
    return " ".join(words), onsets


def _seconds(tag: re.Match[str]) -> float:
    return 60 * int(tag[1]) + float(tag[2].replace(":", "."))


def _repeated(row: str) -> list[str]:
    found = _REPEAT.search(row)
    return [row[: found.start()]] * int(found[1] or found[2]) if found else [row]


def _is_word(token: str) -> bool:
    return any(char.isalnum() for char in token)


def _words(row: str) -> tuple[str, ...]:
    """The words of a row; signs without a letter or digit stay with the word before (or after) them."""
    words: list[str] = []
    pending = ""
    for token in row.split():
        if _is_word(token):
            words.append(f"{pending} {token}" if pending else token)
            pending = ""
        elif words:
            words[-1] += f" {token}"
        else:
            pending = token
    return tuple(words)


def _decode(raw: bytes) -> str | None:
    """The text of a file in UTF-8, UTF-16 with its mark, or Windows' Latin-1; None if it isn't text."""
    marked = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    encodings = ["utf-16"] if marked else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", text) else text
    return None


def to_text(lyrics: Lyrics) -> str:
    """A lyric sheet: one line per row, a blank row between sections."""
    rows: list[str] = []
    for line in lyrics.lines:
        if line.starts_section and rows:
            rows.append("")
        rows.append(line.text)
    return "".join(f"{row}\n" for row in rows)


def to_lrc(lyrics: Lyrics, title: str = "", artist: str = "") -> str:
    """The lines with their times; minutes run past 59. An empty time marks the end of a section."""
    rows = [f"[{tag}:{value}]" for tag, value in (("ti", title), ("ar", artist)) if value]
    if lyrics.language:
        rows.append(f"[la:{lyrics.language}]")
    for i, line in enumerate(lyrics.lines):
        if line.starts_section and i:
            rows.append(_time_tag(lyrics.lines[i - 1].offset))
        rows.append(_time_tag(line.onset) + line.text)
    return "".join(f"{row}\n" for row in rows)


def _time_tag(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"[{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}]"


# What a line of lyrics looks like, on general grounds: five to nine words, rarely over fifty letters.
_LINE_LETTERS = 32
_LONGEST_LINE_WORDS = 16
_SECTION_PAUSE_S = 4.0
_SENTENCE_END = re.compile(r"[.!?…。！？]['\")\]»”’]*$")
_PHRASE_END = re.compile(r"[,;:，、]['\")\]»”’]*$")
_CAPITAL_IS_NOT_A_START = re.compile(r"^I\b")


def lay_out(words: Sequence[Word], language: str = "") -> Lyrics:
    """Timed words broken into lines and sections; every word is kept, in its order."""
    if not words:
        return Lyrics((), language)
    pull = [_break_pull(a, b, language) for a, b in itertools.pairwise(words)] + [0.0]
    best = [0.0] + [float("inf")] * len(words)
    start_of = [0] * (len(words) + 1)
    for end in range(1, len(words) + 1):
        letters = 0
        for start in range(end - 1, max(-1, end - 1 - _LONGEST_LINE_WORDS), -1):
            letters += len(words[start].text) + 1
            cost = (
                best[start] + (letters / _LINE_LETTERS - 1) ** 2 - (pull[end - 1] if end < len(words) else 0)
            )
            if cost < best[end]:
                best[end], start_of[end] = cost, start
    lines: list[Line] = []
    end = len(words)
    while end:
        lines.append(Line(tuple(words[start_of[end] : end])))
        end = start_of[end]
    return Lyrics(_with_sections(lines[::-1]), language)


def _break_pull(word: Word, following: Word, language: str) -> float:
    """How much a line break is wanted between two words (the cost scale is that of line lengths)."""
    pause = max(0.0, following.onset - word.offset)
    pull = 3.0 * min(pause / 1.0, 2.0) - 0.4
    if _SENTENCE_END.search(word.text):
        pull += 1.0
    elif _PHRASE_END.search(word.text):
        pull += 0.6
    start = following.text.lstrip("¿¡\"'(«“‘")
    # Nouns are capitals in German: there a capital says nothing.
    if start[:1].isupper() and language != "de" and not _CAPITAL_IS_NOT_A_START.match(start):
        pull += 0.6
    return pull


def _with_sections(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Sections start after pauses that are long for this song."""
    pauses = [b.onset - a.offset for a, b in itertools.pairwise(lines)]
    least = max(_SECTION_PAUSE_S, 2.5 * statistics.median(pauses)) if pauses else _SECTION_PAUSE_S
    starts = [True, *(pause >= least for pause in pauses)]
    return tuple(replace(line, starts_section=start) for line, start in zip(lines, starts, strict=True))
