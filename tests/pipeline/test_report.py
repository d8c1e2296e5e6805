"""The report of a run: what of the score it tells in seconds."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import soundfile

from evaluation.chords import to_harte
from lyrics.layout import read_sheet
from notation.chord_labels import ChordSegment, played_chords
from notation.chords import QUALITIES
from notation.events import Bar, ChordSymbol
from notation.meter import ScoreTime
from notation.notate import NotationSettings, notate
from pipeline.cli import DONE, main
from pipeline.report import chords_in_seconds
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.notes import Note

# A pick-up beat, then two bars that slow down.
BEATS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.1, 3.8, 4.6, 5.5, 6.5)
NUMBERS = (4, 1, 2, 3, 4, 1, 2, 3, 4, 1)
C_MAJOR, G_SEVENTH = (48, 64, 67, 72), (43, 62, 65, 67, 71)


def performance() -> list[Note]:
    """A tone before the first bar line, a bar of C, a bar of G7, struck on each beat."""
    notes = [Note(0.5, 1.0, 67, stem="piano")]
    for index, (start, end) in enumerate(pairwise(BEATS[1:])):
        notes += [Note(start, end, pitch, stem="piano") for pitch in (G_SEVENTH if index > 3 else C_MAJOR)]
    return notes


def test_chords_are_told_when_they_were_played() -> None:
    score = notate(performance(), BeatGrid(BEATS, NUMBERS), settings=NotationSettings(chords="on"))
    found = chords_in_seconds(score)
    assert [chord["label"] for chord in found[-2:]] == ["C:maj", "G:7"]
    assert [(chord["start"], chord["end"]) for chord in found[-2:]] == [(1.0, 3.1), (3.1, 6.5)]
    assert chords_in_seconds(notate(performance(), BeatGrid(BEATS, NUMBERS))) == []


@pytest.mark.parametrize("quality", QUALITIES)
def test_each_symbol_has_a_label_with_its_tones(quality: str) -> None:
    """F# chords over their third, or what they have in its place."""
    tones = QUALITIES[quality][0]
    bass = ("G#", "A", "A#", "B")[tones[1] - 2]
    symbol = ChordSymbol(Fraction(0), "F#", quality, bass)
    bar = Bar(1, Fraction(0), Fraction(4), TimeSignature())
    (chord,) = played_chords([symbol], ScoreTime((bar,), (0.0, 2.0), (Fraction(0), Fraction(4))))
    assert chord == ChordSegment(0.0, 2.0, to_harte(symbol.figure) or "")
    root, semitones, lowest = mir_eval.chord.encode(chord.label)
    assert (root, lowest) == (6, tones[1])
    assert np.flatnonzero(semitones).tolist() == sorted(tones)


def test_a_resumed_run_tells_the_same_chords_and_words(tmp_path: Path) -> None:
    rate = 22050
    time = np.arange(3 * rate) / rate
    tones = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time) for pitch in (48, 55, 64))
    soundfile.write(tmp_path / "song.wav", 0.2 * tones * np.exp(-2 * (time % 0.5)), rate)
    command = ["transcribe", str(tmp_path / "song.wav"), "-o", str(tmp_path), "--separator", "none"]
    (tmp_path / "words.txt").write_text("One two\nthree!\n", encoding="utf-8")
    command += ["--lyrics", str(tmp_path / "words.txt"), "--offline", "--chords", "on", "--tempo", "120"]
    told = []
    for _ in range(2):
        assert main(command) == DONE
        report = json.loads((tmp_path / "song" / "report.json").read_text())
        told.append((report["chords"], report["words"]))
    assert told[0] == told[1]
    chords, words = told[0]
    assert chords
    assert all(a["end"] == b["start"] for a, b in pairwise(chords))
    assert [(word["text"], word["line"]) for word in words] == [("One", 0), ("two", 0), ("three!", 1)]
    assert all(word["onset"] < word["offset"] for word in words)
    assert [line.onset for line in read_sheet(tmp_path / "song" / "lyrics.lrc")] == pytest.approx(
        [words[0]["onset"], words[2]["onset"]], abs=0.006
    )
