"""The address of a client, read through the proxies that the operator trusts and no others."""

from __future__ import annotations

import functools
import ipaddress

from litestar.types import Scope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(scope: Scope, trusted_proxies: tuple[str, ...]) -> str:
    """The last address that is not a trusted proxy's: any before it can be forged."""
    peer = (scope["client"] or ("", 0))[0]
    if not trusted_proxies:
        return peer
    return last_untrusted(peer, forwarded_for(scope), trusted_proxies)


def forwarded_for(scope: Scope) -> str:
    """The values of X-Forwarded-For, joined by commas."""
    return b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")


def last_untrusted(client: str, x_forwarded_for: str, trusted_proxies: tuple[str, ...]) -> str:
    """The same from the peer's address and the values of X-Forwarded-For, joined by commas."""
    forwarded = x_forwarded_for.split(",")
    while forwarded and is_listed(client, trusted_proxies):
        address = parse_address(forwarded.pop().strip())
        if address is None:
            break
        client = str(address)
    return client


def is_listed(client: str, entries: tuple[str, ...]) -> bool:
    """Whether the address is one of these addresses or in one of these networks."""
    address = parse_address(client)
    return address is not None and any(address in _network(entry) for entry in entries)


def is_local_or_listed(client: str, entries: tuple[str, ...]) -> bool:
    """Whether it is loopback, or one of these addresses: it may stand for any number of clients."""
    address = parse_address(client)
    return address is None or address.is_loopback or is_listed(client, entries)


def parse_address(text: str) -> Address | None:
    """None for anything else; IPv4 mapped into IPv6 becomes IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@functools.lru_cache(maxsize=1000)
def _network(entry: str) -> Network:
    return ipaddress.ip_network(entry, strict=False)
