"""How well beats, downbeats, meter and tempo are found on every annotated recording of the evaluation data.

    python -m benchmarks.beats [--data FOLDER] [--only TEXT] [--no-audio]

Beats are compared as mir_eval does (F-measure with 70 ms, CMLt, AMLt; the first five seconds left
out), downbeats with the same F-measure. Three parts: the tracker on the notes alone (performance MIDI
with annotated beats), on sound alone, beside ``librosa.beat.beat_track``, and on both as it hears a band,
whose beats are followed in sound and notes together. Recordings that exist only as MIDI are rendered with
the General MIDI soundfont inside ``pretty_midi``. Whole bands are in ``fullscore benchmark``.

The UltraStar songs have no beat annotation but a syllable grid. A beat is eight units of it; on which
of the eight it falls is unknown, and so the best of them counts, for every tracker alike.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pretty_midi
import soundfile

from fullscore.engines import silent
from separation.audio import Audio
from transcription.beatgrid import BeatGrid
from transcription.beats.joint import BeatSettings, heard_beats, track_beats
from transcription.notes import Note

CACHE = Path(tempfile.gettempdir()) / "fullscore-benchmark-beats"
RENDER_RATE_HZ = 22050
DECODE_RATE_HZ = 22050


@dataclass(frozen=True, slots=True)
class Annotated:
    """A recording or performance with annotated beats.

    ``downbeats`` empty: not annotated. ``shifts`` are offsets in seconds under which the beats may be meant.
    """

    name: str
    beats: np.ndarray[Any, Any]
    downbeats: np.ndarray[Any, Any]
    meter: str = ""
    midi: Path | None = None
    sound: Path | None = None
    shifts: tuple[float, ...] = (0.0,)


def annotated(data: Path) -> Iterator[Annotated]:
    """Every recording of the evaluation data whose beats are known."""
    asap = data / "CPJKU_asap-dataset"
    for file in sorted(asap.rglob("*_annotations.txt")):
        if file.name.startswith("midi_score"):
            continue
        rows = [line.split("\t") for line in file.read_text().splitlines() if line.strip()]
        times = np.array([float(row[0]) for row in rows])
        down = np.array([row[2].startswith("db") for row in rows])
        meter = next((m[0] for row in rows if (m := re.findall(r"\d+/\d+", row[2]))), "")
        piece = "/".join(file.relative_to(asap).parts[:-1]).replace("Keyboard_", "").replace("Piano_", "")
        midi = file.with_name(file.name.replace("_annotations.txt", ".mid"))
        yield Annotated(piece, times, times[down], meter, midi=midi)
    for file in sorted((data / "music-x-lab_POP909-Dataset").rglob("beat_midi.txt")):
        table = np.loadtxt(file)
        audio_counts = np.loadtxt(file.with_name("beat_audio.txt"))[:, 1]
        beats, down = table[:, 0], table[table[:, 2 if audio_counts.max() > 3 else 1] == 1, 0]
        midi = file.with_name(f"{file.parent.name}.mid")
        yield Annotated(f"POP909 {file.parent.name}", beats, down, f"{audio_counts.max():.0f}/4", midi=midi)
    mozart = data / "pymatchmaker_matchmaker/matchmaker/assets/mozart_k265_var1.match"
    if mozart.exists():
        beats, down = beats_from_match(mozart)
        yield Annotated(
            "Mozart K265/1", beats, down, "2/4", mozart.with_suffix(".mid"), mozart.with_suffix(".mp3")
        )
    for file in sorted((data / "CarlSouthall_MDBDrums").rglob("*.beats")):
        table = np.loadtxt(file)
        sound = next((data / "CarlSouthall_MDBDrums").rglob(file.with_suffix(".flac").name))
        yield Annotated(file.stem, table[:, 0], table[table[:, 1] == 1, 0], "4/4", sound=sound)
    for file in sorted((data / "UltraStar-Deluxe_songs").rglob("song.txt")):
        beats, unit_s = beats_from_ultrastar(file)
        shifts = tuple(unit_s * n for n in range(8))
        yield Annotated(
            file.parent.name, beats, np.array([]), sound=file.with_name("audio.mp3"), shifts=shifts
        )


def beats_from_match(file: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Beats and downbeats of a performance aligned to its score: the mean onset of the notes on each beat."""
    text = file.read_text()
    unit_s = 0.5 / 480  # midiClockUnits and midiClockRate of the one file there is
    onsets: dict[float, list[float]] = {}
    for position, tick in re.findall(
        r"^snote\([^)]*?,\d+:\d+,[^,]*,[^,]*,([-\d.]+),[-\d.]+,\[.*?\]\)-note\([^,]*,\d+,(\d+),", text, re.M
    ):
        onsets.setdefault(float(position), []).append(int(tick) * unit_s)
    on_beat = sorted(p for p in onsets if p % 1 == 0)
    beats = np.array([np.mean(onsets[p]) for p in on_beat])
    return beats, beats[np.array(on_beat) % 2 == 0]


