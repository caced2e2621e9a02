"""The child process that decodes images: requests on stdin, responses on stdout, until its parent ends.

Run as `python -I -m imagegate.images.jobs.worker [niceness]`. It limits itself before the first request.
What a job may do is limited by the kernel, not by trust.
"""

import ctypes
import importlib
import math
import os
import resource
import struct
import sys
import traceback
import typing
from collections.abc import Callable
from typing import BinaryIO

import msgspec

_MEMORY_BYTES = 600 << 20
_FILE_BYTES = 64 << 20
MAX_MESSAGE_BYTES = 16 << 20
EXIT_OUT_OF_MEMORY = 71
_JOB_PACKAGE = "imagegate."
_CLONE_NEWUSER, _CLONE_NEWNET = 0x1000_0000, 0x4000_0000
_LENGTH = struct.Struct(">I")


class JobRequest(msgspec.Struct, frozen=True):
    """What the parent sends: a `module:function`, its request still encoded, and the CPU seconds it may use."""

    job: str
    request: bytes
    cpu_s: float


class JobResponse(msgspec.Struct, frozen=True):
    """What the child sends back: the encoded result, or the kind and text of the exception."""

    ok: bool
    result: bytes = b""
    kind: str = ""
    message: str = ""


def encode_message(message: msgspec.Struct) -> bytes:
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


def message_length(prefix: bytes) -> int:
    (length,) = _LENGTH.unpack(prefix)
    if length > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {length} bytes is too long")
    return int(length)


PREFIX_BYTES = _LENGTH.size


def main() -> int:
    requests, responses = _private_streams()
    _limit_self(int(next(iter(sys.argv[1:]), "0")))
    while prefix := requests.read(PREFIX_BYTES):
        request = msgspec.msgpack.decode(requests.read(message_length(prefix)), type=JobRequest)
        try:
            response = _run_job(request)
        except MemoryError:
            # What survives a failed allocation is not trusted with the next request.
            return EXIT_OUT_OF_MEMORY
        responses.write(encode_message(response))
        responses.flush()
    return 0


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Move the two pipes away from 0 and 1, where a library's print or read could reach them."""
    requests, responses = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, responses


def _limit_self(niceness: int) -> None:
    os.nice(niceness)
    limits = {resource.RLIMIT_AS: _MEMORY_BYTES, resource.RLIMIT_FSIZE: _FILE_BYTES, resource.RLIMIT_CORE: 0}
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    _drop_network()


def _drop_network() -> None:
    # Best effort: containers often forbid new namespaces, and other systems have none
    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is None:
        return
    if unshare(_CLONE_NEWNET) != 0:
        unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _limit_cpu(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit_s = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, hard))


def _run_job(request: JobRequest) -> JobResponse:
    _limit_cpu(request.cpu_s)
    try:
        job = _find_job(request.job)
        argument = msgspec.msgpack.decode(request.request, type=_request_type(job))
        return JobResponse(ok=True, result=msgspec.msgpack.encode(job(argument)))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # a failed job is a response, not the end of the child
        traceback.print_exc()
        return JobResponse(ok=False, kind=type(error).__name__, message=str(error))


def _find_job(name: str) -> Callable[[object], object]:
    module, _, function = name.partition(":")
    if not module.startswith(_JOB_PACKAGE):
        raise LookupError(f"{name!r} is not a job of this program")
    job: Callable[[object], object] = getattr(importlib.import_module(module), function)
    return job


def _request_type(job: Callable[[object], object]) -> type[object]:
    request_type: type[object] = typing.get_type_hints(job)["request"]
    return request_type


if __name__ == "__main__":
    sys.exit(main())
