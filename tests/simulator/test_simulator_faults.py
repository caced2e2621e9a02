"""Every fault, provoked once over a bare socket: it looks as its line says, and is billed or not as it says."""

from __future__ import annotations

import base64
import io
import json
import socket
import time
from typing import Any

import pytest
from PIL import Image

from imagegate.simulator.faults import FAULTS
from tests.simulator.raw_server import GENERATIONS, exchange, generate, request_body, request_bytes
from tests.support.simulator import Simulator

PRICE = 196 * 30_000
ERRORS: dict[str, tuple[int, str | None]] = {
    "401": (401, "invalid_api_key"),
    "402": (402, "insufficient_funds"),
    "403-blocked": (403, "Forbidden"),
    "403-unverified": (403, "organization_not_verified"),
    "404-model": (404, "model_not_found"),
    "413": (413, "request_too_large"),
    "429": (429, "rate_limit_exceeded"),
    "429-spent": (429, "insufficient_quota"),
    "400-unpaid": (400, "billing_hard_limit_reached"),
    "400-parameter": (400, "unknown_parameter"),
    "500-json": (500, None),
    "503-json": (503, "server_overloaded"),
    "moderation-refusal": (400, "moderation_blocked"),
    "azure-content-filter": (400, "content_policy_violation"),
}
PAGE_STATUSES = {"504": 504, "5xx-html": 502, "html-200": 200}
USAGE_FAULTS = ("usage-missing", "usage-zero", "usage-negative", "usage-huge", "usage-cached")
OTHER_FAULTS = (
    "refuse",
    "reset-before-body",
    "redirect-307",
    "error-in-200",
    "string-error",
    "detail-error",
    "reset-after-send",
    "black-hole",
    "slow-headers",
    "drip",
    "truncated",
    "empty-data",
    "huge-body",
    "stream-error",
    "wrong-pixels",
    "wrong-format",
    "bad-base64",
    "fewer-images",
    "url-result",
)
JOB_FAULTS = ("task-fails", "task-lost", "poll-503", "result-404")  # test_simulator_jobs.py


def test_every_fault_is_tested() -> None:
    assert {*ERRORS, *PAGE_STATUSES, *USAGE_FAULTS, *OTHER_FAULTS, *JOB_FAULTS} == set(FAULTS)


def open_image(item: dict[str, str]) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(item["b64_json"], validate=True)))
    image.load()
    return image


def purchases(simulator: Simulator) -> tuple[int, int]:
    simulator.ended_calls(1)
    return simulator.total["images"], simulator.total["nanos"]


@pytest.mark.parametrize("fault", ERRORS)
def test_errors_carry_their_code_and_bill_nothing(simulator: Simulator, fault: str) -> None:
    status, code = ERRORS[fault]
    simulator.script(fault)
    seen = generate(simulator, "x")
    assert (seen.status, seen.json["error"]["code"]) == (status, code)
    assert purchases(simulator) == (0, 0)
    assert generate(simulator, "x").status == 200


def test_a_throttle_says_when_to_come_back(simulator: Simulator) -> None:
    assert "retry-after: 7" in generate(simulator, "[[fault:429:7]]").head.lower()


def test_foreign_errors_have_no_frame_of_ours(simulator: Simulator) -> None:
    simulator.script("error-in-200:402", "string-error", "detail-error")
    inside, string, detail = (generate(simulator, "x") for _ in range(3))
    assert (inside.status, inside.json["error"]["code"]) == (200, 402)
    assert (string.status, string.json) == (400, {"error": "prompt required"})
    assert (detail.status, list(detail.json)) == (422, ["detail"])
    assert purchases(simulator) == (0, 0)


def test_a_redirect_leads_to_a_place_that_would_bill(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:redirect-307]]")
    assert seen.status == 307
    (location,) = (line for line in seen.head.splitlines() if line.startswith("Location:"))
    assert purchases(simulator) == (0, 0)
    there = location.partition(" ")[2]
    assert exchange(simulator, request_bytes(there, request_body("[[fault:redirect-307]]"))).status == 200
    assert purchases(simulator)[0] == 1


@pytest.mark.parametrize("fault", PAGE_STATUSES)
def test_pages_of_intermediaries_come_after_the_purchase(simulator: Simulator, fault: str) -> None:
    simulator.script(fault)
    seen = generate(simulator, "x")
    assert seen.status == PAGE_STATUSES[fault]
    assert "text/html" in seen.head
    assert seen.body.startswith(b"<html>")
    assert purchases(simulator)[0] == 1


def test_reset_before_the_body_is_read_bills_nothing(simulator: Simulator) -> None:
    simulator.script("reset-before-body")
    body = request_body("x" * 30_000)
    whole = request_bytes(GENERATIONS, body)
    seen = exchange(simulator, whole[: len(whole) - len(body)])
    assert (seen.ending, seen.data) == ("reset", b"")
    (call,) = simulator.ended_calls(1)
    assert (call["body"], call["answered"], call["billed_images"]) == ("none", "reset", 0)


