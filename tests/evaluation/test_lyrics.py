import csv
import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import alt_eval
import alt_eval.metrics
import pytest
from alt_eval.tokenizer import LyricsTokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.kinds import LyricsSettings
from evaluation.lyrics import (
    MAIN,
    MEANINGS,
    align_words,
    evaluate_lyrics,
    language_code,
    lyric_scores,
    pool_lyrics,
    read_lyrics,
    tokenise,
)
from fullscore.errors import FullscoreError
from fullscore.files import EXAMPLE

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


@pytest.mark.parametrize("nothing", ["", "…", "( )", "♪ 🎵\n\n"])
def test_a_reference_without_words(nothing: str) -> None:
    """No rate is defined, the counts are."""
    scores = lyric_scores([nothing], ["some words"])
    assert {name for name, value in scores.items() if value is not None} == {
        *("hits", "substitutions", "deletions", "insertions")
    }
    assert (scores["hits"], scores["insertions"]) == (0.0, 2.0)


def test_an_estimate_without_words() -> None:
    scores = lyric_scores(["some words"], [""])
    assert (scores["WER"], scores["CER"], scores["P_line"], scores["deletions"]) == (1.0, 1.0, None, 2.0)


def test_an_estimate_ten_times_too_long() -> None:
    """Nine words too many for each one."""
    scores = lyric_scores([REFERENCE], [REFERENCE * 10])
    assert (scores["hits"], scores["insertions"], scores["WER"]) == (16.0, 144.0, 9.0)


def test_songs_are_pooled() -> None:
    """One error in four words and none in one: 1/5, not the mean 1/8; an empty reference counts too."""
    assert lyric_scores(["one two three four", "five"], ["one two three for", "five"])["WER"] == 1 / 5
    assert lyric_scores(["one two three four", ""], ["one two three four", "five"])["WER"] == 1 / 4


# Letters, signs, spaces and breaks of all sorts; scripts from right to left and without spaces; emoji.
LETTERS = "ab A,.!?'()\n-éß…’“*_&<>@\t\x0b\x85\u00a0\u2028\u200b\u0301愛カ한שع،ไทย😀♪（）"


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet=LETTERS, max_size=60),
    st.text(alphabet=LETTERS, max_size=60),
    st.sampled_from(["en", "es", "de", "fr", "it", "ja", "ar"]),
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
    for name in ("e.lrc", "lrc.txt"):
        scores = evaluate_lyrics(reference, written(tmp_path / name, timed), LyricsSettings())
        assert (scores["WER_case"], scores["F1_line"], scores["F1_sect"], scores["F1_pare"]) == (0, 1, 1, 1)


TUNE = EXAMPLE / "auld-lang-syne.txt"


def test_words_under_the_notes() -> None:
    """The score of the example has all words of its sheet, on one line."""
    scores = evaluate_lyrics(TUNE, TUNE.with_suffix(".musicxml"), LyricsSettings())
    assert (scores["WER"], scores["F1_punc"], scores["R_line"]) == (0.0, 1.0, 0.0)


