"""fal's queue.

The addresses of a request are the ones that the submit answered, never built here. They get our key only where they
are fal's own or the operator's base URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from imagegate.domain.tasks import FailureKind
from imagegate.http.client import HttpResponse
from imagegate.http.request_body import FilePart, json_body
from imagegate.upstreams.base import Call, CallHooks, Outcome, Unknown
from imagegate.upstreams.error_body import CONTENT_POLICY_CODES, ErrorBody, read_error_body
from imagegate.upstreams.errors import cancelled, refused, rejected, unavailable
from imagegate.upstreams.polling import (
    POLL_TIMEOUT_S,
    JobRef,
    JobResult,
    Pending,
    PollFailed,
    PollingUpstream,
    PollResult,
    RemoteJob,
    decode_or_none,
    text_of,
    unexpected_status,
)
from imagegate.upstreams.request_fields import apply_dialect, format_fields, image_urls, quality_field

# fal reports no progress; these are what the bar shows.
_PERCENT_BY_STATUS: Final = {"IN_QUEUE": 5, "IN_PROGRESS": 30}
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


class _Status(msgspec.Struct, frozen=True):
    status: str = ""
    error: msgspec.Raw = msgspec.Raw()


class _ResultImage(msgspec.Struct, frozen=True):
    url: str


class _Result(msgspec.Struct, frozen=True):
    images: list[_ResultImage] = []


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
        return await self.submit_once(f"{self.base_url}/{_model_path(call)}", body, headers)

    def addresses(self, ref: FalRef) -> Sequence[str]:
        return (ref.status_url, ref.response_url, ref.cancel_url)

    async def poll(self, job: RemoteJob[FalRef], remaining_s: float) -> PollResult:
        """COMPLETED only says that the request has ended; how, is in the response."""
        timeout_s = min(POLL_TIMEOUT_S, remaining_s)
        response = await self.http.request("GET", job.ref.status_url, total_s=timeout_s)
        if response.status not in (200, 202):
            return _unexpected(response, job)
        status = decode_or_none(response.body, _Status)
        if status is None:
            return PollFailed("unreadable status")
        if status.status != "COMPLETED":
            return Pending(_PERCENT_BY_STATUS.get(status.status, 0))
        response = await self.http.request("GET", job.ref.response_url, total_s=timeout_s)
        return _read_result(response, status, job) if response.status == 200 else self._read_failure(response, job)

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


def _read_result(response: HttpResponse, status: _Status, job: RemoteJob[FalRef]) -> PollResult:
    result = decode_or_none(response.body, _Result)
    if result is None:
        return PollFailed("unreadable result")
    if result.images:
        return JobResult(urls=tuple(image.url for image in result.images), request_id=job.ref.id)
    if error := text_of(status.error):
        return _failed(500, ErrorBody(message=error), job)
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
