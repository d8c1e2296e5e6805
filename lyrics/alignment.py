"""The user's own lyrics, set to the time in which they are sung, without any weights.

Task: a lyric sheet, the notes of the voice and its sound give the onset of every syllable. Method: a
semi-Markov alignment (as in score following with explicit durations, e.g. Cont, "A coupled
duration-focused architecture for real-time music-to-score alignment", TPAMI 2010).

- Candidates are the moments when a syllable could start: onsets of notes, rises of the sound, parts
  of long sounds. Each has a probability of starting a syllable, calibrated so that as many are expected
  as the sheet has syllables. Thus with a clean transcription nearly every note is one and skipping it
  (a melisma) is dear; with a leaky stem one in three is, and skipping is cheap.
- Whether there is singing at all is told by the notes as far as their tracker trusts them, and by
  the fluctuation of the sound (:mod:`lyrics.activity`) for the rest.
- The times between successive syllables follow log-normal laws around the song's syllable length times
  the line's own pace: short within a word, open-ended at the end of a line or a section. Rests are
  dear within a word, cheap between words and welcome at the end of a line.
- The best sequence is found by dynamic programming over syllables, candidates and paces, and the
  syllable length is estimated from it again.

Conventions: times in seconds; a word's confidence says how surely something was heard where its
syllables start, not that the word was recognised. Limits: nothing here recognises a sound. On a full
mix lines can slip by one where the accompaniment is taken for singing; see benchmarks/alignment.py.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.signal
import scipy.special

from lyrics.activity import (
    SINGING_HOP_S,
    is_silent,
    singing_db,
    singing_odds,
    syllable_onset_strength,
)
from lyrics.layout import SheetLine
from lyrics.syllables import syllabify
from lyrics.words import Line, Lyrics, Syllable, Word
from separation.audio import Audio
from transcription.notes import Note

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SYLLABLE, WORD, LINE, SECTION = range(4)  # what ends between two successive syllables


@dataclass(frozen=True, slots=True)
class SyllableInterval:
    """The law of the time between two syllables: log-normal in units of the song's syllable length.

    ``outlier`` is the share of intervals that follow no law; ``rest_cost`` is per second without
    voice; ``legato_cost`` is for none.
    """

    median: float
    spread: float
    outlier: float
    rest_cost: float
    legato_cost: float


# On general grounds (songs have phrases, phrases end in longer notes and rests), not fitted.
INTERVALS = {
    SYLLABLE: SyllableInterval(0.9, 0.45, 0.01, 6.0, 0.0),
    WORD: SyllableInterval(1.0, 0.45, 0.02, 2.0, 0.0),
    LINE: SyllableInterval(2.6, 0.65, 0.10, 0.0, 1.0),
    SECTION: SyllableInterval(5.0, 0.90, 0.30, 0.0, 2.0),
}
_PACES = (0.6, 0.77, 1.0, 1.3, 1.7)  # of a line's syllables, in units of the song's
_PACE_CHANGE_COST = {LINE: 3.0, SECTION: 1.5}  # per natural logarithm
_OUTLIER_RANGE = 6.0  # natural logarithms: from a hundredth to four times ten syllables
_SLOPE_PER_S = 0.02  # a long wait before a line costs little, but not nothing
_LONG_WAIT_S = 16.0  # beyond: only at the end of a line, at constant cost plus the slope
_MAX_CANDIDATES_ABREAST = 1500  # half the width of the band; a song of eight minutes needs no band
_SHORTEST_S, _LONGEST_S = 0.10, 0.80  # plausible syllable lengths of a whole song
_ANCHOR_SPREAD_S = 0.25  # how exactly a person times the lines of an LRC file
_SAME_ONSET_S = 0.08  # a rise this near a note's onset is that note
_NEAREST_S = 0.04  # syllables are not sung closer together
_LEAST_STRENGTH = 0.3  # deviations above the mean
_MIDDLING_STRENGTH = 1.2
_RISE_DISTANCE = 8  # frames
_JUST_AFTER = 20  # frames of the voice that tell whether a syllable has started
_MOST_ODDS = 3.0
# Two laws fitted to the levels of a mix call too much of it singing, and are too sure of it: on three
# songs .77 to .88 of the time, where .60 to .80 is sung.
_TOO_SUNG = 2.0
_CAUTION = 0.5
_MOST_PARTS = 12  # into which one long sound may be divided
_SAME_LENGTH = 0.1  # natural logarithm: another estimate would change nothing
_LOST_COST = 12.0  # of a wait inside a line that no singer makes
_UNTRUE = 3.0  # log-odds that a rise where trusted notes have none loses
_REST_S = 0.12  # shorter gaps between notes are articulation


def align(
    sheet: Sequence[SheetLine], notes: Sequence[Note], audio: Audio | None = None, language: str | None = None
) -> Lyrics:
    """The sheet with the times in which it is sung: every word of it, in order.

    ``notes`` are those of the voice (of any quality, also none), ``audio`` the vocal stem or the mix.
    With neither notes nor sound the words are spread evenly and have no confidence.
    """
    language = language or guess_language(sheet)
    units = _units(sheet, language)
    if not units:
        return Lyrics((), language)
    duration = max([audio.duration if audio else 0.0, *(note.offset for note in notes), 0.25 * len(units)])
    candidates = _candidates(notes, audio, units, duration)
    chosen = _best_path(units, candidates)
    onsets, sure = candidates.times[chosen], candidates.evidence[chosen]
    return _lyrics(sheet, units, onsets, _offsets(onsets, candidates, duration), sure, language)


@dataclass(frozen=True, slots=True)
class Unit:
    """One syllable to be placed; ``before`` is what ends just before it."""

    text: str
    word: int
    line: int
    before: int
    anchor: float | None


def _units(sheet: Sequence[SheetLine], language: str) -> list[Unit]:
    units: list[Unit] = []
    word = -1
    for number, line in enumerate(sheet):
        for position, text in enumerate(line.words):
            word += 1
            for i, syllable in enumerate(syllabify(text, language)):
                starts_line = position == 0 and i == 0
                before = SYLLABLE if i else WORD if position else SECTION if line.starts_section else LINE
                units.append(Unit(syllable, word, number, before, line.onset if starts_line else None))
    return units


@dataclass(frozen=True, slots=True)
class Candidates:
    """Moments at which a syllable may start, in order.

    ``probability`` that one does; ``evidence`` is how surely something was heard there at all;
    ``voiced`` is the time sung up to each; ``ends`` when the sound that starts there ends.
    """

    times: Floats
    probability: Floats
    evidence: Floats
    voiced: Floats
    ends: Floats


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A candidate in the making: ``score`` are its log-odds up to a shift common to the song."""

    time: float
    score: float
    evidence: float
    end: float