def test_words_of_a_choir_once(tmp_path: Path) -> None:
    """Both parts sing the same two verses: they are read from one of them, syllables joined to words."""
    lyrics = (("a", "begin", "o"), ("men", "end", "dear"))
    notes = "".join(
        "<note><pitch><step>C</step><octave>4</octave></pitch><duration>1</duration><type>quarter</type>"
        f'<lyric number="1"><syllabic>{place}</syllabic><text>{first}</text></lyric>'
        f'<lyric number="2"><syllabic>single</syllabic><text>{second}</text></lyric></note>'
        for first, place, second in lyrics
    )
    parts = "".join(
        f'<part id="P{part}"><measure number="1"><attributes><divisions>1</divisions></attributes>{notes}'
        "</measure></part>"
        for part in (1, 2)
    )
    listed = "".join(f'<score-part id="P{part}"><part-name>P</part-name></score-part>' for part in (1, 2))
    score = f'<score-partwise version="4.0"><part-list>{listed}</part-list>{parts}</score-partwise>'
    assert read_lyrics(written(tmp_path / "choir.musicxml", score)) == "amen\n\no dear"
    silent = re.sub("<lyric.*?</lyric>", "", score)
    assert read_lyrics(written(tmp_path / "silent.musicxml", silent)) == ""


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (
            "en",
            "Y'all don't know – 'cause it's goin' (ooh-ooh)",
            "Y 'all don 't know 'cause it 's goin' ooh ooh",
        ),
        ("es", "¿Pa' qué? ¡To's lo' días, pa'l río!", "Pa' qué To's lo' días pa'l río"),
        ("de", "Wie geht's? Ich hab' wie'n Hund geseh'n", "Wie geht 's Ich hab' wie 'n Hund geseh'n"),
        ("fr", "J'aime l'amour, aujourd'hui « là »", "J' aime l' amour aujourd' hui là"),
        ("ja", "愛してる（ずっと）", "愛 し て る ず っ と"),
        ("zh", "我愛你 100次 baby", "我 愛 你 100 次 baby"),
        ("ko", "다시 만나 (oh)", "다시 만나 oh"),
        ("he", "שלום, עולם", "שלום עולם"),
    ],
)
def test_words_by_language(code: str, text: str, words: str) -> None:
    """Elisions are parted as alt-eval parts them, scripts without spaces by character."""
    assert list(tokenise(text, code).words) == words.split()


def test_nonlexical_words_apart() -> None:
    """Of three vocables one is there, one is wrong and one is missing; of four words one is wrong.

    A word too many counts with and without them.
    """
    tagged = "<nl> (Uh, ah, eh) </nl>\nIch mach' Musik, Musik"
    scores = lyric_scores([tagged], ["(Uh, oh)\nIch mach' Music, Musik da"], "de")
    assert scores["WER"] == pytest.approx(4 / 7)
    assert scores["WER_lexical"] == pytest.approx(2 / 4)
    assert (scores["R_nonlexical"], scores["D_nonlexical"]) == (1 / 3, 1 / 3)
    left_out = lyric_scores([tagged], ["Ich mach' Musik, Musik"], "de")
    assert (left_out["WER"], left_out["WER_lexical"], left_out["D_nonlexical"]) == (3 / 7, 0.0, 1.0)


def test_without_tags_nothing_is_nonlexical() -> None:
    assert not {"WER_lexical", "R_nonlexical", "D_nonlexical"} & lyric_scores(["oh oh"], ["oh"]).keys()
    only = lyric_scores(["<nl> oh oh </nl>"], ["oh"])
    assert (only["WER"], only["WER_lexical"], only["R_nonlexical"]) == (0.5, None, 0.5)


def test_a_tag_that_is_not_closed_ends_with_its_line() -> None:
    tokens = tokenise("so <nl> oh oh\nthis is a word", "en")
    words = [token.text for token, marked in zip(tokens.tokens, tokens.nonlexical, strict=True) if marked]
    assert words == ["oh", "oh"]


def test_what_tags_enclose_stays(tmp_path: Path) -> None:
    tagged = written(tmp_path / "r.txt", "<nl> (Uh, ah-ja) </nl>\nIch mach' Musik\n")
    plain = written(tmp_path / "e.txt", "(Uh, ah-ja)\nIch mach' Musik\n")
    for pair in ((tagged, plain), (plain, tagged)):
        scores = evaluate_lyrics(*pair, LyricsSettings("de"))
        assert (scores["WER"], scores["F1_line"], scores["F1_pare"]) == (0.0, 1.0, 1.0)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_the_alignment_has_every_word_once(reference: list[str], estimate: list[str]) -> None:
    steps = align_words(reference, estimate)
    assert [place for _, place, _ in steps if place is not None] == list(range(len(reference)))
    assert [place for _, _, place in steps if place is not None] == list(range(len(estimate)))
    for kind, at, there in steps:
        same = at is not None and there is not None and reference[at] == estimate[there]
        assert same == (kind == "hits")


