"""PNGs of every kind, written by hand: colour type, depth, transparency and interlacing, with the pixels they mean."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import product

from tests.images.corpus import SIGNATURE, chunk

SIZE = (11, 9)
# What each pass of an interlaced PNG holds: first column and row, and the steps.
_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_NAMES = {0: "grey", 2: "rgb", 3: "palette", 4: "grey with alpha", 6: "rgb with alpha"}


@dataclass(frozen=True)
class Kind:
    colour: int
    depth: int
    has_clear_value: bool
    is_interlaced: bool

    def __str__(self) -> str:
        words = [_NAMES[self.colour], str(self.depth), *["tRNS"] * self.has_clear_value]
        return " ".join([*words, *["interlaced"] * self.is_interlaced])


KINDS = [
    Kind(colour, depth, has_clear_value, is_interlaced)
    for colour, depths in _DEPTHS.items()
    for depth, has_clear_value, is_interlaced in product(depths, (False, True), (False, True))
    if not has_clear_value or colour in (0, 2, 3)
]


def make(kind: Kind, size: tuple[int, int] = SIZE) -> tuple[bytes, list[list[tuple[int, int, int, int]]]]:
    """The file, and its pixels as RGBA of 8 bit."""
    width, height = size
    samples = [[_samples(kind, x, y) for x in range(width)] for y in range(height)]
    clear = samples[0][1]
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, kind.depth, kind.colour, 0, 0, kind.is_interlaced))]
    if kind.colour == 3:
        parts.append(chunk(b"PLTE", b"".join(bytes(_entry(index)) for index in range(1 << kind.depth))))
    if kind.has_clear_value:
        body = bytes(_clearness(index) for index in range(min(1 << kind.depth, 5)))
        parts.append(chunk(b"tRNS", body if kind.colour == 3 else struct.pack(f">{len(clear)}H", *clear)))
    passes = _ADAM7 if kind.is_interlaced else [(0, 0, 1, 1)]
    rows = [
        b"\0" + _packed([value for pixel in row[left::across] for value in pixel], kind.depth)
        for left, top, across, down in passes
        for row in samples[top::down]
        if row[left::across]
    ]
    parts += [chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND")]
    return SIGNATURE + b"".join(parts), [[_meaning(kind, pixel, clear) for pixel in row] for row in samples]


def _samples(kind: Kind, x: int, y: int) -> tuple[int, ...]:
    most = (1 << kind.depth) - 1
    return tuple((x * 7919 + y * 104729 + channel * 31337 + 257) & most for channel in range(_CHANNELS[kind.colour]))


def _entry(index: int) -> tuple[int, int, int]:
    return index * 37 % 256, index * 91 % 256, index * 13 % 256


def _clearness(index: int) -> int:
    return (0, 255, 7, 128, 254)[index]


def _packed(values: list[int], depth: int) -> bytes:
    if depth == 16:
        return struct.pack(f">{len(values)}H", *values)
    bits = "".join(f"{value:0{depth}b}" for value in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def _meaning(kind: Kind, pixel: tuple[int, ...], clear: tuple[int, ...]) -> tuple[int, int, int, int]:
    if kind.colour == 3:
        alpha = _clearness(pixel[0]) if kind.has_clear_value and pixel[0] < 5 else 255
        return (*_entry(pixel[0]), alpha)
    alpha = 0 if kind.has_clear_value and pixel == clear else 255
    most = (1 << kind.depth) - 1
    scaled = [value >> 8 if kind.depth == 16 else value * 255 // most for value in pixel]
    if kind.colour in (4, 6):
        *scaled, alpha = scaled
    red, green, blue = scaled if len(scaled) == 3 else scaled * 3
    return red, green, blue, alpha
