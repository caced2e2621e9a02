"""Puts a gateway together: settings in, a running application out.

Knows: the order in which parts are opened and closed. Refuses to know: what any of them does.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.di import Provide
from litestar.types import ASGIApp

from imagegate.api.auth import Gatekeeper
from imagegate.api.edge import Edge
from imagegate.api.metrics import Meter
from imagegate.api.openapi import build_document
from imagegate.api.problems import answer_error
from imagegate.api.reference import Page, build_reference
from imagegate.api.router import HANDLERS
from imagegate.catalog.book import block_hash
from imagegate.catalog.load import load_book
from imagegate.domain.credit import Key
from imagegate.outbound import EgressRules, Outbound, parse_allow
from imagegate.pixels.pool import ChildPool
from imagegate.runtime import Runtime
from imagegate.secret import open_keyring
from imagegate.settings import Settings, SettingsError
from imagegate.spool import Spool
from imagegate.storage import LocalBlobs
from imagegate.store import prices
from imagegate.store.database import Database, StoreRefused, engine_for
from imagegate.store.engines import Clock, wall_clock
from imagegate.upstreams.embedded import Embedded
from imagegate.workers.courier import Courier
from imagegate.workers.runner import Runner


def connect_database(settings: Settings, clock: Clock | None = None) -> Database:
    """The database of these settings as it is. StoreRefused says why it cannot be used."""
    url = settings.storage.database or str(settings.data_dir / "imagegate.db")
    storage = settings.storage
    return Database(engine_for(url, clock), readers=storage.readers, batch=storage.writer_batch)


def open_database(settings: Settings, clock: Clock | None = None) -> Database:
    """The database of these settings, made where it is absent, with its schema up to date."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreRefused(f"the data folder {settings.data_dir} cannot be used: {error.strerror}") from error
    database = connect_database(settings, clock)
    database.migrate()
    return database


async def open_runtime(settings: Settings, clock: Clock | None = None, outbound: Outbound | None = None) -> Runtime:
    """Everything that flows need, opened. Close it with `runtime.close()`."""
    egress = egress_rules(settings)
    database = open_database(settings, clock)
    # fetches that a dead process left half done are fetched anew
    shutil.rmtree(settings.data_dir / "incoming", ignore_errors=True)
    spool = Spool(settings.data_dir / "spool")
    runtime = Runtime(
        settings=settings,
        book=load_book(settings.alias),
        db=database,
        blobs=LocalBlobs(settings.data_dir / "blobs"),
        spool=spool,
        upstreams={"embedded": Embedded(spool, settings.work.painters)},
        outbound=outbound or Outbound(egress),
        egress=egress,
        pixels=ChildPool(settings.work.decoders or os.cpu_count() or 1),
        keyring=open_keyring(settings.data_dir),
        boot_id=f"boot_{secrets.token_hex(8)}",
        origin=origin_of(settings),
        clock=clock or wall_clock,
    )
    await _register_prices(runtime)
    return runtime


def egress_rules(settings: Settings) -> EgressRules:
    """Where user-given URLs may lead; SettingsError names what cannot be read."""
    limits = settings.limits
    try:
        allow = tuple(parse_allow(entry) for entry in limits.egress_allow)
        return EgressRules(allow, limits.egress_deny, limits.egress_ports, limits.egress_contact)
    except ValueError as error:
        raise SettingsError(f"egress settings: {error}") from error


def origin_of(settings: Settings) -> str:
    """What links begin with."""
    server = settings.server
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::", "localhost") else server.host  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return server.public_url or f"http://{host}:{server.port}"


async def _register_prices(runtime: Runtime) -> None:
    for block in runtime.book.blocks.values():
        body = msgspec.json.encode(block).decode()
        if not await runtime.db.write(prices.register_block, block.version, block_hash(block), body):
            raise StoreRefused(
                f"price block {block.version} was edited after tasks were priced by it; give it a new version"
            )


def build_app(runtime: Runtime) -> ASGIApp:
    """The ASGI application around an open runtime. Its lifespan runs the workers; the caller closes the runtime."""
    gatekeeper, meter = Gatekeeper(runtime), Meter()

    async def provide_key(request: Request[Any, Any, Any]) -> Key:
        return await gatekeeper.admit(request)

    def provide_runtime() -> Runtime:
        return runtime

    @functools.cache
    def provide_document() -> bytes:
        return build_document(HANDLERS, runtime.origin)

    @functools.cache
    def provide_reference() -> Page:
        return build_reference(provide_document())

    def provide_meter() -> Meter:
        return meter

    @contextlib.asynccontextmanager
    async def working(_: Litestar) -> AsyncIterator[None]:
        runner, courier = Runner(runtime), Courier(runtime)
        await runner.start()
        await courier.start()
        try:
            yield
        finally:
            await runner.stop()
            await courier.stop()

    app = Litestar(
        HANDLERS,
        lifespan=[working],
        dependencies={
            "runtime": Provide(provide_runtime, sync_to_thread=False),
            "key": Provide(provide_key),
            "document": Provide(provide_document, sync_to_thread=False),
            "reference": Provide(provide_reference, sync_to_thread=False),
            "meter": Provide(provide_meter, sync_to_thread=False),
        },
        exception_handlers={Exception: answer_error},
        openapi_config=None,
        logging_config=None,
    )
    return Edge(app, runtime.settings.server, meter.count)
