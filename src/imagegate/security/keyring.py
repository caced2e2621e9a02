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

from imagegate.security.signing import equal, mac

ENV_VARIABLE = "IMAGEGATE_SECRET"
_MIN_SECRET_CHARS = 32
_HOW_TO_MAKE_ONE = "make one with: openssl rand -hex 32"
_HOW_TO_GO_ON = (
    f"without it no API key, link or webhook signature of this installation is valid. Restore the file, or set"
    f" {ENV_VARIABLE}. If it is lost for good: `imagegate secret accept` makes the present one valid, and every key"
    " has to be made anew"
)


class SecretError(Exception):
    """The secret is short, readable by others or unreadable; the text says what to do."""


class Keyring:
    """Keys by purpose, derived with HMAC-SHA256."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def derive_key(self, purpose: str) -> bytes:
        return mac(self._root, purpose.encode())

    @property
    def check_value(self) -> str:
        """Tells this secret from others, and nothing else: the database keeps it."""
        return self.derive_key("secret-check").hex()


def open_keyring(data: Path, env: Mapping[str, str] = os.environ, *, create: bool = True) -> Keyring:
    """From the environment, else from the file, made at the first start. SecretError where it is not usable.

    `create` False: a missing file is an error too, because something depends on the secret that was in it.
    """
    given, source = env.get(ENV_VARIABLE), ENV_VARIABLE
    if given is None:
        source = str(data / "secret")
        given = _load_or_create(data / "secret", create=create)
    try:
        root = given.encode()
    except UnicodeEncodeError:
        raise SecretError(f"{source} is not text; {_HOW_TO_MAKE_ONE}") from None
    if not given.isprintable():
        raise SecretError(f"{source} has characters that cannot be printed: it is not what was written there")
    if len(given) < _MIN_SECRET_CHARS:
        raise SecretError(f"the secret has fewer than {_MIN_SECRET_CHARS} characters; {_HOW_TO_MAKE_ONE}")
    return Keyring(root)


def _load_or_create(path: Path, *, create: bool) -> str:
    try:
        if not path.exists():
            if not create:
                raise SecretError(f"{path} is missing; {_HOW_TO_GO_ON}")
            write_private_file(path, secrets.token_hex(32))
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretError(f"{path} can be read by others; run: chmod 600 {path}")
        return path.read_text("ascii").strip()
    except UnicodeDecodeError:
        raise SecretError(f"{path} has bytes that are not ASCII: it is not the file that was written here") from None
    except OSError as error:
        raise SecretError(f"{path} cannot be used: {error.strerror}") from error


def verify_check_value(keyring: Keyring, expected: str) -> None:
    """SecretError where the database was made with another secret."""
    if not equal(expected, keyring.check_value):
        raise SecretError(f"the secret is not the one that this database was made with; {_HOW_TO_GO_ON}")


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
