from __future__ import annotations

import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import mido
import pretty_midi
import pytest
from music21 import converter

from benchmarks.readback import MUSESCORE, by_musescore, by_music21, by_verovio, compare, in_file
from fullscore.errors import FullscoreError
from notation.events import ChordSymbol, Key
from notation.export import (
    engrave,
    write_midi,
    write_musicxml,
    write_pdf,
    write_performance,
    write_svgs,
)
from notation.page import NotatedScore
from notation.score import build_score
from notation.underlay import underlay
from tests.notation.builders import bars, lyrics, part, written
from transcription.notes import Note

TITLE, ARTIST = 'Tom & "Jerry" <3 \\ 日本 🎵', "Ünïcode & Söhne"


def song() -> NotatedScore:
    """Eight bars and an upbeat for voice, piano, bass and drums, with what is hard to read in them."""
    laid = bars(8, pick_up="1")
    tune = [("0", "1/2", 67), ("1/2", "1/2", 69), ("1", "1", 72), ("2", "3/2", 76), ("7/2", "1/2", 74)]
    tune += [("4", "5", 72), ("9", "2/3", 67), ("29/3", "2/3", 69), ("31/3", "2/3", 70), ("11", "2", 73)]
    tune += [("13", "0", 71), ("13", "7/2", 72), ("20", "1/3", 72), ("61/3", "2/3", 71), ("21", "8", 72)]
    voice = written(tune)
    words = lyrics("Oh & so <we>", "be|gin “it” 日|本 a|gain, my dar|ling", every=0.6)
    chords = [(str(1 + 4 * i), "3/2", p) for i in range(8) for p in (60, 64, 67)]
    moving = [(str(Fraction(5, 2) + 4 * i), "5/2", p) for i in range(7) for p in (62, 65)]
    low = [(str(1 + 4 * i), "4", 48 - i) for i in range(8)]
    piano = written(chords + moving, "piano") + written([("1", "2", 55), ("3", "2", 57)], "piano", 1, 2)
    piano += written(low, "piano", 2)
    bass = written([(str(1 + 2 * i), "3/2", 28 + i) for i in range(16)], "bass")
    hats = [(str(1 + Fraction(i, 2)), "1/2", 42) for i in range(64)]
    drums = hats + [(str(1 + 2 * i), "1/2", (36, 38)[i % 2]) for i in range(16)] + [("1", "1/2", 49)]
    parts = [
        part("vocals", voice, sung=underlay(words, voice)),
        part("piano", piano, staves=2),
        part("bass", bass),
        part("drums", written(drums, "drums")),
    ]
    symbols = [ChordSymbol(Fraction(1), "Bb", "maj7"), ChordSymbol(Fraction(5), "F#", "dim")]
    return build_score(parts, laid, Key("Bb"), 96.0, symbols, TITLE, ARTIST)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("song")
    write_musicxml(song(), folder / "score.musicxml")
    write_midi(song(), folder / "score.mid")
    return folder


def sung_in(path: Path) -> list[tuple[str, str]]:
    """Syllabic and text of every syllable, those joined on one note too."""
    return [
        (syllabic.text or "", text.text or "")
        for lyric in ET.parse(path).getroot().iter("lyric")
        for syllabic, text in zip(lyric.findall("syllabic"), lyric.findall("text"), strict=True)
    ]