def _candidates(
    notes: Sequence[Note], audio: Audio | None, units: Sequence[Unit], duration: float
) -> Candidates:
    trust = _trust(notes)
    voice = _voice(audio, notes, duration, trust)
    length = float(np.clip(voice.until(duration) / len(units), _SHORTEST_S, _LONGEST_S))
    moments = _note_moments(notes, length)
    onsets = np.array([moment.time for moment in moments] or [-1.0])
    for rise in voice.rises:
        nearest = int(np.argmin(np.abs(onsets - rise.time)))
        if abs(onsets[nearest] - rise.time) > _SAME_ONSET_S:
            moments.append(replace(rise, score=rise.score - _UNTRUE * trust, end=rise.time + length))
        else:  # the same onset, heard twice
            moments[nearest] = replace(moments[nearest], score=moments[nearest].score + max(0.0, rise.score))
    moments += [
        Moment(unit.anchor, 3.0, 1.0, unit.anchor + length) for unit in units if unit.anchor is not None
    ]
    moments = [replace(moment, score=moment.score + voice.odds_at(moment.time)) for moment in moments]
    moments = _merged(moments + _fillers(moments, voice, duration, 0.6 * length))
    if len(moments) < len(units):  # divide the time itself
        even = np.linspace(0.0, duration, 2 * len(units) + 1)[:-1]
        moments = _merged(moments + [Moment(t, -4.0, 0.0, t + length) for t in even.tolist()])
    times = np.array([moment.time for moment in moments])
    return Candidates(
        times,
        _calibrated(np.array([moment.score for moment in moments]), len(units)),
        np.array([moment.evidence for moment in moments]),
        np.array([voice.until(time) for time in times.tolist()]),
        np.array([moment.end for moment in moments]),
    )


