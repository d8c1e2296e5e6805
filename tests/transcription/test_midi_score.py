"""What a MIDI file says besides its notes: score time, parts, hands, pedals and sung text."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import mido
import numpy as np
import pytest

from transcription.beatgrid import TimeSignature
from transcription.midi import Performance, read_performance, score_kappa

TICKS = 480
Event = tuple[int, mido.Message | mido.MetaMessage]


def notes(pitches: Iterable[int], length: int = TICKS, channel: int = 0, start: int = 0) -> list[Event]:
    """Notes one after the other."""
    events: list[Event] = []
    for number, pitch in enumerate(pitches):
        at = start + number * length
        events.append((at, mido.Message("note_on", note=pitch, velocity=80, channel=channel)))
        events.append((at + length - 1, mido.Message("note_off", note=pitch, channel=channel)))
    return events


def meta(kind: str, at: int = 0, **values: object) -> Event:
    return at, mido.MetaMessage(kind, **values)


def program(number: int, channel: int = 0) -> Event:
    return 0, mido.Message("program_change", program=number, channel=channel)


def read(path: Path, *tracks: list[Event]) -> Performance:
    midi = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    for events in tracks:
        track = mido.MidiTrack()
        now = 0
        for tick, message in sorted(events, key=lambda event: event[0]):
            track.append(message.copy(time=tick - now))
            now = tick
        midi.tracks.append(track)
    midi.save(path / "file.mid")
    return read_performance(path / "file.mid")


SCALE = [60, 62, 64, 65, 67, 69, 71, 72]


def test_a_score_states_its_meters_keys_and_tempos(tmp_path: Path) -> None:
    told = [
        meta("time_signature", numerator=3, denominator=4),
        meta("time_signature", at=6 * TICKS, numerator=6, denominator=8),
        meta("key_signature", key="Bb"),
        meta("set_tempo", tempo=1_000_000),
        meta("set_tempo", at=4 * TICKS, tempo=250_000),
    ]
    made = read(tmp_path, told, notes(SCALE))
    assert made.score is not None
    meters = [(meter.start, str(meter.time_signature)) for meter in made.score.meters]
    assert meters == [(0, "3/4"), (6, "6/8")]
    assert [(key.start, key.fifths) for key in made.score.keys] == [(0, -2)]
    assert [(start, round(tempo)) for start, tempo in made.score.tempos] == [(0, 60), (4, 240)]
    # four quarters of a second, then quarters of a quarter of a second
    assert [note.onset for note in made.notes] == pytest.approx([0, 1, 2, 3, 4, 4.25, 4.5, 4.75])
    assert made.score.quarters_at([note.onset for note in made.notes]) == pytest.approx(range(8))
    assert made.score.seconds_at(5.5) == pytest.approx(4.375)


def test_what_a_recorder_writes_is_no_score(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    played = [
        event
        for number, pitch in enumerate(SCALE * 8)
        for event in notes([pitch], 300, start=number * 431 + int(random.integers(-40, 40)) + 50)
    ]
    told = [meta("set_tempo", tempo=500_000), meta("time_signature", numerator=4, denominator=4)]
    assert read(tmp_path, told, played).score is None


@pytest.mark.parametrize(
    ("onsets", "score"),
    [
        (range(0, 9600, 240), True),
        (range(0, 9600, 160), True),
        ([round(k * 480 / 7) for k in range(70)], True),
        (range(40, 9600, 240), False),  # a grid, but not that of the quarters
        (range(0, 9600, 7), False),
        ([0, 480], False),  # too few to tell
    ],
)
def test_onsets_on_plain_parts_of_the_quarter_make_a_score(onsets: Iterable[int], score: bool) -> None:
    assert (score_kappa(onsets, TICKS) > 0.5) == score


def test_nothing_but_defaults_states_no_key(tmp_path: Path) -> None:
    told = [meta("time_signature", numerator=4, denominator=4), meta("key_signature", key="C")]
    made = read(tmp_path, told, notes(SCALE))
    assert made.score is not None
    assert made.score.keys == ()
    assert made.score.meters[0].time_signature == TimeSignature(4, 4)


def test_a_whole_note_meter_is_four_quarters(tmp_path: Path) -> None:
    made = read(tmp_path, [meta("time_signature", numerator=1, denominator=1)], notes(SCALE))
    assert made.score is not None
    assert str(made.score.meters[0].time_signature) == "4/4"


def test_four_players_are_four_parts(tmp_path: Path) -> None:
    names = ["Violin I", "Violin II", "Viola", "Violoncello"]
    tracks = [
        [
            meta("track_name", name=name),
            program(40 + max(0, number - 1), number),
            *notes([p - 7 * number for p in SCALE], channel=number),
        ]
        for number, name in enumerate(names)
    ]
    made = read(tmp_path, *tracks)
    assert [track.stem for track in made.tracks] == names
    assert [track.staves for track in made.tracks] == [1] * 4
    assert {(note.track, note.stem) for note in made.notes} == set(enumerate(names))


@pytest.mark.parametrize(
    "names", [("Piano", "Piano"), ("", ""), ("Piano RH", "Piano LH"), ("Right hand", "Left hand")]
)
def test_two_tracks_of_a_piano_are_its_staves(tmp_path: Path, names: tuple[str, str]) -> None:
    right = [meta("track_name", name=names[0]), program(0), *notes(SCALE)]
    left = [meta("track_name", name=names[1]), *notes([p - 24 for p in SCALE])]
    made = read(tmp_path, [meta("set_tempo", tempo=600_000)], right, left)
    assert [(track.stem, track.staff, track.staves) for track in made.tracks] == [
        ("piano", 1, 2),
        ("piano", 2, 2),
    ]


def test_two_singers_on_the_piano_program_stay_two_parts(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        [meta("track_name", name="Soprano"), *notes(SCALE)],
        [meta("track_name", name="Alto"), *notes([p - 5 for p in SCALE])],
    )
    assert [(track.stem, track.staves) for track in made.tracks] == [("Soprano", 1), ("Alto", 1)]


def test_a_grace_note_whose_end_comes_first_takes_no_time(tmp_path: Path) -> None:
    grace = [
        (480, mido.Message("note_off", note=74)),
        (480, mido.Message("note_on", note=74, velocity=80)),
    ]
    made = read(tmp_path, [*notes([60, 72]), *grace, *notes([74], start=960)])
    lengths = [note.duration for note in made.notes if note.pitch == 74]
    assert lengths == pytest.approx([0.01, 0.499], abs=2e-3)


def test_the_pedal_is_down_while_any_channel_holds_it(tmp_path: Path) -> None:
    def pedal(at: int, value: int, channel: int) -> Event:
        return at, mido.Message("control_change", control=64, value=value, channel=channel)

    made = read(
        tmp_path, [*notes(SCALE), pedal(480, 127, 0), pedal(960, 90, 1), pedal(1440, 0, 0), pedal(1920, 0, 1)]
    )
    assert [(p.onset, p.offset) for p in made.pedals] == [(0.5, 2.0)]


def test_lyrics_belong_to_the_line_that_sings_them(tmp_path: Path) -> None:
    words = [meta("lyrics", at=TICKS * number, text=text) for number, text in enumerate(("Twin", "kle"))]
    made = read(
        tmp_path,
        [meta("track_name", name="A song")],
        [meta("track_name", name="Words"), *words],
        [meta("track_name", name="Chords"), program(0), *notes([48, 50], length=4 * TICKS)],
        [meta("track_name", name="Line"), program(73, 1), *notes(SCALE, channel=1)],
    )
    assert made.title == "A song"
    assert [(text.text, made.tracks[text.track].name) for text in made.texts] == [
        ("Twin", "Line"),
        ("kle", "Line"),
    ]


def test_text_in_utf8_and_latin1_is_read(tmp_path: Path) -> None:
    for name in ("Flöte".encode().decode("latin-1"), "Flöte"):
        made = read(tmp_path, [meta("track_name", name=name), program(73), *notes(SCALE)], notes(SCALE))
        assert made.tracks[0].name == "Flöte"


def test_positions_are_exact_fractions_of_a_tick(tmp_path: Path) -> None:
    made = read(tmp_path, notes(SCALE, 160))
    assert made.score is not None
    assert made.score.tick == Fraction(1, 480)
