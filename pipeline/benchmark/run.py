"""A folder of songs with ground truth in, a table and a page of how right the pipeline is out.

    fullscore benchmark FOLDER -o OUT

Every song (:mod:`pipeline.benchmark.datasets`) runs through the pipeline, one after the other, each in a
process of its own (:mod:`pipeline.benchmark.song`); what each stage made is compared with the song's
references, beside other programs on the same files (:mod:`pipeline.benchmark.peers`). A song that fails is a
row with its reason. Each finished row is kept with the fingerprint of all that it depends on (the song's
files, the settings, the versions, our code), so a benchmark that was killed goes on after its last finished
song; failed ones are tried again.

What is left in OUT:

    results.json    all rows and the means (schema below)
    results.md      tables for people
    report.html     the same with pictures, costs and the comparison with another run, in one file
    rows/           a row for each finished song
    songs/ peers/ references/ pictures/     what the songs' runs, the peers and the evaluation made

``results.json``, which names no machine and no time:

    format          1
    name            what the run is called
    settings        those of ``fullscore transcribe``, and own_words
    versions        of Fullscore, Python and the packages that matter
    peers           by name: kind, version, and lacking: why it was not run (or null)
    corpus          by kind: measures (means over the songs in which each is defined), songs (how many
                    these are, by measure), pooled (by language or "", where the kind pools songs), peers (by
                    name: songs, measures, and ours: our means over the same songs)
    costs           duration_s of all songs, and by stage the seconds together, the highest peak_memory_mb and
                    the duration_s of the songs that went through it
    songs           the rows, by name (:mod:`pipeline.benchmark.song`)
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evaluation.kinds import KINDS
from evaluation.report import mean_scores
from fullscore.errors import FullscoreError, Remedy
from fullscore.fingerprint import all_code
from fullscore.launch import command
from pipeline.benchmark.compare import compare_results
from pipeline.benchmark.datasets import DatasetSong, find_songs
from pipeline.benchmark.page import write_page, write_tables
from pipeline.benchmark.peers import PEERS
from pipeline.benchmark.song import Job, Row, empty_row, references_of, row_file, settings_of
from pipeline.report import package_versions
from pipeline.settings import Settings
from pipeline.songs import folder_names
from pipeline.workspace import write_json

logger = logging.getLogger(__name__)

FORMAT = 1
LAST_WORDS = 300  # characters of what a crashed process said

Results = dict[str, Any]


def run_benchmark(
    folder: Path,
    out: Path,
    settings: Settings = Settings(),
    *,
    name: str = "benchmark",
    own_words: bool = False,
    peers: Sequence[str] = (),
    compare: Path | None = None,
    only: Sequence[str] = (),
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Results:
    """Run the songs below ``folder`` (those whose name contains one of ``only``) and write OUT's files.

    The others are in the results with what an earlier run with the same settings found.
    ``name`` is what the run is called; ``own_words`` gives each song its reference's words, so that their
    timing is measured in place of the words; ``compare`` is the ``results.json`` of another run (or its
    folder). ``force`` does everything again. ``say`` is told of each song. Returns what ``results.json``
    holds. Raises FullscoreError where nothing can be run at all.
    """
    other = read_results(compare) if compare is not None else None
    songs = find_songs(folder.resolve())
    called = [Path(song.name.replace("/", " - ") + ".song") for song in songs]
    folders = dict(zip((song.name for song in songs), folder_names(called), strict=True))
    chosen = [song for song in songs if not only or any(text.lower() in song.name.lower() for text in only)]
    if not chosen:
        raise FullscoreError(
            "no song in {folder} is called like {names}", folder=folder, names=", ".join(only)
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FullscoreError(
            "can't write to {out} ({reason})", Remedy("choose output"), out=out, reason=error.strerror
        ) from error
    results = _about(name, settings, own_words, peers)
    for peer, about in results["peers"].items():
        if about["lacking"]:
            say(f"{peer} is left out: it {about['lacking']}")
    jobs = [
        Job(
            data=folder.resolve(),
            name=song.name,
            out=out.resolve(),
            folder=folders[song.name],
            fingerprint=_fingerprint(song, results),
            settings=settings,
            own_words=own_words,
            peers=tuple(peers),
            force=force,
        )
        for song in songs
    ]
    rows = _rows(songs, jobs, chosen, say)
    results["corpus"] = _corpus(songs, rows, results, out, folders)
    results["costs"] = _costs(rows)
    results["songs"] = rows
    write_json(results, out / "results.json")
    comparison = compare_results(results, other) if other is not None else None
    write_tables(results, comparison, out / "results.md")
    write_page(results, comparison, out, out / "report.html")
    return results


def _about(name: str, settings: Settings, own_words: bool, peers: Sequence[str]) -> Results:
    """What ``results.json`` says of the run itself."""
    versions = {"fullscore": version("fullscore"), "python": platform.python_version()}
    told = {
        peer: {
            "kind": PEERS[peer].kind,
            "version": PEERS[peer].version(),
            "lacking": PEERS[peer].lacking() or None,
        }
        for peer in peers
    }
    shown = {
        **asdict(settings),
        "time_signature": str(settings.time_signature or "") or None,
        "options": [list(option) for option in settings.options],
    }
    return {
        "format": FORMAT,
        "name": name,
        "settings": {**shown, "own_words": own_words},
        "versions": {**versions, **package_versions()},
        "peers": told,
    }


def _rows(
    songs: Sequence[DatasetSong],
    jobs: Sequence[Job],
    chosen: Sequence[DatasetSong],
    say: Callable[[str], None],
) -> dict[str, Row]:
    """The rows by song: those of the ``chosen`` ones made where they aren't kept, of the others kept ones."""
    rows: dict[str, Row] = {}
    count = 0
    for song, job in zip(songs, jobs, strict=True):
        row = _kept(job)
        if song in chosen:
            count += 1
            done_before = row is not None and not row["failed"] and not job.force
            if row is None or not done_before:
                row = _in_a_process(song, job)
            state = f"failed: {row['failed']}" if row["failed"] else f"{_seconds(row):.1f} s"
            say(f"{count}/{len(chosen)} {song.name}: {'done before' if done_before else state}")
        if row is not None:
            rows[song.name] = row
    return rows


