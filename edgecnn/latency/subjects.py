"""What `predict` is asked about: a file, an artifact folder, or a network by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edgecnn import manifest as manifests
from edgecnn.errors import InputError
from edgecnn.inspection.shapes import InputSizes
from edgecnn.latency.cost import MULTIPLYING
from edgecnn.latency.files import costs_of_file
from edgecnn.latency.precision import for_recipe
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.recipes import RECIPES
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.latency.cost import NetCost
    from edgecnn.progress import Progress
    from edgecnn.records import FileInfo

FORMATS = (".tflite", ".onnx")
DEFAULT_RECIPE = "float32"
UNPREDICTABLE = "int16x8"
_FLOATS = {"float32", "float16"}


@dataclass(frozen=True)
class Shape:
    """What a network that is not yet built may be asked to be; None for its own.

    Attributes:
        input_size: height and width of the input, pixels; one number for a square.
        input_shapes: by input name, or under "" for the only input: sizes that a file leaves open.
        width: width multiplier.
        classes: size of the output.
        convolution: "normal" for the twin with normal convolutions.
    """

    input_size: int | tuple[int, int] | None = None
    width: float | None = None
    classes: int | None = None
    convolution: str | None = None
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def options(self) -> list[str]:
        """The options of the command line that were used."""
        options = {"--input-size": self.input_size, "--input-shape": self.input_shapes or None,
                   "--width": self.width, "--classes": self.classes,
                   "--convolution": self.convolution}  # fmt: skip
        return [name for name, value in options.items() if value is not None]

    @property
    def of_inputs(self) -> InputSizes:
        """What is said of a file's inputs."""
        return InputSizes(self.input_shapes, self.input_size)

    @property
    def side(self) -> int | None:
        """Height and width of a square input.

        Raises:
            InputError: it is asked to be none.
        """
        if self.input_size is None or isinstance(self.input_size, int):
            return self.input_size
        height, width = self.input_size
        if height != width:
            raise InputError(
                f"The networks of the zoo are predicted with square inputs, not {height}x{width}.",
                hint=f"--input-size {max(height, width)}; or export it, and name the file.",
            )
        return height


@dataclass(frozen=True)
class Subject:
    """One network under one recipe.

    Attributes:
        name: as the user named it, or a file within the folder that was named.
        recipe: of `edgecnn.recipes.RECIPES`.
        cost: what its operators cost.
    """

    name: str
    recipe: str
    cost: NetCost


def find_subjects(
    model: str, recipes: Sequence[str], shape: Shape, progress: Progress
) -> tuple[Subject, ...]:
    """What is to be predicted, one for each recipe.

    Files are read as they are; a float one also answers for the recipes it could be exported
    under. The zoo's networks are written down in milliseconds; `keras:NAME` and a user's own
    Keras model or SavedModel are built and converted by TensorFlow once, and kept in the cache.

    Args:
        model: a file, an artifact folder, a zoo name, `keras:NAME`, or a model's path.
        recipes: none for a file's own, or float32 for a network.
        shape: of a network that is not yet built, or leaves sizes open.
        progress: told of what takes long.

    Raises:
        InputError: no such model, or it cannot have that shape or recipe.
        MissingPartError: TensorFlow is needed and not installed.
    """
    for recipe in recipes:
        _check_recipe(recipe)
    path = Path(model)
    if path.suffix.lower() in FORMATS and model.lower() not in MODELS:
        return _of_files([path], recipes, shape, progress)
    if files := _artifact_files(path):
        return _of_files(files, recipes, shape, progress)
    recipes = recipes or (DEFAULT_RECIPE,)
    if model.lower() in MODELS:
        return tuple(_of_zoo(model, recipe, shape) for recipe in recipes)
    from edgecnn.latency.built import costs_of_built

    costs = costs_of_built(model, recipes, shape, progress)
    return tuple(Subject(cost.name, recipe, cost) for recipe, cost in costs.items())


