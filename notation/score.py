"""From written notes to a music21 score: parts, bars, ties, rests, accidentals, beams, clefs and marks.

Task: put every decision of the stages before (bars, voices, spelling, chords, underlay) on paper, complete,
so that nothing is left for a reader of the file to guess. Method: each bar of each voice is filled with
segments of notes and rests whose values :mod:`notation.rhythm` chooses; music21's own notation making is
not used, since it neither knows the voices nor keeps the meter visible.

Conventions: see :mod:`notation.events`. Accidentals hold to the bar line in their octave; one that only
reminds (the note was altered in the bar before, or in another octave) is in parentheses.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median
from typing import Any

from music21 import (
    bar,
    beam,
    chord,
    clef,
    duration,
    harmony,
    instrument,
    interval,
    key,
    layout,
    metadata,
    meter,
    note,
    percussion,
    pitch,
    spanner,
    stream,
    tempo,
    tie,
)

from notation import rhythm
from notation.events import Bar, ChordSymbol, Key, ScoreNote
from notation.percussion import sound_of
from notation.underlay import SungNote
from transcription.beatgrid import TimeSignature
from transcription.notes import Note


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """The notes of one stem as written, with what belongs to each of them.

    ``names`` spells each note (``"F#4"``, ``"Bb3"``) and ``sung`` holds its lyrics (empty: none).
    Notes whose heard note is in ``spoken`` have a rhythm but no pitch of their own.
    """

    stem: str
    notes: tuple[ScoreNote, ...]
    names: tuple[str, ...]
    sung: tuple[SungNote, ...] = ()
    staves: int = 1
    spoken: frozenset[Note] = frozenset()

    def __post_init__(self) -> None:
        if len(self.names) != len(self.notes):
            raise ValueError(f"{len(self.notes)} notes but {len(self.names)} names")
        if self.sung and len(self.sung) != len(self.notes):
            raise ValueError(f"{len(self.notes)} notes but lyrics for {len(self.sung)}")


@dataclass(frozen=True, slots=True)
class NotatedScore:
    """A finished score: what was decided, and the music21 score that puts it on paper."""

    title: str
    artist: str
    key: Key
    bars: tuple[Bar, ...]
    beats_per_minute: int
    parts: tuple[WrittenPart, ...]
    chords: tuple[ChordSymbol, ...]
    stream: stream.Score
    keys: tuple[tuple[Fraction, Key], ...] = ()
    """Every key with the bar line (in quarters) from which it holds; the first is ``key``."""

    @property
    def time_signature(self) -> TimeSignature:
        """The meter at the beginning."""
        return self.bars[0].time_signature

    @property
    def quarters_per_minute(self) -> float:
        """The tempo as written, in quarters."""
        return self.beats_per_minute * float(self.time_signature.beat_quarters)


@dataclass(frozen=True, slots=True)
class Voicing:
    """How a stem's part is called, plays and reads."""

    name: str
    abbreviation: str
    program: int
    instrument: type[instrument.Instrument]


VOICINGS: Mapping[str, Voicing] = {
    "vocals": Voicing("Voice", "V.", 53, instrument.Vocalist),
    "guitar": Voicing("Guitar", "Gtr.", 25, instrument.AcousticGuitar),
    "other": Voicing("Accompaniment", "Acc.", 0, instrument.Piano),
    "mix": Voicing("Piano", "Pno.", 0, instrument.Piano),
    "piano": Voicing("Piano", "Pno.", 0, instrument.Piano),
    "bass": Voicing("Bass", "Bass", 33, instrument.ElectricBass),
    "drums": Voicing("Drums", "Dr.", 0, instrument.UnpitchedPercussion),
}
"""What is known of each stem, in the order of the score. Programs count from 0 as in MIDI."""

