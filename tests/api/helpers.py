"""What the tests of the API share: reading an answer as strictly as the strictest client."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

CREATE, QUOTE = "/v1/images/generations", "/v1/images/quotes"
# The smallest image, and the scene that is painted fastest.
SMALL_IMAGE: dict[str, Any] = {"prompt": "logo", "size": "816x816", "quality": "low"}
TASK_ID = re.compile(r"task-unified-[0-9]+-[a-z0-9]{8}")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]{1,9})?")
WAIT = {"Prefer": "wait=60"}
CLASSIFIER_WORDS = re.compile(
    r"content|moderation|blocked|policy|file.*large|image.*size|size.*exceed", re.IGNORECASE | re.DOTALL
)


def parse_response(response: httpx.Response, status: int = 200) -> Any:
    """The JSON of an answer, after its form has been checked: compact, plain numbers, and a request id."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].partition(";")[0] == "application/json"
    assert re.fullmatch(r"req_[0-9a-zA-Z]+", response.headers["x-request-id"])
    marked = json.loads(response.text, parse_int=_quote_number, parse_float=_quote_number)
    assert _unquote_numbers(json.dumps(marked, ensure_ascii=False, separators=(",", ":"))) == response.text
    return response.json()


def _quote_number(text: str) -> str:
    assert NUMBER.fullmatch(text), text
    return f"<number {text}>"


def _unquote_numbers(text: str) -> str:
    return re.sub(r'"<number ([^>]+)>"', r"\1", text)


def parse_error(response: httpx.Response, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    """The error of a refusal, after everything that every error has in common."""
    answer = parse_response(response, status)
    assert list(answer) == ["error"]
    error: dict[str, Any] = answer["error"]
    assert (error["code"], error.get("param")) == (code, param)
    assert isinstance(error["message"], str)
    assert error["message"].strip()
    assert isinstance(error["type"], str)
    assert list(error)[:3] == ["code", "message", "type"]
    assert error["request_id"] == response.headers["x-request-id"]
    if status in (429, 503):
        assert re.fullmatch(r"[1-9][0-9]*", response.headers["retry-after"])
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
    if status == 400:
        assert not CLASSIFIER_WORDS.search(error["message"]), error["message"]
    return error


@contextlib.contextmanager
def assert_unchanged(client: httpx.Client) -> Iterator[None]:
    """No task and no hold is left behind."""
    before = account_state(client)
    yield
    assert account_state(client) == before


def account_state(client: httpx.Client) -> tuple[Any, Any]:
    """What the account has, and how many tasks."""
    return parse_response(client.get("/v1/credits"))["data"], parse_response(client.get("/v1/tasks?page_size=1"))[
        "total"
    ]


def send_raw(url: str, request: bytes, timeout: float = 10.0) -> bytes:
    """Bytes to the server as they are; all that comes back until it closes or falls silent."""
    parts = urlsplit(url)
    assert parts.hostname
    received = b""
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=timeout) as connection:
        connection.sendall(request)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return received
