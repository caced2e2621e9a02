"""Which hosts are ours, and which requests came through a proxy."""

from __future__ import annotations

import pytest

from imagegate.security.origins import AcceptedHosts, is_forwarded


@pytest.mark.parametrize(
    ("served", "host", "accepted"),
    [
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("127.0.0.1", "[::1]:8000", True),
        ("127.0.0.1", "192.168.7.9:8000", False),
        ("192.168.7.9", "192.168.7.9:8000", True),
        ("192.168.7.9", "192.168.7.10:8000", False),
        ("0.0.0.0", "192.168.7.9:8000", True),
        ("0.0.0.0", "[fd00::1]:8000", True),
        ("::", "192.168.7.9", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", "0x7f.1", False),
        ("0.0.0.0", "1.2.3.4.evil.example", False),
        ("0.0.0.0", "", False),
        ("fd00::1", "[fd00::1]:80", True),
        ("gate.lan", "GATE.lan:8000", True),
        ("127.0.0.1", "shop.example", True),
        ("127.0.0.1", "extra.example:1", True),
    ],
)
def test_hosts_are_those_that_the_operator_named(served: str, host: str, accepted: bool) -> None:
    assert (host in AcceptedHosts(served, "https://shop.example:8443", ("extra.example",))) is accepted


@pytest.mark.parametrize(
    ("names", "forwarded"),
    [
        (["host", "accept", "sec-fetch-site", "x-requested-with", "content-type", "origin"], False),
        (["host", "x-forwarded-for"], True),
        (["x-forwarded"], True),
        (["via"], True),
        (["cf-ray"], True),
    ],
)
def test_a_forwarding_header_is_told_from_a_browsers_own(names: list[str], forwarded: bool) -> None:
    assert is_forwarded(names) is forwarded
