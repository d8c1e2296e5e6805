"""The score as sound beside the recording: each written note when the recording plays it.

Task: let an ear compare what is written with what was played. Method: the notes of ``score.mid`` are moved
score time to the recording's by the beats in ``report.json``, and each is an additive tone: a table of a
few harmonics read at the note's frequency, struck and decaying, or held where the instrument holds its
tone. Drums are a falling sine, a burst of noise, or both.

This is no orchestra. A SoundFont would sound better, but the one at hand is six megabytes under the GPL,
and its player has a single maintainer and wants an audio driver; pitch, rhythm and part can be told from
this.

Conventions: mono FLAC at the stems' rate, as long as the recording. The file is named after what it is made
from, kept beside the other files that are for the page alone, and made anew when the score or its beats
change.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mido
import numpy as np
import numpy.typing as npt

from fullscore.errors import FullscoreError
from separation.audio import SAMPLE_RATE, Audio, write_flac
from transcription.beatgrid import extended

VIEW_FOLDER = ".view"
SCORE_MIDI = "score.mid"
DRUM_CHANNEL = 9
PEAK = 0.7  # of full scale
RELEASE_S = 0.06
ATTACK_S = 0.004
SHORTEST_S = 0.05
TABLE = 4096  # samples in a period
HARMONICS = 12
DULL = 2.2  # the n-th harmonic of the tone that lasts has 1 / n ** DULL of the first
BRIGHT = 1.1
"""And so the one that is struck with it."""
DECAY_S, BRIGHT_DECAY_S = 1.2, 0.25  # to 1 / e, at middle C
HELD_PROGRAMS = (range(16, 24), range(40, 80))
"""General MIDI programs, from 0, that hold their tone: organs; strings, voices, brass and winds."""

Samples = npt.NDArray[np.float32]

_rendering = threading.Lock()


@dataclass(frozen=True, slots=True)
class PlayedNote:
    """A note of the score in the recording's time (seconds). ``program`` is None for drums."""

    onset: float
    offset: float
    pitch: int
    velocity: int
    program: int | None


def score_audio(made: Path) -> Path:
    """The score of the song in ``made`` as a FLAC file. Raises FullscoreError where there is none."""
    report, midi = read_report(made), (made / SCORE_MIDI)
    key = json.dumps([report["score_time"], report["song"]["duration"]]).encode() + midi.read_bytes()
    path = made / VIEW_FOLDER / f"score-{hashlib.sha256(key).hexdigest()[:16]}.flac"
    with _rendering:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            for old in path.parent.glob("score-*.flac"):
                old.unlink(missing_ok=True)
            sound = render(played_notes(made), report["song"]["duration"])
            write_flac(Audio(sound[None], SAMPLE_RATE), path)
    return path


