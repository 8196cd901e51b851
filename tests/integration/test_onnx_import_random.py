"""Random chains of operators that rearrange axes: stored orders never show in what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf  # noqa: TID251 - the graph itself is run: quicker than converting it
from onnx_lowering import Case, feeds_of, model_of, network_of, random, reference, snr_db

from edgecnn.convert import onnx_import

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.tensorflow

Step = tuple[str, list[Any], dict[str, Any]]  # operator, constants, attributes
Shape = tuple[int, ...]


def _convolution(shape: Shape, _: np.random.Generator) -> Step | None:
    return ("Conv", [random(4, shape[1], 1, 1)], {}) if len(shape) == 4 else None


def _transpose(shape: Shape, generator: np.random.Generator) -> Step:
    return "Transpose", [], {"perm": [int(axis) for axis in generator.permutation(len(shape))]}


def _merge(shape: Shape, generator: np.random.Generator) -> Step | None:
    if len(shape) < 3:
        return None
    axis = int(generator.integers(len(shape) - 1))
    merged = [*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]]
    return "Reshape", [np.array(merged, np.int64)], {}


def _split(shape: Shape, generator: np.random.Generator) -> Step | None:
    axis = int(generator.integers(len(shape)))
    if len(shape) > 4 or shape[axis] % 2:
        return None
    parts = [*shape[:axis], 2, shape[axis] // 2, *shape[axis + 1 :]]
    return "Reshape", [np.array(parts, np.int64)], {}


def _mean(shape: Shape, generator: np.random.Generator) -> Step | None:
    if len(shape) < 4:
        return None
    axis = int(generator.integers(len(shape)))
    return "ReduceMean", [], {"axes": [axis], "keepdims": int(generator.integers(2))}


def _add(shape: Shape, generator: np.random.Generator) -> Step:
    kept = [size if generator.random() < 0.5 else 1 for size in shape]
    return "Add", [random(*kept)], {}


def _softmax(shape: Shape, generator: np.random.Generator) -> Step:
    return "Softmax", [], {"axis": int(generator.integers(len(shape)))}


def _product(shape: Shape, _: np.random.Generator) -> Step:
    return "MatMul", [random(shape[-1], 4)], {}


_STEPS: tuple[Callable[[Shape, np.random.Generator], Step | None], ...] = (
    _convolution, _transpose, _merge, _split, _mean, _add, _softmax, _product,
)  # fmt: skip


def _chain(seed: int) -> Case:
    generator = np.random.default_rng(seed)
    case = Case("random", [("Conv", "x w", "t0", {})], {"x": (1, 4, 6, 8)},
                {"w": random(4, 4, 1, 1)})  # fmt: skip
    for count in range(1, 9):
        info = model_of(case).graph.output[0].type.tensor_type.shape
        shape = tuple(dim.dim_value for dim in info.dim)
        step = _STEPS[generator.integers(len(_STEPS))](shape, generator)
        if step is None:
            continue
        kind, arrays, attributes = step
        constants = {f"k{count}_{i}": array for i, array in enumerate(arrays)}
        names = " ".join([case.nodes[-1][2], *constants])
        node = (kind, names, f"t{count}", attributes)
        case = Case(case.name, [*case.nodes, node], case.inputs, {**case.constants, **constants})
    return case


@pytest.mark.parametrize("seed", range(20))
def test_random_chain(seed: int) -> None:
    case = _chain(seed)
    model, feeds = model_of(case), feeds_of(case)

    result = onnx_import.lower(model, network_of(model))
    traced = result.traced
    with tf.compat.v1.Session(graph=traced.graph) as session:
        image = feeds["x"].transpose(0, 2, 3, 1)
        seen = session.run(traced.outputs[0], {traced.inputs[0]: image})

    wanted = reference(model, feeds)[0]
    if result.outputs[0].layout == "NHWC":
        seen = seen.transpose(0, 3, 1, 2)  # an image leaves channels last
    assert snr_db(wanted, seen) > 80
