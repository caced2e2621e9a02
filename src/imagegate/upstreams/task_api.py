"""The task API: other instances of imagegate, and gateways that speak the same API.

Where the dialect says that the other side honours it, the attempt's id is the Idempotency-Key of the create: then a
create is repeated until it is answered, and the other side makes one purchase of it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import quote

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.http.client import NoResponse
from imagegate.http.request_body import json_body
from imagegate.upstreams.base import Call, CallHooks, Outcome, RecoveryMode, Unavailable, Unknown, UpstreamDeps
from imagegate.upstreams.errors import HOP_HEADER, JOB_ERRORS, classify_error, no_response_outcome
from imagegate.upstreams.polling import (
    MAX_RETRY_DELAY_S,
    SUBMIT_TIMEOUT_S,
    JobRef,
    PollFailed,
    PollingUpstream,
    PollResult,
    RemoteJob,
    backoff_s,
    encode_ref,
    now,
    read_object,
    unexpected_status,
)
from imagegate.upstreams.request_fields import apply_dialect, format_fields, quality_field
from imagegate.upstreams.response_fields import text_field
from imagegate.upstreams.task_object import read_result

MAX_LONG_POLL_S: Final = 20
# The other side may hold a long poll a little longer than it was asked to.
_LONG_POLL_MARGIN_S: Final = 10.0
_CONFLICT_STATUS: Final = 409


class TaskRef(JobRef, frozen=True, omit_defaults=True):
    """The other side's task. Without `id`, a create with these links was about to leave.

    Saved as JSON: the names of the fields stay.
    """

    id: str = ""
    links: tuple[str, ...] = ()
    mask: str = ""


class TaskApi(PollingUpstream[TaskRef]):
    ref_type = TaskRef

    def __init__(self, config: UpstreamConfig, dialect: Dialect, deps: UpstreamDeps, api_key: str) -> None:
        super().__init__(config, dialect, deps, api_key)
        self._is_idempotent = dialect.idempotency == "header"
        if self._is_idempotent:
            self.recovery_mode = RecoveryMode.by_key
        self._api_url = self.base_url.removesuffix("/v1") + "/v1"

    async def submit(self, call: Call, hooks: CallHooks, saved: TaskRef | None, end: float) -> TaskRef | Outcome:
        """`saved`: an earlier process may have sent this very create, so its links are used again."""
        ref = saved or self._make_links(call)
        if saved is None and self._is_idempotent:
            await hooks.save_ref(encode_ref(ref))
        fields = self._fields(call, ref)
        # A copy of the create may have arrived whose response nobody read: then only what depends on the request alone
        # can prove that there is no task.
        in_doubt, sent, delay_s = saved is not None, 0, 0.0
        while True:
            outcome, is_repeatable = await self._create_once(call, fields, end)
            match outcome:
                case Unknown(detail=detail) if is_repeatable and self._is_idempotent:
                    in_doubt, delay_s = True, 0.0
                case Unavailable(detail=detail, retry_after_s=delay_s) if in_doubt:
                    pass
                case _:
                    return outcome
            sent += 1
            delay_s = max(backoff_s(self.deps.poll_schedule, sent), min(delay_s, MAX_RETRY_DELAY_S))
            if now() + delay_s >= end:
                return Unknown(f"no response to {sent} equal requests before the deadline; the last: {detail}")
            await asyncio.sleep(delay_s)

    async def _create_once(self, call: Call, fields: dict[str, Any], end: float) -> tuple[TaskRef | Outcome, bool]:
        """What one create came to, and whether the same request may be sent again to learn more."""
        timeout_s = max(min(SUBMIT_TIMEOUT_S, end - now()), 1.0)
        url, headers, body = f"{self._api_url}/images/generations", self._headers(call), json_body(fields)
        try:
            response = await self.post(call, url, body, headers, timeout_s)
        except NoResponse as error:
            return no_response_outcome(error), True
        if not 200 <= response.status < 300:
            # A conflict means that the key was used with another body: there is a task, and no way to find it.
            return classify_error(response, JOB_ERRORS, self.dialect), response.status != _CONFLICT_STATUS
        accepted = read_object(response.body)
        ref = self.read_ref(accepted) if accepted else None
        if ref is None:
            return Unknown("accepted without a readable id", True, request_id=response.request_id), True
        return ref, False

    def read_ref(self, accepted: dict[str, Any]) -> TaskRef | None:
        job_id = text_field(accepted.get("id"))
        return TaskRef(job_id) if job_id else None

    def _make_links(self, call: Call) -> TaskRef:
        link = self.deps.link
        return TaskRef(links=tuple(map(link, call.references)), mask=link(call.mask) if call.mask else "")

    def _fields(self, call: Call, ref: TaskRef) -> dict[str, Any]:
        order = call.order
        fields = {
            "model": call.model or order.model,
            "prompt": order.prompt,
            "size": order.size.requested,
            "resolution": order.size.resolution,
            "quality": quality_field(order, self.dialect),
            "n": order.n,
            "image_urls": list(ref.links) or None,
            "mask_url": ref.mask or None,
            "background": order.background,
            **format_fields(order, self.dialect),
        }
        return apply_dialect(fields, self.dialect)

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {HOP_HEADER: str(call.hop + 1), "X-Client-Request-Id": call.attempt_id}
        return {**headers, "Idempotency-Key": call.attempt_id} if self._is_idempotent else headers

    async def poll(self, job: RemoteJob[TaskRef], remaining_s: float) -> PollResult:
        """A long poll where the other side honours `wait`; where it does not, it answers at once."""
        wait_s = max(1, min(MAX_LONG_POLL_S, int(remaining_s)))
        url = f"{self._task_url(job)}?wait={wait_s}"
        response = await self.get(job, url, min(wait_s + _LONG_POLL_MARGIN_S, remaining_s))
        if not 200 <= response.status < 300:
            return unexpected_status(response)
        task = read_object(response.body)
        return read_result(task, response, job.cancelled_by_customer) if task else PollFailed("unreadable task")

    async def send_cancel(self, job: RemoteJob[TaskRef]) -> None:
        await self.cancel_at("POST", f"{self._task_url(job)}/cancel")

    def _task_url(self, job: RemoteJob[TaskRef]) -> str:
        return f"{self._api_url}/tasks/{quote(job.ref.id, safe='')}"
