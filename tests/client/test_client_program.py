"""The client against the real program: each method, each kind of input, each kind of error."""

from __future__ import annotations

import datetime
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints

import httpx2
import msgspec
import pytest
from standardwebhooks import Webhook

from imagegate.api.problems import STATUS
from imagegate.api.v1.images import ImageRequest
from imagegate.flows.views.task_detail import DetailedTask
from imagegate.flows.views.task_row import TaskRow
from imagegate_client import (
    APIError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConfigurationError,
    ConflictError,
    ContentPolicyError,
    ImageOptions,
    ImageSource,
    InsufficientCreditsError,
    InvalidRequestError,
    NotFoundError,
    Task,
    TaskSummary,
    WaitTimeoutError,
    WebhookVerificationError,
)
from imagegate_client._errors import api_error
from tests.support.gateway import Gateway
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

SIZE = "816x816"


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with Client(gateway.url, gateway.key) as client:
        yield client


@pytest.fixture(scope="module")
def fox(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with Client(gateway.url, gateway.key) as client:
        (file,) = client.images.generate("a logo", size=SIZE, quality="low").save(tmp_path_factory.mktemp("fox"))
        return file


def test_the_quote_is_the_bill(client: Client) -> None:
    quote = client.images.quote("a logo", size=SIZE, quality="low")
    assert (quote.size.width, quote.affordable, quote.n) == (816, True, 1)
    assert sum(line.maximum.nanos for line in quote.lines) == quote.maximum.nanos
    task = client.images.generate("a logo", size=SIZE, quality="low").task
    assert task.usage.credits_reserved == quote.maximum.credits
    assert task.usage.credits_used == quote.expected.credits
    assert task.usage.cost is not None
    assert task.usage.cost.usd == quote.expected.usd


def test_progress_is_shown_from_the_first_state_to_the_last(client: Client) -> None:
    seen: list[Task] = []
    result = client.images.generate("a logo", size=SIZE, quality="low", on_progress=seen.append)
    assert (seen[-1].status, seen[-1].progress) == ("completed", 100)
    assert seen[-1] == result.task
    assert [task.progress for task in seen] == sorted(task.progress for task in seen)


def test_images_are_saved_where_they_are_told(client: Client, tmp_path: Path) -> None:
    result = client.images.generate("two logos", size=SIZE, quality="low", n=2, output_format="webp")
    assert result.save(tmp_path / "pair.webp") == [tmp_path / "pair-1.webp", tmp_path / "pair-2.webp"]
    assert result.save(tmp_path) == [tmp_path / f"{result.task.id}_{index}.webp" for index in range(2)]
    assert client.tasks.save(client.tasks.get(result.task.id), str(tmp_path)) == result.save(tmp_path)
    for index, file in enumerate(result.save(tmp_path)):
        assert file.read_bytes() == result.read(index)
        assert file.read_bytes()[8:12] == b"WEBP"


SOURCES: dict[str, Callable[[Client, Path], ImageSource]] = {
    "path": lambda client, fox: fox,
    "text of a path": lambda client, fox: str(fox),
    "bytes": lambda client, fox: fox.read_bytes(),
    "open file": lambda client, fox: io.BytesIO(fox.read_bytes()),
    "upload": lambda client, fox: client.files.upload(fox),
    "id of an upload": lambda client, fox: client.files.upload(fox).file_id,
    "link of an upload": lambda client, fox: client.files.upload(fox).file_url,
    "link of a result": lambda client, fox: client.tasks.get(re.sub("_0$", "", fox.stem)).results[0],
}


@pytest.mark.parametrize("kind", SOURCES)
def test_an_edit_takes_an_image_as(client: Client, fox: Path, kind: str) -> None:
    task = client.images.edit("sepia", SOURCES[kind](client, fox), size=SIZE, quality="low").task
    assert task.usage.tokens is not None
    assert task.usage.tokens.image_input == 1536


def test_what_is_given_twice_is_uploaded_once(client: Client, fox: Path) -> None:
    options = client.images.upload_sources([fox, fox, "https://example.com/a.png"], fox, size=SIZE)
    urls = options["image_urls"]
    assert urls[0] == urls[1] == options["mask_url"] != urls[2] == "https://example.com/a.png"
    assert options["size"] == SIZE


def test_s15_client_errors_come_by_their_code(client: Client, gateway: Gateway) -> None:
    with pytest.raises(InvalidRequestError) as wrong:
        client.images.generate("a logo", quality="ultra")
    assert (wrong.value.code, wrong.value.param, wrong.value.status) == ("invalid_request", "quality", 400)
    assert (wrong.value.request_id or "").startswith("req_")
    with pytest.raises(NotFoundError) as missing:
        client.tasks.get("task-unified-1-aaaaaaaa")
    assert missing.value.code == "task_not_found"
    with pytest.raises(NotFoundError):
        next(iter(client.tasks.events("task-unified-1-aaaaaaaa")))
    with pytest.raises(NotFoundError):
        client.files.get("file_" + "0" * 32)
    with pytest.raises(APIError) as envelope:
        client.files.upload(b"this is no image")
    assert envelope.value.code == "40002"
    with Client(gateway.url, "imk_live_nonsense") as stranger, pytest.raises(AuthenticationError):
        stranger.credits()
    with Client(gateway.url, gateway.new_key("poor", "0.1")) as poor, pytest.raises(InsufficientCreditsError) as broke:
        poor.images.generate("a logo", size=SIZE)
    assert float(broke.value.details["remaining_credits"]) < float(broke.value.details["estimated_credits"])


def test_every_error_of_the_gateway_has_a_class_of_its_kind() -> None:
    for problem, (status, *_) in STATUS.items():
        error = api_error(status, {}, json.dumps({"error": {"code": problem.code, "message": "x"}}).encode())
        assert type(error) is not APIError
        assert error.code == problem.code


def test_a_failed_task_is_an_error_with_its_code(tmp_path: Path) -> None:
    with (
        Simulator() as simulator,
        RoutedGateway(tmp_path / "data", upstream_config("sim", f"{simulator.url}/v1"), route_config("sim")) as gateway,
        Client(gateway.url, gateway.key) as client,
    ):
        with pytest.raises(ContentPolicyError) as refused:
            client.images.generate("a logo [[fault:moderation-refusal]]", size="1:1", quality="low")
        assert refused.value.task.usage.credits_used == 0
        task = client.images.create("a logo [[latency:3s]]", size="1:1", quality="low")
        with pytest.raises(WaitTimeoutError) as late:
            client.tasks.wait(task.id, timeout_s=0.2)
        assert late.value.task.id == task.id
        assert not late.value.task.ended
        assert client.tasks.cancel(task.id).id == task.id


def test_events_come_once_and_in_order_also_over_a_broken_connection(client: Client, gateway: Gateway) -> None:
    task = client.images.create("a logo", size=SIZE, quality="low")
    events = list(client.tasks.events(task.id))
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert events[-1].task == client.tasks.get(task.id)
    assert list(client.tasks.events(task.id, last_event_id=1)) == events[1:]
    assert list(client.tasks.events(task.id, last_event_id=len(events))) == []

    class CutOnce(httpx2.HTTPTransport):
        cut = False

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            response = super().handle_request(request)
            if self.cut or not request.url.path.endswith("/events"):
                return response
            self.cut = True
            body = response.read()
            half = body[: body.index(b"\n\nid: 2") + 12]
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=half)

    with Client(gateway.url, gateway.key, http_client=httpx2.Client(transport=CutOnce())) as broken:
        assert list(broken.tasks.events(task.id)) == events


