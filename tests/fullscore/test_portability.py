"""Without what only POSIX systems have, all that is packaged can be imported and notes can be notated."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import mido
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
    "packages"
]
WITHOUT = """
import os, signal, sys
sys.modules.update(dict.fromkeys(("fcntl", "resource")))
for name in {"killpg", "nice", "sched_getaffinity"} & set(dir(os)):
    delattr(os, name)
if hasattr(signal, "SIGKILL"):
    del signal.SIGKILL
"""


def run(code: str, folder: Path) -> str:
    """What a program without them prints."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_module_is_imported_without_them(tmp_path: Path) -> None:
    modules = [
        ".".join([package, *([] if file.stem == "__init__" else [file.stem])])
        for package in PACKAGES
        for file in sorted((ROOT / package.replace(".", "/")).glob("*.py"))
    ]
    assert len(modules) > len(PACKAGES)
    code = f"import importlib\nfor name in {modules}: importlib.import_module(name)\nprint('all')"
    assert run(code, tmp_path) == "all\n"


def test_notes_are_notated_without_them(tmp_path: Path) -> None:
    file = mido.MidiFile(tracks=[mido.MidiTrack()])
    for pitch in (60, 62, 64, 65, 67, 69, 71, 72):
        file.tracks[0].append(mido.Message("note_on", note=pitch, velocity=64, time=10))
        file.tracks[0].append(mido.Message("note_off", note=pitch, velocity=0, time=470))
    file.save(tmp_path / "played.mid")
    code = "from pipeline.cli import main; sys.exit(main(['notate', 'played.mid', '-o', 'score.musicxml']))"
    assert run(code, tmp_path) == "score.musicxml\n"
    assert "<step>G</step>" in (tmp_path / "score.musicxml").read_text(encoding="utf-8")
