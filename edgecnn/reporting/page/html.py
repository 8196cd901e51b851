"""The HTML page: one file, with its styles, its charts' library and its data inside."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from edgecnn.errors import MissingPartError
from edgecnn.reporting import verdict, verdict_details
from edgecnn.reporting.page import badges, drawing, vega, words
from edgecnn.reporting.page.figure import Figure, visible

if TYPE_CHECKING:
    import jinja2

    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material
    from edgecnn.reporting.page.sections import SectionContent

_HINT = "pip install 'edgecnn[report]'"
_TEMPLATES = "edgecnn.reporting.page"


def check_installed() -> None:
    """Hold that the page's libraries are here, before anything is read.

    Raises:
        MissingPartError: they are not.
    """
    try:
        import altair as alt  # noqa: F401 - is it there
        import jinja2  # noqa: F401 - is it there
        import vl_convert  # noqa: F401 - is it there
    except ImportError as error:
        raise MissingPartError(
            f"The report needs {error.name}, which is not installed.", hint=f"Run: {_HINT}"
        ) from error


def render(material: Material, sections: tuple[SectionContent, ...]) -> str:
    """Make the whole page.

    Args:
        material: the verdicts, and files that could not be read.
        sections: every figure, gathered.

    Returns:
        HTML that needs no other file and no network. The same material gives the same text.
    """
    from markupsafe import Markup

    from edgecnn.reporting.page.summary import summarize

    library, script = _library(), _text("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            material=material,
            sections=[_section(section) for section in sections],
            summary=summarize(material),
            badges=badges.BADGES,
            shapes=badges.SHAPES,
            style=Markup(_text("page.css")),  # noqa: S704 - a file of this package
            library=Markup(library),  # noqa: S704 - of the installed charting library
            script=Markup(script),  # noqa: S704 - a file of this package
            policy=_policy(library, script),
        )
    )


def _section(content: SectionContent) -> dict[str, Any]:
    charts = zip(content.section.charts, content.figures, strict=True)
    return {
        "id": content.section.id,
        "title": content.section.title,
        "figures": [
            _figure(figure, chart.draw(figure)) if isinstance(figure, Figure) else {"gap": figure}
            for chart, figure in charts
        ],
    }


def _figure(figure: Figure, drawn: drawing.Drawing) -> dict[str, Any]:
    places = [{option: at for at, option in enumerate(choice.options)} for choice in figure.filters]
    return {
        "figure": figure,
        "keys": drawn.keys,
        "spec": _json(vega.compiled(drawing.specification(figure, drawn))),
        "rows": [_row(figure, row, places) for row in figure.rows],
        "shown": sum(visible(figure, row) for row in figure.rows),
    }


def _row(figure: Figure, row: Row, places: list[dict[str, int]]) -> dict[str, Any]:
    """A table's row; `by` has the places of its values in the filters' options."""
    by = [
        place.get(str(row[choice.key]), -1)
        for choice, place in zip(figure.filters, places, strict=True)
    ]
    return {
        "by": " ".join(map(str, by)),
        "cells": [(column, column.text(row[column.key])) for column in figure.columns],
        "visible": visible(figure, row),
    }


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        quantity=words.quantity,
        path=badges.PATHS.__getitem__,
        frames=verdict.frames_text,
        interval=verdict.interval_text,
        word_pairs=verdict_details.word_pairs,
        details_table=verdict_details.details_table,
        settling=verdict_details.settling,
    )
    return environment


def _text(name: str) -> str:
    return resources.files(_TEMPLATES).joinpath("templates", name).read_text(encoding="utf-8")


def _library() -> str:
    """Vega, Vega-Lite and vega-embed as one script, from the package that carries them."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vega.VEGA_LITE)
    return bundle


def _json(value: Any) -> Any:  # noqa: ANN401 - parsed or to be parsed
    """JSON for a script element: nothing in it can end the element or begin a comment."""
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _policy(*scripts: str) -> str:
    """A Content-Security-Policy: our two scripts run, no other; nothing is fetched.

    Vega compiles its expressions with Function, which is what 'unsafe-eval' allows.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )
