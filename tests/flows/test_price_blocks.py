"""When a block may be corrected, and processes of one database that have different files: the quote is the bill."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from imagegate.api.health import check_readiness
from imagegate.app import open_runtime
from imagegate.catalog.catalog import encode_block, is_same_block
from imagegate.catalog.load import load_catalog
from imagegate.domain.accounts import ApiKey, NewKey
from imagegate.domain.errors import ServiceUnavailable
from imagegate.domain.images import ImageRequest
from imagegate.domain.prices import CallPrice
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.accounts import create_key, grant_credits, open_account
from imagegate.flows.audit import program_actor
from imagegate.flows.prices import catalog_of, find_price_conflict
from imagegate.flows.quote import make_quote
from imagegate.flows.submit import submit
from imagegate.runtime import Runtime
from imagegate.settings import Credit, Settings, Storage
from imagegate.store import prices
from imagegate.store.dialect import DatabaseUnusable
from tests.flows.conftest import CREATED

VERSIONS = Path(__file__).parents[1] / "store" / "versions"
SOON = CREATED // US_PER_SECOND + 3600
REQUEST = ImageRequest(prompt="a logo", model="gpt-4o-image")
BEFORE, AFTER = CREATED, (SOON + 1) * US_PER_SECOND


class Installation:
    """One database; `price` is what an image costs by the block that begins at SOON, in the next process."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        self.now = BEFORE
        self._processes = 0

    @asynccontextmanager
    async def process(self, price: int | None, text: str = "") -> AsyncIterator[Runtime]:
        self._processes += 1
        file = self.folder / f"{self._processes}.toml"
        head = f'version = "soon"\nextends = "2026-11-01.1"\neffective_from = {SOON}\n'
        row = f'[[price]]\nmodel = "gpt-4o-image"\nper_image_nanos = {{ any = {price} }}\n'
        file.write_text(text or head + row)
        files = () if price is None and not text else (str(file),)
        storage = Storage(data=str(self.folder), database=self.database)
        settings = Settings(storage=storage, credit=Credit(price_files=files))
        runtime = await open_runtime(settings, clock=lambda: self.now)
        try:
            yield runtime
        finally:
            await runtime.close()


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Installation:
    return Installation(tmp_path, database_url)


async def new_customer(runtime: Runtime) -> ApiKey:
    actor = program_actor("test")
    account = await open_account(runtime.db, "shop", actor)
    await grant_credits(runtime.db, account, 10**12, actor)
    return (await create_key(runtime.db, runtime.keyring, account.id, NewKey(name="shop"), actor))[1]


async def quote(runtime: Runtime) -> tuple[str, int]:
    """As the API does it."""
    key = ApiKey(id="", account_id="", name="", hint="", cap=None, daily_cap=None, created=0)
    quoted = make_quote(runtime, REQUEST, key, runtime.clock())
    conflict = await find_price_conflict(runtime, quoted.price_version)
    if conflict is not None:
        raise conflict
    return quoted.price_version, quoted.expected.total


async def billed_price(runtime: Runtime) -> int:
    price = (await catalog_of(runtime, "soon")).price("soon", "gpt-4o-image", "1K")
    assert isinstance(price, CallPrice)
    return price.per_image


def test_a_block_may_change_until_a_price_is_quoted_by_it(place: Installation) -> None:
    async def run() -> None:
        for price in (1, None, 2):  # changed, removed, changed again: its moment has not come
            async with place.process(price) as runtime:
                assert (await quote(runtime))[0] == "2026-11-01.1"
        place.now = AFTER
        async with place.process(3):  # in force, and nobody asked
            pass
        async with place.process(4) as runtime:
            assert await quote(runtime) == ("soon", 4)
            await runtime.db.read(prices.list_price_bodies)
        with pytest.raises(DatabaseUnusable) as refused:
            async with place.process(5):
                pass
        said = str(refused.value)
        assert "6.toml: price block soon was edited after a price was quoted by it" in said
        assert "(any of gpt-4o-image was 4, is 5): restore it, and put the new price into a block with a new" in said
        # The same block in other words, and a block that follows it.
        same = f"effective_from = {SOON}\nversion = 'soon'\nextends = '2026-11-01.1'\n[[price]]\n"
        async with place.process(None, f"{same}model = 'gpt-4o-image'\nper_image_nanos = {{ any = 0x4 }}\n") as runtime:
            assert await quote(runtime) == ("soon", 4)

    asyncio.run(run())


