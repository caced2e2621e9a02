"""Which host names and origins are ours, and whether a proxy passed a request on."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Iterable

# The machine's every address, as a listening address.
WILDCARD_HOSTS = ("0.0.0.0", "::")  # noqa: S104
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
# What proxies, load balancers and tunnels add. A browser sends none of them.
_FORWARDING_HEADERS = ("forwarded", "via", "cdn-loop", "true-client-ip", "client-ip", "proxy-connection")
_FORWARDING_PREFIXES = (
    "x-forwarded",
    "x-real-",
    "x-original-",
    "x-client-",
    "x-cluster-client-",
    "x-remote-",
    "x-proxy",
    "x-envoy-",
    "x-amz",
    "x-azure-",
    "x-appengine-",
    "x-vercel-",
    "cf-",
    "fastly-",
    "fly-",
    "ngrok-",
    "tailscale-",
)


def is_forwarded(header_names: Iterable[str]) -> bool:
    """Whether a header says that the request came through a proxy, trusted or not. Names are in lower case."""
    return any(name in _FORWARDING_HEADERS or name.startswith(_FORWARDING_PREFIXES) for name in header_names)


class AcceptedHosts:
    """The names by which the operator serves: loopback, `host`, `public_url` and `allowed_hosts`.

    Where `host` is every address of the machine, any literal address is accepted too: only a name can be made to point
    here by a stranger (DNS rebinding).
    """

    def __init__(self, host: str, public_url: str, allowed_hosts: Iterable[str]) -> None:
        public_host = urllib.parse.urlsplit(public_url).netloc
        self._any_address = host in WILDCARD_HOSTS
        own_host = "" if self._any_address else f"[{host}]" if ":" in host else host
        names = (*LOOPBACK_NAMES, *allowed_hosts, public_host, own_host)
        self._names = {host_name(name) for name in names if name}

    def __contains__(self, host: str) -> bool:
        """`host` is a Host header."""
        name = host_name(host)
        return name in self._names or (self._any_address and _is_address(name))


def host_name(host: str) -> str:
    """`Example.com:8443` -> `example.com`; brackets of an IPv6 literal stay."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def listen_url(host: str, port: int) -> str:
    """Where this machine reaches what listens on `host`: of an address that stands for all, the loopback one."""
    try:
        address = ipaddress.ip_address(host or "0.0.0.0")  # noqa: S104  compared, not bound
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
