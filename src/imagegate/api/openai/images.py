"""POST /openai/v1/images/generations and …/edits: one request, one answer, on top of the same task as everywhere."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Response
from litestar.params import HeaderParameter

from imagegate.api.body import ApiRequest
from imagegate.api.client_connection import Caller
from imagegate.api.openai import waiting
from imagegate.api.openai.answers import Base64Answer, image_head, links_body, open_results
from imagegate.api.openai.edit_body import EditParameters, read_edit_body
from imagegate.api.openai.failures import failure_response, rename_inputs
from imagegate.api.openai.parameters import Parameters, Wanted, check
from imagegate.api.openapi.operation import post
from imagegate.api.params import IDEMPOTENCY_KEY, IdempotencyKey
from imagegate.api.problems import OPENAI_PATH, to_problem
from imagegate.api.responses import find_owned_task, replayed_headers
from imagegate.api_docs.schema import doc
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import InvalidRequest, ServiceUnavailable
from imagegate.domain.money import format_credits
from imagegate.domain.tasks import Task
from imagegate.flows.execution.inputs import ReceivedFile
from imagegate.flows.files import receive_inputs
from imagegate.flows.openai_models import find_openai_model
from imagegate.flows.quote import DEFAULT_MODEL, Quote, quote_model
from imagegate.flows.submit import idempotency_use, submit_quote
from imagegate.flows.views.task import task_view
from imagegate.flows.wait import wait_until_terminal
from imagegate.runtime import Runtime
from imagegate.store.attempts import may_be_bought

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
    task, headers = await exchange.submit(wanted, idempotency_key, {})
    return await exchange.respond(wanted, task, headers)


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
        task, headers = await exchange.submit(wanted, idempotency_key, body.received)
    return await exchange.respond(wanted, task, headers)


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

    def ensure_open(self) -> None:
        """ServiceUnavailable while the gateway is about to end: the next one takes the repeat."""
        if self._runtime.wake_ups.draining:
            raise ServiceUnavailable(headers=_AGAIN)

    async def submit(
        self, wanted: Wanted, idempotency_key: str | None, received: Mapping[str, ReceivedFile]
    ) -> tuple[Task, dict[str, str]]:
        """The task, and headers of its answer. A Problem means that nothing was created."""
        runtime, now = self._runtime, self._runtime.clock()
        try:
            quote = self._quote(wanted, now)
            mode = f"{self._endpoint} async={self._at_once}"
            use = idempotency_use(runtime, self._endpoint, idempotency_key, wanted.fingerprint(quote.order, mode))
            task, replayed = await submit_quote(runtime, quote, self._key, now, use, received)
        except InvalidRequest as problem:
            problem.message, problem.param = rename_inputs(problem.message), rename_inputs(problem.param or "") or None
            raise
        return task, replayed_headers(replayed)

    def _quote(self, wanted: Wanted, now: int) -> Quote:
        request = wanted.request
        model, alias = find_openai_model(self._runtime, self._key, request.model or DEFAULT_MODEL)
        return quote_model(self._runtime, request, model, alias, now, wanted.partials)

    async def respond(self, wanted: Wanted, task: Task, headers: dict[str, str]) -> Response[Any]:
        headers |= {
            "X-Task-Id": task.id,
            "X-Model": task.order.row,
            "X-Credits-Reserved": format_credits(task.hold, self._runtime.credits_per_usd),
        }
        if self._at_once:
            return Response(task_view(self._runtime, task), headers={**headers, "Preference-Applied": "respond-async"})
        try:
            response = await self._answer_ended(wanted, await self._wait(task))
        except Exception as error:
            # An error that names a task says that there is one.
            problem = to_problem(error)
            problem.headers = {**headers, **problem.headers}
            raise problem from error
        response.headers.update(headers)
        return response

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

    async def _answer_ended(self, wanted: Wanted, task: Task) -> Response[Any]:
        runtime = self._runtime
        if task.error is not None:
            bought = await runtime.db.read(may_be_bought, task.account_id, task.id)
            return failure_response(task, self._request_id, may_be_bought=bought)
        head = image_head(task, wanted.effective_identifier)
        if wanted.as_url:
            return Response(links_body(runtime, task, head), media_type="application/json")
        return Base64Answer(head, await open_results(runtime, task), {})
