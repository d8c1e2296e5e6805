"""Whether a score played by a machine comes back as that score.

    python -m benchmarks.roundtrip [--data FOLDER] [--lieder GIT] [--sample N] [--seed N] [--cache FOLDER]
                                   [--only TEXT...] [--ways music21 musescore3 bare human] [--worst N]

Task: scores are exported as MIDI, ``fullscore notate`` makes scores of the files, and each note is looked
for where it was. Scores: the Lieder and lead sheets of the evaluation data, and a random sample of
Lieder from a git mirror of OpenScore/Lieder (``--lieder``). The networks are trained on that collection, so
its figures flatter what they decide: keys and beats that no file states, and names of notes.

Ways of playing:
- music21, musescore3: MIDI as both programs export it (tempo, meter, key, tracks), repeats and chord
  symbols taken out before;
- bare: MuseScore's file with all its notes in one track and nothing else in it, at 120 quarters a minute;
- human: the score performed with human timing (:mod:`training.perform`), one track, nothing else.

Right are, of each written note (ties joined): its place (bar, position and pitch), spelling, value, part,
staff, and the order of the voices that sound together on a staff; ``all`` means everything at once. In the
last two ways the parts are unknown, so ``all`` there is place, spelling and value. ``voice`` is stricter and
not in ``all``: the same voice counted from the top of the staff in each bar, so that two voices of equal
values must be two although nobody can hear that they are not a chord. Notes of one part that
strike one key at once count as one, the longest: MIDI can't hold more. ``extra`` are written notes that
the score does not have. A bar is right with its number, length and meter; its key separately.
A score whose file doesn't have its notes at their places is left out and named. ``--worst`` lists the
commonest kinds of wrong notes of each piece.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import tempfile
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import mido
import numpy as np

from notation.musicxml_reader import parse_musicxml
from pipeline.benchmark.peers import PEERS
from training.corpus import GRACE, NOTE_FIELDS, ScorePiece, read_bytes
from training.perform import perform

WAYS = ("music21", "musescore3", "bare", "human")
ONE_TRACK = ("bare", "human")
EXPORTED = 0.9  # a file with fewer of the notes where they are written is no export of the score
TICKS_A_SECOND = 960
SAME_TICKS = 84  # 1/120 quarter: rare tuplets are rounded in files
NOTE_MEASURES = ("all", "place", "spelling", "value", "part", "staff", "order", "voice")
MEASURES = (*NOTE_MEASURES, "extra", "bars", "meter", "key")
REPEATS = re.compile(r"d\. ?[cs]\.|da capo|dal segno|\bfine\b|\bcoda\b|al segno", re.IGNORECASE)
JUMPS = ("dacapo", "segno", "dalsegno", "coda", "tocoda", "fine", "forward-repeat")


@dataclass(frozen=True, slots=True)
class Source:
    """A score to play: its name and its MusicXML, repeats and chord symbols taken out."""

    name: str
    xml: bytes


def main() -> None:
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--lieder", type=Path, help="git directory of OpenScore/Lieder")
    parser.add_argument("--sample", type=int, default=40, help="how many of those Lieder")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="where the MIDI files are kept")
    parser.add_argument("--keep", type=Path, help="where our scores are kept")
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the names of scores to take")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--worst", type=int, default=0, help="how many kinds of wrong notes to list")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    groups = {"evaluation data": list(data_scores(arguments.data))}
    if arguments.lieder:
        groups["sample of Lieder"] = list(sampled(arguments.lieder, arguments.sample, arguments.seed))
    with tempfile.TemporaryDirectory() as scratch:
        for way in arguments.ways:
            for title, sources in groups.items():
                chosen = [s for s in sources if any(text in s.name for text in arguments.only)]
                _report(way, title, chosen, arguments, Path(scratch))


def _report(
    way: str, title: str, sources: Sequence[Source], arguments: argparse.Namespace, scratch: Path
) -> None:
    print(f"\n{way}: {title}\n{'':44}{'notes':>7}" + "".join(f"{name:>9}" for name in MEASURES))
    rows, counts = [], []
    for source in sources:
        midi = Path((arguments.cache or scratch) / f"{source.name}.{way}.mid")
        made = Path((arguments.keep or scratch) / f"{source.name}.{way}.musicxml")
        for file in (midi, made):
            file.parent.mkdir(parents=True, exist_ok=True)
        try:
            true = read_bytes(source.xml, source.name, source.name)
            if not midi.exists():
                play(source, way, midi)
            held = exported(true, midi) if way != "human" else 1.0
            if held < EXPORTED:
                print(f"{source.name[:43]:44} left out: {1 - held:.0%} of its notes are exported elsewhere")
                continue
            from pipeline.notate import notate_file

            notate_file(midi, made)
            found = read_bytes(made.read_bytes(), source.name, str(made))
        except Exception as error:  # one score that can't be played or read must not stop the rest
            print(f"{source.name[:43]:44} failed: {type(error).__name__}: {error}"[:140])
            continue
        row, wrong = compare(true, found, way in ONE_TRACK)
        rows.append(row)
        counts.append(row.pop("notes"))
        print(f"{source.name[:43]:44}{counts[-1]:7}" + "".join(f"{row[m]:9.3f}" for m in MEASURES))
        for text, count in wrong.most_common(arguments.worst):
            print(f"      {count:5} {text}")
    if rows:
        means = [np.average([row[m] for row in rows], weights=counts) for m in MEASURES]
        print(f"{f'all notes of {len(rows)} scores':44}{sum(counts):7}" + "".join(f"{m:9.3f}" for m in means))


# Scores -----------------------------------------------------------------------------------------


def data_scores(data: Path) -> Iterator[Source]:
    """The Lieder and the lead sheets of the evaluation data."""
    for folder in ("OpenScore_Lieder", "00sapo_OpenEWLD"):
        for file in sorted((data / folder).rglob("*.mxl")):
            name = file.parent.name if folder.startswith("Open") else file.stem
            yield Source(name, plain(file.read_bytes()))


def sampled(git: Path, count: int, seed: int) -> Iterator[Source]:
    """``count`` Lieder of the mirror, none of the evaluation data."""
    command = ["git", f"--git-dir={git}"]
    listing = subprocess.run([*command, "ls-tree", "-r", "-z", "HEAD"], capture_output=True, check=True)
    rows = [row.split("\t", 1) for row in listing.stdout.decode().split("\0") if row.endswith(".mxl")]
    left_out = re.compile("lc30321236|lc6425381|lc6445119")
    blobs = {path: about.split()[2] for about, path in rows if not left_out.search(path)}
    for path in sorted(random.Random(seed).sample(sorted(blobs), count)):
        data = subprocess.run([*command, "cat-file", "blob", blobs[path]], capture_output=True, check=True)
        yield Source(f"{Path(path).stem}_{Path(path).parent.name}"[:60].replace(" ", "_"), plain(data.stdout))


def plain(data: bytes) -> bytes:
    """The MusicXML without what is not played as written: repeats, jumps, chord symbols, hidden notes."""
    root = parse_musicxml(data)
    for parent in root.iter():
        for child in list(parent):
            words = " ".join(element.text or "" for element in child.iter("words"))
            jumps = child.tag == "direction" and (
                child.find(".//segno") is not None
                or child.find(".//coda") is not None
                or REPEATS.search(words)
            )
            if child.tag in ("harmony", "repeat", "ending") or jumps:
                parent.remove(child)
            elif child.tag == "note" and (child.get("print-object") == "no" or child.find("cue") is not None):
                _silence(parent, child)
        for name in JUMPS:
            parent.attrib.pop(name, None)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _silence(measure: ElementTree.Element, note: ElementTree.Element) -> None:
    """A rest in the place of a note that isn't to be read."""
    pitch = note.find("pitch")
    if pitch is None:
        return
    if note.find("chord") is not None or note.find("grace") is not None:
        measure.remove(note)
        return
    rest = ElementTree.Element("rest")
    note.insert(list(note).index(pitch), rest)
    for tag in ("pitch", "tie", "notations", "lyric", "cue", "stem", "beam", "accidental"):
        for child in note.findall(tag):
            note.remove(child)


