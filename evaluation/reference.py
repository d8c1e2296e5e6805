"""Modules of mir_eval one by one: the package imports all of itself, which takes longer than measuring."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_ALIAS = "evaluation.mir_eval_alone"


def mir_eval_module(name: str) -> Any:
    """The module ``mir_eval.<name>``, under another name, with only what it imports itself."""
    if _ALIAS not in sys.modules:
        spec = find_spec("mir_eval")
        assert spec is not None, "mir_eval is among the requirements"
        package = ModuleType(_ALIAS)
        package.__path__ = list(spec.submodule_search_locations or ())
        sys.modules[_ALIAS] = package
    return importlib.import_module(f"{_ALIAS}.{name}")
