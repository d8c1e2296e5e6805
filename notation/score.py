"""From written notes to a score on paper: parts, bars, ties, rests, accidentals, beams, clefs and marks.

Task: put every decision of the stages before (bars, voices, spelling, chords, underlay, expression) on paper,
complete, so that nothing is left for a reader of the file to guess. Method: each bar of each voice is filled
with segments of notes and rests whose values :mod:`notation.rhythm` chooses; :mod:`notation.musicxml` writes
the result down as it stands.

Conventions: see :mod:`notation.events`. Accidentals hold to the bar line in their octave; one that only
reminds (the note was altered in the bar before, or in another octave) is in parentheses. Drums have two
voices, hands with stems up and feet with stems down, each stroke written to the next one or to the beat.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from statistics import median

from notation import rhythm
from notation.events import Bar, ChordSymbol, Key, Keys, ScoreNote, key_at
from notation.instruments import Voicing
from notation.meter import ScoreTime
from notation.page import Element, Expression, Head, NotatedScore, PagePart, StaffBar, WrittenPart
from notation.percussion import sound_of
from notation.registers import OctaveLine, PitchSpan, choose_clefs, octave_lines, place_of
from notation.sections import Section
from transcription.beatgrid import TimeSignature

_TENOR_BELOW = 60  # voices with a lower median read an octave above their sound, in the treble clef
_BASS_BELOW = 48  # and still lower ones in the bass clef


def build_score(
    parts: Sequence[WrittenPart],
    bars: Sequence[Bar],
    home: Key,
    beats_per_minute: float,
    chords: Sequence[ChordSymbol] = (),
    title: str = "",
    artist: str = "",
    *,
    keys: Sequence[tuple[Fraction, Key]] = (),
    expression: Expression = Expression(),
    sections: Sequence[Section] = (),
    time: ScoreTime | None = None,
) -> NotatedScore:
    """The complete score. Without parts: one empty staff.

    ``keys`` are the bar lines (in quarters) from which each key holds, where there is more than ``home``.
    A tempo that ``expression`` gives the beginning goes before ``beats_per_minute``.
    """
    keys = tuple(keys) or ((Fraction(0), home),)
    first = next(iter(expression.tempi), None)
    if first is not None and first.number and first.onset <= 0:
        beats_per_minute = first.quarters_per_minute / float(bars[0].time_signature.beat_quarters)
    page = tuple(_lay_out(part, bars, keys) for part in parts or [WrittenPart("mix", (), ())])
    return NotatedScore(
        title=title,
        artist=artist,
        key=keys[0][1],
        bars=tuple(bars),
        beats_per_minute=max(round(beats_per_minute), 1),
        parts=tuple(parts),
        chords=tuple(chords),
        page=page,
        keys=keys,
        expression=expression,
        sections=tuple(sections),
        time=time,
    )


# Parts


@dataclass(frozen=True, slots=True)
class _Event:
    """A note or chord of one voice: indices into the part's notes that sound together."""

    onset: Fraction
    end: Fraction
    notes: tuple[int, ...]
    graces: tuple[int, ...] = ()


@dataclass(slots=True)
class _Staff:
    """What is remembered while a staff is filled from left to right."""

    part: WrittenPart
    voicing: Voicing
    drums: bool
    last_bar: dict[str, int] = field(default_factory=dict)
    first_of: dict[int, Element] = field(default_factory=dict)
    """The written element that starts each note of the part, for lyrics and slurs."""
    last_of: dict[int, Element] = field(default_factory=dict)


