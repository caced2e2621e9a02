"""`imagegate accounts`, `margin` and `audit`: what an operator asks of all accounts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from imagegate.cli.accounts import find_account
from imagegate.cli.database import run_on_database
from imagegate.cli.options import json_option, with_settings
from imagegate.domain.accounts import Account
from imagegate.domain.audit import Action, AuditEntry
from imagegate.domain.money import Money, format_credits_for_people, format_usd_for_people
from imagegate.domain.time import format_utc, utc_date
from imagegate.flows.audit import command_line_actor, write_act
from imagegate.flows.views.accounts import account_view, audit_view
from imagegate.flows.views.margin import (
    DEFAULT_MARGIN_DAYS,
    MAX_MARGIN_DAYS,
    MarginRow,
    MarginView,
    margin_days,
    margin_view,
)
from imagegate.settings import Settings
from imagegate.store import accounts, acts
from imagegate.store.acts import ClosingChanged
from imagegate.store.api_keys import count_live_keys
from imagegate.store.audit import list_audit_page
from imagegate.store.database import Database
from imagegate.store.dialect import wall_clock
from imagegate.store.queries.margin import sum_margin

_MAX_AUDIT_ROWS = 1000


@click.group("accounts")
def account_group() -> None:
    """List, show, close and reopen accounts."""


@account_group.command("list")
@json_option
@with_settings
def list_all(settings: Settings, as_json: bool) -> None:
    """List every account with its balance, by name."""

    async def work(db: Database) -> tuple[list[Account], Mapping[str, int]]:
        return await db.read_report(accounts.list_accounts), await db.read_report(count_live_keys)

    found, keys = run_on_database(settings, work)
    rows = [_account_row(settings, one, keys) for one in found]
    if as_json:
        click.echo(json.dumps(rows))
        return
    table = [
        (
            row["name"],
            _credits(settings, one.available),
            _credits(settings, one.held),
            str(row["live_keys"]),
            str(one.unfinished),
            utc_date(one.created),
            "" if one.closed is None else utc_date(one.closed),
        )
        for one, row in zip(found, rows, strict=True)
    ]
    _print_table(("account", "credits", "held", "keys", "unfinished", "since", "closed"), table, numbers=range(1, 5))


@account_group.command("show")
@click.argument("name")
@json_option
@with_settings
def show(settings: Settings, name: str, as_json: bool) -> None:
    """Show one account."""

    async def work(db: Database) -> tuple[Account, Mapping[str, int]]:
        return await find_account(db, name), await db.read_report(count_live_keys)

    _print_account(settings, *run_on_database(settings, work), as_json)


@account_group.command("close")
@click.argument("name")
@json_option
@with_settings
def close(settings: Settings, name: str, as_json: bool) -> None:
    """Close an account: its keys end, and what was not sent is cancelled.

    Page sessions and upload links end with the keys. Tasks that were sent finish, are charged and delivered. The
    balance stays. A running gateway cancels the others within seconds; where none runs, the next start does.
    """

    async def work(db: Database) -> tuple[ClosingChanged, Mapping[str, int]]:
        account = await find_account(db, name)
        changed = await write_act(db, acts.close_account, account.id, command_line_actor())
        assert changed is not None  # no account is ever deleted
        return changed, await db.read_report(count_live_keys)

    changed, keys = run_on_database(settings, work)
    if not as_json:
        ended = f"; {_count(changed.ended_keys, 'key')} ended" if changed.changed else ""
        click.echo(f"{name} {'is' if changed.changed else 'was already'} closed{ended}")
    _print_account(settings, changed.account, keys, as_json)


@account_group.command("reopen")
@click.argument("name")
@json_option
@with_settings
def reopen(settings: Settings, name: str, as_json: bool) -> None:
    """Reopen a closed account. The keys that its closing ended stay ended; make a new one."""

    async def work(db: Database) -> tuple[ClosingChanged, Mapping[str, int]]:
        account = await find_account(db, name)
        changed = await write_act(db, acts.reopen_account, account.id, command_line_actor())
        assert changed is not None
        return changed, await db.read_report(count_live_keys)

    changed, keys = run_on_database(settings, work)
    if not as_json:
        again = shlex.join(("imagegate", "keys", "create", "--account", name))
        opened = f"{name} is open again; its keys stay ended, make a new one with: {again}"
        click.echo(opened if changed.changed else f"{name} was not closed")
    _print_account(settings, changed.account, keys, as_json)


def _account_row(settings: Settings, account: Account, live_keys: Mapping[str, int]) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(account_view(account, settings.credit.credits_per_usd))
    return {**row, "live_keys": live_keys.get(account.id, 0)}


def _print_account(settings: Settings, account: Account, live_keys: Mapping[str, int], as_json: bool) -> None:
    row = _account_row(settings, account, live_keys)
    if as_json:
        click.echo(json.dumps(row))
        return
    facts = {
        "account": f"{account.name} ({account.id})",
        "balance": f"{_credits(settings, account.available)} credits (${format_usd_for_people(account.available)})",
        "held": f"{_credits(settings, account.held)} credits",
        "live keys": str(row["live_keys"]),
        "unfinished": _count(account.unfinished, "task"),
        "since": format_utc(account.created),
        "closed": "no" if account.closed is None else f"since {format_utc(account.closed)}",
    }
    for name, value in facts.items():
        click.echo(f"{name:<12}{value}")


@click.command()
@click.option(
    "--days",
    type=click.IntRange(1, MAX_MARGIN_DAYS),
    default=DEFAULT_MARGIN_DAYS,
    show_default=True,
    help="The last N days (UTC), today included.",
)
@json_option
@with_settings
def margin(settings: Settings, days: int, as_json: bool) -> None:
    """Show revenue, cost and margin by model and by route, in USD."""

    async def work(db: Database) -> MarginView:
        asked = margin_days(wall_clock(), days)
        return margin_view(await db.read_report(sum_margin, *asked), asked, settings.credit.credits_per_usd)

    found = run_on_database(settings, work)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    click.echo(f"USD, {found.first_day} to {found.last_day} (UTC)")
    head = ("", *MarginRow.__struct_fields__)
    models = [_margin_row(f"model {one.model}", one) for one in found.models]
    routes = [_margin_row(f"route {one.route}" if one.route else "routes of purged tasks", one) for one in found.routes]
    _print_table(head, [*models, *routes, _margin_row("total", found.total)], numbers=range(1, len(head)))


def _margin_row(name: str, row: MarginRow) -> tuple[str, ...]:
    amounts: list[Money] = [getattr(row, field) for field in MarginRow.__struct_fields__]
    return (name, *(format_usd_for_people(int(amount.nanos)) for amount in amounts))


@click.command()
@click.option("--account", metavar="NAME", help="Only acts on this account.")
@click.option(
    "--action", type=click.Choice([one.value for one in Action]), metavar="ACTION", help="Only acts of this kind."
)
@click.option(
    "--limit", type=click.IntRange(1, _MAX_AUDIT_ROWS), default=50, show_default=True, help="The newest N acts."
)
@json_option
@with_settings
def audit(settings: Settings, account: str | None, action: str | None, limit: int, as_json: bool) -> None:
    """Show who did what, newest first: acts of operators, and on accounts, keys, credits, secrets and routes."""

    async def work(db: Database) -> tuple[list[AuditEntry], dict[str, str]]:
        account_id = "" if account is None else (await find_account(db, account)).id
        page = await db.read_report(list_audit_page, None, limit, account_id, action or "")
        concerned = [await db.read(accounts.find_account, one) for one in {row.account_id for row in page.rows}]
        return page.rows, {one.id: one.name for one in concerned if one is not None}

    rows, names = run_on_database(settings, work)
    if as_json:
        click.echo(msgspec.json.encode([audit_view(row) for row in rows]).decode())
        return
    for row in rows:
        click.echo("  ".join(filter(None, _audit_parts(settings, row, names))))
    if not rows:
        click.echo("nothing was recorded")


def _audit_parts(settings: Settings, row: AuditEntry, names: Mapping[str, str]) -> tuple[str, ...]:
    """When, what, on what, by whom, from where, and what changed."""
    on = [names.get(row.account_id, row.account_id)] if row.account_id else []
    on += [row.target] if row.target not in ("", row.account_id) else []
    before, after = row.before or {}, row.after or {}
    changes = (
        f"{name}: {_shown(settings, name, before.get(name))} -> {_shown(settings, name, after.get(name))}"
        if name in before
        else f"{name}: {_shown(settings, name, after[name])}"
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    )
    by = " ".join(filter(None, (row.actor or row.via, row.address and f"({row.address})")))
    times = f"{row.times} times" if row.times > 1 else ""
    return format_utc(row.created), f"{row.action:<21}", " ".join(on) or "-", f"by {by}", times, ", ".join(changes)


_AMOUNTS = {"posted", "amount", "cap", "daily_cap", "in_flight_cap"}
_MOMENTS = {"closed", "disabled", "expires"}


def _shown(settings: Settings, name: str, value: Any) -> str:
    """Amounts in credits and times as people read them; the rows have nanos and microseconds."""
    if value is None:
        return "-"
    if name in _AMOUNTS and isinstance(value, int):
        return f"{_credits(settings, value)} credits"
    if name in _MOMENTS and isinstance(value, int):
        return format_utc(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _credits(settings: Settings, nanos: int) -> str:
    return format_credits_for_people(nanos, settings.credit.credits_per_usd)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], numbers: range) -> None:
    """Columns as wide as what they hold; those of numbers are aligned at the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = (
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(cells).rstrip())
