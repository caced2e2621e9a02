"""What the tools do: every purchase is quoted, counted against the cap, followed to its end, and shown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import msgspec
from mcp_types import CallToolResult, ContentBlock, ResourceLink, TextContent

from imagegate.domain.money import format_for_people
from imagegate.logging import log_error, log_warning
from imagegate.mcp.arguments import (
    EditArguments,
    ImageArguments,
    QuoteArguments,
    TaskArguments,
    image_options,
)
from imagegate.mcp.budget import Budget, CapReachedError, Hold
from imagegate.mcp.local_files import FileRefusedError, read_image
from imagegate.mcp.previews import Previewer
from imagegate_client import (
    AsyncClient,
    AuthenticationError,
    Cost,
    ImagegateError,
    ImageOptions,
    ImageSource,
    Money,
    NotFoundError,
    PermissionDeniedError,
    Quote,
    Task,
)

# Clients end a call after 60 s by default; what takes longer is continued with get_task.
DEFAULT_WAIT_S = 50.0
# How long a task is left alone after the gateway could not be asked about it.
_RETRY_FOLLOW_S = 5.0
# Stands for each image when a price is asked: nothing is fetched, and every image costs the same.
_PLACEHOLDER_URL = "https://example.com/image.png"
# Clients of older versions of the protocol do not know this kind of content.
_FIRST_VERSION_WITH_LINKS = "2025-06-18"


class Caller(NamedTuple):
    """Who calls a tool: the gateway with his key, his budget, and how to reach him meanwhile."""

    client: AsyncClient
    budget: Budget
    report_progress: Callable[[float, float, str], Awaitable[None]]
    protocol_version: str


class ImageTools:
    """The tools of one process, for all callers."""

    def __init__(self, roots: tuple[Path, ...] = (), wait_s: float = DEFAULT_WAIT_S) -> None:
        """`wait_s`: how long a call waits for images before it answers with the task's id."""
        self._roots = roots
        self._wait_s = wait_s
        self._previewer = Previewer()
        self._following: set[asyncio.Task[None]] = set()
        # Of tasks that have not been seen to end.
        self._open: dict[str, Hold] = {}

    async def close(self) -> None:
        """Ends what follows tasks; the tasks go on at the gateway."""
        for one in self._following:
            one.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await self._previewer.close()

    async def quote_image(self, caller: Caller, arguments: QuoteArguments) -> CallToolResult:
        options = _with_placeholders(image_options(arguments), arguments.image_count, arguments.has_mask)
        return _quote_result(await caller.client.images.quote(arguments.prompt, **options), caller.budget)

    async def generate_image(self, caller: Caller, arguments: ImageArguments) -> CallToolResult:
        options = image_options(arguments)
        hold = await self._reserve(caller, arguments.prompt, options)

        async def create() -> Task:
            return await caller.client.images.create(arguments.prompt, **options)

        return await self._buy_and_show(caller, hold, create)

    async def edit_image(self, caller: Caller, arguments: EditArguments) -> CallToolResult:
        options = image_options(arguments)
        sources = [self._source(caller, one) for one in arguments.images]
        mask = None if arguments.mask is None else self._source(caller, arguments.mask)
        priced = _with_placeholders(options, len(sources), mask is not None)
        hold = await self._reserve(caller, arguments.prompt, priced)

        async def create() -> Task:
            given = await caller.client.images.upload_sources(sources, mask, **options)
            return await caller.client.images.create(arguments.prompt, **given)

        return await self._buy_and_show(caller, hold, create)

    async def get_task(self, caller: Caller, arguments: TaskArguments) -> CallToolResult:
        return await self._wait_and_show(caller, arguments.task_id)

    async def get_credits(self, caller: Caller, _: object) -> CallToolResult:
        found = await caller.client.credits()
        left, key_left = found.account.exact.remaining, found.key.remaining_credits
        reserved = found.account.reserved_credits
        lines = [f"The account has {_amount(left)} left, and {_shown(reserved)} reserved by running tasks."]
        if not found.key.unlimited_credits:
            lines.append(f"This key may still use {_shown(key_left)} of them.")
        facts = {"account_credits": left.credits, "account_usd": left.usd, "key_credits": key_left}
        return _result("\n".join([*lines, *_cap_line(caller.budget)]), facts, caller.budget)

    def _source(self, caller: Caller, name: str) -> ImageSource:
        """URLs and ids of uploads as they are, local files read."""
        if caller.client.images.is_remote(name):
            return name
        if name.startswith("data:"):
            raise FileRefusedError("data URLs are not accepted: give a link, the id of an upload, or a local file")
        return read_image(name, self._roots)

    async def _reserve(self, caller: Caller, prompt: str, options: ImageOptions) -> Hold:
        quote = await caller.client.images.quote(prompt, **options)
        return caller.budget.reserve(quote.maximum.credits)

    async def _buy_and_show(self, caller: Caller, hold: Hold, create: Callable[[], Awaitable[Task]]) -> CallToolResult:
        # In a task of its own: a client that cancels its call has bought all the same, and that stays counted.
        created: asyncio.Future[Task] = asyncio.get_running_loop().create_future()
        following = asyncio.create_task(self._buy_and_follow(caller.client, hold, create, created))
        self._following.add(following)
        following.add_done_callback(self._following.discard)
        task = await asyncio.shield(created)
        try:
            return await self._wait_and_show(caller, task.id)
        except ImagegateError as error:
            return error_result(
                f"Task {task.id} was created, but cannot be looked at: {error}. Do not repeat the purchase: get_task"
                " with this id has its images as soon as it can be."
            )

    async def _buy_and_follow(
        self,
        client: AsyncClient,
        hold: Hold,
        create: Callable[[], Awaitable[Task]],
        created: asyncio.Future[Task],
    ) -> None:
        try:
            task = await create()
        except Exception as error:  # noqa: BLE001  # told to whoever waits for the task
            # After a lost answer the task may exist: it stays counted, because nothing will tell what it cost.
            if not getattr(error, "outcome_unknown", False):
                hold.settle(Decimal(0))
            created.set_exception(error)
            created.exception()  # nobody may be waiting any more, and that is no fault
            return
        hold.correct(task.usage.credits_reserved)
        self._open[task.id] = hold
        created.set_result(task)
        await self._follow(client, task.id)

    async def _follow(self, client: AsyncClient, task_id: str) -> None:
        while task_id in self._open:
            try:
                self._settle(await client.tasks.wait(task_id))
            except ImagegateError as error:
                log_warning("task_not_seen", task=task_id, error=str(error))
                if isinstance(error, NotFoundError | AuthenticationError | PermissionDeniedError):
                    return  # asking again would not help; it stays counted in full
                await asyncio.sleep(_RETRY_FOLLOW_S)

    def _settle(self, task: Task) -> None:
        """Whoever sees first that a task has ended gives back what it did not cost."""
        if task.ended and (hold := self._open.pop(task.id, None)):
            hold.settle(task.usage.credits_used or Decimal(0))

    async def _wait_and_show(self, caller: Caller, task_id: str) -> CallToolResult:
        with anyio.move_on_after(self._wait_s):
            await _report_until_end(caller, task_id)
        task = await caller.client.tasks.get(task_id, include=["outputs"])
        self._settle(task)
        match task.status:
            case "completed":
                return await self._completed_result(caller, task)
            case "failed":
                return error_result(_failure_text(task))
            case _:
                text = (
                    f"Task {task.id} is {task.status} ({task.progress} %). Call get_task with this id for its images."
                )
                return _result(text, _task_facts(task), caller.budget)

    async def _completed_result(self, caller: Caller, task: Task) -> CallToolResult:
        cost = task.usage.cost
        count = f"{len(task.results)} image{'s' if len(task.results) > 1 else ''}"
        price = _amount(cost) if cost else "nothing"
        lines = [f"Task {task.id} is completed: {count} for {price}. The links work for 24 hours without a key:"]
        lines += [f"{number}. {link}" for number, link in enumerate(task.results, 1)]
        if task.notice:
            lines.append(f"Engine: {task.engine}, {task.notice}.")
        previews = await self._previewer.load(caller.client, task)
        if None in previews:
            lines.append("Not every image can be shown here; the links have all of them.")
        result = _result("\n".join([*lines, *_cap_line(caller.budget)]), _task_facts(task), caller.budget)
        shown: list[ContentBlock] = [one for one in previews if one]
        links = _resource_links(task) if caller.protocol_version >= _FIRST_VERSION_WITH_LINKS else []
        return CallToolResult(content=[*result.content, *shown, *links], structured_content=result.structured_content)


