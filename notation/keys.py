"""The keys of a piece: the key it starts in, and new signatures where another key lasts.

Task: the signatures a composer would write, not every tonicisation; each with its mode.

Method: a key explains the shares of the pitch classes in a bar by how well they fit its profile, a
softmax over the 24 keys. The home key is found from the shares in the whole piece, in its opening and
its close, and from the first and the last bass. A path of keys over the bars is then found by the
Viterbi algorithm, in which leaving the home signature costs most, the more so for the keys that are
mostly only visited (a fifth or a tone away), and coming home little (in the manner of Temperley 2007
and of Noland & Sandler 2009). The mode of a passage follows from the same profiles.

Conventions: keys are pairs of the bar line (in quarters) from which a key holds and the key; the first
holds from 0. Signatures have at most seven sharps or flats, the first at most six. Drums don't count;
notes of low confidence count little.

Limits: signatures that differ from the key (Dorian ones, pieces without one) are not guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from fullscore.viterbi import best_path
from notation.events import Bar, Key, Keys, ScoreNote
from notation.spelling import fifths_name
from transcription.beatgrid import Floats
from transcription.network import log_softmax

# Learnt on 1900 openly licensed scores (OpenScore Lieder and String Quartets, MuseTrainer, music21) by
# maximum likelihood of their signatures; the mode was known from the last bass, or left open.
# Rows: major and minor; columns: semitones above the tonic; nats for a share of 1.
PROFILES = np.asarray(
    [
        (-4.0, -10.5, -7.6, -12.7, -4.5, -6.4, -12.7, -4.7, -12.5, -9.5, -17.3, -8.0),
        (-4.4, -10.6, -7.8, -7.0, -14.0, -7.2, -10.4, -4.0, -7.4, -14.5, -8.6, -9.2),
    ]
)
WHOLE_WEIGHT, OPENING_WEIGHT, CLOSE_WEIGHT = 3.4, 0.9, 0.2  # of the profile in the home key
FIRST_BASS_TONIC, FIRST_BASS_FIFTH, LAST_BASS_TONIC, LAST_BASS_FIFTH = 0.5, 0.35, 2.3, 1.5
MODE_BIAS = 0.4  # for major, and against minor
EDGE_BARS = 4  # that make the opening and the close

# Tuned on a third of the same scores, where composers write a new signature once in ten pieces.
FULL_BAR_QUARTERS = 4.0  # of sounding notes; a bar with less tells less
PASSAGE_BARS, PASSAGE_WEIGHT = 3, 3.0  # a bar is heard with its neighbours; of the profile there
MOST_NATS = 6.0  # against a key in one bar: chromatic bars happen in every key
BAR_EVIDENCE = 0.2  # of a bar's nats: bars that follow each other are alike
LEAVE_HOME_COST = 9.0
START_ELSEWHERE_COST = 12.0
COME_HOME_COST = 3.0
MODE_CHANGE_COST = 1.0  # between a key and its relative: nothing is written
# By the fifths between two signatures, each way: a whole second group in the dominant has no signature.
VISIT_COSTS = (0.0, 20.0, 6.0, 0.0, 0.0, 4.0, 5.0)
LASTING_BARS = 10

MAJOR, MINOR = 0, 1
_TONICS = np.tile(np.arange(12), 2)  # of the 24 states: the major keys from C up, then the minor ones
_SIGNATURES = (7 * (_TONICS + np.repeat([0, 3], 12))) % 12  # in fifths, modulo enharmonic change
_STEPS = (np.arange(12)[None, :] - _TONICS[:, None]) % 12
_STATE_PROFILES = PROFILES[np.repeat([MAJOR, MINOR], 12)[:, None], _STEPS]
_STATE_BIAS = np.repeat([MODE_BIAS, -MODE_BIAS], 12)


def find_keys(notes: Sequence[ScoreNote], bars: Sequence[Bar]) -> Keys:
    """The keys from bar line to bar line. C major where there are no pitched notes."""
    sounding = [note for note in notes if note.heard.stem != "drums" and note.duration > 0]
    if not sounding or not bars:
        return ((Fraction(0), Key("C")),)
    durations = _durations(sounding, bars)
    path = _path(durations, _home_scores(durations, sounding, bars))
    passages = _passages(path)
    starts = [start for start, _ in passages]
    ends = [*starts[1:], len(path)]
    states = [_main_state(path[start:end], state) for (start, state), end in zip(passages, ends, strict=True)]
    lengths = [end - start for start, end in zip(starts, ends, strict=True)]
    return tuple(
        (bars[start].start if start else Fraction(0), _key(state, fifths))
        for start, state, fifths in zip(starts, states, _signatures(states, lengths), strict=True)
    )


def _durations(notes: Sequence[ScoreNote], bars: Sequence[Bar]) -> Floats:
    """How long each pitch class sounds in each bar, in quarters times confidence: shape (bars, 12)."""
    lines = [float(bar.start) for bar in bars] + [float(bars[-1].end)]
    durations = np.zeros((len(bars), 12))
    for note in notes:
        onset, end = float(note.onset), float(note.end)
        bar = max(0, bisect_right(lines, onset) - 1)
        while bar < len(bars) and lines[bar] < end:
            shared = min(end, lines[bar + 1]) - max(onset, lines[bar])
            durations[bar, note.pitch % 12] += shared * note.heard.confidence
            bar += 1
    return durations


def _shares(durations: Floats) -> Floats:
    """The shares of the pitch classes in each bar, of square roots: a held note doesn't outweigh all."""
    roots = np.sqrt(durations)
    return np.asarray(roots / np.maximum(roots.sum(axis=1, keepdims=True), 1e-9))


