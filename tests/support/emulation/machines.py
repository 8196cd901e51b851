"""The machines that can be emulated, as data: what /proc and /sys of the real one say."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Architecture:
    """A Debian architecture.

    Attributes:
        name: as Debian calls it.
        qemu: the program of qemu-user-static that runs its programs.
        bits: of a pointer.
        elf_machine: e_machine of its ELF files.
        triplet: the folder of its libraries.
        packages: what its root holds, besides what these depend on.
    """

    name: str
    qemu: str
    bits: int
    elf_machine: int
    triplet: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """A single-board computer.

    Attributes:
        name: what it is asked for by.
        architecture: of its userland.
        qemu_cpu: the core that qemu imitates. Never left to qemu's default, under which int8
            results were silently wrong.
        kernel_bits: of the kernel it pretends to run; 64 under a 32-bit userland is what
            Raspberry Pi OS (32-bit) has on a Pi 4.
        model: of the device tree.
        revision: the board's, in /proc/cpuinfo.
        features: of /proc/cpuinfo, one line.
        part: CPU part in the main ID register (implementer is ARM, 0x41).
        variant: major revision of the core.
        core_revision: minor revision of the core.
        memory_kib: MemTotal.
        min_khz: lowest clock of the cores.
        max_khz: highest clock of the cores.
        hostname: its own name.
    """

    name: str
    architecture: Architecture
    qemu_cpu: str
    kernel_bits: int
    model: str
    revision: str
    features: str
    part: int
    variant: int
    core_revision: int
    memory_kib: int
    min_khz: int
    max_khz: int
    hostname: str = "raspberrypi"

    @property
    def environment(self) -> dict[str, str]:
        """What every program in it must have in its environment: qemu reads its core there."""
        return {"QEMU_CPU": self.qemu_cpu}

    @property
    def midr(self) -> int:
        """Main ID register (Arm Architecture Reference Manual, MIDR_EL1)."""
        return 0x41 << 24 | self.variant << 20 | 0xF << 16 | self.part << 4 | self.core_revision


_PACKAGES = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "findutils", "grep", "gzip"),
    *("hostname", "libc-bin", "mawk", "mount", "procps", "sed", "tar", "util-linux"),
    *("python3", "openssh-server", "openssh-sftp-server", "libstdc++6"),
)
ARM64 = Architecture("arm64", "qemu-aarch64-static", 64, 183, "aarch64-linux-gnu", _PACKAGES)
# There are no wheels of numpy and Pillow for armv7l; Raspberry Pi OS brings both along.
ARMHF = Architecture("armhf", "qemu-arm-static", 32, 40, "arm-linux-gnueabihf",
                     (*_PACKAGES, "python3-numpy", "python3-pil"))  # fmt: skip

_PI_4B = Machine(
    name="raspberry-pi-4b",
    architecture=ARM64,
    qemu_cpu="cortex-a72",
    kernel_bits=64,
    model="Raspberry Pi 4 Model B Rev 1.1 (EMULATED)",
    revision="c03111",
    features="fp asimd evtstrm crc32 cpuid",
    part=0xD08,
    variant=0,
    core_revision=3,
    memory_kib=3884352,
    min_khz=600_000,
    max_khz=1_500_000,
)

MACHINES = {
    machine.name: machine
    for machine in (
        _PI_4B,
        Machine(
            name="raspberry-pi-5",
            architecture=ARM64,
            qemu_cpu="cortex-a76",
            kernel_bits=64,
            model="Raspberry Pi 5 Model B Rev 1.0 (EMULATED)",
            revision="d04170",
            features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid"
            " asimdrdm lrcpc dcpop asimddp",
            part=0xD0B,
            variant=4,
            core_revision=1,
            memory_kib=8245696,
            min_khz=1_500_000,
            max_khz=2_400_000,
        ),
        Machine(
            name="armv7l",
            architecture=ARMHF,
            qemu_cpu="cortex-a7",
            kernel_bits=32,
            model="Raspberry Pi 2 Model B Rev 1.1 (EMULATED)",
            revision="a01041",
            features="half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae"
            " evtstrm",
            part=0xC07,
            variant=0,
            core_revision=5,
            memory_kib=944264,
            min_khz=600_000,
            max_khz=900_000,
        ),
        replace(
            _PI_4B,
            name="raspberry-pi-4b-32-bit",
            architecture=ARMHF,
            qemu_cpu="cortex-a15",  # what qemu-arm has nearest to a Cortex-A72
        ),
    )
}

PHONE = Machine(
    name="android-phone",
    architecture=ARM64,
    qemu_cpu="cortex-a76",
    kernel_bits=64,
    model="edgecnn phone (EMULATED)",
    revision="0000",
    features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm"
    " lrcpc dcpop asimddp",
    part=0xD0B,
    variant=4,
    core_revision=1,
    memory_kib=5804012,
    min_khz=825_600,
    max_khz=2_841_600,
    hostname="localhost",
)
"""What the real adbd runs in: Debian's programs under some of Android's names."""
