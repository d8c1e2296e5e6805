"""Any two files or folders of one kind compared, and the result as a table for people."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.beats import evaluate_beats
from evaluation.files import Scores
from evaluation.key import evaluate_key
from evaluation.lyrics import evaluate_lyrics, lyric_scores, read_lyrics
from evaluation.meter import evaluate_meter
from evaluation.notes import evaluate_notes, read_notes
from evaluation.score import evaluate_score
from separation.engines import FullscoreError

logger = logging.getLogger(__name__)

KINDS = ("notes", "beats", "lyrics", "key", "meter", "score")

_SUFFIXES = {  # what belongs to each kind in a folder of songs, best first
    "notes": (".csv", ".tsv", ".mid", ".midi", ".json", ".txt"),
    "beats": (".csv", ".beats", ".txt", ".json"),
    "lyrics": (".txt", ".lrc"),
    "key": (".musicxml", ".mxl", ".xml", ".txt", ".json"),
    "meter": (".musicxml", ".mxl", ".xml", ".json"),
    "score": (".musicxml", ".mxl", ".xml"),
}
_OF_A_RUN = {
    "notes": "notes.json",
    "beats": "report.json",
    "lyrics": "lyrics.txt",
    "key": "report.json",
    "meter": "report.json",
    "score": "score.musicxml",
}

_COUNTS = ("hits", "substitutions", "deletions", "insertions", "Written_shift_quarters")

_MAIN = (  # what a summary shows, of what it has
    "F-measure_no_offset",
    "Downbeat F-measure",
    "Any Metric Level Total",
    "Weighted Score",
    "Time signature",
    "Written_F-measure",
    "Written_F-measure_with_length",
    "WER",
    "F1_line",
)

_MEANINGS = {
    "Precision": "share of the notes found that are right in onset, offset and pitch",
    "Recall": "share of the true notes that were found so",
    "F-measure": "the two in one (harmonic mean); for beats: within 70 ms",
    "F-measure_no_offset": "notes right in onset (50 ms) and pitch, wherever they end",
    "Onset_F-measure": "the same by onset alone",
    "Offset_F-measure": "the same by offset alone",
    "Average_Overlap_Ratio": "how far matched notes overlap in time",
    "Downbeat F-measure": "the first beats of bars, within 70 ms",
    "Correct Metric Level Continuous": "CMLc: longest unbroken stretch of right beats",
    "Correct Metric Level Total": "CMLt: all right stretches together",
    "Any Metric Level Continuous": "AMLc: the longest stretch, half, double and offbeat allowed",
    "Any Metric Level Total": "AMLt: beats right in all stretches, half, double and offbeat allowed",
    "WER": "wrong, missing and added words to each word of the reference",
    "WER_case": "the same, wrong capital letters being errors",
    "CER": "character errors to each character of the reference",
    "F1_punc": "punctuation",
    "F1_pare": "parentheses (backing vocals)",
    "F1_line": "line breaks",
    "F1_sect": "section breaks",
    "Weighted Score": "key: 1 right, .5 a fifth above, .3 relative, .2 parallel",
    "Time signature": "1 if it is the same",
    "Written_F-measure": "notes written at the right place and pitch",
    "Written_F-measure_with_length": "and with the right length",
}


def evaluate(kind: str, reference: Path, estimate: Path, *, language: str = "en") -> dict[str, Any]:
    """The measures of two files of ``kind``, or of two folders of them (:func:`evaluate_folders`).

    The estimate of a single song may be the folder of its run. Raises FullscoreError where either
    can't be read as that kind.
    """
    for path in (reference, estimate):
        if not path.exists():
            raise FullscoreError(f"there is no file or folder {path}; check its name")
    single = not reference.is_dir() or (reference / _OF_A_RUN.get(kind, "")).is_file()
    if not single and estimate.is_dir():
        return evaluate_folders(kind, reference, estimate, language=language)
    if not single:
        raise FullscoreError(f"{reference} is a folder and {estimate} a file; give two files or two folders")
    return dict(_evaluator(kind, language)(reference, estimate))


def evaluate_folders(kind: str, references: Path, estimates: Path, *, language: str = "en") -> dict[str, Any]:
    """``{"corpus": …, "songs": {name: …}}`` of the songs in two folders, matched by name.

    A song's name is its file's without suffix (and without a further ``.notes``, ``.beats`` or
    ``.lyrics``), or its folder's if that is the folder of a run. A reference without an estimate raises
    FullscoreError, lest the figure be better than the work; an estimate without a reference is left out
    with a warning.
    The corpus' measures are, for lyrics, those of all songs pooled, otherwise means over the songs in
    which they are defined.
    """
    sought, found = _songs(kind, references), _songs(kind, estimates)
    missing = sorted(sought.keys() - found.keys())
    if not sought:
        raise FullscoreError(f"the folder {references} holds no {kind} to compare with")
    if missing:
        names = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise FullscoreError(
            f"{estimates} lacks {len(missing)} of the {len(sought)} songs in {references} ({names}); "
            "give each reference an estimate of the same name, an empty file where there is none"
        )
    for name in sorted(found.keys() - sought.keys()):
        logger.warning("%s has no reference in %s and is left out", found[name], references)
    evaluator = _evaluator(kind, language)
    songs = {name: evaluator(path, found[name]) for name, path in sorted(sought.items())}
    if kind == "lyrics":
        true, heard = ([read_lyrics(side[name]) for name in songs] for side in (sought, found))
        return {"corpus": lyric_scores(true, heard, language), "songs": songs}
    return {"corpus": mean_scores(songs), "songs": songs}


def compare_run(run: Path, reference: Path, *, language: str = "en") -> dict[str, Scores]:
    """How a run's folder compares with the reference files of its song, by what was compared.

    ``reference`` is their common path without suffix: ``.notes.csv``, ``.beats.csv``, ``.musicxml`` and
    ``.txt`` are taken where they are there. Notes are compared together and for each stem that both have.
    """
    compared: dict[str, Scores] = {}
    notes, beats, score, words = (
        reference.with_name(reference.name + suffix)
        for suffix in (".notes.csv", ".beats.csv", ".musicxml", ".txt")
    )
    if notes.is_file():
        compared["notes"] = evaluate_notes(notes, run)
        shared = set(read_notes(notes).stems) & set(read_notes(run / "notes.json").stems)
        for stem in sorted(shared):
            compared[f"notes of {stem}"] = evaluate_notes(notes, run, stem=stem)
    if beats.is_file():
        compared["beats"] = evaluate_beats(beats, run)
    if score.is_file():
        compared["key"] = evaluate_key(score, run)
        compared["meter"] = evaluate_meter(score, run)
        compared["score"] = evaluate_score(score, run)
    if words.is_file():
        compared["lyrics"] = evaluate_lyrics(words, run, language)
    return compared


def summary(compared: Mapping[str, Scores]) -> str:
    """The main measures of :func:`compare_run`, one on each row, with what they mean."""
    rows = [
        (what, name, _figure(scores[name]), _MEANINGS.get(name, ""))
        for what, scores in compared.items()
        for name in (("F-measure", *_MAIN) if what == "beats" else _MAIN)
        if name in scores and (what == "score") == name.startswith("Written")
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "\n".join(
        f"{what:<{widths[0]}}  {name:<{widths[1]}}  {figure:>{widths[2]}}  {meaning}".rstrip()
        for what, name, figure, meaning in rows
    )


def mean_scores(songs: Mapping[str, Scores]) -> Scores:
    """The mean of each measure over the songs in which it is defined."""
    names = dict.fromkeys(name for scores in songs.values() for name in scores)
    means: Scores = {}
    for name in names:
        values = [value for scores in songs.values() if (value := scores.get(name)) is not None]
        means[name] = sum(values) / len(values) if values else None
    return means


def table(measures: Mapping[str, Any]) -> str:
    """The measures of a song, or of a corpus and its songs, with what the main ones mean."""
    if "corpus" in measures:
        songs = measures["songs"]
        head = f"{len(songs)} songs together"
        return "\n".join([head, *_rows(measures["corpus"]), *_song_rows(songs)])
    return "\n".join(_rows(measures))


def _rows(scores: Mapping[str, float | None]) -> list[str]:
    width = max(len(name) for name in scores)
    return [
        f"{name:<{width}}  {_figure(value, whole=name in _COUNTS):>7}  {_MEANINGS.get(name, '')}".rstrip()
        for name, value in scores.items()
    ]


def _song_rows(songs: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """One row for each song with its one or two main measures."""
    present = next(iter(songs.values()))
    chosen = [
        name for name in ("WER", "F-measure", "F-measure_no_offset", "Weighted Score") if name in present
    ]
    chosen = chosen or list(present)[:1]
    width = max(len(name) for name in songs)
    rows = ["", f"{'song':<{width}}  " + "  ".join(chosen)]
    for song, scores in songs.items():
        rows.append(
            f"{song:<{width}}  " + "  ".join(f"{_figure(scores[name]):>{len(name)}}" for name in chosen)
        )
    return rows


def _figure(value: float | None, *, whole: bool = False) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if whole else f"{value:.3f}"


def _evaluator(kind: str, language: str) -> Callable[[Path, Path], Scores]:
    evaluators: dict[str, Callable[[Path, Path], Scores]] = {
        "notes": evaluate_notes,
        "beats": evaluate_beats,
        "lyrics": partial(evaluate_lyrics, language=language),
        "key": evaluate_key,
        "meter": evaluate_meter,
        "score": evaluate_score,
    }
    if kind not in evaluators:
        raise FullscoreError(f"there is no measure of '{kind}'; choose one of: {', '.join(KINDS)}")
    return evaluators[kind]


def _songs(kind: str, folder: Path) -> dict[str, Path]:
    """The files of ``kind`` in a folder by their songs' names."""
    songs: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        inside = path / _OF_A_RUN[kind]
        if path.is_dir() and inside.is_file():
            songs[path.name] = inside
    for suffix in _SUFFIXES[kind]:
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix.lower() == suffix:
                songs.setdefault(path.stem.removesuffix(f".{kind}"), path)
    return songs
