"""Whether an answer has arrived: what is lost is found again by the client's next request, and never bought twice."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send

from imagegate.api.body import ApiRequest
from imagegate.api.client_connection import follow_delivery, is_client_gone
from imagegate.concurrency import LiveAnswer
from imagegate.domain.tasks import Task
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.store.answers import end_answer
from imagegate.store.dialect import DatabaseError

_recording: set[asyncio.Task[None]] = set()  # the loop itself keeps none alive


class Delivery:
    """The answer of one request, from its task to its last byte and beyond."""

    def __init__(self, runtime: Runtime, live: LiveAnswer, task: Task) -> None:
        self._runtime, self._live, self._task = runtime, live, task

    def lose(self) -> None:
        """It is not delivered: from now on another request may join the task."""
        self._live.end()
        self._start_recording(False)

    def follow(self, scope: Scope) -> None:
        """Its last byte is written. Until it is known whether that has arrived, nobody may take it for lost."""
        if is_client_gone(scope):
            self.lose()
            return
        self._live.mark_written()
        follow_delivery(scope, self._decide)

    def _decide(self, delivered: bool) -> None:
        if delivered:
            self._start_recording(True)
        else:
            self.lose()

    def _start_recording(self, delivered: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._record(delivered))
        _recording.add(task)
        task.add_done_callback(_recording.discard)

    async def _record(self, delivered: bool) -> None:
        runtime, task = self._runtime, self._task
        try:
            await runtime.db.write(end_answer, task.account_id, task.id, runtime.boot_id, delivered)
        except DatabaseError as error:  # it may be given once more: better than not at all
            log_warning("answer_not_recorded", task=task.id, error=str(error))
        finally:
            self._live.end()  # after the commit: in between it would look lost


class TrackedAnswer(Response[Any]):
    """An answer whose delivery is followed."""

    def __init__(self, answer: Response[Any], delivery: Delivery) -> None:
        super().__init__(None)
        self._answer, self._delivery = answer, delivery

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        return functools.partial(_send_tracked, self._answer, self._delivery)


async def _send_tracked(answer: Response[Any], delivery: Delivery, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await answer.to_asgi_response(None, ApiRequest(scope))(scope, receive, send)
    except BaseException:
        delivery.lose()
        raise
    delivery.follow(scope)