def test_a_table_gives_the_languages(tmp_path: Path) -> None:
    """In German "geht's" is two words, in Spanish "to's" is one: pooled, and each language by itself."""
    table = written(tmp_path / "songs.csv", "Filepath,Language\nEins.mp3,German\nDos.mp3,Spanish\n")
    settings = LyricsSettings(str(table))
    pairs = [
        (
            written(tmp_path / f"{name}.lyrics.txt", reference),
            written(tmp_path / f"{name}.txt", estimate),
        )
        for name, reference, estimate in (("Eins", "Wie geht's", "Wie geht's"), ("Dos", "to's", "todos"))
    ]
    scores = pool_lyrics(pairs, settings)
    assert (scores["hits"], scores["WER"]) == (3.0, 1 / 4)
    assert {code: one["WER"] for code, one in scores["languages"].items()} == {"de": 0.0, "es": 1.0}
    assert "languages" not in pool_lyrics(pairs[:1], settings)
    other = written(tmp_path / "Tres.txt", "la")
    with pytest.raises(FullscoreError, match="language of 'Tres'"):
        evaluate_lyrics(other, other, settings)
    with pytest.raises(FullscoreError, match="no columns Language"):
        evaluate_lyrics(other, other, LyricsSettings(str(written(tmp_path / "t.csv", "song,key\na,C\n"))))


def test_every_measure_has_its_meaning(tmp_path: Path) -> None:
    tagged = written(tmp_path / "r.txt", "so <nl> oh </nl>")
    assert list(evaluate_lyrics(tagged, tagged, LyricsSettings())) == list(MEANINGS)
    assert set(MAIN) <= MEANINGS.keys()


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song.txt").write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x23TSSE")
    with pytest.raises(FullscoreError, match="not text"):
        read_lyrics(tmp_path / "song.txt")
    with pytest.raises(FullscoreError, match="not lyrics"):
        read_lyrics(written(tmp_path / "notes.csv", "onset,offset,midi\n"))
    for timed in (
        "#TITLE:Song\n#BPM:300\n: 0 5 10 Hel\n: 5 5 12 lo\nE\n",
        "1\n00:00:01,000 --> 00:00:02,500\nHello\n",
        "start\tend\ttext\n1000\t2500\tHello\n",
        "1.0\t1.5\tHello\n2.0\t2.5\tworld\n",
        "1.0 1.5 Hello\n2.0 2.5 world\n",
    ):
        with pytest.raises(FullscoreError, match="times beside the words"):
            read_lyrics(written(tmp_path / "song.txt", timed))
    assert read_lyrics(written(tmp_path / "song.lrc", "[ti:Los Rombos]\n[la:es]\n")) == ""
    assert read_lyrics(written(tmp_path / "song.txt", "99 bottles\n98 bottles\n")).startswith("99")
    with pytest.raises(FullscoreError, match="numbers, not words"):
        read_lyrics(written(tmp_path / "beats.txt", "0.5\t1\n1.0\t2\n"))
    with pytest.raises(FullscoreError, match="can't read"):
        read_lyrics(tmp_path / "absent.txt")


def names_of(data: Path) -> dict[str, str]:
    """The languages of the songs of Jam-ALT that are there."""
    with (data / "f90_jamendolyrics/JamendoLyrics.csv").open(encoding="utf-8") as file:
        languages = {Path(row["Filepath"]).stem: row["Language"] for row in csv.DictReader(file)}
    return {path.stem: languages[path.stem] for path in tagged_texts(data)}


def untagged(text: str) -> str:
    return re.sub(r"[ \t]*</?nl>[ \t]*", " ", text)


def tagged_texts(data: Path) -> list[Path]:
    return sorted((data / "icme25-alt_jam-alt/lyrics_tagged").glob("*.txt"))