_DRUM_CHANNEL = 9  # from 0: MIDI's tenth
_TENOR_BELOW = 60  # voices with a lower median read an octave above their sound, in the treble clef
_BASS_BELOW = 48  # and still lower ones in the bass clef
_CLEF_SPLIT = 57  # other parts: treble clef from this median pitch on
_CHORD_KINDS = {
    "": "major",
    "m": "minor",
    "7": "dominant-seventh",
    "maj7": "major-seventh",
    "m7": "minor-seventh",
    "dim": "diminished",
    "dim7": "diminished-seventh",
    "m7b5": "half-diminished-seventh",
    "aug": "augmented",
    "sus4": "suspended-fourth",
    "sus2": "suspended-second",
    "6": "major-sixth",
    "m6": "minor-sixth",
}


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
) -> NotatedScore:
    """The complete score, nothing left to music21's notation making. Without parts: one empty staff.

    ``keys`` are the bar lines (in quarters) from which each key holds, where there is more than ``home``.
    """
    keys = tuple(keys) or ((Fraction(0), home),)
    score = stream.Score(id="score")
    score.metadata = metadata.Metadata()
    if title:
        score.metadata.title = title
        score.metadata.movementName = title
    if artist:
        score.metadata.composer = artist
    for number, part in enumerate(parts or [WrittenPart("mix", (), ())], start=1):
        staves = _build_part(part, f"P{number}", bars, keys)
        for staff in staves:
            score.insert(0, staff)
        if len(staves) > 1:
            group = layout.StaffGroup(staves, name=staves[0].partName, symbol="brace", barTogether=True)
            group.abbreviation = staves[0].partAbbreviation
            score.insert(0, group)
    top = score.parts[0]
    tempo_mark = max(round(beats_per_minute), 1)
    _mark_tempo(top, bars, tempo_mark)
    _write_chords(top, bars, chords)
    return NotatedScore(
        title, artist, keys[0][1], tuple(bars), tempo_mark, tuple(parts), tuple(chords), score, keys
    )


# Parts


_Keys = tuple[tuple[Fraction, Key], ...]


def _build_part(part: WrittenPart, identifier: str, bars: Sequence[Bar], keys: _Keys) -> list[stream.Part]:
    voicing = VOICINGS.get(part.stem) or VOICINGS["other"]
    ids = (f"{identifier}-n{i}" for i in itertools.count(1))
    staves: list[stream.Part] = []
    for number in range(1, part.staves + 1):
        chosen = [i for i, n in enumerate(part.notes) if n.staff == number or part.staves == 1]
        staff: stream.Part = stream.Part() if part.staves == 1 else stream.PartStaff()
        staff.id = identifier if part.staves == 1 else f"{identifier}-staff{number}"
        staff.partName = voicing.name
        staff.partAbbreviation = voicing.abbreviation
        staff.insert(0, _player(part, voicing, identifier))
        first_clef = _choose_clef(part, [part.notes[i].pitch for i in chosen], number)
        _fill(staff, part, chosen, bars, keys, first_clef, ids)
        staves.append(staff)
    return staves


def _player(part: WrittenPart, voicing: Voicing, identifier: str) -> instrument.Instrument:
    player = voicing.instrument()
    player.partId = identifier
    player.partName = player.instrumentName = voicing.name
    player.partAbbreviation = voicing.abbreviation
    player.instrumentId = f"{identifier}-I1"
    player.midiProgram = voicing.program
    number = list(VOICINGS).index(part.stem) if part.stem in VOICINGS else len(VOICINGS)
    player.midiChannel = _DRUM_CHANNEL if part.stem == "drums" else number
    player.transposition = interval.Interval("P-8") if part.stem == "bass" else None
    return player


def _choose_clef(part: WrittenPart, pitches: Sequence[int], staff: int) -> clef.Clef:
    if part.stem == "drums":
        return clef.PercussionClef()
    if part.stem == "bass":
        return clef.BassClef()
    middle = median(pitches) if pitches else (60 if staff == 1 else 48)
    if part.stem in ("vocals", "guitar") and part.staves == 1:
        if middle < _BASS_BELOW and part.stem == "vocals":
            return clef.BassClef()
        return clef.Treble8vbClef() if middle < _TENOR_BELOW else clef.TrebleClef()
    if part.staves > 1:  # A hand crosses over only where its staff lies wholly in the other's range.
        middle += 5 if staff == 1 else -5
    return clef.TrebleClef() if middle >= _CLEF_SPLIT else clef.BassClef()


# Bars


@dataclass(frozen=True, slots=True)
class _Event:
    """A note or chord of one voice: indices into the part's notes that sound together."""

    onset: Fraction
    end: Fraction
    notes: tuple[int, ...]
    graces: tuple[tuple[int, ...], ...] = ()


