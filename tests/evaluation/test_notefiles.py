import json
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest

from evaluation.notefiles import GRACE, read_notes
from fullscore.errors import FullscoreError
from transcription.notes import Note
from transcription.notes_io import write_notes_json

THREE_HZ = 440 * 2 ** ((np.array([60, 62, 64]) - 69) / 12)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "onset,offset,midi\n0,1,60\n1,2,62\n2,3,64\n",
        "0\t1\t60\n1\t2\t62\n2\t3\t64\n",
        "0 1 261.6256\n1 2 293.6648\n2 3 329.6276\n",
        "# a comment\n0\t1\t60\n1\t2\t62\n# another\n2\t3\t64\n",
        "# onset,offset,note,velocity\n0\t1\t60\t80\n1\t2\t62\t80\n2\t3\t64\t80\n",
        "onset\toffset\tnote\tvelocity\n0\t1\t60\t80\n1\t2\t62\t80\n2\t3\t64\t80\n",
        "OnsetTime\tOffsetTime\tMidiPitch\n0\t1\t60\n1\t2\t62\n2\t3\t64\n",
        "start (sec);end (sec);pitch (Hz)\n0;1;261.6256\n1;2;293.6648\n2;3;329.6276\n",
        "onset_s,offset_s,midi,kind,syllable\n0,1,60,normal,Hey\n1,2,62,normal, you\n2,3,64,golden,\n",
        "onset,offset,hz\n0,1,261.6256\n1,2,293.6648\n2,3,329.6276\n",
        "onset,offset,pitch\n0,1,261.6256\n1,2,293.6648\n2,3,329.6276\n",
        "onset,duration,midi\r\n0,1,60\r\n1,1,62\r\n2,1,64\r\n",
        "0,261.6256,1\n1,293.6648,1\n2,329.6276,1\n",
        "\ufeffonset;offset;midi\n0;1;60\n1;2;62\n2;3;64\n",
        "0.000,60,1.0,0.8,\n1.000,62,1.0,0.7,\n2.000,64,1.0,0.6,\n",
        "TIME,VALUE,DURATION,LEVEL,LABEL\n0,60,1,0.8,\n1,62,1,0.7,\n2,64,1,0.6,\n",
        "TIME,VALUE,DURATION,LEVEL\n0,261.6256,1,0.8\n1,293.6648,1,0.7\n2,329.6276,1,0.6\n",
        "start_time_s,end_time_s,pitch_midi,velocity,pitch_bend\n0,1,60,80,0,1\n1,2,62,80\n2,3,64,80,1\n",
    ],
    ids=[
        "named-midi", "midi", "hz", "comments", "maps", "named-tabs", "maps-text", "units", "ultrastar",
        "named-hz", "high-pitch", "durations", "vocadito", "semicolons",
        "sonic-visualiser", "sonic-visualiser-header", "tony-header", "basic-pitch",
    ],
)  # fmt: skip
def test_every_form_of_table_is_read_alike(tmp_path: Path, text: str) -> None:
    table = read_notes(written(tmp_path / "e.txt", text))
    assert table.intervals.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert table.pitches_hz == pytest.approx(THREE_HZ, rel=1e-6)


def test_a_column_named_so_is_what_it_is_named(tmp_path: Path) -> None:
    hz = read_notes(written(tmp_path / "e.csv", "onset,offset,hz\n0,1,110\n"))
    assert hz.pitches_hz.tolist() == [110]
    midi = read_notes(written(tmp_path / "e.csv", "onset,offset,midi\n0,1,69\n0,1,129\n"))
    assert midi.pitches_hz == pytest.approx([440, 440 * 2**5])


def test_low_fractional_pitches_are_hz_and_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_notes(written(tmp_path / "e.csv", "0,1,60.5\n")).pitches_hz.tolist() == [60.5]
    assert "60.5, taken for Hz" in caplog.text
    caplog.clear()
    read_notes(written(tmp_path / "e.csv", "0,1,60.5\n1,2,220.5\n"))
    assert not caplog.text


