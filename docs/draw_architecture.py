"""Draws ``docs/architecture.svg`` from the code: the folders in their layers, what flows between the stages.

    python docs/draw_architecture.py            # write it
    python docs/draw_architecture.py --check    # exit code 1 where it isn't what the code is now

Method: the layers are those of import-linter's contract in ``pyproject.toml``; what a folder is for and which
others it uses, its sources say; the engines are in the registries; of the types that ``fullscore`` hands out,
those cross from one stage to another that the other imports; the order is that in ``pipeline.transcribe``.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import fullscore  # noqa: E402
from evaluation.kinds import KINDS  # noqa: E402
from pipeline.plan import REGISTRIES  # noqa: E402

OUT = ROOT / "docs" / "architecture.svg"
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
    "contracts"
][0]
FOLDERS: list[str] = LAYERS["layers"]
"""From the top to the bottom."""
FLOW = FOLDERS[-2:-6:-1]
"""The stages as the data flows."""

WIDTH, EDGE, GAP = 1120, 20, 14
LINE, SMALL = 19, 13  # px: the distance of lines of text, the size of letters
LETTER = 0.54  # of a letter's size: its mean width
COLOURS = {
    "ui": "#f3e8f7", "pipeline": "#e6eefb", "evaluation": "#fdf1dc", "fullscore": "#ececec"
}  # fmt: skip
STAGE_COLOUR, INK, SOFT, ARROW = "#e4f3ea", "#1d2733", "#5b6875", "#2b6cb0"
STAGE_WIDTH, STAGE_HEIGHT = 216, 196
ARC_HEIGHT = 40


# What the code says ---------------------------------------------------------------------------------


def trees(folder: str) -> Iterator[ast.Module]:
    for file in sorted((ROOT / folder).rglob("*.py")):
        if file != ROOT / "fullscore" / "__init__.py":  # which imports what it hands out
            yield ast.parse(file.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Our folders that a module imports from, and the names that it takes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0], [name.name for name in node.names]


def uses(folder: str) -> list[str]:
    """The other folders that a folder imports from, from the top to the bottom."""
    found = {other for tree in trees(folder) for other, _ in imports(tree)}
    return [other for other in FOLDERS if other in found and other != folder]


def crossing(before: str, after: str) -> list[str]:
    """The types of ``before`` that ``after`` takes."""
    owned = {
        name for name, (module, _) in fullscore._WHERE.items()
        if module.partition(".")[0] == before and name[0].isupper()
    }  # fmt: skip
    taken = {
        name for tree in trees(after) for other, names in imports(tree) if other == before for name in names
    }
    return sorted(owned & taken)


def purpose(folder: str) -> str:
    """What a folder is for: the first sentence of its docstring, without its name."""
    text = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    said = text.partition("\n\n")[0].partition(": ")[2].rstrip(".").replace("\n", " ")
    return said[:1].upper() + said[1:]


def engines(folder: str) -> list[str]:
    return [
        f"{setting}: {', '.join(spec.name for spec in registry)}"
        for setting, registry in REGISTRIES.items()
        if any(spec.module.partition(".")[0] == folder for spec in registry)
    ]


def modules(folder: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / folder).glob("*.py") if path.stem != "__init__")


def steps() -> list[str]:
    """The modules of ``pipeline.stages`` in the order in which ``transcribe`` calls them."""
    tree = ast.parse((ROOT / "pipeline" / "transcribe.py").read_text(encoding="utf-8"))
    place = {
        name.asname or name.name: node.module.rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pipeline.stages.")
        for name in node.names
    }
    body = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "transcribe")
    calls = [
        node for node in ast.walk(body) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    named = [call.func.id for call in sorted(calls, key=lambda call: call.lineno)]  # type: ignore[attr-defined]
    return list(dict.fromkeys(place[name] for name in named if name in place))


# The picture ----------------------------------------------------------------------------------------


def wrapped(text: str, width: float, size: float = SMALL) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and (len(lines[-1]) + 1 + len(word)) * size * LETTER > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def words(x: float, y: float, text: str, size: float = SMALL, colour: str = INK, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" {more}>{escape(text)}</text>'


def box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{colour}" '
        f'stroke="{SOFT}" stroke-width="1"/>'
    )


def layer(folder: str, y: float, rows: list[str]) -> tuple[list[str], float]:
    """A box over the whole width with rows of text; returns what is drawn and where it ends."""
    height = 16 + LINE * (1 + len(rows))
    drawn = [box(EDGE, y, WIDTH - 2 * EDGE, height, COLOURS[folder])]
    drawn.append(words(EDGE + 14, y + 23, folder, 16, more='font-weight="bold"'))
    drawn.append(words(EDGE + 124, y + 23, purpose(folder)))
    drawn.append(used(WIDTH - EDGE - 14, y + 23, folder, "end"))
    drawn += [words(EDGE + 124, y + 23 + LINE * (n + 1), row, colour=SOFT) for n, row in enumerate(rows)]
    return drawn, y + height


def used(x: float, y: float, folder: str, anchor: str = "start") -> str:
    others = [other for other in uses(folder) if FOLDERS.index(other) > FOLDERS.index(folder)]
    text = f"uses {', '.join(others)}" if others else "uses none of the others"
    return words(x, y, text, 11, SOFT, f'text-anchor="{anchor}" font-style="italic"')


def stage(folder: str, x: float, y: float) -> list[str]:
    """A stage: its purpose and its engines."""
    drawn = [box(x, y, STAGE_WIDTH, STAGE_HEIGHT, STAGE_COLOUR)]
    drawn.append(words(x + 12, y + 24, folder, 16, more='font-weight="bold"'))
    at = y + 28
    for line in wrapped(purpose(folder), STAGE_WIDTH - 24):
        at += LINE - 2
        drawn.append(words(x + 12, at, line))
    at += 6
    for entry in engines(folder):
        for line in wrapped(entry, STAGE_WIDTH - 24, 11.5):
            at += 15
            drawn.append(words(x + 12, at, line, 11.5, SOFT))
        at += 3
    for number, line in enumerate(reversed(wrapped(used_text(folder), STAGE_WIDTH - 24, 11))):
        drawn.append(
            words(x + 12, y + STAGE_HEIGHT - 10 - 14 * number, line, 11, SOFT, 'font-style="italic"')
        )
    return drawn


def used_text(folder: str) -> str:
    return f"uses {', '.join(uses(folder))}"


def line_to(path: str, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<path d="{path}" fill="none" stroke="{ARROW}" stroke-width="1.6" marker-end="url(#head)"{dashes}/>'
    )


def flow(y: float) -> tuple[list[str], float]:
    """The stages side by side, and the types that go from one to the next."""
    between = (WIDTH - 2 * EDGE - len(FLOW) * STAGE_WIDTH) / (len(FLOW) - 1)
    left = {folder: EDGE + number * (STAGE_WIDTH + between) for number, folder in enumerate(FLOW)}
    drawn = [words(EDGE, y + 14, "a song: any recording", colour=ARROW)]
    first, last = left[FLOW[0]], left[FLOW[-1]]
    top = y + 34
    drawn.append(line_to(f"M{first + 60:g} {y + 19:g} V{top - 2:g}"))
    for folder in FLOW:
        drawn += stage(folder, left[folder], top)
    files = "MusicXML, MIDI, PDF, SVG"
    drawn.append(words(last + STAGE_WIDTH, y + 14, files, colour=ARROW, more='text-anchor="end"'))
    drawn.append(line_to(f"M{last + STAGE_WIDTH - 60:g} {top:g} V{y + 20:g}"))
    depth = 0
    for span in range(1, len(FLOW)):
        for before, after in zip(FLOW, FLOW[span:], strict=False):
            types = crossing(before, after)
            if not types:
                continue
            if span == 1:
                start, end, middle = left[before] + STAGE_WIDTH, left[after], top + 40
                drawn.append(line_to(f"M{start:g} {middle:g} H{end - 2:g}"))
                for number, name in enumerate(types):
                    at = (start + end) / 2
                    drawn.append(
                        words(at, middle + 18 + 15 * number, name, 11.5, ARROW, 'text-anchor="middle"')
                    )
                continue
            depth += 1
            bottom, low = top + STAGE_HEIGHT, top + STAGE_HEIGHT + ARC_HEIGHT * depth - 16
            start, end = left[before] + STAGE_WIDTH / 2 + 40, left[after] + STAGE_WIDTH / 2 - 40
            drawn.append(line_to(f"M{start:g} {bottom:g} V{low:g} H{end:g} V{bottom + 2:g}"))
            drawn.append(
                words((start + end) / 2, low - 6, ", ".join(types), 11.5, ARROW, 'text-anchor="middle"')
            )
    return drawn, top + STAGE_HEIGHT + ARC_HEIGHT * depth


def picture() -> str:
    drawn: list[str] = []
    y: float = EDGE
    rows = {
        "ui": [],
        "pipeline": [f"the stages of a run: {' → '.join(steps())}"],
        "evaluation": [f"kinds: {', '.join(KINDS)}"],
    }
    for folder in FOLDERS[: -1 - len(FLOW)]:
        made, y = layer(folder, y, rows[folder])
        drawn += made
        y += GAP
    made, y = flow(y)
    drawn += made
    made, y = layer("fullscore", y + GAP, [f"what all share: {', '.join(modules('fullscore'))}"])
    drawn += made
    note = "Imports go downwards, and from right to left among the stages. Blue: what the data is on its way."
    drawn.append(words(EDGE, y + 24, note, 12, SOFT))
    height = y + 40
    head = (
        '<defs><marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{ARROW}"/></marker></defs>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
            'font-family="system-ui, sans-serif" role="img">',
            "<title>Fullscore's folders in their layers, and what flows between the stages</title>",
            head,
            f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>',
            *drawn,
            "</svg>",
            "",
        ]
    )


def main() -> int:
    if "--check" not in sys.argv[1:]:
        OUT.write_text(picture(), encoding="utf-8")
        return 0
    if OUT.read_text(encoding="utf-8") == picture():
        return 0
    print(
        "docs/architecture.svg isn't what the code is now: python docs/draw_architecture.py", file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
