"""Sound as every stage passes it on: read from any recording, resampled, written as FLAC.

Decoding is PyAV's (the FFmpeg libraries inside its wheel; no ffmpeg program): wav, flac, mp3, ogg,
opus, m4a, aiff, the sound of mp4, webm and mkv, and whatever else those libraries know. Encoder
delay and padding are cut as the decoder does it, from the LAME header or the edit list.

Conventions: float32 samples of shape ``(channels, samples)``, nominally within -1 to 1; times in
seconds. Lossy files may decode to peaks beyond 1: they are kept.

Surround sound is folded down to stereo with the weights of ITU-R BS.775 (centre and surrounds at
-3 dB, no low-frequency channel), scaled so that it can't clip. What is wrong with a recording but
doesn't prevent its use (truncated, clipped, samples that are no numbers, damaged pieces) goes to
the ``warn`` callable, one sentence each; what prevents it is a FullscoreError.

FLAC is written with 24 bits: a sample is off by at most 2**-24, so N stems that add up to a mix
still do so to N * 2**-24 when read back. FLAC holds nothing beyond 1: louder samples are clipped,
and ``warn`` is told how many. (Turning the stems down instead would need a second pass, and would
no longer let them be compared with the mix.)

Limits: a gap in the timestamps of a damaged file is closed, not filled with silence; an m4a cut off
before its index has no sound that can be found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
import soundfile

from fullscore.errors import FullscoreError, Message, Warn, told
from fullscore.files import whole_file

logger = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]

SAMPLE_RATE = 44100
"""Hz; what the separators work at."""

GATHERED_S = 60.0
"""Length of the blocks that `decode` joins; of no consequence for the result."""

SILENT_LEVEL = 1e-4
"""A recording whose peak lies below this (-80 dB) holds nothing that was meant to be heard."""

SHORT_S = 1.0
DULL_HZ = 16000
"""A recording shorter than SHORT_S has no beat to find; one with a lower rate than DULL_HZ lacks
the overtones and consonants that notes and words are told by."""

CLIPPED_LEVEL = 0.999
CLIPPED_SHARE = 1e-3
"""More than this share of all samples at CLIPPED_LEVEL or beyond is called clipped; loud but sound
modern masters stay below it by an order of magnitude."""

EARLY_END_S = 0.5
EARLY_END_SHARE = 0.02
"""How much shorter than announced the sound may be; mp3 files without a header only estimate it."""

_FOLD_DOWN = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (0.5**0.5, 0.5**0.5),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "BL": (0.5**0.5, 0.0),
    "BR": (0.0, 0.5**0.5),
    "SL": (0.5**0.5, 0.0),
    "SR": (0.0, 0.5**0.5),
    "BC": (0.5, 0.5),
    "LFE": (0.0, 0.0),
}
"""Share of each loudspeaker's channel in left and right (ITU-R BS.775)."""

_UNNAMED_CHANNEL = (0.5, 0.5)
_USUAL_LAYOUT = {6: "5.1", 8: "7.1"}
"""What a file with that many unnamed channels means by them."""

RESAMPLED_AT_LEAST = 4096
"""Samples, many times the span of the resampler's filter at any usual pair of rates."""

WRITTEN_AT_ONCE = 1 << 19
"""Samples that are converted together."""

_FLAC_SCALE = float(2**23)
"""Full scale of 24-bit samples."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Sampled sound: ``samples`` float32 of shape ``(channels, samples)``, ``sample_rate`` in Hz."""

    samples: Samples
    sample_rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[0] < 1:
            raise ValueError(f"samples have shape (channels, samples), not {self.samples.shape}")
        if self.samples.dtype != np.float32:
            raise ValueError(f"samples are float32, not {self.samples.dtype}")
        if self.sample_rate <= 0:
            raise ValueError(f"a sample rate is positive, not {self.sample_rate}")

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1]) / self.sample_rate

    def mono(self) -> Audio:
        """The mean of the channels."""
        return Audio(self.samples.mean(axis=0, keepdims=True, dtype=np.float32), self.sample_rate)


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file says of itself. ``duration`` is None where it doesn't say; tags are "" where absent."""

    duration: float | None
    sample_rate: int
    channels: int
    title: str
    artist: str


def probe(path: Path) -> AudioInfo:
    """Read a recording's header without decoding it. Raises FullscoreError as `decode` does."""
    with _opened(path) as container:
        stream = _audio_stream(container, path, 0)
        tags = {key.lower(): value for key, value in {**container.metadata, **stream.metadata}.items()}
        return AudioInfo(
            duration=_announced_duration(container, stream),
            sample_rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
            title=tags.get("title", "").strip(),
            artist=(tags.get("artist") or tags.get("album_artist") or "").strip(),
        )


