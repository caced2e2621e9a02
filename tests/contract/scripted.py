"""An upstream that answers as its test says: the seam of every protocol, filled by hand.

A task's prompt is the name of what shall be answered; `hold` first waits until the test says go.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from imagegate.catalog.routes import RouteConfig, RouteTable, UpstreamConfig
from imagegate.domain.usage import UsageSource
from imagegate.spool import Spool, SpooledImage, SpooledResponse
from imagegate.upstreams.base import Call, CallHooks, Outcome, Produced, RecoveryMode
from imagegate.upstreams.registry import UpstreamRegistry
from tests.e2e.test_expiry import Installation, open_installation
from tests.support.image_files import image_bytes

HOLD = "hold "


class ScriptedUpstream:
    name = "scripted"
    recovery_mode = RecoveryMode.never

    def __init__(self, spool: Spool, answers: Mapping[str, Outcome]) -> None:
        self._spool = spool
        self._answers = answers
        self.release = asyncio.Event()
        self.calls_by_prompt: Counter[str] = Counter()

    async def produce(self, call: Call, ties: CallHooks) -> Outcome:
        prompt = call.order.prompt
        self.calls_by_prompt[prompt] += 1
        if prompt.startswith(HOLD):
            await ties.on_progress(30)
            await self.release.wait()
        return self._answers.get(prompt.removeprefix(HOLD)) or await self._image(call)

    async def _image(self, call: Call) -> Produced:
        data = image_bytes(size=(call.order.size.width, call.order.size.height))
        self._spool.path(call.attempt_id, "0.png").write_bytes(data)
        size, digest = call.order.size, hashlib.sha256(data).hexdigest()
        image = SpooledImage("0.png", "image/png", size.width, size.height, len(data), digest)
        answer = SpooledResponse((image,), call.expected, UsageSource.upstream)
        await self._spool.save_response(call.attempt_id, answer)
        return Produced(answer)

    async def close(self) -> None:
        return None


@contextlib.asynccontextmanager
async def scripted_gateway(
    data: Path, answers: Mapping[str, Outcome], **work: Any
) -> AsyncIterator[tuple[Installation, ScriptedUpstream]]:
    """A gateway in this process whose only route is the script."""
    async with open_installation(data, **work) as place:
        upstream = ScriptedUpstream(place.runtime.spool, answers)
        models = list(place.runtime.catalog.models)
        row = UpstreamConfig(name=upstream.name, protocol="openai", on_unknown="fail")
        routes = [RouteConfig(model=model, upstream=upstream.name, cost_per_image="0.001") for model in models]
        place.runtime.registry.replace_with(
            UpstreamRegistry(RouteTable([row], routes, models), {upstream.name: upstream}, {})
        )
        yield place, upstream
