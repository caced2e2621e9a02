"""Accounts, API keys and what they may spend."""

from __future__ import annotations

import enum

import msgspec

from imagegate.domain.money import Nanos
from imagegate.domain.time import US_PER_DAY

SYS_BANK = "sys:bank"
SYS_REVENUE = "sys:revenue"
SYS_OVERRUN = "sys:overrun"
SYS_UPSTREAM = "sys:upstream"
SYS_COST = "sys:upstream_cost"
SYS_WASTE = "sys:upstream_waste"


class Scope(enum.StrEnum):
    images_write = "images:write"
    tasks_read = "tasks:read"
    files_write = "files:write"
    billing_read = "billing:read"
    keys_write = "keys:write"
    admin = "admin"


CUSTOMER_SCOPES = (Scope.images_write, Scope.tasks_read, Scope.files_write, Scope.billing_read, Scope.keys_write)


class Account(msgspec.Struct, frozen=True):
    """`posted` is the sum of its ledger entries, `held` that of its open holds, both in nanos.

    `unfinished` is how many of its tasks have not ended. `closed`: since when it is closed, None while it is open; in
    UTC microseconds, as `created`.
    """

    id: str
    name: str
    posted: Nanos
    held: Nanos
    credit_line: Nanos = Nanos(0)
    unfinished: int = 0
    created: int = 0
    closed: int | None = None

    @property
    def available(self) -> int:
        return self.posted - self.held + self.credit_line


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do. A limit of None means none; times are UTC microseconds, amounts nanos.

    `ips`: addresses and networks that the key works from. `concurrent_tasks`: how many of its tasks run at the same
    time; the others wait. `in_flight_cap`: what its unfinished tasks may hold together.
    """

    name: str
    scopes: tuple[Scope, ...] = CUSTOMER_SCOPES
    models: tuple[str, ...] | None = None
    cap: Nanos | None = None
    daily_cap: Nanos | None = None
    expires: int | None = None
    ips: tuple[str, ...] | None = None
    rate_per_minute: int | None = None
    concurrent_tasks: int | None = None
    in_flight_cap: Nanos | None = None


class ApiKey(NewKey, frozen=True, kw_only=True):
    """An API key without its value. `day` counts days since 1970 in UTC, and `day_spent` belongs to it.

    `made_by`: the key of the same account that made it.
    """

    id: str
    account_id: str
    hint: str
    spent: Nanos = Nanos(0)
    held: Nanos = Nanos(0)
    day: int = 0
    day_spent: Nanos = Nanos(0)
    created: int
    disabled: int | None = None
    deleted: int | None = None
    made_by: str | None = None

    def is_active(self, now: int) -> bool:
        return self.disabled is None and (self.expires is None or now < self.expires)

    def spent_today(self, now: int) -> int:
        """Held or charged on the UTC day of `now`."""
        return self.day_spent if self.day == now // US_PER_DAY else 0

    @property
    def has_limits(self) -> bool:
        """Whether anything beyond its scopes restricts it."""
        limits = set(NewKey.__struct_fields__) - {"name", "scopes"}
        return any(getattr(self, limit) is not None for limit in limits)

    def has_scopes(self, scopes: tuple[Scope, ...]) -> bool:
        """Whether it has all of these scopes; `admin` has all."""
        return Scope.admin in self.scopes or all(one in self.scopes for one in scopes)

    def can_hold(self, amount: int, now: int) -> bool:
        """Whether the key's own limits leave room for a hold of `amount`, now or once its tasks have ended."""
        under_cap = self.cap is None or self.spent + self.held + amount <= self.cap
        under_daily_cap = self.daily_cap is None or self.spent_today(now) + amount <= self.daily_cap
        return under_cap and under_daily_cap and (self.in_flight_cap is None or amount <= self.in_flight_cap)


class LimitScope(enum.StrEnum):
    """Whose limit refused a hold."""

    account = "account"
    key = "key"
    key_daily = "key_daily"


class EntryKind(enum.StrEnum):
    grant = "grant"
    charge = "charge"
    refund = "refund"
    adjustment = "adjustment"
    overrun = "overrun"
    cost = "cost"
    waste = "waste"
