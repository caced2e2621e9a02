"""Section 8, C12, C17 and C18: the files API as a customer sees it."""

from __future__ import annotations

import concurrent.futures
import json
import re
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagegate.settings import SettingsError, load_settings
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response, send_raw
from tests.support.gateway import Gateway
from tests.support.image_files import IMAGE_BY_MEDIA_TYPE, PNG, b64, image_bytes, large_png
from tests.support.image_texts import IMAGE_TEXTS
from tests.support.program import wait_until

BASE = "/api/v1/files"
BASE64, STREAM, URL = f"{BASE}/upload/base64", f"{BASE}/upload/stream", f"{BASE}/upload/url"
FIELDS = [
    "file_id",
    "file_name",
    "original_name",
    "file_size",
    "mime_type",
    "upload_path",
    "file_url",
    "download_url",
    "upload_time",
    "expires_at",
]
LIMIT = 200_000


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    env = {"IMAGEGATE_MAX_UPLOAD_BYTES": str(LIMIT), "IMAGEGATE_BODY_TIMEOUT_S": "1", "IMAGEGATE_KEY_CACHE_S": "0"}
    with Gateway(tmp_path_factory.mktemp("files"), env=env) as served:
        yield served
        served.check()


@pytest.fixture(scope="module")
def stranger(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.new_key("stranger")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _room(client: httpx.Client) -> None:
    """A long module stays below the quota."""
    page = data_of(client.get(f"{BASE}/list?pageSize=100"))
    for file in page["files"] if page["total"] > 60 else []:
        data_of(client.delete(f"{BASE}/{file['file_id']}"))


def data_of(response: httpx.Response) -> Any:
    answer = parse_response(response)
    assert list(answer) == ["success", "code", "msg", "data"]
    assert (answer["success"], answer["code"]) == (True, 200)
    assert answer["msg"]
    return answer["data"]


def refused(response: httpx.Response, status: int, code: int) -> str:
    answer = parse_response(response, status)
    assert list(answer) == ["success", "code", "msg", "request_id"]
    assert (answer["success"], answer["code"]) == (False, code)
    assert answer["request_id"] == response.headers["x-request-id"]
    msg: str = answer["msg"]
    assert msg.strip()
    return msg


def keep(client: httpx.Client, data: bytes = PNG, **fields: Any) -> dict[str, Any]:
    kept: dict[str, Any] = data_of(client.post(BASE64, json={"base64_data": b64(data), **fields}))
    return kept


def form(client: httpx.Client, data: bytes = PNG, name: str = "fox.png", **fields: Any) -> httpx.Response:
    return client.post(STREAM, files={"file": (name, data, "text/html")}, data=fields)


def raw(client: httpx.Client, body: bytes | str) -> httpx.Response:
    return client.post(BASE64, content=body, headers={"content-type": "application/json"})


# What an upload answers


def test_s8_envelope_of_an_upload(client: httpx.Client, gateway: Gateway) -> None:
    before = time.time()
    response = client.post(BASE64, json={"base64_data": b64(PNG), "file_name": "ref.png"})
    file = data_of(response)
    assert parse_response(response)["msg"] == "File uploaded successfully"
    assert list(file) == FIELDS
    assert (file["file_name"], file["original_name"], file["file_size"]) == ("ref.png", "ref.png", len(PNG))
    assert (file["mime_type"], file["upload_path"]) == ("image/png", "images")
    assert re.fullmatch(r"file_[0-9a-f]{24,}", file["file_id"])
    assert re.fullmatch(re.escape(gateway.url) + r"/files/uploads/[0-9a-f]{24,}/ref\.png", file["file_url"])
    assert file["download_url"] == f"{gateway.url}{BASE}/download/{file['file_id']}"
    for stamp in (file["upload_time"], file["expires_at"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", stamp)
    begun, ends = datetime.fromisoformat(file["upload_time"]), datetime.fromisoformat(file["expires_at"])
    assert ends - begun == timedelta(hours=72)
    assert abs(begun.timestamp() - before) < 5


@pytest.mark.parametrize("kind", IMAGE_BY_MEDIA_TYPE)
def test_s8_types_are_judged_by_the_bytes(client: httpx.Client, kind: str) -> None:
    data, ending = IMAGE_BY_MEDIA_TYPE[kind]
    for file in (keep(client, data, file_name="a.html"), data_of(form(client, data, "b.exe"))):
        assert file["mime_type"] == kind
        assert file["file_name"].endswith(f".{ending}")
        opened = httpx.get(file["file_url"], timeout=60)
        assert opened.content == data
        assert opened.headers["content-type"] == kind


@pytest.mark.parametrize(("field", "form"), [("base64", "base64"), *(("base64_data", form) for form in IMAGE_TEXTS)])
def test_c17_base64_in_both_spellings_bare_and_as_data_url(client: httpx.Client, field: str, form: str) -> None:
    file = data_of(client.post(BASE64, json={field: IMAGE_TEXTS[form](PNG)}))
    assert httpx.get(file["file_url"], timeout=60).content == PNG


@pytest.mark.parametrize(("path", "name"), [("upload_path", "file_name"), ("uploadPath", "fileName")])
def test_c17_both_spellings_of_path_and_name(client: httpx.Client, gateway: Gateway, path: str, name: str) -> None:
    fields: dict[str, Any] = {path: "my/refs", name: f"{path}.png"}
    source = keep(client)["file_url"]
    for file in (
        keep(client, **fields),
        data_of(form(client, PNG, "other.png", **fields)),
        data_of(client.post(URL, json={"file_url": source, **fields})),
    ):
        assert (file["upload_path"], file["file_name"], file["original_name"]) == (
            "my/refs",
            f"{path}.png",
            f"{path}.png",
        )


def test_c17_list_at_both_paths_in_both_spellings(client: httpx.Client) -> None:
    for number in range(3):
        keep(client, PNG + bytes([number]))
    pages = [
        data_of(client.get(f"{BASE}{address}"))
        for address in ("/list?page=1&pageSize=2", "?page=1&page_size=2", "/list?page_size=2", "/?pageSize=2")
    ]
    assert all(page == pages[0] for page in pages)
    assert list(pages[0]) == ["total", "page", "page_size", "files"]
    assert (pages[0]["page"], pages[0]["page_size"], len(pages[0]["files"])) == (1, 2, 2)
    assert list(pages[0]["files"][0]) == FIELDS
    whole = data_of(client.get(f"{BASE}/list?pageSize=100"))
    assert len(whole["files"]) == whole["total"] == pages[0]["total"]
    times = [file["upload_time"] for file in whole["files"]]
    assert times == sorted(times, reverse=True)
    assert data_of(client.get(BASE))["page_size"] == 20
    for wrong in ("pageSize=0", "page_size=101", "page=0", "page=x"):
        refused(client.get(f"{BASE}/list?{wrong}"), 400, 400)


def test_c17_delete_answers_json_and_the_file_is_gone(client: httpx.Client, gateway: Gateway) -> None:
    file = keep(client)
    used = data_of(client.get(f"{BASE}/quota"))["used_files"]
    deleted = client.delete(f"{BASE}/{file['file_id']}")
    assert data_of(deleted) == {"file_id": file["file_id"]}
    assert data_of(client.get(f"{BASE}/quota"))["used_files"] == used - 1
    parse_error(httpx.get(file["file_url"], timeout=60), 404, "not_found")
    refused(httpx.get(file["download_url"], timeout=60), 404, 404)
    refused(client.delete(f"{BASE}/{file['file_id']}"), 404, 404)
    listed = data_of(client.get(f"{BASE}/list?pageSize=100"))["files"]
    assert file["file_id"] not in {one["file_id"] for one in listed}
    assert gateway.check()["broken"] == []


def test_s8_list_counts_pages_from_1_newest_first(stranger: httpx.Client) -> None:
    newest = [keep(stranger, PNG + bytes([number]))["file_id"] for number in range(3)][::-1]
    pages = [data_of(stranger.get(f"{BASE}/list?page={page}&pageSize=2")) for page in (1, 2)]
    assert [file["file_id"] for page in pages for file in page["files"]][:3] == newest
    assert [(page["page"], page["page_size"]) for page in pages] == [(1, 2), (2, 2)]
    assert pages[0]["total"] == pages[1]["total"] >= 3


def test_s8_delete_answers_200_with_the_envelope(client: httpx.Client) -> None:
    deleted = client.delete(f"{BASE}/{keep(client)['file_id']}")
    assert deleted.status_code == 200
    data_of(deleted)


def test_s8_removed_files_are_404_replaced_or_deleted(client: httpx.Client) -> None:
    deleted, replaced = keep(client), keep(client, file_name="twice.png")
    data_of(client.delete(f"{BASE}/{deleted['file_id']}"))
    keep(client, file_name="twice.png")
    for file in (deleted, replaced):
        parse_error(httpx.get(file["file_url"], timeout=60), 404, "not_found")
        refused(httpx.get(file["download_url"], timeout=60), 404, 404)


def test_s8_gif_is_stored_and_no_reference(client: httpx.Client) -> None:
    file = keep(client, IMAGE_BY_MEDIA_TYPE["image/gif"][0])
    assert file["mime_type"] == "image/gif"
    parse_error(_with(client, file["file_url"]), 400, "invalid_request", "image_urls[0]")


def test_s8_quota_counts_what_is_kept(stranger: httpx.Client) -> None:
    keep(stranger)
    quota = data_of(stranger.get(f"{BASE}/quota"))
    assert list(quota) == ["user_group", "max_files", "used_files", "remain_files"]
    assert (quota["user_group"], quota["max_files"]) == ("default", 100)
    assert quota["used_files"] + quota["remain_files"] == 100


# Serving


def test_s8_served_without_a_key_as_attachments(client: httpx.Client) -> None:
    file = keep(client, file_name="a.png")
    for address in (file["file_url"], file["download_url"]):
        got, head = httpx.get(address, timeout=60), httpx.head(address, timeout=60)
        assert got.status_code == head.status_code == 200
        assert got.content == PNG
        assert head.content == b""
        for name, value in {
            "content-type": "image/png",
            "content-length": str(len(PNG)),
            "content-disposition": 'attachment; filename="a.png"',
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
            "accept-ranges": "bytes",
        }.items():
            assert got.headers[name] == head.headers[name] == value, name
        assert "set-cookie" not in got.headers


def test_s8_served_in_ranges_like_results(client: httpx.Client) -> None:
    url = keep(client)["file_url"]
    for asked, part in (("bytes=0-9", PNG[:10]), ("bytes=10-", PNG[10:]), ("bytes=-7", PNG[-7:])):
        got = httpx.get(url, headers={"Range": asked}, timeout=60)
        assert (got.status_code, got.content) == (206, part)
    assert (
        httpx.get(url, headers={"Range": "bytes=0-3"}, timeout=60).headers["content-range"] == f"bytes 0-3/{len(PNG)}"
    )
    assert httpx.get(url, headers={"Range": "bytes=999999-"}, timeout=60).status_code == 416


def test_s8_random_addresses_are_good_only_whole(client: httpx.Client, gateway: Gateway) -> None:
    file = keep(client, file_name="a.png")
    secret = file["file_url"].split("/")[-2]
    for wrong in (f"{secret}/b.png", f"{'0' * 32}/a.png", f"{secret[:-1]}/a.png", "%00/a.png"):
        parse_error(httpx.get(f"{gateway.url}/files/uploads/{wrong}", timeout=60), 404, "not_found")
    for wrong in ("file_" + "0" * 32, "x", "%00"):
        refused(httpx.get(f"{gateway.url}{BASE}/download/{wrong}", timeout=60), 404, 404)


def test_s8_life_has_an_end_and_then_410(tmp_path: Path) -> None:
    """The life is a setting; 0 hours end at once, and the sweep takes the bytes."""
    with Gateway(tmp_path, env={"IMAGEGATE_UPLOAD_HOURS": "0", "IMAGEGATE_SWEEP_S": "0.5"}) as served:
        with served.client() as client:
            file = keep(client, file_name="a.png")
            assert parse_error(httpx.get(file["file_url"], timeout=60), 410, "result_expired")
            refused(httpx.get(file["download_url"], timeout=60), 410, 410)
            assert data_of(client.get(f"{BASE}/list"))["total"] == 0
            assert data_of(client.get(f"{BASE}/quota"))["used_files"] == 0
            refused(client.delete(f"{BASE}/{file['file_id']}"), 404, 404)
            parse_error(
                client.post(CREATE, json={**SMALL_IMAGE, "image_urls": [file["file_url"]]}),
                400,
                "invalid_request",
                "image_urls[0]",
            )
            _until_empty(tmp_path / "blobs" / "t")
            assert httpx.get(file["file_url"], timeout=60).status_code == 410
        served.check()


def _until_empty(folder: Path) -> None:
    give_up = time.monotonic() + 30
    while [path for path in folder.rglob("*") if path.is_file()]:
        assert time.monotonic() < give_up
        time.sleep(0.1)


# Names and replacing


def test_s8_replace_by_the_same_path_and_given_name(client: httpx.Client, stranger: httpx.Client) -> None:
    mine: dict[str, Any] = {"upload_path": "p", "file_name": "same.png"}
    other, elsewhere = keep(stranger, **mine), keep(client, upload_path="q", file_name="same.png")
    unnamed = data_of(form(client, PNG, "same.png", upload_path="p"))
    old = keep(client, **mine)
    used = data_of(client.get(f"{BASE}/quota"))["used_files"]
    new = keep(client, image_bytes("JPEG"), uploadPath="/p/", fileName="same.png")
    assert data_of(client.get(f"{BASE}/quota"))["used_files"] == used
    assert new["file_id"] != old["file_id"]
    assert httpx.get(old["file_url"], timeout=60).status_code == 404
    for file in (new, other, elsewhere, unnamed):
        assert httpx.get(file["file_url"], timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/passwd", "passwd.png"),
        ("..", "image.png"),
        ("/", "image.png"),
        ("..\\..\\boot.ini", "boot.png"),
        ("a b\"c';d.png", "a_b_c_d.png"),
        ("图片.png", "image.png"),
        (".htaccess", "htaccess.png"),
        ("x" * 255, "x" * 80 + ".png"),
        ("a%2f..%2fb.PNG", "a_2f.._2fb.png"),
        ("evil.png.html", "evil.png.png"),
    ],
)
def test_s8_safe_name_is_all_that_is_left(client: httpx.Client, gateway: Gateway, given: str, safe: str) -> None:
    before = sorted(path.parent for path in gateway.data.parent.rglob("passwd*"))
    for file in (keep(client, file_name=given, upload_path="../../etc//./x"), data_of(form(client, file_name=given))):
        assert (file["file_name"], file["original_name"]) == (safe, given)
        assert httpx.get(file["file_url"], timeout=60).content == PNG
    assert keep(client, upload_path="../../etc//./x\\y")["upload_path"] == "etc/x/y"
    assert sorted(path.parent for path in gateway.data.parent.rglob("passwd*")) == before
    assert data_of(form(client, PNG, given if "%" not in given else "a.png"))["file_name"].endswith(".png")


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "x" * 256])
def test_s8_safe_name_impossible_ones_are_refused(client: httpx.Client, name: str) -> None:
    for field in ("file_name", "uploadPath"):
        refused(client.post(BASE64, json={"base64_data": b64(PNG), field: name}), 400, 400)
        refused(form(client, PNG, "a.png", **{field: name}), 400, 400)
    refused(raw(client, f'{{"base64":"{b64(PNG)}","file_name":"\\ud800"}}'), 400, 400)


