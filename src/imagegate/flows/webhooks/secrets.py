"""The secret that signs an account's webhooks: derived from the installation's secret, never stored.

The database holds only the version.
"""

from __future__ import annotations

from imagegate.domain.audit import Actor
from imagegate.domain.time import US_PER_DAY
from imagegate.domain.webhooks import SecretVersion
from imagegate.flows.audit import write_act
from imagegate.runtime import Runtime
from imagegate.security.keyring import Former
from imagegate.store import acts, deliveries

OVERLAP_US = US_PER_DAY


def derive_secret(runtime: Runtime, account_id: str, version: int) -> bytes:
    return runtime.keyring.derive_key(_purpose(account_id, version))


def previous_secret_expires(secret: SecretVersion, now: int) -> int | None:
    """When the previous secret stops signing, UTC microseconds; None where there is none, or it has stopped."""
    if secret.rotated is None or now >= secret.rotated + OVERLAP_US:
        return None
    return secret.rotated + OVERLAP_US


def previous_secret(runtime: Runtime, account_id: str, secret: SecretVersion, now: int) -> tuple[bytes, int] | None:
    """What receivers had before the last rotation, of this account's secret or of the installation's, and when a
    receiver should have the new one, UTC microseconds."""
    for former in runtime.keyring.formers[-1:]:
        if now < former.ends and not _rotated_since(secret, former):
            return former.derive_key(_purpose(account_id, secret.version)), former.ends
    until = previous_secret_expires(secret, now)
    return (derive_secret(runtime, account_id, secret.version - 1), until) if until else None


def signing_keys(runtime: Runtime, account_id: str, secret: SecretVersion, now: int) -> list[bytes]:
    """The current one, and for a day after a rotation the previous one too, so that receivers can switch.

    Those of former secrets of the installation sign until the account makes a new one: its receivers know nothing of
    what the operator replaced, and to leave a signature out would protect none of them.
    """
    versions = [secret.version] + ([secret.version - 1] if previous_secret_expires(secret, now) else [])
    keys = [derive_secret(runtime, account_id, version) for version in versions]
    if runtime.keyring.successor is not None:  # receivers may have got it from another process already
        keys.append(runtime.keyring.successor.derive_key(_purpose(account_id, secret.version)))
    for former in reversed(runtime.keyring.formers):
        known = versions[1:] if _rotated_since(secret, former) else versions
        keys += [former.derive_key(_purpose(account_id, version)) for version in known]
    return keys


def _rotated_since(secret: SecretVersion, former: Former) -> bool:
    return secret.rotated is not None and secret.rotated >= former.replaced


def _purpose(account_id: str, version: int) -> str:
    return f"webhook:{account_id}:{version}"


async def rotate_account_secret(runtime: Runtime, account_id: str, actor: Actor) -> SecretVersion:
    current = await runtime.db.read(deliveries.load_secret_version, account_id)
    return await write_act(runtime.db, acts.rotate_secret, account_id, current.version, actor)
