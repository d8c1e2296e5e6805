"""A score on paper: parts, bars, note heads and marks as they will be engraved.

What :mod:`notation.expression` and :mod:`notation.score` decide and :mod:`notation.musicxml` writes down.

Conventions: those of :mod:`notation.events`; tempo in quarters a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from notation.events import Bar, ChordSymbol, Key, Keys, ScoreNote
from notation.instruments import Voicing, voicing_of
from notation.meter import ScoreTime
from notation.percussion import DrumSound
from notation.registers import ClefAndOctave, OctaveLine
from notation.rhythm import Beams, Tuplet
from notation.sections import Section
from notation.underlay import SungNote
from transcription.beatgrid import TimeSignature
from transcription.notes import Note

# Expression


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

    ``curve`` is the tempo as played where a mark says that it changes gradually.
    """

    tempi: tuple[TempoMark, ...] = ()
    curve: tuple[tuple[Fraction, float], ...] = ()
    swing: bool = False
    parts: Mapping[str, PartExpression] = field(default_factory=dict)


# Parts


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """The notes of one stem as written, with what belongs to each of them.

    ``names`` spells each note (``"F#4"``, ``"Bb3"``) and ``sung`` holds its lyrics (empty: none).
    Notes whose heard note is in ``spoken`` have a rhythm but no pitch of their own. ``program`` is
    the General MIDI program (from 0) that plays it, where a file says so.
    """

    stem: str
    notes: tuple[ScoreNote, ...]
    names: tuple[str, ...]
    sung: tuple[SungNote, ...] = ()
    staves: int = 1
    spoken: frozenset[Note] = frozenset()
    program: int | None = None
    reading: ClefAndOctave = ClefAndOctave()

    def __post_init__(self) -> None:
        if len(self.names) != len(self.notes):
            raise ValueError(f"{len(self.notes)} notes but {len(self.names)} names")
        if self.sung and len(self.sung) != len(self.notes):
            raise ValueError(f"{len(self.notes)} notes but lyrics for {len(self.sung)}")

    @property
    def voicing(self) -> Voicing:
        """How the part is called, plays and reads."""
        usual = voicing_of(self.stem, self.program)
        clefs = usual.clefs if self.reading.clef is None else (self.reading.clef,)
        octave = usual.octave if self.reading.octave is None else self.reading.octave
        return replace(usual, clefs=clefs, octave=octave)

    @property
    def unpitched(self) -> bool:
        """Whether it is a drum set."""
        return self.voicing.family == "drums"


@dataclass(slots=True)
class Head:
    """One notehead: its place as written (of a drum, as in the treble clef), and its accidental.

    ``accidental`` is MusicXML's name of the one that is shown ("": none), in parentheses if it ``reminds``.
    """

    step: str
    alter: int
    octave: int
    shape: str = "normal"
    drum: DrumSound | None = None
    accidental: str = ""
    reminds: bool = False
    tied_from: bool = False
    tied_to: bool = False


@dataclass(slots=True)
class Element:
    """A note, chord, grace note or rest (without heads) as written in its bar.

    ``onset`` counts from the bar line; a grace note lasts 0. ``slurs`` are "start" and "stop".
    """

    onset: Fraction
    length: Fraction
    name: str = ""
    dots: int = 0
    tuplet: Tuplet | None = None
    bracket: bool = False
    beams: Beams = ()
    heads: tuple[Head, ...] = ()
    grace: bool = False
    stem: str = ""
    hidden: bool = False
    whole_bar: bool = False
    marks: frozenset[str] = frozenset()
    sung: SungNote | None = None
    slurs: list[str] = field(default_factory=list)


@dataclass(slots=True)
class StaffBar:
    """One bar of one staff: its voices, each filling the bar."""

    clef: str
    voices: list[list[Element]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PagePart:
    """A part on paper: its staves from the top, each with every bar, and its octave lines."""

    voicing: Voicing
    staves: tuple[tuple[StaffBar, ...], ...]
    octaves: tuple[OctaveLine, ...] = ()


@dataclass(frozen=True, slots=True)
class NotatedScore:
    """A finished score: what was decided, and how it stands on paper."""

    title: str
    artist: str
    key: Key
    bars: tuple[Bar, ...]
    beats_per_minute: int
    parts: tuple[WrittenPart, ...]
    chords: tuple[ChordSymbol, ...]
    page: tuple[PagePart, ...]
    keys: Keys
    """Every key with the bar line from which it holds; the first is ``key``."""
    expression: Expression = Expression()
    sections: tuple[Section, ...] = ()
    time: ScoreTime | None = None
    """When it was played; None if it wasn't."""

    @property
    def time_signature(self) -> TimeSignature:
        """The meter at the beginning."""
        return self.bars[0].time_signature

    @property
    def quarters_per_minute(self) -> float:
        """The tempo as written at the beginning, in quarters."""
        return self.beats_per_minute * float(self.time_signature.beat_quarters)

    @property
    def tempi(self) -> tuple[tuple[Fraction, float], ...]:
        """Each tempo in quarters a minute with where it begins, gradual changes as played."""
        found = {Fraction(0): self.quarters_per_minute}
        found.update((mark.onset, mark.quarters_per_minute) for mark in self.expression.tempi)
        found.update(self.expression.curve)
        return tuple((onset, tempo) for onset, tempo in sorted(found.items()) if tempo > 0)
