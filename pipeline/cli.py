"""The command line (its contract: docs/architecture.md). Nothing heavy is imported before it is needed.

Exit codes: 0 all done; 1 at least one song failed, or the one thing asked for could not be done;
2 wrong usage.
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import io
import json
import logging
import math
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from evaluation.kinds import KINDS
from fullscore.errors import FullscoreError
from pipeline.settings import Settings, parse_pick_up, parse_tempo, parse_time_signature

DONE, FAILED, WRONG_USAGE = 0, 1, 2

LAST_PORT = 65535

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO if given.verbose else logging.ERROR, format="%(message)s")
    logging.captureWarnings(True)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path may hold what the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(given.command(given))
    except FullscoreError as error:
        return _say_failed(str(error))
    except BrokenPipeError:  # whoever read has enough, as in "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return _say_failed("stopped; the same command goes on from the last finished stage")
    except Exception as error:
        return _say_failed(_reason(error, given.verbose))


def _say_failed(message: str) -> int:
    print(f"fullscore: {message}", file=sys.stderr)
    return FAILED


def _reason(error: Exception, verbose: bool) -> str:
    """A sentence on what went wrong."""
    if isinstance(error, FullscoreError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; make room and give the same command again"
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        return f"can't use{where}: {error.strerror or error}; choose another place or mend its permissions"
    if isinstance(error, ImportError):
        return f"the installation is incomplete ({error}); install Fullscore's requirements again"
    if isinstance(error, MemoryError):
        return "there is not enough memory; close other programs and try again"
    if verbose:
        traceback.print_exception(error)
    return f"unexpected {type(error).__name__}: {error} (--verbose shows where)"


# --- arguments --------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """argparse with one clear sentence for wrong usage instead of the whole usage text."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(WRONG_USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fullscore", description="A song in, its full score out.")
    parser.add_argument("--version", action="version", version=f"fullscore {version('fullscore')}")
    common = _Parser(add_help=False)
    common.add_argument("--verbose", action="store_true", help="say more, and where an error arose")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help, parents=[common])
        added.set_defaults(command=run)
        return added

    transcribe = command("transcribe", _transcribe, "transcribe songs into scores")
    transcribe.add_argument(
        "songs", nargs="+", type=Path, metavar="SONG", help="recordings or folders of them"
    )
    transcribe.add_argument(
        "-o", "--out", type=Path, required=True, help="where a folder for each song is made"
    )
    _add_settings(transcribe, Settings)
    transcribe.add_argument("--force", action="store_true", help="do every stage again")

    notate = command("notate", _notate, "write performed MIDI as a score")
    notate.add_argument("notes", type=Path, metavar="NOTES.mid")
    notate.add_argument(
        "-o", "--out", type=Path, required=True, metavar="SCORE.musicxml", help="or .mxl, .mid, .pdf"
    )
    _add_settings(notate, Settings, _NOTATED)

    evaluate = command("evaluate", _evaluate, "compare an estimate with a reference")
    kinds = evaluate.add_subparsers(metavar="KIND", required=True, dest="kind", parser_class=_Parser)
    for kind in KINDS.values():
        compare = kinds.add_parser(kind.name, help=kind.help, description=kind.help, parents=[common])
        compare.add_argument("reference", type=Path, help="a file, a run's folder, or a folder of them")
        compare.add_argument("estimate", type=Path, help="likewise, with the same names")
        _add_settings(compare, kind.settings)
        compare.add_argument("--json", action="store_true", help="print one JSON object")
        if kind.shows:
            compare.add_argument("--show", nargs="?", type=Path, const=Path(), metavar="OUT", help=kind.shows)

    benchmark = command(
        "benchmark", _benchmark, "run songs with ground truth and say how right each stage is"
    )
    benchmark.add_argument("folder", type=Path, help="holds songs with their ground truth")
    benchmark.add_argument("-o", "--out", type=Path, required=True, help="where the results are written")
    benchmark.add_argument("--name", default="benchmark", help="what the run is called")
    benchmark.add_argument("--only", nargs="+", default=[], metavar="TEXT", help="songs called like this")
    benchmark.add_argument(
        "--own-words", action="store_true", help="give each song its true words, to be timed"
    )
    benchmark.add_argument("--peers", default="all", help="programs beside: all, none or names, by commas")
    benchmark.add_argument("--compare", type=Path, metavar="OTHER", help="results.json of another run")
    _add_settings(benchmark, Settings)
    benchmark.add_argument("--force", action="store_true", help="do everything again")

    models = command("models", _models, "list, fetch and find model weights")
    models.add_argument("action", choices=("list", "fetch", "path"))
    models.add_argument("names", nargs="*", metavar="MODEL", help="for fetch: which models")
    models.add_argument("--offline", action="store_true", help="never download anything")

    page = command("ui", _ui, "open the web page")
    page.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 lets other machines in (default: this one)"
    )
    page.add_argument("--port", type=_usage(_port), default=7860, help="(default: 7860)")
    page.add_argument("--auth", type=_usage(_login), metavar="USER:PASSWORD", help="what the page asks for")
    page.add_argument("--root-path", default="", help="where a proxy shows the page, such as /music")
    page.add_argument("--max-upload-mb", type=_usage(_positive), default=200.0, help="(default: 200)")
    page.add_argument("--max-minutes", type=_usage(_positive), default=30.0, help="of a song (default: 30)")
    page.add_argument("--jobs", type=_usage(_count), default=1, help="songs worked on at once (default: 1)")
    page.add_argument("--keep-hours", type=_usage(_positive), default=24.0, help="of a song (default: 24)")
    page.add_argument("--results", type=Path, help="where songs are kept (default: in your data folder)")
    page.add_argument("--share", action="store_true", help="show it to the internet, by Gradio's tunnel")
    return parser


