"""Lyrics alignment: how near to the time in which they are sung words and lines are set.

Measures: those of ``mir_eval.alignment``, by its definitions and under its names. The error of a word is the
distance between its onsets, ends are not looked at, as in the MIREX task Lyrics-to-Audio Alignment and in the
evaluations on the Jamendo songs (Stoller et al., "End-to-end lyrics alignment for polyphonic music using an
audio-to-character recognition model", ICASSP 2019; Durand et al., ICASSP 2023):

* ``aae`` the average and ``mae`` the median absolute error in seconds (Mesaros and Virtanen, "Automatic
  alignment of music audio and lyrics", DAFx 2008);
* ``pc`` the share of onsets within 0.3 s (Mauch et al., "Lyrics-to-audio alignment and phrase-level
  segmentation using incomplete internet-style chord annotations", SMC 2010);
* ``pcs`` the share of the time between the first and the last onset in which both are at the same word
  (Fujihara et al., "LyricSynchronizer", JSTSP 2011; Dzhambazov and Serra, "Modeling of phoneme durations for
  alignment between polyphonic audio and lyrics", SMC 2015), as MIREX 2020 computes it;
* ``perceptual`` how synchronous listeners find it (Lizé-Masclef et al., "User-centered evaluation of lyrics
  to audio alignment", ISMIR 2021); it isn't 1 at no error: words may come a little early.

The same with ``_line`` are over the starts of lines, the reference's where it has lines.

Where the words differ (the estimate was recognised, not aligned), the errors are over the words found in
both: the longest common sequence of words, without case, accents and signs, and of several equally long
the one with the least errors. ``matched`` is the share of the reference's words in it, ``matched_line``
that of the lines whose first word is. Files of nothing but times must have equally many.

Conventions: times in seconds. A song's measures are its own; a corpus' are means over songs. Beyond mir_eval:
what is undefined is None (errors without a common word; ``pcs`` of fewer than two words, or where the onsets
aren't in order, as with two singers).
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.files import Scores, artefact
from evaluation.kinds import NoSettings
from evaluation.lyrics import without_tags
from fullscore.errors import FullscoreError
from fullscore.reading import is_number, read_json, read_text

_MEASURES = {
    "pc": "share of the {}s that start within 0.3 s of where they should",
    "mae": "median error of the {}s' starts in seconds",
    "aae": "mean error of the {}s' starts in seconds",
    "pcs": "share of the time in which both are at the same {}",
    "perceptual": "how synchronous listeners would find the {}s",
    "matched": "share of the reference's {}s that are compared",
}
MEANINGS = {
    f"{name}{suffix}": meaning.format(unit)
    for suffix, unit in (("", "word"), ("_line", "line"))
    for name, meaning in _MEASURES.items()
}
MAIN = ("pc", "pc_line")

TOLERANCE_S = 0.3
# A skewed normal law fitted to listeners' answers (Lizé-Masclef et al.), as mir_eval has it.
_SKEW, _MEAN_S, _SPREAD_S, _SCALE = 1.12244251, -0.22270315, 0.29779424, 1.6857
_FAR_S = 30.0  # between equal words, beyond which no place is better than another
_NO_TEXT = ""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TimedWords:
    """The words of a song in order with their onsets in seconds (NaN where only the line has one).

    ``text`` is empty throughout where a file has times only. ``starts_line`` says which words begin a line;
    none does where the file has no lines.
    """

    text: tuple[str, ...]
    onsets: Floats
    starts_line: npt.NDArray[np.bool_]

    @property
    def by_word(self) -> bool:
        """Whether the words have times, not the lines alone."""
        return bool(np.all(np.isfinite(self.onsets)))


def evaluate_lyrics_timing(reference: Path, estimate: Path, settings: NoSettings | None = None) -> Scores:
    """The measures of two files (:func:`read_timed_words`): those of words where both have their times,
    those of lines where either has lines.

    Raises FullscoreError where a file can't be read, or has no words and not as many times as the other.
    """
    both = [read_timed_words(path) for path in (reference, estimate)]
    sizes = [len(song.text) for song in both]
    if all(sizes) and sizes[0] != sizes[1] and not all(any(song.text) for song in both):
        raise FullscoreError(
            "{reference} has {reference_count} times and {estimate} {estimate_count}, and not both say "
            "of which words",
            "give files with words, or with the same number of times",
            reference=reference,
            reference_count=sizes[0],
            estimate=estimate,
            estimate_count=sizes[1],
        )
    return timing_scores(both[0], both[1])


def timing_scores(reference: TimedWords, estimate: TimedWords) -> Scores:
    """The measures of :data:`MEANINGS` that apply to what the two have."""
    if not reference.text:
        return dict.fromkeys(MEANINGS)
    at, there = _matches(reference, estimate)
    scores: Scores = {}
    if reference.by_word and estimate.by_word:
        scores |= onset_scores(reference.onsets[at], estimate.onsets[there])
        scores["matched"] = len(at) / len(reference.text)
    lines = reference if reference.starts_line.any() else estimate
    if lines.starts_line.any():
        starts = lines.starts_line[at if lines is reference else there]
        pairs = np.stack([reference.onsets[at], estimate.onsets[there]])[:, starts]
        pairs = pairs[:, np.all(np.isfinite(pairs), axis=0)]
        found = {**onset_scores(*pairs), "matched": pairs.shape[1] / int(lines.starts_line.sum())}
        scores |= {f"{name}_line": value for name, value in found.items()}
    return {name: scores[name] for name in MEANINGS if name in scores}


def onset_scores(reference: Floats, estimate: Floats, tolerance: float = TOLERANCE_S) -> Scores:
    """``pc`` (within ``tolerance`` seconds), ``mae``, ``aae``, ``pcs`` and ``perceptual`` of onsets that
    belong together pair by pair."""
    if not len(reference):
        return dict.fromkeys(name for name in _MEASURES if name != "matched")
    error = np.abs(reference - estimate)
    return {
        "pc": float(np.mean(error <= tolerance)),
        "mae": float(np.median(error)),
        "aae": float(np.mean(error)),
        "pcs": _correct_segments(reference, estimate),
        "perceptual": _perceptual(estimate - reference),
    }


def _correct_segments(reference: Floats, estimate: Floats) -> float | None:
    duration = reference[-1] - reference[0]
    if duration <= 0 or np.any(np.diff(reference) < 0) or np.any(np.diff(estimate) < 0):
        return None
    starts = np.maximum(reference[:-1], estimate[:-1])
    ends = np.minimum(reference[1:], estimate[1:])
    return float(np.sum(np.maximum(ends - starts, 0)) / duration)


def _perceptual(late: Floats) -> float:
    from scipy.special import ndtr  # scipy.stats, which has this law, takes seconds to import

    units = (late - _MEAN_S) / _SPREAD_S
    density = 2.0 * (np.exp(-(units**2) / 2.0) / math.sqrt(2 * math.pi)) * ndtr(_SKEW * units) / _SPREAD_S
    return float(np.mean((1.0 / _SCALE) * density))


def _matches(reference: TimedWords, estimate: TimedWords) -> tuple[npt.NDArray[np.int64], ...]:
    """Which words of the two belong together: their places in either.

    The longest common subsequence, and of those the one in which the onsets differ least.
    """
    if not any(reference.text) or not any(estimate.text):
        both = np.arange(min(len(reference.text), len(estimate.text)))
        return both, both
    keys = {key: place for place, key in enumerate(dict.fromkeys(map(_key, estimate.text)))}
    wanted = [keys.get(_key(word), -1) for word in reference.text]
    there = np.array([keys[_key(word)] for word in estimate.text])
    # All the errors of a sequence together weigh less than one word more.
    weight = 1.0 / (_FAR_S * (min(len(wanted), len(there)) + 1))
    best = np.zeros(len(there) + 1)
    from_above = np.zeros((len(wanted), len(there)), dtype=bool)
    matched = np.zeros((len(wanted), len(there)), dtype=bool)
    for row, word in enumerate(wanted):
        error = np.nan_to_num(np.abs(estimate.onsets - reference.onsets[row]), nan=0.0)
        with_word = np.where(there == word, best[:-1] + 1.0 - weight * np.minimum(error, _FAR_S), -1.0)
        matched[row] = with_word > best[1:]
        entered = np.maximum(with_word, best[1:])
        after = np.maximum.accumulate(entered)
        from_above[row] = entered == after
        best = np.concatenate([[0.0], after])
    pairs: list[tuple[int, int]] = []
    row, column = len(wanted) - 1, len(there) - 1
    while row >= 0 and column >= 0:
        if not from_above[row, column]:
            column -= 1
        elif matched[row, column]:
            pairs.append((row, column))
            row, column = row - 1, column - 1
        else:
            row -= 1
    found = np.array(pairs[::-1], dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _key(word: str) -> str:
    """A word without case, accents and signs; the word itself if it is nothing but signs."""
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in letters if char.isalnum()) or word


# Files --------------------------------------------------------------------------------------------------

_ONSET_COLUMNS = ("word_start", "start", "onset", "time", "start_time")
_TEXT_COLUMNS = ("word", "text", "lyrics", "lyrics_line", "line", "syllable")
_WHISPER_COLUMNS = ["start", "end", "text"]
_TAG = re.compile(r"</?nl>")


def read_timed_words(path: Path) -> TimedWords:
    """The timed words of a file, or of a run's folder (from its report, else the lines of its LRC).

    * LRC, with the times of lines or (enhanced) of words;
    * a table with a header: JamendoLyrics' words (``word_start``, ``line_end``, with the words themselves
      in a text of the same name beside it or in ``../../lyrics``), Jam-ALT's lines (``start``, ``text``),
      or any with a column of onsets and perhaps one of words or lines;
    * Whisper's table (``start``, ``end``, ``text`` and tabs between), whose times are in milliseconds;
    * rows of an onset, perhaps an end, and a word, as in MIREX, or of onsets alone.

    A row with several words is a line. Raises FullscoreError where a file can't be read as one of these.
    """
    if path.is_dir():
        report = path / "report.json"
        words = read_json(report).get("words") if report.is_file() else None
        if words:
            return _of_report(words, report)
        path = artefact(path, "lyrics.lrc")
    text = read_text(path)
    if re.search(r"^\s*\[\d{1,3}:\d{1,2}", text, re.MULTILINE):
        return _of_lrc(text)
    text = without_tags(text)
    if path.suffix.lower() == ".lrc" and text.strip():
        raise FullscoreError(
            "{path} has no times of lines", "give LRC whose lines begin like [01:23.45]", path=path
        )
    return _of_rows(text, path)


def _of_report(words: Sequence[Any], report: Path) -> TimedWords:
    try:
        lines = [int(word["line"]) for word in words]
        return TimedWords(
            tuple(str(word["text"]) for word in words),
            np.array([float(word["onset"]) for word in words]),
            np.diff(lines, prepend=-1) != 0,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FullscoreError(
            "{report} has words without times ({error})", "run the song again", report=report, error=error
        ) from error


def _of_lrc(text: str) -> TimedWords:
    from lyrics.layout import parse_text

    words: list[str] = []
    onsets: list[float | None] = []
    starts: list[bool] = []
    for line in parse_text(text):
        words += line.words
        own = list(line.word_onsets) or [None] * len(line.words)
        onsets += [line.onset if own[0] is None else own[0], *own[1:]]
        starts += [True, *[False] * (len(line.words) - 1)]
    return TimedWords(tuple(words), np.array(onsets, dtype=float), np.array(starts, dtype=bool))


def _of_rows(text: str, path: Path) -> TimedWords:
    """A table of words or lines; a header is a first row that doesn't begin with a number."""
    lines = [line for line in text.split("\n") if line.strip()]
    rows = list(_cells(lines, path))
    header = [cell.lower() for cell in rows.pop(0)] if rows and not is_number(rows[0][0]) else []
    if header and not set(header) & set(_ONSET_COLUMNS):
        raise FullscoreError(
            "{path} has no times of words or lines",
            "give LRC, rows of an onset and a word, or a table with a column start",
            path=path,
        )
    at = next((header.index(name) for name in _ONSET_COLUMNS if name in header), 0)
    texts = [_row_text(row, header) for row in rows]
    if "word_start" in header and not any(texts):
        texts = _words_beside(path, len(rows))
    words: list[str] = []
    onsets: list[float] = []
    starts: list[bool] = []
    by_line = any(len(one.split()) > 1 for one in texts)
    of_whisper = header == _WHISPER_COLUMNS and all(re.match(r"\d+\t\d+\t", row) for row in lines[1:])
    begins = "line_end" in header
    for number, (row, one) in enumerate(zip(rows, texts, strict=True), 1):
        onset = _onset(row, at, path, number) / (1000 if of_whisper else 1)
        inside = one.split() if by_line else [one]
        if not inside:
            continue
        words += inside
        onsets += [onset, *[math.nan] * (len(inside) - 1)]
        starts += [by_line or begins, *[False] * (len(inside) - 1)]
        if "line_end" in header:
            ends = row[header.index("line_end")] if len(row) > header.index("line_end") else ""
            begins = is_number(ends) and math.isfinite(float(ends))
    return TimedWords(tuple(words), np.array(onsets, dtype=float), np.array(starts, dtype=bool))