def test_lists_go_page_by_page(client: Client) -> None:
    for _ in range(3):
        client.images.create("a logo of a particular hare", size=SIZE, quality="low")
    page = client.tasks.list(q="particular hare", limit=2)
    assert (len(page.data), page.has_more) == (2, True)
    rest = client.tasks.list(q="particular hare", limit=2, cursor=page.next_cursor or "")
    assert (len(rest.data), rest.has_more) == (1, False)
    found = [task.id for task in client.tasks.iterate(q="particular hare")]
    assert found == [task.id for task in (*page.data, *rest.data)]


def test_what_is_noted_on_a_task_finds_it_again_until_it_is_deleted(client: Client) -> None:
    task = client.images.create("a logo of a noted hare", size=SIZE, quality="low", metadata={"order": "17"})
    assert task.metadata == {"order": "17"}
    changed = client.tasks.update(task.id, metadata={"order": None, "starred": "true", "tags": "logo,hare"})
    assert changed.metadata == {"starred": "true", "tags": "logo,hare"}
    plain = client.images.create("a logo of a noted hare", size=SIZE, quality="low")
    for filters in ({"starred": True}, {"tag": "hare"}, {"metadata": ("tags", "logo,hare")}):
        assert [one.id for one in client.tasks.iterate(q="hare noted", **filters)] == [task.id]
    (unstarred,) = client.tasks.list(q="noted hare", starred=False, references=False, created_after=task.created).data
    assert (unstarred.id, unstarred.prompt, unstarred.n) == (plain.id, "a logo of a noted hare", 1)
    with pytest.raises(ConflictError):
        client.tasks.delete(client.images.create("a mountain in fog", size="2048x2048").id)
    client.tasks.wait(task.id)
    client.tasks.delete(task.id)
    with pytest.raises(NotFoundError):
        client.tasks.delete(task.id)