# Bad input


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "AAAAA",
        "AAAA=",
        "=AAA",
        "AA==AAAA",
        "AAA*",
        "AAAA\\u0000",
        "AA\\\\/A",
        "dataX",
        "data:",
        "data:image/png,AAAA%",
        "data:image/png;base64",
        "data:" + "x" * 2000,
        "AA\\",
        "é",
        "AAA.",
        "AAA\\u005cu002b",
        "AAA\\u0022",
        "AAA\\b",
        "AAA\\u20ac",
        "AAA\\ud83d",
        "AAA\\u00e9",
        "AAA\\u00zz",
        "AAA\\x",
    ],
)
def test_s8_400_for_bad_base64(client: httpx.Client, text: str) -> None:
    refused(raw(client, '{"base64_data":"' + text + '"}'), 400, 400)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        '{"base64":1}',
        '{"base64":null}',
        "{}",
        '{"base64":{"a":"b"}}',
        '["base64","AAAA"]',
        '{"base64" "AAAA"}',
        '{"base64":"%s"',
        '{"base64":"%s"}x',
        '{"base64":"%s",}',
        '{"base64":"%s","base64_data":"%s"}',
        '{"base64":"%s","base64":"%s"}',
        '{"base64":"%s","file_name":1}',
        "[" * 5000,
        '{"a":' * 5000,
        '{"x":"' + "y" * 70_000 + '","base64":"%s"}',
        '{"base64":"%s","x":\xff}',
    ],
)
def test_s8_400_for_what_is_not_the_json_we_need(client: httpx.Client, body: str) -> None:
    refused(raw(client, body.replace("%s", b64(PNG)).encode("latin-1")), 400, 400)


