"""The curl command of an operation, made from its description in the document.

It runs as it stands where `IMAGEGATE_KEY` holds a key and variables such as `TASK_ID` hold the ids in its URL.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

# One red pixel: small enough for a line, and a real image.
PIXEL_PNG_BASE64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGO4YGAAAAMEATF0v3V3AAAAAElFTkSuQmCC"
_BREAK = " \\\n  "


def curl_command(origin: str, method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    parts = ["curl -sS" + {"head": "I", "get": ""}.get(method, "") + _no_buffer_flag(operation)]
    if method not in ("get", "head"):
        parts[0] += f" -X {method.upper()}" if method != "post" or "requestBody" not in operation else ""
    parts[0] += f" {_quote(origin + fill_path(path, parameters, '$%s') + example_query(parameters))}"
    if operation.get("security") != []:
        parts.append('-H "Authorization: Bearer $IMAGEGATE_KEY"')
    headers = [one for one in parameters if one["in"] == "header" and (one["required"] or one["name"] == "Prefer")]
    parts += ["-H " + shlex.quote(f"{one['name']}: {one['example']}") for one in headers if "example" in one]
    parts += _body(operation.get("requestBody", {}).get("content", {}))
    if method == "get" and any(media == "image/*" for media in operation["responses"]["200"].get("content", {})):
        parts.append("-o image")
    line = _BREAK.join(parts)
    return f"printf %s {PIXEL_PNG_BASE64} | base64 -d | {line}" if "file=@-" in line else line


def _no_buffer_flag(operation: dict[str, Any]) -> str:
    return "N" if "text/event-stream" in operation["responses"]["200"].get("content", {}) else ""


def _quote(address: str) -> str:
    """Its variables are for the shell, the rest is not."""
    return f'"{address}"' if "$" in address else shlex.quote(address)


def fill_path(path: str, parameters: list[dict[str, Any]], variable: str) -> str:
    """The path with the examples of its parameters; an id is a variable, because the example's is nobody's.

    `variable` says how the language reads one: `%s` stands for its name."""
    known = {one["name"]: str(one["example"]) for one in parameters if one["in"] == "path"}
    known |= {name: variable % name.upper() for name in known if name.endswith("_id")}
    return re.sub(r"\{(\w+)\}", lambda found: known[found[1]], path)


def example_query(parameters: list[dict[str, Any]]) -> str:
    """The query that the examples make, `?` included; empty where there is none."""
    given = [f"{one['name']}={one['example']}" for one in parameters if one["in"] == "query" and "example" in one]
    return "?" + "&".join(given) if given else ""


def _body(content: dict[str, Any]) -> list[str]:
    if "multipart/form-data" in content:
        return ["-F 'file=@-;filename=dot.png'"]
    if "application/json" not in content:
        return []
    body = json.dumps(content["application/json"]["example"], ensure_ascii=False)
    return ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
