"""The score in the page: what the server gives of it, and in a browser the views with their playback."""

from __future__ import annotations

import io
import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
import soundfile
import verovio

from evaluation.scorefile import read_score
from fullscore.errors import FullscoreError
from lyrics.words import Line, Lyrics, Syllable, Word
from notation import export
from notation.events import Key
from notation.notate import NotationSettings, notate
from pipeline.report import score_time
from separation.audio import SAMPLE_RATE, Audio, write_flac
from tests.evaluation import musicxml
from tests.ui.pages import views_alone
from transcription.beatgrid import BeatGrid
from transcription.notes import Note
from transcription.notes_io import write_notes_json
from ui.jobs import Jobs
from ui.score_data import TRANSPOSITIONS, score_view, written_notes
from ui.server import create, served
from ui.synth import played_notes, score_audio
from ui.tracks import PIECE_S, NoSuchPieceError, piece_of, track_list

# A quarter of pick-up, then two bars; the second beat of the first bar is held.
BEATS = (1.0, 1.5, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0)
GRID = BeatGrid(BEATS, (4, 1, 2, 3, 4, 1, 2, 3, 4, 1))
EVIL = '<script>alert(1)</script> & <img src=x onerror="alert(2)">'
DURATION_S = 7.0
NOTES = (
    Note(1.0, 1.5, 67, stem="vocals"),  # the pick-up
    Note(1.5, 3.0, 72, stem="vocals"),  # two beats, the second of which takes a second
    Note(3.02, 3.5, 71, confidence=0.2, stem="vocals"),
    Note(3.5, 5.0, 69, stem="vocals"),  # tied over the bar line
    Note(5.0, 6.0, 67, stem="vocals"),
    Note(1.5, 4.0, 48, stem="bass"),
    Note(4.0, 5.98, 43, confidence=0.3, stem="bass"),
    *(Note(beat, beat + 0.1, 36, stem="drums") for beat in BEATS[1:9:2]),
    *(Note(beat, beat + 0.1, 40, confidence=0.5, stem="drums") for beat in BEATS[2:9:2]),
)


def make(folder: Path, title: str = "Tune", word: str = "la", played: tuple[Note, ...] = NOTES) -> Path:
    """A song's folder as a run leaves it, so far as the view reads it."""
    folder.mkdir()
    lines = (Line((Word(word, (Syllable(word, 1.0, 1.5),)),)),) if word else ()
    score = notate(played, GRID, Lyrics(lines), NotationSettings(key=Key("C")), title, title)
    export.write_musicxml(score, folder / "score.musicxml")
    export.write_midi(score, folder / "score.mid")
    write_notes_json(played, folder / "notes.json")
    report = {
        "song": {"title": title, "duration": DURATION_S},
        "parts": [part.stem for part in score.parts],
        "score_time": score_time(score),
    }
    (folder / "report.json").write_text(json.dumps(report))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("songs") / "made")


