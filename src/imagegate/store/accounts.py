"""Accounts and API keys: who may spend, and how much is held.

Knows: the two rows and the conditional updates that keep them from being overdrawn. Refuses to know: the value of a
key (only its digest comes here) and why something costs what it costs.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from imagegate.domain.accounts import Account, ApiKey, LimitScope, Scope
from imagegate.domain.money import Nanos
from imagegate.domain.pages import NEWEST, Page, Position, paged
from imagegate.domain.time import US_PER_DAY
from imagegate.store import key_concurrency
from imagegate.store.engines import Row
from imagegate.store.transaction import Tx

_KEY = """SELECT id, account_id, name, shown, scopes, models, cap, spent, held, daily_cap, day, day_spent,
    created, expires, disabled, ips, deleted, rate_per_minute, concurrent_tasks, in_flight_cap FROM api_keys"""


UPDATABLE_COLUMNS = (
    "name",
    "scopes",
    "models",
    "cap",
    "daily_cap",
    "expires",
    "ips",
    "disabled",
    "rate_per_minute",
    "concurrent_tasks",
    "in_flight_cap",
)


class HoldPlaced(msgspec.Struct, frozen=True):
    """The amount is held."""


class InsufficientCredit(msgspec.Struct, frozen=True):
    """Nothing was held: this limit leaves only `remaining` nanos."""

    scope: LimitScope
    remaining: int


class TooManyUnfinishedTasks(msgspec.Struct, frozen=True):
    """Nothing was held: the account has as many unfinished tasks as it may."""


class InFlightCapReached(msgspec.Struct, frozen=True):
    """Nothing was held: the key's unfinished tasks leave only `remaining` nanos; more when some have ended."""

    remaining: int


def open_account(tx: Tx, account_id: str, name: str) -> Account:
    """The account of this name, made now under `account_id` where there is none."""
    tx.execute(
        "INSERT INTO accounts (id, name, created) VALUES (:id, :name, :now) ON CONFLICT (name) DO NOTHING",
        id=account_id,
        name=name,
        now=tx.now,
    )
    return _account_from_row(tx.fetch_all("SELECT * FROM accounts WHERE name = :name", name=name)[0])


def find_account(tx: Tx, account_id: str) -> Account | None:
    row = tx.fetch_one("SELECT * FROM accounts WHERE id = :id", id=account_id)
    return _account_from_row(row) if row else None


def find_account_by_name(tx: Tx, name: str) -> Account | None:
    row = tx.fetch_one("SELECT * FROM accounts WHERE name = :name", name=name)
    return _account_from_row(row) if row else None


