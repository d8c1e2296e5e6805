from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

import pytest

from notation.events import ScoreNote
from notation.expression import (
    dynamics_of,
    express,
    fermatas,
    pedal_lines,
    tempo_marks,
    with_fermatas,
    with_staccato,
)
from notation.meter import ScoreTime
from notation.page import Dynamic, Pedal
from tests.notation.builders import bars, part, written


def time_of(tempi: Sequence[float], count: int, meter: str = "4/4") -> ScoreTime:
    """A beat for each tempo (beats a minute), then a last one."""
    laid = bars(count, meter)
    beat = laid[0].time_signature.beat_quarters
    seconds = [0.0, *accumulate(60 / tempo for tempo in tempi)]
    return ScoreTime(laid, tuple(seconds), tuple(beat * i for i in range(len(seconds))))


def row(velocities: Sequence[int], every: int = 1) -> list[ScoreNote]:
    """A quarter note for each velocity."""
    notes = written([(str(i * every), "1", 60) for i in range(len(velocities))], "piano")
    return [replace(n, heard=replace(n.heard, velocity=v)) for n, v in zip(notes, velocities, strict=True)]


def test_notes_of_one_velocity_have_no_dynamics() -> None:
    assert dynamics_of(row([80] * 32), bars(8)) == ((), ())


def test_loud_after_soft() -> None:
    marks, hairpins = dynamics_of(row([49, 51, 48, 50] * 4 + [96, 94, 97, 95] * 4), bars(8))
    assert marks == (Dynamic(Fraction(0), "p"), Dynamic(Fraction(16), "f"))
    assert hairpins == ()


def test_one_loud_bar_is_no_dynamic() -> None:
    marks, _ = dynamics_of(row([64] * 16 + [82] * 4 + [64] * 12), bars(8))
    assert [m.mark for m in marks] == ["mp"]


def test_a_long_crescendo_is_a_hairpin_into_the_new_dynamic() -> None:
    rising = [49] * 16 + [49 + 4 * i for i in range(12)] + [97] * 16
    marks, (hairpin,) = dynamics_of(row(rising), bars(11))
    assert marks[0].mark == "p"
    assert marks[-1].mark == "f"
    assert hairpin.grows
    assert Fraction(12) <= hairpin.start <= Fraction(20)
    assert hairpin.end in {m.onset for m in marks[1:]}


def test_a_steady_tempo_has_one_mark() -> None:
    (mark,), curve = tempo_marks(time_of([120] * 32, 8))
    assert (mark.onset, mark.quarters_per_minute, mark.words) == (0, pytest.approx(120), "")
    assert curve == ()


def test_compound_meters_count_quarters() -> None:
    (mark,), _ = tempo_marks(time_of([60] * 16, 8, "6/8"))
    assert mark.quarters_per_minute == pytest.approx(90)


def test_a_written_change_of_tempo() -> None:
    marks, _ = tempo_marks(time_of([120] * 16 + [80] * 16, 8))
    assert [(m.onset, round(m.quarters_per_minute)) for m in marks] == [(0, 120), (16, 80)]


def test_a_written_ritardando_and_a_tempo() -> None:
    marks, curve = tempo_marks(time_of([120] * 16 + [110, 100, 90, 80] + [120] * 12, 8))
    assert [(m.onset, m.words) for m in marks] == [(0, ""), (16, "rit."), (20, "a tempo")]
    assert [round(tempo) for _, tempo in curve] == [110, 100, 90, 80, 120]


def test_the_tempo_that_a_last_ritardando_reaches_is_no_new_one() -> None:
    marks, curve = tempo_marks(time_of([120] * 24 + [110, 100, 90, 80] + [75] * 4, 8))
    assert [(m.onset, m.words) for m in marks] == [(0, ""), (24, "rit.")]
    assert curve[-1] == (28, pytest.approx(75))


def test_one_uneven_beat_is_no_tempo() -> None:
    marks, _ = tempo_marks(time_of([120] * 16 + [112] + [120] * 15, 8))
    assert len(marks) == 1


