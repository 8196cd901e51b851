"""Process 1 of an emulated machine; a program, standard library only.

    python supervisor.py PLAN.json

It makes namespaces (user, mount, process, host name, IPC), in them a private binfmt_misc that hands
foreign programs to qemu-user, and a root of its own: the plan's folders overlaid with a tmpfs. Then
it does as it is told, one JSON object a line on stdin, each answered by one on stdout. When
stdin ends it ends, and the kernel ends all that ran in the machine and forgets its mounts. Nothing
of the host's changes. Needs root and Linux 6.7 or newer (binfmt_misc in user namespaces, user
attributes on tmpfs).

Sources: Linux's Documentation/admin-guide/binfmt-misc.rst and filesystems/overlayfs.rst; man
user_namespaces(7), pid_namespaces(7), pivot_root(2).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 1 << 18
MNT_DETACH = 2
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
PR_SET_PDEATHSIG = 1
SYS_PIVOT_ROOT = 155  # x86-64; the C library has no name for it

_IDS = 65536
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Attach a file system (Linux, manual section 2).

    Raises:
        OSError: the kernel refused.
    """
    arguments = [text.encode() or None for text in (source, target, kind)]
    _check(
        _libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() or None),
        f"mount {kind or source} at {target}",
    )


def unmount(target: str, flags: int = 0) -> None:
    """Detach a file system.

    Raises:
        OSError: the kernel refused.
    """
    _check(_libc.umount2(target.encode(), flags), f"unmount {target}")


def elf_pattern(bits: int, machine: int) -> tuple[bytes, bytes]:
    """Magic and mask of a little-endian ELF header: identification, e_type, e_machine.

    Any OS/ABI byte passes, and e_type may be EXEC (2) or DYN (3).
    """
    magic = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    magic += (2).to_bytes(2, "little") + machine.to_bytes(2, "little")
    return magic, b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff\xff\xff"


def _register(folder: str, interpreter: dict[str, Any]) -> None:
    """Flag F: the kernel opens qemu now, so that it need not exist in the machine's root."""
    magic, mask = elf_pattern(interpreter["bits"], interpreter["elf_machine"])
    magic_text, mask_text = ("".join(f"\\x{byte:02x}" for byte in part) for part in (magic, mask))
    line = f":emulated:M::{magic_text}:{mask_text}:{interpreter['path']}:F"
    Path(folder, "register").write_text(line, encoding="ascii")


def _end_with_parent() -> None:
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def _mount_root(plan: dict[str, Any]) -> str:
    """Put an overlay together: what the machine writes goes to a tmpfs, its only disk."""
    disk = plan["mount_point"]
    mount("tmpfs", disk, "tmpfs", MS_NODEV, f"size={plan['disk_bytes']},mode=755")
    upper, work, root = (f"{disk}/{name}" for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        os.mkdir(folder, 0o755)  # noqa: PTH102 - paths stay text here: mount takes text
    lower = ":".join(plan["layers"])
    mount("overlay", root, "overlay", MS_NODEV,
          f"userxattr,lowerdir={lower},upperdir={upper},workdir={work}")  # fmt: skip
    return root


def _mount_devices(dev: str) -> None:
    mount("tmpfs", dev, "tmpfs", MS_NOSUID, "size=64k,mode=755")
    for name in _DEVICES:
        Path(dev, name).touch()
        mount(f"/dev/{name}", f"{dev}/{name}", flags=MS_BIND)
    for name in ("shm", "pts"):
        Path(dev, name).mkdir()
    mount("tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=620,gid=5")
    for name, target in _LINKS.items():
        Path(dev, name).symlink_to(target)


def _mount_proc(proc: str, plan: dict[str, Any]) -> None:
    mount("proc", proc, "proc", MS_NOSUID | MS_NODEV)
    mount("binfmt_misc", f"{proc}/sys/fs/binfmt_misc", "binfmt_misc")
    _register(f"{proc}/sys/fs/binfmt_misc", plan["interpreter"])
    for name, file in plan["proc_files"].items():
        mount(file, f"{proc}/{name}", flags=MS_BIND)


def _enter_root(root: str) -> None:
    """Make `root` the root; the host's file system is gone from here."""
    os.chdir(root)
    _check(_libc.syscall(SYS_PIVOT_ROOT, b".", b"."), "pivot_root")
    unmount(".", MNT_DETACH)
    os.chdir("/")


def build_machine(plan: dict[str, Any]) -> None:
    """Turn the new namespaces into the machine that the plan describes."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    root = _mount_root(plan)
    _mount_devices(f"{root}/dev")
    _mount_proc(f"{root}/proc", plan)
    _enter_root(root)
    socket.sethostname(plan["hostname"])


def start(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Start a program in the machine, in a session of its own; its stderr is the machine's log."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted
        except OSError as error:
            os.write(2, f"{command}: {error}\n".encode())
        finally:
            os._exit(127)
    return {"pid": child}


def kill_all() -> dict[str, Any]:
    """Kill every process but this one, as a power cut does."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return {}  # there was none
    return {}


def _reap(*_: object) -> None:
    """Process 1 inherits every orphan."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def obey(order: dict[str, Any]) -> dict[str, Any]:
    """Do one thing; what comes back is the answer."""
    if order["do"] == "start":
        return start(order["command"], order["environment"])
    if order["do"] == "kill_all":
        return kill_all()
    if order["do"] == "mount_tmpfs":
        mount("tmpfs", order["at"], "tmpfs", MS_NOSUID | MS_NODEV, order["options"])
        return {}
    if order["do"] == "unmount":
        unmount(order["at"], MNT_DETACH)
        return {}
    raise ValueError(f"unknown order {order['do']!r}")


def serve() -> None:
    """Obey until stdin ends."""
    signal.signal(signal.SIGCHLD, _reap)
    for line in sys.stdin:
        try:
            answer = obey(json.loads(line))
        except (OSError, ValueError, KeyError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def _become_machine(plan: dict[str, Any], mapped: int, unshared: int) -> int:
    """In the child: leave the host's namespaces, then start process 1 and wait for it."""
    _end_with_parent()
    namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC
    _check(_libc.unshare(namespaces), "unshare")
    os.write(unshared, b".")
    if os.read(mapped, 1) != b".":
        raise OSError("the ids could not be mapped")
    os.setgroups([])
    os.setgid(0)
    os.setuid(0)
    os.umask(0o022)  # the machine's own, whatever the shell's is
    _end_with_parent()  # a change of credentials undid it
    first = os.fork()
    if first == 0:
        _end_with_parent()
        build_machine(plan)
        print(json.dumps({"ready": True}), flush=True)
        serve()
        return 0
    print(json.dumps({"pid": first}), flush=True)
    return _exit_code(first)


def _exit_code(child: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def main() -> int:
    """Fork the machine, and give it its ids: only from outside can all of them be mapped."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    mapped_read, mapped_write = os.pipe()
    unshared_read, unshared_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(mapped_write)
        os.close(unshared_read)
        return _become_machine(plan, mapped_read, unshared_write)
    os.close(mapped_read)
    os.close(unshared_write)
    if os.read(unshared_read, 1) == b".":
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text(f"0 0 {_IDS}\n", encoding="ascii")
        os.write(mapped_write, b".")
    return _exit_code(child)


if __name__ == "__main__":
    sys.exit(main())