def _lay_out(part: WrittenPart, bars: Sequence[Bar], keys: Keys) -> PagePart:
    voicing = part.voicing
    held = [key_at(keys, bar.start) for bar in bars]
    staves = []
    octaves: list[OctaveLine] = []
    for number in range(1, part.staves + 1):
        chosen = [i for i, n in enumerate(part.notes) if n.staff == number or part.staves == 1]
        state = _Staff(part, voicing, part.unpitched)
        voices = _voices(state, chosen, bars)
        clefs = _clefs(state, voices, number, bars)
        filled = _fill(state, voices, clefs, bars, held)
        staves.append(tuple(filled))
        if voicing.family not in ("drums", "voice"):
            octaves += octave_lines(_reaches(state, voices), bars, clefs, number)
    return PagePart(voicing, tuple(staves), tuple(octaves))


def _voices(state: _Staff, chosen: Sequence[int], bars: Sequence[Bar]) -> dict[int, list[_Event]]:
    notes = state.part.notes
    by_voice: dict[int, list[int]] = {}
    for i in chosen:
        voice = notes[i].voice
        if state.drums:
            voice = 2 if sound_of(notes[i].pitch).foot else 1
        by_voice.setdefault(voice, []).append(i)
    voices = {number: _events(state, inside) for number, inside in sorted(by_voice.items())}
    if state.drums:
        return {number: _to_the_beat(events, bars) for number, events in voices.items()}
    return voices


def _events(state: _Staff, chosen: Sequence[int]) -> list[_Event]:
    """Chords of one voice in time. A note that would run into the next one ends there.

    What was heard twice at one place (two hits of one drum, two stems' worth of a note) is written once.
    """
    notes = state.part.notes
    by_onset: dict[Fraction, list[int]] = {}
    graces: dict[Fraction, list[int]] = {}
    for i in chosen:
        (by_onset if notes[i].duration > 0 else graces).setdefault(notes[i].onset, []).append(i)
    onsets = sorted(by_onset)
    graces_of: dict[Fraction, list[int]] = {}
    for onset in sorted(graces):
        # A grace note whose main note is gone leads to the next one, or to the last.
        at = min(bisect_left(onsets, onset), len(onsets) - 1)
        if at >= 0:
            graces_of.setdefault(onsets[at], []).extend(
                sorted(graces[onset], key=lambda i: (notes[i].heard.onset, notes[i].pitch))
            )
    events = []
    for onset, following in zip(onsets, [*onsets[1:], None], strict=False):
        distinct = {_look(state, i): i for i in by_onset[onset]}
        together = tuple(sorted(distinct.values(), key=lambda i: notes[i].pitch))
        end = max(notes[i].end for i in together)
        if following is not None:
            end = min(end, following)
        events.append(_Event(onset, end, together, tuple(graces_of.get(onset, ()))))
    return events


def _look(state: _Staff, index: int) -> tuple[int, str]:
    """What two notes at one place have in common if they would be written on top of each other."""
    pitch = state.part.notes[index].pitch
    return (sound_of(pitch).key, "") if state.drums else (pitch, state.part.names[index])


def _to_the_beat(events: Sequence[_Event], bars: Sequence[Bar]) -> list[_Event]:
    """Strokes written up to the next one of the voice, or to the end of the beat."""
    answer = []
    bar = 0
    for event, following in zip(events, [*events[1:], None], strict=False):
        while bar + 1 < len(bars) and bars[bar + 1].start <= event.onset:
            bar += 1
        laid = bars[bar]
        beat = laid.time_signature.beat_quarters
        origin = laid.start - late_start(laid)
        end = min(origin + (math.floor((event.onset - origin) / beat) + 1) * beat, laid.end)
        if following is not None:
            end = min(end, following.onset)
        answer.append(_Event(event.onset, end, event.notes, event.graces))
    return answer


def _places(state: _Staff, event: _Event) -> list[int]:
    shift = state.voicing.octave
    return [place_of(step, octave + shift) for step, _, octave in map(_parse, _names(state, event))]


def _names(state: _Staff, event: _Event) -> list[str]:
    return [state.part.names[i] for i in event.notes]


