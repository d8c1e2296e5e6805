"""Standard MIDI files as they come, mended for a reader that takes only faultless ones.

Task: not to lose a file's notes for a fault in what no note needs. Left out are keys, meters and tempos that
are none, system messages, foreign chunks and a RIFF file around it all. Ticks of a frame become those of a
quarter that lasts a second. What is cut off, garbled or no MIDI file is refused.

Conventions: bytes in, bytes out; all other messages stay as they are, in their order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

_SYSTEM, _META = 0xF0, 0xFF
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
_SYSTEM_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}
_EXCLUSIVE = (0xF0, 0xF7)
_TEXTS, _END, _TEMPO, _METER, _KEY = range(0x01, 0x08), 0x2F, 0x51, 0x58, 0x59
_FIFTHS = (*range(8), *range(0x100 - 7, 0x100))  # seven flats to seven sharps, as bytes


def mend(content: bytes) -> bytes:
    """The MIDI file ``content`` without its faults. Raises ValueError where it is cut off or none."""
    chunks = list(_chunks(content))
    if not chunks or chunks[0][0] != b"MThd" or len(chunks[0][1]) < 6:
        raise ValueError("it does not begin as a MIDI file does")
    kind, _, division = struct.unpack(">HHH", chunks[0][1][:6])
    in_frames = division >= 0x8000
    if in_frames:  # frames a second (negative) above, ticks a frame below: as many a quarter, one a second
        division = min((0x100 - (division >> 8)) * (division & 0xFF), 0x7FFF)
    if not division:
        raise ValueError("it does not say how long a tick is")
    tracks = [list(_messages(data, not in_frames)) for name, data in chunks if name == b"MTrk"]
    if in_frames and tracks:
        tracks[0].insert(0, (0, bytes((_META, _TEMPO, 3)) + (1_000_000).to_bytes(3, "big")))
    header = struct.pack(">HHH", min(kind, 2), len(tracks), division)
    return _chunk(b"MThd", header) + b"".join(map(_track, tracks))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a file, also where it lies inside a RIFF file, without what follows the last track."""
    at = content.find(b"MThd") if content[:4] == b"RIFF" else 0
    while at >= 0 and at + 8 <= len(content):
        name, size = struct.unpack(">4sI", content[at : at + 8])
        if at + 8 + size > len(content):
            if name in (b"MThd", b"MTrk"):
                raise ValueError("it is cut off")
            return
        yield name, content[at + 8 : at + 8 + size]
        at += 8 + size


def _messages(data: bytes, has_tempo: bool) -> Iterator[tuple[int, bytes]]:
    """The messages of a track that a reader takes, each whole and with its tick; the last is its end."""
    at = tick = running = 0
    try:
        while at < len(data):
            wait, at = _number(data, at)
            tick += wait
            status = running
            if data[at] & 0x80:
                status, at = data[at], at + 1
                running = status if status < _SYSTEM else running
            if status == _META:
                kind = data[at]
                size, at = _number(data, at + 1)
                if kind == _END:
                    break
                content, at = data[at : at + size], at + size
                if _is_sound(kind, content, has_tempo):
                    yield tick, bytes((_META, kind)) + _written(len(content)) + content
            elif status in _EXCLUSIVE:
                size, at = _number(data, at)
                at += size
            elif status > _SYSTEM:
                at += _SYSTEM_BYTES.get(status, 0)
            elif status:
                size = _DATA_BYTES[status & 0xF0]
                yield tick, bytes((status, *(data[at + n] & 0x7F for n in range(size))))
                at += size
            else:
                raise ValueError("a track in it is garbled")
    except IndexError:
        raise ValueError("a track in it is cut off") from None
    yield tick, bytes((_META, _END, 0))


def _is_sound(kind: int, content: bytes, has_tempo: bool) -> bool:
    """Whether a meta message says something that is understood."""
    if kind == _TEMPO:
        return has_tempo and len(content) == 3
    if kind == _METER:
        return len(content) == 4 and content[0] > 0 and content[1] < 8
    if kind == _KEY:
        return len(content) == 2 and content[0] in _FIFTHS and content[1] <= 1
    return kind in _TEXTS


def _track(messages: Iterable[tuple[int, bytes]]) -> bytes:
    parts = []
    before = 0
    for tick, message in messages:
        parts += [_written(tick - before), message]
        before = tick
    return _chunk(b"MTrk", b"".join(parts))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content)) + content


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number = 0
    for end in range(at, at + 4):
        number = number << 7 | data[end] & 0x7F
        if data[end] < 0x80:
            return number, end + 1
    raise ValueError("a track in it is garbled")


def _written(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))
