"""The page's parts: presets and settings, what is escaped, the named endpoints, and in a browser its tabs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from evaluation.kinds import KINDS
from fullscore.errors import FullscoreError
from pipeline.cli import main
from pipeline.plan import check_names
from pipeline.weights import CATALOGUE
from tests.ui.pages import Visitor, chromium, served
from ui import server, views
from ui.app import create
from ui.controls import BY_PRESET, PRESETS, SHOWN, chosen_settings, engine_names, engine_options
from ui.jobs import Jobs

AA_CONTRAST = 4.5  # of text (WCAG 2.2, 1.4.3)
NAMELESS = re.compile(
    r"^ *- (button|link|textbox|combobox|slider|checkbox|radio|tab|spinbutton|listbox)( \[.*\])?:?$", re.M
)


# Settings


@pytest.mark.parametrize("preset", [preset.name for preset in PRESETS])
def test_every_preset_can_be_chosen(preset: str) -> None:
    settings = chosen_settings(preset, {})
    check_names(settings)
    assert chosen_settings(preset.upper(), {}) == settings


def test_what_is_chosen_goes_before_the_preset() -> None:
    untouched = {field.name: BY_PRESET if field.name == "notes" else "" for field in SHOWN}
    assert chosen_settings("Melody only", untouched) == chosen_settings("Melody only", {})
    given = {
        "notes": "basic-pitch",
        "key": "Bb minor",
        "tempo": 96,
        "time_signature": "6/8",
        "pick_up": "1/2",
    }
    settings = chosen_settings("Melody only", given, {"basic-pitch.bends": "False"})
    assert (settings.notes, settings.key, settings.tempo) == ("basic-pitch", "Bb minor", 96.0)
    assert (str(settings.time_signature), settings.pick_up) == ("6/8", 0.5)
    assert (settings.separator, settings.simplify) == ("none", True)
    assert settings.options == (("basic-pitch", "bends", "False"),)


@pytest.mark.parametrize(
    ("preset", "given", "options"),
    [
        ("brass band", {}, {}),
        ("full band", {"tempi": 3}, {}),
        ("full band", {"key": "H major"}, {}),
        ("full band", {"tempo": "quick"}, {}),
        ("full band", {}, {"shifts": "2"}),
    ],
)
def test_what_cant_be_chosen_is_a_sentence(
    preset: str, given: dict[str, Any], options: dict[str, str]
) -> None:
    with pytest.raises(FullscoreError):
        chosen_settings(preset, given, options)


def test_the_options_of_engines_have_help() -> None:
    assert {"spectral", "drums", "whisper"} <= set(engine_names())
    (sensitivity,) = engine_options("drums")
    assert sensitivity["help"]
    assert sensitivity["minimum"] < sensitivity["default"] < sensitivity["maximum"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--port", "0"), ("--auth", "me"), ("--auth", ":x"), ("--jobs", "0"), ("--jobs", "many"),
        ("--max-minutes", "0"), ("--max-upload-mb", "nan"), ("--keep-hours", "-1"),
    ],
)  # fmt: skip
def test_wrong_options_are_wrong_usage(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["ui", *wrong])
    assert stopped.value.code == 2
    assert wrong[0] in capsys.readouterr().err


# Escaping

EVIL = "<img src=x onerror=alert(1)>"


def test_what_others_wrote_is_text() -> None:
    figures = dict.fromkeys(KINDS["notes"].meanings, 0.5) | {"stems": {EVIL: {"F-measure": None}}}
    for shown in (views.told(EVIL), views.said(EVIL), views.measures(KINDS["notes"], figures)):
        assert "<img" not in shown
        assert "&lt;img" in shown
    assert 'id="limits" data-mb="200" data-minutes="30"' in views.hints(200.0, 30.0)


def test_a_page_of_differences_stands_in_a_frame_that_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "lyrics.html").write_text(f'<p title="x">{EVIL}</p>')
    shown = views.picture(tmp_path / "lyrics.html")
    assert " sandbox " in shown
    assert 'title="x"' not in shown


# The served page


@pytest.fixture(scope="module")
def there(kept: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the page on a server that has one song, and the song's folder."""
    folder = tmp_path_factory.mktemp("page") / "results"
    shutil.copytree(kept[0], folder)
    with served(folder) as address:
        yield address, folder / kept[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def test_scripts_are_found_behind_a_proxy(tmp_path: Path) -> None:
    with Jobs(tmp_path) as jobs, server.served(create(jobs, root_path="/music")) as address:
        assert '"/music/fullscore/page.js"' in httpx.get(f"{address}/").text.replace("\\", "")
        for path in ("/fullscore/page.js", "/music/fullscore/page.js"):
            assert httpx.get(address + path).status_code == 200
        assert httpx.get(f"{address}/fullscore/../server.py").status_code == 404


@pytest.mark.slow
def test_programs_do_the_same_by_name(there: tuple[str, Path], song: Path, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    address, folder = there
    client = Client(address, verbose=False, download_files=tmp_path)

    given = {
        "separator": "none",
        "notes": "basic-pitch",
        "key": "D major",
        "options": {"basic-pitch.bends": "no"},
    }
    files = client.predict(
        handle_file(song), preset="solo piano", words="do re mi", settings=given, api_name="/transcribe"
    )
    made = {Path(file).name: Path(file) for file in files}
    assert {f"{song.stem}{suffix}" for suffix in (".musicxml", ".mxl", ".mid", ".pdf", ".lrc")} <= made.keys()
    assert ET.parse(made[f"{song.stem}.musicxml"]).findtext(".//fifths") == "2"
    assert f"{song.stem} - mix.flac" in made

    performance = handle_file(folder / "made" / "performance.mid")
    files = client.predict(performance, settings={"key": "E minor", "tempo": 100}, api_name="/notate")
    assert sorted(Path(file).suffix for file in files) == [".mid", ".musicxml", ".mxl", ".pdf"]
    score = next(file for file in files if file.endswith(".musicxml"))
    assert ET.parse(score).findtext(".//fifths") == "1"

    found = client.predict(
        "notes", [performance], [performance], {"onset_tolerance": 0.1}, api_name="/evaluate"
    )
    assert found["F-measure"] == 1.0

    for endpoint, arguments in (
        ("/transcribe", (handle_file(Path(__file__)), "full band", "", {})),
        ("/evaluate", ("colour", [performance], [performance], {})),
        ("/notate", (performance, None, {"key": "H"})),
    ):
        with pytest.raises(AppError) as error:
            client.predict(*arguments, api_name=endpoint)
        assert str(folder.parent) not in str(error.value)


@pytest.mark.browser
@pytest.mark.slow
def test_a_file_of_the_server_is_nothing_a_visitor_can_hand_in(
    there: tuple[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("secret words")
    file = {"path": str(tmp_path / "secret.txt"), "meta": {"_type": "gradio.FileData"}}
    calls = {
        "evaluate": ["lyrics", [file], [file], {}],
        "transcribe": [file, "full band", "", {}],
        "notate": [file, None, {}],
    }
    for name, given in calls.items():
        call = f"{there[0]}/gradio_api/call/{name}"
        event = httpx.post(call, json={"data": given}).json()["event_id"]
        told = httpx.get(f"{call}/{event}", timeout=60).text
        assert "event: error" in told
        assert "not uploaded by a user" in told


def test_the_open_song_is_compared_with_a_reference(browser: Any, there: tuple[str, Path]) -> None:
    address, folder = there
    with Visitor(browser, address) as visitor:
        page = visitor.open(address, folder.name)
        page.get_by_role("tab", name="Evaluate").click()
        page.locator("#compare").click()
        page.locator("#measures", has_text="choose a file for the reference").wait_for()
        page.locator("#reference input[type=file]").set_input_files(str(folder / "made" / "performance.mid"))
        page.locator("#reference", has_text="performance").wait_for()
        page.locator("#compare").click()
        row = page.locator("#measures tr.main", has_text="F-measure_no_offset")
        row.wait_for()
        assert "1.000" in row.inner_text()
        assert page.locator("#measures img.fs-picture").evaluate("picture => picture.naturalWidth") > 300

        page.locator("#kind input").click()
        page.get_by_role("option", name="Stems").click()
        page.locator("#compare").click()
        page.locator("#measures .fs-told").wait_for()
        assert str(folder.parent) not in page.locator("#measures").inner_text()
        assert visitor.wrong == []


@pytest.mark.browser
@pytest.mark.slow
def test_models_are_told_and_what_cant_be_fetched(
    browser: Any, there: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("FULLSCORE_MODELS", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with Visitor(browser, there[0]) as visitor:
        page = visitor.arrive(there[0])
        page.get_by_role("tab", name="Models").click()
        for model in CATALOGUE:
            page.locator("#models-here").get_by_role("rowheader", name=model, exact=True).wait_for()
        page.locator("#models-here", has_text="Without one of these").first.wait_for()
        page.locator("#fetch").click()
        page.locator("#fetched", has_text="could not be fetched").wait_for()
        assert visitor.wrong == []


@pytest.mark.browser
@pytest.mark.slow
def test_an_engines_options_are_shown_when_it_is_chosen(browser: Any, there: tuple[str, Path]) -> None:
    with Visitor(browser, there[0]) as visitor:
        page = visitor.arrive(there[0])
        page.locator("#advanced button").first.click()
        page.locator("#engine input").click()
        page.get_by_role("option", name="drums", exact=True).click()
        page.get_by_label("Sensitivity").fill("2")
        page.get_by_label("Sensitivity").press("Tab")
        page.get_by_role("button", name="Take back what was set here").click()
        page.get_by_label("Sensitivity").wait_for(state="detached")
        assert visitor.wrong == []


SERIOUS = ("serious", "critical")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_everything_has_a_name_and_its_room(
    browser: Any, there: tuple[str, Path], width: int, scheme: str
) -> None:
    address, folder = there
    with Visitor(browser, address, width, 844, color_scheme=scheme) as visitor:
        page = visitor.arrive(address)
        check_names_and_room(page, width)
        page = visitor.open(address, folder.name)
        for view in ("score", "roll", "stems", "lyrics"):
            page.locator(f"#fs-tab-{view}").click()
            page.wait_for_timeout(400)
            check_names_and_room(page, width)
        for tab in ("Evaluate", "Models"):
            page.get_by_role("tab", name=tab).click()
            page.wait_for_timeout(400)
            check_names_and_room(page, width)
        assert visitor.wrong == []


def check_names_and_room(page: Any, width: int) -> None:
    """Nothing is without a name or wider than the window, and axe-core finds nothing serious."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in SERIOUS] == []
    assert NAMELESS.findall(page.locator("body").aria_snapshot()) == []
    assert page.locator("img:not([alt])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
@pytest.mark.slow
def test_the_keyboard_does_what_the_mouse_does(browser: Any, there: tuple[str, Path]) -> None:
    address, folder = there
    with Visitor(browser, address) as visitor:
        page = visitor.open(address, folder.name)
        page.locator("#fs-tab-score").focus()
        for view in ("roll", "stems", "lyrics", "score"):
            page.keyboard.press("ArrowRight")
            assert page.locator(f"#fs-view-{view}").is_visible()
            assert page.evaluate("document.activeElement.id") == f"fs-tab-{view}"
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        seen = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            seen.add(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
        assert {"FS-SCORE", "key", "meter", "tempo", "tap", "link main all"} <= seen
        page.locator("#fs-key").select_option("E major")
        page.locator("fs-song .status", has_text="E major").wait_for()
        page.locator("#fs-tab-score").focus()
        page.keyboard.press("Control+z")
        page.locator("fs-song .message", has_text="Undone").wait_for()
        assert visitor.wrong == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Any, there: tuple[str, Path], scheme: str) -> None:
    with Visitor(browser, there[0], color_scheme=scheme) as visitor:
        page = visitor.arrive(there[0])
        container = page.locator(".gradio-container")
        read = "(element, name) => getComputedStyle(element).getPropertyValue(`--fs-${name}`)"

        def light(name: str) -> float:
            return luminance(container.evaluate(read, name).strip())

        for ground in ("ground", "page", "raised"):
            for text in ("text", "quiet", "accent", "error"):
                assert contrast(light(text), light(ground)) >= AA_CONTRAST, (text, ground)
        assert contrast(light("on-accent"), light("accent")) >= AA_CONTRAST


def luminance(colour: str) -> float:
    """The relative luminance of #rrggbb (WCAG 2.2)."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
