"""How well notes are found in stems, from the separators that need no download.

    python -m benchmarks.stem_notes [--data ../shared/data] [--half HALF] [--separator NAME | --true-stems]

Songs of the evaluation data are arranged for a melody, chords, a bass and drums, rendered with General
MIDI sounds (24 s each), mixed, separated, and each stem is transcribed with its own settings; ``in mix`` is
what the pipeline does with stems of this separator (transcription.accompaniment). The rows are
mir_eval's precision, recall and F (onset within 50 ms and pitch, offsets ignored) against the stem's own
notes, and F with pitches folded into one octave. The settings were chosen on the songs of ``tuning`` alone;
``check`` holds other songs with other sounds, and the example of this repository, which is sung.
--true-stems leaves the separation out. General MIDI's voices are steadier than any singer's.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import mir_eval
import music21
import numpy as np

from benchmarks.rendering import SAMPLE_RATE, RenderedPart, performance, render
from fullscore.files import EXAMPLE
from pipeline.plan import load_engine
from separation.audio import Audio, decode
from separation.stems import Stems
from transcription.accompaniment import accompaniment
from transcription.engines.basicpitch import BasicPitch, BasicPitchSettings
from transcription.engines.singing import Singing
from transcription.notes import Note

SONG = EXAMPLE / "auld-lang-syne.ogg"
SECONDS = 24.0
QUARTER_S = 0.55  # of the scores, which have no tempo of their own
BASS_LOWEST = 28  # E1
KICK, SNARE, HAT = 36, 38, 42
STEMS = ("vocals", "bass", "other")


@dataclass(frozen=True, slots=True)
class StemSong:
    """A song's notes per stem, its beats, and the programs that play vocals, bass and other."""

    name: str
    half: str
    source: Callable[[Path], tuple[dict[str, list[Note]], list[float]]]
    file: str
    programs: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    half: str
    truth: dict[str, list[Note]]
    mix: Audio
    stems: Stems | None
    """The sounds that were mixed, where they are to be had."""


def pop909(folder: Path) -> tuple[dict[str, list[Note]], list[float]]:
    """Melody and piano of a POP909 song from the melody's first note on, with a bass on its chords' roots."""
    tracks = performance(folder / f"{folder.name}.mid")
    beats = [float(line.split()[0]) for line in (folder / "beat_midi.txt").read_text().splitlines()]
    begin = max(beat for beat in beats if beat <= min(note.onset for note in tracks["MELODY"]) + 0.01)
    beats = [beat - begin for beat in beats if begin <= beat < begin + SECONDS]
    chords = []
    for line in (folder / "chord_midi.txt").read_text().splitlines():
        start, stop, name = line.split()
        if name != "N":
            chords.append(
                (float(start) - begin, float(stop) - begin, music21.pitch.Pitch(root(name)).pitchClass)
            )
    return {
        "vocals": shifted(tracks["MELODY"], -begin),
        "other": shifted(tracks["PIANO"], -begin),
        "bass": walking(chords, beats),
    }, beats


def root(chord: str) -> str:
    return chord.split(":")[0].replace("b", "-")


def walking(chords: list[tuple[float, float, int]], beats: Sequence[float]) -> list[Note]:
    """Roots, and a fifth or an octave on every fourth beat, in quavers or crotchets by turns."""
    notes = []
    for number, (beat, following) in enumerate(pairwise(beats)):
        sounding = [key for start, stop, key in chords if start <= beat + 0.05 < stop]
        if not sounding:
            continue
        low = BASS_LOWEST + (sounding[0] - BASS_LOWEST) % 12
        pitch = low + (0, 0, 0, 7, 0, 0, 12, 0)[number % 8]
        middle = (beat + following) / 2
        parts = ((beat, middle), (middle, following)) if number % 4 >= 2 else ((beat, following),)
        notes += [Note(start, start + 0.9 * (end - start), pitch, velocity=90) for start, end in parts]
    return notes


