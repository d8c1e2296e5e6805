"""What is corrected shows in every file, costs only what follows from it, and can be taken back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import mido
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from music21 import clef, converter, key, meter, stream

from fullscore.errors import FullscoreError
from lyrics.words import Line, Lyrics, Syllable, Word
from pipeline import Settings, Transcription, transcribe
from pipeline.correct import correct, correct_words, history, redo, undo
from pipeline.corrections import (
    CORRECTIONS,
    Corrections,
    History,
    NoteEdit,
    OctaveEdit,
    PartEdit,
    edited,
    in_order,
    read_history,
    write_history,
)
from tests.pipeline.test_cli import RATE, scale
from transcription.beatgrid import TimeSignature
from transcription.notes import Note
from transcription.notes_io import read_notes_json

ROOT = Path(__file__).resolve().parents[2]
SUNG = "C D E F\n\nG A"  # a word for each note of the scale


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of six tones, two a second, with words, and its recording beside it."""
    folder = tmp_path_factory.mktemp("finished")
    soundfile.write(folder / "scale.wav", scale(), RATE)
    (folder / "words.txt").write_text(SUNG)
    run(folder)
    return folder


@pytest.fixture
def at(finished: Path, tmp_path: Path) -> Path:
    """A copy of it to correct: the recording ``scale.wav`` and the run's folder ``scale``."""
    shutil.copytree(finished, tmp_path / "song")
    return tmp_path / "song"


def run(folder: Path, settings: Settings = Settings(), **more: Any) -> Transcription:
    words = str(folder / "words.txt")
    settings = replace(settings, separator="none", notes="singing", lyrics=words, chords="off", offline=True)
    return transcribe(folder / "scale.wav", folder, settings, **more)


def change(at: Path, corrections: Corrections) -> Transcription:
    return correct(at / "scale", at / "scale.wav", corrections)


def back(at: Path) -> Transcription:
    return undo(at / "scale", at / "scale.wav")


def anew(made: Transcription) -> list[str]:
    return [name for name, cost in made.report["stages"].items() if not cost["resumed"]]


def files(at: Path) -> dict[str, Any]:
    """What a user finds in the folder; of the report, all but what it says of times and memory."""
    found: dict[str, Any] = {
        path.relative_to(at / "scale").as_posix(): path.read_bytes()
        for path in (at / "scale").rglob("*")
        if path.is_file() and ".stages" not in path.parts and path.name != CORRECTIONS
    }
    report = json.loads(found["report.json"])
    del report["stages"]
    return {**found, "report.json": report}


def score(at: Path) -> stream.Score:
    read = converter.parse(at / "scale" / "score.musicxml", forceSource=True)
    assert isinstance(read, stream.Score)
    return read


def pitches(at: Path) -> list[int]:
    return [pitch.midi for pitch in score(at).stripTies().flatten().pitches]


def noted(at: Path) -> list[int]:
    return [note.pitch for note in read_notes_json(at / "scale" / "notes.json")]


def performed(at: Path) -> list[int]:
    return [m.note for m in mido.MidiFile(at / "scale" / "performance.mid") if m.type == "note_on"]


def test_a_key_changes_signature_and_spelling_and_nothing_before_the_score(at: Path) -> None:
    before = files(at)
    made = change(at, Corrections(key="C# major"))
    assert anew(made) == ["score"]
    assert made.report["key"] == "C# major"
    assert made.report["corrections"] == {"key": "C# major"}
    (signature,) = score(at).flatten().getElementsByClass(key.KeySignature)
    assert signature.sharps == 7
    assert [pitch.name for pitch in score(at).flatten().pitches][:2] == ["B#", "C##"]
    after = files(at)
    assert {name for name in before if after[name] != before[name]} >= {
        "score.musicxml",
        "score.pdf",
        "score.mid",
    }
    assert all(after[name] == before[name] for name in ("notes.json", "performance.mid", "lyrics.lrc"))


def test_undo_brings_every_file_back_and_redo_the_corrected_ones(at: Path) -> None:
    before = files(at)
    change(at, Corrections(key="E major"))
    corrected = files(at)
    back(at)
    assert files(at) == before
    redo(at / "scale", at / "scale.wav")
    assert files(at) == corrected


