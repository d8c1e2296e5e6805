"""How often performed notes come back as they are written: rhythm, voices, key, spelling and chords.

    python -m benchmarks.written [--data FOLDER] [--only SECTION] [--corpus N]

- performances: the ASAP performances on their annotated beats, and on ours. Each performed note is
  matched with the note of the same pitch nearest to it in the score (``midi_score.mid``, both placed on
  the annotated beats); right is a written onset, and a written duration, equal to the score's.
- scores: OpenScore Lieder, OpenEWLD and scores that come with music21, each part played exactly as
  written, and with an invented human timing, on the score's own beats; all of a note must be right.
- keys: the first key signature, and the share of the bars under the right one (modulo enharmonic change);
  beside it music21's key analysis, one key for the piece (Krumhansl & Schmuckler, its own weights).
- spelling: the share of notes named as in the score, with the score's key signatures and with those found;
  beside it stage 1 of ps13 (Meredith 2006), its names shifted as a whole to where they fit best.
  ``--learnt FOLDER``: also on the pieces that ``training.train_spelling`` kept aside.
- chords: POP909 with its annotated beats, mir_eval's scores. ``--pop909 FOLDER``: also every tenth song of
  a checkout, which nothing was fitted on.

The scores of music21 are a check against tuning on the recordings (``--corpus``: how many).
"""

from __future__ import annotations

import argparse
import math
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import music21
import numpy as np
import pretty_midi

from evaluation.chords import chord_scores as measure_chords
from evaluation.chords import read_chords
from notation.chord_labels import played_chords
from notation.chords import find_chords
from notation.events import Bar, Key, ScoreNote, key_at
from notation.keys import find_keys
from notation.meter import lay_bars
from notation.quantise import quantise
from notation.spelling import name_pitch_class, name_places, spell, with_octave
from notation.voices import assign_voices
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.beats.joint import track_beats
from transcription.notes import Note

MATCH_BEATS = 0.5  # a performed note belongs to a score note at most this far off
SAME_BEATS = 0.03  # MIDI files round to ticks, and end notes a tick early
TEMPO_QUARTER_S = 0.6
JITTER_S = 0.012
WANDER = 0.03  # of the tempo, from beat to beat


def main() -> None:
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--only", choices=list(SECTIONS))
    parser.add_argument("--corpus", type=int, default=30, help="how many scores of music21 to take")
    parser.add_argument("--learnt", type=Path, help="a folder written by training.corpus")
    parser.add_argument("--pop909", type=Path, help="the folder POP909 of a checkout of the data set")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name, section in SECTIONS.items():
        if arguments.only in (None, name):
            print(f"\n{name}")
            section(arguments.data, arguments.corpus)
    if arguments.learnt and arguments.only in (None, "spelling"):
        spelling_kept_aside(arguments.learnt)
    if arguments.pop909 and arguments.only in (None, "chords"):
        chords_kept_aside(arguments.pop909)


# Performances -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WrittenPiece:
    """A performance with its annotated beats, and the places of the same beats in the score's MIDI."""

    name: str
    notes: tuple[Note, ...]
    grid: BeatGrid
    keys: tuple[tuple[int, int], ...]
    """The beats (by index) from which each key signature holds, in fifths."""
    score: tuple[Note, ...]
    score_beats: tuple[float, ...]


def performances(data: Path) -> Iterator[WrittenPiece]:
    """The ASAP performances."""
    for file in sorted((data / "CPJKU_asap-dataset").rglob("*_annotations.txt")):
        if file.name == "midi_score_annotations.txt":
            continue
        rows = _annotations(file)
        changes = [row[2].split(",") for row in rows]
        meter = next(change[1] for change in changes if len(change) > 1 and change[1])
        keys = tuple((beat, int(change[2])) for beat, change in enumerate(changes) if "".join(change[2:3]))
        signature = TimeSignature(*map(int, meter.split("/")))
        downbeats = {index for index, change in enumerate(changes) if change[0] == "db"}
        number = signature.beats_per_bar - min(downbeats) + 1
        numbers = []
        for index in range(len(rows)):
            number = 1 if index in downbeats else number
            numbers.append(max(1, number))
            number += 1
        yield WrittenPiece(
            str(file.parent.relative_to(data / "CPJKU_asap-dataset")),
            read_midi(file.with_name(file.name.replace("_annotations.txt", ".mid"))),
            BeatGrid(tuple(float(row[0]) for row in rows), tuple(numbers), signature),
            keys,
            read_midi(file.with_name("midi_score.mid")),
            tuple(float(row[0]) for row in _annotations(file.with_name("midi_score_annotations.txt"))),
        )


