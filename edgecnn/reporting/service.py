"""What is said of a service on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.deploying import ServiceReport


def service_pairs(report: ServiceReport) -> tuple[tuple[str, str], ...]:
    """Names and values, for a person."""
    if report.removed:
        return (("service", f"{report.unit}, removed"), ("folder", report.folder))
    state = report.systemd
    restarts = state.get("NRestarts", "0")
    activity = f"{state.get('ActiveState', 'unknown')} ({state.get('SubState', 'unknown')})"
    pairs = [
        ("service", report.unit),
        ("state", f"{activity}, {restarts} restarts"),
        ("answers", "yes" if report.answers else "no"),
        ("release", report.release),
        ("folder", report.folder),
    ]
    if report.port is not None:
        pairs.append(("page", _page(report, report.port)))
    if report.went_back:
        back = report.went_back
        why = f"{back.get('from', '')} to {back.get('to', '')}: {back.get('why', '')}"
        pairs.append(("went back", f"from {why}"))
    return tuple(pairs)


def _page(report: ServiceReport, port: int) -> str:
    if report.token:
        return f"http://DEVICE:{port}/?token={report.token}"
    return f"http://127.0.0.1:{port} there; from here: ssh -L {port}:127.0.0.1:{port} DEVICE"


def notes(target: str, report: ServiceReport) -> tuple[str, ...]:
    """What the user should do or know."""
    if report.removed or report.lingers:
        return ()
    advice = "It ends when the user logs out there, and does not start with the device. To let it"
    return (f"{advice}, on {target}: sudo loginctl enable-linger $USER",)
