"""The images that the stand-in upstream returns, and the response that carries one."""

from __future__ import annotations

import base64
import functools
import json
import random
import struct
import zlib

# Name, edges, bytes of noise: what does not compress decides how large the file is.
_SHAPES = {
    "tiny": (1024, 1024, 0),
    "1MB": (1024, 1024, 1_000_000),
    "1.5MB": (1024, 1024, 1_500_000),
    "20MB": (3840, 2160, 20_000_000),
}
_USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
    "output_tokens": 196,
    "output_tokens_details": {"text_tokens": 0, "image_tokens": 196},
    "total_tokens": 282,
}


@functools.cache
def png(name: str) -> bytes:
    """An RGB image: noise in its upper rows, one colour below. The same bytes at every call and in every run."""
    width, height, noise_bytes = _SHAPES[name]
    row_bytes = 3 * width
    noisy_rows = noise_bytes // row_bytes
    noise = random.Random(7).randbytes(noisy_rows * row_bytes)
    rows = [b"\0" + noise[row * row_bytes : (row + 1) * row_bytes] for row in range(noisy_rows)]
    rows += [b"\0" + bytes(row_bytes)] * (height - noisy_rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"".join(rows), 6)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@functools.cache
def http_response(name: str) -> bytes:
    """Head and body as an OpenAI-compatible API sends them."""
    item = {"b64_json": base64.b64encode(png(name)).decode()}
    body = json.dumps({"created": 1795341693, "data": [item], "usage": _USAGE}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
