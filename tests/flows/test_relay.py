"""What processes tell each other: in messages that the server takes, each thing once, and never told on."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from imagegate.concurrency import News, OutgoingNews, WakeUps
from imagegate.flows.relay import encode_news
from imagegate.store.notifications import MAX_MESSAGE_BYTES

SENDER = "boot_0123456789abcdef"


def ids(kind: str, count: int) -> set[str]:
    return {f"task-unified-1795000000-{kind}{number:06}" for number in range(count)}


@pytest.mark.parametrize("count", [0, 1, 170, 500])
def test_ids_are_told_in_messages_that_the_server_takes(count: int) -> None:
    news = News(changed=ids("a", count), moved=ids("b", count), cancelled=ids("c", count), tasks_due=True)
    messages = encode_news(news, SENDER)
    assert all(len(message.encode()) <= MAX_MESSAGE_BYTES for message in messages)
    told = [msgspec.json.decode(message, type=News) for message in messages]
    assert {one.sender for one in told} == {SENDER}
    assert not any(one.everything or one.webhooks_due for one in told)
    assert any(one.tasks_due for one in told)
    for field in ("changed", "moved", "cancelled"):
        assert set().union(*(getattr(one, field) for one in told)) == getattr(news, field), field


def test_too_many_ids_are_one_message_that_names_none() -> None:
    [message] = encode_news(News(changed=ids("a", 1_600), cancelled={"task_1"}), SENDER)
    assert msgspec.json.decode(message, type=News) == News(sender=SENDER, everything=True)
    assert len(message) < 100
    assert encode_news(News(), SENDER) == []


def test_what_is_to_be_told_is_bounded_and_told_once() -> None:
    news = OutgoingNews()
    for task_id in sorted(ids("a", 3)) * 100:
        news.add_moved(task_id)
    news.add_changed(min(ids("a", 3)))
    news.add_moved(min(ids("a", 3)))
    taken = news.take()
    assert (taken.changed, taken.moved) == (ids("a", 1), ids("a", 3) - ids("a", 1))
    assert news.take() == News()
    for task_id in ids("b", OutgoingNews.MAX_IDS + 1):
        news.add_changed(task_id)
    taken = news.take()
    assert taken.everything
    assert len(taken.changed) == OutgoingNews.MAX_IDS


def test_what_is_heard_wakes_those_who_wait_here_and_is_not_told_on() -> None:
    async def scenario() -> None:
        wake_ups = WakeUps()
        wake_ups.news = OutgoingNews()
        wake_ups.running.add("task_here")
        with wake_ups.watch_task("task_1") as step, wake_ups.watch_task("task_1", only_end=True) as end:
            wake_ups.hear(News(moved={"task_1", "task_2"}, cancelled={"task_here", "task_elsewhere"}, tasks_due=True))
            assert (step.changed, end.changed) == (True, False)
            wake_ups.hear(News(changed={"task_1"}, webhooks_due=True))
            assert end.changed
        assert wake_ups.cancel_requested == {"task_here"}
        assert wake_ups.tasks_due.is_set()
        assert wake_ups.webhooks_due.is_set()
        assert wake_ups.watched_tasks() == {}
        assert wake_ups.news.take() == News()

    asyncio.run(scenario())


def test_webhooks_are_left_to_others_only_by_a_process_that_sends_none() -> None:
    wake_ups = WakeUps()
    wake_ups.news = OutgoingNews()
    wake_ups.worker_running = True
    wake_ups.notify_task_ended("task_1")
    assert wake_ups.news.take() == News(changed={"task_1"})
    wake_ups.worker_running = False
    wake_ups.notify_task_ended("task_1")
    assert wake_ups.news.take() == News(changed={"task_1"}, webhooks_due=True)
