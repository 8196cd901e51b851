"""Sample outputs as text: the same sample with the numbers of another run."""

from __future__ import annotations

import re
import textwrap

from samples import documents

_WIDTH = 103
_ELISION = re.compile(r"(\s*\[\.\.\.\]\s*|^\.\.\.\n)", re.MULTILINE)


def renewed(sample: str, printed: str) -> str | None:
    """The sample with what a command printed, its left-out parts still left out.

    Args:
        sample: a block of a document; "..." alone in a line, or "[...]", leaves something out.
        printed: by the command, in full.

    Returns:
        The sample anew; None where a part of it is not printed, numbers aside.
    """
    parts, done, position = _ELISION.split(sample), list[str](), 0
    for index, part in enumerate(parts):
        if index % 2:
            done.append(part)
            continue
        if not part.strip():
            done.append(part)
            continue
        place = _find(part, printed[position:])
        if place is None:
            return None
        text, end = place
        done.append(text)
        position += end
    return "".join(done)


def _find(part: str, printed: str) -> tuple[str, int] | None:
    """A part as it is printed, and where it ends there: line by line, else re-wrapped."""
    return _lines(part, printed) or _words(part, printed)


def _lines(part: str, printed: str) -> tuple[str, int] | None:
    pattern = [documents.masked(line) for line in part.rstrip("\n").split("\n")]
    lines = printed.split("\n")
    masks = [documents.masked(line) for line in lines]
    for start in range(len(lines) - len(pattern) + 1):
        if masks[start : start + len(pattern)] == pattern:
            stop = start + len(pattern)
            text = "\n".join(line.rstrip() for line in lines[start:stop])
            ending = part[len(part.rstrip("\n")) :]
            return text + ending, sum(len(line) + 1 for line in lines[:stop])
    return None


def _words(part: str, printed: str) -> tuple[str, int] | None:
    """Prose that the document wraps at its own width."""
    tokens = list(re.finditer(r"\S+", printed))
    pattern = [documents.masked(word) for word in part.split()]
    masks = [documents.masked(token.group()) for token in tokens]
    for start in range(len(tokens) - len(pattern) + 1):
        if masks[start : start + len(pattern)] == pattern:
            stop = start + len(pattern)
            words = [token.group() for token in tokens[start:stop]]
            return _like(part, words), tokens[stop - 1].end()
    return None


def _like(part: str, words: list[str]) -> str:
    """Words with the line breaks and indents of a part, as far as they fit."""
    pieces = re.split(r"(\s+)", part)
    replacements = iter(words)
    text = "".join(piece if not piece.strip() else next(replacements) for piece in pieces)
    if all(len(line) <= _WIDTH for line in text.split("\n")):
        return text
    indent = re.match(r"\s*", part)
    lead = indent.group() if indent else ""
    return textwrap.fill(" ".join(words), _WIDTH, initial_indent=lead) + part[len(part.rstrip()) :]


def changes(sample: str, fresh: str) -> list[tuple[str, str]]:
    """The words that differ, before and after."""
    pairs = zip(sample.split(), fresh.split(), strict=True)
    return [(old, other) for old, other in pairs if old != other and old.strip("-")]
