"""The asynchronous client. `_sync.py` is made from this file by `python -m tools.sync_client`."""

from __future__ import annotations

import builtins
import os
import uuid
from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx2
import msgspec

from imagegate_client import _shared as shared
from imagegate_client._errors import (
    ImagegateError,
    NotFoundError,
    WaitTimeoutError,
    api_error,
    is_answer_lost,
    task_failed,
)
from imagegate_client._types import (
    Credits,
    File,
    ImageOptions,
    ImageSource,
    Quote,
    Task,
    TaskEvent,
    TaskFilters,
    TaskList,
    TaskSummary,
)
from imagegate_client._webhooks import Webhooks

T = TypeVar("T")


class AsyncRequests:
    """Requests to one gateway, repeated where that is safe."""

    def __init__(self, target: shared.Target, http: httpx2.AsyncClient, max_retries: int) -> None:
        self.target = target
        self.http = http
        self.max_retries = max_retries

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_retries: int | None = None,
        read_timeout_s: float = shared.READ_TIMEOUT_S,
        **content: Any,
    ) -> bytes:
        """The body of a successful response."""
        attempt, most = 0, self.max_retries if max_retries is None else max_retries
        was_lost = False
        while True:
            failure: ImagegateError
            try:
                response = await self.http.request(
                    method,
                    self.target.url(path),
                    headers=self.target.headers(headers),
                    timeout=shared.timeout(read_timeout_s),
                    **content,
                )
            except httpx2.RequestError as error:
                failure = shared.connection_failed(self.target.base_url, error)
            else:
                if response.is_success:
                    return response.content
                failure = api_error(response.status_code, response.headers, response.content)
            was_lost = failure.outcome_unknown = was_lost or is_answer_lost(failure)
            await self.pause(failure, attempt, most)
            attempt += 1

    async def get(self, kind: type[T], path: str, **options: Any) -> T:
        return shared.decode(await self.send("GET", path, **options), kind)

    async def post(self, kind: type[T], path: str, **options: Any) -> T:
        return shared.decode(await self.send("POST", path, **options), kind)

    async def patch(self, kind: type[T], path: str, **options: Any) -> T:
        return shared.decode(await self.send("PATCH", path, **options), kind)

    async def pause(self, failure: ImagegateError, attempt: int, max_retries: int) -> None:
        """Wait before the next try, or raise the failure."""
        delay_s = shared.retry_delay_s(failure, attempt) if attempt < max_retries else None
        if delay_s is None:
            raise failure
        await sleep(delay_s)

    async def download(self, link: str, write: Callable[[AsyncIterator[bytes]], Any]) -> None:
        """Hand the bytes of a result to `write`, from the beginning again where a transfer breaks off."""
        attempt = 0
        while True:
            try:
                async with self.http.stream(
                    "GET", link, follow_redirects=True, timeout=shared.timeout(shared.READ_TIMEOUT_S)
                ) as response:
                    if response.is_success:
                        await write(response.aiter_bytes(shared.DOWNLOAD_CHUNK_BYTES))
                        return
                    failure: ImagegateError = api_error(response.status_code, response.headers, await response.aread())
            except httpx2.RequestError as error:
                failure = shared.connection_failed(link.partition("?")[0], error)
            await self.pause(failure, attempt, self.max_retries)
            attempt += 1


class AsyncImageResult:
    """The images of a completed task."""

    def __init__(self, task: Task, tasks: AsyncTasks) -> None:
        """From a completed task."""
        self.task = task
        self._tasks = tasks

    task: Task
    """The completed task, with links to the images and what they cost."""

    async def save(self, path: str | os.PathLike[str] | None = None) -> list[Path]:
        """Save the images; returns their paths.

        `path` is a file, or a folder (by default the working folder) in which they are named after the task. Several
        images become `name-1.png`, `name-2.png`, …
        """
        return await self._tasks.save(self.task, path)

    async def read(self, index: int = 0) -> bytes:
        """The bytes of one image."""
        return await self._tasks.read(self.task, index)


