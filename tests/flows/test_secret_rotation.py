"""Rotating the secret: both hold for 48 hours, and one that is cut off anywhere leaves a working installation."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from imagegate.domain.time import US_PER_DAY, US_PER_HOUR
from imagegate.domain.webhooks import SecretVersion
from imagegate.flows.accounts import find_live_key
from imagegate.flows.audit import program_actor
from imagegate.flows.secret_check import (
    accept_secret,
    describe_secret,
    open_verified_keyring,
    rotate_secret,
    watch_secret,
)
from imagegate.flows.webhooks.secrets import derive_secret, previous_secret, signing_keys
from imagegate.runtime import Runtime
from imagegate.security.keyring import Keyring, SecretError, write_next
from imagegate.store.audit import list_audit_page
from imagegate.store.database import Database
from tests.conftest import OpenDatabase
from tests.flows.test_secret_check import new_key, on

ACTOR = program_actor("test")
START, OVERLAP = 1_795_341_693_000_000, 48 * US_PER_HOUR


@dataclasses.dataclass
class Hand:
    """A clock that a test turns."""

    now: int = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def installation(open_database: OpenDatabase, clock: Hand, tmp_path: Path) -> Callable[..., None]:
    """Runs what is given on a database with a turned clock, and a data folder."""

    def run(work: Callable[[Database, Path], Awaitable[object]]) -> None:
        on(open_database(clock), lambda db: work(db, tmp_path))

    return run


async def rows_as_text(db: Database) -> str:
    found = await db.read(lambda tx: tx.fetch_all("SELECT name, value FROM installation"))
    acts = await db.read(list_audit_page, None, 100)
    return f"{found}{acts}"


def test_both_secrets_hold_for_48_hours(installation: Callable[..., None], clock: Hand) -> None:
    async def work(db: Database, data: Path) -> None:
        before = await open_verified_keyring(db, data)
        old_text = (data / "secret").read_text()
        assert await rotate_secret(db, data, ACTOR) == START + OVERLAP
        assert (data / "secret").read_text() != old_text
        assert stat.S_IMODE((data / "secret").stat().st_mode) == 0o600
        assert [path.name for path in data.iterdir() if path.name.startswith(("secret", ".secret"))] == ["secret"]

        after = await open_verified_keyring(db, data)
        old, new = before.derive_key("links"), after.derive_key("links")
        assert (before.key_id, after.key_id) == ("k1", "k2")
        assert old != new
        assert after.accepted_keys("links", clock.now + OVERLAP - 1) == [new, old]
        assert after.accepted_keys("links", clock.now + OVERLAP) == [new]
        assert "holds until 2026-" in await describe_secret(db, data)

        text = await rows_as_text(db)
        assert text.count("secret.rotate") == 1
        for secret in (old_text, old_text.encode().hex(), (data / "secret").read_text()):
            assert secret not in text

        clock.now += OVERLAP - 1
        with pytest.raises(SecretError, match=r"in progress.*2026-"):
            await rotate_secret(db, data, ACTOR)
        clock.now += 1
        assert "holds until" not in await describe_secret(db, data)
        await rotate_secret(db, data, ACTOR)
        third = await open_verified_keyring(db, data)
        assert third.key_id == "k3"
        assert third.accepted_keys("links", clock.now) == [third.derive_key("links"), new]
        assert third.pepper == before.pepper == before.derive_key("pepper")

    installation(work)


def test_keys_outlast_every_rotation_whichever_secret_they_were_made_with(
    installation: Callable[..., None], clock: Hand, runtime: Runtime
) -> None:
    async def work(db: Database, data: Path) -> None:
        keys, keyrings = [await new_key(db, data)], [await open_verified_keyring(db, data)]
        for _ in range(2):
            await rotate_secret(db, data, ACTOR)
            keys.append(await new_key(db, data))
            keyrings.append(await open_verified_keyring(db, data))
            clock.now += 400 * US_PER_DAY
        for keyring in keyrings:
            here = dataclasses.replace(runtime, db=db, keyring=keyring, clock=clock)
            assert all([await find_live_key(here, key) for key in keys])

    installation(work)


def test_a_former_secret_starts_for_48_hours_and_is_refused_then(
    installation: Callable[..., None], clock: Hand
) -> None:
    async def work(db: Database, data: Path) -> None:
        await open_verified_keyring(db, data)
        (copy := data / "copy").mkdir()
        (copy / "secret").write_text((data / "secret").read_text())
        (copy / "secret").chmod(0o600)
        await rotate_secret(db, data, ACTOR)
        clock.now += OVERLAP - 1
        former = await open_verified_keyring(db, copy)
        assert former.key_id == "k1"
        assert "the former one: put the new one in its place until" in await describe_secret(db, copy)
        with pytest.raises(SecretError, match="in progress"):
            await rotate_secret(db, copy, ACTOR)
        clock.now += 1
        with pytest.raises(SecretError, match="not the one"):
            await open_verified_keyring(db, copy)
        (copy / "secret").write_text("9" * 64)
        with pytest.raises(SecretError, match="not the one"):
            await open_verified_keyring(db, copy)

    installation(work)


def test_a_process_with_the_former_secret_accepts_nothing_signed_after_48_hours(
    installation: Callable[..., None], clock: Hand, runtime: Runtime
) -> None:
    async def work(db: Database, data: Path) -> None:
        here = dataclasses.replace(runtime, db=db, keyring=await open_verified_keyring(db, data), clock=clock)
        await rotate_secret(db, data, ACTOR)
        clock.now += OVERLAP - 1
        await watch_secret(here)
        assert here.keyring.accepted_keys("links", clock.now)
        clock.now += 1
        await watch_secret(here)
        assert here.keyring.accepted_keys("links", clock.now) == []

    installation(work)


def test_a_rotation_that_is_cut_off_before_the_database_knows_changed_nothing(
    installation: Callable[..., None],
) -> None:
    async def work(db: Database, data: Path) -> None:
        before = await open_verified_keyring(db, data)
        write_next(data)
        (data / ".secret.next-0123abcd").write_text("half of a sec")
        assert (await open_verified_keyring(db, data)).check_value == before.check_value
        await rotate_secret(db, data, ACTOR)
        assert (await open_verified_keyring(db, data)).key_id == "k2"

    installation(work)


def test_a_rotation_that_is_cut_off_before_the_rename_is_finished_by_the_next_that_opens(
    installation: Callable[..., None],
) -> None:
    async def work(db: Database, data: Path) -> None:
        old_text = (await open_verified_keyring(db, data), (data / "secret").read_text())[1]
        await rotate_secret(db, data, ACTOR)
        (data / "secret").rename(data / "secret.next")
        (data / "secret").write_text(old_text)
        (data / "secret").chmod(0o600)
        assert (await open_verified_keyring(db, data)).key_id == "k2"
        assert not (data / "secret.next").exists()
        assert (data / "secret").read_text() != old_text

    installation(work)


def test_a_secret_in_the_environment_is_replaced_there(
    installation: Callable[..., None], clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(db: Database, data: Path) -> None:
        monkeypatch.setenv("IMAGEGATE_SECRET", "1" * 64)
        await open_verified_keyring(db, data)
        with pytest.raises(SecretError, match=r"which no command can change: set IMAGEGATE_SECRET_PREVIOUS"):
            await rotate_secret(db, data, ACTOR)
        monkeypatch.setenv("IMAGEGATE_SECRET", "2" * 64)
        with pytest.raises(SecretError, match="not the one"):
            await rotate_secret(db, data, ACTOR)
        monkeypatch.setenv("IMAGEGATE_SECRET_PREVIOUS", "1" * 64)
        assert await rotate_secret(db, data, ACTOR) == START + OVERLAP
        monkeypatch.delenv("IMAGEGATE_SECRET_PREVIOUS")
        after = await open_verified_keyring(db, data)
        assert after.accepted_keys("links", START) == [
            keyring.derive_key("links") for keyring in (Keyring(b"2" * 64), Keyring(b"1" * 64))
        ]
        clock.now += OVERLAP
        # The configuration is rolled back: what was replaced does not come back.
        monkeypatch.setenv("IMAGEGATE_SECRET", "1" * 64)
        monkeypatch.setenv("IMAGEGATE_SECRET_PREVIOUS", "2" * 64)
        with pytest.raises(SecretError, match="was replaced before"):
            await open_verified_keyring(db, data)
        monkeypatch.setenv("IMAGEGATE_SECRET", "2" * 64)
        monkeypatch.setenv("IMAGEGATE_SECRET_NEXT", "1" * 64)
        assert (await open_verified_keyring(db, data)).successor is None
        monkeypatch.setenv("IMAGEGATE_SECRET_NEXT", "3" * 64)
        [present, successor] = (await open_verified_keyring(db, data)).accepted_keys("links", clock.now)
        assert (present, successor) == tuple(Keyring(text * 64).derive_key("links") for text in (b"2", b"3"))
        assert not (data / "secret").exists()

    installation(work)


def test_accepting_a_secret_ends_a_rotation(installation: Callable[..., None]) -> None:
    async def work(db: Database, data: Path) -> None:
        await open_verified_keyring(db, data)
        await rotate_secret(db, data, ACTOR)
        (data / "secret").write_text("7" * 64)
        assert await accept_secret(db, data, ACTOR)
        assert (await open_verified_keyring(db, data)).accepted_keys("links", START) == [
            Keyring(b"7" * 64).derive_key("links")
        ]
        await rotate_secret(db, data, ACTOR)

    installation(work)


def test_former_secrets_that_were_changed_in_the_database_are_refused() -> None:
    keyring = Keyring(b"1" * 64).replaced_by(Keyring(b"2" * 64), START)
    sealed = keyring.seal_formers()
    assert Keyring(b"2" * 64).open_formers(sealed).formers == keyring.formers
    for damaged in ("", "00", "zz", sealed[:-2], sealed[:40] + "00000000" + sealed[48:], f"{sealed}0"):
        with pytest.raises(SecretError, match="damaged"):
            Keyring(b"2" * 64).open_formers(damaged)
    with pytest.raises(SecretError, match="damaged"):
        Keyring(b"3" * 64).open_formers(sealed)


def test_webhooks_are_signed_as_receivers_know_them_until_the_account_makes_a_new_secret(runtime: Runtime) -> None:
    old = dataclasses.replace(runtime, keyring=Keyring(b"1" * 64))
    new = dataclasses.replace(runtime, keyring=old.keyring.replaced_by(Keyring(b"2" * 64), START))
    known = derive_secret(old, "acc_1", 1)
    untouched = SecretVersion(1, None)
    for later in (0, OVERLAP, 400 * US_PER_DAY):
        assert signing_keys(new, "acc_1", untouched, START + later) == [derive_secret(new, "acc_1", 1), known]
    assert previous_secret(new, "acc_1", untouched, START) == (known, START + OVERLAP)
    assert previous_secret(new, "acc_1", untouched, START + OVERLAP) is None

    made = START + US_PER_HOUR
    rotated = SecretVersion(2, made)
    assert known in signing_keys(new, "acc_1", rotated, made + US_PER_DAY - 1)
    assert signing_keys(new, "acc_1", rotated, made + US_PER_DAY) == [derive_secret(new, "acc_1", 2)]
    assert previous_secret(new, "acc_1", rotated, made) == (derive_secret(new, "acc_1", 1), made + US_PER_DAY)


@pytest.mark.parametrize("of_two_machines", [False, True])
def test_two_rotations_at_once_are_one(installation: Callable[..., None], of_two_machines: bool) -> None:
    async def work(db: Database, data: Path) -> None:
        await open_verified_keyring(db, data)
        folders = [data, data / "copy" if of_two_machines else data]
        if of_two_machines:
            folders[1].mkdir()
            shutil.copy2(data / "secret", folders[1])
        done = await asyncio.gather(*(rotate_secret(db, folder, ACTOR) for folder in folders), return_exceptions=True)
        assert sorted(type(one).__name__ for one in done) == ["SecretError", "int"]
        keyrings = [await open_verified_keyring(db, folder) for folder in folders]
        assert sorted(keyring.key_id for keyring in keyrings) == (["k1", "k2"] if of_two_machines else ["k2", "k2"])
        assert not any((folder / "secret.next").exists() for folder in folders)

    installation(work)
