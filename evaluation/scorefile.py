"""Written scores read for comparison: MusicXML (plain, compressed, by parts or by bars) and MIDI.

Task: a file's :class:`~evaluation.scoremodel.Score`: its notes, bars, words, chord symbols and tempo as they
are written, with repeats not played out.

Conventions: those of :mod:`evaluation.scoremodel`. MusicXML is read by :mod:`notation.musicxml_reader`; notes
of drums are left out.

Limits: a MIDI file has bars, keys and tempos but no spelling, and no other voices than its tracks; one that
is a performance is refused.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from evaluation.scoremodel import NO_CHORD, Score, ScoreChord
from fullscore.errors import FullscoreError, Remedy
from fullscore.reading import form_of
from notation.musicxml_reader import (
    Harmony,
    RepeatSigns,
    XmlBar,
    XmlHead,
    XmlNote,
    XmlPart,
    XmlSyllable,
    XmlTempo,
    joined,
    parse_musicxml,
    read_written,
    step_and_alter,
)

if TYPE_CHECKING:
    from transcription.midi import ScoreMap, SungText
    from transcription.notes import Note

# MIDI: parts of a quarter that are written, the plainest first; and how far before its end a note is let go,
# in quarters and as a share of its length: notation programs do so that a repeated note is struck again.
PLAIN_PARTS = (1, 2, 3, 4, 6, 8, 5, 7, 12, 16, 24, 32)
FINEST_PARTS = 480
EARLY, EARLY_SHARE = 0.04, 0.1
_SCALE = "CDEFGAB"
# MusicXML's kinds of chords in Harte's shorthand, as far as mir_eval knows it.
_HARTE = {
    "major": "maj", "minor": "min", "augmented": "aug", "diminished": "dim", "dominant": "7",
    "major-seventh": "maj7", "minor-seventh": "min7", "diminished-seventh": "dim7",
    "augmented-seventh": "aug(b7)", "half-diminished": "hdim7", "major-minor": "minmaj7",
    "major-sixth": "maj6", "minor-sixth": "min6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "min9", "dominant-11th": "11", "major-11th": "maj9(11)", "minor-11th": "min11",
    "dominant-13th": "13", "major-13th": "maj13", "minor-13th": "min13", "suspended-second": "sus2",
    "suspended-fourth": "sus4", "power": "5", "pedal": "1", "other": "1",
}  # fmt: skip


def read_score(path: Path) -> Score:
    """A score from MusicXML or MIDI. Raises FullscoreError where it can't be read, or isn't a score."""
    if form_of(path) == "MIDI":
        return _read_midi(path)
    return _read_musicxml(path)


# MusicXML ---------------------------------------------------------------------------------------


def read_musicxml(path: Path) -> ElementTree.Element:
    """The root of a MusicXML file, plain or compressed, by parts.

    Raises FullscoreError where it isn't one.
    """
    try:
        return parse_musicxml(path.read_bytes())
    except OSError as error:
        raise FullscoreError(
            "can't read {path}: {reason}", "check its name and permissions", path=path, reason=error.strerror
        ) from error
    except ValueError as error:
        raise FullscoreError("{path} {error}", "export it again", path=path, error=error) from error


def _read_musicxml(path: Path) -> Score:
    root = read_musicxml(path)
    try:
        written = read_written(root)
    except ValueError as error:
        raise FullscoreError(
            "{path} can't be read in {error}", "export it again", path=path, error=error
        ) from error
    heads = tuple(head for head in written.heads if head.written)
    chords: dict[Fraction, str] = {}
    for harmony in written.harmonies:
        chords.setdefault(harmony.onset, _chord_label(harmony))
    return Score(
        path,
        joined(heads),
        written.bars,
        tuple(ScoreChord(onset, label) for onset, label in sorted(chords.items())),
        written.tempos,
        written.parts,
        heads,
        written.signs,
    )


def _chord_label(harmony: Harmony) -> str:
    """A chord symbol in Harte's syntax."""
    if harmony.root is None:
        return NO_CHORD
    quality, _, tones = _HARTE.get(harmony.kind, "maj").rstrip(")").partition("(")
    degrees = [tones] if tones else []
    for value, alter, type_ in harmony.degrees:
        if type_ in ("subtract", "alter"):
            degrees.append(f"*{value}")
        if type_ != "subtract":
            degrees.append(_sign(alter) + value)
    step, alter = step_and_alter(harmony.root)
    label = f"{step}{_sign(alter)}:{quality}" + (f"({','.join(degrees)})" if degrees else "")
    if harmony.bass in (None, harmony.root):
        return label
    return f"{label}/{_interval(harmony.bass - harmony.root)}"


