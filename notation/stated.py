"""A file that was made from a score: its bars, keys, parts and rhythm read off its own clock, not inferred.

Task: lay the bars that the file states and put every note on the plain place its ticks mean. Methods: a
meter that holds for one bar only and fills up the meter beside it is that meter's pick-up, broken or last
bar (notation programs write the real length of such bars as a meter of its own). A tick is read as the
plainest part of the quarter that rounds to it; an end may be a tick early, as most programs write it. What
lies on none is played, not written: short notes just before another are its grace notes, chord notes that
follow one another are an arpeggio. Where no meter is stated the counting of tracked beats is laid on the
quarters of the file. A pick-up that is not stated is found where bar lines moved by it meet far likelier
downbeats, at the start and at each later meter.

Conventions: score time 0 is the start of the file, the first bar line. Each heard note appears once.

Limits: other ornaments stay written out as played; swing written into the ticks is read as triplets.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import TypeVar

import numpy as np

from notation.events import Bar, Key, ScoreNote
from notation.keys import find_keys
from notation.meter import ScoreTime
from notation.parting import part_exactly
from notation.spelling import fifths_name
from notation.voices import assign_voices, is_single_line, needs_two_staves
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.beats.downbeats import Downbeats
from transcription.midi import Pedal, Performance, ScoreMap, StatedMeter, Track
from transcription.notes import Note

# Parts of a quarter from the plainest on: a tick is the first of them that rounds to it.
PARTS = (1, 2, 4, 3, 8, 6, 16, 12, 5, 7, 10, 9, 24, 32, 20, 14, 18, 11, 22, 13)
ROUNDING_TICKS = Fraction(1, 2)
EARLY_END_TICKS = 1
EARLY_SHARE = 0.8  # of the notes end early where a program writes them so
ORNAMENT_QUARTERS = Fraction(1, 2)  # an unwritten onset belongs to the written one at most this long before
# Tuned on 215 Lieder: with these 204 begin as written, and none of 153 with a pick-up that isn't there.
PICK_UP_STEP = Fraction(1, 4)  # quarters: pick-ups that the file doesn't state are whole multiples
CLEARER = 2.5  # log odds a bar: so much likelier must the downbeats be with a pick-up than without
LONG_COST = 1.0  # log odds a bar for a pick-up longer than half a bar
NO_ONSET_ODDS = math.log(0.1)  # of a bar that begins where no note does
FEWEST_BARS, FEWEST_LATER = 2, 8  # of the first and of another meter, or nothing can be told of its start
DOWNBEAT_PART = 48  # of a quarter: downbeats are where notes begin to the nearest
SHORTEST_QUARTERS = Fraction(1, 8)  # written for a note of no length that leads to none
FALLBACK_PART = 24  # of a quarter, where nothing else tells
BAR_PART = 16  # of a quarter: bars begin and end on whole ones


T = TypeVar("T", Note, Pedal)

# Bars -------------------------------------------------------------------------------------------


def with_meter(
    score: ScoreMap,
    notes: Sequence[Note],
    counted: BeatGrid | None = None,
    time_signature: TimeSignature | None = None,
    pick_up: Fraction | None = None,
    heard: Downbeats | None = None,
) -> ScoreMap:
    """``score`` with a meter: the given one, else its own, else that of tracked beats, else 4/4.

    ``pick_up`` is the length of the first bar in beats where it is not full; where neither that nor the
    file says, bars begin where the downbeats that were ``heard`` ask for it.
    """
    meters = score.meters
    if counted is not None and not meters:
        meters = _counted_meters(score, counted)
    meters = meters or (StatedMeter(Fraction(0), TimeSignature()),)
    end = _end(score, notes)
    first = _first_bar(meters)
    main = time_signature or first.time_signature
    unstated = pick_up is None and first.number != 0 and heard is not None
    if pick_up is not None:
        opening = pick_up * main.beat_quarters
    elif first.number == 0:
        opening = first.length
    elif heard is not None:
        until = end if time_signature or len(meters) == 1 else meters[1].start
        opening = _unstated_pick_up(score, heard, StatedMeter(Fraction(0), main), until)
    else:
        opening = Fraction(0)
    opening %= main.bar_quarters
    later = [meter for meter in meters if time_signature is None and meter.start > opening]
    later = [meter for meter in later if meter.start > first.length or meter.time_signature != main]
    found = list(_with_opening(opening, main))
    for meter, until in zip(later, [*(meter.start for meter in later[1:]), end], strict=False):
        short = _unstated_pick_up(score, heard, meter, until) if unstated and heard else Fraction(0)
        found += _with_opening(short, meter.time_signature, meter.start)
    if opening and not later and (pick_up is not None or first.number != 0):
        found += _with_closing(found, opening, main, end)
    return replace(score, meters=tuple(found))


def _with_closing(
    meters: Sequence[StatedMeter], opening: Fraction, meter: TimeSignature, end: Fraction
) -> tuple[StatedMeter, ...]:
    """The last bar as short as the pick-up leaves it, where the music fits: scores mostly have it so."""
    last = _lay(meters, end)[-1]
    rest = meter.bar_quarters - opening
    if last.start > opening and end <= last.start + rest:
        return (StatedMeter(last.start, _signature_of(rest, meter)),)
    return ()


def states_pick_up(score: ScoreMap) -> bool:
    """Whether the file says that its first bar is not full."""
    return bool(score.meters) and _first_bar(score.meters).number == 0


def ends_early(score: ScoreMap, notes: Sequence[Note]) -> bool:
    """Whether nearly all notes end a tick before a plain place, as MuseScore writes them.

    It also writes the real length of every bar: where it states no pick-up there is none.
    """
    per_quarter = round(1 / score.tick)
    stops = np.rint(score.quarters_at([note.offset for note in notes]) * per_quarter).astype(int).tolist()
    early = sum(
        plain_start(stop, per_quarter) is None and plain_start(stop + 1, per_quarter) is not None
        for stop in stops
    )
    return early >= EARLY_SHARE * len(stops)


def _unstated_pick_up(score: ScoreMap, heard: Downbeats, meter: StatedMeter, until: Fraction) -> Fraction:
    """How long the bar is that a meter opens with, where downbeats ask for one that isn't full; 0: it is.

    It holds notes, and with it the meter's bar lines fall on far likelier downbeats than without, the
    more so the likelier a downbeat is where the meter is stated.
    """
    length = meter.time_signature.bar_quarters
    if until - meter.start < (FEWEST_LATER if meter.start else FEWEST_BARS) * length:
        return Fraction(0)
    places = Fraction(1, DOWNBEAT_PART)
    rows = zip(score.quarters_at(heard.times).tolist(), heard.odds.tolist(), strict=True)
    since = ((round((quarter - float(meter.start)) * DOWNBEAT_PART), odds) for quarter, odds in rows)
    odds_at = {step: odds for step, odds in since if 0 <= step < (until - meter.start) * DOWNBEAT_PART}
    if not odds_at:
        return Fraction(0)

    def odds_of(opening: Fraction) -> float:
        lines = range(int(opening / places), max(odds_at) + 1, int(length / places))
        mean = float(np.mean([odds_at.get(line, NO_ONSET_ODDS) for line in lines] or [NO_ONSET_ODDS]))
        return mean - LONG_COST * (2 * opening > length)

    earliest = min(odds_at) * places
    openings = (PICK_UP_STEP * n for n in range(1, math.ceil(length / PICK_UP_STEP)))
    best = max((place for place in openings if place > earliest), key=odds_of, default=Fraction(0))
    least = odds_of(Fraction(0)) + odds_at.get(0, NO_ONSET_ODDS) + CLEARER
    return best if odds_of(best) > least else Fraction(0)


def _downbeat_votes(score: ScoreMap, counted: BeatGrid, length: Fraction) -> Counter[Fraction]:
    """How many of the tracked downbeats fall on each half quarter of bars of ``length``."""
    beats = score.quarters_at(counted.times)
    downs = [float(q) for q, number in zip(beats, counted.numbers, strict=True) if number == 1]
    return Counter(Fraction(round(2 * q), 2) % length for q in downs)


def _with_opening(
    length: Fraction, meter: TimeSignature, start: Fraction = Fraction(0)
) -> tuple[StatedMeter, ...]:
    """A meter after a first bar of ``length`` quarters (0: none), which is stated as files state it."""
    if length == 0:
        return (StatedMeter(start, meter),)
    return (StatedMeter(start, _signature_of(length, meter)), StatedMeter(start + length, meter))


def _signature_of(length: Fraction, meter: TimeSignature) -> TimeSignature:
    """A broken bar's real length as a signature, in the units of its meter or finer ones."""
    denominator = max(meter.denominator, length.denominator * 4)
    return TimeSignature(int(length * denominator / 4), denominator)