class AsyncTasks:
    """`client.tasks`: what became of requests."""

    def __init__(self, requests: AsyncRequests) -> None:
        """Made by the client."""
        self._requests = requests

    async def get(self, task_id: str, *, include: Iterable[str] = (), wait_s: int | None = None) -> Task:
        """A task as it is now.

        `include` adds some of `request`, `outputs` and `attempts`. With `wait_s` (at most 60) the gateway answers when
        the task has ended, or after that time.
        """
        params = shared.query(include=shared.include_text(include), wait=wait_s)
        read_timeout_s = shared.READ_TIMEOUT_S + (wait_s or 0)
        return await self._requests.get(Task, f"/v1/tasks/{task_id}", params=params, read_timeout_s=read_timeout_s)

    async def wait(
        self, task_id: str, *, timeout_s: float | None = None, on_progress: Callable[[Task], None] | None = None
    ) -> Task:
        """Wait until a task has ended, completed or failed; WaitTimeoutError after `timeout_s`.

        `on_progress` is called with the task whenever its status or progress has changed.
        """
        give_up = None if timeout_s is None else monotonic() + timeout_s
        shown, poll_s = None, shared.PROGRESS_POLL_S if on_progress else shared.POLL_S
        wait_s = 0
        while True:
            asked = monotonic()
            task = await self.get(task_id, wait_s=wait_s)
            if on_progress and (task.status, task.progress) != shown:
                shown = (task.status, task.progress)
                on_progress(task)
            if task.ended:
                return task
            left_s = poll_s if give_up is None else give_up - monotonic()
            if left_s <= 0:
                raise WaitTimeoutError(task)
            # where the gateway did not wait for as long as it was asked to, as while it stops
            await sleep(max(0.0, min(wait_s, shared.PROGRESS_POLL_S, left_s) - (monotonic() - asked)))
            wait_s = max(1, int(min(poll_s, left_s)))

    async def list(
        self,
        *,
        cursor: str = "",
        limit: int = 20,
        **filters: Unpack[TaskFilters],
    ) -> TaskList:
        """A page of tasks, newest first. `cursor` is the previous page's `next_cursor`.

        The gateway looks through so many tasks for one page: it may have few, or none, and still be followed by others.
        """
        params = shared.query(**shared.filter_texts(filters), cursor=cursor, limit=limit)
        return await self._requests.get(TaskList, "/v1/tasks", params=params)

    async def iterate(self, **filters: Unpack[TaskFilters]) -> AsyncIterator[TaskSummary]:
        """All tasks, newest first, page by page."""
        cursor = ""
        while True:
            page = await self.list(cursor=cursor, limit=100, **filters)
            for one in page.data:
                yield one
            if not page.has_more or not page.next_cursor:
                return
            cursor = page.next_cursor

    async def update(self, task_id: str, *, metadata: Mapping[str, str | None]) -> Task:
        """Change what is noted on a task: keys are set, or removed with None; others stay."""
        return await self._requests.patch(Task, f"/v1/tasks/{task_id}", json={"metadata": dict(metadata)})

    async def delete(self, task_id: str) -> None:
        """Delete a task that has ended, with its images, prompt and metadata: at once and for good.

        Its charge stays. ConflictError while it has not ended, NotFoundError where it is gone.
        """
        try:
            await self._requests.send("DELETE", f"/v1/tasks/{task_id}")
        except NotFoundError as error:
            if not error.outcome_unknown:  # else an earlier try did it, and its answer was lost
                raise

    async def cancel(self, task_id: str) -> Task:
        """Cancel a task: free as long as no upstream works on it, else it may still complete and be charged."""
        return await self._requests.post(Task, f"/v1/tasks/{task_id}/cancel")

    async def events(self, task_id: str, *, last_event_id: int = 0) -> AsyncGenerator[TaskEvent, None]:
        """The changes of a task as they come, each once and in order, up to its end. Broken connections are resumed."""
        requests, attempt = self._requests, 0
        path = requests.target.url(f"/v1/tasks/{task_id}/events")
        while True:
            headers = requests.target.headers({"Last-Event-ID": str(last_event_id)})
            try:
                async with requests.http.sse(
                    path, headers=headers, timeout=shared.timeout(shared.SILENCE_TIMEOUT_S)
                ) as source:
                    if source.response.status_code == 204:  # nothing is left
                        return
                    if not source.response.is_success:
                        body = await source.response.aread()
                        raise api_error(source.response.status_code, source.response.headers, body)
                    async for event in source:
                        if event.event != "task" or not event.id.isdigit():
                            continue
                        attempt, last_event_id = 0, int(event.id)
                        task = shared.decode(event.data.encode(), Task)
                        yield TaskEvent(number=last_event_id, task=task)
                        if task.ended:
                            return
                failure: ImagegateError = shared.connection_failed(path, EOFError("the stream ended early"))
            except httpx2.RequestError as error:
                failure = shared.connection_failed(path, error)
            except ImagegateError as error:
                failure = error
            await requests.pause(failure, attempt, requests.max_retries)
            attempt += 1

    async def save(self, task: Task, path: str | os.PathLike[str] | None = None) -> builtins.list[Path]:
        """Save the images of a completed task; see `ImageResult.save`."""
        files = shared.output_paths(task, path)
        for link, file in zip(task.results, files, strict=True):
            await self._save(link, file)
        return files

    async def read(self, task: Task, index: int = 0) -> bytes:
        """The bytes of one image of a completed task."""
        content = bytearray()

        async def write(chunks: AsyncIterator[bytes]) -> None:
            content.clear()
            async for chunk in chunks:
                content.extend(chunk)

        await self._requests.download(task.results[index], write)
        return bytes(content)

    async def _save(self, link: str, target: Path) -> None:
        part = shared.part_path(target)

        async def write(chunks: AsyncIterator[bytes]) -> None:
            with (part or target).open("wb") as file:
                async for chunk in chunks:
                    file.write(chunk)

        try:
            await self._requests.download(link, write)
            if part:
                part.replace(target)
        finally:
            if part:
                part.unlink(missing_ok=True)