def _interval(fifths: int) -> str:
    """An interval above a root as Harte writes it: ``3``, ``b7``."""
    step, alter = step_and_alter(fifths)
    return f"{_sign(alter)}{_SCALE.index(step) + 1}"


def _sign(alter: int) -> str:
    return "#" * alter + "b" * -alter


# MIDI -------------------------------------------------------------------------------------------


def _read_midi(path: Path) -> Score:
    from transcription.midi import read_performance

    performance = read_performance(path)
    if performance.score is None:
        raise FullscoreError(
            "{path} is a performance, its notes don't lie on its beats",
            Remedy("notate", {"score": path.with_suffix(".musicxml").name}),
            path=path,
        )
    stated = performance.score
    part_of: dict[str, int] = {}
    for track in performance.tracks:
        if track.stem != "drums":
            part_of.setdefault(track.stem, len(part_of))
    pitched = [note for note in performance.notes if note.stem in part_of]
    if not pitched:
        raise FullscoreError("{path} has no notes but drums", "give a score with pitched notes", path=path)
    tick = stated.tick
    onsets = stated.quarters_at([note.onset for note in pitched])
    ends = stated.quarters_at([note.offset for note in pitched])
    end = max(Fraction(round(float(max(ends)) / tick)) * tick, Fraction(1))
    bars = tuple(_midi_bars(stated, end))
    starts = [bar.start for bar in bars]
    syllables = _midi_syllables(performance.texts, pitched)
    notes = []
    for number, note in enumerate(pitched):
        onset = _plain(float(onsets[number]), float(tick))
        length = float(ends[number] - onsets[number])
        offset = _plain(float(ends[number]), max(float(tick), min(EARLY, length * EARLY_SHARE)))
        track = performance.tracks[note.track]
        notes.append(
            XmlNote(
                onset=onset,
                duration=offset - onset if offset > onset else tick,
                pitch=round(note.pitch),
                part=part_of[note.stem],
                staff=track.staff,
                syllables=syllables.get(number, ()),
                bar=max(0, bisect_right(starts, onset) - 1),
                id=number,
            )
        )
    names = {
        track.stem: XmlPart(track.name or track.stem, track.staves) for track in reversed(performance.tracks)
    }
    return Score(
        path,
        joined([XmlHead(note, False, False) for note in notes]),
        bars,
        tempos=tuple(XmlTempo(onset, tempo) for onset, tempo in stated.tempos),
        parts=tuple(names[stem] for stem in part_of),
        heads=tuple(XmlHead(note, False, False) for note in notes),
        signs=tuple(RepeatSigns() for _ in bars),
    )


def _plain(position: float, tolerance: float) -> Fraction:
    """The plainest score position (quarters) near a place of a MIDI file, which is rounded to ticks."""
    for parts in PLAIN_PARTS:
        plain = Fraction(round(position * parts), parts)
        if abs(position - plain) <= tolerance:
            return plain
    return Fraction(position).limit_denominator(FINEST_PARTS)


def _midi_bars(stated: ScoreMap, end: Fraction) -> Iterator[XmlBar]:
    """The bars that the time signatures of a MIDI file give; a change begins a new one."""
    start, index = Fraction(0), 0
    meters = list(stated.meters)
    while start < end:
        signature = next((meter.time_signature for meter in reversed(meters) if meter.start <= start), None)
        change = next((meter.start for meter in meters if meter.start > start), None)
        length = signature.bar_quarters if signature else Fraction(4)
        if change is not None:
            length = min(length, change - start)
        key = next((key for key in reversed(stated.keys) if key.start <= start), None)
        yield XmlBar(
            start,
            length,
            signature.numerator if signature else 0,
            signature.denominator if signature else 4,
            key.fifths if key else None,
            ("minor" if key.minor else "major") if key else "",
            index,
            str(index + 1),
        )
        start, index = start + length, index + 1


def _midi_syllables(texts: Sequence[SungText], notes: Sequence[Note]) -> dict[int, tuple[XmlSyllable, ...]]:
    """The syllables of the notes, by the note's number: each is its track's note that begins with it."""
    places = {(note.track, round(note.onset, 3)): number for number, note in enumerate(notes)}
    found: dict[int, tuple[XmlSyllable, ...]] = {}
    for text in texts:
        place = places.get((text.track, round(text.onset, 3)))
        sung = text.text.strip("\\/ -\n")
        if place is not None and sung:
            found[place] = (XmlSyllable(sung),)
    return found
