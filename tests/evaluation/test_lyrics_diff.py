import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.kinds import LyricsSettings
from evaluation.lyrics import lyric_scores, read_lyrics, tokenise
from evaluation.lyrics_diff import Mark, compare, counts, rows_of, show_lyrics, to_html, to_text
from fullscore.errors import FullscoreError

REFERENCE = "Should auld acquaintance be forgot,\nAnd never brought to mind?\n\nFor auld lang syne (my dear)"
ESTIMATE = "should old acquaintance be forgot\nand never brought\nto mind?\nFor auld lang syne my dear dear"


def add_up(reference: str, estimate: str, code: str) -> None:
    """The marked words are those of the word error rate, and every token is there once and in its place."""
    marks = compare(reference, estimate, code)
    words = counts(marks, "word")
    scores = lyric_scores([reference], [estimate], code)
    assert (words["hit"] + words["case"], words["substitution"], words["deletion"], words["insertion"]) == (
        *(scores[name] for name in ("hits", "substitutions", "deletions", "insertions")),
    )
    if scores["ER_case"] is not None:
        total = words["hit"] + words["case"] + words["substitution"] + words["deletion"]
        assert words["case"] == pytest.approx(scores["ER_case"] * total)
    for text, side in ((reference, "reference"), (estimate, "estimate")):
        assert [getattr(mark, side) for mark in marks if getattr(mark, side) is not None] == [
            token.text for token in tokenise(text, code).tokens
        ]
    assert [mark for row in rows_of(marks) for mark in row.marks] == list(marks)


TOKENS = ["a", "b", "A", "don't", "(oh)", "…", ",", ")", "\n", "\n\n", "geht's", "é", "愛"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(TOKENS), max_size=14),
    st.lists(st.sampled_from(TOKENS), max_size=14),
    st.sampled_from(["en", "de", "fr", "es"]),
)
def test_the_marks_add_up(reference: list[str], estimate: list[str], code: str) -> None:
    add_up(" ".join(reference), " ".join(estimate), code)


@pytest.mark.data
def test_the_marks_add_up_on_songs(data: Path) -> None:
    texts = sorted((data / "icme25-alt_jam-alt/lyrics_tagged").glob("*.txt"))
    for path in texts[::8]:
        add_up(read_lyrics(path), read_lyrics(data / "f90_jamendolyrics/lyrics" / path.name), "es")


def shown(reference: str, estimate: str, coloured: bool = False) -> list[str]:
    """The rows, without the totals and the legend."""
    marks = compare(reference, estimate, "en")
    return to_text(marks, lyric_scores([reference], [estimate]), coloured).split("\n")[5:]


def test_a_worked_example() -> None:
    assert shown(REFERENCE, ESTIMATE) == [
        "1  [~Should~should~] [-auld-]{+old+} acquaintance be forgot[-,-]",
        "2  [~And~and~] never brought {+⏎+}",
        "   to mind? [-¶-]",
        "",
        "3  For auld lang syne [-(-]my {+dear+} dear[-)-]",
    ]


def test_lines_that_only_the_estimate_has() -> None:
    """They have no number; the reference's line keeps its own."""
    assert shown("one two\nthree", "one two\nand then\n\nmore\nthree") == [
        "1  one two",
        "   {+and+} {+then+} {+⏎+} {+¶+}",
        "",
        "   {+more+} {+⏎+}",
        "2  three",
    ]


def test_nothing_on_one_side() -> None:
    assert shown("one\ntwo", "") == ["1  [-one-] [-⏎-]", "2  [-two-]"]
    assert shown("", "one two") == ["   {+one+} {+two+}"]
    assert shown("", "") == []
    assert "WER" not in to_text(compare("", "a", "en"), lyric_scores([""], ["a"]))


def test_the_totals_are_said() -> None:
    text = to_text(compare(REFERENCE, ESTIMATE, "en"), lyric_scores([REFERENCE], [ESTIMATE]))
    assert text.split("\n")[:3] == [
        "16 words: 15 right (2 of them in another case), 1 wrong, 0 missed, 1 added; WER 0.125",
        "line breaks: 2 found, 0 missed, 1 added",
        "section breaks: 0 found, 1 missed, 0 added",
    ]


def test_words_are_spaced_as_they_are_written() -> None:
    """Tokens of one word stay together, quotes and dashes stand where they did."""
    text = "I don't know – \"maybe\" y'all … l'amour (ooh-ooh)"
    assert shown(text, text)[0] == "1  I don't know - \"maybe\" y'all ... l'amour (ooh-ooh)"


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colours_are_for_terminals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    for name, text in (("r.txt", REFERENCE), ("e.txt", ESTIMATE)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    text = show_lyrics(tmp_path / "r.txt", tmp_path / "e.txt", LyricsSettings(), None)
    assert ("\x1b[" in text, "[-auld-]" in text) == (coloured, not coloured)
    assert re.sub(r"\x1b\[[\d;]*m", "", text).count("acquaintance") == 1


class Page(HTMLParser):
    """What stands in each kind of element of the rows, and the addresses that the page asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text[text.index('<p class="legend">') :].split("</p>", 1)[1])

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert tag == "html" or self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        for tag in self.open:
            self.found.setdefault(tag, []).append(text)


def test_the_page(tmp_path: Path) -> None:
    reference = tmp_path / "r.txt"
    reference.write_text("Say <nl> oh </nl> & go now\nthen", encoding="utf-8")
    estimate = tmp_path / "e.txt"
    estimate.write_text("say & go now and then <script>", encoding="utf-8")
    out = tmp_path / "out.html"
    assert str(out) in show_lyrics(reference, estimate, LyricsSettings(), out)
    page = Page(out.read_text(encoding="utf-8"))
    assert page.found["mark"] == ["Say"]
    assert page.found["i"] == ["oh"]
    assert set(page.found["ins"]) >= {"and", "script"}
    assert page.found["b"][:2] == ["1", "2"]
    assert not page.addresses
    assert "<script" not in out.read_text(encoding="utf-8")


def test_a_page_has_a_pages_name(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("la", encoding="utf-8")
    with pytest.raises(FullscoreError, match=r"not as \.svg"):
        show_lyrics(tmp_path / "r.txt", tmp_path / "r.txt", LyricsSettings(), tmp_path / "o.svg")


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("true", "heard"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "song.txt").write_text("la", encoding="utf-8")
    show_lyrics(
        tmp_path / "true/song.txt", tmp_path / "heard/song.txt", LyricsSettings(), tmp_path / "o.html"
    )
    assert "<h1>heard/song.txt against true/song.txt</h1>" in (tmp_path / "o.html").read_text()
    assert "&lt;x&gt;" in to_html((Mark("word", "hit", "a", "a", False, False),), {"WER": 0.0}, "<x>")
