"""The results of a benchmark for people: ``results.md`` and the page ``report.html``.

Both show the same tables. The page adds what each song's differences look like, and bars of what each stage
cost; it is one file that loads nothing else, so it can be sent to somebody. Only its links to scores need
the benchmark's folder beside it.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from evaluation.kinds import KINDS
from fullscore.files import whole_file
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
class Cell:
    """What stands in a table: a text, the number it sorts by, where it leads to, whether it is marked."""

    text: str
    number: float | None = None
    link: str = ""
    marked: bool = False
    bar: float | None = None
    """The share of the longest bar in its column."""


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A headed table with what there is to say of it. ``folded``: a page shows it when asked to."""

    title: str
    about: str
    table: Table
    folded: bool = False


def write_tables(results: Results, comparison: Mapping[str, Any] | None, path: Path) -> None:
    """Write ``results.md``."""
    lines = [f"# {_plain(_title(results))}", "", *(f"{_plain(line)}  " for line in _about(results))]
    for section in _sections(results, comparison):
        about = [_plain(section.about), ""] if section.about else []
        lines += ["", f"## {_plain(section.title)}", "", *about]
        lines += _markdown(section.table)
    with whole_file(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_page(results: Results, comparison: Mapping[str, Any] | None, out: Path, path: Path) -> None:
    """Write ``report.html`` with the pictures that the rows name, which lie in ``out``."""
    sections = list(_sections(results, comparison, link=lambda song: _link(_song_id(song))))
    songs = results["songs"]
    contents = [*(section.title for section in sections), "Song by song"]
    links = "".join(f'<a href="{_link(_id(title))}">{_text(title)}</a>' for title in contents)
    body = [
        "<main>",
        f"<h1>{_text(_title(results))}</h1>",
        *(f'<p class="quiet">{_text(line)}</p>' for line in _about(results)),
        *_failures(songs),
        f"<nav>{links}</nav>",
        *(_section(section) for section in sections),
        f'<h2 id="{_text(_id("Song by song"))}">Song by song</h2>',
        *(_song(name, row, out) for name, row in songs.items()),
        "</main>",
    ]
    package = files("pipeline.benchmark")
    page = Template((package / "page.html").read_text(encoding="utf-8")).substitute(
        title=_text(_title(results)),
        style=(package / "page.css").read_text(encoding="utf-8"),
        script=(package / "page.js").read_text(encoding="utf-8"),
        body="\n".join(body),
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
) -> Iterator[Section]:
    yield Section(
        "By kind",
        "Means over the songs that have a reference. Beside another program, ours is the mean over the songs "
        "that it did too, and the ratio is ours to its.",
        _by_kind(results),
    )
    for kind, entry in results["corpus"].items():
        if pooled := entry.get("pooled"):
            rows = [
                (
                    Cell(language or "all"),
                    Cell(name),
                    _figure(value),
                    Cell(KINDS[kind].meanings.get(name, "")),
                )
                for language, measures in pooled.items()
                for name, value in measures.items()
                if name in main_measures(kind)
            ]
            columns = ("language", "measure", "ours", "what it says")
            yield Section(f"Pooled {kind}", "All songs as if one.", Table(columns, tuple(rows)))
    if comparison is not None:
        yield from _compared(comparison, link)
    yield from _songs(results, link)
    yield Section(
        "Costs",
        "Seconds of all songs together, and the highest memory of any.",
        _stages(results["costs"]["stages"]),
    )
    yield Section("Costs of each song", "", _costs(results, link), folded=True)
    if unmeasured := tuple(_unmeasured(results, link)):
        yield Section(
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
            head, meaning = Cell(f"{kind}: {name}"), Cell(KINDS[kind].meanings.get(name, ""))
            count = entry["songs"][name]
            beside = {peer: found for peer, found in entry["peers"].items() if name in found["measures"]}
            if all(found["songs"][name] < count for found in beside.values()):
                empty = (Cell(""), Cell(""), Cell(""))
                rows.append((head, _whole(count), _figure(entry["measures"][name]), *empty, meaning))
            for peer, found in beside.items():
                ours, theirs = found["ours"].get(name), found["measures"][name]
                ratio = ours / theirs if ours is not None and theirs else None
                its = (Cell(peer), _figure(theirs), _ratio(ratio, lower_is_better(name)))
                rows.append((head, _whole(found["songs"][name]), _figure(ours), *its, meaning))
    return Table(("measure", "songs", "ours", "beside", "its", "ratio", "what it says"), tuple(rows))


def _songs(results: Results, link: Callable[[str], str]) -> Iterator[Section]:
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
            rows.append((Cell(song, link=link(song)), *figures))
        heads = (name if peer is None else f"{name} ({peer})" for name, peer in columns)
        yield Section(f"Songs: {kind}", "", Table(("song", *heads), tuple(rows)))


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
        share = Cell(f"{seconds / length:.3f}", seconds / length) if length else Cell("–")
        rows.append(
            (
                Cell(name),
                Cell(f"{seconds:.1f}", seconds, bar=seconds / slowest),
                share,
                Cell(f"{memory:.0f}", memory, bar=memory / largest),
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
        share = Cell(f"{seconds / length:.2f}", seconds / length) if length else Cell("–")
        head = Cell(song, link=link(song))
        rows.append((head, _whole(length), Cell(f"{seconds:.1f}", seconds), share, _whole(peak)))
    return Table(("song", "length (s)", "seconds", "of its length", "peak memory (MB)"), tuple(rows))


def _unmeasured(results: Results, link: Callable[[str], str]) -> Iterator[tuple[Cell, ...]]:
    for song, row in results["songs"].items():
        for kind, reason in row["unmeasured"].items():
            yield Cell(song, link=link(song)), Cell(kind), Cell(reason)
        for peer, found in row["peers"].items():
            if "failed" in found:
                yield Cell(song, link=link(song)), Cell(f"{found['kind']} ({peer})"), Cell(found["failed"])


def _compared(comparison: Mapping[str, Any], link: Callable[[str], str]) -> Iterator[Section]:
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
            Cell(f"{kind}: {name}"),
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
    yield Section(f"Compared with {other}", " ".join([method, *alone]), Table(columns, tuple(rows)))
    per_song = [
        (
            Cell(found["song"], link=link(found["song"])),
            Cell(f"{found['kind']}: {found['measure']}"),
            _figure(found["ours"]),
            _figure(found["other"]),
            _signed(found["ours"] - found["other"]),
        )
        for found in comparison["songs"]
    ]
    about = "Of a single song no claim can be made: these say only where to look."
    columns = ("song", "measure", "this run", other, "difference")
    yield Section("Differences song by song", about, Table(columns, tuple(per_song)), folded=True)
    costs = [
        (
            Cell(stage),
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
    yield Section("Costs compared", about, Table(columns, tuple(costs)))


def _figure(value: Any) -> Cell:
    """A measure, with three places."""
    if not isinstance(value, int | float):
        return Cell("–")
    return Cell(f"{value:.3f}", value)


def _signed(value: float) -> Cell:
    return Cell(f"{value:+.3f}", value)


def _whole(value: float | None) -> Cell:
    return Cell("–") if value is None else Cell(f"{value:.0f}", value)


def _seconds(value: float) -> Cell:
    return Cell(f"{value:.1f}", value)


def _interval(bounds: Sequence[float] | None) -> Cell:
    return Cell("–") if bounds is None else Cell(f"{bounds[0]:+.3f} to {bounds[1]:+.3f}")


def _verdict(verdict: str) -> Cell:
    return Cell(verdict, marked=verdict in (BETTER, WORSE))


def _ratio(ratio: float | None, lower_better: bool) -> Cell:
    if ratio is None:
        return Cell("–")
    return Cell(f"{ratio:.2f}{' (less is better)' if lower_better else ''}", ratio)


# Markdown ---------------------------------------------------------------------------------------------------


def _markdown(table: Table) -> list[str]:
    numeric = _numeric(table)
    rule = "|".join("--:" if numbers else "---" for numbers in numeric)
    lines = ["| " + " | ".join(_plain(column) for column in table.columns) + " |", f"|{rule}|"]
    for row in table.rows:
        lines.append(
            "| " + " | ".join(_plain(cell.text) + (" *" if cell.marked else "") for cell in row) + " |"
        )
    return lines


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is, in one line."""
    for mark in "\\|`*_<[":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _numeric(table: Table) -> list[bool]:
    """Which columns hold numbers."""
    return [any(row[column].number is not None for row in table.rows) for column in range(len(table.columns))]


# The page ---------------------------------------------------------------------------------------------------


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _id(title: str) -> str:
    return "-".join(title.split())


def _song_id(name: str) -> str:
    return f"song-{_id(name)}"


def _link(identifier: str) -> str:
    """The address of an element of the page."""
    return f"#{quote(identifier)}"


def _section(section: Section) -> str:
    about = f'<p class="quiet">{_text(section.about)}</p>' if section.about else ""
    head, named, table = _text(section.title), _text(_id(section.title)), _html(section.table)
    if not section.folded:
        return f'<h2 id="{named}">{head}</h2>\n{about}\n{table}'
    count = f'<span class="quiet">{len(section.table.rows)}</span>'
    return (
        f'<details class="section" id="{named}"><summary><h2>{head}</h2> {count}</summary>\n'
        f"{about}\n{table}</details>"
    )


def _html(table: Table) -> str:
    numeric = _numeric(table)
    heads = "".join(
        f'<th scope="col"{_class(number)}><button type="button">{_text(column)}</button></th>'
        for column, number in zip(table.columns, numeric, strict=True)
    )
    rows = "\n".join(
        "<tr>" + "".join(_cell(cell, number) for cell, number in zip(row, numeric, strict=True)) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{heads}</tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _class(number: bool) -> str:
    return ' class="number"' if number else ""


def _cell(cell: Cell, number: bool) -> str:
    text = _text(cell.text)
    if cell.link:
        text = f'<a href="{_text(cell.link)}">{text}</a>'
    if cell.marked:
        text = f'<span class="marked">{text}</span>'
    if cell.bar is not None:
        text += f'<span class="bar"><i style="width:{100 * cell.bar:.1f}%"></i></span>'
    value = f' data-value="{cell.number!r}"' if cell.number is not None else ""
    long = ' class="long"' if len(cell.text) > LONG_TEXT and not cell.link else ""
    return f"<td{_class(number) or long}{value}>{text}</td>"


def _failures(songs: Mapping[str, Any]) -> Iterator[str]:
    failed = {name: row["failed"] for name, row in songs.items() if row["failed"]}
    if failed:
        lines = "".join(
            f'<p><a href="{_link(_song_id(name))}">{_text(name)}</a> failed: {_text(why)}</p>'
            for name, why in failed.items()
        )
        yield f'<div class="failed">{lines}</div>'


def _song(name: str, row: Mapping[str, Any], out: Path) -> str:
    """All of one song, folded."""
    main = []
    for kind, measures in row["measures"].items():
        figures = (measures[name] for name in main_measures(kind) if measures.get(name) is not None)
        main += [f"{kind} {_figure(figure).text}" for figure in list(figures)[:1]]
    parts = [f'<p class="quiet">{_text(row["source"])}</p>']
    if row["failed"]:
        parts.append(f"<p>Failed: {_text(row['failed'])}</p>")
    if row["engines"]:
        engines = ", ".join(f"{stage}: {_engine(engine)}" for stage, engine in row["engines"].items())
        parts.append(f"<p>{_text(engines)}</p>")
    if row["warnings"]:
        parts.append("<ul>" + "".join(f"<li>{_text(told)}</li>" for told in row["warnings"]) + "</ul>")
    for kind, picture in row["pictures"].items():
        parts.append(_picture(kind, picture, out))
    for kind, measures in row["measures"].items():
        parts.append(f"<h3>{_text(kind)}</h3>{_html(_measures(kind, measures, row['peers']))}")
    if row["stages"]:
        parts.append(f"<h3>costs</h3>{_html(_stages(row['stages'], row['duration_s'] or 0.0))}")
    told = " · ".join(main) or ("failed" if row["failed"] else "")
    return (
        f'<details class="song" id="{_text(_song_id(name))}"><summary><b>{_text(name)}</b> '
        f'<span class="quiet">{_text(told)}</span></summary>\n' + "\n".join(parts) + "\n</details>"
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
            rows.append((Cell(name), _figure(value), *theirs, Cell(meanings.get(name, ""))))
        elif isinstance(value, Mapping):
            rows += [
                (
                    Cell(f"{part}: {inner}"),
                    _figure(number),
                    *(Cell("") for _ in beside),
                    Cell(meanings.get(inner, "")),
                )
                for part, inners in value.items()
                if isinstance(inners, Mapping)
                for inner, number in inners.items()
                if inner in main_measures(kind)
            ]
    return Table(("measure", "ours", *beside, "what it says"), tuple(rows))


def _picture(kind: str, picture: str, out: Path) -> str:
    """What shows a kind's differences: a drawing or a page in the page, a written score as a link to it."""
    path = out / picture
    if not path.is_file():
        return ""
    if kind == "score":
        return f'<p><a href="{quote(picture)}">Both scores, with the wrong notes coloured</a></p>'
    content = path.read_text(encoding="utf-8")
    caption = f"<figcaption>{_text(KINDS[kind].shows.partition(' (OUT')[0])}</figcaption>"
    if path.suffix == ".svg":
        drawing = content[content.index("<svg") :]
        return f'<figure>{caption}<div class="picture">{drawing}</div></figure>'
    return (
        f'<figure>{caption}<iframe sandbox title="{_text(kind)}" srcdoc="{_text(content)}"></iframe></figure>'
    )
