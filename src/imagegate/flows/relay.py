"""Wake-ups between processes that share a database: what changed here is told, what changed elsewhere is heard.

A wake-up only shortens waiting. What is lost with a connection is found by the look at the database every `poll_s`.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from imagegate.concurrency import News
from imagegate.domain.time import US_PER_SECOND
from imagegate.logging import log, log_warning
from imagegate.runtime import Runtime
from imagegate.store.answers import LIVE_US, renew_answers
from imagegate.store.cancellation import list_cancels_of_running
from imagegate.store.dialect import DatabaseError
from imagegate.store.notifications import MAX_MESSAGE_BYTES
from imagegate.store.queries.tasks import find_moved_tasks

_RENEWED_TOGETHER = 256
# After each message, so that under load many changes share one: the server lets senders commit one after the other.
_PAUSE_S = 0.01
_FIRST_RETRY_S, _RETRY_S = 0.1, 1.0
_FLUSH_S = 1.0
# More than these are not named: whoever hears it looks at everything it waits for.
_MAX_NAMED = 1_500


async def tell_other_processes(runtime: Runtime) -> None:
    news = runtime.wake_ups.news
    while news is not None:
        await news.wait()
        try:
            await _send(runtime)
        except DatabaseError as error:
            log_warning("wake_ups_not_sent", error=str(error))
            news.everything = True
            await asyncio.sleep(_RETRY_S)
        await asyncio.sleep(_PAUSE_S)


async def tell_what_is_left(runtime: Runtime) -> None:
    """At the end of the process: the tasks that it gave back are for others."""
    if runtime.notifications is None:
        return
    with contextlib.suppress(DatabaseError, TimeoutError):
        async with asyncio.timeout(_FLUSH_S):
            await _send(runtime)
    await runtime.notifications.close()


async def _send(runtime: Runtime) -> None:
    if runtime.wake_ups.news is not None and runtime.notifications is not None:
        messages = encode_news(runtime.wake_ups.news.take(), runtime.boot_id)
        if messages:
            await runtime.notifications.send(messages)


def encode_news(news: News, sender: str) -> list[str]:
    """As messages that the database takes: several where there are many ids, one without any where there are too
    many."""
    if news.everything or len(news.changed) + len(news.moved) + len(news.cancelled) > _MAX_NAMED:
        return [_encode(News(sender=sender, everything=True))]
    parts: list[News] = []
    if news.tasks_due or news.webhooks_due:
        parts.append(News(sender=sender, tasks_due=news.tasks_due, webhooks_due=news.webhooks_due))
    room = 0
    for field in ("cancelled", "changed", "moved"):
        for task_id in getattr(news, field):
            size = len(task_id) + 4
            if room < size:
                parts.append(News(sender=sender))
                room = MAX_MESSAGE_BYTES - len(sender) - 100  # the names of the fields
            getattr(parts[-1], field).add(task_id)
            room -= size
    return [_encode(part) for part in parts]


def _encode(news: News) -> str:
    return msgspec.json.encode(news).decode()


async def hear_other_processes(runtime: Runtime) -> None:
    is_connected, retry_s = True, _RETRY_S
    while runtime.notifications is not None:
        try:
            async for message in runtime.notifications.listen():
                if message is None:
                    if not is_connected:
                        log("wake_ups_heard_again")
                    is_connected, retry_s = True, _FIRST_RETRY_S
                    await _look_at_everything(runtime)
                else:
                    await hear(runtime, message)
        except DatabaseError as error:
            if is_connected:
                log_warning("wake_ups_not_heard", error=str(error))
            is_connected = False
        await asyncio.sleep(retry_s)
        retry_s = _RETRY_S


async def hear(runtime: Runtime, message: str) -> None:
    try:
        news = msgspec.json.decode(message, type=News)
    except msgspec.MsgspecError:  # of a later version
        news = News(everything=True)
    if news.sender == runtime.boot_id:
        return
    if news.everything:
        await _look_at_everything(runtime)
    else:
        runtime.wake_ups.hear(news)


async def _look_at_everything(runtime: Runtime) -> None:
    runtime.wake_ups.hear(News(tasks_due=True, webhooks_due=True))
    await _look(runtime)


async def follow_other_processes(runtime: Runtime) -> None:
    """What counts: look every `poll_s`, for all who wait at once."""
    while True:
        await asyncio.sleep(runtime.settings.work.poll_s)
        await _look(runtime)


async def _look(runtime: Runtime) -> None:
    """At the tasks that somebody waits for here, and at cancels of those that run here."""
    wake_ups, found = runtime.wake_ups, News()
    try:
        if watched := wake_ups.watched_tasks():
            found.changed.update(await runtime.db.read_report(find_moved_tasks, watched))
        if wake_ups.running:
            found.cancelled.update(await runtime.db.read_report(list_cancels_of_running, runtime.boot_id))
    except DatabaseError as error:
        log_warning("waits_not_followed", error=str(error))
    wake_ups.hear(found)


async def renew_live_answers(runtime: Runtime) -> None:
    """Where other processes serve too, they take a task for lost that no connection of theirs waits for: tell them of
    ours, for as long as this process lives."""
    while True:
        await asyncio.sleep(LIVE_US / US_PER_SECOND / 3)
        waited_for = runtime.live_answers.task_ids()
        try:
            for start in range(0, len(waited_for), _RENEWED_TOGETHER):
                await runtime.db.write(renew_answers, runtime.boot_id, waited_for[start : start + _RENEWED_TOGETHER])
        except DatabaseError as error:
            log_warning("answers_not_renewed", error=str(error))
