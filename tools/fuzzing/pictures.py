"""Pictures edited by their parts: a PNG's chunks with checksums that hold, a JPEG's segments."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIDES = (0, 1, 2, 7, 1000, 30_000, 65_535, 2**31 - 1, 2**32 - 1)
_TYPES = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"zTXt", b"acTL", b"eXIf", b"iCCP")
_MARKERS = (0xC0, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xE1, 0xE2, 0xEE, 0xFE)
_START_OF_SCAN = 0xDA
_FRAMES = (0xC0, 0xC2)
_BOMB_BYTES = 200_000_000


def of_png(data: bytes, chance: random.Random) -> bytes:
    """A chunk left out, doubled, renamed, or filled with something else.

    Raises:
        ValueError: it is no PNG.
    """
    chunks = _chunks(data)
    place = chance.randrange(len(chunks))
    name, content = chunks[place]
    chunks[place : place + 1] = chance.choice(
        (
            [(name, content)] * 2,
            [],
            [(chance.choice(_TYPES), content)],
            [(name, _filled(name, content, chance))],
            [(name, _filled(name, content, chance))],
        )
    )
    return _SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    if not data.startswith(_SIGNATURE):
        raise ValueError("no PNG")
    chunks, place = [], len(_SIGNATURE)
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        chunks.append((name, data[place + 8 : place + 8 + length]))
        place += length + 12
    return chunks


def _filled(name: bytes, content: bytes, chance: random.Random) -> bytes:
    if name == b"IHDR":
        sides = chance.choice(_SIDES), chance.choice((*_SIDES, 30, 40))
        kinds = bytes([chance.choice((1, 2, 4, 8, 16, 0)), chance.choice((0, 2, 3, 4, 6, 9))])
        return struct.pack(">II", *sides) + kinds + content[10:]
    if name == b"IDAT" and chance.random() < 0.2:  # noqa: PLR2004 - it takes a second to pack
        return zlib.compress(bytes(_BOMB_BYTES), 1)
    return chance.choice((content[: len(content) // 2], content * 50, b"", chance.randbytes(100)))


def _chunk(name: bytes, content: bytes) -> bytes:
    sum_ = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", sum_)


def of_jpeg(data: bytes, chance: random.Random) -> bytes:
    """A segment left out, doubled, of another kind or length; or the frame's sides changed.

    Raises:
        ValueError: it is no JPEG.
    """
    segments, scan = _segments(data)
    place = chance.randrange(len(segments))
    marker, content = segments[place]
    frames = [k for k, (code, _) in enumerate(segments) if code in _FRAMES]
    if frames and chance.random() < 0.3:  # noqa: PLR2004 - sides decide the memory
        place = frames[0]
        marker, content = segments[place]
        sides = (chance.choice(_SIDES) & 0xFFFF, chance.choice(_SIDES) & 0xFFFF)
        segments[place] = (marker, content[:1] + struct.pack(">HH", *sides) + content[5:])
    else:
        segments[place : place + 1] = chance.choice(
            (
                [],
                [(marker, content)] * 2,
                [(marker, content)] * 100,
                [(chance.choice(_MARKERS), content)],
                [(marker, chance.randbytes(len(content)))],
                [(marker, content[: len(content) // 2])],
            )
        )
    return b"\xff\xd8" + b"".join(_segment(*segment) for segment in segments) + scan


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The segments up to the first scan, and all from there."""
    segments, place = [], 2
    while place + 4 <= len(data) and data[place + 1] != _START_OF_SCAN:
        marker, length = struct.unpack_from(">xBH", data, place)
        segments.append((marker, data[place + 4 : place + 2 + length]))
        place += 2 + length
    if not segments:
        raise ValueError("no JPEG")
    return segments, data[place:]


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
