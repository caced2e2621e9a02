"""A secret that is not the one of the database is refused before anything is answered with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from imagegate.domain.accounts import NewKey
from imagegate.flows.accounts import create_key, open_account
from imagegate.flows.audit import program_actor
from imagegate.flows.secret_check import accept_secret, open_verified_keyring
from imagegate.security.keyring import SecretError, open_keyring
from imagegate.store import installation
from imagegate.store.database import Database
from tests.conftest import OpenDatabase

OTHER = "f" * 64


def on(db: Database, work: Callable[[Database], Awaitable[object]]) -> None:
    async def run() -> None:
        await work(db)

    asyncio.run(run())


async def new_key(db: Database, data: Path) -> str:
    keyring = await open_verified_keyring(db, data)
    account = await open_account(db, "demo", program_actor("test"))
    text, _ = await create_key(db, keyring, account.id, NewKey(name="demo"), program_actor("test"))
    return text


def replace_secret(data: Path, text: str = OTHER) -> None:
    (data / "secret").unlink()
    (data / "secret").write_text(text)
    (data / "secret").chmod(0o600)


async def forget_check_value(db: Database) -> None:
    """As in a database of an earlier version."""
    await db.write(lambda tx: tx.execute("DELETE FROM installation"))


def test_the_secret_of_the_first_start_is_the_one_of_the_database(open_database: OpenDatabase, tmp_path: Path) -> None:
    async def work(db: Database) -> None:
        first = await open_verified_keyring(db, tmp_path)
        again = await open_verified_keyring(db, tmp_path)
        assert first.derive_key("x") == again.derive_key("x")
        stored = await db.read(installation.find_value, installation.SECRET_CHECK)
        assert stored == first.check_value
        assert (tmp_path / "secret").read_text() not in str(stored)

    on(open_database(), work)


def test_another_secret_is_refused_with_the_way_out(open_database: OpenDatabase, tmp_path: Path) -> None:
    async def work(db: Database) -> None:
        await open_verified_keyring(db, tmp_path)
        replace_secret(tmp_path)
        with pytest.raises(SecretError, match=r"not the one.*Restore.*imagegate secret accept"):
            await open_verified_keyring(db, tmp_path)
        assert await accept_secret(db, tmp_path, program_actor("test"))
        assert not await accept_secret(db, tmp_path, program_actor("test"))
        await open_verified_keyring(db, tmp_path)

    on(open_database(), work)


@pytest.mark.parametrize("of_an_earlier_version", [False, True])
def test_a_lost_secret_is_not_silently_made_anew(
    open_database: OpenDatabase, tmp_path: Path, of_an_earlier_version: bool
) -> None:
    async def work(db: Database) -> None:
        await new_key(db, tmp_path)
        if of_an_earlier_version:
            await forget_check_value(db)
        (tmp_path / "secret").unlink()
        with pytest.raises(SecretError, match=r"secret is missing.*imagegate secret accept"):
            await open_verified_keyring(db, tmp_path)
        assert not (tmp_path / "secret").exists()

    on(open_database(), work)


def test_a_database_of_an_earlier_version_gets_its_check_value(open_database: OpenDatabase, tmp_path: Path) -> None:
    async def work(db: Database) -> None:
        (tmp_path / "demo-key").write_text(await new_key(db, tmp_path))
        await forget_check_value(db)
        keyring = await open_verified_keyring(db, tmp_path)
        assert await db.read(installation.find_value, installation.SECRET_CHECK) == keyring.check_value

    on(open_database(), work)


def test_a_demo_key_that_does_not_verify_speaks_against_the_secret(open_database: OpenDatabase, tmp_path: Path) -> None:
    async def work(db: Database) -> None:
        (tmp_path / "demo-key").write_text(await new_key(db, tmp_path))
        await forget_check_value(db)
        replace_secret(tmp_path)
        with pytest.raises(SecretError, match="not the one"):
            await open_verified_keyring(db, tmp_path)
        assert await db.read(installation.find_value, installation.SECRET_CHECK) is None

    on(open_database(), work)


@pytest.mark.parametrize("content", ["ü" * 40, "short", "", "\0" * 64, "a" * 40 + "\n" + "b" * 40])
def test_a_secret_that_cannot_be_one_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(SecretError) as refused:
        open_keyring(tmp_path, {})
    assert "\n" not in str(refused.value)


def test_a_secret_that_cannot_be_read_or_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="is not text"):
        open_keyring(tmp_path, {"IMAGEGATE_SECRET": "\udcff" * 40})
    (tmp_path / "secret").mkdir(mode=0o700)
    with pytest.raises(SecretError, match="cannot be used"):
        open_keyring(tmp_path, {})
