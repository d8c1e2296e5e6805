"""Drums: synthesised strokes whose times and kinds are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from separation.audio import Audio
from transcription.engines.drums import Drums, DrumsSettings, band_rises, peak_frames
from transcription.notes import Note

RATE = 44100
KICK, SNARE, HIHAT = 36, 38, 42
Samples = npt.NDArray[np.float64]


def decay(length_s: float, time_constant_s: float) -> tuple[Samples, Samples]:
    t = np.arange(round(length_s * RATE)) / RATE
    return t, np.exp(-t / time_constant_s)


def kick(rng: np.random.Generator) -> Samples:
    t, envelope = decay(0.3, 0.08)
    return np.asarray(0.8 * envelope * np.sin(2 * np.pi * 60 * t))


def snare(rng: np.random.Generator) -> Samples:
    t, envelope = decay(0.25, 0.06)
    wires = np.fft.rfft(rng.standard_normal(len(t)))
    wires /= 1 + (np.fft.rfftfreq(len(t), 1 / RATE) / 4000) ** 2
    return np.asarray(envelope * (0.4 * np.sin(2 * np.pi * 200 * t) + 0.3 * np.fft.irfft(wires, len(t))))


def hihat(rng: np.random.Generator) -> Samples:
    t, envelope = decay(0.1, 0.03)
    noise = rng.standard_normal(len(t))
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(len(t), 1 / RATE) < 6000] = 0
    return np.asarray(0.2 * envelope * np.fft.irfft(spectrum, len(t)))


SOUNDS = {KICK: kick, SNARE: snare, HIHAT: hihat}


def play(strokes: list[tuple[float, int]], duration: float) -> Audio:
    rng = np.random.default_rng(1)
    samples = np.zeros(round((duration + 1) * RATE))
    for time, key in strokes:
        sound = SOUNDS[key](rng)
        start = round(time * RATE)
        samples[start : start + len(sound)] += sound
    return Audio(samples[None, : round(duration * RATE)].astype(np.float32), RATE)


def assert_heard(strokes: list[tuple[float, int]], notes: tuple[Note, ...]) -> None:
    for key in SOUNDS:
        expected = sorted(time for time, k in strokes if k == key)
        heard = [note.onset for note in notes if note.pitch == key]
        assert len(heard) == len(expected), (key, expected, heard)
        assert heard == pytest.approx(expected, abs=0.03)


def test_strokes_one_after_the_other_are_told_apart() -> None:
    pattern = [(0.25 + 0.25 * i, (KICK, HIHAT, SNARE, HIHAT)[i % 4]) for i in range(16)]
    assert_heard(pattern, Drums()(play(pattern, 4.5)))


def test_strokes_at_the_same_time_are_all_found() -> None:
    pattern = [(0.3 + 0.25 * i, HIHAT) for i in range(16)]
    pattern += [(0.3 + 0.5 * i, KICK if i % 2 == 0 else SNARE) for i in range(8)]
    assert_heard(pattern, Drums()(play(pattern, 4.5)))


def test_harder_strokes_are_louder_notes() -> None:
    audio = play([(0.5 + 0.5 * i, KICK) for i in range(6)], 4.0)
    fading = audio.samples * np.linspace(1.0, 0.5, audio.samples.shape[1], dtype=np.float32)
    velocities = [note.velocity for note in Drums()(Audio(fading, RATE)) if note.pitch == KICK]
    assert len(velocities) == 6
    assert velocities == sorted(velocities, reverse=True)
    assert velocities[0] > velocities[-1] + 10


def test_level_and_channels_do_not_matter() -> None:
    pattern = [(0.25 + 0.25 * i, (KICK, HIHAT, SNARE, HIHAT)[i % 4]) for i in range(8)]
    audio = play(pattern, 2.5)
    quiet = Audio(np.repeat(audio.samples * np.float32(0.05), 2, axis=0), RATE)
    assert [(n.onset, n.pitch) for n in Drums()(quiet)] == [(n.onset, n.pitch) for n in Drums()(audio)]


def test_a_held_chord_is_no_roll_of_drums() -> None:
    t = np.arange(4 * RATE) / RATE
    chord = sum(0.1 * np.sin(2 * np.pi * 440 * 2 ** (step / 12) * t) for step in (0, 4, 7))
    audio = Audio(np.asarray(chord, dtype=np.float32)[None], RATE)
    assert [note for note in Drums()(audio) if 0.2 < note.onset < 3.8] == []


def test_silence_has_no_strokes() -> None:
    assert Drums()(Audio(np.zeros((2, RATE), np.float32), RATE)) == ()


@pytest.mark.parametrize("samples", [0, 1, 100, round(0.2 * 8000)])
def test_short_and_narrow_band_sound_is_accepted(samples: int) -> None:
    noise = np.random.default_rng(0).standard_normal((1, samples)).astype(np.float32) * np.float32(0.1)
    assert all(note.onset < samples / 8000 for note in Drums()(Audio(noise, 8000)))


def test_strokes_last_until_the_next_at_most() -> None:
    pattern = [(0.3 + 0.07 * i, HIHAT) for i in range(20)]
    notes = [note for note in Drums()(play(pattern, 2.5)) if note.pitch == HIHAT]
    assert len(notes) >= 15
    assert all(a.offset <= b.onset for a, b in pairwise(notes))


def test_sensitivity_finds_softer_strokes() -> None:
    loud, soft = (
        play([(0.5 + i, KICK) for i in range(4)], 5.0),
        play([(1.0 + i, KICK) for i in range(4)], 5.0),
    )
    audio = Audio(loud.samples + np.float32(0.25) * soft.samples, RATE)
    few = [n for n in Drums(DrumsSettings(sensitivity=0.5))(audio) if n.pitch == KICK]
    many = [n for n in Drums(DrumsSettings(sensitivity=2.5))(audio) if n.pitch == KICK]
    assert (len(few), len(many)) == (4, 8)


def test_a_rise_is_seen_where_it_happens() -> None:
    magnitudes = np.zeros((10, 1), np.float32)
    magnitudes[5:] = 1.0
    assert np.flatnonzero(band_rises(magnitudes)[:, 0]).tolist() == [3, 4, 5, 6]


def test_peaks_are_the_largest_around() -> None:
    activation = np.zeros(20, np.float32)
    activation[[4, 6, 15]] = [1.0, 2.0, 0.5]
    assert peak_frames(activation).tolist() == [6, 15]