def with_tempo(performance: Performance, tempo: float) -> Performance:
    """The performance at ``tempo`` beats a minute throughout; a beat is that of its first full bar."""
    score = performance.score
    if score is None:
        return performance
    beat = _first_bar(score.meters).time_signature.beat_quarters if score.meters else Fraction(1)
    quarter_s = 60.0 / (tempo * float(beat))

    def seconds(times_s: Sequence[float]) -> list[float]:
        return [float(quarter) * quarter_s for quarter in score.quarters_at(times_s)]

    def moved(items: Sequence[T]) -> tuple[T, ...]:
        starts, ends = seconds([item.onset for item in items]), seconds([item.offset for item in items])
        rows = zip(items, starts, ends, strict=True)
        return tuple(replace(item, onset=start, offset=end) for item, start, end in rows)

    return replace(
        performance,
        notes=moved(performance.notes),
        pedals=moved(performance.pedals),
        texts=tuple(
            replace(text, onset=start)
            for text, start in zip(
                performance.texts, seconds([text.onset for text in performance.texts]), strict=True
            )
        ),
        score=replace(
            score,
            seconds=(0.0, float(score.quarters[-1]) * quarter_s),
            quarters=(score.quarters[0], score.quarters[-1]),
        ),
    )


def beat_grid(score: ScoreMap, notes: Sequence[Note]) -> BeatGrid:
    """The beats of the stated bars, as seconds and numbers."""
    bars, time = stated_bars(score, notes)
    starts = [bar.start for bar in bars]
    numbers = []
    for place in time.beat_quarters:
        bar = bars[bisect_right(starts, place) - 1]
        late = bar.time_signature.bar_quarters - bar.length if bar.number == 0 else Fraction(0)
        numbers.append(int((place - bar.start + late) / bar.time_signature.beat_quarters) + 1)
    return BeatGrid(time.beat_times, tuple(numbers), time.time_signature)


