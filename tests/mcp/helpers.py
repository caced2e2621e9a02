"""The MCP server as a program, called by the SDK's own client."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx2
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ImageContent, ResourceLink, TextContent

from mcp import Client, StdioServerParameters
from tests.support.fork_server import shared_fork_server
from tests.support.gateway import Gateway
from tests.support.program import Program, wait_until

SMALL = {"prompt": "a logo", "size": "816x816", "quality": "low"}


def stdio_server(gateway: Gateway, *options: str, key: str = "") -> StdioServerParameters:
    env = {**os.environ, "IMAGEGATE_URL": gateway.url, "IMAGEGATE_API_KEY": key or gateway.key}
    return StdioServerParameters(command=sys.executable, args=["-m", "imagegate", "mcp", *options], env=env)


class McpProgram(Program):
    """`imagegate mcp --http` on a free port."""

    def __init__(self, gateway: Gateway, *options: str) -> None:
        super().__init__()
        self._env = {**os.environ, "IMAGEGATE_URL": gateway.url}
        self._options = options
        self.url = ""

    def start(self) -> None:
        arguments = ["mcp", "--http", "--port", "0", *self._options]
        shared_fork_server().preload("imagegate.mcp.server")
        self._launch(shared_fork_server().start(arguments, self._env))
        wait_until(lambda: self.url, what=lambda: "MCP listens: " + "\n".join(self.output))

    def read_line(self, line: str) -> None:
        if found := re.match(r"MCP is at (\S+)", line):
            self.url = found[1]

    def stop(self) -> int:
        return self._end(signal.SIGTERM)


@asynccontextmanager
async def http_session(server: McpProgram, key: str, **options: Any) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60) as http,
        Client(streamable_http_client(server.url, http_client=http), **options) as client,
    ):
        yield client


def stdio_session(parameters: StdioServerParameters, **options: Any) -> Client:
    return Client(stdio_client(parameters), **options)


def text_of(result: CallToolResult) -> str:
    return "\n".join(one.text for one in result.content if isinstance(one, TextContent))


def images_of(result: CallToolResult) -> list[ImageContent]:
    return [one for one in result.content if isinstance(one, ImageContent)]


def links_of(result: CallToolResult) -> list[str]:
    return [str(one.uri) for one in result.content if isinstance(one, ResourceLink)]


def facts_of(result: CallToolResult) -> dict[str, Any]:
    facts: dict[str, Any] = result.structured_content
    return facts


def left_of_cap(result: CallToolResult) -> Decimal:
    return Decimal(facts_of(result)["cap_credits_left"])
