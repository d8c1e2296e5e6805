"""The web page: a song is handed in, becomes a score, is heard, read, corrected and taken home.

Three tabs: songs, comparisons, models. What can be handed in is made of Gradio's components; a song is shown
by elements of their own (``static/``), which talk to the server's routes (``ui.server``). Named endpoints do
the same for programs, through Gradio's client: /transcribe, /notate and /evaluate.

The page holds no music logic: it calls the pipeline and the evaluation, in processes of their own.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import gradio as gr
import platformdirs

from evaluation.kinds import KINDS
from fullscore.errors import FullscoreError
from fullscore.files import EXAMPLE
from pipeline import weights
from ui import server, views
from ui.controls import (
    SHOWN,
    chosen_settings,
    engine_names,
    engine_options,
    option_control,
    preset_control,
    settings_controls,
)
from ui.jobs import Jobs, check_settings
from ui.takehome import MXL, name_of, taken, write_mxl
from ui.wording import sentence
from ui.work import compared, notated

FONTS = ("system-ui", "sans-serif")  # no web fonts: the page works without internet
CSS = server.STATIC / "page.css"
ICON = server.STATIC / "icon.svg"

EXAMPLE_SONG = EXAMPLE / "auld-lang-syne.ogg"
EXAMPLE_WORDS = EXAMPLE_SONG.with_suffix(".txt")

SWEPT_EVERY_S = 600  # what was uploaded
LOCAL = ("127.0.0.1", "localhost", "::1")

# A song that was handed in is opened by the page's own script, and that knows which song is open.
OPEN = "(id) => { if (id) window.fullscore.open(id); }"
NAMED = "(name, song, ...more) => [(Array.isArray(song) ? song[0] : song)?.orig_name ?? '', song, ...more]"
WITH_EXAMPLE_SONG = "(song, ...more) => [window.fullscore.song(), ...more]"


def results_folder() -> Path:
    """Where songs are kept if nobody says where."""
    return platformdirs.user_data_path("fullscore", appauthor=False) / "songs"


def launch(
    host: str,
    port: int,
    *,
    auth: tuple[str, str] | None = None,
    root_path: str = "",
    max_upload_mb: float = 200.0,
    max_minutes: float = 30.0,
    jobs: int = 1,
    share: bool = False,
    keep_hours: float = 24.0,
    results: Path | None = None,
) -> None:
    """Serve the page until interrupted. Raises FullscoreError when the port or the folder can't be had."""
    folder = results or results_folder()
    with Jobs(folder, jobs, keep_hours, max_upload_mb=max_upload_mb, max_minutes=max_minutes) as running:
        shared = share or host not in LOCAL
        app = create(running, auth=auth, root_path=root_path, shared=shared, keep_hours=keep_hours)
        print(f"the page is at http://{host}:{port}", flush=True)
        server.serve(app, host, port, share=share)


def create(
    jobs: Jobs,
    *,
    auth: tuple[str, str] | None = None,
    root_path: str = "",
    shared: bool = False,
    keep_hours: float = 24.0,
) -> Any:
    """The page with its routes; ``shared`` if others than its owner see it."""
    script = f'<script type="module" src="{root_path.rstrip("/")}/fullscore/page.js"></script>'
    return server.create(
        jobs,
        build(jobs, shared=shared, keep_hours=keep_hours),
        auth=auth,
        root_path=root_path,
        theme=gr.themes.Default(
            primary_hue="teal", neutral_hue="slate", font=list(FONTS), font_mono=["ui-monospace", "monospace"]
        ),
        css_paths=[CSS],
        favicon_path=str(ICON),
        head=script,
    )


def build(jobs: Jobs, *, shared: bool = False, keep_hours: float = 24.0) -> gr.Blocks:
    """The page's components and what they do."""
    swept = (SWEPT_EVERY_S, max(SWEPT_EVERY_S, round(3600 * keep_hours)))
    page = gr.Blocks(title="Fullscore", analytics_enabled=False, fill_width=True, delete_cache=swept)
    with page:
        gr.HTML(views.header(shared))
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Transcribe", id="transcribe"):
                _transcribe_tab(jobs)
            with gr.Tab("Evaluate", id="evaluate"):
                _evaluate_tab(jobs)
            with gr.Tab("Models", id="models"):
                _models_tab()
        _endpoints(jobs)
    return page


