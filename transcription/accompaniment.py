"""Bass and accompaniment of a song whose stems are too smeared to be heard one by one.

Task: from a mix, and the notes sung in it, to the notes of its stems ``bass`` and ``other``.
Method: a separator that shares out a spectrogram's bins by rules takes from every note the partials that
another instrument has, too, and a bass without its upper partials is no bass to a network that learned
from whole sounds. So Basic Pitch listens to the mix, and its notes are shared out instead: the bass is
the best single line in a bass's usual range, what is sung already is dropped, and the rest is ``other``.

benchmarks/stem_notes.py prints what that brings. It is not for stems from a network, which are better
heard one by one.
Limits: a bass higher than BASS_HIGHEST counts as ``other``, a left hand below OTHER_LOWEST as bass;
an instrument in unison with the voice is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fullscore.engines import Progress, silent
from separation.audio import Audio
from transcription.engines.basicpitch import BasicPitch, notes_from
from transcription.notes import Note, in_stem

# Chosen on one half of benchmarks/stem_notes.py; two semitones more or less change its F by .03 at most.
BASS_LOWEST, BASS_HIGHEST = 23, 48
"""B0 of five strings to C3: above it, chords win too many notes of the line."""
OTHER_LOWEST = 45
SAME_ONSET_S = 0.05
SUNG_SHARE = 0.5
"""A note is the voice's where so much of it is sung at the same pitch."""


def accompaniment(
    network: BasicPitch, mix: Audio, sung: Sequence[Note], progress: Progress = silent
) -> tuple[Note, ...]:
    """The notes of the stems ``bass`` and ``other`` in ``mix``, beside those ``sung``."""
    heard = network.listen(mix, progress)
    low = replace(network.settings, lowest=BASS_LOWEST, highest=BASS_HIGHEST, monophonic=True)
    bass = notes_from(heard, low)
    rest = notes_from(heard, replace(network.settings, lowest=OTHER_LOWEST))
    other = [note for note in rest if not (is_among(bass, note) or is_covered(sung, note))]
    return (*in_stem(bass, "bass"), *in_stem(other, "other"))


def is_among(notes: Sequence[Note], note: Note) -> bool:
    """Whether ``notes`` hold the same pitch beginning at the same time."""
    return any(each.pitch == note.pitch and abs(each.onset - note.onset) <= SAME_ONSET_S for each in notes)


def is_covered(notes: Sequence[Note], note: Note) -> bool:
    """Whether one of ``notes`` of the same pitch sounds during most of ``note``."""
    return any(
        each.pitch == note.pitch
        and min(each.offset, note.offset) - max(each.onset, note.onset)
        > SUNG_SHARE * (note.offset - note.onset)
        for each in notes
    )
