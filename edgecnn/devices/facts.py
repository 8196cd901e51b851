"""From what the probe printed to `DeviceFacts`: pure, and never more than what was said.

A device may say anything (a small system lacks half of the programs, a broken one prints rubbish):
what cannot be read is "not known", and only the machine's name must be there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecnn.devices import cpus
from edgecnn.devices.probe import BEGIN, END
from edgecnn.measurements import DeviceFacts

_Answers = dict[str, list[str]]
_MIN_PYTHON = (3, 9)
_MAX_TEXT = 200
_ELF_BITS = {"A": 32, "B": 64}
_MACHINES_32 = re.compile(r"arm(v\d.*|hf|el)?|i[3-6]86|x86|mips|riscv32|ppc|s390")
_QEMU_USER = re.compile(r"(^|/)qemu-(?!system)[^/]*$")


@dataclass(frozen=True)
class Probed:
    """All that the probe learned.

    Attributes:
        facts: what the device is.
        python: the path of the Python that `facts.python` is the version of; "" for none.
    """

    facts: DeviceFacts
    python: str


def parse(text: str) -> Probed | None:
    """Read the probe's output; None when the probe did not run to its end.

    Args:
        text: all that came on stdout; what a login script prints around it does not matter.
    """
    answers = _answers(text)
    if answers is None or not _first(answers, "machine"):
        return None
    python, bits, path = _python(answers)
    emulator = _emulator(answers)
    facts = DeviceFacts(
        model=_model(answers),
        machine=_first(answers, "machine"),
        userland_bits=bits or _userland_bits(answers),
        system=_system(answers),
        kernel=_first(answers, "kernel"),
        libc=_libc(answers),
        cpu=_cpu(answers),
        cores=_cores(answers),
        memory_bytes=_number(_first(answers, "memory")) << 10,  # /proc/meminfo counts KiB
        python=python,
        emulator=emulator,
    )
    return Probed(facts, path)


def is_python_new_enough(version: str) -> bool:
    """Whether the guard and the runner work with this Python."""
    numbers = version.split(".")[:2]
    return all(map(str.isdecimal, numbers)) and tuple(map(int, numbers)) >= _MIN_PYTHON


def _answers(text: str) -> _Answers | None:
    _, begin, rest = text.partition(f"{BEGIN}\n")
    body, end, _ = rest.partition(f"{END}\n")
    if not begin or not end:
        return None
    answers: _Answers = {}
    for line in body.splitlines():
        key, separator, value = line.partition("=")
        if separator and (shown := printable(value)):
            answers.setdefault(key, []).append(shown)
    return answers


def printable(text: str) -> str:
    """One line that does nothing to a terminal, and is not endless."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:_MAX_TEXT]


def _first(answers: _Answers, *keys: str) -> str:
    """The first answer under the first of these keys that has one."""
    return next((answers[key][0] for key in keys if key in answers), "")


def _number(text: str) -> int:
    """The first decimal number in a text; 0 when there is none that makes sense."""
    match = re.search(r"[0-9]{1,15}", text)
    return int(match.group()) if match else 0


def _hexadecimal(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"0x[0-9A-Fa-f]{1,16}", text) else None


def _python(answers: _Answers) -> tuple[str, int, str]:
    """Version, word size and path of the first Python that will do, else of the first at all."""
    pythons = []
    for answer in answers.get("python", []):
        match = re.fullmatch(r"([0-9]+\.[0-9]+\.[0-9]+) (32|64) (/.+)", answer)
        if match and not match[1].startswith("2."):
            pythons.append((match[1], int(match[2]), match[3]))
    good = [python for python in pythons if is_python_new_enough(python[0])]
    return next(iter([*good, *pythons]), ("", 0, ""))


def _userland_bits(answers: _Answers) -> int:
    bits = _number(_first(answers, "long_bit"))
    if bits not in _ELF_BITS.values():
        bits = _ELF_BITS.get(_first(answers, "elf_class"), 0)
    return bits or (32 if _MACHINES_32.fullmatch(_first(answers, "machine")) else 64)


