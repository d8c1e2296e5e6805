"""The fingerprint changes with every source and network that takes part, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from fullscore import fingerprint
from fullscore.fingerprint import all_code, code_of


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose module ``top`` imports ``inner.low`` in a function and reads a network."""
    folder = tmp_path / "tuned"
    (folder / "inner").mkdir(parents=True)
    for name, text in (
        ("__init__.py", ""),
        ("inner/__init__.py", ""),
        ("inner/low.py", "X = 1"),
        ("top.py", "def go():\n    from tuned.inner import low\n    return low.X, 'weights.npz'"),
        ("typed.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tuned.top"),
        ("other.py", "import tuned.inner.low"),
    ):
        (folder / name).write_text(text)
    (folder / "weights.npz").write_bytes(b"one")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def now(*modules: str) -> str:
    """The fingerprint that a new process finds."""
    for name in ("_source", "_digest", "_root", "_file_of"):
        getattr(fingerprint, name).cache_clear()
    return code_of(*modules)


@pytest.mark.parametrize("changed", ["top.py", "inner/low.py", "inner/__init__.py", "weights.npz"])
def test_what_takes_part_changes_it(package: Path, changed: str) -> None:
    before = now("tuned.top")
    (package / changed).write_bytes((package / changed).read_bytes() + b"\n#")
    assert now("tuned.top") != before


@pytest.mark.parametrize("changed", ["other.py", "typed.py"])
def test_what_takes_no_part_does_not(package: Path, changed: str) -> None:
    before = now("tuned.top")
    (package / changed).write_text("Y = 2")
    assert now("tuned.top") == before


def test_imports_for_type_checking_do_not_count(package: Path) -> None:
    before = now("tuned.typed")
    (package / "top.py").write_text("Z = 3")
    assert now("tuned.typed") == before


def test_the_score_is_of_the_quantiser_and_its_networks_but_not_of_the_separators() -> None:
    seen: set[str] = set()
    original = fingerprint._source

    def watched(module: str) -> fingerprint._Source:
        seen.add(module)
        return original(module)

    fingerprint._source = watched  # type: ignore[assignment]
    try:
        code_of("pipeline.stages.score")
    finally:
        fingerprint._source = original
    assert {"notation.quantise", "notation.handnet", "notation.spelling", "lyrics.layout"} <= seen
    assert not {name for name in seen if name.startswith(("separation.engines", "pipeline."))} - {
        "pipeline.stages.score"
    }


def test_a_source_that_is_not_here_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        code_of("no_such_module")


def test_all_code_is_that_of_every_package() -> None:
    assert all_code() == all_code()
    assert all_code() != code_of("fullscore.errors")
