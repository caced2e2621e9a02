"""What the calls of one key may cost in this process, in credits."""

from __future__ import annotations

import threading
from decimal import Decimal

_NOTHING = Decimal(0)


class CapReachedError(Exception):
    """A call could cost more than is left of the cap. Its text is for the model."""


class Budget:
    """Counts each call by the most that it can cost, until it is known what it did cost."""

    def __init__(self, cap: Decimal | None) -> None:
        """`cap` None: no limit, but still counted."""
        self._cap = cap
        self._spent = self._reserved = _NOTHING
        # What is left is read and taken in one step: two calls never count on the same credits.
        self._lock = threading.Lock()

    @property
    def left(self) -> Decimal | None:
        """None without a cap."""
        with self._lock:
            return None if self._cap is None else max(_NOTHING, self._cap - self._spent - self._reserved)

    def reserve(self, maximum: Decimal) -> Hold:
        """Count a call that can cost `maximum`; CapReachedError where that does not fit."""
        with self._lock:
            if self._cap is not None and self._spent + self._reserved + maximum > self._cap:
                left = max(_NOTHING, self._cap - self._spent - self._reserved)
                raise CapReachedError(
                    f"Refused by the cap of this session: the cap is {self._cap} credits, of which {self._spent} are"
                    f" spent and {self._reserved} reserved by calls under way, so {left} are left. This call could cost"
                    f" up to {maximum} credits. Nothing was bought. Only the user can raise the cap (--cap)."
                )
            self._reserved += maximum
        return Hold(self, maximum)

    def exchange(self, reserved: Decimal, still_reserved: Decimal, spent: Decimal) -> None:
        """Replace what was reserved by what is known now."""
        with self._lock:
            self._reserved += still_reserved - reserved
            self._spent += spent


class Hold:
    """The credits that one call holds of a budget. Closing it a second time changes nothing."""

    def __init__(self, budget: Budget, amount: Decimal) -> None:
        self._budget = budget
        self._amount = amount

    def correct(self, amount: Decimal) -> None:
        """To what the gateway really holds: a price can change between a quote and its create."""
        self._budget.exchange(self._amount, amount, _NOTHING)
        self._amount = amount

    def settle(self, cost: Decimal) -> None:
        """The call has ended; what it did not cost is given back."""
        self._budget.exchange(self._amount, _NOTHING, cost if self._amount else _NOTHING)
        self._amount = _NOTHING
