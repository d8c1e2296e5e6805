"""The front door: what ``import fullscore`` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fullscore
from fullscore import _WHERE
from fullscore.errors import FullscoreError

ROOT = Path(__file__).resolve().parents[2]
RATE = 22050


def tune() -> fullscore.Audio:
    """C, E and G, half a second each, with partials."""
    time = np.arange(RATE // 2) / RATE
    fade = np.minimum(1.0, 40 * np.minimum(time, time[::-1]))
    notes = [
        sum(np.sin(2 * np.pi * hz * k * time) / k for k in (1, 2, 3, 4)) * fade
        for hz in (261.63, 329.63, 392.0)
    ]
    return fullscore.Audio(0.2 * np.concatenate(notes)[None].astype(np.float32), RATE)


@pytest.mark.parametrize("name", sorted(_WHERE))
def test_every_name_is_there(name: str) -> None:
    assert getattr(fullscore, name).__name__ == _WHERE[name][1]


def test_all_names_are_listed_once() -> None:
    assert sorted(fullscore.__all__) == sorted({*_WHERE, "FullscoreError"}) == dir(fullscore)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = fullscore.nothing_such


def test_importing_it_loads_nothing_else() -> None:
    code = "import sys, fullscore\n"
    code += "print([name for name in ('numpy', 'pipeline', 'separation', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_folder_called_like_ours_is_told(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("")
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import fullscore; fullscore.Settings"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith(
        f"{tmp_path / 'pipeline'} hides Fullscore's own package 'pipeline'; "
        "rename it, or start Python elsewhere, or with -P"
    )


def test_notes_go_up_the_ladder_to_a_score(tmp_path: Path) -> None:
    engine = fullscore.engine("basic-pitch", minimum_ms=100.0)
    assert engine.settings.minimum_ms == 100.0
    frames = engine.listen(tune())
    assert frames.note.shape == (len(frames.times), 88)
    notes = engine.notes(frames)
    assert [note.pitch for note in notes] == [60, 64, 67]
    assert engine(tune()) == notes

    fullscore.write_audio(tune(), tmp_path / "tune.flac")
    heard = fullscore.hear_file(engine, tmp_path / "tune.flac", stem="flute")
    assert [(note.pitch, note.stem) for note in heard] == [(60, "flute"), (64, "flute"), (67, "flute")]
    fullscore.write_notes(heard, tmp_path / "tune.csv")
    fullscore.write_notes(heard, tmp_path / "tune.json")
    measures = fullscore.evaluate("notes", tmp_path / "tune.csv", tmp_path / "tune.json")
    assert measures["F-measure"] == 1.0

    grid = fullscore.track_file(fullscore.engine("joint"), tmp_path / "tune.flac", heard)
    fullscore.write_beats(grid, tmp_path / "beats.csv")
    score = fullscore.notate_notes(heard, grid)
    assert len(fullscore.music21_stream(score).flatten().notes) >= 3
    fullscore.write_score(score, tmp_path / "tune.musicxml")
    assert (tmp_path / "tune.musicxml").is_file()


@pytest.mark.parametrize("name", ["singing", "drums"])
def test_frames_and_notes_are_the_whole(name: str) -> None:
    engine = fullscore.engine(name)
    assert engine.notes(engine.listen(tune())) == engine(tune())


def test_stems_go_into_files(tmp_path: Path) -> None:
    fullscore.write_audio(tune(), tmp_path / "tune.flac")
    engine = fullscore.engine("none")
    assert list(engine(tune())) == ["mix"]
    files = fullscore.separate_to_files(engine, tmp_path / "tune.flac", tmp_path / "stems")
    assert files["mix"].is_file()


def test_librosa_finds_beats_where_a_click_is(tmp_path: Path) -> None:
    sound = np.zeros(8 * RATE, np.float32)
    for beat in range(16):
        sound[int(beat * RATE / 2) :][:400] = np.hanning(400)
    grid = fullscore.engine("librosa")((), fullscore.Audio(sound[None], RATE))
    assert grid.tempo == pytest.approx(120, rel=0.03)
    with pytest.raises(FullscoreError, match="choose the engine joint"):
        fullscore.engine("librosa")(())


def test_what_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(FullscoreError, match="there is no engine 'basic-pich'; choose one of"):
        fullscore.engine("basic-pich")
    with pytest.raises(FullscoreError, match="has no option 'minimum'"):
        fullscore.engine("basic-pitch", minimum=3)
    with pytest.raises(FullscoreError, match=r"\.json or \.csv"):
        fullscore.write_notes((), tmp_path / "notes.txt")


def test_a_run_offers_its_score_notes_and_pages(tmp_path: Path) -> None:
    fullscore.write_audio(tune(), tmp_path / "tune.flac")
    settings = fullscore.Settings(
        separator="none", notes="basic-pitch", lyrics="none", key="C major", chords="off"
    )
    made = fullscore.transcribe(tmp_path / "tune.flac", tmp_path / "out", settings)
    assert [note.pitch.midi for note in made.score.flatten().notes][:1] == [60]
    assert list(made.notes["pitch"]) == [60, 64, 67]
    assert list(made.notes.columns) == ["stem", "onset", "offset", "pitch", "velocity", "confidence"]
    assert made._repr_html_().count("<svg") >= 1
    with pytest.raises(FullscoreError, match="no notebook"):
        made.show()
    corrected = fullscore.correct(
        made.folder, str(tmp_path / "tune.flac"), fullscore.Corrections(key="G major")
    )
    assert corrected.report["key"] == "G major"