def test_notes_keep_the_order_of_the_file(tmp_path: Path) -> None:
    table = read_notes(written(tmp_path / "e.csv", "onset,offset,midi\n2,3,64\n0,1,60\n1,5,62\n"))
    assert table.intervals[:, 0].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("text", "velocities"),
    [
        ("0 1 60 20\n1 2 62 127\n", [20, 127]),
        ("onset,offset,midi,velocity\n0,1,60,20\n1,2,62,127\n", [20, 127]),
        ("0 1 60 0.5\n1 2 62 1\n", None),  # confidences
        ("0 1 60 1\n1 2 62 0\n", None),
        ("0 1 60 piano\n1 2 62 piano\n", None),
        ("0 1 60 80\n1 2 62\n", None),
    ],
)
def test_velocities(tmp_path: Path, text: str, velocities: list[int] | None) -> None:
    table = read_notes(written(tmp_path / "e.txt", text))
    assert (None if table.velocities is None else table.velocities.tolist()) == velocities


def test_stems_of_a_column(tmp_path: Path) -> None:
    text = "onset,offset,midi,velocity,stem\n0,1,60,80,Vocals\n0,1,36,70,bass\n"
    table = read_notes(written(tmp_path / "e.csv", text))
    assert table.stems == ("vocals", "bass")
    bass = table.of("bass")
    assert bass.velocities is not None
    assert (len(bass.pitches_hz), bass.velocities.tolist()) == (1, [70])
    assert len(table.of("drums").pitches_hz) == 0
    assert read_notes(written(tmp_path / "e.csv", "onset,offset,midi,stem\n0,1,60,\n")).stems == ()


def test_notes_json(tmp_path: Path) -> None:
    notes = [Note(i, i + 1.0, 60 + 2 * i, 90, stem="other") for i in range(3)]
    write_notes_json(notes, tmp_path / "notes.json")
    table = read_notes(tmp_path / "notes.json")
    assert table.pitches_hz == pytest.approx(THREE_HZ)
    assert table.stems == ("other",) * 3
    assert table.velocities is not None
    assert table.velocities.tolist() == [90] * 3


@pytest.mark.parametrize("name", ["e.mid", "e.txt"])
def test_midi_by_whatever_name(tmp_path: Path, name: str) -> None:
    midi = pretty_midi.PrettyMIDI()
    for program, track, drum in ((0, "Lead voice", False), (33, "other", False), (0, "Kit", True)):
        midi.instruments.append(pretty_midi.Instrument(program, drum, track))
        midi.instruments[-1].notes = [pretty_midi.Note(80, 60, 0.5, 1)]
    midi.instruments.append(pretty_midi.Instrument(33))
    midi.instruments[-1].notes = [pretty_midi.Note(80, 60, 0.5, 1)]
    midi.write(str(tmp_path / name))
    table = read_notes(tmp_path / name)
    assert table.stems == ("vocals", "other", "drums", "bass")
    assert table.intervals == pytest.approx(np.array([[0.5, 1]] * 4))


def test_midi_without_notes_has_none(tmp_path: Path) -> None:
    pretty_midi.PrettyMIDI().write(str(tmp_path / "e.mid"))
    assert len(read_notes(tmp_path / "e.mid").pitches_hz) == 0


def test_a_score_at_its_tempo_with_its_repeat(tmp_path: Path) -> None:
    """Two quarters at 60 a minute, the second after a grace note, played twice."""

    def note(kind: str, step: str, duration: str) -> str:
        return f"<note>{kind}<pitch><step>{step}</step><octave>4</octave></pitch>{duration}</note>"

    quarter = "<duration>1</duration>"
    notes = note("", "C", quarter) + note("<grace/>", "D", "") + note("", "E", quarter)
    path = written(
        tmp_path / "s.musicxml",
        "<?xml version='1.0'?><score-partwise><part-list><score-part id='P1'><part-name>Piano</part-name>"
        "</score-part></part-list><part id='P1'><measure number='1'><attributes><divisions>1</divisions>"
        "<time><beats>2</beats><beat-type>4</beat-type></time></attributes>"
        f"<direction><sound tempo='60'/></direction>{notes}<barline location='right'>"
        "<repeat direction='backward'/></barline></measure></part></score-partwise>",
    )
    table = read_notes(path)
    once = np.array([(0, 1), (1, 1 + GRACE), (1, 2)])
    assert table.intervals == pytest.approx(np.concatenate([once, once + 2]))
    assert table.stems == ("piano",) * 6
    assert table.velocities is None


