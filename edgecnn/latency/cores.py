"""What is known of a core by its design: SIMD width, int8 dot product, order of execution."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.errors import InputError
from edgecnn.zoo.suggest import suggest

NO_DOT = "-nodot"


@dataclass(frozen=True)
class Core:
    """One core design.

    Attributes:
        name: as in a profile; `-nodot` marks a design built without its int8 dot product.
        fp32_macs: float multiply-accumulates a cycle at best.
        int8_macs: int8 multiply-accumulates a cycle at best.
        in_order: whether it executes in order.
        l2_kib: its level-2 cache in its usual size, KiB.
    """

    name: str
    fp32_macs: int
    int8_macs: int
    in_order: bool
    l2_kib: int


# fp32: measured with cpufp (github pigirons/cpufp @93e165ea) on A53, A55, A72, A76, A720; Arm's
# software optimization guides for the others. int8: two 128-bit multiplies of 8 elements a cycle
# for wide cores and one for narrow ones, four times fp32 with the dot product.
CORES = {
    core.name: core
    for core in (
        Core("cortex-a53", 4, 8, in_order=True, l2_kib=512),
        Core("cortex-a55", 4, 16, in_order=True, l2_kib=128),
        Core("cortex-a55-nodot", 4, 8, in_order=True, l2_kib=128),
        Core("cortex-a57", 4, 8, in_order=False, l2_kib=2048),
        Core("cortex-a72", 4, 8, in_order=False, l2_kib=1024),
        Core("cortex-a73", 4, 8, in_order=False, l2_kib=1024),
        Core("cortex-a75", 4, 8, in_order=False, l2_kib=256),
        Core("cortex-a76", 8, 32, in_order=False, l2_kib=256),
        Core("cortex-a77", 8, 32, in_order=False, l2_kib=256),
        Core("cortex-a78", 8, 32, in_order=False, l2_kib=256),
        Core("cortex-a720", 8, 32, in_order=False, l2_kib=512),
        Core("exynos-m4", 8, 32, in_order=False, l2_kib=1024),
        Core("carmel", 8, 8, in_order=False, l2_kib=2048),
        Core("kryo", 4, 8, in_order=False, l2_kib=1024),
    )
}


def find(name: str) -> Core:
    """The core of that name.

    Raises:
        InputError: there is none; the hint names the nearest.
    """
    core = CORES.get(name)
    if core is None:
        raise InputError(f"There is no core named {name!r}.", hint=suggest(name, CORES))
    return core


def sibling(core: Core, among: set[str]) -> Core:
    """The most similar of some cores: the order of execution counts most, then the SIMD widths."""

    def distance(name: str) -> tuple[bool, int, int, str]:
        other = CORES[name]
        return (
            other.in_order != core.in_order,
            abs(other.int8_macs - core.int8_macs),
            abs(other.fp32_macs - core.fp32_macs),
            name,
        )

    return CORES[min(among, key=distance)]
