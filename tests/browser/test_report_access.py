"""The report for everybody: by screen reader, phone and keyboard, dark, printed, unscripted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from opened_report import Open, Opened

    import edgecnn

_PHONE = (360, 740)
_A4_WIDTH = 794  # CSS pixels
_GRAVE = {"serious", "critical"}


def _violations(opened: Opened) -> list[str]:
    found = Axe().run(opened.page).response["violations"]
    return [
        f"{each['id']}: {[node['target'] for node in each['nodes']][:5]}"
        for each in found
        if each["impact"] in _GRAVE
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), _PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_serious_fault(
    open_report: Open, size: tuple[int, int], *, dark: bool
) -> None:
    with open_report(size, dark=dark) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert _violations(opened) == []


def test_a_phone_scrolls_in_one_direction(open_report: Open) -> None:
    with open_report(_PHONE) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert opened.page.evaluate("document.documentElement.scrollWidth") == _PHONE[0]
        widths = opened.page.eval_on_selector_all(
            ".plot svg", "each => each.map(svg => svg.getBoundingClientRect().right)"
        )
        assert max(widths) <= _PHONE[0]


def test_dark_mode_restyles_page_and_charts(open_report: Open) -> None:
    def colours(opened: Opened) -> list[str]:
        found: list[str] = opened.page.evaluate(
            """() => ["body", "#latency .mark-symbol path", "#latency .role-axis-label text"].map(
                (each) => {
                    const style = getComputedStyle(document.querySelector(each));
                    return each === "body" ? style.backgroundColor : style.fill;
                })"""
        )
        return found

    with open_report() as light, open_report(dark=True) as dark:
        pairs = list(zip(colours(light), colours(dark), strict=True))
    assert [pair for pair in pairs if pair[0] == pair[1]] == []


def test_tab_reaches_links_filters_tables_and_details(open_report: Open) -> None:
    with open_report() as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        reached = set()
        for _ in range(500):
            name, outline = page.evaluate(
                """() => {
                    const each = document.activeElement;
                    return [each.tagName, getComputedStyle(each).outlineStyle];
                }"""
            )
            if name == "BODY":
                break
            reached.add(name)
            assert outline != "none", f"the focus on {name} is not seen"
            page.keyboard.press("Tab")
        assert {"A", "SELECT", "SUMMARY", "DIV"} <= reached  # a DIV: a table that scrolls


def test_keys_open_a_table_and_choose_a_filter(open_report: Open) -> None:
    with open_report() as opened:
        page = opened.page
        details = page.locator("#latency details")
        page.locator("#latency summary").focus()
        page.keyboard.press("Enter")
        assert details.get_attribute("open") is not None
        recipe = page.locator("#latency select[data-key=recipe]")
        recipe.focus()
        page.keyboard.press("f")  # of float32
        page.wait_for_function(
            "document.querySelector('#latency .count').textContent === '3 of 72 rows'"
        )
        assert recipe.input_value() == "float32"


def test_print_has_every_chart_and_every_open_table(open_report: Open) -> None:
    with open_report(dark=True) as opened:
        page = opened.page
        document = page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", document)) > 5
        page.set_viewport_size({"width": _A4_WIDTH, "height": 1123})
        page.emulate_media(media="print")
        right = page.eval_on_selector_all(
            ".plot svg", "each => each.map(svg => svg.getBoundingClientRect().right)"
        )
        assert max(right) <= _A4_WIDTH
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0


def test_without_javascript_the_tables_have_the_values(open_report: Open) -> None:
    with open_report(scripts=False) as opened:
        assert opened.page.locator("noscript").is_visible()
        assert opened.page.locator("#latency tbody tr:not([hidden])").count() == 3


def test_the_page_is_small(reported: edgecnn.ReportResult) -> None:
    assert reported.size_bytes < 5_000_000
