"""Classifies image files with the network that lies beside this file.

`edgecnn deploy` sends it to a device as it is: it runs on Python 3.9 and newer, imports nothing of
edgecnn, and finds the libraries it needs in the folder runtime/ beside it. Beside it are also
`network.py`, and `images.py`, which decodes and scales pictures exactly as calibration did.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edgecnn.deploying.network import Network

SCHEMA = 1
HERE = Path(__file__).resolve().parent
_MODEL = str(HERE / "model.tflite")
_PROOF_FAILED, _BAD_INPUT, _MISSING_PART = 1, 2, 4  # exit codes, as edgecnn's own
_MOST_THREADS = 4
_HASHED_AT_ONCE = 1 << 20
_LIBSTDCXX = "sudo apt install libstdc++6"
_RANDOM_WEIGHTS = "the weights are random: fit for latency, not for answers"


class TroubleError(Exception):
    """What went wrong as a sentence, and what to do next."""

    def __init__(self, message: str, hint: str = "", code: int = _BAD_INPUT) -> None:
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code


def main(arguments: Sequence[str] | None = None) -> int:
    """Classify, or prove; returns the exit code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `classify *.jpg | head` ends quietly
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # real streams
    options = _parse(arguments)
    try:
        release = json.loads((HERE / "release.json").read_text("utf-8"))
        _use_libraries(release["python"])
        manifest = json.loads((HERE / "manifest.json").read_text("utf-8"))
        if options.prove:
            return _prove(release, manifest, options.threads)
        return _classify(release, manifest, options)
    except TroubleError as trouble:
        return _tell(trouble, as_json=options.json or options.prove)
    except RuntimeError as error:  # network.UnusableError, and what fails while it runs
        hint = _LIBSTDCXX if "libstdc++" in str(error) else "Another recipe may fit this runtime."
        unusable = TroubleError(str(error), hint, _MISSING_PART)
        return _tell(unusable, as_json=options.json or options.prove)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="classify", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="image files, or 'patterns*'")
    parser.add_argument("--top", type=_count, default=5, metavar="K", help="classes shown (5)")
    cores = min(_MOST_THREADS, os.cpu_count() or 1)
    parser.add_argument("--threads", type=_count, default=cores, metavar="N", help=f"({cores})")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--prove", action="store_true", help="check the outputs for the reference images, as JSON"
    )
    options = parser.parse_args(arguments)
    if not options.images and not options.prove:
        parser.error("no image is named")
    return options


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"takes a number above zero, not '{text}'")
    return int(text)


def _use_libraries(python: str) -> None:
    """Put runtime/ on the module path, or start again with the Python it was made for."""
    found = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python not in {"", found}:
        right = shutil.which(f"python{python}")
        if right is None:
            raise TroubleError(
                f"this folder was made for Python {python}, and here is {found}",
                "Deploy again: edgecnn sends what fits the Python it finds.",
                _MISSING_PART,
            )
        os.execv(right, [right, __file__, *sys.argv[1:]])  # noqa: S606 - no shell is wanted
    # Resolved: a new release may take the place of `current` while this runs.
    sys.path[:1] = [str(HERE), str(HERE / "runtime")]


