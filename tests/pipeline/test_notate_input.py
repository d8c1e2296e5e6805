"""What may be handed to ``fullscore notate``: each MIDI file ends in one sentence or in a sound score.

MIDI files are put together byte by byte, since the libraries refuse to write what is tried here.
"""

from __future__ import annotations

import itertools
import os
import resource
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fullscore.errors import FullscoreError
from notation.export import write_musicxml
from notation.notate import NotationSettings
from notation.notate import notate as notate_notes
from pipeline.cli import DONE, FAILED, WRONG_USAGE, main
from pipeline.settings import parse_time_signature
from transcription.beatgrid import BeatGrid
from transcription.notes import Note

ROOT = Path(__file__).resolve().parents[2]
QUARTER = 480  # ticks
Heard = pytest.CaptureFixture[str]


# --- MIDI by hand -----------------------------------------------------------------------------------


def length(number: int) -> bytes:
    """A number as MIDI writes it: seven bits a byte."""
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content)) + content


def on(wait: int, pitch: int, velocity: int = 80, channel: int = 0) -> bytes:
    return length(wait) + bytes((0x90 | channel, pitch, velocity))


def off(wait: int, pitch: int, channel: int = 0) -> bytes:
    return length(wait) + bytes((0x80 | channel, pitch, 0))


def meta(kind: int, content: bytes, wait: int = 0) -> bytes:
    return length(wait) + bytes((0xFF, kind)) + length(len(content)) + content


def tempo(microseconds: int, wait: int = 0) -> bytes:
    return meta(0x51, microseconds.to_bytes(3, "big"), wait)


def meter(numerator: int, power: int, wait: int = 0) -> bytes:
    return meta(0x58, bytes((numerator, power, 24, 8)), wait)


def track(*events: bytes) -> bytes:
    return chunk(b"MTrk", b"".join(events) + meta(0x2F, b""))


def midi(*tracks: bytes, kind: int = 1, division: int = QUARTER) -> bytes:
    return chunk(b"MThd", struct.pack(">HHH", kind, len(tracks), division)) + b"".join(tracks)


def scale(pitches: Sequence[int] = (60, 62, 64, 65, 67, 69, 71, 72), ticks: int = QUARTER) -> bytes:
    """One note after the other."""
    return b"".join(on(0, pitch) + off(ticks, pitch) for pitch in pitches)


# --- what a sound score is --------------------------------------------------------------------------


def notate(content: bytes, folder: Path, *more: str | Path, name: str = "played.mid") -> int:
    (folder / name).write_bytes(content)
    return run("notate", folder / name, "-o", folder / "score.musicxml", *more)


def run(*arguments: str | Path) -> int:
    try:
        return main([*map(str, arguments)])
    except SystemExit as stopped:
        return int(stopped.code or 0)


def said_once(heard: Heard) -> str:
    """The one sentence in which a failure is told."""
    said = heard.readouterr().err
    assert "Traceback" not in said
    assert "unexpected" not in said
    (sentence,) = said.splitlines()
    assert sentence.startswith("fullscore")
    return sentence


def sound(path: Path) -> list[int]:
    """The pitches that the score has, after a check that its bars are full. Drums count as 0."""
    root = ET.parse(path).getroot()
    pitches = []
    lengths: list[list[Fraction]] = []
    for part in root.findall("part"):
        divisions = 1
        row = []
        for measure in part.findall("measure"):
            divisions = int(measure.findtext("attributes/divisions", str(divisions)))
            at, reached = 0, 0
            for element in measure:
                value = int(element.findtext("duration", "0"))
                if element.tag == "backup":
                    at -= value
                elif element.tag == "forward" or (element.tag == "note" and element.find("chord") is None):
                    at += value
                assert at >= 0
                reached = max(reached, at)
                if element.tag == "note" and element.find("rest") is None and not continues(element):
                    pitches.append(written_pitch(element))
            row.append(Fraction(reached, divisions))
        assert all(value > 0 for value in row)
        lengths.append(row)
    assert all(row == lengths[0] for row in lengths)
    return sorted(pitches)


