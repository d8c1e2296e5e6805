import re
import zipfile
from fractions import Fraction
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.scorefile import read_score
from evaluation.scoremodel import Score, unfold
from fullscore.errors import FullscoreError
from notation.musicxml_reader import XmlSyllable
from tests.evaluation.musicxml import attributes, barline, document, lyric, note, write

HALF = Fraction(1, 2)


def read(tmp_path: Path, *parts: list[str]) -> Score:
    return read_score(write(tmp_path / "score.musicxml", *parts))


def table(score: Score) -> list[tuple[float, float, int]]:
    """Onset, duration and pitch of the notes."""
    return [(float(each.onset), float(each.duration), each.pitch) for each in score.notes]


def test_voices_chords_and_changing_divisions(tmp_path: Path) -> None:
    first = [
        attributes(2),
        note("C5", 4),
        note("E5", 4),
        note("G5", 4, "<chord/>"),
        "<backup><duration>8</duration></backup><forward><duration>2</duration></forward>",
        note("C4", 6, voice="2", staff=2),
    ]
    second = [attributes(6), note("D4", 2), note("E4", 2), note("F4", 2), note("r", 18)]
    score = read(tmp_path, ["".join(first), "".join(second)])
    assert table(score) == [
        (0, 2, 72), (1, 3, 60), (2, 2, 76), (2, 2, 79),
        (4, pytest.approx(1 / 3), 62), (pytest.approx(4 + 1 / 3), pytest.approx(1 / 3), 64),
        (pytest.approx(4 + 2 / 3), pytest.approx(1 / 3), 65),
    ]  # fmt: skip
    assert score.notes[5].onset == Fraction(13, 3)
    assert [(each.voice, each.staff, each.bar, each.id) for each in score.notes[:4]] == [
        ("1", 1, 0, 0), ("2", 2, 0, 3), ("1", 1, 0, 1), ("1", 1, 0, 2),
    ]  # fmt: skip


def test_grace_notes_stand_before_their_note_and_cue_hidden_and_unpitched_ones_are_left_out(
    tmp_path: Path,
) -> None:
    bar = (
        attributes()
        + note("C4")
        + note("B5", 1, "<grace/>")
        + note("D4")
        + note("x")
        + note("A4", 1, "<cue/>")
    )
    hidden = note("G4", 4).replace("<note>", '<note print-object="no">')
    score = read(tmp_path, [bar, hidden, note("F4", 4)])
    assert table(score) == [(0, 1, 60), (1, 0, 83), (1, 1, 62), (8, 4, 65)]
    assert [each.grace for each in score.notes] == [False, True, False, False]
    assert [each.id for each in score.notes] == [0, 1, 2, 6]


TIE, TIED, STOP = '<tie type="start"/>', '<notations><tied type="{}"/></notations>', '<tie type="stop"/>'


def test_ties_lead_over_bar_lines_and_into_other_voices(tmp_path: Path) -> None:
    first = attributes() + note("C4", 2) + note("E4", 2, TIE)
    first += "<backup><duration>4</duration></backup>" + note("G4", 4, TIED.format("start"), voice="2")
    second = note("E4", 1, STOP + TIE, voice="2") + note("E4", 2, STOP) + note("r", 1)
    second += "<backup><duration>4</duration></backup>" + note("G4", 1, TIED.format("stop"), voice="3")
    score = read(tmp_path, [first, second])
    assert table(score) == [(0, 2, 60), (0, 5, 67), (2, 5, 64)]
    assert score.notes[2].held == (3, 4)


def test_a_tie_that_begins_another_note_of_that_pitch_is_not_taken(tmp_path: Path) -> None:
    """Two voices hold the same pitch, one of them is tied on."""
    first = attributes(meter="2/4") + note("C4", 2) + "<backup><duration>2</duration></backup>"
    first += note("C4", 2, TIE, voice="2")
    second = note("C4", 2) + "<backup><duration>2</duration></backup>" + note("C4", 2, STOP, voice="2")
    assert table(read(tmp_path, [first, second])) == [(0, 2, 60), (0, 4, 60), (2, 2, 60)]


def test_an_arpeggio_written_out_with_ties_is_struck_once(tmp_path: Path) -> None:
    bar = attributes(4) + note("C4", 1, TIE) + note("E4", 3, TIE) + note("C4", 12, STOP)
    bar += note("E4", 12, "<chord/>" + STOP)
    assert table(read(tmp_path, [bar])) == [(0, 4, 60), (0.25, 3.75, 64)]


