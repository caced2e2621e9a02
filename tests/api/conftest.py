"""Clients of the module's gateway: a customer and the operator."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.gateway import Gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    """The demo account."""
    with gateway.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.new_key("operator", "1", "--scope", "admin")) as opened:
        yield opened
