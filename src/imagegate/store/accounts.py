"""Accounts: who pays, and the balance that the ledger's entries have left."""

from __future__ import annotations

import msgspec

from imagegate.domain.accounts import Account, ApiKey
from imagegate.store.api_keys import find_key
from imagegate.store.daily_sums import sum_used
from imagegate.store.transaction import Tx


def open_account(tx: Tx, account_id: str, name: str) -> Account:
    """Return the account of this name, created under `account_id` where there is none."""
    tx.insert("accounts", unless_exists="name", id=account_id, name=name, created=tx.now)
    return tx.fetch_structs(Account, "SELECT * FROM accounts WHERE name = :name", {"name": name})[0]


def find_account(tx: Tx, account_id: str) -> Account | None:
    return tx.fetch_struct(Account, "SELECT * FROM accounts WHERE id = :id", {"id": account_id})


def find_account_by_name(tx: Tx, name: str) -> Account | None:
    return tx.fetch_struct(Account, "SELECT * FROM accounts WHERE name = :name", {"name": name})


def list_accounts(tx: Tx) -> list[Account]:
    """Return every account, for the operator."""
    return tx.fetch_structs(Account, "SELECT * FROM accounts ORDER BY name")


def list_names(tx: Tx, limit: int) -> list[str]:
    rows = tx.fetch_all("SELECT name FROM accounts ORDER BY created DESC LIMIT :limit", {"limit": limit})
    return [row["name"] for row in rows]


def list_accounts_with_work(tx: Tx, after: str, limit: int) -> list[str]:
    """Return ids of accounts that have unfinished tasks, in order, from the one after `after`."""
    rows = tx.fetch_all(
        "SELECT id FROM accounts WHERE unfinished > 0 AND id > :after ORDER BY id LIMIT :limit",
        {"after": after, "limit": limit},
    )
    return [row["id"] for row in rows]


def adjust_posted(tx: Tx, account_id: str, amount: int) -> bool:
    """Change the posted balance by `amount` nanos; False, and no change, where less would be left than is held."""
    changed = tx.execute(
        "UPDATE accounts SET posted = posted + :amount WHERE id = :id AND posted + :amount - held + credit_line >= 0",
        {"id": account_id, "amount": amount},
    )
    return changed == 1


def load_balance(tx: Tx, account_id: str, key_id: str) -> tuple[Account, ApiKey, int] | None:
    """Return account, key, and what the account was charged in all less refunds, in nanos."""
    account, key = find_account(tx, account_id), find_key(tx, account_id, key_id)
    if account is None or key is None:
        return None
    return account, key, sum_used(tx, account_id)


class UnfinishedCount(msgspec.Struct):
    """How many tasks of all accounts have not ended."""

    count: int


def count_unfinished(tx: Tx) -> UnfinishedCount:
    return UnfinishedCount(tx.fetch_int("SELECT COALESCE(SUM(unfinished), 0) AS n FROM accounts"))