def jams(path: Path, *annotations: tuple[str, str, list[tuple[float, float, Any]]]) -> Path:
    content = [
        {
            "namespace": namespace,
            "annotation_metadata": {"data_source": source},
            "data": [
                {"time": time, "duration": duration, "value": value, "confidence": None}
                for time, duration, value in rows
            ],
        }
        for namespace, source, rows in annotations
    ]
    return written(path, json.dumps({"annotations": content, "file_metadata": {}}))


def test_jams(tmp_path: Path) -> None:
    low, high = [(0.0, 1.0, 40)], [(0.5, 1.0, 64.0)]
    strings = read_notes(jams(tmp_path / "a.jams", ("note_midi", "0", low), ("note_midi", "5", high)))
    assert strings.intervals.tolist() == [[0, 1], [0.5, 1.5]]
    annotators = jams(tmp_path / "a.jams", ("beat", "", []), ("note_midi", "", low), ("note_midi", "", high))
    assert len(read_notes(annotators).pitches_hz) == 1
    hz = read_notes(jams(tmp_path / "a.json", ("note_hz", "", [(0.0, 1.0, 440)])))
    assert hz.pitches_hz.tolist() == [440]
    with pytest.raises(FullscoreError, match="has beat; it needs an annotation of note_midi"):
        read_notes(jams(tmp_path / "a.jams", ("beat", "", [])))
    with pytest.raises(FullscoreError, match="note_midi that is not a number"):
        read_notes(jams(tmp_path / "a.jams", ("note_midi", "", [(0.0, 1.0, None)])))


@pytest.mark.parametrize("empty", ["", "onset,offset,midi\n", "# nothing heard\n"])
def test_no_notes(tmp_path: Path, empty: str) -> None:
    assert read_notes(written(tmp_path / "e.csv", empty)).intervals.shape == (0, 2)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("e.csv", "onset,offset,midi\n0,nan,60\n", "finite"),
        ("e.csv", "onset,offset,midi\n1,0.5,60\n", "end after"),
        ("e.csv", "onset,duration,midi\n1,-0.5,60\n", "end after"),
        ("e.csv", "onset,offset,midi\n-1,0.5,60\n", "before the start"),
        ("e.csv", "onset,offset,hz\n0,1,0\n", "not positive"),
        ("e.csv", "onset,offset,midi\n0,1\n", "row 1"),
        ("e.csv", "onset,offset,midi,velocity\n0,1,60,200\n", "velocity"),
        ("e.csv", "onset,label\n0,1\n1,2\n", "columns onset, label"),
        ("e.csv", "time,number\n0,1\n1,2\n", "columns time, number"),
        ("e.csv", "start_time,end_time,instrument,note\n90047,117471,1,60\n", "in seconds, not in samples"),
        ("e.txt", "0.5\n1.0\n", "as beats"),
        ("e.txt", "0.5\t1\n1.0\t2\n", "as beats"),
        ("e.lab", "0.0 2.0 C:maj\n2.0 4.0 G:min\n", "row 1"),
        (
            "e.txt",
            "Should auld acquaintance be forgot,\nAnd never brought to mind?\n",
            "another kind of file",
        ),
        ("e.lrc", "[00:12.00]Should auld acquaintance be forgot,\n", "another kind of file"),
        ("e.csv", "\x00\x01\x02", "not text"),
        ("e.flac", "fLaC, and then the music", "holds audio, not notes; transcribe it"),
        ("e.csv", "%PDF-1.7", "holds PDF, not notes"),
        ("report.json", '{"key": "G major"}', "neither notes nor"),
        ("notes.json", '{"notes": [{"onset": 1}]}', "not a notes.json"),
        ("e.json", "[1, 2]", "neither notes nor"),
        ("e.mid", "no MIDI", "not a MIDI file"),
        ("e.musicxml", "no score", "e.musicxml"),
    ],
)
def test_what_is_not_notes_is_refused(tmp_path: Path, name: str, content: str, reason: str) -> None:
    with pytest.raises(FullscoreError, match=reason):
        read_notes(written(tmp_path / name, content))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FullscoreError, match="can't read"):
        read_notes(tmp_path / "absent.mid")


@pytest.mark.data
def test_vocadito_holds_pitch_then_duration(data: Path) -> None:
    folder = data / "mir-dataset-loaders_mirdata/tests/resources/mir_datasets/vocadito/Annotations/Notes"
    table = read_notes(folder / "vocadito_1_notesA1.csv")
    assert table.pitches_hz[0] == 143.742
    assert np.diff(table.intervals[0])[0] == pytest.approx(0.290249433)
