"""The client. Made from `_async.py` by `python -m tools.sync_client`: change that file."""

from __future__ import annotations

import builtins
import os
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
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


class Requests:
    """Requests to one gateway, repeated where that is safe."""

    def __init__(self, target: shared.Target, http: httpx2.Client, max_retries: int) -> None:
        self.target = target
        self.http = http
        self.max_retries = max_retries

    def send(
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
                response = self.http.request(
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
            self.pause(failure, attempt, most)
            attempt += 1

    def get(self, kind: type[T], path: str, **options: Any) -> T:
        return shared.decode(self.send("GET", path, **options), kind)

    def post(self, kind: type[T], path: str, **options: Any) -> T:
        return shared.decode(self.send("POST", path, **options), kind)

    def patch(self, kind: type[T], path: str, **options: Any) -> T:
        return shared.decode(self.send("PATCH", path, **options), kind)

    def pause(self, failure: ImagegateError, attempt: int, max_retries: int) -> None:
        """Wait before the next try, or raise the failure."""
        delay_s = shared.retry_delay_s(failure, attempt) if attempt < max_retries else None
        if delay_s is None:
            raise failure
        sleep(delay_s)

    def download(self, link: str, write: Callable[[Iterator[bytes]], Any]) -> None:
        """Hand the bytes of a result to `write`, from the beginning again where a transfer breaks off."""
        attempt = 0
        while True:
            try:
                with self.http.stream(
                    "GET", link, follow_redirects=True, timeout=shared.timeout(shared.READ_TIMEOUT_S)
                ) as response:
                    if response.is_success:
                        write(response.iter_bytes(shared.DOWNLOAD_CHUNK_BYTES))
                        return
                    failure: ImagegateError = api_error(response.status_code, response.headers, response.read())
            except httpx2.RequestError as error:
                failure = shared.connection_failed(link.partition("?")[0], error)
            self.pause(failure, attempt, self.max_retries)
            attempt += 1


class ImageResult:
    """The images of a completed task."""

    def __init__(self, task: Task, tasks: Tasks) -> None:
        """From a completed task."""
        self.task = task
        self._tasks = tasks

    task: Task
    """The completed task, with links to the images and what they cost."""

    def save(self, path: str | os.PathLike[str] | None = None) -> list[Path]:
        """Save the images; returns their paths.

        `path` is a file, or a folder (by default the working folder) in which they are named after the task. Several
        images become `name-1.png`, `name-2.png`, …
        """
        return self._tasks.save(self.task, path)

    def read(self, index: int = 0) -> bytes:
        """The bytes of one image."""
        return self._tasks.read(self.task, index)


class Tasks:
    """`client.tasks`: what became of requests."""

    def __init__(self, requests: Requests) -> None:
        """Made by the client."""
        self._requests = requests

    def get(self, task_id: str, *, include: Iterable[str] = (), wait_s: int | None = None) -> Task:
        """A task as it is now.

        `include` adds some of `request`, `outputs` and `attempts`. With `wait_s` (at most 60) the gateway answers when
        the task has ended, or after that time.
        """
        params = shared.query(include=shared.include_text(include), wait=wait_s)
        read_timeout_s = shared.READ_TIMEOUT_S + (wait_s or 0)
        return self._requests.get(Task, f"/v1/tasks/{task_id}", params=params, read_timeout_s=read_timeout_s)

    def wait(
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
            task = self.get(task_id, wait_s=wait_s)
            if on_progress and (task.status, task.progress) != shown:
                shown = (task.status, task.progress)
                on_progress(task)
            if task.ended:
                return task
            left_s = poll_s if give_up is None else give_up - monotonic()
            if left_s <= 0:
                raise WaitTimeoutError(task)
            # where the gateway did not wait for as long as it was asked to, as while it stops
            sleep(max(0.0, min(wait_s, shared.PROGRESS_POLL_S, left_s) - (monotonic() - asked)))
            wait_s = max(1, int(min(poll_s, left_s)))

    def list(
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
        return self._requests.get(TaskList, "/v1/tasks", params=params)

    def iterate(self, **filters: Unpack[TaskFilters]) -> Iterator[TaskSummary]:
        """All tasks, newest first, page by page."""
        cursor = ""
        while True:
            page = self.list(cursor=cursor, limit=100, **filters)
            yield from page.data
            if not page.has_more or not page.next_cursor:
                return
            cursor = page.next_cursor

    def update(self, task_id: str, *, metadata: Mapping[str, str | None]) -> Task:
        """Change what is noted on a task: keys are set, or removed with None; others stay."""
        return self._requests.patch(Task, f"/v1/tasks/{task_id}", json={"metadata": dict(metadata)})

    def delete(self, task_id: str) -> None:
        """Delete a task that has ended, with its images, prompt and metadata: at once and for good.

        Its charge stays. ConflictError while it has not ended, NotFoundError where it is gone.
        """
        try:
            self._requests.send("DELETE", f"/v1/tasks/{task_id}")
        except NotFoundError as error:
            if not error.outcome_unknown:  # else an earlier try did it, and its answer was lost
                raise

    def cancel(self, task_id: str) -> Task:
        """Cancel a task: free as long as no upstream works on it, else it may still complete and be charged."""
        return self._requests.post(Task, f"/v1/tasks/{task_id}/cancel")

    def events(self, task_id: str, *, last_event_id: int = 0) -> Generator[TaskEvent, None, None]:
        """The changes of a task as they come, each once and in order, up to its end. Broken connections are resumed."""
        requests, attempt = self._requests, 0
        path = requests.target.url(f"/v1/tasks/{task_id}/events")
        while True:
            headers = requests.target.headers({"Last-Event-ID": str(last_event_id)})
            try:
                with requests.http.sse(
                    path, headers=headers, timeout=shared.timeout(shared.SILENCE_TIMEOUT_S)
                ) as source:
                    if source.response.status_code == 204:  # nothing is left
                        return
                    if not source.response.is_success:
                        body = source.response.read()
                        raise api_error(source.response.status_code, source.response.headers, body)
                    for event in source:
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
            requests.pause(failure, attempt, requests.max_retries)
            attempt += 1

    def save(self, task: Task, path: str | os.PathLike[str] | None = None) -> builtins.list[Path]:
        """Save the images of a completed task; see `ImageResult.save`."""
        files = shared.output_paths(task, path)
        for link, file in zip(task.results, files, strict=True):
            self._save(link, file)
        return files

    def read(self, task: Task, index: int = 0) -> bytes:
        """The bytes of one image of a completed task."""
        content = bytearray()

        def write(chunks: Iterator[bytes]) -> None:
            content.clear()
            for chunk in chunks:
                content.extend(chunk)

        self._requests.download(task.results[index], write)
        return bytes(content)

    def _save(self, link: str, target: Path) -> None:
        part = shared.part_path(target)

        def write(chunks: Iterator[bytes]) -> None:
            with (part or target).open("wb") as file:
                for chunk in chunks:
                    file.write(chunk)

        try:
            self._requests.download(link, write)
            if part:
                part.replace(target)
        finally:
            if part:
                part.unlink(missing_ok=True)


class Files:
    """`client.files`: images that are uploaded as references and masks."""

    def __init__(self, requests: Requests) -> None:
        """Made by the client."""
        self._requests = requests

    def upload(self, file: ImageSource, *, file_name: str | None = None) -> File:
        """Upload a local image (a path, the bytes, an open file). It is kept for 72 hours."""
        upload = shared.read_upload(file, file_name)
        answer = self._requests.post(
            _FileAnswer,
            "/api/v1/files/upload/stream",
            files={"file": (upload.name, upload.content)},
            read_timeout_s=shared.UPLOAD_TIMEOUT_S,
        )
        return answer.data

    def get(self, file_id: str) -> File:
        """An uploaded file by its id; NotFoundError if there is none, or not any more."""
        page, seen = 1, 0
        while True:
            params = {"page": page, "pageSize": 100}
            found = (self._requests.get(_FilesAnswer, "/api/v1/files/list", params=params)).data
            for file in found.files:
                if file.file_id == file_id:
                    return file
            seen += len(found.files)
            if not found.files or seen >= found.total:
                raise NotFoundError(404, {"code": "not_found", "message": f"there is no file {file_id}"})
            page += 1


class Images:
    """`client.images`: prices, and images."""

    def __init__(self, requests: Requests, tasks: Tasks, files: Files) -> None:
        """Made by the client."""
        self._requests = requests
        self._tasks = tasks
        self._files = files

    def quote(self, prompt: str, **options: Unpack[ImageOptions]) -> Quote:
        """What a request will probably cost, and at most. Nothing is bought or stored."""
        return self._requests.post(Quote, "/v1/images/quotes", json={"prompt": prompt, **options})

    def create(self, prompt: str, *, idempotency_key: str | None = None, **options: Unpack[ImageOptions]) -> Task:
        """Begin a task and return at once. `tasks.wait` waits for it, `callback_url` has it sent.

        A lost response is repeated with the same `idempotency_key`, by default a new one: that is never a second task.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        body = {"prompt": prompt, **options}
        return self._requests.post(Task, "/v1/images/generations", json=body, headers=headers)

    def generate(
        self,
        prompt: str,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[Task], None] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ImageOptions],
    ) -> ImageResult:
        """Generate images and wait for them.

        `on_progress` is called with the task whenever its status or progress has changed. Raises TaskFailedError if it
        fails (nothing is charged then) and WaitTimeoutError after `timeout_s` (the task goes on).
        """
        task = self.create(prompt, idempotency_key=idempotency_key, **options)
        task = self._tasks.wait(task.id, timeout_s=timeout_s, on_progress=on_progress)
        if task.status == "failed":
            raise task_failed(task)
        return ImageResult(task, self._tasks)

    def edit(
        self,
        prompt: str,
        images: ImageSource | Sequence[ImageSource],
        *,
        mask: ImageSource | None = None,
        timeout_s: float | None = None,
        on_progress: Callable[[Task], None] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ImageOptions],
    ) -> ImageResult:
        """Generate images from one or more images, as `generate` does. What is local is uploaded first.

        `mask` is a PNG as large as the first image; where its alpha is below 255 it is repainted.
        """
        options = self.upload_sources(images, mask, **options)
        return self.generate(
            prompt, timeout_s=timeout_s, on_progress=on_progress, idempotency_key=idempotency_key, **options
        )

    def upload_sources(
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
                urls[source] = self._url_of(source)
        options["image_urls"] = [urls[source] for source in sources]
        if mask is not None:
            options["mask_url"] = urls[mask]
        return options

    @staticmethod
    def is_remote(source: str) -> bool:
        """Whether a text is a URL or the id of an upload; any other is the path of a local file."""
        return shared.is_url(source) or shared.is_file_id(source)

    def _url_of(self, source: ImageSource) -> str:
        if isinstance(source, File):
            return source.file_url
        if isinstance(source, str) and shared.is_url(source):
            return source
        if isinstance(source, str) and shared.is_file_id(source):
            return (self._files.get(source)).file_url
        return (self._files.upload(source)).file_url


class Client:
    """A client of one gateway. Use it with `with`, or call `close`."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = shared.DEFAULT_MAX_RETRIES,
        http_client: httpx2.Client | None = None,
    ) -> None:
        """`base_url` and `api_key` are those of the environment (`IMAGEGATE_URL`, `IMAGEGATE_API_KEY`) by default.

        What fails in transit, and what the gateway cannot take now, is tried `max_retries` times more. `http_client`
        may be given for proxies and certificates of your own.
        """
        target = shared.find_target(base_url, api_key)
        self.base_url = target.base_url
        self._requests = Requests(target, http_client or httpx2.Client(mounts=shared.DIRECT), max_retries)
        self.tasks = Tasks(self._requests)
        self.files = Files(self._requests)
        self.images = Images(self._requests, self.tasks, self.files)
        self.webhooks = Webhooks()

    base_url: str
    """The gateway's URL, without `/v1`."""
    tasks: Tasks
    """What became of requests."""
    files: Files
    """Images that are uploaded as references and masks."""
    images: Images
    """Prices, and images."""
    webhooks: Webhooks
    """What a receiver of webhooks needs."""

    def credits(self) -> Credits:
        """What account and key have left."""
        return (self._requests.get(_CreditsAnswer, "/v1/credits")).data

    def request(
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
        content = self._requests.send(method, path, json=json, params=params, headers=headers, max_retries=max_retries)
        return shared.decode(content, object)

    def close(self) -> None:
        """Close the connections."""
        self._requests.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _FileAnswer(msgspec.Struct):
    data: File


class _FilePage(msgspec.Struct):
    files: tuple[File, ...]
    total: int


class _FilesAnswer(msgspec.Struct):
    data: _FilePage


class _CreditsAnswer(msgspec.Struct):
    data: Credits
