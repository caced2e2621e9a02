"""Lost answers: the client asks again with the same key, and no second task comes of it."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate_client import (
    APIError,
    Client,
    ConnectionFailedError,
    ImagegateError,
    InvalidResponseError,
    RateLimitError,
    ServiceUnavailableError,
)
from imagegate_client._errors import api_error, parse_retry_after
from imagegate_client._shared import MAX_RETRY_AFTER_S, retry_delay_s
from tests.client.helpers import (
    Fate,
    answer_cut,
    answer_late,
    answer_lost,
    answers,
    breaking_client,
    passed_on,
    proxy_gives_up,
    refused,
)
from tests.support.gateway import Gateway

FATES = [refused, answer_lost, answer_late, answer_cut, proxy_gives_up, answers(500), answers(503, retry_after="0")]


def total(client: Client) -> int:
    count: int = client.request("GET", "/v1/tasks")["total"]
    return count


@pytest.mark.parametrize("fate", FATES, ids=lambda fate: fate.__name__)
def test_s15_client_retries_a_lost_answer_of_a_create_is_never_a_second_task(gateway: Gateway, fate: Fate) -> None:
    client, transport = breaking_client(gateway)
    with client:
        before = total(client)
        transport.fates, transport.seen = [fate, fate], []
        task = client.images.create("a logo", size="816x816", quality="low")
        assert [request.headers["idempotency-key"] for request in transport.seen] == [
            transport.seen[0].headers["idempotency-key"]
        ] * 3
        assert total(client) == before + 1
        assert client.tasks.wait(task.id).status == "completed"
        other = client.images.create("a logo", size="816x816", quality="low")
        assert other.id != task.id, "another call is another task"


def test_every_step_of_a_purchase_survives_a_broken_connection(gateway: Gateway) -> None:
    """Create, look, download: each request in turn is lost once."""
    for lost in range(4):
        client, transport = breaking_client(gateway, *[passed_on] * lost, answer_lost)
        with client:
            before = total(client)
            transport.fates = [*[passed_on] * lost, answer_lost]
            result = client.images.generate("a logo", size="816x816", quality="low")
            assert result.read().startswith(b"\x89PNG")
            assert total(client) == before + 1


def test_a_download_that_breaks_off_leaves_nothing_behind(gateway: Gateway, tmp_path: Path) -> None:
    client, transport = breaking_client(gateway, max_retries=1)
    with client:
        result = client.images.generate("a logo", size="816x816", quality="low")
        transport.fates = [answer_cut] * 2
        with pytest.raises(ConnectionFailedError):
            result.save(tmp_path / "logo.png")
        assert list(tmp_path.iterdir()) == []
        transport.fates = [answer_cut]
        assert result.save(tmp_path / "logo.png") == [tmp_path / "logo.png"]
        assert [file.name for file in tmp_path.iterdir()] == ["logo.png"]
        assert (tmp_path / "logo.png").read_bytes() == result.read()


def test_a_link_is_opened_without_the_key(gateway: Gateway) -> None:
    client, transport = breaking_client(gateway)
    with client:
        result = client.images.generate("a logo", size="816x816", quality="low")
        transport.seen.clear()
        result.read()
        assert [request.headers.get("authorization") for request in transport.seen] == [None]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 410, 413, 415])
def test_what_would_fail_again_is_not_tried_again(gateway: Gateway, status: int) -> None:
    client, transport = breaking_client(gateway, answers(status, "some_code"))
    with client, pytest.raises(APIError) as caught:
        client.images.create("a logo", size="816x816")
    assert (caught.value.status, caught.value.code) == (status, "some_code")
    assert len(transport.seen) == 1


@pytest.mark.parametrize(
    ("fates", "unknown"),
    [
        ([refused], False),
        ([answers(503, "service_unavailable", retry_after="0")], False),
        ([answer_lost], True),
        ([proxy_gives_up], True),
        ([answer_lost, refused], True),
        ([answer_lost, answers(429, "rate_limit_exceeded", retry_after="3600")], True),
        ([refused, answers(402, "insufficient_quota")], False),
    ],
)
def test_an_error_says_whether_the_request_may_have_been_carried_out(
    gateway: Gateway, fates: list[Fate], unknown: bool
) -> None:
    client, _ = breaking_client(gateway, *fates, max_retries=len(fates) - 1)
    with client, pytest.raises(ImagegateError) as caught:
        client.images.create("a logo", size="816x816", quality="low")
    assert caught.value.outcome_unknown == unknown


def test_retries_end(gateway: Gateway) -> None:
    client, transport = breaking_client(gateway, *[answers(503, retry_after="0")] * 9)
    with client, pytest.raises(ServiceUnavailableError):
        client.credits()
    assert len(transport.seen) == 5
    client, transport = breaking_client(gateway, *[answers(503, retry_after="0")] * 9)
    with client, pytest.raises(ServiceUnavailableError):
        client.request("GET", "/v1/credits", max_retries=0)
    assert len(transport.seen) == 1


def test_a_long_retry_after_is_told_and_not_waited_for(gateway: Gateway) -> None:
    client, transport = breaking_client(gateway, answers(429, "rate_limit_exceeded", retry_after="3600"))
    with client, pytest.raises(RateLimitError) as caught:
        client.credits()
    assert caught.value.retry_after == 3600
    assert len(transport.seen) == 1


def test_the_wait_between_tries_is_what_the_gateway_says_within_a_bound() -> None:
    def failure(retry_after: str, status: int = 429) -> APIError:
        return api_error(status, {"retry-after": retry_after}, b"")

    assert retry_delay_s(failure("7"), 0) == 7
    assert retry_delay_s(failure(str(int(MAX_RETRY_AFTER_S))), 5) == MAX_RETRY_AFTER_S
    assert retry_delay_s(failure(str(int(MAX_RETRY_AFTER_S) + 1)), 0) is None
    assert retry_delay_s(failure("7", 404), 0) is None
    delays = [retry_delay_s(failure(""), attempt) or 0 for attempt in range(8)]
    assert all(0.75 * 0.5 * 2**attempt <= delay for attempt, delay in enumerate(delays[:5]))
    assert max(delays) <= 10


DATES = st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d .{0,5}")


@given(st.text() | st.integers().map(str) | DATES)
def test_no_retry_after_upsets_the_client(text: str) -> None:
    found = parse_retry_after(text)
    assert found is None or found >= 0


def test_a_retry_after_may_be_a_date() -> None:
    assert parse_retry_after("Thu, 01 Jan 2037 00:00:00 GMT") or 0 > 1e6
    assert parse_retry_after("Thu, 01 Jan 2004 00:00:00 GMT") == 0
    assert parse_retry_after("99999999999999999999") == 999_999_999


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff", b'{"error":[]}', b'{"error":{"code":{}}}', b""])
def test_an_error_that_another_server_wrote_is_an_error_with_its_status(body: bytes) -> None:
    error = api_error(418, {}, body)
    assert (error.status, error.code) == (418, "418")


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b"{}", b"\xff"])
def test_a_response_that_no_gateway_writes_is_named_so(body: bytes) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=body))
    with (
        Client("http://gateway.test", "key", http_client=httpx2.Client(transport=transport)) as client,
        pytest.raises(InvalidResponseError),
    ):
        client.images.create("a logo")
