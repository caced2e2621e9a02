"""POST /openai/v1/images/generations and …/edits: one request, one answer, on top of the same task as everywhere."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Response
from litestar.params import HeaderParameter

from imagegate.api.body import ApiRequest
from imagegate.api.client_connection import Caller
from imagegate.api.openai import waiting
from imagegate.api.openai.answers import Base64Answer, image_head, links_body, open_results
from imagegate.api.openai.delivery import Delivery, TrackedAnswer
from imagegate.api.openai.edit_body import EditParameters, read_edit_body
from imagegate.api.openai.failures import failure_response, rename_inputs
from imagegate.api.openai.parameters import Parameters, Wanted, check
from imagegate.api.openai.streaming import ImageStream, StreamedAnswer
from imagegate.api.openapi.operation import post
from imagegate.api.params import IDEMPOTENCY_KEY, IdempotencyKey
from imagegate.api.problems import OPENAI_PATH, to_problem
from imagegate.api.responses import find_owned_task, replayed_headers
from imagegate.api_docs.schema import doc
from imagegate.concurrency import LiveAnswer
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import InvalidRequest, ServiceUnavailable
from imagegate.domain.money import format_credits
from imagegate.domain.tasks import Task
from imagegate.flows.execution.inputs import ReceivedFile
from imagegate.flows.files import receive_inputs
from imagegate.flows.openai_models import find_openai_model
from imagegate.flows.quote import DEFAULT_MODEL, Quote, quote_model
from imagegate.flows.submit import Submission, answers_kept_us, idempotency_use, submit_quote
from imagegate.flows.views.task import task_view
from imagegate.flows.wait import wait_until_terminal
from imagegate.logging import log
from imagegate.partial_images import PartialImageStream
from imagegate.runtime import Runtime
from imagegate.store.answers import OwedAnswer, may_be_bought

GENERATIONS, EDITS = f"{OPENAI_PATH}/images/generations", f"{OPENAI_PATH}/images/edits"
_AGAIN = {"Retry-After": "1", "x-should-retry": "true"}

ReplayKey = Annotated[IdempotencyKey | None, IDEMPOTENCY_KEY, doc("As in the native API; the replay waits for the end")]
Prefer = Annotated[str, HeaderParameter(name="Prefer"), doc("respond-async: answer with the task at once")]


@post(GENERATIONS, summary="Make images", tag="openai", scope=Scope.images_write)
async def generate_images(
    data: Parameters,
    request: ApiRequest,
    runtime: Runtime,
    key: ApiKey,
    caller: Caller,
    idempotency_key: ReplayKey = None,
    prefer: Prefer = "",
) -> Response[Any]:
    exchange = Exchange(request, runtime, key, caller, f"POST {GENERATIONS}", prefer)
    exchange.ensure_open()
    wanted = check(data, [], None)
    await exchange.submit(wanted, idempotency_key, {})
    return await exchange.respond(wanted)


@post(EDITS, summary="Edit images", tag="openai", scope=Scope.images_write, streamed_type=EditParameters)
async def edit_images(
    request: ApiRequest,
    runtime: Runtime,
    key: ApiKey,
    caller: Caller,
    idempotency_key: ReplayKey = None,
    prefer: Prefer = "",
) -> Response[Any]:
    exchange = Exchange(request, runtime, key, caller, f"POST {EDITS}", prefer)
    exchange.ensure_open()
    async with receive_inputs(runtime, key.account_id) as open_file:
        body = await read_edit_body(request, runtime, open_file)
        wanted = check(body.parameters, body.image_urls, body.mask_url)
        await exchange.submit(wanted, idempotency_key, body.received)
    return await exchange.respond(wanted)


class Exchange:
    """One request of this surface and its answer."""

    def __init__(
        self, request: ApiRequest, runtime: Runtime, key: ApiKey, caller: Caller, endpoint: str, prefer: str
    ) -> None:
        self._ends = asyncio.get_running_loop().time() + waiting.answer_limit_s(request.scope["state"]["headers"])
        self._request_id: str = request.scope["state"]["request_id"]
        self._runtime, self._key, self._caller = runtime, key, caller
        self._endpoint = endpoint
        self._at_once = waiting.wants_task_at_once(prefer)
        self._retry_count = waiting.retry_count(request.scope["state"]["headers"])
        self._task: Task
        self._headers: dict[str, str]
        self._delivery: Delivery | None = None
        self._partials: PartialImageStream | None = None

    def ensure_open(self) -> None:
        """ServiceUnavailable while the gateway is about to end: the next one takes the repeat."""
        if self._runtime.wake_ups.draining:
            raise ServiceUnavailable(headers=_AGAIN)

    async def submit(self, wanted: Wanted, idempotency_key: str | None, received: Mapping[str, ReceivedFile]) -> None:
        """A task of its own, or the one that it joins. A Problem means that nothing was created."""
        runtime, key, now = self._runtime, self._key, self._runtime.clock()
        live = LiveAnswer(runtime.live_answers)
        try:
            quote = self._quote(wanted, now)
            fingerprint = wanted.fingerprint(quote.order, f"{self._endpoint} async={self._at_once}")
            use = idempotency_use(runtime, self._endpoint, idempotency_key, fingerprint)
            owed = self._owed_answer(fingerprint, live) if idempotency_key is None else None
            submitted = await submit_quote(runtime, quote, key, now, use, received=received, owed=owed)
        except BaseException as error:
            live.end()
            if isinstance(error, InvalidRequest):
                error.message, error.param = rename_inputs(error.message), rename_inputs(error.param or "") or None
            raise
        if submitted.how in (Submission.joined, Submission.failed_before):
            log(
                "request_repeated",
                task=submitted.task.id,
                key=key.id,
                retry_count=self._retry_count,
                failed=submitted.how is Submission.failed_before,
            )
        if submitted.how is Submission.failed_before or owed is None:
            live.end()
        else:
            self._delivery = Delivery(runtime, live, submitted.task)
        self._task = submitted.task
        if wanted.stream:  # before anything else runs: the first unfinished image must not be missed
            self._partials = runtime.partial_images.watch(submitted.task.id)
        self._headers = replayed_headers(submitted.how is Submission.replayed) | {
            "X-Task-Id": submitted.task.id,
            "X-Model": submitted.task.order.row,
            "X-Credits-Reserved": format_credits(submitted.task.hold, runtime.credits_per_usd),
        }

    def _owed_answer(self, fingerprint: str, live: LiveAnswer) -> OwedAnswer:
        runtime = self._runtime
        return OwedAnswer(
            key_id=self._key.id,
            fingerprint=fingerprint,
            retry_count=self._retry_count,
            owner=runtime.boot_id,
            shared=runtime.db.engine.shared,
            keep_us=answers_kept_us(runtime),
            live=live,
        )

    def _quote(self, wanted: Wanted, now: int) -> Quote:
        request = wanted.request
        model, alias = find_openai_model(self._runtime, self._key, request.model or DEFAULT_MODEL)
        return quote_model(self._runtime, request, model, alias, now, wanted.partials)

    async def respond(self, wanted: Wanted) -> Response[Any]:
        """The answer of what was submitted."""
        try:
            response = await self._make_response(wanted)
        except BaseException as error:
            if self._partials is not None:
                self._partials.close()
            if self._delivery is not None:
                self._delivery.lose()
            if not isinstance(error, Exception):
                raise
            # An error that names a task says that there is one.
            problem = to_problem(error, self._request_id)
            problem.headers = {**self._headers, **problem.headers}
            raise problem from error
        response.headers.update(self._headers)
        if isinstance(response, StreamedAnswer):
            return response
        if self._partials is not None:
            self._partials.close()
        return response if self._delivery is None else TrackedAnswer(response, self._delivery)

    async def _make_response(self, wanted: Wanted) -> Response[Any]:
        runtime = self._runtime
        if self._at_once:
            view = msgspec.json.encode(task_view(runtime, self._task))
            return Response(view, headers={"Preference-Applied": "respond-async"}, media_type="application/json")
        if wanted.stream and self._task.error is None:
            return StreamedAnswer(self._stream(wanted), {})
        task = await self._wait(self._task)
        if task.error is not None:
            bought = await runtime.db.read(may_be_bought, task.account_id, task.id)
            if bought and self._delivery is not None:
                self._delivery.lose()  # so that it is found again, and nothing bought, for a while
                self._delivery = None
            return failure_response(task, self._request_id, may_be_bought=bought)
        head = image_head(task, wanted.effective_identifier)
        if wanted.as_url:
            return Response(links_body(runtime, task, head), media_type="application/json")
        return Base64Answer(head, await open_results(runtime, task), {})

    def _stream(self, wanted: Wanted) -> ImageStream:
        assert self._partials is not None
        return ImageStream(
            self._runtime,
            self._task,
            self._partials,
            self._delivery,
            kind="image_edit" if EDITS in self._endpoint else "image_generation",
            safety_identifier=wanted.effective_identifier,
            request_id=self._request_id,
        )

    async def _wait(self, task: Task) -> Task:
        """The task when it has ended. ServiceUnavailable where that is not in time: it goes on."""
        if task.terminal:
            return task
        load = functools.partial(find_owned_task, self._runtime, task.account_id, task.id)
        with self._caller:
            left_s = max(0.0, self._ends - asyncio.get_running_loop().time())
            task = await wait_until_terminal(self._runtime, task.id, load, left_s)
        if not task.terminal:
            raise ServiceUnavailable(
                "The images are still being made: repeat the request to get them", reason="unfinished", headers=_AGAIN
            )
        return task