def _note_moments(notes: Sequence[Note], length: float) -> list[Moment]:
    """Onsets of notes: likelier after a rest, less likely where the note is too short for a syllable."""
    moments: list[Moment] = []
    last = -1.0
    for note in sorted(notes):
        score = 3.0 * (note.confidence - 0.5) + min(0.0, 2.0 * (note.duration / length - 0.4))
        score += 0.6 if note.onset - last > _REST_S else 0.0
        moments.append(Moment(note.onset, score, note.confidence, note.offset))
        last = max(last, note.offset)
    return moments


def _merged(moments: Sequence[Moment]) -> list[Moment]:
    """In order, those at nearly the same time (chords, doubled evidence) as the likeliest of them."""
    merged: list[Moment] = []
    for moment in sorted(moments):
        if merged and moment.time - merged[-1].time < _NEAREST_S:
            merged[-1] = max(merged[-1], moment, key=lambda one: one.score)
        else:
            merged.append(moment)
    return merged


@dataclass(frozen=True, slots=True)
class Voice:
    """The voice over time: log-odds of singing per frame, and where it rises like a syllable's start."""

    odds: Floats
    elapsed: Floats
    rises: tuple[Moment, ...]

    def odds_at(self, time: float) -> float:
        """Log-odds of singing just after ``time``, within bounds."""
        first = int(time / SINGING_HOP_S)
        after = self.odds[first : first + _JUST_AFTER]
        return float(np.clip(after.max(), -_MOST_ODDS, _MOST_ODDS)) if len(after) else -_MOST_ODDS

    def until(self, time: float) -> float:
        """Seconds sung up to ``time``."""
        return float(np.interp(time / SINGING_HOP_S, np.arange(len(self.elapsed)), self.elapsed))


def _trust(notes: Sequence[Note]) -> float:
    """How far the notes are to be believed rather than the sound, 0 to 1: a tracker knows a clean voice."""
    if not notes:
        return 0.0
    confidence = np.average([note.confidence for note in notes], weights=[note.duration for note in notes])
    return float(np.clip(2.0 * confidence - 1.0, 0.0, 1.0))


def _voice(audio: Audio | None, notes: Sequence[Note], duration: float, trust: float) -> Voice:
    """The voice as it sounds and as the notes tell; without either it may be anywhere."""
    frames = int(duration / SINGING_HOP_S) + 1
    odds = np.zeros(frames)
    rises: tuple[Moment, ...] = ()
    if notes:
        odds -= _MOST_ODDS
        for note in notes:
            odds[int(note.onset / SINGING_HOP_S) : int(note.offset / SINGING_HOP_S) + 1] = _MOST_ODDS
    if audio is not None and audio.duration >= _SHORTEST_S and not is_silent(audio):
        heard = _CAUTION * (singing_odds(singing_db(audio)) - _TOO_SUNG)
        heard = np.pad(heard, (0, max(0, frames - len(heard))), constant_values=-_MOST_ODDS)[:frames]
        odds = trust * odds + (1.0 - trust) * heard
        rises = _rises(audio)
    elapsed = np.concatenate([[0.0], np.cumsum(scipy.special.expit(odds))]) * SINGING_HOP_S
    return Voice(odds, elapsed, rises)