def _annotations(file: Path) -> list[list[str]]:
    return [line.split("\t") for line in file.read_text().splitlines() if line.strip()]


def read_midi(file: Path) -> tuple[Note, ...]:
    """The notes of a MIDI file, without drums."""
    midi = pretty_midi.PrettyMIDI(str(file))
    return tuple(
        sorted(
            Note(
                float(note.start), float(max(note.end, note.start + 0.01)), note.pitch, max(1, note.velocity)
            )
            for part in midi.instruments
            if not part.is_drum
            for note in part.notes
        )
    )


def _on(beats: Sequence[float], times: Sequence[float]) -> np.ndarray:
    """Positions in beats."""
    return BeatGrid(tuple(beats), (1,) * len(beats)).beat_at(times)


def score_matches(piece: WrittenPiece) -> list[tuple[Note, float, float]]:
    """The performed notes with the onset and duration in beats that the score gives them."""
    count = min(len(piece.grid.times), len(piece.score_beats))
    heard = _on(piece.grid.times[:count], [note.onset for note in piece.notes])
    written = _on(piece.score_beats[:count], [note.onset for note in piece.score])
    ends = _on(piece.score_beats[:count], [note.offset for note in piece.score])
    pairs = sorted(
        (abs(heard[a] - written[b]), a, b)
        for a, note in enumerate(piece.notes)
        for b, other in enumerate(piece.score)
        if note.pitch == other.pitch and abs(heard[a] - written[b]) <= MATCH_BEATS
    )
    left, right, matches = set(), set(), []
    for _, a, b in pairs:
        if a not in left and b not in right:
            left.add(a)
            right.add(b)
            matches.append((piece.notes[a], float(written[b]), float(ends[b] - written[b])))
    return matches


def notated(notes: Sequence[Note], grid: BeatGrid) -> tuple[tuple[ScoreNote, ...], np.ndarray]:
    """The notes as written for a keyboard, and where the beats of ``grid`` fall, in quarters."""
    _, when = lay_bars(grid, notes)
    return assign_voices(quantise(notes, when), staves=2), when.quarters_at(grid.times)


def rhythm_shares(
    written: Sequence[ScoreNote], beats: np.ndarray, truth: dict[Note, tuple[float, float]]
) -> tuple[float, float]:
    """Shares of the notes with the right onset, and with the right duration."""
    onset_right = duration_right = 0
    for note in written:
        if note.heard in truth:
            onset, duration = truth[note.heard]
            place, end = _on(tuple(beats.tolist()), [float(note.onset), float(note.end)])
            onset_right += abs(place - onset) < SAME_BEATS
            duration_right += abs(end - place - duration) < SAME_BEATS
    return onset_right / len(truth), duration_right / len(truth)


def performances_section(data: Path, corpus: int) -> None:
    print(f"{'':42}{'notes':>6}{'matched':>8}  annotated beats      our beats      s/min")
    print(f"{'':42}{'':14}{'onset':>8}{'duration':>9}{'onset':>9}{'duration':>9}")
    rows = []
    for piece in performances(data):
        truth = {note: (onset, duration) for note, onset, duration in score_matches(piece)}
        start = time.perf_counter()
        written, beats = notated(piece.notes, piece.grid)
        seconds = time.perf_counter() - start
        ours = track_beats(piece.notes)
        row = (*rhythm_shares(written, beats, truth), *_own_beats(piece, ours, truth))
        rows.append(row)
        print(
            f"{piece.name:42}{len(piece.notes):6}{len(truth) / len(piece.notes):8.2f}"
            + "".join(f"{value:9.3f}" for value in row)
            + f"{60 * seconds / piece.notes[-1].offset:8.2f}"
        )
    print(f"{'mean':56}" + "".join(f"{value:9.3f}" for value in np.mean(rows, axis=0)))


