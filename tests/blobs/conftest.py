"""Both stores, for the same tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imagegate.blobs import BlobStore, open_blobs
from imagegate.settings import load_settings
from tests.support.s3_server import S3Server

OpenBlobs = Callable[[], BlobStore]


@pytest.fixture(params=["file", "s3"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenBlobs:
    """Open the test's store; several of them are those of several processes."""
    storage = f"file://{tmp_path}/blobs"
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        storage = server.url()
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
    return lambda: open_blobs(load_settings(env={}, overrides={"data": str(tmp_path), "storage": storage}))


@pytest.fixture
def store(open_store: OpenBlobs) -> BlobStore:
    return open_store()
