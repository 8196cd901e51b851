"""`run --task classify` with the options and the output that `classify` has always had.

Kept for one release: what calls it should call `run`.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from edgecnn.deploying.device import run
from edgecnn.deploying.device.trouble import BAD_INPUT, SCHEMA, needs, needs_pillow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TOP = 5


def main(here: Path, arguments: Sequence[str] | None = None) -> int:
    """Classify, or prove; returns the exit code."""
    options = _parse(arguments)
    return run.guarded(lambda: _main(here, options), as_json=options.json or options.prove)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="classify", description="Classifies image files; `run` does the same, and more."
    )
    parser.add_argument("inputs", nargs="*", metavar="IMAGE", help="image files, or 'patterns*'")
    parser.add_argument(
        "--top", type=run.count, default=_TOP, metavar="K", help="classes shown (5)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run.finished(parser, arguments)


def _main(here: Path, options: argparse.Namespace) -> int:
    if options.prove:
        return run.prove(here, options.threads)
    needs("numpy", "python3-numpy")
    needs_pillow()
    from edgecnn.deploying.device import session
    from edgecnn.deploying.device.answers import Question

    manifest = session.read_json(here / "manifest.json")
    loaded = session.Session(here, manifest, options.threads)
    warnings = session.warnings(manifest)
    question = Question("classify", run.labels(here), most=options.top, size=loaded.size)
    feeder = loaded.feeder("cover")
    results = []
    for name in run.named(options.inputs):
        for result in loaded.results(name, feeder, question):
            results.append({k: value for k, value in result.record.items() if k != "task"})
            if not options.json:
                run.print_text(result.record)
    if options.json:
        record = {
            "schema": SCHEMA,
            "model": manifest["model"]["name"],
            "recipe": manifest["recipe"],
            "threads": options.threads,
            "warnings": warnings,
            "results": results,
        }
        print(json.dumps(record, indent=2))  # noqa: T201 - a program of its own
    return BAD_INPUT if any("error" in result for result in results) else 0
