"""From what a device says to what it is."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.devices import probe
from edgecnn.devices.facts import is_python_new_enough, parse
from edgecnn.measurements import DeviceFacts

_PI_4 = """\
machine=aarch64
kernel=6.1.21-v8+
kernel_name=Linux
implementer=0x41
part=0xd08
implementer=0x41
part=0xd08
implementer=0x41
part=0xd08
implementer=0x41
part=0xd08
hardware=BCM2835
board=Raspberry Pi 4 Model B Rev 1.1
device_tree=Raspberry Pi 4 Model B Rev 1.1
compatible=raspberrypi,4-model-b brcm,bcm2711
online=0-3
processors=4
memory=MemTotal:        3884352 kB
system="Debian GNU/Linux 12 (bookworm)"
long_bit=64
libc=glibc 2.36
elf_class=B
ldd=ldd (Debian GLIBC 2.36-9+deb12u4) 2.36
child_exe=/usr/bin/sleep
child_command=sleep 5
python=3.11.2 64 /usr/bin/python3
"""
_PI_4_FACTS = DeviceFacts(
    model="Raspberry Pi 4 Model B Rev 1.1",
    machine="aarch64",
    userland_bits=64,
    system="Debian GNU/Linux 12 (bookworm)",
    kernel="6.1.21-v8+",
    libc="glibc 2.36",
    cpu="Cortex-A72",
    cores=4,
    memory_bytes=3884352 * 1024,
    python="3.11.2",
)


def _printed(body: str) -> str:
    return f"Welcome!\n\n{probe.BEGIN}\n{body}{probe.END}\n"


def _facts(body: str) -> DeviceFacts:
    probed = parse(_printed(body))
    assert probed is not None
    return probed.facts


def _changed(old: str, new: str) -> DeviceFacts:
    assert old in _PI_4
    return _facts(_PI_4.replace(old, new))


def test_a_raspberry_pi_is_what_it_says() -> None:
    probed = parse(_printed(_PI_4))
    assert probed is not None
    assert probed.facts == _PI_4_FACTS
    assert probed.python == "/usr/bin/python3"


def test_a_32_bit_userland_on_a_64_bit_kernel_is_told_by_its_python() -> None:
    facts = _changed("3.11.2 64", "3.11.2 32")
    assert (facts.machine, facts.userland_bits) == ("aarch64", 32)


def test_a_32_bit_userland_is_told_without_python() -> None:
    body = _PI_4.replace("python=3.11.2 64 /usr/bin/python3\n", "")
    assert _facts(body.replace("long_bit=64", "long_bit=32")).userland_bits == 32
    no_getconf = body.replace("long_bit=64\n", "")
    assert _facts(no_getconf).userland_bits == 64
    assert _facts(no_getconf.replace("elf_class=B", "elf_class=A")).userland_bits == 32
    assert _facts("machine=armv7l\n").userland_bits == 32
    assert _facts("machine=aarch64\n").userland_bits == 64


@pytest.mark.parametrize(
    ("answers", "libc"),
    [
        ("libc=glibc 2.31\n", "glibc 2.31"),
        ("ldd=ldd (Ubuntu GLIBC 2.35-0ubuntu3.4) 2.35\n", "glibc 2.35"),
        ("ldd=musl libc (aarch64)\nldd=Version 1.2.4\n", "musl 1.2.4"),
        ("musl=/lib/ld-musl-aarch64.so.1\n", "musl"),
        ("ro.build.version.sdk=33\n", "bionic"),
        ("libc=undefined\n", ""),
        ("", ""),
    ],
)
def test_the_c_library_is_found_in_what_there_is(answers: str, libc: str) -> None:
    assert _facts(f"machine=aarch64\n{answers}").libc == libc


def test_a_phone_is_named_by_its_maker() -> None:
    facts = _facts(
        "machine=aarch64\nro.product.manufacturer=Google\nro.product.model=Pixel 6\n"
        "ro.build.version.release=13\nro.build.version.sdk=33\nimplementer=0x41\npart=0xd05\n"
        "implementer=0x41\npart=0xd41\nimplementer=0x41\npart=0xd44\nimplementer=0x41\n"
        "part=0xd44\nprocessor=0\nprocessor=1\nprocessor=2\nprocessor=3\n"
    )
    assert facts.model == "Google Pixel 6"
    assert facts.system == "Android 13"
    assert facts.cpu == "Cortex-A55 + Cortex-A78 + Cortex-X1"
    assert facts.cores == 4
    assert facts.python == ""


def test_a_core_is_named_by_its_id_register_where_cpuinfo_is_silent() -> None:
    assert _facts("machine=aarch64\nmidr=0x00000000414fd0b1\n").cpu == "Cortex-A76"
    assert _facts("machine=aarch64\nimplementer=0x99\npart=0x123\n").cpu == "ARM core 0x99/0x123"


@pytest.mark.parametrize(
    ("online", "cores"), [("0-3", 4), ("0,2-3", 3), ("0", 1), ("3-0", 1), ("none", 1)]
)
def test_online_cores_are_counted(online: str, cores: int) -> None:
    assert _facts(f"machine=aarch64\nonline={online}\n").cores == cores


@pytest.mark.parametrize(
    ("answers", "emulator"),
    [
        ("child_exe=/usr/bin/sleep\nqemu_cpu=cortex-a72\n", ""),
        ("child_exe=/srv/qemu-aarch64-static\n", "qemu-user"),
        ("child_exe=/srv/qemu-arm (deleted)\n", "qemu-user"),
        ("child_exe=/srv/qemu-arm-static-on-64-bit-kernel\n", "qemu-user"),
        ("child_exe=/usr/bin/qemu-system-arm\n", ""),
        ("child_command=/usr/bin/qemu-aarch64 /bin/sleep 5\n", "qemu-user"),
        ("child_command=sh /home/me/qemu-notes 5\n", ""),
        ("qemu_cpu=cortex-a72\n", "qemu-user"),
        ("child_exe=/bin/toybox\nro.hardware=ranchu\n", "Android emulator"),
        ("ro.kernel.qemu=0\nro.boot.qemu=1\n", "Android emulator"),
        ("ro.kernel.qemu=0\n", ""),
        ("device_tree=linux,dummy-virt\n", "qemu-system"),
        ("sys_vendor=QEMU\nclocksources=tsc hpet acpi_pm\n", "qemu-system"),
        ("sys_vendor=QEMU\nclocksources=kvm-clock tsc\n", ""),
        ("cpu_name=QEMU Virtual CPU version 2.5+\n", "qemu-system"),
        ("board=Raspberry Pi 4 Model B Rev 1.1 (EMULATED)\n", "unknown emulator"),
    ],
)
def test_an_emulator_leaves_traces(answers: str, emulator: str) -> None:
    facts = _facts(f"machine=aarch64\n{answers}")
    assert facts.emulator == emulator
    assert facts.emulated == bool(emulator)


def test_a_python_that_will_do_is_preferred_to_an_old_one() -> None:
    both = "python=3.7.3 32 /usr/bin/python3\npython=3.11.9 32 /opt/py thon/python3.11\n"
    probed = parse(_printed(f"machine=armv7l\n{both}"))
    assert probed is not None
    assert (probed.facts.python, probed.python) == ("3.11.9", "/opt/py thon/python3.11")
    assert _facts("machine=armv7l\npython=3.7.3 32 /usr/bin/python3\n").python == "3.7.3"
    assert _facts("machine=armv7l\npython=2.7.18 32 /usr/bin/python\n").python == ""


@pytest.mark.parametrize(
    ("version", "good"),
    [("3.9.0", True), ("3.14.2", True), ("4.0.0", True), ("3.8.20", False), ("", False)],
)
def test_python_3_9_is_the_oldest(version: str, good: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_python_new_enough(version) is good


@pytest.mark.parametrize("text", ["", "bash: sh: command not found\n", f"{probe.BEGIN}\nmachine=x"])
def test_a_probe_that_did_not_end_gives_nothing(text: str) -> None:
    assert parse(text) is None


def test_nothing_that_moves_a_terminals_cursor_gets_through() -> None:
    facts = _changed("system=", "system=\x1b[2J\x07")
    assert facts.system.isprintable()


_keys = st.sampled_from(sorted({line.split("=")[0] for line in _PI_4.splitlines()}))
_lines = st.lists(st.tuples(_keys, st.text(max_size=60))).map(
    lambda pairs: "".join(f"{key}={value}\n" for key, value in pairs)
)


@given(_lines | st.text())
def test_whatever_a_device_says_is_read_without_an_error(body: str) -> None:
    probed = parse(_printed(f"machine=odd\n{body}"))
    if probed is None:  # it said that it ended, in the middle
        assert probe.BEGIN in body or probe.END in body
        return
    facts = probed.facts
    assert facts.cores >= 1
    assert facts.memory_bytes >= 0
    assert facts.userland_bits in {32, 64}
    for text in (facts.model, facts.system, facts.kernel, facts.libc, facts.cpu, probed.python):
        assert text.isprintable()


@given(_lines)
def test_answers_that_come_later_do_not_hide_the_first(body: str) -> None:
    facts = _facts(_PI_4 + body)
    kept = replace(
        facts, cpu=_PI_4_FACTS.cpu, emulator="", libc=_PI_4_FACTS.libc, python=_PI_4_FACTS.python
    )
    assert kept == _PI_4_FACTS


@pytest.mark.parametrize("shell", [["sh"], ["bash", "--posix"], ["busybox", "sh"]], ids=" ".join)
def test_this_machine_answers_in_every_shell(shell: list[str]) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"no {shell[0]} on this machine")
    path = f"{os.path.dirname(sys.executable)}:/usr/bin:/bin"  # noqa: PTH120 - a PATH is a string
    done = subprocess.run(
        shell,
        input=probe.SCRIPT,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"] + ":" + path},
    )
    assert done.stderr == ""
    probed = parse(done.stdout)
    assert probed is not None
    assert probed.facts.machine == platform.machine()
    assert probed.facts.kernel == platform.release()
    assert probed.facts.cores == os.cpu_count()
    assert probed.facts.memory_bytes > 1 << 26
    assert is_python_new_enough(probed.facts.python)
    assert probed.facts.emulator == ""


def test_a_shell_with_nothing_else_still_answers() -> None:
    shell = shutil.which("sh")
    assert shell
    done = subprocess.run(
        [shell], input=probe.SCRIPT, capture_output=True, text=True, check=True, env={"PATH": ""}
    )
    assert done.stderr == ""
    assert probe.END in done.stdout
    assert parse(done.stdout) is None  # it cannot even say `uname`