def _rises(audio: Audio) -> tuple[Moment, ...]:
    """Moments that sound like the start of a syllable."""
    strength = syllable_onset_strength(audio)
    peaks, found = scipy.signal.find_peaks(strength, height=_LEAST_STRENGTH, distance=_RISE_DISTANCE)
    scores = np.clip(found["peak_heights"] - _MIDDLING_STRENGTH, -1.5, 1.5)
    return tuple(
        Moment(float(frame * SINGING_HOP_S), float(score), 0.5, float(frame * SINGING_HOP_S))
        for frame, score in zip(peaks, scores, strict=True)
    )


def _fillers(moments: Sequence[Moment], voice: Voice, duration: float, step: float) -> list[Moment]:
    """Unlikely moments inside long sounds, where a tracker may have joined or missed several syllables."""
    times = [0.0, *sorted(moment.time for moment in moments), duration]
    result: list[Moment] = []
    for a, b in itertools.pairwise(times):
        sung = voice.until(b) - voice.until(a)
        parts = min(int(sung / step), _MOST_PARTS)
        at = [a + (b - a) * k / parts for k in range(1, parts)]
        result += [Moment(time, -3.0 + voice.odds_at(time), 0.1, b) for time in at]
    return result


def _calibrated(scores: Floats, expected: int) -> Floats:
    """Probabilities with the given log-odds up to a common shift, of which ``expected`` come true."""
    low, high = -20.0, 20.0
    for _ in range(50):
        shift = (low + high) / 2
        total = scipy.special.expit(scores + shift).sum()
        low, high = (shift, high) if total < expected else (low, shift)
    return np.asarray(np.clip(scipy.special.expit(scores + low), 1e-3, 0.97))


def _best_path(units: Sequence[Unit], candidates: Candidates) -> Ints:
    """The candidate at which each syllable starts."""
    line_lengths = np.bincount([unit.line for unit in units])
    sung = candidates.voiced[-1]
    length = float(np.clip(sung / (len(units) + len(line_lengths)), _SHORTEST_S, _LONGEST_S))
    path = np.empty(0, dtype=np.int64)
    for _ in range(3):
        path = _viterbi(units, candidates, length)
        within = np.array([unit.before in (SYLLABLE, WORD) for unit in units[1:]], dtype=bool)
        steps = np.diff(candidates.times[path])[within]
        if not len(steps):
            break
        before, length = length, float(np.clip(np.median(steps), _SHORTEST_S, _LONGEST_S))
        if abs(np.log(length / before)) < _SAME_LENGTH:
            break
    return path


def _viterbi(units: Sequence[Unit], candidates: Candidates, length: float) -> Ints:
    """The cheapest sequence, if syllables last ``length`` on the whole and each line has its own pace.

    The state is a candidate and the pace of the line, one of ``_PACES``.
    """
    times, count = candidates.times, len(candidates.times)
    start = -np.log(candidates.probability)
    skipped = np.concatenate([[0.0], np.cumsum(-np.log(1.0 - candidates.probability))])
    windows = {
        kind: [_window(kind, candidates, skipped, length * pace) for pace in _PACES] for kind in INTERVALS
    }
    half = _MAX_CANDIDATES_ABREAST
    first = start + skipped[:-1] + _SLOPE_PER_S * times + _anchor_cost(units[0], times)
    best = first[None, :] + _pace_costs(SECTION)[_PACES.index(1.0), :, None]
    kept: list[tuple[int, Ints, Ints]] = []
    for s, unit in enumerate(units[1:], 1):
        low = max(0, round(count * s / len(units)) - half)
        high = min(count, round(count * s / len(units)) + half)
        columns = np.arange(low, high)
        paces = np.broadcast_to(np.arange(len(_PACES))[:, None], best.shape)
        if unit.before >= LINE:
            changes = best[:, None, :] + _pace_costs(unit.before)[:, :, None]
            paces, best = changes.argmin(axis=0), changes.min(axis=0)
        here = np.full(best.shape, np.inf)
        origins = np.zeros((len(_PACES), len(columns)), dtype=np.int64)
        own = start[low:high] + _anchor_cost(unit, times[low:high])
        for pace in range(len(_PACES)):
            costs = windows[unit.before][pace]
            value, origin = _cheapest_step(best[pace], costs, columns)
            value, origin = _after_long_wait(
                value, origin, best[pace], candidates, skipped, unit.before, columns
            )
            here[pace, low:high], origins[pace] = value + own, origin
        kept.append((low, origins, paces))
        best = here
    final = best + (skipped[-1] - skipped[1:])
    pace, end = divmod(int(np.argmin(final)), count)
    path = [end]
    for low, origins, paces in reversed(kept):
        path.append(int(origins[pace, path[-1] - low]))
        pace = int(paces[pace, path[-1]])
    return np.array(path[::-1], dtype=np.int64)


