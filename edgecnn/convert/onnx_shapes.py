"""Open sizes of a model's inputs, fixed: the batch is 1, the rest is what the user says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.convert import onnx_layout
from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx_ir as ir

    Sizes = list[int | str]  # a number, or the name of what is open ("" where it has none)

_EXAMPLE = 320
_OWN_INITIALIZERS = 8  # before 4, a weight that is no input has no type; 8 is what opset 17 needs


def fix(
    model: ir.Model,
    input_shapes: Mapping[str, tuple[int, ...]],
    input_size: tuple[int, int] | None,
) -> None:
    """Give every input a fixed shape and forget the shapes that followed from the old ones.

    An open first size becomes 1; open sizes of one name become the same number.

    Args:
        model: edited.
        input_shapes: by input name, "" for the only input.
        input_size: height and width of the inputs that are images (`onnx_layout`).

    Raises:
        InputError: a name or a rank that the model has not, or a size that stays open.
    """
    import onnx_ir as ir

    graph = model.graph
    if not all(isinstance(value.type, ir.TensorType) for value in graph.inputs):
        raise InputError("An input of the ONNX model is no tensor (a sequence or an optional).")
    model.ir_version = max(model.ir_version, _OWN_INITIALIZERS)
    sizes = {name_of(value): _declared(value) for value in graph.inputs}
    named = _by_name(list(sizes), input_shapes)
    symbols: dict[str, int] = {}
    for name, shape in named.items():
        _learn(symbols, name, sizes[name], shape)
        sizes[name] = list(shape)
    for name, image in _images(graph, sizes, input_size, named).items():
        _learn(symbols, name, sizes[name], image)
        sizes[name] = image
    for value in graph.inputs:
        value.shape = ir.Shape(_closed(name_of(value), sizes[name_of(value)], symbols))
    for node in graph:
        for value in node.outputs:
            value.shape = None
            value.type = value.type if value.is_graph_output() else None


def _declared(value: ir.Value) -> Sizes | None:
    """The sizes in the file; None where it does not even say how many there are."""
    if value.shape is None:
        return None
    named = [size if isinstance(size, int) else size.value or "" for size in value.shape]
    return [size if isinstance(size, str) or size > 0 else "" for size in named]


def _by_name(names: list[str], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    if "" in shapes and len(names) != 1:
        raise InputError(
            f"The model has {len(names)} inputs ({', '.join(names)}): a shape needs a name.",
            hint=f"--input-shape {names[0]}=1x3x{_EXAMPLE}x{_EXAMPLE}" if names else "",
        )
    result = {name or names[0]: tuple(shape) for name, shape in shapes.items()}
    for name, shape in result.items():
        if name not in names:
            raise InputError(
                f"The model has no input '{name}'.", hint=f"Its inputs are {', '.join(names)}."
            )
        if any(size < 1 for size in shape):
            raise InputError(f"The shape {_text(list(shape))} of input '{name}' is not positive.")
    return result


def _images(
    graph: ir.Graph,
    sizes: Mapping[str, Sizes | None],
    input_size: tuple[int, int] | None,
    named: Mapping[str, tuple[int, ...]],
) -> dict[str, Sizes]:
    """Shapes of the image inputs at `input_size`."""
    if input_size is None:
        return {}
    layouts = onnx_layout.layouts(graph)
    pictures = [n for n, s in sizes.items() if s and "HW" in layouts.get(n, "") and len(s) == 4]  # noqa: PLR2004 - images
    if not pictures:
        raise InputError(
            "The model has no input that is known to be an image, so a height and width do not"
            " say what its shape is.",
            hint=f"--input-shape NAME=1x3x{input_size[0]}x{input_size[1]}",
        )
    result = {}
    for name in pictures:
        if name not in named:
            at = layouts[name].index("H")
            result[name] = list(sizes[name] or [])
            result[name][at : at + 2] = input_size
    return result


def _learn(
    symbols: dict[str, int], name: str, sizes: Sizes | None, shape: Sizes | tuple[int, ...]
) -> None:
    """Take note of what the given shape says about open sizes that have a name."""
    if sizes is not None and len(sizes) != len(shape):
        raise InputError(
            f"Input '{name}' has {len(sizes)} axes, {_text(sizes)};"
            f" the shape {_text(list(shape))} has {len(shape)}."
        )
    for size, value in zip(sizes or [], shape, strict=False):
        if isinstance(size, str) and size.strip("?") and isinstance(value, int):
            symbols.setdefault(size, value)


def _closed(name: str, sizes: Sizes | None, symbols: Mapping[str, int]) -> tuple[int, ...]:
    if sizes is None:
        raise InputError(
            f"The model does not say how many axes its input '{name}' has.",
            hint=f"--input-shape {name}=1x3x{_EXAMPLE}x{_EXAMPLE}",
        )
    closed = [symbols.get(size, size) if isinstance(size, str) else size for size in sizes]
    if closed and isinstance(closed[0], str):
        closed[0] = 1
    if any(isinstance(size, str) for size in closed):
        example = "x".join(str(_EXAMPLE if isinstance(s, str) else s) for s in closed)
        raise InputError(
            f"Input '{name}' has the open shape {_text(closed)}.",
            hint=f"Say which: --input-shape {name}={example}",
        )
    return tuple(size for size in closed if isinstance(size, int))


def _text(sizes: Sizes) -> str:
    return f"({', '.join(str(size) if isinstance(size, int) else size or '?' for size in sizes)})"
