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
LONGEST_CONSONANTS_S = 0.09  # before and after the vowel: sung consonants are shorter than spoken ones
CONSONANT_SHARE = 0.4  # at most, of the time from one vowel to the next
HOLD_FROM, HOLD_TO = 0.30, 0.45  # the part of a vowel that is stretched; diphthongs turn after it
GLIDE_S = 0.05
LEGATO_S = 0.1  # a shorter gap joins two syllables: the second's consonants begin on the first's pitch
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
    onsets = [round(syllable.notes[0][0] / FRAME_S) for syllable in syllables]
    head, end = min(frames[0].vowel[0], onsets[0]), 0
    for index, (syllable, spoken) in enumerate(zip(syllables, frames, strict=True)):
        onset = onsets[index]
        last = round(syllable.offset / FRAME_S)
        next_head, tail = 0, len(spoken.voiced) - spoken.vowel[1]
        if index + 1 < len(syllables):
            next_head = frames[index + 1].vowel[0]
            between = onsets[index + 1] - onsets[index]
            squeeze = min(1.0, CONSONANT_SHARE * between / max(next_head + tail, 1))
            next_head, tail = int(squeeze * next_head), int(squeeze * tail)
            last = min(last, onsets[index + 1] - next_head)
        source = _layout(spoken, head, last - tail - onset, tail)
        where = slice(onset - head, onset - head + len(source))
        joined = index > 0 and where.start - end < LEGATO_S / FRAME_S
        before = syllables[index - 1].notes[-1][1] if joined else syllable.notes[0][1]
        contour = _contour(syllable, before, np.arange(where.start, where.stop) * FRAME_S, rng)
        nearest = np.round(source).astype(int)
        pitch[where] = np.where(spoken.voiced[nearest], 440.0 * 2 ** ((contour - 69) / 12), 0.0)
        envelope[where] = _at(spoken.envelope, source) * syllable.loudness**2
        aperiodicity[where] = spoken.aperiodicity[nearest]
        head, end = next_head, where.stop
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


def _layout(spoken: _Frames, head: int, vowel: int, tail: int) -> Floats:
    """Which spoken frame sounds at each frame of the song: so many for the consonants before the vowel,
    for the vowel and for the consonants after it."""
    start, end = spoken.vowel
    held = vowel - (end - start)
    if held <= 0:
        middle = np.linspace(start, end - 1, vowel)
    else:
        hold_from, hold_to = (round(start + share * (end - start)) for share in (HOLD_FROM, HOLD_TO))
        middle = np.concatenate(
            [
                np.arange(start, hold_from),
                np.linspace(hold_from, hold_to, held + hold_to - hold_from, endpoint=False),
                np.arange(hold_to, end),
            ]
        )
    before = np.linspace(0, start, head, endpoint=False)
    after = np.linspace(end, len(spoken.voiced) - 1, tail)
    return np.concatenate([before, middle, after])


def _contour(syllable: Sung, before: float, times: Floats, rng: np.random.Generator) -> Floats:
    """Pitch of each time: glides from the pitch ``before`` and from note to note, a scoop at the start,
    vibrato on held notes."""
    onsets = np.array([onset for onset, _ in syllable.notes])
    pitches = np.array([before, *(pitch for _, pitch in syllable.notes)])
    contour = np.full(len(times), before, dtype=np.float64)
    arrivals = np.array([onsets[0] - GLIDE_S / 2, *onsets[1:]])
    for onset, step in zip(arrivals, np.diff(pitches), strict=True):
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
