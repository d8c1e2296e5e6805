import csv
import json
import math
from pathlib import Path

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.kinds import NoSettings
from evaluation.lyrics_timing import (
    MAIN,
    MEANINGS,
    TimedWords,
    evaluate_lyrics_timing,
    onset_scores,
    read_timed_words,
    timing_scores,
)
from fullscore.errors import FullscoreError

LRC = "[00:01.00]Should auld\n[00:03.00]be forgot\n"
ENHANCED = "[00:01.00]<00:01.00>Should <00:02.00>auld\n[00:03.00]<00:03.00>be <00:03.50>forgot\n"


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def timed(words: str, onsets: list[float], line_starts: tuple[int, ...] = ()) -> TimedWords:
    text = tuple(words.split())
    return TimedWords(text, np.array(onsets), np.isin(np.arange(len(text)), line_starts))


def test_a_worked_example() -> None:
    """Errors of 0, 0.2, 0.4 and 1 s; of the 6 s from first to last, 0.2 and 0.4 are at the wrong word."""
    scores = timing_scores(timed("a b c d", [0, 2, 4, 6], (0, 2)), timed("a b c d", [0, 2.2, 4.4, 7]))
    assert (scores["pc"], scores["mae"], scores["aae"]) == (0.5, pytest.approx(0.3), pytest.approx(0.4))
    assert scores["pcs"] == pytest.approx((6 - 0.2 - 0.4) / 6)
    assert (scores["pc_line"], scores["aae_line"]) == (0.5, pytest.approx(0.2))
    assert (scores["matched"], scores["matched_line"]) == (1.0, 1.0)


def test_words_that_differ_are_left_out() -> None:
    """One misheard, one missed, one added: of four words two are compared, of two lines one."""
    scores = timing_scores(
        timed("Should auld be forgot", [1, 2, 3, 4], (0, 2)),
        timed("should old well forgot!", [1.1, 2.0, 3.5, 4.3]),
    )
    assert (scores["matched"], scores["aae"]) == (0.5, pytest.approx(0.2))
    assert (scores["matched_line"], scores["aae_line"]) == (0.5, pytest.approx(0.1))


def test_of_equal_words_the_nearest_is_meant() -> None:
    """A chorus that is heard once of twice is compared with the time in which it was sung."""
    sung = timed("la la oh la la", [1, 2, 3, 11, 12])
    assert timing_scores(sung, timed("la la", [11.1, 12.1]))["aae"] == pytest.approx(0.1)
    assert timing_scores(sung, timed("la la", [1.1, 2.1]))["aae"] == pytest.approx(0.1)
    assert timing_scores(sung, timed("la la", [1.1, 2.1]))["matched"] == 2 / 5


def test_accents_case_and_signs_do_not_part_words() -> None:
    assert timing_scores(
        timed("¿Qué corazón & l'amour", [1, 2, 3, 4]), timed("que corazon & lamour", [1] * 4)
    )["matched"] == (1.0)


def test_an_estimate_ten_times_too_long() -> None:
    """The words that are sung are found among the rest."""
    words = "for auld lang syne my dear " * 50
    sung = timed(words, list(np.arange(300.0)))
    heard = timed(words * 10, [*np.arange(300.0) + 0.1, *np.arange(300.0, 3000.0)])
    scores = timing_scores(sung, heard)
    assert (scores["matched"], scores["aae"]) == (1.0, pytest.approx(0.1))


@given(
    st.lists(st.floats(0, 300), min_size=2, max_size=30, unique=True),
    st.lists(st.floats(0, 300), min_size=30, max_size=30),
)
def test_equal_to_mir_eval(reference: list[float], estimate: list[float]) -> None:
    truth, heard = np.sort(reference), np.sort(estimate[: len(reference)])
    expected = mir_eval.alignment.evaluate(truth, heard)
    assert onset_scores(truth, heard) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@given(st.text("ab", min_size=1, max_size=12), st.text("ab", max_size=12), st.data())
