"""Posting callbacks to a TLS receiver with a private authority; the resolver keeps its name real."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
import trustme

from imagegate import __version__
from imagegate.egress import (
    AllowEntry,
    EgressClient,
    EgressRules,
    FetchFailed,
    PostResponse,
    Purpose,
    UrlRefused,
    check_url,
)
from imagegate.http.client import default_tls
from tests.egress.raw_server import (
    Reply,
    ScriptedResolver,
    Server,
    client_tls,
    endless,
    hang,
    http_response,
    make_test_ca,
    record_connects,
    reply_with,
    reset,
    serve_raw,
    server_tls,
)
from tests.support.gateway import free_port

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def hook(
    reply: Reply,
    tls: ssl.SSLContext | Literal["own"] | None = "own",
    *,
    greeting: bytes = b"",
    total_s: float = 5,
    allowed: bool = True,
) -> tuple[PostResponse, Server]:
    tls = server_tls("hook.test") if tls == "own" else tls

    async def scenario() -> tuple[PostResponse, Server]:
        async with serve_raw(reply, tls=tls, greeting=greeting) as server:
            opened = (AllowEntry("127.0.0.1/32", server.port),) if allowed else ()
            rules = EgressRules(allow=opened, extra_ports=(server.port,))
            outbound = EgressClient(rules, resolver=ScriptedResolver(), ssl_context=client_tls())
            try:
                url = check_url(f"https://hook.test:{server.port}/done?b=2&a=%7E1", Purpose.CALLBACK, rules)
                return await outbound.post(url, b'{"x":1}', {"webhook-id": "evt_1"}, total_s=total_s), server
            finally:
                await outbound.close()

    return asyncio.run(scenario())


def hook_failure(reply: Reply, tls: ssl.SSLContext | Literal["own"] | None = "own", **options: object) -> str:
    with pytest.raises(FetchFailed) as failed:
        hook(reply, tls, **options)  # type: ignore[arg-type]
    return failed.value.reason


def test_post_delivers_the_body_once() -> None:
    posted, server = hook(reply_with(http_response(204)))
    assert (posted.status, posted.excerpt) == (204, "")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b'{"x":1}'
    assert head.startswith(b"POST /done?b=2&a=%7E1 HTTP/1.1\r\n")
    assert b"webhook-id: evt_1\r\n" in head
    assert f"User-Agent: imagegate/{__version__}\r\n".encode() in head


@pytest.mark.parametrize("status", [200, 302, 307, 410, 429, 500])
def test_every_status_is_an_answer(status: int) -> None:
    with record_connects() as dialled:
        posted, server = hook(
            reply_with(http_response(status, b"said", "Location: https://169.254.169.254/", "Retry-After: 9"))
        )
    assert (posted.status, posted.excerpt) == (status, "said")
    assert dialled == [("127.0.0.1", server.port)]


def test_elapsed_time_is_measured() -> None:
    async def slow(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(http_response(200))

    assert hook(slow)[0].elapsed_ms >= 200


def test_the_excerpt_is_short_and_printable() -> None:
    posted, _ = hook(
        reply_with(http_response(200, b"<b>\x1b[31m\x00\r\n\xff \xe2\x80\xae" + "é".encode() + b"y" * 3000))
    )
    assert posted.excerpt.startswith("<b>\\x1b[31m\\x00\\r\\n\\xff \\u202eéyyy")
    assert posted.excerpt.isprintable()
    assert posted.excerpt.count("y") == 1024 - 18


def test_an_endless_answer_is_cut_at_the_cap() -> None:
    posted, _ = hook(endless)
    assert (posted.status, posted.excerpt) == (200, "x" * 1024)


def test_tls_is_really_checked() -> None:
    ok = reply_with(http_response(200))
    assert hook_failure(ok, server_tls("other.test")) == "tls"
    assert hook_failure(ok, server_tls("hook.test", ca=trustme.CA())) == "tls"
    expired = server_tls("hook.test", not_before=LONG_AGO, not_after=LONG_AGO + timedelta(days=1))
    assert hook_failure(ok, expired) == "tls"
    assert hook_failure(ok, None, greeting=http_response(400, b"speak TLS")) == "tls"


def test_old_tls_is_refused() -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    make_test_ca().issue_cert("hook.test").configure_cert(old)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    assert hook_failure(reply_with(http_response(200)), old) in {"tls", "reset", "connect"}
    assert default_tls().minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("reply", "total_s", "reason"),
    [
        (hang, 0.3, "timeout"),
        (reset, 5, "reset"),
        (reply_with(b"HTTP/1.1 20"), 5, "reset"),
        (reply_with(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), 5, "reset"),
        (reply_with(b"SSH-2.0-OpenSSH_9.6 200 OK\r\n"), 5, "protocol"),
    ],
)
def test_bad_receivers(reply: Reply, total_s: float, reason: str) -> None:
    assert hook_failure(reply, total_s=total_s) == reason


def answer(status: int, rest: bytes, *, then: Reply | None = None) -> Reply:
    """The status line, the rest of the response, and what the receiver does after it."""

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} Said\r\n".encode() + rest)
        await writer.drain()
        if then:
            await then(request, writer)

    return reply


async def abort(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize("status", [200, 204, 410, 503])
@pytest.mark.parametrize(
    ("rest", "then", "excerpt"),
    [
        pytest.param(b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"said"), None, "said", id="gzip"),
        pytest.param(b"Content-Encoding: gzip\r\n\r\n\x1f\x8bnonsense", None, "", id="broken gzip"),
        pytest.param(b"Content-Encoding: gzip\r\n\r\nsaid", None, "said", id="gzip in name only"),
        pytest.param(b"Content-Encoding: UTF-8\r\n\r\nsaid", None, "said", id="no coding"),
        pytest.param(b"Content-Encoding: br\r\n\r\nsaid", None, "said", id="br"),
        pytest.param(b"Content-Length: 20\r\n\r\nsaid", None, "said", id="short body"),
        pytest.param(b"Content-Length: 20\r\n\r\nsaid", abort, None, id="reset in the body"),
        pytest.param(b"Content-Length: 4\r\n\r\nsaid", None, "said", id="body"),
        pytest.param(b"Content-Length: 99\r\n\r\nsaid", hang, None, id="slow body"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", None, "", id="broken chunks"),
        pytest.param(b"Content-Length: 4\r\nX: " + b"x" * 17_000 + b"\r\n\r\nsaid", None, "said", id="17 kB header"),
        pytest.param(b"X: " + b"x" * 70_000 + b"\r\n\r\nsaid", None, None, id="70 kB header"),
        pytest.param(b"X: 1\r\n" * 500 + b"\r\nsaid", None, "said", id="many headers"),
        pytest.param(b"no header\r\n\r\nsaid", None, None, id="no header"),
        pytest.param(b"Content-Length: x\r\n\r\nsaid", None, None, id="no length"),
        pytest.param(b"X-\xff: \xc3(\r\n\r\nsaid", None, None, id="headers in no encoding"),
        pytest.param(b"", None, "", id="closed after the status line"),
        pytest.param(b"", abort, "", id="reset after the status line"),
        pytest.param(b"Content-Le", abort, "", id="reset in the headers"),
        pytest.param(b"Content-Le", hang, "", id="headers without end"),
    ],
)
def test_the_status_line_is_the_response(status: int, rest: bytes, then: Reply | None, excerpt: str | None) -> None:
    """`excerpt` of None: whatever can be read."""
    posted, server = hook(answer(status, rest, then=then), total_s=0.5 if then is hang else 5)
    assert posted.status == status
    assert len(server.requests) == 1
    if excerpt is not None and status != 204:
        assert posted.excerpt == excerpt


def test_interim_responses_are_none() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    posted, _ = hook(reply_with(interim + interim + b"HTTP/1.1 202 Accepted\r\nContent-"))
    assert posted.status == 202


def test_without_the_allow_entry_the_same_url_is_refused() -> None:
    with record_connects() as dialled:
        assert hook_failure(reply_with(http_response(200)), allowed=False) == "refused_address"
    assert dialled == []


def test_a_post_is_never_repeated() -> None:
    async def scenario() -> int:
        async with serve_raw(reset, tls=server_tls("hook.test")) as server:
            rules = EgressRules(allow=(AllowEntry("127.0.0.1/32", server.port),))
            outbound = EgressClient(rules, resolver=ScriptedResolver(), ssl_context=client_tls())
            with pytest.raises(FetchFailed):
                await outbound.post(check_url(f"https://hook.test:{server.port}/", Purpose.CALLBACK, rules), b"", {})
            await outbound.close()
            return len(server.requests)

    assert asyncio.run(scenario()) == 1


NAMED = EgressRules(
    allow=(
        AllowEntry("127.0.0.1/32", 9300),
        AllowEntry("::1/128", 9300),
        AllowEntry("127.0.0.0/8"),
        AllowEntry("10.0.0.0/8", 80),
    ),
    deny=("10.6.6.6/32",),
    extra_ports=(9301,),
)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9300/hook",
        "http://[::1]:9300/hook",
        "http://localhost:9300/",
        "http://hook.test:9300/",
        "HTTP://127.0.0.1:9300",
        "http://10.1.2.3/",
    ],
)
def test_a_callback_may_go_in_the_clear_to_address_and_port_that_an_entry_names(url: str) -> None:
    assert check_url(url, Purpose.CALLBACK, NAMED).scheme == "http"


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("http://127.0.0.1:9301/hook?secret=1", "127.0.0.1/32:9301"),  # an entry without a port names no port
        ("http://127.0.0.1/", "127.0.0.1/32:80"),
        ("http://127.0.0.2:9300/", "127.0.0.2/32:9300"),
        ("http://[::2]:9300/", "::2/128:9300"),
        ("http://localhost:9301/", "127.0.0.1/32:9301"),
        ("http://hook.test:9301/", "ADDRESS/32:9301"),
        ("http://93.184.215.14/", "93.184.215.14/32:80"),
        ("http://127.0.0.1:443/", "127.0.0.1/32:443"),
    ],
)
def test_a_callback_in_the_clear_is_refused_with_the_entry_that_it_needs(url: str, entry: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        check_url(url, Purpose.CALLBACK, NAMED)
    assert refused.value.reason == "scheme"
    assert str(refused.value) == (
        "http is allowed only to an address and port that egress_allow names; use https or start the gateway with"
        f" --egress-allow {entry}"
    )


def test_a_port_that_no_entry_can_name_is_refused_without_advice() -> None:
    with pytest.raises(UrlRefused, match="port 81 cannot be opened for http URLs"):
        check_url("http://127.0.0.1:81/", Purpose.CALLBACK, NAMED)


def test_a_callback_in_the_clear_obeys_the_denied_addresses() -> None:
    with pytest.raises(UrlRefused, match="denied by the operator"):
        check_url("http://10.6.6.6/", Purpose.CALLBACK, NAMED)


def post_in_the_clear(resolver: ScriptedResolver, *more: AllowEntry, times: int = 1) -> tuple[list[str], Server]:
    """What became of posts to http://hook.test, whose port an entry names for 127.0.0.1 only."""

    async def scenario() -> tuple[list[str], Server]:
        async with serve_raw(reply_with(http_response(204))) as server:
            rules = EgressRules(allow=(AllowEntry("127.0.0.1/32", server.port), *more), extra_ports=(server.port,))
            outbound, ends = EgressClient(rules, resolver=resolver), []
            url = check_url(f"http://hook.test:{server.port}/done?b=2", Purpose.CALLBACK, rules)
            for _ in range(times):
                try:
                    ends.append(str((await outbound.post(url, b"{}", {})).status))
                except FetchFailed as failed:
                    ends.append(failed.words)
            await outbound.close()
            return ends, server

    return asyncio.run(scenario())


