"""Routes of an installation: from the environment, from a file that changes, and none at all."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.gateway import Gateway
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator


def test_a_key_in_the_environment_makes_the_route_and_says_so(tmp_path: Path) -> None:
    with Simulator() as sim:
        env = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{sim.url}/v1"}
        with Gateway(tmp_path / "data", env=env) as gateway:
            assert gateway.curl, "the last line of the start"
            output = "\n".join(gateway.output)
            assert "upstream openai (from the environment, at list cost): " in output
            assert "WARNING: gpt-image-2 is sold below the cost of a route" in output
            assert "procedural preview" not in output
            with gateway.client() as http:
                names = {one["id"] for one in http.get("/v1/models").json()["data"]}
                assert "gpt-image-2" in names
                assert "gpt-4o-image" not in names
                refused = http.post("/v1/images/generations", json={"prompt": "logo", "model": "gpt-image-1"})
                assert refused.status_code == 404
                assert "2026-10-23" in refused.json()["error"]["message"]
                task = http.post(
                    "/v1/images/generations", json={"prompt": "logo", "quality": "low"}, headers={"Prefer": "wait=30"}
                ).json()
            assert task["status"] == "completed"
            assert "engine" not in task
            assert sim.total["images"] == 1


def test_a_reload_changes_routes_for_what_begins_afterwards(tmp_path: Path) -> None:
    with Simulator() as one, Simulator() as other:
        rows = [upstream_config("one", f"{one.url}/v1"), route_config("one", "0.01")]
        with RoutedGateway(tmp_path / "data", *rows) as gateway:
            assert gateway.create()["status"] == "completed"
            gateway.file.write_text(
                "\n".join([*rows, upstream_config("other", f"{other.url}/v1"), route_config("other", "0.001")])
            )
            os.kill(gateway.pid, signal.SIGHUP)
            wait_until(lambda: any("configuration_reloaded" in line for line in gateway.output))
            assert gateway.create()["status"] == "completed"
            assert (one.total["images"], other.total["images"]) == (1, 1)
            gateway.file.write_text("[[upstream]]\nname = 1\n")
            os.kill(gateway.pid, signal.SIGHUP)
            wait_until(lambda: any("configuration_not_reloaded" in line for line in gateway.output))
            assert gateway.create()["status"] == "completed"
            assert other.total["images"] == 2


def test_a_reload_does_not_hurt_a_call_under_way(tmp_path: Path) -> None:
    with (
        Simulator("--latency", "2") as one,
        Simulator() as other,
        RoutedGateway(
            tmp_path / "data", upstream_config("one", f"{one.url}/v1"), route_config("one", "0.01")
        ) as gateway,
        gateway.client() as http,
    ):
        task = http.post("/v1/images/generations", json={"prompt": "logo", "size": "1:1"}).json()
        wait_until(lambda: len(one.calls()) == 1)
        gateway.file.write_text(upstream_config("other", f"{other.url}/v1") + route_config("other", "0.01"))
        os.kill(gateway.pid, signal.SIGHUP)
        done = http.get(f"/v1/tasks/{task['id']}", params={"wait": 20}).json()
        assert done["status"] == "completed"
        assert (one.total["images"], other.total["images"]) == (1, 0)


def test_a_request_that_goes_in_a_circle_is_refused(gateway: Gateway) -> None:
    with gateway.client() as http:
        for hop, status in (("3", 200), ("4", 400), ("x", 400)):
            answer = http.post("/v1/images/generations", json={"prompt": "logo"}, headers={"X-Imagegate-Hop": hop})
            assert answer.status_code == status
        assert answer.json()["error"]["param"] == "X-Imagegate-Hop"


def test_another_file_type_is_transcoded(tmp_path: Path) -> None:
    """Azure has no WebP, so PNG is requested; a response of another type than requested is transcoded too."""
    with Simulator() as sim:
        rows = [upstream_config("azure", f"{sim.url}/azure/openai/v1", dialect="azure"), route_config("azure", "0.01")]
        with RoutedGateway(tmp_path / "data", *rows) as gateway, gateway.client() as http:
            webp = gateway.create(output_format="webp", output_compression=80)
            assert webp["results"][0].partition("?")[0].endswith(".webp")
            got = http.get(webp["results"][0])
            assert got.headers["content-type"] == "image/webp"
            assert got.content[8:12] == b"WEBP"
            sim.script("wrong-format")
            png = gateway.create()
            assert http.get(png["results"][0]).content[:4] == b"\x89PNG"
            assert sim.total["images"] == 2
            gateway.check()


def test_wrong_rows_keep_the_gateway_from_starting_with_one_line(tmp_path: Path) -> None:
    place = RoutedGateway(tmp_path / "data", upstream_config("a", "http://127.0.0.1:1/v1"), route_config("b"))
    done = place.run("serve", "--config", str(place.file), check=False)
    assert done.returncode != 0
    assert done.stderr == (
        f"imagegate: {place.file}: [[route]] 'gpt-image-2' to 'b': there is no upstream 'b'; there are: a\n"
    )
    assert not place.data.exists()
