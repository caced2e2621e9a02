"""What the HTTP server knows of a request's connection: whether the request is whole, and when the connection ends.

Who waits on behalf of a client ends with its connection: nobody is left to hear the answer. What writes goes on: the
client learns of it with its next request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from litestar.types import Scope

_STATE, _WHOLE, _WAITED = "connection", "is_whole", "has_waited"


class ClientConnection(Protocol):
    """What the HTTP server knows. `on_lost` is called once, when the connection ends.

    `follow_delivery` calls its argument once, with whether what has been written has arrived: it has where the client
    acknowledged all of it and then closed in order, sent another request, or sent no reset for a while.
    """

    is_lost: bool
    on_lost: Callable[[], object] | None

    def follow_delivery(self, decide: Callable[[bool], object]) -> None: ...


def attach(state: dict[str, Any], connection: ClientConnection) -> None:
    """`state` is that of a request's scope."""
    state[_STATE] = connection


def mark_whole(state: dict[str, Any]) -> None:
    """The request has arrived with its whole body. `state` is that of its scope."""
    state[_WHOLE] = True


def is_request_whole(scope: Scope) -> bool:
    """Whether all of it has arrived: reading it waits for nobody."""
    return _WHOLE in scope["state"]


def is_client_gone(scope: Scope) -> bool:
    connection: ClientConnection | None = scope["state"].get(_STATE)
    return connection is not None and connection.is_lost


def has_waited(scope: Scope) -> bool:
    """Whether its answer came as late as it did because it waited for a task."""
    return _WAITED in scope["state"]


def follow_delivery(scope: Scope, decide: Callable[[bool], object]) -> None:
    """Of the response that has just been written."""
    connection: ClientConnection | None = scope["state"].get(_STATE)
    if connection is None:
        decide(True)
    else:
        connection.follow_delivery(decide)


class Caller:
    """A context manager: the task that is inside is cancelled when the client's connection ends."""

    __slots__ = ("_connection", "_state")

    def __init__(self, scope: Scope) -> None:
        self._state: dict[str, Any] = scope["state"]
        self._connection: ClientConnection | None = self._state.get(_STATE)

    def __enter__(self) -> Self:
        self._state[_WAITED] = True
        task = asyncio.current_task()
        if self._connection is not None and task is not None:
            self._connection.on_lost = task.cancel
            if self._connection.is_lost:
                task.cancel()  # at the next await
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.on_lost = None
