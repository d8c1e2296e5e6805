import json
import warnings
from itertools import pairwise
from pathlib import Path

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.chords import (
    MEANINGS,
    chord_scores,
    evaluate_chords,
    pool_chords,
    read_chords,
    to_harte,
)
from fullscore.errors import FullscoreError
from notation.chord_labels import ChordSegment

LABELS = (
    "N", "X", "C", "C:maj", "C:maj/3", "A:min", "A:min7", "F#:maj7", "Gb:maj7", "G:7", "G:9", "G:13",
    "E:sus4(b7)", "Bb:sus2", "B:dim", "B:hdim7/b3", "D:aug", "D:(1,5)", "C:min6", "C:maj(9)", "C:minmaj7",
    "Eb:5",
)  # fmt: skip


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def chords(*rows: tuple[float, float, str]) -> list[ChordSegment]:
    return [ChordSegment(*row) for row in rows]


@st.composite
def annotations(draw: st.DrawFn) -> list[ChordSegment]:
    """Chords one after the other, from some time on, some with a gap before the next."""
    times = draw(st.lists(st.integers(0, 400), min_size=2, max_size=25, unique=True).map(sorted))
    spans = [ChordSegment(a / 8, b / 8, draw(st.sampled_from(LABELS))) for a, b in pairwise(times)]
    kept = [span for span in spans if draw(st.integers(0, 5))]
    return kept or spans


def test_by_hand() -> None:
    """8 s: 2 right, 2 with a wrong seventh, 2 with a wrong third, 1 with a wrong root, 1 missed."""
    reference = chords((0, 2, "C:maj"), (2, 4, "C:maj7"), (4, 6, "A:min"), (6, 8, "F:maj"))
    estimate = chords((0, 4, "C:maj"), (4, 6, "A:maj"), (6, 7, "D:min"))
    scores = chord_scores(reference, estimate)
    assert scores["root"] == 6 / 8
    assert scores["thirds"] == scores["majmin"] == 4 / 8
    assert scores["tetrads"] == scores["sevenths"] == 2 / 8
    assert scores["underseg"] == 1 - 2 / 8
    assert scores["overseg"] == 1 - 1 / 8
    assert scores["seg"] == 1 - 2 / 8


@given(annotations(), annotations())
def test_equal_to_mir_eval(reference: list[ChordSegment], estimate: list[ChordSegment]) -> None:
    sides = [
        (np.array([(chord.start, chord.end) for chord in side]), [chord.label for chord in side])
        for side in (reference, estimate)
    ]
    undefined = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            expected = dict(mir_eval.chord.evaluate(*sides[0], *sides[1]))
        except ValueError:  # mir_eval keeps what only touches the reference's span, as lasting no time
            return
        undefined = [str(warning.message) for warning in warned if "comparable" in str(warning.message)]
    scores = chord_scores(reference, estimate)
    assert list(scores) == list(expected)
    assert len([name for name in scores if scores[name] is None]) == len(undefined)
    assert {name: value or 0 for name, value in scores.items()} == expected


@given(annotations())
def test_equal_to_itself(annotation: list[ChordSegment]) -> None:
    assert {value and round(value, 12) for value in chord_scores(annotation, annotation).values()} <= {
        None,
        1.0,
    }


def test_nothing_on_either_side() -> None:
    some = chords((1, 3, "C:maj"), (3, 4, "N"))
    assert chord_scores([], some) == dict.fromkeys(MEANINGS)
    scores = chord_scores(some, [])
    assert scores["root"] == 1 / 3
    assert scores["overseg"] == 1.0
    assert chord_scores(some, chords((8, 9, "C:maj"))) == scores
    assert chord_scores(chords((0, 1, "X")), some)["majmin"] is None


def test_in_a_gap_the_chord_before_goes_on() -> None:
    reference = chords((0, 2, "C:maj"), (3, 4, "G:maj"))
    assert chord_scores(reference, chords((0, 3, "C:maj"), (3, 4, "G:maj")))["root"] == 1.0
    assert chord_scores(reference, chords((0, 2, "C:maj"), (2, 3, "N"), (3, 4, "G:maj")))["root"] == 3 / 4


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.lab", "0.0 1.5 C:maj(9,11)\n1.5 2 N\n2 4 A:min7\n"),
        ("a.lab", "# from somewhere\r\n0.0\t1.5\tC:maj(9,11)\r\n1.5\t2\tN.C.\r\n2\t4\tAm7\r\n"),
        ("a.csv", "start,end,label\n0,1.5,\"C:maj(9,11)\"\n1.5,2,N\n2,4,A:min7\n"),
        ("a.csv", "0,1.5,C:maj(9,11)\n1.5,2,N\n2,4,A:min7\n"),
        ("a.csv", "Chord;start_time;end_time\nC:maj(9,11);0;1.5\nN;1.5;2\nA-7;2;4\n"),
        ("a.txt", "2 4 A:min7\n0.0 1.5 C:maj(9,11)\n1.5 3 N\n1.5 1.5 G:7\n"),
        ("a.jams", "chord"),
        ("report.json", "chords"),
    ],
)  # fmt: skip
def test_every_form_of_chords_is_read(tmp_path: Path, name: str, text: str) -> None:
    rows = chords((0, 1.5, "C:maj(9,11)"), (1.5, 2, "N"), (2, 4, "A:min7"))
    if name == "a.jams":
        data = [
            {"time": row.start, "duration": row.end - row.start, "value": row.label, "confidence": 1}
            for row in rows
        ]
        text = json.dumps({"annotations": [{"namespace": "chord", "data": data}]})
    elif name == "report.json":
        own = [{"start": row.start, "end": row.end, "label": row.label} for row in rows]
        text = json.dumps({"chords": own})
    path = written(tmp_path / name, text)
    assert list(read_chords(path)) == rows
    assert evaluate_chords(path, tmp_path if name == "report.json" else path)["tetrads"] == 1.0


