"""Of the processes that share a database one checks the books; another takes over what it left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from imagegate.app import open_runtime
from imagegate.domain.time import US_PER_MINUTE
from imagegate.flows import book_check
from imagegate.flows.book_check import check_books
from imagegate.settings import Settings, Storage
from imagegate.store import installation
from tests.store.helpers import FakeClock

OF_ANOTHER = '{"owner":"boot_other","place":{"part":"entries","after":"cost:x"},"rows":{"accounts":7},"broken":["I1"]}'


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_one_process_checks_the_books_and_another_takes_over(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []
    is_anothers = book_check._is_anothers

    def look(*args: Any) -> bool:
        looked.append(is_anothers(*args))
        return looked[-1]

    monkeypatch.setattr(book_check, "_is_anothers", look)
    monkeypatch.setattr(book_check, "_RETRY_S", 0.01)
    clock = FakeClock()

    async def scenario() -> None:
        runtime = await open_runtime(Settings(storage=Storage(data=str(tmp_path), database=database_url)), clock)
        try:
            await check_books(runtime, is_due=False)
            assert await runtime.db.read(installation.find_value, installation.BOOK_CHECK) is None, (
                "nothing to go on with"
            )
            await runtime.db.write(installation.replace_value, installation.BOOK_CHECK, OF_ANOTHER)
            check = asyncio.create_task(check_books(runtime, is_due=True))
            while len(looked) < 3:
                await asyncio.sleep(0.01)
            assert await runtime.db.read(installation.find_value, installation.BOOK_CHECK) == OF_ANOTHER
            clock.now += US_PER_MINUTE
            await check
            assert await runtime.db.read(installation.find_value, installation.BOOK_CHECK) is None
            assert runtime.wake_ups.broken_books == {"I1"}, "what the other had found"
            assert looked[-1] is False
            assert all(looked[:-1])
        finally:
            await runtime.close()

    asyncio.run(scenario())
