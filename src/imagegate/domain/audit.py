"""What is recorded of an act: of an operator, or on accounts, keys, secrets, credits and routes."""

from __future__ import annotations

import enum
from typing import Any, Literal

import msgspec

Via = Literal["api", "page", "command line", "program"]


class Action(enum.StrEnum):
    account_create = "account.create"
    account_close = "account.close"
    account_reopen = "account.reopen"
    credits_grant = "credits.grant"
    credits_refund = "credits.refund"
    key_create = "key.create"
    key_change = "key.change"
    key_disable = "key.disable"
    key_enable = "key.enable"
    key_delete = "key.delete"
    task_delete = "task.delete"
    secret_rotate = "webhook_secret.rotate"  # noqa: S105  the name of an act
    route_reset = "route.reset"
    routes_reload = "routes.reload"
    secret_accept = "secret.accept"  # noqa: S105  the name of an act
    installation_secret_rotate = "secret.rotate"  # noqa: S105  the name of an act
    ledger_archive = "ledger.archive"
    sign_in_failed = "sign_in.failed"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, and from where. `name` is `key:<id>`, or what acts without a key; `address` is that of the client, or
    the user and machine of a command line."""

    name: str
    via: Via
    address: str = ""
    request_id: str = ""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`before` and `after` hold what was changed, or None; never a secret."""

    id: str
    created: int
    action: str
    actor: str
    via: str
    address: str
    request_id: str
    account_id: str
    target: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    times: int = 1
