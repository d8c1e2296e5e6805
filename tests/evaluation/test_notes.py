import json
import warnings
from dataclasses import replace
from pathlib import Path

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.kinds import NotesSettings
from evaluation.notefiles import NoteTable, midi_to_hz, read_notes
from evaluation.notes import MAIN, MEANINGS, evaluate_notes, lag, note_scores
from fullscore.errors import FullscoreError
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
    # 100, 50 and 94 of 300 frames, where 344 sound
    assert scores["Frame_Recall"] == pytest.approx(244 / 300)
    assert scores["Frame_Precision"] == pytest.approx(244 / 344)
    wider = evaluate_notes(reference, estimate, NotesSettings(onset_tolerance=0.1, offset_tolerance=0.5))
    assert wider["Recall"] == 1.0


def test_octaves_and_tolerances(tmp_path: Path) -> None:
    """One note an octave too high, one 40 cents flat, one right."""
    reference = written(tmp_path / "r.csv", THREE)
    estimate = written(tmp_path / "e.csv", "onset,offset,midi\n0,1,72\n1,2,61.6\n2,3,64\n")
    scores = evaluate_notes(reference, estimate)
    assert scores["F-measure"] == pytest.approx(2 / 3)
    assert scores["F-measure_octave_invariant"] == 1.0
    assert scores["Frame_Accuracy"] == pytest.approx(2 / 4)
    assert scores["Frame_Chroma_Accuracy"] == 1.0
    narrow = evaluate_notes(reference, estimate, NotesSettings(pitch_tolerance=30))
    assert narrow["F-measure_octave_invariant"] == pytest.approx(2 / 3)


def test_stems_are_measured_each_and_together(tmp_path: Path) -> None:
    """The bass is found among the vocals: right in the whole, an error in both stems."""
    table = "onset,offset,midi,velocity,stem\n0,1,60,80,vocals\n0,1,36,80,bass\n2,3,38,80,bass\n"
    reference = written(tmp_path / "r.csv", table)
    estimate = written(tmp_path / "e.csv", table.replace("36,80,bass", "36,80,vocals"))
    scores = evaluate_notes(reference, estimate)
    assert scores["F-measure"] == 1.0
    assert scores["Pooled_F-measure"] == pytest.approx(2 / 3)
    assert scores["Pooled_Average_Overlap_Ratio"] == 1.0
    assert scores["Pooled_Frame_F-measure"] == pytest.approx(2 / 3)
    assert {stem: inner["F-measure"] for stem, inner in scores["stems"].items()} == {
        "bass": pytest.approx(2 / 3),
        "vocals": pytest.approx(2 / 3),
    }
    of_bass = evaluate_notes(reference, estimate, NotesSettings(stem="bass"))
    assert (of_bass["Precision"], of_bass["Recall"]) == (1.0, 0.5)
    assert "stems" not in of_bass
    with pytest.raises(FullscoreError, match="stem 'drums'; choose one of: bass, vocals"):
        evaluate_notes(reference, estimate, NotesSettings(stem="drums"))
    nameless = written(tmp_path / "n.csv", THREE)
    assert "stems" not in evaluate_notes(nameless, estimate)
    drums = written(tmp_path / "d.csv", table.replace("vocals", "drums"))
    assert evaluate_notes(reference, drums)["stems"]["drums"]["Recall"] is None
    assert evaluate_notes(reference, drums)["Pooled_Precision"] == pytest.approx(2 / 3)


def test_names_that_have_nothing_in_common_are_no_stems(tmp_path: Path) -> None:
    """The parts of a score and the tracks of a program are called otherwise, though the notes are right."""
    reference, estimate = tmp_path / "r.csv", tmp_path / "e.csv"
    reference.write_text("onset,offset,midi,stem\n0,1,60,Singstimme\n")
    estimate.write_text("onset,offset,midi,stem\n0,1,60,voice\n")
    scores = evaluate_notes(reference, estimate)
    assert scores["F-measure"] == 1
    assert not {"stems", "Pooled_F-measure"} & set(scores)


def test_velocities_count_where_both_files_have_them(tmp_path: Path) -> None:
    """Ten soft and ten loud notes, half as far apart in the estimate, where one soft note is loud.

    The fit sends the soft ones to 0 and the loud ones to 10 / 11: within a tenth but for the odd one.
    """

    def table(velocities: list[int]) -> str:
        rows = [f"{onset},{onset + 1},60,{velocity}\n" for onset, velocity in enumerate(velocities)]
        return "onset,offset,midi,velocity\n" + "".join(rows)

    reference = written(tmp_path / "r.csv", table([0] * 10 + [100] * 10))
    estimate = written(tmp_path / "e.csv", table([20] * 9 + [70] * 11))
    scores = evaluate_notes(reference, estimate)
    assert scores["Recall"] == 1.0
    assert scores["Recall_velocity"] == pytest.approx(19 / 20)
    nameless = written(tmp_path / "n.csv", THREE)
    assert not any("velocity" in name for name in evaluate_notes(reference, nameless))


def test_either_may_be_the_folder_of_a_run(tmp_path: Path) -> None:
    reference = written(tmp_path / "r.csv", THREE)
    write_notes_json([Note(i, i + 1.0, 60 + 2 * i, stem="other") for i in range(3)], tmp_path / "notes.json")
    assert evaluate_notes(reference, tmp_path)["F-measure"] == 1.0


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


