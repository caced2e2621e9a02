"""Puts a gateway together: settings in, a running application out.

Knows: the order in which parts are opened and closed. Refuses to know: what any of them does.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.types import ASGIApp

from imagegate import egress as outbound
from imagegate.api.auth import Gatekeeper
from imagegate.api.client_address import Proxies
from imagegate.api.metrics import Meter
from imagegate.api.middleware import Edge
from imagegate.api.openapi.document import build_document
from imagegate.api.problems import answer_error
from imagegate.api.reference import Page, build_reference
from imagegate.api.router import HANDLERS
from imagegate.blobs import LocalBlobs
from imagegate.catalog.catalog import Book, CatalogError, block_hash
from imagegate.catalog.load import load_book
from imagegate.domain.accounts import Key
from imagegate.domain.errors import NotFound
from imagegate.egress import EgressRules, Outbound, ResultLimits, fetch_result, parse_allow
from imagegate.flows.views.status import StatusBoard
from imagegate.images.jobs.process_pool import ChildPool
from imagegate.runtime import Runtime
from imagegate.security.keyring import Keyring, open_keyring
from imagegate.security.signing import input_link
from imagegate.settings import Settings, SettingsError
from imagegate.spool import Spool
from imagegate.store import prices
from imagegate.store.database import Database, StoreRefused, engine_for
from imagegate.store.engines import Clock, wall_clock
from imagegate.upstreams.connect import Plugs
from imagegate.upstreams.downloads import Fetch, NotSaved, Saved
from imagegate.upstreams.registry import Fleet, muster
from imagegate.web.pages import outside_the_api, unknown_page
from imagegate.web.renderer import Site
from imagegate.web.router import HANDLERS as PAGES
from imagegate.web.sessions import Brake
from imagegate.workers.task_worker import Runner
from imagegate.workers.webhook_worker import Courier


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


async def open_runtime(settings: Settings, clock: Clock | None = None, client: Outbound | None = None) -> Runtime:
    """Everything that flows need, opened. Close it with `runtime.close()`."""
    egress = egress_rules(settings)
    database = open_database(settings, clock)
    # fetches that a dead process left half done are fetched anew
    shutil.rmtree(settings.data_dir / "incoming", ignore_errors=True)
    spool = Spool(settings.data_dir / "spool")
    book, blobs = _book(settings), LocalBlobs(settings.data_dir / "blobs")
    keyring = open_keyring(settings.data_dir)
    plugs = _plugs(settings, spool, blobs, keyring, egress)
    runtime = Runtime(
        settings=settings,
        book=book,
        db=database,
        blobs=blobs,
        spool=spool,
        fleet=build_fleet(settings, book, plugs),
        plugs=plugs,
        outbound=client or Outbound(egress),
        egress=egress,
        pixels=ChildPool(settings.work.decoders or os.cpu_count() or 1),
        keyring=keyring,
        boot_id=f"boot_{secrets.token_hex(8)}",
        origin=origin_of(settings),
        clock=clock or wall_clock,
    )
    await _register_prices(runtime)
    return runtime


def _book(settings: Settings) -> Book:
    """SettingsError says which price or alias does not fit."""
    try:
        return load_book(settings.alias, settings.credit.price_files)
    except CatalogError as error:
        raise SettingsError(f"catalog: {error}") from error


def build_fleet(settings: Settings, book: Book, plugs: Plugs) -> Fleet:
    """SettingsError says which row of the configuration does not fit."""
    try:
        return muster(settings.upstream, settings.route, book, plugs, time.strftime("%Y-%m-%d", time.gmtime()))
    except CatalogError as error:
        raise SettingsError(f"configuration: {error}") from error


def load_fleet(settings: Settings, spool: Spool) -> tuple[Book, Fleet]:
    """The catalog and the upstreams of these settings alone, for commands that call without a gateway."""
    book, egress = _book(settings), egress_rules(settings)
    blobs, keyring = LocalBlobs(settings.data_dir / "blobs"), open_keyring(settings.data_dir)
    return book, build_fleet(settings, book, _plugs(settings, spool, blobs, keyring, egress))


def reload_routes(runtime: Runtime, settings: Settings) -> None:
    """Use these upstreams and routes for calls that begin from now on. SettingsError leaves everything as it was."""
    runtime.fleet.change(build_fleet(settings, runtime.book, runtime.plugs))


def _plugs(settings: Settings, spool: Spool, blobs: LocalBlobs, keyring: Keyring, egress: EgressRules) -> Plugs:
    origin, work = origin_of(settings), settings.work

    def fetcher(base_url: str) -> Fetch:
        async def fetch(url: str, target: Path, max_bytes: int) -> Saved | NotSaved:
            # Left by a worker that died in the middle, or by a try that brought no picture.
            await asyncio.to_thread(target.unlink, missing_ok=True)
            got = await fetch_result(url, base_url, target, ResultLimits(max_bytes), rules=egress)
            return Saved(got.bytes) if isinstance(got, outbound.Saved) else NotSaved(got.detail)

        return fetch

    def link(path: Path) -> str:
        exp = int(time.time() + work.deadline_s + 600)
        return input_link(origin, keyring.key("links"), blobs.key_of(path), exp)

    return Plugs(spool=spool, fetch=fetcher, link=link, painters=work.painters)


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
    gatekeeper, meter, proxies = Gatekeeper(runtime), Meter(), Proxies(runtime.settings.server.trusted_proxies)

    async def provide_key(request: Request[Any, Any, Any]) -> Key:
        return await gatekeeper.admit(request)

    def provide_client(request: Request[Any, Any, Any]) -> str:
        return proxies.client_of(request)

    @functools.cache
    def provide_document() -> bytes:
        return build_document(HANDLERS, runtime.origin)

    @functools.cache
    def provide_reference() -> Page:
        return build_reference(provide_document())

    site = Site(runtime, provide_document)
    app = Litestar(
        [*HANDLERS, *PAGES],
        lifespan=[_working(runtime)],
        dependencies={
            "runtime": _given(runtime),
            "key": Provide(provide_key),
            "client": Provide(provide_client, sync_to_thread=False),
            "document": Provide(provide_document, sync_to_thread=False),
            "board": _given(StatusBoard()),
            "reference": Provide(provide_reference, sync_to_thread=False),
            "meter": _given(meter),
            "site": _given(site),
            "brake": _given(Brake(runtime)),
        },
        exception_handlers={Exception: _answer_or_page(site)},
        openapi_config=None,
        logging_config=None,
    )
    return Edge(app, runtime.settings.server, meter.count)


def _given(value: Any) -> Provide:
    """The same value for every request."""
    return Provide(lambda: value, sync_to_thread=False)


def _working(runtime: Runtime) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
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

    return working


def _answer_or_page(site: Site) -> Callable[[Request[Any, Any, Any], Exception], Response[bytes]]:
    """What nobody knows is a page for people, who ask with a browser, and JSON for programs."""

    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        unknown = isinstance(error, NotFound) or getattr(error, "status_code", 0) == 404
        reads = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
        if unknown and reads and outside_the_api(request.scope["path"]):
            return unknown_page(request, site)
        return answer_error(request, error)

    return answer
