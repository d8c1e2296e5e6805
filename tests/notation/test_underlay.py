from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from lyrics.words import Lyrics
from notation.meter import ScoreTime
from notation.underlay import LyricSyllable, SungNote, strike_syllables, underlay
from tests.notation.builders import bars, lyrics, written


def sung(answer: tuple[SungNote, ...]) -> list[str]:
    return ["_" if note.held else "‿".join(s.text for s in note.syllables) for note in answer]


def quarters(count: int) -> list[tuple[str, str, int]]:
    return [(str(i), "1", 60 + i) for i in range(count)]


def test_each_syllable_goes_to_its_note() -> None:
    answer = underlay(lyrics("Twin|kle, twin|kle star"), written(quarters(5)))
    assert [note.syllables for note in answer] == [
        (LyricSyllable("Twin", "begin"),),
        (LyricSyllable("kle,", "end"),),
        (LyricSyllable("twin", "begin"),),
        (LyricSyllable("kle", "end"),),
        (LyricSyllable("star", "single"),),
    ]


def test_three_syllables_have_a_middle() -> None:
    answer = underlay(lyrics("beau|ti|ful"), written(quarters(3)))
    assert [note.syllables[0].syllabic for note in answer] == ["begin", "middle", "end"]


def test_a_late_or_early_singer_is_followed() -> None:
    late = lyrics("one two three four", every=0.5)
    notes = written([(str(i + 0.2), "1", 60) for i in range(4)])
    assert sung(underlay(late, notes)) == ["one", "two", "three", "four"]


def test_notes_left_over_continue_the_syllable_until_a_rest() -> None:
    rows = [("0", "1/2", 60), ("1/2", "1/2", 62), ("1", "1", 64), ("3", "1", 65)]
    assert sung(underlay(lyrics("Ah"), written(rows))) == ["Ah", "_", "_", ""]


def test_more_syllables_than_notes_share_a_note() -> None:
    rows = [("0", "1", 60), ("2", "2", 62)]
    answer = underlay(lyrics("my on|ly love"), written(rows))
    assert [s.text for note in answer for s in note.syllables] == ["my", "on", "ly", "love"]
    assert max(len(note.syllables) for note in answer) == 2


def test_a_grace_note_carries_no_syllable() -> None:
    rows = [("0", "0", 59), ("0", "1", 60), ("1", "1", 62)]
    assert sung(underlay(lyrics("la lu"), written(rows))) == ["", "la", "lu"]


def test_nothing_to_sing() -> None:
    assert underlay(Lyrics(), written(quarters(2))) == (SungNote(), SungNote())
    assert underlay(lyrics("la"), []) == ()


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True),
    st.lists(st.sampled_from(["a", "b|c", "d|e|f"]), min_size=1, max_size=12),
    st.floats(0.05, 2.0),
)
def test_no_syllable_is_lost_or_moved_past_another(places: list[int], words: list[str], every: float) -> None:
    text = lyrics(" ".join(words), every=every)
    answer = underlay(text, written([(str(at), "1/2", 60) for at in sorted(places)]))
    assert [s.text for note in answer for s in note.syllables] == [s.text for s in text.syllables]


def clock(count: int) -> ScoreTime:
    """4/4 at 120 quarters a minute."""
    beats = range(4 * count + 1)
    return ScoreTime(bars(count), tuple(i / 2 for i in beats), tuple(Fraction(i) for i in beats))


def test_a_held_note_is_struck_again_for_each_syllable() -> None:
    notes = written([("0", "4", 60)])
    struck = strike_syllables(lyrics("one two three", every=0.5), notes, clock(2))
    assert [(n.onset, n.duration) for n in struck] == [(0, 1), (1, 1), (2, 2)]
    assert [(n.heard.onset, n.heard.offset) for n in struck] == [(0.0, 0.5), (0.5, 1.0), (1.0, 2.0)]


def test_syllables_at_one_time_share_their_note() -> None:
    notes = written([("0", "4", 60)])
    assert strike_syllables(lyrics("o ver", every=0.02), notes, clock(2)) == tuple(notes)


def test_a_melisma_is_not_struck() -> None:
    notes = written([("0", "1", 60), ("1", "1", 62)])
    assert strike_syllables(lyrics("Ah"), notes, clock(2)) == tuple(notes)
    assert strike_syllables(lyrics(), notes, clock(2)) == tuple(notes)
