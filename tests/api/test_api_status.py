"""GET /v1/status: what everybody may know."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.gateway import Gateway


def test_s12_status_needs_no_key_and_tells_of_real_attempts(tmp_path: Path) -> None:
    with Gateway(tmp_path / "data") as gateway, gateway.client() as http:
        fresh = httpx.get(f"{gateway.url}/v1/status", timeout=60).json()
        assert {one["state"] for one in fresh["data"]} == {"unknown"}
        assert (fresh["data"][0]["model"], fresh["models_called"]) == ("gpt-image-2", 0)
    with Gateway(tmp_path / "data") as gateway, gateway.client() as http:
        for _ in range(3):
            body = {"prompt": "logo", "size": "1:3", "quality": "low"}
            http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=30"}).raise_for_status()
        told = httpx.get(f"{gateway.url}/v1/status", timeout=60).json()
        (model,) = [one for one in told["data"] if one["model"] == "gpt-image-2"]
        assert (model["state"], model["calls"], model["success"]) == ("operational", 3, 1.0)
        assert told["models_called"] == 1
        assert 0 < model["p50_seconds"] <= model["p95_seconds"] < 30
        assert "embedded" not in str(told)
