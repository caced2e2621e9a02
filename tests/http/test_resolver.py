"""Name lookups end by themselves, and those of one resolver do not wait for those of another."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagegate.http.resolver import DnsResolver
from tests.support.name_server import NameServer


async def resolve(resolver: DnsResolver, name: str) -> list[str]:
    found = await resolver.resolve(name, 443, socket.AF_UNSPEC)
    return [one["host"] for one in found]


def test_names_are_asked_of_the_given_servers_and_of_the_hosts_file() -> None:
    async def scenario() -> None:
        with NameServer(images_example="192.0.2.7") as server:
            resolver = DnsResolver([server.address])
            assert await resolve(resolver, "images.example") == ["192.0.2.7"]
            assert "127.0.0.1" in await resolve(resolver, "localhost")
            await resolver.close()
            assert await resolve(resolver, "images.example") == ["192.0.2.7"], "it opens again"
            await resolver.close()

    asyncio.run(scenario())


def test_a_lookup_that_nobody_answers_fails_and_holds_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 300 of them under way another resolver, and any other name of the same one, is answered at once."""
    monkeypatch.setattr("imagegate.http.resolver.LOOKUP_TIMEOUT_S", 1.0)

    async def scenario() -> None:
        with NameServer(images_example="192.0.2.7") as server, ThreadPoolExecutor(1) as threads:
            asyncio.get_running_loop().set_default_executor(threads)
            customers, upstreams = DnsResolver([server.address]), DnsResolver([server.address])
            lookups = [asyncio.create_task(resolve(customers, f"a{number}.silent.example")) for number in range(300)]
            await asyncio.sleep(0)
            assert await resolve(upstreams, "images.example") == ["192.0.2.7"]
            assert await resolve(customers, "images.example") == ["192.0.2.7"]
            assert await asyncio.to_thread(int, "1") == 1
            failures = await asyncio.gather(*lookups, return_exceptions=True)
            assert {str(failure) for failure in failures} == {"the name lookup took too long"}
            assert {type(failure) for failure in failures} == {OSError}
            await customers.close()
            await upstreams.close()

    asyncio.run(scenario())


def test_lookups_end_when_their_resolver_is_closed() -> None:
    async def scenario() -> None:
        with NameServer() as server:
            resolver = DnsResolver([server.address])
            lookup = asyncio.create_task(resolve(resolver, "silent.example"))
            while not server.queries:
                await asyncio.sleep(0.001)
            await resolver.close()
            with pytest.raises(OSError, match="cancelled"):
                await lookup

    asyncio.run(scenario())
