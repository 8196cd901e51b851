"""What a user may ask of `predict` and `fit`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.records import Preprocessing

RECIPES = ("float32", "dynamic", "int8")


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Everything but the model.

    Attributes:
        device: names of profiles, paths to profiles (.toml), or "all".
        threads: of one inference, one or several numbers.
        recipes: none for a file's own, or float32 for a network.
        input_size: of a network that is not yet built, or a file that leaves it open: height and
            width, pixels; one number for a square.
        input_shapes: of inputs that a file leaves open, by name, or under "" for the only one.
        width: its width multiplier.
        classes: the size of its output.
        convolution: "normal" for its twin with normal convolutions; None for the network as it is.
        explain: also predict what would be if one thing were otherwise.
    """

    device: str | Sequence[str]
    threads: int | Sequence[int] = 1
    recipes: Sequence[str] = ()
    input_size: int | tuple[int, int] | None = None
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    width: float | None = None
    classes: int | None = None
    convolution: str | None = None
    explain: bool = False

    @property
    def devices(self) -> tuple[str, ...]:
        """Each once.

        Raises:
            InputError: none is named.
        """
        named = (self.device,) if isinstance(self.device, str) else tuple(self.device)
        if not named:
            raise InputError("No device is named.", hint="`edgecnn devices` lists the profiles.")
        return tuple(dict.fromkeys(named))

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """Each once.

        Raises:
            InputError: there is none.
        """
        counts = (self.threads,) if isinstance(self.threads, int) else tuple(self.threads)
        if not counts:
            raise InputError("At least 1 thread computes.", hint="For example --threads 1,4")
        return tuple(dict.fromkeys(counts))


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Everything but the model.

    Attributes:
        device: name of a profile, or path to one (.toml).
        latency_ms: what one inference may take.
        memory_bytes: what the process may take at its peak; None for any.
        size_bytes: what the file may take; None for any.
        threads: of one inference; None for all cores.
        recipes: to choose from.
        input_sizes: to choose from, pixels, in place of the usual ones.
        input_shapes: of inputs that a file leaves open, by name, or under "" for the only one.
    """

    device: str
    latency_ms: float
    memory_bytes: int | None = None
    size_bytes: int | None = None
    threads: int | None = None
    recipes: Sequence[str] = RECIPES
    input_sizes: Sequence[int] = ()
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MicroFitOptions:
    """What a network on a microcontroller may take; a board sets what is not said.

    Attributes:
        board: name of one, as `tflm.boards` has it; None for any that has room.
        arena_bytes: of RAM, for TensorFlow Lite Micro's arena.
        flash_bytes: for the file as an array.
        latency_ms: what one inference may take; for boards whose latency is predicted.
        recipes: to choose from: int8, float32.
        input_sizes: to choose from, pixels, in place of the usual ones.
        input_shapes: of inputs that a file leaves open, by name, or under "" for the only one.
        calibration: of a model of the user's own, what decides which layers stay in float: a
            folder of images, an .npz, "fashion-mnist"; None for photographs that scikit-image
            ships.
        preprocessing: how images become its input; None for what it says itself, or 0 to 1.
    """

    board: str | None = None
    arena_bytes: int | None = None
    flash_bytes: int | None = None
    latency_ms: float | None = None
    recipes: Sequence[str] = ("int8",)
    input_sizes: Sequence[int] = ()
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    calibration: str | None = None
    preprocessing: Preprocessing | None = None
