"""Songs with ground truth are found in the plain layout and in those in which they are published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from evaluation.kinds import KINDS
from fullscore.errors import FullscoreError
from fullscore.files import EXAMPLE
from pipeline.benchmark.datasets import FINDERS, PLAIN, find_songs, plain_references

EXPECTED = {  # what the evaluation data holds: how many songs of a layout, and the kinds of each
    "ASAP": (13, {"beats", "key", "meter", "score"}),
    "Jamendo": (1, {"lyrics", "lyrics-timing"}),
    "MAPS": (2, {"notes"}),
    "MDB": (1, {"beats", "melody", "stems"}),
    "MUSDB": (1, {"stems"}),
    "POP909": (2, {"beats", "chords", "key"}),
    "UltraStar": (2, {"lyrics", "lyrics-timing", "notes"}),
    "vocadito": (1, {"lyrics", "melody", "notes"}),
}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_plain_songs_have_what_lies_beside_them(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *("one.wav", "one.notes.csv", "one.txt", "one.words.csv", "one.stems/vocals.flac", "one.musicxml"),
        *("below/two.mid", "below/two.beats.csv", "below/two.key.txt", "below/two.mxl"),
        *("three.flac", "four.notes.csv", "five.mp3", "five.mid", "five.lrc"),
    )
    songs = {song.name: song for song in find_songs(tmp_path)}
    assert {name: set(song.references) for name, song in songs.items()} == {
        "one": {"notes", "lyrics", "lyrics-timing", "stems", "score", "key", "meter"},
        "below/two": {"beats", "key", "meter", "score"},
        "five": {"lyrics-timing"},
    }
    assert songs["below/two"].is_performance
    assert songs["five"].source.name == "five.mp3"
    assert songs["below/two"].references["key"] == tmp_path / "below/two.key.txt"


def test_what_a_run_made_is_no_song(tmp_path: Path) -> None:
    touch(tmp_path, "song.wav", "song.txt", "out/song/.stages/score.json", "out/song/stems/vocals.flac")
    touch(tmp_path, "out/song/score.mid", "out/song/score.musicxml", "out/song/stems/vocals.txt")
    assert [song.name for song in find_songs(tmp_path)] == ["song"]


def test_the_example_is_in_the_plain_layout() -> None:
    (song,) = find_songs(EXAMPLE)
    assert song.name == "auld-lang-syne"
    assert set(song.references) == {"notes", "beats", "lyrics", "score", "key", "meter"}
    assert plain_references(EXAMPLE / "auld-lang-syne") == song.references


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_a_folder_without_songs_is_said_in_a_sentence(tmp_path: Path, folder: str) -> None:
    touch(tmp_path, "empty/lonely.wav")
    with pytest.raises(FullscoreError, match="ground truth"):
        find_songs(tmp_path / folder)


def test_karaoke_becomes_notes_words_and_their_times(tmp_path: Path) -> None:
    rows = (
        *(
            "#TITLE:A: song",
            "#ARTIST:Nobody",
            "#LANGUAGE:English",
            "#MP3:song.mp3",
            "#BPM:150,0",
            "#GAP:1000",
        ),
        *(": 0 4 0 Twin", ": 4 4 7 kle", ": 8 4 7  lit", ": 12 2 9 tle", "- 20"),
        *("* 20 5 -12 star", ": 25 5 5 ~", "F 40 4 0  oh", "E"),
    )
    (tmp_path / "song.txt").write_bytes("\r\n".join(rows).encode("cp1252"))
    touch(tmp_path, "song.mp3")
    (song,) = find_songs(tmp_path)
    assert song.name == "UltraStar/Nobody - A: song"
    assert song.any_octave
    unit_s = 15 / 150
    notes = song.reference("notes", tmp_path / "made").read_text().splitlines()[1:]
    assert [row.split(",") for row in notes] == [
        [f"{1 + unit_s * start:.4f}", f"{1 + unit_s * (start + length):.4f}", str(pitch), "vocals"]
        for start, length, pitch in (
            (0, 4, 60),
            (4, 4, 67),
            (8, 4, 67),
            (12, 2, 69),
            (20, 5, 48),
            (25, 5, 65),
        )
    ]
    assert song.reference("lyrics", tmp_path / "made").read_text() == "Twinkle little\nstar oh\n"
    assert song.reference("lyrics-timing", tmp_path / "made").read_text() == (
        "[00:01.000]<00:01.000>Twinkle <00:01.800>little\n[00:03.000]<00:03.000>star <00:05.000>oh\n"
    )


def test_every_kind_of_the_plain_layout_can_be_compared() -> None:
    assert set(PLAIN) == set(KINDS)


@pytest.mark.data
def test_every_layout_finds_its_songs_in_the_data(data: Path, tmp_path: Path) -> None:
    songs = find_songs(data)
    assert len({song.name for song in songs}) == len(songs)
    found: dict[str, list[Mapping[str, object]]] = {}
    for song in songs:
        assert song.source.is_file()
        for kind in song.references:
            assert KINDS[kind]
            assert song.reference(kind, tmp_path / song.name).exists()
        found.setdefault(song.name.partition("/")[0], []).append(song.references)
    for layout, (count, kinds) in EXPECTED.items():
        assert len(found[layout]) == count
        assert all(set(references) == kinds for references in found[layout])
    assert len(found) == len(FINDERS) - 1, "all but the plain one"


@pytest.mark.data
def test_the_karaoke_of_the_data_gives_its_derived_words(data: Path, tmp_path: Path) -> None:
    karaoke = data / "UltraStar-Deluxe_songs"
    for song in find_songs(karaoke):
        name = song.name.removeprefix("UltraStar/")
        derived = karaoke / "derived" / f"{name}.lyrics.txt"
        assert song.reference("lyrics", tmp_path / name).read_text() == derived.read_text()


@pytest.mark.data
def test_the_beats_of_a_match_file_are_those_of_its_performance(data: Path, tmp_path: Path) -> None:
    (song,) = (song for song in find_songs(data) if song.name == "matchmaker/mozart_k265_var1")
    rows = song.reference("beats", tmp_path).read_text().splitlines()
    assert [row.split(",")[1] for row in rows] == ["1", "2"] * (len(rows) // 2) + ["1"] * (len(rows) % 2)
    assert float(rows[0].split(",")[0]) == pytest.approx((692 + 683) / 2 / 960, abs=1e-4)
