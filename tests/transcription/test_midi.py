from __future__ import annotations

from pathlib import Path

import pretty_midi
import pytest

from fullscore.errors import FullscoreError
from transcription.midi import SHORTEST, read_midi, stem_of


def test_tracks_become_stems_and_no_note_is_lost(tmp_path: Path) -> None:
    midi = pretty_midi.PrettyMIDI()
    piano = pretty_midi.Instrument(0)
    piano.notes = [pretty_midi.Note(90, 60, 0.5, 1.0), pretty_midi.Note(80, 64, 0.5, 0.503)]
    drums = pretty_midi.Instrument(0, is_drum=True)
    drums.notes = [pretty_midi.Note(100, 36, 0.25, 0.3)]
    midi.instruments = [piano, drums]
    midi.write(str(tmp_path / "take.mid"))

    kick, low, high = read_midi(tmp_path / "take.mid")
    assert (kick.stem, kick.pitch, kick.onset) == ("drums", 36, pytest.approx(0.25, abs=2e-3))
    assert (low.stem, low.pitch, low.velocity) == ("piano", 60, 90)
    assert high.pitch == 64
    assert high.duration >= SHORTEST * 0.99


@pytest.mark.parametrize(
    ("track", "stem"),
    [
        (("Lead Vocals", 0, False), "vocals"),
        (("", 33, False), "bass"),
        (("", 25, False), "guitar"),
        (("Kit", 0, True), "drums"),
        (("Strings", 48, False), "other"),
    ],
)
def test_what_a_track_stands_for(track: tuple[str, int, bool], stem: str) -> None:
    assert stem_of(*track) == stem


def test_what_is_not_a_performance_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.mid").write_text("not music")
    pretty_midi.PrettyMIDI().write(str(tmp_path / "empty.mid"))
    for name, told in (
        ("none.mid", "no MIDI file"),
        ("text.mid", "can't|can be read"),
        ("empty.mid", "no notes"),
    ):
        with pytest.raises(FullscoreError, match=told):
            read_midi(tmp_path / name)