# Playing ----------------------------------------------------------------------------------------


def play(source: Source, way: str, midi: Path) -> None:
    """Write the score as MIDI, appearing whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        score, made = Path(folder) / "score.musicxml", Path(folder) / "made.mid"
        score.write_bytes(source.xml)
        if way == "music21":
            export_by_music21(score, made)
        elif way == "human":
            perform_score(source, made)
        else:
            PEERS["musescore3"].run(score, made)
        if way == "bare":
            strip(made)
        shutil.copyfile(made, midi)


def export_by_music21(score: Path, midi: Path) -> None:
    import music21

    music21.converter.parse(score, forceSource=True).write("midi", midi)


def strip(path: Path) -> None:
    """All notes of a file in one track, and nothing else."""
    midi = mido.MidiFile(path)
    events = []
    for track in midi.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type in ("note_on", "note_off"):
                events.append((now, message.type == "note_on" and message.velocity > 0, message))
    bare = mido.MidiFile(type=0, ticks_per_beat=midi.ticks_per_beat)
    bare.tracks.append(mido.MidiTrack())
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        bare.tracks[0].append(message.copy(time=tick - now, channel=0))
        now = tick
    bare.save(path)


def perform_score(source: Source, midi: Path) -> None:
    """The score as one person might play it, every time the same: one track, nothing but notes."""
    piece = read_bytes(source.xml, source.name, source.name)
    played = perform(piece, np.random.default_rng(zlib.crc32(source.name.encode())))
    start = min(0.0, float(played.onset.min()))
    events = []
    for onset, offset, pitch, velocity in zip(
        played.onset - start, played.offset - start, played.pitch, played.velocity, strict=True
    ):
        ticks = (
            round(onset * TICKS_A_SECOND),
            max(round(offset * TICKS_A_SECOND), round(onset * TICKS_A_SECOND) + 1),
        )
        on = mido.Message("note_on", note=int(pitch), velocity=int(np.clip(velocity, 1, 127)))
        events += [(ticks[0], 1, on), (ticks[1], 0, mido.Message("note_off", note=int(pitch)))]
    file = mido.MidiFile(type=0, ticks_per_beat=TICKS_A_SECOND // 2)  # at MIDI's own 120 quarters a minute
    file.tracks.append(mido.MidiTrack())
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        file.tracks[0].append(message.copy(time=tick - now))
        now = tick
    file.save(midi)


def exported(true: ScorePiece, midi: Path) -> float:
    """The share of the score's notes that the file has where they are written."""
    file = mido.MidiFile(midi)
    there = set()
    step = SAME_TICKS * file.ticks_per_beat / 10080
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity > 0:
                there.add((round(now / step), message.note))
    mains = np.flatnonzero(true.flags & GRACE == 0)
    steps = np.rint(true.onset[mains] / SAME_TICKS).astype(int).tolist()
    pitches = true.pitch[mains].tolist()
    found = [
        any((place + late, pitch) in there for late in (-1, 0, 1))
        for place, pitch in zip(steps, pitches, strict=True)
    ]
    return float(np.mean(found))


