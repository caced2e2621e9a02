"""Accounts and the audit log as operators see them: the same by API and on the command line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from imagegate.api_docs.schema import AccountIdText, ApiKeyText, Count, Seconds, doc
from imagegate.domain.accounts import Account
from imagegate.domain.audit import Action, AuditEntry
from imagegate.domain.money import Money, to_money
from imagegate.domain.time import US_PER_SECOND


class AccountView(msgspec.Struct, kw_only=True):
    id: AccountIdText
    object: Literal["account"] = "account"
    name: str
    available: Money
    held: Money
    unfinished_tasks: Count
    created: Seconds
    closed_at: Annotated[Seconds | None, doc("Since when it is closed; null: open")]
    key: ApiKeyText | UnsetType = UNSET


class AccountDetailView(AccountView, kw_only=True):
    used: Annotated[Money, doc("What it was charged in all, less refunds")]


class AuditView(msgspec.Struct, kw_only=True):
    """An act of an operator, or on an account, a key, a secret, credits or a route. It holds no secret.

    `before` and `after` hold what was changed: amounts in nanos, times in Unix microseconds.
    """

    id: str
    object: Literal["audit_entry"] = "audit_entry"
    created: Seconds
    action: Annotated[str, doc("What was done", enum=[*Action])]
    actor: Annotated[str, doc("Who did it: `key:<id>`, `command line`, or a part of the program; empty: nobody known")]
    via: Annotated[str, doc("How", enum=["api", "page", "command line", "program"])]
    address: Annotated[str, doc("From where: the client's address, or user and machine of a command line")]
    request_id: Annotated[str, doc("Of the response to the act; empty where there was no request")]
    account_id: Annotated[str, doc("The account concerned; empty: none")]
    target: Annotated[str, doc("The id or name of what was changed")]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    times: Annotated[int, doc("Refused sign-ins of an address within a minute are one entry")]


def account_view(account: Account, credits_per_usd: int) -> AccountView:
    return AccountView(**_fields(account, credits_per_usd))


def account_detail_view(account: Account, used: int, credits_per_usd: int) -> AccountDetailView:
    return AccountDetailView(**_fields(account, credits_per_usd), used=to_money(used, credits_per_usd))


def _fields(account: Account, credits_per_usd: int) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "available": to_money(account.available, credits_per_usd),
        "held": to_money(account.held, credits_per_usd),
        "unfinished_tasks": account.unfinished,
        "created": account.created // US_PER_SECOND,
        "closed_at": None if account.closed is None else account.closed // US_PER_SECOND,
    }


def audit_view(entry: AuditEntry) -> AuditView:
    return AuditView(**msgspec.structs.asdict(entry) | {"created": entry.created // US_PER_SECOND})
