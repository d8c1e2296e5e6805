"""Written scores as they are compared: notes, bars, words, chord symbols, and the order they are played in.

Conventions: those of :mod:`notation.musicxml_reader`, whose notes, bars and tempos these are; tied notes are
one note. ScoreChord labels are in the syntax of Harte et al. (2005).

Limits: a jump (D.C., D.S., To Coda) is taken at the end of its bar and lands at the beginning of one;
repeats are not nested, and none is taken after a jump until the coda.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from notation.musicxml_reader import (
    RepeatSigns,
    XmlBar,
    XmlHead,
    XmlNote,
    XmlPart,
    XmlTempo,
    in_order,
    joined,
)

DEFAULT_TEMPO = 120.0  # quarters a minute where a score says nothing
NO_CHORD = "N"


@dataclass(frozen=True, slots=True)
class ScoreChord:
    """A chord symbol from ``onset`` (quarters) to the next."""

    onset: Fraction
    label: str


_Event = TypeVar("_Event", ScoreChord, XmlTempo)


@dataclass(frozen=True, slots=True)
class Score:
    """A score. ``notes`` are by onset (grace notes first), then pitch; chords and tempos by onset.

    ``heads`` are the notes before ties are joined, ``signs`` those of repeats in each bar: what it takes to
    play the score out.
    """

    path: Path
    notes: tuple[XmlNote, ...]
    bars: tuple[XmlBar, ...]
    chords: tuple[ScoreChord, ...] = ()
    tempos: tuple[XmlTempo, ...] = ()
    parts: tuple[XmlPart, ...] = ()
    heads: tuple[XmlHead, ...] = ()
    signs: tuple[RepeatSigns, ...] = ()
    _tempo_starts: tuple[float, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        starts: list[float] = []
        now, speed, before = 0.0, DEFAULT_TEMPO, Fraction(0)
        for tempo in self.tempos:
            now += float(tempo.onset - before) * 60 / speed
            starts.append(now)
            before, speed = tempo.onset, tempo.quarters_per_minute
        object.__setattr__(self, "_tempo_starts", tuple(starts))

    @property
    def end(self) -> Fraction:
        """The final bar line, or the last note's end if that is later, in quarters."""
        return max(
            (*(note.end for note in self.notes), *(bar.end for bar in self.bars[-1:])), default=Fraction(0)
        )

    @property
    def has_repeats(self) -> bool:
        """Whether playing the score takes another order of bars than the written one."""
        return play_order(self.signs) != [(index, 1) for index in range(len(self.signs))]

    def seconds(self, position: Fraction) -> float:
        """The time of a score position (quarters) at the score's tempo."""
        index = bisect_right(self.tempos, position, key=lambda tempo: tempo.onset) - 1
        if index < 0:
            return float(position) * 60 / DEFAULT_TEMPO
        tempo = self.tempos[index]
        return self._tempo_starts[index] + float(position - tempo.onset) * 60 / tempo.quarters_per_minute


# Ties -------------------------------------------------------------------------------------------


def within_voices(score: Score) -> Score:
    """The score with ties as MUSTER's tool joins them, from each chord of a voice to the next one only.

    Ties into another voice, or over a rest, are cut; and so is the rest of a chain once it is broken.
    """
    chords: dict[tuple[int, str], list[list[XmlHead]]] = defaultdict(list)
    for head in score.heads:
        of_voice = chords[head.note.part, head.note.voice]
        begun = of_voice[-1][0].note if of_voice else None
        if begun is None or (begun.onset, begun.grace) != (head.note.onset, head.note.grace):
            of_voice.append([])
        of_voice[-1].append(head)
    notes: list[XmlNote] = []
    for of_voice in chords.values():
        sounding: dict[int, int] = {}  # the notes of the chord before by their pitch, where it is tied
        for chord in of_voice:
            onset = chord[0].note.onset
            tied = {
                head.note.pitch
                for head in chord
                if head.tie_stop
                and head.note.pitch in sounding
                and notes[sounding[head.note.pitch]].end >= onset
            }
            goes_on = bool(tied) or not any(head.tie_stop for head in chord)
            before, sounding = sounding, {}
            for head in chord:
                note, place = head.note, len(notes)
                if note.pitch in tied:
                    place = before[note.pitch]
                    first = notes[place]
                    notes[place] = replace(
                        first, duration=max(first.end, note.end) - first.onset, held=(*first.held, note.id)
                    )
                else:
                    notes.append(note)
                sounding[note.pitch] = place
            if not goes_on or not any(head.tie_start or head.tie_stop for head in chord):
                sounding = {}
    return replace(score, notes=in_order(notes))


# Playing out ------------------------------------------------------------------------------------


