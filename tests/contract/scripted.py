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

from imagegate.catalog.routes import Roster, RouteRow, UpstreamRow
from imagegate.domain.usage import UsageSource
from imagegate.spool import Spool, SpooledAnswer, SpooledImage
from imagegate.upstreams.base import Answer, Call, Produced, Resumes, Ties
from imagegate.upstreams.registry import Fleet
from tests.e2e.test_expiry import Installation, installed
from tests.support.image_files import picture

HOLD = "hold "


class Scripted:
    name = "scripted"
    resumes = Resumes.never

    def __init__(self, spool: Spool, answers: Mapping[str, Answer]) -> None:
        self._spool = spool
        self._answers = answers
        self.go = asyncio.Event()
        self.asked: Counter[str] = Counter()

    async def produce(self, call: Call, ties: Ties) -> Answer:
        prompt = call.order.prompt
        self.asked[prompt] += 1
        if prompt.startswith(HOLD):
            await ties.progress(30)
            await self.go.wait()
        return self._answers.get(prompt.removeprefix(HOLD)) or self._picture(call)

    def _picture(self, call: Call) -> Produced:
        data = picture(size=(call.order.size.width, call.order.size.height))
        (self._spool.folder(call.attempt_id) / "0.png").write_bytes(data)
        size, digest = call.order.size, hashlib.sha256(data).hexdigest()
        image = SpooledImage("0.png", "image/png", size.width, size.height, len(data), digest)
        answer = SpooledAnswer((image,), call.expected, UsageSource.upstream)
        self._spool.finish(call.attempt_id, answer)
        return Produced(answer)

    async def close(self) -> None:
        return None


@contextlib.asynccontextmanager
async def served_by(
    data: Path, answers: Mapping[str, Answer], **work: Any
) -> AsyncIterator[tuple[Installation, Scripted]]:
    """A gateway in this process whose only route is the script."""
    async with installed(data, **work) as place:
        upstream = Scripted(place.runtime.spool, answers)
        models = list(place.runtime.book.models)
        row = UpstreamRow(name=upstream.name, protocol="openai", on_unknown="fail")
        routes = [RouteRow(model=model, upstream=upstream.name, cost_per_image="0.001") for model in models]
        place.runtime.fleet.change(Fleet(Roster([row], routes, models), {upstream.name: upstream}, {}))
        yield place, upstream
