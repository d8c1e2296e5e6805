"""The results of a benchmark for people: ``results.md`` and the page ``report.html``.

Both show the same tables, by the templates ``results.md`` and ``page.html`` beside this file. The page adds
what each song's differences look like, and bars of what each stage cost; it is one file that loads nothing
else, so it can be sent to somebody. Only its links to scores need the benchmark's folder beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from evaluation.kinds import KINDS
from fullscore.files import whole_file
from fullscore.templates import templates_of
from pipeline.benchmark.compare import (
    BETTER,
    CONFIDENCE,
    MEMORY_TOLERANCE,
    MIN_SONGS,
    RESAMPLES,
    TIME_STEP_S,
    TIME_TOLERANCE,
    WORSE,
    lower_is_better,
)
from pipeline.benchmark.song import main_measures
from pipeline.settings import Settings

Results = Mapping[str, Any]

FEW_MEASURES = 3  # of a kind, in the table of songs
LONG_TEXT = 24  # characters, from which a cell is kept from getting narrow


@dataclass(frozen=True, slots=True)
class TableCell:
    """What stands in a table: a text, the number it sorts by, where it leads to, whether it is marked."""

    text: str
    number: float | None = None
    link: str = ""
    marked: bool = False
    bar: float | None = None
    """The share of the longest bar in its column."""

    @property
    def long(self) -> bool:
        """Whether it must be kept from getting narrow."""
        return len(self.text) > LONG_TEXT and not self.link


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers."""
        places = range(len(self.columns))
        return [any(row[column].number is not None for row in self.rows) for column in places]


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A headed table with what there is to say of it. ``folded``: a page shows it when asked to."""

    title: str
    about: str
    table: Table
    folded: bool = False

    @property
    def id(self) -> str:
        return _id(self.title)


@dataclass(frozen=True, slots=True)
class Picture:
    """What shows a kind's differences: a ``drawing`` or ``page`` in the page, a score at its ``address``."""

    kind: str
    caption: str
    address: str
    drawing: Markup = Markup()
    page: str = ""


@dataclass(frozen=True, slots=True)
class ShownSong:
    """All of one song. ``told`` stands beside its name; ``row`` is its row in the results."""

    name: str
    id: str
    row: Mapping[str, Any]
    told: str
    engines: str
    pictures: tuple[Picture, ...]
    tables: Mapping[str, Table]


def write_tables(results: Results, comparison: Mapping[str, Any] | None, path: Path) -> None:
    """Write ``results.md``."""
    text = _TEMPLATES.get_template("results.md").render(
        title=_title(results), about=list(_about(results)), sections=list(_sections(results, comparison))
    )
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_page(results: Results, comparison: Mapping[str, Any] | None, out: Path, path: Path) -> None:
    """Write ``report.html`` with the pictures that the rows name, which lie in ``out``."""
    package = files("pipeline.benchmark")
    page = _TEMPLATES.get_template("page.html").render(
        title=_title(results),
        about=list(_about(results)),
        sections=list(_sections(results, comparison, link=lambda song: _link(_song_id(song)))),
        songs=[_song(name, row, out) for name, row in results["songs"].items()],
        style=Markup((package / "page.css").read_text(encoding="utf-8")),
        script=Markup((package / "page.js").read_text(encoding="utf-8")),
    )
    with whole_file(path) as partial:
        partial.write_text(page, encoding="utf-8")


# What both say ----------------------------------------------------------------------------------------------


def _title(results: Results) -> str:
    return f"Benchmark: {results['name']}"


def _about(results: Results) -> Iterator[str]:
    songs = results["songs"]
    failed = sum(1 for row in songs.values() if row["failed"])
    minutes = results["costs"]["duration_s"] / 60
    yield f"{len(songs)} songs, {minutes:.1f} minutes of music, {failed} failed."
    usual = {**asdict(Settings()), "options": [], "own_words": False}
    chosen = [f"{name} {value}" for name, value in results["settings"].items() if value != usual[name]]
    yield f"Settings: {', '.join(chosen) or 'all as they come'}."
    yield "Versions: " + ", ".join(f"{name} {number}" for name, number in results["versions"].items()) + "."
    for name, peer in results["peers"].items():
        if peer["lacking"]:
            yield f"Not run beside ours: {name} ({peer['lacking']})."


