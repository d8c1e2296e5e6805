"""The command line as a user meets it: exit codes, sentences, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from fullscore.files import EXAMPLE
from pipeline.cli import DONE, FAILED, WRONG_USAGE, main

RATE = 22050
Heard = pytest.CaptureFixture[str]


def scale(seconds: float = 3.0, rate: int = RATE) -> np.ndarray:
    """A C major scale of plucked tones, two a second."""
    time = np.arange(int(seconds * rate)) / rate
    sound = np.zeros(len(time))
    for index, pitch in enumerate((60, 62, 64, 65, 67, 69, 71, 72)):
        since = time - 0.5 * index
        tone = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * k * since) / k for k in (1, 2, 3, 4))
        sound += np.where((since >= 0) & (since < 0.48), tone * np.exp(-3 * np.clip(since, 0, None)), 0)
    return 0.3 * sound


def fast(*arguments: str | Path) -> int:
    """A run without separation and words, the quickest that goes through every stage."""
    return main(["transcribe", *map(str, arguments), "--separator", "none", "--lyrics", "none", "--offline"])


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "scale.wav"
    soundfile.write(path, scale(), RATE)
    return path


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, pipeline.cli\ntry: pipeline.cli.main(['--help'])\nexcept SystemExit: pass\n"
    code += (
        "print([name for name in ('torch', 'librosa', 'music21', 'gradio', 'scipy') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("[]\n")
    assert "transcribe" in done.stdout


def test_notating_imports_only_what_notes_need(tmp_path: Path) -> None:
    """What sound, downloads and engraving need takes longer to import than a short performance to notate."""
    file = mido.MidiFile(tracks=[mido.MidiTrack()])
    for index in range(32):
        for kind, ticks in (("note_on", 7 * index % 40), ("note_off", 450 - 3 * index)):
            file.tracks[0].append(mido.Message(kind, note=60 + index % 12, velocity=64, time=ticks))
    file.save(tmp_path / "played.mid")
    code = (
        "import sys, pipeline.cli; pipeline.cli.main(['notate', 'played.mid', '-o', 'score.musicxml']);"
        "print({'av', 'fontTools', 'http', 'scipy', 'soundfile', 'typst', 'verovio'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["score.musicxml", "set()"]
    assert (tmp_path / "score.musicxml").is_file()


def test_a_song_leaves_every_file_of_the_contract(song: Path, tmp_path: Path, capsys: Heard) -> None:
    assert fast(song, "-o", tmp_path / "out", "--key", "C major") == DONE
    folder = tmp_path / "out" / "scale"
    assert capsys.readouterr().out.strip() == str(folder / "score.musicxml")
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {
        "score.musicxml", "score.mid", "performance.mid", "score.pdf", "score-001.svg", "lyrics.txt",
        "lyrics.lrc", "notes.json", "stems/mix.flac", "report.json",
    } == {name for name in made if not name.startswith(".stages/")}  # fmt: skip
    report = json.loads((folder / "report.json").read_text())
    assert set(report["files"]) == {name for name in made if not name.startswith(".stages/")}
    assert report["key"] == "C major"
    assert {"audio", "separation", "notes", "performance", "beats", "lyrics", "score"} == set(
        report["stages"]
    )
    pitches = [note["pitch"] for note in json.loads((folder / "notes.json").read_text())["notes"]]
    assert pitches == [60, 62, 64, 65, 67, 69]


def test_an_override_redoes_only_what_follows(song: Path, tmp_path: Path) -> None:
    def stages(*more: str) -> dict[str, bool]:
        assert fast(song, "-o", tmp_path / "out", *more) == DONE
        report = json.loads((tmp_path / "out" / "scale" / "report.json").read_text())
        return {name: stage["resumed"] for name, stage in report["stages"].items()}

    assert not any(stages().values())
    assert all(stages().values())
    assert stages("--key", "F major") == {
        "audio": True, "separation": True, "notes": True, "performance": True, "beats": True,
        "lyrics": True, "score": False,
    }  # fmt: skip
    for more in (["--pick-up", "1"], ["--simplify"], ["--chords", "off"]):
        assert [name for name, resumed in stages(*more).items() if not resumed] == ["score"]
    assert [name for name, resumed in stages("--time-signature", "3/4").items() if not resumed] == [
        "beats", "score",
    ]  # fmt: skip
    assert not any(stages("--force").values())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--separator", "magic"], "no separation engine 'magic'"),
        (["--notes", "magic"], "no note engine 'magic'"),
        (["--key", "H dur"], "H dur"),
        (["--time-signature", "4/5"], "4/5"),
        (["--tempo", "fast"], "not a tempo"),
        (["--set", "basic-pitch.nothing=1"], "no option 'nothing'"),
        (["--set", "nonsense"], "ENGINE.OPTION=VALUE"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_wrong_usage_is_told_with_code_2(
    song: Path, tmp_path: Path, capsys: Heard, arguments: list[str], told: str
) -> None:
    try:
        code = main(["transcribe", str(song), "-o", str(tmp_path / "out"), *arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    said = capsys.readouterr().err
    assert code == WRONG_USAGE
    assert told in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def no_file(folder: Path) -> Path:
    return folder / "missing.mp3"


def no_audio_in_folder(folder: Path) -> Path:
    (folder / "album").mkdir()
    return folder / "album"


def empty_file(folder: Path) -> Path:
    (folder / "empty.wav").write_bytes(b"")
    return folder / "empty.wav"


def text_as_mp3(folder: Path) -> Path:
    (folder / "text.mp3").write_text("la la la\n" * 200)
    return folder / "text.mp3"


@pytest.mark.parametrize("make", [no_file, no_audio_in_folder, empty_file, text_as_mp3])
def test_bad_songs_are_one_sentence_and_leave_nothing(
    tmp_path: Path, capsys: Heard, make: Callable[[Path], Path]
) -> None:
    bad = make(tmp_path)
    assert fast(bad, "-o", tmp_path / "out") == FAILED
    said = capsys.readouterr().err
    assert str(bad) in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_failed_song_does_not_stop_the_rest(song: Path, tmp_path: Path, capsys: Heard) -> None:
    assert fast(text_as_mp3(tmp_path), song, "-o", tmp_path / "out") == FAILED
    heard = capsys.readouterr()
    assert "1 done, 1 failed" in heard.err
    assert (tmp_path / "out" / "scale" / "score.musicxml").is_file()


def test_an_output_folder_that_cannot_be_written_is_told(song: Path, tmp_path: Path, capsys: Heard) -> None:
    (tmp_path / "taken").write_text("")
    assert fast(song, "-o", tmp_path / "taken") == FAILED
    assert "choose another with -o" in capsys.readouterr().err


def test_lyrics_that_are_not_text_are_told(song: Path, tmp_path: Path, capsys: Heard) -> None:
    arguments = ["transcribe", str(song), "-o", str(tmp_path / "out"), "--separator", "none"]
    assert main([*arguments, "--lyrics", str(song)]) == FAILED
    assert "scale.wav" in capsys.readouterr().err
    assert main([*arguments, "--lyrics", str(tmp_path / "none.txt")]) == FAILED
    assert "none.txt" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["htdemucs", "whisper"])
def test_an_engine_without_weights_says_how_to_get_them(
    song: Path, tmp_path: Path, capsys: Heard, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setenv("FULLSCORE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    chosen = ["--separator", engine] if engine == "htdemucs" else ["--separator", "none", "--lyrics", engine]
    assert main(["transcribe", str(song), "-o", str(tmp_path / "out"), "--offline", *chosen]) == FAILED
    assert f"fullscore models fetch {engine}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "samples", "rate"),
    [
        ("silence", np.zeros(RATE), RATE),
        ("blip", scale(0.2), RATE),
        ("telephone", scale(2.0, 8000), 8000),
        ("studio", scale(1.5, 96000), 96000),
        ("six channels", np.tile(scale(1.5)[:, None], (1, 6)), RATE),
        ("clipped", np.clip(20 * scale(1.5), -1, 1), RATE),
        ("-dash 'quote\" 🎵", scale(1.0), RATE),
    ],
)
def test_odd_recordings_become_sound_scores(
    tmp_path: Path, name: str, samples: np.ndarray, rate: int
) -> None:
    soundfile.write(tmp_path / f"{name}.wav", samples, rate, subtype="PCM_24")
    assert fast(tmp_path / f"{name}.wav", "-o", tmp_path / "out") == DONE
    import music21

    score = music21.converter.parse(tmp_path / "out" / name / "score.musicxml")
    assert len(score.parts) >= 1


def test_evaluate_prints_one_json_object(capsys: Heard) -> None:
    beats = str(EXAMPLE / "auld-lang-syne.beats.csv")
    assert main(["evaluate", "beats", beats, beats, "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["F-measure"] == 1.0


def test_options_of_a_kind_reach_its_measures(tmp_path: Path, capsys: Heard) -> None:
    for name, onset in (("r.csv", 1.0), ("e.csv", 1.08)):
        (tmp_path / name).write_text(f"onset,offset,midi\n{onset},2,60\n", encoding="utf-8")
    files = [str(tmp_path / "r.csv"), str(tmp_path / "e.csv"), "--json"]
    for options, found in (([], 0.0), (["--onset-tolerance", "0.1"], 1.0), (["--lag"], 1.0)):
        assert main(["evaluate", "notes", *files, *options]) == DONE
        assert json.loads(capsys.readouterr().out)["F-measure_no_offset"] == found
    with pytest.raises(SystemExit) as wrong:
        main(["evaluate", "notes", *files, "--onset-tolerance", "soon"])
    assert wrong.value.code == 2


def test_differences_are_shown_beside_the_figures(tmp_path: Path, capsys: Heard) -> None:
    for name, words in (("r.txt", "should auld acquaintance"), ("e.txt", "should old acquaintance")):
        (tmp_path / name).write_text(words, encoding="utf-8")
    files = [str(tmp_path / "r.txt"), str(tmp_path / "e.txt")]
    assert main(["evaluate", "lyrics", *files, "--json", "--show"]) == DONE
    said = capsys.readouterr()
    assert json.loads(said.out)["substitutions"] == 1
    assert "auld" in said.err
    assert "old" in said.err
    assert main(["evaluate", "lyrics", *files, "--show", str(tmp_path / "words.html")]) == DONE
    assert "auld" in (tmp_path / "words.html").read_text(encoding="utf-8")


def test_models_are_listed_with_size_and_licence(capsys: Heard) -> None:
    assert main(["models", "list"]) == DONE
    said = capsys.readouterr().out
    assert "htdemucs" in said
    assert "research use" in said
    assert main(["models", "fetch", "nothing"]) == FAILED
