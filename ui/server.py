"""The server: what the page's views fetch of a song, by plain HTTP, beside the page itself.

    GET  /songs/ID/state.json            how the job is (``ui.jobs.JobState``), and its files to take home
    GET  /songs/ID/notes.json, lyrics.json, report.json
    GET  /songs/ID/score.json?parts=vocals,piano&transpose=B flat&width=900
    GET  /songs/ID/roll/STEM.json        /songs/ID/spectrogram/STEM.png
    GET  /songs/ID/audio/NAME            a stem, "song" (the recording) or "score" (as it sounds); in ranges
    GET  /songs/ID/tracks.json           what can be played;   /songs/ID/audio/NAME/3  a piece of it
    GET  /songs/ID/files/NAME            take home, named after the song;   /songs/ID/all.zip
    POST /songs/ID/corrections           one edit, or a list of them (``ui.edits``): answers the new state
    POST /songs/ID/cancel                answers the new state
    GET  /health                         {"status": "ok", "jobs": {...}}
    GET  /fullscore/FILE                 the page's own scripts and styles

A song is known by its id alone, and a file by its name in the list of what was made: no path is made of what
a visitor sends. Errors are JSON, {"detail": "a sentence"}: 404 for what isn't there, 409 for what can't be
shown (yet), 422 for an edit that can't be made. With a password, all but the last two want the page's login.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from fullscore.errors import FullscoreError
from pipeline.workspace import STEMS_FOLDER
from ui.jobs import Jobs, JobState, UnknownSong
from ui.takehome import MXL, name_of, taken
from ui.tracks import RECORDING, SCORE, NoSuchPieceError, piece_of, track_list
from ui.warm import view
from ui.wording import sentence

STATIC = Path(__file__).with_name("static")
PLAYED = "play/song.flac"  # in the job's folder: written by ui.worker

SCORE_VIEW, SCORE_AUDIO = "ui.score_data:score_view", "ui.synth:score_audio"
ROLL, SPECTROGRAM, LYRICS = "ui.roll_data:roll", "ui.roll_data:spectrogram", "ui.roll_data:lyrics"
ZIP, COMPRESSED = "ui.takehome:write_zip", "ui.takehome:write_mxl"

HEAVY_THREADS = 64  # that wait for warm processes; the event loop never does
KEPT_BYTES = 128_000_000  # of views that were made
MOST_BODY_BYTES = 2_000_000  # of an edit: the longest lyrics with room to spare
LONGEST_QUERY = 500  # letters
WARM_AFTER_S = 3.0  # from the start: the first page goes before
GOODBYE_S = 1  # that open connections get when the server stops
STARTED_WITHIN_S = 30.0

Auth = tuple[str, str]


def create(
    jobs: Jobs, page: gr.Blocks, *, auth: Auth | None = None, root_path: str = "", **look: Any
) -> FastAPI:
    """The app: the routes above, and ``page`` at /.

    ``auth`` is the user and password that both ask for, ``root_path`` where a proxy shows them (such as
    "/music"), ``look`` is handed to Gradio (theme, css_paths, head).
    """
    app = FastAPI(title="Fullscore", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_Rooted, root_path=root_path)
    app.add_exception_handler(FullscoreError, _told)

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", "jobs": jobs.counts()}

    app.mount("/fullscore", _Static(directory=STATIC))
    pages: list[Any] = []

    def login(request: Request) -> None:
        """Whether the page's own login was passed: it leaves a cookie."""
        if auth is None:
            return
        names = (f"access-token-{pages[0].cookie_id}", f"access-token-unsecure-{pages[0].cookie_id}")
        if not any(request.cookies.get(name) in pages[0].tokens for name in names):
            raise HTTPException(401, "log in at the page first")

    app.include_router(_songs(jobs), dependencies=[Depends(login)])
    gr.mount_gradio_app(
        app,
        page,
        "/",
        auth=auth,
        root_path=root_path or None,
        max_file_size=round(jobs.max_upload_mb * 1e6),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=True,
        **look,
    )
    # Visitors name what they uploaded by its path. Gradio checks that only once it was launched.
    page.has_launched = True
    pages.append(app.routes[-1].app)  # type: ignore[attr-defined]
    warming = threading.Timer(WARM_AFTER_S, jobs.warm_up)
    warming.daemon = True
    warming.start()
    return app


