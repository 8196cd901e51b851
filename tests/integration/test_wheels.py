"""The pinned wheels themselves: fetched with pip, reduced, and run."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
from tiny_tflite import TinyModel

from edgecnn.devices import wheels
from edgecnn.measurements import DeviceFacts

if TYPE_CHECKING:
    from pathlib import Path

THIS = DeviceFacts(
    model="this machine",
    machine=platform.machine(),
    userland_bits=64,
    system="Linux",
    kernel="6",
    libc="glibc 2.36",
    cpu="",
    cores=1,
    memory_bytes=1 << 30,
    python=platform.python_version(),
)
PI_4 = dataclasses.replace(THIS, model="Pi 4", machine="aarch64", python="3.11.2")
PI_32_BIT = dataclasses.replace(PI_4, userland_bits=32)

_RUN = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
network = Interpreter(model_path=sys.argv[1])
network.allocate_tensors()
[given], [wanted] = network.get_input_details(), network.get_output_details()
network.set_tensor(given["index"], np.array([-3.0, 2.0], np.float32))
network.invoke()
Image.new("RGB", (8, 8)).resize((4, 4), Image.Resampling.BICUBIC).load()
print(json.dumps([network.get_tensor(wanted["index"]).tolist(), np.__file__, Image.__file__]))
"""


def unpacked(fetched: wheels.Fetched, folder: Path) -> Path:
    with tarfile.open(fetched.archive) as archive:
        assert all(member.isfile() for member in archive.getmembers())
        archive.extractall(folder)  # noqa: S202 - of our own making; `filter` came in Python 3.11.4
    return folder


def relu(path: Path) -> Path:
    tiny = TinyModel()
    given, wanted = tiny.tensor("float32", (2,)), tiny.tensor("float32", (2,))
    tiny.operator("RELU", [given], [wanted])
    tiny.graph.inputs, tiny.graph.outputs = [given], [wanted]
    path.write_bytes(tiny.to_bytes())
    return path


def test_the_reduced_wheels_run_a_network_and_nothing_else_is_needed(tmp_path: Path) -> None:
    spec = wheels.runtime_for(THIS, {"tflite"}, extras={"pillow"})
    folder = unpacked(wheels.fetch(spec), tmp_path / "runtime")
    ended = subprocess.run(
        [sys.executable, "-S", "-c", _RUN, relu(tmp_path / "relu.tflite")],
        env={"PYTHONPATH": str(folder)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    output, *libraries = json.loads(ended.stdout)
    assert output == [0.0, 2.0]
    assert all(library.startswith(str(folder)) for library in libraries)


@pytest.mark.parametrize(
    ("facts", "library", "largest_mb"),
    [
        (PI_4, "ai_edge_litert/libpywrap_litert_common.so", 60),
        (PI_32_BIT, "tflite_runtime/_pywrap_tensorflow_interpreter_wrapper.so", 6),
    ],
    ids=["aarch64", "armv7l"],
)
def test_a_pi_is_given_libraries_of_its_own_machine_and_few_of_them(
    facts: DeviceFacts, library: str, largest_mb: int, tmp_path: Path
) -> None:
    fetched = wheels.fetch(wheels.runtime_for(facts, {"tflite"}))
    assert fetched.size_bytes < largest_mb * 1_000_000
    header = (unpacked(fetched, tmp_path) / library).read_bytes()[:20]
    machine = {183: "aarch64", 40: "arm"}[int.from_bytes(header[18:20], "little")]  # ELF e_machine
    assert machine == ("aarch64" if facts.userland_bits == 64 else "arm")


def test_a_second_run_is_served_without_a_network() -> None:
    spec = wheels.runtime_for(PI_32_BIT, {"tflite"})
    first = wheels.fetch(spec)
    proxy = {"PIP_PROXY": "http://127.0.0.1:9", "PIP_NO_INDEX": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**proxy, "PATH": os.devnull}.items():
            patch.setenv(name, value)
        assert wheels.fetch(spec) == first
