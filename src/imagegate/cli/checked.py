"""Values of options that the rules of HTTP apply to: where they refuse one, the command ends."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TypeVar

from imagegate.app import load_configured_catalog
from imagegate.cli.exit_codes import USAGE, Exit
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.money import Nanos
from imagegate.domain.texts import nearest
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows import fields
from imagegate.settings import Settings
from imagegate.store.dialect import wall_clock

T = TypeVar("T")


def checked(option: str, given: object, check: Callable[[str], T]) -> T:
    """What the rules that HTTP applies too make of the value of an option; where they refuse it, the command ends."""
    try:
        return check(option)
    except InvalidRequest as error:
        rule = error.message.removeprefix(error.param or option).removeprefix(":").strip()
        raise Exit(USAGE, f"imagegate: {option} is {given!r}: {rule}") from error


def parse_cap(settings: Settings, option: str, text: str | None) -> Nanos | None:
    if text is None:
        return None
    nanos = checked(option, text, lambda field: fields.parse_cap(field, text, settings.credit.credits_per_usd))
    if nanos == 0:
        raise Exit(USAGE, f"imagegate: {option} is {text!r}: must be more than 0; without the option there is no cap")
    return nanos


def parse_first_grant(settings: Settings, text: str | None) -> Nanos | None:
    """None for no grant, as 0 is."""
    if text is None or text.strip() == "0":
        return None
    nanos = checked("--credits", text, lambda field: fields.parse_grant(field, text, settings.credit.credits_per_usd))
    if nanos < 0:
        raise Exit(USAGE, f"imagegate: --credits is {text!r}: must be 0 or more; credits grant takes credits back")
    return nanos


def parse_expiry(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        example = "2027-01-31 or 2027-01-31T12:00+09:00"
        raise Exit(USAGE, f"imagegate: --expires is {text!r}: must be a date such as {example}") from error
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    expires = int(seconds * US_PER_SECOND)
    return checked("--expires", text, lambda field: fields.check_expiry(field, expires, wall_clock(), "date"))


def parse_models(settings: Settings, names: tuple[str, ...]) -> tuple[str, ...] | None:
    if not names:
        return None
    catalog = load_configured_catalog(settings)
    for name in names:
        near = nearest(name, catalog.names(), 3)
        hint = f"must be a model, such as {', '.join(near or catalog.names())}"
        try:
            fields.check_models("--model", [name], catalog)
        except InvalidRequest as error:
            raise Exit(USAGE, f"imagegate: --model is {name!r}: {hint}") from error
    return fields.check_models("--model", names, catalog)
