import json
import math
import shutil
from pathlib import Path

import pytest

from evaluation.notes import read_notes
from evaluation.report import compare_run, evaluate, mean_scores, summary, table
from fullscore.errors import FullscoreError
from fullscore.files import EXAMPLE
from transcription.beat_files import read_beats
from transcription.notes import Note
from transcription.notes_io import write_notes_json

TUNE = EXAMPLE / "auld-lang-syne"

_REFERENCES = (
    ("notes", ".notes.csv"),
    ("beats", ".beats.csv"),
    ("key", ".musicxml"),
    ("meter", ".musicxml"),
    ("score", ".musicxml"),
    ("lyrics", ".txt"),
)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two songs, the second with one wrong word; its estimate is the folder of a run."""
    references, estimates = tmp_path / "references", tmp_path / "estimates"
    for folder in (references, estimates, estimates / "Second song"):
        folder.mkdir()
    (references / "First.lyrics.txt").write_text("one two three", encoding="utf-8")
    (references / "Second song.txt").write_text("four", encoding="utf-8")
    (estimates / "First.txt").write_text("one two three", encoding="utf-8")
    (estimates / "Second song" / "lyrics.txt").write_text("for", encoding="utf-8")
    return references, estimates


def test_folders_are_matched_by_name_and_lyrics_pooled(folders: tuple[Path, Path]) -> None:
    measures = evaluate("lyrics", *folders)
    assert measures["corpus"]["WER"] == 1 / 4
    assert {name: scores["WER"] for name, scores in measures["songs"].items()} == {
        "First": 0.0,
        "Second song": 1.0,
    }
    rows = {row.split()[0]: row.split()[1] for row in table("lyrics", measures).splitlines() if row}
    assert (rows["WER"], rows["First"]) == ("0.250", "0.000")


def test_a_song_without_an_estimate_is_named(folders: tuple[Path, Path]) -> None:
    references, estimates = folders
    (estimates / "First.txt").unlink()
    with pytest.raises(FullscoreError, match=r"lacks 1 of the 2 songs .*\(First\)"):
        evaluate("lyrics", references, estimates)


def test_a_file_against_a_folder_is_refused(folders: tuple[Path, Path]) -> None:
    references, estimates = folders
    with pytest.raises(FullscoreError, match="two files or two folders"):
        evaluate("lyrics", references, estimates / "First.txt")
    with pytest.raises(FullscoreError, match=r"has no lyrics\.txt"):
        evaluate("lyrics", references / "Second song.txt", estimates)
    with pytest.raises(FullscoreError, match="no file or folder"):
        evaluate("lyrics", references / "absent.txt", estimates)
    with pytest.raises(FullscoreError, match="no measure of 'loudness'"):
        evaluate("loudness", references / "Second song.txt", estimates / "First.txt")


def test_names_say_what_files_are(tmp_path: Path) -> None:
    """Beside each other, a song's notes are not its words, though both are text."""
    for name in ("Song.lyrics.txt", "Song.notes.txt", "Song.key.txt"):
        (tmp_path / name).write_text("one two" if "lyrics" in name else "0 1 60\n", encoding="utf-8")
    assert list(evaluate("lyrics", tmp_path, tmp_path)["songs"]) == ["Song"]
    assert evaluate("notes", tmp_path, tmp_path)["songs"]["Song"]["F-measure"] == 1.0


@pytest.mark.parametrize(
    ("kind", "name", "content", "hint"),
    [
        ("lyrics", "song.txt", b"MThd\x00\x00\x00\x06", r"holds MIDI.*notes\|key\|meter\|score"),
        ("score", "song.musicxml", b"Should auld acquaintance", "holds text"),
        ("notes", "song.csv", b"fLaC\x00\x00\x00\x22", "holds audio.*order of the files"),
        ("beats", "song.beats", b"<?xml version='1.0'?><score-partwise/>", "holds MusicXML"),
    ],
)
def test_a_file_of_another_form_is_refused(
    tmp_path: Path, kind: str, name: str, content: bytes, hint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FullscoreError, match=hint):
        evaluate(kind, tmp_path / name, tmp_path / name)


def test_means_leave_out_what_is_undefined() -> None:
    means = mean_scores([{"P": 1.0, "R": None, "stems": {}}, {"P": 0.0, "R": None}, {"P": None, "R": None}])
    assert means == {"P": 0.5, "R": None}


def test_the_table_shows_undefined_values_counts_and_stems() -> None:
    rows = table("lyrics", {"WER": 0.125, "hits": 14, "F1_pare": None}).splitlines()
    assert [row.split()[1] for row in rows] == ["0.125", "14", "–"]
    rows = table("notes", {"F-measure": 0.5, "stems": {"bass": {"F-measure": 0.25}}}).splitlines()
    assert [row.split()[:2] for row in rows if row] == [
        ["F-measure", "0.500"],
        ["stem", "F-measure"],
        ["bass", "0.250"],
    ]


def test_a_faultless_run_of_the_example(tmp_path: Path) -> None:
    """A folder with the reference's own notes, beats, words and score, but for the missing bass."""
    table_of_notes = read_notes(TUNE.with_suffix(".notes.csv"))
    pitches = [round(69 + 12 * math.log2(hz / 440)) for hz in table_of_notes.pitches_hz]
    notes = zip(table_of_notes.intervals.tolist(), pitches, table_of_notes.stems, strict=True)
    heard = [Note(on, off, pitch, stem=stem) for (on, off), pitch, stem in notes if stem != "bass"]
    write_notes_json(heard, tmp_path / "notes.json")
    beats = read_beats(TUNE.with_suffix(".beats.csv"))
    report = {
        "key": "F major",
        "time_signature": "4/4",
        "beats": {"times": beats.times.tolist(), "numbers": beats.numbers},
    }
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    shutil.copy(TUNE.with_suffix(".txt"), tmp_path / "lyrics.txt")
    shutil.copy(TUNE.with_suffix(".musicxml"), tmp_path / "score.musicxml")

    compared = compare_run(tmp_path, {kind: TUNE.with_suffix(suffix) for kind, suffix in _REFERENCES})
    bass = table_of_notes.stems.count("bass")
    assert compared["notes"]["Precision"] == 1.0
    assert compared["notes"]["Recall"] == 1 - bass / len(pitches)
    stems = compared["notes"]["stems"]
    assert (stems["vocals"]["F-measure"], stems["drums"]["F-measure"]) == (1.0, 1.0)
    assert stems["bass"]["Recall"] == 0.0
    for kind, name in (
        ("beats", "F-measure"), ("beats", "Downbeat F-measure"), ("key", "Weighted Score"),
        ("meter", "Time signature"), ("score", "Written_F-measure_with_length"), ("lyrics", "F1_sect"),
    ):  # fmt: skip
        assert compared[kind][name] == 1.0
    assert compared["lyrics"]["WER_case"] == 0.0
    assert "notes of vocals" in summary(compared)