# Transcribe


def _transcribe_tab(jobs: Jobs) -> None:
    with gr.Row(elem_id="hand-in"):
        with gr.Column(scale=3, min_width=320):
            song = gr.File(
                label="Song", type="filepath", file_types=["audio", "video"], elem_id="song", height=180
            )
            gr.HTML(views.hints(jobs.max_upload_mb, jobs.max_minutes))
            with gr.Accordion("Record with the microphone", open=False):
                recorded = gr.Audio(
                    sources=["microphone"], type="filepath", label="Recording", elem_id="recorded"
                )
            with gr.Row(elem_id="actions"):
                start = gr.Button("Write the score", variant="primary", elem_id="start")
                if EXAMPLE_SONG.is_file():
                    example = gr.Button("Try an example", elem_id="example")
            told = gr.HTML(elem_id="told")
        with gr.Column(scale=4, min_width=320):
            preset = preset_control()
            words = gr.Textbox(
                label="Lyrics, if you have them",
                lines=4,
                max_lines=12,
                placeholder="One line per sung line, an empty line between sections",
                elem_id="words",
            )
            with gr.Accordion("Advanced settings", open=False, elem_id="advanced"):
                controls = settings_controls()
                options = _engine_options(jobs)
    gr.HTML(views.song(), elem_id="song-view")
    name = gr.Textbox(visible="hidden", label="File name")
    opened = gr.Textbox(visible="hidden", label="Opened song", elem_id="opened")

    def hand_in(
        name: str,
        song: str | None,
        recorded: str | None,
        preset: str,
        words: str,
        options: Mapping[str, str],
        *values: Any,
    ) -> tuple[str, str]:
        path = song or recorded
        if path is None:
            return views.told("Choose a song first, or record one."), ""
        called = name if song and name else Path(path).name if song else "Recording.wav"
        try:
            settings = chosen_settings(preset, _given(values), options)
            return "", jobs.submit(Path(path), called, settings, words)
        except FullscoreError as error:
            return views.told(sentence(error)), ""

    def hand_in_example(preset: str, words: str, options: Mapping[str, str], *values: Any) -> tuple[str, str]:
        words = words or EXAMPLE_WORDS.read_text(encoding="utf-8")
        return hand_in(EXAMPLE_SONG.name, str(EXAMPLE_SONG), None, preset, words, options, *values)

    shown = [told, opened]
    chosen = [preset, words, options, *controls]
    quiet = {"api_visibility": "private", "concurrency_limit": None, "show_progress": "hidden"}
    asked = start.click(hand_in, [name, song, recorded, *chosen], shown, js=NAMED, **quiet)
    asked.then(None, [opened], None, js=OPEN)
    if EXAMPLE_SONG.is_file():
        example.click(hand_in_example, chosen, shown, **quiet).then(None, [opened], None, js=OPEN)


def _given(values: Sequence[Any]) -> dict[str, Any]:
    """The settings' controls by their names; lyrics of one's own have their box, so a path is none."""
    return {field.name: value for field, value in zip(SHOWN, values, strict=True)}


def _engine_options(jobs: Jobs) -> gr.State:
    """Controls for the options of any engine, once one is chosen; what was chosen, as a state."""
    chosen = gr.State({})
    engine = gr.Dropdown(
        ["", *engine_names()],
        value="",
        label="Options of an engine",
        info="Choose one to see its options.",
        elem_id="engine",
    )
    reset = gr.Button("Take back what was set here", size="sm", visible=False)

    @gr.render([engine, chosen], triggers=[engine.change, reset.click])  # type: ignore[untyped-decorator]
    def show(engine: str, before: Mapping[str, str]) -> None:
        if not engine:
            return
        try:
            found = jobs.warm.call(engine_options, engine)
        except FullscoreError as error:
            gr.HTML(views.told(sentence(error)))
            return
        for option in found:
            name = f"{engine}.{option['name']}"
            control = option_control(option, before.get(name))

            def keep(value: Any, chosen: Mapping[str, str], name: str = name) -> tuple[dict[str, str], Any]:
                return {**chosen, name: str(value)}, gr.update(visible=True)

            control.input(
                keep, [control, chosen], [chosen, reset], show_progress="hidden", api_visibility="private"
            )
        if not found:
            gr.HTML(views.said("This engine has no options."))

    reset.click(
        lambda: ({}, "", gr.update(visible=False)), None, [chosen, engine, reset], api_visibility="private"
    )
    return chosen