def serve(app: FastAPI, host: str, port: int, *, share: bool = False) -> None:
    """Serve until interrupted. Raises FullscoreError when the port can't be had.

    With ``share`` the page is shown to the internet too, through Gradio's tunnel, and its address printed.
    """
    with _bound(host, port) as bound:
        if share:
            print(f"shared at {_tunnel(host, bound.getsockname()[1])}", flush=True)
        with suppress(KeyboardInterrupt):
            _server(app).run(sockets=[bound])


@contextmanager
def served(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve from a thread while the context lasts (on any free port if 0); yields the address."""
    server = _server(app)
    with _bound(host, port) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        started = threading.Event()
        for _ in range(round(STARTED_WITHIN_S / 0.05)):
            if server.started or not thread.is_alive():
                break
            started.wait(0.05)
        try:
            yield f"http://{host}:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


InThread = Callable[..., Awaitable[Any]]
"""Calls a function with its arguments outside the event loop."""


def _songs(jobs: Jobs) -> APIRouter:
    """The routes of songs."""
    songs = APIRouter(prefix="/songs/{id}")
    views = _Views(jobs)
    heavy = ThreadPoolExecutor(HEAVY_THREADS, "view")

    async def in_thread(function: Callable[..., Any], *given: Any, **more: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(heavy, lambda: function(*given, **more))

    _add_state(songs, jobs, in_thread)
    _add_views(songs, jobs, views, in_thread)
    _add_sounds(songs, jobs, views, in_thread)
    _add_files(songs, jobs, views, in_thread)
    return songs


def _add_state(songs: APIRouter, jobs: Jobs, in_thread: InThread) -> None:
    """How a song is, and what changes it."""

    @songs.get("/state.json")
    def state(id: str) -> JSONResponse:
        jobs.warm_up()
        return _state(jobs.state(id))

    @songs.get("/notes.json")
    def notes(id: str) -> FileResponse:
        return _made(jobs, id, "notes.json")

    @songs.get("/report.json")
    def report(id: str) -> FileResponse:
        return _made(jobs, id, "report.json")

    @songs.post("/corrections")
    async def corrections(request: Request, id: str) -> JSONResponse:
        jobs.state(id)
        edits = await _edits(request)
        try:
            return _state(await in_thread(jobs.correct, id, edits))
        except UnknownSong:
            raise
        except FullscoreError as error:
            raise HTTPException(422, sentence(error)) from error

    @songs.post("/cancel")
    async def cancel(id: str) -> JSONResponse:
        return _state(await in_thread(jobs.cancel, id))


def _add_views(songs: APIRouter, jobs: Jobs, views: _Views, in_thread: InThread) -> None:
    """What is drawn of a song."""

    async def shown(request: Request, id: str, function: str, media: str, **given: Any) -> Response:
        tag = f'W/"{jobs.state(id).version}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        found = await in_thread(views.get, id, function, **given)
        if media == "application/json":
            if "gzip" in request.headers.get("accept-encoding", ""):
                headers["Content-Encoding"] = "gzip"
            else:
                found = gzip.decompress(found)
        return Response(found, media_type=media, headers=headers)

    @songs.get("/lyrics.json")
    async def lyrics(request: Request, id: str) -> Response:
        return await shown(request, id, LYRICS, "application/json")

    @songs.get("/score.json")
    async def score(
        request: Request,
        id: str,
        parts: str | None = Query(None, max_length=LONGEST_QUERY),
        transpose: str | None = Query(None, max_length=LONGEST_QUERY),
        width: int | None = None,
    ) -> Response:
        chosen = None if parts is None else tuple(filter(None, parts.split(",")))
        given = {"parts": chosen, "transpose": transpose, "width": width}
        given = {name: value for name, value in given.items() if value is not None}
        return await shown(request, id, SCORE_VIEW, "application/json", **given)

    @songs.get("/roll/{stem}.json")
    async def roll(request: Request, id: str, stem: str) -> Response:
        return await shown(request, id, ROLL, "application/json", stem=_stem(jobs, id, stem))

    @songs.get("/spectrogram/{stem}.png")
    async def spectrogram(request: Request, id: str, stem: str) -> Response:
        return await shown(request, id, SPECTROGRAM, "image/png", stem=_stem(jobs, id, stem))


def _add_sounds(songs: APIRouter, jobs: Jobs, views: _Views, in_thread: InThread) -> None:
    """What is played of a song."""

    async def sound(id: str, name: str) -> Path:
        if name == SCORE:
            path = Path(os.fsdecode(await in_thread(views.get, id, SCORE_AUDIO)))
        elif name == RECORDING:
            path = jobs.folder(id).parent / PLAYED
        else:
            path = jobs.folder(id) / f"{STEMS_FOLDER}/{_stem(jobs, id, name)}.flac"
        if not path.is_file():
            raise HTTPException(404, "this can't be played (yet)")
        return path

    @songs.get("/audio/{name}")
    async def audio(id: str, name: str) -> FileResponse:
        return _file(await sound(id, name), media_type="audio/flac")

    @songs.get("/tracks.json")
    async def tracks(id: str) -> JSONResponse:
        made = jobs.folder(id)
        found = await in_thread(track_list, made.parent / PLAYED, made)
        return JSONResponse(found, headers={"Cache-Control": "no-store"})

    @songs.get("/audio/{name}/{number}")
    async def piece_of_audio(id: str, name: str, number: int) -> Response:
        try:
            found = await in_thread(piece_of, await sound(id, name), number)
        except NoSuchPieceError as error:
            raise HTTPException(404, str(error)) from error
        # The player names the version of the track in the address.
        return Response(found, media_type="audio/flac", headers={"Cache-Control": "private, max-age=86400"})


def _add_files(songs: APIRouter, jobs: Jobs, views: _Views, in_thread: InThread) -> None:
    """What is taken home of a song."""

    @songs.get("/files/{name:path}")
    async def file(id: str, name: str) -> FileResponse:
        known = jobs.state(id)
        if name not in taken(known.files):
            raise HTTPException(404, "this song has no such file (yet)")
        if name == MXL:
            path = Path(os.fsdecode(await in_thread(views.get, id, COMPRESSED)))
        else:
            path = jobs.folder(id) / name
        return _file(path, filename=name_of(known.title, name))

    @songs.get("/all.zip")
    async def everything(id: str) -> FileResponse:
        title = jobs.state(id).title
        path = Path(os.fsdecode(await in_thread(views.get, id, ZIP)))
        return _file(path, filename=name_of(title, "score.zip"))


class _Views:
    """What was made for views, for as long as it is true: each is made once, however many ask for it."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[Any, ...], Future[bytes]] = OrderedDict()

    def get(self, id: str, function: str, **given: Any) -> bytes:
        """What ``ui.warm.view`` makes. Raises UnknownSong, and FullscoreError for what can't be shown."""
        while True:
            version = self._jobs.settled(id)
            key = (id, version, function, *sorted(given.items()))
            with self._lock:
                found = self._found.get(key)
                mine = found is None
                if found is None:
                    found = self._found[key] = Future()
                self._found.move_to_end(key)
            if mine:
                self._make(key, found, id, function, given)
            try:
                result = found.result()
            finally:
                # Of a song that was changed meanwhile, some was read before and some after.
                unchanged = self._jobs.settled(id) == version
                if not unchanged:
                    self._forget(key)
            if unchanged:
                return result

    def _make(
        self, key: tuple[Any, ...], found: Future[bytes], id: str, function: str, given: dict[str, Any]
    ) -> None:
        try:
            found.set_result(self._jobs.warm.call(view, function, self._jobs.folder(id), **given))
        except BaseException as error:
            self._forget(key)
            found.set_exception(error)
            return
        with self._lock:
            kept = [(key, len(done.result())) for key, done in self._found.items() if done.done()]
            excess = sum(size for _, size in kept) - KEPT_BYTES
            for old, size in kept:
                if excess <= 0:
                    break
                del self._found[old]
                excess -= size

    def _forget(self, key: tuple[Any, ...]) -> None:
        with self._lock:
            self._found.pop(key, None)


class _Rooted:
    """Tells the app below which path a proxy shows it, whether or not requests still have that."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._root_path and scope["type"] == "http":
            scope["root_path"] = self._root_path
        await self._app(scope, receive, send)


class _Static(StaticFiles):
    """The page's own files; browsers ask each time whether they are still the same."""

    def file_response(self, *given: Any, **more: Any) -> Response:
        response = super().file_response(*given, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response

    def get_path(self, scope: Scope) -> str:
        # Proxies may or may not take off the root path, which Starlette expects in the path.
        return str(scope["path"]).rpartition("/fullscore/")[2]

    async def get_response(self, path: str, scope: Scope) -> Response:
        if "\0" in path:
            raise HTTPException(404)
        return await super().get_response(path, scope)


async def _told(request: Request, error: Exception) -> Response:
    """An error that a visitor can mend, as JSON."""
    assert isinstance(error, FullscoreError)
    return JSONResponse({"detail": sentence(error)}, 404 if isinstance(error, UnknownSong) else 409)


def _state(state: JobState) -> JSONResponse:
    home = [{"name": file, "as": name_of(state.title, file)} for file in taken(state.files)]
    return JSONResponse({**state.as_object(), "home": home}, headers={"Cache-Control": "no-store"})


def _made(jobs: Jobs, id: str, name: str) -> FileResponse:
    """A file that a run made."""
    if name not in jobs.state(id).files:
        raise HTTPException(404, "this song has no such file (yet)")
    return _file(jobs.folder(id) / name)


def _stem(jobs: Jobs, id: str, stem: str) -> str:
    """``stem`` if the song has it."""
    if f"{STEMS_FOLDER}/{stem}.flac" not in jobs.state(id).files:
        raise HTTPException(404, "this song has no such stem (yet)")
    return stem


def _file(path: Path, **more: Any) -> FileResponse:
    if not path.is_file():
        raise HTTPException(404, "this is not there (yet)")
    headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, headers=headers, **more)


async def _edits(request: Request) -> list[dict[str, Any]]:
    """The edits in a request's body."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            raise HTTPException(413, "this edit is too long")
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, "an edit is sent as JSON") from error
    edits = sent if isinstance(sent, list) else [sent]
    if not all(isinstance(edit, dict) for edit in edits):
        raise HTTPException(422, "an edit is a JSON object with a kind")
    return edits


def _server(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GOODBYE_S, ws="none")
    )


def _bound(host: str, port: int) -> socket.socket:
    """A socket to listen on. Raises FullscoreError when it can't be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise FullscoreError(
            "can't serve on {host}:{port} ({error})",
            "choose another with --port",
            host=host,
            port=port,
            error=error,
        ) from error


def _tunnel(host: str, port: int) -> str:
    """The address at which Gradio's tunnel shows the page. Raises FullscoreError if there is none."""
    import secrets

    from gradio.networking import setup_tunnel

    try:
        return str(setup_tunnel(host, port, secrets.token_urlsafe(32), None, None))
    except Exception as error:  # whatever a network and a downloaded program may raise
        raise FullscoreError(
            "the page can't be shared ({error})", "start it without --share", error=error
        ) from error
