"""Section 4: the price before the run."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, QUOTE, assert_unchanged, parse_error, parse_response
from tests.support.gateway import Gateway

EXAMPLE = (
    '{"object":"image.quote","model":"gpt-image-2","billing_rule":"per_token","price_version":"2026-11-01.1","n":2,'
    '"size":{"requested":"16:9","resolution":"2K","width":2736,"height":1536,"assumed":false},"quality":"high",'
    '"affordable":true,"expected":{"credits":"31.0354992","usd":"0.4564044","nanos":"456404400"},'
    '"maximum":{"credits":"31.1272992","usd":"0.4577544","nanos":"457754400"},"lines":['
    '{"item":"text_input","unit":"token","quantity":{"expected":40,"maximum":340},"rate_nanos":"4500",'
    '"expected":{"credits":"0.01224","usd":"0.00018","nanos":"180000"},'
    '"maximum":{"credits":"0.10404","usd":"0.00153","nanos":"1530000"}},'
    '{"item":"image_input","unit":"token","quantity":{"expected":3072,"maximum":3072},"rate_nanos":"7200",'
    '"expected":{"credits":"1.5040512","usd":"0.0221184","nanos":"22118400"},'
    '"maximum":{"credits":"1.5040512","usd":"0.0221184","nanos":"22118400"}},'
    '{"item":"image_output","unit":"token","quantity":{"expected":16078,"maximum":16078},"rate_nanos":"27000",'
    '"expected":{"credits":"29.519208","usd":"0.434106","nanos":"434106000"},'
    '"maximum":{"credits":"29.519208","usd":"0.434106","nanos":"434106000"}}]}'
)


def quote(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = parse_response(client.post(QUOTE, json={"prompt": "x", **body}))
    return answer


def test_s4_example_byte_for_byte(client: httpx.Client) -> None:
    body = {
        "prompt": "A beautiful colorful sunset over the ocean",
        "size": "16:9",
        "resolution": "2K",
        "quality": "high",
        "n": 2,
        "image_urls": ["https://example.com/input.png"],
    }
    with assert_unchanged(client):
        assert client.post(QUOTE, json=body).text == EXAMPLE


def test_s4_size_assumed_for_auto_and_resolution_null_without_effect(client: httpx.Client) -> None:
    assert quote(client, resolution="4K")["size"] == {
        "requested": "auto",
        "resolution": None,
        "width": 2048,
        "height": 2048,
        "assumed": True,
    }
    for pixels in ("1024x1536", "1024×1536"):
        assert quote(client, size=pixels, resolution="2k")["size"] == {
            "requested": "1024x1536",
            "resolution": None,
            "width": 1024,
            "height": 1536,
            "assumed": False,
        }
    assert quote(client, size="1:1", resolution="2k")["size"]["resolution"] == "2K"


def test_s4_per_call_rows_have_one_line(client: httpx.Client) -> None:
    got = quote(client, model="gpt-4o-image", n=4, size="1:1")
    assert got["billing_rule"] == "per_call"
    assert got["lines"] == [
        {
            "item": "image",
            "unit": "image",
            "quantity": {"expected": 4, "maximum": 4},
            "rate_nanos": "15000000",
            "expected": {"credits": "4.08", "usd": "0.06", "nanos": "60000000"},
            "maximum": {"credits": "4.08", "usd": "0.06", "nanos": "60000000"},
        }
    ]
    assert got["expected"] == got["maximum"] == got["lines"][0]["maximum"]


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        ({}, "1.02"),
        ({"resolution": "4K"}, "1.02"),
        ({"size": "1:1", "resolution": "2K"}, "1.734"),
        ({"size": "21:9", "resolution": "4k"}, "2.652"),
        ({"size": "1024x1024"}, "1.02"),
        ({"size": "2048x2048"}, "1.734"),
        ({"size": "3840x2160"}, "2.652"),
    ],
)
def test_s3_1_gpt_image_2_beta_is_priced_by_tier(client: httpx.Client, body: dict[str, Any], cost: str) -> None:
    got = quote(client, model="gpt-image-2-beta", **body)
    assert got["expected"]["credits"] == got["maximum"]["credits"] == cost


def test_s3_4_image_input_of_a_mask_is_reserved_and_not_expected(client: httpx.Client) -> None:
    got = quote(client, image_urls=["https://example.com/a.png"], mask_url="https://example.com/m.png", n=2)
    line = next(line for line in got["lines"] if line["item"] == "image_input")
    assert line["quantity"] == {"expected": 2 * 1536, "maximum": 4 * 1536}


def test_c09_mask_without_references_is_ignored(client: httpx.Client) -> None:
    plain = quote(client)
    for mask in ("https://example.com/m.png", "data:image/png;base64,AA", "nonsense"):
        assert quote(client, mask_url=mask) == plain
        assert quote(client, mask_url=mask, image_urls=[]) == plain
    beta = quote(client, model="gpt-image-2-beta", mask_url="https://example.com/m.png")
    assert beta == quote(client, model="gpt-image-2-beta")


def test_s4_lines_add_up_and_totals_are_exact(client: httpx.Client) -> None:
    for body in (
        {},
        {"n": 7, "size": "3:1", "quality": "low"},
        {"model": "gpt-image-1.5", "quality": "auto"},
        {"model": "gpt-image-1", "n": 10},
        {"model": "gpt-image-2.5-flare", "quality": "max", "size": "9:21"},
    ):
        got = quote(client, **body)
        for side in ("expected", "maximum"):
            assert sum(int(line[side]["nanos"]) for line in got["lines"]) == int(got[side]["nanos"])
            assert all(line["quantity"]["maximum"] for line in got["lines"])
        assert int(got["expected"]["nanos"]) <= int(got["maximum"]["nanos"])


def test_c21_both_ends_of_the_published_range(client: httpx.Client) -> None:
    """The range counts images; the prompt comes on top."""
    least = quote(client, size="3:1", quality="low")["lines"]
    assert least[-1]["expected"] == {"credits": "0.113832", "usd": "0.001674", "nanos": "1674000"}
    urls = ["https://example.com/a.png"] * 16
    most = quote(client, size="1:1", resolution="4K", quality="high", image_urls=urls)["lines"]
    assert sum(int(line["maximum"]["nanos"]) for line in most[1:]) == 817_360_200


def test_s4_validation_is_that_of_create(client: httpx.Client) -> None:
    for body, status, code, param in (
        ({"prompt": ""}, 400, "invalid_request", "prompt"),
        ({"prompt": "x", "n": 3, "model": "gpt-4o-image"}, 400, "invalid_request", "n"),
        ({"prompt": "x", "model": "none"}, 404, "model_not_found", "model"),
        ({"prompt": "x", "background": "transparent", "output_format": "jpeg"}, 400, "invalid_request", "background"),
    ):
        refusals = [parse_error(client.post(path, json=body), status, code, param) for path in (CREATE, QUOTE)]
        assert refusals[0]["message"] == refusals[1]["message"]


def test_s4_affordable_says_what_the_account_can_pay(gateway: Gateway) -> None:
    maximum = "3.26349"
    body = {"prompt": "x", "size": "1:1"}
    with gateway.client(gateway.new_key("exactly", maximum)) as exact, gateway.client() as rich:
        assert quote(rich, **body)["maximum"]["credits"] == maximum
        assert quote(exact, **body)["affordable"] is True
        assert quote(exact, **body, n=2)["affordable"] is False


def test_s4_affordable_says_what_the_key_can_pay(gateway: Gateway) -> None:
    """Affordable means that the create would not answer 402."""
    for cap in ("--cap", "--daily-cap"):
        with gateway.client(gateway.new_key("capped", "1000", cap, "1")) as client:
            answer = client.post(CREATE, json={"prompt": "x", "size": "1:1"})
            assert answer.status_code == 402
            assert quote(client, size="1:1")["affordable"] is False


def test_s4_hold_equals_the_quoted_maximum(client: httpx.Client) -> None:
    body = {"size": "816x816", "quality": "low"}
    created = client.post(CREATE, json={"prompt": "x", **body})
    text = quote(client, **body)["maximum"]["credits"]
    assert f'"credits_reserved":{text},' in created.text
    assert f'"reserved_credits":{text},' in created.text
    assert json.loads(created.text)["status"] in ("pending", "processing")