def _own_beats(
    piece: WrittenPiece, grid: BeatGrid, truth: dict[Note, tuple[float, float]]
) -> tuple[float, float]:
    """Shares right on our beats: intervals to the note before, and durations, both as shares of their truth.

    Our beats may be another level than the annotated ones and may start elsewhere, so positions are
    compared from note to note, in the unit that makes the median duration agree.
    """
    written, _ = notated(piece.notes, grid)
    known = [note for note in written if note.heard in truth]
    ours = np.asarray([float(note.duration) for note in known])
    theirs = np.asarray([truth[note.heard][1] for note in known])
    steps = np.diff([float(note.onset) for note in known])
    true_steps = np.diff([truth[note.heard][0] for note in known])
    scale = float(np.median((ours / theirs)[ours > 0]))
    scale = (
        2.0 ** round(float(np.log2(scale / 1.5))) * 1.5
        if piece.grid.time_signature.compound
        else 2.0 ** round(float(np.log2(scale)))
    )
    return (
        float(np.mean(np.abs(steps / scale - true_steps) < SAME_BEATS)),
        float(np.mean(np.abs(ours / scale - theirs) < SAME_BEATS)),
    )


# Scores -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One part of a score: onset, duration in quarters, pitch and name of each note, ties joined."""

    onsets: tuple[Fraction, ...]
    durations: tuple[Fraction, ...]
    pitches: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PieceScores:
    """A score: its parts, its beats in quarters with their numbers, its meter and keys (in fifths)."""

    name: str
    lines: tuple[Line, ...]
    beats: tuple[Fraction, ...]
    numbers: tuple[int, ...]
    meter: TimeSignature
    keys: tuple[tuple[Fraction, int], ...]


def read_score(source: Path | str, name: str) -> PieceScores | None:
    """A score read with music21. None where it has no meter that :class:`TimeSignature` can hold."""
    parsed = music21.converter.parse(source) if isinstance(source, Path) else music21.corpus.parse(source)
    if not isinstance(parsed, music21.stream.PieceScores) or not parsed.parts:
        return None
    parsed = parsed.stripTies()
    signatures = list(parsed.recurse().getElementsByClass(music21.meter.TimeSignature))
    top = parsed.parts[0].flatten().getElementsByClass(music21.key.KeySignature)
    keys = {Fraction(key.offset): int(key.sharps) for key in top} or {Fraction(0): 0}
    if not signatures or signatures[0].denominator not in (1, 2, 4, 8, 16, 32):
        return None
    meter = TimeSignature(signatures[0].numerator, signatures[0].denominator)
    lines = []
    for part in parsed.parts:
        rows = []
        for element in part.flatten().notes:
            if element.duration.isGrace or isinstance(element, music21.harmony.ChordSymbol):
                continue
            for pitch in getattr(element, "pitches", ()):
                rows.append(
                    (
                        Fraction(element.offset),
                        Fraction(element.quarterLength),
                        pitch.midi,
                        pitch.nameWithOctave,
                    )
                )
        rows = sorted({row[:1] + row[2:3]: row for row in rows if row[1] > 0}.values())
        if rows:
            onsets, durations, pitches, names = zip(*rows, strict=True)
            lines.append(Line(onsets, durations, pitches, tuple(each.replace("-", "b") for each in names)))
    beats, numbers = _score_beats(parsed.parts[0], meter)
    if not lines or len(beats) < 2:
        return None
    return PieceScores(name, tuple(lines), beats, numbers, meter, tuple(sorted(keys.items())))