def _pace_costs(kind: int) -> Floats:
    """Of going from each pace to each other one at the end of a line or a section."""
    logs = np.log(_PACES)
    return np.asarray(np.abs(logs[:, None] - logs[None, :]) * _PACE_CHANGE_COST[kind])


def _cheapest_step(best: Floats, costs: Floats, columns: Ints) -> tuple[Floats, Ints]:
    """For each of the columns, the cost by the best of the candidates before it, and which that is."""
    reach = costs.shape[1]
    padded = np.concatenate([np.full(reach, np.inf), best])
    # Row c of the view are the candidates c - reach to c - 1.
    before = np.lib.stride_tricks.sliding_window_view(padded, reach)[columns]
    total = before + costs[columns]
    pick = np.argmin(total, axis=1)
    return total[np.arange(len(columns)), pick], np.maximum(columns - reach + pick, 0)


def _window(kind: int, candidates: Candidates, skipped: Floats, length: float) -> Floats:
    """Costs of going to each candidate from each of those shortly before it, the nearest last."""
    times = candidates.times
    first = np.searchsorted(times, times - _longest_wait(kind))
    reach = max(1, int((np.arange(len(times)) - first).max()))
    columns = np.arange(len(times))[:, None]
    previous = columns - np.arange(reach, 0, -1)[None, :]
    known = np.maximum(previous, 0)
    wait = times[columns] - times[known]
    rest = wait - (candidates.voiced[columns] - candidates.voiced[known])
    cost = _interval_cost(INTERVALS[kind], wait, rest, length) + skipped[columns] - skipped[known + 1]
    return np.asarray(np.where((previous >= 0) & (wait <= _longest_wait(kind)), cost, np.inf))


def _longest_wait(kind: int) -> float:
    return _LONG_WAIT_S if kind >= LINE else _LONG_WAIT_S / 4


def _interval_cost(law: SyllableInterval, wait: Floats, rest: Floats, length: float) -> Floats:
    x = np.log(np.maximum(wait, 1e-3) / (law.median * length)) / law.spread
    density = (1 - law.outlier) * np.exp(-0.5 * x**2) / (law.spread * np.sqrt(2 * np.pi))
    cost = -np.log(density + law.outlier / _OUTLIER_RANGE)
    return np.asarray(cost + law.rest_cost * rest + law.legato_cost * (rest < _REST_S) + _SLOPE_PER_S * wait)


def _after_long_wait(
    value: Floats,
    origin: Ints,
    best: Floats,
    candidates: Candidates,
    skipped: Floats,
    kind: int,
    columns: Ints,
) -> tuple[Floats, Ints]:
    """The same, where any longer wait is possible too: an interlude between lines."""
    constant = -np.log(INTERVALS[kind].outlier / _OUTLIER_RANGE) + (_LOST_COST if kind < LINE else 0.0)
    waiting = best - _SLOPE_PER_S * candidates.times - skipped[1:]
    lowest = np.minimum.accumulate(waiting)
    where = np.maximum.accumulate(np.where(waiting <= lowest, np.arange(len(waiting)), 0))
    last = np.searchsorted(candidates.times, candidates.times[columns] - _longest_wait(kind)) - 1
    usable = last >= 0
    known = np.maximum(last, 0)
    cost = lowest[known] + constant + _SLOPE_PER_S * candidates.times[columns] + skipped[columns]
    better = usable & (cost < value)
    return np.where(better, cost, value), np.where(better, where[known], origin)