def _home_scores(durations: Floats, notes: Sequence[ScoreNote], bars: Sequence[Bar]) -> Floats:
    """How well each of the 24 keys is the home of the piece."""
    shares, weights = _shares(durations), _weights(durations)
    heard = np.flatnonzero(weights > 0)
    if not len(heard):
        return _STATE_BIAS.copy()
    profile = WHOLE_WEIGHT * np.average(shares, axis=0, weights=weights)
    profile += OPENING_WEIGHT * shares[heard[0] : heard[0] + EDGE_BARS].mean(axis=0)
    profile += CLOSE_WEIGHT * shares[max(0, heard[-1] + 1 - EDGE_BARS) : heard[-1] + 1].mean(axis=0)
    scores = _STATE_PROFILES @ profile + _STATE_BIAS
    first_bar_end = bars[heard[0]].end
    first = min(note.pitch for note in notes if note.onset < first_bar_end) if first_bar_end else 0
    close = max(note.onset for note in notes)
    last = min(note.pitch for note in notes if note.end >= close)
    for bass, tonic, fifth in (
        (first, FIRST_BASS_TONIC, FIRST_BASS_FIFTH),
        (last, LAST_BASS_TONIC, LAST_BASS_FIFTH),
    ):
        step = (bass - _TONICS) % 12
        scores += np.where(step == 0, tonic, np.where(step == 7, fifth, 0.0))
    return np.asarray(scores)


def _weights(durations: Floats) -> Floats:
    """How much each bar tells, from 0 to 1."""
    return np.asarray(np.minimum(durations.sum(axis=1) / FULL_BAR_QUARTERS, 1.0))


def _path(durations: Floats, home_scores: Floats) -> list[int]:
    """The state of each bar (Viterbi)."""
    padded = np.pad(durations, ((PASSAGE_BARS // 2, PASSAGE_BARS // 2), (0, 0)))
    passages = np.lib.stride_tricks.sliding_window_view(padded, PASSAGE_BARS, axis=0).sum(axis=2)
    fit = log_softmax(PASSAGE_WEIGHT * _shares(passages) @ _STATE_PROFILES.T)
    costs = BAR_EVIDENCE * _weights(durations)[:, None] * np.minimum(-fit, MOST_NATS)
    home = int(np.argmax(home_scores))
    at_home = np.equal(_SIGNATURES, _SIGNATURES[home])
    apart = np.abs((_SIGNATURES[:, None] - _SIGNATURES[None, :] + 6) % 12 - 6)
    moves = np.where(at_home[None, :], COME_HOME_COST, LEAVE_HOME_COST) + np.asarray(VISIT_COSTS)[apart]
    moves[apart == 0] = MODE_CHANGE_COST
    np.fill_diagonal(moves, 0.0)
    # The home key was found from more than the bars alone: its relative has to be much better there.
    costs[0] += np.where(at_home, 0.0, START_ELSEWHERE_COST)
    costs[0, home] -= MODE_CHANGE_COST
    path = best_path(-costs, moves)[0].tolist()
    # Where the whole piece stays under one signature, its mode is that of the home key.
    return [home] * len(path) if all(at_home[path]) else path


def _passages(path: Sequence[int]) -> list[tuple[int, int]]:
    """Where each signature that lasts begins, and a state under it; shorter ones stay under the last."""
    starts = [
        bar for bar in range(len(path)) if not bar or _SIGNATURES[path[bar - 1]] != _SIGNATURES[path[bar]]
    ]
    passages: list[tuple[int, int]] = []
    for start, end in zip(starts, [*starts[1:], len(path)], strict=True):
        lasts = end - start >= LASTING_BARS
        if not passages or (lasts and _SIGNATURES[path[start]] != _SIGNATURES[passages[-1][1]]):
            passages.append((start, path[start]))
    return passages


def _main_state(path: Sequence[int], state: int) -> int:
    """The key that holds longest among those with the signature of ``state``."""
    alike = [each for each in path if _SIGNATURES[each] == _SIGNATURES[state]]
    return max(sorted(set(alike)), key=alike.count)


def _signatures(states: Sequence[int], lengths: Sequence[int]) -> list[int]:
    """Signatures in fifths: few accidentals, and each near the one before it."""
    best: list[int] = []
    lowest = np.inf
    for first in (-6, 6) if _SIGNATURES[states[0]] == 6 else ((_SIGNATURES[states[0]] + 5) % 12 - 5,):
        chosen = [int(first)]
        for state in states[1:]:
            options = [f for f in range(-7, 8) if (f - _SIGNATURES[state]) % 12 == 0]
            chosen.append(min(options, key=lambda f: (2 * abs(f - chosen[-1]) + abs(f), f)))
        cost = sum(abs(fifths) * length for fifths, length in zip(chosen, lengths, strict=True))
        if cost < lowest:
            best, lowest = chosen, cost
    return best


def _key(state: int, fifths: int) -> Key:
    minor = state >= 12
    return Key(fifths_name(fifths + (3 if minor else 0)), "minor" if minor else "major")
