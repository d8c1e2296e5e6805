"""Modules of ours run in processes of their own, wherever those start.

``python -m pipeline.…`` looks into the working directory first, where somebody's own ``pipeline`` or ``ui``
may lie. The command made here doesn't (``-P``), and finds our packages after all others: beside this one,
whether they are installed or an uninstalled checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path

_RUN = (
    "import runpy, sys; root, module = sys.argv[1:3]; del sys.argv[1:3]; sys.path.append(root); "
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs ``module`` as a program with ``arguments``."""
    root = str(Path(__file__).resolve().parents[1])
    return [sys.executable, "-P", "-c", _RUN, root, module, *arguments]
