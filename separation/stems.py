"""The stems of a song: one recording per source, of the same length and rate.

A separator is any callable ``(Audio, Progress) -> Stems``. Long songs go through it in overlapping
blocks that are cross-faded linearly, so that an hour of music needs no more memory than a few
minutes: at 44.1 kHz in stereo, LONGEST_CALL_S of sound are 106 MB and their four stems 423 MB (six:
635 MB). With four stems the whole process stays under 0.8 GB plus what the separator itself needs
for a block that long. Where the separator's stems add up to the mix, the cross-faded ones do too,
since both weights add up to one everywhere.

A song of at most LONGEST_CALL_S is exactly one call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from fullscore.engines import Progress, silent
from fullscore.errors import Warn
from separation.audio import Audio, Samples, decode_blocks, flac_writer, probe

logger = logging.getLogger(__name__)

LONGEST_CALL_S = 300.0
BLOCK_S = 200.0
"""Length of the blocks of a longer song. The last one may reach LONGEST_CALL_S, so that no block is
much shorter than BLOCK_S / 2: engines normalise and look for repetition within a block."""
OVERLAP_S = 10.0
READ_S = 20.0
"""Length of the pieces in which files are decoded."""


@dataclass(frozen=True, slots=True)
class Stems:
    """Named sources of one mix, e.g. vocals, drums, bass, other; all of one shape and sample rate."""

    by_name: Mapping[str, Audio]

    def __post_init__(self) -> None:
        if not self.by_name:
            raise ValueError("there is at least one stem")
        forms = {(audio.samples.shape, audio.sample_rate) for audio in self.by_name.values()}
        if len(forms) > 1:
            raise ValueError(f"stems have one shape and sample rate, not {sorted(forms)}")
        object.__setattr__(self, "by_name", MappingProxyType(dict(self.by_name)))

    def __getitem__(self, name: str) -> Audio:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)


Separator = Callable[[Audio, Progress], Stems]


def separate_in_blocks(
    separator: Separator,
    pieces: Iterable[Audio],
    total_s: float | None = None,
    progress: Progress = silent,
) -> Iterator[Stems]:
    """The stems of the sound made of consecutive ``pieces`` (of any length), as consecutive Stems.

    ``total_s`` is the length of the whole, for the progress. Memory is bounded as the module says.
    """
    tail: dict[str, Samples] = {}
    done_s = 0.0
    for block, is_last in _overlapping(pieces):
        stems = separator(block, _part(progress, done_s, block.duration, total_s))
        done_s += block.duration - OVERLAP_S
        del block
        # The separator keeps the block's time base but may choose its own sample rate.
        rate = next(iter(stems.by_name.values())).sample_rate
        overlap = round(OVERLAP_S * rate)
        if tail:
            yield Stems({name: Audio(faded(tail[name], stems[name].samples), rate) for name in stems})
        middle = slice(overlap if tail else 0, None if is_last else -overlap)
        finished = {name: Audio(stems[name].samples[:, middle], rate) for name in stems}
        tail = {name: stems[name].samples[:, -overlap:].copy() for name in stems}
        # Nothing but the tail of this block may stay in memory while the next one is separated.
        del stems
        yield Stems(finished)
        del finished


def separate_to_files(
    separator: Separator,
    path: Path,
    folder: Path,
    progress: Progress = silent,
    *,
    warn: Warn = logger.warning,
) -> dict[str, Path]:
    """Separate the recording at ``path`` into ``folder/<stem>.flac``; returns the path of each stem.

    The files appear together when all are complete; an error or a cancel leaves none. Raises
    FullscoreError if the recording can't be read or the folder not written to.
    """
    written: dict[str, Path] = {}
    with ExitStack() as files:
        writers: dict[str, Callable[[Audio], None]] = {}
        pieces = decode_blocks(path, READ_S, warn=warn)
        for stems in separate_in_blocks(separator, pieces, probe(path).duration, progress):
            for name, audio in stems.by_name.items():
                if name not in writers:
                    written[name] = folder / f"{name}.flac"
                    writer = flac_writer(written[name], audio.sample_rate, audio.channels, warn)
                    writers[name] = files.enter_context(writer)
                writers[name](audio)
            del stems, audio
    return written


def _overlapping(pieces: Iterable[Audio]) -> Iterator[tuple[Audio, bool]]:
    """Blocks that share OVERLAP_S with their neighbours, each with whether it is the last."""
    held: list[Samples] = []
    count = rate = 0
    for piece in pieces:
        held.append(piece.samples)
        count += piece.samples.shape[1]
        rate = piece.sample_rate
        # Above the limit there is enough for this block and a last one.
        while count > LONGEST_CALL_S * rate:
            joined = np.concatenate(held, axis=1)
            size = round(BLOCK_S * rate)
            rest = joined[:, size - round(OVERLAP_S * rate) :].copy()
            block = joined[:, :size].copy()
            held, count = [rest], rest.shape[1]
            del joined
            yield Audio(block, rate), False
            del block
    if held:
        joined = np.concatenate(held, axis=1)
        held.clear()
        yield Audio(joined, rate), True


def faded(before: Samples, after: Samples) -> Samples:
    """The overlap of two blocks: from the end of the earlier, ``before``, to the beginning of ``after``."""
    length = before.shape[1]
    weight = np.linspace(0, 1, length + 2, dtype=np.float32)[1:-1]
    return before + weight * (after[:, :length] - before)


def _part(progress: Progress, start_s: float, length_s: float, total_s: float | None) -> Progress:
    """The progress of one block as a share of the whole."""

    def report(fraction: float, message: str) -> None:
        reached = start_s + fraction * length_s
        progress(min(1.0, reached / max(total_s or 0.0, start_s + length_s)), message)

    return report
