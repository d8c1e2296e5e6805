"""The piano roll and the lyrics in the page: what the server gives of a song, and in a browser the views."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from PIL import Image

from fullscore.errors import FullscoreError
from lyrics.words import Line, Lyrics, Syllable, Word
from pipeline.corrections import Corrections, History, write_history
from tests.ui.pages import views_alone
from transcription.notes import Note
from transcription.notes_io import write_notes_json
from ui.roll_data import (
    BANDS,
    BINS,
    COLUMN_RATE,
    HIGHEST,
    LOWEST,
    RATE,
    STRIP,
    as_png,
    levels,
    lyrics,
    roll,
    sound_of_file,
    spectrogram,
    thinned,
)

SAMPLE_RATE = 44100
DURATION_S = 4.0
EVIL = '<img/src=x/onerror="window.harmed=1">'
NOTES = (
    Note(0.5, 0.6, 36, stem="drums"),
    Note(0.500001, 1.5, 69, velocity=90, confidence=0.9, bends=(0.0, 0.5, 1.0), stem="vocals"),
    Note(1.0, 1.1, 42, stem="drums"),
    Note(2.0, 2.5, 60, confidence=0.2, bends=(0.01,) * 30, stem="vocals"),
)
BEATS = {"times": [0.5, 1.0, 1.5, 2.0, 2.5], "numbers": [4, 1, 2, 3, 4]}


def tone(pitch: float, seconds: float, rate: int = RATE) -> npt.NDArray[np.float32]:
    time = np.arange(round(seconds * rate)) / rate
    return np.asarray(0.3 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time), np.float32)


def sheet(*rows: str) -> Lyrics:
    """Lyrics of so many lines, a section each, their words half a second long."""
    lines = []
    for number, row in enumerate(rows):
        starts = [2.0 * number + 0.5 * index for index in range(len(row.split()))]
        words = zip(row.split(), starts, strict=True)
        line = tuple(Word(text, (Syllable(text, start, start + 0.5),)) for text, start in words)
        lines.append(Line(line, starts_section=True))
    return Lyrics(tuple(lines), "en")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A song's folder as a run leaves it, so far as the views read it."""
    folder = tmp_path / "made"
    (folder / "stems").mkdir(parents=True)
    (folder / ".stages").mkdir()
    for stem, pitch in (("vocals", 69), ("drums", 40)):
        stereo = np.stack([tone(pitch, DURATION_S, SAMPLE_RATE)] * 2, axis=1)
        soundfile.write(folder / "stems" / f"{stem}.flac", stereo, SAMPLE_RATE)
    write_notes_json(NOTES, folder / "notes.json")
    for stage, result in (("lyrics", asdict(sheet(f"la {EVIL}", "lu"))), ("beats", BEATS)):
        (folder / ".stages" / f"{stage}.json").write_text(json.dumps({"result": result}))
    return folder


# Notes


def test_the_notes_of_a_stem_are_as_an_edit_names_them(made: Path) -> None:
    found = roll(made, "vocals")
    heard = json.loads((made / "notes.json").read_text())["notes"]
    names = [(note["onset"], note["pitch"]) for note in heard if note["stem"] == "vocals"]
    assert [(note["onset"], note["pitch"]) for note in found["notes"]] == names
    assert (found["lowest"], found["highest"], found["duration"]) == (60, 69, DURATION_S)
    assert [note["uncertain"] for note in found["notes"]] == [False, True]
    assert found["lanes"] is None


def test_drums_have_a_lane_for_each_sound(made: Path) -> None:
    lanes = [(lane["pitch"], lane["name"]) for lane in roll(made, "drums")["lanes"]]
    assert lanes == [(36, "Bass Drum"), (42, "Closed Hi-Hat")]


def test_what_was_not_separated_has_the_notes_of_what_is_heard_in_it(made: Path) -> None:
    for stem in (made / "stems").iterdir():
        stem.unlink()
    soundfile.write(made / "stems" / "mix.flac", tone(60, DURATION_S, SAMPLE_RATE), SAMPLE_RATE)
    write_notes_json([Note(0.5, 1.0, 60, stem="piano")], made / "notes.json")
    found = roll(made, "mix")
    assert (found["stem"], [note["pitch"] for note in found["notes"]]) == ("piano", [60])


def test_beats_are_those_of_the_score_and_before_it_those_found(made: Path) -> None:
    assert roll(made, "vocals")["beats"] == BEATS
    corrected = {"times": [0.0, 1.0], "numbers": [1, 2]}
    (made / "report.json").write_text(json.dumps({"beats": corrected}))
    assert roll(made, "vocals")["beats"] == corrected
    (made / "report.json").unlink()
    (made / ".stages" / "beats.json").unlink()
    assert roll(made, "vocals")["beats"] is None


