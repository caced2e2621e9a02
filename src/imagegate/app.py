"""Builds a gateway from its settings: opens the database and all other parts, and makes the ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Litestar, Request, Response, Router
from litestar.di import Provide
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ASGIApp

from imagegate.api.access_log import AccessLog
from imagegate.api.auth import Authenticator, authenticated_key, build_actor_provider
from imagegate.api.body import header_of
from imagegate.api.client_connection import Caller
from imagegate.api.endpoint import Endpoints, Services, refuse_unguarded
from imagegate.api.health import healthz, readyz
from imagegate.api.metrics import Metrics, get_metrics
from imagegate.api.middleware import RequestMiddleware
from imagegate.api.openapi.document import build_document
from imagegate.api.problems import handle_exception
from imagegate.api.rate_limits import ActionLimiter
from imagegate.api.router import HANDLERS, OPENAI_HANDLERS
from imagegate.api.traced_requests import TracedRequests
from imagegate.blobs import BlobStore, LocalBlobStore, open_blobs
from imagegate.catalog.catalog import Catalog, CatalogError
from imagegate.catalog.load import load_catalog
from imagegate.catalog.schema import OpenAIName
from imagegate.concurrency import OutgoingNews
from imagegate.disk import DiskWriter
from imagegate.domain.assets import blob_key
from imagegate.domain.bounds import Problems
from imagegate.domain.errors import NotFound
from imagegate.domain.time import US_PER_SECOND, FollowingClock, monotonic_us
from imagegate.egress import EgressClient, EgressRules, download_result, parse_allow
from imagegate.flows.folder_check import verify_folders
from imagegate.flows.places import check_reachable, database_url
from imagegate.flows.prices import verify_price_blocks
from imagegate.flows.relay import (
    follow_other_processes,
    hear_other_processes,
    renew_live_answers,
    tell_other_processes,
    tell_what_is_left,
)
from imagegate.flows.secret_check import open_verified_keyring
from imagegate.flows.views.overview import OverviewCache
from imagegate.flows.views.status import StatusCache
from imagegate.http.client import Download, DownloadFailed, default_tls
from imagegate.http.resolver import DnsResolver
from imagegate.images.jobs.process_pool import ProcessPool
from imagegate.logging import log_warning
from imagegate.progress import Progress
from imagegate.runtime import Runtime
from imagegate.security.keyring import Keyring, has_variable, open_keyring
from imagegate.security.origins import WILDCARD_HOSTS
from imagegate.security.private_files import keep_from_others
from imagegate.security.signing import sign_input_link
from imagegate.settings import Settings, SettingsError
from imagegate.spool import Spool
from imagegate.store import installation
from imagegate.store.database import (
    Database,
    DatabaseUnusable,
    MigrationStatement,
    SchemaStep,
    create_engine,
    open_notifications,
)
from imagegate.store.dialect import Clock, wall_clock
from imagegate.tracing import open_tracing
from imagegate.upstreams.base import Fetch, UpstreamDeps
from imagegate.upstreams.plan import UpstreamPlan, plan_upstreams
from imagegate.upstreams.registry import UpstreamRegistry, build_registry
from imagegate.web.pages import is_page_path, not_found_page, reference_page
from imagegate.web.renderer import PageRenderer
from imagegate.web.router import HANDLERS as PAGES
from imagegate.web.sessions import SignInLimiter
from imagegate.workers.serving_worker import ServingWorker
from imagegate.workers.task_worker import TaskWorker
from imagegate.workers.thumbnail_worker import ThumbnailWorker
from imagegate.workers.webhook_worker import WebhookWorker


def refuse_lost_commits(settings: Settings) -> None:
    """After an unclean stop, while nobody has the database open: DatabaseUnusable where commits cannot be read."""
    found = create_engine(database_url(settings)).find_lost_commits()
    if found:
        raise DatabaseUnusable(
            f"{found}: what was acknowledged in them is lost. Restore the last backup; or run `imagegate check`, which"
            " drops them for good, and start again"
        )


def connect_database(settings: Settings, clock: Clock | None = None) -> Database:
    """The database of these settings, without migrating it. DatabaseUnusable says why it cannot be used."""
    storage = settings.storage
    return Database(
        create_engine(database_url(settings), clock),
        readers=storage.readers,
        list_readers=storage.list_readers or _default_list_readers(),
        batch=storage.writer_batch,
        list_timeout_s=storage.list_timeout_s,
    )


def _default_list_readers() -> int:
    """They leave a processor to what tasks wait for."""
    return max(1, min(4, (os.cpu_count() or 1) - 1))


def open_database(settings: Settings, clock: Clock | None = None, *, migrate: bool = True) -> Database:
    """The database of these settings, created where it is missing, migrated to the current schema. DatabaseUnusable."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_from_others(settings.data_dir)
    except OSError as error:
        raise DatabaseUnusable(f"the data folder {settings.data_dir} cannot be used: {error.strerror}") from error
    database = connect_database(settings, clock)
    for file in database.engine.files():
        keep_from_others(file)
    if migrate:
        migrate_with_progress(database)
    return database


