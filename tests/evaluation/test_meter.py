import json
from pathlib import Path

import pytest

from evaluation.meter import THROUGHOUT, TIME_SIGNATURE, evaluate_meter, read_meter
from fullscore.errors import FullscoreError
from fullscore.files import EXAMPLE

TUNE = EXAMPLE / "auld-lang-syne.musicxml"


def score(path: Path, *meters: str) -> Path:
    """A score of one bar in each of ``meters``."""
    bars = "".join(
        f"<measure><attributes><divisions>2</divisions><time><beats>{meter.split('/')[0]}</beats>"
        f"<beat-type>{meter.split('/')[1]}</beat-type></time></attributes><note><rest/>"
        f"<duration>{8 * eval(meter):.0f}</duration></note></measure>"
        for meter in meters
    )
    path.write_text(f'<score-partwise><part id="P1">{bars}</part></score-partwise>', encoding="utf-8")
    return path


def test_the_first_and_all_by_hand(tmp_path: Path) -> None:
    """4/4 + 3/4 + 3/4 against 4/4 + 2/4 + 4/4: 4 of 10 quarters."""
    reference = score(tmp_path / "r.musicxml", "4/4", "3/4", "3/4")
    estimate = score(tmp_path / "e.musicxml", "4/4", "2/4", "4/4")
    assert evaluate_meter(reference, estimate) == {TIME_SIGNATURE: 1.0, THROUGHOUT: 0.4}
    assert evaluate_meter(reference, reference) == {TIME_SIGNATURE: 1.0, THROUGHOUT: 1.0}


@pytest.mark.parametrize(("written", "same"), [("4/4", 1.0), ("2/2", 0.0), ("3/4", 0.0)])
def test_a_run_against_a_score(tmp_path: Path, written: str, same: float) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"time_signature": written}), encoding="utf-8")
    assert evaluate_meter(TUNE, tmp_path) == {TIME_SIGNATURE: same}


def test_sums_and_words(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(" 6/8 \r\n")
    assert read_meter(tmp_path / "a.txt") == "6/8"
    assert read_meter(score(tmp_path / "a.musicxml", "3+2/8")) == "5/8"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.musicxml", "<score-partwise/>", "no time signature"),
        ("report.json", "{}", "names no time_signature"),
        ("report.json", '{"time_signature": 4}', "no time signature"),
        ("a.txt", "waltz", "no time signature"),
        ("a.txt", "", "no time signature"),
    ],
)
def test_what_has_no_meter_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(FullscoreError, match=reason):
        evaluate_meter(TUNE, tmp_path / name)


@pytest.mark.data
def test_meters_of_the_data(data: Path) -> None:
    """The MIDI files of ASAP's scores have repeats played out, and sign incomplete bars by their length."""
    for path in sorted((data / "CPJKU_asap-dataset").rglob("xml_score.musicxml")):
        if path.parent.name != "1_no_first_repeat":  # taken for a performance
            scores = evaluate_meter(path, path.with_name("midi_score.mid"))
            assert scores[TIME_SIGNATURE] == 1.0, path
            assert (scores[THROUGHOUT] or 0) > 0.95, path
