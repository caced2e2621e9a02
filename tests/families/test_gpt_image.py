"""What each row of the model table accepts and refuses."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.catalog.load import load_catalog
from imagegate.catalog.schema import Alias, Model
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.families import FAMILIES

CATALOG = load_catalog([Alias("nano-canvas", "gpt-image-2", quality_is_tier=True), Alias("house-style", "gpt-image-1")])
FREE = ("gpt-image-2", "gpt-image-2-beta", "gpt-image-2.5-flare", "gpt-image-2.5-sunburst")
TABLE = ("gpt-image-1.5", "gpt-image-1.5-lite", "gpt-image-1.5-beta", "gpt-image-1", "gpt-4o-image")
QUALITIES: dict[str, tuple[tuple[str, ...], str]] = {
    "gpt-image-2": (("low", "medium", "high"), "medium"),
    "gpt-image-2-beta": ((), ""),
    "gpt-image-1.5": (("low", "medium", "high"), "high"),
    "gpt-image-1.5-lite": (("low", "medium", "high"), "high"),
    "gpt-image-1.5-beta": ((), ""),
    "gpt-image-1": (("low", "medium", "high"), "high"),
    "gpt-4o-image": ((), ""),
    "gpt-image-2.5-flare": (("low", "medium", "high", "xhigh", "max"), "medium"),
    "gpt-image-2.5-sunburst": (("low", "medium", "high", "xhigh", "max"), "medium"),
}
MAX_PROMPT_CHARS = {
    "gpt-image-2": 32_000,
    "gpt-image-2-beta": 8_000,
    "gpt-image-1.5": 2_000,
    "gpt-image-1.5-lite": 2_000,
    "gpt-image-1.5-beta": 2_000,
    "gpt-image-1": 8_000,
    "gpt-4o-image": 1_000,
    "gpt-image-2.5-flare": 32_000,
    "gpt-image-2.5-sunburst": 32_000,
}
ALLOWED_COUNTS = {
    **{name: set(range(1, 11)) for name in QUALITIES},
    **{name: {1} for name in ("gpt-image-2-beta", "gpt-image-1.5", "gpt-image-1.5-lite", "gpt-image-1.5-beta")},
    "gpt-4o-image": {1, 2, 4},
}
MASKS = {"gpt-image-2", "gpt-4o-image", "gpt-image-2.5-flare", "gpt-image-2.5-sunburst"}
EVERY_MODEL = pytest.mark.parametrize("name", QUALITIES)


def order_of(name: str, **fields: Any) -> ImageOrder:
    """The checked order of a body in JSON."""
    found = CATALOG.find(name)
    assert found is not None
    model, alias = found
    body = msgspec.json.decode(msgspec.json.encode({"prompt": "x", **fields}), type=ImageRequest)
    return FAMILIES[model.family].build_order(body, model, alias, "2048x2048")


def refusal(name: str, **fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        order_of(name, **fields)
    return caught.value


def urls(count: int) -> list[str]:
    return [f"https://example.com/{position}.png" for position in range(count)]


def test_c10_the_table_has_these_rows_and_no_other() -> None:
    assert set(CATALOG.models) == set(QUALITIES)


@EVERY_MODEL
def test_s3_1_prompt_max_of_each_row_in_code_points(name: str) -> None:
    maximum = MAX_PROMPT_CHARS[name]
    for letter in ("a", "é", "\U0001f600"):
        assert order_of(name, prompt=letter * maximum).prompt == letter * maximum
        assert refusal(name, prompt=letter * (maximum + 1)).param == "prompt"


@EVERY_MODEL
def test_s3_1_quality_of_each_row(name: str) -> None:
    allowed, default = QUALITIES[name]
    assert order_of(name).quality == default
    for quality in ("low", "medium", "high", "xhigh", "max", "auto", "HIGH", "standard", "1K", ""):
        if not allowed:
            assert order_of(name, quality=quality).quality == ""
        elif quality in allowed:
            assert order_of(name, quality=quality).quality == quality
        elif quality == "auto" and default == "high":
            assert order_of(name, quality=quality).quality == "high"
        else:
            problem = refusal(name, quality=quality)
            assert problem.param == "quality"
            assert all(word in problem.message for word in allowed)


@EVERY_MODEL
def test_s3_1_n_of_each_row(name: str) -> None:
    for count in [*range(-1, 13), 2**63, -(2**63)]:
        if count in ALLOWED_COUNTS[name]:
            assert order_of(name, n=count).n == count
        else:
            assert refusal(name, n=count).param == "n"
    assert order_of(name).n == 1


@EVERY_MODEL
def test_s3_1_references_of_each_row(name: str) -> None:
    maximum = 5 if name == "gpt-4o-image" else 16
    assert order_of(name, image_urls=urls(maximum)).image_urls == tuple(urls(maximum))
    problem = refusal(name, image_urls=urls(maximum + 1))
    assert problem.param == "image_urls"
    assert str(maximum) in problem.message
    assert order_of(name, image_urls=[]).image_urls == order_of(name, image_urls=None).image_urls == ()


@EVERY_MODEL
def test_s3_1_mask_of_each_row(name: str) -> None:
    mask = "https://example.com/mask.png"
    assert order_of(name, mask_url=mask).mask_url is None
    if name in MASKS:
        assert order_of(name, mask_url=mask, image_urls=urls(1)).mask_url == mask
    else:
        assert refusal(name, mask_url=mask, image_urls=urls(1)).param == "mask_url"


@pytest.mark.parametrize("name", TABLE)
def test_s3_1_size_of_table_rows(name: str) -> None:
    for size, pixels in {
        "1:1": (1024, 1024),
        "2:3": (1024, 1536),
        "3:2": (1536, 1024),
        "1024x1024": (1024, 1024),
        "1024x1536": (1024, 1536),
        "1536x1024": (1536, 1024),
        "1024×1536": (1024, 1536),
    }.items():
        resolved = order_of(name, size=size).size
        assert (resolved.width, resolved.height, resolved.assumed, resolved.resolution) == (*pixels, False, None)
    for auto in (order_of(name).size, order_of(name, size="auto").size, order_of(name, size=None).size):
        assert (auto.width, auto.height, auto.assumed) == (1024, 1536, True)
    for size in ("16:9", "2048x2048", "1024x1024x1", "1025x1024", "square"):
        problem = refusal(name, size=size)
        assert problem.param == "size"
        assert all(word in problem.message for word in ("auto", "1:1", "2:3", "3:2", "1024x1536"))


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("resolution", ["1K", "8K", "", "anything"])
def test_s3_1_resolution_is_ignored_by_table_rows(name: str, resolution: str) -> None:
    assert order_of(name, size="1:1", resolution=resolution) == order_of(name, size="1:1")


@pytest.mark.parametrize("name", FREE)
def test_s2_1_resolution_of_free_rows(name: str) -> None:
    for resolution in ("1K", "2K", "4K"):
        assert order_of(name, size="1:1", resolution=resolution).size.resolution == resolution
        assert order_of(name, size="1:1", resolution=resolution.lower()).size.resolution == resolution
    assert order_of(name, size="1:1").size == order_of(name, size="1:1", resolution="1K").size
    for size in ("1:1", "auto", "1024x1024"):
        for wrong in ("3K", "1 K", "1K\n", "1024", "K", "\uff11K", "1\u212a"):
            problem = refusal(name, size=size, resolution=wrong)
            assert problem.param == "resolution"
            assert "1K, 2K, 4K" in problem.message


@pytest.mark.parametrize("name", FREE)
def test_c07_resolution_is_accepted_with_auto_and_pixels(name: str) -> None:
    for size in ("auto", "1024x1536"):
        for resolution in ("1k", "2K", "4K"):
            order = order_of(name, size=size, resolution=resolution)
            assert order == order_of(name, size=size)
            assert order.size.resolution is None


@pytest.mark.parametrize("name", FREE)
def test_c07_times_sign_equals_x(name: str) -> None:
    assert order_of(name, size="1024×1024") == order_of(name, size="1024x1024")


@pytest.mark.parametrize("name", [*FREE, *TABLE])
@pytest.mark.parametrize("field", ["size", "output_format", "background"])
def test_s2_1_size_format_and_background_are_never_empty(name: str, field: str) -> None:
    assert refusal(name, **{field: ""}).param == field


@pytest.mark.parametrize("name", FREE)
def test_s2_1_resolution_is_never_empty(name: str) -> None:
    assert refusal(name, size="1:1", resolution="").param == "resolution"


@EVERY_MODEL
def test_s3_1_every_row_takes_format_background_and_callback(name: str) -> None:
    for kind in ("png", "jpeg", "webp"):
        assert order_of(name, output_format=kind).output_format == kind
    for kind in ("png", "webp"):
        assert order_of(name, output_format=kind, background="transparent").background == "transparent"
    assert refusal(name, output_format="jpeg", background="transparent").param == "background"
    assert refusal(name, output_format="gif").param == "output_format"
    assert order_of(name, callback_url="https://example.com/hook?a=1").callback_url == "https://example.com/hook?a=1"


def test_s2_1_output_compression_is_0_to_100_and_ignored_for_png() -> None:
    for value in (0, 1, 99, 100):
        assert order_of("gpt-image-2", output_format="jpeg", output_compression=value).output_compression == value
        assert order_of("gpt-image-2", output_format="webp", output_compression=value).output_compression == value
    for value in (-1, 101, 10**18):
        assert refusal("gpt-image-2", output_format="webp", output_compression=value).param == "output_compression"
        assert order_of("gpt-image-2", output_compression=value) == order_of("gpt-image-2")


@pytest.mark.parametrize("prompt", [None, "", " ", "\t\r\n", "\u3000\u2028"])
def test_s2_1_prompt_is_required(prompt: str | None) -> None:
    problem = refusal("gpt-image-2", prompt=prompt)
    assert problem.param == "prompt"


@pytest.mark.parametrize("url", ["data:image/png;base64,AAAA", "iVBORw0KGgo=", "ftp://a/b", "//a/b", "", "file:///x"])
def test_s2_1_image_urls_are_addresses_and_the_upload_api_is_named(url: str) -> None:
    problem = refusal("gpt-image-2", image_urls=["https://example.com/a.png", url])
    assert problem.param == "image_urls[1]"
    assert "/api/v1/files/upload" in problem.message


@pytest.mark.parametrize("url", ["HTTPS://example.com/a.png", "Http://example.com/a.png"])
def test_s2_1_image_urls_may_write_their_scheme_in_any_case(url: str) -> None:
    assert order_of("gpt-image-2", image_urls=[url]).image_urls == (url,)


def test_s2_1_image_urls_have_at_most_8192_characters() -> None:
    longest = "https://example.com/" + "a" * (8192 - 20)
    assert order_of("gpt-image-2", image_urls=[longest]).image_urls == (longest,)
    assert refusal("gpt-image-2", image_urls=[longest + "a"]).param == "image_urls[0]"


def test_s3_1_alias_is_echoed_and_may_take_the_tier_from_quality() -> None:
    order = order_of("nano-canvas", size="16:9", quality="2k")
    assert (order.model, order.row, order.size.resolution, order.quality) == (
        "nano-canvas",
        "gpt-image-2",
        "2K",
        "medium",
    )
    assert order_of("nano-canvas", size="1:1", quality="high").quality == "high"
    assert refusal("gpt-image-2", size="16:9", quality="2K").param == "quality"
    plain = order_of("house-style")
    assert (plain.model, plain.row, plain.quality) == ("house-style", "gpt-image-1", "high")
    assert refusal("house-style", quality="2K").param == "quality"


FILE_WORDS = re.compile(
    r"content|moderation|blocked|policy|file.*large|image.*size|size.*exceed", re.IGNORECASE | re.DOTALL
)


@given(
    name=st.sampled_from(sorted(QUALITIES)),
    fields=st.fixed_dictionaries(
        {},
        optional={
            "prompt": st.sampled_from(["", "x" * 40_000]),
            "size": st.sampled_from(["", "1024x1000", "4000x4000", "100x100", "3840x1200", "0", "ratio"]),
            "resolution": st.sampled_from(["8K", "x"]),
            "quality": st.sampled_from(["ultra", "none"]),
            "n": st.sampled_from([0, 3, 11, -1]),
            "image_urls": st.sampled_from([urls(17), ["data:x"], ["https://a/" + "a" * 9000]]),
            "mask_url": st.sampled_from(["data:x", "https://a/b.png"]),
            "background": st.sampled_from(["transparent", "none"]),
            "output_format": st.sampled_from(["jpeg", "gif"]),
            "output_compression": st.sampled_from([-1, 101]),
        },
    ),
)
def test_s10_1_wording_never_has_the_words_that_clients_sort_by(name: str, fields: dict[str, Any]) -> None:
    said = refusal_or_none(name, fields)
    if said is not None:
        assert said.message
        assert said.param
        assert not FILE_WORDS.search(said.message), said.message


def refusal_or_none(name: str, fields: dict[str, Any]) -> InvalidRequest | None:
    """The refusal, where there is one."""
    try:
        order_of(name, **fields)
    except InvalidRequest as problem:
        return problem
    return None


def test_s3_1_billing_of_each_row() -> None:
    rules = {model.id: model.billing for model in CATALOG.models.values()}
    per_call = {"gpt-image-2-beta", "gpt-image-1.5-lite", "gpt-image-1.5-beta", "gpt-4o-image"}
    assert {name for name, rule in rules.items() if rule == "per_call"} == per_call


def model_of(name: str) -> Model:
    found = CATALOG.find(name)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("size", "resolution", "tier"),
    [
        ("auto", None, "1K"),
        ("auto", "4K", "1K"),
        ("1:1", None, "1K"),
        ("1:1", "2k", "2K"),
        ("3:1", "4K", "4K"),
        ("3:1", "2K", "2K"),
        ("21:9", "4K", "4K"),
        ("1024x1024", None, "1K"),
        ("1024x1024", "4K", "1K"),
        ("1616x1040", None, "1K"),
        ("1312x1296", None, "2K"),
        ("2096x2096", None, "2K"),
        ("2112x2096", None, "4K"),
        ("3840x2160", None, "4K"),
    ],
)
def test_s3_1_gpt_image_2_beta_tiers(size: str, resolution: str | None, tier: str) -> None:
    order = order_of("gpt-image-2-beta", size=size, resolution=resolution)
    assert FAMILIES["gpt_image"].price_tier(order) == tier


def test_s3_4_partial_images_cost_100_tokens_each() -> None:
    """Of each image, expected and at most; rows that are billed per call have no tokens."""
    family, model = FAMILIES["gpt_image"], CATALOG.models["gpt-image-2"]
    order = order_of("gpt-image-2", size="1:1", quality="low", n=2)
    asked = msgspec.structs.replace(order, partials=3)
    for usage_of in (family.expected_usage, family.max_usage):
        assert usage_of(asked, model).image_output - usage_of(order, model).image_output == 2 * 3 * 100
    per_call = msgspec.structs.replace(order_of("gpt-image-2-beta"), partials=3)
    assert family.max_usage(per_call, CATALOG.models["gpt-image-2-beta"]).image_output == 0
