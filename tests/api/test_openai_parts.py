"""Section 11, the parts: paths, parameters, time-outs and CORS, without a server."""

from __future__ import annotations

import pytest

from imagegate.api.openai.parameters import Parameters, check, parse_form
from imagegate.api.openai.surface import canonical_path, cors_headers
from imagegate.api.openai.waiting import answer_limit_s, retry_count, wants_task_at_once
from imagegate.domain.errors import InvalidRequest


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/openai/v1/models", "/openai/v1/models"),
        ("/openai/models", "/openai/v1/models"),
        ("//openai//v1//models//", "/openai/v1/models"),
        ("/openai/v1/v1/models/x", "/openai/v1/models/x"),
        ("/openai", "/openai/v1"),
        ("/openaix/v1/models", "/openaix/v1/models"),
        ("/v1/openai/models", "/v1/openai/models"),
        ("/files//results", "/files//results"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_s11_paths_have_one_form(path: str, canonical: str) -> None:
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ({}, 285),
        ({b"x-stainless-read-timeout": b"600"}, 285),
        ({b"x-stainless-read-timeout": b"60.0"}, 55),
        ({b"x-stainless-timeout": b"60"}, 55),
        ({b"x-stainless-timeout": b"60", b"x-stainless-read-timeout": b"30"}, 25),
        ({b"x-stainless-timeout": b"9"}, 4.5),
        ({b"x-stainless-timeout": b"10"}, 5),
        ({b"x-stainless-timeout": b"0.5"}, 1),
        *(({b"x-stainless-timeout": text}, 285) for text in (b"", b"None", b"-1", b"0", b"nan", b"inf", b"1e999")),
    ],
)
def test_s11_long_work_ends_before_the_clients_own_time_out(headers: dict[bytes, bytes], limit: float) -> None:
    assert answer_limit_s(headers) == limit


@pytest.mark.parametrize(("text", "count"), [(b"2", 2), (b"0", 0), (b"", 0), (b"-1", 0), (b"x", 0), (b"9" * 99, 0)])
def test_s11_join_retry_counts(text: bytes, count: int) -> None:
    assert retry_count({b"x-stainless-retry-count": text}) == count


@pytest.mark.parametrize(
    ("prefer", "wanted"), [("respond-async", True), ("wait=5, Respond-Async", True), ("respond-asynchronous", False)]
)
def test_s11_respond_async_is_one_word(prefer: str, wanted: bool) -> None:
    assert wants_task_at_once(prefer) is wanted


def test_s11_forms_are_read_from_text() -> None:
    texts = {"prompt": "1", "n": "2", "stream": "True", "partial_images": "0", "size": "", "user": " "}
    assert parse_form(texts) == Parameters(prompt="1", n=2, stream=True, partial_images=0)
    assert parse_form({"prompt": "null", "stream": "false"}) == Parameters(prompt="null", stream=False)
    for name, text in (("n", "two"), ("n", "2.0"), ("n", "9" * 5000), ("stream", "yes")):
        with pytest.raises(InvalidRequest) as refused:
            parse_form({"prompt": "x", name: text})
        assert refused.value.param == name
    with pytest.raises(InvalidRequest, match="svg"):
        check(parse_form({"prompt": "x", "svg[reasoning][effort]": "low"}), [], None)


@pytest.mark.parametrize(
    ("quality", "ours"), [("standard", "medium"), ("hd", "high"), ("auto", None), ("max", "max"), (None, None)]
)
def test_s11_names_qualities_of_retired_models(quality: str | None, ours: str | None) -> None:
    assert check(Parameters(prompt="x", quality=quality), [], None).request.quality == ours


def test_s11_partial_images_without_a_stream_are_neither_made_nor_billed() -> None:
    assert check(Parameters(prompt="x", partial_images=3), [], None).partials == 0
    assert check(Parameters(prompt="x", partial_images=3, stream=True), [], None).partials == 3


def test_s11_cors_for_named_origins_alone() -> None:
    named = ("https://app.example",)
    allowed = dict(cors_headers(named, {b"origin": b"https://app.example"}))
    assert (allowed[b"access-control-allow-origin"], allowed[b"vary"]) == (b"https://app.example", b"Origin")
    assert b"access-control-allow-origin" not in dict(cors_headers(named, {b"origin": b"https://other.example"}))