def test_every_measure_is_a_plain_number_and_the_shown_ones_are_there(tmp_path: Path) -> None:
    table = written(tmp_path / "r.csv", "onset,offset,midi,velocity,stem\n0,1,60,80,vocals\n")
    scores = evaluate_notes(table, table)
    stems = scores.pop("stems")
    assert {*MAIN, *MEANINGS} <= set(scores)
    assert {type(value) for value in (*scores.values(), *stems["vocals"].values())} <= {float, int}
    json.dumps(scores, allow_nan=False)


# Lag --------------------------------------------------------------------------------------------


def melody(count: int = 40) -> NoteTable:
    onsets = np.cumsum(np.random.default_rng(1).choice([0.25, 0.5, 0.75], count))
    pitches = np.random.default_rng(2).integers(55, 75, count).astype(np.float64)
    return NoteTable(np.stack([onsets, onsets + 0.2], axis=1), midi_to_hz(pitches))


@pytest.mark.parametrize("late_s", [0.0, 0.06, -0.4, 3.3])
def test_a_constant_lag_is_found_among_wrong_notes(late_s: float) -> None:
    reference = melody()
    scatter = np.random.default_rng(3).normal(0, 0.005, (len(reference.intervals), 1))
    wrong = np.arange(len(reference.intervals)) % 3 == 0
    estimate = NoteTable(
        reference.intervals + late_s + scatter, np.where(wrong, 1.5, 1.0) * reference.pitches_hz
    )
    assert lag(reference, estimate) == pytest.approx(late_s, abs=0.003)


def test_the_lag_is_reported_always_and_removed_on_demand(tmp_path: Path) -> None:
    reference = written(tmp_path / "r.csv", THREE)
    late = written(tmp_path / "e.csv", "onset,offset,midi\n0.3,1.3,60\n1.3,2.3,62\n2.3,3.3,64\n")
    kept, removed = evaluate_notes(reference, late), evaluate_notes(reference, late, NotesSettings(lag=True))
    assert (kept["Lag_s"], removed["Lag_s"]) == (pytest.approx(0.3), pytest.approx(0.3))
    assert (kept["F-measure"], removed["F-measure"]) == (0.0, 1.0)
    early = evaluate_notes(late, reference, NotesSettings(lag=True))
    assert (early["Lag_s"], early["F-measure"]) == (pytest.approx(-0.3), 1.0)


def test_where_notes_repeat_the_smallest_lag_is_taken() -> None:
    beats = np.arange(20) * 0.5
    even = NoteTable(np.stack([beats, beats + 0.1], axis=1), np.full(20, 440.0))
    assert lag(even, even) == 0.0
    assert lag(even, replace(even, intervals=even.intervals + 0.04)) == pytest.approx(0.04)
    assert lag(even, replace(even, pitches_hz=even.pitches_hz * 1.2)) is None


def test_unrelated_notes_have_no_lag() -> None:
    pitches = np.random.default_rng(4).permutation(melody(200).pitches_hz)
    intervals = melody(200).intervals * 1.03
    assert lag(melody(200), NoteTable(intervals, pitches)) is None


# Equal to mir_eval ------------------------------------------------------------------------------


@pytest.mark.data
def test_equal_to_the_stored_output_of_mir_eval(data: Path) -> None:
    folder = data / "mir-evaluation_mir_eval/tests/data/transcription"
    outputs = sorted(folder.glob("output*.json"))
    assert len(outputs) == 10
    for path in outputs:
        number = path.stem.removeprefix("output")
        expected = json.loads(path.read_text(encoding="utf-8"))
        scores = evaluate_notes(folder / f"ref{number}.txt", folder / f"est{number}.txt")
        assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.data
def test_equal_to_the_stored_output_of_mir_eval_with_velocities(data: Path) -> None:
    """mir_eval's own test takes the files' MIDI numbers for Hz, and so do the stored figures."""
    folder = data / "mir-evaluation_mir_eval/tests/data/transcription_velocity"
    outputs = sorted(folder.glob("output*.json"))
    assert len(outputs) == 10
    for path in outputs:
        number = path.stem.removeprefix("output")
        expected = json.loads(path.read_text(encoding="utf-8"))
        sides = []
        for side in ("ref", "est"):
            table = read_notes(folder / f"{side}{number}.txt")
            midi = np.round(69 + 12 * np.log2(table.pitches_hz / 440))
            sides.append(replace(table, pitches_hz=midi))
        scores = note_scores(sides[0], sides[1])
        found = {name: scores[f"{name}_velocity"] for name in expected}
        assert found == pytest.approx(expected, abs=1e-12)


Rows = list[tuple[int, int, int, int]]
NOTES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20), st.integers(0, 6), st.integers(0, 127)),
    min_size=1,
    max_size=25,
)


@given(NOTES, NOTES, st.sampled_from((0.05, 0.01, 0.00001)))
@settings(deadline=None)
def test_equal_to_mir_eval(reference: Rows, estimate: Rows, grid_s: float) -> None:
    """On grids where distances fall on the tolerances and notes rival one another."""
    tables = []
    for rows in (reference, estimate):
        onsets, lengths, quarter_tones, velocities = np.array(rows, dtype=np.float64).T
        intervals = np.stack([onsets, onsets + lengths], axis=1) * grid_s
        tables.append(NoteTable(intervals, midi_to_hz(60 + quarter_tones / 2), (), velocities))
    scores = note_scores(tables[0], tables[1])
    timed = [column for table in tables for column in (table.intervals, table.pitches_hz)]
    loud = [column for t in tables for column in (t.intervals, t.pitches_hz, t.velocities)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mir_eval.transcription.evaluate(*timed)
        with_velocity = mir_eval.transcription_velocity.evaluate(*loud)
    expected |= {f"{name}_velocity": value for name, value in with_velocity.items()}
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-12)
