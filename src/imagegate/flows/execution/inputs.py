"""References and masks: from the URLs in a request to checked local files.

URLs of this origin are pinned when the task is created; all others are fetched by the worker, once per task, under the
egress rules. An unusable input is the customer's error and ends the task. One message serves for every network error,
so that it tells nothing about hosts that the customer cannot reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType

import msgspec

from imagegate.blobs import BlobDamaged, BlobNotFound
from imagegate.crash_points import crash_point
from imagegate.disk import fsync
from imagegate.domain.assets import Asset, AssetKind, FileFacts, new_asset
from imagegate.domain.errors import InvalidRequest, StorageFailed, TaskError, TaskErrorCode
from imagegate.domain.images import ImageOrder
from imagegate.domain.tasks import Task
from imagegate.egress import FetchFailed, Purpose, UrlRefused, check_url
from imagegate.flows.discard import discard_blobs
from imagegate.flows.execution.masks import rewrite_mask
from imagegate.flows.execution.reference_fetch import BUDGET_EXCEEDED_REASON, FetchBudgetExceeded, fetch_within_budget
from imagegate.flows.execution.state import Execution, Inputs
from imagegate.flows.execution.storage_wait import when_stored
from imagegate.flows.execution.upright import read_facts, turn_upright
from imagegate.flows.local_urls import is_local_url, resolve_local_url
from imagegate.images import ImageFacts, InvalidImage, inspect
from imagegate.logging import log_error, log_warning
from imagegate.runtime import Runtime
from imagegate.store import assets, claims

_INPUT_DAMAGED = TaskError(
    TaskErrorCode.service_error, "A stored input of this task is missing or damaged.", reason="input_damaged"
)
_NOT_TURNED = TaskError(
    TaskErrorCode.image_processing_error,
    "image_urls[0] is shown another way than it is stored, and too large to be turned for its mask.",
    param="image_urls[0]",
    reason="too_many_pixels",
)


class ReceivedFile(msgspec.Struct, frozen=True):
    """A usable image that came with a request, on disk at `path` until the request is answered."""

    path: Path
    facts: FileFacts
    image: ImageFacts


class InputSource(msgspec.Struct, frozen=True):
    """One input as the order names it; `field` is its path in the request."""

    kind: AssetKind
    position: int
    url: str
    field: str


class _UnusableInput(Exception):
    """An input that ends the task with `error`."""

    def __init__(self, error: TaskError) -> None:
        super().__init__(error.message)
        self.error = error


def list_sources(order: ImageOrder) -> list[InputSource]:
    references = [
        InputSource(AssetKind.reference, n, url, f"image_urls[{n}]") for n, url in enumerate(order.image_urls)
    ]
    mask = [InputSource(AssetKind.mask, 0, order.mask_url, "mask_url")] if order.mask_url else []
    return references + mask


def check_urls(runtime: Runtime, order: ImageOrder) -> None:
    """InvalidRequest for a URL that the egress rules can never allow. Nothing is resolved here."""
    for source in list_sources(order):
        if not is_local_url(runtime, source.url):
            check_url_in(runtime, source.url, Purpose.REFERENCE, source.field)
    if order.callback_url is not None:
        check_url_in(runtime, order.callback_url, Purpose.CALLBACK, "callback_url")


def check_url_in(runtime: Runtime, url: str, purpose: Purpose, field: str) -> None:
    """InvalidRequest, naming the field, for a URL that the egress rules refuse."""
    try:
        check_url(url, purpose, runtime.egress_rules)
    except UrlRefused as refused:
        raise InvalidRequest(f"{field}: {refused}", param=field) from refused


async def pin_local_inputs(
    runtime: Runtime,
    order: ImageOrder,
    account_id: str,
    task_id: str,
    received: Mapping[str, ReceivedFile] = MappingProxyType({}),
) -> tuple[Asset, ...]:
    """Copy what URLs of this origin show now, so that the task has it whatever happens to them later.

    `received`: files that came with the request, by the URL that stands for each in the order. InvalidRequest for a
    link that is unknown or has expired.
    """
    pinned = []
    for source in list_sources(order):
        if file := received.get(source.url):
            new = _new_asset(runtime, source, task_id, account_id, file.facts)
            await runtime.blobs.put(file.path, new)
            pinned.append(new)
        elif is_local_url(runtime, source.url):
            asset = await resolve_local_url(runtime, source.url, account_id)
            if asset is None:
                raise _dead_link(source)
            if asset.kind == AssetKind.upload:
                asset = await _read_upload(runtime, source, asset)
            new = _new_asset(runtime, source, task_id, account_id, asset)
            try:
                await runtime.blobs.copy(asset, new)
            except BlobNotFound:
                raise _dead_link(source) from None
            except BlobDamaged as error:
                raise _stored_damaged(source, asset, error) from error
            pinned.append(new)
    return tuple(pinned)


async def delete_pinned(runtime: Runtime, pinned: tuple[Asset, ...]) -> None:
    """Delete the copies again, where the task was not created."""
    await discard_blobs(runtime, [asset.key for asset in pinned])


async def _read_upload(runtime: Runtime, source: InputSource, asset: Asset) -> Asset:
    """The upload with its size in pixels: it is inspected for the first time here."""
    if asset.bytes > runtime.settings.limits.max_reference_bytes:
        raise InvalidRequest(f"{source.field}: the file is too large", param=source.field, reason="reference_too_large")
    try:
        async with runtime.blobs.local_copy(asset) as path:
            facts = await asyncio.to_thread(inspect, path)
    except (BlobNotFound, FileNotFoundError):
        raise _dead_link(source) from None
    except BlobDamaged as error:
        raise _stored_damaged(source, asset, error) from error
    except InvalidImage as flaw:
        message = f"{source.field} is not a usable image: {flaw.reason.replace('_', ' ')}"
        raise InvalidRequest(message, param=source.field, reason=flaw_reason(flaw)) from flaw
    return msgspec.structs.replace(asset, width=facts.width, height=facts.height)


def _stored_damaged(source: InputSource, asset: Asset, error: BlobDamaged) -> StorageFailed:
    log_error("blob_unusable", key=asset.key, error=str(error))
    return StorageFailed(f"The stored bytes of {source.field} are damaged", param=source.field)


def _dead_link(source: InputSource) -> InvalidRequest:
    return InvalidRequest(
        f"{source.field} is a link of this service that is unknown or has expired", param=source.field
    )


def _new_asset(runtime: Runtime, source: InputSource, task_id: str, account_id: str, facts: FileFacts) -> Asset:
    return new_asset(source.kind, account_id, task_id, facts, runtime.clock(), position=source.position)


async def gather_inputs(execution: Execution, copies: AsyncExitStack) -> Inputs | TaskError:
    """Every reference and the mask as local files, which are gone when `copies` ends: reused where an earlier claim
    stored them, else fetched.

    The TaskError says which input ends the task, and why.
    """
    runtime, task = execution.runtime, execution.task
    needed = list_sources(task.order)
    if not needed:
        return Inputs()
    stored = await runtime.db.read(assets.list_input_assets, task.account_id, task.id)
    known = {(asset.kind, asset.position) for asset in stored}
    missing = [source for source in needed if (source.kind, source.position) not in known]
    try:
        if missing:
            runtime.fetching[task.account_id] += 1
            runtime.call_limits.wanted.discard(task.id)
            try:
                await _fetch_all(runtime, task, missing)
            finally:
                runtime.fetching[task.account_id] -= 1
                if not runtime.fetching[task.account_id]:
                    del runtime.fetching[task.account_id]
                runtime.call_limits.wanted.add(task.id)
                runtime.wake_ups.tasks_due.set()
            stored = await runtime.db.read(assets.list_input_assets, task.account_id, task.id)
        return await _local_files(runtime, task, stored, copies)
    except _UnusableInput as unusable:
        return unusable.error


async def _local_files(runtime: Runtime, task: Task, stored: list[Asset], copies: AsyncExitStack) -> Inputs:
    paths = {asset.id: await _intact_copy(runtime, task, asset, copies) for asset in stored}
    references = [asset for asset in stored if asset.kind == AssetKind.reference]
    turned = {asset.position: paths[asset.id] for asset in stored if asset.kind == AssetKind.upright}
    sent = [
        turned.get(asset.position) or await _make_upright(runtime, task, asset, paths[asset.id], copies)
        for asset in references
    ]
    masks = {asset.kind: asset for asset in stored if asset.kind in (AssetKind.mask, AssetKind.repaint)}
    if AssetKind.mask not in masks:
        return Inputs(tuple(sent), None)
    first = await read_facts(paths[references[0].id], references[0])
    if sent[0] == paths[references[0].id] and first.orientation != 1:
        # The mask is upright: beside an image that is not, another part would be repainted.
        raise _UnusableInput(_NOT_TURNED)
    rewritten = masks.get(AssetKind.repaint)
    if rewritten is not None:
        return Inputs(tuple(sent), paths[rewritten.id])
    mask = masks[AssetKind.mask]
    return Inputs(tuple(sent), await _rewrite_mask(runtime, task, mask, paths[mask.id], first, copies))


async def _intact_copy(runtime: Runtime, task: Task, asset: Asset, copies: AsyncExitStack) -> Path:
    """An image made from damaged bytes would be paid for like any other."""
    try:
        return await copies.enter_async_context(runtime.blobs.local_copy(asset, verified=True))
    except (BlobNotFound, BlobDamaged) as error:
        log_error("blob_unusable", key=asset.key, task=task.id, error=f"{type(error).__name__}: {error}")
        raise _UnusableInput(_INPUT_DAMAGED) from error


async def _make_upright(runtime: Runtime, task: Task, asset: Asset, source: Path, copies: AsyncExitStack) -> Path:
    """[ asset ]; the reference as people see it, or itself where it is stored upright.

    Not every upstream obeys EXIF, and a mask that fits what the browser showed fits the upright image.
    """
    async with _scratch_directory(runtime, task) as directory:
        upright = await turn_upright(runtime, task, asset, source, directory / f"upright-{asset.position}")
    if upright is None:
        return source
    await runtime.db.write(claims.add_input_assets, task.account_id, task.id, task.claim_no, [upright])
    return await _intact_copy(runtime, task, upright, copies)


async def _rewrite_mask(
    runtime: Runtime, task: Task, mask: Asset, source: Path, reference: ImageFacts, copies: AsyncExitStack
) -> Path:
    """[ asset ]; the mask as upstreams get it."""
    async with _scratch_directory(runtime, task) as directory:
        rewritten = await rewrite_mask(runtime, task, mask, source, reference, directory / "mask.png")
    if isinstance(rewritten, TaskError):
        raise _UnusableInput(rewritten)
    await runtime.db.write(claims.add_input_assets, task.account_id, task.id, task.claim_no, [rewritten])
    return await _intact_copy(runtime, task, rewritten, copies)


@contextlib.asynccontextmanager
async def _scratch_directory(runtime: Runtime, task: Task) -> AsyncIterator[Path]:
    """A directory for files of this claim that are not stored yet; removed afterwards."""
    directory = runtime.settings.data_dir / "incoming" / f"{task.id}-{task.claim_no}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield directory
    finally:
        with contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(shutil.rmtree, directory)


async def _fetch_all(runtime: Runtime, task: Task, missing: list[InputSource]) -> None:
    """[ assets ]. Fetch one after the other, each URL once; the first unusable one ends the task."""
    fetched: list[Asset] = []
    files: dict[str, tuple[Path, FileFacts]] = {}
    async with _scratch_directory(runtime, task) as directory:
        for source in missing:
            if source.url not in files:
                files[source.url] = await _fetch(runtime, task.account_id, source, directory / str(len(files)))
            path, facts = files[source.url]
            new = _new_asset(runtime, source, task.id, task.account_id, facts)
            # What was fetched counts in the account's budget: it waits for the storage, and is not fetched again.
            await when_stored(runtime, task, functools.partial(runtime.blobs.put, path, new))
            crash_point("fetch.mid")
            fetched.append(new)
        await runtime.db.write(claims.add_input_assets, task.account_id, task.id, task.claim_no, fetched)
        crash_point("fetch.stored")


async def _fetch(runtime: Runtime, account_id: str, source: InputSource, path: Path) -> tuple[Path, FileFacts]:
    limit = runtime.settings.limits.max_reference_bytes
    try:
        checked = check_url(source.url, Purpose.REFERENCE, runtime.egress_rules)
        with path.open("wb") as file:
            fetched = await fetch_within_budget(runtime, account_id, checked, file, limit)
        facts = await asyncio.to_thread(inspect, path)
    except FetchBudgetExceeded as spent:
        message = f"{source.field}: the account's hourly fetch budget is used up; try again in the next hour."
        error = TaskError(TaskErrorCode.quota_exceeded, message, param=source.field, reason=BUDGET_EXCEEDED_REASON)
        raise _UnusableInput(error) from spent
    except (FetchFailed, UrlRefused) as failed:
        log_warning("reference_not_fetched", field=source.field, reason=str(failed))
        if failed.reason == "too_large":
            raise _unusable(source, f"{source.field}: the file is too large.", "reference_too_large") from failed
        raise _unusable(source, f"{source.field} could not be fetched.", "reference_unreachable") from failed
    except InvalidImage as flaw:
        message = f"{source.field} is not a usable image: {flaw.reason.replace('_', ' ')}."
        raise _unusable(source, message, flaw_reason(flaw)) from flaw
    await asyncio.to_thread(fsync, path)
    return path, FileFacts(facts.media_type, facts.bytes, fetched.sha256, facts.width, facts.height)


def flaw_reason(flaw: InvalidImage) -> str:
    return "unsupported_image_type" if flaw.reason in ("unsupported_image_type", "mislabelled") else flaw.reason


def _unusable(source: InputSource, message: str, reason: str) -> _UnusableInput:
    error = TaskError(TaskErrorCode.image_processing_error, message, param=source.field, reason=reason)
    return _UnusableInput(error)
