"""Lyrics beside each other: what was missed, added or got wrong, line by line, for a terminal or as a page.

Method: the words are those that the word error rate compares, in the very alignment that it counts
(:func:`evaluation.lyrics.align_words`), so that what is marked adds up to its hits, substitutions, deletions
and insertions. Between two words that stand opposite each other, punctuation, parentheses, line breaks (⏎)
and section breaks (¶) are compared in their order. Lines are the reference's; a line break too many starts
a row without a number.

Conventions: on a terminal by colours, else by signs: ``[-missed-]``, ``{+added+}``, ``[-right-]{+wrong+}``
and ``[~Right~rIGHT~]`` where only the case differs. Limits: breaks and punctuation are counted by alt-eval
in an alignment of all tokens, which may place a few of them elsewhere.
"""

from __future__ import annotations

import difflib
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.files import Scores, artefact
from evaluation.kinds import LyricsSettings
from evaluation.lyrics import Tokens, align_words, lyric_scores, read_lyrics, song_language, tokenise
from fullscore.errors import FullscoreError

SIGNS = {"line_break": "⏎", "section_break": "¶"}


@dataclass(frozen=True, slots=True)
class Mark:
    """One token of the reference, of the estimate, or of both where they stand opposite each other.

    ``kind`` is the token's (word, punctuation, parenthesis, line_break or section_break), ``verdict`` is
    hit, case (a hit but for upper and lower case), substitution, deletion or insertion. ``joined``: written
    without a space after the mark before it; ``nonlexical``: a vocable by the reference's tags.
    """

    kind: str
    verdict: str
    reference: str | None
    estimate: str | None
    joined: bool
    nonlexical: bool


def show_lyrics(reference: Path, estimate: Path, settings: LyricsSettings, out: Path | None) -> str:
    """The differences as text for the terminal, coloured if it is one and NO_COLOR isn't set. With ``out``
    (.html) they are written to it as a page, and the text says so.

    Raises FullscoreError where a file can't be read or ``out`` isn't a page.
    """
    code = song_language(settings.language, reference)
    texts = [read_lyrics(artefact(path, "lyrics.txt")) for path in (reference, estimate)]
    marks = compare(texts[0], texts[1], code)
    scores = lyric_scores(texts[:1], texts[1:], code)
    if out is None:
        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return to_text(marks, scores, coloured)
    if out.suffix.lower() not in (".html", ".htm"):
        raise FullscoreError(
            "lyrics are shown as a page, not as {form}", "give a name in .html", form=out.suffix or out
        )
    from fullscore.files import whole_file

    with whole_file(out) as partial:
        partial.write_text(to_html(marks, scores, _title(reference, estimate)), encoding="utf-8")
    return f"the differences are in {out}"


def _title(reference: Path, estimate: Path) -> str:
    """Both names, with their folders' where they are the same."""
    paths = (estimate.absolute(), reference.absolute())
    parts = 2 if reference.name == estimate.name else 1
    return " against ".join("/".join(path.parts[-parts:]) for path in paths)


def compare(reference: str, estimate: str, code: str) -> tuple[Mark, ...]:
    """Every token of both texts once, in order. ``code`` is the language's, as alt-eval takes it."""
    texts = (reference, estimate)
    both = [tokenise(text, code) for text in texts]
    joined = [_joined(text, tokens) for text, tokens in zip(texts, both, strict=True)]
    places = [tokens.word_places for tokens in both]
    marks: list[Mark] = []

    def put(verdict: str, at: int | None, there: int | None) -> None:
        """The mark of the reference's token ``at`` and the estimate's token ``there``."""
        reference = None if at is None else both[0].tokens[at]
        estimate = None if there is None else both[1].tokens[there]
        before = marks[-1] if marks else None
        if before and at is not None and before.reference is not None:
            close = joined[0][at]
        else:
            close = bool(before and there is not None and before.estimate is not None and joined[1][there])
        some: Any = reference or estimate
        (kind,) = some.tags
        marks.append(
            Mark(
                kind,
                verdict,
                reference and reference.text,
                estimate and estimate.text,
                close,
                at is not None and both[0].nonlexical[at],
            )
        )

    def put_between(at: int, next_at: int, there: int, next_there: int) -> None:
        """What is between words that stand opposite each other: signs, and words of one side at most."""
        sides = (range(at + 1, next_at), range(there + 1, next_there))
        keys = [[_key(tokens, place) for place in side] for tokens, side in zip(both, sides, strict=True)]
        matcher = difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False)
        for tag, start, end, other, other_end in matcher.get_opcodes():
            if tag == "equal":
                for step in range(end - start):
                    put("hit", sides[0][start + step], sides[1][other + step])
            else:
                for place in sides[0][start:end]:
                    put("deletion", place, None)
                for place in sides[1][other:other_end]:
                    put("insertion", None, place)

    last = (-1, -1)
    for step, at, there in align_words(both[0].compared, both[1].compared):
        if at is None or there is None:
            continue
        pair = (places[0][at], places[1][there])
        put_between(last[0], pair[0], last[1], pair[1])
        same = both[0].words[at] == both[1].words[there]
        put("substitution" if step == "substitutions" else "hit" if same else "case", *pair)
        last = pair
    put_between(last[0], len(both[0].tokens), last[1], len(both[1].tokens))
    return tuple(marks)


def _key(tokens: Tokens, place: int) -> tuple[str, int]:
    """Equal for signs that are the same, never for words: those are paired by their own alignment."""
    token = tokens.tokens[place]
    return token.text, (id(tokens) if "word" in token.tags else 0)


