"""Refused keys: counted all, logged at a bounded rate."""

from __future__ import annotations

import json

import pytest

from imagegate.logging import configure_logging
from imagegate.security.failed_logins import FailedLogins, network_of


def test_lines_are_bounded_however_many_fail(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    now = [0.0]
    failures = FailedLogins(lambda: now[0])
    for number in range(1000):
        failures.record("key", f"192.0.{number % 200}.1", "req_1")
    now[0] = 61.0
    failures.record("key", "192.0.2.1", "req_2")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert failures.totals["key"] == 1001
    assert [line["event"] for line in lines].count("login_failed") == 31
    assert [line["more"] for line in lines if line["event"] == "logins_failed"] == [970]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_counts_as_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
