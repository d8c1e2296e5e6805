"""Other programs that do a part of the work, to be measured beside ours on the same songs.

Each runs in a process of its own (``python -m pipeline.benchmark.peers NAME SOURCE OUT``), as published and
with its own defaults, and leaves a file that the evaluation reads. Those that write scores are given a
performance; of a recording, that is the one that we heard in it, so that only the writing is compared.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from fullscore.errors import FullscoreError
from fullscore.launch import command

if TYPE_CHECKING:
    from transcription.notes import Note

WAIT_S = 900.0  # for one program on one song

MUSESCORE = ("musescore3", "mscore3")


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that makes one kind of artefact: ``make(source, out)`` writes ``out``, of this ``suffix``.

    ``packages`` are what it needs installed by (distribution, module), ``programs`` any one of these.
    """

    name: str
    kind: str
    suffix: str
    make: Callable[[Path, Path], None]
    install: str
    packages: tuple[tuple[str, str], ...] = ()
    programs: tuple[str, ...] = ()

    def lacking(self) -> str:
        """Why it can't run here and what to do, as a sentence; empty where it can."""
        missing = [name for name, module in self.packages if importlib.util.find_spec(module) is None]
        if self.programs and self.program() is None:
            missing.append(self.programs[0])
        return f"needs {', '.join(missing)}: {self.install}" if missing else ""

    def program(self) -> str | None:
        return next((found for name in self.programs if (found := shutil.which(name))), None)

    def version(self) -> str | None:
        """That of its package; None for a program, or where it isn't installed."""
        try:
            return version(self.packages[0][0]) if self.packages else None
        except PackageNotFoundError:
            return None

    def run(self, source: Path, out: Path) -> float:
        """Write ``out`` from ``source`` in a process of its own; the seconds it took, start-up included.

        Raises FullscoreError with the last that the process said.
        """
        started = time.perf_counter()
        launched = command("pipeline.benchmark.peers", self.name, str(source), str(out))
        try:
            done = subprocess.run(launched, capture_output=True, text=True, timeout=WAIT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise FullscoreError(
                "{name} was not done after {seconds:.0f} s", name=self.name, seconds=WAIT_S
            ) from error
        if done.returncode or not out.is_file():
            said = done.stderr.strip().splitlines()
            raise FullscoreError(
                "{name} failed: {said}", name=self.name, said=said[-1] if said else "it made nothing"
            )
        return time.perf_counter() - started


def basic_pitch_notes(source: Path) -> tuple[Note, ...]:
    """By Basic Pitch's own ``predict`` (Bittner et al. 2022) with the network inside its package."""
    from basic_pitch.inference import predict

    from transcription.engines.basicpitch import packaged_model
    from transcription.notes import Note

    _, _, events = predict(source, packaged_model())
    return tuple(Note(float(onset), float(offset), int(pitch)) for onset, offset, pitch, *_ in sorted(events))


def basic_pitch(source: Path, out: Path) -> None:
    rows = [f"{note.onset:.6f},{note.offset:.6f},{note.pitch}" for note in basic_pitch_notes(source)]
    out.write_text("\n".join(["onset,offset,midi", *rows]) + "\n", encoding="utf-8")


def librosa_beats(source: Path, out: Path) -> None:
    """``librosa.beat.beat_track`` (Ellis 2007)."""
    import librosa

    from separation.audio import decode

    audio = decode(source, sample_rate=22050, channels=1)
    _, times = librosa.beat.beat_track(y=audio.samples[0], sr=audio.sample_rate, units="time")
    out.write_text("".join(f"{beat:.6f}\n" for beat in times), encoding="utf-8")


def musescore(source: Path, out: Path) -> None:
    """MuseScore 3's import of MIDI, written as MusicXML."""
    program = PEERS["musescore3"].program()
    if program is None:
        raise FullscoreError("MuseScore 3 is not installed")
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [program, "-o", str(out.resolve()), str(source.resolve())]
    try:  # ended before this process is, lest it go on alone
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=0.9 * WAIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise FullscoreError("MuseScore was not done after {timeout:.0f} s", timeout=error.timeout) from error
    if not out.is_file():
        raise FullscoreError(
            "MuseScore made nothing of {source}: {said}", source=source, said=done.stderr.strip()[-200:]
        )


def music21(source: Path, out: Path) -> None:
    """music21's import of MIDI, written as MusicXML."""
    from music21 import converter

    converter.parse(source).write("musicxml", out)


PEERS: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            "basic-pitch",
            "notes",
            ".csv",
            basic_pitch,
            "pip install resampy 'setuptools<81'",
            packages=(("basic-pitch", "basic_pitch"), ("resampy", "resampy")),
        ),
        Peer(
            "librosa",
            "beats",
            ".csv",
            librosa_beats,
            "pip install librosa",
            packages=(("librosa", "librosa"),),
        ),
        Peer("musescore3", "score", ".musicxml", musescore, "apt install musescore3", programs=MUSESCORE),
        Peer(
            "music21",
            "score",
            ".musicxml",
            music21,
            "pip install music21",
            packages=(("music21", "music21"),),
        ),
    )
}


def peers_named(text: str) -> tuple[str, ...]:
    """The peers meant by ``all``, ``none`` or names with commas between. Raises FullscoreError."""
    if text == "all":
        return tuple(PEERS)
    names = () if text == "none" else tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in PEERS:
            raise FullscoreError(
                "there is no peer '{name}'",
                "give all, none or some of {known}",
                name=name,
                known=",".join(PEERS),
            )
    return names


def main() -> None:
    name, source, out = sys.argv[1:]
    PEERS[name].make(Path(source), Path(out))


if __name__ == "__main__":
    main()