class AsyncFiles:
    """`client.files`: images that are uploaded as references and masks."""

    def __init__(self, requests: AsyncRequests) -> None:
        """Made by the client."""
        self._requests = requests

    async def upload(self, file: ImageSource, *, file_name: str | None = None) -> File:
        """Upload a local image (a path, the bytes, an open file). It is kept for 72 hours."""
        upload = shared.read_upload(file, file_name)
        answer = await self._requests.post(
            _FileAnswer,
            "/api/v1/files/upload/stream",
            files={"file": (upload.name, upload.content)},
            read_timeout_s=shared.UPLOAD_TIMEOUT_S,
        )
        return answer.data

    async def get(self, file_id: str) -> File:
        """An uploaded file by its id; NotFoundError if there is none, or not any more."""
        page, seen = 1, 0
        while True:
            params = {"page": page, "pageSize": 100}
            found = (await self._requests.get(_FilesAnswer, "/api/v1/files/list", params=params)).data
            for file in found.files:
                if file.file_id == file_id:
                    return file
            seen += len(found.files)
            if not found.files or seen >= found.total:
                raise NotFoundError(404, {"code": "not_found", "message": f"there is no file {file_id}"})
            page += 1


class AsyncImages:
    """`client.images`: prices, and images."""

    def __init__(self, requests: AsyncRequests, tasks: AsyncTasks, files: AsyncFiles) -> None:
        """Made by the client."""
        self._requests = requests
        self._tasks = tasks
        self._files = files

    async def quote(self, prompt: str, **options: Unpack[ImageOptions]) -> Quote:
        """What a request will probably cost, and at most. Nothing is bought or stored."""
        return await self._requests.post(Quote, "/v1/images/quotes", json={"prompt": prompt, **options})

    async def create(self, prompt: str, *, idempotency_key: str | None = None, **options: Unpack[ImageOptions]) -> Task:
        """Begin a task and return at once. `tasks.wait` waits for it, `callback_url` has it sent.

        A lost response is repeated with the same `idempotency_key`, by default a new one: that is never a second task.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        body = {"prompt": prompt, **options}
        return await self._requests.post(Task, "/v1/images/generations", json=body, headers=headers)

    async def generate(
        self,
        prompt: str,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[Task], None] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ImageOptions],
    ) -> AsyncImageResult:
        """Generate images and wait for them.

        `on_progress` is called with the task whenever its status or progress has changed. Raises TaskFailedError if it
        fails (nothing is charged then) and WaitTimeoutError after `timeout_s` (the task goes on).
        """
        task = await self.create(prompt, idempotency_key=idempotency_key, **options)
        task = await self._tasks.wait(task.id, timeout_s=timeout_s, on_progress=on_progress)
        if task.status == "failed":
            raise task_failed(task)
        return AsyncImageResult(task, self._tasks)

    async def edit(
        self,
        prompt: str,
        images: ImageSource | Sequence[ImageSource],
        *,
        mask: ImageSource | None = None,
        timeout_s: float | None = None,
        on_progress: Callable[[Task], None] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ImageOptions],
    ) -> AsyncImageResult:
        """Generate images from one or more images, as `generate` does. What is local is uploaded first.

        `mask` is a PNG as large as the first image; where its alpha is below 255 it is repainted.
        """
        options = await self.upload_sources(images, mask, **options)
        return await self.generate(
            prompt, timeout_s=timeout_s, on_progress=on_progress, idempotency_key=idempotency_key, **options
        )

    async def upload_sources(
        self,
        images: ImageSource | Sequence[ImageSource],
        mask: ImageSource | None = None,
        **options: Unpack[ImageOptions],
    ) -> ImageOptions:
        """The options with the URLs of these images, which are uploaded where they are local: for `quote`, `create`."""
        urls: dict[ImageSource, str] = {}
        sources = shared.source_list(images)
        for source in [*sources, *([] if mask is None else [mask])]:
            if source not in urls:  # what is given twice is uploaded once
                urls[source] = await self._url_of(source)
        options["image_urls"] = [urls[source] for source in sources]
        if mask is not None:
            options["mask_url"] = urls[mask]
        return options

    @staticmethod
    def is_remote(source: str) -> bool:
        """Whether a text is a URL or the id of an upload; any other is the path of a local file."""
        return shared.is_url(source) or shared.is_file_id(source)

    async def _url_of(self, source: ImageSource) -> str:
        if isinstance(source, File):
            return source.file_url
        if isinstance(source, str) and shared.is_url(source):
            return source
        if isinstance(source, str) and shared.is_file_id(source):
            return (await self._files.get(source)).file_url
        return (await self._files.upload(source)).file_url


class AsyncClient:
    """An asynchronous client of one gateway. Use it with `async with`, or call `close`."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = shared.DEFAULT_MAX_RETRIES,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        """`base_url` and `api_key` are those of the environment (`IMAGEGATE_URL`, `IMAGEGATE_API_KEY`) by default.

        What fails in transit, and what the gateway cannot take now, is tried `max_retries` times more. `http_client`
        may be given for proxies and certificates of your own.
        """
        target = shared.find_target(base_url, api_key)
        self.base_url = target.base_url
        self._requests = AsyncRequests(target, http_client or httpx2.AsyncClient(mounts=shared.DIRECT), max_retries)
        self.tasks = AsyncTasks(self._requests)
        self.files = AsyncFiles(self._requests)
        self.images = AsyncImages(self._requests, self.tasks, self.files)
        self.webhooks = Webhooks()

    base_url: str
    """The gateway's URL, without `/v1`."""
    tasks: AsyncTasks
    """What became of requests."""
    files: AsyncFiles
    """Images that are uploaded as references and masks."""
    images: AsyncImages
    """Prices, and images."""
    webhooks: Webhooks
    """What a receiver of webhooks needs."""

    async def credits(self) -> Credits:
        """What account and key have left."""
        return (await self._requests.get(_CreditsAnswer, "/v1/credits")).data

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        max_retries: int | None = None,
    ) -> Any:
        """The decoded JSON of any endpoint, for those that have no method here.

        A POST that is not safe to repeat should have `max_retries=0`.
        """
        content = await self._requests.send(
            method, path, json=json, params=params, headers=headers, max_retries=max_retries
        )
        return shared.decode(content, object)

    async def close(self) -> None:
        """Close the connections."""
        await self._requests.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _FileAnswer(msgspec.Struct):
    data: File


class _FilePage(msgspec.Struct):
    files: tuple[File, ...]
    total: int


class _FilesAnswer(msgspec.Struct):
    data: _FilePage


class _CreditsAnswer(msgspec.Struct):
    data: Credits
