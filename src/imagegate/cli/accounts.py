"""`imagegate keys` and `imagegate credits`: accounts, their keys and their credits."""

from __future__ import annotations

import datetime
import json
import shlex
from typing import Any

import click
import msgspec

from imagegate.cli.checked import checked, parse_cap, parse_expiry, parse_first_grant, parse_models
from imagegate.cli.database import run_on_database
from imagegate.cli.exit_codes import FAILED, Exit
from imagegate.cli.options import GatewayOptions, gateway_options, json_of, task_id_argument, with_settings
from imagegate.domain.accounts import CUSTOMER_SCOPES, Account, ApiKey, NewKey, Scope
from imagegate.domain.errors import AccountClosed
from imagegate.domain.money import (
    format_credits,
    format_credits_for_people,
    format_for_people,
    format_usd,
    format_usd_for_people,
    to_money,
)
from imagegate.domain.texts import suggest
from imagegate.domain.time import format_utc
from imagegate.flows import fields
from imagegate.flows.accounts import create_key, grant_credits, open_account
from imagegate.flows.audit import command_line_actor, write_act
from imagegate.flows.refunds import refund as give_back
from imagegate.flows.secret_check import open_verified_keyring
from imagegate.security.rate_limit import MAX_REQUESTS_PER_MINUTE
from imagegate.settings import Settings
from imagegate.store import accounts, acts, api_keys
from imagegate.store.acts import KeysEnded, MakerEnded
from imagegate.store.database import Database
from imagegate.store.ledger import GrantRefused
from imagegate.store.refunds import AlreadyRefunded, Refund

# How many names are looked through for one that is like a name that no account has.
_MAX_NAMES = 20_000
_AMOUNTS = ("spent", "cap", "daily_cap", "in_flight_cap")  # of a key

account_option = click.option("--account", required=True, metavar="NAME", help="The name of the account.")


@click.group()
def keys() -> None:
    """Create, list, disable and delete API keys."""


@keys.command(
    "create",
    epilog="""\b
    Examples:
      imagegate keys create --account shop --credits 500 --daily-cap 100
      imagegate keys create --account ops --scope admin
    """,
)
@click.option("--account", required=True, metavar="NAME", help="The account's name; it is created if absent.")
@click.option("--credits", "granted", metavar="N", help="Grant the account N credits.")
@click.option("--name", default="key", show_default=True, help="The name of the key.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([str(scope) for scope in Scope]),
    help="What the key may do; repeatable. Default: all but admin, which includes the others.",
)
@click.option("--model", "models", multiple=True, help="Allow only this model; repeatable. Default: all.")
@click.option("--cap", metavar="N", help="Maximum credits that this key may spend in total.")
@click.option("--daily-cap", metavar="N", help="Maximum credits that this key may spend per day (UTC).")
@click.option("--in-flight-cap", metavar="N", help="Maximum credits that its unfinished tasks may hold together.")
@click.option("--rate-per-minute", type=click.IntRange(1, MAX_REQUESTS_PER_MINUTE), help="Requests per minute.")
@click.option("--concurrent-tasks", type=click.IntRange(1, 1_000_000), help="Tasks that run at a time.")
@click.option("--expires", metavar="DATE", help="When the key expires, ISO 8601.")
@json_of("key, id, account")
@with_settings
def create(settings: Settings, account: str, granted: str | None, as_json: bool, **given: Any) -> None:
    """Create a key. Its value is shown only once."""
    checked("--account", account, lambda field: fields.check_name(field, account))
    checked("--name", given["name"], lambda field: fields.check_name(field, given["name"]))
    amount = parse_first_grant(settings, granted)
    caps: dict[str, Any] = {
        name: parse_cap(settings, f"--{name.replace('_', '-')}", given.pop(name))
        for name in ("cap", "daily_cap", "in_flight_cap")
    }
    scopes = tuple(map(Scope, given.pop("scopes"))) or CUSTOMER_SCOPES
    models, expires = parse_models(settings, given.pop("models")), parse_expiry(given.pop("expires"))
    new, actor = NewKey(scopes=scopes, models=models, expires=expires, **caps, **given), command_line_actor()

    async def work(db: Database) -> tuple[str, ApiKey]:
        keyring = await open_verified_keyring(db, settings.data_dir)  # first: without it nothing is made
        is_new = await db.read(accounts.find_account_by_name, account) is None
        owner = await open_account(db, account, actor)
        if owner.closed is not None:
            raise _closed(account)
        if is_new:
            click.echo(f"created account {account!r}", err=True)
        if amount is not None:
            await _grant(db, settings, owner, amount, str(granted))
        try:
            return await create_key(db, keyring, owner.id, new, actor)
        except AccountClosed as error:
            raise _closed(account) from error

    value, key = run_on_database(settings, work)
    click.echo(json.dumps({"key": value, "id": key.id, "account": account}) if as_json else value)


