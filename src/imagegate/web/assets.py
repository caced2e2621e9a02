"""The static files of the page, under an address that changes with their content.

Knows: one hash over all files, which is part of every address, so that relative imports need no rewriting and browsers
may keep everything for a year; gzip; the import map. Refuses to know: what the files do. Nothing is read before the
first page is asked for.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
from importlib import resources
from pathlib import Path

import msgspec

MODULES = {
    "preact": "vendor/preact.js",
    "preact/hooks": "vendor/preact-hooks.js",
    "@preact/signals-core": "vendor/signals-core.js",
    "@preact/signals": "vendor/signals.js",
    "htm": "vendor/htm.js",
    "html": "app/html.js",
    "uplot": "vendor/uplot.js",
    "client-zip": "vendor/client-zip.js",
}
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".webp": "image/webp",
}
_PACKED = (".js", ".css", ".json", ".svg", ".txt")


class Asset(msgspec.Struct, frozen=True):
    """A file as it is sent; `zipped` is empty where packing gains nothing."""

    media: str
    plain: bytes
    zipped: bytes


class Absent(msgspec.Struct, frozen=True):
    """No such file."""


class Assets:
    @functools.cached_property
    def _files(self) -> dict[str, bytes]:
        root = Path(str(resources.files("imagegate.web") / "static"))
        found = (file for file in sorted(root.rglob("*")) if file.suffix in _TYPES)
        return {file.relative_to(root).as_posix(): file.read_bytes() for file in found}

    @functools.cached_property
    def version(self) -> str:
        """12 hex digits over the names and bytes of all files."""
        mark = hashlib.sha256()
        for name, content in self._files.items():
            mark.update(f"{name}\0{len(content)}\0".encode() + content)
        return mark.hexdigest()[:12]

    def url(self, name: str) -> str:
        """KeyError for a file that is not there: a page never names one."""
        _ = self._files[name]
        return f"/static/{self.version}/{name}"

    def text(self, name: str) -> str:
        return self._files[name].decode()

    @functools.cached_property
    def import_map(self) -> str:
        return json.dumps({"imports": {name: self.url(file) for name, file in MODULES.items()}}, separators=(",", ":"))

    def open(self, name: str) -> Asset | Absent:
        return self._packed(name) if name in self._files else Absent()

    @functools.cache  # noqa: B019  one for the whole process, like the files
    def _packed(self, name: str) -> Asset:
        plain, suffix = self._files[name], Path(name).suffix
        zipped = gzip.compress(plain, 9, mtime=0) if suffix in _PACKED else b""
        return Asset(_TYPES[suffix], plain, zipped if len(zipped) < len(plain) else b"")
