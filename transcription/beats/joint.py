"""Beats, downbeats, meter and tempo from notes, sound, or both.

From notes a network tells how likely each note lies on a beat (:mod:`transcription.beats.activations`), and
the likeliest beat sequence is decoded from its activations (:mod:`transcription.beats.note_tracker`). Where
there is sound but no notes, or drums among the notes (a band: its beat is in the sound, and what is heard of
its notes is less sure), :mod:`transcription.beats.sound_tracker` follows both, at the metrical level that the
network finds.

What is known is honoured: a wanted tempo chooses the metrical level (a beat divided or beats taken
together where the music was counted at another), a wanted time signature the bars.

Conventions: times in seconds; a beat is what a musician counts (``transcription.beatgrid``).

Limits: beats between 0.18 and 3.6 s apart; a grid has one time signature, and other bars within it
are such by their number of beats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fullscore.engines import Progress, silent
from transcription.beatgrid import BeatGrid, BeatHints, TimeSignature
from transcription.beats.activations import BeatActivations, activations_of, mean_activations
from transcription.beats.clusters import Clusters, cluster_features, clusters_of, note_arrays
from transcription.beats.note_tracker import BeatSequence, best_sequence, count_bars, signature_of
from transcription.notes import Note

if TYPE_CHECKING:
    from separation.audio import Audio

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DEFAULT_TEMPO = 120.0
LONGEST_REST_S = 12.0
"""Longer rests are shortened to this before the music is looked at; beats go on evenly through them."""
LEVELS = (1 / 4, 1 / 3, 1 / 2, 1, 2, 3, 4)
"""How many counts a wanted tempo may make of one found."""
PACES = (0.75, 1.0, 1.33)
"""The network hears the music as played, faster and slower: what is played says more than how fast."""
ENOUGH_NOTES = 40
"""With fewer notes the sound is listened to."""
SWUNG, STRAIGHT, TRIPLET = (0.57, 0.73), (0.44, 0.56), (0.27, 0.40)
"""Parts of a beat where a swung second eighth, a straight one, and a triplet's second note fall."""
SWUNG_LEAST, SWUNG_SHARE, TRIPLET_MOST = 0.1, 0.55, 0.65
"""Eighths are swung if so many of all onsets come late, so many of them beside straight ones, and beside them
at most so many second notes of triplets (tuned on held-out scores played straight and with swing)."""


@dataclass(frozen=True, slots=True)
class JointTrackerSettings:
    """There is nothing to set."""


class JointTracker:
    """The engine ``joint``: beats from the notes and the sound together."""

    def __init__(self, settings: JointTrackerSettings | None = None) -> None:
        self.settings = settings or JointTrackerSettings()

    def __call__(
        self,
        notes: Sequence[Note],
        audio: Audio | None = None,
        hints: BeatHints = BeatHints(),
        progress: Progress = silent,
    ) -> BeatGrid:
        """The beats of a performance; see :func:`track_beats`."""
        return track_beats(notes, audio, hints, progress)


def track_beats(
    notes: Sequence[Note],
    audio: Audio | None = None,
    hints: BeatHints = BeatHints(),
    progress: Progress = silent,
) -> BeatGrid:
    """The beats, downbeats and meter of a performance, of which ``notes``, ``audio`` or both are given.

    The grid reaches from the first note (or before it; a beat may then lie before 0) to beyond the
    end of the last one. Without two events to go by it is a plain count at the wanted tempo.
    """
    progress(0.0, "listening for onsets")
    drums = any(note.stem == "drums" for note in notes)
    if audio is not None and (drums or len(notes) < ENOUGH_NOTES):
        grid = heard_beats(notes, audio, hints, progress)
    else:
        grid = noted_beats(notes, hints)
    progress(1.0, "beats found")
    return grid


