"""What OpenAI's own SDKs are asked to call, and what must come of it: one list for all four packages.

A row is shown in docs/openai-conformance.md. A parameter of a package's types without a row fails the run.
"""

from __future__ import annotations

import importlib.metadata
import string
import tomllib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.docs.spec import ROOT
from tests.recipes import packages

PAGE = ROOT / "docs/openai-conformance.md"
TEMPLATE = ROOT / "tests/recipes/openai-conformance.md"
GENERATE, EDIT, VARIATION = "images.generate", "images.edit", "images.create_variation"
LIST, RETRIEVE = "models.list", "models.retrieve"
FLARE = "gpt-image-2.5-flare"
LOGO = {"prompt": "logo", "size": "816x816", "quality": "low"}
# What is sent unless a row says otherwise. "@…" is a file, and in a prompt the package.
SENT: dict[str, dict[str, Any]] = {GENERATE: LOGO, EDIT: {**LOGO, "image": "@image"}, VARIATION: {"image": "@image"}}
IMAGE = {"images": 1, "pixels": [816, 816], "format": "png", "quality": "low", "background": "opaque"}
CLASSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "InternalServerError",
}


class Row(NamedTuple):
    """`parameter` is the one that is tried, if any, and `word` what the page says of it.

    `how`: `plain`, `raw`, `body` (the raw response as a stream), `stream`. `options`: `key`, `headers`, `timeout`,
    `max_retries`, and `calls`: how many times, of which the last one counts.
    """

    method: str
    label: str
    sends: dict[str, Any]
    expect: dict[str, Any]
    word: str
    parameter: str = ""
    how: str = "plain"
    options: Mapping[str, Any] = MappingProxyType({})

    @property
    def name(self) -> str:
        return f"{self.method} {self.label}"


def honoured(method: str, parameter: str, value: Any, **expect: Any) -> Row:
    return _parameter(method, parameter, value, expect, "honoured")


def ignored(method: str, parameter: str, value: Any) -> Row:
    return _parameter(method, parameter, value, {}, "no effect")


def refused(method: str, parameter: str, value: Any, param: str = "") -> Row:
    error = {"class": CLASSES[400], "status": 400, "code": "invalid_request", "param": param or parameter}
    return _parameter(method, parameter, value, error, "refused: 400")


def _parameter(method: str, parameter: str, value: Any, expect: dict[str, Any], word: str) -> Row:
    shown = "" if isinstance(value, dict | list) or str(value).startswith("@") else f" = `{value}`"
    how = "raw" if "headers" in expect else "plain"
    return Row(method, f"`{parameter}`{shown}", {parameter: value}, expect, word, parameter, how)


def _flare(method: str, parameter: str, value: str, **expect: Any) -> Row:
    """What gpt-image-2 does not have."""
    row = honoured(method, parameter, value, **expect)
    return row._replace(label=f"{row.label} of `{FLARE}`", sends={**row.sends, "model": FLARE})


def _echoed(method: str, parameter: str) -> Row:
    return honoured(method, parameter, "someone", safety_identifier="someone")._replace(word="echoed")


def _parameters(method: str) -> list[Row]:
    """Those of both methods."""
    jpeg = {"output_format": "jpeg"}
    kind = "image_generation" if method == GENERATE else "image_edit"
    streamed = {"events": [f"{kind}.partial_image"] * 2 + [f"{kind}.completed"]}
    compression = honoured(
        method, "output_compression", 20, format="jpeg", smaller_than=f"{method} `output_format` = `jpeg`"
    )
    return [
        honoured(method, "prompt", "logo"),
        refused(method, "prompt", " "),
        honoured(method, "model", "gpt-image-2", headers={"x-model": "gpt-image-2"}),
        honoured(method, "model", FLARE, headers={"x-model": FLARE}),
        honoured(method, "model", "gpt-image-1", headers={"x-model": FLARE}),
        honoured(method, "n", 2, images=2),
        refused(method, "n", 11),
        honoured(method, "size", "1024x1024", pixels=[1024, 1024]),
        honoured(method, "size", "16:9", ratio=round(16 / 9, 1), pixels=None),
        refused(method, "size", "256x256"),
        *(honoured(method, "quality", value, quality=value) for value in ("low", "medium", "high")),
        honoured(method, "quality", "auto", quality="medium"),
        honoured(method, "quality", "standard", quality="medium"),
        *(_flare(method, "quality", value, quality=value) for value in ("xhigh", "max")),
        refused(method, "quality", "xhigh"),
        *(honoured(method, "background", value) for value in ("auto", "opaque")),
        honoured(method, "background", "transparent", background="transparent"),
        honoured(method, "output_format", "png"),
        honoured(method, "output_format", "jpeg", format="jpeg"),
        honoured(method, "output_format", "webp", format="webp"),
        *(refused(method, "output_format", value) for value in ("gif", "svg")),
        compression._replace(sends={**jpeg, "output_compression": 20}),
        honoured(method, "response_format", "b64_json"),
        honoured(method, "response_format", "url", links=1, images=0, pixels=None),
        Row(method, "`stream`", {"stream": True}, {"events": streamed["events"][2:]}, "honoured", "stream", "stream"),
        Row(method, "`partial_images` = `2`", {"stream": True, "partial_images": 2}, streamed, "honoured",
            "partial_images", "stream"),
        refused(method, "partial_images", 4),
        *(_echoed(method, name) for name in ("safety_identifier", "user")),
        refused(method, "svg", {"model": "gpt-x"}),
        refused(method, "complexity", "low"),
        refused(method, "frame_count", 9),
        refused(method, "frame_duration_ms", 100),
    ]  # fmt: skip


