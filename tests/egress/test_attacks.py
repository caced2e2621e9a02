"""The 59 ways to make us dial where we must not, and three that are no attack.

Each is tried at every door through which a URL comes in: as a reference, as a callback, as an upload by URL through the
API, and as the URL of a result that an upstream answered with. The verdict is not the word of the code under test: it
is the list of addresses that the interpreter saw being dialled, and whether the canary's body came back. The canary
listens on every address of this machine, on a port that the rules open, so that only judging the address can save us.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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


class AttackSetup:
    """Where attacks are fought: the canary, a door that an honest name leads to, and our side of one way in."""

    def __init__(self, way: str, folder: Path) -> None:
        self.way, self.folder = way, folder
        self.runner = asyncio.Runner()
        self.resolver = ScriptedResolver()
        self.reply = b""

    async def open(self, exits: AsyncExitStack) -> None:
        tls = server_tls("door.example") if self.way in SECURE else None
        # In the clear for all: a callback that got as far as TLS has lost already.
        self.canary = await exits.enter_async_context(
            serve_raw(reply_with(http_response(200, CANARY)), host="", tls=None)
        )
        self.door = await exits.enter_async_context(serve_raw(self._answer_at_the_door, tls=tls))
        # The door of a result is the upstream's own origin, which needs no entry.
        entries = () if self.way == "result" else (AllowEntry("127.0.0.1/32", self.door.port),)
        self.rules = EgressRules(extra_ports=(self.canary.port,), allow=entries)
        self.outbound = EgressClient(self.rules, resolver=self.resolver, ssl_context=client_tls(make_test_ca()))
        exits.push_async_callback(self.outbound.close)
        if self.way == "upload":
            self.api = await exits.enter_async_context(api_client(self.folder, self.rules, self.outbound))
        self.dialled = exits.enter_context(record_connects())

    async def _answer_at_the_door(self, _: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(self.reply)

    def reset(self) -> None:
        """Nothing dialled, nobody at the canary or the door, no name known."""
        self.dialled.clear()
        self.canary.connections = self.door.connections = 0
        self.resolver.names.clear()
        self.resolver.lookups.clear()

    def send_away(self, location: str) -> None:
        target = location.format(s=scheme_of(self.way), p=self.canary.port)
        self.reply = http_response(307, CANARY, f"Location: {target}")

    def attack(self, url: str) -> None:
        """Use the URL as the gateway would; then nothing may have been dialled that is forbidden, nor the canary be
        heard in what comes back: what the attacker, or the operator, would see."""
        self.assert_no_leak(self.runner.run(STRIKES[self.way](self, url)))

    def assert_no_leak(self, seen: bytes) -> None:
        assert [address for address in self.dialled if address != ("127.0.0.1", self.door.port)] == []
        assert self.canary.connections == 0
        assert CANARY not in seen


@pytest.fixture(scope="module", params=WAYS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackSetup]:
    """One for all attacks of a way: its servers, keys and database are made once."""
    place, exits = AttackSetup(request.param, tmp_path_factory.mktemp("attacks")), AsyncExitStack()
    with place.runner:
        place.runner.run(place.open(exits))
        yield place
        place.runner.run(exits.aclose())


@pytest.fixture
def setup(place: AttackSetup) -> AttackSetup:
    place.reset()
    return place


async def _as_reference(setup: AttackSetup, url: str | CheckedUrl) -> bytes:
    sink = io.BytesIO()
    try:
        checked = url if isinstance(url, CheckedUrl) else check_url(url, Purpose.REFERENCE, setup.rules)
        await setup.outbound.fetch(checked, sink, max_bytes=1000, total_s=5)
    except (UrlRefused, FetchFailed) as error:
        sink.write(str(error).encode())
    return sink.getvalue()


async def _as_callback(setup: AttackSetup, url: str | CheckedUrl) -> bytes:
    try:
        checked = url if isinstance(url, CheckedUrl) else check_url(url, Purpose.CALLBACK, setup.rules)
        await setup.outbound.post(checked, b"{}", {}, total_s=5)
    except (UrlRefused, FetchFailed) as error:
        return str(error).encode()
    return b""


async def _as_upload(setup: AttackSetup, url: str) -> bytes:
    """Through the whole of the API, up to the wire."""
    refused = await upload(setup.api, url)
    assert refused.status_code == 400
    assert refused.json()["code"] in (400, 40004)
    return refused.content + b"".join(file.read_bytes() for file in (setup.folder / "blobs" / "t").rglob("*.*"))


@asynccontextmanager
async def api_client(folder: Path, rules: EgressRules, outbound: EgressClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API whose fetches go through `outbound`, on the demo account."""
    allow = tuple(f"{entry.cidr}:{entry.port}" for entry in rules.allow)
    settings = Settings(
        storage=Storage(data=str(folder)), limits=Limits(egress_allow=allow, egress_ports=rules.extra_ports)
    )
    runtime = await open_runtime(settings, client=outbound)
    try:
        headers = {"Authorization": f"Bearer {await ensure_demo_key(runtime)}"}
        app: Any = build_app(runtime)  # the same interface under the names of two libraries
        wire = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=wire, base_url=runtime.origin, headers=headers, timeout=60) as client:
            yield client
    finally:
        await runtime.close()