def test_reset_after_the_request_is_billed(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:reset-after-send]]")
    assert (seen.ending, seen.data) == ("reset", b"")
    assert purchases(simulator) == (1, PRICE + (6 + 26 // 3) * 5_000)
    (call,) = simulator.calls()
    assert (call["body"], call["answered"], call["faults"]) == ("complete", "reset", {"reset-after-send": ""})


def test_a_refused_connection_is_one_that_nobody_takes(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:refuse:1.5]]")
    assert seen.ending == "reset"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", simulator.port), timeout=5)
    give_up = time.monotonic() + 30
    while True:
        try:
            assert generate(simulator, "x").status == 200
            break
        except ConnectionRefusedError:
            assert time.monotonic() < give_up
            time.sleep(0.05)
    assert purchases(simulator)[0] == 1


def test_the_control_can_refuse_for_a_while_too(simulator: Simulator) -> None:
    simulator.control("POST", "/control/refuse?seconds=0.5")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", simulator.port), timeout=5)
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        try:
            assert generate(simulator, "x").status == 200
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("it never came back")


def test_a_black_hole_takes_everything_and_answers_nothing(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:black-hole]]", patience_s=1.0)
    assert (seen.ending, seen.data) == ("open", b"")
    (call,) = simulator.ended_calls(1)
    assert (call["answered"], call["billed_images"]) == ("gone", 1)


def test_slow_headers_arrive_in_the_time_that_was_asked_for(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:slow-headers:1.5]]")
    assert seen.duration_s > 1.4
    assert seen.length == len(seen.body)
    assert open_image(seen.json["data"][0]).size == (1024, 1024)


def test_slow_headers_are_not_whole_before_that(simulator: Simulator) -> None:
    data = request_bytes(GENERATIONS, request_body("[[fault:slow-headers:30]]"))
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=10) as peer:
        peer.sendall(data)
        assert peer.recv(1) == b"H"
        peer.setblocking(False)
        time.sleep(0.3)
        assert b"\r\n\r\n" not in peer.recv(1 << 16)
    assert purchases(simulator)[0] == 1


def test_a_drip_comes_at_its_rate(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:drip:20kB]] [[size:256x256]]")
    assert seen.duration_s > seen.length / 20_000 * 0.8
    assert open_image(seen.json["data"][0]).size == (256, 256)


def test_a_truncated_body_is_half_of_what_the_head_promised(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:truncated]]")
    assert (seen.status, seen.ending) == (200, "closed")
    assert len(seen.body) == seen.length // 2
    assert purchases(simulator)[0] == 1
    (call,) = simulator.calls()
    assert (call["answered"], call["status"]) == ("cut", 200)


def test_a_truncated_stream_has_partials_and_no_end(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:truncated]]", stream=True, partial_images=2)
    assert seen.body.count(b"event: image_generation.partial_image") == 2
    assert not seen.body.endswith(b"0\r\n\r\n")
    assert b'"usage"' not in seen.body
    assert purchases(simulator) == (1, PRICE + (6 + 19 // 3) * 5_000 + 200 * 30_000)


def test_a_stream_can_end_with_an_error(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:stream-error]]", stream=True)
    assert b"event: error\ndata: " in seen.body
    assert b"completed" not in seen.body


def test_images_differ_from_what_was_asked(simulator: Simulator) -> None:
    simulator.script("wrong-pixels", "wrong-format", "fewer-images", "wrong-pixels+wrong-format+usage-missing")
    pixels, file_format, fewer, all_of_it = (generate(simulator, "x", n=3).json for _ in range(4))
    assert [open_image(item).size for item in pixels["data"]] == [(512, 512)] * 3
    assert pixels["size"] == "512x512"
    assert open_image(file_format["data"][0]).format == "JPEG"
    assert (len(fewer["data"]), fewer["usage"]["output_tokens"]) == (2, 2 * 196)
    assert (open_image(all_of_it["data"][0]).format, "usage" in all_of_it) == ("JPEG", False)
    assert [call["billed_images"] for call in simulator.calls()] == [3, 3, 2, 3]


def test_empty_data_still_counts(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:empty-data]]")
    assert (seen.json["data"], seen.json["usage"]["output_tokens"]) == ([], 196)
    assert purchases(simulator)[0] == 1


def test_bad_base64_is_bad_in_the_middle(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:bad-base64]]")
    assert len(seen.body) == seen.length
    with pytest.raises(ValueError, match="base64"):
        base64.b64decode(seen.json["data"][0]["b64_json"], validate=True)