def _needs(module: str, package: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise TroubleError(
            f"Python's {module} is missing on this device, or too old: {error}",
            f"sudo apt install {package}",
            _MISSING_PART,
        ) from error


def _decoder() -> Any:  # noqa: ANN401 - a module
    """The image decoder; its Pillow must know `Image.Resampling` (9.1 and newer)."""
    pillow = _needs("PIL.Image", "python3-pil")
    if not hasattr(pillow, "Resampling"):
        raise TroubleError(
            f"Pillow 9.1 or newer is needed, and here is {pillow.__version__}",
            "python3 -m pip install --upgrade pillow",
            _MISSING_PART,
        )
    return importlib.import_module("images")


def _network() -> Any:  # noqa: ANN401 - network.py
    _needs("numpy", "python3-numpy")
    return importlib.import_module("network")


def _classify(
    release: dict[str, Any], manifest: dict[str, Any], options: argparse.Namespace
) -> int:
    module = _network()
    with _silenced():
        network = module.Network(_MODEL, manifest["preprocessing"], options.threads)
    decoder = _decoder()
    labels = (HERE / "labels.txt").read_text("utf-8").split("\n")
    warnings = [_RANDOM_WEIGHTS] if manifest["model"]["weights"] == "random" else []
    results = []
    for warning in warnings:
        sys.stderr.write(f"warning: {warning}\n")
    _first_run(network)
    for name in _named(options.images):
        result = _one(name, network, decoder, labels, release["output"], options.top)
        results.append(result)
        if not options.json:
            _print(result)
    if options.json:
        told = {"schema": SCHEMA, "model": manifest["model"]["name"], "recipe": manifest["recipe"],
                "threads": options.threads, "warnings": warnings, "results": results}  # fmt: skip
        print(json.dumps(told, indent=2))  # noqa: T201 - a program of its own
    return _BAD_INPUT if any("error" in result for result in results) else 0


def _first_run(network: Network) -> None:
    """The first inference prepares the kernels, and says nothing of the speed of the others."""
    import numpy as np

    network.feed(np.zeros(network.input_shape[1:], np.uint8))
    network.run()


def _named(patterns: Sequence[str]) -> Iterator[str]:
    """Files as the user named them; a pattern that the shell left alone is resolved here."""
    for pattern in patterns:
        found = [] if os.path.lexists(pattern) else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - as a shell does
        yield from found or [pattern]


def _one(
    name: str,
    network: Network,
    decoder: Any,  # noqa: ANN401 - images.py
    labels: list[str],
    output: str,
    top: int,
) -> dict[str, Any]:
    _, height, width, channels = network.input_shape
    try:
        if not Path(name).is_file():
            reason = "not a file" if os.path.lexists(name) else "does not exist"
            return {"file": name, "error": reason}
        decoded = decoder.decode(Path(name), (height, width), channels)
    except (decoder.UnreadableImageError, OSError) as error:
        return {"file": name, "error": str(error)}
    network.feed(decoded.pixels)
    start = time.perf_counter()
    raw = network.run()
    latency_ms = (time.perf_counter() - start) * 1e3
    return {"file": name, "latency_ms": round(latency_ms, 3), "emulated": network.emulated,
            "top": _best(network.real(raw), output, labels, top),
            "remarks": list(decoded.remarks)}  # fmt: skip


def _best(
    values: NDArray[np.float64], output: str, labels: list[str], top: int
) -> list[dict[str, Any]]:
    """The most probable classes; of tied ones, which int8 has many of, the first."""
    import numpy as np

    order = np.argsort(-values, kind="stable")[:top]
    if output == "logits":
        powers = np.exp(values - values.max())
        values = powers / powers.sum()
    return [{"class": int(i), "label": labels[i], "probability": float(values[i])} for i in order]


def _print(result: dict[str, Any]) -> None:
    name = _printable(result["file"])
    if "error" in result:
        sys.stdout.flush()
        sys.stderr.write(f"error: {name}: {_printable(result['error'])}\n")
        return
    notes = "".join(f"; {remark}" for remark in result["remarks"])
    taken = "emulated" if result["emulated"] else f"{result['latency_ms']:.1f} ms"
    lines = [f"{name}  ({taken}{notes})"]
    lines += [f"  {100 * e['probability']:5.1f}%  {_printable(e['label'])}" for e in result["top"]]
    print("\n".join(lines), flush=True)  # noqa: T201 - a program of its own


def _printable(text: str) -> str:
    """Safe for a terminal: a file's name may hold escape sequences that it would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
                   for c in text)  # fmt: skip


def _prove(release: dict[str, Any], manifest: dict[str, Any], threads: int) -> int:
    """Run the reference inputs, and hold the outputs to those of the computer that deployed."""
    proof = release["proof"]
    for name, digest in release["files"].items():
        if _sha256(HERE / name) != digest:
            raise TroubleError(f"{name} was changed or damaged", "Deploy again.", _PROOF_FAILED)
    module = _network()
    _decoder()
    import numpy as np

    with np.load(HERE / "reference.npz", allow_pickle=False) as arrays:
        inputs, expected = arrays["inputs"], arrays["outputs"]
    found = module.outputs(_MODEL, manifest["preprocessing"], inputs, threads)
    difference = module.difference(found, expected, proof["rule"], proof["zero_point"])
    ok = bool(difference <= proof["limit"])  # NaN is not
    told = {"schema": SCHEMA, "ok": ok, "rule": proof["rule"], "limit": proof["limit"],
            "images": len(inputs), "output_sha256": hashlib.sha256(found.tobytes()).hexdigest(),
            "max_difference": difference if np.isfinite(difference) else None}  # fmt: skip
    if not ok:
        told["error"] = _error(
            f"its outputs differ from those expected by {difference:.3g} ({proof['rule']}), and"
            f" {proof['limit']:.3g} is allowed",
            "this device or its runtime computes something else, another recipe may fit it",
            _PROOF_FAILED,
        )
    print(json.dumps(told))  # noqa: T201 - a program of its own
    return 0 if ok else _PROOF_FAILED


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_HASHED_AT_ONCE):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """LiteRT tells of its delegate on stderr, and no Python setting stops it."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _tell(trouble: TroubleError, *, as_json: bool) -> int:
    if as_json:
        error = _error(trouble.message, trouble.hint, trouble.code)
        print(json.dumps({"schema": SCHEMA, "ok": False, "error": error}))  # noqa: T201 - likewise
    else:
        sys.stderr.write(f"error: {trouble.message}\n{trouble.hint}\n")
    return trouble.code


def _error(message: str, hint: str, exit_code: int) -> dict[str, Any]:
    return {"message": message, "hint": hint, "exit_code": exit_code}


if __name__ == "__main__":
    sys.exit(main())
