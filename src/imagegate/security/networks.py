"""What an operator writes about networks: what is allowed, which proxies, which name servers."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

DEFAULT_PORTS: Final = frozenset({80, 443})
MIN_EXTRA_PORT: Final = 1024


class AllowEntry(msgspec.Struct, frozen=True):
    """A network that the operator allows, on one port or on all ports that are allowed anyway."""

    cidr: str
    port: int | None = None

    def __str__(self) -> str:
        return self.cidr if self.port is None else f"{self.cidr}:{self.port}"


def parse_allow(text: str) -> AllowEntry:
    """Read `CIDR[:PORT]`, as in `127.0.0.1/32:8443` or `fd00::/8`."""
    address, slash, rest = text.strip().partition("/")
    length, colon, port = rest.partition(":")
    if not slash:
        raise ValueError(f"{text!r}: write CIDR[:PORT] with the prefix length, as in 127.0.0.1/32:8443")
    if not (length.isascii() and length.isdigit()):
        raise ValueError(f"{text!r}: {length!r} is not a prefix length")
    cidr = str(ip_network(f"{address}/{length}"))
    if not colon:
        return AllowEntry(cidr)
    if not (port.isascii() and port.isdigit() and len(port) <= 5):
        raise ValueError(f"{text!r}: {port!r} is not a port")
    return AllowEntry(cidr, check_port(int(port)))


def can_be_opened(port: int) -> bool:
    """Whether an entry may name the port."""
    return port in DEFAULT_PORTS or MIN_EXTRA_PORT <= port <= 65535


def check_port(port: int) -> int:
    if can_be_opened(port):
        return port
    raise ValueError(f"port {port}: only 80, 443 and {MIN_EXTRA_PORT} to 65535 can be opened")


def parse_name_server(text: str) -> None:
    """`ADDRESS` or `ADDRESS:PORT`; an IPv6 address with a port stands in brackets. ValueError."""
    address, _, port = text.rpartition(":") if re.fullmatch(r"[0-9.]+:[0-9]+|\[.*\]:[0-9]+", text) else (text, "", "53")
    ip_address(address.removeprefix("[").removesuffix("]"))
    if not 0 < int(port) <= 65535:
        raise ValueError(f"{port} is not a port")
