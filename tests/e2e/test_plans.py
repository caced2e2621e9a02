"""No statement of lists, views and sweeps reads a table whole that grows with the tasks.

SQLite plans by the schema alone: it has no figures of the tables, so that an empty database is enough.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest

from imagegate.domain.accounts import NewKey, Scope
from imagegate.flows.accounts import create_key, open_account
from imagegate.flows.audit import program_actor
from imagegate.flows.closing import cancel_unsent
from imagegate.flows.maintenance import delete_orphan_blobs, purge_old, reclaim_lost_tasks, sweep, wake_waiting
from imagegate.flows.webhooks.deliver import reclaim_deliveries
from imagegate.store import clock_steps, deliveries, dialect
from imagegate.store.sqlite import SqliteConnection
from imagegate.workers.thumbnail_worker import ThumbnailWorker
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
from tests.e2e.test_expiry import Installation, open_installation

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

GROWING = {
    *("tasks", "holds", "task_steps", "attempts", "assets", "entries", "deliveries", "delivery_attempts"),
    *("idempotency", "answers", "task_metadata", "starred_tasks", "refunds", "audit", "files", "task_search"),
    *("daily_sums", "daily_balances"),
}
# What has not ended, or is rare: as many rows as the gateway has work, however long it has been serving.
OF_OPEN_ROWS = {
    *("tasks_due", "tasks_deadline", "tasks_leased", "tasks_waiting", "tasks_unfinished", "tasks_of_key"),
    *("holds_open", "attempts_sending", "attempts_duplicate", "assets_without_thumbnail"),
    *("deliveries_due", "deliveries_lost", "deliveries_leased", "deliveries_waiting", "deliveries_under_way"),
}
# They end at their first row, or at the end of a page, and take them in the order of an index.
OF_ONE_PAGE = (
    "SELECT id FROM assets LIMIT 1",
    "FROM audit WHERE (created, id) < ",
    "FROM entries WHERE task_id = :id AND (account LIKE",  # of one task for operators: not yet by its refs
)
LISTS = (
    *("/v1/tasks?limit=5", "/v1/tasks?page=1", "/v1/tasks?status=completed", "/v1/tasks?status=failed"),
    *("/v1/tasks?status=pending", "/v1/tasks?q=logo", "/v1/tasks?q=lo", "/v1/tasks?model=gpt-image-2"),
    *("/v1/tasks?starred=true", "/v1/tasks?from=2026-11-01", "/v1/ledger", "/v1/ledger?type=grant"),
    *("/v1/ledger?type=charge", "/v1/ledger?type=hold", "/v1/ledger?type=release", "/v1/ledger?type=refund"),
    *("/v1/ledger?task_id={task}", "/v1/credits", "/v1/usage?group_by=day,model,key", "/v1/usage", "/v1/keys"),
    *("/v1/webhooks/deliveries", "/v1/status", "/metrics", "/api/v1/files", "/api/v1/files/quota"),
    *(
        "/v1/tasks/{task}",
        "/v1/tasks/{task}?include=request,outputs,attempts",
        "/v1/admin/accounts",
        "/v1/admin/overruns",
    ),
    *("/v1/admin/audit", "/v1/admin/margin", "/v1/admin/tasks", "/v1/admin/tasks?status=failed"),
    *("/v1/admin/tasks?q=logo", "/v1/admin/overview", "/v1/admin/routes", "/v1/admin/tasks/{task}"),
    *("/v1/admin/accounts/{account}", "/v1/webhooks/secret", "/healthz", "/readyz"),
)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Every statement that is executed from here on, with its last parameters."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("execute", "execute_nowait"):
        run = getattr(SqliteConnection, name)

        def note(self: SqliteConnection, sql: str, params: dict[str, Any], run: Any = run) -> Any:
            found[sql] = params
            return run(self, sql, params)

        monkeypatch.setattr(SqliteConnection, name, note)
    return found


async def _ask_everything(place: Installation, task: str) -> None:
    runtime, actor = place.runtime, program_actor("test")
    operator = await open_account(runtime.db, "operator", actor)
    scopes = (*NewKey(name="").scopes, Scope.admin)
    secret, _ = await create_key(runtime.db, runtime.keyring, operator.id, NewKey(name="o", scopes=scopes), actor)
    for address in LISTS:
        admin = {"Authorization": f"Bearer {secret}"} if "/admin/" in address else {}
        asked = await place.client.get(address.format(task=task, account=operator.id), headers=admin)
        assert asked.status_code == 200, (address, asked.text)


async def _sweep_everything(place: Installation) -> None:
    runtime = place.runtime
    await sweep(runtime)
    await purge_old(runtime)
    await delete_orphan_blobs(runtime)
    await reclaim_lost_tasks(runtime)
    await reclaim_deliveries(runtime)
    await wake_waiting(runtime)
    await cancel_unsent(runtime)
    await ThumbnailWorker(runtime).draw_due()
    await runtime.db.read(deliveries.list_due_hosts, "", 10)
    horizons = clock_steps.Horizons(1, 1, 1, 1, 1, 1)  # of a clock that a test turns nothing is pulled in
    await runtime.db.read_report(clock_steps.is_too_far_ahead, horizons)
    await runtime.db.write(clock_steps.pull_in, horizons)


def _find_scans(file: Path, statements: dict[str, dict[str, Any]]) -> list[str]:
    """A loop from the first row of a table or index on, or from its last, that the plan calls a scan: it has no bound.

    The plan alone names tables by what the statement calls them, which may be something else in each part of it.
    """
    found = []
    db = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    schema = list(db.execute("SELECT tbl_name, name, rootpage FROM sqlite_schema"))
    trees = {root: tree for table, tree, root in schema if table in GROWING and tree not in OF_OPEN_ROWS}
    for sql, params in statements.items():
        if sql.startswith(("PRAGMA", "INSERT INTO")) or any(part in " ".join(sql.split()) for part in OF_ONE_PAGE):
            continue
        text = dialect.sqlite_sql(sql)
        scans = [step for *_, step in db.execute(f"EXPLAIN QUERY PLAN {text}", params) if step.startswith("SCAN ")]
        opened: dict[int, str] = {}
        for _, instruction, cursor, root, *_ in db.execute(f"EXPLAIN {text}", params):
            if instruction in ("OpenRead", "OpenWrite", "ReopenIdx"):
                opened[cursor] = trees.get(root, "")
            elif instruction in ("Rewind", "Last") and (tree := opened.get(cursor)):
                index = f" INDEX {tree}"
                if tree in GROWING or any(scan.endswith(index) for scan in scans):
                    found.append(f"{tree}: {' '.join(sql.split())}")
    db.close()
    return found


def test_nothing_reads_a_growing_table_whole(tmp_path: Path, statements: dict[str, dict[str, Any]]) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            task = parse_response(await place.client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
            await _ask_everything(place, task["id"])
            for days in (0, 2, 40):
                place.clock.now += days * 86_400_000_000
                await _sweep_everything(place)

    asyncio.run(scenario())
    assert len(statements) > 150, "those of nearly all that reads or sweeps"
    assert _find_scans(tmp_path / "imagegate.db", statements) == []
