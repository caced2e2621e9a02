"""`make clients`: the other recipes, each with the real package and against the real program."""

from __future__ import annotations

import base64
import importlib.metadata
import io
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

import imagegate_client
from tests.docs.spec import ROOT
from tests.mcp.helpers import McpProgram
from tests.mcp.test_mcp_transports import INITIALIZE
from tests.recipes import packages
from tests.recipes.conftest import purchases
from tests.recipes.page import KEY, PAGE, RECIPES, TIMEOUT_S, assert_images, run, use_packages, write_recipe
from tests.recipes.test_openai_sdks import node_program
from tests.recipes.tls_front import TlsFront
from tests.support.gateway import free_port
from tests.support.program import Program, wait_until
from tests.support.routed_gateway import RoutedGateway
from tests.support.simulator import Simulator

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
LITELLM_ENV = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # its list of prices comes from the network otherwise
# The major versions before those of test_openai_sdks.py, and what is built on them.
IN_PYTHON = [
    ("openai_sdk.py", "openai-before"),
    ("litellm_client.py", "litellm"),
]
IN_NODE = [
    ("openai_sdk.mjs", "openai-node-before"),
    ("ai_openai.mjs", "node"),
    ("ai_compatible.mjs", "node"),
]


def node_modules(group: str) -> Path:
    return packages.FOLDER / group / "node_modules"


class Listening(Program):
    """A program that listens on a port, once it prints a line like `ready`."""

    def __init__(self, folder: Path, *command: str | Path, ready: str, **env: str) -> None:
        super().__init__()
        self._folder, self._command, self._ready, self._env = folder, command, ready, env

    def start(self) -> None:
        words = [str(word) for word in self._command]
        env = {**os.environ, **self._env}
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self._launch(subprocess.Popen(words, cwd=self._folder, env=env, **streams))
        wait_until(self._is_ready, TIMEOUT_S, what=lambda: f"{words[0]} is ready: " + "\n".join(self.output))

    def _is_ready(self) -> bool:
        return any(re.search(self._ready, line) for line in self.output)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def read_line(self, line: str) -> None: ...


def test_s15_recipe_curl(gateway: RoutedGateway, simulator: Simulator, tmp_path: Path) -> None:
    with purchases(simulator, 2):
        run(tmp_path, "sh", "-e", write_recipe("curl.sh", gateway, tmp_path))
    assert_images(tmp_path, "fox.png", "blue.png")


@pytest.mark.parametrize(("recipe", "group"), IN_PYTHON)
def test_s15_recipe_python(
    gateway: RoutedGateway, simulator: Simulator, tmp_path: Path, recipe: str, group: str
) -> None:
    with purchases(simulator, 2):
        run(tmp_path, packages.python(group), write_recipe(recipe, gateway, tmp_path), **LITELLM_ENV)
    assert_images(tmp_path, "fox.png", "blue.png")


@pytest.mark.parametrize(("recipe", "group"), IN_NODE)
def test_s15_recipe_node(gateway: RoutedGateway, simulator: Simulator, tmp_path: Path, recipe: str, group: str) -> None:
    use_packages(tmp_path, node_modules(group))
    with purchases(simulator, 2):
        run(tmp_path, node_program(), write_recipe(recipe, gateway, tmp_path))
    assert_images(tmp_path, "fox.png", "blue.png")


def test_s15_recipe_litellm_proxy_in_front(gateway: RoutedGateway, simulator: Simulator, tmp_path: Path) -> None:
    config, port = write_recipe("litellm.yaml", gateway, tmp_path), str(free_port())
    program = packages.FOLDER / "litellm" / "bin" / "litellm"
    command: list[str | Path] = [program, "--config", config, "--host", "127.0.0.1", "--port", port]
    env = {**LITELLM_ENV, "LITELLM_MASTER_KEY": "sk-proxy"}
    with (
        Listening(tmp_path, *command, ready="Uvicorn running", **env),
        openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-proxy", max_retries=0) as client,
        purchases(simulator, 2),
    ):
        options: dict[str, Any] = {"model": "gpt-image-2", "size": "1024x1024", "quality": "low"}
        made = client.images.generate(**options, prompt="A red fox in a snowy forest")
        assert made.data
        fox = base64.b64decode(made.data[0].b64_json or "")
        edited = client.images.edit(**options, image=("fox.png", fox, "image/png"), prompt="in blue")
        assert edited.data
    for name, image in (("fox.png", fox), ("blue.png", base64.b64decode(edited.data[0].b64_json or ""))):
        (tmp_path / name).write_bytes(image)
    assert_images(tmp_path, "fox.png", "blue.png")


