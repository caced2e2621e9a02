"""The `openai` protocol: one POST, one response with the images in it, and no way to ask again."""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from urllib.parse import quote

import msgspec
from yarl import URL

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.domain.tasks import FailureKind
from imagegate.domain.usage import Usage, UsageSource
from imagegate.http.client import DownloadFailed, HttpClient, NoResponse, read_response, request_id_of
from imagegate.http.request_body import RequestBody
from imagegate.spool import SpooledImage, SpooledResponse
from imagegate.upstreams.base import (
    Call,
    CallHooks,
    Outcome,
    Produced,
    RecoveryMode,
    Unknown,
    UpstreamDeps,
)
from imagegate.upstreams.downloads import ResultSaver, gather
from imagegate.upstreams.errors import (
    OPENAI_ERRORS,
    classify_error,
    classify_error_object,
    no_response_outcome,
    unavailable,
)
from imagegate.upstreams.json_images import UnreadableResponse, max_images
from imagegate.upstreams.openai.progress import ProgressBars
from imagegate.upstreams.openai.request import build_request, unsupported_reason, uses_stream
from imagegate.upstreams.openai.response import ParsedResponse, ResponseReader
from imagegate.upstreams.usage import read_cost, read_usage

_MAX_DETAIL_CHARS: Final = 400


class OpenAI:
    """One upstream that speaks a dialect of the protocol."""

    def __init__(self, config: UpstreamConfig, dialect: Dialect, deps: UpstreamDeps, api_key: str) -> None:
        self.name = config.name
        self.recovery_mode = RecoveryMode.by_key if dialect.idempotency == "header" else RecoveryMode.never
        self._config, self._dialect, self._deps = config, dialect, deps
        self._progress = ProgressBars()
        self._http = HttpClient(config.connect_s, _auth_headers(dialect.auth, api_key), deps.resolver, deps.tls)

    async def produce(self, call: Call, hooks: CallHooks) -> Outcome:
        reason = unsupported_reason(call, self._dialect)
        if reason:
            return unavailable(FailureKind.internal, f"not sent: {reason}")
        operation, body = build_request(call, self._dialect)
        if 0 < self._dialect.max_body_bytes < body.length:
            detail = f"not sent: the request has {body.length} bytes, more than max_body_bytes"
            return unavailable(FailureKind.internal, detail)
        with self._progress.follow(call, hooks.on_progress):
            return await self._send(call, hooks, operation, body)

    async def close(self) -> None:
        await self._progress.close()
        await self._http.close()

    async def _send(self, call: Call, hooks: CallHooks, operation: str, body: RequestBody) -> Outcome:
        request_id = ""
        url, headers, total_s = self._url(call, operation), self._headers(call), self._config.timeout_s
        try:
            async with self._http.stream("POST", url, headers, total_s=total_s, body=body) as response:
                request_id = request_id_of(response.headers)
                if not 200 <= response.status < 300:
                    return classify_error(await read_response(response, body), OPENAI_ERRORS, self._dialect)
                place = partial(self._deps.spool.path, call.attempt_id)
                reader = ResponseReader(
                    place, self._deps.decoder, call.order.n, max_images(call), self._dialect, hooks.on_partial_image
                )
                parsed = await reader.read(response)
        except NoResponse as error:
            return no_response_outcome(error, request_id)
        except UnreadableResponse as error:
            return Unknown(str(error), bad_body=True, request_id=request_id)
        return await self._success_outcome(call, parsed, request_id)

    async def _success_outcome(self, call: Call, parsed: ParsedResponse, request_id: str) -> Outcome:
        """Keep the images of the response, or say what it holds in place of them."""
        images = await self._save_images(call, parsed)
        usage = self._usage(call, parsed.usage, len(images))
        if not images:
            return self._no_image_outcome(parsed, usage, request_id)
        return Produced(
            SpooledResponse(
                images=tuple(images),
                usage=usage,
                usage_source=UsageSource.upstream if usage else UsageSource.estimated,
                request_id=request_id,
                cost_nanos=read_cost(parsed.usage),
                partials=parsed.partials,
                quality=parsed.quality,
            )
        )

    async def _save_images(self, call: Call, parsed: ParsedResponse) -> list[SpooledImage]:
        saver = ResultSaver(self._deps, self._config.base_url, call.attempt_id)
        urls = enumerate(map(parsed.image_url, parsed.items))
        results = await gather(saver.save(index, url, parsed.files) for index, url in urls if url)
        for unused in parsed.files.values():
            unused.path.unlink(missing_ok=True)
        parsed.image_errors += [result.detail for result in results if isinstance(result, DownloadFailed)]
        return [result for result in results if isinstance(result, SpooledImage)]

    def _no_image_outcome(self, parsed: ParsedResponse, usage: Usage | None, request_id: str) -> Outcome:
        if parsed.error is None:
            detail = "; ".join(parsed.image_errors) or "the response holds no image"
            return Unknown(detail[:_MAX_DETAIL_CHARS], bad_body=True, usage=usage, request_id=request_id)
        failure = classify_error_object(parsed.error, OPENAI_ERRORS, self._dialect, request_id)
        if isinstance(failure, Unknown):
            return msgspec.structs.replace(failure, bad_body=True, usage=usage)
        return failure

    def _usage(self, call: Call, reported: Any, images: int) -> Usage | None:
        if self._dialect.usage == "absent":
            return None
        estimate = call.expected.text_input
        return read_usage(reported, images=images, text_estimate=estimate, references=bool(call.references))

    def _url(self, call: Call, operation: str) -> URL:
        base = self._config.base_url.rstrip("/")
        if self._dialect.path_style == "azure_dated":
            deployment = quote(self._config.deployment or call.model, safe="")
            base = f"{base}/openai/deployments/{deployment}"
        version = self._config.api_version
        query = f"?api-version={quote(version, safe='')}" if version else ""
        return URL(f"{base}/images/{operation}{query}", encoded=True)

    def _headers(self, call: Call) -> dict[str, str]:
        accept = "text/event-stream, application/json" if uses_stream(call, self._dialect) else "application/json"
        headers = {"X-Client-Request-Id": call.attempt_id, "Accept": accept}
        if self._dialect.idempotency == "header":
            headers["Idempotency-Key"] = call.attempt_id
        return headers


def _auth_headers(auth: str, api_key: str) -> dict[str, str]:
    match auth:
        case "none":
            return {}
        case "bearer":
            return {"Authorization": f"Bearer {api_key}"}
        case _:
            return {auth.removeprefix("header:"): api_key}