def _sections(
    results: Results, comparison: Mapping[str, Any] | None, link: Callable[[str], str] = lambda song: ""
) -> Iterator[ReportSection]:
    yield ReportSection(
        "By kind",
        "Means over the songs that have a reference. Beside another program, ours is the mean over the songs "
        "that it did too, and the ratio is ours to its.",
        _by_kind(results),
    )
    for kind, entry in results["corpus"].items():
        if pooled := entry.get("pooled"):
            rows = [
                (
                    TableCell(language or "all"),
                    TableCell(name),
                    _figure(value),
                    TableCell(KINDS[kind].meanings.get(name, "")),
                )
                for language, measures in pooled.items()
                for name, value in measures.items()
                if name in main_measures(kind)
            ]
            columns = ("language", "measure", "ours", "what it says")
            yield ReportSection(f"Pooled {kind}", "All songs as if one.", Table(columns, tuple(rows)))
    if comparison is not None:
        yield from _compared(comparison, link)
    yield from _songs(results, link)
    yield ReportSection(
        "Costs",
        "Seconds of all songs together, and the highest memory of any.",
        _stages(results["costs"]["stages"]),
    )
    yield ReportSection("Costs of each song", "", _costs(results, link), folded=True)
    if unmeasured := tuple(_unmeasured(results, link)):
        yield ReportSection(
            "Not measured",
            "References with which nothing was compared.",
            Table(("song", "kind", "why"), unmeasured),
            folded=True,
        )


def _by_kind(results: Results) -> Table:
    rows = []
    for kind, entry in results["corpus"].items():
        for name in main_measures(kind):
            if entry["measures"].get(name) is None:
                continue
            head, meaning = TableCell(f"{kind}: {name}"), TableCell(KINDS[kind].meanings.get(name, ""))
            count = entry["songs"][name]
            beside = {peer: found for peer, found in entry["peers"].items() if name in found["measures"]}
            if all(found["songs"][name] < count for found in beside.values()):
                empty = (TableCell(""), TableCell(""), TableCell(""))
                rows.append((head, _whole(count), _figure(entry["measures"][name]), *empty, meaning))
            for peer, found in beside.items():
                ours, theirs = found["ours"].get(name), found["measures"][name]
                ratio = ours / theirs if ours is not None and theirs else None
                its = (TableCell(peer), _figure(theirs), _ratio(ratio, lower_is_better(name)))
                rows.append((head, _whole(found["songs"][name]), _figure(ours), *its, meaning))
    return Table(("measure", "songs", "ours", "beside", "its", "ratio", "what it says"), tuple(rows))


def _songs(results: Results, link: Callable[[str], str]) -> Iterator[ReportSection]:
    """For each kind the main measures of the songs that have them, with the peers' beside."""
    for kind, entry in results["corpus"].items():
        columns = [
            (name, peer)
            for name in _first_measures(kind, entry["measures"])
            for peer in (None, *entry["peers"])
            if peer is None or name in entry["peers"][peer]["measures"]
        ]
        rows = []
        for song, row in results["songs"].items():
            if kind not in row["measures"]:
                continue
            beside = {name: found.get("measures", {}) for name, found in row["peers"].items()}
            sources = (
                (row["measures"][kind] if peer is None else beside.get(peer, {})) for _, peer in columns
            )
            figures = (_figure(source.get(name)) for source, (name, _) in zip(sources, columns, strict=True))
            rows.append((TableCell(song, link=link(song)), *figures))
        heads = (name if peer is None else f"{name} ({peer})" for name, peer in columns)
        yield ReportSection(f"Songs: {kind}", "", Table(("song", *heads), tuple(rows)))


def _first_measures(kind: str, measures: Mapping[str, float | None]) -> list[str]:
    """The first of the main measures that any song has."""
    return [name for name in main_measures(kind) if measures.get(name) is not None][:FEW_MEASURES]


