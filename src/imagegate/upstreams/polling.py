"""Upstreams that accept a job and are polled until it has ended: one paid submit, then requests that may be repeated.

A protocol derives from `PollingUpstream` and says how to submit, poll and cancel; the loop, the deadline, the
cancellation and the download of results are here.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final, Generic, TypeVar

import aiohttp
import msgspec
from yarl import URL

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.domain.usage import Usage, UsageSource
from imagegate.http.client import (
    MAX_RESPONSE_BYTES,
    DownloadFailed,
    HttpClient,
    HttpResponse,
    NoResponse,
    build_response,
    iter_body,
    read_response,
)
from imagegate.http.request_body import RequestBody
from imagegate.job import JobThread
from imagegate.spool import SpooledResponse
from imagegate.upstreams.base import (
    Call,
    CallHooks,
    Outcome,
    PollSchedule,
    Produced,
    RecoveryMode,
    Unknown,
    UpstreamDeps,
)
from imagegate.upstreams.downloads import ImageFile, ResultSaver, gather
from imagegate.upstreams.errors import JOB_ERRORS, classify_error, no_response_outcome
from imagegate.upstreams.json_images import (
    BROKEN_OFF,
    JsonImageScanner,
    UnreadableResponse,
    decode_object,
    is_whole_json,
    max_images,
)

SUBMIT_TIMEOUT_S: Final = 120.0
# A longer Retry-After is not followed: a customer waits meanwhile.
MAX_RETRY_DELAY_S: Final = 300.0
_CANCEL_CHECK_INTERVAL_S: Final = 1.0
_MAX_CUT_OFF_POLLS: Final = 3
_MAX_DETAIL_CHARS: Final = 400


class JobRef(msgspec.Struct, frozen=True):
    """What is saved of a job, as JSON: enough to poll it after a crash. `id` is empty while there is no job."""

    id: str


Ref = TypeVar("Ref", bound=JobRef)


class Pending(msgspec.Struct, frozen=True):
    """The job is unfinished; `percent` from 0 to 99."""

    percent: int = 0


class PollFailed(msgspec.Struct, frozen=True):
    """The poll failed, which says nothing about the job. A `retry_after_s` of 0 means that none was given."""

    detail: str
    retry_after_s: float = 0.0


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """The job is finished: its images' URLs, and what the upstream says of their tokens and their cost to us."""

    urls: tuple[str, ...]
    usage: Usage | None = None
    usage_source: UsageSource = UsageSource.estimated
    cost_nanos: int | None = None
    engine: str | None = None
    request_id: str = ""


PollResult = Pending | PollFailed | JobResult | Outcome


class RemoteJob(Generic[Ref]):
    """A job that the upstream has accepted, and whether its cancellation was sent."""

    def __init__(self, ref: Ref, call: Call, hooks: CallHooks) -> None:
        self.ref = ref
        self.call = call
        self.hooks = hooks
        self.cancel_sent = False
        # The images that came with the last response, by the text that stands for them, and why others did not.
        self.files: dict[str, ImageFile] = {}
        self.image_errors: list[str] = []
        self.cut_off_polls = 0

    @property
    def cancelled_by_customer(self) -> bool:
        return self.hooks.cancel_requested()


