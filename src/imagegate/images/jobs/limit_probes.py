"""Jobs that misbehave on purpose, to prove on an installation that the limits of child processes hold."""

import os
import socket
import sys
import time
from pathlib import Path

import msgspec


class ProbeRequest(msgspec.Struct, frozen=True):
    """`amount`: seconds, megabytes, a port or an exit code, as the job takes it."""

    amount: float = 0.0
    text: str = ""


class ProbeReport(msgspec.Struct, frozen=True):
    """What the child saw of itself."""

    pid: int
    text: str = ""


def echo(request: ProbeRequest) -> ProbeReport:
    return ProbeReport(os.getpid(), request.text)


def write_to_stdout(request: ProbeRequest) -> ProbeReport:
    """Prints where a careless library would, through Python and through the file descriptor."""
    sys.stdout.write(request.text)
    sys.stdout.flush()
    os.write(1, request.text.encode())
    return ProbeReport(os.getpid(), sys.stdin.read())


def raise_error(request: ProbeRequest) -> ProbeReport:
    raise ValueError(request.text)


def use_cpu(request: ProbeRequest) -> ProbeReport:
    started = time.process_time()
    while time.process_time() - started < request.amount:
        sum(range(10_000))
    return ProbeReport(os.getpid())


def sleep(request: ProbeRequest) -> ProbeReport:
    time.sleep(request.amount)
    return ProbeReport(os.getpid())


def allocate(request: ProbeRequest) -> ProbeReport:
    kept = bytearray(int(request.amount * (1 << 20)))
    return ProbeReport(os.getpid(), str(len(kept)))


def write_file(request: ProbeRequest) -> ProbeReport:
    """Writes a file of `amount` megabytes at `text`."""
    Path(request.text).write_bytes(bytes(int(request.amount * (1 << 20))))
    return ProbeReport(os.getpid())


def exit_process(request: ProbeRequest) -> ProbeReport:
    os._exit(int(request.amount))


def connect(request: ProbeRequest) -> ProbeReport:
    """Connects to a port of this machine; a child without a network cannot."""
    with socket.create_connection(("127.0.0.1", int(request.amount)), timeout=2):
        return ProbeReport(os.getpid(), "connected")


def report_environment(request: ProbeRequest) -> ProbeReport:
    """The names in the environment, the open files and the peak memory."""
    files = sorted(link.name for link in Path("/proc/self/fd").iterdir())
    # not ru_maxrss: that remembers the parent's size from before the program was replaced
    status = Path("/proc/self/status").read_text()
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), "0")
    return ProbeReport(os.getpid(), f"{','.join(sorted(os.environ))}|{','.join(files)}|{peak}")