def _stages(stages: Mapping[str, Mapping[str, float]], duration: float | None = None) -> Table:
    """What each stage cost: of the ``duration`` of one song, or of the songs that went through it."""
    slowest = max((stage["seconds"] for stage in stages.values()), default=0.0) or 1.0
    largest = max((stage["peak_memory_mb"] for stage in stages.values()), default=0.0) or 1.0
    rows = []
    for name, stage in stages.items():
        seconds, memory = stage["seconds"], stage["peak_memory_mb"]
        length = stage["duration_s"] if duration is None else duration
        share = TableCell(f"{seconds / length:.3f}", seconds / length) if length else TableCell("–")
        rows.append(
            (
                TableCell(name),
                TableCell(f"{seconds:.1f}", seconds, bar=seconds / slowest),
                share,
                TableCell(f"{memory:.0f}", memory, bar=memory / largest),
            )
        )
    return Table(("stage", "seconds", "of the music's length", "peak memory (MB)"), tuple(rows))


def _costs(results: Results, link: Callable[[str], str]) -> Table:
    rows = []
    for song, row in results["songs"].items():
        if not row["stages"]:
            continue
        length, stages = row["duration_s"], row["stages"].values()
        seconds = sum(stage["seconds"] for stage in stages)
        peak = max(stage["peak_memory_mb"] for stage in stages)
        share = TableCell(f"{seconds / length:.2f}", seconds / length) if length else TableCell("–")
        head = TableCell(song, link=link(song))
        rows.append((head, _whole(length), TableCell(f"{seconds:.1f}", seconds), share, _whole(peak)))
    return Table(("song", "length (s)", "seconds", "of its length", "peak memory (MB)"), tuple(rows))


def _unmeasured(results: Results, link: Callable[[str], str]) -> Iterator[tuple[TableCell, ...]]:
    for song, row in results["songs"].items():
        for kind, reason in row["unmeasured"].items():
            yield TableCell(song, link=link(song)), TableCell(kind), TableCell(reason)
        for peer, found in row["peers"].items():
            if "failed" in found:
                yield (
                    TableCell(song, link=link(song)),
                    TableCell(f"{found['kind']} ({peer})"),
                    TableCell(found["failed"]),
                )


def _compared(comparison: Mapping[str, Any], link: Callable[[str], str]) -> Iterator[ReportSection]:
    columns: tuple[str, ...]
    other = comparison["names"][1]
    method = (
        f"A difference is marked where the {CONFIDENCE:.0%} interval of the mean of the songs' differences "
        f"(bootstrap over songs, {RESAMPLES} draws) leaves out 0; with fewer than {MIN_SONGS} songs nothing "
        "is said. Many measures are looked at: one mark in twenty may be chance."
    )
    alone = [
        f"Only in {name}: {', '.join(songs)}."
        for name, songs in zip(
            comparison["names"], (comparison["only_ours"], comparison["only_other"]), strict=True
        )
        if songs
    ]
    rows = [
        (
            TableCell(f"{kind}: {name}"),
            _whole(found["songs"]),
            _figure(found["ours"]),
            _figure(found["other"]),
            _signed(found["difference"]),
            _interval(found["interval"]),
            _verdict(found["verdict"]),
        )
        for kind, measures in comparison["kinds"].items()
        for name, found in measures.items()
    ]
    columns = ("measure", "songs", "this run", other, "difference", "interval", "verdict")
    yield ReportSection(f"Compared with {other}", " ".join([method, *alone]), Table(columns, tuple(rows)))
    per_song = [
        (
            TableCell(found["song"], link=link(found["song"])),
            TableCell(f"{found['kind']}: {found['measure']}"),
            _figure(found["ours"]),
            _figure(found["other"]),
            _signed(found["ours"] - found["other"]),
        )
        for found in comparison["songs"]
    ]
    about = "Of a single song no claim can be made: these say only where to look."
    columns = ("song", "measure", "this run", other, "difference")
    yield ReportSection("Differences song by song", about, Table(columns, tuple(per_song)), folded=True)
    costs = [
        (
            TableCell(stage),
            *(_seconds(value) for value in found["seconds"]),
            _verdict(found["seconds_verdict"]),
            *(_whole(value) for value in found["peak_memory_mb"]),
            _verdict(found["memory_verdict"]),
        )
        for stage, found in comparison["costs"].items()
    ]
    about = (
        f"Of the songs that both did. Seconds are marked beyond {TIME_TOLERANCE:.0%} and {TIME_STEP_S:g} s, "
        f"memory beyond {MEMORY_TOLERANCE:.0%}: what else the machine does changes them."
    )
    columns = ("stage", "seconds", f"seconds, {other}", "verdict", "peak MB", f"peak MB, {other}", "verdict")
    yield ReportSection("Costs compared", about, Table(columns, tuple(costs)))


