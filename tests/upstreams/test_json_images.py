"""Images in JSON, read as they arrive: the same files as a whole parse would give, wherever the network cuts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from imagegate.upstreams import base64_file
from imagegate.upstreams.base64_file import MAX_BASE64_BYTES
from imagegate.upstreams.downloads import MAX_IMAGE_BYTES
from imagegate.upstreams.json_images import MAX_ENVELOPE_BYTES, JsonImageScanner, UnreadableResponse
from tests.images.corpus import encoded_image
from tests.support.image_texts import IMAGE_TEXTS
from tests.upstreams.helpers import cut

PNG = b"\x89PNG\r\n\x1a\n"
Scan = tuple[Any, dict[str, bytes], list[str]]


def scan(pieces: Iterable[bytes], most: int = 4) -> Scan:
    """The decoded rest, the files by their marks, and the faults of images that are none."""
    with tempfile.TemporaryDirectory() as folder:
        scanner = JsonImageScanner(lambda number: Path(folder, str(number)) if number < most else None, most)
        try:
            for piece in pieces:
                scanner.feed(piece)
            kept = scanner.finish()
        finally:
            scanner.close()
        files = {name: file.path.read_bytes() for name, file in scanner.finished_files.items()}
        for name, file in scanner.finished_files.items():
            assert (file.bytes, file.sha256) == (len(files[name]), hashlib.sha256(files[name]).hexdigest())
        left = {path.name for path in Path(folder).iterdir()}
        assert left == {mark[1:] for mark in files}, "only whole pictures leave files"
    return json.loads(kept), files, [one.error for one in scanner.files if one.error]


def escaped(text: str, style: str) -> str:
    match style:
        case "plain":
            return text
        case "slashes":
            return text.replace("/", "\\/")
        case "unicode":
            return text.replace("+", "\\u002b").replace("/", "\\u002F").replace("=", "\\u003d")
        case "lines":
            return "\\r\\n".join(text[at : at + 76] for at in range(0, len(text), 76))
        case _:
            return "".join(f"\\u{ord(mark):04x}" for mark in text)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """An OpenAI answer as servers write it, with all that JSON allows around the images."""
    space = st.sampled_from(["", " ", "\n", " \t\r\n "])
    items = []
    for _ in range(draw(st.integers(0, 3))):
        data = PNG + draw(st.binary(min_size=8, max_size=100))
        prefix = draw(st.sampled_from(["", "data:image/png;base64,", "data:image/webp;charset=x;base64,"]))
        text = prefix + base64.b64encode(data).decode()
        text = escaped(text, draw(st.sampled_from(["plain", "slashes", "unicode", "lines", "all"])))
        pair = f'{draw(space)}"b64_json"{draw(space)}:{draw(space)}"{text}"{draw(space)}'
        beside = json.dumps(
            draw(st.text(max_size=20)) + draw(st.sampled_from(["", '"b64_json":"AAAA"', "b64_json", "\\"]))
        )
        items.append("{" + pair + f',"revised_prompt":{beside}' + "}")
        items += draw(st.sampled_from([[], ['{"b64_json":null}'], ['{"format":"b64_json"}'], ['{"b64_json" : 3}']]))
    rest = draw(
        st.sampled_from(
            ['"response_format":"b64_json"', '"usage":{"input_tokens":3}', '"b64_json":null', '"x\\"b64_json":"AAAA"']
        )
    )
    whole = "{" + rest + ',"data":[' + ",".join(items) + "]}"
    return whole.encode()


def wanted(whole: bytes) -> tuple[Any, list[bytes]]:
    decoded = json.loads(whole)
    texts = [item["b64_json"] for item in decoded["data"] if isinstance(item.get("b64_json"), str)]
    files = [base64.b64decode(re.sub(r"^data:[^,]*,|[\r\n]", "", text), validate=True) for text in texts]
    number = 0
    for item in decoded["data"]:
        if isinstance(item.get("b64_json"), str):
            item["b64_json"] = f"@{number}"
            number += 1
    return decoded, files


@settings(max_examples=100, deadline=None)
@given(answers(), st.lists(st.integers(0, 10_000), max_size=40))
def test_any_chunking_gives_the_files_that_a_whole_parse_gives(whole: bytes, places: list[int]) -> None:
    rest, files = wanted(whole)
    for pieces in (cut(whole, places), [whole[at : at + 1] for at in range(len(whole))]):
        found, got, faults = scan(pieces)
        assert found == rest
        assert [got[f"@{number}"] for number in range(len(files))] == files
        assert faults == []


_FRAGMENTS = st.sampled_from(
    [
        b'"b64_json"',
        b'"b64_json":"',
        b":",
        b'"',
        b"\\",
        b"\\u00",
        b"iVBORw0KGgo",
        b"AAAA",
        b"==",
        b"{",
        b"}",
        b"\n",
        b"data:image/png;base64,",
        b"\\/",
        b"\\u002f",
        b"\xff",
        b"null",
        b'"data":[',
        b"data: ",
        b"=AAA",
    ]
)


@settings(max_examples=250, deadline=None)
@given(st.lists(_FRAGMENTS | st.binary(max_size=30), max_size=60))
@example([b'{"data":[{"b64_json":"', b"\\", b'"}]}'])
@example([b'"b64_json":"iVBORw0KGgoAAAAAAAAAAAAA', b"\\x", b'"'])
def test_nonsense_is_a_bad_answer_and_nothing_else(pieces: list[bytes]) -> None:
    try:
        scan(pieces)
    except (UnreadableResponse, json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        ["data:image/png;base64,", "DATA:;Base64,", "data:a/b;charset=x;base64,", "data:image\\/png;base64,"]
    ),
    st.binary(min_size=8, max_size=60),
    st.sampled_from(["plain", "slashes", "unicode", "lines"]),
    st.lists(st.integers(0, 400), max_size=20),
)
def test_a_data_url_is_an_image_under_any_key(prefix: str, data: bytes, style: str, places: list[int]) -> None:
    url = prefix + escaped(base64.b64encode(PNG + data).decode(), style)
    note = json.dumps('say "data:image/png;base64,AAAA" or data:image/png;base64,AAAA')
    body = f'{{"output":["{url}", "data:", "data:text/plain,x"],"url":"{url}","note":{note},"data":{{}}}}'.encode()
    for pieces in (cut(body, places), [body[at : at + 1] for at in range(len(body))]):
        found, files, faults = scan(pieces)
        assert found == {
            "output": ["@0", "data:", "data:text/plain,x"],
            "url": "@1",
            "note": json.loads(note),
            "data": {},
        }
        assert files == {"@0": PNG + data, "@1": PNG + data}
        assert faults == []


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([*IMAGE_TEXTS]),
    st.binary(min_size=8, max_size=60),
    st.booleans(),
    st.lists(st.integers(0, 400), max_size=20),
)
def test_an_image_is_read_in_every_form_of_text(form: str, data: bytes, has_key: bool, places: list[int]) -> None:
    body = json.dumps({"b64_json" if has_key else "url": IMAGE_TEXTS[form](PNG + data), "usage": 1}).encode()
    for pieces in (cut(body, places), [body[at : at + 1] for at in range(len(body))]):
        found, files, faults = scan(pieces)
        assert (list(found.values()), files, faults) == (["@0", 1], {"@0": PNG + data}, [])


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="AB+/=-_ \n", max_size=24))
@example("AA==AAAA")
@example("AAA=AAAA")
@example("AAA=")
def test_base64_is_as_strict_in_pieces_as_in_one(tail: str) -> None:
    text = base64.b64encode(PNG + bytes(16)).decode() + tail
    body = json.dumps({"data": [{"b64_json": text}]}).encode()
    try:
        clean = text.replace("\n", "").replace(" ", "").replace("-", "+").replace("_", "/")
        assert re.fullmatch(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}={0,2}|[A-Za-z0-9+/]{3}=?)?", clean)
        expected: dict[str, bytes] = {"@0": base64.b64decode(clean + "=" * (-len(clean) % 4), validate=True)}
    except AssertionError:
        expected = {}
    for size in (1, 3, 7, 1000):
        _, files, _ = scan(body[at : at + size] for at in range(0, len(body), size))
        assert files == expected


@pytest.mark.parametrize("spelling", ["for URLs", "no padding", "lines", "white space around it"])
@pytest.mark.parametrize("extra", [b"", b"\xff\xfe", b"\xff\xfe\xfb"])
def test_base64_may_be_spelled_in_other_ways(spelling: str, extra: bytes) -> None:
    image = encoded_image("PNG") + b"\xff\xfb\xef" * 9 + extra
    text = base64.b64encode(image).decode()
    spelled = {
        "for URLs": base64.urlsafe_b64encode(image).decode(),
        "no padding": text.rstrip("="),
        "lines": "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
        "white space around it": f" \t{text}\n ",
    }[spelling]
    body = json.dumps({"data": [{"b64_json": spelled}]}).encode()
    for size in (1, 7, len(body)):
        _, files, faults = scan(body[at : at + size] for at in range(0, len(body), size))
        assert (files, faults) == ({"@0": image}, [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no image by its first bytes"),
        ("AAAA", "no image by its first bytes"),
        ("https://example.com/a.png", "not base64"),
        ("data:image/png,AAAA%", "not base64"),
        ("data:image/png,AAAA%41AAA%00AAAAAAA", "no image by its first bytes"),
        ("iVBORw0KGgo!", "not base64"),
        ("data:" + "x" * 1000, "not base64"),
        (base64.b64encode(b"<html>" * 20).decode(), "no image by its first bytes"),
        (base64.b64encode(PNG + bytes(19)).decode() + "A", "not base64"),
        (base64.b64encode(PNG + bytes(20)).decode() + "=", "not base64"),
        ('AA"A', "not base64"),
        ("AAAA\\", "not base64"),
        ('AA\\"\\\\"A', "not base64"),
    ],
)
def test_one_broken_image_does_not_cost_the_other(text: str, fault: str) -> None:
    good = base64.b64encode(encoded_image("PNG")).decode()
    body = json.dumps({"data": [{"b64_json": text}, {"b64_json": good}]}).encode()
    for size in (1, 2, 7, len(body)):
        found, files, faults = scan(body[at : at + size] for at in range(0, len(body), size))
        assert faults == [fault]
        assert files == {"@1": encoded_image("PNG")}
        assert found["data"][1] == {"b64_json": "@1"}


def test_an_answer_that_ends_within_an_image_is_bad() -> None:
    with pytest.raises(json.JSONDecodeError):
        scan([b'{"data":[{"b64_json":"' + base64.b64encode(encoded_image("PNG"))])


def test_images_beyond_the_wanted_ones_are_passed_over() -> None:
    good = base64.b64encode(encoded_image("PNG")).decode()
    body = json.dumps({"data": [{"b64_json": good}] * 3}).encode()
    _, files, faults = scan([body], most=2)
    assert list(files) == ["@0", "@1"]
    assert faults == ["more images than asked for"]


def test_images_without_end_are_bad() -> None:
    with pytest.raises(UnreadableResponse, match="more than 100 images"):
        scan([b'{"b64_json":""}' * 101])


def test_an_envelope_above_its_cap_is_bad() -> None:
    with pytest.raises(UnreadableResponse, match="beside the images"):
        scan([b'{"note":"'] + [b"x" * 65536] * (MAX_ENVELOPE_BYTES // 65536 + 1))


def test_an_image_above_its_cap_is_dropped_and_the_whole_answer_has_a_cap_too(tmp_path: Path) -> None:
    piece = base64.b64encode(bytes(48 * 1024))
    written = []
    scanner = JsonImageScanner(lambda number: tmp_path / str(number), 1)

    def feed_without_end() -> None:
        scanner.feed(b'{"data":[{"b64_json":"' + base64.b64encode(PNG + bytes(16)))
        for _ in range(MAX_BASE64_BYTES // len(piece) + 10):
            scanner.feed(piece)
            written.append(scanner.files[0].bytes_written)

    with pytest.raises(UnreadableResponse, match="larger than its images may be"):
        feed_without_end()
    scanner.close()
    assert max(written) <= MAX_IMAGE_BYTES
    assert scanner.files[0].error == "too large"
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_no_answer_of_the_other_side(tmp_path: Path) -> None:
    scanner = JsonImageScanner(lambda _: Path("/dev/full"), 1)
    with pytest.raises(OSError, match="No space left"):
        scanner.feed(b'{"data":[{"b64_json":"' + base64.b64encode(PNG + bytes(100)))
    scanner.close()


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 80))
def test_the_kept_rest_is_what_stands_beside_the_images(start: int) -> None:
    usage = {"input_tokens": 3, "output_tokens": 4}
    body = msgspec.json.encode(
        {"data": [{"b64_json": base64.b64encode(encoded_image("PNG")).decode()}], "usage": usage}
    )
    found, _, _ = scan([body[:start], body[start:]])
    assert found == {"data": [{"b64_json": "@0"}], "usage": usage}


def test_an_image_of_the_whole_size_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap is inclusive; shown on a small one, because the real one is 36 MiB."""
    monkeypatch.setattr(base64_file, "MAX_IMAGE_BYTES", 300)
    for extra, count in ((0, 1), (1, 0)):
        text = base64.b64encode(PNG + bytes(292 + extra)).decode()
        _, files, _ = scan([json.dumps({"data": [{"b64_json": text}]}).encode()])
        assert len(files) == count