def test_s15_recipe_langchain(gateway: RoutedGateway, simulator: Simulator, tmp_path: Path) -> None:
    with purchases(simulator, 1):
        printed = run(tmp_path, packages.python("langchain"), write_recipe("langchain_image.py", gateway, tmp_path))
    (tmp_path / "fox.png").write_bytes(httpx.get(printed.strip().splitlines()[-1]).raise_for_status().content)
    assert_images(tmp_path, "fox.png")


def test_s15_recipe_n8n(gateway: RoutedGateway, simulator: Simulator, tmp_path: Path) -> None:
    write_recipe("n8n.json", gateway, tmp_path)
    arguments: list[str | Path] = [node_modules("n8n"), f"{gateway.url}/openai/v1", gateway.key]
    with purchases(simulator, 2):
        run(tmp_path, node_program(), HERE / "n8n_workflow.mjs", *arguments)
    assert_images(tmp_path, "fox.png", "blue.png")


def test_s15_recipe_open_webui(gateway: RoutedGateway, simulator: Simulator, tmp_path: Path) -> None:
    lines = write_recipe("open-webui.env", gateway, tmp_path).read_text().splitlines()
    env = dict(line.split("=", 1) for line in lines)
    text = (packages.FOLDER / "open-webui" / "open_webui" / "config.py").read_text("utf-8")
    assert [name for name in env if f"os.getenv('{name}'" not in text] == []
    with purchases(simulator, 2):
        run(tmp_path, packages.python("apps"), HERE / "open_webui_images.py", packages.FOLDER / "open-webui", **env)
    assert_images(tmp_path, "fox.png", "blue.png")


def test_s15_recipe_invokeai(gateway: RoutedGateway, simulator: Simulator, tmp_path: Path) -> None:
    write_recipe("api_keys.yaml", gateway, tmp_path)
    with purchases(simulator, 2):
        run(tmp_path, packages.python("apps"), HERE / "invokeai_images.py", packages.FOLDER / "invokeai")
    assert_images(tmp_path, "fox.png", "blue.png")


def test_s15_recipe_librechat_settings_are_of_its_schema(tmp_path: Path, gateway: RoutedGateway) -> None:
    write_recipe("librechat.yaml", gateway, tmp_path)
    use_packages(tmp_path, node_modules("node"))
    program = tmp_path / "check.mjs"
    program.write_text(
        'import { readFileSync } from "node:fs"; import yaml from "js-yaml";'
        'import { configSchema } from "librechat-data-provider";'
        'const given = yaml.load(readFileSync("librechat.yaml", "utf8"));'
        "console.log(JSON.stringify(configSchema.strict().parse(given)));"
    )
    settings = json.loads(run(tmp_path, node_program(), program, IMAGEGATE_API_KEY=gateway.key))
    server = settings["mcpServers"]["imagegate"]
    with McpProgram(gateway) as mcp:
        path = server["url"].removeprefix("http://127.0.0.1:8765")
        headers = {**server["headers"], "Accept": "application/json, text/event-stream"}
        headers["Authorization"] = headers["Authorization"].replace("${IMAGEGATE_API_KEY}", gateway.key)
        answer = httpx.post(mcp.url.removesuffix("/mcp") + path, json=INITIALIZE, headers=headers)
    assert answer.status_code == 200, answer.text


@contextmanager
def receiver(kind: str, folder: Path, gateway: RoutedGateway, secret: str) -> Iterator[tuple[Listening, int]]:
    port, env = str(free_port()), {"IMAGEGATE_WEBHOOK_SECRET": secret}
    if kind == "starlette":
        write_recipe("receiver.py", gateway, folder)
        command = [sys.executable, "-m", "uvicorn", "receiver:app", "--port", port]
        program = Listening(folder, *command, ready="running on", **env)
    else:
        use_packages(folder, node_modules("node"))
        file = write_recipe("receiver.mjs", gateway, folder)
        # says that it listens, which the recipe does not
        file.write_text(file.read_text().replace('"127.0.0.1");', '"127.0.0.1", () => console.log("listens"));'))
        program = Listening(folder, node_program(), file, ready="listens", PORT=port, **env)
    with program:
        yield program, int(port)


