"""GET /v1/credits: what the account and this key have left."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from msgspec import UNSET, UnsetType

from imagegate.api.auth import need
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described
from imagegate.api.responses import json_answer
from imagegate.domain.accounts import Account, Key, Scope
from imagegate.domain.errors import Unauthorized
from imagegate.domain.fields import Number, said
from imagegate.domain.money import Money, money, number, rounded_credits_text
from imagegate.runtime import Runtime
from imagegate.store.accounts import balance_of


class Exact(msgspec.Struct):
    remaining: Money


class UserCredits(msgspec.Struct):
    """The account. Numbers are rounded half up to 6 decimals."""

    remaining_credits: Annotated[Number, said("Posted minus held")]
    used_credits: Number
    reserved_credits: Annotated[Number, said("Held for unfinished tasks")]
    exact: Exact


class TokenCredits(msgspec.Struct):
    """The key that asks."""

    remaining_credits: Annotated[Number, said("The account's where the key has no cap")]
    unlimited_credits: Annotated[bool, said("Whether the key has no cap of its own")]
    used_credits: Number
    daily_limit_credits: Number | UnsetType = UNSET
    daily_used_credits: Number | UnsetType = UNSET
    reset_timezone: Literal["UTC"] | UnsetType = UNSET


class Credits(msgspec.Struct):
    token: TokenCredits
    user: UserCredits


class CreditsAnswer(msgspec.Struct):
    data: Credits
    message: Literal[""] = ""
    success: Literal[True] = True


@get(
    "/v1/credits",
    opt=described(
        Operation(
            summary="What the account and this key have left",
            tag="credits",
            scope=Scope.billing_read,
            answer=CreditsAnswer,
            gives=examples.CREDITS,
        )
    ),
)
async def get_credits(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.billing_read)
    found = await runtime.db.snapshot(balance_of, key.account_id, key.id)
    if found is None:
        raise Unauthorized
    account, fresh, used = found
    rate = runtime.credits_per_usd
    return json_answer(
        CreditsAnswer(Credits(_token(account, fresh, rate, runtime.clock()), _user(account, used, rate)))
    )


def _user(account: Account, used: int, rate: int) -> UserCredits:
    return UserCredits(
        remaining_credits=_credits(account.available, rate),
        used_credits=_credits(used, rate),
        reserved_credits=_credits(account.held, rate),
        exact=Exact(money(account.available, rate)),
    )


def _token(account: Account, key: Key, rate: int, now: int) -> TokenCredits:
    left = account.available if key.cap is None else min(account.available, key.cap - key.spent - key.held)
    token = TokenCredits(_credits(left, rate), key.cap is None, _credits(key.spent, rate))
    if key.daily_cap is not None:
        token.daily_limit_credits = _credits(key.daily_cap, rate)
        token.daily_used_credits = _credits(key.spent_today(now), rate)
        token.reset_timezone = "UTC"
    return token


def _credits(nanos: int, rate: int) -> msgspec.Raw:
    return number(rounded_credits_text(nanos, rate))
