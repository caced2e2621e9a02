"""The tools, as the official client sees them, on both transports and in both eras of the protocol."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from PIL import Image

import imagegate_client
from mcp import Client
from tests.mcp.helpers import (
    SMALL,
    McpProgram,
    facts_of,
    http_session,
    images_of,
    left_of_cap,
    links_of,
    stdio_server,
    stdio_session,
    text_of,
)
from tests.support.gateway import Gateway

TOOLS = ["quote_image", "generate_image", "edit_image", "get_task", "get_credits"]


@pytest.fixture(scope="module")
def http_server(gateway: Gateway) -> Iterator[McpProgram]:
    with McpProgram(gateway) as server:
        yield server


@asynccontextmanager
async def session(kind: str, gateway: Gateway, http_server: McpProgram, mode: str = "auto") -> AsyncIterator[Client]:
    if kind == "http":
        async with http_session(http_server, gateway.key, mode=mode) as client:
            yield client
    else:
        async with stdio_session(stdio_server(gateway), mode=mode) as client:
            yield client


@asynccontextmanager
async def own_session(gateway: Gateway, *options: str, key: str = "") -> AsyncIterator[Client]:
    """With a server of its own, by HTTP: it starts ten times as fast as one on standard input and output."""
    with McpProgram(gateway, *options) as server:
        async with http_session(server, key or gateway.key) as client:
            yield client


def price(gateway: Gateway) -> tuple[Decimal, Decimal]:
    """Expected and maximum of SMALL."""
    with imagegate_client.Client(gateway.url, gateway.key) as client:
        quote = client.images.quote("a logo", size="816x816", quality="low")
        return quote.expected.credits, quote.maximum.credits


def mismatch(gateway: Gateway) -> dict[str, Any]:
    """A reference and a mask that do not fit: their task fails."""
    urls = []
    with imagegate_client.Client(gateway.url, gateway.key) as client:
        for size in ((816, 816), (64, 64)):
            file = io.BytesIO()
            Image.new("RGBA", size, (0, 0, 0, 0)).save(file, "PNG")
            urls.append(client.files.upload(file.getvalue()).file_url)
    return {"images": urls[:1], "mask": urls[1]}


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("stdio", "auto"),
        ("http", "legacy"),
        pytest.param("stdio", "legacy", marks=pytest.mark.gate),
        pytest.param("http", "auto", marks=pytest.mark.gate),
    ],
)
async def test_s15_mcp_tools_list_quote_generate_edit_and_look(
    gateway: Gateway, http_server: McpProgram, kind: str, mode: str
) -> None:
    expected, maximum = price(gateway)
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async with session(kind, gateway, http_server, mode) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == TOOLS
        assert all(tool.input_schema["type"] == "object" and "$ref" not in str(tool.input_schema) for tool in tools)

        quote = facts_of(await client.call_tool("quote_image", SMALL))
        assert (Decimal(quote["expected_credits"]), Decimal(quote["maximum_credits"])) == (expected, maximum)
        before = Decimal(facts_of(await client.call_tool("get_credits", {}))["account_credits"])

        made = await client.call_tool("generate_image", {**SMALL, "n": "2"}, progress_callback=on_progress)
        assert not made.is_error, text_of(made)
        assert len(images_of(made)) == 2
        for one in images_of(made):
            with Image.open(io.BytesIO(base64.b64decode(one.data))) as image:
                assert (image.size, Image.MIME[image.format or ""]) == ((816, 816), one.mime_type)
        assert links_of(made) == facts_of(made)["images"]
        assert all(link in text_of(made) for link in links_of(made))
        assert seen == sorted(set(seen))
        assert seen[-1] == 100

        edited = await client.call_tool("edit_image", {**SMALL, "images": [links_of(made)[0]]})
        assert not edited.is_error, text_of(edited)
        shown = await client.call_tool("get_task", {"task_id": facts_of(edited)["task_id"]})
        assert [one.data for one in images_of(shown)] == [one.data for one in images_of(edited)]

        after = Decimal(facts_of(await client.call_tool("get_credits", {}))["account_credits"])
        assert before - after == sum(Decimal(facts_of(one)["credits"]) for one in (made, edited))


async def test_s15_mcp_errors_can_be_read_by_the_model(gateway: Gateway, http_server: McpProgram) -> None:
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "quality": ("generate_image", {**SMALL, "quality": "ultra"}),
        "prompt": ("generate_image", {"size": "1:1"}),
        "n": ("quote_image", {**SMALL, "n": "many"}),
        "task_not_found": ("get_task", {"task_id": "task-unified-1-aaaaaaaa"}),
        "invalid_task_id": ("get_task", {"task_id": "nonsense"}),
        "There is no tool": ("paint", {}),
        "--root": ("edit_image", {**SMALL, "images": ["/etc/passwd"]}),
        "data URLs": ("edit_image", {**SMALL, "images": ["data:image/png;base64,AAAA"]}),
        "not_found": ("edit_image", {**SMALL, "images": ["file_" + "0" * 32]}),
        "port 9": ("edit_image", {**SMALL, "images": ["http://127.0.0.1:9/a.png"]}),
        "image_dimension_mismatch": ("edit_image", {**SMALL, **mismatch(gateway)}),
    }
    with gateway.client() as http:
        before = http.get("/v1/credits").json()["data"]["user"]["exact"]
    async with http_session(http_server, gateway.key) as client:
        for words, (tool, arguments) in cases.items():
            result = await client.call_tool(tool, arguments)
            assert result.is_error, (words, result)
            assert words in text_of(result)
    with gateway.client() as http:
        assert http.get("/v1/credits").json()["data"]["user"]["exact"] == before


async def test_s15_mcp_wait_a_task_that_takes_longer_is_continued_with_get_task(gateway: Gateway) -> None:
    async with own_session(gateway, "--wait", "0") as client:
        begun = await client.call_tool("generate_image", SMALL)
        assert not begun.is_error
        assert images_of(begun) == []
        assert "get_task" in text_of(begun)
        task_id = facts_of(begun)["task_id"]
        with anyio.fail_after(60):
            while not images_of(await client.call_tool("get_task", {"task_id": task_id})):
                await anyio.sleep(0.05)


async def test_s15_mcp_cap_ten_calls_that_race_for_the_last_credits_never_exceed_the_cap(gateway: Gateway) -> None:
    expected, maximum = price(gateway)
    cap = 3 * maximum + (maximum - expected) / 2
    async with own_session(gateway, "--cap", str(cap)) as client:
        results = []

        async def call() -> None:
            results.append(await client.call_tool("generate_image", SMALL))

        async with anyio.create_task_group() as calls:
            for _ in range(10):
                calls.start_soon(call)
        refused = [one for one in results if one.is_error]
        assert len(refused) == 7
        for one in refused:
            assert f"the cap is {cap} credits" in text_of(one)
            assert "Nothing was bought" in text_of(one)
        left = left_of_cap(await client.call_tool("get_credits", {}))
        assert left == cap - 3 * expected


async def test_s15_mcp_given_back_what_a_task_did_not_cost_and_refusals_cost_nothing(gateway: Gateway) -> None:
    expected, maximum = price(gateway)
    assert expected < maximum
    async with own_session(gateway, "--cap", str(expected + maximum)) as client:
        assert (await client.call_tool("generate_image", {**SMALL, "quality": "ultra"})).is_error
        refused = await client.call_tool("edit_image", {**SMALL, **mismatch(gateway)})
        assert "cap" in text_of(refused), "a reference and a mask may cost more than is left"
        assert left_of_cap(await client.call_tool("get_credits", {})) == expected + maximum
        first = await client.call_tool("generate_image", SMALL)
        assert left_of_cap(first) == maximum
        assert not (await client.call_tool("generate_image", SMALL)).is_error
        last = await client.call_tool("generate_image", SMALL)
        assert last.is_error
        assert "--cap" in text_of(last)


async def test_a_purchase_that_the_key_may_not_look_at_is_not_repeated(gateway: Gateway) -> None:
    blind = gateway.new_key("blind", "100", "--scope", "images:write")
    async with own_session(gateway, "--cap", "50", key=blind) as client:
        bought = await client.call_tool("generate_image", SMALL)
        assert bought.is_error
        assert "Do not repeat" in text_of(bought)
        assert "task-unified-" in text_of(bought)


async def test_a_failed_task_gives_everything_back(gateway: Gateway) -> None:
    async with stdio_session(stdio_server(gateway, "--cap", "50")) as client:
        failed = await client.call_tool("edit_image", {**SMALL, **mismatch(gateway)})
        assert failed.is_error
        assert "Nothing was charged" in text_of(failed)
        assert left_of_cap(await client.call_tool("get_credits", {})) == 50


async def test_s15_mcp_key_and_process_have_a_cap_over_all_connections(
    gateway: Gateway,
) -> None:
    expected, maximum = price(gateway)
    other = gateway.new_key("other", "100")
    with McpProgram(gateway, "--cap", str(maximum)) as server:
        async with http_session(server, gateway.key) as client:
            assert not (await client.call_tool("generate_image", SMALL)).is_error
        async with http_session(server, gateway.key) as client:
            assert "cap" in text_of(await client.call_tool("generate_image", SMALL))
        async with http_session(server, other) as client:
            made = await client.call_tool("generate_image", SMALL)
            assert left_of_cap(made) == maximum - expected


async def test_a_call_that_the_client_gives_up_stays_counted(gateway: Gateway) -> None:
    _, maximum = price(gateway)
    async with own_session(gateway, "--cap", str(10 * maximum)) as client:
        with gateway.client() as http:
            total = http.get("/v1/tasks").json()["total"]
            with anyio.move_on_after(10):
                async with anyio.create_task_group() as calls:
                    calls.start_soon(client.call_tool, "generate_image", {**SMALL, "size": "4:3", "resolution": "4K"})
                    while http.get("/v1/tasks").json()["total"] == total:
                        await anyio.sleep(0.01)
                    calls.cancel_scope.cancel()
            quote = http.post("/v1/images/quotes", json={**SMALL, "size": "4:3", "resolution": "4K"}).json()
            cost = Decimal(quote["expected"]["credits"])
        with anyio.fail_after(60):
            while left_of_cap(await client.call_tool("get_credits", {})) != 10 * maximum - cost:
                await anyio.sleep(0.05)


async def test_s15_mcp_images_large_ones_are_reduced_to_one_result(gateway: Gateway, http_server: McpProgram) -> None:
    arguments = {"prompt": "a logo", "size": "16:9", "resolution": "4K", "quality": "low"}
    async with http_session(http_server, gateway.key) as client:
        made = await client.call_tool("generate_image", arguments)
        assert not made.is_error, text_of(made)
        (one,) = images_of(made)
        assert len(one.data) <= 900_000
        with Image.open(io.BytesIO(base64.b64decode(one.data))) as image:
            assert image.size == (1568, 882)
        with imagegate_client.Client(gateway.url, gateway.key) as api:
            task = api.tasks.get(facts_of(made)["task_id"], include=["outputs"])
        assert (task.result_data[0].width, task.result_data[0].height) == (3840, 2160)


async def test_s15_mcp_files_edit_takes_images_below_the_roots_and_nothing_else(
    gateway: Gateway, tmp_path: Path
) -> None:
    root, outside = tmp_path / "open", tmp_path / "closed"
    for folder in (root, outside):
        (folder / "sub").mkdir(parents=True)
        Image.new("RGB", (816, 816), "red").save(folder / "sub/red.png")
    (root / "secret.png").write_text("BEGIN PRIVATE KEY")
    (root / "cut.png").write_bytes((root / "sub/red.png").read_bytes()[:-20])
    (root / "way-out.png").symlink_to(outside / "sub/red.png")
    (root / "way-out").symlink_to(outside)
    with imagegate_client.Client(gateway.url, gateway.key) as api:
        upload = api.files.upload(root / "sub/red.png").file_id
        uploads = api.request("GET", "/api/v1/files/quota")["data"]["used_files"]

    async with stdio_session(stdio_server(gateway, "--root", str(root))) as client:
        for name in (str(root / "sub/red.png"), "sub/red.png", (root / "sub/red.png").as_uri(), upload):
            made = await client.call_tool("edit_image", {**SMALL, "images": [name], "mask": None})
            assert not made.is_error, text_of(made)
        for closed in (
            outside / "sub/red.png",
            root / "../closed/sub/red.png",
            root / "way-out.png",
            root / "way-out/sub/red.png",
            root / "secret.png",
            root / "cut.png",
            root / "sub",
            root / "absent.png",
            "/dev/zero",
            "/etc/passwd",
            "../closed/sub/red.png",
            "sub/red.png\0",
        ):
            refused = await client.call_tool("edit_image", {**SMALL, "images": [str(closed)]})
            assert refused.is_error, closed
            assert "file" in text_of(refused) or "image" in text_of(refused)
    with imagegate_client.Client(gateway.url, gateway.key) as api:
        assert api.request("GET", "/api/v1/files/quota")["data"]["used_files"] == uploads + 3