def _score_beats(
    part: music21.stream.Part, meter: TimeSignature
) -> tuple[tuple[Fraction, ...], tuple[int, ...]]:
    """Even beats from the first full bar on and back over a pick-up, counted anew at each bar line."""
    measures = [Fraction(measure.offset) for measure in part.getElementsByClass(music21.stream.Measure)]
    end = Fraction(part.highestTime)
    step, per_bar = meter.beat_quarters, meter.beats_per_bar
    lengths = [b - a for a, b in pairwise([*measures, end])]
    short = bool(lengths) and lengths[0] < meter.bar_quarters
    zero = measures[1] if short and len(measures) > 1 else measures[0]
    back = math.ceil((zero - measures[0]) / step)
    lines = set(measures[short:])
    beats, numbers = [], []
    number = per_bar - back
    for beat in range(-back, math.ceil((end - zero) / step) + 1):
        place = zero + beat * step
        number = 1 if place in lines else number + 1
        beats.append(place)
        numbers.append(number)
    return tuple(beats), tuple(numbers)


def scores(data: Path, corpus: int) -> Iterator[PieceScores]:
    """The scores of the evaluation data, then ``corpus`` scores of music21 by several composers."""
    for folder in ("OpenScore_Lieder", "00sapo_OpenEWLD"):
        for file in sorted((data / folder).rglob("*.mxl")):
            score = read_score(file, file.stem if folder.startswith("00") else file.parent.name)
            if score:
                yield score
    yield from corpus_scores(corpus)


CORPUS = ("bach/bwv", "mozart/k", "beethoven/opus", "haydn/opus", "schumann", "chopin", "joplin", "schubert")


