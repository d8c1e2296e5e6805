"""What views fetch: only of songs whose id is known, only what was made, and each song its own."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from zipfile import ZipFile

import gradio as gr
import httpx
import music21
import pytest
import soundfile

from fullscore.errors import FullscoreError
from ui import app, server
from ui.jobs import Jobs
from ui.takehome import name_of

TITLE = "i scale"  # of "<i>scale", as a file may be called
WAV = b"RIFF" + bytes(2_000_000)


@pytest.fixture(scope="module")
def page() -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.File(label="Song")
    return blocks


@pytest.fixture(scope="module")
def served(
    kept: tuple[Path, str], page: gr.Blocks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The address of a server that has one song, and the song's folder."""
    folder, id = tmp_path_factory.mktemp("served") / "results", kept[1]
    shutil.copytree(kept[0], folder)
    with Jobs(folder, max_upload_mb=1) as jobs, server.served(server.create(jobs, page)) as address:
        yield address, folder / id


@pytest.fixture
def client(served: tuple[str, Path]) -> Iterator[httpx.Client]:
    """A visitor at the song's routes."""
    address, folder = served
    with httpx.Client(base_url=f"{address}/songs/{folder.name}", timeout=120) as visitor:
        yield visitor


def test_what_was_made_is_shown(client: httpx.Client, served: tuple[str, Path]) -> None:
    address, folder = served
    made = folder / "made"
    state = client.get("state.json").json()
    assert (state["state"], state["title"], state["id"]) == ("done", "<i>scale", folder.name)
    assert client.get("report.json").content == (made / "report.json").read_bytes()
    assert client.get("notes.json").json() == json.loads((made / "notes.json").read_text())
    assert str(folder.parent) not in client.get("state.json").text
    health = httpx.get(f"{address}/health").json()
    assert health == {"status": "ok", "jobs": {"limit": 1, "queued": 0, "running": 0}}


def test_sound_comes_in_ranges(client: httpx.Client, served: tuple[str, Path]) -> None:
    whole = (served[1] / "made/stems/mix.flac").read_bytes()
    for name in ("mix", "song"):
        answer = client.get(f"audio/{name}")
        assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "bytes")
        assert answer.headers["content-type"] == "audio/flac"
        samples, rate = soundfile.read(io.BytesIO(answer.content))
        assert (len(samples), rate) == (3 * 44100, 44100)
    part = client.get("audio/mix", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    rest = client.get("audio/mix", headers={"Range": f"bytes={len(whole) - 7}-"})
    assert rest.content == whole[-7:]
    assert client.get("audio/mix", headers={"Range": "bytes=99999999-"}).status_code == 416
    assert [client.get(f"audio/song/{number}").status_code for number in (0, 1, -1, 10**30)] == [
        200,
        404,
        404,
        404,
    ]


def test_everything_is_taken_home_under_the_songs_name(client: httpx.Client, tmp_path: Path) -> None:
    state = client.get("state.json").json()
    for file in state["home"]:
        answer = client.get(f"files/{file['name']}")
        assert answer.status_code == 200
        sent = answer.headers["content-disposition"]
        assert sent.startswith("attachment")
        assert file["as"] in unquote(sent)
        assert file["as"].startswith(TITLE)
    answer = client.get("all.zip")
    assert f"{TITLE}.zip" in unquote(answer.headers["content-disposition"])
    with ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        compressed = archive.extract(f"{TITLE}.mxl", tmp_path)
    assert len(names) == len(state["home"])
    assert f"stems/{TITLE} - mix.flac" in names
    assert {f"{TITLE}{suffix}" for suffix in (".musicxml", ".mid", ".pdf", ".lrc", ".txt")} <= set(names)
    score = music21.converter.parse(compressed, forceSource=True)
    assert {60, 62, 64, 65, 67, 69} <= {pitch.midi for pitch in score.pitches}


def test_a_correction_is_answered_with_the_new_state_and_shown(client: httpx.Client) -> None:
    before = client.get("score.json")
    tag = {"If-None-Match": before.headers["etag"]}
    assert client.get("score.json", headers=tag).status_code == 304
    answer = client.post("corrections", json={"kind": "key", "value": "E major"})
    assert answer.status_code == 200
    assert answer.json()["corrections"] == {"key": "E major"}
    after = client.get("score.json", headers=tag)
    assert after.status_code == 200
    assert after.json()["pages"] != before.json()["pages"]
    plain = client.get("score.json", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == after.json()
    assert client.post("corrections", json={"kind": "undo"}).json()["can_redo"]
    assert client.get("score.json").json() == before.json()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"7", 422),
        (b"[]", 422),
        (b"[" * 100_000, 422),
        (b'{"kind": "pick_up", "value": NaN}', 422),
        (b'{"kind": "octave", "stem": "mix", "octaves": 1e400}', 422),
        (b'{"kind": "tempo", "value": 1e9}', 422),
        (b'{"kind": "tempo", "value": "fast"}', 422),
        (b'{"kind": "note", "stem": "mix", "onset": 0, "pitch": 200, "to": 1}', 422),
        (b'{"kind": "words"}', 422),
        (b'{"kind": "words", "text": null}', 422),
        (b'[{"kind": "undo"}, {"kind": "key", "value": "C major"}]', 422),
        (b'"' + b"x" * (server.MOST_BODY_BYTES + 1) + b'"', 413),
    ],
)
def test_an_edit_that_can_not_be_is_a_sentence(client: httpx.Client, body: bytes, status: int) -> None:
    answer = client.post("corrections", content=body)
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)