def test_the_longest_common_sequence_is_found(first: str, second: str, draw: st.DataObject) -> None:
    """As long as the recurrence of its definition says, and in order: the onsets say which word was taken."""
    times = st.lists(st.floats(0, 60), min_size=12, max_size=12)
    one, other = (timed(" ".join(word), sorted(draw.draw(times))[: len(word)]) for word in (first, second))
    longest = np.zeros((len(first) + 1, len(second) + 1), dtype=int)
    for row, a in enumerate(first):
        for column, b in enumerate(second):
            same = longest[row, column] + (a == b)
            longest[row + 1, column + 1] = max(same, longest[row, column + 1], longest[row + 1, column])
    scores = timing_scores(one, other)
    assert scores["matched"] == pytest.approx(longest[-1, -1] / len(first))
    if first == second:
        assert scores["aae"] == pytest.approx(float(np.mean(np.abs(one.onsets - other.onsets))))


@pytest.mark.data
@pytest.mark.parametrize("name", ["00", "01", "02", "03_mirex", "04_mirex"])
def test_the_reference_outputs(data: Path, name: str) -> None:
    folder = data / "mir-evaluation_mir_eval/tests/data/alignment"
    expected = json.loads((folder / f"output{name}.json").read_text())
    scores = evaluate_lyrics_timing(folder / f"ref{name}.txt", folder / f"est{name}.txt", NoSettings())
    assert scores == {**expected, "matched": 1.0}


def test_what_is_undefined() -> None:
    nothing = timed("", [])
    assert set(timing_scores(nothing, timed("a b", [1, 2])).values()) == {None}
    missed = timing_scores(timed("a b", [1, 2], (0,)), nothing)
    assert (missed.pop("matched"), missed.pop("matched_line")) == (0.0, 0.0)
    assert set(missed.values()) == {None}
    one = timing_scores(timed("a", [1]), timed("a", [1.5]))
    assert (one["aae"], one["pcs"]) == (0.5, None)
    crossed = timing_scores(timed("a b", [2, 1]), timed("a b", [1, 2]))
    assert (crossed["aae"], crossed["pcs"]) == (1.0, None)
    at_once = timing_scores(timed("a b", [1, 1]), timed("a b", [1, 2]))
    assert (at_once["pc"], at_once["pcs"]) == (0.5, None)


def test_lines_and_words_by_what_the_files_have(tmp_path: Path) -> None:
    lines, words = written(tmp_path / "l.lrc", LRC), written(tmp_path / "w.lrc", ENHANCED)
    assert list(evaluate_lyrics_timing(words, words)) == list(MEANINGS)
    assert set(MAIN) <= MEANINGS.keys()
    for pair in ((lines, words), (words, lines), (lines, lines)):
        scores = evaluate_lyrics_timing(*pair)
        assert all(name.endswith("_line") for name in scores)
        assert (scores["matched_line"], scores["aae_line"]) == (1.0, 0.0)
    plain = written(tmp_path / "w.tsv", "1.0\t2.0\tshould\n2.0\t3.0\tauld\n3.5\t3.9\tbe\n4.0\t5.0\tforgot\n")
    against_words = evaluate_lyrics_timing(words, plain)
    assert (against_words["aae"], against_words["aae_line"]) == (0.25, 0.25)
    assert evaluate_lyrics_timing(plain, lines)["aae_line"] == 0.25


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_with_a_header(tmp_path: Path, encoding: str) -> None:
    text = 'start,end,text\r\n1.0,2.0,"<nl> Oh, </nl> señor; yes"\r\n3.5,2.0,Adiós\r\n'
    found = read_timed_words(written(tmp_path / "lines.csv", text, encoding))
    assert found.text == ("Oh,", "señor;", "yes", "Adiós")
    np.testing.assert_array_equal(found.onsets, [1.0, math.nan, math.nan, 3.5])
    assert found.starts_line.tolist() == [True, False, False, True]


def test_whispers_table_is_in_milliseconds(tmp_path: Path) -> None:
    text = "start\tend\ttext\n1000\t2500\tShould auld\n3500\t5000\tbe\n"
    assert read_timed_words(written(tmp_path / "w.tsv", text)).onsets[[0, 2]].tolist() == [1.0, 3.5]
    seconds = "start,end,text\n1000,1001,Should auld\n1002,1003,be\n"
    assert read_timed_words(written(tmp_path / "w.csv", seconds)).onsets[[0, 2]].tolist() == [1000, 1002]


