"""Written values by the rules of common practice (Gould, Behind Bars), worked out by hand."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notation.rhythm import VALUE_NAMES, NoteValue, RhythmSegment, beams, brackets, spell
from transcription.beatgrid import TimeSignature

SHORT = {"w": "whole", "h": "half", "q": "quarter", "e": "eighth", "s": "16th", "t": "32nd"}


def bar_of(meter: str, *borders: str, rests: tuple[int, ...] = ()) -> list[NoteValue]:
    times = [Fraction(border) for border in borders]
    pieces = pairwise(times)
    segments = [RhythmSegment(a, b, rest=i in rests) for i, (a, b) in enumerate(pieces)]
    beats, kind = meter.split("/")
    return spell(segments, TimeSignature(int(beats), int(kind)))


def looks(values: list[NoteValue], segment: int) -> str:
    """Values of one note as ``q.~e``."""
    short = {name: letter for letter, name in SHORT.items()}
    return "~".join(short[v.name] + "." * v.dots for v in values if v.segment == segment)


@pytest.mark.parametrize(
    ("meter", "onset", "end", "expected"),
    [
        ("4/4", "0", "4", "w"),
        ("4/4", "0", "3", "h."),
        ("4/4", "1", "3", "h"),  # the usual syncopation over the middle
        ("4/4", "1", "4", "h."),
        ("4/4", "1", "5/2", "q~e"),  # the third beat has to show
        ("4/4", "3/2", "5/2", "e~e"),
        ("4/4", "1/2", "3/2", "q"),
        ("4/4", "1/2", "2", "q."),
        ("4/4", "1/2", "5/2", "q.~e"),
        ("4/4", "0", "5/2", "h~e"),
        ("4/4", "0", "7/2", "h~q."),
        ("4/4", "1/4", "3/4", "e"),
        ("4/4", "3/4", "5/4", "s~s"),
        ("4/4", "1/4", "1", "e."),
        ("3/4", "0", "3", "h."),
        ("3/4", "1", "3", "h"),
        ("3/4", "0", "3/2", "q."),
        ("3/4", "1/2", "3/2", "q"),
        ("3/4", "1/2", "5/2", "e~q."),
        ("3/4", "0", "5/2", "h~e"),
        ("6/8", "0", "3", "h."),
        ("6/8", "0", "3/2", "q."),
        ("6/8", "0", "1", "q"),
        ("6/8", "1/2", "3/2", "q"),
        ("6/8", "1", "2", "e~e"),
        ("6/8", "0", "2", "q.~e"),
        ("6/8", "0", "3/4", "e."),
        ("6/8", "3/4", "3/2", "e."),
        ("9/8", "0", "3", "h."),
        ("12/8", "3/2", "9/2", "h."),
        ("5/4", "0", "5", "h.~h"),
        ("7/8", "0", "7/2", "h~q."),
    ],
)
def test_one_note(meter: str, onset: str, end: str, expected: str) -> None:
    beats, kind = map(int, meter.split("/"))
    full = str(Fraction(4 * beats, kind))
    borders = ["0", onset, end, full] if onset != "0" else [onset, end, full]
    borders = [b for i, b in enumerate(borders) if i == 0 or b != borders[i - 1]]
    values = bar_of(meter, *borders)
    assert looks(values, borders.index(onset)) == expected


def test_rests_show_every_beat() -> None:
    values = bar_of("4/4", "0", "1", "4", rests=(1,))
    assert looks(values, 1) == "q~h"
    values = bar_of("3/4", "0", "1", "3", rests=(1,))
    assert looks(values, 1) == "q~q"
    values = bar_of("4/4", "0", "1/4", "4", rests=(1,))
    assert looks(values, 1) == "s~e~q~h"
    values = bar_of("6/8", "0", "1/2", "3", rests=(1,))
    assert looks(values, 1) == "e~e~q."


def test_eighth_triplet() -> None:
    values = bar_of("4/4", "0", "1/3", "2/3", "1", "4")
    assert [(v.name, v.tuplet and v.tuplet.actual) for v in values[:3]] == [("eighth", 3)] * 3
    assert [(v.tuplet.starts, v.tuplet.stops) for v in values[:3] if v.tuplet] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    assert values[3].tuplet is None
    marks = beams(values, [False] * 4, TimeSignature())
    assert brackets(values, marks) == [False] * 4  # the beam shows the group


def test_swung_pair_needs_a_bracket() -> None:
    values = bar_of("4/4", "0", "2/3", "1", "4")
    assert [(v.name, v.tuplet is not None) for v in values[:2]] == [("quarter", True), ("eighth", True)]
    assert brackets(values, beams(values, [False] * len(values), TimeSignature()))[:2] == [True, True]


def test_quarter_triplet_over_two_beats() -> None:
    values = bar_of("4/4", "0", "2/3", "4/3", "2", "4")
    assert [v.name for v in values] == ["quarter"] * 3 + ["half"]
    assert values[0].tuplet is not None
    assert values[0].tuplet.unit == "quarter"


def test_triplet_in_half_a_beat_leaves_the_other_half_plain() -> None:
    values = bar_of("4/4", "0", "1/2", "2/3", "5/6", "1", "4")
    assert [(v.name, v.tuplet is not None) for v in values[:4]] == [
        ("eighth", False),
        ("16th", True),
        ("16th", True),
        ("16th", True),
    ]


def test_a_note_held_into_a_triplet_is_tied_at_the_beat() -> None:
    values = bar_of("4/4", "0", "10/3", "11/3", "4")
    assert looks(values, 0) == "h.~e"


def test_a_tuplet_does_not_reach_back_before_an_upbeat() -> None:
    values = bar_of("2/4", "7/4", "11/6", "2")
    assert (values[0].start, values[0].tuplet and values[0].tuplet.starts) == (Fraction(7, 4), True)
    assert sum(v.length for v in values) == Fraction(1, 4)


def test_quintuplet() -> None:
    values = bar_of("4/4", "0", "1/5", "2/5", "3/5", "4/5", "1", "4")
    assert [(v.name, v.tuplet.actual, v.tuplet.normal) for v in values[:5] if v.tuplet] == [
        ("16th", 5, 4)
    ] * 5


@pytest.mark.parametrize(
    ("meter", "borders", "groups"),
    [
        ("4/4", ("0", "1/2", "1", "3/2", "2", "5/2", "3", "7/2", "4"), [4, 4]),
        ("3/4", ("0", "1/2", "1", "3/2", "2", "5/2", "3"), [6]),
        ("6/8", ("0", "1/2", "1", "3/2", "2", "5/2", "3"), [3, 3]),
        ("4/4", ("0", "1/4", "1/2", "1", "3/2", "2", "4"), [3, 2]),  # sixteenths: by the beat
        ("4/4", ("0", "1/2", "3/2", "2", "4"), []),  # no beam over the quarter
    ],
)
def test_beams(meter: str, borders: tuple[str, ...], groups: list[int]) -> None:
    values = bar_of(meter, *borders)
    beats, kind = meter.split("/")
    outer = [
        mark[0] if mark else ""
        for mark in beams(values, [False] * len(values), TimeSignature(int(beats), int(kind)))
    ]
    sizes = []
    for mark in outer:
        if mark == "start":
            sizes.append(1)
        elif mark:
            sizes[-1] += 1
    assert sizes == groups


def test_a_beam_ends_with_a_tuplet_that_began_with_a_rest() -> None:
    values = bar_of("2/4", "0", "1/6", "1/3", "1/2", "3/4", "1", "2", rests=(0,))
    marks = beams(values, [v.segment == 0 for v in values], TimeSignature(2, 4))
    assert [mark[0] if mark else "" for mark in marks] == ["", "start", "stop", "start", "stop", ""]


def test_dotted_eighth_and_sixteenth_share_a_broken_second_beam() -> None:
    values = bar_of("2/4", "0", "3/4", "1", "2")
    assert beams(values, [False] * 3, TimeSignature(2, 4)) == [("start",), ("stop", "partial-left"), ()]


METERS = st.sampled_from([(4, 4), (3, 4), (2, 4), (6, 8), (9, 8), (12, 8), (5, 4), (7, 8), (2, 2), (3, 8)])


@st.composite
def bars(draw: st.DrawFn) -> tuple[TimeSignature, list[RhythmSegment]]:
    meter = TimeSignature(*draw(METERS))
    grid = draw(st.sampled_from([8, 6, 12, 5, 7]))
    length = meter.bar_quarters
    points = draw(st.lists(st.integers(1, int(length * grid)), max_size=10))
    inner = {Fraction(p, grid) for p in points}
    times = sorted({Fraction(0), length, *(t for t in inner if t < length)})
    return meter, [RhythmSegment(a, b, draw(st.booleans())) for a, b in pairwise(times)]


@given(bars())
def test_every_bar_is_full_and_every_tuplet_complete(case: tuple[TimeSignature, list[RhythmSegment]]) -> None:
    meter, segments = case
    values = spell(segments, meter)
    for i, segment in enumerate(segments):
        pieces = [v for v in values if v.segment == i]
        assert (pieces[0].start, pieces[-1].end) == (segment.start, segment.end)
    assert all(a.end == b.start for a, b in pairwise(values))
    lengths = {name: length for length, name in VALUE_NAMES.items()}
    inside: list[NoteValue] = []
    for value in values:
        written = lengths[value.name] * (Fraction(3, 2) if value.dots else 1)
        if value.tuplet is None:
            assert not inside
            assert value.length == written
            continue
        assert value.length == written * value.tuplet.normal / value.tuplet.actual
        assert value.tuplet.starts == (not inside)
        inside.append(value)
        if value.tuplet.stops:
            assert sum(v.length for v in inside) == value.tuplet.normal * lengths[value.tuplet.unit]
            inside = []
    assert not inside


@given(
    meter=st.sampled_from(["4/4", "3/4", "6/8", "7/8", "2/2", "5/8"]),
    places=st.sets(
        st.builds(Fraction, st.integers(1, 40), st.sampled_from([3, 5, 7, 9, 11, 13, 16, 20, 32])),
        max_size=9,
    ),
)
def test_whatever_is_played_is_written_in_its_order(meter: str, places: set[Fraction]) -> None:
    signature = TimeSignature(*map(int, meter.split("/")))
    full = signature.bar_quarters
    borders = [Fraction(0), *sorted(p for p in places if p < full), full]
    segments = [RhythmSegment(a, b) for a, b in pairwise(borders)]
    values = spell(segments, signature)
    assert sum(value.length for value in values) == full
    assert [value.segment for value in values] == sorted(value.segment for value in values)
    assert {value.segment for value in values} == set(range(len(segments)))
    assert all(a.end == b.start for a, b in pairwise(values))
    off = [abs(next(v for v in values if v.segment == i).start - s.start) for i, s in enumerate(segments)]
    assert max(off) <= Fraction(1, 4)
