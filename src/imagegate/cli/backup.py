"""`imagegate backup` and `imagegate copy`: an installation in a folder, out of it, and to another place."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import click
import msgspec

from imagegate.app import open_runtime
from imagegate.backup.create import create_backup
from imagegate.backup.manifest import BackupError, Manifest, read_manifest
from imagegate.backup.restore import copy_installation, restore_backup
from imagegate.cli.check import find_all_violations, report
from imagegate.cli.database import require_database
from imagegate.cli.exit_codes import FAILED, USAGE, Exit, failures_exit_with
from imagegate.cli.options import installation_options, json_of, read_settings, storage_option, with_settings
from imagegate.domain.accounts import ApiKey
from imagegate.domain.images import ImageRequest
from imagegate.domain.money import format_usd_for_people
from imagegate.domain.time import format_utc
from imagegate.flows.quote import make_quote
from imagegate.settings import Settings, Storage
from imagegate.store.invariants import Violation

COULD_NOT_RUN = USAGE
_URLS = ("postgresql://", "postgres://")
_folder = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


@click.group(short_help="Make, verify and restore backups.")
def backup() -> None:
    """Make, verify and restore backups of database, images and secret."""
    os.umask(0o077)  # for folders in folders


@backup.command()
@_folder
@json_of("the manifest of the backup")
@with_settings
def create(settings: Settings, folder: Path, as_json: bool) -> None:
    """Write a backup into the new folder DIR, also while a gateway serves.

    Exits 0 when the backup is whole, 1 when there is none, or when images are missing in the installation itself.
    """
    require_database(settings)
    manifest = asyncio.run(create_backup(settings, folder.absolute()))
    _print(manifest, f"{folder} holds the installation", as_json=as_json)
    if not manifest.has_secret:
        click.echo("WARNING: the secret is in the environment and not in the backup: keep it elsewhere", err=True)
    if manifest.missing:
        raise Exit(
            FAILED,
            f"imagegate: {len(manifest.missing)} images are missing or damaged in the installation itself, such as"
            f" {manifest.missing[0]}: run imagegate check --deep",
        )


@backup.command()
@_folder
@click.option(
    "--temp",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="PARENT",
    help="Restore into a temporary folder below this one (default: beside DIR, where images need no space).",
)
@json_of("the manifest of the backup, or what is broken")
@failures_exit_with(COULD_NOT_RUN)
@with_settings
def verify(settings: Settings, folder: Path, temp: Path | None, as_json: bool) -> None:
    """Restore the backup DIR into a temporary folder, check everything there, and price a request.

    Exits 0 when it is good, 1 when it is not, 2 when it could not be verified.
    """
    try:
        read_manifest(folder)
        manifest, broken, price = asyncio.run(_verify(settings, folder.absolute(), temp))
    except BackupError as error:
        raise Exit(FAILED, f"imagegate: {error}") from error
    if broken:
        click.echo(msgspec.json.encode({"broken": broken}).decode()) if as_json else report(broken)
        raise Exit(FAILED)
    _print(
        manifest, f"{folder} is good: all invariants hold, every image is there, a quote is {price}", as_json=as_json
    )


async def _verify(settings: Settings, folder: Path, temp: Path | None) -> tuple[Manifest, list[Violation], str]:
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=temp or folder.parent) as place:
        local = {"database": "", "storage": "", "storage_links": "stream", "spool": ""}
        storage = msgspec.structs.replace(settings.storage, data=f"{place}/data", **local)
        restored = msgspec.structs.replace(settings, storage=storage)
        manifest = await restore_backup(folder, restored, linked=True)
        broken = await find_all_violations(restored, deep=True, clock=_before_everything)
        return manifest, broken, "" if broken else await _price_quote(restored)


def _before_everything() -> int:
    """The time at which a copy is checked: nobody has served it, so what is overdue says nothing about it."""
    return 0


async def _price_quote(settings: Settings) -> str:
    """Through the code that answers the API."""
    runtime = await open_runtime(settings)
    try:
        model = next(name for name in runtime.catalog.names() if runtime.serves_model(name))
        anybody = ApiKey(id="", account_id="", name="", hint="", cap=None, daily_cap=None, created=0)
        quote = make_quote(runtime, ImageRequest(prompt="a red fox", model=model), anybody, runtime.clock())
        return f"${format_usd_for_people(quote.expected.total)} for {model}"
    finally:
        await runtime.close()


@backup.command()
@_folder
@json_of("the manifest of the backup")
@with_settings
def restore(settings: Settings, folder: Path, as_json: bool) -> None:
    """Make an installation from the backup DIR, where nothing is yet.

    --data names a new folder; the settings `database` and `storage` say where rows and images go, on either engine.
    """
    manifest = asyncio.run(restore_backup(folder.absolute(), settings))
    _print(
        manifest,
        f"restored into {settings.data_dir}; start, and a minute later run imagegate check --deep",
        as_json=as_json,
    )


def _print(manifest: Manifest, text: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(manifest).decode())
        return
    click.echo(
        f"{text} ({format_utc(manifest.taken)}: {manifest.rows.get('tasks', 0)} tasks, {manifest.images} images of"
        f" {manifest.image_bytes / 1e6:.1f} MB)"
    )


@click.command(short_help="Copy an installation to another place.")
@click.option("--from", "origin", required=True, metavar="DATA|URL", help="The data folder or PostgreSQL database.")
@click.option("--from-storage", default="", metavar="URL", help="Its images, where they are not in DATA/blobs.")
@click.option("--to", "target", metavar="DATA|URL", help="Default: what --data and the settings name.")
@storage_option
@json_of("data, images, image_bytes, broken")
@installation_options
def copy(
    origin: str,
    from_storage: str,
    target: str | None,
    storage: str | None,
    as_json: bool,
    data: str | None,
    config: Path | None,
) -> None:
    """Copy an installation that nobody serves to a place where nothing is yet, and check the copy.

    Links, keys and sessions stay valid. The source is not changed. With PostgreSQL stop every process first: nothing
    that is acknowledged meanwhile is copied.
    """
    os.umask(0o077)
    place: dict[str, str | None] = {"data": data}
    if target is not None:
        # A folder holds its own database, whatever the environment says.
        place |= {"database": target} if target.startswith(_URLS) else {"data": target, "database": ""}
    settings = read_settings(config, storage=storage, **place)
    source = _settings_of(origin, from_storage)
    require_database(source, "--from")
    copied = asyncio.run(copy_installation(source, settings))
    broken = asyncio.run(find_all_violations(settings, deep=True, clock=_before_everything))
    if as_json:
        found = {"data": str(settings.data_dir), "images": copied.number, "image_bytes": copied.bytes, "broken": broken}
        click.echo(msgspec.json.encode(found).decode())
    else:
        report(broken)
    if broken:
        raise Exit(FAILED)
    if not as_json:
        click.echo(f"copied to {settings.data_dir}: {copied.number} images of {copied.bytes / 1e6:.1f} MB")


def _settings_of(origin: str, storage: str) -> Settings:
    """Where the source is, whatever the environment says of the target."""
    if not origin.startswith(_URLS):
        return Settings(storage=Storage(data=origin, storage=storage))
    if not storage:
        raise Exit(USAGE, "imagegate: --from-storage says where the images of a PostgreSQL database are")
    # Its secret is in the environment, as a database has no folder.
    return Settings(storage=Storage(data=os.devnull, database=origin, storage=storage))
