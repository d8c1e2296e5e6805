"""A score's own MIDI file through the command: what it states comes back, what is given wins."""

from __future__ import annotations

from pathlib import Path

import mido
import music21
import pytest

from pipeline.notate import notate_file
from pipeline.settings import Settings
from transcription.beatgrid import TimeSignature

TICKS = 480
PICK_UP = ([67, 72, 74, 76, 77, 79, 77], [1, 1, 1, 1, 2, 1, 2])  # a waltz tune that starts on the third beat


def track(name: str, program: int, pitches: list[int], quarters: list[int], channel: int) -> mido.MidiTrack:
    made = mido.MidiTrack()
    made.append(mido.MetaMessage("track_name", name=name))
    made.append(mido.Message("program_change", program=program, channel=channel))
    for pitch, length in zip(pitches, quarters, strict=True):
        made.append(mido.Message("note_on", note=pitch, velocity=80, channel=channel))
        made.append(mido.Message("note_off", note=pitch, channel=channel, time=length * TICKS - 1))
        made.append(mido.Message("note_on", note=pitch, velocity=0, channel=channel, time=1))
    return made


@pytest.fixture
def waltz(tmp_path: Path) -> Path:
    midi = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    head = mido.MidiTrack()
    head.append(mido.MetaMessage("track_name", name="A Waltz"))
    head.append(mido.MetaMessage("set_tempo", tempo=400_000))
    head.append(mido.MetaMessage("key_signature", key="F"))
    head.append(mido.MetaMessage("time_signature", numerator=1, denominator=4))
    head.append(mido.MetaMessage("time_signature", numerator=3, denominator=4, time=TICKS))
    pitches, lengths = PICK_UP
    midi.tracks += [
        head,
        track("Violin", 40, pitches, lengths, 0),
        track("Piano", 0, [p - 7 for p in pitches], lengths, 1),
        track("Piano", 0, [p - 24 for p in pitches], lengths, 1),
    ]
    midi.save(tmp_path / "waltz.mid")
    return tmp_path / "waltz.mid"


def read(path: Path) -> music21.stream.Score:
    score = music21.converter.parse(path, forceSource=True)
    assert isinstance(score, music21.stream.Score)
    return score


def test_a_score_comes_back_as_it_was(waltz: Path, tmp_path: Path) -> None:
    notate_file(waltz, tmp_path / "score.musicxml")
    score = read(tmp_path / "score.musicxml")
    assert score.metadata.title == "A Waltz"
    assert [part.partName for part in score.parts] == ["Violin", "Piano", "Piano"]
    violin = score.parts[0]
    bars = list(violin.getElementsByClass(music21.stream.Measure))
    assert [bar.duration.quarterLength for bar in bars[:2]] == [1, 3]
    assert bars[0].timeSignature.ratioString == "3/4"
    assert bars[0].keySignature.sharps == -1
    marks = list(score.recurse().getElementsByClass(music21.tempo.MetronomeMark))
    assert marks[0].getQuarterBPM() == pytest.approx(150)
    notes = [(note.pitch.midi, note.quarterLength) for note in violin.stripTies().flatten().notes]
    assert [row for row in notes if row[0] < 128] == [
        (pitch, length) for pitch, length in zip(*PICK_UP, strict=True)
    ]


def test_what_is_given_wins_over_what_the_file_states(waltz: Path, tmp_path: Path) -> None:
    wanted = Settings(tempo=60, time_signature=TimeSignature(2, 4), key="D minor", pick_up=0)
    notate_file(waltz, tmp_path / "score.musicxml", settings=wanted)
    score = read(tmp_path / "score.musicxml")
    first = next(iter(score.parts[0].getElementsByClass(music21.stream.Measure)))
    assert (first.timeSignature.ratioString, first.duration.quarterLength) == ("2/4", 2)
    marks = list(score.recurse().getElementsByClass(music21.tempo.MetronomeMark))
    assert marks[0].getQuarterBPM() == pytest.approx(60)


def test_only_writing_is_blamed_on_the_place_of_the_score(
    waltz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_weights(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file", "hands.npz")

    monkeypatch.setattr("notation.notate.notate", without_weights)
    with pytest.raises(FileNotFoundError, match=r"hands\.npz"):
        notate_file(waltz, tmp_path / "score.musicxml")
