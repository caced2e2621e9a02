"""Whether a URL that an upstream gave may be sent our key."""

from __future__ import annotations

from yarl import URL


def is_same_origin(url: str, base: str, domain: str = "") -> bool:
    """Scheme, host and port of `base`; or https on a host of `domain`, itself or below it."""
    try:
        here, there = URL(base), URL(url)
        if there.user or there.password or not there.host:
            return False
        same = (there.scheme, there.host, there.port) == (here.scheme, here.host, here.port)
    except ValueError:
        return False
    return same or (bool(domain) and _is_subdomain(there, domain))


def _is_subdomain(url: URL, domain: str) -> bool:
    host = url.host or ""
    return url.scheme == "https" and url.port == 443 and (host == domain or host.endswith(f".{domain}"))
