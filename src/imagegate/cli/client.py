"""A client of the public API, for the commands of a customer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import aiohttp

from imagegate.cli.exit_codes import UNREACHABLE, USAGE, Exit, exit_code_for
from imagegate.cli.options import GatewayOptions


class GatewayClient:
    """One session with one gateway. Every failure is an `Exit` with an exit code of its own."""

    def __init__(self, gateway: GatewayOptions) -> None:
        data_dir = gateway.settings.data_dir
        self.base = (gateway.url or _read_hint(data_dir / "address", "--url")).rstrip("/")
        token = gateway.key or _read_hint(data_dir / "demo-key", "--key")
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(total=120, sock_connect=5),
            # As every other program of this machine resolves names, mDNS included.
            connector=aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver()),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @classmethod
    async def request_once(cls, gateway: GatewayOptions, method: str, path: str, **options: Any) -> Any:
        async with cls(gateway) as client:
            return await client.request(method, path, **options)

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of a successful response."""
        try:
            async with self._session.request(method, self.base + path, **options) as response:
                body = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Exit(UNREACHABLE, f"imagegate: no gateway responds at {self.base}: {error}") from error
        if response.status >= 400:
            problem = body.get("error", {})
            message = problem.get("message") or body.get("msg") or response.reason
            raise Exit(exit_code_for(problem.get("code", "")), f"imagegate: {message}")
        return body

    async def upload(self, file: Path) -> str:
        """Upload a file; returns the URL that works as a reference."""
        with file.open("rb") as opened:
            form = aiohttp.FormData()
            form.add_field("file", opened, filename=file.name)
            answer = await self.request("POST", "/api/v1/files/upload/stream", data=form)
        address: str = answer["data"]["file_url"]
        return address

    async def download(self, link: str, target: Path) -> None:
        """Stream a result to a file. The link needs no key."""
        try:
            async with self._session.get(link) as response:
                response.raise_for_status()
                with target.open("wb") as file:
                    async for chunk in response.content.iter_chunked(1 << 18):
                        file.write(chunk)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Exit(UNREACHABLE, f"imagegate: {link} cannot be downloaded: {error}") from error


def _read_hint(file: Path, option: str) -> str:
    """The address or the demo key that a gateway with this data folder has written."""
    try:
        return file.read_text().strip()
    except OSError:
        raise Exit(
            USAGE, f"imagegate: {file} not found; start a gateway with this data folder or use {option}"
        ) from None
