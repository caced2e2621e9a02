"""A customer of the public API, for the command line. Knows addresses and errors; refuses to know the database."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from imagegate.cli.exit_codes import NOT_REACHABLE, USAGE, Exit, code_of
from imagegate.settings import Settings


class Client:
    """One session with one gateway. Every failure is an `Exit` with its own code."""

    def __init__(self, settings: Settings, url: str | None, key: str | None) -> None:
        self.base = (url or _told(settings.data_dir / "address", "--url")).rstrip("/")
        token = key or _told(settings.data_dir / "demo-key", "--key")
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"}, timeout=aiohttp.ClientTimeout(total=120, sock_connect=5)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @classmethod
    async def once(cls, settings: Settings, url: str | None, key: str | None, method: str, path: str) -> Any:
        async with cls(settings, url, key) as client:
            return await client.call(method, path)

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of a good answer."""
        try:
            async with self._session.request(method, self.base + path, **request) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Exit(NOT_REACHABLE, f"imagegate: no gateway answers at {self.base}: {error}") from error
        if response.status >= 400:
            problem = answer.get("error", {})
            message = problem.get("message") or answer.get("msg") or response.reason
            raise Exit(code_of(problem.get("code", "")), f"imagegate: {message}")
        return answer

    async def upload(self, file: Path) -> str:
        """Keep a file with the gateway; the address that works as a reference."""
        with file.open("rb") as opened:
            form = aiohttp.FormData()
            form.add_field("file", opened, filename=file.name)
            answer = await self.call("POST", "/api/v1/files/upload/stream", data=form)
        address: str = answer["data"]["file_url"]
        return address

    async def download(self, link: str, target: Path) -> None:
        """Stream a result to a file; the link needs no key."""
        try:
            async with self._session.get(link) as response:
                response.raise_for_status()
                with target.open("wb") as file:
                    async for piece in response.content.iter_chunked(1 << 18):
                        file.write(piece)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Exit(NOT_REACHABLE, f"imagegate: {link} cannot be read: {error}") from error


def _told(file: Path, option: str) -> str:
    """What a gateway with this data folder left for us."""
    try:
        return file.read_text().strip()
    except OSError:
        raise Exit(
            USAGE, f"imagegate: {file} is not there; start a gateway with this data folder or use {option}"
        ) from None
