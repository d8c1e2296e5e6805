"""Lyric sheets: read from text and LRC, laid out from words, written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullscore.errors import FullscoreError
from lyrics.layout import SheetLine, lay_out, parse_text, read_sheet, to_lrc, to_text
from lyrics.words import Line, Lyrics, Syllable, Word


def word(text: str, onset: float, offset: float) -> Word:
    return Word(text, (Syllable(text, onset, offset),))


def spoken(text: str, start: float = 0.0, each: float = 0.3) -> list[Word]:
    return [word(w, start + i * each, start + (i + 1) * each) for i, w in enumerate(text.split())]


def rows(lines: tuple[SheetLine, ...]) -> list[str]:
    return [("| " if line.starts_section else "") + " ".join(line.words) for line in lines]


def test_blank_rows_and_headers_start_sections() -> None:
    text = "\ufeff[Verse 1: Ann]\r\nHello (hello) world\r\nooh, la la\r\n\r\nGo on - now\rChorus:\rSing\r"
    assert rows(parse_text(text)) == ["| Hello (hello) world", "ooh, la la", "| Go on - now", "| Sing"]
    assert parse_text(text)[2].words == ("Go", "on -", "now")


def test_a_header_alone_repeats_its_section_and_times_are_taken_literally() -> None:
    text = "[Chorus]\nSing it\nLoud x2\n\n[Verse]\nAlone\n\n[Chorus]\n\n[Guitar Solo]\n"
    sung = ["| Sing it", "Loud", "Loud"]
    assert rows(parse_text(text)) == [*sung, "| Alone", *sung]


def test_lines_that_only_begin_like_a_header_are_sung() -> None:
    assert rows(parse_text("Bridge over troubled water\nBreak my heart")) == [
        "| Bridge over troubled water",
        "Break my heart",
    ]


def test_lrc_times_are_anchors() -> None:
    text = "[ti:Song]\n[offset:+500]\n[00:10.00][01:30.50]chorus <01:31.00>line\n[00:20.5]verse\n[00:25.00]\n"
    assert parse_text(text) == (
        SheetLine(("chorus", "line"), True, 9.5, (None, 10.0)),
        SheetLine(("verse",), False, 20.0),
        SheetLine(("chorus", "line"), True, 90.0, (None, 90.5)),
    )


def test_lrc_times_of_words() -> None:
    """One inside a word is its syllable's, one after the last word its end, one before a sign its word's."""
    text = (
        "[00:01.00]<00:01.00>When<00:01.40> it <00:02.00> be<00:02.20>gins<00:03.00>\n"
        "[00:04.00]<00:04.50>- now <3\n"
    )
    assert parse_text(text) == (
        SheetLine(("When", "it", "begins"), True, 1.0, (1.0, 1.4, 2.0)),
        SheetLine(("- now", "<3"), False, 4.0, (4.5, None)),
    )


def test_lrc_times_of_words_written_like_those_of_lines() -> None:
    text = "[00:01.00]When [00:01.40]it [00:02.00]begins[00:03.00]\n"
    assert parse_text(text) == (SheetLine(("When", "it", "begins"), True, 1.0, (None, 1.4, 2.0)),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "song.txt"
    path.write_bytes("¿Qué será, señor?".encode(encoding))
    assert read_sheet(path)[0].words == ("¿Qué", "será,", "señor?")


@pytest.mark.parametrize(
    "content",
    [b"", b" \n\n", b"[Chorus]\n", b"ID3\x04\x00\x00\x00\x00", b"\xff\xfb\x90\x44\x00" * 50, b"\xff\xfe\x00"],
)
def test_what_holds_no_lyrics_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(FullscoreError, match=r"words\.txt"):
        read_sheet(path)


def test_missing_and_huge_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FullscoreError, match=r"gone\.txt"):
        read_sheet(tmp_path / "gone.txt")
    with pytest.raises(FullscoreError, match="lyrics file"):
        read_sheet(tmp_path)
    huge = tmp_path / "film.txt"
    huge.write_bytes(b"la " * 400_000)
    with pytest.raises(FullscoreError, match=r"film\.txt"):
        read_sheet(huge)


SONG = Lyrics(
    (
        Line((word("One", 1.0, 1.5), word("line", 1.5, 2.0)), True),
        Line((word("(two)", 59.996, 61.0),)),
        Line((word("Late", 3725.5, 3726.0),), True),
    ),
    "en",
)


def test_chinese_and_japanese_are_written_without_spaces() -> None:
    assert Line(tuple(spoken("愛 してる oh 我 爱 你"))).text == "愛してる oh 我爱你"


def test_text_has_blank_rows_between_sections() -> None:
    assert to_text(SONG) == "One line\n(two)\n\nLate\n"
    assert to_text(Lyrics()) == ""


def test_lrc_is_written_with_times_beyond_an_hour() -> None:
    assert to_lrc(SONG, "T", "A") == (
        "[ti:T]\n[ar:A]\n[la:en]\n[00:01.00]One line\n[01:00.00](two)\n[01:01.00]\n[62:05.50]Late\n"
    )


def test_lrc_reads_back() -> None:
    lines = parse_text(to_lrc(SONG))
    assert rows(lines) == ["| One line", "(two)", "| Late"]
    assert [line.onset for line in lines] == pytest.approx([1.0, 60.0, 3725.5])


def test_heard_words_break_at_pauses_punctuation_and_capitals() -> None:
    words = [
        *spoken("The greatest pants you've ever seen, And even though you know"),
        *spoken("I have to pay.", 5.0),
        *spoken("Say a little prayer for me", 12.0),
    ]
    lyrics = lay_out(words, "en")
    assert [line.text for line in lyrics.lines] == [
        "The greatest pants you've ever seen,",
        "And even though you know",
        "I have to pay.",
        "Say a little prayer for me",
    ]
    assert [line.starts_section for line in lyrics.lines] == [True, False, False, True]


@given(
    st.lists(
        st.tuples(st.sampled_from(["la", "Oh,", "world.", "(ooh)", "I"]), st.floats(0, 6), st.floats(0, 2)),
        max_size=60,
    )
)
def test_laying_out_keeps_every_word(parts: list[tuple[str, float, float]]) -> None:
    words, now = [], 0.0
    for text, pause, length in parts:
        words.append(word(text, now + pause, now + pause + length))
        now += pause + length
    assert lay_out(words).words == tuple(words)
