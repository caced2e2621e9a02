"""Which content of a price block counts: the one that was on record when the first price was quoted by it.

Until then its file may change. From then on every process quotes by this content or not at all, and bills by it,
whatever its own files say: the quote is the bill also where processes of one database have different files.
"""

from __future__ import annotations

from imagegate.catalog.catalog import Catalog, CatalogError, decode_block, encode_block, find_difference
from imagegate.catalog.schema import PriceBlock
from imagegate.domain.errors import ServiceUnavailable
from imagegate.domain.time import US_PER_SECOND
from imagegate.logging import log_error, log_warning
from imagegate.runtime import Runtime
from imagegate.store import prices
from imagegate.store.database import Database
from imagegate.store.dialect import DatabaseUnusable


async def verify_price_blocks(db: Database, catalog: Catalog, now_us: int) -> None:
    """DatabaseUnusable where a block says something else than when it was used. Logs which used one is missing."""
    current = catalog.price_block_at(now_us)
    for version, body in (await db.read(prices.list_price_bodies)).items():
        block = catalog.blocks.get(version)
        stored = _decode(version, body)
        if block is None:
            if current.effective_from < stored.effective_from <= now_us // US_PER_SECOND:
                log_warning("price_block_missing", version=version, applies=current.version)
            continue
        change = find_difference(stored, block)
        if change is not None and not await _may_change(db, stored, now_us):
            file = catalog.block_files.get(version, "")
            raise DatabaseUnusable(
                f"{file}: price block {version} was edited after a price was quoted by it ({change}): restore it, and"
                " put the new price into a block with a new version"
            )


async def _may_change(db: Database, stored: PriceBlock, now_us: int) -> bool:
    """Programs up to 0.4 put every block on record at the start, also those whose moment had not come.

    Such a row may be dropped where no other process can have the older content in memory.
    """
    if db.engine.shared or stored.effective_from * US_PER_SECOND <= now_us:
        return False
    return await db.write(prices.forget_unused_version, stored.version)


async def find_price_conflict(runtime: Runtime, version: str) -> ServiceUnavailable | None:
    """Before a price is quoted or held: the block is on record with what this process has. Once for each block."""
    catalog = runtime.price_catalogs.get(version)
    if catalog is None:
        body = encode_block(runtime.catalog.blocks[version])
        catalog = _keep(runtime, version, await runtime.db.write(prices.register_price_version, version, body))
    if catalog is runtime.catalog:
        return None
    runtime.price_conflicts.add(version)
    return ServiceUnavailable("The prices of this process are not those in use", reason="price_block_differs")


async def catalog_of(runtime: Runtime, version: str) -> Catalog:
    """The prices by which a task of this price version is billed."""
    catalog = runtime.price_catalogs.get(version)
    if catalog is not None:
        return catalog
    body = await runtime.db.read(prices.find_price_body, version)
    # A task refers to its version: only a task that is not stored can have one that is not on record.
    return runtime.catalog if body is None else _keep(runtime, version, body)


def _keep(runtime: Runtime, version: str, body: str) -> Catalog:
    stored, own = _decode(version, body), runtime.catalog.blocks.get(version)
    change = find_difference(stored, own) if own is not None else None
    if own is not None and change is None:
        catalog = runtime.catalog
    else:
        catalog = Catalog(list(runtime.catalog.models.values()), (), [stored])
        if own is None:
            log_warning(
                "price_block_missing", version=version, applies=runtime.catalog.price_block_at(runtime.clock()).version
            )
        else:
            log_error("price_block_differs", version=version, file=runtime.catalog.block_files.get(version), now=change)
    runtime.price_catalogs[version] = catalog
    return catalog


def _decode(version: str, body: str) -> PriceBlock:
    try:
        return decode_block(body)
    except CatalogError as error:
        raise DatabaseUnusable(f"price block {version}: {error}; it was put on record by a newer program") from error
