"""The web page: a song goes in, the stages are watched, and the score, lyrics and stems come out.

The page holds no music logic: it calls ``pipeline.transcribe`` in a thread of its own and shows what
that reports. Every song gets a folder with an unguessable name below one temporary folder, which is
removed when the server stops.
"""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from pipeline import Transcription, transcribe
from separation.engines import FullscoreError
from ui import server
from ui.controls import LYRICS_FILE, Choices, settings_controls
from ui.jobs import Jobs
from ui.views import lyrics_text, messages, score_pages, stage_list

logger = logging.getLogger(__name__)

STEMS = ("vocals", "guitar", "piano", "other", "bass", "drums", "mix")
FONTS = ("system-ui", "sans-serif")  # no web fonts: the page works without internet
CSS = Path(__file__).with_name("page.css")

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "auld-lang-syne.ogg"


class Cancelled(Exception):
    """Raised inside a run when its visitor no longer wants it."""


def launch(host: str, port: int) -> None:
    """Serve the page until interrupted. Raises FullscoreError when the port can't be had."""
    with tempfile.TemporaryDirectory(prefix="fullscore-") as folder, Jobs(Path(folder) / "songs") as jobs:
        app = server.create(jobs, build(Path(folder)), theme=theme(), css_paths=[CSS])
        print(f"the page is at http://{host}:{port}", flush=True)
        server.serve(app, host, port)


def serve(page: gr.Blocks, host: str, port: int | None, *, prevent_thread_lock: bool = False) -> Any:
    """Start serving ``page`` (on any free port if None) and, unless prevented, wait until interrupted."""
    return page.queue(default_concurrency_limit=1).launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        css_paths=[CSS],
        footer_links=[],
        prevent_thread_lock=prevent_thread_lock,
    )


def theme() -> gr.themes.Base:
    """The page's colours and fonts."""
    return gr.themes.Default(primary_hue="teal", font=list(FONTS), font_mono=["ui-monospace", "monospace"])


def build(results: Path) -> gr.Blocks:
    """The page; what its runs make goes below the folder ``results``."""
    with gr.Blocks(title="Fullscore", analytics_enabled=False) as page:
        gr.Markdown(
            "# Fullscore\nA recording goes in, its full score comes out. Everything stays on this computer."
        )
        with gr.Row():
            with gr.Column(scale=1, min_width=320):
                song = gr.File(label="Song", type="filepath", elem_id="song")
                words = gr.Textbox(
                    label="Lyrics, if you have them",
                    lines=4,
                    placeholder="One line per sung line",
                    elem_id="words",
                )
                choices = settings_controls()
                with gr.Row():
                    start = gr.Button("Write the score", variant="primary", elem_id="start")
                    stop = gr.Button("Cancel", elem_id="stop")
                if EXAMPLE.is_file():
                    gr.Examples([[str(EXAMPLE)]], [song], label="Try")
                stages = gr.HTML(elem_id="stages")
            with gr.Column(scale=2, min_width=320):
                score = gr.HTML(elem_id="score")
                lyrics = gr.Textbox(
                    label="Lyrics", lines=8, visible=False, interactive=False, elem_id="lyrics"
                )
                stems = [
                    gr.Audio(label=name.capitalize(), visible=False, interactive=False) for name in STEMS
                ]
                files = gr.Files(label="Take home", visible=False, interactive=False, elem_id="files")

        def run(song: str | None, words: str, *values: Any) -> Iterator[dict[Any, Any]]:
            for update in _run(song, words, Choices(values), results):
                yield dict(zip(shown, update, strict=True))

        shown = [stages, score, lyrics, files, *stems]
        running = start.click(
            run, [song, words, *choices], shown, api_name="transcribe", show_progress="hidden"
        )
        stop.click(
            lambda: stage_list({}, "Cancelled."),
            outputs=[stages],
            cancels=[running],
            api_visibility="private",
        )
    return page


def _run(song: str | None, words: str, choices: Choices, results: Path) -> Iterator[list[Any]]:
    """Updates of (stages, score, lyrics, files, stems…) while one song is transcribed."""
    hidden = [gr.update(visible=False)] * (2 + len(STEMS))
    if song is None:
        yield [messages(["Choose a song first."]), "", *hidden]
        return
    out = Path(tempfile.mkdtemp(dir=results))
    reports: queue.SimpleQueue[tuple[str, float, str] | Transcription | BaseException] = queue.SimpleQueue()
    unwanted = threading.Event()

    def report(stage: str, fraction: float, message: str) -> None:
        if unwanted.is_set():
            raise Cancelled
        reports.put((stage, fraction, message))

    def work() -> None:
        try:
            if words.strip():
                (out / LYRICS_FILE).write_text(words, encoding="utf-8")
            settings = choices.settings(out / LYRICS_FILE if words.strip() else None)
            reports.put(transcribe(song, out, settings, progress=report))
        except BaseException as error:  # the thread's end: the page shows it
            reports.put(error)

    threading.Thread(target=work, daemon=True).start()
    done: dict[str, tuple[float, str]] = {}
    try:
        while True:
            heard = reports.get()
            if isinstance(heard, Transcription):
                yield _result(heard, done)
                return
            if isinstance(heard, BaseException):
                yield [stage_list(done, _sentence(heard)), "", *hidden]
                return
            stage, fraction, message = heard
            done[stage] = (fraction, message)
            if reports.empty():
                yield [stage_list(done, ""), gr.skip(), *([gr.skip()] * len(hidden))]
    finally:
        unwanted.set()


def _result(made: Transcription, done: dict[str, tuple[float, str]]) -> list[Any]:
    stems = {path.stem: str(path) for path in (made.folder / "stems").glob("*.flac")}
    players = [gr.update(value=stems.get(name), visible=name in stems) for name in STEMS]
    words = lyrics_text(made.folder)
    return [
        stage_list(done, "Done.") + messages(made.warnings),
        score_pages(made.folder),
        gr.update(value=words, visible=bool(words)),
        gr.update(value=[str(made.folder / name) for name in made.report["files"]], visible=True),
        *players,
    ]


def _sentence(error: BaseException) -> str:
    if isinstance(error, FullscoreError):
        return str(error)
    logger.error("a run failed", exc_info=error)
    return f"This failed unexpectedly ({type(error).__name__}: {error})."
