"""Whether the secret is the one that the database was made with: another one makes every key and link invalid."""

from __future__ import annotations

from pathlib import Path

from imagegate.domain.audit import Actor
from imagegate.flows.audit import write_act
from imagegate.flows.demo import DEMO_KEY_FILE
from imagegate.security.api_keys import hash_key, is_well_formed, mask_key
from imagegate.security.keyring import Keyring, open_keyring, verify_check_value
from imagegate.store import acts, api_keys, installation
from imagegate.store.database import Database


async def open_verified_keyring(db: Database, data: Path) -> Keyring:
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
    verify_check_value(keyring, expected)
    return keyring


async def _is_contradicted(db: Database, keyring: Keyring, data: Path) -> bool:
    """Whether the text of the demo key is here, is a key of this database by its visible part, and does not verify."""
    try:
        text = (data / DEMO_KEY_FILE).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return False
    if not is_well_formed(text):
        return False
    digest = hash_key(keyring.derive_key("pepper"), text)
    if await db.read(api_keys.find_key_by_digest, digest) is not None:
        return False
    return await db.read(api_keys.has_hint, mask_key(text))


async def accept_secret(db: Database, data: Path, actor: Actor) -> bool:
    """Make the present secret the one of this database; False where it was already.

    Keys that were made with another one stay invalid.
    """
    return await write_act(db, acts.accept_secret, open_keyring(data).check_value, actor)
