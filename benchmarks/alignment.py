"""How well lyric sheets are set to time without weights: word onset errors, and the syllable counts.

    python -m benchmarks.alignment [--data ../shared/data] [--cache FOLDER] [--separator NAME]

For each song and each kind of notes the table has the measures of ``fullscore evaluate lyrics-timing``:
mean (aae) and median (mae) absolute error of the words' onsets in seconds, the share within 0.3 s (pc) and
that of the time spent at the right word (pcs); the share within 1 s, and the seconds it took. Beside it the
baseline, words spread evenly (by letters) over the time in which there is sound. "true" notes are the
annotated ones, without the sound; "sung" are those of transcription.engines.singing on the mix as it is; "no"
notes leaves the mix alone to go by. With a separator, its vocal stem is gone by, too.
"""

from __future__ import annotations

import argparse
import csv
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.lyrics_timing import onset_scores, read_timed_words
from fullscore.files import EXAMPLE
from lyrics.activity import voiced_spans
from lyrics.alignment import align
from lyrics.layout import SheetLine, read_sheet
from lyrics.syllables import syllabify
from pipeline.plan import load_engine
from separation.audio import Audio, decode
from transcription.notes import Note

ULTRASTAR = ("Jonathan Coulton - Monkey Shines", "Jonathan Coulton - Mr. Fancy Pants")
SHOWN = ("aae", "mae", "pc", "pcs", "<=1 s")
FANTASMA = "Fantasma_-_Los_Rombos"


@dataclass(frozen=True, slots=True)
class Case:
    """One song: its sheet, its recording, the true onset of every word, the true notes if known."""

    name: str
    language: str
    sheet: tuple[SheetLine, ...]
    audio: Path
    onsets: tuple[float, ...] | None
    notes: tuple[Note, ...] | None


def ultrastar(data: Path, name: str) -> tuple[Case, list[list[str]]]:
    """A song of the UltraStar folder, and the syllables as sung of each word."""
    folder = data / "UltraStar-Deluxe_songs"
    sheet = read_sheet(folder / "derived" / f"{name}.lyrics.txt")
    with (folder / "derived" / f"{name}.notes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    notes = tuple(
        Note(float(row["onset_s"]), float(row["offset_s"]), int(row["midi"]), stem="vocals") for row in rows
    )
    onsets: list[float] = []
    sung: list[list[str]] = []
    letters = iter([word for line in sheet for word in line.words])
    rest = ""
    for row in rows:
        text = row["syllable"].strip().lstrip("~")
        if not rest:
            if not text:
                continue
            rest = next(letters)
            onsets.append(float(row["onset_s"]))
            sung.append([])
        if text:
            if not rest.startswith(text):
                raise ValueError(f"{name}: the note '{text}' doesn't spell '{rest}'")
            rest = rest[len(text) :]
            if row["syllable"].strip().startswith("~"):
                sung[-1][-1] += text
            else:
                sung[-1].append(text)
    audio = folder / "Creative Commons" / name / "audio.mp3"
    return Case(name.split(" - ")[1], "en", sheet, audio, tuple(onsets), notes), sung


def fantasma(data: Path) -> Case:
    folder = data / "f90_jamendolyrics"
    timed = read_timed_words(folder / "annotations" / "words" / f"{FANTASMA}.csv")
    sheet = read_sheet(folder / "lyrics" / f"{FANTASMA}.txt")
    return Case(
        "Fantasma", "es", sheet, folder / "mp3" / f"{FANTASMA}.mp3", tuple(timed.onsets.tolist()), None
    )


