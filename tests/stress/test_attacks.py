"""The attacks by lookups and by sockets at the size at which they stopped the gateway."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.attacks import HALF_A_HEAD, attack_lookups, attack_with_sockets, soft_file_limit
from tests.support.file_server import FileServer, send_bytes
from tests.support.gateway import StandaloneGateway
from tests.support.image_files import PNG
from tests.support.name_server import NameServer
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator


@pytest.mark.gate
@pytest.mark.parametrize("is_limited", [True, False], ids=["default limits", "without limits"])
def test_300_silent_name_servers(
    is_limited: bool, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with (
        FileServer() as server,
        Simulator() as sim,
        NameServer(files_example="127.0.0.1", upstream_example="127.0.0.1") as names,
    ):
        reference = server.serve("/cat.png", send_bytes(PNG)).replace("127.0.0.1", "files.example")
        rows = [upstream_config("one", f"http://upstream.example:{sim.port}/v1"), route_config("one", "0.01")]
        env = {"IMAGEGATE_DNS_SERVERS": names.address}
        env |= {} if is_limited else {"IMAGEGATE_WEBHOOK_SENDS_PER_MINUTE": "0"}
        options = ("--egress-allow", server.egress_allow)
        with RoutedGateway(tmp_path / "data", *rows, options=options, env=env) as gateway:
            figures = attack_lookups(gateway, gateway.new_key("attacker", "0"), 300, 10, reference)
            assert gateway.stop(timeout_s=30) == 0
    record_property("figures", figures)
    assert (figures.tests_refused > 0) == is_limited
    assert (figures.completed, figures.uploaded) == (10, 10)


@pytest.mark.gate
@pytest.mark.parametrize(("count", "first"), [(1_100, b""), (300, HALF_A_HEAD)], ids=["idle", "half a head"])
def test_sockets_at_the_usual_file_limit(
    count: int, first: bytes, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    gateway = StandaloneGateway(tmp_path / "data")
    with soft_file_limit(1024):
        gateway.start()
    try:
        figures = attack_with_sockets(gateway, count, first, watch_s=60, until_ended=count)
    finally:
        gateway.stop()
    record_property("figures", figures)
    assert figures.opened == figures.ended == count
    assert figures.unanswered == 0
    assert any('"connections_ended"' in line for line in gateway.output)