def test_words_beside_their_times(tmp_path: Path) -> None:
    table = "word_start,word_end,line_end\n1.0,1.5,nan\n2.0,2.5,2.5\n3.0,3.5,nan\n"
    times = written(tmp_path / "annotations/words/Song.csv", table)
    assert read_timed_words(times).text == ("", "", "")
    text = written(tmp_path / "lyrics/Song.txt", "should auld\nbe\n")
    found = read_timed_words(times)
    assert found.text == ("should", "auld", "be")
    assert found.starts_line.tolist() == [True, False, True]
    written(text, "should auld\n")
    with pytest.raises(FullscoreError, match=r"3 words, but .* has 2"):
        read_timed_words(times)


def test_a_run_has_its_words_in_its_report(tmp_path: Path) -> None:
    run = written(tmp_path / "run/lyrics.lrc", LRC).parent
    assert not read_timed_words(run).by_word
    words = [
        {"text": word, "onset": onset, "offset": onset + 0.4, "line": line}
        for word, onset, line in (("Should", 1.0, 0), ("auld", 2.0, 0), ("be", 3.0, 1), ("forgot", 3.6, 1))
    ]
    written(run / "report.json", json.dumps({"words": words}))
    scores = evaluate_lyrics_timing(written(tmp_path / "r.lrc", ENHANCED), run)
    assert (scores["aae"], scores["aae_line"]) == (pytest.approx(0.025), 0.0)
    written(run / "report.json", json.dumps({"words": [{"text": "la"}]}))
    with pytest.raises(FullscoreError, match="words without times"):
        read_timed_words(run)
    written(run / "report.json", json.dumps({"words": []}))
    assert read_timed_words(run).text == ("Should", "auld", "be", "forgot")


def test_an_empty_file_has_no_words(tmp_path: Path) -> None:
    empty = written(tmp_path / "e.lrc", "\n")
    scores = evaluate_lyrics_timing(written(tmp_path / "r.lrc", ENHANCED), empty)
    assert (scores["matched"], scores["mae"]) == (0.0, None)
    assert set(evaluate_lyrics_timing(empty, tmp_path / "r.lrc").values()) == {None}
    tagged = written(tmp_path / "t.lrc", "[ti:Los Rombos]\n[la:es]\n")
    assert evaluate_lyrics_timing(tmp_path / "r.lrc", tagged)["matched"] == 0.0
    times = written(tmp_path / "t.txt", "1.0\n2.0\n")
    assert evaluate_lyrics_timing(times, empty)["matched"] == 0.0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.lrc", "Should auld\nbe forgot\n", "no times of lines"),
        ("a.csv", "pitch,name\n60,C\n", "no times of words or lines"),
        ("a.txt", "Should auld acquaintance, be\nforgot\n", "no times of words or lines"),
        ("a.csv", "start,text\n1.0,la\nnan,la\n", "row 2 .* no time of 0 or more"),
        ("a.csv", "start,text\n-1.0,la\n", "no time of 0 or more"),
        ("a.txt", "1.0 la\nsoon la\n", "row 2 .* no time of 0 or more"),
        ("a.txt", "1.0\n2.0\n3.0\n", "2 times and .* 3"),
        ("a.csv", "start,text\n1.0," + "la " * 50_000, "no row of a table"),
    ],
)
def test_what_cannot_be_compared_is_said(tmp_path: Path, name: str, text: str, said: str) -> None:
    reference = written(tmp_path / "r.txt", "1.0\n2.0\n")
    with pytest.raises(FullscoreError, match=said):
        evaluate_lyrics_timing(reference, written(tmp_path / name, text))


@pytest.mark.data
def test_jamendo_words_and_jam_alt_lines(data: Path) -> None:
    """Two annotations of one song: the words' times are those of the table, both agree on the lines."""
    name = "Fantasma_-_Los_Rombos"
    words = data / f"f90_jamendolyrics/annotations/words/{name}.csv"
    with words.open(newline="") as file:
        assert read_timed_words(words).onsets.tolist() == [
            float(row["word_start"]) for row in csv.DictReader(file)
        ]
    scores = evaluate_lyrics_timing(words, data / f"icme25-alt_jam-alt/line_timings/{name}.csv")
    assert scores["pc_line"] == 1.0
    assert scores["aae_line"] < 0.01
    assert "pc" not in scores
