from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fullscore.engines import Progress
from fullscore.errors import FullscoreError
from separation.audio import Audio, decode, write_flac
from separation.engines.none import NoSeparation
from separation.stems import (
    BLOCK_S,
    LONGEST_CALL_S,
    OVERLAP_S,
    Stems,
    separate_in_blocks,
    separate_to_files,
)

RATE = 100
"""Hz; low, so that an hour is quick."""


def noise(seconds: float, rate: int = RATE) -> Audio:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (2, round(seconds * rate)))
    return Audio(samples.astype(np.float32), rate)


def cut(audio: Audio, size: int) -> Iterator[Audio]:
    for start in range(0, audio.samples.shape[1], size):
        yield Audio(audio.samples[:, start : start + size], audio.sample_rate)


def joined(parts: list[Stems], name: str) -> np.ndarray:
    return np.concatenate([part[name].samples for part in parts], axis=1)


class LevelSplitter:
    """Shares the mix by its block's own level: neighbouring blocks disagree, their stems still add up."""

    def __init__(self) -> None:
        self.lengths: list[float] = []

    def __call__(self, audio: Audio, progress: Progress) -> Stems:
        self.lengths.append(audio.duration)
        share = np.float32(len(self.lengths) % 3 / 3)
        low = Audio(audio.samples * share, audio.sample_rate)
        high = Audio(audio.samples - low.samples, audio.sample_rate)
        progress(1.0, "split")
        return Stems({"low": low, "high": high})


@pytest.mark.parametrize("seconds", [0.5, LONGEST_CALL_S, LONGEST_CALL_S + 0.01, 777.77, 3600])
def test_blocks_without_separation_are_the_mix_itself(seconds: float) -> None:
    mix = noise(seconds)
    parts = list(separate_in_blocks(NoSeparation(), cut(mix, 731)))
    np.testing.assert_array_equal(joined(parts, "mix"), mix.samples)


@pytest.mark.parametrize("seconds", [301, 500, 1000, 3600])
def test_cross_faded_stems_add_up_and_no_block_is_too_long_or_short(seconds: float) -> None:
    mix, separator = noise(seconds), LevelSplitter()
    parts = list(separate_in_blocks(separator, cut(mix, 1000)))
    np.testing.assert_allclose(joined(parts, "low") + joined(parts, "high"), mix.samples, atol=1e-6)
    assert max(separator.lengths) <= LONGEST_CALL_S
    assert min(separator.lengths) >= LONGEST_CALL_S - BLOCK_S


def test_a_short_song_is_one_call() -> None:
    separator = LevelSplitter()
    assert len(list(separate_in_blocks(separator, cut(noise(LONGEST_CALL_S), 1000)))) == 1
    assert separator.lengths == [LONGEST_CALL_S]


def test_the_seam_is_a_straight_line_from_one_block_to_the_next() -> None:
    ones = Audio(np.ones((1, 400 * RATE), np.float32), RATE)
    low = joined(list(separate_in_blocks(LevelSplitter(), cut(ones, 1000))), "low")[0]
    start, length = round((BLOCK_S - OVERLAP_S) * RATE), round(OVERLAP_S * RATE)
    assert low[start - 1] == pytest.approx(1 / 3)
    assert low[start + length] == pytest.approx(2 / 3)
    steps = np.diff(low[start - 1 : start + length + 1])
    np.testing.assert_allclose(steps, 1 / 3 / (length + 1), atol=1e-6)


def test_progress_never_goes_back_and_ends_at_one() -> None:
    seen: list[float] = []
    mix = noise(1000)
    separator = LevelSplitter()
    list(separate_in_blocks(separator, cut(mix, 1000), mix.duration, lambda share, _: seen.append(share)))
    assert len(seen) == len(separator.lengths) > 3
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_stems_go_to_files_that_add_up(tmp_path: Path) -> None:
    write_flac(noise(3, 44100), tmp_path / "song.flac")
    paths = separate_to_files(LevelSplitter(), tmp_path / "song.flac", tmp_path / "stems")
    assert paths == {name: tmp_path / "stems" / f"{name}.flac" for name in ("low", "high")}
    assert sorted(path.name for path in (tmp_path / "stems").iterdir()) == ["high.flac", "low.flac"]
    total = decode(paths["low"]).samples + decode(paths["high"]).samples
    assert np.abs(total - decode(tmp_path / "song.flac").samples).max() <= 3 * 2**-24


def test_a_cancel_leaves_no_file(tmp_path: Path) -> None:
    write_flac(noise(1, 44100), tmp_path / "song.flac")

    def cancel(share: float, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        separate_to_files(LevelSplitter(), tmp_path / "song.flac", tmp_path / "stems", cancel)
    assert not list((tmp_path / "stems").glob("*"))


def test_a_folder_that_is_a_file_is_one_clear_sentence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", np.zeros(1000), 44100)
    (tmp_path / "stems").touch()
    with pytest.raises(FullscoreError, match="could not write"):
        separate_to_files(NoSeparation(), tmp_path / "song.wav", tmp_path / "stems")


def test_stems_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Stems({"a": noise(1), "b": noise(2)})