def test_s8_base64_in_json_of_every_dress(client: httpx.Client) -> None:
    text = b64(PNG)
    pretty = json.dumps({"extra": {"base64": "no", "deep": ["}", '\\"', {"base64_data": 1}]}, "base64": text}, indent=2)
    slashed = '{{"base64":"data:image\\/png;base64,{}"}}'.format(text.replace("/", "\\/"))
    coded = '{{"base\\u00364":"{}"}}'.format(text.replace("+", "\\u002b").replace("/", "\\u002F"))
    broken = json.dumps({"base64": None, "base64_data": "\r\n".join(text[n : n + 76] for n in range(0, len(text), 76))})
    for body in (pretty, slashed, coded, broken):
        assert httpx.get(data_of(raw(client, body))["file_url"], timeout=60).content == PNG
        # in pieces of every size, each boundary falls everywhere once
        for size in (1, 7):
            cut = (body[n : n + size].encode() for n in range(0, len(body), size))
            response = client.post(BASE64, content=cut, headers={"content-type": "application/json"})
            assert httpx.get(data_of(response)["file_url"], timeout=60).content == PNG


def test_s8_base64_escapes_cost_next_to_nothing(client: httpx.Client) -> None:
    """Writers of JSON escape `/` or `+`, and break lines. 200 kB of nothing else are read at once, not in seconds."""
    for escape, count in (("\\/", LIMIT // 2), ("\\u002B", LIMIT // 6), ("\\r\\n", LIMIT // 4)):
        rest = "/" * (-count % 4)
        body = '{"base64":"' + b64(PNG[:18]) + escape * count + rest + '"}'
        file = data_of(raw(client, body))
        assert httpx.get(file["file_url"], timeout=60).content.startswith(PNG[:18])


def test_s8_40002_for_other_types(client: httpx.Client) -> None:
    for data in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7 " * 9, b"RIFF\0\0\0\0WAVEfmt data", b"GIF"):
        refused(client.post(BASE64, json={"base64": b64(data)}), 400, 40002)
        refused(form(client, data, "a.png"), 400, 40002)


def test_s8_40001_for_what_is_too_large_announced_or_not(client: httpx.Client) -> None:
    """At the limit it passes, one byte above it does not, whether or not a Content-Length was sent."""
    assert keep(client, large_png(LIMIT))["file_size"] == LIMIT
    assert data_of(form(client, large_png(LIMIT)))["file_size"] == LIMIT
    for extra in (1, 5_000, LIMIT * 10):
        data = large_png(LIMIT + extra)
        body = json.dumps({"base64": b64(data)}).encode()
        refused(raw(client, body), 400, 40001)
        refused(form(client, data), 400, 40001)
        pieces = (body[n : n + 65_536] for n in range(0, len(body), 65_536))
        chunked = client.post(BASE64, content=pieces, headers={"content-type": "application/json"})
        refused(chunked, 400, 40001)
        request = client.build_request("POST", STREAM, files={"file": ("a.png", data)})
        whole = request.read()
        chunked = client.post(
            STREAM,
            content=(whole[n : n + 65_536] for n in range(0, len(whole), 65_536)),
            headers={"content-type": request.headers["content-type"]},
        )
        refused(chunked, 400, 40001)


def test_s8_one_file_in_a_form(client: httpx.Client) -> None:
    refused(client.post(STREAM, files=[("file", ("a.png", PNG)), ("file", ("b.png", PNG))]), 400, 400)
    refused(client.post(STREAM, files={"picture": ("a.png", PNG)}), 400, 400)
    refused(client.post(STREAM, files={"file": ("a.png", b"")}), 400, 400)
    assert data_of(client.post(STREAM, files=[("other", ("a.txt", b"x")), ("file", ("b.png", PNG))]))


def test_req_5_limits_of_a_form(client: httpx.Client) -> None:
    good: dict[str, Any] = {"file": ("a.png", PNG)}
    assert data_of(client.post(STREAM, files=good, data={f"f{n}": "x" for n in range(31)}))
    refused(client.post(STREAM, files=good, data={f"f{n}": "x" for n in range(32)}), 400, 400)
    assert data_of(client.post(STREAM, files=good, data={"x": "y" * 65_536}))
    refused(client.post(STREAM, files=good, data={"x": "y" * 65_537}), 400, 400)
    for header in (b"X-A: " + b"y" * 8_200, b"\r\n".join(b"X-%d: " % n + b"y" * 1_500 for n in range(6)), b"nonsense"):
        body = b'--b\r\nContent-Disposition: form-data; name="file"\r\n' + header + b"\r\n\r\n" + PNG + b"\r\n--b--\r\n"
        refused(_form_of(client, body), 400, 400)


@pytest.mark.parametrize("body", [b"", b"x", b"--b", b"--b--\r\n", b"--b\r\n\r\nx\r\n--b--", b"--c\r\n\r\nx\r\n--c--"])
def test_s8_stream_of_a_broken_form_is_400(client: httpx.Client, body: bytes) -> None:
    refused(_form_of(client, body), 400, 400)


def test_s8_stream_that_breaks_off_is_400(client: httpx.Client) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + PNG
    refused(_form_of(client, body), 400, 400)
    assert data_of(_form_of(client, body + b"\r\n--b--"))


def _form_of(client: httpx.Client, body: bytes, kind: str = "multipart/form-data; boundary=b") -> httpx.Response:
    return client.post(STREAM, content=body, headers={"content-type": kind})


def test_s8_stream_and_the_others_refuse_other_bodies_with_415(client: httpx.Client) -> None:
    refused(_form_of(client, b"{}", "application/json"), 415, 415)
    refused(_form_of(client, b"x", "multipart/form-data"), 400, 400)
    for address in (BASE64, URL):
        refused(client.post(address, content=b"x", headers={"content-type": "text/plain"}), 415, 415)
    compressed = {"content-encoding": "gzip", "content-type": "application/json"}
    refused(client.post(BASE64, content=b"x", headers=compressed), 415, 415)


def test_s8_400_for_a_slow_body(client: httpx.Client, gateway: Gateway) -> None:
    head = (
        f"POST {BASE64} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {gateway.key}\r\nConnection: close\r\n"
        'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"base64":"iVBO'
    )
    answer = send_raw(gateway.url, head.encode(), timeout=5).decode()
    assert answer.startswith("HTTP/1.1 400")
    assert '"code":400' in answer
    assert not list((gateway.data / "incoming").glob("upload-*"))


def test_nothing_is_left_of_an_upload_that_was_refused(client: httpx.Client, gateway: Gateway) -> None:
    blobs = {path for path in (gateway.data / "blobs" / "t").rglob("*") if path.is_file()}
    used = data_of(client.get(f"{BASE}/quota"))["used_files"]
    refused(form(client, b"not a picture at all"), 400, 40002)
    refused(form(client, large_png(LIMIT + 1)), 400, 40001)
    refused(raw(client, f'{{"base64":"{b64(PNG)}"'), 400, 400)
    assert {path for path in (gateway.data / "blobs" / "t").rglob("*") if path.is_file()} == blobs
    assert data_of(client.get(f"{BASE}/quota"))["used_files"] == used
    assert not list((gateway.data / "incoming").glob("upload-*"))


def test_kill_9_in_the_middle_of_an_upload_leaves_nothing(tmp_path: Path) -> None:
    with Gateway(tmp_path) as served:
        head = (
            f"POST {BASE64} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {served.key}\r\n"
            'Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"base64":"'
        )
        with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as wire:
            wire.sendall(head.encode() + b64(large_png(600_000)).encode())
            give_up = time.monotonic() + 30
            while not list((tmp_path / "incoming").glob("upload-*")):
                assert time.monotonic() < give_up
                time.sleep(0.01)
            served.kill()
        served.start()
        assert not list((tmp_path / "incoming").glob("*"))
        with served.client() as client:
            assert data_of(client.get(f"{BASE}/quota"))["used_files"] == 0
        served.run("check", "--deep")


# Who may


def test_s8_401_and_403_in_the_envelope(client: httpx.Client, gateway: Gateway) -> None:
    with gateway.client("imk_live_nobody") as nobody:
        for answer in (nobody.get(f"{BASE}/list"), nobody.post(BASE64, json={}), nobody.delete(f"{BASE}/x")):
            refused(answer, 401, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
    reader = gateway.new_key("reader", "1", "--scope", "tasks:read")
    with gateway.client(reader) as limited:
        for answer in (
            limited.get(f"{BASE}/list"),
            limited.get(f"{BASE}/quota"),
            limited.get(BASE),
            limited.delete(f"{BASE}/x"),
            limited.post(BASE64, json={"base64": b64(PNG)}),
            form(limited),
            limited.post(URL, json={"file_url": "x"}),
        ):
            refused(answer, 403, 403)
    refused(client.get(f"{BASE}/list?api_key=x"), 400, 400)
    refused(client.get(f"{BASE}/list", headers={"host": "elsewhere.example"}), 400, 400)


def test_s8_429_in_the_envelope(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_FAILED_LOGINS_PER_MINUTE": "0"}) as served:
        answer = httpx.get(f"{served.url}{BASE}/list", timeout=60)
        refused(answer, 429, 429)
        assert re.fullmatch("[1-9][0-9]*", answer.headers["retry-after"])


def test_s8_50001_without_space(tmp_path: Path) -> None:
    env = {"IMAGEGATE_MIN_FREE_BYTES": str(2**60), "IMAGEGATE_MIN_FREE_PERCENT": "100"}
    with Gateway(tmp_path, env=env) as served, served.client() as client:
        for answer in (client.post(BASE64, json={"base64": b64(PNG)}), form(client)):
            refused(answer, 500, 50001)


def test_s8_size_limit_is_at_most_100_mb() -> None:
    for size, fits in ((100 * 2**20, True), (100 * 2**20 + 1, False), (0, False)):
        env = {"IMAGEGATE_MAX_UPLOAD_BYTES": str(size)}
        if fits:
            assert load_settings(env=env).limits.max_upload_bytes == size
        else:
            with pytest.raises(SettingsError, match="IMAGEGATE_MAX_UPLOAD_BYTES is "):
                load_settings(env=env)


def test_s8_404_and_405_keep_the_envelope(client: httpx.Client) -> None:
    refused(client.get(f"{BASE}/upload/nothing/here"), 404, 404)
    refused(client.put(f"{BASE}/list"), 405, 405)
    parse_error(client.get("/api/v1/filesystem"), 404, "not_found")


def test_c12_a_foreign_file_is_as_unknown_as_none(client: httpx.Client, stranger: httpx.Client) -> None:
    file = keep(client)
    foreign, unknown = stranger.delete(f"{BASE}/{file['file_id']}"), stranger.delete(f"{BASE}/file_{'0' * 32}")
    assert refused(foreign, 404, 404) == refused(unknown, 404, 404)
    listed = data_of(stranger.get(f"{BASE}/list?pageSize=100"))["files"]
    assert file["file_id"] not in {one["file_id"] for one in listed}
    own = parse_error(_with(stranger, file["file_url"]), 400, "invalid_request", "image_urls[0]")
    none = file["file_url"].replace(file["file_url"].split("/")[-2], "0" * 32)
    other = parse_error(_with(stranger, none), 400, "invalid_request", "image_urls[0]")
    assert {**own, "request_id": ""} == {**other, "request_id": ""}
    refused(stranger.post(URL, json={"file_url": file["file_url"]}), 400, 40004)
    assert httpx.get(file["file_url"], timeout=60).status_code == 200


def test_s8_40003_holds_the_quota_under_32_uploads_at_once(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_FILES_PER_ACCOUNT": "10"}) as served:
        with served.client() as client:
            named = keep(client, file_name="named.png")

            def one(number: int) -> int:
                with served.client() as racer:
                    answer = racer.post(BASE64, json={"base64": b64(PNG + bytes([number]))})
                    if answer.status_code != 200:
                        refused(answer, 400, 40003)
                    return answer.status_code

            with concurrent.futures.ThreadPoolExecutor(32) as racers:
                statuses = list(racers.map(one, range(32)))
            assert statuses.count(200) == 9
            quota = data_of(client.get(f"{BASE}/quota"))
            assert (quota["max_files"], quota["used_files"], quota["remain_files"]) == (10, 10, 0)
            again = {"base64": b64(PNG), "file_name": "named.png"}
            refused(client.post(BASE64, json=again), 400, 40003)  # its name would come with the body
            data_of(client.delete(f"{BASE}/{named['file_id']}"))
            replaced = keep(client, file_name="named.png")
            data_of(client.delete(f"{BASE}/{replaced['file_id']}"))
            keep(client)
            refused(client.post(BASE64, json={"base64": b64(PNG)}), 400, 40003)
        served.check()
        assert served.run("check", "--deep", "--json").returncode == 0
        assert len([path for path in (tmp_path / "blobs" / "t").rglob("*") if path.is_file()]) == 10


def test_s8_40003_a_full_account_is_refused_before_its_body_is_read(tmp_path: Path) -> None:
    """Also one whose last places are taken by uploads that have not ended."""
    with Gateway(tmp_path, env={"IMAGEGATE_FILES_PER_ACCOUNT": "2"}) as served, served.client() as client:
        multipart = "multipart/form-data; boundary=x"
        head = (
            f"POST {STREAM} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.key}\r\n"
            f"Content-Type: {multipart}\r\nContent-Length: 40000000\r\n\r\n"
        )
        kept = keep(client)
        with _open_socket(served) as unfinished:
            unfinished.sendall(head.encode())
            wait_until(lambda: len(list((tmp_path / "incoming").glob("upload-*"))) == 1)
            for path, kind in ((BASE64, "application/json"), (STREAM, multipart)):
                with _open_socket(served) as full:
                    full.sendall(head.replace(STREAM, path).replace(multipart, kind).encode())
                    # The head and the body of an answer may come in two parts.
                    assert b'"code":40003' in full.recv(65536) + full.recv(65536), "an answer before any of the body"
            refused(client.post(URL, json={"file_url": "https://images.example/a.png"}), 400, 40003)
            assert len(list((tmp_path / "incoming").glob("upload-*"))) == 1
        wait_until(lambda: client.post(BASE64, json={"base64": b64(PNG)}).status_code == 200)
        data_of(client.delete(f"{BASE}/{kept['file_id']}"))
        keep(client)


def _open_socket(served: Gateway) -> socket.socket:
    host, _, port = served.url.rpartition("//")[2].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


# By URL


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1/a.png", 40004),
        ("http://localhost/a.png", 40004),
        ("http://169.254.169.254/x", 40004),
        ("https://nowhere.invalid/a.png", 40004),
        ("ftp://example.com/a.png", 400),
        ("x", 400),
        ("", 400),
        ("http://a:b@example.com/", 400),
        ("https://example.com/" + "x" * 9000, 400),
        ("file:///etc/passwd", 400),
        ("http://[::1/", 400),
    ],
)
def test_s8_40004_for_every_reason_of_the_network(client: httpx.Client, url: str, code: int) -> None:
    msg = refused(client.post(URL, json={"file_url": url}), 400, code)
    if code == 40004:
        assert msg == "The file could not be fetched from its URL"


def test_s8_url_copies_what_stands_there(client: httpx.Client) -> None:
    """A link of this origin is read from storage; any other goes through the guard."""
    source = keep(client, image_bytes("JPEG"))
    copy = data_of(client.post(URL, json={"file_url": source["file_url"], "fileName": "copy.png"}))
    assert (copy["mime_type"], copy["file_name"]) == ("image/jpeg", "copy.jpg")
    assert copy["file_id"] != source["file_id"]
    assert httpx.get(copy["file_url"], timeout=60).content == httpx.get(source["file_url"], timeout=60).content


def test_s8_url_bodies(client: httpx.Client) -> None:
    for body in ({}, {"file_url": None}, {"file_url": 1}):
        refused(client.post(URL, json=body), 400, 400)
    refused(client.post(URL, json={"file_url": "https://example.com/", "x": "y" * 2**20}), 413, 413)


# As a reference


def _with(client: httpx.Client, *urls: str, **more: Any) -> httpx.Response:
    return client.post(CREATE, json={**SMALL_IMAGE, "image_urls": list(urls), **more}, headers=WAIT)


def test_c18_an_upload_is_a_reference_on_loopback(client: httpx.Client) -> None:
    first, second = keep(client), keep(client, image_bytes("JPEG", (32, 32)))
    task = parse_response(_with(client, first["file_url"], second["download_url"]))
    assert task["status"] == "completed"
    masked = parse_response(
        _with(client, first["file_url"], mask_url=keep(client, image_bytes(mode="RGBA"))["file_url"])
    )
    assert masked["status"] == "completed"


def test_c18_what_was_pinned_survives_deletion_and_replacement(gateway: Gateway, client: httpx.Client) -> None:
    file = keep(client, file_name="pinned.png")
    bodies = {**SMALL_IMAGE, "image_urls": [file["file_url"]]}
    tasks = [parse_response(client.post(CREATE, json={**bodies, "prompt": f"pin {n}"})) for n in range(8)]
    keep(client, image_bytes("JPEG"), file_name="pinned.png")
    for task in tasks:
        assert parse_response(client.get(f"/v1/tasks/{task['id']}?wait=60"))["status"] == "completed"
    parse_error(_with(client, file["file_url"]), 400, "invalid_request", "image_urls[0]")


def test_s2_1_own_links_are_read_from_storage_and_pinned(client: httpx.Client) -> None:
    """Of uploads and of results; the guard would let nobody reach this address over the network."""
    upload = keep(client)
    result = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))["results"][0]
    task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "image_urls": [result, upload["file_url"]]}))
    data_of(client.delete(f"{BASE}/{upload['file_id']}"))
    assert parse_response(client.get(f"/v1/tasks/{task['id']}?wait=60"))["status"] == "completed"
    for dead in (upload["file_url"], result.replace("/0.png", "/1.png"), result[:-1]):
        parse_error(_with(client, dead), 400, "invalid_request", "image_urls[0]")


