"""Which addresses and ports a URL from outside may lead to: a shipped table, and the operator's own entries.

`ipaddress` is never asked whether an address is global: its answer changes between Python versions, this table does
not. IPv4 is a deny-list. IPv6 is an allow-list, so forms that carry an IPv4 address are refused and never unwrapped.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

from imagegate.security.networks import DEFAULT_PORTS, AllowEntry, check_port

DENIED_V4: Final = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier NAT, with a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure wire server
        "169.254.0.0/16",  # link-local, metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF, with a cloud's metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relay
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmark
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
ALLOWED_V6: Final = IPv6Network("2000::/3")
DENIED_V6: Final = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # Teredo, ORCHID, benchmark
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)


class EgressRules(msgspec.Struct, frozen=True):
    """The operator's rules for URLs that users give. `deny` goes before `allow`. `contact` goes into the user agent."""

    allow: tuple[AllowEntry, ...] = ()
    deny: tuple[str, ...] = ()
    extra_ports: tuple[int, ...] = ()
    contact: str = ""

    def __post_init__(self) -> None:
        for cidr in (*self.deny, *(entry.cidr for entry in self.allow)):
            ip_network(cidr)
        for port in self.extra_ports:
            check_port(port)
        # It becomes part of a header line.
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise ValueError("the contact must be printable ASCII")


class AddressPolicy:
    """The table and the operator's entries, ready to check an address and a port."""

    def __init__(self, rules: EgressRules) -> None:
        self.ports: Final = DEFAULT_PORTS | frozenset(rules.extra_ports)
        self._denied = tuple(ip_network(cidr) for cidr in rules.deny)
        self._allowed = tuple((ip_network(entry.cidr), entry.port) for entry in rules.allow)

    def refusal_reason(self, address: str, port: int) -> str | None:
        """Why this address must not be connected to on this port, or None if it may be."""
        ip = _parse_address(address)
        if ip is None:
            return "is not an address"
        if any(ip in network for network in self._denied):
            return "is denied by the operator"
        if self.is_allowed(address, port):
            return None
        if port not in self.ports:
            return f"may not be reached on port {port}"
        return None if _is_public(ip) else "is not public"

    def is_allowed(self, address: str, port: int) -> bool:
        """Whether an entry of the operator allows this very address and port."""
        ip = _parse_address(address)
        return ip is not None and any(
            ip in network and self._entry_allows_port(only, port) for network, only in self._allowed
        )

    def names(self, address: str, port: int) -> bool:
        """Whether an entry of the operator names this very port, and a network that the address is in."""
        ip = _parse_address(address)
        return ip is not None and any(ip in network and only == port for network, only in self._allowed)

    def names_port(self, port: int) -> bool:
        """Whether an entry of the operator names this very port, for some address."""
        return any(only == port for _, only in self._allowed)

    def is_port_open(self, port: int) -> bool:
        """Whether an entry of the operator allows this port for some address."""
        return any(self._entry_allows_port(only, port) for _, only in self._allowed)

    def _entry_allows_port(self, only: int | None, port: int) -> bool:
        return port == only if only is not None else port in self.ports


@lru_cache(maxsize=16)
def address_policy(rules: EgressRules) -> AddressPolicy:
    """The policy of these rules; cached, because URLs are checked on every request."""
    return AddressPolicy(rules)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in DENIED_V4)
    return ip in ALLOWED_V6 and not any(ip in network for network in DENIED_V6)


def _parse_address(address: str) -> IPv4Address | IPv6Address | None:
    # A zone names an interface of this machine: no public address has one.
    if "%" in address:
        return None
    try:
        return ip_address(address)
    except ValueError:
        return None