def beats_from_ultrastar(file: Path) -> tuple[np.ndarray[Any, Any], float]:
    """Every eighth unit of the syllable grid, and the length of a unit in seconds."""
    text = file.read_text(encoding="utf-8", errors="replace")
    bpm = float(re.findall(r"#BPM:([\d.,]+)", text)[0].replace(",", "."))
    gap_s = float(re.findall(r"#GAP:([\d.,]+)", text)[0].replace(",", ".")) / 1000
    starts = np.array([int(s) for s in re.findall(r"^[:*F] (\d+)", text, re.M)])
    unit_s = 15.0 / bpm
    return gap_s + unit_s * np.arange(0, starts.max() + 1, 8), unit_s


def notes_of(midi: Path) -> list[Note]:
    performance = pretty_midi.PrettyMIDI(str(midi))
    return [
        Note(
            n.start,
            max(n.end, n.start + 0.01),
            n.pitch,
            max(1, n.velocity),
            stem="drums" if i.is_drum else "mix",
        )
        for i in performance.instruments
        for n in i.notes
    ]


def sound_of(item: Annotated) -> Path:
    """The recording, or its MIDI rendered with a soundfont (kept in the temporary folder)."""
    if item.sound is not None:
        return item.sound
    assert item.midi is not None
    CACHE.mkdir(exist_ok=True)
    name = hashlib.sha1(str(item.midi).encode()).hexdigest()[:12]
    target = CACHE / f"{name}.flac"
    if not target.exists():
        soundfile.write(target, render(item.midi), RENDER_RATE_HZ)
    return target


