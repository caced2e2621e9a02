"""Settlement: how a task ends, completed or failed, with all that becomes true with it in one commit.

Knows: the task, its hold, ledger, assets, attempts and webhook. Refuses to know: what a result costs and why.
"""

from __future__ import annotations

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain.errors import TaskError
from imagegate.domain.tasks import ImageResult
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage, UsageSource
from imagegate.store import accounts, assets, deliveries, ledger
from imagegate.store.attempts import close_open_attempts
from imagegate.store.deliveries import RenderWebhook
from imagegate.store.tasks import SELECT_TASK, UNFINISHED_STATES, Done, LostLease, record_step, task_from_row
from imagegate.store.transaction import Tx


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that makes a task completed. `price` may exceed `charge`: the rest is the operator's overrun."""

    charge: int
    price: int
    usage: Usage
    usage_source: UsageSource
    engine: str | None
    results: tuple[ImageResult, ...]
    thumbnail: assets.NewAsset | None = None
    thumbnail_retention_us: int = 0
    assets: tuple[assets.NewAsset, ...]
    retention_us: int
    commit_id: str


def complete_task(
    tx: Tx, account_id: str, task_id: str, claim_no: int, settlement: Settlement, render: RenderWebhook
) -> Done | LostLease:
    """[ task done (fenced), assets, settle hold, entries, webhook ]: all or none. Results live `retention_us` from
    now, the
    thumbnail `thumbnail_retention_us`."""
    expires = _floor_to_second(tx.now + settlement.retention_us)
    thumbnail_expires = _floor_to_second(tx.now + settlement.thumbnail_retention_us) if settlement.thumbnail else None
    rows = tx.fetch_all(
        f"""UPDATE tasks SET state = 'completed', progress = 100, ended = :ended, charge = :charge,
            usage_body = :usage, usage_source = :source, engine = :engine, results = :results,
            results_expire = :expire, thumbnail_expires = :thumbnail_expires, commit_id = :commit_id,
            owner = NULL, lease_until = NULL
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state IN {UNFINISHED_STATES}
            AND state <> 'queued' RETURNING callback_url""",
        id=task_id,
        account_id=account_id,
        claim_no=claim_no,
        ended=tx.now,
        charge=settlement.charge,
        usage=msgspec.json.encode(settlement.usage).decode(),
        source=str(settlement.usage_source),
        engine=settlement.engine,
        results=msgspec.json.encode(settlement.results).decode(),
        expire=expires,
        thumbnail_expires=thumbnail_expires,
        commit_id=settlement.commit_id,
    )
    if not rows:
        return _recognize_repeat(tx, account_id, task_id, settlement.commit_id)
    record_step(tx, task_id)
    _close_hold(tx, account_id, task_id, "settled", settlement.charge)
    for asset in settlement.assets:
        assets.add_asset(tx, account_id, asset, expires, settlement.commit_id)
    if settlement.thumbnail and thumbnail_expires:
        assets.add_asset(tx, account_id, settlement.thumbnail, thumbnail_expires, settlement.commit_id)
    crash_point("settle.mid")
    ledger.post_charge(tx, account_id, task_id, settlement.charge, settlement.price, settlement.commit_id)
    close_open_attempts(tx, account_id, task_id)
    assets.expire_inputs(tx, account_id, task_id)
    _enqueue_webhook(tx, account_id, task_id, rows[0]["callback_url"], settlement.commit_id, render)
    crash_point("settle.pre_commit")
    return Done()


def _floor_to_second(moment: int) -> int:
    """Links name their end in seconds."""
    return moment // US_PER_SECOND * US_PER_SECOND


def fail_task(
    tx: Tx, account_id: str, task_id: str, claim_no: int, error: TaskError, commit_id: str, render: RenderWebhook
) -> Done | LostLease:
    """[ task failed (fenced), hold released, webhook ]: nothing is charged."""
    rows = tx.fetch_all(
        f"""UPDATE tasks SET state = 'failed', ended = :now, error = :error, charge = 0, commit_id = :commit_id,
            owner = NULL, lease_until = NULL
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state IN {UNFINISHED_STATES}
        RETURNING callback_url""",
        id=task_id,
        account_id=account_id,
        claim_no=claim_no,
        now=tx.now,
        error=msgspec.json.encode(error).decode(),
        commit_id=commit_id,
    )
    if not rows:
        return _recognize_repeat(tx, account_id, task_id, commit_id)
    record_step(tx, task_id)
    _close_hold(tx, account_id, task_id, "released", 0)
    close_open_attempts(tx, account_id, task_id)
    assets.expire_inputs(tx, account_id, task_id)
    _enqueue_webhook(tx, account_id, task_id, rows[0]["callback_url"], commit_id, render)
    return Done()


def _enqueue_webhook(
    tx: Tx, account_id: str, task_id: str, url: str | None, commit_id: str, render: RenderWebhook
) -> None:
    """The webhook says what this commit makes true: `render` is given the row as it stands at the end of it."""
    if url is not None:
        task = task_from_row(
            tx.fetch_all(
                f"{SELECT_TASK} WHERE id = :id AND account_id = :account_id", id=task_id, account_id=account_id
            )[0]
        )
        deliveries.enqueue(tx, account_id, task, url, render(task), commit_id)


def _recognize_repeat(tx: Tx, account_id: str, task_id: str, commit_id: str) -> Done | LostLease:
    """A repeat after an unknown commit finds its own commit id."""
    row = tx.fetch_one(
        "SELECT commit_id FROM tasks WHERE id = :id AND account_id = :account_id", id=task_id, account_id=account_id
    )
    return Done() if row and row["commit_id"] == commit_id else LostLease()


def _close_hold(tx: Tx, account_id: str, task_id: str, state: str, charge: int) -> None:
    hold = tx.fetch_all(
        """UPDATE holds SET state = :state, closed = :now, charge = :charge
        WHERE task_id = :task_id AND account_id = :account_id AND state = 'open' RETURNING key_id, amount, day""",
        state=state,
        now=tx.now,
        charge=charge,
        task_id=task_id,
        account_id=account_id,
    )[0]
    accounts.close_hold(tx, account_id, hold["key_id"], hold["amount"], hold["day"], charge)
