"""Which engine does each stage: what was asked for, or under ``auto`` the best that can run here.

An engine asked for by name that can't run is an error with the command that mends it; when ``auto``
settles for less it says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fullscore.engines import EngineSpec, Progress, silent
from fullscore.errors import FullscoreError
from lyrics import LYRICISTS, WHISPER_MODELS
from pipeline import weights
from pipeline.settings import Settings, engine_settings
from separation import SEPARATORS
from transcription import TRANSCRIBERS

# The engine of each stem under `auto` (benchmarks/README.md has the figures); others: basic-pitch.
ENGINE_OF_STEM = {"vocals": "singing", "drums": "drums", "piano": "piano"}
GENERAL_ENGINE = "basic-pitch"

# Whisper's checkpoint that is fetched where none is present: close to large-v3 at an eighth of its time.
DEFAULT_WHISPER = "turbo"


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine that does a stage, its weights, and what a user should know of the choice.

    ``sheet`` is the user's own lyrics file, where that is what was chosen.
    """

    name: str
    weights: Path | None = None
    warning: str = ""
    sheet: Path | None = None

    def tell(self, warn: Callable[[str], None]) -> None:
        if self.warning:
            warn(self.warning)

    def inputs(self, settings: Settings) -> dict[str, Any]:
        """What the stage's result depends on, as JSON values."""
        return {
            "engine": self.name,
            "options": settings.options_of(self.name),
            "weights": _stamp(self.weights) if self.weights else None,
            "sheet": _text_of(self.sheet) if self.sheet else None,
        }


def check_names(settings: Settings) -> None:
    """Raise FullscoreError for an engine or an engine's option that doesn't exist."""
    if settings.separator != "auto" and _own_weights(settings.separator) is None:
        SEPARATORS[settings.separator]
    if settings.notes != "auto":
        TRANSCRIBERS[settings.notes]
    for engine in {owner for owner, _, _ in settings.options}:
        spec = _spec_of(engine)
        engine_settings(spec, spec.settings(), settings.options_of(engine))


def check_means(settings: Settings) -> None:
    """Raise FullscoreError now for what would else be found missing after minutes of work: the package
    of an engine asked for by name, its weights where none may be fetched, the user's lyrics."""
    chosen = ((SEPARATORS, settings.separator), (TRANSCRIBERS, settings.notes), (LYRICISTS, settings.lyrics))
    for registry, name in chosen:
        if name in registry.names():
            spec = registry[name]
            spec.check()
            if spec.weights and settings.offline:
                _weights_of(spec, settings, silent)
    if settings.notes == "auto":
        TRANSCRIBERS[GENERAL_ENGINE].check()
    if sheet := _sheet_of(settings):
        _text_of(sheet)


def make(
    spec: EngineSpec, settings: Settings, *, weights: Path | None = None, stem: str | None = None
) -> Any:
    """The engine itself, with its settings for ``stem`` and the user's options. Raises FullscoreError."""
    engine = spec.load()
    base = spec.settings()
    if stem is not None and hasattr(base, "for_stem"):
        base = base.for_stem(stem)
    if any(field.name == "device" for field in fields(base)):
        base = replace(base, device=settings.device)
    chosen = engine_settings(spec, base, settings.options_of(spec.name))
    return engine(weights, chosen, device=settings.device) if spec.weights else engine(chosen)


def choose_separator(settings: Settings, solo_piano: bool, progress: Progress) -> Choice:
    if settings.separator == "auto":
        if solo_piano:
            return Choice("none")
        try:
            return Choice("htdemucs", _weights_of(SEPARATORS["htdemucs"], settings, progress))
        except FullscoreError as error:
            return Choice("spectral", warning=f"stems are separated without a neural network: {error}")
    if own := _own_weights(settings.separator):
        return Choice("htdemucs", own)
    spec = SEPARATORS[settings.separator]
    return Choice(spec.name, _weights_of(spec, settings, progress) if spec.weights else None)


def choose_transcriber(stem: str, settings: Settings) -> Choice:
    """Drums have their own engine whatever is asked for the pitched stems."""
    if stem != "drums" and settings.notes != "auto":
        TRANSCRIBERS[settings.notes].load()
        return Choice(settings.notes)
    name = ENGINE_OF_STEM.get(stem, GENERAL_ENGINE)
    if missing := TRANSCRIBERS[name].missing():
        told = f"{stem} is transcribed by {GENERAL_ENGINE}: {', '.join(missing)} is not installed"
        return Choice(GENERAL_ENGINE, warning=told)
    return Choice(name)


def choose_lyricist(settings: Settings, anything_sung: bool, progress: Progress) -> Choice:
    if settings.lyrics == "none" or (settings.lyrics == "auto" and not anything_sung):
        return Choice("none")
    spec = LYRICISTS["whisper"]
    if settings.lyrics == "auto":
        try:
            return Choice("whisper", _weights_of(spec, settings, progress))
        except FullscoreError as error:
            return Choice("none", warning=f"no lyrics: {error}; or give your own text with --lyrics")
    if own := _own_weights(settings.lyrics):
        return Choice("whisper", own)
    if sheet := _sheet_of(settings):
        return Choice("text", sheet=sheet)
    spec = LYRICISTS[settings.lyrics]
    return Choice(spec.name, _weights_of(spec, settings, progress) if spec.weights else None)


def _sheet_of(settings: Settings) -> Path | None:
    """The user's own lyrics file, where that is what was chosen."""
    named = settings.lyrics in ("auto", "none", *LYRICISTS.names())
    return None if named or _own_weights(settings.lyrics) else Path(settings.lyrics)


def _own_weights(name: str) -> Path | None:
    """Weights of the user's own, given by their path in place of a name: a folder or safetensors file of
    Demucs' (separator), a .pt checkpoint of Whisper's (lyrics)."""
    path = Path(name)
    known = name in ("auto", "none", *SEPARATORS.names(), *LYRICISTS.names())
    return path if not known and (path.is_dir() or path.suffix in (".safetensors", ".pt")) else None


def _stamp(weights: Path) -> list[list[Any]]:
    """The names, sizes and times of a model's files: other weights make another result."""
    files = sorted(weights.iterdir()) if weights.is_dir() else [weights]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _weights_of(spec: EngineSpec, settings: Settings, progress: Progress) -> Path:
    """The engine's weights, fetched if need be. Raises FullscoreError where it can't run."""
    spec.load()
    name = spec.weights or spec.name
    if name == "whisper":
        present = (model for model in WHISPER_MODELS if weights.available(f"whisper-{model}"))
        name = f"whisper-{next(present, DEFAULT_WHISPER)}"
    return weights.fetch(name, progress, settings.offline)


def _text_of(sheet: Path) -> str:
    """A sheet's text, in which every change counts. Raises FullscoreError if it isn't text."""
    from lyrics.layout import read_sheet

    return repr(read_sheet(sheet))


def _spec_of(name: str) -> EngineSpec:
    for registry in (SEPARATORS, TRANSCRIBERS, LYRICISTS):
        if name in registry.names():
            return registry[name]
    known = ", ".join((*SEPARATORS.names(), *TRANSCRIBERS.names(), *LYRICISTS.names()))
    raise FullscoreError(f"there is no engine '{name}'; choose one of: {known}")
