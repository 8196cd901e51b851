"""The question "what are you?", as a shell script that every device can answer.

It asks nothing of the device but a POSIX shell: no Python, and each program it tries may be missing
(BusyBox, Android's toybox, a container). It writes nothing and leaves nothing.
"""

from __future__ import annotations

BEGIN = "edgecnn-facts-begin"
END = "edgecnn-facts-end"

# `read` and `case` instead of sed and awk, which small systems lack. Each answer is a line
# "key=value"; a key may come more than once. A login script may print before BEGIN. All of it is
# one function: the shell has read it whole before a program can eat the rest from stdin.
_SCRIPT = r"""
probe() {
say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
first() { IFS= read -r line 2>/dev/null < "$2" && say "$1" "$line"; }
printf '\n%s\n' BEGIN_MARK
exec 2>/dev/null
say machine "$(uname -m)"
say kernel "$(uname -r)"
say kernel_name "$(uname -s)"
while IFS= read -r line; do
  case $line in
    'CPU implementer'*) say implementer "${line##*: }" ;;
    'CPU part'*) say part "${line##*: }" ;;
    'model name'*|'Model Name'*) say cpu_name "${line##*: }" ;;
    'Model'*) say board "${line##*: }" ;;
    'Hardware'*) say hardware "${line##*: }" ;;
    'uarch'*) say uarch "${line##*: }" ;;
    'processor'*|'Processor'*) say processor "${line##*: }" ;;
  esac
done < /proc/cpuinfo
first midr /sys/devices/system/cpu/cpu0/regs/identification/midr_el1
for file in /proc/device-tree/model /sys/firmware/devicetree/base/model; do
  [ -r "$file" ] && say device_tree "$(tr -d '\000' < "$file")" && break
done
[ -r /proc/device-tree/compatible ] &&
  say compatible "$(tr '\000' ' ' < /proc/device-tree/compatible)"
for name in sys_vendor product_name; do first "$name" "/sys/class/dmi/id/$name"; done
first clocksources /sys/devices/system/clocksource/clocksource0/available_clocksource
first online /sys/devices/system/cpu/online
has getconf && say processors "$(getconf _NPROCESSORS_ONLN)"
has nproc && say processors "$(nproc)"
while IFS= read -r line; do
  case $line in MemTotal:*) say memory "$line" ;; esac
done < /proc/meminfo
for file in /etc/os-release /usr/lib/os-release; do
  [ -r "$file" ] || continue
  while IFS= read -r line; do
    case $line in PRETTY_NAME=*) say system "${line#*=}" ;; esac
  done < "$file"
  break
done
has getconf && { say long_bit "$(getconf LONG_BIT)"; say libc "$(getconf GNU_LIBC_VERSION)"; }
say elf_class "$(dd if=/bin/sh bs=1 skip=4 count=1 | tr '\001\002' 'AB')"
if has ldd; then
  ldd --version 2>&1 | while IFS= read -r line; do say ldd "$line"; done
fi
for file in /lib/ld-musl-*; do [ -e "$file" ] && say musl "$file"; done
if has getprop; then
  for name in ro.product.manufacturer ro.product.model ro.build.version.release \
    ro.build.version.sdk ro.soc.model ro.kernel.qemu ro.boot.qemu ro.hardware; do
    say "$name" "$(getprop "$name")"
  done
fi
say qemu_cpu "${QEMU_CPU-}"
# A program sees nothing of an emulator that runs it, but it sees the one that runs its child.
sleep 5 >/dev/null &
child=$!
has readlink && say child_exe "$(readlink "/proc/$child/exe")"
say child_command "$(tr '\000' ' ' < "/proc/$child/cmdline")"
kill "$child"
for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python; do
  path=$(command -v "$name") || continue
  found=$("$path" -I -S -c 'import struct, sys
print("%d.%d.%d" % sys.version_info[:3], struct.calcsize("P") * 8)
sys.exit(sys.version_info < (3, 9))' </dev/null) && say python "$found $path" && break
  [ -n "$found" ] && say python "$found $path"
done
printf '%s\n' END_MARK
}
probe </dev/null
exit 0
"""
SCRIPT = _SCRIPT.replace("BEGIN_MARK", BEGIN).replace("END_MARK", END)
