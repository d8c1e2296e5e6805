import json
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from evaluation.notes import evaluate_notes, read_notes
from separation.engines import FullscoreError
from transcription.notes import Note
from transcription.notes_io import write_notes_json

THREE = "onset,offset,midi\n0,1,60\n1,2,62\n2,3,64\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_worked_example(tmp_path: Path) -> None:
    """Of three notes one is right, one ends too early (0.5 s of 1 s), one is late by 60 ms; one is extra."""
    reference = written(tmp_path / "r.csv", THREE)
    estimate = written(tmp_path / "e.csv", "onset,offset,midi\n0,1,60\n1,1.5,62\n2.06,3,64\n5,6,70\n")
    scores = evaluate_notes(reference, estimate)
    assert scores["Precision"] == pytest.approx(1 / 4)
    assert scores["Recall"] == pytest.approx(1 / 3)
    assert scores["F-measure"] == pytest.approx(2 / 7)
    assert scores["Precision_no_offset"] == pytest.approx(2 / 4)
    assert scores["Recall_no_offset"] == pytest.approx(2 / 3)
    assert scores["Average_Overlap_Ratio_no_offset"] == pytest.approx((1 + 0.5) / 2)
    assert scores["Offset_Recall"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "text",
    [
        "0\t1\t60\n1\t2\t62\n2\t3\t64\n",
        "0 1 261.6256\n1 2 293.6648\n2 3 329.6276\n",
        "# a comment\n0\t1\t60\n1\t2\t62\n# another\n2\t3\t64\n",
        "# onset,offset,note,velocity\n0\t1\t60\t80\n1\t2\t62\t80\n2\t3\t64\t80\n",
        "onset\toffset\tnote\tvelocity\n0\t1\t60\t80\n1\t2\t62\t80\n2\t3\t64\t80\n",
        "onset_s,offset_s,midi,kind,syllable\n0,1,60,normal,Hey\n1,2,62,normal, you\n2,3,64,golden,\n",
        "onset,offset,hz\n0,1,261.6256\n1,2,293.6648\n2,3,329.6276\n",
        "onset,duration,midi\r\n0,1,60\r\n1,1,62\r\n2,1,64\r\n",
        "0,261.6256,1\n1,293.6648,1\n2,329.6276,1\n",
        "\ufeffonset;offset;midi\n0;1;60\n1;2;62\n2;3;64\n",
        "onset,offset,midi\n2,3,64\n0,1,60\n1,2,62\n",
    ],
    ids=[
        "midi", "hz", "comments", "maps", "named-tabs", "ultrastar", "named-hz", "durations", "vocadito",
        "semicolons", "unsorted",
    ],
)  # fmt: skip
def test_every_form_of_table_is_read_alike(tmp_path: Path, text: str) -> None:
    reference = written(tmp_path / "r.csv", THREE)
    scores = evaluate_notes(reference, written(tmp_path / "e.txt", text))
    assert scores["F-measure"] == 1.0


def test_midi_and_notes_json_are_read(tmp_path: Path) -> None:
    reference = written(tmp_path / "r.csv", THREE)
    write_notes_json([Note(i, i + 1.0, 60 + 2 * i, stem="other") for i in range(3)], tmp_path / "notes.json")
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(pretty_midi.Instrument(0))
    midi.instruments[0].notes = [pretty_midi.Note(80, 60 + 2 * i, i, i + 1) for i in range(3)]
    midi.write(str(tmp_path / "e.mid"))
    assert evaluate_notes(reference, tmp_path / "notes.json")["F-measure"] == 1.0
    assert evaluate_notes(reference, tmp_path)["F-measure"] == 1.0  # the folder of a run
    assert evaluate_notes(reference, tmp_path / "e.mid")["F-measure"] == 1.0


def test_one_stem_of_several(tmp_path: Path) -> None:
    table = "onset,offset,midi,velocity,stem\n0,1,60,80,vocals\n0,1,36,80,bass\n"
    reference = written(tmp_path / "r.csv", table)
    estimate = written(tmp_path / "e.csv", table.replace("36", "40"))
    assert evaluate_notes(reference, estimate)["F-measure"] == pytest.approx(1 / 2)
    assert evaluate_notes(reference, estimate, stem="vocals")["F-measure"] == 1.0
    assert evaluate_notes(reference, estimate, stem="bass")["F-measure"] == 0.0
    assert evaluate_notes(reference, estimate, stem="drums")["Precision"] is None


@pytest.mark.parametrize("empty", ["", "onset,offset,midi\n"])
def test_what_is_undefined_is_none(tmp_path: Path, empty: str) -> None:
    some, none = written(tmp_path / "some.csv", THREE), written(tmp_path / "none.csv", empty)
    found_nothing = evaluate_notes(some, none)
    assert (found_nothing["Precision"], found_nothing["Recall"], found_nothing["F-measure"]) == (
        None,
        0.0,
        0.0,
    )
    sought_nothing = evaluate_notes(none, some)
    assert (sought_nothing["Precision"], sought_nothing["Recall"]) == (0.0, None)
    assert set(evaluate_notes(none, none).values()) == {None}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("onset,offset,midi\n0,nan,60\n", "finite"),
        ("onset,offset,midi\n1,0.5,60\n", "end after"),
        ("onset,offset,midi\n-1,0.5,60\n", "before the start"),
        ("onset,offset,hz\n0,1,0\n", "not positive"),
        ("onset,offset,midi\n0,1\n", "row 1"),
        ("time,number\n0,1\n1,2\n", "columns time, number"),
        ("0.5\n1.0\n", "row 1"),
        ("Should auld acquaintance be forgot,\nAnd never brought to mind?\n", "notes need"),
        ("\x00\x01\x02", "not text"),
    ],
)
def test_what_is_not_notes_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = written(tmp_path / "e.csv", text)
    with pytest.raises(FullscoreError, match=reason):
        read_notes(path)


def test_broken_and_missing_midi_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FullscoreError, match="not a MIDI file"):
        read_notes(written(tmp_path / "e.mid", "no MIDI"))
    with pytest.raises(FullscoreError, match="can't read"):
        read_notes(tmp_path / "absent.mid")


@pytest.mark.data
def test_equal_to_the_stored_output_of_mir_eval(data: Path) -> None:
    folder = data / "mir-evaluation_mir_eval/tests/data/transcription"
    outputs = sorted(folder.glob("output*.json"))
    assert len(outputs) == 10
    for path in outputs:
        number = path.stem.removeprefix("output")
        expected = json.loads(path.read_text(encoding="utf-8"))
        scores = evaluate_notes(folder / f"ref{number}.txt", folder / f"est{number}.txt")
        assert scores == pytest.approx(expected, abs=1e-12)


@pytest.mark.data
def test_vocadito_holds_pitch_then_duration(data: Path) -> None:
    folder = data / "mir-dataset-loaders_mirdata/tests/resources/mir_datasets/vocadito/Annotations/Notes"
    table = read_notes(folder / "vocadito_1_notesA1.csv")
    assert table.pitches_hz[0] == 143.742
    assert np.diff(table.intervals[0])[0] == pytest.approx(0.290249433)
