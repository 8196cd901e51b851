"""Entries of a profile find the operators they belong to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.profiling.operator_align import align, stands_for

GEMM = "Fully Connected (NC, QS8, QC8W) GEMM"
CONVOLUTION = "Convolution (NHWC, QC8) IGEMM"
DEPTHWISE = "Convolution (NHWC, QC8) DWConv"
CLAMP = "Clamp (NC)"
ADD = "Add (ND)"
QUANTIZE_ACTIVATIONS = "Convert (NC, F32, QDU8)"
KERNELS = {
    "CONV_2D": GEMM,
    "DEPTHWISE_CONV_2D": DEPTHWISE,
    "ADD": ADD,
    "RELU": CLAMP,
    "MEAN": "Mean (ND) Reduce",
    "LEAKY_RELU": "Leaky ReLU (NC, F32)",
}


@pytest.mark.parametrize(
    ("kernel", "kind", "fits"),
    [
        (GEMM, "CONV_2D", True),
        (GEMM, "DEPTHWISE_CONV_2D", False),
        (CONVOLUTION, "CONV_2D", True),
        (DEPTHWISE, "DEPTHWISE_CONV_2D", True),
        (DEPTHWISE, "CONV_2D", False),
        (ADD, "ADD", True),
        ("Max Pooling (NHWC, S8)", "MAX_POOL_2D", True),
        ("Copy (NC, X8)", "CONCATENATION", True),
        ("SOFTMAX", "SOFTMAX", True),
        ("Leaky ReLU (NC, F32)", "LEAKY_RELU", True),
        ("Resize Bilinear (NHWC, F32)", "RESIZE_BILINEAR", True),
        ("Convert (NC)", "QUANTIZE", True),
        (QUANTIZE_ACTIVATIONS, "DEQUANTIZE", False),
        ("", "ADD", False),
    ],
)
def test_a_kernel_stands_for_the_kinds_it_can_run(kernel: str, kind: str, *, fits: bool) -> None:
    assert stands_for(kernel, kind) is fits


@given(st.lists(st.sampled_from(sorted(KERNELS))), st.data())
def test_a_profile_that_leaves_operators_out_finds_all_of_its_own(
    kinds: list[str], data: st.DataObject
) -> None:
    ran = [i for i in range(len(kinds)) if data.draw(st.booleans())]
    kernels = [KERNELS[kinds[i]] for i in ran]
    owners, direct = align(kernels, [None] * len(kernels), kinds)
    assert [kinds[owner] for owner in owners] == [kinds[i] for i in ran]
    assert owners == sorted(set(owners))
    assert direct == frozenset(range(len(ran)))


@given(st.lists(st.sampled_from(sorted(KERNELS)), min_size=1))
def test_when_every_operator_ran_each_entry_is_its_own(kinds: list[str]) -> None:
    owners, _ = align([KERNELS[kind] for kind in kinds], [None] * len(kinds), kinds)
    assert owners == list(range(len(kinds)))


def test_what_prepares_an_operator_belongs_to_it() -> None:
    kernels = [ADD, QUANTIZE_ACTIVATIONS, CONVOLUTION, ADD]
    owners, direct = align(kernels, [None] * 4, ["ADD", "CONV_2D", "ADD"])
    assert owners == [0, 1, 1, 2]
    assert direct == {0, 2, 3}


def test_a_clamp_of_its_own_finishes_the_operator_before_it() -> None:
    owners, direct = align([ADD, CLAMP, GEMM], [None] * 3, ["ADD", "CONV_2D"])
    assert owners == [0, 0, 1]
    assert direct == {0, 2}


def test_an_operator_the_runtime_names_is_taken_at_its_word() -> None:
    owners, _ = align([ADD, "ADD", ADD], [None, 2, None], ["ADD", "ADD", "ADD", "ADD"])
    assert owners[1] == 2
    assert owners[0] in {0, 1}
    assert owners[2] == 3


def test_a_profile_of_another_graph_fits_nothing() -> None:
    assert align([ADD], [None], ["CONV_2D"]) == ([], frozenset())
