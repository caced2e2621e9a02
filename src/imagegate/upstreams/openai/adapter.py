"""The `openai` protocol: one POST, one answer with the pictures in it, and no way to ask again.

Knows: the order of events around one paid call. Refuses to know: what the request looks like (`asking`), what errors
mean (`errors`), how an answer is read (`said`), and routing.
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

from imagegate.catalog.routes import Dialect, UpstreamRow
from imagegate.domain.usage import Usage, UsageSource
from imagegate.http.client import Deadlines, Silence, Wire, excerpt_of
from imagegate.http.request_body import Body
from imagegate.images import NotAnImage
from imagegate.spool import Spool, SpooledAnswer, SpooledImage
from imagegate.upstreams.base import Answer, Call, Produced, Progress, Resumes, Ties, Trouble, Unavailable, Unknown
from imagegate.upstreams.downloads import Fetch, NotSaved
from imagegate.upstreams.errors import UNAVAILABLE, judge, judge_fault
from imagegate.upstreams.openai.base64_file import MAX_IMAGE_BYTES
from imagegate.upstreams.openai.json_images import BadAnswer
from imagegate.upstreams.openai.request import cannot, request_of, streams
from imagegate.upstreams.openai.response import Reader, Said
from imagegate.upstreams.result_files import adopt_picture
from imagegate.upstreams.usage import read_cost, read_usage

_TICK_S = 1.0
_LEAST_STEP = 5
_MOST_PERCENT = 95


class OpenAI:
    """One upstream that speaks a dialect of the protocol.

    `pauses` are the seconds before a result's URL is fetched again.
    """

    def __init__(
        self,
        row: UpstreamRow,
        dialect: Dialect,
        spool: Spool,
        fetch: Fetch,
        secret: str = "",
        *,
        tls: ssl.SSLContext | None = None,
        pauses: tuple[float, ...] = (1.0, 2.0, 4.0),
    ) -> None:
        self.name = row.name
        self.resumes = Resumes.by_key if dialect.idempotency == "header" else Resumes.never
        self._row = row
        self._dialect = dialect
        self._spool = spool
        self._fetch = fetch
        self._secret = secret
        self._pauses = pauses
        self._wire = Wire(Deadlines(row.connect_s, row.timeout_s), tls)

    async def produce(self, call: Call, ties: Ties) -> Answer:
        reason = cannot(call, self._dialect)
        if reason:
            return _not_sent(reason)
        verb, body = request_of(call, self._dialect)
        if 0 < self._dialect.max_body_bytes < body.length:
            return _not_sent(f"the request has {body.length} bytes, more than max_body_bytes")
        ticking = asyncio.create_task(_tick(call, ties.progress))
        try:
            return await self._exchange(call, ties, verb, body)
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)

    async def close(self) -> None:
        await self._wire.close()

    async def _exchange(self, call: Call, ties: Ties, verb: str, body: Body) -> Answer:
        request_id = ""
        try:
            async with self._wire.post(self._url(call, verb), self._headers(call), body) as response:
                request_id = _request_id(response.headers)
                if not 200 <= response.status < 300:
                    return self._told(await self._failure(response, body, request_id))
                folder = self._spool.folder(call.attempt_id)
                said = await Reader(folder, call.order.n, self._dialect, ties.partial).read(response)
        except Silence as silence:
            return self._told(_silent(silence, request_id))
        except BadAnswer as bad:
            return self._told(Unknown(str(bad), bad_body=True, request_id=request_id))
        return self._told(await self._conclude(call, said, request_id))

    async def _failure(self, response: aiohttp.ClientResponse, body: Body, request_id: str) -> Answer:
        excerpt = await excerpt_of(response)
        return judge(response.status, response.headers, excerpt, self._dialect, sent=body.sent, request_id=request_id)

    async def _conclude(self, call: Call, said: Said, request_id: str) -> Answer:
        """The answer is whole: keep its pictures, or say what it holds in place of them."""
        images = await self._adopt_all(call, said)
        usage = self._usage(call, said.usage, len(images))
        if not images:
            return self._pictureless(said, usage, request_id)
        answer = SpooledAnswer(
            images=tuple(images),
            usage=usage,
            usage_source=UsageSource.upstream if usage else UsageSource.estimated,
            request_id=request_id,
            cost_nanos=read_cost(said.usage),
            partials=said.partials,
            quality=said.quality,
        )
        await asyncio.to_thread(self._spool.finish, call.attempt_id, answer)
        return Produced(answer)

    async def _adopt_all(self, call: Call, said: Said) -> list[SpooledImage]:
        # Together: links expire, and ten slow ones in a row would outlast every deadline.
        drafts = await asyncio.gather(*(self._draft(call, said, item, n) for n, item in enumerate(said.items)))
        images = []
        for index, draft in enumerate(drafts):
            if draft is None:
                continue
            try:
                images.append(await asyncio.to_thread(adopt_picture, draft, index))
            except NotAnImage as flaw:
                said.flaws.append(f"picture {index}: {flaw}")
        return images

    async def _draft(self, call: Call, said: Said, item: dict[str, Any], index: int) -> Path | None:
        """The picture's file: it came with the answer, or its URL is fetched now, because it expires."""
        draft = said.drafts.pop(str(item.get("b64_json")), None)
        url = item.get("url")
        if draft is not None or not isinstance(url, str) or not url:
            return draft
        path = self._spool.path(call.attempt_id, f"u{index}.part")
        for pause in (*self._pauses, None):
            fetched = await self._fetch(url, path, MAX_IMAGE_BYTES)
            if not isinstance(fetched, NotSaved):
                return path
            if pause is None:
                said.flaws.append(f"picture {index}: {fetched.detail}")
            else:
                await asyncio.sleep(pause)
        return None

    def _pictureless(self, said: Said, usage: Usage | None, request_id: str) -> Answer:
        if said.fault is None:
            detail = "; ".join(said.flaws) or "the answer holds no picture"
            return Unknown(detail[:400], bad_body=True, usage=usage, request_id=request_id)
        failure = judge_fault(said.fault, self._dialect, request_id)
        if isinstance(failure, Unknown):
            return msgspec.structs.replace(failure, bad_body=True, usage=usage)
        return failure

    def _usage(self, call: Call, reported: Any, images: int) -> Usage | None:
        if self._dialect.usage == "absent":
            return None
        estimate = call.expected.text_input
        return read_usage(reported, images=images, text_estimate=estimate, references=bool(call.references))

    def _told(self, answer: Answer) -> Answer:
        """No answer carries our secret, whatever the other side quotes."""
        if isinstance(answer, Produced) or not self._secret:
            return answer
        return msgspec.structs.replace(answer, detail=answer.detail.replace(self._secret, "(secret)"))

    def _url(self, call: Call, verb: str) -> URL:
        base = self._row.base_url.rstrip("/")
        if self._dialect.path_style == "azure_dated":
            deployment = quote(self._row.deployment or call.model, safe="")
            base = f"{base}/openai/deployments/{deployment}"
        query = f"?api-version={quote(self._row.api_version, safe='')}" if self._row.api_version else ""
        return URL(f"{base}/images/{verb}{query}", encoded=True)

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"X-Client-Request-Id": call.attempt_id, "Accept": "application/json"}
        if streams(call, self._dialect):
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


