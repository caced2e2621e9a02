"""The static files of the page, under URLs that change with their content.

One hash over all files is part of every URL, so that relative imports need no rewriting and browsers may keep all files
for a year. Nothing is read before the first page is requested.
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
_COMPRESSIBLE = (".js", ".css", ".json", ".svg", ".txt")


class Asset(msgspec.Struct, frozen=True):
    """A file as it is sent; `gzipped` is empty where compression gains nothing."""

    media_type: str
    content: bytes
    gzipped: bytes


class Assets:
    @functools.cached_property
    def _files(self) -> dict[str, bytes]:
        root = Path(str(resources.files("imagegate.web") / "static"))
        found = (file for file in sorted(root.rglob("*")) if file.suffix in _TYPES)
        return {file.relative_to(root).as_posix(): file.read_bytes() for file in found}

    @functools.cached_property
    def version(self) -> str:
        """12 hex digits over the names and bytes of all files."""
        digest = hashlib.sha256()
        for name, content in self._files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """KeyError for a missing file: a page never names one."""
        _ = self._files[name]
        return f"/static/{self.version}/{name}"

    def text(self, name: str) -> str:
        return self._files[name].decode()

    @functools.cached_property
    def import_map(self) -> str:
        return json.dumps({"imports": {name: self.url(file) for name, file in MODULES.items()}}, separators=(",", ":"))

    def find(self, name: str) -> Asset | None:
        return self._load(name) if name in self._files else None

    def _content(self, name: str) -> bytes:
        """Of the texts those that scripts read: the others are in the HTML, and are a third of the file."""
        if not name.startswith("lang/"):
            return self._files[name]
        texts = json.loads(self._files[name])
        return json.dumps({part: texts[part] for part in texts if part != "page"}, ensure_ascii=False).encode()

    @functools.cache  # noqa: B019  one for the whole process, like the files
    def _load(self, name: str) -> Asset:
        content, suffix = self._content(name), Path(name).suffix
        gzipped = gzip.compress(content, 9, mtime=0) if suffix in _COMPRESSIBLE else b""
        return Asset(_TYPES[suffix], content, gzipped if len(gzipped) < len(content) else b"")