def test_a_callback_in_the_clear_arrives_where_the_address_is_named() -> None:
    ends, server = post_in_the_clear(ScriptedResolver())
    assert (ends, len(server.requests)) == (["204"], 1)
    assert server.requests[0].startswith(b"POST /done?b=2 HTTP/1.1\r\n")


def test_a_callback_to_localhost_takes_the_address_of_it_that_an_entry_names() -> None:
    """It resolves to ::1 too; any other name is refused for one address that is."""

    async def scenario(name: str) -> str:
        async with serve_raw(reply_with(http_response(204))) as server:
            rules = EgressRules(allow=(AllowEntry("127.0.0.1/32", server.port),))
            both = ScriptedResolver(localhost=[["::1", "127.0.0.1"]], hook_test=[["::1", "127.0.0.1"]])
            outbound = EgressClient(rules, resolver=both)
            try:
                url = check_url(f"http://{name}:{server.port}/", Purpose.CALLBACK, rules)
                return str((await outbound.post(url, b"{}", {})).status)
            except FetchFailed as failed:
                return failed.reason
            finally:
                await outbound.close()

    assert [asyncio.run(scenario(name)) for name in ("localhost", "hook.test")] == ["204", "refused_address"]


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["127.0.0.2"], id="allowed without a port"),
        pytest.param(["93.184.215.14"], id="public"),
        pytest.param(["127.0.0.1", "127.0.0.2"], id="mixed"),
    ],
)
def test_a_callback_in_the_clear_goes_to_no_other_address_whatever_its_name_resolves_to(addresses: list[str]) -> None:
    """Names can be bound again after the create: what an entry without a port, or nobody, names is not dialled."""
    resolver = ScriptedResolver(hook_test=[["127.0.0.1"], addresses])
    with record_connects() as dialled:
        ends, server = post_in_the_clear(resolver, AllowEntry("127.0.0.0/8"), times=2)
    other = addresses[-1]
    assert ends == ["204", f"refused_address: {other} port {server.port} is not named by egress_allow, as http needs"]
    assert [address for address, _ in dialled] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("tls", "reply", "words"),
    [
        ("other.test", None, "tls: certificate verify failed: Hostname mismatch, certificate is not valid for"),
        ("unknown", None, "tls: certificate verify failed: unable to get local issuer certificate"),
        ("clear", None, "tls: wrong version number"),
        ("own", reset, "reset: the connection ended before an answer"),
        ("own", hang, "timeout: no answer in time"),
        ("own", reply_with(b"\x1b[31mnonsense\r\n\r\n"), "protocol: the answer is not HTTP"),
        ("closed", None, "connect: connection refused"),
        ("refused", None, "refused_address: 127.0.0.1 port "),
    ],
)
def test_a_failed_callback_is_told_in_words_without_its_path(tls: str, reply: Reply | None, words: str) -> None:
    contexts = {
        "other.test": server_tls("other.test"),
        "unknown": server_tls("hook.test", ca=trustme.CA()),
        "clear": None,
    }

    async def scenario() -> str:
        greeting = b"HTTP/1.1 400 Speak in the clear\r\n\r\n" if tls == "clear" else b""
        context = contexts.get(tls, server_tls("hook.test"))
        async with serve_raw(reply or reset, tls=context, greeting=greeting) as server:
            port = free_port() if tls == "closed" else server.port
            rules = EgressRules(
                allow=() if tls == "refused" else (AllowEntry("127.0.0.1/32", port),), extra_ports=(port,)
            )
            outbound = EgressClient(rules, resolver=ScriptedResolver(), ssl_context=client_tls())
            try:
                url = check_url(f"https://hook.test:{port}/secret-path?secret=1", Purpose.CALLBACK, rules)
                await outbound.post(url, b"{}", {}, total_s=0.3 if reply is hang else 5)
            except FetchFailed as failed:
                return failed.words
            finally:
                await outbound.close()
        raise AssertionError

    found = asyncio.run(scenario())
    assert found.startswith(words)
    assert "secret" not in found
    assert found.isprintable()