def test_s2_1_mask_url_is_a_png_with_alpha_as_large_as_the_first_reference(client: httpx.Client) -> None:
    first, mask = keep(client, image_bytes("JPEG"))["file_url"], keep(client, image_bytes(mode="RGBA"))["file_url"]
    assert parse_response(_with(client, first, mask_url=mask))["status"] == "completed"
    for kind in ("JPEG", "WEBP"):
        wrong = parse_response(_with(client, first, mask_url=keep(client, image_bytes(kind))["file_url"]))
        assert (wrong["error"]["code"], wrong["error"]["param"]) == ("image_processing_error", "mask_url")


def test_s10_2_image_dimension_mismatch_of_mask_and_first_reference(client: httpx.Client) -> None:
    first, mask = keep(client)["file_url"], keep(client, image_bytes(size=(32, 32), mode="RGBA"))["file_url"]
    task = parse_response(_with(client, first, mask_url=mask))
    assert (task["status"], task["error"]["code"]) == ("failed", "image_dimension_mismatch")
    assert task["billing"]["charge_status"] == "released"


def test_s10_2_image_processing_error_of_what_cannot_be_fetched(client: httpx.Client) -> None:
    task = parse_response(_with(client, "https://nowhere.invalid/a.png"))
    assert (task["status"], task["error"]["code"]) == ("failed", "image_processing_error")
    assert (task["error"]["reason"], task["usage"]["credits_used"]) == ("reference_unreachable", 0)


def test_c18_dead_links_of_this_origin_are_400(client: httpx.Client, gateway: Gateway) -> None:
    file = keep(client)
    data_of(client.delete(f"{BASE}/{file['file_id']}"))
    nothing = (f"/files/uploads/{'0' * 32}/a.png", "/files/uploads/x", "/v1/tasks", "/", "/files/results/t/0.png")
    for url in (file["file_url"], file["download_url"], *(gateway.url + path for path in nothing)):
        parse_error(_with(client, url), 400, "invalid_request", "image_urls[0]")


def test_img_5_a_gif_or_a_broken_upload_is_no_reference(client: httpx.Client) -> None:
    for data, reason in ((IMAGE_BY_MEDIA_TYPE["image/gif"][0], "unsupported_image_type"), (PNG[:-20], "truncated")):
        error = parse_error(_with(client, keep(client, data)["file_url"]), 400, "invalid_request", "image_urls[0]")
        assert error["reason"] == reason
