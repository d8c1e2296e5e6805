"""How the site is built (``make docs``): pages in Markdown, the reference from the docstrings.

The pages of ``reference/modules`` are written at each build, one for each module of the stages, so a module
that is added, moved or renamed needs nothing here (autosummary takes the function ``pipeline.transcribe`` for
the module of that name; apidoc wants a folder for each package). No page loads anything from the network.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from sphinx.errors import SphinxError

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STAGES = ("separation", "transcription", "lyrics", "notation", "evaluation", "pipeline")

project = "Fullscore"
author = "The Fullscore contributors"
copyright = "2026, the Fullscore contributors; Apache-2.0"
version = release = PROJECT["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"Fullscore {release}"
html_copy_source = False
html_show_sphinx = False

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_type_aliases = {
    name: name for name in ("npt.ArrayLike", "Floats", "Ints", "Features", "Samples", "Progress")
}
python_use_unqualified_type_names = True
maximum_signature_line_length = 90
# A type's short name may stand for two (the bars of notation and of evaluation): one is linked.
suppress_warnings = ["ref.python"]


def write_reference(app: Any) -> None:
    """Write a page for each module of the stages, and remove those of modules that are gone."""
    folder = DOCS / "reference" / "modules"
    folder.mkdir(exist_ok=True)
    pages = {}
    for stage in STAGES:
        for file in sorted((ROOT / stage).rglob("*.py")):
            inside = file.relative_to(ROOT).with_suffix("")
            name = ".".join(inside.parts).removesuffix(".__init__")
            pages[folder / f"{name}.rst"] = _module_page(name, file)
    for page in set(folder.glob("*.rst")) - pages.keys():
        page.unlink()
    for page, text in pages.items():
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def _module_page(name: str, file: Path) -> str:
    is_package = file.stem == "__init__"
    shown = "" if is_package else "   :members:\n"
    text = f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n{shown}"
    if is_package:
        below = [path for path in file.parent.glob("*.py") if path != file]
        below += [path.parent for path in file.parent.glob("*/__init__.py")]
        text += "\n.. toctree::\n   :maxdepth: 1\n\n"
        text += "".join(f"   {name}.{path.stem}\n" for path in sorted(below, key=lambda path: path.stem))
    return text


def keep_layout(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Show the indented paragraphs of docstrings (commands, flows) as they stand, without ``::`` before."""
    shown: list[str] = []
    in_item = in_block = False
    for before, line in zip(["text", *lines], lines, strict=False):
        if line.strip() and not line.startswith(" "):
            in_item, in_block = bool(re.match(r"[-*]\s|\d+\.\s|\.\. |:\w", line)), False
        elif line.strip() and not before.strip() and not in_item and not in_block:
            in_block = True
            last = next((text for text in reversed(shown) if text.strip()), "::")
            shown += [] if last.endswith("::") else ["::", ""]
        shown.append(line)
    lines[:] = shown


def check_offline(app: Any, error: Exception | None) -> None:
    """Raise SphinxError where a page would load something from elsewhere."""
    if error is not None or app.builder.name != "html":
        return
    loads = re.compile(
        r'<(?:script|img|iframe)\b[^>]*\bsrc="https?:[^"]*"|<link\b[^>]*\bhref="https?:[^"]*"|url\(https?:'
    )
    for page in (*Path(app.outdir).rglob("*.html"), *Path(app.outdir).rglob("*.css")):
        if found := loads.search(page.read_text(encoding="utf-8")):
            raise SphinxError(f"{page} loads something from elsewhere: {found[0]}")


def setup(app: Any) -> None:
    app.connect("builder-inited", write_reference)
    app.connect("autodoc-process-docstring", keep_layout)
    app.connect("build-finished", check_offline)
