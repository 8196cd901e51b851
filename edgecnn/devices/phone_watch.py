"""A program on a phone without Python, and the phone's state while it runs.

The shell that starts the program reads clock, governor, temperature, load and memory half a second
after its start, the clock each second, and all again at its end; and how busy the cores were with
what else runs. It takes well under 1% of one core: `read` is part of the shell, and only `sleep` is
a program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgecnn.devices.device import Completed
from edgecnn.devices.facts import printable
from edgecnn.measurements import DeviceState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.devices.adb_folder import AdbFolder

_MARK = "edgecnn-state"
_TICKS = re.compile(r"[0-9]{1,18}")
# The clock is that of the core that runs fastest: the scheduler gives it to whoever works most. A
# cooling device that holds a clock down stands for bit 2 of `vcgencmd get_throttled`.
_SCRIPT = r"""
cpus=/sys/devices/system/cpu
thermal=/sys/class/thermal
say() { lines="$lines$when $*
"; }
clock() {
  best=0
  for cpu in $cpus/cpu[0-9]*/cpufreq; do
    read -r now 2>/dev/null <$cpu/scaling_cur_freq || continue
    [ "$now" -gt $best ] 2>/dev/null && best=$now && fastest=$cpu
  done
  [ $best = 0 ] || say clock $best
}
state() {
  clock
  read -r value 2>/dev/null <${fastest:-/}/cpuinfo_max_freq && say max_clock $value
  read -r value 2>/dev/null <${fastest:-/}/scaling_governor && say governor $value
  for zone in $thermal/thermal_zone*; do
    read -r kind 2>/dev/null <$zone/type || kind=
    read -r value 2>/dev/null <$zone/temp && say temperature $value $kind
  done
  for cooling in $thermal/cooling_device*; do
    read -r kind 2>/dev/null <$cooling/type || continue
    case $kind in *cpufreq*)
      read -r value 2>/dev/null <$cooling/cur_state && say held $value;;
    esac
  done
  read -r value 2>/dev/null </proc/loadavg && say load $value
  while read -r key value rest; do
    [ "$key" = MemAvailable: ] && say memory $value
  done 2>/dev/null </proc/meminfo
}
ticks() {
  read -r value 2>/dev/null </proc/stat && say ticks $value
  read -r value 2>/dev/null </proc/$$/stat && say own $value
}
when=before
ticks
"$@" </dev/null &
program=$!
sleep 0.5
state
when=after
while kill -0 $program 2>/dev/null; do clock; sleep 1; done
wait $program
code=$?
ticks
state
printf '\n%s\n%s' MARK "$lines"
exit $code
"""


@dataclass(frozen=True)
class Watched:
    """A program that has ended, and what went on beside it.

    Attributes:
        done: how it ended, and all it printed.
        before: the state half a second after its start, when the clock has risen.
        after: the state at its end; its clock is the last one that was read while it ran.
    """

    done: Completed
    before: DeviceState
    after: DeviceState


def run(folder: AdbFolder, command: Sequence[str], *, timeout_s: float | None = None) -> Watched:
    """Run a program in the folder and watch the phone.

    Raises:
        DeviceError: the connection broke, or the time is up; the program does not go on there.
    """
    script = _SCRIPT.replace("MARK", _MARK)
    ended = folder.run(["sh", "-c", script, "sh", *command], timeout_s=timeout_s)
    printed, _, lines = ended.stdout.rpartition(f"\n{_MARK}\n")
    before, after = states(lines)
    return Watched(Completed(ended.exit_code, printed, ended.stderr), before, after)


def states(lines: str) -> tuple[DeviceState, DeviceState]:
    """The states that the script's lines tell; what they do not tell is None."""
    readings: dict[str, list[list[str]]] = {}
    for line in lines.splitlines():
        words = line.split()
        if len(words) > 2:  # noqa: PLR2004 - when, what, and what it is
            readings.setdefault(f"{words[0]} {words[1]}", []).append(words[2:])
    # The last but one: when the very last clock is read the program has ended.
    clocks = readings.get("after clock", [])
    readings["after clock"] = clocks[:-1][-1:] or readings.get("before clock", [])
    after = replace(_state(readings, "after"), busy_share=_busy_share(readings))
    return _state(readings, "before"), after


def _state(readings: dict[str, list[list[str]]], when: str) -> DeviceState:
    def first(what: str, scale: float = 1.0) -> float | None:
        numbers = _numbers(readings.get(f"{when} {what}", []), scale)
        return next((number for number in numbers if number >= 0), None)

    memory = first("memory")
    throttling = list(_numbers(readings.get(f"{when} held", [])))
    governor = readings.get(f"{when} governor")
    return DeviceState(
        clock_mhz=first("clock", 1e3),
        max_clock_mhz=first("max_clock", 1e3),
        governor=printable(governor[0][0]) if governor else None,
        temperature_c=_temperature(readings.get(f"{when} temperature", [])),
        throttled=(4 if any(throttling) else 0) if throttling else None,
        load_average=first("load"),
        free_memory_bytes=None if memory is None else int(memory) * 1024,
    )


def _numbers(answers: Iterable[list[str]], scale: float = 1.0) -> Iterator[float]:
    for words in answers:
        if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", words[0]):
            yield float(words[0]) / scale


def _temperature(zones: list[list[str]]) -> float | None:
    """Degrees Celsius of the hottest zone that names the CPU, or of all where none does."""
    named = [zone for zone in zones if re.search("(?i)cpu|soc", " ".join(zone[1:]))]
    return max(_numbers(named or zones, 1e3), default=None)


def _busy_share(readings: dict[str, list[list[str]]]) -> float | None:
    """CPU time of others than the program, as a share of all cores; see `DeviceState`."""
    counts = []
    for when in ("before", "after"):
        ticks, own = readings.get(f"{when} ticks"), readings.get(f"{when} own")
        if not ticks or not own:
            return None
        cores = [int(word) for word in ticks[0][1:9] if _TICKS.fullmatch(word)]
        process = " ".join(own[0]).rpartition(")")[2].split()
        times = [int(word) for word in process[11:15] if _TICKS.fullmatch(word)]
        if len(cores) != 8 or len(times) != 4:  # noqa: PLR2004 - proc(5) has so many
            return None
        counts.append((sum(cores), sum(cores) - cores[3] - cores[4] - sum(times)))
    (all_before, busy_before), (all_after, busy_after) = counts
    if all_after <= all_before:
        return None
    share = (busy_after - busy_before) / (all_after - all_before)
    return round(min(max(share, 0.0), 1.0), 4)
