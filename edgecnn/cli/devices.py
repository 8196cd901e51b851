"""`edgecnn devices`: what there is to measure on, and what can be predicted."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.bench_print import DEVICE_FAILED, print_failures
from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.options import common_options, quiet_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from edgecnn.benchmark.own_profile import CalibratedDevice
    from edgecnn.benchmark.report import DevicesReport
    from edgecnn.latency.listing import KnownProfile

_CALIBRATE = "calibrate"


class _Devices(click.Command):
    """Hands over to `calibrate` where that is the first word; no device has such a name."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's own
    ) -> click.Context:
        if args[:1] == [_CALIBRATE]:
            name = f"{info_name} {_CALIBRATE}"
            return calibrate.make_context(name, args[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)


@click.command(cls=_Devices, short_help="List devices to measure on, and device profiles.")
@click.argument("targets", nargs=-1, metavar="[DEVICE...]")
@click.option("--profiles", is_flag=True, help="List only the device profiles for predict and fit.")
@quiet_option
@common_options
@click.pass_context
def devices(
    context: click.Context, targets: tuple[str, ...], *, profiles: bool, quiet: bool, as_json: bool
) -> None:
    """Show devices and their state: clock, temperature, load.

    Without DEVICE: this machine, phones connected over adb, and the device profiles for `predict`
    and `fit`. Devices behind SSH cannot be discovered; name them: ssh://[USER@]HOST[:PORT], or
    @FARM.toml[:GROUP]. Nothing is left on a device. Exit code 3 if one cannot be reached.

    `edgecnn devices calibrate DEVICE --out FILE.toml` measures a device and writes its profile.
    """
    if targets and profiles:
        raise HintedUsageError(
            f"--profiles and a device ({targets[0]}) exclude each other.", hint="Give one of them."
        )
    report = None if profiles else _probe(targets, quiet=quiet)
    known = () if targets else edgecnn.list_profiles()
    if as_json:
        from edgecnn.reporting.json_objects import devices_object

        console.print_json(devices_object(report, known))
    else:
        _print(report, known)
    if report is not None:
        print_failures(report.failures)
        if report.failures:
            context.exit(DEVICE_FAILED)


def _probe(targets: tuple[str, ...], *, quiet: bool) -> DevicesReport:
    with watching(quiet=quiet) as progress:
        return edgecnn.list_devices(targets, progress=progress)


def _print(report: DevicesReport | None, known: tuple[KnownProfile, ...]) -> None:
    from edgecnn.reporting.devices import device_pairs, profiles_table

    for probe in report.devices if report is not None else ():
        console.print_line(probe.target, "bold")
        console.print_pairs(device_pairs(probe))
        if probe.problem:
            console.warn(f"{probe.problem} {probe.hint}".strip())
    for note in report.notes if report is not None else ():
        console.say("note", note, style="bold")
    if known:
        console.print_line("Profiles, for `edgecnn predict` and `edgecnn fit`", "bold")
        console.print_table(profiles_table(known))
        console.print_paragraph(
            "float32, int8: number of networks with published latencies on this device, which"
            " predictions are based on.",
            "dim",
        )


@click.command(_CALIBRATE)
@click.argument("target", metavar="DEVICE")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Profile to write (.toml).",
)
@quiet_option
@common_options
def calibrate(target: str, *, out: Path, quiet: bool, as_json: bool) -> None:
    """Measure DEVICE for a minute and write its profile, for predict --device FILE.

    DEVICE is ssh://[USER@]HOST[:PORT], adb://SERIAL, or local. Its cores and clocks are read from
    the system; their speed is measured with small convolutional networks. Nothing is left on the
    device. Exit code 3 if it fails or was disturbed.
    """
    with watching(quiet=quiet) as progress:
        result = edgecnn.calibrate_device(target, out=out, progress=progress)
    if as_json:
        from edgecnn.reporting.json_objects import calibrated_object

        console.print_json(calibrated_object(result))
    elif not quiet:
        _print_calibrated(result)
    for warning in result.warnings:
        console.warn(warning)


def _print_calibrated(result: CalibratedDevice) -> None:
    from edgecnn.reporting.devices import probes_table, profile_pairs

    console.print_line(f"Wrote {result.path}", "bold")
    console.print_pairs(profile_pairs(result.profile))
    console.print_table(probes_table(result.probes))
    console.print_line("Next:")
    console.print_line(f"  edgecnn predict xception --device {shlex.quote(result.path)}", "bold")