def test_a_stem_in_which_nothing_was_heard_has_no_range(made: Path) -> None:
    write_notes_json((), made / "notes.json")
    found = roll(made, "vocals")
    assert (found["notes"], found["lowest"], found["highest"]) == ([], None, None)


def test_bends_are_thinned_to_what_can_be_seen() -> None:
    slide = tuple(np.linspace(-1, 1, 501))
    bends = thinned(Note(0.0, 1.0, 60, bends=slide))
    assert 20 <= len(bends) <= 30
    assert (bends[0], bends[-1]) == (-1, 1)
    np.testing.assert_allclose(bends, np.linspace(-1, 1, len(bends)), atol=0.011)
    assert thinned(Note(0.0, 1.0, 60, bends=(0.05, -0.05, 0.05))) == []
    assert thinned(Note(0.0, 1.0, 60)) == []
    assert thinned(Note(0.0, 0.01, 60, bends=slide)) == [-1, 1]


def test_what_is_not_there_yet_is_told(tmp_path: Path) -> None:
    with pytest.raises(FullscoreError, match="yet"):
        roll(tmp_path, "vocals")
    with pytest.raises(FullscoreError, match="yet"):
        lyrics(tmp_path)
    with pytest.raises(FullscoreError, match="no stem"):
        spectrogram(tmp_path, "vocals")


# The spectrogram

EDGES = [pitch + by for pitch, _, _ in BANDS[1:] for by in (-1, 0)]


