"""The piano engine: a rendered scale, the stitching of segments, and loading without torchaudio."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import tinysoundfont
import torch
from transkun.LayersTransformer import MultiHeadAttentionKernel, ScaledInnerProductIntervalScorer

from separation.audio import Audio
from transcription.engines.piano import (
    NoteInterval,
    Piano,
    PianoSettings,
    as_notes,
    attend,
    best_intervals,
    interval_scores,
    stitch,
)
from transcription.notes import Note

RATE = 44100


def rendered(notes: list[tuple[float, float, int]], seconds: float) -> Audio:
    """A sampled grand piano playing ``notes`` (onset, offset, MIDI pitch)."""
    synth = tinysoundfont.Synth(samplerate=RATE, gain=-6)
    font = synth.sfload(str(Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"))
    synth.program_select(0, font, 0, 0)
    events = sorted(
        [(onset, 1, pitch) for onset, _, pitch in notes] + [(offset, 0, pitch) for _, offset, pitch in notes]
    )
    blocks, done = [], 0
    for time, on, pitch in [*events, (seconds, 0, 0)]:
        count = round(time * RATE) - done
        if count > 0:
            blocks.append(np.frombuffer(synth.generate(count), np.float32).reshape(-1, 2).copy())
            done += count
        if on:
            synth.noteon(0, pitch, 90)
        else:
            synth.noteoff(0, pitch)
    return Audio(np.ascontiguousarray(np.concatenate(blocks).T), RATE)


@pytest.fixture(scope="module")
def piano() -> Piano:
    return Piano()


@pytest.mark.slow
def test_finds_every_note_of_a_scale_and_nothing_else(piano: Piano) -> None:
    scale = [(0.5 + 0.3 * i, 0.75 + 0.3 * i, 60 + step) for i, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12))]
    shares: list[float] = []
    found = piano(rendered(scale, 3.3), lambda share, message: shares.append(share))
    assert [note.pitch for note in found] == [pitch for _, _, pitch in scale]
    for note, (onset, offset, _) in zip(found, scale, strict=True):
        assert note.onset == pytest.approx(onset, abs=0.03)
        assert note.offset == pytest.approx(offset, abs=0.3)
        assert note.confidence > 0.5
    assert shares[-1] == 1.0


@pytest.mark.slow
def test_silence_and_very_short_sounds_have_no_notes(piano: Piano) -> None:
    assert piano(Audio(np.zeros((1, 2000), np.float32), RATE)) == ()


def test_no_recording_at_all(piano: Piano) -> None:
    assert piano(Audio(np.zeros((6, 0), np.float32), RATE)) == ()


def test_the_filter_bank_is_the_weights_own(piano: Piano) -> None:
    librosa = pytest.importorskip("librosa")
    stored = piano._network.framewiseFeatureExtractor.freq2mels.cpu().numpy()
    computed = librosa.filters.mel(sr=44100, n_fft=4096, n_mels=229, fmin=30, fmax=8000, htk=True, norm=None)
    assert np.abs(stored - computed.T).max() < 1e-4
    assert not stored[piano._network.framewiseFeatureExtractor.bins :].any()


@torch.inference_mode()
def test_the_fused_attention_is_the_packages() -> None:
    torch.manual_seed(1)
    attention = MultiHeadAttentionKernel(16, 4, kernel=None).eval()
    query, source = torch.randn(2, 3, 5, 16), torch.randn(2, 3, 5, 16)
    assert torch.allclose(attend(attention, query, source), attention(query, source), atol=1e-5)


@torch.inference_mode()
def test_the_scores_are_the_packages() -> None:
    torch.manual_seed(1)
    scorer, context = ScaledInnerProductIntervalScorer(8), torch.randn(3, 7, 8)
    theirs = scorer(context[None])[0][..., 0, :].permute(2, 1, 0)
    first, last = np.triu_indices(7)
    ours = interval_scores(scorer, context)
    assert torch.allclose(ours[:, first, last], theirs[:, first, last], atol=1e-5)


def test_the_best_intervals_may_touch_but_not_overlap() -> None:
    scores = torch.full((1, 5, 5), -1.0)
    scores[0, 0, 2], scores[0, 2, 3], scores[0, 1, 4] = 2.0, 1.0, 2.5
    assert best_intervals(scores, [0]) == [[(0, 2), (2, 3)]]
    assert best_intervals(scores, [1]) == [[(1, 4)]]
    scores[0, 4, 4] = 0.5  # a single frame, beside either
    assert best_intervals(scores, [0]) == [[(0, 2), (2, 3), (4, 4)]]
    assert best_intervals(torch.full((2, 3, 3), -1.0), [0, 0]) == [[], []]


def interval(start: float, end: float, *, onset: bool = True, offset: bool = True) -> NoteInterval:
    return NoteInterval(start, end, 60, 80, 0.9, onset, offset)


def test_a_note_seen_twice_is_one_and_takes_the_newer_view() -> None:
    track: list[NoteInterval] = []
    stitch(track, interval(1.0, 3.0, offset=False))
    stitch(track, interval(1.01, 4.0))
    assert track == [interval(1.01, 4.0)]


def test_a_note_cut_by_a_segment_is_finished_by_the_next() -> None:
    track = [interval(1.0, 8.0, offset=False)]
    stitch(track, interval(7.0, 12.0, onset=False))
    assert track == [interval(1.0, 12.0)]


def test_a_tail_without_onset_is_no_note() -> None:
    track: list[NoteInterval] = []
    stitch(track, interval(0.0, 1.0, onset=False))
    assert track == []


def test_notes_end_at_the_next_onset_or_the_end_of_the_recording() -> None:
    track = [interval(1.0, 2.5), interval(2.0, 9.0, offset=False)]
    assert list(as_notes(track, 5.0)) == [
        Note(1.0, 2.0, 60, velocity=80, confidence=0.9),
        Note(2.0, 5.0, 60, velocity=80, confidence=0.9),
    ]


def test_settings_explain_themselves() -> None:
    for field in dataclasses.fields(PianoSettings):
        assert field.metadata["help"]