def bundled() -> Case:
    """The example of this repository: a synthetic singer with a band, and the notes it was made from."""
    from music21 import converter, note

    with (EXAMPLE / "auld-lang-syne.notes.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["stem"] == "vocals"]
    notes = tuple(Note(float(row["onset"]), float(row["offset"]), int(row["midi"])) for row in rows)
    voice = converter.parse(EXAMPLE / "auld-lang-syne.musicxml").parts[0].stripTies().flatten().notes
    written = [one for one in voice if isinstance(one, note.Note)]
    onsets = tuple(
        sung.onset
        for sung, one in zip(notes, written, strict=True)
        if one.lyrics and one.lyrics[0].syllabic in ("single", "begin")
    )
    sheet = read_sheet(EXAMPLE / "auld-lang-syne.txt")
    return Case("Auld Lang Syne", "en", sheet, EXAMPLE / "auld-lang-syne.ogg", onsets, notes)


def spread_evenly(sheet: Sequence[SheetLine], audio: Audio) -> tuple[float, ...]:
    """The baseline: words laid one after the other over the sounding time, as long as their letters."""
    lengths = np.array([len(word) for line in sheet for word in line.words], dtype=float)
    position = np.concatenate([[0.0], np.cumsum(lengths)[:-1]]) / lengths.sum()
    spans = voiced_spans(audio)
    ends = np.cumsum([span.end - span.start for span in spans])
    at = np.searchsorted(ends, position * ends[-1], side="right")
    return tuple(
        spans[i].end - (ends[i] - p * ends[-1]) for i, p in zip(at.tolist(), position.tolist(), strict=True)
    )


def heard_notes(name: str, audio: Audio, cache: Path | None) -> tuple[Note, ...]:
    kept = cache / f"sung-{name}.pickle" if cache else None
    if kept and kept.is_file():
        stored: tuple[Note, ...] = pickle.loads(kept.read_bytes())
        return stored
    from transcription.engines.singing import Singing

    notes = Singing()(audio)
    if kept:
        kept.write_bytes(pickle.dumps(notes))
    return notes


def row(label: str, onsets: Sequence[float], truth: Sequence[float]) -> str:
    pair = (np.asarray(truth), np.asarray(onsets))
    scores = {**onset_scores(*pair), "<=1 s": onset_scores(*pair, tolerance=1.0)["pc"]}
    figures = ("–" if (value := scores[name]) is None else f"{value:.2f}" for name in SHOWN)
    return f"{label:44s} " + " ".join(f"{figure:>7s}" for figure in figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--separator", help="align on its vocal stem, too")
    parser.add_argument("--cache", type=Path, help="folder that keeps the heard notes between runs")
    arguments = parser.parse_args()
    separator = load_engine(arguments.separator) if arguments.separator else None
    songs = [ultrastar(arguments.data, name) for name in ULTRASTAR]
    print("words with as many syllables as sung:")
    for case, sung in songs:
        words = [word for line in case.sheet for word in line.words]
        wrong = [
            f"{'-'.join(syllabify(word, 'en'))} (sung {'-'.join(parts)})"
            for word, parts in zip(words, sung, strict=True)
            if len(syllabify(word, "en")) != len(parts)
        ]
        print(f"  {case.name}: {1 - len(wrong) / len(words):.3f} of {len(words)}; {', '.join(wrong)}")
    print(f"\n{'word onsets':44s} " + " ".join(f"{name:>7s}" for name in SHOWN))
    for case in [*(case for case, _ in songs), fantasma(arguments.data), bundled()]:
        if case.onsets is None:
            continue
        audio = decode(case.audio)
        print(row(f"{case.name}, evenly spread", spread_evenly(case.sheet, audio), case.onsets))
        heard = {"": audio}
        if separator is not None:
            heard[f", {arguments.separator}"] = separator(audio)["vocals"]
        trials = [("true", "", case.notes, None)] if case.notes is not None else []
        for source, sound in heard.items():
            sung = heard_notes(f"{case.name}{source}", sound, arguments.cache)
            trials += [("sung", source, sung, sound), ("no", source, (), sound)]
        for kind, source, notes, sound in trials:
            began = time.perf_counter()
            lyrics = align(case.sheet, notes, sound, case.language)
            seconds = time.perf_counter() - began
            onsets = [word.onset for word in lyrics.words]
            label = f"{case.name}{source}, {kind} notes ({len(notes)})"
            print(row(label, onsets, case.onsets), f" {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
