"""SPEC.toml: the axes of a sweep, what is done with each point, and what it may take: see EXAMPLE.

Paths are taken as on the command line: from the folder that edgecnn is started in.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from edgecnn import files, strict
from edgecnn.errors import InputError
from edgecnn.evaluating.options import EvaluateOptions
from edgecnn.sweeping import offered, option_types
from edgecnn.sweeping.records import Budget, Point
from edgecnn.training.options import TrainOptions
from edgecnn.zoo.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from edgecnn.records import Preprocessing

EXAMPLE = """\
# The axes: each a value or a list of them; the points are their product.
[axes]
model = "xception-mini"          # as `edgecnn export` takes them: names, keras:NAME, files
input_size = [32, 48]
width = [0.5, 1.0]
recipe = ["float32", "int8"]
format = "tflite"
calibration = "fashion-mnist"
# Also: convolution, weights, classes, seed, calibration_samples, calibration_method, min_snr.

# [input]                        # how pixels are scaled, for models of your own
# input_range = [0, 1]           # or mean and std; channel_order

[train]                          # each network once; without it they keep their weights
data = "fashion-mnist"
epochs = 2

[evaluate]                       # options of `edgecnn evaluate`
data = "fashion-mnist"
limit = 1000

[predict]
device = ["raspberry-pi-4b", "raspberry-pi-5"]
threads = 4

# [bench]                        # devices at hand
# on = "ssh://pi@raspberrypi.local"   # or several, "local", "@farm.toml:pi4"; with --ray what a
#                                     # node offers: "device:raspberry-pi-4b"
# threads = 4

[budget]                         # as --latency, --size and --max-drop
latency = "100ms"
size = "6MB"
"""
_TABLES = ("axes", "input", "train", "evaluate", "predict", "bench", "budget")
# What a point says already, or this machine.
_NOT_OF_TRAINING = {"weights", "input_size", "width", "convolution", "preprocessing", "out", "seed"}
_NOT_OF_EVALUATING = {"preprocessing", "threads", "against", "ray", "shards"}
# What the axes are called in a file, where that differs; the plural of each is taken too.
_ALIASES = {"min_snr": "min_snr_db"}
_KINDS: dict[str, tuple[type, ...]] = {
    "input_size": (int,),
    "width": (int, float),
    "classes": (int,),
    "seed": (int,),
    "calibration_samples": (int,),
    "min_snr_db": (int, float, str),
}
_NONE = "none"  # TOML has no null: an axis's own default, beside other values


@dataclass(frozen=True)
class Axes:
    """By the name of a point's field, the values it takes."""

    model: tuple[str, ...]
    input_size: tuple[int | None, ...] = (None,)
    width: tuple[float | None, ...] = (None,)
    convolution: tuple[str | None, ...] = (None,)
    weights: tuple[str | None, ...] = (None,)
    classes: tuple[int | None, ...] = (None,)
    seed: tuple[int, ...] = (0,)
    calibration: tuple[str | None, ...] = (None,)
    calibration_samples: tuple[int, ...] = (100,)
    calibration_method: tuple[str, ...] = ("auto",)
    recipe: tuple[str, ...] = ("int8",)
    min_snr_db: tuple[float | None, ...] = (None,)
    format: tuple[str, ...] = ("tflite",)


@dataclass(frozen=True)
class Predicting:
    """Where latencies are predicted: device profiles, numbers of threads."""

    device: tuple[str, ...]
    threads: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Benching:
    """Where latencies are measured: targets of `bench` or what nodes offer; threads; how long."""

    on: tuple[str, ...]
    threads: tuple[int, ...] = (1,)
    profile: str = "quick"


@dataclass(frozen=True)
class Spec:
    """A whole sweep.

    Attributes:
        axes: the points are their product.
        preprocessing: of models of the user's own; None where it is not said.
        training: options of `train`; None: the networks keep their weights.
        evaluating: options of `evaluate`; None: nothing is evaluated.
        predicting: None: nothing is predicted.
        benching: None: nothing is measured.
        budget: what the network to take may take.
    """

    axes: Axes
    preprocessing: Preprocessing | None = None
    training: dict[str, Any] | None = None
    evaluating: dict[str, Any] | None = None
    predicting: Predicting | None = None
    benching: Benching | None = None
    budget: Budget = field(default_factory=Budget)


