"""`imagegate serve` under measurement, with its settings at their defaults where a row does not say otherwise."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.support.gateway import free_port
from tests.support.routed_gateway import route_config, upstream_config

from bench.http_load import LoadError, request_bytes
from bench.processes import GatewayServer, clean_environment

_RESULT = re.compile(rb'"results":\["([^"]+)"')
CREDITS = "100000000"
BODY = {"model": "gpt-image-2", "prompt": "a red fox in a snowy forest at sunset", "size": "1:1", "quality": "low"}


class BenchGateway(GatewayServer):
    """One route, to the upstream at `base_url`; `upstream` are more fields of it. `python` may be another version's."""

    name = "imagegate"
    expected = b'"status":"completed"'

    def __init__(
        self,
        folder: Path,
        base_url: str,
        *options: str,
        env: dict[str, str] | None = None,
        upstream: dict[str, object] | None = None,
        python: str = sys.executable,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.origin = f"http://127.0.0.1:{free_port()}"
        self.data = folder / "data"
        self._config = folder / "gateway.toml"
        self._config.write_text(upstream_config("stand-in", base_url, **(upstream or {})) + route_config("stand-in"))
        self._program = [python, "-m", "imagegate"]
        self._variables = {"SIMULATOR_KEY": "a-key", **(env or {})}
        where = ["--data", str(self.data), "--config", str(self._config)]
        command = [*self._program, "serve", "--port", self.origin.rpartition(":")[2], *where, *options]
        super().__init__(command, f"{self.origin}/healthz", folder / "log", env=self._variables)

    def new_key(self, account: str = "bench") -> str:
        """A key of an account that has credit for everything."""
        new = ["keys", "create", "--account", account, "--credits", CREDITS, "--json"]
        command = [*self._program, *new, "--data", str(self.data), "--config", str(self._config)]
        environment = clean_environment(**self._variables)
        made = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        if made.returncode:
            raise RuntimeError(made.stdout + made.stderr)
        key: str = json.loads(made.stdout)["key"]
        return key

    def task_request(self) -> bytes:
        return self.create_request(self.new_key(), Prefer="wait=60")

    def download_request(self, response: bytearray) -> bytes:
        """For the first image of the completed task in this response."""
        found = _RESULT.search(response)
        if found is None:
            raise LoadError(f"a task without a result: {bytes(response[:1500])!r}")
        return request_bytes(found[1].decode())

    def create_request(self, key: str, **headers: str) -> bytes:
        return request_bytes(
            f"{self.origin}/v1/images/generations", "POST", BODY, Authorization=f"Bearer {key}", **headers
        )