def decode(
    path: Path,
    sample_rate: int = SAMPLE_RATE,
    channels: int | None = 2,
    *,
    stream: int = 0,
    warn: Warn = logger.warning,
) -> Audio:
    """A whole recording in memory: 21 MB a minute at the default rate and two channels.

    ``channels`` is 1, 2 or None (as in the file); ``stream`` counts a file's sound streams, of which
    NI stem files have five. Raises FullscoreError if the file is missing, empty, unreadable, not a
    recording, or without sound.
    """
    blocks = decode_blocks(path, GATHERED_S, sample_rate, channels, stream=stream, warn=warn)
    return Audio(np.concatenate([block.samples for block in blocks], axis=1), sample_rate)


def decode_blocks(
    path: Path,
    block_s: float,
    sample_rate: int = SAMPLE_RATE,
    channels: int | None = 2,
    *,
    stream: int = 0,
    warn: Warn = logger.warning,
) -> Iterator[Audio]:
    """A recording as consecutive blocks of ``block_s`` seconds (the last one shorter), in the memory of one.

    Arguments and errors are those of `decode`; errors come when the first block is asked for.
    """
    if channels not in (1, 2, None):
        raise ValueError(f"channels are 1, 2 or None (as in the file), not {channels}")
    health = _Health()
    with _opened(path) as container:
        source = _audio_stream(container, path, stream)
        announced = _announced_duration(container, source)
        pieces = (
            health.checked(fold(piece, names, channels))
            for piece, names in _resampled(_frames(container, source, health), sample_rate)
        )
        for block in _reblocked(pieces, max(1, round(block_s * sample_rate))):
            yield Audio(block, sample_rate)
    if health.total == 0:
        raise FullscoreError(
            "'{path}' has no sound that can be decoded", "is it really a recording?", path=path
        )
    health.report(path, health.length / sample_rate, announced, warn)
    if _chunk_is_cut(path):
        warn(told("'{file}' ends early: its header announces more data than the file has", file=_alone(path)))


def shortcomings(name: str, info: AudioInfo, audio: Audio) -> tuple[Message, ...]:
    """What a whole recording called ``name`` lacks that a transcription needs."""
    found = []
    if max(audio.samples.max(initial=0.0), -audio.samples.min(initial=0.0)) < SILENT_LEVEL:
        found.append(told("'{name}' is silent: there is nothing to hear in it", name=name))
    if audio.duration < SHORT_S:
        found.append(
            told(
                "'{name}' lasts only {seconds:.2g} s: too short for its beats and key to mean much",
                name=name,
                seconds=audio.duration,
            )
        )
    if info.sample_rate < DULL_HZ:
        found.append(
            told(
                "'{name}' is sampled at {rate} Hz: all that sounds above {highest:g} Hz is missing",
                name=name,
                rate=info.sample_rate,
                highest=info.sample_rate / 2,
            )
        )
    if info.channels > 2:
        found.append(
            told(
                "'{name}' has {channels} channels, which are folded down to two",
                name=name,
                channels=info.channels,
            )
        )
    return tuple(found)


def resample(audio: Audio, sample_rate: int) -> Audio:
    """The same sound at another rate (Hz), as long as before to the nearest sample."""
    if audio.sample_rate == sample_rate:
        return audio
    length = round(audio.samples.shape[1] * sample_rate / audio.sample_rate)
    # FFmpeg's resampler gives nothing at all for less than the span of its filter.
    lacking = max(0, RESAMPLED_AT_LEAST - audio.samples.shape[1])
    rows = []
    for channel in np.pad(audio.samples, ((0, 0), (0, lacking))):
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channel[None]), format="fltp", layout="mono")
        frame.sample_rate = audio.sample_rate
        pieces = [out.to_ndarray() for out in (*resampler.resample(frame), *resampler.resample(None))]
        row = np.concatenate(pieces, axis=1)[0, :length]
        rows.append(np.pad(row, (0, length - row.size)))
    return Audio(np.stack(rows).astype(np.float32, copy=False), sample_rate)


