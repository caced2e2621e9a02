"""Jobs that misbehave on purpose, so that an install can prove that its child's limits hold."""

import os
import socket
import sys
import time
from pathlib import Path

import msgspec


class ProbeRequest(msgspec.Struct, frozen=True):
    """How much of the misbehaviour: seconds, megabytes, a port or an exit code."""

    amount: float = 0.0
    text: str = ""


class ProbeReport(msgspec.Struct, frozen=True):
    """What the child saw of itself."""

    pid: int
    text: str = ""


def echo(order: ProbeRequest) -> ProbeReport:
    return ProbeReport(os.getpid(), order.text)


def chatter(order: ProbeRequest) -> ProbeReport:
    """Prints where a careless library would, at both levels."""
    sys.stdout.write(order.text)
    sys.stdout.flush()
    os.write(1, order.text.encode())
    return ProbeReport(os.getpid(), sys.stdin.read())


def refuse(order: ProbeRequest) -> ProbeReport:
    raise ValueError(order.text)


def burn(order: ProbeRequest) -> ProbeReport:
    started = time.process_time()
    while time.process_time() - started < order.amount:
        sum(range(10_000))
    return ProbeReport(os.getpid())


def sleep(order: ProbeRequest) -> ProbeReport:
    time.sleep(order.amount)
    return ProbeReport(os.getpid())


def hoard(order: ProbeRequest) -> ProbeReport:
    kept = bytearray(int(order.amount * (1 << 20)))
    return ProbeReport(os.getpid(), str(len(kept)))


def scribble(order: ProbeRequest) -> ProbeReport:
    """Writes a file of `amount` megabytes at `text`."""
    Path(order.text).write_bytes(bytes(int(order.amount * (1 << 20))))
    return ProbeReport(os.getpid())


def leave(order: ProbeRequest) -> ProbeReport:
    os._exit(int(order.amount))


def dial(order: ProbeRequest) -> ProbeReport:
    """Calls a port of this machine; a child without a network cannot."""
    with socket.create_connection(("127.0.0.1", int(order.amount)), timeout=2):
        return ProbeReport(os.getpid(), "connected")


def surroundings(order: ProbeRequest) -> ProbeReport:
    """The names in the environment, the open files and the peak memory."""
    files = sorted(link.name for link in Path("/proc/self/fd").iterdir())
    # not ru_maxrss: that remembers the parent's size from before the program was replaced
    status = Path("/proc/self/status").read_text()
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), "0")
    return ProbeReport(os.getpid(), f"{','.join(sorted(os.environ))}|{','.join(files)}|{peak}")
