"""The page in a real browser: a song goes in, its score, lyrics, stems and files come out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
RATE = 22050


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page, served on a free port."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    from ui.app import build, serve

    page = build(tmp_path_factory.mktemp("results"))
    _, local, _ = serve(page, "127.0.0.1", None, prevent_thread_lock=True)
    yield local
    page.close()


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of plucked tones: C D E F G A B C."""
    time = np.arange(4 * RATE) / RATE
    sound = np.zeros(len(time))
    for index, pitch in enumerate((60, 62, 64, 65, 67, 69, 71, 72)):
        since = np.clip(time - 0.5 * index, 0, None)
        tone = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * k * since) / k for k in (1, 2, 3))
        sound += np.where((since > 0) & (since < 0.48), tone * np.exp(-3 * since), 0)
    path = tmp_path_factory.mktemp("songs") / "scale.wav"
    soundfile.write(path, 0.3 * sound, RATE)
    return path


def test_a_song_becomes_a_score_in_the_page(address: str, song: Path, tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.locator("#song input[type=file]").set_input_files(str(song))
        expect(page.locator("#song")).to_contain_text("scale", timeout=15_000)
        page.locator("#words textarea").fill("Do re mi fa sol la ti do")
        page.locator("#start").click()
        image = page.locator("#score img.page").first
        expect(image).to_be_visible(timeout=240_000)
        assert image.evaluate("picture => picture.naturalWidth") > 500
        expect(page.locator("#stages progress")).to_have_count(6)
        expect(page.locator("#lyrics textarea")).to_have_value("Do re mi fa sol la ti do\n")
        with page.expect_download() as download:
            page.locator('#files a[download="score.musicxml"]').click()
        download.value.save_as(tmp_path / "score.musicxml")
        page.screenshot(path=tmp_path / "page.png", full_page=True)
        browser.close()
    assert errors == []
    import music21

    score = music21.converter.parse(tmp_path / "score.musicxml")
    pitches = [pitch.midi for pitch in score.pitches]
    assert {60, 62, 64, 65, 67, 69, 71, 72} <= set(pitches)


def test_a_file_that_is_no_song_is_told_in_the_page(address: str, tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    (tmp_path / "text.mp3").write_text("not a song " * 100)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(address)
        page.locator("#song input[type=file]").set_input_files(str(tmp_path / "text.mp3"))
        expect(page.locator("#song")).to_contain_text("text", timeout=15_000)
        page.locator("#start").click()
        expect(page.locator("#stages")).to_contain_text("text.mp3", timeout=30_000)
        browser.close()
