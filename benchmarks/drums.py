"""How well drum strokes are found and told apart.

    python -m benchmarks.drums [--data FOLDER] [--each]

mir_eval's onset F (within 50 ms) for kick, snare and hi-hat, and for these three pooled ("all"). On MDB
Reggae (MDB Drums): the drum stem, the full mix, and the drum stems of the separators that need no
download. As that is a single recording, also on rhythms rendered with seven drum kits of the
General MIDI soundfont inside ``pretty_midi``, dry and with guitar, bass and electric piano, with
human timing and loudness. ``--each`` prints every rendering.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
import pretty_midi
import tinysoundfont

from fullscore.errors import FullscoreError
from pipeline.plan import load_engine
from separation.audio import Audio, decode
from transcription.engines.drums import Drums

RATE = 44100
WITHIN_S = 0.05
CLASSES = ("kick", "snare", "hi-hat")
KEYS = {
    35: "kick",
    36: "kick",
    37: "snare",
    38: "snare",
    40: "snare",
    42: "hi-hat",
    44: "hi-hat",
    46: "hi-hat",
}
MDB_CLASSES = {"KD": "kick", "SD": "snare", "HH": "hi-hat"}

KITS = {0: "standard", 8: "room", 16: "power", 24: "electronic", 25: "808", 32: "jazz", 40: "brush"}
# Tempo, and per percussion key one bar in sixteenths (in twelfths for the swing): x loud, o soft.
RHYTHMS: dict[str, tuple[float, dict[int, str]]] = {
    "rock": (120, {36: "x.......x.x.....", 38: "....x.......x...", 42: "x.x.x.x.x.x.x.x."}),
    "disco": (
        124,
        {36: "x...x...x...x...", 38: "....x.......x...", 46: "..x...x...x...x.", 42: "x...x...x...x..."},
    ),
    "hip-hop": (90, {36: "x..x..x...x.....", 38: "....x..o.o..x..o", 42: "x.xxx.x.x.xxx.xx"}),
    "bossa nova": (130, {36: "x..xx..xx..xx..x", 37: "x..x..x...x..x..", 42: "xxxxxxxxxxxxxxxx"}),
    "one drop": (76, {36: "........x.......", 38: "........x.......", 42: "x.x.x.x.x.x.x.xx"}),
    "swing": (140, {36: "x.....o.....", 51: "x..x.xx..x.x", 44: "...x.....x..", 38: ".....o......"}),
    "punk": (
        180,
        {36: "x.x...x.x.x...x.", 38: "....x.......x...", 49: "x...............", 42: "..x.x.x.x.x.x.x."},
    ),
    "half time": (140, {36: "x.........x.....", 38: "........x.......", 42: "x...x...x...x..."}),
    "fill": (
        110,
        {
            36: "x.......x.......",
            38: "....x...xx......",
            50: "..........xx....",
            47: "............xx..",
            45: "..............xx",
            42: "x.x.x.x.........",
        },
    ),
}
BARS = 3
START_S = 0.3
BAND_ROOTS = (45, 41, 48)  # one chord per bar
Stroke = tuple[float, str]
Event = tuple[float, int, int, int]  # time, channel, key, velocity (0: off)


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound with its strokes as (time, class)."""

    group: str
    name: str
    audio: Audio
    strokes: tuple[Stroke, ...]


def mdb_reggae(data: Path) -> Iterator[Recording]:
    folder = data / "CarlSouthall_MDBDrums/MDB Drums"
    lines = (folder / "annotations/class/MusicDelta_Reggae_class.txt").read_text().splitlines()
    words = [line.split() for line in lines if line.strip()]
    strokes = tuple((float(time), MDB_CLASSES[kind]) for time, kind in words if kind in MDB_CLASSES)
    stems = folder / "audio/multi-tracks/MusicDelta_Reggae/MusicDelta_Reggae_STEMS"
    mix = decode(folder / "audio/full_mix/MusicDelta_Reggae_MIX.flac")
    yield Recording("MDB Reggae, drum stem", "", decode(stems / "MusicDelta_Reggae_STEM_01.flac"), strokes)
    yield Recording("MDB Reggae, mix", "", mix, strokes)
    for separator in ("spectral", "spleeter"):
        try:
            drums = load_engine(separator)(mix)["drums"]
        except FullscoreError as problem:
            print(f"no separation by {separator}: {problem}")
        else:
            yield Recording(f"MDB Reggae, {separator} drums", "", drums, strokes)


