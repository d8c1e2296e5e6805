"""Underlay: which sung note carries which syllable.

Task: place every syllable under the note on which it is sung. Method: the cheapest monotonic assignment
of syllables to notes (dynamic programming), where a syllable costs its distance in time from the note's
onset, less when it falls within the note, and sharing a note costs extra. Notes left over continue the
syllable before them (a melisma) as long as the voice does not rest between them.

Conventions: times in seconds as heard; the answer keeps the order of the notes. No syllable is lost: where
a held note carries several whose times lie apart, it is struck again for each (:func:`strike_syllables`);
what still shares a note is joined by an elision. Syllables far from any sung note (speech, rap, a voice
that was not heard as notes) first get spoken notes of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lyrics.words import Lyrics, Syllable, Word
from notation.events import ScoreNote
from transcription.notes import Note

if TYPE_CHECKING:
    from notation.meter import ScoreTime

WITHIN_COST = 0.3  # of the distance to the onset, for a syllable that starts while the note sounds
SHARING_COST = 0.4  # seconds of distance that a second syllable on one note is worth
EARLY = 0.1  # seconds by which a syllable may start before its note and still count as within
SPOKEN_AHEAD_S, SPOKEN_BEHIND_S = 0.35, 0.25  # no sung note this long after or before: the syllable is spoken
LONGEST_SPOKEN_S = 0.4
SPOKEN_PITCH = 71  # the middle line of the treble clef, where nothing is sung
SPOKEN_VELOCITY = 64
STRIKE_GRID = Fraction(1, 4)  # quarters: where a held note may be struck again for a new syllable
STRIKE_NEAR_S = 0.12  # how far from there the syllable may be sung
MELISMA_REST = Fraction(1, 4)  # quarters of rest after which a note no longer continues the syllable


@dataclass(frozen=True, slots=True)
class LyricSyllable:
    """One printed syllable; ``syllabic`` is MusicXML's single, begin, middle or end."""

    text: str
    syllabic: str = "single"


@dataclass(frozen=True, slots=True)
class SungNote:
    """What is sung on a note: its syllables (mostly one), or ``held`` from the note before."""

    syllables: tuple[LyricSyllable, ...] = ()
    held: bool = False


def underlay(lyrics: Lyrics, notes: Sequence[ScoreNote]) -> tuple[SungNote, ...]:
    """The syllables of ``lyrics`` under ``notes`` of one voice in time order, one entry per note.

    Grace notes carry no syllable: it is written under their main note.
    """
    answer = [SungNote() for _ in notes]
    mains = [i for i, note in enumerate(notes) if note.duration > 0]
    if not mains:
        return tuple(answer)
    carried: dict[int, list[LyricSyllable]] = {i: [] for i in mains}
    printed = [syllable for word in lyrics.words for syllable in _printed(word)]
    for text, place in zip(printed, _assign(lyrics.syllables, [notes[i] for i in mains]), strict=True):
        carried[mains[place]].append(text)
    singing = False
    previous_end: Fraction | None = None
    for i, texts in carried.items():
        joined = previous_end is not None and notes[i].onset - previous_end < MELISMA_REST
        singing = bool(texts) or (singing and joined)
        answer[i] = SungNote(tuple(texts), held=singing and not texts)
        previous_end = notes[i].end
    return tuple(answer)


def strike_syllables(lyrics: Lyrics, notes: Sequence[ScoreNote], time: ScoreTime) -> tuple[ScoreNote, ...]:
    """The notes of one voice with those cut on which several syllables are sung at times of their own.

    A held note heard as one is struck again where a syllable begins, on a sixteenth inside it; together
    the pieces last as long as the note.
    """
    mains = [i for i, note in enumerate(notes) if note.duration > 0]
    carried: dict[int, list[Syllable]] = {}
    for syllable, place in zip(
        lyrics.syllables, _assign(lyrics.syllables, [notes[i] for i in mains]) if mains else [], strict=False
    ):
        carried.setdefault(mains[place], []).append(syllable)
    answer: list[ScoreNote] = []
    for i, note in enumerate(notes):
        cuts: dict[Fraction, float] = {}
        for syllable in carried.get(i, [])[1:]:
            at = Fraction(round(float(time.quarters_at(syllable.onset)) / STRIKE_GRID)) * STRIKE_GRID
            off = abs(float(time.seconds_at(float(at))) - syllable.onset)
            inside = note.heard.onset < syllable.onset < note.heard.offset
            if note.onset < at < note.end and off <= STRIKE_NEAR_S and inside:
                cuts.setdefault(at, syllable.onset)
        answer += _struck(note, sorted(cuts.items()))
    return tuple(answer)