def _clefs(
    state: _Staff, voices: Mapping[int, Sequence[_Event]], number: int, bars: Sequence[Bar]
) -> list[str]:
    """The clef of each bar. A singer keeps one; a hand reads the other's where it lies in its range."""
    voicing = state.voicing
    if voicing.family == "voice" and len(voicing.clefs) > 1:
        pitches = [state.part.notes[i].pitch for events in voices.values() for e in events for i in e.notes]
        middle = median(pitches) if pitches else _TENOR_BELOW
        clef = "bass" if middle < _BASS_BELOW else "treble-8" if middle < _TENOR_BELOW else "treble"
        return [clef] * len(bars)
    clefs = voicing.clefs
    if number > 1 and (len(clefs) > 1 or state.part.reading.clef):
        clefs = ("bass", "treble")
    if len(clefs) == 1:
        return [clefs[0]] * len(bars)
    in_bars: list[list[int]] = [[] for _ in bars]
    for events in voices.values():
        bar = 0
        for event in events:
            while bar + 1 < len(bars) and bars[bar + 1].start <= event.onset:
                bar += 1
            places = _places(state, event)
            in_bars[bar] += {places[0], places[-1]}
    return choose_clefs(in_bars, clefs)


def _reaches(state: _Staff, voices: Mapping[int, Sequence[_Event]]) -> list[PitchSpan]:
    """From moment to moment of a staff, how low and how high its notes lie."""
    moments: dict[Fraction, tuple[Fraction, int, int]] = {}
    for events in voices.values():
        for event in events:
            places = _places(state, event)
            end, low, high = moments.get(event.onset, (event.end, places[0], places[0]))
            moments[event.onset] = max(end, event.end), min(low, *places), max(high, *places)
    return [PitchSpan(onset, *moments[onset]) for onset in sorted(moments)]


# Bars


def _fill(
    state: _Staff,
    voices: Mapping[int, Sequence[_Event]],
    clefs: Sequence[str],
    bars: Sequence[Bar],
    keys: Sequence[Key],
) -> list[StaffBar]:
    filled = []
    home = keys[0]
    for laid, clef, current in zip(bars, clefs, keys, strict=True):
        bar = StaffBar(clef)
        late = late_start(laid)
        sounding = {number: inside for number, events in voices.items() if (inside := _within(events, laid))}
        if not sounding and laid.length == laid.time_signature.bar_quarters:
            bar.voices.append([Element(Fraction(0), laid.length, whole_bar=True)])
        elif not sounding:  # Readers take a whole-bar rest for a full bar, which this one isn't.
            sounding = {1: ()}
        for number, events in sounding.items():
            elements = _write_voice(events, laid, late, state)
            if len(sounding) > 1 or state.drums:
                for element in elements:
                    element.stem = "" if not element.heads else "up" if number % 2 else "down"
                    element.hidden = not element.heads and number > 1 and len(sounding) > 1
            bar.voices.append(elements)
        if not state.drums:
            if current.fifths != home.fifths:
                home, state.last_bar = current, {}
            _mark_accidentals(bar, current, state)
        filled.append(bar)
    _write_lyrics(state)
    return filled


def _within(events: Sequence[_Event], laid: Bar) -> Sequence[_Event]:
    """The events of one voice that sound in a bar."""
    first = bisect_right(events, laid.start, key=lambda event: event.end)
    return events[first : bisect_left(events, laid.end, lo=first, key=lambda event: event.onset)]


def late_start(laid: Bar) -> Fraction:
    """How far into the full bar a pick-up starts."""
    full = laid.time_signature.bar_quarters
    return max(full - laid.length, Fraction(0)) if laid.number == 0 else Fraction(0)


def _meter(laid: Bar) -> TimeSignature:
    """The meter by which a bar is divided: of a bar longer than its signature says, one that covers it."""
    signature = laid.time_signature
    if laid.length <= signature.bar_quarters:
        return signature
    unit = Fraction(4, signature.denominator)
    return TimeSignature(min(math.ceil(laid.length / unit), 32), signature.denominator)