# Evaluate


def _evaluate_tab(jobs: Jobs) -> None:
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            kind = gr.Dropdown(
                [(f"{kind.name.capitalize()} – {kind.help}", kind.name) for kind in KINDS.values()],
                value="notes",
                label="What to compare",
                elem_id="kind",
            )
            reference = gr.File(
                label="Reference: what is right", file_count="multiple", elem_id="reference", height=140
            )
            estimate = gr.File(
                label="Estimate (empty: the song that is open)",
                file_count="multiple",
                elem_id="estimate",
                height=140,
            )
            suffixes = gr.HTML(_suffixes("notes"))
            with gr.Accordion("Options", open=False) as more:
                controls = {
                    (kind.name, field.name): _option(field, visible=kind.name == "notes")
                    for kind in KINDS.values()
                    for field in fields(kind.settings)
                }
            compare = gr.Button("Compare", variant="primary", elem_id="compare")
        with gr.Column(scale=5, min_width=320):
            result = gr.HTML(elem_id="measures", padding=False)
    song = gr.Textbox(visible="hidden", label="Open song")

    def chosen(kind: str) -> list[Any]:
        shown = [gr.update(visible=owner == kind) for owner, _ in controls]
        return [_suffixes(kind), gr.update(visible=any(owner == kind for owner, _ in controls)), *shown]

    def compare_files(song: str, kind: str, reference: Any, estimate: Any, *values: Any) -> str:
        given = {
            name: value
            for (owner, name), value in zip(controls, values, strict=True)
            if owner == kind and value not in (None, "")
        }
        try:
            if not estimate and not song:
                raise FullscoreError("choose an estimate, or open a song in the first tab")
            with tempfile.TemporaryDirectory() as folder:
                estimated = _paths(estimate) or [_named(jobs, song, Path(folder))]
                measures, picture = jobs.slow.call(
                    compared, kind, _paths(reference), estimated, given, Path(folder)
                )
                shown = views.picture(picture) if picture else ""
            return views.measures(KINDS[kind], measures) + shown
        except FullscoreError as error:
            return views.told(sentence(error))

    kind.change(
        chosen, [kind], [suffixes, more, *controls.values()], show_progress="hidden", api_visibility="private"
    )
    compare.click(
        compare_files,
        [song, kind, reference, estimate, *controls.values()],
        [result],
        js=WITH_EXAMPLE_SONG,
        api_visibility="private",
    )


def _named(jobs: Jobs, id: str, folder: Path) -> Path:
    """A song's folder under the song's title, by which pictures and messages call it."""
    named = folder / name_of(jobs.state(id).title, "score")
    named.symlink_to(jobs.folder(id))
    return named


def _option(field: Any, visible: bool) -> Any:
    label, about = field.name.replace("_", " ").capitalize(), field.metadata["help"].capitalize()
    control = gr.Checkbox if isinstance(field.default, bool) else gr.Number
    if field.default is None or isinstance(field.default, str):
        control = gr.Textbox
    return control(value=field.default, label=label, info=about, visible=visible)


def _suffixes(kind: str) -> str:
    suffixes = KINDS[kind].suffixes
    sort = (
        f"One file each: {', '.join(suffixes)}." if suffixes else "The recordings of the stems, named alike."
    )
    return views.said(sort)


def _paths(files: Any) -> list[Path]:
    if not files:
        return []
    return [Path(file) for file in (files if isinstance(files, list) else [files])]


# Models


def _models_tab() -> None:
    found = gr.HTML(lambda: views.models(weights.list_models()), elem_id="models-here", padding=False)
    with gr.Row(elem_id="fetching"):
        name = gr.Dropdown(_absent(), label="Fetch a model", elem_id="model")
        fetch = gr.Button("Fetch", variant="primary", elem_id="fetch", scale=0, min_width=140)
    told = gr.HTML(elem_id="fetched", min_height=60)

    def get(name: str | None, progress: gr.Progress = gr.Progress()) -> tuple[str, Any, str]:
        if not name:
            return views.told("Choose a model first."), gr.skip(), gr.skip()
        progress(0.0, desc=f"fetching {name}")
        try:
            weights.fetch(name, lambda share, message: progress(share, desc=message))
            shown = views.said(f"{name} is here; songs handed in from now on can use it.")
        except FullscoreError as error:
            shown = views.told(sentence(error))
        return shown, gr.update(choices=_absent(), value=None), views.models(weights.list_models())

    fetch.click(
        get, [name], [told, name, found], show_progress_on=told, concurrency_limit=1, api_visibility="private"
    )