def _events(part: WrittenPart, chosen: Sequence[int]) -> list[_Event]:
    """Chords of one voice in time. A note that would run into the next one ends there.

    What was heard twice at one place (two hits of one drum, two stems' worth of a note) is written once.
    """
    notes = part.notes
    by_onset: dict[Fraction, list[int]] = {}
    graces: dict[Fraction, list[int]] = {}
    for i in chosen:
        (by_onset if notes[i].duration > 0 else graces).setdefault(notes[i].onset, []).append(i)
    onsets = sorted(by_onset)
    graces_of: dict[Fraction, list[int]] = {}
    for onset in sorted(graces):
        # A grace note whose main note is gone leads to the next one, or to the last.
        main = next((o for o in onsets if o >= onset), onsets[-1] if onsets else None)
        if main is not None:
            graces_of.setdefault(main, []).extend(graces[onset])
    events = []
    for onset, following in zip(onsets, [*onsets[1:], None], strict=False):
        distinct = {_look(part, i): i for i in by_onset[onset]}
        together = tuple(sorted(distinct.values(), key=lambda i: notes[i].pitch))
        end = max(notes[i].end for i in together)
        if following is not None:
            end = min(end, following)
        events.append(_Event(onset, end, together, tuple((i,) for i in graces_of.get(onset, ()))))
    return events


def _look(part: WrittenPart, index: int) -> tuple[int, str]:
    """What two notes at one place have in common if they would be written on top of each other."""
    pitch_number = part.notes[index].pitch
    return (sound_of(pitch_number).key, "") if part.stem == "drums" else (pitch_number, part.names[index])


@dataclass(slots=True)
class _Staff:
    """What is remembered while a staff is filled from left to right."""

    part: WrittenPart
    home: Key
    ids: Iterator[str]
    last_bar: dict[str, int] = field(default_factory=dict)
    first_of: dict[int, Any] = field(default_factory=dict)
    """The written object that starts each note of the part, for lyrics and slurs."""
    last_of: dict[int, Any] = field(default_factory=dict)


def _fill(
    staff: stream.Part,
    part: WrittenPart,
    chosen: Sequence[int],
    bars: Sequence[Bar],
    keys: _Keys,
    first_clef: clef.Clef,
    ids: Iterator[str],
) -> None:
    state = _Staff(part, keys[0][1], ids)
    voices = {
        number: _events(part, [i for i in chosen if part.notes[i].voice == number])
        for number in sorted({part.notes[i].voice for i in chosen})
    }
    signature = None
    for index, laid in enumerate(bars):
        measure = stream.Measure(number=laid.number)
        if index == 0:
            measure.clef = first_clef
        current = [k for start, k in keys if start <= laid.start][-1:] or [keys[0][1]]
        if index == 0 or current[0].fifths != state.home.fifths:
            measure.keySignature = key.KeySignature(0 if part.stem == "drums" else current[0].fifths)
        state.home = current[0]
        if laid.time_signature != signature:
            signature = laid.time_signature
            measure.timeSignature = meter.TimeSignature(str(signature))
        late = _late_start(laid)
        measure.paddingLeft = late
        sounding = {number: inside for number, events in voices.items() if (inside := _within(events, laid))}
        written: list[tuple[Fraction, Any]] = []
        if not sounding and not late:
            measure.append(_bar_rest(laid))
        elif not sounding:  # Readers take a whole-bar rest for a full bar, which a pick-up isn't.
            sounding = {1: ()}
        for number, events in sounding.items():
            elements = _write_voice(events, laid, late, state, hide_rests=number > 1 and len(sounding) > 1)
            written += elements
            if len(sounding) == 1:
                home_stream: Any = measure
            else:
                home_stream = stream.Voice(id=number)
                for _, element in elements:
                    if not element.isRest:
                        element.stemDirection = "up" if number == 1 else "down"
                measure.insert(0, home_stream)
            for offset, element in elements:
                home_stream.coreInsert(_offset(offset), element)
            home_stream.coreElementsChanged()
        if part.stem != "drums":
            _mark_accidentals(written, state)
        measure.rightBarline = bar.Barline("final") if index == len(bars) - 1 else None
        staff.coreInsert(_offset(laid.start), measure)
    staff.coreElementsChanged()
    _write_lyrics(staff, state)


def _within(events: Sequence[_Event], laid: Bar) -> Sequence[_Event]:
    """The events of one voice that sound in a bar."""
    first = bisect_right(events, laid.start, key=lambda event: event.end)
    return events[first : bisect_left(events, laid.end, lo=first, key=lambda event: event.onset)]