def leadsheet(path: Path) -> tuple[dict[str, list[Note]], list[float]]:
    """Melody of a lead sheet; its chords struck on every second beat, their roots walking in the bass."""
    score = music21.converter.parse(path)
    length = int(score.highestTime)
    beats = [beat * QUARTER_S for beat in range(length + 1)]
    symbols = list(score.flatten().getElementsByClass("ChordSymbol"))
    ends = [symbol.offset for symbol in symbols[1:]] + [length]
    chords, comping = [], []
    for symbol, end in zip(symbols, ends, strict=True):
        start = float(symbol.offset)
        chords.append((start * QUARTER_S, float(end) * QUARTER_S, symbol.root().pitchClass))
        for beat in np.arange(start, float(end), 2.0):
            for pitch in sorted({48 + (tone.midi % 12) for tone in symbol.pitches}):
                until = min(beat + 1.9, float(end))
                comping.append(Note(beat * QUARTER_S, until * QUARTER_S, pitch, velocity=75))
    melody = [note for note in written(score) if note.pitch]
    return {"vocals": melody, "other": comping, "bass": walking(chords, beats)}, beats


def song_and_piano(path: Path) -> tuple[dict[str, list[Note]], list[float]]:
    """A song with piano; where the piano strikes below middle C on a beat, a bass doubles its lowest note."""
    parts = list(music21.converter.parse(path).parts)
    voice, piano = written(parts[0]), [note for part in parts[1:] for note in written(part)]
    begin = max(0.0, min(note.onset for note in voice) - 2 * QUARTER_S)
    voice, piano = shifted(voice, -begin), shifted(piano, -begin)
    beats = [beat * QUARTER_S for beat in range(int(SECONDS / QUARTER_S) + 1)]
    bass = []
    for beat, following in pairwise(beats):
        struck = [note.pitch for note in piano if abs(note.onset - beat) < 0.01 and note.pitch < 60]
        if struck:
            pitch = BASS_LOWEST + (min(struck) - BASS_LOWEST) % 12
            bass.append(Note(beat, beat + 0.9 * (following - beat), pitch, velocity=90))
    return {"vocals": voice, "other": piano, "bass": bass}, beats


def written(part: music21.stream.Stream) -> list[Note]:
    """The notes of a score, tied ones as one, chord symbols left out; grace notes too."""
    return [
        Note(
            float(event.offset) * QUARTER_S, float(event.offset + event.quarterLength) * QUARTER_S, pitch.midi
        )
        for event in part.stripTies().flatten().notes
        if event.quarterLength > 0 and not isinstance(event, music21.harmony.ChordSymbol)
        for pitch in event.pitches
    ]


def shifted(notes: Sequence[Note], by: float) -> list[Note]:
    return [
        Note(note.onset + by, note.offset + by, note.pitch, velocity=note.velocity)
        for note in notes
        if note.onset + by >= 0
    ]


def rock(beats: Sequence[float]) -> list[Note]:
    """A drum kit in common time."""
    strokes = []
    for number, (beat, following) in enumerate(pairwise(beats)):
        strokes += [(beat, HAT), ((beat + following) / 2, HAT), (beat, KICK if number % 2 == 0 else SNARE)]
    return [Note(time, time + 0.1, key, velocity=80) for time, key in strokes]


EWLD = "00sapo_OpenEWLD/dataset"
LIEDER = "OpenScore_Lieder/scores"
POP909 = "music-x-lab_POP909-Dataset/POP909"
SONGS = (
    StemSong("POP909 001", "tuning", pop909, f"{POP909}/001", (85, 33, 0)),
    StemSong(
        "Heidenroeslein", "tuning", song_and_piano, f"{LIEDER}/Schubert,_Franz/*/3_*/*.mxl", (54, 32, 0)
    ),
    StemSong("Auld Lang Syne", "tuning", leadsheet, f"{EWLD}/*/Auld_Lang_Syne/*.mxl", (65, 34, 25)),
    StemSong("The Maid of Lodi", "tuning", song_and_piano, f"{LIEDER}/Shield*/*/*/*.mxl", (53, 38, 4)),
    StemSong("POP909 113", "check", pop909, f"{POP909}/113", (53, 34, 27)),
    StemSong("Good night", "check", song_and_piano, f"{LIEDER}/Parry*/*/*/*.mxl", (85, 33, 48)),
    StemSong("Jingle Bells", "check", leadsheet, f"{EWLD}/*/Jingle_Bells/*.mxl", (54, 32, 0)),
    StemSong("Old Folks at Home", "check", leadsheet, f"{EWLD}/*/Old_Folks_at_Home/*.mxl", (71, 38, 16)),
)
LEVELS_DB = {"vocals": 0.0, "bass": -3.0, "other": -3.0, "drums": -3.0}
"""Of the parts in the mix, relative to each other."""