_Spelled = tuple[tuple[rhythm.NoteValue, ...], tuple[rhythm.Beams, ...], tuple[bool, ...]]


@lru_cache(maxsize=4096)
def _spelled(segments: tuple[rhythm.RhythmSegment, ...], meter: TimeSignature) -> _Spelled:
    """Values, beams and brackets of a bar of one voice; songs are full of equal bars."""
    values = rhythm.spell(segments, meter)
    beams = rhythm.beams(values, [segments[value.segment].rest for value in values], meter)
    return tuple(values), tuple(beams), tuple(rhythm.brackets(values, beams))


def _write_voice(events: Sequence[_Event], laid: Bar, late: Fraction, state: _Staff) -> list[Element]:
    """The written notes and rests of one voice in one bar, each with its offset in the bar."""
    segments: list[rhythm.RhythmSegment] = []
    sources: list[_Event | None] = []
    shift = late - laid.start
    at = laid.start
    for event in events:
        start, end = max(event.onset, laid.start), min(event.end, laid.end)
        if start > at:
            segments.append(rhythm.RhythmSegment(at + shift, start + shift, rest=True))
            sources.append(None)
        segments.append(rhythm.RhythmSegment(start + shift, end + shift))
        sources.append(event)
        at = end
    if at < laid.end:
        segments.append(rhythm.RhythmSegment(at + shift, laid.end + shift, rest=True))
        sources.append(None)
    meter = _meter(laid)
    values, beams, bracketed = _spelled(tuple(segments), meter)
    if state.drums and len(values) > len(segments):  # a stroke isn't tied: it has no length
        segments, sources = _single(segments, sources, values)
        values, beams, bracketed = _spelled(tuple(segments), meter)
    elements: list[Element] = []
    for k, (value, marks, bracket) in enumerate(zip(values, beams, bracketed, strict=True)):
        source = sources[value.segment]
        offset = value.start - late if late else value.start
        element = Element(offset, value.length, value.name, value.dots, value.tuplet, bracket, beams=marks)
        first = not k or values[k - 1].segment != value.segment
        last = k == len(values) - 1 or values[k + 1].segment != value.segment
        begins = first and source is not None and source.onset >= laid.start
        if source is None or (state.drums and not begins):
            elements.append(element)
            continue
        finishes = last and source.end <= laid.end
        if begins and source.graces:
            elements += _graces(source.graces, offset, state)
        element.heads = tuple(_head(i, state) for i in source.notes)
        for head in element.heads:
            head.tied_to = not begins and not state.drums
            head.tied_from = not finishes and not state.drums
        element.marks = _marks(state.part.notes, source.notes, begins, finishes)
        if begins:
            state.first_of.update(dict.fromkeys(source.notes, element))
        state.last_of.update(dict.fromkeys(source.notes, element))
        elements.append(element)
    return elements


def _single(
    segments: Sequence[rhythm.RhythmSegment],
    sources: Sequence[_Event | None],
    values: Sequence[rhythm.NoteValue],
) -> tuple[list[rhythm.RhythmSegment], list[_Event | None]]:
    """The segments with every note as long as its first value, and rests after."""
    first = {value.segment: value for value in reversed(values)}
    pieces: list[rhythm.RhythmSegment] = []
    sounding: list[_Event | None] = []
    for index, (segment, source) in enumerate(zip(segments, sources, strict=True)):
        end = segment.end if segment.rest or index not in first else min(first[index].end, segment.end)
        pieces.append(rhythm.RhythmSegment(segment.start, end, segment.rest))
        sounding.append(source)
        if end < segment.end:
            pieces.append(rhythm.RhythmSegment(end, segment.end, rest=True))
            sounding.append(None)
    return pieces, sounding