def fold(samples: Samples, names: tuple[str, ...], channels: int | None) -> Samples:
    """Fold or spread channels called ``names`` (FFmpeg's: FL, FR, FC, LFE, ...) to 1, 2 or (None) as many."""
    given = samples.shape[0]
    if channels is None or channels == given:
        return samples
    if given > 2:
        weights = np.array([_FOLD_DOWN.get(name, _UNNAMED_CHANNEL) for name in names]).T
        samples = (weights / weights.sum(axis=1).max()).astype(np.float32) @ samples
    if channels == 1:
        return np.asarray(samples.mean(axis=0, keepdims=True, dtype=np.float32))
    return np.repeat(samples, 2, axis=0) if given == 1 else samples


def write_flac(audio: Audio, path: Path, warn: Warn = logger.warning) -> None:
    """Write 24-bit FLAC, whole or not at all. Raises FullscoreError if it can't be written."""
    with flac_writer(path, audio.sample_rate, audio.channels, warn) as write:
        write(audio)


@contextmanager
def flac_writer(
    path: Path, sample_rate: int, channels: int, warn: Warn = logger.warning
) -> Iterator[Callable[[Audio], None]]:
    """Write 24-bit FLAC block by block: yields the function that appends an Audio.

    The file is written beside ``path`` and renamed when the context ends well. Raises FullscoreError
    if the folder can't be written to or the disk is full.
    """
    clipped = written = 0
    with ExitStack() as files:
        with _writing(path):
            partial = files.enter_context(whole_file(path))
            file = files.enter_context(
                soundfile.SoundFile(partial, "w", sample_rate, channels, subtype="PCM_24", format="FLAC")
            )

        def write(audio: Audio) -> None:
            nonlocal clipped, written
            # A little at a time: the exact steps below need several times the memory of the samples.
            for start in range(0, audio.samples.shape[1], WRITTEN_AT_ONCE):
                piece = audio.samples[:, start : start + WRITTEN_AT_ONCE]
                scaled = np.rint(piece.T.astype(np.float64) * _FLAC_SCALE)
                clipped += int(np.count_nonzero(np.abs(scaled) > _FLAC_SCALE))
                scaled = np.clip(scaled, -_FLAC_SCALE, _FLAC_SCALE - 1)
                with _writing(path):
                    # soundfile takes the upper 24 bits of an int32; floats it would let overflow.
                    file.write((scaled * 256).astype(np.int32))
                written += piece.shape[1]

        yield write
        with _writing(path):
            file.close()
            _check_flac(partial, written)
    if clipped:
        warn(
            told(
                "{count} samples of '{file}' were beyond full scale and are clipped",
                count=clipped,
                file=_alone(path),
            )
        )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What prevents writing becomes a FullscoreError (soundfile asserts that a write was complete)."""
    try:
        yield
    except (OSError, soundfile.LibsndfileError, AssertionError) as error:
        raise FullscoreError(
            "could not write '{path}'", "is the folder writable, and is there room on the disk?", path=path
        ) from error


def _check_flac(path: Path, length: int) -> None:
    """Closing a FLAC file flushes its last frame without saying whether that worked: read it back."""
    with soundfile.SoundFile(path) as file:
        if file.frames != length:
            raise OSError(f"{file.frames} of {length} samples were written")
        if length:
            file.seek(length - 1)
            if len(file.read(1)) != 1:
                raise OSError("the last samples were not written")


class _Health:
    """Counts what is wrong with the samples that go by."""

    def __init__(self) -> None:
        self.total = self.length = self.damaged = self._not_finite = self._full_scale = 0

    def checked(self, samples: Samples) -> Samples:
        finite = np.isfinite(samples)
        if not finite.all():
            self._not_finite += int(samples.size - np.count_nonzero(finite))
            samples = np.where(finite, samples, np.float32(0))
        self._full_scale += int(np.count_nonzero(np.abs(samples) >= CLIPPED_LEVEL))
        self.total += samples.size
        self.length += samples.shape[1]
        return samples

    def report(self, path: Path, duration: float, announced: float | None, warn: Warn) -> None:
        def tell(problem: str, **details: float) -> None:
            warn(told(problem, file=_alone(path), **details))

        if announced and duration < announced * (1 - EARLY_END_SHARE) - EARLY_END_S:
            tell(
                "'{file}' ends early: it announces {announced:.1f} s, but has sound for {heard:.1f} s",
                announced=announced,
                heard=duration,
            )
        if self.damaged:
            tell(
                "'{file}' is damaged: {count} pieces of it could not be decoded and are left out",
                count=self.damaged,
            )
        if self._not_finite:
            tell(
                "{count} samples of '{file}' are not numbers or infinite and were set to zero",
                count=self._not_finite,
            )
        if self._full_scale > CLIPPED_SHARE * self.total:
            tell(
                "'{file}' is clipped: {share:.1%} of its samples are at full scale",
                share=self._full_scale / self.total,
            )


def _alone(path: Path) -> Path:
    """A file without the folder that it is in: what is told of a recording goes with it into its report."""
    return Path(path.name)


@contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    """The file as a PyAV container; every reason why it can't be one becomes a FullscoreError."""
    if not path.exists():
        raise FullscoreError("there is no file '{path}'", "check the name and the folder", path=path)
    if not path.is_file():
        raise FullscoreError("'{path}' is not a file", "name a recording", path=path)
    try:
        if path.stat().st_size == 0:
            raise FullscoreError("'{path}' is empty", "download or export it again", path=path)
        # The explicit protocol keeps names such as "concat:a" or "-x" from meaning something else.
        container = av.open(f"file:{path.absolute()}", metadata_errors="replace")
    except PermissionError as error:
        raise FullscoreError("'{path}' can't be read: you lack the permission to", path=path) from error
    except (av.error.FFmpegError, OSError) as error:
        reason = "" if isinstance(error, av.error.InvalidDataError) else f" ({error.strerror})"
        raise FullscoreError(
            "'{path}' is not a recording in a format that can be read{reason}",
            "convert or export it again",
            path=path,
            reason=reason,
        ) from error
    with container:
        yield container