def recordings(data: Path, half: str) -> Iterator[Recording]:
    for song in SONGS:
        if half not in (song.half, "both"):
            continue
        truth, beats = song.source(next(iter(data.glob(song.file))))
        truth = {stem: [note for note in notes if note.offset < SECONDS] for stem, notes in truth.items()}
        programs = dict(zip(STEMS, song.programs, strict=True))
        sounds = {stem: render(RenderedPart(notes, programs[stem]), SECONDS) for stem, notes in truth.items()}
        sounds["drums"] = render(
            RenderedPart(rock([beat for beat in beats if beat < SECONDS]), None), SECONDS
        )
        levelled = {stem: at_level(sound, LEVELS_DB[stem]) for stem, sound in sounds.items()}
        mix = Audio(np.sum([sound.samples for sound in levelled.values()], axis=0), SAMPLE_RATE)
        yield Recording(song.name, song.half, truth, mix, Stems(levelled))
    if half in ("check", "both"):
        truth = {stem: [] for stem in STEMS}
        with open(SONG.with_suffix(".notes.csv"), encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["stem"] in truth:
                    truth[row["stem"]].append(
                        Note(float(row["onset"]), float(row["offset"]), int(row["midi"]))
                    )
        yield Recording("the example", "check", truth, decode(SONG), None)


def at_level(sound: Audio, level_db: float) -> Audio:
    """``sound`` with a root mean square of -20 dB of full scale, and ``level_db`` more."""
    rms = float(np.sqrt(np.mean(sound.samples**2)))
    gain = 10 ** ((level_db - 20) / 20) / max(rms, 1e-9)
    return Audio((sound.samples * gain).astype(np.float32), sound.sample_rate)


def score(truth: Sequence[Note], heard: Sequence[Note], fold: bool = False) -> tuple[float, float, float]:
    """Precision, recall and F of the onsets."""

    def table(notes: Sequence[Note]) -> tuple[np.ndarray, np.ndarray]:
        pitches = np.array([60 + note.pitch % 12 if fold else note.pitch for note in notes], dtype=float)
        intervals = np.array([(note.onset, note.offset) for note in notes]).reshape(-1, 2)
        return intervals, mir_eval.util.midi_to_hz(pitches)

    figures = mir_eval.transcription.precision_recall_f1_overlap(
        *table(truth), *table(heard), onset_tolerance=0.05, offset_ratio=None
    )
    return figures[0], figures[1], figures[2]


def main() -> None:
    parser = argparse.ArgumentParser(description="F of the notes of stems")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--half", choices=("tuning", "check", "both"), default="both")
    parser.add_argument("--separator", default="spectral")
    parser.add_argument("--true-stems", action="store_true", help="transcribe the sounds before the mix")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="music21")
    separator = load_engine(arguments.separator)
    engines: dict[str, Callable[[Audio], tuple[Note, ...]]] = {
        "vocals": Singing(),
        "bass": BasicPitch(BasicPitchSettings.for_stem("bass")),
        "other": BasicPitch(BasicPitchSettings.for_stem("other")),
    }
    network = BasicPitch()
    print(f"{'song':20}{'half':8}{'stem':14}{'P':>7}{'R':>7}{'F':>7}{'F fold':>8}  heard/true")
    means: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for recording in recordings(arguments.data, arguments.half):
        stems = recording.stems if arguments.true_stems else separator(recording.mix)
        if stems is None:
            continue
        found = {stem: engine(stems[stem]) for stem, engine in engines.items()}
        if not arguments.true_stems:
            rest = accompaniment(network, recording.mix, found["vocals"])
            for stem in ("bass", "other"):
                found[f"{stem}, in mix"] = tuple(note for note in rest if note.stem == stem)
        for stem, heard in found.items():
            truth = recording.truth[stem.partition(",")[0]]
            figures = (*score(truth, heard), score(truth, heard, fold=True)[2])
            means.setdefault((recording.half, stem), []).append(figures)
            shown = "".join(f"{figure:7.3f}" for figure in figures)
            print(
                f"{recording.name:20}{recording.half:8}{stem:14}{shown}   {len(heard)}/{len(truth)}",
                flush=True,
            )
    for (half, stem), rows in means.items():
        shown = "".join(f"{figure:7.3f}" for figure in np.mean(rows, axis=0))
        print(f"{'mean':20}{half:8}{stem:14}{shown}")


if __name__ == "__main__":
    main()