def corpus_scores(count: int) -> Iterator[PieceScores]:
    """Some of music21's own scores, evenly from each composer."""
    paths = [str(path) for path in music21.corpus.getComposer("bach")]
    paths = sorted(str(path) for path in music21.corpus.getCorePaths())
    for composer in CORPUS:
        own = [
            path
            for path in paths
            if f"/corpus/{composer}" in path and Path(path).suffix in (".mxl", ".xml", ".musicxml", ".krn")
        ]
        each = max(1, count // len(CORPUS))
        for path in own[:: max(1, len(own) // each)][:each]:
            try:
                score = read_score(Path(path), re.sub(r".*/corpus/", "", path))
            except Exception as error:  # a file music21 itself can't read tells nothing about us
                print(f"{path}: {error}")
                continue
            if score:
                yield score


def played(score: PieceScores, human: bool, seed: int = 1) -> tuple[list[list[Note]], BeatGrid]:
    """The parts of a score in seconds, and its beats; ``human``: with drifting tempo, jitter and gaps."""
    random = np.random.default_rng(seed)
    first, last = score.beats[0], max(max(line.onsets) for line in score.lines) + 16
    beats, numbers = list(score.beats), list(score.numbers)
    while beats[-1] < last:
        numbers.append(numbers[-1] % score.meter.beats_per_bar + 1)
        beats.append(beats[-1] + score.meter.beat_quarters)
    lengths = np.diff([float(beat) for beat in beats]) * TEMPO_QUARTER_S
    if human:
        lengths *= np.exp(np.cumsum(random.normal(0, WANDER, len(lengths))) * 0.5).clip(0.7, 1.4)
    times = 1.0 + np.concatenate([[0.0], np.cumsum(lengths)])
    grid = BeatGrid(tuple(times.tolist()), tuple(numbers), score.meter)

    def seconds(places: Sequence[Fraction]) -> np.ndarray:
        return grid.time_at(
            np.interp([float(p) for p in places], [float(b) for b in beats], np.arange(len(beats)))
        )

    parts = []
    for number, line in enumerate(score.lines):
        starts = seconds([max(first, onset) for onset in line.onsets])
        ends = seconds([onset + length for onset, length in zip(line.onsets, line.durations, strict=True)])
        if human:
            ends = starts + (ends - starts) * random.uniform(0.75, 1.0, len(starts))
            shift = random.normal(0, JITTER_S, len(starts))
            starts, ends = starts + shift, ends + shift
        parts.append(
            [
                Note(float(a), float(max(b, a + 0.02)), pitch, stem=f"part {number}")
                for a, b, pitch in zip(starts, ends, line.pitches, strict=True)
            ]
        )
    return parts, grid


def scores_section(data: Path, corpus: int) -> None:
    print(f"{'':44}{'exact':>14}{'':14}{'human timing':>14}")
    print(f"{'':44}{'notes':>7}{'onset':>8}{'value':>8}{'both':>8}{'onset':>9}{'value':>8}{'both':>8}")
    totals = []
    for score in scores(data, corpus):
        row = [*_round_trip(score, False), *_round_trip(score, True)]
        count = sum(len(line.onsets) for line in score.lines)
        totals.append((count, row))
        print(f"{score.name[:43]:44}{count:7}" + "".join(f"{value:8.3f}" for value in row))
    mean = np.average([row for _, row in totals], axis=0, weights=[count for count, _ in totals])
    print(f"{'all notes':51}" + "".join(f"{value:8.3f}" for value in mean))


def _round_trip(score: PieceScores, human: bool) -> tuple[float, float, float]:
    """Shares of notes with the right onset, value, and both."""
    parts, grid = played(score, human)
    notes = [note for part in parts for note in part]
    _, when = lay_bars(grid, notes)
    counted = np.zeros(3)
    zero = when.quarters_at(grid.times[0])
    for part, line in zip(parts, score.lines, strict=True):
        wide = max(line.pitches) - min(line.pitches) > 30 and min(line.pitches) < 55
        written = {id(note.heard): note for note in assign_voices(quantise(part, when), 2 if wide else 1)}
        for note, onset, length in zip(part, line.onsets, line.durations, strict=True):
            got = written[id(note)]
            on = abs(float(got.onset) - float(zero) - float(onset - score.beats[0])) < 1e-3
            value = abs(float(got.duration - length)) < 1e-3
            counted += (on, value, on and value)
    return tuple((counted / len(notes)).tolist())


# Keys, spelling, chords -------------------------------------------------------------------------


def keys_section(data: Path, corpus: int) -> None:
    print(f"{'':48}{'first key':>12}{'bars right':>24}{'music21':>20}")
    rows = []
    for piece in performances(data):
        bars, when = lay_bars(piece.grid, piece.notes)
        places = when.quarters_at([piece.grid.times[beat] for beat, _ in piece.keys])
        rows.append(_key_row(piece.name, quantise(piece.notes, when), bars, places, piece.keys))
    _key_means("ASAP", rows)
    for song in sorted((data / "music-x-lab_POP909-Dataset" / "POP909").iterdir()):
        heard = _pop909_notes(song)
        bars, when = lay_bars(_pop909_grid(song), heard)
        ((_, key), *others) = find_keys(quantise(heard, when), bars)
        truth = (song / "key_audio.txt").read_text().split()[2]
        print(f"POP909 {song.name}: {key} for {truth}, {len(others)} changes")
    rows = []
    for score in scores(data, corpus):
        parts, grid = played(score, False)
        notes = [note for part in parts for note in part]
        bars, when = lay_bars(grid, notes)
        zero = float(when.quarters_at(grid.times[0])) - float(score.beats[0])
        places = np.asarray([float(place) + zero for place, _ in score.keys])
        rows.append(_key_row(score.name, quantise(notes, when), bars, places, score.keys))
    _key_means("scores", rows)


def _key_row(
    name: str,
    notes: Sequence[ScoreNote],
    bars: Sequence[Bar],
    places: np.ndarray,
    truth: Sequence[tuple[Fraction | int, int]],
) -> tuple[bool, float, bool, float]:
    """First signature right and share of the bars right; the same for music21's one key."""
    found = find_keys(notes, bars)
    line = music21.stream.Stream()
    for note in notes:
        if note.duration > 0:
            line.coreInsert(note.onset, music21.note.Note(note.pitch, quarterLength=note.duration))
    line.coreElementsChanged()
    peer = line.analyze("key")
    signatures = [fifths for _, fifths in truth]
    middles = [float(bar.start + bar.length / 2) for bar in bars]
    true = [signatures[max(0, int(np.searchsorted(places, middle)) - 1)] for middle in middles]
    ours = [key_at(found, Fraction(middle)).fifths for middle in middles]
    row = (
        (ours[0] - signatures[0]) % 12 == 0,
        float(np.mean([(a - b) % 12 == 0 for a, b in zip(ours, true, strict=True)])),
        (peer.sharps - signatures[0]) % 12 == 0,
        float(np.mean([(peer.sharps - b) % 12 == 0 for b in true])),
    )
    keys = ", ".join(f"{key} from {float(start):g}" if start else str(key) for start, key in found)
    print(
        f"{name[:47]:48}{'right' if row[0] else 'wrong':>12}{row[1]:12.3f} of {len(signatures):2} keys"
        f"{'right' if row[2] else 'wrong':>12}{row[3]:8.3f}   {keys}"
    )
    return row


def _key_means(name: str, rows: Sequence[tuple[bool, float, bool, float]]) -> None:
    first, bars, peer_first, peer_bars = np.mean(rows, axis=0)
    print(
        f"{name}: first signature right on {round(first * len(rows))} of {len(rows)}, bars {bars:.3f}; "
        f"music21 {round(peer_first * len(rows))} of {len(rows)}, bars {peer_bars:.3f}"
    )


def spelling_section(data: Path, corpus: int) -> None:
    print(f"{'':44}{'notes':>7}{'ours':>8}{'own keys':>9}{'ps13s1':>8}")
    counted = np.zeros(4)
    for score in [*scores(data, corpus), *asap_scores(data)]:
        notes = [
            ScoreNote(onset, length, Note(float(onset), float(onset) + 0.1, pitch))
            for line in score.lines
            for onset, length, pitch in zip(line.onsets, line.durations, line.pitches, strict=True)
        ]
        names = [name for line in score.lines for name in line.names]
        given = tuple((place, _key_with(fifths)) for place, fifths in score.keys)
        end = max(note.end for note in notes)
        steps = range(math.ceil(end / score.meter.bar_quarters))
        length = Fraction(score.meter.bar_quarters)
        found = find_keys(notes, [Bar(n + 1, n * length, length, score.meter) for n in steps])
        right = [
            sum(a == b for a, b in zip(spell(notes, given), names, strict=True)),
            _best_shift(spell(notes, found), names),
            _best_shift(ps13s1(notes), names),
        ]
        counted += (len(notes), *right)
        shares = "".join(f"{count / len(notes):8.4f}" for count in right)
        print(f"{score.name[:43]:44}{len(notes):7}{shares}")
    print(f"{'all notes':44}{counted[0]:7.0f}" + "".join(f"{c / counted[0]:8.4f}" for c in counted[1:]))


def _best_shift(names: Sequence[str], truth: Sequence[str]) -> int:
    """How many names are right if all are enharmonically changed alike, or none (a piece in F# or Gb)."""
    apart = [_place(a) - _place(b) for a, b in zip(names, truth, strict=True)]
    return max(apart.count(shift) for shift in (-12, 0, 12))


def _place(name: str) -> int:
    """The place of a name with octave on the line of fifths."""
    return "FCGDAEB".index(name[0]) - 1 + 7 * (name.count("#") - name[1:].count("b"))


def ps13s1(notes: Sequence[ScoreNote], before: int = 10, after: int = 42) -> list[str]:
    """Names by stage 1 of ps13: each pitch class around a note votes as the tonic of a chromatic scale."""
    order = sorted(range(len(notes)), key=lambda index: (notes[index].onset, notes[index].pitch))
    classes = np.asarray([notes[index].pitch % 12 for index in order])
    letter_steps = np.asarray([0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6])  # of the 12 semitones above a tonic
    first = int(np.asarray([2, 2, 3, 4, 4, 5, 5, 6, 6, 0, 1, 1])[classes[0]])  # letters from A: C C# D Eb ...
    tonics = (first - letter_steps[(classes[0] - np.arange(12)) % 12]) % 7
    counts = np.zeros((len(order) + 1, 12), dtype=int)
    counts[1:] = np.cumsum(classes[:, None] == np.arange(12), axis=0)
    names = [""] * len(notes)
    for place, index in enumerate(order):
        window = counts[min(place + after, len(order))] - counts[max(0, place - before)]
        letters = (tonics + letter_steps[(classes[place] - np.arange(12)) % 12]) % 7
        letter = "ABCDEFG"[int(np.argmax(np.bincount(letters, window, minlength=7)))]
        alter = (notes[index].pitch - name_pitch_class(letter) + 6) % 12 - 6
        names[index] = with_octave(letter + ("#" * alter if alter > 0 else "b" * -alter), notes[index].pitch)
    return names


def spelling_kept_aside(folder: Path) -> None:
    from training.corpus import TICKS, load_all
    from training.train_spelling import held_out, signatures

    counted = np.zeros(3)
    for piece in load_all(folder):
        if held_out(piece.name):
            places = name_places(piece.onset / TICKS, piece.duration / TICKS, piece.pitch, signatures(piece))
            notes = [
                ScoreNote(Fraction(int(onset), TICKS), Fraction(0), Note(0.0, 1.0, int(pitch)))
                for onset, pitch in zip(piece.onset, piece.pitch, strict=True)
            ]
            apart = [_place(name) - own for name, own in zip(ps13s1(notes), piece.fifths, strict=True)]
            counted += (len(notes), np.sum(places == piece.fifths), max(map(apart.count, (-12, 0, 12))))
    count, ours, peer = counted
    print(f"kept aside: {count:.0f} notes, {ours / count:.4f}; ps13s1 {peer / count:.4f}")


def _key_with(fifths: int) -> Key:
    names = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
    return Key(names[fifths + 7])


def asap_scores(data: Path) -> Iterator[PieceScores]:
    for file in sorted((data / "CPJKU_asap-dataset").rglob("xml_score.musicxml")):
        score = read_score(file, str(file.parent.relative_to(data / "CPJKU_asap-dataset")))
        if score:
            yield score


def _pop909_notes(song: Path) -> tuple[Note, ...]:
    return read_midi(song / f"{song.name}.mid")


def _pop909_grid(song: Path) -> BeatGrid:
    rows = [line.split() for line in (song / "beat_midi.txt").read_text().splitlines()]
    downbeats = [index for index, row in enumerate(rows) if float(row[2]) == 1]
    meter = TimeSignature(max(1, int(np.median(np.diff(downbeats)))), 4)
    numbers = [(index - downbeats[0]) % meter.beats_per_bar + 1 for index in range(len(rows))]
    return BeatGrid(tuple(float(row[0]) for row in rows), tuple(numbers), meter)


def chords_section(data: Path, corpus: int) -> None:
    for song in sorted((data / "music-x-lab_POP909-Dataset" / "POP909").iterdir()):
        row = chord_scores(song)
        print(f"POP909 {song.name}: {_chord_figures(row)}")


def chords_kept_aside(folder: Path) -> None:
    rows = [chord_scores(song) for song in sorted(folder.iterdir()) if song.name.endswith("0")]
    print(f"{len(rows)} songs kept aside: {_chord_figures(np.mean(rows, axis=0))}")


def _chord_figures(row: np.ndarray) -> str:
    return (
        f"root {row[0]:.3f}  majmin {row[1]:.3f}  sevenths {row[2]:.3f}  "
        f"symbols a bar {row[3]:.2f} (annotated {row[4]:.2f})"
    )


def chord_scores(song: Path) -> np.ndarray:
    """mir_eval's root, majmin and sevenths of a song of POP909; symbols a bar, ours and annotated."""
    notes = _pop909_notes(song)
    bars, when = lay_bars(_pop909_grid(song), notes)
    written = quantise(notes, when)
    symbols = find_chords(written, bars, find_keys(written, bars))
    reference = read_chords(song / "chord_midi.txt")
    scores = measure_chords(reference, played_chords(symbols, when))
    shares = [scores[name] or 0.0 for name in ("root", "majmin", "sevenths")]
    return np.asarray([*shares, len(symbols) / len(bars), len(reference) / len(bars)])


SECTIONS = {
    "performances": performances_section,
    "scores": scores_section,
    "keys": keys_section,
    "spelling": spelling_section,
    "chords": chords_section,
}

if __name__ == "__main__":
    main()
