"""The address table against the documented one, written here a second time, at the edges of every block."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.egress import AllowEntry, EgressRules, parse_allow
from imagegate.egress.addresses import AddressPolicy

# First and last address of each block, as numbers or texts, independent of the code's own notation.
DENIED_V4 = [
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("168.63.129.16", "168.63.129.16"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.31.196.0", "192.31.196.255"),
    ("192.52.193.0", "192.52.193.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("192.175.48.0", "192.175.48.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "239.255.255.255"),
    ("240.0.0.0", "255.255.255.255"),
]
DENIED_V6 = [
    ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:0fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
]
BLOCKS = [(int(IPv4Address(a)), int(IPv4Address(z)), 2**32, IPv4Address) for a, z in DENIED_V4] + [
    (int(IPv6Address(a)), int(IPv6Address(z)), 2**128, IPv6Address) for a, z in DENIED_V6
]
BOOK = AddressPolicy(EgressRules())


def documented(number: int, kind: type) -> bool:
    return any(first <= number <= last for first, last, _, block in BLOCKS if block is kind)


def denied(number: int, kind: type) -> bool:
    return BOOK.refusal_reason(str(kind(number)), 443) is not None


@pytest.mark.parametrize(("first", "last", "size", "kind"), BLOCKS)
def test_edges_of_every_block(first: int, last: int, size: int, kind: type) -> None:
    for edge in (first, last):
        for number in range(max(0, edge - 2), min(size, edge + 3)):
            assert denied(number, kind) == documented(number, kind), kind(number)
    for part in range(33):
        assert denied(first + (last - first) * part // 32, kind)


@given(st.integers(0, 2**32 - 1))
def test_any_v4_address(number: int) -> None:
    assert denied(number, IPv4Address) == documented(number, IPv4Address)


@given(st.integers(0, 2**128 - 1) | st.integers(2**125, 2**126 - 1))
def test_any_v6_address(number: int) -> None:
    assert denied(number, IPv6Address) == documented(number, IPv6Address)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::"]))
def test_v4_inside_v6_is_refused_whatever_it_is(number: int, prefix: str) -> None:
    assert denied(int(IPv6Address(prefix)) + number, IPv6Address)


@pytest.mark.parametrize(
    "text", ["", "example.com", "127.1", "0177.0.0.1", "fe80::1%lo", "2606:4700::1%1", "1.2.3.4/8"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert BOOK.refusal_reason(text, 443) == "is not an address"


def test_ports() -> None:
    assert BOOK.refusal_reason("93.184.216.34", 80) is BOOK.refusal_reason("93.184.216.34", 443) is None
    assert BOOK.refusal_reason("93.184.216.34", 8080) is not None
    assert AddressPolicy(EgressRules(extra_ports=(8080,))).refusal_reason("93.184.216.34", 8080) is None


def test_allow_entries_open_only_what_they_say() -> None:
    book = AddressPolicy(EgressRules(allow=(parse_allow("127.0.0.1/32:8443"), parse_allow("fd00::/8"))))
    assert book.refusal_reason("127.0.0.1", 8443) is None
    assert book.refusal_reason("127.0.0.1", 443) is not None
    assert book.refusal_reason("127.0.0.2", 8443) is not None
    assert book.refusal_reason("93.184.216.34", 8443) is not None
    assert book.refusal_reason("fd12::1", 443) is None
    assert book.refusal_reason("fd12::1", 8443) is not None
    assert book.refusal_reason("fe80::1", 443) is not None


def test_deny_beats_allow_and_the_public() -> None:
    rules = EgressRules(deny=("93.184.0.0/16", "10.1.0.0/16", "2606:4700::/32"), allow=(AllowEntry("10.0.0.0/8"),))
    book = AddressPolicy(rules)
    assert book.refusal_reason("93.184.216.34", 443) is not None
    assert book.refusal_reason("2606:4700::1", 443) is not None
    assert book.refusal_reason("10.1.2.3", 443) is not None
    assert book.refusal_reason("10.2.2.3", 443) is None


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("127.0.0.1/32:8443", AllowEntry("127.0.0.1/32", 8443)),
        (" 10.0.0.0/8 ", AllowEntry("10.0.0.0/8")),
        ("::1/128:8080", AllowEntry("::1/128", 8080)),
        ("FD00::/8", AllowEntry("fd00::/8")),
        ("10.0.0.0/8:443", AllowEntry("10.0.0.0/8", 443)),
    ],
)
def test_parse_allow(text: str, entry: AllowEntry) -> None:
    assert parse_allow(text) == entry
    assert str(ip_network(entry.cidr)) == entry.cidr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.1",
        "10.0.0.1:8443",
        "10.0.0.1/8",
        "10.0.0.0/",
        "10.0.0.0/8:",
        "10.0.0.0/8:22",
        "10.0.0.0/8:65536",
        "10.0.0.0/8:٣٣٣٣",
        "10.0.0.0/255.0.0.0",
        "example.com/32",
        "10.0.0.0/33",
        "10.0.0.0/8:8443:1",
    ],
)
def test_parse_allow_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_allow(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"deny": ("10.0.0.1/8",)},
        {"extra_ports": (22,)},
        {"extra_ports": (99999,)},
        {"contact": "a\r\nX: b"},
        {"allow": (AllowEntry("nonsense"),)},
    ],
)
def test_rules_are_checked_when_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        EgressRules(**wrong)  # type: ignore[arg-type]
