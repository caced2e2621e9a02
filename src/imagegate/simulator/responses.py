"""Sends replies, whole or as a fault requires: reset, withheld, slow or truncated."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterable

import msgspec
from aiohttp import web

from imagegate.simulator.calls import Call
from imagegate.simulator.faults import parse_byte_count
from imagegate.simulator.script import Plan

BodyPart = bytes | float
_LINGER_ZERO = struct.pack("ii", 1, 0)
_DRIP_INTERVAL_S = 0.05


class Reply(msgspec.Struct, kw_only=True):
    """`body` holds bytes, and floats that are pauses in seconds. Without a `length` it is sent chunked.

    `delay_s`: seconds before the first byte.
    """

    status: int = 200
    headers: dict[str, str] = {}
    content_type: str = "application/json"
    body: Iterable[BodyPart] = ()
    length: int | None = None
    delay_s: float = 0.0


def fixed_reply(status: int, body: bytes, content_type: str = "application/json", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=named, content_type=content_type, body=(body,), length=len(body))


def reset(request: web.Request) -> None:
    """Close with RST instead of FIN: the peer sees a broken connection."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


async def send(request: web.Request, reply: Reply, plan: Plan, call: Call) -> web.StreamResponse:
    """Send the reply with the plan's transport faults, and record the outcome in `call`."""
    await asyncio.sleep(reply.delay_s)
    if "black-hole" in plan.faults:
        await asyncio.sleep(float(plan.value("black-hole", "3600")))
    if "black-hole" in plan.faults or "reset-after-send" in plan.faults:
        return _reset_connection(request, call)
    call.status = reply.status
    if "slow-headers" in plan.faults:
        await _send_slow_headers(request, reply, float(plan.value("slow-headers", "30")))
        call.answered = "cut"
        return web.Response()
    return await _stream(request, reply, plan, call)


def _reset_connection(request: web.Request, call: Call) -> web.StreamResponse:
    call.answered = "reset"
    reset(request)
    return web.Response()


async def _stream(request: web.Request, reply: Reply, plan: Plan, call: Call) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers={**reply.headers, "Content-Type": reply.content_type})
    response.content_length = reply.length
    await response.prepare(request)
    cut = "truncated" in plan.faults
    pieces = (
        _body_at_rate(reply, parse_byte_count(plan.value("drip", "1kB")))
        if "drip" in plan.faults
        else _body_at_full_speed(reply)
    )
    await _write_body(response, _truncated_body(reply, pieces) if cut else pieces)
    if cut:
        call.answered = "cut"
        if request.transport is not None:
            request.transport.close()
        return response
    call.answered = "yes"
    return response


async def _write_body(response: web.StreamResponse, pieces: AsyncIterator[bytes]) -> None:
    async for piece in pieces:
        await response.write(piece)


async def _body_at_full_speed(reply: Reply) -> AsyncIterator[bytes]:
    for piece in reply.body:
        if isinstance(piece, float):
            await asyncio.sleep(piece)
        else:
            yield piece


async def _body_at_rate(reply: Reply, per_second: int) -> AsyncIterator[bytes]:
    step = max(1, int(per_second * _DRIP_INTERVAL_S))
    async for piece in _body_at_full_speed(reply):
        for start in range(0, len(piece), step):
            yield piece[start : start + step]
            await asyncio.sleep(step / per_second)


async def _truncated_body(reply: Reply, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Half of a known length; of a stream everything but its last chunk."""
    if reply.length is None:
        async for piece in _without_last_chunk(pieces):
            yield piece
        return
    left = reply.length // 2
    async for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


async def _without_last_chunk(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held = b""
    async for piece in pieces:
        if held:
            yield held
        held = piece


async def _send_slow_headers(request: web.Request, reply: Reply, seconds: float) -> None:
    """The response head byte by byte, then the body at full speed, then close."""
    transport = request.transport
    if transport is None:
        return
    lines = [f"HTTP/1.1 {reply.status} OK", f"Content-Type: {reply.content_type}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += [f"Content-Length: {reply.length}"] if reply.length is not None else []
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    for position in range(len(head)):
        transport.write(head[position : position + 1])
        await asyncio.sleep(seconds / len(head))
    async for piece in _body_at_full_speed(reply):
        transport.write(piece)
    transport.close()
