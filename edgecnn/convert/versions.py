"""What decides an export's bytes beside the request: versions, and digests of both."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json

_PACKAGES = ("edgecnn", "tensorflow", "keras", "ai-edge-litert", "litert-quantizer", "numpy",
             "onnx", "onnxruntime", "tf2onnx")  # fmt: skip
# What decides the bytes of the float stage beside the request itself.
DECISIVE = ("edgecnn", "tensorflow", "keras", "tf2onnx", "onnx", "numpy", "ai-edge-litert")


def versions() -> dict[str, str]:
    """Version of every package that has a part in an export and is installed."""
    installed = {name: find_version(name) for name in _PACKAGES}
    return {name: version for name, version in installed.items() if version is not None}


def find_version(package: str) -> str | None:
    """Of an installed package; None where it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def digest(*parts: object) -> str:
    """sha256 (hex) of JSON-able parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
