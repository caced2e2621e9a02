"""Each ring of the guard alone, with the others taken away."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from imagegate.egress import AllowEntry, CheckedUrl, EgressClient, EgressRules, FetchFailed, Purpose
from imagegate.egress.addresses import AddressPolicy
from imagegate.egress.connector import AddressGuard, AddressRefused, GuardedResolver
from tests.egress.raw_server import ScriptedResolver, http_response, record_connects, reply_with, serve_raw


def info(address: str, port: int) -> aiohttp.AddrInfoType:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1"])
def test_no_socket_is_opened_for_a_refused_address(address: str) -> None:
    with pytest.raises(AddressRefused):
        AddressGuard(AddressPolicy(EgressRules())).open_socket(info(address, 443))


def test_no_socket_is_opened_for_a_refused_port() -> None:
    guard = AddressGuard(AddressPolicy(EgressRules(extra_ports=(8443,))))
    guard.open_socket(info("93.184.216.34", 8443)).close()
    for port in (22, 6379, 8444):
        with pytest.raises(AddressRefused):
            guard.open_socket(info("93.184.216.34", port))


@pytest.mark.parametrize("answers", [["93.184.216.34", "10.0.0.1"], ["10.0.0.1", "93.184.216.34"]])
def test_one_bad_address_spoils_the_answer(answers: list[str]) -> None:
    resolver = GuardedResolver(AddressGuard(AddressPolicy(EgressRules())), ScriptedResolver(mixed_example=[answers]))
    with pytest.raises(AddressRefused):
        asyncio.run(resolver.resolve("mixed.example", 443))


class Careless(AddressPolicy):
    """A book that finds every address public."""

    def refusal_reason(self, address: str, port: int) -> str | None:
        return None


def test_addresses_of_this_machine_are_refused_though_they_look_public() -> None:
    guard = AddressGuard(Careless(EgressRules()))
    for address in ("127.0.0.1", "::1"):
        with pytest.raises(AddressRefused, match="this machine"):
            guard.check(address, 443)
    guard.check("93.184.216.34", 443)
    guard.check("2606:4700::1111", 443)


def test_an_allow_entry_opens_an_address_of_this_machine() -> None:
    guard = AddressGuard(AddressPolicy(EgressRules(allow=(AllowEntry("127.0.0.1/32", 8443),))))
    guard.check("127.0.0.1", 8443)
    for address, port in (("127.0.0.1", 8444), ("127.0.0.2", 8443), ("::1", 8443)):
        with pytest.raises(AddressRefused):
            guard.check(address, port)


@pytest.mark.parametrize("book", [AddressPolicy, Careless])
def test_the_peer_is_judged_before_a_byte_is_sent(book: type[AddressPolicy]) -> None:
    """With name and socket unguarded the connection is made, and goes no further."""

    async def scenario() -> None:
        async with serve_raw(reply_with(http_response(200, b"secret"))) as server:
            rules = EgressRules(extra_ports=(server.port,))
            outbound = EgressClient(rules, resolver=ScriptedResolver())
            guard = AddressGuard(book(rules))
            checks: list[str] = []
            guard.open_socket = lambda info: socket.socket(*info[:3])  # type: ignore[method-assign]
            real = guard.check
            # The resolver's question comes first and is waved through; the peer's comes second.
            guard.check = lambda a, p: (checks.append(a), len(checks) > 1 and real(a, p))  # type: ignore[assignment,func-returns-value]
            guard._detects_own_addresses = False
            outbound._guards[False] = guard
            sink = io.BytesIO()
            url = CheckedUrl(Purpose.REFERENCE, "http", "evil.example", server.port, "/")
            try:
                with pytest.raises(FetchFailed) as failed:
                    await outbound.fetch(url, sink, max_bytes=100)
            finally:
                await outbound.close()
            assert failed.value.reason == "refused_address"
            assert (len(checks), server.requests, sink.getvalue()) == (2, [], b"")

    with record_connects() as dialled:
        asyncio.run(scenario())
    assert len(dialled) == 1


@pytest.mark.parametrize("target", ["/?", "/a#b", "", "/ä"])
def test_a_url_with_two_readings_is_not_sent(target: str) -> None:
    """No such URL leaves the parser; should one come from elsewhere, it goes nowhere."""

    async def scenario() -> str:
        outbound = EgressClient(EgressRules(), resolver=ScriptedResolver())
        url = CheckedUrl(Purpose.REFERENCE, "http", "a.example", 80, target)
        with pytest.raises(FetchFailed) as failed:
            await outbound.fetch(url, io.BytesIO(), max_bytes=1)
        await outbound.close()
        return failed.value.reason

    assert asyncio.run(scenario()) == ("refused_address" if target == "/ä" else "protocol")


def _can_make_namespaces() -> bool:
    if not (sys.platform == "linux" and shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(["unshare", "-Urn", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0


@pytest.mark.gate
@pytest.mark.skipif(
    "IMAGEGATE_IN_NAMESPACE" in os.environ or not _can_make_namespaces(), reason="no network namespaces here"
)
def test_the_attacks_where_every_address_answers() -> None:
    """The battery again, on a network where public and metadata addresses lead to the canary itself."""
    here = Path(__file__).parent
    script = (
        "ip link set lo up && for a in 169.254.169.254 100.100.100.200 192.0.0.192 198.18.0.1 168.63.129.16 "
        "93.184.216.34 10.0.0.1; do ip addr add $a/32 dev lo; done && "
        "for a in 64:ff9b::7f00:1 64:ff9b:1::7f00:1 2002:7f00:1:: 2001:0:7f00:1:: fd00:ec2::254 fec0::1 "
        '3fff::1 5f00::1; do ip addr add $a/128 dev lo; done; exec "$@"'
    )
    # An upload takes the way of a reference to the wire; what comes before the wire is the same on every network.
    pytest_line = [sys.executable, "-m", "pytest", "-q", "-k", "not upload", str(here / "test_attacks.py")]
    run = subprocess.run(
        ["unshare", "-Urn", "sh", "-c", script, "sh", *pytest_line],
        cwd=here.parents[1],
        env={**os.environ, "IMAGEGATE_IN_NAMESPACE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    assert " passed" in run.stdout
    assert "failed" not in run.stdout