def _audio_stream(
    container: av.container.InputContainer, path: Path, index: int
) -> av.audio.stream.AudioStream:
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if not streams:
        raise FullscoreError("'{path}' has no sound in it", "choose a file with an audio track", path=path)
    if index >= len(streams):
        raise FullscoreError(
            "'{path}' has {count} sound streams, none with the number {index}",
            path=path,
            count=len(streams),
            index=index,
        )
    return streams[index]


def _announced_duration(
    container: av.container.InputContainer, stream: av.audio.stream.AudioStream
) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(container.duration / av.time_base) if container.duration else None


def _chunk_is_cut(path: Path) -> bool:
    """Whether a wav or aiff file is shorter than its outer chunk, which FFmpeg takes without a word."""
    with path.open("rb") as file:
        header = file.read(8)
    order: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"FORM": "big"}
    if header[:4] not in order:
        return False
    size = int.from_bytes(header[4:8], order[header[:4]])
    # Writers that stream leave the largest number where the size should be.
    return size < 2**32 - 2**16 and size + 8 > path.stat().st_size + 1


def _frames(
    container: av.container.InputContainer, stream: av.audio.stream.AudioStream, health: _Health
) -> Iterator[av.AudioFrame]:
    """Every frame that decodes; pieces that don't are counted and passed over."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:
            # What follows a place that can't be demuxed can't be found.
            health.damaged += 1
            return
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            health.damaged += 1


def _resampled(
    frames: Iterable[av.AudioFrame], sample_rate: int
) -> Iterator[tuple[Samples, tuple[str, ...]]]:
    """Float samples at the asked rate with the names of their channels.

    Joined files can change their form halfway; each stretch of one form has a resampler of its own.
    """
    form = None
    resampler = av.AudioResampler(format="fltp", rate=sample_rate)
    names: tuple[str, ...] = ()
    for frame in frames:
        frame.pts = None
        current = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form not in (None, current):
            yield from ((out.to_ndarray(), names) for out in resampler.resample(None))
            resampler = av.AudioResampler(format="fltp", rate=sample_rate)
        form, names = current, _channel_names(frame.layout)
        yield from ((out.to_ndarray(), names) for out in resampler.resample(frame))
    if form is not None:
        yield from ((out.to_ndarray(), names) for out in resampler.resample(None))


def _channel_names(layout: av.AudioLayout) -> tuple[str, ...]:
    names = tuple(channel.name for channel in layout.channels)
    if not set(names) & set(_FOLD_DOWN) and len(names) in _USUAL_LAYOUT:
        return tuple(channel.name for channel in av.AudioLayout(_USUAL_LAYOUT[len(names)]).channels)
    return names


def _reblocked(pieces: Iterable[Samples], size: int) -> Iterator[Samples]:
    """The same samples in blocks of ``size``, the last one shorter."""
    held: list[Samples] = []
    count = 0
    for piece in pieces:
        # With as many channels as the first, should a joined file change its mind.
        held.append(fold(piece, ("",) * piece.shape[0], held[0].shape[0]) if held else piece)
        count += piece.shape[1]
        while count >= size:
            joined = np.concatenate(held, axis=1)
            yield joined[:, :size]
            held, count = [joined[:, size:].copy()], count - size
    if count:
        yield np.concatenate(held, axis=1)
