"""What visitors do, in a real browser: hand in, watch, listen, correct, take home, come back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import mido
import numpy as np
import pytest
import soundfile

from tests.ui.conftest import NAME
from tests.ui.pages import Visitor, chromium, served, song_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DONE_MS = 240_000
SIGNS = "before => document.querySelector('fs-score').shadowRoot.querySelectorAll('.keySig .keyAccid').length"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page, with small limits and room for one song at once."""
    with served(tmp_path_factory.mktemp("journey"), max_upload_mb=2, max_minutes=1) as found:
        yield found


def hand_in(page: Any, song: Path, preset: str = "Melody only") -> None:
    page.get_by_role("radio", name=preset).check()
    page.locator("#song input[type=file]").set_input_files(str(song))
    page.locator("#song", has_text=song.stem).first.wait_for()
    page.locator("#start").click()


def signs_in_keys(page: Any) -> int:
    return int(page.locator("fs-score .keySig .keyAccid").count())


def test_the_example_is_watched_heard_corrected_and_taken_home(browser: Any, address: str) -> None:
    with Visitor(browser, address) as visitor:
        page = visitor.arrive(address)
        page.locator("#example").click()
        id = song_of(page)
        page.locator("fs-song .stages li").nth(5).wait_for()
        page.locator("#fs-tab-stems:not([disabled])").wait_for(timeout=DONE_MS)
        assert page.locator("fs-song .cancel").is_visible(), "the stems are there before the rest is"
        page.locator("#fs-tab-roll:not([disabled])").click(timeout=DONE_MS)
        page.locator("fs-roll [data-notes]").wait_for()
        page.locator("#fs-tab-score:not([disabled])").wait_for(timeout=DONE_MS)
        assert page.locator("fs-roll").is_visible(), "what somebody looks at stays"
        page.locator("#fs-tab-score").click()
        page.locator("fs-score g.note").nth(50).wait_for()
        page.locator("fs-song .status", has_text="F major").wait_for()

        page.locator("fs-score button.play").click()
        page.locator("fs-score g.lit").first.wait_for()
        lit = page.locator("fs-score g.lit").first.get_attribute("id")
        page.locator(f"fs-score g#{lit}:not(.lit)").wait_for()
        page.locator("fs-score button.play").click()
        assert page.locator("fs-score .now").inner_text() > "0:00"

        flats = signs_in_keys(page)
        page.locator("#fs-key").select_option("E major")
        page.locator("fs-song .status", has_text="E major").wait_for()
        page.wait_for_function(SIGNS + " >= 3 * before", arg=flats)
        page.get_by_role("button", name="Undo").click()
        page.locator("fs-song .status", has_text="F major").wait_for()
        page.wait_for_function(SIGNS + " == before", arg=flats)

        page.locator("#fs-tab-lyrics").click()
        page.locator("fs-lyrics", has_text="acquaintance").first.wait_for()
        page.locator("#fs-tab-stems").click()
        for track in ("Recording", "Voice", "Drums", "Score, synthesised"):
            page.locator("fs-mixer").get_by_label(f"Level of {track}").wait_for()

        page.locator(".home summary").click()
        check_downloads(page)
        assert visitor.wrong == []

    # The tab was closed; the link finds it again, for somebody else too.
    with Visitor(browser, address) as again:
        again.open(address, id)
        assert again.wrong == []


MOST_DOWNLOADS = 10  # that Chromium lets a page start on end


