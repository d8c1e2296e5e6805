"""Stems against museval itself, against figures worked out by hand, and from files of every form."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evaluation.kinds import StemsSettings
from evaluation.stems import BSS_EVAL, MAIN, MEANINGS, bss_eval, evaluate_stems, stem_scores
from fullscore.errors import FullscoreError
from separation.audio import decode

RATE = 8000
THREE_DECIMALS = 5e-4

ROCK = "sigsep_sigsep-mus-eval/tests/data/MUSDB18-7-SAMPLE/train/Music Delta - 80s Rock.stem.mp4"
ROCK_FIGURES = "sigsep_sigsep-mus-eval/tests/data/Music Delta - 80s Rock.json"


@pytest.fixture(scope="module")
def museval() -> Any:
    """museval's metrics alone: the package itself imports musdb, which wants an ffmpeg program."""
    folder = find_spec("museval").submodule_search_locations[0]
    spec = spec_from_file_location("museval_metrics", Path(folder) / "metrics.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_museval(museval: Any, true: np.ndarray, found: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Frames as bss_eval gives them; infinite ratios undefined, as museval stores them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        frames = museval.bss_eval(
            *(side.transpose(0, 2, 1) for side in (true, found)),
            window, hop, compute_permutation=False, framewise_filters=False,
        )  # fmt: skip
    values = np.stack(frames[:4])
    return np.where(np.isfinite(values), values, np.nan)


def noise(seed: int, *shape: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


def scores(true: np.ndarray, found: np.ndarray, cuts: tuple[int, ...] = ()) -> dict[str, Any]:
    """The measures of (stems, channels, samples) in memory, handed over in pieces."""
    both = np.stack([true, found])
    return stem_scores([f"stem{i}" for i in range(len(true))], lambda: np.split(both, cuts, axis=-1), RATE)


# --- against museval --------------------------------------------------------------------------------


@pytest.mark.data
def test_figures_stored_with_museval(data: Path, museval: Any) -> None:
    """They were made of stems rounded to 16 bits and of noise. museval's own test of them allows 0.1 dB:
    what lies above the AAC's band is rounding. SDR does not depend on it."""
    drums, bass, other, vocals = (
        np.rint(decode(data / ROCK, stream=i).samples.astype(np.float64) * 2**15) / 2**15 for i in range(1, 5)
    )
    state = np.random.RandomState(0)
    true = np.stack([vocals, drums + bass + other])
    found = np.stack([state.random_sample(vocals.T.shape).T for _ in range(2)])
    frames = bss_eval(true, found, 44100, 44100)
    assert np.allclose(
        frames, by_museval(museval, true, found, 44100, 44100), rtol=0, atol=THREE_DECIMALS, equal_nan=True
    )
    stored = json.loads((data / ROCK_FIGURES).read_text())["targets"]
    assert frames.shape == (4, len(stored), len(stored[0]["frames"]))
    for stem, target in enumerate(stored):
        for at, frame in enumerate(target["frames"]):
            for measure, name in enumerate(BSS_EVAL):
                tolerance = THREE_DECIMALS if name == "SDR" else 0.1
                assert frames[measure, stem, at] == pytest.approx(frame["metrics"][name], abs=tolerance), name


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)]),
    length=st.integers(5000, 8000),  # twice what the filters can fit
    window=st.integers(400, 9000),
    overlap=st.floats(0, 0.7),
    quiet=st.none() | st.tuples(st.integers(0, 1), st.integers(0, 5000), st.integers(1, 2000)),
    bleed=st.sampled_from([0.0, 0.01, 0.5, -2.0]),
)
def test_any_signals_as_museval(
    museval: Any,
    seed: int,
    shape: tuple[int, int],
    length: int,
    window: int,
    overlap: float,
    quiet: tuple[int, int, int] | None,
    bleed: float,
) -> None:
    stems, channels = shape
    true = noise(seed, stems, channels, length)
    blur = noise(seed + 1, 40)
    found = np.apply_along_axis(lambda row: np.convolve(row, blur)[:length], -1, true)
    found += true + bleed * np.roll(true, 1, axis=0) + 0.3 * noise(seed + 2, stems, channels, length)
    if quiet:
        side, start, span = quiet
        (true, found)[side][0, :, start : start + span] = 0
        if not (true[0].any() and found[0].any()):
            return
    hop = max(1, round(window * (1 - overlap)))
    ours, theirs = bss_eval(true, found, window, hop), by_museval(museval, true, found, window, hop)
    # A single stem has no interference but museval's rounding.
    assert np.isnan(ours[2]).all() or stems > 1
    kept = [0, 1, 3] if stems == 1 else [0, 1, 2, 3]
    np.testing.assert_allclose(ours[kept], theirs[kept], rtol=0, atol=THREE_DECIMALS)