def _cells(rows: Sequence[str], path: Path) -> Iterator[list[str]]:
    """The cells of the rows; the first row tells what divides them."""
    mark = next((mark for mark in ("\t", ";", ",") if rows and mark in rows[0]), None)
    for row in rows:
        try:
            cells = next(csv.reader([row], delimiter=mark)) if mark else row.split(maxsplit=2)
        except csv.Error as error:
            raise FullscoreError(
                "{path} has a row that is no row of a table ({error})", "mend it", path=path, error=error
            ) from error
        yield [cell.strip() for cell in cells]


def _row_text(row: Sequence[str], header: Sequence[str]) -> str:
    """The words of a row, "" if it has none: by its header, or what follows one or two numbers."""
    if header:
        columns = [header.index(name) for name in _TEXT_COLUMNS if name in header]
        found = " ".join(row[column] for column in columns[:1] if column < len(row))
    else:
        found = " ".join(row[2 if len(row) > 1 and is_number(row[1]) else 1 :])
    return " ".join(_TAG.sub(" ", found).split())


def _onset(row: Sequence[str], column: int, path: Path, number: int) -> float:
    try:
        onset = float(row[column])
    except (ValueError, IndexError):
        onset = math.nan
    if not (math.isfinite(onset) and onset >= 0):
        raise FullscoreError(
            "{path}, row {number} of its values ({row}) has no time of 0 or more",
            "mend it",
            path=path,
            number=number,
            row=", ".join(row)[:60],
        )
    return onset


def _words_beside(path: Path, count: int) -> list[str]:
    """The words that belong to the times in ``path``: of the text beside it; empty if there is none."""
    for text in (
        path.with_suffix(".txt"),
        path.parents[min(2, len(path.parents) - 1)] / "lyrics" / f"{path.stem}.txt",
    ):
        if text.is_file() and text != path:
            words = read_text(text).split()
            if len(words) != count:
                raise FullscoreError(
                    "{path} has the times of {count} words, but {text} has {word_count}",
                    "mend either",
                    path=path,
                    count=count,
                    text=text,
                    word_count=len(words),
                )
            return words
    return [_NO_TEXT] * count
