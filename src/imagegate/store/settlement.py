"""Settlement: how a task ends, completed or failed, with all that becomes true with it in one commit.

Knows: the task, its hold, ledger, assets, attempts and webhook. Refuses to know: what a result costs and why.
"""

from __future__ import annotations

import msgspec

from imagegate.crash_points import point
from imagegate.domain.errors import TaskError
from imagegate.domain.money import PER_MILLION
from imagegate.domain.tasks import Result
from imagegate.domain.usage import Usage, UsageSource
from imagegate.store import accounts, assets, deliveries, ledger
from imagegate.store.attempts import close_attempts
from imagegate.store.deliveries import Render
from imagegate.store.tasks import TASK, UNFINISHED, Done, LostLease, step, task_of
from imagegate.store.transaction import Tx


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that makes a task completed. `price` may exceed `charge`: the rest is the operator's overrun."""

    charge: int
    price: int
    usage: Usage
    usage_source: UsageSource
    engine: str | None
    results: tuple[Result, ...]
    thumbnail: assets.NewAsset | None = None
    keep_thumbnail_us: int = 0
    assets: tuple[assets.NewAsset, ...]
    keep_us: int
    commit_id: str


def complete_task(
    tx: Tx, account_id: str, task_id: str, claim_no: int, done: Settlement, render: Render
) -> Done | LostLease:
    """[ task done (fenced), assets, settle hold, entries, webhook ]: all or none. Results live `keep_us` from now, the
    thumbnail `keep_thumbnail_us`."""
    expires = _whole_second(tx.now + done.keep_us)
    thumbnail_expires = _whole_second(tx.now + done.keep_thumbnail_us) if done.thumbnail else None
    ended = tx.all(
        f"""UPDATE tasks SET state = 'completed', progress = 100, ended = :ended, charge = :charge,
            usage_body = :usage, usage_source = :source, engine = :engine, results = :results,
            results_expire = :expire, thumbnail_expires = :thumbnail_expires, commit_id = :commit_id,
            owner = NULL, lease_until = NULL
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state IN {UNFINISHED}
            AND state <> 'queued' RETURNING callback_url""",
        id=task_id,
        account_id=account_id,
        claim_no=claim_no,
        ended=tx.now,
        charge=done.charge,
        usage=msgspec.json.encode(done.usage).decode(),
        source=str(done.usage_source),
        engine=done.engine,
        results=msgspec.json.encode(done.results).decode(),
        expire=expires,
        thumbnail_expires=thumbnail_expires,
        commit_id=done.commit_id,
    )
    if not ended:
        return _done_before(tx, account_id, task_id, done.commit_id)
    step(tx, task_id)
    _close_hold(tx, account_id, task_id, "settled", done.charge)
    for asset in done.assets:
        assets.add_asset(tx, account_id, asset, expires, done.commit_id)
    if done.thumbnail and thumbnail_expires:
        assets.add_asset(tx, account_id, done.thumbnail, thumbnail_expires, done.commit_id)
    point("settle.mid")
    ledger.book_charge(tx, account_id, task_id, done.charge, done.price, done.commit_id)
    close_attempts(tx, account_id, task_id)
    assets.end_inputs(tx, account_id, task_id)
    _tell(tx, account_id, task_id, ended[0]["callback_url"], done.commit_id, render)
    point("settle.pre_commit")
    return Done()


def _whole_second(moment: int) -> int:
    """Links name their end in seconds."""
    return moment // PER_MILLION * PER_MILLION


def fail_task(
    tx: Tx, account_id: str, task_id: str, claim_no: int, error: TaskError, commit_id: str, render: Render
) -> Done | LostLease:
    """[ task failed (fenced), hold released, webhook ]: nothing is charged."""
    ended = tx.all(
        f"""UPDATE tasks SET state = 'failed', ended = :now, error = :error, charge = 0, commit_id = :commit_id,
            owner = NULL, lease_until = NULL
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state IN {UNFINISHED}
        RETURNING callback_url""",
        id=task_id,
        account_id=account_id,
        claim_no=claim_no,
        now=tx.now,
        error=msgspec.json.encode(error).decode(),
        commit_id=commit_id,
    )
    if not ended:
        return _done_before(tx, account_id, task_id, commit_id)
    step(tx, task_id)
    _close_hold(tx, account_id, task_id, "released", 0)
    close_attempts(tx, account_id, task_id)
    assets.end_inputs(tx, account_id, task_id)
    _tell(tx, account_id, task_id, ended[0]["callback_url"], commit_id, render)
    return Done()


def _tell(tx: Tx, account_id: str, task_id: str, url: str | None, commit_id: str, render: Render) -> None:
    """The webhook says what this commit makes true: `render` is given the row as it stands at the end of it."""
    if url is not None:
        task = task_of(
            tx.all(f"{TASK} WHERE id = :id AND account_id = :account_id", id=task_id, account_id=account_id)[0]
        )
        deliveries.tell(tx, account_id, task, url, render(task), commit_id)


def _done_before(tx: Tx, account_id: str, task_id: str, commit_id: str) -> Done | LostLease:
    """A repeat after an unknown commit finds its own commit id."""
    row = tx.one(
        "SELECT commit_id FROM tasks WHERE id = :id AND account_id = :account_id", id=task_id, account_id=account_id
    )
    return Done() if row and row["commit_id"] == commit_id else LostLease()


def _close_hold(tx: Tx, account_id: str, task_id: str, state: str, charge: int) -> None:
    hold = tx.all(
        """UPDATE holds SET state = :state, closed = :now, charge = :charge
        WHERE task_id = :task_id AND account_id = :account_id AND state = 'open' RETURNING key_id, amount, day""",
        state=state,
        now=tx.now,
        charge=charge,
        task_id=task_id,
        account_id=account_id,
    )[0]
    accounts.close_hold(tx, account_id, hold["key_id"], hold["amount"], hold["day"], charge)
