"""Estimates of file size and memory, against what was measured when they were made."""

from __future__ import annotations

import pytest

from edgecnn.latency.sizes import file_bytes, memory_bytes
from edgecnn.latency.zoo_nets import costs_of_zoo

# Peak of the bench runner's process and size of the file, MB: ai-edge-litert 2.3, x86-64.
MEASURED = {
    ("vgg", "float32"): (63.55, 4.75),
    ("vgg", "int8"): (55.90, 1.22),
    ("inception", "dynamic"): (56.80, 1.43),
    ("densenet", "float32"): (76.23, 8.27),
    ("densenet", "int8"): (60.74, 2.12),
    ("xception-mini", "float16"): (89.85, 8.91),
    ("xception", "float32"): (277.88, 91.36),
    ("xception", "float16"): (232.07, 45.72),
    ("xception", "dynamic"): (144.13, 23.58),
    ("xception", "int8"): (121.95, 24.28),
    ("resnet", "float16"): (729.35, 137.35),
    ("resnet", "int8"): (192.02, 68.84),
}


@pytest.mark.parametrize(("name", "recipe"), MEASURED)
def test_estimates_are_near_what_was_measured(name: str, recipe: str) -> None:
    peak_mb, size_mb = MEASURED[name, recipe]
    cost = costs_of_zoo(name, recipe=recipe)
    assert file_bytes(cost) / 1e6 == pytest.approx(size_mb, rel=0.03)
    assert memory_bytes(cost) / 1e6 == pytest.approx(peak_mb, rel=0.05)
