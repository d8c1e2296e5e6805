import json
import warnings
from pathlib import Path

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.kinds import MelodySettings
from evaluation.melody import (
    MEANINGS,
    OVERALL,
    RAW_CHROMA,
    RAW_PITCH,
    VOICING_FALSE_ALARM,
    VOICING_RECALL,
    PitchTrack,
    evaluate_melody,
    melody_scores,
    pitch_of_notes,
    read_pitch,
)
from fullscore.errors import FullscoreError
from transcription.notes import Note
from transcription.notes_io import write_notes_json

A4 = 440.0
QUARTER_TONE, OCTAVE = 2 ** (0.5 / 12), 2.0


def track(*frequencies: float, hop: float = 0.01) -> PitchTrack:
    return PitchTrack(hop * np.arange(len(frequencies), dtype=np.float64), np.array(frequencies, dtype=float))


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_by_hand() -> None:
    """Of five sung frames two are right, one an octave off, one right but called silent, one a fifth off."""
    reference = track(A4, A4, A4, A4, A4, 0, 0, 0)
    estimate = track(A4, A4 * 1.01, OCTAVE * A4, -A4, 1.5 * A4, A4, 0, -A4)
    assert melody_scores(reference, estimate) == {
        VOICING_RECALL: 4 / 5,
        VOICING_FALSE_ALARM: 1 / 3,
        RAW_PITCH: 3 / 5,
        RAW_CHROMA: 4 / 5,
        OVERALL: (2 + 2) / 8,
    }


FREQUENCIES = st.sampled_from([0.0, 0.0, A4, A4 * 1.02, A4 * QUARTER_TONE, A4 / 2, -A4, 331.7])


@given(
    st.lists(FREQUENCIES, min_size=1, max_size=40),
    st.lists(FREQUENCIES, min_size=1, max_size=40),
    st.sampled_from([0.01, 0.0058049887, 0.023]),
    st.sampled_from([0.0, 0.002]),
)
def test_equal_to_mir_eval(reference: list[float], estimate: list[float], hop: float, start: float) -> None:
    true, found = track(*reference), track(*estimate, hop=hop)
    found = PitchTrack(found.times + start, found.frequencies)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = mir_eval.melody.evaluate(true.times, true.frequencies, found.times, found.frequencies)
    voiced = true.frequencies > 0
    if not voiced.any():
        expected |= {VOICING_RECALL: None, RAW_PITCH: None, RAW_CHROMA: None}
    if voiced.all():
        expected |= {VOICING_FALSE_ALARM: None}
    assert melody_scores(true, found) == dict(expected)


def test_nothing_on_either_side() -> None:
    nothing, some = track(), track(A4, A4, 0, 0)
    assert melody_scores(nothing, some) == dict.fromkeys(MEANINGS)
    assert melody_scores(some, nothing) == {
        VOICING_RECALL: 0.0, VOICING_FALSE_ALARM: 0.0, RAW_PITCH: 0.0, RAW_CHROMA: 0.0, OVERALL: 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "0.0,0.0\n0.01,440.0\n0.02,-220\n"),
        ("a.csv", "time,frequency,confidence\n0.0,nan,0.1\n0.01,440.0,0.9\n0.02,-220,0.2\n"),
        ("a.csv", "confidence;f0;time\n1;440;0.01\n1;-220;0.02\n1;0;0\n"),
        ("a.txt", "0.02 -220\r\n0 0\r\n0.01 440 [doubtful]\r\n"),
        ("a.jams", "pitch_contour"),
    ],
)
def test_every_form_of_pitch_tracks_is_read(tmp_path: Path, name: str, text: str) -> None:
    if text == "pitch_contour":
        values = [(0.0, False), (440.0, True), (220.0, False)]
        columns = {
            "time": [0.0, 0.01, 0.02],
            "duration": [0.0, 0.0, 0.0],
            "value": [{"index": 0, "frequency": hz, "voiced": voiced} for hz, voiced in values],
            "confidence": [None, None, None],
        }
        text = json.dumps({"annotations": [{"namespace": "pitch_contour", "data": columns}]})
    found = read_pitch(written(tmp_path / name, text))
    assert found.times.tolist() == [0.0, 0.01, 0.02]
    assert found.frequencies.tolist() == [0.0, 440.0, -220.0]


def test_frames_left_out_are_silent(tmp_path: Path) -> None:
    """The same pitch track with the unvoiced frames and without them."""
    hz = [0, 0, 0, 440, 440, 440, 0, 0, 0, 0, 330, 330, 330, 330, 330, 0]
    rows = [f"{0.01 * index:.2f},{value}" for index, value in enumerate(hz)]
    whole = written(tmp_path / "whole.csv", "\n".join(rows))
    sparse = written(tmp_path / "sparse.csv", "\n".join(row for row in rows if not row.endswith(",0")))
    for reference, estimate in ((whole, sparse), (whole, whole)):
        scores = evaluate_melody(reference, estimate, MelodySettings(silent_gaps=True))
        assert scores.pop(VOICING_FALSE_ALARM) == 0.0
        assert set(scores.values()) == {1.0}
    assert (evaluate_melody(whole, sparse)[VOICING_FALSE_ALARM] or 0) > 0.5


