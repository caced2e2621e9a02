"""The simulator in a process of its own, and a gateway in front of some of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.gateway import Gateway

START_S = 60.0
LIST = (
    '{ image_output = "30", image_input = "8", image_cached_input = "2", text_input = "5", text_cached_input = "1.25" }'
)


class Simulator:
    """`with Simulator() as sim`. Counts what a real upstream would have billed."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, port: int = 0) -> None:
        command = [sys.executable, "-m", "imagegate", "simulate", "--port", str(port), "--quiet", *self._options]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
        )
        assert self._process.stdout is not None
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            line = self._process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                self.url = found[0]
                return
        raise AssertionError("the simulator did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def script(self, *steps: Any) -> None:
        """What the next calls meet."""
        httpx.put(f"{self.url}/control", content=json.dumps(list(steps))).raise_for_status()

    def refuse(self, seconds: float) -> None:
        httpx.post(f"{self.url}/control/refuse", params={"seconds": seconds}).raise_for_status()

    def forget(self) -> None:
        self.script()
        httpx.delete(f"{self.url}/control/calls").raise_for_status()

    @property
    def creates(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/control/calls", params={"kind": "create"}).raise_for_status()
        calls: list[dict[str, Any]] = answer.json()["calls"]
        return calls

    @property
    def bought(self) -> int:
        """Images."""
        return int(httpx.get(f"{self.url}/control/total").raise_for_status().json()["images"])


def upstream(name: str, base_url: str, **fields: Any) -> str:
    rows = {"name": name, "protocol": "openai", "base_url": base_url, "api_key_env": "SIMULATOR_KEY", **fields}
    return "[[upstream]]\n" + "".join(f"{field} = {json.dumps(value)}\n" for field, value in rows.items())


def route(upstream_name: str, cost: str | dict[str, str] = "", model: str = "gpt-image-2", **fields: Any) -> str:
    """`cost` per image in USD, by tier where it is a table; list cost per token where it is left out."""
    rows = "".join(f"{field} = {json.dumps(value)}\n" for field, value in fields.items())
    if isinstance(cost, dict):
        priced = "cost_per_image = { " + ", ".join(f'"{tier}" = "{usd}"' for tier, usd in cost.items()) + " }\n"
    else:
        priced = f'cost_per_image = "{cost}"\n' if cost else f"cost_per_million = {LIST}\n"
    return f'[[route]]\nmodel = "{model}"\nupstream = "{upstream_name}"\n{rows}{priced}'


class Fronted(Gateway):
    """A gateway whose configuration is these rows."""

    def __init__(
        self, data: Path, *rows: str, options: tuple[str, ...] = (), env: dict[str, str] | None = None
    ) -> None:
        file = data.parent / f"{data.name}.toml"
        file.write_text("\n".join(rows))
        super().__init__(data, "--config", str(file), *options, env={"SIMULATOR_KEY": "a-key", **(env or {})})
        self.file = file

    def make(self, prompt: str = "a red fox", wait: int = 60, **fields: Any) -> dict[str, Any]:
        """Create and wait for the end."""
        body = {"prompt": prompt, "size": "1:1", "quality": "low", **fields}
        with self.client() as http:
            made = http.post("/v1/images/generations", json=body, headers={"Prefer": f"wait={wait}"})
            task: dict[str, Any] = made.raise_for_status().json()
            return task
