"""What goes wrong, told as data: what it was, about what, and how to mend it.

A :class:`Message` is a sentence with fields, what stands in them, and a remedy. Who shows it words it: the
command line names files by their paths and options by their flags, the page names them as its visitor does
(:class:`Wording`). So nobody has to take a sentence apart to say it otherwise.

Conventions: ``problem`` is a template as for ``str.format`` ("there is no file '{path}'"), without a full
stop. A remedy is such a template too where it reads the same everywhere ("check its name"), or a
:class:`Remedy` where each front end has its own way of doing it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

Action = Literal[
    "fetch", "fetch again", "install", "choose device", "choose output", "give words", "start over",
    "notate", "evaluate as", "give recent report",
]  # fmt: skip
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Address:
    """A URL in a message."""

    url: str

    @property
    def host(self) -> str:
        return self.url.partition("://")[2].partition("/")[0]


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something that each front end does in its own way.

    ``details`` stand in the fields of its wording, beside those of the message.
    """

    action: Action
    details: Mapping[str, str] = field(default_factory=dict)


def fetch(model: str, *, again: bool = False) -> Remedy:
    """Fetch the weights of ``model``."""
    return Remedy("fetch again" if again else "fetch", {"model": model})


def install(command: str) -> Remedy:
    """Install what is missing by ``command``."""
    return Remedy("install", {"command": command})


@dataclass(frozen=True, slots=True)
class Wording:
    """How one front end words messages: its way of doing each remedy, of naming files and addresses."""

    remedies: Mapping[Action, str]
    path: Callable[[Path], str] = str
    address: Callable[[Address], str] = lambda address: address.url

    def __call__(self, message: Message) -> str:
        """The message as a sentence."""
        shown = {name: self._shown(value) for name, value in message.details.items()}
        problem = message.problem.format_map(shown)
        remedy = message.remedy
        if isinstance(remedy, Remedy):
            mended = self.remedies[remedy.action].format_map({**shown, **remedy.details})
        else:
            mended = remedy.format_map(shown)
        return f"{problem}; {mended}" if mended else problem

    def _shown(self, value: Any) -> Any:
        if isinstance(value, Path):
            return self.path(value)
        if isinstance(value, Address):
            return self.address(value)
        if isinstance(value, FullscoreError):
            return self(value.message)
        return self(value) if isinstance(value, Message) else value


TERMINAL = Wording(
    {
        "fetch": "fetch them while online with: fullscore models fetch {model}",
        "fetch again": "try again with: fullscore models fetch {model}",
        "install": "install it with: {command}",
        "choose device": "use --device cpu or auto",
        "choose output": "choose another with -o",
        "give words": "or give your own text with --lyrics",
        "start over": "--force starts over",
        "notate": "make it a score first with: fullscore notate {path} -o {score}",
        "evaluate as": "for this file: fullscore evaluate {kinds}",
        "give recent report": "give a file of chords, or the report of a run made anew with --force",
    }
)


@dataclass(frozen=True, slots=True)
class Message:
    """What was wrong, how to mend it, and the details that stand in the fields of both."""

    problem: str
    remedy: str | Remedy = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return TERMINAL(self)

    def renamed(self, names: Mapping[Path, str]) -> Message:
        """The message with some paths called by the names that whoever reads it knows them by."""
        return replace(self, details={name: _renamed(value, names) for name, value in self.details.items()})

    def as_object(self) -> dict[str, Any]:
        """The message as JSON."""
        remedy = self.remedy
        return {
            "problem": self.problem,
            "remedy": {"action": remedy.action, **remedy.details} if isinstance(remedy, Remedy) else remedy,
            "details": {name: _as_json(value) for name, value in self.details.items()},
        }


def message_from(saved: Mapping[str, Any] | str) -> Message:
    """A message from its JSON form; from a sentence, as earlier versions kept them, one without fields."""
    if isinstance(saved, str):
        return told("{sentence}", sentence=saved)
    remedy = saved["remedy"]
    if isinstance(remedy, Mapping):
        given = dict(remedy)
        remedy = Remedy(given.pop("action"), given)
    return Message(
        saved["problem"], remedy, {name: _from_json(value) for name, value in saved["details"].items()}
    )


class FullscoreError(Exception):
    """Something the user can mend. ``message`` has it as data; as text it is worded for a terminal."""

    def __init__(self, problem: str | Message, remedy: str | Remedy = "", /, **details: Any) -> None:
        self.message = problem if isinstance(problem, Message) else Message(problem, remedy, details)
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message)


def told(problem: str, remedy: str | Remedy = "", /, **details: Any) -> Message:
    """A message, written as an error is raised."""
    return Message(problem, remedy, details)


Warn = Callable[[Message], None]
"""What is told of things that don't stop the work."""


def ignore(message: Message) -> None:
    """The warn callable that tells nobody."""


def _renamed(value: Any, names: Mapping[Path, str]) -> Any:
    if isinstance(value, Path):
        return names.get(value, value)
    if isinstance(value, FullscoreError):
        return value.message.renamed(names)
    return value.renamed(names) if isinstance(value, Message) else value


def _as_json(value: Any) -> Any:
    match value:
        case Path():
            return {"path": str(value)}
        case Address():
            return {"url": value.url}
        case FullscoreError():
            return value.message.as_object()
        case Message():
            return value.as_object()
        case bool() | int() | float() | str() | None:
            return value
        case _:
            return str(value)


def _from_json(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if "path" in value:
        return Path(value["path"])
    return Address(value["url"]) if "url" in value else message_from(value)
