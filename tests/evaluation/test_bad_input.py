"""One contract for all kinds: whatever is compared with whatever, the command prints figures that are numbers
or null, or it says in one sentence what is wrong with which file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import soundfile

from evaluation.kinds import KINDS
from pipeline.cli import DONE, FAILED, main

RATE = 8000

NOTES = "onset,offset,midi\n0.5,1.0,60\n1.0,1.4,64\n1.5,2.5,67\n2.5,3.0,72\n"
BEATS = "".join(f"{0.5 * beat:.2f} {beat % 4 + 1}\n" for beat in range(2, 24))
CHORDS = "0.0 2.0 C:maj\n2.0 4.0 A:min\n4.0 6.0 F:maj\n6.0 8.0 G:7\n"
MELODY = "".join(f"{time / 100:.2f},{0 if time % 50 < 10 else 220 + time % 7}\n" for time in range(300))
LYRICS = "Où vas-tu, petit oiseau ?\nJe vais à la mer.\n\nÀ la mer (à la mer),\nje m'en vais.\n"
LRC = "[00:01.00]Où vas-tu, petit oiseau ?\n[00:03.50]Je vais à la mer.\n[00:06.25]À la mer\n"


def _bars(count: int) -> str:
    """A part of ``count`` bars of four quarters in C major, sung."""
    notes = "".join(
        f"<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>1</duration><voice>1</voice>"
        "<type>quarter</type><lyric><text>la</text></lyric></note>"
        for step in "CDEF"
    )
    attributes = (
        "<attributes><divisions>1</divisions><key><fifths>0</fifths><mode>major</mode></key>"
        "<time><beats>4</beats><beat-type>4</beat-type></time>"
        "<clef><sign>G</sign><line>2</line></clef></attributes>"
    )
    bars = "".join(
        f'<measure number="{bar + 1}">{attributes if bar == 0 else ""}{notes}</measure>'
        for bar in range(count)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<score-partwise version="4.0"><part-list>'
        '<score-part id="P1"><part-name>Voice</part-name></score-part></part-list>'
        f'<part id="P1">{bars}</part></score-partwise>\n'
    )


SCORE = _bars(4)

TEXTS = {
    "notes": ("notes.csv", NOTES),
    "beats": ("song.beats", BEATS),
    "chords": ("chords.lab", CHORDS),
    "key": ("key.txt", "C major\n"),
    "meter": ("meter.musicxml", SCORE),
    "melody": ("melody.csv", MELODY),
    "lyrics": ("lyrics.txt", LYRICS),
    "lyrics-timing": ("lyrics.lrc", LRC),
    "score": ("score.musicxml", SCORE),
}
"""A small file of each kind that is text."""

LONG = {
    "notes": NOTES + "".join(f"{3 + i},{3.5 + i},60\n" for i in range(40)),
    "beats": BEATS + "".join(f"{0.5 * beat:.2f} {beat % 4 + 1}\n" for beat in range(24, 240)),
    "chords": CHORDS + "".join(f"{8 + 2 * i} {10 + 2 * i} D:min\n" for i in range(40)),
    "key": "C major\n",
    "meter": _bars(40),
    "melody": MELODY + "".join(f"{time / 100:.2f},230\n" for time in range(300, 3000)),
    "lyrics": LYRICS * 10,
    "lyrics-timing": LRC + "".join(f"[{m:02}:00.00]Et encore la mer\n" for m in range(1, 30)),
    "score": _bars(40),
}
"""The same at ten times the length."""

TABLES: dict[str, dict[str, str]] = {
    "notes": {
        "one": "0.5,1.0,60\n",
        "overlapping": "0.5,2.0,60\n0.6,1.0,60\n0.6,1.0,60\n",
        "unsorted": "2.0,3.0,62\n0.5,1.0,60\n",
        "not a number": "nan,1.0,60\n",
        "infinite": "0.5,inf,60\n",
        "negative duration": "1.0,0.5,60\n",
        "before the start": "-1.0,0.5,60\n",
        "pitch of nothing": "0.5,1.0,-3\n",
        "too few columns": "0.5\n1.0\n",
    },
    "beats": {
        "one": "0.5 1\n",
        "twice the same": "0.5 1\n0.5 1\n1.0 2\n",
        "unsorted": "3.0 2\n1.0 1\n",
        "not a number": "0.5 1\nnan 2\n",
        "infinite": "0.5 1\ninf 2\n",
        "before the start": "-1.0 1\n0.5 2\n",
        "words": "one two three\n",
    },
    "chords": {
        "one": "0 1 C:maj\n",
        "overlapping": "0 3 C:maj\n2 4 G:maj\n",
        "unsorted": "2 4 G:maj\n0 2 C:maj\n",
        "a gap": "0 1 C:maj\n3 4 G:maj\n",
        "not a number": "nan 1 C:maj\n",
        "negative duration": "2 1 C:maj\n",
        "no chord at all": "0 1 la\n",
        "none": "0 4 N\n",
    },
    "key": {"one letter": "C\n", "nothing known": "H sharp blue\n"},
    "melody": {
        "one": "0.5,220\n",
        "unvoiced": "0.5,0\n0.6,0\n",
        "negative means unvoiced": "0.5,-220\n0.6,220\n",
        "unsorted": "0.6,220\n0.5,220\n",
        "not a number": "0.5,nan\n0.6,220\n",
        "infinite": "0.5,inf\n0.6,220\n",
        "twice the same": "0.5,220\n0.5,220\n",
    },
    "lyrics": {"one": "la\n", "punctuation alone": "!?\n", "spaces": " \n\t\n", "a bell": "la\x07la\n"},
    "lyrics-timing": {
        "one": "[00:01.00]la\n",
        "unsorted": "[00:09.00]la la\n[00:01.00]le le\n",
        "no times": "la la la\n",
        "no words": "[00:01.00]\n[00:02.00]\n",
        "nonsense": "[xx:yy.zz]la\n",
    },
    "score": {"one": _bars(1), "cut off": SCORE[: len(SCORE) // 2], "no notes": SCORE.partition("<note>")[0]},
    "meter": {"cut off": SCORE[: len(SCORE) // 2]},
}
"""What can be wrong inside a file, by the kind it is of."""

TAKEN = {
    ("notes", "score"),  # at the score's tempo
    ("notes", "meter"),
    ("key", "score"),
    ("key", "meter"),
    ("meter", "score"),
    ("score", "meter"),
    ("lyrics", "score"),  # the words under its notes
    ("lyrics", "meter"),
    ("lyrics-timing", "chords"),  # from, to, what: some words are written so
    ("lyrics", "lyrics-timing"),
    ("lyrics", "key"),  # any plain line may be a song's words
}
"""Kinds that files of another kind are taken for, rightly or because nothing tells them apart."""


def write(folder: Path, name: str, text: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def written(kind: str, folder: Path) -> Path:
    """A small artefact of ``kind``."""
    if kind in TEXTS:
        return write(folder / kind, *TEXTS[kind])
    return stems(folder / kind)


def stems(folder: Path, seconds: float = 1.0, rate: int = RATE, **more: float) -> Path:
    """Noise as the stems vocals and drums, and those in ``more`` with their length in seconds."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name, length in {"vocals": seconds, "drums": seconds, **more}.items():
        soundfile.write(folder / f"{name}.wav", 0.1 * generator.standard_normal(round(length * rate)), rate)
    return folder