def test_a_tie_without_a_beginning_is_a_note(tmp_path: Path) -> None:
    bars = [attributes() + note("C4", 4, TIE), note("r", 4), note("C4", 4, STOP)]
    assert table(read(tmp_path, bars)) == [(0, 4, 60), (8, 4, 60)]


def test_transposing_parts_sound(tmp_path: Path) -> None:
    """A clarinet in B flat with three sharps plays in G; a bass sounds an octave lower."""
    clarinet = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    bass = "<transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose>"
    harmony = "<harmony><root><root-step>D</root-step></root><kind>major</kind></harmony>"
    score = read(
        tmp_path,
        [attributes(fifths=3, more=clarinet) + harmony + note("C#5", 4)],
        [attributes(fifths=1, more=bass) + note("G3", 4)],
    )
    assert [(each.pitch, each.step, each.alter) for each in score.notes] == [(43, "G", 0), (71, "B", 0)]
    assert score.bars[0].fifths == 1
    assert [chord.label for chord in score.chords] == ["C:maj"]


def test_bars_of_all_parts_begin_together(tmp_path: Path) -> None:
    """A pick-up, a part that leaves out its rests, an empty bar, a change of meter and key."""
    change = "<attributes><key><fifths>-2</fifths><mode>minor</mode></key><time><beats>3+2</beats>"
    change += "<beat-type>8</beat-type></time></attributes>"
    upper = [attributes(2, "3/4") + note("C5", 2), note("D5", 6), "", change + note("E5", 5)]
    lower = [attributes(1, "3/4"), note("C3", 1), "", note("D3", 1)]
    score = read(tmp_path, upper, lower)
    assert [(bar.start, bar.length, bar.meter) for bar in score.bars] == [
        (0, 1, "3/4"), (1, 3, "3/4"), (4, 3, "3/4"), (7, 2 + HALF, "5/8"),
    ]  # fmt: skip
    assert [(bar.fifths, bar.mode) for bar in score.bars] == [(0, "")] * 3 + [(-2, "minor")]
    assert table(score) == [(0, 1, 72), (1, 1, 48), (1, 3, 74), (7, 1, 50), (7, 2.5, 76)]
    assert [part.name for part in score.parts] == ["Part 1", "Part 2"]


def test_rests_beyond_the_bar_and_rounded_durations_keep_its_length(tmp_path: Path) -> None:
    first = attributes(480, "2/4") + note("C4", 960) + note("r", 90)
    second = note("D4", 319) + note("E4", 319) + note("F4", 319)
    score = read(tmp_path, [first, second, note("G4", 960)])
    assert [bar.start for bar in score.bars] == [0, 2, 4]


def test_words_of_several_verses(tmp_path: Path) -> None:
    elided = "<lyric><text>glo</text><elision>‿</elision><text>ria</text></lyric>"
    bar = attributes() + note("C4", 1, lyric("Ky", 1, "begin") + lyric("Chri", 2, "begin"))
    bar += (
        note("D4", 1, lyric("rie", 1, "end"))
        + note("E4", 1, elided)
        + note("F4", 1, "<lyric><extend/></lyric>")
    )
    assert [each.syllables for each in read(tmp_path, [bar]).notes] == [
        (XmlSyllable("Ky", "1", "begin"), XmlSyllable("Chri", "2", "begin")),
        (XmlSyllable("rie", "1", "end"),),
        (XmlSyllable("glo ria"),),
        (),
    ]


def chord(root: str, kind: str, more: str = "") -> str:
    step = f"<root-step>{root[0]}</root-step><root-alter>{root.count('#') - root.count('b')}</root-alter>"
    return f"<harmony><root>{step}</root><kind>{kind}</kind>{more}<offset>2</offset></harmony>"


def degree(value: int, alter: int, kind: str) -> str:
    return (
        f"<degree><degree-value>{value}</degree-value><degree-alter>{alter}</degree-alter>"
        f"<degree-type>{kind}</degree-type></degree>"
    )


def bass(step: str) -> str:
    return f"<bass><bass-step>{step}</bass-step></bass>"


