"""The installation's secret and the keys derived from it.

The secret is the file `<data>/secret` (0600, made at the first start) or the variable `IMAGEGATE_SECRET` (or the file
that `IMAGEGATE_SECRET_FILE` names); it is never written to the database. Secrets that it replaced are there, encrypted
with a key derived from it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imagegate.disk import fsync
from imagegate.domain.time import US_PER_HOUR
from imagegate.security.signing import equal, mac
from imagegate.security.variables import read_variable

ENV_VARIABLE = "IMAGEGATE_SECRET"
FILE_VARIABLE = "IMAGEGATE_SECRET_FILE"
PREVIOUS_VARIABLE = "IMAGEGATE_SECRET_PREVIOUS"
NEXT_VARIABLE = "IMAGEGATE_SECRET_NEXT"
OVERLAP_US = 48 * US_PER_HOUR
_NONCE_BYTES = 12  # what AES-GCM is made for
_MIN_SECRET_CHARS = 32
HOW_TO_MAKE_ONE = "make one with: openssl rand -hex 32"
_HOW_TO_GO_ON = (
    f"without it no API key, link or webhook signature of this installation is valid. Restore the file, or set"
    f" {ENV_VARIABLE}. If it is lost for good: `imagegate secret accept` makes the present one valid, and every key"
    " has to be made anew"
)


class SecretError(Exception):
    """The secret is short, readable by others or unreadable; the text says what to do."""


@dataclasses.dataclass(frozen=True)
class Former:
    """A secret that was replaced, and when (UTC microseconds). It still holds for 48 hours from then."""

    replaced: int
    root: bytes = dataclasses.field(repr=False)

    @property
    def ends(self) -> int:
        return self.replaced + OVERLAP_US

    def derive_key(self, purpose: str) -> bytes:
        return mac(self.root, purpose.encode())


class Keyring:
    """Keys by purpose, derived with HMAC-SHA256. `formers` are the secrets that this one replaced, oldest first.

    `successor`: the one that other processes may use already. `ended`: the secret was itself replaced, more than 48
    hours ago; nothing that it signed holds.
    """

    def __init__(self, root: bytes, formers: tuple[Former, ...] = ()) -> None:
        self._root = root
        self.formers = formers
        self.successor: Keyring | None = None
        self.ended = False

    def derive_key(self, purpose: str) -> bytes:
        return mac(self._root, purpose.encode())

    def accepted_keys(self, purpose: str, now: int) -> list[bytes]:
        """What signatures are checked with: the present key first, for 48 hours the one before, and the next one."""
        if self.ended:
            return []
        keys = [self.derive_key(purpose), *(one.derive_key(purpose) for one in self.formers[-1:] if now < one.ends)]
        return [*keys, self.successor.derive_key(purpose)] if self.successor else keys

    @property
    def pepper(self) -> bytes:
        """Hashes API keys. It is that of the first secret for good: the keys themselves are nowhere, so no other hash
        of a key can be made before it is used. Keys have 256 random bits; who knows the pepper has none of them."""
        return self.formers[0].derive_key("pepper") if self.formers else self.derive_key("pepper")

    @property
    def key_id(self) -> str:
        """Stands in every link. Before the first rotation it is the one that links have had ever since."""
        return f"k{len(self.formers) + 1}"

    def replaced_by(self, successor: Keyring, now: int) -> Keyring:
        """The successor that knows this secret and those before as its formers."""
        return Keyring(successor._root, (*self.formers, Former(now, self._root)))

    def seal_formers(self) -> str:
        """The formers, encrypted with AES-GCM under a key of this secret: the database keeps them."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return (nonce + self._cipher.encrypt(nonce, msgspec.json.encode(self.formers), None)).hex()

    def open_formers(self, sealed: str) -> Keyring:
        """This keyring with the formers of `seal_formers`. SecretError where they are damaged."""
        try:
            raw = bytes.fromhex(sealed)
            text = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None)
        except (ValueError, InvalidTag):
            raise SecretError("the former secrets in the database are damaged; restore the last backup") from None
        return Keyring(self._root, msgspec.json.decode(text, type=tuple[Former, ...]))

    @property
    def _cipher(self) -> AESGCM:
        return AESGCM(self.derive_key("formers"))

    @property
    def check_value(self) -> str:
        """Tells this secret from others, and nothing else: the database keeps it."""
        return self.derive_key("secret-check").hex()


def open_keyring(data: Path, env: Mapping[str, str] = os.environ, *, create: bool = True) -> Keyring:
    """From the environment, else from the file, made at the first start. SecretError where it is not usable.

    `create` False: a missing file is an error too, because something depends on the secret that was in it.
    """
    given, source = read_variable(ENV_VARIABLE, env), ENV_VARIABLE if ENV_VARIABLE in env else FILE_VARIABLE
    if given is None:
        source = str(data / "secret")
        given = _load_or_create(data / "secret", create=create)
    return _parse_secret(given, source)


def has_variable(env: Mapping[str, str] = os.environ) -> bool:
    """Whether the secret comes from the environment, where no command of ours can change it."""
    return ENV_VARIABLE in env or bool(env.get(FILE_VARIABLE))


def open_other(variable: str, env: Mapping[str, str] = os.environ) -> Keyring | None:
    """The secret in this variable: the one that the present one is to replace, or the one that will replace it."""
    given = read_variable(variable, env)
    return _parse_secret(given, variable) if given else None


def next_file(data: Path) -> Path:
    """Where a rotation writes the new secret; it becomes `secret` once the database knows it."""
    return data / "secret.next"


def open_next(data: Path, env: Mapping[str, str] = os.environ) -> Keyring | None:
    """The secret of a rotation that was cut off, if any."""
    path = next_file(data)
    if has_variable(env) or not path.exists():
        return None
    return _parse_secret(_load_or_create(path, create=False), str(path))


def write_next(data: Path) -> Keyring:
    """Make a new secret and write it beside the present one, flushed before anything depends on it."""
    path = next_file(data)
    path.unlink(missing_ok=True)  # of a rotation that was cut off before the database knew of it
    write_private_file(path, secrets.token_hex(32))
    fsync(data)
    return _parse_secret(path.read_text("ascii"), str(path))


def adopt_next(data: Path) -> None:
    """The new secret takes the present one's place. Whoever else finished the rotation has done it already."""
    with contextlib.suppress(FileNotFoundError):
        next_file(data).replace(data / "secret")
    fsync(data)


def _parse_secret(given: str, source: str) -> Keyring:
    try:
        root = given.encode()
    except UnicodeEncodeError:
        raise SecretError(f"{source} is not text; {HOW_TO_MAKE_ONE}") from None
    if not given.isprintable():
        raise SecretError(f"{source} has characters that cannot be printed: it is not what was written there")
    if len(given) < _MIN_SECRET_CHARS:
        raise SecretError(
            f"{source} has {len(given)} characters: must be at least {_MIN_SECRET_CHARS}; {HOW_TO_MAKE_ONE}"
        )
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
    """A file with mode 0600: once this returns a power cut leaves it whole, before it whole or absent. An existing file
    is kept.

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
    # The database will hold what the file says, and must not outlive it.
    fsync(path.parent)