def test_stereo_that_is_mono_as_museval(museval: Any) -> None:
    """Two equal channels make the equations of the filters singular."""
    true = np.repeat(noise(0, 2, 1, 5000), 2, axis=1)
    found = true + 0.2 * true[::-1] + 0.1 * noise(1, 2, 2, 5000)
    np.testing.assert_allclose(
        bss_eval(true, found, 2000, 2000), by_museval(museval, true, found, 2000, 2000), atol=THREE_DECIMALS
    )


def test_order_of_the_stems_is_of_no_consequence_where_bands_are_empty() -> None:
    true = np.stack([lowpassed(noise(seed, 1, 20000)) for seed in (1, 2)])
    found = true + 0.2 * true[::-1] + 0.1 * noise(3, *true.shape)
    np.testing.assert_allclose(
        bss_eval(true, found, 8000, 8000), bss_eval(true[::-1], found[::-1], 8000, 8000)[:, ::-1], atol=0.05
    )


def lowpassed(samples: np.ndarray) -> np.ndarray:
    """Without the upper half of the band, and with the rounding of float32."""
    spectrum = np.fft.rfft(samples)
    spectrum[..., spectrum.shape[-1] // 2 :] = 0
    return np.fft.irfft(spectrum, samples.shape[-1]).astype(np.float32).astype(np.float64)


# --- by hand ----------------------------------------------------------------------------------------


def test_challenge_and_scale_invariant_sdr() -> None:
    """A tenth of the other stem's amplitude, equal energies: 20 dB, at any volume where scale is free."""
    true = noise(0, 2, 2, 4 * RATE)
    true[1] *= np.linalg.norm(true[0]) / np.linalg.norm(true[1])
    true[1] -= (true[0] * true[1]).sum() / (true[0] ** 2).sum() * true[0]
    true[1] *= np.linalg.norm(true[0]) / np.linalg.norm(true[1])
    measured = scores(true, true + 0.1 * true[::-1])
    assert measured["SDR_song"] == pytest.approx(20, abs=1e-6)
    assert measured["SI-SDR"] == pytest.approx(20, abs=1e-6)
    half = scores(true, 0.5 * (true + 0.1 * true[::-1]))
    assert half["SDR_song"] == pytest.approx(10 * math.log10(1 / (0.25 + 0.0025)), abs=1e-6)
    assert half["SI-SDR"] == pytest.approx(20, abs=1e-6)


def test_each_fault_has_its_measure() -> None:
    true = noise(5, 2, 2, 10 * RATE)
    bled = scores(true, true + 0.1 * true[::-1])
    assert bled["SIR"] == pytest.approx(20, abs=0.5)
    assert bled["SAR"] > 100
    assert bled["ISR"] > 30
    noisy = scores(true, true + 0.1 * noise(6, *true.shape))
    assert noisy["SAR"] == pytest.approx(20, abs=0.5)
    assert noisy["SIR"] > 30
    quieter = scores(true, 0.9 * true)
    assert quieter["ISR"] == pytest.approx(20, abs=1e-6)
    assert quieter["SDR"] == pytest.approx(20, abs=1e-6)


def test_a_perfect_stem_is_told_apart_from_one_that_could_not_be_measured(
    tmp_path: Path, true: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    reference = write(tmp_path / "true", true)
    evaluate_stems(reference, write(tmp_path / "found", estimated(true) | {"drums": true["drums"]}))
    assert caplog.text.count("no error at all") == 1
    assert "drums of" in caplog.text


def test_perfect_stems_have_no_finite_ratio() -> None:
    true = noise(0, 2, 1, 2 * RATE)
    measured = scores(true, true)
    assert measured["SDR"] is None
    assert measured["SI-SDR"] is None
    assert measured["SDR_song"] == pytest.approx(10 * math.log10((true[0] ** 2).sum() / 1e-7), abs=0.1)


def test_median_leaves_silent_frames_out_for_all() -> None:
    """Of five seconds one is silent in one reference and one in one estimate."""
    true = noise(0, 2, 1, 5 * RATE)
    errors = 0.1 * noise(1, *true.shape)
    errors[:, :, : 2 * RATE] *= 10
    found = true + errors
    true[0, :, :RATE] = 0
    found[1, :, RATE : 2 * RATE] = 0
    frames = bss_eval(true, found, RATE, RATE)
    assert np.isnan(frames[:, :, :2]).all()
    assert np.isfinite(frames[:, :, 2:]).all()
    measured = scores(true, found)
    assert measured["stems"]["stem0"]["SDR"] == pytest.approx(np.median(frames[0, 0, 2:]))
    assert measured["SDR"] == pytest.approx(20, abs=0.5)


def test_silent_estimate_makes_no_mean_better() -> None:
    true = noise(0, 3, 1, 3 * RATE)
    found = true + 0.1 * noise(1, *true.shape)
    whole = scores(true, found)
    found[2] = 0
    measured = scores(true, found)
    assert measured["stems"]["stem2"] == {**dict.fromkeys(MEANINGS), "SDR_song": pytest.approx(0)}
    assert measured["stems"]["stem0"] == pytest.approx(whole["stems"]["stem0"])
    assert [measured[name] for name in (*BSS_EVAL, "SI-SDR")] == [None] * 5
    assert measured["SDR_song"] == pytest.approx(whole["SDR_song"] * 2 / 3, abs=0.1)


def test_silent_reference_is_no_hindrance_to_the_others() -> None:
    true = noise(0, 3, 1, 3 * RATE)
    true[2] = 0
    found = true + 0.1 * noise(1, *true.shape)
    measured = scores(true, found)
    alone = scores(true[:2], found[:2])
    assert measured["stems"]["stem2"]["SDR"] is None
    assert measured["stems"]["stem2"]["SDR_song"] < -60
    for name in (*BSS_EVAL, "SI-SDR"):
        assert measured[name] == pytest.approx(alone[name], abs=1e-6)


def test_all_silent() -> None:
    nothing = np.zeros((2, 1, RATE))
    measured = scores(nothing, nothing)
    assert [measured[name] for name in (*BSS_EVAL, "SI-SDR")] == [None] * 5
    assert measured["SDR_song"] == 0


@pytest.mark.parametrize("cuts", [(1, 2, 9000), (15873, 16384), tuple(range(500, 30000, 500))])
def test_pieces_are_of_no_consequence(cuts: tuple[int, ...]) -> None:
    true = noise(0, 2, 1, 30000)
    found = true + 0.1 * true[::-1] + 0.1 * noise(1, *true.shape)
    whole, pieces = scores(true, found), scores(true, found, cuts)
    for stem in whole["stems"]:
        assert pieces["stems"][stem] == pytest.approx(whole["stems"][stem], abs=1e-9)


def test_every_measure_is_explained() -> None:
    measured = scores(noise(0, 2, 1, RATE), noise(1, 2, 1, RATE))
    assert list(measured) == [*MEANINGS, "stems"]
    assert set(MAIN) <= set(MEANINGS)


# --- from files -------------------------------------------------------------------------------------


def write(folder: Path, stems: Mapping[str, np.ndarray], rate: int = RATE, suffix: str = ".wav") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in stems.items():
        soundfile.write(folder / f"{name}{suffix}", samples.T, rate)
    return folder


@pytest.fixture
def true() -> dict[str, np.ndarray]:
    return {name: noise(seed, 1, 3 * RATE) for seed, name in enumerate(("vocals", "drums", "other"))}


def estimated(true: Mapping[str, np.ndarray], error: float = 0.1) -> dict[str, np.ndarray]:
    return {name: samples + error * noise(9, *samples.shape) for name, samples in true.items()}


@pytest.fixture(autouse=True)
def _warnings_are_heard(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING):
        yield


def test_folders_in_any_format_and_of_a_run(tmp_path: Path, true: dict[str, np.ndarray]) -> None:
    reference = write(tmp_path / "true", true)
    write(reference, {"mixture": sum(true.values())})
    (reference / "notes.txt").write_text("recorded on a Monday")
    run = tmp_path / "run"
    write(run / "stems", {name.capitalize(): s for name, s in estimated(true).items()}, suffix=".flac")
    measured = evaluate_stems(reference, run)
    assert list(measured["stems"]) == ["drums", "other", "vocals"]
    assert measured["SDR_song"] == pytest.approx(20, abs=0.2)
    assert measured["SDR"] == pytest.approx(20, abs=0.2)
    json.dumps(measured, allow_nan=False)


@pytest.mark.data
def test_stem_file_and_accompaniment(data: Path, tmp_path: Path) -> None:
    streams = [decode(data / ROCK, stream=i).samples for i in range(5)]
    estimates = {"vocals": streams[4] + 0.01, "accompaniment": streams[1] + streams[2] + streams[3]}
    folder = tmp_path / "estimates"
    folder.mkdir()
    for name, samples in estimates.items():
        soundfile.write(folder / f"{name}.wav", samples.T, 44100, subtype="FLOAT")
    measured = evaluate_stems(data / ROCK, folder)
    assert set(measured["stems"]) == {"vocals", "accompaniment"}
    assert measured["stems"]["accompaniment"]["SDR_song"] > 80
    error = streams[4].size * 0.01**2
    energy = (streams[4].astype(np.float64) ** 2).sum()
    assert measured["stems"]["vocals"]["SDR_song"] == pytest.approx(10 * math.log10(energy / error), abs=0.01)


def test_missing_stem_counts_as_silent(
    tmp_path: Path, true: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    reference = write(tmp_path / "true", true)
    found = estimated(true)
    whole = evaluate_stems(reference, write(tmp_path / "whole", found))
    found["guitar"] = found.pop("other")
    measured = evaluate_stems(reference, write(tmp_path / "found", found))
    assert "no stem 'other'" in caplog.text
    assert "'guitar'" in caplog.text
    assert measured["SDR"] is None
    assert measured["SDR_song"] == pytest.approx(whole["SDR_song"] * 2 / 3, abs=0.1)
    assert measured["stems"]["vocals"] == pytest.approx(whole["stems"]["vocals"])


def test_small_differences_of_length_are_evened_out_and_said(
    tmp_path: Path, true: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    reference = write(tmp_path / "true", true)
    found = estimated(true)
    plain = evaluate_stems(reference, write(tmp_path / "plain", found))
    longer = {name: np.pad(s, ((0, 0), (0, 100)), constant_values=0.5) for name, s in found.items()}
    assert evaluate_stems(reference, write(tmp_path / "longer", longer)) == plain
    assert "100 samples" in caplog.text
    assert "longer" in caplog.text
    caplog.clear()
    shorter = {**found, "drums": found["drums"][:, :-4000]}
    measured = evaluate_stems(reference, write(tmp_path / "shorter", shorter))
    assert "4000 samples (0.500 s) shorter" in caplog.text
    assert measured["stems"]["drums"]["SDR_song"] < plain["stems"]["drums"]["SDR_song"] - 5
    assert measured["stems"]["vocals"]["SDR_song"] == plain["stems"]["vocals"]["SDR_song"]


def test_great_differences_of_length_are_refused(tmp_path: Path, true: dict[str, np.ndarray]) -> None:
    reference = write(tmp_path / "true", true)
    found = {name: np.tile(s, (1, 10)) for name, s in estimated(true).items()}
    with pytest.raises(FullscoreError, match=r"lasts 30.00 s, the reference 3.00 s"):
        evaluate_stems(reference, write(tmp_path / "found", found))


def test_another_sample_rate_is_resampled(
    tmp_path: Path, true: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    smooth = {name: lowpassed(samples) for name, samples in true.items()}
    reference = write(tmp_path / "true", smooth)
    twice = {}
    for name, samples in smooth.items():
        spectrum = np.fft.rfft(samples)
        twice[name] = 2 * np.fft.irfft(spectrum, 2 * samples.shape[-1])
    measured = evaluate_stems(reference, write(tmp_path / "found", twice, rate=2 * RATE))
    assert f"{2 * RATE} Hz" in caplog.text
    assert measured["SDR_song"] > 30


def test_channels_are_the_references(
    tmp_path: Path, true: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    found = {name: np.repeat(samples, 2, axis=0) for name, samples in estimated(true).items()}
    measured = evaluate_stems(write(tmp_path / "mono", true), write(tmp_path / "stereo", found))
    assert measured["SDR_song"] == pytest.approx(20, abs=0.2)
    assert "has 2 channels" in caplog.text
    spread = evaluate_stems(tmp_path / "stereo", tmp_path / "mono")
    assert spread["SDR_song"] == pytest.approx(20, abs=0.2)


def test_what_is_no_number_is_silenced(
    tmp_path: Path, true: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    found = estimated(true)
    found["drums"][0, 1000] = np.nan
    folder = tmp_path / "found"
    folder.mkdir()
    for name, samples in found.items():
        soundfile.write(folder / f"{name}.wav", samples.T, RATE, subtype="FLOAT")
    measured = evaluate_stems(write(tmp_path / "true", true), folder)
    assert measured["SDR_song"] == pytest.approx(20, abs=0.5)
    assert caplog.text.count("1 samples of 'drums.wav' are not numbers") == 1


def test_shorter_than_a_frame(tmp_path: Path, true: dict[str, np.ndarray]) -> None:
    short = {name: samples[:, :700] for name, samples in true.items()}
    measured = evaluate_stems(write(tmp_path / "true", short), write(tmp_path / "found", estimated(short)))
    assert all(isinstance(measured[name], float) for name in MEANINGS)


def test_window_and_hop(tmp_path: Path, true: dict[str, np.ndarray]) -> None:
    reference, estimate = write(tmp_path / "true", true), write(tmp_path / "found", estimated(true))
    song = evaluate_stems(reference, estimate, StemsSettings(window=10, hop=10))
    assert song["SDR"] == pytest.approx(song["SDR_song"], abs=1e-3)
    for window, hop in ((0, 0), (1, 2), (1, -1), (math.inf, 1), (math.nan, 1)):
        with pytest.raises(FullscoreError, match="window"):
            evaluate_stems(reference, estimate, StemsSettings(window=window, hop=hop))


def test_what_can_not_be_compared(tmp_path: Path, true: dict[str, np.ndarray]) -> None:
    reference = write(tmp_path / "true", true)

    def refused(side: Path, match: str) -> None:
        for pair in ((reference, side), (side, reference)):
            with pytest.raises(FullscoreError, match=match):
                evaluate_stems(*pair)

    refused(tmp_path / "nowhere", "no file or folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "has no stems")
    refused(reference / "vocals.wav", r"one file \(audio\)")
    refused(write(tmp_path / "others", {"guitar": true["drums"]}), "same name")
    twice = write(tmp_path / "twice", true)
    write(twice, {"drums": true["drums"]}, suffix=".flac")
    refused(twice, "two files of the stem 'drums'")
    (broken := tmp_path / "broken").mkdir()
    (broken / "vocals.wav").write_bytes(b"")
    refused(broken, "is empty")
    (broken / "vocals.wav").write_text("la la la")
    refused(broken, "not a recording")