def seconds_of(made: Path, quarters: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """When places of the score (quarters from its first bar line) are played, in seconds of the recording."""
    beats = read_report(made)["score_time"]
    return extended(quarters, np.array(beats["quarters"]), np.array(beats["seconds"]))


def read_report(made: Path) -> dict[str, Any]:
    """The report of a finished song. Raises FullscoreError where it tells no times of the score's beats."""
    try:
        report: dict[str, Any] = json.loads((made / "report.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise FullscoreError("this song has no finished score", "wait for it") from error
    if not report.get("score_time"):
        raise FullscoreError("an earlier version made this score, without its times", "transcribe it again")
    return report


def played_notes(made: Path) -> list[PlayedNote]:
    """The notes of ``score.mid``, when the recording plays them."""
    file = mido.MidiFile(made / SCORE_MIDI)
    notes: list[tuple[int, int, int, int, int | None]] = []
    for track in file.tracks:
        tick, program = 0, 0
        sounding: dict[tuple[int, int], tuple[int, int]] = {}
        for message in track:
            tick += message.time
            if message.type == "program_change":
                program = message.program
            elif message.type in ("note_on", "note_off"):
                place = (message.channel, message.note)
                if place in sounding:
                    start, velocity = sounding.pop(place)
                    kind = None if message.channel == DRUM_CHANNEL else program
                    notes.append((start, tick, message.note, velocity, kind))
                if message.type == "note_on" and message.velocity:
                    sounding[place] = (tick, message.velocity)
    if not notes:
        return []
    ticks = np.array([note[:2] for note in notes]) / file.ticks_per_beat
    times = seconds_of(made, ticks.ravel()).reshape(-1, 2)
    return [
        PlayedNote(float(start), float(end), pitch, velocity, program)
        for (start, end), (_, _, pitch, velocity, program) in zip(times, notes, strict=True)
    ]


def render(notes: list[PlayedNote], duration_s: float) -> Samples:
    """``notes`` as sound of so many seconds: shape ``(samples,)``."""
    length = max(1, round(duration_s * SAMPLE_RATE))
    sound = np.zeros(length, np.float32)
    for note in notes:
        tone = _drum(note.pitch) if note.program is None else _tone(note)
        start = round(note.onset * SAMPLE_RATE)
        if start < 0:
            tone, start = tone[-start:], 0
        tone = tone[: max(length - start, 0)]
        sound[start : start + len(tone)] += tone * np.float32((note.velocity / 127) ** 1.5)
    peak = float(np.abs(sound).max())
    return sound * np.float32(PEAK / peak) if peak > 0 else sound


def _table(fall: float, harmonics: int) -> Samples:
    phase = np.arange(TABLE) * (2 * np.pi / TABLE)
    return sum((np.sin(n * phase) / n**fall for n in range(1, harmonics + 1)), start=np.zeros(TABLE)).astype(
        np.float32
    )


_TABLES = {
    (fall, harmonics): _table(fall, harmonics)
    for fall in (DULL, BRIGHT)
    for harmonics in range(1, HARMONICS + 1)
}


def _tone(note: PlayedNote) -> Samples:
    hz = 440.0 * 2.0 ** ((note.pitch - 69) / 12)
    seconds = max(note.offset - note.onset, SHORTEST_S) + RELEASE_S
    time = np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    harmonics = int(np.clip(0.45 * SAMPLE_RATE / hz, 1, HARMONICS))  # none beyond half the rate
    places = (np.arange(len(time)) * (hz / SAMPLE_RATE * TABLE)).astype(np.int64) % TABLE
    dull, bright = _TABLES[DULL, harmonics][places], _TABLES[BRIGHT, harmonics][places]
    if any(note.program in held for held in HELD_PROGRAMS):
        tone = 0.5 * dull + 0.15 * bright
        attack = 6 * ATTACK_S
    else:
        higher = 2.0 ** ((note.pitch - 60) / 24)  # high strings die sooner
        tone = dull * np.exp(-time * (higher / DECAY_S)) + 0.5 * bright * np.exp(
            -time * (higher / BRIGHT_DECAY_S)
        )
        attack = ATTACK_S
    tone *= np.minimum(np.minimum(time / attack, (time[-1] - time) / RELEASE_S), 1)
    return np.asarray(tone, np.float32)


def _drum(key: int) -> Samples:
    """A stroke: drums fall in pitch, the snare rattles, cymbals hiss."""
    random = np.random.default_rng(key)
    ring, hiss, hz = next((sound for keys, sound in _DRUMS if key in keys), (0.05, 0.05, 400.0))
    time = np.arange(round(max(5 * ring, 5 * hiss, 0.05) * SAMPLE_RATE)) / SAMPLE_RATE
    stroke = np.zeros(len(time))
    if ring:
        stroke += np.sin(2 * np.pi * hz * (time + 0.04 * (1 - np.exp(-time / 0.04)))) * np.exp(-time / ring)
    if hiss:
        noise = random.standard_normal(len(time))
        if not ring:
            noise = np.diff(noise, prepend=0.0)  # without the low end
        stroke += 0.3 * noise * np.exp(-time / hiss)
    return np.asarray(stroke * 0.9, np.float32)


# General MIDI percussion keys; seconds that skin and noise last (to 1 / e), and the pitch of the skin in Hz.
_DRUMS: tuple[tuple[tuple[int, ...], tuple[float, float, float]], ...] = (
    ((35, 36), (0.12, 0.0, 52.0)),
    ((38, 40), (0.06, 0.07, 180.0)),
    ((37, 39), (0.01, 0.02, 900.0)),
    ((42, 44), (0.0, 0.025, 0.0)),
    ((46,), (0.0, 0.12, 0.0)),
    ((49, 52, 55, 57), (0.0, 0.35, 0.0)),
    ((51, 53, 59), (0.0, 0.2, 0.0)),
    ((41, 43), (0.16, 0.0, 90.0)),
    ((45, 47), (0.14, 0.0, 130.0)),
    ((48, 50), (0.12, 0.0, 190.0)),
)
