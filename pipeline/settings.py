"""What a user may choose for a run. The command line and the web page are made from these fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from fullscore.engines import EngineSpec, option
from fullscore.errors import FullscoreError
from transcription.beatgrid import TimeSignature

SLOWEST_TEMPO, FASTEST_TEMPO = 20.0, 400.0  # beats per minute that a metronome mark can sensibly have
LONGEST_PICK_UP = 32.0  # beats: as many as a bar may have
PICK_UP_PART = 24  # of a beat: a pick-up is a whole number of them


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one run; every default is what a musician wants who chose nothing."""

    separator: str = option("auto", "auto, an engine's name, or a Demucs model's own folder")
    notes: str = option("auto", "how notes are heard: auto, or one engine for all pitched stems")
    lyrics: str = option(
        "auto", "auto, whisper, none, a text or LRC file with the words, or a Whisper .pt file"
    )
    beats: str = option("auto", "how beats are found: auto, an engine's name, or a file of beat times")
    language: str | None = option(None, "language of the words, such as en (default: heard)")
    device: str = option("auto", "where models run", choices=("auto", "cpu", "cuda", "mps"))
    offline: bool = option(False, "never download anything")
    tempo: float | None = option(
        None, "tempo in beats per minute (default: heard)", minimum=SLOWEST_TEMPO, maximum=FASTEST_TEMPO
    )
    time_signature: TimeSignature | None = option(None, "time signature such as 3/4 (default: heard)")
    key: str | None = option(None, 'key such as "G major" (default: heard)')
    pick_up: float | None = option(
        None,
        "beats before the first bar line, 0 for none (default: heard)",
        minimum=0.0,
        maximum=LONGEST_PICK_UP,
    )
    simplify: bool = option(False, "a rhythm of sixteenths at the finest, one voice a staff")
    chords: str = option(
        "auto",
        "chord symbols: auto writes them for songs, not for keyboards alone",
        choices=("auto", "on", "off"),
    )
    options: tuple[tuple[str, str, str], ...] = field(
        default=(), metadata={"help": "options of single engines: (engine, option, value)"}
    )

    def __post_init__(self) -> None:
        if self.tempo is not None and not SLOWEST_TEMPO <= self.tempo <= FASTEST_TEMPO:
            raise FullscoreError(
                "the tempo is from {slowest:g} to {fastest:g} beats per minute, not {tempo:g}",
                slowest=SLOWEST_TEMPO,
                fastest=FASTEST_TEMPO,
                tempo=self.tempo,
            )

        # Written so that "nan", which compares with nothing, is refused.
        if self.pick_up is not None and not 0.0 <= self.pick_up <= LONGEST_PICK_UP:
            raise FullscoreError(
                "a pick-up is from 0 to {longest:g} beats, not {pick_up:g}",
                longest=LONGEST_PICK_UP,
                pick_up=self.pick_up,
            )

    @property
    def pick_up_beats(self) -> Fraction | None:
        """The pick-up as a part of beats that can be written."""
        return None if self.pick_up is None else Fraction(round(self.pick_up * PICK_UP_PART), PICK_UP_PART)

    def options_of(self, engine: str) -> dict[str, str]:
        """The options given for ``engine``, as text."""
        return {name: value for owner, name, value in self.options if owner == engine}


def settings_from(saved: Mapping[str, Any]) -> Settings:
    """Settings from their JSON form: ``dataclasses.asdict`` with the time signature as text."""
    values = dict(saved)
    if values["time_signature"]:
        values["time_signature"] = parse_time_signature(values["time_signature"])
    values["options"] = tuple(map(tuple, values["options"]))
    return Settings(**values)


def parse_tempo(text: str) -> float:
    """Beats per minute from text. Raises FullscoreError."""
    try:
        tempo = float(text)
    except ValueError:
        raise FullscoreError(
            "'{text}' is not a tempo", "give beats per minute, such as 96", text=text
        ) from None
    return Settings(tempo=tempo).tempo or tempo


def parse_pick_up(text: str) -> float:
    """Beats from text such as ``1``, ``0.5`` or ``1/3``. Raises FullscoreError."""
    try:
        beats = float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise FullscoreError(
            "'{text}' is not a pick-up", "give its beats, such as 1 or 1/2", text=text
        ) from None
    Settings(pick_up=beats)
    return beats


def parse_time_signature(text: str) -> TimeSignature:
    """A time signature from text such as ``3/4``. Raises FullscoreError."""
    try:
        numerator, denominator = text.strip().split("/")
        return TimeSignature(int(numerator), int(denominator))
    except ValueError as error:
        reason = str(error) if "time signature" in str(error) else "write it like 3/4 or 6/8"
        raise FullscoreError("'{text}' is not a time signature: {reason}", text=text, reason=reason) from None


_READERS = MappingProxyType({"int": int, "float": float, "str": str})


def engine_settings(spec: EngineSpec, base: Any, given: dict[str, str]) -> Any:
    """``base`` (a ``Settings`` dataclass of the engine) with the options ``given`` as text.

    Raises FullscoreError for an option the engine doesn't have or a value it can't take.
    """
    known = {field.name: field for field in fields(base)}
    changes: dict[str, Any] = {}
    for name, text in given.items():
        if name not in known:
            raise FullscoreError(
                "the engine '{spec}' has no option '{name}'",
                "it has: {known}",
                spec=spec.name,
                name=name,
                known=", ".join(known),
            )
        changes[name] = _value(f"{spec.name}.{name}", str(known[name].type), text)
        _check_range(f"{spec.name}.{name}", changes[name], known[name].metadata)
    try:
        return replace(base, **changes)
    except ValueError as error:
        raise FullscoreError(
            "the engine '{spec}' can't take that: {error}", spec=spec.name, error=error
        ) from error


def _check_range(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    """Raise FullscoreError where ``value`` is none that the option's metadata allow."""
    choices, minimum, maximum = (metadata.get(key) for key in ("choices", "minimum", "maximum"))
    if choices and value not in choices:
        raise FullscoreError(
            "{name} is one of {choices}, not '{value}'", name=name, choices=", ".join(choices), value=value
        )
    if not isinstance(value, int | float):
        return
    # Written so that "nan", which compares with nothing, is refused.
    if not (minimum is None or value >= minimum):
        raise FullscoreError(
            "{name} is at least {minimum:g}, not {value:g}", name=name, minimum=minimum, value=value
        )
    if not (maximum is None or value <= maximum):
        raise FullscoreError(
            "{name} is at most {maximum:g}, not {value:g}", name=name, maximum=maximum, value=value
        )


def _value(name: str, kind: str, text: str) -> Any:
    if kind == "bool":
        if text.lower() not in ("true", "false", "yes", "no", "1", "0"):
            raise FullscoreError("{name} is true or false, not '{text}'", name=name, text=text)
        return text.lower() in ("true", "yes", "1")
    if "None" in kind and text.lower() == "none":
        return None
    reader = _READERS[kind.split("|")[0].strip()]
    try:
        return reader(text)
    except ValueError:
        raise FullscoreError("{name} is a number, not '{text}'", name=name, text=text) from None
