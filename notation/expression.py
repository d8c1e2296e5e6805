"""Expression: dynamics, tempo, pedal, fermatas and articulation from how the notes were played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class TempoMark:
    """A tempo from ``onset`` on: words such as "rit." and, if ``number``, a metronome mark.

    ``quarters_per_minute`` is how fast it goes on from here; 0 with words that leave that open.
    """

    onset: Fraction
    quarters_per_minute: float = 0.0
    words: str = ""
    number: bool = True


@dataclass(frozen=True, slots=True)
class Dynamic:
    """A loudness from ``onset`` on: pp, p, mp, mf, f or ff."""

    onset: Fraction
    mark: str


@dataclass(frozen=True, slots=True)
class Hairpin:
    """A crescendo (``grows``) or diminuendo."""

    start: Fraction
    end: Fraction
    grows: bool


@dataclass(frozen=True, slots=True)
class Pedal:
    """The sustaining pedal held from ``start`` to ``end``."""

    start: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class PartExpression:
    """The signs of one part, each kind in order of time."""

    dynamics: tuple[Dynamic, ...] = ()
    hairpins: tuple[Hairpin, ...] = ()
    pedals: tuple[Pedal, ...] = ()


@dataclass(frozen=True, slots=True)
class Expression:
    """The signs of a score: tempo for all, the others by stem.

    ``curve`` is the tempo as played where a mark says it changes gradually: (quarters, quarters a minute).
    """

    tempi: tuple[TempoMark, ...] = ()
    curve: tuple[tuple[Fraction, float], ...] = ()
    swing: bool = False
    parts: Mapping[str, PartExpression] = field(default_factory=dict)
