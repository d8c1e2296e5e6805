import json
import subprocess
import sys
import warnings
from pathlib import Path

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.beats import DOWNBEAT, beat_scores, evaluate_beats
from fullscore.errors import FullscoreError
from transcription.beat_files import BeatTable, read_beats

TIMES = np.arange(6.0, 26.0, 0.5)
NUMBERS = tuple(index % 4 + 1 for index in range(len(TIMES)))


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def jams(namespace: str, *values: object) -> str:
    """A JAMS file of ``values`` at 0.5, 1, 1.5 … s."""
    data = [
        {"time": 0.5 * (1 + index), "duration": 0.0, "value": value, "confidence": None}
        for index, value in enumerate(values)
    ]
    return json.dumps({"annotations": [{"namespace": namespace, "data": data}]})


def test_beats_on_the_offbeat_are_no_beats_but_a_metric_level() -> None:
    scores = beat_scores(BeatTable(TIMES), BeatTable(TIMES + 0.25))
    assert scores["F-measure"] == 0.0
    assert scores["Correct Metric Level Total"] == 0.0
    assert (scores["Any Metric Level Total"] or 0) > 0.9
    assert DOWNBEAT not in scores


def test_half_the_beats() -> None:
    """Every second beat: precision 1, recall 1/2."""
    assert beat_scores(BeatTable(TIMES), BeatTable(TIMES[::2]))["F-measure"] == pytest.approx(2 / 3)


def test_bars_counted_from_the_wrong_beat() -> None:
    turned = (*NUMBERS[2:], 1, 2)
    scores = beat_scores(BeatTable(TIMES, NUMBERS), BeatTable(TIMES, turned))
    assert scores["F-measure"] == 1.0
    assert scores[DOWNBEAT] == 0.0


