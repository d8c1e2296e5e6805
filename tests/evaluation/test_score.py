from fractions import Fraction
from pathlib import Path

import pytest

from evaluation import muster
from evaluation.score import (
    MAIN,
    MEANINGS,
    Pairs,
    evaluate_score,
    signature_scores,
    spelling_scores,
    symbol_scores,
    underlay_scores,
    written_scores,
)
from evaluation.scoremodel import Score, ScoreChord
from fullscore.files import EXAMPLE
from notation.musicxml_reader import XmlBar, XmlNote, XmlSyllable
from tests.evaluation.musicxml import attributes, barline, note, write

TUNE = EXAMPLE / "auld-lang-syne.musicxml"


def line(*names: str, words: tuple[str, ...] = (), start: int = 0, length: Fraction = Fraction(1)) -> Score:
    """Notes one after the other in bars of 4/4, with a syllable each where ``words`` has one."""
    notes = []
    for i, name in enumerate(names):
        step, signs = name[0], name[1:]
        alter = signs.count("#") - signs.count("b")
        text = words[i] if i < len(words) else ""
        notes.append(
            XmlNote(
                start + i * length,
                length,
                60 + {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[step] + alter,
                step,
                alter,
                syllables=(XmlSyllable(text),) if text else (),
            )
        )
    count = -(-(start + len(names)) // 4)
    bars = tuple(XmlBar(4 * length * i, 4 * length, 4, 4, 0, "major", i) for i in range(count))
    return Score(Path("line.musicxml"), tuple(notes), bars)


def in_order(score: Score) -> Pairs:
    return [(i, i) for i in range(len(score.notes))]


def test_written_notes_by_hand() -> None:
    """Of four notes three are there, one of them too short, two quarters late throughout; one is extra."""
    reference = tuple(XmlNote(Fraction(i), Fraction(1), 60 + i) for i in range(4))
    estimate = (
        XmlNote(Fraction(2), Fraction(1), 60),
        XmlNote(Fraction(3), Fraction(1, 2), 61),
        XmlNote(Fraction(4), Fraction(0), 62, grace=True),
        XmlNote(Fraction(4), Fraction(1), 62),
        XmlNote(Fraction(4), Fraction(1), 74),
    )
    scores = written_scores(reference, estimate)
    assert scores["Written_shift_quarters"] == -2
    assert scores["Written_Precision"] == scores["Written_Recall"] == 3 / 4
    assert scores["Written_F-measure_with_length"] == 2 / 4
    assert written_scores(reference, ())["Written_Precision"] is None


def test_spelling_by_hand() -> None:
    """F sharp for G flat is wrong, F for E sharp too; a wrong pitch doesn't count, nor what has no name."""
    reference = line("C", "Gb", "E#", "D", "A")
    estimate = line("C", "F#", "F", "E", "A")
    pairs: Pairs = [*in_order(reference), (None, 0), (1, None)]
    scores = spelling_scores(reference, estimate, pairs)
    assert scores == {"Spelling_accuracy": 2 / 4, "Spelling_accuracy_enharmonic": 2 / 4}
    unnamed = Score(Path("a.mid"), tuple(XmlNote(n.onset, n.duration, n.pitch) for n in reference.notes), ())
    assert set(spelling_scores(reference, unnamed, pairs).values()) == {None}


def test_a_pick_up_bar_may_be_signed_by_its_own_length() -> None:
    """As MuseScore's MIDI has it; the first full bar tells the meter, as it does for the kind ``meter``."""
    reference = line("C", "D", "E", "F", "G")
    pick_up = XmlBar(Fraction(-1), Fraction(1), 1, 4, 0, "major", 0)
    estimate = Score(reference.path, reference.notes, (pick_up, *reference.bars))
    assert signature_scores(reference, estimate, in_order(reference))["Time signature"] == 1


def test_a_piece_in_another_enharmonic_key() -> None:
    """All but the last note are a diminished second away."""
    reference, estimate = line("Db", "Eb", "F", "C"), line("C#", "D#", "E#", "C")
    scores = spelling_scores(reference, estimate, in_order(reference))
    assert scores == {"Spelling_accuracy": 1 / 4, "Spelling_accuracy_enharmonic": 3 / 4}


def test_underlay_by_hand() -> None:
    """Of four syllables one is under the note before, one is another; capitals and signs don't matter."""
    reference = line("C", "D", "E", "F", "G", words=("Glo", "", "ri", "a,", "in"))
    estimate = line("C", "D", "E", "F", "G", words=("glo", "ri", "", "A", "on"))
    scores = underlay_scores(reference, estimate, in_order(reference))
    assert scores["Underlay_Recall"] == scores["Underlay_Precision"] == scores["Underlay_F-measure"] == 2 / 4


def test_a_syllable_on_a_melisma_costs_precision() -> None:
    reference = line("C", "D", "E", words=("A", "", "men"))
    estimate = line("C", "D", "E", words=("A", "a", "men"))
    scores = underlay_scores(reference, estimate, in_order(reference))
    assert (scores["Underlay_Recall"], scores["Underlay_Precision"]) == (1, 2 / 3)


def test_words_are_found_on_a_unison_of_another_part() -> None:
    """The melody is aligned with the piano's note of the same pitch and place."""
    reference = line("C", words=("la",))
    sung, played = line("C", words=("la",)), line("C")
    estimate = Score(Path("b.musicxml"), (*played.notes, *sung.notes), sung.bars)
    assert underlay_scores(reference, estimate, [(0, 0), (None, 1)])["Underlay_F-measure"] == 1
    assert underlay_scores(played, estimate, [(0, 0)])["Underlay_F-measure"] is None
    assert underlay_scores(reference, played, [(0, 0)])["Underlay_Recall"] == 0


def test_chord_symbols_on_the_aligned_time() -> None:
    """The estimate begins late, in doubled values; of four bars one has a wrong root, one a wrong third."""
    reference, estimate = line(*"CDEFGABC" * 2), line(*"CDEFGABC" * 2, start=4, length=Fraction(2))
    labels = ("C:maj", "A:min", "F:maj", "G:7")
    wrong = ("C:7", "A:maj", "D:min", "G:7")
    reference = with_chords(reference, [(4 * i, label) for i, label in enumerate(labels)])
    estimate = with_chords(estimate, [(4 + 8 * i, label) for i, label in enumerate(wrong)])
    scores = symbol_scores(reference, estimate, in_order(reference))
    assert scores == {"Chord_root": pytest.approx(3 / 4), "Chord_majmin": pytest.approx(2 / 4)}
    assert symbol_scores(reference, line("C"), ())["Chord_root"] == 0
    assert symbol_scores(line("C"), estimate, ())["Chord_root"] is None


def with_chords(score: Score, chords: list[tuple[int, str]]) -> Score:
    return Score(
        score.path, score.notes, score.bars, tuple(ScoreChord(Fraction(at), label) for at, label in chords)
    )


def test_signatures_on_the_aligned_time() -> None:
    """The estimate begins a bar late; its last two of four bars have other signatures."""
    reference, estimate = line(*"CDEFGABC" * 2), line(*"CDEFGABC" * 2, start=4)
    bars = [
        XmlBar(b.start, b.length, 4 if i < 3 else 2, 4, 0 if i < 3 else 1, "minor")
        for i, b in enumerate(estimate.bars)
    ]
    estimate = Score(estimate.path, estimate.notes, tuple(bars))
    assert signature_scores(reference, estimate, in_order(reference)) == {
        "Weighted Score": 0.3,
        "Key signature": 1,
        "Key signature throughout": 2 / 4,
        "Time signature": 1,
        "Time signature throughout": 2 / 4,
    }


def test_a_score_equals_itself() -> None:
    scores = evaluate_score(TUNE, TUNE)
    assert set(MAIN) <= set(MEANINGS)
    assert set(MEANINGS) <= set(scores)
    none_wrong = [
        *muster.MEANINGS, "Written_shift_quarters", "Part_difference", "Staff_difference",
        "Reference_played_out", "Estimate_played_out",
    ]  # fmt: skip
    assert {scores.pop(name) for name in none_wrong} == {0}
    assert set(scores.values()) == {1.0}


def test_repeats_are_played_out_where_the_other_score_has_them_written_out(tmp_path: Path) -> None:
    scale = [
        attributes() + "".join(map(note, ("C4", "D4", "E4", "F4"))),
        "".join(map(note, ("G4", "A4", "B4", "C5"))),
    ]
    written = write(tmp_path / "written.musicxml", [scale[0], scale[1] + barline("right", repeat="backward")])
    out = write(tmp_path / "out.musicxml", [*scale, scale[0].removeprefix(attributes()), scale[1]])
    for pair, sides in (((written, out), (1, 0)), ((out, written), (0, 1)), ((written, written), (0, 0))):
        scores = evaluate_score(*pair)
        assert (scores["Reference_played_out"], scores["Estimate_played_out"]) == sides
        assert scores["MeanER"] == 0


@pytest.mark.parametrize("bars", [[], [attributes() + note("r", 4)], [attributes() + note("C4", 4)]])
def test_empty_and_tiny_scores_have_defined_values(tmp_path: Path, bars: list[str]) -> None:
    path = write(tmp_path / "score.musicxml", bars)
    for pair in ((TUNE, path), (path, TUNE), (path, path)):
        scores = evaluate_score(*pair)
        assert all(value is None or value == value for value in scores.values())
    scores = evaluate_score(TUNE, path)
    assert scores["Key signature throughout"] == scores["Underlay_Recall"] == scores["Chord_root"] == 0
    assert evaluate_score(path, TUNE)["Underlay_F-measure"] is None
