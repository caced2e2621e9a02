"""Fixtures that several end-to-end tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.file_server import FileServer


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    """A server for references, one for all tests of a file."""
    with FileServer() as server:
        yield server
