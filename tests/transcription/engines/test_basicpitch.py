"""Basic Pitch: synthetic notes with known onsets, framing and picking by hand, the package's own output."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullscore.errors import FullscoreError
from separation.audio import Audio, decode
from transcription.engines import basicpitch
from transcription.engines.basicpitch import (
    EVEN_FRAMING,
    HOP,
    PUBLISHED_FRAMING,
    SAMPLE_RATE,
    WINDOW,
    BasicPitch,
    BasicPitchSettings,
    FrameNote,
    Posteriorgrams,
    RemainingEnergy,
    at_model_rate,
    best_line,
    pick_notes,
    windows,
)

RATE = 44100


def plucked(notes: list[tuple[float, float, int]], seconds: float) -> Audio:
    """Decaying tones of six harmonics; ``notes`` are onset, offset and MIDI pitch."""
    sound = np.zeros(round(seconds * RATE))
    for onset, offset, pitch in notes:
        start, end = round(onset * RATE), round(offset * RATE)
        t = np.arange(end - start) / RATE
        fade = np.minimum(1, (offset - onset - t) / 0.02)
        hz = 440 * 2 ** ((pitch - 69) / 12)
        for harmonic in range(1, 7):
            tone = np.sin(2 * np.pi * hz * harmonic * t) / harmonic**1.5
            sound[start:end] += 0.15 * tone * np.exp(-2 * t) * fade
    return Audio(np.stack([sound, sound]).astype(np.float32), RATE)


@pytest.fixture(scope="module")
def engine() -> BasicPitch:
    return BasicPitch()


MELODY = [(0.5 + 0.4 * i, 0.85 + 0.4 * i, pitch) for i, pitch in enumerate((60, 62, 64, 67, 55, 72, 69, 48))]


def test_finds_a_melody_and_a_chord_in_time(engine: BasicPitch) -> None:
    chord = [(4.0, 5.0, pitch) for pitch in (48, 60, 64, 67)]
    found = engine(plucked(MELODY + chord, 5.5))
    for onset, _, pitch in MELODY + chord:
        assert any(n.pitch == pitch and abs(n.onset - onset) < 0.05 for n in found), (onset, pitch)
    assert len(found) <= len(MELODY + chord) + 2


def test_hears_the_last_note_of_a_song(engine: BasicPitch) -> None:
    # The package drops the last 0.67 %: here the last 0.4 s, where most of this note lies.
    note = max(engine(plucked([(59.5, 60.0, 64)], 60.0)), key=lambda note: note.confidence)
    assert note.pitch == 64
    assert note.onset == pytest.approx(59.5, abs=0.05)
    assert note.offset == pytest.approx(60.0, abs=0.05)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.2])
def test_very_short_and_silent_recordings_have_no_notes(engine: BasicPitch, seconds: float) -> None:
    assert engine(Audio(np.zeros((2, round(seconds * RATE)), np.float32), RATE)) == ()


def test_progress_arrives_and_cancels(engine: BasicPitch) -> None:
    shares: list[float] = []
    engine(plucked(MELODY, 30.0), lambda share, message: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 1

    def cancel(share: float, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine(plucked(MELODY, 4.0), cancel)


def test_louder_notes_have_higher_velocities(engine: BasicPitch) -> None:
    sound = plucked(MELODY, 4.5)
    ramp = np.linspace(0.1, 1.0, sound.samples.shape[1], dtype=np.float32)
    found = engine(Audio(sound.samples * ramp, RATE))
    first, last = found[0], found[-1]
    assert first.velocity + 10 < last.velocity


def test_without_bends_the_notes_are_the_same(engine: BasicPitch) -> None:
    plain = BasicPitch(BasicPitchSettings(bends=False))(plucked(MELODY, 4.0))
    assert plain == tuple(dataclasses.replace(note, bends=()) for note in engine(plucked(MELODY, 4.0)))


@pytest.mark.parametrize("detuning", [-0.3, 0.0, 0.15, 0.4])
@pytest.mark.parametrize("pitch", [45, 60, 76])
def test_bends_are_right_in_the_mean(engine: BasicPitch, pitch: int, detuning: float) -> None:
    t = np.arange(RATE) / RATE
    hz = 440 * 2 ** ((pitch + detuning - 69) / 12)
    sound = sum(0.2 * np.sin(2 * np.pi * hz * h * t) / h for h in range(1, 7)) * (t > 0.3)
    found = engine(Audio(np.asarray(sound, np.float32)[np.newaxis], RATE))
    note = max(found, key=lambda note: note.duration)
    assert note.pitch + float(np.median(note.bends)) == pytest.approx(pitch + detuning, abs=0.1)


def test_range_and_single_line_are_kept() -> None:
    settings = BasicPitchSettings.for_stem("bass")
    found = BasicPitch(settings)(plucked([(0.5, 1.5, 40), (0.5, 1.5, 72), (1.5, 2.5, 43)], 3.0))
    assert [n.pitch for n in found] == [40, 43]
    assert all(earlier.offset <= later.onset for earlier, later in pairwise(found))


def test_unknown_stems_get_the_defaults() -> None:
    assert BasicPitchSettings.for_stem("kazoo") == BasicPitchSettings()


def test_settings_explain_themselves() -> None:
    for field in dataclasses.fields(BasicPitchSettings):
        assert field.metadata["help"]


def test_window_framing_worked_by_hand() -> None:
    # 100 000 samples: the kept parts of the package's windows are 36 164 apart, so three cover them.
    sound = np.arange(1, 100_001, dtype=np.float32)
    cut = list(windows(iter([sound[:70_000], sound[70_000:]]), PUBLISHED_FRAMING.hop))
    assert PUBLISHED_FRAMING.hop == 36_164
    assert [len(window) for window in cut] == [WINDOW] * 3 == [43_844] * 3
    assert cut[0][3839] == 0
    assert cut[0][3840] == 1
    assert cut[1][3840] == 36_165
    assert cut[2][3840] == 72_329
    assert cut[2][3840 + 100_000 - 72_328] == 0


def test_frames_are_even_and_reach_the_end() -> None:
    times = EVEN_FRAMING.times_until(10.0)
    assert np.allclose(np.diff(times), HOP / SAMPLE_RATE)
    assert 10.0 - times[-1] <= HOP / SAMPLE_RATE
    # The package's 143rd frame is the first of its second window.
    assert PUBLISHED_FRAMING.times_until(10.0)[142] == 36_164 / SAMPLE_RATE


def test_resampling_in_blocks_is_seamless(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = plucked(MELODY, 4.0)
    whole = np.concatenate(list(at_model_rate(sound)))
    monkeypatch.setattr(basicpitch, "BLOCK_SECONDS", 1)
    blocks = np.concatenate(list(at_model_rate(sound)))
    assert len(whole) == len(blocks) == 4 * SAMPLE_RATE
    assert np.abs(whole - blocks).max() < 1e-6


def heard_frames(note: list[list[float]], onset: list[list[float]]) -> Posteriorgrams:
    """Posteriorgrams of 88 pitches from the rows of the lowest two."""
    matrices = []
    for rows in (note, onset):
        matrix = np.zeros((len(rows), 88), np.float32)
        matrix[:, :2] = rows
        matrices.append(matrix)
    frames = len(note)
    return Posteriorgrams(
        *matrices,
        np.zeros((frames, 264), np.float32),
        np.zeros(frames, np.float32),
        np.arange(frames) * HOP / SAMPLE_RATE,
    )


def test_a_gap_of_ten_low_frames_does_not_end_a_note_and_eleven_do() -> None:
    settings = dataclasses.replace(BasicPitchSettings.published(), minimum_ms=50.0)
    for gap, ends in ((10, [42]), (11, [22])):
        # 0.29 is just low, and the rise from it too small for a new onset.
        level = [0.0] * 2 + [0.9] * 20 + [0.29] * gap + [0.5] * (20 - gap) + [0.0] * 20
        heard = heard_frames([[x, 0.0] for x in level], [[float(i == 2), 0.0] for i in range(len(level))])
        first = [pick for pick in pick_notes(heard, settings) if pick.start == 2]
        assert [pick.end for pick in first] == ends
        assert first[0].pitch == 0


def test_a_strong_note_spends_its_neighbour() -> None:
    rows = [[0.0, 0.0]] * 2 + [[0.9, 0.35]] * 30 + [[0.0, 0.0]] * 20
    heard = heard_frames(rows, [[float(i == 2), 0.0] for i in range(len(rows))])
    assert [pick.pitch for pick in pick_notes(heard, BasicPitchSettings.published())] == [0]


def test_ledger_searches_stop_before_the_last_frame() -> None:
    note = np.full((30, 88), 0.9, np.float32)
    note[20:] = 0.0
    ledger = RemainingEnergy(note, 0.3, range(88))
    assert ledger.forward(1, 0) == (29, 9)
    assert ledger.backward(20, 0) == (1, 0)
    ledger.spend(5, 10, 1)
    assert [ledger.low[pitch][7] for pitch in range(4)] == [1, 1, 1, 0]


picks = st.builds(
    lambda start, length, pitch, strength: FrameNote(start, start + length, pitch, strength),
    st.integers(0, 60),
    st.integers(1, 30),
    st.integers(0, 87),
    st.floats(0.1, 1.0),
)


@given(st.lists(picks, max_size=12))
def test_the_best_line_never_overlaps_and_invents_nothing(candidates: list[FrameNote]) -> None:
    line = best_line(candidates)
    assert all(earlier.end <= later.start for earlier, later in pairwise(line))
    for pick in line:
        assert any(
            (pick.start, pick.pitch, pick.strength) == (c.start, c.pitch, c.strength) and pick.end <= c.end
            for c in candidates
        )
    total = sum((pick.end - pick.start) * pick.strength for pick in line)
    assert total >= max(((c.end - c.start) * c.strength for c in candidates), default=0) - 1e-9


def test_the_best_line_prefers_the_stronger_of_two_lines() -> None:
    low, high = FrameNote(0, 20, 10, 0.5), FrameNote(0, 20, 22, 0.8)
    assert best_line([low, high, FrameNote(18, 40, 12, 0.6)]) == [
        FrameNote(0, 18, 22, 0.8),
        FrameNote(18, 40, 12, 0.6),
    ]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FullscoreError, match="pip install"):
        basicpitch.packaged_model()


def test_nothing_of_the_package_nor_of_numba_is_imported() -> None:
    code = (
        "import sys; from transcription.engines.basicpitch import BasicPitch; BasicPitch(); "
        "print({'basic_pitch', 'numba', 'librosa', 'tensorflow', 'torch'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (result.stdout.strip(), result.stderr) == ("set()", "")


@pytest.mark.data
def test_published_settings_give_the_packages_own_notes(data: Path) -> None:
    folder = data / "spotify_basic-pitch" / "tests" / "resources"
    # Plain Python numbers and lists, which the package's authors stored as objects.
    stored = np.load(folder / "vocadito_10" / "note_events.npz", allow_pickle=True)["arr_0"]
    engine = BasicPitch(BasicPitchSettings.published())
    found = engine(decode(folder / "vocadito_10.wav", sample_rate=RATE, channels=None))
    expected = sorted((start, end, pitch, amplitude, bends) for start, end, pitch, amplitude, bends in stored)
    assert len(found) == len(expected)
    for note, (start, end, pitch, amplitude, bends) in zip(found, expected, strict=True):
        assert (note.onset, note.offset) == pytest.approx((start, end), abs=1e-6)
        assert note.pitch == pitch
        assert note.velocity == round(127 * amplitude)
        assert [round(3 * bend) for bend in note.bends] == list(bends)