def _figure(value: Any) -> TableCell:
    """A measure, with three places."""
    if not isinstance(value, int | float):
        return TableCell("–")
    return TableCell(f"{value:.3f}", value)


def _signed(value: float) -> TableCell:
    return TableCell(f"{value:+.3f}", value)


def _whole(value: float | None) -> TableCell:
    return TableCell("–") if value is None else TableCell(f"{value:.0f}", value)


def _seconds(value: float) -> TableCell:
    return TableCell(f"{value:.1f}", value)


def _interval(bounds: Sequence[float] | None) -> TableCell:
    return TableCell("–") if bounds is None else TableCell(f"{bounds[0]:+.3f} to {bounds[1]:+.3f}")


def _verdict(verdict: str) -> TableCell:
    return TableCell(verdict, marked=verdict in (BETTER, WORSE))


def _ratio(ratio: float | None, lower_better: bool) -> TableCell:
    if ratio is None:
        return TableCell("–")
    return TableCell(f"{ratio:.2f}{' (less is better)' if lower_better else ''}", ratio)


# Markdown ---------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is, in one line."""
    for mark in "\\|`*_<[":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


# The page ---------------------------------------------------------------------------------------------------


def _id(title: str) -> str:
    return "-".join(title.split())


def _song_id(name: str) -> str:
    return f"song-{_id(name)}"


def _link(identifier: str) -> str:
    """The address of an element of the page."""
    return f"#{quote(identifier)}"


def _song(name: str, row: Mapping[str, Any], out: Path) -> ShownSong:
    main = []
    for kind, measures in row["measures"].items():
        figures = (measures[name] for name in main_measures(kind) if measures.get(name) is not None)
        main += [f"{kind} {_figure(figure).text}" for figure in list(figures)[:1]]
    tables = {kind: _measures(kind, measures, row["peers"]) for kind, measures in row["measures"].items()}
    if row["stages"]:
        tables["costs"] = _stages(row["stages"], row["duration_s"] or 0.0)
    return ShownSong(
        name,
        _song_id(name),
        row,
        told=" · ".join(main) or ("failed" if row["failed"] else ""),
        engines=", ".join(f"{stage}: {_engine(engine)}" for stage, engine in row["engines"].items()),
        pictures=tuple(
            _picture(kind, picture, out)
            for kind, picture in row["pictures"].items()
            if (out / picture).is_file()
        ),
        tables=tables,
    )


def _engine(engine: Any) -> str:
    if isinstance(engine, Mapping):
        return " ".join(f"{stem} {_engine(name)}" for stem, name in engine.items())
    return str(engine)


def _measures(kind: str, measures: Mapping[str, Any], peers: Mapping[str, Any]) -> Table:
    """Every measure of a kind, with the peers' beside and what it says; the main ones of stems below."""
    beside = {
        name: found["measures"]
        for name, found in peers.items()
        if found["kind"] == kind and "measures" in found
    }
    meanings = KINDS[kind].meanings
    rows = []
    for name, value in measures.items():
        if value is None or isinstance(value, int | float):
            theirs = (_figure(found.get(name)) for found in beside.values())
            rows.append((TableCell(name), _figure(value), *theirs, TableCell(meanings.get(name, ""))))
        elif isinstance(value, Mapping):
            rows += [
                (
                    TableCell(f"{part}: {inner}"),
                    _figure(number),
                    *(TableCell("") for _ in beside),
                    TableCell(meanings.get(inner, "")),
                )
                for part, inners in value.items()
                if isinstance(inners, Mapping)
                for inner, number in inners.items()
                if inner in main_measures(kind)
            ]
    return Table(("measure", "ours", *beside, "what it says"), tuple(rows))


def _picture(kind: str, picture: str, out: Path) -> Picture:
    caption = KINDS[kind].shows.partition(" (OUT")[0]
    if kind == "score":
        return Picture(kind, caption, quote(picture))
    content = (out / picture).read_text(encoding="utf-8")
    if picture.endswith(".svg"):
        return Picture(kind, caption, quote(picture), drawing=Markup(content[content.index("<svg") :]))
    return Picture(kind, caption, quote(picture), page=content)


_TEMPLATES = templates_of("pipeline.benchmark")
_TEMPLATES.filters.update(plain=_plain, link=_link)
