"""A report of made-up records, and Debian's Chromium to look at it, one of each for a run."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sample_experiments
from opened_report import Opened
from playwright.sync_api import sync_playwright

import edgecnn

if TYPE_CHECKING:
    from collections.abc import Generator

    from opened_report import Open
    from playwright.sync_api import Browser, Dialog

_FOLDER = Path(__file__).parent
_CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_DESKTOP = (1280, 900)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as one that needs a browser."""
    for item in items:
        if _FOLDER in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> edgecnn.ReportResult:
    """A report with every chart but the artifacts', whose records have a hostile name."""
    folder = tmp_path_factory.mktemp("report")
    records = sample_experiments.write_all(folder / "experiments")
    sample_experiments.write_results(folder)
    sample_experiments.write_sweep(folder)
    sample_experiments.write_benchmarks(folder / "benchmarks")
    return edgecnn.report(folder / "report.html", records=records, artifacts=folder)


@pytest.fixture(scope="session")
def browser() -> Generator[Browser, None, None]:
    """Chromium, headless."""
    if not _CHROMIUM.exists():
        pytest.skip(f"{_CHROMIUM} is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def open_report(browser: Browser, reported: edgecnn.ReportResult) -> Open:
    """Opens the report from disk, with no network, and waits until its charts are drawn."""

    @contextmanager
    def opening(
        size: tuple[int, int] = _DESKTOP, *, dark: bool = False, scripts: bool = True
    ) -> Generator[Opened, None, None]:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            offline=True,
            reduced_motion="reduce",
        )
        opened = Opened(context.new_page())
        _listen(opened)
        opened.page.goto(reported.page.as_uri())
        if scripts:
            opened.page.wait_for_selector("html[data-ready]", state="attached")
        yield opened
        context.close()

    return opening


def _listen(opened: Opened) -> None:
    def told(dialog: Dialog) -> None:
        opened.dialogs.append(dialog.message)
        dialog.dismiss()

    page = opened.page
    page.on("console", lambda each: opened.console.append(f"{each.type}: {each.text}"))
    page.on("pageerror", lambda each: opened.console.append(f"uncaught: {each}"))
    page.on("request", lambda each: opened.requests.append(each.url))
    page.on("dialog", told)


@pytest.fixture(scope="module")
def desktop(open_report: Open) -> Generator[Opened, None, None]:
    """The report on a desktop, for tests that leave it as they found it."""
    with open_report() as opened:
        yield opened
