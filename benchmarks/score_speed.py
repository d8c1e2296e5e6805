"""How long a score takes: an invented song for voice, keyboard, bass and drums, from heard notes to files.

python -m benchmarks.score_speed [--bars 120]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from lyrics.words import Line, Lyrics, Syllable, Word
from notation.export import engrave, write_midi, write_musicxml, write_pdf
from notation.notate import notate
from transcription.beatgrid import BeatGrid
from transcription.notes import Note

BEAT_S = 0.5
TIMING_S = 0.012  # how unevenly it is played (standard deviation)


def played(bars: int, seed: int = 1) -> list[Note]:
    """A song of four chords in 4/4."""
    chance = random.Random(seed)
    notes = []

    def play(bar: int, beat: float, beats: float, pitch: int, stem: str) -> None:
        onset = max(0.0, (4 * bar + beat) * BEAT_S + chance.gauss(0, TIMING_S))
        length = max(0.05, beats * BEAT_S * chance.uniform(0.7, 1.0))
        notes.append(Note(onset, onset + length, pitch, chance.randint(50, 110), stem=stem))

    for bar in range(bars):
        root = (0, 7, 9, 5)[bar % 4]
        for eighth in range(8):
            play(bar, eighth / 2, 0.2, 42, "drums")
        for beat in range(4):
            play(bar, beat, 0.2, (36, 38)[beat % 2], "drums")
            for third in (0, 4, 7):
                play(bar, beat, 0.9, 55 + root + third, "other")
        for beat, beats in ((0.0, 1.5), (1.5, 0.5), (2.0, 2.0)):
            play(bar, beat, beats, 28 + root, "bass")
        for eighth in sorted(chance.sample(range(8), 4)):
            play(bar, eighth / 2, 0.5, chance.choice((60, 62, 64, 65, 67, 69, 72)), "vocals")
    return notes


def sung(notes: list[Note]) -> Lyrics:
    """A syllable for each note of the voice."""
    voice = sorted(note for note in notes if note.stem == "vocals")
    words = tuple(Word("la", (Syllable("la", note.onset, note.offset),)) for note in voice)
    return Lyrics(tuple(Line(words[i : i + 8]) for i in range(0, len(words), 8)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bars", type=int, default=120)
    bars = parser.parse_args().bars
    notes = played(bars)
    beats = range(4 * bars + 1)
    grid = BeatGrid(tuple(i * BEAT_S for i in beats), tuple(1 + i % 4 for i in beats))
    lyrics = sung(notes)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        moments = [time.perf_counter()]
        score = notate(notes, grid, lyrics, title="A song")
        moments.append(time.perf_counter())
        write_musicxml(score, folder / "score.musicxml")
        write_midi(score, folder / "score.mid")
        moments.append(time.perf_counter())
        pages = engrave(folder / "score.musicxml")
        moments.append(time.perf_counter())
        write_pdf(pages, folder / "score.pdf")
        moments.append(time.perf_counter())
    steps = ("notes to score", "MusicXML, MIDI", "engraving", "PDF")
    print(f"{len(notes)} notes, {4 * bars * BEAT_S:.0f} s of music, {len(pages)} pages")
    for step, start, end in zip(steps, moments, moments[1:], strict=False):
        print(f"{step:<16}{end - start:6.1f} s")


if __name__ == "__main__":
    main()