@pytest.mark.parametrize(
    ("xml", "label"),
    [
        (chord("Bb", "minor-seventh"), "Bb:min7"),
        (chord("C", "major", bass("E")), "C:maj/3"),
        (chord("D", "dominant", bass("C")), "D:7/b7"),
        (chord("G", "dominant", degree(9, -1, "add")), "G:7(b9)"),
        (chord("G", "dominant", degree(5, 1, "alter")), "G:7(*5,#5)"),
        (chord("C", "major-seventh", degree(3, 0, "subtract")), "C:maj7(*3)"),
        (chord("F#", "augmented-seventh"), "F#:aug(b7)"),
        (chord("C", "major-11th"), "C:maj9(11)"),
        (chord("C", "none"), "N"),
    ],
)
def test_chord_symbols_in_hartes_syntax(tmp_path: Path, xml: str, label: str) -> None:
    from mir_eval.chord import validate_chord_label

    score = read(tmp_path, [attributes(2) + note("C4", 2) + xml + note("D4", 6)])
    assert [(chord.onset, chord.label) for chord in score.chords] == [(2, label)]
    validate_chord_label(label)


def test_seconds_follow_the_tempo(tmp_path: Path) -> None:
    """A dotted quarter = 40 makes 60 quarters a minute; then 120 by the sound, whatever is printed."""
    mark = "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><beat-unit-dot/>"
    mark += "<per-minute>c. 40</per-minute></metronome></direction-type>{}</direction>"
    bars = [
        attributes() + mark.format("") + note("C4", 4),
        mark.format('<sound tempo="120"/>') + note("D4", 4),
    ]
    score = read(tmp_path, bars)
    assert [score.seconds(Fraction(at)) for at in (0, 2, 4, 6)] == [0, 2, 4, 5]
    assert read(tmp_path, [attributes() + note("C4", 4)]).seconds(Fraction(4)) == 2


def test_compressed_and_by_bars(tmp_path: Path) -> None:
    bars = [attributes() + note("C4", 4), note("D4", 4)]
    plain = read(tmp_path, bars, [note("E3", 4), note("F3", 4)])
    with zipfile.ZipFile(tmp_path / "score.mxl", "w") as archive:
        container = '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("s.xml", document(bars, [note("E3", 4), note("F3", 4)]))
    assert read_score(tmp_path / "score.mxl").notes == plain.notes
    timewise = "".join(
        f'<measure><part id="P1">{upper}</part><part id="P2">{lower}</part></measure>'
        for upper, lower in zip(bars, [note("E3", 4), note("F3", 4)], strict=True)
    )
    text = f"<score-timewise><part-list/>{timewise}</score-timewise>"
    (tmp_path / "score.xml").write_text(text, encoding="utf-16")
    assert read_score(tmp_path / "score.xml").notes == plain.notes


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("no XML", "not MusicXML"),
        ("<html/>", "its root is html"),
        (document([attributes() + note("C4", -1)]), "bar 1 .*negative"),
        (document([attributes() + note("C4", 4), note("C4").replace(">1<", ">nan<")]), "in bar 2"),
        (document([attributes(0) + note("C4", 4)]), "divisions"),
        (document([note("C4").replace("<step>C", "<step>H")]), "in bar 1"),
    ],
)
def test_what_is_no_score_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "score.musicxml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FullscoreError, match=reason):
        read_score(path)


def test_a_score_without_notes(tmp_path: Path) -> None:
    score = read(tmp_path)
    assert not score.notes
    assert score.end == 0
    assert unfold(score) == score


# Repeats ----------------------------------------------------------------------------------------


def played(tmp_path: Path, bars: list[str]) -> str:
    """The names of the bars as they are played, each bar being one whole note."""
    names = "CDEFGAB"
    contents = [
        (attributes() if index == 0 else "") + bar.replace("*", note(f"{names[index % 7]}4", 4))
        for index, bar in enumerate(bars)
    ]
    return "".join(each.step for each in unfold(read(tmp_path, contents)).notes)


def words(text: str) -> str:
    return f"<direction><direction-type><words>{text}</words></direction-type></direction>"


def sign(name: str) -> str:
    return f"<direction><direction-type><{name}/></direction-type></direction>"


def sound(what: str) -> str:
    return f"<sound {what}/>"


SEGNO, CODA = sign("segno"), sign("coda")
BACK, FORWARD = barline("right", repeat="backward"), barline("left", repeat="forward")


OPEN = barline("left", ending="1", kind="start")  # no bar says where it ends


