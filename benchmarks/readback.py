"""Do other programs read our scores as they were written?

For every MusicXML file: are its bars full in every voice, and do music21, verovio and MuseScore
(where it is installed) find the same notes in it? Notes are compared by where they start, in quarters,
and their sounding pitch. MuseScore's complaints about a file are printed.

    python -m benchmarks.readback OUT/*/score.musicxml
    python -m benchmarks.readback --data ../shared/data     (the ASAP performances, notated here)
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import mido
import verovio
from music21 import chord, converter, note

from notation.musicxml_reader import Cursor, parse_musicxml, read_written
from pipeline.notate import notate_file

Sound = tuple[Fraction, int]
"""Onset in quarters and MIDI pitch, for drums the percussion key."""

ROUNDING = 96  # parts of a quarter: finer than any value we write, coarser than MIDI ticks
COMPLAINTS = ("corrupt", "incomplete", "error", "not found", "overfull")
HARMLESS = "unknown arpeggio type none"  # said of the plain sign, which it then draws
MUSESCORE = shutil.which("musescore3") or shutil.which("mscore3") or shutil.which("musescore")


@dataclass(slots=True)
class Contents:
    """What a MusicXML file holds: notes (ties joined), and what is wrong with its bars."""

    pitched: set[Sound] = field(default_factory=set)
    drums: set[Sound] = field(default_factory=set)
    graces: set[Sound] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def in_file(path: Path, slack: Fraction = Fraction(0)) -> Contents:
    """The contents of a MusicXML file, as we read it ourselves. Bars may be full but for ``slack``."""
    contents = Contents()
    root = parse_musicxml(path.read_bytes())
    score = read_written(root)
    for head in score.heads:
        if not (head.note.grace or head.tie_stop):
            sounds = contents.pitched if head.written else contents.drums
            sounds.add((head.note.onset, head.note.pitch))
    for part in root.findall("part"):
        cursor = Cursor()
        for bar, measure in zip(score.bars, part.findall("measure"), strict=False):
            led = 0
            filled: dict[tuple[str, str], Fraction] = {}
            for element, onset, lasts in cursor.through(measure):
                if element.tag != "note":
                    continue
                at = bar.start + onset
                if element.find("grace") is not None:
                    led += 1  # of several grace notes each may push their note on by a sixteenth
                    contents.graces.update((moment, 0) for moment in (at, at + Fraction(led - 1, 4)))
                elif element.find("chord") is None:
                    led = 0
                    signs = (element.find(f"notations/{sign}") for sign in ("ornaments", "arpeggiate"))
                    if any(sign is not None for sign in signs):
                        shaken = [at + Fraction(i, 4) for i in range(int(4 * lasts) + 1)]
                        contents.graces.update((moment, 0) for moment in shaken)
                    place = element.findtext("staff", "1"), element.findtext("voice", "1")
                    filled[place] = filled.get(place, Fraction(0)) + lasts
            full = Fraction(4 * bar.beats, bar.beat_type)
            if measure.get("implicit") == "yes":
                full = max(filled.values(), default=full)
            for (staff, voice), sum_ in filled.items():
                if abs(sum_ - full) > slack:
                    where = f"{part.get('id')} bar {measure.get('number')} staff {staff} voice {voice}"
                    contents.faults.append(f"{where} fills {sum_} of {full} quarters")
    return contents


def by_music21(path: Path) -> set[Sound]:
    """The pitched notes as music21 reads them."""
    score = converter.parse(path, forceSource=True).toSoundingPitch()
    sounds = set()
    for element in score.flatten().notes:
        if element.duration.isGrace or not isinstance(element, note.Note | chord.Chord):
            continue
        if element.classes[0] == "ChordSymbol":
            continue
        for member in element.notes if isinstance(element, chord.Chord) else [element]:
            if member.tie is None or member.tie.type == "start":
                sounds.add((Fraction(element.offset).limit_denominator(ROUNDING), member.pitch.midi))
    return sounds


def by_verovio(path: Path) -> set[Sound]:
    """The notes as verovio plays them."""
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.loadData(path.read_text(encoding="utf-8"))
    return in_midi(mido.MidiFile(file=io.BytesIO(base64.b64decode(toolkit.renderToMIDI()))))


def by_musescore(path: Path) -> tuple[set[Sound], list[str]]:
    """The notes as MuseScore writes them again, and what it complains of."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "read.musicxml"
        done = subprocess.run(
            [str(MUSESCORE), "-o", str(target), str(path)],
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = (done.stdout + done.stderr).splitlines()
        complaints = [
            line for line in said if any(word in line.lower() for word in COMPLAINTS) and HARMLESS not in line
        ]
        if not target.exists():
            return set(), [*complaints, f"nothing written, exit code {done.returncode}"]
        read = in_file(target, slack=Fraction(1, 100))  # its ticks can't hold sevenths
        return read.pitched | read.drums, complaints + read.faults


def in_midi(file: mido.MidiFile) -> set[Sound]:
    """The notes of a MIDI file."""
    sounds = set()
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity > 0:
                sounds.add((Fraction(tick, file.ticks_per_beat), message.note))
    return sounds


def compare(written: set[Sound], graces: set[Sound], read: set[Sound]) -> tuple[int, int]:
    """How many written notes a reader lost and how many it made up.

    Around a grace note a reader may place it and its main notes as it likes, within a sixteenth, and
    ornaments and rolled chords it may play out.
    """
    a, b = _near(written), _near(read)
    beside = {at for at, _ in graces}

    def free(onset: Fraction) -> bool:
        return any(abs(onset - at) < Fraction(1, 4) for at in beside)

    lost = sum((round(o * ROUNDING), p) not in b and not free(o) for o, p in written)
    made_up = sum((round(o * ROUNDING), p) not in a and not free(o) for o, p in read)
    return lost, made_up


def _near(sounds: set[Sound]) -> set[tuple[int, int]]:
    return {(round(onset * ROUNDING) + d, pitch) for onset, pitch in sounds for d in (-1, 0, 1)}


def notated(data: Path, folder: Path) -> list[Path]:
    """Scores that we make of the piano performances in the data, with beats found from their notes."""
    performances = sorted((data / "CPJKU_asap-dataset").rglob("*.mid"))
    scores = []
    for midi in performances:
        if midi.stem != "midi_score":
            scores.append(folder / f"{midi.parent.parent.name}-{midi.parent.name}.musicxml")
            notate_file(midi, scores[-1])
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(check(given.files or notated(given.data, Path(scratch))))


def check(files: Sequence[Path]) -> bool:
    """Print the table; whether anything was lost, made up or complained of."""
    bad = False
    print(f"{'notes':>6} {'music21':>9} {'verovio':>9} {'MuseScore':>9}  file (lost/made up by each)")
    for path in files:
        written = in_file(path)
        everything = written.pitched | written.drums
        # music21 gives drums no pitch; what they sound like is compared for the others.
        results = [compare(written.pitched, written.graces, by_music21(path))]
        results.append(compare(everything, written.graces, by_verovio(path)))
        faults = written.faults
        if MUSESCORE:
            read, complaints = by_musescore(path)
            results.append(compare(everything, written.graces, read))
            faults = faults + complaints
        cells = [f"{lost}/{made_up}" for lost, made_up in results]
        cells += ["-"] * (3 - len(cells))
        print(
            f"{len(everything):>6} "
            + " ".join(f"{cell:>9}" for cell in cells)
            + f"  {path.parent.name}/{path.name}"
        )
        for fault in faults:
            print(f"       {fault}")
        bad |= bool(faults) or any(lost or made_up for lost, made_up in results)
    return bad


if __name__ == "__main__":
    main()