def migrate_with_progress(database: Database) -> SchemaStep:
    """Where it takes long, people see how far it is."""
    with Progress("migrating") as progress:
        progress.update("migrating: waiting for other processes")

        def report(at: MigrationStatement) -> None:
            progress.update(
                f"migrating, statement {at.number} of {at.total}: {at.words}",
                migration=at.migration,
                statement=at.number,
                of=at.total,
                sql=at.words,
            )

        return database.migrate(report)


async def open_runtime(
    settings: Settings,
    clock: Clock | None = None,
    client: EgressClient | None = None,
    configuration: Configuration | None = None,
) -> Runtime:
    """Open everything that flows need. Close it with `runtime.close()`."""
    catalog, plan = configuration or read_configuration(settings)
    egress = build_egress_rules(settings)
    links_origin = ""
    if settings.blob_dir is None:  # asked before a database is made
        store = open_blobs(settings)
        links_origin = await _find_links_origin(settings, store)
        await check_reachable(store)
    database = open_database(settings, clock)
    # Files that a dead process was receiving: their fetches are made again.
    shutil.rmtree(settings.data_dir / "incoming", ignore_errors=True)
    disk = DiskWriter()
    spool, blobs = Spool(settings.spool_dir, disk), open_blobs(settings, disk)
    for folder in (settings.spool_dir, settings.blob_dir):
        if folder is not None:
            keep_from_others(folder)
    spool.folder_id = await verify_folders(database, settings, blobs)
    if clock is None:
        clock = await _shared_clock(database) if database.engine.shared else wall_clock
    keyring = await open_verified_keyring(database, settings.data_dir)
    deps = _build_upstream_deps(settings, spool, blobs, keyring, egress, clock)
    boot_id = f"boot_{secrets.token_hex(8)}"
    image_processes = settings.work.max_image_processes or os.cpu_count() or 1
    runtime = Runtime(
        settings=settings,
        catalog=catalog,
        db=database,
        blobs=blobs,
        spool=spool,
        disk=disk,
        registry=build_registry(plan, deps),
        upstream_deps=deps,
        egress_client=client or EgressClient(egress, resolver=DnsResolver(settings.limits.dns_servers)),
        egress_rules=egress,
        image_pool=ProcessPool(image_processes),
        # Apart: no task ever waits behind a thumbnail. 10: a tenth of a processor that others want, all of an idle one.
        thumbnail_pool=ProcessPool(max(1, image_processes // 2), niceness=10),
        keyring=keyring,
        boot_id=boot_id,
        origin=public_origin(settings),
        tracing=open_tracing(boot_id),
        notifications=open_notifications(settings.storage.database),
        links_origin=links_origin,
        clock=clock,
    )
    if database.engine.shared:
        runtime.wake_ups.news = OutgoingNews()
    await verify_price_blocks(database, catalog, clock())
    # A full disk is noticed here, before anything is promised.
    await database.write(installation.probe_write)
    return runtime


async def _find_links_origin(settings: Settings, blobs: BlobStore) -> str:
    """Where links of the store begin, empty without such. SettingsError where it cannot make them."""
    if settings.storage.storage_links != "redirect":
        return ""
    try:
        link = await blobs.sign_link(blob_key("acc_0", "link.png", 0), "GET", 60)
    except ValueError as error:
        raise SettingsError(f"storage_links = redirect needs credentials that can sign: {error}") from error
    return "/".join(link.split("/", 3)[:3])


async def _shared_clock(database: Database) -> Clock:
    """That of the database: machines whose clocks differ agree on deadlines, waits and links."""
    return FollowingClock(await database.read(lambda tx: tx.now), monotonic_us)


def load_configured_catalog(settings: Settings) -> Catalog:
    """SettingsError says which price or alias is invalid."""
    try:
        pairs = (pair.split("=") for pair in settings.openai.openai_models)
        names = [OpenAIName(name, row, by_operator=True) for name, row in pairs]
        return load_catalog(settings.alias, settings.credit.price_files, names)
    except CatalogError as error:
        raise _settings_error(settings, error) from error


def plan_configured(settings: Settings, catalog: Catalog) -> UpstreamPlan:
    """SettingsError says which upstreams or routes of the configuration are invalid."""
    try:
        today = time.strftime("%Y-%m-%d", time.gmtime())
        return plan_upstreams(settings.upstream, settings.route, catalog, os.environ, today)
    except CatalogError as error:
        raise _settings_error(settings, error) from error


class Configuration(NamedTuple):
    """What the settings name, read and found to fit together: nothing is opened or made for it."""

    catalog: Catalog
    upstreams: UpstreamPlan


def read_configuration(settings: Settings) -> Configuration:
    """SettingsError says all that is invalid."""
    problems = Problems()
    with problems.collect():
        catalog = load_configured_catalog(settings)
    with problems.collect():
        plan = plan_configured(settings, load_catalog() if problems.found else catalog)
    problems.raise_as(SettingsError)
    return Configuration(catalog, plan)


def _settings_error(settings: Settings, error: CatalogError) -> SettingsError:
    """With the file before what stands in it: the others name the environment or a file of their own."""
    problems = (f"{settings.file}: {text}" if text.startswith("[[") else text for text in error.problems)
    return SettingsError(*problems)


def load_catalog_and_registry(settings: Settings, spool: Spool) -> tuple[Catalog, UpstreamRegistry]:
    """The catalog and the upstreams alone, for commands that call an upstream without a gateway. All that they write
    is beside the spool: where no installation is, none begins."""
    (catalog, plan), egress = read_configuration(settings), build_egress_rules(settings)
    blobs = LocalBlobStore(spool.root / "blobs")
    # Links of another secret are refused; making a secret here would hide that the one of the database is lost.
    has_secret = has_variable() or (settings.data_dir / "secret").exists()
    keyring = open_keyring(settings.data_dir) if has_secret else Keyring(secrets.token_bytes(32))
    return catalog, build_registry(plan, _build_upstream_deps(settings, spool, blobs, keyring, egress))


def reload_routes(runtime: Runtime, settings: Settings) -> bool:
    """Use these upstreams and routes for all calls from now on. SettingsError leaves everything as it was.

    Prices are read at the start alone; returned is whether their files say something else now.
    """
    catalog = load_configured_catalog(settings)
    plan = plan_configured(settings, runtime.catalog)
    runtime.registry.replace_with(build_registry(plan, runtime.upstream_deps))
    for warning in plan.warnings:
        log_warning("configuration_doubtful", message=warning)
    return catalog.blocks != runtime.catalog.blocks


def _build_upstream_deps(
    settings: Settings,
    spool: Spool,
    blobs: BlobStore,
    keyring: Keyring,
    egress: EgressRules,
    clock: Clock = wall_clock,
) -> UpstreamDeps:
    origin, work = public_origin(settings), settings.work
    resolver = DnsResolver(settings.limits.dns_servers)

    def make_fetch(base_url: str) -> Fetch:
        async def fetch(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
            # Left by a worker that died in the middle, or by a download that was no image.
            await asyncio.to_thread(target.unlink, missing_ok=True)
            return await download_result(url, base_url, target, rules=egress, max_bytes=max_bytes, resolver=resolver)

        return fetch

    def make_input_link(path: Path) -> str:
        # A task may wait until its deadline before the upstream fetches the link; ten minutes more for the fetch.
        expires_s = int(clock() / US_PER_SECOND + work.deadline_s + 600)
        return sign_input_link(origin, keyring.derive_key("links"), blobs.key_of(path), expires_s, keyring.key_id)

    return UpstreamDeps(
        spool=spool,
        fetch=make_fetch,
        link=make_input_link,
        painters=work.max_embedded_processes,
        resolver=resolver,
    )


def build_egress_rules(settings: Settings) -> EgressRules:
    """The rules for URLs from users."""
    limits = settings.limits
    allow = tuple(parse_allow(entry) for entry in limits.egress_allow)
    return EgressRules(allow, limits.egress_deny, limits.egress_ports, limits.egress_contact)


def public_origin(settings: Settings) -> str:
    """The scheme, host and port that links begin with."""
    server = settings.server
    host = "127.0.0.1" if server.host in (*WILDCARD_HOSTS, "localhost") else server.host
    host = f"[{host}]" if ":" in host else host
    return server.public_url or f"http://{host}:{server.port}"


def build_app(runtime: Runtime) -> ASGIApp:
    """The ASGI application around an open runtime. Its lifespan runs the workers; the caller closes the runtime."""
    authenticator, metrics = Authenticator(runtime), Metrics()

    @functools.cache
    def provide_document() -> bytes:
        return build_document(HANDLERS, runtime.origin)

    site = PageRenderer(runtime, provide_document)
    services = Services(
        values={
            "runtime": runtime,
            "board": StatusCache(),
            "overview": OverviewCache(),
            "render_reference": functools.partial(reference_page, site),
            "meter": metrics,
            "site": site,
            "sign_in_limiter": SignInLimiter(runtime),
            "action_limiter": ActionLimiter(runtime),
        },
        by_request={
            "key": authenticated_key,
            "actor": build_actor_provider(authenticator),
            "client": authenticator.client_address,
            "caller": Caller,
            "user_agent": lambda scope: header_of(scope, b"user-agent") or "",
            "document": lambda _: provide_document(),
        },
    )
    handlers = [Router("/", route_handlers=[*HANDLERS, *OPENAI_HANDLERS], guards=[refuse_unguarded]), *PAGES]
    return _assemble(runtime, authenticator, metrics, handlers, services, _error_handler(site, runtime.origin))


def build_health_app(runtime: Runtime) -> ASGIApp:
    """What a process that only works answers: `/healthz`, `/readyz` and `/metrics`. Else as `build_app`."""
    metrics = Metrics()
    handlers = [Router("/", route_handlers=[healthz, readyz, get_metrics], guards=[refuse_unguarded])]

    def handle_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return handle_exception(request, error, runtime.origin)

    services = Services(values={"runtime": runtime, "meter": metrics}, by_request={})
    return _assemble(runtime, Authenticator(runtime), metrics, handlers, services, handle_error)


def _assemble(
    runtime: Runtime,
    authenticator: Authenticator,
    metrics: Metrics,
    handlers: list[Any],
    services: Services,
    handle_error: Callable[[Request[Any, Any, Any], Exception], Response[bytes]],
) -> ASGIApp:
    app = _Application(
        handlers,
        lifespan=[lambda _: run_background_work(runtime)],
        dependencies={name: _provide_value(value) for name, value in services.values.items()}
        | {name: _provide_for_request(provide) for name, provide in services.by_request.items()},
        exception_handlers={Exception: handle_error},
        openapi_config=None,
        logging_config=None,
    )
    server = runtime.settings.server
    endpoints: ASGIApp = Endpoints(app, services, authenticator, server, handle_error)
    if runtime.tracing is not None:
        endpoints = TracedRequests(endpoints, runtime.tracing)
    whole = RequestMiddleware(endpoints, server, runtime.settings.openai.openai_cors_origins, metrics.requests.count)
    return AccessLog(whole, server.trusted_proxies) if server.access_log else whole


class _Application(Litestar):
    """Without the plugins that Litestar looks for: they import pydantic where it is installed, a quarter of the start,
    for types that no handler has."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def _provide_value(value: Any) -> Provide:
    """Inject the same value into every request of a page."""
    return Provide(lambda: value, sync_to_thread=False)


def _provide_for_request(provide: Callable[[Any], Any]) -> Provide:
    def provide_it(request: Request[Any, Any, Any]) -> Any:
        return provide(request.scope)

    return Provide(provide_it, sync_to_thread=False)


@contextlib.asynccontextmanager
async def run_background_work(runtime: Runtime) -> AsyncIterator[None]:
    """The workers, or in a process that leaves the tasks to others what it needs of them; and what processes that share
    a database tell each other."""
    workers = (
        (TaskWorker(runtime), WebhookWorker(runtime), ThumbnailWorker(runtime))
        if runtime.does_periodic_work
        else (ServingWorker(runtime),)
    )
    if runtime.registry.route_table.has_real_upstream:
        # Reading the certificate authorities takes as long as many requests: not in the first call, nor before it.
        asyncio.get_running_loop().run_in_executor(None, default_tls)
    loops = (follow_other_processes, hear_other_processes, tell_other_processes, renew_live_answers)
    running = [asyncio.create_task(loop(runtime)) for loop in loops if runtime.db.engine.shared]
    for worker in workers:
        await worker.start()
    try:
        yield
    finally:
        for worker in workers:
            await worker.stop()
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await tell_what_is_left(runtime)


def _error_handler(site: PageRenderer, origin: str) -> Callable[[Request[Any, Any, Any], Exception], Response[bytes]]:
    """An unknown address is answered with a page for browsers and with JSON for programs."""

    def handle_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        is_not_found = isinstance(error, NotFound) or getattr(error, "status_code", 0) == 404
        wants_html = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
        if is_not_found and wants_html and is_page_path(request.scope["path"]):
            return not_found_page(request, site)
        return handle_exception(request, error, origin)

    return handle_error
