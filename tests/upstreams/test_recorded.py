"""Each dialect's answers, served over a real socket, and what the gateway makes of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from imagegate.catalog.routes import load_dialects
from imagegate.upstreams.base import Produced
from tests.egress.raw_server import http_response, reply_with, serve_raw
from tests.upstreams.helpers import SECRET, base64_image, make_call, make_config, make_upstream, run_call

RECORDED = Path(__file__).parent / "recorded"
PICTURES = {
    "<png>": base64_image(),
    "<gif>": base64_image("GIF", "L"),
    "<jpeg>": base64_image("JPEG"),
    "<webp>": base64_image("WEBP"),
}


def cases() -> list[Any]:
    found = []
    for path in sorted(RECORDED.glob("*.json")):
        for case in json.loads(path.read_text("utf-8"))["cases"]:
            found.append(pytest.param(path.stem, case, id=f"{path.stem}-{case['says']}"))
    return found


def body_of(case: dict[str, Any]) -> bytes:
    text: str = case["text"] if "text" in case else json.dumps(case["body"])
    for mark, picture in PICTURES.items():
        text = text.replace(mark, picture)
    return text.encode()


def agrees(found: Any, wanted: Any) -> bool:
    """Whether everything that is wanted was found; lists must have the wanted length."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(name in found and agrees(found[name], value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(agrees, found, wanted))
    return bool(found == wanted)


@pytest.mark.parametrize(("dialect", "case"), cases())
def test_an_answer_means_what_its_table_says(dialect: str, case: dict[str, Any], tmp_path: Path) -> None:
    headers = {"content-type": "application/json", **case.get("headers", {})}
    reply = http_response(case["status"], body_of(case), *(f"{name}: {value}" for name, value in headers.items()))

    async def run() -> Any:
        async with serve_raw(reply_with(reply)) as server:
            there = make_upstream(tmp_path, make_config(server.port, dialect=dialect))
            outcome = await run_call(there, make_call(**case.get("call", {})))
            assert len(server.requests) == 1, "one call is one purchase: nothing is repeated or followed"
            return outcome

    outcome = asyncio.run(run())
    found = {"outcome": type(outcome).__name__, **json.loads(msgspec.json.encode(outcome))}
    assert agrees(found, case["expect"]), found
    assert SECRET not in str(found)
    assert isinstance(outcome, Produced) == bool(list((tmp_path / "spool").glob("responses-*")))


def test_no_message_to_a_customer_names_who_was_asked() -> None:
    told = [case.values[1]["expect"].get("error", {}).get("message", "") for case in cases()]
    assert not any(word in message.lower() for message in told for word in ("openai", "azure", "upstream", "req_"))


def test_every_shipped_dialect_has_recorded_answers() -> None:
    have = {path.stem for path in RECORDED.glob("*.json")}
    # The dated paths of Azure answer like its others; the queues have tests of their own.
    others = {"azure-dated", "task_api", "evolink", "fal", "replicate"}
    assert set(load_dialects()) - others <= have
