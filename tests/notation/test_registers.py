from __future__ import annotations

from fractions import Fraction

import pytest

from notation.registers import OctaveLine, PitchSpan, choose_clefs, ledger_lines, octave_lines, place_of
from tests.notation.builders import bars

C4, C6, G6, C2 = place_of("C", 4), place_of("C", 6), place_of("G", 6), place_of("C", 2)


@pytest.mark.parametrize(
    ("step", "octave", "clef", "lines"),
    [("C", 4, "treble", 1), ("B", 3, "treble", 1), ("A", 3, "treble", 2), ("G", 5, "treble", 0),
     ("A", 5, "treble", 1), ("C", 4, "bass", 1), ("C", 2, "bass", 2), ("C", 4, "alto", 0),
     ("C", 3, "treble-8", 1)],
)  # fmt: skip
def test_ledger_lines(step: str, octave: int, clef: str, lines: int) -> None:
    assert ledger_lines(place_of(step, octave), clef) == lines


def test_a_passage_in_the_other_range_changes_clef_and_comes_back() -> None:
    low, high = [place_of("G", 2), place_of("D", 3)], [place_of("C", 5), place_of("G", 5)]
    assert choose_clefs([low] * 3 + [high] * 4 + [low] * 3, ("bass", "treble")) == (
        ["bass"] * 3 + ["treble"] * 4 + ["bass"] * 3
    )


def test_a_few_ledger_lines_change_nothing() -> None:
    low, middle = [place_of("G", 2)], [place_of("E", 4)]
    assert set(choose_clefs([low] * 3 + [middle] * 2 + [low] * 3, ("bass", "treble"))) == {"bass"}


def test_a_staff_of_rests_has_its_usual_clef() -> None:
    assert choose_clefs([[], []], ("alto", "treble")) == ["alto", "alto"]


def moments(places: list[int]) -> list[PitchSpan]:
    return [PitchSpan(Fraction(i), Fraction(i + 1), place, place) for i, place in enumerate(places)]


def test_what_lies_high_for_a_while_is_written_an_octave_lower() -> None:
    high = moments([C4, C6, G6, G6, G6, C4])
    (line,) = octave_lines(high, bars(2), ["treble"] * 2, 1)
    assert line == OctaveLine(1, Fraction(1), Fraction(5), True)


def test_the_line_ends_before_what_lies_low() -> None:
    high = [*moments([G6, G6, G6])[:2], PitchSpan(Fraction(2), Fraction(4), G6, G6), *moments([C4] * 4)[3:]]
    (line,) = octave_lines(high, bars(1), ["treble"], 1)
    assert (line.start, line.end) == (0, 3)


def test_one_high_note_is_read_as_it_is() -> None:
    assert octave_lines(moments([C4, G6, C4]), bars(1), ["treble"], 1) == []


def test_low_octaves_in_the_bass() -> None:
    low = moments([C2 - 5] * 4)
    (line,) = octave_lines(low, bars(1), ["bass"], 2)
    assert (line.staff, line.up) == (2, False)
    held = [
        PitchSpan(r.start, r.end, r.low, r.low + 7) for r in low
    ]  # with the octave above: read on the staff
    assert octave_lines(held, bars(1), ["bass"], 2) == []