def stated_bars(score: ScoreMap, notes: Sequence[Note]) -> tuple[tuple[Bar, ...], ScoreTime]:
    """The bars that ``score`` states, over all ``notes``."""
    bars = _lay(score.meters or (StatedMeter(Fraction(0), TimeSignature()),), _end(score, notes))
    return bars, _score_time(bars, score)


def _end(score: ScoreMap, notes: Sequence[Note]) -> Fraction:
    """Where the last of ``notes`` ends."""
    last = float(score.quarters_at(max((note.onset for note in notes), default=0.0)))
    release = float(score.quarters_at(max((note.offset for note in notes), default=1.0)))
    stop = plain_end(round(release / float(score.tick)), round(1 / score.tick))
    return max(Fraction(math.floor(last * 64) + 1, 64), stop)


def _first_bar(meters: Sequence[StatedMeter]) -> Bar:
    """The first bar under ``meters``, where the last of them lasts."""
    return _lay(meters, meters[-1].start + 2 * meters[-1].time_signature.bar_quarters)[0]


def _lay(meters: Sequence[StatedMeter], end: Fraction) -> tuple[Bar, ...]:
    """Bars under ``meters`` up to ``end``."""
    # A change where no note value ends would leave a bar that can't be written.
    placed = {Fraction(round(meter.start * BAR_PART), BAR_PART): meter for meter in meters}
    changes = [replace(meter, start=start) for start, meter in placed.items() if start < end]
    borders = [*(meter.start for meter in changes), None]
    rows: list[tuple[Fraction, Fraction, TimeSignature, bool]] = []  # start, length, meter, is alone under it
    for index, (meter, until) in enumerate(zip(changes, borders[1:], strict=True)):
        length = meter.time_signature.bar_quarters
        close = until if until is not None else meter.start + math.ceil((end - meter.start) / length) * length
        count = math.ceil((close - meter.start) / length)
        for number in range(count):
            start = meter.start + number * length
            alone = len(changes) > 1 and (count == 1 or (count == 2 and _are_halves(changes, index)))
            rows.append((start, min(length, close - start), meter.time_signature, alone))
    signatures = _real_meters(rows)
    pick_up = len(rows) > 1 and rows[0][1] < signatures[0].bar_quarters
    return tuple(
        Bar(index if pick_up else index + 1, start, length, signature)
        for index, ((start, length, _, _), signature) in enumerate(zip(rows, signatures, strict=True))
    )


