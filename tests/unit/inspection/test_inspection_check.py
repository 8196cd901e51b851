"""check_recipe: every recipe accepts its own kind of file and refuses every other."""

from __future__ import annotations

import dataclasses

import pytest

from edgecnn.errors import CheckFailedError, InputError
from edgecnn.inspection import Inspection, Operator, check_recipe
from edgecnn.recipes import RECIPES
from edgecnn.records import GraphInfo, TensorInfo


def operator(name: str, activations: str, **changes: object) -> Operator:
    plain = Operator(
        name=name,
        compute_dtype=activations,
        weights_dtype=None,
        weights_elements=0,
        macs=0,
        input_shapes=(),
        output_shapes=(),
        weights_shape=(),
        input_dtypes=(activations,),
        output_dtypes=(activations,),
        at_border=False,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type] # names checked at run time


def conv(compute: str, weights: str, *, activations: str = "", elements: int = 5000) -> Operator:
    return operator(
        "CONV_2D",
        activations or compute,
        compute_dtype=compute,
        weights_dtype=weights,
        weights_elements=elements,
        macs=100,
    )


def inspection(io: str, *operators: Operator, kind: str = "tflite", **graph: object) -> Inspection:
    weights = {op.weights_dtype: op.weights_elements for op in operators if op.weights_dtype}
    info = GraphInfo({}, {}, weights, None, {})
    return Inspection(
        format=kind,
        size_bytes=1,
        sha256="",
        inputs=(TensorInfo("image", io, (1,)),),
        outputs=(TensorInfo("logits", io, (1,)),),
        graph=dataclasses.replace(info, **graph),  # type: ignore[arg-type] # names checked at run time
        operators=operators,
        producer="",
        description="",
        schema_version=3,
    )


KINDS = {
    "float32": inspection("float32", conv("float32", "float32"), operator("RELU", "float32")),
    "float16": inspection("float32", conv("float32", "float16")),
    "dynamic": inspection("float32", conv("dynamic", "int8", activations="float32")),
    "int8": inspection("float32", conv("int8", "int8"), operator("RELU", "int8")),
    "int16x8": inspection("float32", conv("int16", "int8"), operator("RELU", "int16")),
}


@pytest.mark.parametrize("recipe", list(RECIPES))
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_recipe_accepts_its_own_kind_alone(recipe: str, kind: str) -> None:
    if recipe == kind:
        check_recipe(KINDS[kind], recipe, "float32")
        return
    with pytest.raises(CheckFailedError, match=f"not what recipe {recipe} says: ."):
        check_recipe(KINDS[kind], recipe, "float32")


def test_inputs_and_outputs_must_have_the_dtype_asked_for() -> None:
    with pytest.raises(
        CheckFailedError, match=r"input 'image' is float32, not int8; output 'logits' is float32"
    ):
        check_recipe(KINDS["int8"], "int8", "int8")


def border(name: str, source: str, target: str, *, at_border: bool) -> Operator:
    return operator(
        name, source, input_dtypes=(source,), output_dtypes=(target,), at_border=at_border
    )


def test_quantizing_at_the_border_is_allowed_and_inside_it_is_not() -> None:
    for at_border in (True, False):
        file = inspection(
            "float32",
            border("QUANTIZE", "float32", "int8", at_border=at_border),
            conv("int8", "int8"),
            border("DEQUANTIZE", "int8", "float32", at_border=at_border),
        )
        if at_border:
            check_recipe(file, "int8", "float32")
        else:
            with pytest.raises(CheckFailedError, match="1 DEQUANTIZE, 1 QUANTIZE that work on fl"):
                check_recipe(file, "int8", "float32")


def test_a_float_operator_at_the_border_is_refused() -> None:
    softmax = operator("SOFTMAX", "float32", at_border=True)
    file = inspection("float32", conv("int8", "int8"), softmax)
    with pytest.raises(CheckFailedError, match="1 SOFTMAX that work on floats"):
        check_recipe(file, "int8", "float32")


@pytest.mark.parametrize(
    ("field", "said"),
    [("flex_ops", "Flex"), ("variable_ops", "variable"), ("custom_ops", "custom")],
)
@pytest.mark.parametrize("recipe", list(RECIPES))
def test_no_recipe_has_foreign_operators(recipe: str, field: str, said: str) -> None:
    graph = dataclasses.replace(KINDS[recipe].graph, **{field: ("Odd",)})  # type: ignore[arg-type] # names checked at run time
    file = dataclasses.replace(KINDS[recipe], graph=graph)
    with pytest.raises(CheckFailedError, match=rf"{said} operators \(Odd\)"):
        check_recipe(file, recipe, "float32")


def test_one_float_convolution_spoils_an_int8_file() -> None:
    file = inspection("int8", conv("int8", "int8"), conv("float32", "float32"))
    with pytest.raises(CheckFailedError, match="1 CONV_2D that do not compute in int8"):
        check_recipe(file, "int8", "int8")


