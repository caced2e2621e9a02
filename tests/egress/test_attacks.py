"""The 59 ways to make us dial where we must not, and three that are no attack.

Each is tried at every door through which a URL comes in: as a reference, as a callback, as an upload by URL through the
API, and as the URL of a result that an upstream answered with. The verdict is not the word of the code under test: it
is the list of addresses that the interpreter saw being dialled, and whether the canary's body came back. The canary
listens on every address of this machine, on a port that the rules open, so that only judging the address can save us.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagegate.app import build_app, open_runtime
from imagegate.egress import (
    AllowEntry,
    CheckedUrl,
    EgressClient,
    EgressRules,
    FetchFailed,
    Purpose,
    UrlRefused,
    check_url,
    download_result,
)
from imagegate.flows.demo import ensure_demo_key
from imagegate.http.client import Download, DownloadFailed
from imagegate.settings import Limits, Settings, Storage
from tests.egress.attacks import BY_NAME, BY_REDIRECT, BY_SCHEME, CANARY, DIRECT, PUBLIC
from tests.egress.raw_server import (
    ScriptedResolver,
    Server,
    client_tls,
    http_response,
    make_test_ca,
    record_connects,
    reply_with,
    serve_raw,
    server_tls,
)
from tests.support.image_files import PNG

pytestmark = [
    pytest.mark.fault("F10"),
    pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning"),
]

WAYS = ("reference", "callback", "upload", "result")
GUARDED = ("reference", "callback")
SECURE = {"callback"}


def scheme_of(way: str) -> str:
    return "https" if way in SECURE else "http"


@dataclass
class AttackSetup:
    """Where attacks are fought: the canary, and a door that an honest name leads to."""

    way: str
    canary: Server
    door: Server
    rules: EgressRules
    resolver: ScriptedResolver
    outbound: EgressClient
    folder: Path
    dialled: list[tuple[Any, ...]]

    @property
    def forbidden(self) -> list[tuple[Any, ...]]:
        return [address for address in self.dialled if address != ("127.0.0.1", self.door.port)]


@asynccontextmanager
async def attack_setup(
    way: str, folder: Path, location: str = "", **names: list[list[str]]
) -> AsyncIterator[AttackSetup]:
    tls = server_tls("door.example") if way in SECURE else None
    # In the clear for all: a callback that got as far as TLS has lost already.
    async with serve_raw(reply_with(http_response(200, CANARY)), host="", tls=None) as canary:
        target = location.format(s=scheme_of(way), p=canary.port)
        async with serve_raw(reply_with(http_response(307, CANARY, f"Location: {target}")), tls=tls) as door:
            # The door of a result is the upstream's own origin, which needs no entry.
            entries = () if way == "result" else (AllowEntry("127.0.0.1/32", door.port),)
            rules = EgressRules(extra_ports=(canary.port,), allow=entries)
            resolver = ScriptedResolver(door_example=[["127.0.0.1"]], **names)
            outbound = EgressClient(rules, resolver=resolver, ssl_context=client_tls(make_test_ca()))
            with record_connects() as dialled:
                try:
                    yield AttackSetup(way, canary, door, rules, resolver, outbound, folder, dialled)
                finally:
                    await outbound.close()


async def run_attack(field: AttackSetup, url: str) -> bytes:
    """Use the URL as the gateway would; what comes back is what the attacker, or the operator, would see."""
    return await STRIKES[field.way](field, url)


async def _as_reference(field: AttackSetup, url: str | CheckedUrl) -> bytes:
    sink = io.BytesIO()
    try:
        checked = url if isinstance(url, CheckedUrl) else check_url(url, Purpose.REFERENCE, field.rules)
        await field.outbound.fetch(checked, sink, max_bytes=1000, total_s=5)
    except (UrlRefused, FetchFailed) as error:
        sink.write(str(error).encode())
    return sink.getvalue()


async def _as_callback(field: AttackSetup, url: str | CheckedUrl) -> bytes:
    try:
        checked = url if isinstance(url, CheckedUrl) else check_url(url, Purpose.CALLBACK, field.rules)
        await field.outbound.post(checked, b"{}", {}, total_s=5)
    except (UrlRefused, FetchFailed) as error:
        return str(error).encode()
    return b""


async def _as_upload(field: AttackSetup, url: str) -> bytes:
    """Through the whole of the API, up to the wire."""
    # One installation for all attacks: its database is made once.
    folder = field.folder.parent / "installation"
    refused = await upload(folder, field.rules, field.outbound, url)
    assert refused.status_code == 400
    assert refused.json()["code"] in (400, 40004)
    return refused.content + b"".join(file.read_bytes() for file in (folder / "blobs" / "t").rglob("*.*"))


async def upload(folder: Path, rules: EgressRules, outbound: EgressClient, url: str) -> httpx.Response:
    allow = tuple(f"{entry.cidr}:{entry.port}" for entry in rules.allow)
    settings = Settings(
        storage=Storage(data=str(folder)), limits=Limits(egress_allow=allow, egress_ports=rules.extra_ports)
    )
    runtime = await open_runtime(settings, client=outbound)
    try:
        headers = {"Authorization": f"Bearer {await ensure_demo_key(runtime)}"}
        app: Any = build_app(runtime)  # the same interface under the names of two libraries
        wire = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=wire, base_url=runtime.origin, headers=headers) as client:
            return await client.post("/api/v1/files/upload/url", json={"file_url": url})
    finally:
        await runtime.close()


async def _as_result(field: AttackSetup, url: str) -> bytes:
    target = field.folder / "result"
    base = f"http://door.example:{field.door.port}/v1"
    outcome = await download_result(
        url,
        base,
        target,
        rules=field.rules,
        max_bytes=1000,
        total_s=5,
        resolver=field.resolver,
        ssl_context=client_tls(),
    )
    assert isinstance(outcome, DownloadFailed)
    assert not target.exists()
    return outcome.detail.encode()


STRIKES: dict[str, Callable[[AttackSetup, str], Awaitable[bytes]]] = {
    "reference": _as_reference,
    "callback": _as_callback,
    "upload": _as_upload,
    "result": _as_result,
}


def assert_no_leak(field: AttackSetup, seen: bytes) -> None:
    assert field.forbidden == []
    assert field.canary.connections == 0
    assert CANARY not in seen


def test_there_are_59() -> None:
    assert (len(DIRECT), len(BY_NAME), len(BY_REDIRECT) + len(BY_SCHEME)) == (39, 12, 8)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attack", DIRECT)
def test_direct(attack: str, way: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with attack_setup(way, tmp_path) as field:
            url = f"{scheme_of(way)}://{DIRECT[attack]}/".format(p=field.canary.port)
            for purpose in Purpose:
                with pytest.raises(UrlRefused):
                    check_url(url, purpose, field.rules)
            assert_no_leak(field, await run_attack(field, url))
            assert field.dialled == []

    asyncio.run(scenario())


@pytest.mark.parametrize("way", GUARDED)
@pytest.mark.parametrize("attack", DIRECT)
def test_direct_past_the_parser(attack: str, way: str, tmp_path: Path) -> None:
    """The same hosts as if the parser had let them through: the guard at the wire must do alone."""

    async def scenario() -> None:
        async with attack_setup(way, tmp_path) as field:
            text, _, port = DIRECT[attack].format(p=field.canary.port).rpartition(":")
            host = text.strip("[]").replace("%25", "%")
            purpose = Purpose.REFERENCE if way == "reference" else Purpose.CALLBACK
            url = CheckedUrl(purpose, scheme_of(way), host, int(port), "/")
            assert_no_leak(field, await (_as_reference if way == "reference" else _as_callback)(field, url))

    asyncio.run(scenario())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attack", BY_NAME)
def test_by_name(attack: str, way: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with attack_setup(way, tmp_path, evil_example=BY_NAME[attack]) as field:
            if attack == "rebinding":
                # The lookup that a guard of the check-first kind would have made.
                await field.resolver.resolve("evil.example")
            assert_no_leak(field, await run_attack(field, f"{scheme_of(way)}://evil.example:{field.canary.port}/"))
            assert field.resolver.lookups[-1] == "evil.example"

    asyncio.run(scenario())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attack", BY_REDIRECT)
def test_by_redirect(attack: str, way: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        names = {"inner_example": [["127.0.0.1"]], "rebind_example": [[PUBLIC], ["127.0.0.1"]]}
        async with attack_setup(way, tmp_path, BY_REDIRECT[attack], **names) as field:
            await field.resolver.resolve("rebind.example")
            assert_no_leak(field, await run_attack(field, f"{scheme_of(way)}://door.example:{field.door.port}/"))
            assert field.door.connections == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attack", BY_SCHEME)
def test_by_scheme(attack: str, way: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with attack_setup(way, tmp_path) as field:
            assert_no_leak(field, await run_attack(field, BY_SCHEME[attack].format(p=field.canary.port)))

    asyncio.run(scenario())


@dataclass
class Honest:
    """Two servers that may be reached: one by an IPv4 name, one by an IPv6 name, and a redirect between them."""

    four: Server
    six: Server
    rules: EgressRules
    resolver: ScriptedResolver
    outbound: EgressClient
    bodies: dict[str, bytes] = field(default_factory=dict)

    def urls(self, scheme: str) -> list[str]:
        four, six = f"{scheme}://four.example:{self.four.port}", f"{scheme}://six.example:{self.six.port}"
        return [f"{four}/", f"{six}/", f"{four}/away"]


@asynccontextmanager
async def honest(way: str, bodies: tuple[bytes, bytes] = (b"four", b"six")) -> AsyncIterator[Honest]:
    tls = server_tls("four.example", "six.example") if way in SECURE else None
    async with serve_raw(reply_with(http_response(200, bodies[1])), host="::1", tls=tls) as six:
        away = f"Location: {scheme_of(way)}://six.example:{six.port}/x"
        replies = {b"/": http_response(200, bodies[0]), b"/away": http_response(302, b"", away)}

        async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(replies[request.split()[1]])

        async with serve_raw(reply, tls=tls) as four:
            rules = EgressRules(allow=(AllowEntry("127.0.0.1/32", four.port), AllowEntry("::1/128", six.port)))
            resolver = ScriptedResolver(four_example=[["127.0.0.1"]], six_example=[["::1"]])
            outbound = EgressClient(rules, resolver=resolver, ssl_context=client_tls())
            try:
                yield Honest(four, six, rules, resolver, outbound)
            finally:
                await outbound.close()


def test_honest_references_pass() -> None:
    async def scenario() -> None:
        async with honest("reference") as place:
            for url, body in zip(place.urls("http"), (b"four", b"six", b"six"), strict=True):
                sink = io.BytesIO()
                await place.outbound.fetch(check_url(url, Purpose.REFERENCE, place.rules), sink, max_bytes=10)
                assert sink.getvalue() == body

    asyncio.run(scenario())


def test_honest_callbacks_pass() -> None:
    async def scenario() -> None:
        async with honest("callback") as place:
            for url, status in zip(place.urls("https"), (200, 200, 302), strict=True):
                posted = await place.outbound.post(check_url(url, Purpose.CALLBACK, place.rules), b"{}", {})
                assert posted.status == status
            assert len(place.six.requests) == 1

    asyncio.run(scenario())


def test_honest_uploads_pass(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with honest("upload", (PNG, PNG + b"six")) as place:
            for url, size in zip(place.urls("http"), (len(PNG), len(PNG) + 3, len(PNG) + 3), strict=True):
                kept = await upload(tmp_path, place.rules, place.outbound, url)
                assert kept.json()["data"]["file_size"] == size, kept.text

    asyncio.run(scenario())


def test_honest_results_pass(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with honest("result") as place:
            for number, (url, body) in enumerate(zip(place.urls("http"), (b"four", b"six", b"six"), strict=True)):
                target = tmp_path / str(number)
                outcome = await download_result(
                    url, "https://api.example/v1", target, rules=place.rules, resolver=place.resolver
                )
                assert isinstance(outcome, Download)
                assert (outcome.bytes, target.read_bytes()) == (len(body), body)

    asyncio.run(scenario())
