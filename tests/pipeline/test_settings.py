from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest

from fullscore.engines import EngineSpec, option
from fullscore.errors import FullscoreError
from pipeline.settings import Settings, engine_settings, parse_pick_up, parse_tempo, parse_time_signature
from transcription.beatgrid import TimeSignature


@dataclass(frozen=True, slots=True)
class Options:
    shifts: int = option(1, "how often")
    overlap: float = option(0.25, "how much", minimum=0.0, maximum=0.9)
    split: bool = option(True, "whether")
    model: str | None = option(None, "which")


SPEC = EngineSpec("demo", "nowhere:Nothing", "an engine")


def test_options_are_read_as_their_fields_say() -> None:
    given = {"shifts": "2", "overlap": "0.5", "split": "no", "model": "small"}
    assert engine_settings(SPEC, Options(), given) == Options(2, 0.5, False, "small")
    assert engine_settings(SPEC, Options(model="x"), {"model": "none"}) == Options()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"shift": "2"}, "has no option 'shift'; it has: shifts, overlap"),
        ({"shifts": "two"}, "demo.shifts is a number, not 'two'"),
        ({"split": "maybe"}, "demo.split is true or false"),
        ({"overlap": "1"}, "demo.overlap is at most 0.9, not 1"),
        ({"overlap": "-1"}, "demo.overlap is at least 0, not -1"),
        ({"overlap": "nan"}, "demo.overlap is at least 0, not nan"),
    ],
)
def test_wrong_options_are_told(given: dict[str, str], told: str) -> None:
    with pytest.raises(FullscoreError, match=told):
        engine_settings(SPEC, Options(), given)


def test_tempo_and_time_signature_are_read() -> None:
    assert parse_tempo("96.5") == 96.5
    assert parse_time_signature(" 6/8") == TimeSignature(6, 8)


@pytest.mark.parametrize("text", ["fast", "-3", "0", "1e9", "nan"])
def test_a_wrong_tempo_is_told(text: str) -> None:
    with pytest.raises(FullscoreError, match="tempo"):
        parse_tempo(text)


def test_pick_ups_are_read_as_beats_that_can_be_written() -> None:
    given = {"0": Fraction(0), "1.5": Fraction(3, 2), "1/3": Fraction(1, 3), ".33": Fraction(1, 3)}
    assert {text: Settings(pick_up=parse_pick_up(text)).pick_up_beats for text in given} == given
    assert Settings().pick_up_beats is None


@pytest.mark.parametrize("text", ["", "-1", "33", "nan", "inf", "1/0", "one"])
def test_a_wrong_pick_up_is_told(text: str) -> None:
    with pytest.raises(FullscoreError, match="pick-up"):
        parse_pick_up(text)


@pytest.mark.parametrize("text", ["4", "4/5", "0/4", "waltz", "3/4/4", "99/4"])
def test_a_wrong_time_signature_is_told(text: str) -> None:
    with pytest.raises(FullscoreError, match=f"'{text}' is not a time signature"):
        parse_time_signature(text)


def test_settings_check_the_tempo() -> None:
    with pytest.raises(FullscoreError, match="from 20 to 400"):
        Settings(tempo=1000.0)
