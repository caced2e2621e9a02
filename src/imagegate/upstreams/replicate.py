"""Replicate's predictions.

Knows: its create, the states of a prediction, and which of them are billed. Refuses to know: how pictures are fetched,
and prices. It makes ratios, not pixels.
"""

from __future__ import annotations

import asyncio
from math import gcd
from typing import Any

import msgspec

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.domain.errors import TaskErrorCode
from imagegate.domain.images import Size
from imagegate.spool import Spool
from imagegate.upstreams.base import Call, CallHooks, CallOutcome, FailureKind, RecoveryMode, Unknown
from imagegate.upstreams.downloads import Fetch, Link
from imagegate.upstreams.polling import (
    POLL_TIMEOUT_S,
    JobResult,
    Lost,
    Pending,
    PollDeps,
    PollFailed,
    PollResult,
    PollSchedule,
    Reply,
    Wire,
    run_job,
)
from imagegate.upstreams.request_fields import apply_dialect, format_fields, image_urls, quality_field
from imagegate.upstreams.same_origin import is_same_origin
from imagegate.upstreams.verdicts import UNREADABLE, refused, rejected, stopped, submit_once, unavailable

DEFAULT_BASE_URL = "https://api.replicate.com"
_PERCENT_BY_STATUS = {"starting": 5, "processing": 30}
_MIN_CANCEL_AFTER_S = 5


class _Urls(msgspec.Struct, frozen=True):
    get: str
    cancel: str


class RemoteRef(msgspec.Struct, frozen=True):
    """What is remembered: the prediction's id and where to ask about it."""

    id: str
    urls: _Urls


class _Prediction(msgspec.Struct, frozen=True):
    status: str = ""
    output: list[str] | str | None = None
    error: Any = None


class Replicate:
    recovery_mode = RecoveryMode.by_ref

    def __init__(
        self,
        row: UpstreamConfig,
        dialect: Dialect,
        spool: Spool,
        fetch: Fetch,
        link: Link,
        secret: str,
        *,
        pace: PollSchedule | None = None,
    ) -> None:
        self.name = row.name
        self._config, self._dialect, self._link = row, dialect, link
        self._deps = PollDeps(spool, fetch, pace or PollSchedule())
        self._base = (row.base_url or DEFAULT_BASE_URL).rstrip("/").removesuffix("/v1")
        self._wire = Wire({"Authorization": f"Bearer {secret}"}, row.connect_s)

    async def produce(self, call: Call, hooks: CallHooks) -> CallOutcome:
        end = asyncio.get_running_loop().time() + self._config.timeout_s
        if call.ref:
            ticket = msgspec.json.decode(call.ref, type=RemoteRef)
        else:
            created = await self._create(call)
            if not isinstance(created, RemoteRef):
                return created
            ticket = created
            await hooks.save_ref(msgspec.json.encode(ticket).decode())
        if not all(is_same_origin(url, self._base) for url in (ticket.urls.get, ticket.urls.cancel)):
            return Unknown("the addresses of the prediction are not Replicate's own", request_id=ticket.id)
        return await run_job(_PredictionJob(self._wire, ticket, hooks), call, hooks, end, self._deps)

    async def close(self) -> None:
        await self._wire.close()

    async def _create(self, call: Call) -> RemoteRef | CallOutcome:
        ratio = _ratio(call.order.size, self._dialect)
        if not ratio:
            return unavailable(
                FailureKind.internal, f"size {call.order.size.requested} is none of {self._dialect.sizes}"
            )
        body = msgspec.json.encode({"input": await self._input(call, ratio)})
        cancel_after_s = max(int(self._config.timeout_s), _MIN_CANCEL_AFTER_S)
        headers = {"Cancel-After": f"{cancel_after_s}s", "X-Client-Request-Id": call.attempt_id}
        url = f"{self._base}/v1/models/{call.model}/predictions"
        return await submit_once(self._wire, url, body, headers, self._dialect, RemoteRef)

    async def _input(self, call: Call, ratio: str) -> dict[str, Any]:
        order = call.order
        return apply_dialect(
            {
                "prompt": order.prompt,
                "aspect_ratio": ratio,
                "input_images": await image_urls(call.references, self._link) or None,
                "number_of_images": order.n,
                "quality": quality_field(order, self._dialect),
                "background": order.background,
                **format_fields(order, self._dialect),
            },
            self._dialect,
        )


def _ratio(size: Size, dialect: Dialect) -> str:
    """One of the ratios that they make, or nothing."""
    divisor = gcd(size.width, size.height)
    exact = f"{size.width // divisor}:{size.height // divisor}"
    known = [name for name in (size.requested, exact) if name in dialect.sizes]
    return known[0] if known and not size.assumed else ""


class _PredictionJob:
    """A prediction that Replicate works on."""

    def __init__(self, wire: Wire, ticket: RemoteRef, ties: CallHooks) -> None:
        self._wire, self._ticket, self._ties = wire, ticket, ties
        self.id, self.cancel_sent = ticket.id, False

    async def poll(self, remaining_s: float) -> PollResult:
        match await self._wire.ask("GET", self._ticket.urls.get, min(POLL_TIMEOUT_S, remaining_s)):
            case Lost(detail=detail):
                return PollFailed(detail)
            case Reply(status=200, body=body):
                try:
                    return self._poll_result(msgspec.json.decode(body, type=_Prediction))
                except UNREADABLE as error:
                    return PollFailed(f"an unreadable prediction: {error}")
            case Reply() as reply:
                return PollFailed(f"status {reply.status}", reply.retry_after_s)

    async def cancel(self) -> None:
        """What it answers decides nothing: the next look does."""
        await self._wire.ask("POST", self._ticket.urls.cancel)

    def _poll_result(self, prediction: _Prediction) -> PollResult:
        wanted = not self._ties.cancel_requested()
        match prediction.status:
            case "succeeded":
                return self._job_result(prediction)
            case "failed":
                return self._failed(str(prediction.error)[:500])
            case "canceled" if wanted:
                return Unknown("canceled while it ran, which is billed", request_id=self.id)
            case "canceled" | "aborted":
                return stopped(wanted, f"prediction {prediction.status}")
            case status:
                return Pending(_PERCENT_BY_STATUS.get(status, 0))

    def _job_result(self, prediction: _Prediction) -> PollResult:
        output = prediction.output
        urls = (output,) if isinstance(output, str) else tuple(output or ())
        if not urls:
            return Unknown("succeeded without output", True, request_id=self.id)
        return JobResult(urls=urls, request_id=self.id)

    def _failed(self, error: str) -> CallOutcome:
        """Replicate ends its error texts with a code in brackets; the text itself is not looked at."""
        code = error.rstrip().rpartition("(")[2].rstrip(").")
        match code:
            case "E005":
                return refused("", self.id)
            case "E006":
                return rejected(TaskErrorCode.invalid_parameters, "", self.id)
            case _:
                return unavailable(FailureKind.failing, f"prediction failed: {error}")