# Comparing --------------------------------------------------------------------------------------


def compare(true: ScorePiece, found: ScorePiece, one_part: bool) -> tuple[dict[str, float], Counter[str]]:
    """The shares that are right, and what is wrong how often."""
    true, found = _without_unisons(true), _without_unisons(found)
    partner = _matched(true, found)
    right: Counter[str] = Counter(place=len(partner))
    wrong: Counter[str] = Counter()
    reversed_voices = _reversed_voices(true, found, partner)
    true_bars, _ = _places(true)
    for index in range(len(true.onset)):
        if index not in partner:
            kind = "grace" if true.flags[index] & GRACE else "note"
            wrong[f"{kind} not there (bar {true_bars[index] + 1})"] += 1
            continue
        other = partner[index]
        checks = {name: _same(true, index, found, other, name) for name in FIELDS}
        checks["order"] = index not in reversed_voices
        right.update(name for name, ok in checks.items() if ok)
        counted = ("spelling", "value") if one_part else ("spelling", "value", "part", "staff", "order")
        right["all"] += all(checks[name] for name in counted)
        false = " ".join(name for name in counted if not checks[name])
        if false:
            wrong[f"wrong {false} (bar {true_bars[index] + 1}, pitch {true.pitch[index]})"] += 1
    count = len(true.onset)
    row = {name: right[name] / count for name in NOTE_MEASURES}
    row |= {"extra": (len(found.onset) - len(partner)) / count, "notes": count}
    return {**row, **_bar_shares(true, found)}, wrong


FIELDS = {"spelling": "fifths", "value": "duration", "part": "part", "staff": "staff", "voice": "voice"}


def _same(true: ScorePiece, index: int, found: ScorePiece, other: int, name: str) -> bool:
    a, b = (int(getattr(piece, FIELDS[name])[i]) for piece, i in ((true, index), (found, other)))
    return abs(a - b) <= (SAME_TICKS if name == "value" else 0)