def starts_of(view: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Part, name and start of each note that was heard."""
    return [(note["part"], note["name"], note["start"]) for note in view["notes"].values()]


def signatures(view: dict[str, Any]) -> list[int]:
    """How many signs each staff's key signature has, on the first page."""
    root = ET.fromstring(view["pages"][0])
    first = [group for group in root.iter() if "keySig" in (group.get("class") or "").split()]
    return [sum(part.get("class") == "keyAccid" for part in group.iter()) for group in first]


# Times


def test_notes_are_at_the_times_at_which_the_recording_plays_them(made: Path) -> None:
    voice = [(name, start) for part, name, start in starts_of(score_view(made)) if part == "Voice"]
    assert voice == [("G4", 1.0), ("C5", 1.5), ("B4", 3.0), ("A4", 3.5), ("G4", 5.0)]
    bass = [(name, start) for part, name, start in starts_of(score_view(made)) if part == "Bass"]
    # Written an octave higher than it sounds.
    assert bass == [("C4", 1.5), ("G3", 4.0)]


def test_bars_are_at_the_times_of_their_downbeats(made: Path) -> None:
    bars = score_view(made)["bars"]
    assert [bar["number"] for bar in bars] == ["0", "1", "2"]
    assert [bar["start"] for bar in bars] == [1.0, 1.5, 4.0]
    assert bars[-1]["end"] == pytest.approx(6.0, abs=0.6)  # as long as the pick-up leaves it


def test_a_tied_note_is_lit_as_a_whole(made: Path) -> None:
    view = score_view(made, parts=["vocals"])
    tied = next(moment for moment in view["timemap"] if moment["start"] == 3.5)
    assert len(tied["ids"]) == 2
    assert tied["end"] == 5.0


def test_times_agree_with_the_timemap_of_verovio(made: Path) -> None:
    view = score_view(made)
    beats = json.loads((made / "report.json").read_text())["score_time"]
    root = ET.parse(made / "score.musicxml").getroot()
    for number, note in enumerate(root.iter("note")):
        note.set("id", f"n{number}")
    toolkit = verovio.toolkit()
    toolkit.loadData(ET.tostring(root, encoding="unicode"))
    own = {id: moment["start"] for moment in view["timemap"] for id in moment["ids"][:1]}
    compared = 0
    for moment in toolkit.renderToTimemap({}):
        for id in moment.get("on", ()):
            if id in own:
                at = np.interp(moment["qstamp"], beats["quarters"], beats["seconds"])
                assert own[id] == pytest.approx(at, abs=0.002)
                compared += 1
    assert compared > 8


def test_notes_are_read_as_evaluation_reads_them(made: Path) -> None:
    root = ET.parse(made / "score.musicxml").getroot()
    bars, notes = written_notes(root)
    score = read_score(made / "score.musicxml")
    assert sorted((note.onset, note.end, note.pitch) for note in notes if note.name) == sorted(
        (note.onset, note.end, note.pitch) for note in score.notes
    )
    assert [(start, end) for _, start, end in bars] == [(bar.start, bar.end) for bar in score.bars]


def test_a_note_tied_into_another_voice_is_one_note() -> None:
    rest, begun = musicxml.note("r", 2), musicxml.note("C4", 2, '<tie type="start"/>', voice="2")
    held = musicxml.note("C4", 4, '<tie type="stop"/>', voice="1")
    score = musicxml.document([musicxml.attributes() + rest + begun, held])
    _, (note,) = written_notes(ET.fromstring(score))
    assert (note.ids, note.onset, note.end, note.name) == (("n1", "n2"), 2, 8, (0, 0, 4))


# Doubtful notes


def test_doubtful_notes_are_those_of_little_confidence_and_can_be_found_on_the_page(made: Path) -> None:
    view = score_view(made)
    doubtful = [view["notes"][id] for id in view["uncertain"]]
    assert {(note["stem"], note["pitch"]) for note in doubtful} == {
        ("vocals", 71),
        ("bass", 43),
        ("drums", 40),
    }
    voice = next(note for note in doubtful if note["stem"] == "vocals")
    assert (voice["bar"], voice["part"], voice["name"], voice["confidence"]) == ("1", "Voice", "B4", 0.2)
    assert voice["onset"] == 3.02  # as in notes.json, by which an edit finds it
    for note in view["notes"].values():
        for id in note["ids"]:
            assert sum(f'id="{id}"' in page for page in view["pages"]) == 1


# Transposition and parts


@pytest.mark.parametrize(
    ("instrument", "names", "signs"),
    [
        ("concert", ["G4", "C5", "B4", "A4", "G4"], 0),
        ("B flat", ["A4", "D5", "C♯5", "B4", "A4"], 2),
        ("E flat", ["E5", "A5", "G♯5", "F♯5", "E5"], 3),
        ("F", ["D5", "G5", "F♯5", "E5", "D5"], 1),
    ],
)
def test_a_player_of_another_instrument_reads_it_transposed(
    made: Path, instrument: str, names: list[str], signs: int
) -> None:
    view = score_view(made, transpose=instrument)
    assert [name for part, name, _ in starts_of(view) if part == "Voice"] == names
    assert max(signatures(view), default=0) == signs
    assert sum(count > 0 for count in signatures(view)) in (0, 2)  # voice and bass, never the drums
    assert [note["start"] for note in view["notes"].values()] == [
        note["start"] for note in score_view(made)["notes"].values()
    ]


def test_the_names_of_transposed_notes_are_those_that_are_engraved(made: Path) -> None:
    for instrument, interval in TRANSPOSITIONS.items():
        root = ET.parse(made / "score.musicxml").getroot()
        for number, note in enumerate(root.iter("note")):
            note.set("id", f"n{number}")
        toolkit = verovio.toolkit()
        toolkit.setOptions({"transpose": interval})
        toolkit.loadData(ET.tostring(root, encoding="unicode"))
        for id, note in score_view(made, transpose=instrument)["notes"].items():
            if note["stem"] != "drums":
                engraved = toolkit.getElementAttr(id)
                assert (note["name"][0], note["name"][-1]) == (engraved["pname"].upper(), engraved["oct"])


def test_hidden_parts_are_not_engraved_and_what_stands_over_the_score_stays(made: Path) -> None:
    whole, bass = score_view(made), score_view(made, parts=["bass", "drums"])
    assert [part["shown"] for part in bass["parts"]] == [False, True, True]
    assert {note["part"] for note in bass["notes"].values()} == {"Bass", "Drums"}
    text = "".join(bass["pages"])
    assert "Bass" in text
    assert "Voice" not in text
    for sign in ("tempo", "harm"):
        count = "".join(whole["pages"]).count(f'class="{sign}"')
        assert text.count(f'class="{sign}"') == count > 0
    lit = {id for moment in bass["timemap"] for id in moment["ids"]}
    assert lit == {id for id in lit if f'id="{id}"' in text}


def test_narrow_pages_hold_less_and_all_notes_are_on_some_page(made: Path) -> None:
    narrow, wide = score_view(made, width=300), score_view(made, width=1200)
    for view, width in ((narrow, 300), (wide, 1200)):
        box = re.search(r'viewBox="0 0 (\d+)', view["pages"][0])
        assert box is not None
        assert int(box[1]) == pytest.approx(width, abs=2)
    assert sum(page.count('class="system"') for page in narrow["pages"]) > 1
    assert narrow["timemap"] == wide["timemap"]


# Safety


def test_markup_in_titles_and_words_stays_text(tmp_path: Path) -> None:
    view = score_view(make(tmp_path / "made", title=EVIL, word='<script>alert("x")</script>'))
    for page in view["pages"]:
        tags = [element.tag.rpartition("}")[2].lower() for element in ET.fromstring(page).iter()]
        assert not {"script", "img", "foreignobject", "a", "iframe"} & set(tags)
        names = {name.lower() for element in ET.fromstring(page).iter() for name in element.attrib}
        assert not [name for name in names if name.startswith("on")]
    assert "alert(&quot;x&quot;)" in "".join(view["pages"]) or 'alert("x")' in "".join(view["pages"])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"parts": ["../secret"]}, "vocals, bass, drums"),
        ({"parts": []}, "vocals, bass, drums"),
        ({"transpose": "G"}, "B flat"),
    ],
)
def test_what_cannot_be_shown_is_told(made: Path, given: dict[str, Any], told: str) -> None:
    with pytest.raises(FullscoreError, match=told):
        score_view(made, **given)


