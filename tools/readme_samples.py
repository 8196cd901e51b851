"""Every sample output of README and the guides, from one run of the command above it.

    python tools/readme_samples.py            # compares; exit code 1 where a sample is not printed
    python tools/readme_samples.py --write    # writes what was printed into the documents
    python tools/readme_samples.py --only deploy --exported artifacts    # of an earlier export

All commands run in one fresh folder, in the order of `SCENES`, so that samples of one file show one
file; `ssh://pi@raspberrypi.local` is the emulated Raspberry Pi 4. Numbers may differ when samples
are compared, and what differs is printed. A sample of times is taken on a quiet machine alone, and
the line after it says on which and when; so are those with `--busy`, which the line says too.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from measure.emulated import EmulatedPi
from measure.measuring import ROOT, child_environment, describe_machine, edgecnn_command
from samples import documents, samples_text

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINE, HOST = "raspberry-pi-4b", "raspberrypi.local"
_WEIGHTS = "artifacts/xception-mini/trained/weights.npz"
_MINI = (
    f"xception-mini --weights {_WEIGHTS} --classes 10 --width 0.5 --input-size 32 --format tflite"
)
_COLUMNS = "100"
# Beyond, other programs take part in what is timed.
_QUIET_LOAD = 0.3


@dataclass(frozen=True)
class Scene:
    """A sample, and how it is made.

    Attributes:
        document: its file's stem.
        command: the one above it.
        run: what is run in its place; "" for the command itself.
        before: commands that it needs, run first.
        timed: whether it shows times of this machine; the line after it says when and where.
        on_pi: whether it needs the emulated Raspberry Pi.
        by_hand: why it is not run here; "" for one that is.
    """

    document: str
    command: str
    run: str = ""
    before: tuple[str, ...] = ()
    timed: bool = False
    on_pi: bool = False
    by_hand: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """What is run, split."""
        return tuple(shlex.split(self.run or self.command))

    @property
    def label(self) -> str:
        """What to call it."""
        return f"{self.document}: {self.command}"


_INT8 = "artifacts/xception/int8"
SCENES = (
    Scene("README", "make export", run="edgecnn export xception --int8"),
    Scene("bench", f"edgecnn bench {_INT8} --threads 1,2", timed=True),
    Scene("bench", f"edgecnn bench {_INT8} --on ssh://pi@{HOST}", on_pi=True),
    Scene("bench", f"edgecnn bench {_INT8} --threads 2 --operators", timed=True),
    Scene("bench", f"edgecnn compare {_INT8}/model.tflite {_INT8}/model.onnx", timed=True),
    Scene(
        "ci",
        f"edgecnn check {_INT8} --p90 60ms --size 30MB --memory 64MB --snr 20dB",
        timed=True,
    ),
    Scene("raspberry-pi", f"edgecnn devices ssh://pi@{HOST}", on_pi=True),
    Scene("raspberry-pi", f"edgecnn deploy {_INT8} ssh://pi@{HOST}", on_pi=True),
    Scene("calibration", "edgecnn export xception-mini --int8 --min-snr 25dB", timed=True),
    Scene(
        "accuracy",
        "edgecnn evaluate artifacts/xception-mini --data fashion-mnist",
        before=(f"edgecnn export {_MINI} --all --calibration fashion-mnist",),
        timed=True,
    ),
    Scene(
        "accuracy",
        "edgecnn diagnose artifacts/xception-mini/int8 --data fashion-mnist",
        before=(
            f"edgecnn export {_MINI} --float32",
            f"edgecnn export {_MINI} --int8 --calibration dark.npz",
        ),
    ),
    Scene(
        "predict",
        "edgecnn predict xception --device raspberry-pi-4b --device raspberry-pi-5 --device pixel-4"
        " --threads 4 --int8",
    ),
    Scene("verdict", "edgecnn verdict"),
    Scene(
        "sweep",
        "edgecnn sweep SPEC.toml --ray auto --storage /mnt/shared",
        by_hand="four trainings and a Ray cluster; its line above says when and where",
    ),
)


class Stage:
    """The folder that the scenes share; the emulated Pi is started when one needs it."""

    def __init__(self, folder: Path, stack: ExitStack, exported: Path | None = None) -> None:
        """Nothing is run yet; `stack` ends what is started, `exported` holds earlier artifacts."""
        self._folder, self._stack = folder, stack
        self._environment = child_environment(COLUMNS=_COLUMNS, TF_CPP_MIN_LOG_LEVEL="3")
        (folder / "artifacts").mkdir()
        for name in ("experiments", "benchmarks"):
            (folder / "artifacts" / name).symlink_to(ROOT / "artifacts" / name)
        weights = folder / _WEIGHTS
        weights.parent.mkdir(parents=True)
        shutil.copy(ROOT / "artifacts" / "trained" / "xception-mini-itself" / weights.name, weights)
        save_dark_pictures(folder / "dark.npz")
        if exported is not None:
            shutil.copytree(exported / "xception", folder / "artifacts" / "xception")

    def play(self, scene: Scene) -> str:
        """Run a scene's commands; what the last one prints.

        Raises:
            SystemExit: one of them failed.
        """
        if scene.on_pi:
            self._reach_pi()
        for text in scene.before:
            self._run(tuple(shlex.split(text)))
        return self._run(scene.words)

    def _reach_pi(self) -> None:
        if "EDGECNN_SSH_CONFIG" in self._environment:
            return
        keys = self._folder / "pi"
        keys.mkdir()
        pi = self._stack.enter_context(EmulatedPi(MACHINE, keys))
        config = keys / "as-in-the-guide"
        text = pi.ssh_config.read_text("utf-8")
        config.write_text(text.replace(f"Host {pi.alias}", f"Host {pi.alias} {HOST}"), "utf-8")
        self._environment["EDGECNN_SSH_CONFIG"] = str(config)

    def _run(self, words: tuple[str, ...]) -> str:
        print(f"$ {shlex.join(words)}", file=sys.stderr, flush=True)
        done = subprocess.run(
            edgecnn_command(*words[1:]),
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in {0, 1}:  # 1: a budget of `check` is exceeded, and shown to be
            raise SystemExit(f"{shlex.join(words)}: exit {done.returncode}\n{done.stderr[-3000:]}")
        return f"{done.stdout}\n{done.stderr}"


def save_dark_pictures(path: Path) -> None:
    """A hundred pictures of Fashion-MNIST at a fifth of their light, as a network takes them."""
    import numpy as np

    from edgecnn.calibration import fashion_mnist

    images = fashion_mnist.load("train")[0][:100]
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None].repeat(3, axis=-1)
    np.savez(path, input=(padded / (5 * 255)).astype(np.float32))


def is_quiet() -> bool:
    """Whether times taken now are this machine's alone."""
    return os.getloadavg()[0] <= _QUIET_LOAD


