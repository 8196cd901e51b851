"""The README.md of a release: what lies there, and how it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.deploying.artifact import Deployable
    from edgecnn.deploying.libraries import Libraries
    from edgecnn.deploying.tasking import Task
    from edgecnn.records import Endpoint, OutputInfo

_RANDOM = "random"
_TEXT = """\
# {model}, {recipe}

{bytes:,} bytes of .tflite, made by edgecnn {edgecnn}. Weights: {weights}.
{caution}
| | name | dtype | shape | |
|---|---|---|---|---|
{ends}

## Run

{commands}

{meaning}
A line says the milliseconds of the inference alone. A file that cannot be read is told on stderr;
the others are run, and the exit code is 2. With `--json` every run is one JSON object on one line.
`--task none` prints what the outputs are, `--out FILE.npz` writes them all, `--draw DIR` writes the
pictures with the answers on them, `--help` says the rest. `classify` is `run --task classify` with
the output it had before; it goes with the next release of edgecnn.

## What lies here

| file | what it is |
|---|---|
| `run`, `run.py`, `edgecnn/` | the program; pictures are turned as EXIF says |
| `model.tflite`, `manifest.json` | the network, and all that is known of it |
{files}\
| `reference.npz` | inputs, and the outputs that `./run --prove` asks for |
| `runtime/` | {runtime}{python} |
| `release.json` | SHA-256 of every file |

## Older and newer

`../../current` points to the release that is in use, the one before stays beside it. To go back:

    ln -sfn releases/NAME ../../current.new && mv -T ../../current.new ../../current
{needs}"""
_CAUTION = """
**The weights are random: this is fit for measuring latency, not for answers.**
"""
_NEEDS = """
## This device must have

{needs}
"""
_MEANING = {
    "classify": "Classes with their probabilities; of an output that has none, with its values. A"
    " picture is scaled to cover the input, and cropped at the centre.",
    "detect": "Boxes as x1, y1, x2, y2 in the picture's pixels, after non-maximum suppression"
    " (head {head}). A picture is fitted into the input, with grey borders.",
    "segment": "The share of pixels of each class; `--draw DIR` writes the mask. A picture is"
    " scaled to the input, whatever its proportions.",
    "none": "The outputs' shapes and numbers.",
    "": "What the outputs mean was not said when this was deployed: add `--task classify`,"
    " `detect`, `segment` or `none`.",
}
_LABELS = "| `labels.txt` | one label a class |\n"
_ANCHORS = "| `anchors.npy` | what the boxes are encoded against |\n"


def text(deployable: Deployable, libraries: Libraries, task: Task) -> str:
    """The page, in Markdown."""
    manifest = deployable.manifest
    return _TEXT.format(
        model=_plain(manifest.model.name),
        recipe=_plain(manifest.recipe),
        bytes=deployable.file.bytes,
        edgecnn=manifest.edgecnn,
        weights=_plain(manifest.model.weights),
        caution=_CAUTION if manifest.model.weights == _RANDOM else "",
        ends="\n".join((*_rows("input", manifest.inputs), *_rows("output", manifest.outputs))),
        commands="\n".join(f"    {command}" for command in _commands(deployable, task)),
        meaning=_MEANING[task.name].format(head=task.head),
        files=(_LABELS if task.labels else "") + (_ANCHORS if task.anchors is not None else ""),
        runtime=libraries.runtime,
        python=f" and what it needs, for Python {libraries.python}" if libraries.python else "",
        needs=_NEEDS.format(needs=libraries.needs) if libraries.needs else "",
    )


def _rows(kind: str, ends: Iterable[Endpoint | OutputInfo]) -> Iterable[str]:
    for end in ends:
        note = getattr(end, "kind", "") or end.layout
        yield f"| {kind} | {_cell(end.name)} | {end.dtype} | {end.shape} | {note} |"


def _commands(deployable: Deployable, task: Task) -> list[str]:
    """Examples that work here: pictures where the network takes some, else arrays."""
    ask = "" if task.name else " --task none"
    arrays = f"./run --json{ask} arrays.npz"
    if deployable.image is None:
        return [arrays]
    beside = " --beside others.npz" if len(deployable.manifest.inputs) > 1 else ""
    return [f"./run{ask}{beside} photo.jpg", f"./run --json{ask}{beside} 'photos/*.jpg'", arrays]


def _plain(name: str) -> str:
    """A foreign name on one line."""
    return "".join(char if char.isprintable() else "_" for char in name)


def _cell(name: str) -> str:
    return _plain(name).replace("|", "\\|")
