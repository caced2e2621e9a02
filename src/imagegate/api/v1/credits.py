"""GET /v1/credits: the balance of the account and of this key."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import get
from imagegate.api_docs.schema import Number, doc
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import Unauthorized
from imagegate.domain.money import Money, format_rounded_credits, json_number, to_money
from imagegate.runtime import Runtime
from imagegate.store.accounts import load_balance


class Exact(msgspec.Struct):
    remaining: Money


class UserCredits(msgspec.Struct):
    """The account. Numbers are rounded half up to 6 decimals."""

    remaining_credits: Annotated[Number, doc("Posted minus held")]
    used_credits: Number
    reserved_credits: Annotated[Number, doc("Held for unfinished tasks")]
    exact: Exact


class TokenCredits(msgspec.Struct):
    """The calling key."""

    remaining_credits: Annotated[Number, doc("The account's if the key has no cap")]
    unlimited_credits: Annotated[bool, doc("Whether the key has no cap of its own")]
    used_credits: Number
    daily_limit_credits: Number | UnsetType = UNSET
    daily_used_credits: Number | UnsetType = UNSET
    reset_timezone: Literal["UTC"] | UnsetType = UNSET


class Credits(msgspec.Struct):
    token: TokenCredits
    user: UserCredits


class CreditsResponse(msgspec.Struct):
    data: Credits
    message: Literal[""] = ""
    success: Literal[True] = True


@get(
    "/v1/credits",
    summary="What the account and this key have left",
    tag="credits",
    scope=Scope.billing_read,
    response_example=examples.CREDITS,
)
async def get_credits(runtime: Runtime, key: ApiKey) -> CreditsResponse:
    # In the account's places for lists: it sums all that the account was ever charged.
    found = await runtime.db.read_list(key.account_id, load_balance, key.account_id, key.id)
    if found is None:
        raise Unauthorized
    account, current_key, used = found
    rate = runtime.credits_per_usd

    def number(nanos: int) -> msgspec.Raw:
        return json_number(format_rounded_credits(nanos, rate))

    user = UserCredits(
        remaining_credits=number(account.available),
        used_credits=number(used),
        reserved_credits=number(account.held),
        exact=Exact(to_money(account.available, rate)),
    )
    left, cap = account.available, current_key.cap
    left = left if cap is None else min(left, cap - current_key.spent - current_key.held)
    token = TokenCredits(number(left), cap is None, number(current_key.spent))
    if current_key.daily_cap is not None:
        token.daily_limit_credits = number(current_key.daily_cap)
        token.daily_used_credits = number(current_key.spent_today(runtime.clock()))
        token.reset_timezone = "UTC"
    return CreditsResponse(Credits(token, user))
