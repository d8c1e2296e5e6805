import json
from fractions import Fraction
from pathlib import Path

import mir_eval
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.key import (
    SIGNATURE,
    THROUGHOUT,
    WEIGHTED_SCORE,
    KeyLabel,
    evaluate_key,
    key_scores,
    parse_key,
    read_key,
    throughout,
)
from fullscore.errors import FullscoreError
from fullscore.files import EXAMPLE

TUNE = EXAMPLE / "auld-lang-syne.musicxml"  # in F major

KEYS = st.builds(KeyLabel, st.integers(0, 11), st.sampled_from(["major", "minor", "dorian", "other"]))


@pytest.mark.parametrize(
    ("estimate", "score", "kinship"),
    [
        ("F major", 1.0, "Correct"),
        ("C major", 0.5, "Fifth"),
        ("d minor", 0.3, "Relative"),
        ("F:min", 0.2, "Parallel"),
        ("Bb major", 0.0, "Other"),
    ],
)
def test_keys_by_their_kinship(tmp_path: Path, estimate: str, score: float, kinship: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"key": estimate}), encoding="utf-8")
    scores = evaluate_key(TUNE, tmp_path)
    assert scores[WEIGHTED_SCORE] == score
    assert [name for name in ("Correct", "Fifth", "Relative", "Parallel", "Other") if scores[name]] == [
        kinship
    ]
    assert scores[SIGNATURE] == float(kinship in ("Correct", "Relative"))


@given(KEYS, KEYS)
def test_equal_to_mir_eval(reference: KeyLabel, estimate: KeyLabel) -> None:
    expected = mir_eval.key.weighted_score(str(reference), str(estimate))
    assert key_scores(reference, estimate)[WEIGHTED_SCORE] == expected


@given(KEYS)
def test_a_key_is_read_as_it_is_written(key: KeyLabel) -> None:
    text = f"{str(key).split()[0]}:{key.mode}"
    assert parse_key(text, Path("a.txt")) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Bb:maj", "Bb major"),
        ("B flat major", "Bb major"),
        ("B-flat minor", "Bb minor"),
        ("B- major", "Bb major"),
        ("bb minor", "Bb minor"),
        ("b", "B minor"),
        ("C#", "Db major"),
        ("F♯m", "Gb minor"),
        ("Am", "A minor"),
        ("Amin", "A minor"),
        ("CM", "C major"),
        ("Cb major", "B major"),
        ("D:dorian", "D other"),
        ("X", "X"),
    ],
)
def test_words_for_keys(text: str, key: str) -> None:
    assert str(parse_key(text, Path("a.txt"))) == key


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("a.txt", "2.67\t191.9\tGb:maj\r\n191.9\t200.0\tG:maj\r\n", "Gb major"),
        ("a.txt", "\ufeffE flat minor", "Eb minor"),
        ("a.lab", "0.0\t1.5\tSilence\n1.5\t170.2\tKey\tE\n", "E major"),
        ("a.csv", "start,end,key\n0,10,F# minor\n", "Gb minor"),
        ("a.txt", "Key: A minor\n", "A minor"),
        ("a.jams", "key_mode", "Eb major"),
        ("a.musicxml", '<key><fifths>-3</fifths><mode>minor</mode></key>', "C minor"),
        ("a.musicxml", '<key><fifths>2</fifths><mode>dorian</mode></key>', "E other"),
        ("a.musicxml", '<key><fifths>-1</fifths></key>', "F major"),
    ],
)  # fmt: skip
def test_every_form_of_keys_is_read(tmp_path: Path, name: str, text: str, key: str) -> None:
    if text == "key_mode":
        data = [{"time": 0, "duration": 9, "value": value, "confidence": 1} for value in ("N", "Eb:major")]
        text = json.dumps({"annotations": [{"namespace": "key_mode", "data": data}]})
    (tmp_path / name).write_text(one_bar(text) if text.startswith("<key>") else text, encoding="utf-8")
    assert str(read_key(tmp_path / name)) == key


def one_bar(attributes: str) -> str:
    return (
        '<score-partwise><part id="P1"><measure number="1"><attributes><divisions>1</divisions>'
        f"{attributes}</attributes><note><rest/><duration>4</duration></note></measure></part></score-partwise>"
    )


def test_a_reference_without_a_mode_has_but_a_signature(tmp_path: Path) -> None:
    path = tmp_path / "a.musicxml"
    path.write_text(one_bar("<key><fifths>-1</fifths></key>"), encoding="utf-8")
    scores = evaluate_key(path, TUNE)
    assert {name for name, value in scores.items() if value is not None} == {SIGNATURE, THROUGHOUT}
    assert (scores[SIGNATURE], scores[THROUGHOUT]) == (1.0, 1.0)
    assert evaluate_key(TUNE, path)[WEIGHTED_SCORE] == 1.0


def test_signatures_throughout_by_hand() -> None:
    """Of 12 quarters the first four are right, four wrong, and of the last four two are there."""
    reference = [(Fraction(0), Fraction(4), 1), (Fraction(4), Fraction(12), 2)]
    estimate = [(Fraction(0), Fraction(8), 1), (Fraction(8), Fraction(10), 2)]
    assert throughout("share", reference, estimate) == {"share": 0.5}
    assert throughout("share", reference, ()) == {}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.musicxml", "no XML", "not MusicXML"),
        ("a.musicxml", "<html/>", "not a MusicXML score"),
        ("a.musicxml", "<score-partwise/>", "no key signature"),
        ("report.json", "{}", "names no key"),
        ("a.jams", '{"annotations": []}', "needs an annotation of key_mode"),
        ("a.txt", "", "names no key"),
        ("a.txt", "H-Dur", "'H-Dur' for a key"),
        ("a.txt", "Should auld acquaintance be forgot", "for a key"),
        ("a.txt", "0.5\t1\n1.0\t2\n", "names no key"),
        ("a.lab", "0 1.5 C:maj\n1.5 3 A:min\n", "a row every 1.5 s: chords"),
        ("a.csv", "onset,offset,pitch\n0,1.5,C\n", "chords, not keys"),
    ],
)
def test_what_has_no_key_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FullscoreError, match=reason):
        evaluate_key(TUNE, path)


@pytest.mark.data
def test_keys_of_the_data(data: Path) -> None:
    songs = data / "music-x-lab_POP909-Dataset" / "POP909"
    assert [str(read_key(songs / song / "key_audio.txt")) for song in ("001", "113")] == [
        "Gb major",
        "G major",
    ]
    asap = data / "CPJKU_asap-dataset"
    for score in sorted(asap.rglob("xml_score.musicxml")):
        if score.parent.name not in ("bwv_846", "1_no_first_repeat"):  # no signature; taken for a performance
            scores = evaluate_key(score, score.with_name("midi_score.mid"))
            assert (scores[SIGNATURE], scores[THROUGHOUT]) == (1.0, 1.0), score