@pytest.mark.parametrize("kind", ["starlette", "express"])
def test_s15_recipe_webhook_receiver(gateway: RoutedGateway, front: TlsFront, tmp_path: Path, kind: str) -> None:
    with gateway.client() as http:
        secret = http.get("/v1/webhooks/secret").raise_for_status().json()["secret"]
        with receiver(kind, tmp_path, gateway, secret) as (program, port):
            front.target_port = port
            task = gateway.create(callback_url=f"https://127.0.0.1:{front.port}/webhook")
            line = " ".join([task["id"], task["status"], *task["results"]])
            wait_until(lambda: line in program.output, what=lambda: f"{line} arrives: {program.output}")
            forged = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
            assert httpx.post(f"http://127.0.0.1:{port}/webhook", json=task, headers=forged).status_code == 400
        delivered = http.get("/v1/webhooks/deliveries").json()["data"]
    assert [one["status"] for one in delivered if one["task_id"] == task["id"]] == ["delivered"]


def run_mcp(what: str, kind: str, gateway: RoutedGateway, folder: Path, cap: Decimal) -> Any:
    """What the TypeScript SDK saw of a new server."""
    use_packages(folder, node_modules("node"))
    program = folder / "mcp_client.mjs"
    program.write_text((HERE / program.name).read_text("utf-8"))
    env = {"IMAGEGATE_URL": gateway.url, "IMAGEGATE_API_KEY": gateway.key}
    if kind == "stdio":
        command = [sys.executable, "-m", "imagegate", "mcp", "--cap", str(cap)]
        return json.loads(run(folder, node_program(), program, what, kind, *command, **env))
    with McpProgram(gateway, "--cap", str(cap)) as mcp:
        return json.loads(run(folder, node_program(), program, what, kind, mcp.url, **env))


def price(gateway: RoutedGateway) -> tuple[Decimal, Decimal]:
    """Expected and maximum of the image that the program of the SDK asks for."""
    with imagegate_client.Client(gateway.url, gateway.key) as client:
        quote = client.images.quote("a logo", size="816x816", quality="low")
    return quote.expected.credits, quote.maximum.credits


@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_s15_mcp_typescript_sdk_lists_quotes_generates_and_edits(
    gateway: RoutedGateway, tmp_path: Path, kind: str
) -> None:
    seen = run_mcp("each", kind, gateway, tmp_path, Decimal(50))
    assert seen["tools"] == ["quote_image", "generate_image", "edit_image", "get_task", "get_credits"]
    assert Decimal(seen["quote"]["expected_credits"]) == price(gateway)[0]
    assert seen["errors"] == []
    for images in seen["images"]:
        with Image.open(io.BytesIO(base64.b64decode(images[0]["data"]))) as image:
            assert image.size == (816, 816)
    assert [httpx.get(link).status_code for links in seen["links"] for link in links] == [200, 200]


@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_s15_mcp_cap_ten_calls_of_the_typescript_sdk_race_for_the_last_credits(
    gateway: RoutedGateway, tmp_path: Path, kind: str
) -> None:
    expected, maximum = price(gateway)
    cap = 3 * maximum + (maximum - expected) / 2
    assert cap - 3 * expected < maximum, "what three give back is not enough for a fourth"
    seen = run_mcp("race", kind, gateway, tmp_path, cap)
    assert len(seen["refusals"]) == 7
    assert all(f"the cap is {cap} credits" in text for text in seen["refusals"])
    assert Decimal(seen["left"]) == cap - 3 * expected


def test_every_recipe_is_run() -> None:
    source = "\n".join(file.read_text("utf-8") for file in HERE.glob("test_*.py"))
    assert [name for name in RECIPES if f'"{name}"' not in source] == []
    assert all(KEY in RECIPES[name] for name in ("curl.sh", "openai_sdk.py", "openai_sdk.mjs", "litellm.yaml"))


def test_every_version_is_on_the_page() -> None:
    groups = [*packages.PYTHON.items(), *packages.NODE.items(), *packages.UNPACKED.items()]
    pins = [pin for name, pins in groups for pin in pins if name != "apps"] + list(packages.APPS.values())
    versions = [re.split(r"(?:\[\w+\])?==|(?<=.)@", pin) for pin in pins]
    versions += [[name, importlib.metadata.version(name)] for name in ("openai", "starlette")]
    (node,) = (one for one in tomllib.loads((ROOT / "vendor.toml").read_text())["package"] if one["name"] == "openai")
    versions.append(["openai", node["version"]])
    missing = [(name, version) for name, version in versions if f"{name} {version}" not in PAGE]
    assert [one for one in missing if f", and {one[1]} |" not in PAGE] == []
