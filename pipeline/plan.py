"""The plan of a run: which engine does each stage, decided once, before the stages begin.

An engine asked for by name that can't run is an error with what mends it; ``auto`` takes the best that can
run here, and says so where it has to settle for less. What only shows when a stage begins (weights that can't
be fetched) has its answer in the plan, too: each choice names what does the stage otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fullscore.engines import EngineSpec, Progress, Registry, silent
from fullscore.errors import FullscoreError, Message, Remedy, told
from lyrics import LYRICISTS, WHISPER_MODELS
from pipeline import weights
from pipeline.settings import Settings, engine_settings
from separation import SEPARATORS
from transcription import BEAT_TRACKERS, TRANSCRIBERS

REGISTRIES: Mapping[str, Registry] = MappingProxyType(
    {"separator": SEPARATORS, "notes": TRANSCRIBERS, "beats": BEAT_TRACKERS, "lyrics": LYRICISTS}
)
"""The engines of each stage that a setting of the same name chooses."""
BESIDE_ENGINES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"separator": ("auto",), "notes": ("auto",), "beats": ("auto",), "lyrics": ("auto", "none")}
)
"""What such a setting may be besides the name of an engine (or a file)."""

# The engine of each stem under `auto` (benchmarks/README.md has the figures); others: basic-pitch.
ENGINE_OF_STEM = {"vocals": "singing", "drums": "drums", "piano": "piano"}
GENERAL_ENGINE = "basic-pitch"
DRUMS = "drums"
ALONE = {"piano": "piano", "singing": "vocals"}
"""What is alone in a mix that such an engine was asked for."""

# Whisper's checkpoint that is fetched where none is present: close to large-v3 at an eighth of its time.
DEFAULT_WHISPER = "turbo"

TEXT, NOTHING = "text", "none"
"""What is done with words besides hearing them: the user's own are aligned, or there are none."""
BEAT_FILE = "file"
"""What beats come from where the user gives them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What does a stage.

    ``spec`` is the engine's, None where there is none to run (the user's own beats or words, or nothing).
    ``weights`` are its weights' name in the catalogue, or the user's own. ``file`` is the user's own beats
    or words. ``otherwise`` does the stage where weights in the catalogue can't be had, and ``lacking`` says
    so, with the reason as ``{reason}``; None: that is an error. ``warning`` is what the user should know of
    the choice.
    """

    name: str
    spec: EngineSpec | None = None
    weights: str | Path | None = None
    file: Path | None = None
    otherwise: Choice | None = None
    lacking: Message | None = None
    warning: Message | None = None

    @property
    def bleeds(self) -> bool:
        """Whether its stems hold much of each other."""
        return self.spec is not None and self.spec.bleeds

    @property
    def modules(self) -> tuple[str, ...]:
        """Where its code is."""
        return (self.spec.module,) if self.spec else ()

    def ready(self, settings: Settings, progress: Progress) -> Choice:
        """The choice with its weights on this machine, or what does the stage otherwise.

        Raises FullscoreError where neither can be had.
        """
        if self.spec is None:
            return self
        try:
            self.spec.check()
            if isinstance(self.weights, str):
                return replace(self, weights=weights.fetch(self.weights, progress, settings.offline))
        except FullscoreError as error:
            if self.otherwise is None or self.lacking is None:
                raise
            reason = replace(self.lacking, details={"reason": error.message})
            instead = self.otherwise.ready(settings, progress)
            if instead.warning is not None:
                reason = told("{lacking}; {also}", lacking=instead.warning, also=error.message)
            return replace(instead, warning=reason)
        return self

    def tell(self, warn: Callable[[Message], None]) -> None:
        if self.warning is not None:
            warn(self.warning)

    def inputs(self, settings: Settings) -> dict[str, Any]:
        """What the stage's result depends on, as JSON values; the choice is ready."""
        return {
            "engine": self.name,
            "options": settings.options_of(self.name),
            "weights": _stamp(self.weights) if isinstance(self.weights, Path) else None,
            "packages": self.spec.versions() if self.spec else {},
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What does each stage; stems that aren't in ``special`` are transcribed by ``general``.

    ``alone`` is what the notes of a mix are called: after the instrument that is heard, or said, to be alone.
    """

    separator: Choice
    general: Choice
    special: Mapping[str, Choice]
    alone: str
    tracker: Choice
    lyricist: Choice

    def transcriber(self, stem: str) -> Choice:
        return self.special.get(stem, self.general)


def plan_run(settings: Settings, solo_piano: bool) -> Plan:
    """The plan for a recording, which is a piano alone or not. Raises FullscoreError for what can't be."""
    return Plan(
        _separator(settings, solo_piano),
        _transcriber(settings.notes if settings.notes != "auto" else GENERAL_ENGINE),
        _special(settings),
        "piano" if solo_piano else ALONE.get(settings.notes, "mix"),
        choose_tracker(settings),
        _lyricist(settings),
    )


def _separator(settings: Settings, solo_piano: bool) -> Choice:
    if settings.separator == "auto":
        if solo_piano:
            return Choice("none", SEPARATORS["none"])
        best, second, plain = (SEPARATORS[name] for name in ("htdemucs", "spleeter", "spectral"))
        without = Choice(
            second.name,
            second,
            second.weights,
            otherwise=Choice(plain.name, plain),
            lacking=Message("stems are separated without a neural network: {reason}"),
        )
        return Choice(
            best.name,
            best,
            best.weights,
            otherwise=without,
            lacking=Message("only the voice is separated by a neural network: {reason}"),
        )
    if own := own_weights(settings.separator):
        return Choice("htdemucs", SEPARATORS["htdemucs"], own)
    spec = SEPARATORS[settings.separator]
    return Choice(spec.name, spec, spec.weights)


def _transcriber(name: str) -> Choice:
    spec = TRANSCRIBERS[name]
    spec.check()
    return Choice(name, spec)


def _special(settings: Settings) -> Mapping[str, Choice]:
    """Drums have their own engine whatever is asked for the pitched stems."""
    special = {}
    for stem, name in ENGINE_OF_STEM.items():
        if stem != DRUMS and settings.notes != "auto":
            continue
        spec = TRANSCRIBERS[name]
        if missing := spec.missing():
            warning = told(
                "{stem} is transcribed by {engine}: {missing} is not installed",
                stem=stem,
                engine=GENERAL_ENGINE,
                missing=", ".join(missing),
            )
            special[stem] = Choice(GENERAL_ENGINE, TRANSCRIBERS[GENERAL_ENGINE], warning=warning)
        else:
            special[stem] = Choice(name, spec)
    return MappingProxyType(special)


def choose_tracker(settings: Settings) -> Choice:
    """What finds the beats. Raises FullscoreError for an engine that doesn't exist."""
    if file := own_beats(settings):
        return Choice(BEAT_FILE, file=file)
    spec = BEAT_TRACKERS["joint" if settings.beats == "auto" else settings.beats]
    return Choice(spec.name, spec, spec.weights)


def _lyricist(settings: Settings) -> Choice:
    if settings.lyrics == NOTHING:
        return Choice(NOTHING)
    spec = LYRICISTS["whisper"]
    if settings.lyrics == "auto":
        return Choice(
            spec.name,
            spec,
            _best_whisper(),
            otherwise=Choice(NOTHING),
            lacking=Message("no lyrics: {reason}", Remedy("give words")),
        )
    if own := own_weights(settings.lyrics):
        return Choice(spec.name, spec, own)
    if sheet := own_words(settings):
        return Choice(TEXT, file=sheet)
    spec = LYRICISTS[settings.lyrics]
    return Choice(spec.name, spec, _best_whisper() if spec.weights == "whisper" else spec.weights)


def _best_whisper() -> str:
    """The best of Whisper's checkpoints that is here, or else the one to be fetched."""
    present = (model for model in WHISPER_MODELS if weights.available(f"whisper-{model}"))
    return f"whisper-{next(present, DEFAULT_WHISPER)}"


# What settings may be besides names -------------------------------------------------------------


def own_words(settings: Settings) -> Path | None:
    """The user's own lyrics file, where that is what was chosen."""
    named = settings.lyrics in (*BESIDE_ENGINES["lyrics"], *LYRICISTS.names())
    return None if named or own_weights(settings.lyrics) else Path(settings.lyrics)


def own_beats(settings: Settings) -> Path | None:
    """The user's own file of beats, where that is what was chosen."""
    return None if settings.beats in ("auto", *BEAT_TRACKERS.names()) else Path(settings.beats)


def own_weights(name: str) -> Path | None:
    """Weights of the user's own, given by their path in place of a name: a folder or safetensors file of
    Demucs' (separator), a .pt checkpoint of Whisper's (lyrics)."""
    path = Path(name)
    known = name in ("auto", "none", *SEPARATORS.names(), *LYRICISTS.names())
    return path if not known and (path.is_dir() or path.suffix in (".safetensors", ".pt")) else None


def text_of(sheet: Path) -> str:
    """A lyric sheet's text, in which every change counts. Raises FullscoreError if it isn't text."""
    from lyrics.layout import read_sheet

    return repr(read_sheet(sheet))


def _stamp(weights: Path) -> list[list[Any]]:
    """The names, sizes and times of a model's files: other weights make another result."""
    files = sorted(weights.iterdir()) if weights.is_dir() else [weights]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


# Checks before any work -------------------------------------------------------------------------


def check_names(settings: Settings) -> None:
    """Raise FullscoreError for an engine or an engine's option that doesn't exist."""
    if settings.separator != "auto" and own_weights(settings.separator) is None:
        SEPARATORS[settings.separator]
    if settings.notes != "auto":
        TRANSCRIBERS[settings.notes]
    for engine in {owner for owner, _, _ in settings.options}:
        spec = spec_of(engine)
        engine_settings(spec, spec.settings(), settings.options_of(engine))


def check_means(settings: Settings) -> None:
    """Raise FullscoreError now for what would else be found missing after minutes of work: the package
    of an engine asked for by name, its weights where none may be fetched, the user's lyrics and beats."""
    for stage, registry in REGISTRIES.items():
        name = getattr(settings, stage)
        if name in registry.names():
            spec = registry[name]
            spec.check()
            if spec.weights and settings.offline:
                wanted = _best_whisper() if spec.weights == "whisper" else spec.weights
                weights.fetch(wanted, silent, offline=True)
    if settings.notes == "auto":
        TRANSCRIBERS[GENERAL_ENGINE].check()
    if sheet := own_words(settings):
        text_of(sheet)
    if file := own_beats(settings):
        from pipeline.notate import read_grid

        read_grid(file, settings.time_signature)


def make_engine(choice: Choice, settings: Settings, *, stem: str | None = None) -> Any:
    """The engine of a choice that is ready, with its settings for ``stem`` and the user's options.

    Raises FullscoreError.
    """
    spec = choice.spec
    if spec is None:
        raise ValueError(f"no engine does '{choice.name}'")
    engine = spec.load()
    base = spec.settings()
    if stem is not None and hasattr(base, "for_stem"):
        base = base.for_stem(stem)
    if any(field.name == "device" for field in fields(base)):
        base = replace(base, device=settings.device)
    chosen = engine_settings(spec, base, settings.options_of(spec.name))
    return engine(choice.weights, chosen, device=settings.device) if spec.weights else engine(chosen)


def load_engine(
    name: str,
    weights: str | Path | None = None,
    *,
    settings: Settings = Settings(),
    progress: Progress = silent,
    **options: Any,
) -> Any:
    """An engine by its name, ready to be called, with its ``options``.

    Its weights, where it has any, are those at ``weights``, else those of the catalogue, fetched if need be.
    Raises FullscoreError for a name or an option that doesn't exist, and where the engine can't run here.
    """
    spec = spec_of(name)
    wanted = _best_whisper() if spec.weights == "whisper" else spec.weights
    choice = Choice(name, spec, Path(weights) if weights else wanted).ready(settings, progress)
    given = tuple((name, option, str(value)) for option, value in options.items())
    return make_engine(choice, replace(settings, options=(*settings.options, *given)))


def spec_of(name: str) -> EngineSpec:
    """The engine called ``name``, of whatever stage. Raises FullscoreError where there is none."""
    for registry in REGISTRIES.values():
        if name in registry.names():
            return registry[name]
    known = ", ".join(name for registry in REGISTRIES.values() for name in registry.names())
    raise FullscoreError("there is no engine '{name}'", "choose one of: {known}", name=name, known=known)
