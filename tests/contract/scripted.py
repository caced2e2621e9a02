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

from imagegate.domain.usage import UsageSource
from imagegate.spool import Spool, SpooledAnswer, SpooledImage
from imagegate.upstreams.protocol import Answer, Call, Produced, Progress
from tests.api.pictures import picture
from tests.journeys.test_expiry import Installation, installed

HOLD = "hold "


class Scripted:
    name = "scripted"
    repeats_exactly = False
    typical_s = 5.0

    def __init__(self, spool: Spool, answers: Mapping[str, Answer]) -> None:
        self._spool = spool
        self._answers = answers
        self.go = asyncio.Event()
        self.asked: Counter[str] = Counter()

    async def produce(self, call: Call, progress: Progress) -> Answer:
        prompt = call.order.prompt
        self.asked[prompt] += 1
        if prompt.startswith(HOLD):
            await progress(30)
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
        place.runtime.upstreams.clear()
        place.runtime.upstreams[upstream.name] = upstream
        yield place, upstream
