"""The guard: a program of ours that holds a device's lock and folder while we are there.

`source()` is the text that a Python 3.9 or newer on the device runs; the modules beside this one
are in it as they are.
"""

from __future__ import annotations

import json
from pathlib import Path

_PACKAGE = "edgecnn.devices.guard"
_MODULES = ("pipe", "place", "files", "programs", "main")
# Each module gets its own name over there, so that they import each other as they do here.
_BOOT = """\
import json, sys, types
package = {package!r}
for name in ("edgecnn", "edgecnn.devices", package):
    sys.modules[name] = types.ModuleType(name)
for name, text in json.loads({sources!r}):
    module = sys.modules[package + "." + name] = types.ModuleType(package + "." + name)
    setattr(sys.modules[package], name, module)
    exec(compile(text, name + ".py", "exec"), module.__dict__)
sys.modules[package + ".main"].main(json.loads(sys.argv[1]))
"""


def source() -> str:
    """The guard as one Python program; its one argument is a JSON object.

    {"marker": the line it prints before its first frame, "who": for others who find the lock,
    "patience_s": it ends after so many seconds without a word}
    """
    folder = Path(__file__).parent
    sources = [(name, (folder / f"{name}.py").read_text("utf-8")) for name in _MODULES]
    return _BOOT.format(package=_PACKAGE, sources=json.dumps(sources))