def volta(number: str, *, back: bool) -> str:
    stop = barline("right", repeat="backward" if back else "", ending=number, kind="stop")
    return barline("left", ending=number, kind="start") + "*" + stop


@pytest.mark.parametrize(
    ("bars", "order"),
    [
        (["*", "*" + BACK, "*"], "CDCDE"),
        (["*", FORWARD + "*" + BACK, "*" + BACK], "CDDEE"),
        (["*" + barline("right", repeat="backward", times=3), "*"], "CCCD"),
        (["*", volta("1", back=True), volta("2", back=False), "*"], "CDCEF"),
        (["*", OPEN + "*" + BACK, OPEN.replace("1", "2") + "*", "*", FORWARD + "*" + BACK], "CDCEFGG"),
        (["*", volta("1, 2", back=True), volta("3", back=False), "*"], "CDCDCEF"),
        (["*", volta("1", back=True), volta("2", back=True), "*" + BACK], "CDCEFF"),
        (["*", "*" + words("Fine"), "*", "*" + words("D.C. al Fine")], "CDEFCD"),
        (["*", "*" + sound('fine="yes"'), "*", sound('dacapo="yes"') + "*", "*"], "CDEFCD"),
        (["*" + BACK, "*" + words("Fine"), "*" + words("Da Capo al Fine")], "CCDECD"),
        (["*", SEGNO + "*", "*" + words("To Coda"), "*" + words("D.S. al Coda"), CODA + "*"], "CDEFDEG"),
        (["*", SEGNO + "*", "*" + CODA, "*" + sound('dalsegno="s"'), CODA + "*", "*"], "CDEFDEGA"),
        (
            ["*", volta("1", back=True), volta("2", back=False), "*" + words("D.C. al Fine"), "*"],
            "CDCEFCEFG",
        ),
        (["*", "*" + words("D.C."), "*"], "CDCDE"),
        (["*" + words("Fine"), FORWARD + "*" + words("D.C."), "*" + BACK], "CDEDEC"),
        (
            ["*", "*" + words("al Coda"), FORWARD + "*" + BACK, "*" + words("D.C."), CODA + "*" + BACK],
            "CDEEFCDGG",
        ),
    ],
)  # fmt: skip
def test_the_order_of_the_bars(tmp_path: Path, bars: list[str], order: str) -> None:
    assert played(tmp_path, bars) == order


@st.composite
def repeated(draw: st.DrawFn) -> tuple[list[str], list[int]]:
    """Bars with repeats and voltas, and the order in which they are played."""
    bars: list[str] = []
    order: list[int] = []

    def add(count: int) -> list[int]:
        numbers = list(range(len(bars), len(bars) + count))
        for _ in numbers:
            tie = draw(st.sampled_from(["", TIE, STOP, STOP + TIE]))
            length = draw(st.integers(1, 4))
            harmony = f"<harmony><root><root-step>{draw(st.sampled_from('CDEFG'))}</root-step></root>"
            harmony += "<kind>major</kind></harmony>"
            tempo = sound(f'tempo="{draw(st.integers(60, 180))}"')
            bars.append(tempo + harmony + note("C4", length, tie))
        return numbers

    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["plain", "times", "voltas"]))
        body = add(draw(st.integers(1, 3)))
        if kind == "plain":
            order += body
            continue
        bars[body[0]] = FORWARD + bars[body[0]]
        if kind == "times":
            times = draw(st.integers(2, 4))
            bars[body[-1]] += barline("right", repeat="backward", times=times)
            order += body * times
            continue
        count = draw(st.integers(2, 3))
        for number in range(1, count + 1):
            ending = add(draw(st.integers(1, 2)))
            bars[ending[0]] = barline("left", ending=str(number), kind="start") + bars[ending[0]]
            back = "backward" if number < count else ""
            bars[ending[-1]] += barline("right", repeat=back, ending=str(number), kind="stop")
            order += body + ending
    return bars, order


@settings(deadline=None)
@given(repeated())
def test_playing_out_is_writing_out(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[list[str], list[int]]
) -> None:
    bars, order = drawn
    folder = tmp_path_factory.mktemp("unfold")
    score = unfold(read(folder, [attributes() + bars[0], *bars[1:]]))
    plain = [re.sub(r"<barline.*?</barline>", "", bar) for bar in bars]
    written = [plain[index] for index in order]
    by_hand = read(folder, [attributes() + written[0], *written[1:]])
    assert table(score) == table(by_hand)
    assert score.chords == by_hand.chords
    assert [score.seconds(bar.end) for bar in score.bars] == [
        by_hand.seconds(bar.end) for bar in by_hand.bars
    ]
    assert [bar.index for bar in score.bars] == order
    assert not score.has_repeats