def unfold(score: Score) -> Score:
    """The score as it is played: repeats, voltas, D.C., D.S., Coda and Fine written out.

    Bars and notes keep the ``index``, ``bar`` and ``id`` they have in the file. Of a bar with several verses
    each time takes the next.
    """
    if not score.has_repeats:
        return score
    order = play_order(score.signs)
    heads_of: list[list[XmlHead]] = [[] for _ in score.bars]
    for head in score.heads:
        heads_of[head.note.bar].append(head)
    verses = [_verses(heads) for heads in heads_of]
    bars: list[XmlBar] = []
    heads: list[XmlHead] = []
    for index, time in order:
        start = bars[-1].end if bars else Fraction(0)
        shift = start - score.bars[index].start
        bars.append(replace(score.bars[index], start=start))
        for head in heads_of[index]:
            note = head.note
            sung = note.syllables
            if sung and len(verses[index][note.part]) > 1:
                own = verses[index][note.part]
                sung = tuple(each for each in sung if each.verse == own[min(time, len(own)) - 1])
            heads.append(replace(head, note=replace(note, onset=note.onset + shift, syllables=sung)))
    return replace(
        score,
        notes=joined(heads),
        bars=tuple(bars),
        chords=_played(score.chords, score.bars, bars, ScoreChord(Fraction(0), NO_CHORD)),
        tempos=_played(score.tempos, score.bars, bars, XmlTempo(Fraction(0), DEFAULT_TEMPO)),
        heads=tuple(heads),
        signs=tuple(RepeatSigns() for _ in bars),
    )


def _played(
    events: Sequence[_Event], written: Sequence[XmlBar], played: Sequence[XmlBar], unsaid: _Event
) -> tuple[_Event, ...]:
    """Chords or tempos in the order of the played bars; at a jump what holds in the new place."""
    found: list[_Event] = []
    if not events:
        return ()
    onsets = [event.onset for event in events]
    before = -1
    for bar in played:
        source = written[bar.index]
        first, last = bisect_left(onsets, source.start), bisect_left(onsets, source.end)
        here = [replace(event, onset=event.onset - source.start + bar.start) for event in events[first:last]]
        if bar.index != before + 1 and not (here and here[0].onset == bar.start):
            here.insert(0, replace(events[first - 1] if first else unsaid, onset=bar.start))
        found += here
        before = bar.index
    return tuple(found)


def play_order(signs: Sequence[RepeatSigns]) -> list[tuple[int, int]]:
    """The bars in the order in which they are played, each with the how-manieth time it is (from 1)."""
    order: list[tuple[int, int]] = []
    plays: Counter[int] = Counter()
    taken: set[int] = set()  # jumps
    start, time, index = 0, 1, 0
    repeating = True  # False from a jump to the coda
    while index < len(signs):
        here = signs[index]
        if here.forward and index != start:
            start, time = index, 1
        last = max(_endings_around(signs, index), default=0)
        if here.endings and (time if repeating else last) not in here.endings:
            index += 1
            continue
        plays[index] += 1
        order.append((index, max(time, plays[index])))
        if taken and here.fine:
            break
        if taken and here.to_coda and not repeating:
            coda = next((later for later in range(index + 1, len(signs)) if signs[later].coda), index + 1)
            start, time, index, repeating = coda, 1, coda, True
            continue
        if here.backward and repeating:
            if time < (last or here.times):
                time, index = time + 1, start
                continue
            start, time = index + 1, 1
        elif here.endings and not (index + 1 < len(signs) and signs[index + 1].endings):
            start, time = index + 1, 1
        if (here.da_capo or here.dal_segno) and index not in taken:
            taken.add(index)
            segno = next((earlier for earlier in range(index, -1, -1) if signs[earlier].segno), 0)
            start, time, index, repeating = segno if here.dal_segno else 0, 1, 0, False
            index = start
            continue
        if index in taken:
            repeating = True
        index += 1
    return order


def _endings_around(signs: Sequence[RepeatSigns], index: int) -> Iterator[int]:
    """The numbers of all voltas beside that of bar ``index``."""
    if not signs[index].endings:
        return
    first = index
    while first > 0 and signs[first - 1].endings:
        first -= 1
    while first < len(signs) and signs[first].endings:
        yield from signs[first].endings
        first += 1


def _verses(heads: Iterable[XmlHead]) -> dict[int, list[str]]:
    """The verses under a bar's notes, by part."""
    found: dict[int, set[str]] = {}
    for head in heads:
        found.setdefault(head.note.part, set()).update(each.verse for each in head.note.syllables)
    return {part: sorted(verses, key=lambda verse: (len(verse), verse)) for part, verses in found.items()}
