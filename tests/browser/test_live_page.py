"""The page of `live` in Chromium: what it shows is what the program prints, for everybody."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import any_artifact as nets
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from live_program import pictures, running
from opened_report import Opened
from PIL import Image
from tiny_artifact import write_artifact
from tiny_release import release_of, write_out

from edgecnn.deploying import TaskOptions
from edgecnn.tasks import draw

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from live_program import Live
    from numpy.typing import NDArray
    from playwright.sync_api import Browser

_PHONE = (360, 740)
_GRAVE = {"serious", "critical"}
_JPEG = 48  # of 255
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
def answering(
    artifact: Path, task: str, pixels: NDArray[np.uint8], folder: Path
) -> Generator[Live, None, None]:
    """The program with a network of another task, on one picture."""
    made = release_of(artifact, TaskOptions(task=task))
    home = write_out(made, folder / "home" / "releases" / made.name)
    (folder / "pictures").mkdir()
    Image.fromarray(pixels).save(folder / "pictures" / "picture.png")
    with running(home, "--source", folder / "pictures", "--port", "0") as started:
        yield started


def seen(opened: Opened) -> NDArray[np.int32]:
    """The picture's pixels as the browser shows them, (height, width, 3)."""
    height, width, values = opened.page.evaluate(
        """() => {
          const seen = document.getElementById("picture");
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [seen.naturalWidth, seen.naturalHeight];
          const pen = canvas.getContext("2d");
          pen.drawImage(seen, 0, 0);
          const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
          return [canvas.height, canvas.width, Array.from(pixels)];
        }"""
    )
    return np.array(values, np.int32).reshape(height, width, 4)[..., :3]


def near(pixels: NDArray[np.int32], wanted: tuple[float, ...]) -> NDArray[np.bool_]:
    """Where the pixels have a colour, as near as JPEG keeps it."""
    found: NDArray[np.bool_] = (np.abs(pixels - np.array(wanted)) < _JPEG).all(axis=-1)
    return found


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


def test_the_box_over_the_picture_is_where_the_printed_one_says(
    browser: Browser, tmp_path: Path
) -> None:
    grey = np.full((400, 800, 3), 128, np.uint8)
    artifact = nets.yolov8(tmp_path / "net", [(32, 32, 20, 12, 1, 0.9)])
    with answering(artifact, "detect", grey, tmp_path) as live, page_of(live, browser) as opened:
        (printed,) = live.result()["detections"]
        left, top, right, bottom = printed["box"]
        assert (right - left, bottom - top) == pytest.approx((250, 150), abs=0.05)
        (shown,) = opened.page.locator("#result li").all_text_contents()
        assert shown == f"class 1 90.0% at {left:.0f}, {top:.0f}, {right:.0f}, {bottom:.0f}"
        painted = near(seen(opened), draw.colour(printed["class"]))
    below = int(top) + 8  # its upper edge, and the label over it
    rows, columns = np.nonzero(painted[below:])
    around = columns.min(), columns.max(), rows.max() + below
    assert around == pytest.approx((left, right, bottom), abs=2)
    assert painted[int(top) : int(top) + 4, int(left) : int(right)].any(axis=0).all()
    assert not painted[below : int(bottom) - 8, int(left) + 8 : int(right) - 8].any()


def test_the_mask_over_the_picture_is_the_printed_one(browser: Browser, tmp_path: Path) -> None:
    red_and_blue = np.zeros((160, 320, 3), np.uint8)
    red_and_blue[:, :240, 0] = red_and_blue[:, 240:, 2] = 255
    artifact = nets.argmax_inside(tmp_path / "net")
    with (
        answering(artifact, "segment", red_and_blue, tmp_path) as live,
        page_of(live, browser) as opened,
    ):
        printed = live.result()["mask"]["classes"]
        assert [(part["class"], part["share"]) for part in printed] == [(0, 0.75), (2, 0.25)]
        assert opened.page.locator("#result li").all_text_contents() == [
            "class 0 75.0%", "class 2 25.0%"
        ]  # fmt: skip
        pixels = seen(opened)
    tinted = np.add(draw.colour(2), (0, 0, 255)) / 2
    # Where two colours meet, JPEG mixes them.
    assert near(pixels, (255, 0, 0))[:, :232].all()
    assert near(pixels, tuple(tinted))[:, 248:].all()


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