def list_accounts_with_work(tx: Tx, after: str, limit: int) -> list[str]:
    """Ids of accounts that have unfinished tasks, in order, starting behind `after`."""
    rows = tx.fetch_all(
        "SELECT id FROM accounts WHERE unfinished > 0 AND id > :after ORDER BY id LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [row["id"] for row in rows]


def create_key(tx: Tx, account_id: str, key: ApiKey, digest: str) -> ApiKey:
    tx.execute_nowait(
        """INSERT INTO api_keys (id, account_id, name, digest, shown, scopes, models, cap, daily_cap, created, expires,
            ips, rate_per_minute, concurrent_tasks, in_flight_cap)
        VALUES (:id, :account_id, :name, :digest, :shown, :scopes, :models, :cap, :daily_cap, :now, :expires, :ips,
            :rate_per_minute, :concurrent_tasks, :in_flight_cap)
        ON CONFLICT (id) DO NOTHING""",
        id=key.id,
        account_id=account_id,
        name=key.name,
        digest=digest,
        shown=key.shown,
        scopes=_to_column(key.scopes),
        models=_to_column(key.models),
        cap=key.cap,
        daily_cap=key.daily_cap,
        now=tx.now,
        expires=key.expires,
        ips=_to_column(key.ips),
        rate_per_minute=key.rate_per_minute,
        concurrent_tasks=key.concurrent_tasks,
        in_flight_cap=key.in_flight_cap,
    )
    return key


def disable_key(tx: Tx, account_id: str, key_id: str) -> bool:
    """True where such a key exists; disabling twice keeps the first moment."""
    changed = tx.execute(
        "UPDATE api_keys SET disabled = COALESCE(disabled, :now) WHERE id = :id AND account_id = :account_id",
        id=key_id,
        account_id=account_id,
        now=tx.now,
    )
    return changed == 1


def update_key(tx: Tx, account_id: str, key_id: str, changes: dict[str, Any]) -> ApiKey | None:
    """Set these columns of `UPDATABLE_COLUMNS`; the key as it is then, or None where there is no such key."""
    names = [name for name in UPDATABLE_COLUMNS if name in changes]
    if names:
        values = {name: _to_column(changes[name]) for name in names}
        tx.execute(
            f"""UPDATE api_keys SET {", ".join(f"{name} = :{name}" for name in names)}
            WHERE id = :key_id AND account_id = :account_id AND deleted IS NULL""",
            key_id=key_id,
            account_id=account_id,
            **values,
        )
    if "concurrent_tasks" in changes:
        key_concurrency.apply_new_limit(tx, account_id, key_id, changes["concurrent_tasks"])
    key = find_key(tx, account_id, key_id)
    return key if key and key.deleted is None else None


def delete_key(tx: Tx, account_id: str, key_id: str) -> bool:
    """It stops working and leaves every list; its row stays, because tasks and holds name it."""
    changed = tx.execute(
        """UPDATE api_keys SET deleted = :now, disabled = COALESCE(disabled, :now)
        WHERE id = :id AND account_id = :account_id AND deleted IS NULL""",
        id=key_id,
        account_id=account_id,
        now=tx.now,
    )
    return changed == 1


def list_keys_page(tx: Tx, account_id: str, before: Position | None, limit: int) -> Page[ApiKey, Position]:
    """The account's keys, newest first, from the one after `before`."""
    start = before or NEWEST
    rows = tx.fetch_all(
        f"""{_KEY} WHERE account_id = :account_id AND deleted IS NULL
            AND (created, id) < (:created, :id)
        ORDER BY created DESC, id DESC LIMIT :limit""",
        account_id=account_id,
        created=start.created,
        id=start.id,
        limit=limit + 1,
    )
    return paged([_key_from_row(row) for row in rows], limit, lambda key: Position(key.created, key.id))


def find_key_by_digest(tx: Tx, digest: str) -> ApiKey | None:
    """The way in: whose key is this? The only look-up that starts without an account."""
    row = tx.fetch_one(f"{_KEY} WHERE digest = :digest", digest=digest)
    return _key_from_row(row) if row else None


def find_key(tx: Tx, account_id: str, key_id: str) -> ApiKey | None:
    row = tx.fetch_one(f"{_KEY} WHERE id = :id AND account_id = :account_id", id=key_id, account_id=account_id)
    return _key_from_row(row) if row else None


def list_keys(tx: Tx, account_id: str) -> list[ApiKey]:
    return [
        _key_from_row(row) for row in tx.fetch_all(f"{_KEY} WHERE account_id = :id ORDER BY created, id", id=account_id)
    ]


def list_accounts(tx: Tx) -> list[Account]:
    """For the operator."""
    return [_account_from_row(row) for row in tx.fetch_all("SELECT * FROM accounts ORDER BY name")]


def place_hold(
    tx: Tx, account_id: str, key_id: str, amount: int, max_unfinished: int
) -> HoldPlaced | InsufficientCredit | TooManyUnfinishedTasks | InFlightCapReached:
    """Hold `amount` on the key and on the account, or change nothing and say which limit is in the way."""
    if not _hold_on_key(tx, account_id, key_id, amount):
        return _explain_key_refusal(tx, account_id, key_id, amount)
    changed = tx.execute(
        """UPDATE accounts SET held = held + :amount, unfinished = unfinished + 1
        WHERE id = :id AND posted - held + credit_line >= :amount AND unfinished < :most""",
        id=account_id,
        amount=amount,
        most=max_unfinished,
    )
    if changed == 1:
        return HoldPlaced()
    _settle_on_key(tx, account_id, key_id, amount, 0, _today(tx))
    account = _account_from_row(tx.fetch_all("SELECT * FROM accounts WHERE id = :id", id=account_id)[0])
    return (
        InsufficientCredit(LimitScope.account, account.available)
        if account.available < amount
        else TooManyUnfinishedTasks()
    )


def close_hold(tx: Tx, account_id: str, key_id: str, amount: int, day: int, charge: int) -> None:
    """Give the held amount back and take the charge; `charge` is 0 for a release.

    The key's row before the account's, as when the hold was placed: who meets another never waits in a circle.
    """
    _settle_on_key(tx, account_id, key_id, amount, charge, day)
    tx.execute_nowait(
        """UPDATE accounts SET held = held - :amount, unfinished = unfinished - 1, posted = posted - :charge
        WHERE id = :id""",
        id=account_id,
        amount=amount,
        charge=charge,
    )


def reverse_charge(tx: Tx, account_id: str, key_id: str, charge: int, day: int) -> None:
    """Undo a charge: to the account, and to the caps of the key that had spent it. The key's row first, as above."""
    _settle_on_key(tx, account_id, key_id, 0, -charge, day)
    tx.execute_nowait("UPDATE accounts SET posted = posted + :charge WHERE id = :id", id=account_id, charge=charge)


def adjust_posted(tx: Tx, account_id: str, amount: int) -> bool:
    """Change the posted balance; False where that would leave less than what is held."""
    changed = tx.execute(
        "UPDATE accounts SET posted = posted + :amount WHERE id = :id AND posted + :amount - held + credit_line >= 0",
        id=account_id,
        amount=amount,
    )
    return changed == 1


def _hold_on_key(tx: Tx, account_id: str, key_id: str, amount: int) -> bool:
    changed = tx.execute(
        """UPDATE api_keys SET held = held + :amount, day = :day,
            day_spent = (CASE WHEN day = :day THEN day_spent ELSE 0 END) + :amount
        WHERE id = :id AND account_id = :account_id AND disabled IS NULL
            AND (cap IS NULL OR spent + held + :amount <= cap)
            AND (in_flight_cap IS NULL OR held + :amount <= in_flight_cap)
            AND (daily_cap IS NULL OR (CASE WHEN day = :day THEN day_spent ELSE 0 END) + :amount <= daily_cap)""",
        id=key_id,
        account_id=account_id,
        amount=amount,
        day=_today(tx),
    )
    return changed == 1


def _settle_on_key(tx: Tx, account_id: str, key_id: str, amount: int, charge: int, day: int) -> None:
    tx.execute_nowait(
        """UPDATE api_keys SET held = held - :amount, spent = spent + :charge,
            day_spent = day_spent + (CASE WHEN day = :day THEN :charge - :amount ELSE 0 END)
        WHERE id = :id AND account_id = :account_id""",
        id=key_id,
        account_id=account_id,
        amount=amount,
        charge=charge,
        day=day,
    )


def _explain_key_refusal(tx: Tx, account_id: str, key_id: str, amount: int) -> InsufficientCredit | InFlightCapReached:
    key = find_key(tx, account_id, key_id)
    if key is None or key.disabled is not None:
        return InsufficientCredit(LimitScope.key, 0)
    if key.cap is not None and key.spent + key.held + amount > key.cap:
        return InsufficientCredit(LimitScope.key, key.cap - key.spent - key.held)
    if key.daily_cap is not None and key.spent_today(tx.now) + amount > key.daily_cap:
        return InsufficientCredit(LimitScope.key_daily, key.daily_cap - key.spent_today(tx.now))
    cap = key.in_flight_cap or 0
    # What is above the limit by itself stays so however long its caller waits.
    return InsufficientCredit(LimitScope.key, cap) if amount > cap else InFlightCapReached(cap - key.held)


def _today(tx: Tx) -> int:
    """Days since 1970, UTC."""
    return tx.now // US_PER_DAY


def _account_from_row(row: Row) -> Account:
    return Account(row["id"], row["name"], Nanos(row["posted"]), Nanos(row["held"]), Nanos(row["credit_line"]))


def _key_from_row(row: Row) -> ApiKey:
    scopes = tuple(Scope(scope) for scope in json.loads(row["scopes"]))
    models = tuple(json.loads(row["models"])) if row["models"] else None
    ips = tuple(json.loads(row["ips"])) if row["ips"] else None
    return ApiKey(**{**row, "scopes": scopes, "models": models, "ips": ips})


def _to_column(value: Any) -> Any:
    """A list as the JSON text that its column holds."""
    return json.dumps(value) if isinstance(value, tuple) else value


def load_balance(tx: Tx, account_id: str, key_id: str) -> tuple[Account, ApiKey, int] | None:
    """Account, key, and what the account was charged in all less what was refunded, in nanos."""
    account, key = find_account(tx, account_id), find_key(tx, account_id, key_id)
    if account is None or key is None:
        return None
    charged = tx.fetch_int(
        "SELECT CAST(COALESCE(SUM(-amount), 0) AS BIGINT) AS used FROM entries"
        " WHERE account = :account_id AND kind IN ('charge', 'refund')",
        account_id=account_id,
    )
    return account, key, charged