def continues(element: ET.Element) -> bool:
    """Whether a written note is tied to the one before."""
    return any(tie.get("type") == "stop" for tie in element.findall("tie"))


def written_pitch(element: ET.Element) -> int:
    step = element.findtext("pitch/step")
    if step is None:
        return 0
    above_c = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[step]
    octave = int(element.findtext("pitch/octave", "4"))
    return above_c + int(element.findtext("pitch/alter", "0")) + 12 * (octave + 1)


# --- what is no performance -------------------------------------------------------------------------

NO_PERFORMANCE = {
    "text": b"la la la\n" * 50,
    "empty": b"",
    "recording": b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
    "header alone": midi(),
    "half a header": b"MThd\0\0\0",
    "cut off": midi(track(scale()))[:-20],
    "cut off in a number": midi(track(scale(), meta(1, b"x")))[:30],
    "no notes": midi(track(meta(3, b"silence"))),
    "only note-offs": midi(track(off(0, 60), off(480, 62))),
    "only silent note-ons": midi(track(on(0, 60, 0), on(480, 62, 0))),
    "division 0": midi(track(scale()), division=0),
    "endless number": midi(chunk(b"MTrk", b"\xff" * 64)),
}


@pytest.mark.parametrize("name", NO_PERFORMANCE)
def test_what_is_no_performance_is_one_sentence(name: str, tmp_path: Path, capsys: Heard) -> None:
    assert notate(NO_PERFORMANCE[name], tmp_path, name=f"{name}.mid") == FAILED
    assert f"{name}.mid" in said_once(capsys)
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.mid"]


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path, capsys: Heard) -> None:
    for path in (tmp_path, tmp_path / "none.mid"):
        assert run("notate", path, "-o", tmp_path / "score.musicxml") == FAILED
        assert str(path) in said_once(capsys)


# --- odd performances that have a score -------------------------------------------------------------

TRIADS = ((48, 52, 55), (53, 57, 60), (55, 59, 62), (48, 52, 55))
HELD_SCALE = [60, 62, 64, 65, 67, 69, 71, 72]


def many_channels() -> bytes:
    tracks = [
        track(on(0, 40 + number % 40, channel=number % 16), off(QUARTER, 40 + number % 40, number % 16))
        for number in range(128)
    ]
    return midi(*tracks)


def meters_every_bar() -> bytes:
    changes = b"".join(meter(2 + bar % 4, 2, 4 * QUARTER if bar else 0) for bar in range(12))
    return midi(track(changes), track(scale(HELD_SCALE * 3)))


def tempos(count: int) -> bytes:
    return track(*(tempo(300_000 + 1000 * (number % 400), number > 0) for number in range(count)))


