"""Whisper's real loading and decoding, driven with a tiny random checkpoint, and the guards by hand."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from whisper.model import ModelDimensions
from whisper.model import Whisper as Network

from fullscore.errors import FullscoreError
from lyrics.activity import Span, voiced_spans
from lyrics.engines.whisper import (
    RecognisedSegment,
    RecognisedWord,
    Whisper,
    WhisperSettings,
    is_invented,
    kept_segments,
    listening_windows,
    without_loops,
)
from separation.audio import Audio

RATE = 16_000
SETTINGS = WhisperSettings()
SUNG = (Span(0.0, 10.0),)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as OpenAI writes them, of a network too small to know anything."""
    torch.manual_seed(1)
    dims = ModelDimensions(80, 1500, 16, 2, 1, 51865, 64, 16, 2, 2)
    network = Network(dims)
    with torch.no_grad():  # Whisper leaves this one unset
        network.decoder.positional_embedding.normal_(0, 0.3)
    path = tmp_path_factory.mktemp("weights") / "mini.pt"
    torch.save({"dims": asdict(dims), "model_state_dict": network.half().state_dict()}, path)
    return path


def tone(duration: float, silent_from: float = np.inf, silent_to: float = np.inf) -> Audio:
    t = np.arange(round(duration * RATE)) / RATE
    wave = 0.3 * np.sin(2 * np.pi * 220 * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2
    wave[(t >= silent_from) & (t < silent_to)] = 0.0
    return Audio(wave[None].astype(np.float32), RATE)


# The guards are loosened, so that the nonsense of random weights comes through.
CREDULOUS = WhisperSettings(
    beam_size=1, no_speech=1.0, log_probability=-20.0, compression=100.0, skipped_silence_s=30.0
)


def test_hears_words_in_songs_longer_than_a_window(checkpoint: Path) -> None:
    vocals = tone(40.0, 20.0, 26.0)
    seen: list[tuple[float, str]] = []
    engine = Whisper(checkpoint, CREDULOUS, "cpu")
    lyrics = engine(vocals, "en", lambda share, message: seen.append((share, message)))
    assert lyrics.language == "en"
    assert lyrics.words
    onsets = [syllable.onset for syllable in lyrics.syllables]
    assert onsets == sorted(onsets)
    assert all(0 <= syllable.onset <= syllable.offset <= 40.0 for syllable in lyrics.syllables)
    assert not any(20.5 < word.onset < 25.5 for word in lyrics.words)
    assert any(word.onset < 20.0 for word in lyrics.words)
    assert [share for share, _ in seen] == [0.0, 0.5, 1.0]


def test_hears_the_language_if_none_is_given(checkpoint: Path) -> None:
    lyrics = Whisper(checkpoint, CREDULOUS, "cpu")(tone(3.0))
    assert len(lyrics.language) in (2, 3)


def test_nothing_is_heard_in_silence(checkpoint: Path) -> None:
    engine = Whisper(checkpoint, device="cpu")

    def never(share: float, message: str) -> None:
        raise AssertionError("the network was asked about silence")

    silence = Audio(np.zeros((2, RATE * 5), np.float32), RATE)
    assert engine(silence, None, never).lines == ()
    assert engine(Audio(np.zeros((1, 0), np.float32), RATE), "en", never).lines == ()


def test_progress_cancels(checkpoint: Path) -> None:
    def cancel(share: float, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Whisper(checkpoint, CREDULOUS, "cpu")(tone(2.0), "en", cancel)


def test_an_unknown_language_is_named(checkpoint: Path) -> None:
    with pytest.raises(FullscoreError, match="klingon"):
        Whisper(checkpoint, device="cpu")(tone(1.0), "klingon")


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    text = tmp_path / "base.pt"
    text.write_text("not a checkpoint")
    other = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(3)}, other)
    wrong = tmp_path / "wrong.pt"
    torch.save({"dims": {"n_mels": 80}, "model_state_dict": {}}, wrong)
    for path in (text, other, wrong):
        with pytest.raises(FullscoreError, match=path.name):
            Whisper(path, device="cpu")
    with pytest.raises(FullscoreError, match="fullscore models fetch"):
        Whisper(tmp_path / "absent.pt", device="cpu")


def test_a_damaged_checkpoint_is_named(checkpoint: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pt"
    cut.write_bytes(checkpoint.read_bytes()[:100_000])
    with pytest.raises(FullscoreError, match=r"cut\.pt"):
        Whisper(cut, device="cpu")


def test_windows_hold_all_that_is_sung() -> None:
    vocals = tone(100.0, 70.0, 80.0)
    spans = voiced_spans(vocals)
    windows = listening_windows(vocals, spans)
    assert all(0 < window.end - window.start <= 30.0 + 1e-9 for window in windows)
    for span in spans:
        covered = sum(
            max(0.0, min(span.end, window.end) - max(span.start, window.start)) for window in windows
        )
        assert covered == pytest.approx(span.end - span.start)
    assert not any(window.start < 75.0 < window.end for window in windows)


def words(text: str, start: float = 0.0, each: float = 0.4) -> tuple[RecognisedWord, ...]:
    return tuple(
        RecognisedWord(word, start + i * each, start + (i + 1) * each, 0.8)
        for i, word in enumerate(text.split())
    )


def segment(
    text: str, *, no_speech: float = 0.1, log_probability: float = -0.4, start: float = 0.0
) -> RecognisedSegment:
    return RecognisedSegment(words(text, start), no_speech, log_probability, 1.2)


@pytest.mark.parametrize(
    ("heard", "invented"),
    [
        (segment("The trophy goes to you"), False),
        (segment("Untertitel der Amara.org-Community"), True),
        (segment("Subtitles by the somebody community"), True),
        (segment("[Music]"), True),
        (segment("♪ Music playing ♪"), True),
        (segment("Thank you."), False),
        (segment("Thank you.", no_speech=0.8), True),
        (segment("Thanks for watching!", start=20.0), True),
        (segment("thank you for the music, the songs I'm singing", no_speech=0.8), False),
        (segment("words of a sort", no_speech=0.9, log_probability=-1.3), True),
        (segment("words of a sort", no_speech=0.9, log_probability=-0.3), False),
        (segment("words of a sort", no_speech=0.1, log_probability=-1.3), False),
    ],
)
def test_invented_segments(heard: RecognisedSegment, invented: bool) -> None:
    assert is_invented(heard, SUNG, SETTINGS) is invented


def test_words_outside_the_voice_are_dropped() -> None:
    heard = RecognisedSegment(words("one two", 9.0) + words("three four", 15.0), 0.1, -0.3, 1.2)
    assert [s.text for s in kept_segments([heard], SUNG, SETTINGS)] == ["one two"]


def test_a_refrain_is_kept_and_a_loop_is_cut_to_what_could_be_sung() -> None:
    refrain = words("la la la la la la", each=0.3)
    assert without_loops(refrain) == refrain
    loop = words("oh my love", each=0.3) + tuple(
        word for k in range(20) for word in words("oh my love", 0.9 + 0.03 * k, each=0.01)
    )
    assert [word.text for word in without_loops(loop)] == ["oh", "my", "love"]
    mixed = words("so I say hey hey hey hey now", each=0.3)
    assert without_loops(mixed) == mixed