def test_a_song_without_a_score_is_told(tmp_path: Path) -> None:
    with pytest.raises(FullscoreError, match="no finished score"):
        score_view(tmp_path)


def test_a_score_of_rests_is_shown_and_silent(tmp_path: Path) -> None:
    made = make(tmp_path / "made", word="", played=())
    view = score_view(made)
    assert view["timemap"] == view["uncertain"] == []
    assert len(view["parts"]) == 1
    assert not soundfile.read(score_audio(made))[0].any()


# Sound


def test_the_score_sounds_when_the_recording_plays_it(made: Path) -> None:
    played = {(note.pitch, round(note.onset, 2)) for note in played_notes(made) if note.program is not None}
    assert played == {(67, 1.0), (72, 1.5), (71, 3.0), (69, 3.5), (67, 5.0), (48, 1.5), (43, 4.0)}
    path = score_audio(made)
    sound, rate = soundfile.read(path)
    assert len(sound) == DURATION_S * rate
    assert np.abs(sound).max() == pytest.approx(0.7, abs=0.01)
    assert not sound[: int(0.99 * rate)].any()
    assert np.abs(sound[int(1.0 * rate) : int(1.03 * rate)]).max() > 0.02
    assert path == score_audio(made)  # kept
    assert path.parent.name not in json.loads((made / "report.json").read_text())