def read_results(path: Path) -> Results:
    """The results of another run, from its ``results.json`` or its folder. Raises FullscoreError."""
    from evaluation.files import artefact
    from fullscore.reading import read_json

    file = artefact(path, "results.json")
    results: Results = read_json(file)
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise FullscoreError(
            "{file} is not the results.json of a benchmark of this version", "run it again", file=file
        )
    return results


def _in_a_process(song: DatasetSong, job: Job) -> Row:
    """The song's row; where its process died before it was written, a row that says of what."""
    file = row_file(job.out, job.folder)
    file.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as said:
        told = Path(scratch) / "job.json"
        job.write(told)
        process = subprocess.Popen(
            command("pipeline.benchmark.song", str(told)),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
        )
        try:
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()
        row = _read_row(file)
        if row is not None:
            return row
        said.seek(0)
        words = " ".join(said.read().decode("utf-8", "replace").split())[-LAST_WORDS:]
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    source = song.source.relative_to(job.data).as_posix()
    row = empty_row(song.name, source, job.fingerprint, f"its process {how}{': ' if words else ''}{words}")
    write_json(row, file)
    return row


def _kept(job: Job) -> Row | None:
    """The row of an earlier run, if it is whole and nothing it depends on has changed."""
    row = _read_row(row_file(job.out, job.folder))
    return row if row and row["fingerprint"] == job.fingerprint else None


def _read_row(file: Path) -> Row | None:
    try:
        row: Row = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return row


def _fingerprint(song: DatasetSong, about: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(all_code().encode())
    told = {key: about[key] for key in ("format", "settings", "versions", "peers")}
    compared = {"kinds": sorted(song.references), "options": song.options, "any_octave": song.any_octave}
    digest.update(
        json.dumps([song.name, song.language, told, compared], sort_keys=True, default=dict).encode()
    )
    for path in song.files():
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _seconds(row: Row) -> float:
    return float(sum(stage["seconds"] for stage in row["stages"].values()))


# All songs together -----------------------------------------------------------------------------------------


def _corpus(
    songs: Sequence[DatasetSong],
    rows: Mapping[str, Row],
    results: Results,
    out: Path,
    folders: Mapping[str, str],
) -> dict[str, Any]:
    corpus = {}
    for kind in KINDS:
        measured = {name: row["measures"][kind] for name, row in rows.items() if kind in row["measures"]}
        if not measured:
            continue
        entry = _means(list(measured.values()))
        pairs = [song for song in songs if song.name in measured]
        try:
            if pooled := _pooled(kind, pairs, results["settings"]["language"], out, folders):
                entry["pooled"] = pooled
        # Such as a run's folder that was removed after its row was written.
        except FullscoreError as error:
            logger.warning("%s are not pooled: %s", kind, error)
        entry["peers"] = {}
        for peer, about in results["peers"].items():
            theirs = {
                name: rows[name]["peers"][peer]["measures"]
                for name in measured
                if about["kind"] == kind and rows[name]["peers"].get(peer, {}).get("measures")
            }
            if theirs:
                ours = mean_scores(measured[name] for name in theirs)
                entry["peers"][peer] = {**_means(list(theirs.values())), "ours": ours}
        corpus[kind] = entry
    return corpus


def _means(songs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    means = mean_scores(songs)
    defined = {name: sum(1 for song in songs if song.get(name) is not None) for name in means}
    return {"songs": defined, "measures": means}


def _pooled(
    kind: str, songs: Sequence[DatasetSong], language: str | None, out: Path, folders: Mapping[str, str]
) -> dict[str, Any]:
    """The measures of all songs (of one language) as if they were one, where the kind does so."""
    pool = KINDS[kind].pool
    if pool is None:
        return {}
    spoken_there = any(field.name == "language" for field in fields(KINDS[kind].settings))
    by_language: dict[str, list[DatasetSong]] = {}
    for song in songs:
        by_language.setdefault((song.language or language or "") if spoken_there else "", []).append(song)
    return {
        spoken: pool(
            [
                (
                    song.reference(kind, references_of(out, folders[song.name])),
                    out / "songs" / folders[song.name],
                )
                for song in group
            ],
            settings_of(kind, replace(group[0], options={}), language),
        )
        for spoken, group in by_language.items()
    }


def _costs(rows: Mapping[str, Row]) -> dict[str, Any]:
    stages: dict[str, dict[str, float]] = {}
    # A performance goes through the last stage only: the order is that of a song that goes through most.
    for row in sorted(rows.values(), key=lambda row: -len(row["stages"])):
        for name, stage in row["stages"].items():
            total = stages.setdefault(name, {"seconds": 0.0, "peak_memory_mb": 0.0, "duration_s": 0.0})
            total["seconds"] = round(total["seconds"] + stage["seconds"], 3)
            total["peak_memory_mb"] = max(total["peak_memory_mb"], stage["peak_memory_mb"])
            total["duration_s"] += row["duration_s"] or 0.0
    return {"duration_s": sum(row["duration_s"] or 0.0 for row in rows.values()), "stages": stages}
