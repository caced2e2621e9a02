"""Queries are read in groups: none is lost, none waits long for a slow one, errors reach their caller."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from imagegate.store.readers import Readers


def call(query: Callable[..., Any], args: tuple[Any, ...], _in_snapshot: bool) -> Any:
    return query(*args)


def read_all(spread: bool, work: Callable[[Readers], Any]) -> Any:
    async def run() -> Any:
        readers = Readers(call, 4, spread=spread)
        try:
            return await work(readers)
        finally:
            readers.close()

    return asyncio.run(run())


@pytest.mark.parametrize("spread", [False, True])
def test_each_caller_gets_its_own_result(spread: bool) -> None:
    async def work(readers: Readers) -> Any:
        return await asyncio.gather(*(readers.read(lambda n: n * n, (number,), False) for number in range(1000)))

    assert read_all(spread, work) == [number * number for number in range(1000)]


def test_those_that_wait_form_one_group() -> None:
    threads: list[int] = []
    began, go_on = threading.Event(), threading.Event()

    async def work(readers: Readers) -> None:
        def wait() -> None:
            began.set()
            go_on.wait()

        first = asyncio.ensure_future(readers.read(wait, (), False))
        await asyncio.to_thread(began.wait)
        others = [readers.read(lambda: threads.append(threading.get_ident()), (), False) for _ in range(10)]
        await asyncio.gather(*others)  # a slow group does not hold up the next one
        go_on.set()
        await first

    read_all(False, work)
    assert len(threads) == 10
    assert len(set(threads)) == 1


def test_an_error_is_that_of_its_query_alone() -> None:
    async def work(readers: Readers) -> list[Any]:
        queries = [readers.read(lambda n: 1 // n, (number,), False) for number in (1, 0, 1)]
        return await asyncio.gather(*queries, return_exceptions=True)

    first, failed, last = read_all(False, work)
    assert (first, last) == (1, 1)
    assert isinstance(failed, ZeroDivisionError)


def test_a_caller_that_gave_up_costs_no_read() -> None:
    ran: list[int] = []

    async def work(readers: Readers) -> None:
        given_up = asyncio.ensure_future(readers.read(ran.append, (1,), False))
        kept = readers.read(ran.append, (2,), False)
        given_up.cancel()
        await kept

    read_all(False, work)
    assert ran == [2]
