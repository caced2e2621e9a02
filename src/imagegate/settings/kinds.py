"""Kinds of values that several settings share, or that take more than a range to say."""

from __future__ import annotations

import functools
import ipaddress
import re

from imagegate.domain.bounds import Bounds, is_host, matching, parsed_by, whole
from imagegate.domain.money import parse_usd
from imagegate.families.sizes import parse_pixels, size_error
from imagegate.security.networks import MIN_EXTRA_PORT, can_be_opened, parse_allow, parse_name_server
from imagegate.security.rate_limit import MAX_REQUESTS_PER_MINUTE

MANY = 1_000_000  # of whatever a process may have at once
MONTH_S = 31 * 24 * 3600
MIN_TOKEN_CHARS = 16
OBJECT_SCHEMES = ("s3://", "gs://", "az://")
FILE_SCHEME = "file://"
_SHARED_SCHEMES = ("postgresql://", "postgres://")
_URL_RE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# No credentials, ports, queries or fragments, and nothing that a server might take for another folder.
_BUCKET_RE = re.compile(r"[a-z0-9]+://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[A-Za-z0-9_][A-Za-z0-9._-]*)*/?")
# Key words of libpq: taken for a path, such a text would be the name of a file with a password in it.
_KEY_WORDS_RE = re.compile(r"\b(?:host|dbname|user|password|service)\s*=")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_netloc(text: str) -> bool:
    """A name or an address, IPv6 in brackets, with or without a port."""
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?", text)
    if found is None or (found[3] and not 0 < int(found[3]) <= 65535):
        return False
    return _is_address(found[1]) if found[1] is not None else is_host(found[2])


def _is_origin(text: str) -> bool:
    scheme, separator, netloc = text.partition("://")
    return bool(separator) and scheme in ("http", "https") and _is_netloc(netloc)


def _is_folder(text: str) -> bool:
    return PATH.holds(text) and not _URL_RE.match(text)


def _is_storage(text: str) -> bool:
    if text.startswith(OBJECT_SCHEMES):
        return _BUCKET_RE.fullmatch(text) is not None
    if text.startswith(FILE_SCHEME):
        return text.startswith(f"{FILE_SCHEME}/") and text.isprintable() and not re.search("[?#]", text)
    return not text or _is_folder(text)


def _is_database(text: str) -> bool:
    if text.startswith(_SHARED_SCHEMES):
        return text.isprintable() and " " not in text and len(text.partition("://")[2]) > 0
    return not text or (_is_folder(text) and not _KEY_WORDS_RE.search(text))


def _is_pixels(text: str) -> bool:
    pixels = parse_pixels(text)
    return pixels is not None and size_error(*pixels) is None


HOST = Bounds(
    "an address or a name of this machine such as 127.0.0.1, 0.0.0.0 or ::",
    lambda text: _is_address(text) or is_host(text),
)
HOSTS = Bounds("a host name such as images.example.com, without scheme and path", _is_netloc)
ORIGIN = Bounds(
    "an origin such as https://images.example.com: scheme, host and port without user, path or a / at the end",
    lambda text: not text or _is_origin(text),
)
ORIGINS = Bounds("* or an origin such as https://app.example.com", lambda text: text == "*" or _is_origin(text))
NETWORKS = parsed_by(
    functools.partial(ipaddress.ip_network, strict=False), "an address or a network such as 10.0.0.0/8"
)
PASSWORD = matching(
    rf"|[!-~][ -~]{{{MIN_TOKEN_CHARS - 2},1000}}[!-~]",
    f"empty, or at least {MIN_TOKEN_CHARS} characters of printable ASCII, without spaces at its ends",
    is_secret=True,
)
PATH = Bounds("a path", lambda text: bool(text.strip()) and text.isprintable() and len(text) < 4096)
FOLDER = Bounds("a folder", lambda text: not text or _is_folder(text))
DATABASE = Bounds("the path of a SQLite file, or a URL such as postgresql://user@host/name", _is_database)
STORAGE = Bounds(
    "a folder, file:///folder, or s3://, gs:// or az:// with bucket and prefix (credentials: the environment)",
    _is_storage,
)
PIXELS = Bounds(
    "a size such as 2048x2048: edges of 16 to 3840 in multiples of 16, at most 3:1, 655360 to 8294400 pixels",
    _is_pixels,
)
PER_MINUTE = whole(0, MAX_REQUESTS_PER_MINUTE, " (0: no limit)")
ALLOWED = parsed_by(parse_allow, "CIDR[:PORT] with the prefix length, such as 127.0.0.1/32:9000")
DENIED = parsed_by(ipaddress.ip_network, "a network such as 203.0.113.0/24, without bits beyond its prefix")
PORTS = Bounds(f"80, 443 or a port from {MIN_EXTRA_PORT} to 65535", can_be_opened)
CONTACT = matching("[ -~]{0,200}", "at most 200 characters of printable ASCII")
NAME_SERVERS = parsed_by(parse_name_server, "an address, with a port where it is not 53")
PAIRS = matching(r"[^=\s]+=[^=\s]+", "a pair such as dall-e-3=gpt-image-2")
PROCESSES = whole(0, 1024, " (0: one per processor)")
USD = parsed_by(parse_usd, 'an amount of USD in quotes such as "5" or "0.50"')
WORKERS = whole(1, MANY, "; for a process that carries out no tasks: imagegate serve --no-workers")
