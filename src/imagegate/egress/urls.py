"""The only parser for URLs that users gave, and the canonical form in which they are used.

What a name resolves to is checked at every connection (`connector`). What is accepted here is sent as it stands; no
second parser may read it differently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, urljoin

import idna
import msgspec

from imagegate.egress.addresses import AddressPolicy, EgressRules, address_policy
from imagegate.security.networks import can_be_opened

RefusalReason = Literal["scheme", "too_long", "bad_character", "userinfo", "host", "internal_name", "port", "address"]

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31}):")
_NAME: Final = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
_BAD: Final = re.compile(r"[\x00-\x20\\\x7f-\x9f\s\ud800-\udfff]")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_INTERNAL: Final = ("localhost", "local", "internal", "home.arpa")
_MAX_NAME_CHARS: Final = 253


class _Limits(NamedTuple):
    max_chars: int
    ports: Mapping[str, int]


class Purpose(Enum):
    """What the URL is for: references are fetched, webhooks are posted to callbacks."""

    REFERENCE = _Limits(8192, {"https": 443, "http": 80})
    CALLBACK = _Limits(2048, {"https": 443, "http": 80})


class UrlRefused(Exception):
    """The URL is not accepted; the text says why and may be shown to its sender."""

    def __init__(self, reason: RefusalReason, text: str) -> None:
        super().__init__(text)
        self.reason: Final = reason


class CheckedUrl(msgspec.Struct, frozen=True):
    """A URL in canonical form. `host` has no brackets, `target` is path and query byte for byte."""

    purpose: Purpose
    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """Scheme, host and port alone: safe for logs, where paths and queries may hold secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = Purpose.REFERENCE.value.ports[self.scheme]
        return f"{self.scheme}://{host}" if self.port == usual else f"{self.scheme}://{host}:{self.port}"

    @property
    def text(self) -> str:
        """The whole URL."""
        return self.origin + self.target


def check_url(text: str, purpose: Purpose, rules: EgressRules) -> CheckedUrl:
    """Parse and check a URL as its sender wrote it; raises UrlRefused."""
    scheme, host, port, target = _split_url(text, purpose.value)
    book = address_policy(rules)
    if needs_named_address(purpose, scheme):
        _check_named(host, port, book)
    if port != purpose.value.ports[scheme] and port not in rules.extra_ports and not book.is_port_open(port):
        raise UrlRefused("port", f"port {port} is not open for {scheme} URLs")
    return CheckedUrl(purpose, scheme, _host(host, port, book), port, target)


def needs_named_address(purpose: Purpose, scheme: str) -> bool:
    """Whether the URL may lead only to an address and port that an entry of the operator names, by name or not.

    What a webhook says is its customer's alone: it goes in the clear only where the operator knows the way.
    """
    return purpose is Purpose.CALLBACK and scheme == "http"


def _check_named(host: str, port: int, book: AddressPolicy) -> None:
    """What a name leads to is checked when it is connected to."""
    address = _literal_address(host)
    if book.names(address, port) if address else book.names_port(port):
        return
    if not can_be_opened(port):
        raise UrlRefused("port", f"port {port} cannot be opened for http URLs")
    shown = address or ("127.0.0.1" if host.lower() == "localhost" else "")
    entry = f"{shown}/{128 if ':' in shown else 32}:{port}" if shown else f"ADDRESS/32:{port}"
    raise UrlRefused(
        "scheme",
        "http is allowed only to an address and port that egress_allow names; use https or start the gateway with"
        f" --egress-allow {entry}",
    )


def _literal_address(host: str) -> str:
    """The address that the host is; empty for a name."""
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return ""


def url_on_origin(text: str, origin: str, base: CheckedUrl | None = None) -> CheckedUrl | None:
    """The URL where its scheme, host and port are just those of `origin`, which the operator wrote; None for any other.

    The operator decided where it leads, so neither port nor address nor kind of name is checked. With `base`, `text` is
    the target of a redirect from there. UrlRefused for an `origin` that is none.
    """
    own = _parse_unchecked(origin)
    try:
        asked = _parse_unchecked(_resolve_redirect(text, base) if base else text)
    except UrlRefused:
        return None
    return asked if (asked.scheme, asked.host, asked.port) == (own.scheme, own.host, own.port) else None


def _parse_unchecked(text: str) -> CheckedUrl:
    """Parsed by the same grammar, with none of the checks of where it leads."""
    scheme, host, port, target = _split_url(text, Purpose.REFERENCE.value)
    named = _ipv6(host[1:-1]) if host.startswith("[") else _ascii_host(host)
    if not named or not (":" in named or _NAME.fullmatch(named)):
        raise UrlRefused("host", "the host is not a valid name")
    return CheckedUrl(Purpose.REFERENCE, scheme, named, port, target)


