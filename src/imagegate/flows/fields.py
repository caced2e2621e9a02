"""What people may give for a key, an account and an amount: one set of rules for the API and the command line.

`field` is how the caller calls it: a field of a body, or an option. Each message begins with it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from imagegate.catalog.catalog import Catalog
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.money import Nanos, parse_credits
from imagegate.domain.texts import is_name, is_reason, name_rule, reason_rule

_MAX_MESSAGE = 300


def check_name(field: str, text: str) -> str:
    if not is_name(text):
        raise InvalidRequest(f"{field} {name_rule()}", param=field)
    return text


def check_reason(field: str, text: str) -> str:
    if not is_reason(text):
        raise InvalidRequest(f"{field} {reason_rule()}", param=field)
    return text


def check_models(field: str, names: Sequence[str], catalog: Catalog) -> tuple[str, ...]:
    """Each once."""
    for index, name in enumerate(names):
        if catalog.find(name) is None:
            raise InvalidRequest(f"{field}[{index}] is not a known model", param=f"{field}[{index}]")
    return tuple(dict.fromkeys(names))


def check_network(field: str, text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        message = f"{field} must be an address or a network such as 192.0.2.7 or 2001:db8::/32"
        raise InvalidRequest(message, param=field) from error


def check_expiry(field: str, moment_us: int, now_us: int, kind: str) -> int:
    """`kind`: in what the moment was given."""
    if moment_us <= now_us:
        raise InvalidRequest(f"{field} must be a future {kind}", param=field)
    return moment_us


def parse_cap(field: str, amount: str | int, credits_per_usd: int) -> Nanos:
    nanos = _parse_credits(field, amount, credits_per_usd)
    if nanos < 0:
        raise InvalidRequest(f"{field} must not be negative", param=field)
    return nanos


def parse_grant(field: str, amount: str | int, credits_per_usd: int) -> Nanos:
    """Below 0 it takes credits back."""
    nanos = _parse_credits(field, amount, credits_per_usd)
    if nanos == 0:
        raise InvalidRequest(f"{field} must not be 0", param=field)
    return nanos


def _parse_credits(field: str, amount: str | int, credits_per_usd: int) -> Nanos:
    try:
        return parse_credits(str(amount), credits_per_usd)
    except ValueError as error:
        text = str(error) if field == "credits" else f"{field}: {error}"
        raise InvalidRequest(text[:_MAX_MESSAGE], param=field) from error