def _late_start(laid: Bar) -> Fraction:
    """How far into the full bar a pick-up starts."""
    full = laid.time_signature.bar_quarters
    return max(full - laid.length, Fraction(0)) if laid.number == 0 else Fraction(0)


def _offset(t: Fraction) -> float | Fraction:
    """As music21 keeps offsets: floats where they are exact."""
    return t if t.denominator & (t.denominator - 1) else float(t)


def _bar_rest(laid: Bar) -> note.Rest:
    rest = note.Rest(quarterLength=_offset(laid.length))
    rest.fullMeasure = True
    return rest


def _write_voice(
    events: Sequence[_Event], laid: Bar, late: Fraction, state: _Staff, hide_rests: bool
) -> list[tuple[Fraction, Any]]:
    """The written notes and rests of one voice in one bar, each with its offset in the bar."""
    segments: list[rhythm.Segment] = []
    sources: list[_Event | None] = []
    at = laid.start
    for event in events:
        start, end = max(event.onset, laid.start), min(event.end, laid.end)
        if start > at:
            segments.append(rhythm.Segment(at - laid.start + late, start - laid.start + late, rest=True))
            sources.append(None)
        segments.append(rhythm.Segment(start - laid.start + late, end - laid.start + late))
        sources.append(event)
        at = end
    if at < laid.end:
        segments.append(rhythm.Segment(at - laid.start + late, laid.length + late, rest=True))
        sources.append(None)
    values = rhythm.spell(segments, laid.time_signature)
    beams = rhythm.beams(values, [sources[v.segment] is None for v in values], laid.time_signature)
    bracketed = rhythm.brackets(values, beams)
    elements: list[tuple[Fraction, Any]] = []
    for value, marks, bracket in zip(values, beams, bracketed, strict=True):
        source = sources[value.segment]
        offset = value.start - late
        if source is None:
            rest = note.Rest(duration=_duration(value, bracket))
            rest.fullMeasure = False
            rest.style.hideObjectOnPrint = hide_rests
            elements.append((offset, rest))
            continue
        begins = laid.start + offset == source.onset
        finishes = laid.start + offset + value.length == source.end
        if begins:
            elements += [(offset, _sound(grace, state).getGrace()) for grace in source.graces]
        sound = _sound(source.notes, state)
        sound.duration = _duration(value, bracket)
        if not (begins and finishes):
            kind = "start" if begins else "stop" if finishes else "continue"
            for member in sound.notes if isinstance(sound, chord.ChordBase) else [sound]:
                member.tie = tie.Tie(kind)
        _set_beams(sound, marks)
        if begins:
            state.first_of.update(dict.fromkeys(source.notes, sound))
        state.last_of.update(dict.fromkeys(source.notes, sound))
        elements.append((offset, sound))
    return elements


def _duration(value: rhythm.Value, bracket: bool) -> duration.Duration:
    written = duration.Duration(type=value.name, dots=value.dots)
    if value.tuplet:
        tuplet = duration.Tuplet(value.tuplet.actual, value.tuplet.normal, value.tuplet.unit)
        if value.tuplet.starts and value.tuplet.stops:
            tuplet.type = "startStop"
        elif value.tuplet.starts or value.tuplet.stops:
            tuplet.type = "start" if value.tuplet.starts else "stop"
        tuplet.bracket = bracket
        written.appendTuplet(tuplet)
    return written


def _set_beams(sound: Any, marks: rhythm.Beams) -> None:
    for number, mark in enumerate(marks, start=1):
        kind, _, direction = mark.partition("-")
        line = beam.Beam(kind, direction or None)
        line.number = number
        sound.beams.beamsList.append(line)