def _matched(true: ScorePiece, found: ScorePiece) -> dict[int, int]:
    """For each true note that is there its note in ``found``: bar, place and pitch the same."""
    ours: dict[tuple[int, ...], list[int]] = {}
    bars, places = _places(found)
    for index in range(len(found.onset)):
        ours.setdefault((bars[index], places[index], int(found.pitch[index])), []).append(index)
    partner = {}
    true_bars, true_places = _places(true)
    for index in range(len(true.onset)):
        bar, place, pitch = true_bars[index], true_places[index], int(true.pitch[index])
        keys = ((bar, near, pitch) for near in (place, place - 1, place + 1))
        candidates = next((ours[key] for key in keys if ours.get(key)), [])
        if candidates:
            best = max(candidates, key=lambda o: sum(_same(true, index, found, o, name) for name in FIELDS))
            candidates.remove(best)
            partner[index] = best
    return partner


def _reversed_voices(true: ScorePiece, found: ScorePiece, partner: dict[int, int]) -> set[int]:
    """True notes whose voice is above another's that sounds with them on their staff, or below, and ours not.

    Two voices written as one chord are in order: where their values are equal nobody can hear them apart.
    """
    staves: dict[tuple[int, int], list[int]] = {}
    for index in partner:
        staves.setdefault((int(true.part[index]), int(true.staff[index])), []).append(index)
    found_wrong: set[int] = set()
    for members in staves.values():
        sounding: list[int] = []
        for index in sorted(members, key=lambda i: int(true.onset[i])):
            now = true.onset[index]
            sounding = [i for i in sounding if true.onset[i] + true.duration[i] > now]
            for other in sounding:
                theirs = int(np.sign(true.voice[index] - true.voice[other]))
                a, b = partner[index], partner[other]
                together = found.part[a] == found.part[b] and found.staff[a] == found.staff[b]
                if together and theirs * int(found.voice[a] - found.voice[b]) < 0:
                    found_wrong |= {index, other}
            sounding.append(index)
    return found_wrong


def _places(piece: ScorePiece) -> tuple[list[int], list[int]]:
    """For each note its bar (0: the first full one, -1: the pick-up) and its place in it from the bar line.

    Places are in steps of ``SAME_TICKS``, in the pick-up bar back from its end. A bar that a repeat or a
    section breaks in two is one bar, whether the pieces are written or not.
    """
    pick_up = _has_pick_up(piece)
    nominal = 4 * 10080 * piece.bar_numerator // piece.bar_denominator
    begins = np.ones(len(piece.bar_start), bool)
    for second in range(1 + pick_up, len(begins)):
        both = piece.bar_length[second - 1] + piece.bar_length[second]
        short = piece.bar_length[second - 1] < nominal[second - 1]
        begins[second] = not (short and begins[second - 1] and both == nominal[second - 1])
    starts = piece.bar_start[begins]
    bar = np.searchsorted(starts, piece.onset, side="right") - 1
    place = piece.onset - starts[bar]
    place = np.where((bar == 0) & pick_up, place - piece.bar_length[0], place)
    return (bar - pick_up).tolist(), np.rint(place / SAME_TICKS).astype(int).tolist()


def _without_unisons(piece: ScorePiece) -> ScorePiece:
    """The piece with one note, the longest, for those that strike one key of one part at once."""
    chosen: dict[tuple[int, ...], int] = {}
    for index in range(len(piece.onset)):
        grace = int(piece.flags[index]) & GRACE
        key = (int(piece.onset[index]), int(piece.pitch[index]), int(piece.part[index]), grace)
        best = chosen.setdefault(key, index)
        if piece.duration[index] > piece.duration[best]:
            chosen[key] = index
    keep = sorted(chosen.values())
    return replace(piece, **{name: getattr(piece, name)[keep] for name in NOTE_FIELDS})


def _has_pick_up(piece: ScorePiece) -> int:
    nominal = 4 * 10080 * piece.bar_numerator[0] // piece.bar_denominator[0]
    return int(len(piece.bar_start) > 1 and piece.bar_length[0] < nominal)


def _bar_shares(true: ScorePiece, found: ScorePiece) -> dict[str, float]:
    """Shares of the true bars that are right: number, length and meter; meter; key."""

    def table(piece: ScorePiece) -> dict[int, tuple[int, int, int, int]]:
        columns = (piece.bar_length, piece.bar_numerator, piece.bar_denominator, piece.bar_key)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return dict(enumerate(rows, start=-_has_pick_up(piece)))

    ours, theirs = table(found), table(true)
    none = (0, 0, 0, 99)
    pairs = [(row, ours.get(number, none)) for number, row in theirs.items()]
    return {
        "bars": float(np.mean([a[:3] == b[:3] for a, b in pairs])),
        "meter": float(np.mean([a[1:3] == b[1:3] for a, b in pairs])),
        "key": float(np.mean([a[3] == b[3] for a, b in pairs])),
    }


if __name__ == "__main__":
    main()