def rhythm_events(
    tempo: float, bar: dict[int, str], rng: np.random.Generator
) -> list[tuple[float, int, int]]:
    """Time, key and velocity of every stroke: 4 ms of jitter, off-beat cymbals softer."""
    steps = len(next(iter(bar.values())))
    step_s = 60.0 / tempo / (steps // 4)
    events = []
    for number in range(BARS):
        for key, pattern in bar.items():
            for step, sign in enumerate(pattern):
                if sign == ".":
                    continue
                time = START_S + (number * steps + step) * step_s + rng.normal(0, 0.004)
                accent = 18 if key in (42, 44, 46, 51) and step % 4 else 0
                velocity = (110 if sign == "x" else 60) - accent + rng.normal(0, 8)
                events.append((time, key, int(np.clip(velocity, 20, 127))))
    return sorted(events)


def band_events(tempo: float) -> list[Event]:
    """A bass in eighths, a guitar off the beat and a held electric piano, one chord a bar."""
    bar_s = 4 * 60.0 / tempo
    events: list[Event] = []

    def play(time: float, length: float, channel: int, key: int, velocity: int) -> None:
        events.extend([(time, channel, key, velocity), (time + length, channel, key, 0)])

    for number in range(BARS):
        root, start = BAND_ROOTS[number % len(BAND_ROOTS)], START_S + number * bar_s
        for eighth in range(8):
            play(start + eighth * bar_s / 8, bar_s / 9, 1, root - 12, 100)
            if eighth % 2:
                for interval in (0, 7, 12, 16):
                    play(start + eighth * bar_s / 8, bar_s / 10, 0, root + 12 + interval, 85)
        for interval in (0, 4, 7):
            play(start, 0.95 * bar_s, 2, root + 12 + interval, 70)
    return events


def rendered() -> Iterator[Recording]:
    for seed, (rhythm, (tempo, bar)) in enumerate(RHYTHMS.items()):
        strokes = rhythm_events(tempo, bar, np.random.default_rng(seed))
        truth = tuple((time, KEYS[key]) for time, key, _ in strokes if key in KEYS)
        drums = [event for time, key, velocity in strokes for event in stroke_events(time, key, velocity)]
        for kit, kit_name in KITS.items():
            for group, events in (
                ("rendered drums", drums),
                ("rendered, with band", drums + band_events(tempo)),
            ):
                yield Recording(group, f"{rhythm}, {kit_name}", render(events, kit), truth)


def stroke_events(time: float, key: int, velocity: int) -> tuple[Event, Event]:
    return (time, 9, key, velocity), (time + 0.12, 9, key, 0)


def render(events: list[Event], kit: int) -> Audio:
    synth = tinysoundfont.Synth(samplerate=RATE)
    font = synth.sfload(str(Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"))
    for channel, program in enumerate((25, 33, 4)):
        synth.program_select(channel, font, 0, program)
    synth.program_select(9, font, 128, kit, True)
    pieces, position = [], 0
    end = (max(event[0] for event in events) + 1.0, 9, 0, 0)
    for time, channel, key, velocity in [*sorted(events), end]:
        count = round(time * RATE) - position
        if count > 0:
            pieces.append(np.frombuffer(bytes(synth.generate(count)), np.float32).reshape(-1, 2))
            position += count
        if velocity:
            synth.noteon(channel, key, velocity)
        else:
            synth.noteoff(channel, key)
    samples = np.concatenate(pieces).T
    return Audio(np.ascontiguousarray(0.7 * samples / np.abs(samples).max()), RATE)


def counts(recording: Recording, heard: Iterable[Stroke]) -> Counter[tuple[str, str]]:
    """Matched, expected and heard strokes per class."""
    heard = list(heard)
    result: Counter[tuple[str, str]] = Counter()
    for kind in CLASSES:
        expected = np.array(sorted(time for time, name in recording.strokes if name == kind))
        found = np.array(sorted(time for time, name in heard if name == kind))
        both = len(expected) and len(found)
        result[kind, "matched"] = len(mir_eval.util.match_events(expected, found, WITHIN_S)) if both else 0
        result[kind, "expected"], result[kind, "heard"] = len(expected), len(found)
    return result


def row(name: str, total: Counter[tuple[str, str]]) -> str:
    def f(kinds: Iterable[str]) -> float:
        kinds = list(kinds)
        matched = sum(total[kind, "matched"] for kind in kinds)
        return 2 * matched / max(sum(total[kind, "expected"] + total[kind, "heard"] for kind in kinds), 1)

    return f"{name:44}" + "".join(f"{f([kind]):8.3f}" for kind in CLASSES) + f"{f(CLASSES):8.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--each", action="store_true", help="print every rendering")
    arguments = parser.parse_args()
    engine = Drums()
    totals: dict[str, Counter[tuple[str, str]]] = {}
    print(f"{'':44}" + "".join(f"{kind:>8}" for kind in (*CLASSES, "all")))
    for recording in (*mdb_reggae(arguments.data), *rendered()):
        heard = [(note.onset, KEYS[note.pitch]) for note in engine(recording.audio) if note.pitch in KEYS]
        count = counts(recording, heard)
        totals.setdefault(recording.group, Counter()).update(count)
        if arguments.each and recording.name:
            print(row(f"{recording.group}: {recording.name}", count))
    for group, total in totals.items():
        print(row(group, total))


if __name__ == "__main__":
    main()
