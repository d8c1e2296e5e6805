#!/usr/bin/env bash
# FFmpeg reads the offset tag of LRC lyrics in microseconds.
#
# The format's usual description: "[offset: Overall timestamp adjustment in milliseconds, + shifts time up, - shifts
# down]". So [offset:500] shows every line half a second sooner. FFmpeg's reader takes the number as microseconds: the
# lines of a file with the usual offsets of some hundred milliseconds stay where they were, and nothing says that
# the tag was lost.
#
# Here: two lines, at 1 and 2 s, read without the tag, with [offset:500], and with [offset:500000].
# One would guess: 0.5 s and 1.5 s for [offset:500].   It is: 0.9995 s and 1.9995 s.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -qq install --disable-pip-version-check av==18.1.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version
from pathlib import Path

import av

LINES = "[00:01.00]One\n[00:02.00]Two\n"


def line_times(tag: str) -> list[float]:
    """When the lines are shown, in seconds, as FFmpeg reads them."""
    Path("song.lrc").write_text(tag + LINES)
    with av.open("song.lrc") as file:
        return [float(packet.pts * packet.time_base) for packet in file.demux() if packet.pts is not None]


found = {tag: line_times(tag) for tag in ("", "[offset:500]\n", "[offset:500000]\n")}
print(f"PyAV {version('av')}, FFmpeg {av.ffmpeg_version_info}")
for tag, times in found.items():
    print(f"  {tag.strip() or 'no tag':<18} {times[0]:.4f} s, {times[1]:.4f} s")
print("  guessed for [offset:500]: 0.5000 s, 1.5000 s")

assert found[""] == [1.0, 2.0]
assert found["[offset:500]\n"] == [0.9995, 1.9995], "the offset is read otherwise now"
assert found["[offset:500000]\n"] == [0.5, 1.5], "the offset is read otherwise now"
PYTHON
