"""F6 in full: sixteen behaviours of an upstream (usage in three), 25 times each and all at once, then mixed."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_failover import CHEAP, Front
from tests.e2e.test_upstream_faults import (
    AT_THE_HEAD,
    KINDS,
    MOST,
    Struck,
    Tell,
    begin,
    fronted,
    mixed,
    refused,
    scripted,
    storm,
)
from tests.support.process_monitor import Vitals

EACH, AT_ONCE = 25, 25
MIXED, WAVES = 50, 4


@pytest.mark.gate
@pytest.mark.fault("F6")
@pytest.mark.timeout(3000)
def test_f6_sixteen_behaviours(tmp_path: Path, record_property: Tell) -> None:
    began, seed = time.monotonic(), random.randrange(2**32)
    total: dict[str, Struck] = {}
    with fronted(tmp_path, timeout_s=10) as front:
        with Vitals(front.gateway.pid, front.gateway.url) as vitals:
            for kind in KINDS:
                record_property(kind, until_struck(front, kind).told())
            begin(front)
            with healed(front):
                for wave in range(WAVES):
                    for kind, seen in mixed(front, MIXED, seed + wave).items():
                        add(total.setdefault(kind, Struck()), seen)
        for kind, seen in total.items():
            record_property(f"mixed, {kind}", seen.told())
        front.begin()
        with front.gateway.client() as http:
            assert http.get("/v1/credits").json()["data"]["user"]["reserved_credits"] == 0
    record_property("meanwhile", vitals.told())
    record_property("wall", f"{time.monotonic() - began:.0f} s, seed {seed}")
    assert vitals.unanswered == 0
    assert vitals.service < MOST


def until_struck(front: Front, kind: str) -> Struck:
    """A route that breaks spares the rest of its tasks: again, healed, until the fault has struck often enough."""
    seen = Struck()
    while seen.faults < EACH:
        begin(front)
        add(seen, round_of(front, kind))
    return seen


def add(seen: Struck, more: Struck) -> None:
    for name, value in more.ends.items():
        seen.ends[name] = seen.ends.get(name, 0) + value
    for field in ("faults", "tasks", "bought", "repeats", "free"):
        setattr(seen, field, getattr(seen, field) + getattr(more, field))


def round_of(front: Front, kind: str) -> Struck:
    if kind == "refuse":
        return refused(front, AT_ONCE)[kind]
    if kind in AT_THE_HEAD:
        return scripted(front, kind, AT_ONCE)[kind]
    return storm(front, [kind] * AT_ONCE)[kind]


class healed:  # noqa: N801
    """Meanwhile an operator resets the route again and again, so that calls go on meeting faults."""

    def __init__(self, front: Front) -> None:
        self._url, self._headers = front.gateway.url, dict(front.admin.headers)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._reset, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _reset(self) -> None:
        with httpx.Client(base_url=self._url, headers=self._headers, trust_env=False) as admin:
            while not self._stop.wait(0.3):
                for name in ("cheap", CHEAP):
                    admin.post("/v1/admin/routes/reset", json={"name": name}).raise_for_status()