def _responses(method: str, expect: dict[str, Any]) -> list[Row]:
    """Each way to read an answer."""
    ids = {"x-request-id": "req_"} | ({"x-task-id": "task"} if method in (GENERATE, EDIT) else {})
    sends = {"model": "gpt-image-2"} if method == RETRIEVE else {}
    return [
        Row(method, "the answer", sends, expect, "works"),
        Row(method, "the raw response and its headers", sends, {**expect, "headers": ids}, "works", how="raw"),
        Row(method, "the raw response as a stream", sends, {**expect, "headers": ids}, "works", how="body"),
    ]


def _error(method: str, status: int, code: str, sends: dict[str, Any], param: str | None = None, **options: Any) -> Row:
    error = {"class": CLASSES[status], "status": status, "code": code, "param": param}
    return Row(method, f"{status} `{code}`", sends, error, CLASSES[status], options=options)


_UNSAFE = {"prompt": "[[refuse]] unsafe"}
ROWS: list[Row] = [
    *_responses(GENERATE, {}),
    *_parameters(GENERATE),
    honoured(GENERATE, "quality", "hd", quality="high"),
    ignored(GENERATE, "moderation", "low"),
    ignored(GENERATE, "style", "vivid"),
    *_responses(EDIT, {}),
    *_parameters(EDIT),
    honoured(EDIT, "image", "@image", image_tokens=12),
    Row(EDIT, "`image`, a list", {"image": ["@image", "@image"]}, {"image_tokens": 24}, "honoured", "image"),
    honoured(EDIT, "mask", "@mask"),
    ignored(EDIT, "input_fidelity", "high"),
    refused(EDIT, "markup", "@image"),
    _error(VARIATION, 404, "not_found", {}),
    *_responses(LIST, {"ids": ["gpt-image-2", "gpt-image-1"]}),
    *_responses(RETRIEVE, {"id": "gpt-image-2"}),
    _error(RETRIEVE, 404, "model_not_found", {"model": "nothing"}, "model"),
    _error(LIST, 401, "unauthorized", {}, key="wrong"),
    _error(LIST, 429, "rate_limit_exceeded", {}, key="slow", calls=3),
    _error(GENERATE, 400, "content_policy_violation", _UNSAFE),
    _error(GENERATE, 401, "unauthorized", {}, key="wrong"),
    _error(GENERATE, 403, "model_access_denied", {"model": FLARE}, "model", key="narrow"),
    _error(GENERATE, 404, "model_not_found", {"model": "nothing"}, "model"),
    _error(GENERATE, 409, "idempotency_conflict", {}, "Idempotency-Key", headers={"Idempotency-Key": "taken"}),
    _error(GENERATE, 429, "rate_limit_exceeded", {"n": 11}, key="slow", calls=3),
    _error(GENERATE, 500, "unknown_error", {"prompt": "[[fault:reset-after-send]] lost"}),
    _error(GENERATE, 503, "service_unavailable", {"prompt": "[[latency:8]] long, @package"}, timeout=3),
    Row(GENERATE, "503, and the SDK's own repeat", {"prompt": "[[latency:3]] logo, @package"}, {}, "the image",
        options={"timeout": 4, "max_retries": 3}),
    Row(GENERATE, "an error within a stream", {**_UNSAFE, "stream": True},
        {"class": "APIError", "code": "content_policy_violation"}, "APIError", how="stream"),
    _error(EDIT, 400, "content_policy_violation", _UNSAFE),
    _error(EDIT, 404, "model_not_found", {"model": "nothing"}, "model"),
]  # fmt: skip


def versions() -> dict[str, str]:
    """The version of each package, by its name here: the pins."""
    vendored = tomllib.loads((ROOT / "vendor.toml").read_text("utf-8"))["package"]
    (newest,) = [package["version"] for package in vendored if package["name"] == "openai"]
    (python,), (node,) = packages.PYTHON["openai-before"], packages.NODE["openai-node-before"]
    return {
        "openai-python": importlib.metadata.version("openai"),
        "openai-python before": python.rpartition("==")[2],
        "openai-node": newest,
        "openai-node before": node.rpartition("@")[2],
    }


def head() -> str:
    columns = [f"{name.removesuffix(' before')} {version}" for name, version in versions().items()]
    return f"| Method | | {' | '.join(columns)} |"


def write_page(cells: dict[str, dict[str, str]]) -> None:
    """`cells`: by package and row."""
    lines = [head(), "|" + "---|" * (2 + len(cells))]
    for row in ROWS:
        lines.append(f"| `{row.method}` | {row.label} | {' | '.join(cells[name][row.name] for name in versions())} |")
    PAGE.write_text(string.Template(TEMPLATE.read_text("utf-8")).substitute(table="\n".join(lines)), "utf-8")
