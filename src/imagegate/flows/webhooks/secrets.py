"""The secret that signs an account's webhooks: derived from the installation's secret, never stored.

The database holds only the version.
"""

from __future__ import annotations

from imagegate.domain.audit import Actor
from imagegate.domain.time import US_PER_DAY
from imagegate.domain.webhooks import SecretVersion
from imagegate.flows.audit import write_act
from imagegate.runtime import Runtime
from imagegate.store import acts, deliveries

OVERLAP_US = US_PER_DAY


def derive_secret(runtime: Runtime, account_id: str, version: int) -> bytes:
    return runtime.keyring.derive_key(f"webhook:{account_id}:{version}")


def previous_secret_expires(secret: SecretVersion, now: int) -> int | None:
    """When the previous secret stops signing, UTC microseconds; None where there is none, or it has stopped."""
    if secret.rotated is None or now >= secret.rotated + OVERLAP_US:
        return None
    return secret.rotated + OVERLAP_US


def signing_keys(runtime: Runtime, account_id: str, secret: SecretVersion, now: int) -> list[bytes]:
    """The current one, and for a day after a rotation the previous one too, so that receivers can switch."""
    versions = [secret.version] + ([secret.version - 1] if previous_secret_expires(secret, now) else [])
    return [derive_secret(runtime, account_id, version) for version in versions]


async def rotate_account_secret(runtime: Runtime, account_id: str, actor: Actor) -> SecretVersion:
    current = await runtime.db.read(deliveries.load_secret_version, account_id)
    return await write_act(runtime.db, acts.rotate_secret, account_id, current.version, actor)
