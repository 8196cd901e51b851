"""A network where it stands: "ssh://pi@host/xception-int8" is a device and a folder there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.deploying import status
from edgecnn.devices.shell import ShellDevice
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from edgecnn.deploying.records import Network

_PARENT = "edgecnn"


@dataclass(frozen=True)
class Place:
    """A device, and a folder there.

    Attributes:
        target: as `open_device` takes it.
        folder: as `deploy --to` takes it; None where nobody named one.
    """

    target: str
    folder: str | None


def parse(text: str) -> Place:
    """Take a place apart.

    A name alone lies in ~/edgecnn, where `deploy` puts it; a path begins at the user's home, and
    with a second slash (ssh://host//opt/net) at the root.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        target, _, path = text.partition("/")
    else:
        host, _, path = rest.partition("/")
        target = f"{scheme}://{host}"
    path = path if path == "/" else path.rstrip("/")
    if not path:
        return Place(target, None)
    return Place(target, path if "/" in path or path.startswith("~") else f"{_PARENT}/{path}")


def opened(text: str) -> tuple[ShellDevice, str | None]:
    """The device of a place, and its folder; nothing is reached yet.

    Raises:
        InputError: it is none that can be deployed to, or several.
    """
    place = parse(text)
    status.check_place(place.folder)
    if place.target.startswith("@"):
        raise InputError(f"{text}: one device is asked for.", hint="ssh://pi@raspberrypi.local")
    (device,) = status.opened((place.target,))
    assert isinstance(device, ShellDevice)  # noqa: S101 - for the type checker: see `opened` there
    return device, place.folder


def network(device: ShellDevice, folder: str | None) -> Network:
    """The network that stands in a folder, or the only one that stands anywhere.

    Raises:
        InputError: there is none, or there are several.
        DeviceError: the device cannot be reached.
    """
    networks = status.networks_on(device, folder)
    if len(networks) == 1:
        return networks[0]
    where = "there" if folder is None else f"in {folder}"
    if not networks:
        raise InputError(
            f"{device.target}: no network is deployed {where}.",
            hint=f"edgecnn deploy ARTIFACT {device.target}",
        )
    names = [entry.folder.rpartition("/")[2] for entry in networks]
    raise InputError(
        f"{device.target}: {len(networks)} networks are deployed there: {', '.join(names[:20])}.",
        hint=f"Name one: {device.target}/{names[0]}",
    )
