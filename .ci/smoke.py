"""Whether an installation works at all: every module of ours is imported, and there is MIDI to be notated.

    python -P .ci/smoke.py example.mid      # writes the notes of the bundled example as they were played

For systems and Pythons on which the tests don't run (.github/workflows/ci.yml); needs no test packages.
"""

from __future__ import annotations

import csv
import importlib
import pkgutil
import sys
from pathlib import Path

import fullscore
from fullscore.files import EXAMPLE
from fullscore.fingerprint import OURS
from notation.export import write_performance

NOTES = EXAMPLE / "auld-lang-syne.notes.csv"


def import_all() -> int:
    """Import all modules of our packages and every name that ``fullscore`` hands out; returns how many."""
    names = []
    for package in sorted(OURS):
        found = importlib.import_module(package)
        names += [package, *(module.name for module in pkgutil.walk_packages(found.__path__, f"{package}."))]
    for name in names:
        importlib.import_module(name)
    return len([*names, *(getattr(fullscore, name) for name in fullscore.__all__)])


def main() -> None:
    print(f"{import_all()} modules and names are there")
    with NOTES.open(encoding="utf-8", newline="") as file:
        notes = [
            fullscore.Note(
                float(row["onset"]),
                float(row["offset"]),
                int(row["midi"]),
                int(row["velocity"]),
                stem=row["stem"],
            )
            for row in csv.DictReader(file)
        ]
    write_performance(notes, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
