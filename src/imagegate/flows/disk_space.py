"""Whether there is disk space for another result: checked before anything is held."""

from __future__ import annotations

import shutil

from imagegate.runtime import Runtime


def is_disk_full(runtime: Runtime) -> bool:
    """True where the data volume has less free space than both settings ask for, in bytes and in percent."""
    storage = runtime.settings.storage
    usage = shutil.disk_usage(runtime.settings.data_dir)
    return usage.free < min(storage.min_free_bytes, usage.total * storage.min_free_percent // 100)