def _absent() -> list[str]:
    return [row.name for row in weights.list_models() if not row.present]


# For programs


def _endpoints(jobs: Jobs) -> None:
    """The operations by name, for Gradio's client. Their components are shown nowhere."""
    song = gr.File(visible=False, label="song")
    preset = gr.Textbox("full band", visible=False, label="preset")
    words = gr.Textbox("", visible=False, label="words")
    settings = gr.JSON({}, visible=False, label="settings")
    kind = gr.Textbox(visible=False, label="kind")
    one, other = (
        gr.File(visible=False, file_count="multiple", label=label) for label in ("reference", "estimate")
    )
    files = gr.File(visible=False, file_count="multiple", label="files")
    found = gr.JSON(visible=False, label="measures")
    call = gr.Button(visible=False)

    def transcribe(
        song: str | None, preset: str = "full band", words: str = "", settings: dict[str, Any] | None = None
    ) -> list[str]:
        """A recording becomes a score: the files that it leaves, under the song's name."""
        with _told():
            given = dict(settings or {})
            options = given.pop("options", {})
            id = jobs.submit(
                _given_file(song, "song"),
                Path(song or "").name,
                chosen_settings(preset, given, options),
                words,
            )
            done = jobs.wait(id)
            if done.state != "done":
                raise FullscoreError("{sentence}", sentence=done.message)
            made = jobs.folder(id)
            folder = _fresh(files)
            for file in taken(done.files):
                source = write_mxl(made) if file == MXL else made / file
                _link(source, folder / name_of(done.title, file))
        return [str(path) for path in sorted(folder.iterdir())]

    def notate(
        notes: str | None, beats: str | None = None, settings: dict[str, Any] | None = None
    ) -> list[str]:
        """Performed MIDI becomes a score, in every format."""
        with _told():
            chosen = chosen_settings("full band", settings or {})
            check_settings(chosen)
            if beats is not None:
                chosen = replace(chosen, beats=beats)
            made = jobs.slow.call(notated, _given_file(notes, "notes"), chosen, _fresh(files))
        return [str(path) for path in made]

    def evaluate(
        kind: str,
        reference: list[str] | None,
        estimate: list[str] | None,
        settings: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The measures of an estimate against a reference."""
        with _told(), tempfile.TemporaryDirectory() as folder:
            if kind not in KINDS:
                raise FullscoreError(
                    "there is no measure of '{kind}'",
                    "choose one of: {known}",
                    kind=kind,
                    known=", ".join(KINDS),
                )
            measures, _ = jobs.slow.call(
                compared, kind, _paths(reference), _paths(estimate), settings or {}, Path(folder)
            )
        return measures

    many = {"concurrency_limit": None}
    call.click(transcribe, [song, preset, words, settings], files, api_name="transcribe", **many)
    beats = gr.File(visible=False, label="beats")
    call.click(notate, [song, beats, settings], files, api_name="notate", **many)
    call.click(evaluate, [kind, one, other, settings], found, api_name="evaluate", **many)


@contextmanager
def _told() -> Iterator[None]:
    """What somebody can mend is told to the caller as it is."""
    try:
        yield
    except FullscoreError as error:
        raise gr.Error(sentence(error)) from error


def _given_file(path: str | None, name: str) -> Path:
    if path is None:
        raise FullscoreError("hand in a file as '{name}'", name=name)
    return Path(path)


def _fresh(files: gr.File) -> Path:
    """A new folder for files to be fetched from, which is swept with what was uploaded."""
    folder = Path(files.GRADIO_CACHE) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder


def _link(source: Path, target: Path) -> None:
    """The same file under another name, copied only if it must be."""
    try:
        target.hardlink_to(source)
    except OSError:
        target.write_bytes(source.read_bytes())
