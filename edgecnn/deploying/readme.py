"""The README.md of a release: what lies there, and how it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.deploying.artifact import Deployable
    from edgecnn.deploying.libraries import Libraries

_RANDOM = "random"
_TEXT = """\
# {model}, {recipe}

{bytes:,} bytes of .tflite, made by edgecnn {edgecnn}. Input {height}x{width}, {classes} classes, \
weights: {weights}.
{caution}
## Classify

    ./classify photo.jpg another.png
    ./classify --top 1 --json 'photos/*.jpg'

One line a picture with the milliseconds of the inference alone, then the classes with their
probabilities. A picture that cannot be read is told on stderr; the others are classified, and the
exit code is 2. Labels are the lines of `labels.txt`, in the order of the classes.

## What lies here

| file | what it is |
|---|---|
| `classify`, `classify.py`, `network.py`, `images.py` | the program; pictures are turned as EXIF \
says, scaled to cover the input, cropped at the centre |
| `model.tflite`, `manifest.json` | the network, and all that is known of it |
| `labels.txt` | one label a class |
| `reference.npz` | inputs, and the outputs that `./classify --prove` asks for |
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


def text(deployable: Deployable, libraries: Libraries) -> str:
    """The page, in Markdown."""
    model, shape = deployable.manifest.model, deployable.file.inputs[0].shape
    return _TEXT.format(
        model=_plain(model.name),
        recipe=_plain(deployable.manifest.recipe),
        bytes=deployable.file.bytes,
        edgecnn=deployable.manifest.edgecnn,
        height=shape[1],
        width=shape[2],
        classes=model.classes,
        weights=_plain(model.weights),
        caution=_CAUTION if model.weights == _RANDOM else "",
        runtime=libraries.runtime,
        python=f" and what it needs, for Python {libraries.python}" if libraries.python else "",
        needs=_NEEDS.format(needs=libraries.needs) if libraries.needs else "",
    )


def _plain(name: str) -> str:
    """A foreign name on one line."""
    return "".join(char if char.isprintable() else "_" for char in name)
