"""What the client and the asynchronous client have in common: nothing here waits or calls."""

from __future__ import annotations

import os
import random
import re
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx2
import msgspec

from imagegate_client._errors import (
    APIError,
    ConfigurationError,
    ConnectionFailedError,
    ImagegateError,
    InvalidResponseError,
)
from imagegate_client._types import File, ImageSource, Task, TaskFilters
from imagegate_client._version import __version__

T = TypeVar("T")

URL_VARIABLE, KEY_VARIABLE = "IMAGEGATE_URL", "IMAGEGATE_API_KEY"
DEFAULT_MAX_RETRIES = 4
# A longer Retry-After is not waited for: the caller is told, because he may have something better to do.
MAX_RETRY_AFTER_S = 60.0
_FIRST_DELAY_S, _MAX_DELAY_S = 0.5, 8.0
_RETRIED_STATUSES = (408, 429, 500, 502, 503, 504)
CONNECT_TIMEOUT_S = 5.0
# A create is answered at once; what waits has this on top of its wait.
READ_TIMEOUT_S = 30.0
UPLOAD_TIMEOUT_S = 120.0
# Events: the gateway sends a ping after 15 s of silence.
SILENCE_TIMEOUT_S = 45.0
# Between two looks at a task: the gateway answers earlier when it has ended. With a callback for the progress, shorter.
POLL_S, PROGRESS_POLL_S = 30, 1
# A proxy of the environment has no way to this machine.
DIRECT: dict[str, None] = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}
DOWNLOAD_CHUNK_BYTES = 1 << 18
_FILE_ID = re.compile(r"file_[0-9a-f]{16,64}")


class Target(NamedTuple):
    """Which gateway, with which key."""

    base_url: str
    api_key: str

    def url(self, path: str) -> str:
        """Of a path of the API."""
        return self.base_url + path

    def headers(self, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """The key goes to the gateway alone, never along with a link."""
        own = {"Authorization": f"Bearer {self.api_key}", "User-Agent": f"imagegate-python/{__version__}"}
        return {**own, **(given or {})}


class Upload(NamedTuple):
    """A local file that the gateway does not have yet."""

    name: str
    content: bytes


def find_target(base_url: str | None, api_key: str | None) -> Target:
    """From the arguments, or from the environment."""
    url, key = base_url or os.environ.get(URL_VARIABLE, ""), api_key or os.environ.get(KEY_VARIABLE, "")
    if not url:
        raise ConfigurationError(f"base_url is missing: the URL of a gateway, or the variable {URL_VARIABLE}")
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"base_url must begin with http:// or https://, not {url!r}")
    if not key:
        raise ConfigurationError(f"api_key is missing: an API key, or the variable {KEY_VARIABLE}")
    if not key.isascii() or not key.isprintable():
        raise ConfigurationError("api_key has characters that no key has")
    return Target(url.rstrip("/").removesuffix("/v1").rstrip("/"), key)


def retry_delay_s(failure: ImagegateError, attempt: int) -> float | None:
    """Before the next try, with attempts from 0; None where another try would fail alike."""
    match failure:
        case ConnectionFailedError():
            pass
        case APIError(retry_after=float(wait_s)) if failure.status in _RETRIED_STATUSES:
            return wait_s if wait_s <= MAX_RETRY_AFTER_S else None
        case APIError() if failure.status in _RETRIED_STATUSES:
            pass
        case _:
            return None
    # spread, so that clients that failed together do not come back together
    return float(min(_FIRST_DELAY_S * 2**attempt, _MAX_DELAY_S)) * random.uniform(0.75, 1.25)  # noqa: S311


def connection_failed(base_url: str, error: Exception) -> ConnectionFailedError:
    """The failure of a request that brought no whole response."""
    failure = ConnectionFailedError(f"no gateway responds at {base_url}: {_reason(error)}")
    failure.__cause__ = error
    return failure


def _reason(error: Exception) -> str:
    """In the words of the system rather than in those of the libraries between."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case httpx2.TimeoutException():
                return "timed out"
            case httpx2.RemoteProtocolError():
                return "what came back is no answer in HTTP"
            case ssl.SSLCertVerificationError():
                return f"its certificate is not accepted: {cause.verify_message}"
            case ssl.SSLError():
                return "it does not speak TLS: is it an http:// address?"
            case socket.gaierror():
                return "no host has this name"
            case OSError(errno=int(number)):
                return os.strerror(number).lower()
            case _:
                pass
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def decode(body: bytes, kind: type[T]) -> T:
    """A successful response. Numbers may come as text: amounts are exact that way."""
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidResponseError(f"the response is not that of a gateway: {error}") from error


def timeout(read_s: float) -> httpx2.Timeout:
    """No limit on the whole: a transfer that moves on may take its time."""
    return httpx2.Timeout(read_s, connect=CONNECT_TIMEOUT_S)


def query(**given: Any) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in given.items() if value is not None}


def filter_texts(filters: TaskFilters) -> dict[str, Any]:
    """As the query string has them."""
    texts: dict[str, Any] = dict(filters)
    for name, value in texts.items():
        if isinstance(value, bool):
            texts[name] = "true" if value else "false"
    if "metadata" in texts:
        texts["metadata"] = ":".join(texts["metadata"])
    return texts


def include_text(include: Iterable[str]) -> str | None:
    """None for nothing."""
    return ",".join([include] if isinstance(include, str) else include) or None


def is_url(source: object) -> bool:
    """Whether an image is given by its URL."""
    return isinstance(source, str) and source.startswith(("http://", "https://"))


def is_file_id(source: object) -> bool:
    """Whether an image is given by the id of an upload."""
    return isinstance(source, str) and _FILE_ID.fullmatch(source) is not None


def source_list(sources: ImageSource | Sequence[ImageSource]) -> list[ImageSource]:
    """One image, or several in their order."""
    if isinstance(sources, Sequence) and not isinstance(sources, str | bytes):
        return list(sources)
    return [sources]


def read_upload(source: ImageSource, file_name: str | None = None) -> Upload:
    """Read whole, so that a repeat sends the same."""
    if isinstance(source, bytes):
        return Upload(file_name or "image", source)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return Upload(file_name or path.name, path.read_bytes())
    if isinstance(source, File):
        raise TypeError("this is uploaded already")
    name = getattr(source, "name", None)
    return Upload(file_name or (Path(name).name if isinstance(name, str) else "image"), source.read())


def output_paths(task: Task, path: str | os.PathLike[str] | None) -> list[Path]:
    """Where the images of a task go: named after the task in a folder, else `path`, numbered if there are several."""
    target = None if path is None else Path(path)
    if target is None or target.is_dir():
        folder = target or Path()
        return [folder / f"{task.id}_{index}.{_extension(link)}" for index, link in enumerate(task.results)]
    if len(task.results) == 1:
        return [target]
    return [target.with_stem(f"{target.stem}-{number}") for number in range(1, len(task.results) + 1)]


def _extension(link: str) -> str:
    return link.partition("?")[0].rpartition(".")[2]


def part_path(target: Path) -> Path | None:
    """Where a download goes first, so that no half image stands at `target`. None for a pipe or a device."""
    return None if target.exists() and not target.is_file() else target.with_name(f".{target.name}.part")