def dateline(*, quiet: bool) -> str:
    """The line after a sample of times: when, on which machine, and whether that was quiet."""
    today, machine = datetime.now(timezone.utc).date(), describe_machine()
    busy = "" if quiet else ", other programs running"
    return f"Run on {today}: {machine.cpu}, {machine.cores} cores{busy}."


def compare(scene: Scene, printed: str, *, write: bool, dated: str = "") -> bool:
    """Say whether a sample is what was printed, and write it if asked; False where it is not.

    Args:
        scene: whose.
        printed: by its command.
        write: the sample into its document where it differs.
        dated: the line that is written after it; "" for none.
    """
    document, sample = path_of(scene), sample_of(scene)
    fresh = samples_text.renewed(sample.printed, printed)
    if fresh is None:
        print(f"NOT PRINTED  {scene.label}\n{printed}")
        return False
    changes = samples_text.changes(sample.printed, fresh)
    print(f"{'numbers' if changes else 'same':11}  {scene.label}")
    for before, after in changes:
        print(f"             {before} -> {after}")
    if write and (changes or dated):
        document.write_text(sample.rewritten(document.read_text("utf-8"), fresh, dated), "utf-8")
    return True


def path_of(scene: Scene) -> Path:
    """The document a scene's sample stands in."""
    return next(path for path in documents.DOCUMENTS if path.stem == scene.document)


def sample_of(scene: Scene) -> documents.Sample:
    """A scene's sample, as the document has it."""
    words = tuple(shlex.split(scene.command))
    return next(s for s in documents.samples(path_of(scene)) if s.command == words)


def chosen(only: str, *, exported: bool = False) -> Iterator[Scene]:
    """The scenes to play, and those before them that make their files, where none `exported`."""
    scenes = [scene for scene in SCENES if only in scene.label]
    needs_export = not exported and any(_INT8 in scene.command for scene in scenes)
    for scene in SCENES:
        if scene in scenes or (needs_export and scene.document == "README"):
            yield scene


def main() -> None:
    """Run the scenes; compare or write their samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the samples into the documents")
    parser.add_argument("--only", default="", help="part of a document's or command's name")
    parser.add_argument("--busy", action="store_true", help="also samples of times, on any machine")
    parser.add_argument("--exported", type=Path, help="artifacts with xception/int8; else exported")
    options = parser.parse_args()
    good = True
    with TemporaryDirectory() as folder, ExitStack() as stack:
        stage = Stage(Path(folder), stack, options.exported)
        for scene in chosen(options.only, exported=options.exported is not None):
            if scene.by_hand:
                print(f"{'by hand':11}  {scene.label}: {scene.by_hand}")
                continue
            quiet = is_quiet()
            if scene.timed and not (options.busy or quiet):
                print(f"{'busy':11}  {scene.label}: other programs are running; not compared")
                continue
            line = dateline(quiet=quiet) if scene.timed else ""
            good &= compare(scene, stage.play(scene), write=options.write, dated=line)
    if not good:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
