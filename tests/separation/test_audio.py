"""Every way a recording can come in: written here with PyAV and soundfile, read back by the real code."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from fullscore.errors import FullscoreError, Warn
from separation.audio import (
    Audio,
    AudioInfo,
    decode,
    decode_blocks,
    flac_writer,
    fold,
    probe,
    resample,
    shortcomings,
    write_flac,
)

RATE = 44100


def tone(seconds: float, rate: int = RATE, hz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def stereo(seconds: float, rate: int = RATE) -> np.ndarray:
    return np.stack([tone(seconds, rate), tone(seconds, rate, hz=660.0, level=0.25)])


def encode(path: Path, samples: np.ndarray, rate: int, codec: str, form: str = "fltp", **tags: str) -> Path:
    """Encode in the container that the suffix means; Vorbis by libsndfile, the rest by FFmpeg."""
    if codec == "vorbis":
        soundfile.write(path, samples.T, rate, format="OGG", subtype="VORBIS")
        return path
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=rate, layout=layout)
        source = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        source.sample_rate = rate
        size = stream.codec_context.frame_size or None
        resampler = av.AudioResampler(format=form, layout=layout, rate=rate, frame_size=size)
        for frame in (*resampler.resample(source), *resampler.resample(None)):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def loudest_hz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(spectrum.argmax() * rate / samples.size)


@pytest.mark.parametrize(
    ("name", "subtype", "precision"),
    [
        ("x.wav", "PCM_16", 2**-15),
        ("x.wav", "PCM_24", 2**-23),
        ("x.wav", "PCM_U8", 2**-7),
        ("x.wav", "FLOAT", 0.0),
        ("x.flac", "PCM_16", 2**-15),
        ("x.flac", "PCM_24", 2**-23),
        ("x.aiff", "PCM_24", 2**-23),
        ("x.wav", "DOUBLE", 2**-24),
    ],
)
def test_lossless_files_come_back_to_their_own_precision(
    tmp_path: Path, name: str, subtype: str, precision: float
) -> None:
    samples = stereo(0.5)
    soundfile.write(tmp_path / name, samples.T, RATE, subtype=subtype)
    audio = decode(tmp_path / name)
    assert audio.samples.shape == samples.shape
    assert np.abs(audio.samples - samples).max() <= precision


@pytest.mark.parametrize(
    ("name", "codec", "form", "rate"),
    [
        ("x.mp3", "libmp3lame", "fltp", 44100),
        ("x.ogg", "vorbis", "", 44100),
        ("x.opus", "libopus", "flt", 48000),
        ("x.m4a", "aac", "fltp", 44100),
        ("x.mp4", "aac", "fltp", 48000),
        ("x.mkv", "pcm_s16le", "s16", 44100),
        ("x.webm", "libopus", "flt", 48000),
    ],
)
def test_lossy_files_and_the_sound_of_films(
    tmp_path: Path, name: str, codec: str, form: str, rate: int
) -> None:
    path = encode(tmp_path / name, stereo(2.0, rate), rate, codec, form)
    audio = decode(path, RATE)
    assert audio.sample_rate == RATE
    assert audio.duration == pytest.approx(2.0, abs=0.05)
    middle = audio.samples[:, RATE // 2 : 3 * RATE // 2]
    assert loudest_hz(middle[0], RATE) == pytest.approx(440, abs=1)
    assert loudest_hz(middle[1], RATE) == pytest.approx(660, abs=1)
    assert np.sqrt(np.mean(middle[0] ** 2)) == pytest.approx(0.5 / 2**0.5, rel=0.05)


def test_the_encoder_delay_of_mp3_is_cut(tmp_path: Path) -> None:
    click = np.zeros((1, RATE), np.float32)
    click[0, RATE // 2 : RATE // 2 + 20] = 0.9
    audio = decode(encode(tmp_path / "x.mp3", click, RATE, "libmp3lame"), channels=1)
    assert abs(int(np.abs(audio.samples[0]).argmax()) - (RATE // 2 + 10)) < 30


def test_tags_and_length_without_decoding(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "x.mp3", stereo(1.5), RATE, "libmp3lame", title="Dear Prudence", artist="Ünïcode 🎵"
    )
    info = probe(path)
    assert (info.title, info.artist, info.sample_rate, info.channels) == (
        "Dear Prudence",
        "Ünïcode 🎵",
        RATE,
        2,
    )
    assert info.duration == pytest.approx(1.5, abs=0.06)


def test_tags_inside_the_ogg_stream(tmp_path: Path) -> None:
    path = tmp_path / "x.ogg"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        file.title, file.artist = "A title", "A band"
        file.write(tone(1.0))
    assert (probe(path).title, probe(path).artist) == ("A title", "A band")


@pytest.mark.parametrize(("rate", "subtype"), [(8000, "PCM_16"), (96000, "PCM_24"), (22050, "PCM_16")])
def test_any_rate_is_brought_to_the_asked_one(tmp_path: Path, rate: int, subtype: str) -> None:
    soundfile.write(tmp_path / "x.wav", tone(1.0, rate), rate, subtype=subtype)
    audio = decode(tmp_path / "x.wav")
    assert audio.samples.shape[0] == 2
    assert audio.samples.shape[1] == pytest.approx(RATE, abs=2)
    inside = slice(2000, RATE - 2000)
    assert np.abs(audio.samples[0] - tone(audio.duration)[: audio.samples.shape[1]])[inside].max() < 2e-3


def test_mono_is_duplicated_only_when_two_channels_are_asked_for(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", tone(0.2), RATE, subtype="FLOAT")
    two, own = decode(tmp_path / "x.wav"), decode(tmp_path / "x.wav", channels=None)
    assert two.channels == 2
    assert own.channels == 1
    np.testing.assert_array_equal(two.samples[0], own.samples[0])
    np.testing.assert_array_equal(two.samples[1], own.samples[0])


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_six_channels_fold_down_by_their_places(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"x.{form.lower()}"
    total = 1 + 2 * 0.5**0.5
    for place, (left, right) in enumerate(
        [(1, 0), (0, 1), (0.5**0.5, 0.5**0.5), (0, 0), (0.5**0.5, 0), (0, 0.5**0.5)]
    ):
        samples = np.zeros((1000, 6), np.float32)
        samples[:, place] = 0.5
        soundfile.write(path, samples, RATE, subtype="PCM_24", format=form)
        audio = decode(path)
        assert audio.samples[:, 500] == pytest.approx([0.5 * left / total, 0.5 * right / total], abs=1e-6)


def test_folding_down_can_not_clip() -> None:
    full = np.ones((6, 4), np.float32)
    names = ("FL", "FR", "FC", "LFE", "BL", "BR")
    assert fold(full, names, 2).max() <= 1 + 1e-6
    assert fold(full, ("",) * 6, 1).max() <= 1 + 1e-6


@pytest.mark.parametrize("block_s", [0.01, 0.37, 5.0])
def test_blocks_are_the_whole_cut_in_pieces(tmp_path: Path, block_s: float) -> None:
    soundfile.write(tmp_path / "x.wav", stereo(1.0, 48000).T, 48000)
    blocks = list(decode_blocks(tmp_path / "x.wav", block_s))
    assert all(block.samples.shape[1] == round(block_s * RATE) for block in blocks[:-1])
    joined = np.concatenate([block.samples for block in blocks], axis=1)
    np.testing.assert_array_equal(joined, decode(tmp_path / "x.wav").samples)


def test_resampling_keeps_time_and_length() -> None:
    click = np.zeros((2, 48000), np.float32)
    click[:, 12000] = 1
    resampled = resample(Audio(click, 48000), RATE)
    assert resampled.samples.shape == (2, RATE)
    assert int(resampled.samples[1].argmax()) == RATE // 4
    assert resample(resampled, RATE) is resampled


@pytest.mark.parametrize("length", [0, 1, 2, 30])
@pytest.mark.parametrize(("given", "asked"), [(22050, 44100), (96000, 16000), (8000, 44100)])
def test_a_few_samples_are_resampled_to_as_many_as_they_last(length: int, given: int, asked: int) -> None:
    resampled = resample(Audio(np.ones((2, length), np.float32), given), asked)
    assert resampled.samples.shape == (2, round(length * asked / given))
    assert np.abs(resampled.samples).max(initial=0) < 1.5


def into(warnings: list[str]) -> Warn:
    """A warn callable that keeps the sentences."""
    return lambda message: warnings.append(str(message))


def test_what_a_recording_lacks_is_told() -> None:
    def told(samples: np.ndarray, rate: int = RATE, channels: int = 1) -> tuple[str, ...]:
        return tuple(
            map(str, shortcomings("x", AudioInfo(None, rate, channels, "", ""), Audio(samples, RATE)))
        )

    sound = tone(2.0).astype(np.float32)[None]
    assert told(sound) == ()
    assert ["silent" in text for text in told(1e-6 * sound)] == [True]
    assert ["0.2 s" in text for text in told(sound[:, : RATE // 5])] == [True]
    assert ["8000 Hz" in text for text in told(sound, 8000)] == [True]
    assert ["6 channels" in text for text in told(sound, channels=6)] == [True]


def test_silence_and_a_fifth_of_a_second_are_sound_too(tmp_path: Path) -> None:
    warnings: list[str] = []
    soundfile.write(tmp_path / "x.wav", np.zeros(RATE), RATE)
    soundfile.write(tmp_path / "y.wav", tone(0.2), RATE)
    assert not decode(tmp_path / "x.wav", warn=into(warnings)).samples.any()
    assert decode(tmp_path / "y.wav", warn=into(warnings)).duration == pytest.approx(0.2)
    assert warnings == []


def test_samples_that_are_no_numbers_become_silence_and_are_reported(tmp_path: Path) -> None:
    warnings: list[str] = []
    samples = tone(0.5)
    samples[[100, 200, 300]] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "x.wav", samples, RATE, subtype="FLOAT")
    audio = decode(tmp_path / "x.wav", channels=None, warn=into(warnings))
    assert not audio.samples[0, [100, 200, 300]].any()
    assert audio.samples[0, 400] == samples[400]
    assert len(warnings) == 1
    assert warnings[0].startswith("3 samples of 'x.wav'")


def test_a_clipped_recording_is_reported(tmp_path: Path) -> None:
    warnings: list[str] = []
    soundfile.write(tmp_path / "x.wav", np.clip(4 * tone(1.0), -1, 1), RATE)
    decode(tmp_path / "x.wav", warn=into(warnings))
    assert len(warnings) == 1
    assert "clipped" in warnings[0]


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.aiff"])
def test_a_truncated_recording_gives_what_there_is_and_says_so(tmp_path: Path, name: str) -> None:
    path, warnings = tmp_path / name, list[str]()
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, (10 * RATE, 2)), RATE)
    os.truncate(path, path.stat().st_size // 2)
    audio = decode(path, warn=into(warnings))
    assert 4.5 < audio.duration < 5.5
    assert any("ends early" in warning for warning in warnings)


def test_a_damaged_middle_is_passed_over(tmp_path: Path) -> None:
    path, warnings = encode(tmp_path / "x.mp3", stereo(4.0), RATE, "libmp3lame"), list[str]()
    content = bytearray(path.read_bytes())
    content[20000:24000] = bytes(4000)
    path.write_bytes(content)
    audio = decode(path, warn=into(warnings))
    assert audio.duration > 3
    assert warnings


@pytest.mark.parametrize(
    "name",
    ["with space.mp3", 'it\'s "quoted".mp3', "🎵.mp3", "-x.mp3", "concat:a.mp3", "http:x.mp3", "a%03d?.mp3"],
)
def test_strange_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = encode(tmp_path / "plain.mp3", stereo(0.5), RATE, "libmp3lame")
    shutil.copy(plain, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (Path(name), tmp_path / name):
        np.testing.assert_array_equal(decode(path).samples, decode(plain).samples)


def bad_files(folder: Path) -> Iterator[tuple[Path, str]]:
    yield folder / "absent.mp3", "there is no file"
    yield folder, "is not a file"
    (folder / "empty.mp3").touch()
    yield folder / "empty.mp3", "is empty"
    (folder / "text.mp3").write_text("These are words, not sound.\n" * 200)
    yield folder / "text.mp3", "can"
    (folder / "note.mp3").write_text("x")
    yield folder / "note.mp3", "recording"
    soundfile.write(folder / "none.wav", np.zeros((0, 2)), RATE)
    yield folder / "none.wav", "no sound"
    with av.open(str(folder / "film.mp4"), "w") as film:
        picture = film.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p")
        for _ in range(5):
            film.mux(
                picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24"))
            )
        film.mux(picture.encode(None))
    yield folder / "film.mp4", "has no sound in it"


def test_what_is_not_a_recording_is_one_clear_sentence(tmp_path: Path) -> None:
    for path, words in bad_files(tmp_path):
        with pytest.raises(FullscoreError, match=words) as caught:
            decode(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", tone(0.1), RATE)
    (tmp_path / "x.wav").chmod(0)
    with pytest.raises(FullscoreError, match="permission"):
        decode(tmp_path / "x.wav")


def test_flac_keeps_24_bits_and_sums(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    stems = [Audio(random.uniform(-0.3, 0.3, (2, 5000)).astype(np.float32), RATE) for _ in range(3)]
    for number, stem in enumerate(stems):
        write_flac(stem, tmp_path / f"{number}.flac")
    back = [decode(tmp_path / f"{number}.flac") for number in range(3)]
    assert max(np.abs(a.samples - b.samples).max() for a, b in zip(stems, back, strict=True)) <= 2**-24
    difference = sum(stem.samples for stem in stems) - sum(stem.samples for stem in back)
    assert np.abs(difference).max() <= 4 * 2**-24


def test_flac_clips_what_it_can_not_hold_and_says_so(tmp_path: Path) -> None:
    warnings: list[str] = []
    write_flac(
        Audio(np.array([[0.5, 1.5, -2.0, 1.0]], np.float32), RATE), tmp_path / "x.flac", into(warnings)
    )
    assert decode(tmp_path / "x.flac", channels=None).samples[0] == pytest.approx([0.5, 1, -1, 1], abs=2**-22)
    assert warnings == ["2 samples of 'x.flac' were beyond full scale and are clipped"]


def test_flac_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"

    def cancelled() -> None:
        with flac_writer(path, RATE, 2) as write:
            write(Audio(stereo(0.1), RATE))
            raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError, match="cancelled"):
        cancelled()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_sentence(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(2).uniform(-1, 1, (2, RATE)).astype(np.float32)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(FullscoreError, match="room on the disk"):
            write_flac(Audio(noise, RATE), tmp_path / "x.flac")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
