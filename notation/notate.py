"""From heard notes and beats to a score: the flow of notation.

Task: bars from the beats, written rhythm, voices, key and spelling, chord symbols and underlay from the
notes, put together by :mod:`notation.score`. Each stem becomes one part; stems without notes none. Words
that are spoken, or sung where no notes were heard, are written with crosses for noteheads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import groupby

from fullscore.engines import option
from lyrics.words import Lyrics
from notation.chords import find_chords
from notation.events import Key, ScoreNote
from notation.expression import express
from notation.instruments import VOICINGS, score_order, voicing_of
from notation.meter import ScoreTime, lay_bars
from notation.page import NotatedScore, WrittenPart
from notation.quantise import QuantiseSettings, quantise
from notation.registers import ClefAndOctave
from notation.score import build_score
from notation.sections import find_sections
from notation.spelling import spell
from notation.stated import (
    program_of,
    stated_bars,
    stated_keys,
    stated_order,
    stated_rhythm,
    stated_voices,
)  # fmt: skip
from notation.underlay import spoken_notes, strike_syllables, underlay
from notation.voices import assign_voices, fits_one_staff, needs_two_staves
from transcription.beatgrid import BeatGrid
from transcription.midi import ScoreMap, Track
from transcription.notes import Note

MONOPHONIC = ("vocals", "bass")
SURE_SHARE = 0.9  # of the likeliest note's confidence, from which a note beside it was surely played
CHORDS = ("auto", "on", "off")
# Where any of these is, a band plays, and chord symbols are usual.
SONG_STEMS = frozenset({"vocals", "guitar", "bass", "drums", "other", "mix"})
RECENT_PARTS = 8  # whose written notes are remembered
SIMPLE_RHYTHM = QuantiseSettings(shortest=16)


@dataclass(frozen=True, slots=True)
class NotationSettings:
    """What a user decides about the score; anything left out is found from the music."""

    key: Key | None = option(None, "the key, such as 'G major'; found from the notes if left out")
    chords: str = option("auto", "chord symbols: auto for songs, not for keyboards alone", choices=CHORDS)
    pick_up: Fraction | None = option(None, "beats before the first bar line; found if left out")
    simplify: bool = option(False, "a rhythm of sixteenths at the finest, one voice a staff")
    readings: tuple[tuple[str, ClefAndOctave], ...] = option(
        (), "clefs and octaves of parts: (stem, reading)"
    )


def notate(
    notes: Sequence[Note],
    grid: BeatGrid,
    lyrics: Lyrics = Lyrics(),
    settings: NotationSettings = NotationSettings(),
    title: str = "",
    artist: str = "",
    pedals: Sequence[tuple[float, float]] = (),
    stated: ScoreMap | None = None,
    tracks: Sequence[Track] = (),
    singer: str = "vocals",
) -> NotatedScore:
    """Write the heard notes of all stems as one score, lyrics under the stem of the ``singer``.

    ``pedals`` are where the sustaining pedal was down, (from, to) in seconds. ``stated`` is the score
    time of a file that was made from a score, ``tracks`` what its tracks are.
    """
    spoken = frozenset(spoken_notes(lyrics, [note for note in notes if note.stem == singer], singer))
    sounding = [*notes, *spoken]
    bars, time = stated_bars(stated, sounding) if stated else lay_bars(grid, sounding, settings.pick_up)
    stems = stated_order(tracks) if stated and tracks else _stems(sounding, tracks)
    by_stem = {stem: [note for note in sounding if note.stem == stem] for stem in stems}
    if settings.simplify or not stated:
        written = {
            stem: _heard_part(stem, tuple(heard), time, settings.simplify) for stem, heard in by_stem.items()
        }
    else:
        written = {stem: _stated_part(stem, heard, time, stated, tracks) for stem, heard in by_stem.items()}
    if singer in written:
        written[singer] = strike_syllables(lyrics, written[singer], time)
    pitched = [
        note
        for stem, part in written.items()
        for note in part
        if stem != "drums" and note.heard not in spoken
    ]
    keys = ((bars[0].start, settings.key),) if settings.key else stated_keys(stated, pitched, bars)
    key = keys[0][1]
    has_chords = settings.chords == "on" or (
        settings.chords == "auto" and bool(lyrics.lines or not SONG_STEMS.isdisjoint(stems))
    )
    chords = find_chords(pitched, bars, keys) if has_chords and pitched else ()
    named = [note for stem, part in written.items() if stem != "drums" for note in part]
    name_of = dict(zip(map(id, named), spell(named, keys), strict=True))
    parts = []
    readings = dict(settings.readings)
    for stem, part in written.items():
        names = [name_of.get(id(note), "") for note in part]
        sung = underlay(lyrics, part) if stem == singer else ()
        on_two = stem == "piano" and not stated and not fits_one_staff(by_stem[stem])
        staves = 2 if on_two or any(note.staff == 2 for note in part) else 1
        program = None if stem in VOICINGS else program_of(stem, tracks)
        reading = readings.get(stem, ClefAndOctave())
        parts.append(WrittenPart(stem, part, tuple(names), sung, staves, spoken, program, reading))
    parts, expression = express(parts, time, pedals, swing=grid.swing)
    sections = find_sections(lyrics, time)
    return build_score(
        parts,
        bars,
        key,
        grid.tempo,
        chords,
        title,
        artist,
        keys=keys,
        expression=expression,
        sections=sections,
        time=time,
    )


def _stems(notes: Sequence[Note], tracks: Sequence[Track]) -> list[str]:
    """The stems that have notes, in the order of the score; those of a family by name."""
    stems = sorted({note.stem for note in notes})
    voicings = [voicing_of(stem, None if stem in VOICINGS else program_of(stem, tracks)) for stem in stems]
    return [stems[index] for index in score_order(voicings)]


def _stated_part(
    stem: str, heard: Sequence[Note], time: ScoreTime, stated: ScoreMap, tracks: Sequence[Track]
) -> tuple[ScoreNote, ...]:
    """One stem's notes with the rhythm, staves and voices that a file states."""
    notes = stated_rhythm(heard, stated, time.end)
    return notes if stem == "drums" else stated_voices(notes, tracks)


