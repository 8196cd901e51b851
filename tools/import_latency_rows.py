"""Choose, from a folder of published latencies, the rows the predictor is fitted on.

    python tools/import_latency_rows.py FOLDER

FOLDER holds published_latency.csv and nasbench201_latency.csv (columns: see `_row`). Written to
tools/data: the chosen rows with their core clusters resolved, and the sources they name by number.
What is left out, and why, stands in `_UNFIT`.
"""

from __future__ import annotations

import csv
import re
import shutil
import sys
from pathlib import Path

import published_nets

DATA = Path(__file__).parent / "data"
COLUMNS = ("device", "cores", "threads", "runtime", "precision", "model", "input", "latency_ms",
           "source")  # fmt: skip

# Column, pattern, why such rows are left out.
_UNFIT = (
    ("framework", r"^(?!TFLite|XNNPACK)", "another library: Winograd, fp16, other scheduling"),
    ("framework", r"ArmNN", "another library behind TFLite's name"),
    ("framework", r"TFLite 1\.|\(201\d\)", "TFLite 1.x and earlier: 2 to 3 times slower"),
    ("framework", r"XNNPACK bench", "a user's report twice as slow as XNNPACK's own"),
    ("framework", r"master, default", "one cmake build, slower than any release"),
    ("framework", r"2\.3\.0", "twice as slow as the releases before and after it"),
    ("note", r"32-bit", "32-bit builds lack half the registers"),
    ("device", r"Coral|Raspberry Pi (Zero W|2)", "cores not stated, or 32-bit alone"),
    ("source_repo_or_url_title", r"aallan|23131", "threads and precision not stated"),
    ("source_repo_or_url_title", r"xavier-power\.[2-5]", "cores switched off"),
    ("device", r"^Pixel XL", "a single row of 2019"),
    ("precision", r"^(?!fp32|int8)", "precision not stated"),
)
# Device, framework or note, precision: the source contradicts itself or the same core elsewhere.
_ANOMALOUS = (
    ("Raspberry Pi 3B", "2.7.1 ruy", ""),
    ("Firefly RK3588S", "2.7.1 ruy", ""),
    ("Firefly RK3399", "ruy", "fp32"),
)
_PRECISION = {"fp32": "float32", "int8": "int8"}
_DEVICES = {
    "Raspberry Pi 4B": ("raspberry-pi-4b", "cortex-a72@1.5"),
    "Raspberry Pi 3B": ("raspberry-pi-3b", "cortex-a53@1.2"),
    "Raspberry Pi 3B+": ("raspberry-pi-3b-plus", "cortex-a53@1.4"),
    "Pixel 4": ("pixel-4", "cortex-a76@2.84"),
    "Pixel 3a": ("pixel-3a", "cortex-a75@2.0"),
    "Pixel 3": ("pixel-3", "cortex-a75@2.8"),
    "Pixel 2": ("pixel-2", "cortex-a73@2.35"),
    "Pixel 1": ("pixel-1", "kryo@2.15"),
    "Pixel": ("pixel-1", "kryo@2.15"),
    "Galaxy S10": ("galaxy-s10", ""),
    "Xiaomi Mi 8 SE": ("xiaomi-mi-8-se", ""),
    "Galaxy A03s": ("galaxy-a03s", ""),
    "Firefly RK3399": ("rk3399", "cortex-a72@1.8x2+cortex-a53@1.4x4"),
    "Firefly RK3588S": ("rk3588", "cortex-a76@2.4x4+cortex-a55@1.8x4"),
    "Khadas VIM4": ("khadas-vim4", "cortex-a73@2.208x4+cortex-a53@2.016x4"),
    "Odroid N2+": ("odroid-n2-plus", "cortex-a73@2.208x4+cortex-a53@1.908x2"),
    "Jetson AGX Orin": ("jetson-agx-orin", "cortex-a78@2.2x12"),
    "Jetson AGX Xavier": ("jetson-agx-xavier", "carmel@2.27x8"),
}
# Clock in GHz of each core of the phones whose rows name single cores.
_CLOCKS = {
    "Pixel 4": {"A76 prime": 2.84, "A76 gold": 2.42, "A55": 1.8},
    "Galaxy S10": {"M4": 2.73, "A75": 2.31, "A55": 1.95},
    "Xiaomi Mi 8 SE": {"A75": 2.2, "A55": 1.7},
    "Galaxy A03s large": {"A53": 2.3},
    "Galaxy A03s small": {"A53": 1.8},
}
_CORE_NAMES = {"M4": "exynos-m4"}


