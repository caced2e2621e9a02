"""One runtime for all tests of flows: an installation with the embedded engine, and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from imagegate.app import open_runtime
from imagegate.runtime import Runtime
from imagegate.settings import Server, Settings, Storage

CREATED = 1_795_341_693_000_000


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    data = str(tmp_path_factory.mktemp("flows"))
    settings = Settings(server=Server(public_url="https://gw.example"), storage=Storage(data=data))
    opened = asyncio.run(open_runtime(settings, clock=lambda: CREATED + 5_000_000))
    yield opened
    asyncio.run(opened.close())
