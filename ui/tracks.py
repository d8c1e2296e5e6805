"""What the page plays: the recording, its stems and the score as sound, cut into pieces of equal length.

Browsers can't keep several long recordings together: media elements drift apart by tens of milliseconds,
and decoded whole, six tracks of five minutes take 600 MB. So the player (``static/player.js``) fetches pieces
of a few seconds and puts them on one clock. FLAC keeps each piece as long as it is to the sample, so that
they join without a gap, and is a third of the bytes of plain samples.

Conventions: the n-th piece begins ``n * PIECE_S`` after the start; pieces have ``SAMPLE_RATE`` and 16 bits.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from notation.instruments import VOICINGS, voicing_of
from pipeline.workspace import STEMS_FOLDER
from separation.audio import SAMPLE_RATE
from ui.synth import SCORE_MIDI

PIECE_S = 5
RECORDING, SCORE = "song", "score"
MIX = "mix"  # the one stem of a song that wasn't separated: the recording itself


class NoSuchPieceError(LookupError):
    """A track ends before this piece."""


def track_list(recording: Path, made: Path) -> dict[str, Any]:
    """The tracks that can be played so far, in the order of a mixer: the FLAC file ``recording``, and what is
    in the song's folder ``made``.

    ``duration`` and ``piece`` are in seconds, ``rate`` in Hz. A track's ``version`` changes with its sound.
    """
    if not recording.is_file():
        return {"duration": 0.0, "piece": PIECE_S, "rate": SAMPLE_RATE, "tracks": []}
    tracks = [_track(RECORDING, "Recording", recording)]
    tracks += [_track(path.stem, voicing_of(path.stem).name, path) for path in _stems(made)]
    if (made / SCORE_MIDI).is_file() and (made / "report.json").is_file():
        tracks.append(_track(SCORE, "Score, synthesised", made / "report.json"))
    duration = soundfile.info(recording).duration
    return {"duration": duration, "piece": PIECE_S, "rate": SAMPLE_RATE, "tracks": tracks}


def piece_of(track: Path, number: int) -> bytes:
    """A piece of a track's FLAC file, as FLAC. Raises NoSuchPieceError for one that isn't in it."""
    with soundfile.SoundFile(track) as file:
        start = number * PIECE_S * SAMPLE_RATE
        if not 0 <= start < file.frames:
            raise NoSuchPieceError(f"'{track.stem}' has no piece {number}")
        file.seek(start)
        samples = file.read(PIECE_S * SAMPLE_RATE, dtype="float32")
    written = io.BytesIO()
    soundfile.write(written, np.clip(samples, -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return written.getvalue()


def _track(name: str, label: str, file: Path) -> dict[str, str]:
    return {"name": name, "label": label, "version": str(file.stat().st_mtime_ns)}


def _stems(made: Path) -> list[Path]:
    """The stems, as a score orders their parts."""
    order = list(VOICINGS)
    found = [path for path in (made / STEMS_FOLDER).glob("[!.]*.flac") if path.stem != MIX]
    return sorted(found, key=lambda path: (order.index(path.stem) if path.stem in order else 99, path.stem))