def check_redirect(location: str, base: CheckedUrl, rules: EgressRules) -> CheckedUrl:
    """The target of a redirect, checked like the first URL."""
    return check_url(_resolve_redirect(location, base), base.purpose, rules)


def _resolve_redirect(location: str, base: CheckedUrl) -> str:
    # urljoin drops tabs and line breaks silently, so the text is checked before.
    _check_text(location, base.purpose.value)
    if _SCHEME.match(location):
        return location
    if location.startswith("//"):
        return f"{base.scheme}:{location}"
    if location.startswith("/"):
        return base.origin + location
    return urljoin(base.text, location)


def _split_url(text: str, limits: _Limits) -> tuple[str, str, int, str]:
    """Scheme, host as it was written, port and target."""
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    if scheme not in limits.ports:
        raise UrlRefused("scheme", "the URL must begin with " + " or ".join(f"{s}://" for s in limits.ports))
    _check_text(text, limits)
    parts = _URL.fullmatch(text)
    if parts is None:
        raise UrlRefused("host", f"the URL must read {scheme}://host/path")
    return scheme, *_split_authority(parts[2], limits.ports[scheme]), _target(parts[3])


def _check_text(text: str, limits: _Limits) -> None:
    # Before encoding, so that a text of many megabytes is not copied first.
    if len(text) > limits.max_chars or len(text.encode("utf-8", "replace")) > limits.max_chars:
        raise UrlRefused("too_long", f"the URL must have at most {limits.max_chars} characters")
    if _BAD.search(text):
        raise UrlRefused("bad_character", "the URL contains a space, a control character or a backslash")


def _split_authority(authority: str, usual: int) -> tuple[str, int]:
    if "@" in authority:
        raise UrlRefused("userinfo", "the URL must not contain a user name or password")
    if "%" in authority:
        raise UrlRefused("host", "the host must be written without percent signs")
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(:.*)?", authority)
    if found is None:
        raise UrlRefused("host", "the host is not a name or an address")
    if found[2] is None:
        return found[1], usual
    if not _PORT.fullmatch(found[2][1:]) or int(found[2][1:]) > 65535:
        raise UrlRefused("port", "the port is not a number from 1 to 65535")
    return found[1], int(found[2][1:])


def _host(text: str, port: int, book: AddressPolicy) -> str:
    if text.startswith("["):
        return _checked_address(_ipv6(text[1:-1]), port, book)
    host = _ascii_host(text)
    if re.fullmatch(r"[0-9.]+", host):
        return _checked_address(_ipv4(host), port, book)
    return _checked_name(host, port, book)


def _ascii_host(text: str) -> str:
    if len(text) > _MAX_NAME_CHARS:
        raise UrlRefused("host", "the host name is too long")
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise UrlRefused("host", "the host is not a valid international name") from None


def _ipv4(text: str) -> str:
    # Short, octal and one-number spellings are refused: some resolvers would read them.
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        raise UrlRefused("host", "an IPv4 address must be written as four plain numbers") from None


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        raise UrlRefused("host", "the IPv6 address is not valid") from None


def _checked_address(address: str, port: int, book: AddressPolicy) -> str:
    refusal = book.refusal_reason(address, port)
    if refusal is not None:
        raise UrlRefused("address", f"the address {refusal}")
    return address


def _checked_name(host: str, port: int, book: AddressPolicy) -> str:
    last = host.rpartition(".")[2]
    if not _NAME.fullmatch(host) or len(host) > _MAX_NAME_CHARS:
        raise UrlRefused("host", "the host is not a valid name")
    # A last label such as 0x7f would be read as a number by the C library.
    if not last[0].isalpha():
        raise UrlRefused("host", "the last part of the host name must begin with a letter")
    # Where the operator allows private addresses, private names lead to them; the address still decides.
    if not book.is_port_open(port) and ("." not in host or _is_internal(host)):
        raise UrlRefused("internal_name", "the host must be a public name")
    return host


def _is_internal(host: str) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in _INTERNAL)


def _target(text: str) -> str:
    path = text if text.startswith("/") else f"/{text}"
    # An empty query means nothing, and the HTTP client would drop it.
    head, mark, query = path.partition("?")
    path = path if query or not mark else head
    return re.sub(r"[^\x00-\x7f]+", lambda found: quote(found[0]), path)