def read(path: Path) -> Spec:
    """Read a SPEC.toml.

    Raises:
        InputError: it is missing, no TOML, or says what cannot be; the sentence names where.
    """
    try:
        text = files.read_text(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8.", hint=_HINT) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint=_HINT) from error
    return from_tables(_tables(text, path), str(path))


_HINT = "`edgecnn sweep --example` prints one to begin with."


def _tables(text: str, path: Path) -> dict[str, Any]:
    try:
        return strict.parse_toml(text)
    except strict.UnfitError as error:
        raise InputError(f"{path}: {error}.", hint=_HINT) from error


def from_tables(tables: Mapping[str, Any], where: str = "The sweep") -> Spec:
    """Make a Spec of parsed TOML, or of the same as Python's dictionaries.

    Args:
        tables: as in the file.
        where: what a sentence begins with.

    Raises:
        InputError: as `read`.
    """
    _known(tables, _TABLES, where)
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{where}: {name} is no table.", hint=f"Write [{name}] above it.")
    if "axes" not in tables:
        raise InputError(f"{where} has no table [axes].", hint=_HINT)
    return Spec(
        _axes(tables["axes"], f"{where}, [axes]"),
        _preprocessing(tables.get("input"), f"{where}, [input]"),
        _training(tables.get("train"), f"{where}, [train]"),
        _evaluating(tables.get("evaluate"), f"{where}, [evaluate]"),
        _predicting(tables.get("predict"), f"{where}, [predict]"),
        _benching(tables.get("bench"), f"{where}, [bench]"),
        _budget(tables.get("budget", {}), f"{where}, [budget]"),
    )


def _known(table: Iterable[str], known: Iterable[str], where: str) -> None:
    names = list(known)
    for name in table:
        if name not in names:
            hint = suggest(name, names)
            raise InputError(f"{where}: there is no {name!r}.", hint=hint)


def _axes(table: dict[str, Any], where: str) -> Axes:
    names = [axis.name for axis in fields(Point)]
    named = {_axis_name(name, names): name for name in table}
    _known(named, names, where)
    if not named.keys() >= {"model"}:
        raise InputError(f"{where} names no model.", hint='For example: model = "xception-mini"')
    if len(named) < len(table):
        raise InputError(f"{where} names an axis twice.", hint="Keep one of the two.")
    return Axes(**{axis: _values(axis, table[name], where) for axis, name in named.items()})


def _axis_name(name: str, names: list[str]) -> str:
    for spelling in (name, name.removesuffix("s")):
        axis = _ALIASES.get(spelling, spelling)
        if axis in names:
            return axis
    return name


def _values(axis: str, content: object, where: str) -> tuple[Any, ...]:
    values = content if isinstance(content, list) else [content]
    if not values:
        raise InputError(f"{where}: {axis} has no value.", hint="Name one, or leave it out.")
    kinds = _KINDS.get(axis, (str,))
    return tuple(dict.fromkeys(_value(axis, value, kinds, where) for value in values))


def _value(axis: str, value: Any, kinds: tuple[type, ...], where: str) -> Any:  # noqa: ANN401 - what TOML holds
    optional = axis in {option.name for option in fields(Point) if option.default is None}
    if optional and value == _NONE and axis != "weights":  # "none" is a word of its weights
        return None
    if isinstance(value, bool) or not isinstance(value, kinds):
        types = " or a ".join(kind.__name__ for kind in kinds)
        raise InputError(f"{where}: {axis} takes a {types}, not {value!r}.")
    return _decibel(value, where) if axis == "min_snr_db" else value


def _decibel(value: object, where: str) -> float:
    text = str(value).strip().lower().removesuffix("db").strip()
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"{where}: min_snr takes a number of dB, not {value!r}.", hint='For example: "25dB"'
        ) from None