def _sound(indices: Sequence[int], state: _Staff) -> Any:
    part = state.part
    if part.stem == "drums":
        hits = [_hit(part.notes[i].pitch, state) for i in indices]
        if len(hits) == 1:
            return hits[0]
        together = percussion.PercussionChord(hits)
        together.stemDirection = "up"
        return together
    octave_up = 12 if part.stem == "bass" else 0
    notes = []
    for i in indices:
        written = note.Note(_pitch(part.names[i], octave_up // 12))
        written.id = next(state.ids)
        if part.notes[i].heard in part.spoken:
            written.notehead = "x"
        notes.append(written)
    return notes[0] if len(notes) == 1 else chord.Chord(notes)


def _hit(pitch_number: int, state: _Staff) -> note.Unpitched:
    look = sound_of(pitch_number)
    hit = note.Unpitched(displayName=look.position)
    hit.notehead = look.notehead
    hit.stemDirection = "up"
    hit.id = next(state.ids)
    return hit


def _pitch(name: str, octaves: int = 0) -> pitch.Pitch:
    """music21's pitch for "F#4" or "Bb4", so many octaves higher."""
    step, rest = name[0], name[1:]
    alter = rest.count("#") - rest.count("b")
    octave = int(rest.lstrip("#b")) + octaves
    written = pitch.Pitch(step=step, octave=octave)
    if alter:
        written.accidental = pitch.Accidental(alter)
    return written


# Accidentals


def _key_alterations(home: Key) -> dict[str, int]:
    """The alteration that the signature gives to each step."""
    sharps, flats = "FCGDAEB"[: max(home.fifths, 0)], "BEADGCF"[: max(-home.fifths, 0)]
    return {step: (step in sharps) - (step in flats) for step in "ABCDEFG"}


def _mark_accidentals(written: Sequence[tuple[Fraction, Any]], state: _Staff) -> None:
    """Show the accidentals of one bar of one staff, and the ones that remind."""
    signature = _key_alterations(state.home)
    in_force: dict[tuple[str, int], int] = {}
    this_bar: dict[str, int] = {}
    for _, element in sorted(written, key=lambda pair: pair[0]):
        if element.isRest:
            continue
        for member in element.notes if isinstance(element, chord.ChordBase) else [element]:
            place, step = member.pitch, member.pitch.step
            alter = int(place.alter)
            held = member.tie is not None and member.tie.type in ("stop", "continue")
            current = in_force.get((step, place.octave), signature[step])
            stated = (step, place.octave) in in_force
            elsewhere = this_bar.get(step, state.last_bar.get(step, signature[step]))
            shown = alter != current and not held
            reminds = not shown and not held and not stated and elsewhere != alter
            if shown or reminds:
                if place.accidental is None:
                    place.accidental = pitch.Accidental("natural")
                place.accidental.displayStyle = "parentheses" if reminds else "normal"
                in_force[step, place.octave] = alter
            if place.accidental is not None:
                place.accidental.displayStatus = shown or reminds
            this_bar[step] = alter
    state.last_bar = this_bar


# Words and marks


def _write_lyrics(staff: stream.Part, state: _Staff) -> None:
    """Syllables under their notes, and a slur over each melisma."""
    written = [i for i in range(len(state.part.sung)) if i in state.first_of]
    start = None
    for i, following in zip(written, [*written[1:], None], strict=False):
        sung = state.part.sung[i]
        if sung.syllables:
            start = i
            state.first_of[i].lyrics = [_lyric(sung)]
        ends_here = following is None or not state.part.sung[following].held
        if sung.held and ends_here and start is not None:
            staff.insert(0, spanner.Slur([state.first_of[start], state.last_of[i]]))


def _lyric(sung: SungNote) -> note.Lyric:
    parts = [note.Lyric(text=s.text, number=1, syllabic=s.syllabic, applyRaw=True) for s in sung.syllables]
    if len(parts) == 1:
        return parts[0]
    whole = note.Lyric(number=1)
    for component in parts[1:]:
        component.elisionBefore = "‿"
    whole.components = parts
    return whole


def _mark_tempo(top: stream.Part, bars: Sequence[Bar], beats_per_minute: int) -> None:
    name, dots = rhythm.value_name(bars[0].time_signature.beat_quarters) or ("quarter", 0)
    unit = duration.Duration(type=name, dots=dots)
    mark = tempo.MetronomeMark(number=beats_per_minute, referent=unit)
    top.getElementsByClass(stream.Measure).first().insert(0, mark)


def _write_chords(top: stream.Part, bars: Sequence[Bar], chords: Sequence[ChordSymbol]) -> None:
    measures = list(top.getElementsByClass(stream.Measure))
    for symbol in chords:
        for laid, measure in zip(bars, measures, strict=True):
            if laid.start <= symbol.onset < laid.end:
                measure.insert(_offset(symbol.onset - laid.start), _harmony(symbol))
                break


def _harmony(symbol: ChordSymbol) -> harmony.ChordSymbol:
    written = harmony.ChordSymbol(
        root=symbol.root.replace("b", "-"),
        bass=symbol.bass.replace("b", "-") or None,
        kind=_CHORD_KINDS.get(symbol.quality, "major"),
    )
    written.chordKindStr = symbol.quality
    return written
