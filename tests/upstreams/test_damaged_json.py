"""The readable beginning of damaged JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.upstreams.damaged_json import repair_json
from imagegate.upstreams.json_images import UnreadableResponse, decode_object

ITEM = '{"data": [{"url": "@0"}]'
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "tail",
    [
        "",
        ",",
        ', "usage',
        ', "usage": {"a',
        ', "usage": tru',
        "]",
        "<html>",
        ', "a": [[[' + "[" * 200_000,
        "\\",
        ', "a": 01}',
    ],
)
def test_what_stands_before_the_damage_is_read(tail: str) -> None:
    assert decode_object((ITEM + tail).encode())["data"] == [{"url": "@0"}]


@pytest.mark.parametrize("value", ["NaN", "-Infinity", '"\\ud800"', '"a\x01b"', '"\udcff"', "1e400"])
def test_what_is_beyond_json_costs_only_itself(value: str) -> None:
    body = f'{{"odd": {value}, "data": [{{"url": "@0"}}]}}'.encode("utf-8", "surrogateescape")
    assert decode_object(body)["data"] == [{"url": "@0"}]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b'{"a', b"[]", b"[1", b'"x"', b"\xff\xfe"])
def test_nothing_readable_is_no_response(body: bytes) -> None:
    with pytest.raises(UnreadableResponse):
        decode_object(body)


@given(st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=4), st.data())
def test_whole_json_stays_and_any_beginning_of_it_is_read(value: dict[str, Any], data: st.DataObject) -> None:
    whole = json.dumps(value).encode()
    assert json.loads(repair_json(whole)) == value
    end = data.draw(st.integers(0, len(whole)))
    try:
        read = decode_object(whole[:end])
    except UnreadableResponse:
        return
    assert set(read) <= set(value)
