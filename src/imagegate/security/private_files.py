"""Keeps what an installation stores from other users of the machine. The group is the operator's own business."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from imagegate.logging import log_warning


class NotPrivate(Exception):
    """Others can read what must be private, and we may not change that; the text says what to do."""


def keep_from_others(path: Path) -> None:
    """Take every right of others away where we own the path, NotPrivate where we do not. Missing paths are fine."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if not found.st_mode & stat.S_IRWXO:
        return
    if found.st_mode & stat.S_ISVTX and {one.name for one in path.iterdir()} - {"lock"}:  # /tmp, and no new tmpfs
        raise NotPrivate(f"{path} is shared by all users of this machine; use a folder of its own for the data")
    if found.st_uid == os.geteuid():
        try:
            path.chmod(stat.S_IMODE(found.st_mode) & ~stat.S_IRWXO)
        except OSError:
            pass  # told below: some file systems have no rights of their own
        else:
            log_warning("access_of_others_removed", path=str(path))
    if path.stat().st_mode & stat.S_IRWXO:
        raise NotPrivate(
            f"{path} can be read by other users of this machine. As its owner run: chmod o-rwx {path}; where that is"
            " not possible, use a folder of its own for the data, which is created with mode 0700"
        )
