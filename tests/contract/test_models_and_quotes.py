"""Sections 3 and 4 through the quote: every row of the table of models, the published numbers, and what a quote is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.api.helpers import CREATE, QUOTE, assert_unchanged, parse_error, parse_response
from tests.support.gateway import Gateway

CELLS: list[dict[str, Any]] = json.loads((Path(__file__).parent.parent / "vectors" / "sizes.json").read_text("utf-8"))[
    "cells"
]
TABLE_SIZES = ("auto", "1:1", "2:3", "3:2", "1024x1024", "1024x1536", "1536x1024")
FREE_SIZES = ("auto", "1:1", "21:9", "9:21", "3840x2160", "1024×1024")
REFERENCE = "https://example.com/a.png"


class Row(msgspec.Struct, kw_only=True):
    """What one row takes. Quality and resolution () are ignored, whatever they say."""

    prompt: int
    sizes: tuple[str, ...]
    resolution: bool = False
    quality: tuple[str, ...] = ()
    quality_default: str | None = None
    n: tuple[int, ...] = (1,)
    references: int = 16
    mask: bool = False
    rule: str
    price: str = ""


ONE_TO_TEN = tuple(range(1, 11))
THREE = ("low", "medium", "high")
PER_TOKEN_TABLE = Row(
    prompt=2_000, sizes=TABLE_SIZES, quality=(*THREE, "auto"), quality_default="high", rule="per_token"
)
FREE_ROW = Row(
    prompt=32_000,
    sizes=FREE_SIZES,
    resolution=True,
    quality=THREE,
    quality_default="medium",
    n=ONE_TO_TEN,
    mask=True,
    rule="per_token",
)


def replace(row: Row, **fields: Any) -> Row:
    return msgspec.structs.replace(row, **fields)


def create_quote(client: httpx.Client, **fields: Any) -> Any:
    return parse_response(client.post(QUOTE, json={"prompt": "x", **fields}))


def assert_refused(client: httpx.Client, param: str, **fields: Any) -> str:
    with assert_unchanged(client):
        answer = client.post(CREATE, json={"prompt": "x", **fields})
        message: str = parse_error(answer, 400, "invalid_request", param)["message"]
        return message


def check_model_row(client: httpx.Client, model: str, row: Row) -> None:
    """Everything that the row allows, and the first thing beyond it."""
    plain = create_quote(client, model=model)
    assert (plain["model"], plain["billing_rule"], plain["quality"]) == (model, row.rule, row.quality_default)
    assert plain["size"]["assumed"] is True
    assert create_quote(client, model=model, prompt="😀" * row.prompt)["n"] == 1
    assert_refused(client, "prompt", model=model, prompt="x" * (row.prompt + 1))
    for size in row.sizes:
        create_quote(client, model=model, size=size)
    assert_refused(client, "size", model=model, size="1000x1000")
    counts = {n for n in range(1, 12) if client.post(QUOTE, json={"prompt": "x", "model": model, "n": n}).is_success}
    assert counts == set(row.n)
    create_quote(client, model=model, image_urls=[REFERENCE] * row.references)
    assert_refused(client, "image_urls", model=model, image_urls=[REFERENCE] * (row.references + 1))
    _ignored_or_checked(client, model, row)
    masked = {"model": model, "image_urls": [REFERENCE], "mask_url": REFERENCE}
    if row.mask:
        create_quote(client, **masked)
    else:
        assert_refused(client, "mask_url", **masked)
    if row.price:
        assert plain["maximum"]["nanos"] == row.price


def _ignored_or_checked(client: httpx.Client, model: str, row: Row) -> None:
    for quality in row.quality:
        create_quote(client, model=model, quality=quality)
    if row.quality:
        assert_refused(client, "quality", model=model, quality="anything")
    else:
        assert create_quote(client, model=model, quality="anything") == create_quote(client, model=model)
    if row.resolution:
        assert create_quote(client, model=model, size="1:1", resolution="4k")["size"]["width"] == 2880
        assert_refused(client, "resolution", model=model, resolution="8K")
    else:
        assert create_quote(client, model=model, size="1:1", resolution="8K") == create_quote(
            client, model=model, size="1:1"
        )


def test_s3_1_gpt_image_2_row(waiting: httpx.Client) -> None:
    check_model_row(waiting, "gpt-image-2", FREE_ROW)


def test_s3_1_gpt_image_2_5_rows(waiting: httpx.Client) -> None:
    for model in ("gpt-image-2.5-flare", "gpt-image-2.5-sunburst"):
        check_model_row(waiting, model, replace(FREE_ROW, quality=(*THREE, "xhigh", "max")))


def test_s3_1_gpt_image_2_beta_row(waiting: httpx.Client) -> None:
    beta = Row(prompt=8_000, sizes=FREE_SIZES, resolution=True, rule="per_call", price="15000000")
    check_model_row(waiting, "gpt-image-2-beta", beta)


def test_s3_1_gpt_image_1_5_row(waiting: httpx.Client) -> None:
    check_model_row(waiting, "gpt-image-1.5", PER_TOKEN_TABLE)


def test_s3_1_gpt_image_1_5_lite_row(waiting: httpx.Client) -> None:
    check_model_row(waiting, "gpt-image-1.5-lite", replace(PER_TOKEN_TABLE, rule="per_call", price="13235295"))


def test_s3_1_gpt_image_1_5_beta_row(waiting: httpx.Client) -> None:
    check_model_row(
        waiting, "gpt-image-1.5-beta", Row(prompt=2_000, sizes=TABLE_SIZES, rule="per_call", price="13235295")
    )


def test_s3_1_gpt_image_1_row(waiting: httpx.Client) -> None:
    check_model_row(waiting, "gpt-image-1", replace(PER_TOKEN_TABLE, prompt=8_000, n=ONE_TO_TEN))


def test_s3_1_gpt_4o_image_row(waiting: httpx.Client) -> None:
    row = Row(prompt=1_000, sizes=TABLE_SIZES, n=(1, 2, 4), references=5, mask=True, rule="per_call", price="15000000")
    check_model_row(waiting, "gpt-4o-image", row)


@pytest.mark.parametrize(
    ("fields", "param", "allowed"),
    [
        ({"n": 3, "model": "gpt-4o-image"}, "n", ("1", "2", "4")),
        ({"n": 11}, "n", ("1", "10")),
        ({"image_urls": [REFERENCE] * 6, "model": "gpt-4o-image"}, "image_urls", ("5",)),
        ({"size": "16:9", "model": "gpt-image-1"}, "size", ("auto", "1:1", "2:3", "3:2", "1536x1024")),
        ({"quality": "max"}, "quality", ("low", "medium", "high")),
        ({"resolution": "8K", "size": "1:1"}, "resolution", ("1K", "2K", "4K")),
    ],
)
def test_s3_1_outside_the_row_is_400_naming_what_is_allowed(
    waiting: httpx.Client, fields: dict[str, Any], param: str, allowed: tuple[str, ...]
) -> None:
    message = assert_refused(waiting, param, **fields)
    assert all(word in message for word in allowed), message


def test_s3_2_explicit_pixels_stay_legal_beside_the_ratio(waiting: httpx.Client) -> None:
    ratio, pixels = (create_quote(waiting, size=size, resolution="4K")["size"] for size in ("2:1", "3840x1920"))
    assert (ratio["width"], ratio["height"]) == (3840, 1904)
    assert (pixels["width"], pixels["height"], pixels["resolution"]) == (3840, 1920, None)


def image_tokens(client: httpx.Client, **fields: Any) -> tuple[Any, Any]:
    line = create_quote(client, **fields)["lines"][-1]
    assert line["item"] == "image_output"
    return line["quantity"]["expected"], line["quantity"]["maximum"]


def test_s3_4_image_output_is_expected_and_held_alike(waiting: httpx.Client) -> None:
    """Times n; for auto the cap of 2048x2048."""
    assert image_tokens(waiting, size="1:1", n=3) == (3 * 1756, 3 * 1756)
    assert image_tokens(waiting) == image_tokens(waiting, size="2048x2048") == (3568, 3568)


def test_s3_4_text_input_by_bytes_times_n(waiting: httpx.Client) -> None:
    for prompt in ("x", "Füchse 🦊", "a" * 100):
        size = len(prompt.encode())
        quantity = create_quote(waiting, prompt=prompt, n=2)["lines"][0]["quantity"]
        assert quantity == {"expected": 2 * (6 + size // 3), "maximum": 2 * (128 + size)}


def test_s4_nothing_is_stored_held_or_fetched(idle: Gateway, waiting: httpx.Client) -> None:
    """An address that leads nowhere is priced like any other."""
    lines = waiting.get("/v1/ledger").content
    with assert_unchanged(waiting):
        assert create_quote(waiting, image_urls=["https://nowhere.invalid/a.png"]) == create_quote(
            waiting, image_urls=[REFERENCE]
        )
    assert waiting.get("/v1/ledger").content == lines
    assert not [path for path in (idle.data / "blobs" / "t").rglob("*") if path.is_file()]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell['ratio']}-{cell['resolution']}")
def test_c21_every_published_cell_is_what_a_client_is_quoted(waiting: httpx.Client, cell: dict[str, Any]) -> None:
    for ratio, edges in (
        (cell["ratio"], (cell["width"], cell["height"])),
        (":".join(reversed(cell["ratio"].split(":"))), (cell["height"], cell["width"])),
    ):
        for quality, tokens in cell["output_tokens"].items():
            got = create_quote(waiting, size=ratio, resolution=cell["resolution"], quality=quality)
            assert (got["size"]["width"], got["size"]["height"]) == edges
            assert got["lines"][-1]["quantity"]["expected"] == tokens
