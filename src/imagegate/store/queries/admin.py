"""What an operator asks: all accounts, grants under a ref of their own, and charges that were cut at their hold.

Every function here crosses accounts: only callers that require the scope `admin` may use them.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.accounts import Account
from imagegate.domain.money import MAX_NANOS
from imagegate.domain.pages import NEWEST, Page, Position, paged
from imagegate.store import accounts, ledger
from imagegate.store.ledger import GrantPosted, GrantRefused
from imagegate.store.queries.task_filter import substring_pattern
from imagegate.store.transaction import Tx


class GrantEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The entry of a grant. `replayed`: it was posted before this call."""

    id: str
    account_id: str
    amount: int
    available: int
    actor: str
    created: int
    replayed: bool


class GrantConflict(msgspec.Struct, frozen=True):
    """The ref belongs to another account or another amount."""


class NoSuchAccount(msgspec.Struct, frozen=True):
    """There is no such account."""


class Overrun(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement whose price was above its hold: the customer paid `charged`, the operator bears `overrun`."""

    id: str
    task_id: str
    account_id: str
    created: int
    charged: int
    overrun: int


class AccountName(msgspec.Struct, frozen=True, array_like=True):
    """The position of an account in the list of all accounts."""

    name: str


def grant_once(
    tx: Tx, account_id: str, amount: int, ref: str, actor: str
) -> GrantEntry | GrantRefused | GrantConflict | NoSuchAccount:
    """Grant under a ref that the caller chose: the same call again changes nothing and finds its entry."""
    account = accounts.find_account(tx, account_id)
    if account is None:
        return NoSuchAccount()
    before = tx.fetch_one("SELECT ref FROM entries WHERE ref = :ref", {"ref": ref})
    if before is None and abs(account.posted + amount) > MAX_NANOS:
        return GrantRefused()
    match ledger.grant(tx, account_id, amount, ref, actor):
        case GrantRefused() as refused:
            return refused
        case GrantPosted():
            return _find_grant(tx, account_id, amount, ref, replayed=before is not None)


def _find_grant(tx: Tx, account_id: str, amount: int, ref: str, *, replayed: bool) -> GrantEntry | GrantConflict:
    row = tx.fetch_one(
        """SELECT e.id, e.account AS account_id, e.amount, a.posted - a.held AS available, e.actor, e.created
        FROM entries e JOIN accounts a ON a.id = e.account
        WHERE e.ref = :ref AND e.account = :account_id AND e.amount = :amount""",
        {"ref": ref, "account_id": account_id, "amount": amount},
    )
    return GrantEntry(**row, replayed=replayed) if row else GrantConflict()


def list_accounts_page(tx: Tx, after: AccountName | None, limit: int, q: str) -> Page[Account, AccountName]:
    """By name, from the one after `after`; with `q` those that have it in their name, or as their id."""
    matches = "AND (LOWER(name) LIKE LOWER(:pattern) ESCAPE '!' OR id = :q)" if q else ""
    rows = tx.fetch_structs(
        Account,
        f"SELECT * FROM accounts WHERE name > :after {matches} ORDER BY name LIMIT :limit",
        {"after": after.name if after else "", "limit": limit + 1, "q": q, "pattern": substring_pattern(q)},
    )
    return paged(rows, limit, lambda account: AccountName(account.name))


def list_overruns_page(tx: Tx, before: Position | None, limit: int) -> Page[Overrun, Position]:
    """Newest first, from the one after `before`."""
    rows = tx.fetch_structs(
        Overrun,
        """SELECT o.id, o.task_id, c.account AS account_id, o.created, -c.amount AS charged, -o.amount AS overrun
        FROM entries o JOIN entries c ON c.ref = o.ref AND c.account NOT IN ('sys:overrun', 'sys:revenue')
        WHERE o.account = 'sys:overrun' AND (o.created, o.id) < (:created, :id)
        ORDER BY o.created DESC, o.id DESC LIMIT :limit""",
        {"limit": limit + 1} | msgspec.structs.asdict(before or NEWEST),
    )
    return paged(rows, limit, lambda overrun: Position(overrun.created, overrun.id))