def heard_beats(notes: Sequence[Note], audio: Audio, hints: BeatHints, progress: Progress) -> BeatGrid:
    """Beats from sound, and from the notes heard in it if there are any."""
    # PyAV, soundfile and scipy take longer to import than most performances take to be counted.
    from transcription.beats.onsets import events_of
    from transcription.beats.sound_tracker import best_hypothesis, refined

    events = events_of(notes, audio)
    start = min((note.onset for note in notes), default=float(events.times[0]) if len(events) else 0.0)
    end = max((note.offset for note in notes), default=audio.duration)
    progress(0.3, "looking for beats")
    tempo = hints.tempo
    if tempo is None and len(notes) >= ENOUGH_NOTES:
        tempo = noted_beats(notes, hints).tempo
    has_drums = any(note.stem == "drums" for note in notes)
    hypothesis = best_hypothesis(events, tempo, hints.time_signature, has_drums)
    if hypothesis is None:
        return plain_grid(start, end, hints)
    times = refined(hypothesis.times, events)
    start, end = min(start, float(events.times[0])), max(end, float(events.times[-1]))
    times, numbers = covering(times, hypothesis.places + 1, len(hypothesis.bar), start, end)
    return BeatGrid(tuple(times.tolist()), tuple(numbers.tolist()), hypothesis.signature)


def noted_beats(notes: Sequence[Note], hints: BeatHints) -> BeatGrid:
    """Beats from notes alone."""
    start = min((note.onset for note in notes), default=0.0)
    end = max((note.offset for note in notes), default=0.0)
    whole, times, activations = beat_activations(notes)
    if activations is None:
        return plain_grid(start, end, hints)
    sequence = best_sequence(times, activations)
    if len(sequence.times) < 2:
        return plain_grid(start, end, hints)
    sequence = over_long_rests(sequence, times, whole.times)
    bars = count_bars(sequence, whole.times, activations)
    signature = signature_of(int(np.bincount(bars.sizes).argmax()), activations)
    level = wanted_level(sequence, signature, hints)
    sequence = (
        divided(sequence, round(level)) if level > 1 else thinned(sequence, bars.numbers, round(1 / level))
    )
    given = hints.time_signature
    if given or level != 1:
        bars = count_bars(
            sequence, whole.times, activations, (given.beats_per_bar,) if given else None, level == 1
        )
        signature = given or signature_of(int(np.bincount(bars.sizes).argmax()), activations)
    beats, numbers = covering(sequence.times, bars.numbers, signature.beats_per_bar, start, end)
    grid = BeatGrid(tuple(beats.tolist()), tuple(numbers.tolist()), signature)
    return replace(grid, swing=not signature.compound and is_swung(grid.beat_at(whole.times) % 1))


def beat_activations(notes: Sequence[Note]) -> tuple[Clusters, Floats, BeatActivations | None]:
    """The clusters of ``notes``, their times with rests shortened, and the network's mean activations at all
    PACES.

    Of fewer than two clusters it says nothing.
    """
    onset, offset, pitch, velocity, drum = note_arrays(notes)
    whole = clusters_of(onset)
    if len(whole) < 2:
        return whole, whole.times, None
    times = without_long_rests(whole.times)
    moved = np.empty(len(onset))
    moved[whole.order] = (times - whole.times)[whole.group]
    heard = []
    for pace in PACES:
        paced = replace(whole, times=times * pace)
        on, off = (onset + moved) * pace, (offset + moved) * pace
        heard.append(activations_of(cluster_features(paced, on, off, pitch, velocity, drum)))
    return whole, times, mean_activations(heard, PACES)


def is_swung(places: Floats) -> bool:
    """Whether onsets at these places in the beat are eighths played with swing."""
    late, straight, triplet = (
        int(np.sum((places > low) & (places < high))) for low, high in (SWUNG, STRAIGHT, TRIPLET)
    )
    return (
        late > SWUNG_LEAST * len(places)
        and late > SWUNG_SHARE * (late + straight)
        and triplet < TRIPLET_MOST * late
    )


def without_long_rests(times: Floats) -> Floats:
    """The same onsets with no rest between them longer than LONGEST_REST_S."""
    return np.asarray(times[0] + np.cumsum(np.minimum(np.diff(times, prepend=times[0]), LONGEST_REST_S)))


