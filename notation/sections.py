"""Sections of a song."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form that starts at the bar line ``start`` (quarters) and is called ``name``."""

    start: Fraction
    name: str
