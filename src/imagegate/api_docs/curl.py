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
    gives = operation["responses"]["200"].get("content", {})
    parts = ["curl -sS" + ("I" if method == "head" else "") + ("N" if "text/event-stream" in gives else "")]
    if method not in ("get", "head"):
        parts[0] += f" -X {method.upper()}" if method != "post" or "requestBody" not in operation else ""
    parts[0] += f" {_quote(example_url(origin, path, operation, '$%s'))}"
    if operation.get("security") != []:
        parts.append('-H "Authorization: Bearer $IMAGEGATE_KEY"')
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in example_headers(operation)]
    body = json_example(operation)
    if body is not None:
        parts.append(f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}")
    elif "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
        parts.append("-F 'file=@-;filename=dot.png'")
    if method == "get" and "image/*" in gives:
        parts.append("-o image")
    line = _BREAK.join(parts)
    return f"printf %s {PIXEL_PNG_BASE64} | base64 -d | {line}" if "file=@-" in line else line


def _quote(address: str) -> str:
    """Its variables are for the shell, the rest is not."""
    return f'"{address}"' if "$" in address else shlex.quote(address)


def example_url(origin: str, path: str, operation: dict[str, Any], variable: str) -> str:
    """The URL with the examples of its parameters; an id is a variable, because the example's is nobody's.

    `variable` says how the language reads one: `%s` stands for its name."""
    parameters = operation.get("parameters", [])
    known = {one["name"]: str(one["example"]) for one in parameters if one["in"] == "path"}
    known |= {name: variable % name.upper() for name in known if name.endswith("_id")}
    query = [f"{one['name']}={one['example']}" for one in parameters if one["in"] == "query" and "example" in one]
    filled = re.sub(r"\{(\w+)\}", lambda found: known[found[1]], path)
    return origin + filled + ("?" + "&".join(query) if query else "")


def json_example(operation: dict[str, Any]) -> Any:
    """The example of its JSON body, None without one."""
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")


def example_headers(operation: dict[str, Any]) -> list[tuple[str, str]]:
    """The headers that the examples make, and the type of a JSON body."""
    headers = [
        (one["name"], str(one["example"]))
        for one in operation.get("parameters", [])
        if one["in"] == "header" and "example" in one and (one["required"] or one["name"] == "Prefer")
    ]
    return [*headers, ("Content-Type", "application/json")] if json_example(operation) is not None else headers