def over_long_rests(sequence: BeatSequence, shortened: Floats, times: Floats) -> BeatSequence:
    """A beat sequence found in shortened time moved back, with beats at their own pace through long rests."""
    back = np.interp(sequence.times, shortened, times)
    rests = np.flatnonzero(np.diff(times) > LONGEST_REST_S)
    if not len(rests):
        return sequence
    inside = np.zeros(len(back) - 1, bool)
    for n in rests:
        inside |= (sequence.times[:-1] < shortened[n + 1]) & (sequence.times[1:] > shortened[n])
    edge = np.diff(inside.astype(int), prepend=0, append=0)
    at, cluster, done = [], [], 0
    for lo, hi in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1), strict=True):
        pace = float(np.median(np.diff(sequence.times[max(0, lo - 5) : hi + 6])))
        count = max(1, round(float(back[hi] - back[lo]) / pace))
        at += [back[done : lo + 1], np.linspace(back[lo], back[hi], count + 1)[1:-1]]
        cluster += [sequence.cluster[done : lo + 1], np.full(count - 1, -1)]
        done = int(hi)
    return BeatSequence(
        np.concatenate([*at, back[done:]]), np.concatenate([*cluster, sequence.cluster[done:]])
    )


def wanted_level(sequence: BeatSequence, found: TimeSignature, hints: BeatHints) -> float:
    """How many beats to count for each one found: what the wanted tempo, else the wanted meter, says."""
    given = hints.time_signature
    if hints.tempo:
        pace = hints.tempo / 60.0 * float(np.median(np.diff(sequence.times)))
        return min(LEVELS, key=lambda level: abs(math.log(pace / level)))
    if given and given.compound and not found.compound and found.beats_per_bar == 3:
        return 1 / 3
    if given and found.compound and not given.compound and given.beats_per_bar % 3 == 0:
        return 3
    return 1


def divided(sequence: BeatSequence, parts: int) -> BeatSequence:
    """Each beat in equal ``parts``."""
    if parts == 1:
        return sequence
    count = len(sequence.times)
    times = np.interp(np.arange(parts * (count - 1) + 1) / parts, np.arange(count), sequence.times)
    cluster = np.full(len(times), -1)
    cluster[::parts] = sequence.cluster
    return BeatSequence(times, cluster)


def thinned(sequence: BeatSequence, numbers: Ints, together: int) -> BeatSequence:
    """Each ``together`` beats as one, such that most bars begin on one."""
    if together == 1 or len(sequence.times) < 2 * together:
        return sequence
    first = int(np.bincount(np.flatnonzero(numbers == 1) % together, minlength=together).argmax())
    return BeatSequence(sequence.times[first::together], sequence.cluster[first::together])


def plain_grid(start: float, end: float, hints: BeatHints) -> BeatGrid:
    """A steady count from ``start`` to beyond ``end``, at the wanted or the default tempo."""
    signature = hints.time_signature or TimeSignature()
    period = 60.0 / (hints.tempo or DEFAULT_TEMPO)
    count = max(2, math.floor((end - start) / period) + 2)
    numbers = tuple(n % signature.beats_per_bar + 1 for n in range(count))
    return BeatGrid(tuple(start + n * period for n in range(count)), numbers, signature)


def covering(times: Floats, numbers: Ints, size: int, start: float, end: float) -> tuple[Floats, Ints]:
    """The same beats continued at their own pace to ``start`` or before it, and beyond ``end``."""
    span = min(4, len(times) - 1)
    before, after = (times[span] - times[0]) / span, (times[-1] - times[-1 - span]) / span
    early = max(0, math.ceil((times[0] - start) / before))
    late = max(0, math.floor((end - times[-1]) / after) + 1)
    head = times[0] - before * np.arange(early, 0, -1)
    tail = times[-1] + after * np.arange(1, late + 1)
    counted = np.concatenate(
        [
            (numbers[0] - 1 - np.arange(early, 0, -1)) % size + 1,
            numbers,
            (numbers[-1] - 1 + np.arange(1, late + 1)) % size + 1,
        ]
    )
    return np.concatenate([head, times, tail]), counted
