"""The ceiling of the HTTP layer: ASGI and msgspec on the server that we use, with its options, and nothing else.

Run as a module with a port and a file that holds a task as our API shows it.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import uvicorn
import uvloop

from imagegate.api.http_protocol import ConnectionGuard, HttpProtocol
from imagegate.settings import Server


class Create(msgspec.Struct):
    model: str
    prompt: str
    size: str
    quality: str


def build_app(task: dict[str, Any]) -> Callable[..., Awaitable[None]]:
    tasks = {task["id"]: task}

    async def app(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] == "lifespan":
            return
        body = b""
        if scope["method"] == "POST":
            while True:
                message = await receive()
                body += message["body"]
                if not message.get("more_body"):
                    break
            create = msgspec.json.decode(body, type=Create)
            content = msgspec.json.encode({**task, "model": create.model})
        elif found := tasks.get(scope["path"].rpartition("/")[2]):
            content = msgspec.json.encode(found)
        else:
            content = b"{}"
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


def main(port: int, task_file: Path) -> None:
    guard = ConnectionGuard(Server(), Server().max_connections)
    config = uvicorn.Config(
        build_app(msgspec.json.decode(task_file.read_bytes())),
        port=port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=cast("type[asyncio.Protocol]", functools.partial(HttpProtocol, guard=guard)),
    )
    uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
