"""A gateway that takes tasks and carries none out: what waits goes on waiting, and every answer comes at once."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.gateway import Gateway


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    env = {"IMAGEGATE_FAILED_LOGINS_PER_MINUTE": "1000"}
    with Gateway(tmp_path_factory.mktemp("idle"), "--no-workers", env=env) as served:
        yield served


@pytest.fixture(scope="module")
def waiting(idle: Gateway) -> Iterator[httpx.Client]:
    """A customer of it."""
    with idle.client() as opened:
        yield opened