@pytest.mark.parametrize(
    ("label", "harte"),
    [
        ("C", "C"), ("C:maj(9)", "C:maj(9)"), ("A:m", "A:min"), ("C#:min7", "C#:min7"), ("Cm", "C:min"),
        ("C-7", "C:min7"), ("CM7", "C:maj7"), ("CΔ", "C:maj7"), ("Cmaj9", "C:maj9"), ("CmMaj7", "C:minmaj7"),
        ("Cm(maj7)", "C:minmaj7"), ("Cø", "C:hdim7"), ("Cm7(b5)", "C:hdim7"), ("C°7", "C:dim7"),
        ("C+", "C:aug"), ("C:aug7", "C:aug(b7)"), ("C:maj11", "C:maj9(11)"),
        ("Csus", "C:sus4"), ("C7sus4", "C:sus4(b7)"), ("C6", "C:maj6"), ("C6/9", "C:maj6(9)"),
        ("Cadd9", "C:maj(9)"),
        ("C7(b9,#11)", "C:7(b9,#11)"),
        ("E♭maj7", "Eb:maj7"), ("C/E", "C:maj/3"), ("Cm/Eb", "C:min/b3"), ("Bb/D", "Bb:maj/3"),
        ("F#7/A#", "F#:7/3"), ("Am7/G", "A:min7/b7"), ("D/F#", "D:maj/3"), ("NC", "N"),
        ("N.C.", "N"), ("?", "X"), ("H", None), ("60", None), ("", None), ("la", None), ("C:foo", None),
        ("C/", None),
    ],
)  # fmt: skip
def test_labels(label: str, harte: str | None) -> None:
    assert to_harte(label) == harte


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.lab", "0 1 C\n1 2 H:maj\n", "row 2 .* 'H:maj' for a chord"),
        ("a.lab", "0 2 C\n2 1 G\n", "row 2 .* no span of time"),
        ("a.lab", "-1 2 C\n", "no span of time"),
        ("a.lab", "0 nan C\n", "no span of time"),
        ("a.lab", "0.5\n1.0\n", "not the start, end and label"),
        ("a.beats", "0.5 1\n1.0 2\n", "not the start, end and label"),
        ("a.csv", "0.5,1.0,60\n", "'60' for a chord"),
        ("a.csv", "onset,offset,midi\n0,1,60\n", "not with the columns"),
        ("a.txt", "Should auld acquaintance\nbe forgot\n", "not with the columns"),
        ("a.jams", '{"annotations": [{"namespace": "beat", "data": []}]}', "has beat; it needs"),
        (
            "a.jams",
            '{"annotations": [{"namespace": "chord", "data": [{"time": 0, "duration": 1, "value": 3}]}]}',
            "no chord label",
        ),
        ("report.json", "{}", "has no chords"),
        ("report.json", '{"chords": [1]}', "has no chords"),
        ("report.json", "[1]", "has no chords"),
    ],
)  # fmt: skip
def test_what_is_not_chords_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(FullscoreError, match=reason):
        read_chords(written(tmp_path / name, text))


def test_songs_weigh_by_their_length(tmp_path: Path) -> None:
    """3 s right and 1 s wrong; majmin is undefined in the second."""
    estimate = written(tmp_path / "e.lab", "0 4 C:maj\n")
    pairs = [
        (written(tmp_path / "a.lab", "0 3 C:maj\n"), estimate),
        (written(tmp_path / "b.lab", "0 1 D:sus4\n"), estimate),
    ]
    pooled = pool_chords(pairs)
    assert pooled["root"] == 3 / 4
    assert pooled["majmin"] == 1.0


@pytest.mark.data
@pytest.mark.parametrize("song", ["001", "113"])
def test_chords_of_the_data(data: Path, song: str, tmp_path: Path) -> None:
    """POP909 as mir_eval's own reader and measures have it, against the same half a second late."""
    path = data / "music-x-lab_POP909-Dataset" / "POP909" / song / "chord_midi.txt"
    spans, labels = mir_eval.io.load_labeled_intervals(str(path))
    rows = [f"{a + 0.5} {b + 0.5} {label}" for (a, b), label in zip(spans, labels, strict=True)]
    late = written(tmp_path / "late.lab", "\n".join(rows))
    expected = mir_eval.chord.evaluate(spans, labels, *mir_eval.io.load_labeled_intervals(str(late)))
    assert evaluate_chords(path, late) == dict(expected)
