"""Named places in the code where a test can kill the real process.

Nothing happens unless `IMAGEGATE_CRASH=<name>[:<nth>]` is in the environment. The kill is a SIGKILL: no
handler runs, no buffer is flushed.
"""

from __future__ import annotations

import functools
import os
import signal
import threading

POINTS = frozenset(
    {
        "submit.key_inserted",
        "submit.pre_commit",
        "submit.post_commit",
        "claim.pre_commit",
        "claim.post_commit",
        "fetch.mid",
        "fetch.stored",
        "upstream.marked",
        "upstream.after_send",
        "upstream.post_response",
        "spool.mid",
        "spool.fsynced",
        "blob.mid_write",
        "blob.pre_publish",
        "blob.post_publish",
        "settle.mid",
        "settle.pre_commit",
        "settle.post_commit",
        "thumbnail.published",
        "hook.claimed",
        "hook.post_send",
        "hook.post_mark",
        "delete.post_commit",
        "delete.blobs_deleted",
        "sweep.mid",
        "gc.row_deleted",
        "gc.blob_deleted",
        "archive.file_written",
        "archive.mid",
        "archive.post_commit",
    }
)
_hit_counts: dict[str, int] = {}
_lock = threading.Lock()


def crash_point(name: str) -> None:
    """Kill the process here if this is the named point, passed for the nth time."""
    armed, nth = _armed_point()
    if name != armed:
        return
    with _lock:
        _hit_counts[name] = _hit_counts.get(name, 0) + 1
        if _hit_counts[name] == nth:
            os.kill(os.getpid(), signal.SIGKILL)


@functools.cache
def _armed_point() -> tuple[str, int]:
    name, _, nth = os.environ.get("IMAGEGATE_CRASH", "").partition(":")
    if name and name not in POINTS:
        raise ValueError(f"IMAGEGATE_CRASH: there is no crash point {name!r}")
    return name, int(nth or 1)
