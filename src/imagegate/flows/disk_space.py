"""Whether there is disk space for another result: checked before anything is held."""

from __future__ import annotations

import shutil
from pathlib import Path

from imagegate.runtime import Runtime
from imagegate.settings import Settings


def is_disk_full(runtime: Runtime) -> bool:
    """True where a volume that results pass has less free space than both settings ask for, in bytes and in percent."""
    return runtime.disk_full.get(lambda: _is_full(runtime.settings))


def _is_full(settings: Settings) -> bool:
    return any(free < min_free_bytes for _, free, min_free_bytes in measure_free_space(settings))


def measure_free_space(settings: Settings) -> list[tuple[Path, int, int]]:
    """Folder, bytes that are free and that must be, once for each volume."""
    storage = settings.storage
    found: dict[int, tuple[Path, int, int]] = {}
    for folder in (settings.data_dir, settings.blob_dir, settings.spool_dir):
        if folder is not None and folder.exists():
            usage = shutil.disk_usage(folder)
            min_free_bytes = min(storage.min_free_bytes, usage.total * storage.min_free_percent // 100)
            found.setdefault(folder.stat().st_dev, (folder, usage.free, min_free_bytes))
    return list(found.values())