async def _report_until_end(caller: Caller, task_id: str) -> None:
    shown = -1
    async with contextlib.aclosing(caller.client.tasks.events(task_id)) as events:
        async for event in events:
            if event.task.progress > shown:  # the protocol wants each to be higher
                shown = event.task.progress
                await caller.report_progress(shown, 100, event.task.status)


async def call_safely(call: Callable[[], Awaitable[CallToolResult]]) -> CallToolResult:
    """What goes wrong as a result that the model can read."""
    try:
        return await call()
    except (CapReachedError, FileRefusedError) as error:
        return error_result(str(error))
    except msgspec.ValidationError as error:
        return error_result(f"The arguments are not valid: {error}")
    except ImagegateError as error:
        text = f"The gateway refused: {error}" if hasattr(error, "status") else f"The gateway: {error}"
        if error.outcome_unknown:
            text += "\nThe request may have been carried out all the same: its maximum stays counted against the cap."
        return error_result(text)
    except Exception as error:  # noqa: BLE001  # a fault of this program must not end the session
        log_error("tool_failed", exc_info=error)
        return error_result("This server failed; its log says why. If images were bought, get_task has them.")


def error_result(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def _with_placeholders(options: ImageOptions, image_count: int, has_mask: bool) -> ImageOptions:
    priced: ImageOptions = {**options}
    if image_count:
        priced["image_urls"] = [_PLACEHOLDER_URL] * image_count
    if has_mask:
        priced["mask_url"] = _PLACEHOLDER_URL
    return priced


def _quote_result(quote: Quote, budget: Budget) -> CallToolResult:
    size = f"{quote.size.width}x{quote.size.height}"
    text = (
        f"{quote.model}, {quote.n} x {size}{f', quality {quote.quality}' if quote.quality else ''}:"
        f" expected {_amount(quote.expected)}, at most {_amount(quote.maximum)}."
    )
    if not quote.affordable:
        text += " Account or key cannot pay that now."
    facts = {
        "model": quote.model,
        "n": quote.n,
        "size": size,
        "quality": quote.quality,
        "affordable": quote.affordable,
        "expected_credits": quote.expected.credits,
        "maximum_credits": quote.maximum.credits,
        "expected_usd": quote.expected.usd,
        "maximum_usd": quote.maximum.usd,
    }
    return _result("\n".join([text, *_cap_line(budget)]), facts, budget)


def _amount(money: Money | Cost) -> str:
    return f"{_shown(money.credits)} credits (${_shown(money.usd)})"


def _shown(amount: Decimal) -> str:
    """In sentences; the structured part is exact."""
    return format_for_people(str(amount))


def _task_facts(task: Task) -> dict[str, Any]:
    facts: dict[str, Any] = {"task_id": task.id, "status": task.status, "progress": task.progress}
    if task.results:
        facts["images"] = list(task.results)
    if task.usage.cost:
        facts |= {"credits": task.usage.cost.credits, "usd": task.usage.cost.usd}
    return facts


def _failure_text(task: Task) -> str:
    error = task.error
    reason = f"{error.message} ({error.code})" if error else "no reason is known"
    return f"Task {task.id} failed: {reason}. Nothing was charged."


def _resource_links(task: Task) -> list[ContentBlock]:
    return [
        ResourceLink(uri=link, name=f"{task.id}_{index}", mime_type=one.mime_type if one else None)
        for index, link in enumerate(task.results)
        for one in [task.result_data[index] if index < len(task.result_data) else None]
    ]


def _cap_line(budget: Budget) -> list[str]:
    return [] if budget.left is None else [f"{_shown(budget.left)} credits are left of the cap of this session."]


def _result(text: str, facts: dict[str, Any], budget: Budget) -> CallToolResult:
    """Amounts as text in the structured part: they are exact."""
    if budget.left is not None:
        facts = {**facts, "cap_credits_left": budget.left}
    exact = {name: str(value) if isinstance(value, Decimal) else value for name, value in facts.items()}
    return CallToolResult(content=[TextContent(text=text)], structured_content=exact)