@given(
    st.lists(st.integers(-100, 3000), max_size=40),
    st.lists(st.integers(-100, 3000), max_size=40),
)
def test_equal_to_mir_eval(reference: list[int], estimate: list[int]) -> None:
    times = [np.sort(np.array(beats, dtype=float)) / 100 for beats in (reference, estimate)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sought = times[0][times[0] >= 5.0]
        if len(sought) > 1 and sought[0] == sought[-1]:
            return  # mir_eval has no answer
        expected = mir_eval.beat.evaluate(*times)
    scores = beat_scores(BeatTable(times[0]), BeatTable(times[1]))
    if len(sought):
        assert scores == {name: None if np.isnan(value) else value for name, value in expected.items()}
    else:
        assert scores == dict.fromkeys(expected)


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, numpy as np\n"
    code += "from transcription.beat_files import BeatTable\nfrom evaluation.beats import beat_scores\n"
    code += "table = BeatTable(np.arange(6.0, 26.0)); print(beat_scores(table, table)['F-measure'])\n"
    code += "print([name for name in ('scipy', 'matplotlib', 'librosa') if name in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "1.0\n[]\n"


def test_nothing_on_either_side() -> None:
    empty = BeatTable(np.array([]), ())
    assert set(beat_scores(empty, BeatTable(TIMES, NUMBERS)).values()) == {None}
    assert set(beat_scores(BeatTable(TIMES, NUMBERS), empty).values()) == {0.0}


@pytest.mark.parametrize(
    ("name", "text", "numbers"),
    [
        ("a.beats", "0.5 \t 1$\n1.0 \t 2$\n1.5 \t 1$\n".replace("$", ""), (1, 2, 1)),
        ("a.csv", "time,number\n0.5,1\n1.0,2\n1.5,1\n", (1, 2, 1)),
        ("a.csv", "1.5,1\n1.0,2\n0.5,1\n", (1, 2, 1)),
        ("a.txt", "0.5\n1.0\n1.5\n", None),
        ("a.txt", "0.5 1.0 1.0\n1.0 0.0 0.0\n1.5 1.0 0.0\n", (1, 2, 3)),
        ("a.txt", "0.5 0.1\r\n1.0 0.9\r\n1.5 0.7\r\n", None),
        ("a.txt", "0.5\t0.5\tdb,2/4,0\n1.0\t1.0\tb\n1.5\t1.5\tdb\n", (1, 2, 1)),
        ("a.txt", "0.5 0.0 0.0\n1.0 1.0 1.0\n1.5 0.0 0.0\n", (2, 1, 2)),
        ("a.txt", "0.5 1.0 1.0\n1.0 0.0 0.0\n1.1 0.0 0.0\n1.5 1.0 0.0\n", (1, 2, 3, 1)),
        ("a.txt", "0.5\t0.5\t1\n1.0\t1.0\t2\n1.5\t1.5\t1\n", (1, 2, 1)),
        ("a.txt", "50\t99\t384\n100\t149\t48\n150\t150\t384\n", (1, 2, 1)),
        ("a.csv", ",beats,number\n0,0.5,1\n1,1.0,2\n2,1.5,1\n", (1, 2, 1)),
        ("a.jams", jams("beat", 1, 2.0, 1), (1, 2, 1)),
        ("a.jams", jams("beat", None, None, None), None),
        ("a.jams", jams("beat_position", *({"position": n, "measure": 1} for n in (1, 2, 1))), (1, 2, 1)),
        ("report.json", json.dumps({"beats": {"times": [0.5, 1.0, 1.5], "numbers": [1, 2, 1]}}), (1, 2, 1)),
    ],
)
def test_every_form_of_beats_is_read(
    tmp_path: Path, name: str, text: str, numbers: tuple[int, ...] | None
) -> None:
    table = read_beats(written(tmp_path / name, text))
    assert [time for time in table.times.tolist() if time != 1.1] == [0.5, 1.0, 1.5]
    assert table.numbers == numbers


def test_the_folder_of_a_run_is_read(tmp_path: Path) -> None:
    beats = {"times": TIMES.tolist(), "numbers": NUMBERS}
    written(tmp_path / "report.json", json.dumps({"beats": beats}))
    reference = written(tmp_path / "r.txt", "\n".join(map(str, TIMES)))
    assert evaluate_beats(reference, tmp_path)["F-measure"] == 1.0


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.csv", "onset,offset,midi\n0,1,60\n", "notes, not beats"),
        ("a.csv", "0,1.5,60\n1.5,2.5,62\n", "notes or chords, not beats"),
        ("a.lab", "0.0 1.5 C:maj\n1.5 2.5 N\n", "notes or chords, not beats"),
        ("a.csv", "\n".join(f"{0.006 * index:.3f},220.5" for index in range(30)), "a row every 6 ms"),
        ("a.txt", "22050\n44100\n", "in seconds"),
        ("a.jams", jams("chord", "C:maj"), "has chord; it needs an annotation of beat"),
        ("report.json", '{"beats": {"times": [1, NaN]}}', "not finite"),
        ("a.txt", "Should auld acquaintance\nbe forgot\n", "lacks a number"),
        ("a.txt", "0.5\ninf\n", "not finite"),
        ("report.json", "{}", "no beats"),
        ("report.json", "[1, 2]", "no beats"),
        ("report.json", "{", "not JSON"),
        ("report.json", '{"beats": {"times": [1, 2], "numbers": [1]}}', "2 beat times but 1"),
    ],
)
def test_what_is_not_beats_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    path = written(tmp_path / name, text)
    with pytest.raises(FullscoreError, match=reason):
        read_beats(path)


@pytest.mark.data
def test_beats_of_the_data(data: Path) -> None:
    """The MIDI file of a song of POP909 follows its recording, with an intro that isn't in the annotation."""
    song = data / "music-x-lab_POP909-Dataset" / "POP909" / "001"
    scores = evaluate_beats(song / "beat_audio.txt", song / "beat_midi.txt")
    assert (scores["F-measure"] or 0) > 0.95
    assert (scores[DOWNBEAT] or 0) > 0.95
    reggae = next((data / "CarlSouthall_MDBDrums").rglob("*_MIX.beats"))
    own = evaluate_beats(reggae, reggae)
    assert own.pop("Information gain") == pytest.approx(1.0)
    assert set(own.values()) == {1.0}