async def _grant(db: Database, settings: Settings, account: Account, amount: int, text: str) -> None:
    try:
        granted = await grant_credits(db, account, amount, command_line_actor())
    except AccountClosed as error:
        raise _closed(account.name) from error
    if isinstance(granted, GrantRefused):
        left = format_credits(account.available, settings.credit.credits_per_usd)
        what = "cannot be taken back" if amount < 0 else "more are too many"
        raise Exit(FAILED, f"imagegate: {account.name} has {left} credits: {text.strip().lstrip('+-')} {what}")


def _closed(name: str) -> Exit:
    again = shlex.join(("imagegate", "accounts", "reopen", name))
    return Exit(
        FAILED, f"imagegate: the account {name!r} is closed: it gets no keys and no credits; reopen it with: {again}"
    )


@keys.command("list")
@account_option
@json_of("a list of id, name, shown, state, spent, caps and limits, expires, disabled")
@with_settings
def list_keys(settings: Settings, account: str, as_json: bool) -> None:
    """List an account's keys, without their values."""

    async def work(db: Database) -> list[ApiKey]:
        return await db.read(api_keys.list_keys, (await find_account(db, account)).id)

    rows = [_key_row(key, settings) for key in run_on_database(settings, work)]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        shown = row | {name: format_for_people(row[name]) for name in _AMOUNTS if row[name] is not None}
        click.echo("  ".join(f"{name}={value}" for name, value in shown.items() if value not in (None, "")))


def _key_row(key: ApiKey, settings: Settings) -> dict[str, Any]:
    rate = settings.credit.credits_per_usd
    return {
        "id": key.id,
        "name": key.name,
        "shown": key.hint,
        "state": "live" if key.is_active(int(datetime.datetime.now(datetime.UTC).timestamp() * 1e6)) else "ended",
        "spent": format_credits(key.spent, rate),
        "cap": None if key.cap is None else format_credits(key.cap, rate),
        "daily_cap": None if key.daily_cap is None else format_credits(key.daily_cap, rate),
        "rate_per_minute": key.rate_per_minute,
        "concurrent_tasks": key.concurrent_tasks,
        "in_flight_cap": None if key.in_flight_cap is None else format_credits(key.in_flight_cap, rate),
        "expires": _date(key.expires),
        "disabled": _date(key.disabled),
    }


def _date(moment_us: int | None) -> str | None:
    return None if moment_us is None else format_utc(moment_us)


_made_keys_option = click.option(
    "--made-keys",
    type=click.Choice(["end", "keep"]),
    default="end",
    show_default=True,
    help="What becomes of the keys that it made.",
)


@keys.command("disable", short_help="Disable a key, and those that it made.")
@account_option
@_made_keys_option
@click.argument("key_id", metavar="KEY_ID")
@json_of("id, account, disabled, ended_keys")
@with_settings
def disable(settings: Settings, account: str, made_keys: str, key_id: str, as_json: bool) -> None:
    """Disable a key by its id, which `keys list` shows, and the keys that it made. A running gateway refuses them
    within seconds."""

    async def work(db: Database) -> KeysEnded | None:
        owner = await find_account(db, account)
        return await write_act(db, acts.disable_key, owner.id, key_id, made_keys == "end", command_line_actor())

    ended = run_on_database(settings, work)
    if ended is None:
        raise Exit(FAILED, f"imagegate: {account} has no key {key_id}")
    made = [key.id for key in ended.made_keys]
    if as_json:
        click.echo(json.dumps({"id": key_id, "account": account, "disabled": True, "ended_keys": made}))
        return
    for one in (key_id, *made):
        click.echo(f"{one} is disabled")


