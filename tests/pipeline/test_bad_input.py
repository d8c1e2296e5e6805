"""What a user can get wrong or run out of: one sentence, the right exit code, nothing half-written."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from pipeline.cli import DONE, FAILED, WRONG_USAGE, main

ROOT = Path(__file__).resolve().parents[2]
RATE = 22050
Heard = pytest.CaptureFixture[str]


def run(*arguments: str | Path) -> int:
    try:
        return main([*map(str, arguments)])
    except SystemExit as stopped:
        return int(stopped.code or 0)


def noise(path: Path, seconds: float = 1.0) -> Path:
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE))
    soundfile.write(path, samples, RATE, format="WAV")
    return path


def sentences(said: str) -> list[str]:
    """What the program says of failures."""
    assert "Traceback" not in said
    return [line for line in said.splitlines() if line.startswith("fullscore")]


def header_alone(folder: Path) -> Path:
    return noise(folder / "header.wav", 0.0)


def noise_of_bytes(folder: Path) -> Path:
    (folder / "bytes.mp3").write_bytes(np.random.default_rng(1).bytes(50_000))
    return folder / "bytes.mp3"


def film_without_sound(folder: Path) -> Path:
    path = folder / "film.mp4"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        film.mux(stream.encode())
    return path


@pytest.mark.parametrize("make", [header_alone, noise_of_bytes, film_without_sound])
def test_what_holds_no_sound_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: Heard, make: Callable[[Path], Path]
) -> None:
    bad = make(tmp_path)
    assert run("transcribe", bad, "-o", tmp_path / "out", "--separator", "none", "--lyrics", "none") == FAILED
    said = capsys.readouterr().err
    (sentence,) = sentences(said)
    assert str(bad) in sentence
    assert "done," not in said  # no summary of one song
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "holds no lyrics"), (b" \n\n[Chorus]\n", "holds no lyrics"), (bytes(range(256)), "is not text")],
)
def test_lyrics_that_cannot_be_used_are_told_before_the_work(
    tmp_path: Path, capsys: Heard, content: bytes, told: str
) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    songs = [noise(tmp_path / "a.wav"), noise(tmp_path / "b.wav")]
    out = tmp_path / "out"
    assert run("transcribe", *songs, "-o", out, "--lyrics", tmp_path / "words.txt") == FAILED
    (sentence,) = sentences(capsys.readouterr().err)
    assert told in sentence
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe", "x.wav", "-o", "out", "--set", "basic-pitch.onset_threshold=nan"],
        ["transcribe", "x.wav", "-o", "out", "--set", "basic-pitch.onset_threshold=7"],
        ["ui", "--port", "99999"],
        ["ui", "--port", "-1"],
        ["ui", "--port", "http"],
        ["models", "fetch"],
        ["evaluate", "magic", "a", "b"],
    ],
)
def test_wrong_usage_has_code_2(capsys: Heard, arguments: list[str]) -> None:
    assert run(*arguments) == WRONG_USAGE
    assert len(sentences(capsys.readouterr().err)) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.mid", b"la la la"),
        ("empty.mid", b""),
        ("cut.mid", b"MThd\0\0\0\6\0\1\0\2\1\xe0MTrk\0\0\x10\0\0\x90"),
        ("no notes.mid", b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0"),
    ],
)
def test_what_is_no_performance_becomes_no_score(
    tmp_path: Path, capsys: Heard, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    assert run("notate", tmp_path / name, "-o", tmp_path / "score.musicxml") == FAILED
    (sentence,) = sentences(capsys.readouterr().err)
    assert name in sentence
    assert "()" not in sentence
    assert not (tmp_path / "score.musicxml").exists()


def test_a_score_is_not_written_under_the_name_of_something_else(tmp_path: Path, capsys: Heard) -> None:
    assert run("notate", tmp_path / "x.mid", "-o", tmp_path / "score.docx") == FAILED
    assert "call it .musicxml" in capsys.readouterr().err


@pytest.mark.parametrize("limit", [1_000, 30_000])
def test_a_disk_that_fills_up_is_told_and_leaves_no_half_file(tmp_path: Path, limit: int) -> None:
    """A limit on the size of files stands for the disk's end: at 1 kB no stem fits, at 30 kB no page."""
    song = noise(tmp_path / "song.wav", 0.2)
    given = ["transcribe", song, "-o", tmp_path / "out", "--separator", "none", "--lyrics", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *map(str, given)],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == FAILED
    assert len(sentences(done.stderr)) == 1
    assert list(tmp_path.rglob(".partial-*")) == []
    assert not (tmp_path / "out" / "song" / "score.pdf").exists()
    assert run(*given) == DONE  # with room again, it goes on


def test_the_stems_of_another_separator_do_not_stay(tmp_path: Path) -> None:
    song = noise(tmp_path / "song.wav")
    stems = tmp_path / "out" / "song" / "stems"
    for separator, names in (("none", {"mix"}), ("spectral", {"bass", "drums", "other", "vocals"})):
        assert (
            run("transcribe", song, "-o", tmp_path / "out", "--separator", separator, "--lyrics", "none")
            == DONE
        )
        assert {path.stem for path in stems.iterdir()} == names
