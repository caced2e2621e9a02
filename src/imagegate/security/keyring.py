"""The installation's secret and the keys derived from it.

The secret is the file `<data>/secret` (0600, made at the first start) or the variable `IMAGEGATE_SECRET`; it is never
written to the database.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from imagegate.security.signing import mac

ENV_VARIABLE = "IMAGEGATE_SECRET"
_MIN_SECRET_CHARS = 32


class SecretError(Exception):
    """The secret is short, readable by others or unreadable; the text says what to do."""


class Keyring:
    """Keys by purpose, derived with HMAC-SHA256."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def derive_key(self, purpose: str) -> bytes:
        return mac(self._root, purpose.encode())


def open_keyring(data: Path, env: Mapping[str, str] = os.environ) -> Keyring:
    """From the environment, else from the file, made at the first start. SecretError where it is not usable."""
    given = env.get(ENV_VARIABLE)
    text = given if given is not None else _load_or_create(data / "secret")
    if len(text) < _MIN_SECRET_CHARS:
        raise SecretError(
            f"the secret has fewer than {_MIN_SECRET_CHARS} characters; make one with: openssl rand -hex 32"
        )
    return Keyring(text.encode())


def _load_or_create(path: Path) -> str:
    if not path.exists():
        write_private_file(path, secrets.token_hex(32))
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretError(f"{path} can be read by others; run: chmod 600 {path}")
    return path.read_text("ascii").strip()


def write_private_file(path: Path, text: str) -> None:
    """A file with mode 0600, whole or absent even after a power cut. An existing file is kept.

    Flushed under a temporary name first; `link` then fails where another process was faster, and its file wins.
    """
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