def _struck(note: ScoreNote, cuts: Sequence[tuple[Fraction, float]]) -> list[ScoreNote]:
    """The note in pieces that begin at ``cuts`` (score time and seconds)."""
    pieces = []
    for at, heard_at in cuts:
        before = replace(note.heard, offset=heard_at, bends=())
        pieces.append(replace(note, duration=at - note.onset, heard=before))
        note = replace(
            note, onset=at, duration=note.end - at, heard=replace(note.heard, onset=heard_at, bends=())
        )
    return [*pieces, note]


def spoken_notes(lyrics: Lyrics, sung: Sequence[Note], stem: str = "vocals") -> tuple[Note, ...]:
    """A note for each syllable that has no sung note near, at the middle pitch of what is sung."""
    onsets = np.sort(np.array([note.onset for note in sung]))
    offsets = np.sort(np.array([note.offset for note in sung]))
    pitch = int(np.median([note.pitch for note in sung])) if sung else SPOKEN_PITCH
    syllables = lyrics.syllables
    spoken = []
    for syllable, following in zip(syllables, [*syllables[1:], None], strict=False):
        begun = np.searchsorted(onsets, syllable.offset + SPOKEN_AHEAD_S)
        ended = np.searchsorted(offsets, syllable.onset - SPOKEN_BEHIND_S)
        if begun > ended:
            continue
        end = syllable.onset + LONGEST_SPOKEN_S
        if following is not None and following.onset > syllable.onset:
            end = min(end, following.onset)
        spoken.append(Note(syllable.onset, end, pitch, SPOKEN_VELOCITY, stem=stem))
    return tuple(spoken)


def _printed(word: Word) -> list[LyricSyllable]:
    """The word's syllables with how they hang together."""
    texts = [syllable.text.strip() for syllable in word.syllables]
    last = len(texts) - 1
    if last == 0:
        return [LyricSyllable(texts[0])]
    kinds = ["begin" if i == 0 else "end" if i == last else "middle" for i in range(len(texts))]
    return [LyricSyllable(text, kind) for text, kind in zip(texts, kinds, strict=True)]


def _assign(syllables: Sequence[Syllable], notes: Sequence[ScoreNote]) -> list[int]:
    """For each syllable the index of its note, never decreasing, at the least total cost."""
    if not syllables:
        return []
    onsets = np.array([note.heard.onset for note in notes])
    offsets = np.array([note.heard.offset for note in notes])
    best: npt.NDArray[np.float64] = np.zeros(len(notes))
    came_from: list[npt.NDArray[np.int64]] = []
    columns = np.arange(len(notes))
    for k, syllable in enumerate(syllables):
        distance = np.abs(syllable.onset - onsets)
        within = (syllable.onset >= onsets - EARLY) & (syllable.onset < offsets)
        cost = np.where(within, WITHIN_COST * distance, distance)
        if k == 0:
            best = cost
            continue
        # The cheapest earlier note for the syllable before, and where it is.
        lowest = np.minimum.accumulate(best)
        where = np.maximum.accumulate(np.where(best == lowest, columns, 0))
        moved = np.concatenate([[np.inf], lowest[:-1]])
        source = np.concatenate([[0], where[:-1]])
        shared = best + SHARING_COST
        came_from.append(np.where(shared < moved, columns, source))
        best = cost + np.minimum(moved, shared)
    path = [int(np.argmin(best))]
    for sources in reversed(came_from):
        path.append(int(sources[path[-1]]))
    return path[::-1]
