"""A chart in Vega's words: compiled here, once, and not in every reader's browser."""

from __future__ import annotations

import json
import re
from typing import Any

from edgecnn.reporting.page import drawing, labels

VEGA_LITE = "6.4"  # what Altair writes
# Halves of surrogate pairs, which stand for the bytes of a file's name that are no text.
_HALVES = re.compile("[\ud800-\udfff]")


def compiled(specification: dict[str, Any]) -> dict[str, Any]:
    """Compile a chart with the look of all charts, its names laid out."""
    import vl_convert

    text = json.dumps(specification, ensure_ascii=False)
    spec: dict[str, Any] = vl_convert.vegalite_to_vega(
        _HALVES.sub(lambda half: f"\\\\u{ord(half[0]):04x}", text),
        config=drawing.config(),
        vl_version=VEGA_LITE,
        show_warnings=False,  # it warns that rows of a fixed height fit the width alone: intended
    )
    labels.lay_out(spec)
    return spec
