"""Any two files or folders of one kind compared, and the result as a table for people."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.files import Scores, artefact
from evaluation.kinds import KINDS, Kind, kind_named
from fullscore.errors import FullscoreError, Remedy
from fullscore.files import AUDIO_SUFFIXES
from fullscore.reading import form_of, form_of_suffix

logger = logging.getLogger(__name__)

_SAID_IN_NAMES = {name: name for name in KINDS} | {"f0": "melody", "words": "lyrics-timing"}
"""The last part of a file's name before its suffix (``song.notes.csv``), and the kind that it says."""

_STEMS_IN_ONE = ".stem.mp4"

Measures = dict[str, Any]
"""The measures of one comparison by name; a name such as ``stems`` may hold measures by stem."""


def evaluate(
    kind: str, reference: str | Path, estimate: str | Path, settings: object | None = None
) -> Measures:
    """The measures of two files of ``kind``, or of two folders of them (:func:`evaluate_folders`).

    Either file may be the folder of a run. ``settings`` are of the class that the kind names, its
    defaults if None. Raises FullscoreError where a path can't be read as that kind.
    """
    chosen = kind_named(kind)
    reference, estimate = Path(reference), Path(estimate)
    for path in (reference, estimate):
        if not path.exists():
            raise FullscoreError("there is no file or folder {path}", "check its name", path=path)
    if _is_single(chosen, reference):
        return evaluate_pair(chosen, reference, estimate, settings)
    if estimate.is_dir():
        return evaluate_folders(chosen, reference, estimate, settings)
    raise FullscoreError(
        "{reference} is a folder and {estimate} a file",
        "give two files or two folders",
        reference=reference,
        estimate=estimate,
    )


def evaluate_pair(kind: Kind, reference: Path, estimate: Path, settings: object | None = None) -> Measures:
    """The measures of two files (or folders of runs) of a kind, each checked to be of that kind's form."""
    if kind.suffixes:
        for path in (reference, estimate):
            _check_form(kind, artefact(path, kind.of_a_run))
    return kind.evaluate(reference, estimate, settings)


def evaluate_folders(
    kind: Kind, references: Path, estimates: Path, settings: object | None = None
) -> Measures:
    """``{"corpus": …, "songs": {name: …}}`` of the songs in two folders, matched by name.

    A song's name is its file's without suffix (and without a further ``.notes``, ``.beats`` and so on),
    or its folder's if that is the folder of a run. A reference without an estimate raises
    FullscoreError, lest the figure be better than the work; an estimate without a reference is left out
    with a warning.
    The corpus' measures are those of all songs pooled where the literature does so (lyrics), otherwise
    means over the songs in which they are defined.
    """
    sought, found = _songs(kind, references), _songs(kind, estimates)
    missing = sorted(sought.keys() - found.keys())
    if not sought:
        raise FullscoreError(
            "the folder {references} holds no {kind} to compare with", references=references, kind=kind.name
        )
    if missing:
        names = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise FullscoreError(
            "{estimates} lacks {missing} of the {sought} songs in {references} ({names})",
            "give each reference an estimate of the same name, an empty file where there is none",
            estimates=estimates,
            missing=len(missing),
            sought=len(sought),
            references=references,
            names=names,
        )
    for name in sorted(found.keys() - sought.keys()):
        logger.warning("%s has no reference in %s and is left out", found[name], references)
    pairs = {name: (path, found[name]) for name, path in sorted(sought.items())}
    songs = {name: evaluate_pair(kind, *pair, settings) for name, pair in pairs.items()}
    if kind.pool is not None:
        return {"corpus": kind.pool(list(pairs.values()), settings or kind.settings()), "songs": songs}
    return {"corpus": mean_scores(songs.values()), "songs": songs}


def compare_run(
    run: Path, references: Mapping[str, Path], settings: Mapping[str, object] | None = None
) -> dict[str, Measures]:
    """How a run's folder compares with the reference files of its song, by kind."""
    given = settings or {}
    return {
        kind: evaluate_pair(kind_named(kind), reference, run, given.get(kind))
        for kind, reference in references.items()
    }


def mean_scores(songs: Iterable[Mapping[str, Any]]) -> Scores:
    """The mean of each measure over the songs in which it is defined."""
    rows = [dict(_figures(song)) for song in songs]
    means: Scores = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [value for row in rows if (value := row.get(name)) is not None]
        means[name] = sum(values) / len(values) if values else None
    return means


