"""Which code makes a result: a fingerprint of the sources that take part in it, and of their networks.

Task: whoever keeps results has to know whether today's code would make them again. A version number says
that badly (it stays for hundreds of commits, and a release changes it for stages that it didn't touch), so
the contents are hashed. Method: from a module's source the imports of our own packages are followed, those
inside functions too; the data files (networks) that a source names and that lie beside it belong to it. Each
file is read once in a process.

Limits: what is imported by a computed name isn't seen (engines are, for whoever calls names their modules);
packages that aren't ours don't count here.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

OURS = frozenset(
    {"fullscore", "separation", "transcription", "lyrics", "notation", "evaluation", "pipeline", "ui"}
)
DATA = (".npz", ".json", ".onnx", ".pt", ".safetensors")
"""Suffixes of the files that a source may name and read."""
DATA_NAME = re.compile(r"[\w-]+(" + "|".join(map(re.escape, DATA)) + ")")
MACHINERY = ("pipeline", "fullscore.engines", "fullscore.errors", "fullscore.files", "fullscore.fingerprint")
"""What says how work is asked for, kept and told of, not what it makes: not followed."""


def code_of(*modules: str) -> str:
    """The fingerprint (sha256) of the sources of ``modules`` and of all that these import of ours."""
    packages = OURS | {module.partition(".")[0] for module in modules}
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        waiting += (
            name
            for name in _source(module).imports
            if name.partition(".")[0] in packages and not _is_machinery(name) and _file_of(name)
        )
    parts = [(module, _source(module).digest) for module in sorted(seen)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def all_code() -> str:
    """The fingerprint of all of our packages that are here."""
    parts = []
    for package in sorted(OURS):
        if (root := _root(package)) is not None:
            files = (file for file in root.rglob("*") if file.suffix in (".py", *DATA))
            parts += [(file.relative_to(root.parent).as_posix(), _digest(file)) for file in sorted(files)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class _Source:
    """What one module's file holds: its digest with that of its data, and the modules it may import."""

    __slots__ = ("digest", "imports")

    def __init__(self, file: Path) -> None:
        code = file.read_bytes()
        tree = ast.parse(code)
        digest = hashlib.sha256(code)
        for name in sorted(set(_data_names(tree))):
            if (data := file.with_name(name)).is_file():
                digest.update(bytes.fromhex(_digest(data)))
        self.digest = digest.hexdigest()
        self.imports = frozenset(_imports(tree.body))


@cache
def _source(module: str) -> _Source:
    file = _file_of(module)
    if file is None:
        raise ModuleNotFoundError(f"the source of {module} isn't here", name=module)
    return _Source(file)


@cache
def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def _root(package: str) -> Path | None:
    """The folder of a package."""
    spec = importlib.util.find_spec(package)
    return next(map(Path, (spec.submodule_search_locations or ()) if spec else ()), None)


@cache
def _file_of(module: str) -> Path | None:
    """The source of a module, found without importing what holds it."""
    package, *inside = module.split(".")
    root = _root(package)
    if root is None:
        spec = importlib.util.find_spec(package)
        file = Path(spec.origin or "") if spec and not inside else Path()
        return file if file.suffix == ".py" else None
    path = root.joinpath(*inside)
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def _is_machinery(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in MACHINERY)


def _imports(body: list[ast.stmt]) -> Iterator[str]:
    """What statements may import, at any depth, but for type checking only: modules, or names in them."""
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING"):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
                yield from (f"{node.module}.{name.name}" for name in node.names)


def _data_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DATA_NAME.fullmatch(node.value):
            yield node.value