_NOTATED = ("beats", "tempo", "time_signature", "key", "pick_up", "simplify", "chords")
"""The settings that a performance without a recording has a use for."""


def _add_settings(
    parser: argparse.ArgumentParser, settings: type, names: Sequence[str] | None = None
) -> None:
    """One option for each field of a settings class (of ``names`` only, if given), with its help."""
    for field in dataclasses.fields(settings):
        if names is not None and field.name not in names:
            continue
        flag = "--" + field.name.replace("_", "-")
        if field.name == "options":
            parser.add_argument(
                "--set", dest="options", action="append", type=_engine_option, default=[],
                metavar="ENGINE.OPTION=VALUE", help="an option of one engine, e.g. htdemucs.shifts=2",
            )  # fmt: skip
        elif isinstance(field.default, bool):
            parser.add_argument(flag, action="store_true", help=field.metadata["help"])
        else:
            reader = _READERS.get(field.name) or (_number if field.type == "float" else str)
            parser.add_argument(
                flag,
                type=_usage(reader),
                default=field.default,
                choices=field.metadata.get("choices"),
                help=field.metadata["help"],
            )


def _usage(reader: Callable[[str], Any]) -> Callable[[str], Any]:
    """``reader`` as an argparse type: what it refuses is wrong usage."""

    def read(text: str) -> Any:
        try:
            return reader(text)
        except FullscoreError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _key(text: str) -> str:
    from notation.spelling import parse_key

    return str(parse_key(text))


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise FullscoreError("'{text}' is not a number from 0 upwards", text=text)
    return number


def _positive(text: str) -> float:
    number = _number(text)
    if not number:
        raise FullscoreError("'{text}' is too little", "give a number above 0", text=text)
    return number


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise FullscoreError("'{text}' is not a count", "give a whole number from 1 upwards", text=text)
    return int(text)


def _login(text: str) -> tuple[str, str]:
    user, _, password = text.partition(":")
    if not (user and password):
        raise FullscoreError("a login is USER:PASSWORD")
    return user, password


_READERS: dict[str, Callable[[str], Any]] = {
    "tempo": parse_tempo,
    "time_signature": parse_time_signature,
    "pick_up": parse_pick_up,
    "key": _key,
}


def _port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= LAST_PORT):
        raise FullscoreError(
            "'{text}' is not a port", "give a number from 1 to {most}", text=text, most=LAST_PORT
        )
    return int(text)


def _engine_option(text: str) -> tuple[str, str, str]:
    name, equals, value = text.partition("=")
    engine, dot, option = name.partition(".")
    if not (equals and dot and engine and option):
        raise argparse.ArgumentTypeError(f"'{text}' is not ENGINE.OPTION=VALUE")
    return engine, option.replace("-", "_"), value


# --- commands ---------------------------------------------------------------------------------------


def _settings(given: argparse.Namespace) -> Settings:
    values = {field.name: getattr(given, field.name) for field in dataclasses.fields(Settings)}
    return Settings(**{**values, "options": tuple(given.options)})


def _transcribe(given: argparse.Namespace) -> int:
    from pipeline.plan import check_means, check_names
    from pipeline.songs import collect_songs, folder_names
    from pipeline.transcribe import transcribe

    settings = _settings(given)
    try:
        check_names(settings)
    except FullscoreError as error:
        print(f"fullscore transcribe: {error}", file=sys.stderr)
        return WRONG_USAGE
    check_means(settings)

    songs, failures = collect_songs(given.songs)
    done = 0
    for song, name in zip(songs, folder_names(songs), strict=True):
        with _Bars(song.name) as bars:
            try:
                made = transcribe(song, given.out, settings, force=given.force, name=name, progress=bars)
            # One song's failure, of whatever kind, must not stop the rest.
            except Exception as error:
                failures[str(song)] = _reason(error, given.verbose)
                continue
        done += 1
        for warning in made.warnings:
            print(f"  note: {warning}", file=sys.stderr)
        print(made.musicxml)
    for song_name, reason in failures.items():
        _say_failed(reason if song_name in reason else f"{song_name}: {reason}")
    if done + len(failures) > 1:
        print(f"{done} done, {len(failures)} failed", file=sys.stderr)
    return FAILED if failures else DONE


