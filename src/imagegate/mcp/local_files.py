"""Images on this machine that a model may name: those below the folders that the user has opened with `--root`."""

from __future__ import annotations

import os
import stat
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

from imagegate.images.facts import InvalidImage
from imagegate.images.inspect import MAX_BYTES, inspect


class FileRefusedError(Exception):
    """The file is not given to the gateway. Its text is for the model, and is the same for what exists and what does
    not outside the roots."""


def read_image(name: str, roots: tuple[Path, ...]) -> bytes:
    """The bytes of a file below a root that is a whole JPEG, PNG or WebP; FileRefusedError for anything else."""
    if not roots:
        raise FileRefusedError(f"{name}: local files are not open to this server (the user can open a folder: --root)")
    content = _read_below(_local_path(name, roots), roots, name)
    # The copy is checked that is sent: what stands at the path may change meanwhile.
    with tempfile.NamedTemporaryFile(prefix="imagegate-mcp-") as copy:
        copy.write(content)
        copy.flush()
        try:
            inspect(Path(copy.name))
        except InvalidImage as error:
            raise FileRefusedError(f"{name} is not a JPEG, PNG or WebP image") from error
    return content


def _local_path(name: str, roots: tuple[Path, ...]) -> Path:
    if name.startswith("file:"):
        name = urllib.request.url2pathname(urllib.parse.urlsplit(name).path)
    path = Path(name).expanduser()
    if path.is_absolute():
        return path
    return next((root / path for root in roots if (root / path).exists()), roots[0] / path)


def _read_below(path: Path, roots: tuple[Path, ...], name: str) -> bytes:
    refused = FileRefusedError(f"{name} is not a file below {' or '.join(str(root) for root in roots)}")
    try:
        real = path.resolve(strict=True)  # symbolic links lead nowhere else
        if not any(real.is_relative_to(root) for root in roots):
            raise refused
        # not blocking: a pipe without a writer would wait for one
        opened = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError, RuntimeError) as error:
        raise refused from error
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise refused
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise FileRefusedError(f"{name} is larger than {MAX_BYTES:,} bytes")
    return content