def _joined(text: str, tokens: Tokens) -> list[bool]:
    """Whether each token follows the one before it without a space in the text they come from."""
    text = unicodedata.normalize("NFC", text)
    joined: list[bool] = []
    at = 0
    for token in tokens.tokens:
        if token.tags & SIGNS.keys():
            joined.append(False)
            continue
        start = at
        while at < len(text) and text[at].isspace():
            at += 1
        ahead = 20 if "word" in token.tags else 0  # tags and what isn't text may stand before a word
        found = text.find(token.text, at, at + len(token.text) + ahead)
        if found >= 0:
            gap = text[start:found]
            at = found + len(token.text)
        else:  # written otherwise, as "…" for "..."
            gap = text[start:at]
            at += not text[at : at + 1].isalnum()
        joined.append(bool(joined) and not any(char.isspace() for char in gap))
    return joined


# Rows ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DiffRow:
    """Marks on one row. ``number`` is the reference's line (from 1), None where the row goes on with a line
    or only the estimate has it; ``starts_section``: an empty row goes before it."""

    number: int | None
    marks: tuple[Mark, ...]
    starts_section: bool = False

    @property
    def shown(self) -> tuple[Mark, ...]:
        """Without the breaks that both have: the rows show those."""
        return tuple(mark for mark in self.marks if mark.kind not in SIGNS or mark.verdict != "hit")

    @property
    def wrong(self) -> bool:
        """Whether any word differs by more than case."""
        words = counts(self.marks, "word")
        return words.total() > words["hit"] + words["case"]


def rows_of(marks: Sequence[Mark]) -> Iterator[DiffRow]:
    """The marks in rows: each line break ends one, with the section break that follows it."""
    line, numbered = 1, 0
    row: list[Mark] = []
    starts_section = False
    for place, mark in enumerate(marks):
        row.append(mark)
        following = marks[place + 1] if place + 1 < len(marks) else None
        if following and (mark.kind not in SIGNS or following.kind == "section_break"):
            continue
        begins = numbered < line and any(one.reference is not None for one in row)
        yield DiffRow(line if begins else None, tuple(row), starts_section)
        numbered = line if begins else numbered
        line += sum(one.kind == "line_break" and one.reference is not None for one in row)
        starts_section = mark.kind == "section_break"
        row = []


def counts(marks: Sequence[Mark], *kinds: str) -> Counter[str]:
    """How many of the marks of these kinds are a ``hit``, ``case``, ``substitution`` and so on."""
    return Counter(mark.verdict for mark in marks if mark.kind in kinds)


def _totals(marks: Sequence[Mark], scores: Scores) -> list[str]:
    """What the marks add up to, in words."""
    words = counts(marks, "word")
    right = words["hit"] + words["case"]
    total = right + words["substitution"] + words["deletion"]
    rate = scores["WER"]
    said = [
        f"{total} words: {right} right ({words['case']} of them in another case), "
        f"{words['substitution']} wrong, {words['deletion']} missed, {words['insertion']} added"
        + ("" if rate is None else f"; WER {rate:.3f}")
    ]
    for kind, name in (("line_break", "line breaks"), ("section_break", "section breaks")):
        found = counts(marks, kind)
        said.append(f"{name}: {found['hit']} found, {found['deletion']} missed, {found['insertion']} added")
    return said


# On a terminal ------------------------------------------------------------------------------------------

_ANSI = {"missed": "\x1b[31;9m", "added": "\x1b[32;4m", "case": "\x1b[33m", "faint": "\x1b[2m"}
_END = "\x1b[0m"


def to_text(marks: Sequence[Mark], scores: Scores, coloured: bool = False) -> str:
    """The rows with their numbers; what differs in colours, or else between signs."""
    rows = list(rows_of(marks))
    width = len(str(max((row.number or 0 for row in rows), default=0)))

    def paint(text: str, how: str) -> str:
        if coloured:
            return f"{_ANSI[how]}{text}{_END}"
        return {"missed": f"[-{text}-]", "added": f"{{+{text}+}}"}.get(how, text)

    def shown(mark: Mark) -> str:
        sign = SIGNS.get(mark.kind)
        if sign:
            return (
                "" if mark.verdict == "hit" else paint(sign, "missed" if mark.estimate is None else "added")
            )
        verdict, before, after = mark.verdict, mark.reference or "", mark.estimate or ""
        if verdict == "case":
            return paint(before, "case") if coloured else f"[~{before}~{after}~]"
        if verdict == "hit":
            return before
        return (paint(before, "missed") if before else "") + (paint(after, "added") if after else "")

    legend = f"{paint('missed', 'missed')}  {paint('added', 'added')}  {paint('right', 'missed')}"
    legend += f"{paint('wrong', 'added')}  {paint('Case', 'case') if coloured else '[~Case~case~]'}"
    lines = [*_totals(marks, scores), f"{legend}  ⏎ line break  ¶ section break", ""]
    for row in rows:
        if row.starts_section:
            lines.append("")
        number = f"{row.number or '':>{width}}"
        text = ""
        for mark in row.marks:
            piece = shown(mark)
            text += piece if mark.joined or not text or not piece else f" {piece}"
        lines.append(f"{paint(number, 'faint')}  {text}".rstrip())
    return "\n".join(lines)


# As a page ----------------------------------------------------------------------------------------------


def to_html(marks: Sequence[Mark], scores: Scores, title: str) -> str:
    """A page that needs no other file. Numbers of lines with wrong words are marked."""
    from fullscore.templates import templates_of

    template = templates_of("evaluation").get_template("lyrics_diff.html")
    return template.render(
        title=title,
        totals=_totals(marks, scores),
        vocables=any(mark.nonlexical for mark in marks),
        signs=SIGNS,
        rows=list(rows_of(marks)),
    )
