"""Section 9, models and prices, and C19."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import httpx
import pytest

from imagegate.security.api_keys import generate_key
from tests.api.helpers import CREATE, QUOTE, parse_error, parse_response
from tests.support.gateway import Gateway

RATIOS = [
    "1:1",
    "1:2",
    "2:1",
    "1:3",
    "3:1",
    "2:3",
    "3:2",
    "3:4",
    "4:3",
    "4:5",
    "5:4",
    "9:16",
    "16:9",
    "21:9",
    "9:21",
]
NAMES = [
    "gpt-image-2",
    "gpt-image-2-beta",
    "gpt-image-1.5",
    "gpt-image-1.5-lite",
    "gpt-image-1.5-beta",
    "gpt-image-1",
    "gpt-4o-image",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-sunburst",
]
ENDS = {"gpt-image-1.5": "2026-12-01", "gpt-image-1": "2026-10-23"}
OFFERED = [name for name in NAMES if ENDS.get(name, "9999") > datetime.now(UTC).date().isoformat()]
LEAST = {"credits": "0.113832", "usd": "0.001674", "nanos": "1674000"}
MOST = {"credits": "55.5804936", "usd": "0.8173602", "nanos": "817360200"}


def test_c19_models_list_with_a_good_key_and_401_with_a_bad_one(gateway: Gateway, client: httpx.Client) -> None:
    answer = parse_response(client.get("/v1/models"))
    assert answer["object"] == "list"
    assert [model["id"] for model in answer["data"]] == OFFERED
    assert answer["data"][0] == {
        "id": "gpt-image-2",
        "object": "model",
        "created": 1776729600,
        "owned_by": "imagegate",
    }
    bad = {"Authorization": f"Bearer {generate_key()}"}
    for path in ("/v1/models", "/v1/models/gpt-image-2"):
        parse_error(httpx.get(gateway.url + path, headers=bad, timeout=60), 401, "unauthorized")


def test_s9_model_tells_what_it_accepts(client: httpx.Client) -> None:
    assert parse_response(client.get("/v1/models/gpt-image-2")) == {
        "id": "gpt-image-2",
        "object": "model",
        "created": 1776729600,
        "owned_by": "imagegate",
        "billing_rule": "per_token",
        "price_range": {"min": LEAST, "max": MOST},
        "parameters": {
            "prompt": {"max_code_points": 32000},
            "size": {
                "ratios": RATIOS,
                "pixels": {"multiple": 16, "edge_max": 3840, "area_min": 655360, "area_max": 8294400, "aspect_max": 3},
                "default": "auto",
            },
            "resolution": {"values": ["1K", "2K", "4K"], "default": "1K"},
            "quality": {"values": ["low", "medium", "high"], "default": "medium"},
            "n": {"max": 10},
            "image_urls": {"max": 16, "max_bytes": 52428800},
            "mask_url": True,
        },
    }


def test_s9_model_leaves_out_what_it_ignores(client: httpx.Client) -> None:
    known = parse_response(client.get("/v1/models/gpt-4o-image"))
    assert known["billing_rule"] == "per_call"
    assert known["parameters"] == {
        "prompt": {"max_code_points": 1000},
        "size": {"ratios": ["1:1", "2:3", "3:2"], "values": ["1024x1024", "1024x1536", "1536x1024"], "default": "auto"},
        "n": {"max": 4, "values": [1, 2, 4]},
        "image_urls": {"max": 5, "max_bytes": 52428800},
        "mask_url": True,
    }
    error = parse_error(client.get("/v1/models/none"), 404, "model_not_found", "model")
    assert error["fallback_suggestion"] == "gpt-image-2"


def test_s9_models_are_the_names_that_the_key_may_use(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("few", "1", "--model", "gpt-image-1")) as few:
        assert [model["id"] for model in parse_response(few.get("/v1/models"))["data"]] == ["gpt-image-1"]
        parse_response(few.get("/v1/models/gpt-image-1"))
        parse_error(few.get("/v1/models/gpt-image-2"), 403, "model_access_denied", "model")


def test_s9_pricing_needs_no_key_and_is_exact(gateway: Gateway) -> None:
    answer = parse_response(httpx.get(f"{gateway.url}/v1/pricing", timeout=60))
    head = {name: value for name, value in answer.items() if name != "data"}
    assert head == {"object": "list", "price_version": "2026-11-01.1", "credits_per_usd": 68}
    rows = {row["model"]: row for row in answer["data"]}
    assert list(rows) == OFFERED
    assert rows["gpt-image-2"] == {
        "model": "gpt-image-2",
        "billing_rule": "per_token",
        "effective_from": 1793491200,
        "per_1k_tokens": {
            "image_output": {"credits": "1.836", "usd": "0.027", "nanos": "27000000"},
            "image_input": {"credits": "0.4896", "usd": "0.0072", "nanos": "7200000"},
            "image_cached_input": {"credits": "0.1224", "usd": "0.0018", "nanos": "1800000"},
            "text_input": {"credits": "0.306", "usd": "0.0045", "nanos": "4500000"},
            "text_cached_input": {"credits": "0.0765", "usd": "0.001125", "nanos": "1125000"},
        },
        "range": {"min": LEAST, "max": MOST},
    }
    assert rows["gpt-image-2-beta"]["per_image"] == {
        "1K": {"credits": "1.02", "usd": "0.015", "nanos": "15000000"},
        "2K": {"credits": "1.734", "usd": "0.0255", "nanos": "25500000"},
        "4K": {"credits": "2.652", "usd": "0.039", "nanos": "39000000"},
    }


def test_s9_pricing_range_holds_every_quote(gateway: Gateway, client: httpx.Client) -> None:
    """The image lines of quotes at both ends are the ends of the range."""
    rows = {row["model"]: row for row in parse_response(httpx.get(f"{gateway.url}/v1/pricing", timeout=60))["data"]}
    for model in OFFERED:
        free = model.startswith("gpt-image-2")
        cheap: dict[str, Any] = {"size": "1:3" if free else "1:1", "quality": "low"}
        dear: dict[str, Any] = {"size": "1:1" if free else "2:3", "resolution": "4K", "quality": "high"}
        dear["quality"] = "max" if model.startswith("gpt-image-2.5") else "high"
        dear["image_urls"] = ["https://example.com/a.png"] * (5 if model == "gpt-4o-image" else 16)
        for end, body in (("min", cheap), ("max", dear)):
            quote = parse_response(client.post(QUOTE, json={"prompt": "x", "model": model, **body}))
            images = sum(int(line["expected"]["nanos"]) for line in quote["lines"] if line["item"] != "text_input")
            # a line is the step of the rounded total: a rest of the text before it may take a nano from it
            assert abs(images - int(rows[model]["range"][end]["nanos"])) <= 1, (model, end)
            amount = rows[model]["range"][end]
            assert Fraction(amount["credits"]) == Fraction(amount["nanos"]) * 68 / 10**9


@pytest.fixture(scope="module")
def aliased(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two names of the operator's own beside the shipped ones."""
    folder = tmp_path_factory.mktemp("aliased")
    config = folder / "gate.toml"
    config.write_text(
        '[[alias]]\nname = "house"\nrow = "gpt-image-2"\n'
        '[[alias]]\nname = "canvas"\nrow = "gpt-image-2"\nquality_is_tier = true\n'
    )
    with Gateway(folder / "data", "--no-workers", "--config", str(config)) as gateway:
        yield gateway


def test_s9_models_are_aliases_too(aliased: Gateway) -> None:
    with aliased.client() as client:
        assert [model["id"] for model in parse_response(client.get("/v1/models"))["data"]] == [
            *OFFERED,
            "house",
            "canvas",
        ]
        assert parse_response(client.get("/v1/models/house"))["price_range"]["max"] == MOST
        assert parse_response(httpx.get(f"{aliased.url}/v1/pricing", timeout=60))["data"][-2]["model"] == "house"


def test_s3_1_alias_is_what_the_task_calls_its_model(aliased: Gateway) -> None:
    with aliased.client() as client:
        for name in ("house", "canvas", "gpt-image-2"):
            assert parse_response(client.post(CREATE, json={"prompt": "x", "model": name}))["model"] == name
        size = parse_response(
            client.post(QUOTE, json={"prompt": "x", "model": "canvas", "size": "1:1", "quality": "2K"})
        )
        assert (size["size"]["resolution"], size["quality"]) == ("2K", "medium")
        refused = client.post(QUOTE, json={"prompt": "x", "model": "house", "size": "1:1", "quality": "2K"})
        parse_error(refused, 400, "invalid_request", "quality")