def test_only_known_songs_and_files_are_there(client: httpx.Client, served: tuple[str, Path]) -> None:
    root, known = served[0], served[1].name
    rows = ("state.json", "notes.json", "report.json", "lyrics.json", "score.json", "roll/mix.json")
    rows += ("spectrogram/mix.png", "audio/mix", "audio/song", "files/score.pdf", "all.zip")
    strange = ("x" * 32, "x" * 300, "..", "%2e%2e", "..%2fkept", "%00", "*", known[:-1], known.swapcase())
    for id in strange:
        for row in rows:
            answer = httpx.get(f"{root}/songs/{id}/{row}")
            assert answer.status_code == 404, (id, row)
        assert httpx.post(f"{root}/songs/{id}/cancel").status_code in (404, 405)
        assert httpx.post(f"{root}/songs/{id}/corrections", json={"kind": "undo"}).status_code in (404, 405)
    for name in ("../job.json", "..%2fjob.json", "%2e%2e/job.json", "job.json", ".stages/audio.json", "%00"):
        for row in ("files", "audio", "roll", "spectrogram"):
            assert client.get(f"{row}/{name}").is_client_error, (row, name)
    for path in ("songs", "songs/", "fullscore/../server.py", "fullscore/%2e%2e/server.py", "fullscore/%00"):
        assert httpx.get(f"{root}/{path}").status_code in (404, 405), path


def test_a_big_upload_is_refused_before_its_end(served: tuple[str, Path]) -> None:
    answer = httpx.post(f"{served[0]}/gradio_api/upload", files={"files": ("a.wav", WAV)})
    assert answer.status_code == 413


def test_one_login_opens_the_page_and_its_songs(results: tuple[Path, str], page: gr.Blocks) -> None:
    folder, id = results
    with Jobs(folder) as jobs:
        app = server.create(jobs, page, auth=("anna", "secret"))
        with server.served(app) as address, httpx.Client(base_url=address) as visitor:
            for row in ("state.json", "audio/mix", "all.zip", "files/score.pdf"):
                assert visitor.get(f"/songs/{id}/{row}").status_code == 401
            assert visitor.post(f"/songs/{id}/corrections", json={"kind": "undo"}).status_code == 401
            assert visitor.get("/health").status_code == 200
            wrong = visitor.post("/login", data={"username": "anna", "password": "guess"})
            assert wrong.status_code == 400
            assert visitor.get(f"/songs/{id}/state.json").status_code == 401
            visitor.post("/login", data={"username": "anna", "password": "secret"})
            assert visitor.get(f"/songs/{id}/state.json").json()["id"] == id


def test_a_proxy_may_show_it_elsewhere(results: tuple[Path, str], page: gr.Blocks) -> None:
    folder, id = results
    with Jobs(folder) as jobs, server.served(server.create(jobs, page, root_path="/music")) as address:
        assert httpx.get(f"{address}/songs/{id}/state.json").status_code == 200
        assert httpx.get(f"{address}/music/songs/{id}/state.json").status_code == 200
        assert httpx.get(f"{address}/config").json()["root"].endswith("/music")


def test_a_port_that_is_taken_is_a_sentence(client: httpx.Client) -> None:
    with pytest.raises(FullscoreError, match="choose another with --port"):
        server.serve(None, "127.0.0.1", client.base_url.port or 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "file", "name"),
    [
        ("Song", "score.musicxml", "Song.musicxml"),
        ("Song", "score-001.svg", "Song - 001.svg"),
        ("Song", "stems/vocals.flac", "Song - vocals.flac"),
        ("../../x", "lyrics.txt", "x.txt"),
        ('a<b>"/\\|?*:c', "score.mid", "a b c.mid"),
        ("\0\n", "notes.json", "song - notes.json"),
        ("x" * 300, "score.pdf", "x" * 80 + ".pdf"),
        ("歌", "performance.mid", "歌 - performance.mid"),
    ],
)
def test_files_are_called_after_the_song(title: str, file: str, name: str) -> None:
    assert name_of(title, file) == name


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have places of their own")
def test_songs_are_kept_in_the_folder_for_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert app.results_folder() == tmp_path / "data" / "fullscore" / "songs"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert app.results_folder() == tmp_path / ".local" / "share" / "fullscore" / "songs"
