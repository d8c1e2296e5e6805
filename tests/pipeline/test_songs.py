from __future__ import annotations

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
