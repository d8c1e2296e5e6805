from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from music21 import chord, clef, harmony, layout, note, stream, tempo

from benchmarks.readback import in_file
from notation.events import Bar, ChordSymbol, Key, ScoreNote
from notation.export import music21_stream, write_musicxml
from notation.page import NotatedScore, WrittenPart
from notation.score import build_score
from notation.underlay import underlay
from tests.notation.builders import bars, lyrics, part, written


def build(
    *parts: WrittenPart, laid: Sequence[Bar] | None = None, key: Key = Key("C"), **more: Any
) -> NotatedScore:
    return build_score(parts, laid or bars(2), key, 120.0, **more)


def voice_of(score: NotatedScore) -> list[Any]:
    return list(music21_stream(score).parts[0].flatten().notesAndRests)


def test_a_note_over_the_bar_line_is_tied() -> None:
    score = build(part("vocals", written([("3", "3", 60)])))
    found = [(n.quarterLength, n.tie.type) for n in voice_of(score) if n.isNote]
    assert found == [(1.0, "start"), (2.0, "stop")]


def test_a_note_over_three_bars_is_tied_throughout() -> None:
    score = build(part("vocals", written([("3", "9", 60)])), laid=bars(3))
    assert [n.tie.type for n in voice_of(score) if n.isNote] == ["start", "continue", "stop"]


def test_a_pick_up_bar_has_number_0_and_its_own_length() -> None:
    score = build(part("vocals", written([("0", "1", 60), ("1", "4", 62)])), laid=bars(2, pick_up="1"))
    measures = list(music21_stream(score).parts[0].getElementsByClass(stream.Measure))
    assert [m.number for m in measures] == [0, 1, 2]
    assert measures[0].paddingLeft == 3
    assert measures[1].offset == 1


def test_an_upbeat_of_one_eighth_is_one_eighth() -> None:
    score = build(part("vocals", written([("0", "1/2", 67), ("1/2", "3", 72)])), laid=bars(1, "3/4", "1/2"))
    assert [n.duration.type for n in voice_of(score)] == ["eighth", "half"]
    assert voice_of(score)[1].duration.dots == 1


def test_an_empty_bar_is_one_whole_bar_rest() -> None:
    score = build(part("vocals", written([("0", "4", 60)])))
    last = voice_of(score)[-1]
    assert last.isRest
    assert last.fullMeasure is True


def shown(score: NotatedScore) -> list[str]:
    """Accidentals printed, in parentheses where they remind."""
    marks = []
    for element in music21_stream(score).parts[0].flatten().notes:
        for member in element.notes if isinstance(element, chord.Chord) else [element]:
            accidental = member.pitch.accidental
            if accidental is None or not accidental.displayStatus:
                marks.append("")
            else:
                reminds = accidental.displayStyle == "parentheses"
                marks.append(f"({accidental.name})" if reminds else accidental.name)
    return marks


def test_accidentals_hold_to_the_bar_line_and_are_recalled_after_it() -> None:
    rows = [("0", "1", 66), ("1", "1", 66), ("2", "1", 65), ("3", "1", 78), ("4", "1", 65), ("5", "1", 66)]
    score = build(part("vocals", written(rows)))
    assert shown(score) == ["sharp", "", "natural", "sharp", "(natural)", "sharp"]


def test_the_key_signature_spares_accidentals() -> None:
    score = build(part("vocals", written([("0", "1", 66), ("1", "1", 67), ("2", "1", 65)])), key=Key("G"))
    assert shown(score) == ["", "", "natural"]


def test_a_tie_carries_its_accidental() -> None:
    score = build(part("vocals", written([("3", "2", 66), ("5", "1", 66)])))
    assert shown(score) == ["sharp", "", "sharp"]


@pytest.mark.parametrize(
    ("stem", "pitch", "expected"),
    [
        ("vocals", 67, clef.TrebleClef),
        ("vocals", 55, clef.Treble8vbClef),
        ("vocals", 45, clef.BassClef),
        ("bass", 36, clef.BassClef),
        ("guitar", 55, clef.Treble8vbClef),
        ("other", 70, clef.TrebleClef),
        ("other", 48, clef.BassClef),
        ("drums", 36, clef.PercussionClef),
    ],
)
def test_clefs(stem: str, pitch: int, expected: type) -> None:
    score = build(part(stem, written([("0", "4", pitch)], stem)))
    assert type(music21_stream(score).parts[0].getElementsByClass(stream.Measure).first().clef) is expected


def test_the_bass_is_written_an_octave_above_its_sound() -> None:
    score = build(part("bass", written([("0", "4", 28)], "bass")))
    assert voice_of(score)[0].pitch.nameWithOctave == "E2"
    assert music21_stream(score).parts[0].getInstrument().transposition.semitones == -12


def test_two_staves_are_braced_and_two_voices_have_stems_apart() -> None:
    upper = written([("0", "4", 72)], "piano") + written([("0", "1", 60), ("1", "3", 62)], "piano", 1, 2)
    lower = written([("0", "4", 48)], "piano", 2)
    score = build(part("piano", upper + lower, staves=2))
    group = music21_stream(score).getElementsByClass(layout.StaffGroup).first()
    assert group.symbol == "brace"
    assert len(music21_stream(score).parts) == 2
    voices = list(music21_stream(score).parts[0].getElementsByClass(stream.Measure).first().voices)
    assert [v.notes[0].stemDirection for v in voices] == ["up", "down"]


