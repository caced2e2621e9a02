"""A gateway with upstreams and routes, and the TOML of its configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.gateway import Gateway

LIST_COST = (
    '{ image_output = "30", image_input = "8", image_cached_input = "2", text_input = "5", text_cached_input = "1.25" }'
)


def upstream_config(name: str, base_url: str, **fields: Any) -> str:
    rows = {"name": name, "protocol": "openai", "base_url": base_url, "api_key_env": "SIMULATOR_KEY", **fields}
    return "[[upstream]]\n" + "".join(f"{field} = {json.dumps(value)}\n" for field, value in rows.items())


def route_config(upstream_name: str, cost: str | dict[str, str] = "", model: str = "gpt-image-2", **fields: Any) -> str:
    """`cost` is USD per image, or a table by tier; by default the list price per token."""
    rows = "".join(f"{field} = {json.dumps(value)}\n" for field, value in fields.items())
    if isinstance(cost, dict):
        priced = "cost_per_image = { " + ", ".join(f'"{tier}" = "{usd}"' for tier, usd in cost.items()) + " }\n"
    else:
        priced = f'cost_per_image = "{cost}"\n' if cost else f"cost_per_million = {LIST_COST}\n"
    return f'[[route]]\nmodel = "{model}"\nupstream = "{upstream_name}"\n{rows}{priced}'


class RoutedGateway(Gateway):
    """A gateway configured with these TOML rows."""

    def __init__(
        self, data: Path, *rows: str, options: tuple[str, ...] = (), env: dict[str, str] | None = None
    ) -> None:
        file = data.parent / f"{data.name}.toml"
        file.write_text("\n".join(rows))
        super().__init__(data, "--config", str(file), *options, env={"SIMULATOR_KEY": "a-key", **(env or {})})
        self.file = file

    def create(self, prompt: str = "a logo", wait: int = 60, **fields: Any) -> dict[str, Any]:
        """Create a task and wait up to `wait` seconds for its end."""
        body = {"prompt": prompt, "size": "1:1", "quality": "low", **fields}
        with self.client() as http:
            made = http.post("/v1/images/generations", json=body, headers={"Prefer": f"wait={wait}"})
            task: dict[str, Any] = made.raise_for_status().json()
            return task
