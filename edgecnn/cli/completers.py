"""What the shell offers after MODEL, --weights and --calibration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    import click

_MODEL_SUFFIXES = {".h5", ".hdf5", ".keras", ".tflite"}


def complete_model(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The zoo's names, `keras:NAME` once it is begun, and model files here; else any path."""
    from edgecnn.zoo import MODELS, keras_applications

    prefix = keras_applications.PREFIX
    names = {name: spec.summary for name, spec in MODELS.items()}
    if incomplete.startswith(prefix):
        names = {prefix + name: "keras.applications" for name in keras_applications.APPLICATIONS}
    elif prefix.startswith(incomplete):
        names[prefix] = "any network of keras.applications"
    begun = incomplete.lower()
    items = [
        CompletionItem(name, help=summary)
        for name, summary in names.items()
        if name.lower().startswith(begun)
    ]
    if not items:
        return _any_path(incomplete)
    return items + [CompletionItem(name) for name in _files_here(incomplete)]


def _files_here(incomplete: str) -> list[str]:
    return sorted(
        path.name
        for path in Path().iterdir()
        if path.suffix.lower() in _MODEL_SUFFIXES and path.name.startswith(incomplete)
    )


def complete_weights(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The known words; else any path."""
    return _words(("random", "imagenet"), incomplete)


def complete_calibration(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The data set known by name; else any path."""
    return _words(("fashion-mnist",), incomplete)


def _words(words: tuple[str, ...], incomplete: str) -> list[CompletionItem[str]]:
    begun = [CompletionItem(word) for word in words if word.startswith(incomplete)]
    return begun if begun and incomplete else begun + _any_path(incomplete)


def _any_path(incomplete: str) -> list[CompletionItem[str]]:
    return [CompletionItem(incomplete, type="file")]


def complete_fit_device(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The device profiles, and the boards of microcontrollers."""
    from edgecnn.tflm.boards import BOARDS

    boards = tuple(board.option for board in BOARDS)
    return [*complete_profile(context, parameter, incomplete), *_words(boards, incomplete)]


def complete_profile(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The device profiles by name; else any path."""
    from edgecnn.latency.profiles import names

    return _words(tuple(names()), incomplete)
