"""Draw the README's picture of the report: its first chart, and the main verdict beside it.

    python tools/report_picture.py [--records DIR] [--out artifacts/experiments/report.png]
    python tools/report_picture.py --figure swept --out artifacts/sweeps/xception/front.png

The first needs the development packages and Chromium at /usr/bin/chromium (Debian: chromium), a
figure alone only edgecnn[report] and Pillow.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

import edgecnn
from edgecnn.evidence.files import DEFAULT as RECORDS
from edgecnn.reporting.page import material, picture
from edgecnn.reporting.page.figure import Figure
from edgecnn.reporting.page.sections import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import ViewportSize

_CHROMIUM = "/usr/bin/chromium"
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_SIZE: ViewportSize = {"width": 1180, "height": 1400}
_PLACES = ("top", "verdicts")  # anchors of the page, side by side in the picture
_SCALE = 0.66
_GAP_PX = 16
_COLOURS = 128
_PATIENCE_MS = 300_000


def shots(page_file: Path) -> Iterator[Image.Image]:
    """The page at each place, as a reader on a desktop sees it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        context = browser.new_context(viewport=_SIZE, offline=True, reduced_motion="reduce")
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        for place in _PLACES:
            page.evaluate("place => { location.hash = place }", place)
            yield Image.open(io.BytesIO(page.screenshot()))
        browser.close()


def alone(identifier: str, records: Path, artifacts: Path) -> Image.Image:
    """One figure of the report, as `--plot` draws it."""
    read = material.read(records, artifacts)
    for chart in (chart for section in SECTIONS for chart in section.charts):
        figure = chart.gather(read)
        if isinstance(figure, Figure) and figure.id == identifier:
            drawn = picture.png([picture.Panel(figure, chart.draw)])
            return Image.open(io.BytesIO(drawn)).convert("RGB")
    raise SystemExit(f"There is no figure {identifier} of these records.")


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Pictures in a row, reduced."""
    width, height = (round(side * _SCALE) for side in pictures[0].size)
    total = len(pictures) * (width + _GAP_PX) - _GAP_PX
    sheet = Image.new("RGB", (total, height), "white")
    for index, shot in enumerate(pictures):
        small = shot.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (index * (width + _GAP_PX), 0))
    return sheet


def light(sheet: Image.Image) -> Image.Image:
    """A picture with few colours: a file that a README can carry."""
    # The median cut would spend all colours on greys: a mark is a few pixels.
    return sheet.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def page_picture(records: Path, artifacts: Path) -> Image.Image:
    """The report of the records, opened and looked at."""
    with tempfile.TemporaryDirectory() as folder:
        made = edgecnn.report(Path(folder) / "report.html", records=records, artifacts=artifacts)
        return beside(list(shots(made.page)))


def main() -> None:
    """Make the report of the records, and its picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--figure", metavar="ID", help="draw this one alone, by its anchor")
    parser.add_argument("--out", type=Path, default=RECORDS / "report.png")
    options = parser.parse_args()
    if options.figure is None:
        drawn = page_picture(options.records, options.artifacts)
    else:
        drawn = alone(options.figure, options.records, options.artifacts)
    light(drawn).save(options.out, optimize=True)
    print(f"{options.out}: {drawn.width}x{drawn.height}, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
