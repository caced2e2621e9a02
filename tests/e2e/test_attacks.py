"""Whole-program attacks, small; tests/stress has them at full size. Each stopped, or opened, the gateway once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.attacks import HALF_A_HEAD, attack_through_proxy, attack_with_sockets, bare_proxy, soft_file_limit
from tests.support.gateway import Gateway, StandaloneGateway


def test_a_bare_proxy_on_this_machine_gives_the_world_no_token_and_no_key(tmp_path: Path) -> None:
    with Gateway(tmp_path / "data") as gateway, bare_proxy(gateway) as proxy:
        assert attack_through_proxy(proxy, gateway.data) == {"tokens": 0, "keys": 0, "secrets": 0}


@pytest.mark.parametrize(
    "first", [pytest.param(b"", id="idle", marks=pytest.mark.gate), pytest.param(HALF_A_HEAD, id="half a head")]
)
def test_more_sockets_than_the_soft_file_limit_stop_nobody_and_end(first: bytes, tmp_path: Path) -> None:
    gateway = StandaloneGateway(tmp_path / "data", env={"IMAGEGATE_HEAD_TIMEOUT_S": "1"})
    with soft_file_limit(256):
        gateway.start()
    try:
        figures = attack_with_sockets(gateway, 300, first, watch_s=30, until_ended=300)
    finally:
        gateway.stop()
    assert figures.opened == figures.ended == 300
    assert figures.unanswered == 0
    assert figures.answered > 0
