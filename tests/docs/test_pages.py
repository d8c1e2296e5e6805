"""What the pages of the site say is so: samples run, names and files are there, sums are the files'."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fullscore

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "findings").glob("*.md"))
    if "modules" not in path.parts
)
FENCED = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)\s]*)?\)|<img src=\"([^\"]+)\"")


def of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.slow
def test_the_samples_of_the_python_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "python.md"
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "page"}
    samples = list(FENCED.finditer(text))
    assert len(samples) > 5
    for sample in samples:
        line = text.count("\n", 0, sample.start(1))
        code = compile("\n" * line + sample[1], str(page), "exec")  # so that an error names the page's line
        exec(code, names)


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_samples_use_names_that_there_are(page: Path) -> None:
    for sample in FENCED.finditer(page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(sample[1])):
            if isinstance(node, ast.ImportFrom) and node.module == "fullscore":
                assert {name.name for name in node.names} <= set(fullscore.__all__)
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "fullscore":
                assert node.attr in fullscore.__all__


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_links_lead_to_files_that_there_are(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = link[1] or link[2]
        if "reference/modules" not in target:  # which is made when the site is built
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("card", sorted((ROOT / "docs" / "models").glob("[!i]*.md")), ids=of)
def test_a_model_card_is_of_the_file_that_ships(card: Path) -> None:
    text = card.read_text(encoding="utf-8")
    file = ROOT / re.search(r"^\| file \| `([^`]+)`", text, re.MULTILINE)[1]  # type: ignore[index]
    assert f"`{hashlib.sha256(file.read_bytes()).hexdigest()}`" in text


def test_every_network_that_ships_has_a_card() -> None:
    cards = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "models").glob("*.md"))
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    shipped = [
        file for folder in folders["packages"] for file in (ROOT / folder.replace(".", "/")).glob("*.npz")
    ]
    assert len(shipped) >= 3
    assert [of(file) for file in shipped if f"`{of(file)}`" not in cards] == []


def test_the_picture_of_the_folders_is_what_the_code_is() -> None:
    drawn = [sys.executable, str(ROOT / "docs" / "draw_architecture.py"), "--check"]
    done = subprocess.run(drawn, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_citation_names_the_latest_release() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d\S*)\] - (\d{4}-\d\d-\d\d)$", changes, re.M)
    version, date = released[0]
    assert f'version: {version}\ndate-released: "{date}"' in citation
