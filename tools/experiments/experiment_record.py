"""What the experiments share: the header of a record, where it goes, and how it is written."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from measure.measuring import ROOT, describe_machine, package_versions

from edgecnn.evidence import files
from edgecnn.evidence.records import Header, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.evidence.files import Record

FOLDER = ROOT / files.DEFAULT


def header(experiment: str, flags: Sequence[str] = ()) -> Header:
    """Say where a record comes from: now, here, by which command.

    Args:
        experiment: the record's name.
        flags: those that decide what the record holds; never a path of this machine.

    Raises:
        ValueError: a flag holds a path.
    """
    if any(flag.startswith(("/", "~", ".")) for flag in flags):
        raise ValueError(f"{flags}: a path of this machine does not belong into a record")
    return Header(
        experiment=experiment,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=" ".join((files.command(experiment), *flags)),
        machine=Machine(**asdict(describe_machine())),
        versions=package_versions(),
    )


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The command line of an experiment: nothing need be given."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--records", type=Path, default=FOLDER, help="folder of the record; artifacts/experiments"
    )
    return parser


def save(record: Record, folder: Path) -> None:
    """Write the record and say where.

    Raises:
        InputError: it is not sound, or cannot be written.
    """
    print(f"{files.write(record, folder).name} is written.")
