from __future__ import annotations

import os
from pathlib import Path

from pipeline.songs import collect_songs, folder_names


def test_files_stand_for_themselves_and_folders_for_their_audio(tmp_path: Path) -> None:
    album = tmp_path / "album" / "cd 1"
    album.mkdir(parents=True)
    for name in ("b.MP3", "a.flac", "cover.jpg", ".hidden.mp3"):
        (album / name).write_bytes(b"x")
    odd = tmp_path / "take-1.xyz"
    odd.write_bytes(b"x")
    songs, failures = collect_songs([odd, tmp_path / "album", album / "a.flac"])
    assert songs == (odd, album / "a.flac", album / "b.MP3")
    assert failures == {}


def test_a_missing_file_and_a_folder_without_audio_are_told(tmp_path: Path) -> None:
    songs, failures = collect_songs([tmp_path / "none.mp3", tmp_path])
    assert songs == ()
    assert "no such file" in failures[str(tmp_path / "none.mp3")]
    assert "no audio file" in failures[str(tmp_path)]


def test_every_song_gets_a_folder_of_its_own() -> None:
    songs = [Path("x/a.mp3"), Path("x/a.flac"), Path("y/a.mp3"), Path("y/-b 🎵 'q'.ogg")]
    assert folder_names(songs) == ("a.mp3", "a.flac", "a.mp3 (2)", "-b 🎵 'q'")
    assert folder_names([Path("A.mp3"), Path("a.ogg"), Path("a.OGG")]) == ("A.mp3", "a.ogg", "a.OGG (2)")


def test_no_song_gets_the_folder_around_its_own() -> None:
    assert folder_names([Path("..wav"), Path("...mp3")]) == ("..wav", "...mp3")


def test_a_name_in_another_encoding_gets_a_folder_that_can_be_written_about() -> None:
    (name,) = folder_names([Path(os.fsdecode(b"caf\xe9.mp3"))])
    assert name == "caf\ufffd"


def test_the_stems_of_earlier_runs_are_no_songs(tmp_path: Path) -> None:
    for folder in ("out/song/.stages", "out/song/stems", "stems"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("out/song/stems/bass.flac", "stems/bass.flac", "song.mp3"):
        (tmp_path / file).write_bytes(b"x")
    assert collect_songs([tmp_path])[0] == (tmp_path / "song.mp3", tmp_path / "stems/bass.flac")
    asked_for = tmp_path / "out/song/stems/bass.flac"
    assert collect_songs([asked_for])[0] == (asked_for,)