async def upload(api: httpx.AsyncClient, url: str) -> httpx.Response:
    return await api.post("/api/v1/files/upload/url", json={"file_url": url})


async def _as_result(setup: AttackSetup, url: str) -> bytes:
    target = setup.folder / "result"
    base = f"http://door.example:{setup.door.port}/v1"
    outcome = await download_result(
        url,
        base,
        target,
        rules=setup.rules,
        max_bytes=1000,
        total_s=5,
        resolver=setup.resolver,
        ssl_context=client_tls(),
    )
    assert isinstance(outcome, DownloadFailed)
    assert not target.exists()
    return outcome.detail.encode()


STRIKES: dict[str, Callable[[AttackSetup, str], Coroutine[Any, Any, bytes]]] = {
    "reference": _as_reference,
    "callback": _as_callback,
    "upload": _as_upload,
    "result": _as_result,
}


def test_there_are_59() -> None:
    assert (len(DIRECT), len(BY_NAME), len(BY_REDIRECT) + len(BY_SCHEME)) == (39, 12, 8)


@pytest.mark.parametrize("attack", DIRECT)
def test_direct(attack: str, setup: AttackSetup) -> None:
    url = f"{scheme_of(setup.way)}://{DIRECT[attack]}/".format(p=setup.canary.port)
    for purpose in Purpose:
        with pytest.raises(UrlRefused):
            check_url(url, purpose, setup.rules)
    setup.attack(url)
    assert setup.dialled == []


@pytest.mark.parametrize("place", GUARDED, indirect=True)
@pytest.mark.parametrize("attack", DIRECT)
def test_direct_past_the_parser(attack: str, setup: AttackSetup) -> None:
    """The same hosts as if the parser had let them through: the guard at the wire must do alone."""
    text, _, port = DIRECT[attack].format(p=setup.canary.port).rpartition(":")
    host = text.strip("[]").replace("%25", "%")
    purpose = Purpose.REFERENCE if setup.way == "reference" else Purpose.CALLBACK
    url = CheckedUrl(purpose, scheme_of(setup.way), host, int(port), "/")
    strike = _as_reference if setup.way == "reference" else _as_callback
    setup.assert_no_leak(setup.runner.run(strike(setup, url)))


@pytest.mark.parametrize("attack", BY_NAME)
def test_by_name(attack: str, setup: AttackSetup) -> None:
    setup.resolver.names["evil.example"] = list(BY_NAME[attack])
    if attack == "rebinding":
        # The lookup that a guard of the check-first kind would have made.
        setup.runner.run(setup.resolver.resolve("evil.example"))
    setup.attack(f"{scheme_of(setup.way)}://evil.example:{setup.canary.port}/")
    assert setup.resolver.lookups[-1] == "evil.example"


@pytest.mark.parametrize("attack", BY_REDIRECT)
def test_by_redirect(attack: str, setup: AttackSetup) -> None:
    setup.resolver.names["rebind.example"] = [[PUBLIC], ["127.0.0.1"]]
    setup.send_away(BY_REDIRECT[attack])
    setup.runner.run(setup.resolver.resolve("rebind.example"))
    setup.attack(f"{scheme_of(setup.way)}://door.example:{setup.door.port}/")
    assert setup.door.connections == 1


@pytest.mark.parametrize("attack", BY_SCHEME)
def test_by_scheme(attack: str, setup: AttackSetup) -> None:
    setup.attack(BY_SCHEME[attack].format(p=setup.canary.port))


@dataclass
class Honest:
    """Two servers that may be reached: one by an IPv4 name, one by an IPv6 name, and a redirect between them."""

    four: Server
    six: Server
    rules: EgressRules
    resolver: ScriptedResolver
    outbound: EgressClient

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
        async with (
            honest("upload", (PNG, PNG + b"six")) as place,
            api_client(tmp_path, place.rules, place.outbound) as api,
        ):
            for url, size in zip(place.urls("http"), (len(PNG), len(PNG) + 3, len(PNG) + 3), strict=True):
                kept = await upload(api, url)
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
