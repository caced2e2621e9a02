"""Jobs that misbehave on purpose, so that an install can prove that its child's limits hold."""

import os
import socket
import sys
import time
from pathlib import Path

import msgspec


class Drill(msgspec.Struct, frozen=True):
    """How much of the misbehaviour: seconds, megabytes, a port or an exit code."""

    amount: float = 0.0
    text: str = ""


class Report(msgspec.Struct, frozen=True):
    """What the child saw of itself."""

    pid: int
    text: str = ""


def echo(order: Drill) -> Report:
    return Report(os.getpid(), order.text)


def chatter(order: Drill) -> Report:
    """Prints where a careless library would, at both levels."""
    sys.stdout.write(order.text)
    sys.stdout.flush()
    os.write(1, order.text.encode())
    return Report(os.getpid(), sys.stdin.read())


def refuse(order: Drill) -> Report:
    raise ValueError(order.text)


def burn(order: Drill) -> Report:
    started = time.process_time()
    while time.process_time() - started < order.amount:
        sum(range(10_000))
    return Report(os.getpid())


def sleep(order: Drill) -> Report:
    time.sleep(order.amount)
    return Report(os.getpid())


def hoard(order: Drill) -> Report:
    kept = bytearray(int(order.amount * (1 << 20)))
    return Report(os.getpid(), str(len(kept)))


def scribble(order: Drill) -> Report:
    """Writes a file of `amount` megabytes at `text`."""
    Path(order.text).write_bytes(bytes(int(order.amount * (1 << 20))))
    return Report(os.getpid())


def leave(order: Drill) -> Report:
    os._exit(int(order.amount))


def dial(order: Drill) -> Report:
    """Calls a port of this machine; a child without a network cannot."""
    with socket.create_connection(("127.0.0.1", int(order.amount)), timeout=2):
        return Report(os.getpid(), "connected")


def surroundings(order: Drill) -> Report:
    """The names in the environment, the open files and the peak memory."""
    files = sorted(link.name for link in Path("/proc/self/fd").iterdir())
    # not ru_maxrss: that remembers the parent's size from before the program was replaced
    status = Path("/proc/self/status").read_text()
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), "0")
    return Report(os.getpid(), f"{','.join(sorted(os.environ))}|{','.join(files)}|{peak}")