def _are_halves(changes: Sequence[StatedMeter], index: int) -> bool:
    """Whether two bars of a meter are the halves of one bar of the meter on either side."""
    if not 0 < index < len(changes) - 1:
        return False
    before, meter, after = (change.time_signature for change in changes[index - 1 : index + 2])
    return before == after and before.bar_quarters == 2 * meter.bar_quarters


def _real_meters(rows: Sequence[tuple[Fraction, Fraction, TimeSignature, bool]]) -> list[TimeSignature]:
    """The meter each bar is in, where the file gives a broken bar's real length as its meter."""
    meters = [meter for _, _, meter, _ in rows]
    index = 0
    while index < len(rows):
        if not rows[index][3]:
            index += 1
            continue
        stop = index
        while stop < len(rows) and rows[stop][3] and stop - index < 2:
            stop += 1
        before = meters[index - 1] if index else None
        after = rows[stop][2] if stop < len(rows) else None
        for number in range(index, stop):
            meters[number] = _broken(rows, number, stop - index, before, after) or meters[number]
        index = stop
    return meters


def _broken(
    rows: Sequence[tuple[Fraction, Fraction, TimeSignature, bool]],
    number: int,
    run: int,
    before: TimeSignature | None,
    after: TimeSignature | None,
) -> TimeSignature | None:
    """The meter of which a bar with a signature of its own is a part; None: the signature is meant."""
    length = rows[number][1]

    def fits(meter: TimeSignature | None) -> bool:
        return meter is not None and length < meter.bar_quarters

    if number == 0:
        return after if fits(after) else None
    opening = rows[0][1]
    if after is None:  # the last bar, as long as the pick-up leaves it
        fills = before is not None and opening + length == before.bar_quarters
        return before if fills else None
    if before == after:
        halves = run == 2 and before is not None
        pair = sum(rows[n][1] for n in range(number, min(number + 2, len(rows))))
        other = sum(rows[n][1] for n in range(max(number - 1, 0), number + 1))
        return before if halves and before is not None and before.bar_quarters in (pair, other) else None
    own = rows[number][2].denominator
    choices = [meter for meter in (before, after) if fits(meter) and meter is not None]
    same = [meter for meter in choices if meter.denominator == own] or choices
    if len(same) == 2:
        short = after is not None and length * 2 <= after.bar_quarters
        return same[1] if short else same[0]
    return same[0] if same else None


def _counted_meters(score: ScoreMap, grid: BeatGrid) -> tuple[StatedMeter, ...]:
    """The meter that tracked beats count, with its bar lines on halves of the file's quarters."""
    beats = score.quarters_at(grid.times)
    beat = Fraction(float(np.median(np.diff(beats)))).limit_denominator(4)
    signature = _signature(beat * grid.time_signature.beats_per_bar, grid.time_signature)
    if signature is None:
        return ()
    votes = _downbeat_votes(score, grid, signature.bar_quarters)
    return _with_opening(max(votes, key=lambda place: votes[place], default=Fraction(0)), signature)


def _signature(length: Fraction, counted: TimeSignature) -> TimeSignature | None:
    """A signature for bars of so many quarters, with the kind of beats that were counted."""
    if length == counted.bar_quarters:
        return counted
    if counted.compound and (length * 2) % 3 == 0:
        return TimeSignature(int(length * 2), 8)
    if length.denominator == 1 and 1 < length <= 12:
        return TimeSignature(int(length), 4)
    if (length * 2).denominator == 1 and 2 < length * 2 <= 15:
        return TimeSignature(int(length * 2), 8)
    return None


