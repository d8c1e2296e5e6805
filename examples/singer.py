"""A synthetic singer: syllables in eSpeak phonemes on given pitches and times.

Method: eSpeak NG speaks each syllable and reports when each phoneme starts; WORLD (Morise, Yokomori
and Ozawa, 2016) takes the recording apart into pitch, spectral envelope and aperiodicity. The frames
are laid out anew, 5 ms each: consonants at their own speed, the vowel stretched over its notes, pitch
replaced by the melody with glides and vibrato, and the whole song is resynthesised in one go.

Conventions: times in seconds, pitch as MIDI numbers. A note's onset is the start of its vowel, as
singers place it on the beat; the consonants before the vowel come earlier.
Limits: one vowel or diphthong per syllable; needs the shared library of eSpeak NG and ``pyworld``.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyworld

Floats = npt.NDArray[np.float64]

FRAME_S = 0.005
SPEECH_RATE = 130  # words per minute: slow enough for clear consonants
SPEECH_PITCH = 60  # eSpeak's scale; the envelope is cleanest from a middling voice
VOWELS = tuple("aeiouAEIOUV30@")  # how eSpeak's names of English vowels begin
LONGEST_CONSONANTS_S = 0.14
HOLD_FROM, HOLD_TO = 0.30, 0.45  # the part of a vowel that is stretched; diphthongs turn after it
GLIDE_S = 0.05
SCOOP_SEMITONES = 0.3  # a note is approached from slightly below
VIBRATO_HZ, VIBRATO_SEMITONES, VIBRATO_DELAY_S = 5.4, 0.3, 0.3


@dataclass(frozen=True, slots=True)
class Sung:
    """One syllable to sing: eSpeak phonemes, and (onset, pitch) of each of its notes, until ``offset``."""

    phonemes: str
    notes: tuple[tuple[float, float], ...]
    offset: float
    loudness: float = 1.0


@dataclass(frozen=True, slots=True)
class _Frames:
    """WORLD's analysis of a spoken syllable and the frames between which its vowel lies."""

    voiced: npt.NDArray[np.bool_]
    envelope: Floats
    aperiodicity: Floats
    vowel: tuple[int, int]