def _is_android(answers: _Answers) -> bool:
    return "ro.build.version.sdk" in answers


def _model(answers: _Answers) -> str:
    phone = f"{_first(answers, 'ro.product.manufacturer')} {_first(answers, 'ro.product.model')}"
    name = phone.strip() or _first(answers, "device_tree", "board")
    return name or _cpu(answers) or _first(answers, "hardware", "machine")


def _system(answers: _Answers) -> str:
    if _is_android(answers):
        return f"Android {_first(answers, 'ro.build.version.release')}".strip()
    return _first(answers, "system").strip("\"'") or _first(answers, "kernel_name")


def _libc(answers: _Answers) -> str:
    """A Linux system may live on a phone (in a chroot, say): its own answers come first."""
    gnu = re.fullmatch(r"glibc [0-9.]+", _first(answers, "libc"))
    if gnu:
        return gnu.group()
    text = "\n".join(answers.get("ldd", []))
    if "musl" in text or "musl" in answers:
        version = re.search(r"^Version ([0-9.]+)", text, re.MULTILINE)
        return f"musl {version[1]}" if version else "musl"
    # As in: ldd (Debian GLIBC 2.36-9+deb12u9) 2.36
    version = re.search(r"^ldd .*(?:GLIBC|GNU libc|libc).* ([0-9]+\.[0-9]+)$", text, re.MULTILINE)
    if version:
        return f"glibc {version[1]}"
    return "bionic" if _is_android(answers) else ""


def _cpu(answers: _Answers) -> str:
    implementers = map(_hexadecimal, answers.get("implementer", []))
    parts = map(_hexadecimal, answers.get("part", []))
    cores = [(implementer, part) for implementer, part in zip(implementers, parts, strict=False)
             if implementer is not None and part is not None]  # fmt: skip
    if cores:
        return cpus.named(cores)
    midr = _hexadecimal(_first(answers, "midr"))
    if midr is not None:
        return cpus.core_of_midr(midr)
    return _first(answers, "cpu_name", "uarch")


def _cores(answers: _Answers) -> int:
    """Cores online; at least one answered."""
    online = _count(_first(answers, "online"))
    cores = online or _number(_first(answers, "processors", "nproc"))
    return cores or max(1, len(answers.get("processor", [])))


def _count(ranges: str) -> int:
    """How many numbers a list such as "0-3,5" has (Linux's cpulist format)."""
    if not re.fullmatch(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", ranges, re.ASCII):
        return 0
    pairs = [part.split("-") for part in ranges.split(",")]
    return sum(max(0, int(pair[-1]) - int(pair[0]) + 1) for pair in pairs)


def _emulator(answers: _Answers) -> str:
    """What imitates the device, by the traces that emulators leave; "" when there is none.

    A virtual machine that runs on the real core (KVM) is no emulator: its times are the core's.
    """
    commands = [command.partition(" ")[0] for command in answers.get("child_command", [])]
    child = [*answers.get("child_exe", []), *commands]
    blind = not child  # nothing in /proc to say otherwise
    if any(map(_QEMU_USER.search, child)) or (blind and "qemu_cpu" in answers):
        return "qemu-user"
    flags = answers.get("ro.kernel.qemu", []) + answers.get("ro.boot.qemu", [])
    if "1" in flags or _first(answers, "ro.hardware") in {"goldfish", "ranchu"}:
        return "Android emulator"
    if _is_qemu_system(answers):
        return "qemu-system"
    return "unknown emulator" if "EMULATED" in _model(answers) else ""


def _is_qemu_system(answers: _Answers) -> bool:
    board = f"{_first(answers, 'device_tree')} {_first(answers, 'compatible')}"
    is_qemu = _first(answers, "sys_vendor") == "QEMU" or "QEMU" in _first(answers, "cpu_name")
    has_kvm = "kvm-clock" in _first(answers, "clocksources")
    return "dummy-virt" in board or "qemu" in board.lower() or (is_qemu and not has_kvm)
