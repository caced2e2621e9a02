"""The `openai` protocol: one POST, one answer with the pictures in it, and no way to ask again.

Knows: the order of events around one paid call. Refuses to know: what the request looks like (`asking`), what errors
mean (`errors`), how an answer is read (`parsed`), and routing.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.domain.usage import Usage, UsageSource
from imagegate.http.client import HttpClient, NoResponse, Timeouts, read_prefix
from imagegate.http.request_body import RequestBody
from imagegate.images import InvalidImage
from imagegate.spool import Spool, SpooledImage, SpooledResponse
from imagegate.upstreams.base import (
    Call,
    CallHooks,
    CallOutcome,
    FailureKind,
    Produced,
    ProgressHook,
    RecoveryMode,
    Unavailable,
    Unknown,
)
from imagegate.upstreams.downloads import DownloadFailed, Fetch
from imagegate.upstreams.errors import NO_ROUTE_ERROR, classify_error, classify_error_object
from imagegate.upstreams.openai.base64_file import MAX_IMAGE_BYTES
from imagegate.upstreams.openai.json_images import UnreadableResponse
from imagegate.upstreams.openai.request import build_request, unsupported_reason, uses_stream
from imagegate.upstreams.openai.response import ParsedResponse, ResponseReader
from imagegate.upstreams.result_files import adopt_image
from imagegate.upstreams.usage import read_cost, read_usage

_PROGRESS_INTERVAL_S = 1.0
_MIN_PROGRESS_STEP = 5
_MAX_PERCENT = 95


class OpenAI:
    """One upstream that speaks a dialect of the protocol.

    `pauses` are the seconds before a result's URL is fetched again.
    """

    def __init__(
        self,
        row: UpstreamConfig,
        dialect: Dialect,
        spool: Spool,
        fetch: Fetch,
        secret: str = "",
        *,
        tls: ssl.SSLContext | None = None,
        pauses: tuple[float, ...] = (1.0, 2.0, 4.0),
    ) -> None:
        self.name = row.name
        self.recovery_mode = RecoveryMode.by_key if dialect.idempotency == "header" else RecoveryMode.never
        self._config = row
        self._dialect = dialect
        self._spool = spool
        self._fetch = fetch
        self._secret = secret
        self._pauses = pauses
        self._wire = HttpClient(Timeouts(row.connect_s, row.timeout_s), tls)

    async def produce(self, call: Call, hooks: CallHooks) -> CallOutcome:
        reason = unsupported_reason(call, self._dialect)
        if reason:
            return _not_sent_outcome(reason)
        operation, body = build_request(call, self._dialect)
        if 0 < self._dialect.max_body_bytes < body.length:
            return _not_sent_outcome(f"the request has {body.length} bytes, more than max_body_bytes")
        progress_task = asyncio.create_task(_report_progress(call, hooks.on_progress))
        try:
            return await self._send(call, hooks, operation, body)
        finally:
            progress_task.cancel()
            await asyncio.gather(progress_task, return_exceptions=True)

    async def close(self) -> None:
        await self._wire.close()

    async def _send(self, call: Call, ties: CallHooks, verb: str, body: RequestBody) -> CallOutcome:
        request_id = ""
        try:
            async with self._wire.post(self._url(call, verb), self._headers(call), body) as response:
                request_id = _request_id(response.headers)
                if not 200 <= response.status < 300:
                    return self._told(await self._error_outcome(response, body, request_id))
                folder = self._spool.create_directory(call.attempt_id)
                parsed = await ResponseReader(folder, call.order.n, self._dialect, ties.on_partial_image).read(response)
        except NoResponse as silence:
            return self._told(_no_response_outcome(silence, request_id))
        except UnreadableResponse as bad:
            return self._told(Unknown(str(bad), bad_body=True, request_id=request_id))
        return self._told(await self._success_outcome(call, parsed, request_id))

    async def _error_outcome(self, response: aiohttp.ClientResponse, body: RequestBody, request_id: str) -> CallOutcome:
        excerpt = await read_prefix(response)
        return classify_error(
            response.status, response.headers, excerpt, self._dialect, sent=body.is_sent, request_id=request_id
        )

    async def _success_outcome(self, call: Call, parsed: ParsedResponse, request_id: str) -> CallOutcome:
        """The answer is whole: keep its pictures, or say what it holds in place of them."""
        images = await self._adopt_images(call, parsed)
        usage = self._usage(call, parsed.usage, len(images))
        if not images:
            return self._no_image_outcome(parsed, usage, request_id)
        answer = SpooledResponse(
            images=tuple(images),
            usage=usage,
            usage_source=UsageSource.upstream if usage else UsageSource.estimated,
            request_id=request_id,
            cost_nanos=read_cost(parsed.usage),
            partials=parsed.partials,
            quality=parsed.quality,
        )
        await asyncio.to_thread(self._spool.write_response, call.attempt_id, answer)
        return Produced(answer)

    async def _adopt_images(self, call: Call, said: ParsedResponse) -> list[SpooledImage]:
        # Together: links expire, and ten slow ones in a row would outlast every deadline.
        drafts = await asyncio.gather(*(self._draft(call, said, item, n) for n, item in enumerate(said.items)))
        images = []
        for index, draft in enumerate(drafts):
            if draft is None:
                continue
            try:
                images.append(await asyncio.to_thread(adopt_image, draft, index))
            except InvalidImage as flaw:
                said.image_errors.append(f"picture {index}: {flaw}")
        return images

    async def _draft(self, call: Call, said: ParsedResponse, item: dict[str, Any], index: int) -> Path | None:
        """The picture's file: it came with the answer, or its URL is fetched now, because it expires."""
        draft = said.drafts.pop(str(item.get("b64_json")), None)
        url = item.get("url")
        if draft is not None or not isinstance(url, str) or not url:
            return draft
        path = self._spool.path(call.attempt_id, f"u{index}.part")
        for pause in (*self._pauses, None):
            fetched = await self._fetch(url, path, MAX_IMAGE_BYTES)
            if not isinstance(fetched, DownloadFailed):
                return path
            if pause is None:
                said.image_errors.append(f"picture {index}: {fetched.detail}")
            else:
                await asyncio.sleep(pause)
        return None

    def _no_image_outcome(self, said: ParsedResponse, usage: Usage | None, request_id: str) -> CallOutcome:
        if said.error is None:
            detail = "; ".join(said.image_errors) or "the answer holds no picture"
            return Unknown(detail[:400], bad_body=True, usage=usage, request_id=request_id)
        failure = classify_error_object(said.error, self._dialect, request_id)
        if isinstance(failure, Unknown):
            return msgspec.structs.replace(failure, bad_body=True, usage=usage)
        return failure

    def _usage(self, call: Call, reported: Any, images: int) -> Usage | None:
        if self._dialect.usage == "absent":
            return None
        estimate = call.expected.text_input
        return read_usage(reported, images=images, text_estimate=estimate, references=bool(call.references))

    def _told(self, answer: CallOutcome) -> CallOutcome:
        """No answer carries our secret, whatever the other side quotes."""
        if isinstance(answer, Produced) or not self._secret:
            return answer
        return msgspec.structs.replace(answer, detail=answer.detail.replace(self._secret, "(secret)"))

    def _url(self, call: Call, verb: str) -> URL:
        base = self._config.base_url.rstrip("/")
        if self._dialect.path_style == "azure_dated":
            deployment = quote(self._config.deployment or call.model, safe="")
            base = f"{base}/openai/deployments/{deployment}"
        query = f"?api-version={quote(self._config.api_version, safe='')}" if self._config.api_version else ""
        return URL(f"{base}/images/{verb}{query}", encoded=True)

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"X-Client-Request-Id": call.attempt_id, "Accept": "application/json"}
        if uses_stream(call, self._dialect):
            headers["Accept"] = "text/event-stream, application/json"
        if self._dialect.idempotency == "header":
            headers["Idempotency-Key"] = call.attempt_id
        return headers | self._auth()

    def _auth(self) -> dict[str, str]:
        match self._dialect.auth:
            case "none":
                return {}
            case "bearer":
                return {"Authorization": f"Bearer {self._secret}"}
            case auth:
                return {auth.removeprefix("header:"): self._secret}


