"""Whether this machine is a real one."""

from __future__ import annotations

import os
from pathlib import Path

# What a machine calls itself, and the parent's memory: qemu hides itself in a program's own.
_TELLTALES = ("cpuinfo", "device-tree/model", "{parent}/maps")


def emulated(proc: Path = Path("/proc")) -> bool:
    """Whether an emulator runs this program: its times say nothing of the device it imitates."""
    texts = [_text(proc / name.format(parent=os.getppid())) for name in _TELLTALES]
    return "QEMU_CPU" in os.environ or any(
        word in text for text in texts for word in ("qemu-", "QEMU", "EMULATED")
    )


def _text(path: Path) -> str:
    """What a file of the system says; nothing where there is none, or we may not look."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
