"""The secret that an account's webhooks are signed with: derived, never stored.

Knows: which secrets sign at a moment. Refuses to know: what is signed. The secret of an account and version comes from
the installation's own secret; the database holds the version alone.
"""

from __future__ import annotations

from imagegate.domain.time import US_PER_DAY
from imagegate.domain.webhooks import SecretVersion
from imagegate.runtime import Runtime
from imagegate.store import deliveries

OVERLAP_US = US_PER_DAY


def derive_secret(runtime: Runtime, account_id: str, version: int) -> bytes:
    return runtime.keyring.derive_key(f"webhook:{account_id}:{version}")


def previous_secret_expires(secret: SecretVersion, now: int) -> int | None:
    """When the secret before this one stops signing; None where it has, or never was."""
    if secret.rotated is None or now >= secret.rotated + OVERLAP_US:
        return None
    return secret.rotated + OVERLAP_US


def signing_keys(runtime: Runtime, account_id: str, secret: SecretVersion, now: int) -> list[bytes]:
    """The present one, and for a day after a rotation the one before it."""
    versions = [secret.version] + ([secret.version - 1] if previous_secret_expires(secret, now) else [])
    return [derive_secret(runtime, account_id, version) for version in versions]


async def rotate_account_secret(runtime: Runtime, account_id: str) -> SecretVersion:
    current = await runtime.db.read(deliveries.load_secret_version, account_id)
    return await runtime.db.write(deliveries.rotate_secret, account_id, current.version)
