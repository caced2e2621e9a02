"""NET-11: a result's URL is a stranger's, but on the upstream's own origin it may lead to any address."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from imagegate.egress import EgressRules, UrlRefused, download_result
from imagegate.egress.results import MAX_BYTES
from imagegate.egress.urls import url_on_origin
from imagegate.http.client import Download, DownloadFailed
from tests.egress.raw_server import (
    Reply,
    ScriptedResolver,
    drip,
    endless,
    hang,
    http_response,
    record_connects,
    reply_with,
    reset,
    serve_raw,
)

BODY = b"picture" * 1000


async def fetch(
    url: str, base: str, target: Path, max_bytes: int = MAX_BYTES, total_s: float = 60.0, **names: list[list[str]]
) -> Download | DownloadFailed:
    rules = EgressRules()
    return await download_result(
        url, base, target, rules=rules, max_bytes=max_bytes, total_s=total_s, resolver=ScriptedResolver(**names)
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "comfy", "comfy.internal", "LocalHost"])
def test_the_upstreams_own_host_may_be_anywhere(host: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serve_raw(reply_with(http_response(200, BODY))) as server:
            url, base = f"http://{host.lower()}:{server.port}/view?file=%2F1", f"http://{host}:{server.port}/v1/"
            target = tmp_path / "0.png"
            assert await fetch(url, base, target) == Download(len(BODY), hashlib.sha256(BODY).hexdigest())
            assert target.read_bytes() == BODY
            head = server.requests[0]
            assert head.startswith(b"GET /view?file=%2F1 HTTP/1.1\r\n")
            assert b"Accept-Encoding: identity\r\n" in head
            assert b"authorization" not in head.lower()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "other",
    [
        "https://127.0.0.1:{p}/",
        "http://127.0.0.1:{q}/",
        "http://127.0.0.2:{p}/",
        "http://localhost:{p}/",
        "http://127.1:{p}/",
        "http://user@127.0.0.1:{p}/",
        "http://[::ffff:127.0.0.1]:{p}/",
        "ftp://127.0.0.1/",
    ],
)
def test_any_other_origin_is_a_strangers(other: str, tmp_path: Path) -> None:
    """Scheme, host and port: where one differs, no word of the operator opens it."""

    async def scenario() -> None:
        async with (
            serve_raw(reply_with(http_response(200, BODY))) as server,
            serve_raw(reply_with(http_response(200, BODY))) as second,
        ):
            with record_connects() as dialled:
                url = other.format(p=server.port, q=second.port)
                assert isinstance(await fetch(url, f"http://127.0.0.1:{server.port}", tmp_path / "x"), DownloadFailed)
            assert dialled == []
            assert list(tmp_path.iterdir()) == []

    asyncio.run(scenario())


def test_the_own_host_leads_nowhere_else_by_redirect(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serve_raw(reply_with(http_response(200, BODY))) as inner:
            away = reply_with(http_response(302, b"", f"Location: http://127.0.0.1:{inner.port}/"))
            async with serve_raw(away) as server:
                base = f"http://127.0.0.1:{server.port}"
                assert isinstance(await fetch(f"{base}/x", base, tmp_path / "x"), DownloadFailed)
            assert inner.connections == 0

    asyncio.run(scenario())


def test_a_redirect_within_the_own_host_is_followed_three_times(tmp_path: Path) -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        left = int(request.split()[1][1:])
        writer.write(http_response(302, b"", f"Location: /{left - 1}") if left else http_response(200, BODY))

    async def scenario() -> None:
        async with serve_raw(reply) as server:
            base = f"http://127.0.0.1:{server.port}"
            assert isinstance(await fetch(f"{base}/3", base, tmp_path / "3"), Download)
            failed = await fetch(f"{base}/4", base, tmp_path / "4")
            assert isinstance(failed, DownloadFailed)
            assert failed.detail.startswith("redirect: ")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (reply_with(http_response(404, b"gone")), "status"),
        (reply_with(http_response(200, b"x" * 1001)), "too_large"),
        (endless, "too_large"),
        (drip, "timeout"),
        (hang, "timeout"),
        (reset, "reset"),
        (reply_with(http_response(200, b"\x1f\x8bnonsense", "Content-Encoding: gzip")), "encoding"),
        (reply_with(b"nonsense\r\n\r\n"), "protocol"),
    ],
)
def test_what_fails_says_why_and_leaves_no_file_but_what_was_cut_off(reply: Reply, word: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serve_raw(reply) as server:
            base = f"http://127.0.0.1:{server.port}"
            failed = await fetch(f"{base}/secret?token=1", base, tmp_path / "x", 1000, 2 if word == "timeout" else 30)
            assert isinstance(failed, DownloadFailed)
            assert failed.detail.startswith(f"{word}: ")
            assert "secret" not in failed.detail
            assert "token" not in failed.detail
            assert failed.is_cut_off == bool(list(tmp_path.iterdir())) == (word == "truncated")

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [200, 201, 203, 206])
def test_what_came_of_a_body_that_breaks_off_is_kept_for_who_knows_whether_it_is_whole(
    status: int, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with serve_raw(reply_with(b"HTTP/1.1 %d OK\r\nContent-Length: 900\r\n\r\nshort" % status)) as server:
            base = f"http://127.0.0.1:{server.port}"
            got = await fetch(f"{base}/", base, tmp_path / "x")
            assert isinstance(got, DownloadFailed)
            assert (got.is_cut_off, (tmp_path / "x").read_bytes()) == (True, b"short")

    asyncio.run(scenario())


def test_a_file_that_is_there_is_never_touched(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serve_raw(reply_with(http_response(200, BODY))) as server:
            target, base = tmp_path / "x", f"http://127.0.0.1:{server.port}"
            target.write_bytes(b"before")
            with pytest.raises(FileExistsError):
                await fetch(f"{base}/", base, target)
            assert target.read_bytes() == b"before"

    asyncio.run(scenario())


@pytest.mark.parametrize("base", ["", "api.example", "ftp://api.example", "https://"])
def test_an_upstream_without_an_origin_opens_nothing(base: str, tmp_path: Path) -> None:
    assert isinstance(asyncio.run(fetch("http://127.0.0.1:9/", base, tmp_path / "x")), DownloadFailed)
    with pytest.raises(UrlRefused):
        url_on_origin("http://127.0.0.1:9/", base)