def test_dynamic_leaves_small_weights_in_float_but_not_large_ones() -> None:
    quantized = conv("dynamic", "int8", activations="float32")
    small = conv("float32", "float32", elements=1023)
    large = conv("float32", "float32", elements=1024)
    check_recipe(inspection("float32", quantized, small), "dynamic", "float32")
    with pytest.raises(CheckFailedError, match="1 CONV_2D with weights other than int8"):
        check_recipe(inspection("float32", quantized, large), "dynamic", "float32")
    with pytest.raises(CheckFailedError, match="no weights are int8"):
        check_recipe(inspection("float32", small), "dynamic", "float32")


def test_a_product_of_two_activations_needs_no_weights() -> None:
    product = operator("BATCH_MATMUL", "int8", macs=10)
    check_recipe(inspection("int8", conv("int8", "int8"), product), "int8", "int8")


def test_int8_in_onnx_may_have_uint8_activations_and_in_tflite_not() -> None:
    qdq = conv("uint8", "int8", activations="float32")
    check_recipe(inspection("float32", qdq, kind="onnx"), "int8", "float32")
    with pytest.raises(CheckFailedError):
        check_recipe(inspection("float32", qdq), "int8", "float32")


def test_float16_in_onnx_may_compute_in_half_precision_and_in_tflite_not() -> None:
    half = conv("float16", "float16")
    check_recipe(inspection("float32", half, kind="onnx"), "float16", "float32")
    with pytest.raises(CheckFailedError, match="that do not compute in float32"):
        check_recipe(inspection("float32", half), "float16", "float32")


def test_a_convolution_of_unknown_cost_is_checked_too() -> None:
    uncounted = dataclasses.replace(conv("float32", "float32"), macs=0)
    with pytest.raises(CheckFailedError):
        check_recipe(inspection("int8", uncounted), "int8", "int8")


def test_an_unknown_recipe_is_wrong_input() -> None:
    with pytest.raises(InputError, match="no recipe 'int4'") as caught:
        check_recipe(KINDS["int8"], "int4", "int8")
    assert "int16x8" in caught.value.hint


def test_float16_leaves_a_handful_of_weights_in_float_and_no_more() -> None:
    halved = conv("float32", "float16")
    few, eight = (conv("float32", "float32", elements=n) for n in (7, 8))
    check_recipe(inspection("float32", halved, few), "float16", "float32")
    with pytest.raises(CheckFailedError, match="1 CONV_2D with weights other than float16"):
        check_recipe(inspection("float32", halved, eight), "float16", "float32")


def test_an_int8_onnx_has_the_float_operators_it_was_said_to_have_and_no_others() -> None:
    kept = dataclasses.replace(conv("float32", "float32"), name="ConvTranspose")
    found = inspection("float32", conv("int8", "int8"), kept, kind="onnx")
    check_recipe(found, "int8", "float32", float_ops={"ConvTranspose": 1})
    for named in ({}, {"Conv": 1}):
        with pytest.raises(CheckFailedError, match="1 ConvTranspose"):
            check_recipe(found, "int8", "float32", float_ops=named)


def test_pictures_of_8_bits_may_be_moved_and_cast_by_a_float32_file() -> None:
    moved = operator("TRANSPOSE", "uint8")
    cast = operator("CAST", "float32", input_dtypes=("uint8",), at_border=True)
    network = conv("float32", "float32")
    file = dataclasses.replace(
        inspection("float32", moved, cast, network), inputs=(TensorInfo("image", "uint8", (1,)),)
    )
    check_recipe(file, "float32", "float32")
    added = dataclasses.replace(file, operators=(*file.operators, operator("ADD", "uint8")))
    with pytest.raises(CheckFailedError, match="1 ADD that are not float32"):
        check_recipe(added, "float32", "float32")


@pytest.mark.parametrize(("kind", "name"), [("tflite", "CAST"), ("onnx", "Cast")])
def test_an_int8_file_may_cast_pictures_of_8_bits(kind: str, name: str) -> None:
    cast = border(name, "uint8", "float32", at_border=True)
    file = inspection("float32", cast, conv("int8", "int8"), kind=kind)
    file = dataclasses.replace(file, inputs=(TensorInfo("image", "uint8", (1,)),))
    check_recipe(file, "int8", "float32", float_ops={name: 1})


def test_an_int8_file_may_count_and_go_on_in_steps() -> None:
    """A place found by an ARG_MAX becomes a coordinate."""
    cast = border("CAST", "int64", "float32", at_border=False)
    steps = border("QUANTIZE", "float32", "int8", at_border=False)
    file = inspection("float32", conv("int8", "int8"), cast, steps)
    check_recipe(file, "int8", "float32")
    between = border("CAST", "float16", "float32", at_border=False)
    with pytest.raises(CheckFailedError, match="1 QUANTIZE that work on floats"):
        check_recipe(inspection("float32", conv("int8", "int8"), between, steps), "int8", "float32")


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_an_output_may_be_cast_to_pictures_of_8_bits(recipe: str) -> None:
    dtype = "float32" if recipe == "float32" else "int8"
    cast = border("CAST", "float32", "uint8", at_border=True)
    file = inspection("float32", conv(dtype, dtype), cast)
    file = dataclasses.replace(file, outputs=(TensorInfo("picture", "uint8", (1,)),))
    check_recipe(file, recipe, "float32")
    plain = dataclasses.replace(file, operators=file.operators[:1])
    with pytest.raises(CheckFailedError, match="output 'picture' is uint8"):
        check_recipe(plain, recipe, "float32")
