"""Calls with the installed openai-python, as tests/recipes/conformance.py lists them: JSON in, JSON out."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import sys
from typing import Any

import openai

given = json.load(sys.stdin)
files = {f"@{name}": (f"{name}.png", base64.b64decode(data), "image/png") for name, data in given["files"].items()}


def insert_files(value: Any) -> Any:
    if isinstance(value, list):
        return [insert_files(one) for one in value]
    return files.get(value, value) if isinstance(value, str) else value


def prepare(client: Any, row: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    options = row["options"]
    found = client.with_options(
        api_key=given["keys"][options.get("key", "main")],
        max_retries=options.get("max_retries", 0),
        timeout=options.get("timeout", 100),
    )
    resource, name = row["method"].split(".")
    found = getattr(found, resource)
    if row["how"] in ("raw", "body"):
        found = found.with_raw_response if row["how"] == "raw" else found.with_streaming_response
    arguments = {name: insert_files(value) for name, value in row["sends"].items()}
    return getattr(found, name), {**arguments, "extra_headers": options.get("headers")}


def dump(answer: Any) -> Any:
    return json.loads(answer.model_dump_json())


def dump_error(error: openai.APIError) -> dict[str, Any]:
    status = getattr(error, "status_code", None)
    return {"class": type(error).__name__, "status": status, "code": error.code, "param": error.param}


def call(client: Any, row: dict[str, Any]) -> dict[str, Any]:
    method, arguments = prepare(client, row)
    try:
        if row["how"] == "body":
            with method(**arguments) as raw:
                return {"answer": dump(raw.parse()), "headers": dict(raw.headers)}
        found = method(**arguments)
        if row["how"] == "stream":
            return {"events": [dump(event) for event in found]}
        if row["how"] == "raw":
            return {"answer": dump(found.parse()), "headers": dict(found.headers)}
        return {"answer": dump(found)}
    except openai.APIError as error:
        return dump_error(error)


async def call_async(client: Any, row: dict[str, Any]) -> dict[str, Any]:
    method, arguments = prepare(client, row)
    try:
        if row["how"] == "body":
            async with method(**arguments) as raw:
                return {"answer": dump(await raw.parse()), "headers": dict(raw.headers)}
        found = await method(**arguments)
        if row["how"] == "stream":
            return {"events": [dump(event) async for event in found]}
        if row["how"] == "raw":
            parsed = found.parse()
            return {
                "answer": dump(await parsed if inspect.isawaitable(parsed) else parsed),
                "headers": dict(found.headers),
            }
        return {"answer": dump(found)}
    except openai.APIError as error:
        return dump_error(error)


def types_of(method: Any) -> dict[str, str]:
    return {name: str(found.annotation) for name, found in inspect.signature(method).parameters.items()}


async def main() -> None:
    address = {"base_url": given["url"], "api_key": "-"}
    images = openai.resources.Images
    types = {"images.generate": types_of(images.generate), "images.edit": types_of(images.edit)}
    seen: dict[str, list[Any]] = {}
    with openai.OpenAI(**address) as client:
        async with openai.AsyncOpenAI(**address) as other:
            for row in given["rows"]:
                if row["parameter"] and row["parameter"] not in types[row["method"]]:
                    continue
                for _ in range(row["options"].get("calls", 1)):
                    seen[row["name"]] = [call(client, row), await call_async(other, row)]
    print(json.dumps({"version": openai.__version__, "types": types, "seen": seen}))


asyncio.run(main())
