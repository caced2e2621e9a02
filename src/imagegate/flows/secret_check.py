"""Whether the secret is the one of the database: an unknown one makes every key and link invalid. And its rotation.

A rotation writes the new secret to `secret.next`, tells the database, and renames the file to `secret`. Until the
database knows it, the old one is in force and `secret.next` means nothing; from then on, whatever opens the
installation renames it. The database keeps the old secret encrypted under the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from imagegate.domain.audit import Actor
from imagegate.domain.time import format_utc
from imagegate.flows.audit import program_actor, write_act
from imagegate.flows.demo import DEMO_KEY_FILE
from imagegate.logging import log_error
from imagegate.runtime import Runtime
from imagegate.security.api_keys import hash_key, is_well_formed, mask_key
from imagegate.security.keyring import (
    ENV_VARIABLE,
    HOW_TO_MAKE_ONE,
    NEXT_VARIABLE,
    OVERLAP_US,
    PREVIOUS_VARIABLE,
    Keyring,
    SecretError,
    adopt_next,
    has_variable,
    next_file,
    open_keyring,
    open_next,
    open_other,
    verify_check_value,
    write_next,
)
from imagegate.store import acts, api_keys, installation
from imagegate.store.database import Database


async def open_verified_keyring(db: Database, data: Path, actor: Actor | None = None) -> Keyring:
    """The keyring of the installation; SecretError where its secret is missing or another one.

    A secret is made only for a database that has no keys yet. A database of an earlier version has no check value: it
    gets that of the present secret, unless the demo key, of which the text is known, says that it is another one.
    """
    expected = await db.read(installation.find_value, installation.SECRET_CHECK)
    has_keys = await db.read(api_keys.has_keys)
    keyring = open_keyring(data, create=expected is None and not has_keys)
    if expected is None:
        if has_keys and await _is_contradicted(db, keyring, data):
            # Any check value fails then; the message is the same.
            verify_check_value(keyring, "")
        expected = await db.write(installation.add_value, installation.SECRET_CHECK, keyring.check_value)
    if keyring.check_value != expected:
        keyring = await _follow_rotation(db, data, keyring, expected, actor or program_actor("start"))
    return await _with_formers(db, keyring)


async def _follow_rotation(db: Database, data: Path, keyring: Keyring, expected: str, actor: Actor) -> Keyring:
    """The secret that holds where the present one is not that of the database. SecretError where none does."""
    pending = open_next(data)
    if pending is not None and pending.check_value == expected:
        adopt_next(data)  # the rotation was cut off between the database and the file
        return pending
    former = await db.read(installation.find_age, installation.FORMER_CHECK)
    if former is not None and former[0] == keyring.check_value and former[1] < OVERLAP_US:
        return keyring
    previous = open_other(PREVIOUS_VARIABLE)
    if previous is not None and previous.check_value == expected:
        await _record_rotation(db, await _with_formers(db, previous), keyring, actor)
        expected = str(await db.read(installation.find_value, installation.SECRET_CHECK))
    verify_check_value(keyring, expected)
    return keyring


async def _with_formers(db: Database, keyring: Keyring) -> Keyring:
    sealed = await db.read(installation.find_value, installation.formers_of(keyring.check_value))
    keyring = keyring.open_formers(sealed) if sealed else keyring
    successor = open_other(NEXT_VARIABLE)
    if successor is not None and not _was_replaced(keyring, successor):
        keyring.successor = successor
    return keyring


async def _record_rotation(db: Database, old: Keyring, new: Keyring, actor: Actor) -> bool:
    """False where `old` is not the one of the database any more."""
    if _was_replaced(old, new):
        raise SecretError(f"the new secret was replaced before; {HOW_TO_MAKE_ONE}")
    return await write_act(
        db,
        acts.rotate_installation_secret,
        old.check_value,
        new.check_value,
        lambda now: old.replaced_by(new, now).seal_formers(),
        actor,
    )


def _was_replaced(keyring: Keyring, other: Keyring) -> bool:
    """Whether the other secret is a former one: it never comes back."""
    return any(Keyring(former.root).check_value == other.check_value for former in keyring.formers)


async def find_rotation_end(db: Database) -> int | None:
    """Until when the former secret holds, UTC microseconds; None where it does not, or there is none."""
    former = await db.read(installation.find_age, installation.FORMER_CHECK)
    if former is None or former[1] >= OVERLAP_US:
        return None
    return await db.read(lambda tx: tx.now) + OVERLAP_US - former[1]


async def rotate_secret(db: Database, data: Path, actor: Actor) -> int:
    """Replace the secret by a new one; until when both hold, UTC microseconds. SecretError where it cannot be now.

    A secret in the environment is replaced there first: this records it, as the first start with it would.
    """
    with _lock(data):
        await _refuse_second_rotation(db)
        old = await open_verified_keyring(db, data, actor)
        if not has_variable():
            new = write_next(data)
            if await _record_rotation(db, old, new, actor):
                adopt_next(data)
            else:  # another machine was faster
                next_file(data).unlink()
                await _refuse_second_rotation(db)
        until = await find_rotation_end(db)
    if until is None:
        raise SecretError(
            f"the secret is in {ENV_VARIABLE}, which no command can change: set {PREVIOUS_VARIABLE} to the present one"
            f" and {ENV_VARIABLE} to a new one, then run this again or start; {HOW_TO_MAKE_ONE}"
        )
    return until


async def _refuse_second_rotation(db: Database) -> None:
    until = await find_rotation_end(db)
    if until is not None:
        raise SecretError(
            f"a rotation is in progress: the former secret holds until {format_utc(until)}, and only two hold at a time"
        )


@contextlib.contextmanager
def _lock(data: Path) -> Iterator[None]:
    """One rotation at a time: two would overwrite each other's `secret.next`. The folder itself carries the lock; it
    is another one than that of the serving process, which need not end."""
    handle = os.open(data, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SecretError("another rotation is at work on this data folder") from None
    finally:
        os.close(handle)


async def describe_secret(db: Database, data: Path) -> str:
    """What `imagegate doctor` says. SecretError where the secret is missing or another one."""
    keyring = await open_verified_keyring(db, data)
    until = await find_rotation_end(db)
    if until is None:
        return "present, private, and the one of the database"
    if keyring.check_value != await db.read(installation.find_value, installation.SECRET_CHECK):
        return f"the former one: put the new one in its place until {format_utc(until)}"
    return f"present, private, and the one of the database; the former one holds until {format_utc(until)}"


async def watch_secret(runtime: Runtime) -> None:
    """A process that was started with the former secret works for 48 hours; then nothing that it signs holds."""
    db, keyring = runtime.db, runtime.keyring
    is_current = keyring.check_value == await db.read(installation.find_value, installation.SECRET_CHECK)
    keyring.ended = not is_current and await find_rotation_end(db) is None
    if keyring.ended:
        log_error("secret_ended", todo="start again with the new secret")


async def _is_contradicted(db: Database, keyring: Keyring, data: Path) -> bool:
    """Whether the text of the demo key is here, is a key of this database by its visible part, and does not verify."""
    try:
        text = (data / DEMO_KEY_FILE).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return False
    if not is_well_formed(text):
        return False
    digest = hash_key(keyring.pepper, text)
    if await db.read(api_keys.find_key_by_digest, digest) is not None:
        return False
    return await db.read(api_keys.has_hint, mask_key(text))


async def accept_secret(db: Database, data: Path, actor: Actor) -> bool:
    """Make the present secret the one of this database; False where it was already.

    Keys that were made with another one stay invalid.
    """
    return await write_act(db, acts.accept_secret, open_keyring(data).check_value, actor)