def test_a_task_in_detail(client: Client, fox: Path) -> None:
    task = client.tasks.get(re.sub("_0$", "", fox.stem), include=["request", "outputs", "attempts"])
    assert (task.request or {})["prompt"] == "a logo"
    assert [(one.width, one.mime_type) for one in task.result_data] == [(816, "image/png")]
    assert [one.charged for one in task.attempts] == [True]


def test_credits_are_exact(client: Client) -> None:
    balance = client.credits()
    assert balance.account.exact.remaining.nanos > 0
    assert balance.key.unlimited_credits


def test_an_endpoint_without_a_method(client: Client) -> None:
    assert client.request("GET", "/v1/models")["object"] == "list"


async def test_the_asynchronous_client_does_the_same(gateway: Gateway, fox: Path, tmp_path: Path) -> None:
    seen: list[Task] = []
    async with AsyncClient(gateway.url, gateway.key) as client:
        quote = await client.images.quote("a logo", size=SIZE, quality="low")
        result = await client.images.generate("a logo", size=SIZE, quality="low", on_progress=seen.append)
        assert result.task.usage.credits_used == quote.expected.credits
        assert (await result.save(tmp_path / "logo.png"))[0].read_bytes() == await result.read()
        edited = await client.images.edit("sepia", [fox, await client.files.upload(fox)], size=SIZE, quality="low")
        assert edited.task.usage.tokens is not None
        assert edited.task.usage.tokens.image_input == 2 * 1536
        events = [event async for event in client.tasks.events(edited.task.id)]
        assert events[-1].task == edited.task
        assert [task.id async for task in client.tasks.iterate()].index(edited.task.id) == 0
        assert (await client.credits()).account.used_credits > 0
        with pytest.raises(NotFoundError):
            await client.tasks.get("task-unified-1-aaaaaaaa")
    assert seen[-1] == result.task


def test_where_the_gateway_is_comes_from_the_environment(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IMAGEGATE_URL", "IMAGEGATE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="IMAGEGATE_URL"):
        Client()
    with pytest.raises(ConfigurationError, match="http"):
        Client("gateway.test", "key")
    monkeypatch.setenv("IMAGEGATE_URL", f"{gateway.url}/v1/")
    with pytest.raises(ConfigurationError, match="IMAGEGATE_API_KEY"):
        Client()
    monkeypatch.setenv("IMAGEGATE_API_KEY", gateway.key)
    with Client() as client:
        assert client.base_url == gateway.url
        assert client.credits().account.remaining_credits > 0


def test_the_types_know_every_field_of_the_api() -> None:
    assert set(get_type_hints(ImageOptions)) == set(ImageRequest.__struct_fields__) - {"prompt"}
    constants = {"object", "type"}
    left_out = {"billing"}  # says again what usage says, in the words of another API
    assert set(Task.__struct_fields__) == set(DetailedTask.__struct_fields__) - constants - left_out
    assert set(TaskSummary.__struct_fields__) == set(TaskRow.__struct_fields__) - constants - {"has_results"}


SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="


def signed(body: bytes, at: int, secret: str = SECRET) -> dict[str, str]:
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    signature = Webhook(secret).sign("evt_1", moment, body.decode())
    return {"Webhook-Id": "evt_1", "Webhook-Timestamp": str(at), "Webhook-Signature": signature}


def test_webhooks_are_verified(client: Client, fox: Path) -> None:
    task = client.request("GET", f"/v1/tasks/{re.sub('_0$', '', fox.stem)}")
    body, now = msgspec.json.encode(task), int(time.time())
    good = signed(body, now)
    assert client.webhooks.verify(body, good, SECRET) == client.tasks.get(task["id"])
    assert client.webhooks.verify(body.decode(), good, SECRET).id == task["id"]
    both = {**good, "Webhook-Signature": f"v1,AAAA {good['Webhook-Signature']}"}
    assert client.webhooks.verify(body, both, SECRET).id == task["id"]
    other = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZg=="
    for broken in (
        {},
        {**good, "Webhook-Id": "evt_2"},
        {**good, "Webhook-Timestamp": "soon"},
        {**good, "Webhook-Signature": ""},
        {**good, "Webhook-Signature": "v1,ä"},
        signed(body, now - 400),
        signed(body, now + 400),
        signed(body, now, other),
        signed(body + b" ", now),
    ):
        with pytest.raises(WebhookVerificationError):
            client.webhooks.verify(body, broken, SECRET)
    with pytest.raises(WebhookVerificationError):
        client.webhooks.verify(body, good, "whsec_?")
    with pytest.raises(WebhookVerificationError):
        client.webhooks.verify(b"[]", signed(b"[]", now), SECRET)