def _not_sent_outcome(reason: str) -> Unavailable:
    return Unavailable(f"not sent: {reason}", NO_ROUTE_ERROR, FailureKind.internal)


def _no_response_outcome(silence: NoResponse, request_id: str) -> CallOutcome:
    if silence.request_sent:
        return Unknown(str(silence), bad_body=silence.response_truncated, request_id=request_id)
    return Unavailable(f"not sent: {silence}", NO_ROUTE_ERROR, FailureKind.failing)


def _request_id(headers: Any) -> str:
    said = headers.get("x-request-id") or headers.get("apim-request-id") or ""
    return "".join(mark for mark in said[:200] if mark.isprintable())


async def _report_progress(call: Call, progress: ProgressHook) -> None:
    """Nobody says how far the picture is: the bar follows the time that such pictures take, and never arrives."""
    usual_s = _typical_duration_s(call)
    started, reported = time.monotonic(), 0
    while True:
        await asyncio.sleep(_PROGRESS_INTERVAL_S)
        percent = int(_MAX_PERCENT * (1 - math.exp(-2 * (time.monotonic() - started) / usual_s)))
        if percent >= reported + _MIN_PROGRESS_STEP:
            reported = percent
            await progress(percent)


def _typical_duration_s(call: Call) -> float:
    """Seen in public reports: 10, 48 and 126 s for low, medium and high at 1024x1024; edits take longer."""
    tokens = call.expected.image_output / max(1, call.expected.images)
    return (8.0 + 0.017 * tokens) * (1.5 if call.references else 1.0)
