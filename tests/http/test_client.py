"""How much of a response is in memory while it is read."""

from __future__ import annotations

import asyncio

from imagegate.http.client import HttpClient, iter_body
from imagegate.http.request_body import json_body
from imagegate.http.resolver import DnsResolver
from tests.egress.raw_server import serve_raw

_LARGE_BYTES = 64 * 1024  # for less the connection is not stopped
_MOST_BYTES = 512 * 1024


def test_nothing_more_is_received_while_a_piece_is_in_hand() -> None:
    async def endless(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
        while True:
            writer.write(bytes(64 * 1024))
            await writer.drain()

    async def scenario() -> None:
        client, received = HttpClient(5.0, {}, DnsResolver()), 0
        large = 0
        async with serve_raw(endless) as server:
            url = f"http://127.0.0.1:{server.port}/"
            async with client.stream("POST", url, total_s=60, body=json_body({})) as response:
                async for piece in iter_body(response):
                    received += len(piece)
                    assert len(piece) <= _MOST_BYTES
                    await asyncio.sleep(0.01)  # time enough for megabytes
                    if len(piece) >= _LARGE_BYTES:
                        assert response.content.total_bytes == received, "more was received before anyone asked for it"
                        large += 1
                    if received > 20_000_000:
                        break
        assert large > 10
        await client.close()

    asyncio.run(scenario())