def test_the_same_score_is_the_same_file(files: Path, tmp_path: Path) -> None:
    score = song()
    for name in ("one.musicxml", "two.musicxml"):
        write_musicxml(score, tmp_path / name)
        assert (tmp_path / name).read_bytes() == (files / "score.musicxml").read_bytes()
    write_midi(score, tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == (files / "score.mid").read_bytes()


def test_the_header_says_what_it_should_and_nothing_else(files: Path) -> None:
    root = ET.parse(files / "score.musicxml").getroot()
    assert root.get("version") == "4.0"
    assert root.findtext("work/work-title") == TITLE
    assert [c.text for c in root.findall("identification/creator")] == [ARTIST]
    assert root.findtext("identification/encoding/software") == "Fullscore"
    assert "music21" not in (files / "score.musicxml").read_text().lower()


def test_without_a_title_there_is_none(tmp_path: Path) -> None:
    score = build_score([], bars(1), Key("C"), 120.0)
    write_musicxml(score, tmp_path / "score.musicxml")
    text = (tmp_path / "score.musicxml").read_text()
    assert "title" not in text
    assert "creator" not in text
    assert in_file(tmp_path / "score.musicxml").faults == []


def test_control_characters_in_a_title_do_no_harm(tmp_path: Path) -> None:
    score = build_score([], bars(1), Key("C"), 120.0, title="a\x00b\x1bc")
    write_musicxml(score, tmp_path / "score.musicxml")
    assert ET.parse(tmp_path / "score.musicxml").getroot().findtext("work/work-title") == "abc"


def test_bars_are_full_and_readers_find_the_same_notes(files: Path) -> None:
    path = files / "score.musicxml"
    contents = in_file(path)
    score = song()
    expected = {(n.onset, n.pitch) for p in score.parts for n in p.notes if n.duration > 0}
    assert contents.pitched | contents.drums == expected
    assert contents.faults == []
    assert compare(contents.pitched, contents.graces, by_music21(path)) == (0, 0)
    assert compare(expected, contents.graces, by_verovio(path)) == (0, 0)


@pytest.mark.skipif(MUSESCORE is None, reason="MuseScore is not installed")
def test_musescore_opens_it_without_repair(files: Path) -> None:
    contents = in_file(files / "score.musicxml")
    read, complaints = by_musescore(files / "score.musicxml")
    assert complaints == []
    assert compare(contents.pitched | contents.drums, contents.graces, read) == (0, 0)


def test_lyrics_read_back_in_order(files: Path) -> None:
    texts = ["Oh", "&", "so", "<we>", "be", "gin", "“it”", "日", "本", "a", "gain,", "my", "dar", "ling"]
    assert [text for _, text in sung_in(files / "score.musicxml")] == texts
    score = converter.parse(files / "score.musicxml", forceSource=True)
    read = [
        component.text
        for n in score.parts[0].flatten().notes
        for lyric in n.lyrics
        for component in lyric.components or [lyric]
    ]
    assert read == texts


def test_hyphens_and_extenders(files: Path) -> None:
    found = sung_in(files / "score.musicxml")
    assert found[4:6] == [("begin", "be"), ("end", "gin")]
    extended = [
        (lyric.findtext("text"), lyric.findall("syllabic")[-1].text)
        for lyric in ET.parse(files / "score.musicxml").getroot().iter("lyric")
        if lyric.find("extend") is not None
    ]
    assert extended[0] == ("Oh", "single")  # held over the second note of the upbeat
    assert {syllabic for _, syllabic in extended} <= {"single", "end"}


def test_drums_are_named_and_on_channel_10(files: Path) -> None:
    root = ET.parse(files / "score.musicxml").getroot()
    drums = next(e for e in root.iter("score-part") if e.findtext("part-name") == "Drums")
    players = {e.get("id"): e for e in drums.iter("midi-instrument")}
    assert {int(e.findtext("midi-unpitched", "0")) - 1 for e in players.values()} == {36, 38, 42, 49}
    assert {e.findtext("midi-channel") for e in players.values()} == {"10"}
    used = {e.get("id") for e in root.iter("instrument") if e.get("id") in players}
    assert used == set(players)


def test_the_written_midi_has_the_written_notes(files: Path) -> None:
    file = mido.MidiFile(files / "score.mid")
    assert [track.name for track in file.tracks[1:]] == ["vocals", "piano", "bass", "drums"]
    midi = pretty_midi.PrettyMIDI(str(files / "score.mid"))
    assert midi.get_tempo_changes()[1].tolist() == pytest.approx([96.0])
    assert (midi.time_signature_changes[0].numerator, midi.time_signature_changes[0].denominator) == (4, 4)
    bass = midi.instruments[2]
    assert [(n.start, n.pitch) for n in bass.notes[:2]] == [
        (pytest.approx(60 / 96), 28),
        (pytest.approx(3 * 60 / 96), 29),
    ]
    assert midi.instruments[3].is_drum
    assert [lyric.text.encode("latin-1").decode() for lyric in midi.lyrics[:4]] == ["Oh", "&", "so", "<we>"]


def test_a_performance_keeps_times_velocities_and_bends(tmp_path: Path) -> None:
    heard = [
        Note(0.1234, 0.5678, 60, 77, stem="vocals", bends=(0.0, 0.5, -1.0, 5.0)),
        Note(1.0, 1.0004, 62, 1, stem="vocals"),
        Note(0.25, 0.3, 36, 127, stem="drums"),
        Note(3600.0, 3601.5, 40, stem="bass"),
    ]
    write_performance(heard, tmp_path / "performance.mid")
    midi = pretty_midi.PrettyMIDI(str(tmp_path / "performance.mid"))
    by_name = {instrument.name: instrument for instrument in midi.instruments}
    assert list(by_name) == ["vocals", "bass", "drums"]
    first, second = by_name["vocals"].notes
    assert (first.start, first.end, first.velocity) == (pytest.approx(0.123), pytest.approx(0.568), 77)
    assert second.end > second.start
    assert by_name["drums"].is_drum
    assert by_name["bass"].notes[0].start == pytest.approx(3600.0)
    wheel = [bend.pitch for bend in by_name["vocals"].pitch_bends]
    assert wheel == [0, 2048, -4096, 8191, 0]
    controls = [(c.number, c.value) for c in by_name["vocals"].control_changes]
    assert controls == [(101, 0), (100, 0), (6, 2), (38, 0), (101, 127), (100, 127)]
    assert by_name["bass"].control_changes == []


def test_a_performance_without_notes(tmp_path: Path) -> None:
    write_performance([], tmp_path / "performance.mid")
    assert pretty_midi.PrettyMIDI(str(tmp_path / "performance.mid")).instruments == []


def test_pages(files: Path, tmp_path: Path) -> None:
    pages = engrave(files / "score.musicxml")
    assert engrave(files / "score.musicxml") == pages
    root = ET.fromstring(pages[0])
    assert (root.get("width"), root.get("height")) == ("2100px", "2970px")
    text = "".join(root.itertext())
    assert TITLE in text
    assert ARTIST in text
    (tmp_path / "score-009.svg").write_text("left over from a longer score")
    names = [path.name for path in write_svgs(pages, tmp_path)]
    assert names == [f"score-{i:03d}.svg" for i in range(1, len(pages) + 1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_pages_are_the_same_from_any_thread(files: Path) -> None:
    """The page engraves in a thread for each song; verovio keeps its resources by thread."""
    here = engrave(files / "score.musicxml")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(engrave, files / "score.musicxml").result() == here


def test_the_pdf_has_every_page_with_its_fonts(files: Path, tmp_path: Path) -> None:
    pages = engrave(files / "score.musicxml")
    write_pdf(pages, tmp_path / "score.pdf", TITLE)
    document = (tmp_path / "score.pdf").read_bytes()
    assert document.startswith(b"%PDF")
    assert document.count(b"/Type /Page\n") + document.count(b"/Type/Page/") == len(pages)
    assert b"Leipzig" in document  # the music font, for the notes within text


def test_bar_numbers_at_the_left_edge_are_in_the_pdf_too(tmp_path: Path) -> None:
    """Where no name stands before the staff, verovio writes no position for what is at 0."""
    score = build_score([part("piano", written([("0", "4", 60)], "piano"))], bars(40), Key("C"), 120.0)
    write_musicxml(score, tmp_path / "score.musicxml")
    write_pdf(engrave(tmp_path / "score.musicxml"), tmp_path / "score.pdf")
    assert (tmp_path / "score.pdf").read_bytes().startswith(b"%PDF")


def test_a_file_that_is_no_score_is_named(tmp_path: Path) -> None:
    (tmp_path / "score.musicxml").write_text("no score")
    with pytest.raises(FullscoreError, match=r"score\.musicxml"):
        engrave(tmp_path / "score.musicxml")
