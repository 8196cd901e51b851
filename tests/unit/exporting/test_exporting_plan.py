"""The plan: what is decided of a request, and all that is refused before any work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx_nets import Net
from tiny_tflite import float_net
from without_packages import lacking, run_without

import edgecnn
from edgecnn.errors import InputError
from edgecnn.exporting import ExportOptions
from edgecnn.exporting.plan import Plan, make_plan
from edgecnn.manifest import folder_name
from edgecnn.recipes import RECIPES
from edgecnn.records import Preprocessing


def plan(model: str = "vgg", **options: Any) -> Plan:  # noqa: ANN401 - ExportOptions' fields
    return make_plan(model, ExportOptions(**options))


@pytest.fixture
def own_tflite(tmp_path: Path) -> str:
    path = tmp_path / "my net.tflite"
    path.write_bytes(float_net().to_bytes())
    return str(path)


def test_the_default_is_int8_in_both_formats() -> None:
    made = plan("xception")
    assert [(job.recipe.name, job.formats, job.io) for job in made.jobs] == [
        ("int8", ("tflite", "onnx"), "int8")
    ]
    assert made.out == Path("artifacts/xception")
    assert made.formats == ("tflite", "onnx")
    assert made.threads == len(os.sched_getaffinity(0))


def test_recipes_are_made_in_the_order_asked_for_and_each_once() -> None:
    made = plan(recipes=("int8", "float32", "int8"))
    assert [job.recipe.name for job in made.jobs] == ["int8", "float32"]


def test_every_recipe_in_every_format_it_has() -> None:
    made = plan(recipes=tuple(RECIPES))
    assert {job.recipe.name: job.formats for job in made.jobs} == {
        name: recipe.formats for name, recipe in RECIPES.items()
    }


def test_io_is_for_int8_alone() -> None:
    made = plan(recipes=("int8", "float32", "int16x8"), io="uint8")
    assert [job.io for job in made.jobs] == ["uint8", "float32", "int16"]


def test_only_formats_that_some_recipe_has_are_made() -> None:
    assert plan(recipes=("int16x8",)).formats == ("tflite",)
    assert plan(recipes=("int16x8", "int8"), formats=("onnx", "tflite")).formats == (
        "tflite",
        "onnx",
    )


@pytest.fixture
def own_onnx(tmp_path: Path) -> str:
    net = Net()
    onnx.save(net.model(net.node("Relu", "input"), net.shape), tmp_path / "net.onnx")
    return str(tmp_path / "net.onnx")


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("recipes", "formats"),
    [
        (("int8",), ("tflite", "onnx")),
        (("float16", "int8"), ("tflite", "onnx")),
        (("float32", "float16", "dynamic"), ("onnx",)),
    ],
)
def test_a_tflite_nobody_asked_for_decides_an_int8_onnx_and_nothing_else(
    own_onnx: str, recipes: tuple[str, ...], formats: tuple[str, ...]
) -> None:
    made = plan(own_onnx, recipes=recipes, formats=("onnx",))
    assert made.formats == ("onnx",)
    assert made.float_formats == formats
    assert made.calibrates_tflite is made.has_unwritten_tflite is ("int8" in recipes)
    assert not plan(own_onnx, recipes=recipes).has_unwritten_tflite


def test_without_tensorflow_an_int8_onnx_is_planned_alone(own_onnx: str) -> None:
    with lacking("tensorflow"):
        made = plan(own_onnx, formats=("onnx",))
    assert made.float_formats == ("onnx",)
    assert not made.calibrates_tflite
    assert made.without_tflite is not None
    assert "TensorFlow" in made.without_tflite.message


def test_a_float_tflite_is_quantized_to_tflite(own_tflite: str) -> None:
    made = plan(own_tflite)
    assert made.formats == ("tflite",)
    assert made.out == Path("artifacts/my net")


@pytest.mark.parametrize(
    ("name", "folder"), [("keras:MobileNetV2", "keras-MobileNetV2"), ("a/b:c", "a-b-c")]
)
def test_a_models_folder(name: str, folder: str) -> None:
    assert folder_name(name) == folder


OWN = Preprocessing(mean=(1.0,), std=(2.0,))


@pytest.mark.parametrize(
    ("model", "options", "said", "hint"),
    [
        ("exception", {}, "exception", "Did you mean xception"),
        ("vgg", {"recipes": ("int9",)}, "no recipe 'int9'", "Did you mean int8?"),
        ("vgg", {"recipes": ("int16",)}, "no recipe 'int16'", "Did you mean int16x8?"),
        ("vgg", {"recipes": ("zzz",)}, "no recipe 'zzz'", "float32, float16, dynamic, int8"),
        ("vgg", {"recipes": ("int8", "zzz")}, "no recipe 'zzz'", "Choose from"),
        ("vgg", {"recipes": ()}, "No recipe", "Choose from"),
        ("vgg", {"formats": ("tflit",)}, "no format 'tflit'", "Did you mean tflite?"),
        ("vgg", {"formats": ()}, "No format", "tflite, onnx"),
        ("vgg", {"recipes": ("int16x8",), "formats": ("onnx",)}, "int16x8 exists for tflite only",
         "--format tflite"),
        ("vgg", {"recipes": ("int8", "int16x8"), "formats": ("onnx",)}, "int16x8", "tflite"),
        ("vgg", {"recipes": ("float32",), "io": "int8"}, "--io", "--int8"),
        ("vgg", {"io": "int7"}, "no io dtype 'int7'", "Did you mean int8?"),
        ("vgg", {"io": "int16"}, "no io dtype 'int16'", ""),
        ("vgg", {"calibration_samples": 0}, "--calibration-samples", "100"),
        ("vgg", {"calibration_samples": -5}, "--calibration-samples", "100"),
        ("vgg", {"calibration_method": "mean"}, "no calibration method 'mean'", ""),
        ("vgg", {"threads": 0}, "--threads", ""),
        ("vgg", {"threads": 257}, "--threads", ""),
        ("vgg", {"width": 0.5}, "no width multiplier", "xception"),
        ("vgg", {"classes": 1}, "--classes 1", ""),
        ("vgg", {"input_size": 1}, "--input-size 1", ""),
        ("vgg", {"seed": -1}, "--seed -1", ""),
        ("vgg", {"weights": "imagenet"}, "ImageNet", "--weights FILE"),
        ("vgg", {"weights": "nothing.h5"}, "nothing.h5", ""),
        ("vgg", {"preprocessing": OWN}, "own preprocessing", "--mean"),
        ("keras:MobileNetV2", {"preprocessing": OWN}, "own preprocessing", "--mean"),
        ("keras:MobilNetV2", {}, "MobilNetV2", "MobileNetV2"),
        ("nothing.keras", {}, "nothing.keras", ""),
        ("nothing.tflite", {}, "nothing.tflite", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    model: str, options: dict[str, Any], said: str, hint: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan(model, **options)
    assert said in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic", "int8"])
def test_onnx_from_a_tflite_is_refused(own_tflite: str, recipe: str) -> None:
    with pytest.raises(InputError, match="but not turned into ONNX") as caught:
        plan(own_tflite, recipes=(recipe,), formats=("onnx",))
    assert "--format tflite" in caught.value.hint


@pytest.mark.parametrize(
    "options", [{"classes": 5}, {"width": 0.5}, {"weights": "random"}, {"input_size": 64}]
)
def test_a_tflite_is_taken_as_it_is(own_tflite: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        plan(own_tflite, **options)


_NO_WORK = """
import sys, edgecnn
try:
    edgecnn.export({model!r}, {options})
