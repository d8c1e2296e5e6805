"""Reading scores into arrays: one small MusicXML file with everything that is easily got wrong."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from training.corpus import ARPEGGIO, FERMATA, GRACE, SLURRED, STACCATO, TICKS, TRILL, load, read_bytes, save


def note(step: str, octave: int, length: int | None, more: str = "", voice: int = 1, staff: int = 1) -> str:
    """A note of ``length`` sixths of a quarter (None: a grace note); ``more`` goes in front or behind."""
    front = "".join(part for part in ("<chord/>",) if part in more)
    alter = "<alter>1</alter>" if "sharp" in more else ""
    kind = "<grace/>" if length is None else ""
    duration = "" if length is None else f"<duration>{length}</duration>"
    ties = "".join(f'<tie type="{way}"/>' for way in ("stop", "start") if f"tie {way}" in more)
    stem = "<stem>up</stem>" if "up" in more else "<stem>down</stem>" if "down" in more else ""
    signs = more[more.index("|") + 1 :] if "|" in more else ""
    return (
        f"<note>{kind}{front}<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>{duration}{ties}"
        f"<voice>{voice}</voice>{stem}<staff>{staff}</staff><notations>{signs}</notations></note>"
    )


BACK = "<backup><duration>24</duration></backup>"
PIANO = [
    '<measure number="0" implicit="yes"><attributes><divisions>6</divisions><key><fifths>-1</fifths></key>'
    "<time><beats>4</beats><beat-type>4</beat-type></time><staves>2</staves></attributes>"
    '<direction><sound tempo="72"/></direction>' + note("C", 5, 6) + "</measure>",
    '<measure number="1">'
    + note("D", 5, None)
    + note("C", 5, 12, 'up|<slur type="start"/>')
    + note("E", 5, 12, 'up tie start|<slur type="stop"/>')
    + BACK
    + note("G", 4, 2, "down", voice=2)
    + note("A", 4, 2, "down", voice=2)
    + note("B", 4, 2, "down", voice=2)
    + BACK.replace("24", "6")
    + note("C", 3, 24, "|<arpeggiate/>", voice=5, staff=2)
    + note("F", 3, 24, "<chord/>sharp|<arpeggiate/>", voice=5, staff=2)
    + "</measure>",
    '<measure number="2">'
    + note("E", 5, 6, "tie stop")
    + note("F", 5, 6, "|<articulations><staccato/></articulations>")
    + note("G", 5, 12, "|<ornaments><trill-mark/></ornaments><fermata/>")
    + "</measure>",
]
CLARINET = [
    '<measure number="0" implicit="yes"><attributes><divisions>6</divisions>'
    "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>"
    + note("D", 5, 6)
    + "</measure>",
    '<measure number="1"/>',
    '<measure number="2"/>',
]
SCORE = (
    '<score-partwise><part-list><score-part id="P1"><part-name>Piano</part-name></score-part>'
    '<score-part id="P2"><part-name>Clarinet</part-name></score-part></part-list>'
    f'<part id="P1">{"".join(PIANO)}</part><part id="P2">{"".join(CLARINET)}</part></score-partwise>'
).encode()


def rows(*fields: str, part: int = 0) -> list[tuple[float, ...]]:
    piece = read_bytes(SCORE, "small", "test")
    quarters = {"onset": TICKS, "duration": TICKS}
    columns = [getattr(piece, name)[piece.part == part] / quarters.get(name, 1) for name in fields]
    return [tuple(float(value) for value in row) for row in zip(*columns, strict=True)]


def test_bars_keep_their_real_length() -> None:
    piece = read_bytes(SCORE, "small", "test")
    assert (piece.bar_start / TICKS).tolist() == [0, 1, 5]
    assert (piece.bar_length / TICKS).tolist() == [1, 4, 4]
    assert set(piece.bar_key) == {-1}
    assert (piece.tempo, piece.part_is_keyboard, piece.part_names) == (
        72,
        (True, False),
        ("Piano", "Clarinet"),
    )


def test_ties_are_joined_and_graces_stand_at_their_main_note() -> None:
    assert rows("onset", "duration", "pitch") == [
        (0, 1, 72),
        (1, 0, 74),
        (1, 4, 48),
        (1, 4, 54),
        (1, pytest.approx(1 / 3), 67),
        (1, 2, 72),
        (pytest.approx(4 / 3), pytest.approx(1 / 3), 69),
        (pytest.approx(5 / 3), pytest.approx(1 / 3), 71),
        (3, 3, 76),
        (6, 1, 77),
        (7, 2, 79),
    ]


def test_voices_count_from_the_top_of_their_staff() -> None:
    voices = {pitch: (staff, voice) for pitch, staff, voice in rows("pitch", "staff", "voice")}
    assert (voices[76], voices[67], voices[48], voices[79]) == ((1, 1), (1, 2), (2, 1), (1, 1))


def test_signs_are_flags() -> None:
    flags = {(pitch, duration): int(flag) for pitch, duration, flag in rows("pitch", "duration", "flags")}
    assert flags[(74, 0)] == GRACE
    assert flags[(72, 2)] == SLURRED
    assert flags[(48, 4)] == flags[(54, 4)] == ARPEGGIO
    assert (flags[(77, 1)], flags[(79, 2)]) == (STACCATO, TRILL | FERMATA)


def test_transposing_parts_sound_and_are_spelled_where_they_sound() -> None:
    assert rows("pitch", "fifths", part=1) == [(72, 0)]
    assert (54, 6) in rows("pitch", "fifths")


def test_compressed_files_are_read_and_pieces_come_back_from_disk(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(
            "META-INF/container.xml", '<c><rootfiles><rootfile full-path="s.xml"/></rootfiles></c>'
        )
        archive.writestr("s.xml", SCORE)
    piece = read_bytes(packed.getvalue(), "small", "test")
    save(piece, tmp_path / "small.npz")
    again = load(tmp_path / "small.npz")
    for field in ("onset", "pitch", "flags", "bar_start"):
        assert np.array_equal(getattr(again, field), getattr(piece, field))
    assert (again.name, again.part_names, again.tempo) == (piece.name, piece.part_names, piece.tempo)


def test_what_is_no_score_is_refused() -> None:
    for data in (b"not xml", b"<score-timewise/>", b"<score-partwise/>"):
        with pytest.raises(ValueError, match="test"):
            read_bytes(data, "small", "test")