ODD: dict[str, tuple[bytes, list[int]]] = {
    # content, and the pitches that the score must have
    "drums alone": (midi(track(*(on(0, key, 90, 9) + off(240, key, 9) for key in (36, 38) * 8))), [0] * 16),
    "no length": (midi(track(*(on(480, pitch) + off(0, pitch) for pitch in HELD_SCALE))), HELD_SCALE),
    "same pitch over itself": (
        midi(track(on(0, 60), on(480, 60), off(480, 60), off(480, 60), scale())), [60, 60, *HELD_SCALE],
    ),
    "a hundred at one instant": (
        midi(track(*map(partial(on, 0), range(9, 109)), off(480, 9), *map(partial(off, 0), range(10, 109)))),
        list(range(9, 109)),
    ),
    "all at one instant, twice each": (
        midi(track(*map(partial(on, 0), [60, 64] * 5), off(480, 64), *map(partial(off, 0), [60, 64] * 5))),
        [60, 64],
    ),
    "ten minutes": (midi(track(on(0, 60), off(1200 * QUARTER, 60))), [60]),
    "ten minutes under a melody": (
        midi(track(scale()), track(on(0, 36), off(1200 * QUARTER, 36))), [36, *HELD_SCALE],
    ),
    "single": (midi(track(on(0, 60), off(480, 60))), [60]),
    "single of a tick": (midi(track(on(0, 60), off(1, 60))), [60]),
    "lowest and highest": (midi(track(scale([0, 127, 0, 127, 1, 126]))), [0, 0, 1, 126, 127, 127]),
    "0 us a beat": (midi(track(tempo(0), scale())), HELD_SCALE),
    "1 us a beat": (midi(track(tempo(1), scale())), HELD_SCALE),
    "16 s a beat": (midi(track(tempo(0xFFFFFF), scale())), HELD_SCALE),
    "thousands of tempos": (midi(tempos(5000), track(scale())), HELD_SCALE),
    "60 000 000 and 4 by turns": (
        midi(track(*(tempo((1, 0xFFFFFF)[n % 2], 100 * (n > 0)) for n in range(40))), track(scale())),
        HELD_SCALE,
    ),
    "frames a second": (midi(track(scale(ticks=20)), division=0xE728), HELD_SCALE),
    "format 0": (midi(track(tempo(500_000), scale()), kind=0), HELD_SCALE),
    "format 2": (midi(track(scale()), track(scale([36, 38])), kind=2), [36, 38, *HELD_SCALE]),
    "format 7": (midi(track(scale()), kind=7), HELD_SCALE),
    "meter 0/4": (midi(track(meter(0, 2), scale())), HELD_SCALE),
    "meter 255/1": (midi(track(meter(255, 0), scale())), HELD_SCALE),
    "meter 4/2^200": (midi(track(meter(4, 200), scale())), HELD_SCALE),
    "meter 5/8": (midi(track(meter(5, 3), scale(ticks=240))), HELD_SCALE),
    "meter 4 ticks late": (midi(track(meter(4, 2), meter(1, 1, 1924)), track(scale())), HELD_SCALE),
    "meters every bar": (meters_every_bar(), sorted(HELD_SCALE * 3)),
    "silent note-ons for note-offs": (
        midi(track(*(on(0, pitch) + on(480, pitch, 0) for pitch in HELD_SCALE))), HELD_SCALE,
    ),
    "one hangs": (midi(track(on(0, 48), scale())), [48, *HELD_SCALE]),
    "all hang": (midi(track(*(on(480, pitch) for pitch in HELD_SCALE))), HELD_SCALE),
    "name in Latin-1": (midi(track(meta(3, "Flöte".encode("latin-1")), scale())), HELD_SCALE),
    "name of broken UTF-8": (midi(track(meta(3, b"\xc3\x28\xff\xfe"), scale())), HELD_SCALE),
    "name of control characters": (
        midi(track(meta(3, bytes(range(32))), meta(1, b"\0<&>]]>"), scale())), HELD_SCALE,
    ),
    "name of 10 000 letters": (midi(track(meta(3, b"x" * 10_000), scale())), HELD_SCALE),
    "keys that are none": (midi(track(meta(0x59, b"\x7f\x05"), scale())), HELD_SCALE),
    "key of two bytes too few": (midi(track(meta(0x59, b""), scale())), HELD_SCALE),
    "tempo of a byte": (midi(track(meta(0x51, b"\x07"), scale())), HELD_SCALE),
    "pedal without end": (midi(track(b"\x00\xb0\x40\x7f", scale())), HELD_SCALE),
    "text after the last track": (midi(track(scale())) + b"\n-- sent by mail --\n", HELD_SCALE),
    "a strange chunk before": (midi(chunk(b"XFIH", b"???"), track(scale())), HELD_SCALE),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_performance_becomes_a_sound_score(name: str, tmp_path: Path) -> None:
    content, pitches = ODD[name]
    assert notate(content, tmp_path) == DONE
    written = sound(tmp_path / "score.musicxml")
    assert set(written) == set(pitches)
    assert len(written) >= len(
        pitches
    )  # one key struck several times at once may be written in several voices


def test_the_parts_of_128_tracks_are_all_there(tmp_path: Path) -> None:
    assert notate(many_channels(), tmp_path) == DONE
    assert {0, *range(40, 80)} == set(sound(tmp_path / "score.musicxml"))


@pytest.mark.parametrize("waited", [3 * 3600, 24 * 3600, 30 * 3600])
def test_a_wait_of_hours_is_told(waited: int, tmp_path: Path, capsys: Heard) -> None:
    seconds = track(tempo(10_000_000))  # a tick each
    played = track(scale(ticks=1), on(waited, 60), off(1, 60), scale(ticks=1))
    assert notate(midi(seconds, played, division=10), tmp_path) == FAILED
    assert f"for {waited // 60} minutes after" in said_once(capsys)


@pytest.mark.parametrize("held", [30 * 3600, 9_000_000])
def test_a_note_held_for_days_is_told(held: int, tmp_path: Path, capsys: Heard) -> None:
    played = track(scale(ticks=1), on(0, 60), off(held, 60))
    assert notate(midi(track(tempo(10_000_000)), played, division=10), tmp_path) == FAILED
    assert "hours, but" in said_once(capsys)


# --- beats, overrides, places to write --------------------------------------------------------------


@pytest.fixture
def played(tmp_path: Path) -> Path:
    path = tmp_path / "scale.mid"
    path.write_bytes(midi(track(scale())))
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"0.5\n",
        b"0.5\nnan\n1.0\n",
        b"0.5\ninf\n",
        b"-1e300\n1e300\n",
        b"0.5,1.0,1.5\n",
        b"one\ntwo\n",
        bytes(range(256)),
        b"0\n1e-300\n",
        b"0\n0.000001\n0.000002\n",
    ],
)
def test_beats_that_cannot_be_used_are_told(
    content: bytes, played: Path, tmp_path: Path, capsys: Heard
) -> None:
    (tmp_path / "beats.txt").write_bytes(content)
    score = tmp_path / "score.musicxml"
    assert run("notate", played, "-o", score, "--beats", tmp_path / "beats.txt") == FAILED
    assert "beats.txt" in said_once(capsys)
    assert not score.exists()


