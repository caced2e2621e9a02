"""fal's queue.

The addresses of a request are the ones that the submit answered, never built here. They get our key only where they
are fal's own or the operator's base URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from imagegate.domain.tasks import FailureKind
from imagegate.http.client import HttpResponse
from imagegate.http.request_body import FilePart, json_body
from imagegate.upstreams.base import Call, CallHooks, Outcome, Unknown
from imagegate.upstreams.error_body import CONTENT_POLICY_CODES, ErrorBody, read_error_body
from imagegate.upstreams.errors import cancelled, refused, rejected, unavailable
from imagegate.upstreams.polling import (
    JobRef,
    JobResult,
    Pending,
    PollFailed,
    PollingUpstream,
    PollResult,
    RemoteJob,
    read_object,
    unexpected_status,
)
from imagegate.upstreams.request_fields import apply_dialect, format_fields, image_urls, quality_field
from imagegate.upstreams.response_fields import image_urls_field, status_field, text_field, text_or_json, url_field

# fal reports no progress; these are what the bar shows.
_PERCENT_BY_STATUS: Final = {"in_queue": 5, "in_progress": 30}
_TEXT_TO_IMAGE_SUFFIX: Final = "/text-to-image"
_CANCELLED_STATUS: Final = 499
# Statuses of the response URL that say nothing about the job itself.
_NOT_ABOUT_THE_JOB: Final = frozenset({401, 403, 404, 408, 429})


class FalRef(JobRef, frozen=True):
    """fal's name of the request and where to ask about it. Saved as JSON: the names of the fields stay."""

    id: str = msgspec.field(name="request_id")
    status_url: str
    response_url: str
    cancel_url: str


class Fal(PollingUpstream[FalRef]):
    ref_type = FalRef
    auth_scheme = "Key"
    domain = "fal.run"

    async def submit(self, call: Call, hooks: CallHooks, saved: FalRef | None, end: float) -> FalRef | Outcome:
        order, size = call.order, call.order.size
        files: dict[str, FilePart] = {}
        masks = [call.mask] if call.mask else []
        urls = await image_urls([*call.references, *masks], self.deps.link, files)
        fields = {
            "prompt": order.prompt,
            "image_size": "auto" if size.assumed else {"width": size.width, "height": size.height},
            "quality": quality_field(order, self.dialect),
            "num_images": order.n,
            "output_format": format_fields(order, self.dialect)["output_format"],
            "image_urls": urls[: len(call.references)] or None,
            "mask_url": urls[-1] if call.mask else None,
        }
        # Without the first header fal repeats a failed request up to ten times.
        headers = {"x-fal-no-retry": "1", "X-Client-Request-Id": call.attempt_id}
        body = json_body(apply_dialect(fields, self.dialect), files)
        return await self.submit_once(call, f"{self.base_url}/{_model_path(call)}", body, headers, end)

    def read_ref(self, accepted: dict[str, Any]) -> FalRef | None:
        """Without an address to cancel at, a job is not cancelled."""
        job_id = text_field(accepted.get("request_id"))
        names = ("status_url", "response_url", "cancel_url")
        status_url, response_url, cancel_url = (url_field(accepted.get(name)) for name in names)
        return FalRef(job_id, status_url, response_url, cancel_url) if job_id and status_url and response_url else None

    def addresses(self, ref: FalRef) -> Sequence[str]:
        return (ref.status_url, ref.response_url)

    async def poll(self, job: RemoteJob[FalRef], remaining_s: float) -> PollResult:
        """COMPLETED only says that the request has ended; how, is in the response."""
        timeout_s = min(self.deps.poll_schedule.request_timeout_s, remaining_s)
        response = await self.get(job, job.ref.status_url, timeout_s)
        if not 200 <= response.status < 300:
            return _unexpected(response, job)
        polled = read_object(response.body)
        if polled is None:
            return PollFailed("unreadable status")
        status = status_field(polled.get("status"))
        if status != "completed":
            return Pending(_PERCENT_BY_STATUS.get(status, 0))
        response = await self.get(job, job.ref.response_url, timeout_s)
        is_success = 200 <= response.status < 300
        return _read_result(response, polled, job) if is_success else self._read_failure(response, job)

    async def send_cancel(self, job: RemoteJob[FalRef]) -> None:
        await self.cancel_at("PUT", job.ref.cancel_url)

    def _read_failure(self, response: HttpResponse, job: RemoteJob[FalRef]) -> PollResult:
        """Without fal's own error object an intermediary answered, and the poll is repeated."""
        error = read_error_body(response.body, self.dialect)
        if not error.is_readable or response.status in _NOT_ABOUT_THE_JOB:
            return _unexpected(response, job)
        return _failed(response.status, error, job)


def _model_path(call: Call) -> str:
    """Some models have a path of their own for text, `.../text-to-image`; edits lie beside it, else below."""
    model = call.model.strip("/")
    if not call.references or model.endswith("/edit"):
        return model
    return f"{model.removesuffix(_TEXT_TO_IMAGE_SUFFIX)}/edit"


def _read_result(response: HttpResponse, polled: dict[str, Any], job: RemoteJob[FalRef]) -> PollResult:
    """Models of one image have `image` in place of `images`."""
    result = read_object(response.body)
    if result is None:
        return PollFailed("unreadable result")
    if urls := image_urls_field(result.get("images")) or image_urls_field(result.get("image")):
        return JobResult(urls=urls, request_id=job.ref.id)
    if error := text_or_json(polled.get("error")):
        return _failed(500, ErrorBody(message=error), job)
    if response.status != 200:  # 202: it may come yet
        return unexpected_status(response)
    return Unknown("completed without images", True, request_id=job.ref.id)


def _failed(status: int, error: ErrorBody, job: RemoteJob[FalRef]) -> Outcome:
    detail, request_id = error.describe(status), job.ref.id
    if error.code in CONTENT_POLICY_CODES:
        return refused(error.message, request_id, detail)
    if status == _CANCELLED_STATUS:
        return cancelled(job.cancelled_by_customer, detail, request_id)
    if status >= 500:
        return unavailable(FailureKind.failing, detail, request_id=request_id)
    return rejected(error.message, request_id)


def _unexpected(response: HttpResponse, job: RemoteJob[FalRef]) -> PollResult:
    """A request that was taken out of the queue is not found any more."""
    if job.cancel_sent and response.status == 404:
        return cancelled(job.cancelled_by_customer, "removed from the queue", job.ref.id)
    return unexpected_status(response)
