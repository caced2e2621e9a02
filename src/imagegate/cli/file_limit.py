"""How many files and sockets the process may open, and how many client connections that leaves room for."""

from __future__ import annotations

import contextlib
import resource

from imagegate.logging import log_warning
from imagegate.routing.call_limits import FIRST_LIMIT, OTHER_FILES
from imagegate.settings import Settings

_MIN_CONNECTIONS = 64
# Where the hard limit is "unlimited", some systems refuse just that as the soft one.
_MANY_FILES = 65_536


def raise_file_limit() -> int:
    """The soft limit becomes the hard one: usually it is 1,024, a remainder of select(), which nothing here uses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, _MANY_FILES):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft if soft != resource.RLIM_INFINITY else 2**31


def connection_limit(settings: Settings, files: int) -> int:
    """`max_connections`, or what the file limit leaves beside the gateway's own connections, with a warning."""
    wanted = settings.server.max_connections
    calls = min(settings.work.max_upstream_calls, FIRST_LIMIT)
    left = max(_MIN_CONNECTIONS, files - calls - OTHER_FILES)
    if left < wanted:
        log_warning("connections_limited_by_open_files", files=files, max_connections=wanted, connections=left)
    return min(wanted, left)