class PollingUpstream(ABC, Generic[Ref]):
    """`domain`: the jobs' addresses may lead to its hosts, beside the upstream's own origin."""

    ref_type: type[Ref]
    auth_scheme: ClassVar[str] = "Bearer"
    domain: ClassVar[str] = ""

    def __init__(self, config: UpstreamConfig, dialect: Dialect, deps: UpstreamDeps, api_key: str) -> None:
        self.name = config.name
        self.recovery_mode = RecoveryMode.by_ref
        self.config, self.dialect, self.deps = config, dialect, deps
        self.base_url = config.base_url.rstrip("/")
        headers = {"Authorization": f"{self.auth_scheme} {api_key}", "Accept": "application/json"}
        self.http = HttpClient(config.connect_s, headers, deps.resolver, deps.tls)

    @abstractmethod
    async def submit(self, call: Call, hooks: CallHooks, saved: Ref | None, end: float) -> Ref | Outcome:
        """Buy, at the latest at `end` by the loop's clock. `saved` is there where an earlier call left no job id."""

    def addresses(self, ref: Ref) -> Sequence[str]:
        """Those that the upstream gave to ask about the job: they are sent its key, so they must be its own."""
        return ()

    @abstractmethod
    async def poll(self, job: RemoteJob[Ref], remaining_s: float) -> PollResult:
        """Raises NoResponse, which says nothing about the job."""

    @abstractmethod
    async def send_cancel(self, job: RemoteJob[Ref]) -> None:
        """Ask to cancel the job. The response decides nothing: the next poll does."""

    async def produce(self, call: Call, hooks: CallHooks) -> Outcome:
        end = now() + self.config.timeout_s
        saved = msgspec.json.decode(call.ref, type=self.ref_type) if call.ref else None
        if saved is not None and saved.id:
            ref = saved
        else:
            submitted = await self.submit(call, hooks, saved, end)
            if not isinstance(submitted, self.ref_type):
                return submitted  # type: ignore[return-value]
            ref = submitted
            await hooks.save_ref(encode_ref(ref))
        if not all(is_same_origin(url, self.base_url, self.domain) for url in self.addresses(ref)):
            return Unknown("the job's addresses are not the upstream's own", request_id=ref.id)
        job = RemoteJob(ref, call, hooks)
        outcome = await self._poll_until_done(job, end)
        return await self._save_results(job, outcome) if isinstance(outcome, JobResult) else outcome

    async def close(self) -> None:
        await self.http.close()

    async def submit_once(
        self, call: Call, url: str, body: RequestBody, headers: Mapping[str, str], end: float
    ) -> Ref | Outcome:
        """The reference in the response to one POST, or what took its place. Never sent twice."""
        try:
            response = await self.post(call, url, body, headers, min(SUBMIT_TIMEOUT_S, end - now()))
        except NoResponse as error:
            return no_response_outcome(error)
        if not 200 <= response.status < 300:
            return classify_error(response, JOB_ERRORS, self.dialect)
        accepted = read_object(response.body)
        ref = self.read_ref(accepted) if accepted else None
        return ref or Unknown("accepted without a readable id", True, request_id=response.request_id)

    @abstractmethod
    def read_ref(self, accepted: dict[str, Any]) -> Ref | None:
        """The reference in the response to a submit."""

    async def post(
        self, call: Call, url: str, body: RequestBody, headers: Mapping[str, str], total_s: float
    ) -> HttpResponse:
        """A submit. Images in the response are passed over: servers repeat what they were sent. Raises NoResponse."""
        async with self.http.stream("POST", url, headers, total_s=total_s, body=body) as response:
            scanner = JsonImageScanner(lambda _: None, max_images(call), MAX_RESPONSE_BYTES)

            def has_job() -> bool:
                accepted = read_object(scanner.finish())
                return accepted is not None and self.read_ref(accepted) is not None

            return await _read_scanned(response, scanner, self.deps.decoder, has_job, body)

    async def get(self, job: RemoteJob[Ref], url: str, total_s: float) -> HttpResponse:
        """A poll. The images in its response are the job's files. Raises NoResponse."""
        for file in job.files.values():
            file.path.unlink(missing_ok=True)
        job.files, job.image_errors = {}, []
        place, most = partial(self.deps.spool.path, job.call.attempt_id), max_images(job.call)
        scanner = JsonImageScanner(
            lambda number: place(f"p{number}.part") if number < 2 * most else None, most, MAX_RESPONSE_BYTES
        )

        def is_enough() -> bool:
            """The next poll may bring more images; of a response that is cut off each time it will not."""
            job.cut_off_polls += 1
            is_whole = is_whole_json(scanner.finish())
            fewest = 1 if job.cut_off_polls >= _MAX_CUT_OFF_POLLS else job.call.order.n
            return is_whole or len(scanner.finished_files) >= fewest

        async with self.http.stream("GET", url, total_s=total_s) as response:
            scanned = await _read_scanned(response, scanner, self.deps.decoder, is_enough)
        job.files, job.image_errors = scanner.finished_files, scanner.image_errors
        return scanned

    async def cancel_at(self, method: str, url: str) -> None:
        """Nowhere but at the upstream's own: it is sent the key. Without such an address the job is not cancelled."""
        if not is_same_origin(url, self.base_url, self.domain):
            return
        # A lost response does not matter: the next poll tells.
        with suppress(NoResponse):
            await self.http.request(method, url, total_s=self.deps.poll_schedule.request_timeout_s)

    async def _poll_until_done(self, job: RemoteJob[Ref], end: float) -> JobResult | Outcome:
        """At the deadline the job is cancelled and polled once more."""
        schedule = self.deps.poll_schedule
        failures, reported_percent = 0, 0
        while (started := now()) < end:
            match await self._poll_once(job, end - started):
                case Pending(percent=percent):
                    failures, delay_s = 0, schedule.poll_interval_s - (now() - started)
                    if percent > reported_percent:
                        reported_percent = percent
                        await job.hooks.on_progress(min(percent, 99))
                case PollFailed(retry_after_s=retry_after_s):
                    failures += 1
                    delay_s = max(backoff_s(schedule, failures), min(retry_after_s, MAX_RETRY_DELAY_S))
                case ended:
                    return ended
            await asyncio.sleep(max(min(delay_s, end - now()), 0))
        return await self._final_poll(job)

    async def _poll_once(self, job: RemoteJob[Ref], remaining_s: float) -> PollResult:
        """A poll lasts as long as the other side holds its response: a cancel request does not wait for that."""
        if job.hooks.cancel_requested():
            await self._cancel_once(job)
        polling = asyncio.create_task(self._poll(job, remaining_s))
        try:
            while not (await asyncio.wait({polling}, timeout=_CANCEL_CHECK_INTERVAL_S))[0]:
                if job.hooks.cancel_requested() and not job.cancel_sent:
                    await self._cancel_once(job)
                    return Pending()
            return polling.result()
        finally:
            if polling.cancel():
                await asyncio.wait({polling})

    async def _poll(self, job: RemoteJob[Ref], remaining_s: float) -> PollResult:
        try:
            return await self.poll(job, remaining_s)
        except NoResponse as error:
            return PollFailed(str(error))

    async def _cancel_once(self, job: RemoteJob[Ref]) -> None:
        if not job.cancel_sent:
            job.cancel_sent = True
            await self.send_cancel(job)

    async def _final_poll(self, job: RemoteJob[Ref]) -> JobResult | Outcome:
        """A cancel can lose the race against a finished image."""
        await self._cancel_once(job)
        await asyncio.sleep(self.deps.poll_schedule.poll_interval_s)
        match await self._poll(job, self.deps.poll_schedule.request_timeout_s):
            case Pending():
                return Unknown("unfinished at the deadline and after it was cancelled", request_id=job.ref.id)
            case PollFailed(detail=detail):
                return Unknown(f"unfinished at the deadline; the last poll failed: {detail}", request_id=job.ref.id)
            case ended:
                return ended

    async def _save_results(self, job: RemoteJob[Ref], result: JobResult) -> Outcome:
        """The images into the spool. Usage is for all of them: where one is missing, the formula counts instead."""
        saver = ResultSaver(self.deps, self.config.base_url, job.call.attempt_id)
        urls = result.urls[: job.call.order.n]
        downloads = await gather(saver.save(index, url, job.files) for index, url in enumerate(urls))
        for unused in job.files.values():
            unused.path.unlink(missing_ok=True)
        images = tuple(image for image in downloads if not isinstance(image, DownloadFailed))
        if not images:
            failures = [failed.detail for failed in downloads if isinstance(failed, DownloadFailed)]
            details = "; ".join([*job.image_errors, *failures])[:_MAX_DETAIL_CHARS]
            return Unknown(f"no result could be read: {details}", True, result.usage, result.request_id)
        usage = result.usage if len(images) == len(result.urls) else None
        return Produced(
            SpooledResponse(
                images,
                usage,
                result.usage_source if usage else UsageSource.estimated,
                engine=result.engine,
                request_id=result.request_id,
                cost_nanos=result.cost_nanos,
            )
        )


