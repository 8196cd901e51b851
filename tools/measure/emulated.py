"""The emulated Raspberry Pi of the device tests, for tools that need a device."""

from __future__ import annotations

import sys

from measure.measuring import ROOT

sys.path.append(str(ROOT / "tests" / "support"))

from emulated_pi import EmulatedPi

__all__ = ["EmulatedPi"]
