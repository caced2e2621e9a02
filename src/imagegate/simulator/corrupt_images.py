"""Paid responses without a usable image: HTML error pages of intermediaries, and an image of unbounded size.

They are the same in every protocol.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from imagegate.simulator.faults import parse_byte_count
from imagegate.simulator.images import ImageSpec, render_image
from imagegate.simulator.responses import BodyPart, Reply, fixed_reply
from imagegate.simulator.script import Plan

_BLOCK_BYTES = 1 << 16


def corrupt_reply(fault: str, plan: Plan) -> Reply:
    """The reply that replaces the real one."""
    match fault:
        case "504":
            reply = fixed_reply(504, html_page(504, "Gateway Time-out"), "text/html")
        case "5xx-html":
            status = int(plan.value(fault, "502"))
            reply = fixed_reply(status, html_page(status, "Bad Gateway"), "text/html")
        case "huge-body":
            reply = endless_image(parse_byte_count(plan.value(fault, "200MB")))
        case _:
            reply = fixed_reply(200, html_page(200, "Welcome to nginx!"), "text/html")
    reply.delay_s = plan.latency
    return reply


def html_page(status: int, title: str) -> bytes:
    return f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>\n".encode()


def endless_image(size: int) -> Reply:
    """JSON whose base64 begins like a PNG and continues for `size` bytes."""
    head = b'{"created":1,"data":[{"b64_json":"' + base64.b64encode(render_image(ImageSpec(64, 64, "png"))[:33])
    tail = b'"}]}'
    return Reply(body=_blocks(head, size, tail), length=len(head) + size + len(tail))


def _blocks(head: bytes, size: int, tail: bytes) -> Iterator[BodyPart]:
    yield head
    block = b"A" * _BLOCK_BYTES
    for _ in range(size // _BLOCK_BYTES):
        yield block
    yield block[: size % _BLOCK_BYTES]
    yield tail
