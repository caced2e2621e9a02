"""The S3 server of the tests: what it acknowledged outlives a kill."""

from __future__ import annotations

import obstore
from obstore.store import S3Store

from tests.support.s3_server import BUCKET, S3Server, own_server


def _store(server: S3Server) -> S3Store:
    return S3Store.from_url(f"s3://{BUCKET}/x", config=server.config, client_options={"allow_http": True})


def test_the_shared_server_is_started_once(s3: S3Server) -> None:
    obstore.put(_store(s3), "key", b"bytes")
    assert obstore.get(_store(s3), "key").bytes() == b"bytes"


def test_objects_outlive_a_kill_and_a_pause() -> None:
    with own_server() as server:
        obstore.put(_store(server), "key", b"bytes")
        server.pause()
        server.resume()
        server.kill()
        server.start()
        assert obstore.get(_store(server), "key").bytes() == b"bytes"