def test_drums_have_their_places_and_heads() -> None:
    score = build(part("drums", written([("0", "1/2", 36), ("0", "1/2", 42), ("1/2", "1/2", 38)], "drums")))
    looks = {
        (n.displayName, n.notehead, n.stemDirection) for n in music21_stream(score).parts[0].flatten().notes
    }
    assert looks == {("F4", "normal", "down"), ("G5", "x", "up"), ("C5", "normal", "up")}


def test_strokes_last_to_the_next_one_or_to_the_beat() -> None:
    rows = [("0", "1/4", 36), ("3/4", "1/8", 36), ("0", "1/8", 42), ("1/2", "1/8", 42), ("1", "1/8", 38)]
    score = build(part("drums", written(rows, "drums")), laid=bars(1))
    hands, feet = score.page[0].staves[0][0].voices
    assert [(e.name, e.dots) for e in hands if e.heads] == [("eighth", 0), ("eighth", 0), ("quarter", 0)]
    assert [(e.name, e.dots) for e in feet if e.heads] == [("eighth", 1), ("16th", 0)]
    assert all(e.hidden for e in feet if not e.heads)


def test_a_stroke_is_never_tied() -> None:
    rows = [("1/12", "1/4", 38), ("7/5", "1/4", 42), ("17/8", "1/8", 36)]
    (bar,) = build(part("drums", written(rows, "drums")), laid=bars(1)).page[0].staves[0]
    heads = [head for voice in bar.voices for element in voice for head in element.heads]
    assert len(heads) == 3
    assert not any(head.tied_to or head.tied_from for head in heads)


def test_both_snares_of_general_midi_at_once_are_one_stroke() -> None:
    score = build(part("drums", written([("0", "1", 38), ("0", "1", 40)], "drums")))
    assert isinstance(voice_of(score)[0], note.Unpitched)


def test_the_tempo_counts_beats() -> None:
    score = build_score([part("vocals", written([("0", "3", 60)]))], bars(1, "6/8"), Key("C"), 71.7)
    mark = music21_stream(score).parts[0].flatten().getElementsByClass(tempo.MetronomeMark).first()
    assert (mark.number, mark.referent.type, mark.referent.dots) == (72, "quarter", 1)
    assert score.quarters_per_minute == 108


def test_chord_symbols() -> None:
    symbols = [
        ChordSymbol(Fraction(0), "Bb", "maj7"),
        ChordSymbol(Fraction(2), "F#", "m7b5", "C"),
        ChordSymbol(Fraction(4), "G", "7"),
    ]
    score = build(part("vocals", written([("0", "4", 60)])), chords=symbols)
    found = music21_stream(score).parts[0].flatten().getElementsByClass(harmony.ChordSymbol)
    assert [(c.offset, c.root().name, c.bass().name, c.chordKind) for c in found] == [
        (0, "B-", "B-", "major-seventh"),
        (2, "F#", "C", "half-diminished-seventh"),
        (4, "G", "G", "dominant-seventh"),
    ]


def test_a_melisma_is_slurred() -> None:
    notes = written([("0", "1", 60), ("1", "1", 62), ("2", "2", 64)])
    score = build(part("vocals", notes, sung=underlay(lyrics("Ah"), notes)))
    slur = music21_stream(score).parts[0].spannerBundle.getByClass("Slur")[0]
    assert [n.pitch.midi for n in slur] == [60, 64]


def test_a_grace_note_comes_before_its_note() -> None:
    score = build(part("vocals", written([("1", "0", 59), ("1", "1", 60)])))
    found = [(n.pitch.midi, n.duration.isGrace) for n in music21_stream(score).parts[0].flatten().notes]
    assert found == [(59, True), (60, False)]


def test_a_song_without_notes_is_a_bar_of_rest() -> None:
    score = build(laid=bars(1))
    assert len(music21_stream(score).parts) == 1
    assert [n.isRest for n in voice_of(score)] == [True]


@st.composite
def voices(draw: st.DrawFn) -> tuple[tuple[Bar, ...], list[ScoreNote]]:
    meter, pick_up = st.sampled_from(["4/4", "3/4", "6/8", "5/4"]), st.sampled_from(["0", "1", "1/2"])
    laid = bars(3, draw(meter), draw(pick_up))
    end = laid[-1].end
    notes: list[ScoreNote] = []
    for voice in (1, 2):
        grid = draw(st.sampled_from([4, 3, 6]))
        places = sorted(draw(st.sets(st.integers(0, int(end * grid) - 1), max_size=14)))
        for place, following in zip(places, [*places[1:], int(end * grid)], strict=False):
            lasts = draw(st.integers(1, following - place))
            for pitch in draw(st.sets(st.integers(48, 84), min_size=1, max_size=3)):
                row = (str(Fraction(place, grid)), str(Fraction(lasts, grid)), pitch)
                notes += written([row], "piano", 1, voice)
    return laid, notes


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(voices())
def test_what_is_written_is_what_was_handed_in(
    tmp_path: Path, case: tuple[tuple[Bar, ...], list[ScoreNote]]
) -> None:
    laid, notes = case
    path = tmp_path / "score.musicxml"
    score = build(part("piano", notes), laid=laid)
    write_musicxml(score, path)
    contents = in_file(path)
    assert contents.faults == []
    assert contents.pitched == {(n.onset, n.pitch) for n in notes}
    quarters = sum(n.quarterLength * len(n.pitches) for n in music21_stream(score).flatten().notes)
    assert quarters == pytest.approx(float(sum(n.duration for n in notes)))
