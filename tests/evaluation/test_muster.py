"""Hand-worked error rates. Where a comment says so, the published tool gives the same for the same files."""

import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.alignment import Alignment, align
from evaluation.muster import MEANINGS, error_rates, note_errors, rhythm_correction
from evaluation.scorefile import read_score
from evaluation.scoremodel import Score, within_voices
from notation.musicxml_reader import XmlBar, XmlNote
from tests.evaluation.musicxml import attributes, note, write

HALF = Fraction(1, 2)
RIGHT_HAND = ((0, 72), (1, 74), (2, 76), (3, 77), (4, 79), (5, 77), (6, 76), (7, 74))
LEFT_HAND = ((0, 48), (2, 55), (4, 48), (6, 55))
MELODY = tuple(XmlNote(Fraction(onset), Fraction(1), pitch) for onset, pitch in RIGHT_HAND)
BASS = tuple(XmlNote(Fraction(onset), Fraction(2), pitch, staff=2, voice="5") for onset, pitch in LEFT_HAND)
TWELFTH = pytest.approx(100 / 12)


def score(notes: Iterable[XmlNote]) -> Score:
    """Two bars of 4/4 in the order of their voices."""
    in_file = sorted(
        notes, key=lambda note: (note.onset // 4, note.staff, note.voice, note.onset, -note.pitch)
    )
    numbered = [
        XmlNote(
            note.onset, note.duration, note.pitch, staff=note.staff, voice=note.voice, grace=note.grace,
            bar=int(note.onset // 4), id=place,
        )
        for place, note in enumerate(in_file)
    ]  # fmt: skip
    bars = tuple(XmlBar(Fraction(4 * bar), Fraction(4), 4, index=bar) for bar in range(2))
    return Score(
        Path("made"), tuple(sorted(numbered, key=lambda note: (note.onset, not note.grace, note.pitch))), bars
    )


PIECE = score(MELODY + BASS)


def changed(place: int, **changes: object) -> Score:
    """The piece with its melody's note at ``place`` changed."""
    fields = {name: getattr(MELODY[place], name) for name in ("onset", "duration", "pitch", "staff", "voice")}
    return score((*MELODY[:place], XmlNote(**{**fields, **changes}), *MELODY[place + 1 :], *BASS))


def errors(estimate: Score, reference: Score = PIECE) -> dict[str, float]:
    """The rates that are not 0."""
    rates = error_rates(reference, estimate)
    assert list(rates) == list(MEANINGS)
    return {name: rate for name, rate in rates.items() if rate and not name.endswith("_no_grace")}


def test_a_score_has_no_errors_against_itself() -> None:
    assert errors(PIECE) == {}


def test_a_wrong_pitch() -> None:
    # The tool: PitchER 8.33333, MeanER 1.66667.
    estimate = changed(2, pitch=75)
    assert errors(estimate) == {"MeanER": pytest.approx(100 / 60), "PitchER": TWELFTH}
    found = note_errors(PIECE, estimate)
    assert [estimate.notes[index].pitch for index in found.pitch] == [75]
    assert not (found.missing | found.onset | found.offset | found.extra)


def test_a_missing_note() -> None:
    # The tool: MissRate 8.33333.
    estimate = score(MELODY[:3] + MELODY[4:] + BASS)
    assert errors(estimate) == {"MeanER": pytest.approx(100 / 60), "MissRate": TWELFTH}
    found = note_errors(PIECE, estimate)
    assert [float(PIECE.notes[index].onset) for index in found.missing] == [3]


def test_an_extra_note() -> None:
    # The tool: ExtraRate 7.69231, of the estimate's thirteen notes.
    estimate = score((*MELODY, XmlNote(Fraction(1), Fraction(1), 69), *BASS))
    assert errors(estimate) == {"MeanER": pytest.approx(20 / 13), "ExtraRate": pytest.approx(100 / 13)}
    found = note_errors(PIECE, estimate)
    assert [estimate.notes[index].pitch for index in found.extra] == [69]


def test_a_shifted_onset_costs_a_shift_there_and_one_back() -> None:
    # The tool: OnsetER 16.6667. The ends are put right with the onsets after them.
    early = Fraction(5, 2)
    estimate = score(
        (
            *MELODY[:2],
            XmlNote(Fraction(2), HALF, 76),
            XmlNote(early, Fraction(3, 2), 77),
            *MELODY[4:],
            *BASS,
        )
    )
    assert errors(estimate) == {"MeanER": pytest.approx(200 / 60), "OnsetER": pytest.approx(200 / 12)}
    found = note_errors(PIECE, estimate)
    assert [(estimate.notes[index].onset, estimate.notes[index].pitch) for index in found.onset] == [
        (early, 77)
    ]


def test_a_wrong_length() -> None:
    # The tool: OffsetER 8.33333.
    estimate = changed(1, duration=HALF)
    assert errors(estimate) == {"MeanER": pytest.approx(100 / 60), "OffsetER": TWELFTH}
    found = note_errors(PIECE, estimate)
    assert [estimate.notes[index].pitch for index in found.offset] == [74]


def test_a_wrong_voice() -> None:
    # The tool: VoiceER 8.33333, HandER 0.
    estimate = changed(4, voice="2")
    assert errors(estimate) == {"VoiceER": TWELFTH}
    assert [estimate.notes[index].pitch for index in note_errors(PIECE, estimate).voice] == [79]


def test_a_wrong_hand_is_also_a_wrong_voice() -> None:
    # The tool: VoiceER 8.33333, HandER 8.33333.
    estimate = changed(7, staff=2, voice="6")
    assert errors(estimate) == {"VoiceER": TWELFTH, "HandER": TWELFTH}
    assert note_errors(PIECE, estimate).hand == note_errors(PIECE, estimate).voice


def test_the_numbers_of_voices_count_from_the_lowest_of_their_staff() -> None:
    renamed = score(
        XmlNote(note.onset, note.duration, note.pitch, staff=note.staff, voice=str(int(note.voice) + 2))
        for note in MELODY + BASS
    )
    assert errors(renamed) == {}


def test_other_note_values_throughout_cost_one_change_of_scale() -> None:
    # The tool: OnsetER 8.33333.
    doubled = score(
        XmlNote(2 * note.onset, 2 * note.duration, note.pitch, staff=note.staff, voice=note.voice)
        for note in MELODY + BASS
    )
    assert errors(doubled) == {"MeanER": pytest.approx(100 / 60), "OnsetER": TWELFTH}


def test_a_grace_note_of_one_score_leaves_the_voices_of_the_others_to_be_told_without_it() -> None:
    # The tool: HandER 61.5385, since the reference's grace note is its first staff.
    ornament = XmlNote(Fraction(4), Fraction(0), 81, grace=True)
    written = score((*MELODY, ornament, *BASS))
    played = score((*MELODY, XmlNote(Fraction(4), Fraction(1), 81), *BASS))
    rates = error_rates(written, played)
    assert (rates["VoiceER_no_grace"], rates["HandER_no_grace"]) == (0, 0)
    assert rates["HandER"] == pytest.approx(100 * 8 / 13)
    assert errors(written, written) == {}


def test_a_unison_of_two_voices_is_one_note() -> None:
    # The tool: ExtraRate 7.69231 for the last; and for the first, where it has no partner left.
    unison = XmlNote(Fraction(0), Fraction(2), 72, voice="2")
    both = score((*MELODY, unison, *BASS))
    assert errors(both, both) == {}
    assert errors(PIECE, both) == {}
    assert errors(both)["ExtraRate"] == pytest.approx(100 / 13)


def test_rates_of_nothing() -> None:
    nothing, one = score(()), score(MELODY[:1])
    assert error_rates(nothing, nothing) == dict.fromkeys(MEANINGS)
    rates = error_rates(PIECE, nothing)
    assert rates == dict.fromkeys(MEANINGS) | {"PitchER": 0, "MissRate": 100}
    assert error_rates(nothing, PIECE) == dict.fromkeys(MEANINGS) | {"ExtraRate": 100}
    assert errors(one, one) == {}
    assert errors(PIECE, one)["ExtraRate"] == pytest.approx(1100 / 12)
    assert note_errors(PIECE, nothing).missing == set(range(12))


def test_the_rates_follow_the_given_pairs() -> None:
    alignment = Alignment((*((index, index) for index in range(11)), (11, None), (None, 11)))
    assert errors_of(alignment) == {"MissRate": TWELFTH, "ExtraRate": TWELFTH}


def errors_of(alignment: Alignment) -> dict[str, float]:
    rates = error_rates(PIECE, PIECE, alignment)
    return {name: rate for name in ("PitchER", "MissRate", "ExtraRate", "OnsetER") if (rate := rates[name])}


@pytest.mark.parametrize(
    ("first", "second", "cost"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3], 0),
        ([0, 1, 2, 3], [5, 6, 7, 8], 0),  # begun later
        ([0, 1, 2, 3], [0, 2, 4, 6], 1),  # scaled
        ([0, 1, 2, 3], [0, 1, 2, 4], 1),  # the last shifted
        ([0, 1, 2, 3, 4], [0, 1, HALF * 5, 3, 4], 2),  # one shifted, and back
        ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 5, 7, 9], 1),  # scaled from the fourth on
        ([0, 0, 1, 1], [0, 0, 2, 2], 1),  # either
        ([0, 0], [0, 1], 1),  # a chord that is none
        ([0], [7], 0),
        ([], [], 0),
    ],
)
def test_the_rhythm_correction_cost(first: list[Fraction], second: list[Fraction], cost: int) -> None:
    found, scales = rhythm_correction(list(map(Fraction, first)), list(map(Fraction, second)))
    assert found == cost
    assert len(scales) == max(len(first) - 1, 0)


