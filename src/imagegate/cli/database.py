"""The database of an installation that exists: a command of the operator in a wrong folder makes no second one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from imagegate.app import connect_database, migrate_with_progress
from imagegate.cli.exit_codes import USAGE, Exit
from imagegate.logging import configure_logging
from imagegate.security.private_files import keep_from_others
from imagegate.settings import Settings
from imagegate.store.database import Database, is_shared_url

T = TypeVar("T")


def run_on_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run `work` on the database of the installation; a gateway may be running on it."""
    # Whoever types a command is told by its output; what was done stands in the audit log of the database.
    level = settings.server.log_level
    configure_logging("warning" if level.lower() in ("debug", "info") else level, settings.server.log_format)

    async def run() -> T:
        database = open_existing_database(settings)
        try:
            return await work(database)
        finally:
            database.close()

    return asyncio.run(run())


def open_existing_database(settings: Settings) -> Database:
    """The database, migrated to the current schema. Where there is none the command ends, and nothing was made."""
    require_database(settings)
    database = connect_database(settings)
    try:
        step = database.find_pending()
        if not step.before:
            raise _no_database(settings)
        for path in (settings.data_dir, *database.engine.files()):
            keep_from_others(path)
        if step.pending:
            migrate_with_progress(database)
    except BaseException:
        database.close()
        raise
    return database


def require_database(settings: Settings, option: str = "--data") -> None:
    """The command ends where no database is, or its folder cannot be read. `option` is what named the folder."""
    database, data = settings.storage.database, settings.data_dir
    if is_shared_url(database):
        return
    file = Path(database) if database else data / "imagegate.db"
    try:
        if not file.is_file():
            if data.exists() and not data.is_dir():
                raise Exit(USAGE, f"imagegate: {option} is {data}: must be a folder, not a file")
            raise _no_database(settings, option)
    except OSError as error:
        raise Exit(USAGE, f"imagegate: the data folder {data} cannot be read: {error.strerror}") from error


def _no_database(settings: Settings, option: str = "--data") -> Exit:
    database = settings.storage.database
    if is_shared_url(database):
        where = "no installation in the database that the setting `database` names; name its database"
    elif database:
        where = f"no database at {database}, which the setting `database` names; name its file"
    else:
        where = f"no database in {settings.data_dir}; name the data folder with {option}"
    return Exit(USAGE, f"imagegate: {where}, or start a gateway there first")
