"""What the page plays: the recording, its stems and the score as sound, cut into pieces of equal length.

Browsers can't keep several long recordings together: media elements drift apart by tens of milliseconds,
and decoded whole, six tracks of five minutes take 600 MB. So the player (``static/player.js``) fetches
pieces of a few seconds and puts them on one clock. FLAC keeps each piece as long as it is to the sample, so
that they join without a gap, and is a third of the bytes of plain samples.

Conventions: all pieces are stereo or mono at ``SAMPLE_RATE`` with 16 bits; the n-th begins ``n * PIECE_S``
after the start. What is made for the page alone is kept in ``VIEW_FOLDER`` in the song's folder, beside
what a run leaves. Only names that :func:`track_list` gives are looked up: no path is made from a visitor's
text.
"""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from notation.instruments import VOICINGS, voicing_of
from pipeline.workspace import STEMS_FOLDER
from separation.audio import SAMPLE_RATE, decode_blocks, flac_writer, probe
from ui.synth import SCORE_MIDI, VIEW_FOLDER, score_audio

PIECE_S = 5
BLOCK_S = 10.0
RECORDING, SCORE = "song", "score"
_MIX = "mix"  # the one stem of a song that wasn't separated: the recording itself

_converting = threading.Lock()


class UnknownTrackError(LookupError):
    """There is no such track, or no such piece of it."""


def track_list(made: Path, song: Path) -> dict[str, Any]:
    """The tracks that can be played of the song in ``made`` so far, in the order of a mixer.

    ``duration`` and ``piece`` are in seconds, ``rate`` in Hz. A track's ``version`` changes with its sound.
    """
    report = made / "report.json"
    told = json.loads(report.read_text(encoding="utf-8"))["song"]["duration"] if report.is_file() else None
    tracks = [_track(RECORDING, "Recording", song)]
    tracks += [_track(path.stem, voicing_of(path.stem).name, path) for path in _stems(made)]
    if report.is_file() and (made / SCORE_MIDI).is_file():
        tracks.append(_track(SCORE, "Score, synthesised", report))
    return {
        "duration": told or probe(song).duration or 0.0,
        "piece": PIECE_S,
        "rate": SAMPLE_RATE,
        "tracks": tracks,
    }


def piece(made: Path, song: Path, track: str, number: int) -> bytes:
    """A piece of a track, as FLAC. Raises UnknownTrackError for any that isn't there."""
    with soundfile.SoundFile(_file(made, song, track)) as file:
        start = number * PIECE_S * SAMPLE_RATE
        if not 0 <= start < file.frames:
            raise UnknownTrackError(f"'{track}' has no piece {number}")
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
    found = [path for path in (made / STEMS_FOLDER).glob("[!.]*.flac") if path.stem != _MIX]
    return sorted(found, key=lambda path: (order.index(path.stem) if path.stem in order else 99, path.stem))


def _file(made: Path, song: Path, track: str) -> Path:
    """The FLAC file of a track at ``SAMPLE_RATE``."""
    if track == RECORDING:
        return _converted(song, made / VIEW_FOLDER / "song.flac")
    if track == SCORE and (made / SCORE_MIDI).is_file() and (made / "report.json").is_file():
        return score_audio(made)
    for path in _stems(made):
        if path.stem == track:
            return path
    raise UnknownTrackError(f"there is no track '{track}'")


def _converted(song: Path, flac: Path) -> Path:
    with _converting:
        if not flac.is_file():
            flac.parent.mkdir(parents=True, exist_ok=True)
            with flac_writer(flac, SAMPLE_RATE, 2, warn=lambda message: None) as write:
                for block in decode_blocks(song, BLOCK_S, SAMPLE_RATE, 2, warn=lambda message: None):
                    write(block)
    return flac
