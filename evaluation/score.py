"""A score as a whole: its key and its meter, and how many of its notes are written right.

Measures: those of ``evaluation.key`` and ``evaluation.meter``; for the written notes precision, recall and
F-measure, a note being right if its pitch and its onset in the score are (``Written_…``), or its written
length too (``…_with_length``). The estimate is shifted by whole quarters to where most of its notes
agree, since it may have another pick-up or leading rest; the shift is ``Written_shift_quarters``.

Conventions: score time in quarter notes as Fraction. MusicXML is read with the standard library: tied notes
as one; grace, cue and unpitched notes left out; repeats not played out.
Limits: the whole score's key and meter are those at its beginning. An estimate at half or double note values
gets few notes right.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

from evaluation.files import Scores, artefact
from evaluation.key import evaluate_key
from evaluation.meter import evaluate_meter
from separation.engines import FullscoreError

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
LARGEST_SHIFT_QUARTERS = 16  # how far the beginnings of two scores may be apart


@dataclass(frozen=True, slots=True, order=True)
class WrittenNote:
    """A note of a score: onset and length in quarters, MIDI pitch."""

    onset: Fraction
    pitch: int
    length: Fraction


def evaluate_score(reference: Path, estimate: Path) -> Scores:
    """Key, meter and written notes of two MusicXML scores."""
    reference, estimate = (artefact(path, "score.musicxml") for path in (reference, estimate))
    return {
        **evaluate_key(reference, estimate),
        **evaluate_meter(reference, estimate),
        **written_scores(read_written(reference), read_written(estimate)),
    }


def written_scores(reference: tuple[WrittenNote, ...], estimate: tuple[WrittenNote, ...]) -> Scores:
    """Precision, recall and F-measure of the written notes; every note is matched once at most."""
    shift = _best_shift(reference, estimate)
    scores: Scores = {}
    for suffix, length in (("", False), ("_with_length", True)):
        sought = Counter((note.onset, note.pitch, note.length if length else None) for note in reference)
        found = Counter(
            (note.onset + shift, note.pitch, note.length if length else None) for note in estimate
        )
        hits = (sought & found).total()
        everything = len(reference) + len(estimate)
        scores[f"Written_Precision{suffix}"] = hits / len(estimate) if estimate else None
        scores[f"Written_Recall{suffix}"] = hits / len(reference) if reference else None
        scores[f"Written_F-measure{suffix}"] = 2 * hits / everything if everything else None
    scores["Written_shift_quarters"] = float(shift)
    return scores


def _best_shift(reference: tuple[WrittenNote, ...], estimate: tuple[WrittenNote, ...]) -> int:
    sought = Counter((note.onset, note.pitch) for note in reference)

    def hits(shift: int) -> int:
        return (sought & Counter((note.onset + shift, note.pitch) for note in estimate)).total()

    return max(range(-LARGEST_SHIFT_QUARTERS, LARGEST_SHIFT_QUARTERS + 1), key=lambda s: (hits(s), -abs(s)))


def read_written(path: Path) -> tuple[WrittenNote, ...]:
    """The pitched notes of all parts of a MusicXML score, as sounding, ties joined, sorted."""
    return tuple(sorted(note for part in read_musicxml(path).iter("part") for note in _part_notes(part)))


def read_musicxml(path: Path) -> ElementTree.Element:
    """The root of a MusicXML file, plain or compressed. Raises FullscoreError where it isn't one."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
                rootfile = container.find(".//{*}rootfile")
                name = "" if rootfile is None else rootfile.get("full-path", "")
                root = ElementTree.fromstring(archive.read(name))
        else:
            root = ElementTree.fromstring(path.read_bytes())
    except OSError as error:
        raise FullscoreError(
            f"can't read {path}: {error.strerror}; check its name and permissions"
        ) from error
    except (ElementTree.ParseError, KeyError, zipfile.BadZipFile) as error:
        raise FullscoreError(f"{path} is not MusicXML ({error}); export it again") from error
    if root.tag != "score-partwise":
        raise FullscoreError(
            f"{path} is not a MusicXML score by parts (its root is {root.tag}); export it again"
        )
    return root


def _part_notes(part: ElementTree.Element) -> Iterator[WrittenNote]:
    divisions, transposition = 1, 0
    start = Fraction(0)
    open_ties: dict[int, WrittenNote] = {}
    for measure in part.iter("measure"):
        position = furthest = last_onset = start
        for element in measure:
            if element.tag == "attributes":
                divisions = int(element.findtext("divisions") or divisions)
                transposition = _transposition(element, transposition)
                continue
            if element.tag not in ("note", "backup", "forward"):
                continue
            length = Fraction(element.findtext("duration") or 0) / divisions
            if element.tag == "backup":
                position -= length
            elif element.tag == "forward":
                position += length
            else:
                onset = last_onset if element.find("chord") is not None else position
                last_onset = onset
                position = max(position, onset + length)
                note = _written(element, onset, length, transposition)
                if note is not None:
                    yield from _joined(note, element, open_ties)
            furthest = max(furthest, position)
        start = furthest
    yield from open_ties.values()


def _joined(
    note: WrittenNote, element: ElementTree.Element, open_ties: dict[int, WrittenNote]
) -> Iterator[WrittenNote]:
    """``note``, joined to the one tied to it; nothing while a tie goes on."""
    ties = {tie.get("type") for tie in element.findall("tie")}
    if "stop" in ties and note.pitch in open_ties:
        before = open_ties.pop(note.pitch)
        note = WrittenNote(before.onset, note.pitch, before.length + note.length)
    if "start" in ties:
        open_ties[note.pitch] = note
    else:
        yield note


def _written(
    element: ElementTree.Element, onset: Fraction, length: Fraction, transposition: int
) -> WrittenNote | None:
    step = element.findtext("pitch/step")
    left_out = step is None or element.find("grace") is not None or element.find("cue") is not None
    if left_out or step is None:
        return None
    alter = round(float(element.findtext("pitch/alter") or 0))
    octave = int(element.findtext("pitch/octave") or 4)
    return WrittenNote(onset, 12 * (octave + 1) + _STEPS[step] + alter + transposition, length)


def _transposition(attributes: ElementTree.Element, before: int) -> int:
    transpose = attributes.find("transpose")
    if transpose is None:
        return before
    return int(transpose.findtext("chromatic") or 0) + 12 * int(transpose.findtext("octave-change") or 0)
