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
                f"the tempo is from {SLOWEST_TEMPO:g} to {FASTEST_TEMPO:g} beats per minute, "
                f"not {self.tempo:g}"
            )

        # Written so that "nan", which compares with nothing, is refused.
        if self.pick_up is not None and not 0.0 <= self.pick_up <= LONGEST_PICK_UP:
            raise FullscoreError(f"a pick-up is from 0 to {LONGEST_PICK_UP:g} beats, not {self.pick_up:g}")

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
        raise FullscoreError(f"'{text}' is not a tempo: give beats per minute, such as 96") from None
    return Settings(tempo=tempo).tempo or tempo


def parse_pick_up(text: str) -> float:
    """Beats from text such as ``1``, ``0.5`` or ``1/3``. Raises FullscoreError."""
    try:
        beats = float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise FullscoreError(f"'{text}' is not a pick-up: give its beats, such as 1 or 1/2") from None
    Settings(pick_up=beats)
    return beats


def parse_time_signature(text: str) -> TimeSignature:
    """A time signature from text such as ``3/4``. Raises FullscoreError."""
    try:
        numerator, denominator = text.strip().split("/")
        return TimeSignature(int(numerator), int(denominator))
    except ValueError as error:
        reason = str(error) if "time signature" in str(error) else "write it like 3/4 or 6/8"
        raise FullscoreError(f"'{text}' is not a time signature: {reason}") from None


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
                f"the engine '{spec.name}' has no option '{name}'; it has: {', '.join(known)}"
            )
        changes[name] = _value(f"{spec.name}.{name}", str(known[name].type), text)
        _check_range(f"{spec.name}.{name}", changes[name], known[name].metadata)
    try:
        return replace(base, **changes)
    except ValueError as error:
        raise FullscoreError(f"the engine '{spec.name}' can't take that: {error}") from error


def _check_range(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    """Raise FullscoreError where ``value`` is none that the option's metadata allow."""
    choices, minimum, maximum = (metadata.get(key) for key in ("choices", "minimum", "maximum"))
    if choices and value not in choices:
        raise FullscoreError(f"{name} is one of {', '.join(choices)}, not '{value}'")
    if not isinstance(value, int | float):
        return
    # Written so that "nan", which compares with nothing, is refused.
    if not (minimum is None or value >= minimum):
        raise FullscoreError(f"{name} is at least {minimum:g}, not {value:g}")
    if not (maximum is None or value <= maximum):
        raise FullscoreError(f"{name} is at most {maximum:g}, not {value:g}")


def _value(name: str, kind: str, text: str) -> Any:
    if kind == "bool":
        if text.lower() not in ("true", "false", "yes", "no", "1", "0"):
            raise FullscoreError(f"{name} is true or false, not '{text}'")
        return text.lower() in ("true", "yes", "1")
    if "None" in kind and text.lower() == "none":
        return None
    reader = _READERS[kind.split("|")[0].strip()]
    try:
        return reader(text)
    except ValueError:
        raise FullscoreError(f"{name} is a number, not '{text}'") from None
