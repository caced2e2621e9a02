"""A worker's timed right to one task, as the worker itself judges it. Refuses to know the database's view."""

from __future__ import annotations

import time

from imagegate.store.engines import DatabaseError


class Lease:
    """Runs on this process's own monotonic clock."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._renewed = time.monotonic()

    def renew_from(self, renewed: Lease) -> None:
        """The lease runs from the moment the renewal was asked for, not from when it was answered."""
        self._renewed = renewed._renewed

    def ensure_valid(self) -> None:
        """Before anything that cannot be undone. StoreFailure where no renewal went through for too long: the task
        waits until one does, or is found lost."""
        if time.monotonic() - self._renewed >= 0.75 * self._lease_s:
            raise DatabaseError("the lease could not be renewed in time", is_retryable=True)