def check_downloads(page: Any) -> None:
    """Take each file home and read it back."""
    files = {}
    for number, link in enumerate(page.locator("fs-song .home a").all()):
        if number < MOST_DOWNLOADS:
            with page.expect_download() as download:
                link.click()
            files[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
        else:
            got = page.request.get(link.get_attribute("href"))
            assert "attachment" in got.headers["content-disposition"]
            files[link.get_attribute("download")] = got.body()
    song = "Auld Lang Syne"
    score = ET.fromstring(files[f"{song}.musicxml"])
    assert len(list(score.iter("note"))) > 100
    with zipfile.ZipFile(io.BytesIO(files[f"{song}.mxl"])) as packed:
        inside = next(name for name in packed.namelist() if not name.startswith("META-INF"))
        assert len(list(ET.fromstring(packed.read(inside)).iter("note"))) == len(list(score.iter("note")))
    for name in (f"{song}.mid", f"{song} - performance.mid"):
        read = mido.MidiFile(file=io.BytesIO(files[name]))
        assert sum(message.type == "note_on" for track in read.tracks for message in track) > 100
    assert files[f"{song}.pdf"].startswith(b"%PDF-")
    assert b"auld acquaintance" in files[f"{song}.txt"]
    assert b"[00:" in files[f"{song}.lrc"]
    samples, rate = soundfile.read(io.BytesIO(files[f"{song} - vocals.flac"]))
    assert len(samples) / rate == pytest.approx(44, abs=1)
    with zipfile.ZipFile(io.BytesIO(files[f"{song}.zip"])) as packed:
        assert packed.testzip() is None
        assert {f"{song}.musicxml", f"stems/{song} - bass.flac"} <= set(packed.namelist())


def test_a_song_of_ones_own_is_handed_in_with_words_and_settings(
    browser: Any, address: str, song: Path
) -> None:
    with Visitor(browser, address) as visitor:
        page = visitor.arrive(address)
        page.locator("#words textarea").fill("Do re mi fa sol la ti do")
        page.locator("#advanced button").first.click()
        page.locator("#advanced").get_by_label("Key such as").fill("Bb minor")
        hand_in(page, song, "A cappella")
        page.locator("fs-score g.note").first.wait_for(timeout=DONE_MS)
        page.locator("fs-song .status", has_text="B♭ minor").wait_for()
        assert page.locator("fs-song h2").inner_text() == song.stem
        page.locator("#fs-tab-lyrics").click()
        page.locator("fs-lyrics", has_text="sol").first.wait_for()
        page.locator("fs-song .another").click()
        page.locator("#song").wait_for()
        assert "song=" not in page.url
        page.go_back()
        page.locator("fs-song h2", has_text=song.stem).first.wait_for()
        assert visitor.wrong == []


def test_two_visitors_wait_for_each_other_and_cancel(browser: Any, address: str) -> None:
    with Visitor(browser, address) as one, Visitor(browser, address) as other:
        first, second = one.arrive(address), other.arrive(address)
        first.locator("#example").click()
        mine = song_of(first)
        first.locator("fs-song .status", has_text="Working on it").first.wait_for()
        second.locator("#example").click()
        theirs = song_of(second)
        second.locator("fs-song .status", has_text="Next in the queue").first.wait_for()
        assert mine != theirs
        for visitor in (first, second):
            visitor.locator("fs-song .cancel").click()
            visitor.locator("fs-song .trouble", has_text="cancelled").first.wait_for(timeout=5_000)
            visitor.locator("fs-song .cancel").wait_for(state="hidden")
        assert httpx.get(f"{address}/health").json()["jobs"] == {"limit": 1, "queued": 0, "running": 0}
        assert one.wrong == other.wrong == []


def test_what_is_no_song_is_told_before_anything_is_done(browser: Any, address: str, tmp_path: Path) -> None:
    with Visitor(browser, address) as visitor:
        page = visitor.arrive(address)
        page.locator("#start").click()
        page.locator("#told", has_text="Choose a song first").first.wait_for()

        uploads: list[str] = []
        page.on("request", lambda request: uploads.append(request.url) if "/upload" in request.url else None)
        (tmp_path / "big.wav").write_bytes(bytes(3_000_000))
        page.locator("#song input[type=file]").set_input_files(str(tmp_path / "big.wav"))
        page.locator("#limits-told", has_text="“big.wav” has 3 MB").first.wait_for()
        assert uploads == []

        soundfile.write(tmp_path / "long.wav", np.zeros(65 * 8000), 8000)
        page.locator("#song input[type=file]").set_input_files(str(tmp_path / "long.wav"))
        page.locator("#limits-told", has_text="“long.wav” is 2 minutes long").first.wait_for()
        page.locator("#song", has_text="long").first.wait_for()
        page.locator("#start").click()
        page.locator("#told", has_text="at most 1").first.wait_for()
        page.get_by_label("Remove").or_(page.get_by_label("Clear")).first.click()

        (tmp_path / "text.mp3").write_text("not a song " * 100)
        page.locator("#song input[type=file]").set_input_files(str(tmp_path / "text.mp3"))
        page.locator("#song", has_text="text").first.wait_for()
        page.locator("#start").click()
        page.locator("#told", has_text="text.mp3").first.wait_for()
        assert "song=" not in page.url
        assert visitor.wrong == []


def test_a_name_is_never_markup(browser: Any, results: tuple[Path, str]) -> None:
    folder, id = results
    with served(folder) as address, Visitor(browser, address) as visitor:
        page = visitor.open(address, id)
        title = NAME.replace("\\", "/").split("/")[-1].removesuffix(".wav")
        assert page.locator("fs-song h2").inner_text() == title
        assert title in page.title()
        for view in ("roll", "stems", "lyrics"):
            page.locator(f"#fs-tab-{view}").click()
        assert page.locator("fs-song i, fs-song b").count() == 0
        assert visitor.wrong == []


def test_corrections_outlive_the_server(browser: Any, results: tuple[Path, str]) -> None:
    folder, id = results
    with served(folder) as address, Visitor(browser, address) as visitor:
        page = visitor.open(address, id)
        before = page.locator("#fs-meter").input_value()
        page.locator("#fs-meter").select_option("3/4" if before != "3/4" else "4/4")
        page.locator("fs-song .message", has_text="Corrected").first.wait_for()
        for head in page.locator("fs-score g.note .notehead").all():
            head.click()
            if "in mix" in page.locator("fs-song .which").inner_text():
                break
        page.locator(".note").get_by_role("button", name="A semitone higher").click()
        page.locator("fs-song .message", has_text="Corrected").first.wait_for()
        page.get_by_role("button", name="Tap").click()
        page.locator("fs-song .message", has_text="Tap at least").first.wait_for()
        assert visitor.wrong == []
    with served(folder) as address, Visitor(browser, address) as visitor:
        page = visitor.open(address, id)
        for _ in range(2):
            page.get_by_role("button", name="Undo").click()
            page.locator("fs-song .message", has_text="Undone").first.wait_for()
        page.locator("fs-song .undo:disabled").wait_for()
        assert page.locator("#fs-meter").input_value() == before
        page.locator("#fs-tempo").fill("7")
        page.locator("#fs-tempo").press("Enter")
        page.locator("fs-song .message.error", has_text="tempo").first.wait_for()
        assert visitor.wrong == []


def test_a_link_to_nothing_says_so(browser: Any, address: str) -> None:
    with Visitor(browser, address) as visitor:
        page = visitor.arrive(f"{address}/?song=nobody")
        page.locator("fs-song .trouble", has_text="no such song").first.wait_for()
        page.locator("fs-song .another").click()
        page.locator("#start").wait_for()
        assert visitor.wrong == []