@pytest.mark.parametrize(
    "content",
    [
        "0.5\n1.0\n",
        "100\n100.5\n101\n",
        "0\n1000\n",
        "1 3\n1.5 4\n2 1\n",
        "0 1 x\n1 2 y\n2 1 z\n",
        "0.5\n1.0\n0.75\n1.5\n",
        "0.5 one\n1.0 two\n",
        "0.5 1\n1.0 -2\n",
    ],
)
def test_odd_beats_are_continued_over_the_notes(content: str, played: Path, tmp_path: Path) -> None:
    (tmp_path / "beats.txt").write_text(content)
    score = tmp_path / "score.musicxml"
    assert run("notate", played, "-o", score, "--beats", tmp_path / "beats.txt") == DONE
    assert sound(score) == HELD_SCALE


def test_a_missing_file_of_beats_and_a_folder_are_told(played: Path, tmp_path: Path, capsys: Heard) -> None:
    for beats in (tmp_path, tmp_path / "none.txt"):
        assert run("notate", played, "-o", tmp_path / "s.musicxml", "--beats", beats) == FAILED
        assert str(beats) in said_once(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tempo", "0"],
        ["--tempo", "-60"],
        ["--tempo", "1e9"],
        ["--tempo", "nan"],
        ["--tempo", "allegro"],
        ["--time-signature", "0/4"],
        ["--time-signature", "-3/4"],
        ["--time-signature", "4/3"],
        ["--time-signature", "1000000000000/4"],
        ["--key", "H dur"],
        ["--key", ""],
        ["--chords", "some"],
        ["--pick-up", "-1"],
        ["--pick-up", "nan"],
        ["--pick-up", "1/0"],
        ["--pick-up", "1e9"],
        ["--pick-up", "a beat"],
        ["--keys", "C major"],
    ],
)
def test_an_override_that_cannot_be_is_wrong_usage(
    arguments: list[str], played: Path, tmp_path: Path, capsys: Heard
) -> None:
    assert run("notate", played, "-o", tmp_path / "score.musicxml", *arguments) == WRONG_USAGE
    assert said_once(capsys)
    assert not (tmp_path / "score.musicxml").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tempo", "20"],
        ["--tempo", "400"],
        ["--time-signature", "1/32"],
        ["--time-signature", "32/1"],
        ["--key", "Cb minor"],
        ["--simplify"],
        ["--chords", "off"],
        ["--pick-up", "0"],
        ["--pick-up", "1/4"],
        ["--pick-up", "32"],
    ],
)
def test_the_farthest_overrides_are_honoured(arguments: list[str], played: Path, tmp_path: Path) -> None:
    assert run("notate", played, "-o", tmp_path / "score.musicxml", *arguments) == DONE
    assert sound(tmp_path / "score.musicxml") == HELD_SCALE


