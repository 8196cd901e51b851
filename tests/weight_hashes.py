"""The hashes of the random weights of networks; as a script, of what its argument lists in JSON."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy as np

from edgecnn.building import BuildRequest, adapt_batch_normalization, build


def hashes_of(requests: list[dict[str, Any]]) -> dict[str, str]:
    """Of each network's weights, built in this order in this process; by the networks' names."""
    hashes = {}
    for request in requests:
        model = build(BuildRequest(**request)).keras_model
        assert model is not None
        side = model.input_shape[1]
        images = np.random.default_rng(0).random((4, side, side, 3), np.float32)
        adapt_batch_normalization(model, images)
        digest = hashlib.sha256()
        for weight in model.weights:
            digest.update(weight.path.encode() + np.asarray(weight).tobytes())
        hashes[request["model"]] = digest.hexdigest()
    return hashes


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(hashes_of(json.loads(sys.argv[1]))))