def _score_time(bars: Sequence[Bar], score: ScoreMap) -> ScoreTime:
    """When each beat of the bars is played."""
    places: list[Fraction] = []
    for bar in bars:
        beat = bar.time_signature.beat_quarters
        late = (
            max(bar.time_signature.bar_quarters - bar.length, Fraction(0)) if bar.number == 0 else Fraction(0)
        )
        at = bar.start - late % beat if bar.number == 0 else bar.start
        while at < bar.end:
            if at >= 0:
                places.append(at)
            at += beat
    if not places or places[0] > 0:
        places.insert(0, Fraction(0))
    places.append(bars[-1].end)
    times = score.seconds_at([float(place) for place in places])
    return ScoreTime(tuple(bars), tuple(float(time) for time in times), tuple(places))


# Keys and parts ---------------------------------------------------------------------------------


def stated_keys(
    score: ScoreMap | None, notes: Sequence[ScoreNote], bars: Sequence[Bar]
) -> tuple[tuple[Fraction, Key], ...]:
    """The keys that ``score`` states, from the nearest bar lines on; those found where it states none."""
    if score is None or not score.keys:
        return find_keys(notes, bars)
    lines = [bar.start for bar in bars]
    heard = find_keys(notes, bars)
    keys: dict[Fraction, Key] = {}
    for number, stated in enumerate(score.keys):
        until = score.keys[number + 1].start if number + 1 < len(score.keys) else bars[-1].end
        inside = [key for start, key in heard if start < until and key.fifths == stated.fifths]
        # Files mostly say major whatever the mode: the notes tell which of the two keys it is.
        mode = inside[-1].mode if inside else "minor" if stated.minor else "major"
        tonic = fifths_name(stated.fifths + (3 if mode == "minor" else 0))
        keys[min(lines, key=lambda line: abs(line - stated.start))] = Key(tonic, mode)
    first = keys.pop(lines[0], None) or next(iter(keys.values()))
    return ((lines[0], first), *sorted(keys.items(), key=lambda item: item[0]))


def stated_order(tracks: Sequence[Track]) -> list[str]:
    """The parts in the order of the file."""
    return list(dict.fromkeys(track.stem for track in tracks))


def program_of(stem: str, tracks: Sequence[Track]) -> int | None:
    """The program that plays a part, where the file says so."""
    return next((t.program for t in tracks if t.stem == stem and t.program is not None), None)


def stated_voices(notes: Sequence[ScoreNote], tracks: Sequence[Track]) -> tuple[ScoreNote, ...]:
    """The notes of one part on its staves and in voices, all values as they are.

    The staves of a keyboard are its tracks where it has two, else what its hands would take.
    """
    own = {note.heard.track for note in notes}
    staves = {number: track.staff for number, track in enumerate(tracks) if number in own}
    stems = {tracks[number].stem for number in staves}
    if any(tracks[number].staves == 2 for number in staves):
        placed = [replace(note, staff=staves[note.heard.track]) for note in notes]
    elif not is_single_line([note.heard for note in notes if note.duration > 0]) and (
        "piano" in stems or ("guitar" not in stems and needs_two_staves(notes))
    ):
        placed = list(_by_hands(notes))
    else:
        placed = list(notes)
    written = [
        note for staff in (1, 2) for note in part_exactly([note for note in placed if note.staff == staff])
    ]
    return tuple(
        sorted(written, key=lambda note: (note.onset, note.duration > 0, note.pitch, note.heard.onset))
    )


def _by_hands(notes: Sequence[ScoreNote]) -> Iterator[ScoreNote]:
    """The notes of a keyboard in one track on the staves of the hands, nothing else changed."""
    staves: dict[Note, list[int]] = {}
    for note in assign_voices(notes, staves=2):
        staves.setdefault(note.heard, []).append(note.staff)
    for note in notes:
        yield replace(note, staff=staves[note.heard].pop())


# Rhythm -----------------------------------------------------------------------------------------