@pytest.mark.parametrize("name", ["score", "score.", ".musicxml", "score.docx", "x" * 300 + ".musicxml"])
def test_a_score_that_cannot_be_called_so_is_told(
    name: str, played: Path, tmp_path: Path, capsys: Heard
) -> None:
    assert run("notate", played, "-o", tmp_path / name) == FAILED
    assert said_once(capsys)
    assert [path.name for path in tmp_path.iterdir()] == [played.name]


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [(".xml", b"<?xml"), (".MXL", b"PK"), (".mid", b"MThd"), (".pdf", b"%PDF")],
)
def test_the_suffix_says_the_format(suffix: str, begins: bytes, played: Path, tmp_path: Path) -> None:
    score = tmp_path / f"score{suffix}"
    assert run("notate", played, "-o", score) == DONE
    assert score.read_bytes().startswith(begins)
    once = score.read_bytes()
    assert run("notate", played, "-o", score) == DONE
    assert score.read_bytes() == once


def test_compressed_musicxml_holds_the_same_score(played: Path, tmp_path: Path) -> None:
    for name in ("score.musicxml", "score.mxl"):
        assert run("notate", played, "-o", tmp_path / name) == DONE
    with ZipFile(tmp_path / "score.mxl") as archive:
        container = ET.fromstring(archive.read("META-INF/container.xml"))
        held = archive.read(container.find("rootfiles/rootfile").get("full-path"))
    assert held == (tmp_path / "score.musicxml").read_bytes()


def test_a_score_does_not_take_the_place_of_its_performance(
    played: Path, tmp_path: Path, capsys: Heard
) -> None:
    before = played.read_bytes()
    assert run("notate", played, "-o", tmp_path / "." / "scale.mid") == FAILED
    assert "would take the place" in said_once(capsys)
    assert played.read_bytes() == before


def test_missing_folders_are_made_for_the_score(played: Path, tmp_path: Path) -> None:
    assert run("notate", played, "-o", tmp_path / "a" / "b" / "score.musicxml") == DONE
    assert sound(tmp_path / "a" / "b" / "score.musicxml") == HELD_SCALE


@pytest.mark.parametrize(
    "place",
    ["/proc/score.musicxml", "/dev/null/score.musicxml", "scale.mid/score.musicxml", "folder.musicxml"],
)
def test_a_place_that_cannot_be_written_is_told(
    place: str, played: Path, tmp_path: Path, capsys: Heard
) -> None:
    (tmp_path / "folder.musicxml").mkdir()
    before = {path.name for path in tmp_path.rglob("*")}
    assert run("notate", played, "-o", tmp_path / place) == FAILED
    assert "can't write" in said_once(capsys)
    assert {path.name for path in tmp_path.rglob("*")} == before


