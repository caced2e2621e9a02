"""The program that serves a database that was built, and what is known of the rows in it."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
from dataclasses import dataclass

import psutil
from tests.support.gateway import free_port
from tests.support.routed_gateway import route_config, upstream_config

from bench.growth.place import Place
from bench.growth.rows import BIG, MODELS, SMALL
from bench.processes import GATEWAY_CORE, Server, tree

MAX_START_S = 1200


class Gateway(Server):
    """It does everything in the background, and has a place for one task: with an upstream that never answers, which
    is what it has without `base_url`, all others wait."""

    start_timeout_s = MAX_START_S

    def __init__(self, place: Place, *, base_url: str = "", settings: dict[str, int] | None = None) -> None:
        self._silent = socket.create_server(("127.0.0.1", 0))
        silent = f"http://127.0.0.1:{self._silent.getsockname()[1]}/v1"
        config = place.folder / "gateway.toml"
        upstreams = "".join(upstream_config(name, base_url or silent) for name in ("stand-in", "second"))
        config.write_text(upstreams + "".join(route_config("stand-in", model=model) for model, _ in MODELS))
        self.origin = f"http://127.0.0.1:{free_port()}"
        command = place.command("serve", "--port", self.origin.rpartition(":")[2], "--config", str(config))
        one_place = {} if base_url else {"workers": 1, "drain_s": 1}
        many = {"unfinished_per_account": 1_000_000, "unfinished_total": 1_000_000}  # what was created before waits
        environment = place.environment(**{"task_days": 3650, **many, **one_place, **(settings or {})})
        super().__init__(command, f"{self.origin}/healthz", place.folder / "log", core=GATEWAY_CORE, env=environment)

    def stop(self) -> None:
        super().stop()
        self._silent.close()

    def kill(self) -> None:
        """Like the kernel when memory is out: nothing is closed."""
        for process in tree(self.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.stop()


@dataclass(frozen=True)
class Owner:
    """An account, and some of its tasks by how many are newer."""

    name: str
    key: str
    tasks: int
    newest: str
    oldest: str
    some: tuple[str, ...]
    depths: dict[int, tuple[int, str]]  # creation and id of the task behind so many
    deep_delivery: str

    def task_cursor(self, depth: int) -> str:
        return _cursor(*self.depths[depth])

    def line_cursor(self, depth: int) -> str:
        """Of the ledger: behind the line of that task's hold."""
        created, task = self.depths[depth]
        return _cursor(created, 1, f"led_hold_{task}")


def _cursor(*position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def find_owner(place: Place, name: str) -> Owner:
    [(account,)] = place.query("SELECT id FROM accounts WHERE name = ?", name)
    [(count,)] = place.query("SELECT COUNT(*) FROM tasks WHERE account_id = ? AND deleted IS NULL", account)
    newest_first = "FROM tasks WHERE account_id = ? ORDER BY created DESC, id DESC LIMIT 1 OFFSET ?"
    # 90 % deep, and 5,000 tasks deep where there are as many.
    at = {
        depth: place.query(f"SELECT created, id {newest_first}", account, int(where * count))[0]
        for depth, where in ((90, 0.9), (50, 0.5))
    }
    at[5000] = place.query(f"SELECT created, id {newest_first}", account, min(5000, count // 2))[0]
    some = place.query(
        "SELECT id FROM tasks WHERE account_id = ? AND created >= ? AND deleted IS NULL LIMIT 50", account, at[50][0]
    )
    [(oldest,)] = place.query(
        "SELECT id FROM tasks WHERE account_id = ? AND state = 'completed' ORDER BY created, id LIMIT 1", account
    )
    deliveries = place.query(
        "SELECT id FROM deliveries WHERE account_id = ? AND created <= ? ORDER BY created DESC, id DESC LIMIT 1",
        account,
        at[90][0],
    )
    newest = place.query(
        "SELECT id FROM tasks WHERE account_id = ? AND state = 'completed' ORDER BY created DESC, id DESC LIMIT 1",
        account,
    )[0][0]
    ids = tuple(row[0] for row in some)
    delivery = deliveries[0][0] if deliveries else ""
    return Owner(name, place.keys[name], count, newest, oldest, ids, at, delivery)


def find_owners(place: Place) -> list[Owner]:
    return [find_owner(place, BIG), find_owner(place, SMALL)]
