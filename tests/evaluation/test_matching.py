"""Against mir_eval, which compares every note with every other."""

import warnings

import mir_eval
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evaluation.matching import (
    Floats,
    Pairs,
    matching,
    matching_size,
    note_pairs,
    reach,
    within,
)

Rows = list[tuple[int, int, int]]

# Times on a grid at which distances fall on the tolerances, pitches on one of quarter tones.
GRIDS_S = (0.05, 0.025, 0.01, 0.0001, 0.00001)
TABLES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20), st.integers(0, 6)), min_size=1, max_size=25
)


def table(rows: Rows, grid_s: float) -> tuple[Floats, Floats]:
    onsets, lengths, quarter_tones = np.array(rows, dtype=np.float64).T
    pitches = 60 + quarter_tones / 2
    intervals = np.stack([onsets, onsets + lengths], axis=1) * grid_s
    return intervals, 440 * 2 ** ((pitches - 69) / 12)


def listed(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True))


@given(TABLES, TABLES, st.sampled_from(GRIDS_S), st.sampled_from((0.05, 0.1)), st.sampled_from((50.0, 25.0)))
def test_the_same_notes_are_matched_as_by_mir_eval(
    reference: Rows, estimate: Rows, grid_s: float, onset_s: float, cents: float
) -> None:
    (true, true_hz), (found, found_hz) = table(reference, grid_s), table(estimate, grid_s)
    pairs = note_pairs(true[:, 0], true_hz, found[:, 0], found_hz, onset_s, cents)
    tables = (true, true_hz, found, found_hz)
    expected = mir_eval.transcription.match_notes(
        *tables, onset_tolerance=onset_s, pitch_tolerance=cents, offset_ratio=None
    )
    assert listed(matching(pairs)) == expected

    lengths = np.abs(np.diff(true, axis=-1)).flatten()
    tolerances = np.maximum(0.2 * lengths, 0.05)
    ended = within(true[pairs[0], 1], found[pairs[1], 1], tolerances[pairs[0]])
    expected = mir_eval.transcription.match_notes(*tables, onset_tolerance=onset_s, pitch_tolerance=cents)
    assert listed(matching((pairs[0][ended], pairs[1][ended]))) == expected

    onsets, offsets = np.sort(found[:, 0]), np.sort(found[:, 1])
    begun = matching_size(*reach(true[:, 0], onsets, onset_s), len(found))
    assert begun == len(mir_eval.transcription.match_note_onsets(true, found, onset_tolerance=onset_s))
    over = matching_size(*reach(true[:, 1], offsets, tolerances), len(found))
    assert over == len(mir_eval.transcription.match_note_offsets(true, found))


@given(TABLES, TABLES)
def test_octave_invariant_pairs_are_those_of_the_notes_in_one_octave(reference: Rows, estimate: Rows) -> None:
    """Whole semitones, some of them octaves apart; folded into one octave for mir_eval."""
    sides = []
    for rows in (reference, estimate):
        intervals, _ = table(rows, 0.025)
        pitches = np.array([48 + 11 * pitch for _, _, pitch in rows], dtype=np.float64)
        sides.append((intervals, *(440 * 2 ** ((midi - 69) / 12) for midi in (pitches, 60 + pitches % 12))))
    (true, true_hz, true_folded), (found, found_hz, found_folded) = sides
    pairs = note_pairs(true[:, 0], true_hz, found[:, 0], found_hz, 0.05, 50.0, octave_invariant=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mir_eval.transcription.match_notes(
            true, true_folded, found, found_folded, offset_ratio=None
        )
    assert listed(matching(pairs)) == expected


def test_a_long_chain_of_rivals_is_matched_whole() -> None:
    """Each found note may be either of two true ones; only one way serves all."""
    count = 5000
    found = np.repeat(np.arange(count), 2)[1:]
    true = np.array([max(0, rank // 2 if rank % 2 else rank // 2 - 1) for rank in range(1, 2 * count)])
    order = np.lexsort((found, true))
    matched = matching((true[order], found[order]))
    assert len(matched[0]) == count
    assert len(set(matched[1].tolist())) == count


def test_nothing_to_match() -> None:
    nothing = np.empty(0)
    pairs = note_pairs(nothing, nothing, np.array([1.0]), np.array([440.0]), 0.05, 50.0)
    assert listed(matching(pairs)) == []
    assert matching_size(*reach(np.array([1.0]), nothing, 0.05), 0) == 0