def render(midi: Path) -> np.ndarray[Any, Any]:
    import tinysoundfont

    synth = tinysoundfont.Synth(samplerate=RENDER_RATE_HZ, gain=-9)
    font = synth.sfload(str(Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"))
    events = []
    performance = pretty_midi.PrettyMIDI(str(midi))
    for channel, instrument in enumerate(performance.instruments):
        synth.program_select(
            channel, font, 128 if instrument.is_drum else 0, instrument.program, instrument.is_drum
        )
        for n in instrument.notes:
            events += [(n.start, 1, channel, n.pitch, n.velocity), (n.end, 0, channel, n.pitch, 0)]
    blocks, now = [], 0
    for when, on, channel, pitch, velocity in [*sorted(events), (performance.get_end_time() + 1, 0, 0, 0, 0)]:
        samples = int(when * RENDER_RATE_HZ) - now
        if samples > 0:
            blocks.append(
                np.frombuffer(synth.generate(samples), dtype=np.float32).reshape(-1, 2).mean(axis=1)
            )
            now += samples
        if on:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    return np.concatenate(blocks)


def load(path: Path) -> Audio:
    import librosa

    samples, rate = librosa.load(path, sr=DECODE_RATE_HZ, mono=True)
    return Audio(samples[None].astype(np.float32), int(rate))


SONGS, NOT_OF_THE_TWELVE = "POP909", ("Mozart K265", "Bach/Prelude/bwv_846")
FIGURES = ("F", "CMLt", "AMLt", "downF")


def figures(
    reference: Annotated, beats: np.ndarray[Any, Any], downbeats: np.ndarray[Any, Any]
) -> list[float]:
    trim = mir_eval.beat.trim_beats
    end = reference.beats[-1] + 0.5  # the annotations end with the last note's beat
    row = [0.0, 0.0, 0.0]
    for shift in reference.shifts:
        truth, found = trim(reference.beats + shift), trim(np.asarray(beats))
        found = found[found <= end + shift]
        _, cmlt, _, amlt = mir_eval.beat.continuity(truth, found)
        row = max(row, [mir_eval.beat.f_measure(truth, found), cmlt, amlt])
    if not len(reference.downbeats) or not len(downbeats):
        return [*row, float("nan")]
    down = trim(np.asarray(downbeats))
    return [*row, mir_eval.beat.f_measure(trim(reference.downbeats), down[down <= end])]


def line(name: str, row: list[float], note: str = "") -> str:
    return f"{name:38.38s} " + " ".join(f"{value:6.3f}" for value in row) + f"  {note}"


def summary(grid: BeatGrid, reference: Annotated, seconds: float) -> str:
    truth = 60 / float(np.median(np.diff(reference.beats)))
    meter = reference.meter or "?"
    return f"{grid.time_signature} {grid.tempo:5.1f} (truth {meter} {truth:5.1f})  {seconds:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--only", default="", help="only recordings whose name contains this")
    parser.add_argument("--no-audio", action="store_true", help="only the notes")
    arguments = parser.parse_args()
    items = [item for item in annotated(arguments.data) if arguments.only in item.name]

    print(f"{'notes only':38s} " + " ".join(f"{name:>6s}" for name in FIGURES))
    rows, meters = {}, {}
    for item in items:
        if item.midi is None:
            continue
        notes = notes_of(item.midi)
        start = time.perf_counter()
        grid = track_beats(notes)
        seconds = time.perf_counter() - start
        rows[item.name] = figures(item, np.array(grid.times), np.array(grid.downbeats))
        meters[item.name] = str(grid.time_signature) == item.meter
        print(line(item.name, rows[item.name], summary(grid, item, seconds)), flush=True)
    songs = [name for name in rows if name.startswith(SONGS)]
    classical = [name for name in rows if name not in songs and not name.startswith(NOT_OF_THE_TWELVE)]
    for title, names in (
        ("mean", list(rows)),
        ("mean of the twelve of ASAP", classical),
        ("mean of POP909", songs),
    ):
        if names:
            means = np.nanmean([rows[name] for name in names], axis=0).tolist()
            print(line(title, means, f"meter right in {sum(meters[name] for name in names)} of {len(names)}"))
    if arguments.no_audio:
        return

    print(f"\n{'sound':38s} " + " ".join(f"{name:>6s}" for name in FIGURES))
    import librosa

    ours, theirs = [], []
    for item in items:
        audio = load(sound_of(item))
        start = time.perf_counter()
        grid = track_beats([], audio)
        seconds = time.perf_counter() - start
        ours.append(figures(item, np.array(grid.times), np.array(grid.downbeats)))
        print(line(item.name, ours[-1], summary(grid, item, seconds)))
        _, beats = librosa.beat.beat_track(y=audio.samples[0], sr=audio.sample_rate, units="time")
        theirs.append(figures(item, beats, np.array([])))
        print(line("    librosa", theirs[-1]), flush=True)
    print_mean("mean", ours)
    print_mean("mean of librosa", theirs)

    print(f"\n{'sound and notes':38s} " + " ".join(f"{name:>6s}" for name in FIGURES))
    both = []
    for item in items:
        if item.midi is None:
            continue
        notes, audio = notes_of(item.midi), load(sound_of(item))
        start = time.perf_counter()
        grid = heard_beats(notes, audio, BeatSettings(), silent)
        seconds = time.perf_counter() - start
        both.append(figures(item, np.array(grid.times), np.array(grid.downbeats)))
        print(line(item.name, both[-1], summary(grid, item, seconds)), flush=True)
    print_mean("mean", both)


def print_mean(name: str, rows: list[list[float]]) -> None:
    """The mean of each figure over the recordings that have it."""
    if rows:
        columns = np.array(rows).T
        print(line(name, [float(np.nanmean(c)) if np.isfinite(c).any() else np.nan for c in columns]))


if __name__ == "__main__":
    main()
