import random
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.alignment import Alignment, align, compare
from evaluation.scorefile import read_score
from evaluation.scoremodel import Score
from notation.musicxml_reader import XmlBar, XmlNote
from tests.evaluation.musicxml import attributes, barline, note, write

BAR = 4  # quarters


def score(notes: Iterable[tuple[float, int]], length: float = 0.5) -> Score:
    """A score of onsets in quarters and pitches."""
    found = [
        XmlNote(Fraction(onset).limit_denominator(96), Fraction(length), pitch, id=place)
        for place, (onset, pitch) in enumerate(sorted(notes))
    ]
    return Score(Path("made"), tuple(found), (XmlBar(Fraction(0), Fraction(BAR), 4),))


def piece(bars: int, seed: int = 1) -> list[tuple[float, int]]:
    """A melody in quavers that doesn't repeat itself, over chords."""
    chance = random.Random(seed)
    notes = []
    for bar in range(bars):
        root = chance.choice((48, 50, 53, 55, 57))
        notes += [(BAR * bar + half * 2.0, root + tone) for half in range(2) for tone in (0, 4, 7)]
        notes += [(BAR * bar + place / 2, chance.randrange(67, 88)) for place in range(8)]
    return notes


def counts(alignment: Alignment) -> tuple[int, int, int]:
    return len(alignment.matched), len(alignment.missing), len(alignment.extra)


def matches(first: Score, second: Score, alignment: Alignment) -> set[tuple[float, float, int]]:
    """Onsets in both, and the pitch of the reference, of the pairs."""
    return {
        (float(first.notes[one].onset), float(second.notes[other].onset), first.notes[one].pitch)
        for one, other in alignment.matched
    }


def test_every_note_is_paired_with_itself() -> None:
    whole = score(piece(40))
    assert align(whole, whole).pairs == tuple((index, index) for index in range(len(whole.notes)))


def test_twice_the_note_values_are_no_matter() -> None:
    notes = piece(40)
    first, second = score(notes), score(((2 * onset, pitch) for onset, pitch in notes), 1)
    found = matches(first, second, align(first, second))
    assert found == {(onset, 2 * onset, pitch) for onset, pitch in notes}


def test_a_wrong_note_of_a_chord_is_paired_and_others_are_missing_and_extra() -> None:
    notes = piece(12)
    third = sorted(pitch for onset, pitch in notes if onset == 16)[1]
    wrong = [note for note in notes if note != (16, third)]
    first, second = score([*notes, (20.25, 90)]), score([*wrong, (16, third - 1), (24.25, 30)])
    alignment = align(first, second)
    assert [float(first.notes[one].onset) for one in alignment.missing] == [20.25]
    assert [float(second.notes[one].onset) for one in alignment.extra] == [24.25]
    pitches = [(first.notes[one].pitch, second.notes[other].pitch) for one, other in alignment.matched]
    assert [pair for pair in pitches if pair[0] != pair[1]] == [(third, third - 1)]


def test_hands_that_are_not_together_stay_paired() -> None:
    notes = piece(30)
    first = score(notes)
    second = score((onset + (0.125 if pitch < 60 else 0), pitch) for onset, pitch in notes)
    assert counts(align(first, second)) == (len(notes), 0, 0)


@pytest.mark.parametrize("bars", [(40, 60), (0, 20), (80, 100)])
def test_a_skipped_section_is_missing_and_the_rest_paired(bars: tuple[int, int]) -> None:
    notes = piece(100)
    start, end = (BAR * bar for bar in bars)
    kept = [(onset, pitch) for onset, pitch in notes if not start <= onset < end]
    moved = [(onset - (end - start if onset >= end else 0), pitch) for onset, pitch in kept]
    first, second = score(notes), score(moved)
    alignment = align(first, second)
    assert counts(alignment)[0] >= len(kept) - 12
    gone = [float(first.notes[one].onset) for one in alignment.missing]
    assert sum(start <= onset < end for onset in gone) >= 0.95 * len(gone)
    alignment = align(second, first)
    assert counts(alignment)[0] >= len(kept) - 12


def test_a_repeated_section_is_extra_once() -> None:
    notes = piece(60)
    played = [note for note in notes if note[0] < 160] + [
        (onset + 80, pitch) for onset, pitch in notes if onset >= 80
    ]
    first, second = score(notes), score(played)
    alignment = align(first, second)
    assert counts(alignment)[1] <= 12
    assert counts(alignment)[2] == len(second.notes) - len(first.notes) + counts(alignment)[1]


def test_an_estimate_ten_times_as_long() -> None:
    first = score(piece(10))
    second = score([(onset + 40 * time, pitch) for time in range(10) for onset, pitch in piece(10)])
    matched, missing, extra = counts(align(first, second))
    assert matched >= len(first.notes) - 12
    assert matched + missing == len(first.notes)
    assert matched + extra == len(second.notes)


def test_a_thousand_bars_with_errors() -> None:
    chance = random.Random(5)
    notes = piece(1000)
    heard = [(onset, pitch + (chance.random() < 0.02)) for onset, pitch in notes if chance.random() > 0.02]
    first, second = score(notes), score(heard)
    found = matches(first, second, align(first, second))
    right = sum(onset == other for onset, other, _ in found)
    assert right >= 0.99 * len(heard)


def test_nothing_and_one_note() -> None:
    nothing, one = score([]), score([(0, 60)])
    assert align(nothing, nothing) == Alignment(())
    assert align(one, nothing).pairs == ((0, None),)
    assert align(nothing, one).pairs == ((None, 0),)
    assert align(one, one).pairs == ((0, 0),)
    assert counts(align(score([(0, -3), (1, 140)]), score([(0, -3), (1, 140)]))) == (2, 0, 0)
    assert align(one, score(piece(5))).matched
    assert align(score(piece(5)), one).matched


lists = st.lists(st.tuples(st.integers(0, 40).map(lambda ticks: ticks / 4), st.integers(36, 96)), max_size=40)


@given(lists, lists)
def test_every_note_is_somewhere_and_once(
    first: list[tuple[float, int]], second: list[tuple[float, int]]
) -> None:
    one, other = score(first), score(second)
    alignment = align(one, other)
    firsts = [pair[0] for pair in alignment.pairs if pair[0] is not None]
    seconds = [pair[1] for pair in alignment.pairs if pair[1] is not None]
    assert len(set(firsts)) == len(firsts)
    assert set(firsts) | alignment.unisons == set(range(len(one.notes)))
    assert sorted(seconds) == list(range(len(other.notes)))
    same = align(one, one)
    assert not same.missing
    assert not same.extra


def test_repeats_are_played_out_where_that_fits_better(tmp_path: Path) -> None:
    bars = [
        "".join(note(name) for name in names)
        for names in (("C4", "D4", "E4", "F4"), ("G4", "A4", "B4", "C5"))
    ]
    signed = [
        attributes() + bars[0],
        bars[1] + barline("right", repeat="backward"),
        bars[0].replace("4<", "5<"),
    ]
    written = read_score(write(tmp_path / "signed.musicxml", signed))
    plain = read_score(
        write(tmp_path / "plain.musicxml", [attributes() + bars[0], bars[1], bars[0], bars[1], signed[2]])
    )
    assert written.has_repeats
    assert not plain.has_repeats
    for first, second, played_out in (
        (written, plain, "reference"),
        (plain, written, "estimate"),
        (written, written, "neither"),
        (plain, plain, "neither"),
    ):
        found = compare(first, second)
        assert found.played_out == played_out
        assert not found.alignment.missing
        assert not found.alignment.extra