@pytest.mark.parametrize("pitch", [LOWEST, 28, 33, 40, *EDGES, 65, 90, 100, HIGHEST])
def test_a_tone_lies_in_the_row_of_its_pitch(pitch: int) -> None:
    found = levels(tone(pitch, 3.0))
    assert found.shape == ((HIGHEST - LOWEST + 1) * BINS, int(3 * COLUMN_RATE) + 1)
    column = found[:, found.shape[1] // 2]
    middle = (HIGHEST - pitch) * BINS + BINS // 2
    loudest = np.flatnonzero(column == column.max())
    assert abs(loudest.mean() - middle) <= (1 if pitch > 30 else 2)
    heard = np.flatnonzero(column > column.max() / 2)
    # Low tones are a wider band: a second of sound tells frequencies no better.
    assert np.abs(heard - middle).max() <= BINS * (1.5 if pitch > 30 else 4)


def test_a_tone_begins_in_the_column_of_its_onset() -> None:
    sound = np.concatenate([np.zeros(2 * RATE, np.float32), tone(90, 2.0)])
    row = levels(sound)[(HIGHEST - 90) * BINS + 1]
    assert np.argmax(row > row.max() / 2) == pytest.approx(2 * COLUMN_RATE, abs=2)


def test_silence_is_empty_and_the_shortest_sound_has_a_column() -> None:
    assert not levels(np.zeros(RATE, np.float32)).any()
    assert levels(np.zeros(0, np.float32)).shape[1] == 1


def test_a_recording_is_read_in_pieces_without_seams(tmp_path: Path) -> None:
    seconds = 125  # more than two pieces
    soundfile.write(tmp_path / "long.flac", tone(60, seconds, SAMPLE_RATE), SAMPLE_RATE)
    found = sound_of_file(tmp_path / "long.flac")
    assert len(found) == seconds * RATE
    np.testing.assert_allclose(found[RATE:-RATE], tone(60, seconds)[RATE:-RATE], atol=2e-3)


def test_five_minutes_are_a_picture_that_browsers_can_show() -> None:
    noise = np.random.default_rng(0).standard_normal(300 * RATE).astype(np.float32)
    found = levels(noise)
    drawn = as_png(found)
    assert len(drawn) < 2_000_000  # music is half of that
    image = Image.open(io.BytesIO(drawn))
    strips = -(-found.shape[1] // STRIP)
    assert image.size == (STRIP, strips * found.shape[0])
    opacity = np.asarray(image.convert("RGBA"))[:, :, 3]
    # The strips, put beside each other again, are what was drawn.
    joined = np.concatenate(np.split(opacity, strips), axis=1)
    np.testing.assert_array_equal(joined[:, : found.shape[1]], found)
    assert not joined[:, found.shape[1] :].any()


def test_a_picture_is_kept_until_its_stem_changes(made: Path) -> None:
    first = spectrogram(made, "vocals")
    image = Image.open(io.BytesIO(first))
    assert image.size[0] == roll(made, "vocals")["spectrogram"]["columns"]
    (kept,) = (made / ".view").glob("spectrogram-vocals-*.png")
    kept.write_bytes(b"kept")
    spectrogram(made, "drums")
    assert spectrogram(made, "vocals") == b"kept"
    soundfile.write(made / "stems" / "vocals.flac", tone(50, 1.0, SAMPLE_RATE), SAMPLE_RATE)
    assert spectrogram(made, "vocals") not in (first, b"kept")
    assert len(list((made / ".view").glob("spectrogram-vocals-*.png"))) == 1


# Words


def test_words_have_their_times_lines_and_sections(made: Path) -> None:
    found = lyrics(made)
    assert found["text"] == f"la {EVIL}\n\nlu\n"
    assert [line["starts_section"] for line in found["lines"]] == [True, True]
    assert [(line["onset"], line["offset"]) for line in found["lines"]] == [(0.0, 1.0), (2.0, 2.5)]
    assert found["lines"][0]["words"] == [
        {"text": "la", "onset": 0.0, "offset": 0.5, "space": True},
        {"text": EVIL, "onset": 0.5, "offset": 1.0, "space": False},
    ]


def test_corrected_words_take_the_place_of_those_heard(made: Path) -> None:
    states = (Corrections(), Corrections(words=sheet("other words")))
    write_history(History("", states, 1), made)
    assert lyrics(made)["text"] == "other words\n"
    write_history(History("", states, 0), made)
    assert lyrics(made)["text"] == f"la {EVIL}\n\nlu\n"


def test_a_song_without_words_has_an_empty_sheet(made: Path) -> None:
    (made / ".stages" / "lyrics.json").write_text(json.dumps({"result": asdict(Lyrics())}))
    assert lyrics(made) == {"language": "", "text": "", "lines": []}


# In a browser

PAGE = """<!doctype html><html lang="en"><title>Views</title>
<link rel="stylesheet" href="/fullscore/page.css"><body>
<script type="module" src="/fullscore/roll.js"></script>
<script type="module" src="/fullscore/lyrics.js"></script>
<fs-roll song="{id}"></fs-roll><fs-lyrics song="{id}"></fs-lyrics>
<script>
  // As the page does: edits go to the server, one after the other.
  window.edits = [];
  document.addEventListener("fs-edit", async ({{ detail }}) => {{
    edits.push(detail);
    const body = JSON.stringify(detail);
    const answer = await fetch("/songs/{id}/corrections", {{ method: "POST", body }});
    const name = answer.ok ? "fs-changed" : "fs-refused";
    document.dispatchEvent(new CustomEvent(name, {{ detail: {{ song: "{id}" }} }}));
  }});
</script>"""


@pytest.fixture
def views(results: tuple[Path, str], request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page with the roll and the lyrics of a finished song, which meets no errors."""
    width = getattr(request, "param", 1280)
    shown = ("fs-roll .view[data-drawn]", "fs-lyrics .word")
    with views_alone(results, PAGE, "**/spectrogram/mix.png", shown, width) as page:
        yield page


def notes_of(page: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(
        "async () => (await (await fetch(`/songs/${player.id}/roll/mix.json`)).json()).notes"
    )
    return found


# How many colours there are in a canvas.
DIFFERENT = """canvas => new Set(new Uint32Array(
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""


def first_painted(page: Any) -> tuple[int, int]:
    """The leftmost place of the roll where a note is painted in the accent: pixels from its corner."""
    page.locator("fs-roll .sound").uncheck()
    page.wait_for_timeout(200)  # drawn at the next frame
    x, y = page.locator("fs-roll canvas.ground").evaluate(
        """canvas => {
          const [wide, tall] = [canvas.width, canvas.height];
          const { data } = canvas.getContext("2d").getImageData(0, 0, wide, tall);
          for (let x = 41; x < wide; x++) {
            const rows = [];
            for (let y = 24; y < tall; y++) {
              const at = 4 * (y * wide + x);
              if (data[at + 1] > data[at] + 50 && data[at + 1] > 90) rows.push(y);
            }
            if (rows.length > 4) return [x, rows[rows.length >> 1]];
          }
          return [0, 0];
        }"""
    )
    return x, y


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("views", [1280, 390], indirect=True)
def test_the_roll_shows_the_notes_and_follows_the_playback(views: Any) -> None:
    page = views
    view = page.locator("fs-roll .view")
    notes = notes_of(page)
    assert view.get_attribute("data-notes") == str(len(notes))
    assert 0 < int(view.get_attribute("data-drawn")) <= len(notes)
    with_sound = page.locator("fs-roll canvas.ground").evaluate(DIFFERENT)
    x, _ = first_painted(page)
    assert page.locator("fs-roll canvas.ground").evaluate(DIFFERENT) < with_sound
    assert x == pytest.approx(40 + 64 * notes[0]["onset"], abs=3)  # beside the keys, 64 pixels a second
    page.locator("fs-roll .play").click()
    page.wait_for_function("player.time > 0.5 && player.playing")
    page.locator("fs-roll .play").click()
    assert float(view.get_attribute("data-time")) == pytest.approx(page.evaluate("player.time"), abs=0.01)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
@pytest.mark.slow
def test_a_note_is_selected_by_a_click_and_moved_by_keys(views: Any) -> None:
    from playwright.sync_api import expect

    page = views
    first = notes_of(page)[0]
    page.evaluate("document.addEventListener('fs-select', event => (window.chosen = event.detail))")
    x, y = first_painted(page)
    page.locator("fs-roll .stage").click(position={"x": x + 3, "y": y})
    assert page.evaluate("player.time") == pytest.approx(first["onset"], abs=1e-6)
    assert page.evaluate("chosen") == {"stem": "mix", "onset": first["onset"], "pitch": first["pitch"]}
    expect(page.locator("fs-roll span.chosen")).to_contain_text("% sure")
    page.locator("fs-roll .view").focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("edits.length")  # four steps are one edit
    edit = {"kind": "note", "stem": "mix", "onset": first["onset"], "pitch": first["pitch"]}
    assert page.evaluate("edits") == [{**edit, "to": first["pitch"] + 2}]
    page.wait_for_function(
        "async () => (await (await fetch(`/songs/${player.id}/state.json`)).json()).can_undo", timeout=60_000
    )
    assert notes_of(page)[0]["pitch"] == first["pitch"] + 2
    page.keyboard.press("Delete")
    page.wait_for_function("edits.length == 2")
    assert page.evaluate("edits[1]") == {**edit, "pitch": first["pitch"] + 2, "to": None}
    expect(page.locator("fs-roll .view")).not_to_have_attribute(
        "data-notes", str(len(notes_of(page)) + 1), timeout=60_000
    )


@pytest.mark.browser
@pytest.mark.slow
def test_only_what_is_visible_of_a_long_song_is_drawn(views: Any) -> None:
    page = views
    found = page.evaluate("async () => (await fetch(`/songs/${player.id}/roll/mix.json`)).json()")
    note = found["notes"][0]
    found["notes"] = [{**note, "onset": 0.06 * n, "offset": 0.06 * n + 0.2} for n in range(5000)]
    found["duration"] = 300
    page.route("**/roll/mix.json", lambda route: route.fulfill(json=found))
    page.evaluate("document.dispatchEvent(new CustomEvent('fs-changed', { detail: {} }))")
    view = page.locator("fs-roll .view")
    page.wait_for_selector("fs-roll .view[data-notes='5000']")
    page.wait_for_timeout(200)
    seen = view.evaluate("view => view.clientWidth") / 64 / 0.06
    assert int(view.get_attribute("data-drawn")) < seen + 20
    view.evaluate("view => (view.scrollLeft = 64 * 150)")
    page.wait_for_timeout(200)
    assert seen / 2 < int(view.get_attribute("data-drawn")) < seen + 20
    for _ in range(4):
        page.locator("fs-roll .shorter").click()
    page.wait_for_selector("fs-roll .view[data-drawn='5000']")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("views", [1280, 390], indirect=True)
def test_words_are_lit_while_they_are_sung_and_mended_in_a_sheet(views: Any) -> None:
    from playwright.sync_api import expect

    page = views
    words = page.locator("fs-lyrics .word")
    expect(words).to_have_text(["do", "re", "mi", "fa", "sol", "la"])
    expect(page.locator("fs-lyrics ol")).to_have_count(2)
    words.nth(2).click()
    expect(page.locator("fs-lyrics .word.sung")).to_have_text(["mi"])
    expect(page.locator("fs-lyrics li[aria-current]")).to_have_count(1)
    page.locator("fs-lyrics li button").nth(1).click()
    expect(page.locator("fs-lyrics .word.sung")).to_have_text(["sol"])
    page.locator("fs-lyrics .edit").click()
    text = page.locator("fs-lyrics textarea")
    expect(text).to_have_value("do re mi fa\n\nsol la\n")
    text.fill(f"do re\nmi {EVIL}\n\nsol la\n")
    page.locator("fs-lyrics .save").click()
    expect(page.locator("fs-lyrics li")).to_have_count(3, timeout=60_000)
    expect(words).to_have_text(["do", "re", "mi", EVIL, "sol", "la"])
    assert page.evaluate("edits.map(({ kind, again }) => [kind, again])") == [["words", False]]
    assert page.evaluate("window.harmed") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