except edgecnn.InputError as error:
    print(error.message)
loaded = {{"tensorflow", "keras", "litert_quantizer", "ai_edge_litert", "PIL"}} & set(sys.modules)
print(sorted(loaded))
"""


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("vgg", "recipes=['int9']"),
        ("vgg", "recipes=['int16x8'], formats=['onnx']"),
        ("vgg", "threads=0"),
        ("keras:MobileNetV2", "width=0.5"),
    ],
)
def test_refusing_is_quick_and_writes_nothing(tmp_path: Path, model: str, options: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NO_WORK.format(model=model, options=options)],
        cwd=tmp_path,
        env={**os.environ, "EDGECNN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    said, loaded = done.stdout.splitlines()
    assert said
    assert loaded == "[]"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("missing", "args", "named"),
    [
        (["tensorflow", "tf2onnx"], ["vgg"], "tensorflow, tf2onnx"),
        (["tensorflow", "tf2onnx"], ["vgg", "--format", "tflite"], "tensorflow"),
        (["onnxruntime"], ["vgg", "--float32"], "onnxruntime"),
        (["litert_quantizer"], ["vgg"], "litert_quantizer"),
    ],
)
def test_a_package_that_is_missing_is_named_with_exit_code_4(
    tmp_path: Path, missing: list[str], args: list[str], named: str
) -> None:
    done = run_without(missing, tmp_path, ["-m", "edgecnn", "export", *args])
    assert done.returncode == 4
    assert f"Exporting needs {named}, not installed" in done.stderr
    assert "pip install 'edgecnn[export]'" in done.stderr
    assert not (tmp_path / "artifacts").exists()


def test_an_option_that_does_not_exist_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="recipe"):
        edgecnn.export("vgg", recipe="int8")