def test_what_was_asked_for_once_costs_no_further_statement(place: Installation) -> None:
    async def run() -> None:
        place.now = AFTER
        async with place.process(4) as runtime:
            assert await quote(runtime) == ("soon", 4)
            runtime.db.close()
            assert await quote(runtime) == ("soon", 4)

    asyncio.run(run())


def test_of_processes_with_different_files_the_first_to_quote_decides_and_all_bill_by_it(
    place: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with place.process(7) as first, place.process(9) as second, place.process(None) as without:
            key = await new_customer(first)
            place.now = AFTER
            task, _ = await submit(first, REQUEST, key, "order-1")
            assert (task.price_version, task.hold) == ("soon", 7)
            with pytest.raises(ServiceUnavailable) as refused:
                await quote(second)
            assert refused.value.reason == "price_block_differs"
            with pytest.raises(ServiceUnavailable):
                await submit(second, REQUEST, key, None)
            again, is_replay = await submit(second, REQUEST, key, "order-1")
            assert (again.id, is_replay) == (task.id, True)
            for runtime in (first, second, without):
                assert await billed_price(runtime) == 7
            assert (await quote(without))[0] == "2026-11-01.1"
            states = [(await check_readiness(runtime)).get("prices") for runtime in (first, second, without)]
            assert states == [None, "differ", None]

    asyncio.run(run())
    said = "".join(capsys.readouterr())
    assert said.count("price_block_missing") == said.count("price_block_differs") == 1


def test_a_process_that_only_bills_learns_the_price_before_it_could_sell_by_its_own(place: Installation) -> None:
    async def run() -> None:
        async with place.process(7) as first, place.process(9) as second:
            place.now = AFTER
            assert await quote(first) == ("soon", 7)
            assert await billed_price(second) == 7
            with pytest.raises(ServiceUnavailable):
                await quote(second)

    asyncio.run(run())


def test_blocks_that_earlier_versions_put_on_record_at_the_start(place: Installation) -> None:
    """Before its moment such a block may change where nobody else can have the older content: in a single process."""

    async def run() -> None:
        async with place.process(1) as runtime:
            block = runtime.catalog.blocks["soon"]
            await runtime.db.write(prices.register_price_version, "soon", encode_block(block))
        if place.database.startswith("postgres"):
            with pytest.raises(DatabaseUnusable, match="price block soon was edited"):
                async with place.process(2):
                    pass
            return
        async with place.process(2) as runtime:
            assert "soon" not in await runtime.db.read(prices.list_price_bodies)
            place.now = AFTER
            assert await quote(runtime) == ("soon", 2)
        place.now = BEFORE  # whoever sets the clock back changes no block by which a task was priced
        async with place.process(2) as runtime:
            key = await new_customer(runtime)
            place.now = AFTER
            await submit(runtime, REQUEST, key, None)
        place.now = BEFORE
        with pytest.raises(DatabaseUnusable, match="price block soon was edited"):
            async with place.process(3):
                pass

    asyncio.run(run())


def test_a_used_block_that_is_gone_from_the_files_is_told(
    place: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        place.now = AFTER
        async with place.process(4) as runtime:
            await quote(runtime)
        async with place.process(None):
            pass

    asyncio.run(run())
    assert "price_block_missing" in "".join(capsys.readouterr())


@pytest.mark.parametrize("file", sorted(VERSIONS.glob("*.sql")), ids=lambda file: file.stem)
def test_what_each_earlier_version_put_on_record_is_still_the_same_block(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(file.read_text())
        bodies = dict(database.execute("SELECT version, body FROM prices"))
    blocks = load_catalog().blocks
    assert bodies.keys() == {"2026-11-01.1"}
    assert all(is_same_block(body, blocks[version]) for version, body in bodies.items())
