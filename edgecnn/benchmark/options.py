"""What a user may ask of `bench`, `compare` and `check`."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.devices import farm
from edgecnn.errors import InputError
from edgecnn.evidence.results import DEFAULT
from edgecnn.inspection.shapes import InputSizes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Everything but the files.

    Attributes:
        on: "local", "ssh://[user@]host[:port]", "adb://SERIAL", "@FARM.toml" or "@FARM.toml:GROUP"
            (see `edgecnn.devices.farm`), one or several.
        threads: numbers of threads; each file is measured with each.
        profile: "quick" (seconds), "publish" (minutes) or "sustained" (half an hour).
        formats: which files of an artifact folder: "tflite", "onnx" or both.
        keep: leave the runtime on the devices, so that the next run starts at once.
        operators: also find out where the time goes, operator by operator; on this machine.
        benchmark_model: TFLite's benchmark_model for an adb device, instead of a Python there.
        input_shapes: of inputs that a file leaves open, by name, or under "" for the only one.
        input_size: likewise: height and width of the image inputs, pixels.
        results: JSON lines file that each device's results are appended to as they arrive; None
            keeps none.
    """

    on: str | Sequence[str] = ("local",)
    threads: int | Sequence[int] = (1,)
    profile: str = "quick"
    formats: Sequence[str] = ("tflite",)
    keep: bool = False
    operators: bool = False
    benchmark_model: Path | str | None = None
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    input_size: int | tuple[int, int] | None = None
    results: Path | str | None = DEFAULT

    @functools.cached_property
    def targets(self) -> tuple[str, ...]:
        """The devices, each once; farms are read when this is first asked for.

        Raises:
            InputError: there is none, one is no device, or a farm cannot be read.
        """
        devices = farm.expanded((self.on,) if isinstance(self.on, str) else self.on)
        if not devices:
            raise InputError("No device is given.", hint="For example --on local")
        return devices

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """The numbers of threads, each once.

        Raises:
            InputError: there is none, or one is below 1.
        """
        threads = (self.threads,) if isinstance(self.threads, int) else self.threads
        if not threads or min(threads) < 1:
            raise InputError(
                "The number of threads must be 1 or more.", hint="For example --threads 1,2,4"
            )
        return tuple(dict.fromkeys(threads))

    @property
    def shapes(self) -> InputSizes:
        """What is said of the files' inputs.

        Raises:
            InputError: something, beside an option that takes files as they are.
        """
        shapes = InputSizes(dict(self.input_shapes), self.input_size)
        if shapes and (self.operators or self.benchmark_model is not None):
            option = "--operators" if self.operators else "--benchmark-model"
            raise InputError(
                f"{option} takes files as they are, without {shapes.option}.",
                hint=f"Leave {option} out, or export the file at that shape.",
            )
        return shapes

    @property
    def results_file(self) -> Path | None:
        """Where results are kept."""
        return None if self.results is None else Path(self.results)

    @property
    def program(self) -> Path | None:
        """The benchmark_model binary.

        Raises:
            InputError: one is named, and no phone.
        """
        if self.benchmark_model is None:
            return None
        if not any(target.startswith("adb:") for target in self.targets):
            raise InputError(
                "benchmark_model is for phones, and no phone is given.",
                hint="Add --on adb://SERIAL; `adb devices` lists the serials.",
            )
        return Path(self.benchmark_model)
