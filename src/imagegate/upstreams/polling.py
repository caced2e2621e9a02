"""What upstreams with ids of their work have in common: one submit, then looking until it has ended.

Knows: when a request had left completely, and that looking again is always safe. Refuses to know: any upstream's URLs,
fields and words for what went wrong.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Protocol

import aiohttp
import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain.usage import Usage, UsageSource
from imagegate.spool import Spool, SpooledResponse
from imagegate.upstreams.base import Call, CallHooks, CallOutcome, Produced, Unknown
from imagegate.upstreams.downloads import DownloadFailed, Fetch, RetrySchedule, download_images

MAX_RESPONSE_BYTES = 1024 * 1024
POLL_TIMEOUT_S = 30.0
SUBMIT_TIMEOUT_S = 120.0
_PIECE = 64 * 1024
_CANCEL_CHECK_INTERVAL_S = 1.0
_RETRY_AFTER_MOST_S = 300.0
_PAID, _ASKED = "paid", "asked"
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer of any status. `retry_after_s` of 0 means that nothing was said."""

    status: int
    body: bytes
    retry_after_s: float = 0.0
    request_id: str = ""


class NotSent(msgspec.Struct, frozen=True):
    """Proven: the other side never had the whole request."""

    detail: str


class Lost(msgspec.Struct, frozen=True):
    """The request left; no readable answer came."""

    detail: str


class Wire:
    """One session with our key on every request: a URL that the other side gave is checked before it comes here."""

    def __init__(self, headers: Mapping[str, str], connect_s: float) -> None:
        self._headers = {**headers, "Accept": "application/json", "Accept-Encoding": "identity"}
        self._connect_s = connect_s
        self._opened: dict[str, aiohttp.ClientSession] = {}

    async def submit(
        self, url: str, body: bytes, headers: Mapping[str, str], total_s: float = SUBMIT_TIMEOUT_S
    ) -> Reply | NotSent | Lost:
        """POST the JSON body once. It has left when its last piece was handed over."""
        left = False

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal left
            for start in range(0, len(body), _PIECE):
                left = start + _PIECE >= len(body)
                yield body[start : start + _PIECE]
            crash_point("upstream.after_send")

        own = {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
        try:
            async with self._session(_PAID).post(
                url, data=pieces(), headers=own, timeout=self._timeout(total_s), allow_redirects=False
            ) as response:
                crash_point("upstream.post_response")
                return await _read(response)
        except _FAILURES as error:
            detail = f"{type(error).__name__}: {error}"
            return Lost(detail) if left else NotSent(detail)

    async def ask(self, method: str, url: str, total_s: float = POLL_TIMEOUT_S) -> Reply | Lost:
        """A request that may be repeated."""
        try:
            async with self._session(_ASKED).request(
                method, url, timeout=self._timeout(total_s), allow_redirects=False
            ) as response:
                return await _read(response)
        except _FAILURES as error:
            return Lost(f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        for session in self._opened.values():
            await session.close()
        self._opened.clear()

    def _timeout(self, total_s: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=max(total_s, 0.1), sock_connect=self._connect_s)

    def _session(self, purpose: str) -> aiohttp.ClientSession:
        """No connection is used for two submits: a stale one would turn a harmless failure into an unknown outcome."""
        if purpose not in self._opened:
            self._opened[purpose] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=purpose == _PAID),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                auto_decompress=False,
                trust_env=False,
            )
        return self._opened[purpose]


async def _read(response: aiohttp.ClientResponse) -> Reply:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_RESPONSE_BYTES:
            raise aiohttp.ClientPayloadError(f"status {response.status} with more than {MAX_RESPONSE_BYTES} bytes")
    names = ("x-request-id", "x-fal-request-id")
    request_id = next((response.headers[name] for name in names if name in response.headers), "")
    return Reply(
        status=response.status,
        body=bytes(body),
        retry_after_s=_retry_after(response.headers),
        request_id=request_id[:200],
    )


def _retry_after(headers: Mapping[str, str]) -> float:
    """Milliseconds, seconds or a date; 0 where nothing readable was said."""
    exact, said = headers.get("retry-after-ms", ""), headers.get("Retry-After", "")
    try:
        if exact.isdecimal():
            seconds = int(exact) / 1000
        elif said.isdecimal():
            seconds = float(said)
        else:
            seconds = parsedate_to_datetime(said).timestamp() - time()
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), _RETRY_AFTER_MOST_S)


class PollSchedule(msgspec.Struct, frozen=True):
    """Seconds: between two looks that found it unfinished, and after the first and later failures to look."""

    poll_interval_s: float = 3.0
    min_backoff_s: float = 1.0
    max_backoff_s: float = 15.0
    download_retry: RetrySchedule = RetrySchedule()

    def backoff(self, failures: int) -> float:
        """Doubling, with a fifth of jitter."""
        return min(self.min_backoff_s * 2.0 ** min(failures - 1, 16), self.max_backoff_s) * random.uniform(0.8, 1.2)  # noqa: S311