def _anchor_cost(unit: Unit, times: Floats) -> Floats:
    if unit.anchor is None:
        return np.zeros(len(times))
    return np.asarray(0.5 * ((times - unit.anchor) / _ANCHOR_SPREAD_S) ** 2)


def _offsets(onsets: Floats, candidates: Candidates, duration: float) -> Floats:
    """A syllable lasts until the next one, or until the sound that it started (or its melisma) ends."""
    following = np.append(onsets[1:], max(duration, onsets[-1]))
    ends = np.empty(len(onsets))
    for i, (onset, limit) in enumerate(zip(onsets, following, strict=True)):
        inside = (candidates.times >= onset) & (candidates.times < limit)
        end = candidates.ends[inside][0] if inside.any() else limit
        for time, candidate_end in zip(candidates.times[inside], candidates.ends[inside], strict=True):
            if time - end > _REST_S:
                break
            end = max(end, candidate_end)
        ends[i] = min(limit, max(end, onset))
    return ends


def _lyrics(
    sheet: Sequence[SheetLine],
    units: Sequence[Unit],
    onsets: Floats,
    offsets: Floats,
    sure: Floats,
    language: str,
) -> Lyrics:
    words: list[Word] = []
    start = 0
    for end in range(1, len(units) + 1):
        if end == len(units) or units[end].word != units[start].word:
            syllables = tuple(
                Syllable(units[i].text, float(onsets[i]), float(offsets[i])) for i in range(start, end)
            )
            text = "".join(syllable.text for syllable in syllables)
            words.append(Word(text, syllables, float(np.clip(sure[start:end].mean(), 0.0, 1.0))))
            start = end
    lines: list[Line] = []
    taken = 0
    for row in sheet:
        lines.append(Line(tuple(words[taken : taken + len(row.words)]), row.starts_section))
        taken += len(row.words)
    return Lyrics(tuple(lines), language)


# The most frequent short words of a language, those it shares with the others left out where possible.
_STOP_WORDS = {
    "en": "the and you i to of it in my me is that your we for be on with this what all don't i'm but know",
    "es": "que de la el y no en un una los tu mi se me te con por lo es si como más pero yo las",
    "fr": "je de la le et les un une des est pas tu que dans en moi pour il qui sur ne c'est mon toi",
    "de": "ich und die der du das nicht ist es ein in mir wir mich so dich mit zu den auf was sie bin",
    "it": "che di e non la il un per mi sono ti una è ma con se come più io tu nel della gli",
    "pt": "que de eu não o a e você um uma meu me é pra mais com por do da em no na seu",
    "nl": "ik de het een je en van niet is dat in op mijn wij maar zo met voor jij er wat",
    "sv": "jag och det att du är en som i på inte för med mig dig har av vi så min",
    "tl": "ang ng sa na ko mo ay ako ikaw mga hindi ka at kung may lang pag aking",
    "pl": "nie to się w i na że ja jest z mnie co tak jak do ty ale mi",
    "id": "yang dan di aku kau tak ku ini itu dengan untuk dari kita ada cinta",
    "ru": "и в не на я что ты с как это мне мы но по меня все так",
}


def guess_language(sheet: Sequence[SheetLine]) -> str:
    """ISO 639-1 code by script or by stop words; "" if neither says anything."""
    words = [re.sub(r"^\W+|\W+$", "", word).lower() for line in sheet for word in line.words]
    text = "".join(words)
    for code, letters in (("ja", "[぀-ヿ]"), ("ko", "[가-힣]"), ("zh", "[一-鿿]"), ("el", "[α-ω]")):
        if len(re.findall(letters, text)) > 0.2 * len(text) > 0:
            return code
    # Two different ones at least: "la la la" is no language.
    found = {code: [word for word in words if word in stop.split()] for code, stop in _STOP_WORDS.items()}
    best = max(found, key=lambda code: len(found[code]))
    return best if len(set(found[best])) > 1 and len(found[best]) > 0.05 * len(words) else ""