async def _read_scanned(
    response: aiohttp.ClientResponse,
    scanner: JsonImageScanner,
    decoder: JobThread,
    is_enough: Callable[[], bool],
    body: RequestBody | None = None,
) -> HttpResponse:
    """The response, with marks in place of its images where it is a success.

    Of one that breaks off, what the scanner has, if that `is_enough`.
    """
    if not 200 <= response.status < 300:
        return await read_response(response, body)
    try:
        async for chunk in iter_body(response):
            await decoder.call(scanner.feed, chunk)
            del chunk
        return build_response(response, scanner.finish(), body)
    except BROKEN_OFF as error:
        # A wrong length, or an end that never comes: behind JSON that is whole nothing is missing.
        if is_whole_json(bytes(scanner.kept)) or is_enough():
            return build_response(response, scanner.finish(), body)
        if isinstance(error, UnreadableResponse):
            raise aiohttp.ClientPayloadError(f"status {response.status}: {error}") from error
        raise
    finally:
        scanner.close()


def backoff_s(schedule: PollSchedule, failures: int) -> float:
    """Doubled with each failure, with a fifth of jitter."""
    # The exponent is bounded so that the power stays a float.
    delay_s = min(schedule.min_backoff_s * 2.0 ** min(failures - 1, 16), schedule.max_backoff_s)
    return delay_s * random.uniform(0.8, 1.2)  # noqa: S311


def unexpected_status(response: HttpResponse) -> PollFailed:
    return PollFailed(f"status {response.status}", response.retry_after_s)


def read_object(body: bytes) -> dict[str, Any] | None:
    """None where the body is no JSON object."""
    try:
        return decode_object(body)
    except UnreadableResponse:
        return None


def encode_ref(ref: Any) -> str:
    return msgspec.json.encode(ref).decode()


def now() -> float:
    return asyncio.get_running_loop().time()


def is_same_origin(url: str, base: str, domain: str = "") -> bool:
    """Scheme, host and port of `base`; or https on a host of `domain`, itself or below it."""
    try:
        here, there = URL(base), URL(url)
        if there.user or there.password or not there.host:
            return False
        if (there.scheme, there.host, there.port) == (here.scheme, here.host, here.port):
            return True
    except ValueError:
        return False
    is_below = bool(domain) and f".{there.host}".endswith(f".{domain}")
    return is_below and (there.scheme, there.port) == ("https", 443)
