"""TSK-8: accounts take turns, so a long queue of one holds nobody else up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.helpers import CREATE, WAIT, parse_response
from tests.e2e.helpers import read_rows
from tests.support.gateway import Gateway

CROWD, PLACES = 60, 2
BODY = {
    "prompt": "a logo",
    "size": "1024x640",
    "quality": "low",
    "output_format": "jpeg",
    "output_compression": 20,
}
ENV = {"IMAGEGATE_WORKERS": str(PLACES)}


@pytest.mark.gate
def test_60_queued_tasks_of_one_account_do_not_hold_up_another(tmp_path: Path) -> None:
    """One guest account is older than the crowd's and one is younger: the order of ids may not matter."""
    with Gateway(tmp_path, env=ENV) as gateway:
        older = gateway.new_key("older guest")
        crowd = gateway.new_key("crowd")
        younger = gateway.new_key("younger guest")
        with gateway.client(crowd) as client:
            queue = [parse_response(client.post(CREATE, json=BODY))["id"] for _ in range(CROWD)]
        guests = []
        for key in (older, younger):
            with gateway.client(key) as client:
                task = parse_response(client.post(CREATE, json=BODY, headers=WAIT))
                assert task["status"] == "completed"
                guests.append(task["id"])
        assert gateway.stop() == 0
        gateway.check()
    times = _times(tmp_path)
    for guest in guests:
        created, started, ended = times[guest]
        assert started
        assert ended
        overtaken = sum(created < (times[task][1] or ended) < started for task in queue)
        assert overtaken <= PLACES, "a place that became free went to the crowd"
        behind = sum((times[task][2] or ended + 1) > ended for task in queue)
        assert behind >= CROWD // 2, "the guest ended long before the crowd's last task"


def _times(data: Path) -> dict[str, tuple[int, int | None, int | None]]:
    """Of each task: when it was created, first claimed and ended; None where that has not happened."""
    return {
        row[0]: (row[1], row[2], row[3]) for row in read_rows(data, "SELECT id, created, started, ended FROM tasks")
    }