@keys.command("delete")
@account_option
@_made_keys_option
@click.argument("key_id", metavar="KEY_ID")
@json_of("id, deleted, ended_keys")
@with_settings
def delete(settings: Settings, account: str, made_keys: str, as_json: bool, key_id: str) -> None:
    """Delete a key by its id, and disable the keys that it made. It leaves every list; what it spent stays."""

    async def work(db: Database) -> KeysEnded | MakerEnded | None:
        owner = await find_account(db, account)
        ends = made_keys == "end"
        return await write_act(db, acts.delete_key, owner.id, key_id, None, ends, command_line_actor())

    deleted = run_on_database(settings, work)
    if not isinstance(deleted, KeysEnded):
        raise Exit(FAILED, f"imagegate: {account} has no key {key_id}")
    ended = [key.id for key in deleted.made_keys]
    if as_json:
        click.echo(json.dumps({"id": key_id, "account": account, "deleted": True, "ended_keys": ended}))
        return
    click.echo(f"{key_id} is deleted")
    for one in ended:
        click.echo(f"{one} is disabled")


async def find_account(db: Database, name: str) -> Account:
    """The account of this name; the command ends where there is none, with the name that is most like it."""
    account = None if "\0" in name else await db.read(accounts.find_account_by_name, name)
    if account is None:
        hint = suggest(name, await db.read_report(accounts.list_names, _MAX_NAMES))
        raise Exit(FAILED, f"imagegate: no account is named {name!r}{hint}")
    return account


@click.group(
    "credits",
    invoke_without_command=True,
    epilog="Without a command it asks the gateway, with a key; grant and refund are the operator's, on the data folder",
)
@gateway_options
@click.pass_context
def credit(ctx: click.Context, gateway: GatewayOptions) -> None:
    """Show the balance, grant credits, or refund a charge."""
    if ctx.invoked_subcommand is not None:
        return
    from imagegate.cli.client import open_client

    with open_client(gateway) as client:
        answer = client.request("GET", "/v1/credits", max_retries=0)
    if gateway.as_json:
        click.echo(json.dumps(answer["data"]))
        return
    user = answer["data"]["user"]
    left, usd = (format_for_people(user["exact"]["remaining"][unit]) for unit in ("credits", "usd"))
    held, used = (format_for_people(str(user[name])) for name in ("reserved_credits", "used_credits"))
    click.echo(f"left {left} credits (${usd}), held {held} credits, used {used} credits")


@credit.command("grant", context_settings={"ignore_unknown_options": True})
@account_option
@click.argument("text", metavar="CREDITS")
@json_of("account, granted, available, each amount as credits, usd and nanos")
@with_settings
def grant(settings: Settings, account: str, text: str, as_json: bool) -> None:
    """Grant credits to an account; a negative number takes them back."""
    rate = settings.credit.credits_per_usd
    nanos = checked("CREDITS", text, lambda field: fields.parse_grant(field, text, rate))

    async def work(db: Database) -> Account:
        owner = await find_account(db, account)
        await _grant(db, settings, owner, nanos, text)
        return await find_account(db, account)

    owner = run_on_database(settings, work)
    if as_json:
        shown = {"account": account, "granted": to_money(nanos, rate), "available": to_money(owner.available, rate)}
        click.echo(msgspec.json.encode(shown).decode())
        return
    left = format_credits_for_people(owner.available, rate)
    click.echo(f"{account} has {left} credits (${format_usd_for_people(owner.available)})")


@credit.command("refund")
@task_id_argument(required=True)
@click.option("--reason", default="refunded by the operator", show_default=True, help="Recorded with the refund.")
@json_of("task_id, amount, refunded_before")
@with_settings
def refund(settings: Settings, task_id: str, reason: str, as_json: bool) -> None:
    """Refund the whole charge of a task. A second time changes nothing and says so."""
    checked("--reason", reason, lambda field: fields.check_reason(field, reason))
    found = run_on_database(settings, lambda db: give_back(db, task_id, reason, command_line_actor()))
    if not isinstance(found, Refund | AlreadyRefunded):
        raise Exit(FAILED, f"imagegate: {task_id} was not charged, or does not exist")
    amount = {"credits": format_credits(found.amount, settings.credit.credits_per_usd), "usd": format_usd(found.amount)}
    before = isinstance(found, AlreadyRefunded)
    if as_json:
        click.echo(json.dumps({"task_id": task_id, "amount": amount, "refunded_before": before}))
        return
    outcome = f"was refunded before, on {_date(found.created)}" if before else "refunded"
    shown, usd = format_for_people(amount["credits"]), format_for_people(amount["usd"])
    click.echo(f"{task_id}: {shown} credits (${usd}) {outcome}")
