"""Acts are written with their audit rows, then logged, a line for each row."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from imagegate.domain.audit import Actor
from imagegate.logging import log
from imagegate.store.acts import Act
from imagegate.store.database import Database
from imagegate.store.transaction import Tx

P = ParamSpec("P")
T = TypeVar("T")


async def write_act(
    db: Database, command: Callable[Concatenate[Tx, P], Act[T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Write the act and its audit rows, then log a line for each."""
    act = await db.write(command, *args, **kwargs)
    for one in act.entries:
        log(
            "audit",
            action=one.action,
            actor=one.actor,
            via=one.via,
            address=one.address,
            request_id=one.request_id,
            account_id=one.account_id,
            target=one.target,
        )
    return act.result


def command_line_actor() -> Actor:
    try:
        user: Any = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        user = "unknown"
    return Actor(name="command line", via="command line", address=f"{user}@{socket.gethostname()}")


def program_actor(name: str) -> Actor:
    """What the gateway does by itself, such as at its first start."""
    return Actor(name=name, via="program")