class _Event(ctypes.Structure):
    """eSpeak NG's ``espeak_EVENT``."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
_END_OF_LIST, _PHONEME = 0, 7
_SYNCHRONOUS, _PHONEME_EVENTS = 2, 1
_TEXT_IS_PHONEMES = 0x100 | 1
_RATE, _PITCH, _RANGE = 1, 3, 4


class Speaker:
    """eSpeak NG in this process: phonemes to samples and the start of each phoneme in seconds."""

    def __init__(self, voice: str) -> None:
        name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
        self._library = ctypes.CDLL(name)
        self.sample_rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS))
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"eSpeak NG has no voice '{voice}'")
        for parameter, value in ((_RATE, SPEECH_RATE), (_PITCH, SPEECH_PITCH), (_RANGE, 0)):
            self._library.espeak_SetParameter(parameter, value, 0)

    def __call__(self, phonemes: str) -> tuple[Floats, list[tuple[str, float]]]:
        chunks: list[npt.NDArray[np.int16]] = []
        starts: list[tuple[str, float]] = []

        def collect(samples: Any, count: int, events: Any) -> int:
            if count > 0:
                chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
            index = 0
            while events[index].type != _END_OF_LIST:
                if events[index].type == _PHONEME:
                    starts.append((events[index].name.decode(), events[index].sample / self.sample_rate))
                index += 1
            return 0

        callback = _Callback(collect)
        self._library.espeak_SetSynthCallback(callback)
        text = f"[[{phonemes}]]".encode()
        self._library.espeak_Synth(text, len(text) + 1, 0, 0, 0, _TEXT_IS_PHONEMES, None, None)
        return np.concatenate(chunks).astype(np.float64) / 32768, starts


def sing(
    syllables: Sequence[Sung], duration: float, voice: str, rng: np.random.Generator
) -> tuple[Floats, int]:
    """The song as mono samples of ``duration`` seconds, and their sample rate."""
    speaker = Speaker(voice)
    frames = [_analyse(speaker, syllable) for syllable in syllables]
    count = int(duration / FRAME_S)
    bins = frames[0].envelope.shape[1]
    pitch = np.zeros(count)
    envelope = np.full((count, bins), 1e-12)
    aperiodicity = np.ones((count, bins))
    free = 0  # the first frame that the syllables so far leave free
    for index, (syllable, spoken) in enumerate(zip(syllables, frames, strict=True)):
        following = syllables[index + 1].notes[0][0] if index + 1 < len(syllables) else duration
        next_head = frames[index + 1].vowel[0] if index + 1 < len(frames) else 0
        source, first = _layout(syllable, spoken, free, following - next_head * FRAME_S)
        where = slice(first, first + len(source))
        contour = _contour(syllable, (first + np.arange(len(source))) * FRAME_S, rng)
        nearest = np.round(source).astype(int)
        pitch[where] = np.where(spoken.voiced[nearest], 440.0 * 2 ** ((contour - 69) / 12), 0.0)
        envelope[where] = _at(spoken.envelope, source) * syllable.loudness**2
        aperiodicity[where] = spoken.aperiodicity[nearest]
        free = first + len(source)
    samples = pyworld.synthesize(pitch, envelope, aperiodicity, speaker.sample_rate, FRAME_S * 1000)
    return samples[: int(duration * speaker.sample_rate)], speaker.sample_rate


def _analyse(speaker: Speaker, syllable: Sung) -> _Frames:
    """Speak one syllable, find its vowel, cut overlong consonants, and bring the vowel to one level."""
    samples, starts = speaker(syllable.phonemes)
    rate = speaker.sample_rate
    coarse, times = pyworld.dio(samples, rate, frame_period=FRAME_S * 1000)
    pitch = pyworld.stonemask(samples, coarse, times, rate)
    envelope = pyworld.cheaptrick(samples, pitch, times, rate)
    aperiodicity = pyworld.d4c(samples, pitch, times, rate)
    named = [(name, start) for name, start in starts if name.strip("_:'")]
    vowel = next(i for i, (name, _) in enumerate(named) if name.startswith(VOWELS))
    ends = [start for _, start in starts if start > named[vowel][1]] or [len(samples) / rate]
    loud = np.flatnonzero(envelope.sum(axis=1) > 1e-4 * envelope.sum(axis=1).max())
    longest = int(LONGEST_CONSONANTS_S / FRAME_S)
    start, end = int(named[vowel][1] / FRAME_S), int(ends[0] / FRAME_S)
    first, last = max(loud[0], start - longest), min(loud[-1] + 1, end + longest, len(pitch))
    end = min(end, last)
    level = np.sqrt(envelope[start:end].sum(axis=1).mean())
    voiced = pitch > 0
    voiced[start:end] = True
    return _Frames(
        voiced[first:last],
        np.ascontiguousarray(envelope[first:last]) / level**2,
        np.ascontiguousarray(aperiodicity[first:last]),
        (start - first, end - first),
    )


def _layout(syllable: Sung, spoken: _Frames, free: int, latest: float) -> tuple[Floats, int]:
    """Which spoken frame sounds at each frame of the song, and the song's frame where that begins.

    The syllable ends by its offset, and by ``latest``, where the next one's consonants begin.
    """
    start, end = spoken.vowel
    tail = len(spoken.voiced) - end
    onset = round(syllable.notes[0][0] / FRAME_S)
    last = round(min(syllable.offset, latest) / FRAME_S)
    first = max(free, onset - start, 0)
    head = np.arange(start - (onset - first), start, dtype=np.float64)
    length = max(last - onset - tail, 4)
    hold_from, hold_to = start + HOLD_FROM * (end - start), start + HOLD_TO * (end - start)
    slack = length - (end - start)
    if slack <= 0:
        vowel = np.linspace(start, end - 1, length)
    else:
        held = round(hold_to - hold_from) + slack
        before = np.arange(start, hold_from)
        after = end - np.arange(length - len(before) - held, 0, -1)
        vowel = np.concatenate([before, np.linspace(hold_from, hold_to, held), after])
    coda = np.arange(end, end + tail, dtype=np.float64)
    return np.clip(np.concatenate([head, vowel, coda]), 0, len(spoken.voiced) - 1), first


def _contour(syllable: Sung, times: Floats, rng: np.random.Generator) -> Floats:
    """Pitch of each time: steps smoothed into glides, a scoop at the start, vibrato on held notes."""
    onsets = np.array([onset for onset, _ in syllable.notes])
    pitches = np.array([pitch for _, pitch in syllable.notes])
    contour = np.full(len(times), pitches[0], dtype=np.float64)
    for onset, step in zip(onsets[1:], np.diff(pitches), strict=True):
        contour += step / (1 + np.exp(-(times - onset) / (GLIDE_S / 6)))
    contour -= SCOOP_SEMITONES * np.exp(-np.maximum(times - onsets[0], 0) / GLIDE_S)
    since = times - onsets[np.maximum(np.searchsorted(onsets, times, side="right") - 1, 0)]
    depth = VIBRATO_SEMITONES * np.clip((since - VIBRATO_DELAY_S) / 0.3, 0, 1)
    rate = VIBRATO_HZ * rng.normal(1, 0.03)
    return np.asarray(contour + depth * np.sin(2 * np.pi * rate * since) + rng.normal(0, 0.03))


def _at(frames: Floats, positions: Floats) -> Floats:
    """Rows of ``frames`` at fractional positions, interpolated in the logarithm."""
    low = np.floor(positions).astype(int)
    high = np.minimum(low + 1, len(frames) - 1)
    share = (positions - low)[:, None]
    logs = np.log(np.maximum(frames, 1e-16))
    return np.asarray(np.exp(logs[low] * (1 - share) + logs[high] * share))
