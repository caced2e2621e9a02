"""Who sits at the page: a key is traded for a session, a session for a token that the public API takes.

Knows: what a session's id is, that it is new at every sign-in, and the account that needs no sign-in on a machine that
serves only itself. Refuses to know: cookies and headers.
"""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from imagegate.domain.accounts import Key
from imagegate.flows.demo import ACCOUNT
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.security.api_keys import digest, well_formed
from imagegate.security.page_token import LIFE_S, PageToken, write_token
from imagegate.store import accounts, sessions

_SEEN_US = 60 * PER_SECOND


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a live key. `session` is the hash of the session's id; empty for the local account."""

    key: Key
    account: str
    session: str
    until: int

    @property
    def local(self) -> bool:
        return not self.session


class Nobody(msgspec.Struct, frozen=True):
    """No session, or one that has ended, or whose key has."""


class BadKey(msgspec.Struct, frozen=True):
    """Unknown, disabled, expired and malformed keys alike."""


class SignedIn(msgspec.Struct, frozen=True):
    """`value` is for the browser alone; the database has its hash."""

    value: str
    visitor: Visitor


async def key_behind(runtime: Runtime, value: str) -> Key | BadKey:
    """The live key that this text is."""
    if not well_formed(value):
        return BadKey()
    key = await runtime.db.read(accounts.key_by_digest, digest(runtime.keyring.key("pepper"), value))
    return key if key and key.live(runtime.clock()) else BadKey()


async def sign_in(runtime: Runtime, key: Key, replaced: str) -> SignedIn:
    """A new session of this key; the one that the browser held, `replaced`, ends with it."""
    value = secrets.token_urlsafe(32)
    hashed = _hash(value)
    await runtime.db.write(sessions.open_session, key.account_id, key.id, hashed, _hash(replaced))
    until = runtime.clock() + sessions.LIFE_US
    return SignedIn(value, await _visitor(runtime, key, hashed, until))


async def who_is(runtime: Runtime, value: str) -> Visitor | Nobody:
    """Whose session this is. Asking counts as a use, and is written down at most once a minute."""
    session = await runtime.db.read(sessions.session_by_digest, _hash(value)) if value else None
    now = runtime.clock()
    if session is None or not session.live(now):
        return Nobody()
    key = await runtime.db.read(accounts.find_key, session.account_id, session.key_id)
    if key is None or not key.live(now):
        return Nobody()
    if now - session.seen > _SEEN_US:
        await runtime.db.write(sessions.mark_seen, session.account_id, session.digest)
    return await _visitor(runtime, key, session.digest, session.expires)


async def local_visitor(runtime: Runtime) -> Visitor | Nobody:
    """The demo account, for whoever sits at the machine: ask for callers on it only."""
    file = runtime.settings.data_dir / "demo-key"
    value = file.read_text().strip() if runtime.on_loopback and file.exists() else ""
    key = await key_behind(runtime, value)
    if isinstance(key, BadKey):
        return Nobody()
    return Visitor(key=key, account=ACCOUNT, session="", until=2**62)


async def sign_out(runtime: Runtime, visitor: Visitor) -> None:
    await runtime.db.write(sessions.close_session, visitor.key.account_id, visitor.session)


async def sign_out_everywhere(runtime: Runtime, visitor: Visitor) -> None:
    """Every session that was opened with the same key, on every device."""
    await runtime.db.write(sessions.close_sessions, visitor.key.account_id, visitor.key.id)


def token_for(runtime: Runtime, visitor: Visitor) -> tuple[str, int]:
    """A token with the scopes of the visitor's key, and when it ends, Unix seconds."""
    exp = min(runtime.clock() // PER_SECOND + LIFE_S, visitor.until // PER_SECOND)
    token = PageToken(visitor.key.account_id, visitor.key.id, visitor.session, exp)
    return write_token(runtime.keyring.key("page-token"), token), exp


async def _visitor(runtime: Runtime, key: Key, hashed: str, until: int) -> Visitor:
    account = await runtime.db.read(accounts.find_account, key.account_id)
    return Visitor(key=key, account=account.name if account else "", session=hashed, until=until)


def _hash(value: str) -> str:
    """256 random bits need no slow hash."""
    return hashlib.sha256(value.encode()).hexdigest()