def _not_sent(reason: str) -> Unavailable:
    return Unavailable(f"not sent: {reason}", UNAVAILABLE, Trouble.ours)


def _silent(silence: Silence, request_id: str) -> Answer:
    if silence.sent:
        return Unknown(str(silence), bad_body=silence.cut, request_id=request_id)
    return Unavailable(f"not sent: {silence}", UNAVAILABLE, Trouble.failing)


def _request_id(headers: Any) -> str:
    said = headers.get("x-request-id") or headers.get("apim-request-id") or ""
    return "".join(mark for mark in said[:200] if mark.isprintable())


async def _tick(call: Call, progress: Progress) -> None:
    """Nobody says how far the picture is: the bar follows the time that such pictures take, and never arrives."""
    usual_s = _usual_s(call)
    started, shown = time.monotonic(), 0
    while True:
        await asyncio.sleep(_TICK_S)
        percent = int(_MOST_PERCENT * (1 - math.exp(-2 * (time.monotonic() - started) / usual_s)))
        if percent >= shown + _LEAST_STEP:
            shown = percent
            await progress(percent)


def _usual_s(call: Call) -> float:
    """Seen in public reports: 10, 48 and 126 s for low, medium and high at 1024x1024; edits take longer."""
    tokens = call.expected.image_output / max(1, call.expected.images)
    return (8.0 + 0.017 * tokens) * (1.5 if call.references else 1.0)