def test_the_sound_of_a_changed_score_is_made_anew(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    shutil.copytree(made, folder)
    before = score_audio(folder)
    report = json.loads((folder / "report.json").read_text())
    report["score_time"]["seconds"] = [second + 0.5 for second in report["score_time"]["seconds"]]
    (folder / "report.json").write_text(json.dumps(report))
    after = score_audio(folder)
    assert after != before
    assert not before.exists()


def test_pieces_join_to_the_track(made: Path, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (2, int(2.4 * PIECE_S * SAMPLE_RATE)))
    write_flac(Audio(samples.astype(np.float32), SAMPLE_RATE), tmp_path / "song.flac")
    pieces = []
    for number in range(3):
        (tmp_path / "piece.flac").write_bytes(piece_of(tmp_path / "song.flac", number))
        pieces.append(soundfile.read(tmp_path / "piece.flac")[0])
    assert [len(piece) for piece in pieces[:2]] == [PIECE_S * SAMPLE_RATE] * 2
    np.testing.assert_allclose(np.concatenate(pieces).T, samples, atol=2**-15)
    for number in (-1, 3, 10**9):
        with pytest.raises(NoSuchPieceError):
            piece_of(tmp_path / "song.flac", number)
    listed = track_list(tmp_path / "song.flac", made)
    assert [track["name"] for track in listed["tracks"]] == ["song", "score"]
    assert listed["duration"] == pytest.approx(2.4 * PIECE_S, abs=1e-4)


def test_pieces_of_known_tracks_are_served(results: tuple[Path, str]) -> None:
    folder, id = results
    with Jobs(folder) as jobs, gr.Blocks() as blocks, served(create(jobs, blocks)) as address:
        songs = f"{address}/songs/{id}"
        listed = httpx.get(f"{songs}/tracks.json").json()
        assert [track["name"] for track in listed["tracks"]] == ["song", "score"]
        sound, rate = soundfile.read(io.BytesIO(httpx.get(f"{songs}/audio/song/0").content))
        assert (rate, len(sound)) == (SAMPLE_RATE, round(listed["duration"] * SAMPLE_RATE))
        for missing in ("song/1", "song/-1", "violin/0", "..%2Fscore/0"):
            assert httpx.get(f"{songs}/audio/{missing}").status_code == 404
        assert httpx.get(f"{address}/songs/{'x' * 32}/tracks.json").status_code == 404


# In a browser

DOUBTFUL = 0.1  # confidence of one of the notes
PAGE = """<!doctype html><html lang="en"><title>Views</title><body>
<script type="module" src="/fullscore/score.js"></script>
<script type="module" src="/fullscore/mixer.js"></script>
<fs-score song="{id}"></fs-score><fs-mixer song="{id}"></fs-mixer>"""
# What each track puts out, caught side by side before it is mixed.
CATCH = """
const connect = AudioNode.prototype.connect;
window.caught = [];
AudioNode.prototype.connect = function (to, ...more) {
  if (to instanceof AudioDestinationNode && this instanceof GainNode) {
    if (!window.tap) {
      window.taps = 0;
      window.merger = new ChannelMergerNode(this.context, { numberOfInputs: 2 });
      window.tap = this.context.createScriptProcessor(4096, 2, 1);
      tap.onaudioprocess = (event) =>
        caught.push([0, 1].map((number) => Array.from(event.inputBuffer.getChannelData(number))));
      connect.call(merger, tap);
      connect.call(tap, this.context.destination);
    }
    connect.call(this, merger, 0, taps++);
  }
  return connect.call(this, to, ...more);
};"""


@pytest.fixture
def views(results: tuple[Path, str], request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page with the score and the mixer of a finished song, which meets no errors."""
    folder, id = results
    heard = folder / id / "made/notes.json"
    notes = json.loads(heard.read_text())
    notes["notes"][1]["confidence"] = DOUBTFUL
    heard.write_text(json.dumps(notes))
    width = getattr(request, "param", 1280)
    with views_alone(results, PAGE, "**/score.json*", ["fs-score g.note"], width, CATCH) as page:
        yield page


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("views", [1280, 390], indirect=True)
def test_the_score_follows_the_playback_and_a_click_seeks(views: Any) -> None:
    from playwright.sync_api import expect

    page = views
    page.locator("fs-score .play").click()
    expect(page.locator("fs-score g.lit").first).to_be_visible(timeout=20_000)
    first = page.locator("fs-score g.lit").first.get_attribute("id")
    page.wait_for_function(
        "id => document.querySelector('fs-score').shadowRoot.querySelector('g.lit:not(#' + id + ')')",
        arg=first,
    )
    page.locator("fs-score .play").click()
    assert not page.evaluate("player.playing")
    times = page.evaluate(
        "async id => Object.fromEntries((await (await fetch(`/songs/${id}/score.json`)).json())"
        ".timemap.flatMap(moment => moment.ids.map(id => [id, moment.start])))",
        page.evaluate("player.id"),
    )
    note = page.locator("fs-score g.note .notehead").nth(4)
    note.click(force=True)
    id = note.evaluate("head => head.closest('g.note').id")
    assert page.evaluate("player.time") == pytest.approx(times[id], abs=0.001)
    assert page.locator(f"fs-score g.note#{id}.lit").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
@pytest.mark.slow
def test_what_changed_while_the_score_was_out_of_sight_is_shown(views: Any) -> None:
    page = views
    page.evaluate(
        """async () => {
          const score = document.querySelector("fs-score");
          score.style.display = "none";
          await new Promise(requestAnimationFrame);
          document.dispatchEvent(new CustomEvent("fs-changed", { detail: { song: player.id } }));
          await new Promise((then) => setTimeout(then, 100));
          window.anew = new Promise((then) => score.addEventListener("fs-shown", then));
          score.style.display = "";
        }"""
    )
    page.evaluate("Promise.race([anew, new Promise((_, fail) => setTimeout(fail, 5000, new Error(1)))])")


@pytest.mark.browser
@pytest.mark.slow
def test_the_score_is_transposed_zoomed_and_played_by_keys(views: Any) -> None:
    from playwright.sync_api import expect

    page = views
    edits = page.evaluate_handle(
        "() => { const edits = [];"
        " document.addEventListener('fs-edit', event => edits.push(event.detail)); return edits }"
    )
    before = page.locator("fs-score svg").first.evaluate("page => page.outerHTML")
    page.locator("fs-score select").select_option("E flat")
    page.wait_for_function(
        "svg => document.querySelector('fs-score').shadowRoot.querySelector('.page svg').outerHTML !== svg",
        arg=before,
    )
    page.locator("fs-score .paper").focus()
    page.keyboard.press("+")
    expect(page.locator("fs-score .zoom")).to_have_text("125 %")
    page.keyboard.press(" ")
    page.wait_for_function("player.playing")
    page.keyboard.press(" ")
    assert not page.evaluate("player.playing")
    expect(page.locator("fs-score .count")).to_have_text("1 doubtful note")
    page.keyboard.press("n")
    expect(page.locator("fs-score span.chosen")).to_contain_text(f"{DOUBTFUL:.0%}".replace("%", " % sure"))
    selected = page.evaluate("player.time")
    for action in ("keep", "delete"):
        page.locator(f"fs-score .{action}").click()
    kept, deleted = edits.json_value()
    assert kept == {**deleted, "to": deleted["pitch"]}
    assert (deleted["kind"], deleted["to"], deleted["stem"]) == ("note", None, "mix")
    assert deleted["onset"] == pytest.approx(selected, abs=0.05)


@pytest.mark.browser
@pytest.mark.slow
def test_tracks_keep_together_and_are_muted_alone(views: Any) -> None:
    page = views
    rows = page.locator("fs-mixer li .name").all_text_contents()
    assert rows == ["Recording", "Score, synthesised"]
    page.evaluate("player.seek(0)")
    page.get_by_role("button", name="Mute Score, synthesised").click()
    page.locator("fs-mixer .play").click()
    page.wait_for_function("caught.length > 20", timeout=30_000)
    page.evaluate("player.pause()")
    recording, score = np.array(page.evaluate("caught")).transpose(1, 0, 2).reshape(2, -1)
    assert (np.abs(recording).max() > 0.01, np.abs(score).max() > 0.01) == (True, True)
    # The loudness of both moves together: the score sounds the tones of the recording.
    blocks = [
        np.sqrt((track[: len(track) // 441 * 441].reshape(-1, 441) ** 2).mean(1))
        for track in (recording, score)
    ]
    rises = [np.maximum(np.diff(np.log(block + 1e-3)), 0) for block in blocks]
    lag = int(np.argmax(np.correlate(rises[0], rises[1], "full"))) - (len(rises[1]) - 1)
    assert abs(lag) <= 4  # in hundredths of a second
    page.get_by_role("button", name="Solo Score, synthesised").click()
    assert page.evaluate("player.tracks.map(track => [track.name, track.muted, track.soloed])") == [
        ["song", False, False],
        ["score", False, True],
    ]
    page.get_by_role("slider", name="Level of Recording").fill("0.5")
    assert page.evaluate("player.tracks[0].level") == 0.5
