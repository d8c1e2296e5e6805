"""Sound from notes, by the General MIDI sounds in pretty_midi: recordings whose truth is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pretty_midi
import tinysoundfont

from separation.audio import Audio
from transcription.notes import Note

SAMPLE_RATE = 44100
SOUNDS = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
DRUM_CHANNEL = 9


@dataclass(frozen=True, slots=True)
class RenderedPart:
    """Notes and the General MIDI program that plays them, from 0; None: the drum kit."""

    notes: Sequence[Note]
    program: int | None


def performance(path: Path) -> dict[str, list[Note]]:
    """The notes of a MIDI file by the name of their track, its pedal not applied."""
    tracks: dict[str, list[Note]] = {}
    for instrument in pretty_midi.PrettyMIDI(str(path)).instruments:
        tracks.setdefault(instrument.name, []).extend(
            Note(note.start, note.end, note.pitch, velocity=max(1, note.velocity))
            for note in instrument.notes
            if note.end > note.start
        )
    return tracks


def render(part: RenderedPart, seconds: float) -> Audio:
    """The first ``seconds`` of ``part`` in stereo."""
    synth = tinysoundfont.Synth(samplerate=SAMPLE_RATE, gain=-6)
    sounds = synth.sfload(str(SOUNDS))
    channel = 0 if part.program is not None else DRUM_CHANNEL
    synth.program_select(channel, sounds, 128 if part.program is None else 0, part.program or 0)
    events = sorted(
        event
        for note in part.notes
        for event in ((note.onset, 1, note.pitch, note.velocity), (note.offset, 0, note.pitch, 0))
        if note.onset < seconds
    )
    blocks, done = [np.zeros((0, 2), np.float32)], 0
    for time, on, pitch, velocity in [*events, (seconds, 0, 0, 0)]:
        count = round(min(time, seconds) * SAMPLE_RATE) - done
        if count > 0:
            blocks.append(np.frombuffer(synth.generate(count), np.float32).reshape(-1, 2).copy())
            done += count
        if on:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    return Audio(np.ascontiguousarray(np.concatenate(blocks).T), SAMPLE_RATE)
