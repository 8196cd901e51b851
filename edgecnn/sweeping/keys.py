"""Digests of everything that decides a result: what has the same key is not made twice.

Paths have no part in a key, their content has; nor have times, engines and numbers of processes.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.building.files import tree_sha256
from edgecnn.calibration import fashion_mnist
from edgecnn.convert.versions import digest, find_version, versions
from edgecnn.errors import InputError
from edgecnn.latency import profiles
from edgecnn.sweeping.points import preprocessing_of
from edgecnn.text import printable

if TYPE_CHECKING:
    from edgecnn.sweeping.points import Planned
    from edgecnn.sweeping.spec import Spec

# Raised where the same request comes to another result for a reason that no version tells.
VERSION = 1
# Beside those of an export: what decodes images, and what boxes are scored with.
_PACKAGES = ("pillow", "scikit-image", "scipy", "pycocotools")
# Options of `train` and `evaluate` that name files.
FILES = frozenset({"data", "annotations", "masks", "anchors", "labels"})
_HOW = ("calibration_samples", "calibration_method", "recipe", "min_snr_db", "format", "seed")


def decisive_versions() -> dict[str, str]:
    """Version of every package that has a part in a result and is installed."""
    installed = {name: find_version(name) for name in _PACKAGES}
    return versions() | {name: text for name, text in installed.items() if text is not None}


class Keys:
    """The keys of one sweep's points; each file is read once.

    Args:
        spec: what is done with each point.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._contents: dict[str, str] = {}
        self._versions = decisive_versions()
        self._how_measured = digest(
            self._options(spec.evaluating), self._devices(), spec.benching and asdict(spec.benching)
        )

    def network(self, planned: Planned) -> str:
        """Of the network with its weights; of what trains them, where it is trained.

        Raises:
            InputError: a file that decides it cannot be read.
        """
        training = self._options(self._spec.training)
        return digest(VERSION, planned.identity.cache_key, training, self._versions)

    def artifact(self, planned: Planned) -> str:
        """Of the exported folder.

        Raises:
            InputError: as `network`.
        """
        point = planned.point
        how = {name: getattr(point, name) for name in _HOW}
        scaling = preprocessing_of(point, self._spec.preprocessing)
        settings = None if scaling is None else asdict(scaling)
        return digest(self.network(planned), how, self._content(point.calibration), settings)

    def group(self, planned: Planned) -> str:
        """Of what shares a float stage: random weights are adapted to the calibration images.

        Raises:
            InputError: as `network`.
        """
        point = planned.point
        adapted = None
        if planned.identity.has_random_weights and self._spec.training is None:
            adapted = self._content(point.calibration), point.calibration_samples
        return digest(self.network(planned), adapted)

    def point(self, planned: Planned) -> str:
        """Of the record.

        Raises:
            InputError: as `network`.
        """
        return digest(self.artifact(planned), self._how_measured)

    def _options(self, options: dict[str, Any] | None) -> dict[str, Any] | None:
        if options is None:
            return None
        return {
            name: self._content(str(value)) if name in FILES else value
            for name, value in options.items()
        }

    def _devices(self) -> list[Any] | None:
        predicting = self._spec.predicting
        if predicting is None:
            return None
        devices = [asdict(profiles.find(device)) for device in predicting.device]
        return [devices, predicting.device, predicting.threads]

    def _content(self, name: str | None) -> str:
        """What a source of images, labels or arrays holds; a name that is no file stands for it."""
        if name is None:
            return ""
        if name not in self._contents:
            self._contents[name] = _content_of(name)
        return self._contents[name]


def _content_of(name: str) -> str:
    if name == fashion_mnist.SOURCE:
        return tree_sha256(fashion_mnist.find())
    path = Path(name)
    try:
        return tree_sha256(path) if path.exists() else name
    except (OSError, ValueError) as error:  # a name that no file can have; a folder that is locked
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{printable(name)} cannot be read: {why}.") from error
