"""What every stage's engines have in common: progress, options and registries.

An engine is one class in one file: heavy state is loaded in ``__init__``, the work is done in
``__call__``. Its options are one frozen dataclass, named after the class (``Spectral``,
``SpectralSettings``) and made with :func:`option`, so that the command line and the web page can be
generated from the same place. Each stage keeps a :class:`Registry`
that finds engines by name and imports them only when they are asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

from fullscore.errors import FullscoreError, install

Progress = Callable[[float, str], None]
"""Called with the share of the work done (0 to 1) and what is being done; raising from it cancels."""


def silent(fraction: float, message: str) -> None:
    """The progress callable that reports nothing."""


def option(default: Any, help: str, **metadata: Any) -> Any:
    """A field of an engine's ``Settings``: its default and what a user reads about it.

    ``metadata`` may hold ``minimum``, ``maximum`` and ``choices`` for the controls made from it.
    """
    return field(default=default, metadata={"help": help, **metadata})


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Where an engine is and what it needs, known without importing it.

    ``target`` is ``"module:Class"``; ``requires`` are importable module names; ``install`` is the command
    that brings them; ``weights`` names an entry of ``pipeline.weights`` (None: no download). ``packages``
    are the distributions whose version makes a difference to what it makes. ``bleeds`` says of a separator
    that bass and accompaniment are better heard, and the user's own words better aligned, in the mix than in
    its stems, because these hold much of each other.
    """

    name: str
    target: str
    summary: str
    requires: tuple[str, ...] = ()
    install: str = ""
    weights: str | None = None
    packages: tuple[str, ...] = ()
    bleeds: bool = False

    def missing(self) -> tuple[str, ...]:
        """The required modules that are not installed here."""
        return tuple(name for name in self.requires if importlib.util.find_spec(name) is None)

    @property
    def module(self) -> str:
        """Where its class is."""
        return self.target.partition(":")[0]

    def versions(self) -> dict[str, str]:
        """The versions of its ``packages`` that are installed here."""
        found = {}
        for package in self.packages:
            with suppress(PackageNotFoundError):
                found[package] = version(package)
        return found

    def settings(self) -> Any:
        """The engine's default settings: by convention the class named after it in its module."""
        module = importlib.import_module(self.load().__module__)
        return getattr(module, f"{self.load().__name__}Settings")()

    def load(self) -> Any:
        """Import the engine's class. Raises FullscoreError with the install command if it can't be."""
        self.check()
        attribute = self.target.partition(":")[2]
        try:
            return getattr(importlib.import_module(self.module), attribute)
        except ImportError as error:
            raise FullscoreError(
                "the engine '{name}' can't be loaded ({error})",
                install(self.install) if self.install else "mend the installation",
                name=self.name,
                error=error,
            ) from error

    def check(self) -> None:
        """Raise FullscoreError with the install command if a required module is missing."""
        if missing := self.missing():
            raise FullscoreError(
                "the engine '{name}' needs {missing}, which is not installed here",
                install(self.install),
                name=self.name,
                missing=", ".join(missing),
            )


class Registry:
    """The engines of one stage by name: ours, and those that other packages offer as entry points."""

    def __init__(self, stage: str, group: str, specs: tuple[EngineSpec, ...]) -> None:
        self._stage = stage
        self._group = group
        self._specs = {spec.name: spec for spec in specs}

    def __iter__(self) -> Iterator[EngineSpec]:
        yield from self._specs.values()
        for point in entry_points(group=self._group):
            if point.name not in self._specs:
                yield EngineSpec(point.name, point.value, f"from the package {point.dist}")

    def __getitem__(self, name: str) -> EngineSpec:
        for spec in self:
            if spec.name == name:
                return spec
        known = ", ".join(spec.name for spec in self)
        raise FullscoreError(
            "there is no {stage} engine '{name}'",
            "choose one of: {known}",
            stage=self._stage,
            name=name,
            known=known,
        )

    def names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self)
