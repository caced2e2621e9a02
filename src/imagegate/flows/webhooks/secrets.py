"""The secret that an account's webhooks are signed with: derived, never stored.

Knows: which secrets sign at a moment. Refuses to know: what is signed. The secret of an account and version comes from
the installation's own secret; the database holds the version alone.
"""

from __future__ import annotations

from imagegate.domain.webhooks import SecretVersion
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store import deliveries

OVERLAP_US = 24 * 3600 * PER_SECOND


def secret_key(runtime: Runtime, account_id: str, version: int) -> bytes:
    return runtime.keyring.key(f"webhook:{account_id}:{version}")


def old_until(secret: SecretVersion, now: int) -> int | None:
    """When the secret before this one stops signing; None where it has, or never was."""
    if secret.rotated is None or now >= secret.rotated + OVERLAP_US:
        return None
    return secret.rotated + OVERLAP_US


def signing_keys(runtime: Runtime, account_id: str, secret: SecretVersion, now: int) -> list[bytes]:
    """The present one, and for a day after a rotation the one before it."""
    versions = [secret.version] + ([secret.version - 1] if old_until(secret, now) else [])
    return [secret_key(runtime, account_id, version) for version in versions]


async def rotate(runtime: Runtime, account_id: str) -> SecretVersion:
    seen = await runtime.db.read(deliveries.secret_version, account_id)
    return await runtime.db.write(deliveries.rotate_secret, account_id, seen.version)
