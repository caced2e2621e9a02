"""Ids as customers see them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from imagegate.domain import ids


@given(st.integers(0, 2**40))
def test_c02_task_ids_have_the_published_shape(created: int) -> None:
    task_id = ids.new_task_id(created)
    assert re.fullmatch(r"task-unified-[0-9]+-[a-z0-9]{8}", task_id)
    assert task_id.split("-")[2] == str(created)
    assert ids.TASK_ID_RE.fullmatch(task_id)


def test_c02_task_ids_of_one_second_differ() -> None:
    assert len({ids.new_task_id(1) for _ in range(2_000)}) == 2_000


@given(st.integers(0, 2**47), st.integers(1, 2**30))
def test_ids_sort_by_the_moment_they_were_made_in(now_ms: int, later_ms: int) -> None:
    first, second = ids.new_id("led", now_ms * 1000), ids.new_id("led", (now_ms + later_ms) * 1000)
    assert first < second
    assert re.fullmatch(r"led_[0-9a-hjkmnp-tv-z]{26}", first)


def test_request_ids_differ() -> None:
    created = {ids.new_request_id() for _ in range(1_000)}
    assert len(created) == 1_000
    assert all(re.fullmatch(r"req_[0-9a-f]{24}", one) for one in created)
