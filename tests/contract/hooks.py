"""What schemathesis cannot know of this API: names that exist, addresses that are ours, and how long a test may wait.

Loaded by schemathesis in a process of its own. Every other generated value is made to mean something, and the others
stay as they are: so both sides of each rule are tried.
"""

from __future__ import annotations

import atexit
import base64
import itertools
import json
import os
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import schemathesis
from hypothesis import strategies as st

from imagegate.api_docs.curl import PIXEL_PNG_BASE64

ENDED_TASK, RESULT, TALLY_FILE = "CONTRACT_ENDED_TASK", "CONTRACT_RESULT", "CONTRACT_TALLY"
# Nothing listens here, and nothing is asked of a name server.
NOWHERE = "127.0.0.1:61999"
_URL = re.compile(r"^(https?)://[^/?#]*")
_NAMED = {
    "create_image": ("task_id", ("id",)),
    "create_key": ("key_id", ("id",)),
    "create_account": ("account_id", ("id",)),
    "test_webhook": ("delivery_id", ("id",)),
    "upload_base64": ("file_id", ("data", "file_id")),
    "upload_stream": ("file_id", ("data", "file_id")),
}
_known: dict[str, list[str]] = defaultdict(list)
_uploads: list[str] = []
_tally: dict[str, Counter[str]] = defaultdict(Counter)
_counters: dict[str, itertools.count[int]] = defaultdict(itertools.count)

atexit.register(lambda: Path(os.environ[TALLY_FILE]).write_text(json.dumps(_tally)))
schemathesis.openapi.format("binary", st.one_of(st.just(base64.b64decode(PIXEL_PNG_BASE64)), st.binary()))
schemathesis.openapi.format("uri", st.sampled_from(["https://example.com/a?b=%7E", "http://example.com", "urn:x"]))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    name = case.operation.definition.raw["operationId"]
    _use_known_ids(name, case)
    _use_signed_links(name.removesuffix("_head"), case)
    _shorten_waits(case)
    if isinstance(case.body, dict):
        case.body = _make_plausible(name, case.body)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    name = case.operation.definition.raw["operationId"]
    _tally[case.meta.phase.name.value if case.meta else "other"][f"{name} {response.status_code}"] += 1
    kind, path = _NAMED.get(name, ("", ()))
    if kind and response.status_code == 200:
        found = answer = json.loads(response.content)
        for part in path:
            found = found[part]
        _known[kind].append(found)
        if kind == "file_id":
            _uploads.append(answer["data"]["file_url"])


def _every_other(name: str) -> bool:
    return next(_counters[name]) % 2 == 0


def _use_known_ids(name: str, case: Any) -> None:
    """A well-formed id that nothing has becomes one that something has; an event stream always has an end."""
    for kind, value in (case.path_parameters or {}).items():
        known = _known[kind]
        if kind not in ("task_id", "key_id", "delivery_id", "file_id") or value in known:
            continue
        if not _well_formed(case, kind, value):
            continue
        if name == "get_events":
            case.path_parameters[kind] = os.environ[ENDED_TASK]
        elif known and _every_other(f"{name} {kind}"):
            case.path_parameters[kind] = known[-1]


def _well_formed(case: Any, kind: str, value: Any) -> bool:
    parameters = case.operation.definition.raw["parameters"]
    pattern = next(one["schema"]["pattern"] for one in parameters if one["name"] == kind)
    return isinstance(value, str) and re.search(pattern, value) is not None


def _use_signed_links(name: str, case: Any) -> None:
    """Addresses that are secrets cannot be guessed."""
    if name == "get_result" and _every_other(name):
        link = urlsplit(os.environ[RESULT])
        case.path_parameters = dict(zip(("task_id", "name"), link.path.split("/")[-2:], strict=True))
        case.query = {**(case.query or {}), **dict(parse_qsl(link.query))}
    if name == "open_file" and _uploads and _every_other(name):
        parts = urlsplit(_uploads[-1]).path.split("/")
        case.path_parameters = dict(zip(("secret", "name"), parts[-2:], strict=True))


def _shorten_waits(case: Any) -> None:
    wait = (case.query or {}).get("wait")
    if isinstance(wait, int | str) and str(wait).isdecimal() and str(wait).isascii():
        case.query["wait"] = min(int(wait), next(_counters["wait"]) % 2)
    if case.headers and "Prefer" in case.headers:
        seconds = next(_counters["prefer"]) % 2
        case.headers["Prefer"] = re.sub(r"(?i)(wait\s*=\s*)[0-9]+", rf"\g<1>{seconds}", str(case.headers["Prefer"]))


def _make_plausible(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Addresses lead nowhere or to us, what is made is small, and every other file is an image."""
    body = {field: _redirect_urls(field, value) for field, value in body.items()}
    if name == "create_image":
        body = {**body, **{field: _shrink(field, body[field]) for field in ("size", "n", "prompt") if field in body}}
        body.pop("resolution", None)  # it is tried with quotes, which paint nothing
    return _make_acceptable(name, body) if _every_other(name) else body


def _make_acceptable(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Without what no random value can get right."""
    match name:
        case "create_image" | "create_quote":
            return {field: value for field, value in body.items() if field not in ("model", "quality")}
        case "create_key":
            return {field: value for field, value in body.items() if field in ("name", "scopes", "cap_credits")}
        case "upload_base64":
            return {
                **{field: value for field, value in body.items() if field != "base64"},
                "base64_data": PIXEL_PNG_BASE64,
            }
        case "test_webhook":
            return {**body, "callback_url": f"https://{NOWHERE}/hook?a=%7E"}
        case "create_refund":
            return {**body, "task_id": os.environ[ENDED_TASK]}
        case "create_grant" if _known["account_id"]:
            return {**body, "account_id": _known["account_id"][-1]}
    return body


def _redirect_urls(field: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_redirect_urls(field, one) for one in value]
    if not isinstance(value, str) or not _URL.search(value):
        return value
    ours = field != "callback_url" and _every_other(field)
    return os.environ[RESULT] if ours else _URL.sub(rf"\1://{NOWHERE}", value)


def _shrink(field: str, value: Any) -> Any:
    """What is wrong stays wrong, and a logo is painted fastest."""
    if field == "prompt":
        return f"logo {value}" if isinstance(value, str) and 0 < len(value) < 1000 else value
    if field == "n":
        return 2 if isinstance(value, int) and not isinstance(value, bool) and 2 < value <= 10 else value
    sized = isinstance(value, str) and re.fullmatch(r"auto|[0-9]+:[0-9]+|[0-9]+[x×][0-9]+", value)
    return "816x816" if sized else value
