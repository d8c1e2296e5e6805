"""Our modules run as programs from a folder that holds others of the same names."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

from fullscore.launch import command


def test_what_lies_in_the_working_directory_is_not_imported(tmp_path: Path) -> None:
    for name in ("pipeline", "ui", "fullscore", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    done = subprocess.run(
        command("pipeline.cli", "models", "path"), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_arguments_and_the_exit_code_are_the_programs(tmp_path: Path) -> None:
    done = subprocess.run(
        command("pipeline.cli", "notate", "none.mid", "-o", "out.txt"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "out.txt" in done.stderr


def test_every_package_is_installed() -> None:
    root = Path(__file__).resolve().parents[2]
    listed = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "packages"
    ]
    top = {name for name in listed if "." not in name}
    there = {
        file.parent.relative_to(root).as_posix().replace("/", ".")
        for name in top
        for file in (root / name).rglob("__init__.py")
    }
    assert set(listed) == there
