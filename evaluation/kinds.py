"""What can be compared: the kinds of artefact, their options and their files. Imports nothing heavy.

Each kind has a module in this package, imported when it is asked for, with

* ``evaluate_<kind>(reference, estimate, settings)``, its measures by the names of the literature;
* ``MEANINGS``, what each measure says, in words, and ``MAIN``, the one or two that stand for the others;
* where songs are pooled rather than averaged, ``pool_<kind>(pairs, settings)`` for many pairs of files.

Where differences can be looked at, the kind's ``picture`` module has ``show_<kind>(reference, estimate,
settings, out)``, which writes the file ``out`` and returns what to print.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fullscore.errors import FullscoreError


def _option(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True, slots=True)
class NoSettings:
    """A kind without options."""


@dataclass(frozen=True, slots=True)
class NotesSettings:
    onset_tolerance: float = _option(0.05, "seconds by which an onset may be off (default: 0.05)")
    offset_tolerance: float = _option(0.05, "seconds by which an offset may be off (default: 0.05)")
    offset_ratio: float = _option(0.2, "or that share of the note's length, if more (default: 0.2)")
    pitch_tolerance: float = _option(50.0, "cents by which a pitch may be off (default: 50)")
    stem: str | None = _option(None, "compare the notes of one stem only")
    lag: bool = _option(False, "take an estimated constant lag off the estimate, and report it")


@dataclass(frozen=True, slots=True)
class MelodySettings:
    silent_gaps: bool = _option(False, "take frames that a pitch track leaves out for unvoiced")


@dataclass(frozen=True, slots=True)
class LyricsSettings:
    language: str = _option(
        "en", "of the lyrics: a code, an English name or a table (.csv) of songs and Language (default: en)"
    )


@dataclass(frozen=True, slots=True)
class StemsSettings:
    window: float = _option(1.0, "seconds of a frame of BSS Eval (default: 1)")
    hop: float = _option(1.0, "seconds from one frame to the next (default: 1)")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of artefact.

    ``of_a_run`` is its file in a run's folder, ``suffixes`` those of its files (none: folders of audio),
    ``picture`` the module that shows differences, if any, and ``shows`` what it makes of them.
    """

    name: str
    help: str
    of_a_run: str
    suffixes: tuple[str, ...]
    settings: type = NoSettings
    picture: str = ""
    shows: str = ""

    def evaluate(self, reference: Path, estimate: Path, settings: object | None = None) -> dict[str, Any]:
        """The measures of two files of this kind."""
        measures: dict[str, Any] = self._attribute("evaluate")(
            reference, estimate, settings or self.settings()
        )
        return measures

    @property
    def pool(self) -> Callable[[Sequence[tuple[Path, Path]], Any], dict[str, Any]] | None:
        """The measures of many pairs pooled; None where songs are averaged."""
        return getattr(self._module(), f"pool_{self._identifier}", None)

    def show(self, reference: Path, estimate: Path, settings: object | None, out: Path | None) -> str:
        """Write to ``out`` where the two differ; what to print of it (all of it if ``out`` is None)."""
        module = importlib.import_module(f"evaluation.{self.picture}")
        shown: str = getattr(module, f"show_{self._identifier}")(
            reference, estimate, settings or self.settings(), out
        )
        return shown

    @property
    def meanings(self) -> Mapping[str, str]:
        meanings: Mapping[str, str] = self._module().MEANINGS
        return meanings

    @property
    def main(self) -> tuple[str, ...]:
        main: tuple[str, ...] = self._module().MAIN
        return main

    @property
    def _identifier(self) -> str:
        return self.name.replace("-", "_")

    def _module(self) -> Any:
        return importlib.import_module(f"evaluation.{self._identifier}")

    def _attribute(self, verb: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self._module(), f"{verb}_{self._identifier}")
        return found


_SCORES = (".musicxml", ".mxl", ".xml", ".mid", ".midi")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "notes", "notes in seconds", "notes.json",
            (".csv", ".tsv", ".mid", ".midi", ".musicxml", ".mxl", ".xml", ".jams", ".json", ".txt"),
            settings=NotesSettings, picture="roll",
            shows="a piano roll of hits, misses and extras (OUT.svg)",
        ),
        Kind("beats", "beats and downbeats", "report.json", (".csv", ".beats", ".jams", ".txt", ".json")),
        Kind("chords", "chords in seconds", "report.json", (".lab", ".csv", ".jams", ".txt", ".json")),
        Kind("key", "the key", "report.json", (*_SCORES, ".jams", ".txt", ".json")),
        Kind("meter", "the time signature", "report.json", (*_SCORES, ".txt", ".json")),
        Kind(
            "melody", "the pitch of a voice in time", "notes.json", (".csv", ".txt", ".jams", ".json"),
            settings=MelodySettings,
        ),
        Kind(
            "lyrics", "words and their layout", "lyrics.txt", (".txt", ".lrc", ".musicxml", ".mxl", ".xml"),
            settings=LyricsSettings, picture="lyrics_diff",
            shows="the words line by line, on the terminal or as a page (OUT.html)",
        ),
        Kind(
            "lyrics-timing", "when words and lines are sung", "lyrics.lrc",
            (".lrc", ".csv", ".tsv", ".txt"),
        ),
        Kind("stems", "separated stems: folders of recordings", "stems", (), settings=StemsSettings),
        Kind(
            "score", "written scores", "score.musicxml", _SCORES,
            picture="score_diff", shows="both scores with the wrong notes coloured (OUT.svg or .pdf)",
        ),
    )
}  # fmt: skip


def kind_named(name: str) -> Kind:
    """Raises FullscoreError where nothing is called so."""
    if name not in KINDS:
        raise FullscoreError(
            "there is no measure of '{name}'", "choose one of: {known}", name=name, known=", ".join(KINDS)
        )
    return KINDS[name]
