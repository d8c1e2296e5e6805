"""The page's controls, made from the fields of ``pipeline.settings.Settings`` and of the engines' settings.

A preset says in a musician's words what a recording is; what is chosen below it goes before it. The engines'
own options are described by the engines, whose import takes seconds: :func:`engine_options` is called in a
process that has them loaded, when somebody wants to see them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from fullscore.engines import EngineSpec, Registry
from fullscore.errors import FullscoreError
from pipeline.plan import BESIDE_ENGINES, REGISTRIES
from pipeline.settings import Settings, parse_pick_up, parse_tempo, parse_time_signature
from pipeline.weights import available
from transcription import TRANSCRIBERS


@dataclass(frozen=True, slots=True)
class Preset:
    """What a recording is, in a musician's words, and the settings that suit it."""

    name: str
    about: str
    settings: Callable[[], dict[str, Any]]


def _voice_and_piano() -> dict[str, Any]:
    """The one separator that knows a piano, where it is here."""
    return {"separator": "htdemucs_6s"} if available("htdemucs_6s") else {}


def _solo_piano() -> dict[str, Any]:
    notes = "auto" if TRANSCRIBERS["piano"].missing() else "piano"
    return {"separator": "none", "notes": notes, "lyrics": "none"}


PRESETS = (
    Preset("Full band", "a song with voice, drums and instruments", dict),
    Preset("Voice and piano", "a singer with one accompanying instrument", _voice_and_piano),
    Preset("Solo piano", "a piano alone", _solo_piano),
    Preset("A cappella", "one voice without instruments", lambda: {"separator": "none", "notes": "singing"}),
    Preset(
        "Melody only",
        "one tune, hummed, whistled or played; written in a simple rhythm, without words",
        lambda: {"separator": "none", "notes": "singing", "lyrics": "none", "simplify": True},
    ),
)

BY_PRESET = "as the preset has it"

_LABELS = {
    "notes": "Notes engine", "beats": "Beats engine", "lyrics": "Lyrics engine", "pick_up": "Pick-up"
}  # fmt: skip

# `options` are those of the engines, below.
SHOWN = tuple(field for field in dataclasses.fields(Settings) if field.name != "options")

_READERS: dict[str, Callable[[str], Any]] = {
    "tempo": parse_tempo,
    "time_signature": parse_time_signature,
    "pick_up": parse_pick_up,
}


def preset_control() -> gr.Radio:
    """The choice of a preset."""
    choices = [(f"{preset.name} – {preset.about}", preset.name) for preset in PRESETS]
    return gr.Radio(choices, value=PRESETS[0].name, label="What is it?", elem_id="preset")


def settings_controls() -> list[Any]:
    """One control for each of ``SHOWN``, in that order."""
    return [_setting(field) for field in SHOWN]


def _setting(field: dataclasses.Field[Any]) -> Any:
    label = _LABELS.get(field.name, _words(field.name))
    about = _sentence(field.metadata["help"])
    choices = field.metadata.get("choices")
    if field.name in REGISTRIES:
        choices = (*BESIDE_ENGINES[field.name], *REGISTRIES[field.name].names())
        about = "; ".join(f"{spec.name}: {spec.summary}" for spec in _families(REGISTRIES[field.name]))
        return gr.Dropdown([BY_PRESET, *choices], value=BY_PRESET, label=label, info=about)
    if choices:
        return gr.Dropdown(list(choices), value=field.default, label=label, info=about)
    if isinstance(field.default, bool):
        return gr.Checkbox(value=field.default, label=label, info=about)
    return gr.Textbox(value="", label=label, info=about)


def _families(registry: Registry) -> list[EngineSpec]:
    """The engines without those that are sizes of another."""
    names = registry.names()
    return [spec for spec in registry if not any(spec.name.startswith(f"{name}-") for name in names)]


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def engine_names() -> list[str]:
    """The engines, each of whose options can be looked at."""
    return [name for registry in REGISTRIES.values() for name in registry.names()]


def engine_options(engine: str) -> list[dict[str, Any]]:
    """The options of an engine as JSON: name, help, default, and perhaps choices, minimum, maximum.

    Raises FullscoreError where the engine can't be loaded. Takes seconds the first time.
    """
    registry = next(registry for registry in REGISTRIES.values() if engine in registry.names())
    settings = registry[engine].settings()
    return [
        {"name": field.name, "default": getattr(settings, field.name), **field.metadata}
        for field in dataclasses.fields(settings)
        if field.name != "device"  # a setting of the run
    ]


def option_control(option: Mapping[str, Any], value: str | None) -> Any:
    """The control of an engine's option; ``value`` is what was chosen before, if anything was."""
    default = option["default"]
    shown = {"label": _words(option["name"]), "info": _sentence(option["help"]), "interactive": True}
    if "choices" in option:
        return gr.Dropdown(list(option["choices"]), value=value or default, **shown)
    if isinstance(default, bool):
        return gr.Checkbox(value == "True" if value else default, **shown)
    limits = {name: option.get(name) for name in ("minimum", "maximum")}
    whole = isinstance(default, int)
    number = float(value) if value else default
    return gr.Number(number, precision=0 if whole else None, step=1 if whole else 0.01, **limits, **shown)


def chosen_settings(
    preset: str, given: Mapping[str, Any], options: Mapping[str, str] | None = None
) -> Settings:
    """The settings of a preset, over which goes what was given by the names of ``Settings``.

    ``options`` are those of engines, such as {"htdemucs.shifts": "2"}. Raises FullscoreError for what can't
    be.
    """
    presets = {preset.name.casefold(): preset for preset in PRESETS}
    if preset.casefold() not in presets:
        known = ", ".join(preset.name for preset in PRESETS)
        raise FullscoreError(
            "there is no preset '{preset}'", "choose one of: {known}", preset=preset, known=known
        )
    values = presets[preset.casefold()].settings() | dict(_read(given))
    return Settings(**values, options=tuple(_options(options or {})))


def _read(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    from notation.spelling import parse_key

    fields = {field.name: field for field in SHOWN}
    for name, value in given.items():
        if name not in fields:
            raise FullscoreError(
                "there is no setting '{name}'",
                "there are: {known}, options",
                name=name,
                known=", ".join(fields),
            )
        if value in (None, "", BY_PRESET, False):
            continue
        if isinstance(fields[name].default, bool):
            yield name, bool(value)
        elif name == "key":
            yield name, str(parse_key(str(value)))
        else:
            yield name, _READERS.get(name, str)(str(value).strip())


def _options(options: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in options.items():
        engine, dot, option = name.partition(".")
        if not (engine and dot and option):
            raise FullscoreError("'{name}' is not ENGINE.OPTION, such as htdemucs.shifts", name=name)
        yield engine, option, str(value)
