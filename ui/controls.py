"""The page's controls, made from the fields of ``pipeline.settings.Settings``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from pipeline.settings import Settings, parse_time_signature
from separation import SEPARATORS
from separation.engines import Registry
from transcription import TRANSCRIBERS

LYRICS_FILE = "own-lyrics.txt"

# `lyrics` has its own box on the page; `options` is for the command line.
_SHOWN = tuple(field for field in dataclasses.fields(Settings) if field.name not in ("lyrics", "options"))
_ENGINES: dict[str, Registry] = {"separator": SEPARATORS, "notes": TRANSCRIBERS}


def settings_controls() -> list[Any]:
    """One control for each setting shown, in the order of :class:`Choices`."""
    with gr.Accordion("Settings", open=False):
        return [_control(field) for field in _SHOWN]


def _control(field: dataclasses.Field[Any]) -> Any:
    label = field.name.replace("_", " ").capitalize()
    about = field.metadata["help"].capitalize()
    choices = field.metadata.get("choices")
    if field.name in _ENGINES:
        choices = ("auto", *_ENGINES[field.name].names())
    if choices:
        return gr.Dropdown(list(choices), value=field.default, label=label, info=about)
    if isinstance(field.default, bool):
        return gr.Checkbox(value=field.default, label=label, info=about)
    if "minimum" in field.metadata:
        return gr.Number(value=None, label=label, info=about)
    return gr.Textbox(value="", label=label, info=about)


class Choices:
    """The controls' values, in the order of :func:`settings_controls`."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = {field.name: value for field, value in zip(_SHOWN, values, strict=True)}

    def settings(self, own_lyrics: Path | None) -> Settings:
        """The settings they stand for. Raises FullscoreError for a value that can't be."""
        from notation.spelling import parse_key

        given: dict[str, Any] = {
            name: value for name, value in self._values.items() if value not in (None, "")
        }
        if "time_signature" in given:
            given["time_signature"] = parse_time_signature(given["time_signature"])
        if "key" in given:
            given["key"] = str(parse_key(given["key"]))
        if own_lyrics is not None:
            given["lyrics"] = str(own_lyrics)
        return Settings(**given)
