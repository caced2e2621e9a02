"""Replicate's predictions. They are made in ratios, not in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from imagegate.domain.tasks import FailureKind
from imagegate.http.request_body import FilePart, json_body
from imagegate.upstreams.base import Call, CallHooks, Outcome, Unknown
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
from imagegate.upstreams.request_fields import apply_dialect, exact_ratio, format_fields, image_urls, quality_field
from imagegate.upstreams.response_fields import (
    image_urls_field,
    object_field,
    status_field,
    text_field,
    text_or_json,
    url_field,
)

# Replicate reports no progress; these are what the bar shows.
_PERCENT_BY_STATUS: Final = {"starting": 5, "processing": 30}
# Replicate refuses a shorter one.
_MIN_CANCEL_AFTER_S: Final = 5


class _Urls(msgspec.Struct, frozen=True):
    get: str
    cancel: str


class ReplicateRef(JobRef, frozen=True):
    """The prediction's id and where to ask about it. Saved as JSON: the names of the fields stay."""

    urls: _Urls


class Replicate(PollingUpstream[ReplicateRef]):
    ref_type = ReplicateRef

    async def submit(
        self, call: Call, hooks: CallHooks, saved: ReplicateRef | None, end: float
    ) -> ReplicateRef | Outcome:
        order = call.order
        ratio = "" if order.size.assumed else exact_ratio(order.size, self.dialect.sizes)
        if not ratio:
            detail = f"size {order.size.requested} is none of {', '.join(self.dialect.sizes)}"
            return unavailable(FailureKind.internal, f"not sent: {detail}")
        files: dict[str, FilePart] = {}
        fields = {
            "prompt": order.prompt,
            "aspect_ratio": ratio,
            "input_images": await image_urls(call.references, self.deps.link, files) or None,
            "number_of_images": order.n,
            "quality": quality_field(order, self.dialect),
            "background": order.background,
            **format_fields(order, self.dialect),
        }
        cancel_after_s = max(int(self.config.timeout_s), _MIN_CANCEL_AFTER_S)
        headers = {"Cancel-After": f"{cancel_after_s}s", "X-Client-Request-Id": call.attempt_id}
        url = f"{self.base_url.removesuffix('/v1')}/v1/models/{call.model}/predictions"
        body = json_body({"input": apply_dialect(fields, self.dialect)}, files)
        return await self.submit_once(call, url, body, headers, end)

    def read_ref(self, accepted: dict[str, Any]) -> ReplicateRef | None:
        """Where the addresses are unreadable they are the documented ones."""
        job_id, urls = text_field(accepted.get("id")), object_field(accepted.get("urls"))
        url = f"{self.base_url.removesuffix('/v1')}/v1/predictions/{quote(job_id, safe='')}"
        addresses = _Urls(url_field(urls.get("get")) or url, url_field(urls.get("cancel")) or f"{url}/cancel")
        return ReplicateRef(job_id, addresses) if job_id else None

    def addresses(self, ref: ReplicateRef) -> Sequence[str]:
        return (ref.urls.get,)

    async def poll(self, job: RemoteJob[ReplicateRef], remaining_s: float) -> PollResult:
        response = await self.get(job, job.ref.urls.get, min(self.deps.poll_schedule.request_timeout_s, remaining_s))
        if not 200 <= response.status < 300:
            return unexpected_status(response)
        prediction = read_object(response.body)
        return _read_prediction(prediction, job) if prediction else PollFailed("unreadable prediction")

    async def send_cancel(self, job: RemoteJob[ReplicateRef]) -> None:
        await self.cancel_at("POST", job.ref.urls.cancel)


def _read_prediction(prediction: dict[str, Any], job: RemoteJob[ReplicateRef]) -> PollResult:
    by_customer = job.cancelled_by_customer
    match status := status_field(prediction.get("status")):
        case "succeeded":
            return _read_output(image_urls_field(prediction.get("output")), job.ref.id)
        case "failed":
            return _failed(text_or_json(prediction.get("error")), job.ref.id)
        case "canceled" if not by_customer:
            return Unknown("cancelled while it ran, which is billed", request_id=job.ref.id)
        case "canceled" | "aborted":
            return cancelled(by_customer, f"prediction {status}", job.ref.id)
        case _:
            return Pending(_PERCENT_BY_STATUS.get(status, 0))


def _read_output(urls: tuple[str, ...], request_id: str) -> PollResult:
    if not urls:
        return Unknown("succeeded without output", True, request_id=request_id)
    return JobResult(urls=urls, request_id=request_id)


def _failed(error: str, request_id: str) -> Outcome:
    """Replicate ends its error texts with a code in brackets; the text itself decides nothing."""
    match error.rstrip().rpartition("(")[2].rstrip(")."):
        case "E005":
            return refused("", request_id, error)
        case "E006":
            return rejected("", request_id)
        case _:
            return unavailable(FailureKind.failing, f"prediction failed: {error}", request_id=request_id)
