"""Answers that were paid for and hold nothing: pages of intermediaries, and a picture without an end.

They look the same whatever the shape.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from imagegate.simulator.faults import byte_count
from imagegate.simulator.images import Picture, painted
from imagegate.simulator.responses import Piece, Reply, plain
from imagegate.simulator.script import Plan

_BLOCK = 1 << 16


def spoiled(fault: str, plan: Plan) -> Reply:
    """What arrives instead of the answer."""
    match fault:
        case "504":
            reply = plain(504, page(504, "Gateway Time-out"), "text/html")
        case "5xx-html":
            status = int(plan.value(fault, "502"))
            reply = plain(status, page(status, "Bad Gateway"), "text/html")
        case "huge-body":
            reply = endless(byte_count(plan.value(fault, "200MB")))
        case _:
            reply = plain(200, page(200, "Welcome to nginx!"), "text/html")
    reply.pause = plan.latency
    return reply


def page(status: int, title: str) -> bytes:
    return f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>\n".encode()


def endless(size: int) -> Reply:
    """JSON whose base64 begins as a PNG and goes on for `size` bytes."""
    head = b'{"created":1,"data":[{"b64_json":"' + base64.b64encode(painted(Picture(64, 64, "png"))[:33])
    tail = b'"}]}'
    return Reply(pieces=_blocks(head, size, tail), length=len(head) + size + len(tail))


def _blocks(head: bytes, size: int, tail: bytes) -> Iterator[Piece]:
    yield head
    block = b"A" * _BLOCK
    for _ in range(size // _BLOCK):
        yield block
    yield block[: size % _BLOCK]
    yield tail
