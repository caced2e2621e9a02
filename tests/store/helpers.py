"""Helpers of store tests: accounts, keys, tasks, attempts, settlements and files to begin with."""

from __future__ import annotations

import time
import uuid

import msgspec
import psycopg

from imagegate.catalog.routes import Route
from imagegate.domain import ids
from imagegate.domain.accounts import ApiKey
from imagegate.domain.assets import Asset, AssetKind, FileFacts, new_asset
from imagegate.domain.files import new_file_id, new_file_secret
from imagegate.domain.images import ImageOrder, Size
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Attempt, AttemptOutcome, ImageResult, Task
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND
from imagegate.domain.usage import Usage, UsageSource
from imagegate.flows.day_closing import close_day
from imagegate.store import (
    accounts,
    api_keys,
    claims,
    day_closing,
    hour_closing,
    ledger,
    prices,
    purge,
    settlement,
    tasks,
    thumbnails,
)
from imagegate.store.database import Database
from imagegate.store.files import NewFile
from imagegate.store.refunds import NewRefund
from imagegate.store.transaction import Tx

ORDER = ImageOrder("gpt-image-2", "gpt-image-2", "a fox", Size("auto", 2048, 2048, assumed=True), "low", 1)
PRICE_VERSION = "test.1"
PRICE_BODY = "{}"
PRICE_BODY_HASH = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
LEASE_US = US_PER_MINUTE


ROUTE = Route(
    name="embedded",
    model="gpt-image-2",
    upstream="embedded",
    upstream_model="gpt-image-2",
    prices={},
    max_n=10,
    max_refs=16,
    mask=True,
    transparent=True,
    size_auto=True,
    sizes=(),
    qualities=(),
    max_ref_bytes=2**30,
    on_unknown="fail",
    concurrency=0,
    rate_per_min=0,
)