def summary(compared: Mapping[str, Mapping[str, Any]]) -> str:
    """The main measures of :func:`compare_run`, one on each row, with what they mean."""
    rows = [
        (what, name, _figure(value), kind.meanings.get(name, ""))
        for kind, what, measures in _parts(compared)
        for name in kind.main
        if (value := measures.get(name)) is not None or name in measures
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "\n".join(
        f"{what:<{widths[0]}}  {name:<{widths[1]}}  {figure:>{widths[2]}}  {meaning}".rstrip()
        for what, name, figure, meaning in rows
    )


def table(kind: str, measures: Mapping[str, Any]) -> str:
    """The measures of a song, or of a corpus and its songs, with what they mean."""
    chosen = kind_named(kind)
    if "corpus" in measures:
        songs = measures["songs"]
        head = f"{len(songs)} songs together"
        return "\n".join([head, *_rows(chosen, measures["corpus"]), *_grid("song", songs, chosen.main)])
    rows = _rows(chosen, measures)
    for name, parts in measures.items():
        if isinstance(parts, Mapping):
            rows += _grid(name.removesuffix("s"), parts, chosen.main)
    return "\n".join(rows)


def _rows(kind: Kind, measures: Mapping[str, Any]) -> list[str]:
    """One row for each measure that has a meaning given, in the order of the meanings."""
    shown = {name: measures[name] for name in kind.meanings if name in measures}
    width = max((len(name) for name in shown), default=0)
    return [
        f"{name:<{width}}  {_figure(value):>7}  {kind.meanings[name]}".rstrip()
        for name, value in shown.items()
    ]


def _grid(head: str, rows: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """One row for each song or stem with its main measures."""
    chosen = [name for name in names if any(name in measures for measures in rows.values())]
    width = max((len(name) for name in (head, *rows)), default=0)
    lines = ["", f"{head:<{width}}  " + "  ".join(chosen)]
    for row, measures in rows.items():
        figures = (f"{_figure(measures.get(name)):>{len(name)}}" for name in chosen)
        lines.append(f"{row:<{width}}  " + "  ".join(figures))
    return lines


def _parts(
    compared: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[Kind, str, Mapping[str, Any]]]:
    """Each kind's measures, and below it those of its stems."""
    for name, measures in compared.items():
        kind = KINDS[name]
        yield kind, name, measures
        for stem, inner in measures.get("stems", {}).items():
            yield kind, f"{name} of {stem}", inner


def _figure(value: Any) -> str:
    """A number in a table: three places, none for a count."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _figures(measures: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, value in measures.items():
        if value is None or isinstance(value, int | float):
            yield name, value


def _check_form(kind: Kind, path: Path) -> None:
    """Raises FullscoreError where a file is of a form that no file of this kind has."""
    form = form_of(path)
    forms = {form_of_suffix(suffix) for suffix in kind.suffixes}
    if form in forms:
        return
    others = [
        other.name
        for other in KINDS.values()
        if form in {form_of_suffix(suffix) for suffix in other.suffixes}
    ]
    raise FullscoreError(
        "{path} holds {form}, but {kind} are compared in {suffixes}",
        Remedy("evaluate as", {"kinds": "|".join(others)}) if others else "check the order of the files",
        path=path,
        form=form,
        kind=kind.name,
        suffixes=", ".join(kind.suffixes),
    )


def _is_single(kind: Kind, reference: Path) -> bool:
    """Whether ``reference`` is one song: a file, the folder of a run, or a folder of stems."""
    if not reference.is_dir() or (reference / kind.of_a_run).exists():
        return True
    return not kind.suffixes and any(
        path.suffix.lower() in AUDIO_SUFFIXES and not path.name.endswith(_STEMS_IN_ONE)
        for path in reference.iterdir()
    )


def _songs(kind: Kind, folder: Path) -> dict[str, Path]:
    """The files, or the folders of runs or stems, of ``kind`` in a folder by their songs' names."""
    songs: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and ((path / kind.of_a_run).exists() or _is_single(kind, path)):
            songs[path.name] = path
        elif not kind.suffixes and path.name.endswith(_STEMS_IN_ONE):
            songs[path.name.removesuffix(_STEMS_IN_ONE)] = path
    for suffix in kind.suffixes:
        for path in sorted(folder.iterdir()):
            name, _, last = path.stem.rpartition(".")
            said = _SAID_IN_NAMES.get(last)
            if path.is_file() and path.suffix.lower() == suffix and said in (None, kind.name):
                songs.setdefault(name if said else path.stem, path)
    return songs