def test_links_lead_to_the_image(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:url-result]]", n=2)
    links = [item["url"] for item in seen.json["data"]]
    for link in links:
        path = link.partition(str(simulator.port))[2] or "/" + link.split("/", 3)[3]
        got = exchange(simulator, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert Image.open(io.BytesIO(got.body)).size == (1024, 1024)
        assert len(got.body) == got.length


def test_a_huge_body_is_as_long_as_it_says(simulator: Simulator) -> None:
    seen = generate(simulator, "[[fault:huge-body:30MB]]")
    assert seen.length == len(seen.body) > 30_000_000
    assert base64.b64decode(seen.json["data"][0]["b64_json"][:16]).startswith(b"\x89PNG")


def test_a_big_image_is_exactly_that_big_and_real(simulator: Simulator) -> None:
    seen = generate(simulator, "[[bytes:8MB]]", n=2)
    for item in seen.json["data"]:
        file = base64.b64decode(item["b64_json"])
        assert 8_000_000 <= len(file) < 8_000_200
        assert Image.open(io.BytesIO(file)).size == (1024, 1024)


@pytest.mark.parametrize(("fault", "least"), [("png", 2_900_000), ("jpeg", 1_000_000), ("webp", 1_000_000)])
def test_noise_makes_files_of_all_formats_big(simulator: Simulator, fault: str, least: int) -> None:
    seen = generate(simulator, f"[[bytes:3MB]] [[format:{fault}]]")
    file = base64.b64decode(seen.json["data"][0]["b64_json"])
    assert least < len(file) < 6_000_000
    assert Image.open(io.BytesIO(file)).format == fault.upper()


@pytest.mark.parametrize("fault", USAGE_FAULTS)
def test_usage_lies_and_the_bill_does_not(simulator: Simulator, fault: str) -> None:
    simulator.script(fault)
    usage = generate(simulator, "x").json.get("usage")
    truth = {"usage-missing": None, "usage-zero": 0, "usage-negative": -196, "usage-huge": 196 * 10**9}
    assert (usage and usage["output_tokens"]) == truth.get(fault, 196)
    assert purchases(simulator) == (1, PRICE + 6 * 5_000)


CACHED: dict[int, Any] = {
    1: lambda usage: usage["input_tokens_details"]["cached_tokens_details"],
    2: lambda usage: usage["input_tokens_details"],
    3: lambda usage: usage["cached_tokens_details"],
    4: lambda usage: usage["input_tokens_details"]["cached_tokens"],
    5: lambda usage: usage["cached_tokens"],
}


@pytest.mark.parametrize("spelling", CACHED)
def test_cached_tokens_in_all_spellings(simulator: Simulator, spelling: int) -> None:
    simulator.script(f"usage-cached:{spelling}")
    found = CACHED[spelling](generate(simulator, "x").json["usage"])
    expected = {
        1: {"text_tokens": 3, "image_tokens": 0},
        2: {"text_tokens": 6, "image_tokens": 0, "cached_text_tokens": 3, "cached_image_tokens": 0},
        3: {"cached_text_tokens": 3, "cached_image_tokens": 0},
    }
    assert found == expected.get(spelling, 3)


def test_a_body_that_breaks_off_is_not_billed(simulator: Simulator) -> None:
    whole = request_bytes(GENERATIONS, request_body("x" * 20_000))
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=10) as peer:
        peer.sendall(whole[:-100])
    (call,) = simulator.ended_calls(1)
    assert (call["body"], call["answered"], call["billed_images"]) == ("partial", "gone", 0)


def test_a_form_that_is_none_is_a_bad_request(simulator: Simulator) -> None:
    for body in (b"", b"--x\r\n\r\nno name\r\n--x--\r\n", b"nothing of the kind"):
        head = "POST /v1/images/edits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer any\r\nConnection: close\r\n"
        head += f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
        assert exchange(simulator, head.encode() + body).status == 400


def test_a_caller_who_leaves_has_paid_all_the_same(simulator: Simulator) -> None:
    generate(simulator, "[[latency:30]]", patience_s=0.5)
    (call,) = simulator.ended_calls(1)
    assert (call["answered"], call["billed_images"]) == ("gone", 1)


def test_prompt_words_are_no_fault_of_the_next_call(simulator: Simulator) -> None:
    assert generate(simulator, "[[refuse]]").status == 400
    seen = generate(simulator, "[[latency:0.5]] [[size:512x512]] [[format:webp]]")
    assert seen.duration_s >= 0.5
    image = open_image(seen.json["data"][0])
    assert (image.size, image.format) == ((512, 512), "WEBP")
    assert open_image(generate(simulator, "x").json["data"][0]).size == (1024, 1024)


def test_calls_tell_what_a_gateway_sent(simulator: Simulator) -> None:
    headers = ("X-Client-Request-Id: att_1", "Idempotency-Key: att_1", "X-Imagegate-Hop: 1")
    exchange(simulator, request_bytes(GENERATIONS, request_body("a fox"), "Bearer secret-key", *headers))
    (call,) = simulator.calls()
    assert call["headers"]["x-client-request-id"] == call["headers"]["idempotency-key"] == "att_1"
    assert call["headers"]["x-imagegate-hop"] == "1"
    assert (call["prompt"], call["size"], call["body"], call["status"]) == ("a fox", "1024x1024", "complete", 200)
    assert abs(call["received_at"] - time.time()) < 60
    assert "secret-key" not in json.dumps(call)