times = st.lists(st.integers(0, 24).map(lambda ticks: Fraction(ticks, 12)), min_size=2, max_size=12)


@given(times, times, st.sampled_from([Fraction(1, 2), Fraction(3, 2), Fraction(4, 3)]))
def test_the_cost_is_at_most_one_operation_a_note_and_one_more_at_another_scale(
    first: list[Fraction], second: list[Fraction], scale: Fraction
) -> None:
    number = min(len(first), len(second))
    ours, others = first[:number], second[:number]
    cost, scales = rhythm_correction(ours, others)
    shifts = sum(
        ours[place + 1] - ours[place] != each * (others[place + 1] - others[place])
        for place, each in enumerate(scales)
    )
    changes = sum(one != other for one, other in zip([Fraction(1), *scales], scales, strict=False))
    assert cost == shifts + changes <= number - 1
    assert abs(rhythm_correction(ours, [onset * scale for onset in others])[0] - cost) <= max(shifts, 1)


@pytest.mark.data
def test_the_published_figures(data: Path) -> None:
    pairs = json.loads((data / "score_reference" / "muster.json").read_text())["pairs"]
    means = []
    for pair in pairs:
        reference, estimate = (
            within_voices(read_score(data / pair[name])) for name in ("reference", "estimate")
        )
        rates = error_rates(reference, estimate, align(reference, estimate))
        for name, published in pair["muster"].items():
            assert rates[name] == pytest.approx(published, abs=1.5 if name == "MeanER" else 3), name
        means.append((pair["muster"]["MeanER"], rates["MeanER"]))
        assert set(errors(reference, reference)) == set()
    assert [mean for _, mean in sorted(means)] == sorted(mean for _, mean in means if mean is not None)


def test_ties_are_joined_within_a_voice_and_a_broken_chain_stays_broken(tmp_path: Path) -> None:
    # The tool reads notes of 4, 2 and 2 quarters.
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    first = note("C4", 2, start) + note("C4", 2, stop + start)
    second = note("C4", 2, stop + start, voice="2") + note("C4", 2, stop, voice="2")
    whole = read_score(write(tmp_path / "ties.musicxml", [attributes() + first, second]))
    assert [(float(each.onset), float(each.duration)) for each in whole.notes] == [(0, 8)]
    cut = within_voices(whole)
    assert [(float(each.onset), float(each.duration)) for each in cut.notes] == [(0, 4), (4, 2), (6, 2)]
    assert [each.held for each in cut.notes] == [(1,), (), ()]
