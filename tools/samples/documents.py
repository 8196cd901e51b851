"""README and guides as data: their code blocks, the commands in them, and what those print."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import edgecnn

ROOT = Path(__file__).parents[2]
GUIDES = Path(edgecnn.__file__).parent / "guides"
DOCUMENTS = (ROOT / "README.md", GUIDES.parent / "SCALE.md", *sorted(GUIDES.glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
# Numbers, and digests, which differ as they do.
_NUMBER = re.compile(r"\b[0-9a-f]{12,64}\b|\d[\d,.]*")
_RULE = re.compile(r"-{3,}")
_LEFT_OUT = re.compile(r"\[\.\.\.\]|^\.\.\.$", re.MULTILINE)
_DATELINE = re.compile(r"\n(Run on \d{4}-\d\d-\d\d: [^\n]+\.)\n")


@dataclass(frozen=True)
class Sample:
    """What a command is said to print.

    Attributes:
        command: the last one of the shell block before it; empty where there is none, or where
            another sample of that command comes first.
        printed: the block.
        dateline: the line after it that says when and where it was run; "" where there is none.
    """

    command: tuple[str, ...]
    printed: str
    dateline: str = ""

    def rewritten(self, text: str, printed: str, dateline: str) -> str:
        """The text of its document with another output, and another line after it."""
        return text.replace(_closed(self.printed, self.dateline), _closed(printed, dateline), 1)


def _closed(printed: str, dateline: str) -> str:
    return f"{printed}```\n" + (f"\n{dateline}\n" if dateline else "")


def blocks(document: Path) -> list[tuple[str, str]]:
    """Language and content of every code block."""
    return _FENCE.findall(document.read_text("utf-8"))


def commands(document: Path) -> list[tuple[str, ...]]:
    """Every command of the shell blocks, as a shell would split it."""
    return [line for language, body in blocks(document) if language == "sh" for line in lines(body)]


def lines(body: str) -> list[tuple[str, ...]]:
    """The commands of one shell block, without comments."""
    joined = body.replace("\\\n", " ").splitlines()
    return [words for line in joined if (words := tuple(shlex.split(line, comments=True)))]


def inline(document: Path) -> list[tuple[str, ...]]:
    """The commands `edgecnn ...` within sentences and tables."""
    text = _FENCE.sub("", document.read_text("utf-8"))
    return [tuple(span.split()) for span in _INLINE.findall(text) if span.startswith("edgecnn ")]


def named_files(document: Path) -> list[str]:
    """Files of the repository that sentences name."""
    text = _FENCE.sub("", document.read_text("utf-8"))
    words = [word for span in _INLINE.findall(text) for word in span.split()]
    return [
        word for word in words if re.match(r"(tools|artifacts/(benchmarks|experiments))/", word)
    ]


def links(document: Path) -> list[str]:
    """Where the links and pictures of a document lead, within the repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8"))
    return [target for target in targets if "://" not in target]


def anchors(document: Path) -> set[str]:
    """What the headings of a document are linked by."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def samples(document: Path) -> list[Sample]:
    """Every output block with the last command of the shell block before it."""
    result: list[Sample] = []
    command: tuple[str, ...] = ()
    text = document.read_text("utf-8")
    for block in _FENCE.finditer(text):
        language, body = block.groups()
        if language == "sh":
            command = lines(body)[-1]
        elif language == "text":
            dated = _DATELINE.match(text, block.end() + 1)
            result.append(Sample(command, body, dated.group(1) if dated else ""))
            command = ()
    return result


def headers(document: Path) -> list[str]:
    """The titles of every table that an output block shows."""
    bodies = [body.splitlines() for language, body in blocks(document) if language == "text"]
    lines_above = [
        above
        for body in bodies
        for above, rule in itertools.pairwise(body)
        if rule and not rule.strip("-")
    ]
    return [title for line in lines_above for title in re.split(r" {2,}", line.strip())]


def differs(sample: str, printed: str) -> str:
    """The first part of a sample that a command does not print, numbers aside; "" where none."""
    actual, position = masked(printed), 0
    for part in _LEFT_OUT.split(sample):
        line = masked(part)
        place = actual.find(line, position)
        if place < 0:
            return line
        position = place + len(line)
    return ""


def masked(text: str) -> str:
    """The text without rules and line breaks, a "#" in the place of each number."""
    return " ".join(_NUMBER.sub("#", _RULE.sub(" ", text)).split())
