"""Several processes on one PostgreSQL: each serves what another one stored, and one that could not is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
from tests.support.gateway import Gateway, GatewayExited
from tests.support.image_files import PNG, b64
from tests.support.s3_server import S3Server

SECRET = {"IMAGEGATE_SECRET": "5" * 64}
ADDRESS = "http://gateway.test"  # of the proxy before them


@pytest.mark.parametrize("storage", ["folder", pytest.param("bucket", marks=pytest.mark.gate)])
def test_processes_serve_what_another_stored_and_refuse_to_start_where_they_could_not(
    postgres_url: str, tmp_path: Path, request: pytest.FixtureRequest, storage: str
) -> None:
    database = {"IMAGEGATE_DATABASE": postgres_url}
    folders = {"IMAGEGATE_STORAGE": str(tmp_path / "blobs")}
    if storage == "bucket":
        server: S3Server = request.getfixturevalue("s3")
        database |= server.env
        folders["IMAGEGATE_STORAGE"] = server.url()
    with (
        Gateway(tmp_path / "one", env={**database, **SECRET, **folders}, public_url=ADDRESS) as one,
        Gateway(tmp_path / "other", env={**database, **SECRET, **folders}, public_url=ADDRESS) as other,
        one.client(key := one.new_key("customer")) as here,
        other.client(key) as there,
    ):
        link = parse_response(here.post(CREATE, json=SMALL_IMAGE, headers=WAIT))["results"][0]
        path = link.removeprefix(ADDRESS)
        image = there.get(path)
        assert (image.status_code, image.content) == (200, here.get(path).content)
        file = parse_response(here.post("/api/v1/files/upload/base64", json={"base64_data": b64(PNG)}))["data"]
        body = {**SMALL_IMAGE, "image_urls": [file["file_url"]]}
        edited = parse_response(there.post(CREATE, json=body, headers=WAIT))
        assert edited["status"] == "completed", edited
        other.run("doctor")
        other.run("check", "--deep")

        for env, said in (
            ({**SECRET}, "is not the `storage` of this database"),
            ({**folders, "IMAGEGATE_SECRET": "6" * 64}, "the secret is not the one"),
        ):
            stranger = Gateway(tmp_path / "stranger", env={**database, **env})
            with pytest.raises(GatewayExited) as refused:
                stranger.start()
            assert refused.value.code == 1
            [line] = [line for line in stranger.output if not line.startswith("{")]
            assert line.startswith("imagegate: "), line
            assert said in line
            told = stranger.run("doctor", check=False)
            assert told.returncode == 1
            assert "Traceback" not in told.stderr
            assert said in told.stdout, told.stdout
        assert stranger.run("check", "--deep", check=False).returncode == 0