SWAY = [1.0, 1.03, 0.98, 1.02, 0.97, 1.01, 0.99, 1.04]


def test_playing_that_sways_has_one_mark() -> None:
    (mark,), _ = tempo_marks(time_of([100 * s for s in SWAY * 8], 16))
    assert mark.quarters_per_minute == pytest.approx(100, abs=2)


def test_a_played_section_in_another_tempo() -> None:
    played = [100 * s for s in SWAY * 8] + [140 * s for s in SWAY * 8]
    marks, _ = tempo_marks(time_of(played, 32))
    assert [(m.onset, round(m.quarters_per_minute, -1)) for m in marks] == [(0, 100), (64, 140)]


def test_a_played_ritardando_at_the_end() -> None:
    played = [100 * s for s in SWAY * 8]
    played[-4:] = [85, 70, 60, 50]
    marks, curve = tempo_marks(time_of(played, 16))
    assert [m.words for m in marks] == ["", "rit."]
    assert Fraction(58) <= marks[1].onset <= Fraction(61)
    assert curve[-1] == (Fraction(63), pytest.approx(50))


def test_a_held_beat_is_a_fermata_and_no_ritardando() -> None:
    played = [100 * s for s in SWAY * 4]
    played[15] = 40
    time = time_of(played, 8)
    onsets = [Fraction(i) for i in range(32)]
    holds = fermatas(time, onsets)
    assert holds == ((Fraction(15), Fraction(16)),)
    assert len(tempo_marks(time, holds)[0]) == 1
    notes = with_fermatas(row([80] * 32), holds)
    assert [n.onset for n in notes if "fermata" in n.marks] == [15]
    assert fermatas(time, sorted([*onsets, Fraction(31, 2)])) == ()  # something moves on it


def test_a_slower_tempo_is_no_fermata() -> None:
    assert fermatas(time_of([100] * 16 + [40] * 16, 8), []) == ()


def test_short_notes_in_a_row_get_dots() -> None:
    notes = written([(str(i), "1", 60) for i in range(12)], "piano")
    clipped = [
        replace(n, heard=replace(n.heard, offset=n.heard.onset + (0.15 if 4 <= i < 8 else 0.45)))
        for i, n in enumerate(notes)
    ]
    time = time_of([120] * 12, 3)
    marked = with_staccato(clipped, time)
    assert [i for i, n in enumerate(marked) if "staccato" in n.marks] == [4, 5, 6, 7]
    under_pedal = with_staccato(clipped, time, [(2.0, 4.0)])
    assert not any(n.marks for n in under_pedal)


def test_a_part_that_is_short_throughout_gets_no_dots() -> None:
    notes = [
        replace(n, heard=replace(n.heard, offset=n.heard.onset + 0.15))
        for n in written([(str(i), "1", 60) for i in range(12)], "piano")
    ]
    assert not any(n.marks for n in with_staccato(notes, time_of([120] * 12, 3)))


def test_the_pedal_changes_on_the_note_it_follows() -> None:
    notes = written([(str(i), "1", 60) for i in range(8)], "piano")
    pedals = [(0.1, 1.05), (1.2, 2.1), (3.05, 3.95)]
    assert pedal_lines(pedals, notes, time_of([120] * 8, 2)) == (
        Pedal(Fraction(0), Fraction(2)),
        Pedal(Fraction(2), Fraction(4)),
        Pedal(Fraction(6), Fraction(8)),
    )


def test_the_pedal_belongs_to_the_keyboard() -> None:
    voice = part("vocals", written([("0", "4", 60)]))
    piano = part("piano", written([("0", "4", 48)], "piano"), staves=2)
    organ = part("organ", written([("0", "4", 72)], "organ"))
    _, told = express([voice, organ, piano], time_of([120] * 8, 2), [(0.1, 1.5)])
    assert told.parts["vocals"].pedals == told.parts["organ"].pedals == ()
    assert len(told.parts["piano"].pedals) == 1
