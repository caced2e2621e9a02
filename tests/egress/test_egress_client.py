"""Fetching from real servers, well and badly behaved. Only the waiting times are shortened."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from imagegate import __version__
from imagegate.egress import AllowEntry, EgressClient, EgressRules, FetchFailed, Purpose, check_url
from imagegate.http.client import Download
from tests.egress.raw_server import (
    Reply,
    ScriptedResolver,
    Server,
    drip,
    drip_headers,
    endless,
    hang,
    http_response,
    reply_with,
    reset,
    serve_raw,
)


async def endless_headers(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


@asynccontextmanager
async def fetching(
    reply: Reply, contact: str = "", resolver: ScriptedResolver | None = None
) -> AsyncIterator[tuple[Server, Callable[..., Awaitable[tuple[Download, bytes]]]]]:
    async with serve_raw(reply) as server:
        rules = EgressRules(allow=(AllowEntry("127.0.0.0/8", server.port),), contact=contact)
        outbound = EgressClient(rules, resolver=resolver or ScriptedResolver())

        async def fetch(target: str = "/", max_bytes: int = 1 << 20, total_s: float = 5) -> tuple[Download, bytes]:
            sink = io.BytesIO()
            url = check_url(f"http://pictures.example:{server.port}{target}", Purpose.REFERENCE, rules)
            return await outbound.fetch(url, sink, max_bytes=max_bytes, total_s=total_s), sink.getvalue()

        try:
            yield server, fetch
        finally:
            await outbound.close()


def failure(reply: Reply, **options: float) -> str:
    """The reason for which a fetch fails."""

    async def scenario() -> str:
        async with fetching(reply) as (_, fetch):
            with pytest.raises(FetchFailed) as failed:
                await fetch(**options)
            return failed.value.reason

    return asyncio.run(scenario())


def test_fetch_delivers_bytes_and_their_hash() -> None:
    body = bytes(range(256)) * 1000

    async def scenario() -> None:
        async with fetching(reply_with(http_response(200, body, "Content-Type: text/html"))) as (_, fetch):
            fetched, got = await fetch()
            assert got == body
            assert fetched == Download(len(body), hashlib.sha256(body).hexdigest())

    asyncio.run(scenario())


def test_request_says_little_and_keeps_the_query() -> None:
    target = "/a/../b%2f?sig=A%2b%2B+/=&&x=%zz|{}\"<>'^`~;u=https://x/?y"

    async def scenario() -> bytes:
        async with fetching(reply_with(http_response()), contact="+https://gw.example/about") as (server, fetch):
            await fetch(target + "#top")
            return server.requests[0]

    head = asyncio.run(scenario()).decode().lower()
    assert head.startswith(f"get {target.lower()} http/1.1\r\n")
    assert f"user-agent: imagegate/{__version__} (+https://gw.example/about)\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert not any(word in head for word in ("cookie", "authorization", "referer", "proxy"))


def test_non_ascii_targets_are_sent_percent_encoded() -> None:
    async def scenario() -> bytes:
        async with fetching(reply_with(http_response())) as (server, fetch):
            await fetch("/图?q=é%41")
            return server.requests[0]

    assert asyncio.run(scenario()).startswith(b"GET /%E5%9B%BE?q=%C3%A9%41 HTTP/1.1\r\n")


def test_cookies_are_not_kept() -> None:
    async def scenario() -> None:
        async with fetching(reply_with(http_response(200, b"", "Set-Cookie: a=b; Path=/"))) as (server, fetch):
            await fetch()
            await fetch()
            assert b"cookie" not in server.requests[1].lower()

    asyncio.run(scenario())


def test_proxy_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def scenario() -> None:
        async with fetching(reply_with(http_response(200, b"direct"))) as (_, fetch):
            assert (await fetch())[1] == b"direct"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("reply", "options", "reason"),
    [
        (reply_with(http_response(404, b"no")), {}, "status"),
        (reply_with(http_response(204)), {}, "status"),
        (reply_with(http_response(302, b"nowhere")), {}, "status"),
        (reply_with(http_response(200, b"\x1f\x8bnonsense", "Content-Encoding: gzip")), {}, "encoding"),
        (
            reply_with(http_response(200, gzip.compress(bytes(10_000)), "Content-Encoding: gzip")),
            {"max_bytes": 9_999},
            "too_large",
        ),
        (reply_with(http_response(200, b"x" * 11)), {"max_bytes": 10}, "too_large"),
        (reply_with(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"), {"max_bytes": 10}, "too_large"),
        (endless, {"max_bytes": 1 << 20}, "too_large"),
        (reply_with(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nten bytes."), {}, "truncated"),
        (reply_with(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), {}, "truncated"),
        (reply_with(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), {}, "protocol"),
        (reply_with(b"SSH-2.0-OpenSSH_9.6\r\n"), {}, "protocol"),
        (reply_with(http_response(200, b"", f"X-Long: {'x' * 40_000}")), {}, "protocol"),
        (reply_with(http_response(200, b"", *(f"X-{i}: {'x' * 1000}" for i in range(40)))), {}, "too_large"),
        (endless_headers, {}, "protocol"),
        (reset, {}, "reset"),
        (reply_with(b""), {}, "reset"),
        (drip, {"total_s": 0.5}, "timeout"),
        (drip_headers, {"total_s": 0.5}, "timeout"),
        (hang, {"total_s": 0.3}, "timeout"),
    ],
)
def test_every_failure_has_its_reason(reply: Reply, options: dict[str, float], reason: str) -> None:
    assert failure(reply, **options) == reason


def test_the_cap_is_exact() -> None:
    async def scenario() -> None:
        async with fetching(reply_with(http_response(200, b"x" * 10))) as (_, fetch):
            assert (await fetch(max_bytes=10))[1] == b"x" * 10

    asyncio.run(scenario())


def test_three_redirects_are_followed_and_four_are_not() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        left = int(request.split()[1].rpartition(b"/")[2])
        ways = (f"/to/{left - 1}", str(left - 1), f"?/{left - 1}", f"//pictures.example:{port}/{left - 1}")
        writer.write(http_response(302, b"", f"Location: {ways[left % 4]}") if left else http_response(200, b"there"))

    port = 0

    async def scenario() -> None:
        nonlocal port
        async with fetching(reply) as (server, fetch):
            port = server.port
            assert (await fetch("/to/3"))[1] == b"there"
            assert len(server.requests) == 4
            with pytest.raises(FetchFailed) as failed:
                await fetch("/to/4")
            assert failed.value.reason == "redirect"
            assert len(server.requests) == 8

    asyncio.run(scenario())


def test_one_clock_runs_over_all_hops() -> None:
    async def reply(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.25)
        writer.write(http_response(302, b"", "Location: /again"))

    assert failure(reply, total_s=0.6) == "timeout"


def test_names_that_do_not_resolve() -> None:
    class Dead(ScriptedResolver):
        async def resolve(self, host: str, port: int = 0, family: object = 0) -> list[object]:  # type: ignore[override]
            if "empty" in host:
                return []
            raise OSError(f"no {host}")

    async def scenario() -> None:
        outbound = EgressClient(EgressRules(), resolver=Dead())
        for name in ("empty.example", "dead.example"):
            url = check_url(f"http://{name}/", Purpose.REFERENCE, EgressRules())
            with pytest.raises(FetchFailed) as failed:
                await outbound.fetch(url, io.BytesIO(), max_bytes=1)
            assert failed.value.reason == "dns"
        await outbound.close()

    asyncio.run(scenario())


def test_a_closed_port_is_a_failed_connect() -> None:
    async def scenario() -> None:
        async with serve_raw(reply_with(b"")) as server:
            port = server.port
        rules = EgressRules(allow=(AllowEntry("127.0.0.1/32", port),))
        outbound = EgressClient(rules)
        url = check_url(f"http://127.0.0.1:{port}/", Purpose.REFERENCE, rules)
        with pytest.raises(FetchFailed) as failed:
            await outbound.fetch(url, io.BytesIO(), max_bytes=1)
        assert failed.value.reason == "connect"
        await outbound.close()

    asyncio.run(scenario())


def test_errors_of_the_sink_are_not_explained_away() -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    async def scenario() -> None:
        async with serve_raw(reply_with(http_response(200, b"x"))) as server:
            rules = EgressRules(allow=(AllowEntry("127.0.0.1/32", server.port),))
            outbound = EgressClient(rules)
            url = check_url(f"http://127.0.0.1:{server.port}/", Purpose.REFERENCE, rules)
            with pytest.raises(OSError, match="No space"):
                await outbound.fetch(url, Full(), max_bytes=1)
            await outbound.close()

    asyncio.run(scenario())


def test_the_usual_resolver_is_the_one_of_the_system() -> None:
    async def scenario() -> None:
        async with serve_raw(reply_with(http_response(200, b"x"))) as server:
            opened = (AllowEntry("127.0.0.1/32", server.port), AllowEntry("::1/128", server.port))
            rules = EgressRules(allow=opened)
            outbound = EgressClient(rules)
            sink = io.BytesIO()
            url = check_url(f"http://localhost:{server.port}/", Purpose.REFERENCE, rules)
            await outbound.fetch(url, sink, max_bytes=1)
            await outbound.close()
            assert sink.getvalue() == b"x"

    asyncio.run(scenario())
