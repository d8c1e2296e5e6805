from __future__ import annotations

import pytest

from notation.instruments import FAMILIES, VOICINGS, score_order, voicing_of, voicing_of_program


@pytest.mark.parametrize(
    ("track", "program", "name", "abbreviation", "family", "clefs"),
    [
        ("Violin 1", 40, "Violin 1", "Vln. 1", "strings", ("treble",)),
        ("2nd Violin", None, "2nd Violin", "Vln. 2", "strings", ("treble",)),
        ("Violino II", 0, "Violino II", "Vln. II", "strings", ("treble",)),
        ("Bratsche", 41, "Bratsche", "Vla.", "strings", ("alto", "treble")),
        ("violoncello", 42, "Violoncello", "Vc.", "strings", ("bass", "tenor", "treble")),
        ("Tenor", 52, "Tenor", "T.", "voice", ("treble-8",)),
        ("Tenor Sax", 66, "Tenor Sax", "T. Sax.", "wind", ("treble", "bass")),
        ("Bass Clarinet", 71, "Bass Clarinet", "B. Cl.", "wind", ("treble", "bass")),
        ("Lead Guitar", 29, "Lead Guitar", "Gtr.", "plucked", ("treble-8",)),
        ("BRIDGE", 73, "Bridge", "Bri.", "wind", ("treble",)),
        ("", 60, "Horn", "Hn.", "brass", ("treble", "bass")),
        ("Steel Drums", 114, "Steel Drums", "Ste.", "keyboard", ("treble", "bass")),
        ("vocals", None, "Voice", "V.", "voice", ("treble", "treble-8", "bass")),
        ("kazoo", None, "Accompaniment", "Acc.", "keyboard", ("treble", "bass")),
    ],
)
def test_names_tell_instruments(
    track: str, program: int | None, name: str, abbreviation: str, family: str, clefs: tuple[str, ...]
) -> None:
    found = voicing_of(track, program)
    assert (found.name, found.family, found.clefs) == (name, family, clefs)
    assert found.abbreviation == abbreviation


def test_low_instruments_are_written_above_their_sound() -> None:
    assert [voicing_of(name).octave for name in ("bass", "Double Bass", "Contrabass", "Cello")] == [
        1,
        1,
        1,
        0,
    ]


def test_every_program_has_an_instrument_of_a_family() -> None:
    voicings = [voicing_of_program(program) for program in range(128)]
    assert [voicing.program for voicing in voicings] == list(range(128))
    assert {voicing.family for voicing in voicings} <= set(FAMILIES)
    named = [voicings[p].name for p in (0, 19, 40, 42, 56, 60, 68, 70, 73)]
    assert named == [
        "Piano", "Organ", "Violin", "Violoncello", "Trumpet", "Horn", "Oboe", "Bassoon", "Flute"
    ]  # fmt: skip


def test_no_track_is_taken_for_the_drum_set() -> None:
    assert VOICINGS["drums"].family == "drums"
    assert all(voicing_of(name, 0).family != "drums" for name in ("Drums 2", "percussion", "Drum kit"))


def test_families_stand_in_the_order_of_a_full_score() -> None:
    names = ["bass", "Cello", "Flute", "drums", "vocals", "Violin", "piano", "Trumpet"]
    order = score_order([voicing_of(name) for name in names])
    assert [names[i] for i in order] == [
        "Flute", "Trumpet", "vocals", "piano", "Cello", "Violin", "bass", "drums"
    ]  # fmt: skip