def _preprocessing(table: dict[str, Any] | None, where: str) -> Preprocessing | None:
    from edgecnn.calibration.preprocessing import parse_preprocessing

    if table is None:
        return None
    _known(table, ("input_range", "mean", "std", "channel_order"), where)
    order = table.get("channel_order", "RGB")
    if order not in ["RGB", "BGR"]:  # a set would ask for its hash, and a list has none
        raise InputError(f"{where}: channel_order is RGB or BGR, not {order!r}.")
    texts = {name: _numbers_text(v) for name, v in table.items() if name != "channel_order"}
    return parse_preprocessing(channel_order=order, **texts)


def _numbers_text(value: object) -> str:
    """As the command line has them: a list's numbers with commas between."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _training(table: dict[str, Any] | None, where: str) -> dict[str, Any] | None:
    if table is None:
        return None
    _known(table, _left({option.name for option in fields(TrainOptions)}, _NOT_OF_TRAINING), where)
    if "data" not in table:
        raise InputError(f"{where} names no data.", hint='For example: data = "fashion-mnist"')
    option_types.check(table, TrainOptions, where)
    TrainOptions(**table).check()
    return dict(table)


def _evaluating(table: dict[str, Any] | None, where: str) -> dict[str, Any] | None:
    if table is None:
        return None
    names = {option.name for option in fields(EvaluateOptions)}
    _known(table, _left(names, _NOT_OF_EVALUATING), where)
    if "data" not in table:
        raise InputError(f"{where} names no data.", hint='For example: data = "fashion-mnist"')
    option_types.check(table, EvaluateOptions, where)
    EvaluateOptions(**table)
    return dict(table)


def _left(names: set[str], without: set[str]) -> list[str]:
    return sorted(names - without)


def _predicting(table: dict[str, Any] | None, where: str) -> Predicting | None:
    from edgecnn.latency import profiles
    from edgecnn.latency.prediction import check_threads

    if table is None:
        return None
    _known(table, ("device", "devices", "threads"), where)
    devices = _texts(table.get("device", table.get("devices")), "device", where)
    threads = _counts(table.get("threads", 1), where)
    for device in devices:
        for count in threads:
            check_threads(profiles.find(device), count)
    return Predicting(devices, threads)


def _benching(table: dict[str, Any] | None, where: str) -> Benching | None:
    if table is None:
        return None
    _known(table, ("on", "threads", "profile"), where)
    profile = table.get("profile", "quick")
    if profile not in ["quick", "publish", "sustained"]:
        raise InputError(f"{where}: there is no profile {profile!r}.", hint="quick or publish")
    on = offered.expanded(_texts(table.get("on"), "on", where))
    return Benching(on, _counts(table.get("threads", 1), where), profile)


def _texts(content: object, name: str, where: str) -> tuple[str, ...]:
    values = content if isinstance(content, list) else [content]
    if not values or not all(isinstance(value, str) and value for value in values):
        raise InputError(f"{where}: {name} takes a name or a list of them, not {content!r}.")
    return tuple(dict.fromkeys(values))


def _counts(content: object, where: str) -> tuple[int, ...]:
    values = content if isinstance(content, list) else [content]
    if not values or not all(type(value) is int and value > 0 for value in values):
        raise InputError(f"{where}: threads takes numbers from 1 on, not {content!r}.")
    return tuple(dict.fromkeys(values))


def _budget(table: dict[str, Any], where: str) -> Budget:
    from edgecnn.benchmark import units

    _known(table, ("latency", "size", "max_drop"), where)
    latency, size, drop = (table.get(name) for name in ("latency", "size", "max_drop"))
    if drop is not None and (isinstance(drop, bool) or not isinstance(drop, int | float)):
        raise InputError(f"{where}: max_drop takes a number of percentage points, not {drop!r}.")
    return Budget(
        None if latency is None else units.milliseconds("latency", str(latency)),
        None if size is None else units.size_bytes("size", str(size)),
        None if drop is None else float(drop),
    )
