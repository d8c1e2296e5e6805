from __future__ import annotations

from fractions import Fraction

import pytest
from music21 import clef, note, stream

from lyrics.words import Lyrics
from notation.events import Key
from notation.export import music21_stream
from notation.notate import NotationSettings, notate
from notation.registers import ClefAndOctave
from tests.notation.builders import lyrics
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.notes import Note

SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def grid(beats: int, per_bar: int = 4, meter: TimeSignature = TimeSignature()) -> BeatGrid:
    """Beats at 120 a minute from 0 on."""
    return BeatGrid(tuple(i / 2 for i in range(beats)), tuple(1 + i % per_bar for i in range(beats)), meter)


def line(pitches: tuple[int, ...], stem: str, every: float = 0.5) -> list[Note]:
    return [Note(i * every, (i + 0.95) * every, p, stem=stem) for i, p in enumerate(pitches)]


def test_a_scale_is_written_as_played() -> None:
    score = notate(line(SCALE, "vocals"), grid(9), lyrics("do re mi fa so la ti do"))
    (part,) = score.parts
    assert [(n.onset, n.duration, n.pitch) for n in part.notes] == [
        (Fraction(i), Fraction(1), p) for i, p in enumerate(SCALE)
    ]
    assert score.key == Key("C")
    assert len(score.bars) == 2
    assert score.beats_per_minute == 120
    texts = [n.lyric for n in music21_stream(score).parts[0].flatten().notes if isinstance(n, note.Note)]
    assert texts == ["do", "re", "mi", "fa", "so", "la", "ti", "do"]


def test_parts_come_in_the_order_of_a_score_and_none_is_empty() -> None:
    heard = (
        line((36, 42, 38, 42), "drums")
        + line((40, 43), "bass", 1.0)
        + line((60, 64), "other", 1.0)
        + line((72, 74), "vocals", 1.0)
        + line((55, 59), "kazoo", 1.0)
    )
    score = notate(heard, grid(9))
    assert [part.stem for part in score.parts] == ["vocals", "kazoo", "other", "bass", "drums"]
    names = [part.partName for part in music21_stream(score).parts]
    assert names == ["Voice", "Accompaniment", "Accompaniment", "Bass", "Drums"]


def test_a_piano_has_two_staves_even_where_one_hand_plays() -> None:
    thirds = [*line((72, 74, 76, 77), "piano"), *line((76, 77, 79, 81), "piano")]
    score = notate(thirds, grid(5))
    staves = list(music21_stream(score).parts)
    assert len(staves) == 2
    clefs = [staff.getElementsByClass(stream.Measure).first().clef for staff in staves]
    assert [type(c) for c in clefs] == [clef.TrebleClef, clef.BassClef]


def test_a_melody_has_one_staff_even_on_a_piano() -> None:
    (staff,) = music21_stream(notate(line((72, 74, 76, 77), "piano"), grid(5))).parts
    assert isinstance(staff.getElementsByClass(stream.Measure).first().clef, clef.TrebleClef)


def test_the_voice_has_one_note_at_a_time() -> None:
    heard = [Note(0.0, 2.0, 60, stem="vocals"), Note(1.0, 1.5, 64, stem="vocals")]
    (part,) = notate(heard, grid(9)).parts
    assert part.notes[0].end <= part.notes[1].onset


def test_the_users_key_is_kept() -> None:
    score = notate(line((61, 63), "vocals"), grid(5), settings=NotationSettings(key=Key("Db")))
    assert score.key == Key("Db")
    assert [
        n.pitch.name for n in music21_stream(score).parts[0].flatten().notes if isinstance(n, note.Note)
    ] == [
        "D-",
        "E-",
    ]


def test_six_eight_counts_dotted_quarters() -> None:
    heard = line((60, 62, 64, 65, 67, 69), "vocals", 1 / 6)
    score = notate(heard, grid(5, 2, TimeSignature(6, 8)))
    (part,) = score.parts
    assert {n.duration for n in part.notes} == {Fraction(1, 2)}
    assert score.quarters_per_minute == 180


def test_silence_is_a_score() -> None:
    score = notate([], grid(5), title="Silence")
    assert score.parts == ()
    assert score.title == "Silence"
    assert len(score.bars) >= 1
    assert [n.isRest for n in music21_stream(score).flatten().notesAndRests] == [True] * len(score.bars)