def main(folder: Path) -> None:
    """Write tools/data from the folder's two files."""
    with (folder / "published_latency.csv").open(encoding="utf-8") as file:
        chosen = [row for row in csv.DictReader(file) if _fits(row)]
    sources = sorted({_source(row) for row in chosen})
    DATA.mkdir(exist_ok=True)
    with (DATA / "sources.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("source", "framework", "title"))
        writer.writerows((number, *source) for number, source in enumerate(sources))
    numbers = {source: number for number, source in enumerate(sources)}
    with (DATA / "published_latency.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sorted(_row(row, numbers) for row in chosen))
    shutil.copy(folder / "nasbench201_latency.csv", DATA)
    print(f"{len(chosen)} rows from {len(sources)} sources")


def _fits(row: dict[str, str]) -> bool:
    if not published_nets.known(row["model"]):
        return False
    if any(re.search(pattern, row[column]) for column, pattern, _ in _UNFIT):
        return False
    if row["device"] == "Pixel 1" and "v3" not in row["model"]:
        return False  # of 2018
    return not any(
        row["device"] == device and framework in row["framework"] and precision in row["precision"]
        for device, framework, precision in _ANOMALOUS
    )


def _row(row: dict[str, str], numbers: dict[tuple[str, str], int]) -> tuple[str, ...]:
    device, cores = _DEVICES[row["device"]]
    clusters = _pinned(row) or _clusters(row, cores)
    threads = sum(int(cluster.rpartition("x")[2]) for cluster in clusters.split("+"))
    source = numbers[_source(row)]
    return (
        device, clusters, str(threads), _runtime(row["framework"]), _PRECISION[row["precision"]],
        row["model"], row["input"], row["latency_ms"], str(source),
    )  # fmt: skip


def _source(row: dict[str, str]) -> tuple[str, str]:
    """Framework and title; MLPerf's folder of one run is left out, the row's model names it."""
    title = re.sub(r"(/results/[^/]+)/.*", r"\1", row["source_repo_or_url_title"])
    return row["framework"], title


def _runtime(framework: str) -> str:
    if "ruy" in framework:
        return "ruy"
    if framework.startswith("XNNPACK"):
        return "library"
    return "xnnpack" if "XNNPACK" in framework or "2.10" in framework else "builtin"


def _pinned(row: dict[str, str]) -> str:
    """The clusters of a row that names the cores it was pinned to; "" for others."""
    device = row["device"]
    if device == "Galaxy A03s":
        device += " large" if "large" in row["note"] else " small"
    if device not in _CLOCKS or "fork" not in row["framework"]:
        return ""
    clusters = []
    for count, core in re.findall(r"(\d)x(\w+(?: prime| gold)?)", row["core"]):
        name = core.split()[0]
        name = _CORE_NAMES.get(name, f"cortex-{name.lower()}")
        if device == "Xiaomi Mi 8 SE" and core == "A55":
            name += "-nodot"  # its int8 is half as fast as that of other Cortex-A55
        clusters.append(f"{name}@{_CLOCKS[device][core]}x{count}")
    return "+".join(clusters)


def _clusters(row: dict[str, str], cores: str) -> str:
    if "x" in cores.rpartition("@")[2]:
        return cores
    if row["device"] == "Pixel 4":
        return "cortex-a76@2.84x1+cortex-a76@2.42x3"
    if "1.8GHz" in row["core"]:  # a Raspberry Pi 4B of 2021 or later
        cores = cores.replace("@1.5", "@1.8")
    number = re.match(r"\d+", row["threads"])
    return f"{cores}x{number.group() if number else 4}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