def test_a_full_disk_leaves_the_older_score(played: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk's end."""
    score = tmp_path / "score.musicxml"
    score.write_text("older")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "notate", str(played), "-o", str(score)],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == FAILED
    assert len(done.stderr.splitlines()) == 1
    assert f"can't write {score}" in done.stderr
    assert score.read_text() == "older"
    assert {path.name for path in tmp_path.iterdir()} == {played.name, score.name}


@pytest.mark.parametrize(
    "name",
    [
        "<b>&amp;\"quoted\" 'x' ]]>.mid",
        "tab\tline\nbell\a.mid",
        "Für Elise 🎵.mid",
        "x" * 240 + ".mid",
        "-o.mid",
        b"broken \xff\xfe.mid",
    ],
)
def test_any_name_becomes_a_title(name: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(midi(track(scale())))
    assert run("notate", path, "-o", tmp_path / "score.musicxml") == DONE
    assert sound(tmp_path / "score.musicxml") == HELD_SCALE


# --- whatever comes ---------------------------------------------------------------------------------

heard_notes = st.lists(
    st.builds(
        lambda onset, length, pitch, velocity, stem: Note(onset, onset + length, pitch, velocity, stem=stem),
        onset=st.one_of(st.floats(0, 20), st.integers(0, 40).map(lambda n: n / 4)),
        length=st.one_of(st.floats(0.001, 0.1), st.floats(0.1, 4)),
        pitch=st.integers(0, 127),
        velocity=st.integers(1, 127),
        stem=st.sampled_from(("piano", "piano", "vocals", "bass", "guitar", "drums", "Oboe <&\x01>")),
    ),
    min_size=1,
    max_size=24,
    unique_by=lambda note: (note.onset, note.pitch, note.stem),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    notes=heard_notes,
    beats=st.lists(st.floats(0.1, 3), min_size=2, max_size=12),
    start=st.floats(-3, 3),
    meter=st.sampled_from(("4/4", "3/4", "6/8", "5/8", "1/32", "12/8", "32/1")),
    chosen=st.builds(
        NotationSettings,
        pick_up=st.sampled_from((None, None, Fraction(0), Fraction(1), Fraction(5, 2))),
        simplify=st.booleans(),
        chords=st.sampled_from(("auto", "on")),
    ),
)
def test_any_notes_over_any_beats_are_all_written(
    notes: list[Note], beats: list[float], start: float, meter: str, chosen: NotationSettings
) -> None:
    signature = parse_time_signature(meter)
    times = tuple(itertools.accumulate(beats, initial=start))
    grid = BeatGrid(times, tuple(n % signature.beats_per_bar + 1 for n in range(len(times))), signature)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "score.musicxml"
        try:
            score = notate_notes(notes, grid, settings=chosen, title="\x00<&>")
        except FullscoreError:
            assert chosen.pick_up  # of which a bar of the meter may hold no part
            return
        write_musicxml(score, path)
        written = sound(path)
    # A bass is written an octave higher than it sounds.
    for note in notes:
        looks = {0} if note.stem == "drums" else {note.pitch, note.pitch + 12}
        assert looks & set(written)


PLAYED = midi(
    track(tempo(500_000), meter(3, 2), meta(3, b"Waltz"), meta(0x59, b"\x01\x00")),
    track(
        meta(3, b"Piano"), b"\x00\xc0\x00", scale([67, 71, 74, 72, 71, 69, 67]), b"\x00\xb0\x40\x7f", scale()
    ),
    track(meta(3, b"Drums"), *(on(0, 36, 90, 9) + off(480, 36, 9) for _ in range(15))),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, len(PLAYED) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 40),
)
def test_broken_bytes_are_told_or_read(
    flips: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory, capsys: Heard
) -> None:
    folder = tmp_path_factory.mktemp("broken")
    content = bytearray(PLAYED)
    for place, byte in flips:
        content[place] = byte
    if notate(bytes(content[: len(content) - cut * (cut > 30)]), folder) == FAILED:
        assert said_once(capsys)
        assert [path.name for path in folder.iterdir()] == ["played.mid"]
    else:
        assert sound(folder / "score.musicxml")
