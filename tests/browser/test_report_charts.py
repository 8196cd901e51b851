"""The report's charts in Chromium: drawn, hovered and filtered, with no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sample_experiments

if TYPE_CHECKING:
    from opened_report import Open, Opened
    from playwright.sync_api import Locator, Page

    import edgecnn

# The layer of a chart whose marks stand for rows; lines and bars are hidden from screen readers.
_MARKS = 'g.mark-symbol[role="graphics-object"] path'
_FIGURES = (
    "latency", "accuracy-latency", "fits", "energy", "size", "memory", "sustained", "separable",
    "kernels", "operators", "twins", "trained", "gradients", "quantization", "fidelity", "measured",
    "swept", "predictor", "comparisons",
)  # fmt: skip
_MARKS_A_ROW = {"separable": 2, "kernels": 2}  # one for MACs, one for time


def _rows(page: Page, figure: str) -> list[list[str]]:
    """The cells of the table's rows that the filters leave."""
    cells: list[list[str]] = page.eval_on_selector_all(
        f"#{figure} table.values tbody tr:not([hidden])",
        "rows => rows.map(row => Array.from(row.cells, cell => cell.textContent.trim()))",
    )
    return cells


def _marks(page: Page, figure: str) -> Locator:
    return page.locator(f"#{figure} {_MARKS}")


def _drawable(figure: str, rows: list[list[str]]) -> int:
    """How many marks the rows have: a layer that is identical to float has no place in dB."""
    shown = [row for row in rows if figure != "fidelity" or "identical" not in row]
    return len(shown) * _MARKS_A_ROW.get(figure, 1)


def test_every_chart_is_in_the_page(reported: edgecnn.ReportResult) -> None:
    assert tuple(each.id for each in reported.figures) == _FIGURES
    assert [each.id for each in reported.missing] == ["exported"]


@pytest.mark.parametrize("figure", _FIGURES)
def test_a_chart_has_a_mark_for_each_row_it_shows(desktop: Opened, figure: str) -> None:
    rows = _rows(desktop.page, figure)
    assert rows
    assert _marks(desktop.page, figure).count() == _drawable(figure, rows)


@pytest.mark.parametrize("figure", _FIGURES)
def test_hovering_a_mark_shows_its_rows_values(desktop: Opened, figure: str) -> None:
    page = desktop.page
    _marks(page, figure).first.scroll_into_view_if_needed()
    box = _marks(page, figure).first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#vg-tooltip-element.visible")
    told = page.eval_on_selector_all(
        "#vg-tooltip-element td.value", "cells => cells.map(cell => cell.textContent)"
    )
    page.mouse.move(0, 0)
    page.wait_for_selector("#vg-tooltip-element:not(.visible)", state="attached")
    assert told in _rows(page, figure)


def test_the_values_are_the_records(desktop: Opened) -> None:
    rows = _rows(desktop.page, "latency")
    record = next(
        each
        for each in sample_experiments.devices().latencies
        if (each.label, each.recipe, each.device, each.threads)
        == ("Xception", "int8", "raspberry-pi-4b", 4)
    )
    assert [f"{record.latency_ms:.0f} ms", f"{record.low_ms:.1f} ms"] == ["56 ms", "45.1 ms"]
    own = next(row for row in rows if row[0] == "raspberry-pi-4b")
    assert own[1:7] == ["Xception", "int8", "4", "56.4 ms", "45.1 ms", "73.4 ms"]
    assert own[-1] == "predicted"


@pytest.mark.parametrize("figure", _FIGURES)
def test_filters_change_the_marks_and_the_table_alike(desktop: Opened, figure: str) -> None:
    for select in desktop.page.locator(f"#{figure} select").all():
        first = select.input_value()
        values = select.locator("option").evaluate_all(
            "options => options.map(option => option.value)"
        )
        for value in (*values, first):
            select.select_option(value)
            _holds_together(desktop.page, figure)


def _holds_together(page: Page, figure: str) -> None:
    """The chart, the count and the table say the same."""
    rows = _rows(page, figure)
    page.wait_for_function(
        "([marks, count]) => document.querySelectorAll(marks).length === count",
        arg=[f"#{figure} {_MARKS}", _drawable(figure, rows)],
        timeout=5000,
    )
    assert page.locator(f"#{figure} .empty").is_visible() == (rows == [])
    count = page.locator(f"#{figure} .count").text_content() or ""
    assert count.startswith(f"{len(rows)} of ")


def test_a_filter_leaves_what_it_says(open_report: Open) -> None:
    with open_report() as opened:
        page = opened.page
        page.locator("#latency select[data-key=recipe]").select_option("float32")
        page.locator("#latency select[data-key=device]").select_option("pixel-4")
        assert [row[:3] for row in _rows(page, "latency")] == [["pixel-4", "Xception", "float32"]]


def test_nothing_is_asked_of_the_network_and_nothing_goes_wrong(desktop: Opened) -> None:
    assert desktop.console == []
    assert {url.split(":")[0] for url in desktop.requests} <= {"file", "data"}
    assert [url for url in desktop.requests if url.startswith("file:")] == [desktop.page.url]


def test_a_hostile_name_is_text_everywhere(desktop: Opened, reported: edgecnn.ReportResult) -> None:
    assert desktop.dialogs == []
    names = [row[0] for row in _rows(desktop.page, "size")]
    assert sample_experiments.HOSTILE in names
    # One script for the library, one of ours, and the charts' data, which no browser runs.
    kinds = desktop.page.evaluate("Array.from(document.scripts, each => each.type)")
    assert sorted(kinds) == ["", "", *["application/json"] * len(reported.figures)]
    assert "49" not in "".join(names)  # {{7*7}}
