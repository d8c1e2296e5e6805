import warnings

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.frames import FRAME, frame_counts
from evaluation.notefiles import NoteTable, midi_to_hz

Rows = list[tuple[int, int, float]]

_OF_MIR_EVAL = {
    "Precision": "Precision",
    "Recall": "Recall",
    "Accuracy": "Accuracy",
    "Substitution_Error": "Substitution Error",
    "Miss_Error": "Miss Error",
    "False_Alarm_Error": "False Alarm Error",
    "Total_Error": "Total Error",
}


def table(rows: Rows) -> NoteTable:
    """Notes with onset and length in half frames, and MIDI number."""
    spans = np.array([(start / 2, (start + length) / 2) for start, length, _ in rows]).reshape(-1, 2)
    return NoteTable(FRAME * spans, midi_to_hz(np.array([pitch for _, _, pitch in rows])))


def rows_of(pitches: st.SearchStrategy[float]) -> st.SearchStrategy[Rows]:
    return st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30), pitches), max_size=12)


SEMITONES = rows_of(st.sampled_from((47.0, 59.0, 60.0, 60.1, 61.0, 71.0, 72.0)))
BETWEEN = rows_of(st.sampled_from((47.7, 59.8, 60.0, 60.3, 60.6, 71.7, 72.1, 72.4)))


def by_mir_eval(reference: NoteTable, estimate: NoteTable) -> dict[str, float]:
    frames = range(round(max(side.intervals.max(initial=0) for side in (reference, estimate)) / FRAME) + 2)
    sides = []
    for side in (reference, estimate):
        spans = side.intervals / FRAME
        sounding = [(spans[:, 0] <= n + 1e-6) & (n + 1e-6 < spans[:, 1]) for n in frames]
        sides.append([np.unique(side.pitches_hz[now]) for now in sounding])
    times = np.array(frames) * FRAME
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores: dict[str, float] = mir_eval.multipitch.evaluate(times, sides[0], times, sides[1])
    return scores


@pytest.mark.parametrize("pitches", [SEMITONES, BETWEEN], ids=["semitones", "between"])
def test_equal_to_mir_eval(pitches: st.SearchStrategy[Rows]) -> None:
    @given(pitches, pitches)
    def check(reference: Rows, estimate: Rows) -> None:
        true, found = table(reference), table(estimate)
        expected = by_mir_eval(true, found)
        for counts, prefix in zip(frame_counts(true, found), ("", "Chroma "), strict=True):
            scores = counts.scores("")
            for name, theirs in _OF_MIR_EVAL.items():
                assert (scores[name] or 0.0) == pytest.approx(expected[prefix + theirs], abs=1e-12)

    check()


def test_a_worked_example() -> None:
    """10 frames of C and E against 20 of C and, from the sixth on, an E too low; then 5 of G alone."""
    reference = table([(0, 20, 60), (0, 20, 64)])
    estimate = table([(0, 40, 60), (10, 10, 52), (40, 10, 67)])
    plain, chroma = (counts.scores() for counts in frame_counts(reference, estimate))
    assert plain["Frame_Precision"] == pytest.approx(10 / 30)
    assert plain["Frame_Recall"] == pytest.approx(10 / 20)
    assert plain["Frame_F-measure"] == pytest.approx(20 / 50)
    assert plain["Frame_Accuracy"] == pytest.approx(10 / 40)
    assert plain["Frame_Substitution_Error"] == pytest.approx(5 / 20)
    assert plain["Frame_Miss_Error"] == pytest.approx(5 / 20)
    assert plain["Frame_False_Alarm_Error"] == pytest.approx(15 / 20)
    assert plain["Frame_Total_Error"] == pytest.approx(25 / 20)
    assert chroma["Frame_Recall"] == pytest.approx(15 / 20)


def test_nothing_sounds() -> None:
    some, none = table([(0, 20, 60)]), table([])
    scores = frame_counts(some, none)[0].scores()
    assert (scores["Frame_Precision"], scores["Frame_Recall"], scores["Frame_Miss_Error"]) == (None, 0, 1)
    assert set(frame_counts(none, none)[0].scores().values()) == {None}
    assert frame_counts(none, some)[0].scores()["Frame_Total_Error"] is None