@pytest.fixture
def judged(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any] | str]:
    """The figures of two files, or the sentence that says why there are none."""

    def judge(kind: str, reference: Path, estimate: Path) -> dict[str, Any] | str:
        code = main(["evaluate", kind, str(reference), str(estimate), "--json"])
        printed, said = capsys.readouterr()
        assert "Traceback" not in said
        if code == DONE:
            measures: dict[str, Any] = json.loads(printed, parse_constant=refuse)
            assert all(value is None or math.isfinite(value) for value in figures(measures))
            assert set(KINDS[kind].main) & set(measures.get("corpus", measures))
            return measures
        assert code == FAILED
        assert printed == ""
        sentences = [line for line in said.splitlines() if line]
        assert len(sentences) == 1, said
        assert sentences[0].startswith("fullscore: ")
        assert "unexpected" not in sentences[0]
        assert reference.name in sentences[0] or estimate.name in sentences[0]
        return sentences[0]

    return judge


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def figures(measures: Any) -> Iterator[float | None]:
    if isinstance(measures, dict):
        for value in measures.values():
            yield from figures(value)
    elif isinstance(measures, list):
        for value in measures:
            yield from figures(value)
    elif measures is None or isinstance(measures, int | float):
        yield measures


Judge = Callable[[str, Path, Path], "dict[str, Any] | str"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_file_with_itself(kind: str, judged: Judge, tmp_path: Path) -> None:
    path = written(kind, tmp_path)
    assert isinstance(judged(kind, path, path), dict)


@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_another_kind(kind: str, other: str, judged: Judge, tmp_path: Path) -> None:
    if kind == other:
        return
    right, wrong = written(kind, tmp_path), written(other, tmp_path)
    for pair in ((right, wrong), (wrong, right)):
        found = judged(kind, *pair)
        assert isinstance(found, dict) == ((kind, other) in TAKEN), found


def midi(folder: Path) -> Path:
    path = folder / "song.mid"
    mido.MidiFile(tracks=[mido.MidiTrack([mido.Message("note_on", note=60)])]).save(path)
    return path


def picture(folder: Path) -> Path:
    return write(folder, "page.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))


def recording(folder: Path) -> Path:
    soundfile.write(folder / "song.wav", np.zeros(RATE), RATE)
    return folder / "song.wav"


def pdf(folder: Path) -> Path:
    return write(folder, "score.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")


NEVER = {"MIDI": midi, "picture": picture, "audio": recording, "PDF": pdf}


@pytest.mark.parametrize("form", NEVER)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_by_its_first_bytes_is_named(
    kind: str, form: str, judged: Judge, tmp_path: Path
) -> None:
    if ".mid" in KINDS[kind].suffixes and form == "MIDI":
        return
    right, wrong = written(kind, tmp_path), NEVER[form](tmp_path)
    for pair in ((right, wrong), (wrong, right)):
        said = judged(kind, *pair)
        assert isinstance(said, str)
        assert form in said


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_or_can_not_be_read(kind: str, judged: Judge, tmp_path: Path) -> None:
    right = written(kind, tmp_path)
    (tmp_path / "hollow").mkdir()
    suffix = Path(TEXTS[kind][0]).suffix if kind in TEXTS else ".wav"
    broken = write(tmp_path, f"broken{suffix}", np.random.default_rng(1).bytes(3000))
    for wrong in (tmp_path / "nowhere", tmp_path / "hollow", broken):
        for pair in ((right, wrong), (wrong, right)):
            assert isinstance(judged(kind, *pair), str)


DAMAGED: dict[str, tuple[bytes, ...]] = {
    ".json": (
        b"{}", b"[]", b"null", b"3", b'"la"', b'{"notes": [', b'{"notes": 3}', b'{"notes": [[]]}',
        b'{"notes": [{"onset": "x"}]}', b'{"beats": null}', b'{"beats": {"times": ["x"]}}',
        b'{"beats": {"times": [NaN]}}', b'{"key": [1]}', b'{"chords": [{"onset": 0}]}', b'{"meter": {}}',
        b'{"time_signature": "7/0"}',
    ),
    ".jams": (
        b"{}", b"[]", b'{"annotations": 3}', b'{"annotations": [{}]}', b'{"annotations": [{"namespace": 1}]}',
        *(
            b'{"annotations": [{"namespace": "%s", "data": [%s]}]}' % (name, data)
            for name in (b"note_midi", b"note_hz", b"beat", b"chord", b"key_mode", b"pitch_contour")
            for data in (
                b"", b"3", b'{"time": "x", "duration": 1, "value": 3}',
                b'{"time": 0, "duration": -1, "value": 60}', b'{"time": 0, "duration": 1, "value": null}',
                b'{"time": NaN, "duration": 1, "value": 60}',
                b'{"time": 0, "duration": 1, "value": {"frequency": "x"}}',
            )
        ),
    ),
    ".mid": (b"MThd", b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\xff\xff\0\x90", b"MThd" + bytes(200)),
    ".mxl": (b"PK\3\4", b"PK\3\4" + bytes(200)),
    ".musicxml": (b"<score-partwise/>", b"<?xml version='1.0'?><html/>", b"<?xml", SCORE.encode()[:700]),
}  # fmt: skip
"""Files that begin well, by the suffix that kinds read them by."""


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [(name, suffix) for name, kind in KINDS.items() for suffix in DAMAGED if suffix in kind.suffixes],
)
def test_files_that_begin_well(kind: str, suffix: str, judged: Judge, tmp_path: Path) -> None:
    right = written(kind, tmp_path)
    for number, raw in enumerate(DAMAGED[suffix]):
        damaged = write(tmp_path, f"damaged{number}{suffix}", raw)
        for pair in ((right, damaged), (damaged, right)):
            judged(kind, *pair)


def test_the_folder_of_a_run_that_lacks_the_file(judged: Judge, tmp_path: Path) -> None:
    (run := tmp_path / "run").mkdir()
    (run / "other.txt").write_text("la")
    for kind in KINDS:
        if kind != "lyrics":  # for which it is a folder of songs
            assert isinstance(judged(kind, written(kind, tmp_path), run), str)


@pytest.mark.parametrize("kind", TEXTS)
def test_empty_files(kind: str, judged: Judge, tmp_path: Path) -> None:
    right = written(kind, tmp_path)
    for name, text in (("none", ""), ("blank", "\n \n")):
        empty = write(tmp_path / name, TEXTS[kind][0], text)
        for pair in ((right, empty), (empty, right), (empty, empty)):
            judged(kind, *pair)


@pytest.mark.parametrize("kind", TEXTS)
def test_any_encoding_and_line_end_says_the_same(kind: str, judged: Judge, tmp_path: Path) -> None:
    name, text = TEXTS[kind]
    right = written(kind, tmp_path)
    same = judged(kind, right, right)
    windows = text.replace("\n", "\r\n")
    forms = {"windows": windows.encode(), "macintosh": text.replace("\n", "\r").encode()}
    if "encoding=" not in text:
        forms |= {
            "marked": b"\xef\xbb\xbf" + text.encode(),
            "utf-16": windows.encode("utf-16"),
            "cp1252": windows.encode("cp1252"),
        }
    for form, raw in forms.items():
        assert judged(kind, right, write(tmp_path / form, name, raw)) == same, form
        assert judged(kind, write(tmp_path / form, name, raw), right) == same, form


@pytest.mark.parametrize("kind", TEXTS)
def test_ten_times_as_long(kind: str, judged: Judge, tmp_path: Path) -> None:
    right = written(kind, tmp_path)
    longer = write(tmp_path / "long", TEXTS[kind][0], LONG[kind])
    for pair in ((right, longer), (longer, right)):
        assert isinstance(judged(kind, *pair), dict)


@pytest.mark.parametrize(
    ("kind", "fault"), [(kind, fault) for kind, faults in TABLES.items() for fault in faults]
)
def test_faults_inside(kind: str, fault: str, judged: Judge, tmp_path: Path) -> None:
    right = written(kind, tmp_path)
    faulty = write(tmp_path / "faulty", TEXTS[kind][0], TABLES[kind][fault])
    for pair in ((right, faulty), (faulty, right), (faulty, faulty)):
        judged(kind, *pair)


REFUSED = {
    ("notes", "not a number"), ("notes", "infinite"), ("notes", "negative duration"),
    ("notes", "too few columns"), ("beats", "not a number"), ("beats", "infinite"), ("beats", "words"),
    ("chords", "not a number"), ("chords", "negative duration"), ("chords", "no chord at all"),
    ("key", "nothing known"), ("melody", "infinite"),
    ("lyrics", "a bell"), ("lyrics-timing", "no times"), ("score", "cut off"), ("meter", "cut off"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "fault"), sorted(REFUSED))
def test_faults_that_no_figure_may_hide(kind: str, fault: str, judged: Judge, tmp_path: Path) -> None:
    right = written(kind, tmp_path)
    faulty = write(tmp_path / "faulty", TEXTS[kind][0], TABLES[kind][fault])
    assert isinstance(judged(kind, right, faulty), str)


@pytest.mark.parametrize("kind", ["notes", "beats"])
def test_order_of_the_rows_is_of_no_consequence(kind: str, judged: Judge, tmp_path: Path) -> None:
    right = written(kind, tmp_path)
    name, text = TEXTS[kind]
    head, rows = (
        ([], text.splitlines()) if kind == "beats" else (text.splitlines()[:1], text.splitlines()[1:])
    )
    turned = write(tmp_path / "turned", name, "\n".join([*head, *rows[::-1]]))
    assert judged(kind, right, turned) == judged(kind, right, right)


def test_stems_of_other_lengths_and_rates(judged: Judge, tmp_path: Path) -> None:
    right = stems(tmp_path / "right")
    assert isinstance(judged("stems", right, stems(tmp_path / "little longer", seconds=1.01)), dict)
    assert isinstance(judged("stems", right, stems(tmp_path / "faster", rate=11025)), dict)
    said = judged("stems", right, stems(tmp_path / "long", seconds=10.0))
    assert "10.00 s" in str(said)
    uneven = stems(tmp_path / "uneven", bass=5.0)
    assert "5.00 s" in str(judged("stems", uneven, uneven))


@pytest.mark.parametrize("kind", KINDS)
def test_folders_of_songs(kind: str, judged: Judge, tmp_path: Path) -> None:
    """Figures where each reference has an estimate; else the sentence names what is missing or wrong."""
    sides = tmp_path / "true", tmp_path / "found"
    for side in sides:
        for song in ("one", "two"):
            if kind in TEXTS:
                write(side, f"{song}{Path(TEXTS[kind][0]).suffix}", TEXTS[kind][1])
            else:
                stems(side / song)
    together = judged(kind, *sides)
    assert isinstance(together, dict), together
    assert set(together["songs"]) == {"one", "two"}
    single = sides[1] / "one" if kind == "stems" else next(sides[1].glob("one.*"))
    assert isinstance(judged(kind, sides[0], single), str)
    moved = single.rename(single.with_name("three" + single.suffix))
    assert "one" in str(judged(kind, *sides))
    assert isinstance(judged(kind, sides[0], tmp_path), str)
    moved.rename(single)
    if kind in TEXTS:
        single.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x01")
        assert single.name in str(judged(kind, *sides))
