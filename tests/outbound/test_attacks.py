"""The 59 ways to make us dial where we must not, and three that are no attack.

Each is tried as a reference and as a callback. The verdict is not the word of the code under test: it is the
list of addresses that the interpreter saw being dialled, and whether the canary's body came back. The canary
listens on every address of this machine, on a port that the rules open, so that only judging the address can
save us.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from imagegate.outbound import (
    AllowEntry,
    CheckedUrl,
    EgressRules,
    FetchFailed,
    Outbound,
    Purpose,
    UrlRefused,
    check_url,
)
from tests.outbound.wires import Answers, Server, always, answer, authority, certified, connects, serving, trusting

CANARY = b"the canary sang"
PURPOSES = (Purpose.REFERENCE, Purpose.CALLBACK)
PUBLIC = "93.184.216.34"
SCHEMES = {Purpose.REFERENCE: "http", Purpose.CALLBACK: "https"}

# {p} is the canary's port.
DIRECT = {
    "loopback": "127.0.0.1:{p}",
    "short": "127.1:{p}",
    "decimal": "2130706433:{p}",
    "hex": "0x7f000001:{p}",
    "octal": "0177.0.0.1:{p}",
    "any": "0.0.0.0:{p}",
    "zero": "0:{p}",
    "loopback6": "[::1]:{p}",
    "any6": "[::]:{p}",
    "mapped dotted": "[::ffff:127.0.0.1]:{p}",
    "mapped hex": "[::ffff:7f00:1]:{p}",
    "compatible": "[::127.0.0.1]:{p}",
    "nat64": "[64:ff9b::7f00:1]:{p}",
    "nat64 local": "[64:ff9b:1::7f00:1]:{p}",
    "6to4": "[2002:7f00:1::]:{p}",
    "teredo": "[2001:0:7f00:1::]:{p}",
    "zone": "[fe80::1%25lo]:{p}",
    "metadata": "169.254.169.254:{p}",
    "metadata mapped": "[::ffff:169.254.169.254]:{p}",
    "metadata decimal": "2852039166:{p}",
    "cgnat": "100.100.100.200:{p}",
    "ietf": "192.0.0.192:{p}",
    "benchmark": "198.18.0.1:{p}",
    "multicast": "224.0.0.1:{p}",
    "class e": "240.0.0.1:{p}",
    "broadcast": "255.255.255.255:{p}",
    "ula": "[fd00:ec2::254]:{p}",
    "site local": "[fec0::1]:{p}",
    "documentation6": "[3fff::1]:{p}",
    "segment routing": "[5f00::1]:{p}",
    "azure": "168.63.129.16:{p}",
    "localhost": "localhost:{p}",
    "localhost dot": "LOCALHOST.:{p}",
    "circled digits": "①②⑦.⓪.⓪.①:{p}",
    "ideographic dots": "127。0。0。1:{p}",
    "tab": "127.0.\t0.1:{p}",
    "userinfo": "example.com@127.0.0.1:{p}",
    "backslash": "example.com\\@127.0.0.1:{p}",
    "redis": "93.184.216.34:6379",
}
BY_NAME = {
    "rebinding": [[PUBLIC], ["127.0.0.1"]],
    "mixed, public first": [[PUBLIC, "127.0.0.1"]],
    "mixed, public last": [["127.0.0.1", PUBLIC]],
    "mapped": [["::ffff:127.0.0.1"]],
    "nat64": [["64:ff9b::7f00:1"]],
    "metadata": [["169.254.169.254"]],
    "cgnat": [["100.64.0.1"]],
    "any": [["0.0.0.0"]],
    "compatible": [["::127.0.0.1"]],
    "6to4": [["2002:7f00:1::"]],
    "ula": [["fd00:ec2::254"]],
    "multicast": [["224.0.0.1"]],
}
BY_REDIRECT = {
    "loopback": "{s}://127.0.0.1:{p}/",
    "metadata": "{s}://169.254.169.254:{p}/latest/meta-data/",
    "decimal": "{s}://2130706433:{p}/",
    "name": "{s}://inner.example:{p}/",
    "file": "file:///etc/passwd",
    "rebinding name": "{s}://rebind.example:{p}/",
}
BY_SCHEME = {"file": "file:///etc/passwd", "gopher": "gopher://127.0.0.1:{p}/_x"}


def test_there_are_59() -> None:
    assert (len(DIRECT), len(BY_NAME), len(BY_REDIRECT) + len(BY_SCHEME)) == (39, 12, 8)


@dataclass
class Field:
    """Where attacks are fought: the canary, and a door that an honest name leads to."""

    canary: Server
    door: Server
    rules: EgressRules
    resolver: Answers
    outbound: Outbound
    dialled: list[tuple[Any, ...]]

    @property
    def forbidden(self) -> list[tuple[Any, ...]]:
        return [address for address in self.dialled if address != ("127.0.0.1", self.door.port)]


@asynccontextmanager
async def battlefield(purpose: Purpose, location: str = "", **names: list[list[str]]) -> AsyncIterator[Field]:
    tls = certified("door.example") if purpose is Purpose.CALLBACK else None
    # In the clear for both purposes: a callback that got as far as TLS has lost already.
    async with serving(always(answer(200, CANARY)), host="", tls=None) as canary:
        target = location.format(s=SCHEMES[purpose], p=canary.port)
        async with serving(always(answer(307, CANARY, f"Location: {target}")), tls=tls) as door:
            rules = EgressRules(extra_ports=(canary.port,), allow=(AllowEntry("127.0.0.1/32", door.port),))
            resolver = Answers(door_example=[["127.0.0.1"]], **names)
            outbound = Outbound(rules, resolver=resolver, ssl_context=trusting(authority()))
            with connects() as dialled:
                try:
                    yield Field(canary, door, rules, resolver, outbound, dialled)
                finally:
                    await outbound.close()


async def strike(field: Field, url: str | CheckedUrl, purpose: Purpose) -> bytes:
    """Use the URL as the gateway would; what comes back is what the attacker would see."""
    sink = io.BytesIO()
    try:
        checked = url if isinstance(url, CheckedUrl) else check_url(url, purpose, field.rules)
        if purpose is Purpose.REFERENCE:
            await field.outbound.fetch(checked, sink, max_bytes=1000, total_s=5)
        else:
            await field.outbound.post(checked, b"{}", {}, total_s=5)
    except (UrlRefused, FetchFailed) as error:
        sink.write(str(error).encode())
    return sink.getvalue()


def lost_nothing(field: Field, seen: bytes) -> None:
    assert field.forbidden == []
    assert field.canary.connections == 0
    assert CANARY not in seen


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("attack", DIRECT)
def test_direct(attack: str, purpose: Purpose) -> None:
    async def scene() -> None:
        async with battlefield(purpose) as field:
            url = f"{SCHEMES[purpose]}://{DIRECT[attack]}/".format(p=field.canary.port)
            with pytest.raises(UrlRefused):
                check_url(url, purpose, field.rules)
            lost_nothing(field, await strike(field, url, purpose))

    asyncio.run(scene())


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("attack", DIRECT)
def test_direct_past_the_parser(attack: str, purpose: Purpose) -> None:
    """The same hosts as if the parser had let them through: the guard at the wire must do alone."""

    async def scene() -> None:
        async with battlefield(purpose) as field:
            text, _, port = DIRECT[attack].format(p=field.canary.port).rpartition(":")
            host = text.strip("[]").replace("%25", "%")
            url = CheckedUrl(purpose, SCHEMES[purpose], host, int(port), "/")
            lost_nothing(field, await strike(field, url, purpose))

    asyncio.run(scene())


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("attack", BY_NAME)
def test_by_name(attack: str, purpose: Purpose) -> None:
    async def scene() -> None:
        async with battlefield(purpose, evil_example=BY_NAME[attack]) as field:
            if attack == "rebinding":
                # The lookup that a guard of the check-first kind would have made.
                await field.resolver.resolve("evil.example")
            url = f"{SCHEMES[purpose]}://evil.example:{field.canary.port}/"
            lost_nothing(field, await strike(field, url, purpose))
            assert field.resolver.asked[-1] == "evil.example"

    asyncio.run(scene())


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("attack", BY_REDIRECT)
def test_by_redirect(attack: str, purpose: Purpose) -> None:
    async def scene() -> None:
        names = {"inner_example": [["127.0.0.1"]], "rebind_example": [[PUBLIC], ["127.0.0.1"]]}
        async with battlefield(purpose, BY_REDIRECT[attack], **names) as field:
            await field.resolver.resolve("rebind.example")
            url = f"{SCHEMES[purpose]}://door.example:{field.door.port}/"
            lost_nothing(field, await strike(field, url, purpose))
            assert field.door.connections == 1

    asyncio.run(scene())


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("attack", BY_SCHEME)
def test_by_scheme(attack: str, purpose: Purpose) -> None:
    async def scene() -> None:
        async with battlefield(purpose) as field:
            lost_nothing(field, await strike(field, BY_SCHEME[attack].format(p=field.canary.port), purpose))

    asyncio.run(scene())


@asynccontextmanager
async def honest(purpose: Purpose) -> AsyncIterator[tuple[Outbound, EgressRules, Server, Server]]:
    callback = purpose is Purpose.CALLBACK
    tls = certified("four.example", "six.example") if callback else None
    async with serving(always(answer(200, b"six")), host="::1", tls=tls) as six:
        away = f"Location: {SCHEMES[purpose]}://six.example:{six.port}/x"
        replies = {b"/": answer(200, b"four"), b"/away": answer(302, b"", away)}

        async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(replies[request.split()[1]])

        async with serving(reply, tls=tls) as four:
            rules = EgressRules(allow=(AllowEntry("127.0.0.1/32", four.port), AllowEntry("::1/128", six.port)))
            resolver = Answers(four_example=[["127.0.0.1"]], six_example=[["::1"]])
            outbound = Outbound(rules, resolver=resolver, ssl_context=trusting())
            try:
                yield outbound, rules, four, six
            finally:
                await outbound.close()


def test_honest_references_pass() -> None:
    async def scene() -> None:
        async with honest(Purpose.REFERENCE) as (outbound, rules, four, six):
            for url, body in (
                (f"http://four.example:{four.port}/", b"four"),
                (f"http://six.example:{six.port}/", b"six"),
                (f"http://four.example:{four.port}/away", b"six"),
            ):
                sink = io.BytesIO()
                await outbound.fetch(check_url(url, Purpose.REFERENCE, rules), sink, max_bytes=10)
                assert sink.getvalue() == body

    asyncio.run(scene())


def test_honest_callbacks_pass() -> None:
    async def scene() -> None:
        async with honest(Purpose.CALLBACK) as (outbound, rules, four, six):
            for url, status in (
                (f"https://four.example:{four.port}/", 200),
                (f"https://six.example:{six.port}/", 200),
                (f"https://four.example:{four.port}/away", 302),
            ):
                posted = await outbound.post(check_url(url, Purpose.CALLBACK, rules), b"{}", {})
                assert posted.status == status
            assert len(six.requests) == 1

    asyncio.run(scene())
