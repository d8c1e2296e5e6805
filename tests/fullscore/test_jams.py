import json
from pathlib import Path
from typing import Any

import pytest

from fullscore.errors import FullscoreError
from fullscore.jams import Observation, read_all_jams, read_jams


def written(path: Path, *annotations: Any) -> Path:
    path.write_text(json.dumps({"annotations": annotations, "file_metadata": {}}), encoding="utf-8")
    return path


def observed(time: Any, value: Any, duration: Any = 0.0, confidence: Any = None) -> dict[str, Any]:
    return {"time": time, "duration": duration, "value": value, "confidence": confidence}


def test_rows_by_time_of_the_first_annotation(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.jams",
        {"namespace": "chord", "data": [observed(0, "C:maj", 2.5)]},
        {"namespace": "beat", "data": [observed(1.5, 2, confidence=0.5), observed(1, 1, None)]},
        {"namespace": "beat", "data": [], "annotation_metadata": {"data_source": "another"}},
    )
    beats = read_jams(path, "beat_position", "beat")
    assert beats.namespace == "beat"
    assert beats.rows == (Observation(1.0, 0.0, 1, None), Observation(1.5, 0.0, 2, 0.5))
    assert [annotation.source for annotation in read_all_jams(path, "beat")] == ["", "another"]


def test_columns_of_a_dense_annotation(tmp_path: Path) -> None:
    columns = {"time": [0, 1], "duration": [0, 0], "value": [{"frequency": 440}, 7], "confidence": [None, 1]}
    path = written(tmp_path / "a.jams", {"namespace": "pitch_contour", "data": columns})
    assert read_jams(path, "pitch_contour").rows == (
        Observation(0.0, 0.0, {"frequency": 440}, None),
        Observation(1.0, 0.0, 7, 1.0),
    )


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        ([{"namespace": "chord", "data": []}, {"namespace": "key_mode", "data": []}], "has chord, key_mode"),
        ([], "has no annotations"),
        (["beat"], "not a JAMS file"),
        ([{"namespace": "beat"}], "broken annotation of beat"),
        ([{"namespace": "beat", "data": [observed("soon", 1)]}], "broken annotation"),
        ([{"namespace": "beat", "data": [observed(float("nan"), 1)]}], "a time of nan s"),
        ([{"namespace": "beat", "data": [observed(0, 1, -1)]}], "a duration of -1"),
        ([{"namespace": "beat", "data": {"time": [1], "duration": [], "value": []}}], "broken"),
        ([{"namespace": "beat", "data": [3]}], "broken annotation"),
        ([{"namespace": "beat", "data": 3}], "broken annotation"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(tmp_path: Path, annotations: list[Any], reason: str) -> None:
    with pytest.raises(FullscoreError, match=reason):
        read_jams(written(tmp_path / "a.jams", *annotations), "beat")


@pytest.mark.parametrize("text", ["[]", "{}", "no JSON", '{"annotations": 3}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jams").write_text(text, encoding="utf-8")
    with pytest.raises(FullscoreError, match=r"not (a JAMS file|JSON)"):
        read_jams(tmp_path / "a.jams", "beat")