@lru_cache(maxsize=RECENT_PARTS)
def _heard_part(stem: str, heard: tuple[Note, ...], time: ScoreTime, simplify: bool) -> tuple[ScoreNote, ...]:
    """One stem's notes with written rhythm, staves and voices; ``simplify``: for who doesn't read much.

    The most costly part of a score, and the same again where its key, clefs or words are corrected.
    """
    notes = quantise(heard, time, SIMPLE_RHYTHM if simplify else QuantiseSettings())
    if stem == "drums":
        return notes
    if stem in MONOPHONIC:
        notes = _single_line(notes)
    return assign_voices(
        notes, staves=_staves(stem, notes), monophonic=stem in MONOPHONIC, time=time, simplify=simplify
    )


def _staves(stem: str, notes: Sequence[ScoreNote]) -> int:
    if stem in ("guitar", *MONOPHONIC) or fits_one_staff([note.heard for note in notes]):
        return 1
    return 2 if stem == "piano" or needs_two_staves(notes) else 1


def _single_line(notes: Sequence[ScoreNote]) -> tuple[ScoreNote, ...]:
    """The notes of a stem that plays one at a time: of those that start together only the sure ones.

    What was heard with much less confidence is an overtone or a neighbour's note; it is absorbed, not lost. A
    double stop that was surely played stays.
    """
    kept = []
    for _, group in groupby(notes, key=lambda note: (note.onset, note.duration > 0)):
        chord = sorted(group, key=lambda note: (-note.heard.confidence, -note.duration))
        sure = [n for n in chord if n.heard.confidence >= SURE_SHARE * chord[0].heard.confidence]
        doubtful = tuple(
            n.heard for n in chord if n.heard.confidence < SURE_SHARE * chord[0].heard.confidence
        )
        kept += [replace(sure[0], absorbed=(*sure[0].absorbed, *doubtful)), *sure[1:]]
    return tuple(sorted(kept, key=lambda note: (note.onset, note.duration > 0, note.pitch)))
