"""The MCP server on stdio and on streamable HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sys
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from imagegate import __version__
from imagegate.mcp.arguments import (
    Arguments,
    EditArguments,
    ImageArguments,
    NoArguments,
    QuoteArguments,
    TaskArguments,
    input_schema,
    parse_arguments,
)
from imagegate.mcp.budget import Budget
from imagegate.mcp.tools import Caller, ImageTools, call_safely, error_result
from imagegate.security.origins import AcceptedHosts
from imagegate_client import AsyncClient, AuthenticationError, ImagegateError

PATH = "/mcp"
_INSTRUCTIONS = (
    "Images cost credits. Ask quote_image for the price where it matters to the user. generate_image and edit_image"
    " wait for the images; if a task takes longer they answer with its id, and get_task continues the wait: never"
    " repeat the purchase. Show the user the links of finished images. A refusal that names the cap is final."
)
# How long a key that the gateway has accepted is not asked about again.
_KEY_MAX_AGE_S = 30.0
_MAX_KEYS = 10_000
_STOP_TIMEOUT_S = 5


class _ToolSpec(NamedTuple):
    title: str
    description: str
    arguments: type[Arguments]
    buys: bool
    method: Callable[[ImageTools, Caller, Any], Awaitable[CallToolResult]]


_TOOLS = {
    "quote_image": _ToolSpec(
        "Price of an image",
        "The price of generate_image or edit_image with these arguments: expected and maximum. Buys nothing.",
        QuoteArguments,
        False,
        ImageTools.quote_image,
    ),
    "generate_image": _ToolSpec(
        "Generate an image",
        "Generate images from a prompt. Costs credits. Returns the images, reduced, and links to the full ones; or,"
        " where they take longer, the id of a task for get_task.",
        ImageArguments,
        True,
        ImageTools.generate_image,
    ),
    "edit_image": _ToolSpec(
        "Edit images",
        "Generate images from one or more images and a prompt. Costs credits. Returns as generate_image does.",
        EditArguments,
        True,
        ImageTools.edit_image,
    ),
    "get_task": _ToolSpec(
        "State and images of a task",
        "Wait for a task of generate_image or edit_image and get its images. Buys nothing.",
        TaskArguments,
        False,
        ImageTools.get_task,
    ),
    "get_credits": _ToolSpec(
        "Balance",
        "What the account, this key and the cap of this session have left.",
        NoArguments,
        False,
        ImageTools.get_credits,
    ),
}


class Backend:
    """What all sessions of the process share: the gateway, a budget for each key, and the tools."""

    def __init__(self, base_url: str, cap: Decimal | None, tools: ImageTools) -> None:
        self.tools = tools
        self._base_url = base_url
        self._cap = cap
        self._http = httpx2.AsyncClient()
        self._budgets: dict[str, Budget] = {}

    async def close(self) -> None:
        await self.tools.close()
        await self._http.aclose()

    def client(self, api_key: str) -> AsyncClient:
        return AsyncClient(self._base_url, api_key, http_client=self._http)

    def budget(self, api_key: str) -> Budget:
        """The cap counts for key and process: another connection with the same key has the same budget."""
        return self._budgets.setdefault(api_key, Budget(self._cap))

    async def accepts(self, api_key: str) -> bool:
        """Whether the gateway knows the key; True where it cannot be asked, for then no tool works either."""
        try:
            await self.client(api_key).request("GET", "/v1/models", max_retries=0)
        except AuthenticationError:
            return False
        except ImagegateError:
            return True
        return True


def build_server(backend: Backend, api_key: str | None) -> Server[Any]:
    """`api_key` None: each request carries its own."""

    async def list_tools(_: object, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_describe(name, spec) for name, spec in _TOOLS.items()])

    async def call_tool(context: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> CallToolResult:
        spec = _TOOLS.get(params.name)
        if spec is None:
            return error_result(f"There is no tool {params.name}; there are {', '.join(_TOOLS)}")
        key = api_key or bearer_key(context.request.headers.get("authorization", "") if context.request else "")

        async def call() -> CallToolResult:
            arguments = parse_arguments(dict(params.arguments or {}), spec.arguments)
            report = context.session.report_progress
            caller = Caller(backend.client(key), backend.budget(key), report, context.protocol_version)
            return await spec.method(backend.tools, caller, arguments)

        return await call_safely(call)

    return Server(
        "imagegate",
        title="imagegate",
        version=__version__,
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _describe(name: str, spec: _ToolSpec) -> Tool:
    hints = ToolAnnotations(
        read_only_hint=not spec.buys, destructive_hint=False, idempotent_hint=not spec.buys, open_world_hint=True
    )
    return Tool(
        name=name,
        title=spec.title,
        description=spec.description,
        input_schema=input_schema(spec.arguments),
        annotations=hints,
    )


def bearer_key(authorization: str) -> str:
    """Empty where there is none."""
    scheme, _, key = authorization.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


async def serve_stdio(base_url: str, api_key: str, cap: Decimal | None, roots: tuple[Path, ...], wait_s: float) -> None:
    """Until standard input ends. The SDK keeps standard output for the protocol: what prints goes to standard error."""
    async with _backend(base_url, cap, roots, wait_s) as backend:
        server = build_server(backend, api_key)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


async def serve_http(
    base_url: str,
    cap: Decimal | None,
    roots: tuple[Path, ...],
    wait_s: float,
    *,
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...],
) -> None:
    """Until a signal. Prints its URL to standard error once it listens."""
    async with _backend(base_url, cap, roots, wait_s) as backend:
        server = build_server(backend, None)
        # Without sessions: each request stands for itself and for its own key, and a restart interrupts nobody.
        app = server.streamable_http_app(
            streamable_http_path=PATH,
            stateless_http=True,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # see Guard
        )
        guarded = Guard(app, AcceptedHosts(host, "", allowed_hosts), backend.accepts)
        config = uvicorn.Config(
            guarded, host=host, port=port, log_config=None, timeout_graceful_shutdown=_STOP_TIMEOUT_S
        )
        listening = _listen(host, port)
        shown = f"[{host}]" if ":" in host else host
        print(f"MCP is at http://{shown}:{listening.getsockname()[1]}{PATH}", file=sys.stderr, flush=True)  # noqa: T201
        await uvicorn.Server(config).serve(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


@contextlib.asynccontextmanager
async def _backend(
    base_url: str, cap: Decimal | None, roots: tuple[Path, ...], wait_s: float
) -> AsyncIterator[Backend]:
    backend = Backend(base_url, cap, ImageTools(roots, wait_s))
    try:
        yield backend
    finally:
        await backend.close()


class Guard:
    """Checks each HTTP request before the protocol reads it: Host and Origin, so that no web page of a stranger reaches
    a server on its visitor's machine, and the key."""

    def __init__(self, app: ASGIApp, hosts: AcceptedHosts, accepts: Callable[[str], Awaitable[bool]]) -> None:
        self._app = app
        self._hosts = hosts
        self._accepts = accepts
        self._accepted_until: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._refuse(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    async def _refuse(self, scope: Scope) -> JSONResponse | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get("host", "") not in self._hosts:
            return _refusal(421, "this host name is not accepted here (--allow-host)")
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) not in self._hosts:
            return _refusal(403, "this origin is not accepted here (--allow-host)")
        key = bearer_key(headers.get("authorization", ""))
        if not key or not key.isascii() or not await self._is_accepted(key):
            return _refusal(401, "an imagegate API key is required: Authorization: Bearer …")
        return None

    async def _is_accepted(self, key: str) -> bool:
        if self._accepted_until.get(key, 0) > time.monotonic():
            return True
        if not await self._accepts(key):
            self._accepted_until.pop(key, None)
            return False
        if len(self._accepted_until) >= _MAX_KEYS:
            self._accepted_until.clear()
        self._accepted_until[key] = time.monotonic() + _KEY_MAX_AGE_S
        return True


def _host_of(origin: str) -> str:
    """Empty for what is no URL, such as `null`."""
    try:
        return urllib.parse.urlsplit(origin).netloc
    except ValueError:
        return ""


def _refusal(status: int, message: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": message}}
    return JSONResponse(body, status_code=status, headers=headers)


def run(serve: functools.partial[Any]) -> None:
    """Run one of the servers to its end; Ctrl-C is one."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
