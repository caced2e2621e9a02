"""A DNS server over UDP, in a thread: it answers for some names and never for any other."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

_TYPE_A = 1


class NameServer:
    """Answers A queries for the `names` that it knows with their address; whoever asks for another name waits.

    `queries` counts all questions, also those without an answer.
    """

    def __init__(self, **names: str) -> None:
        self.queries = 0
        self._names = {name.replace("_", "."): address for name, address in names.items()}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # shutdown wakes the thread, and says that there is no connection
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                query, sender = self._socket.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            self.queries += 1
            name, question = _parse_question(query)
            address = self._names.get(name)
            if address is not None:
                self._socket.sendto(_response(query[:2], question, address), sender)


def _parse_question(query: bytes) -> tuple[str, bytes]:
    """The name in lower case, and the whole question section."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), query[12 : at + 5]


def _response(query_id: bytes, question: bytes, address: str) -> bytes:
    """A records only: any other type gets an empty answer."""
    is_a = struct.unpack("!H", question[-4:-2])[0] == _TYPE_A
    # 0xC00C points back to the name of the question; class IN, 5 seconds to live.
    record = b"\xc0\x0c" + struct.pack("!HHIH", _TYPE_A, 1, 5, 4) + socket.inet_aton(address) if is_a else b""
    return query_id + struct.pack("!HHHHH", 0x8180, 1, int(is_a), 0, 0) + question + record