def _check_recipe(recipe: str) -> None:
    if recipe not in RECIPES:
        raise InputError(f"There is no recipe {recipe!r}.", hint=f"Recipes: {', '.join(RECIPES)}.")
    if recipe == UNPREDICTABLE:
        _refuse_int16x8()


def _refuse_int16x8() -> NoReturn:
    raise InputError(
        f"{UNPREDICTABLE} cannot be predicted: XNNPACK has no kernels for it, and nobody has"
        " published latencies.",
        hint="Measure it: `edgecnn bench`. It is far slower than float32.",
    )


def _of_zoo(model: str, recipe: str, shape: Shape) -> Subject:
    if shape.input_shapes:
        raise InputError(
            f"--input-shape is for models of your own; {model} is one of the zoo.",
            hint="--input-size says its height and width.",
        )
    cost = costs_of_zoo(
        model,
        input_size=shape.side,
        width=shape.width,
        classes=shape.classes,
        convolution=shape.convolution,
        recipe=recipe,
    )
    return Subject(cost.name, recipe, cost)


def is_artifact(folder: Path) -> bool:
    """Whether there are files of an export in a folder."""
    return bool(_artifact_files(folder))


def _artifact_files(folder: Path) -> list[Path]:
    """The .tflite files of an artifact folder, or of a folder of those."""
    if folder.name == manifests.NAME:
        folder = folder.parent
    if not folder.is_dir():
        return []
    paths = [folder / manifests.NAME, *sorted(folder.glob(f"*/{manifests.NAME}"))]
    files: list[Path] = []
    for path in paths:
        if path.is_file():
            files += [path.parent / info.path for info in _preferred(path)]
    return files


def _preferred(path: Path) -> list[FileInfo]:
    """The manifest's .tflite, since that is what is predicted; else its .onnx."""
    files = manifests.load(path).files
    tflite = [file for file in files if file.format == "tflite"]
    return list(tflite or files)


def _of_files(
    paths: Sequence[Path], recipes: Sequence[str], shape: Shape, progress: Progress
) -> tuple[Subject, ...]:
    if options := [option for option in shape.options() if not option.startswith("--input")]:
        raise InputError(
            f"{options[0]} cannot change {paths[0]}: a file is what it is.",
            hint="Name the network instead of a file.",
        )
    costs = {path: costs_of_file(path, shape.of_inputs) for path in paths}
    own = [Subject(str(path), recipe_of(cost), cost) for path, cost in costs.items()]
    if recipes:
        return tuple(subject for recipe in recipes for subject in _of_recipe(recipe, own))
    known = [subject for subject in own if subject.recipe != UNPREDICTABLE]
    if not known:
        _refuse_int16x8()
    if len(known) < len(own):
        progress.warn(f"{UNPREDICTABLE} is left out: XNNPACK has no kernels for it.")
    return tuple(known)


def _of_recipe(recipe: str, files: Sequence[Subject]) -> list[Subject]:
    """The files of a recipe; where there is none, the float ones as they would be exported."""
    if subjects := [subject for subject in files if subject.recipe == recipe]:
        return subjects
    floats = [subject for subject in files if subject.recipe in _FLOATS]
    if not floats:
        raise InputError(
            f"{files[0].name} is {files[0].recipe}; only a float32 file can be asked about"
            f" {recipe}.",
            hint="Leave the recipe out, or name the float32 file.",
        )
    return [
        Subject(subject.name, recipe, replace(for_recipe(subject.cost, recipe), size_bytes=None))
        for subject in floats
    ]


def recipe_of(cost: NetCost) -> str:
    """The recipe that most of a network's multiplications belong to."""
    macs = Counter[str]()
    for operator in cost.operators:
        if operator.kind in MULTIPLYING:
            macs[operator.precision] += operator.macs
    return max(macs, key=macs.__getitem__, default=DEFAULT_RECIPE)
