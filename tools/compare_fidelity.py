"""The board: fidelity of int8 files, edgecnn's beside those of other tools, on trained networks.

`python tools/compare_fidelity.py [--networks NAME...] [--samples 8,32,100]`. Every tool gets the
same float network and the same pictures, and one function measures every file, on pictures that no
tool has seen. A row is a network with a number of calibration pictures; it is written when it ends,
and rows that are there already are kept, so that a run can be taken up again (--again: anew).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from compare.board_files import TOOLS, Float, ToolError, float_files, make_files, save
from compare.board_measuring import Measured
from compare.board_networks import BoardNetwork, named, source
from compare.board_table import Row, cells, markdown, targets
from compare.reference_images import digest
from measure.measuring import (
    BENCHMARKS,
    checkout,
    describe_machine,
    print_table,
    print_targets,
    write_report,
)

from edgecnn import isolation

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = "8,32,100"
MEASURE = "SNR of the worst output about its mean, logits where there is a softmax (edgecnn.parity)"


@dataclass(frozen=True)
class Board:
    """The rows measured so far, and the file they are kept in."""

    path: Path
    rows: dict[str, Row]

    @classmethod
    def read(cls, path: Path) -> Board:
        """Take up the rows of an earlier run, if there is one."""
        if not path.is_file():
            return cls(path, {})
        known = json.loads(path.read_text(encoding="utf-8")).get("rows", [])
        rows = [row_from_json(fields) for fields in known]
        return cls(path, {row.key: row for row in rows})

    def add(self, row: Row) -> None:
        """Keep a row and write all of them."""
        self.rows[row.key] = row
        ordered = list(self.rows.values())
        facts = {"measure": MEASURE, "rows": [asdict(r) for r in ordered]}
        write_report(self.path, facts, targets(ordered))


def row_from_json(fields: dict[str, Any]) -> Row:
    """Return a row as `asdict` wrote it."""
    tools = {
        name: Measured(**{**values, "outputs": tuple(values["outputs"])})
        for name, values in fields["tools"].items()
    }
    return Row(**{**fields, "tools": tools})


def machine_text() -> str:
    """This computer as a row names it."""
    machine = describe_machine()
    extension = "VNNI" if has_vnni() else "no VNNI"
    return f"{machine.cpu}, {machine.cores} cores, {extension}"


def has_vnni() -> bool:
    """Whether the CPU multiplies int8 without saturating: onnxruntime's files suffer where not."""
    return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")


def measured_row(floats: Float, samples: int, folder: Path) -> Row:
    """Let every tool quantize a network with so many pictures, and measure the files."""
    network = floats.network
    calibration = network.images("calibration", samples)
    evaluation = network.images("evaluation", network.evaluated)
    files, errors = make_files(floats, calibration, folder)
    pictures = save(folder / "evaluation.npz", evaluation)
    measured: dict[str, Measured] = isolation.run(
        "compare.board_measuring:measure", str(floats.artifact), str(pictures), files,
        what=f"measuring {network.name}",
    )  # fmt: skip
    failed = {tool: Measured(error=error) for tool, error in errors.items()}
    return Row(
        network=network.name,
        task=network.task,
        samples=samples,
        evaluated=network.evaluated,
        calibration_sha256=digest(calibration),
        evaluation_sha256=digest(evaluation),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        commit=checkout(),
        machine=machine_text(),
        tools={tool: (measured | failed)[tool] for tool in TOOLS if tool in measured | failed},
    )


def fill(board: Board, network: BoardNetwork, samples: Sequence[int]) -> None:
    """Measure the rows of one network; what stops it is printed, and ends its rows alone."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        try:
            floats = float_files(network, source(network, folder), folder)
        except ToolError as error:
            print(f"{network.name}: no float file: {error}", flush=True)
            return
        for count in samples:
            place = folder / str(count)
            place.mkdir()
            row = measured_row(floats, count, place)
            board.add(row)
            print("  ".join(cells(row)), flush=True)


def main() -> None:
    """Measure the board's rows that are not there yet, and print it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--networks", nargs="*", default=[], help="how names begin; all by default")
    parser.add_argument("--samples", default=SAMPLES, help="calibration pictures, such as 8,100")
    parser.add_argument("--again", action="store_true", help="measure rows anew that are there")
    parser.add_argument("--json", type=Path, default=BENCHMARKS / "fidelity.json")
    parser.add_argument("--markdown", type=Path, help="write the table for the README there")
    options = parser.parse_args()
    board = Board.read(options.json)
    for network in named(options.networks):
        counts = [int(count) for count in options.samples.split(",")]
        missing = [
            count
            for count in counts
            if options.again or Row.key_of(network.name, count) not in board.rows
        ]
        if missing:
            fill(board, network, missing)
    rows = list(board.rows.values())
    print_table(MEASURE, ("", *TOOLS), [cells(row) for row in rows])
    print_targets(targets(rows))
    if options.markdown:
        options.markdown.write_text(markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