@pytest.mark.data
def test_jamendolyrics_against_jam_alt(data: Path) -> None:
    """The published figures of the reference implementation; the tags change nothing in them."""
    pairs = [(path, data / "f90_jamendolyrics/lyrics" / path.name) for path in tagged_texts(data)]
    table = str(data / "f90_jamendolyrics/JamendoLyrics.csv")
    scores = pool_lyrics(pairs, LyricsSettings(table))
    assert len(pairs) == 40
    assert scores["languages"]["en"]["WER"] == pytest.approx(0.1437, abs=5e-5)
    assert scores["languages"]["es"]["WER"] == pytest.approx(0.1401, abs=5e-5)
    languages = names_of(data)
    expected = alt_eval.compute_metrics(
        [untagged(read_lyrics(path)) for path, _ in pairs],
        [read_lyrics(path) for _, path in pairs],
        languages=[language_code(languages[path.stem]) for path, _ in pairs],
    )
    for name, value in expected.items():
        assert scores[name] == (None if math.isnan(value) else value), name


def corruptions(rng: random.Random) -> list[Callable[[str], str]]:
    """What goes wrong in transcriptions: each changes a text at a few places."""

    def some(pattern: str, change: Callable[[str], str], share: float) -> Callable[[str], str]:
        return lambda text: re.sub(
            pattern, lambda found: change(found[0]) if rng.random() < share else found[0], text
        )

    words = ("la", "you're", "corazón", "(yeah)", "geh's", "l'amour", "…", "2", "愛", "señor-a")
    return [
        some(r"\S+", lambda word: "", 0.1),
        some(r"\S+", lambda word: rng.choice(words), 0.1),
        some(r"\S+", lambda word: f"{word} {rng.choice(words)}", 0.1),
        some(r"\S+", lambda word: f"{word} {word}", 0.05),
        some(r"\w+", str.swapcase, 0.1),
        some(r"\w+", str.upper, 0.3),
        some(r"[,.?!'\"¿¡-]", lambda mark: rng.choice(("", ",", ".", "!", "…", "—", "’", " - ")), 0.3),
        some(r"\s", lambda space: rng.choice((", ", "; ", "! ")), 0.1),
        some(r"\n", lambda end: " ", 0.3),
        some(r" ", lambda space: "\n", 0.1),
        some(r"\n+", lambda end: rng.choice(("\n", "\n\n", "\n \n\n")), 0.4),
        some(r"[()]", lambda mark: rng.choice(("", "(", ")", "((")), 0.5),
        some(r"\S+", lambda word: f"({word})", 0.1),
    ]


@pytest.mark.data
def test_a_thousand_corrupted_texts_as_alt_eval_has_them(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verses of Jam-ALT, each against a version with one to four kinds of error, in every field."""
    shared = LyricsTokenizer()  # one for all: making it takes most of alt-eval's time with a verse
    monkeypatch.setattr(alt_eval.metrics, "LyricsTokenizer", lambda: shared)
    rng = random.Random(4)
    change = corruptions(rng)
    verses = [
        ("\n".join(untagged(verse).strip().split("\n")[:2]), language_code(language))
        for path, language in zip(tagged_texts(data), names_of(data).values(), strict=True)
        for verse in read_lyrics(path).split("\n\n")
    ]
    for _ in range(1000):
        at = rng.randrange(len(verses) - 1)
        language = rng.choice((verses[at][1], verses[at][1], "de", "fr"))
        reference = "\n\n".join(verse for verse, _ in verses[at : at + 2])
        estimate = reference
        for corrupt in rng.sample(change, rng.randint(1, 4)):
            estimate = corrupt(estimate)
        expected = alt_eval.compute_metrics([reference], [estimate], languages=language)
        scores = lyric_scores([reference], [estimate], language)
        assert scores.keys() == {*expected, "CER"}
        for name, value in expected.items():
            assert scores[name] == (None if math.isnan(value) else value), (name, reference, estimate)