def stated_rhythm(notes: Sequence[Note], score: ScoreMap, end: Fraction) -> tuple[ScoreNote, ...]:
    """The notes of one part where their ticks put them, up to ``end``; each of ``notes`` in exactly one."""
    order = sorted(notes, key=lambda note: (note.onset, note.pitch))
    clock = float(score.tick)
    starts = np.rint(score.quarters_at([note.onset for note in order]) / clock).astype(int).tolist()
    ends = np.rint(score.quarters_at([note.offset for note in order]) / clock).astype(int).tolist()
    by_track: dict[int, list[tuple[int, int, Note]]] = {}
    for start, stop, note in zip(starts, ends, order, strict=True):
        by_track.setdefault(note.track, []).append((start, stop, note))
    written = [note for rows in by_track.values() for note in _track_rhythm(rows, score.tick, end)]
    return tuple(
        sorted(written, key=lambda note: (note.onset, note.duration > 0, note.pitch, note.heard.onset))
    )


def _track_rhythm(rows: Sequence[tuple[int, int, Note]], tick: Fraction, end: Fraction) -> list[ScoreNote]:
    """The notes of one track, given with their ticks; grace notes and arpeggios are taken back."""
    per_quarter = round(1 / tick)
    limit = round(ORNAMENT_QUARTERS / tick)
    last = end - Fraction(1, FALLBACK_PART)
    written: list[ScoreNote] = []
    group: list[int] = []  # what started last at a plain place, and what was led on from there
    origin = 0
    for start, stop, note in rows:
        place = plain_start(start, per_quarter)
        marks: frozenset[str] = frozenset()
        if place is None and group and start - origin < limit:
            place = written[group[-1]].onset
            before = [i for i in group if abs(rows[i][1] - start) <= EARLY_END_TICKS + 1]
            if before:  # what ends here was its grace note
                for i in before:
                    written[i] = replace(written[i], duration=Fraction(0), marks=frozenset())
                group = [i for i in group if i not in before]
            else:
                marks = frozenset({"arpeggio"})
                for i in group:
                    written[i] = replace(written[i], marks=marks)
        else:
            if place is None:
                place = Fraction(round(start * tick * FALLBACK_PART), FALLBACK_PART)
            if start != origin:
                group, origin = [], start
        place = min(place, last)
        close = min(plain_end(stop, per_quarter), end)
        length = close - place if stop - start > 1 else Fraction(0)
        group.append(len(written))
        written.append(ScoreNote(place, max(length, Fraction(0)), note, marks=marks))
    return _with_mains(written, end)


def _with_mains(written: Sequence[ScoreNote], end: Fraction) -> list[ScoreNote]:
    """The same notes, those of no length as grace notes of a place where a note starts, or with a length."""
    mains = {note.onset for note in written if note.duration > 0}
    return [
        note
        if note.duration > 0 or note.onset in mains
        else replace(note, duration=min(SHORTEST_QUARTERS, end - note.onset))
        for note in written
    ]


def plain_start(tick: int, per_quarter: int) -> Fraction | None:
    """The plain place in quarters that a note's first tick means; None where it means none."""
    quarter, phase = divmod(tick, per_quarter)
    part = _phases(per_quarter).get(phase)
    return None if part is None else quarter + part


def plain_end(tick: int, per_quarter: int) -> Fraction:
    """The plain place in quarters that a note's end means: perhaps a tick later, or the nearest 24th part."""
    places = [plain_start(tick + later, per_quarter) for later in (0, 1)]
    found = [place for place in places if place is not None]
    if found:
        return min(found, key=lambda place: place.denominator)
    return Fraction(round(Fraction(tick, per_quarter) * FALLBACK_PART), FALLBACK_PART)


@lru_cache(maxsize=8)
def _phases(per_quarter: int) -> dict[int, Fraction]:
    """The plainest part of a quarter for each of its ticks that has one."""
    found: dict[int, Fraction] = {}
    for parts in PARTS:
        for number in range(parts + 1):
            exact = Fraction(number * per_quarter, parts)
            for tick in {math.floor(exact), math.ceil(exact)}:
                if abs(tick - exact) <= ROUNDING_TICKS:
                    found.setdefault(tick, Fraction(number, parts))
    return found
