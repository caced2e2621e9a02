"""Sessions of the page: a key opens a session, and a session gets short-lived tokens that the public API accepts.

A session id is new at every sign-in. On a gateway that serves only its own machine, the link that its start printed
opens a session of the demo account.
"""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from imagegate.domain.accounts import ApiKey
from imagegate.domain.time import US_PER_MINUTE, US_PER_SECOND
from imagegate.flows.accounts import find_live_key
from imagegate.flows.demo import DEMO_ACCOUNT, read_demo_key
from imagegate.runtime import Runtime
from imagegate.security.signing import TOKEN_LIFETIME_S, PageToken, equal, sign_page_token
from imagegate.store import accounts, api_keys, sessions

_SEEN_INTERVAL_US = US_PER_MINUTE


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a live key. `session_digest` is the hash of the session id, `expires` in UTC microseconds.

    `is_local`: the demo account on a gateway that serves only its own machine.
    """

    key: ApiKey
    account_name: str
    session_digest: str
    expires: int
    is_local: bool


class Anonymous(msgspec.Struct, frozen=True):
    """No session, an ended one, or one whose key is no longer live."""


class NewSession(msgspec.Struct, frozen=True):
    """`session_id` is for the browser alone; the database has its hash."""

    session_id: str
    visitor: Visitor


async def sign_in(runtime: Runtime, key: ApiKey, replaced_session_id: str) -> NewSession:
    """Open a session of this key and end the browser's previous one, `replaced_session_id`."""
    session_id = secrets.token_urlsafe(32)
    hashed = _hash_session_id(session_id)
    await runtime.db.write(sessions.open_session, key.account_id, key.id, hashed, _hash_session_id(replaced_session_id))
    until = runtime.clock() + sessions.MAX_LIFETIME_US
    return NewSession(session_id, await _build_visitor(runtime, key, hashed, until))


async def resume_session(runtime: Runtime, session_id: str) -> Visitor | Anonymous:
    """Whose session this is. It counts as a use of the session, which is stored at most once a minute."""
    session = (
        await runtime.db.read(sessions.find_session_by_digest, _hash_session_id(session_id)) if session_id else None
    )
    now = runtime.clock()
    if session is None or not session.is_live(now):
        return Anonymous()
    key = await runtime.db.read(api_keys.find_key, session.account_id, session.key_id)
    if key is None or not key.is_active(now):
        return Anonymous()
    if now - session.last_used > _SEEN_INTERVAL_US:
        await runtime.db.write(sessions.touch_session, session.account_id, session.digest)
    return await _build_visitor(runtime, key, session.digest, session.expires)


async def find_local_key(runtime: Runtime, page_secret: str) -> ApiKey | None:
    """The demo account's key, for whoever has the secret of this start. None for anybody else."""
    if not runtime.is_loopback_only or not equal(runtime.page_secret, page_secret):
        return None
    return await find_live_key(runtime, read_demo_key(runtime))


async def sign_out(runtime: Runtime, visitor: Visitor) -> None:
    await runtime.db.write(sessions.close_session, visitor.key.account_id, visitor.session_digest)


async def sign_out_everywhere(runtime: Runtime, visitor: Visitor) -> None:
    """Every session that was opened with the same key, on every device."""
    await runtime.db.write(sessions.close_key_sessions, visitor.key.account_id, visitor.key.id)


def issue_page_token(runtime: Runtime, visitor: Visitor) -> tuple[str, int]:
    """A token with the scopes of the visitor's key, and when it ends, Unix seconds."""
    exp = min(runtime.clock() // US_PER_SECOND + TOKEN_LIFETIME_S, visitor.expires // US_PER_SECOND)
    token = PageToken(visitor.key.account_id, visitor.key.id, visitor.session_digest, exp)
    return sign_page_token(runtime.keyring.derive_key("page-token"), token), exp


async def _build_visitor(runtime: Runtime, key: ApiKey, hashed: str, until: int) -> Visitor:
    account = await runtime.db.read(accounts.find_account, key.account_id)
    name = account.name if account else ""
    is_local = runtime.is_loopback_only and name == DEMO_ACCOUNT
    return Visitor(key=key, account_name=name, session_digest=hashed, expires=until, is_local=is_local)


def _hash_session_id(session_id: str) -> str:
    """Hex SHA-256: 256 random bits need no slow hash."""
    return hashlib.sha256(session_id.encode()).hexdigest()