def test_a_deleted_note_is_gone_everywhere_and_comes_back(at: Path) -> None:
    before, heard = files(at), read_notes_json(at / "scale" / "notes.json")
    third = heard[2]
    made = change(at, Corrections(notes=(NoteEdit(third.stem, third.onset, third.pitch),)))
    assert anew(made) == ["performance", "score"]
    left = [60, 62, 65, 67, 69]
    assert (noted(at), performed(at), pitches(at)) == (left, left, left)
    back(at)
    assert files(at) == before


def test_an_edit_may_be_made_from_a_row_of_the_table_of_notes(at: Path) -> None:
    before = Transcription(at / "scale", {}).notes
    row = before.iloc[0]
    edit = NoteEdit(row["stem"], row["onset"], row["pitch"], to=row["pitch"] + 1)
    made = change(at, Corrections(notes=(edit,)))
    assert made.notes["pitch"][0] == before["pitch"][0] + 1


def test_edits_of_notes_are_made_one_after_the_other(at: Path) -> None:
    first, second, *_ = read_notes_json(at / "scale" / "notes.json")
    sharpened = NoteEdit("vocals", first.onset, 60, 61)
    change(at, Corrections(notes=(sharpened,)))
    again = NoteEdit("vocals", first.onset, 61, 59)
    added = NoteEdit("vocals", second.onset, None, 66, second.offset)
    made = change(at, Corrections(notes=(sharpened, again, added, OctaveEdit("vocals", 1))))
    assert noted(at) == performed(at) == [71, 74, 78, 76, 77, 79, 81]
    assert made.report["corrections"]["notes"][-1] == {"stem": "vocals", "octaves": 1}
    assert read_notes_json(at / "scale" / "notes.json")[0].confidence == 1.0
    back(at)
    assert noted(at)[0] == 61


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_tempo_is_counted_on_the_same_beats_in_the_same_meter(at: Path, factor: float) -> None:
    before = json.loads((at / "scale" / "report.json").read_text())
    made = change(at, Corrections(tempo=factor * before["tempo"]))
    assert anew(made) == ["counting", "score"]
    assert made.report["tempo"] == pytest.approx(factor * before["tempo"], rel=0.01)
    assert made.report["time_signature"] == before["time_signature"]
    old, new = before["beats"]["times"], made.report["beats"]["times"]
    kept = [time for time in old if any(abs(time - other) < 2e-4 for other in new)]
    assert len(kept) >= (len(old) if factor > 1 else len(old) // 2)
    assert back(at).report["beats"] == before["beats"]


def test_a_tempo_that_only_says_what_was_found_is_told(at: Path) -> None:
    before = json.loads((at / "scale" / "report.json").read_text())
    made = change(at, Corrections(tempo=1.05 * before["tempo"]))
    assert made.report["beats"] == before["beats"]
    assert any("on the whole" in warning for warning in made.warnings)


def test_corrections_at_the_same_time_are_made_one_after_the_other(at: Path) -> None:
    keys = ["E major", "F major", "G minor", "D major"]
    with ThreadPoolExecutor(len(keys)) as threads:
        made = list(threads.map(lambda name: change(at, Corrections(key=name)).report["key"], keys))
    assert made == keys
    kept = history(at / "scale")
    assert sorted(state.key or "" for state in kept.states) == sorted(["", *keys])
    assert json.loads((at / "scale" / "report.json").read_text())["key"] == kept.now.key


def test_a_tempo_at_which_these_beats_are_not_is_sought_in_the_sound(at: Path) -> None:
    tempo = json.loads((at / "scale" / "report.json").read_text())["tempo"]
    made = change(at, Corrections(tempo=tempo * 1.4))
    assert anew(made) == ["counting", "score"]
    assert abs(made.report["tempo"] / (tempo * 1.4) - 1) < 0.12 or any(
        "no beats were found" in warning for warning in made.warnings
    )


def test_meter_and_pick_up_move_the_bar_lines(at: Path) -> None:
    made = change(at, Corrections(time_signature=TimeSignature(3, 4), pick_up=1.0))
    assert anew(made) == ["counting", "score"]
    assert made.report["time_signature"] == "3/4"
    written = score(at)
    assert {m.ratioString for m in written.flatten().getElementsByClass(meter.TimeSignature)} == {"3/4"}
    lengths = [bar.duration.quarterLength for bar in written.parts[0].getElementsByClass(stream.Measure)]
    assert lengths[0] < lengths[1] == 3.0
    assert anew(change(at, Corrections(time_signature=TimeSignature(3, 4), pick_up=0.0))) == ["score"]


def test_a_part_gets_its_clef_and_octave(at: Path) -> None:
    made = change(at, Corrections(parts=(PartEdit("vocals", "bass", 1),)))
    assert anew(made) == ["score"]
    written = score(at)
    assert {type(c) for c in written.flatten().getElementsByClass(clef.Clef)} == {clef.BassClef}
    assert [pitch.midi for pitch in written.toWrittenPitch().flatten().pitches][:2] == [72, 74]
    assert noted(at)[:2] == [60, 62]


def test_other_lines_keep_the_times_of_the_words(at: Path) -> None:
    before = (at / "scale" / "lyrics.lrc").read_text()
    made = correct_words(at / "scale", at / "scale.wav", "Do, D\nE F G\nA")
    assert anew(made) == ["score"]
    assert (at / "scale" / "lyrics.txt").read_text() == "Do, D\nE F G\nA\n"
    after = (at / "scale" / "lyrics.lrc").read_text()
    assert after.splitlines()[-3].split("]")[0] == before.splitlines()[-3].split("]")[0]
    assert made.report["corrections"] == {"words": True}
    assert [word["text"] for word in made.report["words"]] == ["Do,", "D", "E", "F", "G", "A"]
    sung = [lyric.text for n in score(at).flatten().notes for lyric in n.lyrics]
    assert sung == ["Do,", "D", "E", "F", "G", "A"]
    back(at)
    assert (at / "scale" / "lyrics.lrc").read_text() == before


def test_new_words_are_aligned_to_the_voice(at: Path) -> None:
    correct_words(at / "scale", at / "scale.wav", "C D E F\nand then\nG A")
    assert (at / "scale" / "lyrics.txt").read_text() == "C D E F\nand then\nG A\n"
    correct_words(at / "scale", at / "scale.wav", "")
    assert (at / "scale" / "lyrics.txt").read_text() == ""
    assert not [lyric for n in score(at).flatten().notes for lyric in n.lyrics]


def test_a_plain_run_keeps_the_corrections_and_says_so(at: Path) -> None:
    first = read_notes_json(at / "scale" / "notes.json")[0]
    change(at, Corrections(key="E major", tempo=60.0, notes=(NoteEdit("vocals", first.onset, 60, 59),)))
    corrected = files(at)
    made = run(at)
    assert anew(made) == []
    assert made.report["corrections"]["key"] == "E major"
    assert "corrected by hand before: key, tempo, notes (1); --force starts over" in made.warnings
    del corrected["report.json"]
    assert files(at).items() >= corrected.items()
    # With other settings too, and what was heard anew is corrected where it is the same.
    assert run(at, Settings(key="D major", tempo=90.0)).report["key"] == "E major"
    assert noted(at)[0] == 59
    assert history(at / "scale").can_undo


def test_force_starts_over(at: Path) -> None:
    before = files(at)
    change(at, Corrections(key="E major"))
    assert run(at, force=True).report["corrections"] == {}
    del before["report.json"]  # it names the words' file, which the copy has elsewhere
    assert files(at).items() >= before.items()
    assert not history(at / "scale").can_undo


def test_corrections_of_another_recording_do_not_stay(at: Path) -> None:
    change(at, Corrections(key="E major"))
    soundfile.write(at / "scale.wav", scale(2.5), RATE)
    made = run(at)
    assert made.report["corrections"] == {}
    assert any("another recording" in warning for warning in made.warnings)


def test_the_recording_is_needed_only_to_listen_again(at: Path) -> None:
    (at / "scale.wav").rename(at / "elsewhere.wav")
    change(at, Corrections(key="E major"))
    assert (
        correct_words(at / "scale", at / "scale.wav", "one two three four five six seven eight").warnings
        == ()
    )
    with pytest.raises(FullscoreError, match=r"scale\.wav"):
        change(at, Corrections(tempo=140.0 if json_tempo(at) < 130 else 85.0))
    soundfile.write(at / "scale.wav", scale(2.5), RATE)
    with pytest.raises(FullscoreError, match="not the recording"):
        change(at, Corrections())


def json_tempo(at: Path) -> float:
    return float(json.loads((at / "scale" / "report.json").read_text())["tempo"])


@pytest.mark.parametrize(
    ("corrections", "told"),
    [
        (lambda: Corrections(key="H dur"), "H dur"),
        (lambda: Corrections(tempo=5), "20 to 400 beats"),
        (lambda: Corrections(tempo=float("nan")), "20 to 400 beats"),
        (lambda: Corrections(pick_up=-1), "from 0 to 32"),
        (lambda: Corrections(pick_up=1 / 6), "can't be written"),
        (lambda: Corrections(parts=(PartEdit("tuba", "bass"),)), "no part 'tuba'; it has: vocals"),
        (lambda: Corrections(parts=(PartEdit("vocals", "soprano"),)), "a clef is one of"),
        (lambda: Corrections(parts=(PartEdit("vocals"), PartEdit("vocals", "alto"))), "once"),
        (lambda: Corrections(notes=(NoteEdit("vocals", 0.0, 20),)), "G#-0|Ab0 at 0.00 s in 'vocals'"),
        (lambda: Corrections(notes=(NoteEdit("flute", 0.0, 60),)), "no part 'flute'"),
        (lambda: Corrections(notes=(NoteEdit("vocals", 0.0, 60, 128),)), "from 0 to 127"),
        (lambda: Corrections(notes=(NoteEdit("vocals", 1.0, None, 60, 0.5),)), "ends after it starts"),
        (lambda: Corrections(notes=(NoteEdit("vocals", 1.0, None),)), "has a pitch"),
        (lambda: Corrections(notes=(NoteEdit("vocals", 0.0, 60, 61.5),)), "can't be corrected so"),  # type: ignore[arg-type]
        (lambda: Corrections(notes=(NoteEdit("vocals", 1.0, None, 60, 1e9),)), "ends at 3.00 s, before C4"),
        (lambda: Corrections(notes=(OctaveEdit("vocals", 9),)), "1 to 4 octaves"),
        (lambda: Corrections(notes=(OctaveEdit("vocals", -4), OctaveEdit("vocals", -4))), "by -4 octaves"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(
    finished: Path, corrections: Callable[[], Corrections], told: str
) -> None:
    before = files(finished)
    with pytest.raises(FullscoreError, match=told):
        change(finished, corrections())
    assert files(finished) == before
    assert not history(finished / "scale").can_undo


def test_there_must_be_a_run_and_something_to_undo(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(FullscoreError, match="no finished run"):
        correct(tmp_path / "nowhere", finished / "scale.wav", Corrections())
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(FullscoreError, match="no correction to undo"):
        back(finished)
    with pytest.raises(FullscoreError, match="no undone correction"):
        redo(finished / "scale", finished / "scale.wav")


def test_a_cancelled_correction_changes_nothing(at: Path) -> None:
    before = files(at)

    def stop(stage: str, fraction: float, message: str) -> None:
        if message == "engraving":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        correct(at / "scale", at / "scale.wav", Corrections(key="E major"), stop)
    assert files(at) == before
    assert not (at / "scale" / ".stages" / "draft").exists()
    assert not history(at / "scale").can_undo


KILLED_ENGRAVING = """
def report(stage, fraction, message):
    if message == "engraving":
        os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED_PLACING = """
report = lambda *_: None
import pipeline.workspace
replace, count = os.replace, 0
def third_kills(old, new):
    global count
    count += "draft" in str(old) and "partial" not in str(old)
    if count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(old, new)
os.replace = third_kills
"""


@pytest.mark.parametrize(("when", "new"), [(KILLED_ENGRAVING, False), (KILLED_PLACING, True)])
def test_a_kill_leaves_the_old_or_the_new_state_whole(at: Path, when: str, new: bool) -> None:
    before = files(at)
    change(at, Corrections(key="E major"))
    corrected = files(at)
    back(at)
    script = f"""
import os, signal, sys
from pathlib import Path
from pipeline.correct import correct
from pipeline.corrections import Corrections
{when}
correct(Path(sys.argv[1]) / "scale", Path(sys.argv[1]) / "scale.wav", Corrections(key="E major"), report)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", script, str(at)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (at / "scale" / ".stages" / "draft").exists()
    assert history(at / "scale").now == (Corrections(key="E major") if new else Corrections())
    assert files(at) == (corrected if new else before)
    assert not (at / "scale" / ".stages" / "draft").exists()


def test_pages_of_a_longer_score_go_with_it(at: Path) -> None:
    folder = at / "scale"
    extra = folder / "score-002.svg"
    extra.write_text("<svg/>")
    record = folder / ".stages" / "score.json"
    saved = json.loads(record.read_text())
    saved["files"].append(extra.name)
    record.write_text(json.dumps(saved))
    made = change(at, Corrections(key="E major"))
    assert not extra.exists()
    assert all((folder / name).is_file() for name in made.report["files"])


# Without files

WORDS = Lyrics((Line((Word("la", (Syllable("la", 0.0, 0.5),)),), True),), "en")


def test_every_correction_is_kept_and_read_again(tmp_path: Path) -> None:
    full = Corrections(
        "Eb minor",
        TimeSignature(6, 8),
        96.5,
        0.5,
        (PartEdit("vocals", "treble-8", 1),),
        (NoteEdit("mix", 0.25, 60, 62), OctaveEdit("bass", -1), NoteEdit("mix", 1.0, None, 64, 1.5)),
        WORDS,
    )
    kept = History("abc").then(full).then(replace(full, key=None)).back()
    write_history(kept, tmp_path)
    assert read_history(tmp_path) == kept
    assert (tmp_path / CORRECTIONS).read_text().count('"la"') == 2  # the word and its syllable, once


def test_a_broken_file_of_corrections_is_one_sentence(tmp_path: Path) -> None:
    for broken in ("{", '{"song": 1}', '{"song": "", "states": [{"key": "H"}], "at": 0, "words": []}'):
        (tmp_path / CORRECTIONS).write_text(broken)
        with pytest.raises(FullscoreError, match="can't be read"):
            read_history(tmp_path)


def test_a_new_correction_forgets_what_was_undone() -> None:
    first, second, other = (Corrections(tempo=tempo) for tempo in (60, 70, 80))
    made = History().then(first).then(second).back().then(other)
    assert made.states == (Corrections(), first, other)
    assert (made.now, made.can_undo, made.can_redo) == (other, True, False)
    assert made.then(other) == made


HEARD = tuple(Note(i / 2, i / 2 + 0.4, 60 + i, 70 + i, 0.5, (0.1,), ("mix", "bass")[i % 2]) for i in range(8))
NOTE = st.sampled_from(HEARD)
EDITS = st.one_of(
    st.builds(lambda n, to: NoteEdit(n.stem, n.onset, n.pitch, to), NOTE, st.integers(0, 127) | st.none()),
    st.builds(lambda n, to: NoteEdit(n.stem, n.onset, None, to, n.offset), NOTE, st.integers(0, 127)),
    st.builds(OctaveEdit, st.sampled_from(["mix", "bass"]), st.sampled_from([-1, 1])),
)


@given(st.lists(EDITS, max_size=12))
def test_edits_neither_lose_nor_double_other_notes(edits: list[NoteEdit | OctaveEdit]) -> None:
    notes, impossible = edited(HEARD, edits)
    made = [edit for edit in edits if edit not in impossible]
    assert notes == in_order(notes)
    if len(made) + len(impossible) == len(edits):
        added = sum(isinstance(edit, NoteEdit) and edit.pitch is None for edit in made)
        deleted = sum(isinstance(edit, NoteEdit) and edit.to is None for edit in made)
        assert len(notes) == len(HEARD) + added - deleted
    places = [(note.stem, note.onset, note.pitch) for note in notes]
    assert len(set(places)) == len(places)
    untouched = {(n.onset, n.offset, n.velocity, n.bends) for n in HEARD}
    assert sum((n.onset, n.offset, n.velocity, n.bends) not in untouched for n in notes) <= len(edits)


@given(NOTE, st.integers(0, 127))
def test_another_pitch_and_back_is_what_was(note: Note, to: int) -> None:
    there = NoteEdit(note.stem, note.onset, note.pitch, to)
    notes, impossible = edited(HEARD, (there, NoteEdit(note.stem, note.onset, to, note.pitch)))
    assert not impossible
    assert [replace(n, confidence=0.5) for n in notes] == list(HEARD)