class FakeClock:
    """A database clock, in UTC microseconds, that moves only when a test sets `now`."""

    def __init__(self, now: int = 1_795_000_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def new_key(account_id: str, cap: int | None = None, daily_cap: int | None = None) -> ApiKey:
    return ApiKey(
        id=f"key_{uuid.uuid4().hex}",
        account_id=account_id,
        name="test",
        hint="imk_live_test",
        cap=None if cap is None else Nanos(cap),
        daily_cap=None if daily_cap is None else Nanos(daily_cap),
        created=0,
    )


async def create_customer(
    db: Database, posted: int, name: str = "customer", cap: int | None = None, daily_cap: int | None = None
) -> tuple[str, ApiKey]:
    """An account that was granted `posted` nanos, and a key of it."""
    await db.write(prices.register_price_version, PRICE_VERSION, PRICE_BODY)
    account = await db.write(accounts.open_account, f"acc_{uuid.uuid4().hex}", name)
    key = new_key(account.id, cap, daily_cap)
    await db.write(api_keys.create_key, account.id, key, uuid.uuid4().hex)
    await db.write(ledger.grant, account.id, posted, f"grant:{uuid.uuid4().hex}", "test")
    return account.id, key


def render_webhook(task: Task) -> bytes:
    """Render a webhook as the row itself, so that any later change of it would show."""
    return msgspec.json.encode(task)


def new_task(key: ApiKey, hold: int = 1000, callback_url: str | None = None) -> tasks.NewTask:
    now = time.time_ns() // 1000
    return tasks.NewTask(
        id=ids.new_task_id(now // US_PER_SECOND),
        account_id=key.account_id,
        key_id=key.id,
        order=msgspec.structs.replace(ORDER, callback_url=callback_url),
        billing_rule="per_token",
        price_version=PRICE_VERSION,
        hold=Nanos(hold),
        created=now,
        deadline=now + US_PER_HOUR,
    )


def claim_tasks(tx: Tx, account_id: str, owner: str, lease_us: int, limit: int, spool: str = "") -> list[Task]:
    """Claim without a first call, as a worker does that has none to begin."""
    plan: claims.PlanFirstCall = lambda _, __: claims.NoFirstCall()  # noqa: E731
    claimed = claims.claim_due_tasks(tx, account_id, owner, lease_us, limit, plan, [], spool)
    return [one.task for one in claimed]


def new_attempt(task: Task) -> Attempt:
    return Attempt(
        id=f"att_{uuid.uuid4().hex}",
        task_id=task.id,
        account_id=task.account_id,
        claim_no=task.claim_no,
        route="embedded",
        outcome=AttemptOutcome.sending,
        started=0,
    )


async def draw_thumbnail(db: Database, task: Task) -> bool:
    """What drawing the thumbnail of its first result writes; False where there is nothing to be drawn."""
    undrawn = await db.read(thumbnails.find_undrawn, task.id, 0)
    if undrawn is None:
        return False
    return await db.write(thumbnails.add_thumbnail, task.account_id, undrawn, _new_asset(task, AssetKind.thumbnail))


def new_settlement(task: Task, charge: int, price: int | None = None) -> settlement.Settlement:
    asset = _new_asset(task, AssetKind.result)
    return settlement.Settlement(
        charge=charge,
        price=charge if price is None else price,
        usage=Usage(images=1, image_output=397),
        usage_source=UsageSource.formula,
        engine="embedded",
        results=(ImageResult(0, "png", "image/png", 2048, 2048, 10, thumbnail=True),),
        assets=(asset,),
        retention_us=US_PER_DAY,
        thumbnail_retention_us=30 * US_PER_DAY,
        commit_id=f"cmt_{uuid.uuid4().hex}",
    )


def _new_asset(task: Task, kind: AssetKind) -> Asset:
    facts = FileFacts("image/png", 10, "0" * 64, 2048, 2048)
    return new_asset(kind, task.account_id, task.id, facts, task.created)


def new_file(account_id: str, given_name: str | None = None, upload_path: str = "images") -> NewFile:
    name = given_name or "image.png"
    return NewFile(
        id=new_file_id(),
        secret=new_file_secret(),
        file_name=name,
        original_name=name,
        given_name=given_name,
        upload_path=upload_path,
        asset=new_asset(
            AssetKind.upload, account_id, None, FileFacts("image/png", 10, "0" * 64), 1_795_000_000_000_000
        ),
    )


def sum_entries(tx: Tx) -> int:
    """The sum of the whole ledger, which is zero."""
    return tx.fetch_int("SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS total FROM entries")


def new_refund(task_id: str, idempotency_key: str = "") -> NewRefund:
    token = uuid.uuid4().hex
    return NewRefund(
        id=f"rfd_{token}",
        task_id=task_id,
        reason="test",
        actor="test",
        idempotency_key=idempotency_key or token,
        commit_id=f"cmt_{token}",
    )


def purge_old_tasks(tx: Tx, retention_us: int, limit: int) -> int:
    """Delete up to `limit` tasks that may go, the first that ended first, as the sweep does; return how many."""
    found = purge.list_old_tasks(tx, retention_us, purge.BEGINNING, 100)
    return purge.purge_tasks(tx, retention_us, found.task_ids[:limit]) if found.task_ids else 0


def deadlocks(url: str) -> int:
    """Count deadlocks. A connection reports them when it ends, so all other ones are waited for."""
    give_up = time.monotonic() + 30
    with psycopg.connect(url, autocommit=True) as watch:
        others = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while (found := watch.execute(others).fetchone()) != (0,):
            assert time.monotonic() < give_up, found
        row = watch.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row
    return int(row[0])


async def close_hours(db: Database) -> None:
    """Close the hours that are over of today and yesterday, as the sweep does."""
    while (hour := await db.read(hour_closing.find_next_hour)) is not None:
        await db.write(hour_closing.close_hour, hour, await db.read(hour_closing.sum_hour, hour))


async def close_days(db: Database) -> None:
    """Close all days that are over, as the sweep does."""
    while (day := await db.read(day_closing.find_next_day)) is not None:
        await close_day(db, day)
