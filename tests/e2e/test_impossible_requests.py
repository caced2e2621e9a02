"""What no route will ever do is refused with what the routes can, on every surface; 503 stays for what passes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx

from tests.support.image_files import image_bytes
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config

CREATE, QUOTE, OPENAI = "/v1/images/generations", "/v1/images/quotes", "/openai/v1/images/generations"
UPSTREAM = upstream_config("there", "http://127.0.0.1:9", protocol="replicate")


def error_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 400, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert (error["code"], "there" in error["message"]) == ("invalid_request", False)
    return error


def test_a_size_that_no_route_makes_is_400_on_every_surface_and_a_replay_still_finds_its_task(tmp_path: Path) -> None:
    with (
        RoutedGateway(tmp_path / "data", UPSTREAM, route_config("there"), options=("--no-workers",)) as gateway,
        gateway.client() as http,
    ):
        body = {"prompt": "logo", "size": "1024x1024"}
        for path in (QUOTE, CREATE, OPENAI):
            error = error_of(http.post(path, json=body))
            assert error["param"] == "size"
            assert error["message"].startswith(
                "size must be one of 1:1, 3:2, 2:3: no route of this gateway can generate 1024x1024"
            )
        once = {"prompt": "logo", "size": "1:1"}
        assert http.post(QUOTE, json=once).status_code == 200
        made = http.post(CREATE, json=once, headers={"Idempotency-Key": "once"}).raise_for_status().json()
        gateway.file.write_text(f"{UPSTREAM}\n{route_config('there', sizes=['3:2'])}")
        assert gateway._process is not None
        gateway._process.send_signal(signal.SIGHUP)
        wait_until(lambda: http.post(QUOTE, json=once).status_code == 400)
        assert error_of(http.post(CREATE, json=once))["param"] == "size"
        again = http.post(CREATE, json=once, headers={"Idempotency-Key": "once"}).raise_for_status().json()
        assert again["id"] == made["id"]


def test_a_reference_that_no_route_takes_ends_its_task_with_what_the_routes_can(tmp_path: Path) -> None:
    """How large it is shows once it was fetched."""
    small = upstream_config("there", "http://127.0.0.1:9/v1") + "[upstream.override]\nmax_ref_bytes = 100\n"
    with RoutedGateway(tmp_path / "data", small, route_config("there")) as gateway, gateway.client() as http:
        stored = http.post("/api/v1/files/upload/stream", files={"file": ("a.png", image_bytes(), "image/png")}).json()
        body = {"prompt": "logo", "image_urls": [stored["data"]["file_url"]]}
        error = http.post(CREATE, json=body, headers={"Prefer": "wait=60"}).json()["error"]
        gateway.check()
    assert (error["code"], error["param"]) == ("invalid_parameters", "image_urls")
    assert error["message"] == "image_urls lead to an image of more than 100 bytes: no route of this gateway takes it."