def test_a_pitch_that_would_be_drawn_through_gaps_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = written(tmp_path / "told.csv", "0,0\n0.01,440\n0.02,440\n0.08,440\n0.09,0\n")
    silent = written(tmp_path / "silent.csv", "0,0\n0.01,440\n0.02,0\n0.08,440\n0.09,0\n")
    evaluate_melody(silent, silent)
    assert not caplog.records
    evaluate_melody(silent, told)
    assert [str(told) in record.getMessage() for record in caplog.records] == [True]


def test_notes_become_pitch(tmp_path: Path) -> None:
    """A note that glides up a semitone, cut off by another one of another stem's length."""
    notes = [
        Note(0.1, 0.5, 69, bends=(0.0, 0.5, 1.0, 1.0), stem="vocals"),
        Note(0.4, 0.6, 57, stem="vocals"),
        Note(0.0, 2.0, 40, stem="bass"),
        Note(0.0, 0.1, 36, stem="drums"),
    ]
    found = pitch_of_notes(notes)
    midi = np.full(len(found.times), np.nan)
    midi[found.frequencies > 0] = 69 + 12 * np.log2(found.frequencies[found.frequencies > 0] / 440)
    at = dict(zip(np.round(found.times, 2).tolist(), midi.tolist(), strict=True))
    assert [at[time] for time in (0.1, 0.15, 0.2, 0.3, 0.39)] == pytest.approx([69, 69.25, 69.5, 70, 70])
    assert [at[time] for time in (0.4, 0.59)] == pytest.approx([57, 57])
    assert np.isnan([at[0.09], at[0.6]]).all()
    write_notes_json(notes, tmp_path / "notes.json")
    assert evaluate_melody(tmp_path, tmp_path)[OVERALL] == 1.0
    # A band without a voice is silent; a stem alone is the voice.
    assert not pitch_of_notes([*notes[2:], Note(0.0, 1.0, 60, stem="other")]).frequencies.any()
    assert pitch_of_notes(notes[2:]).frequencies[100] > 0
    assert not pitch_of_notes(()).frequencies.any()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.csv", "onset,offset,midi\n0,1,60\n", "notes, not a pitch track"),
        ("a.csv", "1.21,220.1,0.3\n1.80,247.2,0.2\n2.1,220.0,0.4\n", "a row every 0.45 s"),
        ("a.beats", "0.5\t1\n1.0\t2\n1.5\t3\n", "a row every 0.50 s"),
        ("a.txt", "0.5\n1.0\n1.5\n", "lacks a time or a frequency"),
        ("a.lab", "0.0 1.5 C:maj\n", "words in its rows"),
        ("a.txt", "0.197 0.0003 0.0 379.3\n0.209 0.0003 0.0 380.1\n", "4 columns without names"),
        ("a.txt", "Should auld acquaintance\nbe forgot\n", "no pitch track"),
        ("a.csv", "0.00,440\n0.01,inf\n", "not finite"),
        ("a.csv", "-0.01,440\n0.00,440\n", "before 0"),
        ("a.csv", "0.00,440\n0.01,440\n0.01,220\n0.02,440\n", "two frequencies at 0.01 s"),
        ("report.json", "{}", "not a notes.json"),
        ("a.jams", '{"annotations": [{"namespace": "beat", "data": []}]}', "has beat; it needs"),
        (
            "a.jams",
            '{"annotations": [{"namespace": "pitch_hz", "data": [{"time": 0, "duration": 0, "value": ""}]}]}',
            "no pitch track",
        ),
    ],
)  # fmt: skip
def test_what_is_no_pitch_track_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(FullscoreError, match=reason):
        read_pitch(written(tmp_path / name, text))


@pytest.mark.data
def test_melodies_of_the_data(data: Path, tmp_path: Path) -> None:
    """vocadito and MedleyDB as mir_eval's own reader has them, against themselves a quarter tone higher."""
    for path in (*data.rglob("vocadito_1_f0.csv"), *data.rglob("*_MELODY1.csv")):
        times, hz = mir_eval.io.load_time_series(str(path), delimiter=",")
        rows = [f"{time + 0.003},{value * 1.02}" for time, value in zip(times, hz, strict=True)]
        estimate = written(tmp_path / "estimate.csv", "\n".join(rows))
        expected = mir_eval.melody.evaluate(times, hz, times + 0.003, hz * 1.02)
        assert evaluate_melody(path, estimate) == dict(expected)
        assert evaluate_melody(path, path) == {**dict.fromkeys(MEANINGS, 1.0), VOICING_FALSE_ALARM: 0.0}


@pytest.mark.data
def test_a_stem_that_is_the_melody(data: Path) -> None:
    """MedleyDB leaves the silent frames of a stem out, and those of a melody in."""
    (melody,) = data.rglob("MusicDelta_Reggae_MELODY1.csv")
    (stem,) = data.rglob("Pitch/MusicDelta_Reggae_STEM_04.csv")
    found = np.array([line.split(",")[:2] for line in stem.read_text().splitlines()], dtype=float).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mir_eval.melody.evaluate(*mir_eval.io.load_time_series(str(melody), delimiter=","), *found)
    assert evaluate_melody(melody, stem) == dict(expected)
    assert (evaluate_melody(melody, stem)[OVERALL] or 0) < 0.5
    assert (evaluate_melody(melody, stem, MelodySettings(silent_gaps=True))[OVERALL] or 0) > 0.99
