"""The page of `live` in Chromium: what it shows is what the program prints, for everybody."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from live_program import pictures, running
from opened_report import Opened
from tiny_artifact import write_artifact
from tiny_release import release_of, write_out

from edgecnn.deploying import TaskOptions

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from live_program import Live
    from playwright.sync_api import Browser

_PHONE = (360, 740)
_GRAVE = {"serious", "critical"}
_HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release one of whose labels is hostile."""
    folder = tmp_path_factory.mktemp("live")
    labels = folder / "labels.txt"
    labels.write_text(f"ant\n{_HOSTILE}\ncat\ndog\nelk\n")
    made = release_of(write_artifact(folder / "net", ("tflite",)), TaskOptions(labels=labels))
    return write_out(made, folder / "home" / "releases" / made.name)


@pytest.fixture
def live(release: Path, tmp_path: Path) -> Generator[Live, None, None]:
    """The program, on pictures that it answers over and over."""
    folder = pictures(tmp_path / "pictures")
    with running(release, "--source", folder, "--loop", "--fps", "5", "--port", "0") as started:
        yield started


@contextlib.contextmanager
def page_of(
    live: Live, browser: Browser, size: tuple[int, int] = (1280, 900), *, dark: bool = False
) -> Generator[Opened, None, None]:
    """The page, once a frame is seen; nothing may go wrong on it."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    opened = Opened(context.new_page())
    page = opened.page
    page.on("console", lambda each: opened.console.append(f"{each.type}: {each.text}"))
    page.on("pageerror", lambda each: opened.console.append(f"uncaught: {each}"))
    page.on("request", lambda each: opened.requests.append(each.url))
    page.on("dialog", lambda each: opened.dialogs.append(each.message))
    page.goto(live.url)
    page.wait_for_selector("#picture[data-frame]")
    yield opened
    assert opened.console == []
    assert opened.dialogs == []
    assert [
        url for url in opened.requests if not url.startswith((live.url, f"blob:{live.url}"))
    ] == []
    context.close()


def test_the_result_under_the_picture_is_the_printed_one_and_values_change(
    live: Live, browser: Browser
) -> None:
    with page_of(live, browser) as opened:
        page = opened.page
        number, shown = page.evaluate(
            """() => [Number(document.getElementById("result").dataset.frame),
            Array.from(document.querySelectorAll("#result li"), (each) => each.textContent)]"""
        )
        printed = live.line(lambda line: line.get("frame") == number)
        assert shown == [
            f"{entry['label']} {100 * entry['probability']:.1f}%" for entry in printed["top"]
        ]
        assert any(_HOSTILE in line for line in shown)
        assert page.evaluate("document.getElementById('picture').naturalWidth") == 64
        page.wait_for_function(
            "before => Number(document.getElementById('picture').dataset.frame) > before + 2",
            arg=number,
        )
        stages = page.eval_on_selector_all("#times th", "all => all.map((th) => th.textContent)")
        assert {"decode", "resize", "inference", "drawing"} <= set(stages)
        assert "random weights" in (page.text_content("#release") or "")


def test_keys_pause_keep_and_set_the_threshold(live: Live, browser: Browser) -> None:
    with page_of(live, browser) as opened:
        page = opened.page
        page.keyboard.press("p")
        page.wait_for_selector("#pause[aria-pressed=true]")
        live.event("paused")
        page.keyboard.press("k")
        page.wait_for_function(
            "() => document.getElementById('said').textContent.startsWith('Kept')"
        )
        live.event("kept")
        page.locator("#above").focus()
        page.keyboard.press("End")
        assert live.event("threshold")["above"] == 1
        page.locator("#pause").click()
        live.event("continued")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_fault_on_desktop_and_phone(
    live: Live, browser: Browser, *, dark: bool
) -> None:
    for size in ((1280, 900), _PHONE):
        with page_of(live, browser, size, dark=dark) as opened:
            found = Axe().run(opened.page).response["violations"]
            assert [each["id"] for each in found if each["impact"] in _GRAVE] == []
            assert opened.page.evaluate("document.documentElement.scrollWidth") == size[0]


def test_no_other_site_frames_it(live: Live, browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(f'<iframe src="{live.url}"></iframe>')
    page.wait_for_timeout(500)
    assert "edgecnn live" not in [frame.title() for frame in page.frames[1:]]
    page.close()
