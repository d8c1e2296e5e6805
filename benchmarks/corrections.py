"""How long after a correction is the new score there?

A song is transcribed (or its run of before is taken), one correction is made to warm the process up, then
each kind of correction is made and undone. Seconds are those between the call and the last file in its place;
those of the processor tell how much of that is this process's own work on a busy machine.

    python -m benchmarks.corrections [--data ../shared/data] [--song Fantasma] [--out out/corrections]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline import Settings, Transcription, transcribe
from pipeline.correct import correct, correct_words, history, undo
from pipeline.corrections import Corrections, NoteEdit, OctaveEdit, PartEdit
from pipeline.stages import VOICE
from transcription.beatgrid import TimeSignature
from transcription.notes_io import read_notes_json

SONGS = Path("f90_jamendolyrics")
OTHER_TEMPO = 1.25  # of the one found: no metrical level
ADDED_LINE = "la la la"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--song", default="Fantasma", help="a part of its file's name")
    parser.add_argument("--out", type=Path, default=Path("out/corrections"))
    given = parser.parse_args()
    folder = given.data / SONGS
    song = next(path for path in sorted((folder / "mp3").glob("*.mp3")) if given.song in path.name)
    words = folder / "lyrics" / f"{song.stem}.txt"
    run = transcribe(song, given.out, Settings(separator="spectral", lyrics=str(words), offline=True))
    notes = len(read_notes_json(run.folder / "notes.json"))
    pages = sum(name.endswith(".svg") for name in run.report["files"])
    print(f"{song.stem}: {run.report['song']['duration']:.0f} s, {notes} notes, {pages} pages\n")
    print("| correction | seconds | of the processor | undone | made anew |\n|---|---|---|---|---|")
    correct(run.folder, song, Corrections(key="C major"))
    undo(run.folder, song)
    for name, change in changes(run, song).items():
        seconds, processor, made = timed(change)
        undone, _, _ = timed(lambda: undo(run.folder, song))
        anew = ", ".join(stage for stage, cost in made.report["stages"].items() if not cost["resumed"])
        print(f"| {name} | {seconds:.2f} | {processor:.2f} | {undone:.2f} | {anew} |", flush=True)


def changes(run: Transcription, song: Path) -> dict[str, Callable[[], Transcription]]:
    """Each kind of correction of a run."""
    folder, tempo = run.folder, run.report["tempo"]
    notes = read_notes_json(folder / "notes.json")
    one = notes[len(notes) // 2]
    edit = NoteEdit(one.stem, one.onset, one.pitch, one.pitch + 1)
    meter = "3/4" if run.report["time_signature"] != "3/4" else "4/4"
    text = (folder / "lyrics.txt").read_text(encoding="utf-8")
    now = history(folder).now

    def to(**values: object) -> Callable[[], Transcription]:
        return lambda: correct(folder, song, replace(now, **values))  # type: ignore[arg-type]

    return {
        "key": to(key="A major"),
        "meter": to(time_signature=TimeSignature(*map(int, meter.split("/")))),
        "tempo doubled": to(tempo=2 * tempo),
        "tempo halved": to(tempo=tempo / 2),
        "another tempo": to(tempo=OTHER_TEMPO * tempo),
        "pick-up": to(pick_up=1.0),
        "clef": to(parts=(PartEdit(VOICE, clef="treble-8"),)),
        "octave of a part": to(notes=(OctaveEdit(VOICE, -1),)),
        "pitch of a note": to(notes=(edit,)),
        "note deleted": to(notes=(replace(edit, to=None),)),
        "line breaks": lambda: correct_words(folder, song, text.replace(" ", "\n", 1)),
        "words added": lambda: correct_words(folder, song, f"{text}\n{ADDED_LINE}\n"),
        "words aligned again": lambda: correct_words(folder, song, text, again=True),
    }


def timed(work: Callable[[], Transcription]) -> tuple[float, float, Transcription]:
    started, processor = time.perf_counter(), time.process_time()
    made = work()
    return time.perf_counter() - started, time.process_time() - processor, made


if __name__ == "__main__":
    main()