class _Bars:
    """A bar per stage on a terminal, a line per stage elsewhere; both on stderr."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._stage = ""
        self._bar: Any = None

    def __enter__(self) -> _Bars:
        print(self._title, file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, stage: str, fraction: float, message: str) -> None:
        if not sys.stderr.isatty():
            if fraction >= 1.0:
                print(f"  {stage}: {message}", file=sys.stderr)
            return
        if stage != self._stage:
            self._next_bar(stage)
        self._bar.set_postfix_str(message, refresh=False)
        self._bar.update(min(1.0, fraction) - self._bar.n)

    def _next_bar(self, stage: str) -> None:
        from tqdm import tqdm

        if self._bar is not None:
            self._bar.close()
        self._stage = stage
        self._bar = tqdm(
            total=1.0,
            desc=f"  {stage:<11}",
            bar_format="{desc} {bar:20} {percentage:3.0f}% {elapsed} {postfix}",
        )


def _notate(given: argparse.Namespace) -> int:
    from threadpoolctl import threadpool_limits

    from pipeline.notate import notate_file

    settings = Settings(**{name: getattr(given, name) for name in _NOTATED})
    # The matrices are small: more threads than one spend most of their time waiting for each other.
    with threadpool_limits(1, user_api="blas"):
        notate_file(given.notes, given.out, settings)
    print(given.out)
    return DONE


def _evaluate(given: argparse.Namespace) -> int:
    from evaluation.report import evaluate, table

    if not given.verbose:  # what was left out, cut or resampled belongs to the figures
        logging.getLogger("evaluation").setLevel(logging.WARNING)
    kind = KINDS[given.kind]
    names = [field.name for field in dataclasses.fields(kind.settings)]
    settings = kind.settings(**{name: getattr(given, name) for name in names})
    measures = evaluate(given.kind, given.reference, given.estimate, settings)
    print(
        json.dumps(measures, ensure_ascii=False, allow_nan=False)
        if given.json
        else table(given.kind, measures)
    )
    if kind.shows and given.show is not None:
        out = given.show if given.show.name else None
        shown = kind.show(given.reference, given.estimate, settings, out)
        print(shown, file=sys.stderr if given.json else sys.stdout)
    return DONE


def _benchmark(given: argparse.Namespace) -> int:
    from pipeline.benchmark.peers import peers_named
    from pipeline.benchmark.run import run_benchmark
    from pipeline.plan import check_means, check_names

    settings = _settings(given)
    try:
        check_names(settings)
        peers = peers_named(given.peers)
    except FullscoreError as error:
        print(f"fullscore benchmark: {error}", file=sys.stderr)
        return WRONG_USAGE
    check_means(settings)
    results = run_benchmark(
        given.folder,
        given.out,
        settings,
        name=given.name,
        own_words=given.own_words,
        peers=peers,
        compare=given.compare,
        only=given.only,
        force=given.force,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    print(given.out / "report.html")
    return FAILED if any(row["failed"] for row in results["songs"].values()) else DONE


def _models(given: argparse.Namespace) -> int:
    from pipeline import weights

    if given.action == "path":
        print(weights.models_folder())
    elif given.action == "list":
        for row in weights.list_models():
            where = str(row.path) if row.path else "not here"
            print(f"{row.name:<17} {row.size / 1e6:6.0f} MB  {where}")
            print(f"{'':<17} licence: {row.licence}; from {row.origin}")
    else:
        if not given.names:
            print("fullscore models fetch: name the models to fetch (fullscore models list)", file=sys.stderr)
            return WRONG_USAGE
        for name in given.names:
            with _Bars(name) as bars:
                path = weights.fetch(
                    name, lambda done, text: bars("download", done, text), offline=given.offline
                )
            print(path)
    return DONE


def _ui(given: argparse.Namespace) -> int:
    from ui.app import launch

    launch(
        given.host,
        given.port,
        auth=given.auth,
        root_path=given.root_path,
        max_upload_mb=given.max_upload_mb,
        max_minutes=given.max_minutes,
        jobs=given.jobs,
        share=given.share,
        keep_hours=given.keep_hours,
        results=given.results,
    )
    return DONE


if __name__ == "__main__":
    sys.exit(main())