class Pending(msgspec.Struct, frozen=True):
    """Unfinished. 0 to 99."""

    percent: int = 0


class PollFailed(msgspec.Struct, frozen=True):
    """The look failed; it says nothing about the work."""

    detail: str
    retry_after_s: float = 0.0


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """Finished: where the pictures are, and what the other side says of their tokens and of their cost to us."""

    urls: tuple[str, ...]
    usage: Usage | None = None
    source: UsageSource = UsageSource.estimated
    cost_nanos: int | None = None
    engine: str | None = None
    request_id: str = ""


PollResult = Pending | PollFailed | JobResult | CallOutcome


class RemoteJob(Protocol):
    """Work that the other side has accepted under `id`. `cancel_sent` after it was told to stop."""

    id: str
    cancel_sent: bool

    async def poll(self, remaining_s: float) -> PollResult: ...
    async def cancel(self) -> None: ...


class PollDeps(msgspec.Struct, frozen=True):
    """What it takes to bring results home."""

    spool: Spool
    fetch: Fetch
    schedule: PollSchedule


async def run_job(job: RemoteJob, call: Call, hooks: CallHooks, end: float, deps: PollDeps) -> CallOutcome:
    """From accepted work to pictures in the spool, or to the answer that takes their place."""
    match await poll_until_done(job, hooks, end, deps.schedule):
        case JobResult() as landed:
            return await _save_results(call, landed, deps)
        case answer:
            return answer


async def poll_until_done(
    job: RemoteJob, hooks: CallHooks, end: float, schedule: PollSchedule
) -> JobResult | CallOutcome:
    """Look until it has ended, at the latest at `end` by the loop's clock: then stop it and look once more."""
    clock = asyncio.get_running_loop().time
    failures, shown = 0, 0
    while clock() < end:
        began = clock()
        seen = await _poll_once(job, hooks, end - began)
        match seen:
            case Pending(percent=percent):
                failures, rest = 0, schedule.poll_interval_s - (clock() - began)
                if percent > shown:
                    shown = percent
                    await hooks.on_progress(min(percent, 99))
            case PollFailed(retry_after_s=asked):
                failures += 1
                rest = max(schedule.backoff(failures), asked)
            case _:
                return seen
        await asyncio.sleep(max(min(rest, end - clock()), 0))
    return await _final_poll(job, schedule)


async def _poll_once(job: RemoteJob, hooks: CallHooks, left_s: float) -> PollResult:
    """A look may last as long as the other side holds its answer: a wish to stop does not wait for that, and neither
    does what comes of it."""
    if hooks.cancel_requested():
        await _cancel_once(job)
    polling = asyncio.create_task(job.poll(left_s))
    try:
        while not (await asyncio.wait({polling}, timeout=_CANCEL_CHECK_INTERVAL_S))[0]:
            if hooks.cancel_requested() and not job.cancel_sent:
                await _cancel_once(job)
                return Pending()
        return polling.result()
    finally:
        if polling.cancel():
            await asyncio.wait({polling})


async def _cancel_once(job: RemoteJob) -> None:
    if not job.cancel_sent:
        job.cancel_sent = True
        await job.cancel()


async def _final_poll(job: RemoteJob, schedule: PollSchedule) -> JobResult | CallOutcome:
    """The wish to stop can lose the race against a finished picture."""
    await _cancel_once(job)
    await asyncio.sleep(schedule.poll_interval_s)
    match await job.poll(POLL_TIMEOUT_S):
        case Pending():
            return Unknown("not finished at the deadline, nor after it was told to stop", request_id=job.id)
        case PollFailed(detail=detail):
            return Unknown(f"not finished at the deadline; the last look failed: {detail}", request_id=job.id)
        case end:
            return end


async def _save_results(call: Call, result: JobResult, deps: PollDeps) -> CallOutcome:
    """The pictures into the spool. Usage is for all of them: where one is missing the formula counts instead."""
    wanted = result.urls[: call.order.n]
    downloads = await download_images(deps.fetch, deps.spool, call.attempt_id, wanted, deps.schedule.download_retry)
    images = tuple(image for image in downloads if not isinstance(image, DownloadFailed))
    if not images:
        details = "; ".join(lost.detail for lost in downloads if isinstance(lost, DownloadFailed))
        return Unknown(f"no result could be read: {details}", True, result.usage, result.request_id)
    usage = result.usage if len(images) == len(result.urls) else None
    answer = SpooledResponse(
        images,
        usage,
        result.source if usage else UsageSource.estimated,
        engine=result.engine,
        request_id=result.request_id,
        cost_nanos=result.cost_nanos,
    )
    await asyncio.to_thread(deps.spool.write_response, call.attempt_id, answer)
    return Produced(answer)
