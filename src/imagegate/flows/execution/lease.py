"""A worker's timed right to one task, as the worker itself judges it, without asking the database."""

from __future__ import annotations

import time

from imagegate.store.dialect import DatabaseError


class Lease:
    """Measured by this process's monotonic clock: clocks of other machines do not matter."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._renewed = time.monotonic()

    def renew_from(self, renewed: Lease) -> None:
        """The lease runs from the moment the renewal was asked for, not from when it was answered."""
        self._renewed = renewed._renewed

    def ensure_valid(self) -> None:
        """Call it before anything that cannot be undone.

        DatabaseError where no renewal succeeded for three quarters of the lease: the task waits until one does, or
        until the lease turns out to be lost. The last quarter leaves time for the step itself.
        """
        if time.monotonic() - self._renewed >= 0.75 * self._lease_s:
            raise DatabaseError("the lease could not be renewed in time", is_retryable=True)
