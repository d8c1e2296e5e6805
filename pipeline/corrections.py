"""What a musician corrects after a run: the corrections themselves, and their history in the song's folder.

A correction replaces what was found (key, meter, tempo, pick-up, words), says how a part is read (clef,
octave), or changes notes. What was heard is kept beside, so that undoing a correction loses nothing.
``corrections.json`` holds every state since the first correction: each can be undone and redone, after a
restart too.

Conventions: edits of notes are made one after the other; each names its note as ``notes.json`` has it by then
(stem, onset, pitch), and so still finds it when the beats, the words or the score are made anew. Tempo, meter
and pick-up mean what they mean in :class:`pipeline.settings.Settings`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullscore.errors import FullscoreError
from lyrics.words import Line, Lyrics, Syllable, Word
from pipeline.settings import Settings, parse_time_signature
from pipeline.workspace import write_json
from transcription.beatgrid import TimeSignature
from transcription.notes import Note

if TYPE_CHECKING:
    from notation.registers import ClefAndOctave

CORRECTIONS = "corrections.json"
MOST_STATES = 200  # that are kept to go back to
SAME_ONSET_S = 0.001  # notes.json rounds to a microsecond; nobody plays a note twice within a millisecond
MOST_OCTAVES = 4  # by which a stem can have been heard wrong
PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
NEW_VELOCITY = 80  # of a note added to a stem that has no others


@dataclass(frozen=True, slots=True)
class NoteEdit:
    """One note changed: the one of ``stem`` at ``onset`` (seconds) with ``pitch`` gets the pitch ``to``.

    With ``to`` None it is deleted; with ``pitch`` None a note from ``onset`` to ``offset`` is added.
    """

    stem: str
    onset: float
    pitch: int | None
    to: int | None = None
    offset: float | None = None

    def __post_init__(self) -> None:
        if self.pitch is None and (self.to is None or self.offset is None):
            raise FullscoreError("a note that is added has a pitch, and an offset beside its onset")
        try:
            for name in ("pitch", "to"):
                pitch = getattr(self, name)
                if pitch is not None:
                    Note(self.onset, self.onset + 1 if self.offset is None else self.offset, index(pitch))
                    object.__setattr__(self, name, index(pitch))  # a table's numbers can't be kept as JSON
        except (ValueError, TypeError) as error:
            raise FullscoreError("a note can't be corrected so: {error}", error=error) from error

    def make(self, notes: list[Note]) -> bool:
        """Change ``notes`` so; False where the note isn't there, or what it is to become is there already."""
        if self.to not in (None, self.pitch) and _find(notes, self.stem, self.onset, self.to) is not None:
            return False
        if self.pitch is None:
            beside = sorted(note.velocity for note in notes if note.stem == self.stem)
            velocity = beside[len(beside) // 2] if beside else NEW_VELOCITY
            notes.append(Note(self.onset, self.offset or 0.0, self.to or 0, velocity, stem=self.stem))
            return True
        at = _find(notes, self.stem, self.onset, self.pitch)
        if at is None:
            return False
        if self.to is None:
            del notes[at]
        else:  # what somebody says is sure
            notes[at] = replace(notes[at], pitch=self.to, confidence=1.0)
        return True

    def __str__(self) -> str:
        names = [_pitch_name(pitch) for pitch in (self.pitch, self.to) if pitch is not None]
        return f"{' to '.join(names)} at {self.onset:.2f} s in '{self.stem}'"


@dataclass(frozen=True, slots=True)
class OctaveEdit:
    """Every note of ``stem`` moved by so many ``octaves``: it was heard in the wrong one."""

    stem: str
    octaves: int

    def __post_init__(self) -> None:
        if self.octaves not in {*range(-MOST_OCTAVES, 0), *range(1, MOST_OCTAVES + 1)}:
            raise FullscoreError(
                "a part is moved by 1 to {most} octaves, not {octaves}",
                most=MOST_OCTAVES,
                octaves=self.octaves,
            )

    def make(self, notes: list[Note]) -> bool:
        """Change ``notes`` so; False where there are none of the stem, or one would leave MIDI's range."""
        own = [at for at, note in enumerate(notes) if note.stem == self.stem]
        moved = [notes[at].pitch + 12 * self.octaves for at in own]
        if not own or min(moved) < 0 or max(moved) > 127:
            return False
        for at, pitch in zip(own, moved, strict=True):
            notes[at] = replace(notes[at], pitch=pitch)
        return True

    def __str__(self) -> str:
        return f"'{self.stem}' by {self.octaves:+d} octaves"


@dataclass(frozen=True, slots=True)
class PartEdit:
    """How the part of ``stem`` is read: see :class:`notation.registers.ClefAndOctave`."""

    stem: str
    clef: str | None = None
    octave: int | None = None

    def __post_init__(self) -> None:
        _ = self.reading

    @property
    def reading(self) -> ClefAndOctave:
        from notation.registers import ClefAndOctave

        try:
            return ClefAndOctave(self.clef, self.octave)
        except ValueError as error:
            raise FullscoreError("{error}", error=error) from error


@dataclass(frozen=True, slots=True)
class Corrections:
    """All that is corrected at one time; what is None, or empty, is as it was found."""

    key: str | None = None
    time_signature: TimeSignature | None = None
    tempo: float | None = None
    pick_up: float | None = None
    parts: tuple[PartEdit, ...] = ()
    notes: tuple[NoteEdit | OctaveEdit, ...] = ()
    words: Lyrics | None = None

    def __post_init__(self) -> None:
        from notation.spelling import parse_key

        if self.key is not None:
            parse_key(self.key)
        Settings(tempo=self.tempo, pick_up=self.pick_up)
        stems = [part.stem for part in self.parts]
        if len(set(stems)) < len(stems):
            raise FullscoreError("each part is read in one way", "give its clef and octave once")

    def over(self, settings: Settings) -> Settings:
        """``settings`` with the key and pick-up of these corrections, which the score is written by."""
        return replace(
            settings,
            key=self.key if self.key is not None else settings.key,
            pick_up=self.pick_up if self.pick_up is not None else settings.pick_up,
        )

    @property
    def what(self) -> tuple[str, ...]:
        """What is corrected, for a sentence."""
        named = (("key", self.key), ("meter", self.time_signature), ("tempo", self.tempo))
        others = (("words", self.words), ("clefs or octaves", self.parts or None))
        told = [name for name, value in (*named, ("pick-up", self.pick_up), *others) if value is not None]
        return (*told, *([f"notes ({len(self.notes)})"] if self.notes else []))

    def as_object(self) -> dict[str, Any]:
        """The corrections as JSON, without those there are none of."""
        values: dict[str, Any] = asdict(self)
        values["time_signature"] = self.time_signature and str(self.time_signature)
        return {name: value for name, value in values.items() if value not in (None, ())}


def corrections_from(saved: Mapping[str, Any]) -> Corrections:
    """Corrections from their JSON form. Raises what the classes raise for what can't be."""
    values = dict(saved)
    if signature := values.get("time_signature"):
        values["time_signature"] = parse_time_signature(signature)
    values["parts"] = tuple(PartEdit(**part) for part in values.get("parts", ()))
    values["notes"] = tuple(
        OctaveEdit(**edit) if "octaves" in edit else NoteEdit(**edit) for edit in values.get("notes", ())
    )
    if "words" in values:
        values["words"] = lyrics_from(values["words"])
    return Corrections(**values)


def lyrics_from(saved: Mapping[str, Any]) -> Lyrics:
    """Lyrics from their JSON form (``dataclasses.asdict``)."""
    return Lyrics(
        tuple(
            Line(
                tuple(
                    Word(
                        word["text"],
                        tuple(Syllable(**syllable) for syllable in word["syllables"]),
                        word["confidence"],
                    )
                    for word in line["words"]
                ),
                line["starts_section"],
            )
            for line in saved["lines"]
        ),
        saved["language"],
    )


# Notes


def edited(
    notes: Sequence[Note], edits: Sequence[NoteEdit | OctaveEdit]
) -> tuple[tuple[Note, ...], tuple[NoteEdit | OctaveEdit, ...]]:
    """``notes`` with the ``edits`` that can be made, in the order of ``notes.json``, and those that can't."""
    kept = list(notes)
    impossible = tuple(edit for edit in edits if not edit.make(kept))
    return in_order(kept), impossible


def in_order(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Notes as ``notes.json`` has them."""
    return tuple(sorted(notes, key=lambda note: (note.onset, note.stem, note.pitch)))


def _pitch_name(pitch: int) -> str:
    return f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"


def _find(notes: Sequence[Note], stem: str, onset: float, pitch: int | None) -> int | None:
    for at, note in enumerate(notes):
        if note.pitch == pitch and note.stem == stem and abs(note.onset - onset) < SAME_ONSET_S:
            return at
    return None


# History


@dataclass(frozen=True, slots=True)
class History:
    """The states that corrections went through, the first without any, and which of them holds.

    ``song`` is the sha256 of the recording that they belong to ("": none were made yet).
    """

    song: str = ""
    states: tuple[Corrections, ...] = (Corrections(),)
    at: int = 0

    @property
    def now(self) -> Corrections:
        return self.states[self.at]

    @property
    def can_undo(self) -> bool:
        return self.at > 0

    @property
    def can_redo(self) -> bool:
        return self.at + 1 < len(self.states)

    def then(self, corrections: Corrections) -> History:
        """With a new state; those that were undone are forgotten, and the oldest where there are too many."""
        if corrections == self.now:
            return self
        states = (*self.states[: self.at + 1], corrections)[-MOST_STATES:]
        return replace(self, states=states, at=len(states) - 1)

    def back(self) -> History:
        """With the last correction undone. Raises FullscoreError if there is none."""
        if not self.can_undo:
            raise FullscoreError("there is no correction to undo")
        return replace(self, at=self.at - 1)

    def forth(self) -> History:
        """With the correction made again that was undone last. Raises FullscoreError if there is none."""
        if not self.can_redo:
            raise FullscoreError("there is no undone correction to make again")
        return replace(self, at=self.at + 1)


def read_history(folder: Path) -> History:
    """The corrections kept in a song's folder. Raises FullscoreError if they can't be read."""
    path = folder / CORRECTIONS
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        states = [
            {**state, "words": saved["words"][state["words"]]} if "words" in state else state
            for state in saved["states"]
        ]
        history = History(saved["song"], tuple(map(corrections_from, states)), saved["at"])
        _ = history.states[history.at]
    except FileNotFoundError:
        return History()
    except (OSError, ValueError, KeyError, TypeError, IndexError, FullscoreError) as error:
        raise FullscoreError(
            "the corrections in {path} can't be read ({kind}: {error})",
            "mend the file, or remove it to do without them",
            path=path,
            kind=type(error).__name__,
            error=error,
        ) from error
    return history


def write_history(history: History, folder: Path) -> None:
    """Keep ``history`` in a folder; the words, which are long and seldom corrected, once each."""
    words: list[Lyrics] = []
    states = []
    for state in history.states:
        saved = state.as_object()
        if state.words is not None:
            if state.words not in words:
                words.append(state.words)
            saved["words"] = words.index(state.words)
        states.append(saved)
    write_json(
        {"song": history.song, "at": history.at, "states": states, "words": [asdict(one) for one in words]},
        folder / CORRECTIONS,
    )