def _graces(indices: Sequence[int], offset: Fraction, state: _Staff) -> list[Element]:
    """Grace notes before their note: an eighth with a slash, or several sixteenths under their beams."""
    graces = [
        Element(offset, Fraction(0), "eighth" if len(indices) == 1 else "16th", grace=True) for _ in indices
    ]
    for number, (element, i) in enumerate(zip(graces, indices, strict=True)):
        element.heads = (_head(i, state),)
        if len(graces) > 1:
            mark = "start" if number == 0 else "stop" if number == len(graces) - 1 else "continue"
            element.beams = (mark, mark)
        state.first_of[i] = state.last_of[i] = element
    return graces


def _marks(
    notes: Sequence[ScoreNote], indices: Iterable[int], begins: bool, finishes: bool
) -> frozenset[str]:
    """Signs at one written value: a fermata is on the last of tied ones, all others on the first.

    A mordent is "inverted-mordent" (MusicXML's word for the one with the upper note) by what was heard.
    """
    marks: set[str] = set()
    for i in indices:
        for mark in notes[i].marks:
            if finishes if mark == "fermata" else begins:
                upper = any(other.pitch > notes[i].pitch for other in notes[i].absorbed)
                marks.add("inverted-mordent" if mark == "mordent" and upper else mark)
    return frozenset(marks)


def _head(index: int, state: _Staff) -> Head:
    part = state.part
    if state.drums:
        sound = sound_of(part.notes[index].pitch)
        return Head(sound.position[0], 0, int(sound.position[1:]), sound.notehead, sound)
    step, alter, octave = _parse(part.names[index])
    shape = "x" if part.spoken and part.notes[index].heard in part.spoken else "normal"
    return Head(step, alter, octave + state.voicing.octave, shape)


@lru_cache(maxsize=1024)
def _parse(name: str) -> tuple[str, int, int]:
    """Step, alteration and octave of "F#4" or "Bb-1"."""
    step, rest = name[0], name[1:]
    return step, rest.count("#") - rest.count("b"), int(rest.lstrip("#b"))


# Accidentals

_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}


def _key_alterations(home: Key) -> dict[str, int]:
    """The alteration that the signature gives to each step."""
    sharps, flats = "FCGDAEB"[: max(home.fifths, 0)], "BEADGCF"[: max(-home.fifths, 0)]
    return {step: (step in sharps) - (step in flats) for step in "ABCDEFG"}


def _mark_accidentals(bar: StaffBar, home: Key, state: _Staff) -> None:
    """Show the accidentals of one bar of one staff, and the ones that remind."""
    signature = _key_alterations(home)
    in_force: dict[tuple[str, int], int] = {}
    this_bar: dict[str, int] = {}
    written = [element for voice in bar.voices for element in voice if element.heads]
    if len(bar.voices) > 1:
        written.sort(key=lambda element: element.onset)
    for element in written:
        for head in element.heads:
            step, alter, place = head.step, head.alter, (head.step, head.octave)
            if not head.tied_to:
                shown = alter != in_force.get(place, signature[step])
                elsewhere = this_bar.get(step, state.last_bar.get(step, signature[step]))
                head.reminds = not shown and place not in in_force and elsewhere != alter
                if shown or head.reminds:
                    head.accidental = _ACCIDENTALS.get(alter, "natural")
                    in_force[place] = alter
            this_bar[step] = alter
    state.last_bar = this_bar


# Words


def _write_lyrics(state: _Staff) -> None:
    """Syllables under their notes, and a slur over each melisma."""
    all_sung = state.part.sung
    written = [i for i in range(len(all_sung)) if i in state.first_of]
    start = None
    for i, following in zip(written, [*written[1:], None], strict=False):
        sung = all_sung[i]
        if sung.syllables:
            start = i
            state.first_of[i].sung = sung
        ends_here = following is None or not all_sung[following].held
        if sung.held and ends_here and start is not None:
            state.first_of[start].slurs.append("start")
            state.last_of[i].slurs.append("stop")
