"""MIDI files are written here byte by byte, as in tests/pipeline/test_notate_input.py."""

from __future__ import annotations

import struct
from io import BytesIO

import mido
import pytest

from transcription.smf import mend

NOTE = b"\x00\x90\x3c\x50\x60\x3c\x00"  # a quarter with running status
END = b"\x00\xff\x2f\x00"


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content)) + content


def header(kind: int = 1, tracks: int = 1) -> bytes:
    return chunk(b"MThd", struct.pack(">HHH", kind, tracks, 96))


def messages(content: bytes) -> list[str]:
    file = mido.MidiFile(file=BytesIO(mend(content)))
    return [str(message) for track in file.tracks for message in track]


PLAIN = messages(header() + chunk(b"MTrk", NOTE + END))


@pytest.mark.parametrize(
    "extra",
    [
        b"\x00\xff\x59\x02\x7f\x05",  # 127 sharps
        b"\x00\xff\x59\x00",
        b"\x00\xff\x58\x04\x00\x02\x18\x08",  # 0/4
        b"\x00\xff\x51\x01\x07",
        b"\x00\xff\x7f\x02\x00\x00",  # a sequencer's own
        b"\x00\xf0\x03\x7e\x09\xf7",
        b"\x00\xf2\x01\x02\x00\xf8",
    ],
)
def test_what_no_reader_needs_is_left_out_and_running_status_goes_on(extra: bytes) -> None:
    first, second = NOTE[:4], NOTE[4:]
    assert messages(header() + chunk(b"MTrk", extra + NOTE + END)) == PLAIN
    assert messages(header() + chunk(b"MTrk", first + extra + second + END)) == PLAIN


def test_foreign_chunks_a_riff_file_and_a_missing_end_do_no_harm() -> None:
    track = chunk(b"MTrk", NOTE)
    for content in (
        header() + chunk(b"XFIH", b"?") + track,
        header(tracks=9) + track,
        header(kind=7) + track + b"\n-- sent by mail",
        chunk(b"RIFF", b"RMIDdata" + struct.pack("<I", 33) + header() + track),
    ):
        assert messages(content) == PLAIN


def test_names_meters_keys_and_where_the_track_ends_stay() -> None:
    told = b"\x00\xff\x03\x01x\x00\xff\x58\x04\x06\x03\x24\x08\x00\xff\x59\x02\xfd\x01"
    made = messages(header() + chunk(b"MTrk", told + NOTE + b"\x81\x00\xff\x2f\x00"))
    assert [text.split("(")[1].split(",")[0] for text in made[:3]] == [
        "'track_name'", "'time_signature'", "'key_signature'",
    ]  # fmt: skip
    assert "key='Cm'" in made[2]
    assert made[-1] == "MetaMessage('end_of_track', time=128)"


def test_frames_become_ticks_of_a_second() -> None:
    told = b"\x00\xff\x51\x03\x07\xa1\x20"  # says nothing where frames are counted
    frames = chunk(b"MThd", struct.pack(">HHbB", 1, 1, -25, 40)) + chunk(b"MTrk", told + NOTE + END)
    made = mido.MidiFile(file=BytesIO(mend(frames)))
    assert made.ticks_per_beat == 1000
    assert [message.tempo for message in made.tracks[0] if message.type == "set_tempo"] == [1_000_000]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (chunk(b"MThd", struct.pack(">HHH", 1, 1, 0)) + chunk(b"MTrk", NOTE), "how long a tick is"),
        (chunk(b"MThd", struct.pack(">HHH", 1, 1, 0xE700)) + chunk(b"MTrk", NOTE), "how long a tick is"),
        (b"", "does not begin"),
        (b"RIFF\x00\x00\x00\x00WAVE", "does not begin"),
        (header()[:10], "cut off"),
        (header() + chunk(b"MTrk", NOTE + END)[:-3], "cut off"),
        (header() + chunk(b"MTrk", NOTE[:3]), "cut off"),
        (header() + chunk(b"MTrk", b"\x00\x3c\x50"), "garbled"),
        (header() + chunk(b"MTrk", b"\xff" * 9), "garbled"),
    ],
)
def test_what_is_cut_off_or_garbled_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        mend(content)
