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
The milliseconds are those of the inference alone. A file that cannot be read is reported on
stderr; the others are still run, and the exit code is 2. `--json` prints one JSON object a line.
`--task none` describes the outputs, `--out FILE.npz` saves them, `--draw DIR` writes the images
with the results drawn on them; see `--help` for more. `classify` is `run --task classify` with its
old output format; it will be removed in the next release of edgecnn.

`./live --source camera` does the same frame by frame, with a page at http://127.0.0.1:8080; a
folder or an http address (MJPEG) will do as well. `./live --help` has the rest.

## Files

| file | what it is |
|---|---|
| `run`, `live`, `edgecnn/` | the programs; images are rotated as their EXIF data says |
| `model.tflite`, `manifest.json` | the network and its metadata |
{files}\
| `reference.npz` | inputs, and the outputs that `./run --prove` checks against |
| `runtime/` | {runtime}{python} |
| `release.json` | SHA-256 of every file |

## Rolling back

`../../current` points to the release in use; the previous one is kept beside it. To go back:

    ln -sfn releases/NAME ../../current.new && mv -T ../../current.new ../../current
{needs}"""
_CAUTION = """
**The weights are random: use this to measure latency, not to get answers.**
"""
_NEEDS = """
## Required on this device

{needs}
"""
_MEANING = {
    "classify": "Classes with their probabilities, or with raw values if the output holds none. An"
    " image is scaled to cover the input and centre-cropped.",
    "detect": "Boxes as x1, y1, x2, y2 in the image's pixels, after non-maximum suppression"
    " (head {head}). An image is fitted into the input, with grey borders.",
    "segment": "The share of pixels of each class; `--draw DIR` writes the mask. An image is"
    " stretched to the input.",
    "none": "Shapes and statistics of the outputs.",
    "": "What the outputs mean was not given when this was deployed: add `--task classify`,"
    " `detect`, `segment` or `none`.",
}
_LABELS = "| `labels.txt` | class names, one per line |\n"
_ANCHORS = "| `anchors.npy` | anchors of the box encoding |\n"


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
