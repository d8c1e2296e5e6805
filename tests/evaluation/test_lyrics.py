import csv
import math
from pathlib import Path

import alt_eval
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.lyrics import evaluate_lyrics, language_code, lyric_scores, read_lyrics
from separation.engines import FullscoreError

REFERENCE = (
    "Should auld acquaintance be forgot,\nAnd never brought to mind?\n\nFor auld lang syne (my dear)\n"
)
ESTIMATE = "should old acquaintance be forgot\nand never brought to mind?\nFor auld lang syne my dear dear\n"


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_worked_example() -> None:
    """Of 16 words one is wrong and one is added; two more differ in case; one of two marks is there."""
    scores = lyric_scores([REFERENCE], [ESTIMATE])
    assert scores["WER"] == pytest.approx(2 / 16)
    assert scores["WER_case"] == pytest.approx(4 / 16)
    assert (scores["P_punc"], scores["R_punc"]) == (1.0, 0.5)
    assert scores["P_pare"] is None
    assert scores["R_pare"] == 0.0
    assert (scores["R_sect"], scores["P_sect"]) == (0.0, None)
    letters = len("should auld acquaintance be forgot and never brought to mind for auld lang syne my dear")
    assert scores["CER"] == pytest.approx((len("dear ") + 2) / letters)  # "auld" to "old" takes two


def test_no_reference_and_no_estimate() -> None:
    assert set(lyric_scores([""], ["some words"]).values()) == {None}
    assert set(lyric_scores(["…"], [""]).values()) == {None}
    nothing = lyric_scores(["some words"], [""])
    assert (nothing["WER"], nothing["CER"], nothing["P_line"]) == (1.0, 1.0, None)


def test_songs_are_pooled() -> None:
    """One error in four words and none in one: 1/5, not the mean 1/8; an empty reference counts too."""
    assert lyric_scores(["one two three four", "five"], ["one two three for", "five"])["WER"] == 1 / 5
    assert lyric_scores(["one two three four", ""], ["one two three four", "five"])["WER"] == 1 / 4


@settings(max_examples=40, deadline=None)
@given(
    st.text(alphabet="ab A,.!?'()\n-é", max_size=60),
    st.text(alphabet="ab A,.!?'()\n-é", max_size=60),
    st.sampled_from(["en", "es", "de", "fr", "it"]),
)
def test_equal_to_alt_eval(reference: str, estimate: str, language: str) -> None:
    reference += "\nword"
    expected = alt_eval.compute_metrics([reference], [estimate], languages=language)
    scores = lyric_scores([reference], [estimate], language)
    for name, value in expected.items():
        assert scores[name] == (None if math.isnan(value) else value)


@pytest.mark.parametrize(
    ("language", "code"),
    [("en", "en"), ("English", "en"), ("spanish", "es"), ("deu", "de"), (" fr ", "fr"), ("fil", "fil")],
)
def test_languages_by_code_and_name(language: str, code: str) -> None:
    assert language_code(language) == code
    assert lyric_scores(["la la"], ["la la"], language)["WER"] == 0.0


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(FullscoreError, match="no language 'klingonese'"):
        lyric_scores(["a"], ["a"], "klingonese")


def test_the_forms_of_a_text(tmp_path: Path) -> None:
    reference = written(tmp_path / "r.txt", REFERENCE)
    for encoding in ("utf-8-sig", "utf-16"):
        same = written(tmp_path / "e.txt", REFERENCE.replace("\n", "\r\n"), encoding)
        assert read_lyrics(same) == REFERENCE
    assert read_lyrics(written(tmp_path / "latin.txt", "Où êtes-vous", "cp1252")) == "Où êtes-vous"
    timed = (
        "[ti:Auld Lang Syne]\n[00:01.00]Should auld acquaintance be forgot,\n"
        "[00:05.00]And never brought to mind?\n[00:09.00]\n[00:11.00]For auld lang syne (my dear)\n"
    )
    scores = evaluate_lyrics(reference, written(tmp_path / "e.lrc", timed))
    assert (scores["WER_case"], scores["F1_line"], scores["F1_sect"], scores["F1_pare"]) == (
        0.0,
        1.0,
        1.0,
        1.0,
    )


def test_tags_of_jam_alt_are_taken_off(tmp_path: Path) -> None:
    tagged = written(tmp_path / "r.txt", "<nl> (Uh, ah-ja) </nl>\nIch mach' Musik\n")
    plain = written(tmp_path / "e.txt", "(Uh, ah-ja)\nIch mach' Musik\n")
    scores = evaluate_lyrics(tagged, plain, "de")
    assert (scores["WER"], scores["F1_line"], scores["F1_pare"], scores["P_sect"]) == (0.0, 1.0, 1.0, None)


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song.txt").write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x23TSSE")
    with pytest.raises(FullscoreError, match="not text"):
        read_lyrics(tmp_path / "song.txt")
    with pytest.raises(FullscoreError, match="not lyrics"):
        read_lyrics(written(tmp_path / "notes.csv", "onset,offset,midi\n"))
    with pytest.raises(FullscoreError, match="can't read"):
        read_lyrics(tmp_path / "absent.txt")


@pytest.mark.data
@pytest.mark.parametrize(("language", "wer"), [("English", 0.1437), ("Spanish", 0.1401)])
def test_jamendolyrics_against_jam_alt(data: Path, language: str, wer: float) -> None:
    with (data / "f90_jamendolyrics/JamendoLyrics.csv").open(encoding="utf-8") as file:
        names = [Path(row["Filepath"]).stem for row in csv.DictReader(file) if row["Language"] == language]
    references, estimates = (
        [read_lyrics(data / folder / f"{name}.txt") for name in names]
        for folder in ("icme25-alt_jam-alt/lyrics_tagged", "f90_jamendolyrics/lyrics")
    )
    assert len(names) == 20
    assert lyric_scores(references, estimates, language)["WER"] == pytest.approx(wer, abs=5e-5)
