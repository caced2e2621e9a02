"""What is the same for every request of the surface: spellings of its paths, and CORS."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import Receive, Scope, Send

from imagegate.api.problems import OPENAI_PATH

_ROOT, _VERSION = OPENAI_PATH.split("/")[1:]
_EXPOSED = b"x-request-id, x-task-id, x-model, x-credits-reserved, x-should-retry, retry-after, idempotency-replayed"
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-max-age", b"7200"),
    (b"content-length", b"0"),
]

Headers = list[tuple[bytes, bytes]]


def canonical_path(path: str) -> str:
    """The path as its handler has it. Clients join base and path with one slash, two or none, and with `/v1` of their
    own or without. Paths of other surfaces come back as they are."""
    if _ROOT not in path[: len(_ROOT) + 8]:
        return path
    parts = [part for part in path.split("/") if part]
    if parts[:1] != [_ROOT]:
        return path
    rest = parts[1:]
    while rest[:1] == [_VERSION]:
        del rest[0]
    return "/".join([OPENAI_PATH, *rest])


def cors_headers(origins: Sequence[str], headers: dict[bytes, bytes]) -> Headers:
    """Without credentials: whoever calls shows a key, never a cookie."""
    exposed = (b"access-control-expose-headers", _EXPOSED)
    if "*" in origins:
        return [(b"access-control-allow-origin", b"*"), exposed]
    origin = headers.get(b"origin", b"")
    if origin.decode("latin-1") in origins:
        return [(b"access-control-allow-origin", origin), (b"vary", b"Origin"), exposed]
    return [(b"vary", b"Origin")]


async def answer_preflight(scope: Scope, receive: Receive, send: Send) -> None:
    """What a browser asks before it sends a request of another origin."""
    asked = scope["state"]["headers"].get(b"access-control-request-headers", b"authorization, content-type")
    headers = [*_PREFLIGHT, (b"access-control-allow-headers", asked)]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