def test_words_without_sung_notes_are_spoken_on_time() -> None:
    words = Lyrics(lyrics("la la la la").lines + lyrics("hey you there", start=2.5).lines)
    score = notate(line((60, 62, 64, 65), "vocals"), grid(9), words)
    found = [n for n in music21_stream(score).parts[0].flatten().notes if isinstance(n, note.Note)]
    found = [n for n in found if n.tie is None or n.tie.type == "start"]
    assert [n.lyric for n in found] == ["la", "la", "la", "la", "hey", "you", "there"]
    assert [n.notehead for n in found] == ["normal"] * 4 + ["x"] * 3
    assert [n.offset for n in found] == [0, 1, 2, 3, 5, 6, 7]


def test_words_alone_make_a_voice() -> None:
    score = notate([], grid(9), lyrics("hey you there"))
    assert [part.stem for part in score.parts] == ["vocals"]
    assert [n.lyric for n in music21_stream(score).flatten().notes] == ["hey", "you", "there"]
    assert score.chords == ()


def test_nothing_is_spoken_while_the_voice_sings() -> None:
    score = notate([Note(0.0, 2.0, 60, stem="vocals")], grid(9), lyrics("many words on one note", every=0.4))
    assert {n.notehead for n in music21_stream(score).flatten().notes if isinstance(n, note.Note)} == {
        "normal"
    }


def test_a_bass_line_keeps_the_surest_of_notes_heard_together() -> None:
    sure, overtone = Note(0.0, 1.0, 40, stem="bass"), Note(0.01, 1.0, 52, confidence=0.4, stem="bass")
    (part,) = notate([sure, overtone], grid(9)).parts
    assert [(each.heard, each.absorbed) for each in part.notes] == [(sure, (overtone,))]


def test_a_double_stop_that_was_surely_played_stays() -> None:
    heard = [Note(0.0, 1.0, 40, stem="bass"), Note(0.0, 1.0, 47, stem="bass")]
    (part,) = notate(heard, grid(9)).parts
    assert [each.heard for each in part.notes] == heard


def test_a_keyboard_alone_gets_chord_symbols_only_when_asked() -> None:
    heard = [Note(i, i + 1.0, pitch, stem="piano") for i in range(4) for pitch in (48, 64, 67, 72)]
    assert notate(heard, grid(9)).chords == ()
    assert notate(heard, grid(9), settings=NotationSettings(chords="on")).chords != ()


def test_a_part_is_read_in_the_clef_and_octave_that_the_user_says() -> None:
    notes = line((60, 64, 67, 72), "other")
    plain = notate(notes, grid(9))
    assert {bar.clef for bar in plain.page[0].staves[0]} == {"treble"}
    for sign, octave, written in (
        ("alto", None, 4),
        ("treble", -1, 3),
        ("bass", 1, 5),
        ("treble-8", None, 4),
    ):
        settings = NotationSettings(readings=(("other", ClefAndOctave(sign, octave)),))
        part = notate(notes, grid(9), settings=settings).page[0]
        assert {bar.clef for bar in part.staves[0]} == {sign}
        assert part.voicing.octave == (octave or 0)
        first = part.staves[0][0].voices[0][0].heads[0]
        assert (first.step, first.octave) == ("C", written)


def test_another_octave_on_paper_sounds_the_same() -> None:
    settings = NotationSettings(readings=(("vocals", ClefAndOctave("bass", 1)),))
    score = music21_stream(notate(line((48, 50, 52, 53), "vocals"), grid(9), settings=settings))
    assert [n.pitch.midi for n in score.parts[0].toSoundingPitch().flatten().notes] == [48, 50, 52, 53]


def test_the_clef_of_two_staves_is_the_upper_ones() -> None:
    low = line((36, 38, 40, 41), "piano")
    high = line((72, 74, 76, 77), "piano")
    settings = NotationSettings(readings=(("piano", ClefAndOctave("alto")),))
    upper, lower = notate([*low, *high], grid(9), settings=settings).page[0].staves
    assert ({bar.clef for bar in upper}, {bar.clef for bar in lower}) == ({"alto"}, {"bass"})


@pytest.mark.parametrize(("clef", "octave"), [("percussion", None), ("soprano", None), (None, 3)])
def test_what_nobody_reads_is_refused(clef: str | None, octave: int | None) -> None:
    with pytest.raises(ValueError, match=r"clef is one of|octaves off"):
        ClefAndOctave(clef, octave)
