#!/usr/bin/env bash
# partitura.load_score_midi doesn't quantise by default, though its documentation says that it does.
#
# "quantization_unit : integer or None. Quantize MIDI times to multiples of this unit. If None, the quantization
# unit is chosen automatically as the smallest division of the parts per quarter (MIDI "ticks") that can be
# represented as a symbolic duration. Defaults to None."
#
# With None every time is kept to the tick: notes that begin a few ticks beside the beat stay beside it, and a
# quarter held for 470 of its 480 ticks gets the note value of a quarter in a tuplet of 48 in the time of 47.
#
# Here: four quarters in 4/4, 480 ticks each, played 2 to 5 ticks off and let go 10 ticks early.
# One would guess: onsets at 0, 480, 960, 1440, plain quarters.   It is so with a unit of 120, and not by default.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -qq install --disable-pip-version-check \
    partitura==1.9.0 mido==1.3.3 numpy==2.4.6 scipy==1.17.1
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import mido
import partitura

ONSETS, HELD = (2, 478, 965, 1437), 470

track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=4, denominator=4)])
before = 0
for onset, pitch in zip(ONSETS, (60, 62, 64, 65)):
    track.append(mido.Message("note_on", note=pitch, velocity=64, time=onset - before))
    track.append(mido.Message("note_off", note=pitch, time=HELD))
    before = onset + HELD
mido.MidiFile(ticks_per_beat=480, tracks=[track]).save("played.mid")


def read(unit: int | None) -> tuple[list[int], list[dict]]:
    """The onsets in ticks and the note values of the score that is read."""
    notes = partitura.load_score_midi("played.mid", quantization_unit=unit).parts[0].notes
    return [note.start.t for note in notes], [note.symbolic_duration for note in notes]


print(f"partitura {version('partitura')}")
for unit in (None, 120):
    onsets, values = read(unit)
    print(f"  quantization_unit={unit}: onsets {onsets}, values {values[0]}")
print("  guessed for None: onsets [0, 480, 960, 1440], plain quarters")

assert read(120) == ([0, 480, 960, 1440], [{"type": "quarter", "dots": 0}] * 4)
assert read(None)[0] == list(ONSETS), "the default quantises now"
assert read(None)[1][0] == {"type": "quarter", "actual_notes": 48, "normal_notes": 47}, "values are found otherwise now"
PYTHON
