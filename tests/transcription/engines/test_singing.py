"""Singing: synthesised voices whose notes are known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from separation.audio import Audio
from transcription.engines.singing import (
    SAMPLE_RATE,
    Singing,
    SingingSettings,
    follow,
    trace_back,
    voice_log_odds,
    without_doubtful,
    yin_candidates,
)
from transcription.notes import Note

Samples = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def singing() -> Singing:
    return Singing()


def voice(pitch: npt.ArrayLike, level: npt.ArrayLike = 1.0, rate: int = SAMPLE_RATE) -> Samples:
    """A buzz with two formants, following ``pitch`` (MIDI) and ``level`` sample by sample."""
    hz = 440.0 * 2.0 ** ((np.asarray(pitch, dtype=np.float64) - 69.0) / 12.0)
    phase = 2 * np.pi * np.cumsum(hz) / rate
    total = np.zeros_like(phase)
    for harmonic in range(1, 16):
        f = harmonic * hz
        formants = np.exp(-(((f - 600) / 300) ** 2)) + 0.5 * np.exp(-(((f - 1300) / 400) ** 2)) + 0.1
        total += formants * (f < rate / 2) * np.sin(harmonic * phase) / np.sqrt(harmonic)
    return np.asarray(0.15 * total * level)


def seconds(length_s: float) -> Samples:
    return np.arange(round(length_s * SAMPLE_RATE)) / SAMPLE_RATE


def envelope(length_s: float, edge_s: float = 0.02) -> Samples:
    t = seconds(length_s)
    return np.asarray(np.clip(np.minimum(t, length_s - t) / edge_s, 0.0, 1.0))


def phrase(*parts: Samples) -> Audio:
    """The parts one after the other, with half a second of silence before and after."""
    rest = np.zeros(SAMPLE_RATE // 2)
    return Audio(np.concatenate([rest, *parts, rest]).astype(np.float32)[None], SAMPLE_RATE)


def assert_one_at_a_time(notes: tuple[Note, ...]) -> None:
    assert all(a.offset <= b.onset for a, b in pairwise(notes))


def test_a_scale_is_heard_note_by_note(singing: Singing) -> None:
    pitches = [57, 59, 60, 62, 64, 65, 67]
    audio = phrase(*(voice(np.full(8820, p), envelope(0.4)) for p in pitches))
    notes = singing(audio)
    assert [note.pitch for note in notes] == pitches
    assert [note.onset for note in notes] == pytest.approx([0.5 + 0.4 * i for i in range(7)], abs=0.04)
    assert all(note.confidence > 0.7 for note in notes)
    assert_one_at_a_time(notes)


def test_legato_notes_are_parted_where_the_pitch_steps(singing: Singing) -> None:
    t = seconds(1.5)
    pitch = np.interp(t, [0.0, 0.48, 0.52, 0.98, 1.02], [60.0, 60.0, 64.0, 64.0, 62.0])
    notes = singing(phrase(voice(pitch, envelope(1.5))))
    assert [note.pitch for note in notes] == [60, 64, 62]
    assert [note.onset for note in notes] == pytest.approx([0.5, 1.0, 1.5], abs=0.06)


@pytest.mark.parametrize("depth", [0.3, 0.7])
def test_vibrato_stays_in_one_note(singing: Singing, depth: float) -> None:
    t = seconds(2.0)
    (note,) = singing(phrase(voice(64 + depth * np.sin(2 * np.pi * 5.5 * t), envelope(2.0))))
    assert note.pitch == 64
    assert note.duration == pytest.approx(2.0, abs=0.1)
    bends = np.array(note.bends)
    assert len(bends) == round(note.duration * SAMPLE_RATE / 256)
    assert np.percentile(bends[5:-5], [5, 95]) == pytest.approx([-depth, depth], abs=0.25)


def test_a_scoop_from_below_belongs_to_its_note(singing: Singing) -> None:
    t = seconds(0.8)
    pitch = np.interp(t, [0.0, 0.1, 0.8], [62.0, 64.0, 64.0])
    (note,) = singing(phrase(voice(pitch, envelope(0.8))))
    assert note.pitch == 64


def test_repeated_notes_with_short_dips_are_several(singing: Singing) -> None:
    audio = phrase(*(voice(np.full(6615, 62.0), envelope(0.3, 0.04)) for _ in range(5)))
    notes = singing(audio)
    assert [note.pitch for note in notes] == [62] * 5
    assert [note.onset for note in notes] == pytest.approx([0.5 + 0.3 * i for i in range(5)], abs=0.05)


def test_two_voices_give_one_line(singing: Singing) -> None:
    strong = voice(np.full(2 * SAMPLE_RATE, 57.0), envelope(2.0))
    weak = 0.3 * voice(np.full(2 * SAMPLE_RATE, 64.0), envelope(2.0))
    notes = singing(phrase(strong + weak))
    assert_one_at_a_time(notes)
    assert max(notes, key=lambda note: note.duration).pitch == 57


def test_louder_is_a_higher_velocity(singing: Singing) -> None:
    tone, rest = voice(np.full(8820, 60.0), envelope(0.4)), np.zeros(4410)
    notes = singing(phrase(tone, rest, 0.5 * tone, rest, 0.25 * tone))
    velocities = [note.velocity for note in notes]
    assert len(velocities) == 3
    assert np.diff(velocities).tolist() == pytest.approx([-12, -12], abs=2)


def test_the_range_is_kept() -> None:
    settings = SingingSettings(lowest=48, highest=72)
    parts = [voice(np.full(8820, p), envelope(0.4)) for p in (43.0, 60.0, 79.0)]
    notes = Singing(settings)(phrase(*parts))
    assert 60 in [note.pitch for note in notes]
    assert all(48 <= note.pitch <= 72 for note in notes)


def test_a_range_narrower_than_an_octave_is_refused() -> None:
    with pytest.raises(ValueError, match="octave"):
        SingingSettings(lowest=60, highest=65)


def test_silence_has_no_notes(singing: Singing) -> None:
    assert singing(Audio(np.zeros((1, 2 * SAMPLE_RATE), np.float32), SAMPLE_RATE)) == ()


@pytest.mark.parametrize("level", [1e-5, 0.1])
def test_noise_has_no_notes(singing: Singing, level: float) -> None:
    noise = level * np.random.default_rng(0).standard_normal((1, 5 * SAMPLE_RATE))
    assert sum(note.duration for note in singing(Audio(noise.astype(np.float32), SAMPLE_RATE))) < 0.25


@pytest.mark.parametrize("samples", [0, 1, 300, 8820])
def test_short_sound_is_accepted(singing: Singing, samples: int) -> None:
    audio = Audio(voice(np.full(samples, 60.0), 1.0, 44100).astype(np.float32)[None], 44100)
    assert all(note.offset <= audio.duration for note in singing(audio))


def test_a_short_note_is_heard_in_0_2_s(singing: Singing) -> None:
    samples = voice(np.full(8820, 60.0), 1.0, 44100).astype(np.float32)
    assert [note.pitch for note in singing(Audio(np.stack([samples, samples]), 44100))] == [60]


def test_yin_finds_the_period() -> None:
    grid = 40 + np.arange(44 * 5 + 1) / 5
    samples = voice(np.full(SAMPLE_RATE, 55.4)).astype(np.float32)
    pitch = yin_candidates(samples, 20, 60, grid)
    assert (pitch @ grid / pitch.sum(axis=1)).tolist() == pytest.approx([55.4] * 40, abs=0.1)
    assert pitch.sum(axis=1).min() > 0.9


def test_tracing_back_by_hand() -> None:
    # Two notes of seven frames each (five of attack, two stable), then a frame of silence.
    came_from = np.full((15, 2), -1, np.int16)
    came_from[7, 1] = 0
    settled = np.zeros((15, 2), np.bool_)
    settled[5, 0] = settled[12, 1] = True
    fell_from = np.full(15, -1, np.int16)
    fell_from[14] = 1
    segments = trace_back(-1, came_from, settled, fell_from, np.array([60.0, 62.0]))
    assert [(s.start, s.stop, s.center) for s in segments] == [(0, 7, 60.0), (7, 14, 62.0)]


def test_f0_is_interpolated_over_gaps() -> None:
    grid = np.array([59.0, 60.0, 61.0])
    pitch = np.array([[0, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=np.float16)
    f0, sung = follow(pitch, grid, 60.0)
    assert f0.tolist() == [60.0, 60.5, 61.0]
    assert sung.tolist() == [1.0, 0.0, 1.0]


@pytest.mark.data
def test_a_real_voice(singing: Singing, data: Path) -> None:
    """More than half of an annotator's notes: Basic Pitch's defaults find .45 (F; see benchmarks)."""
    import mir_eval

    from separation.audio import decode

    folder = data / "mir-dataset-loaders_mirdata/tests/resources/mir_datasets/vocadito"
    truth = np.loadtxt(folder / "Annotations/Notes/vocadito_1_notesA1.csv", delimiter=",")
    notes = singing(decode(folder / "Audio/vocadito_1.wav"))
    f1 = mir_eval.transcription.precision_recall_f1_overlap(
        np.stack([truth[:, 0], truth[:, 0] + truth[:, 2]], axis=1),
        truth[:, 1],
        np.array([[note.onset, note.offset] for note in notes]),
        mir_eval.util.midi_to_hz(np.array([note.pitch for note in notes])),
        offset_ratio=None,
    )[2]
    assert f1 > 0.7


def test_soft_short_unsure_notes_are_dropped_in_company_only() -> None:
    sung = Note(0.0, 0.5, 60, velocity=98, confidence=0.75)
    leaked = Note(1.0, 1.125, 72, velocity=80, confidence=0.5)
    # -0.8 + 6.3 * 0.75 - 0.54 - 0.68 and -0.8 + 6.3 * 0.5 - 5.4 - 3 * 0.68
    assert voice_log_odds(sung) == pytest.approx(2.705)
    assert voice_log_odds(leaked) == pytest.approx(-5.09)
    assert without_doubtful([sung, leaked]) == [sung]
    clear = Note(0.0, 0.5, 60, velocity=98, confidence=0.95)
    assert without_doubtful([clear, clear, leaked]) == [clear, clear, leaked]
    assert without_doubtful([]) == []