def test_each_time_has_its_verse_and_the_tempo_and_chord_of_its_place(tmp_path: Path) -> None:
    harmony = "<harmony><root><root-step>{}</root-step></root><kind>major</kind></harmony>"
    bars = [
        attributes()
        + sound('tempo="60"')
        + harmony.format("C")
        + note("C4", 4, lyric("one") + lyric("two", 2)),
        note("D4", 4, lyric("la")),
        sound('tempo="120"') + harmony.format("G") + note("E4", 4, lyric("fa")) + BACK,
    ]
    score = unfold(read(tmp_path, bars))
    assert [each.syllables[0].text for each in score.notes] == ["one", "la", "fa", "two", "la", "fa"]
    assert [(chord.onset, chord.label) for chord in score.chords] == [
        (0, "C:maj"), (8, "G:maj"), (12, "C:maj"), (20, "G:maj"),
    ]  # fmt: skip
    assert score.seconds(score.end) == 2 * (8 + 2)


def test_a_score_without_chords_and_tempo_has_none_when_played_out(tmp_path: Path) -> None:
    score = unfold(read(tmp_path, [attributes() + note("C4", 4), note("D4", 4) + BACK]))
    assert len(score.notes) == 4
    assert not score.chords
    assert not score.tempos


def test_a_note_held_into_the_bar_after_a_repeat(tmp_path: Path) -> None:
    """It is cut where the repeat leads back, and held the second time."""
    score = unfold(read(tmp_path, [attributes() + note("C4", 4, TIE) + BACK, note("C4", 4, STOP)]))
    assert table(score) == [(0, 4, 60), (4, 8, 60)]


# MIDI -------------------------------------------------------------------------------------------


def midi(path: Path, onsets: list[int]) -> Path:
    """A file in 6/8, in D, at dotted quarter = 60: eighths that are let go early, and a syllable."""
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(
        mido.MidiTrack(
            [
                mido.MetaMessage("time_signature", numerator=6, denominator=8),
                mido.MetaMessage("key_signature", key="D"),
                mido.MetaMessage("set_tempo", tempo=666_667),
            ]
        )
    )
    events = [(onset, 1, mido.Message("note_on", note=62 + i, velocity=80)) for i, onset in enumerate(onsets)]
    events += [(at + 230, 0, mido.Message("note_off", note=62 + i)) for i, at in enumerate(onsets)]
    events.append((onsets[0], 0, mido.MetaMessage("lyrics", text="la-")))
    track = mido.MidiTrack()
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    file.tracks.append(track)
    file.save(path)
    return path


def test_a_midi_file_made_from_a_score(tmp_path: Path) -> None:
    score = read_score(midi(tmp_path / "score.mid", [0, 240, 480, 720, 960, 1200, 1440]))
    assert table(score) == [(i / 2, 0.5, 62 + i) for i in range(7)]
    assert [(bar.start, bar.meter, bar.fifths, bar.mode) for bar in score.bars] == [
        (0, "6/8", 2, "major"), (3, "6/8", 2, "major"),
    ]  # fmt: skip
    assert score.seconds(Fraction(3)) == pytest.approx(2)
    assert {each.step for each in score.notes} == {""}
    assert score.notes[0].syllables == (XmlSyllable("la"),)
    assert score.notes[-1].bar == 1


def test_a_midi_performance_is_refused(tmp_path: Path) -> None:
    path = midi(tmp_path / "played.mid", [17, 251, 503, 701, 977, 1193, 1451])
    with pytest.raises(FullscoreError, match="fullscore notate"):
        read_score(path)


@pytest.mark.data
def test_playing_out_gives_the_notes_that_musescore_played(data: Path) -> None:
    """Beethoven's Op. 31 No. 3, with repeats and voltas, and the MIDI file that was made from it."""
    folder = data / "CPJKU_asap-dataset" / "Beethoven" / "Piano_Sonatas" / "31-2"
    score, midi = unfold(read_score(folder / "xml_score.musicxml")), read_score(folder / "midi_score.mid")
    assert [(each.onset, each.pitch) for each in score.notes] == [
        (each.onset, each.pitch) for each in midi.notes
    ]
