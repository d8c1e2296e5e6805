"""Beats, downbeats, meter and tempo of performances whose beats are known because we made them."""

from collections.abc import Sequence
from pathlib import Path

import mir_eval
import numpy as np
import pytest

from separation.audio import Audio
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.beats.joint import BeatHints, track_beats
from transcription.notes import Note

RATE = 22050


def beats_at(bpm: float, count: int, start: float = 0.5) -> np.ndarray:
    return start + 60.0 / bpm * np.arange(count)


def oompah(beats: np.ndarray, size: int) -> list[Note]:
    """A bass note on each downbeat, chords on the other beats, a tune of beats and halves above them;
    the harmony changes with the bar."""
    notes = []
    tune = np.interp(np.arange(2 * len(beats) - 1) / 2, np.arange(len(beats)), beats)
    for n, onset in enumerate(tune):
        if n % 2 == 0 or (n // 2) % 3 == 1:
            notes.append(Note(float(onset), float(onset) + 0.2, 76 + (5 * n) % 7, 75))
    for n, beat in enumerate(beats):
        root = (0, 5, 7, 0)[(n // size) % 4]
        length = 0.9 * float(beats[1] - beats[0])
        pitches = (40 + root,) if n % size == 0 else (60 + root, 64 + root, 67 + root)
        velocity = 95 if n % size == 0 else 70
        notes += [Note(float(beat), float(beat) + length, pitch, velocity) for pitch in pitches]
    return notes


def clicks(times: np.ndarray, accented: np.ndarray) -> Audio:
    """Short decaying tones; the accented ones louder and with a low drum."""
    samples = np.zeros(int((times[-1] + 1.0) * RATE), np.float32)
    t = np.arange(int(0.08 * RATE)) / RATE
    for time, strong in zip(times, accented, strict=True):
        click = np.sin(2 * np.pi * 1500 * t) * np.exp(-t * 60) * (0.6 if strong else 0.3)
        if strong:
            click = click + 0.6 * np.sin(2 * np.pi * 70 * t) * np.exp(-t * 30)
        at = int(time * RATE)
        samples[at : at + len(t)] += click.astype(np.float32)
    return Audio(samples[None], RATE)


def f_measure(truth: Sequence[float] | np.ndarray, found: Sequence[float] | np.ndarray) -> float:
    inside = np.asarray([t for t in found if truth[0] - 0.1 <= t <= truth[-1] + 0.1])
    return float(mir_eval.beat.f_measure(np.asarray(truth), inside))


def f_at_some_level(truth: np.ndarray, found: Sequence[float] | np.ndarray) -> float:
    """The F-measure against the beats or every second of them: which is counted may be a matter of taste."""
    return max(f_measure(some, found) for some in (truth, truth[::2], truth[1::2]))


def covers(grid: BeatGrid, start: float, end: float) -> bool:
    return grid.times[0] <= start + 1e-9 and grid.times[-1] >= end


def test_a_click_track_in_three_is_found_exactly() -> None:
    beats = beats_at(97, 60)
    grid = track_beats([], clicks(beats, np.arange(60) % 3 == 0))
    assert str(grid.time_signature) == "3/4"
    assert grid.tempo == pytest.approx(97, rel=0.01)
    assert f_measure(beats, grid.times) == 1.0
    assert f_measure(beats[::3], grid.downbeats) == 1.0
    nearest = [min(abs(t - b) for t in grid.times) for b in beats]
    assert max(nearest) < 0.02


@pytest.mark.parametrize(("size", "meter"), [(2, ("2/4", "4/4")), (3, ("3/4",))])
def test_notes_are_counted_from_the_bass(size: int, meter: tuple[str, ...]) -> None:
    beats = beats_at(110, 48)
    grid = track_beats(oompah(beats, size))
    assert str(grid.time_signature) in meter
    assert f_at_some_level(beats, grid.times) > 0.97
    assert {round((t - 0.5) / (60 / 110)) % size for t in grid.downbeats} == {0}
    assert max(min(abs(t - b) for b in beats) for t in grid.times if t < beats[-1]) < 0.002


def test_a_pick_up_is_not_the_downbeat() -> None:
    beats = beats_at(120, 49)
    notes = [Note(0.5, 0.95, 67, 70), *oompah(beats[1:], 3)]
    grid = track_beats(notes)
    assert grid.numbers[grid.times.index(min(grid.times, key=lambda t: abs(t - beats[1])))] == 1
    assert covers(grid, 0.5, beats[-1])


def test_a_gigue_is_heard_as_compound() -> None:
    rng = np.random.default_rng(0)
    beats = beats_at(80, 40)
    third = 0.75 / 3
    notes = []
    for n, beat in enumerate(beats):
        notes.append(Note(float(beat), float(beat) + 0.7, 43 + 5 * (n // 2 % 2) + 12 * (n % 2), 90))
        for k in range(3):
            pitch = 67 + int(rng.integers(0, 8))
            notes.append(
                Note(float(beat) + k * third, float(beat) + (k + 0.9) * third, pitch, 80 - 15 * (k > 0))
            )
    grid = track_beats(notes)
    assert grid.time_signature.compound
    assert f_measure(beats, grid.times) == 1.0


def test_an_accelerando_is_followed() -> None:
    periods = np.geomspace(60 / 80, 60 / 130, 60)
    beats = 0.5 + np.concatenate([[0.0], np.cumsum(periods)])
    grid = track_beats(oompah(beats, 4))
    assert f_at_some_level(beats, grid.times) > 0.97
    assert grid.tempo_curve[-4] / grid.tempo_curve[2] == pytest.approx(126 / 82, rel=0.05)


def test_a_new_tempo_in_the_middle() -> None:
    first = beats_at(100, 32)
    second = first[-1] + 60 / 100 + 60 / 125 * np.arange(32)
    beats = np.concatenate([first, second])
    assert f_at_some_level(beats, track_beats(oompah(beats, 4)).times) > 0.95


def test_silence_in_the_middle_does_not_lose_the_count() -> None:
    beats = beats_at(120, 64)
    notes = [note for note in oompah(beats, 4) if not 12.4 < note.onset < 18.4]
    grid = track_beats(notes)
    before, after = beats[:24], beats[36:]
    assert f_at_some_level(before, [t for t in grid.times if t < 12.4]) > 0.95
    assert f_at_some_level(after, [t for t in grid.times if t > 18.4]) > 0.95
    assert max(np.diff(grid.times)) < 2.0


def test_swing_is_told_from_straight_eighths_and_triplets() -> None:
    beats = beats_at(130, 48)
    step = float(beats[1] - beats[0])
    for places, swung in (((0.0, 0.64), True), ((0.0, 0.5), False), ((0.0, 1 / 3, 2 / 3), False)):
        tune = [(float(b) + part * step, n) for n, b in enumerate(beats) for part in places]
        notes = [Note(t, t + 0.15, 72 + (3 * n) % 8, 80) for t, n in tune]
        notes += [Note(float(b), float(b) + 0.3, 48 + 7 * (n % 2), 80) for n, b in enumerate(beats)]
        assert track_beats(notes, hints=BeatHints(tempo=130.0)).swing == swung


def test_swing_keeps_the_beat() -> None:
    beats = beats_at(130, 48)
    notes = oompah(beats, 4)
    notes += [Note(float(b) + 0.64 * 60 / 130, float(b) + 0.44, 72, 60) for b in beats]
    assert f_measure(beats, track_beats(notes).times) > 0.95


@pytest.mark.parametrize(("wanted", "factor"), [(60.0, 2), (120.0, 1)])
def test_a_given_tempo_chooses_the_level(wanted: float, factor: int) -> None:
    beats = beats_at(118, 64)
    grid = track_beats(oompah(beats, 4), hints=BeatHints(tempo=wanted))
    assert grid.tempo == pytest.approx(118 / factor, rel=0.03)


@pytest.mark.parametrize("signature", [TimeSignature(5, 4), TimeSignature(3, 4), TimeSignature(6, 8)])
def test_a_given_time_signature_is_kept(signature: TimeSignature) -> None:
    grid = track_beats(oompah(beats_at(118, 64), 4), hints=BeatHints(time_signature=signature))
    assert grid.time_signature == signature
    assert max(grid.numbers) == signature.beats_per_bar


@pytest.mark.parametrize(
    ("notes", "audio", "end"),
    [
        ([], None, 0.0),
        ([Note(3.0, 3.5, 60)], None, 3.5),
        ([Note(0.0, 0.1, 60), Note(0.1, 0.2, 62)], None, 0.2),
        ([Note(0.0, 20.0, 60), Note(0.01, 20.0, 64)], None, 20.0),
        ([Note(0.1, 0.2, 36, stem="drums"), Note(1.0, 1.1, 38, stem="drums")], None, 1.1),
        ([], Audio(np.zeros((2, 8000 * 5), np.float32), 8000), 5.0),
        ([], Audio(np.zeros((1, 1), np.float32), 44100), 0.0),
        ([], Audio(np.full((1, 3200), np.nan, np.float32), 16000), 0.2),
        ([Note(1.0, 2.0, 60)], Audio(np.zeros((1, 48000), np.float32), 16000), 2.0),
    ],
)
def test_there_is_always_a_grid_over_the_music(notes: list[Note], audio: Audio | None, end: float) -> None:
    grid = track_beats(notes, audio)
    assert covers(grid, min((note.onset for note in notes), default=0.0), end)


def test_notes_and_sound_agree() -> None:
    beats = beats_at(104, 48)
    sound = clicks(beats, np.arange(48) % 4 == 0)
    drummed = [
        Note(float(t), float(t) + 0.1, 36 if n % 2 == 0 else 38, stem="drums") for n, t in enumerate(beats)
    ]
    for grid in (
        track_beats([], sound),
        track_beats(oompah(beats, 4)),
        track_beats(oompah(beats, 4) + drummed, sound),
    ):
        assert f_at_some_level(beats, grid.times) > 0.97


def test_progress_ends_at_one() -> None:
    heard: list[float] = []
    track_beats(oompah(beats_at(120, 16), 4), progress=lambda fraction, message: heard.append(fraction))
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


@pytest.mark.data
def test_a_reggae_recording(data: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    folder = data / "CarlSouthall_MDBDrums" / "MDB Drums"
    samples, rate = soundfile.read(
        folder / "audio/full_mix/MusicDelta_Reggae_MIX.flac", dtype="float32", always_2d=True
    )
    truth = np.loadtxt(folder / "annotations/beats/MusicDelta_Reggae_MIX.beats")[:, 0]
    grid = track_beats([], Audio(np.ascontiguousarray(samples.T), rate))
    _, _, _, amlt = mir_eval.beat.continuity(truth, np.array([t for t in grid.times if t >= 0]))
    assert amlt > 0.8


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_played_has_a_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    onsets = np.cumsum(rng.exponential(rng.choice([0.01, 0.3, 3.0, 30.0]), int(rng.integers(2, 60))))
    notes = [
        Note(float(t), float(t) + 0.001 + float(rng.exponential(0.5)), int(rng.integers(0, 128)))
        for t in onsets
    ]
    grid = track_beats(notes)
    assert covers(grid, notes[0].onset, max(note.offset for note in notes))
    assert max(np.diff(grid.times)) < 4.0
    assert min(np.diff(grid.times)) > 0.1
