"""What one process of an installation holds alone: its address and its data folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator

from imagegate.cli.exit_codes import FAILED, Exit, cannot_listen
from imagegate.flows.places import make_folders
from imagegate.security.private_files import keep_from_others
from imagegate.settings import Settings

_MAX_PORT_ATTEMPTS, _MAX_PORT = 20, 65535


@contextlib.contextmanager
def lock_data_dir(settings: Settings, advice: str = "choose another with --data") -> Iterator[None]:
    """One serving process per data folder: of two, each would take the tasks of the other for lost.

    The kernel releases the lock when the file is closed or the process ends, however it ends. A folder that was made
    for a start which failed before it wrote anything is taken away again.
    """
    data = settings.data_dir
    missing = [one for one in (data, *data.parents) if not one.exists()]
    try:
        make_folders(settings)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_from_others(data)
        handle = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        reason = "it is not a folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise Exit(
            FAILED, f"imagegate: cannot use the data folder {data}: {reason}; choose another with --data"
        ) from error
    with os.fdopen(handle):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Exit(
                FAILED,
                f"imagegate: another gateway or worker is already serving from {data}; {advice}",
            ) from None
        try:
            yield
        except BaseException:
            if missing and [one.name for one in data.iterdir()] == ["lock"]:
                (data / "lock").unlink()
                for folder in missing:
                    folder.rmdir()
            raise


def listen(settings: Settings, *, fixed: bool) -> socket.socket:
    """Bind the port, or the next free one unless this port was requested."""
    host, first = settings.server.host, settings.server.port
    attempts = 1 if fixed or first == 0 else _MAX_PORT_ATTEMPTS
    for port in range(first, min(first + attempts, _MAX_PORT + 1)):
        listener = _try_bind(host, port)
        if listener is not None:
            return listener
    raise Exit(FAILED, f"imagegate: port {first} on {host} is in use; choose another with --port")


def _try_bind(host: str, port: int) -> socket.socket | None:
    """None where the port is in use."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise Exit(
            FAILED,
            f"imagegate: cannot listen on {host}: {error.strerror}; choose an address of this machine with --host",
        ) from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise cannot_listen(host, port, error) from error
    return listener
