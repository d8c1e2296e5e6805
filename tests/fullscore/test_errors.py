"""Errors are data that each front end words."""

from __future__ import annotations

import ast
import pickle
import string
from pathlib import Path

import pytest

from fullscore.errors import (
    ACTIONS,
    TERMINAL,
    Address,
    FullscoreError,
    Message,
    Remedy,
    fetch,
    install,
    message_from,
    told,
)
from ui.wording import PAGE

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("fullscore", "separation", "transcription", "lyrics", "notation", "evaluation", "pipeline", "ui")

UNREACHED = told(
    "the weights of '{model}' could not be fetched from {address} ({reason})",
    fetch("htdemucs", again=True),
    model="htdemucs",
    address=Address("https://models.example/a/b"),
    reason="no network",
)
SETTLED = told("no lyrics: {reason}", Remedy("give words"), reason=UNREACHED)


def test_the_terminal_names_paths_and_options() -> None:
    error = FullscoreError(
        "can't write to {out} ({reason})", Remedy("choose output"), out=Path("/a/b"), reason="full"
    )
    assert str(error) == "can't write to /a/b (full); choose another with -o"
    assert str(SETTLED) == (
        "no lyrics: the weights of 'htdemucs' could not be fetched from https://models.example/a/b "
        "(no network); try again with: fullscore models fetch htdemucs; or give your own text with --lyrics"
    )


def test_the_page_names_no_folder_no_address_and_no_command() -> None:
    assert PAGE(SETTLED) == (
        "no lyrics: the weights of 'htdemucs' could not be fetched from models.example (no network); "
        "fetch htdemucs in the tab Models; or write them in the view Lyrics"
    )
    error = FullscoreError("'{path}' is empty", "export it again", path=Path("/srv/results/x/song.mp3"))
    assert PAGE(error.message) == "'song.mp3' is empty; export it again"
    renamed = error.message.renamed({Path("/srv/results/x/song.mp3"): "My Song.mp3"})
    assert PAGE(renamed) == "'My Song.mp3' is empty; export it again"


def test_names_reach_the_message_within() -> None:
    inner = told("'{path}' is cut", path=Path("/srv/song.mp3"))
    outer = told("left out: {reason}", reason=inner)
    assert PAGE(outer.renamed({Path("/srv/song.mp3"): "Mine"})) == "left out: 'Mine' is cut"


def test_a_format_and_a_brace_in_a_detail_stay() -> None:
    message = told("'{text}' lasts {seconds:.1f} s", "give at most {most}", text="{a}", seconds=1.25, most=9)
    assert str(message) == "'{a}' lasts 1.2 s; give at most 9"


@pytest.mark.parametrize(
    "message",
    [
        UNREACHED,
        SETTLED,
        told("{n:.2f} of {file}", install("pip install {x}"), n=0.5, file=Path("a.wav")),
        told("plain"),
    ],
)
def test_json_keeps_the_message(message: Message) -> None:
    again = message_from(message.as_object())
    assert (str(again), PAGE(again)) == (str(message), PAGE(message))


def test_sentences_of_earlier_versions_are_messages() -> None:
    assert str(message_from("50 % {of} it")) == "50 % {of} it"


def test_errors_cross_processes() -> None:
    error = FullscoreError("'{path}' is empty", fetch("x"), path=Path("a"))
    again = pickle.loads(pickle.dumps(error))
    assert again.message == error.message
    assert str(again) == str(error)


def test_every_remedy_is_worded_everywhere() -> None:
    assert set(TERMINAL.remedies) == set(PAGE.remedies) == set(ACTIONS)


def calls() -> list[tuple[str, ast.Call]]:
    found = []
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                if named and node.func.id in ("FullscoreError", "told") and len(node.args) > 0:
                    found.append((f"{file.relative_to(ROOT)}:{node.lineno}", node))
    return found


@pytest.mark.parametrize(("place", "call"), [pytest.param(*found, id=found[0]) for found in calls()])
def test_every_field_of_a_message_is_given_and_every_detail_used(place: str, call: ast.Call) -> None:
    problem = call.args[0]
    if isinstance(problem, ast.Call | ast.Attribute | ast.Name):
        return  # a message made elsewhere
    texts = [argument for argument in call.args if isinstance(argument, ast.Constant)]
    remedies = [argument for argument in call.args[1:] if not isinstance(argument, ast.Constant)]
    assert isinstance(problem, ast.Constant), f"{place}: a message is a template, not a sentence put together"
    fields = {name for text in texts for _, name, _, _ in string.Formatter().parse(text.value) if name}
    given = {keyword.arg for keyword in call.keywords}
    if "notate" in [ast.unparse(one) for one in remedies]:
        fields.add("path")
    assert fields == given, place
