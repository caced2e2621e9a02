"""Settlement: the end of a task, completed or failed, with its hold, ledger, assets and webhook in one commit."""

from __future__ import annotations

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain.assets import Asset
from imagegate.domain.errors import TaskError
from imagegate.domain.tasks import ImageResult
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage, UsageSource
from imagegate.domain.webhooks import task_delivery_id
from imagegate.store import assets, deliveries, holds, ledger
from imagegate.store.attempts import AttemptEnd, AttemptEnded, EndedBefore, close_open_attempts, end_attempt
from imagegate.store.deliveries import RenderWebhook
from imagegate.store.dialect import STATE
from imagegate.store.tasks import Done, LostLease, find_task, log_step, record_step
from imagegate.store.transaction import Tx


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """How a task is completed. `charge` and `price` in nanos: what `price` exceeds it by is the operator's overrun.

    `assets` are the bytes of `results`, in their order.
    """

    charge: int
    price: int
    usage: Usage
    usage_source: UsageSource
    engine: str | None
    results: tuple[ImageResult, ...]
    assets: tuple[Asset, ...]
    retention_us: int
    thumbnail_retention_us: int = 0
    commit_id: str


class Settled(msgspec.Struct, frozen=True):
    """Whether the task was ours to complete, and what became of the record of its last attempt."""

    task: Done | LostLease
    attempt: AttemptEnded | EndedBefore | None


def settle_task(
    tx: Tx,
    account_id: str,
    task_id: str,
    claim_no: int,
    settlement: Settlement,
    last: AttemptEnd | None,
    render: RenderWebhook,
) -> Settled:
    """[ outcome of the last attempt, where it is not recorded yet; task completed (fenced), ... ] in one commit."""
    ended = end_attempt(tx, account_id, last) if last else None
    return Settled(complete_task(tx, account_id, task_id, claim_no, settlement, render), ended)


def complete_task(
    tx: Tx, account_id: str, task_id: str, claim_no: int, settlement: Settlement, render: RenderWebhook
) -> Done | LostLease:
    """[ task completed (fenced), hold settled, assets, ledger entries, webhook ]: all or none."""
    expires = _floor_to_second(tx.now + settlement.retention_us)
    has_thumbnails = any(result.thumbnail for result in settlement.results)
    thumbnail_expires = _floor_to_second(tx.now + settlement.thumbnail_retention_us) if has_thumbnails else None
    rows = tx.fetch_all(
        f"""UPDATE tasks SET state = 'completed', progress = 100, ended = :now, charge = :charge, seq = seq + 1,
            usage_body = :usage, usage_source = :source, engine = :engine, results = :results,
            results_expire = :expire, thumbnail_expires = :thumbnail_expires, commit_id = :commit_id,
            owner = NULL, lease_until = NULL
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND {STATE} = 'running'
        RETURNING callback_url""",
        msgspec.structs.asdict(settlement)
        | {
            "id": task_id,
            "account_id": account_id,
            "claim_no": claim_no,
            "usage": msgspec.json.encode(settlement.usage).decode(),
            "source": str(settlement.usage_source),
            "results": msgspec.json.encode(settlement.results).decode(),
            "expire": expires,
            "thumbnail_expires": thumbnail_expires,
        },
    )
    if not rows:
        return _recognize_repeat(tx, account_id, task_id, settlement.commit_id)
    log_step(tx, task_id)
    _close_hold(tx, account_id, task_id, "settled", settlement.charge)
    for asset, result in zip(settlement.assets, settlement.results, strict=True):
        # From here on the bytes are kept until their thumbnail is drawn or has failed.
        assets.add_asset(tx, asset, expires, settlement.commit_id, thumbnail_due=tx.now if result.thumbnail else None)
    crash_point("settle.mid")
    ledger.post_charge(tx, account_id, task_id, settlement.charge, settlement.price, settlement.commit_id)
    _finish(tx, account_id, task_id, rows[0]["callback_url"], settlement.commit_id, render)
    crash_point("settle.pre_commit")
    return Done()


def _floor_to_second(moment: int) -> int:
    """Signed links carry their expiry in whole seconds."""
    return moment // US_PER_SECOND * US_PER_SECOND


def fail_task(
    tx: Tx, account_id: str, task_id: str, claim_no: int, error: TaskError, commit_id: str, render: RenderWebhook
) -> Done | LostLease:
    """[ task failed (fenced), hold released, webhook ]: all or none; nothing is charged."""
    rows = tx.fetch_all(
        f"""UPDATE tasks SET state = 'failed', ended = :now, error = :error, charge = 0, commit_id = :commit_id,
            owner = NULL, lease_until = NULL
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND {STATE} IN ('queued', 'running')
        RETURNING callback_url""",
        {
            "id": task_id,
            "account_id": account_id,
            "claim_no": claim_no,
            "error": msgspec.json.encode(error).decode(),
            "commit_id": commit_id,
        },
    )
    if not rows:
        return _recognize_repeat(tx, account_id, task_id, commit_id)
    record_step(tx, task_id)
    _close_hold(tx, account_id, task_id, "released", 0)
    _finish(tx, account_id, task_id, rows[0]["callback_url"], commit_id, render)
    return Done()


def _finish(tx: Tx, account_id: str, task_id: str, url: str | None, commit_id: str, render: RenderWebhook) -> None:
    """[ open attempts, inputs, webhook of this commit ]: `render` gets the task as the commit leaves it."""
    close_open_attempts(tx, account_id, task_id)
    assets.expire_inputs(tx, account_id, task_id)
    if url is not None:
        task = find_task(tx, account_id, task_id)
        assert task is not None
        deliveries.add_delivery(tx, account_id, task_delivery_id(task_id), task_id, url, render(task), commit_id)


def _recognize_repeat(tx: Tx, account_id: str, task_id: str, commit_id: str) -> Done | LostLease:
    """Accept a retry of a commit whose result was lost: it finds its own commit id."""
    row = tx.fetch_one(
        "SELECT commit_id FROM tasks WHERE id = :id AND account_id = :account_id",
        {"id": task_id, "account_id": account_id},
    )
    return Done() if row and row["commit_id"] == commit_id else LostLease()


def _close_hold(tx: Tx, account_id: str, task_id: str, state: str, charge: int) -> None:
    hold = tx.fetch_all(
        f"""UPDATE holds SET state = :state, closed = :now, charge = :charge
        WHERE task_id = :task_id AND account_id = :account_id AND {STATE} = 'open' RETURNING key_id, amount, day""",
        {"state": state, "charge": charge, "task_id": task_id, "account_id": account_id},
    )[0]
    holds.close_hold(tx, account_id, hold["key_id"], hold["amount"], hold["day"], charge)
